//! What real gateways do and the simulator's do not: words of their own, statuses, limits, and what they keep.

use crate::alone::{Alone, plain};
use crate::chain::{Chain, Orphans, Quality};
use crate::gateway::{BlockReceipts, Mood, Post, error, reply};
use crate::payload::{self, CHAIN_ID, RECIPIENT, Shape};
use alloy_rlp::{Encodable, Header};
use std::cell::Cell;
use std::rc::Rc;
use uplink_cache::cache::{Brings, Draws, Input, Signer};
use uplink_cache::gateway::evm::Finality;
use uplink_cache::task::{Event, Reason, State, Status, TaskId};

fn mood() -> Mood {
    Mood {
        batch_limit: 100,
        ..Mood::default()
    }
}

const TASK: TaskId = TaskId(1);

fn state(world: &Alone) -> State {
    world.cache.task(TASK).unwrap().state.clone()
}

fn submit(world: &mut Alone, id: TaskId, brings: Brings) {
    world.take(Input::Submit(1, plain(id, brings, 1)));
}

/// Each reply of a post apart, and put together again.
fn each(post: &Post, body: &str, mut change: impl FnMut(usize) -> Option<String>) -> String {
    // Bodies are made one after the other by `reply`, so that they can be told apart by their beginnings.
    let inner = if post.is_batch {
        &body[1..body.len() - 1]
    } else {
        body
    };
    let mut parts: Vec<String> = inner
        .split(r#"{"jsonrpc":"2.0","#)
        .skip(1)
        .map(|part| [r#"{"jsonrpc":"2.0","#, part.trim_end_matches(',')].concat())
        .collect();
    for (index, part) in parts.iter_mut().enumerate() {
        if let Some(other) = change(index) {
            *part = other;
        }
    }
    let list = parts.join(",");
    if post.is_batch {
        format!("[{list}]")
    } else {
        list
    }
}

#[test]
fn one_error_at_the_question_for_the_final_block_makes_nothing_final() {
    let mut world = Alone::new(mood());
    // By its own word a block is final after 500.
    world.chain = Chain::new(1, 1, 500);
    world.send(1);
    world.mine(1, 1);
    world.mine(80, 0);
    assert_eq!(
        state(&world).status(),
        Status::Included,
        "the chain's word is known, and was heard 80 times"
    );
    // The node restarts: until its consensus client has told it, it knows no final block.
    let is_told = Rc::new(Cell::new(false));
    let told = is_told.clone();
    world.tamper = Some(Box::new(move |_, post, body| {
        if post.calls[0].text(0) == Some("finalized") && !told.replace(true) {
            return Some((200, error(post.id, -39_001, "Unknown block")));
        }
        Some((200, body))
    }));
    world.mine(3, 0);
    assert!(is_told.get());
    assert_eq!(
        state(&world).status(),
        Status::Included,
        "it is 83 deep, and 500 are final"
    );
}

/// A gateway that keeps transactions, and no receipts.
fn prune(world: &mut Alone) {
    world.mood.prunes = true;
    world.tamper = Some(Box::new(move |_, post, body| {
        if post.method() != "eth_getTransactionReceipt" {
            return Some((200, body));
        }
        Some((
            200,
            each(post, &body, |index| {
                Some(reply(post.calls[index].id, "null"))
            }),
        ))
    }));
}

#[test]
fn what_is_known_to_be_mined_and_has_no_receipt_any_more_is_not_waited_for_for_ever() {
    let mut world = Alone::new(mood());
    world.send(1);
    world
        .chain
        .mine(1, || true, &mut fastrand::Rng::with_seed(1));
    for _ in 0..400 {
        world
            .chain
            .mine(0, || true, &mut fastrand::Rng::with_seed(1));
    }
    prune(&mut world);
    world.restart();
    // Two days.
    world.mine(2 * 7_200, 0);
    let state = state(&world);
    assert_ne!(
        state.status(),
        Status::Sent,
        "two days later it is {state:?}, with no cause shown"
    );
}

#[test]
fn a_height_that_cannot_be_shown_does_not_end_tracking() {
    for message in ["requested epoch was a null round (4)", ""] {
        let mut world = Alone::new(mood());
        world.send(1);
        let bad = world.chain.head().number + 2;
        let began_ms = world.now_ms;
        // Nothing is seen of three blocks: the page was frozen. The second cannot be asked for by its height.
        for most in [0, 0, 1] {
            world
                .chain
                .mine(most, || true, &mut fastrand::Rng::with_seed(1));
        }
        world.tamper = Some(Box::new(move |_, post, body| {
            if post.method() != "eth_getBlockByNumber" {
                return Some((200, body));
            }
            let is_bad = |index: usize| post.calls[index].number(0) == Some(bad);
            let instead = |index: usize| match message {
                // Another one's block, as Forest and Venus answer.
                "" => reply(post.calls[index].id, "{}"),
                message => error(post.calls[index].id, 12, message),
            };
            Some((
                200,
                each(post, &body, |index| is_bad(index).then(|| instead(index))),
            ))
        }));
        // Twenty minutes.
        world.mine(100, 0);
        let looks = world.posts.iter().filter(|(at_ms, _, post)| {
            *at_ms > began_ms + 60_000 && post.calls[0].text(0) == Some("latest")
        });
        let looks = looks.count();
        assert!(
            matches!(state(&world).status(), Status::Included | Status::Final),
            "{message}: 100 blocks later it is {:?}, and the head was looked at {looks} times",
            state(&world)
        );
    }
}

/// A type 4 transaction of account 0 that delegates its code, with nothing else in it.
fn set_code(nonce: u64) -> Vec<u8> {
    let mut authorization = Vec::new();
    CHAIN_ID.encode(&mut authorization);
    [0x77_u8; 20].as_slice().encode(&mut authorization);
    (nonce + 1).encode(&mut authorization);
    0_u64.encode(&mut authorization);
    [0x11_u8; 32].as_slice().encode(&mut authorization);
    [0x22_u8; 32].as_slice().encode(&mut authorization);
    let list = |payload: &[u8]| {
        let mut out = Vec::new();
        Header {
            list: true,
            payload_length: payload.len(),
        }
        .encode(&mut out);
        out.extend(payload);
        out
    };
    let mut fields = Vec::new();
    CHAIN_ID.encode(&mut fields);
    nonce.encode(&mut fields);
    1_u64.encode(&mut fields);
    2_000_000_000_u64.encode(&mut fields);
    100_000_u64.encode(&mut fields);
    RECIPIENT.0.as_slice().encode(&mut fields);
    0_u64.encode(&mut fields);
    [].as_slice().encode(&mut fields);
    fields.push(0xc0);
    fields.extend(list(&list(&authorization)));
    0_u64.encode(&mut fields);
    [1_u8; 32].as_slice().encode(&mut fields);
    [0x55_u8; 32].as_slice().encode(&mut fields);
    let mut payload = vec![4];
    payload.extend(list(&fields));
    payload
}

#[test]
fn a_transaction_without_its_authorizations_does_not_do_the_same() {
    let mut world = Alone::new(Mood {
        knows_senders: true,
        ..mood()
    });
    world.take(Input::Leading(true));
    let payload = set_code(0);
    world.chain.make_raw(payload.clone(), 0, 0, b"");
    submit(&mut world, TASK, Brings::Payload(payload));
    world.wait(5_000);
    assert_eq!(state(&world).status(), Status::Sent);
    // The user cancels it in the wallet: nothing, sent to the same address, pays more.
    let cancel = Shape {
        account: 0,
        nonce: 0,
        is_legacy: false,
        fee: 9,
        data: b"",
    };
    let cancel = world.chain.make(&cancel, Quality::Good, "", b"");
    world.chain.mine_rival(cancel);
    world.chain.pool.clear();
    world.mine(60, 0);
    let state = state(&world);
    assert!(
        matches!(
            state,
            State::Failed {
                reason: Reason::Replaced,
                ..
            }
        ),
        "no authorization ever reached the chain, and it is {state:?}"
    );
}

#[test]
fn a_limit_of_batches_is_learnt_whatever_its_code() {
    // nethermind, with JsonRpc.MaxBatchSize under what is asked for: LimitExceeded is -32005.
    let mut world = Alone::new(Mood {
        block_receipts: BlockReceipts::No,
        ..mood()
    });
    world.tamper = Some(Box::new(move |_, post, body| {
        if post.calls.len() > 4 {
            let refusal = r#"{"jsonrpc":"2.0","error":{"code":-32005,"message":"Batch size limit exceeded"},"id":null}"#;
            return Some((200, refusal.into()));
        }
        Some((200, body))
    }));
    world.send(8);
    world.restart();
    world.wait(1_000);
    world.mine(400, 1);
    let settled = world.cache.backup().count(Status::Final);
    assert_eq!(
        settled,
        8,
        "400 blocks later, {} are still sent",
        world.cache.backup().count(Status::Sent)
    );
}

#[test]
fn a_gateway_that_does_not_offer_eth_syncing_is_used_whatever_status_says_so() {
    // proxyd, as rollups' public gateways are: 403; drpc: 400.
    for (status, code, message) in [
        (403, -32_001, "rpc method is not whitelisted"),
        (400, -32_601, "the method is not available"),
        (405, -32_601, "method not found"),
    ] {
        let mut world = Alone::new(mood());
        world.tamper = Some(Box::new(move |_, post, body| {
            if post.method() == "eth_syncing" {
                return Some((status, error(post.id, code, message)));
            }
            Some((200, body))
        }));
        world.take(Input::Leading(true));
        world.send_one(0);
        world.wait(3_600_000);
        assert_eq!(state(&world).status(), Status::Sent, "{status} {message}");
    }
}

#[test]
fn a_gateway_that_does_not_know_the_tag_is_followed_whatever_status_says_so() {
    let mut world = Alone::new(mood());
    world.tamper = Some(Box::new(move |_, post, body| {
        if post.calls[0].text(0) == Some("finalized") {
            return Some((400, error(post.id, -32_602, "invalid block tag")));
        }
        Some((200, body))
    }));
    world.send(1);
    world.mine(1, 1);
    world.mine(100, 0);
    assert_eq!(state(&world).status(), Status::Final);
}

#[test]
fn what_a_contract_says_is_not_the_gateways_word() {
    use uplink_cache::gateway::{Answer, Blame, Request, Verdict, evm};
    let send = Request::Send(vec![vec![2].into()]);
    let call = Request::Call("eth_call".into(), "[]".into());
    let read = |request: &Request, message: &str| {
        let answer = Answer::Http {
            status: 200,
            body: error(1, 3, message),
            retry_after_ms: None,
        };
        evm::read(1, request, &answer)
    };
    let mut wrong = Vec::new();
    for reason in [
        "already known",
        "ECDSA: invalid signature",
        "nonce too low",
        "insufficient balance",
        "rate limit exceeded",
        "RLP: list expected",
    ] {
        let message = format!("execution reverted: {reason}");
        let verdict = read(&send, &message).map_err(|refusal| refusal.verdict);
        if verdict != Err(Verdict::Unknown) {
            wrong.push(format!("send {message}: {verdict:?}"));
        }
        let blame = read(&call, &message).map_err(|refusal| refusal.blame);
        if blame != Err(Blame::Request) {
            wrong.push(format!("call {message}: {blame:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn after_a_deep_reorg_blocks_are_final_at_the_depth_that_was_asked_for() {
    let mut world = twelve_deep();
    world.chain = Chain::new(1, 1, 5_000);
    world.send(1);
    // Something waits, so that the chain is followed.
    world.mine(300, 0);
    // A sequencer fails over: 200 blocks are gone, and made anew.
    world
        .chain
        .reorg(200, 1, Orphans::Pooled, &mut fastrand::Rng::with_seed(1));
    world.mine(2, 0);
    world.mine(1, 1);
    world.mine(1, 0);
    let inclusion = state(&world).inclusion().copied();
    let head = world.chain.head().number;
    assert_eq!(
        state(&world).status(),
        Status::Included,
        "at {inclusion:?}, with the head at {head}, and 12 confirmations asked for"
    );
}

/// A block is final with twelve.
fn twelve_deep() -> Alone {
    Alone::with(mood(), |config| {
        config.finality = Finality::Confirmations(12)
    })
}

/// A load balancer hands one question to the node of another chain.
fn answer_one_look_from_another_chain(world: &mut Alone) -> Rc<Cell<bool>> {
    let is_wrong = Rc::new(Cell::new(false));
    let was_wrong = is_wrong.clone();
    world.tamper = Some(Box::new(move |_, post, body| {
        if post.calls[0].text(0) == Some("latest") && !was_wrong.replace(true) {
            let (hash, parent) = ("ab".repeat(32), "cd".repeat(32));
            let other = format!(
                r#"{{"number":"0x989680","hash":"0x{hash}","parentHash":"0x{parent}","transactions":[]}}"#
            );
            return Some((200, reply(post.id, &other)));
        }
        Some((200, body))
    }));
    is_wrong
}

#[test]
fn one_wrong_head_makes_nothing_final_that_is_in_a_block_already() {
    let mut world = twelve_deep();
    world.send(1);
    world.mine(1, 1);
    assert_eq!(state(&world).status(), Status::Included);
    let is_wrong = answer_one_look_from_another_chain(&mut world);
    world.mine(4, 0);
    assert!(is_wrong.get());
    assert_eq!(state(&world).status(), Status::Included, "it is 5 deep");
    world.mine(7, 0);
    assert!(matches!(state(&world), State::Final(_)), "it is 12 deep");
}

#[test]
fn after_one_wrong_head_the_chain_is_followed_as_often_as_before() {
    let mut world = Alone::new(mood());
    world.send(2);
    let looks = |world: &mut Alone| {
        let counts = world.mine(20, 0);
        let looks = counts
            .iter()
            .filter_map(|count| count.get("eth_getBlockByNumber"));
        looks.sum::<usize>()
    };
    looks(&mut world);
    let before = looks(&mut world);
    let is_wrong = answer_one_look_from_another_chain(&mut world);
    looks(&mut world);
    assert!(is_wrong.get());
    let after = looks(&mut world);
    assert!(after * 4 >= before * 3, "{before} looks, and then {after}");
}

#[test]
fn one_wrong_head_does_not_make_all_that_comes_final() {
    let mut world = twelve_deep();
    world.send(1);
    world.mine(3, 0);
    let is_wrong = answer_one_look_from_another_chain(&mut world);
    world.mine(3, 0);
    assert!(is_wrong.get());
    world.mine(1, 1);
    world.mine(1, 0);
    assert_eq!(
        state(&world).status(),
        Status::Included,
        "{:?}, the head is {}",
        state(&world),
        world.chain.head().number
    );
}

#[test]
fn what_a_gateway_always_refuses_in_words_of_its_own_is_shown_to_somebody() {
    let mut world = Alone::new(mood());
    // As nitro says it: no code or text of any table.
    world.before = Some(Box::new(|_, post| {
        let is_send = post.method() == "eth_sendRawTransaction";
        is_send.then(|| (200, error(post.id, 3, "execution reverted")))
    }));
    world.take(Input::Leading(true));
    world.send_one(0);
    world.wait(3 * 24 * 3_600_000);
    let sends = world.cache.attempts(TASK);
    let state = state(&world);
    let is_shown = matches!(state, State::Blocked { .. } | State::Failed { .. });
    assert!(
        is_shown,
        "after three days and {sends} sends it is {state:?}"
    );
}

#[test]
fn what_one_of_two_gateways_cannot_take_goes_to_the_other() {
    for message in [
        "transaction type not supported",
        "failed to decode signed transaction",
        "oversized data: transaction size 150110, limit 131072",
        // What its owner does not let through.
        "rpc method is not whitelisted",
        "tx fee (1.10 ether) exceeds the configured cap (1.00 ether)",
        "transaction gas limit too high (cap: 16777216, tx: 20000000)",
    ] {
        let mut world = Alone::with(mood(), |config| config.urls = 2);
        world.before = Some(Box::new(move |url, post| {
            let is_send = url == 0 && post.method() == "eth_sendRawTransaction";
            is_send.then(|| (200, error(post.id, -32_000, message)))
        }));
        world.take(Input::Leading(true));
        world.send_one(0);
        world.wait(60_000);
        assert_eq!(
            state(&world).status(),
            Status::Sent,
            "{message}: {:?}",
            state(&world)
        );
    }
}

#[test]
fn the_dapps_own_calls_do_not_keep_drafts_from_being_signed() {
    let mut world = Alone::with(mood(), |config| {
        let signer = Signer {
            address: Some(payload::address(0)),
            nonces: Draws::Cache,
            sends: false,
            timeout_ms: 60_000,
        };
        config.signers.insert("own".into(), signer);
    });
    world.take(Input::Leading(true));
    // A slow gateway: eight of the dapp's calls are always under way.
    world.tamper = Some(Box::new(|_, post, body| {
        (post.method() != "eth_getLogs").then_some((200, body))
    }));
    for ask in 0..8 {
        world.take(Input::Call(1_000 + ask, "eth_getLogs".into(), "[]".into()));
    }
    world.wait(1_000);
    submit(&mut world, TASK, Brings::Sign("own".into()));
    for ask in 8..200 {
        // Each call is broken off after its time, and made anew.
        world.wait(10_000);
        world.take(Input::Call(1_000 + ask, "eth_getLogs".into(), "[]".into()));
        world.take(Input::Abandon(1_000 + ask - 8));
    }
    assert_eq!(world.signs, 1, "half an hour, and the signer was not asked");
}

#[test]
fn a_used_nonce_is_known_on_chains_of_cosmos() {
    let mut world = Alone::new(Mood {
        knows_senders: true,
        ..mood()
    });
    world.take(Input::Leading(true));
    // Another wallet of the same account was faster.
    let rival = Shape {
        account: 0,
        nonce: 0,
        is_legacy: false,
        fee: 9,
        data: b"else",
    };
    let rival = world.chain.make(&rival, Quality::Good, "", b"");
    world.chain.mine_rival(rival);
    world.before = Some(Box::new(|_, post| {
        let is_send = post.method() == "eth_sendRawTransaction";
        let words = "invalid nonce; got 0, expected 1: invalid sequence: invalid sequence";
        is_send.then(|| (200, error(post.id, -32_000, words)))
    }));
    world.send_one(0);
    world.mine(7_200, 0);
    let sends = world.cache.attempts(TASK);
    assert_eq!(
        state(&world).status(),
        Status::Failed,
        "a day and {sends} sends later it is {:?}",
        state(&world)
    );
}

#[test]
fn what_no_proxy_lets_through_is_shown_to_somebody() {
    let mut world = Alone::new(mood());
    world.before = Some(Box::new(|_, post| {
        let is_send = post.method() == "eth_sendRawTransaction";
        is_send.then(|| (413, "<html>413 Request Entity Too Large</html>".into()))
    }));
    world.take(Input::Leading(true));
    world.send_one(0);
    world.wait(24 * 3_600_000);
    let sends = world.cache.attempts(TASK);
    let is_shown = matches!(state(&world), State::Blocked { .. } | State::Failed { .. });
    assert!(
        is_shown,
        "after a day and {sends} sends it is {:?}",
        state(&world)
    );
}

#[test]
fn what_was_outbid_fails_once_the_other_took_its_nonce() {
    let mut world = Alone::new(Mood {
        knows_senders: true,
        ..mood()
    });
    world.send(1);
    let other = Shape {
        account: 0,
        nonce: 0,
        is_legacy: false,
        fee: 0,
        data: b"other",
    };
    let other = world.chain.make(&other, Quality::Good, "", b"");
    let payload = world.chain.txs[other].payload.to_vec();
    world.before = Some(Box::new(|_, post| {
        let is_send = post.method() == "eth_sendRawTransaction";
        is_send.then(|| {
            let words = "replacement transaction underpriced";
            (200, error(post.id, -32_000, words))
        })
    }));
    let outbid = TaskId(9);
    submit(&mut world, outbid, Brings::Payload(payload));
    world.wait(5_000);
    let state = |world: &Alone| world.cache.task(outbid).unwrap().state.clone();
    assert!(matches!(
        state(&world),
        State::Blocked {
            reason: Reason::Underpriced,
            ..
        }
    ));
    world.mine(1, 1);
    world.mine(60, 0);
    let now = state(&world);
    assert!(
        matches!(
            now,
            State::Failed {
                reason: Reason::Replaced,
                ..
            }
        ),
        "its nonce is used for good, and it is {now:?}"
    );
}

#[test]
fn what_a_proxy_says_of_itself_fails_nothing_that_the_node_took() {
    let words = [
        (401, "invalid signature"),
        (403, "transaction invalid"),
        (429, "blob quota exceeded"),
        (503, "failed to decode transaction"),
        (504, "rlp: upstream timed out"),
        (200, "failed to decode upstream response: unexpected end"),
        (200, "blobpool is syncing"),
    ];
    for (status, text) in words {
        let mut world = Alone::new(mood());
        world.tamper = Some(Box::new(move |_, post, body| {
            if post.method() == "eth_sendRawTransaction" {
                return Some((status, error(post.id, -32_000, text)));
            }
            Some((200, body))
        }));
        world.take(Input::Leading(true));
        world.send_one(0);
        world.wait(1_000);
        world.mine(1, 1);
        world.tamper = None;
        world.mine(20, 0);
        let state = state(&world);
        assert!(
            matches!(state, State::Final(_)),
            "{status} {text}: {state:?}"
        );
    }
}

#[test]
fn blocks_whose_transactions_nobody_can_read_are_followed() {
    for instead in ["null", "[null,7,{}]"] {
        let mut world = Alone::new(mood());
        world.tamper = Some(Box::new(move |_, _, body| {
            // Nor does a receipt say how it ended, as before Byzantium.
            let odd = body
                .replace(
                    "\"transactions\":[]",
                    &format!("\"transactions\":{instead}"),
                )
                .replace("\"status\":\"0x1\"", "\"status\":null");
            Some((200, odd))
        }));
        world.mine(3, 0);
        world.send(1);
        world.mine(1, 1);
        world.mine(20, 0);
        let state = state(&world);
        assert!(matches!(state, State::Final(_)), "{instead}: {state:?}");
    }
}

#[test]
fn what_is_owed_for_the_gateway_is_not_what_the_account_lacks() {
    for (status, urls) in [(402, 1), (402, 2), (403, 2), (429, 1)] {
        let mut world = Alone::with(mood(), |config| config.urls = urls);
        let is_paid = Rc::new(Cell::new(false));
        let paid = is_paid.clone();
        world.before = Some(Box::new(move |url, post| {
            let is_send = url == 0 && post.method() == "eth_sendRawTransaction";
            let words = "Insufficient balance, please top up your account";
            (is_send && !paid.get()).then(|| (status, error(post.id, -32_000, words)))
        }));
        world.take(Input::Leading(true));
        world.send_one(0);
        world.wait(60_000);
        if urls == 1 {
            is_paid.set(true);
            world.wait(120_000);
        }
        let state = state(&world);
        assert_eq!(state.status(), Status::Sent, "{status}, {urls}: {state:?}");
    }
}

#[test]
fn a_nonce_that_is_too_high_for_long_is_shown_to_somebody() {
    let mut world = Alone::new(mood());
    world.before = Some(Box::new(|_, post| {
        let is_send = post.method() == "eth_sendRawTransaction";
        let words = "nonce too high: address 0x3363, tx: 2 state: 0";
        is_send.then(|| (200, error(post.id, -32_000, words)))
    }));
    world.take(Input::Leading(true));
    world.send_as(TASK, 2, Quality::Good);
    world.wait(24 * 3_600_000);
    let sends = world.cache.attempts(TASK);
    let is_gap = |state: &State| {
        let trouble = state.trouble();
        trouble.is_some_and(|(reason, cause)| {
            reason == Reason::NonceGap && cause.starts_with("nonce too high")
        })
    };
    assert!(
        is_gap(&state(&world)),
        "a day and {sends} sends later it is {:?}",
        state(&world)
    );
    // Where somebody else filled it, it goes out once somebody asks for that.
    world.take(Input::Act(8, TASK, Event::Retried { in_doubt: false }));
    world.wait(1_000);
    assert_eq!(state(&world).status(), Status::BackedUp);
    world.wait(3_600_000);
    assert!(is_gap(&state(&world)));
    // What fills the gap sets it free.
    world.before = None;
    for nonce in 0..2 {
        world.send_as(TaskId(10 + u128::from(nonce)), nonce, Quality::Good);
    }
    world.wait(60_000);
    assert_eq!(state(&world).status(), Status::Sent);
}

#[test]
fn what_waits_for_a_task_before_it_is_not_blocked_by_its_own_nonce() {
    let mut world = Alone::new(mood());
    world.send(1);
    world.before = Some(Box::new(|_, post| {
        let is_send = post.method() == "eth_sendRawTransaction";
        let words = "gapped-nonce tx from delegated accounts";
        is_send.then(|| (200, error(post.id, -32_000, words)))
    }));
    world.send_one(1);
    world.wait(3 * 3_600_000);
    let second = |world: &Alone| world.cache.task(TaskId(2)).unwrap().state.status();
    assert_eq!(second(&world), Status::BackedUp);
    // The first is in a block, and the gateway is late to know.
    world.mine(10, 1);
    assert_eq!(second(&world), Status::BackedUp);
    world.before = None;
    world.wait(60_000);
    assert_eq!(second(&world), Status::Sent);
}
