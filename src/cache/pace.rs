//! When to look at the head next: blocks come at a pace, which is learnt from what is seen.

use std::collections::VecDeque;

/// The longest time between two looks, in milliseconds, unless the dapp asks for a longer one.
pub(super) const MAX_GAP_MS: u64 = 15_000;
/// How many intervals are remembered.
const MEMORY: usize = 8;
/// How many must be known before one is expected.
const ENOUGH: usize = 6;
/// While no interval is known, and when a block is late: the time to the next look is this part of the time that was
/// waited. So a block is seen late by this part of it at the most.
const LATE_PART: u64 = 8;
/// A block is looked for this part of the interval before it is due, and then this often.
const EARLY_PART: u64 = 16;
/// A hidden page looks so many times less often.
const HIDDEN_FACTOR: u64 = 4;
/// So many times less often the head is looked at, while no interval is known, for tasks that a block holds already.
const SETTLING_FACTOR: u64 = 4;

/// What the looks are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Haste {
    /// Somebody sees the page, and waits for a task to get into a block, or for the head itself.
    Awaited,
    /// All that waits is in blocks already, and those are to become final.
    Settling,
    /// Nobody sees the page.
    Hidden,
}

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Pace {
    /// Milliseconds a block, the newest last.
    samples: VecDeque<u64>,
    /// The highest block that was seen, and when it was seen first.
    newest: Option<(u64, u64)>,
    /// Since when the next one is waited for.
    waiting_ms: u64,
    looked_ms: Option<u64>,
    /// Whether the newest was seen soon after it came.
    is_in_phase: bool,
}

impl Pace {
    /// A look found this height at the head.
    pub(super) fn saw(&mut self, now_ms: u64, height: u64) {
        let looked_ms = self.looked_ms.replace(now_ms);
        let unseen_ms = looked_ms.map_or(u64::MAX, |looked_ms| now_ms - looked_ms);
        if unseen_ms > 2 * MAX_GAP_MS {
            // Nothing waited for a block meanwhile.
            self.waiting_ms = now_ms;
        }
        let Some((known, since_ms)) = self.newest else {
            self.newest = Some((height, now_ms));
            return;
        };
        if height <= known {
            return;
        }
        let sample = (now_ms - since_ms) / (height - known);
        // A block that was there at the first look at which it was expected came a little before.
        let interval_ms = self.interval_ms().filter(|_| self.is_in_phase);
        let is_early = interval_ms.is_some_and(|interval_ms| {
            unseen_ms > sample / 4 && sample.abs_diff(interval_ms) <= interval_ms / 4
        });
        // Blocks that came while nobody looked tell how many there were, not when the last one came.
        self.is_in_phase = is_early || unseen_ms <= sample / 4;
        if self.is_in_phase || height - known > 1 {
            self.samples.push_back(sample);
            let excess = self.samples.len().saturating_sub(MEMORY);
            self.samples.drain(..excess);
        }
        self.newest = Some((height, now_ms));
        let before_ms = interval_ms.map_or(0, |interval_ms| interval_ms / EARLY_PART);
        self.waiting_ms = now_ms - if is_early { before_ms } else { 0 };
    }

    /// The head is not linked to the one before. Where it is below that, the chain began anew, or the one before was another's.
    pub(super) fn lost_sight(&mut self, now_ms: u64, height: u64) {
        if self.newest.is_some_and(|(known, _)| height < known) {
            *self = Pace {
                newest: Some((height, now_ms)),
                waiting_ms: now_ms,
                looked_ms: Some(now_ms),
                ..Pace::default()
            };
        }
    }

    /// The time between blocks in milliseconds, where they come regularly.
    pub(super) fn interval_ms(&self) -> Option<u64> {
        let mut sorted: Vec<u64> = self.samples.iter().copied().collect();
        sorted.sort_unstable();
        let median = *sorted.get(sorted.len() / 2)?;
        let is_near = |sample: &&u64| sample.abs_diff(median) <= median / 4;
        let near = sorted.iter().filter(is_near).count();
        (sorted.len() >= ENOUGH && near * 4 >= sorted.len() * 3).then_some(median)
    }

