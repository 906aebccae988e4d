//! The simulator's disk and IndexedDB, side by side: what is asked of both, both answer alike, through random lives. So what the
//! simulator shows of the core holds over the real store.

#[path = "../simulation/disk.rs"]
#[allow(dead_code, reason = "the simulator has more use for it")]
mod disk;

use super::*;
use disk::{Disk, Fate, Pending, TabRef};
use fastrand::Rng;
use std::rc::Rc;
use uplink_cache::cache::{Evict, RECORD_AGAIN_MS, Row};
use uplink_cache::record::{self, Record, Settled};
use uplink_cache::tags::Shelf;
use uplink_cache::task::{Block, Hash, Inclusion, Order, Tag};

const LIVES: u64 = 3;
const STEPS: usize = 80;
/// By UTF-16 units U+FFFD would come after U+1F600.
const KEYS: [&str; 9] = [
    "",
    "a",
    "a/1",
    "a/2",
    "a/\u{fffd}",
    "a/\u{1f600}",
    "b",
    "\u{0}",
    "ü",
];
const TAGS: [&str; 3] = ["", "7", "70"];
const BLOBS: u128 = 4;
/// More than there is.
const ALL: usize = 1_000;

/// One database of each kind. The real one is open twice, as by two tabs.
struct Twins {
    life: u64,
    name: String,
    stores: [Store; 2],
    disk: Disk,
    rng: Rng,
    /// Where values ever stood in lists.
    births: Vec<Order>,
}

#[wasm_bindgen_test]
async fn the_simulators_disk_does_what_indexed_db_does() {
    // Other lives each time, unless SEED says which; what fails says which it was.
    let chosen = option_env!("SEED").and_then(|seed| seed.parse().ok());
    let first = chosen.unwrap_or_else(|| js_sys::Date::now() as u64);
    let clock = Clock::take();
    for seed in first..first + LIVES {
        let mut twins = Twins::born(seed).await;
        for step in 0..STEPS {
            clock.set(twins.disk.now_ms);
            let what = twins.step().await;
            twins
                .compare(&format!("life {seed}, step {step}: {what}"))
                .await;
        }
        twins.stores.iter().for_each(Store::close);
    }
}

impl Twins {
    async fn born(seed: u64) -> Self {
        let name = format!("twins {}", seed % LIVES);
        let stores = [fresh(&name).await, open(&name).await];
        Twins {
            life: seed,
            name,
            stores,
            disk: Disk {
                now_ms: 1_000_000_000_000,
                ..Disk::default()
            },
            rng: Rng::with_seed(seed),
            births: Vec::new(),
        }
    }

