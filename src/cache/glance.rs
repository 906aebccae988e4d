//! What the backup says of one key before the log is read: by its index, and by what the index does not tell of yet.
//!
//! Records that share no name, neither directly nor by way of others, change nothing for each other. So those that hang together
//! with the key are folded, and all others left out.

use super::reading::{Entry, task_entry};
use crate::backup::Backup;
use crate::index::{IndexPage, MAX_PAGES, Name, add_names, name_of_key};
use crate::record::{self, Record};
use crate::task::Order;
use std::ops::Range;

/// How many segments of the log's end are read at first: a page, and what says that a tab left.
const END_SEGMENTS: u64 = 2;
/// So many times as many are read each time that no page is among them.
const MORE_TIMES: u64 = 4;
/// How many segments the index may not tell of, at the most. Where it tells of so little, the log itself is read as fast.
const MAX_END_SEGMENTS: u64 = 256;
/// How many segments are read that may tell of the key.
const MAX_SEGMENTS: usize = 64;

/// What a glance does next.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// It wants what the log holds from the one key of each pair to the other.
    Read(Vec<(u64, u64)>),
    /// What reads of the key get: of a task that is not settled. Nothing: that is not to be told without the whole log.
    Done(Option<Entry>),
}

/// A glance at one key. What it reads must be of one moment.
pub struct Glance {
    key: String,
    /// What is gone before this one was cleaned away.
    oldest: u64,
    /// The log's end.
    last: u64,
    /// How far back it was read.
    first: u64,
    has_newest: bool,
    pages: Vec<(u64, IndexPage)>,
    found: Vec<Found>,
    /// Segments that were read, or asked for.
    asked: Vec<u64>,
    /// The names that hang together with the key.
    wanted: Vec<Name>,
}

struct Found {
    order: Order,
    len: u32,
    names: Vec<Name>,
    record: Record,
}

impl Glance {
    /// Begins at the log's end, of which these are the first key and the last.
    pub fn begin(key: &str, (oldest, last): (u64, u64)) -> (Self, Step) {
        let first = last.saturating_sub(END_SEGMENTS - 1);
        let glance = Glance {
            key: key.into(),
            oldest,
            last,
            first,
            has_newest: false,
            pages: Vec::new(),
            found: Vec::new(),
            asked: Vec::new(),
            wanted: vec![name_of_key(key)],
        };
        (glance, Step::Read(vec![(first, last)]))
    }

    /// What the log holds where it was asked for.
    pub fn look(&mut self, segments: Vec<(u64, Vec<u8>)>) -> Step {
        for (segment, bytes) in segments {
            // What is damaged may be a page, and then nobody knows what it told of.
            let contents = record::read(&bytes).ok();
            let Some(contents) = contents.filter(|contents| contents.damage.is_none()) else {
                return Step::Done(None);
            };
            self.asked.push(segment);
            for (place, record) in contents.records {
                self.find(segment, place, record);
            }
        }
        let wanted = if self.has_newest {
            self.look_up()
        } else {
            self.find_newest()
        };
        match wanted {
            Some(wanted) if wanted.is_empty() => Step::Done(self.entry()),
            Some(wanted) => Step::Read(wanted),
            None => Step::Done(None),
        }
    }

    fn find(&mut self, segment: u64, place: Range<u32>, record: Record) {
        if let Record::Index(page) = record {
            return self.pages.push((segment, page));
        }
        let mut names = Vec::new();
        add_names(&mut names, &record);
        let index = place.start;
        self.found.push(Found {
            order: Order { segment, index },
            len: place.end - place.start,
            names,
            record,
        });
    }

    /// What else to read: for the newest page, or what the newest page says; `None` where there is too much of it.
    fn find_newest(&mut self) -> Option<Vec<(u64, u64)>> {
        let Some((at, page)) = self.pages.iter().max_by_key(|(at, _)| *at) else {
            let back = (self.last - self.first + 1) * MORE_TIMES;
            let end = self.first.checked_sub(1).filter(|end| *end > 0)?;
            self.first = self.last.saturating_sub(back - 1);
            return (back <= MAX_END_SEGMENTS).then(|| vec![(self.first, end)]);
        };
        self.has_newest = true;
        // What others wrote before the page, and its writer did not know.
        let (first, end) = (page.through.saturating_add(1), page.first_own(*at));
        if page.pages.len() > MAX_PAGES {
            return None;
        }
        let earlier = page.pages.clone();
        let mut wanted = self.unread(earlier);
        if first < end {
            let is_short = end - first <= MAX_END_SEGMENTS;
            wanted.push(is_short.then_some((first, end - 1))?);
        }
        if wanted.is_empty() {
            return self.look_up();
        }
        Some(wanted)
    }

