//! The store on a real IndexedDB: `npm test -- browser` runs it in headless Chromium, in a page and in each kind of worker. Which
//! is said by the environment (scripts/wasm-tests.mjs), not here, so that one build serves all.
#![cfg(target_family = "wasm")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod glances;
mod lists;
mod twins;
mod uses;

use indexed_db_futures::database::Database;
use indexed_db_futures::internals::SystemRepr;
use indexed_db_futures::prelude::*;
use std::cell::Cell;
use std::rc::Rc;
use uplink_cache::browser::store::{Incident, Store};
use uplink_cache::cache::{Place, Query, Scan};
use uplink_cache::error::ErrorCode;
use uplink_cache::log::{BlobKey, Clean, Commit, CommitFailure, Part};
use uplink_cache::overlay::Interval;
use uplink_cache::task::TaskId;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

/// A new database of this name, and nothing left of an earlier one.
async fn fresh(name: &str) -> Store {
    Store::destroy(name).await.unwrap();
    open(name).await
}

async fn open(name: &str) -> Store {
    Store::open(name, true, false, |_| {}).await.unwrap()
}

fn append(segments: &[&[u8]]) -> Commit {
    Commit {
        id: 1,
        segments: segments.iter().map(|segment| segment.to_vec()).collect(),
        blobs: vec![],
        clean: None,
        is_strict: false,
    }
}

fn clean(expected_last: u64, delete_through: u64) -> Clean {
    Clean {
        expected_last,
        values: vec![],
        known: vec![],
        evict: vec![],
        delete_through,
        set_aside: vec![],
        delete_blobs: vec![],
    }
}

fn blob(id: u128) -> BlobKey {
    BlobKey(TaskId(id), Part::Payload)
}

async fn segments(store: &Store) -> Vec<(u64, Vec<u8>)> {
    let (segments, more) = store.load(0).await.unwrap();
    assert!(!more);
    segments
}

#[wasm_bindgen_test]
async fn segments_are_numbered_densely_and_survive_reopening() {
    let store = fresh("dense").await;
    assert_eq!(store.commit(append(&[b"one", b"two"])).await, Ok(2));
    assert_eq!(store.commit(append(&[b"three"])).await, Ok(3));
    store.close();
    let store = open("dense").await;
    let expected = [
        (1, b"one".to_vec()),
        (2, b"two".to_vec()),
        (3, b"three".to_vec()),
    ];
    assert_eq!(segments(&store).await, expected);
    assert_eq!(
        store.load(3).await.unwrap(),
        (expected[2..].to_vec(), false)
    );
    store.close();
}

#[wasm_bindgen_test]
async fn two_connections_append_to_one_log() {
    let (one, two) = (fresh("shared").await, open("shared").await);
    let mut keys = Vec::new();
    for _ in 0..5 {
        keys.push(one.commit(append(&[b"a"])).await.unwrap());
        keys.push(two.commit(append(&[b"b"])).await.unwrap());
    }
    assert_eq!(keys, (1..=10).collect::<Vec<u64>>());
    assert_eq!(segments(&one).await, segments(&two).await);
    one.close();
    two.close();
}

#[wasm_bindgen_test]
async fn a_long_log_is_loaded_in_parts_up_to_what_was_appended_meanwhile() {
    let store = fresh("long").await;
    let one: &[u8] = b"x";
    store.commit(append(&vec![one; 300])).await.unwrap();
    let mut found = Vec::new();
    let mut more = true;
    while more {
        let from = found.last().copied().unwrap_or(0);
        let (part, others) = store.load(from).await.unwrap();
        assert!(part.len() < 300);
        // Perhaps the last part is on its way already, without this one.
        if found.len() < 300 && found.len() + part.len() >= 300 {
            store.commit(append(&[one])).await.unwrap();
        }
        found.extend(part.iter().map(|(key, _)| *key).filter(|key| *key > from));
        more = others;
    }
    assert_eq!(found, (1..=301).collect::<Vec<u64>>());
    store.close();
}

#[wasm_bindgen_test]
async fn blobs_and_segments_are_one_commit() {
    let store = fresh("blobs").await;
    let content: Rc<[u8]> = vec![7; 100_000].into();
    let commit = Commit {
        blobs: vec![(blob(1), content.clone())],
        ..append(&[b"holds a blob"])
    };
    assert_eq!(store.commit(commit).await, Ok(1));
    let places = [
        Place::Blob(blob(1)),
        Place::Blob(blob(2)),
        Place::Value("none".into()),
    ];
    assert_eq!(
        store.get(&places).await,
        Ok(vec![Some(content.to_vec()), None, None])
    );
    store.close();
}

