//! The log's beginning was cleaned away under this tab: what is known is folded anew from what is left. Until that is through,
//! readers see what was known before; then they are told what is otherwise, and whoever waits for a record that went is answered.

use super::submitting::conflict;
use super::{Cache, Done, Notice, portable};
use crate::backup::Backup;
use crate::error::{Error, ErrorCode};
use crate::ordered::{OrderedMap, OrderedSet};
use crate::record::Record;
use crate::task::{Event, Reason, Stage, State, Status, Task, TaskId};
use std::rc::Rc;

impl Cache {
    /// The log's beginning was cleaned away under this tab: what is known is folded anew from what is left.
    pub(super) fn restart(&mut self) {
        if self.before_restart.is_none() {
            self.hold_updated();
            self.before_restart = Some(std::mem::take(&mut self.backup));
            self.position_before = self.log.position();
        }
        self.backup = Backup::default();
        self.shelves.moved();
        self.step_down();
        self.log.restart();
        self.must_load = true;
    }

    /// The fold; while it begins anew, what it was before.
    pub(super) fn known_backup(&self) -> &Backup {
        self.before_restart.as_ref().unwrap_or(&self.backup)
    }

    /// How far the log went of which that is the fold.
    pub(super) fn known_position(&self) -> u64 {
        match self.before_restart {
            Some(_) => self.position_before,
            None => self.log.position(),
        }
    }

    /// The log was folded anew, and readers see that from here on.
    pub(super) fn restarted(&mut self, before: &Backup) {
        // Tasks that were never seen here may have settled since: what is at hand may be out of date.
        self.memory.doubt();
        self.reads.doubt();
        self.shelves.moved();
        let shown = std::mem::take(&mut self.shown);
        if self.is_open {
            self.tell_restarted(before, &shown);
        }
        let gone = self.gone(before, &shown);
        let is_final = |task: &&Rc<Task>| task.state.status() == Status::Final;
        self.moved(
            gone.iter().filter(is_final).cloned().collect(),
            OrderedMap::new(),
        );
        let gone = gone
            .into_iter()
            .map(|task| (task.submission.key.clone(), Some(task)));
        let mut asked: Vec<_> = gone.collect();
        let told: OrderedSet<&String> = asked.iter().map(|(key, _)| key).collect();
        let held = self.held.keys().filter(|key| !told.contains(key));
        let held: Vec<_> = held.map(|key| (key.clone(), None)).collect();
        asked.extend(held);
        self.ask_below(asked);
        self.reads.restarted(&self.backup);
    }

    /// What was known and is not in the log any more, though it did not fail.
    fn gone(&self, before: &Backup, shown: &OrderedMap<TaskId, Rc<Task>>) -> Vec<Rc<Task>> {
        let has_left = |task: &&Rc<Task>| {
            task.state.status() != Status::Failed && self.backup.task(task.submission.id).is_none()
        };
        let known = before.all_shared().chain(shown.values());
        known.filter(has_left).cloned().collect()
    }

    /// Readers are about to see what is left of the log: what was shown stays, where the store has to be asked.
    pub(super) fn hold_what_left(&mut self) {
        if let Some(before) = &self.before_restart {
            for task in self.gone(before, &self.shown) {
                self.hold_shown(&task.submission.key);
            }
        }
    }

    /// What the new fold says of tasks that the old one did not.
    fn tell_restarted(&mut self, before: &Backup, shown: &OrderedMap<TaskId, Rc<Task>>) {
        for task in before.all_shared().chain(shown.values()) {
            let from = task.state.status();
            match self.backup.shared(task.submission.id) {
                Some(now) if now.state.status() != from => {
                    let notice = Notice::Status(now.clone(), Some(from));
                    self.notice(notice);
                }
                None if from == Status::Failed => {
                    self.notice(Notice::Discarded(task.submission.id));
                }
                Some(_) | None => {}
            }
        }
        let is_told = |id: TaskId| before.task(id).is_some() || shown.contains_key(&id);
        let is_new = |task: &&Rc<Task>| !is_told(task.submission.id);
        let new: Vec<Rc<Task>> = self.backup.all_shared().filter(is_new).cloned().collect();
        for task in new {
            self.notice(Notice::Status(task, None));
        }
        self.notice(Notice::Refolded);
    }

