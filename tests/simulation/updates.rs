//! Users submit updates among plain writes; and what keys must show and settle then, computed the obvious way: all that the
//! tab knows of the key, sorted, and applied one after the other.

use crate::climate::pick;
use crate::disk::{Disk, TabRef};
use crate::model::{End, Fact, Held, Model, broken, settled};
use crate::tabs::Tab;
use crate::users::Draft;
use crate::world::{World, short};
use std::collections::{BTreeMap, BTreeSet};
use uplink_cache::cache::{Cache, Entry, Previous, Source, Updates};
use uplink_cache::log::Commit;
use uplink_cache::record::{self, Record, Settled};
use uplink_cache::task::{self, Reason, State, Status, Tag, Task, TaskId};

/// Puts the argument behind the value below: it tells each update, how often it was applied, and in which order.
const APPEND: &str = "append";
/// The same, but throws at certain arguments.
const PICKY: &str = "picky";
/// The same under a name that only the newer version of the dapp has.
const NEW: &str = "new \u{1f600}";
/// Values stay shorter than twice that.
const MOST_BYTES: usize = 2_000;

/// A version of the dapp's functions.
#[derive(Debug, Default, Clone)]
pub(crate) struct Functions {
    names: BTreeSet<&'static str>,
}

impl Functions {
    pub(crate) fn all() -> Self {
        Functions {
            names: BTreeSet::from([APPEND, PICKY, NEW]),
        }
    }

    fn old() -> Self {
        Functions {
            names: BTreeSet::from([APPEND, PICKY]),
        }
    }
}

impl Updates for Functions {
    fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    fn apply(
        &self,
        name: &str,
        previous: Option<&Previous>,
        argument: &[u8],
    ) -> Result<Vec<u8>, String> {
        assert!(self.has(name), "{name} is not registered");
        if name == PICKY && throws(argument) {
            return Err("I do not like it".into());
        }
        let below = previous.map(|it| (&*it.value, it.is_calldata));
        Ok(appended(below, argument))
    }
}

fn throws(argument: &[u8]) -> bool {
    argument.first().is_some_and(|first| first % 3 == 0)
}

fn appended(below: Option<(&[u8], bool)>, argument: &[u8]) -> Vec<u8> {
    let (value, is_calldata) = below.unwrap_or_default();
    let kept = value.len().saturating_sub(MOST_BYTES);
    let mut made = value[kept..].to_vec();
    if is_calldata {
        made.push(0xcd);
    }
    made.extend(record::checksum(argument).to_le_bytes());
    made
}

/// What is settled of a key: its value, whether it is calldata, where the last thing in it stands, and where the last write
/// in it that is no update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    value: Vec<u8>,
    is_calldata: bool,
    place: (u64, u32),
    base: Option<(u64, u32)>,
    /// What stands last in it was submitted again after it had settled.
    is_repeated: bool,
}

/// What the model keeps for updates.
#[derive(Debug, Default, Clone)]
pub(crate) struct Rows {
    /// What each submission gives reads, and whether it is calldata.
    pub(crate) values: BTreeMap<TaskId, (Vec<u8>, bool)>,
    rows: BTreeMap<String, Row>,
    /// Keys of which it is not known any more what is settled: evicted, or records that told of it are damaged.
    unsure: BTreeSet<String>,
    /// Keys that an update was ever submitted for.
    pub(crate) keys: BTreeSet<String>,
}

impl Rows {
    /// The value is not in the store any more.
    pub(crate) fn forget(&mut self, key: &str) {
        self.rows.remove(key);
        self.unsure.insert(key.into());
    }
}

pub(crate) fn place(state: &State) -> Option<(u64, u32)> {
    let inclusion = state.inclusion()?;
    Some((inclusion.block.number, inclusion.index))
}

/// The tasks whose values reads of a key may get.
fn visible<'a>(tab: &'a Tab, key: &str) -> impl Iterator<Item = &'a Task> {
    let tasks = tab.cache.iter().flat_map(Cache::tasks);
    tasks.filter(move |task| task.submission.key == key && task.state.is_visible())
}

