//! Following the chain: the newest blocks that are known to be linked, and what a new one changes.
//!
//! One look at the head answers for all tasks that wait. When a new head does not follow the known one, its parents
//! are fetched until the two meet; what lies between is the reorg.

use crate::task::{Block, Hash};
use std::collections::VecDeque;

/// How many linked blocks are remembered.
pub const WINDOW: usize = 128;

/// What is read of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Height and hash.
    pub block: Block,
    /// The block before it.
    pub parent: Hash,
    /// The transactions in it, in order.
    pub transactions: Vec<Hash>,
}

/// What the chain did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    /// New canonical blocks, oldest first.
    pub blocks: Vec<Header>,
    /// Blocks that were canonical.
    pub orphaned: Vec<Block>,
    /// The new blocks are not linked to those known before: anything may have happened between.
    pub is_gap: bool,
}

/// What to do after looking at a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing is new.
    Nothing,
    /// Ask for the blocks that are wanted.
    Fetch,
    /// The chain went on.
    Advance(Advance),
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Follow {
    window: VecDeque<Block>,
    /// While walking back from a new head: the blocks so far, newest first.
    walk: Vec<Header>,
}

impl Follow {
    /// The newest block that is known.
    pub fn head(&self) -> Option<Block> {
        self.window.back().copied()
    }

    /// Whether a block is canonical, as far as the window reaches.
    pub fn is_canonical(&self, block: &Block) -> Option<bool> {
        let (first, last) = (self.window.front()?, self.window.back()?);
        if !(first.number..=last.number).contains(&block.number) {
            return None;
        }
        let at = self
            .window
            .partition_point(|known| known.number < block.number);
        Some(self.window.get(at) == Some(block))
    }

    /// Whether the known head stands on this block: it is in the window, or below it.
    pub fn stands_on(&self, block: &Block) -> bool {
        let is_below = |first: &Block| block.number < first.number;
        self.is_canonical(block) == Some(true) || self.window.front().is_some_and(is_below)
    }

    /// The gateway's head. One that is more than `reach` blocks above the known one is not walked to.
    pub fn on_head(&mut self, header: Header, reach: usize) -> Step {
        self.walk.clear();
        if self.window.contains(&header.block) {
            // Our head, or a replica that lags behind it.
            return Step::Nothing;
        }
        let is_far = self
            .head()
            .is_none_or(|head| header.block.number > head.number + reach.min(WINDOW) as u64);
        self.walk.push(header);
        if is_far {
            self.adopt(0, true)
        } else {
            self.link()
        }
    }

    /// The next block that a `Fetch` asked for; `None` where the gateway does not have it.
    pub fn on_fetched(&mut self, header: Option<Header>) -> Step {
        let child = self.walk.last();
        match (child, header) {
            (Some(child), Some(header)) if child.parent == header.block.hash => {
                self.walk.push(header);
                self.link()
            }
            // The chain moved under the walk: the next head begins a new one.
            (Some(_), Some(_) | None) | (None, _) => {
                self.walk.clear();
                Step::Nothing
            }
        }
    }

    /// The heights of the blocks that a walk waits for, newest first, at the most so many: those above the known head,
    /// and behind a fork twice as many at each step, for nobody knows how deep it is.
    pub fn wanted(&self, most: usize) -> Vec<u64> {
        let Some(oldest) = self.walk.last() else {
            return Vec::new();
        };
        let number = oldest.block.number;
        let known = self.head().map_or(0, |head| head.number);
        let missing = number.saturating_sub(known + 1).max(self.walk.len() as u64);
        let room = WINDOW.saturating_sub(self.walk.len());
        let first = number.saturating_sub(missing.min(most.min(room) as u64));
        (first..number).rev().collect()
    }

    /// The next block cannot be had: what was walked to is followed from here on.
    pub fn skip(&mut self) -> Step {
        self.adopt(0, true)
    }

    /// Ends a walk whose answer will not come.
    pub fn give_up(&mut self) {
        self.walk.clear();
    }

    fn link(&mut self) -> Step {
        let Some(oldest) = self.walk.last() else {
            return Step::Nothing;
        };
        let parent = oldest.parent;
        if let Some(at) = self.window.iter().rposition(|known| known.hash == parent) {
            return self.adopt(at + 1, false);
        }
        let number = oldest.block.number;
        let is_below = self
            .window
            .front()
            .is_none_or(|first| number <= first.number);
        if number == 0 || is_below || self.walk.len() >= WINDOW {
            return self.adopt(0, true);
        }
        Step::Fetch
    }

