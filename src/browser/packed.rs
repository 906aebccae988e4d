//! What is known of tasks and entries, and what happened to them, as one text, which js/packed.ts takes apart in the same order. A
//! call for each property of an object took longer than all the rest of a submit.

use crate::task::{Block, Hash, TaskId, hex_digits};

/// From so much on it is handed over: the wrapper keeps it while a task of it was not looked at.
const FULL_BYTES: usize = 8 * 1024;
/// What a character of a number holds, so that it is ASCII, and whether others follow.
const DIGIT_BITS: u32 = 6;
const MORE: u8 = 1 << DIGIT_BITS;
/// Characters of a length that is known only behind what it measures.
const LENGTH_DIGITS: usize = 4;

/// What happened. The numbers are the places in `KINDS` of js/packed.ts.
#[derive(Clone, Copy)]
pub(super) enum Happening {
    /// A call about a task is answered: its number, and the task's id.
    Accepted = 0,
    /// A task is new or went on: the status that it had before, what is looked at of each, and what is known of it.
    Status = 1,
    /// A task was discarded: its id.
    Discarded = 2,
    /// Reads of a key may get something else now: the key.
    Changed = 3,
}

/// Values one after the other.
#[derive(Default)]
pub(super) struct Packed {
    /// UTF-8: nothing but texts and ASCII goes in.
    text: Vec<u8>,
    /// As JavaScript counts it.
    len: usize,
}

impl Packed {
    /// With room for so many bytes, so that it need not grow.
    pub(super) fn with_room(bytes: usize) -> Self {
        Packed {
            text: Vec::with_capacity(bytes),
            len: 0,
        }
    }

    /// Nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// It is to be handed over.
    pub(super) fn is_full(&self) -> bool {
        self.text.len() >= FULL_BYTES
    }

    /// All of it.
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// The same, to keep.
    pub(super) fn into_string(self) -> String {
        String::from_utf8(self.text).unwrap_or_default()
    }

    /// Begins with what happened.
    pub(super) fn happening(&mut self, happening: Happening) {
        self.number(happening as u64);
    }

    /// Six bits a character, the lowest first.
    pub(super) fn number(&mut self, number: u64) {
        let mut rest = number;
        while rest >= MORE.into() {
            self.digit(rest as u8 % MORE + MORE);
            rest >>= DIGIT_BITS;
        }
        self.digit(rest as u8);
    }

    /// As a number.
    pub(super) fn flag(&mut self, flag: bool) {
        self.number(flag.into());
    }

    /// Its length as JavaScript counts it, and it.
    pub(super) fn text(&mut self, text: &str) {
        let len = if text.is_ascii() {
            text.len()
        } else {
            text.encode_utf16().count()
        };
        self.number(len as u64);
        self.text.extend_from_slice(text.as_bytes());
        self.len += len;
    }

    /// The length of what `pack` packs, and it, so that whoever reads can pass over it.
    pub(super) fn measured(&mut self, pack: impl FnOnce(&mut Self)) {
        let at = self.text.len();
        self.text.extend_from_slice(&[0; LENGTH_DIGITS]);
        self.len += LENGTH_DIGITS;
        let before = self.len;
        pack(self);
        let len = self.len - before;
        for (n, digit) in self.text[at..at + LENGTH_DIGITS].iter_mut().enumerate() {
            *digit = (len >> (DIGIT_BITS as usize * n)) as u8 % MORE;
        }
    }

    /// 66 characters.
    pub(super) fn hash(&mut self, hash: Hash) {
        self.digit(b'0');
        self.digit(b'x');
        self.hex(hash.0);
    }

    /// 32 characters.
    pub(super) fn id(&mut self, id: TaskId) {
        self.hex(id.0.to_be_bytes());
    }

    /// Its number and its hash.
    pub(super) fn block(&mut self, block: Block) {
        self.number(block.number);
        self.hash(block.hash);
    }

    /// A flag, and what there is.
    pub(super) fn optional<T>(&mut self, found: Option<T>, pack: impl FnOnce(&mut Self, T)) {
        self.flag(found.is_some());
        if let Some(found) = found {
            pack(self, found);
        }
    }

    /// One of ASCII.
    fn digit(&mut self, digit: u8) {
        self.text.push(digit);
        self.len += 1;
    }

    fn hex<const LEN: usize>(&mut self, bytes: [u8; LEN]) {
        let (words, _) = bytes.as_chunks();
        for word in words {
            self.text.extend_from_slice(&hex_digits(*word));
        }
        self.len += 2 * LEN;
    }
}
