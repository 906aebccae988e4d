//! Users submit tasks that come after others; and whether those were far enough when one was sent or signed.

use crate::chain::{Chain, Made, Tx};
use crate::climate::pick;
use crate::model::{Fact, Held, Model, broken};
use crate::world::{World, short};
use std::collections::{BTreeMap, BTreeSet};
use uplink_cache::backup::Backup;
use uplink_cache::task::{After, Milestone, State, Status, TaskId};

/// How many tasks users have one wait for at the most.
const MOST_AFTER: usize = 3;

impl World {
    /// What a new submission waits for: of what is in the backup, so that none waits for one that was made after it.
    pub(crate) fn choose_after(&mut self, tab: usize) -> Option<After> {
        if self.climate.after == 0 || self.rng.u32(..1_000) >= self.climate.after {
            return None;
        }
        let cache = self.tabs[tab].cache.as_ref()?;
        let known: Vec<TaskId> = cache.tasks().map(|task| task.submission.id).collect();
        if known.is_empty() {
            return None;
        }
        let count = self.rng.usize(1..=MOST_AFTER);
        let tasks = (0..count).map(|_| *pick(&mut self.rng, &known)).collect();
        self.count("(a task comes after others)");
        let until = *pick(&mut self.rng, Milestone::ALL);
        Some(After { tasks, until })
    }
}

impl Model {
    /// What the log said once: so far a task has been.
    pub(crate) fn note_reached(&mut self, id: TaskId) {
        let Some(fact) = self.facts.get(&id) else {
            return;
        };
        let reached: &[Milestone] = match &fact.state {
            State::Sent => &[Milestone::Sent],
            State::Included(inclusion) if inclusion.reverted => &[Milestone::Sent],
            State::Included(_) => &[Milestone::Sent, Milestone::Included],
            State::Final(_) => Milestone::ALL,
            State::BackedUp(_)
            | State::Signing { .. }
            | State::Blocked { .. }
            | State::Displaced(_)
            | State::Failed { .. } => &[],
        };
        self.reached
            .extend(reached.iter().map(|until| (id, *until)));
    }

    /// The task is sent, or signed: what it waits for was far enough once.
    pub(crate) fn check_after(&self, id: TaskId, fact: &Fact) -> Held {
        let Some(after) = fact.submission.after.as_ref().filter(|_| !fact.is_hurt) else {
            return Ok(());
        };
        let is_early = |other: &&TaskId| !self.reached.contains(&(**other, after.until));
        match after.tasks.iter().find(is_early) {
            Some(other) => {
                let (id, other, until) = (short(id), short(*other), after.until);
                broken(
                    14,
                    format!("{id} goes out, and {other} was never {until:?}"),
                )
            }
            None => Ok(()),
        }
    }

    /// The same of whichever task sends this transaction.
    pub(crate) fn check_after_any(&self, chain: &Chain, tx: Tx) -> Held {
        let open = self.facts.iter().filter(|(_, fact)| fact.is_unsettled());
        let own = open.filter(|(_, fact)| fact.txs(chain).any(|own| own == tx));
        let checked: Vec<Held> = own.map(|(id, fact)| self.check_after(*id, fact)).collect();
        if checked.iter().any(Result::is_ok) {
            return Ok(());
        }
        checked.into_iter().collect()
    }

    /// The log says that the task waits in vain for another one.
    pub(crate) fn check_lost(&self, id: TaskId, other: TaskId) -> Held {
        let Some(fact) = self.facts.get(&other) else {
            return Ok(());
        };
        // Who submitted it slept meanwhile, and it may have left so long ago that nothing says so any more.
        let has_left_well = self.left.contains_key(&other);
        let lives = fact.is_open() && fact.state.status() != Status::Failed;
        let is_earlier = self
            .facts
            .get(&id)
            .is_some_and(|own| fact.order < own.order);
        if (lives && is_earlier || has_left_well) && !fact.is_hurt {
            let (id, other, state) = (short(id), short(other), &fact.state);
            return broken(
                14,
                format!("{id} is stopped because of {other}, which is {state:?}"),
            );
        }
        Ok(())
    }

    /// Bits turned: what the log does not say any more, nobody is expected to know.
    pub(crate) fn forget_left(&mut self, backup: &Backup) {
        self.left.retain(|id, _| backup.has_left(*id));
    }

    /// Tasks are final and left: nothing waits for them any more.
    pub(crate) fn let_go(&mut self, segment: u64, through: u64, ids: &[TaskId]) {
        self.left.retain(|_, segment| *segment > through);
        self.left.extend(ids.iter().map(|id| (*id, segment)));
        let ids: BTreeSet<TaskId> = ids.iter().copied().collect();
        for fact in self.facts.values_mut() {
            let left = fact.submission.waits_for().iter();
            let left: Vec<TaskId> = left.copied().filter(|id| ids.contains(id)).collect();
            for id in left {
                fact.task.submission.wait_no_longer(id);
                fact.refresh();
            }
        }
    }

    /// Whether the task waits for one that stays as it is.
    pub(crate) fn waits_at_rest(&self, chain: &Chain, fact: &Fact) -> bool {
        let waits = matches!(fact.state, State::BackedUp(_));
        let stays = |id: &TaskId| {
            let other = self.facts.get(id).filter(|other| other.is_unsettled());
            other.is_some_and(|other| self.is_at_rest(chain, other))
        };
        waits && fact.submission.waits_for().iter().any(stays)
    }

