//! What is sent next: lanes, what is due, and how long to wait after a fault.
//!
//! Tasks of a lane go in the order of their nonces: several at once in one batch, one request at a time, so that they
//! arrive in that order. A lane never waits for another, nor for a confirmation.

use crate::ordered::{OrderedMap, OrderedSet};
use crate::record;
use crate::task::{Bytes, Hash, Order, Task, TaskId};

/// The first wait after a fault, in milliseconds.
const FIRST_DELAY_MS: u64 = 500;
/// The longest wait after a fault, in milliseconds.
const MAX_DELAY_MS: u64 = 60_000;
/// How long a sent task may stay out of the chain before it is looked for, in milliseconds; doubled each time.
const FIRST_RESEND_MS: u64 = 30_000;
/// The longest time between two such looks, in milliseconds.
const MAX_RESEND_MS: u64 = 600_000;
/// How often in a row a gateway may refuse a task in words that say nothing of it, or for its nonce, and for how long, in
/// milliseconds, until somebody is told.
const MAX_REFUSALS: u32 = 10;
const REFUSED_MS: u64 = 10 * 60_000;

/// Exponential backoff with jitter: waits between half and the whole of a bound that doubles.
#[derive(Debug, Default, Clone)]
pub struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The next wait in milliseconds, at least `hint_ms`, which the gateway asked for.
    pub fn next_ms(&mut self, rng: &mut fastrand::Rng, hint_ms: Option<u64>) -> u64 {
        let bound = doubled(FIRST_DELAY_MS, self.tries, MAX_DELAY_MS);
        if bound < MAX_DELAY_MS {
            self.tries += 1;
        }
        let wait = rng.u64(bound / 2..=bound);
        wait.max(hint_ms.unwrap_or(0).min(MAX_DELAY_MS))
    }

    /// It worked this time: what is short of room must not have everybody back at full speed after each answer, so that
    /// the next fault waits half as long as it would have.
    pub fn ease(&mut self) {
        self.tries = self.tries.saturating_sub(1);
    }

    /// The next fault begins with the first wait.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

fn doubled(first: u64, times: u32, most: u64) -> u64 {
    first
        .checked_shl(times.min(32))
        .map_or(most, |bound| bound.min(most))
}

/// A task's turn: lanes are ordered by it.
type Turn = (u64, Order, TaskId);

/// How many tasks have their turn together at the most.
pub const MAX_BATCH: usize = 32;
/// Where there are more lanes than this, those that are empty are forgotten, whatever they wait for.
const MAX_EMPTY_LANES: usize = 256;
/// How many bytes of payloads they have at the most; what is kept beside the log goes alone.
const MAX_BATCH_BYTES: usize = 128 * 1024;

#[derive(Debug, Default)]
struct Lane {
    ready: OrderedSet<Turn>,
    /// Who has the turn, in the order of nonces.
    in_flight: Vec<TaskId>,
    /// How many may have the turn together: halved when a batch fails, doubled when one is answered.
    batch: Batch,
    backoff: Backoff,
    not_before_ms: u64,
}

#[derive(Debug)]
struct Batch(usize);

impl Default for Batch {
    fn default() -> Self {
        Batch(MAX_BATCH)
    }
}

