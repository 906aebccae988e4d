//! An uplink task and the one table of its transitions.

use crate::names::named;
use std::fmt;
use std::ops::Range;
use std::rc::Rc;

/// A task's name, unique over all tabs of the origin: 128 random bits drawn by whoever submits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskId(pub u128);

impl TaskId {
    /// Reads the 32 hex digits that `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok()?;
        is_hex.then_some(TaskId(number))
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(hex(&self.0.to_be_bytes()).as_str())
    }
}

/// 32 bytes that the chain names something by: a transaction or a block.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Reads `0x` and 64 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = unhex(text.strip_prefix("0x")?)?;
        bytes.try_into().ok().map(Hash)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        f.write_str(hex(&self.0).as_str())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Lowercase hex digits, without a prefix.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// The bytes of hex digits, without a prefix; `None` for odd lengths and other characters.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    fn digit(byte: u8) -> Option<u8> {
        char::from(byte).to_digit(16).map(|digit| digit as u8)
    }
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?))
        .collect()
}

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
    /// The block that holds it.
    pub block: Block,
    /// Its place in that block.
    pub index: u32,
    /// Whether it was executed without effect.
    pub reverted: bool,
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

/// What is known of a task when it is submitted. It never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Its name.
    pub id: TaskId,
    /// The transaction id.
    pub tx: Hash,
    /// The transaction's nonce: the order within the lane.
    pub nonce: u64,
    /// Tasks of one lane reach the gateway in order.
    pub lane: String,
    /// What reads ask for.
    pub key: String,
    /// What reads get.
    pub value: Value,
    /// The exact bytes that the gateway receives.
    pub payload: Bytes,
    /// The submitter's own name for this submission.
    pub idempotency_key: Option<String>,
    /// Wall-clock milliseconds since 1970 at the submitter.
    pub created_ms: u64,
}

named! {
    /// Why a task is blocked or failed. The order is that of their numbers in the log.
    pub enum Reason {
        /// The account cannot pay for it.
        InsufficientFunds = "insufficient_funds",
        /// The fee is under what the gateway takes.
        Underpriced = "underpriced",
        /// Another transaction took the nonce, as far as is known.
        NonceTaken = "nonce_taken",
        /// The gateway is on another chain.
        WrongChain = "wrong_chain",
        /// The gateway refuses it.
        Rejected = "rejected",
        /// It was executed without effect, in a block that is final.
        Reverted = "reverted",
        /// The app cancelled it before it was sent.
        Cancelled = "cancelled",
    }
}

named! {
    /// The public name of a state, in the order of a task's life.
    pub enum Status {
        /// Durable here, not known to any gateway yet.
        BackedUp = "backed-up",
        /// Waits for somebody to act; the reason says why.
        Blocked = "blocked",
        /// A gateway has it.
        Sent = "sent",
        /// In a block that is not final.
        Included = "included",
        /// In a block that is final.
        Final = "final",
        /// Will never take effect.
        Failed = "failed",
    }
}

impl Status {
    /// Nothing more will happen to the task.
    pub fn is_settled(self) -> bool {
        match self {
            Status::Final | Status::Failed => true,
            Status::BackedUp | Status::Blocked | Status::Sent | Status::Included => false,
        }
    }
}

/// Where a task stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Durable here. `exposed`: a send was begun, so that the chain may have it.
    BackedUp {
        /// Whether the chain may have it.
        exposed: bool,
    },
    /// Waits for somebody to act.
    Blocked {
        /// Whether the chain may have it.
        exposed: bool,
        /// Why.
        reason: Reason,
        /// The gateway's words.
        cause: String,
    },
    /// A gateway has it.
    Sent,
    /// In a block that is not final.
    Included(Inclusion),
    /// In a block that is final.
    Final(Inclusion),
    /// Will never take effect.
    Failed {
        /// Why.
        reason: Reason,
        /// The gateway's words.
        cause: String,
    },
}

/// What happens to a task. Every event is a record in the log, and folds by `State::next`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The first send is about to begin.
    SendStarted,
    /// A gateway has it.
    Accepted,
    /// Somebody must act.
    Blocked {
        /// Whether the chain may have it all the same.
        exposed: bool,
        /// Why.
        reason: Reason,
        /// The gateway's words.
        cause: String,
    },
    /// The app asks for another try.
    Retried,
    /// A canonical block holds it.
    Included(Inclusion),
    /// This block, which held it, left the canonical chain.
    Reorged(Block),
    /// This block, which holds it, is final.
    Finalized(Block),
    /// The gateway refuses it for good, and no other can have it.
    Rejected {
        /// The gateway's words.
        cause: String,
    },
    /// The app cancels it.
    Cancelled,
    /// The app does not want to see the failed task any more.
    Discarded,
}

/// What an event makes of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// The task goes on in this state.
    State(State),
    /// The task leaves the backup.
    Gone,
    /// The event does not apply: the state stays as it is.
    Refused,
}

