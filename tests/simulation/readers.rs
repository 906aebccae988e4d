//! Users who say how old an answer may be, who read many keys at once and lose their patience; and what must hold of all that
//! is read from the chain.

use crate::chain::Quality;
use crate::climate::pick;
use crate::disk::TabRef;
use crate::model::{Held, broken, value_of};
use crate::payload::Shape;
use crate::users::Asked;
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};
use uplink_cache::cache::{Cache, Entry, Input, Notice, Output, Place, Source};
use uplink_cache::error::Error;
use uplink_cache::log::Ask;
use uplink_cache::memory::MAX_VALUES;
use uplink_cache::task::{Block, Hash, Status, TaskId};

/// Keys that only others write.
const THEIRS: [&str; 3] = ["theirs/0", "theirs/1", "theirs/2"];
const THEIR_ACCOUNT: u8 = 4;

/// A read that says how old the answer may be.
#[derive(Debug, Clone)]
pub(crate) struct AgedRead {
    pub(crate) key: String,
    pub(crate) source: Source,
    /// The task that must be seen.
    pub(crate) expected: Option<TaskId>,
    /// The newest final place that is known.
    pub(crate) newest: Option<(u64, u32)>,
    max_age_ms: Option<u64>,
    asked_ms: u64,
}

/// What the dapp's function said to a tab.
struct Said {
    value: Option<Vec<u8>>,
    at_ms: u64,
    /// The head as of which it is was heard of no later.
    heard_ms: u64,
}

/// What the dapp's function is asked.
struct Question {
    key: String,
    block: Block,
    /// The head was heard of no later.
    heard_ms: u64,
}

/// A tab's side of the dapp's function.
#[derive(Default)]
pub(crate) struct Readers {
    /// At work for these keys, by number.
    under_way: BTreeMap<u64, Question>,
    /// Of each key, as of which block.
    said: BTreeMap<String, BTreeMap<Block, Said>>,
    /// Keys of which something old was given: the function may be at work although nobody waits.
    pub(crate) renewing: BTreeSet<String>,
    /// Of each key, as of which block it was last shown.
    shown: BTreeMap<String, Block>,
    /// When a gateway last said something.
    heard_ms: u64,
    /// Reads that came in, and keys that are looked up in the store for some, by number.
    came: BTreeSet<Ask>,
    looked_up: BTreeMap<u64, Vec<Place>>,
    /// What was said before is in doubt.
    certain_since_ms: u64,
    /// Blocks that left the chain, as the tab told: from and to which height, and when.
    left: Vec<(u64, u64, u64)>,
}

impl Readers {
    /// The core wants something done.
    pub(crate) fn does(&mut self, output: &Output) -> Held {
        match output {
            Output::Get(id, places) => {
                self.looked_up.insert(*id, places.clone());
            }
            Output::ReadChain(id, key, block) => {
                if self.under_way.values().any(|known| known.key == *key) {
                    return broken(11, format!("{key} is read twice at a time"));
                }
                let question = Question {
                    key: key.clone(),
                    block: *block,
                    heard_ms: self.heard_ms,
                };
                self.under_way.insert(*id, question);
            }
            Output::StopReading(id) if self.under_way.remove(id).is_none() => {
                return broken(0, format!("{id} is not being read, and is to be stopped"));
            }
            _ => {}
        }
        Ok(())
    }

    /// The core hears something.
    pub(crate) fn hears(&mut self, now_ms: u64, input: &Input) {
        if matches!(input, Input::Answered(..) | Input::Pushed(_)) {
            self.heard_ms = now_ms;
        }
        if let Input::ReadMany(wanted, ..) = input {
            self.came.extend(wanted.iter().map(|(ask, _)| *ask));
        }
        if let Input::Got(id, _) = input {
            self.looked_up.remove(id);
        }
        let Input::ChainRead(id, result) = input else {
            return;
        };
        let Some(question) = self.under_way.remove(id) else {
            return;
        };
        let Question {
            key,
            block,
            heard_ms,
        } = question;
        self.renewing.remove(&key);
        if let Ok(value) = result {
            let said = Said {
                value: value.clone(),
                at_ms: now_ms,
                heard_ms,
            };
            self.said.entry(key).or_default().insert(block, said);
        }
    }

