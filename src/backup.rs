//! The fold of the log: every task of the backup, and where to find it.

use crate::log::{BlobKey, Part, Stored, parts, submitted_parts};
use crate::ordered::{OrderedMap, OrderedSet};
use crate::overlay::{Below, Overlay};
use crate::record::Record;
use crate::tags::Tagged;
use crate::task::{
    Bytes, Content, Event, Hash, Next, Order, Signed, Status, Submission, Task, TaskId, Value,
};
use std::rc::Rc;

/// A task and what its place in the log costs.
#[derive(Debug)]
struct Kept {
    /// Shared with the news of it, which are told later.
    task: Rc<Task>,
    /// The segment that holds the task's newest full record.
    home: u64,
    /// The length of that record.
    len: u32,
    /// A cleaning brought its record to the log's end although it is final: nobody could compute what it settles.
    is_held_back: bool,
}

impl Kept {
    /// Bytes in the log that must stay because of it.
    fn live_len(&self) -> u64 {
        let is_live = self.is_held_back || self.task.state.status() != Status::Final;
        if is_live { u64::from(self.len) } else { 0 }
    }
}

/// What one record changed.
#[derive(Debug, PartialEq, Eq)]
pub enum Folded {
    /// A task is here that was not known.
    Began(TaskId),
    /// The task went on from this status.
    Changed(TaskId, Status),
    /// The same submission is known under this name: the record is ignored.
    Duplicate(TaskId),
    /// The idempotency key or the transaction is known with other content: the record is ignored.
    Conflict(TaskId),
    /// The event does not apply to the task as it stands: the record is ignored.
    Refused(TaskId),
    /// The app discarded the failed task.
    Discarded(Rc<Task>),
    /// The log's end up to this key is gone, and these tasks left the backup: their values are settled.
    Cleaned(u64, Vec<Rc<Task>>),
    /// No such task (any more): the record is ignored.
    Unknown,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Backup {
    /// Boxed, as new names come in anywhere, and what follows them moves.
    tasks: OrderedMap<TaskId, Box<Kept>>,
    by_tx: OrderedMap<Hash, TaskId>,
    by_idempotency_key: OrderedMap<String, TaskId>,
    homes: OrderedSet<(u64, TaskId)>,
    overlay: Overlay,
    tagged: Tagged,
    counts: [usize; Status::ALL.len()],
    live_bytes: u64,
    /// And how long they are, in bytes.
    dead_blobs: OrderedMap<BlobKey, usize>,
    /// Which tasks wait for which: the one that is waited for comes first.
    dependents: OrderedSet<(TaskId, TaskId)>,
    /// How many tasks are updates.
    updates: usize,
    /// Tasks that are final and left, with the segment that says so.
    left: OrderedMap<TaskId, u64>,
    /// The newest segment that holds a submission which was ignored.
    last_ignored: Option<u64>,
}

impl Backup {
    /// The task of this name.
    pub fn task(&self, id: TaskId) -> Option<&Task> {
        self.shared(id).map(|task| &**task)
    }

    /// The same, for whoever keeps it.
    pub(crate) fn shared(&self, id: TaskId) -> Option<&Rc<Task>> {
        self.tasks.get(&id).map(|kept| &kept.task)
    }

    /// All tasks, by name.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.all_shared().map(|task| &**task)
    }

    /// The same, for whoever keeps them.
    pub(crate) fn all_shared(&self) -> impl Iterator<Item = &Rc<Task>> {
        self.tasks.values().map(|kept| &kept.task)
    }

    /// The task that sends this transaction.
    pub fn by_tx(&self, tx: &Hash) -> Option<&Task> {
        self.task(*self.by_tx.get(tx)?)
    }

    /// The task whose value reads of the key get.
    pub fn shown(&self, key: &str) -> Option<&Task> {
        self.shown_if(key, |_| true)
    }

    /// The same among the tasks of some statuses.
    pub fn shown_if(&self, key: &str, counts: impl Fn(Status) -> bool) -> Option<&Task> {
        let task = |id| self.task(id).filter(|task| counts(task.state.status()));
        self.overlay.shown(key, &task)
    }

    /// The keys that tasks write.
    pub fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    /// The keys that tasks write with tags.
    pub fn tagged(&self) -> &Tagged {
        &self.tagged
    }

