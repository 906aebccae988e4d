//! What is named by bytes and written in hex: tasks, transactions, blocks, accounts.

use std::cmp::Ordering;
use std::fmt;

/// A task's name, unique over all tabs of the origin: 128 random bits drawn by whoever submits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskId(pub u128);

impl TaskId {
    /// Reads the 32 hex digits that `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        unhex_all(text).map(u128::from_be_bytes).map(TaskId)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(hex(&self.0.to_be_bytes()).as_str())
    }
}

/// 32 bytes that the chain names something by: a transaction or a block.
#[derive(Clone, Copy)]
pub struct Hash(pub [u8; 32]);

impl PartialEq for Hash {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Hash {}

impl PartialOrd for Hash {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Some order, the same everywhere: of words, as byte by byte took a tenth of the time in which a backup is opened.
impl Ord for Hash {
    fn cmp(&self, other: &Self) -> Ordering {
        let (words, others) = (self.0.as_chunks().0, other.0.as_chunks().0);
        let words = words.iter().map(|word| u64::from_le_bytes(*word));
        words.cmp(others.iter().map(|word| u64::from_le_bytes(*word)))
    }
}

impl Hash {
    /// Reads `0x` and 64 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        unhex_all(text.strip_prefix("0x")?).map(Hash)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        f.write_str(hex(&self.0).as_str())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An account of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(pub [u8; 20]);

impl Address {
    /// Reads `0x` and 40 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        unhex_all(text.strip_prefix("0x")?).map(Address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        f.write_str(hex(&self.0).as_str())
    }
}

/// Lowercase hex digits, without a prefix.
pub fn hex(bytes: &[u8]) -> String {
    let mut digits = Vec::with_capacity(bytes.len() * 2);
    let (words, rest) = bytes.as_chunks();
    for word in words {
        digits.extend_from_slice(&hex_digits(*word));
    }
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    digits.extend_from_slice(&hex_digits(last)[..2 * rest.len()]);
    String::from_utf8(digits).unwrap_or_default()
}

/// The lowercase hex digits of four bytes. All eight are made at once: this is done for every name that is handed over.
pub fn hex_digits(bytes: [u8; 4]) -> [u8; 8] {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let word = u32::from_be_bytes(bytes);
    let halves = u64::from(word >> 16) << 32 | u64::from(word & 0xffff);
    let pairs = (halves << 8 | halves) & 0x00ff_00ff_00ff_00ff;
    let nibbles = (pairs << 4 | pairs) & (EACH * 0x0f);
    let letters = (nibbles + EACH * 6) >> 4 & EACH;
    let digits = nibbles + EACH * u64::from(b'0') + letters * u64::from(b'a' - b'9' - 1);
    digits.to_be_bytes()
}

/// The bytes of hex digits, without a prefix; `None` for odd lengths and other characters.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0; text.len() / 2];
    unhex_into(text, &mut bytes)?;
    Some(bytes)
}

/// The same of exactly so many bytes.
fn unhex_all<const LEN: usize>(text: &str) -> Option<[u8; LEN]> {
    let mut bytes = [0; LEN];
    unhex_into(text, &mut bytes)?;
    Some(bytes)
}

fn unhex_into(text: &str, bytes: &mut [u8]) -> Option<()> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks();
    if !rest.is_empty() || pairs.len() != bytes.len() {
        return None;
    }
    for (byte, &[high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_bytes_have_the_digits_that_they_are_written_with() {
        for word in [
            0,
            1,
            0x0123_4567,
            0x89ab_cdef,
            0x9a0b_c0d0,
            0x9999_9999,
            u32::MAX,
        ] {
            let expected = format!("{word:08x}");
            assert_eq!(hex_digits(word.to_be_bytes()), expected.as_bytes());
        }
    }

    #[test]
    fn hex_round_trips_and_refuses_what_is_no_hex() {
        assert_eq!(unhex("00ff7f"), Some(vec![0, 255, 127]));
        assert_eq!(unhex("00Ff7f0A19"), Some(vec![0, 255, 127, 10, 25]));
        assert_eq!(hex(&[0, 255, 127]), "00ff7f");
        assert_eq!(hex(&[1, 2, 3, 4, 0xab]), "01020304ab");
        assert_eq!(hex(&[]), "");
        for bad in ["0", "0g", "0x00", "+1", " 1"] {
            assert_eq!(unhex(bad), None, "{bad}");
        }
        let id = TaskId(0x00ff_0000_0000_0000_0000_0000_0000_0001);
        assert_eq!(TaskId::parse(&id.to_string()), Some(id));
        for bad in ["", "+0000000000000000000000000000001", "00"] {
            assert_eq!(TaskId::parse(bad), None, "{bad}");
        }
    }
}
