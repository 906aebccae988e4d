//! The log as one tab sees it: what waits for a commit, what was committed, and how far it is folded.
//!
//! IndexedDB numbers the segments; every tab folds them in that order, without gaps. While one commit is in flight the
//! next one collects: group commit without a timer.

use crate::error::{Error, ErrorCode};
use crate::index::{self, Index};
use crate::ordered::OrderedMap;
use crate::record::{self, Record, Segment};
use crate::task::{Bytes, Event, Hash, Role, Submission, Task, TaskId, Value};
use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;

/// From 64 KiB on, Chromium wraps a value in a file of its own.
pub const MAX_SEGMENT_BYTES: usize = 60_000;
/// What one commit carries at the most, so that no commit holds the next up for long.
const MAX_COMMIT_BYTES: usize = 4 * 1024 * 1024;
/// Room for one, and for the frame that proves too much for it.
const SEGMENT_ROOM: usize = MAX_SEGMENT_BYTES + 4 * 1024;
/// What a record takes beside the bytes and names that it brings.
const SMALL_BYTES: usize = 384;
/// What may wait for a commit in memory, about.
pub const MAX_QUEUE_BYTES: usize = 64 * 1024 * 1024;

/// Names a caller that waits for an answer. The driver draws it.
pub type Ask = u64;

/// A key of the `blobs` store: the task and which of its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlobKey(pub TaskId, pub Part);

/// The parts of a task that may be a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The bytes for the gateway, as they were submitted.
    Payload,
    /// The bytes of a transaction that the task got later.
    Transaction(Hash),
    /// What reads get.
    Value,
}

impl BlobKey {
    /// The key's bytes in IndexedDB.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = self.0.0.to_be_bytes().to_vec();
        match self.1 {
            Part::Payload => bytes.push(b'p'),
            Part::Value => bytes.push(b'v'),
            Part::Transaction(tx) => {
                bytes.push(b't');
                bytes.extend_from_slice(&tx.0);
            }
        }
        bytes
    }
}

/// One atomic write. It is done when IndexedDB reports it complete, and not before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Named again in the result.
    pub id: u64,
    /// Appended to `log` in this order.
    pub segments: Vec<Vec<u8>>,
    /// Written to `blobs`.
    pub blobs: Vec<(BlobKey, Rc<[u8]>)>,
    /// Also cleans the log's old end.
    pub clean: Option<Clean>,
    /// A power failure must not take it back, nor what was written before, whatever durability the dapp chose: what comes of
    /// it cannot be taken back either.
    pub is_strict: bool,
}

/// What a cleaning commit does besides appending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clean {
    /// The newest key in `log` must be this one; otherwise nothing is done and the commit fails as `Behind`.
    pub expected_last: u64,
    /// Written to `values`: key and segment.
    pub values: Vec<(String, Vec<u8>)>,
    /// Keys that `values` may hold already, among those that are written or deleted.
    pub known: Vec<String>,
    /// Deleted from `values`: there is no room for what is newer.
    pub evict: Vec<String>,
    /// Segments up to this key are deleted.
    pub delete_through: u64,
    /// Of the segments that are deleted those that are damaged: their bytes go to `aside`, in the same commit.
    pub set_aside: Vec<u64>,
    /// Deleted from `blobs`.
    pub delete_blobs: Vec<BlobKey>,
}

/// Why a commit failed. Nothing of it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitFailure {
    /// The log went on under a cleaning commit.
    Behind,
    /// IndexedDB refused or aborted it.
    Storage(Error),
}

/// A segment on its way into the fold.
#[derive(Debug)]
pub struct Fold {
    /// Its key.
    pub key: u64,
    /// What it holds.
    pub origin: Origin,
}

/// Where a segment comes from.
#[derive(Debug)]
pub enum Origin {
    /// Appended here: the records with the places of their frames, and who waits for them.
    Own(Vec<(Range<u32>, Record, Option<Ask>)>),
    /// Read from IndexedDB.
    Stored(Vec<u8>),
}

struct Entry {
    record: Record,
    ask: Option<Ask>,
    /// Of its frame, once a commit has it.
    frame_len: u32,
}

impl Entry {
    fn new(record: Record, ask: Option<Ask>) -> Self {
        Entry {
            record,
            ask,
            frame_len: 0,
        }
    }

