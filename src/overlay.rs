//! What reads see of the tasks: for each key the newest write that is not settled, unless the chain executed one that is
//! final after it; and else the one that it executed last.

use crate::ordered::{OrderedMap, OrderedSet};
use crate::record::Settled;
use crate::task::{Order, State, Status, Task, TaskId};
use std::ops::Bound;

/// The tasks of each key, in the order of the log.
#[derive(Debug, Default)]
pub struct Overlay {
    by_key: OrderedMap<String, Writers>,
}

/// The tasks that write one key, and what is settled below them.
#[derive(Debug, Default)]
struct Writers {
    tasks: OrderedSet<(Order, TaskId)>,
    below: Below,
}

/// What is known here of a key's settled value, while tasks write the key too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Below {
    /// The store was not asked.
    #[default]
    Unknown,
    /// There is none.
    Nothing,
    /// It is there.
    Value(Box<Stood>),
}

/// Where a settled value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stood {
    /// In lists, where that is known.
    pub born: Option<Order>,
    /// In the chain: block and index.
    pub place: (u64, u32),
}

impl Below {
    /// This value is there.
    pub fn of(settled: &Settled) -> Self {
        let place = settled.inclusion.place();
        Below::Value(Box::new(Stood {
            born: settled.born,
            place,
        }))
    }

    /// Whether a value is known there that stands in the chain here or later.
    pub fn reaches(&self, place: (u64, u32)) -> bool {
        match self {
            Below::Value(stood) => stood.place >= place,
            Below::Unknown | Below::Nothing => false,
        }
    }
}

/// Keys in an interval, from the near end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interval {
    /// Only keys that begin with this.
    pub prefix: String,
    /// Only keys beyond this one, in the direction of reading.
    pub after: Option<String>,
    /// From the last key to the first.
    pub reverse: bool,
}

impl Interval {
    /// Whether a key is in it.
    pub fn contains(&self, key: &str) -> bool {
        let is_beyond = match &self.after {
            Some(after) if self.reverse => key < after.as_str(),
            Some(after) => key > after.as_str(),
            None => true,
        };
        is_beyond && key.starts_with(&self.prefix)
    }
}

impl Overlay {
    /// A task writes this key.
    pub fn insert(&mut self, key: &str, order: Order, id: TaskId) {
        let Writers { tasks, .. } = self.by_key.get_or_default(key.into());
        tasks.insert((order, id));
    }

    /// The task left the backup.
    pub fn remove(&mut self, key: &str, order: Order, id: TaskId) {
        if let Some(writers) = self.by_key.get_mut(key) {
            writers.tasks.remove(&(order, id));
            if writers.tasks.is_empty() {
                self.by_key.remove(key);
            }
        }
    }

    /// The place of the first task that writes this key.
    pub fn first(&self, key: &str) -> Option<Order> {
        let first = self.by_key.get(key)?.tasks.first();
        first.map(|(order, _)| *order)
    }

    /// The key's place in lists, where a task writes it: that of its first write, and whether that is known for certain.
    pub fn place(&self, key: &str) -> Option<(Order, bool)> {
        let Writers { tasks, below } = self.by_key.get(key)?;
        let (first, _) = *tasks.first()?;
        let (born, is_known) = match below {
            Below::Value(stood) => (stood.born, true),
            Below::Nothing => (None, true),
            Below::Unknown => (None, false),
        };
        Some((born.map_or(first, |born| born.min(first)), is_known))
    }

    /// What is known of the key's settled value.
    pub fn below(&self, key: &str) -> &Below {
        let writers = self.by_key.get(key);
        writers.map_or(&Below::Unknown, |writers| &writers.below)
    }

    /// The store was asked.
    pub fn found_below(&mut self, key: &str, below: Below) {
        if let Some(writers) = self.by_key.get_mut(key) {
            writers.below = below;
        }
    }

    /// A task's value was moved to the store, and others still write its key: the oldest of all of them was this one.
    pub fn moved_below(&mut self, key: &str, first: Order, place: (u64, u32)) {
        let Some(writers) = self.by_key.get_mut(key) else {
            return;
        };
        let old = match &writers.below {
            Below::Unknown => return,
            Below::Nothing => None,
            Below::Value(stood) => Some(**stood),
        };
        let born = old.and_then(|old| old.born);
        writers.below = Below::Value(Box::new(Stood {
            born: Some(born.map_or(first, |born| born.min(first))),
            place: old.map_or(place, |old| old.place.max(place)),
        }));
    }

