//! What crosses the boundary. The TypeScript types are generated from these.

use super::fetch::Gateways;
use super::packed::Packed;
use crate::backup::Backup;
use crate::cache::{Cache, Draws, Entry, Reorg, Report, Signer, Source, Tip};
use crate::error::{Error, ErrorCode};
use crate::gateway::endpoint::{GatewayState, View};
use crate::gateway::evm::Finality;
use crate::task::{
    Address, Block, Bytes, Content, Hash, Reason, State, Status, Tag, Task, TaskId, Value,
};
use serde::Serialize;
use tsify::Tsify;
use wasm_bindgen::prelude::*;

/// How to open a cache: checked by the wrapper, and read here, from JSON.
#[derive(miniserde::Deserialize, Tsify)]
pub(super) struct OpenOptions {
    pub(super) database: String,
    pub(super) lane: String,
    pub(super) urls: Vec<String>,
    #[tsify(type = "number")]
    #[serde(rename = "chainId")]
    pub(super) chain_id: u64,
    pub(super) finality: FinalityOption,
    /// Of `confirmations`: how many.
    #[tsify(type = "number")]
    pub(super) depth: u64,
    pub(super) quorum: usize,
    #[serde(rename = "maxInFlight")]
    pub(super) max_in_flight: usize,
    #[serde(rename = "perSecond")]
    pub(super) per_second: u32,
    pub(super) burst: u32,
    #[tsify(type = "number")]
    #[serde(rename = "pollMs")]
    pub(super) poll_ms: u64,
    #[serde(rename = "timeoutMs")]
    pub(super) timeout_ms: u32,
    #[serde(rename = "hasReader")]
    pub(super) has_reader: bool,
    #[tsify(optional, type = "number")]
    #[serde(rename = "maxAgeMs")]
    pub(super) max_age_ms: Option<u64>,
    #[tsify(type = "number")]
    #[serde(rename = "staleWhileRevalidateMs")]
    pub(super) stale_while_revalidate_ms: u64,
    #[tsify(type = "number")]
    #[serde(rename = "negativeMaxAgeMs")]
    pub(super) negative_max_age_ms: u64,
    pub(super) strict: bool,
    /// The database is not created.
    #[serde(rename = "mustExist")]
    pub(super) must_exist: bool,
    #[tsify(type = "number")]
    #[serde(rename = "cleanAtBytes")]
    pub(super) clean_at_bytes: u64,
    /// What settled values may take in the store.
    #[tsify(type = "number")]
    #[serde(rename = "cacheBytes")]
    pub(super) cache_bytes: u64,
    pub(super) signers: Vec<SignerOption>,
    /// The names of the dapp's updates.
    pub(super) updates: Vec<String>,
    /// Values are JSON in UTF-8.
    #[serde(rename = "isJson")]
    pub(super) is_json: bool,
}

/// Who signs drafts in this tab.
#[derive(miniserde::Deserialize, Tsify)]
pub(super) struct SignerOption {
    pub(super) name: String,
    #[tsify(optional)]
    pub(super) address: Option<String>,
    pub(super) nonces: NoncesOption,
    pub(super) sends: bool,
    #[tsify(type = "number")]
    #[serde(rename = "timeoutMs")]
    pub(super) timeout_ms: u64,
}

/// Who draws the nonces of a signer's transactions.
#[derive(miniserde::Deserialize, Tsify)]
pub(super) enum NoncesOption {
    #[serde(rename = "cache")]
    Cache,
    #[serde(rename = "signer")]
    Signer,
}

impl From<&SignerOption> for Signer {
    fn from(option: &SignerOption) -> Self {
        Signer {
            address: option.address.as_deref().and_then(Address::parse),
            nonces: match option.nonces {
                NoncesOption::Cache => Draws::Cache,
                NoncesOption::Signer => Draws::Signer,
            },
            sends: option.sends,
            timeout_ms: option.timeout_ms,
        }
    }
}

/// When a block counts as final.
#[derive(miniserde::Deserialize, Tsify)]
pub(super) enum FinalityOption {
    #[serde(rename = "finalized")]
    Finalized,
    #[serde(rename = "safe")]
    Safe,
    #[serde(rename = "confirmations")]
    Confirmations,
}