#[wasm_bindgen_test]
async fn cleaning_moves_values_and_deletes_the_old_end_at_once() {
    let store = fresh("clean").await;
    let commit = Commit {
        blobs: vec![(blob(1), [1].into())],
        ..append(&[b"old", b"older", b"kept"])
    };
    store.commit(commit).await.unwrap();
    let cleaning = Commit {
        clean: Some(Clean {
            values: vec![("key".into(), b"value".to_vec())],
            delete_blobs: vec![blob(1)],
            ..clean(3, 2)
        }),
        ..append(&[b"anew"])
    };
    assert_eq!(store.commit(cleaning).await, Ok(4));
    let expected = [(3, b"kept".to_vec()), (4, b"anew".to_vec())];
    assert_eq!(segments(&store).await, expected);
    let places = [Place::Value("key".into()), Place::Blob(blob(1))];
    assert_eq!(
        store.get(&places).await,
        Ok(vec![Some(b"value".to_vec()), None])
    );
    store.close();
}

#[wasm_bindgen_test]
async fn damaged_segments_are_set_aside_in_the_cleaning_commit() {
    let store = fresh("aside").await;
    let segments: &[&[u8]] = &[b"damaged", b"old", b"kept"];
    store.commit(append(segments)).await.unwrap();
    let cleaning = |expected_last| Commit {
        clean: Some(Clean {
            set_aside: vec![1],
            ..clean(expected_last, 2)
        }),
        ..append(&[b"anew"])
    };
    assert_eq!(store.commit(cleaning(2)).await, Err(CommitFailure::Behind));
    assert_eq!(store.aside().await, Ok(vec![]));
    assert_eq!(store.commit(cleaning(3)).await, Ok(4));
    assert_eq!(store.aside().await, Ok(vec![1]));
    store.close();
    let store = open("aside").await;
    for (key, bytes) in [(1, Some(&b"damaged"[..])), (2, None), (3, Some(b"kept"))] {
        let found = store.segment(key).await.unwrap();
        assert_eq!(found.as_deref(), bytes);
    }
    store.discard_aside().await.unwrap();
    assert_eq!(store.aside().await, Ok(vec![]));
    store.close();
}

#[wasm_bindgen_test]
async fn the_newest_thousand_damaged_segments_are_kept() {
    let store = fresh("aside-bound").await;
    let segments = vec![&b"damaged"[..]; 1_010];
    store.commit(append(&segments)).await.unwrap();
    let cleaning = Commit {
        clean: Some(Clean {
            set_aside: (1..=1_005).collect(),
            ..clean(1_010, 1_005)
        }),
        ..append(&[b"anew"])
    };
    store.commit(cleaning).await.unwrap();
    assert_eq!(store.aside().await, Ok((6..=1_005).collect()));
    store.close();
}

#[wasm_bindgen_test]
async fn a_database_of_the_first_version_gets_the_stores_that_it_lacks() {
    Store::destroy("first-version").await.unwrap();
    let create = |_, database: Database| {
        database
            .create_object_store("log")
            .with_auto_increment(true)
            .build()?;
        database.create_object_store("values").build()?;
        database.create_object_store("blobs").build()?;
        Ok(())
    };
    let first = Database::open("first-version")
        .with_version(1_u32)
        .with_on_upgrade_needed(create)
        .await
        .unwrap();
    first.as_sys().close();
    let store = open("first-version").await;
    assert_eq!(store.commit(append(&[b"one"])).await, Ok(1));
    assert_eq!(store.aside().await, Ok(vec![]));
    store.close();
}

#[wasm_bindgen_test]
async fn cleaning_does_nothing_when_the_log_went_on() {
    let store = fresh("behind").await;
    store.commit(append(&[b"one", b"two"])).await.unwrap();
    let cleaning = Commit {
        clean: Some(Clean {
            values: vec![("key".into(), b"value".to_vec())],
            ..clean(1, 1)
        }),
        ..append(&[b"anew"])
    };
    assert_eq!(store.commit(cleaning).await, Err(CommitFailure::Behind));
    assert_eq!(segments(&store).await.len(), 2);
    assert_eq!(
        store.get(&[Place::Value("key".into())]).await,
        Ok(vec![None])
    );
    assert_eq!(
        store.commit(append(&[b"three"])).await,
        Ok(3),
        "an aborted commit leaves no hole"
    );
    store.close();
}

