//! Tracking: one look at the head answers for all tasks that wait. Reads from the chain wait for the same look.

use super::batch::BatchSize;
use super::quorum::{Votes, Words};
use super::{Cache, Notice, Purpose, Reorg, Tip};
use crate::follow::{Advance, Follow, Step};
use crate::gateway::evm::Finality;
use crate::gateway::{Blame, Refusal, Reply, Request, Verdict};
use crate::ordered::OrderedSet;
use crate::outbox::Backoff;
use crate::task::{Block, Event, Hash, Inclusion, TaskId};

/// How many blocks are asked for in one batch, while walking to a head.
const MAX_WALK: usize = 16;
/// After so many batches, one after the other, a walk would be too late: receipts are asked for without it.
const MAX_WALK_REQUESTS: usize = 16;
/// How many receipts and blocks are asked for at a time.
pub(super) const MAX_CHECKS: usize = 4;
/// After so many intervals without a new block another url is asked, but not before the first time nor after the second,
/// in milliseconds.
const STILL_INTERVALS: u64 = 6;
const MIN_STILL_MS: u64 = 15_000;
const MAX_STILL_MS: u64 = 60_000;
/// How often in a row an answer may lack the same block.
const MAX_LACKED: u8 = 6;
/// At how many new heads a missing receipt is asked for before it counts as missing.
const MAX_LOOKS: u8 = 3;

/// The state of looking at the chain's end.
#[derive(Default)]
pub(super) struct Poll {
    is_asking: bool,
    next_ms: u64,
    /// A walk waits for blocks, and the question for them failed.
    resumes: bool,
    walk: BatchSize<MAX_WALK>,
    /// When the chain last went on.
    moved_ms: u64,
    /// When the last look began that was answered, and when the one under way did.
    done_ms: Option<u64>,
    began_ms: u64,
    /// After a look that failed: no sooner, whoever pushes.
    not_before_ms: u64,
    backoff: Backoff,
    said: SaidFinal,
    /// The chain named a final block once: one that does not just now is no reason to judge by depth.
    knows_tag: bool,
    final_height: Option<u64>,
    /// The head was seen twice, or is linked to one that was: one that is not may be of another chain's node.
    is_head_sure: bool,
    /// A block that an answer lacked though others were in it, and how often in a row.
    lacked: Option<(u64, u8)>,
    /// A follower's knowledge: what the leader told.
    heard: Option<Tip>,
}

/// What the gateway said of finality, at the look under way.
#[derive(Debug, Default, Clone, Copy)]
enum SaidFinal {
    #[default]
    NotAsked,
    /// It does not know the tag.
    Unknown,
    Block(Block),
}

impl Poll {
    /// Another tab followed the chain.
    pub(super) fn hear(&mut self, tip: Tip) {
        self.heard = Some(tip);
    }

    pub(super) fn tip(&self, follow: &Follow, final_height: Option<u64>) -> Option<Tip> {
        let own = follow.head().map(|head| Tip { head, final_height });
        let newest = |tip: &Tip| tip.head.number;
        own.into_iter().chain(self.heard).max_by_key(newest)
    }

    pub(super) fn final_height(&self) -> Option<u64> {
        self.final_height
    }

    pub(super) fn is_fresh(&self, since_ms: u64) -> bool {
        self.done_ms.is_some_and(|done| done >= since_ms)
    }

    /// When the head that is known was looked up.
    pub(super) fn head_ms(&self) -> u64 {
        self.done_ms.unwrap_or(0)
    }

    /// Whether another tab told of a head above this height.
    pub(super) fn others_saw_more(&self, height: u64) -> bool {
        self.heard.is_some_and(|tip| tip.head.number > height)
    }

    /// Somebody waits for the gateway to get as far as others saw.
    pub(super) fn look_by(&mut self, due_ms: u64) {
        self.next_ms = self.next_ms.min(due_ms);
    }
}

/// Whether the newest final block that holds a task is still canonical.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum FinalCheck {
    #[default]
    Done,
    /// The chain was lost sight of.
    Needed,
    Asked,
}

/// Tasks that a block holds.
#[derive(Default)]
pub(super) struct Spot {
    pub(super) tasks: OrderedSet<TaskId>,
    /// Whether the block is linked to the head, as far as is known.
    pub(super) is_verified: bool,
    /// Whether that was seen when the height was final already: then it stays so.
    is_sure: bool,
    is_asked: bool,
    /// Which gateways confirmed it by their own word, where more than one must.
    pub(super) votes: Votes,
}

