//! Entries for the wrapper: one text for all of an answer, and beside it the values that are none.

use super::packed::Packed;
use super::types::EntryView;
use crate::cache::{Entry, Page};
use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::*;

/// Longer values are bytes: they would be copied once more, and whoever keeps a name out of a text keeps all of it.
const MAX_TEXT_BYTES: usize = 4 * 1024;
/// What an entry takes beside its value, about.
const ENTRY_BYTES: usize = 256;
const BYTE_ORDER_MARK: char = '\u{feff}';

/// How the values of a cache are handed over.
#[derive(Clone, Copy)]
pub(super) struct Entries {
    /// They are JSON in UTF-8.
    pub(super) is_json: bool,
}

impl Entries {
    /// One, or none.
    pub(super) fn one(self, entry: Option<&Entry>) -> JsValue {
        let Some(entry) = entry else {
            return JsValue::UNDEFINED;
        };
        let mut packed = Packed::with_room(room([entry]));
        let mut bytes = Vec::new();
        self.pack(entry, &mut packed, &mut bytes);
        finish(packed, bytes)
    }

    /// A list's, and where the next page begins, if there is one.
    pub(super) fn page(self, page: &Page) -> JsValue {
        let mut packed = Packed::with_room(room(&page.entries));
        let mut bytes = Vec::new();
        packed.number(page.entries.len() as u64);
        for entry in &page.entries {
            self.pack(entry, &mut packed, &mut bytes);
        }
        packed.optional(page.cursor.as_deref(), Packed::text);
        finish(packed, bytes)
    }

    fn pack(self, entry: &Entry, packed: &mut Packed, bytes: &mut Vec<Uint8Array>) {
        EntryView::from(entry).pack(packed, |packed, value, is_calldata| {
            let text = text_of(value).filter(|_| self.is_json && !is_calldata);
            packed.flag(text.is_some());
            match text {
                Some(text) => packed.text(text),
                None => bytes.push(Uint8Array::from(value)),
            }
        });
    }
}

fn room<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> usize {
    let values = entries.into_iter().map(|entry| &entry.value);
    values
        .map(|value| ENTRY_BYTES + value.len().min(MAX_TEXT_BYTES))
        .sum()
}

/// What decoders of UTF-8 leave out, or replace, is theirs to see.
fn text_of(value: &[u8]) -> Option<&str> {
    let short = Some(value).filter(|value| value.len() <= MAX_TEXT_BYTES)?;
    let text = std::str::from_utf8(short).ok()?;
    (!text.starts_with(BYTE_ORDER_MARK)).then_some(text)
}

fn finish(packed: Packed, bytes: Vec<Uint8Array>) -> JsValue {
    let text = JsValue::from_str(packed.as_str());
    if bytes.is_empty() {
        return text;
    }
    let all = Array::of1(&text);
    for value in bytes {
        all.push(&value);
    }
    all.into()
}
