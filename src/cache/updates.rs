//! Optimistic updates: tasks whose value is what a function of the dapp makes of the value below it.
//!
//! A key shows its newest write that is no update and is not settled, unless the chain executed a final one after it, else what
//! is settled; and on top of that its updates, the final ones in the chain's order and then the others in the log's. What fails
//! is left out, and so is what an executed write that comes later in the chain wrote over. Functions are pure: what they make
//! can be kept, and every tab makes the same. When final updates leave the backup, what they make is stored.

use super::freshness::{Age, Wanted};
use super::holding::Held;
use super::reading::{self, Entry, Source, known_entry, task_entry};
use super::{Cache, Done, GetFor, MAX_VALUE_BYTES, Notice, Place, inline_value, invalid};
use crate::backup::Backup;
use crate::error::Error;
use crate::memory::{Known, Standing};
use crate::ordered::OrderedMap;
use crate::overlay::Below;
use crate::record::{Settled, Stacked, settled};
use crate::task::{
    Inclusion, MAX_UPDATE_BYTES, Reason, State, Status, Submission, Tag, Task, TaskId, Value,
};
use std::rc::Rc;

/// Of how many keys it is kept what their updates made.
const MAX_PILES: usize = 1_000;
/// How many bytes of values are kept so.
const MAX_PILE_BYTES: usize = 8 * 1024 * 1024;

/// The value below an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Previous {
    /// As encoded by the codec, or calldata.
    pub value: Rc<[u8]>,
    /// Whether it is calldata.
    pub is_calldata: bool,
}

/// The dapp's functions, which are pure.
pub trait Updates {
    /// Whether there is a function of this name.
    fn has(&self, name: &str) -> bool;

    /// What it makes of the value below and what the task was submitted with.
    ///
    /// # Errors
    /// Why it made nothing.
    fn apply(
        &self,
        name: &str,
        previous: Option<&Previous>,
        argument: &[u8],
    ) -> Result<Vec<u8>, String>;
}

/// There are none.
#[derive(Debug)]
pub struct NoUpdates;

impl Updates for NoUpdates {
    fn has(&self, _: &str) -> bool {
        false
    }

    fn apply(&self, name: &str, _: Option<&Previous>, _: &[u8]) -> Result<Vec<u8>, String> {
        Err(unregistered(name))
    }
}

/// What a key's tasks say, without what is settled.
struct Pile<'a> {
    /// The newest write that is no update and not settled, if it is shown.
    write: Option<&'a Task>,
    /// Else, of the final ones that are no updates, the last in the chain.
    last: Option<&'a Task>,
    /// Updates, the lowest first.
    updates: Vec<&'a Task>,
}

/// What is below a key's updates.
enum Base<'a> {
    /// The store has to be asked.
    Unknown,
    Nothing,
    Task(&'a Task),
    Known(Box<Known>),
    /// What was shown before it was unknown.
    Held(&'a Held),
}

/// What came of a key's updates.
struct Made {
    base: Option<Previous>,
    /// Each of them, and why it made nothing.
    steps: Vec<(TaskId, Option<String>)>,
    /// The last value that one made.
    value: Option<Rc<[u8]>>,
}

/// A final task that leaves the backup, and its value where that is not at hand.
pub(super) type Leaving<'a> = (&'a Task, Option<Rc<[u8]>>);

/// What was made, by key.
#[derive(Default)]
pub(super) struct Piles {
    made: OrderedMap<String, Rc<Made>>,
    bytes: usize,
}

/// What a key shows, of which updates are a part.
pub(super) enum Shows {
    Entry(Box<Entry>),
    Nothing,
    /// What is settled must be known.
    Unknown,
    /// Values of these tasks are not at hand.
    Missing(Vec<(TaskId, Place)>),
}

/// Whether a task may be sent.
enum Trial {
    Passed,
    Failed(String),
    /// What it is applied to is not at hand.
    Missing(Vec<Place>),
}

impl Shows {
    /// The entry, if it is at hand.
    pub(super) fn entry(self) -> Option<Entry> {
        match self {
            Shows::Entry(entry) => Some(*entry),
            Shows::Nothing | Shows::Unknown | Shows::Missing(_) => None,
        }
    }
}

impl Piles {
    fn keep(&mut self, key: &str, made: &Rc<Made>) {
        let len = made.value.as_ref().map_or(0, |value| value.len());
        if self.made.len() >= MAX_PILES || self.bytes + len > MAX_PILE_BYTES {
            *self = Piles::default();
        }
        self.bytes += len;
        self.made.insert(key.into(), made.clone());
    }

    fn take(&mut self, key: &str) -> Option<Rc<Made>> {
        let made = self.made.remove(key)?;
        self.bytes -= made.value.as_ref().map_or(0, |value| value.len());
        Some(made)
    }
}

impl Cache {
    /// Whether updates are a part of what the key shows.
    pub(super) fn is_piled(&self, key: &str) -> bool {
        self.pile(key, &|_| true).is_some()
    }

