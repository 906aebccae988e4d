//! What must hold between a tab and its gateways: who may be asked, how often, and what they said.

use crate::climate::Climate;
use crate::gateway::Post;
use crate::model::{Held, broken};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use uplink_cache::gateway::Answer;
use uplink_cache::gateway::evm::Finality;
use uplink_cache::task::Block;

/// What the README says of batches and of sends.
const MAX_CALLS: usize = 50;
const MAX_SENDS: usize = 32;
const MAX_SEND_BYTES: usize = 128 * 1024;
const MAX_SENDS_UNDER_WAY: usize = 8;

/// A tab's side of its gateways.
#[derive(Default)]
pub(crate) struct Line {
    /// Requests under way: url and method by their number.
    under_way: BTreeMap<u64, (usize, String)>,
    /// The highest number that was used.
    last: u64,
    /// Urls that said that they are on another chain, or syncing.
    barred: BTreeSet<usize>,
    /// Until when a url asked to be left alone.
    not_before_ms: BTreeMap<usize, u64>,
    /// When each url was asked within the last second.
    asked_ms: BTreeMap<usize, VecDeque<u64>>,
}

impl Line {
    /// A request leaves.
    pub(crate) fn asks(
        &mut self,
        climate: &Climate,
        now_ms: u64,
        id: u64,
        url: usize,
        post: &Post,
    ) -> Held {
        if id <= self.last || post.id != id {
            return broken(0, format!("request {id} has the number {}", post.id));
        }
        self.last = id + post.calls.len() as u64 - 1;
        check_batch(post)?;
        let Some(nature) = climate.gateways.get(url) else {
            return broken(0, format!("there is no url {url}"));
        };
        let method = post.method().to_owned();
        let is_check = matches!(method.as_str(), "eth_chainId" | "eth_syncing");
        if !is_check && (self.barred.contains(&url) || nature.is_on_wrong_chain) {
            return broken(9, format!("{method} to url {url}, which cannot know"));
        }
        let until_ms = self.not_before_ms.get(&url).copied().unwrap_or(0);
        if now_ms < until_ms {
            return broken(
                11,
                format!("{method} to url {url}, which asked for rest until {until_ms}"),
            );
        }
        self.under_way.insert(id, (url, method));
        let is_send = |(_, method): &&(usize, String)| method == "eth_sendRawTransaction";
        if self.under_way.values().filter(is_send).count() > MAX_SENDS_UNDER_WAY {
            return broken(11, "too many sends under way");
        }
        let there = self.under_way.values().filter(|(known, _)| *known == url);
        if there.count() > climate.limits.max_in_flight {
            return broken(11, format!("too many requests to url {url} under way"));
        }
        let times = self.asked_ms.entry(url).or_default();
        times.push_back(now_ms);
        while times.front().is_some_and(|at_ms| at_ms + 1_000 <= now_ms) {
            times.pop_front();
        }
        let most = climate.limits.burst + climate.limits.per_second;
        if times.len() > most as usize {
            return broken(
                11,
                format!("{} requests to url {url} in a second", times.len()),
            );
        }
        Ok(())
    }

    /// The tab broke a request off.
    pub(crate) fn aborts(&mut self, id: u64) -> Held {
        match self.under_way.remove(&id) {
            Some(_) => Ok(()),
            None => broken(0, format!("request {id} is broken off and not under way")),
        }
    }

    /// The tab hears an answer.
    pub(crate) fn hears(&mut self, now_ms: u64, id: u64, answer: &Answer) {
        let Some((url, method)) = self.under_way.remove(&id) else {
            return;
        };
        let Answer::Http {
            body,
            retry_after_ms,
            ..
        } = answer
        else {
            return;
        };
        if let Some(wait_ms) = retry_after_ms {
            let until_ms = self.not_before_ms.entry(url).or_default();
            *until_ms = (*until_ms).max(now_ms + wait_ms);
        }
        match method.as_str() {
            "eth_chainId" if *body == crate::gateway::chain_id(id, true) => {
                self.barred.insert(url);
            }
            "eth_chainId" if *body == crate::gateway::chain_id(id, false) => {
                self.barred.remove(&url);
            }
            "eth_syncing" if *body == crate::gateway::syncing(id, true) => {
                self.barred.insert(url);
            }
            _ => {}
        }
    }
}

/// So much is in one request, at the most.
fn check_batch(post: &Post) -> Held {
    let sends: Vec<usize> = post.payloads().iter().map(Vec::len).collect();
    let bytes: usize = sends.iter().sum();
    let is_over = match sends.len() {
        0 => post.calls.len() > MAX_CALLS,
        1 => false,
        count => count > MAX_SENDS || bytes > MAX_SEND_BYTES,
    };
    if is_over {
        let (calls, sends) = (post.calls.len(), sends.len());
        return broken(
            11,
            format!("{calls} calls in a batch, {sends} sends of {bytes} bytes"),
        );
    }
    Ok(())
}

/// What a url said of the chain, to whomever.
#[derive(Default, Clone)]
pub(crate) struct Said {
    final_height: Option<u64>,
    blocks: BTreeSet<Block>,
}

impl Said {
    /// It showed a block.
    pub(crate) fn showed(&mut self, finality: Finality, asked: &str, block: Block) {
        self.blocks.insert(block);
        let height = match asked {
            "finalized" | "safe" => Some(block.number),
            "latest" => (block.number + 1).checked_sub(finality.fallback_confirmations()),
            _ => None,
        };
        self.final_height = self.final_height.max(height);
    }

    fn confirms(&self, block: &Block) -> bool {
        self.final_height >= Some(block.number) && self.blocks.contains(block)
    }
}

/// A block is taken for final: so many urls must have said so.
pub(crate) fn check_quorum(climate: &Climate, said: &[Said], block: &Block) -> Held {
    let confirming = said.iter().filter(|said| said.confirms(block)).count();
    if climate.quorum > 1 && confirming < climate.quorum {
        return broken(
            7,
            format!(
                "block {} is final by {confirming} gateways, {} must say so",
                block.number, climate.quorum
            ),
        );
    }
    Ok(())
}
