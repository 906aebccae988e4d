//! Where the log tells of a key: pages in the log itself, so that one key is found without reading all of it.
//!
//! A page is the last segment of a commit. It says which names are in the segments of that commit, and in those before them that
//! no earlier page tells of. It is a hint and no more: the log without its pages says the same.

use crate::record::{Record, checksum};
use crate::task::{Event, Hash, Signed, Submission, Task, TaskId};

/// A key, a task, a transaction or an idempotency key, shortened. Two may have the same.
pub type Name = u32;

/// What a segment costs whoever has to read it, beside its bytes.
const SEGMENT_COST: u64 = 4_096;
/// So many names fit in a page. Segments with more of them are told of without any.
const MAX_NAMES: usize = 10_000;
/// How many earlier segments a page tells of. Where there are more, as in a log that had no index, the next commits go on.
const MAX_EARLIER: usize = 1_000;
/// How many pages there are at the most: those of some hundred thousand tasks. Where they are more, a glance would not be fast.
pub const MAX_PAGES: usize = 4_096;

/// See the module's documentation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexPage {
    /// Of what the log holds up to this segment, the pages tell all. What lies between it and the page's own commit is read.
    pub through: u64,
    /// The earlier pages, in order.
    pub pages: Vec<u64>,
    /// Segments up to there that no earlier page tells of, in order. One without names has to be read.
    pub earlier: Vec<(u64, Vec<Name>)>,
    /// The other segments of the page's own commit, which come right before it.
    pub own: Vec<Vec<Name>>,
}

impl IndexPage {
    /// The first segment of its own commit; `at` is the page's own.
    pub fn first_own(&self, at: u64) -> u64 {
        at.saturating_sub(self.own.len() as u64)
    }

    /// Whether it tells of a segment.
    fn tells_of(&self, at: u64, segment: u64) -> bool {
        let is_own = (self.first_own(at)..at).contains(&segment);
        is_own || self.earlier.iter().any(|(earlier, _)| *earlier == segment)
    }

    /// Calls `each` with the segments that it tells of, and their names.
    pub fn visit(&self, at: u64, mut each: impl FnMut(u64, &[Name])) {
        for (segment, names) in &self.earlier {
            each(*segment, names);
        }
        for (segment, names) in (self.first_own(at)..).zip(&self.own) {
            each(segment, names);
        }
    }
}

/// The name of a key.
pub fn name_of_key(key: &str) -> Name {
    checksum(key.as_bytes())
}

fn name_of_task(id: TaskId) -> Name {
    id.0 as Name
}

fn name_of_tx(tx: &Hash) -> Name {
    Name::from_le_bytes([tx.0[0], tx.0[1], tx.0[2], tx.0[3]])
}

/// Adds the names in a record. What has none in common with another says nothing of it.
pub fn add_names(names: &mut Vec<Name>, record: &Record) {
    match record {
        Record::Submitted(submission) => {
            names_of_submission(names, submission);
            if let Some(signed) = submission.signed() {
                names.push(name_of_tx(&signed.tx));
            }
        }
        Record::Snapshot(task) | Record::Imported(task) => names_of_task(names, task),
        Record::Event(id, event) => {
            names.push(name_of_task(*id));
            match event {
                Event::Added(_, Signed { tx, .. }) | Event::Broadcast(tx) => {
                    names.push(name_of_tx(tx));
                }
                Event::SignStarted { .. }
                | Event::NotSent
                | Event::SendStarted
                | Event::Accepted
                | Event::Blocked { .. }
                | Event::Retried { .. }
                | Event::Included(_)
                | Event::Displaced(_)
                | Event::Outrun { .. }
                | Event::Reorged(_)
                | Event::Finalized(_)
                | Event::Rejected { .. }
                | Event::Cancelled
                | Event::Discarded
                | Event::DependencyFailed { .. }
                | Event::DependencyFinal(_) => {}
            }
        }
        Record::Cleaned(_, ids) => {
            for id in ids {
                names.push(name_of_task(*id));
            }
        }
        Record::Settled(_) | Record::Closed | Record::Index(_) => {}
    }
}

fn names_of_submission(names: &mut Vec<Name>, submission: &Submission) {
    names.push(name_of_task(submission.id));
    names.push(name_of_key(&submission.key));
    if let Some(key) = &submission.idempotency_key {
        names.push(name_of_key(key));
    }
    for task in submission.waits_for() {
        names.push(name_of_task(*task));
    }
}

fn names_of_task(names: &mut Vec<Name>, task: &Task) {
    names_of_submission(names, &task.submission);
    for (tx, ..) in task.transactions() {
        names.push(name_of_tx(&tx));
    }
}

/// What the pages of the log tell of, as far as it is folded.
#[derive(Debug, Default)]
pub struct Index {
    /// How much the log may hold that no page tells of, in what it costs to read. Nothing: pages are not written.
    most: Option<u64>,
    /// In order.
    pages: Vec<u64>,
    /// Segments that no page tells of, in order: few, as a page comes right behind what it tells of.
    untold: Vec<Untold>,
}

#[derive(Debug)]
struct Untold {
    segment: u64,
    cost: u64,
    names: Vec<Name>,
}

impl Index {
    /// One that writes a page where more than this is told of by none.
    pub fn with_most(most: Option<u64>) -> Self {
        Index {
            most,
            ..Index::default()
        }
    }

    /// Forgets what was folded.
    pub fn restart(&mut self) {
        *self = Index::with_most(self.most);
    }

