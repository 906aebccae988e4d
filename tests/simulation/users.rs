//! What users do, and whether the answers that they get are true.

use crate::chain::{Made, Quality, Tx};
use crate::climate::pick;
use crate::disk::TabRef;
use crate::lists::{self, Walk};
use crate::model::{End, Fact, Held, broken, value_of};
use crate::payload::Shape;
use crate::portable::{Exporting, Files, Importing};
use crate::readers::AgedRead;
use crate::signers::{PEN, WALLET};
use crate::tabs::Tab;
use crate::world::{Event, World, short};
use std::collections::{BTreeMap, BTreeSet};
use uplink_cache::cache::{Brings, Cache, Done, Entry, Input, Query, Source, Submit};
use uplink_cache::error::{Error, ErrorCode};
use uplink_cache::log::Ask;
use uplink_cache::memory::MAX_VALUES;
use uplink_cache::task::{self, After, Reason, Role, Stage, State, Status, Tag, Task, TaskId};

/// What users ask for: the core says what they have seen.
const RETRIED: task::Event = task::Event::Retried { in_doubt: false };
/// What another wallet pays: more than any task.
const RIVAL_FEE: u64 = 1_000_000;

/// A submission as the user made it.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) update: Option<String>,
    /// None where a signer is to make it.
    tx: Option<Tx>,
    sign: Option<&'static str>,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<Vec<u8>>,
    idempotency_key: Option<String>,
    lane: Option<String>,
    tags: Vec<Tag>,
    after: Option<After>,
}

/// A call that waits for its answer.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    Submit(TaskId, Box<Draft>),
    Act(TaskId, task::Event),
    Replace(TaskId, Role, Tx),
    /// With the task that must be seen, and the newest final place that is known.
    Read(String, Source, Option<TaskId>, Option<(u64, u32)>),
    ReadAged(Box<AgedRead>),
    List(Box<Walk>),
    /// With the step of the world.
    Count(Query, u64),
    Call,
    /// The block of this height.
    CallFor(u64),
    /// With the log's end when it was asked.
    Sync(u64),
    Export(Box<Exporting>),
    Import(Box<Importing>),
}

impl Asked {
    /// Whether it is a request that the dapp makes itself.
    pub(crate) fn is_call(&self) -> bool {
        matches!(self, Asked::Call | Asked::CallFor(_))
    }

    fn is_read(&self) -> bool {
        matches!(self, Asked::Read(..) | Asked::ReadAged(_))
    }
}

/// See the module's documentation.
pub(crate) struct Users {
    next_nonce: Vec<u64>,
    next_id: u64,
    next_ask: Ask,
    actions: u32,
    drafts: Vec<Draft>,
    /// Made and not submitted yet: their nonces come late.
    held: Vec<Draft>,
    /// Keys that are written.
    pub(crate) keys: Vec<String>,
    /// Which gateway first got a payload.
    pub(crate) first_url: BTreeMap<Vec<u8>, usize>,
    /// How often each transaction was sent.
    pub(crate) sends: BTreeMap<Tx, u32>,
    /// Transactions that lost their block.
    orphaned: BTreeSet<Tx>,
    retries: BTreeMap<TaskId, u32>,
    /// Users were told that these are cancelled.
    pub(crate) cancelled: BTreeSet<TaskId>,
    pub(crate) files: Files,
}

impl Users {
    pub(crate) fn new(accounts: u8) -> Self {
        Users {
            next_nonce: vec![0; usize::from(accounts)],
            next_id: 0,
            next_ask: 0,
            actions: 0,
            drafts: Vec::new(),
            held: Vec::new(),
            keys: Vec::new(),
            first_url: BTreeMap::new(),
            sends: BTreeMap::new(),
            orphaned: BTreeSet::new(),
            retries: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            files: Files::default(),
        }
    }

    pub(crate) fn was_orphaned(&self, tx: Tx) -> bool {
        self.orphaned.contains(&tx)
    }

    pub(crate) fn orphaned(&mut self, txs: impl IntoIterator<Item = Tx>) {
        self.orphaned.extend(txs);
    }
}

impl World {
    pub(crate) fn act(&mut self) -> Held {
        if self.is_quiet || self.users.actions >= self.climate.actions {
            return Ok(());
        }
        self.users.actions += 1;
        let most_ms = 2 * self.climate.storm_ms / u64::from(self.climate.actions);
        let delay_ms = self.rng.u64(0..=most_ms);
        self.after(delay_ms, Event::Act);
        let tab = self.rng.usize(..self.tabs.len());
        if self.tabs[tab].cache.is_none() {
            return Ok(());
        }
        if self.strikes("somebody uses a file", self.climate.portable) {
            return self.use_files(tab);
        }
        if self.strikes("somebody reads with care", self.climate.readers) {
            return self.use_readers(tab);
        }
        match self.rng.u8(..100) {
            0..45 => self.submit_new(tab),
            45..55 => self.submit_again(tab),
            55..70 => self.read(tab),
            70..74 => self.list(tab),
            74..75 => self.call(tab),
            75..76 => self.sync(tab),
            76..83 => self.act_on_task(tab, task::Event::Cancelled),
            83..88 => self.act_on_task(tab, RETRIED),
            88..93 => self.replace(tab, Role::Replacement),
            93..96 => self.replace(tab, Role::Cancellation),
            _ => self.act_on_task(tab, task::Event::Discarded),
        }
    }

