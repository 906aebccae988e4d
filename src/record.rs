//! What the log holds: records, framed and checked, packed into segments.
//!
//! A segment is a header (magic `uc`, format version u16, length of the rest u32, CRC-32 of these 8 bytes) and then
//! frames: a marker byte, kind u8, body length u32, CRC-32 of marker to body, body. All numbers are little-endian;
//! inside bodies integers are varints (LEB128). A damaged frame is skipped by searching for the next whole one.

mod reader;
mod writer;

pub(crate) use reader::Reader;
pub(crate) use writer::Writer;

use crate::crc;
use crate::index::IndexPage;
use crate::task::{Event, Inclusion, Order, Role, Submission, Tag, Task, TaskId};
use std::ops::Range;
use std::rc::Rc;

/// The format version that this package writes, and the newest that it reads.
pub const VERSION: u16 = 1;
/// Bytes before the first frame of a segment.
pub const HEADER_LEN: usize = 12;

/// Longer payloads and values are kept in the `blobs` store: the record holds their length and checksum.
pub const MAX_INLINE_BYTES: usize = 16 * 1024;
/// The same for what replaces or cancels: a whole task, with all that it may get, fits in a segment.
const MAX_LATER_INLINE_BYTES: usize = 1024;

/// Up to which length a transaction is in the task's record.
pub fn max_inline_bytes(role: Role) -> usize {
    match role {
        Role::Original => MAX_INLINE_BYTES,
        Role::Replacement | Role::Cancellation => MAX_LATER_INLINE_BYTES,
    }
}

const MAGIC: [u8; 2] = *b"uc";
const MARKER: u8 = 0xa5;
/// Bytes before the body of a frame.
pub(crate) const FRAME_HEADER_LEN: usize = 10;

/// CRC-32 (ISO HDLC) of the bytes.
pub fn checksum(bytes: &[u8]) -> u32 {
    crc::checksum([bytes])
}

/// Whether these are the bytes of which a record knows the length and the checksum.
pub(crate) fn is_blob(bytes: &[u8], len: u32, crc: u32) -> bool {
    bytes.len() == len as usize && checksum(bytes) == crc
}

/// One entry of the log, or of the `values` store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A task begins.
    Submitted(Submission),
    /// Something happened to a task.
    Event(TaskId, Event),
    /// A whole task, appended anew when the log is cleaned.
    Snapshot(Rc<Task>),
    /// A task begins that came out of a file. Its place is where it stands now.
    Imported(Rc<Task>),
    /// The log was cleaned: segments up to a key are gone, and the values of these tasks moved to the `values` store.
    Cleaned(u64, Vec<TaskId>),
    /// A settled value, in the `values` store.
    Settled(Settled),
    /// A tab left in order: no write of its was under way.
    Closed,
    /// Where the log tells of what.
    Index(IndexPage),
}

/// A value that is final on the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The transaction that wrote it, and where it stands.
    pub inclusion: Inclusion,
    /// Whether the value is calldata, which the codec did not encode.
    pub is_calldata: bool,
    /// What reads get.
    pub value: Rc<[u8]>,
    /// The place of the key's first write, which lists keep. Databases of version 2 do not have it, nor tags.
    pub born: Option<Order>,
    /// What the submission said of itself.
    pub tags: Vec<Tag>,
    /// Where updates made it of another one.
    pub stacked: Option<Stacked>,
}

/// What is known of a settled value that updates made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stacked {
    /// Where the newest write in it stands that is no update, if there is one: block and index.
    pub base: Option<(u64, u32)>,
    /// How far the log went when it was stored. Whoever has not read further does not know yet which updates it holds.
    pub as_of: u64,
}

/// The settled value that a segment of the `values` store holds, if it can be read.
pub fn settled(bytes: &[u8]) -> Option<Settled> {
    let contents = read(bytes).ok()?;
    match contents.records.into_iter().next()? {
        (_, Record::Settled(settled)) => Some(settled),
        (
            _,
            Record::Submitted(_)
            | Record::Event(..)
            | Record::Snapshot(..)
            | Record::Imported(..)
            | Record::Cleaned(..)
            | Record::Closed
            | Record::Index(_),
        ) => None,
    }
}

