//! Reads: the tasks first, then settled values, then the chain. Whoever asks for the same key meanwhile shares one
//! request, and the chain is read as of a block that is never older than what is known.

use super::freshness::{Age, Wanted};
use super::listing::{Listing, Scan};
use super::submitting::check_key;
use super::updates::Shows;
use super::{Cache, Done, GetFor, Notice, Output, Place, Purpose, gateway_error, inline_value};
use crate::backup::Backup;
use crate::error::{Error, ErrorCode};
use crate::gateway::{Refusal, Reply, Request};
use crate::log::{Ask, BlobKey, Part};
use crate::memory::{Known, Standing};
use crate::names::named;
use crate::ordered::OrderedMap;
use crate::overlay::Below;
use crate::record::{Settled, settled};
use crate::task::{Block, Bytes, Hash, Inclusion, State, Status, Tag, Task, TaskId, Value};
use std::rc::Rc;

/// How long a read waits for a gateway that lags behind what another tab saw of the chain, in milliseconds.
const LAG_MS: u64 = 2_000;
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
    /// Whether it is older than whoever reads it wants it to be.
    pub is_stale: bool,
    /// What the submission said of itself, in the order of the names.
    pub tags: Vec<Tag>,
}

/// A key that is read from the chain, and who waits for it.
struct ChainRead {
    asks: Vec<Wanted>,
    asked_ms: u64,
    /// A head that was looked up since then is new enough for all who wait.
    head_since_ms: u64,
    /// When the head was looked up as of which it is read.
    head_ms: u64,
    stage: Stage,
    /// What is at hand is to be renewed, whether somebody waits for it or not.
    is_refresh: bool,
    /// The store may hold more than when it was asked: the log went on out of sight.
    is_doubted: bool,
    /// What was known when somebody asked last: a long read may outlast its place at hand.
    was_known: Option<Known>,
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
    pub(super) lists: OrderedMap<u64, (Ask, Listing, Scan)>,
    /// Of keys that tasks of the backup write: where what was executed last stood, whose task left before.
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

    /// The log went on out of sight.
    pub(super) fn doubt(&mut self) {
        for read in self.chain.values_mut() {
            read.is_doubted = true;
        }
    }

    /// The log was folded anew.
    pub(super) fn restarted(&mut self, backup: &Backup) {
        let overlay = backup.overlay();
        self.outlived.retain(|key, _| overlay.writes(key));
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
        match self.piled(key) {
            Some(Shows::Unknown) => return self.piled_over_held(key),
            Some(shows) => return shows.entry(),
            None => {}
        }
        let known = self.memory.peek(key);
        let task = self.known_backup().shown(key);
        let task = task.filter(|task| !is_older(task, known) && !self.is_outlived(task));
        if let Some(held) = self.held_above(key, task) {
            return Some(held.clone());
        }
        match task {
            Some(task) => task_entry(task),
            None => known_entry(key, known?, Source::Cache),
        }
    }

    /// What a read of the key, wherever it is found first, gets without waiting: of a task that is not settled. Nothing where it
    /// has to look further.
    pub fn read_at_once(&self, key: &str) -> Option<Entry> {
        let task = self.known_backup().shown(key)?;
        let is_plain = !task.state.status().is_settled() && !self.is_piled(key);
        is_plain.then(|| task_entry(task))?
    }

    /// Whether a value that is final was written over by one that is in the store alone.
    pub(super) fn is_outlived(&self, task: &Task) -> bool {
        let later = self.reads.outlived.get(&task.submission.key);
        task.state.status() == Status::Final && place_of(task) < later.copied()
    }

    /// A task whose value is settled leaves the backup: one of its key that was executed before may stay.
    pub(super) fn outlives(&mut self, gone: &Task) {
        if let Some(place) = place_of(gone) {
            self.is_stored(&gone.submission.key, place);
        }
    }