    fn submit_new(&mut self, tab: usize) -> Held {
        let mut draft = self.draft();
        draft.after = self.choose_after(tab);
        self.choose_update(tab, &mut draft);
        if self.rng.u8(..8) == 0 {
            self.users.held.push(draft);
            return Ok(());
        }
        let is_impatient = self.strikes("a submission comes twice at once", self.climate.double);
        if is_impatient {
            // A double click, or the same write in another tab.
            let other = self.rng.usize(..self.tabs.len());
            self.submit(other, draft.clone())?;
        }
        self.submit(tab, draft)?;
        if self.rng.u8(..4) == 0
            && let Some(held) = self.users.held.pop()
        {
            self.submit(tab, held)?;
        }
        Ok(())
    }

    fn draft(&mut self) -> Draft {
        if self.climate.drafts > 0 && self.rng.u8(..100) < self.climate.drafts {
            let signer = *pick(&mut self.rng, &[PEN, PEN, WALLET]);
            return self.unsigned(signer);
        }
        let account = self.rng.u8(..self.climate.accounts);
        let nonce = self.users.next_nonce[usize::from(account)];
        self.users.next_nonce[usize::from(account)] += 1;
        let quality = match self.rng.u8(..100) {
            0..80 => Quality::Good,
            80..87 => Quality::Reverts,
            87..94 => Quality::Flaky,
            _ => Quality::Refused,
        };
        self.draft_for(account, nonce, quality)
    }

    fn unsigned(&mut self, signer: &'static str) -> Draft {
        let key = format!("entry/{}", self.rng.u32(..self.climate.keys));
        if !self.users.keys.contains(&key) {
            self.users.keys.push(key.clone());
        }
        let is_odd = self.strikes("a task is in a lane of its own", self.climate.odd_lane);
        Draft {
            update: None,
            tx: None,
            sign: Some(signer),
            key: Some(key),
            value: Some(self.bytes()),
            idempotency_key: (self.rng.u8(..5) == 0).then(|| format!("once {}", self.rng.u8(..6))),
            lane: is_odd.then(|| "account 0".into()),
            tags: lists::tags(&mut self.rng),
            after: None,
        }
    }

    fn draft_for(&mut self, account: u8, nonce: u64, quality: Quality) -> Draft {
        let data = self.bytes();
        let given = if self.rng.u8(..5) > 0 {
            Some(self.bytes())
        } else {
            None
        };
        let key =
            (self.rng.u8(..5) > 0).then(|| format!("entry/{}", self.rng.u32(..self.climate.keys)));
        let idempotency_key = (self.rng.u8(..5) == 0).then(|| format!("once {}", self.rng.u8(..6)));
        let shape = Shape {
            account,
            nonce,
            is_legacy: self.rng.bool(),
            fee: 0,
            data: &data,
        };
        let value = given.as_ref().unwrap_or(&data);
        let written = key.clone().unwrap_or_default();
        let tx = self.chain.make(&shape, quality, &written, value);
        if key.is_none() {
            self.chain.txs[tx].key = self.chain.txs[tx].hash.to_string();
        }
        let written = self.chain.txs[tx].key.clone();
        if !self.users.keys.contains(&written) {
            self.users.keys.push(written);
        }
        let lane = if self.strikes("a task is in a lane of its own", self.climate.odd_lane) {
            Some(format!("lane {}", self.rng.u8(..3)))
        } else {
            (account > 0).then(|| format!("account {account}"))
        };
        Draft {
            update: None,
            tx: Some(tx),
            sign: None,
            key,
            value: given,
            idempotency_key,
            lane,
            tags: lists::tags(&mut self.rng),
            after: None,
        }
    }

    fn bytes(&mut self) -> Vec<u8> {
        let len = if self.rng.u32(..1_000) < self.climate.large {
            self.rng.usize(16_000..20_000)
        } else {
            self.rng.usize(1..120)
        };
        let mut bytes = vec![0; len];
        self.rng.fill(&mut bytes);
        bytes
    }