    /// Whether any task writes this key.
    pub fn writes(&self, key: &str) -> bool {
        self.by_key.contains_key(key)
    }

    /// The tasks that write this key, in the order of the log.
    pub fn writers(&self, key: &str) -> impl DoubleEndedIterator<Item = TaskId> + '_ {
        let writers = self.by_key.get(key).into_iter();
        writers.flat_map(|writers| writers.tasks.iter().map(|(_, id)| *id))
    }

    /// The task whose value reads of the key get.
    pub fn shown<'a>(
        &self,
        key: &str,
        task: &dyn Fn(TaskId) -> Option<&'a Task>,
    ) -> Option<&'a Task> {
        let tasks = &self.by_key.get(key)?.tasks;
        let mut open: Option<&Task> = None;
        let mut last_on_chain: Option<&Task> = None;
        for (_, id) in tasks.iter().rev() {
            let Some(task) = task(*id).filter(|task| task.state.is_visible()) else {
                continue;
            };
            let place = place(&task.state);
            if task.state.status() == Status::Final {
                if last_on_chain.is_none_or(|last| self::place(&last.state) < place) {
                    last_on_chain = Some(task);
                }
            } else if open.is_none() {
                open = Some(task);
                // What is in no block is executed after all that is final.
                if place.is_none() {
                    return open;
                }
            }
        }
        let is_over =
            |last: &&Task| open.is_none_or(|open| place(&open.state) < place(&last.state));
        last_on_chain.filter(is_over).or(open)
    }

    /// The keys of a range, in its direction.
    pub fn keys<'a>(&'a self, range: &'a Interval) -> Box<dyn Iterator<Item = &'a str> + 'a> {
        let from = Bound::Included(range.prefix.as_str());
        if range.reverse {
            let to = range
                .after
                .as_deref()
                .map_or(Bound::Unbounded, Bound::Excluded);
            if range
                .after
                .as_deref()
                .is_some_and(|after| after < range.prefix.as_str())
            {
                return Box::new(std::iter::empty());
            }
            // Without a cursor the walk begins behind the prefix: those keys are passed over.
            let keys = self
                .by_key
                .range::<str>((from, to))
                .rev()
                .map(|(key, _)| key.as_str());
            let keys = keys.skip_while(|key| !range.contains(key));
            return Box::new(keys.take_while(|key| range.contains(key)));
        }
        let from = match range.after.as_deref() {
            Some(after) if after >= range.prefix.as_str() => Bound::Excluded(after),
            Some(_) | None => from,
        };
        let keys = self
            .by_key
            .range::<str>((from, Bound::Unbounded))
            .map(|(key, _)| key.as_str());
        Box::new(keys.take_while(|key| range.contains(key)))
    }
}

/// Where the chain executed it: block and index.
fn place(state: &State) -> Option<(u64, u32)> {
    state.inclusion().map(|inclusion| inclusion.place())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlay(keys: &[&str]) -> Overlay {
        let mut overlay = Overlay::default();
        for (n, key) in keys.iter().enumerate() {
            let order = Order {
                segment: n as u64,
                index: 0,
            };
            overlay.insert(key, order, TaskId(n as u128));
        }
        overlay
    }

    #[test]
    fn ranges_walk_a_prefix_both_ways_from_a_cursor() {
        let overlay = overlay(&["", "a", "b/", "b/1", "b/2", "b/\u{1f600}", "b0", "c"]);
        let keys = |prefix: &str, after: Option<&str>, reverse| {
            let range = Interval {
                prefix: prefix.into(),
                after: after.map(Into::into),
                reverse,
            };
            overlay.keys(&range).map(String::from).collect::<Vec<_>>()
        };
        let all = ["b/", "b/1", "b/2", "b/\u{1f600}"];
        let reversed: Vec<&str> = all.iter().rev().copied().collect();
        assert_eq!(keys("b/", None, false), all);
        assert_eq!(keys("b/", None, true), reversed);
        assert_eq!(keys("b/", Some("b/1"), false), all[2..]);
        assert_eq!(keys("b/", Some("b/1"), true), all[..1]);
        assert_eq!(
            keys("b/", Some("a"), false),
            all,
            "a cursor before the prefix"
        );
        assert!(keys("b/", Some("a"), true).is_empty());
        assert!(keys("b/", Some("c"), false).is_empty());
        assert_eq!(
            keys("b/", Some("c"), true),
            reversed,
            "a cursor behind the prefix"
        );
        assert_eq!(keys("", None, false).len(), 8);
        assert_eq!(keys("x", None, true), Vec::<String>::new());
    }
}