impl State {
    /// The public name.
    pub fn status(&self) -> Status {
        match self {
            State::BackedUp { .. } => Status::BackedUp,
            State::Blocked { .. } => Status::Blocked,
            State::Sent => Status::Sent,
            State::Included(_) => Status::Included,
            State::Final(_) => Status::Final,
            State::Failed { .. } => Status::Failed,
        }
    }

    /// Whether the chain may have the transaction: only then is it tracked, and only before may it be cancelled.
    pub fn is_exposed(&self) -> bool {
        match self {
            State::BackedUp { exposed } | State::Blocked { exposed, .. } => *exposed,
            State::Sent | State::Included(_) | State::Final(_) => true,
            State::Failed { .. } => false,
        }
    }

    /// Where the transaction stands in the chain, if it does.
    pub fn inclusion(&self) -> Option<&Inclusion> {
        match self {
            State::Included(inclusion) | State::Final(inclusion) => Some(inclusion),
            State::BackedUp { .. } | State::Blocked { .. } | State::Sent | State::Failed { .. } => {
                None
            }
        }
    }

    /// Whether reads of the key get the task's value: not once it failed, nor while a revert is likely to stay.
    pub fn is_visible(&self) -> bool {
        match self {
            State::BackedUp { .. } | State::Blocked { .. } | State::Sent => true,
            State::Included(inclusion) | State::Final(inclusion) => !inclusion.reverted,
            State::Failed { .. } => false,
        }
    }

    /// The table of transitions: every state and every event.
    pub fn next(&self, event: &Event) -> Next {
        match event {
            Event::SendStarted => self.send_started(),
            Event::Accepted => match self {
                State::BackedUp { .. } | State::Blocked { .. } => Next::State(State::Sent),
                State::Sent | State::Included(_) | State::Final(_) | State::Failed { .. } => {
                    Next::Refused
                }
            },
            Event::Blocked {
                exposed,
                reason,
                cause,
            } => self.unless_on_chain(State::Blocked {
                // What may be out there stays so: only a try that began anew can be refused as a whole.
                exposed: *exposed
                    || matches!(self, State::Sent | State::Blocked { exposed: true, .. }),
                reason: *reason,
                cause: cause.clone(),
            }),
            Event::Retried => match self {
                State::Blocked { exposed, .. } => {
                    Next::State(State::BackedUp { exposed: *exposed })
                }
                State::BackedUp { .. }
                | State::Sent
                | State::Included(_)
                | State::Final(_)
                | State::Failed { .. } => Next::Refused,
            },
            Event::Included(inclusion) => match self {
                State::Included(known) if known == inclusion => Next::Refused,
                State::BackedUp { .. }
                | State::Blocked { .. }
                | State::Sent
                | State::Included(_) => Next::State(State::Included(*inclusion)),
                State::Final(_) | State::Failed { .. } => Next::Refused,
            },
            Event::Reorged(block) => self.if_included_in(block, |_| State::Sent),
            Event::Finalized(block) => self.if_included_in(block, |inclusion| {
                if inclusion.reverted {
                    State::failed(Reason::Reverted, "the transaction was reverted")
                } else {
                    State::Final(inclusion)
                }
            }),
            Event::Rejected { cause } => {
                self.unless_on_chain(State::failed(Reason::Rejected, cause))
            }
            Event::Cancelled => self.cancelled(),
            Event::Discarded => match self {
                State::Failed { .. } => Next::Gone,
                State::BackedUp { .. }
                | State::Blocked { .. }
                | State::Sent
                | State::Included(_)
                | State::Final(_) => Next::Refused,
            },
        }
    }

    fn send_started(&self) -> Next {
        match self {
            State::BackedUp { exposed: false } => Next::State(State::BackedUp { exposed: true }),
            State::BackedUp { exposed: true }
            | State::Blocked { .. }
            | State::Sent
            | State::Included(_)
            | State::Final(_)
            | State::Failed { .. } => Next::Refused,
        }
    }

    fn cancelled(&self) -> Next {
        match self {
            State::BackedUp { exposed: false } | State::Blocked { exposed: false, .. } => {
                Next::State(State::failed(
                    Reason::Cancelled,
                    "cancelled before it was sent",
                ))
            }
            State::BackedUp { exposed: true }
            | State::Blocked { exposed: true, .. }
            | State::Sent
            | State::Included(_)
            | State::Final(_)
            | State::Failed { .. } => Next::Refused,
        }
    }

    fn unless_on_chain(&self, state: State) -> Next {
        match self {
            State::BackedUp { .. } | State::Blocked { .. } | State::Sent => Next::State(state),
            State::Included(_) | State::Final(_) | State::Failed { .. } => Next::Refused,
        }
    }

    fn if_included_in(&self, block: &Block, state: impl FnOnce(Inclusion) -> State) -> Next {
        match self {
            State::Included(inclusion) if inclusion.block == *block => {
                Next::State(state(*inclusion))
            }
            State::Included(_)
            | State::BackedUp { .. }
            | State::Blocked { .. }
            | State::Sent
            | State::Final(_)
            | State::Failed { .. } => Next::Refused,
        }
    }

