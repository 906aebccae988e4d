//! The cache of one tab: inputs go in, outputs come out.
//!
//! Everything that happens to a task is a record in the log; what is known is the fold of the log. This file takes
//! inputs, appends and folds. Beside it: `catching_up` (with other tabs); `sending` and `tracking`, the
//! leader's work, with `receipts` (what is asked, and how much), `pace` and `heads` (when to look); `reading` answers reads, `listing` lists,
//! `cleaning` moves settled values out of the log, `evicting` lets them go, `portable` carries tasks out and in.

mod asking;
mod batch;
mod calls;
mod catching_up;
mod cleaning;
mod dependents;
mod evicting;
mod folding;
mod freshness;
mod gaps;
mod glance;
mod heads;
mod holding;
mod listing;
mod pace;
mod portable;
mod quorum;
mod reading;
mod receipts;
mod recovering;
mod refolding;
mod replacing;
mod rivals;
mod sending;
mod shelves;
mod signing;
mod storing;
mod submitting;
mod tracking;
mod updates;

use crate::backup::Backup;
use crate::error::{Error, ErrorCode};
use crate::follow::Follow;
use crate::gateway::endpoint::{Limits, View};
use crate::gateway::evm::Finality;
use crate::gateway::pool::Pool;
use crate::gateway::transaction::Signing;
use crate::gateway::{Answer, BlockName, Refusal, Request};
use crate::log::{Ask, BlobKey, Commit, CommitFailure, Log};
use crate::memory::Memory;
use crate::ordered::{OrderedMap, OrderedSet};
use crate::outbox::Backoff;
use crate::record::Record;
use crate::task::{
    After, Block, Bytes, Event, Hash, Role, Status, Submission, Tag, Task, TaskId, Value,
};
use freshness::Wanted;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

pub use evicting::{Evict, MAX_ROWS, Oldest, RECORD_AGAIN_MS, Row};
pub use freshness::Freshness;
pub use glance::{Glance, Step};
pub use heads::Push;
pub use listing::{Found, MAX_PAGE, Page, Query, Scan};
pub use portable::Report;
pub use reading::{Entry, Source};
pub use signing::{Draws, SignAsk, Signer, SignerAnswer};
pub use updates::{NoUpdates, Previous, Updates};

/// The longest key, in bytes of UTF-8.
pub const MAX_KEY_BYTES: usize = 1024;
/// The longest payload, in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 1024 * 1024;
/// The longest value, in bytes as encoded by the codec.
pub const MAX_VALUE_BYTES: usize = 1024 * 1024;
/// The longest idempotency key or lane name, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 256;
/// How many tasks may be unsettled at a time.
pub const MAX_UNSETTLED: usize = 100_000;
/// The longest text that is kept of a gateway's words, in bytes.
pub(crate) const MAX_CAUSE_BYTES: usize = 500;

/// What does not change while the cache is open.
#[derive(Debug, Clone)]
pub struct Config {
    /// The chain that payloads must be signed for.
    pub chain_id: u64,
    /// When a block counts as final.
    pub finality: Finality,
    /// How many gateway urls there are.
    pub urls: usize,
    /// How many of them must say that a block is final, each by its own word.
    pub quorum: usize,
    /// What each of them is asked at the most.
    pub limits: Limits,
    /// How often the chain's head is looked at while something waits, at the most, in milliseconds.
    pub poll_ms: u64,
    /// How many of the gateway's addresses are sockets that can push new heads.
    pub sockets: usize,
    /// The lane of tasks that name none: the account, or nothing.
    pub lane: String,
    /// Whether other tabs' news reach this one: else it looks at the log's end more often.
    pub hears_others: bool,
    /// Whether the dapp gave a function that reads keys from the chain.
    pub has_reader: bool,
    /// How old what was read from the chain may be.
    pub freshness: Freshness,
    /// The bound on garbage in the log, in bytes, where less than that lives. From half of it on the log is cleaned.
    pub clean_at_bytes: u64,
    /// How much the log may hold that no page of its index tells of, in bytes. Nothing: none are written.
    pub index_at_bytes: Option<u64>,
    /// What settled values may take in the store, in bytes of keys and values.
    pub values_budget_bytes: u64,
    /// How many settled values and readings stay at hand.
    pub values_at_hand: usize,
    /// Who signs drafts in this tab, by name.
    pub signers: OrderedMap<String, Signer>,
    /// Seeds the jitter.
    pub seed: u64,
}

