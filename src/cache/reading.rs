//! Reads: the tasks first, then settled values, then the chain. Whoever asks for the same key meanwhile shares one
//! request, and the chain is read as of a block that is never older than what is known.

use super::{
    Cache, Done, GetFor, Notice, Output, Place, Purpose, check_key, gateway_error, inline_value,
    invalid,
};
use crate::error::{Error, ErrorCode};
use crate::gateway::{Refusal, Reply, Request};
use crate::log::{Ask, BlobKey, Part};
use crate::memory::Known;
use crate::names::named;
use crate::ordered::OrderedMap;
use crate::overlay::Interval;
use crate::record::{self, Record, Settled};
use crate::task::{Block, Bytes, Hash, Inclusion, State, Status, Task, TaskId, Value};
use std::cmp::Ordering;
use std::rc::Rc;

/// How many entries a page has at the most.
pub(super) const MAX_PAGE: usize = 1_000;

named! {
    /// Where to look, and where an answer came from.
    pub enum Source {
        /// Wherever it is found first.
        Any = "any",
        /// The tasks that are not settled.
        Backup = "backup",
        /// What is settled or was read before.
        Cache = "cache",
        /// The gateway.
        Chain = "chain",
    }
}

/// The answer to a read.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// What was asked for.
    pub key: String,
    /// What it holds.
    pub value: Rc<[u8]>,
    /// Whether the value is calldata, which the codec did not encode.
    pub is_calldata: bool,
    /// Where it came from.
    pub source: Source,
    /// How settled it is.
    pub status: Status,
    /// The transaction that wrote it, where that is known.
    pub tx: Option<Hash>,
    /// The block that holds that transaction, or as of which it was read.
    pub block: Option<Block>,
    /// The task, while the backup has it.
    pub task: Option<TaskId>,
}

/// The answer to a list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// In the order asked for.
    pub entries: Vec<Entry>,
    /// Whether there are more behind the last.
    pub more: bool,
}

/// A list on its way.
#[derive(Debug, Clone)]
pub(super) struct Listing {
    interval: Interval,
    limit: usize,
    rows: Vec<(String, Vec<u8>)>,
    /// Blobs that were not at hand: read meanwhile.
    missing: Vec<TaskId>,
}

/// A key that is read from the chain, and who waits for it.
struct ChainRead {
    asks: Vec<(Ask, Source)>,
    asked_ms: u64,
    stage: Stage,
}

#[derive(Clone, PartialEq)]
enum Stage {
    /// Not begun.
    New,
    /// For the head.
    Head,
    /// For the gateway, or the dapp's function, as of this block.
    Reply(Block),
    /// For the receipt of a transaction with this calldata.
    Receipt(Rc<[u8]>),
}

/// Reads on their way.
#[derive(Default)]
pub(super) struct Reads {
    chain: OrderedMap<String, ChainRead>,
    functions: OrderedMap<u64, String>,
    lists: OrderedMap<u64, (Ask, Listing)>,
    /// Of keys that a final task of the backup writes: where what was executed later stood, whose task left before.
    outlived: OrderedMap<String, (u64, u32)>,
}

impl Reads {
    /// Whether a read needs a look at the head.
    pub(super) fn wait_for_head(&self) -> bool {
        let waits = |read: &ChainRead| matches!(read.stage, Stage::New | Stage::Head);
        self.chain.values().any(waits)
    }

    /// Whether a read needs one now: it does not wait for a backoff.
    pub(super) fn are_new(&self) -> bool {
        self.chain.values().any(|read| read.stage == Stage::New)
    }

    /// Whether a read needs the final height.
    pub(super) fn want_final_height(&self) -> bool {
        self.chain.keys().any(|key| Hash::parse(key).is_some())
    }

    /// A look at the head begins: the reads that wait for it are served by it.
    pub(super) fn begin_look(&mut self) {
        for read in self
            .chain
            .values_mut()
            .filter(|read| read.stage == Stage::New)
        {
            read.stage = Stage::Head;
        }
    }
}