#[derive(Debug)]
struct Entry {
    lane: String,
    /// The length of what is sent, in bytes.
    len: usize,
    /// It is kept beside the log, and has its turn alone.
    is_blob: bool,
    /// The transaction that is sent: the task's newest.
    tx: Option<Hash>,
    turn: Turn,
    /// When it is due, while it is not ready.
    later_ms: Option<u64>,
    /// It waits for other tasks.
    is_held: bool,
    in_doubt: bool,
    /// Was in doubt at any time: only what never was can be said to be on no chain.
    was_in_doubt: bool,
    looks: u32,
    /// How often it was accepted, and not there any more later.
    losses: u32,
    /// Refusals in a row that were answers, for its nonce or in words that say nothing of it; and when the first of them came.
    refusals: Option<(u32, u64)>,
    /// Looks in a row that found it in a block, while no receipt of it was found.
    mined_looks: u32,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Outbox {
    lanes: OrderedMap<String, Lane>,
    /// Boxed, as the backup's tasks are: names are looked for among names alone, and what follows a new one moves.
    entries: OrderedMap<TaskId, Box<Entry>>,
    /// Lanes whose turn was given and whose request did not go out yet.
    preparing: OrderedSet<String>,
    /// What was sent, by when it is to be looked for; what is due at the same time, in the order of its turns.
    later: OrderedSet<(u64, Turn)>,
}

impl Outbox {
    /// The task is to be sent now; `in_doubt`: the chain may have it, look before sending. What is known stays.
    pub fn ready(&mut self, task: &Task, in_doubt: bool) {
        let id = task.submission.id;
        let entry = self.entries.get_or_insert_with(id, || {
            Box::new(Entry {
                lane: task.submission.lane.clone(),
                len: 0,
                is_blob: false,
                tx: None,
                turn: (task.nonce().unwrap_or(0), task.order, id),
                later_ms: None,
                is_held: false,
                in_doubt,
                was_in_doubt: in_doubt,
                looks: 0,
                losses: 0,
                refusals: None,
                mined_looks: 0,
            })
        });
        let newest = task.newest();
        let tx = newest.map(|(tx, ..)| tx);
        if entry.tx != tx {
            entry.tx = tx;
            entry.len = newest.map_or(0, |(_, payload, _)| payload.map_or(0, Bytes::len));
            entry.is_blob =
                newest.is_some_and(|(.., role)| entry.len > record::max_inline_bytes(role));
            // No gateway has heard of the new one.
            entry.in_doubt = false;
            entry.refusals = None;
        }
        entry.in_doubt |= in_doubt;
        entry.was_in_doubt |= in_doubt;
        entry.is_held = false;
        if let Some(due) = entry.later_ms.take() {
            self.later.remove(&(due, entry.turn));
        }
        match self.lanes.get_mut(&entry.lane) {
            Some(lane) => {
                lane.ready.insert(entry.turn);
            }
            None => {
                let lane = Lane {
                    ready: OrderedSet::from([entry.turn]),
                    ..Lane::default()
                };
                self.lanes.insert(entry.lane.clone(), lane);
            }
        }
    }

    /// The gateway has it: look again when it stays out of the chain for long.
    pub fn accepted(&mut self, task: &Task, now_ms: u64) {
        self.ready(task, true);
        let id = task.submission.id;
        self.end_turn(id);
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.refusals = None;
        let due = now_ms + doubled(FIRST_RESEND_MS, entry.looks, MAX_RESEND_MS);
        entry.looks = entry.looks.saturating_add(1);
        if let Some(lane) = self.lanes.get_mut(&entry.lane) {
            lane.backoff.reset();
        }
        self.look_later(id, due);
    }

    /// What was sent, to be looked for at this time: it has no turn until a look says that no gateway has it.
    pub fn look_later(&mut self, id: TaskId, due_ms: u64) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        if let Some(due) = entry.later_ms.replace(due_ms) {
            self.later.remove(&(due, entry.turn));
        }
        self.later.insert((due_ms, entry.turn));
        if let Some(lane) = self.lanes.get_mut(&entry.lane) {
            lane.ready.remove(&entry.turn);
        }
    }

    /// The task must wait for others, if it is here: it has no turn until it is `ready` again. What is known of it stays.
    pub fn hold(&mut self, id: TaskId) {
        self.end_turn(id);
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.is_held = true;
        if let Some(due) = entry.later_ms.take() {
            self.later.remove(&(due, entry.turn));
        }
        if let Some(lane) = self.lanes.get_mut(&entry.lane) {
            lane.ready.remove(&entry.turn);
        }
    }

    /// Whether the task waits for others.
    pub fn is_held(&self, id: TaskId) -> bool {
        self.entries.get(&id).is_some_and(|entry| entry.is_held)
    }

