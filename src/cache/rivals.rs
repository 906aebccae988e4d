//! Rivals: transactions from elsewhere, of another wallet or device, that took the nonce of a task.
//!
//! A task is suspected to have one when the gateway says that its nonce is used and no receipt of its own is found. Then
//! the account's transaction of that nonce is looked for, however long ago it was mined: by sender and nonce where the
//! gateway can, else by halving the chain with the account's count of transactions. One request at a time for each task.

use super::recovering::RecoverFor;
use super::{Cache, GetFor, Purpose, sending};
use crate::gateway::{At, Found, Refusal, Reply, Request, Verdict, transaction};
use crate::ordered::{OrderedMap, OrderedSet};
use crate::outbox::Backoff;
use crate::task::{Address, Bytes, Displaced, Event, Inclusion, Reason, Role, State, Task, TaskId};
use std::rc::Rc;

/// How many searches are under way at a time.
const MAX_SEARCHES: usize = 4;
/// At how many final heights a nonce must be used, and no receipt of the task's own be found, until the task counts as
/// replaced by a transaction that nobody knows.
const SURE_TIMES: u8 = 3;
/// How many blocked tasks are looked at again when the final height moves.
const MAX_AGAIN: usize = 4;

/// Who is suspected, and the searches under way.
#[derive(Debug, Default)]
pub(super) struct Rivals {
    suspects: OrderedMap<TaskId, Suspect>,
    searches: OrderedMap<TaskId, Search>,
    backoff: Backoff,
    not_before_ms: u64,
    /// Of tasks whose nonce is used by nobody knows what: at how many final heights that was seen, and the last of them.
    seen_gone: OrderedMap<TaskId, (u8, u64)>,
    /// Tasks that are blocked because their nonce was taken.
    blocked: OrderedSet<TaskId>,
    /// Of those, the last one that was looked at again.
    last_again: Option<TaskId>,
    /// No gateway finds transactions by sender and nonce: they are searched for without asking once more.
    lack_by_sender: bool,
}

#[derive(Debug)]
struct Suspect {
    /// The gateway's words.
    cause: String,
    /// Its own receipts were looked for often enough: if nothing is found, somebody must act.
    may_block: bool,
}

#[derive(Debug)]
struct Search {
    suspect: Suspect,
    /// The task's own transaction.
    payload: Rc<[u8]>,
    /// Who signed the task's own transaction, once that is known.
    account: Option<Address>,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// Who signed the task's own transaction.
    Sender,
    /// Whether the nonce is used at all, as of the newest block.
    Count,
    /// The transaction itself.
    BySender,
    /// Whether the nonce was used already at this height: it was at `high`, and was not at `low`.
    Halve {
        low: Option<u64>,
        high: u64,
        asked: u64,
    },
    /// The transaction in the block where the nonce was first used.
    InBlock,
    /// Where the transaction stands.
    Receipt(Box<Found>),
    /// Whether the nonce is used as of a block that is final, where nobody can say by what.
    Final,
    /// Whether it is one of the task's own after all: so many of them are asked for.
    Own(usize),
}

impl Rivals {
    /// The nonce is used, and not by a transaction of the task's own as far as is known.
    pub(super) fn suspect(&mut self, id: TaskId, cause: String, may_block: bool) {
        let suspect = Suspect { cause, may_block };
        match self.searches.get_mut(&id) {
            Some(search) => search.suspect = suspect,
            None => drop(self.suspects.insert(id, suspect)),
        }
    }

    /// The task needs no search any more.
    pub(super) fn forget(&mut self, id: TaskId) {
        self.suspects.remove(&id);
        self.searches.remove(&id);
        self.seen_gone.remove(&id);
        self.blocked.remove(&id);
    }

    /// The task as it stands now.
    pub(super) fn sync(&mut self, task: &Task) {
        let id = task.submission.id;
        if blocked_by(task).is_some() {
            self.blocked.insert(id);
        } else {
            self.blocked.remove(&id);
        }
    }

    /// Whether the next final block may decide something.
    pub(super) fn want_final_height(&self) -> bool {
        !self.blocked.is_empty()
    }

    /// When a search may begin.
    pub(super) fn next_ms(&self) -> Option<u64> {
        let may = !self.suspects.is_empty() && self.searches.len() < MAX_SEARCHES;
        may.then_some(self.not_before_ms)
    }
}

impl Cache {
    pub(super) fn next_rival_ms(&self) -> Option<u64> {
        let uplink = self.uplink.as_ref().filter(|_| self.is_online)?;
        uplink.rivals.next_ms()
    }

