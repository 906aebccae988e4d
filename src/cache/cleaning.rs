//! Cleaning the log: settled values move to the `values` store, what lives is appended anew, and the log's old end goes.
//!
//! It is one commit, and one that does nothing if another tab appended meanwhile: the fold up to the log's end is then
//! what the new records say, and nothing is lost for a tab that opens later.

use super::updates::{Leaving, plainly_settled};
use super::{Cache, GetFor, Notice, Place, reading};
use crate::backup::blob_keys;
use crate::error::Error;
use crate::log::{BlobKey, Clean};
use crate::memory::{Known, Standing};
use crate::ordered::{OrderedMap, OrderedSet};
use crate::record::{self, Record, Settled};
use crate::task::{State, Task, TaskId, Value};
use std::rc::Rc;

/// What one cleaning covers at the most.
const MAX_SEGMENTS: usize = 512;
/// The same in bytes, as a multiple of the bound on garbage.
const MAX_GARBAGE: u64 = 4;
/// How many tasks a step of it moves or writes anew. A step is a commit, and a submission waits for one at the most.
const STEP_TASKS: usize = 6;
/// And how many bytes of them, as a part of the bound on garbage.
const STEP_BYTES: u64 = 8;
/// How many segments a step deletes.
const STEP_SEGMENTS: usize = 96;
/// Where something waits for a commit all the same, a step covers so many times what was appended since the one before.
const PRESSED_STEP: u64 = 4;
/// So small a part of the bound is where a cleaning begins: a block that settles hundreds of tasks makes much at once.
const BEGIN_AT: u64 = 2;
/// Where something is unsettled it ends when so small a part of that is left, or what lives would be written anew for little.
const END_AT: u64 = 4;
/// Beyond where it begins by so many parts of that, garbage is cleaned before the next commit.
const URGENT_AT: u64 = 32;
/// Where nothing is unsettled, so small a part of that is left: whoever opens the log then has little to fold.
const AT_REST: u64 = 8;
/// More than a cleaning leaves behind itself, which would call for the next.
const LEAST_GARBAGE: u64 = 64;
/// The next try comes so long after the stores could not say what it asked.
const CLEAN_AGAIN_MS: u64 = 1_000;

/// How far a cleaning goes that was begun.
#[derive(Debug, Clone, Copy)]
pub(super) struct Goal {
    through: u64,
    /// There was no pause to wait for: what is to be written and its steps take turns.
    is_urgent: bool,
    /// The last segment of its last step, or of the log when it was begun: what is behind that was appended since.
    since: u64,
}

/// A step of a cleaning on its way.
#[derive(Debug, Default)]
pub(super) struct Cleaning {
    /// The commit, once the stores said what it must hold.
    commit: Option<u64>,
    blobs: Vec<BlobKey>,
    /// What is to be written waits for it.
    is_urgent: bool,
}

impl Cleaning {
    pub(super) fn is_commit(&self, id: u64) -> bool {
        self.commit == Some(id)
    }
}

/// What a cleaning commit will do, while it waits for what the stores hold.
#[derive(Debug)]
pub(super) struct Plan {
    position: u64,
    through: u64,
    moved: Vec<TaskId>,
    kept: Vec<TaskId>,
    places: Vec<Place>,
    /// There is no room: what is settled goes instead of being moved, where that is safe.
    is_lean: bool,
    /// What waits for a commit comes after it.
    is_urgent: bool,
}

impl Cache {
    /// Once nothing waits for a commit, garbage that outweighs what lives is cleaned.
    pub(super) fn pump_cleaning(&mut self) {
        let most = if self.backup.unsettled() == 0 {
            let at_rest = self.config.clean_at_bytes / AT_REST;
            at_rest.max(LEAST_GARBAGE).max(self.backup.live_bytes())
        } else {
            self.most_garbage()
        };
        if self.log.is_idle() && self.may_clean() {
            self.go_on_cleaning(false, most);
        }
    }

    /// Where there is no pause, garbage that grows further is cleaned between two commits. They take turns: whatever
    /// becomes of it, the next commit is not held up once more.
    pub(super) fn pump_urgent_cleaning(&mut self) {
        let most = self.most_garbage();
        let most = most.saturating_add(most / URGENT_AT);
        if !self.commit_is_next && self.log.is_still() && self.may_clean() {
            self.go_on_cleaning(true, most);
        }
    }

    /// Whether what is to be written waits for a cleaning that is on its way.
    pub(super) fn waits_for_cleaning(&self) -> bool {
        self.cleaning
            .as_ref()
            .is_some_and(|cleaning| cleaning.is_urgent)
    }