    /// The store was asked for the settled value of a key that tasks write.
    pub fn found_below(&mut self, key: &str, below: Below) {
        self.overlay.found_below(key, below);
        self.place(key);
    }

    /// No key has a settled value.
    pub fn found_nothing_below(&mut self) {
        let is_unknown = |key: &&str| matches!(self.overlay.below(key), Below::Unknown);
        let updated = self.updated().filter(is_unknown);
        let keys = self.tagged.all_unknown().chain(updated).map(Into::into);
        for key in keys.collect::<Vec<String>>() {
            self.found_below(&key, Below::Nothing);
        }
    }

    fn place(&mut self, key: &str) {
        if !self.tagged.has(key) {
            return;
        }
        if let Some((place, is_known)) = self.overlay.place(key) {
            self.tagged.place(key, place, is_known);
        }
    }

    /// How many tasks have this status.
    pub fn count(&self, status: Status) -> usize {
        self.counts[status as usize]
    }

    /// How many tasks are not settled.
    pub fn unsettled(&self) -> usize {
        let open = Status::ALL.iter().filter(|status| !status.is_settled());
        open.map(|status| self.count(*status)).sum()
    }

    /// Whether any task is an update.
    pub fn has_updates(&self) -> bool {
        self.updates > 0
    }

    /// The keys of all updates, one for each of these.
    pub fn updated(&self) -> impl Iterator<Item = &str> {
        let is_update = |task: &&Task| task.submission.update.is_some();
        let tasks = self.has_updates().then(|| self.tasks()).into_iter();
        let updates = tasks.flatten().filter(is_update);
        updates.map(|task| &*task.submission.key)
    }

    /// Bytes in the log that must stay: the full records of tasks that are not final.
    pub fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    /// Bytes of a task's full record, and of a value that is kept beside the log.
    pub fn bytes_of(&self, id: TaskId) -> u64 {
        self.tasks.get(&id).map_or(0, |kept| {
            let beside = match &kept.task.submission.value {
                Value::Given(Bytes::Blob { len, .. }) => *len,
                Value::Given(Bytes::Inline(_)) | Value::Calldata(_) => 0,
            };
            u64::from(kept.len) + u64::from(beside)
        })
    }