impl OpenOptions {
    pub(super) fn finality(&self) -> Finality {
        match self.finality {
            FinalityOption::Finalized => Finality::Finalized,
            FinalityOption::Safe => Finality::Safe,
            FinalityOption::Confirmations => Finality::Confirmations(self.depth),
        }
    }
}

/// A block of the chain.
#[derive(Serialize, Tsify)]
pub(super) struct BlockView {
    /// Its height.
    #[tsify(type = "number")]
    number: u64,
    /// Its hash, 0x and 64 hex digits.
    #[tsify(type = "`0x${string}`")]
    hash: String,
}

impl From<Block> for BlockView {
    fn from(block: Block) -> Self {
        BlockView {
            number: block.number,
            hash: block.hash.to_string(),
        }
    }
}

/// What is known of a task. It goes packed, in the order in which js/packed.ts takes it apart.
#[derive(Tsify)]
#[serde(rename_all = "camelCase")]
pub(super) struct TaskView<'a> {
    /// Its name: 32 hex digits.
    #[tsify(type = "string")]
    id: TaskId,
    /// The transaction id: of the one that a block holds, else of the newest; none before there is a signature.
    #[tsify(type = "`0x${string}` | undefined")]
    tx_id: Option<Hash>,
    /// What reads of its value ask for.
    key: &'a str,
    /// Where it stands.
    status: Status,
    /// Why it is blocked or failed.
    #[tsify(type = "Reason | undefined")]
    reason: Option<Reason>,
    /// The gateway's words for that.
    #[tsify(type = "string | undefined")]
    cause: Option<&'a str>,
    /// The transaction that took its nonce, where that is known.
    #[tsify(type = "`0x${string}` | undefined")]
    replaced_by: Option<Hash>,
    /// The block that holds its transaction, or the one that took its nonce.
    #[tsify(type = "BlockView | undefined")]
    block: Option<Block>,
    /// Whether it was executed without effect.
    reverted: bool,
    /// The transaction's nonce, once it has one.
    #[tsify(type = "number | undefined")]
    nonce: Option<u64>,
    /// What a wallet may have sent for it has this nonce or a later one.
    #[tsify(type = "number | undefined")]
    nonce_from: Option<u64>,
    /// Who signs it, where it came without a signature.
    #[tsify(type = "string | undefined")]
    signer: Option<&'a str>,
    /// Tasks of one lane are sent in the order of their nonces.
    lane: &'a str,
    /// The update that makes the key's value of the one below it.
    #[tsify(type = "string | undefined")]
    update: Option<&'a str>,
    /// The tasks that it waits for before it is sent.
    #[tsify(type = "string[]")]
    after: &'a [TaskId],
    /// How many sends of it this tab began.
    attempts: u32,
    /// Bytes of payload and value.
    size: usize,
    /// When it was submitted: milliseconds since 1970.
    #[tsify(type = "number")]
    created_at: u64,
    /// Blocks from its own to the newest that is known, both included.
    #[tsify(type = "number | undefined")]
    confirmations: Option<u64>,
}

