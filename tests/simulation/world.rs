//! The world of one seed: everything that can happen, in the order of virtual time.
//!
//! First comes a storm, in which users act and faults happen; then it is quiet, and everything must come to rest.

use crate::chain::{Chain, Orphans};
use crate::climate::{Climate, Kind, pick};
use crate::disk::{Ask, Disk, Fate, Pending, TabRef};
use crate::files::Files;
use crate::gateway::Mood;
use crate::line::{Said, check_quorum};
use crate::lists::Walk;
use crate::model::{End, Fact, Held, Model, Violation, broken};
use crate::mutants::Mutant;
use crate::network::Message;
use crate::outage::Outage;
use crate::power::Unflushed;
use crate::signers::{Question, Signers};
use crate::tabs::Tab;
use crate::users::Users;
use std::collections::{BTreeMap, VecDeque};
use uplink_cache::cache::{Input, Push, Source};
use uplink_cache::error::{Error, ErrorCode};
use uplink_cache::log::{Commit, MAX_SEGMENT_BYTES};
use uplink_cache::record::{self, Record};
use uplink_cache::task::{self, Status, TaskId};

/// How long everything may take to come to rest: the longest wait before a lost transaction is looked for is 10 minutes.
const REST_MS: u64 = 60 * 60 * 1_000;
/// What a commit may carry. A single value is at most as long.
const MAX_COMMIT_BYTES: usize = 4 * 1024 * 1024 + MAX_SEGMENT_BYTES;
/// How often a tab may be woken within a second.
pub(crate) const MAX_WAKES: u32 = 100;
/// How many steps that may take.
const REST_STEPS: u64 = 40_000;

/// What is wrong with a gateway for a time.
#[derive(Default, Clone)]
pub(crate) struct Troubles {
    pub(crate) down_until_ms: u64,
    pub(crate) wrong_until_ms: u64,
    pub(crate) syncing_until_ms: u64,
    pub(crate) limited_until_ms: u64,
}

/// Something that happens at a time.
pub(crate) enum Event {
    Wake(TabRef),
    Input(TabRef, Input),
    /// The commit at the front of the disk's queue completes.
    Commit,
    Read(TabRef, Ask),
    Arrive(Box<Message>),
    ReadChain(TabRef, u64, String, task::Block),
    Grant,
    Thaw(TabRef),
    Resume(TabRef),
    /// The browser puts the tab to sleep.
    Suspend(TabRef),
    Watched(TabRef, String),
    /// Who asked the chain offline, and since when the tab was, has heard by now that it cannot be reached.
    HeardOffline(TabRef, uplink_cache::log::Ask, u64),
    /// Somebody turns the page of a list.
    Page(TabRef, Box<Walk>),
    Open(usize),
    Mine,
    Trouble,
    Act,
    Tidy,
    Renewed(TabRef),
    /// A signer makes up its mind.
    Sign(Box<Question>),
    /// Out of a tab's socket of this number.
    Push(TabRef, u64, Push),
}

/// See the module's documentation.
pub(crate) struct World {
    pub(crate) climate: Climate,
    pub(crate) rng: fastrand::Rng,
    pub(crate) now_ms: u64,
    events: BTreeMap<(u64, u64), Event>,
    next_event: u64,
    pub(crate) steps: u64,
    pub(crate) is_quiet: bool,
    /// Everybody was asked for every key, at the end: that may be many receipts at once.
    pub(crate) has_read_all: bool,
    /// Copies of sends on their way.
    pub(crate) copies: u32,
    /// Requests since it is quiet.
    pub(crate) calm_requests: u64,
    /// The dapp's own calls that were not answered when it became quiet.
    calls_left: u64,
    pub(crate) count: crate::network::Count,
    /// How many sockets were ever asked for.
    pub(crate) subscriptions: u64,
    pub(crate) disk: Disk,
    pub(crate) files: Files,
    pub(crate) chain: Chain,
    pub(crate) tabs: Vec<Tab>,
    /// Who waits for the lock; the front may hold it.
    pub(crate) lock: VecDeque<TabRef>,
    pub(crate) holder: Option<TabRef>,
    pub(crate) users: Users,
    pub(crate) signers: Signers,
    pub(crate) model: Model,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) down_until_ms: u64,
    pub(crate) outage: Outage,
    /// Of each gateway.
    pub(crate) troubles: Vec<Troubles>,
    pub(crate) said: Vec<Said>,
    /// Segments that are damaged, as they are now.
    pub(crate) rotten: BTreeMap<u64, Vec<u8>>,
    /// A commit takes long, and reads wait for it.
    reads_wait_until_ms: u64,
    /// The last key of the newest commit that cleaned the log.
    last_cleaning: u64,
    pub(crate) unflushed: Unflushed,
    /// How far the wall clock was set.
    pub(crate) wall_ahead_ms: i64,
    pub(crate) wrong_chain_until_ms: u64,
    pub(crate) no_funds_until_ms: u64,
    pub(crate) pool_full_until_ms: u64,
    /// Faults so far, by kind.
    pub(crate) faults: BTreeMap<&'static str, u64>,
    trace: bool,
}

