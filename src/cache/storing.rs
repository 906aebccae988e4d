//! What the store answers: what was looked up, and how commits ended.

use super::{Cache, GetFor, Notice, Output, Place, reading};
use crate::error::{Error, ErrorCode};
use crate::log::{self, BlobKey, CommitFailure};
use crate::task::TaskId;

/// An answer that lacks long parts of tasks.
#[derive(Debug)]
pub(super) struct Lacking {
    id: u64,
    tasks: Vec<TaskId>,
    found: Vec<Option<Vec<u8>>>,
}

impl Cache {
    pub(super) fn get(&mut self, purpose: GetFor, places: Vec<Place>) {
        let id = self.draw_id();
        self.gets.insert(id, purpose);
        let blobs = places.iter().enumerate();
        let blobs = blobs.filter_map(|(at, place)| match place {
            Place::Blob(key) => Some((at, *key)),
            Place::Value(_) => None,
        });
        let blobs: Vec<_> = blobs.collect();
        if !blobs.is_empty() {
            self.blobs.insert(id, blobs);
        }
        self.outputs.push_back(Output::Get(id, places));
    }

    pub(super) fn got(&mut self, id: u64, mut found: Result<Vec<Option<Vec<u8>>>, Error>) {
        let blobs = self.blobs.remove(&id).unwrap_or_default();
        if let Ok(found) = &mut found {
            let tasks = self.take_damaged(&blobs, found);
            if !tasks.is_empty() {
                // Another tab may have moved it, or discarded its task: the log's end tells.
                self.must_load = true;
                let found = std::mem::take(found);
                return self.lacking.push(Lacking { id, tasks, found });
            }
        }
        self.give(id, found);
    }

    /// The log is folded up to its end: what is not there is nowhere.
    pub(super) fn pump_lacking(&mut self) {
        for Lacking { id, tasks, found } in std::mem::take(&mut self.lacking) {
            for task in tasks {
                if self.backup.task(task).is_some() {
                    self.notice(Notice::Unreadable(reading::missing_blob(task)));
                }
            }
            self.give(id, Ok(found));
        }
    }

    /// The log's end cannot be read.
    pub(super) fn lacking_failed(&mut self, error: &Error) {
        for Lacking { id, .. } in std::mem::take(&mut self.lacking) {
            self.give(id, Err(error.clone()));
        }
    }

    fn give(&mut self, id: u64, found: Result<Vec<Option<Vec<u8>>>, Error>) {
        match self.gets.remove(&id) {
            Some(GetFor::Read(wanted, moves)) => self.looked_up(wanted, moves, found),
            Some(GetFor::Bases(ask, listing, keys)) => {
                self.looked_for_bases(ask, *listing, keys, found);
            }
            Some(GetFor::Trial(task, moves, places)) => {
                self.trial_loaded(task, moves, places, found);
            }
            Some(GetFor::Blob(wanted, task)) => self.read_blob(wanted, task, found),
            Some(GetFor::List(ask, listing)) => self.listed(ask, *listing, found),
            Some(GetFor::Below(ask, listing, keys)) => {
                self.looked_below(ask, *listing, keys, found);
            }
            Some(GetFor::Send(task, tx)) => self.loaded_payload(task, tx, found),
            Some(GetFor::Rival(task)) => {
                let payload = found.ok().and_then(|mut found| found.pop()?);
                self.rival_payload(task, payload.map(Into::into));
            }
            Some(GetFor::Replace(replacing)) => {
                let old = found.ok().and_then(|mut found| found.pop()?);
                self.replace_loaded(*replacing, old);
            }
            Some(GetFor::Sign(task)) => self.loaded_value(task, found),
            Some(GetFor::Clean(plan)) => self.clean(plan, found),
            Some(GetFor::Refresh(asked, moves)) => self.refreshed(asked, moves, found),
            Some(GetFor::Export(ask, export, part, keys)) => {
                self.export_loaded(ask, export, part, keys, found);
            }
            None => {}
        }
    }

    /// The tasks of which a long part is not there. Other bytes than the log tells of are none.
    fn take_damaged(
        &self,
        blobs: &[(usize, BlobKey)],
        found: &mut [Option<Vec<u8>>],
    ) -> Vec<TaskId> {
        let mut lost = Vec::new();
        for (at, key) in blobs {
            let Some(bytes) = found.get_mut(*at) else {
                break;
            };
            let task = self.backup.task(key.0);
            let Some(task) = task.or_else(|| self.known_backup().task(key.0)) else {
                continue;
            };
            let is_whole = |bytes: &Vec<u8>| log::is_part(task, key.1, bytes);
            if !bytes.as_ref().is_some_and(is_whole) {
                *bytes = None;
                lost.push(key.0);
            }
        }
        lost
    }

    /// A settled value is there, and cannot be read.
    pub(super) fn damaged_value(&mut self, key: &str) -> Error {
        let message = format!("what is settled of {key} is damaged in the store");
        let error = Error::new(ErrorCode::StorageFailed, message);
        self.notice(Notice::Unreadable(error.clone()));
        error
    }

    pub(super) fn committed(&mut self, id: u64, last_key: u64) {
        self.storage_backoff.reset();
        self.log.committed(id, last_key);
        self.log_end.looked(self.now_ms);
        self.evicting.found_room();
        self.cleaned(id, last_key);
    }

    pub(super) fn commit_failed(&mut self, id: u64, failure: CommitFailure) {
        self.cleaning.take_if(|cleaning| cleaning.is_commit(id));
        let error = match failure {
            CommitFailure::Behind => {
                self.must_load = true;
                self.evicting.look_again();
                Error::new(ErrorCode::StorageFailed, "the log went on meanwhile")
            }
            CommitFailure::Storage(error)
                if error.code == ErrorCode::QuotaExceeded && self.make_room() =>
            {
                self.log.requeue(id);
                return self.commit_ended();
            }
            CommitFailure::Storage(error) => {
                self.storage_failed(error.clone());
                error
            }
        };
        self.lean_cleaning_ended(false);
        for (ask, error) in self.log.failed(id, &error) {
            self.commit_refused(ask, error);
        }
        self.found_no_room();
        self.commit_ended();
    }

    /// The database is asked again after a while.
    pub(super) fn storage_failed(&mut self, error: Error) {
        let wait_ms = self.storage_backoff.next_ms(&mut self.rng, None);
        self.no_storage_before_ms = self.now_ms + wait_ms;
        self.notice(Notice::StorageTrouble(error));
    }

    fn commit_ended(&mut self) {
        if self.uplink.is_none() {
            self.drop_verdicts();
        }
    }

    pub(super) fn break_off(&mut self, error: Error) {
        self.uplink = None;
        self.drop_sends();
        self.broken = Some(error.clone());
        self.notice(Notice::Broken(error));
    }
}
