//! The leader's sending: lanes in order, a look before every repetition, and what each answer means.

use super::{Cache, GetFor, Place, Purpose};
use crate::backup::Backup;
use crate::error::Error;
use crate::gateway::pool::Gate;
use crate::gateway::{Blame, Refusal, Reply, Request, Verdict};
use crate::log::{BlobKey, Part};
use crate::ordered::{OrderedMap, OrderedSet};
use crate::outbox::{Outbox, Wait};
use crate::record::Record;
use crate::task::{
    Block, Bytes, Displaced, Event, Hash, Reason, Role, Stage, State, Status, Task, TaskId,
};
use std::rc::Rc;

/// How many requests for tasks are under way at a time.
pub(super) const MAX_IN_FLIGHT: usize = 8;

/// How many looks in vain, at most ten minutes apart, until a transaction whose bytes only a wallet has counts as
/// dropped.
const MAX_BLIND_LOOKS: u32 = 6;

/// How often a transaction may be taken by a gateway and be gone later, until somebody must act: some nodes take what no
/// block can hold, and throw it away.
const MAX_LOSSES: u32 = 6;

/// What only the leader knows and does.
#[derive(Default)]
pub(super) struct Uplink {
    pub(super) outbox: Outbox,
    pub(super) desk: super::signing::Desk,
    attempts: OrderedMap<TaskId, u32>,
    /// Tasks that the chain may have, and that no block holds yet as far as is known.
    pub(super) awaited: OrderedSet<TaskId>,
    /// Tasks in blocks that are not final.
    pub(super) spots: OrderedMap<Block, super::tracking::Spot>,
    /// Final tasks of the backup, by their blocks: where finality itself is broken, they are sent again.
    pub(super) finals: OrderedMap<Block, OrderedSet<TaskId>>,
    /// Whether the newest of those blocks must be looked at.
    pub(super) final_check: super::tracking::FinalCheck,
    /// What is to be asked for.
    pub(super) receipts: super::receipts::Receipts,
    pub(super) rivals: super::rivals::Rivals,
    /// Tasks that are blocked because of a gap before them.
    pub(super) gapped: OrderedSet<TaskId>,
    /// Tasks that are not sent before it is known what their update is applied to.
    pub(super) on_trial: OrderedSet<TaskId>,
    /// Tasks whose end, or whose need of somebody, is on its way into the log: whatever changes meanwhile, they are not sent.
    judged: OrderedSet<TaskId>,
    /// Tasks whose receipt is asked for again at every new head.
    pub(super) looking: OrderedMap<TaskId, super::tracking::Looking>,
}

impl Uplink {
    /// How many sends of the task this leader began.
    pub(super) fn attempts(&self, id: TaskId) -> u32 {
        self.attempts.get(&id).copied().unwrap_or(0)
    }
}

impl Cache {
    /// This tab leads from now on: everything unsettled is its work.
    pub(super) fn start_uplink(&mut self) {
        self.uplink = Some(Uplink::default());
        let alive = self
            .backup
            .tasks()
            .filter(|task| task.state.status() != Status::Failed);
        let ids: Vec<TaskId> = alive.map(|task| task.submission.id).collect();
        for id in ids {
            self.sync_uplink(id);
            self.retry_unknown_signer(id);
            if let Some(uplink) = &mut self.uplink
                && uplink.awaited.contains(&id)
            {
                uplink.receipts.want([id]);
                // What the gateway had is looked for with all the others, not in its lane's turn.
                let state = self.backup.task(id).map(|task| &task.state);
                if state == Some(&State::Sent) {
                    uplink.outbox.look_later(id, self.now_ms);
                }
            }
        }
    }

