//! The tabs: each a core with its driver, opened, crashed and closed; and the lock that one of them holds.

use crate::disk::{Ask as DiskAsk, TabRef};
use crate::line::Line;
use crate::model::{End, Fact, Held, broken};
use crate::mutants::Mutant;
use crate::payload::{self, CHAIN_ID};
use crate::readers::Readers;
use crate::signers;
use crate::sockets::Socket;
use crate::telling::Telling;
use crate::updates::{Functions, place};
use crate::users::Asked;
use crate::world::{Event, MAX_WAKES, World, short};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use uplink_cache::backup::blob_keys;
use uplink_cache::cache::{Cache, Config, Entry, Input, Notice, Output, Source, Tip};
use uplink_cache::error::{Error, ErrorCode};
use uplink_cache::gateway::Answer;
use uplink_cache::log::Ask;
use uplink_cache::memory::MAX_VALUES;
use uplink_cache::ordered::OrderedMap;
use uplink_cache::task::{Block, Hash, Status, Task, TaskId};

/// What tells one showing of a key from another.
type Seen = (Option<Hash>, Status, Option<TaskId>, Option<Block>);

/// A tab, open or not.
#[derive(Default)]
pub(crate) struct Tab {
    pub(crate) life: u32,
    pub(crate) cache: Option<Cache>,
    /// When it is woken: by its own clock, and in the world's time.
    wake: Option<(u64, u64)>,
    /// How often it was woken within this second.
    wakes: (u64, u32),
    /// How far its clock is ahead of the world's.
    pub(crate) ahead_ms: i64,
    /// Until then the disk's answers are on their way: later ones come later.
    pub(crate) disk_ms: u64,
    pub(crate) is_online: bool,
    pub(crate) offline_since_ms: u64,
    /// The log was folded up to its end.
    pub(crate) is_open: bool,
    pub(crate) has_signers: bool,
    pub(crate) functions: Functions,
    pub(crate) line: Line,
    pub(crate) telling: Telling,
    /// Until then it does nothing: what comes in meanwhile waits.
    pub(crate) frozen_until_ms: u64,
    held: VecDeque<Input>,
    /// Up to this key it may know less than the log said there: it began with a log that was cleaned.
    pub(crate) floor: u64,
    /// Where it was last compared while it was behind.
    checked_at: u64,
    /// Over which new heads are pushed to it.
    pub(crate) socket: Option<Socket>,
    /// The disk told it that nothing can be evicted, since it last stored something.
    pub(crate) saw_nothing_to_evict: bool,
    /// Commits in a row that went before a cleaning which was due.
    pub(crate) overdue: u32,
    pub(crate) readers: Readers,
    /// Callers that wait.
    pub(crate) asks: BTreeMap<Ask, Asked>,
    /// What this tab last told of each task.
    pub(crate) told: BTreeMap<TaskId, Status>,
    /// What a watcher of everything saw of each task when it was last called.
    pub(crate) watched: BTreeMap<TaskId, Status>,
    /// Of each key, the newest final place that this tab showed.
    pub(crate) shown: BTreeMap<String, (u64, u32)>,
    /// Of each key, what was seen at the last look.
    seen: BTreeMap<String, Seen>,
    /// Of each key, the task that was shown at the last look, where that was not settled.
    unsettled: BTreeMap<String, TaskId>,
    /// Of each key, what was shown at the last look, and the tasks that it may be made of.
    made: BTreeMap<String, (Entry, Vec<TaskId>)>,
    /// Of each key, what was looked at when what it shows was last found right.
    found_right: BTreeMap<String, Compared>,
}

/// All that what a key shows is compared with, where no update writes it.
#[derive(PartialEq)]
struct Compared {
    shown: Option<Entry>,
    at_once: Option<Entry>,
    /// Of the tab.
    position: u64,
    is_open: bool,
    is_restarting: bool,
    /// Of the model.
    version: u64,
}

impl Tab {
    fn knows_not(&self, id: TaskId) -> bool {
        let cache = self.cache.as_ref();
        cache.is_some_and(|cache| cache.task(id).is_none())
    }
}

impl World {
    pub(crate) fn at_tab(&self, tab: usize) -> TabRef {
        TabRef {
            tab,
            life: self.tabs[tab].life,
        }
    }