    fn submit(&mut self, tab: usize, draft: Draft) -> Held {
        self.users.next_id += 1;
        let id = TaskId(u128::from(self.rng.u64(..)) << 64 | u128::from(self.users.next_id));
        let submit = Submit {
            id,
            brings: match (draft.tx, draft.sign) {
                (Some(tx), _) => Brings::Payload(self.chain.txs[tx].payload.to_vec()),
                (None, signer) => Brings::Sign(signer.unwrap_or_default().into()),
            },
            key: draft.key.clone(),
            value: draft.value.clone(),
            idempotency_key: draft.idempotency_key.clone(),
            lane: draft.lane.clone(),
            tags: draft.tags.clone(),
            update: draft.update.clone(),
            after: draft.after.clone(),
            created_ms: self.wall_ms(),
        };
        let data = || draft.tx.map(|tx| (self.chain.txs[tx].data.clone(), true));
        let value = draft
            .value
            .clone()
            .map(|value| (value, false))
            .or_else(data);
        self.model.rows.values.insert(id, value.unwrap_or_default());
        self.users.drafts.push(draft.clone());
        let ask = self.ask(tab, Asked::Submit(id, Box::new(draft)));
        let at = self.at_tab(tab);
        self.input(at, Input::Submit(ask, submit))
    }

    fn submit_again(&mut self, tab: usize) -> Held {
        if self.users.drafts.is_empty() {
            return Ok(());
        }
        let mut draft = pick(&mut self.rng, &self.users.drafts).clone();
        if self.rng.u8(..4) == 0 {
            draft.value = Some(b"something else".to_vec());
        }
        self.submit(tab, draft)
    }

    /// The user pays more for a task, or wants it undone.
    fn replace(&mut self, tab: usize, role: Role) -> Held {
        let Some(cache) = &self.tabs[tab].cache else {
            return Ok(());
        };
        let is_open = |task: &&Task| !task.state.status().is_settled();
        let open = cache.tasks().filter(is_open);
        // What only its wallet knows, only that can replace.
        let newest = open.filter_map(|task| {
            let (tx, payload, _) = task.newest()?;
            let made = task
                .transactions()
                .filter_map(|(tx, ..)| self.chain.by_hash(&tx));
            let writes = made
                .map(|tx| &self.chain.txs[tx])
                .find(|made| !made.key.is_empty());
            payload.map(|_| (task.submission.id, tx, writes))
        });
        let open: Vec<_> = newest.collect();
        if open.is_empty() {
            return Ok(());
        }
        let (id, hash, writes) = *pick(&mut self.rng, &open);
        let Some(old) = self.chain.by_hash(&hash) else {
            return broken(
                3,
                format!("{} has a transaction that nobody made", short(id)),
            );
        };
        let old = &self.chain.txs[old];
        let is_cancel = role == Role::Cancellation;
        // After a cancellation the user may want the task again.
        let wanted = writes.unwrap_or(old);
        let data = if is_cancel {
            vec![]
        } else {
            wanted.data.clone()
        };
        let (key, value) = (wanted.key.clone(), wanted.value.clone());
        let quality = match (is_cancel, old.quality) {
            (true, _) | (false, Quality::Refused) => Quality::Good,
            (false, quality) => quality,
        };
        let shape = Shape {
            account: old.account,
            nonce: old.nonce,
            is_legacy: old.is_legacy,
            fee: old.fee + 1,
            data: &data,
        };
        let (key, value) = if is_cancel {
            (String::new(), [].into())
        } else {
            (key, value)
        };
        let tx = self.chain.make(&shape, quality, &key, &value);
        if is_cancel {
            self.model.cancels.insert(id);
        }
        let ask = self.ask(tab, Asked::Replace(id, role, tx));
        let at = self.at_tab(tab);
        let payload = self.chain.txs[tx].payload.to_vec();
        self.input(at, Input::Replace(ask, id, role, payload))
    }

    fn was_outbid(&self, id: TaskId, tx: Tx) -> Held {
        let fact = self.model.facts.get(&id);
        let made = |tx: Tx| &self.chain.txs[tx];
        // Paid more, or cancelled.
        let is_better = |own: Tx| made(own).fee >= made(tx).fee || made(own).data != made(tx).data;
        if fact.is_some_and(|fact| fact.txs(&self.chain).any(is_better)) {
            return Ok(());
        }
        broken(
            0,
            format!("a good replacement of {} was refused", short(id)),
        )
    }

    /// Who is told that a replacement is accepted finds it durable.
    fn replaced(&self, id: TaskId, role: Role, tx: Tx) -> Held {
        let Some(fact) = self.model.facts.get(&id) else {
            return broken(0, format!("{} was replaced and is not durable", short(id)));
        };
        let is_there = fact.txs(&self.chain).any(|own| own == tx);
        let is_cancelled = role == Role::Cancellation && fact.cause() == Some(Reason::Cancelled);
        if !is_there && !is_cancelled && fact.is_open() {
            return broken(
                1,
                format!("{} was replaced, and the log has it not", short(id)),
            );
        }
        Ok(())
    }

