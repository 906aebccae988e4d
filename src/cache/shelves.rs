//! What is known of the store, for lists: what it answered, and that it holds nothing of some. All of it is forgotten once the log
//! says that values were moved, so that lists that are made anew with every change of a task ask the store no more than once
//! between moves.

use super::listing::{Found, Query, Scan, everything};
use crate::ordered::OrderedSet;
use crate::task::Tag;
use std::rc::Rc;

/// Of how many lists it is remembered that the store holds nothing of them.
const MAX_BARE: usize = 100;
/// Of how many looks into the store the answers are kept.
const MAX_SCANS: usize = 100;
/// And how many bytes of keys and values in them.
const MAX_SCANNED_BYTES: usize = 2 * 1024 * 1024;

/// What is known of the store, for lists.
#[derive(Debug, Default)]
pub(super) struct Shelves {
    /// How often the log said that values were moved.
    moves: u64,
    bare_prefixes: OrderedSet<String>,
    bare_tags: OrderedSet<Tag>,
    /// The look that tells whether the store holds anything at all: how much had been moved when it was begun.
    probe: Option<(u64, u64)>,
    was_probed: bool,
    /// What the store answered since, the last of use at the end.
    scans: Vec<(Scan, Rc<[Found]>)>,
    scanned_bytes: usize,
}

impl Shelves {
    /// The log says that values were moved, or it was folded anew.
    pub(super) fn moved(&mut self) {
        *self = Shelves {
            moves: self.moves + 1,
            probe: self.probe,
            ..Shelves::default()
        };
    }

    /// How often the log said so.
    pub(super) fn moves(&self) -> u64 {
        self.moves
    }

    /// Whether the store is known to hold nothing at all.
    pub(super) fn is_bare(&self) -> bool {
        self.bare_prefixes.contains("")
    }

    /// Whether the store is known to hold nothing of this list.
    pub(super) fn holds_nothing_of(&self, query: &Query) -> bool {
        let is_bare = match query {
            Query::Keys(interval) => {
                let mut bare = self.bare_prefixes.iter();
                bare.any(|bare| interval.prefix.starts_with(bare.as_str()))
            }
            Query::Tagged(shelf) => self.bare_tags.contains(&shelf.tag),
        };
        is_bare || self.is_bare()
    }

    /// The store holds nothing of this list.
    pub(super) fn found_nothing_of(&mut self, query: &Query) {
        if self.bare_prefixes.len() + self.bare_tags.len() >= MAX_BARE {
            self.bare_prefixes.retain(String::is_empty);
            self.bare_tags.clear();
        }
        match query {
            Query::Keys(interval) => self.bare_prefixes.insert(interval.prefix.clone()),
            Query::Tagged(shelf) => self.bare_tags.insert(shelf.tag.clone()),
        };
    }

    /// What the store holds from there on, where it was asked for that or more since values were moved.
    pub(super) fn rows_of(&mut self, scan: &Scan) -> Option<Vec<Found>> {
        let is_enough = |(known, rows): &(Scan, Rc<[Found]>)| {
            is_of(known, scan) && (known.limit >= scan.limit || rows.len() < known.limit)
        };
        let known = self.scans.iter().position(is_enough)?;
        let known = self.scans.remove(known);
        let rows = known.1.iter().take(scan.limit).cloned().collect();
        self.scans.push(known);
        Some(rows)
    }

    /// The store answered this, and no values were moved since it was asked.
    pub(super) fn found(&mut self, scan: &Scan, rows: &[Found]) {
        if let Some(known) = self.scans.iter().position(|(known, _)| is_of(known, scan)) {
            let (_, rows) = self.scans.remove(known);
            self.scanned_bytes -= bytes_of(&rows);
        }
        self.scanned_bytes += bytes_of(rows);
        self.scans.push((scan.clone(), rows.into()));
        while self.scans.len() > MAX_SCANS || self.scanned_bytes > MAX_SCANNED_BYTES {
            let (_, rows) = self.scans.remove(0);
            self.scanned_bytes -= bytes_of(&rows);
        }
    }

    /// Whether the store may be asked if it holds anything at all: once after each move.
    pub(super) fn may_probe(&mut self) -> bool {
        !std::mem::replace(&mut self.was_probed, true) && !self.is_bare()
    }

    /// It is asked, under this number.
    pub(super) fn probing(&mut self, id: u64) {
        self.probe = Some((id, self.moves));
    }

    /// Whether that is the question.
    pub(super) fn is_probe(&self, id: u64) -> bool {
        self.probe.is_some_and(|(probe, _)| probe == id)
    }

    /// The answer.
    pub(super) fn probed(&mut self, is_bare: bool) {
        let probe = self.probe.take();
        if is_bare && probe.is_some_and(|(_, moves)| moves == self.moves) {
            self.found_nothing_of(&everything());
        }
    }
}

/// Whether both ask for the rows of one list behind one place.
fn is_of(one: &Scan, other: &Scan) -> bool {
    one.query == other.query && one.with_values == other.with_values
}

fn bytes_of(rows: &[Found]) -> usize {
    let bytes = rows.iter().map(|row| row.key.len() + row.bytes.len());
    bytes.sum()
}
