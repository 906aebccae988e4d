//! What the log means, apart from the core: every record that became durable, folded once and never cleaned, and held
//! against what the chain really did. The promises are checked by their numbers in the design.

use crate::chain::{Chain, Quality, Tx};
use crate::disk::Disk;
use crate::signers::{PEN, PEN_ACCOUNT};
use crate::updates::Rows;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::rc::Rc;
use uplink_cache::backup::{Backup, blob_keys};
use uplink_cache::cache::Cache;
use uplink_cache::record::{self, Record, Settled};
use uplink_cache::tags;
use uplink_cache::task::{
    Block, Bytes, Content, Displaced, Event, Hash, Inclusion, Milestone, Next, Order, Reason, Role,
    Signed, Stage, State, Status, Submission, Task, TaskId, Value,
};

/// A promise that does not hold.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) promise: u8,
    pub(crate) what: String,
}

pub(crate) type Held = Result<(), Violation>;

pub(crate) fn broken(promise: u8, what: impl Into<String>) -> Held {
    let what = what.into();
    Err(Violation { promise, what })
}

/// How a task left the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Open,
    Discarded,
    Moved,
    /// Its record is damaged.
    Damaged,
    /// Moved, and its value was evicted since.
    Evicted,
}

/// A task that the log holds or held.
#[derive(Clone)]
pub(crate) struct Fact {
    pub(crate) task: Task,
    /// Its first transaction: a draft has none before it is signed.
    pub(crate) tx: Option<Tx>,
    pub(crate) end: End,
    /// The log says that a signer was asked.
    pub(crate) was_asked: bool,
    /// The log says that a send was begun.
    pub(crate) was_started: bool,
    /// The chain had the transaction from an earlier task, or was about to get it, before this one was submitted.
    was_taken_before: bool,
    /// A record that told of it is damaged: of what came of it only the chain knows.
    pub(crate) is_hurt: bool,
    /// Where its value was settled that was evicted, in this life or an earlier one, until it is stored again.
    evicted_at: Option<(u64, u32)>,
    glimpse: Rc<Glimpse>,
}

/// What tabs that are at the same place of the log must agree on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Glimpse {
    state: State,
    order: Order,
    txs: Vec<Hash>,
    nonce: Option<u64>,
    waits_for: Vec<TaskId>,
}

impl Glimpse {
    fn of(task: &Task) -> Rc<Self> {
        Rc::new(Glimpse {
            state: task.state.clone(),
            order: task.order,
            txs: task.transactions().map(|(tx, ..)| tx).collect(),
            nonce: task.nonce(),
            waits_for: task.submission.waits_for().to_vec(),
        })
    }
}

/// How far back of the log it is known what tabs must know there.
const MOST_HISTORY: usize = 128;

impl Deref for Fact {
    type Target = Task;

    fn deref(&self) -> &Task {
        &self.task
    }
}

impl Fact {
    /// Nobody knows what came of it.
    fn hurt(chain: &Chain, task: &Task) -> Self {
        let mut fact = Fact {
            task: task.clone(),
            tx: None,
            end: End::Open,
            was_asked: true,
            was_started: true,
            was_taken_before: true,
            is_hurt: true,
            evicted_at: None,
            glimpse: Glimpse::of(task),
        };
        fact.becomes(chain, task);
        fact
    }

    fn becomes(&mut self, chain: &Chain, task: &Task) {
        self.is_hurt = true;
        self.end = End::Open;
        self.was_asked = true;
        self.was_started |= task.state.is_exposed();
        self.glimpse = Glimpse::of(task);
        self.task = task.clone();
        let first = self.task.transactions().next();
        self.tx = first.and_then(|(tx, ..)| chain.by_hash(&tx));
    }

    /// Whether it has long parts, which were lost with its submission where a cleaning had written the rest anew.
    pub(crate) fn may_lack_parts(&self) -> bool {
        self.is_hurt && blob_keys(self).next().is_some()
    }

    /// What tabs must agree on is something else now.
    pub(crate) fn refresh(&mut self) {
        self.glimpse = Glimpse::of(&self.task);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.end == End::Open
    }

    pub(crate) fn is_unsettled(&self) -> bool {
        self.is_open() && !self.state.status().is_settled()
    }

    /// Who signs it, where it came without a signature.
    pub(crate) fn signer(&self) -> Option<&str> {
        match &self.submission.content {
            Content::Draft(signer) => Some(signer),
            Content::Signed(_) => None,
        }
    }

    /// Whether it waits for a tab that has its signer.
    pub(crate) fn waits_for_signer(&self) -> bool {
        self.is_unsettled() && self.cause() == Some(Reason::UnknownSigner)
    }

    /// Whether it has no transaction yet, as far as the log says.
    pub(crate) fn is_unsigned(&self) -> bool {
        self.newest().is_none() && self.is_unsettled()
    }

    /// All its transactions.
    pub(crate) fn txs(&self, chain: &Chain) -> impl Iterator<Item = Tx> {
        let txs = self.task.transactions();
        txs.filter_map(|(tx, ..)| chain.by_hash(&tx))
    }

