//! Lists and counts: tasks over settled values, by key or by tag, each entry in a place that it keeps.
//!
//! A page is where the walks through the backup and through the store meet. The store is asked only where it may hold
//! something: that it holds nothing is remembered until the log says that values were moved.

use super::reading::{self, Entry, known_entry, known_of, task_entry};
use super::submitting::check_key;
use super::updates::Shows;
use super::{Cache, Done, GetFor, Output, Place, invalid};
use crate::error::Error;
use crate::log::Ask;
use crate::ordered::OrderedMap;
use crate::overlay::{Below, Interval};
use crate::record::{self, Settled};
use crate::tags::{self, Shelf};
use crate::task::{Order, State, Status, Tag, Task, TaskId};
use std::cmp::Ordering;
use std::iter::Peekable;

/// How many entries a page has at the most.
pub const MAX_PAGE: usize = 1_000;
/// How many settled values one look into the store asks for, where a list needs to know of them.
const LOOK_UP: usize = 1_000;
/// Pages are read from the store by multiples of this: what is hidden by a task, or joins the page when one fails, is then mostly there.
const SCAN_STEP: usize = 16;
/// How many keys of the store one look counts.
const COUNT_STEP: usize = 10_000;
/// What is listed, from one end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// Keys that begin with something, in their order.
    Keys(Interval),
    /// Keys with a tag, in the order of their first writes.
    Tagged(Shelf),
}

/// The answer to a list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// In the order asked for.
    pub entries: Vec<Entry>,
    /// Where the next page begins, if there are more behind the last.
    pub cursor: Option<String>,
}

/// What the store is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// From where on.
    pub query: Query,
    /// So many at the most.
    pub limit: usize,
    /// Whether the values are wanted, or only the keys.
    pub with_values: bool,
}

/// A settled value that the store found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its key.
    pub key: String,
    /// By tag: where it stands in the list.
    pub born: Option<Order>,
    /// Its segment, where the value was wanted.
    pub bytes: Vec<u8>,
}

/// Where an entry stands in a list: by key or by birth.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Spot(Option<Order>, String);

/// A list on its way.
#[derive(Debug, Clone)]
pub(super) struct Listing {
    query: Query,
    /// How many entries are wanted; none is only counted.
    limit: Option<usize>,
    rows: Vec<Found>,
    /// The store holds nothing behind the last of the rows.
    is_whole: bool,
    /// What had been moved when it was begun: once more was, it begins anew.
    moves: u64,
    /// Blobs that were not at hand: read meanwhile.
    missing: Vec<TaskId>,
    /// Those of them that cannot be read: what they are a part of is left out.
    lost: Vec<TaskId>,
    /// What is settled of keys that updates are a part of, where the walk does not tell.
    bases: OrderedMap<String, Option<Settled>>,
}

/// What is shown where the walks meet.
enum Shown<'a> {
    Task(&'a Task),
    Row(&'a Found),
    /// What updates made.
    Made(Box<Entry>),
    /// Blobs are missing to make it.
    Far(Vec<(TaskId, Place)>),
    /// What is settled must be known to make it.
    Baseless,
    Nothing,
    /// That depends on what is settled below the tasks.
    Unknown,
}

/// The walk through the tasks and the walk through the rows.
struct Walks<'a> {
    tasks: Peekable<Box<dyn Iterator<Item = Spot> + 'a>>,
    rows: Peekable<std::slice::Iter<'a, Found>>,
    is_backwards: bool,
    is_whole: bool,
}

enum Step<'a> {
    Spot(Spot, bool, Option<&'a Found>),
    /// Behind the last row that is known there may be others.
    RowsAreMissing,
    End,
}

/// What the walks came to.
enum Met {
    Page(Page),
    Count(u64),
    /// Rows are missing behind this spot, so many for a whole page.
    NeedsRows(Option<Spot>, usize),
    /// What is settled below the tasks of these keys must be known.
    NeedsBelow(Vec<String>),
    /// What is settled of these keys must be known.
    NeedsBases(Vec<String>),
    NeedsBlobs(Vec<TaskId>, Vec<Place>),
}

