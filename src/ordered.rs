//! A map and a set in order, for small modules.
//!
//! The standard library's trees cost 5 KB of WebAssembly for each pair of types, and the core keeps some forty: they
//! were a quarter of the module. Here entries lie in sorted runs of bounded length, one behind the other: what moves
//! within a run is one copy, and the only code for each pair of types is that of its vectors.

use std::borrow::Borrow;
use std::iter::FusedIterator;
use std::ops::{Bound, RangeBounds};

/// A run that grows past it becomes two.
const MAX_RUN: usize = 64;

/// As the standard library's `BTreeMap`, in what it offers.
#[derive(Clone)]
pub struct OrderedMap<K, V> {
    /// None is empty.
    runs: Vec<Vec<(K, V)>>,
    len: usize,
}

/// Where an entry lies, or would: the index of its run, and its index in there. Behind the last one is `(runs, 0)`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Spot {
    run: usize,
    at: usize,
}

impl<K, V> OrderedMap<K, V> {
    /// An empty one.
    pub const fn new() -> Self {
        let runs = Vec::new();
        OrderedMap { runs, len: 0 }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// The entries in order.
    pub fn iter(&self) -> Iter<'_, K, V> {
        let runs = &self.runs;
        let (front, back) = (Spot { run: 0, at: 0 }, self.end());
        Iter { runs, front, back }
    }

    /// The entries in order, to change their values.
    pub fn iter_mut(&mut self) -> IterMut<'_, K, V> {
        IterMut(self.runs.iter_mut().flatten())
    }

    /// The keys in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// The values in their keys' order.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// The values in their keys' order, to change them.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.iter_mut().map(|(_, value)| value)
    }

    /// The values in their keys' order.
    pub fn into_values(self) -> impl Iterator<Item = V> {
        self.into_iter().map(|(_, value)| value)
    }

    /// The first entry.
    pub fn first_key_value(&self) -> Option<(&K, &V)> {
        self.iter().next()
    }

    /// Takes the first entry out.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        let first = Spot { run: 0, at: 0 };
        (!self.is_empty()).then(|| self.take(first))
    }

    /// Keeps the entries of which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        for run in &mut self.runs {
            run.retain_mut(|(key, value)| keep(key, value));
        }
        self.runs.retain(|run| !run.is_empty());
        self.len = self.runs.iter().map(Vec::len).sum();
    }

    fn end(&self) -> Spot {
        let run = self.runs.len();
        Spot { run, at: 0 }
    }

    /// Takes out the entry that lies there.
    fn take(&mut self, Spot { run, at }: Spot) -> (K, V) {
        let entry = self.runs[run].remove(at);
        if self.runs[run].is_empty() {
            self.runs.remove(run);
        }
        self.len -= 1;
        entry
    }
}