/// What came of a seed.
pub(crate) struct Outcome {
    pub(crate) violation: Option<Violation>,
    pub(crate) steps: u64,
    pub(crate) faults: BTreeMap<&'static str, u64>,
}

/// Lives through a seed.
pub(crate) fn run(seed: u64, kind: Option<Kind>, mutant: Option<Mutant>, trace: bool) -> Outcome {
    let mut world = World::new(seed, kind, mutant, trace);
    let violation = world.live().err();
    Outcome {
        violation,
        steps: world.steps,
        faults: world.faults,
    }
}

impl World {
    fn new(seed: u64, kind: Option<Kind>, mutant: Option<Mutant>, trace: bool) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut climate = Climate::draw(&mut rng);
        if let Some(kind) = kind {
            kind(&mut climate);
        }
        let chain = Chain::new(seed, climate.start_height, climate.final_depth);
        let tabs = (0..climate.tabs).map(|_| Tab::default()).collect();
        let users = Users::new(climate.accounts);
        let urls = climate.gateways.len();
        let quota = climate.disk_bytes;
        World {
            climate,
            rng,
            now_ms: 1,
            events: BTreeMap::new(),
            next_event: 0,
            steps: 0,
            is_quiet: false,
            has_read_all: false,
            copies: 0,
            calm_requests: 0,
            calls_left: 0,
            count: crate::network::Count::default(),
            subscriptions: 0,
            disk: Disk {
                skips_numbers: seed.is_multiple_of(3),
                counts_deleted: seed.is_multiple_of(2),
                quota,
                keeps_tags: mutant == Some(Mutant::EvictedStayInLists),
                ..Disk::default()
            },
            files: Files::default(),
            chain,
            tabs,
            lock: VecDeque::new(),
            holder: None,
            users,
            signers: Signers::default(),
            model: Model::default(),
            mutant,
            down_until_ms: 0,
            outage: Outage::default(),
            troubles: vec![Troubles::default(); urls],
            said: vec![Said::default(); urls],
            rotten: BTreeMap::new(),
            reads_wait_until_ms: 0,
            last_cleaning: 0,
            unflushed: Unflushed::with_seed(seed),
            wall_ahead_ms: 0,
            wrong_chain_until_ms: 0,
            no_funds_until_ms: 0,
            pool_full_until_ms: 0,
            faults: BTreeMap::new(),
            trace,
        }
    }

    fn live(&mut self) -> Held {
        self.say(|world| format!("{:?}", world.climate));
        for tab in 0..self.tabs.len() {
            let delay_ms = if tab == 0 { 0 } else { self.rng.u64(0..10_000) };
            self.after(delay_ms, Event::Open(tab));
        }
        self.after(self.climate.block_ms, Event::Mine);
        self.after(100, Event::Act);
        self.after(1_000, Event::Trouble);
        let mut calm_steps = 0;
        while let Some(((at_ms, _), event)) = self.events.pop_first() {
            self.now_ms = at_ms;
            self.steps += 1;
            let is_block = matches!(event, Event::Mine);
            self.happen(event)?;
            if self.is_quiet {
                calm_steps += u64::from(self.now_ms >= self.calm_since_ms());
                if is_block && self.is_at_rest() {
                    if self.has_read_all {
                        return self.check_end();
                    }
                    self.check_calm_requests()?;
                    self.read_all()?;
                }
                if self.now_ms > self.calm_since_ms() + REST_MS || calm_steps > REST_STEPS {
                    return self.explain_unrest();
                }
            } else if self.now_ms >= self.climate.storm_ms {
                self.calm()?;
            }
        }
        broken(0, "nothing happens any more")
    }

    fn happen(&mut self, event: Event) -> Held {
        match event {
            Event::Wake(at) => self.wake(at),
            Event::Renewed(at) => {
                if self.is_alive(at) {
                    self.renewed();
                }
                self.input(at, Input::Renewed(true))
            }
            Event::Input(at, input) => self.input(at, input),
            Event::Push(at, number, push) => self.push(at, number, push),
            Event::Commit => self.complete_commit(),
            Event::Read(at, ask) => self.read_disk(at, ask),
            Event::Arrive(message) => self.arrive(*message),
            Event::ReadChain(at, id, key, block) => self.read_chain(at, id, &key, &block),
            Event::Grant => self.grant(),
            Event::Thaw(at) => self.thaw(at),
            Event::Resume(at) => self.resume_tab(at),
            Event::Suspend(at) => self.suspend_amid(at),
            Event::Watched(at, key) => self.read_key(at, key, Source::Any),
            Event::HeardOffline(at, ask, since_ms) => self.check_heard(at, ask, since_ms),
            Event::Page(at, walk) => self.page(at, *walk),
            Event::Open(tab) => self.open(tab),
            Event::Mine => self.mine(),
            Event::Trouble => self.trouble(),
            Event::Act => self.act(),
            Event::Tidy => self.tidy(),
            Event::Sign(question) => self.sign(*question),
        }
    }

    /// Faults stop here: everything is reachable, and every tab is open.
    fn calm(&mut self) -> Held {
        self.is_quiet = true;
        self.say(|_| "— the storm is over —".into());
        let asks = self.tabs.iter().flat_map(|tab| tab.asks.values());
        self.calls_left = asks.filter(|asked| asked.is_call()).count() as u64;
        self.begin_outage();
        self.troubles.fill(Troubles::default());
        self.wrong_chain_until_ms = 0;
        self.no_funds_until_ms = 0;
        self.pool_full_until_ms = 0;
        self.climate.net_ms = self.climate.net_ms.min(self.climate.timeout_ms / 4);
        for tab in 0..self.tabs.len() {
            if self.tabs[tab].cache.is_none() {
                self.after(0, Event::Open(tab));
            } else {
                if !self.tabs[tab].is_online {
                    self.go_online(tab)?;
                }
                // Somebody looks at every page again.
                let at = self.at_tab(tab);
                self.input(at, Input::Visible(true))?;
            }
        }
        self.disk.quota = None;
        self.silence_sockets();
        self.count = crate::network::Count::default();
        self.after(0, Event::Tidy);
        Ok(())
    }

    pub(crate) fn after(&mut self, delay_ms: u64, event: Event) {
        self.at(self.now_ms + delay_ms, event);
    }

    pub(crate) fn at(&mut self, at_ms: u64, event: Event) {
        self.next_event += 1;
        self.events.insert((at_ms, self.next_event), event);
    }

    /// Whether a fault of this kind happens now.
    pub(crate) fn strikes(&mut self, kind: &'static str, chance: u32) -> bool {
        let strikes = !self.is_quiet && chance > 0 && self.rng.u32(..1_000) < chance;
        if strikes {
            self.count(kind);
        }
        strikes
    }

    pub(crate) fn count(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
        self.say(|_| format!("! {kind}"));
    }

    pub(crate) fn say(&self, line: impl FnOnce(&World) -> String) {
        if self.trace {
            println!("{:>9.3}  {}", self.now_ms as f64 / 1_000.0, line(self));
        }
    }

    pub(crate) fn mood(&mut self, url: usize) -> Mood {
        let nature = self.climate.gateways[url].clone();
        let trouble = self.troubles[url].clone();
        let lag = if self.strikes("a replica lags", self.climate.lag) {
            self.rng.u64(1..=3)
        } else {
            0
        };
        Mood {
            is_on_wrong_chain: nature.is_on_wrong_chain
                || self.now_ms < self.wrong_chain_until_ms.max(trouble.wrong_until_ms),
            is_syncing: self.now_ms < trouble.syncing_until_ms,
            has_no_funds: self.now_ms < self.no_funds_until_ms,
            is_pool_full: self.now_ms < self.pool_full_until_ms,
            refuses_gaps: self.climate.refuses_gaps,
            knows_senders: self.climate.knows_senders,
            prunes: self.climate.prunes,
            knows_no_tag: self.strikes("the final tag is unknown", self.climate.unknown_tag),
            denies_rivals: self.mutant == Some(Mutant::RivalsDenied),
            runs_ahead: nature.runs_ahead || self.mutant == Some(Mutant::FinalTooEarly),
            lag: lag + nature.lag,
            is_stale: self.strikes("a replica has not heard of a reorg", self.climate.stale),
            batch_limit: self.climate.batch_limit,
            block_receipts: self.climate.block_receipts,
        }
    }

    // The disk.

    pub(crate) fn commit(&mut self, from: TabRef, mut commit: Commit) -> Held {
        check_size(&commit)?;
        self.check_begun(from, &commit)?;
        if let Some(mutant) = self.mutant {
            mutant.strip(&mut commit);
        }
        let begins = |begins: fn(&task::Event) -> bool| {
            let segments = commit
                .segments
                .iter()
                .filter_map(|segment| record::read(segment).ok());
            let mut records = segments.flat_map(|contents| contents.records);
            records.any(|(_, record)| matches!(&record, Record::Event(_, event) if begins(event)))
        };
        let is_early = match self.mutant {
            Some(Mutant::AckBeforeCommit) => commit.clean.is_none(),
            Some(Mutant::SendBeforeCommit) => {
                commit.clean.is_none() && begins(|event| *event == task::Event::SendStarted)
            }
            Some(Mutant::AskBeforeCommit) => {
                let asks = |event: &task::Event| matches!(event, task::Event::SignStarted { .. });
                commit.clean.is_none() && begins(asks)
            }
            Some(_) | None => false,
        };
        let fate = if is_early {
            let waiting = self
                .disk
                .queue
                .iter()
                .map(|pending| pending.commit.segments.len());
            let last =
                self.disk.last_given + waiting.chain([commit.segments.len()]).sum::<usize>() as u64;
            self.after(0, Event::Input(from, Input::Committed(commit.id, last)));
            Fate::Stored
        } else if self.strikes("a commit aborts", self.climate.commit_aborts) {
            Fate::Aborted
        } else if self.strikes("a commit is over quota", self.climate.quota) {
            Fate::OverQuota
        } else {
            Fate::Stored
        };
        self.disk.queue.push_back(Pending {
            from,
            commit,
            fate,
            is_told: is_early,
        });
        if self.disk.queue.len() == 1 {
            self.commit_takes_time();
        }
        Ok(())
    }

    /// The commit at the queue's front is under way.
    fn commit_takes_time(&mut self) {
        let mut delay_ms = self.rng.u64(1..=self.climate.disk_ms);
        if self.strikes("a commit takes long", self.climate.commit_slow) {
            delay_ms = self.rng.u64(1_000..20_000);
            self.reads_wait_until_ms = self.now_ms + delay_ms;
            let asleep_ms = self.rng.u64(1..delay_ms);
            let at = self.disk.queue[0].from;
            self.after(asleep_ms, Event::Suspend(at));
        }
        self.after(delay_ms, Event::Commit);
    }

    pub(crate) fn complete_commit(&mut self) -> Held {
        let Some(mut pending) = self.disk.queue.pop_front() else {
            return Ok(());
        };
        if !self.disk.queue.is_empty() {
            self.commit_takes_time();
        }
        if pending.fate == Fate::Vanished {
            return Ok(());
        }
        if let Some(clean) = &mut pending.commit.clean {
            match self.mutant {
                Some(Mutant::DamageDropped) => clean.set_aside.clear(),
                Some(Mutant::CleanTooMuch) => clean.delete_through += 1,
                Some(Mutant::LoseValues) => clean.values.clear(),
                Some(Mutant::StaleValues) => {
                    clean
                        .values
                        .retain(|(key, _)| !self.disk.values.contains_key(key));
                    clean.known.clear();
                }
                Some(_) | None => {}
            }
        }
        let id = pending.commit.id;
        self.disk.now_ms = self.wall_ms();
        self.disk.step = self.steps;
        self.write_begins(self.climate.is_relaxed);
        let input = match self.disk.apply(&pending) {
            Ok(last) => {
                self.stored(&pending, last)?;
                if self.is_flushed(&pending.commit) {
                    self.write_lasts();
                }
                Input::Committed(id, last)
            }
            Err(failure) => {
                self.cannot_clean(pending.from);
                self.write_failed();
                Input::CommitFailed(id, failure)
            }
        };
        if !pending.is_told {
            self.tell_from_disk(pending.from, input);
        }
        Ok(())
    }

    fn stored(&mut self, pending: &Pending, last: u64) -> Held {
        self.check_growth(pending)?;
        let commit = &pending.commit;
        self.tabs[pending.from.tab].saw_nothing_to_evict = false;
        self.say(|_| describe(pending, last));
        let first = last + 1 - commit.segments.len() as u64;
        for (key, segment) in (first..).zip(&commit.segments) {
            for (_, record) in record::read(segment).unwrap().records {
                match record {
                    Record::Event(_, task::Event::Finalized(block)) => {
                        check_quorum(&self.climate, &self.said, &block)?;
                    }
                    Record::Imported(_)
                    | Record::Submitted(_)
                    | Record::Event(..)
                    | Record::Snapshot(_)
                    | Record::Cleaned(..)
                    | Record::Settled(_)
                    | Record::Closed
                    | Record::Index(_) => {}
                }
            }
            self.model.fold(&self.chain, key, segment)?;
        }
        if self.climate.index_at_bytes.is_some() {
            self.check_glance(last)?;
        }
        if let Some(clean) = &commit.clean {
            for key in &clean.evict {
                self.forget_settled(key)?;
                self.count("a settled value goes instead of being moved");
            }
            *self.faults.entry("(the log was cleaned)").or_default() += 1;
            self.last_cleaning = last;
            self.model.check_disk(&self.disk, 5)?;
            self.check_rotten()?;
        }
        self.ask_for_more(pending.from)
    }

    pub(crate) fn ask_disk(&mut self, from: TabRef, ask: Ask) {
        let delay_ms = self.rng.u64(1..=self.climate.disk_ms);
        // IndexedDB lets no read overtake a write to the same store.
        let at_ms = self.now_ms.max(self.reads_wait_until_ms) + delay_ms;
        self.at(at_ms, Event::Read(from, ask));
    }

    fn read_disk(&mut self, from: TabRef, ask: Ask) -> Held {
        if self.evicts(from, &ask)? {
            return Ok(());
        }
        let fails = self.strikes("a read from the disk fails", self.climate.read_fails);
        if fails {
            self.cannot_clean(from);
        }
        let error = || Error::new(ErrorCode::StorageFailed, "the read failed");
        let most = self.climate.page_segments;
        let input = match ask {
            Ask::Load(_) if fails => Input::LoadFailed(error()),
            Ask::Load(from_key) => {
                if from_key == 0 && self.is_alive(from) {
                    self.tabs[from.tab].floor = self.last_cleaning.min(self.disk.last_key());
                }
                let from = from_key;
                let most = match self.mutant {
                    Some(Mutant::LooksBlind) if from > 0 => 1,
                    Some(_) | None => most.max(2),
                };
                let (mut segments, more) = self.disk.load(from, most);
                if self.mutant == Some(Mutant::DamageTakesTheRest) {
                    for (_, bytes) in &mut segments {
                        let damage = record::read(bytes).unwrap().damage;
                        let damage = damage.filter(|damage| damage.offset > 0);
                        bytes.truncate(damage.map_or(bytes.len(), |damage| damage.offset));
                    }
                }
                if self.mutant == Some(Mutant::DamageIsEmpty) {
                    let damaged = segments.iter_mut();
                    let damaged = damaged.filter(|(key, _)| self.rotten.contains_key(key));
                    damaged.for_each(|(_, bytes)| bytes.clear());
                }
                Input::Loaded {
                    from,
                    segments,
                    more,
                }
            }
            Ask::Get(id, places) => Input::Got(
                id,
                if fails {
                    Err(error())
                } else {
                    Ok(self.disk.get(&places))
                },
            ),
            Ask::Scan(id, scan) => Input::Scanned(
                id,
                if fails {
                    Err(error())
                } else {
                    Ok(self.disk.scan(&scan))
                },
            ),
            Ask::Oldest(..) | Ask::Evict(..) | Ask::Touch(_) => return Ok(()),
        };
        self.tell_from_disk(from, input);
        Ok(())
    }

    /// What the disk did is heard in the order in which it did it.
    pub(crate) fn tell_from_disk(&mut self, to: TabRef, input: Input) {
        let delay_ms = self.rng.u64(0..=self.climate.disk_ms / 2);
        let tab = &mut self.tabs[to.tab];
        tab.disk_ms = tab.disk_ms.max(self.now_ms + delay_ms);
        let at_ms = tab.disk_ms;
        self.at(at_ms, Event::Input(to, input));
    }

    // The chain.

    fn mine(&mut self) -> Held {
        self.after(self.climate.block_ms, Event::Mine);
        self.wallet_keeps();
        let before = self.chain.head();
        self.go_on()?;
        if self.chain.head() != before {
            self.push_head();
        }
        self.check_count()?;
        self.check_outage_over()
    }

    fn go_on(&mut self) -> Held {
        if self.is_quiet {
            self.chain.mine(8, || true, &mut self.rng);
            return Ok(());
        }
        let deepest = self.chain.open_depth();
        if deepest > 0 && self.strikes("a reorg", self.climate.reorg) {
            let depth = self.rng.u64(1..=deepest);
            let new = self.rng.u64(depth - 1..=depth + 1);
            let orphans = *pick(
                &mut self.rng,
                &[
                    Orphans::Dropped,
                    Orphans::Dropped,
                    Orphans::Pooled,
                    Orphans::Remined,
                ],
            );
            let lost = self.chain.reorg(depth, new, orphans, &mut self.rng);
            self.users.orphaned(lost.iter().copied());
            self.say(|world| {
                format!(
                    "reorg of {depth} blocks, {new} new ({orphans:?}), head {}, lost {lost:?}",
                    world.chain.head().number
                )
            });
            return Ok(());
        }
        let mut picks = self.rng.fork();
        let most = self.climate.block_size;
        self.chain.mine(most, || picks.u8(..5) > 0, &mut self.rng);
        self.say(|world| {
            let mined = &world.chain.blocks[world.chain.blocks.len() - 1];
            format!(
                "block {} {:?}, final {}",
                mined.block.number, mined.txs, world.chain.final_height
            )
        });
        Ok(())
    }

    // Troubles that last.

    fn trouble(&mut self) -> Held {
        if self.is_quiet {
            return Ok(());
        }
        let delay_ms = self.rng.u64(300..3_000);
        self.after(delay_ms, Event::Trouble);
        let climate = self.climate.clone();
        let tab = self.rng.usize(..self.tabs.len());
        let until_ms = self.now_ms + self.rng.u64(500..20_000);
        if self.strikes("the gateway is down", climate.gateway_down) {
            self.down_until_ms = until_ms;
        }
        let url = self.rng.usize(..climate.gateways.len());
        if self.strikes("one gateway is down", climate.one_down) {
            self.troubles[url].down_until_ms = until_ms;
        }
        if self.strikes("one gateway is on another chain", climate.one_wrong) {
            self.troubles[url].wrong_until_ms = until_ms;
        }
        if self.strikes("one gateway is syncing", climate.one_syncs) {
            self.troubles[url].syncing_until_ms = until_ms;
        }
        if self.strikes("one gateway limits requests", climate.one_limits) {
            self.troubles[url].limited_until_ms = until_ms;
        }
        if self.strikes("the gateway is on another chain", climate.wrong_chain) {
            self.wrong_chain_until_ms = until_ms;
        }
        if self.strikes("the account is empty", climate.no_funds) {
            self.no_funds_until_ms = until_ms;
        }
        if self.strikes("the pool is full", climate.pool_full) {
            self.pool_full_until_ms = until_ms;
        }
        if self.strikes("the pool drops a transaction", climate.pool_drop) {
            let keys: Vec<_> = self.chain.pool.keys().copied().collect();
            if !keys.is_empty() {
                let key = *pick(&mut self.rng, &keys);
                self.chain.pool.remove(&key);
            }
        }
        if self.strikes("another wallet takes a nonce", climate.rival) {
            self.mine_rival();
        }
        if self.strikes("a tab is offline", climate.offline) {
            self.go_offline(tab, until_ms)?;
        }
        self.trouble_socket(tab);
        if self.strikes("a page is hidden, or seen again", climate.hidden) {
            let is_visible = self.rng.bool();
            let at = self.at_tab(tab);
            self.input(at, Input::Visible(is_visible))?;
        }
        if self.strikes("a tab freezes", climate.freeze) {
            let thaws_ms = self.now_ms + self.rng.u64(500..60_000);
            self.freeze_tab(tab, thaws_ms);
        }
        if self.strikes("a tab is suspended", climate.suspend) {
            let resumes_ms = self.now_ms + self.rng.u64(500..60_000);
            self.suspend_tab(tab, resumes_ms)?;
        }
        if self.strikes("a tab crashes", climate.crash) {
            self.crash_tab(tab)?;
        }
        if self.strikes("the browser crashes", climate.crash_all) {
            self.kill_browser()?;
        }
        self.trouble_clocks(tab);
        if climate.power > 0 && self.rng.u8(..4) == 0 {
            self.time_flushes();
        }
        if self.strikes("the power fails", climate.power) {
            self.power_fails()?;
        }
        if self.strikes("a bit of the log turns", climate.rot) {
            self.rot()?;
        }
        if self.strikes("a tab is closed", climate.close) {
            self.close_tab(tab)?;
        }
        if self.strikes("a tab loses its database", climate.storage_lost) {
            self.lose_storage(tab)?;
        }
        Ok(())
    }

    // The end.

    fn is_at_rest(&self) -> bool {
        let mut facts = self.model.facts.values().filter(|fact| fact.is_open());
        let is_done = facts.all(|fact| self.model.is_at_rest(&self.chain, fact));
        is_done
            && self.model.wire.values().all(|count| *count == 0)
            && self.copies == 0
            && self.disk.queue.is_empty()
            && self.missing_nonces().is_empty()
            && !self.has_gap()
            && self.tabs.iter().all(|tab| self.is_tab_at_rest(tab))
    }

    fn is_tab_at_rest(&self, tab: &Tab) -> bool {
        let last = self.disk.last_key();
        tab.asks.is_empty()
            && tab.is_open
            && tab.cache.as_ref().is_some_and(|cache| {
                let is_through = cache.log().position() == last && !cache.is_restarting();
                is_through && self.is_tidy(cache) && self.is_within_budget(cache)
            })
    }

    /// Whatever happened before: who reads a key now gets what was settled last.
    fn read_all(&mut self) -> Held {
        self.has_read_all = true;
        for tab in 0..self.tabs.len() {
            for key in self.users.keys.clone() {
                let at = self.at_tab(tab);
                self.read_key(at, key, Source::Any)?;
            }
            self.read_lists(tab)?;
        }
        Ok(())
    }

    fn check_calm_requests(&self) -> Held {
        // A few requests a look, each new block once or twice, so many a task, and what the dapp asked for itself: what
        // comes to more is a storm.
        let calm_ms = self.now_ms.saturating_sub(self.calm_since_ms());
        let looks = calm_ms / self.climate.poll_ms + 1;
        let blocks = calm_ms / self.climate.block_ms + 128;
        let most = 5 * looks + 2 * blocks + 20 * self.model.facts.len() as u64 + self.calls_left;
        if self.calm_requests > most {
            let requests = self.calm_requests;
            return broken(
                11,
                format!("{requests} requests to come to rest, at most {most} were due"),
            );
        }
        Ok(())
    }

    fn check_end(&mut self) -> Held {
        self.say(|_| "— at rest —".into());
        self.check_signed_once()?;
        self.model.check_disk(&self.disk, 1)?;
        self.check_rotten()?;
        for tab in &self.tabs {
            let Some(cache) = &tab.cache else { continue };
            self.model.check_tab(cache)?;
            // Whoever waits there for a task that has left the backup must have heard how it ended.
            let is_open = |(id, status): &(&TaskId, &Status)| {
                !status.is_settled() && cache.task(**id).is_none()
            };
            if let Some((id, status)) = tab.told.iter().find(is_open) {
                return broken(
                    10,
                    format!("a tab told {status:?} of {id}, and never its end"),
                );
            }
            for task in cache.tasks() {
                let (id, status) = (task.submission.id, task.state.status());
                let heard = (tab.told.get(&id), tab.watched.get(&id));
                if heard != (Some(&status), Some(&status)) {
                    return broken(4, format!("{id} is {status:?}, a tab told {heard:?}"));
                }
            }
        }
        Ok(())
    }

    fn say_open(&self) {
        let open = self.model.facts.iter().filter(|(_, fact)| fact.is_open());
        for (id, fact) in open {
            self.say(|world| {
                let made = fact.txs(&world.chain).map(|tx| &world.chain.txs[tx]);
                let made: Vec<_> = made
                    .map(|made| (made.account, made.nonce, &made.quality))
                    .collect();
                let after = fact.submission.waits_for();
                format!("{id} {made:?} after {after:?} is {:?}", fact.state)
            });
        }
    }

    /// It did not come to rest: what is missing says which promise is broken.
    fn explain_unrest(&self) -> Held {
        // A draft whose record is damaged may leave a nonce that nobody knows to be free.
        let is_damaged = |fact: &Fact| fact.is_hurt || fact.end == End::Damaged;
        if self.climate.drafts > 0 && self.model.facts.values().any(is_damaged) {
            return Ok(());
        }
        // One whose bytes are gone is never sent, and so is not what comes after it.
        let lost = |fact: &Fact| fact.is_hurt && fact.cause() == Some(task::Reason::PayloadLost);
        if self.model.facts.values().any(lost) {
            return Ok(());
        }
        self.say_open();
        let open = self.model.facts.iter().filter(|(_, fact)| fact.is_open());
        let stuck = open.filter(|(_, fact)| !self.model.is_at_rest(&self.chain, fact));
        let mut stuck: Vec<_> = stuck.map(|(id, fact)| (*id, fact)).collect();
        let ids: Vec<_> = stuck.iter().map(|(id, _)| *id).collect();
        let in_circles = self.model.in_circles(&self.chain, &ids);
        if in_circles.len() == ids.len() && !ids.is_empty() {
            return Ok(());
        }
        stuck.retain(|(id, _)| !in_circles.contains(id));
        for (id, fact) in &stuck {
            if fact.tx.is_some_and(|tx| self.users.was_orphaned(tx)) {
                return broken(
                    7,
                    format!(
                        "{id} left its block and does not come back: {:?}",
                        fact.state
                    ),
                );
            }
        }
        if let Some((id, fact)) = stuck.first() {
            return broken(10, format!("{id} stays {:?}", fact.state));
        }
        for tab in &self.tabs {
            let Some(cache) = &tab.cache else { continue };
            if let Some((ask, asked)) = tab.asks.first_key_value() {
                return broken(10, format!("ask {ask} has no answer: {asked:?}"));
            }
            let (position, last) = (cache.log().position(), self.disk.last_key());
            if position != last {
                return broken(10, format!("a tab stays at {position} of {last}"));
            }
            if !self.is_tidy(cache) {
                let bytes = cache.log().bytes();
                return broken(11, format!("a log at rest keeps {bytes} bytes"));
            }
            if !self.is_within_budget(cache) {
                let (known, bytes) = (cache.values_bytes(), self.disk.values_bytes);
                let message = format!(
                    "settled values at rest count for {bytes} bytes, a tab knows of {known}"
                );
                return broken(11, message);
            }
        }
        broken(
            10,
            format!(
                "no rest: missing {:?}, wire {:?}",
                self.missing_nonces(),
                self.model.wire
            ),
        )
    }
}

