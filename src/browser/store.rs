//! The database: `log`, `values`, `uses`, `tags`, `blobs` and `aside` in IndexedDB.

mod lists;
mod uses;

use super::append::{Appends, Ended};
use super::aside;
pub use super::connection::Incident;
use super::connection::{self, ASIDE, BLOBS, Connection, LOG, TAGS, USES, VALUES};
use super::env;
use super::glance;
use super::look::{self, Look};
use crate::cache::{Entry, Place};
use crate::error::{Error, ErrorCode};
use crate::log::{Clean, Commit, CommitFailure, MAX_SEGMENT_BYTES};
use indexed_db_futures::database::Database;
use indexed_db_futures::error::{Error as IdbError, OpenDbError};
use indexed_db_futures::internals::SystemRepr;
use js_sys::{Array, Promise, Uint8Array};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use web_sys::{IdbObjectStore, IdbRequest, IdbTransaction};

/// In how many requests one load reads: few enough that the first page can be folded while others are on their way.
const LOAD_REQUESTS: usize = 8;
/// What one of them brings, about: Chromium takes several times as long for what comes at once in megabytes.
const REQUEST_BYTES: usize = 256 * 1024;
/// And how many segments at the most.
const REQUEST_SEGMENTS: usize = 64;
/// What `renew` writes: more than Chromium's LevelDB keeps in one log file (4 MiB), in values that stay inside of it.
const RENEW_VALUES: u8 = 80;
const RENEW_VALUE_BYTES: u32 = 60_000;

/// Segments with their keys, and whether there may be more.
pub(super) type Page = (Vec<(u64, Vec<u8>)>, bool);
/// The page of the log that begins with `from`, read by a task of its own while the one before it is folded.
struct Ahead {
    from: u64,
    is_done: Promise,
    page: Rc<RefCell<Option<Result<Page, IdbError>>>>,
}

/// One open database.
pub struct Store {
    connection: Rc<Connection>,
    is_strict: bool,
    damage: Option<String>,
    ahead: RefCell<Option<Ahead>>,
    appends: Appends,
}

impl Store {
    /// Opens, or creates unless it must be there. `tell` is called when the browser or another tab closes it.
    ///
    /// # Errors
    /// `storage_unavailable`, or `newer_format`.
    pub async fn open(
        name: &str,
        is_strict: bool,
        must_exist: bool,
        tell: impl Fn(Incident) + 'static,
    ) -> Result<Self, Error> {
        let (connection, damage) = Connection::open(name, must_exist, tell).await?;
        Ok(Store {
            connection,
            is_strict,
            damage,
            ahead: RefCell::default(),
            appends: Appends::new(),
        })
    }

    /// What the browser says of a database that it found damaged, and deleted, when this one was opened.
    pub fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// Why it cannot be used any more, if that is so.
    pub fn gone(&self) -> Option<Error> {
        self.connection.gone()
    }

    /// Closes the connection, once what is under way is done.
    pub fn close(&self) {
        self.connection.close();
    }

    /// Deletes the database of this name and all that it holds.
    ///
    /// # Errors
    /// `storage_unavailable`, or `storage_failed`.
    pub async fn destroy(name: &str) -> Result<(), Error> {
        connection::delete(name).await
    }

    /// Writes what only appends, at once: `tell` gets what `commit` would return. Gives the commit back where the database must be
    /// opened again first, or where it is more than an append.
    pub fn append(
        &self,
        commit: Commit,
        tell: impl FnOnce(Result<u64, CommitFailure>) + 'static,
    ) -> Option<Commit> {
        match self.connection.open_database() {
            Some(database) if is_append(&commit) => {
                self.begin_append(&database, &commit, tell);
                None
            }
            Some(_) | None => Some(commit),
        }
    }

    fn begin_append(
        &self,
        database: &Database,
        commit: &Commit,
        tell: impl FnOnce(Result<u64, CommitFailure>) + 'static,
    ) {
        let is_strict = commit.is_strict || self.is_strict;
        let connection = self.connection.clone();
        let ended = move |ended: Ended| {
            tell(match ended {
                Ok(Some(key)) => Ok(key),
                Ok(None) => Err(CommitFailure::Storage(no_key())),
                Err((error, transaction)) => {
                    let error = failure(&connection, error, transaction.as_ref());
                    Err(CommitFailure::Storage(error))
                }
            });
        };
        self.appends
            .begin(database.as_sys(), &commit.segments, is_strict, ended);
    }

