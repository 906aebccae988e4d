//! Eviction: settled values go, oldest use first, where they are over their budget, or where the browser has no room for
//! what is to be backed up. What is not settled, and what failed, never goes.
//!
//! It goes in steps: the oldest rows are read, then the log's end is looked at, so that every task of their keys is known,
//! and then one commit deletes them, which does nothing if the log went on meanwhile. A key that any task of the backup
//! writes is passed over: an older write of it, moved later, would be taken for its newest.

use super::{Cache, Output};
use crate::error::Error;
use crate::log::CommitFailure;
use crate::ordered::{OrderedMap, OrderedSet};

/// How many values one step looks at.
pub const MAX_ROWS: usize = 256;
/// What a step makes room for besides what waits, in bytes: browsers give room back in larger pieces than it is asked for.
const SPARE_BYTES: u64 = 256 * 1024;
/// How old the last recorded use of a value is when a use is recorded again, in milliseconds.
pub const RECORD_AGAIN_MS: u64 = 60 * 60 * 1_000;
/// How long uses are collected, in milliseconds.
const COLLECT_MS: u64 = 2_000;
/// How many keys are remembered as used.
const MAX_USED: usize = 10_000;

/// A settled value in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its key.
    pub key: String,
    /// What it counts for: the bytes of key and value.
    pub bytes: u64,
    /// When it was last used, in the driver's time: only to be named again.
    pub used: u64,
}

/// The settled values of the oldest use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Oldest {
    /// What all values count for.
    pub bytes: u64,
    /// Oldest use first.
    pub rows: Vec<Row>,
}

/// One commit that deletes settled values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evict {
    /// The newest key in `log` must not be beyond this one; otherwise nothing is done, and it fails as `Behind`.
    pub expected_last: u64,
    /// What goes, unless it was used since.
    pub delete: Vec<Row>,
    /// What stays, and counts as used just now, so that the next step passes it over.
    pub touch: Vec<String>,
}

/// What an eviction is at.
#[derive(Debug, Default)]
enum Stage {
    #[default]
    Idle,
    /// What there is is asked for; and whether rows are.
    Asked(u64, bool),
    /// They wait for a look at the log's end.
    Found(Vec<Row>),
    /// It is looked at.
    Looking(Vec<Row>),
    /// The commit is on its way; whether it deletes something.
    Deleting(u64, bool),
    /// Nothing is left in the store: settled values that are still in the log are given up.
    Cleaning,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Evicting {
    /// What the settled values count for, as last heard.
    bytes: u64,
    stage: Stage,
    /// Somebody must hear what they count for.
    must_count: bool,
    /// A commit found no room: commits wait.
    needs_room: bool,
    /// Nothing more can be evicted: the next commit that finds no room fails.
    is_exhausted: bool,
    /// Keys that were passed over in this eviction.
    passed: OrderedSet<String>,
    /// When uses were handed on, by key.
    used_ms: OrderedMap<String, u64>,
    /// Uses that are collected, and when they are handed on.
    uses: OrderedSet<String>,
    hand_on_ms: u64,
}

impl Evicting {
    /// What the settled values count for, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether commits wait for room.
    pub(super) fn needs_room(&self) -> bool {
        self.needs_room
    }

    /// Values were moved into the store.
    pub(super) fn count(&mut self) {
        self.must_count = true;
    }

    /// A look at the log's end begins.
    pub(super) fn begin_look(&mut self) {
        if let Stage::Found(rows) = &mut self.stage {
            self.stage = Stage::Looking(std::mem::take(rows));
        }
    }

    /// There is room again.
    pub(super) fn found_room(&mut self) {
        self.needs_room = false;
        self.is_exhausted = false;
        self.passed.clear();
    }

    /// A cleaning that was to make room found the log gone on.
    pub(super) fn look_again(&mut self) {
        if let Stage::Cleaning = self.stage {
            self.stage = Stage::Idle;
        }
    }

    /// Nothing more can be done: whoever waits may try, and fail.
    fn give_up(&mut self) {
        self.is_exhausted = self.needs_room;
        self.needs_room = false;
        self.passed.clear();
        self.stage = Stage::Idle;
    }
}

impl Cache {
    /// What settled values count for in the store, in bytes of keys and values, as this tab last heard.
    pub fn values_bytes(&self) -> u64 {
        self.evicting.bytes()
    }

    /// A value of the store was used: it goes later than others.
    pub(super) fn used(&mut self, key: &str) {
        let now_ms = self.now_ms;
        let evicting = &mut self.evicting;
        let last_ms = evicting.used_ms.get(key);
        if last_ms.is_some_and(|last_ms| now_ms < last_ms + RECORD_AGAIN_MS) {
            return;
        }
        if evicting.used_ms.len() >= MAX_USED {
            evicting.used_ms.clear();
        }
        evicting.used_ms.insert(key.into(), now_ms);
        if evicting.uses.is_empty() {
            evicting.hand_on_ms = now_ms + COLLECT_MS;
        }
        evicting.uses.insert(key.into());
    }

    /// When collected uses are handed on.
    pub(super) fn next_uses_ms(&self) -> Option<u64> {
        let waits = !self.evicting.uses.is_empty();
        waits.then_some(self.evicting.hand_on_ms)
    }

    /// A commit found no room. Whether it is worth to try it again.
    pub(super) fn make_room(&mut self) -> bool {
        if let Stage::Cleaning = self.evicting.stage {
            // What was to make room found none itself.
            self.evicting.give_up();
            return true;
        }
        let may = !self.evicting.is_exhausted;
        self.evicting.needs_room |= may;
        may
    }

