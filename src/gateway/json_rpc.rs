//! JSON-RPC 2.0 over HTTP: the envelope.

use super::{Answer, Blame, Refusal, Verdict};
use miniserde::json::{self, Number, Object, Value};

/// Of an answer, at the most: each takes many times the room in memory that it takes in the answer. The receipts of a
/// block that fill the longest answer have fewer.
const MAX_VALUES: usize = 500_000;

/// The request's body. `params` is a JSON array.
pub fn body(id: u64, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}

/// The body of a batch: one method for several parameters, each a JSON array, with ids from `id` on. A batch of one
/// is a plain request.
pub fn batch(id: u64, method: &str, params: &[String]) -> String {
    bodies(id, params.iter().map(|params| (method, params)))
}

/// The same for a method each.
pub fn bodies<'a>(id: u64, calls: impl Iterator<Item = (&'a str, &'a String)>) -> String {
    let bodies: Vec<String> = (id..)
        .zip(calls)
        .map(|(id, (method, params))| body(id, method, params))
        .collect();
    let list = bodies.join(",");
    if bodies.len() == 1 {
        list
    } else {
        ["[", &list, "]"].concat()
    }
}

/// What was answered to each element of a batch of `len` from this id on, in the order asked: a result, an error, or
/// `None` where an element is missing, or is there twice. An error object instead of the list is a failure of the whole.
pub fn elements(id: u64, len: usize, answer: &Answer) -> Result<Vec<Element>, Failure> {
    let Some(list) = list_of(answer) else {
        // Anything else than a list is no result; what it is, the reading of a single reply tells.
        let single = result(id, answer);
        return Err(single.err().unwrap_or_else(not_a_list));
    };
    let mut elements: Vec<Element> = (0..len).map(|_| None).collect();
    let mut is_answered = vec![false; len];
    let mut failure = None;
    for mut element in list.into_iter().filter_map(into_object) {
        let error = element.get("error").and_then(as_object);
        let error = error.map(|error| rpc_error(error, None));
        let index = id_of(&element)
            .and_then(|known| usize::try_from(known.checked_sub(id)?).ok())
            .filter(|index| *index < len);
        match (index, error) {
            (Some(index), error) => {
                let is_first = !std::mem::replace(&mut is_answered[index], true);
                let result = take_result(&mut element).map(Ok);
                let said = error.map(Err).or(result);
                elements[index] = said.filter(|_| is_first);
            }
            // Some servers put what they say of the whole into a list.
            (None, Some(error)) => failure = Some(Failure::Rpc(error, 200)),
            (None, None) => {}
        }
    }
    if elements.iter().any(Option::is_some) {
        return Ok(elements);
    }
    Err(failure.unwrap_or_else(not_a_list))
}

/// A result as the reply to a call that came alone.
pub fn reply(result: &Value) -> String {
    ["{\"result\":", &json::to_string(result), "}"].concat()
}

/// What was answered to an element of a batch.
pub type Element = Option<Result<Value, RpcError>>;

/// The results of the answer to a batch; `None` where an element has none. A batch of errors alone is a failure.
pub fn results(id: u64, len: usize, answer: &Answer) -> Result<Vec<Option<Value>>, Failure> {
    if len == 1 {
        return result(id, answer).map(|value| vec![Some(value)]);
    }
    let mut failure = None;
    let mut results = Vec::with_capacity(len);
    for element in elements(id, len, answer)? {
        results.push(match element {
            Some(Ok(value)) => Some(value),
            Some(Err(error)) => {
                // An error of one element is no refusal of the batch.
                failure = Some(error_of_one(error));
                None
            }
            None => None,
        });
    }
    if results.iter().any(Option::is_some) {
        return Ok(results);
    }
    Err(failure.unwrap_or_else(not_a_list))
}

fn error_of_one(error: RpcError) -> Failure {
    Failure::Refusal(Refusal {
        verdict: Verdict::Error,
        cause: error.message,
        retry_after_ms: error.backoff_ms,
        blame: Blame::Elsewhere,
    })
}

/// The list that an answer consists of.
fn list_of(answer: &Answer) -> Option<Vec<Value>> {
    let body = match answer {
        Answer::Http {
            status: 200, body, ..
        } => body,
        Answer::Http { .. } | Answer::Lost(_) => return None,
    };
    match parse(body)? {
        Value::Array(list) => Some(list.into_iter().collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            None
        }
    }
}

