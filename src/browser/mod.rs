//! The browser: the one driver of the core in pages and workers.
//!
//! `Engine` is what the TypeScript wrapper holds. Every call has a number; answers and news go to the wrapper's `Host`
//! by that number, so that the wrapper knows at any time who still waits. No borrow of the core is held across a call
//! out or an await.

mod append;
mod aside;
mod connection;
mod entries;
mod env;
mod fetch;
mod glance;
mod look;
mod packed;
mod socket;
pub mod store;
mod tabs;
mod types;
mod updates;

use crate::cache::{
    Brings, Cache, Config, Done, Freshness, Input, Notice, Output, Query, SignerAnswer, Source,
    Submit,
};
use crate::error::{Error, ErrorCode};
use crate::gateway::endpoint::Limits;
use crate::gateway::transaction;
use crate::log::{Commit, CommitFailure};
use crate::memory::MAX_VALUES;
use crate::ordered::OrderedSet;
use crate::overlay::Interval;
use crate::tags::Shelf;
use crate::task::{After, Bytes, Event, Hash, Milestone, Role, Status, TaskId};
use entries::Entries;
use env::Timer;
use fetch::Gateways;
use js_sys::{Promise, Uint8Array};
use miniserde::json;
use packed::{Happening, Packed};
use socket::Socket;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use store::{Incident, Store};
use tabs::{Channel, Leadership, News};
use types::{
    DamageView, ErrorView, OpenOptions, Part, ReorgView, ReportView, Stats, TaskView, TipView,
    to_js,
};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise, spawn_local};

#[wasm_bindgen(typescript_custom_section)]
const HOST: &str = r#"
/** What the module calls. */
export interface Host {
    /** A call is answered. */
    done(ask: number, error: ErrorView | undefined, result: unknown): void;
    /** Something happened. */
    notice(kind: NoticeKind, detail: any): void;
    /** What happened to tasks, packed. */
    happened(packed: string): void;
    /** Ask a signer, with the packed task and its encoded value: `signed`, `broadcast`, `refused` or `failed` takes the answer. */
    sign(id: number, signer: string, task: string, value: Uint8Array, nonce: number | undefined): void;
    /** Nobody waits for that signature any more. */
    stopSigning(id: number): void;
    /** Compute whose key made a signature (`r` and `s`) of a hash: `recovered` takes the answer. */
    recover(id: number, hash: Uint8Array, signature: Uint8Array, yParity: number): void;
    /** Read a key from the chain, as of a block: `chainRead` takes the answer. */
    readChain(id: number, key: string, at: BlockView): void;
    /** Nobody waits for that answer any more. */
    stopReading(id: number): void;
    /** Call an update: what it makes, or why it makes nothing. Nothing of the module may be called meanwhile. */
    update(name: string, previous: Uint8Array | undefined, isCalldata: boolean, argument: Uint8Array): Uint8Array | string;
}
export type NoticeKind =
    "opened" | "broken" | "confirmed" | "refolded" | "reorg" | "head" | "damaged" | "trouble" | "leader";
"#;

#[wasm_bindgen]
extern "C" {
    /// The wrapper's side.
    #[wasm_bindgen(typescript_type = "Host")]
    pub type Host;
    #[wasm_bindgen(method)]
    fn done(this: &Host, ask: f64, error: JsValue, result: JsValue);
    #[wasm_bindgen(method)]
    fn notice(this: &Host, kind: &str, detail: JsValue);
    #[wasm_bindgen(method)]
    fn happened(this: &Host, packed: &str);
    #[wasm_bindgen(method)]
    fn sign(this: &Host, id: f64, signer: &str, task: &str, value: Vec<u8>, nonce: Option<f64>);
    #[wasm_bindgen(method, js_name = stopSigning)]
    fn stop_signing(this: &Host, id: f64);
    #[wasm_bindgen(method)]
    fn recover(this: &Host, id: f64, hash: Vec<u8>, signature: Vec<u8>, y_parity: u8);
    #[wasm_bindgen(method, js_name = readChain)]
    fn read_chain(this: &Host, id: f64, key: String, at: JsValue);
    #[wasm_bindgen(method, js_name = stopReading)]
    fn stop_reading(this: &Host, id: f64);
    #[wasm_bindgen(method)]
    fn update(
        this: &Host,
        name: &str,
        previous: JsValue,
        is_calldata: bool,
        argument: Uint8Array,
    ) -> JsValue;

    /// An entry, packed.
    #[wasm_bindgen(typescript_type = "string | [string, ...Uint8Array[]] | undefined")]
    pub type EntryJs;
    /// Numbers.
    #[wasm_bindgen(typescript_type = "Stats")]
    pub type StatsJs;
    /// Where to read.
    #[wasm_bindgen(typescript_type = "Source")]
    pub type SourceJs;
    /// A status, or none.
    #[wasm_bindgen(typescript_type = "Status | undefined")]
    pub type StatusJs;
    /// How far a task must be.
    #[wasm_bindgen(typescript_type = "Milestone")]
    pub type MilestoneJs;
    /// What a transaction is for.
    #[wasm_bindgen(typescript_type = "\"replacement\" | \"cancellation\"")]
    pub type RoleJs;
    /// What to do with a task.
    #[wasm_bindgen(typescript_type = "\"retry\" | \"cancel\" | \"discard\" | \"not-sent\"")]
    pub type ActionJs;
}