    pub(crate) fn is_alive(&self, at: TabRef) -> bool {
        let tab = &self.tabs[at.tab];
        tab.life == at.life && tab.cache.is_some()
    }

    pub(crate) fn open(&mut self, tab: usize) -> Held {
        if self.tabs[tab].cache.is_some() {
            return Ok(());
        }
        let signers = if self.strikes("a tab has no signers", self.climate.no_signers) {
            OrderedMap::new()
        } else {
            signers::registered()
        };
        let has_signers = !signers.is_empty();
        let config = Config {
            chain_id: CHAIN_ID,
            finality: self.climate.finality,
            urls: self.climate.gateways.len(),
            quorum: match self.mutant {
                Some(Mutant::QuorumIgnored) => 1,
                Some(_) | None => self.climate.quorum,
            },
            limits: self.climate.limits,
            poll_ms: self.climate.poll_ms,
            sockets: self.climate.sockets,
            lane: "account 0".into(),
            hears_others: self.climate.hears_others,
            has_reader: self.climate.has_reader,
            freshness: self.climate.freshness,
            clean_at_bytes: self.climate.clean_at_bytes,
            index_at_bytes: self.climate.index_at_bytes,
            values_budget_bytes: self.climate.values_budget_bytes,
            values_at_hand: self.climate.values_at_hand,
            signers,
            seed: self.rng.u64(..),
        };
        let ahead_ms = self.first_ahead_ms();
        let functions = self.draw_functions();
        self.tabs[tab] = Tab {
            life: self.tabs[tab].life + 1,
            ahead_ms,
            cache: Some(Cache::with_updates(config, Rc::new(functions.clone()))),
            functions,
            is_online: true,
            offline_since_ms: 0,
            has_signers,
            telling: Telling::new(self.disk.last_key()),
            ..Tab::default()
        };
        let at = self.at_tab(tab);
        self.say(|_| format!("tab {tab} opens"));
        self.lock.push_back(at);
        let delay_ms = self.rng.u64(0..50);
        self.after(delay_ms, Event::Grant);
        self.drain(at)
    }

    /// The tab's process dies, and is started again some time later.
    pub(crate) fn crash_tab(&mut self, tab: usize) -> Held {
        if self.tabs[tab].cache.is_none() {
            return Ok(());
        }
        let at = self.at_tab(tab);
        let is_stored = self.rng.bool();
        self.say(|_| format!("tab {tab} crashes"));
        self.disk.crash(at, is_stored);
        self.end_tab(tab);
        if self.mutant == Some(Mutant::CrashLosesCommit) {
            self.disk.forget_newest();
        }
        self.model.check_disk(&self.disk, 1)
    }

    /// Commits that the tab had asked for are still completed.
    pub(crate) fn close_tab(&mut self, tab: usize) -> Held {
        if self.tabs[tab].cache.is_some() {
            self.say(|_| format!("tab {tab} is closed"));
            let at = self.at_tab(tab);
            self.input(at, Input::Close(None))?;
        }
        if self.tabs[tab].cache.is_some() {
            self.end_tab(tab);
        }
        Ok(())
    }

    fn end_tab(&mut self, tab: usize) {
        let at = self.at_tab(tab);
        self.tabs[tab].cache = None;
        self.tabs[tab].asks.clear();
        self.release_lock(at);
        let delay_ms = self.rng.u64(0..8_000);
        self.after(delay_ms, Event::Open(tab));
    }

    pub(crate) fn grant(&mut self) -> Held {
        if self.mutant == Some(Mutant::TwoLeaders) {
            self.holder = self.lock.front().copied();
            for at in self.lock.clone() {
                self.input(at, Input::Leading(true))?;
            }
            return Ok(());
        }
        if self.holder.is_some() {
            return Ok(());
        }
        let Some(at) = self.lock.front().copied() else {
            return Ok(());
        };
        self.holder = Some(at);
        self.input(at, Input::Leading(true))
    }

    pub(crate) fn go_offline(&mut self, tab: usize, until_ms: u64) -> Held {
        let at = self.at_tab(tab);
        self.tabs[tab].is_online = false;
        self.tabs[tab].offline_since_ms = self.now_ms;
        self.at(until_ms, Event::Input(at, Input::Online(true)));
        self.input(at, Input::Online(false))
    }

