//! Tasks that come after others: held until those are far enough, and stopped when one of those failed.
//!
//! What is held is known from the fold alone, so that whoever leads next holds the same. Only a failure is written down,
//! with the word that the task waits for that one no longer: so it outlives what failed, and a retry sends the task.

use super::{Cache, invalid};
use crate::error::{Error, ErrorCode};
use crate::task::{After, Event, MAX_AFTER, State, Task, TaskId};

/// How a task stands that another one waits for.
enum Standing {
    /// Far enough.
    Reached,
    /// Final, and not in the backup any more.
    Left,
    /// Not far enough.
    Waiting,
    /// It failed, or is not to be found.
    Lost(String),
}

impl Cache {
    /// What a submission may wait for: tasks that are known here. What is final already is not waited for.
    pub(super) fn check_after(&self, after: After) -> Result<Option<After>, Error> {
        let After { tasks, until } = after;
        if tasks.len() > MAX_AFTER {
            let message = format!("a task comes after {MAX_AFTER} others at the most");
            return Err(invalid(message));
        }
        let known = self.known_backup();
        let mut waits_for = Vec::new();
        for id in tasks {
            let is_final = match known.task(id) {
                Some(task) => matches!(task.state, State::Final(_)),
                None if known.has_left(id) => true,
                None => {
                    let message = format!("there is no task {id} to come after");
                    return Err(Error::new(ErrorCode::NotFound, message));
                }
            };
            if !is_final && !waits_for.contains(&id) {
                waits_for.push(id);
            }
        }
        Ok((!waits_for.is_empty()).then_some(After {
            tasks: waits_for,
            until,
        }))
    }

    /// Whether the task is to be sent, and must wait for others.
    pub(super) fn is_held(&self, id: TaskId) -> bool {
        let task = self.backup.task(id);
        task.is_some_and(|task| self.waits(task))
    }

    /// The same of a task at hand.
    pub(super) fn waits(&self, task: &Task) -> bool {
        let is_to_be_sent = match task.state {
            State::BackedUp(_) => true,
            State::Signing { .. }
            | State::Blocked { .. }
            | State::Sent
            | State::Included(_)
            | State::Displaced(_)
            | State::Final(_)
            | State::Failed { .. } => false,
        };
        let mut standings = self.standings(task);
        is_to_be_sent
            && standings.any(|(_, standing)| match standing {
                Standing::Reached | Standing::Left => false,
                Standing::Waiting | Standing::Lost(_) => true,
            })
    }

    /// The task has no turn while it must wait.
    pub(super) fn hold(&mut self, id: TaskId) {
        if let Some(uplink) = &mut self.uplink {
            uplink.outbox.hold(id);
        }
    }

    /// Writes down what became of those that the task waits for, where that is for good.
    pub(super) fn heed_dependencies(&mut self, task: &Task) {
        if !task.state.heeds_dependencies() {
            return;
        }
        let event = |(task, standing)| match standing {
            Standing::Lost(cause) => Some(Event::DependencyFailed { task, cause }),
            Standing::Left => Some(Event::DependencyFinal(task)),
            Standing::Reached | Standing::Waiting => None,
        };
        for event in self.standings(task).filter_map(event).collect::<Vec<_>>() {
            self.append(task.submission.id, event);
        }
    }

    /// A task went on, or left: what waits for it may be sent now, or must not be any more.
    pub(super) fn sync_dependents(&mut self, id: TaskId) {
        for dependent in self.backup.dependents(id).collect::<Vec<_>>() {
            self.sync_uplink(dependent);
        }
    }

    fn standings<'a>(&'a self, task: &'a Task) -> impl Iterator<Item = (TaskId, Standing)> + 'a {
        let after = task.submission.after.iter();
        after.flat_map(move |after| {
            let tasks = after.tasks.iter();
            tasks.map(move |id| (*id, self.standing(task, after, *id)))
        })
    }

    fn standing(&self, task: &Task, after: &After, id: TaskId) -> Standing {
        // A file may say of tasks that they wait for each other: only what came before counts.
        let found = self
            .backup
            .task(id)
            .filter(|other| other.order < task.order);
        match found.map(|other| &other.state) {
            Some(State::Failed { reason, .. }) => {
                Standing::Lost(format!("task {id} failed: {}", reason.as_str()))
            }
            Some(state) if state.has_reached(after.until) => Standing::Reached,
            Some(_) => Standing::Waiting,
            None if self.backup.has_left(id) => Standing::Left,
            None => {
                let cause =
                    format!("task {id} is not in the backup, and nothing says how it ended");
                Standing::Lost(cause)
            }
        }
    }
}
