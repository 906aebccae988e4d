//! Settled values and readings of the chain that are at hand, bounded: the least recently used goes first. That the chain has
//! nothing under a key is a reading like any other.

use crate::ordered::OrderedMap;
use crate::record::Stacked;
use crate::task::{Block, Hash, Status, Tag};
use std::rc::Rc;

/// How many values are kept.
pub const MAX_VALUES: usize = 1_000;
/// How many bytes of keys and values are kept.
pub const MAX_VALUE_BYTES: usize = 8 * 1024 * 1024;
/// A reading so many blocks above the head is no replica's that is ahead of another.
const FAR_ABOVE: u64 = crate::follow::WINDOW as u64;

/// How far what is known can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// As far as this tab followed the log and the chain.
    Good,
    /// A newer value may be stored.
    Doubted,
    /// The block that it was read at left the chain: whatever is read next is better.
    Left,
}

/// What the chain had at some block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// What reads get: nothing, where the chain had nothing there.
    pub value: Option<Rc<[u8]>>,
    /// Whether it is calldata, which the codec did not encode: then the key is a transaction's id.
    pub is_calldata: bool,
    /// The transaction that wrote it, where that is known.
    pub tx: Option<Hash>,
    /// How settled it is.
    pub status: Status,
    /// The block that it was read at or written in, and the transaction's index there. Readings come after all
    /// transactions of their block.
    pub place: (Block, u32),
    /// When the chain said so, in milliseconds, where another reading may say otherwise; a settled value stays as it is.
    pub read_ms: Option<u64>,
    /// How far it can be relied on.
    pub standing: Standing,
    /// What the submission said of itself.
    pub tags: Vec<Tag>,
    /// Where updates made a settled value of another one.
    pub stacked: Option<Stacked>,
}

impl Known {
    /// Whether the store holds nothing later, as far as this tab followed the log.
    pub fn is_newest(&self) -> bool {
        self.status == Status::Final && self.read_ms.is_none() && self.standing == Standing::Good
    }

    fn bytes(&self) -> usize {
        self.value.as_ref().map_or(0, |value| value.len())
    }
}

#[derive(Debug)]
struct Slot {
    known: Known,
    used: u64,
    /// The newest place that was settled, also where a later reading is shown.
    settled: Option<(u64, u32)>,
    /// It is another value now, which is not at hand: only the place still counts.
    is_outdated: bool,
}

