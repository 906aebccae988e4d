//! The gateway's side of JSON-RPC: real bodies in, real bodies out.

use crate::chain::{Chain, Mined, Quality, Tx};
use crate::payload::{self, CHAIN_ID};
use crate::post::{Call, number};
use std::fmt::Write;
use uplink_cache::task::{Block, Hash, hex};

pub(crate) use crate::post::{Post, error, reply};

/// What the gateway is like at the moment.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Mood {
    pub(crate) is_on_wrong_chain: bool,
    pub(crate) is_syncing: bool,
    pub(crate) has_no_funds: bool,
    pub(crate) is_pool_full: bool,
    pub(crate) refuses_gaps: bool,
    pub(crate) knows_senders: bool,
    pub(crate) prunes: bool,
    pub(crate) knows_no_tag: bool,
    /// A mutant: what took a nonce is said to be what the cache sent.
    pub(crate) denies_rivals: bool,
    /// A mutant: the final height is the head.
    pub(crate) runs_ahead: bool,
    /// This replica is so many blocks behind.
    pub(crate) lag: u64,
    /// This replica has not heard of the newest reorg.
    pub(crate) is_stale: bool,
    /// How many calls a batch may have; with one it takes no batches.
    pub(crate) batch_limit: usize,
    pub(crate) block_receipts: BlockReceipts,
}

/// How the gateway gives all receipts of a block.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockReceipts {
    #[default]
    ByBoth,
    ByNumber,
    No,
}

/// The replies to a post: one for each call, or one error that refuses a whole batch.
pub(crate) fn handle(
    chain: &mut Chain,
    mood: Mood,
    post: &Post,
) -> Result<Vec<String>, &'static str> {
    if post.is_batch && mood.batch_limit == 1 {
        return Err(
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Invalid request"}}"#,
        );
    }
    if post.calls.len() > mood.batch_limit {
        return Err(
            r#"[{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"batch too large"}}]"#,
        );
    }
    let calls = post.calls.iter();
    Ok(calls.map(|call| answer(chain, mood, call)).collect())
}

/// The account that a call asks for.
fn account(call: &Call) -> Option<u8> {
    let text = call.text(0)?;
    (0..4).find(|account| payload::address(*account).to_string() == text)
}

fn answer(chain: &mut Chain, mood: Mood, call: &Call) -> String {
    let result = match call.method.as_str() {
        "eth_chainId" => return chain_id(call.id, mood.is_on_wrong_chain),
        "eth_syncing" => return syncing(call.id, mood.is_syncing),
        "eth_getBlockByNumber" if call.is_true(1) => full_block(chain, mood, call),
        "eth_getBlockByNumber" => block(chain, mood, call.text(0).unwrap_or_default()),
        "eth_getTransactionCount" => count(chain, mood, call),
        "eth_getTransactionBySenderAndNonce" if mood.knows_senders => {
            Ok(by_sender(chain, mood, call))
        }
        "eth_getTransactionReceipt" => Ok(receipt(chain, mood, call.text(0).unwrap_or_default())),
        "eth_getTransactionByHash" => {
            Ok(transaction(chain, mood, call.text(0).unwrap_or_default()))
        }
        "eth_getBlockReceipts" => block_receipts(chain, mood, call.text(0).unwrap_or_default()),
        "eth_sendRawTransaction" => send(chain, mood, call),
        other => Err((-32_601, format!("the method {other} does not exist"))),
    };
    match result {
        Ok(result) => reply(call.id, &result),
        Err((code, message)) => error(call.id, code, &message),
    }
}

/// The answer to `eth_chainId`.
pub(crate) fn chain_id(id: u64, is_wrong: bool) -> String {
    let chain_id = if is_wrong { 1 } else { CHAIN_ID };
    reply(id, &format!(r#""0x{chain_id:x}""#))
}

/// The answer to `eth_syncing`.
pub(crate) fn syncing(id: u64, is_syncing: bool) -> String {
    let progress = r#"{"startingBlock":"0x0","currentBlock":"0x1","highestBlock":"0x9"}"#;
    reply(id, if is_syncing { progress } else { "false" })
}

type Outcome = Result<String, (i64, String)>;

fn refused(code: i64, message: &str) -> Outcome {
    Err((code, message.into()))
}

/// The blocks that this replica knows, and up to which height they are final.
fn view(chain: &Chain, mood: Mood) -> (&[Mined], u64) {
    let (blocks, final_height) = chain.view(mood.is_stale);
    let known = blocks.len().saturating_sub(mood.lag as usize).max(1);
    (&blocks[..known], final_height.saturating_sub(mood.lag))
}

fn block(chain: &Chain, mood: Mood, tag: &str) -> Outcome {
    let is_tag = matches!(tag, "finalized" | "safe");
    if is_tag && mood.knows_no_tag {
        return refused(-39_001, "Unknown block");
    }
    let mined = block_at(chain, mood, tag);
    Ok(mined.map_or_else(|| "null".into(), |mined| header(chain, mined)))
}

/// The block that a call shows, and what it asked for.
pub(crate) fn shown<'a>(chain: &Chain, mood: Mood, call: &'a Call) -> Option<(&'a str, Block)> {
    let tag = call
        .text(0)
        .filter(|_| call.method == "eth_getBlockByNumber")?;
    Some((tag, block_at(chain, mood, tag)?.block))
}

fn block_at<'a>(chain: &'a Chain, mood: Mood, tag: &str) -> Option<&'a Mined> {
    let (blocks, final_height) = view(chain, mood);
    let head = blocks[blocks.len() - 1].block.number;
    let number = match tag {
        "latest" => Some(head),
        "finalized" | "safe" if mood.runs_ahead => Some(head),
        "finalized" | "safe" => Some(final_height),
        text => number(text),
    };
    blocks
        .iter()
        .rfind(|mined| Some(mined.block.number) == number)
}

