//! The browser: the one driver of the core in pages and workers.
//!
//! `Engine` is what the TypeScript wrapper holds. Every call has a number; answers and news go to the wrapper's `Host`
//! by that number, so that the wrapper knows at any time who still waits.

mod append;
mod aside;
mod connection;
mod driver;
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

use crate::cache::{Brings, Input, Query, SignerAnswer, Source, Submit};
use crate::error::{Error, ErrorCode};
use crate::gateway::transaction;
use crate::ordered::OrderedSet;
use crate::overlay::Interval;
use crate::tags::Shelf;
use crate::task::{After, Bytes, Event, Hash, Milestone, Role, Status, TaskId};
use driver::Driver;
use js_sys::Uint8Array;
use miniserde::json;
use packed::Packed;
use std::rc::Rc;
use store::Store;
use types::{ErrorView, OpenOptions, Stats, TaskView, to_js};
use wasm_bindgen::prelude::*;

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
    "opened" | "broken" | "confirmed" | "refolded" | "reorg" | "head" | "damaged" | "trouble" | "unreadable" | "leader";
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
        let driver = Driver::open(options, host).await;
        Ok(Engine(driver.map_err(|error| reject(&error))?))
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

    /// The dapp's answer to `Host.readChain`. `no_answer`: its own question to the gateway got none.
    #[wasm_bindgen(js_name = chainRead)]
    pub fn chain_read(
        &self,
        id: f64,
        value: Option<Vec<u8>>,
        error: Option<String>,
        no_answer: bool,
    ) {
        let code = match no_answer {
            true => ErrorCode::GatewayUnreachable,
            false => ErrorCode::GatewayError,
        };
        let result = match error {
            Some(message) => Err(Error::new(code, message)),
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

    /// A transaction of the backup by its id, as a `Uint8Array`: its task's name (16 bytes), then the payload. Nothing where the
    /// backup has no such transaction, or not its bytes.
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
        Ok(payload.map_or(JsValue::UNDEFINED, |payload| {
            let mut bytes = task.0.to_be_bytes().to_vec();
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

    /// What was signed of a signed raw transaction, and how: the hash (32 bytes), the signature (64: `r` and `s`) and which of the
    /// two points have this `r` (1). Nothing where it is none.
    pub fn signing(&self, payload: &[u8]) -> Option<Vec<u8>> {
        let signing = transaction::signing(payload)?;
        let mut bytes = signing.hash.to_vec();
        bytes.extend(signing.signature);
        bytes.push(signing.y_parity);
        Some(bytes)
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
        Ok(found.map_or(JsValue::UNDEFINED, Into::into))
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

    /// Nothing waits for a backoff any longer, in whichever tab leads.
    #[wasm_bindgen(js_name = tryNow)]
    pub fn try_now(&self) {
        self.0.try_now();
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

    /// Whether the browser gives Web Locks: without them nobody knows who else sends, and so nobody does.
    #[wasm_bindgen(js_name = canLead)]
    pub fn can_lead(&self) -> bool {
        self.0.can_lead.get()
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