/// How much the log may hold that no page of its index tells of, in bytes: what is read in a few milliseconds.
const INDEX_AT_BYTES: u64 = 256 * 1024;

struct Driver {
    database: String,
    core: RefCell<Cache>,
    host: Host,
    entries: Entries,
    store: Store,
    gateways: Gateways,
    timer: RefCell<Option<Timer>>,
    leadership: RefCell<Option<Leadership>>,
    channel: RefCell<Option<Channel>>,
    is_draining: Cell<bool>,
    /// What happened, and is not told yet.
    happened: RefCell<Packed>,
    is_closed: Cell<bool>,
    /// How many damaged segments are set aside, as far as is known.
    aside: Cell<usize>,
    /// The first count of them is under way: nobody opens the cache before it is done.
    counting: RefCell<Option<Promise>>,
    is_suspended: Cell<bool>,
    is_visible: Cell<bool>,
}

/// One open cache.
#[wasm_bindgen]
pub struct Engine(Rc<Driver>);

#[wasm_bindgen]
impl Engine {
    /// Opens a database. The options are the JSON of `OpenOptions`.
    ///
    /// # Errors
    /// Rejects with an `ErrorView`: `storage_unavailable`, `newer_format`, `invalid_input`.
    pub async fn open(options: String, host: Host) -> Result<Engine, JsValue> {
        let options: OpenOptions = json::from_str(&options).map_err(|_| {
            let message =
                "the module takes other options: it is of another version than its wrapper";
            reject(&Error::new(ErrorCode::InvalidInput, message))
        })?;
        let slot: Rc<RefCell<Weak<Driver>>> = Rc::default();
        let lost = slot.clone();
        let on_incident = move |incident| {
            if let Some(driver) = lost.borrow().upgrade() {
                driver.storage_changed(incident);
            }
        };
        let (database, strict) = (&options.database, options.strict);
        let store = Store::open(database, strict, options.must_exist, on_incident).await;
        let store = store.map_err(|error| reject(&error))?;
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
            channel: RefCell::default(),
            is_draining: Cell::default(),
            happened: RefCell::default(),
            is_closed: Cell::default(),
            aside: Cell::default(),
            counting: RefCell::default(),
            is_suspended: Cell::default(),
            is_visible: Cell::new(true),
        });
        slot.replace(Rc::downgrade(&driver));
        Ok(Engine(driver))
    }

    /// Begins to fold the log: the notice `opened` tells when that is done.
    pub fn start(&self) {
        self.0.start();
    }

    /// What the backup says of a key before the log is folded, if that can be told: of a task that is not settled.
    ///
    /// # Errors
    /// Rejects with an `ErrorView`: `storage_unavailable`, `storage_failed`.
    pub async fn glance(&self, key: String) -> Result<EntryJs, JsValue> {
        let driver = self.0.clone();
        let entry = driver.store.glance(&key).await;
        let entry = entry.map_err(|error| reject(&error))?;
        Ok(driver.entries.one(entry.as_ref()).into())
    }

    /// Backs up a payload; or, with a signer's name in its place, a draft. The value comes as bytes, or as text.
    #[allow(
        clippy::too_many_arguments,
        reason = "one crossing of the boundary instead of eleven"
    )]
    pub fn submit(
        &self,
        ask: f64,
        payload: Vec<u8>,
        signer: Option<String>,
        key: Option<String>,
        value: Option<Vec<u8>>,
        value_text: Option<String>,
        idempotency_key: Option<String>,
        lane: Option<String>,
        tags: Option<Vec<String>>,
        update: Option<String>,
        after: Vec<String>,
        until: MilestoneJs,
    ) {
        // Name and value, in turns.
        let tags = tags.unwrap_or_default();
        let tags = tags.as_chunks::<2>().0.iter();
        let tasks: Option<Vec<TaskId>> = after.iter().map(|id| TaskId::parse(id)).collect();
        let name = JsValue::from(until).as_string().unwrap_or_default();
        let until = Milestone::ALL.iter().find(|until| until.as_str() == name);
        let (Some(tasks), Some(until)) = (tasks, until) else {
            return self
                .0
                .refuse(ask, "after takes ids of 32 hex digits, and a status");
        };
        let submit = Submit {
            id: env::random_id(),
            brings: signer.map_or(Brings::Payload(payload), Brings::Sign),
            key,
            value: value.or(value_text.map(String::into_bytes)),
            idempotency_key,
            lane,
            tags: tags.cloned().map(|[name, value]| (name, value)).collect(),
            update,
            after: Some(After {
                tasks,
                until: *until,
            }),
            created_ms: env::wall_ms(),
        };
        self.0.input(Input::Submit(ask as u64, submit));
    }

    /// Retries, cancels or discards a task, or says that its wallet did not send it.
    pub fn act(&self, ask: f64, id: &str, action: ActionJs) {
        let action = JsValue::from(action).as_string();
        let Some(id) = TaskId::parse(id) else {
            return self.0.refuse(ask, "a task's id has 32 hex digits");
        };
        let act = |event| Input::Act(ask as u64, id, event);
        self.0.input(match action.as_deref() {
            Some("retry") => Input::Retry(ask as u64, id),
            Some("cancel") => act(Event::Cancelled),
            Some("discard") => act(Event::Discarded),
            Some("not-sent") => act(Event::NotSent),
            Some(_) | None => return self.0.refuse(ask, "there is no such action"),
        });
    }

    /// Gives a task another transaction of the same nonce: one that pays more, or one that cancels it.
    pub fn replace(&self, ask: f64, id: &str, payload: Vec<u8>, role: RoleJs) {
        let name = JsValue::from(role).as_string().unwrap_or_default();
        let role = Role::ALL.iter().find(|role| role.as_str() == name);
        match (TaskId::parse(id), role) {
            (Some(id), Some(role)) => {
                self.0.input(Input::Replace(ask as u64, id, *role, payload));
            }
            (Some(_), None) => self.0.refuse(ask, "there is no such role"),
            (None, _) => self.0.refuse(ask, "a task's id has 32 hex digits"),
        }
    }

    /// Reads keys, each for a call of its own: nothing older than so many milliseconds, if that is said.
    pub fn read(
        &self,
        asks: Vec<f64>,
        keys: Vec<String>,
        source: SourceJs,
        max_age_ms: Option<f64>,
    ) {
        let name = JsValue::from(source).as_string().unwrap_or_default();
        match Source::ALL.iter().find(|source| source.as_str() == name) {
            Some(source) => {
                let asks = asks.into_iter().map(|ask| ask as u64);
                let max_age_ms = max_age_ms.map(|max_age_ms| max_age_ms as u64);
                self.0.input(Input::ReadMany(
                    asks.zip(keys).collect(),
                    *source,
                    max_age_ms,
                ));
            }
            None => {
                for ask in asks {
                    self.0.refuse(ask, "there is no such source");
                }
            }
        }
    }

    /// What `read` gives without waiting, where that is a task's write that is not settled.
    #[wasm_bindgen(js_name = readAtOnce)]
    pub fn read_at_once(&self, key: &str) -> EntryJs {
        let entry = self.0.core.borrow().read_at_once(key);
        self.0.entries.one(entry.as_ref()).into()
    }

    /// Reads a key without waiting.
    pub fn peek(&self, key: &str) -> EntryJs {
        let entry = self.0.core.borrow().peek(key);
        self.0.entries.one(entry.as_ref()).into()
    }

    /// Lists keys from a cursor on: those with a prefix or, with a tag's value beside it, those with a tag of this name.
    pub fn list(
        &self,
        ask: f64,
        name: String,
        value: Option<String>,
        backwards: bool,
        cursor: Option<String>,
        limit: u32,
    ) {
        let query = query(name, value, backwards);
        let list = Input::List(ask as u64, query, cursor, limit as usize);
        self.0.input(list);
    }

    /// Counts what `list` gives on all its pages.
    pub fn count(&self, ask: f64, name: String, value: Option<String>) {
        let query = query(name, value, false);
        self.0.input(Input::Count(ask as u64, query));
    }

    /// Says in the log that this tab leaves in order. `ask` is answered when that is durable.
    pub fn leave(&self, ask: Option<f64>) {
        self.0.input(Input::Close(ask.map(|ask| ask as u64)));
    }

    /// Calls the gateway: method, and parameters as a JSON array. The answer is the whole JSON-RPC reply.
    pub fn call(&self, ask: f64, method: String, params: String) {
        self.0.input(Input::Call(ask as u64, method, params));
    }

    /// The same for several: the method and the parameters of each. They go together.
    #[wasm_bindgen(js_name = callMany)]
    pub fn call_many(&self, asks: Vec<f64>, methods: Vec<String>, params: Vec<String>) {
        let calls = asks.into_iter().zip(methods).zip(params);
        let calls = calls.map(|((ask, method), params)| (ask as u64, method, params));
        self.0.input(Input::CallMany(calls.collect()));
    }

    /// Gives a `call` or a `read` up: it is not answered.
    pub fn abandon(&self, ask: f64) {
        self.0.input(Input::Abandon(ask as u64));
    }

    /// The dapp's answer to `Host.readChain`.
    #[wasm_bindgen(js_name = chainRead)]
    pub fn chain_read(&self, id: f64, value: Option<Vec<u8>>, error: Option<String>) {
        let result = match error {
            Some(message) => Err(Error::new(ErrorCode::GatewayError, message)),
            None => Ok(value),
        };
        self.0.input(Input::ChainRead(id as u64, result));
    }

    /// To `Host.sign`: the signed raw transaction.
    pub fn signed(&self, id: f64, payload: Vec<u8>) {
        self.signer_answered(id, SignerAnswer::Signed(payload));
    }

    /// To `Host.sign`: the id of the transaction that the signer sent by itself.
    pub fn broadcast(&self, id: f64, tx_id: &str) {
        let answer = match Hash::parse(tx_id) {
            Some(tx) => SignerAnswer::Sent(tx),
            None => SignerAnswer::Failed("the signer gave no transaction id".into()),
        };
        self.signer_answered(id, answer);
    }

    /// To `Host.sign`: the signer did nothing.
    pub fn refused(&self, id: f64, cause: String) {
        self.signer_answered(id, SignerAnswer::Refused(cause));
    }

    /// To `Host.sign`: the signer failed, and does not say whether it sent something.
    pub fn failed(&self, id: f64, cause: String) {
        self.signer_answered(id, SignerAnswer::Failed(cause));
    }

    fn signer_answered(&self, id: f64, answer: SignerAnswer) {
        self.0.input(Input::SignerAnswered(id as u64, answer));
    }

    /// The wallet sent the task's transaction: this one, as was found out.
    pub fn adopt(&self, ask: f64, id: &str, tx_id: &str) {
        match (TaskId::parse(id), Hash::parse(tx_id)) {
            (Some(id), Some(tx)) => self
                .0
                .input(Input::Act(ask as u64, id, Event::Broadcast(tx))),
            (None, _) | (_, None) => self
                .0
                .refuse(ask, "a transaction id is 0x and 64 hex digits"),
        }
    }

    /// To `Host.recover`: the public key's two coordinates, 64 bytes, or nothing.
    pub fn recovered(&self, id: f64, public_key: Option<Vec<u8>>) {
        let key = public_key.and_then(|key| key.try_into().ok());
        self.0.input(Input::Recovered(id as u64, key));
    }

    /// What is known of a task, packed.
    pub fn task(&self, id: &str) -> Option<String> {
        let packed = TaskId::parse(id).and_then(|id| self.0.packed_task(id));
        packed.map(Packed::into_string)
    }

    /// A transaction of the backup by its id, as a `Uint8Array`: its task's name (16 bytes), the hash that was signed (32), the
    /// signature (64: `r` and `s`) and which of the two points have this `r` (1), then the payload. Nothing where the backup has no
    /// such transaction, or not its bytes.
    ///
    /// # Errors
    /// Rejects with an `ErrorView`: `storage_unavailable`, `storage_failed`.
    pub async fn transaction(&self, tx_id: String) -> Result<JsValue, JsValue> {
        let driver = self.0.clone();
        let known = Hash::parse(&tx_id).and_then(|tx| {
            let core = driver.core.borrow();
            let (task, payload, place) = core.transaction(&tx)?;
            Some((task.submission.id, payload.clone(), place))
        });
        let Some((task, payload, place)) = known else {
            return Ok(JsValue::UNDEFINED);
        };
        let payload = match payload {
            Bytes::Inline(payload) => Some(payload),
            Bytes::Blob { .. } => {
                let found = driver.store.get(&[place]).await;
                let found = found.map_err(|error| reject(&error))?.pop();
                found.flatten().map(Into::into)
            }
        };
        let signed = payload.and_then(|payload| Some((transaction::signing(&payload)?, payload)));
        Ok(signed.map_or(JsValue::UNDEFINED, |(signing, payload)| {
            let mut bytes = task.0.to_be_bytes().to_vec();
            bytes.extend(signing.hash);
            bytes.extend(signing.signature);
            bytes.push(signing.y_parity);
            bytes.extend_from_slice(&payload);
            js_sys::Uint8Array::from(&*bytes).into()
        }))
    }

    /// The id of a signed raw transaction; nothing where it is none.
    #[wasm_bindgen(js_name = transactionId)]
    pub fn transaction_id(&self, payload: &[u8]) -> Option<String> {
        let parsed = transaction::parse(payload).ok()?;
        Some(Hash(parsed.id).to_string())
    }

    /// The account of a public key, given by its two coordinates in 64 bytes.
    #[wasm_bindgen(js_name = accountOf)]
    pub fn account_of(&self, public_key: &[u8]) -> Option<String> {
        let key = public_key.try_into().ok()?;
        Some(transaction::address(key).to_string())
    }

    /// The tasks of a status, or all, oldest first, packed.
    pub fn tasks(&self, status: StatusJs) -> String {
        let name = JsValue::from(status).as_string();
        let status = Status::ALL
            .iter()
            .find(|status| Some(status.as_str()) == name.as_deref());
        let core = self.0.core.borrow();
        let mut tasks: Vec<_> = core.tasks().collect();
        tasks.retain(|task| status.is_none_or(|status| task.state.status() == *status));
        tasks.sort_by_key(|task| task.order);
        let mut packed = Packed::default();
        packed.number(tasks.len() as u64);
        for task in tasks {
            TaskView::new(&core, task).pack(&mut packed);
        }
        packed.into_string()
    }

    /// What the browser says of a damaged database that it deleted when this one was opened.
    pub fn damage(&self) -> Option<String> {
        self.0.store.damage().map(Into::into)
    }

    /// Numbers about the cache.
    pub fn stats(&self) -> StatsJs {
        to_js(&Stats::new(
            &self.0.core.borrow(),
            &self.0.gateways,
            self.0.aside.get(),
        ))
        .into()
    }

    /// The next part of an export of this number, as a `Part`; the first begins it.
    #[wasm_bindgen(js_name = exportPart)]
    pub fn export_part(&self, ask: f64, export: f64) {
        let now_ms = env::wall_ms();
        self.0
            .input(Input::Export(ask as u64, export as u64, now_ms));
    }

    /// The next piece of a file, which is the import of this number; the first begins it. The answer is a `ReportView`.
    #[wasm_bindgen(js_name = importPart)]
    pub fn import_part(&self, ask: f64, import: f64, bytes: Vec<u8>, last: bool) {
        self.0
            .input(Input::Import(ask as u64, import as u64, bytes, last));
    }

    /// The keys of the damaged segments, as a `Float64Array`.
    ///
    /// # Errors
    /// Rejects with an `ErrorView`: `storage_unavailable`, `storage_failed`.
    pub async fn damaged(&self) -> Result<Vec<f64>, JsValue> {
        let driver = self.0.clone();
        let mut keys: OrderedSet<u64> = driver.core.borrow().damaged().collect();
        let aside = driver.store.aside().await.map_err(|error| reject(&error))?;
        keys.extend(aside);
        Ok(keys.into_iter().map(|key| key as f64).collect())
    }

    /// The bytes of a segment, in the log or set aside, as a `Uint8Array`.
    ///
    /// # Errors
    /// Rejects with an `ErrorView`: `storage_unavailable`, `storage_failed`.
    pub async fn segment(&self, key: f64) -> Result<JsValue, JsValue> {
        let driver = self.0.clone();
        let found = driver.store.segment(key as u64).await;
        let found = found.map_err(|error| reject(&error))?;
        Ok(found.unwrap_or(JsValue::UNDEFINED))
    }

    /// Forgets the damaged segments that are set aside.
    ///
    /// # Errors
    /// Rejects with an `ErrorView`: `storage_unavailable`, `storage_failed`.
    #[wasm_bindgen(js_name = discardDamaged)]
    pub async fn discard_damaged(&self) -> Result<(), JsValue> {
        let driver = self.0.clone();
        let discarded = driver.store.discard_aside().await;
        discarded.map_err(|error| reject(&error))?;
        driver.aside.set(0);
        Ok(())
    }

    /// The browser's network is there, or not.
    pub fn online(&self, is_online: bool) {
        self.0.input(Input::Online(is_online));
    }

    /// Looks at the log's end: `ask` is answered when all is known that was in the log by now.
    pub fn sync(&self, ask: f64) {
        self.0.input(Input::Sync(Some(ask as u64)));
    }

    /// The browser is about to freeze this page or worker: another is to lead, and nobody waits for this one.
    pub fn suspend(&self) {
        self.0.suspend();
    }

    /// It goes on.
    pub fn resume(&self) {
        self.0.resume();
    }

    /// Whether there are Web Locks: without them nobody knows who else sends, and so nobody does.
    #[wasm_bindgen(js_name = canLead)]
    pub fn can_lead(&self) -> bool {
        tabs::has_locks()
    }

    /// The page can be seen, or not.
    pub fn visible(&self, is_visible: bool) {
        self.0.is_visible.set(is_visible);
        self.0.input(Input::Visible(is_visible));
    }

    /// Gives up the lock, the channel and the database. Nothing is called back afterwards.
    pub fn close(&self) {
        self.0.close();
    }

    /// Deletes a database and all that it holds.
    ///
    /// # Errors
    /// Rejects with an `ErrorView`: `storage_unavailable`, `storage_failed`.
    pub async fn destroy(database: String) -> Result<(), JsValue> {
        Store::destroy(&database)
            .await
            .map_err(|error| reject(&error))
    }
}

