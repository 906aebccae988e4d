//! The leader's asking for signatures: one at a time for each account, durable before the signer hears of it.
//!
//! No nonce is given above one that has no transaction yet, so that a signer which rejects leaves no gap. Accounts do
//! not wait for each other, and nothing waits for a confirmation.

use super::recovering::RecoverFor;
use super::{Cache, GetFor, MAX_PAYLOAD_BYTES, Output, Place, Purpose, sending, shortened};
use crate::error::Error;
use crate::gateway::pool::Gate;
use crate::gateway::transaction::{self, Transaction};
use crate::gateway::{At, Refusal, Reply, Request};
use crate::log::{BlobKey, Part};
use crate::nonces::Nonces;
use crate::ordered::{OrderedMap, OrderedSet};
use crate::outbox::Backoff;
use crate::task::{
    Address, Bytes, Content, Event, Hash, Order, Reason, Role, Signed, Stage, State, Submission,
    Task, TaskId, Value,
};
use std::rc::Rc;

/// How many questions to signers are remembered for a late answer.
const MAX_ASKED: usize = 1_024;

/// Who draws the nonces of a signer's transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draws {
    /// The cache, from the chain's count and what is under way here.
    Cache,
    /// The signer, or the wallet behind it.
    Signer,
}

/// A signer as the app registered it.
#[derive(Debug, Clone)]
pub struct Signer {
    /// The account that it signs for.
    pub address: Option<Address>,
    /// Who draws the nonces.
    pub nonces: Draws,
    /// Whether it may send the transaction by itself.
    pub sends: bool,
    /// How long it may take to answer, in milliseconds.
    pub timeout_ms: u64,
}

/// A question to a signer.
#[derive(Debug, Clone, PartialEq)]
pub struct SignAsk {
    /// The task.
    pub task: TaskId,
    /// The signer's name.
    pub signer: String,
    /// The task's value, as encoded by the codec.
    pub value: Rc<[u8]>,
    /// The nonce that the transaction must have.
    pub nonce: Option<u64>,
}

/// What a signer answers.
#[derive(Debug, Clone)]
pub enum SignerAnswer {
    /// The signed raw transaction.
    Signed(Vec<u8>),
    /// It sent the transaction of this id by itself.
    Sent(Hash),
    /// It did nothing, and says why.
    Refused(String),
    /// It failed in a way that does not tell whether it sent something.
    Failed(String),
}

/// What only the leader knows of signatures.
#[derive(Default)]
pub(super) struct Desk {
    /// Drafts by account, in the order of their submission.
    waiting: OrderedMap<String, OrderedSet<(Order, TaskId)>>,
    /// The one of each account that is being signed.
    open: OrderedMap<String, Open>,
    pub(super) nonces: Nonces,
    count_backoff: Backoff,
    no_count_before_ms: u64,
}

struct Open {
    task: TaskId,
    step: Step,
}

enum Step {
    /// The chain is asked for the account's count.
    Counting,
    /// The log is to say that the signer is asked.
    Starting,
    /// The log says so: the signer is asked next.
    Due,
    /// The value is read from the store.
    Loading,
    /// The signer is asked, until then.
    Asked { ask: u64, until_ms: u64 },
    /// Whether the right account signed this.
    Checking(Box<Signed>),
    /// What came of it is on its way to the log.
    Ending,
}

impl Desk {
    fn no_longer_waits(&mut self, turn: (Order, TaskId), key: &str) {
        if let Some(waiting) = self.waiting.get_mut(key) {
            waiting.remove(&turn);
            if waiting.is_empty() {
                self.waiting.remove(key);
            }
        }
    }
}

impl Cache {
    fn signer_of(&self, submission: &Submission) -> Option<&Signer> {
        match &submission.content {
            Content::Draft(name) => self.config.signers.get(name),
            Content::Signed(_) => None,
        }
    }

    /// Whose turn a task waits for: its account's, as far as that is known.
    fn desk_of(&self, submission: &Submission) -> String {
        let address = self.signer_of(submission).and_then(|signer| signer.address);
        address.map_or_else(|| submission.lane.clone(), |address| address.to_string())
    }

