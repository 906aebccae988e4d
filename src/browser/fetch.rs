//! Requests to the gateway by `fetch`.

use super::env::Delay;
use crate::gateway::Answer;
use gloo_net::http::{Request, Response};
use std::cell::Cell;
use web_sys::AbortController;

/// The longest answer that is read, in bytes. Blocks with all their transaction ids stay far below.
const MAX_ANSWER_BYTES: u64 = 16 * 1024 * 1024;

/// The gateway's addresses.
pub(super) struct Gateway {
    urls: Vec<String>,
    current: Cell<usize>,
    timeout_ms: u32,
}

impl Gateway {
    /// A gateway that is reached by the first of these that answers.
    pub(super) fn new(urls: Vec<String>, timeout_ms: u32) -> Self {
        Gateway {
            urls,
            current: Cell::new(0),
            timeout_ms,
        }
    }

    /// Posts a JSON-RPC body. After a lost answer the next request goes to the next address.
    pub(super) async fn post(&self, body: String) -> Answer {
        let current = self.current.get();
        let answer = match self.urls.get(current) {
            Some(url) => post(url, body, self.timeout_ms).await,
            None => Err("there is no gateway address".into()),
        };
        answer.unwrap_or_else(|cause| {
            self.current.set((current + 1) % self.urls.len().max(1));
            Answer::Lost(cause)
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