    /// What came, settled and left again while the fold begins anew: an own submission may have been answered with it.
    pub(super) fn tell_passed(&mut self, tasks: &[Rc<Task>]) {
        if let (true, Some(before)) = (self.is_open, &self.before_restart) {
            let is_new = |task: &&Rc<Task>| before.task(task.submission.id).is_none();
            let new: Vec<Rc<Task>> = tasks.iter().filter(is_new).cloned().collect();
            for task in new {
                self.shown.remove(&task.submission.id);
                self.notice(Notice::Status(task, None));
            }
        }
    }

    /// Own records that were cleaned away before they were folded here: what is left, or was known before, tells what
    /// became of them.
    pub(super) fn answer_orphans(&mut self, before: Option<&Backup>) {
        for (record, ask) in self.log.take_orphans() {
            let result = match record {
                Record::Submitted(submission) => {
                    let is_there = self.backup.task(submission.id).is_some();
                    let now = || self.backup.repeated(&submission);
                    let known = || now().or_else(|| before?.repeated(&submission));
                    let own = is_there.then_some((submission.id, true));
                    match own.or_else(known) {
                        Some((id, false)) => Err(conflict(id)),
                        Some((id, true)) => {
                            self.show(before.and_then(|before| before.shared(id)).cloned());
                            Ok(Done::Task(id))
                        }
                        // It, or what it repeated, settled and left while this tab slept. To submit it again is safe.
                        None => Err(Error::new(
                            ErrorCode::StorageFailed,
                            "what became of the submission is not in the log any more",
                        )),
                    }
                }
                Record::Event(id, event) => self.outcome(id, &event),
                Record::Imported(task) => {
                    // Whether it was this record that brought it cannot be told; it is durable, or settled since.
                    let fate = match self.backup.repeated_by(&task) {
                        Some((known, false)) => portable::Fate::Clash(known),
                        Some((_, true)) | None => portable::Fate::Known,
                    };
                    self.import_folded(ask, task.submission.id, fate);
                    continue;
                }
                Record::Closed => Ok(Done::Closed),
                Record::Snapshot(..)
                | Record::Cleaned(..)
                | Record::Settled(_)
                | Record::Index(_) => continue,
            };
            self.done(ask, result);
        }
    }

    /// Whether the app's event was taken, as far as the task's state tells.
    fn outcome(&self, id: TaskId, event: &Event) -> Result<Done, Error> {
        let state = self.backup.task(id).map(|task| &task.state);
        let is_taken = match event {
            Event::Cancelled => state.is_some_and(|state| match state {
                State::Failed { reason, .. } => *reason == Reason::Cancelled,
                State::BackedUp(_)
                | State::Signing { .. }
                | State::Blocked { .. }
                | State::Sent
                | State::Included(_)
                | State::Displaced(_)
                | State::Final(_) => false,
            }),
            Event::Retried { .. } => state.is_some_and(|state| state.status() != Status::Blocked),
            Event::Discarded => state.is_none(),
            Event::Added(_, signed) => self
                .backup
                .task(id)
                .is_some_and(|task| task.transactions().any(|(tx, ..)| tx == signed.tx)),
            Event::Broadcast(tx) => self
                .backup
                .task(id)
                .is_some_and(|task| task.transactions().any(|(own, ..)| own == *tx)),
            Event::NotSent => state.is_some_and(|state| state.stage() == Some(Stage::Draft)),
            Event::SignStarted { .. }
            | Event::SendStarted
            | Event::Accepted
            | Event::Blocked { .. }
            | Event::Included(_)
            | Event::Displaced(_)
            | Event::Outrun { .. }
            | Event::Reorged(_)
            | Event::Finalized(_)
            | Event::Rejected { .. }
            | Event::DependencyFailed { .. }
            | Event::DependencyFinal(_) => false,
        };
        is_taken
            .then_some(Done::Task(id))
            .ok_or_else(|| self.refused(id))
    }

    /// Whoever is answered with a task looks at it: where what is known here does not have it, it is told first.
    pub(super) fn show(&mut self, task: Option<Rc<Task>>) {
        if let Some(task) = task
            && self.known_backup().task(task.submission.id).is_none()
        {
            if self.before_restart.is_some() {
                self.shown.insert(task.submission.id, task.clone());
            }
            let status = task.state.status();
            self.notice(Notice::Status(task, Some(status)));
        }
    }
}
