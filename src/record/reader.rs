//! The bodies of frames, as they are read: what `Writer` wrote, and nothing else.

use super::{
    HAS_AFTER, HAS_IDEMPOTENCY_KEY, HAS_TAGS, HAS_UPDATE, KIND_CLEANED, KIND_CLOSED, KIND_EVENT,
    KIND_IMPORTED, KIND_INDEX, KIND_SETTLED, KIND_SNAPSHOT, KIND_SUBMITTED, Record, Settled,
    Stacked,
};
use crate::index::{IndexPage, Name};
use crate::task::{
    After, Block, Bytes, Content, Displaced, Event, Hash, Inclusion, MAX_AFTER, MAX_UPDATE_BYTES,
    Milestone, Order, Reason, Role, Signed, Stage, State, Submission, Tag, Task, TaskId, Value,
    Version,
};
use std::rc::Rc;

/// Reads what `Writer` wrote; `None` for anything else.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl Reader<'_> {
    pub(super) fn record(&mut self, kind: u8) -> Option<Record> {
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
