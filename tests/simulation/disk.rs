//! IndexedDB as the driver sees it: commits in order, all or nothing; reads see what is committed.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use uplink_cache::cache::Place;
use uplink_cache::error::{Error, ErrorCode};
use uplink_cache::log::{BlobKey, Commit, CommitFailure};
use uplink_cache::overlay::Interval;

/// A tab, and which life of it: what was meant for an earlier one is not heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TabRef {
    pub(crate) tab: usize,
    pub(crate) life: u32,
}

/// What will become of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Stored,
    Aborted,
    OverQuota,
    /// Its tab is gone, and it with it.
    Vanished,
}

/// A commit that waits for those before it.
pub(crate) struct Pending {
    pub(crate) from: TabRef,
    pub(crate) commit: Commit,
    pub(crate) fate: Fate,
    /// The tab was told that it is complete: only a mutant does that.
    pub(crate) is_told: bool,
}

/// A read on its way.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    Load(u64),
    Get(u64, Vec<Place>),
    Scan(u64, Interval, usize),
}

/// The four stores.
#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) log: BTreeMap<u64, Vec<u8>>,
    pub(crate) values: BTreeMap<String, Vec<u8>>,
    pub(crate) blobs: BTreeMap<BlobKey, Rc<[u8]>>,
    /// Damaged segments that left the log.
    pub(crate) aside: BTreeMap<u64, Vec<u8>>,
    /// The newest key that was ever given.
    pub(crate) last_given: u64,
    pub(crate) skips_numbers: bool,
    /// The front is in flight.
    pub(crate) queue: VecDeque<Pending>,
}

impl Disk {
    /// The newest key there is.
    pub(crate) fn last_key(&self) -> u64 {
        self.log.last_key_value().map_or(0, |(key, _)| *key)
    }

    /// Applies a commit: the key of its last segment.
    pub(crate) fn apply(&mut self, pending: &Pending) -> Result<u64, CommitFailure> {
        let commit = &pending.commit;
        let failed = |code, message: &str| Err(CommitFailure::Storage(Error::new(code, message)));
        match pending.fate {
            Fate::Stored | Fate::Vanished => {}
            Fate::Aborted => {
                // Browsers do not agree on whether an aborted commit gives its numbers back.
                if self.skips_numbers {
                    self.last_given += commit.segments.len() as u64;
                }
                return failed(ErrorCode::StorageFailed, "AbortError");
            }
            Fate::OverQuota => return failed(ErrorCode::QuotaExceeded, "QuotaExceededError"),
        }
        if let Some(clean) = &commit.clean {
            if self.last_key() != clean.expected_last {
                return Err(CommitFailure::Behind);
            }
            self.values.extend(clean.values.iter().cloned());
            for key in &clean.delete_blobs {
                self.blobs.remove(key);
            }
            for key in &clean.set_aside {
                self.aside
                    .extend(self.log.get(key).map(|bytes| (*key, bytes.clone())));
            }
            self.log = self.log.split_off(&(clean.delete_through + 1));
        }
        self.blobs.extend(commit.blobs.iter().cloned());
        for segment in &commit.segments {
            self.last_given += 1;
            self.log.insert(self.last_given, segment.clone());
        }
        Ok(self.last_given)
    }

    /// The first segments behind a key, and whether there are others.
    pub(crate) fn load(&self, from: u64, most: usize) -> (Vec<(u64, Vec<u8>)>, bool) {
        let found = self.log.range(from..).take(most);
        let segments: Vec<_> = found.map(|(key, bytes)| (*key, bytes.clone())).collect();
        let more = most > 1 && segments.len() == most;
        (segments, more)
    }

    pub(crate) fn get(&self, places: &[Place]) -> Vec<Option<Vec<u8>>> {
        let get = |place: &Place| match place {
            Place::Value(key) => self.values.get(key).cloned(),
            Place::Blob(key) => self.blobs.get(key).map(|bytes| bytes.to_vec()),
        };
        places.iter().map(get).collect()
    }

    pub(crate) fn scan(&self, interval: &Interval, most: usize) -> Vec<(String, Vec<u8>)> {
        let all = self.values.iter().filter(|(key, _)| interval.contains(key));
        let row = |(key, bytes): (&String, &Vec<u8>)| (key.clone(), bytes.clone());
        if interval.reverse {
            all.rev().take(most).map(row).collect()
        } else {
            all.take(most).map(row).collect()
        }
    }

    /// The tab's process died: what it had not begun is gone, what was under way is stored or not, by chance.
    pub(crate) fn crash(&mut self, from: TabRef, is_stored: bool) {
        for (place, pending) in self.queue.iter_mut().enumerate() {
            let survives = place == 0 && is_stored;
            if pending.from == from && !survives {
                pending.fate = Fate::Vanished;
            }
        }
    }

    /// A disk that lies: the newest segment was not stored after all.
    pub(crate) fn forget_newest(&mut self) {
        if self.log.pop_last().is_some() {
            self.last_given -= 1;
        }
    }
}