    /// What the key shows without waiting; `None` where no update is a part of it.
    pub(super) fn piled(&self, key: &str) -> Option<Shows> {
        let pile = self.pile(key, &|_| true)?;
        let base = self.base(key, &pile);
        Some(self.shows(key, &pile, &base))
    }

    /// The same, where the store was asked, and the chain is not: what is not at hand is nothing.
    pub(super) fn piled_by_now(&self, key: &str) -> Option<Shows> {
        let pile = self.pile(key, &|_| true)?;
        let base = self.base_by_now(key, &pile);
        Some(self.shows(key, &pile, &base))
    }

    /// What the key shows where the store is being asked: updates that came since stand on what is held.
    pub(super) fn piled_over_held(&self, key: &str) -> Option<Entry> {
        let pile = self.pile(key, &|_| true)?;
        let base = Base::Held(self.whole(key)?);
        self.shows(key, &pile, &base).entry()
    }

    /// The tasks of which what the key shows is made; `None` where no update is a part of it.
    pub(super) fn parts(&self, key: &str) -> Option<Vec<TaskId>> {
        let pile = self.pile(key, &|_| true)?;
        let piles = self.piles.borrow();
        let steps = piles.made.get(key).map_or(&[][..], |made| &made.steps);
        let is_good = |task: &&Task| {
            let is_failed = |(id, cause): &(TaskId, Option<String>)| {
                *id == task.submission.id && cause.is_some()
            };
            !steps.iter().any(is_failed)
        };
        let updates = pile.updates.into_iter().filter(is_good);
        let tasks = pile.write.or(pile.last).into_iter().chain(updates);
        Some(tasks.map(|task| task.submission.id).collect())
    }

    /// What a list shows of the key over its settled value; `None` where no update is a part of it.
    pub(super) fn piled_over(
        &self,
        key: &str,
        row: impl FnOnce() -> Option<Option<Settled>>,
    ) -> Option<Shows> {
        let pile = self.pile(key, &|_| true)?;
        let base = match pile.write {
            Some(task) => Base::Task(task),
            None => match row() {
                None => Base::Unknown,
                Some(row) => later(row.as_ref().map(reading::known_of), pile.last),
            },
        };
        Some(self.shows(key, &pile, &base))
    }

    /// A read of a key that updates are a part of. Gives it back where the store must be asked first, or where there
    /// are none.
    pub(super) fn read_piled(&mut self, wanted: Wanted, was_asked: bool) -> Option<Wanted> {
        let key = wanted.key.clone();
        let is_open = |task: &Task| !task.state.status().is_settled();
        let source = if wanted.wants_newest {
            Source::Any
        } else {
            wanted.source
        };
        let counts = |task: &Task| source != Source::Cache || !is_open(task);
        let Some(pile) = self.pile(&key, &counts).filter(|_| source != Source::Chain) else {
            return Some(wanted);
        };
        let is_any_open = pile.write.is_some() || pile.updates.iter().any(|task| is_open(task));
        if source == Source::Backup && !is_any_open {
            self.done(wanted.ask, Ok(Done::Entry(None)));
            return None;
        }
        let base = if was_asked {
            self.base_by_now(&key, &pile)
        } else {
            self.base(&key, &pile)
        };
        let asks_store = match &base {
            Base::Unknown => !was_asked,
            Base::Nothing | Base::Task(_) | Base::Known(_) | Base::Held(_) => false,
        };
        if asks_store {
            return Some(wanted);
        }
        let age = self.age_of_base(&base, &wanted);
        if age == Age::Old && wanted.source == Source::Any && self.config.has_reader {
            self.read_from_chain(wanted);
            return None;
        }
        let shows = self.shows(&key, &pile, &base);
        let is_used = matches!(base, Base::Known(known) if known.read_ms.is_none());
        if age == Age::Stale {
            self.refresh(key.clone());
        }
        if is_used {
            self.used(&key);
        }
        match shows {
            Shows::Entry(entry) => {
                let is_stale = age != Age::Fresh;
                let entry = Entry { is_stale, ..*entry };
                self.done(wanted.ask, Ok(Done::Entry(Some(entry))));
            }
            Shows::Nothing | Shows::Unknown => self.done(wanted.ask, Ok(Done::Entry(None))),
            Shows::Missing(missing) => {
                if let Some((id, place)) = missing.into_iter().next() {
                    self.get(GetFor::Blob(wanted, id), vec![place]);
                }
            }
        }
        None
    }

    /// The store said that nothing is settled of a key that tasks write, when so much had been moved.
    pub(super) fn found_nothing(&mut self, key: &str, moves: u64) {
        if moves == self.shelves.moves() {
            let backup = self.before_restart.as_mut().unwrap_or(&mut self.backup);
            backup.found_below(key, Below::Nothing);
        }
    }

    fn age_of_base(&self, base: &Base, wanted: &Wanted) -> Age {
        match base {
            Base::Task(task) if !task.state.status().is_settled() => Age::Fresh,
            Base::Task(_) => Age::of_settled(wanted),
            Base::Known(known) => self.age(known, wanted),
            Base::Unknown | Base::Nothing if self.config.has_reader => Age::Old,
            Base::Unknown | Base::Nothing | Base::Held(_) => Age::of_settled(wanted),
        }
    }