    /// About what it takes of a commit, blobs included.
    fn weight(&self) -> usize {
        let parts = |parts: &mut dyn Iterator<Item = Stored<'_>>| -> usize {
            parts.map(|part| part.bytes.len()).sum()
        };
        let brought = match &self.record {
            Record::Submitted(submission) => {
                names_len(submission) + parts(&mut submitted_parts(submission))
            }
            Record::Event(_, Event::Added(_, signed)) => signed.payload.len(),
            Record::Snapshot(task) | Record::Imported(task) => {
                names_len(&task.submission) + parts(&mut self::parts(task))
            }
            Record::Cleaned(_, ids) => ids.len() * size_of::<TaskId>(),
            Record::Event(..) | Record::Settled(_) | Record::Closed | Record::Index(_) => 0,
        };
        brought + SMALL_BYTES
    }
}

struct InFlight {
    id: u64,
    entries: Vec<Entry>,
    /// Per segment: how many entries and bytes.
    shape: Vec<(usize, u32)>,
    is_clean: bool,
}

impl InFlight {
    /// What it carried, but for the page: another commit makes its own.
    fn into_records(mut self) -> std::vec::IntoIter<Entry> {
        self.entries
            .pop_if(|last| matches!(last.record, Record::Index(_)));
        self.entries.into_iter()
    }
}

/// See the module's documentation.
#[derive(Default)]
pub struct Log {
    position: u64,
    position_before: u64,
    /// Up to this key, what is not in `ahead` is not in the database.
    covered: u64,
    ahead: OrderedMap<u64, (u32, Origin)>,
    queue: VecDeque<Entry>,
    queue_bytes: usize,
    in_flight: Option<InFlight>,
    next_commit_id: u64,
    /// After a failed commit this many entries go one by one, so that one that is too large fails alone.
    one_by_one: usize,
    segments: OrderedMap<u64, u32>,
    bytes: u64,
    orphans: Vec<(u32, Origin)>,
    index: Index,
}

impl Log {
    /// An empty one, with a page of the index for so many bytes.
    pub fn with_index(most: Option<u64>) -> Self {
        Log {
            index: Index::with_most(most),
            ..Log::default()
        }
    }

    /// A record of the segment that is folded now.
    pub fn index(&mut self, segment: u64, record: &Record) {
        let len = self.segments.get(&segment).copied().unwrap_or(0);
        self.index.fold(segment, len, record);
    }

    /// Everything up to this key is folded.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The same when the newest of that was not.
    pub fn position_before(&self) -> u64 {
        self.position_before
    }

    /// Segments that the log holds, as far as it is folded.
    pub fn segments(&self) -> &OrderedMap<u64, u32> {
        &self.segments
    }

    /// Their bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// About how many bytes wait for a commit.
    pub fn queue_bytes(&self) -> usize {
        self.queue_bytes
    }

