//! One tab alone with a disk and a chain, and no faults but those that a test makes: the time of blocks goes by at once.

use crate::chain::{Chain, Quality};
use crate::disk::{Disk, Fate, Pending, TabRef};
use crate::gateway::{self, Mood, Post};
use crate::mutants::Mutant;
use crate::payload::{CHAIN_ID, Shape};
use std::collections::BTreeMap;
use uplink_cache::cache::{
    Brings, Cache, Config, Done, Freshness, Input, Notice, Output, Reorg, Submit,
};
use uplink_cache::error::{Error, ErrorCode};
use uplink_cache::gateway::Answer;
use uplink_cache::gateway::endpoint::Limits;
use uplink_cache::gateway::evm::Finality;
use uplink_cache::log::Ask;
use uplink_cache::memory::MAX_VALUES;
use uplink_cache::ordered::OrderedMap;
use uplink_cache::task::{After, Status, Tag, TaskId};

const BLOCK_MS: u64 = 12_000;
const NET_MS: u64 = 50;

/// Requests of one block's time, by method.
pub(crate) type Count = BTreeMap<String, usize>;

/// See the module's documentation.
pub(crate) struct Alone {
    pub(crate) cache: Cache,
    pub(crate) disk: Disk,
    pub(crate) chain: Chain,
    pub(crate) mood: Mood,
    pub(crate) now_ms: u64,
    events: BTreeMap<(u64, u64), Input>,
    next_event: u64,
    count: Count,
    /// A planted bug: the records that blocks left the chain are lost.
    pub(crate) loses_reorgs: bool,
    /// Reorgs that were told.
    pub(crate) reorgs: Vec<Reorg>,
    /// The answers to the app.
    pub(crate) done: Vec<(Ask, Result<Done, Error>)>,
    /// Sends are not answered, but kept here.
    pub(crate) holds_sends: bool,
    pub(crate) held: Vec<u64>,
    pub(crate) rng: fastrand::Rng,
    /// What a gateway makes of a reply: by url and post, and the body that it would give.
    pub(crate) tamper: Option<Tamper>,
    /// An answer in front of the gateway, which does not hear of the post then.
    pub(crate) before: Option<Before>,
    pub(crate) posts: Vec<(u64, usize, Post)>,
    pub(crate) signs: usize,
    /// The stores beside the log cannot be read.
    pub(crate) hides_stores: bool,
    /// What was told of the storage.
    pub(crate) troubles: Vec<Error>,
    /// How often these were asked, and how often the browser was made to begin new files.
    pub(crate) gets: usize,
    pub(crate) renewals: usize,
    pub(crate) config: Config,
}

/// Status and body instead; nothing: no answer comes.
pub(crate) type Tamper = Box<dyn FnMut(usize, &Post, String) -> Option<(u16, String)>>;

/// Status and body of what stands before the gateway.
pub(crate) type Before = Box<dyn FnMut(usize, &Post) -> Option<(u16, String)>>;

impl Alone {
    pub(crate) fn new(mood: Mood) -> Self {
        Alone::with(mood, |_| {})
    }

    pub(crate) fn with(mood: Mood, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config();
        change(&mut config);
        Alone {
            tamper: None,
            before: None,
            posts: Vec::new(),
            signs: 0,
            hides_stores: false,
            troubles: Vec::new(),
            gets: 0,
            renewals: 0,
            cache: Cache::new(config.clone()),
            config,
            disk: Disk::default(),
            chain: Chain::new(1, 1, 8),
            mood,
            now_ms: 1,
            events: BTreeMap::new(),
            next_event: 0,
            count: Count::new(),
            loses_reorgs: false,
            reorgs: Vec::new(),
            done: Vec::new(),
            holds_sends: false,
            held: Vec::new(),
            rng: fastrand::Rng::with_seed(1),
        }
    }

    /// So much time goes by.
    pub(crate) fn wait(&mut self, ms: u64) {
        self.run_until(self.now_ms + ms);
    }

    fn after(&mut self, delay_ms: u64, input: Input) {
        self.next_event += 1;
        self.events
            .insert((self.now_ms + delay_ms, self.next_event), input);
    }

