//! Which nonce comes next in an account's order: the lowest that the chain has not counted and no task here holds.
//!
//! So a gap that a rejected signature or a failed task left is closed by the next draft. What tasks hold is in the log;
//! what the chain counts is asked for again and again, because the account may be used elsewhere.

use crate::ordered::{OrderedMap, OrderedSet};
use crate::task::TaskId;

/// How long an answer of the chain's serves while tasks are under way, in milliseconds.
pub const COUNT_SERVES_MS: u64 = 2_000;
/// How many lanes without a task are remembered.
const MAX_IDLE_LANES: usize = 256;

#[derive(Debug, Default)]
struct Lane {
    held: OrderedSet<(u64, TaskId)>,
    /// Every nonce below was used, by tasks that settled here.
    used_below: u64,
    /// What the chain counted, and when that was asked.
    count: Option<(u64, u64)>,
}

/// See the module's documentation. A lane is an account's address, or what tasks of unknown senders name as theirs.
#[derive(Debug, Default)]
pub struct Nonces {
    lanes: OrderedMap<String, Lane>,
    places: OrderedMap<TaskId, (String, u64)>,
}

impl Nonces {
    /// From now on the task holds this nonce of the lane, and no other.
    pub fn hold(&mut self, id: TaskId, lane: &str, nonce: u64) {
        let place = self.places.get(&id);
        if place.is_some_and(|(held, number)| held == lane && *number == nonce) {
            return;
        }
        self.release(id);
        self.places.insert(id, (lane.to_owned(), nonce));
        self.lane(lane).held.insert((nonce, id));
    }

    /// The task holds no nonce any more.
    pub fn release(&mut self, id: TaskId) {
        let Some((lane, nonce)) = self.places.remove(&id) else {
            return;
        };
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.held.remove(&(nonce, id));
            // Nothing is under way any more: the account may be used elsewhere before the next draft.
            if lane.held.is_empty() {
                lane.count = None;
            }
        }
    }

    /// Whether another task of its lane holds a lower nonce.
    pub fn is_behind(&self, id: TaskId) -> bool {
        let first = |lane: &str| self.lanes.get(lane)?.held.first();
        let place = self.places.get(&id);
        place.is_some_and(|(lane, nonce)| first(lane).is_some_and(|(first, _)| first < nonce))
    }

    /// A task that settled here used this nonce: no later answer of a replica that lags makes it free.
    pub fn used(&mut self, lane: &str, nonce: u64) {
        let lane = self.lane(lane);
        lane.used_below = lane.used_below.max(nonce.saturating_add(1));
    }

    /// The chain counts so many transactions of the lane's account, asked at this time.
    pub fn counted(&mut self, lane: &str, count: u64, now_ms: u64) {
        self.lane(lane).count = Some((count, now_ms));
    }

    /// The lane's nonces went another way than was thought: the chain is asked anew.
    pub fn doubt(&mut self, lane: &str) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            lane.count = None;
        }
    }

    /// What the chain counted of the lane's account, if it was asked lately.
    pub fn count(&self, lane: &str, now_ms: u64) -> Option<u64> {
        let (count, asked_ms) = self.lanes.get(lane)?.count?;
        (now_ms < asked_ms + COUNT_SERVES_MS).then_some(count)
    }

    /// The nonce for a task: what it holds itself is free for it.
    pub fn next(&self, id: TaskId, lane: &str, count: u64) -> u64 {
        let Some(lane) = self.lanes.get(lane) else {
            return count;
        };
        let mut next = count.max(lane.used_below);
        let is_held = |nonce: u64| {
            let of_nonce = (nonce, TaskId(0))..=(nonce, TaskId(u128::MAX));
            let mut holders = lane.held.range(of_nonce);
            holders.any(|(_, holder)| *holder != id)
        };
        while is_held(next) {
            next += 1;
        }
        next
    }

    fn lane(&mut self, name: &str) -> &mut Lane {
        if !self.lanes.contains_key(name) && self.lanes.len() >= MAX_IDLE_LANES {
            self.lanes.retain(|_, lane| !lane.held.is_empty());
        }
        self.lanes.get_or_default(name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: TaskId = TaskId(99);

    fn nonces(held: &[u64]) -> Nonces {
        let mut nonces = Nonces::default();
        for (id, nonce) in (0..).zip(held) {
            nonces.hold(TaskId(id), "a", *nonce);
        }
        nonces
    }

    #[test]
    fn the_lowest_free_nonce_is_next() {
        let cases: &[(&[u64], u64, u64)] = &[
            (&[], 0, 0),
            (&[], 7, 7),
            (&[7, 8], 7, 9),
            // A failed task left 8 free.
            (&[7, 9], 7, 8),
            // The pool has 7 and 8, and another wallet 9.
            (&[7, 8], 10, 10),
            // A replica lags: what is held is not given twice.
            (&[7, 8], 6, 6),
            (&[7, 8, u64::MAX], 7, 9),
        ];
        for (held, count, expected) in cases {
            let next = nonces(held).next(NEW, "a", *count);
            assert_eq!(next, *expected, "{held:?} {count}");
        }
    }

    #[test]
    fn what_a_task_holds_is_free_for_itself() {
        let nonces = nonces(&[7, 8]);
        assert_eq!(nonces.next(TaskId(1), "a", 7), 8);
        assert_eq!(nonces.next(TaskId(1), "a", 9), 9, "the chain went past");
    }

    #[test]
    fn lanes_do_not_share_nonces() {
        let mut nonces = nonces(&[7]);
        nonces.hold(TaskId(50), "b", 8);
        assert_eq!(nonces.next(NEW, "a", 7), 8);
        assert_eq!(nonces.next(NEW, "b", 7), 7);
    }

    #[test]
    fn what_settled_here_is_used_whatever_a_replica_says() {
        let mut nonces = nonces(&[7]);
        nonces.used("a", 7);
        nonces.release(TaskId(0));
        assert_eq!(nonces.next(NEW, "a", 5), 8);
    }

    #[test]
    fn a_count_serves_for_a_while_and_not_once_the_lane_is_idle() {
        let mut nonces = nonces(&[7, 8]);
        nonces.counted("a", 7, 100);
        assert_eq!(nonces.count("a", 100), Some(7));
        assert_eq!(nonces.count("a", 100 + COUNT_SERVES_MS), None);
        nonces.doubt("a");
        assert_eq!(nonces.count("a", 100), None);
        nonces.counted("a", 7, 100);
        nonces.release(TaskId(0));
        assert_eq!(nonces.count("a", 100), Some(7));
        nonces.release(TaskId(1));
        assert_eq!(nonces.count("a", 100), None);
    }

    #[test]
    fn idle_lanes_are_forgotten_at_a_bound() {
        let mut nonces = nonces(&[7]);
        for lane in 0..10_000 {
            nonces.counted(&lane.to_string(), 1, 0);
        }
        assert!(nonces.lanes.len() <= MAX_IDLE_LANES);
        assert_eq!(nonces.next(NEW, "a", 7), 8);
    }
}