    /// Brings the signing, and what is known of nonces, in line with the task's state.
    pub(super) fn sync_desk(&mut self, task: &Task, is_held: bool) {
        let id = task.submission.id;
        let key = self.desk_of(&task.submission);
        let turn = (task.order, id);
        let Some(uplink) = &mut self.uplink else {
            return;
        };
        let desk = &mut uplink.desk;
        note_nonce(&mut desk.nonces, &key, task);
        let is_open = desk.open.get(&key).is_some_and(|open| open.task == id);
        match task.state {
            State::BackedUp(Stage::Draft) if is_open => {}
            State::BackedUp(Stage::Draft) if is_held => desk.no_longer_waits(turn, &key),
            State::BackedUp(Stage::Draft) => {
                desk.waiting.get_or_default(key).insert(turn);
            }
            // Once the whole of the log's end is folded: a cancellation may be right behind.
            State::Signing { .. } if is_open => self.mark_due(id, &key),
            // Another process asked it, and did not get to say what came of it.
            State::Signing { sends: true } => {
                let cause = "the page was left while the wallet was asked: it may have sent it";
                self.stop_draft(id, true, Reason::Unknown, cause.into());
            }
            State::Signing { sends: false } => {
                desk.waiting.get_or_default(key).insert(turn);
            }
            State::BackedUp(_)
            | State::Blocked { .. }
            | State::Sent
            | State::Included(_)
            | State::Displaced(_)
            | State::Final(_)
            | State::Failed { .. } => self.leave_desk(turn, &key),
        }
    }

    fn leave_desk(&mut self, turn: (Order, TaskId), key: &str) {
        let Some(uplink) = &mut self.uplink else {
            return;
        };
        let desk = &mut uplink.desk;
        desk.no_longer_waits(turn, key);
        if desk.open.get(key).is_some_and(|open| open.task == turn.1)
            && let Some(Open {
                step: Step::Asked { ask, .. },
                ..
            }) = desk.open.remove(key)
        {
            self.outputs.push_back(Output::StopSigning(ask));
        }
    }

    /// This tab leads no more: its signers need not go on.
    pub(super) fn leave_desks(&mut self) {
        let open = self
            .uplink
            .iter_mut()
            .flat_map(|uplink| std::mem::take(&mut uplink.desk.open));
        for (_, Open { step, .. }) in open {
            if let Step::Asked { ask, .. } = step {
                self.outputs.push_back(Output::StopSigning(ask));
            }
        }
    }

    /// A new leader has signers that the last one may not have had.
    pub(super) fn retry_unknown_signer(&mut self, id: TaskId) {
        let Some(task) = self.backup.task(id) else {
            return;
        };
        let trouble = task.state.trouble();
        let is_unknown = trouble.is_some_and(|(reason, _)| reason == Reason::UnknownSigner);
        if is_unknown && self.signer_of(&task.submission).is_some() {
            self.append(id, Event::Retried { in_doubt: false });
        }
    }

    pub(super) fn next_sign_ms(&self) -> Option<u64> {
        let desk = &self.uplink.as_ref()?.desk;
        let deadline = |open: &Open| match open.step {
            Step::Asked { until_ms, .. } => Some(until_ms),
            Step::Counting
            | Step::Starting
            | Step::Due
            | Step::Loading
            | Step::Checking(_)
            | Step::Ending => None,
        };
        let deadlines = desk.open.values().filter_map(deadline);
        let is_waiting = desk.waiting.keys().any(|key| !desk.open.contains_key(key));
        let count = (is_waiting && self.is_online).then(|| {
            let chain_ms = match self.pool.gate(self.now_ms) {
                Gate::NotBefore(not_before_ms) => not_before_ms,
                Gate::Open | Gate::Unchecked | Gate::WrongChain(_) => 0,
            };
            desk.no_count_before_ms.max(chain_ms)
        });
        deadlines.chain(count).min()
    }

    pub(super) fn wake_signing(&mut self) {
        if let Some(uplink) = &mut self.uplink {
            uplink.desk.count_backoff.reset();
            uplink.desk.no_count_before_ms = 0;
        }
    }

