//! Signed raw transactions. The signature has the right shape, and says who signed: every byte of `r` is the account's.

use alloy_rlp::{Encodable, Header};
use sha3::{Digest, Keccak256};
use uplink_cache::gateway::transaction::{self, Signing};
use uplink_cache::task::{Address, Hash};

/// The chain that the cache is configured for.
pub(crate) const CHAIN_ID: u64 = 31_337;

/// Whom every payload calls.
pub(crate) const RECIPIENT: Address = Address([0x42; 20]);

/// What a payload is made of.
pub(crate) struct Shape<'a> {
    pub(crate) account: u8,
    pub(crate) nonce: u64,
    pub(crate) is_legacy: bool,
    /// How much more than the usual it pays.
    pub(crate) fee: u64,
    pub(crate) data: &'a [u8],
}

/// The signed raw transaction.
pub(crate) fn encode(shape: &Shape<'_>) -> Vec<u8> {
    let mut fields = Vec::with_capacity(shape.data.len() + 160);
    let r = [mark(shape.account); 32];
    let s = [0x55; 32];
    if shape.is_legacy {
        shape.nonce.encode(&mut fields);
        (1_000_000_000 + shape.fee).encode(&mut fields);
    } else {
        CHAIN_ID.encode(&mut fields);
        shape.nonce.encode(&mut fields);
        (1 + shape.fee).encode(&mut fields);
        (2_000_000_000 + shape.fee).encode(&mut fields);
    }
    100_000_u64.encode(&mut fields);
    RECIPIENT.0.as_slice().encode(&mut fields);
    0_u64.encode(&mut fields);
    shape.data.encode(&mut fields);
    if shape.is_legacy {
        (CHAIN_ID * 2 + 35).encode(&mut fields);
    } else {
        fields.push(0xc0); // no access list
        0_u64.encode(&mut fields);
    }
    r.as_slice().encode(&mut fields);
    s.as_slice().encode(&mut fields);
    let mut payload = if shape.is_legacy { Vec::new() } else { vec![2] };
    let header = Header {
        list: true,
        payload_length: fields.len(),
    };
    header.encode(&mut payload);
    payload.extend(fields);
    payload
}

/// The chain's name for a payload, computed apart from the core.
pub(crate) fn id(payload: &[u8]) -> Hash {
    Hash(Keccak256::digest(payload).into())
}

fn mark(account: u8) -> u8 {
    account + 1
}

/// What stands for the public key of whoever signed.
pub(crate) fn public_key(signing: &Signing) -> Option<[u8; 64]> {
    Some([signing.signature[0]; 64])
}

/// What stands for the public key of an account.
pub(crate) fn key_of(account: u8) -> [u8; 64] {
    [mark(account); 64]
}

/// The address of an account.
pub(crate) fn address(account: u8) -> Address {
    transaction::address(&key_of(account))
}

#[test]
fn the_signature_says_who_signed() {
    for (account, is_legacy) in [(0, false), (3, true)] {
        let payload = encode(&Shape {
            account,
            nonce: 7,
            is_legacy,
            fee: 0,
            data: b"data",
        });
        let key = public_key(&transaction::signing(&payload).unwrap()).unwrap();
        assert_eq!(transaction::address(&key), address(account));
    }
}