    /// A record of the segment that is folded now, which has this length.
    pub fn fold(&mut self, segment: u64, len: u32, record: &Record) {
        if self.most.is_none() {
            return;
        }
        if let Record::Index(page) = record {
            self.pages.push(segment);
            self.untold
                .retain(|untold| !page.tells_of(segment, untold.segment));
            return;
        }
        let is_new = self.untold.last().is_none_or(|last| last.segment < segment);
        if is_new {
            self.untold.push(Untold {
                segment,
                cost: cost_of(len),
                names: Vec::new(),
            });
        }
        if let Some(untold) = self.untold.last_mut() {
            add_names(&mut untold.names, record);
        }
        // Where it names nothing, nobody looks for it.
        self.untold.pop_if(|untold| untold.names.is_empty());
    }

    /// The log's old end is gone up to this segment.
    pub fn deleted(&mut self, through: u64) {
        self.pages.retain(|page| *page > through);
        self.untold.retain(|untold| untold.segment > through);
    }

    /// Whether a commit of segments of these lengths is to end with a page.
    pub fn wants_page(&self, lens: impl Iterator<Item = u32>) -> bool {
        let Some(most) = self.most.filter(|_| self.pages.len() < MAX_PAGES) else {
            return false;
        };
        let cost: u64 = self.untold.iter().map(|untold| untold.cost).sum();
        cost + lens.map(cost_of).sum::<u64>() > most
    }

    /// The page for a commit of segments with these names. `position`: how far the log is folded.
    pub fn page(&self, position: u64, mut own: Vec<Vec<Name>>) -> IndexPage {
        let mut room = MAX_NAMES;
        let mut through = position;
        let mut earlier = Vec::new();
        for Untold { segment, names, .. } in &self.untold {
            if earlier.len() == MAX_EARLIER {
                through = segment - 1;
                break;
            }
            earlier.push((*segment, names.clone()));
        }
        let mut fit = |names: &mut Vec<Name>| {
            if names.len() > room {
                names.clear();
            }
            room -= names.len();
        };
        earlier.iter_mut().for_each(|(_, names)| fit(names));
        own.iter_mut().for_each(fit);
        IndexPage {
            through,
            pages: self.pages.clone(),
            earlier,
            own,
        }
    }
}

fn cost_of(len: u32) -> u64 {
    SEGMENT_COST + u64::from(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEN: u32 = 900;

    fn index(most: u64) -> Index {
        Index::with_most(Some(most))
    }

    fn left(id: u128) -> Record {
        Record::Event(TaskId(id), Event::Accepted)
    }

    #[test]
    fn a_page_comes_once_enough_is_told_of_by_none_and_says_where_it_is() {
        let each = cost_of(LEN);
        let mut index = index(2 * each);
        index.fold(5, LEN, &left(1));
        assert!(!index.wants_page([LEN].into_iter()));
        index.fold(6, LEN, &left(2));
        index.fold(6, LEN, &left(3));
        assert!(index.wants_page([LEN].into_iter()));
        let page = index.page(6, vec![vec![4]]);
        assert_eq!(page.earlier, [(5, vec![1]), (6, vec![2, 3])]);
        let mut told = Vec::new();
        page.visit(9, |segment, names| told.push((segment, names.to_vec())));
        assert_eq!(told, [(5, vec![1]), (6, vec![2, 3]), (8, vec![4])]);

        // Another tab wrote 7 meanwhile.
        index.fold(7, LEN, &left(7));
        index.fold(8, LEN, &left(4));
        index.fold(9, LEN, &Record::Index(page));
        assert!(
            !index.wants_page([LEN].into_iter()),
            "only 7 is told of by none"
        );
        let next = index.page(9, Vec::new());
        assert_eq!((next.pages, next.earlier), (vec![9], vec![(7, vec![7])]));
        index.deleted(9);
        assert_eq!(
            index.page(9, Vec::new()),
            IndexPage {
                through: 9,
                ..IndexPage::default()
            }
        );
    }

    #[test]
    fn a_segment_with_too_many_names_is_told_of_without_any_and_one_with_none_not_at_all() {
        let mut index = index(0);
        index.fold(1, LEN, &Record::Closed);
        let ids = (0..=MAX_NAMES as u128).map(TaskId);
        index.fold(2, LEN, &Record::Cleaned(0, ids.collect()));
        index.fold(3, LEN, &left(3));
        let page = index.page(3, vec![vec![4; MAX_NAMES]]);
        assert_eq!(page.earlier, [(2, Vec::new()), (3, vec![3])]);
        assert_eq!(page.own, [Vec::new()], "there is no room for all of them");
    }

    #[test]
    fn a_log_that_had_no_index_is_told_of_in_steps() {
        let mut index = index(0);
        let count = 2 * MAX_EARLIER as u64 + 9;
        for segment in 1..=count {
            index.fold(segment, LEN, &left(segment.into()));
        }
        let mut told = 0;
        let mut through = Vec::new();
        for at in count + 1.. {
            let page = index.page(at - 1, Vec::new());
            if page.earlier.is_empty() {
                break;
            }
            let frame = crate::record::single(&Record::Index(page.clone()));
            assert!(frame.len() <= crate::log::MAX_SEGMENT_BYTES);
            told += page.earlier.len() as u64;
            through.push(page.through);
            index.fold(at, LEN, &Record::Index(page));
        }
        assert_eq!(told, count);
        assert_eq!(through, [1_000, 2_000, count + 2]);
        index.pages = (0..MAX_PAGES as u64).collect();
        assert!(!index.wants_page([u32::MAX].into_iter()), "that is enough");
    }

    #[test]
    fn without_a_bound_there_are_no_pages() {
        let mut index = Index::default();
        index.fold(1, LEN, &left(1));
        assert!(!index.wants_page([u32::MAX].into_iter()));
    }
}