    /// It will not move without a person.
    pub(crate) fn cause(&self) -> Option<Reason> {
        match &self.state {
            State::Blocked { reason, .. } | State::Failed { reason, .. } => Some(*reason),
            State::Displaced(displaced) => Some(displaced.reason),
            State::BackedUp(_)
            | State::Signing { .. }
            | State::Sent
            | State::Included(_)
            | State::Final(_) => None,
        }
    }
}

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) facts: BTreeMap<TaskId, Fact>,
    /// Submissions that repeated another, or clashed with it.
    pub(crate) void: BTreeSet<TaskId>,
    /// Sends that left a tab and did not arrive yet.
    pub(crate) wire: BTreeMap<Tx, u32>,
    /// What users asked for.
    pub(crate) cancels: BTreeSet<TaskId>,
    pub(crate) discards: BTreeSet<TaskId>,
    /// What the wallet sent by itself.
    pub(crate) sent_by_wallet: BTreeSet<TaskId>,
    /// How many tasks came in out of files.
    pub(crate) imported: u64,
    /// How far tasks ever were, by the log.
    pub(crate) reached: BTreeSet<(TaskId, Milestone)>,
    /// Tasks of which the log still says that they are final and left, and its segment that does.
    pub(crate) left: BTreeMap<TaskId, u64>,
    /// Of each key, the newest place that is final.
    pub(crate) settled: BTreeMap<String, (u64, u32)>,
    pub(crate) rows: Rows,
    /// Keys whose value was evicted at some time.
    pub(crate) evicted_keys: BTreeSet<String>,
    /// Of each of the newest segments: what the log said up to there.
    pub(crate) history: BTreeMap<u64, Vec<(TaskId, Rc<Glimpse>)>>,
    /// How often anything of this became otherwise by what the disk holds.
    pub(crate) version: u64,
}

/// What the log said at some time.
pub(crate) struct Facts {
    facts: BTreeMap<TaskId, Fact>,
    void: BTreeSet<TaskId>,
    settled: BTreeMap<String, (u64, u32)>,
    rows: Rows,
}

impl Facts {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&TaskId, &Fact)> {
        self.facts.iter()
    }
}

/// What may be otherwise since records are missing in the middle of the log.
#[derive(Debug, Default)]
pub(crate) struct Harm {
    /// Tasks of which the submission is missing.
    pub(crate) gone: BTreeSet<TaskId>,
    /// Tasks of which the chain's word is missing.
    pub(crate) changed: BTreeSet<TaskId>,
}

impl Harm {
    /// This segment is missing.
    pub(crate) fn told_of(&mut self, segment: &[u8]) {
        for (_, record) in record::read(segment).unwrap().records {
            match record {
                Record::Submitted(submission) => {
                    self.gone.insert(submission.id);
                }
                Record::Event(id, _) => {
                    self.changed.insert(id);
                }
                // A cleaning lasts, and so does what came in out of a file.
                Record::Snapshot(_)
                | Record::Imported(_)
                | Record::Cleaned(..)
                | Record::Settled(_)
                | Record::Closed
                | Record::Index(_) => {}
            }
        }
    }
}

impl Model {
    pub(crate) fn facts_now(&self) -> Facts {
        Facts {
            facts: self.facts.clone(),
            void: self.void.clone(),
            settled: self.settled.clone(),
            rows: self.rows.clone(),
        }
    }

    /// The disk lost what came after this.
    pub(crate) fn go_back(&mut self, to: Facts, last_key: u64) {
        self.version += 1;
        self.facts = to.facts;
        self.void = to.void;
        self.settled = to.settled;
        let Rows { values, keys, .. } = std::mem::take(&mut self.rows);
        self.rows = to.rows;
        self.rows.values.extend(values);
        self.rows.keys.extend(keys);
        self.history.retain(|key, _| *key <= last_key);
    }

    /// A commit became durable with this as its segment of this key.
    pub(crate) fn fold(&mut self, chain: &Chain, key: u64, segment: &[u8]) -> Held {
        self.version += 1;
        let contents = record::read(segment).unwrap();
        if let Some(damage) = contents.damage {
            return broken(1, format!("a segment was written damaged: {damage:?}"));
        }
        for (place, record) in contents.records {
            let order = Order {
                segment: key,
                index: place.start,
            };
            match record {
                Record::Submitted(submission) => self.submitted(chain, order, submission)?,
                Record::Event(id, event) => self.happened(chain, id, event)?,
                Record::Snapshot(task) => self.repeated(&task)?,
                Record::Imported(task) => self.came_in(chain, order, (*task).clone())?,
                Record::Cleaned(through, ids) => {
                    self.let_go(key, through, &ids);
                    self.settle(&ids)?;
                    self.cleaned(&ids)?;
                }
                Record::Settled(_) => return broken(1, "a settled value is in the log"),
                Record::Closed | Record::Index(_) => {}
            }
        }
        let open = self.facts.iter().filter(|(_, fact)| fact.is_open());
        let glimpses = open.map(|(id, fact)| (*id, fact.glimpse.clone()));
        self.history.insert(key, glimpses.collect());
        if self.history.len() > MOST_HISTORY {
            self.history.pop_first();
        }
        Ok(())
    }

