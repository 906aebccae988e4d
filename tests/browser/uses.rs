//! What settled values count for, which of them is the oldest, and how they go.

use super::*;
use uplink_cache::cache::{Evict, Oldest, Row};

/// A cleaning commit that moves these values.
fn moving(last: u64, values: &[(&str, &[u8])]) -> Commit {
    let written = values.iter();
    let written = written.map(|(key, value)| ((*key).into(), value.to_vec()));
    Commit {
        clean: Some(Clean {
            values: written.collect(),
            // Nothing is there before the first commit.
            known: match last {
                0 => vec![],
                _ => values.iter().map(|(key, _)| (*key).into()).collect(),
            },
            ..clean(last, 0)
        }),
        ..append(&[b"x"])
    }
}

fn keys(oldest: &Oldest) -> Vec<&str> {
    oldest.rows.iter().map(|row| row.key.as_str()).collect()
}

fn evict(last: u64, delete: &[Row], touch: &[&str]) -> Evict {
    Evict {
        expected_last: last,
        delete: delete.to_vec(),
        touch: touch.iter().map(|key| (*key).into()).collect(),
    }
}

/// Runs JavaScript that gives a promise, with `done(request)` at hand.
async fn run(body: &str) {
    let body = format!(
        "const done = (request) => new Promise((resolve, reject) => {{
            request.onsuccess = () => resolve(request.result);
            request.onerror = () => reject(request.error);
        }});
        return (async () => {{ {body} }})();"
    );
    let function = js_sys::Function::new_no_args(&body);
    let promise = function.call0(&JsValue::UNDEFINED).unwrap();
    JsFuture::from(promise.unchecked_into::<js_sys::Promise>())
        .await
        .unwrap();
}

/// Sets when the value of this key was last used.
async fn set_used(name: &str, key: &str, used: u64) {
    run(&format!(
        "const database = await done(indexedDB.open('{name}'));
        const uses = database.transaction('uses', 'readwrite').objectStore('uses');
        const key = new TextEncoder().encode('{key}');
        const row = await done(uses.get(key));
        await done(uses.put({{ ...row, u: {used} }}, key));
        database.close();"
    ))
    .await;
}

#[wasm_bindgen_test]
async fn moved_values_are_counted_and_what_is_replaced_is_not() {
    let store = fresh("counted").await;
    assert_eq!(store.oldest(10).await.unwrap(), Oldest::default());
    let first = moving(0, &[("a", b"12345"), ("ü", b"1")]);
    assert_eq!(store.commit(first).await, Ok(1));
    let oldest = store.oldest(10).await.unwrap();
    assert_eq!((oldest.bytes, keys(&oldest)), (9, vec!["a", "ü"]));
    let bytes: Vec<u64> = oldest.rows.iter().map(|row| row.bytes).collect();
    assert_eq!(bytes, [6, 3]);
    assert_eq!(store.commit(moving(1, &[("a", b"1")])).await, Ok(2));
    assert_eq!(store.oldest(0).await.unwrap().bytes, 5, "only counted");
    let mut giving_up = moving(2, &[("b", b"123")]);
    let clean = giving_up.clean.as_mut().unwrap();
    clean.evict = vec!["a".into(), "none".into()];
    clean.known = clean.evict.clone();
    assert_eq!(store.commit(giving_up).await, Ok(3));
    assert_eq!(store.oldest(0).await.unwrap().bytes, 7);
    assert_eq!(store.get(&[Place::Value("a".into())]).await, Ok(vec![None]));
    store.close();
    let store = open("counted").await;
    assert_eq!(store.oldest(0).await.unwrap().bytes, 7, "it is stored");
    store.close();
}

