//! A tab whose log lags behind the store: another tab moved a value there, and this one has not read of it.

use crate::alone::{Alone, tag};
use crate::gateway::Mood;
use uplink_cache::cache::{Done, Input, Query, Source};
use uplink_cache::overlay::Interval;
use uplink_cache::record::{self, Record, Settled};
use uplink_cache::tags::Shelf;
use uplink_cache::task::{Block, Hash, Inclusion, TaskId};

const KEY: &str = "key 1";

/// What a list shows of the key.
fn listed(world: &mut Alone, query: Query) -> Vec<u8> {
    world.done.clear();
    world.take(Input::List(1, query, None, 10));
    world.wait(10);
    match world.done.pop() {
        Some((1, Ok(Done::Page(page)))) => {
            let mut own = page.entries.iter().filter(|entry| entry.key == KEY);
            own.next().unwrap().value.to_vec()
        }
        answer => panic!("{answer:?}"),
    }
}

fn check(query: &Query) {
    let mood = Mood {
        batch_limit: 100,
        ..Mood::default()
    };
    let mut world = Alone::new(mood);
    world.send(1);
    world.mine(12, 1);
    assert_eq!(listed(&mut world, query.clone()), [7]);
    let task = world.cache.task(TaskId(1)).unwrap();
    let later = Settled {
        inclusion: Inclusion {
            tx: Hash([1; 32]),
            block: Block {
                number: task.state.inclusion().unwrap().block.number + 1,
                hash: Hash([2; 32]),
            },
            index: 0,
            reverted: false,
        },
        is_calldata: false,
        value: [8].into(),
        born: Some(task.order),
        tags: vec![tag()],
        stacked: None,
    };
    let segment = record::single(&Record::Settled(later));
    let said = world.cache.log().position() + 1;
    world.disk.put_value(KEY, &segment, said);
    assert_eq!(listed(&mut world, query.clone()), [7], "nobody said so");
    world.take(Input::Read(2, KEY.into(), Source::Any));
    world.wait(10);
    let read = world.cache.peek(KEY).unwrap();
    assert_eq!(&read.value[..], [8]);
    assert_eq!(listed(&mut world, query.clone()), [8]);
}

#[test]
fn a_list_by_key_shows_no_less_than_a_read_before_it() {
    check(&Query::Keys(Interval {
        prefix: String::new(),
        after: None,
        reverse: false,
    }));
}

#[test]
fn a_list_by_tag_shows_no_less_than_a_read_before_it() {
    check(&Query::Tagged(Shelf {
        tag: tag(),
        after: None,
        newest: true,
    }));
}