/// What a submission brings for the chain.
#[derive(Debug, Clone)]
pub enum Brings {
    /// The signed raw transaction.
    Payload(Vec<u8>),
    /// The name of the signer that is to make one.
    Sign(String),
}

/// A new submission.
#[derive(Debug, Clone)]
pub struct Submit {
    /// A name that nothing else has.
    pub id: TaskId,
    /// What it brings for the chain.
    pub brings: Brings,
    /// What reads ask for; else the transaction id. A draft has one.
    pub key: Option<String>,
    /// What reads get; else the calldata. A draft has one.
    pub value: Option<Vec<u8>>,
    /// The same key with the same content is the same task.
    pub idempotency_key: Option<String>,
    /// Tasks of one lane reach the gateway in order.
    pub lane: Option<String>,
    /// What it says of itself.
    pub tags: Vec<Tag>,
    /// The function that makes the key's value of the one before, and of this value.
    pub update: Option<String>,
    /// What it waits for before it is sent.
    pub after: Option<After>,
    /// Wall-clock milliseconds since 1970.
    pub created_ms: u64,
}

/// What happened outside.
#[derive(Debug, Clone)]
pub enum Input {
    /// The app submits.
    Submit(Ask, Submit),
    /// The app cancels or discards a task, or says what became of it.
    Act(Ask, TaskId, Event),
    /// The app wants a blocked task tried again.
    Retry(Ask, TaskId),
    /// The app gives a task another transaction of the same nonce.
    Replace(Ask, TaskId, Role, Vec<u8>),
    /// The app reads a key.
    Read(Ask, String, Source),
    /// The app reads keys, each for an answer of its own: none older than this in milliseconds, if that is said.
    ReadMany(Vec<(Ask, String)>, Source, Option<u64>),
    /// The app lists keys, from a cursor on, so many at the most.
    List(Ask, Query, Option<String>, usize),
    /// The app wants to know how many entries a list has.
    Count(Ask, Query),
    /// The tab is about to leave. The answer, if anybody waits for it, says that this is in the log.
    Close(Option<Ask>),
    /// Whoever asks wants to know all that other tabs wrote up to now; without a caller, this tab slept and may have
    /// missed something.
    Sync(Option<Ask>),
    /// The app calls the gateway: method, and parameters as JSON.
    Call(Ask, String, String),
    /// The same for several calls, which go together.
    CallMany(Vec<(Ask, String, String)>),
    /// The app wants the next part of an export of this number, which the first one begins; wall-clock milliseconds.
    Export(Ask, u64, u64),
    /// The app gives the next piece of a file, which is the import of this number; whether it is the last one.
    Import(Ask, u64, Vec<u8>, bool),
    /// The app does not wait for this call or read any more.
    Abandon(Ask),
    /// To `Output::Load`: the first segments from this key on.
    Loaded {
        /// As asked.
        from: u64,
        /// Keys and bytes, in order.
        segments: Vec<(u64, Vec<u8>)>,
        /// Whether others follow.
        more: bool,
    },
    /// To `Output::Load`: it failed.
    LoadFailed(Error),
    /// To `Output::Commit`: it is complete; the key of its last segment.
    Committed(u64, u64),
    /// To `Output::Commit`: nothing was stored.
    CommitFailed(u64, CommitFailure),
    /// To `Output::Get`: what was found, in the order asked.
    Got(u64, Result<Vec<Option<Vec<u8>>>, Error>),
    /// To `Output::Scan`: what was found, in the order asked.
    Scanned(u64, Result<Vec<Found>, Error>),
    /// To `Output::Oldest`.
    Oldest(u64, Result<Oldest, Error>),
    /// To `Output::Evict`: what the values that are left count for.
    Evicted(u64, Result<u64, CommitFailure>),
    /// To `Output::Request`.
    Answered(u64, Answer),
    /// To `Output::Sign`.
    SignerAnswered(u64, SignerAnswer),
    /// To `Output::Recover`: the public key's two coordinates; none where no key made that signature.
    Recovered(u64, Option<[u8; 64]>),
    /// To `Output::ReadChain`: the bytes that the dapp's function read.
    ChainRead(u64, Result<Option<Vec<u8>>, Error>),
    /// Another tab appended up to this key, or followed the chain.
    News(u64, Option<Tip>),
    /// This tab is (not any more) the one that sends.
    Leading(bool),
    /// The browser's network is there, or not.
    Online(bool),
    /// The page can be seen, or not.
    Visible(bool),
    /// To `Output::Subscribe`, now and later.
    Pushed(Push),
    /// To `Output::Renew`: whether it was done.
    Renewed(bool),
    /// The database is gone under us: closed by the browser, or deleted.
    StorageLost(Error),
    /// The time that `poll_timeout` named has come.
    Wake,
}

