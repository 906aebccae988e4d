//! Writes the seeds that the fuzzers start from, into the folder that is given: real encodings of everything that the
//! targets read.

// It is built along with the targets, under their flags, and so needs what their counters call.
use libfuzzer_sys as _;

use alloy_consensus::{
    SignableTransaction, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxEnvelope, TxLegacy,
};
use alloy_eips::Encodable2718;
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, B256, Signature, TxKind, U256};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::{env, fs, io};
use uplink_cache::index::IndexPage;
use uplink_cache::portable::{self, Head};
use uplink_cache::record::{self, HEADER_LEN, MAX_INLINE_BYTES, Record, Settled, Stacked};
use uplink_cache::task::{
    After, Block, Bytes, Content, Displaced, Event, Hash, Inclusion, Milestone, Order, Reason,
    Role, Signed, Stage, State, Submission, Task, TaskId, Value, Version,
};
use uplink_cache_fuzz::frames::{opened, piece};
use uplink_cache_fuzz::replies::{STATUSES, requests};
use uplink_cache_fuzz::rlp;

fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).expect("a folder is given");
    let folder = Path::new(&folder);
    records(&Seeds::new(folder, "record")?)?;
    portables(&Seeds::new(folder, "portable")?)?;
    replies(&Seeds::new(folder, "replies")?)?;
    transactions(&Seeds::new(folder, "transaction")?)
}

struct Seeds(PathBuf);

impl Seeds {
    fn new(folder: &Path, target: &str) -> io::Result<Self> {
        let folder = folder.join(target);
        fs::create_dir_all(&folder)?;
        Ok(Seeds(folder))
    }

    fn write(&self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        fs::write(self.0.join(name), parts.concat())
    }
}

fn records(seeds: &Seeds) -> io::Result<()> {
    let lives = lives();
    for (name, records) in &lives {
        let mut segment = record::Segment::default();
        for record in records {
            segment.push(record);
        }
        seeds.write(&format!("segment-{name}"), &[&[0], &segment.finish()])?;
        let pieces: Vec<Vec<u8>> = records.iter().map(piece_of).collect();
        seeds.write(&format!("pieces-{name}"), &[&[1], &pieces.concat()])?;
        let garbage = piece(255, b"\xa5\x01\x05\0\0\0 no frame");
        seeds.write(
            &format!("torn-{name}"),
            &[&[2], &pieces.join(garbage.as_slice())],
        )?;
    }
    let all: Vec<Vec<u8>> = lives
        .iter()
        .flat_map(|(_, records)| records)
        .map(piece_of)
        .collect();
    seeds.write("all", &[&[1], &all.concat()])?;
    let newer = [b"uc".as_slice(), &2_u16.to_le_bytes(), &0_u32.to_le_bytes()].concat();
    seeds.write(
        "newer",
        &[&[0], &newer, &record::checksum(&newer).to_le_bytes()],
    )
}

fn piece_of(record: &Record) -> Vec<u8> {
    let frame = record::frame(record);
    let (kind, body) = opened(&frame);
    piece(kind, body)
}