    pub(super) fn pump_rivals(&mut self) {
        while let Some(uplink) = &mut self.uplink {
            let rivals = &mut uplink.rivals;
            if !self.is_online || rivals.next_ms().is_none_or(|due| due > self.now_ms) {
                return;
            }
            let Some((id, suspect)) = rivals.suspects.pop_first() else {
                return;
            };
            let search = Search {
                suspect,
                payload: Rc::default(),
                account: None,
                step: Step::Sender,
            };
            rivals.searches.insert(id, search);
            match self.backup.task(id).and_then(sending::own_payload) {
                Some((Bytes::Inline(payload), _)) => self.rival_payload(id, Some(payload)),
                Some((Bytes::Blob { .. }, place)) => self.get(GetFor::Rival(id), vec![place]),
                None => self.give_up(id),
            }
        }
    }

    /// The task's own transaction, where it had to be read first.
    pub(super) fn rival_payload(&mut self, id: TaskId, payload: Option<Rc<[u8]>>) {
        let rivals = self.uplink.as_mut().map(|uplink| &mut uplink.rivals);
        match (
            rivals.and_then(|rivals| rivals.searches.get_mut(&id)),
            payload,
        ) {
            (Some(search), Some(payload)) => {
                search.payload = payload.clone();
                self.recover(RecoverFor::Rival(id), &payload);
            }
            (Some(_), None) => self.give_up(id),
            (None, _) => {}
        }
    }

    /// Tasks that are blocked because their nonce was taken may be decided by now: a few at a time, in turns.
    pub(super) fn suspect_blocked(&mut self) {
        let Some(uplink) = &mut self.uplink else {
            return;
        };
        let rivals = &mut uplink.rivals;
        let last = rivals.last_again;
        let behind = rivals.blocked.iter().filter(|id| Some(**id) > last);
        // Whoever is alone has each turn.
        let round = behind.chain(rivals.blocked.iter().filter(|id| Some(**id) <= last));
        let again: Vec<TaskId> = round.take(MAX_AGAIN).copied().collect();
        rivals.last_again = again.last().copied();
        for id in again {
            let Some((reason, cause)) = self.backup.task(id).and_then(blocked_by) else {
                continue;
            };
            // Where it was only outbid, its nonce may be free again.
            let may_block = reason == Reason::NonceTaken;
            rivals.suspect(id, cause.into(), may_block);
        }
    }

    pub(super) fn rival_sender(&mut self, id: TaskId, sender: Option<Address>) {
        let rivals = self.uplink.as_mut().map(|uplink| &mut uplink.rivals);
        let search = rivals.and_then(|rivals| rivals.searches.get_mut(&id));
        match (search, sender) {
            (Some(search), Some(account)) => {
                search.account = Some(account);
                let request = Request::Count(account, At::Latest);
                self.rival_step(id, Step::Count, request);
            }
            (Some(_), None) => self.give_up(id),
            (None, _) => {}
        }
    }

    fn rival_step(&mut self, id: TaskId, step: Step, request: Request) {
        let rivals = self.uplink.as_mut().map(|uplink| &mut uplink.rivals);
        if let Some(search) = rivals.and_then(|rivals| rivals.searches.get_mut(&id)) {
            search.step = step;
            self.request(Purpose::Rival(id), request);
        }
    }