    /// The app is told something that puts in doubt what was read.
    pub(crate) fn is_told(&mut self, now_ms: u64, notice: &Notice) {
        match notice {
            // A fold that begins anew while a tab opens is told of by nothing else.
            Notice::Refolded | Notice::Opened => self.certain_since_ms = now_ms,
            Notice::Reorg(reorg) => {
                self.certain_since_ms = now_ms;
                self.shown.retain(|_, block| block.number < reorg.first);
                self.left.push((reorg.first, reorg.last, now_ms));
            }
            _ => {}
        }
    }
}

/// Whether an entry is what the dapp's function read.
fn is_reading(entry: &Entry) -> bool {
    entry.task.is_none() && entry.tx.is_none() && entry.status == Status::Included
}

impl World {
    pub(crate) fn use_readers(&mut self, tab: usize) -> Held {
        match self.rng.u8(..8) {
            0 => return self.call_many(tab),
            1 => {
                self.others_write();
                return Ok(());
            }
            _ => {}
        }
        let Some(cache) = &self.tabs[tab].cache else {
            return Ok(());
        };
        if self.users.keys.is_empty() {
            return Ok(());
        }
        let source = *pick(
            &mut self.rng,
            &[
                Source::Any,
                Source::Any,
                Source::Any,
                Source::Cache,
                Source::Chain,
            ],
        );
        let max_age_ms = *pick(
            &mut self.rng,
            &[None, None, Some(0), Some(2_000), Some(15_000)],
        );
        let mut reads = Vec::new();
        for _ in 0..self.rng.u8(1..6) {
            let key = if self.rng.u8(..3) > 0 {
                pick(&mut self.rng, &THEIRS).to_string()
            } else {
                pick(&mut self.rng, &self.users.keys).clone()
            };
            reads.push(AgedRead {
                expected: self
                    .expected(&self.tabs[tab], &key)
                    .map(|task| task.submission.id),
                newest: self.newest_final(tab, cache, &key),
                key,
                source,
                max_age_ms,
                asked_ms: self.tab_ms(tab),
            });
        }
        let at_once: Vec<bool> = reads
            .iter()
            .map(|read| self.is_at_hand(tab, read))
            .collect();
        let mut asks = Vec::new();
        for read in reads {
            let key = read.key.clone();
            asks.push((self.ask(tab, Asked::ReadAged(Box::new(read))), key));
        }
        let at = self.at_tab(tab);
        self.input(at, Input::ReadMany(asks.clone(), source, max_age_ms))?;
        if !self.is_awake(at) {
            return Ok(());
        }
        for ((ask, key), is_at_once) in asks.into_iter().zip(at_once) {
            if is_at_once && self.tabs[tab].asks.contains_key(&ask) {
                return broken(11, format!("{key} is fresh, and is asked for again"));
            }
            self.count_quietly(is_at_once, "(a reading answers from memory)");
            if self.rng.u8(..4) == 0 && self.tabs[tab].asks.remove(&ask).is_some() {
                self.count_quietly(true, "(a read is given up)");
                self.input(at, Input::Abandon(ask))?;
            }
        }
        Ok(())
    }

    /// What the chain has is not all of this browser's making. An empty value is none.
    fn others_write(&mut self) {
        let key = *pick(&mut self.rng, &THEIRS);
        if !self.users.keys.iter().any(|known| known == key) {
            self.users.keys.push(key.into());
        }
        let value = vec![7; self.rng.usize(..4)];
        let shape = Shape {
            account: THEIR_ACCOUNT,
            nonce: self.chain.txs.len() as u64,
            is_legacy: true,
            fee: 0,
            data: &value,
        };
        let tx = self.chain.make(&shape, Quality::Good, key, &value);
        self.chain.mine_rival(tx);
    }

