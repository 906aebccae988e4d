//! What the chain is asked of tasks that wait: one question answers for many, and every head brings so many questions at
//! the most. 10,000 tasks cost no more requests a block than 200 do; some of them wait longer.

use super::batch::BatchSize;
use super::{Asked, Cache, Purpose};
use crate::gateway::{BlockName, Refusal, Reply, Request, Verdict};
use crate::ordered::{OrderedMap, OrderedSet};
use crate::outbox::Backoff;
use crate::task::{Block, Hash, Inclusion, Reason, Task, TaskId};
use std::ops::Bound;

/// How many transactions a batch asks for at the most.
const MAX_BATCH: usize = 50;
/// How many receipts are asked for in a round, where the gateway takes full batches.
const RECEIPTS_PER_ROUND: usize = 4 * MAX_BATCH;
/// How many requests for receipts a round has, however small the batches must be.
const MAX_RECEIPT_REQUESTS: usize = 32;
/// How many requests a round has that look for what was sent, however small the batches must be: one where they are full.
const MAX_LOOK_REQUESTS: usize = 8;
/// After so many requests for receipts one of these has its turn, however many wait.
const RECEIPTS_PER_LOOK: usize = 4;
/// How many looks in a row may find a transaction in a block while no receipt of it is found.
const MAX_MINED_LOOKS: u32 = 6;
/// How many blocks are verified in a round.
const MAX_VERIFICATIONS: usize = 32;
/// How long a round lasts where no new head comes, in milliseconds.
const MAX_ROUND_MS: u64 = 15_000;
/// When a task is looked for again whose look was not answered, in milliseconds.
const LOOK_AGAIN_MS: u64 = 30_000;
/// Payloads in one batch of looks, in bytes: they come back with the answer.
const MAX_LOOK_BYTES: usize = 1024 * 1024;

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Receipts {
    /// Tasks in one block: all its receipts are one question.
    blocks: OrderedMap<Block, OrderedSet<TaskId>>,
    /// Tasks that a block holds.
    found: Queue,
    /// Tasks that some block may hold.
    backlog: Queue,
    batch: BatchSize<MAX_BATCH>,
    way: BlockReceipts,
    /// Whether that was seen to work: until then one block is tried at a time.
    is_proven: bool,
    round: Round,
    pub(super) not_before_ms: u64,
    backoff: Backoff,
}

/// What was asked since the last new head.
#[derive(Default)]
struct Round {
    began_ms: u64,
    receipts: usize,
    looks: usize,
    verifications: usize,
}

/// Whether the gateway gives all receipts of a block, as far as is known.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum BlockReceipts {
    #[default]
    ByHash,
    ByNumber,
    No,
}

/// Tasks, of which those that were asked for last come last.
#[derive(Default)]
struct Queue {
    ids: OrderedSet<TaskId>,
    last: Option<TaskId>,
}

impl Queue {
    fn take(&mut self, most: usize) -> Vec<TaskId> {
        let behind = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let later = self.ids.range((behind, Bound::Unbounded));
        let mut taken: Vec<TaskId> = later.take(most).copied().collect();
        if taken.len() < most {
            let left = most - taken.len();
            let first: Vec<TaskId> = self.ids.iter().take(left).copied().collect();
            taken.extend(first.into_iter().filter(|id| Some(*id) <= self.last));
        }
        for id in &taken {
            self.ids.remove(id);
        }
        self.last = taken.last().copied().or(self.last);
        taken
    }
}

impl Receipts {
    /// Some block may hold these.
    pub(super) fn want(&mut self, ids: impl IntoIterator<Item = TaskId>) {
        self.backlog.ids.extend(ids);
    }

    /// A block held these, and their receipts did not say so.
    pub(super) fn want_again(&mut self, ids: impl IntoIterator<Item = TaskId>) {
        self.found.ids.extend(ids);
    }

    /// This block holds these.
    pub(super) fn want_of(&mut self, block: Block, ids: OrderedSet<TaskId>) {
        if ids.len() > 1 && self.way != BlockReceipts::No {
            self.blocks.insert(block, ids);
        } else {
            self.found.ids.extend(ids);
        }
    }

    /// A new head, or none for long: so much is asked again.
    pub(super) fn begin_round(&mut self, now_ms: u64) {
        self.round = Round {
            began_ms: now_ms,
            ..Round::default()
        };
    }

    pub(super) fn is_round_over(&self, now_ms: u64) -> bool {
        now_ms >= self.round.began_ms + MAX_ROUND_MS
    }

    /// Whether another block may be verified in this round.
    pub(super) fn may_verify(&self) -> bool {
        self.round.verifications < MAX_VERIFICATIONS
    }