/// Where the last final write of a key that is no update stands in the chain.
fn last_write(tab: &Tab, key: &str) -> Option<(u64, u32)> {
    let finals = visible(tab, key).filter(|task| task.state.status() == Status::Final);
    let writes = finals.filter(|task| task.submission.update.is_none());
    writes.filter_map(|task| place(&task.state)).max()
}

/// What a tab must show of a key.
struct Sight {
    /// None where the model does not know it.
    value: Option<Vec<u8>>,
    tags: Vec<Tag>,
    /// The task that it shows, and whether updates are a part of it.
    is_piled: bool,
}

impl World {
    /// Some tabs have an older version of the dapp.
    pub(crate) fn draw_functions(&mut self) -> Functions {
        if self.climate.updates == 0 {
            return Functions::default();
        }
        if self.strikes("a tab lacks an update's function", 250) {
            Functions::old()
        } else {
            Functions::all()
        }
    }

    /// Whether a new submission is an update, and which.
    pub(crate) fn choose_update(&mut self, tab: usize, draft: &mut Draft) {
        if self.climate.updates == 0 || self.rng.u32(..1_000) >= self.climate.updates {
            return;
        }
        let name = *pick(&mut self.rng, &[APPEND, APPEND, NEW, PICKY]);
        let Some(key) = draft.key.clone().filter(|_| draft.value.is_some()) else {
            return;
        };
        if !self.tabs[tab].functions.has(name) {
            return;
        }
        self.count("(a task is an update)");
        self.model.rows.keys.insert(key);
        draft.update = Some(name.into());
    }

    /// Whether the tab can make the value of a task.
    fn can_make(&self, tab: &Tab, task: &Task) -> bool {
        let Some(name) = &task.submission.update else {
            return true;
        };
        tab.functions.has(name) && !self.model.throws(task)
    }

    /// Tabs never say that a task is about to go out whose value they cannot make.
    pub(crate) fn check_begun(&self, at: TabRef, commit: &Commit) -> Held {
        if self.climate.updates == 0 {
            return Ok(());
        }
        let tab = &self.tabs[at.tab];
        let Some(cache) = &tab.cache else {
            return Ok(());
        };
        let read = commit
            .segments
            .iter()
            .filter_map(|it| record::read(it).ok());
        for (_, record) in read.flat_map(|contents| contents.records) {
            let id = match record {
                Record::Event(id, task::Event::SendStarted | task::Event::SignStarted { .. }) => id,
                _ => continue,
            };
            let task = cache.task(id);
            if task.is_some_and(|task| !self.can_make(tab, task)) {
                let id = short(id);
                return broken(15, format!("{id} goes out, and its update makes nothing"));
            }
        }
        Ok(())
    }