/// Something that was stored and cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// Where in the segment it begins.
    pub offset: usize,
    /// How many bytes are set aside.
    pub len: usize,
}

/// What a segment holds: its whole records by their offset, and what is damaged.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Each record with the place of its frame.
    pub records: Vec<(Range<u32>, Record)>,
    /// The first damage found, if any.
    pub damage: Option<Damage>,
}

/// The segment is of a format that this package does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewerFormat(pub u16);

/// Packs frames into one segment.
#[derive(Debug)]
pub struct Segment {
    bytes: Vec<u8>,
    frames: usize,
}

impl Default for Segment {
    fn default() -> Self {
        Segment::with_room(0)
    }
}

impl Segment {
    /// An empty one, which has room for so many bytes of frames.
    pub fn with_room(bytes: usize) -> Self {
        let mut segment = Vec::with_capacity(HEADER_LEN + bytes);
        segment.resize(HEADER_LEN, 0);
        Segment {
            bytes: segment,
            frames: 0,
        }
    }

    /// Bytes so far; the offset of the next frame.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// How many frames it holds.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// How many frames it holds, and its bytes.
    pub fn shape(&self) -> (usize, u32) {
        (self.frames, self.len() as u32)
    }

    /// Whether it holds no frame.
    pub fn is_empty(&self) -> bool {
        self.frames == 0
    }

    /// Adds a record, as a frame of so many bytes.
    pub fn push(&mut self, record: &Record) -> usize {
        let offset = self.len();
        add_frame(&mut self.bytes, record);
        self.frames += 1;
        self.len() - offset
    }

    /// Adds a frame as it is.
    pub fn push_frame(&mut self, frame: &[u8]) {
        self.bytes.extend_from_slice(frame);
        self.frames += 1;
    }

    /// Moves the last frame, of so many bytes, to another segment, which has room for so many more.
    pub fn split_last(&mut self, frame_len: usize, room: usize) -> Segment {
        let mut next = Segment::with_room(frame_len + room);
        let offset = self.len() - frame_len;
        next.push_frame(&self.bytes[offset..]);
        self.bytes.truncate(offset);
        self.frames -= 1;
        next
    }

    /// The finished segment.
    pub fn finish(mut self) -> Vec<u8> {
        let body_len = (self.len() - HEADER_LEN) as u32;
        let header = &mut self.bytes[..HEADER_LEN];
        header[..2].copy_from_slice(&MAGIC);
        header[2..4].copy_from_slice(&VERSION.to_le_bytes());
        header[4..8].copy_from_slice(&body_len.to_le_bytes());
        let crc = checksum(&header[..8]);
        header[8..].copy_from_slice(&crc.to_le_bytes());
        self.bytes
    }
}

/// One record as a frame.
pub fn frame(record: &Record) -> Vec<u8> {
    let mut frame = Vec::new();
    add_frame(&mut frame, record);
    frame
}

/// Adds a record as a frame to what is there.
fn add_frame(bytes: &mut Vec<u8>, record: &Record) {
    let from = bytes.len();
    bytes.extend_from_slice(&[0; FRAME_HEADER_LEN]);
    let mut writer = Writer(std::mem::take(bytes));
    let kind = writer.record(record);
    *bytes = writer.0;
    seal(&mut bytes[from..], kind);
}

/// The kind and the body of the frame at the front, and its length, if it is whole.
pub(crate) fn open_frame(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (kind, len) = frame_header(bytes)?;
    let frame = bytes.get(..len)?;
    let is_whole = frame[6..FRAME_HEADER_LEN] == frame_checksum(frame).to_le_bytes();
    is_whole.then_some((kind, &frame[FRAME_HEADER_LEN..], len))
}

/// What the header of a frame at the front says, right or not: its kind, and its whole length.
pub(crate) fn frame_header(bytes: &[u8]) -> Option<(u8, usize)> {
    let header: &[u8; FRAME_HEADER_LEN] = bytes.first_chunk()?;
    let body_len = u32::from_le_bytes([header[2], header[3], header[4], header[5]]) as usize;
    let len = FRAME_HEADER_LEN.checked_add(body_len)?;
    (header[0] == MARKER).then_some((header[1], len))
}

