//! Users take their tasks out to a file, and in again: also long after, when the log has lost them.

use crate::climate::pick;
use crate::disk::TabRef;
use crate::model::{Fact, Held, broken};
use crate::users::Asked;
use crate::world::{World, short};
use std::collections::{BTreeMap, BTreeSet};
use uplink_cache::cache::{Input, Report};
use uplink_cache::portable::{Item, Reader};
use uplink_cache::task::{Bytes, Content, Hash, Order, Status, Submission, Task, TaskId};

/// How many files users keep.
const MOST_FILES: usize = 4;

/// What users have of files.
#[derive(Debug, Default)]
pub(crate) struct Files {
    kept: Vec<Vec<u8>>,
    /// How many tasks users were told to have come in.
    told: u64,
}

/// A file on its way out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exporting {
    number: u64,
    bytes: Vec<u8>,
    /// What was durable when it was asked for: tasks, which life of each, and their transactions.
    expected: BTreeMap<TaskId, (Order, BTreeSet<Hash>)>,
}

/// A file on its way in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Importing {
    number: u64,
    bytes: Vec<u8>,
    at: usize,
    counted: u64,
    /// Tasks that were not taken in.
    refused: BTreeSet<TaskId>,
}

impl World {
    /// Users have no plan: they keep files, and take one in now and then.
    pub(crate) fn use_files(&mut self, tab: usize) -> Held {
        if self.users.files.kept.is_empty() || self.rng.bool() {
            let facts = self.model.facts.iter();
            let durable = facts.filter(|(_, fact)| is_exported(fact));
            let txs = |fact: &Fact| fact.transactions().map(|(tx, ..)| tx).collect();
            let life = |(id, fact): (&TaskId, &Fact)| (*id, (fact.order, txs(fact)));
            let exporting = Exporting {
                number: self.rng.u64(..),
                bytes: Vec::new(),
                expected: durable.map(life).collect(),
            };
            return self.export_part(tab, exporting);
        }
        let importing = Importing {
            number: self.rng.u64(..),
            bytes: pick(&mut self.rng, &self.users.files.kept).clone(),
            ..Importing::default()
        };
        self.import_piece(tab, importing)
    }

    fn export_part(&mut self, tab: usize, exporting: Exporting) -> Held {
        let number = exporting.number;
        let ask = self.ask(tab, Asked::Export(Box::new(exporting)));
        let at = self.at_tab(tab);
        self.input(at, Input::Export(ask, number, self.wall_ms()))
    }

    pub(crate) fn exported(
        &mut self,
        at: TabRef,
        mut exporting: Exporting,
        part: &[u8],
        more: bool,
    ) -> Held {
        exporting.bytes.extend_from_slice(part);
        if more {
            return self.export_part(at.tab, exporting);
        }
        let (tasks, partial) = tasks_of(&exporting.bytes);
        // Only what settled meanwhile may have lost its bytes: they were cleaned away. And what a damaged record brought back.
        let is_whole = |fact: &Fact| is_exported(fact) && !fact.is_hurt;
        let is_open = |id: &&TaskId| self.model.facts.get(*id).is_some_and(is_whole);
        if let Some(id) = partial.iter().find(is_open) {
            return broken(1, format!("{id} is not whole in a file"));
        }
        for task in &tasks {
            self.check_exported(task)?;
        }
        for (id, (order, txs)) in &exporting.expected {
            let is_it = |fact: &Fact| is_whole(fact) && fact.order == *order;
            let still = self.model.facts.get(id).is_some_and(is_it);
            let found = tasks.iter().find(|task| task.submission.id == *id);
            let has_all = found.is_some_and(|task| {
                let own: BTreeSet<Hash> = task.transactions().map(|(tx, ..)| tx).collect();
                own.is_superset(txs)
            });
            if still && !has_all {
                let id = short(*id);
                return broken(1, format!("{id} was durable, and is not whole in the file"));
            }
        }
        self.count("(a file went out)");
        self.users.files.kept.push(exporting.bytes);
        if self.users.files.kept.len() > MOST_FILES {
            self.users.files.kept.remove(0);
        }
        Ok(())
    }