impl<K: Ord, V> OrderedMap<K, V> {
    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let Spot { run, at } = self.find(key).ok()?;
        Some(&self.runs[run][at].1)
    }

    /// The value of a key, to change it.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let Spot { run, at } = self.find(key).ok()?;
        Some(&mut self.runs[run][at].1)
    }

    /// Whether the key has a value.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_ok()
    }

    /// Gives the key a value, and returns the one that it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok(Spot { run, at }) => Some(std::mem::replace(&mut self.runs[run][at].1, value)),
            Err(spot) => {
                self.put(spot, key, value);
                None
            }
        }
    }

    /// Takes a key's value out.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let spot = self.find(key).ok()?;
        Some(self.take(spot).1)
    }

    /// The value of a key, which gets this one if it has none.
    pub fn get_or_insert_with(&mut self, key: K, value: impl FnOnce() -> V) -> &mut V {
        let Spot { run, at } = match self.find(&key) {
            Ok(spot) => spot,
            Err(spot) => self.put(spot, key, value()),
        };
        &mut self.runs[run][at].1
    }

    /// The value of a key, which gets an empty one if it has none.
    pub fn get_or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.get_or_insert_with(key, V::default)
    }

    /// The entries whose keys lie in the range, in order.
    pub fn range<Q: Ord + ?Sized>(&self, range: impl RangeBounds<Q>) -> Iter<'_, K, V>
    where
        K: Borrow<Q>,
    {
        let at_or_after = |key: &Q| self.find(key).unwrap_or_else(|spot| spot);
        let after = |key: &Q| match self.find(key) {
            Ok(spot) => spot.next(&self.runs),
            Err(spot) => spot,
        };
        let front = match range.start_bound() {
            Bound::Included(key) => at_or_after(key),
            Bound::Excluded(key) => after(key),
            Bound::Unbounded => Spot { run: 0, at: 0 },
        };
        let back = match range.end_bound() {
            Bound::Included(key) => after(key),
            Bound::Excluded(key) => at_or_after(key),
            Bound::Unbounded => self.end(),
        };
        let runs = &self.runs;
        Iter { runs, front, back }
    }

    /// Takes out what lies from this key on.
    pub fn split_off<Q: Ord + ?Sized>(&mut self, key: &Q) -> Self
    where
        K: Borrow<Q>,
    {
        let Spot { run, at } = self.find(key).unwrap_or_else(|spot| spot);
        let mut runs = self.runs.split_off((run + 1).min(self.runs.len()));
        let last = self.runs.get_mut(run);
        let rest = last.map_or_else(Vec::new, |run| run.split_off(at));
        if !rest.is_empty() {
            runs.insert(0, rest);
        }
        self.runs.retain(|run| !run.is_empty());
        let len = runs.iter().map(Vec::len).sum();
        self.len -= len;
        OrderedMap { runs, len }
    }

    /// Where the key lies, or the entry that would follow it.
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<Spot, Spot>
    where
        K: Borrow<Q>,
    {
        let ends_before = |run: usize| {
            let last = self.runs[run].last();
            last.is_some_and(|(last, _)| last.borrow() < key)
        };
        let run = first_not(self.runs.len(), &ends_before);
        let Some(entries) = self.runs.get(run) else {
            return Err(self.end());
        };
        let at = first_not(entries.len(), &|at| entries[at].0.borrow() < key);
        let spot = Spot { run, at };
        if entries[at].0.borrow() == key {
            Ok(spot)
        } else {
            Err(spot)
        }
    }

    /// Puts a new entry before the one that lies there, and tells where it lies.
    fn put(&mut self, before: Spot, key: K, value: V) -> Spot {
        let Spot { mut run, mut at } = before;
        // What follows everything joins the last run: keys that only grow make full ones.
        if run == self.runs.len() && run > 0 {
            run -= 1;
            at = self.runs[run].len();
        }
        if run == self.runs.len() {
            // Most of those that there are many of, one for each key, stay at one entry.
            self.runs = vec![Vec::with_capacity(1)];
        } else if self.runs[run].len() == MAX_RUN {
            let split = if at == MAX_RUN { at } else { MAX_RUN / 2 };
            let later = self.runs[run].split_off(split);
            self.runs.insert(run + 1, later);
            if at > split || at == MAX_RUN {
                (run, at) = (run + 1, at - split);
            }
        }
        self.runs[run].insert(at, (key, value));
        self.len += 1;
        Spot { run, at }
    }
}

impl Spot {
    fn next<T>(self, runs: &[Vec<T>]) -> Spot {
        let Spot { run, at } = self;
        if at + 1 < runs[run].len() {
            Spot { run, at: at + 1 }
        } else {
            let run = run + 1;
            Spot { run, at: 0 }
        }
    }

    fn before<T>(self, runs: &[Vec<T>]) -> Spot {
        let Spot { run, at } = self;
        if at > 0 {
            Spot { run, at: at - 1 }
        } else {
            let (run, at) = (run - 1, runs[run - 1].len() - 1);
            Spot { run, at }
        }
    }
}

/// How many of the first `len` are below what is looked for. One function for all types: the comparison is a call. Most of
/// what comes in is newer than all that is there, so that the last one often tells.
#[inline(never)]
fn first_not(len: usize, is_below: &dyn Fn(usize) -> bool) -> usize {
    let Some(last) = len.checked_sub(1) else {
        return 0;
    };
    if is_below(last) {
        return len;
    }
    let (mut from, mut to) = (0, last);
    while from < to {
        let middle = from + (to - from) / 2;
        if is_below(middle) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    from
}

/// Entries in order, from both ends.
pub struct Iter<'a, K, V> {
    runs: &'a [Vec<(K, V)>],
    front: Spot,
    back: Spot,
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        if self.front == self.back {
            return None;
        }
        let (key, value) = &self.runs[self.front.run][self.front.at];
        self.front = self.front.next(self.runs);
        Some((key, value))
    }
}