impl Cache {
    /// What is known of a key without waiting.
    pub fn peek(&self, key: &str) -> Option<Entry> {
        let known = self.memory.peek(key);
        let task = self.known_backup().shown(key);
        match task.filter(|task| !is_older(task, known) && !self.is_outlived(task)) {
            Some(task) => task_entry(task),
            None => known.map(|known| known_entry(key, known, Source::Cache)),
        }
    }

    /// Whether a value that is final was written over by one that is in the store alone.
    fn is_outlived(&self, task: &Task) -> bool {
        let later = self.reads.outlived.get(&task.submission.key);
        task.state.status() == Status::Final && place_of(task) < later.copied()
    }

    /// A task whose value is settled leaves the backup: one of its key that was executed before may stay.
    pub(super) fn outlives(&mut self, gone: &Task) {
        let key = &gone.submission.key;
        if self
            .backup
            .shown_if(key, |status| status == Status::Final)
            .is_none()
        {
            self.reads.outlived.remove(key);
        } else if let Some(place) = place_of(gone) {
            let known = self
                .reads
                .outlived
                .get_or_insert_with(key.clone(), || place);
            *known = place.max(*known);
        }
    }

    pub(super) fn read(&mut self, ask: Ask, key: String, source: Source) {
        if let Err(error) = self.alive().and_then(|()| check_key(&key)) {
            return self.done(ask, Err(error));
        }
        if let Some(task) = self.backed_up(&key, source) {
            // What is final may be older than a write of the key whose task left the backup before.
            let known = self.memory.peek(&key);
            let is_open = !task.state.status().is_settled();
            if is_open || known.is_some_and(Known::is_newest) {
                return self.answer(ask, key, source, task.submission.id);
            }
            let place = Place::Value(key.clone());
            return self.get(GetFor::Read(ask, key, source), vec![place]);
        }
        if source == Source::Backup {
            return self.done(ask, Ok(Done::Entry(None)));
        }
        let now_ms = self.now_ms;
        let is_fresh = |known: &&Known| known.fresh_until_ms.is_none_or(|until| until > now_ms);
        if source != Source::Chain
            && let Some(known) = self.memory.get(&key).filter(is_fresh)
        {
            let entry = known_entry(&key, known, Source::Cache);
            self.used(&key);
            return self.done(ask, Ok(Done::Entry(Some(entry))));
        }
        let place = Place::Value(key.clone());
        self.get(GetFor::Read(ask, key, source), vec![place]);
    }

    fn backed_up(&self, key: &str, source: Source) -> Option<&Task> {
        match source {
            Source::Any => self.known_backup().shown(key),
            Source::Backup => self
                .known_backup()
                .shown_if(key, |status| !status.is_settled()),
            Source::Cache => self.known_backup().shown_if(key, Status::is_settled),
            Source::Chain => None,
        }
    }

    /// Answers with the task's value, or with what the chain executed after it.
    fn answer(&mut self, ask: Ask, key: String, source: Source, id: TaskId) {
        let Some(task) = self.known_backup().task(id) else {
            return self.read(ask, key, source);
        };
        let known = self.memory.peek(&key);
        if let Some(known) = known.filter(|known| is_older(task, Some(known))) {
            let entry = known_entry(&key, known, Source::Cache);
            return self.done(ask, Ok(Done::Entry(Some(entry))));
        }
        match task_entry(task) {
            Some(entry) => self.done(ask, Ok(Done::Entry(Some(entry)))),
            None => {
                let place = place_of_value(task);
                self.get(GetFor::Blob(ask, key, source, id), vec![place]);
            }
        }
    }