    /// A tab that is behind knows what the log said up to where it is.
    pub(crate) fn check_behind(&self, cache: &Cache) -> Held {
        let position = cache.log().position();
        let Some(known) = self.history.get(&position) else {
            return Ok(());
        };
        let mut tasks = cache.tasks();
        let is_same = known.iter().all(|(id, glimpse)| {
            let same = |task: &Task| task.submission.id == *id && Glimpse::of(task) == *glimpse;
            tasks.next().is_some_and(same)
        });
        if is_same && tasks.next().is_none() {
            return Ok(());
        }
        let tasks: Vec<_> = cache
            .tasks()
            .map(|task| (task.submission.id, Glimpse::of(task)))
            .collect();
        broken(
            1,
            format!("a tab at {position} knows {tasks:?}, the log said {known:?}"),
        )
    }

    fn submitted(&mut self, chain: &Chain, order: Order, submission: Submission) -> Held {
        let id = submission.id;
        if self.facts.contains_key(&id) || self.void.contains(&id) {
            return broken(1, format!("{id} was submitted twice"));
        }
        if self.earlier(&submission).is_some() {
            self.void.insert(id);
            return Ok(());
        }
        let tx = match submission.signed() {
            None => None,
            Some(signed) => match chain.by_hash(&signed.tx) {
                Some(tx) => Some(tx),
                None => return broken(3, format!("{id} has a transaction id that nobody made")),
            },
        };
        let task = Task::new(submission, order);
        let fact = Fact {
            glimpse: Glimpse::of(&task),
            task,
            tx,
            end: End::Open,
            was_asked: false,
            was_started: false,
            was_taken_before: tx.is_some_and(|tx| self.was_out(chain, tx)),
            is_hurt: false,
            evicted_at: None,
        };
        self.facts.insert(id, fact);
        Ok(())
    }

    /// A record is damaged: what tasks are now is what the rest of the log says, which is folded here.
    pub(crate) fn adopt(&mut self, chain: &Chain, backup: &Backup) {
        self.version += 1;
        for (id, fact) in self.facts.iter_mut().filter(|(_, fact)| fact.is_open()) {
            match backup.task(*id) {
                None => fact.end = End::Damaged,
                Some(task) if Glimpse::of(task) != fact.glimpse => fact.becomes(chain, task),
                Some(_) => {}
            }
        }
        for task in backup.tasks() {
            let id = task.submission.id;
            // What it repeated, or the word that it was discarded, is lost.
            self.void.remove(&id);
            let fact = self.facts.entry(id);
            let fact = fact.or_insert_with(|| Fact::hurt(chain, task));
            if !fact.is_open() || fact.tx.is_none() {
                fact.becomes(chain, task);
            }
        }
        self.forget_left(backup);
        self.count_settled();
    }

    /// Records are missing in the middle of the log. Only what they told of may be otherwise.
    pub(crate) fn suffers(&mut self, chain: &Chain, backup: &Backup, harm: &Harm) {
        self.version += 1;
        let missing = |id: &TaskId, fact: &Fact| fact.is_open() && backup.task(*id).is_none();
        for (id, fact) in &mut self.facts {
            match backup.task(*id) {
                None if fact.is_open() && harm.gone.contains(id) => fact.end = End::Damaged,
                // A cleaning wrote it anew, and its long parts may be gone.
                Some(task) if harm.gone.contains(id) => fact.becomes(chain, task),
                Some(task) if Glimpse::of(task) != fact.glimpse && harm.changed.contains(id) => {
                    fact.becomes(chain, task);
                }
                None | Some(_) => {}
            }
        }
        // What repeated a task that is gone is one of its own now, and what followed one that lives again repeats it.
        for id in std::mem::take(&mut self.void) {
            match backup.task(id) {
                Some(task) => {
                    self.facts.insert(id, Fact::hurt(chain, task));
                }
                None => {
                    self.void.insert(id);
                }
            }
        }
        let repeats = self.facts.iter().filter(|(id, fact)| {
            let others = self.facts.iter().filter(|(other, _)| other != id);
            missing(id, fact) && earlier_of(others, &fact.submission).is_some()
        });
        let repeats: Vec<TaskId> = repeats.map(|(id, _)| *id).collect();
        for id in repeats {
            if let Some(fact) = self.facts.get_mut(&id) {
                fact.end = End::Damaged;
            }
        }
        self.history.clear();
        self.forget_left(backup);
        self.count_settled();
    }

    /// Of each key, the newest place that is final, by what is known of tasks.
    fn count_settled(&mut self) {
        self.settled.clear();
        for fact in self.facts.values() {
            let State::Final(inclusion) = &fact.state else {
                continue;
            };
            if fact.end == End::Open || fact.end == End::Moved {
                let place = (inclusion.block.number, inclusion.index);
                let key = fact.submission.key.clone();
                let newest = self.settled.entry(key).or_insert(place);
                *newest = (*newest).max(place);
            }
        }
    }

    /// Whether the chain has it, or a send of it is on its way.
    fn was_out(&self, chain: &Chain, tx: Tx) -> bool {
        chain.txs[tx].was_taken || self.wire.get(&tx).is_some_and(|count| *count > 0)
    }

    /// The task that a submission repeats or clashes with.
    pub(crate) fn earlier(&self, submission: &Submission) -> Option<&Fact> {
        earlier_of(self.facts.iter(), submission)
    }