    /// When to look next, at least `least_ms` from now.
    pub(super) fn next_ms(&self, now_ms: u64, least_ms: u64, haste: Haste) -> u64 {
        let waited_ms = now_ms.saturating_sub(self.waiting_ms);
        let interval_ms = self.interval_ms();
        let gap_ms = match interval_ms {
            Some(interval_ms) => {
                let step_ms = interval_ms / EARLY_PART;
                let quiet_ms = if self.is_in_phase {
                    (interval_ms - step_ms).saturating_sub(waited_ms)
                } else {
                    0
                };
                let late_ms = waited_ms.saturating_sub(interval_ms) / LATE_PART;
                quiet_ms.max(step_ms).max(late_ms)
            }
            None => waited_ms / LATE_PART,
        };
        let factor = match haste {
            Haste::Awaited => 1,
            // Where blocks are expected two looks see each: there is nothing to save.
            Haste::Settling if interval_ms.is_some() => 1,
            Haste::Settling => SETTLING_FACTOR,
            Haste::Hidden => HIDDEN_FACTOR,
        };
        let gap_ms = gap_ms.max(least_ms).saturating_mul(factor);
        now_ms + gap_ms.min(MAX_GAP_MS.max(least_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a block that was seen: its height, the looks since the one before, and how late it was seen.
    struct Seen {
        height: u64,
        looks: u64,
        late_ms: u64,
    }

    /// Follows a chain whose block `n` comes at `comes(n)`.
    fn follow(comes: impl Fn(u64) -> u64, blocks: u64, least_ms: u64) -> Vec<Seen> {
        let mut pace = Pace::default();
        let (mut now_ms, mut height, mut looks) = (0, 0, 0);
        let mut seen = Vec::new();
        while height < blocks {
            let head = (0..).find(|n| comes(n + 1) > now_ms).unwrap();
            looks += 1;
            pace.saw(now_ms, head);
            if head > height {
                let late_ms = now_ms - comes(head);
                height = head;
                seen.push(Seen {
                    height,
                    looks: std::mem::take(&mut looks),
                    late_ms,
                });
            }
            let next_ms = pace.next_ms(now_ms, least_ms, Haste::Awaited);
            assert!(next_ms >= now_ms + least_ms, "more often than allowed");
            assert!(next_ms <= now_ms + MAX_GAP_MS.max(least_ms));
            now_ms = next_ms;
        }
        seen
    }

    #[track_caller]
    fn check(seen: &[Seen], most_looks: u64, most_late_ms: u64) {
        for Seen {
            height,
            looks,
            late_ms,
        } in seen
        {
            assert!(*looks <= most_looks, "block {height}: {looks} looks");
            assert!(
                *late_ms <= most_late_ms,
                "block {height}: {late_ms} ms late"
            );
        }
    }

    #[test]
    fn regular_blocks_cost_three_looks_at_the_most_and_are_seen_at_once() {
        for interval_ms in [1_000, 2_000, 6_000, 12_000] {
            let seen = follow(|n| n * interval_ms, 60, 50);
            check(&seen[10..], 3, interval_ms / EARLY_PART + 50);
            let looks: u64 = seen[10..].iter().map(|seen| seen.looks).sum();
            assert!(looks <= 125, "{interval_ms}: {looks} looks for 50 blocks");
        }
    }

    #[test]
    fn a_block_that_was_missed_is_waited_for_and_costs_a_few_looks() {
        let seen = follow(|n| (n + n / 20) * 12_000, 100, 250);
        check(&seen[10..], 18, 12_000 / LATE_PART);
    }

    #[test]
    fn irregular_blocks_are_seen_late_by_a_part_of_the_wait() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut comes = vec![0];
        for n in 0..200 {
            comes.push(comes[n] + rng.u64(500..20_000));
        }
        let (mut before, mut late) = (0, 0);
        for block in follow(|n| comes[n as usize], 199, 50) {
            let height = block.height as usize;
            let waited_ms = comes[height] - comes[before];
            // By chance some come as if they were regular: then the next is not looked for before it is due.
            late += u32::from(block.late_ms > waited_ms / LATE_PART + 50);
            check(&[block], 50, waited_ms);
            before = height;
        }
        assert!(late <= 6, "{late} of 199");
    }

    #[test]
    fn bursts_and_pauses_teach_nothing_wrong() {
        // 5 blocks at once, now and then: as a developer mines them.
        let comes = |n: u64| n / 5 * 3_000 + n / 20 * 40_000;
        check(&follow(comes, 200, 50), 60, 43_000 / LATE_PART);
    }

    #[test]
    fn a_pace_that_changes_is_learnt_anew() {
        let comes = |n: u64| {
            if n <= 40 {
                n * 1_000
            } else {
                n * 12_000 - 440_000
            }
        };
        check(&follow(comes, 80, 50)[60..], 3, 12_000 / EARLY_PART);
    }

    #[test]
    fn it_slows_down_when_hidden_and_within_bounds() {
        let mut pace = Pace::default();
        pace.saw(0, 7);
        assert_eq!(pace.next_ms(0, 250, Haste::Awaited), 250);
        assert_eq!(pace.next_ms(0, 250, Haste::Hidden), 1_000);
        assert_eq!(
            pace.next_ms(600_000, 250, Haste::Awaited),
            600_000 + MAX_GAP_MS
        );
        assert_eq!(
            pace.next_ms(600_000, 250, Haste::Hidden),
            600_000 + MAX_GAP_MS
        );
        assert_eq!(
            pace.next_ms(0, 60_000, Haste::Hidden),
            60_000,
            "the dapp's word"
        );
    }

    #[test]
    fn what_is_in_a_block_already_costs_fewer_looks_until_blocks_are_expected() {
        let mut pace = Pace::default();
        pace.saw(0, 7);
        assert_eq!(pace.next_ms(8_000, 250, Haste::Awaited), 9_000);
        assert_eq!(pace.next_ms(8_000, 250, Haste::Settling), 12_000);
        for now_ms in (0..=26_000).step_by(250) {
            pace.saw(now_ms, 7 + now_ms / 2_000);
        }
        assert!(pace.interval_ms().is_some());
        let now_ms = 26_000;
        let next_ms = pace.next_ms(now_ms, 50, Haste::Awaited);
        assert_eq!(pace.next_ms(now_ms, 50, Haste::Settling), next_ms);
    }
}