impl Query {
    /// Where the next page of it begins. It tells which list it is of.
    fn cursor(&self, spot: &Spot) -> String {
        let check = self.check();
        match spot {
            Spot(Some(born), _) => format!("t{check:08x}{}.{}", born.segment, born.index),
            Spot(None, key) => format!("k{check:08x}{key}"),
        }
    }

    /// The same list behind the cursor.
    fn behind(mut self, cursor: &str) -> Result<Self, Error> {
        let own = self.check();
        let position = || {
            let check = cursor.get(1..9)?;
            let check = u32::from_str_radix(check, 16).ok()?;
            if check == own { cursor.get(9..) } else { None }
        };
        let position = position().ok_or_else(another)?;
        match &mut self {
            Query::Keys(interval) if cursor.starts_with('k') => {
                check_key(position)?;
                interval.after = Some(position.into());
            }
            Query::Tagged(shelf) if cursor.starts_with('t') => {
                let order = position.split_once('.').and_then(|(segment, index)| {
                    Some(Order {
                        segment: segment.parse().ok()?,
                        index: index.parse().ok()?,
                    })
                });
                shelf.after = Some(order.ok_or_else(another)?);
            }
            Query::Keys(_) | Query::Tagged(_) => return Err(another()),
        }
        Ok(self)
    }

    fn check(&self) -> u32 {
        let (direction, mut name) = match self {
            Query::Keys(interval) => (interval.reverse, interval.prefix.as_bytes().to_vec()),
            Query::Tagged(shelf) => (shelf.newest, tags::store_prefix(&shelf.tag)),
        };
        name.push(u8::from(direction));
        record::checksum(&name)
    }

    /// The same list behind this spot.
    fn after(&self, spot: Option<Spot>) -> Self {
        let mut query = self.clone();
        match (&mut query, spot) {
            (_, None) => {}
            (Query::Keys(interval), Some(Spot(_, key))) => interval.after = Some(key),
            (Query::Tagged(shelf), Some(Spot(born, _))) => shelf.after = born,
        }
        query
    }

    fn is_backwards(&self) -> bool {
        match self {
            Query::Keys(interval) => interval.reverse,
            Query::Tagged(shelf) => shelf.newest,
        }
    }

    pub(super) fn is_from_its_end(&self) -> bool {
        match self {
            Query::Keys(interval) => interval.after.is_none(),
            Query::Tagged(shelf) => shelf.after.is_none(),
        }
    }

    fn fault(&self) -> Result<(), Error> {
        match self {
            Query::Keys(interval) => check_key(&interval.prefix),
            Query::Tagged(shelf) => {
                tags::fault(&shelf.tag).map_or(Ok(()), |fault| Err(invalid(fault)))
            }
        }
    }
}

impl Cache {
    pub(super) fn list(&mut self, ask: Ask, query: Query, cursor: Option<&str>, limit: usize) {
        let checked = self.alive().and_then(|()| query.fault());
        let checked = checked.and_then(|()| match limit {
            1..=MAX_PAGE => cursor.map_or(Ok(query.clone()), |cursor| query.behind(cursor)),
            _ => Err(invalid(format!(
                "a page has 1 to {MAX_PAGE} entries, not {limit}"
            ))),
        });
        match checked {
            Ok(query) => self.begin_walk(ask, query, Some(limit)),
            Err(error) => self.done(ask, Err(error)),
        }
    }

    /// How many entries a list has, over all its pages.
    pub(super) fn count(&mut self, ask: Ask, query: Query) {
        // From the end at which the store can be read in one piece.
        let query = match query {
            Query::Keys(interval) => Query::Keys(Interval {
                reverse: false,
                ..interval
            }),
            Query::Tagged(shelf) => Query::Tagged(Shelf {
                newest: true,
                ..shelf
            }),
        };
        match self.alive().and_then(|()| query.fault()) {
            Ok(()) => self.begin_walk(ask, query, None),
            Err(error) => self.done(ask, Err(error)),
        }
    }

    /// The log says that values were moved, which the fold does not have yet.
    pub(super) fn values_will_move(&mut self) {
        if self.shelves.is_bare() {
            self.backup.found_nothing_below();
            // Readers see what was known before, where the log is folded anew.
            if let Some(before) = &mut self.before_restart {
                before.found_nothing_below();
            }
        }
        self.shelves.moved();
    }