    /// Whether nothing waits for a commit, nor for the fold.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_none() && self.queue.is_empty() && self.ahead.is_empty()
    }

    /// Whether nothing is on its way into the log or the fold. Something may wait for a commit.
    pub fn is_still(&self) -> bool {
        self.in_flight.is_none() && self.ahead.is_empty()
    }

    /// Whether what waits for a commit is tried one by one, after a commit that found no room.
    pub fn goes_one_by_one(&self) -> bool {
        self.one_by_one > 0
    }

    /// Queues a record, and what of it is too long for a segment. `ask` is answered when it is durable and folded.
    pub fn append(&mut self, record: Record, ask: Option<Ask>) {
        let entry = Entry::new(record, ask);
        self.queue_bytes += entry.weight();
        self.queue.push_back(entry);
    }

    /// Forgets what waits for a commit, no caller waits for, and is not to be kept.
    pub fn retain_queued(&mut self, keep: impl Fn(&Record) -> bool) {
        self.queue
            .retain(|entry| entry.ask.is_some() || keep(&entry.record));
        self.queue_bytes = self.queue.iter().map(Entry::weight).sum();
    }

    /// The next commit, unless one is in flight or nothing waits.
    pub fn next_commit(&mut self) -> Option<Commit> {
        if self.in_flight.is_some() || self.queue.is_empty() {
            return None;
        }
        let mut entries = Vec::new();
        let mut bytes = 0;
        let most = if self.one_by_one > 0 { 1 } else { usize::MAX };
        while let Some(entry) = self.queue.front() {
            let weight = entry.weight();
            let is_full = bytes + weight > MAX_COMMIT_BYTES || entries.len() >= most;
            if !entries.is_empty() && is_full {
                break;
            }
            bytes += weight;
            entries.extend(self.queue.pop_front());
        }
        self.queue_bytes -= bytes;
        let commit = self.start(entries, None);
        self.one_by_one = self.one_by_one.saturating_sub(1);
        Some(commit)
    }

    /// A cleaning commit: `records` are appended, and the log's old end goes. Only while nothing is on its way: what
    /// waits for a commit comes after it.
    pub fn clean(&mut self, records: Vec<Record>, clean: Clean) -> Option<Commit> {
        if !self.is_still() {
            return None;
        }
        let entries = records.into_iter().map(|record| Entry::new(record, None));
        Some(self.start(entries.collect(), Some(clean)))
    }

    fn start(&mut self, mut entries: Vec<Entry>, clean: Option<Clean>) -> Commit {
        let mut segments = pack(&mut entries);
        if let Some((page, segment)) = self.page(&entries, &segments) {
            segments.push(segment);
            entries.push(page);
        }
        let blobs = entries.iter().flat_map(|entry| blobs(&entry.record));
        let blobs = blobs.collect();
        let shape = segments.iter().map(Segment::shape).collect();
        // What a cleaning deletes is nowhere else: were it lost, and a later one not, the log would be neither old nor new.
        let is_strict = clean.is_some() || entries.iter().any(|entry| must_last(&entry.record));
        self.next_commit_id += 1;
        let id = self.next_commit_id;
        self.in_flight = Some(InFlight {
            id,
            entries,
            shape,
            is_clean: clean.is_some(),
        });
        Commit {
            id,
            segments: segments.into_iter().map(Segment::finish).collect(),
            blobs,
            clean,
            is_strict,
        }
    }

    /// The page that the commit ends with, if it is to have one. Nothing comes after an orderly end, and nothing more where there
    /// is little room.
    fn page(&self, entries: &[Entry], segments: &[Segment]) -> Option<(Entry, Segment)> {
        let ends = entries.last()?.record == Record::Closed;
        let lens = segments.iter().map(|segment| segment.len() as u32);
        if ends || self.goes_one_by_one() || !self.index.wants_page(lens) {
            return None;
        }
        let mut entries = entries.iter();
        let mut own = Vec::with_capacity(segments.len());
        for segment in segments {
            let mut names = Vec::new();
            for entry in entries.by_ref().take(segment.frames()) {
                index::add_names(&mut names, &entry.record);
            }
            own.push(names);
        }
        let record = Record::Index(self.index.page(self.position, own));
        let mut segment = Segment::default();
        let mut entry = Entry::new(record, None);
        entry.frame_len = segment.push(&entry.record) as u32;
        (segment.len() <= MAX_SEGMENT_BYTES).then_some((entry, segment))
    }

    /// The commit is complete and its last segment has this key.
    pub fn committed(&mut self, id: u64, last_key: u64) {
        let Some(in_flight) = self.in_flight.take_if(|in_flight| in_flight.id == id) else {
            return;
        };
        let mut entries = in_flight.entries.into_iter();
        let first_key = last_key + 1 - in_flight.shape.len() as u64;
        for (key, (count, len)) in (first_key..).zip(in_flight.shape) {
            let mut offset = record::HEADER_LEN as u32;
            let mut records = Vec::with_capacity(count);
            for entry in entries.by_ref().take(count) {
                let end = offset + entry.frame_len;
                records.push((offset..end, entry.record, entry.ask));
                offset = end;
            }
            self.ahead.insert(key, (len, Origin::Own(records)));
        }
    }

    /// The commit found no room, and it is to be tried again: what it carried waits, in the same order.
    pub fn requeue(&mut self, id: u64) {
        let Some(in_flight) = self.in_flight.take_if(|in_flight| in_flight.id == id) else {
            return;
        };
        if in_flight.is_clean {
            return;
        }
        for entry in in_flight.into_records().rev() {
            self.queue_bytes += entry.weight();
            self.queue.push_front(entry);
        }
    }

    /// The commit failed as a whole. Records that nobody waits for are queued again; callers are told, unless they
    /// were many: then each goes by itself, as it may be another's record that does not fit. Where there is no room even
    /// for one that nobody waits for, those behind it have none either.
    pub fn failed(&mut self, id: u64, error: &Error) -> Vec<(Ask, Error)> {
        let Some(in_flight) = self.in_flight.take_if(|in_flight| in_flight.id == id) else {
            return Vec::new();
        };
        if in_flight.is_clean {
            return Vec::new();
        }
        let entries = in_flight.into_records();
        let is_alone = entries.len() == 1;
        let is_quota = error.code == ErrorCode::QuotaExceeded;
        if is_quota && !is_alone {
            self.one_by_one = entries.len();
        }
        let mut told = Vec::new();
        for entry in entries.rev() {
            match entry.ask {
                Some(ask) if is_alone || !is_quota => told.push((ask, error.clone())),
                Some(_) | None => {
                    self.queue_bytes += entry.weight();
                    self.queue.push_front(entry);
                }
            }
        }
        if is_quota && is_alone && told.is_empty() {
            self.one_by_one = 0;
            self.queue.retain(|entry| {
                told.extend(entry.ask.map(|ask| (ask, error.clone())));
                entry.ask.is_none()
            });
            self.queue_bytes = self.queue.iter().map(Entry::weight).sum();
        }
        told
    }

    /// Segments read from IndexedDB: the first that there are from this key on, in order.
    /// Returns false when the log was cleaned beyond that key: the fold must begin anew.
    pub fn loaded(&mut self, from: u64, segments: Vec<(u64, Vec<u8>)>) -> bool {
        let first = segments.first().map(|(key, _)| *key);
        // Up to where it is folded by now nothing is missed.
        let known = from.max(self.position);
        if from > 0 && first.is_none_or(|first| first > known) {
            return false;
        }
        // What was appended here was folded while this was read, and is cleaned away already.
        if self.position > 0 && first.is_some_and(|first| first > self.position) {
            return false;
        }
        if let Some(first) = first.filter(|_| self.position == 0) {
            let kept = self.ahead.split_off(&first);
            let gone = std::mem::replace(&mut self.ahead, kept);
            self.orphans.extend(gone.into_values());
        }
        let last = segments.last().map_or(0, |(key, _)| *key);
        self.covered = self.covered.max(last);
        for (key, bytes) in segments {
            if key > self.position {
                let origin = || (bytes.len() as u32, Origin::Stored(bytes));
                self.ahead.get_or_insert_with(key, origin);
            }
        }
        true
    }

    /// Forgets what was folded, to fold from the start.
    pub fn restart(&mut self) {
        self.position = 0;
        self.covered = 0;
        self.segments.clear();
        self.bytes = 0;
        self.index.restart();
        self.ahead.retain(|_, (_, origin)| match origin {
            Origin::Own(_) => true,
            Origin::Stored(_) => false,
        });
    }

    /// Who waits for own records whose segments were cleaned away before they were folded here.
    pub fn take_orphans(&mut self) -> Vec<(Record, Ask)> {
        let mut waiting = Vec::new();
        for (_, origin) in std::mem::take(&mut self.orphans) {
            if let Origin::Own(records) = origin {
                let asked = records
                    .into_iter()
                    .filter_map(|(_, record, ask)| Some((record, ask?)));
                waiting.extend(asked);
            }
        }
        waiting
    }

    /// The next segment for the fold. Once it is taken, it counts as folded.
    pub fn next_fold(&mut self) -> Option<Fold> {
        if self.has_gap() {
            return None;
        }
        let (key, (len, origin)) = self.ahead.pop_first()?;
        self.position_before = std::mem::replace(&mut self.position, key);
        self.segments.insert(key, len);
        self.bytes += u64::from(len);
        Some(Fold { key, origin })
    }

    /// Whether segments below our own may be missing here. A number that a whole read did not find was never used.
    pub fn has_gap(&self) -> bool {
        let next = self.ahead.first_key_value();
        next.is_some_and(|(key, _)| *key > self.position + 1 && *key > self.covered)
    }

    /// The log's old end is gone up to this key.
    pub fn deleted(&mut self, through: u64) {
        let kept = self.segments.split_off(&(through + 1));
        let gone = std::mem::replace(&mut self.segments, kept);
        self.bytes -= gone.values().map(|len| u64::from(*len)).sum::<u64>();
        self.index.deleted(through);
    }
}