    /// A task out of a file: one that is not here begins, and nothing that the file says of the chain is believed.
    fn came_in(&mut self, chain: &Chain, order: Order, mut task: Task) -> Held {
        let id = task.submission.id;
        let txs: BTreeSet<Hash> = task.transactions().map(|(tx, ..)| tx).collect();
        let shares = |fact: &Fact| {
            let mut own = fact.transactions();
            fact.state.status() != Status::Failed && own.any(|(tx, ..)| txs.contains(&tx))
        };
        let mut open = self.facts.iter().filter(|(_, fact)| fact.is_open());
        let is_known = open.any(|(known, fact)| *known == id || shares(fact));
        if is_known || self.earlier(&task.submission).is_some() {
            return Ok(());
        }
        match &task.state {
            State::BackedUp(Stage::Exposed)
            | State::Blocked {
                stage: Stage::Exposed,
                ..
            }
            | State::Failed { .. } => {}
            // A signer may have been asked elsewhere; and what a wallet sent, only that has.
            State::Blocked {
                stage: Stage::Doubtful,
                ..
            }
            | State::Sent
                if matches!(task.submission.content, Content::Draft(_)) => {}
            state => return broken(6, format!("{id} came in as {state:?}")),
        }
        let first = task.transactions().next();
        let tx = first.and_then(|(tx, ..)| chain.by_hash(&tx));
        task.order = order;
        let fact = Fact {
            glimpse: Glimpse::of(&task),
            task,
            tx,
            end: End::Open,
            // Another browser may have asked for it, and sent it.
            was_asked: true,
            was_started: true,
            was_taken_before: tx.is_some_and(|tx| self.was_out(chain, tx)),
            // What a damaged record said in an earlier life, the log cannot know.
            is_hurt: self.facts.get(&id).is_some_and(|earlier| earlier.is_hurt),
            // A tab that is behind may still know the value.
            evicted_at: self.facts.get(&id).and_then(|earlier| earlier.evicted_at),
        };
        self.facts.insert(id, fact);
        self.note_reached(id);
        self.imported += 1;
        Ok(())
    }

    fn happened(&mut self, chain: &Chain, id: TaskId, event: Event) -> Held {
        let was_added_late = match &event {
            // A transaction that was another task's once.
            Event::Added(Role::Replacement | Role::Cancellation, signed) => chain
                .by_hash(&signed.tx)
                .is_some_and(|tx| self.was_out(chain, tx)),
            Event::Added(Role::Original, _)
            | Event::SignStarted { .. }
            | Event::Broadcast(_)
            | Event::NotSent
            | Event::SendStarted
            | Event::Accepted
            | Event::Blocked { .. }
            | Event::Retried { .. }
            | Event::Included(_)
            | Event::Displaced(_)
            | Event::Outrun { .. }
            | Event::Reorged(_)
            | Event::Finalized(_)
            | Event::Rejected { .. }
            | Event::Cancelled
            | Event::Discarded
            | Event::DependencyFailed { .. }
            | Event::DependencyFinal(_) => false,
        };
        let lost = match &event {
            Event::DependencyFailed { task, .. } => Some(*task),
            _ => None,
        };
        // Where records are damaged nobody may know any longer whose a transaction is.
        let is_hurt = |fact: &Fact| fact.is_hurt || fact.end == End::Damaged;
        let is_hurt = self.facts.values().any(is_hurt);
        // Nor where its task was discarded.
        let gone = self
            .facts
            .iter()
            .filter(|(_, fact)| fact.end == End::Discarded);
        let gone: Vec<TaskId> = gone.map(|(id, _)| *id).collect();
        let Some(fact) = self.facts.get_mut(&id).filter(|fact| fact.is_open()) else {
            return Ok(());
        };
        match fact.task.next(&event) {
            Next::Refused => return Ok(()),
            Next::Gone => {
                fact.end = End::Discarded;
                return if self.discards.contains(&id) {
                    Ok(())
                } else {
                    broken(5, format!("{id} was discarded, and nobody asked for it"))
                };
            }
            Next::State(state) => {
                fact.was_started |= event == Event::SendStarted;
                fact.was_asked |= matches!(event, Event::SignStarted { .. });
                fact.was_taken_before |= was_added_late;
                let made = match &event {
                    Event::Added(Role::Original, Signed { tx, .. }) | Event::Broadcast(tx) => {
                        Some(*tx)
                    }
                    _ => None,
                };
                fact.task.go_on(event, state);
                fact.glimpse = Glimpse::of(&fact.task);
                let made = made.and_then(|tx| chain.by_hash(&tx));
                let is_anothers = |tx: Tx| {
                    let made = &chain.txs[tx];
                    !made.is_for(id) && !gone.iter().any(|gone| made.is_for(*gone))
                };
                if !is_hurt && made.is_some_and(is_anothers) {
                    return broken(3, format!("{id} got the transaction of another task"));
                }
                let first = fact.task.transactions().next();
                fact.tx = first.and_then(|(tx, ..)| chain.by_hash(&tx));
            }
        }
        self.note_reached(id);
        if let Some(lost) = lost {
            self.check_lost(id, lost)?;
        }
        let fact = &self.facts[&id];
        if matches!(fact.state, State::Signing { .. }) {
            self.check_after(id, fact)?;
        }
        self.check_state(chain, id, fact)?;
        // Where its long value may be lost, nobody shows it.
        if let State::Final(inclusion) = fact.state
            && !fact.may_lack_parts()
        {
            let place = (inclusion.block.number, inclusion.index);
            let newest = self
                .settled
                .entry(fact.submission.key.clone())
                .or_insert(place);
            *newest = (*newest).max(place);
        }
        Ok(())
    }