    /// The answer to a search's question.
    pub(super) fn saw_rival(&mut self, id: TaskId, reply: Result<Reply, Refusal>) {
        let nonce = self.backup.task(id).and_then(Task::nonce);
        let (Some(uplink), Some(nonce)) = (&mut self.uplink, nonce) else {
            return;
        };
        let rivals = &mut uplink.rivals;
        let Some(search) = rivals.searches.get_mut(&id) else {
            return;
        };
        let Some(account) = search.account else {
            return;
        };
        let step = std::mem::replace(&mut search.step, Step::Sender);
        let reply = match reply {
            Ok(reply) => Some(reply),
            Err(refusal) if is_no_answer(&refusal) => {
                return self.rival_later(id, refusal.retry_after_ms);
            }
            // It cannot say: another way may lead there.
            Err(refusal) => {
                let is_by_sender = matches!(step, Step::BySender);
                rivals.lack_by_sender |= is_by_sender && refusal.verdict == Verdict::Unsupported;
                None
            }
        };
        let lack_by_sender = rivals.lack_by_sender;
        match (step, reply) {
            (Step::Count, Some(Reply::Count(count))) if count > nonce && lack_by_sender => {
                self.search_back(id, account, nonce);
            }
            (Step::Count, Some(Reply::Count(count))) if count > nonce => {
                let request = Request::BySender(account, nonce);
                self.rival_step(id, Step::BySender, request);
            }
            // It is not used after all: one of the gateways lags.
            (Step::Count, Some(_)) => self.end_search(id),
            (Step::BySender | Step::InBlock, Some(Reply::Transaction(Some(found)))) => {
                let request = Request::Receipt(found.tx);
                self.rival_step(id, Step::Receipt(Box::new(found)), request);
            }
            (Step::BySender, Some(_) | None) => self.search_back(id, account, nonce),
            (Step::Halve { low, high, asked }, Some(Reply::Count(count))) => {
                let (low, high) = if count > nonce {
                    (low, asked)
                } else {
                    (Some(asked), high)
                };
                self.halve(id, (account, nonce), low, high);
            }
            (Step::Receipt(found), Some(Reply::Receipt(Some(inclusion)))) => {
                self.found_rival(id, &found, inclusion);
            }
            // It waits in a pool: nothing is decided.
            (Step::Receipt(_), Some(_)) => self.end_search(id),
            (Step::Final, Some(Reply::Count(count))) if count > nonce => self.ask_own(id, 0),
            (Step::Own(_), Some(Reply::Receipt(Some(inclusion)))) => {
                self.end_search(id);
                self.found_receipt(id, inclusion);
            }
            (Step::Own(asked), Some(Reply::Receipt(None))) => self.ask_own(id, asked + 1),
            (Step::Final | Step::Own(_), Some(_) | None) => self.give_up(id),
            (
                Step::Sender | Step::Count | Step::Halve { .. } | Step::InBlock | Step::Receipt(_),
                Some(_) | None,
            ) => self.rival_unknown(id, account),
        }
    }

    fn search_back(&mut self, id: TaskId, account: Address, nonce: u64) {
        match self.follow.head() {
            Some(head) => self.halve(id, (account, nonce), None, head.number),
            None => self.rival_unknown(id, account),
        }
    }

    /// States of old blocks are rarely kept: from the head down, twice as far each time, and only then by halves.
    fn halve(&mut self, id: TaskId, whose: (Address, u64), low: Option<u64>, high: u64) {
        let (account, nonce) = whose;
        let is_first = low.map_or(high == 0, |low| high <= low + 1);
        if is_first {
            return self.rival_step(id, Step::InBlock, Request::InBlock(high, account, nonce));
        }
        let asked = match low {
            Some(low) => low + (high - low) / 2,
            None => {
                let head = self.follow.head().map_or(high, |head| head.number);
                let below_head = head.saturating_sub(high);
                high.saturating_sub(below_head + 1)
            }
        };
        let step = Step::Halve { low, high, asked };
        self.rival_step(id, step, Request::Count(account, At::Height(asked)));
    }

    fn found_rival(&mut self, id: TaskId, found: &Found, inclusion: Inclusion) {
        let rivals = self.uplink.as_mut().map(|uplink| &mut uplink.rivals);
        let Some(search) = rivals.and_then(|rivals| rivals.searches.remove(&id)) else {
            return;
        };
        let is_above = self
            .follow
            .head()
            .is_none_or(|head| inclusion.block.number > head.number);
        if is_above || self.follow.is_canonical(&inclusion.block) == Some(false) {
            return;
        }
        let Some(task) = self.backup.task(id) else {
            return;
        };
        let is_own = task.transactions().any(|(tx, ..)| tx == found.tx);
        if is_own || does_the_same(&search.payload, found) {
            return self.take_place(id, inclusion);
        }
        self.displace(id, Reason::Replaced, inclusion);
    }

    /// A block holds a transaction that does what the task is for, or one of its own that cancels it.
    pub(super) fn take_place(&mut self, id: TaskId, inclusion: Inclusion) {
        let Some(task) = self.backup.task(id) else {
            return;
        };
        let is_known = task.state == State::Included(inclusion);
        let mut own = task.transactions();
        let role = own.find_map(|(tx, _, role)| (tx == inclusion.tx).then_some(role));
        drop(own);
        if role == Some(Role::Cancellation) {
            return self.displace(id, Reason::Cancelled, inclusion);
        }
        if !is_known {
            self.append(id, Event::Included(inclusion));
        }
        self.leave_outbox(id);
    }

