//! What a gateway's refusal of `eth_sendRawTransaction` means for the transaction.
//!
//! Nodes agree neither on codes nor on texts, and one code means different things: -32005 is besu's
//! "gas limit exceeds block gas limit" and Infura's rate limit. So the text decides, in any case of
//! letters, and the code only helps where a text is too general. It is one table, read from the
//! top: the first rule that fits is the answer.
//!
//! The payload was parsed here before it was sent, so a wrong "permanent" costs more (the value is
//! withdrawn) than a wrong "unknown" (it is sent again later): a text that does not say clearly
//! what is wrong with the transaction has no rule.

/// What the reply says about the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendReply {
    /// The gateway holds this very transaction: as good as accepted.
    AlreadyKnown,
    /// The nonce is used, by this transaction or by another of the account: look for the
    /// transaction by its id to know which.
    NonceTooLow,
    /// Not now: the same bytes may be taken later, without anyone doing anything.
    Transient(Wait),
    /// Not like this: the same bytes may be taken once something outside them has changed.
    NeedsAction(Action),
    /// Never: the same bytes break a rule that does not change.
    Permanent(Refusal),
    /// Nothing is known, not even whether the gateway took it: neither success nor failure. Also
    /// for a transaction that reverts: some gateways refuse it, others have included it.
    Unknown,
}

/// What a transient refusal waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The gateway limits this client's requests, so every other request would be refused too.
    RateLimit,
    /// The gateway is syncing, overloaded, or has lost its node. After a timeout the transaction
    /// may have been taken all the same.
    Unavailable,
    /// Room in the gateway's pool, in all or for this account.
    PoolFull,
    /// An earlier transaction of the account, which the gateway does not have.
    Predecessor,
}

/// What would have to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The fee is less than the pool or the next block asks.
    Underpriced,
    /// Another transaction waits under the same nonce, and this one does not pay enough more.
    ReplacementUnderpriced,
    /// The account cannot pay for it.
    InsufficientFunds,
    /// The fee is more than the gateway's owner lets through.
    FeeAboveCap,
    /// The gas limit is more than a block or a transaction may have. Not permanent, although the
    /// bytes alone decide: a block's limit changes by vote and from node to node, and clients
    /// answer the same whether it was that or the chain's fixed limit.
    GasLimitTooHigh,
    /// The gateway takes none from this account, none of this kind, or none at all.
    NotPermitted,
}

/// Which rule the bytes break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// They are no transaction.
    Undecodable,
    /// The chain has no transactions of this type.
    UnsupportedType,
    /// They are signed for another chain.
    WrongChain,
    /// The signature is wrong, or its account is a contract.
    InvalidSender,
    /// The transaction, or the code it creates, is larger than nodes take.
    Oversized,
    /// The gas limit is less than the data alone costs.
    IntrinsicGas,
    /// Another rule of the chain: fees that contradict each other, an overflow, blobs or
    /// authorizations that do not fit.
    Invalid,
}

/// Says what an error reply to `eth_sendRawTransaction` means, from the JSON-RPC error's code and
/// message.
pub fn classify_send_error(code: i64, message: &str) -> SendReply {
    let message = message.as_bytes();
    let message = message.get(..MESSAGE_BYTES).unwrap_or(message);
    if let Some(reply) = out_of_sequence(message) {
        return reply;
    }
    RULES
        .iter()
        .filter(|rule| rule.code.is_none_or(|only| only == code))
        .find(|rule| rule.texts.iter().any(|text| contains(message, text)))
        .map_or(SendReply::Unknown, |rule| rule.reply)
}

/// Chains of the Cosmos name both nonces: "invalid nonce; got 0, expected 1".
fn out_of_sequence(message: &[u8]) -> Option<SendReply> {
    let text = std::str::from_utf8(message).ok()?;
    let (_, numbers) = text.split_once("invalid nonce; got ")?;
    let (got, rest) = numbers.split_once(", expected ")?;
    let end = rest.find(|c: char| !c.is_ascii_digit());
    let expected: u64 = rest[..end.unwrap_or(rest.len())].parse().ok()?;
    let got: u64 = got.parse().ok()?;
    Some(if got < expected {
        SendReply::NonceTooLow
    } else {
        SendReply::Transient(Wait::Predecessor)
    })
}