/// Whether a frame may begin with this byte.
pub(crate) fn is_marker(byte: u8) -> bool {
    byte == MARKER
}

/// Fills in the header of a frame, for which its bytes begin with room.
fn seal(frame: &mut [u8], kind: u8) {
    let body_len = (frame.len() - FRAME_HEADER_LEN) as u32;
    frame[0] = MARKER;
    frame[1] = kind;
    frame[2..6].copy_from_slice(&body_len.to_le_bytes());
    let crc = frame_checksum(frame);
    frame[6..FRAME_HEADER_LEN].copy_from_slice(&crc.to_le_bytes());
}

/// One record alone in a segment, as the `values` store keeps it.
pub fn single(record: &Record) -> Vec<u8> {
    let mut segment = Segment::default();
    segment.push(record);
    segment.finish()
}

/// Reads a segment. Damage is reported and skipped; only a newer format is refused.
pub fn read(bytes: &[u8]) -> Result<Contents, NewerFormat> {
    let mut contents = Contents::default();
    let mut at = HEADER_LEN;
    match header(bytes) {
        Some((version, _)) if version > VERSION => return Err(NewerFormat(version)),
        Some((_, body_len)) if body_len == bytes.len() - HEADER_LEN => {}
        Some(_) | None => {
            contents.damage = Some(Damage {
                offset: 0,
                len: bytes.len().min(HEADER_LEN),
            })
        }
    }
    while at < bytes.len() {
        match read_frame(&bytes[at..]) {
            Some((record, len)) => {
                contents
                    .records
                    .push((at as u32..(at + len) as u32, record));
                at += len;
            }
            None => {
                let skipped = skip(&bytes[at..]);
                let damage = Damage {
                    offset: at,
                    len: skipped,
                };
                contents.damage.get_or_insert(damage);
                at += skipped;
            }
        }
    }
    Ok(contents)
}

/// Version and body length, if the header is whole.
fn header(bytes: &[u8]) -> Option<(u16, usize)> {
    let header: &[u8; HEADER_LEN] = bytes.first_chunk()?;
    let is_whole = header[..2] == MAGIC && header[8..] == checksum(&header[..8]).to_le_bytes();
    let version = u16::from_le_bytes([header[2], header[3]]);
    let body_len = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    is_whole.then_some((version, body_len as usize))
}

/// The record at the front and the length of its frame, if it is whole.
fn read_frame(bytes: &[u8]) -> Option<(Record, usize)> {
    let (kind, body, len) = open_frame(bytes)?;
    let mut reader = Reader(body);
    let record = reader.record(kind)?;
    reader.0.is_empty().then_some((record, len))
}

fn frame_checksum(frame: &[u8]) -> u32 {
    crc::checksum([&frame[..6], &frame[FRAME_HEADER_LEN..]])
}

/// Bytes until the next whole frame, or all of them.
fn skip(bytes: &[u8]) -> usize {
    (1..bytes.len())
        .find(|&at| bytes[at] == MARKER && read_frame(&bytes[at..]).is_some())
        .unwrap_or(bytes.len())
}

const KIND_SUBMITTED: u8 = 1;
const KIND_EVENT: u8 = 2;
pub(crate) const KIND_SNAPSHOT: u8 = 3;
const KIND_CLEANED: u8 = 4;
const KIND_SETTLED: u8 = 5;
const KIND_CLOSED: u8 = 6;
const KIND_IMPORTED: u8 = 7;
const KIND_INDEX: u8 = 8;

/// What a submission has, a bit each: the fields follow in this order.
const HAS_IDEMPOTENCY_KEY: u8 = 1;
const HAS_TAGS: u8 = 2;
const HAS_UPDATE: u8 = 4;
const HAS_AFTER: u8 = 8;

// proptest does not compile for browsers.
#[cfg(test)]
#[cfg(not(target_family = "wasm"))]
mod tests {
    use super::*;
    use crate::index::Name;
    use crate::task::{
        After, Block, Bytes, Content, Displaced, Hash, MAX_AFTER, Milestone, Reason, Signed, Stage,
        State, Value, Version,
    };
    use proptest::prelude::*;

