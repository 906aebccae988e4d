//! Tasks go out to a file, and come in from one.
//!
//! Both go part by part, so that memory holds a part at a time. What comes in is trusted in nothing: each task is checked
//! as a submission is, appended as a record of its own, and counted once it is durable and folded.

use super::submitting::{at_most, check_key, conflict, too_large};
use super::{Ask, Cache, Done, GetFor, Place, invalid, shortened};
use crate::backup::Folded;
use crate::error::{Error, ErrorCode};
use crate::log::{BlobKey, parts};
use crate::ordered::{OrderedMap, OrderedSet};
use crate::portable::{self, Head, Item, Reader, Unreadable};
use crate::record::Record;
use crate::task::{Bytes, Content, Hash, MAX_VERSIONS, Role, State, Status, Task, TaskId, Value};
use std::collections::VecDeque;
use std::rc::Rc;

/// Exports and imports at a time, each.
const MAX_AT_ONCE: usize = 8;
/// What of payloads and values goes into one part of a file, where no task alone has more.
const MAX_PART_BYTES: usize = 1024 * 1024;

/// What came of a part of a file.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Tasks that are new here, and durable.
    pub imported: u64,
    /// Tasks that were here, and are left as they are.
    pub known: u64,
    /// Tasks that are not taken, and why.
    pub refused: Vec<(TaskId, Error)>,
    /// Places in the file so far that cannot be read.
    pub damaged: u64,
    /// Whether the file was read to its end, and all its tasks were in it.
    pub is_complete: bool,
}

/// Files on their way.
#[derive(Debug, Default)]
pub(super) struct Files {
    exports: OrderedMap<u64, Export>,
    imports: OrderedMap<u64, Import>,
}

#[derive(Debug)]
struct Export {
    /// Who waits for the next part.
    ask: Option<Ask>,
    head: Option<Head>,
    /// What is still to come; not known before the log's end is.
    ids: Option<VecDeque<TaskId>>,
    tasks: u64,
}

#[derive(Debug, Default)]
struct Import {
    reader: Reader,
    ask: Ask,
    is_last: bool,
    /// Records that are not durable yet.
    pending: usize,
    report: Report,
    /// Why a commit failed: the import ends once nothing of it is on its way.
    failure: Option<Error>,
}

/// What the fold made of an imported task.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    New,
    Known,
    Clash(TaskId),
}

impl Fate {
    pub(super) fn of(folded: &Folded) -> Self {
        match folded {
            Folded::Conflict(known) => Fate::Clash(*known),
            Folded::Began(_) => Fate::New,
            Folded::Duplicate(_)
            | Folded::Changed(..)
            | Folded::Refused(_)
            | Folded::Discarded(_)
            | Folded::Cleaned(..)
            | Folded::Unknown => Fate::Known,
        }
    }
}

impl Cache {
    /// The next part of an export; the first begins it.
    pub(super) fn export(&mut self, ask: Ask, export: u64, created_ms: u64) {
        let is_new = !self.files.exports.contains_key(&export);
        if let Err(error) = self.may_begin(is_new, self.files.exports.len()) {
            return self.done(ask, Err(error));
        }
        if is_new {
            // What other tabs were told to be durable is in it: the log's end is looked at once more.
            self.must_load = true;
        }
        let head = Head {
            chain_id: self.config.chain_id,
            account: self.config.lane.clone(),
            created_ms,
        };
        let known = self.files.exports.get_or_insert_with(export, || Export {
            ask: None,
            head: Some(head),
            ids: None,
            tasks: 0,
        });
        known.ask = Some(ask);
    }

    fn may_begin(&self, is_new: bool, count: usize) -> Result<(), Error> {
        self.alive()?;
        if is_new && count >= MAX_AT_ONCE {
            let message = format!("{MAX_AT_ONCE} files are under way at a time");
            return Err(Error::new(ErrorCode::LimitExceeded, message));
        }
        Ok(())
    }

    /// The log's end cannot be read: who has no part of an export yet is told.
    pub(super) fn exports_failed(&mut self, error: &Error) {
        let exports = std::mem::take(&mut self.files.exports);
        for (number, export) in exports {
            match (&export.ids, export.ask) {
                (None, Some(ask)) => self.done(ask, Err(error.clone())),
                (Some(_), _) | (None, None) => {
                    self.files.exports.insert(number, export);
                }
            }
        }
    }

