//! What real stores do and the simulator's do not, and orders of events that no seed draws: worlds made by hand.

use crate::alone::{Alone, plain};
use crate::gateway::Mood;
use uplink_cache::cache::{Brings, Done, Input, Query, Source};
use uplink_cache::error::ErrorCode;
use uplink_cache::overlay::Interval;
use uplink_cache::task::{Event, TaskId};

/// So long a value is a blob.
const LONG: usize = 20_000;

fn world() -> Alone {
    let mood = Mood {
        batch_limit: 100,
        ..Mood::default()
    };
    Alone::with(mood, |config| config.clean_at_bytes = 8_000)
}

/// A draft for a signer that this tab has not: nothing becomes of it.
fn submit(world: &mut Alone, id: u128, len: usize) {
    let brings = Brings::Sign("nobody's".into());
    world.take(Input::Submit(id as u64, plain(TaskId(id), brings, len)));
    world.wait(10);
}

fn submit_and_discard(world: &mut Alone, id: u128, len: usize) {
    submit(world, id, len);
    for event in [Event::Cancelled, Event::Discarded] {
        world.take(Input::Act(u64::MAX, TaskId(id), event));
        world.wait(10);
    }
}

#[test]
fn long_parts_of_what_was_discarded_leave_the_store() {
    let mut world = world();
    world.take(Input::Leading(true));
    for id in 1..=3 {
        submit_and_discard(&mut world, id, LONG);
    }
    world.wait(1_000);
    assert_eq!(world.cache.backup().tasks().count(), 0);
    assert_eq!(world.disk.blobs.len(), 0);
}

#[test]
fn a_cleaning_that_the_stores_do_not_answer_is_tried_now_and_then() {
    let mut world = world();
    world.take(Input::Leading(true));
    world.wait(10);
    world.hides_stores = true;
    for id in 1..=100 {
        submit_and_discard(&mut world, id, 200);
    }
    let (gets, bytes) = (world.gets, world.cache.log().bytes());
    assert!(gets > 0, "a cleaning was begun");
    world.wait(60_000);
    assert!(world.gets - gets <= 60, "{} in a minute", world.gets - gets);
    world.hides_stores = false;
    world.wait(5_000);
    assert!(world.cache.log().bytes() < bytes / 2);
}

#[test]
fn who_submits_before_it_leads_takes_an_orderly_end_for_one() {
    let mut world = world();
    world.take(Input::Leading(true));
    submit(&mut world, 1, 10);
    world.take(Input::Close(Some(1)));
    world.wait(10);
    assert_eq!(world.renewals, 0, "the log was empty");
    world.reopen();
    submit(&mut world, 2, 10);
    world.take(Input::Leading(true));
    world.wait(10);
    assert_eq!(world.renewals, 0);
    // It is gone without a word, and so may be what it wrote last.
    world.reopen();
    submit(&mut world, 3, 10);
    world.take(Input::Leading(true));
    world.wait(10);
    assert_eq!(world.renewals, 1);
}

#[test]
fn a_settled_value_that_is_damaged_is_not_taken_for_none() {
    let mut world = world();
    world.send(8);
    world.mine(8, 1);
    world.mine(20, 0);
    assert_eq!(world.cache.backup().tasks().count(), 0, "it has left");
    let key = "key 1".to_owned();
    let row = world.disk.values.get_mut(&key).unwrap();
    let last = row.len() - 1;
    row[last] ^= 1;
    world.restart();
    world.wait(10);
    world.done.clear();
    world.take(Input::Read(9, key.clone(), Source::Any));
    world.wait(10);
    let (ask, answer) = world.done.pop().unwrap();
    assert_eq!(
        (ask, answer.unwrap_err().code),
        (9, ErrorCode::StorageFailed)
    );
    assert!(world.troubles[0].message.contains(&key));
}

#[test]
fn a_long_value_that_is_lost_takes_nothing_else_out_of_a_list() {
    let mut world = world();
    for id in 1..=3 {
        submit(&mut world, id, LONG);
    }
    world.wait(10);
    world.disk.blobs.retain(|key, _| key.0 != TaskId(2));
    world.restart();
    world.wait(10);
    world.done.clear();
    let all = Query::Keys(Interval {
        prefix: String::new(),
        after: None,
        reverse: false,
    });
    world.take(Input::List(9, all, None, 10));
    world.wait(10);
    let Some((9, Ok(Done::Page(page)))) = world.done.pop() else {
        panic!("{:?}", world.done)
    };
    let keys: Vec<&str> = page.entries.iter().map(|entry| &*entry.key).collect();
    assert_eq!(keys, ["key 1", "key 3"]);
    assert!(world.troubles[0].message.contains(&TaskId(2).to_string()));
}

#[test]
fn long_parts_of_what_was_discarded_make_room() {
    let mut world = Alone::with(Mood::default(), |config| {
        // So much is no reason to clean by itself.
        config.clean_at_bytes = 1_000_000;
    });
    world.take(Input::Leading(true));
    for id in 1..=3 {
        submit_and_discard(&mut world, id, LONG);
    }
    world.wait(1_000);
    assert_eq!(world.disk.blobs.len(), 3, "they are there still");
    world.disk.quota = Some(world.disk.bytes() + 1_000);
    submit(&mut world, 4, LONG);
    world.wait(5_000);
    assert!(
        world.cache.task(TaskId(4)).is_some(),
        "{:?}",
        world.done.last()
    );
    assert_eq!(world.disk.blobs.len(), 1);
}