/// What happens to tasks, by what is special about it: every kind of record, of event and of state.
fn lives() -> Vec<(&'static str, Vec<Record>)> {
    let event = |n: u8, event: Event| Record::Event(TaskId(n.into()), event);
    let cause = || "nonce too low".to_string();
    let begins = |n: u8| Record::Submitted(submission(n, payload(20), Some(b"\"hi\"")));
    let draft = |n: u8| {
        Record::Submitted(Submission {
            content: Content::Draft("wallet".into()),
            ..submission(n, payload(20), Some(b"1"))
        })
    };
    let blob = || Bytes::Blob {
        len: 20_000,
        crc: 77,
    };
    vec![
        (
            "final",
            vec![
                begins(1),
                event(1, Event::SendStarted),
                event(1, Event::Accepted),
                event(1, Event::Included(inclusion(1, 5))),
                event(1, Event::Finalized(inclusion(1, 5).block)),
                Record::Cleaned(1, vec![TaskId(1)]),
                Record::Closed,
            ],
        ),
        (
            "overtaken",
            vec![
                begins(1),
                begins(7),
                event(1, Event::SendStarted),
                event(7, Event::SendStarted),
                event(7, Event::Included(inclusion(7, 5))),
                event(1, Event::Included(inclusion(1, 6))),
                event(1, Event::Finalized(inclusion(1, 6).block)),
            ],
        ),
        (
            "indexed",
            vec![
                begins(1),
                Record::Index(IndexPage {
                    through: 4,
                    pages: vec![2],
                    earlier: vec![(3, vec![1]), (4, Vec::new())],
                    own: vec![vec![1, 2]],
                }),
            ],
        ),
        (
            "reorged",
            vec![
                begins(1),
                event(1, Event::SendStarted),
                event(1, Event::Included(inclusion(1, 5))),
                event(1, Event::Reorged(inclusion(1, 5).block)),
                event(
                    1,
                    Event::Displaced(Displaced {
                        reason: Reason::ALL[0],
                        inclusion: inclusion(9, 6),
                    }),
                ),
            ],
        ),
        (
            "rejected",
            vec![
                begins(1),
                event(1, Event::SendStarted),
                event(
                    1,
                    Event::Rejected {
                        tx: Hash([1; 32]),
                        cause: cause(),
                    },
                ),
                event(1, Event::Discarded),
            ],
        ),
        (
            "blocked",
            vec![
                begins(1),
                event(
                    1,
                    Event::Blocked {
                        tx: None,
                        exposed: true,
                        reason: Reason::InsufficientFunds,
                        cause: cause(),
                    },
                ),
                event(1, Event::Retried { in_doubt: true }),
                event(1, Event::Outrun { cause: cause() }),
                event(1, Event::Cancelled),
            ],
        ),
        (
            "signed",
            vec![
                draft(2),
                event(
                    2,
                    Event::SignStarted {
                        nonce: Some(300),
                        from: None,
                        sends: false,
                    },
                ),
                event(2, Event::Added(Role::Original, signed(2, payload(30)))),
                event(2, Event::SendStarted),
                event(2, Event::Added(Role::Replacement, signed(3, payload(31)))),
                event(2, Event::Added(Role::Cancellation, signed(4, blob()))),
            ],
        ),
        (
            "wallet",
            vec![
                draft(2),
                event(
                    2,
                    Event::SignStarted {
                        nonce: None,
                        from: Some(7),
                        sends: true,
                    },
                ),
                event(2, Event::Broadcast(Hash([5; 32]))),
                event(2, Event::NotSent),
            ],
        ),
        (
            "blobs",
            vec![
                Record::Submitted(submission(1, blob(), None)),
                Record::Submitted(submission(1, blob(), None)),
                Record::Submitted(Submission {
                    value: Value::Given(blob()),
                    ..submission(6, blob(), None)
                }),
            ],
        ),
        (
            "repeats",
            vec![
                begins(1),
                Record::Submitted(Submission {
                    idempotency_key: Some("once".into()),
                    ..submission(2, payload(9), None)
                }),
                Record::Submitted(Submission {
                    idempotency_key: Some("once".into()),
                    ..submission(3, payload(8), None)
                }),
                Record::Submitted(Submission {
                    id: TaskId(4),
                    ..submission(1, payload(20), Some(b"\"hi\""))
                }),
            ],
        ),
        (
            "tied",
            vec![
                begins(1),
                Record::Submitted(Submission {
                    tags: vec![("by".into(), "0xaa".into()), ("thread".into(), "7".into())],
                    update: Some("add".into()),
                    after: Some(After {
                        tasks: vec![TaskId(1), TaskId(3)],
                        until: Milestone::Included,
                    }),
                    ..submission(4, payload(9), Some(b"[1]"))
                }),
                event(4, Event::DependencyFinal(TaskId(1))),
                event(
                    4,
                    Event::DependencyFailed {
                        task: TaskId(3),
                        cause: cause(),
                    },
                ),
            ],
        ),
        (
            "snapshots",
            tasks()
                .into_iter()
                .map(Rc::new)
                .map(Record::Snapshot)
                .collect(),
        ),
        (
            "imported",
            tasks()
                .into_iter()
                .map(Rc::new)
                .map(Record::Imported)
                .collect(),
        ),
        (
            "settled",
            vec![Record::Settled(Settled {
                inclusion: inclusion(1, 300),
                is_calldata: true,
                value: Vec::from(*b"value").into(),
                born: Some(Order {
                    segment: 3,
                    index: 12,
                }),
                tags: vec![("thread".into(), "7".into())],
                stacked: Some(Stacked {
                    base: Some((300, 1)),
                    as_of: 9,
                }),
            })],
        ),
    ]
}