    /// The newest write of a key that is not settled, by what the tab knows: none where that may be in what is settled, or
    /// below it.
    pub(crate) fn expected<'a>(&self, tab: &'a Tab, key: &str) -> Option<&'a Task> {
        let newest = self.newest_open(tab, key)?;
        let own = place(&newest.state);
        let may_be_below = own.is_some() && newest.submission.update.is_some();
        let is_below = own.is_some() && last_write(tab, key) > own;
        (!may_be_below && !is_below).then_some(newest)
    }

    fn newest_open<'a>(&self, tab: &'a Tab, key: &str) -> Option<&'a Task> {
        let open = visible(tab, key).filter(|task| task.state.status() != Status::Final);
        let open = open.filter(|task| self.can_make(tab, task));
        open.max_by_key(|task| (task.order, task.submission.id))
    }

    /// What the chain wrote over is not shown any more: not even while only what it was written over by is final.
    pub(crate) fn check_not_over(&self, tab: &Tab, entry: &Entry) -> Held {
        let of_task = entry.task.filter(|_| entry.status != Status::Final);
        let (Some(shown), false) = (of_task, self.model.rows.keys.contains(&entry.key)) else {
            return Ok(());
        };
        let open = self.newest_open(tab, &entry.key);
        let own = open.and_then(|task| place(&task.state));
        let last = last_write(tab, &entry.key);
        if own.is_some() && own < last {
            let (key, shown) = (&entry.key, short(shown));
            return broken(
                9,
                format!("{key} shows {shown}, and was written over at {last:?}"),
            );
        }
        Ok(())
    }

    /// What the key shows where an update writes it, in a tab that has read the whole log.
    fn sight(&self, tab: &Tab, cache: &Cache, key: &str) -> Option<Sight> {
        let row = self.disk.values.get(key).and_then(|bytes| settled(bytes));
        let own = |task: &&Task| task.submission.key == key && task.state.is_visible();
        let mut tasks: Vec<&Task> = cache.tasks().filter(own).collect();
        tasks.sort_by_key(|task| (task.order, task.submission.id));
        let (finals, open): (Vec<&Task>, Vec<&Task>) = tasks
            .into_iter()
            .partition(|task| task.state.status() == Status::Final);
        let is_update = |task: &&Task| task.submission.update.is_some();
        let last = finals.iter().filter(|task| !is_update(task));
        let last = last.max_by_key(|task| place(&task.state)).copied();
        // The chain may have written over it.
        let is_last = |at: &usize| {
            let own = place(&open[*at].state);
            own.is_none() || last.is_none_or(|last| place(&last.state) <= own)
        };
        let write = open.iter().rposition(|task| !is_update(task));
        let write = write.filter(is_last);
        let mut updates: Vec<&Task> = finals.into_iter().filter(is_update).collect();
        updates.sort_by_key(|task| (place(&task.state), task.order));
        // The lowest thing, up to where it holds or hides updates.
        let (mut tags, mut value, mut is_calldata, held): (Vec<Tag>, _, _, Option<(u64, u32)>);
        let of_task = |task: &Task| {
            let (value, is_calldata) = self.model.rows.values[&task.submission.id].clone();
            (
                task.submission.tags.clone(),
                Some(value),
                is_calldata,
                place(&task.state),
            )
        };
        let row_place = row.as_ref().map(row_place);
        if let Some(at) = write {
            if place(&open[at].state).is_none() {
                updates.clear();
            }
            updates.extend(&open[at + 1..]);
            (tags, value, is_calldata, held) = of_task(open[at]);
        } else {
            updates.extend(open.iter().filter(|task| is_update(task)));
            match last.filter(|task| place(&task.state) >= row_place) {
                Some(task) => (tags, value, is_calldata, held) = of_task(task),
                None => {
                    held = row.as_ref().and_then(|row| match row.stacked {
                        Some(it) if it.as_of >= cache.log().position() => row_place,
                        Some(it) => it.base,
                        None => row_place,
                    });
                    tags = row.as_ref().map_or(vec![], |row| row.tags.clone());
                    is_calldata = row.as_ref().is_some_and(|row| row.is_calldata);
                    value = row.map(|row| row.value.to_vec());
                }
            }
        }
        updates.retain(|task| place(&task.state).is_none_or(|place| Some(place) > held));
        let is_piled = !updates.is_empty();
        for task in updates.into_iter().filter(|task| self.can_make(tab, task)) {
            let (argument, _) = &self.model.rows.values[&task.submission.id];
            let below = value.as_deref().map(|value| (value, is_calldata));
            value = Some(appended(below, argument));
            is_calldata = false;
            if !task.submission.tags.is_empty() {
                tags = task.submission.tags.clone();
            }
        }
        value.is_some().then_some(Sight {
            value,
            tags,
            is_piled,
        })
    }

    fn is_sure(&self, at: TabRef, key: &str) -> bool {
        let cache = self.tabs[at.tab].cache.as_ref();
        let is_current = cache.is_some_and(|cache| {
            cache.log().position() == self.disk.last_key() && !cache.is_restarting()
        });
        is_current && self.rotten.is_empty() && !self.model.rows.unsure.contains(key)
    }

    /// The tags that a list must find the key by, where updates are a part of what it shows; None where they are not.
    pub(crate) fn tags_of_pile(&self, tab: &Tab, key: &str) -> Option<Option<Vec<Tag>>> {
        if !self.model.rows.keys.contains(key) {
            return None;
        }
        let sight = self.sight(tab, tab.cache.as_ref()?, key);
        Some(sight.map(|sight| sight.tags))
    }

    /// What just left the backup may have been written over by what is in the store alone: who peeks need not know that either.
    pub(crate) fn is_overtaken(&self, entry: &Entry) -> bool {
        let row = self.model.rows.rows.get(&entry.key);
        let place = self.place_of(entry).filter(|_| entry.task.is_none());
        row.zip(place)
            .is_some_and(|(row, place)| place < row.place || row.is_repeated && place == row.place)
    }

    /// Whether what a key shows is what its updates make of what is below them.
    pub(crate) fn check_pile(&mut self, at: TabRef, entry: &Entry) -> Held {
        let key = &entry.key;
        if !self.model.rows.keys.contains(key) || !self.is_sure(at, key) {
            return Ok(());
        }
        let tab = &self.tabs[at.tab];
        let Some(cache) = &tab.cache else {
            return Ok(());
        };
        let Some(sight) = self.sight(tab, cache, key) else {
            return broken(15, format!("{key} shows {entry:?}, and nothing is there"));
        };
        // What is final may have been written over by what is in the store alone: who peeks need not know.
        if !sight.is_piled && entry.task.is_some() {
            return Ok(());
        }
        if sight.value.as_deref() != Some(&entry.value) {
            return broken(
                15,
                format!("{key} shows {entry:?}, it must be {:?}", sight.value),
            );
        }
        *self
            .faults
            .entry("(what updates made is shown)")
            .or_default() += u64::from(sight.is_piled);
        Ok(())
    }

    /// The same of a read, which may ask for a part of it.
    pub(crate) fn check_pile_read(&mut self, at: TabRef, source: Source, entry: &Entry) -> Held {
        match source {
            Source::Any => self.check_pile(at, entry),
            Source::Backup | Source::Cache | Source::Chain => Ok(()),
        }
    }

    /// Whether the tab has an older version of the dapp, without the draft's update.
    pub(crate) fn lacks(&self, at: TabRef, draft: &Draft) -> bool {
        let name = draft.update.as_ref();
        name.is_some_and(|name| !self.tabs[at.tab].functions.has(name))
    }

    /// Whoever reads a key finds nothing where nothing is.
    pub(crate) fn check_pile_absent(&self, at: TabRef, key: &str, source: Source) -> Held {
        let tab = &self.tabs[at.tab];
        let is_concerned = source == Source::Any && self.model.rows.keys.contains(key);
        let Some(cache) = tab.cache.as_ref().filter(|_| is_concerned) else {
            return Ok(());
        };
        match self
            .sight(tab, cache, key)
            .filter(|_| self.is_sure(at, key))
        {
            Some(sight) => broken(15, format!("{key} is not found, it is {:?}", sight.value)),
            None => Ok(()),
        }
    }

    /// A tab that lacks a function cannot help those that wait for it.
    pub(crate) fn wants_functions(&self, tab: &Tab) -> bool {
        let waits = |fact: &Fact| {
            fact.is_unsettled()
                && fact.cause() == Some(Reason::UpdateFailed)
                && !self.model.throws(&fact.task)
        };
        !tab.functions.has(NEW) && self.model.facts.values().any(waits)
    }
}

