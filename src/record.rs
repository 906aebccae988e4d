//! What the log holds: records, framed and checked, packed into segments.
//!
//! A segment is a header (magic `uc`, format version u16, length of the rest u32, CRC-32 of these 8 bytes) and then
//! frames: a marker byte, kind u8, body length u32, CRC-32 of marker to body, body. All numbers are little-endian;
//! inside bodies integers are varints (LEB128). A damaged frame is skipped by searching for the next whole one.

use crate::crc;
use crate::index::{IndexPage, Name};
use crate::task::{
    After, Block, Bytes, Content, Displaced, Event, Hash, Inclusion, MAX_AFTER, MAX_UPDATE_BYTES,
    Milestone, Order, Reason, Role, Signed, Stage, State, Submission, Tag, Task, TaskId, Value,
    Version,
};
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

/// Writes the body of a frame, behind the room for its header.
pub(crate) struct Writer(Vec<u8>);

impl Default for Writer {
    fn default() -> Self {
        Writer(vec![0; FRAME_HEADER_LEN])
    }
}

impl Writer {
    /// The finished frame.
    pub(crate) fn seal(mut self, kind: u8) -> Vec<u8> {
        seal(&mut self.0, kind);
        self.0
    }

    /// Writes the body and returns the kind.
    fn record(&mut self, record: &Record) -> u8 {
        match record {
            Record::Submitted(submission) => {
                self.submission(submission);
                KIND_SUBMITTED
            }
            Record::Event(id, event) => {
                self.id(*id);
                self.event(event);
                KIND_EVENT
            }
            Record::Snapshot(task) => {
                self.task(task);
                KIND_SNAPSHOT
            }
            Record::Imported(task) => {
                self.task(task);
                KIND_IMPORTED
            }
            Record::Cleaned(through, ids) => {
                self.number(*through);
                ids.iter().for_each(|id| self.id(*id));
                KIND_CLEANED
            }
            Record::Settled(settled) => {
                self.inclusion(&settled.inclusion);
                self.flag(settled.is_calldata);
                self.bytes(&settled.value);
                if let Some(born) = settled.born {
                    self.number(born.segment);
                    self.number(u64::from(born.index));
                    self.tags(&settled.tags);
                    if let Some(stacked) = settled.stacked {
                        self.stacked(stacked);
                    }
                }
                KIND_SETTLED
            }
            Record::Closed => KIND_CLOSED,
            Record::Index(page) => {
                self.index_page(page);
                KIND_INDEX
            }
        }
    }

    fn index_page(&mut self, page: &IndexPage) {
        self.number(page.through);
        self.number(page.pages.len() as u64);
        let mut before = 0;
        for page in &page.pages {
            self.number(page.wrapping_sub(before));
            before = *page;
        }
        self.number(page.earlier.len() as u64);
        let mut before = 0;
        for (segment, names) in &page.earlier {
            self.number(segment.wrapping_sub(before));
            self.names(names);
            before = *segment;
        }
        for names in &page.own {
            self.names(names);
        }
    }

    fn names(&mut self, names: &[Name]) {
        self.number(names.len() as u64);
        let bytes = names.iter().flat_map(|name| name.to_le_bytes());
        self.0.extend(bytes);
    }

    pub(crate) fn task(&mut self, task: &Task) {
        self.number(task.order.segment);
        self.number(u64::from(task.order.index));
        self.state(&task.state);
        self.submission(&task.submission);
        self.optional(task.nonce_given);
        self.optional(task.nonce_from);
        for version in &task.versions {
            self.version(version);
        }
    }