    /// What the tasks of a key say, where an update counts among them.
    fn pile(&self, key: &str, counts: &dyn Fn(&Task) -> bool) -> Option<Pile<'_>> {
        let backup = self.known_backup();
        if !backup.has_updates() {
            return None;
        }
        let plain = |id| {
            let task = backup.task(id)?;
            (counts(task) && task.submission.update.is_none()).then_some(task)
        };
        let below = backup.overlay().shown(key, &plain);
        let is_final = |task: &Task| task.state.status() == Status::Final;
        let last = below.filter(|task| is_final(task));
        let write = below.filter(|_| last.is_none());
        let is_above = |task: &&Task| match write {
            None => true,
            // What is in no block is executed after all that is final.
            Some(write) if is_final(task) => {
                let place = reading::place_of(write);
                place.is_some() && place < reading::place_of(task)
            }
            Some(write) => write.order < task.order,
        };
        let writers = backup.overlay().writers(key);
        let tasks = writers.filter_map(|id| backup.task(id));
        let updates = tasks.filter(|task| {
            task.submission.update.is_some() && task.state.is_visible() && counts(task)
        });
        let mut updates: Vec<&Task> = updates.filter(is_above).collect();
        // Those of the same place, and of none, stay in the order of the log.
        updates.sort_by_key(|task| {
            let place = reading::place_of(task).filter(|_| is_final(task));
            place.unwrap_or((u64::MAX, 0))
        });
        (!updates.is_empty()).then_some(Pile {
            write,
            last,
            updates,
        })
    }

    /// What is below the updates, as far as that is at hand.
    fn base<'a>(&self, key: &str, pile: &Pile<'a>) -> Base<'a> {
        if let Some(task) = pile.write {
            return Base::Task(task);
        }
        let known = self.memory.peek(key);
        match known.filter(|known| known.standing != Standing::Doubted) {
            Some(known) => later(Some(known.clone()), pile.last),
            // The chain may have something there that was not read.
            None if self.config.has_reader && pile.last.is_none() => Base::Unknown,
            None if self.is_bare_below(self.known_backup(), key) => later(None, pile.last),
            None => Base::Unknown,
        }
    }

    /// The same, where no more can be known here.
    fn base_by_now<'a>(&self, key: &str, pile: &Pile<'a>) -> Base<'a> {
        match self.base(key, pile) {
            Base::Unknown => later(None, pile.last),
            base @ (Base::Nothing | Base::Task(_) | Base::Known(_) | Base::Held(_)) => base,
        }
    }

    /// Whether it is known that nothing is settled of a key that tasks write.
    fn is_bare_below(&self, backup: &Backup, key: &str) -> bool {
        match backup.overlay().below(key) {
            Below::Nothing => true,
            Below::Unknown => self.shelves.is_bare(),
            Below::Value(_) => false,
        }
    }

    /// Whether what is below holds what the update did, or wrote over it.
    fn holds(&self, base: &Base, update: &Task) -> bool {
        if let Base::Held(held) = base {
            // Where the chain executed what is final is below what is shown.
            return held.has(update) || update.state.status() == Status::Final;
        }
        let Some(place) = reading::place_of(update) else {
            return false;
        };
        match base {
            Base::Unknown | Base::Nothing | Base::Held(_) => false,
            Base::Task(task) => Some(place) <= reading::place_of(task),
            Base::Known(known) => self.has_taken_in(known, place),
        }
    }

    fn has_taken_in(&self, known: &Known, place: (u64, u32)) -> bool {
        let (block, index) = known.place;
        // The store may be ahead of what this tab has read of the log.
        let is_ahead = |stacked: &Stacked| stacked.as_of >= self.known_position();
        let is_ahead = known.stacked.as_ref().is_some_and(is_ahead);
        Some(place) <= taken_in(known) || is_ahead && place <= (block.number, index)
    }

    fn shows(&self, key: &str, pile: &Pile, base: &Base) -> Shows {
        let (below, tags) = match base {
            Base::Unknown => return Shows::Unknown,
            Base::Nothing => (None, &[][..]),
            Base::Task(task) => match task_entry(task) {
                Some(entry) => (Some(entry), &task.submission.tags[..]),
                None => {
                    return Shows::Missing(vec![(
                        task.submission.id,
                        reading::place_of_value(task),
                    )]);
                }
            },
            Base::Known(known) => (known_entry(key, known, Source::Cache), &known.tags[..]),
            Base::Held(held) => (Some(held.entry.clone()), &held.entry.tags[..]),
        };
        let updates = pile.updates.iter().copied();
        let updates: Vec<&Task> = updates.filter(|task| !self.holds(base, task)).collect();
        // What has no function here needs nothing.
        let is_far = |task: &&&Task| {
            let name = task.submission.update.as_deref();
            inline_value(&task.submission).is_none() && name.is_some_and(|it| self.updates.has(it))
        };
        let far = updates.iter().filter(is_far);
        let missing: Vec<_> = far
            .map(|task| (task.submission.id, reading::place_of_value(task)))
            .collect();
        if !missing.is_empty() {
            return Shows::Missing(missing);
        }
        let previous = below.as_ref().map(|entry| Previous {
            value: entry.value.clone(),
            is_calldata: entry.is_calldata,
        });
        let made = self.make(key, previous, &updates);
        let steps = made.steps.iter().zip(updates);
        let good = steps.filter(|((_, cause), _)| cause.is_none());
        let good: Vec<&Task> = good.map(|(_, task)| task).collect();
        if let Base::Held(held) = base {
            // What came since may be older than what is held.
            let is_good = |task: &&&Task| {
                let id = task.submission.id;
                held.has(task) || good.iter().any(|good| good.submission.id == id)
            };
            let is_open = |task: &&&Task| task.state.status() != Status::Final;
            let top = pile.updates.iter().filter(is_open).rfind(is_good);
            let entry = top.map(|top| Entry {
                value: made.value.as_ref().unwrap_or(&held.entry.value).clone(),
                is_calldata: made.value.is_none() && held.entry.is_calldata,
                tags: tags_of(tags, &good),
                ..entry_of(key, top)
            });
            return Shows::Entry(Box::new(entry.unwrap_or_else(|| held.entry.clone())));
        }
        let entry = match (good.last(), &made.value) {
            (Some(top), Some(value)) => {
                // What was found in the chain too late stands below what is settled.
                let is_late = |known: &Known| {
                    let (block, index) = known.place;
                    top.state.status() == Status::Final
                        && reading::place_of(top) < Some((block.number, index))
                };
                // Nor is anything more settled than what it was made of.
                let is_ahead = |base: &Task| {
                    top.state.status() == Status::Final && base.state.status() != Status::Final
                };
                let whole = match base {
                    Base::Known(known) if is_late(known) => below,
                    Base::Task(task) if is_ahead(task) => below,
                    Base::Known(_)
                    | Base::Task(_)
                    | Base::Nothing
                    | Base::Held(_)
                    | Base::Unknown => None,
                };
                Some(Entry {
                    value: value.clone(),
                    is_calldata: false,
                    tags: tags_of(tags, &good),
                    ..whole.unwrap_or_else(|| entry_of(key, top))
                })
            }
            (Some(_), None) | (None, _) => below,
        };
        entry.map_or(Shows::Nothing, |entry| Shows::Entry(Box::new(entry)))
    }

    /// Applies updates to what is below; what was made before is not made again.
    fn make(&self, key: &str, base: Option<Previous>, updates: &[&Task]) -> Rc<Made> {
        let known = self.piles.borrow_mut().take(key);
        let known = known.filter(|known| {
            let mut ids = updates.iter().map(|task| task.submission.id);
            let is_same = known.steps.iter().all(|(id, _)| ids.next() == Some(*id));
            known.base == base && is_same
        });
        let mut made = known.unwrap_or_else(|| {
            Rc::new(Made {
                base,
                steps: Vec::new(),
                value: None,
            })
        });
        let rest = &updates[made.steps.len()..];
        if !rest.is_empty() {
            let mut steps = made.steps.clone();
            let mut value = made.value.clone();
            for task in rest {
                let made_before = value.clone().map(|value| Previous {
                    value,
                    is_calldata: false,
                });
                let previous = made_before.or_else(|| made.base.clone());
                let result = self.apply(task, previous.as_ref(), None);
                steps.push((task.submission.id, result.as_ref().err().cloned()));
                value = result.ok().or(value);
            }
            let base = made.base.clone();
            made = Rc::new(Made { base, steps, value });
        }
        self.piles.borrow_mut().keep(key, &made);
        made
    }

    /// `argument`: its value, where that is not at hand.
    fn apply(
        &self,
        task: &Task,
        previous: Option<&Previous>,
        argument: Option<Rc<[u8]>>,
    ) -> Result<Rc<[u8]>, String> {
        let name = task.submission.update.as_deref().unwrap_or_default();
        if !self.updates.has(name) {
            return Err(unregistered(name));
        }
        let argument = argument.or_else(|| inline_value(&task.submission));
        let argument = argument.ok_or("a part of the task is missing from the database")?;
        let made = self.updates.apply(name, previous, &argument)?;
        if made.len() > MAX_VALUE_BYTES {
            let len = made.len();
            return Err(format!(
                "it makes {len} bytes, at most {MAX_VALUE_BYTES} are taken"
            ));
        }
        Ok(made.into())
    }

    // What settles.

    /// What final tasks of one key, in the chain's order and with values that are not at hand, make of its settled value
    /// when they leave; and those that cannot leave yet. `reading`: what the chain had there, where nothing is settled.
    /// `barrier`: where the first one stands that was executed and does not leave.
    pub(super) fn settle(
        &self,
        old: Option<Settled>,
        reading: Option<&Known>,
        tasks: &[Leaving],
        barrier: Option<(u64, u32)>,
        as_of: u64,
    ) -> (Option<Settled>, Vec<TaskId>) {
        let mut row = old;
        for (task, value) in tasks
            .iter()
            .filter(|(task, _)| task.submission.update.is_none())
        {
            let write = plainly_settled(task, value.as_ref());
            let place = |row: &Settled| row.inclusion.place();
            row = match (row, write) {
                (Some(row), Some(write)) if place(&row) > place(&write) => Some(row),
                (row, write) => write.or(row),
            };
        }
        let mut held_back = Vec::new();
        for (task, argument) in tasks
            .iter()
            .filter(|(task, _)| task.submission.update.is_some())
        {
            let State::Final(inclusion) = task.state else {
                continue;
            };
            let place = inclusion.place();
            let known = row.as_ref().map(reading::known_of);
            let known = known.or_else(|| reading.cloned());
            if known.as_ref().and_then(taken_in) >= Some(place) {
                continue;
            }
            let is_lost = argument.is_none() && inline_value(&task.submission).is_none();
            if is_lost {
                // Its blob is missing: nothing can be made of it, and nothing else is held up by it.
                continue;
            }
            let is_above = barrier.is_some_and(|barrier| barrier < place);
            let previous = known.as_ref().and_then(|known| {
                let value = known.value.clone()?;
                let is_calldata = known.is_calldata;
                Some(Previous { value, is_calldata })
            });
            let made = self.apply(task, previous.as_ref(), argument.clone());
            match made.ok().filter(|_| held_back.is_empty() && !is_above) {
                Some(value) => row = Some(onto(row, known, task, inclusion, (value, as_of))),
                None => held_back.push(task.submission.id),
            }
        }
        (row, held_back)
    }

    /// Where the first executed task of a key stands that does not leave with these: also one that is not final yet will be
    /// below what was executed later.
    pub(super) fn barrier(&self, key: &str, leaving: &[TaskId]) -> Option<(u64, u32)> {
        let writers = self.backup.overlay().writers(key);
        let staying = writers.filter(|id| !leaving.contains(id));
        let staying = staying.filter_map(|id| self.backup.task(id));
        let executed = staying.filter(|task| task.state.is_visible());
        executed.filter_map(reading::place_of).min()
    }

    /// These tasks are about to leave the backup: what they settle, of the keys that updates are a part of, where that can
    /// be told from what is at hand.
    pub(super) fn foresee(&self, ids: &[TaskId]) -> OrderedMap<String, Known> {
        let mut by_key: OrderedMap<String, Vec<Leaving>> = OrderedMap::new();
        for task in ids.iter().filter_map(|id| self.backup.task(*id)) {
            let key = &task.submission.key;
            by_key.get_or_default(key.clone()).push((task, None));
        }
        let mut foreseen = OrderedMap::new();
        for (key, mut tasks) in by_key {
            // The log was read up to the record that says so, and the store may hold what it did already.
            let as_of = self.log.position_before();
            let is_ahead = |known: &Known| known.stacked.is_some_and(|it| it.as_of >= as_of);
            if let Some(known) = self.memory.peek(&key).filter(|known| is_ahead(known)) {
                foreseen.insert(key, known.clone());
                continue;
            }
            let old = match self.memory.peek(&key) {
                Some(known) if known.is_newest() => settled_of(known),
                None if self.is_piled(&key) && self.is_bare_below(&self.backup, &key) => None,
                Some(_) | None => continue,
            };
            let is_far = |(task, _): &(&Task, _)| inline_value(&task.submission).is_none();
            let is_update = |(task, _): &(&Task, _)| task.submission.update.is_some();
            let is_concerned = self.is_piled(&key) || tasks.iter().any(is_update);
            if !is_concerned || tasks.iter().any(is_far) {
                continue;
            }
            tasks.sort_by_key(|(task, _)| (reading::place_of(task), task.order));
            let (row, held_back) = self.settle(old, None, &tasks, None, as_of);
            if let (Some(row), true) = (row, held_back.is_empty()) {
                foreseen.insert(key, reading::known_of(&row));
            }
        }
        foreseen
    }

    // What is sent.

    /// What a submission must have for its update.
    pub(super) fn check_update(&self, name: &str, has_both: bool) -> Result<(), Error> {
        if !(1..=MAX_UPDATE_BYTES).contains(&name.len()) {
            let message = format!("an update's name has 1 to {MAX_UPDATE_BYTES} bytes");
            return Err(invalid(message));
        }
        if !has_both {
            return Err(invalid("an update has a key and a value".into()));
        }
        if !self.updates.has(name) {
            return Err(invalid(format!("no update \"{name}\" is registered")));
        }
        Ok(())
    }

    /// Whether the task, of which nothing is out, may go out. Else it is blocked, or has to wait for what is not at hand.
    pub(super) fn passes_trial(&mut self, id: TaskId) -> bool {
        if self.uplink.is_none() || self.is_on_trial(id) {
            return false;
        }
        match self.try_update(id) {
            Trial::Passed => true,
            Trial::Failed(cause) => {
                self.update_failed(id, cause);
                false
            }
            Trial::Missing(places) => {
                if let Some(uplink) = &mut self.uplink {
                    uplink.on_trial.insert(id);
                }
                let purpose = GetFor::Trial(id, self.shelves.moves(), places.clone());
                self.get(purpose, places);
                false
            }
        }
    }

    /// Whether what the task is applied to is being read.
    pub(super) fn is_on_trial(&self, id: TaskId) -> bool {
        let uplink = self.uplink.as_ref();
        uplink.is_some_and(|uplink| uplink.on_trial.contains(&id))
    }

    /// What the task is applied to was read.
    pub(super) fn trial_loaded(
        &mut self,
        id: TaskId,
        moves: u64,
        places: Vec<Place>,
        found: Result<Vec<Option<Vec<u8>>>, Error>,
    ) {
        let Some(uplink) = &mut self.uplink else {
            return;
        };
        if !uplink.on_trial.remove(&id) {
            return;
        }
        let Ok(found) = found else {
            return self.fault(id, None, false);
        };
        for (place, bytes) in places.into_iter().zip(found) {
            match (place, bytes) {
                (Place::Blob(key), Some(blob)) => self.keep_blob(key.0, blob),
                (Place::Blob(key), None) if self.backup.task(key.0).is_some() => {
                    let cause = reading::missing_blob(key.0).message;
                    self.update_failed(id, cause);
                }
                (Place::Blob(_), None) => {}
                (Place::Value(key), bytes) => match bytes.and_then(|bytes| settled(&bytes)) {
                    Some(row) if moves == self.shelves.moves() => {
                        self.remember(&key, reading::known_of(&row));
                        self.memory.trust(&key);
                        self.notice(Notice::Confirmed(key));
                    }
                    Some(_) => {}
                    None => {
                        self.found_nothing(&key, moves);
                        self.notice(Notice::Confirmed(key));
                    }
                },
            }
        }
        self.take_turn_again(id);
    }

    fn update_failed(&mut self, id: TaskId, cause: String) {
        let cause = super::shortened(cause);
        match self.backup.task(id).and_then(Task::newest) {
            Some(_) => self.block(id, Reason::UpdateFailed, cause),
            None => self.stop_draft(id, false, Reason::UpdateFailed, cause),
        }
    }

    fn try_update(&self, id: TaskId) -> Trial {
        let Some(task) = self.backup.task(id) else {
            return Trial::Passed;
        };
        let Submission { key, update, .. } = &task.submission;
        let Some(name) = update else {
            return Trial::Passed;
        };
        if !self.updates.has(name) {
            return Trial::Failed(unregistered(name));
        }
        // As if nothing had come after it.
        let is_below =
            |other: &Task| other.order <= task.order || other.state.status() == Status::Final;
        let Some(pile) = self.pile(key, &is_below) else {
            return Trial::Passed;
        };
        let base = self.base(key, &pile);
        match self.shows(key, &pile, &base) {
            Shows::Unknown if self.is_read_elsewhere(key) => Trial::Passed,
            Shows::Unknown => Trial::Missing(vec![Place::Value(key.clone())]),
            Shows::Missing(missing) => {
                Trial::Missing(missing.into_iter().map(|(_, place)| place).collect())
            }
            Shows::Entry(_) | Shows::Nothing => {
                let made = self.piles.borrow_mut().made.get(key).cloned();
                let steps = made.iter().flat_map(|made| &made.steps);
                let own = steps.into_iter().find(|(step, _)| *step == id);
                match own.and_then(|(_, cause)| cause.clone()) {
                    Some(cause) => Trial::Failed(cause),
                    None => Trial::Passed,
                }
            }
        }
    }

    /// Only the chain knows what is below, and nobody read it here: there is nothing to try the function with.
    fn is_read_elsewhere(&self, key: &str) -> bool {
        self.config.has_reader && self.is_bare_below(&self.backup, key)
    }
}