fn row_place(row: &Settled) -> (u64, u32) {
    (row.inclusion.block.number, row.inclusion.index)
}

impl Model {
    /// Whether the task's function throws, wherever it is called.
    pub(crate) fn throws(&self, task: &Task) -> bool {
        let argument = self.rows.values.get(&task.submission.id);
        task.submission.update.as_deref() == Some(PICKY)
            && argument.is_some_and(|(argument, _)| throws(argument))
    }

    /// Final tasks leave: each of their updates is applied once, and none before what is below it.
    pub(crate) fn settle(&mut self, ids: &[TaskId]) -> Held {
        let mut by_key: BTreeMap<String, Vec<TaskId>> = BTreeMap::new();
        for id in ids {
            if let Some(fact) = self.facts.get(id).filter(|fact| fact.end == End::Open) {
                let key = fact.submission.key.clone();
                by_key.entry(key).or_default().push(*id);
            }
        }
        for (key, mut ids) in by_key {
            if self.facts.values().any(|fact| fact.is_hurt) {
                self.rows.forget(&key);
                continue;
            }
            ids.sort_by_key(|id| (place(&self.facts[id].state), self.facts[id].order));
            let mut row = self.rows.rows.get(&key).cloned();
            for id in &ids {
                row = self.with_write(row, *id);
            }
            for id in &ids {
                row = self.with_update(row, *id, &ids)?;
            }
            if let Some(row) = row {
                self.rows.rows.insert(key, row);
            }
        }
        Ok(())
    }

