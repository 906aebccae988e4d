//! The bytes of an exported backup: a file to keep, or to take to another browser.
//!
//! It is a row of the log's frames (`record`), each with its own checksum: the head twice, so that no single damage costs
//! it; then each task as a snapshot, and right before it what of its bytes is too long for a segment; then the end. The
//! head is a text that says what the file is, the format version, the chain's id, the account, and when it was made; the
//! end is how many tasks there are. Whatever reads it trusts nothing of it.

use crate::log::{BlobKey, Part, blobs_of};
use crate::ordered::OrderedMap;
use crate::record::{self, Reader as BodyReader, Writer};
use crate::task::{Bytes, Task, TaskId, Value};
use std::rc::Rc;

/// The format version that this package writes, and the newest that it reads.
pub const VERSION: u64 = 1;

const MAGIC: &[u8] = b"uplink-cache backup";
const KIND_TASK: u8 = record::KIND_SNAPSHOT;
const KIND_HEAD: u8 = 32;
const KIND_BLOB: u8 = 33;
const KIND_END: u8 = 34;
/// The longest frame: a payload of a MiB, and room for names.
const MAX_FRAME_BYTES: usize = 1024 * 1024 + 64 * 1024;
/// How far into the file its head is looked for.
const MAX_HEAD_BYTES: u64 = 64 * 1024;
/// What may be checked in vain in search of the next whole frame: a file that was made to cost time ends there.
const MAX_SEARCH_BYTES: usize = 64 * 1024 * 1024;
/// How many blobs one task has at the most: its payload, its value, and its later transactions.
const MAX_BLOBS: usize = 2 + crate::task::MAX_VERSIONS;

/// What a file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The chain that its payloads are signed for.
    pub chain_id: u64,
    /// The account, or nothing: a handle of one cannot read another's.
    pub account: String,
    /// Wall-clock milliseconds since 1970.
    pub created_ms: u64,
}

/// The beginning of a file.
pub fn head(head: &Head) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.bytes(MAGIC);
    writer.number(VERSION);
    writer.number(head.chain_id);
    writer.bytes(head.account.as_bytes());
    writer.number(head.created_ms);
    let frame = writer.seal(KIND_HEAD);
    [frame.as_slice(), &frame].concat()
}

/// A task, with all of its bytes that are at hand.
pub fn task(task: &Task) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (BlobKey(id, part), blob) in blobs_of(task) {
        let mut writer = Writer::default();
        writer.id(id);
        match part {
            Part::Payload => writer.byte(0),
            Part::Value => writer.byte(1),
            Part::Transaction(tx) => {
                writer.byte(2);
                writer.hash(tx);
            }
        }
        writer.bytes(&blob);
        bytes.extend(writer.seal(KIND_BLOB));
    }
    let mut writer = Writer::default();
    writer.task(task);
    bytes.extend(writer.seal(KIND_TASK));
    bytes
}

/// The end of a file of so many tasks.
pub fn end(tasks: u64) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.number(tasks);
    writer.seal(KIND_END)
}

/// Why a file is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// It is no backup, or both of its heads are damaged.
    NoBackup,
    /// A newer version of this package wrote it.
    Newer(u64),
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// It comes first.
    Head(Head),
    /// A task with all of its bytes.
    Task(Box<Task>),
    /// A task of whose bytes a part is damaged, or missing.
    Partial(TaskId),
}

/// Reads a file piece by piece. It holds one piece and one task at the most.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
    /// Bytes of the buffer that are read.
    at: usize,
    /// Bytes of the file before the buffer.
    before: u64,
    head: Option<Head>,
    /// Of the task that comes next.
    blobs: OrderedMap<BlobKey, Rc<[u8]>>,
    damaged: u64,
    is_in_damage: bool,
    searched: usize,
    tasks: u64,
    partial: u64,
    /// How many tasks the file says to have.
    end: Option<u64>,
}

/// What is at the front.
enum Front {
    Frame(u8, usize),
    /// It may be one, of which a part is not there yet.
    Begun,
    Other,
}

