//! A task that failed leaves its nonce unused: what was sent behind it waits in vain, and must say so.

use crate::alone::Alone;
use crate::chain::Quality;
use crate::gateway::Mood;
use uplink_cache::task::{Reason, Status, TaskId};

#[test]
fn what_waits_behind_a_gap_is_blocked_until_something_takes_the_nonce() {
    let mood = Mood {
        batch_limit: 100,
        ..Mood::default()
    };
    let mut world = Alone::new(mood);
    world.send(0);
    world.send_as(TaskId(1), 0, Quality::Refused);
    world.send_as(TaskId(2), 1, Quality::Good);
    world.send_as(TaskId(3), 2, Quality::Good);
    world.mine(100, 4);
    let state = |world: &Alone, id| world.cache.task(TaskId(id)).unwrap().state.clone();
    assert_eq!(state(&world, 1).status(), Status::Failed);
    for id in [2, 3] {
        let state = state(&world, id);
        let reason = state.trouble().map(|(reason, _)| reason);
        assert_eq!(reason, Some(Reason::NonceGap), "{state:?}");
    }
    world.send_as(TaskId(4), 0, Quality::Good);
    world.mine(20, 4);
    for id in [2, 3, 4] {
        assert_eq!(state(&world, id).status(), Status::Final);
    }
}