/// Up to where in the chain a value holds what updates did, or wrote over it.
fn taken_in(known: &Known) -> Option<(u64, u32)> {
    match known.stacked {
        Some(stacked) => stacked.base,
        // That the chain has nothing there may mean that it does not know the key.
        None => known
            .value
            .as_ref()
            .map(|_| (known.place.0.number, known.place.1)),
    }
}

/// The later of what is settled and a final task.
fn later(known: Option<Known>, last: Option<&Task>) -> Base<'_> {
    match (known, last) {
        (None, None) => Base::Nothing,
        (Some(known), Some(task)) if reading::is_older(task, Some(&known)) => {
            Base::Known(Box::new(known))
        }
        (Some(known), None) => Base::Known(Box::new(known)),
        (Some(_) | None, Some(task)) => Base::Task(task),
    }
}

/// An update that says nothing of itself leaves what the value below says.
fn tags_of(below: &[Tag], updates: &[&Task]) -> Vec<Tag> {
    let mut said = updates.iter().rev().map(|task| &task.submission.tags);
    let said = said.find(|tags| !tags.is_empty());
    said.map_or(below, |tags| &tags[..]).to_vec()
}

/// What reads get of a key whose newest part is this task, apart from the value.
fn entry_of(key: &str, task: &Task) -> Entry {
    let status = task.state.status();
    Entry {
        key: key.into(),
        value: Rc::new([]),
        is_calldata: false,
        source: if status.is_settled() {
            Source::Cache
        } else {
            Source::Backup
        },
        status,
        tx: task.tx(),
        block: task.state.inclusion().map(|inclusion| inclusion.block),
        task: Some(task.submission.id),
        is_stale: false,
        tags: Vec::new(),
    }
}

