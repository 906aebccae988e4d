//! Tags: what a submission says of itself, and the lists that keys stand in by it. In the list of a tag a key has the place
//! of its first write, wherever its tasks are meanwhile.

use crate::ordered::{OrderedMap, OrderedSet};
use crate::record::{self, Settled};
use crate::task::{Order, Tag};
use std::ops::Bound;

/// How many tags a submission has at the most.
pub const MAX_TAGS: usize = 8;
/// The longest name of a tag, in bytes of UTF-8. It has one at least.
pub const MAX_TAG_NAME_BYTES: usize = 64;
/// The longest value of a tag, in bytes of UTF-8.
pub const MAX_TAG_VALUE_BYTES: usize = 256;

/// Bytes of an order at the end of a store's key.
pub(crate) const ORDER_BYTES: usize = 12;

/// What is wrong with a tag, if anything is.
pub fn fault(tag: &Tag) -> Option<String> {
    let (name, value) = (tag.0.len(), tag.1.len());
    if !(1..=MAX_TAG_NAME_BYTES).contains(&name) {
        return Some(format!(
            "a tag's name has 1 to {MAX_TAG_NAME_BYTES} bytes, this one has {name}"
        ));
    }
    (value > MAX_TAG_VALUE_BYTES).then(|| {
        format!("a tag's value has at most {MAX_TAG_VALUE_BYTES} bytes, this one has {value}")
    })
}

/// The same of all that a submission has: they are in the order of their names, each of which is there once.
pub fn faults(tags: &[Tag]) -> Option<String> {
    if tags.len() > MAX_TAGS {
        let count = tags.len();
        return Some(format!("a task has at most {MAX_TAGS} tags, not {count}"));
    }
    let is_in_order = tags.windows(2).all(|pair| pair[0].0 < pair[1].0);
    let twice = || (!is_in_order).then(|| "a task has two tags of one name".into());
    tags.iter().find_map(fault).or_else(twice)
}

/// What all keys of the `tags` store begin with that are of this tag. The lengths keep it apart from all others.
pub fn store_prefix((name, value): &Tag) -> Vec<u8> {
    let mut bytes = vec![name.len() as u8];
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(&(value.len() as u16).to_be_bytes());
    bytes.extend_from_slice(value.as_bytes());
    bytes
}

/// The key in the `tags` store of what has this tag and was born there: the newest comes first.
pub fn store_key(tag: &Tag, born: Order) -> Vec<u8> {
    let mut bytes = store_prefix(tag);
    bytes.extend_from_slice(&(!born.segment).to_be_bytes());
    bytes.extend_from_slice(&(!born.index).to_be_bytes());
    bytes
}

/// The keys in the `tags` store of a settled value.
pub fn store_keys(segment: &[u8]) -> Vec<Vec<u8>> {
    let settled = record::settled(segment);
    let keys = settled.and_then(|Settled { born, tags, .. }| {
        let born = born?;
        Some(tags.iter().map(|tag| store_key(tag, born)).collect())
    });
    keys.unwrap_or_default()
}

/// Where what is under this key of the `tags` store was born.
pub fn born_of(store_key: &[u8]) -> Option<Order> {
    let order: &[u8; ORDER_BYTES] = store_key.last_chunk()?;
    let (segment, index) = order.split_first_chunk()?;
    Some(Order {
        segment: !u64::from_be_bytes(*segment),
        index: !u32::from_be_bytes(index.try_into().ok()?),
    })
}

/// Keys with a tag, from one end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelf {
    /// Only keys that have it.
    pub tag: Tag,
    /// Only keys beyond this place, in the direction of reading.
    pub after: Option<Order>,
    /// From the newest to the oldest.
    pub newest: bool,
}

/// The keys that tasks of the backup write with tags, by tag and place. Whether the task that is shown has the tag is for
/// others to say.
#[derive(Debug, Default)]
pub struct Tagged {
    by_tag: OrderedMap<Tag, Keys>,
    by_key: OrderedMap<String, Labels>,
}