    pub(crate) fn go_online(&mut self, tab: usize) -> Held {
        let at = self.at_tab(tab);
        self.input(at, Input::Online(true))
    }

    pub(crate) fn lose_storage(&mut self, tab: usize) -> Held {
        let at = self.at_tab(tab);
        let error = Error::new(ErrorCode::StorageUnavailable, "the connection was closed");
        self.input(at, Input::StorageLost(error))
    }

    pub(crate) fn wake(&mut self, at: TabRef) -> Held {
        let is_lost = self.is_quiet
            && match self.mutant {
                Some(Mutant::WakesLost) => true,
                Some(Mutant::PushesReplaceWakes) => self.tabs[at.tab].socket.is_some(),
                Some(_) | None => false,
            };
        let tab = &mut self.tabs[at.tab];
        if is_lost || tab.life != at.life || tab.wake.is_none_or(|(_, at_ms)| at_ms != self.now_ms)
        {
            return Ok(());
        }
        tab.wake = None;
        let second = self.now_ms / 1_000;
        if tab.wakes.0 != second {
            tab.wakes = (second, 0);
        }
        tab.wakes.1 += 1;
        if tab.wakes.1 > MAX_WAKES {
            return broken(11, "a tab is woken again and again, for nothing");
        }
        self.woken_in_outage()?;
        self.input(at, Input::Wake)
    }

    pub(crate) fn input(&mut self, at: TabRef, input: Input) -> Held {
        if !self.is_alive(at) {
            return Ok(());
        }
        if self.now_ms < self.tabs[at.tab].frozen_until_ms {
            self.tabs[at.tab].held.push_back(input);
            return Ok(());
        }
        self.thaw(at)?;
        self.take(at, input)
    }

    pub(crate) fn freeze_tab(&mut self, tab: usize, until_ms: u64) {
        let at = self.at_tab(tab);
        let is_asleep = self.tabs[tab].frozen_until_ms > self.now_ms;
        // Until when its clock stands still is settled.
        if is_asleep && self.climate.clock_stands > 0 {
            return;
        }
        self.clock_sleeps(at, until_ms);
        self.tabs[tab].frozen_until_ms = until_ms;
        self.at(until_ms, Event::Thaw(at));
    }

    /// The browser says that it will freeze the tab: it gives the lock up before, and queues for it again when it wakes.
    pub(crate) fn suspend_tab(&mut self, tab: usize, until_ms: u64) -> Held {
        let at = self.at_tab(tab);
        if !self.is_alive(at) || self.tabs[tab].frozen_until_ms > self.now_ms {
            return Ok(());
        }
        if self.mutant != Some(Mutant::LeadsFrozen) {
            self.input(at, Input::Leading(false))?;
        }
        if !self.is_alive(at) {
            return Ok(());
        }
        self.release_lock(at);
        // A mutant's tab does not even stop.
        if self.mutant != Some(Mutant::LeadsFrozen) {
            self.clock_sleeps(at, until_ms);
            self.tabs[tab].frozen_until_ms = until_ms;
            self.at(until_ms, Event::Thaw(at));
        }
        self.at(until_ms, Event::Resume(at));
        Ok(())
    }

    /// Its commit takes long, and the browser does not wait for it.
    pub(crate) fn suspend_amid(&mut self, at: TabRef) -> Held {
        let is_amid = self
            .disk
            .queue
            .front()
            .is_some_and(|front| front.from == at);
        if !is_amid || self.is_quiet || !self.is_alive(at) {
            return Ok(());
        }
        self.count("a tab is suspended amid a commit");
        let resumes_ms = self.now_ms + self.rng.u64(500..60_000);
        self.suspend_tab(at.tab, resumes_ms)
    }

    pub(crate) fn resume_tab(&mut self, at: TabRef) -> Held {
        if !self.is_alive(at) {
            return Ok(());
        }
        self.lock.push_back(at);
        let delay_ms = self.rng.u64(0..50);
        self.after(delay_ms, Event::Grant);
        self.input(at, Input::Sync(None))
    }

    fn release_lock(&mut self, at: TabRef) {
        self.lock.retain(|waiting| *waiting != at);
        if self.holder == Some(at) {
            self.holder = None;
            let delay_ms = self.rng.u64(0..1_000);
            self.after(delay_ms, Event::Grant);
        }
    }