    /// Brings the leader's work in line with the task's state.
    pub(super) fn sync_uplink(&mut self, id: TaskId) {
        if self.uplink.is_none() {
            return;
        }
        let Some(task) = self.backup.shared(id).cloned() else {
            return;
        };
        self.heed_dependencies(&task);
        let is_held = self.waits(&task);
        self.sync_desk(&task, is_held);
        let Some(uplink) = &mut self.uplink else {
            return;
        };
        let is_open = !task.state.status().is_settled();
        let inclusion = task.state.inclusion().filter(|_| is_open);
        if is_open && inclusion.is_none() && task.state.is_exposed() {
            uplink.awaited.insert(id);
        } else {
            uplink.awaited.remove(&id);
            uplink.looking.remove(&id);
        }
        uplink.leave_spots(id, inclusion.map(|inclusion| inclusion.block));
        uplink.rivals.sync(&task);
        if super::gaps::waits_behind_gap(&task.state) {
            uplink.gapped.insert(id);
        } else {
            uplink.gapped.remove(&id);
        }
        match &task.state {
            // What needs a signature first is not the outbox's.
            State::BackedUp(Stage::Draft | Stage::Doubtful) | State::Signing { .. } => {}
            State::BackedUp(Stage::Ready) if is_held => uplink.outbox.hold(id),
            State::BackedUp(stage @ (Stage::Ready | Stage::Exposed)) => {
                // What another process began may have reached the chain.
                let is_new = !uplink.outbox.contains(id) && !uplink.judged.contains(&id);
                let is_released = !is_held && uplink.outbox.is_held(id);
                if is_new || is_released || uplink.outbox.is_outdated(&task) {
                    uplink.outbox.ready(&task, *stage == Stage::Exposed);
                }
                if is_new && *stage == Stage::Ready {
                    self.close_gap(id);
                }
            }
            State::Sent => {
                if !uplink.outbox.contains(id) && !uplink.judged.contains(&id) {
                    uplink.outbox.ready(&task, true);
                } else if uplink.outbox.is_outdated(&task) {
                    uplink.outbox.ready(&task, false);
                }
            }
            State::Included(inclusion) | State::Displaced(Displaced { inclusion, .. }) => {
                uplink.outbox.remove(id);
                let is_canonical = self.follow.is_canonical(&inclusion.block) == Some(true);
                let spot = uplink.spots.get_or_default(inclusion.block);
                spot.tasks.insert(id);
                spot.is_verified |= is_canonical;
            }
            State::Blocked { .. } => uplink.outbox.remove(id),
            State::Final(inclusion) => {
                let block = inclusion.block;
                self.forget_task(id);
                if let Some(uplink) = &mut self.uplink {
                    uplink.finals.get_or_default(block).insert(id);
                }
            }
            State::Failed { .. } => self.forget_task(id),
        }
    }

    pub(super) fn forget_task(&mut self, id: TaskId) {
        if let Some(uplink) = &mut self.uplink {
            uplink.outbox.remove(id);
            uplink.attempts.remove(&id);
            uplink.awaited.remove(&id);
            uplink.looking.remove(&id);
            uplink.rivals.forget(id);
            uplink.gapped.remove(&id);
            uplink.on_trial.remove(&id);
            uplink.judged.remove(&id);
            uplink.leave_spots(id, None);
            uplink.finals.retain(|_, tasks| {
                tasks.remove(&id);
                !tasks.is_empty()
            });
        }
    }

    pub(super) fn next_send_ms(&self) -> Option<u64> {
        let uplink = self.uplink.as_ref().filter(|_| self.is_online)?;
        let due = uplink.outbox.next_due_ms()?;
        match self.pool.gate(self.now_ms) {
            Gate::Open | Gate::WrongChain(_) => Some(due),
            Gate::Unchecked => None,
            Gate::NotBefore(not_before_ms) => Some(due.max(not_before_ms)),
        }
    }

    pub(super) fn wake_sending(&mut self) {
        self.wake_signing();
        if let Some(uplink) = &mut self.uplink {
            uplink.outbox.wake();
        }
    }

    /// Gives every lane its turn.
    pub(super) fn pump_sending(&mut self) {
        self.pump_prepared();
        while self.is_online && self.sends_in_flight() < MAX_IN_FLIGHT {
            let now_ms = self.now_ms;
            let Some(uplink) = &mut self.uplink else {
                return;
            };
            if uplink.outbox.next_due_ms().is_none_or(|due| due > now_ms) {
                return;
            }
            match self.pool.gate(now_ms) {
                Gate::Open => {}
                Gate::Unchecked => return self.pool.call(),
                Gate::NotBefore(_) => return,
                Gate::WrongChain(cause) => {
                    let ids = uplink.outbox.ready_tasks();
                    self.pool.recheck_chains(now_ms);
                    for id in ids {
                        self.block(id, Reason::WrongChain, cause.clone());
                    }
                    return;
                }
            }
            let turn = self
                .uplink
                .as_mut()
                .and_then(|uplink| uplink.outbox.next_turn(now_ms));
            let Some(turn) = turn else {
                return;
            };
            for id in turn {
                self.take_turn(id);
            }
            self.pump_prepared();
        }
    }