    pub(super) fn read_blob(
        &mut self,
        ask: Ask,
        key: String,
        source: Source,
        id: TaskId,
        found: Result<Vec<Option<Vec<u8>>>, Error>,
    ) {
        match found.map(|mut found| found.pop().flatten()) {
            // Found or gone meanwhile: what is known now answers.
            Ok(Some(blob)) => {
                self.keep_blob(id, blob);
                self.read(ask, key, source);
            }
            Ok(None) if self.known_backup().task(id).is_none() => self.read(ask, key, source),
            Ok(None) => self.done(ask, Err(missing_blob(id))),
            Err(error) => self.done(ask, Err(error)),
        }
    }

    /// The settled values of tasks that left the backup while this tab was behind.
    pub(super) fn refreshed(
        &mut self,
        tasks: Vec<Task>,
        found: Result<Vec<Option<Vec<u8>>>, Error>,
    ) {
        // Where they could not be read, the next read of the key does it.
        let mut found = found.unwrap_or_default().into_iter();
        for task in tasks {
            let settled = found.next().flatten().and_then(|bytes| settled(&bytes));
            if let Some(settled) = &settled {
                self.memory.put(&task.submission.key, known(settled));
            }
            self.notice(Notice::Changed(task.submission.key.clone()));
            self.tell_end(task, settled.map(|settled| settled.inclusion));
        }
    }

    /// Only what is final leaves the backup without the app's word: where it stands is beside its value; or, where a
    /// later task has the key, where it stood when this tab fell asleep. Else nothing here knows how it ended.
    fn tell_end(&mut self, mut task: Task, settled: Option<Inclusion>) {
        let from = task.state.status();
        if from == Status::Final {
            return;
        }
        let is_own = |settled: &Inclusion| task.transactions().any(|(tx, ..)| tx == settled.tx);
        let stood = match task.state {
            State::Included(inclusion) if !inclusion.reverted => Some(inclusion),
            State::Included(_)
            | State::BackedUp(_)
            | State::Signing { .. }
            | State::Blocked { .. }
            | State::Sent
            | State::Displaced(_)
            | State::Final(_)
            | State::Failed { .. } => None,
        };
        match settled.filter(is_own).or(stood) {
            Some(inclusion) => {
                task.state = State::Final(inclusion);
                self.notice(Notice::Status(Box::new(task), Some(from)));
            }
            None => self.notice(Notice::Discarded(task.submission.id)),
        }
    }

    fn keep_blob(&mut self, id: TaskId, blob: Vec<u8>) {
        let backup = self.before_restart.as_mut().unwrap_or(&mut self.backup);
        backup.keep(id, Bytes::Inline(blob.into()));
    }

    pub(super) fn read_value(
        &mut self,
        ask: Ask,
        key: String,
        source: Source,
        found: Result<Vec<Option<Vec<u8>>>, Error>,
    ) {
        let settled = match found {
            Ok(mut found) => found.pop().flatten().and_then(|bytes| settled(&bytes)),
            Err(error) => return self.done(ask, Err(error)),
        };
        let known = settled.map(|settled| self.memory.put(&key, known(&settled)));
        if known.is_some() {
            self.used(&key);
        }
        if let Some(task) = self.backed_up(&key, source) {
            return self.answer(ask, key, source, task.submission.id);
        }
        if let Some(known) = known.filter(|_| source != Source::Chain) {
            let entry = known_entry(&key, &known, Source::Cache);
            return self.done(ask, Ok(Done::Entry(Some(entry))));
        }
        let can_ask = self.config.has_reader || Hash::parse(&key).is_some();
        if source == Source::Cache || !can_ask {
            let stale = self
                .memory
                .peek(&key)
                .map(|known| known_entry(&key, known, Source::Cache));
            return self.done(
                ask,
                Ok(Done::Entry(stale.filter(|_| source == Source::Cache))),
            );
        }
        self.read_from_chain(ask, key, source);
    }

    fn read_from_chain(&mut self, ask: Ask, key: String, source: Source) {
        let asked_ms = self.now_ms;
        let read = self.reads.chain.get_or_insert_with(key, || ChainRead {
            asks: Vec::new(),
            asked_ms,
            stage: Stage::New,
        });
        read.asks.push((ask, source));
        self.serve_reads();
    }

