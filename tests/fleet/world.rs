//! The clients, each a whole core with its log and its user, and the time that passes for all of them at once.

use crate::disk::{Disk, Fate, Pending, TabRef};
use crate::payload::{self, CHAIN_ID, Shape};
use crate::post::Post;
use crate::server::{self, Refuses, Sent, Server};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use uplink_cache::cache::{Brings, Cache, Config, Freshness, Input, Notice, Output, Submit};
use uplink_cache::gateway::Answer;
use uplink_cache::gateway::endpoint::Limits;
use uplink_cache::gateway::evm::Finality;
use uplink_cache::memory::MAX_VALUES;
use uplink_cache::task::{Status, TaskId};

/// What goes before the outage, in milliseconds.
pub(crate) const CALM_MS: u64 = 300_000;
/// When the gateway is back, in milliseconds.
pub(crate) const BACK_MS: u64 = CALM_MS + 600_000;
/// What is looked at after all have settled, in milliseconds.
const AFTER_MS: u64 = 180_000;
/// When it is given up that all settle, in milliseconds.
const END_MS: u64 = BACK_MS + 3_600_000;
/// How often a user writes, in milliseconds, on the average.
pub(crate) const WRITES_EVERY_MS: u64 = 3_600_000;
/// What the gateway can do for each client: so many requests in 100 seconds.
const PER_CLIENT: u64 = 10;
/// How long a driver waits for an answer, in milliseconds.
const TIMEOUT_MS: u64 = 15_000;
/// A way over the net takes so long, in milliseconds.
const NET_MS: std::ops::Range<u64> = 15..60;

/// Whose jitter is whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seeds {
    Own,
    /// All draw the same: as good as no jitter.
    Same,
}

/// What is to be lived through.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) clients: usize,
    pub(crate) seeds: Seeds,
    /// How the gateway turns away while it is out.
    pub(crate) outage: Refuses,
    /// How it turns away whom it has no room for.
    pub(crate) overload: Refuses,
}

impl Plan {
    /// Requests that the gateway serves in a second.
    pub(crate) fn capacity(&self) -> u64 {
        (self.clients as u64 * PER_CLIENT).div_ceil(100)
    }
}

/// What came to pass in one second.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Second {
    /// Requests that arrived.
    pub(crate) offered: u64,
    /// Those of them that were served.
    pub(crate) served: u64,
    pub(crate) written: u64,
    pub(crate) settled: u64,
    /// Those of the settled that were written before the gateway was back.
    pub(crate) waited: u64,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) seconds: Vec<Second>,
    /// Tasks that were not settled when the gateway was back.
    pub(crate) waiting: u64,
    /// When the last of them had settled, after that, in milliseconds.
    pub(crate) settled_ms: Option<u64>,
}

struct Client {
    cache: Cache,
    disk: Disk,
    sent: Vec<Sent>,
    /// When each of them was written.
    written_ms: Vec<u64>,
    /// The earliest wake that is under way.
    wake_ms: Option<u64>,
}

enum Event {
    /// The user writes; and will again, where this says so.
    Write(bool),
    Wake,
    Arrive(Box<Message>),
    Answer(u64, Box<Answer>),
}

struct Message {
    id: u64,
    body: String,
    sent_ms: u64,
}

struct Due {
    at_ms: u64,
    place: u64,
    client: u32,
    event: Event,
}

impl PartialEq for Due {
    fn eq(&self, other: &Due) -> bool {
        self.place == other.place
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Due) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Due) -> std::cmp::Ordering {
        (self.at_ms, self.place).cmp(&(other.at_ms, other.place))
    }
}

/// See the module's documentation.
struct World {
    plan: Plan,
    rng: fastrand::Rng,
    now_ms: u64,
    events: BinaryHeap<Reverse<Due>>,
    next_place: u64,
    server: Server,
    clients: Vec<Client>,
    outcome: Outcome,
    /// Of those that waited when the gateway was back, how many still do.
    left: u64,
}

/// Lives through a plan: the same one always in the same way.
pub(crate) fn live(plan: Plan) -> Outcome {
    let mut world = World::new(plan);
    let mut is_back = false;
    while let Some(Reverse(due)) = world.events.pop() {
        if !is_back && due.at_ms >= BACK_MS {
            is_back = true;
            let seconds = &world.outcome.seconds;
            let written: u64 = seconds.iter().map(|each| each.written).sum();
            let settled: u64 = seconds.iter().map(|each| each.settled).sum();
            world.outcome.waiting = written - settled;
            world.left = written - settled;
        }
        let settled_ms = world.outcome.settled_ms;
        let end_ms = settled_ms.map_or(END_MS, |settled_ms| BACK_MS + settled_ms + AFTER_MS);
        if due.at_ms >= end_ms {
            break;
        }
        world.now_ms = due.at_ms;
        world.happen(due.client as usize, due.event);
    }
    world.outcome
}