    fn garbage(&self) -> u64 {
        let blobs: usize = self.backup.dead_blobs().values().sum();
        let log = self.log.bytes().saturating_sub(self.backup.live_bytes());
        log + blobs as u64
    }

    fn most_garbage(&self) -> u64 {
        let begin_at = self.config.clean_at_bytes / BEGIN_AT;
        begin_at.max(LEAST_GARBAGE).max(self.backup.live_bytes())
    }

    fn may_clean(&self) -> bool {
        self.cleaning.is_none()
            && !self.is_loading
            && !self.evicting.needs_room()
            && self.uplink.is_some()
            && self.now_ms >= self.no_storage_before_ms
            && self.now_ms >= self.no_cleaning_before_ms
    }

    /// The next step of a cleaning that was begun, or the first of one where there is more garbage than that.
    fn go_on_cleaning(&mut self, is_urgent: bool, most: u64) {
        let oldest = self.log.segments().first_key_value();
        let Some((&oldest, _)) = oldest else {
            return;
        };
        let is_worthwhile =
            self.backup.unsettled() == 0 || self.garbage() > self.most_garbage() / END_AT;
        let goal = self
            .goal
            .take_if(|goal| is_worthwhile && goal.through >= oldest);
        self.goal = if self.garbage() > most {
            let goal = goal.unwrap_or_else(|| Goal {
                through: self.farthest(oldest),
                is_urgent,
                since: self.log.position(),
            });
            Some(Goal {
                is_urgent: goal.is_urgent || is_urgent,
                ..goal
            })
        } else {
            goal
        };
        match self.goal {
            Some(goal) if goal.is_urgent || !is_urgent => {
                let through = self.end_of_step(oldest, goal.since).min(goal.through);
                let plan = Plan {
                    is_urgent,
                    ..self.plan(self.with_ignored(through))
                };
                self.commit_is_next = is_urgent;
                self.begin_cleaning(plan);
            }
            Some(_) | None => {}
        }
    }

    fn begin_cleaning(&mut self, plan: Plan) {
        self.cleaning = Some(Cleaning {
            is_urgent: plan.is_urgent,
            ..Cleaning::default()
        });
        let places = plan.places.clone();
        self.get(GetFor::Clean(plan), places);
    }

    /// A cleaning that writes as little as it can, by whichever tab needs the room: it does nothing should another have
    /// appended meanwhile. Whether there is something for it to do.
    pub(super) fn begin_lean_cleaning(&mut self) -> bool {
        if self.cleaning.is_some() {
            return false;
        }
        let Some((&oldest, _)) = self.log.segments().first_key_value() else {
            return false;
        };
        let plan = Plan {
            is_lean: true,
            ..self.plan(self.with_ignored(self.farthest(oldest)))
        };
        let may = !plan.moved.is_empty() || !self.backup.dead_blobs().is_empty();
        if may {
            self.begin_cleaning(plan);
        }
        may
    }

    /// The last segment that one cleaning covers.
    fn farthest(&self, oldest: u64) -> u64 {
        let most = self.config.clean_at_bytes.saturating_mul(MAX_GARBAGE);
        self.within(oldest, MAX_SEGMENTS, most)
    }

    /// The last segment that its next step covers.
    fn end_of_step(&self, oldest: u64, since: u64) -> u64 {
        let small = self.config.clean_at_bytes / STEP_BYTES;
        let new = self.log.segments().range(since + 1..);
        let new: u64 = new.map(|(_, len)| u64::from(*len)).sum();
        let pressed = new.saturating_mul(PRESSED_STEP);
        if !self.log.is_idle() && pressed > small {
            return self.within(oldest, MAX_SEGMENTS, pressed);
        }
        let last = self.within(oldest, STEP_SEGMENTS, u64::MAX);
        let mut bytes = 0;
        let mut tasks = self.backup.homes_through(last).enumerate();
        let beyond = tasks.find(|(n, (_, id))| {
            bytes += self.backup.bytes_of(*id);
            *n > 0 && (*n >= STEP_TASKS || bytes > small)
        });
        beyond.map_or(last, |(_, (home, _))| home.saturating_sub(1).max(oldest))
    }

    /// The last of so many of the oldest segments that have no more bytes; the oldest at least.
    fn within(&self, oldest: u64, count: usize, most: u64) -> u64 {
        let mut bytes = 0;
        let fits = |(_, len): &(&u64, &u32)| {
            bytes += u64::from(**len);
            bytes <= most
        };
        let segments = self.log.segments().iter().take(count);
        let last = segments.take_while(fits).last();
        last.map_or(oldest, |(key, _)| *key)
    }

    /// A submission that was ignored goes with what made it so, however far behind it is.
    fn with_ignored(&self, last: u64) -> u64 {
        last.max(self.backup.last_ignored().unwrap_or(0))
    }