    /// Tasks whose full record is in a segment up to this key.
    pub fn homes_through(&self, key: u64) -> impl Iterator<Item = (u64, TaskId)> + '_ {
        self.homes
            .iter()
            .copied()
            .take_while(move |(home, _)| *home <= key)
    }

    /// The newest segment with a submission that was ignored, because it repeats another or clashes with it. Whoever
    /// folds the log without that other one would take it for a task: so it may not outlive it.
    pub fn last_ignored(&self) -> Option<u64> {
        self.last_ignored
    }

    /// The tasks that wait for this one, whether it is here or not.
    pub fn dependents(&self, id: TaskId) -> impl Iterator<Item = TaskId> + '_ {
        let all = (id, TaskId(0))..=(id, TaskId(u128::MAX));
        self.dependents.range(all).map(|(_, dependent)| *dependent)
    }

    /// Whether the log still says that the task was final and left.
    pub fn has_left(&self, id: TaskId) -> bool {
        self.left.contains_key(&id)
    }

    /// Blobs that no task needs any more, and how long each is, in bytes.
    pub fn dead_blobs(&self) -> &OrderedMap<BlobKey, usize> {
        &self.dead_blobs
    }

    /// Those blobs are deleted.
    pub fn blobs_deleted(&mut self, keys: &[BlobKey]) {
        for key in keys {
            self.dead_blobs.remove(key);
        }
    }

    /// The blob behind the task's value was read: keep it at hand while the task lives.
    pub fn keep(&mut self, id: TaskId, blob: Bytes) {
        if let Some(kept) = self.tasks.get_mut(&id) {
            let Submission { value, content, .. } = &mut Rc::make_mut(&mut kept.task).submission;
            match (value, content) {
                (Value::Given(value), _) => *value = blob,
                (Value::Calldata(_), Content::Signed(signed)) => signed.payload = blob,
                (Value::Calldata(_), Content::Draft(_)) => {}
            }
        }
    }

    /// A task that a submission repeats, and whether the content is the same.
    pub fn repeated(&self, submission: &Submission) -> Option<(TaskId, bool)> {
        let by_key = submission
            .idempotency_key
            .as_ref()
            .and_then(|key| self.by_idempotency_key.get(key));
        let by_tx = submission
            .signed()
            .and_then(|signed| self.by_tx.get(&signed.tx));
        let id = by_key.or(by_tx)?;
        let known = &self.task(*id)?;
        let is_failed = known.state.status() == Status::Failed;
        if by_key.is_none() && is_failed {
            return None;
        }
        Some((*id, is_same(&known.submission, submission)))
    }

    /// A task that an imported one repeats, by its name, its idempotency key or one of its transactions, and whether the
    /// content is the same.
    pub fn repeated_by(&self, task: &Task) -> Option<(TaskId, bool)> {
        let submission = &task.submission;
        if let Some(known) = self.task(submission.id) {
            return Some((submission.id, is_same(&known.submission, submission)));
        }
        if let Some(repeated) = self.repeated(submission) {
            return Some(repeated);
        }
        let mut known = task.transactions().filter_map(|(tx, ..)| self.by_tx(&tx));
        let known = known.find(|known| known.state.status() != Status::Failed)?;
        let other = &known.submission;
        let is_same = other.key == submission.key
            && other.update == submission.update
            && is_same_value(&other.value, &submission.value);
        Some((other.id, is_same))
    }

    /// The blobs of an imported task that is ignored are in nobody's way, unless the known task has them.
    fn ignore(&mut self, known: TaskId, task: &Task) {
        let kept: OrderedSet<BlobKey> = self.task(known).into_iter().flat_map(blob_keys).collect();
        let own = blobs(task.submission.id, parts(task));
        self.dead_blobs
            .extend(own.filter(|(key, _)| !kept.contains(key)));
    }

    /// Folds one record, found at this place with this length.
    pub fn fold(&mut self, at: Order, len: u32, record: Record) -> Folded {
        match record {
            Record::Submitted(submission) => {
                if let Some((known, is_same)) = self.repeated(&submission) {
                    let own = submitted_parts(&submission);
                    self.dead_blobs.extend(blobs(submission.id, own));
                    self.last_ignored = Some(at.segment);
                    return if is_same {
                        Folded::Duplicate(known)
                    } else {
                        Folded::Conflict(known)
                    };
                }
                self.begin(Rc::new(Task::new(submission, at)), at.segment, len)
            }
            Record::Snapshot(task) => {
                let id = task.submission.id;
                if self.tasks.contains_key(&id) {
                    self.rehome(id, at.segment, len);
                    return Folded::Refused(id);
                }
                self.begin(task, at.segment, len)
            }
            Record::Imported(mut task) => {
                if let Some((known, is_same)) = self.repeated_by(&task) {
                    self.ignore(known, &task);
                    self.last_ignored = Some(at.segment);
                    return if is_same {
                        Folded::Duplicate(known)
                    } else {
                        Folded::Conflict(known)
                    };
                }
                // An earlier life of it in this log may have left blobs to be deleted: now they are in use.
                for key in blob_keys(&task) {
                    self.dead_blobs.remove(&key);
                }
                Rc::make_mut(&mut task).order = at;
                self.begin(task, at.segment, len)
            }
            Record::Event(id, event) => self.advance(id, event),
            Record::Cleaned(through, ids) => {
                self.last_ignored.take_if(|segment| *segment <= through);
                self.left.retain(|_, segment| *segment > through);
                for id in &ids {
                    self.left.insert(*id, at.segment);
                    self.let_go(*id);
                }
                let gone = ids.into_iter().filter_map(|id| self.move_out(id));
                Folded::Cleaned(through, gone.collect())
            }
            Record::Settled(_) | Record::Closed | Record::Index(_) => Folded::Unknown,
        }
    }

    fn begin(&mut self, task: Rc<Task>, home: u64, len: u32) -> Folded {
        let submission = &task.submission;
        let id = submission.id;
        // A failed task gives its transactions up to a later one, whose record may come before its snapshot.
        let gives_up = task.state.status() == Status::Failed;
        for (tx, ..) in task.transactions() {
            if !gives_up || !self.by_tx.contains_key(&tx) {
                self.by_tx.insert(tx, id);
            }
        }
        if let Some(key) = &submission.idempotency_key {
            self.by_idempotency_key.insert(key.clone(), id);
        }
        let waits_for = submission.waits_for().iter();
        self.dependents.extend(waits_for.map(|task| (*task, id)));
        self.overlay.insert(&submission.key, task.order, id);
        self.tagged
            .insert(&submission.key, &submission.tags, task.order);
        self.place(&task.submission.key);
        self.homes.insert((home, id));
        self.counts[task.state.status() as usize] += 1;
        self.updates += usize::from(task.submission.update.is_some());
        let kept = Kept {
            // Only a snapshot is of a task that is final already.
            is_held_back: task.state.status() == Status::Final,
            task,
            home,
            len,
        };
        self.live_bytes += kept.live_len();
        self.tasks.insert(id, Box::new(kept));
        Folded::Began(id)
    }

    fn advance(&mut self, id: TaskId, event: Event) -> Folded {
        let Some(kept) = self.tasks.get_mut(&id) else {
            return Folded::Unknown;
        };
        match kept.task.next(&event) {
            Next::State(state) => {
                let from = kept.task.state.status();
                self.live_bytes -= kept.live_len();
                if let Event::Added(_, Signed { tx, .. }) | Event::Broadcast(tx) = &event {
                    self.by_tx.get_or_insert_with(*tx, || id);
                    // It may have been refused before, and its bytes left to be deleted: now they are in use.
                    let blob = BlobKey(id, Part::Transaction(*tx));
                    self.dead_blobs.remove(&blob);
                }
                if let Event::DependencyFailed { task, .. } | Event::DependencyFinal(task) = &event
                {
                    self.dependents.remove(&(*task, id));
                }
                Rc::make_mut(&mut kept.task).go_on(event, state);
                let to = kept.task.state.status();
                self.counts[from as usize] -= 1;
                self.counts[to as usize] += 1;
                kept.is_held_back &= to == Status::Final;
                self.live_bytes += kept.live_len();
                Folded::Changed(id, from)
            }
            Next::Gone => match self.remove(id) {
                Some(task) => {
                    self.dead_blobs.extend(blobs(id, parts(&task)));
                    Folded::Discarded(task)
                }
                None => Folded::Unknown,
            },
            Next::Refused => {
                let has = |tx: &Hash| kept.task.transactions().any(|(own, ..)| own == *tx);
                if let Event::Added(role, signed) = &event
                    && !has(&signed.tx)
                {
                    let part = Stored::later(*role, signed.tx, &signed.payload);
                    self.dead_blobs.extend(blobs(id, [part].into_iter()));
                }
                Folded::Refused(id)
            }
        }
    }

    /// The task's value is settled.
    fn move_out(&mut self, id: TaskId) -> Option<Rc<Task>> {
        let first = self.overlay.first(&self.task(id)?.submission.key);
        let task = self.remove(id)?;
        let key = &task.submission.key;
        match (first, task.state.inclusion()) {
            (Some(first), Some(inclusion)) if has_value(&task) => {
                let place = inclusion.place();
                self.overlay.moved_below(key, first, place);
            }
            // A blob that is missing is not moved.
            (Some(_) | None, _) => self.overlay.found_below(key, Below::Unknown),
        }
        self.place(key);
        Some(task)
    }

    /// Forgets a task.
    pub(crate) fn remove(&mut self, id: TaskId) -> Option<Rc<Task>> {
        let kept = self.tasks.remove(&id)?;
        self.live_bytes -= kept.live_len();
        let Kept { task, home, .. } = *kept;
        let Submission {
            key,
            idempotency_key,
            tags,
            ..
        } = &task.submission;
        for (tx, ..) in task.transactions() {
            if self.by_tx.get(&tx) == Some(&id) {
                self.by_tx.remove(&tx);
            }
        }
        if let Some(key) = idempotency_key {
            self.by_idempotency_key.remove(key);
        }
        for waited_for in task.submission.waits_for() {
            self.dependents.remove(&(*waited_for, id));
        }
        self.overlay.remove(key, task.order, id);
        self.tagged.remove(key, tags);
        self.place(key);
        self.homes.remove(&(home, id));
        self.counts[task.state.status() as usize] -= 1;
        self.updates -= usize::from(task.submission.update.is_some());
        Some(task)
    }

    /// The task is final, and leaves: nothing waits for it any more.
    fn let_go(&mut self, id: TaskId) {
        for dependent in self.dependents(id).collect::<Vec<_>>() {
            self.dependents.remove(&(id, dependent));
            if let Some(kept) = self.tasks.get_mut(&dependent) {
                Rc::make_mut(&mut kept.task).submission.wait_no_longer(id);
            }
        }
    }

    fn rehome(&mut self, id: TaskId, home: u64, len: u32) {
        if let Some(kept) = self.tasks.get_mut(&id) {
            self.homes.remove(&(kept.home, id));
            self.homes.insert((home, id));
            self.live_bytes -= kept.live_len();
            kept.home = home;
            kept.len = len;
            kept.is_held_back = kept.task.state.status() == Status::Final;
            self.live_bytes += kept.live_len();
        }
    }
}