/// The keys of one tag.
#[derive(Debug, Default)]
struct Keys {
    by_place: OrderedMap<Order, String>,
    /// Those whose place is not known for certain.
    unknown: OrderedSet<String>,
}

/// The tags of one key, and how many of its tasks have each.
#[derive(Debug)]
struct Labels {
    place: Order,
    is_known: bool,
    tags: Vec<(Tag, usize)>,
}

impl Tagged {
    /// A task writes this key with these tags. Its place is said next.
    pub fn insert(&mut self, key: &str, tags: &[Tag], order: Order) {
        if tags.is_empty() {
            return;
        }
        let labels = self.by_key.get_or_insert_with(key.into(), || Labels {
            place: order,
            is_known: false,
            tags: Vec::new(),
        });
        for tag in tags {
            match labels.tags.iter_mut().find(|(known, _)| known == tag) {
                Some((_, count)) => *count += 1,
                None => {
                    labels.tags.push((tag.clone(), 1));
                    let keys = self.by_tag.get_or_default(tag.clone());
                    keys.by_place.insert(labels.place, key.into());
                    if !labels.is_known {
                        keys.unknown.insert(key.into());
                    }
                }
            }
        }
    }

    /// Whether any task writes this key with tags.
    pub fn has(&self, key: &str) -> bool {
        self.by_key.contains_key(key)
    }

    /// A task with these tags left the backup.
    pub fn remove(&mut self, key: &str, tags: &[Tag]) {
        if tags.is_empty() {
            return;
        }
        let Some(labels) = self.by_key.get_mut(key) else {
            return;
        };
        for tag in tags {
            if let Some((_, count)) = labels.tags.iter_mut().find(|(known, _)| known == tag) {
                *count -= 1;
            }
        }
        let (by_tag, place) = (&mut self.by_tag, labels.place);
        labels.tags.retain(|(tag, count)| {
            if *count == 0
                && let Some(keys) = by_tag.get_mut(tag)
            {
                keys.by_place.remove(&place);
                keys.unknown.remove(key);
                if keys.by_place.is_empty() {
                    by_tag.remove(tag);
                }
            }
            *count > 0
        });
        if labels.tags.is_empty() {
            self.by_key.remove(key);
        }
    }

    /// The key has this place, as far as is known; and whether that is for certain.
    pub fn place(&mut self, key: &str, place: Order, is_known: bool) {
        let Some(labels) = self.by_key.get_mut(key) else {
            return;
        };
        let old = std::mem::replace(&mut labels.place, place);
        let was_known = std::mem::replace(&mut labels.is_known, is_known);
        if (old, was_known) == (place, is_known) {
            return;
        }
        for (tag, _) in &labels.tags {
            if let Some(keys) = self.by_tag.get_mut(tag) {
                keys.by_place.remove(&old);
                keys.by_place.insert(place, key.into());
                if is_known {
                    keys.unknown.remove(key);
                } else {
                    keys.unknown.insert(key.into());
                }
            }
        }
    }