    /// Which other segments may tell of what hangs together with the key, as far as that is known.
    fn look_up(&mut self) -> Option<Vec<(u64, u64)>> {
        if self.misses_page() {
            return None;
        }
        self.widen();
        let mut told = Vec::new();
        for (at, page) in &self.pages {
            page.visit(*at, |segment, names| {
                // Where two tabs wrote at once, two pages tell of the same.
                let is_wanted = names.is_empty() || shares(names, &self.wanted);
                if is_wanted && told.len() <= MAX_SEGMENTS && !told.contains(&segment) {
                    told.push(segment);
                }
            });
        }
        (told.len() <= MAX_SEGMENTS).then(|| self.unread(told))
    }

    /// Whether a page is gone that no cleaning took away: a power failure did, and nobody knows what it told of.
    fn misses_page(&mut self) -> bool {
        self.pages.sort_unstable_by_key(|(at, _)| *at);
        let is_there = |page: &u64| self.pages.binary_search_by_key(page, |(at, _)| *at).is_ok();
        let newest = self.pages.last();
        let told = newest.into_iter().flat_map(|(_, page)| &page.pages);
        told.filter(|page| **page >= self.oldest)
            .any(|page| !is_there(page))
    }

    /// Those that were not asked for, which they are from now on: what is gone is gone.
    fn unread(&mut self, segments: Vec<u64>) -> Vec<(u64, u64)> {
        let mut unread = Vec::new();
        for segment in segments {
            if !self.asked.contains(&segment) {
                self.asked.push(segment);
                unread.push((segment, segment));
            }
        }
        unread
    }

    /// Takes up the names of what shares one. A cleaning only names what it takes away.
    fn widen(&mut self) {
        let mut before = 0;
        while before < self.wanted.len() {
            before = self.wanted.len();
            for Found { names, record, .. } in &self.found {
                if matches!(record, Record::Cleaned(..)) || !shares(names, &self.wanted) {
                    continue;
                }
                for name in names {
                    if !self.wanted.contains(name) {
                        self.wanted.push(*name);
                    }
                }
            }
        }
    }

    fn entry(&mut self) -> Option<Entry> {
        let mut found = std::mem::take(&mut self.found);
        found.retain(|found| shares(&found.names, &self.wanted));
        // What lies in two intervals was read twice.
        found.sort_unstable_by_key(|found| found.order);
        found.dedup_by_key(|found| found.order);
        let mut backup = Backup::default();
        for Found {
            order, len, record, ..
        } in found
        {
            backup.fold(order, len, record);
        }
        // What updates make is another matter.
        let task = backup.shown(&self.key)?;
        (!backup.has_updates() && !task.state.status().is_settled()).then(|| task_entry(task))?
    }
}