/// A task in each state.
fn tasks() -> Vec<Task> {
    let cause = || "why".to_string();
    let mut states: Vec<State> = Stage::ALL
        .iter()
        .map(|stage| State::BackedUp(*stage))
        .collect();
    states.extend([
        State::Blocked {
            stage: Stage::ALL[0],
            reason: Reason::Underpriced,
            cause: cause(),
        },
        State::Sent,
        State::Included(inclusion(7, 9)),
        State::Final(inclusion(8, 9)),
        State::Failed {
            reason: Reason::Rejected,
            cause: cause(),
            by: Some(Hash([9; 32])),
        },
        State::Signing { sends: true },
        State::Displaced(Displaced {
            reason: Reason::ALL[1],
            inclusion: inclusion(9, 6),
        }),
    ]);
    let task = |(state, n): (State, u8)| Task {
        state,
        nonce_given: (n % 2 == 0).then_some(3),
        nonce_from: (n % 3 == 0).then_some(200),
        versions: vec![
            Version {
                role: Role::Replacement,
                tx: Hash([n + 100; 32]),
                payload: Some(payload(12)),
            },
            Version {
                role: Role::Original,
                tx: Hash([n + 150; 32]),
                payload: None,
            },
        ],
        ..Task::new(
            submission(n, payload(20), Some(b"\"hi\"")),
            Order {
                segment: 1,
                index: 12,
            },
        )
    };
    states.into_iter().zip(1..).map(task).collect()
}

fn submission(n: u8, payload: Bytes, value: Option<&[u8]>) -> Submission {
    Submission {
        id: TaskId(n.into()),
        lane: "1:0xaa".into(),
        key: format!("k{}", n % 3),
        value: value.map_or(Value::Calldata(3..7), |value| {
            Value::Given(Bytes::Inline(value.into()))
        }),
        content: Content::Signed(signed(n, payload)),
        idempotency_key: None,
        tags: Vec::new(),
        update: None,
        after: None,
        created_ms: 1_700_000_000_000,
    }
}

fn signed(n: u8, payload: Bytes) -> Signed {
    Signed {
        tx: Hash([n; 32]),
        nonce: 3,
        payload,
    }
}

fn payload(len: u8) -> Bytes {
    Bytes::Inline((0..len).collect())
}

fn inclusion(n: u8, number: u64) -> Inclusion {
    Inclusion {
        tx: Hash([n; 32]),
        block: Block {
            number,
            hash: Hash([0xbb; 32]),
        },
        index: 2,
        reverted: n.is_multiple_of(2),
    }
}