/// Segments of the records in their order, each as long as it may be.
fn pack(entries: &mut [Entry]) -> Vec<Segment> {
    let mut left: usize = entries.iter().map(Entry::weight).sum();
    let mut segments = Vec::new();
    let mut segment = Segment::with_room(left.min(SEGMENT_ROOM));
    for entry in entries {
        left -= entry.weight();
        let frame_len = segment.push(&entry.record);
        entry.frame_len = frame_len as u32;
        if segment.frames() > 1 && segment.len() > MAX_SEGMENT_BYTES {
            let next = segment.split_last(frame_len, left.min(SEGMENT_ROOM));
            segments.push(std::mem::replace(&mut segment, next));
        }
    }
    segments.push(segment);
    segments
}

/// What the names of a submission take.
fn names_len(submission: &Submission) -> usize {
    let tags = submission.tags.iter();
    let idempotency_key = submission.idempotency_key.as_ref();
    submission.lane.len()
        + submission.key.len()
        + idempotency_key.map_or(0, String::len)
        + tags
            .map(|(name, value)| name.len() + value.len())
            .sum::<usize>()
}

/// Whether a power failure must not take the record back, whatever durability the dapp chose. Only a submission may go, and what the
/// chain says again. A log that forgot anything else would send other bytes, give a nonce twice, ask a wallet twice, or send
/// after all.
fn must_last(record: &Record) -> bool {
    match record {
        Record::Event(_, event) => match event {
            Event::SendStarted
            | Event::SignStarted { .. }
            | Event::Added(..)
            | Event::Broadcast(_)
            | Event::NotSent
            | Event::Blocked { .. }
            | Event::Retried { .. }
            | Event::Rejected { .. }
            | Event::Cancelled
            | Event::Discarded => true,
            Event::Accepted
            | Event::Included(_)
            | Event::Displaced(_)
            | Event::Outrun { .. }
            | Event::Reorged(_)
            | Event::Finalized(_)
            | Event::DependencyFailed { .. }
            | Event::DependencyFinal(_) => false,
        },
        // What came out of a file may go out without another record.
        Record::Imported(_) => true,
        Record::Submitted(_)
        | Record::Snapshot(_)
        | Record::Cleaned(..)
        | Record::Settled(_)
        | Record::Closed
        | Record::Index(_) => false,
    }
}