    pub(crate) fn take(&mut self, input: Input) {
        self.cache.handle_input(self.now_ms, input);
        while let Some(output) = self.cache.poll_output() {
            match output {
                Output::Load(from) => {
                    let (segments, more) = self.disk.load(from, 1_000_000);
                    self.after(
                        1,
                        Input::Loaded {
                            from,
                            segments,
                            more,
                        },
                    );
                }
                Output::Commit(mut commit) => {
                    if self.loses_reorgs {
                        Mutant::ReorgedLost.strip(&mut commit);
                    }
                    let id = commit.id;
                    let from = TabRef { tab: 0, life: 0 };
                    let pending = Pending {
                        from,
                        commit,
                        fate: Fate::Stored,
                        is_told: false,
                    };
                    let input = match self.disk.apply(&pending) {
                        Ok(last) => Input::Committed(id, last),
                        Err(failure) => Input::CommitFailed(id, failure),
                    };
                    self.after(1, input);
                }
                Output::Get(id, places) => {
                    self.gets += 1;
                    let found = match self.hides_stores {
                        true => Err(Error::new(ErrorCode::StorageFailed, "it cannot be read")),
                        false => Ok(self.disk.get(&places)),
                    };
                    self.after(1, Input::Got(id, found));
                }
                Output::Request { id, body, url } => self.answer(id, url, &body),
                Output::Recover(id, signing) => {
                    let key = crate::payload::public_key(&signing);
                    self.after(1, Input::Recovered(id, key));
                }
                Output::Sign(..) => self.signs += 1,
                Output::StopSigning(_) => {}
                Output::Oldest(id, limit) => {
                    let oldest = self.disk.oldest(limit);
                    self.after(1, Input::Oldest(id, Ok(oldest)));
                }
                Output::Scan(id, scan) => {
                    let rows = self.disk.scan(&scan);
                    self.after(1, Input::Scanned(id, Ok(rows)));
                }
                Output::Evict(..)
                | Output::Touch(_)
                | Output::ReadChain(..)
                | Output::StopReading(_) => {
                    panic!("nobody reads the chain or signs here, and nothing is replaced")
                }
                Output::Notice(Notice::Unreadable(error)) => self.troubles.push(error),
                Output::Renew => self.renewals += 1,
                Output::Notice(Notice::Reorg(reorg)) => self.reorgs.push(reorg),
                Output::Done(ask, result) => self.done.push((ask, result)),
                Output::Notice(_)
                | Output::Subscribe(_)
                | Output::Unsubscribe
                | Output::Abort(_)
                | Output::Announce(..) => {}
            }
        }
    }

    fn answer(&mut self, id: u64, url: usize, body: &str) {
        let post = Post::parse(body).unwrap();
        self.posts.push((self.now_ms, url, post.clone()));
        *self.count.entry(post.method().into()).or_default() += 1;
        if self.holds_sends && post.method() == "eth_sendRawTransaction" {
            self.held.push(id);
            return;
        }
        if let Some((status, body)) = self.before.as_mut().and_then(|before| before(url, &post)) {
            let answer = Answer::Http {
                status,
                body,
                retry_after_ms: None,
            };
            return self.after(NET_MS, Input::Answered(id, answer));
        }
        let handled = gateway::handle(&mut self.chain, self.mood, &post);
        let body = match handled {
            Ok(replies) if post.is_batch => format!("[{}]", replies.join(",")),
            Ok(replies) => replies.concat(),
            Err(refusal) => refusal.into(),
        };
        let tampered = match &mut self.tamper {
            Some(tamper) => tamper(url, &post, body),
            None => Some((200, body)),
        };
        let Some((status, body)) = tampered else {
            return;
        };
        let answer = Answer::Http {
            status,
            body,
            retry_after_ms: None,
        };
        self.after(NET_MS, Input::Answered(id, answer));
    }

    fn run_until(&mut self, end_ms: u64) {
        loop {
            let event_ms = self.events.first_key_value().map(|((at_ms, _), _)| *at_ms);
            let wake_ms = self.cache.poll_timeout();
            let next_ms = event_ms.into_iter().chain(wake_ms).min();
            let Some(next_ms) = next_ms.filter(|next_ms| *next_ms < end_ms) else {
                self.now_ms = end_ms;
                return;
            };
            self.now_ms = next_ms.max(self.now_ms);
            let input = if event_ms == Some(next_ms) {
                self.events.pop_first().unwrap().1
            } else {
                Input::Wake
            };
            self.take(input);
        }
    }