fn portables(seeds: &Seeds) -> io::Result<()> {
    let head = portable::head(&Head {
        chain_id: 1,
        account: "0xaa".into(),
        created_ms: 5,
    });
    let tasks = tasks();
    let file: Vec<u8> = tasks.iter().flat_map(portable::task).collect();
    let end = portable::end(tasks.len() as u64);
    seeds.write("file", &[&[0, 63], &head, &file, &end])?;
    seeds.write("cut", &[&[0, 255], &head, &file[..file.len() / 2]])?;
    seeds.write("empty", &[&[0, 9], &head, &portable::end(0)])?;

    let mut long = tasks[0].clone();
    long.submission.value = Value::Given(Bytes::Inline(vec![0; MAX_INLINE_BYTES + 1].into()));
    let (blob, rest) = frame_at(&portable::task(&long));
    let (task, _) = frame_at(&rest);
    let pieces: Vec<Vec<u8>> = tasks
        .iter()
        .map(|task| frame_at(&portable::task(task)).0)
        .collect();
    seeds.write("pieces", &[&[1, 63], &pieces.concat(), &frame_at(&end).0])?;
    let garbage = piece(255, b"\xa5\x03\xff\xff\0\0 no frame");
    seeds.write("torn", &[&[1, 7], &pieces.join(garbage.as_slice())])?;
    seeds.write(
        "long",
        &[&[1, 255], &blob, &task, &frame_at(&portable::end(1)).0],
    )?;
    seeds.write("partial", &[&[1, 255], &task])?;
    let (head, _) = frame_at(&head);
    seeds.write("heads", &[&[1, 50], &head, &pieces[0], &head])
}

/// The frame at the front as a piece, and what comes behind it.
fn frame_at(bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let len = u32::from_le_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]) as usize;
    let (frame, rest) = bytes.split_at(HEADER_LEN - 2 + len);
    let (kind, body) = opened(frame);
    (piece(kind, body), rest.to_vec())
}

fn transactions(seeds: &Seeds) -> io::Result<()> {
    let to = Address::repeat_byte(0x70);
    let input = || b"Hello".to_vec().into();
    let access_list = || {
        AccessList(vec![AccessListItem {
            address: to,
            storage_keys: vec![B256::repeat_byte(1), B256::ZERO],
        }])
    };
    let authorization = Authorization {
        chain_id: U256::from(31_337),
        address: to,
        nonce: 1,
    };
    let authorization_list = vec![SignedAuthorization::new_unchecked(
        authorization,
        1,
        U256::from(5),
        U256::MAX,
    )];
    let legacy = |chain_id| TxLegacy {
        chain_id,
        nonce: 352,
        gas_price: 2_000_000_000,
        gas_limit: 60_000,
        to: TxKind::Call(to),
        value: U256::from(1),
        input: input(),
    };
    let dynamic = TxEip1559 {
        chain_id: 31_337,
        nonce: 0,
        gas_limit: 60_000,
        max_fee_per_gas: 3_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(to),
        value: U256::MAX,
        access_list: access_list(),
        input: input(),
    };
    let blob = TxEip4844 {
        chain_id: 1,
        nonce: 9,
        gas_limit: 60_000,
        max_fee_per_gas: 3,
        max_priority_fee_per_gas: 2,
        to,
        value: U256::ZERO,
        access_list: AccessList::default(),
        blob_versioned_hashes: vec![B256::repeat_byte(1)],
        max_fee_per_blob_gas: 200,
        input: input(),
    };
    let all = [
        ("legacy", envelope(legacy(Some(31_337)))),
        ("before-eip-155", envelope(legacy(None))),
        (
            "create",
            envelope(TxLegacy {
                to: TxKind::Create,
                ..legacy(Some(u64::MAX))
            }),
        ),
        (
            "access-list",
            envelope(TxEip2930 {
                chain_id: 1,
                nonce: 3,
                gas_price: 5,
                gas_limit: 60_000,
                to: TxKind::Create,
                value: U256::ZERO,
                access_list: access_list(),
                input: input(),
            }),
        ),
        ("dynamic", envelope(dynamic.clone())),
        (
            "dynamic-long",
            envelope(TxEip1559 {
                input: vec![0x80; 300].into(),
                access_list: AccessList::default(),
                ..dynamic.clone()
            }),
        ),
        (
            "dynamic-bare",
            envelope(TxEip1559 {
                input: vec![0x80].into(),
                nonce: u64::MAX,
                access_list: AccessList::default(),
                ..dynamic
            }),
        ),
        ("blob", envelope(blob)),
        (
            "set-code",
            envelope(TxEip7702 {
                chain_id: 31_337,
                nonce: 9,
                gas_limit: 100_000,
                max_fee_per_gas: 3_000_000_000,
                max_priority_fee_per_gas: 1,
                to,
                value: U256::ZERO,
                access_list: access_list(),
                authorization_list,
                input: input(),
            }),
        ),
    ];
    for (name, envelope) in all {
        let payload = envelope.encoded_2718();
        seeds.write(name, &[&[0], &payload])?;
        let (kind, list) = if payload[0] < 0x80 {
            (payload[0], &payload[1..])
        } else {
            (0, &payload[..])
        };
        let fields = rlp::items(list)
            .expect("it is a list")
            .into_iter()
            .map(field_of);
        let fields: Option<Vec<Vec<u8>>> = fields.collect();
        if let Some(fields) = fields {
            seeds.write(&format!("{name}-fields"), &[&[1, kind], &fields.concat()])?;
        }
        if kind == 3 {
            for (name, how) in [
                ("one", 0b01_0101),
                ("cells", 0b0101_0101),
                ("missing", 0b01_0110),
            ] {
                seeds.write(&format!("blobs-{name}"), &[&[how], list])?;
            }
        }
    }
    Ok(())
}

