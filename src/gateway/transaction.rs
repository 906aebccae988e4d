//! Reads a signed raw Ethereum transaction: its id, its place in its account's order, its calldata
//! and its fees.
//!
//! What a node would refuse as undecodable is refused here, before it is backed up: only canonical
//! RLP, exactly the fields of the type, nothing after the end, and a signature in shape. Whether
//! the signature is right, the fees suffice or the chain is the right one is not judged.

use core::fmt;
use core::ops::Range;

use alloy_rlp::{Encodable, Header};
use tiny_keccak::{Hasher, Keccak};

use crate::task::Address;

/// What the cache needs to know of a signed raw transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// The transaction's hash, by which the chain knows it.
    pub id: [u8; 32],
    /// The chain it is signed for; `None` for a legacy transaction from before EIP-155, which is
    /// valid on any.
    pub chain_id: Option<u64>,
    /// Its number among its sender's transactions, from 0.
    pub nonce: u64,
    /// Where its recipient lies in the payload, in bytes: none where it creates a contract.
    pub to: Range<usize>,
    /// Where the wei that it moves lie in the payload: a big-endian number without leading zeros.
    pub value: Range<usize>,
    /// Where its calldata (or init code) lies in the payload, in bytes.
    pub data: Range<usize>,
    /// Where its blob hashes or authorizations lie, a list: nothing where its type has none.
    pub more: Range<usize>,
    /// The most that it pays per gas, in wei: the gas price where its type has no other.
    pub max_fee_per_gas: u128,
    /// The most of that which goes to the block's producer, in wei: the gas price where its type
    /// has no other.
    pub max_priority_fee_per_gas: u128,
}

/// What a transaction does: recipient, wei, calldata, and blob hashes or authorizations.
pub type Effect<'a> = (&'a [u8], &'a [u8], &'a [u8], &'a [u8]);

impl Transaction {
    /// What it does. `payload`: the bytes that it was read from.
    pub fn effect<'a>(&self, payload: &'a [u8]) -> Option<Effect<'a>> {
        Some((
            payload.get(self.to.clone())?,
            payload.get(self.value.clone())?,
            payload.get(self.data.clone())?,
            payload.get(self.more.clone())?,
        ))
    }
}

/// Why a payload is no signed transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionError {
    /// There are no bytes.
    Empty,
    /// The first byte names a type other than legacy and 1 to 4.
    UnknownType(u8),
    /// The signature is missing or zero.
    Unsigned,
    /// The named part is missing, not canonical, of a wrong size, or too much.
    Malformed(&'static str),
}

impl fmt::Display for TransactionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the transaction is empty"),
            Self::UnknownType(kind) => write!(f, "transactions of type {kind} are not supported"),
            Self::Unsigned => f.write_str("the transaction is not signed"),
            Self::Malformed(part) => write!(
                f,
                "the payload is not a valid signed transaction: look at {part}"
            ),
        }
    }
}

impl core::error::Error for TransactionError {}

/// Reads a signed raw transaction of any type in use: legacy, 1 (EIP-2930), 2 (EIP-1559), 3
/// (EIP-4844, with its blobs, in either sidecar version, or without) and 4 (EIP-7702).
///
/// # Errors
///
/// [`TransactionError`] for every payload that is not exactly one signed transaction; it never
/// panics.
pub fn parse(payload: &[u8]) -> Result<Transaction, TransactionError> {
    let (envelope, type_length) = match *payload.first().ok_or(TransactionError::Empty)? {
        1 => (Envelope::AccessList, 1),
        2 => (Envelope::DynamicFee, 1),
        3 => (Envelope::Blob, 1),
        4 => (Envelope::SetCode, 1),
        kind @ (0 | 5..=0x7f) => return Err(TransactionError::UnknownType(kind)),
        0x80..=0xbf => return Err(TransactionError::Malformed("its first byte")),
        0xc0..=0xff => (Envelope::Legacy, 0),
    };
    let mut outside = Fields {
        rest: &payload[type_length..],
        end: payload.len(),
    };
    let mut fields = outside.list("its outer list")?;
    outside.finish("bytes after its end")?;

    if envelope == Envelope::Blob && fields.next_is_list() {
        let wrapped = fields.rest;
        let mut body = fields.list("its body")?;
        let body_length = wrapped.len() - fields.rest.len();
        let (transaction, blob_count) = read_body(&mut body, envelope)?;
        check_sidecar(&mut fields, blob_count)?;
        // The blobs are no part of what is signed or hashed.
        let id = keccak256(&[&payload[..type_length], &wrapped[..body_length]]);
        return Ok(Transaction { id, ..transaction });
    }
    let (transaction, _) = read_body(&mut fields, envelope)?;
    let id = keccak256(&[payload]);
    Ok(Transaction { id, ..transaction })
}

/// A signature, and what was signed: enough to compute who signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signing {
    /// The hash that was signed.
    pub hash: [u8; 32],
    /// The signature's `r` and `s`, as 32 bytes each.
    pub signature: [u8; 64],
    /// Which of the two points that have this `r` as coordinate: 0 or 1.
    pub y_parity: u8,
}

