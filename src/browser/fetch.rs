//! Requests to the gateways, by `fetch`, or over a socket where the address is one. Which url is asked is the core's to say.

use super::env::Delay;
use super::socket::Socket;
use crate::gateway::Answer;
use crate::ordered::OrderedMap;
use gloo_net::http::Request;
use js_sys::{Promise, Reflect, Uint8Array};
use std::cell::RefCell;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, Headers, ReadableStreamDefaultReader};

/// The longest answer that is read, in bytes. Blocks with all their transaction ids stay far below.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

#[wasm_bindgen]
extern "C" {
    /// The page's own, which may be wrapped, or another's: whatever it throws, rejects with or gives is an answer or a failure.
    #[wasm_bindgen(catch, js_name = fetch)]
    fn page_fetch(request: &web_sys::Request) -> Result<JsValue, JsValue>;
}

/// The gateways' addresses, and the requests to them that are under way.
pub(super) struct Gateways {
    endpoints: Vec<Endpoint>,
    timeout_ms: u32,
    under_way: RefCell<OrderedMap<u64, AbortController>>,
}

/// An address, by how it is reached.
enum Endpoint {
    Http(String),
    Socket(Socket),
}

impl Gateways {
    /// Gateways with these addresses, which have so long to answer with the whole body.
    pub(super) fn new(urls: Vec<String>, timeout_ms: u32) -> Self {
        let endpoint = |url: String| match url.starts_with("ws") {
            true => Endpoint::Socket(Socket::new(url, timeout_ms)),
            false => Endpoint::Http(url),
        };
        Gateways {
            endpoints: urls.into_iter().map(endpoint).collect(),
            timeout_ms,
            under_way: RefCell::default(),
        }
    }

    /// The address of this number.
    pub(super) fn url(&self, url: usize) -> &str {
        match self.endpoints.get(url) {
            Some(Endpoint::Http(url)) => url,
            Some(Endpoint::Socket(socket)) => socket.url(),
            None => "",
        }
    }

    /// Posts a JSON-RPC body whose ids begin with this one.
    pub(super) async fn post(&self, id: u64, url: usize, body: String) -> Answer {
        let answer = match self.endpoints.get(url) {
            Some(Endpoint::Http(url)) => self.fetch(id, url, body).await,
            Some(Endpoint::Socket(socket)) => socket.post(id, body).await,
            None => Err("there is no such address".into()),
        };
        answer.unwrap_or_else(Answer::Lost)
    }

    async fn fetch(&self, id: u64, url: &str, body: String) -> Result<Answer, String> {
        let abort = AbortController::new().map_err(|_| "no AbortController")?;
        self.under_way.borrow_mut().insert(id, abort.clone());
        let answer = post(url, body, self.timeout_ms, &abort).await;
        self.under_way.borrow_mut().remove(&id);
        answer
    }

    /// Breaks a request off.
    pub(super) fn abort(&self, id: u64) {
        let abort = self.under_way.borrow_mut().remove(&id);
        if let Some(abort) = abort {
            abort.abort();
        }
    }

    /// The addresses that can push new heads.
    pub(super) fn sockets(&self) -> impl Iterator<Item = &Socket> {
        self.endpoints.iter().filter_map(|endpoint| match endpoint {
            Endpoint::Http(_) => None,
            Endpoint::Socket(socket) => Some(socket),
        })
    }
}

async fn post(
    url: &str,
    body: String,
    timeout_ms: u32,
    abort: &AbortController,
) -> Result<Answer, String> {
    let signal = abort.signal();
    let at_timeout = abort.clone();
    // A plain `abort()`: gloo-net panics over reasons that are no `Error`.
    let _timeout = Delay::new(timeout_ms, move || at_timeout.abort());
    let request = Request::post(url)
        .header("content-type", "application/json")
        .abort_signal(Some(&signal))
        .body(body)
        .map_err(text)?;
    let request = web_sys::Request::from(request);
    let read = async {
        let answer = page_fetch(&request).map_err(|error| words(&error))?;
        let response = JsFuture::from(Promise::resolve(&answer)).await;
        let response = response.map_err(|error| words(&error))?;
        let status = get(&response, "status").as_f64();
        Ok(Answer::Http {
            status: status.ok_or("fetch gave no response")? as u16,
            retry_after_ms: retry_after_ms(&response),
            body: read_body(&response, abort).await?,
        })
    };
    let answer: Result<Answer, String> = read.await;
    answer.map_err(|error| match signal.aborted() && error != TOO_LONG {
        true => format!("no answer within {timeout_ms} ms"),
        false => error,
    })
}

const TOO_LONG: &str = "the answer is longer than 16 MiB: it was cut off";

/// Reads piece by piece, so that what is too long is cut off where it gets so, whatever its headers say.
async fn read_body(response: &JsValue, abort: &AbortController) -> Result<String, String> {
    let stream = get(response, "body");
    if stream.is_null() {
        return Ok(String::new());
    }
    let reader = ReadableStreamDefaultReader::new(stream.unchecked_ref());
    let reader = reader.map_err(|_| "the body cannot be read")?;
    let mut bytes = Vec::new();
    loop {
        let piece = JsFuture::from(reader.read()).await;
        let piece = piece.map_err(|_| "the answer broke off")?;
        let value = get(&piece, "value");
        if value.is_undefined() {
            break;
        }
        // Of another realm it is none of ours, and copied.
        let chunk = value.dyn_into();
        let chunk: Uint8Array = chunk.unwrap_or_else(|foreign| Uint8Array::new(&foreign));
        let from = bytes.len();
        let end = from + chunk.length() as usize;
        if end > MAX_ANSWER_BYTES {
            abort.abort();
            return Err(TOO_LONG.into());
        }
        bytes.resize(end, 0);
        chunk.copy_to(&mut bytes[from..]);
    }
    String::from_utf8(bytes).map_err(|_| "the answer is no UTF-8".into())
}

fn get(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

/// Seconds only: dates are as good as the two clocks.
fn retry_after_ms(response: &JsValue) -> Option<u64> {
    let headers: Headers = get(response, "headers").unchecked_into();
    let seconds: u64 = headers.get("retry-after").ok()??.parse().ok()?;
    seconds.checked_mul(1_000)
}

/// Of whatever was thrown.
fn words(error: &JsValue) -> String {
    let message = get(error, "message").as_string();
    let message = message.or_else(|| error.as_string());
    message.unwrap_or_else(|| "fetch failed".into())
}

fn text(error: gloo_net::Error) -> String {
    match error {
        gloo_net::Error::JsError(error) => error.message,
        gloo_net::Error::GlooError(message) => message,
    }
}
