//! An Ethereum-like chain by JSON-RPC: requests, and the reading of replies.

use super::classify::{self, Action, SendReply, Wait};
use super::json_rpc::{self, Failure, as_list, as_object, as_text};
use super::{Answer, At, Blame, BlockName, Found, Refusal, Reply, Request, Verdict};
use crate::follow::Header;
use crate::ordered::OrderedMap;
use crate::task::{Address, Block, Hash, Inclusion, Reason, hex, unhex};
use miniserde::json::{Object, Value};
use std::rc::Rc;

/// When a block counts as final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finality {
    /// By the gateway's `finalized` tag.
    Finalized,
    /// By the gateway's `safe` tag.
    Safe,
    /// When this many blocks stand, the transaction's own included.
    Confirmations(u64),
}

impl Finality {
    /// The depth that stands in where the gateway does not know the tag.
    pub fn fallback_confirmations(self) -> u64 {
        match self {
            Finality::Finalized => 64,
            Finality::Safe => 32,
            Finality::Confirmations(depth) => depth,
        }
    }
}

/// What the gateway is asked for, as method and parameters in JSON.
pub fn body(id: u64, request: &Request, finality: Finality) -> String {
    let (method, params) = match request {
        Request::ChainId => ("eth_chainId", "[]".into()),
        Request::Syncing => ("eth_syncing", "[]".into()),
        Request::Head => ("eth_getBlockByNumber", r#"["latest",false]"#.into()),
        Request::BlockAt(number) => ("eth_getBlockByNumber", at_height(*number)),
        Request::Blocks(heights) => {
            let params: Vec<String> = heights.iter().map(|number| at_height(*number)).collect();
            return json_rpc::batch(id, "eth_getBlockByNumber", &params);
        }
        Request::FinalBlock => {
            let tag = if finality == Finality::Safe {
                "safe"
            } else {
                "finalized"
            };
            ("eth_getBlockByNumber", format!(r#"["{tag}",false]"#))
        }
        Request::Receipt(tx) => ("eth_getTransactionReceipt", format!(r#"["{tx}"]"#)),
        Request::Transaction(tx) => ("eth_getTransactionByHash", format!(r#"["{tx}"]"#)),
        Request::Count(account, at) => {
            let at = match at {
                At::Pending => "pending".into(),
                At::Latest => "latest".into(),
                At::Final(number) => match finality {
                    Finality::Finalized => "finalized".into(),
                    Finality::Safe => "safe".into(),
                    Finality::Confirmations(_) => format!("0x{number:x}"),
                },
                At::Height(number) => format!("0x{number:x}"),
            };
            (
                "eth_getTransactionCount",
                format!(r#"["{account}","{at}"]"#),
            )
        }
        Request::BySender(account, nonce) => (
            "eth_getTransactionBySenderAndNonce",
            format!(r#"["{account}","0x{nonce:x}"]"#),
        ),
        Request::InBlock(number, ..) => {
            ("eth_getBlockByNumber", format!(r#"["0x{number:x}",true]"#))
        }
        Request::Send(payloads) => {
            let params = |payload: &Rc<[u8]>| ["[\"0x", &hex(payload), "\"]"].concat();
            let params: Vec<String> = payloads.iter().map(params).collect();
            return json_rpc::batch(id, "eth_sendRawTransaction", &params);
        }
        Request::BlockReceipts(block, name, _) => {
            let block = match name {
                BlockName::Hash => block.hash.to_string(),
                BlockName::Number => format!("0x{:x}", block.number),
            };
            ("eth_getBlockReceipts", format!(r#"["{block}"]"#))
        }
        Request::Receipts(txs) => return batch(id, "eth_getTransactionReceipt", txs),
        Request::Transactions(txs) => return batch(id, "eth_getTransactionByHash", txs),
        Request::Call(method, params) => (method.as_str(), params.clone()),
        Request::Calls(calls) => {
            let calls = calls
                .iter()
                .map(|(method, params)| (method.as_str(), params));
            return json_rpc::bodies(id, calls);
        }
    };
    json_rpc::body(id, method, &params)
}

fn at_height(number: u64) -> String {
    format!(r#"["0x{number:x}",false]"#)
}

fn batch(id: u64, method: &str, txs: &[Hash]) -> String {
    let params: Vec<String> = txs.iter().map(|tx| format!(r#"["{tx}"]"#)).collect();
    json_rpc::batch(id, method, &params)
}

/// Reads the answer to a request.
pub fn read(id: u64, request: &Request, answer: &Answer) -> Result<Reply, Refusal> {
    match request {
        Request::Receipts(txs) => {
            let read = |value: &Value, tx: &Hash| optional(value, |found| inclusion(found, tx));
            return read_batch(id, request, txs, answer, read).map(Reply::Receipts);
        }
        Request::Transactions(txs) => {
            let read = |value: &Value, tx: &Hash| {
                optional(value, |found| {
                    transaction(found).filter(|found| found.tx == *tx)
                })
            };
            return read_batch(id, request, txs, answer, read).map(Reply::Transactions);
        }
        Request::Blocks(heights) => {
            let read = |value: &Value, number: &u64| {
                optional(value, |found| {
                    header(found).filter(|found| found.block.number == *number)
                })
            };
            return read_batch(id, request, heights, answer, read).map(Reply::Blocks);
        }
        Request::Send(payloads) if payloads.len() > 1 => {
            return read_sends(id, request, payloads.len(), answer).map(Reply::Sent);
        }
        Request::Calls(calls) => {
            return read_calls(id, request, calls.len(), answer).map(Reply::Results);
        }
        Request::ChainId
        | Request::Syncing
        | Request::Head
        | Request::BlockAt(_)
        | Request::FinalBlock
        | Request::Receipt(_)
        | Request::Transaction(_)
        | Request::BlockReceipts(..)
        | Request::Count(..)
        | Request::BySender(..)
        | Request::InBlock(..)
        | Request::Send(_)
        | Request::Call(..) => {}
    }
    let result = match json_rpc::result(id, answer) {
        Ok(result) => result,
        // Whoever stands before it lets no body of this length through: another may.
        Err(Failure::Refusal(refusal)) if is_too_long(request, answer) => {
            return Err(Refusal {
                blame: Blame::Elsewhere,
                ..refusal
            });
        }
        Err(Failure::Refusal(refusal)) => return Err(refusal),
        Err(Failure::Rpc(error, status)) => return refused(request, error, status),
    };
    let reply = match request {
        Request::ChainId => quantity(&result).map(Reply::ChainId),
        Request::Syncing => is_syncing(&result).map(Reply::Syncing),
        Request::Head | Request::BlockAt(_) => optional(&result, header).map(Reply::Block),
        Request::FinalBlock => optional(&result, block).map(Reply::FinalBlock),
        Request::Receipt(tx) => {
            optional(&result, |receipt| inclusion(receipt, tx)).map(Reply::Receipt)
        }
        Request::Transaction(tx) => {
            let read = |found: &Object| transaction(found).filter(|found| found.tx == *tx);
            optional(&result, read).map(Reply::Transaction)
        }
        Request::Count(..) => quantity(&result).map(Reply::Count),
        Request::BySender(account, nonce) => {
            let read =
                |found: &Object| is_of(found, account, *nonce).then(|| transaction(found))?;
            optional(&result, read).map(Reply::Transaction)
        }
        Request::InBlock(_, account, nonce) => {
            let block = optional(&result, |block| in_block(block, account, *nonce));
            block.map(|found| Reply::Transaction(found.flatten()))
        }
        // The hash is computed here, never taken from the reply.
        Request::Send(_) => as_text(&result).map(|_| Reply::Accepted),
        Request::BlockReceipts(block, _, txs) => {
            block_receipts(&result, block, txs).map(Reply::Receipts)
        }
        Request::Call(..) => match answer {
            Answer::Http { body, .. } => Some(Reply::Result(body.clone())),
            Answer::Lost(_) => None,
        },
        // Read above.
        Request::Receipts(_)
        | Request::Transactions(_)
        | Request::Blocks(_)
        | Request::Calls(_) => None,
    };
    reply.ok_or_else(misshapen)
}

fn misshapen() -> Refusal {
    Refusal {
        verdict: Verdict::Unknown,
        cause: "the gateway's answer has not the shape that was asked for".into(),
        retry_after_ms: None,
        blame: Blame::Gateway,
    }
}

/// Of a batch, what was answered and has the shape.
fn read_batch<N: Copy, T>(
    id: u64,
    request: &Request,
    names: &[N],
    answer: &Answer,
    read: impl Fn(&Value, &N) -> Option<Option<T>>,
) -> Result<Vec<(N, Option<T>)>, Refusal> {
    let results = match json_rpc::results(id, names.len(), answer) {
        Ok(results) => results,
        Err(Failure::Refusal(refusal)) if is_too_much(answer) => {
            return Err(Refusal {
                verdict: Verdict::Unsupported,
                blame: Blame::Elsewhere,
                ..refusal
            });
        }
        Err(Failure::Refusal(refusal)) => return Err(refusal),
        Err(Failure::Rpc(error, status)) => {
            return Err(match refused(request, error, status) {
                Err(refusal) => refusal,
                Ok(_) => misshapen(),
            });
        }
    };
    let read = |(name, value): (&N, &Option<Value>)| Some((*name, read(value.as_ref()?, name)?));
    let found: Vec<_> = names.iter().zip(&results).filter_map(read).collect();
    if found.is_empty() {
        return Err(misshapen());
    }
    Ok(found)
}

/// What the gateway says of each payload of a batch.
fn read_sends(
    id: u64,
    request: &Request,
    len: usize,
    answer: &Answer,
) -> Result<Vec<Result<(), Refusal>>, Refusal> {
    let elements = match json_rpc::elements(id, len, answer) {
        Ok(elements) => elements,
        Err(Failure::Refusal(refusal)) if is_too_much(answer) => {
            return Err(none_taken(refusal.cause));
        }
        Err(Failure::Refusal(refusal)) => return Err(refusal),
        Err(Failure::Rpc(error, _)) if is_unsupported(error.code, &error.message) => {
            return Err(none_taken(error.message));
        }
        Err(Failure::Rpc(error, status)) => {
            return Err(match refused(request, error, status) {
                Err(refusal) => refusal,
                Ok(_) => misshapen(),
            });
        }
    };
    let read = |element| match element {
        Some(Ok(result)) => as_text(&result).map(|_| ()).ok_or_else(misshapen),
        Some(Err(error)) => refused(request, error, 200).map(|_| ()),
        None => Err(misshapen()),
    };
    Ok(elements.into_iter().map(read).collect())
}

/// What the gateway answers to each call of a batch.
fn read_calls(
    id: u64,
    request: &Request,
    len: usize,
    answer: &Answer,
) -> Result<Vec<Option<Result<String, Refusal>>>, Refusal> {
    let elements = match json_rpc::elements(id, len, answer) {
        Ok(elements) => elements,
        Err(Failure::Refusal(refusal)) if is_too_much(answer) => {
            return Err(none_taken(refusal.cause));
        }
        Err(Failure::Refusal(refusal)) => return Err(refusal),
        Err(Failure::Rpc(error, status)) => {
            return Err(match refused(request, error, status) {
                Err(refusal) => refusal,
                Ok(_) => misshapen(),
            });
        }
    };
    // An error of one is what it is where the call comes alone.
    let alone = Request::Call(String::new(), String::new());
    let read = |element: Result<Value, json_rpc::RpcError>| match element {
        Ok(result) => Ok(json_rpc::reply(&result)),
        Err(error) => Err(match refused(&alone, error, 200) {
            Err(refusal) => refusal,
            Ok(_) => misshapen(),
        }),
    };
    Ok(elements
        .into_iter()
        .map(|element| element.map(read))
        .collect())
}

/// The gateway takes no such batch: nothing of it.
fn none_taken(cause: String) -> Refusal {
    Refusal {
        verdict: Verdict::Unsupported,
        cause,
        retry_after_ms: None,
        blame: Blame::Elsewhere,
    }
}

/// Whether a server, or what stands before it, takes no such body: a list, or one so long.
fn is_too_much(answer: &Answer) -> bool {
    matches!(
        answer,
        Answer::Http {
            status: 400 | 413 | 501,
            ..
        }
    )
}

fn is_too_long(request: &Request, answer: &Answer) -> bool {
    let is_refused = matches!(answer, Answer::Http { status: 413, .. });
    is_refused && matches!(request, Request::Send(_))
}

/// Of a block's receipts those that were asked for.
fn block_receipts(
    result: &Value,
    block: &Block,
    txs: &[Hash],
) -> Option<Vec<(Hash, Option<Inclusion>)>> {
    let Some(receipts) = as_list(result) else {
        // `null`: the gateway does not know the block.
        return matches!(result, Value::Null).then(Vec::new);
    };
    let mut found = OrderedMap::new();
    for receipt in receipts {
        let receipt = as_object(receipt)?;
        let tx = hash(receipt, "transactionHash")?;
        let inclusion = inclusion(receipt, &tx)?;
        if inclusion.block != *block {
            // By its height it is another block by now.
            return Some(Vec::new());
        }
        found.insert(tx, inclusion);
    }
    let of = |tx: &Hash| Some((*tx, Some(*found.get(tx)?)));
    Some(txs.iter().filter_map(of).collect())
}

/// Whether a node says so under this status, and not what stands before it: that may have been told by a node that took it.
fn is_nodes_word(status: u16) -> bool {
    matches!(status, 200 | 400 | 413 | 422)
}

/// What an error says of a transaction, under this status: what a gateway wants to be paid is not what the account lacks.
fn send_reply(error: &json_rpc::RpcError, status: u16) -> SendReply {
    let reply = classify::classify_send_error(error.code, &error.message);
    let lacks_funds = reply == SendReply::NeedsAction(Action::InsufficientFunds);
    if lacks_funds && status < 500 && !is_nodes_word(status) {
        return SendReply::Unknown;
    }
    reply
}

fn refused(request: &Request, error: json_rpc::RpcError, status: u16) -> Result<Reply, Refusal> {
    let is_rate_limit = is_rate_limit(&error);
    let is_answer = status < 500 && status != 429;
    let verdict = match request {
        Request::Send(_) => match send_reply(&error, status) {
            SendReply::AlreadyKnown => return Ok(Reply::Accepted),
            SendReply::NonceTooLow => Verdict::NonceUsed,
            SendReply::Transient(Wait::Unavailable) => Verdict::Unknown,
            SendReply::Transient(Wait::RateLimit | Wait::PoolFull) => Verdict::Later,
            SendReply::Transient(Wait::Predecessor) => Verdict::Blocked(Reason::NonceGap),
            SendReply::NeedsAction(action) => Verdict::Blocked(reason(action)),
            // The payload was parsed here, and is for our chain: it is the gateway that is on another.
            SendReply::Permanent(classify::Refusal::WrongChain) => {
                Verdict::Blocked(Reason::WrongChain)
            }
            SendReply::Permanent(_) if is_nodes_word(status) => Verdict::Never,
            SendReply::Permanent(_) | SendReply::Unknown if status == 429 => Verdict::Later,
            SendReply::Permanent(_) | SendReply::Unknown => Verdict::Unknown,
        },
        // Nodes that do not resolve the tag say so in five ways: fall back to depth.
        Request::FinalBlock if is_answer && !is_rate_limit => {
            return Ok(Reply::FinalBlock(None));
        }
        Request::BlockReceipts(..)
        | Request::Receipts(_)
        | Request::Transactions(_)
        | Request::Blocks(_)
        | Request::Calls(_)
        | Request::BySender(..)
            if !is_rate_limit && is_unsupported(error.code, &error.message) =>
        {
            Verdict::Unsupported
        }
        // Many gateways do not offer the question: they have nothing to tell then.
        Request::Syncing if is_answer && !is_rate_limit => return Ok(Reply::Syncing(false)),
        Request::ChainId
        | Request::Syncing
        | Request::Head
        | Request::BlockAt(_)
        | Request::Blocks(_)
        | Request::FinalBlock
        | Request::Receipt(_)
        | Request::Transaction(_)
        | Request::BlockReceipts(..)
        | Request::Receipts(_)
        | Request::Transactions(_)
        | Request::Count(..)
        | Request::BySender(..)
        | Request::InBlock(..)
        | Request::Call(..)
        | Request::Calls(_) => Verdict::Error,
    };
    Err(Refusal {
        verdict,
        cause: format!("{} ({})", error.message, error.code),
        retry_after_ms: error.backoff_ms,
        blame: blame(request, &error, status),
    })
}

/// Whether an error says that the method, the form of the question or its length is not for this gateway.
fn is_unsupported(code: i64, message: &str) -> bool {
    const CODES: [i64; 5] = [-32_600, -32_601, -32_602, -32_004, -32_700];
    const TEXTS: [&str; 6] = [
        "not supported",
        "unsupported",
        "not available",
        "method not found",
        "batch",
        "too large",
    ];
    let message = message.to_ascii_lowercase();
    CODES.contains(&code) || TEXTS.iter().any(|text| message.contains(text))
}

/// The gateway's rate limit, under whatever code. A limit of batches is none: smaller ones are taken at once.
fn is_rate_limit(error: &json_rpc::RpcError) -> bool {
    let is_of_batch = error.message.to_ascii_lowercase().contains("batch");
    !is_of_batch && classify::is_rate_limit(error.code, &error.message)
}

/// What an error that the gateway answered is about.
fn blame(request: &Request, error: &json_rpc::RpcError, status: u16) -> Blame {
    let reply = send_reply(error, status);
    if status == 429 || is_rate_limit(error) || error.backoff_ms.is_some() {
        return Blame::Limited;
    }
    if status >= 500 {
        return Blame::Gateway;
    }
    match (request, reply) {
        (Request::Send(_), SendReply::Permanent(classify::Refusal::WrongChain)) => Blame::Chain,
        (
            Request::Send(_),
            SendReply::Unknown
            // What its owner lets through.
            | SendReply::NeedsAction(
                Action::FeeAboveCap | Action::GasLimitTooHigh | Action::NotPermitted,
            )
            | SendReply::Permanent(
                classify::Refusal::UnsupportedType
                | classify::Refusal::Undecodable
                | classify::Refusal::Oversized,
            )
            | SendReply::Transient(Wait::Unavailable | Wait::PoolFull | Wait::Predecessor),
        )
        | (Request::Call(..), SendReply::Transient(Wait::Unavailable)) => Blame::Elsewhere,
        (Request::Send(_) | Request::Call(..), _) => Blame::Request,
        // Few keep old states, or know the method.
        (
            Request::Count(..)
            | Request::BySender(..)
            | Request::InBlock(..)
            | Request::BlockReceipts(..)
            | Request::Receipts(_)
            | Request::Transactions(_)
            | Request::Calls(_),
            _,
        ) => Blame::Elsewhere,
        (Request::Blocks(heights), _) if heights.len() > 1 => Blame::Elsewhere,
        // What every gateway must be able to answer.
        (
            Request::ChainId
            | Request::Syncing
            | Request::Head
            | Request::BlockAt(_)
            | Request::Blocks(_)
            | Request::FinalBlock
            | Request::Receipt(_)
            | Request::Transaction(_),
            _,
        ) => Blame::Gateway,
    }
}

fn reason(action: Action) -> Reason {
    match action {
        Action::InsufficientFunds => Reason::InsufficientFunds,
        Action::Underpriced | Action::ReplacementUnderpriced => Reason::Underpriced,
        Action::FeeAboveCap | Action::GasLimitTooHigh | Action::NotPermitted => Reason::Rejected,
    }
}

/// `null` is an answer; anything else must have the shape.
fn optional<T>(value: &Value, read: impl FnOnce(&Object) -> Option<T>) -> Option<Option<T>> {
    match value {
        Value::Null => Some(None),
        Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => as_object(value).and_then(read).map(Some),
    }
}

/// `false`, or how far it is: some say so also when they have arrived.
fn is_syncing(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(is_syncing) => Some(*is_syncing),
        Value::Object(progress) => {
            let height = |name: &str| progress.get(name).and_then(quantity);
            let heights = height("currentBlock").zip(height("highestBlock"));
            Some(heights.is_none_or(|(current, highest)| current < highest))
        }
        Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
    }
}

/// Some nodes say `null` of an empty block's transactions, or tell of foreign ones in another way: only ours are looked for in it.
fn header(header: &Object) -> Option<Header> {
    let transactions = header.get("transactions").and_then(as_list);
    let transactions = transactions.into_iter().flatten();
    let hashes = transactions.filter_map(|transaction| Hash::parse(as_text(transaction)?));
    Some(Header {
        block: block(header)?,
        parent: hash(header, "parentHash")?,
        transactions: hashes.collect(),
    })
}

fn block(header: &Object) -> Option<Block> {
    Some(Block {
        number: quantity(header.get("number")?)?,
        hash: hash(header, "hash")?,
    })
}

fn inclusion(receipt: &Object, tx: &Hash) -> Option<Inclusion> {
    let is_ours = hash(receipt, "transactionHash")? == *tx;
    // Receipts from before Byzantium carry no status: those transactions are taken as executed.
    let reverted = match receipt.get("status") {
        None | Some(Value::Null) => false,
        Some(status) => quantity(status)? == 0,
    };
    is_ours.then_some(Inclusion {
        tx: *tx,
        block: Block {
            number: quantity(receipt.get("blockNumber")?)?,
            hash: hash(receipt, "blockHash")?,
        },
        index: u32::try_from(quantity(receipt.get("transactionIndex")?)?).ok()?,
        reverted,
    })
}

fn transaction(found: &Object) -> Option<Found> {
    let calldata = as_text(found.get("input")?)?
        .strip_prefix("0x")
        .and_then(unhex)?;
    Some(Found {
        tx: hash(found, "hash")?,
        to: found.get("to").and_then(as_text).and_then(Address::parse),
        value: number(found.get("value")?)?,
        calldata: calldata.into(),
        is_mined: found.get("blockHash").and_then(as_text).is_some(),
    })
}

/// Whether a transaction is the account's of this nonce.
fn is_of(found: &Object, account: &Address, nonce: u64) -> bool {
    let from = found.get("from").and_then(as_text).and_then(Address::parse);
    from == Some(*account) && found.get("nonce").and_then(quantity) == Some(nonce)
}

/// The account's transaction of this nonce, if the block holds it.
fn in_block(block: &Object, account: &Address, nonce: u64) -> Option<Option<Found>> {
    let mut transactions = as_list(block.get("transactions")?)?
        .iter()
        .filter_map(as_object);
    match transactions.find(|found| is_of(found, account, nonce)) {
        Some(found) => transaction(found).map(Some),
        None => Some(None),
    }
}

fn hash(object: &Object, name: &str) -> Option<Hash> {
    Hash::parse(as_text(object.get(name)?)?)
}

/// A JSON-RPC quantity of any size, as big-endian bytes without leading zeros.
fn number(value: &Value) -> Option<Vec<u8>> {
    let digits = as_text(value)?.strip_prefix("0x")?;
    let digits = digits.trim_start_matches('0');
    let is_odd = digits.len() % 2 == 1;
    unhex(&[if is_odd { "0" } else { "" }, digits].concat())
}

/// A JSON-RPC quantity: `0x` and hex digits.
fn quantity(value: &Value) -> Option<u64> {
    let digits = as_text(value)?.strip_prefix("0x")?;
    let is_hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u64::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const TX: Hash = Hash([0x11; 32]);

    fn http(body: String) -> Answer {
        Answer::Http {
            status: 200,
            body,
            retry_after_ms: None,
        }
    }

    fn read_result(request: &Request, result: &str) -> Result<Reply, Verdict> {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
        read(1, request, &http(body)).map_err(|refusal| refusal.verdict)
    }

    fn read_error(request: &Request, code: i64, message: &str) -> Result<Reply, Verdict> {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code},"message":"{message}"}}}}"#
        );
        read(1, request, &http(body)).map_err(|refusal| refusal.verdict)
    }

    #[test]
    fn requests_are_json_rpc() {
        let check = |request: Request, expected: &str| {
            assert_eq!(
                body(7, &request, Finality::Safe),
                format!(r#"{{"jsonrpc":"2.0","id":7,{expected}}}"#)
            );
        };
        check(Request::ChainId, r#""method":"eth_chainId","params":[]"#);
        check(
            Request::BlockAt(255),
            r#""method":"eth_getBlockByNumber","params":["0xff",false]"#,
        );
        check(
            Request::FinalBlock,
            r#""method":"eth_getBlockByNumber","params":["safe",false]"#,
        );
        check(
            Request::Send(vec![[2, 255].into()]),
            r#""method":"eth_sendRawTransaction","params":["0x02ff"]"#,
        );
        check(
            Request::Call("eth_call".into(), "[1]".into()),
            r#""method":"eth_call","params":[1]"#,
        );
    }

    #[test]
    fn replies_are_read_into_types() {
        let own = "0x".to_owned() + &"11".repeat(32);
        let other = "0x".to_owned() + &"22".repeat(32);
        let block = format!(
            r#"{{"number":"0x10","hash":"{own}","parentHash":"{other}","transactions":["{own}"]}}"#
        );
        let header = Header {
            block: Block {
                number: 16,
                hash: TX,
            },
            parent: Hash([0x22; 32]),
            transactions: vec![TX],
        };
        assert_eq!(
            read_result(&Request::Head, &block),
            Ok(Reply::Block(Some(header.clone())))
        );
        assert_eq!(
            read_result(&Request::FinalBlock, &block),
            Ok(Reply::FinalBlock(Some(header.block)))
        );
        assert_eq!(
            read_result(&Request::Receipt(TX), "null"),
            Ok(Reply::Receipt(None))
        );
        let receipt = |tx: &str, status: &str| {
            format!(
                r#"{{"transactionHash":"{tx}","blockHash":"{other}","blockNumber":"0x2","transactionIndex":"0x1"{status}}}"#
            )
        };
        for (status, reverted) in [
            (r#","status":"0x1""#, false),
            (r#","status":"0x0""#, true),
            ("", false),
        ] {
            let inclusion = Inclusion {
                tx: TX,
                block: Block {
                    number: 2,
                    hash: Hash([0x22; 32]),
                },
                index: 1,
                reverted,
            };
            let reply = read_result(&Request::Receipt(TX), &receipt(&own, status));
            assert_eq!(reply, Ok(Reply::Receipt(Some(inclusion))));
        }
        let of_another = receipt(&other, r#","status":"0x1""#);
        assert_eq!(
            read_result(&Request::Receipt(TX), &of_another),
            Err(Verdict::Unknown),
            "a reply that lies"
        );
        let account = Address([0x42; 20]);
        let found = format!(
            r#"{{"hash":"{own}","from":"{account}","to":null,"nonce":"0x7","value":"0x100","input":"0x00ff","blockHash":null}}"#
        );
        let found_reply = Reply::Transaction(Some(Found {
            tx: TX,
            to: None,
            value: vec![1, 0],
            calldata: [0, 255].into(),
            is_mined: false,
        }));
        assert_eq!(
            read_result(&Request::Transaction(TX), &found),
            Ok(found_reply.clone())
        );
        let by_sender = Request::BySender(account, 7);
        assert_eq!(read_result(&by_sender, &found), Ok(found_reply.clone()));
        assert_eq!(
            read_result(&Request::BySender(account, 8), &found),
            Err(Verdict::Unknown),
            "a transaction of another nonce"
        );
        let block = format!(r#"{{"transactions":[{{"hash":"{other}"}},{found}]}}"#);
        let in_block = |nonce| Request::InBlock(1, account, nonce);
        assert_eq!(read_result(&in_block(7), &block), Ok(found_reply));
        assert_eq!(
            read_result(&in_block(8), &block),
            Ok(Reply::Transaction(None))
        );
        for (request, garbage) in [
            (Request::ChainId, "31337"),
            (Request::ChainId, r#""0x""#),
            (Request::ChainId, r#""0x+1""#),
            (Request::Head, "{}"),
            (Request::Head, "7"),
            (Request::Send([].into()), "null"),
        ] {
            assert_eq!(
                read_result(&request, garbage),
                Err(Verdict::Unknown),
                "{request:?} {garbage}"
            );
        }
    }

    #[test]
    fn one_question_answers_for_many() {
        let (own, other) = (TX, Hash([0x22; 32]));
        let block = Block {
            number: 2,
            hash: Hash([0x33; 32]),
        };
        let inclusion = |tx: Hash, index: u32| Inclusion {
            tx,
            block,
            index,
            reverted: false,
        };
        let receipt = |tx: &Hash, index: u32| {
            format!(
                r#"{{"transactionHash":"{tx}","blockHash":"{}","blockNumber":"0x2","transactionIndex":"0x{index:x}"}}"#,
                block.hash
            )
        };
        let of_block = Request::BlockReceipts(block, BlockName::Hash, vec![own, Hash([0x44; 32])]);
        let list = format!("[{},{}]", receipt(&other, 0), receipt(&own, 1));
        assert_eq!(
            read_result(&of_block, &list),
            Ok(Reply::Receipts(vec![(own, Some(inclusion(own, 1)))]))
        );
        assert_eq!(
            read_result(&of_block, "null"),
            Ok(Reply::Receipts(Vec::new()))
        );
        let elsewhere = Block {
            number: 2,
            hash: Hash([0x55; 32]),
        };
        let by_number = Request::BlockReceipts(elsewhere, BlockName::Number, vec![own]);
        assert_eq!(
            read_result(&by_number, &list),
            Ok(Reply::Receipts(Vec::new())),
            "of another block"
        );
        let batch = Request::Receipts(vec![own, other]);
        let lie = format!(
            r#"[{{"id":7,"result":{}}},{{"id":8,"result":null}}]"#,
            receipt(&other, 0)
        );
        assert_eq!(
            read(7, &batch, &http(lie)),
            Ok(Reply::Receipts(vec![(other, None)])),
            "a receipt of another transaction is no answer"
        );
    }

    #[test]
    fn blocks_of_a_batch_are_told_apart_by_their_heights() {
        let request = Request::Blocks(vec![9, 8, 7]);
        let asked = body(7, &request, Finality::Finalized);
        for id_and_height in [
            r#""id":7"#,
            r#"["0x9",false]"#,
            r#""id":9"#,
            r#"["0x7",false]"#,
        ] {
            assert!(asked.contains(id_and_height), "{asked}");
        }
        let block = |number: u64| {
            format!(
                r#"{{"number":"0x{number:x}","hash":"{TX}","parentHash":"{TX}","transactions":[]}}"#
            )
        };
        let answer = format!(
            r#"[{{"id":9,"result":null}},{{"id":8,"result":{}}},{{"id":7,"result":{}}}]"#,
            block(5),
            block(9)
        );
        let nine = Header {
            block: Block {
                number: 9,
                hash: TX,
            },
            parent: TX,
            transactions: vec![],
        };
        assert_eq!(
            read(7, &request, &http(answer)),
            Ok(Reply::Blocks(vec![(9, Some(nine.clone())), (7, None)])),
            "a block of another height is no answer"
        );
        let one = Request::Blocks(vec![9]);
        assert_eq!(
            read_result(&one, &block(9)),
            Ok(Reply::Blocks(vec![(9, Some(nine))])),
            "one alone is asked for without a list"
        );
    }

    #[test]
    fn what_a_gateway_does_not_do_is_told_from_what_failed() {
        let many = Request::Receipts(vec![TX, Hash([0x22; 32])]);
        let block = Block {
            number: 2,
            hash: TX,
        };
        let of_block = Request::BlockReceipts(block, BlockName::Hash, vec![TX]);
        let blocks = Request::Blocks(vec![2, 1]);
        for (code, message, verdict) in [
            (-32_601, "the method does not exist", Verdict::Unsupported),
            (-32_600, "Invalid request", Verdict::Unsupported),
            (-32_000, "batch too large", Verdict::Unsupported),
            (-32_004, "Method not supported", Verdict::Unsupported),
            (-32_000, "header not found", Verdict::Error),
            (-32_005, "rate limit exceeded", Verdict::Error),
            (-32_603, "internal error", Verdict::Error),
        ] {
            for request in [&many, &of_block, &blocks] {
                assert_eq!(
                    read_error(request, code, message),
                    Err(verdict),
                    "{message}"
                );
            }
        }
        for status in [400, 413, 501] {
            let answer = Answer::Http {
                status,
                body: "no".into(),
                retry_after_ms: None,
            };
            let verdict = read(7, &many, &answer).map_err(|refusal| refusal.verdict);
            assert_eq!(verdict, Err(Verdict::Unsupported), "{status}");
        }
    }

    #[test]
    fn errors_are_classified_by_what_was_asked() {
        let send = Request::Send([].into());
        for (code, message, verdict) in [
            (-32003, "nonce too low", Verdict::NonceUsed),
            (-32000, "txpool is full", Verdict::Later),
            (
                -32003,
                "Insufficient funds for gas * price + value",
                Verdict::Blocked(Reason::InsufficientFunds),
            ),
            (
                -32000,
                "replacement transaction underpriced",
                Verdict::Blocked(Reason::Underpriced),
            ),
            (-32602, "Failed to decode transaction", Verdict::Never),
            (
                -32000,
                "invalid sender: invalid chain id for signer",
                Verdict::Blocked(Reason::WrongChain),
            ),
            (-1, "never heard of this", Verdict::Unknown),
        ] {
            assert_eq!(read_error(&send, code, message), Err(verdict), "{message}");
        }
        assert_eq!(
            read_error(&send, -32000, "already known"),
            Ok(Reply::Accepted)
        );
        assert_eq!(
            read_error(&Request::FinalBlock, -32005, "rate limit exceeded"),
            Err(Verdict::Error),
            "a rate limit says nothing of the tag"
        );
        assert_eq!(
            read_error(&Request::FinalBlock, -39001, "Unknown block"),
            Ok(Reply::FinalBlock(None))
        );
        assert_eq!(
            read_error(&Request::Head, -32000, "no"),
            Err(Verdict::Error)
        );
    }
}