    fn begin_walk(&mut self, ask: Ask, query: Query, limit: Option<usize>) {
        let listing = Listing {
            is_whole: self.shelves.holds_nothing_of(&query),
            query,
            limit,
            rows: Vec::new(),
            moves: self.shelves.moves(),
            missing: Vec::new(),
            lost: Vec::new(),
            bases: OrderedMap::new(),
        };
        self.go_on(ask, listing);
    }

    /// Answers, or asks for what is missing.
    fn go_on(&mut self, ask: Ask, mut listing: Listing) {
        if listing.moves != self.shelves.moves() {
            // What was a task may be a row that was not there yet.
            return self.begin_walk(ask, listing.query, listing.limit);
        }
        let met = match self.unknown_below(&listing.query) {
            unknown if unknown.is_empty() => self.met(&listing),
            unknown => Met::NeedsBelow(unknown),
        };
        match met {
            Met::Page(page) => self.done(ask, Ok(Done::Page(page))),
            Met::Count(count) => self.done(ask, Ok(Done::Count(count))),
            Met::NeedsRows(behind, missing) => {
                let scan = Scan {
                    query: listing.query.after(behind),
                    limit: missing.min(COUNT_STEP).next_multiple_of(SCAN_STEP),
                    with_values: listing.limit.is_some(),
                };
                if let Some(rows) = self.shelves.rows_of(&scan) {
                    self.take_rows(&mut listing, &scan, rows);
                    return self.go_on(ask, listing);
                }
                let id = self.draw_id();
                self.outputs.push_back(Output::Scan(id, scan.clone()));
                self.reads.lists.insert(id, (ask, listing, scan));
            }
            Met::NeedsBelow(keys) => {
                let places = keys.iter().cloned().map(Place::Value).collect();
                self.get(GetFor::Below(ask, Box::new(listing), keys), places);
            }
            Met::NeedsBases(keys) => {
                let places = keys.iter().cloned().map(Place::Value).collect();
                self.get(GetFor::Bases(ask, Box::new(listing), keys), places);
            }
            Met::NeedsBlobs(ids, places) => {
                listing.missing = ids;
                self.get(GetFor::List(ask, Box::new(listing)), places);
            }
        }
    }