    /// Begins the reads that waited for the head.
    pub(super) fn serve_reads(&mut self) {
        let Some(head) = self.follow.head() else {
            return;
        };
        let poll_ms = self.config.poll_ms;
        let poll = &self.poll;
        let can_begin = |read: &&mut ChainRead| {
            matches!(read.stage, Stage::New | Stage::Head)
                && poll.is_fresh(read.asked_ms.saturating_sub(poll_ms))
        };
        let mut begun = Vec::new();
        for (key, read) in self.reads.chain.iter_mut() {
            if can_begin(&read) {
                read.stage = Stage::Reply(head);
                begun.push(key.clone());
            }
        }
        for key in begun {
            match Hash::parse(&key) {
                Some(tx) => self.request(Purpose::ReadTransaction(key), Request::Transaction(tx)),
                None => {
                    let id = self.draw_id();
                    self.reads.functions.insert(id, key.clone());
                    self.outputs.push_back(Output::ReadChain(id, key, head));
                }
            }
        }
    }

    /// The gateway cannot be reached: what is known, however old, is better than an error.
    pub(super) fn fail_reads(&mut self, cause: &str) {
        let waits = |read: &ChainRead| read.stage == Stage::Head;
        let keys = self
            .reads
            .chain
            .iter()
            .filter(|(_, read)| waits(read))
            .map(|(key, _)| key.clone());
        for key in keys.collect::<Vec<_>>() {
            self.fail_read(&key, &Error::new(ErrorCode::GatewayUnreachable, cause));
        }
    }

    pub(super) fn fail_read(&mut self, key: &str, error: &Error) {
        let Some(read) = self.reads.chain.remove(key) else {
            return;
        };
        for (ask, source) in read.asks {
            let stale = self.peek(key).filter(|_| source == Source::Any);
            let result = stale
                .map(|entry| Done::Entry(Some(entry)))
                .ok_or_else(|| error.clone());
            self.done(ask, result);
        }
    }

    pub(super) fn chain_read(&mut self, id: u64, result: Result<Option<Vec<u8>>, Error>) {
        let Some(key) = self.reads.functions.remove(&id) else {
            return;
        };
        let at = match self.reads.chain.get(&key).map(|read| &read.stage) {
            Some(Stage::Reply(block)) => *block,
            Some(Stage::New | Stage::Head | Stage::Receipt(_)) | None => return,
        };
        match result {
            Ok(value) => {
                let fresh_until_ms = Some(self.now_ms + self.config.poll_ms);
                let known = value.map(|value| Known {
                    value: value.into(),
                    is_calldata: false,
                    tx: None,
                    status: Status::Included,
                    place: (at, u32::MAX),
                    fresh_until_ms,
                });
                self.finish_read(&key, at, known);
            }
            Err(error) => self.fail_read(&key, &error),
        }
    }

    pub(super) fn read_transaction(&mut self, key: String, reply: Result<Reply, Refusal>) {
        let at = self.follow.head();
        match (reply, at) {
            (Ok(Reply::Transaction(Some(found))), Some(at)) if !found.is_mined => {
                let known = self.calldata(&key, found.calldata, Status::Sent, (at, 0));
                self.finish_read(&key, at, Some(known));
            }
            (Ok(Reply::Transaction(Some(found))), _) => {
                if let (Some(read), Some(tx)) = (self.reads.chain.get_mut(&key), Hash::parse(&key))
                {
                    read.stage = Stage::Receipt(found.calldata);
                    self.request(Purpose::ReadReceipt(key), Request::Receipt(tx));
                }
            }
            (Ok(_), Some(at)) => self.finish_read(&key, at, None),
            (Ok(_), None) => {}
            (Err(refusal), _) => self.fail_read(&key, &gateway_error(&refusal)),
        }
    }

