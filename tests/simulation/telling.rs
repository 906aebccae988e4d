//! What a tab owes whoever it works for: it looks as soon as it hears that something is new, knows the whole log before it
//! says that it is open, and is loud when the storage fails.

use crate::disk::TabRef;
use crate::model::{Held, broken};
use crate::world::World;
use std::collections::BTreeSet;
use uplink_cache::cache::{Input, Notice, Output};
use uplink_cache::error::ErrorCode;
use uplink_cache::log::CommitFailure;

/// The longest rest after a fault of the storage.
const REST_MS: u64 = 60_000;

/// What a tab owes, and what it told.
#[derive(Default)]
pub(crate) struct Telling {
    /// Looks at the log's end that are under way.
    looks: u32,
    rests_until_ms: u64,
    owes_a_look: bool,
    owes_trouble: bool,
    /// It said that it cannot go on.
    is_broken: bool,
    /// The log's end when the tab was opened.
    end_at_open: u64,
    /// Damaged segments that it told of.
    damaged: BTreeSet<u64>,
}

impl Telling {
    pub(crate) fn new(end_at_open: u64) -> Self {
        Telling {
            end_at_open,
            ..Telling::default()
        }
    }

    /// The tab, which is at this position, is about to hear of something.
    pub(crate) fn hears(&mut self, now_ms: u64, position: u64, input: &Input) {
        (self.owes_a_look, self.owes_trouble) = (false, false);
        match input {
            Input::News(last, _) => self.owes_a_look = *last > position,
            Input::Loaded { .. } => self.looks = self.looks.saturating_sub(1),
            Input::LoadFailed(_) => {
                self.looks = self.looks.saturating_sub(1);
                self.rests_until_ms = now_ms + REST_MS;
                self.owes_trouble = true;
            }
            Input::CommitFailed(_, CommitFailure::Storage(error)) => {
                self.rests_until_ms = now_ms + REST_MS;
                // Where there is no room, it is looked for first.
                self.owes_trouble = error.code != ErrorCode::QuotaExceeded;
            }
            _ => {}
        }
    }

    /// The tab does this.
    pub(crate) fn does(&mut self, output: &Output) {
        match output {
            Output::Load(_) => self.looks += 1,
            Output::Notice(Notice::StorageTrouble(_)) => self.owes_trouble = false,
            Output::Notice(Notice::Broken(_)) => self.is_broken = true,
            Output::Notice(Notice::Damaged(key, _)) => {
                self.damaged.insert(*key);
            }
            _ => {}
        }
    }

    /// It has done all that it does for now.
    fn check(&self, now_ms: u64) -> Held {
        if self.is_broken {
            return Ok(());
        }
        if self.owes_trouble {
            return broken(12, "the storage failed, and nobody was told");
        }
        if self.owes_a_look && self.looks == 0 && now_ms >= self.rests_until_ms {
            return broken(4, "a tab heard of another's write, and does not look");
        }
        Ok(())
    }
}

impl World {
    pub(crate) fn check_telling(&self, at: TabRef) -> Held {
        self.tabs[at.tab].telling.check(self.tab_ms(at.tab))
    }

    /// A tab says that it is open: what was durable before it was opened is folded.
    pub(crate) fn check_opened(&self, at: TabRef) -> Held {
        let tab = &self.tabs[at.tab];
        let position = tab.cache.as_ref().map(|cache| cache.log().position());
        let end = tab.telling.end_at_open;
        if position < Some(end) {
            return broken(
                12,
                format!("a tab is open at {position:?}, the log went up to {end}"),
            );
        }
        Ok(())
    }

    /// A tab that read the whole log told of all that is damaged in it.
    pub(crate) fn check_damage_told(&self, at: TabRef) -> Held {
        let told = &self.tabs[at.tab].telling.damaged;
        let there = self.rotten.iter();
        let mut there = there.filter(|(key, bytes)| self.disk.log.get(key) == Some(*bytes));
        match there.find(|(key, _)| !told.contains(key)) {
            Some((key, _)) => broken(12, format!("segment {key} is damaged, and nobody was told")),
            None => Ok(()),
        }
    }
}