    /// The log is folded up to its end: whoever waits for a part gets it.
    pub(super) fn pump_exports(&mut self) {
        let exports = self.files.exports.iter();
        let due = exports.filter(|(_, export)| export.ask.is_some());
        for number in due.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.export_part(number);
        }
    }

    fn export_part(&mut self, number: u64) {
        let Some(export) = self.files.exports.get_mut(&number) else {
            return;
        };
        let Some(ask) = export.ask.take() else { return };
        let backup = &self.backup;
        let ids = export.ids.get_or_insert_with(|| {
            let mut tasks: Vec<&Task> = backup.tasks().filter(|task| is_exported(task)).collect();
            tasks.sort_by_key(|task| task.order);
            tasks.iter().map(|task| task.submission.id).collect()
        });
        let (mut part, mut keys, mut bytes) = (Vec::new(), Vec::new(), 0);
        while let Some(id) = ids.pop_front() {
            let Some(task) = backup.task(id) else {
                continue;
            };
            let len: usize = parts(task).map(|part| part.bytes.len()).sum();
            if !part.is_empty() && bytes + len > MAX_PART_BYTES {
                ids.push_front(id);
                break;
            }
            bytes += len;
            part.push(id);
            keys.extend(kept_apart(task));
        }
        if keys.is_empty() {
            self.exported(ask, number, part, &OrderedMap::new());
        } else {
            let places = keys.iter().copied().map(Place::Blob).collect();
            self.get(GetFor::Export(ask, number, part, keys), places);
        }
    }

    pub(super) fn export_loaded(
        &mut self,
        ask: Ask,
        number: u64,
        part: Vec<TaskId>,
        keys: Vec<BlobKey>,
        found: Result<Vec<Option<Vec<u8>>>, Error>,
    ) {
        match found {
            Ok(found) => {
                let found = keys.into_iter().zip(found);
                let blobs = found.map(|(key, bytes)| (key, bytes.map(Rc::from)));
                let blobs = blobs.collect();
                self.exported(ask, number, part, &blobs);
            }
            Err(error) => {
                self.files.exports.remove(&number);
                self.done(ask, Err(error));
            }
        }
    }

    fn exported(
        &mut self,
        ask: Ask,
        number: u64,
        part: Vec<TaskId>,
        blobs: &OrderedMap<BlobKey, Option<Rc<[u8]>>>,
    ) {
        // What was known before counts while the fold begins anew.
        let known = self.before_restart.as_ref().unwrap_or(&self.backup);
        let Some(export) = self.files.exports.get_mut(&number) else {
            return;
        };
        let head = export.head.take();
        let mut bytes = head.map_or_else(Vec::new, |head| portable::head(&head));
        let mut again = Vec::new();
        for id in part {
            let Some(task) = known.task(id).filter(|task| is_exported(task)) else {
                continue;
            };
            // It got another transaction while the stores were asked.
            if kept_apart(task).any(|key| !blobs.contains_key(&key)) {
                again.push(id);
                continue;
            }
            let mut task = task.clone();
            // What is final is not in the file.
            for waited_for in task.submission.waits_for().to_vec() {
                if known.has_left(waited_for) || known.task(waited_for).is_some_and(is_final) {
                    task.submission.wait_no_longer(waited_for);
                }
            }
            let found = blobs
                .iter()
                .filter_map(|(key, blob)| Some((*key, blob.clone()?)));
            let found = found.filter(|(key, _)| key.0 == id).collect();
            // What is missing in the store is missing in the file: whoever reads it is told.
            portable::fill(&mut task, &found);
            bytes.extend(portable::task(&task));
            export.tasks += 1;
        }
        let ids = export.ids.get_or_insert_default();
        again.into_iter().rev().for_each(|id| ids.push_front(id));
        let more = !ids.is_empty();
        if !more {
            bytes.extend(portable::end(export.tasks));
            self.files.exports.remove(&number);
        }
        let part = Done::Part(bytes, more);
        self.done(ask, Ok(part));
    }

    /// The next piece of a file that comes in; the first begins it.
    pub(super) fn import(&mut self, ask: Ask, number: u64, bytes: &[u8], is_last: bool) {
        let known = self.files.imports.remove(&number);
        if let Err(error) = self.may_begin(known.is_none(), self.files.imports.len()) {
            return self.done(ask, Err(error));
        }
        let mut import = known.unwrap_or_default();
        import.ask = ask;
        import.is_last = is_last;
        import.reader.push(bytes);
        loop {
            let item = match import.reader.next(is_last) {
                Ok(Some(item)) => item,
                Ok(None) => break,
                Err(unreadable) => return self.done(ask, Err(unreadable.into())),
            };
            match item {
                Item::Head(head) => {
                    if let Err(error) = self.check_head(&head) {
                        return self.done(ask, Err(error));
                    }
                }
                Item::Task(task) => self.import_task(&mut import, *task),
                Item::Partial(id) => {
                    let error = invalid("a part of the task is damaged or missing".into());
                    import.report.refused.push((id, error));
                }
            }
        }
        import.report.damaged = import.reader.damaged();
        import.report.is_complete = is_last && import.reader.is_complete();
        self.files.imports.insert(number, import);
        self.import_answer(number);
    }

    fn check_head(&self, head: &Head) -> Result<(), Error> {
        let (chain, ours) = (head.chain_id, self.config.chain_id);
        if chain != ours {
            let message = format!("the file is of chain {chain}, this cache is for chain {ours}");
            return Err(Error::new(ErrorCode::WrongChain, message));
        }
        if head.account != self.config.lane {
            return Err(invalid("the file is of another account".into()));
        }
        Ok(())
    }

    fn import_task(&mut self, import: &mut Import, task: Task) {
        let id = task.submission.id;
        let task = match self.check_imported(task, import.pending) {
            Ok(task) => task,
            Err(error) => return import.report.refused.push((id, error)),
        };
        match self.known_backup().repeated_by(&task) {
            Some((_, true)) => import.report.known += 1,
            Some((known, false)) => import.report.refused.push((id, conflict(known))),
            None => {
                import.pending += 1;
                let record = Record::Imported(task.into());
                self.log.append(record, Some(import.ask));
            }
        }
    }

    /// An imported task is durable, and folded.
    pub(super) fn import_folded(&mut self, ask: Ask, id: TaskId, fate: Fate) {
        let mut imports = self.files.imports.iter_mut();
        let Some((number, import)) = imports.find(|(_, import)| import.ask == ask) else {
            return;
        };
        import.pending = import.pending.saturating_sub(1);
        match fate {
            Fate::New => import.report.imported += 1,
            Fate::Known => import.report.known += 1,
            Fate::Clash(known) => import.report.refused.push((id, conflict(known))),
        }
        let number = *number;
        self.import_answer(number);
    }

    fn import_answer(&mut self, number: u64) {
        let Some(import) = self.files.imports.get_mut(&number) else {
            return;
        };
        if import.pending > 0 {
            return;
        }
        let (ask, failure) = (import.ask, import.failure.take());
        let report = std::mem::take(&mut import.report);
        if import.is_last || failure.is_some() {
            self.files.imports.remove(&number);
        }
        let result = failure.map_or(Ok(Done::Imported(report)), Err);
        self.done(ask, result);
    }

    /// A commit failed, and who waits for it is told. An import ends there; what of it is durable counts as known the
    /// next time.
    pub(super) fn commit_refused(&mut self, ask: Ask, error: Error) {
        let mut imports = self.files.imports.iter_mut();
        let Some((number, import)) = imports.find(|(_, import)| import.ask == ask) else {
            return self.done(ask, Err(error));
        };
        import.pending = import.pending.saturating_sub(1);
        import.failure.get_or_insert(error);
        let number = *number;
        self.import_answer(number);
    }

    /// A task as it may enter this log, or why not.
    fn check_imported(&self, mut task: Task, pending: usize) -> Result<Task, Error> {
        let submission = &task.submission;
        check_key(&submission.key)?;
        let signer = match &submission.content {
            Content::Signed(_) => None,
            Content::Draft(signer) => Some(signer),
        };
        let names = [
            Some(&submission.lane),
            submission.idempotency_key.as_ref(),
            signer,
        ];
        for name in names.into_iter().flatten() {
            at_most("a name", name.len(), super::MAX_NAME_BYTES)?;
        }
        if let Value::Given(value) = &submission.value {
            at_most("the value", value.len(), super::MAX_VALUE_BYTES)?;
        }
        if let Some(fault) = crate::tags::faults(&submission.tags) {
            return Err(invalid(fault));
        }
        let nonce = self.check_transactions(&task)?;
        if signer.is_some() && task.newest().is_some() {
            task.nonce_given = nonce;
        }
        let has_bytes = task.newest().map(|(_, payload, _)| payload.is_some());
        task.state = match task.state.imported(has_bytes) {
            State::Blocked {
                stage,
                reason,
                cause,
            } => State::Blocked {
                stage,
                reason,
                cause: shortened(cause),
            },
            State::Failed { reason, cause, by } => State::Failed {
                reason,
                cause: shortened(cause),
                by,
            },
            state @ (State::BackedUp(_)
            | State::Signing { .. }
            | State::Sent
            | State::Included(_)
            | State::Displaced(_)
            | State::Final(_)) => state,
        };
        let is_open = !task.state.status().is_settled();
        if is_open && self.known_backup().unsettled() + pending >= super::MAX_UNSETTLED {
            let message = format!("{} tasks are unsettled", super::MAX_UNSETTLED);
            return Err(Error::new(ErrorCode::LimitExceeded, message));
        }
        Ok(task)
    }

    /// Its transactions are what they are said to be: the ids, the nonce, the calldata are computed anew.
    /// Gives the nonce, where there is one.
    fn check_transactions(&self, task: &Task) -> Result<Option<u64>, Error> {
        let value = &task.submission.value;
        if task.versions.len() > MAX_VERSIONS {
            let message = format!("a task has at most {MAX_VERSIONS} transactions");
            return Err(invalid(message));
        }
        let wrong = || invalid("the task does not say the truth about its transactions".into());
        let signed = task.submission.signed();
        let mut nonce = task.nonce_given;
        let mut ids = OrderedSet::new();
        for (place, (tx, payload, role)) in task.transactions().enumerate() {
            let is_first = place == 0;
            let is_fine = is_first == (role == Role::Original) && ids.insert(tx);
            let Some(payload) = payload else {
                // What a wallet sent by itself has no bytes here.
                if is_fine && signed.is_none() && is_first {
                    continue;
                }
                return Err(wrong());
            };
            let Bytes::Inline(payload) = payload else {
                return Err(wrong());
            };
            too_large(payload)?;
            let parsed = self.parse(payload)?;
            let own = *nonce.get_or_insert(parsed.nonce);
            let data = parsed.data.start as u32..parsed.data.end as u32;
            let has_data = match value {
                Value::Calldata(range) => !is_first || *range == data,
                Value::Given(_) => true,
            };
            if !is_fine || Hash(parsed.id) != tx || parsed.nonce != own || !has_data {
                return Err(wrong());
            }
        }
        let is_draft = signed.is_none();
        let says_nonce = signed.is_none_or(|signed| nonce == Some(signed.nonce));
        let has_value = match value {
            Value::Given(_) => true,
            Value::Calldata(_) => !is_draft,
        };
        if says_nonce && has_value {
            Ok(nonce)
        } else {
            Err(wrong())
        }
    }
}

/// What is final has nothing to lose.
fn is_exported(task: &Task) -> bool {
    !is_final(task)
}

fn is_final(task: &Task) -> bool {
    task.state.status() == Status::Final
}

/// What of the task is in the `blobs` store alone.
fn kept_apart(task: &Task) -> impl Iterator<Item = BlobKey> {
    let id = task.submission.id;
    let apart = parts(task).filter(|part| match part.bytes {
        Bytes::Inline(_) => false,
        Bytes::Blob { .. } => true,
    });
    apart.map(move |apart| BlobKey(id, apart.part))
}

impl From<Unreadable> for Error {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::NoBackup => {
                invalid("the file is no backup of this package, or its beginning is damaged".into())
            }
            Unreadable::Newer(version) => {
                let message = format!(
                    "the file has format {version}, this package knows up to {}",
                    portable::VERSION
                );
                Error::new(ErrorCode::NewerFormat, message)
            }
        }
    }
}
