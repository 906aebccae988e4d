//! JSON-RPC over a WebSocket: requests by their ids, and new heads that are pushed. One connection an address, opened
//! when it is needed and closed when it was idle for long.

use super::env::Delay;
use crate::cache::Push;
use crate::gateway::Answer;
use crate::ordered::OrderedMap;
use crate::task::{Block, Hash};
use js_sys::{Array, Function, JsString, Promise, Reflect};
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Event, MessageEvent, WebSocket};

/// The longest message that is read, in UTF-16 units. One that is longer ends the connection.
const MAX_MESSAGE_UNITS: u32 = 16 * 1024 * 1024;
/// How long a connection stays open that nobody uses, in milliseconds.
const IDLE_MS: u32 = 60_000;
/// Ids of our own questions go on from here: far above those of the core, and still exact as a JavaScript number.
const OWN_IDS: u64 = 1 << 52;

#[wasm_bindgen]
extern "C" {
    /// Without a copy of the text on the way in and out.
    #[wasm_bindgen(js_namespace = JSON, catch)]
    fn parse(text: &JsString) -> Result<JsValue, JsValue>;
}

/// An address that is a WebSocket.
pub(super) struct Socket(Rc<Inner>);

struct Inner {
    url: String,
    timeout_ms: u32,
    connection: RefCell<Option<Connection>>,
    /// What waits for the connection to open.
    queue: RefCell<Vec<String>>,
    waiting: RefCell<OrderedMap<u64, Waiting>>,
    subscription: RefCell<Option<Subscription>>,
    own_id: Cell<u64>,
    /// How many messages came, of whatever kind.
    messages: Cell<u64>,
    idle: RefCell<Option<Delay>>,
}

struct Connection {
    socket: WebSocket,
    _opened: Closure<dyn FnMut(Event)>,
    _heard: Closure<dyn FnMut(MessageEvent)>,
    _ended: Closure<dyn FnMut(Event)>,
}

/// A request that is not answered yet.
struct Waiting {
    is_batch: bool,
    resolve: Function,
    reject: Function,
    _timeout: Delay,
}

struct Subscription {
    /// The id of the question for it.
    own_id: u64,
    /// Its name, once the gateway told it.
    name: Option<String>,
    push: Rc<dyn Fn(Push)>,
    _timeout: Option<Delay>,
}

impl Socket {
    pub(super) fn new(url: String, timeout_ms: u32) -> Self {
        Socket(Rc::new(Inner {
            url,
            timeout_ms,
            connection: RefCell::default(),
            queue: RefCell::default(),
            waiting: RefCell::default(),
            subscription: RefCell::default(),
            own_id: Cell::new(OWN_IDS),
            messages: Cell::default(),
            idle: RefCell::default(),
        }))
    }

    /// Its address.
    pub(super) fn url(&self) -> &str {
        &self.0.url
    }

    /// Sends a JSON-RPC body whose ids begin with this one, and waits for the answer.
    pub(super) async fn post(&self, id: u64, body: String) -> Result<Answer, String> {
        let inner = &self.0;
        let is_batch = body.starts_with('[');
        let timeout_ms = inner.timeout_ms;
        let promise = Promise::new(&mut |resolve, reject| {
            let weak = Rc::downgrade(inner);
            let before = inner.messages.get();
            let timeout = Delay::new(timeout_ms, move || {
                let Some(inner) = weak.upgrade() else { return };
                let waiting = inner.waiting.borrow_mut().remove(&id);
                if let Some(waiting) = waiting {
                    waiting.fail(&format!("no answer within {timeout_ms} ms"));
                }
                inner.end_if_silent(before);
            });
            let waiting = Waiting {
                is_batch,
                resolve,
                reject,
                _timeout: timeout,
            };
            inner.waiting.borrow_mut().insert(id, waiting);
        });
        inner.send(body);
        let answer = JsFuture::from(promise).await;
        inner.rest();
        let text = |value: JsValue| value.as_string().unwrap_or_default();
        answer.map_err(text).map(|body| Answer::Http {
            status: 200,
            body: text(body),
            retry_after_ms: None,
        })
    }