    pub(super) fn read_receipt(&mut self, key: String, reply: Result<Reply, Refusal>) {
        let calldata = match self.reads.chain.get(&key).map(|read| &read.stage) {
            Some(Stage::Receipt(calldata)) => calldata.clone(),
            Some(Stage::New | Stage::Head | Stage::Reply(_)) | None => return,
        };
        match reply {
            // What was reverted had no effect: there is nothing to read.
            Ok(Reply::Receipt(Some(Inclusion {
                reverted: true,
                block,
                ..
            }))) => self.finish_read(&key, block, None),
            Ok(Reply::Receipt(Some(Inclusion { block, index, .. }))) => {
                // One gateway's word on the block is not enough where several must agree.
                let final_height = self.poll.final_height().filter(|_| self.config.quorum <= 1);
                let is_final = final_height.is_some_and(|height| block.number <= height);
                let status = if is_final {
                    Status::Final
                } else {
                    Status::Included
                };
                let known = self.calldata(&key, calldata, status, (block, index));
                self.finish_read(&key, block, Some(known));
            }
            // By hash it was mined, by receipt it is not: it is on its way either way.
            Ok(_) => {
                let at = self.follow.head();
                let known = at.map(|at| self.calldata(&key, calldata, Status::Sent, (at, 0)));
                self.finish_read(
                    &key,
                    at.unwrap_or(Block {
                        number: 0,
                        hash: Hash([0; 32]),
                    }),
                    known,
                );
            }
            Err(refusal) => self.fail_read(&key, &gateway_error(&refusal)),
        }
    }

    fn calldata(
        &self,
        key: &str,
        calldata: Rc<[u8]>,
        status: Status,
        place: (Block, u32),
    ) -> Known {
        Known {
            value: calldata,
            is_calldata: true,
            tx: Hash::parse(key),
            status,
            place,
            // A final transaction stays as it is; anything else is asked for anew.
            fresh_until_ms: (status != Status::Final).then_some(self.now_ms),
        }
    }

    fn finish_read(&mut self, key: &str, at: Block, known: Option<Known>) {
        let Some(read) = self.reads.chain.remove(key) else {
            return;
        };
        let settled_at = self.final_height_of(key);
        // The gateway lags behind what is known to be final: that is what is settled. So it is where another transaction
        // did what the one of this id was for.
        let is_behind = settled_at > Some(at.number)
            || known.is_none() && settled_at.is_some() && Hash::parse(key).is_some();
        let known = known.filter(|_| !is_behind);
        let known = known.map(|known| self.memory.put(key, known));
        let entry = known.map(|known| known_entry(key, &known, Source::Chain));
        for (ask, asked) in read.asks {
            // What was submitted meanwhile is newer than what the chain knew.
            let is_outdone = asked == Source::Any
                && self
                    .known_backup()
                    .shown_if(key, |status| !status.is_settled())
                    .is_some();
            if is_outdone {
                self.read(ask, key.into(), asked);
            } else if is_behind {
                let place = Place::Value(key.into());
                self.get(GetFor::Settled(ask, key.into(), asked), vec![place]);
            } else {
                self.done(ask, Ok(Done::Entry(entry.clone())));
            }
        }
    }

    /// The gateway lagged behind what is settled: that answers, or what was submitted while it was read.
    pub(super) fn read_settled(
        &mut self,
        ask: Ask,
        key: String,
        asked: Source,
        found: Result<Vec<Option<Vec<u8>>>, Error>,
    ) {
        if asked == Source::Any && self.known_backup().shown(&key).is_some() {
            return self.read(ask, key, asked);
        }
        self.read_value(ask, key, Source::Cache, found);
    }

