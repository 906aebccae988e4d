//! Bytes of frames with right checksums, which no fuzzer would guess: written after the description of the format in
//! `record`, not with its code.

use std::ops::Range;
use uplink_cache::record::checksum;

const MARKER: u8 = 0xa5;
const HEADER_LEN: usize = 10;

/// What pieces were made into.
#[derive(Default)]
pub struct Built {
    pub bytes: Vec<u8>,
    /// The whole frames: their kind and place.
    pub frames: Vec<(u8, Range<usize>)>,
}

/// Appends what the input's pieces say. A piece is what becomes of it (u8), a length (u16, little-endian), and so many
/// bytes. Below 64 it is a frame of that kind; below 128 one that is damaged at a place that the bytes say; otherwise
/// the bytes as they are.
pub fn build(built: &mut Built, mut input: &[u8]) {
    while let Some((&[how, low, high], rest)) = input.split_first_chunk() {
        let len = usize::from(u16::from_le_bytes([low, high]));
        let (bytes, rest) = rest.split_at(len.min(rest.len()));
        input = rest;
        let from = built.bytes.len();
        match how {
            0..64 => {
                built.bytes.extend(sealed(how, bytes));
                built.frames.push((how, from..built.bytes.len()));
            }
            64..128 => {
                let mut frame = sealed(how - 64, bytes);
                let at = usize::from(bytes.first().copied().unwrap_or_default()) % frame.len();
                frame[at] ^= bytes.last().copied().unwrap_or_default() | 1;
                built.bytes.extend(frame);
            }
            128.. => built.bytes.extend(bytes),
        }
    }
}

/// A piece of an input for `build`.
pub fn piece(how: u8, bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).expect("seeds are small");
    [&[how], len.to_le_bytes().as_slice(), bytes].concat()
}

/// The kind and the body of a whole frame.
pub fn opened(frame: &[u8]) -> (u8, &[u8]) {
    (frame[1], &frame[HEADER_LEN..])
}

/// A frame of this kind and body.
pub fn sealed(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = (body.len() as u32).to_le_bytes();
    let head = [&[MARKER, kind], len.as_slice()].concat();
    let crc = checksum(&[&head, body].concat()).to_le_bytes();
    [&head, crc.as_slice(), body].concat()
}

/// Whether there is a whole frame besides those that were built: the fuzzer finds right checksums, or repeats them, and
/// then nobody can say which of two frames was meant.
pub fn has_others(built: &Built) -> bool {
    let is_built = |at: usize| built.frames.iter().any(|(_, frame)| frame.start == at);
    (0..built.bytes.len()).any(|at| !is_built(at) && is_whole(&built.bytes[at..]))
}

fn is_whole(bytes: &[u8]) -> bool {
    let Some(&[MARKER, _, a, b, c, d, ..]) = bytes.first_chunk::<HEADER_LEN>() else {
        return false;
    };
    let body_len = u32::from_le_bytes([a, b, c, d]) as usize;
    let body = bytes[HEADER_LEN..].get(..body_len);
    body.is_some_and(|body| {
        let crc = checksum(&[&bytes[..6], body].concat()).to_le_bytes();
        crc == bytes[6..HEADER_LEN]
    })
}
