//! JSON-RPC 2.0 over HTTP: the envelope.

use super::{Answer, Blame, Refusal, Verdict};
use miniserde::json::{self, Number, Object, Value};

/// The request's body. `params` is a JSON array.
pub fn body(id: u64, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}

/// An error object that the server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcError {
    /// Its code.
    pub code: i64,
    /// Its text.
    pub message: String,
    /// `data.rate.backoff_seconds`, in milliseconds: some gateways' hint.
    pub backoff_ms: Option<u64>,
}

/// The result of an answer to the request of this id, or why there is none.
pub fn result(id: u64, answer: &Answer) -> Result<Value, Failure> {
    let (status, body, retry_after_ms) = match answer {
        Answer::Http {
            status,
            body,
            retry_after_ms,
        } => (*status, body, *retry_after_ms),
        Answer::Lost(cause) => return Err(unknown(cause.clone(), None)),
    };
    let reply = json::from_str::<Value>(body).ok().and_then(into_object);
    if let Some(mut reply) = reply {
        if let Some(error) = reply.get("error").and_then(as_object) {
            // Some servers answer what they could not read with `id: null`.
            let is_ours = matches!(reply.get("id"), Some(Value::Null) | None) || has_id(&reply, id);
            if is_ours {
                return Err(Failure::Rpc(rpc_error(error, retry_after_ms), status));
            }
        }
        if status == 200
            && has_id(&reply, id)
            && let Some(result) = reply.remove("result")
        {
            return Ok(result);
        }
    }
    if status == 429 {
        return Err(Failure::Refusal(Refusal {
            verdict: Verdict::Later,
            cause: "HTTP 429: too many requests".into(),
            retry_after_ms,
            blame: Blame::Limited,
        }));
    }
    let cause = if status == 200 {
        "the gateway's answer is no JSON-RPC reply to the request".into()
    } else {
        format!("HTTP {status}")
    };
    Err(unknown(cause, retry_after_ms))
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The server's own error, and the HTTP status that came with it.
    Rpc(RpcError, u16),
    /// Anything else.
    Refusal(Refusal),
}

fn unknown(cause: String, retry_after_ms: Option<u64>) -> Failure {
    Failure::Refusal(Refusal {
        verdict: Verdict::Unknown,
        cause,
        retry_after_ms,
        // With a hint it is busy rather than broken.
        blame: match retry_after_ms {
            Some(_) => Blame::Limited,
            None => Blame::Gateway,
        },
    })
}

fn rpc_error(error: &Object, retry_after_ms: Option<u64>) -> RpcError {
    let backoff_ms = error
        .get("data")
        .and_then(as_object)
        .and_then(|data| as_object(data.get("rate")?))
        .and_then(|rate| as_integer(rate.get("backoff_seconds")?))
        .and_then(|seconds| u64::try_from(seconds).ok()?.checked_mul(1_000));
    RpcError {
        code: error.get("code").and_then(as_integer).unwrap_or(0),
        message: error
            .get("message")
            .and_then(as_text)
            .unwrap_or_default()
            .into(),
        backoff_ms: backoff_ms.or(retry_after_ms),
    }
}

fn has_id(reply: &Object, id: u64) -> bool {
    reply
        .get("id")
        .and_then(as_integer)
        .and_then(|known| u64::try_from(known).ok())
        == Some(id)
}

fn into_object(value: Value) -> Option<Object> {
    match value {
        Value::Object(object) => Some(object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            None
        }
    }
}

/// The value as an object.
pub fn as_object(value: &Value) -> Option<&Object> {
    match value {
        Value::Object(object) => Some(object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            None
        }
    }
}

/// The value as a string.
pub fn as_text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) | Value::Array(_) => {
            None
        }
    }
}

/// The value as a list.
pub fn as_list(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(list) => Some(list),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            None
        }
    }
}

fn as_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(Number::I64(number)) => Some(*number),
        Value::Number(Number::U64(number)) => i64::try_from(*number).ok(),
        Value::Number(Number::F64(_))
        | Value::Null
        | Value::Bool(_)
        | Value::String(_)
        | Value::Object(_)
        | Value::Array(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(status: u16, body: &str) -> Answer {
        Answer::Http {
            status,
            body: body.into(),
            retry_after_ms: None,
        }
    }

    #[test]
    fn only_a_reply_to_this_request_counts() {
        let ok = r#"{"jsonrpc":"2.0","id":3,"result":"0x1"}"#;
        assert_eq!(
            result(3, &http(200, ok)).ok().as_ref().and_then(as_text),
            Some("0x1")
        );
        for (status, body) in [
            (200, r#"{"jsonrpc":"2.0","id":4,"result":"0x1"}"#),
            (200, r#"{"jsonrpc":"2.0","id":3}"#),
            (200, r#"{"jsonrpc":"2.0","id":3,"resul"#),
            (200, "<html>busy</html>"),
            (200, ""),
            (200, "[]"),
            (502, ok),
            (503, "Service Unavailable"),
        ] {
            match result(3, &http(status, body)) {
                Err(Failure::Refusal(refusal)) => {
                    assert_eq!(refusal.verdict, Verdict::Unknown, "{body}")
                }
                other => panic!("{status} {body}: {other:?}"),
            }
        }
    }

    #[test]
    fn errors_and_hints_are_read() {
        let limited = r#"{"id":3,"error":{"code":-32005,"message":"rate","data":{"rate":{"backoff_seconds":30}}}}"#;
        match result(3, &http(429, limited)) {
            Err(Failure::Rpc(error, 429)) => {
                assert_eq!(
                    (error.code, error.message.as_str(), error.backoff_ms),
                    (-32005, "rate", Some(30_000))
                );
            }
            other => panic!("{other:?}"),
        }
        let unread = r#"{"id":null,"error":{"code":-32600,"message":"too large"}}"#;
        assert!(matches!(
            result(3, &http(200, unread)),
            Err(Failure::Rpc(..))
        ));
        match result(3, &http(429, "slow down")) {
            Err(Failure::Refusal(refusal)) => assert_eq!(refusal.verdict, Verdict::Later),
            other => panic!("{other:?}"),
        }
    }
}