    /// Whether the task waits to be looked for, and for nothing else.
    pub fn is_looked_for(&self, id: TaskId) -> bool {
        let entry = self.entries.get(&id);
        entry.is_some_and(|entry| entry.later_ms.is_some())
    }

    /// The task that is to be looked for next, and when.
    pub fn next_look(&self) -> Option<(u64, TaskId)> {
        self.later.first().map(|(due, (_, _, id))| (*due, *id))
    }

    /// The gateway has another fault, or no answer came: the lane waits. `in_doubt`: the request may have arrived.
    pub fn faulted(&mut self, id: TaskId, wait: Wait<'_>, in_doubt: bool) {
        self.end_turn(id);
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        entry.in_doubt |= in_doubt;
        entry.was_in_doubt |= in_doubt;
        if let Some(lane) = self.lanes.get_mut(&entry.lane)
            && lane.not_before_ms <= wait.now_ms
        {
            lane.not_before_ms = wait.now_ms + lane.backoff.next_ms(wait.rng, wait.hint_ms);
        }
    }

    /// The chain may have it, whatever is heard next.
    pub fn doubt(&mut self, id: TaskId) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.in_doubt = true;
            entry.was_in_doubt = true;
        }
    }

    /// A look said that no gateway has it, so that it can be sent.
    pub fn resolved(&mut self, id: TaskId) {
        self.end_turn(id);
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.in_doubt = false;
        }
    }

    /// A gateway had it, and none has it any more: how often that happened.
    pub fn lost(&mut self, id: TaskId) -> u32 {
        self.entries.get_mut(&id).map_or(0, |entry| {
            entry.losses += 1;
            entry.losses
        })
    }

    /// It was refused once more: whether somebody must be told.
    pub fn refused(&mut self, id: TaskId, now_ms: u64) -> bool {
        self.entries.get_mut(&id).is_some_and(|entry| {
            let (times, since_ms) = entry.refusals.get_or_insert((0, now_ms));
            *times += 1;
            *times >= MAX_REFUSALS && now_ms >= *since_ms + REFUSED_MS
        })
    }

    /// What a look says of it, of which no receipt was found: how often in a row that it is in a block.
    pub fn seen_mined(&mut self, id: TaskId, is_mined: bool) -> u32 {
        self.entries.get_mut(&id).map_or(0, |entry| {
            entry.mined_looks = if is_mined { entry.mined_looks + 1 } else { 0 };
            entry.mined_looks
        })
    }

    /// How often it was, or is to be, looked for since it was sent.
    pub fn looks(&self, id: TaskId) -> u32 {
        self.entries.get(&id).map_or(0, |entry| entry.looks)
    }

    /// Whether the task got another transaction since.
    pub fn is_outdated(&self, task: &Task) -> bool {
        let entry = self.entries.get(&task.submission.id);
        entry.is_some_and(|entry| entry.tx != task.newest().map(|(tx, ..)| tx))
    }

    /// Whether to look for it on the chain before it is sent.
    pub fn in_doubt(&self, id: TaskId) -> bool {
        self.entries.get(&id).is_some_and(|entry| entry.in_doubt)
    }

    /// Whether the chain may have got it at any time.
    pub fn was_in_doubt(&self, id: TaskId) -> bool {
        self.entries
            .get(&id)
            .is_some_and(|entry| entry.was_in_doubt)
    }

    /// Whether it is the task's turn.
    pub fn has_turn(&self, id: TaskId) -> bool {
        let lane = self
            .entries
            .get(&id)
            .and_then(|entry| self.lanes.get(&entry.lane));
        lane.is_some_and(|lane| lane.in_flight.contains(&id))
    }

    /// Whether the task is known here.
    pub fn contains(&self, id: TaskId) -> bool {
        self.entries.contains_key(&id)
    }

    /// The tasks whose turn could come now: not those that have it, whose requests are under way.
    pub fn ready_tasks(&self) -> Vec<TaskId> {
        let waiting = |lane: &'_ Lane| {
            let ids = lane.ready.iter().map(|(_, _, id)| *id);
            ids.filter(|id| !lane.in_flight.contains(id))
                .collect::<Vec<_>>()
        };
        self.lanes.values().flat_map(waiting).collect()
    }

    /// The task needs no sending any more.
    pub fn remove(&mut self, id: TaskId) {
        self.end_turn(id);
        let Some(entry) = self.entries.remove(&id) else {
            return;
        };
        if let Some(due) = entry.later_ms {
            self.later.remove(&(due, entry.turn));
        }
        if let Some(lane) = self.lanes.get_mut(&entry.lane) {
            lane.ready.remove(&entry.turn);
            let is_empty = lane.ready.is_empty() && lane.in_flight.is_empty();
            // What comes to it next waits no shorter for its fault, unless lanes are many.
            let is_kept = lane.not_before_ms > 0 && self.lanes.len() <= MAX_EMPTY_LANES;
            if is_empty && !is_kept {
                self.lanes.remove(&entry.lane);
            }
        }
    }

    /// Ends the task's turn without a verdict: it stays ready.
    pub fn end_turn(&mut self, id: TaskId) {
        if let Some(entry) = self.entries.get(&id)
            && let Some(lane) = self.lanes.get_mut(&entry.lane)
        {
            lane.in_flight.retain(|in_flight| *in_flight != id);
            if lane.in_flight.is_empty() {
                self.preparing.remove(&entry.lane);
            }
        }
    }

    /// The next tasks whose turn it is: they have the lane until `accepted`, `faulted`, `resolved` or `remove` of each.
    /// What is in doubt, or long, has its turn alone.
    pub fn next_turn(&mut self, now_ms: u64) -> Option<Vec<TaskId>> {
        let (name, lane) = self.lanes.iter_mut().find(|(_, lane)| {
            lane.in_flight.is_empty() && !lane.ready.is_empty() && lane.not_before_ms <= now_ms
        })?;
        let mut bytes = 0;
        for (_, _, id) in &lane.ready {
            let Some(entry) = self.entries.get(id) else {
                continue;
            };
            bytes += entry.len;
            let is_first = lane.in_flight.is_empty();
            let fits = bytes <= MAX_BATCH_BYTES && lane.in_flight.len() < lane.batch.0;
            if !is_first && (entry.in_doubt || !fits || entry.is_blob) {
                break;
            }
            lane.in_flight.push(*id);
            if entry.in_doubt || entry.is_blob {
                break;
            }
        }
        self.preparing.insert(name.clone());
        Some(lane.in_flight.clone())
    }

    /// The turns that were given and whose requests did not go out yet.
    pub fn preparing(&self) -> Vec<Vec<TaskId>> {
        let lanes = self.preparing.iter();
        let lanes = lanes.filter_map(|name| self.lanes.get(name));
        lanes.map(|lane| lane.in_flight.clone()).collect()
    }

    /// The request of the task's turn goes out.
    pub fn goes_out(&mut self, id: TaskId) {
        if let Some(entry) = self.entries.get(&id) {
            self.preparing.remove(&entry.lane);
        }
    }

    /// A batch of so many, this task among them, was answered one by one, or failed as a whole.
    pub fn learn_batch(&mut self, id: TaskId, len: usize, is_answered: bool) {
        if let Some(entry) = self.entries.get(&id)
            && let Some(lane) = self.lanes.get_mut(&entry.lane)
        {
            lane.batch.0 = if is_answered {
                (len * 2).clamp(lane.batch.0, MAX_BATCH)
            } else {
                (len / 2).max(1)
            };
        }
    }

    /// When a turn comes up by itself, in milliseconds.
    pub fn next_due_ms(&self) -> Option<u64> {
        let lanes = self.lanes.values();
        let lanes = lanes.filter(|lane| lane.in_flight.is_empty() && !lane.ready.is_empty());
        lanes.map(|lane| lane.not_before_ms).min()
    }

    /// The network is back: nothing waits for a backoff.
    pub fn wake(&mut self) {
        for lane in self.lanes.values_mut() {
            lane.backoff.reset();
            lane.not_before_ms = 0;
        }
    }
}

