//! Settled values by tag: listed, replaced, evicted, each in the commit that does it.

use super::*;
use std::rc::Rc;
use uplink_cache::cache::Evict;
use uplink_cache::record::{self, Record, Settled};
use uplink_cache::tags::Shelf;
use uplink_cache::task::{Block, Hash, Inclusion, Order, Tag};

fn tag(value: &str) -> Tag {
    ("thread".into(), value.into())
}

fn born(segment: u64) -> Order {
    Order { segment, index: 12 }
}

/// A cleaning commit that moves these values: key, birth, tags.
fn moving(last: u64, values: &[(&str, u64, &[&str])]) -> Commit {
    let values = values.iter().map(|(key, segment, tags)| {
        let inclusion = Inclusion {
            tx: Hash([1; 32]),
            block: Block {
                number: 1,
                hash: Hash([2; 32]),
            },
            index: 0,
            reverted: false,
        };
        let mut tags: Vec<Tag> = tags.iter().map(|value| tag(value)).collect();
        for (n, tag) in tags.iter_mut().enumerate().skip(1) {
            tag.0 = format!("thread{n}");
        }
        let settled = Settled {
            inclusion,
            is_calldata: false,
            value: Rc::from(key.as_bytes()),
            born: Some(born(*segment)),
            tags,
            stacked: None,
        };
        let segment = record::single(&Record::Settled(settled));
        ((*key).to_string(), segment)
    });
    Commit {
        clean: Some(Clean {
            known: values.clone().map(|(key, _)| key).collect(),
            values: values.collect(),
            ..clean(last, 0)
        }),
        ..append(&[b"x"])
    }
}

async fn listed(store: &Store, value: &str, after: Option<u64>, newest: bool) -> Vec<String> {
    let scan = |with_values, limit| Scan {
        query: Query::Tagged(Shelf {
            tag: tag(value),
            after: after.map(born),
            newest,
        }),
        limit,
        with_values,
    };
    let rows = store.scan(&scan(true, 100)).await.unwrap();
    for row in &rows {
        let settled = record::settled(&row.bytes).unwrap();
        assert_eq!(settled.born, row.born);
        assert_eq!(&*settled.value, row.key.as_bytes());
    }
    let first = store.scan(&scan(false, 1)).await.unwrap();
    assert_eq!(first.len(), rows.len().min(1));
    assert!(
        first
            .iter()
            .all(|row| row.bytes.is_empty() && row.key == rows[0].key)
    );
    rows.into_iter().map(|row| row.key).collect()
}

#[wasm_bindgen_test]
async fn values_are_listed_by_tag_as_long_as_they_are_there() {
    let store = fresh("lists").await;
    let none: [&str; 0] = [];
    assert_eq!(listed(&store, "7", None, true).await, none);
    let first = [
        ("c", 1, &["7"] as &[&str]),
        ("b", 300, &["7", "x"]),
        ("a", 2, &["7"]),
        ("d", 3, &["70"]),
        ("e", 4, &[]),
    ];
    assert_eq!(store.commit(moving(0, &first)).await, Ok(1));
    assert_eq!(listed(&store, "7", None, true).await, ["b", "a", "c"]);
    assert_eq!(listed(&store, "7", None, false).await, ["c", "a", "b"]);
    assert_eq!(listed(&store, "7", Some(2), true).await, ["c"]);
    assert_eq!(listed(&store, "7", Some(2), false).await, ["b"]);
    assert_eq!(listed(&store, "", None, true).await, none);
    // What is written again is where its new tags say, and nowhere else.
    let second = [("a", 2, &["70"] as &[&str]), ("c", 1, &["7"])];
    assert_eq!(store.commit(moving(1, &second)).await, Ok(2));
    assert_eq!(listed(&store, "7", None, true).await, ["b", "c"]);
    assert_eq!(listed(&store, "70", None, true).await, ["d", "a"]);
    store.close();
    let store = open("lists").await;
    let rows = store.oldest(10).await.unwrap().rows;
    let row = rows.iter().find(|row| row.key == "b").unwrap();
    let evict = Evict {
        expected_last: 2,
        delete: vec![row.clone()],
        touch: vec!["c".into()],
    };
    store.evict(&evict).await.unwrap();
    assert_eq!(listed(&store, "7", None, true).await, ["c"]);
    // What was touched is still known by its tags.
    let mut giving_up = moving(2, &[]);
    let clean = giving_up.clean.as_mut().unwrap();
    clean.evict = vec!["c".into()];
    clean.known = clean.evict.clone();
    assert_eq!(store.commit(giving_up).await, Ok(3));
    assert_eq!(listed(&store, "7", None, true).await, none);
    let everything = Scan {
        query: Query::Keys(Interval {
            prefix: String::new(),
            after: None,
            reverse: false,
        }),
        limit: 10,
        with_values: false,
    };
    let rows = store.scan(&everything).await.unwrap();
    let keys: Vec<&str> = rows.iter().map(|row| row.key.as_str()).collect();
    assert_eq!(keys, ["a", "d", "e"]);
    store.close();
}
