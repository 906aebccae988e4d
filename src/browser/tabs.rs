//! The other tabs and workers of the origin: one of them holds the lock and sends; news travels by broadcast.

use super::env::{self, Delay, Timer};
use crate::cache::Tip;
use crate::task::{Block, Hash};
use js_sys::{Array, Function, Object, Promise, Reflect};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AbortController, BroadcastChannel, MessageEvent};

/// How long news of the log's end may wait for more, in milliseconds.
const NEWS_AFTER_MS: u64 = 4;

#[wasm_bindgen]
extern "C" {
    type LockManager;
    #[wasm_bindgen(method, catch)]
    fn request(
        this: &LockManager,
        name: &str,
        options: &Object,
        callback: &Function,
    ) -> Result<Promise, JsValue>;
}

/// What tabs tell each other: how far the log goes, and what the leader knows of the chain's end.
pub(super) struct News {
    /// The key of the log's last segment.
    pub(super) last_key: u64,
    /// The chain's end, from the leader.
    pub(super) tip: Option<Tip>,
}

/// How long until a lock that was denied is asked for again, in milliseconds.
const CLAIM_AGAIN_MS: u32 = 30_000;

/// What became of a claim.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lead {
    /// The lock is this one's.
    Held,
    /// It was taken away, by whoever did not queue for it.
    Stolen,
    /// The browser does not give it.
    Denied,
}

/// A queued claim to be the one that sends. It ends when dropped, and with the tab.
pub(super) struct Leadership {
    release: Rc<RefCell<Option<Function>>>,
    abort: AbortController,
    again: RefCell<Option<Delay>>,
    _granted: Closure<dyn FnMut() -> Promise>,
}

impl Leadership {
    /// Queues for the lock; `tell` hears what becomes of that. `None` where the browser has no Web Locks: they take a secure
    /// context.
    pub(super) fn claim(name: &str, tell: impl Fn(Lead) + 'static) -> Option<Self> {
        let navigator = Reflect::get(&js_sys::global(), &"navigator".into()).ok()?;
        let locks = Reflect::get(&navigator, &"locks".into()).ok()?;
        if locks.is_undefined() {
            return None;
        }
        let locks: LockManager = locks.unchecked_into();
        let abort = AbortController::new().ok()?;
        let release = Rc::new(RefCell::new(None));
        let tell = Rc::new(tell);
        // The lock is held until the promise that the callback returns is resolved.
        let (held, granted) = (release.clone(), tell.clone());
        let callback = Closure::new(move || {
            let promise = Promise::new(&mut |resolve, _| {
                held.replace(Some(resolve));
            });
            granted(Lead::Held);
            promise
        });
        let options = Object::new();
        let signal = abort.signal();
        Reflect::set(&options, &"signal".into(), &signal).ok()?;
        let function: &Closure<dyn FnMut() -> Promise> = &callback;
        let promise = locks
            .request(name, &options, function.as_ref().unchecked_ref())
            .unwrap_or_else(|error| Promise::reject(&error));
        let held = release.clone();
        spawn_local(async move {
            if JsFuture::from(promise).await.is_ok() {
                return;
            }
            if held.take().is_some() {
                tell(Lead::Stolen);
            } else if !signal.aborted() {
                // That the claim is given up is no news.
                tell(Lead::Denied);
            }
        });
        Some(Leadership {
            release,
            abort,
            again: RefCell::default(),
            _granted: callback,
        })
    }

    /// Calls this in a while, unless dropped before.
    pub(super) fn again(&self, claim: impl FnMut() + 'static) {
        self.again.replace(Some(Delay::new(CLAIM_AGAIN_MS, claim)));
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        match self.release.take() {
            Some(release) => {
                let _ = release.call0(&JsValue::UNDEFINED);
            }
            None => self.abort.abort(),
        }
    }
}

/// Whether tabs can hear of each other.
pub(super) fn has_channel() -> bool {
    Reflect::has(&js_sys::global(), &"BroadcastChannel".into()).unwrap_or(false)
}

/// What a tab says that joins: whoever is there answers.
const HELLO: &str = "hello";
/// What it is answered where there is nothing to tell yet.
const HERE: &str = "here";

/// What a tab says in which somebody asks to try at once.
const NOW: &str = "now";

/// What another tab says.
pub(super) enum Heard {
    News(News),
    /// Nothing is to wait for a backoff any longer.
    Now,
}