    fn plan(&self, through: u64) -> Plan {
        let mut plan = Plan {
            position: self.log.position(),
            through,
            moved: Vec::new(),
            kept: Vec::new(),
            places: Vec::new(),
            is_lean: false,
            is_urgent: false,
        };
        let tasks = self.backup.homes_through(through);
        for task in tasks.filter_map(|(_, id)| self.backup.task(id)) {
            let id = task.submission.id;
            if let State::Final(_) = task.state {
                plan.moved.push(id);
                plan.places.push(Place::Value(task.submission.key.clone()));
                if super::inline_value(&task.submission).is_none() {
                    plan.places.push(reading::place_of_value(task));
                }
            } else {
                plan.kept.push(id);
            }
        }
        plan
    }

    /// The stores answered: the commit can be made, if nothing went on meanwhile.
    pub(super) fn clean(&mut self, plan: Plan, found: Result<Vec<Option<Vec<u8>>>, Error>) {
        self.cleaning = None;
        let is_free = if plan.is_lean || plan.is_urgent {
            self.log.is_still()
        } else {
            self.log.is_idle()
        };
        let may = plan.is_lean || self.uplink.is_some();
        let is_current = plan.position == self.log.position() && is_free && may;
        match found {
            Ok(found) if is_current => self.clean_now(plan, found),
            Ok(_) if may => self.evicting.look_again(),
            Ok(_) => self.lean_cleaning_ended(false),
            Err(_) => {
                self.no_cleaning_before_ms = self.now_ms + CLEAN_AGAIN_MS;
                self.lean_cleaning_ended(false);
            }
        }
    }

    fn clean_now(&mut self, mut plan: Plan, found: Vec<Option<Vec<u8>>>) {
        let mut blobs = OrderedMap::new();
        let mut old = OrderedMap::new();
        let mut known = Vec::new();
        for (place, bytes) in plan.places.into_iter().zip(found) {
            match place {
                Place::Value(key) => {
                    if bytes.is_some() {
                        known.push(key.clone());
                    }
                    old.extend(
                        bytes
                            .and_then(|bytes| record::settled(&bytes))
                            .map(|settled| (key, settled)),
                    );
                }
                Place::Blob(BlobKey(id, _)) => blobs.extend(bytes.map(|bytes| (id, bytes))),
            }
        }
        let held_back = self.settle_all(&plan.moved, &blobs, &mut old);
        // One that cannot be read, and is not written over, stays in the account.
        known.retain(|key| old.contains_key(key));
        plan.moved.retain(|id| !held_back.contains(id));
        plan.kept.extend(held_back);
        let mut delete_blobs: Vec<BlobKey> = self.backup.dead_blobs().keys().copied().collect();
        let moved = plan.moved.iter().filter_map(|id| self.backup.task(*id));
        for task in moved {
            // What is missing is not deleted: nothing can be shown of it, and nothing else is held up by it.
            if value_of(task, &blobs).is_some() {
                delete_blobs.extend(blob_keys(task));
            }
        }
        let mut records = Vec::new();
        let mut evict = Vec::new();
        if plan.is_lean {
            let spared = |key: &String| {
                self.backup
                    .overlay()
                    .writers(key)
                    .any(|id| !plan.moved.contains(&id))
            };
            let (kept, gone) = old.into_iter().partition(|(key, _)| spared(key));
            old = kept;
            evict = gone.into_iter().map(|(key, _)| key).collect();
        }
        let kept = plan.kept.iter().filter_map(|id| self.backup.shared(*id));
        let kept = kept.map(|task| Record::Snapshot(without(task, &plan.moved)));
        records.extend(kept);
        // First: a tab that has folded some of these segments, and not all, would put updates on values that hold them.
        records.insert(0, Record::Cleaned(plan.through, plan.moved));
        let values = old
            .into_iter()
            .map(|(key, settled)| (key, record::single(&Record::Settled(settled))));
        let clean = Clean {
            expected_last: plan.position,
            values: values.collect(),
            known,
            evict,
            delete_through: plan.through,
            set_aside: self
                .damaged()
                .take_while(|key| *key <= plan.through)
                .collect(),
            delete_blobs: delete_blobs.clone(),
        };
        if let Some(commit) = self.log.clean(records, clean) {
            self.cleaning = Some(Cleaning {
                commit: Some(commit.id),
                blobs: delete_blobs,
                is_urgent: plan.is_urgent,
            });
            self.outputs.push_back(super::Output::Commit(commit));
        }
    }