/// What the wait after a fault depends on.
pub struct Wait<'a> {
    /// The time, in milliseconds.
    pub now_ms: u64,
    /// Draws the jitter.
    pub rng: &'a mut fastrand::Rng,
    /// What the gateway asked for, in milliseconds.
    pub hint_ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{Content, Signed, Submission, Value};

    fn task(id: u128, lane: &str, nonce: u64) -> Task {
        let submission = Submission {
            id: TaskId(id),
            lane: lane.into(),
            key: String::new(),
            value: Value::Calldata(0..0),
            content: Content::Signed(Signed {
                tx: Hash([0; 32]),
                nonce,
                payload: Bytes::Inline([].into()),
            }),
            idempotency_key: None,
            tags: Vec::new(),
            update: None,
            after: None,
            created_ms: 0,
        };
        let order = Order {
            segment: id as u64,
            index: 0,
        };
        Task::new(submission, order)
    }

    fn wait(rng: &mut fastrand::Rng, now_ms: u64) -> Wait<'_> {
        Wait {
            now_ms,
            rng,
            hint_ms: None,
        }
    }

    #[test]
    fn a_lane_goes_by_nonce_one_request_at_a_time_and_others_do_not_wait() {
        let mut outbox = Outbox::default();
        for (id, lane, nonce) in [(1, "a", 7), (2, "a", 6), (3, "b", 9)] {
            outbox.ready(&task(id, lane, nonce), false);
        }
        assert_eq!(outbox.next_turn(0), Some(vec![TaskId(2), TaskId(1)]));
        assert_eq!(outbox.next_turn(0), Some(vec![TaskId(3)]));
        assert_eq!(outbox.next_turn(0), None);
        outbox.end_turn(TaskId(1));
        assert_eq!(outbox.next_turn(0), None, "the other has the lane");
        outbox.accepted(&task(2, "a", 6), 0);
        assert_eq!(outbox.next_turn(0), Some(vec![TaskId(1)]));
    }

    #[test]
    fn a_fault_holds_its_lane_and_keeps_the_order() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut outbox = Outbox::default();
        outbox.ready(&task(1, "a", 1), false);
        outbox.ready(&task(2, "a", 2), false);
        assert_eq!(outbox.next_turn(0), Some(vec![TaskId(1), TaskId(2)]));
        outbox.faulted(TaskId(1), wait(&mut rng, 0), true);
        outbox.faulted(TaskId(2), wait(&mut rng, 0), true);
        assert_eq!(outbox.next_turn(0), None);
        let due = outbox.next_due_ms().unwrap();
        assert!((FIRST_DELAY_MS / 2..=FIRST_DELAY_MS).contains(&due));
        assert_eq!(
            outbox.next_turn(due),
            Some(vec![TaskId(1)]),
            "what is in doubt goes alone"
        );
        assert!(outbox.in_doubt(TaskId(1)));
    }

    #[test]
    fn a_batch_shrinks_when_it_fails_and_grows_when_it_is_answered() {
        let mut outbox = Outbox::default();
        for id in 1..=100 {
            outbox.ready(&task(id, "a", id as u64), false);
        }
        for (len, is_answered, next) in [
            (MAX_BATCH, false, 16),
            (16, false, 8),
            (8, true, 16),
            (16, true, MAX_BATCH),
        ] {
            let turn = outbox.next_turn(0).unwrap();
            assert_eq!(turn.len(), len);
            assert_eq!(outbox.preparing(), std::slice::from_ref(&turn));
            outbox.goes_out(turn[0]);
            assert_eq!(outbox.preparing(), [[]; 0]);
            outbox.learn_batch(turn[0], len, is_answered);
            turn.iter().for_each(|id| outbox.end_turn(*id));
            let turn = outbox.next_turn(0).unwrap();
            assert_eq!(turn.len(), next);
            turn.iter().for_each(|id| outbox.end_turn(*id));
        }
    }

    #[test]
    fn what_was_sent_is_looked_for_when_it_stays_out_of_the_chain() {
        let mut outbox = Outbox::default();
        let sent = task(1, "a", 1);
        outbox.ready(&sent, false);
        assert_eq!(outbox.next_turn(0), Some(vec![TaskId(1)]));
        outbox.accepted(&sent, 0);
        assert_eq!(outbox.next_look(), Some((FIRST_RESEND_MS, TaskId(1))));
        assert_eq!(outbox.next_turn(FIRST_RESEND_MS), None, "it has no turn");
        outbox.accepted(&sent, FIRST_RESEND_MS);
        let due = 3 * FIRST_RESEND_MS;
        assert_eq!(
            outbox.next_look(),
            Some((due, TaskId(1))),
            "the time doubles"
        );
        outbox.look_later(TaskId(1), 7);
        assert_eq!(outbox.next_look(), Some((7, TaskId(1))));
        outbox.remove(TaskId(1));
        assert_eq!(outbox.next_look(), None);
    }

    #[test]
    fn looks_that_are_due_go_in_the_order_of_turns() {
        let mut outbox = Outbox::default();
        for (id, nonce) in [(1, 9), (2, 8), (3, 7)] {
            outbox.ready(&task(id, "a", nonce), true);
            outbox.look_later(TaskId(id), 5);
        }
        outbox.look_later(TaskId(1), 4);
        let mut order = Vec::new();
        while let Some((_, id)) = outbox.next_look() {
            order.push(id.0);
            outbox.remove(id);
        }
        assert_eq!(order, [1, 3, 2]);
    }

    #[test]
    fn what_has_its_turn_does_not_wait_for_one() {
        let mut outbox = Outbox::default();
        outbox.ready(&task(1, "a", 1), false);
        assert_eq!(outbox.next_turn(0), Some(vec![TaskId(1)]));
        outbox.ready(&task(2, "a", 2), false);
        assert_eq!(outbox.ready_tasks(), [TaskId(2)]);
    }

    #[test]
    fn what_was_sent_comes_up_again_although_its_lane_was_emptied() {
        let mut outbox = Outbox::default();
        let sent = task(1, "a", 1);
        outbox.ready(&sent, false);
        outbox.accepted(&sent, 0);
        outbox.ready(&task(2, "a", 2), false);
        outbox.remove(TaskId(2));
        // A look said that no gateway has it.
        outbox.ready(&sent, false);
        outbox.resolved(TaskId(1));
        assert_eq!(outbox.next_turn(FIRST_RESEND_MS), Some(vec![TaskId(1)]));
    }

    #[test]
    fn backoff_doubles_to_a_bound_with_jitter() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut backoff = Backoff::default();
        let mut bound = FIRST_DELAY_MS;
        for _ in 0..100 {
            let wait = backoff.next_ms(&mut rng, None);
            assert!((bound / 2..=bound).contains(&wait), "{wait} of {bound}");
            bound = (bound * 2).min(MAX_DELAY_MS);
        }
        backoff.ease();
        let wait = backoff.next_ms(&mut rng, None);
        let eased = doubled(FIRST_DELAY_MS, 6, MAX_DELAY_MS);
        assert!(
            (eased / 2..=eased).contains(&wait),
            "{wait} after an answer"
        );
        backoff.reset();
        assert!(backoff.next_ms(&mut rng, None) <= FIRST_DELAY_MS);
        assert_eq!(
            backoff.next_ms(&mut rng, Some(5_000)),
            5_000,
            "the gateway's hint is a lower bound"
        );
    }

    #[test]
    fn lanes_that_are_through_are_forgotten_also_after_a_fault() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut outbox = Outbox::default();
        for id in 1..=10_000_u128 {
            let task = task(id, &format!("lane {id}"), 1);
            outbox.ready(&task, false);
            outbox.next_turn(0);
            outbox.faulted(TaskId(id), wait(&mut rng, 0), true);
            outbox.remove(TaskId(id));
        }
        assert!(outbox.lanes.len() < 1_000, "{} lanes", outbox.lanes.len());
    }
}