    /// Sends what the log says to have begun.
    fn pump_prepared(&mut self) {
        let turns = self
            .uplink
            .as_ref()
            .map(|uplink| uplink.outbox.preparing())
            .unwrap_or_default();
        for turn in turns {
            let is_exposed = |id: &TaskId| {
                let task = self.backup.task(*id);
                task.is_some_and(|task| task.state.is_exposed())
            };
            if turn.iter().all(is_exposed) {
                self.begin_send(&turn);
            }
        }
    }

    fn sends_in_flight(&self) -> usize {
        let is_send = |purpose: &Purpose| matches!(purpose, Purpose::Send(..) | Purpose::Look(_));
        let requests = self.requests.values();
        requests.filter(|(purpose, _)| is_send(purpose)).count()
    }

    fn take_turn(&mut self, id: TaskId) {
        let is_new = |task: &Task| task.state == State::BackedUp(Stage::Ready);
        if self.backup.task(id).is_some_and(is_new) && !self.passes_trial(id) {
            return;
        }
        let (Some(uplink), Some(task)) = (&mut self.uplink, self.backup.task(id)) else {
            return;
        };
        match task.state {
            // The log must say that the chain may have it before it does: only then is a cancel honest.
            State::BackedUp(Stage::Ready) => self.append(id, Event::SendStarted),
            State::BackedUp(Stage::Exposed) | State::Sent => match task.newest() {
                Some((tx, ..)) if uplink.outbox.in_doubt(id) => {
                    uplink.outbox.goes_out(id);
                    self.request(Purpose::Look(id), Request::Transaction(tx));
                }
                Some(_) | None => {}
            },
            State::BackedUp(Stage::Draft | Stage::Doubtful)
            | State::Signing { .. }
            | State::Blocked { .. }
            | State::Included(_)
            | State::Displaced(_)
            | State::Final(_)
            | State::Failed { .. } => {
                uplink.outbox.remove(id);
            }
        }
    }

    /// What a trial waited for is at hand.
    pub(super) fn take_turn_again(&mut self, id: TaskId) {
        let has_turn = |uplink: &Uplink| uplink.outbox.has_turn(id);
        if self.uplink.as_ref().is_some_and(has_turn) {
            self.take_turn(id);
        }
    }

    fn begin_send(&mut self, turn: &[TaskId]) {
        // A task that one of them waits for may have been taken back meanwhile.
        let (held, turn): (Vec<TaskId>, Vec<TaskId>) =
            turn.iter().partition(|id| self.is_held(**id));
        for id in held {
            self.hold(id);
        }
        let mut batch = Vec::new();
        let mut payloads = Vec::new();
        for id in &turn {
            match self.backup.task(*id).and_then(newest_payload) {
                Some((tx, Bytes::Inline(payload), _)) => {
                    batch.push((*id, tx));
                    payloads.push(payload);
                }
                Some((tx, Bytes::Blob { .. }, place)) if turn.len() == 1 => {
                    self.get(GetFor::Send(*id, tx), vec![place]);
                }
                // Long ones have their turn alone; what only a wallet has is looked for, not sent.
                Some((_, Bytes::Blob { .. }, _)) | None => self.fault(*id, None, true),
            }
        }
        if let (Some(uplink), Some(first)) = (&mut self.uplink, turn.first()) {
            uplink.outbox.goes_out(*first);
        }
        self.send(batch, payloads);
    }

    fn end_turn(&mut self, id: TaskId) {
        if let Some(uplink) = &mut self.uplink {
            uplink.outbox.end_turn(id);
        }
    }

    fn send(&mut self, batch: Vec<(TaskId, Hash)>, payloads: Vec<Rc<[u8]>>) {
        if let Some(uplink) = self.uplink.as_mut().filter(|_| !batch.is_empty()) {
            for (id, _) in &batch {
                *uplink.attempts.get_or_default(*id) += 1;
            }
            self.request(Purpose::Send(batch), Request::Send(payloads));
        }
    }

    pub(super) fn loaded_payload(
        &mut self,
        id: TaskId,
        tx: Hash,
        found: Result<Vec<Option<Vec<u8>>>, Error>,
    ) {
        let has_turn = self
            .uplink
            .as_ref()
            .is_some_and(|uplink| uplink.outbox.has_turn(id));
        match found.map(|mut found| found.pop().flatten()) {
            Ok(Some(_)) if self.is_held(id) => self.hold(id),
            Ok(Some(payload)) if has_turn => self.send(vec![(id, tx)], vec![payload.into()]),
            Ok(None) if has_turn => {
                let cause = "the payload is not in the store any more: only another one helps";
                self.block(id, Reason::PayloadLost, cause.into());
            }
            Ok(_) => {}
            Err(_) => self.fault(id, None, false),
        }
    }