    /// The height of the newest block that settled a value of the key, as far as is known here.
    fn final_height_of(&self, key: &str) -> Option<u64> {
        let known = self.memory.peek(key);
        let known = known.filter(|known| known.status == Status::Final);
        let task = self.known_backup().shown_if(key, Status::is_settled);
        let inclusion = task.and_then(|task| task.state.inclusion());
        let of_task = inclusion.map(|inclusion| inclusion.block.number);
        of_task.max(known.map(|known| known.place.0.number))
    }

    pub(super) fn list(&mut self, ask: Ask, interval: Interval, limit: usize) {
        let checked = self.alive().and_then(|()| check_key(&interval.prefix));
        let checked = checked.and_then(|()| match limit {
            1..=MAX_PAGE => Ok(()),
            _ => Err(invalid(format!(
                "a page has 1 to {MAX_PAGE} entries, not {limit}"
            ))),
        });
        if let Err(error) = checked {
            return self.done(ask, Err(error));
        }
        let id = self.draw_id();
        let listing = Listing {
            interval: interval.clone(),
            limit,
            rows: Vec::new(),
            missing: Vec::new(),
        };
        self.reads.lists.insert(id, (ask, listing));
        self.outputs
            .push_back(Output::Scan(id, interval, limit + 1));
    }

    pub(super) fn scanned(&mut self, id: u64, rows: Result<Vec<(String, Vec<u8>)>, Error>) {
        let Some((ask, mut listing)) = self.reads.lists.remove(&id) else {
            return;
        };
        match rows {
            Ok(rows) => {
                // What is newer than a final task's value must also be so for `peek`.
                for (key, bytes) in &rows {
                    let task = self.known_backup().shown(key);
                    if task.is_some_and(|task| task.state.status() == Status::Final)
                        && let Some(settled) = settled(bytes)
                    {
                        self.memory.put(key, known(&settled));
                    }
                    self.used(key);
                }
                listing.rows = rows;
                self.merge(ask, listing);
            }
            Err(error) => self.done(ask, Err(error)),
        }
    }

    pub(super) fn listed(
        &mut self,
        ask: Ask,
        listing: Listing,
        found: Result<Vec<Option<Vec<u8>>>, Error>,
    ) {
        let blobs = match found {
            Ok(blobs) => blobs,
            Err(error) => return self.done(ask, Err(error)),
        };
        for (id, blob) in listing.missing.iter().zip(blobs) {
            match blob {
                Some(blob) => self.keep_blob(*id, blob),
                None if self.known_backup().task(*id).is_none() => {}
                None => return self.done(ask, Err(missing_blob(*id))),
            }
        }
        if listing
            .missing
            .iter()
            .any(|id| self.known_backup().task(*id).is_none())
        {
            // Settled and moved meanwhile: the scan is out of date.
            return self.list(ask, listing.interval, listing.limit);
        }
        self.merge(ask, listing);
    }

    fn merge(&mut self, ask: Ask, mut listing: Listing) {
        let tasks = self.known_backup().overlay().keys(&listing.interval);
        let tasks = tasks.filter_map(|key| self.known_backup().shown(key));
        let mut entries = listing.merged(tasks);
        let blank = entries.iter().filter_map(|entry| entry.as_ref().err());
        let (ids, places): (Vec<TaskId>, Vec<Place>) = blank.cloned().unzip();
        if ids.is_empty() {
            let more = entries.len() > listing.limit;
            entries.truncate(listing.limit);
            let entries = entries.into_iter().filter_map(Result::ok).collect();
            return self.done(ask, Ok(Done::Page(Page { entries, more })));
        }
        listing.missing = ids;
        self.get(GetFor::List(ask, Box::new(listing)), places);
    }
}