    /// The tab's process ends, and another begins and leads.
    pub(crate) fn restart(&mut self) {
        self.reopen();
        self.take(Input::Leading(true));
    }

    /// The tab's process ends, and another begins.
    pub(crate) fn reopen(&mut self) {
        self.events.clear();
        self.cache = Cache::new(self.config.clone());
    }

    /// Submits tasks and waits until the gateway has them all, in the time of one block.
    pub(crate) fn send(&mut self, tasks: usize) {
        self.take(Input::Leading(true));
        for nonce in 0..tasks as u64 {
            self.send_one(nonce);
        }
        for _ in 0..1_000 {
            if self.cache.backup().count(Status::Sent) == tasks {
                return;
            }
            self.run_until(self.now_ms + BLOCK_MS);
        }
        panic!("not all were sent");
    }

    /// Submits a task of this nonce.
    pub(crate) fn send_one(&mut self, nonce: u64) {
        self.send_as(TaskId(u128::from(nonce) + 1), nonce, Quality::Good);
    }

    /// The same under a name, and of a quality.
    pub(crate) fn send_as(&mut self, id: TaskId, nonce: u64, quality: Quality) {
        self.send_after(id, (0, nonce), quality, None);
    }

    /// The same of an account, and after other tasks.
    pub(crate) fn send_after(
        &mut self,
        id: TaskId,
        (account, nonce): (u8, u64),
        quality: Quality,
        after: Option<After>,
    ) {
        let key = format!("key {}", id.0);
        let shape = Shape {
            account,
            nonce,
            is_legacy: false,
            fee: 0,
            data: &id.0.to_be_bytes(),
        };
        let tx = self.chain.make(&shape, quality, &key, b"");
        let submit = Submit {
            id,
            brings: Brings::Payload(self.chain.txs[tx].payload.to_vec()),
            key: Some(key),
            value: Some(vec![7]),
            idempotency_key: None,
            lane: Some(format!("account {account}")),
            tags: vec![tag()],
            update: None,
            after,
            created_ms: 0,
        };
        self.take(Input::Submit(nonce, submit));
    }

    /// The app acts on a task.
    pub(crate) fn retry(&mut self, id: TaskId) {
        self.take(Input::Retry(u64::MAX, id));
    }

    /// So many blocks with so many of the tasks in each: what each of them cost.
    pub(crate) fn mine(&mut self, blocks: usize, tasks: usize) -> Vec<Count> {
        let mut counts = Vec::new();
        for _ in 0..blocks {
            self.chain.mine(tasks, || true, &mut self.rng);
            self.count.clear();
            self.run_until(self.now_ms + BLOCK_MS);
            counts.push(self.count.clone());
        }
        counts
    }
}

/// A submission that says only what it must, of a value so long.
pub(crate) fn plain(id: TaskId, brings: Brings, len: usize) -> Submit {
    Submit {
        id,
        brings,
        key: Some(format!("key {}", id.0)),
        value: Some(vec![7; len]),
        idempotency_key: None,
        lane: None,
        tags: vec![],
        update: None,
        after: None,
        created_ms: 0,
    }
}

/// What all tasks have.
pub(crate) fn tag() -> Tag {
    ("kind".into(), "alone".into())
}

/// A core that has read nothing yet.
fn config() -> Config {
    Config {
        chain_id: CHAIN_ID,
        finality: Finality::Finalized,
        urls: 1,
        quorum: 1,
        limits: Limits::default(),
        poll_ms: 250,
        sockets: 0,
        lane: String::new(),
        hears_others: true,
        has_reader: false,
        freshness: Freshness::default(),
        clean_at_bytes: u64::MAX,
        index_at_bytes: None,
        values_budget_bytes: u64::MAX,
        values_at_hand: MAX_VALUES,
        signers: OrderedMap::new(),
        seed: 7,
    }
}
