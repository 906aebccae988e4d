//! IndexedDB as the driver sees it: commits in order, all or nothing; reads see what is committed.

use std::collections::{BTreeMap, VecDeque};
use std::ops::{Deref, DerefMut};
use std::rc::Rc;
use uplink_cache::cache::{Evict, Found, Oldest, Place, Query, Row, Scan};
use uplink_cache::error::{Error, ErrorCode};
use uplink_cache::log::{BlobKey, Commit, CommitFailure};
use uplink_cache::tags;

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
    Scan(u64, Scan),
    Oldest(u64, usize),
    Evict(u64, Evict),
    Touch(Vec<String>),
}

/// When a value was last used, as recorded, and what it counts for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Use {
    pub(crate) used: u64,
    pub(crate) bytes: u64,
}

/// A use is recorded again when the last one is older: sooner than in a browser, as storms are short.
const RECORD_AGAIN_MS: u64 = 5_000;

/// A settled value was written.
#[derive(Clone, PartialEq)]
pub(crate) struct Move {
    /// When.
    pub(crate) step: u64,
    /// The segment that says so.
    pub(crate) said: u64,
}

/// The stores.
#[derive(Default, Clone)]
pub(crate) struct Stores {
    pub(crate) log: BTreeMap<u64, Vec<u8>>,
    pub(crate) values: BTreeMap<String, Vec<u8>>,
    pub(crate) blobs: BTreeMap<BlobKey, Rc<[u8]>>,
    /// Damaged segments that left the log.
    pub(crate) aside: BTreeMap<u64, Vec<u8>>,
    pub(crate) uses: BTreeMap<String, Use>,
    /// By tag and birth: the keys of values.
    pub(crate) tags: BTreeMap<Vec<u8>, String>,
    /// When each value was last written.
    pub(crate) moved: BTreeMap<String, Move>,
    /// What the values count for.
    pub(crate) values_bytes: u64,
    /// The newest key that was ever given.
    pub(crate) last_given: u64,
}

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct Disk {
    pub(crate) stores: Stores,
    /// What may be stored, while the disk is small.
    pub(crate) quota: Option<u64>,
    /// What a commit deletes counts until it is complete.
    pub(crate) counts_deleted: bool,
    /// By the wall clock.
    pub(crate) now_ms: u64,
    /// Of the world.
    pub(crate) step: u64,
    /// What is deleted stays in lists: only a mutant does that.
    pub(crate) keeps_tags: bool,
    pub(crate) skips_numbers: bool,
    /// The front is in flight.
    pub(crate) queue: VecDeque<Pending>,
}

impl Deref for Disk {
    type Target = Stores;

    fn deref(&self) -> &Stores {
        &self.stores
    }
}

impl DerefMut for Disk {
    fn deref_mut(&mut self) -> &mut Stores {
        &mut self.stores
    }
}

impl Stores {
    /// What was written between these two is written here too: the rows that it put, and those that it deleted.
    pub(crate) fn go_on(&mut self, from: &Stores, to: &Stores) {
        go_on(&mut self.log, &from.log, &to.log);
        go_on(&mut self.values, &from.values, &to.values);
        go_on(&mut self.blobs, &from.blobs, &to.blobs);
        go_on(&mut self.aside, &from.aside, &to.aside);
        go_on(&mut self.uses, &from.uses, &to.uses);
        go_on(&mut self.tags, &from.tags, &to.tags);
        go_on(&mut self.moved, &from.moved, &to.moved);
        if from.values_bytes != to.values_bytes {
            self.values_bytes = to.values_bytes;
        }
        if from.last_given != to.last_given {
            self.last_given = to.last_given;
        }
    }
}

