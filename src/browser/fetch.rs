//! Requests to the gateway by `fetch`, or over a socket where the address is one.

use super::env::Delay;
use super::socket::Socket;
use crate::gateway::Answer;
use gloo_net::http::{Request, Response};
use std::cell::Cell;
use web_sys::AbortController;

/// The longest answer that is read, in bytes. Blocks with all their transaction ids stay far below.
const MAX_ANSWER_BYTES: u64 = 16 * 1024 * 1024;

/// The gateway's addresses.
pub(super) struct Gateway {
    endpoints: Vec<Endpoint>,
    current: Cell<usize>,
    timeout_ms: u32,
}

/// An address, by how it is reached.
enum Endpoint {
    Http(String),
    Socket(Socket),
}

impl Gateway {
    /// A gateway that is reached by the first of these that answers.
    pub(super) fn new(urls: Vec<String>, timeout_ms: u32) -> Self {
        let endpoint = |url: String| match url.starts_with("ws") {
            true => Endpoint::Socket(Socket::new(url, timeout_ms)),
            false => Endpoint::Http(url),
        };
        Gateway {
            endpoints: urls.into_iter().map(endpoint).collect(),
            current: Cell::new(0),
            timeout_ms,
        }
    }

    /// Posts a JSON-RPC body whose ids begin with this one. After a lost answer the next request goes to the next
    /// address.
    pub(super) async fn post(&self, id: u64, body: String) -> Answer {
        let current = self.current.get();
        let answer = match self.endpoints.get(current) {
            Some(Endpoint::Http(url)) => post(url, body, self.timeout_ms).await,
            Some(Endpoint::Socket(socket)) => socket.post(id, body).await,
            None => Err("there is no gateway address".into()),
        };
        answer.unwrap_or_else(|cause| {
            self.current
                .set((current + 1) % self.endpoints.len().max(1));
            Answer::Lost(cause)
        })
    }

    /// The addresses that can push new heads.
    pub(super) fn sockets(&self) -> impl Iterator<Item = &Socket> {
        self.endpoints.iter().filter_map(|endpoint| match endpoint {
            Endpoint::Http(_) => None,
            Endpoint::Socket(socket) => Some(socket),
        })
    }
}

async fn post(url: &str, body: String, timeout_ms: u32) -> Result<Answer, String> {
    let abort = AbortController::new().map_err(|_| "no AbortController")?;
    let signal = abort.signal();
    // A plain `abort()`: gloo-net panics over reasons that are no `Error`.
    let _timeout = Delay::new(timeout_ms, move || abort.abort());
    let request = Request::post(url)
        .header("content-type", "application/json")
        .abort_signal(Some(&signal))
        .body(body)
        .map_err(text)?;
    let read = async {
        let response = request.send().await?;
        let is_too_long = content_length(&response).is_some_and(|len| len > MAX_ANSWER_BYTES);
        let body = if is_too_long {
            String::new()
        } else {
            response.text().await?
        };
        Ok(Answer::Http {
            status: response.status(),
            body,
            retry_after_ms: retry_after_ms(&response),
        })
    };
    let answer: Result<Answer, gloo_net::Error> = read.await;
    answer.map_err(|error| match signal.aborted() {
        true => format!("no answer within {timeout_ms} ms"),
        false => text(error),
    })
}

fn content_length(response: &Response) -> Option<u64> {
    response.headers().get("content-length")?.parse().ok()
}

/// Seconds only: dates are as good as the two clocks.
fn retry_after_ms(response: &Response) -> Option<u64> {
    let seconds: u64 = response.headers().get("retry-after")?.parse().ok()?;
    seconds.checked_mul(1_000)
}

fn text(error: gloo_net::Error) -> String {
    match error {
        gloo_net::Error::JsError(error) => error.message,
        gloo_net::Error::GlooError(message) => message,
    }
}
