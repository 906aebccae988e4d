//! What the store answers: what was looked up, and how commits ended.

use super::{Cache, GetFor, Notice, Output, Place};
use crate::error::{Error, ErrorCode};
use crate::log::{self, BlobKey, CommitFailure};

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
        if let (Some(blobs), Ok(found)) = (self.blobs.remove(&id), &mut found) {
            self.drop_damaged(&blobs, found);
        }
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

    /// Other bytes than the log tells of are none.
    fn drop_damaged(&mut self, blobs: &[(usize, BlobKey)], found: &mut [Option<Vec<u8>>]) {
        for (at, key) in blobs {
            let Some(bytes) = found.get_mut(*at) else {
                return;
            };
            let task = self.backup.task(key.0);
            let Some(task) = task.or_else(|| self.known_backup().task(key.0)) else {
                continue;
            };
            let is_damaged = |bytes: &mut Vec<u8>| !log::is_part(task, key.1, bytes);
            if bytes.take_if(is_damaged).is_some() {
                self.tell_damage(format!("what the store keeps of task {} is damaged", key.0));
            }
        }
    }

    /// A settled value is there, and cannot be read.
    pub(super) fn damaged_value(&mut self, key: &str) -> Error {
        self.tell_damage(format!("what is settled of {key} is damaged in the store"))
    }

    fn tell_damage(&mut self, message: String) -> Error {
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
