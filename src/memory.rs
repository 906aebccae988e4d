//! Settled values and readings of the chain that are at hand, bounded: the least recently used goes first.

use crate::ordered::OrderedMap;
use crate::task::{Block, Hash, Status, Tag};
use std::rc::Rc;

/// How many values are kept.
pub const MAX_VALUES: usize = 1_000;
/// How many bytes of values are kept.
pub const MAX_VALUE_BYTES: usize = 8 * 1024 * 1024;

/// A value that the chain had at some block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// What reads get.
    pub value: Rc<[u8]>,
    /// Whether it is calldata, which the codec did not encode.
    pub is_calldata: bool,
    /// The transaction that wrote it, where that is known.
    pub tx: Option<Hash>,
    /// How settled it is.
    pub status: Status,
    /// The block that it was read at or written in, and the transaction's index there. Readings come after all
    /// transactions of their block.
    pub place: (Block, u32),
    /// A reading is shown again until this time, in milliseconds; a settled value always.
    pub fresh_until_ms: Option<u64>,
    /// What the submission said of itself.
    pub tags: Vec<Tag>,
}

impl Known {
    /// Whether the store holds nothing later, as far as this tab followed the log.
    pub fn is_newest(&self) -> bool {
        self.status == Status::Final && self.fresh_until_ms.is_none()
    }
}

#[derive(Debug)]
struct Slot {
    known: Known,
    used: u64,
    /// The newest place that was settled, also where a later reading is shown.
    settled: Option<(u64, u32)>,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Memory {
    values: OrderedMap<String, Slot>,
    by_use: OrderedMap<u64, String>,
    uses: u64,
    bytes: usize,
}

impl Memory {
    /// What is known of the key, however old.
    pub fn get(&mut self, key: &str) -> Option<&Known> {
        self.uses += 1;
        let slot = self.values.get_mut(key)?;
        let name = self.by_use.remove(&slot.used)?;
        slot.used = self.uses;
        self.by_use.insert(self.uses, name);
        Some(&slot.known)
    }

    /// The same without counting as a use.
    pub fn peek(&self, key: &str) -> Option<&Known> {
        self.values.get(key).map(|slot| &slot.known)
    }

    /// Remembers a value, unless a settled one of a later place is known: the chain never steps back here.
    /// Returns what is known afterwards.
    pub fn put(&mut self, key: &str, known: Known) -> Known {
        let old = self.values.get(key);
        let settled = old.and_then(|old| old.settled);
        if let Some(old) = old.filter(|_| settled > Some(order(&known))) {
            return old.known.clone();
        }
        let is_final = known.status == Status::Final;
        let settled = if is_final {
            Some(order(&known))
        } else {
            settled
        };
        self.remove(key);
        if known.value.len() > MAX_VALUE_BYTES {
            return known;
        }
        self.uses += 1;
        self.bytes += known.value.len();
        self.by_use.insert(self.uses, key.into());
        let slot = Slot {
            known: known.clone(),
            used: self.uses,
            settled,
        };
        self.values.insert(key.into(), slot);
        while self.values.len() > MAX_VALUES || self.bytes > MAX_VALUE_BYTES {
            let Some((_, oldest)) = self.by_use.pop_first() else {
                break;
            };
            self.remove(&oldest);
        }
        known
    }

    /// A value was settled at this place and is not at hand: one from before is not shown any more.
    pub fn forget_before(&mut self, key: &str, place: (u64, u32)) {
        let old = self.values.get(key);
        if old.is_some_and(|slot| order(&slot.known) < place) {
            self.remove(key);
        }
    }

    /// Newer values may be stored than those at hand: none is fresh any more.
    pub fn doubt(&mut self) {
        for slot in self.values.values_mut() {
            slot.known.fresh_until_ms = Some(0);
        }
    }

    fn remove(&mut self, key: &str) {
        if let Some(slot) = self.values.remove(key) {
            self.by_use.remove(&slot.used);
            self.bytes -= slot.known.value.len();
        }
    }
}

fn order(known: &Known) -> (u64, u32) {
    let (block, index) = known.place;
    (block.number, index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(number: u64, status: Status, len: usize) -> Known {
        let block = Block {
            number,
            hash: Hash([0; 32]),
        };
        Known {
            value: vec![0; len].into(),
            is_calldata: false,
            tx: None,
            status,
            place: (block, 0),
            fresh_until_ms: None,
            tags: Vec::new(),
        }
    }

    #[test]
    fn a_settled_value_is_never_replaced_by_an_older_one() {
        let mut memory = Memory::default();
        let settled = known(10, Status::Final, 1);
        memory.put("a", settled.clone());
        assert_eq!(memory.put("a", known(9, Status::Included, 2)), settled);
        assert_eq!(memory.get("a"), Some(&settled));
        let newer = known(11, Status::Included, 3);
        assert_eq!(memory.put("a", newer.clone()), newer);
        assert_eq!(
            memory.put("a", known(9, Status::Final, 2)),
            newer,
            "nor where a reading hides the settled one"
        );
        let older_reading = known(10, Status::Included, 4);
        assert_eq!(
            memory.put("a", older_reading.clone()),
            older_reading,
            "readings follow a reorg"
        );
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut memory = Memory::default();
        for n in 0..MAX_VALUES {
            memory.put(&n.to_string(), known(1, Status::Final, 1));
        }
        assert!(memory.get("0").is_some());
        memory.put("one more", known(1, Status::Final, 1));
        assert!(memory.peek("0").is_some() && memory.peek("1").is_none());
        memory.put("large", known(1, Status::Final, MAX_VALUE_BYTES));
        assert_eq!(
            (memory.values.len(), memory.by_use.len(), memory.bytes),
            (1, 1, MAX_VALUE_BYTES)
        );
    }
}
