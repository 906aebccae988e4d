//! Glances: what the index says of a key is what the whole log says of it.

use crate::model::{Held, broken, value_of};
use crate::world::World;
use std::collections::BTreeSet;
use uplink_cache::backup::Backup;
use uplink_cache::cache::{Entry, Glance, Step};
use uplink_cache::record::{self, Record};
use uplink_cache::task::{Order, Task};

/// A glance gives up where more segments than these may tell of the key.
const MAX_SEGMENTS: usize = 64;

impl World {
    /// Looks at one of the keys, each in its turn.
    pub(crate) fn check_glance(&mut self, turn: u64) -> Held {
        let (backup, has_page) = self.whole_log();
        let keys: BTreeSet<&str> = backup
            .tasks()
            .map(|task| task.submission.key.as_str())
            .collect();
        let Some(key) = keys.iter().nth(turn as usize % keys.len().max(1)) else {
            return Ok(());
        };
        let told = self.glance(key);
        let shown = backup.shown(key);
        let shown = shown.filter(|task| !task.state.status().is_settled());
        let is_sure = has_page
            && self.disk.log.len() <= MAX_SEGMENTS
            && self.climate.rot == 0
            && !self.unflushed.left_a_gap;
        let is_plain = shown.is_some_and(|task| value_of(&task.submission).is_some());
        let writers = backup.overlay().writers(key);
        let mut writers = writers.filter_map(|id| backup.task(id));
        let is_updated = writers.any(|task| task.submission.update.is_some());
        let is_right = match (&told, shown) {
            (Some(entry), Some(task)) => is_of(entry, task) && !is_updated,
            (Some(_), None) => false,
            (None, _) => !(is_sure && is_plain && !backup.has_updates()),
        };
        if !is_right {
            return broken(
                4,
                format!("a glance at {key} shows {told:?}, the log {shown:?}"),
            );
        }
        if told.is_some() {
            self.count("(a glance told of a key)");
        }
        Ok(())
    }

    fn whole_log(&self) -> (Backup, bool) {
        let mut backup = Backup::default();
        let mut has_page = false;
        for (segment, bytes) in &self.disk.log {
            for (place, record) in record::read(bytes).unwrap().records {
                has_page |= matches!(record, Record::Index(_));
                let order = Order {
                    segment: *segment,
                    index: place.start,
                };
                backup.fold(order, place.end - place.start, record);
            }
        }
        (backup, has_page)
    }

    fn glance(&self, key: &str) -> Option<Entry> {
        let first = self.disk.log.keys().next().copied().unwrap_or(0);
        let (mut glance, mut step) = Glance::begin(key, (first, self.disk.last_key()));
        loop {
            match step {
                Step::Done(entry) => return entry,
                Step::Read(intervals) => {
                    let segments = intervals
                        .into_iter()
                        .flat_map(|(first, last)| self.disk.log.range(first..=last))
                        .map(|(key, bytes)| (*key, bytes.clone()));
                    step = glance.look(segments.collect());
                }
            }
        }
    }
}

fn is_of(entry: &Entry, task: &Task) -> bool {
    entry.task == Some(task.submission.id)
        && entry.status == task.state.status()
        && entry.tx == task.tx()
        && entry.block == task.state.inclusion().map(|inclusion| inclusion.block)
        && entry.tags == task.submission.tags
        && Some(entry.value.to_vec()) == value_of(&task.submission)
}