impl<K, V> DoubleEndedIterator for Iter<'_, K, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front == self.back {
            return None;
        }
        self.back = self.back.before(self.runs);
        let (key, value) = &self.runs[self.back.run][self.back.at];
        Some((key, value))
    }
}

impl<K, V> FusedIterator for Iter<'_, K, V> {}

/// Entries in order, their values to be changed.
pub struct IterMut<'a, K, V>(std::iter::Flatten<std::slice::IterMut<'a, Vec<(K, V)>>>);

impl<'a, K, V> Iterator for IterMut<'a, K, V> {
    type Item = (&'a K, &'a mut V);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (&*key, value))
    }
}

impl<K, V> Default for OrderedMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for OrderedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other)
    }
}

impl<K: Eq, V: Eq> Eq for OrderedMap<K, V> {}

impl<K: std::fmt::Debug, V: std::fmt::Debug> std::fmt::Debug for OrderedMap<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<K: Ord, V> Extend<(K, V)> for OrderedMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for OrderedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for OrderedMap<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<K, V> IntoIterator for OrderedMap<K, V> {
    type Item = (K, V);
    type IntoIter = std::iter::Flatten<std::vec::IntoIter<Vec<(K, V)>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.runs.into_iter().flatten()
    }
}

impl<'a, K, V> IntoIterator for &'a OrderedMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// As the standard library's `BTreeSet`, in what it offers.
#[derive(Clone, PartialEq, Eq)]
pub struct OrderedSet<K>(OrderedMap<K, ()>);

impl<K> OrderedSet<K> {
    /// An empty one.
    pub const fn new() -> Self {
        OrderedSet(OrderedMap::new())
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The members in order.
    pub fn iter(&self) -> Members<'_, K> {
        Members(self.0.iter())
    }

    /// The first member.
    pub fn first(&self) -> Option<&K> {
        self.iter().next()
    }

    /// The last member.
    pub fn last(&self) -> Option<&K> {
        self.iter().next_back()
    }

    /// Takes the first member out.
    pub fn pop_first(&mut self) -> Option<K> {
        self.0.pop_first().map(|(key, ())| key)
    }

    /// Keeps the members of which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&K) -> bool) {
        self.0.retain(|key, ()| keep(key));
    }
}

impl<K: Ord> OrderedSet<K> {
    /// Whether this is a member.
    pub fn contains<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.0.contains_key(key)
    }

    /// Makes this a member, and tells whether it is new.
    pub fn insert(&mut self, key: K) -> bool {
        self.0.insert(key, ()).is_none()
    }

    /// Takes this out, and tells whether it was a member.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.0.remove(key).is_some()
    }

    /// Takes out what lies from this member on.
    pub fn split_off<Q: Ord + ?Sized>(&mut self, key: &Q) -> Self
    where
        K: Borrow<Q>,
    {
        OrderedSet(self.0.split_off(key))
    }

    /// The members in the range, in order.
    pub fn range<Q: Ord + ?Sized>(&self, range: impl RangeBounds<Q>) -> Members<'_, K>
    where
        K: Borrow<Q>,
    {
        Members(self.0.range(range))
    }
}

/// Members in order, from both ends.
pub struct Members<'a, K>(Iter<'a, K, ()>);

impl<'a, K> Iterator for Members<'a, K> {
    type Item = &'a K;

    fn next(&mut self) -> Option<&'a K> {
        self.0.next().map(|(key, ())| key)
    }
}

impl<K> DoubleEndedIterator for Members<'_, K> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(|(key, ())| key)
    }
}

impl<K> Default for OrderedSet<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: std::fmt::Debug> std::fmt::Debug for OrderedSet<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self).finish()
    }
}

impl<K: Ord> Extend<K> for OrderedSet<K> {
    fn extend<I: IntoIterator<Item = K>>(&mut self, keys: I) {
        self.0.extend(keys.into_iter().map(|key| (key, ())));
    }
}

impl<K: Ord> FromIterator<K> for OrderedSet<K> {
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        let mut set = Self::new();
        set.extend(keys);
        set
    }
}

impl<K: Ord, const N: usize> From<[K; N]> for OrderedSet<K> {
    fn from(keys: [K; N]) -> Self {
        keys.into_iter().collect()
    }
}

