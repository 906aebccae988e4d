//! The log as it is read, folded record by record into what is known here; and who is told of it.

use super::submitting::conflict;
use super::{Cache, Done, Notice, Output, portable};
use crate::backup::Folded;
use crate::error::{Error, ErrorCode};
use crate::log::{Ask, Fold, Origin};
use crate::memory::Known;
use crate::ordered::OrderedMap;
use crate::record::{self, Record};
use crate::task::{Event, Order, Status, TaskId};
use std::ops::Range;

impl Cache {
    pub(super) fn loaded(&mut self, from: u64, segments: Vec<(u64, Vec<u8>)>, more: bool) {
        self.is_loading = false;
        self.storage_backoff.reset();
        self.log_end.looked(self.now_ms);
        self.must_load |= more;
        if !self.log.loaded(from, segments) {
            self.restart();
        } else if !more && !self.is_open && self.before_restart.is_none() {
            self.fold_all();
            if self.broken.is_none() {
                self.open();
                // A lead that came meanwhile begins with another look: the first read does not wait for what it brings.
                self.must_load |= self.wants_lead;
            }
        }
    }

    pub(super) fn load_failed(&mut self, error: Error) {
        self.is_loading = false;
        self.sync_failed(&error);
        self.exports_failed(&error);
        self.lacking_failed(&error);
        if self.is_open {
            self.must_load = true;
            self.storage_failed(error);
        } else {
            self.break_off(error);
        }
    }

    fn open(&mut self) {
        self.is_open = true;
        self.evicting.count();
        self.notice(Notice::Opened);
    }

    pub(super) fn caught_up(&mut self) {
        self.hold_what_left();
        let before = self.before_restart.take();
        self.answer_orphans(before.as_ref());
        self.synced();
        if let Some(before) = before {
            self.restarted(&before);
        }
        if !self.is_open {
            self.open();
        }
        self.evict();
        // What an earlier lead wrote of a task, and is not heard of yet, may say that nothing of it is out.
        if self.wants_lead && self.uplink.is_none() && self.log.is_still() {
            self.start_uplink();
            self.evicting.count();
            self.notice(Notice::Leading(true));
            if !self.was_left_closed {
                self.is_torn = true;
                self.outputs.push_back(Output::Renew);
            }
        }
    }

    pub(super) fn fold_all(&mut self) {
        let mut appended = false;
        while let Some(Fold { key, origin }) = self.log.next_fold() {
            match origin {
                Origin::Own(records) => {
                    appended = true;
                    for (place, record, ask) in records {
                        self.was_left_closed |= matches!(record, Record::Closed);
                        self.fold(key, place, record, ask);
                    }
                }
                Origin::Stored(bytes) => match record::read(&bytes) {
                    Ok(contents) => {
                        if let Some(damage) = contents.damage
                            && self.damaged.insert(key)
                        {
                            self.notice(Notice::Damaged(key, damage.offset));
                        }
                        for (place, record) in contents.records {
                            self.fold(key, place, record, None);
                        }
                        // What is damaged may have been the last record.
                        self.ends_closed &= contents.damage.is_none();
                        self.was_left_closed = self.ends_closed;
                    }
                    Err(record::NewerFormat(version)) => {
                        let message = format!(
                            "the database has format {version}, this package knows up to {}",
                            record::VERSION
                        );
                        return self.break_off(Error::new(ErrorCode::NewerFormat, message));
                    }
                },
            }
        }
        if appended {
            let announce = Output::Announce(self.log.position(), self.own_tip());
            self.outputs.push_back(announce);
        }
    }