/// The channel between the tabs of one database.
pub(super) struct Channel {
    wire: Rc<Wire>,
    /// Posts what waits.
    timer: Timer,
    _heard: Closure<dyn FnMut(MessageEvent)>,
}

struct Wire {
    channel: BroadcastChannel,
    /// What was told last.
    news: RefCell<Option<News>>,
    /// It was not posted yet.
    is_waiting: Cell<bool>,
    /// Whether another tab was heard. Before that nobody listens: who joins says so, and is told then.
    has_company: Cell<bool>,
}

impl Channel {
    /// Joins. `None` where the browser has no BroadcastChannel.
    pub(super) fn join(name: &str, heard: impl Fn(Heard) + 'static) -> Option<Self> {
        let channel = BroadcastChannel::new(name).ok()?;
        let wire = Rc::new(Wire {
            channel,
            news: RefCell::default(),
            is_waiting: Cell::default(),
            has_company: Cell::default(),
        });
        let posting = wire.clone();
        let timer = Timer::new(move || posting.post_waiting());
        let answering = Rc::downgrade(&wire);
        let callback = Closure::new(move |event: MessageEvent| {
            let message = event.data();
            if let Some(wire) = answering.upgrade() {
                wire.has_company.set(true);
                if is_word(&message, HELLO) {
                    wire.post();
                }
            }
            if is_word(&message, NOW) {
                heard(Heard::Now);
            } else if let Some(news) = read(&message) {
                heard(Heard::News(news));
            }
        });
        let function: &Closure<dyn FnMut(MessageEvent)> = &callback;
        let listener = Some(function.as_ref().unchecked_ref());
        wire.channel.set_onmessage(listener);
        wire.say(HELLO);
        Some(Channel {
            wire,
            timer,
            _heard: callback,
        })
    }

    /// Asks whoever leads to try at once.
    pub(super) fn hurry(&self) {
        self.wire.say(NOW);
    }

    /// Tells the other tabs, in a few milliseconds, if there are any. A post takes a tenth of a commit, in this process and in the
    /// browser's, and many in a row say no more than the last. Where the page cannot be seen timers are late, and it is told at once.
    /// News that is lost costs the others time, nothing else.
    pub(super) fn tell(&self, news: News, may_wait: bool) {
        let wire = &self.wire;
        let earlier = wire.news.take();
        let tip = news.tip.or(earlier.and_then(|earlier| earlier.tip));
        wire.news.replace(Some(News { tip, ..news }));
        if !wire.has_company.get() {
            return;
        }
        wire.is_waiting.set(true);
        if may_wait {
            self.timer.set(Some(env::now_ms() + NEWS_AFTER_MS));
        } else {
            wire.post();
        }
    }
}

impl Wire {
    fn post_waiting(&self) {
        if self.is_waiting.get() {
            self.post();
        }
    }

    fn post(&self) {
        self.is_waiting.set(false);
        match &*self.news.borrow() {
            Some(news) => self.send(&news.to_message()),
            None => self.say(HERE),
        }
    }

    fn say(&self, word: &str) {
        self.send(&Array::of1(&word.into()));
    }

    fn send(&self, message: &Array) {
        let _ = self.channel.post_message(message);
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.wire.post_waiting();
        self.wire.channel.set_onmessage(None);
        self.wire.channel.close();
    }
}

impl News {
    fn to_message(&self) -> Array {
        let message = Array::of1(&JsValue::from(self.last_key as f64));
        if let Some(tip) = &self.tip {
            message.push(&JsValue::from(tip.head.number as f64));
            message.push(&JsValue::from(tip.head.hash.to_string()));
            message.push(
                &tip.final_height
                    .map_or(JsValue::NULL, |height| JsValue::from(height as f64)),
            );
        }
        message
    }
}

fn is_word(message: &JsValue, word: &str) -> bool {
    let message: Option<&Array> = message.dyn_ref();
    message.is_some_and(|message| message.get(0) == word)
}

/// News of another tab. It may be of another version of this package: what cannot be read is passed over.
fn read(message: &JsValue) -> Option<News> {
    let message: &Array = message.dyn_ref()?;
    let number = |index| message.get(index).as_f64().map(|number| number as u64);
    let tip = || {
        Some(Tip {
            head: Block {
                number: number(1)?,
                hash: Hash::parse(&message.get(2).as_string()?)?,
            },
            final_height: number(3),
        })
    };
    Some(News {
        last_key: number(0)?,
        tip: tip(),
    })
}

/// Seeds the jitter.
pub(super) fn seed() -> u64 {
    env::random_id().0 as u64
}