    fn act_on_task(&mut self, tab: usize, event: task::Event) -> Held {
        let Some(cache) = &self.tabs[tab].cache else {
            return Ok(());
        };
        let fits = |state: &State| match event {
            task::Event::Cancelled => !state.is_exposed() && !state.status().is_settled(),
            RETRIED => state.status() == Status::Blocked && state.stage() != Some(Stage::Doubtful),
            _ => state.status() == Status::Failed,
        };
        let all: Vec<TaskId> = cache.tasks().map(|task| task.submission.id).collect();
        let fitting = cache.tasks().filter(|task| fits(&task.state));
        let fitting: Vec<TaskId> = fitting.map(|task| task.submission.id).collect();
        // Now and then one to which it does not apply.
        let among = if fitting.is_empty() || self.rng.u8(..6) == 0 {
            all
        } else {
            fitting
        };
        if among.is_empty() {
            return Ok(());
        }
        let id = *pick(&mut self.rng, &among);
        // Who asks a wallet again that may have sent it risks to send it twice: users look first.
        let stage = |fact: &Fact| fact.state.stage();
        let is_doubtful = self.model.facts.get(&id).and_then(stage) == Some(Stage::Doubtful);
        if is_doubtful && event == RETRIED {
            return self.reconcile(tab);
        }
        self.act_on(tab, id, event)
    }

    pub(crate) fn act_on(&mut self, tab: usize, id: TaskId, event: task::Event) -> Held {
        match event {
            task::Event::Cancelled => self.model.cancels.insert(id),
            task::Event::Discarded => self.model.discards.insert(id),
            _ => true,
        };
        let ask = self.ask(tab, Asked::Act(id, event.clone()));
        let at = self.at_tab(tab);
        self.input(
            at,
            match event {
                RETRIED => Input::Retry(ask, id),
                event => Input::Act(ask, id, event),
            },
        )
    }

    fn read(&mut self, tab: usize) -> Held {
        if self.users.keys.is_empty() {
            return Ok(());
        }
        let key = pick(&mut self.rng, &self.users.keys).clone();
        let source = *pick(
            &mut self.rng,
            &[
                Source::Any,
                Source::Any,
                Source::Backup,
                Source::Cache,
                Source::Chain,
            ],
        );
        let at = self.at_tab(tab);
        self.read_key(at, key, source)
    }

    /// Somebody reads a key: also who watches it and heard that it changed.
    pub(crate) fn read_key(&mut self, at: TabRef, key: String, source: Source) -> Held {
        if self.at_tab(at.tab) != at {
            return Ok(());
        }
        let tab = at.tab;
        let Some(cache) = &self.tabs[tab].cache else {
            return Ok(());
        };
        let expected = self.expected(&self.tabs[tab], &key);
        let expected = expected.map(|task| task.submission.id);
        let newest = self.newest_final(tab, cache, &key);
        let ask = self.ask(tab, Asked::Read(key.clone(), source, expected, newest));
        self.input(at, Input::Read(ask, key, source))
    }

    /// The newest final place of the key that the tab must know.
    pub(crate) fn newest_final(&self, tab: usize, cache: &Cache, key: &str) -> Option<(u64, u32)> {
        let place = |state: &State| {
            state
                .inclusion()
                .map(|found| (found.block.number, found.index))
        };
        let finals = cache.tasks().filter(|task| task.submission.key == key);
        let finals = finals.filter(|task| task.state.status() == Status::Final);
        // A tab that is behind does not know yet what was evicted.
        let finals = finals.filter(|task| {
            let fact = self.model.facts.get(&task.submission.id);
            fact.is_none_or(|fact| fact.end != End::Evicted)
        });
        let newest = finals.filter_map(|task| place(&task.state)).max();
        let newest = newest.max(self.tabs[tab].shown.get(key).copied());
        // Who has read the whole log knows all that was ever settled.
        let is_current = cache.log().position() == self.disk.last_key() && !cache.is_restarting();
        let settled = self.model.settled.get(key).copied();
        newest.max(settled.filter(|_| is_current))
    }

    /// Who reads what other tabs wrote up to now asks for this first.
    fn sync(&mut self, tab: usize) -> Held {
        let ask = self.ask(tab, Asked::Sync(self.disk.last_key()));
        let at = self.at_tab(tab);
        self.input(at, Input::Sync(Some(ask)))
    }

    /// Another tab wrote something: somebody asks for it at once.
    pub(crate) fn ask_for_more(&mut self, from: TabRef) -> Held {
        if !self.strikes("somebody asks for more", self.climate.asks_for_more) {
            return Ok(());
        }
        let is_other = |tab: &usize| *tab != from.tab && self.tabs[*tab].cache.is_some();
        match (0..self.tabs.len()).find(is_other) {
            Some(tab) => self.sync(tab),
            None => Ok(()),
        }
    }

    fn synced(&self, at: TabRef, last: u64) -> Held {
        let cache = self.tabs[at.tab].cache.as_ref();
        match cache.map(|cache| cache.log().position()) {
            Some(position) if position < last => broken(
                4,
                format!("a tab says that it knows the log up to {last}, and is at {position}"),
            ),
            Some(_) | None => Ok(()),
        }
    }