/// A receipt that should be there and is not.
#[derive(Default)]
pub(super) struct Looking {
    looks: u8,
    /// The gateway said that the nonce is used: without a receipt, by another transaction.
    nonce_used: Option<String>,
}

impl super::sending::Uplink {
    /// Takes the task out of all blocks but this one.
    pub(super) fn leave_spots(&mut self, id: TaskId, except: Option<Block>) {
        self.spots.retain(|block, spot| {
            if Some(*block) != except {
                spot.tasks.remove(&id);
            }
            !spot.tasks.is_empty()
        });
    }
}

impl Cache {
    /// Whether tasks wait for the chain, and this tab is the one that follows it.
    pub(super) fn tracks(&self) -> bool {
        let tracks = |uplink: &super::sending::Uplink| {
            !uplink.awaited.is_empty() || !uplink.spots.is_empty()
        };
        self.uplink.as_ref().is_some_and(tracks)
    }

    /// Who asks is answered offline too, if only that nothing can be reached.
    fn wants_poll(&self) -> bool {
        (self.is_online && self.tracks()) || self.reads.wait_for_head()
    }

    pub(super) fn next_poll_ms(&self) -> Option<u64> {
        let is_due = !self.poll.is_asking && self.wants_poll();
        is_due.then_some(self.poll.next_ms)
    }

    pub(super) fn wake_polling(&mut self) {
        self.poll.backoff.reset();
        self.poll.next_ms = self.now_ms;
        self.poll.not_before_ms = 0;
        if let Some(uplink) = &mut self.uplink {
            uplink.receipts.not_before_ms = 0;
        }
    }

    /// Something may be new: looks at the head as soon as the dapp and the gateway allow it.
    pub(super) fn look_now(&mut self) {
        let allowed_ms = self
            .poll
            .done_ms
            .map_or(0, |_| self.poll.began_ms + self.config.poll_ms);
        self.poll.next_ms = self.now_ms.max(allowed_ms).max(self.poll.not_before_ms);
    }

    pub(super) fn own_tip(&self) -> Option<Tip> {
        self.uplink.as_ref()?;
        self.tip()
    }

    pub(super) fn pump_tracking(&mut self) {
        let is_due = self.poll.next_ms <= self.now_ms || self.reads.are_new();
        if !self.poll.is_asking && is_due && self.wants_poll() {
            self.poll.is_asking = true;
            // Who asks now wants to know of the head now.
            let resumes = std::mem::take(&mut self.poll.resumes);
            if resumes && !self.reads.are_new() {
                self.walk();
            } else {
                self.reads.begin_look();
                self.poll.began_ms = self.now_ms;
                self.begin_look();
            }
        }
        // What is final comes to its end first, however many wait; and one block before the next, as a gap begins all anew.
        self.pump_quorum();
        self.pump_verifying(true);
        self.pump_receipts();
        self.pump_verifying(false);
        self.pump_quorum();
        self.pump_finals();
        self.pump_rivals();
    }

    pub(super) fn checks_in_flight(&self) -> usize {
        let is_check = |purpose: &Purpose| match purpose {
            Purpose::Receipts(_)
            | Purpose::BlockReceipts(..)
            | Purpose::Looks(_)
            | Purpose::Verify(..)
            | Purpose::Word(_)
            | Purpose::Vote(..) => true,
            Purpose::Head
            | Purpose::Walk
            | Purpose::FinalBlock
            | Purpose::Look(_)
            | Purpose::Send(..)
            | Purpose::Rival(_)
            | Purpose::Count(_)
            | Purpose::ReadTransaction(_)
            | Purpose::ReadReceipt(_)
            | Purpose::Call(_)
            | Purpose::Calls(_) => false,
        };
        self.requests
            .values()
            .filter(|(purpose, _)| is_check(purpose))
            .count()
    }

    pub(super) fn saw_head(&mut self, reply: Result<Reply, Refusal>) {
        match reply {
            Ok(Reply::Block(Some(header))) => {
                let head = header.block;
                self.pace.saw(self.now_ms, head.number);
                if self
                    .follow
                    .head()
                    .is_some_and(|known| known.number < head.number)
                {
                    self.found_head(head);
                }
                let reach = self.poll.walk.now * MAX_WALK_REQUESTS;
                let step = self.follow.on_head(header, reach);
                self.poll.is_head_sure |= step == Step::Nothing;
                self.step(step);
            }
            Ok(_) => self.poll_failed(None),
            Err(refusal) => self.poll_failed(Some(refusal)),
        }
    }