/// The block with whole transactions.
fn full_block(chain: &Chain, mood: Mood, call: &Call) -> Outcome {
    let (blocks, _) = view(chain, mood);
    let number = call.number(0);
    let mined = blocks
        .iter()
        .rfind(|mined| Some(mined.block.number) == number);
    let Some(mined) = mined else {
        return Ok("null".into());
    };
    let txs = mined.txs.iter();
    let txs = txs.map(|(tx, _)| whole(chain, *tx, Some(mined.block.hash)));
    let txs = txs.collect::<Vec<_>>().join(",");
    Ok(format!(r#"{{"transactions":[{txs}]}}"#))
}

/// How many blocks back states are kept.
const KEPT_STATES: u64 = 60;

/// How many transactions the account has had.
fn count(chain: &Chain, mood: Mood, call: &Call) -> Outcome {
    let (blocks, final_height) = view(chain, mood);
    let head = blocks[blocks.len() - 1].block.number;
    let number = match call.text(1) {
        Some("finalized" | "safe") if mood.knows_no_tag => {
            return refused(-39_001, "Unknown block");
        }
        Some("finalized" | "safe") => final_height,
        _ => call.number(1).unwrap_or(head),
    };
    if mood.prunes && number + KEPT_STATES < head {
        return refused(-32_000, "missing trie node");
    }
    if number > head {
        return refused(-32_000, "header not found");
    }
    let Some(account) = account(call) else {
        return Ok(r#""0x0""#.into());
    };
    let below = blocks.iter().filter(|mined| mined.block.number <= number);
    let txs = below.flat_map(|mined| &mined.txs);
    let mut count = txs
        .filter(|(tx, _)| chain.txs[*tx].account == account)
        .count() as u64;
    if call.text(1) == Some("pending") {
        while chain.pool.contains_key(&(account, count)) {
            count += 1;
        }
    }
    Ok(format!(r#""0x{count:x}""#))
}

fn by_sender(chain: &Chain, mood: Mood, call: &Call) -> String {
    let (Some(account), Some(nonce)) = (account(call), call.number(1)) else {
        return "null".into();
    };
    let (blocks, _) = view(chain, mood);
    let is_it = |tx: Tx| chain.txs[tx].account == account && chain.txs[tx].nonce == nonce;
    if mood.denies_rivals
        && let Some(tx) = (0..chain.txs.len()).find(|tx| is_it(*tx))
    {
        return whole(chain, tx, None);
    }
    let mined = blocks.iter().find_map(|mined| {
        let (tx, _) = mined.txs.iter().find(|(tx, _)| is_it(*tx))?;
        Some((*tx, Some(mined.block.hash)))
    });
    let pooled = || Some((*chain.pool.get(&(account, nonce))?, None));
    let found = mined.or_else(pooled);
    found.map_or_else(|| "null".into(), |(tx, block)| whole(chain, tx, block))
}

/// A transaction with all that is said of it.
fn whole(chain: &Chain, tx: Tx, block: Option<Hash>) -> String {
    let made = &chain.txs[tx];
    let block = block.map_or_else(|| "null".into(), |hash| format!(r#""{hash}""#));
    format!(
        r#"{{"hash":"{}","from":"{}","nonce":"0x{:x}","to":"{}","value":"0x0","input":"0x{}","blockHash":{block}}}"#,
        made.hash,
        payload::address(made.account),
        made.nonce,
        payload::RECIPIENT,
        hex(&made.data)
    )
}

fn header(chain: &Chain, mined: &Mined) -> String {
    let mut txs = String::new();
    for (tx, _) in &mined.txs {
        let comma = if txs.is_empty() { "" } else { "," };
        let _ = write!(txs, r#"{comma}"{}""#, chain.txs[*tx].hash);
    }
    format!(
        r#"{{"number":"0x{:x}","hash":"{}","parentHash":"{}","transactions":[{txs}]}}"#,
        mined.block.number, mined.block.hash, mined.parent
    )
}

fn known(chain: &Chain, text: &str) -> Option<Tx> {
    chain.by_hash(&Hash::parse(text)?)
}

fn place(chain: &Chain, mood: Mood, tx: Tx) -> Option<(Block, usize, bool)> {
    let (blocks, _) = view(chain, mood);
    blocks.iter().rev().find_map(|mined| {
        let index = mined.txs.iter().position(|(known, _)| *known == tx)?;
        Some((mined.block, index, mined.txs[index].1))
    })
}

fn receipt(chain: &Chain, mood: Mood, text: &str) -> String {
    let found = known(chain, text).and_then(|tx| place(chain, mood, tx));
    let Some((block, index, reverted)) = found else {
        return "null".into();
    };
    format!(
        r#"{{"transactionHash":"{text}","blockHash":"{}","blockNumber":"0x{:x}","transactionIndex":"0x{index:x}","status":"0x{}"}}"#,
        block.hash,
        block.number,
        u8::from(!reverted)
    )
}

fn block_receipts(chain: &Chain, mood: Mood, name: &str) -> Outcome {
    let is_hash = Hash::parse(name).is_some();
    match mood.block_receipts {
        BlockReceipts::No => {
            return refused(-32_601, "the method eth_getBlockReceipts does not exist");
        }
        BlockReceipts::ByNumber if is_hash => return refused(-32_602, "invalid argument 0"),
        BlockReceipts::ByBoth | BlockReceipts::ByNumber => {}
    }
    let (blocks, _) = view(chain, mood);
    let is_it = |mined: &&Mined| {
        mined.block.hash.to_string() == name || format!("0x{:x}", mined.block.number) == name
    };
    let Some(mined) = blocks.iter().rfind(is_it) else {
        return Ok("null".into());
    };
    let hashes = mined.txs.iter().map(|(tx, _)| chain.txs[*tx].hash);
    let receipts: Vec<String> = hashes
        .map(|hash| receipt(chain, mood, &hash.to_string()))
        .collect();
    Ok(format!("[{}]", receipts.join(",")))
}

/// By hash a replica that lags finds what is mined all the same.
fn transaction(chain: &Chain, mood: Mood, text: &str) -> String {
    let Some(tx) = known(chain, text) else {
        return "null".into();
    };
    let made = &chain.txs[tx];
    let is_pooled = chain.pool.get(&(made.account, made.nonce)) == Some(&tx);
    let is_mined = chain.place(tx).is_some();
    match place(chain, mood, tx) {
        Some((block, ..)) => whole(chain, tx, Some(block.hash)),
        None if is_pooled || is_mined => whole(chain, tx, None),
        None => "null".into(),
    }
}

fn send(chain: &mut Chain, mood: Mood, call: &Call) -> Outcome {
    let tx = call
        .payload()
        .and_then(|payload| chain.by_payload(&payload));
    // That nobody made these bytes is reported where they leave a tab.
    let Some(tx) = tx else {
        return refused(-32_602, "Failed to decode transaction");
    };
    let made = &chain.txs[tx];
    let hash = Ok(format!(r#""{}""#, made.hash));
    let (account, nonce) = (made.account, made.nonce);
    if mood.is_on_wrong_chain {
        return refused(
            -32_000,
            "invalid sender: invalid chain id for signer: have 31337 want 1",
        );
    }
    if made.quality == Quality::Refused {
        return refused(
            -32_000,
            "intrinsic gas too low: gas 100000, minimum needed 200000",
        );
    }
    let next = chain.nonce(account);
    if nonce < next {
        chain.txs[tx].was_low = true;
        return refused(-32_003, "nonce too low");
    }
    match chain.pool.get(&(account, nonce)) {
        Some(known) if *known == tx => return refused(-32_003, "transaction already imported"),
        Some(known) if chain.txs[*known].fee >= made.fee => {
            return refused(-32_000, "replacement transaction underpriced");
        }
        Some(_) => {}
        None => {}
    }
    if mood.has_no_funds {
        return refused(-32_003, "Insufficient funds for gas * price + value");
    }
    if mood.is_pool_full {
        return refused(-32_000, "txpool is full");
    }
    let is_gap = (next..nonce).any(|nonce| !chain.pool.contains_key(&(account, nonce)));
    if mood.refuses_gaps && is_gap {
        return refused(-32_000, "nonce too high");
    }
    chain.take(tx);
    hash
}