    /// Gives every account its turn.
    pub(super) fn pump_signing(&mut self) {
        self.end_overdue();
        self.ask_signers();
        let Some(uplink) = &self.uplink else {
            return;
        };
        let desk = &uplink.desk;
        let free = desk
            .waiting
            .iter()
            .filter(|(key, _)| !desk.open.contains_key(*key));
        let next = free.filter_map(|(key, waiting)| Some((key.clone(), waiting.first()?.1)));
        for (key, id) in next.collect::<Vec<_>>() {
            self.begin_signing(id, key);
        }
    }

    fn end_overdue(&mut self) {
        let Some(uplink) = &self.uplink else {
            return;
        };
        let overdue = |open: &Open| match open.step {
            Step::Asked { ask, until_ms } if until_ms <= self.now_ms => Some((open.task, ask)),
            Step::Asked { .. }
            | Step::Counting
            | Step::Starting
            | Step::Due
            | Step::Loading
            | Step::Checking(_)
            | Step::Ending => None,
        };
        let overdue: Vec<_> = uplink.desk.open.values().filter_map(overdue).collect();
        for (id, ask) in overdue {
            self.outputs.push_back(Output::StopSigning(ask));
            self.signer_failed(id, "the signer did not answer in time".into());
        }
    }

    fn begin_signing(&mut self, id: TaskId, key: String) {
        let Some(task) = self.backup.task(id) else {
            return;
        };
        let Some(signer) = self.signer_of(&task.submission).cloned() else {
            let Content::Draft(name) = &task.submission.content else {
                return;
            };
            let cause = format!("no signer \"{name}\" is registered in the tab that sends");
            self.leave_desk((task.order, id), &key);
            return self.stop_draft(id, false, Reason::UnknownSigner, cause);
        };
        let order = task.order;
        if !self.passes_trial(id) {
            if !self.is_on_trial(id) {
                self.leave_desk((order, id), &key);
            }
            return;
        }
        // Of whom nothing is known, the chain cannot be asked.
        let account = signer
            .address
            .filter(|_| signer.sends || signer.nonces == Draws::Cache);
        match account.map(|account| (account, self.count_of(&key))) {
            None => self.start_signing(id, &key, order, None),
            Some((_, Some(count))) => self.start_signing(id, &key, order, Some(count)),
            Some((account, None)) => {
                if self.may_count()
                    && let Some(uplink) = &mut self.uplink
                {
                    let open = Open {
                        task: id,
                        step: Step::Counting,
                    };
                    uplink.desk.open.insert(key, open);
                    self.request(Purpose::Count(id), Request::Count(account, At::Pending));
                }
            }
        }
    }

    fn count_of(&self, key: &str) -> Option<u64> {
        self.uplink.as_ref()?.desk.nonces.count(key, self.now_ms)
    }

    fn may_count(&mut self) -> bool {
        let now_ms = self.now_ms;
        let is_due = |uplink: &sending::Uplink| uplink.desk.no_count_before_ms <= now_ms;
        self.is_online
            && self.uplink.as_ref().is_some_and(is_due)
            && self.counts_in_flight() < sending::MAX_IN_FLIGHT
            && self.is_chain_right()
    }

    fn counts_in_flight(&self) -> usize {
        let requests = self.requests.values();
        requests
            .filter(|(purpose, _)| matches!(purpose, Purpose::Count(_)))
            .count()
    }

    fn is_chain_right(&mut self) -> bool {
        match self.pool.gate(self.now_ms) {
            Gate::Open => true,
            Gate::Unchecked => {
                self.pool.call();
                false
            }
            Gate::NotBefore(_) => false,
            Gate::WrongChain(cause) => {
                self.pool.recheck_chains(self.now_ms);
                self.block_drafts(Reason::WrongChain, &cause);
                false
            }
        }
    }