impl Slot {
    /// Whether what is known makes room for this.
    fn gives_way_to(&self, new: &Known) -> bool {
        // The gateway does not see the transaction in a block: it may lag behind the one that did.
        let is_out = new.is_calldata && (new.value.is_none() || new.status == Status::Sent);
        if let Some(settled) = self.settled {
            let is_later =
                order(new) > settled || new.status == Status::Final && order(new) == settled;
            if is_out || !is_later {
                return false;
            }
        }
        let known = &self.known;
        // The store was asked before updates moved there that this one holds.
        if let (Some(old), Some(new)) = (known.stacked, new.stacked)
            && new.as_of < old.as_of
        {
            return false;
        }
        if known.read_ms.is_none() || known.standing == Standing::Left {
            return true;
        }
        if known.is_calldata {
            let was_in = known.value.is_some() && known.status != Status::Sent;
            return new.read_ms.is_none() || !(was_in && is_out);
        }
        order(new) >= order(known)
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Memory {
    /// How many values are kept.
    most: usize,
    values: OrderedMap<String, Slot>,
    by_use: OrderedMap<u64, String>,
    uses: u64,
    bytes: usize,
}

impl Memory {
    /// An empty one, for so many values.
    pub fn with_most(most: usize) -> Self {
        Memory {
            most,
            values: OrderedMap::default(),
            by_use: OrderedMap::default(),
            uses: 0,
            bytes: 0,
        }
    }

    /// What is known of the key, however old.
    pub fn get(&mut self, key: &str) -> Option<&Known> {
        self.uses += 1;
        let slot = self.values.get_mut(key)?;
        let name = self.by_use.remove(&slot.used)?;
        slot.used = self.uses;
        self.by_use.insert(self.uses, name);
        (!slot.is_outdated).then_some(&slot.known)
    }

    /// The same without counting as a use.
    pub fn peek(&self, key: &str) -> Option<&Known> {
        let slot = self.values.get(key).filter(|slot| !slot.is_outdated);
        slot.map(|slot| &slot.known)
    }

    /// Remembers what the chain had, unless something later is known: the chain never steps back here.
    /// Returns what is known afterwards.
    pub fn put(&mut self, key: &str, known: Known) -> Known {
        let place = (known.status == Status::Final).then(|| order(&known));
        let old = self.values.get_mut(key);
        let settled = old.as_ref().and_then(|old| old.settled).max(place);
        if let Some(old) = old.filter(|old| !old.gives_way_to(&known)) {
            old.settled = settled;
            return old.known.clone();
        }
        self.remove(key);
        if key.len() + known.bytes() > MAX_VALUE_BYTES {
            return known;
        }
        self.uses += 1;
        self.bytes += key.len() + known.bytes();
        self.by_use.insert(self.uses, key.into());
        let slot = Slot {
            known: known.clone(),
            used: self.uses,
            settled,
            is_outdated: false,
        };
        self.values.insert(key.into(), slot);
        while self.values.len() > self.most || self.bytes > MAX_VALUE_BYTES {
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

    /// What is settled is another value now, which is not at hand.
    pub fn forget_settled(&mut self, key: &str) {
        if let Some(slot) = self.values.get_mut(key) {
            slot.is_outdated |= slot.known.read_ms.is_none();
        }
    }

    /// Newer values may be stored than those at hand: none is fresh any more.
    pub fn doubt(&mut self) {
        for slot in self.values.values_mut() {
            if slot.known.standing == Standing::Good {
                slot.known.standing = Standing::Doubted;
            }
        }
    }

    /// The store was asked: what is at hand is all that this tab can know.
    pub fn trust(&mut self, key: &str) {
        if let Some(slot) = self.values.get_mut(key)
            && slot.known.standing == Standing::Doubted
        {
            slot.known.standing = Standing::Good;
        }
    }

    /// These blocks left the chain: what was read there may be otherwise now. Returns its keys.
    pub fn leave(&mut self, blocks: &[Block]) -> Vec<String> {
        let is_gone = |known: &Known| known.read_ms.is_some() && blocks.contains(&known.place.0);
        self.mark_left(is_gone)
    }

    /// The chain went on to this height out of sight. What was read as of a block still stands against what is older; but
    /// where a transaction is, no reply says as of when, so that from below nothing stands against the next one. And what was
    /// read far above the chain's head, further than replicas lag, was of another chain. Returns the keys of both.
    pub fn lose_sight(&mut self, height: u64) -> Vec<String> {
        self.mark_left(|known| {
            let number = known.place.0.number;
            let is_far = number > height.saturating_add(FAR_ABOVE);
            known.read_ms.is_some() && (is_far || known.is_calldata && number < height)
        })
    }

    fn mark_left(&mut self, is_gone: impl Fn(&Known) -> bool) -> Vec<String> {
        let mut keys = Vec::new();
        for (key, slot) in self.values.iter_mut() {
            if is_gone(&slot.known) {
                slot.known.standing = Standing::Left;
                keys.push(key.clone());
            }
        }
        keys
    }

    fn remove(&mut self, key: &str) {
        if let Some(slot) = self.values.remove(key) {
            self.by_use.remove(&slot.used);
            self.bytes -= key.len() + slot.known.bytes();
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

    fn block(number: u64) -> Block {
        Block {
            number,
            hash: Hash([0; 32]),
        }
    }

    fn known(number: u64, status: Status, len: usize) -> Known {
        Known {
            value: Some(vec![0; len].into()),
            is_calldata: false,
            tx: None,
            status,
            place: (block(number), 0),
            read_ms: None,
            standing: Standing::Good,
            tags: Vec::new(),
            stacked: None,
        }
    }

    /// A reading as of a block, of so many bytes; or of nothing.
    fn reading(number: u64, len: Option<usize>) -> Known {
        Known {
            value: len.map(|len| vec![0; len].into()),
            place: (block(number), u32::MAX),
            read_ms: Some(1),
            ..known(number, Status::Included, 0)
        }
    }

    /// A transaction by its id: in a block of this height, in a pool, or unknown.
    fn transaction(number: u64, status: Option<Status>) -> Known {
        Known {
            value: status.map(|_| [7].into()),
            is_calldata: true,
            place: (block(number), 3),
            read_ms: Some(1),
            ..known(number, status.unwrap_or(Status::Sent), 0)
        }
    }

    #[track_caller]
    fn check(words: &[Known], expected: &[usize]) {
        let mut memory = Memory::with_most(MAX_VALUES);
        for (at, word) in words.iter().enumerate() {
            let left = memory.put("a", word.clone());
            assert_eq!(left, words[expected[at]], "after word {at}");
            assert_eq!(memory.peek("a"), Some(&left));
        }
    }

    #[test]
    fn a_settled_value_is_never_replaced_by_an_older_one() {
        let settled = known(10, Status::Final, 1);
        check(&[settled.clone(), reading(9, Some(2))], &[0, 0]);
        check(&[settled.clone(), reading(9, None)], &[0, 0]);
        check(
            &[
                settled.clone(),
                reading(11, Some(3)),
                known(9, Status::Final, 2),
            ],
            &[0, 1, 1],
        );
        check(&[settled, reading(10, Some(4))], &[0, 1]);
    }

    #[test]
    fn a_reading_gives_way_to_none_of_an_older_block() {
        check(
            &[
                reading(12, Some(1)),
                reading(11, Some(2)),
                reading(11, None),
                reading(12, None),
                reading(11, Some(3)),
                known(11, Status::Final, 4),
                known(13, Status::Final, 5),
            ],
            &[0, 0, 0, 3, 3, 3, 6],
        );
    }

    #[test]
    fn what_hides_a_settled_value_does_not_let_go_of_its_place() {
        let mut memory = Memory::with_most(MAX_VALUES);
        memory.put("a", reading(12, Some(1)));
        memory.put("a", known(10, Status::Final, 2));
        assert_eq!(memory.leave(&[block(12)]), ["a"]);
        let older = reading(9, Some(3));
        assert_ne!(memory.put("a", older.clone()), older);
        let newer = reading(10, Some(3));
        assert_eq!(
            memory.put("a", newer.clone()),
            newer,
            "readings follow a reorg"
        );
    }

    #[test]
    fn a_transaction_that_was_seen_in_a_block_stays_there_until_the_block_leaves() {
        let (pooled, mined) = (Some(Status::Sent), Some(Status::Included));
        let seen = [
            transaction(12, pooled),
            transaction(11, mined),
            transaction(13, pooled),
            transaction(13, None),
            transaction(10, mined),
        ];
        check(&seen, &[0, 1, 1, 1, 4]);
        let final_one = [transaction(11, Some(Status::Final)), transaction(13, None)];
        check(&final_one, &[0, 0]);
        let mut memory = Memory::with_most(MAX_VALUES);
        memory.put("a", transaction(11, mined));
        memory.put("b", reading(11, Some(1)));
        memory.lose_sight(11);
        let gone = transaction(13, None);
        assert_ne!(memory.put("a", gone.clone()), gone, "a replica that lags");
        // One head was another chain's, and what was read there stands against nothing.
        memory.put("c", reading(23_000_000, Some(1)));
        let newer = reading(12, Some(2));
        assert_ne!(memory.put("c", newer.clone()), newer);
        assert_eq!(memory.lose_sight(12), ["a", "c"]);
        assert_eq!(memory.put("c", newer.clone()), newer);
        memory.put("a", transaction(12, mined));
        memory.lose_sight(200);
        assert_eq!(memory.put("a", gone.clone()), gone);
        let older = reading(9, None);
        assert_ne!(memory.put("b", older.clone()), older);
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut memory = Memory::with_most(MAX_VALUES);
        for n in 0..MAX_VALUES {
            let word = if n % 2 == 0 {
                reading(1, None)
            } else {
                known(1, Status::Final, 1)
            };
            memory.put(&n.to_string(), word);
        }
        assert!(memory.get("0").is_some());
        memory.put("one more", reading(1, None));
        assert!(memory.peek("0").is_some() && memory.peek("1").is_none());
        let names: usize = memory.values.keys().map(String::len).sum();
        assert_eq!(memory.bytes, names + MAX_VALUES / 2 - 1);
        memory.put("large", known(1, Status::Final, MAX_VALUE_BYTES - 5));
        assert_eq!(
            (memory.values.len(), memory.by_use.len(), memory.bytes),
            (1, 1, MAX_VALUE_BYTES)
        );
    }
}
