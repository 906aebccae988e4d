//! The readers of a gateway's replies, beside serde_json's reading of the same text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use uplink_cache::gateway::classify::classify_send_error;
use uplink_cache::gateway::evm;
use uplink_cache::gateway::{Answer, Found, Refusal, Reply, Request, Verdict};
use uplink_cache::task::{Address, Block, Hash, Inclusion, hex};
use uplink_cache_fuzz::memory::bounded;
use uplink_cache_fuzz::replies::{ID, STATUSES, requests};

// The first byte says what was asked, the second the status, the third how long to wait; what follows is the body.
fuzz_target!(|input: &[u8]| {
    let Some((&[asked, status, wait], body)) = input.split_first_chunk() else {
        return;
    };
    let Ok(body) = std::str::from_utf8(body) else {
        return;
    };
    let requests = requests();
    let request = &requests[usize::from(asked) % requests.len()];
    let Some(&status) = STATUSES.get(usize::from(status)) else {
        check_lost(request, body);
        return;
    };
    let retry_after_ms = (wait > 0).then(|| u64::from(wait) * 1_000);
    let answer = |body: &str| Answer::Http {
        status,
        body: body.into(),
        retry_after_ms,
    };
    let json = serde_json::from_str::<Value>(body).ok();
    if json.is_none() && is_deep(body) {
        // serde_json goes no deeper than 128: what it would say is not known.
        let _ = read(request, &answer(body));
        return;
    }
    let read = read(request, &answer(body));
    match &read {
        Ok(reply) => check_reply(request, reply, status, json.as_ref()),
        Err(refusal) => check_refusal(request, refusal, status, json.as_ref()),
    }
    json.iter().for_each(|json| check_class(&json["error"]));
    if let Some(Value::Array(elements)) = json {
        let backwards: Vec<Value> = elements.iter().rev().cloned().collect();
        let backwards = Value::Array(backwards).to_string();
        if let Ok(reply) = &read {
            let again = evm::read(ID, request, &answer(&backwards));
            assert_eq!(
                again.as_ref(),
                Ok(reply),
                "the order of a batch says nothing"
            );
            check_elements(request, reply, &elements);
        }
    }
});

/// An object of JSON costs 630 bytes, and `"":0,` in one five; a reply has 16 MiB at the most.
fn read(request: &Request, answer: &Answer) -> Result<Reply, Refusal> {
    let len = match answer {
        Answer::Http { body, .. } => body.len(),
        Answer::Lost(cause) => cause.len(),
    };
    bounded(160 * len + 8192, || evm::read(ID, request, answer))
}

fn is_deep(body: &str) -> bool {
    body.bytes()
        .filter(|byte| matches!(byte, b'[' | b'{'))
        .count()
        > 127
}

/// What was lost is unknown, whatever was asked.
fn check_lost(request: &Request, cause: &str) {
    let refusal = read(request, &Answer::Lost(cause.into())).expect_err("nothing was said");
    assert_eq!(refusal.verdict, Verdict::Unknown);
    assert_eq!(refusal.cause, cause);
}