    pub(super) fn counted(&mut self, id: TaskId, reply: Result<Reply, Refusal>) {
        let Some(task) = self.backup.task(id) else {
            return;
        };
        let (key, order) = (self.desk_of(&task.submission), task.order);
        let is_unsure = self
            .signer_of(&task.submission)
            .is_some_and(|signer| signer.nonces == Draws::Signer);
        let Some(uplink) = &mut self.uplink else {
            return;
        };
        let desk = &mut uplink.desk;
        match desk.open.get(&key) {
            Some(Open {
                task,
                step: Step::Counting,
            }) if *task == id => desk.open.remove(&key),
            Some(_) | None => return,
        };
        match reply {
            Ok(Reply::Count(count)) => {
                desk.count_backoff.reset();
                desk.nonces.counted(&key, count, self.now_ms);
                self.start_signing(id, &key, order, Some(count));
            }
            // A wallet that draws its nonces itself can be asked all the same.
            Ok(_) | Err(_) if is_unsure => self.start_signing(id, &key, order, None),
            Ok(_) | Err(_) => {
                let hint_ms = reply.err().and_then(|refusal| refusal.retry_after_ms);
                let wait_ms = desk.count_backoff.next_ms(&mut self.rng, hint_ms);
                desk.no_count_before_ms = self.now_ms + wait_ms;
            }
        }
    }

    /// The log must say that the signer is asked before it is.
    fn start_signing(&mut self, id: TaskId, key: &str, order: Order, count: Option<u64>) {
        let Some(task) = self.backup.task(id) else {
            return;
        };
        let Some(signer) = self.signer_of(&task.submission) else {
            return;
        };
        let (nonces, sends) = (signer.nonces, signer.sends);
        // A task that it waits for may have been taken back while its account was counted.
        let is_held = self.is_held(id);
        let Some(uplink) = &mut self.uplink else {
            return;
        };
        let desk = &mut uplink.desk;
        if is_held {
            return desk.no_longer_waits((order, id), key);
        }
        let nonce = count
            .filter(|_| nonces == Draws::Cache)
            .map(|count| desk.nonces.next(id, key, count));
        desk.no_longer_waits((order, id), key);
        let open = Open {
            task: id,
            step: Step::Starting,
        };
        desk.open.insert(key.to_owned(), open);
        let from = count.filter(|_| sends);
        self.append(id, Event::SignStarted { nonce, from, sends });
    }

    /// Asks for those of whom the log says so.
    fn ask_signers(&mut self) {
        let Some(uplink) = &self.uplink else {
            return;
        };
        let open = uplink.desk.open.iter();
        let due = open.filter(|(_, open)| matches!(open.step, Step::Due));
        for (key, id) in due
            .map(|(key, open)| (key.clone(), open.task))
            .collect::<Vec<_>>()
        {
            self.ask_signer(id, &key);
        }
    }

    fn mark_due(&mut self, id: TaskId, key: &str) {
        if matches!(self.open_step(key, id), Some(Step::Starting)) {
            self.set_step(key, Step::Due);
        }
    }

    fn ask_signer(&mut self, id: TaskId, key: &str) {
        let Some(task) = self.backup.task(id) else {
            return;
        };
        let value = match &task.submission.value {
            Value::Given(Bytes::Inline(value)) => Some(value.clone()),
            Value::Given(Bytes::Blob { .. }) | Value::Calldata(_) => None,
        };
        match value {
            Some(value) => self.put_to_signer(id, key, value),
            None => {
                self.set_step(key, Step::Loading);
                let place = Place::Blob(BlobKey(id, Part::Value));
                self.get(GetFor::Sign(id), vec![place]);
            }
        }
    }

    pub(super) fn loaded_value(&mut self, id: TaskId, found: Result<Vec<Option<Vec<u8>>>, Error>) {
        let Some(task) = self.backup.task(id) else {
            return;
        };
        let key = self.desk_of(&task.submission);
        if !matches!(self.open_step(&key, id), Some(Step::Loading)) {
            return;
        }
        match found.ok().and_then(|mut found| found.pop()?) {
            Some(value) => self.put_to_signer(id, &key, value.into()),
            None => {
                self.set_step(&key, Step::Ending);
                let cause = "the task's value could not be read";
                self.stop_draft(id, false, Reason::SignerFailed, cause.into());
            }
        }
    }

    fn put_to_signer(&mut self, id: TaskId, key: &str, value: Rc<[u8]>) {
        let Some(task) = self.backup.task(id) else {
            return;
        };
        let (Content::Draft(name), Some(signer)) =
            (&task.submission.content, self.signer_of(&task.submission))
        else {
            return;
        };
        let question = SignAsk {
            task: id,
            signer: name.clone(),
            value,
            nonce: task.nonce_given,
        };
        let until_ms = self.now_ms + signer.timeout_ms;
        let ask = self.draw_id();
        self.asked.insert(ask, id);
        if self.asked.len() > MAX_ASKED {
            self.asked.pop_first();
        }
        self.set_step(key, Step::Asked { ask, until_ms });
        self.outputs
            .push_back(Output::Sign(ask, Box::new(question)));
    }