fn envelope<T>(transaction: T) -> TxEnvelope
where
    T: SignableTransaction<Signature>,
    TxEnvelope: From<alloy_consensus::Signed<T>>,
{
    let r = U256::from_be_bytes(B256::repeat_byte(0x58).0);
    transaction
        .into_signed(Signature::new(r, U256::from(77), true))
        .into()
}

/// What `rlp::from_fields` makes the item of, where it is short enough.
fn field_of(item: &[u8]) -> Option<Vec<u8>> {
    let header = match item[0] {
        0..0x80 => 0,
        0x80..0xb8 | 0xc0..0xf8 => 1,
        0xb8..0xc0 => 1 + usize::from(item[0] - 0xb7),
        0xf8.. => 1 + usize::from(item[0] - 0xf7),
    };
    let contents = &item[header..];
    let len = u8::try_from(contents.len())
        .ok()
        .filter(|len| *len < 0x80)?;
    let is_list = item[0] >= 0xc0;
    Some([&[len | u8::from(is_list) << 7], contents].concat())
}

fn replies(seeds: &Seeds) -> io::Result<()> {
    let requests = requests();
    let write = |name: &str, asked: usize, status: u16, body: &str| {
        let status = STATUSES
            .iter()
            .position(|known| *known == status)
            .unwrap_or(255);
        seeds.write(name, &[&[asked as u8, status as u8, 0], body.as_bytes()])
    };
    let results: Vec<(usize, String)> = (0..requests.len())
        .flat_map(|asked| {
            results_of(asked)
                .into_iter()
                .map(move |result| (asked, result))
        })
        .collect();
    for (n, (asked, result)) in results.iter().enumerate() {
        write(&format!("result-{n}"), *asked, 200, result)?;
    }
    for (n, (code, message)) in ERRORS.iter().enumerate() {
        let error = format!(r#""error":{{"code":{code},"message":"{message}"}}"#);
        write(
            &format!("error-{n}"),
            14,
            200,
            &format!(r#"{{"jsonrpc":"2.0","id":7,{error}}}"#),
        )?;
    }
    let error = r#""error":{"code":-32000,"message":"already known"}"#;
    let sent = r#"{"jsonrpc":"2.0","id":8,"result":"0x1111"}"#;
    write(
        "sent",
        15,
        200,
        &format!(
            r#"[{{"id":7,{error}}},{sent},{{"id":9,"error":{{"code":-32000,"message":"nonce too low"}}}}]"#
        ),
    )?;
    write("sent-less", 15, 200, &format!(r#"[{sent},{sent}]"#))?;
    write(
        "no-batch",
        15,
        200,
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"batch too large"}}"#,
    )?;
    write("no-batch-413", 9, 413, "<html>too large</html>")?;
    write(
        "limited",
        14,
        429,
        r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32005,"message":"rate limit","data":{"rate":{"backoff_seconds":30}}}}"#,
    )?;
    write(
        "no-tag",
        4,
        200,
        r#"{"jsonrpc":"2.0","id":7,"error":{"code":-39001,"message":"Unknown block"}}"#,
    )?;
    write(
        "no-method",
        1,
        200,
        r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"method not found"}}"#,
    )?;
    write(
        "broken",
        0,
        502,
        "<html><body>502 Bad Gateway</body></html>",
    )?;
    write("lost", 14, 1, "Failed to fetch")
}