    /// The store has what was executed here: tasks of the key that were executed before are not shown once they are final.
    fn is_stored(&mut self, key: &str, place: (u64, u32)) {
        // While the log is folded anew nothing says yet which tasks will write it.
        if self.before_restart.is_none() && !self.backup.overlay().writes(key) {
            self.reads.outlived.remove(key);
            return;
        }
        let outlived = &mut self.reads.outlived;
        let known = outlived.get_or_insert_with(key.into(), || place);
        *known = place.max(*known);
    }

    /// Reads keys: what is not at hand is looked up in the store at once for all.
    pub(super) fn read(&mut self, wanted: Vec<Wanted>) {
        let elsewhere: Vec<Wanted> = wanted
            .into_iter()
            .filter_map(|wanted| self.read_at_hand(wanted))
            .collect();
        if !elsewhere.is_empty() {
            let keys = elsewhere.iter().map(|wanted| wanted.key.clone());
            let places = keys.map(Place::Value).collect();
            self.get(GetFor::Read(elsewhere, self.shelves.moves()), places);
        }
    }

    /// Answers, or goes on to the chain, unless the store may know more.
    fn read_at_hand(&mut self, wanted: Wanted) -> Option<Wanted> {
        let (key, source) = (&wanted.key, wanted.source);
        if let Err(error) = self.alive().and_then(|()| check_key(key)) {
            self.done(wanted.ask, Err(error));
            return None;
        }
        if self.is_piled(key) && source != Source::Chain {
            return self.read_piled(wanted, false);
        }
        let task = self.backed_up(key, source);
        let is_open = task.is_some_and(|task| !task.state.status().is_settled());
        if !is_open && source == Source::Backup {
            self.done(wanted.ask, Ok(Done::Entry(None)));
            return None;
        }
        // What is final may be older than a write of the key whose task left the backup before.
        let known = self.memory.peek(key);
        let is_enough =
            |known: &Known| known.is_newest() || known.standing == Standing::Good && task.is_none();
        if !is_open && !known.is_some_and(is_enough) {
            return Some(wanted);
        }
        self.judge(wanted);
        None
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

    /// All that this tab can know of the key is at hand: it answers, or the chain is asked.
    fn judge(&mut self, wanted: Wanted) {
        let Some(mut wanted) = self.read_piled(wanted, true) else {
            return;
        };
        let is_open = |task: &Task| !task.state.status().is_settled();
        let shown = self.backed_up(&wanted.key, Source::Any);
        // What was read meanwhile may be at hand no more: then it is read again.
        let is_lost =
            wanted.was_at_hand && shown.is_none() && self.memory.peek(&wanted.key).is_none();
        if wanted.wants_newest && (is_lost || shown.is_some_and(is_open)) {
            wanted.source = Source::Any;
        }
        let (key, source) = (&wanted.key, wanted.source);
        let known = self.memory.get(key).cloned();
        let task = self.backed_up(key, source);
        let task = task.filter(|task| !is_older(task, known.as_ref()));
        let age = match (task, &known) {
            (Some(task), _) if !task.state.status().is_settled() => Age::Fresh,
            (Some(_), _) => Age::of_settled(&wanted),
            // The chain said it before it had what is settled.
            (None, Some(known)) if self.is_behind(key, known, Some(known)) => Age::Old,
            (None, Some(known)) => self.age(known, &wanted),
            (None, None) => Age::Old,
        };
        let id = task.map(|task| task.submission.id);
        let can_ask = self.config.has_reader || Hash::parse(key).is_some();
        match (age, source) {
            (Age::Fresh | Age::Stale, _) | (Age::Old, Source::Cache | Source::Backup) => {}
            (Age::Old, Source::Any | Source::Chain) if can_ask => {
                return self.read_from_chain(wanted);
            }
            // It was evicted from the store, or only the chain's own word is wanted.
            (Age::Old, Source::Chain) => return self.done(wanted.ask, Ok(Done::Entry(None))),
            (Age::Old, Source::Any) => {
                let is_doubted = |known: &Known| known.standing != Standing::Good;
                if id.is_none() && known.as_ref().is_none_or(is_doubted) {
                    return self.done(wanted.ask, Ok(Done::Entry(None)));
                }
            }
        }
        if age == Age::Stale {
            self.refresh(key.clone());
        }
        let is_stale = age != Age::Fresh;
        match (id, known) {
            (Some(id), _) => self.give_task(wanted, id, is_stale),
            (None, known) => {
                if known.as_ref().is_some_and(|known| known.read_ms.is_none()) {
                    self.used(&wanted.key);
                }
                let entry = known.and_then(|known| known_entry(&wanted.key, &known, Source::Cache));
                let entry = entry.map(|entry| Entry { is_stale, ..entry });
                self.done(wanted.ask, Ok(Done::Entry(entry)));
            }
        }
    }

    fn give_task(&mut self, wanted: Wanted, id: TaskId, is_stale: bool) {
        let Some(task) = self.known_backup().task(id) else {
            return self.read(vec![wanted]);
        };
        match task_entry(task) {
            Some(entry) => {
                let entry = Entry { is_stale, ..entry };
                self.done(wanted.ask, Ok(Done::Entry(Some(entry))));
            }
            None => {
                let place = place_of_value(task);
                self.get(GetFor::Blob(wanted, id), vec![place]);
            }
        }
    }

    pub(super) fn read_blob(
        &mut self,
        wanted: Wanted,
        id: TaskId,
        found: Result<Vec<Option<Vec<u8>>>, Error>,
    ) {
        match found.map(|mut found| found.pop().flatten()) {
            // Found or gone meanwhile: what is known now answers.
            Ok(Some(blob)) => {
                self.keep_blob(id, blob);
                self.read(vec![wanted]);
            }
            Ok(None) if self.known_backup().task(id).is_none() => self.read(vec![wanted]),
            Ok(None) => self.done(wanted.ask, Err(missing_blob(id))),
            Err(error) => self.done(wanted.ask, Err(error)),
        }
    }

    /// Only what is final leaves the backup without the app's word: where it stands is beside its value; or, where a
    /// later task has the key, where it stood when this tab fell asleep. Else nothing here knows how it ended.
    pub(super) fn tell_end(&mut self, mut task: Rc<Task>, settled: Option<Inclusion>) {
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
                Rc::make_mut(&mut task).state = State::Final(inclusion);
                self.notice(Notice::Status(task, Some(from)));
            }
            None => self.notice(Notice::Discarded(task.submission.id)),
        }
    }

    pub(super) fn keep_blob(&mut self, id: TaskId, blob: Vec<u8>) {
        let backup = self.before_restart.as_mut().unwrap_or(&mut self.backup);
        backup.keep(id, Bytes::Inline(blob.into()));
    }

    pub(super) fn looked_up(
        &mut self,
        wanted: Vec<Wanted>,
        moves: u64,
        found: Result<Vec<Option<Vec<u8>>>, Error>,
    ) {
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                for wanted in wanted.iter().filter(|wanted| !wanted.is_over) {
                    self.done(wanted.ask, Err(error.clone()));
                }
                return;
            }
        };
        if moves != self.shelves.moves() {
            // What updates made may have been stored since.
            let wanted = wanted.into_iter().filter(|wanted| !wanted.is_over);
            return self.read(wanted.collect());
        }
        for (wanted, bytes) in wanted.into_iter().zip(found) {
            let is_there = bytes.is_some();
            let stored = bytes.and_then(|bytes| settled(&bytes));
            if is_there && stored.is_none() {
                let error = self.damaged_value(&wanted.key);
                if !self.config.has_reader {
                    self.done(wanted.ask, Err(error));
                    continue;
                }
            }
            self.found(&wanted.key, stored.as_ref(), moves);
            if stored.is_some() {
                self.used(&wanted.key);
            }
            if !wanted.is_over {
                self.judge(wanted);
            }
        }
    }

    /// What the store holds of a key, when so much had been moved.
    pub(super) fn found(&mut self, key: &str, stored: Option<&Settled>, moves: u64) {
        if stored.is_none() && self.is_piled(key) {
            self.found_nothing(key, moves);
        }
        let is_reading = |known: &Known| known.read_ms.is_some();
        if stored.is_some() || self.memory.peek(key).is_some_and(is_reading) {
            self.memory.trust(key);
        }
        if let Some(settled) = stored {
            self.found_stored(key, settled);
        }
    }

    /// The store holds this of a key. Where that is later than what the log tells so far, it was moved by a cleaning that is not
    /// folded here yet: lists must not fall behind it.
    pub(super) fn found_stored(&mut self, key: &str, settled: &Settled) {
        let place = settled.inclusion.place();
        let backup = self.before_restart.as_mut().unwrap_or(&mut self.backup);
        let task = backup.shown_if(key, |status| status == Status::Final);
        let is_behind = task.and_then(place_of).is_some_and(|own| own < place);
        if is_behind && !backup.overlay().below(key).reaches(place) {
            backup.found_below(key, Below::of(settled));
            self.shelves.moved();
        }
        self.remember(key, known_of(settled));
    }

    /// What is at hand answered, and the chain may say otherwise by now.
    pub(super) fn refresh(&mut self, key: String) {
        self.chain_read_of(key).is_refresh = true;
        self.serve_reads();
    }

    pub(super) fn read_from_chain(&mut self, mut wanted: Wanted) {
        let poll_ms = self.config.poll_ms;
        if let Some(most_ms) = wanted.max_age_ms {
            let since_ms = self.now_ms.saturating_sub(most_ms.min(poll_ms));
            wanted.head_since_ms = since_ms;
        }
        self.wait_for_chain(wanted);
    }

    fn wait_for_chain(&mut self, wanted: Wanted) {
        let usual_ms = self.now_ms.saturating_sub(self.config.poll_ms);
        let read = self.chain_read_of(wanted.key.clone());
        read.head_since_ms = wanted.head_since_ms.max(read.head_since_ms).max(usual_ms);
        read.asks.push(wanted);
        self.serve_reads();
    }

    /// The one request for all who ask for the key meanwhile.
    fn chain_read_of(&mut self, key: String) -> &mut ChainRead {
        let asked_ms = self.now_ms;
        let head_since_ms = asked_ms.saturating_sub(self.config.poll_ms);
        let known = self.memory.peek(&key).cloned();
        let read = self.reads.chain.get_or_insert_with(key, || ChainRead {
            asks: Vec::new(),
            asked_ms,
            head_since_ms,
            head_ms: 0,
            stage: Stage::New,
            is_refresh: false,
            is_doubted: false,
            was_known: None,
        });
        read.was_known = known.or_else(|| read.was_known.take());
        read
    }

    /// Begins the reads that waited for the head.
    pub(super) fn serve_reads(&mut self) {
        let Some(head) = self.follow.head() else {
            return;
        };
        let poll_ms = self.config.poll_ms;
        let now_ms = self.now_ms;
        // Whoever looks from one tab to the other sees no step back, where the gateway gets as far soon.
        let is_behind = self.poll.others_saw_more(head.number) && self.reads.wait_for_head();
        if is_behind {
            let least_ms = poll_ms.max(self.pool.spacing_ms());
            self.poll.look_by(now_ms + least_ms);
        }
        let poll = &self.poll;
        let head_ms = poll.head_ms();
        let can_begin = |read: &&mut ChainRead| {
            matches!(read.stage, Stage::New | Stage::Head)
                && poll.is_fresh(read.head_since_ms)
                && !(is_behind && now_ms < read.asked_ms + LAG_MS)
        };
        let mut begun = Vec::new();
        for (key, read) in self.reads.chain.iter_mut() {
            if can_begin(&read) {
                read.stage = Stage::Reply(head);
                read.head_ms = head_ms;
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
        for wanted in read.asks {
            let known = match self.piled_by_now(key) {
                Some(shows) => shows.entry(),
                None => self.peek(key),
            };
            let known = known.filter(|_| wanted.source == Source::Any);
            let result = match known {
                Some(entry) => {
                    let is_stale = entry.source != Source::Backup;
                    Ok(Done::Entry(Some(Entry { is_stale, ..entry })))
                }
                None => Err(error.clone()),
            };
            self.done(wanted.ask, result);
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
                let known = Known {
                    value: value.map(Into::into),
                    is_calldata: false,
                    tx: None,
                    status: Status::Included,
                    place: (at, u32::MAX),
                    read_ms: Some(self.now_ms),
                    standing: Standing::Good,
                    tags: Vec::new(),
                    stacked: None,
                };
                self.finish_read(&key, known);
            }
            Err(error) => self.fail_read(&key, &error),
        }
    }

    pub(super) fn read_transaction(&mut self, key: String, reply: Result<Reply, Refusal>) {
        let at = self.follow.head();
        match (reply, at) {
            (Ok(Reply::Transaction(Some(found))), Some(at)) if !found.is_mined => {
                let calldata = Some(found.calldata);
                let known = self.calldata(&key, calldata, Status::Sent, (at, 0));
                self.finish_read(&key, known);
            }
            (Ok(Reply::Transaction(Some(found))), _) => {
                if let (Some(read), Some(tx)) = (self.reads.chain.get_mut(&key), Hash::parse(&key))
                {
                    read.stage = Stage::Receipt(found.calldata);
                    self.request(Purpose::ReadReceipt(key), Request::Receipt(tx));
                }
            }
            (Ok(_), Some(at)) => {
                let known = self.calldata(&key, None, Status::Sent, (at, 0));
                self.finish_read(&key, known);
            }
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
                index,
                ..
            }))) => {
                let known = self.calldata(&key, None, Status::Included, (block, index));
                self.finish_read(&key, known);
            }
            Ok(Reply::Receipt(Some(Inclusion { block, index, .. }))) => {
                // One gateway's word on the block is not enough where several must agree.
                let final_height = self.poll.final_height().filter(|_| self.config.quorum <= 1);
                let is_final = final_height.is_some_and(|height| block.number <= height);
                let status = if is_final {
                    Status::Final
                } else {
                    Status::Included
                };
                let known = self.calldata(&key, Some(calldata), status, (block, index));
                self.finish_read(&key, known);
            }
            // By hash it was mined, by receipt it is not: it is on its way either way.
            Ok(_) => {
                let at = self.follow.head().unwrap_or(Block {
                    number: 0,
                    hash: Hash([0; 32]),
                });
                let known = self.calldata(&key, Some(calldata), Status::Sent, (at, 0));
                self.finish_read(&key, known);
            }
            Err(refusal) => self.fail_read(&key, &gateway_error(&refusal)),
        }
    }

    fn calldata(
        &self,
        key: &str,
        calldata: Option<Rc<[u8]>>,
        status: Status,
        place: (Block, u32),
    ) -> Known {
        Known {
            value: calldata,
            is_calldata: true,
            tx: Hash::parse(key),
            status,
            place,
            // A final transaction stays as it is.
            read_ms: (status != Status::Final).then_some(self.now_ms),
            standing: Standing::Good,
            tags: Vec::new(),
            stacked: None,
        }
    }

    fn finish_read(&mut self, key: &str, mut read: Known) {
        let Some(ChainRead {
            asks,
            is_doubted,
            head_ms,
            was_known,
            ..
        }) = self.reads.chain.remove(key)
        else {
            return;
        };
        if is_doubted {
            read.standing = Standing::Doubted;
        }
        // The gateway lags behind what is known to be final: that is what is settled. So it is where another transaction
        // did what the one of this id was for.
        let old = self.memory.peek(key).or(was_known.as_ref());
        let was_at_hand = old.is_some();
        let is_behind = self.is_behind(key, &read, old)
            || read.value.is_none()
                && (read.is_calldata && self.final_height_of(key, old).is_some()
                    || old.is_some_and(is_of_updates));
        let before = self.peek(key);
        let known = (!is_behind).then(|| self.remember(key, read.clone()));
        self.tell_read(key, before);
        for wanted in asks {
            // Who came while it was under way, and wants to know of a later head.
            if wanted.head_since_ms > head_ms && read.read_ms.is_some() {
                self.wait_for_chain(wanted);
                continue;
            }
            if wanted.source == Source::Any
                && let Some(entry) = self.piled(key).and_then(Shows::entry)
            {
                self.done(wanted.ask, Ok(Done::Entry(Some(entry))));
                continue;
            }
            // What was submitted meanwhile is newer than what the chain knew.
            let newer = self
                .known_backup()
                .shown(key)
                .filter(|task| wanted.source == Source::Any && !task.state.status().is_settled());
            match (newer.and_then(task_entry), &known) {
                (Some(entry), _) => self.done(wanted.ask, Ok(Done::Entry(Some(entry)))),
                (None, Some(known))
                    if *known == read && (!is_doubted || wanted.source == Source::Chain) =>
                {
                    let entry = known_entry(key, known, Source::Chain);
                    self.done(wanted.ask, Ok(Done::Entry(entry)));
                }
                // What is known is later than what the gateway said. Whoever wants the chain's word is told that it is old.
                (None, Some(_) | None) => {
                    let now_ms = (wanted.source == Source::Chain).then_some(0);
                    self.read(vec![Wanted {
                        source: Source::Cache,
                        max_age_ms: wanted.max_age_ms.or(now_ms),
                        wants_newest: wanted.source == Source::Any,
                        was_at_hand: was_at_hand || known.is_some(),
                        ..wanted
                    }]);
                }
            }
        }
    }

    /// Who watches the key reads it again where it is another now; a later block alone makes nobody read.
    fn tell_read(&mut self, key: &str, before: Option<Entry>) {
        let now = self.peek(key);
        if now == before {
            return;
        }
        let shown = |entry: Option<Entry>| {
            entry.map(|entry| (entry.value, entry.is_calldata, entry.status, entry.tx))
        };
        let is_other = shown(now) != shown(before);
        self.notice(if is_other {
            Notice::Changed(key.into())
        } else {
            Notice::Confirmed(key.into())
        });
    }

    /// What is known of the key from now on: this, unless something later is known already.
    pub(super) fn remember(&mut self, key: &str, known: Known) -> Known {
        let is_gone = |old: &Known| self.follow.is_canonical(&old.place.0) == Some(false);
        if let Some(old) = self.memory.peek(key).filter(|old| is_gone(old)) {
            let block = old.place.0;
            self.memory.leave(&[block]);
        }
        if known.status == Status::Final && known.read_ms.is_none() {
            let (block, index) = known.place;
            self.is_stored(key, (block.number, index));
        }
        self.memory.put(key, known)
    }

    /// Blocks left the chain: what was read there is read again by who watches it, and what is being read as of one of them
    /// begins anew.
    pub(super) fn leave_readings(&mut self, orphaned: &[Block]) {
        for key in self.memory.leave(orphaned) {
            self.notice(Notice::Changed(key));
        }
        let follow = &self.follow;
        let has_left = |at: &Block| orphaned.contains(at) || follow.is_canonical(at) == Some(false);
        let is_gone = |read: &ChainRead| match &read.stage {
            Stage::Reply(at) => has_left(at),
            Stage::New | Stage::Head | Stage::Receipt(_) => false,
        };
        let reads = self.reads.chain.iter_mut();
        for (key, read) in reads.filter(|(_, read)| is_gone(read)) {
            read.stage = Stage::Head;
            let function = self.reads.functions.iter().find(|(_, known)| *known == key);
            if let Some(id) = function.map(|(id, _)| *id) {
                self.reads.functions.remove(&id);
                self.outputs.push_back(Output::StopReading(id));
            }
        }
    }

    /// Somebody does not wait for a read any more. Where nobody does, the chain is not asked any longer.
    pub(super) fn abandon_read(&mut self, ask: Ask) {
        for purpose in self.gets.values_mut() {
            if let GetFor::Read(wanted, _) = purpose {
                let mut own = wanted.iter_mut().filter(|wanted| wanted.ask == ask);
                if let Some(own) = own.next() {
                    own.is_over = true;
                    return;
                }
            }
        }
        let is_own = |purpose: &GetFor| matches!(purpose, GetFor::Blob(own, _) if own.ask == ask);
        self.gets.retain(|_, purpose| !is_own(purpose));
        let mut chain = self.reads.chain.iter_mut();
        let read = chain.find(|(_, read)| read.asks.iter().any(|wanted| wanted.ask == ask));
        let Some((key, read)) = read else {
            return;
        };
        read.asks.retain(|wanted| wanted.ask != ask);
        if read.asks.is_empty() && !read.is_refresh {
            let key = key.clone();
            self.stop_reading(&key);
        }
    }

    fn stop_reading(&mut self, key: &str) {
        self.reads.chain.remove(key);
        let function = self.reads.functions.iter().find(|(_, known)| *known == key);
        if let Some(id) = function.map(|(id, _)| *id) {
            self.reads.functions.remove(&id);
            self.outputs.push_back(Output::StopReading(id));
        }
        let is_own = |purpose: &Purpose| match purpose {
            Purpose::ReadTransaction(known) | Purpose::ReadReceipt(known) => known == key,
            Purpose::Head
            | Purpose::Walk
            | Purpose::FinalBlock
            | Purpose::Verify(..)
            | Purpose::Word(_)
            | Purpose::Vote(..)
            | Purpose::Receipts(_)
            | Purpose::BlockReceipts(..)
            | Purpose::Looks(_)
            | Purpose::Look(_)
            | Purpose::Send(..)
            | Purpose::Rival(_)
            | Purpose::Count(_)
            | Purpose::Call(_)
            | Purpose::Calls(_) => false,
        };
        self.drop_request(is_own);
    }

    /// Whether what was read there is older than what is settled, and known here.
    fn is_behind(&self, key: &str, read: &Known, known: Option<&Known>) -> bool {
        self.final_height_of(key, known) > Some(read.place.0.number)
    }

    /// The height of the newest block that settled a value of the key: what is known, or a task's.
    fn final_height_of(&self, key: &str, known: Option<&Known>) -> Option<u64> {
        let known = known.filter(|known| known.status == Status::Final);
        let task = self.known_backup().shown_if(key, Status::is_settled);
        let inclusion = task.and_then(|task| task.state.inclusion());
        let of_task = inclusion.map(|inclusion| inclusion.block.number);
        of_task.max(known.map(|known| known.place.0.number))
    }
}