    /// The store's answer to a walk, or to the question whether it holds anything.
    pub(super) fn scanned(&mut self, id: u64, rows: Result<Vec<Found>, Error>) {
        if self.shelves.is_probe(id) {
            return self.shelves.probed(rows.is_ok_and(|rows| rows.is_empty()));
        }
        let Some((ask, mut listing, scan)) = self.reads.lists.remove(&id) else {
            return;
        };
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => return self.done(ask, Err(error)),
        };
        let is_bare = rows.is_empty() && scan.query.is_from_its_end();
        if listing.moves == self.shelves.moves() {
            if is_bare {
                self.shelves.found_nothing_of(&listing.query);
                self.probe();
            }
            self.shelves.found(&scan, &rows);
        }
        self.take_rows(&mut listing, &scan, rows);
        self.go_on(ask, listing);
    }

    /// What the store has behind the rows of a walk.
    fn take_rows(&mut self, listing: &mut Listing, scan: &Scan, rows: Vec<Found>) {
        // What is newer than a final task's value must also be so for `peek`.
        let is_current = listing.moves == self.shelves.moves();
        for row in &rows {
            let task = self.known_backup().shown(&row.key);
            let is_final = task.is_some_and(|task| task.state.status() == Status::Final);
            if (is_final || is_current && self.is_piled(&row.key))
                && let Some(settled) = record::settled(&row.bytes)
            {
                self.found_stored(&row.key, &settled);
            }
            self.used(&row.key);
        }
        listing.is_whole = rows.len() < scan.limit;
        listing.rows.extend(rows);
    }

    /// Where the store held nothing of one list it may hold nothing at all: then none needs to ask again.
    fn probe(&mut self) {
        if !self.shelves.may_probe() {
            return;
        }
        let id = self.draw_id();
        self.shelves.probing(id);
        let scan = Scan {
            query: everything(),
            limit: 1,
            with_values: false,
        };
        self.outputs.push_back(Output::Scan(id, scan));
    }

    /// What is settled below the tasks of these keys.
    pub(super) fn looked_below(
        &mut self,
        ask: Ask,
        listing: Listing,
        keys: Vec<String>,
        found: Result<Vec<Option<Vec<u8>>>, Error>,
    ) {
        let found = match found {
            Ok(found) => found,
            Err(error) => return self.done(ask, Err(error)),
        };
        if listing.moves == self.shelves.moves() {
            for (key, bytes) in keys.iter().zip(found) {
                let settled = bytes.and_then(|bytes| record::settled(&bytes));
                let below = settled.map_or(Below::Nothing, |settled| Below::of(&settled));
                let backup = self.before_restart.as_mut().unwrap_or(&mut self.backup);
                backup.found_below(key, below);
            }
        }
        self.go_on(ask, listing);
    }

    /// What is settled of keys that updates are a part of.
    pub(super) fn looked_for_bases(
        &mut self,
        ask: Ask,
        mut listing: Listing,
        keys: Vec<String>,
        found: Result<Vec<Option<Vec<u8>>>, Error>,
    ) {
        let found = match found {
            Ok(found) => found,
            Err(error) => return self.done(ask, Err(error)),
        };
        let rows = found.into_iter().map(|bytes| record::settled(&bytes?));
        listing.bases.extend(keys.into_iter().zip(rows));
        self.go_on(ask, listing);
    }

    /// The blobs of a page.
    pub(super) fn listed(
        &mut self,
        ask: Ask,
        mut listing: Listing,
        found: Result<Vec<Option<Vec<u8>>>, Error>,
    ) {
        let blobs = match found {
            Ok(blobs) => blobs,
            Err(error) => return self.done(ask, Err(error)),
        };
        for (id, blob) in std::mem::take(&mut listing.missing).into_iter().zip(blobs) {
            match blob {
                Some(blob) => self.keep_blob(id, blob),
                None => listing.lost.push(id),
            }
        }
        self.go_on(ask, listing);
    }

    /// Keys of a list whose place cannot be told without the store, some of them.
    fn unknown_below(&self, query: &Query) -> Vec<String> {
        let Query::Tagged(shelf) = query else {
            return Vec::new();
        };
        if self.shelves.is_bare() {
            return Vec::new();
        }
        let unknown = self.known_backup().tagged().unknown(&shelf.tag);
        unknown.take(LOOK_UP).map(Into::into).collect()
    }

    /// Walks until the page is full.
    fn met(&self, listing: &Listing) -> Met {
        let query = &listing.query;
        let mut walks = Walks {
            tasks: self.spots(query).peekable(),
            rows: listing.rows.iter().peekable(),
            is_backwards: query.is_backwards(),
            is_whole: listing.is_whole,
        };
        let most = listing.limit.map_or(usize::MAX, |limit| limit + 1);
        let (mut count, mut last) = (0, None);
        let mut entries = Vec::with_capacity(listing.limit.map_or(0, |limit| limit + 1));
        let mut unknown = Vec::new();
        let (mut ids, mut places) = (Vec::new(), Vec::new());
        let mut baseless = Vec::new();
        let is_lost = |id: &TaskId| listing.lost.contains(id);
        while count < most {
            let (spot, has_task, row) = match walks.step() {
                Step::Spot(spot, has_task, row) => (spot, has_task, row),
                Step::RowsAreMissing => {
                    let behind = listing.rows.last().map(Found::spot);
                    return Met::NeedsRows(behind, most - count);
                }
                Step::End => break,
            };
            match self.shown(listing, &spot.1, has_task, row) {
                Shown::Nothing => continue,
                Shown::Far(far) if far.iter().any(|(id, _)| is_lost(id)) => continue,
                Shown::Task(task) if is_lost(&task.submission.id) => continue,
                Shown::Baseless => {
                    baseless.push(spot.1);
                    continue;
                }
                Shown::Far(far) => {
                    let (far_ids, far_places): (Vec<_>, Vec<_>) = far.into_iter().unzip();
                    ids.extend(far_ids);
                    places.extend(far_places);
                }
                Shown::Unknown => {
                    unknown.push(spot.1);
                    continue;
                }
                Shown::Made(_) | Shown::Task(_) | Shown::Row(_) if listing.limit.is_none() => {}
                Shown::Made(entry) => entries.push(*entry),
                Shown::Task(task) => match task_entry(task) {
                    Some(entry) => entries.push(entry),
                    None => {
                        ids.push(task.submission.id);
                        places.push(reading::place_of_value(task));
                    }
                },
                Shown::Row(row) => match row_entry(query, row) {
                    Some(entry) => entries.push(entry),
                    // It cannot be read.
                    None => continue,
                },
            }
            count += 1;
            if Some(count) == listing.limit {
                last = Some(spot);
            }
        }
        if !unknown.is_empty() {
            return Met::NeedsBelow(unknown);
        }
        if !baseless.is_empty() {
            baseless.truncate(LOOK_UP);
            return Met::NeedsBases(baseless);
        }
        if !ids.is_empty() {
            return Met::NeedsBlobs(ids, places);
        }
        let Some(limit) = listing.limit else {
            return Met::Count(count as u64);
        };
        let cursor = last.filter(|_| count > limit);
        let cursor = cursor.map(|spot| query.cursor(&spot));
        entries.truncate(limit);
        Met::Page(Page { entries, cursor })
    }

    /// The keys that tasks write, where they stand in a list.
    fn spots<'a>(&'a self, query: &'a Query) -> Box<dyn Iterator<Item = Spot> + 'a> {
        let backup = self.known_backup();
        match query {
            Query::Keys(interval) => {
                let keys = backup.overlay().keys(interval);
                Box::new(keys.map(|key| Spot(None, key.into())))
            }
            Query::Tagged(shelf) => {
                let keys = backup.tagged().keys(shelf);
                Box::new(keys.map(|(place, key)| Spot(Some(place), key.into())))
            }
        }
    }

    /// What is settled of a key, if that is known.
    fn base_of(
        &self,
        listing: &Listing,
        key: &str,
        row: Option<&Found>,
    ) -> Option<Option<Settled>> {
        match (row, &listing.query) {
            (Some(row), _) if !row.bytes.is_empty() => Some(record::settled(&row.bytes)),
            (None, Query::Keys(_)) => Some(None),
            (Some(_), _) | (None, Query::Tagged(_)) if self.shelves.is_bare() => Some(None),
            (Some(_), _) | (None, Query::Tagged(_)) => listing.bases.get(key).cloned(),
        }
    }

    /// What a list shows of a key, where it stands among the tasks, among the rows, or both.
    fn shown<'a>(
        &'a self,
        listing: &Listing,
        key: &str,
        has_task: bool,
        row: Option<&'a Found>,
    ) -> Shown<'a> {
        let query = &listing.query;
        if let Some(shows) = self.piled_over(key, || self.base_of(listing, key, row)) {
            return match shows {
                Shows::Entry(entry) if is_in(query, &entry.tags) => Shown::Made(entry),
                Shows::Entry(_) | Shows::Nothing => Shown::Nothing,
                Shows::Unknown => Shown::Baseless,
                Shows::Missing(missing) => Shown::Far(missing),
            };
        }
        let of_row = row.map_or(Shown::Nothing, Shown::Row);
        let Some(task) = self.known_backup().shown(key) else {
            return of_row;
        };
        let State::Final(inclusion) = &task.state else {
            return shown_by(query, task, has_task);
        };
        // Of what is final, the store may hold what was executed later.
        let stood = match (query, row) {
            (Query::Keys(_), Some(row)) => {
                let settled = record::settled(&row.bytes);
                settled.map(|settled| settled.inclusion.place())
            }
            (Query::Keys(_), None) => None,
            (Query::Tagged(_), _) => match self.known_backup().overlay().below(key) {
                Below::Unknown if !self.shelves.is_bare() => return Shown::Unknown,
                Below::Unknown | Below::Nothing => None,
                Below::Value(stood) => Some(stood.place),
            },
        };
        if stood > Some(inclusion.place()) {
            of_row
        } else {
            shown_by(query, task, has_task)
        }
    }
}