/// What of a record is kept in the `blobs` store.
fn blobs(record: &Record) -> Vec<(BlobKey, Rc<[u8]>)> {
    match record {
        Record::Submitted(submission) => {
            let parts = submitted_parts(submission);
            parts.filter_map(|part| part.blob(submission.id)).collect()
        }
        Record::Event(id, Event::Added(role, signed)) => {
            let part = Stored::later(*role, signed.tx, &signed.payload);
            part.blob(*id).into_iter().collect()
        }
        Record::Imported(task) => blobs_of(task),
        Record::Event(..)
        | Record::Snapshot(_)
        | Record::Cleaned(..)
        | Record::Settled(_)
        | Record::Closed
        | Record::Index(_) => Vec::new(),
    }
}

/// What of a whole task is kept in the `blobs` store, as far as it is at hand.
pub(crate) fn blobs_of(task: &Task) -> Vec<(BlobKey, Rc<[u8]>)> {
    let id = task.submission.id;
    parts(task).filter_map(|part| part.blob(id)).collect()
}

/// Bytes of a task that may be a blob.
pub(crate) struct Stored<'a> {
    pub(crate) part: Part,
    pub(crate) bytes: &'a Bytes,
    /// Longer ones are.
    max_inline_bytes: usize,
}

impl<'a> Stored<'a> {
    /// A transaction that the task got after its submission.
    pub(crate) fn later(role: Role, tx: Hash, bytes: &'a Bytes) -> Self {
        Stored {
            part: Part::Transaction(tx),
            bytes,
            max_inline_bytes: record::max_inline_bytes(role),
        }
    }

    /// Where it is in the `blobs` store, if it is there.
    pub(crate) fn blob_key(&self, id: TaskId) -> Option<BlobKey> {
        let is_blob = self.bytes.len() > self.max_inline_bytes;
        is_blob.then_some(BlobKey(id, self.part))
    }

    fn blob(&self, id: TaskId) -> Option<(BlobKey, Rc<[u8]>)> {
        match self.bytes {
            Bytes::Inline(bytes) => Some((self.blob_key(id)?, bytes.clone())),
            Bytes::Blob { .. } => None,
        }
    }
}

/// The parts of a task that may be blobs: its payload, its value, and its later transactions.
pub(crate) fn parts(task: &Task) -> impl Iterator<Item = Stored<'_>> {
    let later = task.versions.iter().filter_map(|version| {
        let payload = version.payload.as_ref()?;
        Some(Stored::later(version.role, version.tx, payload))
    });
    submitted_parts(&task.submission).chain(later)
}

/// Whether these are the bytes of the task's part; of a part that it has not, nobody can tell.
pub(crate) fn is_part(task: &Task, part: Part, bytes: &[u8]) -> bool {
    let known = parts(task).find(|stored| stored.part == part);
    known.is_none_or(|known| match known.bytes {
        Bytes::Inline(known) => **known == *bytes,
        Bytes::Blob { len, crc } => record::is_blob(bytes, *len, *crc),
    })
}