impl Reader {
    /// Takes the next piece of the file.
    pub fn push(&mut self, bytes: &[u8]) {
        self.before += self.at as u64;
        self.buffer.drain(..self.at);
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next thing in it; nothing while its rest is not there yet. `is_last`: there is no further piece.
    ///
    /// # Errors
    /// The file cannot be read at all.
    pub fn next(&mut self, is_last: bool) -> Result<Option<Item>, Unreadable> {
        loop {
            if self.head.is_none() && self.before + self.at as u64 > MAX_HEAD_BYTES {
                return Err(Unreadable::NoBackup);
            }
            if self.at >= self.buffer.len() || self.end.is_some() {
                self.skip_rest();
                return match &self.head {
                    None if is_last => Err(Unreadable::NoBackup),
                    None | Some(_) => Ok(None),
                };
            }
            match self.front() {
                Front::Begun if !is_last => return Ok(None),
                Front::Frame(kind, len) => {
                    let item = self.take(kind, len)?;
                    self.at += len;
                    self.is_in_damage = false;
                    if item.is_some() {
                        return Ok(item);
                    }
                }
                Front::Begun | Front::Other => self.skip(),
            }
        }
    }

    /// How many places in the file cannot be read.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Whether the file was read to its end, and all its tasks were in it.
    pub fn is_complete(&self) -> bool {
        self.end == Some(self.tasks) && self.partial == 0
    }

    fn front(&mut self) -> Front {
        let rest = &self.buffer[self.at..];
        let Some((kind, len)) = record::frame_header(rest) else {
            let is_begun = record::is_marker(rest[0]) && rest.len() < record::FRAME_HEADER_LEN;
            return if is_begun { Front::Begun } else { Front::Other };
        };
        let is_known = matches!(kind, KIND_TASK | KIND_HEAD | KIND_BLOB | KIND_END);
        if !is_known || len > MAX_FRAME_BYTES {
            return Front::Other;
        }
        if len > rest.len() {
            return Front::Begun;
        }
        if record::open_frame(rest).is_some() {
            return Front::Frame(kind, len);
        }
        self.searched += len;
        Front::Other
    }

    /// Something that is no frame: on to what may be the next one.
    fn skip(&mut self) {
        if !self.is_in_damage {
            self.is_in_damage = true;
            self.damaged += 1;
        }
        if self.searched > MAX_SEARCH_BYTES {
            self.at = self.buffer.len();
            return;
        }
        let rest = &self.buffer[self.at + 1..];
        let next = rest.iter().position(|byte| record::is_marker(*byte));
        self.at = next.map_or(self.buffer.len(), |next| self.at + 1 + next);
    }

    /// Nothing comes behind the end.
    fn skip_rest(&mut self) {
        if self.at < self.buffer.len() && !self.is_in_damage {
            self.is_in_damage = true;
            self.damaged += 1;
        }
        self.at = self.buffer.len();
    }

    fn take(&mut self, kind: u8, len: usize) -> Result<Option<Item>, Unreadable> {
        let frame = &self.buffer[self.at..self.at + len];
        let mut body = BodyReader(&frame[record::FRAME_HEADER_LEN..]);
        if kind == KIND_HEAD {
            let head = read_head(&mut body)?;
            return Ok(match (&self.head, head) {
                (None, Some(head)) => {
                    self.head = Some(head.clone());
                    Some(Item::Head(head))
                }
                (Some(known), Some(head)) if *known == head => None,
                (_, Some(_) | None) => {
                    self.damaged += 1;
                    None
                }
            });
        }
        if self.head.is_none() {
            return Err(Unreadable::NoBackup);
        }
        let item = match kind {
            KIND_BLOB => {
                let blob = read_blob(&mut body);
                return Ok(self.keep(blob));
            }
            KIND_END => {
                self.end = body.number();
                return Ok(None);
            }
            _ => body.task().filter(|_| body.0.is_empty()),
        };
        let Some(mut task) = item else {
            self.damaged += 1;
            return Ok(None);
        };
        self.tasks += 1;
        let blobs = std::mem::take(&mut self.blobs);
        let id = task.submission.id;
        Ok(Some(if fill(&mut task, &blobs) {
            Item::Task(Box::new(task))
        } else {
            self.partial += 1;
            Item::Partial(id)
        }))
    }

    fn keep(&mut self, blob: Option<(BlobKey, Rc<[u8]>)>) -> Option<Item> {
        let Some((key, bytes)) = blob else {
            self.damaged += 1;
            return None;
        };
        // What another task has left belongs to none: its record is damaged.
        self.blobs.retain(|BlobKey(id, _), _| *id == key.0);
        if self.blobs.len() < MAX_BLOBS {
            self.blobs.insert(key, bytes);
        }
        None
    }
}

fn read_head(body: &mut BodyReader<'_>) -> Result<Option<Head>, Unreadable> {
    if body.bytes() != Some(MAGIC) {
        return Ok(None);
    }
    // What comes behind the version is its own.
    match body.number() {
        Some(version) if version > VERSION => return Err(Unreadable::Newer(version)),
        Some(_) => {}
        None => return Ok(None),
    }
    let mut read = || {
        Some(Head {
            chain_id: body.number()?,
            account: body.text()?,
            created_ms: body.number()?,
        })
    };
    Ok(read())
}

fn read_blob(body: &mut BodyReader<'_>) -> Option<(BlobKey, Rc<[u8]>)> {
    let id = body.id()?;
    let part = match body.byte()? {
        0 => Part::Payload,
        1 => Part::Value,
        2 => Part::Transaction(body.hash()?),
        _ => return None,
    };
    let bytes = body.bytes()?.into();
    body.0.is_empty().then_some((BlobKey(id, part), bytes))
}

/// Puts bytes that are kept apart into the task, where they are what it says of them. Whether it has all of its bytes then.
pub fn fill(task: &mut Task, blobs: &OrderedMap<BlobKey, Rc<[u8]>>) -> bool {
    let id = task.submission.id;
    let mut is_whole = true;
    let mut put = |part, bytes: &mut Bytes| {
        let Bytes::Blob { len, crc } = *bytes else {
            return;
        };
        let is_it = |blob: &&Rc<[u8]>| record::is_blob(blob, len, crc);
        match blobs.get(&BlobKey(id, part)).filter(is_it) {
            Some(blob) => *bytes = Bytes::Inline(blob.clone()),
            None => is_whole = false,
        }
    };
    if let crate::task::Content::Signed(signed) = &mut task.submission.content {
        put(Part::Payload, &mut signed.payload);
    }
    if let Value::Given(value) = &mut task.submission.value {
        put(Part::Value, value);
    }
    for version in &mut task.versions {
        if let Some(payload) = &mut version.payload {
            put(Part::Transaction(version.tx), payload);
        }
    }
    is_whole
}

// proptest does not compile for browsers.
#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use super::*;
    use crate::task::{Content, Hash, Order, Role, Signed, Submission, Version};
    use proptest::prelude::*;
    use std::ops::Range;