/// The signature of a signed raw transaction; `None` where [`parse`] finds none.
pub fn signing(payload: &[u8]) -> Option<Signing> {
    let chain_id = parse(payload).ok()?.chain_id;
    let kind = *payload.first()?;
    // Fields in front of the signature.
    let (kind, count) = match kind {
        1 => (&payload[..1], 8),
        2 => (&payload[..1], 9),
        3 => (&payload[..1], 11),
        4 => (&payload[..1], 10),
        _ => (&payload[..0], 6),
    };
    let mut body = Header::decode_bytes(&mut &payload[kind.len()..], true).ok()?;
    if kind == [3] && matches!(body.first(), Some(0xc0..)) {
        body = Header::decode_bytes(&mut body, true).ok()?;
    }
    let mut rest = body;
    for _ in 0..count {
        let header = Header::decode(&mut rest).ok()?;
        rest = rest.get(header.payload_length..)?;
    }
    let signed = &body[..body.len() - rest.len()];
    let mut fields = Fields { rest, end: 0 };
    let v: u128 = fields.number("").ok()?;
    let mut signature = [0; 64];
    for half in signature.as_chunks_mut::<32>().0 {
        let word = fields.word("").ok()?;
        half[32 - word.len()..].copy_from_slice(word);
    }
    let mut tail = Vec::new();
    let y_parity = match (kind, chain_id) {
        ([], Some(chain_id)) => {
            chain_id.encode(&mut tail);
            tail.extend([0x80, 0x80]);
            (v - 35) % 2
        }
        ([], None) => v - 27,
        (_, _) => v,
    };
    let mut head = kind.to_vec();
    let list = Header {
        list: true,
        payload_length: signed.len() + tail.len(),
    };
    list.encode(&mut head);
    Some(Signing {
        hash: keccak256(&[&head, signed, &tail]),
        signature,
        y_parity: u8::try_from(y_parity).ok()?,
    })
}

/// The account of a public key: its two coordinates, 32 bytes each.
pub fn address(public_key: &[u8; 64]) -> Address {
    let hash = keccak256(&[public_key]);
    let mut address = [0; 20];
    address.copy_from_slice(&hash[12..]);
    Address(address)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Envelope {
    Legacy,
    AccessList,
    DynamicFee,
    Blob,
    SetCode,
}

/// Reads the body's fields in their order; the id is left zero. The number is that of the blobs it
/// commits to.
fn read_body(
    fields: &mut Fields<'_>,
    envelope: Envelope,
) -> Result<(Transaction, usize), TransactionError> {
    let typed_chain_id = match envelope {
        Envelope::Legacy => None,
        Envelope::AccessList | Envelope::DynamicFee | Envelope::Blob | Envelope::SetCode => {
            Some(fields.number("its chain id")?)
        }
    };
    let nonce = fields.number("its nonce")?;
    let max_priority_fee_per_gas = fields.number("its gas price or priority fee")?;
    let max_fee_per_gas = match envelope {
        Envelope::Legacy | Envelope::AccessList => max_priority_fee_per_gas,
        Envelope::DynamicFee | Envelope::Blob | Envelope::SetCode => {
            fields.number("its maximum fee")?
        }
    };
    let _gas_limit: u64 = fields.number("its gas limit")?;
    let can_create = match envelope {
        Envelope::Legacy | Envelope::AccessList | Envelope::DynamicFee => true,
        Envelope::Blob | Envelope::SetCode => false,
    };
    let to_length = fields.string("its recipient")?.len();
    let to_end = fields.position();
    match to_length {
        20 => {}
        0 if can_create => {}
        _ => return Err(TransactionError::Malformed("its recipient")),
    }
    let value_length = fields.word("its value")?.len();
    let value_end = fields.position();
    let data_length = fields.string("its data")?.len();
    let data_end = fields.position();
    if envelope != Envelope::Legacy {
        check_access_list(fields.list("its access list")?)?;
    }
    let mut blob_count = 0;
    let mut more_start = fields.position();
    if envelope == Envelope::Blob {
        fields.word("its maximum blob fee")?;
        more_start = fields.position();
        blob_count = fields
            .list("its blob hashes")?
            .strings(32, "its blob hashes")?;
        if blob_count == 0 {
            return Err(TransactionError::Malformed("its blob hashes"));
        }
    }
    if envelope == Envelope::SetCode {
        check_authorizations(fields.list("its authorizations")?)?;
    }
    let more = more_start..fields.position();
    let transaction = Transaction {
        id: [0; 32],
        chain_id: read_signature(fields, typed_chain_id)?,
        nonce,
        to: to_end - to_length..to_end,
        value: value_end - value_length..value_end,
        data: data_end - data_length..data_end,
        more,
        max_fee_per_gas,
        max_priority_fee_per_gas,
    };
    Ok((transaction, blob_count))
}

/// Checks the signature's shape and the body's end; gives the chain id, which a legacy transaction
/// hides in `v`.
fn read_signature(
    fields: &mut Fields<'_>,
    chain_id: Option<u64>,
) -> Result<Option<u64>, TransactionError> {
    const PART: &str = "its signature";
    if fields.rest.is_empty() {
        return Err(TransactionError::Unsigned);
    }
    let v: u128 = fields.number(PART)?;
    let r = fields.word(PART)?;
    let s = fields.word(PART)?;
    fields.finish("too many fields")?;
    // Unsigned EIP-155 transactions stand as (chain id, 0, 0).
    if r.is_empty() && s.is_empty() {
        return Err(TransactionError::Unsigned);
    }
    let chain_id = match (chain_id, v) {
        (Some(chain_id), 0 | 1) => Some(chain_id),
        (None, 27 | 28) => None,
        (None, 35..) => Some(
            u64::try_from((v - 35) / 2).map_err(|_| TransactionError::Malformed("its chain id"))?,
        ),
        (Some(_) | None, _) => return Err(TransactionError::Malformed(PART)),
    };
    if r.is_empty() || s.is_empty() {
        return Err(TransactionError::Malformed(PART));
    }
    Ok(chain_id)
}

fn check_access_list(mut entries: Fields<'_>) -> Result<(), TransactionError> {
    const PART: &str = "its access list";
    while !entries.rest.is_empty() {
        let mut entry = entries.list(PART)?;
        entry.fixed(20, PART)?;
        entry.list(PART)?.strings(32, PART)?;
        entry.finish(PART)?;
    }
    Ok(())
}

fn check_authorizations(mut entries: Fields<'_>) -> Result<(), TransactionError> {
    const PART: &str = "its authorizations";
    if entries.rest.is_empty() {
        return Err(TransactionError::Malformed(PART));
    }
    while !entries.rest.is_empty() {
        let mut entry = entries.list(PART)?;
        entry.word(PART)?; // chain id, 0 for any
        entry.fixed(20, PART)?;
        entry.number::<u64>(PART)?; // nonce
        entry.number::<u8>(PART)?; // y parity, which EIP-7702 bounds to a byte and no further
        entry.word(PART)?;
        entry.word(PART)?;
        entry.finish(PART)?;
    }
    Ok(())
}

/// Checks what follows the body in the form that carries blobs: EIP-4844's `blobs, commitments,
/// proofs`, or EIP-7594's with a version in front and a proof for each of a blob's 128 cells.
fn check_sidecar(fields: &mut Fields<'_>, blob_count: usize) -> Result<(), TransactionError> {
    let proofs_per_blob = if fields.next_is_list() {
        1
    } else if fields.number::<u8>("its sidecar version")? == 1 {
        128
    } else {
        return Err(TransactionError::Malformed("its sidecar version"));
    };
    for (part, size, count) in [
        ("its blobs", 131_072, blob_count),
        ("its blob commitments", 48, blob_count),
        (
            "its blob proofs",
            48,
            blob_count.saturating_mul(proofs_per_blob),
        ),
    ] {
        if fields.list(part)?.strings(size, part)? != count {
            return Err(TransactionError::Malformed(part));
        }
    }
    fields.finish("too many fields")
}

/// The items of a list that are not read yet.
struct Fields<'a> {
    rest: &'a [u8],
    /// Where the list ends in the payload.
    end: usize,
}