    /// The dapp asks the gateways itself, and loses its patience now and then.
    fn call(&mut self, tab: usize) -> Held {
        let at = self.at_tab(tab);
        for _ in 0..self.rng.u8(1..20) {
            let ask = self.ask(tab, Asked::Call);
            let params = r#"["latest",false]"#;
            let call = Input::Call(ask, "eth_getBlockByNumber".into(), params.into());
            self.input(at, call)?;
            let is_awake = self.is_alive(at) && self.now_ms >= self.tabs[tab].frozen_until_ms;
            if is_awake && self.rng.u8(..4) == 0 {
                self.tabs[tab].asks.remove(&ask);
                self.input(at, Input::Abandon(ask))?;
            }
        }
        Ok(())
    }

    pub(crate) fn ask(&mut self, tab: usize, asked: Asked) -> Ask {
        self.users.next_ask += 1;
        let ask = self.users.next_ask;
        if asked.is_read() && !self.tabs[tab].is_online {
            let since_ms = self.tabs[tab].offline_since_ms;
            let at = self.at_tab(tab);
            let patience_ms = 2 * self.climate.timeout_ms + 2_000;
            self.after(patience_ms, Event::HeardOffline(at, ask, since_ms));
        }
        self.tabs[tab].asks.insert(ask, asked);
        ask
    }

    // The quiet after the storm.

    /// Whether an update has a value that the store has damaged, or is applied to one.
    fn lacks_parts(&self, id: &TaskId) -> bool {
        let Some(fact) = self.model.facts.get(id) else {
            return false;
        };
        let mut own = self.model.facts.values();
        let key = &fact.submission.key;
        let reason = fact.state.trouble().map(|(reason, _)| reason);
        reason == Some(task::Reason::UpdateFailed)
            && own.any(|other| other.submission.key == *key && other.may_lack_parts())
    }

    /// Users look after what is blocked, and after nonces that nothing takes.
    pub(crate) fn tidy(&mut self) -> Held {
        self.after(5_000, Event::Tidy);
        let can_act = |tab: &Tab| tab.cache.is_some() && tab.frozen_until_ms <= self.now_ms;
        let Some(tab) = self.tabs.iter().position(can_act) else {
            return Ok(());
        };
        let blocked = self.model.facts.iter().filter(|(_, fact)| {
            fact.is_unsettled()
                && fact.state.status() == Status::Blocked
                && fact.state.stage() != Some(Stage::Doubtful)
                && !self.model.is_at_rest(&self.chain, fact)
        });
        for id in blocked.map(|(id, _)| *id).collect::<Vec<_>>() {
            if self.lacks_parts(&id) {
                // A part of it is gone for good: nobody can make of it what was meant.
                self.act_on(tab, id, task::Event::Cancelled)?;
                continue;
            }
            let looks = self.users.retries.entry(id).or_default();
            *looks += 1;
            // Soon, and then ever more seldom: what is in the way may need some blocks to go.
            if *looks <= 8 || looks.is_power_of_two() {
                self.act_on(tab, id, RETRIED)?;
            }
        }
        self.reconcile(tab)?;
        // A tab without signers cannot help those who wait for them.
        let leader = self.holder.filter(|at| self.is_alive(*at));
        if let Some(at) = leader
            && (!self.tabs[at.tab].has_signers
                && self.model.facts.values().any(Fact::waits_for_signer)
                || self.wants_functions(&self.tabs[at.tab]))
        {
            self.close_tab(at.tab)?;
            return Ok(());
        }
        if self.has_gap() {
            let draft = self.unsigned(PEN);
            self.submit(tab, draft)?;
        }
        for (account, nonce) in self.missing_nonces() {
            let draft = self.draft_for(account, nonce, Quality::Good);
            self.submit(tab, draft)?;
        }
        Ok(())
    }

    /// Nonces that later ones wait for, and that no task will take.
    pub(crate) fn missing_nonces(&self) -> Vec<(u8, u64)> {
        let mut missing = Vec::new();
        for (account, end) in self.users.next_nonce.iter().enumerate() {
            let account = account as u8;
            for nonce in self.chain.nonce(account)..*end {
                let takes = |tx: Tx| {
                    self.chain.txs[tx].account == account && self.chain.txs[tx].nonce == nonce
                };
                let open = self.model.facts.values().filter(|fact| fact.is_unsettled());
                let mut taken = open.filter(|fact| !self.model.is_at_rest(&self.chain, fact));
                let asks = self.tabs.iter().flat_map(|tab| tab.asks.values());
                let mut asked = asks.filter_map(|asked| match asked {
                    Asked::Submit(_, draft) => draft.tx,
                    Asked::Act(..)
                    | Asked::Replace(..)
                    | Asked::Read(..)
                    | Asked::ReadAged(_)
                    | Asked::List(..)
                    | Asked::Count(..)
                    | Asked::Call
                    | Asked::CallFor(_)
                    | Asked::Sync(_)
                    | Asked::Export(_)
                    | Asked::Import(_) => None,
                });
                if !taken.any(|fact| fact.txs(&self.chain).any(takes)) && !asked.any(takes) {
                    missing.push((account, nonce));
                }
            }
        }
        missing
    }