    fn head_of(account: &str) -> Head {
        Head {
            chain_id: 1,
            account: account.into(),
            created_ms: 5,
        }
    }

    /// A task whose bytes are of these lengths: payload, value, and a later transaction's.
    fn a_task(n: u8, lens: (usize, usize, Option<usize>)) -> Task {
        let bytes = |len| Bytes::Inline(vec![n; len].into());
        let submission = Submission {
            id: TaskId(u128::from(n)),
            lane: String::new(),
            key: format!("key {n}"),
            value: Value::Given(bytes(lens.1)),
            content: Content::Signed(Signed {
                tx: Hash([n; 32]),
                nonce: u64::from(n),
                payload: bytes(lens.0),
            }),
            idempotency_key: None,
            tags: Vec::new(),
            update: None,
            after: None,
            created_ms: 7,
        };
        let order = Order {
            segment: u64::from(n),
            index: 12,
        };
        let mut task = Task::new(submission, order);
        task.versions = lens.2.map_or(vec![], |len| {
            vec![Version {
                role: Role::Replacement,
                tx: Hash([n + 100; 32]),
                payload: Some(bytes(len)),
            }]
        });
        task
    }

    /// The file, and where each task is in it.
    fn file(tasks: &[Task]) -> (Vec<u8>, Vec<Range<usize>>) {
        let mut bytes = head(&head_of(""));
        let mut places = Vec::new();
        for written in tasks {
            let from = bytes.len();
            bytes.extend(task(written));
            places.push(from..bytes.len());
        }
        bytes.extend(end(tasks.len() as u64));
        (bytes, places)
    }

    fn read(bytes: &[u8], piece: usize) -> Result<(Vec<Item>, Reader), Unreadable> {
        let mut reader = Reader::default();
        let mut items = Vec::new();
        let mut pieces = bytes.chunks(piece).peekable();
        loop {
            let piece = pieces.next().unwrap_or_default();
            let is_last = pieces.peek().is_none();
            reader.push(piece);
            while let Some(item) = reader.next(is_last)? {
                items.push(item);
            }
            if is_last {
                return Ok((items, reader));
            }
        }
    }

    fn tasks_of(items: &[Item]) -> Vec<&Task> {
        let tasks = items.iter().filter_map(|item| match item {
            Item::Task(task) => Some(&**task),
            Item::Head(_) | Item::Partial(_) => None,
        });
        tasks.collect()
    }

    #[test]
    fn what_is_no_backup_is_refused() {
        let long = vec![0xa5; 300_000];
        for bytes in [&[][..], b"{}", &long, &task(&a_task(1, (1, 1, None)))] {
            assert_eq!(read(bytes, 1_000).unwrap_err(), Unreadable::NoBackup);
        }
    }

    #[test]
    fn a_newer_format_is_refused_whatever_is_in_it() {
        let mut writer = Writer::default();
        writer.bytes(MAGIC);
        writer.number(VERSION + 1);
        writer.bytes(b"what this version does not know");
        let bytes = writer.seal(KIND_HEAD);
        let newer = Unreadable::Newer(VERSION + 1);
        assert_eq!(read(&bytes, 1_000).unwrap_err(), newer);
    }