    fn with_write(&self, row: Option<Row>, id: TaskId) -> Option<Row> {
        let fact = &self.facts[&id];
        let Some(place) = place(&fact.state).filter(|_| fact.submission.update.is_none()) else {
            return row;
        };
        if row.as_ref().is_some_and(|row| row.place > place) {
            return row;
        }
        let (value, is_calldata) = self.rows.values[&id].clone();
        Some(Row {
            value,
            is_calldata,
            place,
            base: Some(place),
            is_repeated: row.is_some_and(|row| row.place == place),
        })
    }

    fn with_update(
        &self,
        row: Option<Row>,
        id: TaskId,
        leaving: &[TaskId],
    ) -> Result<Option<Row>, crate::model::Violation> {
        let fact = &self.facts[&id];
        let Some(own) = place(&fact.state).filter(|_| fact.submission.update.is_some()) else {
            return Ok(row);
        };
        if row.as_ref().is_some_and(|row| row.base >= Some(own)) {
            return Ok(row);
        }
        if self.throws(&fact.task) {
            broken(15, format!("{} leaves, and its update throws", short(id)))?;
        }
        let is_lower = |(other, fact): &(&TaskId, &Fact)| {
            fact.is_open()
                && fact.submission.key == self.facts[&id].submission.key
                && fact.state.status() == Status::Final
                && !leaving.contains(other)
                && place(&fact.state) < Some(own)
        };
        if let Some((other, _)) = self.facts.iter().find(is_lower) {
            let (id, other) = (short(id), short(*other));
            broken(15, format!("{id} leaves before {other}, which is below it"))?;
        }
        let below = row.as_ref().map(|row| (&row.value[..], row.is_calldata));
        Ok(Some(Row {
            value: appended(below, &self.rows.values[&id].0),
            is_calldata: false,
            place: row.as_ref().map_or(own, |row| row.place.max(own)),
            base: row.as_ref().and_then(|row| row.base),
            is_repeated: row
                .is_some_and(|row| row.place == own || row.is_repeated && row.place > own),
        }))
    }

    /// What the store holds is what updates made of it.
    pub(crate) fn check_rows(&self, disk: &Disk) -> Held {
        for key in self.rows.keys.difference(&self.rows.unsure) {
            let Some(row) = self.rows.rows.get(key) else {
                continue;
            };
            let stored = disk.values.get(key).and_then(|bytes| settled(bytes));
            let is_same = stored.as_ref().is_some_and(|it| *it.value == row.value[..]);
            if !is_same {
                return broken(
                    15,
                    format!("{key} is settled as {stored:?}, it must be {row:?}"),
                );
            }
        }
        Ok(())
    }
}