    fn adopt(&mut self, kept: usize, is_gap: bool) -> Step {
        let mut orphaned: Vec<Block> = self.window.drain(kept..).collect();
        let mut blocks = std::mem::take(&mut self.walk);
        if is_gap {
            let (lowest, head) = (height(blocks.last()), height(blocks.first()));
            // At a height that both have there are two blocks: ours left, and what stands on it. Of all others nothing is known,
            // nor where the walk was given up: whether they stand is asked one by one.
            let meets = orphaned.first().map(|first| first.number) <= head;
            let is_whole = blocks.len() < WINDOW;
            orphaned.retain(|block| meets && is_whole && Some(block.number) >= lowest);
        }
        blocks.reverse();
        self.window.extend(blocks.iter().map(|header| header.block));
        let excess = self.window.len().saturating_sub(WINDOW);
        self.window.drain(..excess);
        Step::Advance(Advance {
            blocks,
            orphaned,
            is_gap,
        })
    }
}

fn height(header: Option<&Header>) -> Option<u64> {
    header.map(|header| header.block.number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Block `number` of branch `branch`, which forks off the main branch 0 behind `fork`.
    fn header(number: u64, branch: u8, fork: u64) -> Header {
        let hash = |number: u64| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            bytes[31] = if number > fork { branch } else { 0 };
            Hash(bytes)
        };
        Header {
            block: Block {
                number,
                hash: hash(number),
            },
            parent: hash(number.wrapping_sub(1)),
            transactions: vec![],
        }
    }

    /// Shows the head, answers every fetch, and returns what came of it.
    fn show(follow: &mut Follow, number: u64, branch: u8, fork: u64) -> Option<Advance> {
        let mut step = follow.on_head(header(number, branch, fork), WINDOW);
        for _ in 0..=WINDOW {
            match step {
                Step::Nothing => return None,
                Step::Advance(advance) => return Some(advance),
                Step::Fetch => {
                    let number = follow.wanted(1)[0];
                    step = follow.on_fetched(Some(header(number, branch, fork)));
                }
            }
        }
        panic!("the walk has no end");
    }

    fn numbers(blocks: &[Header]) -> Vec<u64> {
        blocks.iter().map(|header| header.block.number).collect()
    }

    #[test]
    fn it_follows_block_by_block_and_over_missed_ones() {
        let mut follow = Follow::default();
        assert!(
            show(&mut follow, 10, 0, 99).unwrap().is_gap,
            "the first block follows nothing known"
        );
        let next = show(&mut follow, 11, 0, 99).unwrap();
        assert_eq!((numbers(&next.blocks), next.is_gap), (vec![11], false));
        let missed = show(&mut follow, 15, 0, 99).unwrap();
        assert_eq!(
            (numbers(&missed.blocks), missed.is_gap),
            (vec![12, 13, 14, 15], false)
        );
        assert_eq!(show(&mut follow, 15, 0, 99), None);
        assert_eq!(
            show(&mut follow, 12, 0, 99),
            None,
            "a replica that lags changes nothing"
        );
        assert_eq!(follow.head().unwrap().number, 15);
    }

    #[test]
    fn a_reorg_names_the_blocks_that_left() {
        let mut follow = Follow::default();
        for number in 10..=20 {
            show(&mut follow, number, 0, 99);
        }
        let old = header(18, 0, 99).block;
        assert_eq!(follow.is_canonical(&old), Some(true));
        let reorg = show(&mut follow, 21, 1, 17).unwrap();
        assert_eq!(numbers(&reorg.blocks), [18, 19, 20, 21]);
        assert_eq!(
            reorg
                .orphaned
                .iter()
                .map(|block| block.number)
                .collect::<Vec<_>>(),
            [18, 19, 20]
        );
        assert_eq!(follow.is_canonical(&old), Some(false));
        let shorter = show(&mut follow, 19, 2, 15).unwrap();
        assert_eq!(numbers(&shorter.blocks), [16, 17, 18, 19]);
        assert_eq!(follow.head(), Some(header(19, 2, 15).block));
    }

    #[test]
    fn what_is_not_linked_is_a_gap() {
        let mut follow = Follow::default();
        show(&mut follow, 100, 0, 999);
        assert!(
            show(&mut follow, 1_000, 0, 9_999).unwrap().is_gap,
            "too far to walk"
        );
        assert!(
            matches!(
                follow.on_head(header(1_010, 0, 9_999), 9),
                Step::Advance(Advance { is_gap: true, .. })
            ),
            "too far to walk so slowly"
        );
        assert!(
            show(&mut follow, 1_000, 1, 10).unwrap().is_gap,
            "forked off before the window"
        );
        assert_eq!(
            follow.is_canonical(&header(5, 0, 999).block),
            None,
            "below the window nothing is known"
        );
    }

    #[test]
    fn a_fork_below_the_window_takes_what_it_has_others_for() {
        let mut follow = Follow::default();
        for number in 100..=102 {
            show(&mut follow, number, 0, 999);
        }
        let fork = show(&mut follow, 101, 1, 98).unwrap();
        let orphaned: Vec<u64> = fork.orphaned.iter().map(|block| block.number).collect();
        assert_eq!((orphaned, fork.is_gap), (vec![100, 101, 102], true));
        let lag = show(&mut follow, 90, 0, 999).unwrap();
        assert_eq!(
            (lag.orphaned, lag.is_gap),
            (vec![], true),
            "a replica that lags"
        );
        let ahead = show(&mut follow, 900, 0, 999).unwrap();
        assert_eq!((ahead.orphaned, ahead.is_gap), (vec![], true));
        for number in 901..=1_100 {
            show(&mut follow, number, 0, 9_999);
        }
        let deep = show(&mut follow, 1_101, 1, 10).unwrap();
        assert_eq!(
            (deep.orphaned, deep.is_gap),
            (vec![], true),
            "too deep to walk: each is asked for"
        );
    }

    #[test]
    fn a_walk_wants_what_is_missing_and_behind_a_fork_more_at_each_step() {
        let mut follow = Follow::default();
        show(&mut follow, 100, 0, 999);
        for number in 101..=120 {
            show(&mut follow, number, 0, 999);
        }
        follow.on_head(header(125, 1, 105), WINDOW);
        assert_eq!(follow.wanted(16), [124, 123, 122, 121]);
        assert_eq!(follow.wanted(2), [124, 123]);
        let mut asked = Vec::new();
        let mut step = Step::Fetch;
        while step == Step::Fetch {
            let heights = follow.wanted(16);
            asked.push(heights.len());
            for number in heights {
                if step == Step::Fetch {
                    step = follow.on_fetched(Some(header(number, 1, 105)));
                }
            }
        }
        assert_eq!(asked, [4, 5, 10]);
        follow.on_head(header(300, 0, 999), WINDOW);
        follow.on_head(header(302, 0, 999), WINDOW);
        assert_eq!(follow.wanted(16), [301]);
        follow.on_head(header(428, 0, 999), WINDOW);
        assert_eq!(follow.wanted(999).len(), WINDOW - 1);
    }

    #[test]
    fn a_chain_that_moves_under_the_walk_ends_it() {
        let mut follow = Follow::default();
        show(&mut follow, 10, 0, 99);
        assert_eq!(follow.on_head(header(13, 0, 99), WINDOW), Step::Fetch);
        assert_eq!(follow.on_fetched(Some(header(12, 7, 0))), Step::Nothing);
        assert_eq!(follow.on_head(header(13, 0, 99), WINDOW), Step::Fetch);
        assert_eq!(
            follow.wanted(1),
            [12],
            "a question that failed is asked again"
        );
        assert_eq!(follow.on_fetched(None), Step::Nothing);
        assert!(follow.wanted(1).is_empty());
        assert!(show(&mut follow, 13, 0, 99).is_some());
    }

    #[test]
    fn heights_may_be_left_out() {
        // Filecoin: an epoch without a block is a null round, and the next block's parent is the one before it.
        let mut follow = Follow::default();
        let mut parent = Hash([0; 32]);
        for number in [100_u64, 101, 103, 104, 105] {
            let block = header(number, 0, 999).block;
            let header = Header {
                block,
                parent,
                transactions: vec![],
            };
            parent = block.hash;
            follow.on_head(header, WINDOW);
        }
        for number in [100_u64, 101, 103, 104, 105] {
            let block = header(number, 0, 999).block;
            assert_eq!(follow.is_canonical(&block), Some(true), "{number}");
        }
    }
}