impl Driver {
    fn start(self: &Rc<Self>) {
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
        let heard = move |news: News| {
            if let Some(driver) = weak.upgrade() {
                driver.input(Input::News(news.last_key, news.tip));
            }
        };
        self.channel.replace(Channel::join(&self.database, heard));
        self.claim();
    }

    fn claim(self: &Rc<Self>) {
        let weak = Rc::downgrade(self);
        let leads = move |leads| {
            if let Some(driver) = weak.upgrade() {
                driver.leads(leads);
            }
        };
        self.leadership
            .replace(Leadership::claim(&self.database, leads));
    }

    /// The lock is this one's; or it was taken away, by whoever did not queue for it.
    fn leads(self: &Rc<Self>, leads: bool) {
        self.input(Input::Leading(leads));
        if !leads && !self.is_closed.get() && !self.is_suspended.get() {
            self.claim();
        }
    }

    fn suspend(self: &Rc<Self>) {
        if self.is_closed.get() || self.is_suspended.replace(true) {
            return;
        }
        // First this one stops sending, and then another may begin.
        self.input(Input::Leading(false));
        self.leadership.take();
        self.channel.take();
    }

    fn resume(self: &Rc<Self>) {
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

    fn packed_task(&self, id: TaskId) -> Option<Packed> {
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

    fn refuse(&self, ask: f64, message: &str) {
        let error = Error::new(ErrorCode::InvalidInput, message);
        self.host.done(ask, reject(&error), JsValue::UNDEFINED);
    }

    fn close(&self) {
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

    fn input(self: &Rc<Self>, input: Input) {
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
                let at = to_js(&types::BlockView::from(at));
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

    /// What takes time, and what came of it.
    async fn perform(&self, output: Output) -> Option<Input> {
        Some(match output {
            Output::Load(from) => {
                let loaded = self.store.load(from).await;
                let counting = self.counting.take();
                if let Some(counting) = counting {
                    let _ = JsFuture::from(counting).await;
                }
                match loaded {
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
            Notice::Opened => ("opened", JsValue::UNDEFINED),
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
            Notice::Leading(leads) => ("leader", leads.into()),
        };
        self.host.notice(kind, detail);
    }
}

fn query(name: String, value: Option<String>, backwards: bool) -> Query {
    match value {
        None => Query::Keys(Interval {
            prefix: name,
            after: None,
            reverse: backwards,
        }),
        Some(value) => Query::Tagged(Shelf {
            tag: (name, value),
            after: None,
            newest: backwards,
        }),
    }
}

fn reject(error: &Error) -> JsValue {
    to_js(&ErrorView::from(error))
}