/// Says whether an error reply to any method is the gateway's rate limit.
pub fn is_rate_limit(code: i64, message: &str) -> bool {
    classify_send_error(code, message) == SendReply::Transient(Wait::RateLimit)
}

/// How much of a message is looked at: reasons stand in front, and some proxies send a whole page.
const MESSAGE_BYTES: usize = 1024;

struct Rule {
    reply: SendReply,
    /// The only code for which the rule holds.
    code: Option<i64>,
    /// Any of these, in lower case, at the start of a word.
    texts: &'static [&'static str],
}

const fn rule(reply: SendReply, texts: &'static [&'static str]) -> Rule {
    Rule {
        reply,
        code: None,
        texts,
    }
}

static RULES: &[Rule] = &[
    // What follows are a contract's words.
    rule(
        SendReply::Unknown,
        &["execution reverted", "vm exception", "reverted with"],
    ),
    rule(
        SendReply::AlreadyKnown,
        &[
            "already known",
            "alreadyknown",
            "already imported",
            "alreadyimported",
            "known transaction",
            "same hash",
            "tx already in mempool",
            "tx already exists",
        ],
    ),
    rule(
        SendReply::NeedsAction(Action::ReplacementUnderpriced),
        &[
            "replacement transaction underpriced",
            "replacement underpriced",
            "replacementnotallowed",
            "replace existing",
            "can't replace",
            "same nonce",
        ],
    ),
    rule(
        SendReply::Transient(Wait::Predecessor),
        &[
            "nonce too high",
            "nonce is too high",
            "nonce gap",
            "noncegap",
            "nonce too far",
            "noncetoofar",
            "nonce is too distant",
            "gapped",
            "with a lower nonce",
        ],
    ),
    // The nonce of an EIP-7702 authorization, which is not the transaction's.
    rule(
        SendReply::Permanent(Refusal::Invalid),
        &["authority nonce too low"],
    ),
    rule(
        SendReply::NonceTooLow,
        &[
            "nonce too low",
            "nonce is too low",
            "oldnonce",
            "ownnoncealreadyused",
        ],
    ),
    rule(
        SendReply::NeedsAction(Action::InsufficientFunds),
        &[
            "insufficient funds",
            "insufficientfunds",
            "insufficient balance",
            "enough funds",
            "upfront cost exceeds",
            "overdraft",
        ],
    ),
    rule(
        SendReply::NeedsAction(Action::GasLimitTooHigh),
        &[
            "exceeds block gas limit",
            "exceeds block's gas limit",
            "exceeds max transaction gas limit",
            "exceeds transaction gas cap",
            "exceeds current gas limit",
            "intrinsic gas too high",
            "gas limit too high",
            "gas limit is too high",
            "gas limit reached",
            "gas limit cap exceeded",
            "gaslimitexceeded",
            "txgaslimitcapexceeded",
        ],
    ),
    rule(
        SendReply::Permanent(Refusal::IntrinsicGas),
        &[
            "intrinsic gas too low",
            "intrinsic gas exceeds",
            "intrinsicgas",
            "transaction requires at least",
            "floor data gas",
            "transaction gas is too low",
        ],
    ),
    rule(
        SendReply::NeedsAction(Action::Underpriced),
        &[
            "underpriced",
            "fee too low",
            "feetoolow",
            "insufficient fee",
            "price too low",
            "price is too low",
            "gas price below",
            "below configured minimum",
            "priority fee below",
            "base fee",
            "blob gas fee",
            "too low for the next block",
        ],
    ),
    rule(
        SendReply::NeedsAction(Action::FeeAboveCap),
        &["exceeds the configured cap", "fee cap exceeded"],
    ),
    rule(
        SendReply::NeedsAction(Action::NotPermitted),
        &[
            "only replay-protected",
            "chainid is required",
            "not authorized",
            "not permitted",
            "not on the whitelist",
            "not whitelisted",
            "forbidden sender",
            "is banned",
            "plugin has marked",
        ],
    ),
    rule(
        SendReply::Permanent(Refusal::WrongChain),
        &[
            "invalid chain id",
            "invalid chainid",
            "invalidtxchainid",
            "wrong chain",
            "signed for another chain",
            "chainid not supported",
        ],
    ),
    rule(
        SendReply::Permanent(Refusal::UnsupportedType),
        &[
            "type not supported",
            "unsupported transaction type",
            "unknown transaction type",
            "invalid transaction type",
            "invalidtxtype",
            "fork supporting this",
        ],
    ),
    rule(
        SendReply::Transient(Wait::PoolFull),
        &[
            "is full",
            "pool full",
            "queue full",
            "account limit exceeded",
            "in-flight transaction limit",
            "already reserved",
            "type conflict",
            "pendingtxsofconflictingtype",
            "has pending transaction",
            "spammer",
            "tries to replace pending",
            "too many transactions",
            "l2 congestion",
        ],
    ),
    // Above what says that bytes are wrong: proxies say of limits and of their own failures what sounds like it.
    rule(
        SendReply::Transient(Wait::RateLimit),
        &[
            "rate limit",
            "rate exceeded",
            "too many requests",
            "requests per second",
            "requests limited",
            "request limit",
            "credits limited",
            "compute units",
            "capacity limit",
            "quota",
        ],
    ),
    Rule {
        reply: SendReply::Transient(Wait::RateLimit),
        code: Some(-32005),
        texts: &["limit", "rate"],
    },
    rule(
        SendReply::Transient(Wait::Unavailable),
        &[
            "syncing",
            "sync is still in progress",
            "not yet in sync",
            "header not found",
            "timeout",
            "timed out",
            "deadline exceeded",
            "temporarily",
            "unavailable",
            "try again",
            "please retry",
            "currently not",
            "healthy to serve",
            "over capacity",
            "no backends available",
        ],
    ),
    rule(
        SendReply::Permanent(Refusal::InvalidSender),
        &[
            "invalid sender",
            "invalid signature",
            "invalid_signature",
            "invalidtxsignature",
            "invalid transaction signature",
            "invalid transaction v, r, s",
            "failed to recover sender",
            "failed to recover the signer",
            "failedtoresolvesender",
            "sender not an eoa",
            "sender is not an eoa",
            "senderiscontract",
        ],
    ),
    rule(
        SendReply::Permanent(Refusal::Oversized),
        &[
            "oversized data",
            "transaction too large",
            "transaction is too big",
            "tx too large",
            "initcode too large",
            "rlptoolong",
            "initcode size exceeded",
            "init code length",
        ],
    ),
    rule(
        SendReply::Permanent(Refusal::Undecodable),
        &[
            "failed to decode transaction",
            "failed to decode signed transaction",
            "could not decode transaction",
            "unable to decode transaction",
            "invalid transaction params",
            "empty transaction data",
            "typed transaction too short",
            "rlp:",
            "invalid rlp",
        ],
    ),
    Rule {
        reply: SendReply::Permanent(Refusal::Undecodable),
        code: Some(-32602),
        texts: &["input too short"],
    },
    rule(
        SendReply::Permanent(Refusal::Invalid),
        &[
            "negative value",
            "gas uint64 overflow",
            "gasuintoverflow",
            "int256overflow",
            "transaction cost overflow",
            "nonce has max value",
            "nonce exceeds max",
            "higher than max fee per gas",
            "exceeds max fee per gas",
            "cannot be higher than maxfeepergas",
            "greater than `max_fee_per_gas`",
            "higher than 2^",
            "blob transaction",
            "blobless blob",
            "blobs failed",
            "invalidblob",
            "kzg",
            "sidecar version",
            "authorization list",
            "authorization tuple",
            "transaction invalid",
        ],
    ),
    Rule {
        reply: SendReply::NeedsAction(Action::NotPermitted),
        code: Some(-32601),
        texts: &["method"],
    },
];