/// What is to be done outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Read the log from this key on, at least two segments if there are. Whether the key itself is still there tells
    /// whether the log was cleaned meanwhile.
    Load(u64),
    /// Write atomically.
    Commit(Commit),
    /// Read from `values` and `blobs`.
    Get(u64, Vec<Place>),
    /// Read from `values`, by key or by tag.
    Scan(u64, Scan),
    /// Say what all settled values count for, and read so many of those of the oldest use.
    Oldest(u64, usize),
    /// Delete settled values, in one commit.
    Evict(u64, Evict),
    /// Values of these keys were used, if there are any: to be recorded where the last recorded use is older than
    /// `RECORD_AGAIN_MS`. Nobody waits for it.
    Touch(Vec<String>),
    /// Ask a signer.
    Sign(u64, Box<SignAsk>),
    /// Nobody waits for that signer's signature any more.
    StopSigning(u64),
    /// Ask the gateway.
    Request {
        /// For `Input::Answered`; also the body's JSON-RPC id. Those of a batch go on from there.
        id: u64,
        /// Which of the configured urls.
        url: usize,
        /// What to POST.
        body: String,
    },
    /// Nobody waits for this request any more: it can be broken off.
    Abort(u64),
    /// Have new heads pushed over this socket, of as many as `Config` says.
    Subscribe(usize),
    /// End what `Subscribe` began.
    Unsubscribe,
    /// Compute whose key made this signature.
    Recover(u64, Signing),
    /// Call the dapp's function for this key, as of this block.
    ReadChain(u64, String, Block),
    /// Nobody waits for what that function reads any more.
    StopReading(u64),
    /// Answer a caller.
    Done(Ask, Result<Done, Error>),
    /// Tell the app.
    Notice(Notice),
    /// The last visit ended in the middle of things, perhaps of a write: make the browser begin new files.
    Renew,
    /// Tell the other tabs: the log's end and the chain's, as known here.
    Announce(u64, Option<Tip>),
}

/// A place in the stores beside the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A key of `values`.
    Value(String),
    /// A key of `blobs`.
    Blob(BlobKey),
}

/// An answer to a caller.
#[derive(Debug, Clone, PartialEq)]
pub enum Done {
    /// To `Submit`: the task, which may be an earlier one; to `Act`.
    Task(TaskId),
    /// To `Read`.
    Entry(Option<Entry>),
    /// To `List`.
    Page(Page),
    /// To `Count`.
    Count(u64),
    /// To `Call`: the gateway's whole JSON-RPC reply.
    Call(String),
    /// To `Export`: the next part of the file, and whether others follow.
    Part(Vec<u8>, bool),
    /// To `Import`: what came of this piece.
    Imported(Report),
    /// To `Close`.
    Closed,
    /// To `Sync`.
    Synced,
}