/// Which of a task's parts are blobs, and how long these are.
fn blobs<'a>(
    id: TaskId,
    parts: impl Iterator<Item = Stored<'a>>,
) -> impl Iterator<Item = (BlobKey, usize)> {
    parts.filter_map(move |part| Some((part.blob_key(id)?, part.bytes.len())))
}

/// The task's blobs.
pub fn blob_keys(task: &Task) -> impl Iterator<Item = BlobKey> {
    let id = task.submission.id;
    parts(task).filter_map(move |part| part.blob_key(id))
}

fn is_same(known: &Submission, other: &Submission) -> bool {
    let same_value = is_same_value(&known.value, &other.value);
    let same_content = match (&known.content, &other.content) {
        (Content::Signed(known), Content::Signed(other)) => known.tx == other.tx,
        (Content::Draft(known), Content::Draft(other)) => known == other,
        (Content::Signed(_), Content::Draft(_)) | (Content::Draft(_), Content::Signed(_)) => false,
    };
    let same_names = known.tags == other.tags && known.update == other.update;
    same_content && known.key == other.key && same_names && same_value
}

/// Whether its value is in its record.
fn has_value(task: &Task) -> bool {
    let mut parts = parts(task);
    parts.all(|part| part.blob_key(task.submission.id).is_none())
}