    fn failed(reason: Reason, cause: &str) -> State {
        State::Failed {
            reason,
            cause: cause.into(),
        }
    }
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    fn inclusion(reverted: bool) -> Inclusion {
        let block = Block {
            number: 7,
            hash: Hash([7; 32]),
        };
        Inclusion {
            block,
            index: 0,
            reverted,
        }
    }

    fn name(state: &State) -> String {
        let suffix = match state {
            State::BackedUp { exposed } | State::Blocked { exposed, .. } if *exposed => "*",
            State::Included(inclusion) if inclusion.reverted => " reverted",
            State::Failed { reason, .. } => return format!("failed {}", reason.as_str()),
            State::BackedUp { .. }
            | State::Blocked { .. }
            | State::Sent
            | State::Included(_)
            | State::Final(_) => "",
        };
        format!("{}{suffix}", state.status().as_str())
    }

    /// The whole table, state by event; `*` marks a task that the chain may have, `·` an event that does not apply.
    const TABLE: &str = "\
state                | start      | accept | block    | retry      | include  | reorg | finalize        | reject          | cancel           | discard
backed-up            | backed-up* | sent   | blocked  | ·          | included | ·     | ·               | failed rejected | failed cancelled | ·
backed-up*           | ·          | sent   | blocked  | ·          | included | ·     | ·               | failed rejected | ·                | ·
blocked              | ·          | sent   | blocked  | backed-up  | included | ·     | ·               | failed rejected | failed cancelled | ·
blocked*             | ·          | sent   | blocked* | backed-up* | included | ·     | ·               | failed rejected | ·                | ·
sent                 | ·          | ·      | blocked* | ·          | included | ·     | ·               | failed rejected | ·                | ·
included             | ·          | ·      | ·        | ·          | ·        | sent  | final           | ·               | ·                | ·
included reverted    | ·          | ·      | ·        | ·          | included | sent  | failed reverted | ·               | ·                | ·
final                | ·          | ·      | ·        | ·          | ·        | ·     | ·               | ·               | ·                | ·
failed rejected      | ·          | ·      | ·        | ·          | ·        | ·     | ·               | ·               | ·                | gone
";

    #[test]
    fn every_state_and_event() {
        let blocked = |exposed| State::Blocked {
            exposed,
            reason: Reason::Underpriced,
            cause: String::new(),
        };
        let states = [
            State::BackedUp { exposed: false },
            State::BackedUp { exposed: true },
            blocked(false),
            blocked(true),
            State::Sent,
            State::Included(inclusion(false)),
            State::Included(inclusion(true)),
            State::Final(inclusion(false)),
            State::failed(Reason::Rejected, "no"),
        ];
        let events = [
            ("start", Event::SendStarted),
            ("accept", Event::Accepted),
            (
                "block",
                Event::Blocked {
                    exposed: false,
                    reason: Reason::Underpriced,
                    cause: String::new(),
                },
            ),
            ("retry", Event::Retried),
            ("include", Event::Included(inclusion(false))),
            ("reorg", Event::Reorged(inclusion(false).block)),
            ("finalize", Event::Finalized(inclusion(false).block)),
            ("reject", Event::Rejected { cause: "no".into() }),
            ("cancel", Event::Cancelled),
            ("discard", Event::Discarded),
        ];
        let mut rows = vec![vec!["state".to_string()]];
        rows[0].extend(events.iter().map(|(name, _)| (*name).to_string()));
        for state in &states {
            let mut row = vec![name(state)];
            row.extend(events.iter().map(|(_, event)| match state.next(event) {
                Next::State(next) => name(&next),
                Next::Gone => "gone".into(),
                Next::Refused => "·".into(),
            }));
            rows.push(row);
        }
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..=events.len())
            .map(|c| width(c).max(if c == 0 { 20 } else { 0 }))
            .collect();
        let mut table = String::new();
        for row in &rows {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            writeln!(table, "{}", cells.join(" | ").trim_end()).unwrap();
        }
        assert_eq!(table, TABLE, "the table is now:\n{table}");
    }

    #[test]
    fn hex_round_trips_and_refuses_what_is_no_hex() {
        assert_eq!(unhex("00ff7f"), Some(vec![0, 255, 127]));
        assert_eq!(hex(&[0, 255, 127]), "00ff7f");
        for bad in ["0", "0g", "0x00", "+1", " 1"] {
            assert_eq!(unhex(bad), None, "{bad}");
        }
        let id = TaskId(0x00ff_0000_0000_0000_0000_0000_0000_0001);
        assert_eq!(TaskId::parse(&id.to_string()), Some(id));
        for bad in ["", "+0000000000000000000000000000001", "00"] {
            assert_eq!(TaskId::parse(bad), None, "{bad}");
        }
    }
}