    #[test]
    fn a_file_that_was_cut_off_says_so() {
        let tasks = [a_task(1, (10, 10, None)), a_task(2, (10, 10, None))];
        let (bytes, places) = file(&tasks);
        let (items, reader) = read(&bytes[..places[1].end], 64).unwrap();
        assert_eq!(tasks_of(&items).len(), 2);
        assert!(!reader.is_complete());
    }

    #[test]
    fn a_task_without_its_bytes_is_named() {
        let (bytes, places) = file(&[
            a_task(1, (20_000, 20_000, Some(20_000))),
            a_task(2, (10, 10, None)),
        ]);
        let mut torn = bytes.clone();
        torn[places[0].start + 500] ^= 1;
        let (items, reader) = read(&torn, 4_096).unwrap();
        assert_eq!(items[1], Item::Partial(TaskId(1)));
        assert_eq!(tasks_of(&items).len(), 1);
        assert_eq!(reader.damaged(), 1);
        assert!(!reader.is_complete());
    }

    #[test]
    fn a_file_made_to_cost_time_ends() {
        // Each ten bytes say that a MiB follows them.
        let mut bytes = head(&head_of(""));
        for _ in 0..200_000 {
            bytes.extend([0xa5, KIND_BLOB, 0, 0, 0x10, 0, 0, 0, 0, 0]);
        }
        let (items, reader) = read(&bytes, 1024 * 1024).unwrap();
        assert_eq!(items.len(), 1);
        assert!(reader.searched <= MAX_SEARCH_BYTES + MAX_FRAME_BYTES);
    }

    fn arb_tasks() -> impl Strategy<Value = Vec<Task>> {
        let len = || prop_oneof![4 => 0..300_usize, 1 => 16_000..18_000_usize];
        let lens = (len(), len(), prop::option::of(len()));
        prop::collection::vec(lens, 0..8).prop_map(|lens| {
            let tasks = lens.into_iter().zip(1..);
            tasks.map(|(lens, n)| a_task(n, lens)).collect()
        })
    }

    proptest! {
        #[test]
        fn a_file_gives_back_what_it_was_made_of(tasks in arb_tasks(), piece in 1..40_000_usize) {
            let (bytes, _) = file(&tasks);
            let (items, reader) = read(&bytes, piece).unwrap();
            prop_assert_eq!(&items[0], &Item::Head(head_of("")));
            prop_assert_eq!(tasks_of(&items), tasks.iter().collect::<Vec<_>>());
            prop_assert_eq!(reader.damaged(), 0);
            prop_assert!(reader.is_complete());
        }

        #[test]
        fn flips_cost_no_other_task(
            tasks in arb_tasks(),
            flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..6),
            piece in 1..40_000_usize,
        ) {
            let (mut bytes, places) = file(&tasks);
            let flips: Vec<_> = flips.iter().map(|(at, with)| (at.index(bytes.len()), *with)).collect();
            for (at, with) in &flips {
                bytes[*at] ^= with;
            }
            let whole = file(&tasks).0;
            let heads = head(&head_of("")).len();
            let is_whole = |range: &Range<usize>| bytes[range.clone()] == whole[range.clone()];
            let has_head = is_whole(&(0..heads / 2)) || is_whole(&(heads / 2..heads));
            match read(&bytes, piece) {
                Ok((items, reader)) => {
                    let found = tasks_of(&items);
                    let alive = tasks.iter().zip(&places).filter(|(_, place)| is_whole(place));
                    for (task, _) in alive {
                        prop_assert!(found.contains(&task));
                    }
                    prop_assert!(found.iter().all(|task| tasks.contains(task)));
                    prop_assert!(bytes == whole || reader.damaged() > 0);
                }
                Err(unreadable) => prop_assert!(!has_head, "{:?}", unreadable),
            }
        }

        #[test]
        fn a_cut_costs_only_what_is_behind_it(tasks in arb_tasks(), at in any::<prop::sample::Index>()) {
            let (bytes, places) = file(&tasks);
            let cut = at.index(bytes.len());
            if let Ok((items, reader)) = read(&bytes[..cut], 1_000) {
                let whole = places.iter().filter(|place| place.end <= cut).count();
                prop_assert_eq!(tasks_of(&items), tasks[..whole].iter().collect::<Vec<_>>());
                prop_assert!(!reader.is_complete());
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000), has_head in any::<bool>()) {
            let head = if has_head { head(&head_of("")) } else { vec![] };
            let _ = read(&[head, bytes].concat(), 100);
        }
    }
}
