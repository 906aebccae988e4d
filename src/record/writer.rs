//! The bodies of frames, as they are written.

use super::{
    FRAME_HEADER_LEN, HAS_AFTER, HAS_IDEMPOTENCY_KEY, HAS_TAGS, HAS_UPDATE, KIND_CLEANED,
    KIND_CLOSED, KIND_EVENT, KIND_IMPORTED, KIND_INDEX, KIND_SETTLED, KIND_SNAPSHOT,
    KIND_SUBMITTED, MAX_INLINE_BYTES, Record, Stacked, checksum, max_inline_bytes, seal,
};
use crate::index::{IndexPage, Name};
use crate::task::{
    After, Block, Bytes, Content, Displaced, Event, Hash, Inclusion, Milestone, Reason, Role,
    Signed, Stage, State, Submission, Tag, Task, TaskId, Value, Version,
};

/// Writes the body of a frame, behind the room for its header.
pub(crate) struct Writer(pub(super) Vec<u8>);

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
    pub(super) fn record(&mut self, record: &Record) -> u8 {
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