/// Something the app may want to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// The log is folded up to its end for the first time: what is told of tasks comes after it.
    Opened,
    /// The handle cannot go on.
    Broken(Error),
    /// A task is new here (`None`), went on from this status, or got another transaction at this status.
    Status(Rc<Task>, Option<Status>),
    /// The app or another tab discarded the task.
    Discarded(TaskId),
    /// Reads of this key may get something else now.
    Changed(String),
    /// The chain has the same under this key as of a later block.
    Confirmed(String),
    /// The log was folded anew: reads of any key may get something else now.
    Refolded,
    /// Blocks left the canonical chain.
    Reorg(Reorg),
    /// The chain's head or its final height moved.
    Head(Tip),
    /// Something that was stored cannot be read: the segment's key and the offset in it.
    Damaged(u64, usize),
    /// Damaged segments left the log.
    SetAside,
    /// A commit that no caller waits for failed; it is tried again.
    StorageTrouble(Error),
    /// What is kept beside the log cannot be read, or is not what the log knows of it.
    Unreadable(Error),
    /// Whether this tab sends.
    Leading(bool),
}

/// Blocks that left the canonical chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reorg {
    /// The lowest height.
    pub first: u64,
    /// The highest height.
    pub last: u64,
    /// Whether some of them were final: the chain broke its word, and settled tasks are sent again.
    pub is_past_final: bool,
}

/// What is known of the chain's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// The newest block.
    pub head: Block,
    /// Up to this height blocks are final.
    pub final_height: Option<u64>,
}

/// Why something is read from the stores.
#[derive(Debug)]
enum GetFor {
    /// And how often values had been moved by then.
    Read(Vec<freshness::Wanted>, u64),
    Blob(freshness::Wanted, TaskId),
    List(Ask, Box<listing::Listing>),
    /// What is settled of these keys, which tasks write too.
    Below(Ask, Box<listing::Listing>, Vec<String>),
    /// The same of keys that updates are a part of.
    Bases(Ask, Box<listing::Listing>, Vec<String>),
    /// What an update is applied to, before it is sent; and how often values had been moved by then.
    Trial(TaskId, u64, Vec<Place>),
    Send(TaskId, Hash),
    Rival(TaskId),
    Replace(Box<replacing::Replacing>),
    /// The value of a draft, for its signer.
    Sign(TaskId),
    Clean(cleaning::Plan),
    /// What is settled of these keys by now, and of some the task that left: it tells how that ended. And how often values had
    /// been moved by then.
    Refresh(Vec<(String, Option<Rc<Task>>)>, u64),
    /// A part of an export: its number, its tasks, and what of them is asked for.
    Export(Ask, u64, Vec<TaskId>, Vec<BlobKey>),
}

/// A task, and the one of its transactions that is asked for.
type Asked = (TaskId, Hash);

/// Why the gateway is asked.
#[derive(Debug, Clone)]
enum Purpose {
    Head,
    Walk,
    FinalBlock,
    /// And whether the height is final.
    Verify(Block, bool),
    /// What this url itself calls final.
    Word(usize),
    /// Whether this url has the block.
    Vote(Block, usize),
    Receipts(Vec<Asked>),
    BlockReceipts(Block, BlockName, Vec<Asked>),
    /// For what was sent long ago.
    Looks(Vec<Asked>),
    /// Before a repetition.
    Look(TaskId),
    /// With the transactions that it carries.
    Send(Vec<(TaskId, Hash)>),
    Rival(TaskId),
    /// The account's transactions, before its draft is signed.
    Count(TaskId),
    ReadTransaction(String),
    ReadReceipt(String),
    Call(Ask),
    /// A batch, or one that was in a batch.
    Calls(Vec<calls::Called>),
}