    fn displace(&mut self, id: TaskId, reason: Reason, inclusion: Inclusion) {
        let displaced = Displaced { reason, inclusion };
        let is_news = self
            .backup
            .task(id)
            .is_some_and(|task| task.state != State::Displaced(displaced));
        if is_news {
            self.append(id, Event::Displaced(displaced));
        }
        self.leave_outbox(id);
    }

    fn leave_outbox(&mut self, id: TaskId) {
        if let Some(uplink) = &mut self.uplink {
            uplink.outbox.remove(id);
        }
    }

    /// Nobody can say which transaction it was. Whether the nonce is gone for good, a final block tells.
    fn rival_unknown(&mut self, id: TaskId, account: Address) {
        match self.agreed_height() {
            Some(height) => {
                let request = Request::Count(account, At::Final(height));
                self.rival_step(id, Step::Final, request);
            }
            None => self.give_up(id),
        }
    }

    /// By a final block the nonce is used. If none of the task's own has a receipt, it was another.
    fn ask_own(&mut self, id: TaskId, asked: usize) {
        let own = self
            .backup
            .task(id)
            .and_then(|task| task.transactions().nth(asked).map(|(tx, ..)| tx));
        match own {
            Some(tx) => self.rival_step(id, Step::Own(asked), Request::Receipt(tx)),
            None => self.is_gone(id),
        }
    }

    /// One replica that lags could miss its receipt: only what several final heights say is sure.
    fn is_gone(&mut self, id: TaskId) {
        let height = self.agreed_height().unwrap_or(0);
        let Some(uplink) = &mut self.uplink else {
            return;
        };
        let (times, last) = uplink.rivals.seen_gone.get_or_default(id);
        if height > *last {
            (*times, *last) = (*times + 1, height);
        }
        if *times < SURE_TIMES {
            return self.give_up(id);
        }
        if let Some(search) = uplink.rivals.searches.remove(&id) {
            let cause = search.suspect.cause;
            self.append(id, Event::Outrun { cause });
            self.leave_outbox(id);
        }
    }

    /// For now nobody can say what took the nonce.
    fn give_up(&mut self, id: TaskId) {
        let rivals = self.uplink.as_mut().map(|uplink| &mut uplink.rivals);
        let Some(search) = rivals.and_then(|rivals| rivals.searches.remove(&id)) else {
            return;
        };
        let is_known = self
            .backup
            .task(id)
            .is_some_and(|task| blocked_by(task).is_some());
        if !is_known && search.suspect.may_block {
            self.block(id, Reason::NonceTaken, search.suspect.cause);
        }
    }

    fn rival_later(&mut self, id: TaskId, hint_ms: Option<u64>) {
        let Some(uplink) = &mut self.uplink else {
            return;
        };
        let rivals = &mut uplink.rivals;
        if let Some(search) = rivals.searches.remove(&id) {
            let wait_ms = rivals.backoff.next_ms(&mut self.rng, hint_ms);
            rivals.not_before_ms = self.now_ms + wait_ms;
            rivals.suspects.insert(id, search.suspect);
        }
    }

    fn end_search(&mut self, id: TaskId) {
        if let Some(uplink) = &mut self.uplink {
            uplink.rivals.searches.remove(&id);
        }
    }
}

/// The gateway's words, where the task is blocked because its nonce was taken, or may be: by one that pays more.
fn blocked_by(task: &Task) -> Option<(Reason, &str)> {
    let is_taken = |reason: &Reason| matches!(reason, Reason::NonceTaken | Reason::Underpriced);
    let trouble = task.state.trouble();
    trouble.filter(|(reason, _)| is_taken(reason))
}

/// Whether nobody answered, so that the same question may be answered later.
fn is_no_answer(refusal: &Refusal) -> bool {
    match refusal.verdict {
        // Blocked: all gateways are on another chain.
        Verdict::Unknown | Verdict::Later | Verdict::Blocked(_) => true,
        Verdict::NonceUsed | Verdict::Never | Verdict::Error | Verdict::Unsupported => false,
    }
}

/// Whether a transaction has the recipient, the wei and the calldata of this payload. What that does by blobs or
/// authorizations is not read of a transaction that is found: then none is the same.
fn does_the_same(payload: &[u8], found: &Found) -> bool {
    let to: &[u8] = found.to.as_ref().map_or(&[], |to| &to.0);
    let effect = (to, found.value.as_slice(), &*found.calldata, &[][..]);
    transaction::parse(payload).is_ok_and(|parsed| parsed.effect(payload) == Some(effect))
}