    pub(super) fn walked(&mut self, reply: Result<Reply, Refusal>) {
        let blocks = match reply {
            Ok(Reply::Blocks(blocks)) => blocks,
            Ok(_) => return self.poll_failed(None),
            Err(refusal) if self.poll.walk.failed(refusal.verdict) => {
                return self.poll_failed(Some(refusal));
            }
            // It was too much at a time.
            Err(_) => return self.walk(),
        };
        self.poll.walk.answered();
        let before = self.follow.wanted(1);
        for (number, header) in blocks {
            // What the answer lacks is asked for again.
            if self.follow.wanted(1) != [number] {
                break;
            }
            let step = self.follow.on_fetched(header);
            if step == Step::Nothing {
                // What is known is not linked to this head, so that its final block says nothing of it.
                self.poll.said = SaidFinal::NotAsked;
            }
            if step != Step::Fetch {
                return self.step(step);
            }
        }
        match before.first() {
            Some(next) if self.follow.wanted(1) == before => self.lacked(*next),
            Some(_) | None => self.walk(),
        }
    }

    /// The gateway's answer lacks the block that comes next. Where it always does, what was walked to is followed without it.
    fn lacked(&mut self, height: u64) {
        let times = match self.poll.lacked {
            Some((known, times)) if known == height => times + 1,
            Some(_) | None => 1,
        };
        self.poll.lacked = Some((height, times));
        if times >= MAX_LACKED {
            let step = self.follow.skip();
            return self.step(step);
        }
        self.poll_failed(Some(Refusal {
            verdict: Verdict::Unknown,
            cause: "the gateway's answer lacks the block that comes next".into(),
            retry_after_ms: None,
            blame: Blame::Gateway,
        }));
    }

