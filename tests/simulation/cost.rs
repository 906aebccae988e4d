//! What following costs: the core alone, a chain, and 1, 100 or 10,000 tasks that wait. Requests are counted for each
//! block, and have one bound whatever their number.

use crate::chain::{Chain, Quality};
use crate::disk::{Disk, Fate, Pending, TabRef};
use crate::gateway::{self, BlockReceipts, Mood, Post};
use crate::payload::{CHAIN_ID, Shape};
use std::collections::BTreeMap;
use std::io::Write;
use uplink_cache::cache::{Brings, Cache, Config, Input, Output, Submit};
use uplink_cache::gateway::Answer;
use uplink_cache::gateway::endpoint::Limits;
use uplink_cache::gateway::evm::Finality;
use uplink_cache::task::{Status, TaskId};

const BLOCK_MS: u64 = 12_000;
const NET_MS: u64 = 50;
/// How many of the tasks each block takes while they are mined.
const MINED: usize = 60;

/// Requests of one block's time, by method.
type Count = BTreeMap<String, usize>;

struct World {
    cache: Cache,
    disk: Disk,
    chain: Chain,
    mood: Mood,
    now_ms: u64,
    events: BTreeMap<(u64, u64), Input>,
    next_event: u64,
    count: Count,
    rng: fastrand::Rng,
}

impl World {
    fn new(mood: Mood) -> Self {
        World {
            cache: open(),
            disk: Disk::default(),
            chain: Chain::new(1, 1, 8),
            mood,
            now_ms: 1,
            events: BTreeMap::new(),
            next_event: 0,
            count: Count::new(),
            rng: fastrand::Rng::with_seed(1),
        }
    }

    fn after(&mut self, delay_ms: u64, input: Input) {
        self.next_event += 1;
        self.events
            .insert((self.now_ms + delay_ms, self.next_event), input);
    }