impl World {
    fn new(plan: Plan) -> Self {
        let mut world = World {
            plan,
            rng: fastrand::Rng::with_seed(5),
            now_ms: 0,
            events: BinaryHeap::new(),
            next_place: 0,
            server: Server::new(plan.capacity()),
            clients: Vec::new(),
            outcome: Outcome {
                seconds: Vec::new(),
                waiting: 0,
                settled_ms: None,
            },
            left: 0,
        };
        for index in 0..plan.clients {
            let seed = match plan.seeds {
                Seeds::Own => index as u64,
                Seeds::Same => 7,
            };
            world.clients.push(Client {
                cache: Cache::new(config(seed)),
                disk: Disk::default(),
                sent: Vec::new(),
                written_ms: Vec::new(),
                wake_ms: None,
            });
            world.input(index, Input::Leading(true));
            let first_ms = world.until_next_write_ms();
            world.at(first_ms, index, Event::Write(true));
            // And everybody at once just when the gateway goes out.
            let crowd_ms = CALM_MS + world.rng.u64(0..1_000);
            world.at(crowd_ms, index, Event::Write(false));
        }
        world
    }

    /// Users know nothing of each other.
    fn until_next_write_ms(&mut self) -> u64 {
        let share = 1.0 - self.rng.f64();
        (-share.ln() * WRITES_EVERY_MS as f64) as u64
    }

    fn at(&mut self, at_ms: u64, client: usize, event: Event) {
        self.next_place += 1;
        self.events.push(Reverse(Due {
            at_ms,
            place: self.next_place,
            client: client as u32,
            event,
        }));
    }

    fn second(&mut self) -> &mut Second {
        let index = (self.now_ms / 1_000) as usize;
        let seconds = &mut self.outcome.seconds;
        if seconds.len() <= index {
            seconds.resize(index + 1, Second::default());
        }
        &mut seconds[index]
    }

    fn happen(&mut self, client: usize, event: Event) {
        match event {
            Event::Write(goes_on) => {
                self.write(client);
                if goes_on {
                    let next_ms = self.now_ms + self.until_next_write_ms();
                    self.at(next_ms, client, Event::Write(true));
                }
            }
            Event::Wake => {
                let is_it = self.clients[client].wake_ms == Some(self.now_ms);
                if is_it {
                    self.clients[client].wake_ms = None;
                    self.input(client, Input::Wake);
                }
            }
            Event::Arrive(message) => self.arrive(client, *message),
            Event::Answer(id, answer) => self.input(client, Input::Answered(id, *answer)),
        }
    }

    fn write(&mut self, client: usize) {
        let nonce = self.clients[client].sent.len();
        let payload = payload::encode(&Shape {
            account: 0,
            nonce: nonce as u64,
            is_legacy: false,
            fee: 0,
            data: &(client as u64).to_be_bytes(),
        });
        self.clients[client].sent.push(Sent {
            hash: payload::id(&payload),
            block: None,
        });
        self.clients[client].written_ms.push(self.now_ms);
        self.second().written += 1;
        let submit = Submit {
            id: TaskId(nonce as u128 + 1),
            brings: Brings::Payload(payload),
            key: Some(format!("entry/{nonce}")),
            value: Some(vec![7; 32]),
            idempotency_key: None,
            lane: None,
            tags: Vec::new(),
            update: None,
            after: None,
            created_ms: self.now_ms,
        };
        self.input(client, Input::Submit(0, submit));
    }