fn is_same_value(known: &Value, other: &Value) -> bool {
    match (known, other) {
        (Value::Given(known), Value::Given(other)) => is_same_bytes(known, other),
        (Value::Calldata(known), Value::Calldata(other)) => known == other,
        (Value::Given(_), Value::Calldata(_)) | (Value::Calldata(_), Value::Given(_)) => false,
    }
}

fn is_same_bytes(known: &Bytes, other: &Bytes) -> bool {
    let digest = |bytes: &Bytes| match bytes {
        Bytes::Inline(bytes) => (bytes.len() as u32, crate::record::checksum(bytes)),
        Bytes::Blob { len, crc } => (*len, *crc),
    };
    match (known, other) {
        (Bytes::Inline(known), Bytes::Inline(other)) => known == other,
        (Bytes::Blob { .. }, _) | (_, Bytes::Blob { .. }) => digest(known) == digest(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overlay::Stood;
    use crate::task::{After, Block, Inclusion, Milestone, Reason, Role, State, Tag};

    fn submission(id: u128, tx: u8) -> Submission {
        Submission {
            id: TaskId(id),
            lane: String::new(),
            key: "key".into(),
            value: Value::Given(Bytes::Inline([1].into())),
            content: Content::Signed(Signed {
                tx: Hash([tx; 32]),
                nonce: 0,
                payload: Bytes::Inline([2].into()),
            }),
            idempotency_key: None,
            tags: Vec::new(),
            update: None,
            after: None,
            created_ms: 0,
        }
    }

    fn fold(backup: &mut Backup, segment: u64, record: Record) -> Folded {
        backup.fold(Order { segment, index: 12 }, 100, record)
    }

    fn failed() -> State {
        State::Failed {
            reason: Reason::Rejected,
            cause: "no".into(),
            by: None,
        }
    }

    #[test]
    fn a_key_keeps_its_place_while_it_is_edited_and_settles() {
        let mut backup = Backup::default();
        let tag: Tag = ("thread".into(), "7".into());
        let submitted = |n: u8| {
            let mut submission = submission(n.into(), n);
            submission.tags = vec![tag.clone()];
            Record::Submitted(submission)
        };
        let at = |segment| Order { segment, index: 12 };
        let place = |backup: &Backup| backup.overlay().place("key").unwrap().0;
        fold(&mut backup, 5, submitted(1));
        let below = |born| Stood {
            born: Some(at(born)),
            place: (1, 0),
        };
        assert_eq!(backup.tagged().unknown(&tag).count(), 1);
        backup.found_below("key", Below::Nothing);
        fold(&mut backup, 6, submitted(2));
        assert_eq!(
            place(&backup),
            at(5),
            "an edit stands where the first write does"
        );
        let inclusion = Inclusion {
            tx: Hash([1; 32]),
            block: Block {
                number: 7,
                hash: Hash([7; 32]),
            },
            index: 3,
            reverted: false,
        };
        fold(&mut backup, 7, Record::Event(TaskId(1), Event::SendStarted));
        fold(&mut backup, 7, Record::Event(TaskId(1), Event::Accepted));
        fold(
            &mut backup,
            8,
            Record::Event(TaskId(1), Event::Included(inclusion)),
        );
        let last = Record::Event(TaskId(1), Event::Finalized(inclusion.block));
        fold(&mut backup, 9, last);
        fold(&mut backup, 10, Record::Cleaned(0, vec![TaskId(1)]));
        assert!(backup.task(TaskId(1)).is_none());
        assert_eq!(place(&backup), at(5), "it is settled below");
        let stood = Stood {
            place: (7, 3),
            ..below(5)
        };
        assert_eq!(
            *backup.overlay().below("key"),
            Below::Value(Box::new(stood))
        );
        backup.found_below("key", Below::Value(Box::new(below(2))));
        assert_eq!(place(&backup), at(2), "the store knows an older write");
        assert_eq!(backup.tagged().unknown(&tag).count(), 0);
    }

    #[test]
    fn a_failed_task_stays_beside_a_later_one_of_the_same_transaction() {
        let order = Order {
            segment: 1,
            index: 12,
        };
        let mut backup = Backup::default();
        fold(&mut backup, 5, Record::Submitted(submission(2, 7)));
        let mut task = Task::new(submission(1, 7), order);
        task.state = failed();
        let snapshot = Record::Snapshot(task.into());
        assert_eq!(fold(&mut backup, 9, snapshot), Folded::Began(TaskId(1)));
        assert_eq!(backup.tasks().count(), 2);
        let later = backup.by_tx(&Hash([7; 32])).unwrap();
        assert_eq!(later.submission.id, TaskId(2));
    }

    #[test]
    fn what_is_ignored_is_known_until_it_is_cleaned_away() {
        let mut backup = Backup::default();
        fold(&mut backup, 1, Record::Submitted(submission(1, 7)));
        assert_eq!(backup.last_ignored(), None);
        let again = Record::Submitted(submission(2, 7));
        assert_eq!(fold(&mut backup, 4, again), Folded::Duplicate(TaskId(1)));
        fold(&mut backup, 5, Record::Cleaned(3, vec![]));
        assert_eq!(backup.last_ignored(), Some(4));
        fold(&mut backup, 6, Record::Cleaned(4, vec![]));
        assert_eq!(backup.last_ignored(), None);
    }

    fn submission_after(id: u128, tx: u8, tasks: &[u128]) -> Submission {
        Submission {
            after: Some(After {
                tasks: tasks.iter().copied().map(TaskId).collect(),
                until: Milestone::Included,
            }),
            ..submission(id, tx)
        }
    }

    #[test]
    fn what_is_final_and_left_is_waited_for_no_more_as_long_as_the_log_says_so() {
        let mut backup = Backup::default();
        fold(&mut backup, 1, Record::Submitted(submission(1, 7)));
        let waiting = Record::Submitted(submission_after(2, 8, &[1, 5]));
        fold(&mut backup, 2, waiting);
        assert_eq!(
            backup.dependents(TaskId(1)).collect::<Vec<_>>(),
            [TaskId(2)]
        );
        fold(&mut backup, 3, Record::Cleaned(1, vec![TaskId(1)]));
        let waits_for = |backup: &Backup| {
            let task = backup.task(TaskId(2)).unwrap();
            task.submission.waits_for().to_vec()
        };
        assert_eq!(waits_for(&backup), [TaskId(5)]);
        assert_eq!(backup.dependents(TaskId(1)).count(), 0);
        assert!(backup.has_left(TaskId(1)));
        fold(&mut backup, 4, Record::Cleaned(3, vec![]));
        assert!(!backup.has_left(TaskId(1)));
        let cause = "no".into();
        let task = TaskId(5);
        let lost = || Event::DependencyFailed {
            task,
            cause: String::clone(&cause),
        };
        let event = |event| Record::Event(TaskId(2), event);
        let stopped = fold(&mut backup, 5, event(lost()));
        assert_eq!(stopped, Folded::Changed(TaskId(2), Status::BackedUp));
        assert_eq!(waits_for(&backup), []);
        let again = fold(&mut backup, 6, event(lost()));
        assert_eq!(again, Folded::Refused(TaskId(2)), "it is said once");
    }

    fn imported(id: u128, tx: u8, payload: usize) -> Task {
        let mut submission = submission(id, tx);
        submission.content = Content::Signed(Signed {
            tx: Hash([tx; 32]),
            nonce: 0,
            payload: Bytes::Inline(vec![tx; payload].into()),
        });
        let order = Order {
            segment: 77,
            index: 12,
        };
        Task::new(submission, order)
    }

    #[test]
    fn an_imported_task_is_there_once_however_often_it_comes() {
        let mut backup = Backup::default();
        let came = fold(
            &mut backup,
            3,
            Record::Imported(imported(1, 7, 20_000).into()),
        );
        assert_eq!(came, Folded::Began(TaskId(1)));
        let place = backup.task(TaskId(1)).unwrap().order.segment;
        assert_eq!(place, 3, "its place is where it came in");
        let again = Record::Imported(imported(1, 7, 20_000).into());
        assert_eq!(fold(&mut backup, 4, again), Folded::Duplicate(TaskId(1)));
        assert!(backup.dead_blobs().is_empty(), "they are the known one's");
        // The same transaction under another name, and another one under the same name.
        let renamed = Record::Imported(imported(2, 7, 20_000).into());
        assert_eq!(fold(&mut backup, 5, renamed), Folded::Duplicate(TaskId(1)));
        let blob = BlobKey(TaskId(2), Part::Payload);
        assert!(backup.dead_blobs().contains_key(&blob));
        let other = Record::Imported(imported(1, 8, 1).into());
        assert_eq!(fold(&mut backup, 6, other), Folded::Conflict(TaskId(1)));
        assert_eq!(backup.last_ignored(), Some(6));
    }

    #[test]
    fn what_was_discarded_and_comes_in_again_keeps_its_blobs() {
        let mut backup = Backup::default();
        let mut task = imported(1, 7, 20_000);
        task.state = failed();
        fold(&mut backup, 1, Record::Imported(task.clone().into()));
        fold(&mut backup, 2, Record::Event(TaskId(1), Event::Discarded));
        let blob = BlobKey(TaskId(1), Part::Payload);
        assert!(backup.dead_blobs().contains_key(&blob));
        fold(&mut backup, 3, Record::Imported(task.into()));
        assert!(!backup.dead_blobs().contains_key(&blob));
    }

    #[test]
    fn a_replacement_that_was_refused_and_comes_again_keeps_its_bytes() {
        let mut backup = Backup::default();
        let added = || {
            let signed = Signed {
                tx: Hash([8; 32]),
                nonce: 0,
                payload: Bytes::Inline(vec![8; 20_000].into()),
            };
            Record::Event(TaskId(1), Event::Added(Role::Replacement, signed))
        };
        let inclusion = Inclusion {
            tx: Hash([7; 32]),
            block: Block {
                number: 5,
                hash: Hash([5; 32]),
            },
            index: 0,
            reverted: false,
        };
        let event = |event| Record::Event(TaskId(1), event);
        fold(&mut backup, 1, Record::Submitted(submission(1, 7)));
        fold(&mut backup, 2, event(Event::Included(inclusion)));
        // The block was faster. Then it is gone, and the same replacement is added once more.
        let refused = fold(&mut backup, 3, added());
        assert_eq!(refused, Folded::Refused(TaskId(1)));
        let blob = BlobKey(TaskId(1), Part::Transaction(Hash([8; 32])));
        assert!(backup.dead_blobs().contains_key(&blob));
        fold(&mut backup, 4, event(Event::Reorged(inclusion.block)));
        let added = fold(&mut backup, 5, added());
        assert_eq!(added, Folded::Changed(TaskId(1), Status::Sent));
        assert!(!backup.dead_blobs().contains_key(&blob));
    }
}