/// Whether what is shown is in a list that it has a place in.
fn is_in(query: &Query, tags: &[Tag]) -> bool {
    match query {
        Query::Keys(_) => true,
        Query::Tagged(shelf) => tags.contains(&shelf.tag),
    }
}

impl<'a> Walks<'a> {
    /// The next spot in the direction of the list: whether tasks write its key, and its row.
    fn step(&mut self) -> Step<'a> {
        let order = match (self.tasks.peek(), self.rows.peek()) {
            (_, None) if !self.is_whole => return Step::RowsAreMissing,
            (None, None) => return Step::End,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(task), Some(row)) if self.is_backwards => row.spot().cmp(task),
            (Some(task), Some(row)) => task.cmp(&row.spot()),
        };
        let row = if order.is_ge() {
            self.rows.next()
        } else {
            None
        };
        let task = if order.is_le() {
            self.tasks.next()
        } else {
            None
        };
        let has_task = task.is_some();
        match task.or_else(|| row.map(Found::spot)) {
            Some(spot) => Step::Spot(spot, has_task, row),
            None => Step::End,
        }
    }
}

impl Found {
    fn spot(&self) -> Spot {
        Spot(self.born, self.key.clone())
    }
}

fn shown_by<'a>(query: &Query, task: &'a Task, has_task: bool) -> Shown<'a> {
    let is_in = match query {
        Query::Keys(_) => true,
        Query::Tagged(shelf) => has_task && task.submission.tags.contains(&shelf.tag),
    };
    if is_in {
        Shown::Task(task)
    } else {
        Shown::Nothing
    }
}

