//! A tab that loses the lead while it sends, and leads again.

use crate::alone::Alone;
use crate::gateway::Mood;
use uplink_cache::cache::Input;
use uplink_cache::gateway::Answer;
use uplink_cache::task::{Status, TaskId};

#[test]
fn a_send_of_before_is_not_repeated_beside_the_one_of_now() {
    let mood = Mood {
        batch_limit: 100,
        ..Mood::default()
    };
    let mut world = Alone::new(mood);
    world.send(0);
    world.holds_sends = true;
    world.send_one(0);
    world.wait(1_000);
    assert_eq!(world.held.len(), 1, "it is sent");
    world.take(Input::Leading(false));
    world.wait(1_000);
    world.take(Input::Leading(true));
    world.wait(60_000);
    // No gateway knows it, so that whoever leads now sends it.
    assert_eq!(world.held.len(), 2);
    let lost = Answer::Lost("TypeError: Failed to fetch".into());
    world.take(Input::Answered(world.held[0], lost.clone()));
    world.wait(60_000);
    assert_eq!(world.held.len(), 2, "two are under way at once");
    world.holds_sends = false;
    world.take(Input::Answered(world.held[1], lost));
    world.mine(20, 1);
    let task = world.cache.task(TaskId(1)).unwrap();
    assert_eq!(task.state.status(), Status::Final);
}
