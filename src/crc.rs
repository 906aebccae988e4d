//! CRC-32 (ISO HDLC), eight bytes a step.
//!
//! The tables are made when they are first needed: as data they would be 8 KB of the module that no compression makes less.

use std::sync::OnceLock;

const STEP: usize = 8;
/// The polynomial, its bits reversed.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// What a byte does to the checksum when so many others follow it in its step.
type Tables = [[u32; 256]; STEP];

static TABLES: OnceLock<Tables> = OnceLock::new();

/// The checksum of these parts, as if they were one.
pub(crate) fn checksum<const N: usize>(parts: [&[u8]; N]) -> u32 {
    let tables = TABLES.get_or_init(tables);
    !parts
        .into_iter()
        .fold(!0, |crc, part| update(tables, crc, part))
}

fn update(tables: &Tables, mut crc: u32, bytes: &[u8]) -> u32 {
    let (steps, rest) = bytes.as_chunks::<STEP>();
    for step in steps {
        let word = u64::from_le_bytes(*step) ^ u64::from(crc);
        let byte = |n: u32| usize::from((word >> (8 * n)) as u8);
        crc = tables[7][byte(0)]
            ^ tables[6][byte(1)]
            ^ tables[5][byte(2)]
            ^ tables[4][byte(3)]
            ^ tables[3][byte(4)]
            ^ tables[2][byte(5)]
            ^ tables[1][byte(6)]
            ^ tables[0][byte(7)];
    }
    for byte in rest {
        crc = tables[0][usize::from(crc as u8 ^ byte)] ^ crc >> 8;
    }
    crc
}

fn tables() -> Tables {
    let mut tables = [[0; 256]; STEP];
    for (byte, entry) in (0..).zip(&mut tables[0]) {
        let mut crc = byte;
        for _ in 0..8 {
            let carry = if crc & 1 == 1 { POLYNOMIAL } else { 0 };
            crc = crc >> 1 ^ carry;
        }
        *entry = crc;
    }
    for followers in 1..STEP {
        for byte in 0..256 {
            let crc = tables[followers - 1][byte];
            tables[followers][byte] = tables[0][usize::from(crc as u8)] ^ crc >> 8;
        }
    }
    tables
}

// The crate that it is compared with is none of the browser's.
#[cfg(test)]
#[cfg(not(target_family = "wasm"))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REFERENCE: ::crc::Crc<u32> = ::crc::Crc::<u32>::new(&::crc::CRC_32_ISO_HDLC);

    #[test]
    fn the_check_value_is_the_catalogues() {
        assert_eq!(checksum([b"123456789"]), 0xcbf4_3926);
        assert_eq!(checksum([b""]), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_parts_have_the_checksum_that_another_finds(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            cut in any::<prop::sample::Index>(),
        ) {
            let (first, rest) = bytes.split_at(cut.index(bytes.len() + 1));
            prop_assert_eq!(checksum([first, rest]), REFERENCE.checksum(&bytes));
        }
    }
}
