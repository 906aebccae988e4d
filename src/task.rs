//! An uplink task: what was submitted, what it got since, and where it stands.

mod state;

pub use crate::hex::{Address, Hash, TaskId, hex, hex_digits, unhex};
pub use state::{Displaced, Event, Next, Reason, Stage, State, Status};

use crate::names::named;
use std::ops::Range;
use std::rc::Rc;

/// A block by height and hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block {
    /// Its height.
    pub number: u64,
    /// Its hash.
    pub hash: Hash,
}

/// Where a transaction stands in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Inclusion {
    /// Which one: of the transactions that share the task's nonce, a block holds one.
    pub tx: Hash,
    /// The block that holds it.
    pub block: Block,
    /// Its place in that block.
    pub index: u32,
    /// Whether it was executed without effect.
    pub reverted: bool,
}

impl Inclusion {
    /// Where the chain executed it: block and index.
    pub fn place(&self) -> (u64, u32) {
        (self.block.number, self.index)
    }
}

/// Bytes of a task: in memory, or in the `blobs` store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bytes {
    /// At hand.
    Inline(Rc<[u8]>),
    /// In the `blobs` store; length and checksum are kept to compare contents without reading them.
    Blob {
        /// Length in bytes.
        len: u32,
        /// CRC-32 of the content.
        crc: u32,
    },
}

impl Bytes {
    /// Length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Bytes::Inline(bytes) => bytes.len(),
            Bytes::Blob { len, .. } => *len as usize,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What reads of a task's key get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Encoded by the dapp's codec.
    Given(Bytes),
    /// The calldata: this part of the payload.
    Calldata(Range<u32>),
}

/// A signed transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The transaction id.
    pub tx: Hash,
    /// Its number among its sender's transactions: the order within the lane.
    pub nonce: u64,
    /// The exact bytes that the gateway receives.
    pub payload: Bytes,
}

/// What a submission brings for the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A transaction.
    Signed(Signed),
    /// The name of the signer that makes one of the task.
    Draft(String),
}

named! {
    /// Why a task got another transaction of the same nonce.
    pub enum Role {
        /// The signer made it: the task's first one.
        Original = "original",
        /// It does the same and pays more.
        Replacement = "replacement",
        /// It takes the nonce, so that the task has no effect.
        Cancellation = "cancellation",
    }
}

/// A transaction that a task got after it was submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// What it is for.
    pub role: Role,
    /// The transaction id.
    pub tx: Hash,
    /// The bytes; a wallet that sends by itself does not show them.
    pub payload: Option<Bytes>,
}

/// How many transactions a task has at the most.
pub const MAX_VERSIONS: usize = 16;

/// A name, and what it says.
pub type Tag = (String, String);

named! {
    /// How far a task must be before those that come after it are sent.
    pub enum Milestone {
        /// A gateway has it.
        Sent = "sent",
        /// In a block, and not reverted.
        Included = "included",
        /// In a block that is final.
        Final = "final",
    }
}

/// The longest name of an update, in bytes of UTF-8. The shortest has one.
pub const MAX_UPDATE_BYTES: usize = 64;

/// How many tasks a task waits for at the most.
pub const MAX_AFTER: usize = 8;

/// What a task waits for before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct After {
    /// The tasks. One that failed, or is final and left the backup, is taken off.
    pub tasks: Vec<TaskId>,
    /// How far each of them must be.
    pub until: Milestone,
}

/// What is known of a task when it is submitted. Nothing of it changes but what it waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Its name.
    pub id: TaskId,
    /// Tasks of one lane reach the gateway in order.
    pub lane: String,
    /// What reads ask for.
    pub key: String,
    /// What reads get.
    pub value: Value,
    /// What it brings for the chain.
    pub content: Content,
    /// The submitter's own name for this submission.
    pub idempotency_key: Option<String>,
    /// What it says of itself, in the order of the names.
    pub tags: Vec<Tag>,
    /// The function that makes the key's value of the one before, where this task's value is only what it is called with.
    pub update: Option<String>,
    /// What it waits for before it is sent.
    pub after: Option<After>,
    /// Wall-clock milliseconds since 1970 at the submitter.
    pub created_ms: u64,
}

/// A task's place among all tasks: the position in the log where it was first appended. Cleaning the log keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Order {
    /// The segment's key.
    pub segment: u64,
    /// The record's place in the segment.
    pub index: u32,
}

/// One submission and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// What was submitted.
    pub submission: Submission,
    /// Its place among all tasks.
    pub order: Order,
    /// Where it stands.
    pub state: State,
    /// The nonce that its signer was given, while it has no transaction.
    pub nonce_given: Option<u64>,
    /// What its wallet may have sent has this nonce or a later one.
    pub nonce_from: Option<u64>,
    /// The transactions that it got later, oldest first.
    pub versions: Vec<Version>,
}

impl Task {
    /// A task that was just submitted.
    pub fn new(submission: Submission, order: Order) -> Self {
        Task {
            state: State::first(&submission.content),
            submission,
            order,
            nonce_given: None,
            nonce_from: None,
            versions: Vec::new(),
        }
    }