    fn walk(&mut self) {
        let heights = self.follow.wanted(self.poll.walk.now);
        self.request(Purpose::Walk, Request::Blocks(heights));
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Fetch => return self.walk(),
            Step::Nothing => {}
            Step::Advance(advance) => {
                self.poll.is_head_sure = !advance.is_gap;
                self.went_on(advance);
            }
        }
        let final_height = self.final_height_at_head();
        self.finish_poll(final_height);
    }

    fn height_by_depth(&self, depth: u64) -> Option<u64> {
        let head = self.follow.head().filter(|_| self.poll.is_head_sure)?;
        (head.number + 1).checked_sub(depth)
    }

    /// The final block comes before the head: what is final when the head is seen is known to be under it. The other
    /// way round a reorg between the two could make a block of the old branch look final.
    fn begin_look(&mut self) {
        let has_spots = self
            .uplink
            .as_ref()
            .is_some_and(|uplink| !uplink.spots.is_empty() || uplink.rivals.want_final_height());
        self.poll.said = SaidFinal::NotAsked;
        match self.config.finality {
            Finality::Finalized | Finality::Safe if has_spots || self.reads.want_final_height() => {
                self.request(Purpose::FinalBlock, Request::FinalBlock);
            }
            Finality::Finalized | Finality::Safe | Finality::Confirmations(_) => {
                self.request(Purpose::Head, Request::Head);
            }
        }
    }

    pub(super) fn saw_final_block(&mut self, reply: Result<Reply, Refusal>) {
        match reply {
            Ok(Reply::FinalBlock(block)) => {
                self.poll.knows_tag |= block.is_some();
                self.poll.said = match block {
                    Some(block) => SaidFinal::Block(block),
                    None if self.poll.knows_tag => SaidFinal::NotAsked,
                    None => SaidFinal::Unknown,
                };
                self.request(Purpose::Head, Request::Head);
            }
            Ok(_) => self.poll_failed(None),
            Err(refusal) => self.poll_failed(Some(refusal)),
        }
    }

    fn final_height_at_head(&self) -> Option<u64> {
        match (self.config.finality, self.poll.said) {
            (Finality::Confirmations(depth), _) => self.height_by_depth(depth),
            (Finality::Finalized | Finality::Safe, SaidFinal::NotAsked) => None,
            (finality @ (Finality::Finalized | Finality::Safe), SaidFinal::Unknown) => {
                self.height_by_depth(finality.fallback_confirmations())
            }
            // Of another replica's branch, or newer than the head: the next look tells.
            (Finality::Finalized | Finality::Safe, SaidFinal::Block(block)) => {
                self.follow.stands_on(&block).then_some(block.number)
            }
        }
    }

    fn finish_poll(&mut self, final_height: Option<u64>) {
        let before = self.poll.final_height;
        self.poll.final_height = before.max(final_height);
        self.poll.is_asking = false;
        self.poll.done_ms = Some(self.poll.began_ms);
        self.poll.next_ms = self.next_look_ms();
        self.poll.backoff.ease();
        if self.poll.final_height != before {
            self.tell_tip();
            self.suspect_blocked();
        }
        if let Some(uplink) = &mut self.uplink {
            for spot in uplink.spots.values_mut() {
                spot.is_asked = false;
                spot.votes.asked = 0;
            }
            if uplink.receipts.is_round_over(self.now_ms) {
                uplink.receipts.begin_round(self.now_ms);
            }
            if uplink.final_check == FinalCheck::Asked {
                uplink.final_check = FinalCheck::Needed;
            }
        }
        self.begin_votes();
        self.finalize();
        self.serve_reads();
    }

    fn poll_failed(&mut self, refusal: Option<Refusal>) {
        let may_resume = refusal
            .as_ref()
            .is_some_and(|refusal| matches!(refusal.verdict, Verdict::Unknown | Verdict::Later));
        // What was walked already stays so: else a gateway that often fails would never let a walk end.
        self.poll.resumes = may_resume && !self.follow.wanted(1).is_empty();
        if !self.poll.resumes {
            self.follow.give_up();
        }
        self.poll.is_asking = false;
        let hint_ms = refusal.as_ref().and_then(|refusal| refusal.retry_after_ms);
        self.poll.next_ms = self.now_ms + self.poll.backoff.next_ms(&mut self.rng, hint_ms);
        self.poll.not_before_ms = self.poll.next_ms;
        let cause = refusal.map_or_else(
            || "the gateway knows no block".into(),
            |refusal| refusal.cause,
        );
        self.fail_reads(&cause);
    }

    pub(super) fn tell_tip(&mut self) {
        if let Some(tip) = self.tip() {
            self.notice(Notice::Head(tip));
            if self.uplink.is_some() {
                let announce = super::Output::Announce(self.log.position(), Some(tip));
                self.outputs.push_back(announce);
            }
        }
    }

    /// Whether the chain stands still for longer than it should: another url may know more.
    pub(super) fn is_stuck_at(&self, head: &Block) -> bool {
        let patience_ms = self
            .pace
            .interval_ms()
            .map_or(MAX_STILL_MS, |interval_ms| interval_ms * STILL_INTERVALS);
        let patience_ms = patience_ms.clamp(MIN_STILL_MS, MAX_STILL_MS);
        self.follow.head() == Some(*head) && self.now_ms - self.poll.moved_ms > patience_ms
    }

    fn went_on(&mut self, advance: Advance) {
        self.poll.moved_ms = self.now_ms;
        self.reorged(&advance.orphaned);
        if let Some(head) = self.follow.head().filter(|_| advance.is_gap) {
            self.pace.lost_sight(self.now_ms, head.number);
            for key in self.memory.lose_sight(head.number) {
                self.notice(Notice::Changed(key));
            }
        }
        self.leave_readings(&advance.orphaned);
        let asked = self.asked_receipts();
        if let Some(uplink) = &mut self.uplink {
            uplink.receipts.begin_round(self.now_ms);
            if advance.is_gap {
                // A height that was final by its depth may stand in a branch that is gone, or on a chain that is another's.
                let is_by_depth = matches!(self.config.finality, Finality::Confirmations(_));
                if is_by_depth || !self.poll.knows_tag {
                    self.poll.final_height = None;
                }
                uplink.final_check = FinalCheck::Needed;
                uplink.receipts.want(uplink.awaited.iter().copied());
                // What was asked before may be answered from the branch that is gone.
                let is_check = |purpose: &Purpose| matches!(purpose, Purpose::Verify(..));
                self.requests.retain(|_, (purpose, _)| !is_check(purpose));
            }
            for (block, spot) in uplink.spots.iter_mut() {
                // Also a block above the head may have been asked for: the chain that reached it may hold another.
                match self.follow.is_canonical(block) {
                    Some(is_canonical) => {
                        spot.is_verified = is_canonical;
                        spot.is_asked = false;
                    }
                    None if advance.is_gap => {
                        spot.is_verified = false;
                        spot.is_sure = false;
                        spot.is_asked = false;
                        spot.votes = Votes::default();
                    }
                    None => {}
                }
            }
            let looking = uplink.looking.keys().copied();
            let again = looking.filter(|id| !asked.contains(id));
            uplink.receipts.want_again(again);
            for header in &advance.blocks {
                let open = |tx: &Hash| Cache::open_task(&self.backup, tx);
                let ids: OrderedSet<TaskId> = header.transactions.iter().filter_map(open).collect();
                for id in &ids {
                    uplink.looking.get_or_default(*id);
                }
                uplink.receipts.want_of(header.block, ids);
            }
        }
        self.tell_tip();
    }

    fn reorged(&mut self, orphaned: &[Block]) {
        let (Some(first), Some(last)) = (orphaned.first(), orphaned.last()) else {
            return;
        };
        self.tell_reorg(first.number, last.number);
        for block in orphaned {
            self.leave_block(*block);
        }
    }

    /// Where finality itself is broken, what is final must be learnt anew from there.
    fn tell_reorg(&mut self, first: u64, last: u64) {
        let is_settled = |uplink: &super::sending::Uplink| {
            let mut heights = uplink.finals.keys().map(|block| block.number);
            heights.any(|height| (first..=last).contains(&height))
        };
        // What was final may have been so for another leader.
        let is_past_final =
            self.poll.final_height >= Some(first) || self.uplink.as_ref().is_some_and(is_settled);
        if is_past_final {
            self.poll.final_height = first.checked_sub(1);
            self.words = Words::default();
        }
        let reorg = Reorg {
            first,
            last,
            is_past_final,
        };
        self.notice(Notice::Reorg(reorg));
    }

    /// A block of ours is not canonical any more, seen without following the chain there.
    fn found_orphan(&mut self, block: Block) {
        self.tell_reorg(block.number, block.number);
        self.leave_readings(&[block]);
        self.leave_block(block);
    }

    /// The block is not canonical: its tasks are sent again.
    fn leave_block(&mut self, block: Block) {
        let Some(uplink) = &mut self.uplink else {
            return;
        };
        let spot = uplink.spots.remove(&block);
        let finals = uplink.finals.remove(&block);
        let tasks = spot.into_iter().flat_map(|spot| spot.tasks);
        for id in tasks.chain(finals.into_iter().flatten()) {
            self.append(id, Event::Reorged(block));
        }
    }

    /// After a gap the newest final block of ours is looked at; where it is gone, the one before it.
    fn pump_finals(&mut self) {
        while let Some(uplink) = &mut self.uplink
            && uplink.final_check == FinalCheck::Needed
            && self.is_online
        {
            let newest = uplink.finals.keys().next_back().copied();
            match newest.map(|block| (block, self.follow.is_canonical(&block))) {
                Some((block, Some(false))) => self.found_orphan(block),
                Some((block, None)) => {
                    uplink.final_check = FinalCheck::Asked;
                    let purpose = Purpose::Verify(block, true);
                    self.request(purpose, Request::BlockAt(block.number));
                }
                Some((_, Some(true))) | None => uplink.final_check = FinalCheck::Done,
            }
        }
    }

    /// Inclusions that the window does not reach are checked by the height's block: at first, and again once the height
    /// is final, for what stood there before may have been replaced meanwhile.
    fn pump_verifying(&mut self, only_final: bool) {
        while self.is_online && self.checks_in_flight() < MAX_CHECKS {
            let Some(uplink) = &mut self.uplink else {
                return;
            };
            let final_height = self.poll.final_height;
            let is_final = |block: &Block| final_height >= Some(block.number);
            let is_open = |block: &Block, spot: &Spot| {
                let is_done = if is_final(block) {
                    spot.is_verified && spot.is_sure
                } else {
                    spot.is_verified || only_final
                };
                !spot.is_asked && !is_done
            };
            let mut spots = uplink.spots.iter_mut();
            let next = spots.find(|(block, spot)| is_open(block, spot));
            let Some((block, spot)) = next else { return };
            let block = *block;
            match self.follow.is_canonical(&block) {
                Some(true) => {
                    spot.is_verified = true;
                    spot.is_sure = is_final(&block);
                }
                Some(false) => self.found_orphan(block),
                None if !uplink.receipts.may_verify() => return,
                None => {
                    spot.is_asked = true;
                    uplink.receipts.verifies();
                    let purpose = Purpose::Verify(block, is_final(&block));
                    self.request(purpose, Request::BlockAt(block.number));
                }
            }
        }
    }

    pub(super) fn verified(
        &mut self,
        block: Block,
        was_final: bool,
        reply: Result<Reply, Refusal>,
    ) {
        let is_final = self
            .uplink
            .as_ref()
            .is_some_and(|uplink| uplink.finals.contains_key(&block));
        // Without a reply the next look at the head asks again.
        let header = match reply {
            Ok(Reply::Block(Some(header))) if header.block.number == block.number => header,
            Ok(_) | Err(_) => return,
        };
        if let Some(uplink) = self.uplink.as_mut().filter(|_| is_final) {
            let is_there = header.block.hash == block.hash;
            uplink.final_check = if is_there {
                FinalCheck::Done
            } else {
                FinalCheck::Needed
            };
        }
        // What is followed is newer than an answer that was on its way.
        let is_orphan = self.follow.is_canonical(&block) == Some(false);
        if header.block.hash != block.hash || is_orphan {
            return self.found_orphan(block);
        }
        if let Some(uplink) = &mut self.uplink
            && let Some(spot) = uplink.spots.get_mut(&block)
        {
            spot.is_verified = true;
            spot.is_sure |= was_final;
            spot.is_asked = false;
            self.finalize();
        }
    }

    pub(super) fn finalize(&mut self) {
        let (Some(uplink), Some(height)) = (&mut self.uplink, self.poll.final_height) else {
            return;
        };
        let (follow, quorum) = (&self.follow, self.config.quorum);
        let is_final = |(block, spot): &(&Block, &Spot)| {
            block.number <= height
                && (spot.is_sure || follow.is_canonical(block) == Some(true))
                && spot.votes.reach(quorum)
        };
        let blocks: Vec<Block> = uplink
            .spots
            .iter()
            .filter(is_final)
            .map(|(block, _)| *block)
            .collect();
        for block in blocks {
            let spot = self
                .uplink
                .as_mut()
                .and_then(|uplink| uplink.spots.remove(&block));
            for id in spot.into_iter().flat_map(|spot| spot.tasks) {
                self.append(id, Event::Finalized(block));
            }
        }
    }

    /// The gateway says that the nonce is used: by this transaction, if its receipt is found within a few blocks.
    pub(super) fn look_for_receipt(&mut self, id: TaskId, cause: String) {
        let (Some(uplink), Some(task)) = (&mut self.uplink, self.backup.task(id)) else {
            return;
        };
        uplink.outbox.accepted(task, self.now_ms);
        uplink.receipts.want([id]);
        uplink.looking.get_or_default(id).nonce_used = Some(cause);
    }

    pub(super) fn found_receipt(&mut self, id: TaskId, inclusion: Inclusion) {
        let is_above = self
            .follow
            .head()
            .is_none_or(|head| inclusion.block.number > head.number);
        let is_orphan = self.follow.is_canonical(&inclusion.block) == Some(false);
        let Some(uplink) = &mut self.uplink else {
            return;
        };
        if is_above || is_orphan {
            // The answer is of another replica's chain, or of a block not seen yet: the next head tells.
            uplink.looking.get_or_default(id);
            return;
        }
        uplink.looking.remove(&id);
        uplink.rivals.forget(id);
        self.take_place(id, inclusion);
    }

    pub(super) fn missed_receipt(&mut self, id: TaskId) {
        let Some(uplink) = &mut self.uplink else {
            return;
        };
        let Some(looking) = uplink.looking.get_mut(&id) else {
            return;
        };
        looking.looks += 1;
        let is_missing = looking.looks >= MAX_LOOKS;
        // A rival that is found needs no patience; that nobody finds anything does.
        if let Some(cause) = &looking.nonce_used
            && (is_missing || looking.looks == 1)
        {
            uplink.rivals.suspect(id, cause.clone(), is_missing);
        }
        if is_missing {
            uplink.looking.remove(&id);
        }
    }
}