fn go_on<K: Ord + Clone, V: PartialEq + Clone>(
    rows: &mut BTreeMap<K, V>,
    from: &BTreeMap<K, V>,
    to: &BTreeMap<K, V>,
) {
    rows.retain(|key, _| !from.contains_key(key) || to.contains_key(key));
    let put = to.iter().filter(|(key, row)| from.get(key) != Some(row));
    rows.extend(put.map(|(key, row)| (key.clone(), row.clone())));
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
        if self.is_full(commit) {
            return failed(ErrorCode::QuotaExceeded, "the disk is full");
        }
        if let Some(clean) = &commit.clean {
            if self.last_key() != clean.expected_last {
                return Err(CommitFailure::Behind);
            }
            // As a browser does it: of values that it is not told of nothing is looked up.
            for key in &clean.known {
                self.strike_out(key);
            }
            for key in &clean.evict {
                self.values.remove(key);
            }
            let said = self.last_given + commit.segments.len() as u64;
            for (key, segment) in &clean.values {
                self.put_value(key, segment, said);
            }
            for key in &clean.delete_blobs {
                self.blobs.remove(key);
            }
            for key in &clean.set_aside {
                let bytes = self.log.get(key).map(|bytes| (*key, bytes.clone()));
                self.aside.extend(bytes);
            }
            self.log = self.log.split_off(&(clean.delete_through + 1));
        }
        self.blobs.extend(commit.blobs.iter().cloned());
        for segment in &commit.segments {
            self.last_given += 1;
            let key = self.last_given;
            self.log.insert(key, segment.clone());
        }
        Ok(self.last_given)
    }

    /// A value is moved here, as this segment says.
    pub(crate) fn put_value(&mut self, key: &str, segment: &[u8], said: u64) {
        let bytes = (key.len() + segment.len()) as u64;
        let used = self.now_ms;
        self.values_bytes += bytes;
        self.uses.insert(key.into(), Use { used, bytes });
        let tags = tags::store_keys(segment);
        self.tags
            .extend(tags.into_iter().map(|tag| (tag, key.into())));
        let step = self.step;
        self.moved.insert(key.into(), Move { step, said });
        self.values.insert(key.into(), segment.to_vec());
    }

    fn delete_value(&mut self, key: &str) {
        self.values.remove(key);
        self.strike_out(key);
    }

    /// The value counts no more, and is in no list.
    fn strike_out(&mut self, key: &str) {
        if !self.keeps_tags {
            self.tags.retain(|_, tagged| tagged != key);
        }
        if let Some(Use { bytes, .. }) = self.uses.remove(key) {
            self.values_bytes -= bytes;
        }
    }

    /// What is stored.
    pub(crate) fn bytes(&self) -> u64 {
        let log = self.log.values().map(Vec::len);
        let values = self.values.values().map(Vec::len);
        let blobs = self.blobs.values().map(|bytes| bytes.len());
        log.chain(values).chain(blobs).sum::<usize>() as u64
    }

    fn is_full(&self, commit: &Commit) -> bool {
        let Some(quota) = self.quota else {
            return false;
        };
        let segments = commit.segments.iter().map(Vec::len);
        let blobs = commit.blobs.iter().map(|(_, bytes)| bytes.len());
        let mut added = segments.chain(blobs).sum::<usize>() as u64;
        let mut deleted = 0;
        if let Some(clean) = &commit.clean {
            let values = clean.values.iter().map(|(_, segment)| segment.len());
            added += values.sum::<usize>() as u64;
            let old = self.log.range(..=clean.delete_through);
            deleted = old.map(|(_, segment)| segment.len()).sum::<usize>() as u64;
        }
        if self.counts_deleted {
            deleted = 0;
        }
        added > deleted && self.bytes() + added - deleted > quota
    }

    /// The values of the oldest use.
    pub(crate) fn oldest(&self, limit: usize) -> Oldest {
        let mut rows: Vec<Row> = self.uses.iter().map(row).collect();
        rows.sort_by(|one, two| (one.used, &one.key).cmp(&(two.used, &two.key)));
        rows.truncate(limit);
        Oldest {
            bytes: self.values_bytes,
            rows,
        }
    }

    /// Deletes values, unless they were used since or the log went on: which ones, and what is left counts for.
    pub(crate) fn evict(&mut self, evict: &Evict) -> Result<(Vec<Row>, u64), CommitFailure> {
        if self.last_key() > evict.expected_last {
            return Err(CommitFailure::Behind);
        }
        let newest = self.uses.values().map(|known| known.used).max();
        let used = self.now_ms.max(newest.unwrap_or(0));
        for key in &evict.touch {
            if let Some(known) = self.uses.get_mut(key) {
                known.used = used;
            }
        }
        let is_same = |wanted: &&Row| {
            let known = self.uses.get(&wanted.key);
            known.is_some_and(|known| known.used == wanted.used)
        };
        let gone: Vec<Row> = evict.delete.iter().filter(is_same).cloned().collect();
        for Row { key, .. } in &gone {
            self.delete_value(key);
        }
        Ok((gone, self.values_bytes))
    }

    /// Records uses, where the last recorded one is old.
    pub(crate) fn touch(&mut self, keys: &[String]) {
        let now_ms = self.now_ms;
        for key in keys {
            if let Some(known) = self.uses.get_mut(key)
                && now_ms.abs_diff(known.used) > RECORD_AGAIN_MS
            {
                known.used = now_ms;
            }
        }
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

    pub(crate) fn scan(&self, scan: &Scan) -> Vec<Found> {
        let mut all: Vec<Found> = match &scan.query {
            Query::Keys(interval) => {
                let keys = self.values.keys().filter(|key| interval.contains(key));
                keys.map(|key| self.found(key, None)).collect()
            }
            Query::Tagged(shelf) => {
                let prefix = tags::store_prefix(&shelf.tag);
                let keys = self.tags.iter().filter(|(tag, _)| tag.starts_with(&prefix));
                let born = keys.map(|(tag, key)| self.found(key, tags::born_of(tag)));
                let mut born: Vec<Found> = born.collect();
                born.sort_by_key(|found| found.born);
                born.retain(|found| match shelf.after {
                    Some(after) if shelf.newest => found.born < Some(after),
                    Some(after) => found.born > Some(after),
                    None => true,
                });
                born
            }
        };
        let is_backwards = match &scan.query {
            Query::Keys(interval) => interval.reverse,
            Query::Tagged(shelf) => shelf.newest,
        };
        if is_backwards {
            all.reverse();
        }
        all.truncate(scan.limit);
        if !scan.with_values {
            all.iter_mut().for_each(|found| found.bytes.clear());
        }
        all
    }

    fn found(&self, key: &str, born: Option<uplink_cache::task::Order>) -> Found {
        Found {
            key: key.into(),
            born,
            bytes: self.values.get(key).cloned().unwrap_or_default(),
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

fn row((key, known): (&String, &Use)) -> Row {
    Row {
        key: key.clone(),
        bytes: known.bytes,
        used: known.used,
    }
}