/// See the module's documentation.
pub struct Cache {
    config: Config,
    rng: fastrand::Rng,
    now_ms: u64,
    outputs: VecDeque<Output>,
    next_id: u64,
    log: Log,
    backup: Backup,
    memory: Memory,
    follow: Follow,
    poll: tracking::Poll,
    pace: pace::Pace,
    heads: heads::Heads,
    uplink: Option<sending::Uplink>,
    reads: reading::Reads,
    held: holding::AllHeld,
    calls: calls::Calls,
    shelves: shelves::Shelves,
    requests: OrderedMap<u64, (Purpose, Request)>,
    pool: Pool,
    words: quorum::Words,
    gets: OrderedMap<u64, GetFor>,
    /// Which of their answers are blobs: the stores keep no checksum of those.
    blobs: OrderedMap<u64, Vec<(usize, BlobKey)>>,
    /// Those that lack one wait for the log's end.
    lacking: Vec<storing::Lacking>,
    recoveries: OrderedMap<u64, recovering::RecoverFor>,
    files: portable::Files,
    /// Segments that are damaged, as far as they were read here.
    damaged: OrderedSet<u64>,
    /// Signers that were asked, and for which task: a wallet's answer counts however late.
    asked: OrderedMap<u64, TaskId>,
    broken: Option<Error>,
    is_open: bool,
    is_loading: bool,
    must_load: bool,
    wants_lead: bool,
    is_online: bool,
    is_visible: bool,
    /// Whether whoever appended last left in order.
    ends_closed: bool,
    /// The same of the last record that this tab did not write; or it has closed the log itself since.
    was_left_closed: bool,
    /// The browser's files may be half written, until it was made to begin new ones.
    is_torn: bool,
    /// A step of a cleaning on its way.
    cleaning: Option<cleaning::Cleaning>,
    /// How far the cleaning goes whose steps these are.
    goal: Option<cleaning::Goal>,
    /// A cleaning went before the commit that comes next: another one waits for it.
    commit_is_next: bool,
    evicting: evicting::Evicting,
    log_end: catching_up::LogEnd,
    storage_backoff: Backoff,
    no_storage_before_ms: u64,
    /// The stores could not say what a cleaning asked.
    no_cleaning_before_ms: u64,
    /// While the fold begins anew: what was known before, and what readers still see.
    before_restart: Option<Backup>,
    /// How far the log went of which that was the fold.
    position_before: u64,
    updates: Rc<dyn Updates>,
    piles: RefCell<updates::Piles>,
    /// What was told meanwhile of tasks that it does not have, because somebody was answered with them.
    shown: OrderedMap<TaskId, Rc<Task>>,
}

impl Cache {
    /// A cache that begins by loading its log, for a dapp without updates.
    pub fn new(config: Config) -> Self {
        Cache::with_updates(config, Rc::new(NoUpdates))
    }

    /// Forgets all that it holds: nothing is asked of it any more.
    pub fn clear(&mut self) {
        *self = Cache::new(self.config.clone());
    }

    /// The same for a dapp with these.
    pub fn with_updates(config: Config, updates: Rc<dyn Updates>) -> Self {
        let pool = Pool::new(config.urls, config.limits, config.chain_id);
        let mut cache = Cache {
            pool,
            words: quorum::Words::default(),
            rng: fastrand::Rng::with_seed(config.seed),
            log: Log::with_index(config.index_at_bytes),
            memory: Memory::with_most(config.values_at_hand),
            config,
            now_ms: 0,
            outputs: VecDeque::new(),
            next_id: 0,
            backup: Backup::default(),
            follow: Follow::default(),
            poll: tracking::Poll::default(),
            pace: pace::Pace::default(),
            heads: heads::Heads::default(),
            uplink: None,
            reads: reading::Reads::default(),
            held: holding::AllHeld::default(),
            calls: calls::Calls::default(),
            shelves: shelves::Shelves::default(),
            requests: OrderedMap::new(),
            gets: OrderedMap::new(),
            blobs: OrderedMap::new(),
            lacking: Vec::new(),
            recoveries: OrderedMap::new(),
            files: portable::Files::default(),
            damaged: OrderedSet::new(),
            asked: OrderedMap::new(),
            broken: None,
            is_open: false,
            is_loading: false,
            must_load: true,
            wants_lead: false,
            is_online: true,
            is_visible: true,
            ends_closed: true,
            was_left_closed: true,
            is_torn: false,
            cleaning: None,
            goal: None,
            commit_is_next: false,
            evicting: evicting::Evicting::default(),
            log_end: catching_up::LogEnd::default(),
            storage_backoff: Backoff::default(),
            no_storage_before_ms: 0,
            no_cleaning_before_ms: 0,
            before_restart: None,
            position_before: 0,
            updates,
            piles: RefCell::default(),
            shown: OrderedMap::default(),
        };
        cache.advance();
        cache
    }

