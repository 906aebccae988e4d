//! What carries requests to the gateway and answers back, and what happens to them on the way.

use crate::chain::Tx;
use crate::climate::pick;
use crate::disk::TabRef;
use crate::gateway::{self, Post};
use crate::model::{Held, broken};
use crate::mutants::Mutant;
use crate::world::{Event, World};
use uplink_cache::cache::Input;
use uplink_cache::gateway::Answer;
use uplink_cache::task::hex;

/// What happens to the answer of a request that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mishap {
    None,
    Lost,
    Truncated,
    OtherId,
    Html,
    ServerError,
    Empty,
    /// Of a batch: some answers are missing, doubled, errors, and out of order.
    Partial,
}

/// A request on its way to the gateway.
pub(crate) struct Message {
    from: TabRef,
    url: usize,
    post: Post,
    deadline_ms: u64,
    mishap: Mishap,
    txs: Vec<Tx>,
    /// Something on the way sent it once more: nobody hears the answer.
    is_copy: bool,
}

/// Requests since the last block.
#[derive(Default)]
pub(crate) struct Count {
    receipts: u64,
    /// By height: while walking to the head, whose blocks may each have receipts to ask for.
    blocks: u64,
    /// The same in the block's time before this one, and of all before that those whose receipts nobody asked for: where answers
    /// are awaited that say which blocks count, they are asked for all at once.
    blocks_before: u64,
}

/// How many requests for receipts a block may cause, apart from those for each block's own. A new leader asks in one
/// round, and its first head begins the next.
const MAX_RECEIPT_REQUESTS: u64 = 10;

impl World {
    fn count_post(&mut self, post: &Post) {
        let is_split = self.mutant == Some(Mutant::BatchesSplit);
        let requests = if is_split { post.calls.len() as u64 } else { 1 };
        match post.method() {
            "eth_getTransactionReceipt" | "eth_getBlockReceipts" => self.count.receipts += requests,
            "eth_getBlockByNumber" => self.count.blocks += post.calls.len() as u64,
            _ => {}
        }
    }

    /// However many tasks wait: so many requests a block.
    pub(crate) fn check_count(&mut self) -> Held {
        let Count {
            receipts,
            blocks,
            blocks_before,
        } = std::mem::take(&mut self.count);
        let walked = blocks + blocks_before;
        self.count.blocks_before = blocks.max(walked.saturating_sub(receipts));
        let takes_batches = self.climate.batch_limit > 50;
        // A leader finds out, url by url, that a block's receipts are not to be had by hash, nor by number.
        let tries = 2 * self.climate.gateways.len() as u64;
        if self.is_quiet
            && !self.has_read_all
            && takes_batches
            && receipts > MAX_RECEIPT_REQUESTS + walked + tries
        {
            return broken(
                11,
                format!("{receipts} requests for receipts in one block's time"),
            );
        }
        Ok(())
    }

