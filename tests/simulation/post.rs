//! JSON-RPC as a gateway reads it: real bodies in, real replies out.

use miniserde::json::{Array, Value};
use uplink_cache::task::unhex;

/// A body that could be read: a call, or a batch of them.
#[derive(Clone)]
pub(crate) struct Post {
    /// The first one's.
    pub(crate) id: u64,
    pub(crate) calls: Vec<Call>,
    pub(crate) is_batch: bool,
}

impl Post {
    pub(crate) fn parse(body: &str) -> Option<Post> {
        let (calls, is_batch) = match miniserde::json::from_str::<Value>(body).ok()? {
            Value::Array(list) => {
                let calls = list.into_iter().map(Call::read);
                (calls.collect::<Option<Vec<Call>>>()?, true)
            }
            single => (vec![Call::read(single)?], false),
        };
        let id = calls.first()?.id;
        let are_in_order = (id..).zip(&calls).all(|(id, call)| call.id == id);
        are_in_order.then_some(Post {
            id,
            calls,
            is_batch,
        })
    }

    /// The raw transactions, where it is a send.
    pub(crate) fn payloads(&self) -> Vec<Vec<u8>> {
        self.calls.iter().filter_map(Call::payload).collect()
    }

    pub(crate) fn method(&self) -> &str {
        &self.calls[0].method
    }
}

/// A request that could be read.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) id: u64,
    pub(crate) method: String,
    params: Array,
}

impl Call {
    fn read(call: Value) -> Option<Call> {
        let Value::Object(mut call) = call else {
            return None;
        };
        let id = integer(call.get("id")?)?;
        let Value::String(method) = call.remove("method")? else {
            return None;
        };
        let Value::Array(params) = call.remove("params")? else {
            return None;
        };
        Some(Call { id, method, params })
    }

    pub(crate) fn text(&self, index: usize) -> Option<&str> {
        match self.params.get(index)? {
            Value::String(text) => Some(text),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => None,
        }
    }

    pub(crate) fn is_true(&self, index: usize) -> bool {
        matches!(self.params.get(index), Some(Value::Bool(true)))
    }

    pub(crate) fn number(&self, index: usize) -> Option<u64> {
        number(self.text(index)?)
    }

    /// The raw transaction, where it is a send.
    pub(crate) fn payload(&self) -> Option<Vec<u8>> {
        let is_send = self.method == "eth_sendRawTransaction";
        unhex(self.text(0).filter(|_| is_send)?.strip_prefix("0x")?)
    }
}

fn integer(value: &Value) -> Option<u64> {
    match value {
        Value::Number(miniserde::json::Number::U64(number)) => Some(*number),
        Value::Number(miniserde::json::Number::I64(number)) => u64::try_from(*number).ok(),
        Value::Number(miniserde::json::Number::F64(_))
        | Value::Null
        | Value::Bool(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => None,
    }
}

/// A JSON-RPC quantity.
pub(crate) fn number(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// The answer to a call.
pub(crate) fn reply(id: u64, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

/// The error that answers a call.
pub(crate) fn error(id: u64, code: i64, message: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"{message}"}}}}"#)
}