impl<'a> TaskView<'a> {
    pub(super) fn new(cache: &Cache, task: &'a Task) -> Self {
        let submission = &task.submission;
        let (reason, cause) = match &task.state {
            State::Blocked { reason, cause, .. } | State::Failed { reason, cause, .. } => {
                (Some(*reason), Some(cause.as_str()))
            }
            State::Displaced(displaced) => (Some(displaced.reason), None),
            State::BackedUp(_)
            | State::Signing { .. }
            | State::Sent
            | State::Included(_)
            | State::Final(_) => (None, None),
        };
        let replaced_by = match &task.state {
            State::Displaced(displaced) => Some(displaced.inclusion.tx),
            State::Failed { by, .. } => *by,
            State::BackedUp(_)
            | State::Signing { .. }
            | State::Blocked { .. }
            | State::Sent
            | State::Included(_)
            | State::Final(_) => None,
        };
        let inclusion = task.state.inclusion();
        let block = inclusion.map(|inclusion| inclusion.block);
        let head = cache.tip().map(|tip| tip.head.number);
        let payload_len = task
            .newest()
            .and_then(|(_, payload, _)| payload)
            .map_or(0, Bytes::len);
        let value_len = match &submission.value {
            Value::Given(value) => value.len(),
            Value::Calldata(_) => 0,
        };
        TaskView {
            id: submission.id,
            tx_id: task.tx(),
            key: &submission.key,
            status: task.state.status(),
            reason,
            cause,
            replaced_by,
            block,
            reverted: inclusion.is_some_and(|inclusion| inclusion.reverted)
                || reason == Some(Reason::Reverted),
            nonce: task.nonce(),
            nonce_from: task.nonce_from,
            signer: match &submission.content {
                Content::Draft(signer) => Some(signer),
                Content::Signed(_) => None,
            },
            lane: &submission.lane,
            update: submission.update.as_deref(),
            after: submission.waits_for(),
            attempts: cache.attempts(submission.id),
            size: payload_len + value_len,
            created_at: submission.created_ms,
            confirmations: block
                .zip(head)
                .map(|(block, head)| (head + 1).saturating_sub(block.number)),
        }
    }

    /// What is looked at of every task that goes on.
    pub(super) fn pack_news(&self, packed: &mut Packed) {
        packed.id(self.id);
        packed.text(self.status.as_str());
        packed.optional(self.reason.map(Reason::as_str), Packed::text);
        packed.number(self.attempts.into());
        packed.number(self.created_at);
    }

    pub(super) fn pack(self, packed: &mut Packed) {
        let TaskView {
            id,
            tx_id,
            key,
            status,
            reason,
            cause,
            replaced_by,
            block,
            reverted,
            nonce,
            nonce_from,
            signer,
            lane,
            update,
            after,
            attempts,
            size,
            created_at,
            confirmations,
        } = self;
        packed.id(id);
        packed.optional(tx_id, Packed::hash);
        packed.text(key);
        packed.text(status.as_str());
        packed.optional(reason.map(Reason::as_str), Packed::text);
        packed.optional(cause, Packed::text);
        packed.optional(replaced_by, Packed::hash);
        packed.optional(block, Packed::block);
        packed.flag(reverted);
        packed.optional(nonce, Packed::number);
        packed.optional(nonce_from, Packed::number);
        packed.optional(signer, Packed::text);
        packed.text(lane);
        packed.optional(update, Packed::text);
        packed.number(after.len() as u64);
        for id in after {
            packed.id(*id);
        }
        packed.number(attempts.into());
        packed.number(size as u64);
        packed.number(created_at);
        packed.optional(confirmations, Packed::number);
    }
}

/// The answer to a read, its value still encoded. It goes packed, in the order in which js/packed.ts takes it apart.
#[derive(Tsify)]
#[serde(rename_all = "camelCase")]
pub(super) struct EntryView<'a> {
    /// What was asked for.
    key: &'a str,
    /// What it holds, as encoded by the codec: text where that is JSON and not long.
    #[tsify(type = "Uint8Array | string")]
    value: &'a [u8],
    /// Whether the value is calldata, which the codec did not encode.
    is_calldata: bool,
    /// Where it came from.
    #[tsify(type = "Exclude<Source, \"any\">")]
    source: Source,
    /// How settled it is.
    status: Status,
    /// The transaction that wrote it, where that is known.
    #[tsify(optional, type = "`0x${string}`")]
    tx_id: Option<Hash>,
    /// The block that holds that transaction, or as of which it was read.
    #[tsify(optional, type = "BlockView")]
    block: Option<Block>,
    /// The task, while the backup has it.
    #[tsify(optional, type = "string")]
    task_id: Option<TaskId>,
    /// Whether it is older than was asked for: the chain is asked in the background, or could not be.
    #[tsify(optional, type = "true")]
    stale: bool,
    /// What the submission said of itself, where it said something: names and values.
    #[tsify(optional, type = "[string, string][]")]
    tags: &'a [Tag],
}