/// Whether the text stands in the message, in any case of letters, at the start of a word: "unknown
/// transaction" is not "known transaction".
fn contains(message: &[u8], text: &str) -> bool {
    message
        .windows(text.len())
        .enumerate()
        .filter(|(_, window)| window.eq_ignore_ascii_case(text.as_bytes()))
        .any(|(at, _)| !message[..at].last().is_some_and(u8::is_ascii_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::Action::{
        FeeAboveCap, GasLimitTooHigh, InsufficientFunds, NotPermitted, ReplacementUnderpriced,
        Underpriced,
    };
    use super::Refusal::{
        IntrinsicGas, Invalid, InvalidSender, Oversized, Undecodable, UnsupportedType, WrongChain,
    };
    use super::SendReply::{AlreadyKnown, NeedsAction, NonceTooLow, Permanent, Transient, Unknown};
    use super::Wait::{PoolFull, Predecessor, RateLimit, Unavailable};
    use super::*;

    /// Checks replies written as `client code message`: those of anvil 1.7.1 and hardhat 2.29.1 as
    /// they were received, the others as they stand in the clients' sources and the gateways' pages.
    #[track_caller]
    fn check(expected: SendReply, replies: &[&str]) {
        for reply in replies {
            let mut parts = reply.splitn(3, ' ');
            let _client = parts.next().unwrap();
            let code = parts.next().unwrap().parse().unwrap();
            let message = parts.next().unwrap();
            assert_eq!(classify_send_error(code, message), expected, "{reply}");
            let shouted = message.to_ascii_uppercase();
            assert_eq!(classify_send_error(code, &shouted), expected, "{shouted}");
        }
    }

    #[test]
    fn already_known() {
        check(
            AlreadyKnown,
            &[
                "anvil -32003 transaction already imported",
                "hardhat -32000 Known transaction: 0x8bcb76539690cbed0f2731de04a56a4967f8d176257de9de312cfaa8e70192c8",
                "geth -32000 already known",
                "geth -32000 known transaction: 7f657507aee0511e36d2d1972a6b22e917cc89f92b6c12c4dbd57eaabb236960",
                "reth -32000 already known",
                "besu -32000 Known transaction",
                "nethermind -32010 already known",
                "nethermind -32010 AlreadyKnown",
                "erigon -32000 already known",
                "erigon -32000 existing txn with same hash",
                "erigon -32000 INTERNAL_ERROR: existing tx with same hash",
                "openethereum -32010 Transaction with the same hash was already imported.",
                "zksync 3 known transaction. transaction with hash 0x6013…3053 is already in the system",
                "moonbeam -32603 submit transaction to pool failed: Pool(AlreadyImported)",
                "sei -32000 tx already exists in cache",
                "mantle -32000 failed to forward tx to sequencer, please try again. Error message: 'already known'",
            ],
        );
    }

    #[test]
    fn nonce_too_low() {
        check(
            NonceTooLow,
            &[
                "anvil -32003 nonce too low",
                "hardhat -32000 Transaction nonce too low. Expected nonce to be at least 1 but got 0.",
                "hardhat -32000 Nonce too low. Expected nonce to be 1 but got 0. Note that transactions can't be queued when automining.",
                "geth -32000 nonce too low: next nonce 2, tx nonce 1",
                "reth -32000 nonce too low: next nonce 2, tx nonce 1",
                "besu -32001 Nonce too low",
                "nethermind -32010 nonce too low",
                "nethermind -32010 OldNonce, Current nonce: 22, nonce of rejected tx: 17",
                "nethermind -32010 OwnNonceAlreadyUsed",
                "erigon -32000 nonce too low",
                "openethereum -32010 Transaction nonce is too low. Try incrementing the nonce.",
                "nitro -32000 nonce too low: address 0x336394A3219e71D9d9bd18201d34E95C1Bb7122C, tx: 8089 state: 8090",
                "zksync 3 nonce too low. allowed nonce range: 427 - 447, actual: 426",
                "mantle -32000 failed to forward tx to sequencer, please try again. Error message: 'nonce too low'",
            ],
        );
    }

    #[test]
    fn waits_for_a_predecessor() {
        check(
            Transient(Predecessor),
            &[
                "hardhat -32000 Nonce too high. Expected nonce to be 1 but got 5. Note that transactions can't be queued when automining.",
                "geth -32000 nonce too high: tx nonce 5, gapped nonce 3",
                "geth -32000 gapped-nonce tx from delegated accounts",
                "reth -32000 nonce too high",
                "besu -32006 Nonce too high",
                "besu -32000 Transaction nonce is too distant from current sender nonce",
                "besu -32000 An invalid transaction with a lower nonce exists",
                "nethermind -32010 nonce too high",
                "nethermind -32010 nonce too far in future",
                "nethermind -32010 delegation nonce gap",
                "nethermind -32010 NonceGap, Future nonce. Expected nonce: 10",
                "nitro -32000 nonce too high: address 0x336394A3219e71D9d9bd18201d34E95C1Bb7122C, tx: 8089 state: 8000",
                "zksync 3 nonce too high. allowed nonce range: 427 - 477, actual: 527",
            ],
        );
    }

    #[test]
    fn waits_for_the_gateway() {
        check(
            Transient(PoolFull),
            &[
                "geth -32000 txpool is full",
                "geth -32000 account limit exceeded: pooled 16 txs",
                "geth -32000 future transaction tries to replace pending",
                "geth -32000 address already reserved",
                "geth -32000 authority already reserved",
                "geth -32000 in-flight transaction limit reached for delegated accounts",
                "reth -32003 txpool is full",
                "reth -32000 address already reserved",
                "nethermind -32010 pending transaction type conflict",
                "nethermind -32010 PendingTxsOfConflictingType",
                "nethermind -32010 delegation authority has pending transaction",
                "erigon -32000 pending sub-pool is full",
                "erigon -32000 baseFee sub-pool is full",
                "erigon -32000 queued sub-pool is full",
                "erigon -32000 blobs limit in txpool is full",
                "erigon -32000 spammer",
                "erigon -32000 EIP-7702 transaction with authority already reserved",
                "openethereum -32010 There are too many transactions in the queue. Your transaction was dropped due to limit. Try increasing the fee.",
                "nitro -32000 sequencer pending tx pool full, please try again",
                "nitro -32000 queue full",
            ],
        );
        check(
            Transient(Unavailable),
            &[
                "geth -32000 header not found",
                "besu -32008 Initial sync is still in progress",
                "besu -32002 Transaction pool not enabled. (Either txpool explicitly disabled, or node not yet in sync).",
                "besu -32603 Timeout expired",
                "nethermind -32010 node is syncing",
                "nitro -32000 sequencer temporarily not available",
                "nitro -32000 please retry transaction",
                "nitro -32000 context deadline exceeded",
                "nitro -32000 currently not accepting transactions due to expected surplus being below threshold",
                "optimism -32000 failed to forward tx to sequencer, please try again",
                "proxyd -32011 no backend is currently healthy to serve traffic",
                "proxyd -32011 no backends available for method",
                "proxyd -32012 backend is over capacity",
                "proxyd -32015 gateway timeout",
                "proxyd -32018 backend is currently not healthy to serve traffic",
                "chainstack -32002 request timed out",
            ],
        );
    }

    #[test]
    fn waits_for_the_rate_limit() {
        check(
            Transient(RateLimit),
            &[
                "infura -32005 project ID request rate exceeded",
                "infura -32005 daily request count exceeded, request rate limited",
                "infura 429 Too Many Requests",
                "alchemy 429 Your app has exceeded its compute units per second capacity. If you have retries enabled, you can safely ignore this message. If not, check out https://docs.alchemy.com/reference/throughput",
                "alchemy 429 Monthly capacity limit exceeded. Visit https://dashboard.alchemyapi.io/settings/billing to upgrade your scaling policy for continued service.",
                "quicknode 429 The requests per second (RPS) of your requests are higher than your plan allows.",
                "quicknode -32007 50/second request limit reached - reduce calls per second or upgrade your account",
                "quicknode -32007 credits limited to 50/sec",
                "proxyd -32016 over rate limit",
                "proxyd -32017 sender is over rate limit",
                "bsc -32005 limit exceeded",
                "eip-1474 -32005 Request exceeds defined limit",
            ],
        );
        assert!(is_rate_limit(-32005, "project ID request rate exceeded"));
        assert!(!is_rate_limit(
            -32005,
            "Transaction gas limit exceeds block gas limit"
        ));
        assert!(!is_rate_limit(-32000, "limit exceeded"));
    }

    #[test]
    fn needs_more_money_or_fees() {
        check(
            NeedsAction(InsufficientFunds),
            &[
                "anvil -32003 Insufficient funds for gas * price + value",
                "hardhat -32000 Sender doesn't have enough funds to send tx. The max upfront cost is: 180000000000000 and the sender's balance is: 0.",
                "geth -32000 insufficient funds for gas * price + value: balance 0, tx cost 1, overshot 1",
                "geth -32000 insufficient funds for transfer",
                "geth -32000 transaction would cause overdraft",
                "reth -32003 insufficient funds for gas * price + value: have 0 want 1",
                "besu -32004 Upfront cost exceeds account balance",
                "nethermind -32010 insufficient funds for gas * price + value",
                "nethermind -32010 InsufficientFunds, Account balance: 1, cumulative cost: 2",
                "erigon -32000 insufficient funds",
                "openethereum -32010 Insufficient funds. The account you tried to send transaction from does not have enough funds. Required 2 and got: 1.",
                "zksync 3 insufficient balance for transfer",
                "nitro -32000 not enough funds for gas",
            ],
        );
        check(
            NeedsAction(ReplacementUnderpriced),
            &[
                "anvil -32003 replacement transaction underpriced",
                "hardhat -32000 Replacement transaction underpriced. A gasPrice/maxFeePerGas of at least 3300000000 is necessary to replace the existing transaction with nonce 0.",
                "geth -32000 replacement transaction underpriced",
                "reth -32000 replacement transaction underpriced",
                "besu -32000 Replacement transaction underpriced",
                "nethermind -32010 replacement transaction underpriced",
                "nethermind -32010 ReplacementNotAllowed",
                "erigon -32000 replacement transaction underpriced",
                "erigon -32000 could not replace existing tx",
                "erigon -32000 can't replace blob-txn with a non-blob-txn",
                "openethereum -32010 Transaction gas price supplied is too low. There is another transaction with same nonce in the queue. Try increasing the gas price or incrementing the nonce.",
            ],
        );
        check(
            NeedsAction(Underpriced),
            &[
                "anvil -32003 max fee per gas less than block base fee",
                "hardhat -32000 Transaction maxFeePerGas (1) is too low for the next block, which has a baseFeePerGas of 669988996",
                "geth -32000 transaction underpriced: gas tip cap 1, minimum needed 1000000",
                "geth -32000 transaction gas price below minimum: gas tip cap 0, minimum needed 1",
                "geth -32000 max fee per blob gas less than block blob gas fee",
                "reth -32000 transaction underpriced",
                "reth -32000 max fee per gas less than block base fee",
                "reth -32003 transaction priority fee below minimum required priority fee 1",
                "besu -32009 Gas price below configured minimum gas price",
                "besu -32009 Gas price below current base fee",
                "besu -32009 blob gas price below current blob base fee",
                "nethermind -32010 transaction underpriced",
                "nethermind -32010 FeeTooLow, MaxFeePerGas too low. MaxFeePerGas: 50, BaseFee: 100",
                "nethermind -32010 FeeTooLowToCompete",
                "erigon -32000 underpriced",
                "erigon -32000 fee too low",
                "nitro -32000 max fee per gas less than block base fee: address 0x1, maxFeePerGas: 1 baseFee: 10000000",
                "metis -32000 gas price too low: 18000000000 wei, use at least tx.gasPrice = 19500000000 wei",
                "sei -32000 insufficient fee",
                "hedera -32009 Gas price '830000000000' is below configured minimum gas price '950000000000'",
            ],
        );
    }

    #[test]
    fn needs_other_limits_or_permission() {
        check(
            NeedsAction(GasLimitTooHigh),
            &[
                "anvil -32000 intrinsic gas too high -- tx.gas_limit > env.block.gas_limit",
                "hardhat -32000 Transaction gas limit is 30000001 and exceeds block gas limit of 30000000",
                "hardhat -32000 Transaction gas limit is 20000000 and exceeds transaction gas cap of 16777216",
                "geth -32000 exceeds block gas limit",
                "geth -32000 transaction gas limit too high (cap: 16777216, tx: 20000000)",
                "geth -32000 gas limit reached",
                "reth -32000 exceeds block gas limit",
                "reth -32000 exceeds max transaction gas limit",
                "reth -32003 gas limit too high",
                "reth -32000 intrinsic gas too high",
                "besu -32005 Transaction gas limit exceeds block gas limit",
                "besu -32005 Transaction gas limit cap exceeded",
                "nethermind -32010 gas limit reached",
                "nethermind -32010 GasLimitExceeded, Gas limit: 100, gas limit of rejected tx: 150",
                "nethermind -32010 TxGasLimitCapExceeded: Gas limit 20000000 exceeded cap of 16777216.",
                "erigon -32000 gas limit is too high",
                "openethereum -32010 Transaction cost exceeds current gas limit. Limit: 50, got: 100. Try decreasing supplied gas.",
            ],
        );
        check(
            NeedsAction(FeeAboveCap),
            &[
                "geth -32000 tx fee (1.10 ether) exceeds the configured cap (1.00 ether)",
                "reth -32000 tx fee (1100000000000000000 wei) exceeds the configured cap (1000000000000000000 wei)",
                "besu -32000 Transaction fee cap exceeded",
            ],
        );
        check(
            NeedsAction(NotPermitted),
            &[
                "geth -32000 only replay-protected (EIP-155) transactions allowed over RPC",
                "geth -32601 the method eth_sendRawTransaction does not exist/is not available",
                "besu -32601 Method not found",
                "besu -32007 Sender account not authorized to send transactions",
                "besu -32000 ChainId is required",
                "besu -32000 Plugin has marked the transaction as invalid",
                "openethereum -32010 Sender is banned in local queue.",
                "openethereum -32010 Transaction is not permitted.",
                "nitro -32000 transaction sender is not on the whitelist",
                "nitro -32000 forbidden sender address",
                "proxyd -32001 rpc method is not whitelisted",
            ],
        );
    }

    #[test]
    fn permanent() {
        check(
            Permanent(Undecodable),
            &[
                "anvil -32602 Failed to decode transaction",
                "anvil -32602 Empty transaction data",
                "hardhat -32602 input too short",
                "geth -32000 rlp: value size exceeds available input length",
                "geth -32000 typed transaction too short",
                "reth -32602 failed to decode signed transaction",
                "reth -32602 empty transaction data",
                "besu -32602 Invalid transaction params (missing or incorrect)",
                "nethermind -32010 Invalid RLP.",
                "openethereum -32602 Invalid RLP data: RlpIncorrectListLen",
            ],
        );
        check(
            Permanent(UnsupportedType),
            &[
                "hardhat -32602 Invalid transaction type 127.",
                "geth -32000 transaction type not supported",
                "geth -32000 transaction type not supported: tx type 3 not supported by this pool",
                "reth -32003 transaction type not supported",
                "besu -32602 Invalid transaction type",
                "nethermind -32010 unsupported transaction type",
                "nethermind -32010 InvalidTxType: Transaction type in Berlin is not supported.",
                "erigon -32000 fork supporting this transaction type is not activated yet",
                "any -32602 unknown transaction type: 5",
            ],
        );
        check(
            Permanent(WrongChain),
            &[
                "anvil -32003 invalid chain id for signer",
                "anvil -32003 Incompatible EIP-155 transaction, signed for another chain",
                "hardhat -32602 Trying to send a raw transaction with an invalid chainId. The expected chainId is 31337",
                "hardhat -32602 Trying to send an incompatible EIP-155 transaction, signed for another chain.",
                "geth -32000 invalid sender: invalid chain id for signer: have 5 want 1",
                "geth -32000 invalid chain id for signer: have 5 want 1",
                "reth -32000 invalid chain ID",
                "besu -32000 Wrong chainId",
                "besu -32000 ChainId not supported",
                "nethermind -32010 transaction invalid, InvalidTxChainId: Expected 1, got 5.",
            ],
        );
        check(
            Permanent(InvalidSender),
            &[
                "anvil -32602 Failed to recover the signer",
                "anvil -32003 sender not an eoa",
                "hardhat -32602 Invalid Signature",
                "geth -32000 invalid sender: invalid transaction v, r, s values",
                "geth -32000 invalid transaction v, r, s values",
                "reth -32602 invalid transaction signature",
                "reth -32003 sender is not an EOA",
                "besu -32002 Invalid signature",
                "nethermind -32010 failed to recover sender",
                "nethermind -32010 FailedToResolveSender",
                "nethermind -32010 SenderIsContract",
                "nethermind -32010 transaction invalid, InvalidTxSignature: Signature is invalid.",
                "erigon -32000 invalid sender",
                "hedera -32603 transaction 0.0.4425573@1718213476.914320044 failed precheck with status INVALID_SIGNATURE",
            ],
        );
    }

    #[test]
    fn permanent_by_size_or_gas() {
        check(
            Permanent(Oversized),
            &[
                "anvil -32003 max initcode size exceeded",
                "hardhat -32602 \nTrying to send a deployment transaction whose init code length is 60000. The max length allowed by EIP-3860 is 49152.",
                "geth -32000 oversized data: transaction size 150110, limit 131072",
                "geth -32000 max initcode size exceeded: code size 60000, limit 49152",
                "reth -32000 oversized data: transaction size 150110, limit 131072",
                "nethermind -32010 transaction too large",
                "erigon -32000 RLPTooLong",
                "erigon -32000 initcode too large",
                "openethereum -32010 Transaction is too big, see chain specification for the limit.",
                "sei -32000 Tx too large. Max size is 2048576, but got 2097431",
            ],
        );
        check(
            Permanent(IntrinsicGas),
            &[
                "anvil -32000 intrinsic gas too low",
                "hardhat -32000 Transaction requires at least 21016 gas but got 20000",
                "geth -32000 intrinsic gas too low: gas 20000, minimum needed 21016",
                "geth -32000 insufficient gas for floor data gas cost: gas 30000, minimum needed 33800",
                "reth -32000 intrinsic gas too low",
                "besu -32003 Intrinsic gas exceeds gas limit",
                "nethermind -32010 intrinsic gas too low",
                "erigon -32000 IntrinsicGas",
                "openethereum -32010 Transaction gas is too low. There is not enough gas to cover minimal cost of the transaction (minimal: 100 got: 50) Try increasing supplied gas.",
            ],
        );
        check(
            Permanent(Invalid),
            &[
                "anvil -32003 max priority fee per gas higher than max fee per gas",
                "anvil -32603 Invalid input: `max_priority_fee_per_gas` greater than `max_fee_per_gas`",
                "geth -32000 max fee per gas higher than 2^256-1",
                "geth -32000 negative value",
                "geth -32000 gas uint64 overflow",
                "geth -32000 nonce has max value",
                "geth -32000 authority nonce too low",
                "geth -32000 blobless blob transaction",
                "geth -32000 unexpected sidecar version, want: 1, got: 0",
                "geth -32000 set code tx must have at least one authorization tuple",
                "reth -32003 EIP-7702 authorization list has invalid fields",
                "besu -32000 Max priority fee per gas exceeds max fee per gas",
                "besu -32603 blobs failed kzg validation",
                "nethermind -32010 transaction invalid",
                "nethermind -32010 Int256Overflow",
                "nethermind -32010 transaction invalid, InvalidMaxPriorityFeePerGas: Cannot be higher than maxFeePerGas.",
                "erigon -32000 GasUintOverflow",
                "erigon -32000 blob transactions must have at least one blob",
                "erigon -32000 EIP-7702 transactions with an empty authorization list are invalid",
            ],
        );
    }

    #[test]
    fn unknown() {
        check(
            Unknown,
            &[
                "any 0 ",
                "any -32603 Internal error",
                "any -32603 unknown transaction",
                "any -32003 Transaction rejected",
                // A proxy's words of its own: the node may have taken it.
                "proxy -32000 failed to decode upstream response: unexpected end of JSON input",
                "proxy -32000 could not decode empty body",
                // A code alone decides nothing.
                "any -32005 Number of requests exceeds max batch size",
                "any -32601 not here",
                "any -32602 Invalid params",
                "any -32000 input too short",
                "any -32602 unexpected string",
                "geth -32600 batch too large",
                "any -32000 limit exceeded",
                // Hardhat mines what reverts and answers with an error; nitro refuses it.
                "hardhat -32603 Error: VM Exception while processing transaction: reverted with reason string 'no'",
                "nitro 3 execution reverted",
                "any 401 missing authorization header",
                // The proxy does not say whether the node behind it has taken it.
                "proxyd -32010 backend offline",
                "proxyd -32013 backend returned an invalid response",
                "proxyd -32014 too many RPC calls in batch request",
            ],
        );
    }

    #[test]
    fn no_rule_hides_another() {
        for rule in RULES {
            for text in rule.texts {
                assert!(!text.is_empty());
                assert_eq!(*text, text.to_ascii_lowercase());
                let code = rule.code.unwrap_or(0);
                assert_eq!(classify_send_error(code, text), rule.reply, "{text}");
            }
        }
    }

    #[test]
    fn only_the_start_of_a_long_message_counts() {
        let padding = " ".repeat(MESSAGE_BYTES - "nonce too low".len());
        let check = |message: &str, expected| assert_eq!(classify_send_error(0, message), expected);
        check(&format!("{padding}nonce too low"), NonceTooLow);
        check(&format!("{padding} nonce too low"), Unknown);
        check(
            &format!("nonce too low{}", "é".repeat(MESSAGE_BYTES)),
            NonceTooLow,
        );
    }
}