    /// What came in while the tab was frozen is heard now.
    pub(crate) fn thaw(&mut self, at: TabRef) -> Held {
        while self.is_alive(at)
            && self.now_ms >= self.tabs[at.tab].frozen_until_ms
            && let Some(input) = self.tabs[at.tab].held.pop_front()
        {
            self.take(at, input)?;
        }
        Ok(())
    }

    fn take(&mut self, at: TabRef, mut input: Input) -> Held {
        if !self.is_alive(at) {
            return Ok(());
        }
        if let Input::Answered(id, answer) = &mut input {
            let now_ms = self.tab_ms(at.tab);
            self.tabs[at.tab].line.hears(now_ms, *id, answer);
            if self.mutant == Some(Mutant::HintLost)
                && let Answer::Http { retry_after_ms, .. } = answer
            {
                *retry_after_ms = None;
            }
        }
        if let Input::Online(is_online) = input {
            self.tabs[at.tab].is_online = is_online;
        }
        self.say(|_| format!("tab {} ← {}", at.tab, describe_input(&input)));
        if let Input::SignerAnswered(id, _) = &mut input {
            *id = self.signer_was_answered(at, *id);
        }
        let now_ms = self.tab_ms(at.tab);
        let tab = &mut self.tabs[at.tab];
        if let Some(cache) = &mut tab.cache {
            tab.telling.hears(now_ms, cache.log().position(), &input);
            tab.readers.hears(now_ms, &input);
            cache.handle_input(now_ms, input);
        }
        self.drain(at)?;
        if self.is_alive(at) {
            self.check_telling(at)?;
            self.check_wanted_reads(at)?;
            self.check_tab(at)
        } else {
            Ok(())
        }
    }