impl<'a> From<&'a Entry> for EntryView<'a> {
    fn from(entry: &'a Entry) -> Self {
        EntryView {
            key: &entry.key,
            value: &entry.value,
            is_calldata: entry.is_calldata,
            source: entry.source,
            status: entry.status,
            tx_id: entry.tx,
            block: entry.block,
            task_id: entry.task,
            stale: entry.is_stale,
            tags: &entry.tags,
        }
    }
}

impl EntryView<'_> {
    /// `value` packs the value.
    pub(super) fn pack(self, packed: &mut Packed, value: impl FnOnce(&mut Packed, &[u8], bool)) {
        packed.text(self.key);
        packed.flag(self.is_calldata);
        packed.text(self.source.as_str());
        packed.text(self.status.as_str());
        packed.optional(self.tx_id, Packed::hash);
        packed.optional(self.block, Packed::block);
        packed.optional(self.task_id, Packed::id);
        packed.flag(self.stale);
        packed.number(self.tags.len() as u64);
        for (name, value) in self.tags {
            packed.text(name);
            packed.text(value);
        }
        value(packed, self.value, self.is_calldata);
    }
}

/// What is known of the chain's end.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub(super) struct TipView {
    /// The newest block.
    head: BlockView,
    /// Up to this height blocks are final.
    #[tsify(optional, type = "number")]
    final_height: Option<u64>,
}

impl From<Tip> for TipView {
    fn from(tip: Tip) -> Self {
        TipView {
            head: tip.head.into(),
            final_height: tip.final_height,
        }
    }
}

/// How many tasks have each status.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Counts {
    backed_up: usize,
    blocked: usize,
    sent: usize,
    included: usize,
    r#final: usize,
    failed: usize,
}

impl Counts {
    fn new(backup: &Backup) -> Self {
        Counts {
            backed_up: backup.count(Status::BackedUp),
            blocked: backup.count(Status::Blocked),
            sent: backup.count(Status::Sent),
            included: backup.count(Status::Included),
            r#final: backup.count(Status::Final),
            failed: backup.count(Status::Failed),
        }
    }
}

/// What the log holds.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogView {
    /// How many segments.
    segments: usize,
    /// Their bytes.
    #[tsify(type = "number")]
    bytes: u64,
    /// Bytes of them that must stay.
    #[tsify(type = "number")]
    live_bytes: u64,
    /// About how many bytes wait for a commit.
    queued_bytes: usize,
}

/// How a gateway url fares.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub(super) struct GatewayView {
    /// As configured.
    url: String,
    /// What it is good for at the moment.
    state: GatewayState,
    /// How long it takes to answer, in milliseconds: a moving average, once it has answered.
    #[tsify(optional, type = "number")]
    latency_ms: Option<u64>,
    /// Requests that it did not answer as it should, or refused for its rate limit.
    #[tsify(type = "number")]
    failures: u64,
    /// The height of the newest block that it last showed.
    #[tsify(optional, type = "number")]
    head: Option<u64>,
}

impl GatewayView {
    fn new(url: &str, view: View) -> Self {
        GatewayView {
            url: url.into(),
            state: view.state,
            latency_ms: view.latency_ms,
            failures: view.failures,
            head: view.head,
        }
    }
}

/// The settled values that are stored.
#[derive(Serialize, Tsify)]
pub(super) struct ValuesView {
    /// Bytes of their keys and values, as this tab last heard.
    #[tsify(type = "number")]
    bytes: u64,
}

/// Numbers about the cache.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stats {
    /// How many tasks of the backup have each status.
    tasks: Counts,
    /// What the log holds.
    log: LogView,
    /// The settled values that are stored.
    values: ValuesView,
    /// Whether this tab is the one that sends.
    leader: bool,
    /// Damaged segments, in the log and set aside, as far as this tab knows.
    damaged: usize,
    /// Requests to the gateways that are under way, or wait for one.
    requests: usize,
    /// How each gateway url fares, as this tab knows it, in the order of the configuration.
    gateways: Vec<GatewayView>,
    /// The chain's newest block, as far as is known.
    #[tsify(optional)]
    head: Option<BlockView>,
    /// Up to this height blocks are final.
    #[tsify(optional, type = "number")]
    final_height: Option<u64>,
}