fn check_reply(request: &Request, reply: &Reply, status: u16, json: Option<&Value>) {
    let json = json.expect("it is JSON");
    let has_id = json["id"].as_u64() == Some(ID);
    let has_error = json["error"].is_object();
    let result = &json["result"];
    if !has_error {
        assert_eq!(status, 200);
        assert!(json.is_array() || has_id, "it is of another request");
    }
    match (request, reply) {
        (Request::ChainId, Reply::ChainId(number)) | (Request::Count(..), Reply::Count(number)) => {
            assert_eq!(quantity(result), Some(*number));
        }
        (Request::Syncing, Reply::Syncing(is_syncing)) => {
            assert!(!is_syncing || result.as_bool() == Some(true) || result.is_object());
        }
        (Request::Head | Request::BlockAt(_), Reply::Block(block)) => match block {
            Some(header) => {
                assert!(is_block(&header.block, result, "hash", "number"));
                assert!(is_hash(&header.parent, &result["parentHash"]));
                // What is no hash is passed over.
                let all = result["transactions"].as_array().into_iter().flatten();
                let told: Vec<&Value> = all.filter(|told| is_any_hash(told)).collect();
                assert_eq!(header.transactions.len(), told.len());
                let mut pairs = header.transactions.iter().zip(told);
                assert!(pairs.all(|(hash, told)| is_hash(hash, told)));
            }
            None => assert!(result.is_null()),
        },
        (Request::FinalBlock, Reply::FinalBlock(block)) => match block {
            Some(block) => assert!(is_block(block, result, "hash", "number")),
            None => assert!(has_error || result.is_null()),
        },
        (Request::Receipt(tx), Reply::Receipt(receipt)) => {
            check_receipt(tx, receipt.as_ref(), result)
        }
        (Request::Transaction(tx), Reply::Transaction(found)) => {
            check_found(found.as_ref(), result);
            assert!(found.as_ref().is_none_or(|found| found.tx == *tx));
        }
        (Request::BySender(account, nonce), Reply::Transaction(found)) => {
            check_found(found.as_ref(), result);
            assert!(found.is_none() || is_of(result, account, *nonce));
        }
        (Request::InBlock(_, account, nonce), Reply::Transaction(found)) => {
            let mut known = result["transactions"].as_array().into_iter().flatten();
            let known = known.find(|known| is_of(known, account, *nonce));
            check_found(found.as_ref(), known.unwrap_or(&Value::Null));
        }
        (Request::BlockReceipts(block, _, txs), Reply::Receipts(receipts)) => {
            assert!(in_order(receipts.iter().map(|(tx, _)| tx), txs));
            for (tx, receipt) in receipts {
                let receipt = receipt.expect("it is in this block");
                assert_eq!((receipt.tx, receipt.block), (*tx, *block));
            }
        }
        (Request::Receipts(txs), Reply::Receipts(receipts)) => {
            assert!(in_order(receipts.iter().map(|(tx, _)| tx), txs));
        }
        (Request::Transactions(txs), Reply::Transactions(found)) => {
            assert!(in_order(found.iter().map(|(tx, _)| tx), txs));
        }
        (Request::Send(payloads), Reply::Accepted) => {
            assert_eq!(payloads.len(), 1);
            assert!(has_error || result.is_string());
        }
        (Request::Send(payloads), Reply::Sent(said)) => assert_eq!(payloads.len(), said.len()),
        (Request::Call(..), Reply::Result(_)) => {
            assert!(!result.is_null() || json.get("result").is_some())
        }
        _ => panic!("{reply:?} is no reply to {request:?}"),
    }
}

fn check_refusal(request: &Request, refusal: &Refusal, status: u16, json: Option<&Value>) {
    // Where the gateway said no word, only its status is known.
    let json = json.unwrap_or(&Value::Null);
    let is_batch = matches!(request, Request::Send(payloads) if payloads.len() > 1)
        || matches!(
            request,
            Request::Receipts(_) | Request::Transactions(_) | Request::BlockReceipts(..)
        );
    let is_send = matches!(request, Request::Send(_));
    let has_error = json["error"].is_object() || json.is_array();
    match refusal.verdict {
        Verdict::Unknown => {}
        Verdict::Later => assert!(status == 429 || is_send && has_error),
        Verdict::NonceUsed | Verdict::Blocked(_) | Verdict::Never => assert!(is_send && has_error),
        Verdict::Error => assert!(!is_send && has_error),
        Verdict::Unsupported => {
            // Many gateways lack the method that finds a transaction by its sender and nonce.
            let is_rare = matches!(request, Request::BySender(..));
            let is_no = has_error || matches!(status, 400 | 413 | 501);
            assert!(is_batch && is_no || is_rare && has_error)
        }
    }
}

