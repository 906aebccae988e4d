//! What is shown of a key goes on being shown while the store is asked what lies below: where a task of the key left, or an
//! update lost the write that it stood on, that is not always at hand. Nobody who looks meanwhile sees nothing, or less.

use super::reading::{Entry, place_of};
use super::updates::Shows;
use super::{Cache, GetFor, Notice, Place};
use crate::error::Error;
use crate::memory::Known;
use crate::ordered::OrderedMap;
use crate::record::{Record, settled};
use crate::task::{Submission, Task, TaskId};
use std::rc::Rc;

/// Of how many keys at the most: as many as a page shows.
const MAX_HELD: usize = 256;

/// What a key showed when what lies below it was not at hand any more.
pub(super) struct Held {
    pub(super) entry: Entry,
    place: Option<(u64, u32)>,
    /// The tasks that it is made of.
    tasks: Vec<TaskId>,
}

impl Held {
    /// Whether it is made of this task.
    pub(super) fn has(&self, task: &Task) -> bool {
        self.tasks.contains(&task.submission.id)
    }
}

/// By key.
pub(super) type AllHeld = OrderedMap<String, Held>;

impl Cache {
    /// What is shown of the key stays, until the store was asked. Whether it was not held before.
    pub(super) fn hold_shown(&mut self, key: &str) -> bool {
        if self.held.len() >= MAX_HELD || self.held.contains_key(key) {
            return false;
        }
        let Some(entry) = self.peek(key) else {
            return false;
        };
        let held = Held {
            place: self.place_of_entry(&entry),
            tasks: self
                .parts(key)
                .or(entry.task.map(|id| vec![id]))
                .unwrap_or_default(),
            entry,
        };
        self.held.insert(key.into(), held);
        true
    }

    /// What is held of a key that no update is a part of, if it stands above what is known of it by now.
    pub(super) fn held_above(&self, key: &str, now: Option<&Task>) -> Option<&Entry> {
        let held = self.whole(key)?;
        let is_known = |id| self.known_backup().task(id).is_some();
        if held.entry.task.is_some_and(is_known) {
            return None;
        }
        let place = match now {
            Some(now) if !now.state.status().is_settled() => return None,
            Some(now) => place_of(now),
            None => self.memory.peek(key).map(place_of_known),
        };
        (held.place.is_none() || held.place > place).then_some(&held.entry)
    }

    /// What is held of the key, if nothing of it failed since.
    pub(super) fn whole(&self, key: &str) -> Option<&Held> {
        let backup = self.known_backup();
        let is_part = |id: &TaskId| backup.task(*id).is_none_or(|task| task.state.is_visible());
        let held = self.held.get(key)?;
        held.tasks.iter().all(is_part).then_some(held)
    }

    /// Where the chain executed the newest part of it.
    fn place_of_entry(&self, entry: &Entry) -> Option<(u64, u32)> {
        match entry.task {
            Some(id) => place_of(self.known_backup().task(id)?),
            None => self.memory.peek(&entry.key).map(place_of_known),
        }
    }

    /// The keys whose updates may stand on nothing that is at hand once the record is folded: what they show is held.
    pub(super) fn hold_piled(&mut self, record: &Record) -> Vec<String> {
        if !self.is_open || self.before_restart.is_some() {
            return Vec::new();
        }
        let ids = match record {
            Record::Event(id, _) => std::slice::from_ref(id),
            Record::Cleaned(_, ids) => ids,
            Record::Submitted(new) => return self.hold_below(new),
            Record::Imported(new) => return self.hold_below(&new.submission),
            Record::Snapshot(_) | Record::Settled(_) | Record::Closed | Record::Index(_) => &[],
        };
        if !self.backup.has_updates() {
            return Vec::new();
        }
        let tasks = ids.iter().filter_map(|id| self.backup.task(*id));
        let keys = tasks.map(|task| task.submission.key.clone());
        let mut keys: Vec<String> = keys.filter(|key| self.is_updated(key)).collect();
        keys.retain(|key| self.hold_shown(key));
        keys
    }

    /// An update may come onto what is not at hand: it is to show soon, and not only where somebody reads.
    fn hold_below(&mut self, new: &Submission) -> Vec<String> {
        let is_asked = new.update.is_some()
            && (self.hold_shown(&new.key)
                || self.gets.len() < MAX_HELD && self.peek(&new.key).is_none());
        is_asked.then(|| new.key.clone()).into_iter().collect()
    }

    /// The same of all keys that updates write.
    pub(super) fn hold_updated(&mut self) {
        let keys: Vec<String> = self.backup.updated().map(Into::into).collect();
        for key in keys {
            self.hold_shown(&key);
        }
    }

    fn is_updated(&self, key: &str) -> bool {
        let tasks = self.backup.overlay().writers(key);
        let mut tasks = tasks.filter_map(|id| self.backup.task(id));
        tasks.any(|task| task.submission.update.is_some())
    }

    /// The record is folded: what is at hand of these keys shows, and of the others the store is asked.
    pub(super) fn let_go(&mut self, keys: Vec<String>) {
        let keys = keys.into_iter().filter(|key| !self.is_asked(key));
        let (asked, known): (Vec<_>, Vec<_>) =
            keys.partition(|key| matches!(self.piled(key), Some(Shows::Unknown)));
        for key in known {
            self.held.remove(&key);
        }
        self.ask_below(asked.into_iter().map(|key| (key, None)).collect());
    }

    /// Whether the store is being asked what is settled of the key.
    fn is_asked(&self, key: &str) -> bool {
        let is_of = |(own, _): &(String, _)| own == key;
        let is_asked = |purpose: &GetFor| matches!(purpose, GetFor::Refresh(asked, _) if asked.iter().any(is_of));
        self.gets.values().any(is_asked)
    }

    /// Asks the store what is settled of these keys, and how the tasks ended that left.
    pub(super) fn ask_below(&mut self, asked: Vec<(String, Option<Rc<Task>>)>) {
        if !asked.is_empty() {
            let places = asked.iter().map(|(key, _)| Place::Value(key.clone()));
            let places = places.collect();
            self.get(GetFor::Refresh(asked, self.shelves.moves()), places);
        }
    }

    /// The store answered. Where it could not be read, the next read of the key asks it.
    pub(super) fn refreshed(
        &mut self,
        asked: Vec<(String, Option<Rc<Task>>)>,
        moves: u64,
        found: Result<Vec<Option<Vec<u8>>>, Error>,
    ) {
        let was_read = found.is_ok();
        let has_moved = moves != self.shelves.moves();
        let mut found = found.unwrap_or_default().into_iter();
        let mut again = Vec::new();
        for (key, task) in asked {
            let row = found.next().flatten().and_then(|bytes| settled(&bytes));
            if was_read && has_moved && self.held.contains_key(&key) {
                // What updates made may have been stored since.
                again.push((key.clone(), None));
            } else {
                self.held.remove(&key);
            }
            if was_read {
                self.found(&key, row.as_ref(), moves);
            }
            self.notice(Notice::Changed(key));
            // It may have come in again since.
            let gone = task.filter(|task| self.known_backup().task(task.submission.id).is_none());
            if let Some(task) = gone {
                self.tell_end(task, row.map(|row| row.inclusion));
            }
        }
        self.ask_below(again);
    }
}

fn place_of_known(known: &Known) -> (u64, u32) {
    (known.place.0.number, known.place.1)
}