    /// Does something to both, and says what.
    async fn step(&mut self) -> &'static str {
        match self.rng.u8(..12) {
            0..4 => {
                let commit = self.appending();
                self.commit(commit).await;
                "an append"
            }
            4..7 => {
                let commit = self.cleaning();
                self.commit(commit).await;
                "a cleaning"
            }
            7..9 => {
                self.evict().await;
                "an eviction"
            }
            9 => {
                let keys = self.some(&KEYS);
                let keys: Vec<String> = keys.into_iter().map(Into::into).collect();
                self.disk.touch(&keys);
                self.store().touch(&keys).await.unwrap();
                "a use"
            }
            10 => {
                self.pass();
                "time"
            }
            _ => {
                self.stores.iter().for_each(Store::close);
                self.stores = [open(&self.name).await, open(&self.name).await];
                "another start"
            }
        }
    }

    fn store(&mut self) -> &Store {
        &self.stores[self.rng.usize(..2)]
    }

    /// Either so little that no use is recorded again, or so much that each is; now and then the clock is set back.
    fn pass(&mut self) {
        let now_ms = &mut self.disk.now_ms;
        match self.rng.u8(..4) {
            0 => *now_ms -= 2 * RECORD_AGAIN_MS,
            1 => *now_ms += 2 * RECORD_AGAIN_MS,
            _ => *now_ms += 1,
        }
    }

    async fn commit(&mut self, commit: Commit) {
        let pending = Pending {
            from: TabRef { tab: 0, life: 0 },
            commit: commit.clone(),
            fate: Fate::Stored,
            is_told: false,
        };
        let expected = self.disk.apply(&pending);
        let committed = self.store().commit(commit).await;
        assert_eq!(committed, expected, "life {}", self.life);
    }

    fn appending(&mut self) -> Commit {
        let count = self.rng.usize(1..4);
        let segments = (0..count).map(|_| self.bytes()).collect();
        let blobs = (0..BLOBS)
            .filter(|_| self.rng.u8(..8) == 0)
            .map(|id| (blob(id), Rc::from([id as u8; 100])));
        Commit {
            blobs: blobs.collect(),
            segments,
            ..append(&[])
        }
    }

    fn bytes(&mut self) -> Vec<u8> {
        let most = if self.rng.u8(..16) == 0 { 60_000 } else { 400 };
        vec![self.rng.u8(..); self.rng.usize(1..most)]
    }

    fn cleaning(&mut self) -> Commit {
        let written = self.some(&KEYS);
        let evict: Vec<&str> = self.some(&KEYS);
        let evict = evict.into_iter().filter(|key| !written.contains(key));
        let evict: Vec<String> = evict.map(Into::into).collect();
        let values: Vec<(String, Vec<u8>)> = written
            .into_iter()
            .map(|key| (key.into(), self.settled(key)))
            .collect();
        let named = values.iter().map(|(key, _)| key).chain(&evict);
        // All that are there, and perhaps some that are not.
        let named: Vec<String> = named.cloned().collect();
        let known = named
            .into_iter()
            .filter(|key| self.disk.values.contains_key(key) || self.rng.bool());
        let known = known.collect();
        let last = self.disk.last_key();
        let first = self.disk.log.keys().next().copied().unwrap_or(0);
        let delete_through = self.rng.u64(first.saturating_sub(1)..=last);
        let old: Vec<u64> = self
            .disk
            .log
            .range(..=delete_through)
            .map(|(key, _)| *key)
            .collect();
        let set_aside = old.into_iter().filter(|_| self.rng.u8(..8) == 0).collect();
        let delete_blobs = (0..BLOBS).filter(|_| self.rng.u8(..4) == 0);
        let delete_blobs = delete_blobs.map(blob).collect();
        // Now and then another tab was first.
        let expected_last = last.saturating_sub(u64::from(self.rng.u8(..6) == 0));
        Commit {
            clean: Some(Clean {
                values,
                known,
                evict,
                set_aside,
                delete_blobs,
                ..clean(expected_last, delete_through)
            }),
            ..self.appending()
        }
    }

    /// A value of this key, where it was before or somewhere new.
    fn settled(&mut self, key: &str) -> Vec<u8> {
        let old = self
            .disk
            .values
            .get(key)
            .and_then(|bytes| record::settled(bytes));
        let old = old.filter(|_| self.rng.bool()).and_then(|old| old.born);
        let tags = self.some(&TAGS);
        let tags = tags.into_iter().enumerate();
        let tags: Vec<Tag> = tags
            .map(|(n, value)| (format!("t{n}"), value.into()))
            .collect();
        let number = self.births.len() as u64 + 1;
        let fresh = Order {
            segment: number,
            index: self.rng.u32(..60_000),
        };
        self.births.push(fresh);
        record::single(&Record::Settled(Settled {
            inclusion: Inclusion {
                tx: Hash([1; 32]),
                block: Block {
                    number,
                    hash: Hash([2; 32]),
                },
                index: 0,
                reverted: false,
            },
            is_calldata: false,
            value: Rc::from(self.bytes()),
            born: Some(old.unwrap_or(fresh)),
            tags,
            stacked: None,
        }))
    }

    async fn evict(&mut self) {
        let limit = self.rng.usize(..KEYS.len());
        let mut delete = self.disk.oldest(limit).rows;
        for row in &mut delete {
            // It was used since.
            row.used -= u64::from(self.rng.u8(..6) == 0);
        }
        let touch = self.some(&KEYS);
        let is_free = |key: &&str| delete.iter().all(|row: &Row| row.key != *key);
        let touch = touch.into_iter().filter(is_free).map(Into::into).collect();
        let last = self.disk.last_key();
        let expected_last = last.saturating_sub(u64::from(self.rng.u8(..6) == 0));
        let evict = Evict {
            expected_last,
            delete,
            touch,
        };
        let expected = self.disk.evict(&evict).map(|(_, bytes)| bytes);
        let evicted = self.store().evict(&evict).await;
        assert_eq!(evicted, expected, "life {}", self.life);
    }

    fn some<T: Copy>(&mut self, all: &[T]) -> Vec<T> {
        let chosen = all.iter().filter(|_| self.rng.u8(..3) == 0);
        chosen.copied().collect()
    }

    /// Whatever is asked of either, it is the same.
    async fn compare(&mut self, when: &str) {
        let from = self.rng.u64(..=self.disk.last_key() + 1);
        let expected = self.disk.log.range(from..);
        let expected: Vec<_> = expected.map(|(key, bytes)| (*key, bytes.clone())).collect();
        assert_eq!(self.loaded(from).await, expected, "{when}");
        let mut places: Vec<Place> = KEYS.iter().map(|key| Place::Value((*key).into())).collect();
        places.extend((0..BLOBS).map(|id| Place::Blob(blob(id))));
        let expected = self.disk.get(&places);
        assert_eq!(self.store().get(&places).await, Ok(expected), "{when}");
        let limit = *self.rng.choice(&[0, 1, 3, ALL]).unwrap();
        let expected = self.disk.oldest(limit);
        assert_eq!(self.store().oldest(limit).await, Ok(expected), "{when}");
        for _ in 0..3 {
            let scan = self.scan();
            let expected = self.disk.scan(&scan);
            let found = self.store().scan(&scan).await;
            assert_eq!(found, Ok(expected), "{when}, then {scan:?}");
        }
        let expected: Vec<u64> = self.disk.aside.keys().copied().collect();
        assert_eq!(self.store().aside().await, Ok(expected), "{when}");
    }

    async fn loaded(&mut self, from: u64) -> Vec<(u64, Vec<u8>)> {
        let store = self.store();
        let mut all: Vec<(u64, Vec<u8>)> = Vec::new();
        loop {
            let last = all.last().map(|(key, _)| *key);
            let (part, more) = store.load(last.unwrap_or(from)).await.unwrap();
            all.extend(part.into_iter().filter(|(key, _)| Some(*key) > last));
            if !more {
                return all;
            }
        }
    }

    fn scan(&mut self) -> Scan {
        let rng = &mut self.rng;
        let query = if rng.bool() {
            Query::Keys(Interval {
                prefix: (*rng.choice(&KEYS).unwrap()).into(),
                after: rng.bool().then(|| (*rng.choice(&KEYS).unwrap()).into()),
                reverse: rng.bool(),
            })
        } else {
            Query::Tagged(Shelf {
                tag: (
                    format!("t{}", rng.u8(..2)),
                    (*rng.choice(&TAGS).unwrap()).into(),
                ),
                after: rng.choice(&self.births).copied().filter(|_| rng.bool()),
                newest: rng.bool(),
            })
        };
        Scan {
            query,
            limit: *rng.choice(&[1, 2, ALL]).unwrap(),
            with_values: rng.bool(),
        }
    }
}

/// The browser's wall clock, set by hand as long as this lives.
struct Clock(js_sys::Function);

impl Clock {
    fn take() -> Self {
        Clock(function("return Date.now;"))
    }

    fn set(&self, now_ms: u64) {
        function(&format!("Date.now = () => {now_ms}; return Date.now;"));
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        let date = js_sys::global().unchecked_into::<js_sys::Object>();
        let date = js_sys::Reflect::get(&date, &"Date".into()).unwrap();
        js_sys::Reflect::set(&date, &"now".into(), &self.0).unwrap();
    }
}

fn function(body: &str) -> js_sys::Function {
    let function = js_sys::Function::new_no_args(body);
    function
        .call0(&JsValue::UNDEFINED)
        .unwrap()
        .unchecked_into()
}