#[wasm_bindgen_test]
async fn values_are_scanned_in_the_order_of_their_utf_8_bytes() {
    let store = fresh("scan").await;
    // By UTF-16 units U+FFFD would come after U+1F600: by bytes it comes before.
    let keys = [
        "",
        "\u{0}",
        "a",
        "a/1",
        "a/2",
        "a/\u{fffd}",
        "a/\u{1f600}",
        "a0",
        "ü",
    ];
    let values = keys
        .iter()
        .map(|key| ((*key).into(), key.as_bytes().to_vec()));
    let cleaning = Commit {
        clean: Some(Clean {
            values: values.collect(),
            ..clean(0, 0)
        }),
        ..append(&[b"x"])
    };
    store.commit(cleaning).await.unwrap();
    let scan = async |prefix: &str, after: Option<&str>, reverse: bool, limit: usize| {
        let interval = Interval {
            prefix: prefix.into(),
            after: after.map(Into::into),
            reverse,
        };
        let scan = Scan {
            query: Query::Keys(interval),
            limit,
            with_values: true,
        };
        let rows = store.scan(&scan).await.unwrap();
        assert!(rows.iter().all(|row| row.key.as_bytes() == row.bytes));
        rows.into_iter().map(|row| row.key).collect::<Vec<_>>()
    };
    assert_eq!(scan("", None, false, 100).await, keys);
    let reversed: Vec<&str> = keys.iter().rev().copied().collect();
    assert_eq!(scan("", None, true, 100).await, reversed);
    assert_eq!(scan("a/", None, false, 100).await, keys[3..7]);
    assert_eq!(scan("a/", None, false, 2).await, keys[3..5]);
    assert_eq!(scan("a/", Some("a/2"), false, 100).await, keys[5..7]);
    assert_eq!(scan("a/", Some("a/2"), true, 100).await, keys[3..4]);
    assert_eq!(
        scan("a/", Some("a/1"), true, 100).await,
        Vec::<String>::new()
    );
    assert_eq!(
        scan("a/", Some("b"), false, 100).await,
        Vec::<String>::new()
    );
    assert_eq!(scan("z", None, false, 100).await, Vec::<String>::new());
    store.close();
}

#[wasm_bindgen_test]
async fn a_database_of_a_newer_version_is_refused_and_left_alone() {
    Store::destroy("newer").await.unwrap();
    let future = js_sys::Function::new_no_args(
        "return new Promise((resolve, reject) => {
            const request = indexedDB.open('newer', 99);
            request.onerror = reject;
            request.onsuccess = () => { request.result.close(); resolve(); };
        })",
    );
    let opened: js_sys::Promise = future.call0(&JsValue::UNDEFINED).unwrap().unchecked_into();
    JsFuture::from(opened).await.unwrap();
    let refused = Store::open("newer", true, false, |_| {})
        .await
        .err()
        .unwrap();
    assert_eq!(refused.code, ErrorCode::NewerFormat);
    Store::destroy("newer").await.unwrap();
}

#[wasm_bindgen_test]
async fn a_database_whose_stores_cannot_be_created_says_why_and_is_not_left_half_made() {
    Store::destroy("half-made").await.unwrap();
    let run = |script: &str| {
        let function = js_sys::Function::new_no_args(script);
        function.call0(&JsValue::UNDEFINED).unwrap();
    };
    run("const stores = IDBObjectStore.prototype;
        globalThis.createIndex = stores.createIndex;
        stores.createIndex = () => { throw new DOMException('no room', 'QuotaExceededError'); };");
    let refused = Store::open("half-made", true, false, |_| {}).await.err();
    run("IDBObjectStore.prototype.createIndex = globalThis.createIndex;");
    let refused = refused.unwrap();
    assert_eq!(refused.code, ErrorCode::QuotaExceeded);
    assert_eq!(refused.message, "IndexedDB: QuotaExceededError no room");
    let absent = Store::open("half-made", true, true, |_| {}).await;
    assert_eq!(absent.err().unwrap().code, ErrorCode::StorageUnavailable);
    open("half-made").await.close();
    Store::destroy("half-made").await.unwrap();
}

#[wasm_bindgen_test]
async fn a_closed_connection_says_so() {
    let store = fresh("closed").await;
    store.close();
    match store.commit(append(&[b"late"])).await {
        Err(CommitFailure::Storage(error)) => assert_eq!(error.code, ErrorCode::Closed),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.load(0).await.unwrap_err().code, ErrorCode::Closed);
}

#[wasm_bindgen_test]
async fn another_connection_that_deletes_the_database_is_not_blocked() {
    let told = Rc::new(Cell::new(None));
    let heard = told.clone();
    Store::destroy("deleted").await.unwrap();
    let tell = move |incident| heard.set(Some(incident));
    let store = Store::open("deleted", true, false, tell).await.unwrap();
    Store::destroy("deleted").await.unwrap();
    let Some(Incident::Gone(error)) = told.take() else {
        panic!("the holder is told that the database is gone");
    };
    assert_eq!(error.code, ErrorCode::StorageUnavailable);
    assert_eq!(store.load(0).await.unwrap_err(), error);
    let absent = Store::open("deleted", true, true, |_| {}).await;
    assert_eq!(absent.err().unwrap().code, ErrorCode::StorageUnavailable);
}