    /// Whether a task of the lane failed whose nonce is lower.
    fn left_a_nonce(&self, fact: &Fact) -> bool {
        self.facts.values().any(|other| {
            other.submission.lane == fact.submission.lane
                && other.nonce() < fact.nonce()
                && other.state.status() == Status::Failed
        })
    }

    /// Whether what the log now says of a task is true.
    fn check_state(&self, chain: &Chain, id: TaskId, fact: &Fact) -> Held {
        let is_on_wire = |tx: &Tx| self.wire.get(tx).is_some_and(|count| *count > 0);
        let mut out = fact
            .txs(chain)
            .filter(|tx| chain.txs[*tx].was_taken || is_on_wire(tx));
        let may_be_out =
            out.next().is_some() && !fact.was_taken_before || self.sent_by_wallet.contains(&id);
        if fact.is_hurt {
            return match &fact.state {
                State::Included(inclusion) => check_inclusion(chain, id, fact, inclusion),
                State::Final(inclusion) => check_final(chain, id, fact, inclusion),
                _ => Ok(()),
            };
        }
        let was_low = fact.txs(chain).any(|tx| chain.txs[tx].was_low);
        let is_refused = fact
            .txs(chain)
            .any(|tx| chain.txs[tx].quality == Quality::Refused);
        match &fact.state {
            State::Blocked {
                stage: Stage::Draft | Stage::Ready,
                reason,
                ..
            } if may_be_out => broken(
                6,
                format!("{id} is blocked ({reason:?}) as if the chain could not have it"),
            ),
            State::Blocked {
                reason: Reason::NonceTaken,
                ..
            } if !was_low => broken(
                6,
                format!("{id} has its nonce taken, and no gateway said so"),
            ),
            State::Failed {
                reason: Reason::Cancelled,
                ..
            } if !self.cancels.contains(&id) => {
                broken(6, format!("{id} was cancelled, and nobody asked for it"))
            }
            State::Blocked {
                reason: Reason::NonceGap,
                ..
            } if !self.left_a_nonce(fact) => {
                broken(6, format!("{id} waits behind a gap, and no task failed"))
            }
            State::Failed {
                reason: reason @ (Reason::Cancelled | Reason::Replaced),
                by: Some(by),
                ..
            } => check_displaced(chain, id, fact, *reason, by),
            State::Failed {
                reason: Reason::Cancelled,
                ..
            } if may_be_out => broken(6, format!("{id} was cancelled, and the chain may have it")),
            State::Failed {
                reason: Reason::Rejected,
                cause,
                ..
            } if may_be_out || !is_refused => broken(6, format!("{id} failed by a fault: {cause}")),
            State::Failed {
                reason: Reason::Reverted,
                ..
            } => {
                let holder = fact.tx.and_then(|tx| {
                    let made = &chain.txs[tx];
                    chain.holder(made.account, made.nonce)
                });
                let place = holder.and_then(|holder| chain.place(holder));
                let is_true = place.is_some_and(|(block, _, reverted)| {
                    reverted && block.number <= chain.final_height
                });
                if is_true {
                    return Ok(());
                }
                broken(6, format!("{id} failed as reverted, and was not"))
            }
            State::Failed {
                reason: Reason::Replaced,
                ..
            } => {
                let Some(tx) = fact.tx else {
                    return broken(6, format!("{id} was replaced, and had no transaction"));
                };
                let made = &chain.txs[tx];
                let holder = chain.holder(made.account, made.nonce);
                let place = holder.and_then(|holder| chain.place(holder));
                let is_final = place.is_some_and(|(block, ..)| block.number <= chain.final_height);
                if is_final && fact.txs(chain).all(|tx| Some(tx) != holder) {
                    return Ok(());
                }
                broken(
                    6,
                    format!("{id} failed as replaced, and {holder:?} has its nonce"),
                )
            }
            State::Failed { reason, .. }
                if !matches!(reason, Reason::Cancelled | Reason::Rejected) =>
            {
                broken(6, format!("{id} failed by {reason:?}"))
            }
            State::Included(inclusion) => check_inclusion(chain, id, fact, inclusion),
            State::Final(inclusion) => check_final(chain, id, fact, inclusion),
            State::Displaced(Displaced { inclusion, .. }) => {
                let mined = chain.seen.get(&inclusion.block.hash);
                let holds = mined.and_then(|mined| mined.txs.get(inclusion.index as usize));
                match holds {
                    Some((tx, _)) if chain.txs[*tx].hash == inclusion.tx => Ok(()),
                    place => broken(6, format!("{id} is displaced by {place:?}")),
                }
            }
            State::BackedUp(_)
            | State::Signing { .. }
            | State::Blocked { .. }
            | State::Sent
            | State::Failed { .. } => Ok(()),
        }
    }