    pub(super) fn fault(&mut self, id: TaskId, hint_ms: Option<u64>, in_doubt: bool) {
        let wait = Wait {
            now_ms: self.now_ms,
            rng: &mut self.rng,
            hint_ms,
        };
        if let Some(uplink) = &mut self.uplink {
            uplink.outbox.faulted(id, wait, in_doubt);
        }
    }

    /// Somebody must act. Whether the chain may have it all the same decides if it can be cancelled.
    pub(super) fn block(&mut self, id: TaskId, reason: Reason, cause: String) {
        let exposed = self.may_be_out(id);
        let newest = self.backup.task(id).and_then(Task::newest);
        self.append(
            id,
            Event::Blocked {
                tx: newest.map(|(tx, ..)| tx),
                exposed,
                reason,
                cause,
            },
        );
        self.judge_task(id);
    }

    /// A verdict on the task is appended.
    fn judge_task(&mut self, id: TaskId) {
        if let Some(uplink) = &mut self.uplink {
            uplink.outbox.remove(id);
            uplink.judged.insert(id);
        }
    }

    /// Whether this is a verdict of this leader's, which is folded now, taken or not.
    pub(super) fn judged(&mut self, record: &Record) -> bool {
        let (Some(uplink), Record::Event(id, Event::Rejected { .. } | Event::Blocked { .. })) =
            (&mut self.uplink, record)
        else {
            return false;
        };
        uplink.judged.remove(id)
    }

    fn may_be_out(&self, id: TaskId) -> bool {
        let was_sent = |state: &State| match state {
            // What was in doubt when it was blocked stays so, whatever a late answer says.
            State::Sent
            | State::Blocked {
                stage: Stage::Exposed,
                ..
            } => true,
            State::BackedUp(_)
            | State::Signing { .. }
            | State::Blocked { .. }
            | State::Included(_)
            | State::Displaced(_)
            | State::Final(_)
            | State::Failed { .. } => false,
        };
        let task = self.backup.task(id);
        task.is_some_and(|task| was_sent(&task.state))
            || self
                .uplink
                .as_ref()
                .is_some_and(|uplink| uplink.outbox.was_in_doubt(id))
    }

    /// The answer to the look before a repetition.
    pub(super) fn looked(&mut self, id: TaskId, reply: Result<Reply, Refusal>) {
        let Some(uplink) = &mut self.uplink else {
            return;
        };
        match reply {
            Ok(Reply::Transaction(Some(found))) => {
                uplink.receipts.want(found.is_mined.then_some(id));
                self.accept(id);
            }
            Ok(Reply::Transaction(None)) => self.not_found(id),
            Ok(_) => uplink.outbox.end_turn(id),
            Err(refusal) => self.fault(id, refusal.retry_after_ms, false),
        }
    }

    /// A gateway that was asked before the one whose answer comes now may have taken it.
    pub(super) fn doubt(&mut self, id: TaskId) {
        if let Some(uplink) = &mut self.uplink {
            uplink.outbox.doubt(id);
        }
    }

    /// No gateway has it: it is sent again, where its bytes are known here.
    pub(super) fn not_found(&mut self, id: TaskId) {
        if self.is_held(id) {
            return self.hold(id);
        }
        let (Some(uplink), Some(task)) = (&mut self.uplink, self.backup.task(id)) else {
            return;
        };
        if newest_payload(task).is_some() {
            let was_sent = task.state == State::Sent;
            uplink.outbox.resolved(id);
            if was_sent && uplink.outbox.lost(id) >= MAX_LOSSES {
                let cause = "gateways took it again and again, and lost it each time";
                self.block(id, Reason::Dropped, cause.into());
            }
            return;
        }
        uplink.outbox.accepted(task, self.now_ms);
        if uplink.outbox.looks(id) >= MAX_BLIND_LOOKS {
            let cause =
                "no gateway has known the transaction for a while; its wallet has the bytes";
            self.block(id, Reason::Dropped, cause.into());
        }
    }