    fn submission(&mut self, submission: &Submission) {
        self.id(submission.id);
        self.number(submission.created_ms);
        self.bytes(submission.lane.as_bytes());
        self.bytes(submission.key.as_bytes());
        let mut has = 0;
        if submission.idempotency_key.is_some() {
            has |= HAS_IDEMPOTENCY_KEY;
        }
        if !submission.tags.is_empty() {
            has |= HAS_TAGS;
        }
        if submission.update.is_some() {
            has |= HAS_UPDATE;
        }
        if submission.after.is_some() {
            has |= HAS_AFTER;
        }
        self.byte(has);
        if let Some(key) = &submission.idempotency_key {
            self.bytes(key.as_bytes());
        }
        if !submission.tags.is_empty() {
            self.tags(&submission.tags);
        }
        if let Some(update) = &submission.update {
            self.bytes(update.as_bytes());
        }
        if let Some(after) = &submission.after {
            self.after(after);
        }
        match &submission.value {
            Value::Given(bytes) => {
                self.flag(true);
                self.stored(bytes, MAX_INLINE_BYTES);
            }
            Value::Calldata(range) => {
                self.flag(false);
                self.number(u64::from(range.start));
                self.number(u64::from(range.end));
            }
        }
        match &submission.content {
            Content::Signed(signed) => {
                self.flag(true);
                self.signed(signed, Role::Original);
            }
            Content::Draft(signer) => {
                self.flag(false);
                self.bytes(signer.as_bytes());
            }
        }
    }

    fn tags(&mut self, tags: &[Tag]) {
        self.number(tags.len() as u64);
        for (name, value) in tags {
            self.bytes(name.as_bytes());
            self.bytes(value.as_bytes());
        }
    }

    fn stacked(&mut self, stacked: Stacked) {
        self.number(stacked.as_of);
        self.flag(stacked.base.is_some());
        if let Some((block, index)) = stacked.base {
            self.number(block);
            self.number(u64::from(index));
        }
    }

    fn after(&mut self, after: &After) {
        self.name(Milestone::ALL, after.until);
        self.byte(after.tasks.len() as u8);
        after.tasks.iter().for_each(|id| self.id(*id));
    }

    fn signed(&mut self, signed: &Signed, role: Role) {
        self.hash(signed.tx);
        self.number(signed.nonce);
        self.stored(&signed.payload, max_inline_bytes(role));
    }

    fn version(&mut self, version: &Version) {
        self.name(Role::ALL, version.role);
        self.hash(version.tx);
        self.flag(version.payload.is_some());
        if let Some(payload) = &version.payload {
            self.stored(payload, max_inline_bytes(version.role));
        }
    }

    fn optional(&mut self, number: Option<u64>) {
        self.flag(number.is_some());
        if let Some(number) = number {
            self.number(number);
        }
    }

    fn stored(&mut self, bytes: &Bytes, most: usize) {
        match bytes {
            Bytes::Inline(bytes) if bytes.len() > most => {
                self.blob(bytes.len() as u32, checksum(bytes));
            }
            Bytes::Inline(bytes) => {
                self.flag(true);
                self.bytes(bytes);
            }
            Bytes::Blob { len, crc } => self.blob(*len, *crc),
        }
    }

