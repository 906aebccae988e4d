//! The reader of the log, and what its records fold into.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;
use uplink_cache::backup::Backup;
use uplink_cache::cache::{Glance, Step};
use uplink_cache::log::{BlobKey, Part};
use uplink_cache::record::{self, Contents, HEADER_LEN, MAX_INLINE_BYTES, Record};
use uplink_cache::task::{Bytes, Content, Inclusion, Order, Status, Task, Value};
use uplink_cache_fuzz::frames::{self, Built};
use uplink_cache_fuzz::memory::bounded;

/// The end of the log that is glanced at.
const LAST: u64 = 40;
/// What a glance reads at the most at once, but for what others wrote before a page.
const MOST_SEGMENTS: u64 = 4_096 + 64;
const MOST_ROUNDS: u32 = 80;

// The first byte: 0 takes what follows as a segment; otherwise it is pieces, and 2 damages the segment's header.
fuzz_target!(|input: &[u8]| {
    let Some((&how, rest)) = input.split_first() else {
        return;
    };
    if how == 0 {
        if let Some(contents) = read(rest) {
            check(&contents);
        }
        return;
    }
    let mut built = Built {
        bytes: vec![0; HEADER_LEN],
        ..Built::default()
    };
    frames::build(&mut built, rest);
    let mut segment = record::Segment::default();
    segment.push_frame(&built.bytes[HEADER_LEN..]);
    built.bytes = segment.finish();
    if how == 2 {
        let at = rest.len() % HEADER_LEN;
        built.bytes[at] ^= 0x80;
        // It may say now that another version wrote it, but not with a right checksum.
    }
    let contents = read(&built.bytes).expect("it is of this version");
    check_neighbours(&built, &contents);
    check(&contents);
    glance(&built.bytes);
});

/// A log whose segments all say this: a glance comes to an end, and asks for no more than it may.
fn glance(segment: &[u8]) {
    let (mut glance, mut step) = Glance::begin("key", (1, LAST));
    let mut rounds = 0;
    while let Step::Read(intervals) = step {
        let keys = intervals
            .iter()
            .map(|(first, last)| last.abs_diff(*first) + 1);
        assert!(keys.sum::<u64>() <= MOST_SEGMENTS + 256, "{intervals:?}");
        rounds += 1;
        assert!(rounds <= MOST_ROUNDS);
        let there = intervals.iter().filter(|(_, last)| *last <= LAST);
        let there = there.map(|(first, _)| (*first, segment.to_vec()));
        step = glance.look(there.collect());
    }
}

fn read(bytes: &[u8]) -> Option<Contents> {
    let limit = 128 * bytes.len() + 4096;
    let Ok(contents) = bounded(limit, || record::read(bytes)) else {
        let version = u16::from_le_bytes([bytes[2], bytes[3]]);
        assert!(version > record::VERSION && bytes.starts_with(b"uc"));
        return None;
    };
    let mut end = HEADER_LEN;
    let mut has_hole = false;
    for (place, _) in &contents.records {
        let place = place.start as usize..place.end as usize;
        assert!(place.start >= end && place.end > place.start);
        has_hole |= place.start > end;
        end = place.end;
    }
    has_hole |= end < bytes.len();
    assert!(end <= bytes.len().max(HEADER_LEN));
    match contents.damage {
        None => assert!(!has_hole && bytes.starts_with(b"uc")),
        Some(damage) => assert!(damage.offset + damage.len <= bytes.len()),
    }
    Some(contents)
}

/// What is damaged takes no neighbour with it, and nothing is read that was not written.
fn check_neighbours(built: &Built, contents: &Contents) {
    if frames::has_others(built) {
        return;
    }
    let whole = built.frames.iter().filter_map(|(_, place)| {
        let mut alone = record::Segment::default();
        alone.push_frame(&built.bytes[place.clone()]);
        let (_, record) = read(&alone.finish())?.records.pop()?;
        Some((place.start as u32..place.end as u32, record))
    });
    let whole: Vec<(Range<u32>, Record)> = whole.collect();
    assert_eq!(contents.records, whole);
}

fn check(contents: &Contents) {
    for (_, record) in &contents.records {
        assert_eq!(again(record), *record);
    }
    let backup = fold(contents.records.iter().map(|(_, record)| record));
    check_backup(&backup);
    let mut records = contents.records.iter().map(|(_, record)| record);
    let is_settled = backup.count(Status::Final) == backup.tasks().count();
    // Those begin with a state that they bring.
    let brings_state = |record| matches!(record, &Record::Snapshot(_) | &Record::Imported(_));
    if is_settled && !records.any(brings_state) {
        assert_eq!(backup.live_bytes(), 0);
    }
    let once_more = fold(contents.records.iter().map(|(_, record)| record));
    assert!(backup.tasks().eq(once_more.tasks()));
    // The log may be cleaned at any time: what it then holds tells the same.
    let snapshots = backup.tasks().cloned().map(Rc::new);
    let snapshots: Vec<Record> = snapshots.map(Record::Snapshot).collect();
    let cleaned = fold(&snapshots);
    check_backup(&cleaned);
    assert!(backup.tasks().eq(cleaned.tasks()));
    // What a cleaning brought along is live, whether it is final or not.
    let lens = (0..).take(snapshots.len()).map(len_at);
    assert_eq!(cleaned.live_bytes(), lens.map(u64::from).sum::<u64>());
    for task in backup.tasks() {
        let key = &task.submission.key;
        assert_eq!(backup.shown(key), cleaned.shown(key));
    }
}