    /// Writes it all or nothing. Returns the key of the last segment, once the commit is complete.
    ///
    /// # Errors
    /// Nothing was stored: the log went on under a cleaning commit, or IndexedDB aborted it.
    pub async fn commit(&self, commit: Commit) -> Result<u64, CommitFailure> {
        if is_append(&commit) {
            return self.commit_append(&commit).await;
        }
        let stores: &[&str] = match &commit.clean {
            Some(_) => &[LOG, VALUES, USES, TAGS, BLOBS, ASIDE],
            None => &[LOG, BLOBS],
        };
        let database = self.connection.database().await;
        let database = database.map_err(CommitFailure::Storage)?;
        let look = Look::write(&database, stores, commit.is_strict || self.is_strict)
            .map_err(|error| self.commit_failure(error, None))?;
        let handle = look.transaction();
        let failed = |error| self.commit_failure(error, Some(&handle));
        let Some(last) = write(&look, &commit).await.map_err(failed)? else {
            return Err(CommitFailure::Behind);
        };
        look.commit().await.map_err(failed)?;
        let key = last.result().ok().and_then(|key| key.as_f64());
        key.map(|key| key as u64)
            .ok_or(CommitFailure::Storage(no_key()))
    }

    async fn commit_append(&self, commit: &Commit) -> Result<u64, CommitFailure> {
        let database = self.connection.database().await;
        let database = database.map_err(CommitFailure::Storage)?;
        let ended = Rc::new(Cell::new(None));
        let told = Promise::new(&mut |resolve, _| {
            let ended = ended.clone();
            self.begin_append(&database, commit, move |result| {
                ended.set(Some(result));
                // A function of the browser's own, which does not throw.
                let _ = resolve.call0(&JsValue::UNDEFINED);
            });
        });
        // It never rejects.
        let _ = JsFuture::from(told).await;
        ended
            .take()
            .unwrap_or(Err(CommitFailure::Storage(no_key())))
    }

    /// Makes the browser begin new files.
    ///
    /// A process that is killed in the middle of a write leaves Chromium's LevelDB log with half a record at its end.
    /// The next start passes over that, and appends behind it; the start after finds a wrong checksum, and Chromium
    /// deletes all databases of the origin. A log file that is full is replaced before that can happen.
    ///
    /// # Errors
    /// `storage_failed`, `quota_exceeded` or `storage_unavailable`: then it is as it was.
    pub async fn renew(&self) -> Result<(), Error> {
        let key = |n: u8| JsValue::from(Uint8Array::from([b'r', n].as_slice()));
        let database = self.connection.database().await?;
        let write = async {
            let filling = Look::write(&database, &[BLOBS], self.is_strict)?;
            let blobs = filling.store(BLOBS)?;
            for n in 0..RENEW_VALUES {
                // Random, because Chromium compresses what it stores.
                look::put(&blobs, &key(n), &env::random_bytes(RENEW_VALUE_BYTES))?;
            }
            filling.commit().await?;
            let emptying = Look::write(&database, &[BLOBS], self.is_strict)?;
            let all = look::between((&key(0), false), (&key(RENEW_VALUES), false))?;
            look::delete(&emptying.store(BLOBS)?, &all)?;
            emptying.commit().await
        };
        write.await.map_err(|error| self.failure(error, None))
    }

    /// The first segments from this key on, and whether there may be more.
    ///
    /// # Errors
    /// `storage_failed`, or `storage_unavailable`.
    pub async fn load(&self, from: u64) -> Result<Page, Error> {
        let ahead = self.ahead.take().filter(|ahead| ahead.from == from);
        let was_ahead = ahead.is_some();
        let page = match ahead {
            Some(ahead) => ahead.page().await,
            None => None,
        };
        let page = match page {
            Some(page) => page,
            None => {
                let database = self.connection.database().await?;
                read_page(database, from, MAX_SEGMENT_BYTES).await
            }
        };
        let (segments, more) = page.map_err(|error| self.failure(error, None))?;
        if let (Some((last, _)), true, Ok(database)) =
            (segments.last(), more, self.connection.database().await)
        {
            let bytes: usize = segments.iter().map(|(_, bytes)| bytes.len()).sum();
            let ahead = Ahead::begin(database, *last, bytes / segments.len());
            self.ahead.replace(Some(ahead));
            // So that it is asked for before this one is folded.
            let turn = JsFuture::from(Promise::resolve(&JsValue::UNDEFINED));
            let _ = turn.await;
        }
        // Somebody may have appended since it was read ahead: only a look that begins once it is asked for finds the log's end.
        Ok((segments, more || was_ahead))
    }