    /// What the values of these keys are once final tasks left, from what they were. Returns those that cannot leave yet.
    fn settle_all(
        &self,
        moved: &[TaskId],
        blobs: &OrderedMap<TaskId, Vec<u8>>,
        rows: &mut OrderedMap<String, Settled>,
    ) -> Vec<TaskId> {
        let mut by_key: OrderedMap<String, Vec<Leaving>> = OrderedMap::new();
        for task in moved.iter().filter_map(|id| self.backup.task(*id)) {
            let tasks = by_key.get_or_default(task.submission.key.clone());
            tasks.push((task, value_of(task, blobs)));
        }
        let mut held_back = Vec::new();
        for (key, mut tasks) in by_key {
            tasks.sort_by_key(|(task, _)| (reading::place_of(task), task.order));
            let old = rows.remove(&key);
            // A list keeps the place of the first write that is known.
            let first = self.backup.overlay().first(&key);
            let born = old.as_ref().and_then(|old| old.born);
            let born = born.into_iter().chain(first).min();
            let read = self
                .memory
                .peek(&key)
                .filter(|known| known.read_ms.is_some());
            let read = read.filter(|_| old.is_none());
            let barrier = self.barrier(&key, moved);
            let as_of = self.log.position();
            let (row, held) = self.settle(old, read, &tasks, barrier, as_of);
            held_back.extend(held);
            rows.extend(row.map(|row| (key, Settled { born, ..row })));
        }
        held_back
    }

    /// A commit is complete: if it was a cleaning one, its blobs are gone. The rest is told by its records.
    pub(super) fn cleaned(&mut self, id: u64, last_key: u64) {
        if let Some(cleaning) = self.cleaning.take_if(|cleaning| cleaning.is_commit(id)) {
            if let Some(goal) = &mut self.goal {
                goal.since = last_key;
            }
            self.backup.blobs_deleted(&cleaning.blobs);
            self.lean_cleaning_ended(true);
        }
    }

    /// Values left the backup: they stay at hand as settled ones.
    pub(super) fn moved(&mut self, mut tasks: Vec<Rc<Task>>, foreseen: OrderedMap<String, Known>) {
        // In the chain's order: an older value must not come back behind one that is not at hand.
        tasks.sort_unstable_by_key(|task| reading::place_of(task));
        let mut elsewhere = Vec::new();
        let updates = tasks.iter().filter(|task| task.submission.update.is_some());
        let updated: OrderedSet<String> = updates.map(|task| task.submission.key.clone()).collect();
        let outlived: Vec<bool> = tasks.iter().map(|task| self.is_outlived(task)).collect();
        for (task, is_outlived) in tasks.into_iter().zip(outlived) {
            self.forget_task(task.submission.id);
            self.outlives(&task);
            let key = &task.submission.key;
            if let Some(known) = foreseen.get(key) {
                self.memory.put(key, known.clone());
            } else if updated.contains(key) || self.is_piled(key) {
                // What the store has now nothing here can tell.
                self.memory.forget_settled(key);
                elsewhere.push(task.clone());
            } else if is_outlived {
                // What was executed later may be at hand no more.
                elsewhere.push(task.clone());
            } else if let Some(settled) = plainly_settled(&task, None) {
                let mut known = reading::known_of(&settled);
                // The store may hold what was executed later, unless what is at hand says what it holds.
                let is_sure = self.memory.peek(key).is_some_and(Known::is_newest);
                if !is_sure {
                    known.standing = Standing::Doubted;
                }
                self.memory.put(key, known);
            } else if let State::Final(inclusion) = &task.state {
                // Its value is in the store alone: what is at hand may be an older one.
                self.memory.forget_before(key, inclusion.place());
                elsewhere.push(task.clone());
            }
            self.notice(Notice::Changed(task.submission.key.clone()));
        }
        let elsewhere = elsewhere.into_iter();
        let elsewhere = elsewhere.map(|task| (task.submission.key.clone(), Some(task)));
        self.ask_below(elsewhere.collect());
    }
}

/// The task once these have left: it waits for them no more.
fn without(task: &Rc<Task>, moved: &[TaskId]) -> Rc<Task> {
    let mut task = task.clone();
    for id in moved {
        if task.submission.waits_for().contains(id) {
            Rc::make_mut(&mut task).submission.wait_no_longer(*id);
        }
    }
    task
}

/// The bytes of a task's value, at hand or out of its blob.
fn value_of(task: &Task, blobs: &OrderedMap<TaskId, Vec<u8>>) -> Option<Rc<[u8]>> {
    let submission = &task.submission;
    super::inline_value(submission).or_else(|| {
        let blob = blobs.get(&submission.id)?;
        match &submission.value {
            Value::Given(_) => Some(blob.as_slice().into()),
            Value::Calldata(range) => blob
                .get(range.start as usize..range.end as usize)
                .map(Into::into),
        }
    })
}