#[wasm_bindgen_test]
async fn the_oldest_use_goes_first_and_what_is_touched_goes_last() {
    let store = fresh("oldest").await;
    let values: [(&str, &[u8]); 4] = [("a", b"1"), ("b", b"1"), ("c", b"1"), ("d", b"1")];
    store.commit(moving(0, &values)).await.unwrap();
    for (key, used) in [("a", 40), ("b", 20), ("c", 30), ("d", 10)] {
        set_used("oldest", key, used).await;
    }
    let oldest = store.oldest(3).await.unwrap();
    assert_eq!(keys(&oldest), ["d", "b", "c"]);
    // Used meanwhile, by another tab.
    set_used("oldest", "b", 50).await;
    let step = evict(1, &oldest.rows[1..], &["d", "none"]);
    assert_eq!(store.evict(&step).await, Ok(6));
    let left = store.oldest(10).await.unwrap();
    assert_eq!((left.bytes, keys(&left)), (6, vec!["a", "b", "d"]));
    let used = left.rows[2].used;
    // The clock went back: it is behind the newest all the same.
    set_used("oldest", "d", 2 * used).await;
    store.evict(&evict(1, &[], &["a"])).await.unwrap();
    assert_eq!(keys(&store.oldest(10).await.unwrap())[0], "b");
    assert_eq!(store.oldest(10).await.unwrap().rows[1].used, 2 * used);
    store.close();
}

#[wasm_bindgen_test]
async fn nothing_is_evicted_when_the_log_went_on() {
    let store = fresh("evict behind").await;
    store.commit(moving(0, &[("a", b"1")])).await.unwrap();
    let oldest = store.oldest(1).await.unwrap();
    store.commit(append(&[b"newer"])).await.unwrap();
    let step = evict(1, &oldest.rows, &[]);
    assert_eq!(store.evict(&step).await, Err(CommitFailure::Behind));
    assert_eq!(store.oldest(1).await.unwrap(), oldest);
    assert_eq!(store.evict(&evict(2, &oldest.rows, &[])).await, Ok(0));
    store.close();
}

#[wasm_bindgen_test]
async fn a_use_is_recorded_where_the_last_one_is_old() {
    let store = fresh("touched").await;
    let values: [(&str, &[u8]); 2] = [("a", b"1"), ("b", b"1")];
    store.commit(moving(0, &values)).await.unwrap();
    let before = store.oldest(2).await.unwrap();
    set_used("touched", "a", 1).await;
    let touched = ["a".to_owned(), "b".to_owned(), "none".to_owned()];
    store.touch(&touched).await.unwrap();
    let after = store.oldest(3).await.unwrap();
    assert_eq!(keys(&after).len(), 2);
    let used = |oldest: &Oldest, key: &str| {
        let row = oldest.rows.iter().find(|row| row.key == key);
        row.unwrap().used
    };
    assert!(used(&after, "a") >= used(&before, "a"), "it was old");
    assert_eq!(used(&after, "b"), used(&before, "b"), "it was not");
    assert_eq!(after.bytes, before.bytes);
    store.close();
}

#[wasm_bindgen_test]
async fn a_database_of_version_1_gets_what_it_lacks() {
    Store::destroy("version 1").await.unwrap();
    run("const request = indexedDB.open('version 1', 1);
        request.onupgradeneeded = () => {
            request.result.createObjectStore('log', { autoIncrement: true });
            request.result.createObjectStore('values');
            request.result.createObjectStore('blobs');
        };
        const database = await done(request);
        const commit = database.transaction(['log', 'values'], 'readwrite');
        commit.objectStore('log').add(new Uint8Array([7]));
        const key = new TextEncoder().encode('old');
        await done(commit.objectStore('values').put(new Uint8Array([8]), key));
        database.close();")
    .await;
    let store = open("version 1").await;
    assert_eq!(segments(&store).await, [(1, vec![7])]);
    let place = [Place::Value("old".into())];
    assert_eq!(store.get(&place).await, Ok(vec![Some(vec![8])]));
    assert_eq!(store.oldest(1).await.unwrap(), Oldest::default());
    let anew = moving(1, &[("old", b"12")]);
    assert_eq!(store.commit(anew).await, Ok(2), "keys go on");
    assert_eq!(store.oldest(1).await.unwrap().bytes, 5);
    store.close();
}