impl<K> IntoIterator for OrderedSet<K> {
    type Item = K;
    type IntoIter = std::iter::Map<<OrderedMap<K, ()> as IntoIterator>::IntoIter, fn((K, ())) -> K>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().map(|(key, ())| key)
    }
}

impl<'a, K> IntoIterator for &'a OrderedSet<K> {
    type Item = &'a K;
    type IntoIter = Members<'a, K>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

// proptest does not compile for browsers.
#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use super::{MAX_RUN, OrderedMap, OrderedSet};
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};
    use std::ops::Bound;

    #[derive(Debug, Clone)]
    enum Change {
        Insert(u16, u8),
        Default(u16),
        Remove(u16),
        PopFirst,
        RetainOdd,
    }

    fn change() -> impl Strategy<Value = Change> {
        let key = 0..400_u16;
        prop_oneof![
            20 => (key.clone(), any::<u8>()).prop_map(|(key, value)| Change::Insert(key, value)),
            5 => key.clone().prop_map(Change::Default),
            8 => key.prop_map(Change::Remove),
            2 => Just(Change::PopFirst),
            1 => Just(Change::RetainOdd),
        ]
    }

    fn apply(change: Change, map: &mut OrderedMap<u16, u8>, model: &mut BTreeMap<u16, u8>) {
        match change {
            Change::Insert(key, value) => {
                assert_eq!(map.insert(key, value), model.insert(key, value));
            }
            Change::Default(key) => {
                assert_eq!(map.get_or_default(key), model.entry(key).or_default());
            }
            Change::Remove(key) => assert_eq!(map.remove(&key), model.remove(&key)),
            Change::PopFirst => assert_eq!(map.pop_first(), model.pop_first()),
            Change::RetainOdd => {
                map.retain(|key, value| (*key + u16::from(*value)) % 2 == 1);
                model.retain(|key, value| (*key + u16::from(*value)) % 2 == 1);
            }
        }
        assert_eq!(map.len(), model.len());
        assert!(
            map.runs
                .iter()
                .all(|run| (1..=MAX_RUN).contains(&run.len()))
        );
    }

    proptest! {
        #[test]
        fn it_does_what_the_standard_map_does(
            changes in prop::collection::vec(change(), 0..800),
            probe in 0..400_u16,
            (one, other) in (0..400_u16, 0..400_u16),
        ) {
            let (mut map, mut model) = (OrderedMap::new(), BTreeMap::new());
            for change in changes {
                apply(change, &mut map, &mut model);
            }
            prop_assert!(map.iter().eq(&model));
            prop_assert!(map.iter().rev().eq(model.iter().rev()));
            prop_assert!(map.iter_mut().eq(model.iter_mut()));
            prop_assert_eq!(map.get(&probe), model.get(&probe));
            let (from, to) = (one.min(other), one.max(other));
            for range in [
                (Bound::Included(from), Bound::Included(to)),
                (Bound::Included(from), Bound::Excluded(to + 1)),
                (Bound::Excluded(from), Bound::Included(to + 1)),
                (Bound::Unbounded, Bound::Excluded(to)),
                (Bound::Excluded(from), Bound::Unbounded),
            ] {
                prop_assert!(map.range(range).eq(model.range(range)));
                prop_assert!(map.range(range).rev().eq(model.range(range).rev()));
            }
            prop_assert!(map.clone().into_iter().eq(model.clone()));
            prop_assert!(map.split_off(&probe).into_iter().eq(model.split_off(&probe)));
            prop_assert!(map.iter().eq(&model));
            prop_assert_eq!(map.len(), model.len());
        }

        #[test]
        fn a_set_is_what_the_standard_set_is(keys in prop::collection::vec(0..300_u16, 0..600)) {
            let set: OrderedSet<u16> = keys.iter().copied().collect();
            let model: BTreeSet<u16> = keys.into_iter().collect();
            prop_assert_eq!((set.first(), set.last()), (model.first(), model.last()));
            prop_assert!(set.into_iter().eq(model));
        }
    }

    #[test]
    fn keys_that_only_grow_make_full_runs() {
        let map: OrderedMap<usize, ()> = (0..1000 * MAX_RUN).map(|key| (key, ())).collect();
        assert_eq!(map.runs.len(), 1000);
    }
}