    pub(super) fn verifies(&mut self) {
        self.round.verifications += 1;
    }

    /// When something can be asked for, as far as the round goes.
    pub(super) fn next_ms(&self) -> Option<u64> {
        let has_batch = !self.found.ids.is_empty() || !self.backlog.ids.is_empty();
        let is_due = !self.blocks.is_empty() || has_batch && self.may_ask();
        is_due.then_some(self.not_before_ms)
    }

    fn may_ask(&self) -> bool {
        let most = self
            .batch
            .requests(RECEIPTS_PER_ROUND, MAX_RECEIPT_REQUESTS);
        self.round.receipts < most
    }

    fn may_look(&self) -> bool {
        self.round.looks < self.batch.requests(MAX_BATCH, MAX_LOOK_REQUESTS)
    }

    /// Whether receipts had so many turns that a look has its own.
    fn owes_look(&self) -> bool {
        self.round.receipts >= RECEIPTS_PER_LOOK * (self.round.looks + 1)
    }

    /// When what was sent can be looked for, if this is when it is due.
    fn look_ms(&self, due_ms: u64) -> Option<u64> {
        self.may_look().then_some(due_ms.max(self.not_before_ms))
    }

    /// The tasks of the next batch.
    fn next_batch(&mut self) -> Vec<TaskId> {
        if !self.may_ask() {
            return Vec::new();
        }
        let mut ids = self.found.take(self.batch.now);
        ids.extend(self.backlog.take(self.batch.now - ids.len()));
        ids
    }

    fn answered(&mut self) {
        self.backoff.reset();
        self.batch.answered();
    }

    fn refused(&mut self, now_ms: u64, rng: &mut fastrand::Rng, hint_ms: Option<u64>) {
        self.not_before_ms = now_ms + self.backoff.next_ms(rng, hint_ms);
    }

    fn batch_refused(&mut self, now_ms: u64, rng: &mut fastrand::Rng, refusal: &Refusal) {
        if self.batch.failed(refusal.verdict) {
            self.refused(now_ms, rng, refusal.retry_after_ms);
        }
    }
}

impl Cache {
    /// When receipts can be asked for again, as far as the round goes.
    pub(super) fn next_receipts_ms(&self) -> Option<u64> {
        let uplink = self.uplink.as_ref().filter(|_| self.is_online)?;
        uplink.receipts.next_ms()
    }

    /// When what was sent is to be looked for, as far as the round goes.
    pub(super) fn next_look_for_sent_ms(&self) -> Option<u64> {
        let uplink = self.uplink.as_ref().filter(|_| self.is_online)?;
        let (due_ms, _) = uplink.outbox.next_look()?;
        uplink.receipts.look_ms(due_ms)
    }

    /// Asks for receipts and for what was sent, within the round; not before a head is known that they can be under.
    pub(super) fn pump_receipts(&mut self) {
        if self.follow.head().is_none() {
            return;
        }
        while self.is_online && self.checks_in_flight() < super::tracking::MAX_CHECKS {
            let is_of_block =
                |(purpose, _): &(Purpose, Request)| matches!(purpose, Purpose::BlockReceipts(..));
            let is_asked_of_block = self.requests.values().any(is_of_block);
            let Some(uplink) = &mut self.uplink else {
                return;
            };
            let receipts = &mut uplink.receipts;
            if receipts.not_before_ms > self.now_ms {
                return;
            }
            let is_trying = !receipts.is_proven && is_asked_of_block;
            if !is_trying && let Some((block, ids)) = receipts.blocks.pop_first() {
                let name = match receipts.way {
                    BlockReceipts::ByHash => BlockName::Hash,
                    BlockReceipts::ByNumber => BlockName::Number,
                    BlockReceipts::No => {
                        receipts.found.ids.extend(ids);
                        continue;
                    }
                };
                let asked = self.open_txs(ids.into_iter().collect());
                self.ask_block(block, name, asked);
                continue;
            }
            if receipts.owes_look() && self.look_for_sent() {
                continue;
            }
            let Some(uplink) = &mut self.uplink else {
                return;
            };
            let most = uplink.receipts.batch.now;
            let ids = uplink.receipts.next_batch();
            let asked = self.open_txs(ids);
            if !asked.is_empty() {
                // A task may have several transactions of one nonce.
                for asked in asked.chunks(most) {
                    self.count_round(|round| round.receipts += 1);
                    let txs = txs(asked);
                    self.request(Purpose::Receipts(asked.to_vec()), Request::Receipts(txs));
                }
            } else if !self.look_for_sent() {
                return;
            }
        }
    }

