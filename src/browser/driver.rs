//! The driver: it hands what happens to the core, and carries out what that wants done. No borrow of the core is held across a
//! call out or an await.

use super::connection::{ANSWER_MS, no_answer};
use super::entries::Entries;
use super::env::{self, Deadline, Timer};
use super::fetch::Gateways;
use super::packed::{Happening, Packed};
use super::socket::Socket;
use super::store::{Incident, Page, Store};
use super::tabs::{self, Channel, Heard, Lead, Leadership, News};
use super::types::{
    BlockView, DamageView, OpenOptions, Part, ReorgView, ReportView, TaskView, TipView, to_js,
};
use super::{Host, reject, updates};
use crate::cache::{Cache, Config, Done, Freshness, Input, Notice, Output};
use crate::error::{Error, ErrorCode};
use crate::gateway::endpoint::Limits;
use crate::log::{Commit, CommitFailure};
use crate::memory::MAX_VALUES;
use crate::task::{Status, TaskId};
use js_sys::Promise;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise, spawn_local};

/// How much the log may hold that no page of its index tells of, in bytes: what is read in a few milliseconds.
const INDEX_AT_BYTES: u64 = 256 * 1024;

/// What carries out what one core wants done.
pub(super) struct Driver {
    database: String,
    pub(super) core: RefCell<Cache>,
    host: Host,
    pub(super) entries: Entries,
    pub(super) store: Store,
    pub(super) gateways: Gateways,
    timer: RefCell<Option<Timer>>,
    leadership: RefCell<Option<Leadership>>,
    /// Whether there are Web Locks, and this one is not denied: without it nobody knows who else sends.
    pub(super) can_lead: Cell<bool>,
    channel: RefCell<Option<Channel>>,
    is_draining: Cell<bool>,
    /// What happened, and is not told yet.
    happened: RefCell<Packed>,
    /// The log was read to its end.
    is_open: Cell<bool>,
    is_closed: Cell<bool>,
    /// How many damaged segments are set aside, as far as is known.
    pub(super) aside: Cell<usize>,
    /// The first count of them is under way: nobody opens the cache before it is done.
    counting: RefCell<Option<Promise>>,
    is_suspended: Cell<bool>,
    pub(super) is_visible: Cell<bool>,
}

impl Driver {
    /// Opens the database. Nothing is folded before `start`.
    pub(super) async fn open(options: OpenOptions, host: Host) -> Result<Rc<Driver>, Error> {
        let slot: Rc<RefCell<Weak<Driver>>> = Rc::default();
        let lost = slot.clone();
        let on_incident = move |incident| {
            if let Some(driver) = lost.borrow().upgrade() {
                driver.storage_changed(incident);
            }
        };
        let (database, strict) = (&options.database, options.strict);
        let store = Store::open(database, strict, options.must_exist, on_incident).await?;
        let finality = options.finality();
        let urls = options.urls.len();
        let gateways = Gateways::new(options.urls, options.timeout_ms);
        let config = Config {
            chain_id: options.chain_id,
            finality,
            urls,
            quorum: options.quorum,
            limits: Limits {
                max_in_flight: options.max_in_flight,
                per_second: options.per_second,
                burst: options.burst,
            },
            poll_ms: options.poll_ms,
            sockets: gateways.sockets().count(),
            lane: options.lane,
            hears_others: tabs::has_channel(),
            has_reader: options.has_reader,
            freshness: Freshness {
                max_age_ms: options.max_age_ms,
                stale_while_revalidate_ms: options.stale_while_revalidate_ms,
                negative_max_age_ms: options.negative_max_age_ms,
            },
            clean_at_bytes: options.clean_at_bytes,
            index_at_bytes: Some(INDEX_AT_BYTES),
            values_budget_bytes: options.cache_bytes,
            values_at_hand: MAX_VALUES,
            signers: options
                .signers
                .iter()
                .map(|signer| (signer.name.clone(), signer.into()))
                .collect(),
            seed: tabs::seed(),
        };
        let functions = updates::Functions::new(&host, options.updates);
        let driver = Rc::new(Driver {
            database: options.database,
            core: RefCell::new(Cache::with_updates(config, Rc::new(functions))),
            host,
            entries: Entries {
                is_json: options.is_json,
            },
            store,
            gateways,
            timer: RefCell::default(),
            leadership: RefCell::default(),
            can_lead: Cell::default(),
            channel: RefCell::default(),
            is_draining: Cell::default(),
            happened: RefCell::default(),
            is_open: Cell::default(),
            is_closed: Cell::default(),
            aside: Cell::default(),
            counting: RefCell::default(),
            is_suspended: Cell::default(),
            is_visible: Cell::new(true),
        });
        slot.replace(Rc::downgrade(&driver));
        Ok(driver)
    }