    fn drain(&mut self, at: TabRef) -> Held {
        while let Some(output) = self.tabs[at.tab]
            .cache
            .as_mut()
            .and_then(Cache::poll_output)
        {
            if self.strikes("a crash amid outputs", self.climate.crash_amid) {
                return self.crash_tab(at.tab);
            }
            self.tabs[at.tab].telling.does(&output);
            self.tabs[at.tab].readers.does(&output)?;
            self.carry_out(at, output)?;
            if !self.is_alive(at) {
                return Ok(());
            }
        }
        let now_ms = self.tab_ms(at.tab);
        let tab = &mut self.tabs[at.tab];
        let due_ms = tab.cache.as_ref().and_then(Cache::poll_timeout);
        if due_ms != tab.wake.map(|(due_ms, _)| due_ms) {
            let spins = self.mutant == Some(Mutant::TimerSpins);
            let at_ms = |due_ms: u64| match due_ms.saturating_sub(now_ms) {
                delay_ms if spins => self.now_ms + delay_ms.min(1),
                delay_ms => self.now_ms + delay_ms,
            };
            tab.wake = due_ms.map(|due_ms| (due_ms, at_ms(due_ms)));
            if let Some((_, at_ms)) = tab.wake {
                self.at(at_ms, Event::Wake(at));
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, at: TabRef, output: Output) -> Held {
        match output {
            Output::Load(from) => {
                self.cannot_clean(at);
                self.ask_disk(at, DiskAsk::Load(from));
            }
            Output::Get(id, places) => self.ask_disk(at, DiskAsk::Get(id, places)),
            Output::Scan(id, scan) => self.ask_disk(at, DiskAsk::Scan(id, scan)),
            Output::Oldest(id, limit) => self.ask_disk(at, DiskAsk::Oldest(id, limit)),
            Output::Evict(id, evict) => self.ask_disk(at, DiskAsk::Evict(id, evict)),
            Output::Touch(keys) => self.ask_disk(at, DiskAsk::Touch(keys)),
            Output::Commit(commit) => return self.commit(at, commit),
            Output::Sign(id, ask) => return self.asked_to_sign(at, id, *ask),
            Output::StopSigning(id) => self.stop_signing(at, id),
            Output::Request { id, url, body } => return self.request(at, id, url, &body),
            Output::Abort(id) => return self.tabs[at.tab].line.aborts(id),
            Output::Subscribe(_) => self.subscribe(at),
            Output::Unsubscribe => self.tabs[at.tab].socket = None,
            Output::Recover(id, signing) => {
                let key = match self.mutant {
                    Some(Mutant::WrongSender) => Some([9; 64]),
                    Some(Mutant::WrongSigner) if self.signers.foreign.contains(&signing.hash) => {
                        Some(payload::key_of(signers::PEN_ACCOUNT))
                    }
                    Some(_) | None => payload::public_key(&signing),
                };
                self.after(0, Event::Input(at, Input::Recovered(id, key)));
            }
            Output::ReadChain(id, key, block) => {
                self.check_head(at, &key)?;
                let delay_ms = self.rng.u64(1..=self.climate.net_ms);
                self.after(delay_ms, Event::ReadChain(at, id, key, block));
            }
            // What was begun goes on, and nobody hears of it.
            Output::StopReading(_) => {}
            Output::Done(ask, result) => return self.answered(at, ask, result),
            Output::Notice(notice) => return self.noticed(at, notice),
            Output::Renew => self.renew(at),
            Output::Announce(last, tip) => self.announce(at, last, tip),
        }
        Ok(())
    }

    pub(crate) fn announce(&mut self, from: TabRef, last: u64, tip: Option<Tip>) {
        for tab in (0..self.tabs.len()).filter(|tab| *tab != from.tab) {
            let is_lost =
                !self.climate.hears_others || self.strikes("news are lost", self.climate.news_lost);
            if is_lost {
                continue;
            }
            let at = self.at_tab(tab);
            let mut delay_ms = self.rng.u64(0..50);
            if self.strikes("news come late, behind later ones", self.climate.news_late) {
                delay_ms = self.rng.u64(50..60_000);
            }
            self.after(delay_ms, Event::Input(at, Input::News(last, tip)));
            if self.strikes("news come twice", self.climate.news_doubled) {
                delay_ms += self.rng.u64(0..60_000);
                self.after(delay_ms, Event::Input(at, Input::News(last, tip)));
            }
        }
    }

    fn noticed(&mut self, at: TabRef, notice: Notice) -> Held {
        let now_ms = self.tab_ms(at.tab);
        self.tabs[at.tab].readers.is_told(now_ms, &notice);
        match notice {
            Notice::Broken(error) => {
                self.say(|_| format!("tab {} is broken: {error}", at.tab));
                // The app opens another handle.
                self.close_tab(at.tab)?;
                Ok(())
            }
            Notice::Status(task, from) => {
                self.say(|_| {
                    let id = short(task.submission.id);
                    format!("tab {} → {id} {from:?} → {:?}", at.tab, task.state)
                });
                let id = task.submission.id;
                let tab = &mut self.tabs[at.tab];
                let is_gone = tab.cache.as_ref().is_some_and(|it| it.task(id).is_none());
                if !(is_gone && self.mutant == Some(Mutant::EndsUntold)) {
                    tab.told.insert(id, task.state.status());
                }
                Ok(())
            }
            Notice::Discarded(id) => {
                self.tabs[at.tab].told.remove(&id);
                Ok(())
            }
            Notice::Refolded => {
                if self.mutant != Some(Mutant::RefoldUntold) {
                    self.watch(at, None);
                }
                Ok(())
            }
            Notice::Changed(key) => {
                self.watch(at, Some(&key));
                let is_watched = !self.is_quiet && self.rng.u8(..8) == 0;
                if is_watched {
                    self.after(0, Event::Watched(at, key.clone()));
                }
                self.check_shown(at, &key)
            }
            Notice::Damaged(key, _) if self.rotten.contains_key(&key) => Ok(()),
            Notice::Damaged(key, offset) => {
                broken(1, format!("segment {key} is damaged at {offset}"))
            }
            Notice::Unreadable(error) if !self.has_rotted() => {
                broken(1, format!("{error}, and it is as it was written"))
            }
            Notice::Opened => {
                self.look_at_all(at);
                self.check_opened(at)
            }
            Notice::Confirmed(key) => self.check_shown(at, &key),
            Notice::Reorg(_)
            | Notice::Head(_)
            | Notice::SetAside
            | Notice::StorageTrouble(_)
            | Notice::Unreadable(_)
            | Notice::Leading(_) => Ok(()),
        }
    }

    /// Whoever opens a cache asks for its tasks, and watches them from then on.
    fn look_at_all(&mut self, at: TabRef) {
        let tab = &mut self.tabs[at.tab];
        tab.is_open = true;
        let tasks = tab.cache.iter().flat_map(Cache::tasks);
        let seen = tasks.map(|task| (task.submission.id, task.state.status()));
        tab.told.extend(seen);
        self.watch(at, None);
    }

    /// A watcher looks at the tasks of this key, or at all.
    fn watch(&mut self, at: TabRef, key: Option<&str>) {
        let tab = &mut self.tabs[at.tab];
        let tasks = tab.cache.iter().flat_map(Cache::tasks);
        let tasks = tasks.filter(|task| key.is_none_or(|key| task.submission.key == key));
        let seen = tasks.map(|task| (task.submission.id, task.state.status()));
        tab.watched.extend(seen);
    }

    pub(crate) fn read_chain(&mut self, at: TabRef, id: u64, key: &str, block: &Block) -> Held {
        let is_reachable = self.tabs[at.tab].is_online && self.now_ms >= self.down_until_ms;
        let result =
            if !is_reachable || self.strikes("a chain read fails", self.climate.request_lost) {
                Err(Error::new(ErrorCode::GatewayUnreachable, "no answer"))
            } else if !self.chain.is_canonical(block) {
                Err(Error::new(ErrorCode::GatewayError, "header not found"))
            } else {
                Ok(self
                    .chain
                    .value_at(key, block.number)
                    .filter(|value| !value.is_empty())
                    .map(|value| value.to_vec()))
            };
        self.input(at, Input::ChainRead(id, result))
    }

    // What must hold in a tab after every step.

    fn check_tab(&mut self, at: TabRef) -> Held {
        let tab = &self.tabs[at.tab];
        let Some(cache) = &tab.cache else {
            return Ok(());
        };
        let position = cache.log().position();
        if cache.is_restarting() {
        } else if position == self.disk.last_key() {
            self.model.check_tab(cache)?;
            self.check_damage_told(at)?;
        } else if position >= tab.floor && tab.checked_at != position {
            self.model.check_behind(cache)?;
            self.tabs[at.tab].checked_at = position;
        }
        for key in self.users.keys.clone() {
            let sight = self.sight_of(at, &key);
            let found_right = &mut self.tabs[at.tab].found_right;
            // Most steps change nothing of most keys: what was found right still is.
            if sight.is_some() && found_right.get(&key) == sight.as_ref() {
                continue;
            }
            found_right.remove(&key);
            self.check_shown(at, &key)?;
            if let Some(sight) = sight {
                self.tabs[at.tab].found_right.insert(key, sight);
            }
        }
        Ok(())
    }

    fn sight_of(&self, at: TabRef, key: &str) -> Option<Compared> {
        let tab = &self.tabs[at.tab];
        let is_updated = self.model.rows.keys.contains(key);
        let cache = tab.cache.as_ref().filter(|_| !is_updated)?;
        Some(Compared {
            shown: cache.peek(key),
            at_once: cache.read_at_once(key),
            position: cache.log().position(),
            is_open: tab.is_open,
            is_restarting: cache.is_restarting(),
            version: self.model.version,
        })
    }

    /// What is shown of a key is the newest write that is not settled, and a settled value never steps back.
    pub(crate) fn check_shown(&mut self, at: TabRef, key: &str) -> Held {
        let Some(cache) = &self.tabs[at.tab].cache else {
            return Ok(());
        };
        let shown = cache.peek(key);
        let is_left = |id: &TaskId| self.tabs[at.tab].knows_not(*id);
        let left = shown.as_ref().and_then(|entry| entry.task).filter(is_left);
        let left = left.and_then(|id| self.model.facts.get(&id));
        // It is held: what it made is nowhere to be made again.
        let before = self.tabs[at.tab].made.get(key).map(|(before, _)| before);
        let is_update = left.is_some_and(|fact| fact.submission.update.is_some());
        if is_update && before != shown.as_ref() {
            return broken(
                15,
                format!("{key} shows {shown:?} of an update that left, and showed {before:?}"),
            );
        }
        self.check_no_blink(at, key, shown.as_ref())?;
        self.check_nothing_made_goes(at, key, shown.as_ref())?;
        self.check_what_is_shown(at, key, shown)
    }

    fn check_what_is_shown(&mut self, at: TabRef, key: &str, shown: Option<Entry>) -> Held {
        let Some(cache) = &self.tabs[at.tab].cache else {
            return Ok(());
        };
        let expected = self.expected(&self.tabs[at.tab], key);
        match (expected, &shown) {
            (Some(task), None) => {
                // What an update is applied to may be in the store.
                let own = cache.tasks().filter(|task| task.submission.key == *key);
                let is_far = |task: &Task| crate::model::value_of(&task.submission).is_none();
                let is_at_hand = task.submission.update.is_none()
                    && !is_far(task)
                    && !own
                        .into_iter()
                        .any(|own| own.submission.update.is_some() && is_far(own));
                if is_at_hand {
                    return broken(
                        4,
                        format!("{key} shows nothing, {} writes it", task.submission.id),
                    );
                }
            }
            (Some(task), Some(entry)) if entry.task != Some(task.submission.id) => {
                let id = task.submission.id;
                return broken(
                    4,
                    format!("{key} shows {:?}, the newest write is {id}", entry.task),
                );
            }
            (Some(_), Some(_)) | (None, _) => {}
        }
        // What a read answers at once is what is shown, of tasks alone.
        let at_once = cache.read_at_once(key);
        let of_key = || cache.tasks().filter(|task| task.submission.key == *key);
        let is_updated = of_key().any(|task| task.submission.update.is_some());
        let is_there = |entry: &Entry| entry.task.is_some_and(|id| cache.task(id).is_some());
        let of_task = shown
            .clone()
            .filter(|shown| shown.source == Source::Backup && is_there(shown));
        if at_once != of_task && !(at_once.is_none() && is_updated) {
            return broken(
                4,
                format!("a read of {key} gets {at_once:?} at once, {shown:?} is shown"),
            );
        }
        let Some(entry) = shown else { return Ok(()) };
        self.check_not_over(&self.tabs[at.tab], &entry)?;
        if let Some(task) = entry.task.and_then(|id| cache.task(id))
            && !task.state.is_visible()
        {
            let (id, state) = (task.submission.id, &task.state);
            return broken(4, format!("{key} shows {id}, which is {state:?}"));
        }
        if !self.is_overtaken(&entry) {
            self.check_pile(at, &entry)?;
        }
        let seen = (entry.tx, entry.status, entry.task, entry.block);
        if self.tabs[at.tab].seen.insert(entry.key.clone(), seen) == Some(seen) {
            return Ok(());
        }
        self.check_reading(at, &entry)?;
        self.check_entry(at, &entry)
    }

    /// What updates made goes on being shown, unless a task of it failed or was discarded.
    fn check_nothing_made_goes(&mut self, at: TabRef, key: &str, shown: Option<&Entry>) -> Held {
        let tab = &mut self.tabs[at.tab];
        let Some(cache) = &tab.cache else {
            return Ok(());
        };
        if let Some(shown) = shown {
            let own = cache.tasks().filter(|task| task.submission.key == *key);
            let visible = own.filter(|task| task.state.is_visible());
            let ids: Vec<TaskId> = visible.map(|task| task.submission.id).collect();
            // Nobody looks at a tab that still opens.
            let ids = if tab.is_open { ids } else { Vec::new() };
            tab.made.insert(key.into(), (shown.clone(), ids));
            return Ok(());
        }
        let Some((before, ids)) = tab.made.remove(key) else {
            return Ok(());
        };
        let is_far = |task: &Task| crate::model::value_of(&task.submission).is_none();
        let mut own = cache.tasks().filter(|task| task.submission.key == *key);
        if own.any(is_far) {
            return Ok(());
        }
        let stays = |id: &TaskId| match cache.task(*id) {
            Some(task) => task.state.is_visible(),
            None => self
                .model
                .facts
                .get(id)
                .is_some_and(|fact| fact.end == End::Moved),
        };
        let is_whole = ids.iter().all(stays);
        let is_concerned = self.model.rows.keys.contains(key) && !ids.is_empty();
        // What is evicted is nowhere.
        let is_there = |id| cache.task(id).is_some();
        let is_anywhere = before.task.is_some_and(is_there) || self.disk.values.contains_key(key);
        let is_pushed_out = self.climate.values_at_hand < MAX_VALUES;
        if is_concerned && is_whole && is_anywhere && !is_pushed_out && self.climate.read_fails == 0
        {
            return broken(9, format!("{key} showed {before:?}, and now nothing"));
        }
        Ok(())
    }

    /// A task that left while its tab was behind, and that had been shown, is shown until the tab knows what is later.
    fn check_no_blink(&mut self, at: TabRef, key: &str, shown: Option<&Entry>) -> Held {
        let is_open = |entry: &&Entry| !entry.status.is_settled();
        let now = shown.filter(is_open).and_then(|entry| entry.task);
        let tab = &mut self.tabs[at.tab];
        let before = match now {
            Some(id) => tab.unsettled.insert(key.into(), id),
            None => tab.unsettled.remove(key),
        };
        let is_told = |id: &TaskId| tab.told.get(id).is_some_and(|told| told.is_settled());
        let is_lost = |id: &TaskId| now.is_none() && tab.knows_not(*id) && !is_told(id);
        let Some(id) = before.filter(is_lost) else {
            return Ok(());
        };
        // Of a newer write the value may be a long one.
        if self.expected(&self.tabs[at.tab], key).is_some() {
            return Ok(());
        }
        let fact = self.model.facts.get(&id);
        let fact = fact.filter(|fact| fact.end == End::Moved);
        // Of what the chain executed after it as well.
        let at = fact.and_then(|fact| place(&fact.state));
        let is_later = |other: &&Fact| other.submission.key == key && place(&other.state) > at;
        let mut later = self.model.facts.values().filter(is_later);
        let is_far = |other: &Fact| blob_keys(&other.task).next().is_some();
        if shown.is_none() && later.any(is_far) {
            return Ok(());
        }
        let settled = fact.and_then(|fact| fact.state.inclusion());
        let settled = settled.map(|inclusion| inclusion.block.number);
        // What updates made may be in the store alone, and what was just heard of others may push this out.
        let is_updated = self.model.rows.keys.contains(key);
        let is_pushed_out = shown.is_none() && self.climate.values_at_hand < MAX_VALUES;
        // Where the store cannot be read nobody knows.
        let is_unreadable = self.climate.read_fails > 0;
        let now = shown
            .and_then(|entry| entry.block)
            .map(|block| block.number);
        if now < settled && !is_updated && !is_pushed_out && !is_unreadable {
            return broken(
                9,
                format!("{key} showed {id}, which settled in {settled:?}, and now {shown:?}"),
            );
        }
        Ok(())
    }
}

fn describe_input(input: &Input) -> String {
    match input {
        Input::Submit(ask, submit) => format!("submit {} (ask {ask})", short(submit.id)),
        Input::Close(_) => "the tab leaves".into(),
        Input::Retry(ask, id) => format!("retry {} (ask {ask})", short(*id)),
        Input::Act(ask, id, event) => format!("act {} {event:?} (ask {ask})", short(*id)),
        Input::Replace(ask, id, role, _) => format!("{role:?} of {} (ask {ask})", short(*id)),
        Input::Loaded {
            from,
            segments,
            more,
        } => {
            let keys: Vec<u64> = segments.iter().map(|(key, _)| *key).collect();
            format!("loaded from {from}: {keys:?}, more {more}")
        }
        Input::Got(id, Ok(found)) => {
            format!(
                "got {id}: {:?}",
                found.iter().map(Option::is_some).collect::<Vec<_>>()
            )
        }
        Input::Scanned(id, Ok(rows)) => format!("scanned {id}: {} rows", rows.len()),
        Input::Answered(..)
        | Input::Abandon(_)
        | Input::Export(..)
        | Input::Import(..)
        | Input::Read(..)
        | Input::ReadMany(..)
        | Input::CallMany(..)
        | Input::List(..)
        | Input::Count(..)
        | Input::Call(..)
        | Input::LoadFailed(_)
        | Input::Committed(..)
        | Input::CommitFailed(..)
        | Input::Got(..)
        | Input::Scanned(..)
        | Input::Oldest(..)
        | Input::Evicted(..)
        | Input::ChainRead(..)
        | Input::Recovered(..)
        | Input::SignerAnswered(..)
        | Input::News(..)
        | Input::Sync(_)
        | Input::Leading(_)
        | Input::Online(_)
        | Input::Visible(_)
        | Input::Pushed(_)
        | Input::Renewed(_)
        | Input::StorageLost(_)
        | Input::Wake => {
            let mut text = format!("{input:?}");
            text.truncate(200);
            text
        }
    }
}