    /// The tasks whose receipts are asked for already.
    pub(super) fn asked_receipts(&self) -> OrderedSet<TaskId> {
        let in_flight = self.requests.values().flat_map(|(purpose, _)| {
            let asked: &[Asked] = match purpose {
                Purpose::Receipts(asked) | Purpose::BlockReceipts(_, _, asked) => asked,
                Purpose::Head
                | Purpose::Word(_)
                | Purpose::Vote(..)
                | Purpose::Walk
                | Purpose::FinalBlock
                | Purpose::Verify(..)
                | Purpose::Looks(_)
                | Purpose::Look(_)
                | Purpose::Send(..)
                | Purpose::Rival(_)
                | Purpose::Count(_)
                | Purpose::ReadTransaction(_)
                | Purpose::ReadReceipt(_)
                | Purpose::Call(_)
                | Purpose::Calls(_) => &[],
            };
            asked.iter().map(|(id, _)| *id)
        });
        let queued = self.uplink.iter();
        let queued = queued.flat_map(|uplink| uplink.receipts.blocks.values().flatten().copied());
        in_flight.chain(queued).collect()
    }

    fn count_round(&mut self, count: impl FnOnce(&mut Round)) {
        if let Some(uplink) = &mut self.uplink {
            count(&mut uplink.receipts.round);
        }
    }

    /// The transactions of those that are not settled.
    fn open_txs(&self, ids: Vec<TaskId>) -> Vec<Asked> {
        let tasks = ids.into_iter().filter_map(|id| self.backup.task(id));
        let open = tasks.filter(|task| !task.state.status().is_settled());
        let asked = |task: &Task| {
            let id = task.submission.id;
            let txs = task.transactions().map(move |(tx, ..)| (id, tx));
            txs.collect::<Vec<Asked>>()
        };
        open.flat_map(asked).collect()
    }

    fn ask_block(&mut self, block: Block, name: BlockName, asked: Vec<Asked>) {
        if !asked.is_empty() {
            let request = Request::BlockReceipts(block, name, txs(&asked));
            self.request(Purpose::BlockReceipts(block, name, asked), request);
        }
    }

    /// The answer to all receipts of a block.
    pub(super) fn saw_block_receipts(
        &mut self,
        block: Block,
        name: BlockName,
        asked: Vec<Asked>,
        reply: Result<Reply, Refusal>,
    ) {
        let Some(uplink) = &mut self.uplink else {
            return;
        };
        let receipts = &mut uplink.receipts;
        let refusal = match reply {
            Ok(Reply::Receipts(answered)) if !answered.is_empty() => {
                receipts.backoff.reset();
                receipts.is_proven = true;
                return self.settle_receipts(asked, answered);
            }
            Ok(_) => None,
            Err(refusal) => Some(refusal),
        };
        let is_unsupported = refusal
            .as_ref()
            .is_none_or(|refusal| refusal.verdict == Verdict::Unsupported);
        if let Some(refusal) = refusal {
            if is_unsupported {
                receipts.way = match name {
                    BlockName::Hash => BlockReceipts::ByNumber,
                    BlockName::Number => BlockReceipts::No,
                };
            } else {
                receipts.refused(self.now_ms, &mut self.rng, refusal.retry_after_ms);
            }
        }
        if is_unsupported && name == BlockName::Hash {
            self.ask_block(block, BlockName::Number, asked);
        } else {
            receipts.found.ids.extend(asked.iter().map(|(id, _)| *id));
        }
    }

    /// The answer to a batch of receipts.
    pub(super) fn saw_receipts(&mut self, asked: Vec<Asked>, reply: Result<Reply, Refusal>) {
        let Some(uplink) = &mut self.uplink else {
            return;
        };
        match reply {
            Ok(Reply::Receipts(answered)) => {
                uplink.receipts.answered();
                self.settle_receipts(asked, answered);
            }
            Ok(_) => {}
            Err(refusal) => {
                let receipts = &mut uplink.receipts;
                receipts.batch_refused(self.now_ms, &mut self.rng, &refusal);
                for (id, _) in asked {
                    self.put_back(id);
                }
            }
        }
    }

    fn settle_receipts(&mut self, asked: Vec<Asked>, answered: Vec<(Hash, Option<Inclusion>)>) {
        let answered: OrderedMap<_, _> = answered.into_iter().collect();
        let mut is_partial = false;
        // Of a task's transactions a block holds one: then it does not matter what is said of the others.
        let mut tasks: OrderedMap<TaskId, Vec<Hash>> = OrderedMap::new();
        for (id, tx) in asked {
            tasks.get_or_default(id).push(tx);
        }
        for (id, txs) in tasks {
            let found = txs.iter().find_map(|tx| *answered.get(tx)?);
            if let Some(inclusion) = found {
                self.found_receipt(id, inclusion);
            } else if txs.iter().all(|tx| answered.contains_key(tx)) {
                self.missed_receipt(id);
            } else {
                is_partial = true;
                self.put_back(id);
            }
        }
        if let Some(uplink) = &mut self.uplink
            && is_partial
        {
            uplink.receipts.refused(self.now_ms, &mut self.rng, None);
        }
    }