    pub(super) fn start(self: &Rc<Self>) {
        let weak = Rc::downgrade(self);
        let with = move |act: fn(&Rc<Driver>)| {
            let weak = weak.clone();
            move || {
                if let Some(driver) = weak.upgrade() {
                    act(&driver);
                }
            }
        };
        self.timer.replace(Some(Timer::new(with(Driver::wake))));
        let counted = self.clone();
        let counting = future_to_promise(async move {
            counted.count_aside().await;
            Ok(JsValue::UNDEFINED)
        });
        self.counting.replace(Some(counting));
        self.join();
        self.drain();
    }

    /// Queues for the lead, and listens to the others.
    fn join(self: &Rc<Self>) {
        let weak = Rc::downgrade(self);
        let heard = move |heard: Heard| {
            if let Some(driver) = weak.upgrade() {
                driver.input(match heard {
                    Heard::News(News { last_key, tip }) => Input::News(last_key, tip),
                    Heard::Now => Input::Online(true),
                });
            }
        };
        self.channel.replace(Channel::join(&self.database, heard));
        self.claim();
    }

    pub(super) fn try_now(self: &Rc<Self>) {
        self.input(Input::Online(true));
        if let Some(channel) = &*self.channel.borrow() {
            channel.hurry();
        }
    }

    fn claim(self: &Rc<Self>) {
        let weak = Rc::downgrade(self);
        let tell = move |lead| {
            if let Some(driver) = weak.upgrade() {
                driver.leads(lead);
            }
        };
        let leadership = Leadership::claim(&self.database, tell);
        self.can_lead.set(leadership.is_some());
        self.leadership.replace(leadership);
    }

    fn leads(self: &Rc<Self>, lead: Lead) {
        let is_held = lead == Lead::Held;
        if lead != Lead::Denied {
            self.input(Input::Leading(is_held));
        }
        if is_held || self.is_closed.get() || self.is_suspended.get() {
            return;
        }
        if lead == Lead::Stolen {
            return self.claim();
        }
        self.can_lead.set(false);
        let weak = Rc::downgrade(self);
        if let Some(leadership) = &*self.leadership.borrow() {
            leadership.again(move || {
                if let Some(driver) = weak.upgrade() {
                    driver.claim();
                }
            });
        }
        self.host.notice("leader", false.into());
    }

    pub(super) fn suspend(self: &Rc<Self>) {
        if self.is_closed.get() || self.is_suspended.replace(true) {
            return;
        }
        // First this one stops sending, and then another may begin.
        self.input(Input::Leading(false));
        self.leadership.take();
        self.channel.take();
    }

    pub(super) fn resume(self: &Rc<Self>) {
        if self.is_closed.get() || !self.is_suspended.replace(false) {
            return;
        }
        self.join();
        self.input(Input::Sync(None));
    }

    /// Where it cannot be counted, it is as it was.
    async fn count_aside(&self) {
        if let Ok(keys) = self.store.aside().await {
            self.aside.set(keys.len());
        }
    }

    fn wake(self: &Rc<Self>) {
        self.input(Input::Wake);
    }

    fn storage_changed(self: &Rc<Self>, incident: Incident) {
        self.input(match incident {
            Incident::Closed => Input::Sync(None),
            Incident::Gone(error) => Input::StorageLost(error),
        });
    }

    pub(super) fn packed_task(&self, id: TaskId) -> Option<Packed> {
        let core = self.core.borrow();
        let mut packed = Packed::default();
        TaskView::new(&core, core.task(id)?).pack(&mut packed);
        Some(packed)
    }

    fn append(self: &Rc<Self>, commit: Commit) -> Option<Commit> {
        let (driver, id) = (self.clone(), commit.id);
        self.store.append(commit, move |result| {
            let input = driver.committed(id, result);
            driver.input(input);
        })
    }

    pub(super) fn refuse(&self, ask: f64, message: &str) {
        let error = Error::new(ErrorCode::InvalidInput, message);
        self.host.done(ask, reject(&error), JsValue::UNDEFINED);
    }

    pub(super) fn close(&self) {
        self.is_closed.set(true);
        self.leadership.take();
        self.channel.take();
        if let Some(timer) = &*self.timer.borrow() {
            timer.set(None);
        }
        for socket in self.gateways.sockets() {
            socket.close();
        }
        self.store.close();
        // Requests that are on their way hold this until they end, and the page may keep the handle: not all that was backed up.
        if let Ok(mut core) = self.core.try_borrow_mut() {
            core.clear();
        }
    }

    fn subscribe(self: &Rc<Self>, index: usize) {
        let weak = Rc::downgrade(self);
        let push = move |push| {
            if let Some(driver) = weak.upgrade() {
                driver.input(Input::Pushed(push));
            }
        };
        if let Some(socket) = self.gateways.sockets().nth(index) {
            socket.subscribe(Rc::new(push));
        }
    }