impl Stats {
    pub(super) fn new(cache: &Cache, gateways: &Gateways, aside: usize) -> Self {
        let tip = cache.tip();
        let views = cache.gateways().enumerate();
        Stats {
            tasks: Counts::new(cache.backup()),
            log: LogView {
                segments: cache.log().segments().len(),
                bytes: cache.log().bytes(),
                live_bytes: cache.backup().live_bytes(),
                queued_bytes: cache.log().queue_bytes(),
            },
            values: ValuesView {
                bytes: cache.values_bytes(),
            },
            leader: cache.is_leading(),
            damaged: cache.damaged().count() + aside,
            requests: cache.requests_in_flight(),
            gateways: views
                .map(|(url, view)| GatewayView::new(gateways.url(url), view))
                .collect(),
            head: tip.map(|tip| tip.head.into()),
            final_height: tip.and_then(|tip| tip.final_height),
        }
    }
}

/// An error as JavaScript gets it; the wrapper makes an `UplinkError` of it.
#[derive(Serialize, Tsify)]
pub(super) struct ErrorView {
    code: ErrorCode,
    message: String,
    retryable: bool,
}

impl From<&Error> for ErrorView {
    fn from(error: &Error) -> Self {
        ErrorView {
            code: error.code,
            message: error.message.clone(),
            retryable: error.code.retryable(),
        }
    }
}

/// Blocks that left the canonical chain.
#[derive(Serialize, Tsify)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReorgView {
    /// The lowest height.
    #[tsify(type = "number")]
    from: u64,
    /// The highest height.
    #[tsify(type = "number")]
    to: u64,
    /// Whether some of them were final: the chain broke its word, and tasks that were settled are sent again.
    past_final: bool,
}

impl From<Reorg> for ReorgView {
    fn from(reorg: Reorg) -> Self {
        ReorgView {
            from: reorg.first,
            to: reorg.last,
            past_final: reorg.is_past_final,
        }
    }
}

/// Something that was stored and cannot be read.
#[derive(Serialize, Tsify)]
pub(super) struct DamageView {
    /// The segment's key in the log.
    #[tsify(type = "number")]
    pub(super) segment: u64,
    /// Where in it the damage begins.
    pub(super) offset: usize,
}

/// What came of a piece of a file.
#[derive(Serialize, Tsify)]
pub(super) struct ReportView {
    /// Tasks that are new here, and durable.
    #[tsify(type = "number")]
    imported: u64,
    /// Tasks that were here, and are left as they are.
    #[tsify(type = "number")]
    known: u64,
    /// Tasks that are not taken, and why.
    refused: Vec<RefusedView>,
    /// Places in the file that cannot be read.
    #[tsify(type = "number")]
    damaged: u64,
    /// Whether the file was read to its end, and all its tasks were in it.
    complete: bool,
}

/// A task of a file that is not taken.
#[derive(Serialize, Tsify)]
pub(super) struct RefusedView {
    /// The task's name.
    id: String,
    /// Why.
    code: ErrorCode,
    /// The same in a sentence.
    message: String,
}

impl From<Report> for ReportView {
    fn from(report: Report) -> Self {
        let refused = report.refused.into_iter();
        ReportView {
            imported: report.imported,
            known: report.known,
            refused: refused
                .map(|(id, error)| RefusedView {
                    id: id.to_string(),
                    code: error.code,
                    message: error.message,
                })
                .collect(),
            damaged: report.damaged,
            complete: report.is_complete,
        }
    }
}

/// A part of a file that goes out.
#[wasm_bindgen(getter_with_clone)]
pub struct Part {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether others follow.
    pub more: bool,
}

/// As a JavaScript value. These types hold nothing that cannot be one.
pub(super) fn to_js<T: Serialize>(value: &T) -> JsValue {
    let serializer = serde_wasm_bindgen::Serializer::new().serialize_missing_as_null(false);
    value.serialize(&serializer).unwrap_or(JsValue::UNDEFINED)
}