/// Whether what is settled was made of nothing: a chain that has nothing there may not know the key.
fn is_of_updates(known: &Known) -> bool {
    known.stacked.is_some_and(|stacked| stacked.base.is_none())
}

/// Whether the task is final, and what else is known of its key is of a later place in the chain.
pub(super) fn is_older(task: &Task, known: Option<&Known>) -> bool {
    let (State::Final(inclusion), Some(known)) = (&task.state, known) else {
        return false;
    };
    let (block, index) = known.place;
    known.status != Status::Sent && (block.number, index) > inclusion.place()
}

/// Where the chain executed a task.
pub(super) fn place_of(task: &Task) -> Option<(u64, u32)> {
    task.state.inclusion().map(Inclusion::place)
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
        is_stale: false,
        tags: task.submission.tags.clone(),
    })
}

/// What reads get of what is known, if the chain has anything there.
pub(super) fn known_entry(key: &str, known: &Known, source: Source) -> Option<Entry> {
    Some(Entry {
        key: key.into(),
        value: known.value.clone()?,
        is_calldata: known.is_calldata,
        source,
        status: known.status,
        tx: known.tx,
        block: (known.status != Status::Sent).then_some(known.place.0),
        task: None,
        is_stale: false,
        tags: known.tags.clone(),
    })
}

/// A settled value as reads know it.
pub(super) fn known_of(settled: &Settled) -> Known {
    Known {
        value: Some(settled.value.clone()),
        is_calldata: settled.is_calldata,
        tx: Some(settled.inclusion.tx),
        status: Status::Final,
        place: (settled.inclusion.block, settled.inclusion.index),
        read_ms: None,
        standing: Standing::Good,
        tags: settled.tags.clone(),
        stacked: settled.stacked,
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

pub(super) fn missing_blob(id: TaskId) -> Error {
    let message = format!("a part of task {id} is missing from the database, or damaged");
    Error::new(ErrorCode::StorageFailed, message)
}