    pub(super) fn input(self: &Rc<Self>, input: Input) {
        if self.is_closed.get() {
            return;
        }
        self.core.borrow_mut().handle_input(env::now_ms(), input);
        self.drain();
    }

    /// Does what the core wants done. A call out may come back in: then the outer loop goes on with it.
    fn drain(self: &Rc<Self>) {
        if self.is_draining.replace(true) {
            return;
        }
        while !self.is_closed.get() {
            let output = self.core.borrow_mut().poll_output();
            match output {
                Some(output) => self.carry_out(output),
                None if self.happened.borrow().is_empty() => break,
                None => self.tell_happened(),
            }
        }
        self.is_draining.set(false);
        if !self.is_closed.get()
            && let Some(timer) = &*self.timer.borrow()
        {
            timer.set(self.core.borrow().poll_timeout());
        }
    }

    fn carry_out(self: &Rc<Self>, output: Output) {
        let Some(output) = self.pack(output) else {
            if self.happened.borrow().is_full() {
                self.tell_happened();
            }
            return;
        };
        // What happened before is told before.
        self.tell_happened();
        match output {
            Output::Done(ask, result) => self.answer(ask as f64, result),
            Output::Notice(notice) => self.tell(notice),
            Output::Announce(last_key, tip) => {
                if let Some(channel) = &*self.channel.borrow() {
                    channel.tell(News { last_key, tip }, self.is_visible.get());
                }
            }
            Output::Commit(commit) => {
                if let Some(commit) = self.append(commit) {
                    self.begin(Output::Commit(commit));
                }
            }
            Output::Sign(id, ask) => {
                if let Some(task) = self.packed_task(ask.task) {
                    let nonce = ask.nonce.map(|nonce| nonce as f64);
                    let value = ask.value.to_vec();
                    self.host
                        .sign(id as f64, &ask.signer, task.as_str(), value, nonce);
                }
            }
            Output::StopSigning(id) => self.host.stop_signing(id as f64),
            Output::Recover(id, signing) => {
                let (hash, signature) = (signing.hash.to_vec(), signing.signature.to_vec());
                self.host
                    .recover(id as f64, hash, signature, signing.y_parity);
            }
            Output::ReadChain(id, key, at) => {
                let at = to_js(&BlockView::from(at));
                self.host.read_chain(id as f64, key, at);
            }
            Output::StopReading(id) => self.host.stop_reading(id as f64),
            Output::Subscribe(index) => self.subscribe(index),
            Output::Unsubscribe => self.gateways.sockets().for_each(Socket::unsubscribe),
            Output::Abort(id) => self.gateways.abort(id),
            Output::Renew
            | Output::Load(_)
            | Output::Get(..)
            | Output::Scan(..)
            | Output::Oldest(..)
            | Output::Evict(..)
            | Output::Touch(_)
            | Output::Request { .. } => self.begin(output),
        }
    }

    fn begin(self: &Rc<Self>, output: Output) {
        let driver = self.clone();
        spawn_local(async move {
            if let Some(input) = driver.perform(output).await {
                driver.input(input);
            }
        });
    }

    /// What comes by the thousand is told together. Gives anything else back.
    fn pack(&self, output: Output) -> Option<Output> {
        let packed = &mut *self.happened.borrow_mut();
        match output {
            Output::Done(ask, Ok(Done::Task(id))) => {
                packed.happening(Happening::Accepted);
                packed.number(ask);
                packed.id(id);
            }
            Output::Notice(Notice::Status(task, from)) => {
                packed.happening(Happening::Status);
                packed.optional(from.map(Status::as_str), Packed::text);
                let core = self.core.borrow();
                let view = TaskView::new(&core, &task);
                view.pack_news(packed);
                packed.measured(|packed| view.pack(packed));
            }
            Output::Notice(Notice::Discarded(id)) => {
                packed.happening(Happening::Discarded);
                packed.id(id);
            }
            Output::Notice(Notice::Changed(key)) => {
                packed.happening(Happening::Changed);
                packed.text(&key);
            }
            other @ (Output::Done(..)
            | Output::Notice(_)
            | Output::Announce(..)
            | Output::Commit(_)
            | Output::Renew
            | Output::Load(_)
            | Output::Get(..)
            | Output::Scan(..)
            | Output::Oldest(..)
            | Output::Evict(..)
            | Output::Touch(_)
            | Output::Request { .. }
            | Output::Abort(_)
            | Output::Sign(..)
            | Output::StopSigning(_)
            | Output::Recover(..)
            | Output::ReadChain(..)
            | Output::StopReading(_)
            | Output::Subscribe(_)
            | Output::Unsubscribe) => return Some(other),
        }
        None
    }