    fn blob(&mut self, len: u32, crc: u32) {
        self.flag(false);
        self.number(u64::from(len));
        self.number(u64::from(crc));
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::SendStarted => self.byte(0),
            Event::Accepted => self.byte(1),
            Event::Blocked {
                tx,
                exposed,
                reason,
                cause,
            } => {
                self.byte(if tx.is_some() { 16 } else { 2 });
                tx.iter().for_each(|tx| self.hash(*tx));
                self.flag(*exposed);
                self.reason(*reason);
                self.bytes(cause.as_bytes());
            }
            Event::Retried { in_doubt } => {
                self.byte(3);
                self.flag(*in_doubt);
            }
            Event::Included(inclusion) => {
                self.byte(4);
                self.inclusion(inclusion);
            }
            Event::Reorged(block) => {
                self.byte(5);
                self.block(block);
            }
            Event::Finalized(block) => {
                self.byte(6);
                self.block(block);
            }
            Event::Rejected { tx, cause } => {
                self.byte(7);
                self.hash(*tx);
                self.bytes(cause.as_bytes());
            }
            Event::Cancelled => self.byte(8),
            Event::Discarded => self.byte(9),
            Event::SignStarted { nonce, from, sends } => {
                self.byte(10);
                self.flag(*sends);
                self.optional(*nonce);
                self.optional(*from);
            }
            Event::Added(role, signed) => {
                self.byte(11);
                self.name(Role::ALL, *role);
                self.signed(signed, *role);
            }
            Event::Broadcast(tx) => {
                self.byte(12);
                self.hash(*tx);
            }
            Event::NotSent => self.byte(13),
            Event::Displaced(displaced) => {
                self.byte(14);
                self.displaced(displaced);
            }
            Event::Outrun { cause } => {
                self.byte(15);
                self.bytes(cause.as_bytes());
            }
            Event::DependencyFailed { task, cause } => {
                self.byte(17);
                self.id(*task);
                self.bytes(cause.as_bytes());
            }
            Event::DependencyFinal(task) => {
                self.byte(18);
                self.id(*task);
            }
        }
    }

    fn state(&mut self, state: &State) {
        match state {
            State::BackedUp(stage) => {
                self.byte(0);
                self.name(Stage::ALL, *stage);
            }
            State::Blocked {
                stage,
                reason,
                cause,
            } => {
                self.byte(1);
                self.name(Stage::ALL, *stage);
                self.reason(*reason);
                self.bytes(cause.as_bytes());
            }
            State::Sent => self.byte(2),
            State::Included(inclusion) => {
                self.byte(3);
                self.inclusion(inclusion);
            }
            State::Final(inclusion) => {
                self.byte(4);
                self.inclusion(inclusion);
            }
            State::Failed { reason, cause, by } => {
                self.byte(5);
                self.reason(*reason);
                self.bytes(cause.as_bytes());
                self.flag(by.is_some());
                by.iter().for_each(|tx| self.hash(*tx));
            }
            State::Signing { sends } => {
                self.byte(6);
                self.flag(*sends);
            }
            State::Displaced(displaced) => {
                self.byte(7);
                self.displaced(displaced);
            }
        }
    }

    fn inclusion(&mut self, inclusion: &Inclusion) {
        self.hash(inclusion.tx);
        self.block(&inclusion.block);
        self.number(u64::from(inclusion.index));
        self.flag(inclusion.reverted);
    }

    fn block(&mut self, block: &Block) {
        self.number(block.number);
        self.hash(block.hash);
    }

    fn reason(&mut self, reason: Reason) {
        self.name(Reason::ALL, reason);
    }

    fn name<T: PartialEq>(&mut self, all: &[T], name: T) {
        let place = all.iter().position(|known| *known == name);
        self.byte(place.unwrap_or(usize::from(u8::MAX)) as u8);
    }

    fn displaced(&mut self, displaced: &Displaced) {
        self.reason(displaced.reason);
        self.inclusion(&displaced.inclusion);
    }

    pub(crate) fn id(&mut self, id: TaskId) {
        self.0.extend_from_slice(&id.0.to_le_bytes());
    }

    pub(crate) fn hash(&mut self, hash: Hash) {
        self.0.extend_from_slice(&hash.0);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    fn flag(&mut self, flag: bool) {
        self.byte(u8::from(flag));
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }
}