    /// Somebody who has the same account uses another wallet.
    pub(crate) fn mine_rival(&mut self) {
        let nonce = self.chain.nonce(0);
        if nonce >= self.users.next_nonce[0] {
            return;
        }
        // Another device may do just what a task does.
        let is_own = |made: &&Made| made.account == 0 && made.nonce == nonce;
        let own = self.chain.txs.iter().rfind(is_own);
        let same = own.filter(|_| nonce.is_multiple_of(2));
        let data = same.map_or_else(|| b"rival".to_vec(), |made| made.data.clone());
        let (key, value) = same.map_or_else(
            || (String::new(), [].into()),
            |made| (made.key.clone(), made.value.clone()),
        );
        let shape = Shape {
            account: 0,
            nonce,
            is_legacy: true,
            fee: RIVAL_FEE,
            data: &data,
        };
        let tx = self.chain.make(&shape, Quality::Good, &key, &value);
        self.chain.mine_rival(tx);
    }

    // Answers.

    pub(crate) fn answered(&mut self, at: TabRef, ask: Ask, result: Result<Done, Error>) -> Held {
        let Some(asked) = self.tabs[at.tab].asks.remove(&ask) else {
            return broken(0, format!("an answer to nobody: {ask} {result:?}"));
        };
        self.say(|_| {
            let mut text = format!("tab {} → ask {ask}: {result:?}", at.tab);
            text.truncate(220);
            text
        });
        match (asked, result) {
            (Asked::Submit(id, draft), Ok(Done::Task(known))) => {
                self.submitted(at, id, &draft, known)
            }
            // The same click in a tab of an older version.
            (Asked::Submit(_, draft), Err(error))
                if error.code == ErrorCode::InvalidInput && self.lacks(at, &draft) =>
            {
                Ok(())
            }
            (Asked::Submit(id, draft), Err(error)) => {
                self.check_room(at, &error)?;
                self.not_submitted(id, &draft, &error)
            }
            (Asked::Act(id, event), Ok(Done::Task(known))) if known == id => {
                self.acted(at, id, &event)
            }
            (Asked::Replace(id, role, tx), Ok(Done::Task(known))) if known == id => {
                self.replaced(id, role, tx)
            }
            (Asked::Read(key, source, expected, newest), Ok(Done::Entry(entry))) => {
                self.was_read(at, &key, source, expected, newest, entry)
            }
            (Asked::ReadAged(read), Ok(Done::Entry(entry))) => {
                self.check_age(at, &read, entry.as_ref())?;
                self.was_read(
                    at,
                    &read.key,
                    read.source,
                    read.expected,
                    read.newest,
                    entry,
                )
            }
            (Asked::ReadAged(read), Err(error)) => {
                self.check_unread(at, &read, &error)?;
                check_code(&error)
            }
            (Asked::List(walk), Ok(Done::Page(page))) => self.listed(at, *walk, &page),
            (Asked::List(walk), Err(error)) => self.list_failed(&walk, &error),
            (Asked::Count(query, asked), Ok(Done::Count(count))) => {
                self.counted(at, &query, asked, count)
            }
            (Asked::Call, Ok(Done::Call(_))) => Ok(()),
            (Asked::CallFor(number), Ok(Done::Call(body))) => self.called_for(number, &body),
            // The gateways take no batches, and so many do not wait one by one.
            (Asked::CallFor(_), Err(error)) if error.code == ErrorCode::LimitExceeded => Ok(()),
            (Asked::Sync(last), Ok(Done::Synced)) => self.synced(at, last),
            (Asked::Export(exporting), Ok(Done::Part(part, more))) => {
                self.exported(at, *exporting, &part, more)
            }
            (Asked::Import(importing), Ok(Done::Imported(report))) => {
                self.imported(at, *importing, &report)
            }
            // Who slept has them all at once.
            (Asked::Export(_) | Asked::Import(_), Err(error))
                if error.code == ErrorCode::LimitExceeded =>
            {
                Ok(())
            }
            // Who slept meanwhile, or another tab, did more already.
            (Asked::Replace(id, _, tx), Err(error)) if error.code == ErrorCode::InvalidInput => {
                self.was_outbid(id, tx)
            }
            (
                Asked::Act(..)
                | Asked::Replace(..)
                | Asked::Read(..)
                | Asked::Count(..)
                | Asked::Call
                | Asked::CallFor(_)
                | Asked::Sync(_)
                | Asked::Export(_)
                | Asked::Import(_),
                Err(error),
            ) => check_code(&error),
            (asked, result) => broken(0, format!("{asked:?} is answered by {result:?}")),
        }
    }