    /// The wrapper may call in: nothing is borrowed meanwhile.
    fn tell_happened(&self) {
        let happened = self.happened.take();
        if !happened.is_empty() {
            self.host.happened(happened.as_str());
        }
    }

    async fn load(&self, from: u64) -> Result<Page, Error> {
        let loaded = self.store.load(from).await;
        let counting = self.counting.take();
        if let Some(counting) = counting {
            let _ = JsFuture::from(counting).await;
        }
        loaded
    }

    /// What takes time, and what came of it.
    async fn perform(&self, output: Output) -> Option<Input> {
        Some(match output {
            Output::Load(from) => {
                let deadline = Deadline::endless();
                if !self.is_open.get() {
                    // Whoever waits for it knows nothing yet.
                    deadline.shorten(ANSWER_MS);
                }
                let loaded = deadline.race(self.load(from)).await;
                match loaded.unwrap_or_else(|| Err(no_answer())) {
                    Ok((segments, more)) => Input::Loaded {
                        from,
                        segments,
                        more,
                    },
                    Err(error) => self
                        .store
                        .gone()
                        .map_or(Input::LoadFailed(error), Input::StorageLost),
                }
            }
            Output::Commit(commit) => {
                let id = commit.id;
                self.committed(id, self.store.commit(commit).await)
            }
            Output::Get(id, places) => Input::Got(id, self.store.get(&places).await),
            Output::Scan(id, scan) => Input::Scanned(id, self.store.scan(&scan).await),
            Output::Oldest(id, limit) => Input::Oldest(id, self.store.oldest(limit).await),
            Output::Evict(id, evict) => Input::Evicted(id, self.store.evict(&evict).await),
            Output::Touch(keys) => {
                // Where it cannot be recorded, the values go a little earlier.
                let _ = self.store.touch(&keys).await;
                return None;
            }
            Output::Renew => Input::Renewed(self.store.renew().await.is_ok()),
            Output::Request { id, url, body } => {
                Input::Answered(id, self.gateways.post(id, url, body).await)
            }
            Output::Done(..)
            | Output::Notice(_)
            | Output::Announce(..)
            | Output::Sign(..)
            | Output::StopSigning(_)
            | Output::Recover(..)
            | Output::ReadChain(..)
            | Output::StopReading(_)
            | Output::Subscribe(_)
            | Output::Unsubscribe
            | Output::Abort(_) => return None,
        })
    }

    /// A database that is gone for good ends the handle; any other failure is the core's to judge.
    fn committed(&self, id: u64, result: Result<u64, CommitFailure>) -> Input {
        match (result, self.store.gone()) {
            (Ok(last_key), _) => Input::Committed(id, last_key),
            (Err(_), Some(error)) => Input::StorageLost(error),
            (Err(failure), None) => Input::CommitFailed(id, failure),
        }
    }

    fn answer(&self, ask: f64, result: Result<Done, Error>) {
        match result {
            Ok(done) => {
                let result = match done {
                    Done::Task(id) => id.to_string().into(),
                    Done::Entry(entry) => self.entries.one(entry.as_ref()),
                    Done::Page(page) => self.entries.page(&page),
                    Done::Count(count) => (count as f64).into(),
                    Done::Call(reply) => reply.into(),
                    Done::Part(bytes, more) => Part { bytes, more }.into(),
                    Done::Imported(report) => to_js(&ReportView::from(report)),
                    Done::Closed | Done::Synced => JsValue::UNDEFINED,
                };
                self.host.done(ask, JsValue::UNDEFINED, result);
            }
            Err(error) => self.host.done(ask, reject(&error), JsValue::UNDEFINED),
        }
    }

    fn tell(self: &Rc<Self>, notice: Notice) {
        let (kind, detail) = match notice {
            Notice::Opened => {
                self.is_open.set(true);
                ("opened", JsValue::UNDEFINED)
            }
            Notice::Broken(error) => ("broken", reject(&error)),
            // Told packed.
            Notice::Status(..) | Notice::Discarded(_) | Notice::Changed(_) => return,
            Notice::Confirmed(key) => ("confirmed", key.into()),
            Notice::Refolded => ("refolded", JsValue::UNDEFINED),
            Notice::Reorg(reorg) => ("reorg", to_js(&ReorgView::from(reorg))),
            Notice::Head(tip) => ("head", to_js(&TipView::from(tip))),
            Notice::Damaged(segment, offset) => ("damaged", to_js(&DamageView { segment, offset })),
            Notice::SetAside => {
                let driver = self.clone();
                spawn_local(async move { driver.count_aside().await });
                return;
            }
            Notice::StorageTrouble(error) => ("trouble", reject(&error)),
            Notice::Unreadable(error) => ("unreadable", reject(&error)),
            Notice::Leading(leads) => ("leader", leads.into()),
        };
        self.host.notice(kind, detail);
    }
}
