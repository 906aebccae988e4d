//! What is asked of a chain gateway, and the reading of its replies. No IO: the driver carries requests and answers.

pub mod classify;
pub mod endpoint;
pub mod evm;
pub mod json_rpc;
pub mod pool;
pub mod transaction;

use crate::follow::Header;
use crate::task::{Address, Block, Hash, Inclusion, Reason};
use std::rc::Rc;

/// A question to the gateway, or a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Which chain it is on.
    ChainId,
    /// Whether it lacks blocks that it knows of.
    Syncing,
    /// The newest block.
    Head,
    /// The block of this height.
    BlockAt(u64),
    /// The blocks of these heights: one batch.
    Blocks(Vec<u64>),
    /// The newest block that is final by the chain's own word.
    FinalBlock,
    /// Where a transaction stands.
    Receipt(Hash),
    /// Whether a transaction is known at all, and its calldata.
    Transaction(Hash),
    /// Where these transactions stand, all of them in this block: one question for all.
    BlockReceipts(Block, BlockName, Vec<Hash>),
    /// Where each of these stands: one batch.
    Receipts(Vec<Hash>),
    /// Whether each of these is known at all: one batch.
    Transactions(Vec<Hash>),
    /// How many transactions an account has had.
    Count(Address, At),
    /// The account's transaction of this nonce.
    BySender(Address, u64),
    /// The same, searched for in the block of this height.
    InBlock(u64, Address, u64),
    /// Take these payloads, in this order.
    Send(Vec<Rc<[u8]>>),
    /// A call of the dapp's own: method, and parameters as JSON.
    Call(String, String),
    /// Several of them: one batch.
    Calls(Vec<(String, String)>),
}

/// How a block is called. Some gateways take only one of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockName {
    /// By its hash.
    Hash,
    /// By its height.
    Number,
}

/// As of when an account's transactions are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// With those that wait in the gateway's pool.
    Pending,
    /// The newest block.
    Latest,
    /// The block of this height.
    Height(u64),
    /// The newest final block, which has this height as far as is known.
    Final(u64),
}

/// A reply that could be read, by the request's kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// To `ChainId`.
    ChainId(u64),
    /// To `Syncing`.
    Syncing(bool),
    /// To `Head` and `BlockAt`: `None` where there is no such block.
    Block(Option<Header>),
    /// To `Blocks`: those that were answered, in the order asked; `None` where there is no such block.
    Blocks(Vec<(u64, Option<Header>)>),
    /// To `FinalBlock`: `None` where the gateway does not know.
    FinalBlock(Option<Block>),
    /// To `Receipt`: `None` while it is in no block that the gateway knows.
    Receipt(Option<Inclusion>),
    /// To `Transaction`, `BySender` and `InBlock`: `None` where the gateway does not know it.
    Transaction(Option<Found>),
    /// To `BlockReceipts` and `Receipts`: those that were answered, in the order asked. What is not among them was not
    /// answered, or is not in the block.
    Receipts(Vec<(Hash, Option<Inclusion>)>),
    /// To `Transactions`: those that were answered, in the order asked.
    Transactions(Vec<(Hash, Option<Found>)>),
    /// To `Count`.
    Count(u64),
    /// To `Send` of one: the gateway has it, now or since earlier.
    Accepted,
    /// To `Send` of several: what the gateway says of each.
    Sent(Vec<Result<(), Refusal>>),
    /// To `Call`: the result as JSON.
    Result(String),
    /// To `Calls`: of each the same, or what the gateway says of it; nothing where it was not answered.
    Results(Vec<Option<Result<String, Refusal>>>),
}

/// A transaction that the gateway knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The transaction id.
    pub tx: Hash,
    /// Its recipient: none where it creates a contract.
    pub to: Option<Address>,
    /// The wei that it moves: a big-endian number without leading zeros.
    pub value: Vec<u8>,
    /// Its calldata.
    pub calldata: Rc<[u8]>,
    /// Whether it is in a block.
    pub is_mined: bool,
}

impl Request {
    /// How many JSON-RPC ids it takes: its own and those behind it.
    pub fn ids(&self) -> u64 {
        match self {
            Request::Receipts(txs) | Request::Transactions(txs) => txs.len().max(1) as u64,
            Request::Blocks(heights) => heights.len().max(1) as u64,
            Request::Send(payloads) => payloads.len().max(1) as u64,
            Request::Calls(calls) => calls.len().max(1) as u64,
            Request::ChainId
            | Request::Syncing
            | Request::Head
            | Request::BlockAt(_)
            | Request::FinalBlock
            | Request::Receipt(_)
            | Request::Transaction(_)
            | Request::BlockReceipts(..)
            | Request::Count(..)
            | Request::BySender(..)
            | Request::InBlock(..)
            | Request::Call(..) => 1,
        }
    }
}

/// What the driver brings back from a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// An HTTP response with its whole body.
    Http {
        /// The status code.
        status: u16,
        /// The body.
        body: String,
        /// The `Retry-After` header in milliseconds, where the server lets it be read.
        retry_after_ms: Option<u64>,
    },
    /// No response that could be read: offline, a timeout, CORS, a lost connection. Nobody knows whether it arrived.
    Lost(String),
}

/// Why there is no reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What follows from it.
    pub verdict: Verdict,
    /// The gateway's words, or what was wrong with them.
    pub cause: String,
    /// How long it asks to wait, in milliseconds.
    pub retry_after_ms: Option<u64>,
    /// What it is about.
    pub blame: Blame,
}

/// What a refusal is about: whether another gateway is asked, and what is thought of this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The request: every gateway would say so.
    Request,
    /// The request as this gateway sees it: another may know more, or take more.
    Elsewhere,
    /// The gateway: it is not what answers as it should.
    Gateway,
    /// The gateway's limits: it wants to be left alone for a while.
    Limited,
    /// The chain that the gateway is on.
    Chain,
}

/// What follows from a refusal, for a send above all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody knows whether it arrived: look before sending again.
    Unknown,
    /// It was not taken, and may be later.
    Later,
    /// The nonce is used: by this transaction, or by another.
    NonceUsed,
    /// It was not taken, and will not be until somebody acts.
    Blocked(Reason),
    /// It will never be taken.
    Never,
    /// The gateway answered a question with an error.
    Error,
    /// The gateway does not do what was asked: not so, or not so much of it at a time.
    Unsupported,
}