    fn is_awake(&self, at: TabRef) -> bool {
        self.is_alive(at) && self.now_ms >= self.tabs[at.tab].frozen_until_ms
    }

    fn count_quietly(&mut self, happens: bool, what: &'static str) {
        *self.faults.entry(what).or_default() += u64::from(happens);
    }

    /// The calls of one turn: each gets its own answer.
    fn call_many(&mut self, tab: usize) -> Held {
        let at = self.at_tab(tab);
        let mut calls = Vec::new();
        for _ in 0..self.rng.u8(1..120) {
            let number = self.rng.u64(1..400);
            let ask = self.ask(tab, Asked::CallFor(number));
            let params = format!(r#"["0x{number:x}",false]"#);
            calls.push((ask, "eth_getBlockByNumber".into(), params));
        }
        let asks: Vec<_> = calls.iter().map(|(ask, ..)| *ask).collect();
        self.input(at, Input::CallMany(calls))?;
        let gives_up = self.rng.u8(..4) == 0;
        for ask in asks {
            let is_chosen = self.rng.u8(..4) > 0;
            if gives_up && is_chosen && self.is_awake(at) {
                self.tabs[tab].asks.remove(&ask);
                self.input(at, Input::Abandon(ask))?;
            }
        }
        Ok(())
    }

    /// The answer to a call is the block that it asked for, or that there is none.
    pub(crate) fn called_for(&mut self, number: u64, body: &str) -> Held {
        let is_none = body.contains(r#""result":null"#);
        let is_it = body.contains(&format!(r#""number":"0x{number:x}""#));
        self.count_quietly(is_it, "(a call of a batch is answered)");
        if is_none || is_it {
            return Ok(());
        }
        broken(0, format!("block {number} was asked for, not {body}"))
    }

    /// How old the answer may be; where nothing is there, too.
    fn most_ms(&self, read: &AgedRead, is_there: bool) -> u64 {
        let usual = self.climate.freshness;
        let most_ms = match (read.max_age_ms, read.source) {
            (Some(max_age_ms), _) => max_age_ms,
            (None, Source::Chain) => 0,
            (None, _) => usual.max_age_ms.unwrap_or(self.climate.poll_ms),
        };
        if is_there {
            most_ms
        } else {
            most_ms.min(usual.negative_max_age_ms)
        }
    }

    /// Whether the tab has what answers a read: then nobody is asked.
    fn is_at_hand(&self, tab: usize, read: &AgedRead) -> bool {
        let (tab_ms, tab) = (self.tab_ms(tab), &self.tabs[tab]);
        let Some(cache) = tab.cache.as_ref().filter(|cache| !cache.is_restarting()) else {
            return false;
        };
        // One read may push out what answers the next.
        if self.climate.values_at_hand < MAX_VALUES {
            return false;
        }
        let mut tasks = cache.tasks().filter(|task| task.submission.key == read.key);
        let shown = cache.peek(&read.key).filter(is_reading);
        let Some(block) = shown.and_then(|entry| entry.block) else {
            return false;
        };
        let of_key = tab.readers.said.get(&read.key);
        let said = of_key.and_then(|said| said.get(&block));
        let is_fresh = |said: &Said| {
            said.at_ms > tab.readers.certain_since_ms
                && tab_ms < said.at_ms + self.most_ms(read, true)
        };
        // Whoever hears of another block of its height asks again.
        tasks.next().is_none() && self.chain.is_canonical(&block) && said.is_some_and(is_fresh)
    }

    /// An answer is as old as was asked for, or says that it is not; and it is what the chain had at its block.
    pub(crate) fn check_age(&mut self, at: TabRef, read: &AgedRead, entry: Option<&Entry>) -> Held {
        let now_ms = self.tab_ms(at.tab);
        let key = &read.key;
        let most_ms = |is_there| self.most_ms(read, is_there);
        let of_key = self.tabs[at.tab].readers.said.get(key);
        let mut said = of_key.into_iter().flatten();
        let Some(entry) = entry else {
            let asks_chain = matches!(read.source, Source::Any | Source::Chain);
            // What was said after it was asked for is as new as can be, also where the store is asked once more behind it.
            let is_new = |said: &Said| {
                said.at_ms >= read.asked_ms
                    || said.value.is_none() && now_ms < said.at_ms + most_ms(false)
            };
            if !asks_chain || Hash::parse(key).is_some() {
                return Ok(());
            }
            let of_key = || of_key.into_iter().flatten();
            let none = of_key().rfind(|(_, said)| said.value.is_none());
            let Some((block, none)) = none.filter(|_| of_key().any(|(_, said)| is_new(said)))
            else {
                return broken(9, format!("{key} is not there, by no reading that is new"));
            };
            let (block, at_ms) = (*block, none.at_ms);
            self.count_quietly(at_ms < now_ms, "(that nothing is there is at hand)");
            return self.check_place(at, key, block);
        };
        let is_of_ours = entry.status == Status::Final && entry.source != Source::Chain;
        if is_of_ours && read.max_age_ms.is_some() && !entry.is_stale {
            return broken(
                9,
                format!("{key} is settled, of any age, and does not say so"),
            );
        }
        if !is_reading(entry) {
            return Ok(());
        }
        let Some((_, said)) = said.find(|(block, _)| Some(**block) == entry.block) else {
            return broken(9, format!("{key} was never read at {:?}", entry.block));
        };
        if said.value.as_deref() != Some(&*entry.value) {
            return broken(9, format!("{key} was not so at {:?}", entry.block));
        }
        let has_left = |block: &Block| {
            let mut left = self.tabs[at.tab].readers.left.iter();
            left.any(|(first, last, told_ms)| {
                (*first..=*last).contains(&block.number) && said.at_ms < *told_ms
            }) && !self.chain.is_canonical(block)
        };
        if !entry.is_stale && entry.block.as_ref().is_some_and(has_left) {
            return broken(
                9,
                format!("{key} was read at {:?}, which left", entry.block),
            );
        }
        let since_ms = self.head_since_ms(read);
        if entry.source == Source::Chain && since_ms.is_some_and(|since| said.heard_ms < since) {
            let heard_ms = said.heard_ms;
            return broken(
                9,
                format!("{key} is of a head of {heard_ms}, which {since_ms:?} was asked for"),
            );
        }
        let age_ms = now_ms - said.at_ms;
        if !entry.is_stale && age_ms > 0 && age_ms >= most_ms(true) {
            return broken(9, format!("{key} is {age_ms} ms old, and does not say so"));
        }
        self.count_quietly(entry.is_stale, "(a reading that is old says so)");
        Ok(())
    }

    /// The chain is to be read as of a head that was heard of since then, where whoever reads says how old it may be.
    fn head_since_ms(&self, read: &AgedRead) -> Option<u64> {
        let max_age_ms = read.max_age_ms?.min(self.climate.poll_ms);
        Some(read.asked_ms.saturating_sub(max_age_ms))
    }

    /// What a tab shows of the chain never steps back, as long as the block stands.
    pub(crate) fn check_reading(&mut self, at: TabRef, entry: &Entry) -> Held {
        let place = match entry.status {
            Status::Included if is_reading(entry) => entry.block,
            Status::Final => entry.block,
            _ => None,
        };
        let Some(block) = place else { return Ok(()) };
        let before = self.tabs[at.tab].readers.shown.get(&entry.key).copied();
        self.check_place(at, &entry.key, block)?;
        if let Some(before) = before.filter(|_| !is_reading(entry)) {
            // What was written in a block is no reading as of it.
            let shown = &mut self.tabs[at.tab].readers.shown;
            shown.insert(entry.key.clone(), before);
        } else if !is_reading(entry) {
            self.tabs[at.tab].readers.shown.remove(&entry.key);
        }
        Ok(())
    }

    fn check_place(&mut self, at: TabRef, key: &str, now: Block) -> Held {
        // A reading that is not at hand any more stands against none.
        if self.climate.values_at_hand < MAX_VALUES {
            return Ok(());
        }
        let shown = &mut self.tabs[at.tab].readers.shown;
        let before = shown.insert(key.into(), now);
        let stands = before.filter(|before| self.chain.is_canonical(before));
        match stands.filter(|before| now.number < before.number) {
            Some(before) => broken(
                9,
                format!(
                    "{key} was shown as of block {}, and now of {}",
                    before.number, now.number
                ),
            ),
            None => Ok(()),
        }
    }

    /// Nobody waits for a network that is away: they get what is known, or hear that nothing can be reached.
    pub(crate) fn check_heard(&self, at: TabRef, ask: Ask, since_ms: u64) -> Held {
        let tab = &self.tabs[at.tab];
        let was_offline = !tab.is_online && tab.offline_since_ms == since_ms;
        let is_awake = self.is_alive(at) && tab.frozen_until_ms <= self.now_ms;
        // The disk may be what is waited for.
        let is_slow = tab.disk_ms > self.now_ms || !self.disk.queue.is_empty();
        match tab.asks.get(&ask) {
            Some(asked) if was_offline && is_awake && !is_slow => broken(
                10,
                format!("{asked:?} waits for as long as the tab is offline"),
            ),
            Some(_) | None => Ok(()),
        }
    }

    /// The function is at work for somebody, or to renew what was given.
    pub(crate) fn check_wanted_reads(&self, at: TabRef) -> Held {
        let tab = &self.tabs[at.tab];
        for Question { key, .. } in tab.readers.under_way.values() {
            let waits = |asked: &Asked| match asked {
                Asked::Read(own, ..) => own == key,
                Asked::ReadAged(read) => read.key == *key,
                _ => false,
            };
            if !tab.readers.renewing.contains(key) && !tab.asks.values().any(waits) {
                return broken(11, format!("{key} is read from the chain for nobody"));
            }
        }
        Ok(())
    }

    /// The head as of which a key is read is no older than any who asks wants the answer to be.
    pub(crate) fn check_head(&self, at: TabRef, key: &str) -> Held {
        let tab = &self.tabs[at.tab];
        let own = Place::Value(key.into());
        let mut looked_up = tab.readers.looked_up.values().flatten();
        // Some of those who ask may not have come as far, as may those of one call.
        let now_ms = self.tab_ms(at.tab);
        if looked_up.any(|place| *place == own) {
            return Ok(());
        }
        let since_ms = tab.asks.iter().filter_map(|(ask, asked)| match asked {
            Asked::ReadAged(read) if read.key == key && tab.readers.came.contains(ask) => {
                self.head_since_ms(read).filter(|_| read.asked_ms < now_ms)
            }
            _ => None,
        });
        match since_ms
            .max()
            .filter(|since_ms| tab.readers.heard_ms < *since_ms)
        {
            Some(since_ms) => {
                let heard_ms = tab.readers.heard_ms;
                broken(
                    9,
                    format!(
                        "{key} is read as of a head of {heard_ms}, it may be of {since_ms} or later"
                    ),
                )
            }
            None => Ok(()),
        }
    }

    /// Who says how old it may be is told of a failure only where nothing is known.
    pub(crate) fn check_unread(&self, at: TabRef, read: &AgedRead, error: &Error) -> Held {
        let cache: Option<&Cache> = self.tabs[at.tab].cache.as_ref();
        let shown = cache.and_then(|cache| cache.peek(&read.key));
        let newest = self.expected(&self.tabs[at.tab], &read.key);
        let is_at_hand = newest.is_none_or(|task| value_of(&task.submission).is_some());
        if error.code.as_str().starts_with("gateway")
            && read.source == Source::Any
            && shown.is_some()
            && is_at_hand
        {
            return broken(4, format!("{} is known, and told is {error}", read.key));
        }
        Ok(())
    }
}