    fn arb_hash() -> impl Strategy<Value = Hash> {
        any::<[u8; 32]>().prop_map(Hash)
    }

    fn arb_bytes() -> impl Strategy<Value = Bytes> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200)
                .prop_map(|bytes| Bytes::Inline(bytes.into())),
            any::<(u32, u32)>().prop_map(|(len, crc)| Bytes::Blob { len, crc }),
        ]
    }

    fn arb_inclusion() -> impl Strategy<Value = Inclusion> {
        (
            any::<u64>(),
            any::<[[u8; 32]; 2]>(),
            any::<u32>(),
            any::<bool>(),
        )
            .prop_map(|(number, [tx, hash], index, reverted)| Inclusion {
                tx: Hash(tx),
                block: Block {
                    number,
                    hash: Hash(hash),
                },
                index,
                reverted,
            })
    }

    fn arb_reason() -> impl Strategy<Value = Reason> {
        prop::sample::select(Reason::ALL)
    }

    fn arb_signed() -> impl Strategy<Value = Signed> {
        (arb_hash(), any::<u64>(), arb_bytes()).prop_map(|(tx, nonce, payload)| Signed {
            tx,
            nonce,
            payload,
        })
    }

    fn arb_role() -> impl Strategy<Value = Role> {
        prop::sample::select(Role::ALL)
    }

    fn arb_displaced() -> impl Strategy<Value = Displaced> {
        (arb_reason(), arb_inclusion())
            .prop_map(|(reason, inclusion)| Displaced { reason, inclusion })
    }

    fn arb_version() -> impl Strategy<Value = Version> {
        (arb_role(), arb_hash(), prop::option::of(arb_bytes()))
            .prop_map(|(role, tx, payload)| Version { role, tx, payload })
    }

    fn arb_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (any::<Option<u64>>(), any::<Option<u64>>(), any::<bool>())
                .prop_map(|(nonce, from, sends)| Event::SignStarted { nonce, from, sends }),
            (arb_role(), arb_signed()).prop_map(|(role, signed)| Event::Added(role, signed)),
            arb_hash().prop_map(Event::Broadcast),
            Just(Event::NotSent),
            arb_displaced().prop_map(Event::Displaced),
            any::<String>().prop_map(|cause| Event::Outrun { cause }),
            Just(Event::SendStarted),
            Just(Event::Accepted),
            (
                prop::option::of(arb_hash()),
                any::<bool>(),
                arb_reason(),
                any::<String>()
            )
                .prop_map(|(tx, exposed, reason, cause)| Event::Blocked {
                    tx,
                    exposed,
                    reason,
                    cause,
                }),
            any::<bool>().prop_map(|in_doubt| Event::Retried { in_doubt }),
            arb_inclusion().prop_map(Event::Included),
            arb_inclusion().prop_map(|inclusion| Event::Reorged(inclusion.block)),
            arb_inclusion().prop_map(|inclusion| Event::Finalized(inclusion.block)),
            (arb_hash(), any::<String>()).prop_map(|(tx, cause)| Event::Rejected { tx, cause }),
            Just(Event::Cancelled),
            Just(Event::Discarded),
            any::<(u128, String)>().prop_map(|(task, cause)| Event::DependencyFailed {
                task: TaskId(task),
                cause,
            }),
            any::<u128>().prop_map(|task| Event::DependencyFinal(TaskId(task))),
        ]
    }

    fn arb_state() -> impl Strategy<Value = State> {
        prop_oneof![
            prop::sample::select(Stage::ALL).prop_map(State::BackedUp),
            any::<bool>().prop_map(|sends| State::Signing { sends }),
            (
                prop::sample::select(Stage::ALL),
                arb_reason(),
                any::<String>()
            )
                .prop_map(|(stage, reason, cause)| State::Blocked {
                    stage,
                    reason,
                    cause,
                }),
            arb_displaced().prop_map(State::Displaced),
            Just(State::Sent),
            arb_inclusion().prop_map(State::Included),
            arb_inclusion().prop_map(State::Final),
            (arb_reason(), any::<String>(), prop::option::of(arb_hash()))
                .prop_map(|(reason, cause, by)| State::Failed { reason, cause, by }),
        ]
    }

    fn arb_tags() -> impl Strategy<Value = Vec<Tag>> {
        prop::collection::vec(any::<(String, String)>(), 0..3)
    }

    fn arb_stacked() -> impl Strategy<Value = Option<Stacked>> {
        let stacked = any::<(Option<(u64, u32)>, u64)>();
        prop::option::of(stacked.prop_map(|(base, as_of)| Stacked { base, as_of }))
    }

    fn arb_after() -> impl Strategy<Value = After> {
        let tasks = prop::collection::vec(any::<u128>().prop_map(TaskId), 1..=MAX_AFTER);
        (tasks, prop::sample::select(Milestone::ALL))
            .prop_map(|(tasks, until)| After { tasks, until })
    }

    fn arb_submission() -> impl Strategy<Value = Submission> {
        let names = any::<(u128, String, String, Option<String>, u64)>();
        let names = (names, arb_tags());
        let content = prop_oneof![
            arb_signed().prop_map(Content::Signed),
            any::<String>().prop_map(Content::Draft),
        ];
        let contents = (content, prop::option::of(arb_bytes()), any::<(u16, u16)>());
        let more = (
            prop::option::of("[a-z\u{1f600}]{1,16}"),
            prop::option::of(arb_after()),
        );
        (names, contents, more).prop_map(
            |(
                ((id, lane, key, idempotency_key, created_ms), tags),
                (content, given, cut),
                (update, after),
            )| {
                let len = match &content {
                    Content::Signed(signed) => signed.payload.len() as u64,
                    Content::Draft(_) => 0,
                };
                let end = (u64::from(cut.0) % (len + 1)) as u32;
                let start = u32::from(cut.1) % (end + 1);
                Submission {
                    id: TaskId(id),
                    lane,
                    key,
                    update: update.filter(|_| given.is_some()),
                    value: given.map_or(Value::Calldata(start..end), Value::Given),
                    content,
                    idempotency_key,
                    tags,
                    after,
                    created_ms,
                }
            },
        )
    }

    fn arb_task() -> impl Strategy<Value = Task> {
        let versions = prop::collection::vec(arb_version(), 0..3);
        let numbers = any::<(u64, u32, Option<u64>, Option<u64>)>();
        (arb_submission(), arb_state(), numbers, versions).prop_map(
            |(submission, state, (segment, index, nonce_given, nonce_from), versions)| Task {
                submission,
                order: Order { segment, index },
                state,
                nonce_given,
                nonce_from,
                versions,
            },
        )
    }

    fn arb_index_page() -> impl Strategy<Value = IndexPage> {
        let names = || prop::collection::vec(any::<Name>(), 0..9);
        (
            any::<u64>(),
            prop::collection::vec(any::<u64>(), 0..5),
            prop::collection::vec((any::<u64>(), names()), 0..5),
            prop::collection::vec(names(), 0..5),
        )
            .prop_map(|(through, pages, earlier, own)| IndexPage {
                through,
                pages,
                earlier,
                own,
            })
    }

    fn arb_record() -> impl Strategy<Value = Record> {
        prop_oneof![
            Just(Record::Closed),
            arb_index_page().prop_map(Record::Index),
            arb_submission().prop_map(Record::Submitted),
            (any::<u128>(), arb_event()).prop_map(|(id, event)| Record::Event(TaskId(id), event)),
            arb_task().prop_map(|task| Record::Snapshot(task.into())),
            arb_task().prop_map(|task| Record::Imported(task.into())),
            (
                any::<u64>(),
                prop::collection::vec(any::<u128>().prop_map(TaskId), 0..5)
            )
                .prop_map(|(through, ids)| Record::Cleaned(through, ids)),
            (
                arb_inclusion(),
                any::<bool>(),
                prop::collection::vec(any::<u8>(), 0..200),
                prop::option::of((any::<(u64, u32)>(), arb_tags(), arb_stacked()))
            )
                .prop_map(|(inclusion, is_calldata, value, more)| {
                    let stacked = more.as_ref().and_then(|(.., stacked)| *stacked);
                    let born = more.as_ref().map(|((segment, index), ..)| Order {
                        segment: *segment,
                        index: *index,
                    });
                    Record::Settled(Settled {
                        inclusion,
                        is_calldata,
                        value: value.into(),
                        born,
                        tags: more.map_or(Vec::new(), |(_, tags, _)| tags),
                        stacked,
                    })
                }),
        ]
    }

    fn pack(records: &[Record]) -> (Vec<u8>, Vec<(Range<u32>, Record)>) {
        let mut segment = Segment::default();
        let mut expected = Vec::new();
        for record in records {
            let start = segment.len() as u32;
            segment.push(record);
            expected.push((start..segment.len() as u32, record.clone()));
        }
        (segment.finish(), expected)
    }

    proptest! {
        #[test]
        fn a_segment_round_trips(records in prop::collection::vec(arb_record(), 0..6)) {
            let (bytes, expected) = pack(&records);
            prop_assert_eq!(read(&bytes), Ok(Contents { records: expected, damage: None }));
        }

        #[test]
        fn every_truncation_is_detected(records in prop::collection::vec(arb_record(), 1..4)) {
            let (bytes, expected) = pack(&records);
            for len in 0..bytes.len() {
                let contents = read(&bytes[..len]).expect("a truncation is no newer format");
                prop_assert!(contents.damage.is_some(), "cut to {} of {}", len, bytes.len());
                prop_assert!(expected.starts_with(&contents.records));
            }
        }

        #[test]
        fn every_bit_flip_is_detected_and_hurts_one_record(records in prop::collection::vec(arb_record(), 1..4)) {
            let (bytes, expected) = pack(&records);
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let contents = read(&flipped).expect("a flipped version fails its checksum");
                prop_assert!(contents.damage.is_some(), "bit {}", bit);
                let lost = expected.iter().filter(|record| !contents.records.contains(record)).count();
                prop_assert!(lost <= 1, "bit {} lost {} records", bit, lost);
                prop_assert!(contents.records.iter().all(|record| expected.contains(record)));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(read(&bytes).is_ok_and(|contents| contents.records.is_empty()));
        }
    }

    #[test]
    fn a_newer_format_is_refused() {
        let mut bytes = single(&Record::Cleaned(0, vec![TaskId(1)]));
        bytes[2..4].copy_from_slice(&2_u16.to_le_bytes());
        let crc = checksum(&bytes[..8]);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(read(&bytes), Err(NewerFormat(2)));
    }

    #[test]
    fn what_updates_made_is_told_apart_from_a_write() {
        let inclusion = Inclusion {
            tx: Hash([1; 32]),
            block: Block {
                number: 2,
                hash: Hash([2; 32]),
            },
            index: 3,
            reverted: false,
        };
        let settled = |stacked| Settled {
            inclusion,
            is_calldata: false,
            value: [7].into(),
            born: Some(Order {
                segment: 4,
                index: 12,
            }),
            tags: Vec::new(),
            stacked,
        };
        let plain = single(&Record::Settled(settled(None)));
        for base in [None, Some((5, 6))] {
            let made = settled(Some(Stacked { base, as_of: 300 }));
            let bytes = single(&Record::Settled(made.clone()));
            assert!(bytes.len() > plain.len());
            assert_eq!(super::settled(&bytes), Some(made));
        }
        assert_eq!(super::settled(&plain), Some(settled(None)));
    }

    /// The format is a promise to every database out there: these bytes must stay readable.
    #[test]
    fn the_bytes_of_version_1() {
        let cause = "no".into();
        let record = Record::Event(TaskId(0x0102), Event::Outrun { cause });
        let bytes = single(&record);
        assert_eq!(
            crate::task::hex(&bytes),
            "756301001e000000ece55640a50214000000fe39c659020100000000000000000000000000000f026e6f"
        );
        assert_eq!(read(&bytes).map(|contents| contents.records.len()), Ok(1));
    }
}
