//! More than one gateway's word: a block is final when so many urls each say that it is there, and that its height is
//! final by their own tag or depth.
//!
//! A url is asked what it calls final first, and whether it has the block afterwards: what it has then at a height that
//! it called final before is what it calls final there.

use super::tracking::MAX_CHECKS;
use super::{Cache, Purpose};
use crate::gateway::evm::Finality;
use crate::gateway::{Refusal, Reply, Request};
use crate::ordered::OrderedMap;
use crate::task::Block;

/// What each url called final, and whom it was asked since the last look at the head, a bit for each.
#[derive(Default)]
pub(super) struct Words {
    heights: OrderedMap<usize, u64>,
    asked: u32,
}

/// Who confirmed a block, and who was asked since the last look at the head: a bit for each url.
#[derive(Default)]
pub(super) struct Votes {
    agreed: u32,
    pub(super) asked: u32,
}

impl Votes {
    /// Whether so many urls say so.
    pub(super) fn reach(&self, quorum: usize) -> bool {
        quorum <= 1 || self.agreed.count_ones() as usize >= quorum
    }
}

impl Cache {
    /// The height up to which the quorum calls blocks final.
    pub(super) fn agreed_height(&self) -> Option<u64> {
        let own = self.poll.final_height()?;
        if self.config.quorum <= 1 {
            return Some(own);
        }
        let mut heights: Vec<u64> = self.words.heights.values().copied().collect();
        heights.sort_unstable();
        let place = heights.len().checked_sub(self.config.quorum)?;
        heights.get(place).map(|height| own.min(*height))
    }

    /// After a look at the head everybody may be asked anew.
    pub(super) fn begin_votes(&mut self) {
        self.words.asked = 0;
    }

    /// Asks for what is missing to the quorum.
    pub(super) fn pump_quorum(&mut self) {
        while self.config.quorum > 1 && self.is_online && self.checks_in_flight() < MAX_CHECKS {
            let Some((block, url)) = self.missing_vote() else {
                return self.ask_for_rivals();
            };
            if self.words.heights.get(&url) >= Some(&block.number) {
                if let Some(uplink) = &mut self.uplink
                    && let Some(spot) = uplink.spots.get_mut(&block)
                {
                    spot.votes.asked |= 1 << url;
                }
                self.request(Purpose::Vote(block, url), Request::BlockAt(block.number));
            } else {
                self.ask_word(url);
            }
        }
    }

    fn ask_word(&mut self, url: usize) {
        self.words.asked |= 1 << url;
        let request = match self.config.finality {
            Finality::Finalized | Finality::Safe => Request::FinalBlock,
            Finality::Confirmations(_) => Request::Head,
        };
        self.request(Purpose::Word(url), request);
    }

    /// Whose nonce was taken waits for the final height alone.
    fn ask_for_rivals(&mut self) {
        let wants = |uplink: &super::sending::Uplink| uplink.rivals.want_final_height();
        let height = self.poll.final_height();
        let asked = self.words.asked;
        let is_due =
            |url: &usize| asked & 1 << url == 0 && self.words.heights.get(url).copied() < height;
        let next = (0..self.pool.len()).find(is_due);
        if self.uplink.as_ref().is_some_and(wants)
            && let Some(url) = next
        {
            self.ask_word(url);
        }
    }

    /// A block that the quorum misses the word of this url for, whom it was not asked yet.
    fn missing_vote(&self) -> Option<(Block, usize)> {
        let uplink = self.uplink.as_ref()?;
        let height = self.poll.final_height()?;
        let spots = uplink.spots.iter();
        let mut due = spots.take_while(|(block, _)| block.number <= height);
        due.find_map(|(block, spot)| {
            if !spot.is_verified || spot.votes.reach(self.config.quorum) {
                return None;
            }
            let known = spot.votes.agreed | spot.votes.asked;
            let mut urls = (0..self.pool.len()).filter(|url| known & 1 << url == 0);
            let url = urls.find(|url| {
                let has_said = self.words.heights.get(url) >= Some(&block.number);
                has_said || self.words.asked & 1 << url == 0
            })?;
            Some((*block, url))
        })
    }

    pub(super) fn heard_word(&mut self, url: usize, reply: Result<Reply, Refusal>) {
        let depth = self.config.finality.fallback_confirmations();
        let height = match reply {
            Ok(Reply::FinalBlock(Some(block))) => Some(block.number),
            // It does not know the tag: its depth is its word.
            Ok(Reply::FinalBlock(None)) => {
                return self.request(Purpose::Word(url), Request::Head);
            }
            Ok(Reply::Block(Some(header))) => (header.block.number + 1).checked_sub(depth),
            // The next look at the head asks again.
            Ok(_) | Err(_) => None,
        };
        if let Some(height) = height {
            let before = self.agreed_height();
            let known = self.words.heights.get_or_default(url);
            *known = (*known).max(height);
            if self.agreed_height() > before {
                self.tell_tip();
                self.suspect_blocked();
            }
        }
    }

    pub(super) fn heard_vote(&mut self, block: Block, url: usize, reply: Result<Reply, Refusal>) {
        let Ok(Reply::Block(Some(header))) = reply else {
            return;
        };
        if let Some(uplink) = &mut self.uplink
            && let Some(spot) = uplink.spots.get_mut(&block)
            && header.block == block
        {
            spot.votes.agreed |= 1 << url;
            self.finalize();
        }
    }
}