    fn take(&mut self, input: Input) {
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
                Output::Commit(commit) => {
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
                    let found = self.disk.get(&places);
                    self.after(1, Input::Got(id, Ok(found)));
                }
                Output::Request { id, body, .. } => self.answer(id, &body),
                Output::Scan(..)
                | Output::ReadChain(..)
                | Output::Recover(..)
                | Output::Sign(..)
                | Output::StopSigning(_) => {
                    panic!("nobody reads or signs here, and nothing is replaced")
                }
                Output::Subscribe(_)
                | Output::Unsubscribe
                | Output::Done(..)
                | Output::Notice(_)
                | Output::Renew
                | Output::Abort(_)
                | Output::Announce(..) => {}
            }
        }
    }

    fn answer(&mut self, id: u64, body: &str) {
        let post = Post::parse(body).unwrap();
        *self.count.entry(post.method().into()).or_default() += 1;
        let handled = gateway::handle(&mut self.chain, self.mood, &post);
        let body = match handled {
            Ok(replies) if post.is_batch => format!("[{}]", replies.join(",")),
            Ok(replies) => replies.concat(),
            Err(refusal) => refusal.into(),
        };
        let answer = Answer::Http {
            status: 200,
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

    /// Submits tasks and waits until the gateway has them all, in the time of one block.
    fn send(&mut self, tasks: usize) {
        self.take(Input::Leading(true));
        for nonce in 0..tasks as u64 {
            let key = format!("key {nonce}");
            let shape = Shape {
                account: 0,
                nonce,
                is_legacy: false,
                fee: 0,
                data: &nonce.to_be_bytes(),
            };
            let tx = self.chain.make(&shape, Quality::Good, &key, b"");
            let submit = Submit {
                id: TaskId(u128::from(nonce) + 1),
                brings: Brings::Payload(self.chain.txs[tx].payload.to_vec()),
                key: Some(key),
                value: Some(vec![7]),
                idempotency_key: None,
                lane: None,
                created_ms: 0,
            };
            self.take(Input::Submit(nonce, submit));
        }
        for _ in 0..1_000 {
            if self.cache.backup().count(Status::Sent) == tasks {
                return;
            }
            self.run_until(self.now_ms + BLOCK_MS);
        }
        panic!("not all were sent");
    }

    /// So many blocks with so many of the tasks in each: what each of them cost.
    fn mine(&mut self, blocks: usize, tasks: usize) -> Vec<Count> {
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

fn open() -> Cache {
    Cache::new(Config {
        chain_id: CHAIN_ID,
        finality: Finality::Finalized,
        urls: 1,
        quorum: 1,
        limits: Limits::default(),
        poll_ms: 250,
        sockets: 0,
        lane: String::new(),
        has_reader: false,
        clean_at_bytes: u64::MAX,
        signers: BTreeMap::new(),
        seed: 7,
    })
}

/// The dearest block: requests in all, and those that are not about the head.
fn dearest(counts: &[Count]) -> (usize, usize) {
    // The url's own checks are not about tasks either.
    let not_tasks = ["eth_getBlockByNumber", "eth_chainId", "eth_syncing"];
    let is_head = |method: &str| not_tasks.contains(&method);
    let all = counts.iter().map(|count| count.values().sum());
    let others = counts.iter().map(|count| {
        let others = count.iter().filter(|(method, _)| !is_head(method));
        others.map(|(_, count)| count).sum()
    });
    (all.max().unwrap(), others.max().unwrap())
}

/// What four times cost a block at the most: while nothing of ours is mined, after another tab began to lead, and while
/// 60 of ours are mined in each block, and both at once.
fn measure(mood: Mood, tasks: usize) -> [(usize, usize); 4] {
    let mut world = World::new(mood);
    world.send(tasks);
    // Once the interval is known.
    world.mine(12, 0);
    let waiting = world.mine(60, 0);
    assert_eq!(
        world.cache.backup().count(Status::Sent),
        tasks,
        "they all wait"
    );
    world.events.clear();
    world.cache = open();
    world.take(Input::Leading(true));
    let taken_over = world.mine(30, 0);
    let mined = world.mine(20, MINED);
    let in_blocks =
        world.cache.backup().count(Status::Included) + world.cache.backup().count(Status::Final);
    assert!(in_blocks >= tasks.min(MINED), "{in_blocks} were followed");
    world.events.clear();
    world.cache = open();
    world.take(Input::Leading(true));
    let amid = world.mine(10, MINED);
    [waiting, taken_over, mined, amid].map(|counts| dearest(&counts))
}

#[test]
fn ten_thousand_tasks_cost_no_more_requests_a_block_than_a_bound() {
    let gateways = [
        ("receipts of blocks, batches", BlockReceipts::ByBoth, 100),
        ("batches alone", BlockReceipts::No, 100),
        ("batches of 7", BlockReceipts::No, 7),
        ("neither", BlockReceipts::No, 1),
    ];
    let mut out = std::io::stderr();
    let mut line = |text: String| writeln!(out, "{text}").unwrap();
    line("requests a block at the most (those that are not about the head)".into());
    line(format!(
        "{:<30}{:>8}{:>14}{:>14}{:>14}{:>14}",
        "", "tasks", "waiting", "new leader", "60 mined", "both"
    ));
    for (name, block_receipts, batch_limit) in gateways {
        // A block's receipts (once 2 more, to learn that there are none), 4 batches of 50 receipts and one of looks; or so
        // many smaller ones.
        let most = if batch_limit > 50 { 8 } else { 32 + 8 + 3 };
        for tasks in [1, 100, 10_000] {
            let mood = Mood {
                block_receipts,
                batch_limit,
                ..Mood::default()
            };
            let costs = measure(mood, tasks);
            let [waiting, leader, mined, both] =
                costs.map(|(all, others)| format!("{all} ({others})"));
            line(format!(
                "{name:<30}{tasks:>8}{waiting:>14}{leader:>14}{mined:>14}{both:>14}"
            ));
            for (all, others) in costs {
                assert!(others <= most, "{name}, {tasks} tasks: {others} of {most}");
                // Looks, each at the final block and at the head, more of them before the interval is known; and blocks
                // to verify.
                assert!(all <= others + 42 + 32, "{name}, {tasks} tasks: {all}");
            }
        }
    }
}