    /// Takes an input at this time: milliseconds of a clock that never goes back.
    pub fn handle_input(&mut self, now_ms: u64, input: Input) {
        self.now_ms = self.now_ms.max(now_ms);
        match input {
            Input::Submit(ask, submit) => self.submit(ask, submit),
            Input::Act(ask, id, event) => self.act(ask, id, event),
            Input::Retry(ask, id) => self.retry(ask, id),
            Input::Replace(ask, id, role, payload) => self.replace(ask, id, role, payload),
            Input::Close(ask) => self.close(ask),
            Input::Sync(ask) => self.sync(ask),
            Input::Read(ask, key, source) => {
                self.read(vec![Wanted::new(ask, key, source, None)]);
            }
            Input::ReadMany(keys, source, max_age_ms) => {
                let want = |(ask, key)| Wanted::new(ask, key, source, max_age_ms);
                self.read(keys.into_iter().map(want).collect());
            }
            Input::List(ask, query, cursor, limit) => {
                self.list(ask, query, cursor.as_deref(), limit);
            }
            Input::Count(ask, query) => self.count(ask, query),
            Input::Call(ask, method, params) => {
                self.request(Purpose::Call(ask), Request::Call(method, params));
            }
            Input::CallMany(calls) => self.call_together(calls),
            Input::Export(ask, export, created_ms) => self.export(ask, export, created_ms),
            Input::Import(ask, import, bytes, is_last) => self.import(ask, import, &bytes, is_last),
            Input::Abandon(ask) => self.abandon(ask),
            Input::Loaded {
                from,
                segments,
                more,
            } => self.loaded(from, segments, more),
            Input::LoadFailed(error) => self.load_failed(error),
            Input::Committed(id, last_key) => self.committed(id, last_key),
            Input::CommitFailed(id, failure) => self.commit_failed(id, failure),
            Input::Got(id, found) => self.got(id, found),
            Input::Scanned(id, rows) => self.scanned(id, rows),
            Input::Oldest(id, found) => self.heard_oldest(id, found),
            Input::Evicted(id, result) => self.evicted(id, result),
            Input::Answered(id, answer) => self.answered(id, &answer),
            Input::SignerAnswered(ask, answer) => self.signer_answered(ask, answer),
            Input::Recovered(id, key) => self.recovered(id, key),
            Input::ChainRead(id, result) => self.chain_read(id, result),
            Input::News(last_key, tip) => self.news(last_key, tip),
            Input::Leading(leads) => self.leading(leads),
            Input::Online(is_online) => self.online(is_online),
            Input::Visible(is_visible) => self.visible(is_visible),
            Input::Pushed(push) => self.pushed(push),
            Input::Renewed(is_done) => self.is_torn = !is_done,
            Input::StorageLost(error) => self.break_off(error),
            Input::Wake => {}
        }
        self.advance();
    }

