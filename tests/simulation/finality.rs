//! A chain that breaks its own word: blocks that were final are replaced. What was settled must be told, be unsettled
//! again, and be sent again as the same bytes; nothing of it may stay hidden.

use crate::alone::Alone;
use crate::chain::Orphans;
use crate::gateway::Mood;
use std::collections::BTreeSet;
use uplink_cache::task::{Hash, State, Status, Task};

const TASKS: usize = 6;
const WORLDS: u64 = 200;

/// What a world may get wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mutant {
    None,
    /// What the log says of blocks that left the chain is lost.
    ReorgedLost,
}

/// The broken promise, if one is.
fn live(seed: u64, mutant: Mutant) -> Option<String> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mood = Mood {
        batch_limit: 100,
        ..Mood::default()
    };
    let mut world = Alone::new(mood);
    world.loses_reorgs = mutant == Mutant::ReorgedLost;
    world.send(TASKS);
    world.mine(rng.usize(1..=TASKS), rng.usize(1..=3));
    world.mine(TASKS + 12, 1);
    if world.cache.backup().count(Status::Final) != TASKS {
        return Some("not all were final".into());
    }
    let before = txs(&world);
    // Another process may be the one that finds it out.
    if rng.bool() {
        world.restart();
        world.mine(1, 0);
    }
    let head = world.chain.head().number;
    let lowest = blocks(&world).into_iter().min()?;
    let depth = rng.u64(head - blocks(&world).into_iter().max()? + 1..=head - lowest + 1);
    world.chain.break_finality(depth);
    let lost = world
        .chain
        .reorg(depth, depth, Orphans::Dropped, &mut world.rng)
        .len();
    // Somebody must look at the chain: something new waits for it.
    world.send_one(TASKS as u64);
    world.mine(40, 4);
    if lost > 0 && !world.reorgs.iter().any(|reorg| reorg.is_past_final) {
        return Some("it was not told".into());
    }
    if let Some(what) = not_settled(&world) {
        return Some(what);
    }
    let after = txs(&world);
    if !before.is_subset(&after) {
        return Some("other transactions were sent".into());
    }
    // Whoever opens next finds it so in the log.
    world.restart();
    world.mine(1, 0);
    not_settled(&world)
}

/// A task that is not final in a block that stands.
fn not_settled(world: &Alone) -> Option<String> {
    let is_canonical = |state: &State| {
        let inclusion = state.inclusion();
        inclusion.is_some_and(|inclusion| world.chain.is_canonical(&inclusion.block))
    };
    let mut tasks = world.cache.tasks();
    let is_off = |task: &&Task| task.state.status() != Status::Final || !is_canonical(&task.state);
    tasks
        .find(is_off)
        .map(|task| format!("{:?} stays", task.state))
}

fn txs(world: &Alone) -> BTreeSet<Hash> {
    let inclusions = world
        .cache
        .tasks()
        .filter_map(|task| task.state.inclusion());
    inclusions.map(|inclusion| inclusion.tx).collect()
}

fn blocks(world: &Alone) -> Vec<u64> {
    let inclusions = world
        .cache
        .tasks()
        .filter_map(|task| task.state.inclusion());
    inclusions.map(|inclusion| inclusion.block.number).collect()
}

#[test]
fn what_was_final_comes_back() {
    for seed in 0..WORLDS {
        assert_eq!(live(seed, Mutant::None), None, "world {seed}");
    }
}

#[test]
fn a_lost_record_is_found() {
    let found = (0..WORLDS).find_map(|seed| live(seed, Mutant::ReorgedLost));
    assert!(found.is_some(), "the planted bug was not found");
}
