//! A bit of the log turns while the browser is closed. What that may cost is the record that it is in, and nothing else.
//!
//! Mostly it hits the only full record of a task that came signed, is not final, and that no other submission repeats: then
//! all around must go on as before. In some worlds it hits any byte at all: then the tasks that the record told of are
//! what the rest of the log says of them, and only what the chain shows of them can still be true.

use crate::climate::pick;
use crate::model::{End, Fact, Held, broken};
use crate::world::{World, short};
use std::collections::BTreeMap;
use uplink_cache::backup::Backup;
use uplink_cache::log::BlobKey;
use uplink_cache::record::{self, Record};
use uplink_cache::task::{Order, Status, TaskId};

impl World {
    /// The browser is closed by force, and when it comes again it reads something else.
    pub(crate) fn rot(&mut self) -> Held {
        self.kill_browser()?;
        // What was under way is stored before the bit turns, or not at all.
        while !self.disk.queue.is_empty() {
            self.complete_commit()?;
        }
        self.flush();
        let blobs = self.open_blobs();
        if !blobs.is_empty() && self.rng.bool() {
            self.rot_blob(&blobs);
        } else if self.climate.rots_anywhere && self.rng.bool() {
            self.rot_anywhere()?;
        } else {
            self.rot_a_task();
        }
        self.model.history.clear();
        self.model.check_disk(&self.disk, 1)
    }

    fn rot_a_task(&mut self) {
        let places = self.full_records();
        if places.is_empty() {
            return;
        }
        let (id, key, place) = pick(&mut self.rng, &places).clone();
        let at = self.rng.usize(place.start as usize..place.end as usize);
        self.turn(key, at);
        self.say(|_| format!("{} is lost", short(id)));
        if let Some(fact) = self.model.facts.get_mut(&id) {
            fact.end = End::Damaged;
        }
    }

    /// Long parts of tasks that are not final.
    fn open_blobs(&self) -> Vec<BlobKey> {
        let may_go = |key: &&BlobKey| {
            let fact = self.model.facts.get(&key.0);
            fact.is_some_and(|fact| fact.is_open() && fact.state.status() != Status::Final)
        };
        self.disk.blobs.keys().filter(may_go).copied().collect()
    }

    fn rot_blob(&mut self, blobs: &[BlobKey]) {
        let key = *pick(&mut self.rng, blobs);
        let Some(bytes) = self.disk.blobs.get_mut(&key) else {
            return;
        };
        let mut turned = bytes.to_vec();
        let at = self.rng.usize(..turned.len());
        turned[at] ^= 1 << self.rng.u8(..8);
        *bytes = turned.into();
        if at.is_multiple_of(4) {
            self.disk.blobs.remove(&key);
            self.say(|_| format!("{key:?} is lost"));
            self.count("a long part is lost");
        } else {
            self.say(|_| format!("byte {at} of {key:?} turns"));
            self.count("a bit of a long part turns");
        }
        if let Some(fact) = self.model.facts.get_mut(&key.0) {
            fact.is_hurt = true;
        }
    }

    fn turn(&mut self, key: u64, at: usize) {
        let bit = 1 << self.rng.u8(..8);
        self.say(|_| format!("byte {at} of segment {key} turns"));
        if let Some(segment) = self.disk.log.get_mut(&key) {
            segment[at] ^= bit;
            let segment = segment.clone();
            self.rotten.insert(key, segment);
        }
    }

    /// Any byte of any segment: the headers, the lengths, the checksums. A segment is hit so once, as the same bit would
    /// mend it.
    fn rot_anywhere(&mut self) -> Held {
        let keys = self.disk.log.keys().copied();
        let keys: Vec<u64> = keys.filter(|key| !self.rotten.contains_key(key)).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let key = *pick(&mut self.rng, &keys);
        let segment = &self.disk.log[&key];
        let at = self.rng.usize(..segment.len());
        let mut kept = record::read(segment).unwrap().records;
        kept.retain(|(place, _)| !(place.start as usize..place.end as usize).contains(&at));
        self.turn(key, at);
        self.count(match at {
            0..record::HEADER_LEN => "a bit of a segment's header turns",
            _ => "a bit of any record turns",
        });
        match record::read(&self.disk.log[&key]) {
            Ok(contents) if contents.records != kept => {
                return broken(
                    1,
                    format!("a bit at {at} of segment {key} takes other records along"),
                );
            }
            Ok(contents) if contents.damage.is_none() => {
                return broken(12, format!("a bit at {at} of segment {key} is not noticed"));
            }
            Ok(_) => {}
            Err(error) => return broken(12, format!("a bit at {at}: {error:?}")),
        }
        let backup = fold(&self.disk.log);
        self.model.adopt(&self.chain, &backup);
        Ok(())
    }

    /// Where each task stands that may be lost.
    fn full_records(&self) -> Vec<(TaskId, u64, std::ops::Range<u32>)> {
        let mut places: BTreeMap<TaskId, Vec<(u64, std::ops::Range<u32>)>> = BTreeMap::new();
        for (key, segment) in &self.disk.log {
            for (place, record) in record::read(segment).unwrap().records {
                let id = match &record {
                    Record::Submitted(submission) => Some(submission.id),
                    Record::Snapshot(task) | Record::Imported(task) => Some(task.submission.id),
                    _ => None,
                };
                if let Some(id) = id {
                    places.entry(id).or_default().push((*key, place.clone()));
                }
            }
        }
        if fold(&self.disk.log).last_ignored().is_some() {
            return Vec::new();
        }
        let alone = places.into_iter().filter(|(_, places)| places.len() == 1);
        let may_go = |id: &TaskId| {
            self.model.facts.get(id).is_some_and(|fact| {
                fact.is_open() && fact.signer().is_none() && fact.state.status() != Status::Final
            })
        };
        let alone = alone.filter(|(id, _)| may_go(id));
        let alone = alone.flat_map(|(id, places)| {
            let places = places.into_iter();
            places.map(move |(key, place)| (id, key, place))
        });
        alone.collect()
    }

    /// Whether anything of the stores can be otherwise than it was written.
    pub(crate) fn has_rotted(&self) -> bool {
        let is_hurt = |fact: &Fact| fact.is_hurt || fact.end == End::Damaged;
        !self.rotten.is_empty() || self.model.facts.values().any(is_hurt)
    }

    /// What is damaged is in the log as it is, or set aside.
    pub(crate) fn check_rotten(&self) -> Held {
        for (key, bytes) in &self.rotten {
            let stored = self.disk.log.get(key).or_else(|| self.disk.aside.get(key));
            if stored != Some(bytes) {
                return broken(12, format!("the damaged segment {key} is gone"));
            }
        }
        Ok(())
    }
}

/// What the log says now.
pub(crate) fn fold(log: &BTreeMap<u64, Vec<u8>>) -> Backup {
    let mut backup = Backup::default();
    for (key, segment) in log {
        for (place, record) in record::read(segment).unwrap().records {
            let order = Order {
                segment: *key,
                index: place.start,
            };
            backup.fold(order, place.end - place.start, record);
        }
    }
    backup
}