fn shares(names: &[Name], wanted: &[Name]) -> bool {
    names.iter().any(|name| wanted.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::single;
    use crate::task::{Bytes, Content, Event, Submission, TaskId, Value};

    /// What a glance reads of a log, until it is done.
    fn intervals(last: u64, log: impl Fn(u64) -> Option<Vec<u8>>) -> Vec<(u64, u64)> {
        let (mut glance, mut step) = Glance::begin("key", (1, last));
        let mut all = Vec::new();
        while let Step::Read(intervals) = step {
            all.extend_from_slice(&intervals);
            let keys = intervals.iter().flat_map(|(first, last)| *first..=*last);
            let found = keys.filter_map(|key| Some((key, log(key)?)));
            step = glance.look(found.collect());
        }
        assert_eq!(step, Step::Done(None));
        all
    }

    fn event() -> Vec<u8> {
        single(&Record::Event(TaskId(1), Event::Accepted))
    }

    fn page(through: u64, pages: Vec<u64>) -> Vec<u8> {
        single(&Record::Index(IndexPage {
            through,
            pages,
            ..IndexPage::default()
        }))
    }

    #[test]
    fn it_gives_up_where_no_page_is_near_the_end() {
        let read = intervals(1_000, |_| Some(event()));
        assert_eq!(read, [(999, 1_000), (993, 998), (969, 992), (873, 968)]);
        assert_eq!(intervals(3, |_| Some(event())), [(2, 3), (0, 1)]);
    }

    #[test]
    fn it_reads_the_earlier_pages_and_what_others_wrote_before_the_newest_once_each() {
        let log = |key| match key {
            500 => Some(page(490, vec![100, 300])),
            300 => None,
            _ => Some(event()),
        };
        let read = intervals(500, log);
        assert_eq!(read, [(499, 500), (100, 100), (300, 300), (491, 499)]);
    }

    fn submission() -> Record {
        Record::Submitted(Submission {
            id: TaskId(1),
            lane: String::new(),
            key: "key".into(),
            value: Value::Given(Bytes::Inline([1].into())),
            content: Content::Draft("pen".into()),
            idempotency_key: None,
            tags: Vec::new(),
            update: None,
            after: None,
            created_ms: 0,
        })
    }

    #[test]
    fn it_gives_up_where_a_page_is_damaged_that_may_tell_of_the_tasks_end() {
        let told = |own: &Record| {
            let mut names = Vec::new();
            add_names(&mut names, own);
            single(&Record::Index(IndexPage {
                own: vec![names],
                ..IndexPage::default()
            }))
        };
        let cancelled = Record::Event(TaskId(1), Event::Cancelled);
        let log = |key| match key {
            9 => Some(single(&submission())),
            10 => Some(told(&submission())),
            19 => Some(single(&cancelled)),
            20 => Some(told(&cancelled)),
            30 => Some(page(29, vec![10, 20])),
            _ => None,
        };
        let glance = |damaged: Option<u64>| {
            let (mut glance, mut step) = Glance::begin("key", (1, 30));
            loop {
                match step {
                    Step::Done(entry) => return entry,
                    Step::Read(intervals) => {
                        let keys = intervals.iter().flat_map(|(first, last)| *first..=*last);
                        let found = keys.filter_map(|key| Some((key, log(key)?)));
                        let found = found.map(|(key, mut bytes)| {
                            let last = bytes.len() - 1;
                            bytes[last] ^= u8::from(Some(key) == damaged);
                            (key, bytes)
                        });
                        step = glance.look(found.collect());
                    }
                }
            }
        };
        assert_eq!(glance(None), None, "it failed");
        assert_eq!(glance(Some(20)), None, "nobody knows what became of it");
    }

    #[test]
    fn it_gives_up_where_a_page_is_gone_that_no_cleaning_took_away() {
        let mut names = Vec::new();
        add_names(&mut names, &submission());
        let told = single(&Record::Index(IndexPage {
            own: vec![names],
            ..IndexPage::default()
        }));
        let finds = |pages: Vec<u64>| {
            let log = |key| match key {
                9 => Some(single(&submission())),
                10 => Some(told.clone()),
                30 => Some(page(29, pages.clone())),
                _ => None,
            };
            let (mut glance, mut step) = Glance::begin("key", (9, 30));
            loop {
                match step {
                    Step::Done(entry) => return entry.is_some(),
                    Step::Read(intervals) => {
                        let keys = intervals.iter().flat_map(|(first, last)| *first..=*last);
                        let found = keys.filter_map(|key| Some((key, log(key)?)));
                        step = glance.look(found.collect());
                    }
                }
            }
        };
        assert!(finds(vec![10]));
        assert!(finds(vec![8, 10]), "a cleaning took 8 away");
        assert!(!finds(vec![10, 20]));
    }

    #[test]
    fn it_gives_up_where_others_wrote_too_much() {
        let log = |key| Some(if key == 500 { page(0, vec![]) } else { event() });
        assert_eq!(intervals(500, log), [(499, 500)]);
        assert_eq!(
            intervals(500, |_| Some(vec![b'u', b'c', 99, 0])),
            [(499, 500)]
        );
    }
}
