//! A node that takes a transaction which no block can hold, and throws it away each time: somebody must hear of it.

use crate::alone::Alone;
use crate::gateway::Mood;
use uplink_cache::task::{Reason, State, Status, TaskId};

/// Mines so many blocks, and empties the pool before each.
fn mine_and_lose(world: &mut Alone, blocks: usize) {
    for _ in 0..blocks {
        world.chain.pool.clear();
        world.mine(1, 1);
    }
}

#[test]
fn what_is_taken_and_lost_again_and_again_is_blocked_and_a_retry_settles_it() {
    let mood = Mood {
        batch_limit: 100,
        ..Mood::default()
    };
    let mut world = Alone::new(mood);
    world.send(1);
    // An hour: the looks for it are at most ten minutes apart.
    mine_and_lose(&mut world, 300);
    let task = world.cache.task(TaskId(1)).unwrap();
    let State::Blocked { reason, .. } = task.state else {
        panic!("it stays {:?}", task.state);
    };
    assert_eq!(reason, Reason::Dropped);
    let sends = world.cache.attempts(TaskId(1));
    assert!((2..=12).contains(&sends), "{sends} sends");
    world.retry(TaskId(1));
    world.mine(20, 1);
    let task = world.cache.task(TaskId(1)).unwrap();
    assert_eq!(task.state.status(), Status::Final);
}