    /// Whoever is told that a task is accepted finds it durable, and sees it.
    fn submitted(&mut self, at: TabRef, id: TaskId, draft: &Draft, known: TaskId) -> Held {
        let Some(fact) = self.model.facts.get(&known) else {
            return broken(
                1,
                format!(
                    "{} was acknowledged as {} and is not durable",
                    short(id),
                    short(known)
                ),
            );
        };
        let is_same = match draft.tx {
            Some(tx) => fact.txs(&self.chain).any(|own| own == tx),
            None => fact.signer() == draft.sign,
        };
        if !is_same {
            return broken(
                1,
                format!(
                    "{} was acknowledged as {}, another transaction",
                    short(id),
                    short(known)
                ),
            );
        }
        let tab = &self.tabs[at.tab];
        let is_known = tab
            .cache
            .as_ref()
            .is_some_and(|it| it.task(known).is_some());
        if !is_known && !tab.told.contains_key(&known) {
            let what = "was acknowledged, and this tab has not heard of it, nor knows it any more";
            return broken(4, format!("{} {what}", short(known)));
        }
        let value = value_of(&fact.submission);
        if let (Some(value), Some(given)) = (value, &draft.value)
            && value != *given
        {
            return broken(
                1,
                format!(
                    "{} was acknowledged as {}, with another value",
                    short(id),
                    short(known)
                ),
            );
        }
        let key = fact.submission.key.clone();
        self.check_shown(at, &key)
    }

    fn not_submitted(&self, id: TaskId, draft: &Draft, error: &Error) -> Held {
        check_code(error)?;
        // A tab that slept through it all cannot know: then it is settled or discarded, and to submit it again changes nothing.
        let fact = self.model.facts.get(&id);
        if fact.is_some_and(Fact::is_open) {
            return broken(
                1,
                format!("{} was refused ({error}) and is durable", short(id)),
            );
        }
        if error.code == ErrorCode::Conflict {
            let clashes = self.model.facts.values().any(|fact| {
                let has_key = draft.idempotency_key.is_some()
                    && fact.submission.idempotency_key == draft.idempotency_key;
                has_key || fact.txs(&self.chain).any(|tx| Some(tx) == draft.tx)
            });
            if !clashes {
                return broken(0, format!("{} clashes with nothing", short(id)));
            }
        }
        Ok(())
    }

    fn acted(&mut self, at: TabRef, id: TaskId, event: &task::Event) -> Held {
        let Some(fact) = self.model.facts.get(&id) else {
            return broken(0, format!("{} was acted on and is not durable", short(id)));
        };
        // While the tab slept, the task was discarded, and a file brought it in again: this is of its earlier life.
        let cache = self.tabs[at.tab].cache.as_ref();
        let known = cache.and_then(|cache| cache.task(id));
        let is_earlier = known.is_some_and(|known| known.order < fact.order);
        if *event != task::Event::Cancelled || !fact.is_open() || is_earlier {
            return Ok(());
        }
        match &fact.state {
            State::Failed {
                reason: Reason::Cancelled,
                ..
            } => {
                self.users.cancelled.insert(id);
                Ok(())
            }
            state => broken(6, format!("{} was cancelled and is {state:?}", short(id))),
        }
    }

    fn was_read(
        &mut self,
        at: TabRef,
        key: &str,
        source: Source,
        expected: Option<TaskId>,
        newest: Option<(u64, u32)>,
        entry: Option<Entry>,
    ) -> Held {
        let Some(entry) = entry else {
            let Some(cache) = &self.tabs[at.tab].cache else {
                return Ok(());
            };
            let is_there = |id: TaskId| {
                cache.task(id).is_some_and(|task| {
                    !task.state.status().is_settled() && task.state.is_visible()
                })
            };
            if matches!(source, Source::Any | Source::Backup) && expected.is_some_and(is_there) {
                return broken(4, format!("{key} is not found, {expected:?} writes it"));
            }
            // Without a function that reads keys from the chain there is nothing to be found there.
            let can_know = match source {
                Source::Any | Source::Cache => true,
                Source::Chain => self.climate.has_reader,
                Source::Backup => false,
            };
            self.check_pile_absent(at, key, source)?;
            if can_know
                && newest.is_some()
                // What is final may be an update that nothing is made of.
                && !self.model.rows.keys.contains(key)
                && expected.is_none()
                // Where records are damaged nobody may know what was settled.
                && self.rotten.is_empty()
                && !self.model.may_lack_value(key)
                && !self.model.was_evicted(key, newest)
            {
                return broken(
                    9,
                    format!("{key} is not found, it was settled at {newest:?}"),
                );
            }
            return Ok(());
        };
        if entry.key != key {
            return broken(0, format!("{key} was asked for, not {}", entry.key));
        }
        if entry.is_stale {
            self.tabs[at.tab].readers.renewing.insert(key.into());
        }
        self.check_newest_read(at, source, &entry)?;
        self.check_pile_read(at, source, &entry)?;
        if let (Status::Final, Some(place)) = (entry.status, self.place_of(&entry))
            && source != Source::Chain
            && newest.is_some_and(|newest| place < newest)
            // An update that nothing is made of counts as final, too.
            && !self.model.rows.keys.contains(key)
            // What was evicted is forgotten: who submits an old payload again makes that the newest.
            && !self.model.was_evicted(key, newest)
        {
            return broken(
                9,
                format!("{key} was settled at {newest:?}, read is {place:?}"),
            );
        }
        // What the chain said of the key, as of a block, is no answer once a later one is known to have settled it.
        if let (None, Some(block), Some(newest)) = (entry.tx, entry.block, newest)
            && block.number < newest.0
            && !self.model.was_evicted(key, Some(newest))
        {
            return broken(
                9,
                format!("{key} was settled at {newest:?}, the chain's word is of {block:?}"),
            );
        }
        self.check_reading(at, &entry)?;
        self.check_entry(at, &entry)
    }