    /// The next thing to do outside, if any.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to come back with `Input::Wake`, if nothing else happens before.
    pub fn poll_timeout(&self) -> Option<u64> {
        if self.broken.is_some() {
            return None;
        }
        let waits = !self.log.is_idle() || self.must_load;
        let storage = waits.then_some(self.no_storage_before_ms);
        let due = [
            storage,
            Some(self.no_cleaning_before_ms),
            self.next_glance_ms(),
            self.next_uses_ms(),
            self.pool.next_due_ms(self.now_ms),
            self.next_send_ms(),
            self.next_sign_ms(),
            self.next_poll_ms(),
            self.next_heads_ms(),
            self.next_receipts_ms(),
            self.next_look_for_sent_ms(),
            self.next_rival_ms(),
        ];
        due.into_iter()
            .flatten()
            .filter(|due| *due > self.now_ms)
            .min()
    }

    /// The task of this name, while the backup has it.
    pub fn task(&self, id: TaskId) -> Option<&Task> {
        self.known_backup().task(id)
    }

    /// A transaction of the backup: its task, and its bytes with where they are if not at hand. None of what only a wallet has.
    pub fn transaction(&self, tx: &Hash) -> Option<(&Task, &Bytes, Place)> {
        let task = self.known_backup().by_tx(tx)?;
        let (_, payload, _) = task.transactions().find(|(own, ..)| own == tx)?;
        Some((task, payload?, sending::place_of_payload(task, *tx)))
    }

    /// All tasks of the backup, by name.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.known_backup().tasks()
    }

    /// What the backup holds.
    pub fn backup(&self) -> &Backup {
        self.known_backup()
    }

    /// Whether the fold begins anew: until it is through, readers see what was known before; and until it is told how those
    /// tasks ended that left meanwhile.
    pub fn is_restarting(&self) -> bool {
        let is_refresh = |purpose: &GetFor| matches!(purpose, GetFor::Refresh(..));
        self.before_restart.is_some() || self.gets.values().any(is_refresh)
    }

    /// What the log holds.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Segments of the log that are damaged, as far as they were read here.
    pub fn damaged(&self) -> impl Iterator<Item = u64> {
        let there = self.log.segments();
        let damaged = self.damaged.iter().copied();
        damaged.filter(|key| there.contains_key(key))
    }

    /// What is known of the chain's end.
    pub fn tip(&self) -> Option<Tip> {
        self.poll.tip(&self.follow, self.agreed_height())
    }

    /// Whether this tab sends.
    pub fn is_leading(&self) -> bool {
        self.uplink.is_some()
    }

    /// How many sends of the task this leader began.
    pub fn attempts(&self, id: TaskId) -> u32 {
        self.uplink.as_ref().map_or(0, |uplink| uplink.attempts(id))
    }

    /// Requests to the gateway that are under way.
    pub fn requests_in_flight(&self) -> usize {
        self.requests.len()
    }

    /// How each gateway url fares, in the order of the configuration.
    pub fn gateways(&self) -> impl Iterator<Item = View> {
        self.pool.views(self.now_ms)
    }

    fn alive(&self) -> Result<(), Error> {
        self.broken.clone().map_or(Ok(()), Err)
    }

    fn close(&mut self, ask: Option<Ask>) {
        // Who leads next must not take an end for an orderly one while the files are not renewed. Only who leads knows.
        let is_orderly = self.is_leading() && self.broken.is_none() && !self.is_torn;
        if is_orderly && !(self.ends_closed && self.log.is_idle()) {
            self.log.append(Record::Closed, ask);
        } else if let Some(ask) = ask {
            self.done(ask, Ok(Done::Closed));
        }
    }

    fn news(&mut self, last_key: u64, tip: Option<Tip>) {
        self.must_load |= last_key > self.log.position();
        if let Some(tip) = tip.filter(|_| self.uplink.is_none()) {
            self.poll.hear(tip);
            self.notice(Notice::Head(tip));
        }
    }

    fn leading(&mut self, leads: bool) {
        self.wants_lead = leads;
        if leads {
            // What the last leader wrote must be known before anything is sent.
            self.must_load = true;
        } else if self.uplink.is_some() {
            self.step_down();
            self.notice(Notice::Leading(false));
        }
    }

    /// This tab sends and follows no more.
    fn step_down(&mut self) {
        self.leave_desks();
        self.uplink = None;
        self.drop_verdicts();
        self.drop_sends();
    }

    fn online(&mut self, is_online: bool) {
        self.is_online = is_online;
        if is_online {
            self.pool.wake();
            self.wake_sending();
            self.wake_heads();
            self.wake_polling();
        }
    }

    fn visible(&mut self, is_visible: bool) {
        let was_visible = std::mem::replace(&mut self.is_visible, is_visible);
        if is_visible && !was_visible {
            self.must_load = true;
            self.look_now();
        }
    }

    /// Does all that can be done without another input.
    fn advance(&mut self) {
        if self.broken.is_some() {
            return;
        }
        self.fold_all();
        self.must_load |= self.is_glance_due();
        let may_load = !self.is_loading && self.now_ms >= self.no_storage_before_ms;
        if (self.must_load || self.log.has_gap()) && may_load {
            self.is_loading = true;
            self.must_load = false;
            self.log_end.begin_look();
            self.evicting.begin_look();
            self.outputs.push_back(Output::Load(self.log.position()));
        }
        let is_behind = self.is_loading || self.must_load || self.log.has_gap();
        if !is_behind && self.broken.is_none() {
            self.caught_up();
            self.pump_exports();
            self.pump_lacking();
        }
        self.pump_signing();
        self.pump_sending();
        self.pump_heads();
        self.pump_calls();
        self.pump_tracking();
        // What is refused leaves its place to others. Whoever is refused waits, so that this comes to an end.
        while self.pump_gateway() {
            self.pump_calls();
            self.pump_sending();
            self.pump_tracking();
        }
        self.pump_evicting();
        // Last, so that what was just appended goes with it.
        let has_room = !self.evicting.needs_room();
        self.pump_urgent_cleaning();
        let is_free = has_room && !self.waits_for_cleaning();
        if self.is_open && is_free && self.now_ms >= self.no_storage_before_ms {
            let commit = self.log.next_commit();
            self.commit_is_next &= commit.is_none();
            self.outputs.extend(commit.map(Output::Commit));
        }
        self.pump_cleaning();
    }

    fn done(&mut self, ask: Ask, result: Result<Done, Error>) {
        self.outputs.push_back(Output::Done(ask, result));
    }

    fn notice(&mut self, notice: Notice) {
        self.outputs.push_back(Output::Notice(notice));
    }

    fn draw_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn append(&mut self, id: TaskId, event: Event) {
        self.log.append(Record::Event(id, event), None);
    }
}