    /// The answer to a send of one or several.
    pub(super) fn sent_batch(&mut self, batch: Vec<(TaskId, Hash)>, reply: Result<Reply, Refusal>) {
        if let (Some(uplink), Some((first, _))) = (&mut self.uplink, batch.first())
            && batch.len() > 1
        {
            let is_answered = reply.is_ok();
            uplink.outbox.learn_batch(*first, batch.len(), is_answered);
        }
        match reply {
            Ok(Reply::Sent(replies)) => {
                for ((id, tx), reply) in batch.into_iter().zip(replies) {
                    self.sent(id, tx, reply);
                }
            }
            Ok(_) => batch
                .into_iter()
                .for_each(|(id, tx)| self.sent(id, tx, Ok(()))),
            Err(refusal) => {
                for (id, tx) in batch {
                    self.sent(id, tx, Err(refusal.clone()));
                }
            }
        }
    }

    fn sent(&mut self, id: TaskId, tx: Hash, reply: Result<(), Refusal>) {
        let newest = self.backup.task(id).and_then(Task::newest);
        let is_newest = newest.is_some_and(|(newest, ..)| newest == tx);
        let Some(uplink) = &mut self.uplink else {
            // Whoever leads next does not know what it followed: it looks for itself.
            return;
        };
        if !is_newest {
            // Another one took its place meanwhile, and its turn.
            return uplink.outbox.end_turn(id);
        }
        let Err(refusal) = reply else {
            return self.accept(id);
        };
        let Refusal {
            verdict,
            cause,
            retry_after_ms,
            blame,
        } = refusal;
        match verdict {
            Verdict::Unknown | Verdict::Error if blame == Blame::Elsewhere => {
                if uplink.outbox.refused(id, self.now_ms) {
                    return self.block(id, Reason::Rejected, cause);
                }
                self.fault(id, retry_after_ms, true);
            }
            Verdict::Blocked(Reason::NonceGap) => {
                // What is missing may be on its way: patience begins where it is nothing here.
                if !uplink.desk.nonces.is_behind(id) && uplink.outbox.refused(id, self.now_ms) {
                    return self.block(id, Reason::NonceGap, cause);
                }
                self.fault(id, retry_after_ms, false);
            }
            Verdict::Unknown | Verdict::Error => self.fault(id, retry_after_ms, true),
            Verdict::Later => self.fault(id, retry_after_ms, false),
            // It takes no such batch: a smaller one goes at once.
            Verdict::Unsupported => self.end_turn(id),
            Verdict::Blocked(reason) => self.block(id, reason, cause),
            Verdict::NonceUsed => self.look_for_receipt(id, cause),
            // Refused for good, but an earlier attempt may have arrived: the chain has the last word.
            Verdict::Never if self.may_be_out(id) => self.block(id, Reason::Rejected, cause),
            Verdict::Never => {
                self.append(id, Event::Rejected { tx, cause });
                self.judge_task(id);
            }
        }
    }

    pub(super) fn accept(&mut self, id: TaskId) {
        let Some(task) = self.backup.task(id) else {
            return;
        };
        let is_news = match task.state {
            State::BackedUp(_) | State::Blocked { .. } => true,
            State::Signing { .. }
            | State::Sent
            | State::Included(_)
            | State::Displaced(_)
            | State::Final(_)
            | State::Failed { .. } => false,
        };
        if let Some(uplink) = &mut self.uplink
            && uplink.outbox.contains(id)
        {
            uplink.outbox.accepted(task, self.now_ms);
        }
        if is_news {
            self.append(id, Event::Accepted);
        }
    }

    /// The task that sends this transaction, if it is not settled.
    pub(super) fn open_task(backup: &Backup, tx: &Hash) -> Option<TaskId> {
        let task = backup.by_tx(tx)?;
        (!task.state.status().is_settled()).then_some(task.submission.id)
    }
}

/// The transaction that is to be sent: its bytes, and where they are if not at hand.
pub(super) fn newest_payload(task: &Task) -> Option<(Hash, Bytes, Place)> {
    let (tx, payload, _) = task.newest()?;
    Some((tx, payload?.clone(), place_of_payload(task, tx)))
}

/// The bytes of the newest transaction that does what the task is for, and where they are if not at hand.
pub(super) fn own_payload(task: &Task) -> Option<(Bytes, Place)> {
    let mut own = task.transactions().rev();
    own.find_map(|(tx, payload, role)| match role {
        Role::Original | Role::Replacement => Some((payload?.clone(), place_of_payload(task, tx))),
        Role::Cancellation => None,
    })
}

pub(super) fn place_of_payload(task: &Task, tx: Hash) -> Place {
    let is_first = task.submission.signed().is_some_and(|first| first.tx == tx);
    let part = if is_first {
        Part::Payload
    } else {
        Part::Transaction(tx)
    };
    Place::Blob(BlobKey(task.submission.id, part))
}