    fn put_back(&mut self, id: TaskId) {
        if let Some(uplink) = &mut self.uplink {
            if uplink.looking.contains_key(&id) {
                uplink.receipts.want_again([id]);
            } else {
                uplink.receipts.want([id]);
            }
        }
    }

    /// Asks for what was sent and stays out of the chain, the longest first. Whether there was something to ask.
    fn look_for_sent(&mut self) -> bool {
        let is_looking = |(purpose, _): &(Purpose, Request)| matches!(purpose, Purpose::Looks(_));
        let Some(uplink) = &mut self.uplink else {
            return false;
        };
        if !uplink.receipts.may_look() || self.requests.values().any(is_looking) {
            return false;
        }
        let (mut asked, mut bytes) = (Vec::new(), 0);
        while asked.len() < uplink.receipts.batch.now
            && let Some((due_ms, id)) = uplink.outbox.next_look()
            && due_ms <= self.now_ms
        {
            let newest = self.backup.task(id).and_then(Task::newest);
            let payload = newest.and_then(|(_, payload, _)| payload);
            bytes += payload.map_or(0, |payload| payload.len());
            if bytes > MAX_LOOK_BYTES && !asked.is_empty() {
                break;
            }
            // An answer says when it is due next; without one it is due again then.
            uplink.outbox.look_later(id, self.now_ms + LOOK_AGAIN_MS);
            asked.extend(newest.map(|(tx, ..)| (id, tx)));
        }
        if asked.is_empty() {
            return false;
        }
        self.count_round(|round| round.looks += 1);
        let request = Request::Transactions(txs(&asked));
        self.request(Purpose::Looks(asked), request);
        true
    }

    /// The answer to a batch of looks.
    pub(super) fn saw_looks(&mut self, asked: Vec<Asked>, reply: Result<Reply, Refusal>) {
        let Some(uplink) = &mut self.uplink else {
            return;
        };
        let answered: OrderedMap<_, _> = match reply {
            Ok(Reply::Transactions(answered)) => answered.into_iter().collect(),
            Ok(_) => return,
            Err(refusal) => {
                let receipts = &mut uplink.receipts;
                receipts.batch_refused(self.now_ms, &mut self.rng, &refusal);
                // Not now, and not only when they are due again: the longest first stays so.
                for (id, _) in asked {
                    if uplink.outbox.is_looked_for(id) {
                        uplink.outbox.look_later(id, self.now_ms);
                    }
                }
                return;
            }
        };
        uplink.receipts.answered();
        for (id, tx) in asked {
            let newest = self.backup.task(id).and_then(Task::newest);
            let is_newest = newest.is_some_and(|(newest, ..)| newest == tx);
            if let Some(found) = answered.get(&tx).filter(|_| is_newest) {
                let is_mined = found.as_ref().map(|found| found.is_mined);
                self.looked_for_sent(id, is_mined);
            }
        }
    }

    /// What was sent is known to the gateway, and perhaps mined, or (`None`) is not: then it is sent again.
    fn looked_for_sent(&mut self, id: TaskId, is_mined: Option<bool>) {
        let (Some(uplink), Some(task)) = (&mut self.uplink, self.backup.task(id)) else {
            return;
        };
        if !uplink.outbox.is_looked_for(id) {
            return;
        }
        let mined_looks = uplink.outbox.seen_mined(id, is_mined == Some(true));
        match is_mined {
            Some(true) if mined_looks >= MAX_MINED_LOOKS => {
                let cause = "it is in a block, and no gateway has its receipt any more: whether it took effect nobody says";
                self.block(id, Reason::Unknown, cause.into());
            }
            Some(is_mined) => {
                if is_mined {
                    // Another replica may answer for the receipt: it is asked for at some more heads.
                    uplink.looking.get_or_default(id);
                    uplink.receipts.want_again([id]);
                }
                self.accept(id);
                if !is_mined {
                    self.suspect_gap(id);
                }
            }
            None => {
                uplink.outbox.ready(task, false);
                self.not_found(id);
            }
        }
    }
}

fn txs(asked: &[Asked]) -> Vec<Hash> {
    asked.iter().map(|(_, tx)| *tx).collect()
}