/// A commit holds nobody up for long, and no segment is so long that the browser makes a file of it.
fn check_size(commit: &Commit) -> Held {
    let segments = commit.segments.iter().map(Vec::len);
    let longest = segments.clone().max().unwrap_or(0);
    let blobs = commit.blobs.iter().map(|(_, bytes)| bytes.len());
    let bytes = segments.chain(blobs).sum::<usize>();
    if longest > MAX_SEGMENT_BYTES || bytes > MAX_COMMIT_BYTES {
        return broken(
            11,
            format!("a commit of {bytes} bytes, {longest} in a segment"),
        );
    }
    Ok(())
}

fn describe(pending: &Pending, last: u64) -> String {
    let records = pending
        .commit
        .segments
        .iter()
        .filter_map(|segment| record::read(segment).ok());
    let records = records.flat_map(|contents| contents.records);
    let names = records.map(|(_, record)| match record {
        Record::Submitted(submission) => format!(
            "submitted {} ({} {:?}, nonce {:?})",
            short(submission.id),
            submission.key,
            submission.update,
            submission.signed().map(|signed| signed.nonce)
        ),
        Record::Event(id, event) => format!("{} {event:?}", short(id)),
        Record::Imported(task) => {
            format!("came in {} {:?}", short(task.submission.id), task.state)
        }
        Record::Snapshot(task) => {
            format!("snapshot {} {:?}", short(task.submission.id), task.state)
        }
        Record::Cleaned(through, ids) => format!(
            "cleaned {through} {:?}",
            ids.iter().map(|id| short(*id)).collect::<Vec<_>>()
        ),
        Record::Settled(_) => "settled".into(),
        Record::Closed => "closed".into(),
        Record::Index(page) => format!("page of {} through {}", page.own.len(), page.through),
    });
    format!(
        "tab {} stored {last}: {}",
        pending.from.tab,
        names.collect::<Vec<_>>().join(", ")
    )
}

/// A task's name as the trace shows it.
pub(crate) fn short(id: task::TaskId) -> String {
    format!("#{}", id.0 & 0xffff)
}