    /// What is in a file is what was submitted, byte by byte.
    fn check_exported(&self, task: &Task) -> Held {
        let id = task.submission.id;
        let Some(fact) = self.model.facts.get(&id) else {
            return broken(1, format!("{} is in a file and not durable", short(id)));
        };
        let is_same = fact.submission.key == task.submission.key;
        for (hash, payload, _) in task.transactions() {
            let made = self.chain.by_hash(&hash).map(|tx| &self.chain.txs[tx]);
            // What a wallet sent, only that has.
            if made.is_some() && payload.is_none() {
                continue;
            }
            let (Some(made), Some(Bytes::Inline(payload))) = (made, payload) else {
                return broken(3, format!("{} is in a file with other bytes", short(id)));
            };
            if !is_same || *made.payload != **payload {
                return broken(3, format!("{} is in a file with other bytes", short(id)));
            }
        }
        Ok(())
    }

    fn import_piece(&mut self, tab: usize, mut importing: Importing) -> Held {
        let from = importing.at;
        let len = self.rng.usize(1..=importing.bytes.len());
        importing.at = (from + len).min(importing.bytes.len());
        let piece = importing.bytes[from..importing.at].to_vec();
        let is_last = importing.at == importing.bytes.len();
        let number = importing.number;
        let ask = self.ask(tab, Asked::Import(Box::new(importing)));
        let at = self.at_tab(tab);
        self.input(at, Input::Import(ask, number, piece, is_last))
    }

    /// Whoever is told that a task came in finds it durable.
    pub(crate) fn imported(
        &mut self,
        at: TabRef,
        mut importing: Importing,
        report: &Report,
    ) -> Held {
        self.users.files.told += report.imported;
        let (told, came) = (self.users.files.told, self.model.imported);
        if told > came {
            return broken(
                1,
                format!("{told} tasks are said to have come in, and {came} are durable"),
            );
        }
        importing.counted += report.imported + report.known + report.refused.len() as u64;
        let refused = report.refused.iter().map(|(id, _)| *id);
        importing.refused.extend(refused);
        if importing.at < importing.bytes.len() {
            return self.import_piece(at.tab, importing);
        }
        let (tasks, partial) = tasks_of(&importing.bytes);
        let count = (tasks.len() + partial.len()) as u64;
        let is_whole = report.is_complete || !partial.is_empty();
        if !is_whole || report.damaged > 0 || importing.counted != count {
            return broken(0, format!("of {} tasks of a file: {report:?}", tasks.len()));
        }
        for task in &tasks {
            let txs: BTreeSet<Hash> = task.transactions().map(|(tx, ..)| tx).collect();
            // Under its own name, or, where a power failure took that back, as who submitted the same anew: a draft may
            // have no transaction yet.
            let is_it = |(id, fact): (&TaskId, &Fact)| {
                *id == task.submission.id
                    || fact.transactions().any(|(tx, ..)| txs.contains(&tx))
                    || is_same_draft(&fact.submission, &task.submission)
            };
            let is_there = self.model.facts.iter().any(is_it);
            if !is_there && !importing.refused.contains(&task.submission.id) {
                let id = short(task.submission.id);
                return broken(1, format!("{id} was taken in, and is not durable"));
            }
        }
        self.count("(a file came in)");
        Ok(())
    }
}

fn is_exported(fact: &Fact) -> bool {
    fact.is_open() && fact.state.status() != Status::Final
}

/// Whether the submitter called both by one name, and they are of one signer and key.
fn is_same_draft(known: &Submission, other: &Submission) -> bool {
    matches!(known.content, Content::Draft(_))
        && known.content == other.content
        && known.key == other.key
        && known.idempotency_key.is_some()
        && known.idempotency_key == other.idempotency_key
}

/// The tasks in a file, and those whose bytes were not found any more.
fn tasks_of(bytes: &[u8]) -> (Vec<Task>, Vec<TaskId>) {
    let mut reader = Reader::default();
    reader.push(bytes);
    let (mut tasks, mut partial) = (Vec::new(), Vec::new());
    while let Some(item) = reader.next(true).unwrap() {
        match item {
            Item::Head(_) => {}
            Item::Task(task) => tasks.push(*task),
            Item::Partial(id) => partial.push(id),
        }
    }
    assert!(reader.is_complete() || !partial.is_empty());
    (tasks, partial)
}