    fn open_step(&self, key: &str, id: TaskId) -> Option<&Step> {
        let open = self.uplink.as_ref()?.desk.open.get(key)?;
        (open.task == id).then_some(&open.step)
    }

    fn set_step(&mut self, key: &str, step: Step) {
        if let Some(uplink) = &mut self.uplink
            && let Some(open) = uplink.desk.open.get_mut(key)
        {
            open.step = step;
        }
    }

    pub(super) fn signer_answered(&mut self, ask: u64, answer: SignerAnswer) {
        let Some(id) = self.asked.remove(&ask) else {
            return;
        };
        let Some(task) = self.backup.task(id) else {
            return;
        };
        let key = self.desk_of(&task.submission);
        let is_open = match self.open_step(&key, id) {
            Some(Step::Asked { ask: open, .. }) => *open == ask,
            Some(
                Step::Counting
                | Step::Starting
                | Step::Due
                | Step::Loading
                | Step::Checking(_)
                | Step::Ending,
            )
            | None => false,
        };
        match answer {
            // Also late: what is out there is out there.
            SignerAnswer::Sent(tx) => self.signer_sent(id, &key, tx, is_open),
            SignerAnswer::Signed(payload) if is_open => self.signer_signed(id, &key, payload),
            SignerAnswer::Refused(cause) if is_open => {
                self.set_step(&key, Step::Ending);
                self.stop_draft(id, false, Reason::SignerFailed, cause);
            }
            SignerAnswer::Failed(cause) if is_open => self.signer_failed(id, cause),
            SignerAnswer::Signed(_) | SignerAnswer::Refused(_) | SignerAnswer::Failed(_) => {}
        }
    }

    fn signer_sent(&mut self, id: TaskId, key: &str, tx: Hash, is_open: bool) {
        let other = self.backup.by_tx(&tx).map(|task| task.submission.id);
        if is_open {
            self.set_step(key, Step::Ending);
        }
        match other.filter(|other| *other != id) {
            None => self.append(id, Event::Broadcast(tx)),
            Some(other) if is_open => {
                let cause = format!("the signer names transaction {tx}, which is task {other}'s");
                self.stop_draft(id, true, Reason::Unknown, cause);
            }
            Some(_) => {}
        }
    }

    fn signer_signed(&mut self, id: TaskId, key: &str, payload: Vec<u8>) {
        let address = self
            .backup
            .task(id)
            .and_then(|task| self.signer_of(&task.submission)?.address);
        let parsed = match transaction::parse(&payload) {
            Ok(parsed) if payload.len() <= MAX_PAYLOAD_BYTES => parsed,
            // Who may have sent something and gives this did not understand what was asked.
            Ok(_) => return self.signer_failed(id, "the signer gave too many bytes".into()),
            Err(error) => {
                let cause = format!("the signer gave no signed transaction: {error}");
                return self.signer_failed(id, cause);
            }
        };
        match (self.check_signed(id, &parsed, payload), address) {
            (Ok(signed), Some(_)) => {
                let Bytes::Inline(payload) = signed.payload.clone() else {
                    return;
                };
                self.set_step(key, Step::Checking(Box::new(signed)));
                self.recover(RecoverFor::Signer(id), &payload);
            }
            (Ok(signed), None) => self.take_signed(id, key, signed),
            (Err(cause), _) => self.refuse_signed(id, key, cause),
        }
    }

    fn take_signed(&mut self, id: TaskId, key: &str, signed: Signed) {
        self.set_step(key, Step::Ending);
        self.append(id, Event::Added(Role::Original, signed));
    }

    /// What is not what was asked for is never sent.
    fn refuse_signed(&mut self, id: TaskId, key: &str, cause: String) {
        self.set_step(key, Step::Ending);
        self.stop_draft(id, false, Reason::SignerFailed, cause);
    }

