//! Gaps: a nonce that a failed task never used, or that was never one of a task's here. What was sent behind it cannot get
//! into a block until something takes that nonce, and nothing here will.

use super::Cache;
use crate::task::{Event, Reason, State, Status, Task, TaskId};

/// After so many looks that found a task waiting, it may wait in vain.
const MAX_LOOKS: u32 = 3;

impl Cache {
    /// A gateway has the task, and no block does.
    pub(super) fn suspect_gap(&mut self, id: TaskId) {
        let looks = self
            .uplink
            .as_ref()
            .map_or(0, |uplink| uplink.outbox.looks(id));
        if looks <= MAX_LOOKS || self.backup.count(Status::Failed) == 0 {
            return;
        }
        if let Some(nonce) = self.backup.task(id).and_then(|task| self.gap_below(task)) {
            let cause = format!("nonce {nonce} is missing: the task that had it failed");
            self.block(id, Reason::NonceGap, cause);
        }
    }

    /// The lowest nonce of the lane below the task's that a failed task left, and that nothing took since.
    fn gap_below(&self, task: &Task) -> Option<u64> {
        let lane = &task.submission.lane;
        let (mut left, mut kept) = (Vec::new(), Vec::new());
        let mut used_up_to = None;
        for other in self.backup.tasks() {
            let Some(nonce) = other.nonce().filter(|_| other.submission.lane == *lane) else {
                continue;
            };
            if was_never_used(&other.state) {
                left.push(nonce);
            } else {
                kept.push(nonce);
            }
            if other.state.inclusion().is_some() {
                used_up_to = used_up_to.max(Some(nonce));
            }
        }
        left.retain(|nonce| Some(*nonce) > used_up_to && !kept.contains(nonce));
        left.into_iter()
            .filter(|nonce| Some(*nonce) < task.nonce())
            .min()
    }

    /// A task has a nonce now: what waited behind it is tried again.
    pub(super) fn close_gap(&mut self, id: TaskId) {
        let (Some(uplink), Some(task)) = (&self.uplink, self.backup.task(id)) else {
            return;
        };
        let (lane, nonce) = (&task.submission.lane, task.nonce());
        let is_behind = |other: &Task| other.submission.lane == *lane && other.nonce() > nonce;
        let gapped = uplink.gapped.iter().copied();
        let behind = gapped.filter(|id| self.backup.task(*id).is_some_and(is_behind));
        for id in behind.collect::<Vec<TaskId>>() {
            self.append(id, Event::Retried { in_doubt: false });
        }
    }
}

/// Whether the task failed without using its nonce.
fn was_never_used(state: &State) -> bool {
    match state {
        State::Failed { reason, by, .. } => {
            by.is_none() && matches!(reason, Reason::Rejected | Reason::Cancelled)
        }
        State::BackedUp(_)
        | State::Signing { .. }
        | State::Blocked { .. }
        | State::Sent
        | State::Included(_)
        | State::Displaced(_)
        | State::Final(_) => false,
    }
}

/// Whether the task is blocked because of a gap.
pub(super) fn waits_behind_gap(state: &State) -> bool {
    let trouble = state.trouble();
    trouble.is_some_and(|(reason, _)| reason == Reason::NonceGap)
}
