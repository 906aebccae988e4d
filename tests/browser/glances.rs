//! Glances: one key found in the log by its index, in one transaction.

use super::*;
use uplink_cache::log::{Fold, Log, Origin};
use uplink_cache::record::Record;
use uplink_cache::task::{Bytes, Content, Event, Hash, Signed, Submission, TaskId, Value};

/// What one page tells of: a few segments, so that there are many pages.
const INDEX_AT_BYTES: u64 = 20_000;
const TASKS: u8 = 60;

fn submission(n: u8) -> Submission {
    Submission {
        id: TaskId(n.into()),
        lane: String::new(),
        key: format!("entry/{n}"),
        value: Value::Given(Bytes::Inline([n].into())),
        content: Content::Signed(Signed {
            tx: Hash([n; 32]),
            nonce: n.into(),
            payload: Bytes::Inline([n; 9].into()),
        }),
        idempotency_key: None,
        tags: Vec::new(),
        update: None,
        after: None,
        created_ms: 0,
    }
}

/// Each record in a commit of its own, as a tab writes and folds it.
async fn write(store: &Store, log: &mut Log, records: Vec<Record>) {
    for record in records {
        log.append(record, None);
        let commit = log.next_commit().unwrap();
        let id = commit.id;
        let last = store.commit(commit).await.unwrap();
        log.committed(id, last);
        while let Some(Fold { key, origin }) = log.next_fold() {
            let Origin::Own(records) = origin else {
                unreachable!("nothing was loaded");
            };
            for (_, record, _) in records {
                log.index(key, &record);
            }
        }
    }
}

#[wasm_bindgen_test]
async fn a_key_is_found_by_the_index_with_all_that_happened_to_it() {
    let store = fresh("glances").await;
    assert_eq!(store.glance("entry/7").await, Ok(None));
    let mut log = Log::with_index(Some(INDEX_AT_BYTES));
    let tasks = (0..TASKS).map(|n| Record::Submitted(submission(n)));
    write(&store, &mut log, tasks.collect()).await;
    let events = vec![
        Record::Event(TaskId(7), Event::SendStarted),
        Record::Event(TaskId(7), Event::Accepted),
        Record::Event(TaskId(8), Event::Cancelled),
    ];
    write(&store, &mut log, events).await;
    let pages = log.segments().len() - usize::from(TASKS) - 3;
    assert!(pages > 5, "{pages} pages");
    for (n, status) in [(0, "backed-up"), (7, "sent"), (TASKS - 1, "backed-up")] {
        let key = format!("entry/{n}");
        let entry = store.glance(&key).await.unwrap().unwrap();
        assert_eq!((&*entry.value, entry.key), (&[n] as &[u8], key));
        assert_eq!(entry.status.as_str(), status);
        assert_eq!(entry.tx, Some(Hash([n; 32])));
    }
    assert_eq!(store.glance("entry/8").await, Ok(None), "it failed");
    assert_eq!(store.glance("entry").await, Ok(None));
    store.close();
    assert!(store.glance("entry/7").await.is_err());
}