    fn repeated(&self, task: &Task) -> Held {
        let id = task.submission.id;
        let Some(fact) = self.facts.get(&id).filter(|fact| fact.is_open()) else {
            return broken(5, format!("cleaning brought {id} back"));
        };
        let (known, same) = (&fact.task, &task.submission);
        let txs = |task: &Task| task.transactions().map(|(tx, ..)| tx).collect::<Vec<_>>();
        let is_same = txs(known) == txs(task)
            && known.nonce() == task.nonce()
            && known.submission.key == same.key
            && known.submission.lane == same.lane
            && known.submission.tags == same.tags
            && known.submission.idempotency_key == same.idempotency_key
            && known.order == task.order
            && known.submission.after == same.after
            && known.submission.update == same.update
            && known.state == task.state;
        if !is_same {
            let (was, state, order) = (&fact.state, &task.state, task.order);
            return broken(
                5,
                format!("cleaning wrote {id} as {state:?} at {order:?}, it was {was:?}"),
            );
        }
        Ok(())
    }

    fn cleaned(&mut self, ids: &[TaskId]) -> Held {
        for id in ids {
            let Some(fact) = self.facts.get_mut(id).filter(|fact| fact.is_open()) else {
                continue;
            };
            if fact.state.status() != Status::Final {
                let state = &fact.state;
                return broken(5, format!("cleaning dropped {id}, which is {state:?}"));
            }
            fact.end = End::Moved;
            fact.evicted_at = None;
        }
        Ok(())
    }

    /// A send leaves a tab, or arrives: all that it needs must be durable. It may arrive after what failed by the chain's
    /// word was discarded.
    pub(crate) fn check_send(&self, chain: &Chain, payload: &[u8]) -> Result<Tx, Violation> {
        let Some(tx) = chain.by_payload(payload) else {
            broken(3, "bytes were sent that nobody submitted")?;
            unreachable!()
        };
        let mut facts = self
            .facts
            .values()
            .filter(|fact| fact.txs(chain).any(|own| own == tx))
            .peekable();
        let hash = chain.txs[tx].hash;
        if facts.peek().is_none() {
            broken(2, format!("{hash} was sent and is not backed up"))?;
        }
        let mut started = facts.filter(|fact| fact.was_started).peekable();
        if started.peek().is_none() {
            let facts = self
                .facts
                .iter()
                .filter(|(_, fact)| fact.txs(chain).any(|own| own == tx));
            let facts: Vec<_> = facts
                .map(|(id, fact)| (*id, fact.end, &fact.state))
                .collect();
            broken(
                2,
                format!("{hash} was sent before the log says so: {facts:?}"),
            )?;
        }
        let was_cancelled = |state: &State| match state {
            State::Failed { reason, by, .. } => *reason == Reason::Cancelled && by.is_none(),
            _ => false,
        };
        let is_dead = |fact: &Fact| was_cancelled(&fact.state);
        let is_foreign =
            |fact: &Fact| fact.signer() == Some(PEN) && chain.txs[tx].account != PEN_ACCOUNT;
        if started.clone().any(is_foreign) {
            broken(2, format!("{hash} was sent, which another account signed"))?;
        }
        if started.clone().all(is_dead) {
            broken(6, format!("{hash} was sent although it was cancelled"))?;
        }
        self.check_after_any(chain, tx)?;
        Ok(tx)
    }

    /// A send leaves a tab: somebody still wants it.
    pub(crate) fn check_wanted(&self, chain: &Chain, tx: Tx) -> Held {
        let is_own = |fact: &&Fact| fact.txs(chain).any(|own| own == tx);
        let mut own = self.facts.values().filter(is_own);
        if own.all(|fact| fact.end == End::Discarded) {
            let hash = chain.txs[tx].hash;
            return broken(6, format!("{hash} was sent although it was discarded"));
        }
        Ok(())
    }

    /// What a tab that opened now would find. `promise`: which one does not hold where something is missing.
    pub(crate) fn check_disk(&self, disk: &Disk, promise: u8) -> Held {
        let mut backup = Backup::default();
        for (key, segment) in &disk.log {
            for (place, record) in record::read(segment).unwrap().records {
                let at = Order {
                    segment: *key,
                    index: place.start,
                };
                backup.fold(at, place.end - place.start, record);
            }
        }
        self.compare(&backup, promise)?;
        self.check_rows(disk)?;
        for (id, fact) in &self.facts {
            match fact.end {
                // Where the word that it failed is damaged, what was deleted since is gone all the same.
                End::Open if fact.is_hurt => {}
                End::Open => check_blobs(disk, fact)?,
                // Where the long value of a submission is lost, none can be stored.
                End::Moved if fact.may_lack_parts() => {}
                End::Moved => check_moved(disk, *id, fact)?,
                End::Discarded | End::Damaged | End::Evicted => {}
            }
        }
        let bytes = |(key, segment): (&String, &Vec<u8>)| (key.len() + segment.len()) as u64;
        let counted: u64 = disk.values.iter().map(bytes).sum();
        let listed = disk.values.iter().flat_map(|(key, segment)| {
            let settled = settled(segment);
            let tags = settled.and_then(|settled| Some((settled.born?, settled.tags)));
            let (born, tags) = tags.unzip();
            let tags = tags.unwrap_or_default().into_iter();
            tags.filter_map(move |tag| Some((tags::store_key(&tag, born?), key.clone())))
        });
        let listed: BTreeMap<Vec<u8>, String> = listed.collect();
        if listed != disk.tags {
            let tags = &disk.tags;
            return broken(
                4,
                format!("values with tags {listed:?} are listed as {tags:?}"),
            );
        }
        if counted != disk.values_bytes {
            return broken(
                11,
                format!("values of {counted} bytes count for {}", disk.values_bytes),
            );
        }
        Ok(())
    }