    /// The keys of a shelf with their places, in its direction.
    pub fn keys<'a>(&'a self, shelf: &Shelf) -> Box<dyn Iterator<Item = (Order, &'a str)> + 'a> {
        fn entry<'a>((place, key): (&Order, &'a String)) -> (Order, &'a str) {
            (*place, key.as_str())
        }
        let Some(Keys { by_place, .. }) = self.by_tag.get(&shelf.tag) else {
            return Box::new(std::iter::empty());
        };
        let after = shelf.after.map_or(Bound::Unbounded, Bound::Excluded);
        if shelf.newest {
            let keys = by_place.range::<Order>((Bound::Unbounded, after));
            return Box::new(keys.rev().map(entry));
        }
        let keys = by_place.range::<Order>((after, Bound::Unbounded));
        Box::new(keys.map(entry))
    }

    /// The keys of a tag whose place is not known for certain.
    pub fn unknown(&self, tag: &Tag) -> impl Iterator<Item = &str> {
        let keys = self.by_tag.get(tag).into_iter();
        keys.flat_map(|keys| keys.unknown.iter().map(String::as_str))
    }

    /// All keys whose place is not known for certain.
    pub fn all_unknown(&self) -> impl Iterator<Item = &str> {
        let keys = self.by_key.iter().filter(|(_, labels)| !labels.is_known);
        keys.map(|(key, _)| key.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(segment: u64) -> Order {
        Order { segment, index: 12 }
    }

    fn tag(value: &str) -> Tag {
        ("thread".into(), value.into())
    }

    fn keys(tagged: &Tagged, value: &str, after: Option<u64>, newest: bool) -> Vec<String> {
        let shelf = Shelf {
            tag: tag(value),
            after: after.map(at),
            newest,
        };
        tagged.keys(&shelf).map(|(_, key)| key.into()).collect()
    }

    #[test]
    fn a_key_stands_once_in_each_list_at_its_place() {
        let mut tagged = Tagged::default();
        tagged.insert("a", &[tag("7")], at(1));
        tagged.insert("b", &[tag("7")], at(2));
        tagged.insert("c", &[tag("8")], at(3));
        tagged.insert("a", &[tag("7"), ("x".into(), String::new())], at(1));
        assert_eq!(keys(&tagged, "7", None, false), ["a", "b"]);
        assert_eq!(keys(&tagged, "7", None, true), ["b", "a"]);
        assert_eq!(keys(&tagged, "7", Some(1), false), ["b"]);
        assert_eq!(keys(&tagged, "7", Some(2), true), ["a"]);
        tagged.remove("a", &[tag("7")]);
        assert_eq!(
            keys(&tagged, "7", None, false),
            ["a", "b"],
            "one task is left"
        );
        tagged.place("a", at(9), true);
        assert_eq!(tagged.unknown(&tag("7")).collect::<Vec<_>>(), ["b"]);
        assert_eq!(keys(&tagged, "7", None, false), ["b", "a"]);
        tagged.remove("a", &[tag("7"), ("x".into(), String::new())]);
        assert_eq!(keys(&tagged, "7", None, false), ["b"]);
        tagged.remove("b", &[tag("7")]);
        tagged.remove("c", &[tag("8")]);
        assert!(tagged.by_tag.is_empty() && tagged.by_key.is_empty());
    }

    #[test]
    fn no_key_of_the_store_is_under_another_tag() {
        let tags = [
            ("a", "b"),
            ("ab", ""),
            ("a", ""),
            ("a", "\0"),
            ("a\0", ""),
            ("\u{1f600}", "a"),
            ("a", "bc"),
        ];
        let tags = tags.map(|(name, value)| (name.to_string(), value.to_string()));
        for one in &tags {
            for other in &tags {
                let is_under = store_key(other, at(1)).starts_with(&store_prefix(one));
                assert_eq!(is_under, one == other, "{one:?} {other:?}");
            }
            assert_eq!(born_of(&store_key(one, at(7))), Some(at(7)));
            assert!(
                store_key(one, at(8)) < store_key(one, at(7)),
                "newest first"
            );
        }
    }

    #[test]
    fn tags_have_limits() {
        let check = |tags: &[(&str, usize)]| {
            let tag = |(name, len): &(&str, usize)| (name.to_string(), "v".repeat(*len));
            faults(&tags.iter().map(tag).collect::<Vec<Tag>>()).is_some()
        };
        let names = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];
        let all = names.map(|name| (name, 0));
        assert!(!check(&[]) && !check(&all[..8]) && check(&all));
        assert!(check(&[("a", 0), ("a", 1)]) && check(&[("b", 0), ("a", 0)]));
        assert!(check(&[("", 0)]) && check(&[(&"n".repeat(65), 0)]));
        assert!(!check(&[(&"n".repeat(64), 256)]) && check(&[("n", 257)]));
    }
}