/// What a caller is told when the gateway gives no reply.
fn gateway_error(refusal: &Refusal) -> Error {
    use crate::gateway::Verdict;
    let code = match refusal.verdict {
        Verdict::Unknown | Verdict::Later => ErrorCode::GatewayUnreachable,
        Verdict::NonceUsed
        | Verdict::Blocked(_)
        | Verdict::Never
        | Verdict::Error
        | Verdict::Unsupported => ErrorCode::GatewayError,
    };
    Error::new(code, refusal.cause.clone())
}

fn shortened(mut cause: String) -> String {
    let end = (0..=MAX_CAUSE_BYTES.min(cause.len()))
        .rev()
        .find(|end| cause.is_char_boundary(*end));
    cause.truncate(end.unwrap_or(0));
    cause
}

fn invalid(message: String) -> Error {
    Error::new(ErrorCode::InvalidInput, message)
}

/// The bytes of a value that is at hand.
fn inline_value(submission: &Submission) -> Option<Rc<[u8]>> {
    match &submission.value {
        Value::Given(Bytes::Inline(value)) => Some(value.clone()),
        Value::Given(Bytes::Blob { .. }) => None,
        Value::Calldata(range) => match &submission.signed()?.payload {
            Bytes::Inline(payload) => payload
                .get(range.start as usize..range.end as usize)
                .map(Into::into),
            Bytes::Blob { .. } => None,
        },
    }
}