    fn check_signed(
        &self,
        id: TaskId,
        parsed: &Transaction,
        payload: Vec<u8>,
    ) -> Result<Signed, String> {
        let ours = self.config.chain_id;
        if let Some(chain) = parsed.chain_id.filter(|chain| *chain != ours) {
            return Err(format!("the signer signed for chain {chain}, not {ours}"));
        }
        let task = self.backup.task(id);
        let given = task.and_then(|task| task.nonce_given);
        if let Some(given) = given.filter(|given| *given != parsed.nonce) {
            let nonce = parsed.nonce;
            return Err(format!(
                "the signer used nonce {nonce}, it was given {given}"
            ));
        }
        let tx = Hash(parsed.id);
        if let Some(other) = self.backup.by_tx(&tx) {
            let other = other.submission.id;
            return Err(format!(
                "the signer gave transaction {tx}, which is task {other}'s"
            ));
        }
        Ok(Signed {
            tx,
            nonce: parsed.nonce,
            payload: Bytes::Inline(payload.into()),
        })
    }

    /// Who signed what a signer gave.
    pub(super) fn saw_signers_account(&mut self, id: TaskId, sender: Option<Address>) {
        let Some(task) = self.backup.task(id) else {
            return;
        };
        let key = self.desk_of(&task.submission);
        let address = self
            .signer_of(&task.submission)
            .and_then(|signer| signer.address);
        let Some(Step::Checking(signed)) = self.open_step(&key, id) else {
            return;
        };
        match (sender, address) {
            (Some(sender), Some(address)) if sender == address => {
                let signed = (**signed).clone();
                self.take_signed(id, &key, signed);
            }
            (Some(sender), Some(address)) => {
                let cause = format!("account {sender} signed, the signer's is {address}");
                self.refuse_signed(id, &key, cause);
            }
            (_, None) | (None, Some(_)) => {
                let cause = "it could not be computed who signed what the signer gave";
                self.refuse_signed(id, &key, cause.into());
            }
        }
    }

    /// The signer failed: one that sends by itself may have done so before.
    fn signer_failed(&mut self, id: TaskId, cause: String) {
        let Some(task) = self.backup.task(id) else {
            return;
        };
        let key = self.desk_of(&task.submission);
        let may_be_out = task.state == State::Signing { sends: true };
        self.set_step(&key, Step::Ending);
        let reason = if may_be_out {
            Reason::Unknown
        } else {
            Reason::SignerFailed
        };
        self.stop_draft(id, may_be_out, reason, cause);
    }

    pub(super) fn stop_draft(&mut self, id: TaskId, exposed: bool, reason: Reason, cause: String) {
        let cause = shortened(cause);
        self.append(
            id,
            Event::Blocked {
                tx: None,
                exposed,
                reason,
                cause,
            },
        );
    }

    /// The gateway is on another chain: what waits for its count shows that.
    pub(super) fn block_drafts(&mut self, reason: Reason, cause: &str) {
        let Some(uplink) = &self.uplink else {
            return;
        };
        let waiting = uplink.desk.waiting.values().flatten();
        for id in waiting.map(|(_, id)| *id).collect::<Vec<_>>() {
            self.stop_draft(id, false, reason, cause.into());
        }
    }
}

/// What a task's state says of its account's nonces.
fn note_nonce(nonces: &mut Nonces, key: &str, task: &Task) {
    let id = task.submission.id;
    let Some(nonce) = task.nonce() else {
        return nonces.release(id);
    };
    match &task.state {
        State::Included(_) => {
            nonces.used(key, nonce);
            nonces.hold(id, key, nonce);
        }
        State::Displaced(_) => {
            nonces.doubt(key);
            nonces.hold(id, key, nonce);
        }
        State::Blocked { reason, .. } => {
            nonces.hold(id, key, nonce);
            if *reason == Reason::NonceTaken {
                nonces.doubt(key);
            }
        }
        State::BackedUp(_) | State::Signing { .. } | State::Sent => nonces.hold(id, key, nonce),
        State::Final(_) => {
            nonces.used(key, nonce);
            nonces.release(id);
        }
        State::Failed { reason, by, .. } => {
            if by.is_some() || matches!(reason, Reason::Reverted | Reason::Replaced) {
                nonces.used(key, nonce);
            }
            nonces.release(id);
        }
    }
}