    /// Who reads wherever it is found gets the newest write that is not settled, also where it came while the chain was read.
    fn check_newest_read(&self, at: TabRef, source: Source, entry: &Entry) -> Held {
        if source == Source::Any {
            self.check_not_over(&self.tabs[at.tab], entry)?;
        }
        let newest = self.expected(&self.tabs[at.tab], &entry.key);
        match newest.filter(|task| value_of(&task.submission).is_some()) {
            Some(task) if source == Source::Any && entry.task != Some(task.submission.id) => {
                broken(
                    4,
                    format!(
                        "{} is read from {:?}, and {} writes it",
                        entry.key,
                        entry.source,
                        short(task.submission.id)
                    ),
                )
            }
            Some(_) | None => Ok(()),
        }
    }

    /// An entry holds what somebody wrote there; and where it is settled, nothing older than was shown before.
    pub(crate) fn check_entry(&mut self, at: TabRef, entry: &Entry) -> Held {
        let is_piled = self.model.rows.keys.contains(&entry.key);
        let is_written = is_piled
            || self.chain.txs.iter().any(|made| {
                let calldata = || {
                    made.payload
                        .windows(entry.value.len().max(1))
                        .any(|part| *part == *entry.value)
                };
                made.key == entry.key && (*made.value == *entry.value || calldata())
                    || made.hash.to_string() == entry.key && calldata()
            });
        // An altered repetition is taken where the first did not get through.
        let is_altered = || {
            let drafts = self.users.drafts.iter().filter(|draft| match draft.tx {
                Some(tx) => self.chain.txs[tx].key == entry.key,
                None => draft.key.as_ref() == Some(&entry.key),
            });
            drafts
                .filter_map(|draft| draft.value.as_ref())
                .any(|value| **value == *entry.value)
        };
        if !is_written && !is_altered() {
            return broken(
                0,
                format!("{} holds what nobody wrote: {entry:?}", entry.key),
            );
        }
        if entry.status != Status::Final {
            return Ok(());
        }
        let Some(place) = self.place_of(entry) else {
            return Ok(());
        };
        let newest = self.tabs[at.tab]
            .shown
            .entry(entry.key.clone())
            .or_insert(place);
        // What was evicted is forgotten, or is not at hand: who submits an old payload of its key again makes that the newest.
        let is_forgotten = self.model.evicted_keys.contains(&entry.key)
            || self.climate.values_at_hand < MAX_VALUES && self.model.was_taken_before(entry.task);
        if place < *newest && !is_forgotten {
            return broken(
                9,
                format!(
                    "{} showed what was settled at {newest:?}, and now {place:?} ({:?}, task {:?})",
                    entry.key, entry.tx, entry.task
                ),
            );
        }
        *newest = place;
        Ok(())
    }

    /// Where the chain executed what the entry shows.
    pub(crate) fn place_of(&self, entry: &Entry) -> Option<(u64, u32)> {
        let tx = self.chain.by_hash(&entry.tx?)?;
        let (block, index, _) = self.chain.place(tx)?;
        Some((block.number, index))
    }
}

/// A fault has a code that says so; anything else is a bug.
fn check_code(error: &Error) -> Held {
    match error.code {
        ErrorCode::Conflict
        | ErrorCode::NotFound
        | ErrorCode::AlreadySent
        | ErrorCode::StorageUnavailable
        | ErrorCode::StorageFailed
        | ErrorCode::QuotaExceeded
        | ErrorCode::GatewayUnreachable
        | ErrorCode::GatewayError => Ok(()),
        ErrorCode::InvalidInput
        | ErrorCode::WrongChain
        | ErrorCode::TooLarge
        | ErrorCode::Closed
        | ErrorCode::Aborted
        | ErrorCode::NewerFormat
        | ErrorCode::LimitExceeded
        | ErrorCode::Failed
        | ErrorCode::CannotSend
        | ErrorCode::Internal => broken(0, format!("an error that no fault explains: {error}")),
    }
}