fn parse(body: &str) -> Option<Value> {
    let is_bearable = body.len() <= MAX_VALUES || values_in(body) <= MAX_VALUES;
    is_bearable.then(|| json::from_str(body).ok())?
}

/// How many values a JSON text has, about: it is not taken apart for that.
fn values_in(body: &str) -> usize {
    let (mut values, mut is_text, mut is_escaped) = (0, false, false);
    for byte in body.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_text,
            b'"' => is_text = !is_text,
            b',' | b'[' | b'{' => values += usize::from(!is_text),
            _ => {}
        }
    }
    values
}

fn not_a_list() -> Failure {
    unknown(
        "the gateway's answer is no JSON-RPC reply to the batch".into(),
        None,
    )
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
    let reply = parse(body).and_then(into_object);
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
            && let Some(result) = take_result(&mut reply)
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
        "the gateway's answer is no JSON-RPC reply to the request, or has too many values".into()
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
    id_of(reply) == Some(id)
}

/// Leaves nothing in its place: to take the name out as well would need what keeps such a tree in balance, 4 KB of code.
fn take_result(reply: &mut Object) -> Option<Value> {
    let result = reply.get_mut("result")?;
    Some(std::mem::replace(result, Value::Null))
}

fn id_of(reply: &Object) -> Option<u64> {
    reply
        .get("id")
        .and_then(as_integer)
        .and_then(|known| u64::try_from(known).ok())
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
    fn a_batch_is_read_by_ids_and_what_is_not_answered_once_is_missing() {
        let check = |body: &str, expected: &[Option<&str>]| {
            let results = results(7, expected.len(), &http(200, body)).unwrap();
            let texts: Vec<_> = results
                .iter()
                .map(|value| value.as_ref().and_then(as_text))
                .collect();
            assert_eq!(texts, expected, "{body}");
        };
        let (a, b) = (r#"{"id":7,"result":"a"}"#, r#"{"id":8,"result":"b"}"#);
        check(&format!("[{a},{b}]"), &[Some("a"), Some("b")]);
        check(&format!("[{b},{a}]"), &[Some("a"), Some("b")]);
        check(&format!("[{b}]"), &[None, Some("b")]);
        check(&format!("[{a},{b},{a}]"), &[None, Some("b")]);
        let error = r#"{"id":7,"error":{"code":-32005,"message":"rate limit"}}"#;
        check(&format!("[{error},{b}]"), &[None, Some("b")]);
        let strange = r#"{"id":6,"result":"x"},{"id":9,"result":"x"},7"#;
        check(&format!("[{strange},{b}]"), &[None, Some("b")]);
        check(a, &[Some("a")]);
    }

    #[test]
    fn what_is_said_of_a_whole_batch_is_no_result() {
        let verdict = |status: u16, body: &str| match results(7, 2, &http(status, body)) {
            Err(Failure::Rpc(error, _)) => Err(error.code),
            Err(Failure::Refusal(refusal)) => Ok(refusal.verdict),
            Ok(results) => panic!("{body}: {results:?}"),
        };
        let refused = r#"{"id":null,"error":{"code":-32600,"message":"Invalid request"}}"#;
        assert_eq!(verdict(200, refused), Err(-32_600));
        assert_eq!(verdict(200, &format!("[{refused}]")), Err(-32_600));
        let of_one = r#"[{"id":8,"error":{"code":-32600,"message":"no"}}]"#;
        assert_eq!(verdict(200, of_one), Ok(Verdict::Error));
        for body in ["[]", "", "[1]", r#"{"id":7,"result":"a"}"#, "<html>"] {
            assert_eq!(verdict(200, body), Ok(Verdict::Unknown), "{body}");
        }
        assert_eq!(verdict(429, ""), Ok(Verdict::Later));
    }

    #[test]
    fn what_would_fill_the_memory_is_no_reply() {
        let reply = |list: &str, times: usize| {
            let list = list.repeat(times);
            http(200, &[r#"{"id":3,"result":["#, &list, r#"""]}"#].concat())
        };
        assert!(result(3, &reply("[],", MAX_VALUES / 2 - 10)).is_ok());
        for list in ["[],", "{},", "0,0,"] {
            assert!(result(3, &reply(list, MAX_VALUES / 2)).is_err(), "{list}");
        }
        // What is in texts counts for nothing.
        assert!(result(3, &reply(r#""[\",{\\","#, MAX_VALUES / 4)).is_ok());
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