impl<'a> Fields<'a> {
    /// Where the next item starts in the payload.
    fn position(&self) -> usize {
        self.end - self.rest.len()
    }

    fn next_is_list(&self) -> bool {
        matches!(self.rest.first(), Some(0xc0..))
    }

    fn finish(&self, part: &'static str) -> Result<(), TransactionError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(TransactionError::Malformed(part))
        }
    }

    fn list(&mut self, part: &'static str) -> Result<Fields<'a>, TransactionError> {
        let rest = self.item(true, part)?;
        let end = self.position();
        Ok(Fields { rest, end })
    }

    fn string(&mut self, part: &'static str) -> Result<&'a [u8], TransactionError> {
        self.item(false, part)
    }

    fn item(&mut self, is_list: bool, part: &'static str) -> Result<&'a [u8], TransactionError> {
        Header::decode_bytes(&mut self.rest, is_list).map_err(|_| TransactionError::Malformed(part))
    }

    fn fixed(&mut self, size: usize, part: &'static str) -> Result<(), TransactionError> {
        if self.string(part)?.len() == size {
            Ok(())
        } else {
            Err(TransactionError::Malformed(part))
        }
    }

    /// Reads strings of one size to the end, and counts them.
    fn strings(&mut self, size: usize, part: &'static str) -> Result<usize, TransactionError> {
        let mut count = 0;
        while !self.rest.is_empty() {
            self.fixed(size, part)?;
            count += 1;
        }
        Ok(count)
    }

    /// Reads an integer of up to 128 bits that fits the wanted type.
    fn number<T: TryFrom<u128>>(&mut self, part: &'static str) -> Result<T, TransactionError> {
        let word = self.word(part)?;
        if word.len() > 16 {
            return Err(TransactionError::Malformed(part));
        }
        let number = word
            .iter()
            .fold(0, |sum, byte| sum << 8 | u128::from(*byte));
        T::try_from(number).map_err(|_| TransactionError::Malformed(part))
    }

    /// Reads an integer of up to 256 bits: its bytes from the first that is not zero, so none for
    /// 0.
    fn word(&mut self, part: &'static str) -> Result<&'a [u8], TransactionError> {
        match self.string(part)? {
            [0, ..] => Err(TransactionError::Malformed(part)),
            word if word.len() > 32 => Err(TransactionError::Malformed(part)),
            word => Ok(word),
        }
    }
}

fn keccak256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Keccak::v256();
    for part in parts {
        hasher.update(part);
    }
    let mut hash = [0; 32];
    hasher.finalize(&mut hash);
    hash
}

// proptest does not compile for browsers.
#[cfg(test)]
#[cfg(not(target_family = "wasm"))]
mod tests {
    use super::TransactionError::{Malformed, Unsigned};
    use super::*;
    use proptest::prelude::*;

    struct Signed {
        name: &'static str,
        raw: &'static str,
        id: &'static str,
        chain_id: Option<u64>,
        nonce: u64,
        data: &'static str,
        max_fee_per_gas: u128,
        max_priority_fee_per_gas: u128,
    }

    /// Signed by viem 2.57.20; anvil 1.7.1 took those of its chain and gave the same ids.
    const SIGNED: &[Signed] = &[
        Signed {
            name: "legacy",
            raw: "f86a80847735940082ea609470997970c51812dc3a010c7d01b50e0d17dc79c8018548656c6c\
                 6f82f4f6a0585ecbcc31686b2c8295bc7f22ced2cecbc17aedf05be5e46e51f912e2c9bad9a0\
                 0fdbdb8899a40e83d4bd87db9e18523335ffdf1cc4f19dda0b283c7d3e10dae1",
            id: "dc2b00d18da2784bb322540c12ee9d859d1fd5e2dcb11f4c3b585842f65651a6",
            chain_id: Some(31_337),
            nonce: 0,
            data: "48656c6c6f",
            max_fee_per_gas: 2_000_000_000,
            max_priority_fee_per_gas: 2_000_000_000,
        },
        Signed {
            name: "legacy before EIP-155",
            raw: "f8a001847735940082ea609470997970c51812dc3a010c7d01b50e0d17dc79c880b83c010203\
                 0405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223242526272829\
                 2a2b2c2d2e2f303132333435363738393a3b3c1ca0b6b9f3b8d91c7ca544e0df75300a6b03ec\
                 d8562f2770d2cefedd81541e0c34c2a07c4604951e1b84b3dde3dd1c459519ec94331b42bcc0\
                 903d37e06d1ca0e5610d",
            id: "6a7b5c57cf9e9d98078efc68fc2a075576c2195ec2c3c2bf20e06c87e187094b",
            chain_id: None,
            nonce: 1,
            data: "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223242526\
                 2728292a2b2c2d2e2f303132333435363738393a3b3c",
            max_fee_per_gas: 2_000_000_000,
            max_priority_fee_per_gas: 2_000_000_000,
        },
        Signed {
            name: "legacy that creates a contract",
            raw: "f868028477359400830186a0808096600a600c600039600a6000f3602a60005260206000f382\
                 f4f5a0a81baf6fd12740f7dc6b990ba133b62786020fc875801b51a05b7ae1ad9fbe8fa06817\
                 85098bd4b6a81c5b018f67a6c49cd5deae11ab429cc716a8829e94b7ff46",
            id: "d7f739422d51440a8c1689e21bb293f2b89e66b5603bb85726556ebcca0cb8d4",
            chain_id: Some(31_337),
            nonce: 2,
            data: "600a600c600039600a6000f3602a60005260206000f3",
            max_fee_per_gas: 2_000_000_000,
            max_priority_fee_per_gas: 2_000_000_000,
        },
        Signed {
            name: "EIP-2930",
            raw: "01f8df827a6903847735940082ea609470997970c51812dc3a010c7d01b50e0d17dc79c88085\
                 48656c6c6ff872f8599470997970c51812dc3a010c7d01b50e0d17dc79c8f842a00000000000\
                 000000000000000000000000000000000000000000000000000001a0ffffffffffffffffffff\
                 ffffffffffffffffffffffffffffffffffffffffffffd69470997970c51812dc3a010c7d01b5\
                 0e0d17dc79c8c080a0e7a6ffcf82ad7027b0da99f1eb742157818d2acd3403a6f0dc42d9111f\
                 4b18eaa034e9164e8ad83b0d629033a371c0711307fd3449dc2bd7a7b7f2bb4414723aa1",
            id: "8c499d2ee94674d2affd65bcce3cd1c29b891801d95bc462a731aca82d26fb48",
            chain_id: Some(31_337),
            nonce: 3,
            data: "48656c6c6f",
            max_fee_per_gas: 2_000_000_000,
            max_priority_fee_per_gas: 2_000_000_000,
        },
        Signed {
            name: "EIP-1559",
            raw: "02f86c827a6904843b9aca0084b2d05e0082ea609470997970c51812dc3a010c7d01b50e0d17\
                 dc79c88061c080a0c6e736e4cda3a6fc84c25312f0ffdf3204519e4223bfee7142666442c373\
                 03a5a042a015067b6b52d9ffdf3b42733a6731412cbc1f31d48c8b1dc812f232459f1f",
            id: "2fd6d8b0d42245c1a5e3d9c921c5cb19002e6b2ec334b2d18b9f1b6eb81b0c8b",
            chain_id: Some(31_337),
            nonce: 4,
            data: "61",
            max_fee_per_gas: 3_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
        },
        Signed {
            name: "EIP-1559 with data of 300 bytes",
            raw: "02f9020e827a6905843b9aca0084b2d05e00830271009470997970c51812dc3a010c7d01b50e\
                 0d17dc79c880b9012c000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c\
                 1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142\
                 434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768\
                 696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e\
                 8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4\
                 b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9da\
                 dbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff00\
                 0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223242526\
                 2728292a2bf872f8599470997970c51812dc3a010c7d01b50e0d17dc79c8f842a00000000000\
                 000000000000000000000000000000000000000000000000000001a0ffffffffffffffffffff\
                 ffffffffffffffffffffffffffffffffffffffffffffd69470997970c51812dc3a010c7d01b5\
                 0e0d17dc79c8c080a016527bb2c778e253ac937f0a0319a3aabc6c5a751e40d4cc2d6f55acf1\
                 9e7a1ea0451a22c7996f292c8215e568cb02a9903878891a2af71b928af9737db7603596",
            id: "5d22200bca8b2e59bde2571dabe6e0f49434a87bbdb0d1460d7f639cd4f0d8d3",
            chain_id: Some(31_337),
            nonce: 5,
            data: "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425\
                 262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b\
                 4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f7071\
                 72737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f9091929394959697\
                 98999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbd\
                 bebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3\
                 e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff00010203040506070809\
                 0a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b",
            max_fee_per_gas: 3_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
        },
        Signed {
            name: "EIP-1559 without data or tip",
            raw: "02f870827a69068084b2d05e008252089470997970c51812dc3a010c7d01b50e0d17dc79c888\
                 0de0b6b3a764000080c080a0889579fc0300f8e9d67c689e85aefae8eac264964b27588a843c\
                 4f09ace5b77ea0586587fb748f5b22ae83d8d0516f22d9ea1e0ab3862fe883ae0f7fe4fb001b\
                 d4",
            id: "188577d8daa3284f8abc2277c874d84046df5379afda3c612d6ffc46306fcdcf",
            chain_id: Some(31_337),
            nonce: 6,
            data: "",
            max_fee_per_gas: 3_000_000_000,
            max_priority_fee_per_gas: 0,
        },
        Signed {
            name: "EIP-1559 that creates a contract",
            raw: "02f86b827a69078084b2d05e00830186a0808096600a600c600039600a6000f3602a60005260\
                 206000f3c001a0a2754a998d0030a27c232989148f643724f610db199baf60fdebc34e843ae0\
                 a5a011b362233e4eb7a909c4e8e6b924b4525775ecd3edbd4268f08707872d1281ad",
            id: "862fddeb692fe46be593329d64d187642abbefe2882ae9ff8c8b240a60188037",
            chain_id: Some(31_337),
            nonce: 7,
            data: "600a600c600039600a6000f3602a60005260206000f3",
            max_fee_per_gas: 3_000_000_000,
            max_priority_fee_per_gas: 0,
        },
        Signed {
            name: "EIP-1559 data byte 0x80",
            raw: "02f869827a69088084b2d05e0082ea609470997970c51812dc3a010c7d01b50e0d17dc79c880\
                 8180c001a007de4d65b5c482dd4352bf5d317979e870f6327862a77ae6d9d43a0b21e020c0a0\
                 3f0d6ebcb872d8b2249b57353b85ae3526f3d431ada4040fb8a8f93b0d30db3d",
            id: "6a98d58c90c0497b13325dccc5b048eabedd0082d0ef8249915dcd4bdec79ef5",
            chain_id: Some(31_337),
            nonce: 8,
            data: "80",
            max_fee_per_gas: 3_000_000_000,
            max_priority_fee_per_gas: 0,
        },
        Signed {
            name: "EIP-7702",
            raw: "04f90141827a69090184b2d05e00830186a09470997970c51812dc3a010c7d01b50e0d17dc79\
                 c8808548656c6c6ff872f8599470997970c51812dc3a010c7d01b50e0d17dc79c8f842a00000\
                 000000000000000000000000000000000000000000000000000000000001a0ffffffffffffff\
                 ffffffffffffffffffffffffffffffffffffffffffffffffffd69470997970c51812dc3a010c\
                 7d01b50e0d17dc79c8c0f85ef85c827a69941111111111111111111111111111111111111111\
                 8080a0aa95481a2a6bccbe4960dafc79589e87ff8176c37d8678221e0664082ea46dbfa04a9f\
                 1286311a8c19eff4ad84ee1d97631407cecd490a52a50ad128322601177b80a082bd6e75b4c5\
                 8913fedbaab4b6fb9701307d40147f3199fdbf49886b91b07f18a026cf4657fb4685b0922042\
                 f8806c18e05141351eef326b6e6fac4655f6be8ecb",
            id: "e0ffd14e824102547df8a9022f3ca7bf65f7faed224183c8d59a0b77443f07d9",
            chain_id: Some(31_337),
            nonce: 9,
            data: "48656c6c6f",
            max_fee_per_gas: 3_000_000_000,
            max_priority_fee_per_gas: 1,
        },
        Signed {
            name: "an r of 31 bytes",
            raw: "02f867018201608084b2d05e008252089470997970c51812dc3a010c7d01b50e0d17dc79c880\
                 80c0019ffe8b9c7a43db6e0d512d94604540289f9e7adbc647c9424ac67e561d1a98a3a0184a\
                 6e30938abaa90bdea324b24ec6783bad8f0eb711c47c059359402f6cf181",
            id: "fda2a015b96e2b69fa3795ebd83032333ced7130b511345b949f88e664432226",
            chain_id: Some(1),
            nonce: 352,
            data: "",
            max_fee_per_gas: 3_000_000_000,
            max_priority_fee_per_gas: 0,
        },
        Signed {
            name: "an s of 31 bytes",
            raw: "02f867018201d98084b2d05e008252089470997970c51812dc3a010c7d01b50e0d17dc79c880\
                 80c001a0ab3a3c360e9426aa99360c98ea8be0c35b7af1e99b0d2ca0c1720d6f60e2901e9fff\
                 464680ce4e9b8c87778a089fa42c9d78eb3921091897fd65d56a33779ce4",
            id: "ce9a5b5d400aeea6006a67b19ce51b40c068faaa8eda941f7ca68c2047e3be61",
            chain_id: Some(1),
            nonce: 473,
            data: "",
            max_fee_per_gas: 3_000_000_000,
            max_priority_fee_per_gas: 0,
        },
        Signed {
            name: "legacy with a large chain id and nonce",
            raw: "f87286010000000000847735940082ea609470997970c51812dc3a010c7d01b50e0d17dc79c8\
                 808548656c6c6f8401546fdca01a59c126f74ebba492e86d553764dcc9fd36a7fcdd453b6df8\
                 a8900ce7324c80a048e72123ec7bc5e1c0a04c59fdaa6c76f2b808ee561e184f98f05dbc6f66\
                 fbf4",
            id: "9ad1ea108baa62f8e230aa0f01bf1fd9ecf82353fe13e51b2a0b4f09b7039a5b",
            chain_id: Some(11_155_420),
            nonce: 1_099_511_627_776,
            data: "48656c6c6f",
            max_fee_per_gas: 2_000_000_000,
            max_priority_fee_per_gas: 2_000_000_000,
        },
        Signed {
            name: "EIP-4844",
            raw: "03f894827a690a0184b2d05e0082ea609470997970c51812dc3a010c7d01b50e0d17dc79c880\
                 8548656c6c6fc084ee6b2800e1a0019c1f46df5826434a05d640e8c498ff7ae616436c414220\
                 f91ade7bbbc4611280a0868049df2cb3a9313f03f712d155aeebe1697191bf58a46d61378b8c\
                 b1a78b50a0638f47aaa8178aab3358e040e5ee74475de8c4dccac50f4dd1e1453883d48cda",
            id: "e7a49ba8291c1b9614eaa01e6ce96e66491498d872ccf9222a99e611512b26a3",
            chain_id: Some(31_337),
            nonce: 10,
            data: "48656c6c6f",
            max_fee_per_gas: 3_000_000_000,
            max_priority_fee_per_gas: 1,
        },
    ];

    #[test]
    fn reads_every_type() {
        for signed in SIGNED {
            let payload = unhex(signed.raw);
            let transaction = parse(&payload).expect(signed.name);
            assert_eq!(
                payload[transaction.data.clone()],
                unhex(signed.data),
                "{}",
                signed.name
            );
            let expected = Transaction {
                id: to_id(signed.id),
                chain_id: signed.chain_id,
                nonce: signed.nonce,
                to: transaction.to.clone(),
                value: transaction.value.clone(),
                data: transaction.data.clone(),
                more: transaction.more.clone(),
                max_fee_per_gas: signed.max_fee_per_gas,
                max_priority_fee_per_gas: signed.max_priority_fee_per_gas,
            };
            assert_eq!(transaction, expected, "{}", signed.name);
            let (to, value, data, more) = transaction.effect(&payload).expect(signed.name);
            assert_eq!(
                !more.is_empty(),
                matches!(payload[0], 3 | 4),
                "{}",
                signed.name
            );
            assert!(matches!(to.len(), 0 | 20), "{}", signed.name);
            assert!(value.first() != Some(&0), "{}", signed.name);
            assert_eq!(data, unhex(signed.data), "{}", signed.name);
        }
    }

    #[test]
    fn blobs_are_no_part_of_the_id() {
        let bare = parse(&raw("EIP-4844")).unwrap();
        for (name, payload) in [
            ("EIP-4844", with_blobs(None, 1, 1)),
            ("EIP-7594", with_blobs(Some(1), 1, 128)),
        ] {
            let transaction = parse(&payload).expect(name);
            assert_eq!(transaction.id, bare.id, "{name}");
            assert_eq!(&payload[transaction.data.clone()], b"Hello", "{name}");
            assert_eq!(
                Transaction {
                    to: bare.to.clone(),
                    value: bare.value.clone(),
                    data: bare.data.clone(),
                    more: bare.more.clone(),
                    ..transaction
                },
                bare,
                "{name}"
            );
        }
    }

    /// What was signed and the parity, by viem, in the order of `SIGNED`. All are signed by the same account.
    #[rustfmt::skip]
    const HASHES: &[(&str, u8)] = &[
        ("4d5f837c8ddcd85e72b0af8aeee4c3fec33f1fb6ada00142d6b45519c4a0162b", 1),
        ("ee4388be8490767808418d30b385416430d84f0d528754106057f91c18ccdc66", 1),
        ("65942b2397f0c5fc97ad49f8a8e71a07b58be284a1aec6d70d3ad18182038c98", 0),
        ("9e45c87866281db0764d4e59a736e1b1ee0b85a11551b8908d80424a1b17a206", 0),
        ("0fca79296c820e0ab68bbe6326a481a04bf8a6c0d367f240420db92a2115e52d", 0),
        ("5e2021445d656e2d29a61480e69b263ab62459a4b3caebe9e234ae39b19d2ab0", 0),
        ("5d54f96da4ebb067ea03c2ac88ffdfad3b7fb8e19d82a5f4db03356dffc863d1", 0),
        ("cdc5ffa77d2bce4d144324029e0317c5d752e9c57008716a0f726844ffd5a22b", 1),
        ("16ff8baeff7b2458ef1c4b6f75ea9eb35b7b6b29bd415570e11671a208464d5c", 1),
        ("5b33196ceaaebbfd7d0487194968e033c65a944ecbf6496e17893007802d915f", 0),
        ("d1ad35a9a61082cfe12fd113e9e0712e1b0c0c889bc2451259df63649187fa48", 1),
        ("452704bb7206e64800f454cdc630bef160539f333a412c1bc8b89ee5b0b11738", 1),
        ("fd4884fc42a05d353ee14436e7d4e158079e1f83703c3fa9db07644f709f4ba4", 1),
        ("9cbd087e12b9c0a2a0eeb156197e0c74493758c19c2fe303bd86312a4af10296", 0),
    ];

    #[test]
    fn what_was_signed_is_what_viem_says() {
        for (signed, (hash, y_parity)) in SIGNED.iter().zip(HASHES) {
            let signing = signing(&unhex(signed.raw)).expect(signed.name);
            assert_eq!(signing.hash, to_id(hash), "{}", signed.name);
            assert_eq!(signing.y_parity, *y_parity, "{}", signed.name);
        }
        assert_eq!(SIGNED.len(), HASHES.len());
    }

    #[test]
    fn a_short_half_of_a_signature_is_padded_in_front() {
        for (name, start) in [("an r of 31 bytes", 0), ("an s of 31 bytes", 32)] {
            let signature = signing(&raw(name)).unwrap().signature;
            assert_eq!(signature[start], 0, "{name}");
            assert_ne!(signature[start + 1], 0, "{name}");
        }
    }

    #[test]
    fn blobs_are_not_signed() {
        let bare = signing(&raw("EIP-4844"));
        assert!(bare.is_some());
        assert_eq!(signing(&with_blobs(None, 1, 1)), bare);
        assert_eq!(signing(&with_blobs(Some(1), 1, 128)), bare);
    }

    #[test]
    fn an_address_is_the_end_of_the_keys_hash() {
        // The key of the account that signed all these: anvil's first.
        let key = "8318535b54105d4a7aae60c08fc45f9687181b4fdfc625bd1a753fa7397fed75\
                   3547f11ca8696646f2f3acb08e31016afac23e630c5d11f59f61fef57b0d2aa5";
        let key: [u8; 64] = unhex(key).try_into().unwrap();
        let account = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
        assert_eq!(address(&key).to_string(), account);
    }

    #[test]
    fn the_form_with_blobs_is_that_of_viem() {
        let of_viem = "89c053532006c3a711cbceb48983f09795db4030889bea436de8a241fbb685aa";
        assert_eq!(keccak256(&[&with_blobs(None, 1, 1)]), to_id(of_viem));
    }

    #[test]
    fn every_truncation_is_refused() {
        let mut payloads: Vec<_> = SIGNED.iter().map(|signed| unhex(signed.raw)).collect();
        payloads.push(with_blobs(None, 1, 1));
        payloads.push(with_blobs(Some(1), 1, 128));
        for payload in payloads {
            for length in 0..payload.len() {
                assert!(
                    parse(&payload[..length]).is_err(),
                    "{length} of {}",
                    payload.len()
                );
            }
        }
    }

    #[test]
    fn a_byte_after_the_end_is_refused() {
        for signed in SIGNED {
            let mut payload = unhex(signed.raw);
            payload.push(0);
            assert_eq!(
                parse(&payload),
                Err(Malformed("bytes after its end")),
                "{}",
                signed.name
            );
        }
    }

    #[test]
    fn first_bytes() {
        let check =
            |payload: &[u8], expected| assert_eq!(parse(payload), Err(expected), "{payload:?}");
        check(&[], TransactionError::Empty);
        for kind in (0..=0x7f).filter(|kind| !(1..=4).contains(kind)) {
            check(&[kind, 0xc0], TransactionError::UnknownType(kind));
        }
        for byte in 0x80..=0xbf {
            check(&[byte, 0xc0], Malformed("its first byte"));
        }
        for kind in 1..=4 {
            check(&[kind], Malformed("its outer list"));
            check(&[kind, 0x80], Malformed("its outer list"));
            check(&[kind, 0xc0], Malformed("its chain id"));
        }
        check(&[0xc0], Malformed("its nonce"));
    }

    #[track_caller]
    fn check_refused(name: &str, expected: TransactionError, edits: &[&Edit]) {
        for edit in edits {
            let payload = edited(&raw(name), edit);
            assert_eq!(parse(&payload), Err(expected), "{name}: {payload:02x?}");
        }
    }

    #[test]
    fn refuses_fields_that_are_not_canonical_or_out_of_bounds() {
        check_refused(
            "legacy",
            Malformed("its nonce"),
            &[
                &|f| f[0] = string(&[0]),
                &|f| f[0] = string(&[0, 1]),
                &|f| f[0] = string(&[1; 9]),
                &|f| f[0] = Item::List(vec![]),
                &|f| f[0] = Item::Raw(vec![0x81, 5]),
                &|f| f[0] = Item::Raw(vec![0xb8, 1, 0x85]),
                &|f| f[0] = Item::Raw(vec![0xb9, 0, 1, 0x85]),
                &|f| f[0] = Item::Raw(vec![0xbf; 9]),
            ],
        );
        let price = Malformed("its gas price or priority fee");
        check_refused("legacy", price, &[&|f| f[1] = string(&[1; 17])]);
        let cap = Malformed("its maximum fee");
        check_refused("EIP-1559", cap, &[&|f| f[3] = string(&[1; 17])]);
        let gas = Malformed("its gas limit");
        check_refused("legacy", gas, &[&|f| f[2] = string(&[1; 9])]);
        check_refused(
            "legacy",
            Malformed("its recipient"),
            &[&|f| f[3] = string(&[1; 19]), &|f| f[3] = string(&[1; 21])],
        );
        check_refused(
            "legacy",
            Malformed("its value"),
            &[&|f| f[4] = string(&[0]), &|f| f[4] = string(&[1; 33])],
        );
        let data = Malformed("its data");
        check_refused("legacy", data, &[&|f| f[5] = Item::List(vec![])]);
        let chain_id = Malformed("its chain id");
        check_refused("legacy", chain_id, &[&|f| f[6] = string(&[0xff; 16])]);
        check_refused("EIP-1559", chain_id, &[&|f| f[0] = string(&[1; 9])]);
        let extra: &Edit = &|f| f.push(string(&[1]));
        check_refused("legacy", Malformed("too many fields"), &[extra]);
        check_refused("EIP-1559", Malformed("too many fields"), &[extra]);
    }

    #[test]
    fn refuses_what_is_not_signed() {
        check_refused(
            "legacy",
            Malformed("its signature"),
            &[
                &|f| f[6] = string(&[]),
                &|f| f[6] = string(&[1]),
                &|f| f[6] = string(&[26]),
                &|f| f[6] = string(&[29]),
                &|f| f[6] = string(&[34]),
                &|f| f[6] = string(&[0xff; 17]),
                &|f| f[7] = string(&[]),
                &|f| f[7] = string(&[0, 1]),
                &|f| f[7] = string(&[1; 33]),
                &|f| f[8] = string(&[]),
                &|f| f.truncate(8),
            ],
        );
        check_refused(
            "EIP-1559",
            Malformed("its signature"),
            &[&|f| f[9] = string(&[2]), &|f| f[9] = string(&[27]), &|f| {
                f[11] = string(&[])
            }],
        );
        check_refused(
            "legacy",
            Unsigned,
            &[&|f| f.truncate(6), &|f| f[7..].fill_with(|| string(&[]))],
        );
        check_refused(
            "EIP-1559",
            Unsigned,
            &[&|f| f.truncate(9), &|f| f[9..].fill_with(|| string(&[]))],
        );
        check_refused("EIP-4844", Unsigned, &[&|f| f.truncate(11)]);
        check_refused("EIP-7702", Unsigned, &[&|f| f.truncate(10)]);
    }

    #[test]
    fn refuses_lists_that_do_not_fit() {
        check_refused(
            "EIP-2930",
            Malformed("its access list"),
            &[
                &|f| f[7] = string(&[]),
                &|f| f[7].list().push(string(&[])),
                &|f| f[7].list()[0].list().truncate(1),
                &|f| f[7].list()[0].list().push(Item::List(vec![])),
                &|f| f[7].list()[0].list()[0] = string(&[1; 19]),
                &|f| f[7].list()[0].list()[1] = string(&[1; 32]),
                &|f| f[7].list()[0].list()[1].list()[0] = string(&[1; 31]),
            ],
        );
        check_refused(
            "EIP-4844",
            Malformed("its blob hashes"),
            &[&|f| f[10].list().clear(), &|f| {
                f[10].list()[0] = string(&[1; 31])
            }],
        );
        let blob_fee = Malformed("its maximum blob fee");
        check_refused("EIP-4844", blob_fee, &[&|f| f[9] = string(&[1; 33])]);
        let creation: &Edit = &|f| f[5] = string(&[]);
        check_refused("EIP-4844", Malformed("its recipient"), &[creation]);
        check_refused("EIP-7702", Malformed("its recipient"), &[creation]);
        check_refused(
            "EIP-7702",
            Malformed("its authorizations"),
            &[
                &|f| f[9].list().clear(),
                &|f| f[9].list()[0].list().truncate(5),
                &|f| f[9].list()[0].list().push(string(&[])),
                &|f| f[9].list()[0].list()[1] = string(&[]),
                &|f| f[9].list()[0].list()[3] = string(&[1, 0]),
            ],
        );
    }

    #[test]
    fn refuses_a_sidecar_that_does_not_fit() {
        let plain = with_blobs(None, 1, 1);
        for (payload, part) in [
            (with_blobs(Some(0), 1, 128), "its sidecar version"),
            (with_blobs(Some(2), 1, 128), "its sidecar version"),
            (with_blobs(None, 0, 0), "its blobs"),
            (with_blobs(None, 2, 2), "its blobs"),
            (with_blobs(None, 1, 128), "its blob proofs"),
            (with_blobs(Some(1), 1, 1), "its blob proofs"),
            (
                edited(&plain, &|f| f[1].list()[0] = Item::String(vec![1; 131_071])),
                "its blobs",
            ),
            (
                edited(&plain, &|f| f[2].list()[0] = string(&[1; 47])),
                "its blob commitments",
            ),
            (
                edited(&plain, &|f| f[3].list()[0] = string(&[1; 49])),
                "its blob proofs",
            ),
            (edited(&plain, &|f| f.truncate(3)), "its blob proofs"),
            (edited(&plain, &|f| f.push(string(&[1]))), "too many fields"),
            (
                edited(&plain, &|f| f[0].list().push(string(&[1]))),
                "too many fields",
            ),
        ] {
            assert_eq!(parse(&payload), Err(Malformed(part)));
        }
    }

    #[test]
    fn errors_are_sentences() {
        let check = |error: TransactionError, text| assert_eq!(error.to_string(), text);
        check(TransactionError::Empty, "the transaction is empty");
        check(
            TransactionError::UnknownType(0x7e),
            "transactions of type 126 are not supported",
        );
        check(Unsigned, "the transaction is not signed");
        check(
            Malformed("its nonce"),
            "the payload is not a valid signed transaction: look at its nonce",
        );
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(
            kind in 0u8..6,
            mut payload in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let _ = parse(&payload);
            if let Some(first) = payload.first_mut() {
                *first = kind;
            }
            let _ = parse(&payload);
        }

        #[test]
        fn mutated_transactions_never_panic(
            which in any::<prop::sample::Index>(),
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3), 1..4),
        ) {
            let mut payload = unhex(which.get(SIGNED).raw);
            for (at, byte, edit) in edits {
                let at = at.index(payload.len());
                match edit {
                    0 => payload[at] = byte,
                    1 => payload.insert(at, byte),
                    _ => drop(payload.remove(at)),
                }
            }
            if let Ok(transaction) = parse(&payload) {
                prop_assert!(payload.get(transaction.data).is_some());
            }
        }

        #[test]
        fn mutated_fields_never_panic(
            which in any::<prop::sample::Index>(),
            field in any::<prop::sample::Index>(),
            string in prop::collection::vec(any::<u8>(), 0..70),
        ) {
            let original = unhex(which.get(SIGNED).raw);
            let payload = edited(&original, &|fields| {
                let field = field.index(fields.len());
                fields[field] = Item::String(string.clone());
            });
            if let Ok(transaction) = parse(&payload) {
                prop_assert!(payload.get(transaction.data).is_some());
            }
        }
    }

    type Edit<'a> = dyn Fn(&mut Vec<Item>) + 'a;

    enum Item {
        String(Vec<u8>),
        List(Vec<Item>),
        /// Bytes as they are, for what no encoder writes.
        Raw(Vec<u8>),
    }

    impl Item {
        fn decode(bytes: &mut &[u8]) -> Self {
            let is_list = matches!(bytes.first(), Some(0xc0..));
            let mut content = Header::decode_bytes(bytes, is_list).unwrap();
            if !is_list {
                return Self::String(content.to_vec());
            }
            let mut items = Vec::new();
            while !content.is_empty() {
                items.push(Self::decode(&mut content));
            }
            Self::List(items)
        }

        fn encode(&self, out: &mut Vec<u8>) {
            match self {
                Self::String(bytes) => bytes.as_slice().encode(out),
                Self::List(items) => {
                    let mut content = Vec::new();
                    for item in items {
                        item.encode(&mut content);
                    }
                    let payload_length = content.len();
                    Header {
                        list: true,
                        payload_length,
                    }
                    .encode(out);
                    out.extend(content);
                }
                Self::Raw(bytes) => out.extend(bytes),
            }
        }

        fn list(&mut self) -> &mut Vec<Item> {
            match self {
                Self::List(items) => items,
                Self::String(_) | Self::Raw(_) => panic!("not a list"),
            }
        }
    }

    fn edited(payload: &[u8], edit: &Edit) -> Vec<u8> {
        let type_length = usize::from(payload[0] < 0xc0);
        let mut item = Item::decode(&mut &payload[type_length..]);
        edit(item.list());
        let mut out = payload[..type_length].to_vec();
        item.encode(&mut out);
        out
    }

    /// The blob transaction with as many copies of its blob and of the blob's proof.
    fn with_blobs(version: Option<u8>, blobs: usize, proofs: usize) -> Vec<u8> {
        let commitment = "94fefe112094e1ecc7b6db25f59194dae89e9ac91c58bb1cd672a34a45dcd823\
                          56fb1d2881dda1a77f05d246021d4c1f";
        let proof = "ae7503dffddc673d5593942eb3e576f2fae8f332c9da04b2a68e337d1024c90c\
                     0739bbcc19d7a61f42aded4aa00e914c";
        let mut blob = vec![0; 131_072];
        blob[..4].copy_from_slice(&[0, 1, 2, 3]);
        let copies = |bytes: Vec<u8>, count| {
            Item::List((0..count).map(|_| Item::String(bytes.clone())).collect())
        };
        let mut items = vec![Item::decode(&mut &raw("EIP-4844")[1..])];
        items.extend(
            version.map(|version| Item::String(if version == 0 { vec![] } else { vec![version] })),
        );
        items.extend([
            copies(blob, blobs),
            copies(unhex(commitment), blobs),
            copies(unhex(proof), proofs),
        ]);
        let mut out = vec![3];
        Item::List(items).encode(&mut out);
        out
    }

    fn string(bytes: &[u8]) -> Item {
        Item::String(bytes.to_vec())
    }

    fn raw(name: &str) -> Vec<u8> {
        unhex(
            SIGNED
                .iter()
                .find(|signed| signed.name == name)
                .expect(name)
                .raw,
        )
    }

    fn to_id(hex: &str) -> [u8; 32] {
        unhex(hex).try_into().unwrap()
    }

    fn unhex(hex: &str) -> Vec<u8> {
        let (digits, _) = hex.as_bytes().as_chunks::<2>();
        digits
            .iter()
            .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }
}