/// Reads what `Writer` wrote; `None` for anything else.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl Reader<'_> {
    fn record(&mut self, kind: u8) -> Option<Record> {
        Some(match kind {
            KIND_SUBMITTED => Record::Submitted(self.submission()?),
            KIND_EVENT => Record::Event(self.id()?, self.event()?),
            KIND_SNAPSHOT => Record::Snapshot(Rc::new(self.task()?)),
            KIND_IMPORTED => Record::Imported(Rc::new(self.task()?)),
            KIND_CLEANED => {
                let through = self.number()?;
                let mut ids = Vec::new();
                while !self.0.is_empty() {
                    ids.push(self.id()?);
                }
                Record::Cleaned(through, ids)
            }
            KIND_SETTLED => Record::Settled(self.settled()?),
            KIND_CLOSED => Record::Closed,
            KIND_INDEX => Record::Index(self.index_page()?),
            _ => return None,
        })
    }

    fn index_page(&mut self) -> Option<IndexPage> {
        let mut page = IndexPage {
            through: self.number()?,
            ..IndexPage::default()
        };
        let mut before = 0_u64;
        for _ in 0..self.number()? {
            before = before.wrapping_add(self.number()?);
            page.pages.push(before);
        }
        let mut before = 0_u64;
        for _ in 0..self.number()? {
            before = before.wrapping_add(self.number()?);
            page.earlier.push((before, self.names()?));
        }
        while !self.0.is_empty() {
            page.own.push(self.names()?);
        }
        Some(page)
    }

    fn names(&mut self) -> Option<Vec<Name>> {
        let len = usize::try_from(self.number()?).ok()?.checked_mul(4)?;
        let bytes = self.0.get(..len)?;
        self.0 = &self.0[len..];
        let names = bytes.as_chunks().0.iter();
        Some(names.map(|name| Name::from_le_bytes(*name)).collect())
    }

    fn settled(&mut self) -> Option<Settled> {
        let mut settled = Settled {
            inclusion: self.inclusion()?,
            is_calldata: self.flag()?,
            value: self.bytes()?.into(),
            born: None,
            tags: Vec::new(),
            stacked: None,
        };
        if !self.0.is_empty() {
            settled.born = Some(self.order()?);
            settled.tags = self.tags()?;
        }
        if !self.0.is_empty() {
            settled.stacked = Some(self.stacked()?);
        }
        Some(settled)
    }

    fn stacked(&mut self) -> Option<Stacked> {
        let as_of = self.number()?;
        let base = if self.flag()? {
            Some((self.number()?, self.small()?))
        } else {
            None
        };
        Some(Stacked { base, as_of })
    }

    fn order(&mut self) -> Option<Order> {
        Some(Order {
            segment: self.number()?,
            index: self.small()?,
        })
    }

    fn tags(&mut self) -> Option<Vec<Tag>> {
        let count = self.number()?;
        let mut tags = Vec::new();
        for _ in 0..count {
            tags.push((self.text()?, self.text()?));
        }
        Some(tags)
    }

    pub(crate) fn task(&mut self) -> Option<Task> {
        let order = self.order()?;
        let state = self.state()?;
        let submission = self.submission()?;
        let nonce_given = self.optional()?;
        let nonce_from = self.optional()?;
        let mut versions = Vec::new();
        while !self.0.is_empty() {
            versions.push(self.version()?);
        }
        Some(Task {
            submission,
            order,
            state,
            nonce_given,
            nonce_from,
            versions,
        })
    }

    fn optional(&mut self) -> Option<Option<u64>> {
        Some(if self.flag()? {
            Some(self.number()?)
        } else {
            None
        })
    }

    fn version(&mut self) -> Option<Version> {
        Some(Version {
            role: self.name(Role::ALL)?,
            tx: self.hash()?,
            payload: if self.flag()? {
                Some(self.stored()?)
            } else {
                None
            },
        })
    }

    fn signed(&mut self) -> Option<Signed> {
        Some(Signed {
            tx: self.hash()?,
            nonce: self.number()?,
            payload: self.stored()?,
        })
    }

    fn submission(&mut self) -> Option<Submission> {
        let id = self.id()?;
        let created_ms = self.number()?;
        let lane = self.text()?;
        let key = self.text()?;
        let has = self.byte()?;
        if has & !(HAS_IDEMPOTENCY_KEY | HAS_TAGS | HAS_UPDATE | HAS_AFTER) != 0 {
            return None;
        }
        let idempotency_key = if has & HAS_IDEMPOTENCY_KEY == 0 {
            None
        } else {
            Some(self.text()?)
        };
        let tags = if has & HAS_TAGS != 0 {
            self.tags()?
        } else {
            Vec::new()
        };
        let update = if has & HAS_UPDATE == 0 {
            None
        } else {
            let update = self.text()?;
            if !(1..=MAX_UPDATE_BYTES).contains(&update.len()) {
                return None;
            }
            Some(update)
        };
        let after = if has & HAS_AFTER == 0 {
            None
        } else {
            Some(self.after()?)
        };
        let value = if self.flag()? {
            Value::Given(self.stored()?)
        } else {
            Value::Calldata(self.small()?..self.small()?)
        };
        let content = if self.flag()? {
            Content::Signed(self.signed()?)
        } else {
            Content::Draft(self.text()?)
        };
        if let Value::Calldata(range) = &value {
            let len = match &content {
                Content::Signed(signed) => signed.payload.len(),
                Content::Draft(_) => 0,
            };
            if range.start > range.end || range.end as usize > len || update.is_some() {
                return None;
            }
        }
        Some(Submission {
            id,
            lane,
            key,
            value,
            content,
            idempotency_key,
            tags,
            update,
            after,
            created_ms,
        })
    }

    fn after(&mut self) -> Option<After> {
        let until = self.name(Milestone::ALL)?;
        let count = usize::from(self.byte()?);
        if !(1..=MAX_AFTER).contains(&count) {
            return None;
        }
        let tasks = (0..count).map(|_| self.id()).collect::<Option<_>>()?;
        Some(After { tasks, until })
    }

    fn stored(&mut self) -> Option<Bytes> {
        Some(if self.flag()? {
            Bytes::Inline(self.bytes()?.into())
        } else {
            Bytes::Blob {
                len: self.small()?,
                crc: self.small()?,
            }
        })
    }

    fn event(&mut self) -> Option<Event> {
        Some(match self.byte()? {
            0 => Event::SendStarted,
            1 => Event::Accepted,
            2 => self.blocked(None)?,
            3 => Event::Retried {
                in_doubt: self.flag()?,
            },
            4 => Event::Included(self.inclusion()?),
            5 => Event::Reorged(self.block()?),
            6 => Event::Finalized(self.block()?),
            7 => Event::Rejected {
                tx: self.hash()?,
                cause: self.text()?,
            },
            8 => Event::Cancelled,
            9 => Event::Discarded,
            10 => Event::SignStarted {
                sends: self.flag()?,
                nonce: self.optional()?,
                from: self.optional()?,
            },
            11 => Event::Added(self.name(Role::ALL)?, self.signed()?),
            12 => Event::Broadcast(self.hash()?),
            13 => Event::NotSent,
            14 => Event::Displaced(self.displaced()?),
            15 => Event::Outrun {
                cause: self.text()?,
            },
            16 => {
                let tx = self.hash()?;
                self.blocked(Some(tx))?
            }
            17 => Event::DependencyFailed {
                task: self.id()?,
                cause: self.text()?,
            },
            18 => Event::DependencyFinal(self.id()?),
            _ => return None,
        })
    }

    fn blocked(&mut self, tx: Option<Hash>) -> Option<Event> {
        Some(Event::Blocked {
            tx,
            exposed: self.flag()?,
            reason: self.reason()?,
            cause: self.text()?,
        })
    }

    fn state(&mut self) -> Option<State> {
        Some(match self.byte()? {
            0 => State::BackedUp(self.name(Stage::ALL)?),
            1 => State::Blocked {
                stage: self.name(Stage::ALL)?,
                reason: self.reason()?,
                cause: self.text()?,
            },
            2 => State::Sent,
            3 => State::Included(self.inclusion()?),
            4 => State::Final(self.inclusion()?),
            5 => State::Failed {
                reason: self.reason()?,
                cause: self.text()?,
                by: if self.flag()? {
                    Some(self.hash()?)
                } else {
                    None
                },
            },
            6 => State::Signing {
                sends: self.flag()?,
            },
            7 => State::Displaced(self.displaced()?),
            _ => return None,
        })
    }

    fn inclusion(&mut self) -> Option<Inclusion> {
        Some(Inclusion {
            tx: self.hash()?,
            block: self.block()?,
            index: self.small()?,
            reverted: self.flag()?,
        })
    }

    fn block(&mut self) -> Option<Block> {
        Some(Block {
            number: self.number()?,
            hash: self.hash()?,
        })
    }

    fn reason(&mut self) -> Option<Reason> {
        self.name(Reason::ALL)
    }

    fn name<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        all.get(usize::from(self.byte()?)).copied()
    }

    fn displaced(&mut self) -> Option<Displaced> {
        Some(Displaced {
            reason: self.reason()?,
            inclusion: self.inclusion()?,
        })
    }

    pub(crate) fn id(&mut self) -> Option<TaskId> {
        let bytes = self.take(16)?;
        Some(TaskId(u128::from_le_bytes(bytes.try_into().ok()?)))
    }

    pub(crate) fn hash(&mut self) -> Option<Hash> {
        Some(Hash(self.take(32)?.try_into().ok()?))
    }

    pub(crate) fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    pub(crate) fn bytes(&mut self) -> Option<&[u8]> {
        let len = usize::try_from(self.number()?).ok()?;
        self.take(len)
    }

    fn take(&mut self, len: usize) -> Option<&[u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn small(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }
}

// proptest does not compile for browsers.
#[cfg(test)]
#[cfg(not(target_family = "wasm"))]
mod tests {
    use super::*;
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
