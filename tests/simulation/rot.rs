//! A bit of the log turns while the browser is closed. What that may cost is the record that it is in, and nothing else.
//!
//! It hits the only full record of a task that came signed, is not final, and that no other submission repeats: what the
//! loss of another record would mean for the tasks around is not in this model.

use crate::climate::pick;
use crate::model::{End, Held, broken};
use crate::world::{World, short};
use std::collections::BTreeMap;
use uplink_cache::backup::Backup;
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
        let places = self.full_records();
        if places.is_empty() {
            return Ok(());
        }
        let (id, key, place) = pick(&mut self.rng, &places).clone();
        let at = self.rng.usize(place.start as usize..place.end as usize);
        let bit = 1 << self.rng.u8(..8);
        let Some(segment) = self.disk.log.get_mut(&key) else {
            return Ok(());
        };
        segment[at] ^= bit;
        self.rotten.insert(key, segment.clone());
        self.say(|_| format!("byte {at} of segment {key} turns: {} is lost", short(id)));
        if let Some(fact) = self.model.facts.get_mut(&id) {
            fact.end = End::Damaged;
        }
        self.model.check_disk(&self.disk, 1)
    }

    /// Where each task stands that may be lost.
    fn full_records(&self) -> Vec<(TaskId, u64, std::ops::Range<u32>)> {
        let mut backup = Backup::default();
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
                let order = Order {
                    segment: *key,
                    index: place.start,
                };
                backup.fold(order, place.end - place.start, record);
            }
        }
        if backup.last_ignored().is_some() {
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