/// What a list shows of a row, if it can be read and is what the list says that it is.
fn row_entry(query: &Query, row: &Found) -> Option<Entry> {
    let settled = record::settled(&row.bytes)?;
    let is_in = match query {
        Query::Keys(_) => true,
        Query::Tagged(shelf) => settled.born == row.born && settled.tags.contains(&shelf.tag),
    };
    known_entry(&row.key, &known_of(&settled), reading::Source::Cache).filter(|_| is_in)
}

/// All that is settled.
pub(super) fn everything() -> Query {
    Query::Keys(Interval {
        prefix: String::new(),
        after: None,
        reverse: false,
    })
}

fn another() -> Error {
    invalid("the cursor is from another query".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(prefix: &str, reverse: bool) -> Query {
        Query::Keys(Interval {
            prefix: prefix.into(),
            after: None,
            reverse,
        })
    }

    fn tagged(name: &str, value: &str, newest: bool) -> Query {
        Query::Tagged(Shelf {
            tag: (name.into(), value.into()),
            after: None,
            newest,
        })
    }

    #[test]
    fn a_cursor_is_of_one_list() {
        let queries = [
            keys("", false),
            keys("", true),
            keys("a", false),
            keys("a\0", true),
            tagged("a", "", false),
            tagged("a", "", true),
            tagged("a", "b", true),
            tagged("ab", "", true),
        ];
        let born = Order {
            segment: u64::MAX,
            index: 7,
        };
        for own in &queries {
            let born = match own {
                Query::Keys(_) => None,
                Query::Tagged(_) => Some(born),
            };
            let spot = Spot(born, "a\0\u{1f600}".into());
            let cursor = own.cursor(&spot);
            assert_eq!(own.clone().behind(&cursor), Ok(own.after(Some(spot))));
            for other in queries.iter().filter(|other| *other != own) {
                assert!(other.clone().behind(&cursor).is_err(), "{other:?} {cursor}");
            }
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let query = tagged("a", "b", true);
        let own = query.cursor(&Spot(
            Some(Order {
                segment: 1,
                index: 2,
            }),
            String::new(),
        ));
        let turned = own.replacen('t', "k", 1);
        for bad in [
            "",
            "t",
            "\u{1f600}\u{1f600}\u{1f600}",
            "t00000000",
            &own[..9],
            &own[..own.len() - 1],
            &format!("{own}x"),
            &turned,
        ] {
            assert!(query.clone().behind(bad).is_err(), "{bad}");
        }
        let long = keys("", false).cursor(&Spot(None, "k".repeat(1_025)));
        assert!(keys("", false).behind(&long).is_err());
    }
}