    /// Those of them that wait in a circle, or for one: for what they come after, for a lower nonce of their account or in their
    /// lane. Users who put a transaction of one account into another's lane can make one, and nobody else can undo it.
    pub(crate) fn in_circles(&self, chain: &Chain, open: &[TaskId]) -> BTreeSet<TaskId> {
        let waits = |id: &TaskId| -> Vec<TaskId> {
            let fact = &self.facts[id];
            let own: Vec<_> = fact.txs(chain).map(|tx| &chain.txs[tx]).collect();
            let is_behind = |other: &&TaskId| {
                let fact = &self.facts[*other];
                let is_in_lane = fact.submission.lane == self.facts[id].submission.lane;
                fact.txs(chain).map(|tx| &chain.txs[tx]).any(|theirs| {
                    let follows = |tx: &&Made| theirs.nonce < tx.nonce;
                    let is_of = |tx: &&Made| is_in_lane || theirs.account == tx.account;
                    own.iter().copied().filter(follows).any(|tx| is_of(&tx))
                })
            };
            let after = fact.submission.waits_for().iter().copied();
            let after = after.filter(|other| open.contains(other));
            open.iter()
                .filter(is_behind)
                .copied()
                .chain(after)
                .collect()
        };
        let waits: BTreeMap<TaskId, Vec<TaskId>> = open.iter().map(|id| (*id, waits(id))).collect();
        let reached = |from: &TaskId| {
            let mut seen = BTreeSet::new();
            let mut next = waits[from].clone();
            while let Some(id) = next.pop() {
                if seen.insert(id) {
                    next.extend(&waits[&id]);
                }
            }
            seen
        };
        let reached: BTreeMap<TaskId, BTreeSet<TaskId>> =
            open.iter().map(|id| (*id, reached(id))).collect();
        let is_in_one = |id: &TaskId| reached[id].contains(id);
        let leads_to_one = |id: &&TaskId| reached[*id].iter().any(is_in_one);
        open.iter().filter(leads_to_one).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alone::Alone;
    use crate::chain::{Orphans, Quality};
    use crate::gateway::Mood;
    use uplink_cache::cache::Input;
    use uplink_cache::task::{Event, Reason};

    const ONE: TaskId = TaskId(1);
    const TWO: TaskId = TaskId(2);
    const LATER: TaskId = TaskId(3);

    /// Two tasks of two accounts, and one of a third that comes after both; nothing is mined yet.
    fn world(until: Milestone, first: Quality) -> Alone {
        let mut world = Alone::new(Mood {
            batch_limit: 100,
            ..Mood::default()
        });
        world.send(0);
        world.send_after(ONE, (0, 0), first, None);
        world.send_after(TWO, (1, 0), Quality::Good, None);
        world.mine(1, 0);
        let tasks = vec![ONE, TWO];
        let after = Some(After { tasks, until });
        world.send_after(LATER, (2, 0), Quality::Good, after);
        world.mine(1, 0);
        world
    }

    fn state(world: &Alone, id: TaskId) -> State {
        world.cache.task(id).unwrap().state.clone()
    }

    #[test]
    fn it_is_sent_once_those_before_it_are_so_far() {
        let mut early = world(Milestone::Sent, Quality::Good);
        assert_eq!(state(&early, LATER).status(), Status::Sent);
        early.mine(20, 3);
        assert_eq!(state(&early, LATER).status(), Status::Final);
        for until in [Milestone::Included, Milestone::Final] {
            let mut world = world(until, Quality::Good);
            assert_eq!(state(&world, LATER).status(), Status::BackedUp);
            world.restart();
            world.mine(1, 0);
            let is_there = |world: &Alone| state(world, ONE).has_reached(until);
            while !is_there(&world) {
                world.mine(1, 3);
                assert_eq!(
                    state(&world, LATER).status() == Status::BackedUp,
                    !is_there(&world)
                );
            }
            world.mine(20, 3);
            assert_eq!(state(&world, LATER).status(), Status::Final);
        }
    }

    #[test]
    fn a_reorg_that_takes_one_back_holds_it() {
        let mut world = world(Milestone::Included, Quality::Good);
        // A block with one of the two, which is taken back, and then a chain with the other one.
        world.mine(1, 1);
        assert_eq!(state(&world, ONE).status(), Status::Included);
        assert_eq!(state(&world, LATER).status(), Status::BackedUp);
        let mut rng = fastrand::Rng::with_seed(1);
        world.chain.reorg(1, 2, Orphans::Dropped, &mut rng);
        world.mine(1, 1);
        let status = |world: &Alone, id| state(world, id).status();
        assert_eq!(status(&world, ONE), Status::Sent);
        assert_eq!(status(&world, TWO), Status::Included);
        assert_eq!(status(&world, LATER), Status::BackedUp);
        world.mine(100, 3);
        assert_eq!(status(&world, LATER), Status::Final);
    }

    #[test]
    fn one_that_fails_stops_it_and_a_retry_sends_it_all_the_same() {
        let mut world = world(Milestone::Included, Quality::Reverts);
        world.mine(20, 3);
        assert_eq!(state(&world, ONE).status(), Status::Failed);
        let State::Blocked { reason, cause, .. } = state(&world, LATER) else {
            panic!("it is {:?}", state(&world, LATER));
        };
        assert_eq!(reason, Reason::DependencyFailed);
        assert_eq!(cause, format!("task {ONE} failed: reverted"));
        // Also where another tab discards what failed, and the process ends.
        world.take(Input::Act(9, ONE, Event::Discarded));
        world.mine(1, 0);
        world.restart();
        world.mine(1, 0);
        assert_eq!(state(&world, LATER).status(), Status::Blocked);
        world.retry(LATER);
        world.mine(20, 3);
        assert_eq!(state(&world, LATER).status(), Status::Final);
    }
}