/// A settled value that an update made of the one before.
fn onto(
    row: Option<Settled>,
    below: Option<Known>,
    task: &Task,
    inclusion: Inclusion,
    (value, as_of): (Rc<[u8]>, u64),
) -> Settled {
    let base = below.as_ref().and_then(taken_in);
    let born = row.as_ref().and_then(|row| row.born);
    let tags = row.as_ref().map_or(&[][..], |row| &row.tags[..]);
    let newest = row.as_ref().map(|row| row.inclusion);
    let is_late = |newest: &Inclusion| newest.place() > inclusion.place();
    Settled {
        inclusion: newest.filter(is_late).unwrap_or(inclusion),
        is_calldata: false,
        value,
        born,
        tags: tags_of(tags, &[task]),
        stacked: Some(Stacked { base, as_of }),
    }
}

/// What is at hand of a settled value, as the store has it.
fn settled_of(known: &Known) -> Option<Settled> {
    let (block, index) = known.place;
    Some(Settled {
        inclusion: Inclusion {
            tx: known.tx?,
            block,
            index,
            reverted: false,
        },
        is_calldata: known.is_calldata,
        value: known.value.clone()?,
        born: None,
        tags: known.tags.clone(),
        stacked: known.stacked,
    })
}

/// The value of a final task that is no update. `value`: where it is not at hand.
pub(super) fn plainly_settled(task: &Task, value: Option<&Rc<[u8]>>) -> Option<Settled> {
    let State::Final(inclusion) = task.state else {
        return None;
    };
    let submission = &task.submission;
    Some(Settled {
        inclusion,
        is_calldata: matches!(submission.value, Value::Calldata(_)),
        value: inline_value(submission).or_else(|| value.cloned())?,
        born: Some(task.order),
        tags: submission.tags.clone(),
        stacked: None,
    })
}