    /// What the backup says of a key, as far as that can be told without reading all of the log.
    ///
    /// # Errors
    /// `storage_failed`, or `storage_unavailable`.
    pub async fn glance(&self, key: &str) -> Result<Option<Entry>, Error> {
        let database = self.connection.database().await?;
        let entry = glance::glance(&database, key).await;
        entry.map_err(|error| self.failure(error, None))
    }

    /// What is stored at these places.
    ///
    /// # Errors
    /// `storage_failed`, or `storage_unavailable`.
    pub async fn get(&self, places: &[Place]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let database = self.connection.database().await?;
        let read = async {
            let look = Look::begin(&database, &[VALUES, BLOBS])?;
            let (values, blobs) = (look.store(VALUES)?, look.store(BLOBS)?);
            let requests = places.iter().map(|place| match place {
                Place::Value(key) => look::get(&values, key.as_bytes()),
                Place::Blob(key) => look::get(&blobs, &key.to_bytes()),
            });
            let requests = requests.collect::<Result<Vec<_>, _>>()?;
            look.values(&requests).await
        };
        read.await.map_err(|error| self.failure(error, None))
    }

    fn commit_failure(
        &self,
        error: IdbError,
        transaction: Option<&IdbTransaction>,
    ) -> CommitFailure {
        CommitFailure::Storage(self.failure(error, transaction))
    }

    /// The database, for what is kept beside the log.
    pub(super) async fn database(&self) -> Result<Database, Error> {
        self.connection.database().await
    }

    /// What went wrong. Where it looks as if the connection were dead, the next use opens it again.
    pub(super) fn failure(&self, error: IdbError, transaction: Option<&IdbTransaction>) -> Error {
        failure(&self.connection, error, transaction)
    }
}

fn failure(
    connection: &Connection,
    error: IdbError,
    transaction: Option<&IdbTransaction>,
) -> Error {
    if let IdbError::DomException(exception) = &error
        && ["InvalidStateError", "UnknownError"].contains(&&*exception.name())
    {
        connection.doubt();
    }
    storage_error(error, transaction)
}

fn no_key() -> Error {
    Error::new(ErrorCode::StorageFailed, "IndexedDB gave no key")
}

/// Whether the commit adds segments to the log, and does nothing else.
fn is_append(commit: &Commit) -> bool {
    commit.clean.is_none() && commit.blobs.is_empty()
}

impl Ahead {
    fn begin(database: Database, from: u64, segment_bytes: usize) -> Self {
        let page: Rc<RefCell<_>> = Rc::default();
        let slot = page.clone();
        let is_done = future_to_promise(async move {
            let read = read_page(database, from, segment_bytes).await;
            slot.replace(Some(read));
            Ok(JsValue::UNDEFINED)
        });
        Ahead {
            from,
            is_done,
            page,
        }
    }

    async fn page(self) -> Option<Result<Page, IdbError>> {
        JsFuture::from(self.is_done).await.ok()?;
        self.page.take()
    }
}

/// `segment_bytes`: how long a segment is likely to be.
async fn read_page(database: Database, from: u64, segment_bytes: usize) -> Result<Page, IdbError> {
    let look = Look::begin(&database, &[LOG])?;
    let log = look.store(LOG)?;
    let per_request = REQUEST_BYTES / segment_bytes.max(1);
    let per_request = per_request.clamp(1, REQUEST_SEGMENTS);
    let limit = LOAD_REQUESTS * per_request;
    let range = look::from(&number(from), false)?;
    let keys = look.keys(&log, &range, limit).await?;
    let requests = keys.chunks(per_request).filter_map(|keys| {
        let (first, last) = (keys.first()?, keys.last()?);
        Some(look::between((first, false), (last, false)).and_then(|range| look::all(&log, &range)))
    });
    let requests = requests.collect::<Result<Vec<_>, _>>()?;
    let values = look.lists(&requests).await?;
    let more = keys.len() == limit;
    let keys = keys.iter().filter_map(JsValue::as_f64);
    let keys = keys.map(|key| key as u64);
    Ok((keys.zip(values).collect(), more))
}