    /// All its transactions, oldest first: ids, bytes and what they are for.
    pub fn transactions(&self) -> impl DoubleEndedIterator<Item = (Hash, Option<&Bytes>, Role)> {
        let first = self.submission.signed();
        let first = first.map(|signed| (signed.tx, Some(&signed.payload), Role::Original));
        let later = self.versions.iter();
        first
            .into_iter()
            .chain(later.map(|version| (version.tx, version.payload.as_ref(), version.role)))
    }

    /// The transaction that is to be sent: the newest.
    pub fn newest(&self) -> Option<(Hash, Option<&Bytes>, Role)> {
        self.transactions().next_back()
    }

    /// The transaction that matters: the one that a block holds, else the newest.
    pub fn tx(&self) -> Option<Hash> {
        match &self.state {
            State::Included(inclusion) | State::Final(inclusion) => Some(inclusion.tx),
            State::BackedUp(_)
            | State::Signing { .. }
            | State::Blocked { .. }
            | State::Sent
            | State::Displaced(_)
            | State::Failed { .. } => {
                let own = |role: &Role| *role != Role::Cancellation;
                let mut own = self.transactions().filter(|(_, _, role)| own(role));
                own.next_back().map(|(tx, _, _)| tx)
            }
        }
    }

    /// What its transactions have as nonce, or what its signer was given.
    pub fn nonce(&self) -> Option<u64> {
        let signed = self.submission.signed().map(|signed| signed.nonce);
        signed.or(self.nonce_given)
    }

    /// What an event makes of the task; `Refused` also for a transaction of another nonce, or one too many.
    pub fn next(&self, event: &Event) -> Next {
        let fits = match event {
            Event::Added(_, signed) => {
                let is_ours = self.nonce().is_none_or(|nonce| nonce == signed.nonce);
                let is_new = self.transactions().all(|(tx, ..)| tx != signed.tx);
                is_ours && is_new && self.versions.len() < MAX_VERSIONS
            }
            Event::Rejected { tx, .. } | Event::Blocked { tx: Some(tx), .. } => {
                self.newest().is_none_or(|(newest, ..)| newest == *tx)
            }
            Event::DependencyFailed { task, .. } | Event::DependencyFinal(task) => {
                self.submission.waits_for().contains(task)
            }
            Event::SignStarted { .. }
            | Event::Broadcast(_)
            | Event::NotSent
            | Event::SendStarted
            | Event::Accepted
            | Event::Blocked { tx: None, .. }
            | Event::Retried { .. }
            | Event::Included(_)
            | Event::Displaced(_)
            | Event::Outrun { .. }
            | Event::Reorged(_)
            | Event::Finalized(_)
            | Event::Cancelled
            | Event::Discarded => true,
        };
        if fits {
            self.state.next(event)
        } else {
            Next::Refused
        }
    }

    /// Goes on to the state that `next` gave.
    pub fn go_on(&mut self, event: Event, state: State) {
        let was_signing = match self.state {
            State::Signing { .. } => true,
            State::BackedUp(_)
            | State::Blocked { .. }
            | State::Sent
            | State::Included(_)
            | State::Displaced(_)
            | State::Final(_)
            | State::Failed { .. } => false,
        };
        match event {
            Event::SignStarted { nonce, from, .. } => {
                self.nonce_given = nonce;
                self.nonce_from = from;
            }
            Event::Added(role, signed) => {
                self.nonce_given = Some(signed.nonce);
                self.versions.push(Version {
                    role,
                    tx: signed.tx,
                    payload: Some(signed.payload),
                });
            }
            Event::Broadcast(tx) => self.versions.push(Version {
                role: Role::Original,
                tx,
                payload: None,
            }),
            Event::DependencyFailed { task, .. } | Event::DependencyFinal(task) => {
                self.submission.wait_no_longer(task);
            }
            // A draft that got no transaction leaves its nonce to others.
            Event::Blocked { exposed: false, .. } if was_signing => self.give_nonce_up(),
            Event::NotSent => self.give_nonce_up(),
            Event::Blocked { .. }
            | Event::SendStarted
            | Event::Accepted
            | Event::Retried { .. }
            | Event::Included(_)
            | Event::Displaced(_)
            | Event::Outrun { .. }
            | Event::Reorged(_)
            | Event::Finalized(_)
            | Event::Rejected { .. }
            | Event::Cancelled
            | Event::Discarded => {}
        }
        self.state = state;
    }

    fn give_nonce_up(&mut self) {
        self.nonce_given = None;
        self.nonce_from = None;
    }
}

impl Submission {
    /// The transaction that it brought.
    pub fn signed(&self) -> Option<&Signed> {
        match &self.content {
            Content::Signed(signed) => Some(signed),
            Content::Draft(_) => None,
        }
    }

    /// The tasks that it waits for.
    pub fn waits_for(&self) -> &[TaskId] {
        self.after.as_ref().map_or(&[], |after| &after.tasks)
    }

    /// It does not wait for this task any more.
    pub fn wait_no_longer(&mut self, task: TaskId) {
        if let Some(after) = &mut self.after {
            after.tasks.retain(|other| *other != task);
        }
        self.after.take_if(|after| after.tasks.is_empty());
    }
}