/// Errors of the kinds that are told apart.
const ERRORS: [(i64, &str); 12] = [
    (-32000, "already known"),
    (-32000, "nonce too low: next nonce 5, tx nonce 3"),
    (-32000, "nonce too high"),
    (-32000, "txpool is full"),
    (
        -32003,
        "insufficient funds for gas * price + value: have 0 want 1",
    ),
    (-32000, "replacement transaction underpriced"),
    (
        -32000,
        "tx fee (1.10 ether) exceeds the configured cap (1.00 ether)",
    ),
    (-32000, "exceeds block gas limit"),
    (-32602, "Failed to decode transaction"),
    (-32000, "invalid chain id for signer: have 5 want 1"),
    (-32603, "Internal error"),
    (-32005, "too many requests"),
];

/// Bodies with a result for the request of this place.
fn results_of(asked: usize) -> Vec<String> {
    let of = |n: &str| n.repeat(32);
    let receipt = |n: &str| {
        format!(
            r#"{{"type":"0x2","status":"0x1","transactionHash":"0x{}","transactionIndex":"0x2","blockHash":"0x{}","blockNumber":"0x5","gasUsed":"0x5208","logs":[],"contractAddress":null}}"#,
            of(n),
            of("bb")
        )
    };
    let transaction = |n: &str| {
        format!(
            r#"{{"hash":"0x{}","nonce":"0x3","blockHash":"0x{}","blockNumber":"0x5","from":"0x{}","to":"0x{}","value":"0x12a","input":"0x48656c","chainId":"0x1"}}"#,
            of(n),
            of("bb"),
            "aa".repeat(20),
            "70".repeat(20)
        )
    };
    let block = |transactions: &str| {
        format!(
            r#"{{"number":"0x5","hash":"0x{}","parentHash":"0x{}","timestamp":"0x1","transactions":[{transactions}]}}"#,
            of("bb"),
            of("cc")
        )
    };
    let single = |result: String| format!(r#"{{"jsonrpc":"2.0","id":7,"result":{result}}}"#);
    let batch = |read: &dyn Fn(&str) -> String| {
        let elements = ["11", "22", "33"].iter().zip(7..);
        let elements: Vec<String> = elements
            .map(|(n, id)| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{}}}"#, read(n)))
            .collect();
        format!("[{}]", elements.join(","))
    };
    let null = || single("null".into());
    match asked {
        0 | 11 => vec![single(r#""0x7a69""#.into())],
        1 => vec![
            single("false".into()),
            single(r#"{"currentBlock":"0x5","highestBlock":"0x9"}"#.into()),
        ],
        2 | 3 => vec![single(block(&format!(r#""0x{}""#, of("11")))), null()],
        4 => vec![single(block(""))],
        5 => vec![single(receipt("11")), single(receipt("44")), null()],
        6 | 12 => vec![single(transaction("11")), null()],
        7 => vec![
            single(format!("[{},{}]", receipt("11"), receipt("44"))),
            null(),
        ],
        8 => vec![single(receipt("11"))],
        9 => vec![batch(&receipt), batch(&|_| "null".into())],
        10 => vec![batch(&transaction)],
        13 => vec![single(block(&transaction("11"))), single(block(""))],
        14 => vec![single(format!(r#""0x{}""#, of("11")))],
        15 => vec![batch(&|n| format!(r#""0x{}""#, of(n)))],
        _ => vec![single(r#"{"any":[1,-2.5e3,"\u00e9\n",true]}"#.into())],
    }
}