/// Issues all requests of a commit; `None` where a cleaning one finds the log gone on. Returns the last segment's.
async fn write(look: &Look, commit: &Commit) -> Result<Option<IdbRequest>, IdbError> {
    let log = look.store(LOG)?;
    if let Some(clean) = &commit.clean {
        // Asked in one go: each answer that is waited for is a way to the browser's process and back.
        let behind = Behind::ask(look, clean.expected_last)?;
        let account = uses::ask_of(look, clean)?;
        let account = match account {
            Some(account) => Some(account.answer(look).await?),
            None => {
                behind.wait(look).await?;
                None
            }
        };
        if behind.answer()? {
            return Ok(None);
        }
        aside::set_aside(look, &clean.set_aside).await?;
        if let Some(account) = account {
            uses::move_values(look, clean, account)?;
        }
        write_clean(look, &log, clean)?;
    }
    if !commit.blobs.is_empty() {
        let blobs = look.store(BLOBS)?;
        for (key, bytes) in &commit.blobs {
            look::put(&blobs, &look::key(&key.to_bytes()), &look::key(bytes))?;
        }
    }
    let mut last = None;
    for segment in &commit.segments {
        last = Some(log.add(&look::key(segment)).map_err(look::idb_error)?);
    }
    Ok(last)
}

/// The question whether the log has a segment behind a key.
struct Behind(IdbRequest);

impl Behind {
    fn ask(look: &Look, key: u64) -> Result<Self, IdbError> {
        let range = look::from(&number(key), true)?;
        let keys = look
            .store(LOG)?
            .get_all_keys_with_key_and_limit(&range, 1)
            .map_err(look::idb_error)?;
        Ok(Behind(keys))
    }

    async fn wait(&self, look: &Look) -> Result<(), IdbError> {
        look.answer(&self.0).await?;
        Ok(())
    }

    /// Once it, or one after it, was waited for.
    fn answer(&self) -> Result<bool, IdbError> {
        Ok(Array::from(&look::result(&self.0)?).length() > 0)
    }
}

fn write_clean(look: &Look, log: &IdbObjectStore, clean: &Clean) -> Result<(), IdbError> {
    if !clean.delete_blobs.is_empty() {
        let blobs = look.store(BLOBS)?;
        for key in &clean.delete_blobs {
            look::delete(&blobs, &look::key(&key.to_bytes()))?;
        }
    }
    let old = look::up_to(&number(clean.delete_through))?;
    look::delete(log, &old)
}

/// A segment's key.
pub(super) fn number(key: u64) -> JsValue {
    JsValue::from(key as f64)
}

/// An abort says why in the transaction, everything else in the exception.
pub(super) fn storage_error(error: IdbError, transaction: Option<&IdbTransaction>) -> Error {
    let aborted = transaction.and_then(|transaction| transaction.error());
    let exception = aborted.or(match error {
        IdbError::DomException(exception) => Some(exception.into()),
        IdbError::Serialisation(_) | IdbError::MissingData(_) | IdbError::Unknown(_) => None,
    });
    let Some(exception) = exception else {
        return Error::new(ErrorCode::StorageFailed, "IndexedDB aborted the commit");
    };
    let code = match exception.name().as_str() {
        "QuotaExceededError" => ErrorCode::QuotaExceeded,
        "VersionError" => ErrorCode::NewerFormat,
        "InvalidStateError" | "SecurityError" | "NotAllowedError" => ErrorCode::StorageUnavailable,
        _ => ErrorCode::StorageFailed,
    };
    Error::new(
        code,
        format!("IndexedDB: {} {}", exception.name(), exception.message()),
    )
}

pub(super) fn open_error(error: &OpenDbError) -> Error {
    let unavailable = |message: &str| Error::new(ErrorCode::StorageUnavailable, message);
    match error {
        OpenDbError::UnsupportedEnvironment | OpenDbError::NullFactory => {
            unavailable("there is no IndexedDB here")
        }
        OpenDbError::VersionZero => unavailable("version 0"),
        OpenDbError::Base(IdbError::DomException(exception)) => {
            let mut error = storage_error(IdbError::DomException(exception.clone()), None);
            if error.code == ErrorCode::StorageFailed {
                error.code = ErrorCode::StorageUnavailable;
            }
            error
        }
        OpenDbError::Base(
            IdbError::Serialisation(_) | IdbError::MissingData(_) | IdbError::Unknown(_),
        ) => unavailable("IndexedDB refused to open"),
    }
}