    pub(super) fn fold(
        &mut self,
        segment: u64,
        place: Range<u32>,
        record: Record,
        ask: Option<Ask>,
    ) {
        let order = Order {
            segment,
            index: place.start,
        };
        self.ends_closed = matches!(record, Record::Closed);
        let imported = match &record {
            Record::Imported(task) => Some(task.submission.id),
            Record::Submitted(_)
            | Record::Event(..)
            | Record::Snapshot(_)
            | Record::Cleaned(..)
            | Record::Settled(_)
            | Record::Closed
            | Record::Index(_) => None,
        };
        self.log.index(segment, &record);
        let mut foreseen = OrderedMap::new();
        if let Record::Cleaned(_, ids) = &record {
            foreseen = self.foresee(ids);
            self.values_will_move();
        }
        let held = self.hold_piled(&record);
        let is_new_transaction = matches!(&record, Record::Event(_, Event::Added(..)));
        let was_judged = self.judged(&record);
        let folded = self.backup.fold(order, place.end - place.start, record);
        let result = match &folded {
            Folded::Began(id) | Folded::Changed(id, _) | Folded::Duplicate(id) => {
                Ok(Done::Task(*id))
            }
            Folded::Discarded(task) => Ok(Done::Task(task.submission.id)),
            Folded::Conflict(id) => Err(conflict(*id)),
            Folded::Refused(id) => Err(self.refused(*id)),
            Folded::Unknown if self.ends_closed => Ok(Done::Closed),
            Folded::Unknown | Folded::Cleaned(..) => {
                Err(Error::new(ErrorCode::NotFound, "there is no such task"))
            }
        };
        if let (Folded::Changed(id, from), true) = (&folded, is_new_transaction)
            && let Some(task) = self.backup.shared(*id)
            && task.state.status() == *from
            && self.tells_of_tasks()
        {
            let notice = Notice::Status(task.clone(), Some(*from));
            self.notice(notice);
        }
        let fate = portable::Fate::of(&folded);
        if let (Folded::Refused(id), true) = (&folded, was_judged) {
            self.sync_uplink(*id);
        }
        self.after_fold(folded, foreseen);
        self.let_go(held);
        match (ask, imported) {
            (Some(ask), Some(id)) => self.import_folded(ask, id, fate),
            (Some(ask), None) => {
                if let (Ok(Done::Task(id)), Some(_)) = (&result, &self.before_restart) {
                    self.show(self.backup.shared(*id).cloned());
                }
                self.done(ask, result);
            }
            (None, _) => {}
        }
    }

    fn after_fold(&mut self, folded: Folded, foreseen: OrderedMap<String, Known>) {
        match folded {
            Folded::Began(id) => self.changed(id, None),
            Folded::Changed(id, from) => self.changed(id, Some(from)),
            Folded::Discarded(task) => {
                let id = task.submission.id;
                self.forget_task(id);
                self.shown.remove(&id);
                // It may come in again before this fold is at its end: then it is new.
                if let Some(before) = &mut self.before_restart {
                    before.remove(id);
                }
                self.sync_dependents(id);
                if self.is_open {
                    self.notice(Notice::Discarded(id));
                    self.notice(Notice::Changed(task.submission.key.clone()));
                }
            }
            Folded::Cleaned(through, tasks) => {
                self.log.deleted(through);
                let kept = self.damaged.split_off(&(through + 1));
                if !std::mem::replace(&mut self.damaged, kept).is_empty() {
                    self.notice(Notice::SetAside);
                }
                self.evicting.count();
                self.tell_passed(&tasks);
                self.moved(tasks, foreseen);
            }
            Folded::Duplicate(_) | Folded::Conflict(_) | Folded::Refused(_) | Folded::Unknown => {}
        }
    }

    fn changed(&mut self, id: TaskId, from: Option<Status>) {
        if from == Some(Status::Blocked) {
            // Somebody acted, perhaps on the gateways: what the chain is asked waits no longer than what is sent.
            self.pool.wake();
            self.wake_polling();
        }
        self.sync_uplink(id);
        self.sync_dependents(id);
        if !self.tells_of_tasks() {
            return;
        }
        if let Some(task) = self.backup.shared(id).cloned() {
            let key = task.submission.key.clone();
            if from != Some(task.state.status()) {
                self.notice(Notice::Status(task, from));
            }
            self.notice(Notice::Changed(key));
        }
    }

    /// Before the log is folded for the first time nobody has asked for anything; while the fold begins anew, `restarted`
    /// tells what is new.
    fn tells_of_tasks(&self) -> bool {
        self.is_open && self.before_restart.is_none()
    }
}
