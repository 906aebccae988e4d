//! The reader of exported backups.
#![no_main]

use libfuzzer_sys::fuzz_target;
use uplink_cache::portable::{self, Head, Item, Reader, Unreadable};
use uplink_cache::record::{self, Record};
use uplink_cache::task::{Bytes, Content, Task, Value};
use uplink_cache_fuzz::frames::{self, Built};
use uplink_cache_fuzz::memory::bounded;

const KIND_TASK: u8 = 3;
const KIND_END: u8 = 34;

// The first byte: 0 takes what follows as a file; otherwise it is pieces, behind a head. The second: in pieces of how
// many bytes the file comes.
fuzz_target!(|input: &[u8]| {
    let Some((&[how, step], rest)) = input.split_first_chunk() else {
        return;
    };
    let mut built = Built::default();
    if how == 0 {
        built.bytes = rest.to_vec();
    } else {
        built.bytes = portable::head(&a_head());
        let half = built.bytes.len() / 2;
        built.frames = vec![(32, 0..half), (32, half..2 * half)];
        frames::build(&mut built, rest);
    }
    let at_once = read(&built.bytes, built.bytes.len().max(1));
    let in_steps = read(&built.bytes, 1 + usize::from(step));
    assert_eq!(at_once, in_steps);
    if how != 0 && !frames::has_others(&built) {
        check_neighbours(&built, &at_once);
    }
    check_again(&at_once.items);
});

fn a_head() -> Head {
    Head {
        chain_id: 31_337,
        account: String::new(),
        created_ms: 1_700_000_000_000,
    }
}

#[derive(Debug, PartialEq)]
struct Read {
    items: Vec<Item>,
    unreadable: Option<Unreadable>,
    damaged: u64,
    is_complete: bool,
}

fn read(bytes: &[u8], step: usize) -> Read {
    bounded(128 * bytes.len() + 4096, || {
        let mut reader = Reader::default();
        let mut items = Vec::new();
        let mut unreadable = None;
        let mut pieces = bytes.chunks(step).peekable();
        while unreadable.is_none() {
            reader.push(pieces.next().unwrap_or_default());
            let is_last = pieces.peek().is_none();
            loop {
                match reader.next(is_last) {
                    Ok(Some(item)) => items.push(item),
                    Ok(None) => break,
                    Err(why) => {
                        unreadable = Some(why);
                        break;
                    }
                }
            }
            if is_last {
                break;
            }
        }
        Read {
            items,
            unreadable,
            damaged: reader.damaged(),
            is_complete: reader.is_complete(),
        }
    })
}

/// Each task whose frame is whole is told of, whatever stands beside it, with the bytes that it names.
fn check_neighbours(built: &Built, read: &Read) {
    if let Some(Unreadable::Newer(_)) = read.unreadable {
        return;
    }
    assert_eq!(read.unreadable, None);
    let frames = built.frames.iter();
    let frames = frames.map(|(kind, place)| (*kind, &built.bytes[place.clone()]));
    let frames = frames.take_while(|(kind, frame)| {
        *kind != KIND_END || !begins_with_number(frames::opened(frame).1)
    });
    let tasks = frames.filter(|(kind, _)| *kind == KIND_TASK);
    let written: Vec<Task> = tasks.filter_map(|(_, frame)| snapshot(frame)).collect();
    let items: Vec<&Item> = read.items.iter().skip(1).collect();
    assert_eq!(items.len(), written.len());
    for (item, written) in items.into_iter().zip(written) {
        match item {
            Item::Head(_) => panic!("there is one head"),
            Item::Partial(id) => assert_eq!(*id, written.submission.id),
            Item::Task(task) => assert_eq!(apart(task, &written), written),
        }
    }
}

/// The log's reader takes the same frames.
fn snapshot(frame: &[u8]) -> Option<Task> {
    let mut segment = record::Segment::default();
    segment.push_frame(frame);
    let contents = record::read(&segment.finish()).expect("it is of this version");
    match contents.records.into_iter().next()?.1 {
        Record::Snapshot(task) => Some((*task).clone()),
        other => panic!("{other:?} is no snapshot"),
    }
}

/// The task with those bytes kept apart that were apart when it was written.
fn apart(task: &Task, written: &Task) -> Task {
    let mut task = task.clone();
    let part = |bytes: &mut Bytes, written: &Bytes| {
        if let (Bytes::Inline(inline), Bytes::Blob { .. }) = (&*bytes, written) {
            *bytes = Bytes::Blob {
                len: inline.len() as u32,
                crc: record::checksum(inline),
            };
        }
    };
    let own = (&mut task.submission.content, &written.submission.content);
    if let (Content::Signed(signed), Content::Signed(written)) = own {
        part(&mut signed.payload, &written.payload);
    }
    let own = (&mut task.submission.value, &written.submission.value);
    if let (Value::Given(value), Value::Given(written)) = own {
        part(value, written);
    }
    for (version, written) in task.versions.iter_mut().zip(&written.versions) {
        if let (Some(payload), Some(written)) = (&mut version.payload, &written.payload) {
            part(payload, written);
        }
    }
    task
}

/// A varint of 64 bits.
fn begins_with_number(body: &[u8]) -> bool {
    match body.iter().position(|byte| *byte < 0x80) {
        Some(0..9) => true,
        Some(9) => body[9] < 2,
        Some(_) | None => false,
    }
}

/// The tasks that were read, written and read again.
fn check_again(items: &[Item]) {
    let tasks: Vec<&Task> = items
        .iter()
        .filter_map(|item| match item {
            Item::Task(task) => Some(&**task),
            Item::Head(_) | Item::Partial(_) => None,
        })
        .collect();
    let mut file = portable::head(&a_head());
    file.extend(tasks.iter().flat_map(|task| portable::task(task)));
    file.extend(portable::end(tasks.len() as u64));
    let mut expected = vec![Item::Head(a_head())];
    expected.extend(
        tasks
            .into_iter()
            .map(|task| Item::Task(Box::new(task.clone()))),
    );
    let read = read(&file, 4096);
    assert_eq!(read.items, expected);
    assert!(read.is_complete && read.damaged == 0 && read.unreadable.is_none());
}