/// An element of a batch says what it would say alone.
fn check_elements(request: &Request, reply: &Reply, elements: &[Value]) {
    for place in 0..request.ids() {
        let id = ID + place;
        let index = place as usize;
        let mut own = elements
            .iter()
            .filter(|element| element["id"].as_u64() == Some(id));
        let alone = own.next().filter(|_| own.next().is_none());
        let answer = Answer::Http {
            status: 200,
            body: alone.unwrap_or(&Value::Null).to_string(),
            retry_after_ms: None,
        };
        match (request, reply) {
            (Request::Send(payloads), Reply::Sent(said)) => {
                let request = Request::Send(vec![payloads[index].clone()]);
                let alone = evm::read(id, &request, &answer);
                let verdict = |refusal: &Refusal| refusal.verdict;
                let expected = alone.as_ref().err().map(verdict);
                assert_eq!(said[index].as_ref().err().map(verdict), expected);
            }
            (Request::Receipts(txs), Reply::Receipts(receipts)) => {
                let alone = evm::read(id, &Request::Receipt(txs[index]), &answer);
                let said = receipts.iter().find(|(tx, _)| *tx == txs[index]);
                let expected = said.map(|(_, receipt)| Reply::Receipt(*receipt));
                assert_eq!(alone.ok(), expected);
            }
            (Request::Transactions(txs), Reply::Transactions(found)) => {
                let alone = evm::read(id, &Request::Transaction(txs[index]), &answer);
                let said = found.iter().find(|(tx, _)| *tx == txs[index]);
                let expected = said.map(|(_, found)| Reply::Transaction(found.clone()));
                assert_eq!(alone.ok(), expected);
            }
            _ => {}
        }
    }
}

/// How an error is read depends on its words, not on how they are written.
fn check_class(error: &Value) {
    let message = error["message"].as_str().unwrap_or_default();
    let code = error["code"].as_i64().unwrap_or_default();
    let class = classify_send_error(code, message);
    assert_eq!(
        classify_send_error(code, &message.to_ascii_uppercase()),
        class
    );
}

fn check_receipt(tx: &Hash, receipt: Option<&Inclusion>, result: &Value) {
    match receipt {
        Some(receipt) => {
            assert_eq!(receipt.tx, *tx);
            assert!(is_hash(tx, &result["transactionHash"]));
            assert!(is_block(&receipt.block, result, "blockHash", "blockNumber"));
            assert_eq!(
                quantity(&result["transactionIndex"]),
                Some(u64::from(receipt.index))
            );
            assert_eq!(quantity(&result["status"]) == Some(0), receipt.reverted);
        }
        None => assert!(result.is_null()),
    }
}

fn check_found(found: Option<&Found>, result: &Value) {
    match found {
        Some(found) => {
            assert!(is_hash(&found.tx, &result["hash"]));
            let input = format!("0x{}", hex(&found.calldata));
            assert!(is_text(&result["input"], &input));
            assert_eq!(result["blockHash"].is_string(), found.is_mined);
            assert!(!found.value.starts_with(&[0]));
            let to = found.to.map(|to| to.to_string());
            assert!(to.is_none_or(|to| is_text(&result["to"], &to)));
        }
        None => assert!(result.is_null()),
    }
}

fn is_of(found: &Value, account: &Address, nonce: u64) -> bool {
    is_text(&found["from"], &account.to_string()) && quantity(&found["nonce"]) == Some(nonce)
}

fn is_block(block: &Block, json: &Value, hash: &str, number: &str) -> bool {
    is_hash(&block.hash, &json[hash]) && quantity(&json[number]) == Some(block.number)
}

fn is_any_hash(json: &Value) -> bool {
    let digits = json.as_str().and_then(|text| text.strip_prefix("0x"));
    digits.is_some_and(|digits| {
        digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    })
}

fn is_hash(hash: &Hash, json: &Value) -> bool {
    is_text(json, &hash.to_string())
}

fn is_text(json: &Value, text: &str) -> bool {
    json.as_str()
        .is_some_and(|found| found.eq_ignore_ascii_case(text) && found.starts_with("0x"))
}

fn quantity(json: &Value) -> Option<u64> {
    let digits = json.as_str()?.strip_prefix("0x")?;
    let is_signed = digits.starts_with('+');
    u64::from_str_radix(digits, 16).ok().filter(|_| !is_signed)
}

fn in_order<'a>(mut found: impl Iterator<Item = &'a Hash>, asked: &[Hash]) -> bool {
    let mut asked = asked.iter();
    found.all(|tx| asked.any(|known| known == tx))
}