fn unregistered(name: &str) -> String {
    format!("no update \"{name}\" is registered in the tab that sends")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{Config, Freshness};
    use crate::gateway::endpoint::Limits;
    use crate::gateway::evm::Finality;
    use crate::memory::MAX_VALUES;
    use crate::record::Record;
    use crate::task::{Block, Bytes, Content, Event, Hash, Order, Signed};

    /// Puts the argument behind the value below. `Adds(false)` has lost the function.
    struct Adds(bool);

    impl Updates for Adds {
        fn has(&self, name: &str) -> bool {
            self.0 && name == "add"
        }

        fn apply(
            &self,
            _: &str,
            previous: Option<&Previous>,
            argument: &[u8],
        ) -> Result<Vec<u8>, String> {
            if argument == b"!" {
                return Err("no".into());
            }
            let below = previous.map_or(&[][..], |previous| &previous.value);
            Ok([below, argument].concat())
        }
    }

    fn cache(updates: Adds) -> Cache {
        let config = Config {
            chain_id: 1,
            finality: Finality::Finalized,
            urls: 1,
            quorum: 1,
            limits: Limits::default(),
            poll_ms: 250,
            sockets: 0,
            lane: String::new(),
            hears_others: true,
            has_reader: false,
            freshness: Freshness::default(),
            clean_at_bytes: u64::MAX,
            index_at_bytes: None,
            values_budget_bytes: u64::MAX,
            values_at_hand: MAX_VALUES,
            signers: OrderedMap::new(),
            seed: 1,
        };
        Cache::with_updates(config, Rc::new(updates))
    }

    fn inclusion(id: u8, number: u64) -> Inclusion {
        Inclusion {
            tx: Hash([id; 32]),
            block: Block {
                number,
                hash: Hash([9; 32]),
            },
            index: 0,
            reverted: false,
        }
    }

    fn task(id: u8, value: &str, is_update: bool) -> Task {
        let submission = Submission {
            id: TaskId(id.into()),
            lane: String::new(),
            key: "key".into(),
            value: Value::Given(Bytes::Inline(value.as_bytes().into())),
            content: Content::Signed(Signed {
                tx: Hash([id; 32]),
                nonce: id.into(),
                payload: Bytes::Inline([1].into()),
            }),
            idempotency_key: None,
            tags: Vec::new(),
            update: is_update.then(|| "add".into()),
            after: None,
            created_ms: 0,
        };
        let order = Order {
            segment: id.into(),
            index: 12,
        };
        Task::new(submission, order)
    }

    fn mined(id: u8, value: &str, is_update: bool, number: u64) -> Task {
        Task {
            state: State::Final(inclusion(id, number)),
            ..task(id, value, is_update)
        }
    }

    /// `base`: where the newest plain write in it stands.
    fn row(value: &str, number: u64, base: u64) -> Settled {
        Settled {
            inclusion: inclusion(1, number),
            is_calldata: false,
            value: value.as_bytes().into(),
            born: None,
            tags: Vec::new(),
            stacked: (base != number).then_some(Stacked {
                base: Some((base, 0)),
                as_of: 3,
            }),
        }
    }

    /// What settles and which stay, of tasks in the chain's order.
    #[track_caller]
    fn check(
        old: Option<Settled>,
        tasks: &[Task],
        barrier: Option<(u64, u32)>,
        expected: (&str, u64),
        stay: &[u128],
    ) {
        let cache = cache(Adds(true));
        let tasks: Vec<_> = tasks.iter().map(|task| (task, None)).collect();
        let (row, held_back) = cache.settle(old, None, &tasks, barrier, 7);
        let row = row.unwrap();
        let value = String::from_utf8(row.value.to_vec()).unwrap();
        assert_eq!((&value[..], row.inclusion.block.number), expected);
        assert_eq!(held_back.iter().map(|id| id.0).collect::<Vec<_>>(), stay);
    }

    #[test]
    fn each_update_settles_once_over_what_is_below_it() {
        let update = |id, value, number| mined(id, value, true, number);
        let write = |id, value, number| mined(id, value, false, number);
        let tasks = [update(2, "b", 5), update(3, "c", 6)];
        check(None, &tasks, None, ("bc", 6), &[]);
        check(Some(row("a", 4, 4)), &tasks, None, ("abc", 6), &[]);
        // A write of the chain takes the place of what was executed before it, and of nothing that came after.
        let tasks = [update(2, "b", 5), write(4, "w", 6), update(3, "c", 7)];
        check(Some(row("a", 4, 4)), &tasks, None, ("wc", 7), &[]);
        check(Some(row("a", 8, 8)), &tasks, None, ("a", 8), &[]);
    }

    #[test]
    fn one_that_is_found_late_is_applied_on_top_unless_it_was_written_over() {
        let late = [mined(2, "b", true, 5)];
        check(Some(row("az", 8, 4)), &late, None, ("azb", 8), &[]);
        check(Some(row("az", 8, 6)), &late, None, ("az", 8), &[]);
    }

    #[test]
    fn what_cannot_be_computed_stays_with_what_is_above_it() {
        let tasks = [
            mined(2, "b", true, 5),
            mined(3, "!", true, 6),
            mined(4, "d", true, 7),
        ];
        check(Some(row("a", 4, 4)), &tasks, None, ("ab", 5), &[3, 4]);
        check(
            Some(row("a", 4, 4)),
            &tasks,
            Some((4, 9)),
            ("a", 4),
            &[2, 3, 4],
        );
        let older = cache(Adds(false));
        let known = settled_row(&older, &tasks[..1]);
        assert_eq!(known, (None, vec![TaskId(2)]));
    }

    #[test]
    fn while_the_log_is_folded_anew_the_store_is_ahead_of_what_was_known_before() {
        let mut cache = cache(Adds(true));
        cache.before_restart = Some(Backup::default());
        // It was stored when the log had three segments.
        let known = reading::known_of(&row("ab", 6, 4));
        for (position, is_ahead) in [(3, true), (5, false)] {
            cache.position_before = position;
            assert_eq!(cache.has_taken_in(&known, (5, 0)), is_ahead);
        }
    }

    fn settled_row(cache: &Cache, tasks: &[Task]) -> (Option<Settled>, Vec<TaskId>) {
        let tasks: Vec<_> = tasks.iter().map(|task| (task, None)).collect();
        cache.settle(None, None, &tasks, None, 7)
    }

    fn shown(cache: &Cache) -> Option<String> {
        let entry = cache.peek("key")?;
        Some(String::from_utf8(entry.value.to_vec()).unwrap())
    }

    #[test]
    fn updates_stack_and_are_made_anew_when_a_lower_one_fails() {
        let mut cache = cache(Adds(true));
        let fold = |cache: &mut Cache, segment, record| {
            cache.backup.fold(Order { segment, index: 12 }, 100, record)
        };
        let submit = |cache: &mut Cache, id, value, is_update| {
            let task = task(id, value, is_update);
            fold(cache, id.into(), Record::Submitted(task.submission));
        };
        submit(&mut cache, 1, "a", true);
        assert_eq!(shown(&cache), None, "the store may have something");
        cache.backup.found_below("key", Below::Nothing);
        assert_eq!(shown(&cache).as_deref(), Some("a"));
        for (id, value) in [(2, "b"), (3, "!"), (4, "d")] {
            submit(&mut cache, id, value, true);
        }
        assert_eq!(shown(&cache).as_deref(), Some("abd"));
        fold(&mut cache, 5, Record::Event(TaskId(2), Event::Cancelled));
        assert_eq!(shown(&cache).as_deref(), Some("ad"));
        submit(&mut cache, 6, "w", false);
        submit(&mut cache, 7, "x", true);
        assert_eq!(shown(&cache).as_deref(), Some("wx"), "a write hides them");
        fold(&mut cache, 8, Record::Event(TaskId(6), Event::Cancelled));
        assert_eq!(shown(&cache).as_deref(), Some("adx"));
    }
}