    /// Has new heads pushed, until `unsubscribe` or `Push::Ended`.
    pub(super) fn subscribe(&self, push: Rc<dyn Fn(Push)>) {
        let inner = &self.0;
        let own_id = inner.draw_id();
        let weak = Rc::downgrade(inner);
        let before = inner.messages.get();
        let timeout = Delay::new(inner.timeout_ms, move || {
            if let Some(inner) = weak.upgrade() {
                inner.end_subscription();
                inner.end_if_silent(before);
            }
        });
        inner.subscription.replace(Some(Subscription {
            own_id,
            name: None,
            push,
            _timeout: Some(timeout),
        }));
        inner.send(format!(
            r#"{{"jsonrpc":"2.0","id":{own_id},"method":"eth_subscribe","params":["newHeads"]}}"#
        ));
    }

    /// Ends what `subscribe` began. Nothing is pushed afterwards.
    pub(super) fn unsubscribe(&self) {
        let inner = &self.0;
        let name = inner.subscription.take().and_then(|known| known.name);
        if let Some(name) = name.filter(|_| inner.is_open()) {
            let id = inner.draw_id();
            inner.send(format!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"eth_unsubscribe","params":["{name}"]}}"#
            ));
        }
        inner.rest();
    }

    /// Closes the connection; whoever waits gets no answer.
    pub(super) fn close(&self) {
        self.0.subscription.take();
        self.0.idle.take();
        self.0.ended("the cache was closed");
    }
}

impl Inner {
    fn draw_id(&self) -> u64 {
        let id = self.own_id.get();
        self.own_id.set(id + 1);
        id
    }

    fn is_open(&self) -> bool {
        let connection = self.connection.borrow();
        connection
            .as_ref()
            .is_some_and(|known| known.socket.ready_state() == WebSocket::OPEN)
    }

    /// Sends at once, or as soon as the connection is open.
    fn send(self: &Rc<Self>, body: String) {
        self.idle.take();
        if self.is_open() {
            let connection = self.connection.borrow();
            if let Some(known) = &*connection {
                // It fails only while a connection opens: this one is open.
                let _ = known.socket.send_with_str(&body);
            }
            return;
        }
        self.queue.borrow_mut().push(body);
        if self.connection.borrow().is_some() {
            return;
        }
        match self.connect() {
            Some(connection) => {
                self.connection.replace(Some(connection));
            }
            None => self.ended("the browser does not open this address"),
        }
    }

