//! The power fails. What a commit wrote under relaxed durability is with the operating system, and may be lost with all that
//! was written after it; under strict durability it is on the disk, and all that was written before.
//!
//! The model goes back with the disk. What a dapp that chose `relaxed` must bear is that what it was told is forgotten; that
//! somebody acted on it is not: a send, a question to a signer, a cancel stay known.

use crate::disk::Stores;
use crate::files::Files;
use crate::model::{Facts, Held, broken};
use crate::mutants::Mutant;
use crate::world::{World, short};
use uplink_cache::log::Commit;
use uplink_cache::task::Reason;

/// How many commits the operating system keeps back.
const MOST_UNFLUSHED: usize = 12;

/// The world before something was written that is not flushed yet.
struct Before {
    stores: Stores,
    facts: Facts,
    /// Whoever wrote it was not promised that it would last.
    may_go: bool,
}

/// What the operating system has, and the disk has not: the oldest first.
#[derive(Default)]
pub(crate) struct Unflushed(Vec<Before>);

impl World {
    /// Something is about to be written.
    pub(crate) fn write_begins(&mut self, may_go: bool) {
        if self.climate.power == 0 {
            return;
        }
        let before = Before {
            stores: self.disk.stores.clone(),
            facts: self.model.facts_now(),
            may_go,
        };
        let unflushed = &mut self.unflushed.0;
        unflushed.push(before);
        if unflushed.len() > MOST_UNFLUSHED {
            unflushed.remove(0);
        }
    }

    /// It was not written after all.
    pub(crate) fn write_failed(&mut self) {
        self.unflushed.0.pop();
    }

    /// All that was written is on the disk.
    pub(crate) fn flush(&mut self) {
        self.unflushed.0.clear();
    }

    /// Whether the driver has this commit flushed, as the dapp or the core wants it.
    pub(crate) fn is_flushed(&self, commit: &Commit) -> bool {
        let is_dapps = !self.climate.is_relaxed && self.mutant != Some(Mutant::DurabilityIgnored);
        is_dapps || commit.is_strict && self.mutant != Some(Mutant::SendsRelaxed)
    }

    pub(crate) fn power_fails(&mut self) -> Held {
        self.kill_browser()?;
        while !self.disk.queue.is_empty() {
            self.complete_commit()?;
        }
        let mut unflushed = std::mem::take(&mut self.unflushed).0;
        let kept = self.rng.usize(0..=unflushed.len());
        let lost = unflushed.split_off(kept);
        let Some(first) = lost.first() else {
            return Ok(());
        };
        self.disk.stores = first.stores.clone();
        let count = lost.len();
        self.say(|_| format!("{count} writes are lost with the power"));
        *self
            .faults
            .entry("a write is lost with the power")
            .or_default() += count as u64;
        // The model forgets only what may be lost.
        let promised = lost.iter().rposition(|before| !before.may_go);
        let may_go = lost.into_iter().nth(promised.map_or(0, |last| last + 1));
        let facts = may_go.map_or_else(|| self.model.facts_now(), |before| before.facts);
        self.check_forgotten(&facts)?;
        self.model.go_back(facts, self.disk.last_key());
        // A write that is cut off right behind an orderly end, or in an empty log, leaves no trace.
        self.files = if self.ends_closed() {
            Files::Whole
        } else {
            Files::Torn
        };
        self.model.check_disk(&self.disk, 1)
    }

    /// What somebody acted on is in the log that is left.
    fn check_forgotten(&self, left: &Facts) -> Held {
        for (id, fact) in self.model.facts.iter().filter(|(_, fact)| !fact.is_hurt) {
            let now = left.fact(*id);
            let mut sent = fact.txs(&self.chain);
            let sent = sent.find(|tx| self.users.sends.contains_key(tx));
            if let Some(tx) = sent.filter(|_| fact.was_started) {
                let knows = now.is_some_and(|now| {
                    now.was_started && now.txs(&self.chain).any(|own| own == tx)
                });
                if !knows {
                    return broken(
                        2,
                        format!("{} was sent, and the log forgot that", short(*id)),
                    );
                }
            }
            if self.signers.asked.contains(id) && !now.is_some_and(|now| now.was_asked) {
                let id = short(*id);
                return broken(
                    2,
                    format!("a signer was asked for {id}, and the log forgot that"),
                );
            }
            // In this life: a file may have brought it back.
            let was_cancelled =
                self.users.cancelled.contains(id) && fact.cause() == Some(Reason::Cancelled);
            if was_cancelled && now.and_then(|now| now.cause()) != Some(Reason::Cancelled) {
                return broken(
                    6,
                    format!("{} was cancelled, and the log forgot that", short(*id)),
                );
            }
        }
        Ok(())
    }
}