    /// The value of this key left the store: no task of the backup may write it, or an older value would come back.
    pub(crate) fn evicted(&mut self, key: &str) -> Held {
        self.version += 1;
        for (id, fact) in &mut self.facts {
            if fact.submission.key != key {
                continue;
            }
            match fact.end {
                End::Open => {
                    let state = &fact.state;
                    return broken(9, format!("{key} was evicted, {id} writes it: {state:?}"));
                }
                End::Moved => {
                    fact.end = End::Evicted;
                    let found = fact.state.inclusion();
                    fact.evicted_at = found.map(|found| (found.block.number, found.index));
                }
                End::Discarded | End::Damaged | End::Evicted => {}
            }
        }
        self.settled.remove(key);
        self.rows.forget(key);
        self.evicted_keys.insert(key.into());
        Ok(())
    }

    /// Whether a value of this key was evicted that was settled here, or later: a tab that is behind may still show it.
    pub(crate) fn was_evicted(&self, key: &str, place: Option<(u64, u32)>) -> bool {
        self.facts.values().any(|fact| {
            let evicted_at = fact.evicted_at;
            evicted_at.is_some() && fact.submission.key == key && evicted_at >= place
        })
    }

    /// Whether a power failure may have taken a long value of this key before it settled.
    pub(crate) fn may_lack_value(&self, key: &str) -> bool {
        let mut own = self
            .facts
            .values()
            .filter(|fact| fact.submission.key == key);
        own.any(Fact::may_lack_parts)
    }

    /// Whether the chain had the task's transaction before it was submitted.
    pub(crate) fn was_taken_before(&self, id: Option<TaskId>) -> bool {
        let fact = id.and_then(|id| self.facts.get(&id));
        fact.is_some_and(|fact| fact.was_taken_before)
    }

    /// Whether a task of the backup writes this key.
    pub(crate) fn writes(&self, key: &str) -> bool {
        let mut open = self.facts.values().filter(|fact| fact.is_open());
        open.any(|fact| fact.submission.key == key)
    }

    /// A tab that has read the whole log must know what the log says.
    pub(crate) fn check_tab(&self, cache: &Cache) -> Held {
        self.compare(cache.backup(), 1)
    }

    fn compare(&self, backup: &Backup, promise: u8) -> Held {
        let mut open = 0;
        for (id, fact) in self.facts.iter().filter(|(_, fact)| fact.is_open()) {
            open += 1;
            match backup.task(*id) {
                None => broken(promise, format!("{id} ({:?}) is lost", fact.state))?,
                Some(task) if task.state != fact.state => {
                    let (known, said) = (&task.state, &fact.state);
                    let is_reorg = matches!(said, State::Included(_)) && *known == State::Sent;
                    let promise = if is_reorg { 7 } else { promise };
                    broken(
                        promise,
                        format!("{id} is taken for {known:?}, the log says {said:?}"),
                    )?;
                }
                Some(task) if task.order != fact.order => {
                    broken(
                        promise,
                        format!("{id} moved from {:?} to {:?}", fact.order, task.order),
                    )?;
                }
                Some(task) if task.submission.after != fact.submission.after => {
                    let (known, said) = (&task.submission.after, &fact.submission.after);
                    broken(
                        promise,
                        format!("{id} waits for {known:?}, the log says {said:?}"),
                    )?;
                }
                Some(_) => {}
            }
        }
        let count = backup.tasks().count();
        if count != open {
            let extra = backup.tasks().map(|task| task.submission.id);
            let extra: Vec<_> = extra
                .filter(|id| self.facts.get(id).is_none_or(|fact| !fact.is_open()))
                .collect();
            return broken(
                promise,
                format!("tasks that the log does not hold: {extra:?}"),
            );
        }
        Ok(())
    }

    /// Whether the task may stay as it is once faults have stopped.
    pub(crate) fn is_at_rest(&self, chain: &Chain, fact: &Fact) -> bool {
        let mut txs = fact.txs(chain);
        match &fact.state {
            State::Final(_) | State::Failed { .. } => true,
            State::Blocked {
                reason: Reason::Rejected,
                ..
            } => txs.any(|tx| chain.txs[tx].quality == Quality::Refused),
            State::Blocked {
                reason: Reason::UpdateFailed,
                ..
            } => self.throws(&fact.task),
            State::Blocked {
                reason: Reason::PayloadLost,
                ..
            } => fact.is_hurt,
            State::BackedUp(_) => self.waits_at_rest(chain, fact),
            State::Blocked { .. }
            | State::Signing { .. }
            | State::Sent
            | State::Included(_)
            | State::Displaced(_) => false,
        }
    }
}