/// The same of a submission.
pub(crate) fn submitted_parts(submission: &Submission) -> impl Iterator<Item = Stored<'_>> {
    let payload = submission.signed();
    let payload = payload.map(|signed| (Part::Payload, &signed.payload));
    let value = match &submission.value {
        Value::Given(bytes) => Some((Part::Value, bytes)),
        Value::Calldata(_) => None,
    };
    let parts = payload.into_iter().chain(value);
    parts.map(|(part, bytes)| Stored {
        part,
        bytes,
        max_inline_bytes: record::MAX_INLINE_BYTES,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::MAX_NAME_BYTES;
    use crate::tags::{MAX_TAG_NAME_BYTES, MAX_TAG_VALUE_BYTES, MAX_TAGS};
    use crate::task::{
        After, Content, MAX_AFTER, MAX_UPDATE_BYTES, MAX_VERSIONS, Milestone, Order, Reason,
        Signed, State, Version,
    };

    fn record(n: u128) -> Record {
        Record::Cleaned(0, vec![TaskId(n)])
    }

    /// A task with all that it may get, each part as long as a record takes it.
    fn largest() -> Task {
        let name = |len: usize| "n".repeat(len);
        let bytes = |len: usize| Bytes::Inline(vec![0; len].into());
        let submission = Submission {
            id: TaskId(u128::MAX),
            lane: name(MAX_NAME_BYTES),
            key: name(crate::cache::MAX_KEY_BYTES),
            value: Value::Given(bytes(record::MAX_INLINE_BYTES)),
            content: Content::Signed(Signed {
                tx: Hash([255; 32]),
                nonce: u64::MAX,
                payload: bytes(record::MAX_INLINE_BYTES),
            }),
            idempotency_key: Some(name(MAX_NAME_BYTES)),
            tags: vec![(name(MAX_TAG_NAME_BYTES), name(MAX_TAG_VALUE_BYTES)); MAX_TAGS],
            update: Some(name(MAX_UPDATE_BYTES)),
            after: Some(After {
                tasks: vec![TaskId(u128::MAX); MAX_AFTER],
                until: Milestone::Final,
            }),
            created_ms: u64::MAX,
        };
        let order = Order {
            segment: u64::MAX,
            index: u32::MAX,
        };
        let version = |role| Version {
            role,
            tx: Hash([255; 32]),
            payload: Some(bytes(record::max_inline_bytes(role))),
        };
        Task {
            state: State::Failed {
                reason: Reason::Rejected,
                cause: name(crate::cache::MAX_CAUSE_BYTES),
                by: Some(Hash([255; 32])),
            },
            nonce_given: Some(u64::MAX),
            nonce_from: Some(u64::MAX),
            versions: vec![version(Role::Replacement); MAX_VERSIONS],
            ..Task::new(submission, order)
        }
    }

    #[test]
    fn the_largest_task_fits_in_a_segment_and_what_is_longer_is_a_blob() {
        let mut signed_here = largest();
        signed_here.submission.content = Content::Draft("n".repeat(MAX_NAME_BYTES));
        signed_here.versions[0] = Version {
            role: Role::Original,
            payload: Some(Bytes::Inline(vec![0; record::MAX_INLINE_BYTES].into())),
            ..signed_here.versions[0].clone()
        };
        for task in [largest(), signed_here] {
            assert_eq!(blobs_of(&task), Vec::new());
            let frame = record::frame(&Record::Snapshot(task.clone().into()));
            assert!(record::HEADER_LEN + frame.len() <= MAX_SEGMENT_BYTES);
            for stored in parts(&task) {
                let longer: Rc<[u8]> = vec![0; stored.bytes.len() + 1].into();
                let bytes = &Bytes::Inline(longer.clone());
                let blob = Stored { bytes, ..stored }.blob(TaskId(1));
                assert_eq!(blob, Some((BlobKey(TaskId(1), stored.part), longer)));
            }
        }
    }

    fn folded(log: &mut Log) -> Vec<(u64, usize)> {
        let mut keys = Vec::new();
        while let Some(fold) = log.next_fold() {
            let count = match fold.origin {
                Origin::Own(records) => records.len(),
                Origin::Stored(bytes) => {
                    record::read(&bytes).map_or(0, |contents| contents.records.len())
                }
            };
            keys.push((fold.key, count));
        }
        keys
    }

    #[test]
    fn what_is_queued_meanwhile_goes_in_the_next_commit_together() {
        let mut log = Log::default();
        log.append(record(1), None);
        let first = log.next_commit().unwrap();
        for n in 2..5 {
            log.append(record(n), None);
        }
        assert_eq!(log.next_commit(), None, "one commit at a time");
        log.committed(first.id, 1);
        let second = log.next_commit().unwrap();
        assert_eq!(second.segments.len(), 1);
        log.committed(second.id, 2);
        assert_eq!(folded(&mut log), [(1, 1), (2, 3)]);
    }

    #[test]
    fn segments_stay_under_their_limit() {
        let mut log = Log::default();
        let big = Record::Cleaned(0, (0..2_000).map(TaskId).collect());
        for _ in 0..4 {
            log.append(big.clone(), None);
        }
        let commit = log.next_commit().unwrap();
        assert_eq!(commit.segments.len(), 4);
        assert!(
            commit
                .segments
                .iter()
                .all(|segment| segment.len() <= MAX_SEGMENT_BYTES)
        );
        log.committed(commit.id, 4);
        for segment in &commit.segments {
            let Origin::Own(own) = log.next_fold().unwrap().origin else {
                panic!("it is not its own");
            };
            let own = own.into_iter().map(|(place, record, _)| (place, record));
            let read = record::read(segment).unwrap().records;
            assert_eq!(own.collect::<Vec<_>>(), read, "each is where it says");
        }
    }

    #[test]
    fn what_a_submission_takes_is_known_before_it_is_framed_and_bounds_its_commit() {
        let record = Record::Submitted(largest().submission);
        let len = record::frame(&record).len();
        let mut log = Log::default();
        let most = MAX_COMMIT_BYTES / len;
        for _ in 0..=most {
            log.append(record.clone(), None);
        }
        assert!(log.queue_bytes() >= (most + 1) * len);
        let commit = log.next_commit().unwrap();
        assert!(commit.segments.iter().map(Vec::len).sum::<usize>() <= MAX_COMMIT_BYTES);
        assert!(log.queue_bytes() > 0, "the rest comes with the next one");
    }

    #[test]
    fn a_gap_below_the_own_append_is_loaded_first() {
        let mut log = Log::default();
        log.append(record(1), Some(7));
        let commit = log.next_commit().unwrap();
        log.committed(commit.id, 3);
        assert!(log.has_gap());
        assert_eq!(folded(&mut log), []);
        let stored = (1..=3)
            .map(|key| (key, record::single(&record(u128::from(key)))))
            .collect();
        assert!(log.loaded(0, stored));
        assert_eq!(folded(&mut log), [(1, 1), (2, 1), (3, 1)]);
    }

    #[test]
    fn a_deleted_beginning_starts_the_fold_anew() {
        let mut log = Log::default();
        assert!(log.loaded(0, vec![(1, record::single(&record(1)))]));
        assert_eq!(folded(&mut log), [(1, 1)]);
        let rest = vec![(5, record::single(&record(5)))];
        assert!(!log.loaded(1, rest.clone()));
        log.restart();
        assert!(log.loaded(0, rest));
        assert_eq!(folded(&mut log), [(5, 1)]);
    }

    #[test]
    fn an_own_beginning_that_was_cleaned_away_during_the_first_look_starts_the_fold_anew() {
        let mut log = Log::default();
        log.append(record(1), None);
        let commit = log.next_commit().unwrap();
        log.committed(commit.id, 1);
        assert_eq!(folded(&mut log), [(1, 1)]);
        let rest = vec![(8, record::single(&record(8)))];
        assert!(!log.loaded(0, rest.clone()));
        log.restart();
        assert!(log.loaded(0, rest));
        assert_eq!(folded(&mut log), [(8, 1)]);
    }

    #[test]
    fn an_own_cleaning_during_a_look_leaves_the_fold_alone() {
        let mut log = Log::default();
        let stored = |key: u64| vec![(key, record::single(&record(u128::from(key))))];
        assert!(log.loaded(0, stored(5)));
        assert_eq!(folded(&mut log), [(5, 1)]);
        log.append(record(6), None);
        let commit = log.next_commit().unwrap();
        log.committed(commit.id, 6);
        assert_eq!(folded(&mut log), [(6, 1)]);
        assert!(log.loaded(5, stored(6)), "5 is gone, and was folded");
        assert!(!log.loaded(6, stored(8)), "7 may be gone");
        assert!(!log.loaded(6, Vec::new()), "all is gone");
    }

    #[test]
    fn a_number_that_was_never_used_holds_nothing_up() {
        let mut log = Log::default();
        let stored = |keys: &[u64]| {
            keys.iter()
                .map(|key| (*key, record::single(&record(u128::from(*key)))))
                .collect()
        };
        assert!(log.loaded(0, stored(&[1, 2, 4])));
        assert_eq!(folded(&mut log), [(1, 1), (2, 1), (4, 1)]);
        assert!(log.loaded(4, stored(&[4, 7])));
        assert_eq!(folded(&mut log), [(7, 1)]);
    }

    #[test]
    fn an_own_record_that_was_cleaned_away_is_still_answered() {
        let mut log = Log::default();
        assert!(log.loaded(0, vec![(1, record::single(&record(1)))]));
        assert_eq!(folded(&mut log), [(1, 1)]);
        log.append(record(2), Some(2));
        let commit = log.next_commit().unwrap();
        log.committed(commit.id, 3);
        let rest = vec![(9, record::single(&record(9)))];
        assert!(!log.loaded(1, rest.clone()));
        log.restart();
        assert!(log.loaded(0, rest));
        assert_eq!(log.take_orphans(), [(record(2), 2)]);
        assert_eq!(folded(&mut log), [(9, 1)]);
    }

    #[test]
    fn a_failed_commit_tells_the_callers_and_keeps_the_rest() {
        let mut log = Log::default();
        log.append(record(1), Some(1));
        log.append(record(2), None);
        let commit = log.next_commit().unwrap();
        let error = Error::new(ErrorCode::StorageFailed, "aborted");
        assert_eq!(log.failed(commit.id, &error), [(1, error)]);
        let again = log.next_commit().unwrap();
        log.committed(again.id, 1);
        assert_eq!(folded(&mut log), [(1, 1)]);
    }

    #[test]
    fn over_quota_each_record_goes_by_itself() {
        let mut log = Log::default();
        for ask in 1..=2 {
            log.append(record(u128::from(ask)), Some(ask));
        }
        let commit = log.next_commit().unwrap();
        let error = Error::new(ErrorCode::QuotaExceeded, "full");
        assert_eq!(log.failed(commit.id, &error), []);
        let first = log.next_commit().unwrap();
        assert_eq!(log.failed(first.id, &error), [(1, error)]);
        let second = log.next_commit().unwrap();
        log.committed(second.id, 1);
        assert_eq!(folded(&mut log), [(1, 1)]);
    }

    #[test]
    fn what_nobody_waits_for_may_be_forgotten_before_it_is_committed() {
        let mut log = Log::default();
        log.append(record(1), Some(1));
        log.append(record(2), None);
        log.append(record(3), None);
        log.retain_queued(|kept| *kept == record(3));
        let commit = log.next_commit().unwrap();
        assert_eq!(log.queue_bytes(), 0);
        let read = |bytes: &Vec<u8>| record::read(bytes).unwrap().records;
        let kept = commit
            .segments
            .iter()
            .flat_map(read)
            .map(|(_, record)| record);
        assert_eq!(kept.collect::<Vec<_>>(), [record(1), record(3)]);
    }

    #[test]
    fn what_is_followed_by_a_send_must_last_and_a_submission_need_not() {
        let event = |event| Record::Event(TaskId(1), event);
        let signing = Event::SignStarted {
            nonce: None,
            from: None,
            sends: true,
        };
        let cases = [
            (record(1), false),
            (Record::Closed, false),
            (event(Event::Accepted), false),
            (event(Event::NotSent), true),
            (event(Event::Retried { in_doubt: false }), true),
            (event(Event::Broadcast(Hash([1; 32]))), true),
            (event(Event::Discarded), true),
            (event(Event::SendStarted), true),
            (event(signing), true),
            (event(Event::Cancelled), true),
        ];
        for (record, is_strict) in cases {
            let mut log = Log::default();
            log.append(event(Event::Accepted), None);
            log.append(record.clone(), None);
            let commit = log.next_commit().unwrap();
            assert_eq!(commit.is_strict, is_strict, "{record:?}");
        }
    }

    #[test]
    fn what_is_to_be_tried_again_keeps_its_order_and_its_callers() {
        let mut log = Log::default();
        for ask in 1..=2 {
            log.append(record(u128::from(ask)), Some(ask));
        }
        let commit = log.next_commit().unwrap();
        log.append(record(3), Some(3));
        let bytes = log.queue_bytes();
        log.requeue(commit.id);
        assert!(log.is_still() && log.queue_bytes() > bytes);
        let again = log.next_commit().unwrap();
        log.committed(again.id, 1);
        let fold = log.next_fold().unwrap();
        let Origin::Own(records) = fold.origin else {
            panic!("it is not its own");
        };
        let asks: Vec<_> = records.iter().filter_map(|(.., ask)| *ask).collect();
        assert_eq!(asks, [1, 2, 3]);
    }

    #[test]
    fn whoever_waits_behind_a_record_that_finds_no_room_is_told_too() {
        let mut log = Log::default();
        log.append(record(1), None);
        log.append(record(2), Some(2));
        let commit = log.next_commit().unwrap();
        let error = Error::new(ErrorCode::QuotaExceeded, "full");
        assert_eq!(log.failed(commit.id, &error), []);
        assert!(log.goes_one_by_one());
        let first = log.next_commit().unwrap();
        assert_eq!(log.failed(first.id, &error), [(2, error)]);
        assert!(!log.goes_one_by_one());
        let again = log.next_commit().unwrap();
        log.committed(again.id, 1);
        assert_eq!(folded(&mut log), [(1, 1)], "the other one is tried again");
    }
}