    /// Gives a client an input and does what it asks for. The disk answers at once.
    fn input(&mut self, client: usize, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.clients[client].cache.handle_input(self.now_ms, input);
            while let Some(output) = self.clients[client].cache.poll_output() {
                inputs.extend(self.carry_out(client, output));
            }
        }
        let it = &mut self.clients[client];
        // Who waits for nothing only looks at a log now and then that nobody else writes.
        let is_idle = it.cache.backup().unsettled() == 0 && it.cache.requests_in_flight() == 0;
        let wake_ms = it.cache.poll_timeout().filter(|_| !is_idle);
        let is_new = std::mem::replace(&mut it.wake_ms, wake_ms) != wake_ms;
        if let Some(wake_ms) = wake_ms.filter(|_| is_new) {
            self.at(wake_ms, client, Event::Wake);
        }
    }

    fn carry_out(&mut self, client: usize, output: Output) -> Option<Input> {
        match output {
            Output::Load(from) => {
                let (segments, more) = self.clients[client].disk.load(from, 1_000_000);
                Some(Input::Loaded {
                    from,
                    segments,
                    more,
                })
            }
            Output::Commit(commit) => {
                let id = commit.id;
                let pending = Pending {
                    from: TabRef { tab: 0, life: 0 },
                    commit,
                    fate: Fate::Stored,
                    is_told: false,
                };
                let stored = self.clients[client].disk.apply(&pending);
                Some(Input::Committed(id, stored.expect("there is room")))
            }
            Output::Oldest(id, limit) => {
                let oldest = self.clients[client].disk.oldest(limit);
                Some(Input::Oldest(id, Ok(oldest)))
            }
            Output::Get(id, places) => {
                let found = self.clients[client].disk.get(&places);
                Some(Input::Got(id, Ok(found)))
            }
            Output::Request { id, body, .. } => {
                let sent_ms = self.now_ms;
                let at_ms = sent_ms + self.rng.u64(NET_MS);
                let message = Message { id, body, sent_ms };
                self.at(at_ms, client, Event::Arrive(Box::new(message)));
                None
            }
            Output::Notice(Notice::Status(task, from)) => {
                self.noticed(client, task.submission.id, task.state.status(), from);
                None
            }
            Output::Done(_, result) => {
                result.expect("no call is refused");
                None
            }
            Output::Notice(_) | Output::Announce(..) | Output::Renew => None,
            Output::Scan(..)
            | Output::Evict(..)
            | Output::Touch(_)
            | Output::ReadChain(..)
            | Output::StopReading(_)
            | Output::Recover(..)
            | Output::Sign(..)
            | Output::StopSigning(_)
            | Output::Abort(_)
            | Output::Subscribe(_)
            | Output::Unsubscribe => panic!("nobody reads, signs or subscribes here"),
        }
    }

    fn noticed(&mut self, client: usize, id: TaskId, status: Status, from: Option<Status>) {
        match status {
            Status::BackedUp | Status::Sent | Status::Included => {}
            Status::Blocked | Status::Failed => panic!("a task is {status:?}, and was {from:?}"),
            Status::Final if from == Some(Status::Final) => {}
            Status::Final => {
                let written_ms = self.clients[client].written_ms[id.0 as usize - 1];
                let has_waited = written_ms < BACK_MS && self.now_ms >= BACK_MS;
                let second = self.second();
                second.settled += 1;
                second.waited += u64::from(has_waited);
                if has_waited {
                    self.left -= 1;
                    if self.left == 0 {
                        self.outcome.settled_ms = Some(self.now_ms - BACK_MS);
                    }
                }
            }
        }
    }

    fn arrive(&mut self, client: usize, message: Message) {
        let Message { id, body, sent_ms } = message;
        let post = Post::parse(&body).expect("a request is JSON-RPC");
        let calls = post.calls.len();
        self.second().offered += calls as u64;
        let is_out = (CALM_MS..BACK_MS).contains(&self.now_ms);
        let refuses = if is_out {
            self.plan.outage
        } else {
            match self.server.take(self.now_ms, calls) {
                Some(done_ms) => {
                    self.second().served += calls as u64;
                    let answer = server::answer(done_ms, &mut self.clients[client].sent, &post);
                    let at_ms = done_ms + self.rng.u64(NET_MS);
                    return self.at(at_ms, client, Event::Answer(id, Box::new(answer)));
                }
                None => self.plan.overload,
            }
        };
        let soon_ms = self.now_ms + self.rng.u64(NET_MS);
        let (at_ms, answer) = match refuses {
            Refuses::Connection => (soon_ms, Answer::Lost("TypeError: Failed to fetch".into())),
            Refuses::Silently => {
                let answer = Answer::Lost(format!("no answer within {TIMEOUT_MS} ms"));
                (sent_ms + TIMEOUT_MS, answer)
            }
            Refuses::Unavailable => (
                soon_ms,
                server::http(503, "Service Unavailable".into(), None),
            ),
            Refuses::Limited => (soon_ms, server::http(429, "slow down".into(), None)),
            Refuses::RetryAfter => {
                let seconds = (BACK_MS.saturating_sub(self.now_ms)).div_ceil(1_000).max(1);
                let hint_ms = Some(seconds * 1_000);
                (soon_ms, server::http(429, "slow down".into(), hint_ms))
            }
        };
        self.at(at_ms, client, Event::Answer(id, Box::new(answer)));
    }
}

/// What `openCache` gives to a core whose dapp says nothing.
fn config(seed: u64) -> Config {
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
        clean_at_bytes: 256 * 1024,
        index_at_bytes: None,
        values_budget_bytes: 64 * 1024 * 1024,
        values_at_hand: MAX_VALUES,
        signers: uplink_cache::ordered::OrderedMap::new(),
        seed,
    }
}