impl Listing {
    /// Tasks over settled values, in the order asked for, up to the limit and one more; where a task's value is not
    /// at hand, the place of its blob.
    fn merged<'a>(
        &self,
        tasks: impl Iterator<Item = &'a Task>,
    ) -> Vec<Result<Entry, (TaskId, Place)>> {
        let mut tasks = tasks.take(self.limit + 1).peekable();
        let mut rows = self.rows.iter().peekable();
        let mut entries = Vec::new();
        while entries.len() <= self.limit {
            let order = match (tasks.peek(), rows.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(task), Some((key, _))) if self.interval.reverse => {
                    key.cmp(&task.submission.key)
                }
                (Some(task), Some((key, _))) => task.submission.key.cmp(key),
            };
            let row = if order.is_ge() { rows.next() } else { None };
            let row = row.and_then(|(key, bytes)| Some((key, known(&settled(bytes)?))));
            let task = if order.is_le() { tasks.next() } else { None };
            match (task, row) {
                (Some(task), row) if !is_older(task, row.as_ref().map(|(_, known)| known)) => {
                    let entry = task_entry(task);
                    entries.push(entry.ok_or_else(|| (task.submission.id, place_of_value(task))));
                }
                (Some(_) | None, Some((key, known))) => {
                    entries.push(Ok(known_entry(key, &known, Source::Cache)));
                }
                (Some(_) | None, None) => {}
            }
        }
        entries
    }
}

/// Whether the task is final, and what else is known of its key is of a later place in the chain.
fn is_older(task: &Task, known: Option<&Known>) -> bool {
    let (State::Final(inclusion), Some(known)) = (&task.state, known) else {
        return false;
    };
    let (block, index) = known.place;
    known.status != Status::Sent
        && (block.number, index) > (inclusion.block.number, inclusion.index)
}

/// Where the chain executed a task.
pub(super) fn place_of(task: &Task) -> Option<(u64, u32)> {
    let inclusion = task.state.inclusion()?;
    Some((inclusion.block.number, inclusion.index))
}

/// What reads of a task's key get, if its value is at hand.
pub(super) fn task_entry(task: &Task) -> Option<Entry> {
    let value = inline_value(&task.submission)?;
    let status = task.state.status();
    Some(Entry {
        key: task.submission.key.clone(),
        value,
        is_calldata: matches!(task.submission.value, Value::Calldata(_)),
        source: if status.is_settled() {
            Source::Cache
        } else {
            Source::Backup
        },
        status,
        tx: task.tx(),
        block: task.state.inclusion().map(|inclusion| inclusion.block),
        task: Some(task.submission.id),
    })
}

fn known_entry(key: &str, known: &Known, source: Source) -> Entry {
    Entry {
        key: key.into(),
        value: known.value.clone(),
        is_calldata: known.is_calldata,
        source,
        status: known.status,
        tx: known.tx,
        block: (known.status != Status::Sent).then_some(known.place.0),
        task: None,
    }
}

/// What the `values` store holds, if it can be read.
pub(super) fn settled(bytes: &[u8]) -> Option<Settled> {
    let contents = record::read(bytes).ok()?;
    match contents.records.into_iter().next()? {
        (_, Record::Settled(settled)) => Some(settled),
        (
            _,
            Record::Submitted(_)
            | Record::Event(..)
            | Record::Snapshot(..)
            | Record::Imported(..)
            | Record::Cleaned(..)
            | Record::Closed,
        ) => None,
    }
}

/// A settled value as reads know it.
pub(super) fn known(settled: &Settled) -> Known {
    Known {
        value: settled.value.clone(),
        is_calldata: settled.is_calldata,
        tx: Some(settled.inclusion.tx),
        status: Status::Final,
        place: (settled.inclusion.block, settled.inclusion.index),
        fresh_until_ms: None,
    }
}

/// Where the bytes of a task's value are that are not at hand.
pub(super) fn place_of_value(task: &Task) -> Place {
    let part = match task.submission.value {
        Value::Given(_) => Part::Value,
        Value::Calldata(_) => Part::Payload,
    };
    Place::Blob(BlobKey(task.submission.id, part))
}

fn missing_blob(id: TaskId) -> Error {
    let message = format!("a part of task {id} is missing from the database");
    Error::new(ErrorCode::StorageFailed, message)
}
