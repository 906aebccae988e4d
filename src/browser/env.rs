//! What a page or worker gives: clocks, randomness, a timer.

use crate::task::TaskId;
use js_sys::{Function, Uint8Array};
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn get_random_values(array: &Uint8Array) -> Uint8Array;
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, delay_ms: f64) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(handle: &JsValue);
}

/// The longest delay that `setTimeout` takes, in milliseconds.
const MAX_DELAY_MS: f64 = 2_147_483_647.0;
const ID_BYTES: u32 = 16;
const IDS_AT_ONCE: u32 = 256;

/// Milliseconds of a clock that never goes back.
pub(super) fn now_ms() -> u64 {
    performance_now() as u64
}

/// Wall-clock milliseconds since 1970.
pub(super) fn wall_ms() -> u64 {
    js_sys::Date::now() as u64
}

/// Random bytes, at most 65,536.
pub(super) fn random_bytes(len: u32) -> Uint8Array {
    get_random_values(&Uint8Array::new_with_length(len))
}

/// A name that nothing else has. Random bytes are drawn for many names at once: a call of the browser for each took longer
/// than to frame the record.
pub(super) fn random_id() -> TaskId {
    thread_local! {
        static DRAWN: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    DRAWN.with_borrow_mut(|drawn| {
        if drawn.is_empty() {
            *drawn = random_bytes(ID_BYTES * IDS_AT_ONCE).to_vec();
        }
        let rest = drawn.len() - ID_BYTES as usize;
        let mut bytes = [0; ID_BYTES as usize];
        bytes.copy_from_slice(&drawn[rest..]);
        drawn.truncate(rest);
        TaskId(u128::from_be_bytes(bytes))
    })
}

/// One alarm that is set anew again and again.
pub(super) struct Timer {
    callback: Closure<dyn FnMut()>,
    set: Rc<RefCell<Option<(u64, JsValue)>>>,
}

impl Timer {
    /// An alarm that calls this.
    pub(super) fn new(mut callback: impl FnMut() + 'static) -> Self {
        let set: Rc<RefCell<Option<(u64, JsValue)>>> = Rc::default();
        let rang = set.clone();
        Timer {
            callback: Closure::new(move || {
                // The next `set` sets it anew.
                rang.take();
                callback();
            }),
            set,
        }
    }

    /// Rings at this time instead of any that was set; never for `None`. One that is set for an earlier time stays, as most never come:
    /// whoever it wakes for nothing sets it anew.
    pub(super) fn set(&self, due_ms: Option<u64>) {
        let mut set = self.set.borrow_mut();
        if let (Some((earlier, _)), Some(due_ms)) = (&*set, due_ms)
            && *earlier <= due_ms
        {
            return;
        }
        if let Some((_, handle)) = set.take() {
            clear_timeout(&handle);
        }
        *set = due_ms.map(|due| {
            // Rounded up: a timer that rings early finds nothing to do.
            let delay_ms = due as f64 - performance_now() + 1.0;
            let callback = self.callback.as_ref().unchecked_ref();
            (
                due,
                set_timeout(callback, delay_ms.clamp(0.0, MAX_DELAY_MS)),
            )
        });
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.set(None);
    }
}

/// Calls something once after a delay, unless dropped before.
pub(super) struct Delay {
    handle: JsValue,
    _callback: Closure<dyn FnMut()>,
}

impl Delay {
    /// Calls this after so many milliseconds.
    pub(super) fn new(delay_ms: u32, callback: impl FnMut() + 'static) -> Self {
        let callback = Closure::new(callback);
        let function: &Closure<dyn FnMut()> = &callback;
        let handle = set_timeout(function.as_ref().unchecked_ref(), f64::from(delay_ms));
        Delay {
            handle,
            _callback: callback,
        }
    }
}

impl Drop for Delay {
    fn drop(&mut self) {
        clear_timeout(&self.handle);
    }
}

/// How long something may take.
#[derive(Clone)]
pub(super) struct Deadline(Rc<Waiting>);

#[derive(Default)]
struct Waiting {
    is_over: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    delay: RefCell<Option<Delay>>,
}

impl Deadline {
    /// So many milliseconds from now.
    pub(super) fn new(delay_ms: u32) -> Self {
        let deadline = Deadline::endless();
        deadline.shorten(delay_ms);
        deadline
    }

    /// As long as it takes, until that is shortened.
    pub(super) fn endless() -> Self {
        Deadline(Rc::default())
    }

    /// Now it is so many milliseconds from here.
    pub(super) fn shorten(&self, delay_ms: u32) {
        let weak = Rc::downgrade(&self.0);
        let delay = Delay::new(delay_ms, move || {
            if let Some(waiting) = weak.upgrade() {
                waiting.is_over.set(true);
                if let Some(waker) = waiting.waker.take() {
                    waker.wake();
                }
            }
        });
        self.0.delay.replace(Some(delay));
    }

    /// What comes of it in time, or nothing.
    pub(super) async fn race<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        let raced = poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if self.0.is_over.get() => Poll::Ready(None),
            Poll::Pending => {
                self.0.waker.replace(Some(context.waker().clone()));
                Poll::Pending
            }
        });
        let result = raced.await;
        self.0.delay.take();
        result
    }
}
