//! The power fails. What a commit wrote under relaxed durability is with the operating system, and may be lost; under strict
//! durability it is on the disk, and all that was written to the same file before.
//!
//! The model goes back with the disk. What a dapp that chose `relaxed` must bear is that what it was told is forgotten; that
//! somebody acted on it is not: a send, a question to a signer, a cancel stay known, unless the submission itself is lost.

use crate::disk::Stores;
use crate::files::Files;
use crate::model::{Facts, Harm, Held, Violation, broken};
use crate::mutants::Mutant;
use crate::rot::fold;
use crate::world::{World, short};
use std::collections::BTreeSet;
use std::mem::take;
use std::ops::Bound::{Excluded, Included};
use uplink_cache::log::Commit;
use uplink_cache::task::{Reason, TaskId};

/// How many commits the operating system keeps back.
const MOST_UNFLUSHED: usize = 12;
/// A file is full after so many writes, about.
const WRITES_A_FILE: usize = 8;

/// The world before something was written that is not flushed yet.
struct Before {
    stores: Stores,
    facts: Facts,
    /// Whoever wrote it was not promised that it would last.
    may_go: bool,
}

/// What was written, and may not be on the disk: the oldest first.
///
/// The browser writes to one file after the other. A flush is of the newest, and nobody flushes what is behind: it lasts once there is
/// a table of it, which is made beside what goes on. Until then what the older file ends with may be lost, and what came later be there.
pub(crate) struct Unflushed {
    /// In the older file.
    older: Vec<Before>,
    /// In the newest.
    newer: Vec<Before>,
    /// Of the newest file so many writes are on the disk.
    flushed: usize,
    /// Some was lost, and what came later was not.
    pub(crate) left_a_gap: bool,
    /// Of its own, so that worlds without a second file are what they were.
    rng: fastrand::Rng,
}

impl Unflushed {
    pub(crate) fn with_seed(seed: u64) -> Self {
        Unflushed {
            older: Vec::new(),
            newer: Vec::new(),
            flushed: 0,
            left_a_gap: false,
            rng: fastrand::Rng::with_seed(!seed),
        }
    }

    fn begin(&mut self, before: Before) {
        if self.older.is_empty() && self.rng.usize(..WRITES_A_FILE) == 0 {
            self.older = self.newer.split_off(self.flushed);
            self.newer.clear();
            self.flushed = 0;
        }
        self.newer.push(before);
        if self.newer.len() > MOST_UNFLUSHED {
            self.older.clear();
            self.newer.drain(..self.flushed.max(1));
            self.flushed = 0;
        }
    }

    /// The newest file is on the disk.
    fn flush(&mut self) {
        self.flushed = self.newer.len();
        if self.older.is_empty() {
            self.newer.clear();
            self.flushed = 0;
        }
    }
}

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
        self.unflushed.begin(before);
    }

    /// It was not written after all.
    pub(crate) fn write_failed(&mut self) {
        self.unflushed.newer.pop();
    }

    /// It was written, and is flushed.
    pub(crate) fn write_lasts(&mut self) {
        self.unflushed.flush();
    }

    /// All that was written is on the disk.
    pub(crate) fn flush(&mut self) {
        self.unflushed.older.clear();
        self.unflushed.flush();
    }

    /// The operating system writes to the disk when it likes, and the browser's table is done at some time.
    pub(crate) fn time_flushes(&mut self) {
        if self.unflushed.rng.u8(..4) == 0 {
            self.unflushed.older.clear();
        }
        self.unflushed.flush();
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
        let unflushed = &mut self.unflushed;
        let (mut older, mut newer) = (take(&mut unflushed.older), take(&mut unflushed.newer));
        let kept = self.rng.usize(take(&mut unflushed.flushed)..=newer.len());
        let lost = newer.split_off(kept);
        let gap = older.split_off(unflushed.rng.usize(0..=older.len()));
        if lost.is_empty() && gap.is_empty() {
            return Ok(());
        }
        let known = self.model.facts_now();
        self.lose_newest(lost);
        let gone = self.lose_between(&gap, newer.first())?;
        self.check_forgotten(&known, &gone)?;
        // A write that is cut off right behind an orderly end, or in an empty log, leaves no trace.
        self.files = if self.ends_closed() {
            Files::Whole
        } else {
            Files::Torn
        };
        self.model.check_disk(&self.disk, 1)
    }

    /// The newest file ends before these.
    fn lose_newest(&mut self, lost: Vec<Before>) {
        let count = lost.len();
        let Some(first) = lost.first() else {
            return;
        };
        self.disk.stores = first.stores.clone();
        self.say(|_| format!("{count} writes are lost with the power"));
        self.tally("a write is lost with the power", count);
        // The model forgets only what may be lost.
        let promised = lost.iter().rposition(|before| !before.may_go);
        let may_go = lost.into_iter().nth(promised.map_or(0, |last| last + 1));
        let facts = may_go.map_or_else(|| self.model.facts_now(), |before| before.facts);
        self.model.go_back(facts, self.disk.last_key());
    }

    /// The older file ends before these, and the newest begins there. Which tasks are gone.
    fn lose_between(
        &mut self,
        gap: &[Before],
        next: Option<&Before>,
    ) -> Result<BTreeSet<TaskId>, Violation> {
        let mut harm = Harm::default();
        let Some(first) = gap.first() else {
            return Ok(harm.gone);
        };
        let end = self.disk.stores.clone();
        let next = next.map_or(&end, |before| &before.stores);
        let ends = gap.iter().skip(1).map(|before| &before.stores);
        for (before, after) in gap.iter().zip(ends.chain([next])) {
            let own = (
                Excluded(before.stores.last_given),
                Included(after.last_given),
            );
            for (_, segment) in after.log.range(own).filter(|_| before.may_go) {
                harm.told_of(segment);
            }
        }
        self.disk.stores = first.stores.clone();
        self.disk.stores.go_on(next, &end);
        let count = gap.len();
        self.say(|_| format!("{count} writes are lost, and what came later is there: {harm:?}"));
        self.tally("a write is lost, and a later one is not", count);
        self.unflushed.left_a_gap = true;
        self.model
            .suffers(&self.chain, &fold(&self.disk.log), &harm);
        Ok(harm.gone)
    }

    fn tally(&mut self, fault: &'static str, count: usize) {
        *self.faults.entry(fault).or_default() += count as u64;
    }

    /// What somebody acted on is in the log that is left.
    fn check_forgotten(&self, known: &Facts, gone: &BTreeSet<TaskId>) -> Held {
        let acted_on = known.iter().filter(|(id, _)| !gone.contains(id));
        for (id, fact) in acted_on.filter(|(_, fact)| !fact.is_hurt) {
            let now = self.model.facts.get(id);
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