    fn connect(self: &Rc<Self>) -> Option<Connection> {
        let socket = WebSocket::new(&self.url).ok()?;
        let weak = Rc::downgrade(self);
        let with = move |act: fn(&Rc<Inner>)| on(weak.clone(), act);
        let opened = Closure::<dyn FnMut(Event)>::new(with(Inner::opened));
        let ended = Closure::<dyn FnMut(Event)>::new(with(|inner| {
            inner.ended("the socket was closed");
        }));
        let weak = Rc::downgrade(self);
        let heard = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(inner) = weak.upgrade() {
                inner.heard(&event.data());
            }
        });
        socket.set_onopen(Some(opened.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(heard.as_ref().unchecked_ref()));
        socket.set_onclose(Some(ended.as_ref().unchecked_ref()));
        Some(Connection {
            socket,
            _opened: opened,
            _heard: heard,
            _ended: ended,
        })
    }

    fn opened(self: &Rc<Self>) {
        for body in self.queue.take() {
            self.send(body);
        }
    }

    /// The connection is gone: nobody who waits gets an answer over it.
    fn ended(&self, cause: &str) {
        if let Some(connection) = self.connection.take() {
            connection.socket.set_onopen(None);
            connection.socket.set_onmessage(None);
            connection.socket.set_onclose(None);
            let _ = connection.socket.close();
        }
        self.queue.take();
        for waiting in self.waiting.take().into_values() {
            waiting.fail(cause);
        }
        self.end_subscription();
    }

    /// A question ran into its timeout. Where nothing else was heard since either, nobody is at the other end any more, whatever
    /// the browser says of the connection: the next question opens another.
    fn end_if_silent(&self, messages: u64) {
        if self.messages.get() == messages {
            self.ended("nothing comes over the socket any more");
        }
    }

    fn end_subscription(&self) {
        let subscription = self.subscription.take();
        if let Some(subscription) = subscription {
            (subscription.push)(Push::Ended);
        }
    }

    /// Nobody uses the connection for the moment: it is closed if that stays so.
    fn rest(self: &Rc<Self>) {
        let is_used = !self.waiting.borrow().is_empty() || self.subscription.borrow().is_some();
        if is_used || self.connection.borrow().is_none() {
            return;
        }
        let weak = Rc::downgrade(self);
        let idle = Delay::new(IDLE_MS, move || {
            if let Some(inner) = weak.upgrade() {
                inner.ended("the socket was idle");
            }
        });
        self.idle.replace(Some(idle));
    }

    fn heard(&self, data: &JsValue) {
        self.messages.set(self.messages.get() + 1);
        let Some(text) = data.dyn_ref::<JsString>() else {
            return;
        };
        if text.length() > MAX_MESSAGE_UNITS {
            return self.ended("a message is too long");
        }
        // What is no JSON answers nobody: whoever waits for it runs into the timeout.
        let Ok(message) = parse(text) else {
            return;
        };
        let first = match message.dyn_ref::<Array>() {
            Some(list) => list.get(0),
            None => message.clone(),
        };
        if get(&first, "method").is_string() {
            return self.notified(&get(&first, "params"));
        }
        match get(&first, "id").as_f64() {
            Some(id) if id >= OWN_IDS as f64 => self.subscribed(id as u64, &first),
            Some(id) => self.answered(id as u64, data),
            None => self.refused(data),
        }
    }

    /// A batch has the ids from its own to the next request's.
    fn answered(&self, id: u64, data: &JsValue) {
        let mut all = self.waiting.borrow_mut();
        let known = all.range(..=id).next_back();
        let known = known.filter(|(known, waiting)| **known == id || waiting.is_batch);
        let waiting = known
            .map(|(known, _)| *known)
            .and_then(|id| all.remove(&id));
        drop(all);
        if let Some(waiting) = waiting {
            waiting.answer(data);
        }
    }

    /// An error without an id. It is for a batch, which servers refuse so, or for whoever waits alone.
    fn refused(&self, data: &JsValue) {
        let mut all = self.waiting.borrow_mut();
        let batch = all.iter().find(|(_, waiting)| waiting.is_batch);
        let alone = all.iter().next().filter(|_| all.len() == 1);
        let id = batch.or(alone).map(|(id, _)| *id);
        let waiting = id.and_then(|id| all.remove(&id));
        drop(all);
        if let Some(waiting) = waiting {
            waiting.answer(data);
        }
    }

    fn subscribed(&self, id: u64, reply: &JsValue) {
        let mut subscription = self.subscription.borrow_mut();
        let Some(known) = subscription.as_mut().filter(|known| known.own_id == id) else {
            return;
        };
        known._timeout = None;
        known.name = get(reply, "result").as_string();
        let (push, is_there) = (known.push.clone(), known.name.is_some());
        drop(subscription);
        if is_there {
            push(Push::Subscribed);
        } else {
            self.end_subscription();
        }
    }

    fn notified(&self, params: &JsValue) {
        let name = get(params, "subscription").as_string();
        let push = self
            .subscription
            .borrow()
            .as_ref()
            .filter(|known| known.name.is_some() && known.name == name)
            .map(|known| known.push.clone());
        if let Some(push) = push
            && let Some(block) = block(&get(params, "result"))
        {
            push(Push::Head(block));
        }
    }
}

impl Waiting {
    fn answer(&self, data: &JsValue) {
        let _ = self.resolve.call1(&JsValue::UNDEFINED, data);
    }

    fn fail(&self, cause: &str) {
        let _ = self.reject.call1(&JsValue::UNDEFINED, &cause.into());
    }
}

fn on(inner: Weak<Inner>, act: fn(&Rc<Inner>)) -> impl FnMut(Event) + 'static {
    move |_| {
        if let Some(inner) = inner.upgrade() {
            act(&inner);
        }
    }
}

fn get(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

fn block(header: &JsValue) -> Option<Block> {
    let number = get(header, "number").as_string()?;
    let digits = number.strip_prefix("0x")?;
    Some(Block {
        number: u64::from_str_radix(digits, 16).ok()?,
        hash: Hash::parse(&get(header, "hash").as_string()?)?,
    })
}
