//! The reader of signed raw transactions, beside alloy's.
#![no_main]

use alloy_consensus::{Transaction as _, TxEnvelope, TxType};
use alloy_eips::Decodable2718;
use libfuzzer_sys::fuzz_target;
use std::ops::Range;
use uplink_cache::gateway::transaction::{self, Transaction, TransactionError};
use uplink_cache_fuzz::memory::bounded;
use uplink_cache_fuzz::rlp;

// The first byte: 0 takes what follows as a payload, 1 as its fields, and from 2 on as the body of a transaction that
// gets its blobs here: they are too long for a fuzzer's input.
fuzz_target!(|input: &[u8]| {
    match input.split_first() {
        None => {}
        Some((0, payload)) => drop(check(payload)),
        Some((1, fields)) => drop(check(&rlp::from_fields(fields))),
        Some((how, rest)) => check_blobs(*how, rest),
    }
});

fn check(payload: &[u8]) -> Option<Transaction> {
    // Nothing is allocated, whatever the payload says of its length.
    let ours = bounded(0, || transaction::parse(payload));
    match (&ours, decode(payload)) {
        (Ok(ours), Some(theirs)) => compare(payload, ours, &theirs),
        (Ok(_), None) => assert!(has_wide_blob_fee(payload), "alloy refuses it"),
        (Err(why), Some(theirs)) => assert!(is_refused_on_purpose(*why, &theirs), "{why:?}"),
        (Err(_), None) => {}
    }
    if ours.is_ok() {
        let longer = [payload, &[0x80]].concat();
        assert!(transaction::parse(&longer).is_err());
        assert!(transaction::parse(&payload[..payload.len() - 1]).is_err());
    }
    assert_eq!(transaction::signing(payload).is_some(), ours.is_ok());
    ours.ok()
}

fn decode(payload: &[u8]) -> Option<TxEnvelope> {
    let mut rest = payload;
    let envelope = TxEnvelope::decode_2718(&mut rest).ok()?;
    rest.is_empty().then_some(envelope)
}

fn compare(payload: &[u8], ours: &Transaction, theirs: &TxEnvelope) {
    assert_eq!(ours.id, theirs.tx_hash().0);
    assert_eq!(ours.chain_id, theirs.chain_id());
    assert_eq!(ours.nonce, theirs.nonce());
    assert_eq!(ours.max_fee_per_gas, theirs.max_fee_per_gas());
    let tip = theirs.max_priority_fee_per_gas();
    assert_eq!(
        ours.max_priority_fee_per_gas,
        tip.unwrap_or(ours.max_fee_per_gas)
    );

    let (to, value, data, more) = ours.effect(payload).expect("they lie in the payload");
    let address = theirs.to();
    assert_eq!(to, address.as_ref().map_or(&[][..], |to| to.as_slice()));
    assert_eq!(value, theirs.value().to_be_bytes_trimmed_vec());
    assert_eq!(data, &theirs.input()[..]);
    assert_eq!(more, encoded_list(theirs));

    let ours = transaction::signing(payload).expect("it is signed");
    let signature = theirs.signature();
    assert_eq!(ours.hash, theirs.signature_hash().0);
    assert_eq!(ours.signature[..32], signature.r().to_be_bytes::<32>());
    assert_eq!(ours.signature[32..], signature.s().to_be_bytes::<32>());
    assert_eq!(ours.y_parity, u8::from(signature.v()));
}

/// What else it does: its blob hashes or its authorizations.
fn encoded_list(transaction: &TxEnvelope) -> Vec<u8> {
    if let Some(hashes) = transaction.blob_versioned_hashes() {
        alloy_rlp::encode(hashes.to_vec())
    } else if let Some(signed) = transaction.authorization_list() {
        alloy_rlp::encode(signed.to_vec())
    } else {
        Vec::new()
    }
}

/// alloy keeps the fee in 128 bits, where the chain has 256.
fn has_wide_blob_fee(payload: &[u8]) -> bool {
    let fee = || {
        let body = rlp::items(payload.strip_prefix(&[3])?)?.remove(0);
        rlp::items(body)?.get(9).copied()
    };
    fee().is_some_and(|fee| fee.len() > 17)
}

/// What alloy decodes and every node refuses.
fn is_refused_on_purpose(why: TransactionError, theirs: &TxEnvelope) -> bool {
    let signature = theirs.signature();
    match why {
        TransactionError::Unsigned | TransactionError::Malformed("its signature") => {
            let is_zero = signature.r().is_zero() || signature.s().is_zero();
            is_zero || theirs.tx_type() == TxType::Legacy
        }
        TransactionError::Malformed("its blob hashes") => {
            theirs.blob_versioned_hashes().is_some_and(<[_]>::is_empty)
        }
        TransactionError::Malformed("its authorizations") => {
            theirs.authorization_list().is_some_and(<[_]>::is_empty)
        }
        TransactionError::Malformed(_)
        | TransactionError::Empty
        | TransactionError::UnknownType(_) => false,
    }
}

/// With its blobs it is the same transaction, and with others than it names it is none.
fn check_blobs(how: u8, rest: &[u8]) {
    const BLOB: &[u8] = &[0; 131_072];
    const POINT: &[u8] = &[7; 48];
    let body = rest.strip_prefix(&[3]).unwrap_or(rest);
    let bare_payload = [&[3], body].concat();
    let Some(bare) = check(&bare_payload) else {
        return;
    };
    let Some([hashes, ..]) = rlp::items(body)
        .and_then(|fields| rlp::items(fields[10]))
        .map(|hashes| [hashes.len()])
    else {
        // It brings its blobs already.
        return;
    };
    let [blobs, commitments, proofs] = [how & 3, how >> 2 & 3, how >> 4 & 3].map(usize::from);
    let is_cells = how & 0x40 != 0;
    let proofs = if is_cells { proofs * 128 } else { proofs };
    let list = |item: &[u8], count: usize| rlp::list(&rlp::string(item).repeat(count));
    let version = if is_cells { &[1][..] } else { &[] };
    let sidecar = [
        version,
        &list(BLOB, blobs),
        &list(POINT, commitments),
        &list(POINT, proofs),
    ];
    let inner = [body, &sidecar.concat()].concat();
    let payload = [&[3][..], &rlp::list(&inner)].concat();
    let wrapped = transaction::parse(&payload);
    let expected_proofs = if is_cells { hashes * 128 } else { hashes };
    if (blobs, commitments, proofs) != (hashes, hashes, expected_proofs) {
        assert!(wrapped.is_err());
        return;
    }
    let shift = payload.len() - inner.len() - 1;
    let moved = |range: &Range<usize>| range.start + shift..range.end + shift;
    let expected = Transaction {
        to: moved(&bare.to),
        value: moved(&bare.value),
        data: moved(&bare.data),
        more: moved(&bare.more),
        ..bare
    };
    assert_eq!(wrapped, Ok(expected));
    assert_eq!(
        transaction::signing(&payload),
        transaction::signing(&bare_payload)
    );
    check(&payload);
}