    /// The commit was told to have failed: the next one may look for room again.
    pub(super) fn found_no_room(&mut self) {
        if !self.log.goes_one_by_one() {
            self.evicting.is_exhausted = false;
        }
    }

    pub(super) fn pump_evicting(&mut self) {
        if self.next_uses_ms().is_some_and(|due| due <= self.now_ms) {
            let uses = std::mem::take(&mut self.evicting.uses);
            self.outputs
                .push_back(Output::Touch(uses.into_iter().collect()));
        }
        let is_wanted = self.evicting.needs_room || self.evicting.must_count;
        let is_idle = matches!(self.evicting.stage, Stage::Idle);
        if !self.is_open || !is_wanted || !is_idle || self.now_ms < self.no_storage_before_ms {
            return;
        }
        // Rows cost a hundred times what their total does: they are read once it is known that some must go.
        let evicts = self.evicting.needs_room || self.is_over_budget();
        self.evicting.must_count = false;
        let id = self.draw_id();
        self.evicting.stage = Stage::Asked(id, evicts);
        let limit = if evicts { MAX_ROWS } else { 0 };
        self.outputs.push_back(Output::Oldest(id, limit));
    }

    pub(super) fn heard_oldest(&mut self, id: u64, found: Result<Oldest, Error>) {
        let has_rows = match self.evicting.stage {
            Stage::Asked(asked, has_rows) if asked == id => has_rows,
            Stage::Asked(..)
            | Stage::Idle
            | Stage::Found(_)
            | Stage::Looking(_)
            | Stage::Deleting(..)
            | Stage::Cleaning => return,
        };
        self.evicting.stage = Stage::Idle;
        let Ok(found) = found else {
            return self.evicting.give_up();
        };
        self.evicting.bytes = found.bytes;
        if !has_rows {
            self.evicting.must_count |= self.is_over_budget();
            return;
        }
        if self.evicting.needs_room && found.rows.is_empty() {
            return self.clean_for_room();
        }
        if self.evicting.needs_room || self.is_over_budget() && !found.rows.is_empty() {
            self.evicting.stage = Stage::Found(found.rows);
            self.must_load = true;
        }
    }

    /// Over their budget values are evicted by the tab that moves them.
    fn is_over_budget(&self) -> bool {
        self.uplink.is_some() && self.evicting.bytes > self.config.values_budget_bytes
    }

    /// The log is folded up to its end: what the backup writes is known.
    pub(super) fn evict(&mut self) {
        if !self.log.is_still() {
            return;
        }
        let rows = match &mut self.evicting.stage {
            Stage::Looking(rows) => std::mem::take(rows),
            Stage::Idle
            | Stage::Asked(..)
            | Stage::Found(_)
            | Stage::Deleting(..)
            | Stage::Cleaning => return,
        };
        self.evicting.stage = Stage::Idle;
        let budget = self.config.values_budget_bytes;
        let mut too_many = self.evicting.bytes.saturating_sub(budget);
        if self.uplink.is_none() {
            too_many = 0;
        }
        if self.evicting.needs_room {
            too_many = too_many.max(2 * self.log.queue_bytes() as u64 + SPARE_BYTES);
        }
        let is_new = rows
            .iter()
            .all(|row| !self.evicting.passed.contains(&row.key));
        let mut delete: Vec<Row> = Vec::new();
        let mut touch = Vec::new();
        for row in rows {
            if too_many == 0 {
                break;
            }
            if self.backup.overlay().writes(&row.key) {
                touch.push(row.key);
            } else {
                too_many = too_many.saturating_sub(row.bytes);
                delete.push(row);
            }
        }
        if delete.is_empty() && !is_new {
            // All were passed over before.
            return self.clean_for_room();
        }
        if delete.is_empty() && touch.is_empty() {
            return;
        }
        self.evicting.passed.extend(touch.iter().cloned());
        let id = self.draw_id();
        self.evicting.stage = Stage::Deleting(id, !delete.is_empty());
        let evict = Evict {
            expected_last: self.log.position(),
            delete,
            touch,
        };
        self.outputs.push_back(Output::Evict(id, evict));
    }

    pub(super) fn evicted(&mut self, id: u64, result: Result<u64, CommitFailure>) {
        let deleted = match self.evicting.stage {
            Stage::Deleting(asked, deleted) if asked == id => deleted,
            Stage::Deleting(..)
            | Stage::Asked(..)
            | Stage::Idle
            | Stage::Found(_)
            | Stage::Looking(_)
            | Stage::Cleaning => return,
        };
        self.evicting.stage = Stage::Idle;
        match result {
            Ok(bytes) => {
                self.evicting.bytes = bytes;
                if deleted {
                    self.evicting.found_room();
                }
                self.evicting.must_count |= self.is_over_budget();
            }
            Err(CommitFailure::Behind) => {
                self.must_load = true;
                self.evicting.must_count = true;
                // They do not count as used: the next step meets them again, and others stand behind them.
                self.evicting.passed.clear();
            }
            Err(CommitFailure::Storage(_)) => self.evicting.give_up(),
        }
    }

    /// Nothing is left to be evicted in the store; what is settled and still in the log can go instead of being moved.
    fn clean_for_room(&mut self) {
        self.evicting.stage = Stage::Cleaning;
        if !self.evicting.needs_room || !self.begin_lean_cleaning() {
            self.evicting.give_up();
        }
    }

    /// The cleaning that was to make room is through, or did not come about.
    pub(super) fn lean_cleaning_ended(&mut self, is_done: bool) {
        if !matches!(self.evicting.stage, Stage::Cleaning) {
            return;
        }
        if is_done {
            self.evicting.stage = Stage::Idle;
            self.evicting.found_room();
        } else {
            self.evicting.give_up();
        }
    }
}