/// The one of these that a submission repeats or clashes with.
fn earlier_of<'a>(
    facts: impl Iterator<Item = (&'a TaskId, &'a Fact)>,
    submission: &Submission,
) -> Option<&'a Fact> {
    let open: Vec<&Fact> = facts
        .map(|(_, fact)| fact)
        .filter(|fact| fact.is_open())
        .collect();
    let has_key = |fact: &&&Fact| {
        submission.idempotency_key.is_some()
            && fact.submission.idempotency_key == submission.idempotency_key
    };
    let has_tx = |fact: &&&Fact| {
        let tx = submission.signed().map(|signed| signed.tx);
        let mut own = fact.transactions();
        own.any(|(own, ..)| Some(own) == tx) && fact.state.status() != Status::Failed
    };
    let by_key = open.iter().find(has_key);
    by_key.or_else(|| open.iter().find(has_tx)).copied()
}

/// The block holds the transaction, which is the task's own or does the same.
fn check_inclusion(chain: &Chain, id: TaskId, fact: &Fact, inclusion: &Inclusion) -> Held {
    let mined = chain.seen.get(&inclusion.block.hash);
    let place = mined.and_then(|mined| mined.txs.get(inclusion.index as usize));
    let is_true = place.is_some_and(|(tx, reverted)| {
        let made = &chain.txs[*tx];
        let does_the_same = |own: Tx| {
            let own = &chain.txs[own];
            (own.account, own.nonce, &own.data) == (made.account, made.nonce, &made.data)
        };
        made.hash == inclusion.tx
            && *reverted == inclusion.reverted
            && fact.txs(chain).any(does_the_same)
    });
    if is_true {
        return Ok(());
    }
    broken(
        6,
        format!("{id} is taken for included at {inclusion:?}, which holds {place:?}"),
    )
}

/// A final block holds another transaction of the task's nonce.
fn check_displaced(chain: &Chain, id: TaskId, fact: &Fact, reason: Reason, by: &Hash) -> Held {
    let tx = chain.by_hash(by);
    let place = tx.and_then(|tx| chain.place(tx));
    let is_final = place.is_some_and(|(block, ..)| block.number <= chain.final_height);
    let mut own = fact.task.transactions();
    let role = own.find_map(|(tx, _, role)| (tx == *by).then_some(role));
    let expected = (reason == Reason::Cancelled).then_some(Role::Cancellation);
    let Some(own) = fact.tx else {
        return broken(6, format!("{id} was displaced, and had no transaction"));
    };
    let made = &chain.txs[own];
    let is_of_nonce = tx.is_some_and(|tx| {
        let by = &chain.txs[tx];
        (by.account, by.nonce) == (made.account, made.nonce)
    });
    if is_final && role == expected && is_of_nonce {
        return Ok(());
    }
    broken(
        6,
        format!("{id} failed as {reason:?} by {by}, which is {role:?} at {place:?}"),
    )
}

fn check_final(chain: &Chain, id: TaskId, fact: &Fact, inclusion: &Inclusion) -> Held {
    check_inclusion(chain, id, fact, inclusion)?;
    let Block { number, .. } = inclusion.block;
    if !chain.is_canonical(&inclusion.block) {
        return broken(
            7,
            format!("{id} is final in block {number}, which is not canonical"),
        );
    }
    if number > chain.final_height {
        let height = chain.final_height;
        return broken(
            7,
            format!("{id} is final in block {number}, the chain is final up to {height}"),
        );
    }
    Ok(())
}

fn check_blobs(disk: &Disk, fact: &Fact) -> Held {
    for key in blob_keys(fact) {
        if !disk.blobs.contains_key(&key) {
            return broken(
                5,
                format!("{key:?} is gone, and its task is {:?}", fact.state),
            );
        }
    }
    Ok(())
}

fn check_moved(disk: &Disk, id: TaskId, fact: &Fact) -> Held {
    let Some(inclusion) = fact.state.inclusion() else {
        return broken(5, format!("{id} was moved as {:?}", fact.state));
    };
    let stored = disk
        .values
        .get(&fact.submission.key)
        .and_then(|bytes| settled(bytes));
    let is_there = stored.as_ref().is_some_and(|settled| {
        let place = (settled.inclusion.block.number, settled.inclusion.index);
        place >= (inclusion.block.number, inclusion.index)
    });
    if !is_there {
        return broken(
            5,
            format!("the settled value of {id} is not there: {stored:?}"),
        );
    }
    Ok(())
}

/// What the `values` store holds.
pub(crate) fn settled(bytes: &[u8]) -> Option<Settled> {
    match record::read(bytes).ok()?.records.into_iter().next()? {
        (_, Record::Settled(settled)) => Some(settled),
        (
            _,
            Record::Submitted(_)
            | Record::Event(..)
            | Record::Snapshot(..)
            | Record::Imported(..)
            | Record::Cleaned(..)
            | Record::Closed
            | Record::Index(_),
        ) => None,
    }
}

/// The bytes that reads of the task's key get, where the record holds them.
pub(crate) fn value_of(submission: &Submission) -> Option<Vec<u8>> {
    let (bytes, range) = match &submission.value {
        Value::Given(value) => (value, 0..value.len()),
        Value::Calldata(range) => {
            let payload = &submission.signed()?.payload;
            (payload, range.start as usize..range.end as usize)
        }
    };
    match bytes {
        Bytes::Inline(bytes) => Some(bytes[range].to_vec()),
        Bytes::Blob { .. } => None,
    }
}