    pub(crate) fn request(&mut self, from: TabRef, id: u64, url: usize, body: &str) -> Held {
        self.calm_requests += u64::from(self.is_quiet);
        self.asked_in_outage()?;
        let mut body = body.to_owned();
        let Some(mut post) = Post::parse(&body) else {
            return broken(0, format!("a request that is no JSON-RPC: {body}"));
        };
        self.count_post(&post);
        let (climate, now_ms) = (&self.climate, self.tab_ms(from.tab));
        self.tabs[from.tab]
            .line
            .asks(climate, now_ms, id, url, &post)?;
        if self.mutant == Some(Mutant::ChainIdCached) && post.method() == "eth_chainId" {
            self.answer(from, id, 1, ok(gateway::chain_id(id, false)));
            return Ok(());
        }
        let mut txs = Vec::new();
        for payload in post.payloads() {
            if self.mutant == Some(Mutant::FlipOnResend) {
                body = self.flip_on_resend(&payload, &body);
            }
            let first = *self.users.first_url.entry(payload.clone()).or_insert(url);
            if self.mutant == Some(Mutant::OtherBytesToTheSecond) && first != url {
                body = self.flip_on_resend(&payload, &body);
            }
        }
        post = Post::parse(&body).unwrap();
        if self.mutant == Some(Mutant::BatchesTurned) {
            post.calls.reverse();
        }
        for payload in post.payloads() {
            let known = self.model.check_send(&self.chain, &payload)?;
            self.model.check_wanted(&self.chain, known)?;
            self.check_leader(from)?;
            self.say(|world| {
                format!(
                    "tab {} sends {known} (nonce {}) to url {url}",
                    from.tab, world.chain.txs[known].nonce
                )
            });
            *self.users.sends.entry(known).or_default() += 1;
            txs.push(known);
        }
        self.check_order(&txs)?;
        if let [known] = txs[..]
            && self.mutant == Some(Mutant::DedupeResend)
            && self.chain.txs[known].was_taken
        {
            let hash = self.chain.txs[known].hash;
            let answer = ok(gateway::reply(id, &format!(r#""{hash}""#)));
            self.answer(from, id, 1, answer);
            return Ok(());
        }
        self.route(from, url, post, txs);
        Ok(())
    }

    /// What goes out together arrives in the order of its accounts' nonces.
    fn check_order(&self, txs: &[Tx]) -> Held {
        let of = |tx: &Tx| (self.chain.txs[*tx].account, self.chain.txs[*tx].nonce);
        let is_back = |pair: &[Tx]| {
            let ((account, nonce), (next_account, next)) = (of(&pair[0]), of(&pair[1]));
            account == next_account && next < nonce
        };
        if txs.windows(2).any(is_back) {
            return broken(10, format!("{txs:?} are sent out of order"));
        }
        Ok(())
    }

    fn flip_on_resend(&mut self, payload: &[u8], body: &str) -> String {
        let sent = self
            .chain
            .by_payload(payload)
            .and_then(|tx| self.users.sends.get(&tx));
        if sent.is_none() {
            return body.to_owned();
        }
        let mut flipped = payload.to_vec();
        let last = flipped.len() - 1;
        flipped[last] ^= 1;
        body.replace(&hex(payload), &hex(&flipped))
    }

    /// At most one sender per database at any time.
    fn check_leader(&self, from: TabRef) -> Held {
        if self.holder != Some(from) {
            return broken(
                8,
                format!("tab {} sends, the lock is with {:?}", from.tab, self.holder),
            );
        }
        Ok(())
    }

    /// Decides how the request fares.
    fn route(&mut self, from: TabRef, url: usize, post: Post, txs: Vec<Tx>) {
        let climate = self.climate.clone();
        let id = post.id;
        let timeout_ms = climate.timeout_ms;
        let soon_ms = self.rng.u64(1..=climate.net_ms);
        let is_dead =
            climate.gateways[url].is_dead || self.now_ms < self.troubles[url].down_until_ms;
        if is_dead || !self.tabs[from.tab].is_online || self.now_ms < self.down_until_ms {
            return self.lose(from, id, soon_ms, &txs);
        }
        if self.strikes("a request is lost", climate.request_lost) {
            let delay_ms = *pick(&mut self.rng, &[soon_ms, timeout_ms]);
            return self.lose(from, id, delay_ms, &txs);
        }
        let limited_until_ms = self.troubles[url].limited_until_ms;
        if self.now_ms < limited_until_ms {
            let answer = Answer::Http {
                status: 429,
                body: "slow down".into(),
                retry_after_ms: Some(limited_until_ms - self.now_ms),
            };
            return self.answer(from, id, soon_ms, answer);
        }
        if self.strikes("a request is refused", climate.refused) {
            let answer = self.refusal(id);
            return self.answer(from, id, soon_ms, answer);
        }
        let mishap = if self.strikes("a reply is lost", climate.reply_lost) {
            Mishap::Lost
        } else if self.strikes("a reply is mangled", climate.mangled) {
            let kinds = [
                Mishap::Truncated,
                Mishap::OtherId,
                Mishap::Html,
                Mishap::ServerError,
                Mishap::Empty,
            ];
            *pick(&mut self.rng, &kinds)
        } else if post.is_batch && self.strikes("a batch is answered in part", climate.partial) {
            Mishap::Partial
        } else {
            Mishap::None
        };
        let mut arrives_ms = soon_ms;
        if self.strikes("a request is slow", climate.slow) {
            arrives_ms = self.rng.u64(1..=timeout_ms * 2);
        }
        for tx in &txs {
            *self.model.wire.entry(*tx).or_default() += 1;
        }
        if arrives_ms >= timeout_ms {
            self.lose(from, id, timeout_ms, &txs);
        }
        if !txs.is_empty() && self.strikes("a send is delivered twice", climate.request_doubled) {
            let copy = Message {
                from,
                url,
                post: post.clone(),
                deadline_ms: 0,
                mishap: Mishap::Lost,
                txs: txs.clone(),
                is_copy: true,
            };
            self.copies += 1;
            let delay_ms = arrives_ms + self.rng.u64(1..120_000);
            self.after(delay_ms, Event::Arrive(Box::new(copy)));
        }
        let message = Message {
            from,
            url,
            post,
            deadline_ms: self.now_ms + timeout_ms,
            mishap,
            txs,
            is_copy: false,
        };
        self.after(arrives_ms, Event::Arrive(Box::new(message)));
    }

    pub(crate) fn arrive(&mut self, message: Message) -> Held {
        let Message {
            from,
            url,
            post,
            deadline_ms,
            mishap,
            txs,
            is_copy,
        } = message;
        if is_copy {
            self.copies -= 1;
            // What was refused is not taken from a copy: of that nobody could know.
            if !txs.iter().all(|tx| self.chain.txs[*tx].was_taken) {
                return Ok(());
            }
        } else {
            for tx in &txs {
                *self.model.wire.entry(*tx).or_default() -= 1;
            }
        }
        // It was right when it left. Meanwhile the log may have forgotten it where a record is damaged, and an older file have
        // brought its task back without it.
        let is_known = |tx: &Tx| {
            let mut facts = self.model.facts.values();
            facts.any(|fact| fact.txs(&self.chain).any(|own| own == *tx))
        };
        let is_hurt = self.model.facts.values().any(|fact| fact.is_hurt);
        if !is_hurt && txs.iter().all(is_known) {
            for payload in post.payloads() {
                self.model.check_send(&self.chain, &payload)?;
            }
        }
        let mood = self.mood(url);
        let id = post.id;
        for call in &post.calls {
            if let Some((asked, block)) = gateway::shown(&self.chain, mood, call) {
                self.said[url].showed(self.climate.finality, asked, block);
            }
        }
        let body = match gateway::handle(&mut self.chain, mood, &post) {
            Ok(mut replies) if post.is_batch => {
                if mishap == Mishap::Partial {
                    self.mix_up(id, &mut replies, txs.is_empty());
                }
                format!("[{}]", replies.join(","))
            }
            Ok(replies) => replies.concat(),
            Err(refusal) => {
                self.count("a batch is refused");
                refusal.into()
            }
        };
        self.say(|_| {
            let mut text = format!(
                "tab {} asked url {url} {} {id}: {body} ({mishap:?})",
                from.tab,
                post.method()
            );
            text.truncate(260);
            text
        });
        if self.now_ms >= deadline_ms {
            if !is_copy
                && self.strikes(
                    "an answer comes after the deadline",
                    self.climate.answer_late,
                )
            {
                self.answer(from, id, 1, ok(body));
            }
            return Ok(());
        }
        let net_ms = self.climate.net_ms;
        let arrives_ms = (self.now_ms + self.rng.u64(1..=net_ms)).min(deadline_ms);
        let delay_ms = arrives_ms - self.now_ms;
        if arrives_ms == deadline_ms {
            self.lose(from, id, delay_ms, &txs);
            return Ok(());
        }
        let answer = match mishap {
            Mishap::None | Mishap::Partial => ok(body),
            Mishap::Lost => {
                self.lose(from, id, delay_ms, &txs);
                return Ok(());
            }
            Mishap::Truncated => ok(body[..self.rng.usize(..body.len())].to_owned()),
            Mishap::OtherId => {
                ok(body.replacen(&format!(r#""id":{id}"#), &format!(r#""id":{}"#, id + 1), 1))
            }
            Mishap::Html => ok("<html><body>busy</body></html>".into()),
            Mishap::ServerError => http(502, body),
            Mishap::Empty => http(200, String::new()),
        };
        self.answer(from, id, delay_ms, answer);
        Ok(())
    }

    /// Some elements of a batch's answer go missing, come twice or are errors, and all come in another order.
    fn mix_up(&mut self, id: u64, replies: &mut Vec<String>, with_errors: bool) {
        for (id, reply) in (id..).zip(replies.iter_mut()) {
            match self.rng.u8(..6) {
                // Of a send that would be a lie: it was taken.
                0 if with_errors => *reply = gateway::error(id, -32_005, "rate limit exceeded"),
                1 => reply.insert_str(0, r#"{"jsonrpc":"2.0"},"#),
                _ => {}
            }
        }
        let at = self.rng.usize(..replies.len());
        if self.rng.bool() {
            replies.push(replies[at].clone());
        } else {
            replies.remove(at);
        }
        self.rng.shuffle(replies);
    }

    /// A refusal by something in front of the gateway: the request did not arrive.
    fn refusal(&mut self, id: u64) -> Answer {
        let retry_after_ms = self.rng.bool().then(|| self.rng.u64(100..5_000));
        match self.rng.u8(..6) {
            0 => Answer::Http {
                status: 429,
                body: "slow down".into(),
                retry_after_ms,
            },
            // Without CORS headers a page cannot tell it from a lost connection.
            1 => Answer::Lost("TypeError: Failed to fetch".into()),
            2 => http(503, "Service Unavailable".into()),
            3 => http(200, "<html>maintenance</html>".into()),
            4 => ok(gateway::error(
                id,
                -32_005,
                "project ID request rate exceeded",
            )),
            _ if self.climate.odd_words => {
                ok(gateway::error(id, -32_000, "a bird sits on the line"))
            }
            _ => ok(gateway::error(id, -32_000, "header not found")),
        }
    }

    fn lose(&mut self, from: TabRef, id: u64, delay_ms: u64, txs: &[Tx]) {
        let answer = if self.mutant == Some(Mutant::LostIsRefused) && txs.len() == 1 {
            ok(gateway::error(id, -32_602, "Failed to decode transaction"))
        } else {
            Answer::Lost("TypeError: Failed to fetch".into())
        };
        self.answer(from, id, delay_ms, answer);
    }

    fn answer(&mut self, to: TabRef, id: u64, delay_ms: u64, answer: Answer) {
        self.after(delay_ms, Event::Input(to, Input::Answered(id, answer)));
    }
}

fn ok(body: String) -> Answer {
    http(200, body)
}

fn http(status: u16, body: String) -> Answer {
    Answer::Http {
        status,
        body,
        retry_after_ms: None,
    }
}
