//! The one gateway that all clients share, and the chain behind it: so many requests a second, a queue of a second,
//! and what it says to whoever comes on top.

use crate::payload;
use crate::post::{Call, Post, error, reply};
use std::fmt::Write;
use uplink_cache::gateway::Answer;
use uplink_cache::task::{Hash, hex};

/// The time between blocks, in milliseconds. Each takes all that waits.
pub(crate) const BLOCK_MS: u64 = 12_000;
/// So many blocks behind the head are not final.
pub(crate) const FINAL_DEPTH: u64 = 2;
/// How long a request may wait for its turn, in milliseconds: whoever would wait longer is turned away.
const MAX_QUEUE_MS: u64 = 1_000;
const FIRST_HEIGHT: u64 = 1_000;

/// How the gateway turns away whom it does not serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refuses {
    /// The connection is refused: a `TypeError` at once.
    Connection,
    /// No answer comes.
    Silently,
    /// 503, without a word on when to come back.
    Unavailable,
    /// 429 with `Retry-After`: the end of the outage where there is one, else a second.
    RetryAfter,
    /// 429 without it.
    Limited,
}

/// What a client sent, by nonce.
pub(crate) struct Sent {
    pub(crate) hash: Hash,
    /// The block that holds it, or will.
    pub(crate) block: Option<u64>,
}

/// See the module's documentation.
pub(crate) struct Server {
    per_second: u64,
    free_us: u64,
}

impl Server {
    pub(crate) fn new(per_second: u64) -> Self {
        Server {
            per_second,
            free_us: 0,
        }
    }

    /// Takes so many calls into the queue: when they are answered, in milliseconds; `None` where there is no room.
    pub(crate) fn take(&mut self, now_ms: u64, calls: usize) -> Option<u64> {
        let begins_us = self.free_us.max(now_ms * 1_000);
        if begins_us > (now_ms + MAX_QUEUE_MS) * 1_000 {
            return None;
        }
        self.free_us = begins_us + calls as u64 * 1_000_000 / self.per_second;
        Some(self.free_us.div_ceil(1_000))
    }
}

/// The body that answers a post of a client at this time. Of a block's transactions each client is shown its own: those
/// of others it would read over.
pub(crate) fn answer(now_ms: u64, own: &mut [Sent], post: &Post) -> Answer {
    let calls = post.calls.iter();
    let replies: Vec<String> = calls.map(|call| answer_call(now_ms, own, call)).collect();
    let body = match post.is_batch {
        true => format!("[{}]", replies.join(",")),
        false => replies.concat(),
    };
    http(200, body, None)
}

pub(crate) fn http(status: u16, body: String, retry_after_ms: Option<u64>) -> Answer {
    Answer::Http {
        status,
        body,
        retry_after_ms,
    }
}

fn answer_call(now_ms: u64, own: &mut [Sent], call: &Call) -> String {
    let head = FIRST_HEIGHT + now_ms / BLOCK_MS;
    let first = call.text(0).unwrap_or_default();
    let result = match call.method.as_str() {
        "eth_chainId" => format!(r#""0x{:x}""#, payload::CHAIN_ID),
        "eth_syncing" => "false".into(),
        "eth_getBlockByNumber" => match first {
            "latest" => header(head, own),
            "finalized" => header(head - FINAL_DEPTH, own),
            _ => match call.number(0) {
                Some(number) if number <= head => header(number, own),
                Some(_) | None => "null".into(),
            },
        },
        "eth_sendRawTransaction" => match call.payload() {
            Some(payload) => send(head, own, &payload),
            None => return error(call.id, -32_602, "Failed to decode transaction"),
        },
        "eth_getTransactionReceipt" => receipt(head, own, first),
        "eth_getTransactionByHash" => transaction(head, own, first),
        "eth_getBlockReceipts" => receipts(own, first),
        other => panic!("nobody asks for {other} here"),
    };
    reply(call.id, &result)
}

fn block_hash(number: u64) -> Hash {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Hash(bytes)
}

fn header(number: u64, own: &[Sent]) -> String {
    let mut text = format!(
        r#"{{"number":"0x{number:x}","hash":"{}","parentHash":"{}","transactions":["#,
        block_hash(number),
        block_hash(number - 1)
    );
    let mut comma = "";
    for sent in own.iter().filter(|sent| sent.block == Some(number)) {
        let _ = write!(text, r#"{comma}"{}""#, sent.hash);
        comma = ",";
    }
    text.push_str("]}");
    text
}

fn send(head: u64, own: &mut [Sent], payload: &[u8]) -> String {
    let hash = payload::id(payload);
    let sent = own.iter_mut().find(|sent| sent.hash == hash);
    let sent = sent.expect("only what users wrote is sent");
    sent.block.get_or_insert(head + 1);
    format!(r#""{hash}""#)
}

fn receipt(head: u64, own: &[Sent], text: &str) -> String {
    let found = own.iter().enumerate().find_map(|(nonce, sent)| {
        let block = sent.block.filter(|block| *block <= head)?;
        (sent.hash.to_string() == text).then_some((nonce, block))
    });
    found.map_or_else(
        || "null".into(),
        |(nonce, block)| {
            format!(
                r#"{{"transactionHash":"{text}","blockHash":"{}","blockNumber":"0x{block:x}","transactionIndex":"0x{nonce:x}","status":"0x1"}}"#,
                block_hash(block)
            )
        },
    )
}

fn receipts(own: &[Sent], block: &str) -> String {
    let is_in = |sent: &&Sent| {
        let hash = sent.block.map(|number| block_hash(number).to_string());
        hash.as_deref() == Some(block)
    };
    let found = own.iter().filter(is_in);
    let receipts: Vec<String> = found
        .map(|sent| receipt(u64::MAX, own, &sent.hash.to_string()))
        .collect();
    format!("[{}]", receipts.join(","))
}

fn transaction(head: u64, own: &[Sent], text: &str) -> String {
    let found = own.iter().find_map(|sent| {
        let block = sent.block?;
        (sent.hash.to_string() == text).then_some(block)
    });
    let Some(block) = found else {
        return "null".into();
    };
    let block = match block <= head {
        true => format!(r#""{}""#, block_hash(block)),
        false => "null".into(),
    };
    format!(
        r#"{{"hash":"{text}","from":"{}","nonce":"0x0","to":"{}","value":"0x0","input":"0x{}","blockHash":{block}}}"#,
        payload::RECIPIENT,
        payload::RECIPIENT,
        hex(b"data")
    )
}