/// The record, written and read. What is too long for a segment is another record then: the blob stays out of it.
fn again(record: &Record) -> Record {
    let mut contents = read(&record::single(record)).expect("it is of this version");
    assert_eq!(contents.damage, None);
    let (_, read) = contents.records.pop().expect("it was whole");
    assert!(contents.records.is_empty());
    read
}

/// How long the record of this number is taken to be.
fn len_at(number: u32) -> u32 {
    100 + number
}

fn fold<'a>(records: impl IntoIterator<Item = &'a Record>) -> Backup {
    let mut backup = Backup::default();
    let mut names = BTreeSet::new();
    for (record, place) in records.into_iter().zip(0..) {
        let order = Order {
            segment: 1 + u64::from(place / 4),
            index: place,
        };
        // Names are random: no two tasks have one, and none begins twice.
        let begins = match record {
            Record::Submitted(submission) => Some(submission.id),
            Record::Imported(task) => Some(task.submission.id),
            Record::Snapshot(_)
            | Record::Event(..)
            | Record::Cleaned(..)
            | Record::Settled(_)
            | Record::Closed
            | Record::Index(_) => None,
        };
        let is_taken = |id| backup.task(id).is_some() || !names.insert(id);
        if !begins.is_some_and(is_taken) {
            backup.fold(order, len_at(place), record.clone());
        }
    }
    backup
}

fn check_backup(backup: &Backup) {
    let count = backup.tasks().count();
    assert_eq!(
        Status::ALL
            .iter()
            .map(|status| backup.count(*status))
            .sum::<usize>(),
        count
    );
    for status in Status::ALL {
        let tasks = backup.tasks().filter(|task| task.state.status() == *status);
        assert_eq!(tasks.count(), backup.count(*status));
    }
    assert_eq!(backup.homes_through(u64::MAX).count(), count);
    for task in backup.tasks() {
        for blob in blobs_of(task) {
            assert!(
                !backup.dead_blobs().contains_key(&blob),
                "{blob:?} is in use"
            );
        }
        for (tx, ..) in task.transactions() {
            if let Some(other) = backup.by_tx(&tx) {
                assert!(other.transactions().any(|(own, ..)| own == tx));
            }
        }
        if task.state.is_visible() {
            check_shown(backup, task);
        }
    }
}

/// Reads of a key see the newest of what is open, unless a final write stands behind it in the chain; of what is final
/// they see the one that stands last.
fn check_shown(backup: &Backup, task: &Task) {
    let key = &task.submission.key;
    let shown = backup.shown(key).expect("it is visible");
    assert_eq!(shown.submission.key, *key);
    assert!(shown.state.is_visible());
    let place = |task: &Task| task.state.inclusion().map(Inclusion::place);
    let is_final = |task: &Task| task.state.status() == Status::Final;
    match (is_final(task), is_final(shown)) {
        (false, false) => assert!(shown.order >= task.order),
        (false, true) => {
            let open = backup.tasks().filter(|other| {
                other.submission.key == *key && other.state.is_visible() && !is_final(other)
            });
            let newest = open.max_by_key(|other| other.order).expect("this one is");
            assert!(place(newest).is_some_and(|newest| Some(newest) < place(shown)));
        }
        (true, false) => assert!(place(shown).is_none_or(|shown| Some(shown) >= place(task))),
        (true, true) => assert!(place(shown) >= place(task)),
    }
}

fn blobs_of(task: &Task) -> Vec<BlobKey> {
    let id = task.submission.id;
    let is_long = |bytes: &Bytes| match bytes {
        Bytes::Inline(bytes) => bytes.len() > MAX_INLINE_BYTES,
        Bytes::Blob { .. } => true,
    };
    let mut blobs = Vec::new();
    if let Content::Signed(signed) = &task.submission.content
        && is_long(&signed.payload)
    {
        blobs.push(BlobKey(id, Part::Payload));
    }
    if let Value::Given(value) = &task.submission.value
        && is_long(value)
    {
        blobs.push(BlobKey(id, Part::Value));
    }
    for version in &task.versions {
        if version.payload.as_ref().is_some_and(is_long) {
            blobs.push(BlobKey(id, Part::Transaction(version.tx)));
        }
    }
    blobs
}
