//! The connection to the database: opened, opened again where the browser closed it, given up where the database is gone
//! or a newer package has it.

use super::env::{self, Deadline};
use super::look::{Look, idb_error};
use super::store::{open_error, storage_error};
use crate::error::{Error, ErrorCode};
use indexed_db_futures::database::Database;
use indexed_db_futures::error::{Error as IdbError, OpenDbError};
use indexed_db_futures::internals::SystemRepr;
use indexed_db_futures::prelude::*;
use js_sys::{Array, Promise, Reflect};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use web_sys::{
    Event, IdbDatabase, IdbObjectStoreParameters, IdbOpenDbRequest, IdbVersionChangeEvent,
};

/// The database's own version: of its stores. The format of what they hold is in each segment.
const VERSION: u32 = 3;
pub(super) const LOG: &str = "log";
pub(super) const VALUES: &str = "values";
pub(super) const BLOBS: &str = "blobs";
/// Of version 2, as `ASIDE`.
pub(super) const USES: &str = "uses";
/// Its rows by the time of the last use.
pub(super) const USES_BY_TIME: &str = "u";
/// Of version 3: the keys of settled values by their tags. Those that are there already have none.
pub(super) const TAGS: &str = "tags";
/// Segments that cannot be read.
pub(super) const ASIDE: &str = "aside";

/// How long IndexedDB may take to open or delete, in milliseconds: a browser that never answers is an error, not a hang.
pub(super) const ANSWER_MS: u32 = 30_000;
/// And once it says that another tab, which was told to, did not close the database yet.
const BLOCKED_MS: u32 = 5_000;

/// What happened to the connection without our doing.
pub enum Incident {
    /// The browser closed it: what was written meanwhile by others is not known, and it is opened again.
    Closed,
    /// It cannot be opened again.
    Gone(Error),
}

/// See the module's documentation.
pub(super) struct Connection {
    name: String,
    /// What the first that was opened is told from others of this name by.
    identity: JsValue,
    state: RefCell<State>,
    tell: Box<dyn Fn(Incident)>,
}

enum State {
    Open(Rc<Open>),
    /// Somebody opens it, or gives it up.
    Opening(Promise),
    /// Whoever needs it next opens it.
    Lost,
    Gone(Error),
}

/// An open database, and what listens to it.
struct Open {
    database: Database,
    _closed: Closure<dyn FnMut()>,
    _changed: Closure<dyn FnMut(IdbVersionChangeEvent)>,
}

impl Drop for Open {
    fn drop(&mut self) {
        release(self.database.as_sys());
    }
}

/// Why a database does not open, or was given up.
enum Failure {
    /// It is not there any more.
    Deleted,
    /// It is a newer package's.
    Superseded,
    Other(Error),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Deleted => Error::new(
                ErrorCode::StorageUnavailable,
                "the database was deleted, by the app, its user or the browser",
            ),
            Failure::Superseded => Error::new(
                ErrorCode::NewerFormat,
                "the database is a newer version's of this package: load the page anew",
            ),
            Failure::Other(error) => error,
        }
    }
}

/// What opening came to.
struct Opened {
    database: Database,
    damage: Option<String>,
}

impl Connection {
    /// Opens a database, creating it unless it must be there. The second is what the browser says of one that it found
    /// damaged, and deleted.
    ///
    /// # Errors
    /// `storage_unavailable`, or `newer_format`.
    pub(super) async fn open(
        name: &str,
        must_exist: bool,
        tell: impl Fn(Incident) + 'static,
    ) -> Result<(Rc<Self>, Option<String>), Error> {
        let opened = open(name, must_exist).await.map_err(Error::from)?;
        let connection = Rc::new(Connection {
            name: name.into(),
            identity: identity(&opened.database),
            state: RefCell::new(State::Lost),
            tell: Box::new(tell),
        });
        connection.hold(opened.database);
        Ok((connection, opened.damage))
    }

    /// The database, where it is open.
    pub(super) fn open_database(&self) -> Option<Database> {
        match &*self.state.borrow() {
            State::Open(open) => Some(open.database.clone()),
            State::Opening(_) | State::Lost | State::Gone(_) => None,
        }
    }

    /// The database, opened again if need be.
    ///
    /// # Errors
    /// `storage_unavailable`, or `newer_format`.
    pub(super) async fn database(self: &Rc<Self>) -> Result<Database, Error> {
        loop {
            let opening = match &*self.state.borrow() {
                State::Open(open) => return Ok(open.database.clone()),
                State::Gone(error) => return Err(error.clone()),
                State::Opening(promise) => Some(promise.clone()),
                State::Lost => None,
            };
            let opening = opening.unwrap_or_else(|| self.reopen());
            // It rejects for nobody but whoever began it, and says why.
            JsFuture::from(opening).await.map_err(|_| {
                let message = "the database was closed by the browser, and does not open again";
                Error::new(ErrorCode::StorageUnavailable, message)
            })?;
        }
    }

    /// A use of the database said that it is closed, and no event did.
    pub(super) fn doubt(&self) {
        let is_open = matches!(&*self.state.borrow(), State::Open(_));
        if is_open {
            self.state.replace(State::Lost);
        }
    }

    /// Why it cannot be used any more, if that is so.
    pub(super) fn gone(&self) -> Option<Error> {
        match &*self.state.borrow() {
            State::Gone(error) => Some(error.clone()),
            State::Open(_) | State::Opening(_) | State::Lost => None,
        }
    }

    /// Closes it, once what is under way is done.
    pub(super) fn close(&self) {
        let error = Error::new(ErrorCode::Closed, "the cache is closed");
        self.state.replace(State::Gone(error));
    }

    fn reopen(self: &Rc<Self>) -> Promise {
        let connection = self.clone();
        let promise = future_to_promise(async move {
            let opened = open(&connection.name, true).await;
            if connection.gone().is_some() {
                if let Ok(opened) = opened {
                    release(opened.database.as_sys());
                }
                return Ok(JsValue::UNDEFINED);
            }
            match opened {
                Ok(opened)
                    if opened.damage.is_none()
                        && identity(&opened.database) == connection.identity =>
                {
                    connection.hold(opened.database);
                }
                // Another may have been made meanwhile: what is known here is nothing that it holds.
                Ok(opened) => {
                    release(opened.database.as_sys());
                    connection.give_up(Failure::Deleted.into());
                }
                Err(failure @ (Failure::Deleted | Failure::Superseded)) => {
                    connection.give_up(failure.into());
                }
                Err(Failure::Other(_)) => {
                    connection.state.replace(State::Lost);
                    return Err(JsValue::UNDEFINED);
                }
            }
            Ok(JsValue::UNDEFINED)
        });
        self.state.replace(State::Opening(promise.clone()));
        promise
    }

    fn hold(self: &Rc<Self>, database: Database) {
        let weak = Rc::downgrade(self);
        let closed: Closure<dyn FnMut()> = Closure::new(move || {
            if let Some(connection) = weak.upgrade() {
                connection.state.replace(State::Lost);
                (connection.tell)(Incident::Closed);
            }
        });
        let weak = Rc::downgrade(self);
        let changed: Closure<dyn FnMut(IdbVersionChangeEvent)> =
            Closure::new(move |event: IdbVersionChangeEvent| {
                if let Some(connection) = weak.upgrade() {
                    let failure = match event.new_version() {
                        None => Failure::Deleted,
                        Some(_) => Failure::Superseded,
                    };
                    connection.leave(failure.into());
                }
            });
        let sys = database.as_sys();
        sys.set_onclose(Some(closed.as_ref().unchecked_ref()));
        sys.set_onversionchange(Some(changed.as_ref().unchecked_ref()));
        self.state.replace(State::Open(Rc::new(Open {
            database,
            _closed: closed,
            _changed: changed,
        })));
    }

    /// Takes nothing new, and gives it up once what is under way is done: a commit may be stored, and whoever waits for it is
    /// told so first.
    fn leave(self: &Rc<Self>, error: Error) {
        let Some(database) = self.open_database() else {
            return;
        };
        // What is asked of the log is answered once all commits before it have ended.
        let asked = Look::begin(&database, &[LOG])
            .and_then(|look| Ok((look.store(LOG)?.count().map_err(idb_error)?, look)));
        let connection = self.clone();
        let leaving = future_to_promise(async move {
            if let Ok((last, look)) = asked {
                // Where it fails there is nothing more to wait for.
                let _ = look.answer(&last).await;
            }
            if connection.gone().is_none() {
                connection.give_up(error);
            }
            Ok(JsValue::UNDEFINED)
        });
        self.state.replace(State::Opening(leaving));
    }

    fn give_up(&self, error: Error) {
        self.state.replace(State::Gone(error.clone()));
        (self.tell)(Incident::Gone(error));
    }
}

/// Deletes the database of this name and all that it holds.
///
/// # Errors
/// `storage_unavailable`, or `storage_failed`.
pub(super) async fn delete(name: &str) -> Result<(), Error> {
    let request = Database::delete_by_name(name).map_err(|error| open_error(&error))?;
    let deadline = Deadline::new(ANSWER_MS);
    let blocked = on_blocked(request.as_sys().unchecked_ref(), &deadline);
    let deleted = deadline.race(request).await;
    drop(blocked);
    match deleted {
        Some(deleted) => deleted.map_err(|error| storage_error(error, None)),
        None => Err(Error::new(
            ErrorCode::StorageUnavailable,
            "another tab holds the database open: it is deleted once that is closed",
        )),
    }
}

async fn open(name: &str, must_exist: bool) -> Result<Opened, Failure> {
    let request = Database::open(name)
        .with_version(VERSION)
        .build()
        .map_err(|error| Failure::Other(open_error(&error)))?;
    let sys: IdbOpenDbRequest = request.as_sys().clone();
    let upgrade = Rc::new(Upgrade::default());
    upgrade.is_unwanted.set(must_exist);
    let upgrading = on_upgrade(&sys, upgrade.clone());
    let deadline = Deadline::new(ANSWER_MS);
    let blocked = on_blocked(&sys, &deadline);
    let opened = deadline.race(request).await;
    match opened {
        Some(Ok(database)) => Ok(Opened {
            database,
            damage: upgrade.damage.take(),
        }),
        Some(Err(_)) if upgrade.is_given_up.get() => Err(Failure::Deleted),
        Some(Err(error)) => {
            let error = upgrade.failure.take().map_or(error, OpenDbError::Base);
            Err(match open_error(&error) {
                error if error.code == ErrorCode::NewerFormat => Failure::Superseded,
                error => Failure::Other(error),
            })
        }
        None => {
            // Should it open after all, nobody waits for it, and no upgrade may be left half done.
            upgrade.is_late.set(true);
            upgrading.forget();
            blocked.forget();
            close_late(&sys);
            Err(Failure::Other(no_answer()))
        }
    }
}

pub(super) fn no_answer() -> Error {
    let message = "IndexedDB does not answer, or another tab is in the way: with an older version, or a commit that does not end";
    Error::new(ErrorCode::StorageUnavailable, message)
}

/// What is known of an upgrade, and heard in it.
#[derive(Default)]
struct Upgrade {
    /// A database that is not there is not created.
    is_unwanted: Cell<bool>,
    /// Nobody waits for it any more.
    is_late: Cell<bool>,
    /// It was not there.
    is_given_up: Cell<bool>,
    /// What the browser says of a database that it found damaged, and deleted.
    damage: Cell<Option<String>>,
    /// Why there are no stores.
    failure: Cell<Option<IdbError>>,
}

/// Creates the stores. Chromium deletes a database that it cannot read and goes on with an empty one: it says so in this
/// event alone. Only an abort of the commit leaves nothing behind of a database that is not to be created.
fn on_upgrade(request: &IdbOpenDbRequest, upgrade: Rc<Upgrade>) -> Closure<dyn FnMut(Event)> {
    let target = request.clone();
    let listener: Closure<dyn FnMut(Event)> = Closure::new(move |event: Event| {
        let text = |name: &str| Reflect::get(&event, &name.into()).ok()?.as_string();
        if text("dataLoss").is_some_and(|loss| loss != "none") {
            let damage = text("dataLossMessage").or(Some(String::new()));
            upgrade.damage.set(damage);
        }
        let event: &IdbVersionChangeEvent = event.unchecked_ref();
        let is_new = event.old_version() == 0.0;
        if upgrade.is_late.get() || upgrade.is_unwanted.get() && is_new {
            upgrade.is_given_up.set(true);
        } else if let Err(error) = create_stores(&target) {
            upgrade.failure.set(Some(idb_error(error)));
        } else {
            return;
        }
        if let Some(transaction) = target.transaction() {
            // Where it cannot be aborted an empty database is left, which is opened as one that is there.
            let _ = transaction.abort();
        }
    });
    listen(request, "upgradeneeded", listener)
}

/// The names of its stores: one of them no other database has, unless both were made before there was one.
fn identity(database: &Database) -> JsValue {
    let names = database.as_sys().object_store_names();
    Array::from(&names).join("/").into()
}

/// Creates what is missing: all of it, or what an earlier version did not have.
fn create_stores(request: &IdbOpenDbRequest) -> Result<(), JsValue> {
    let database: IdbDatabase = request.result()?.unchecked_into();
    let there = database.object_store_names();
    if !there.contains(LOG) {
        let options = IdbObjectStoreParameters::new();
        options.set_auto_increment(true);
        database.create_object_store_with_optional_parameters(LOG, &options)?;
    }
    for name in [VALUES, BLOBS, ASIDE, TAGS] {
        if !there.contains(name) {
            database.create_object_store(name)?;
        }
    }
    if !there.contains(USES) {
        // Values that are there already have no row: they are not evicted before they are written again.
        let uses = database.create_object_store(USES)?;
        uses.create_index_with_str(USES_BY_TIME, "u")?;
    }
    // It holds nothing: by its name this database is known again, without a question to the browser.
    database.create_object_store(&format!("id/{}", env::random_id()))?;
    Ok(())
}

fn on_blocked(request: &IdbOpenDbRequest, deadline: &Deadline) -> Closure<dyn FnMut(Event)> {
    let deadline = deadline.clone();
    let listener = Closure::new(move |_| deadline.shorten(BLOCKED_MS));
    listen(request, "blocked", listener)
}

fn listen(
    request: &IdbOpenDbRequest,
    event: &str,
    listener: Closure<dyn FnMut(Event)>,
) -> Closure<dyn FnMut(Event)> {
    let callback = listener.as_ref().unchecked_ref();
    // Every request takes listeners.
    let _ = request.add_event_listener_with_callback(event, callback);
    listener
}

/// Nobody waits for this database any more: it would be in the way of others.
fn close_late(request: &IdbOpenDbRequest) {
    let target = request.clone();
    let close = Closure::once_into_js(move || {
        if let Ok(database) = target.result() {
            database.unchecked_into::<IdbDatabase>().close();
        }
    });
    request.set_onsuccess(Some(close.unchecked_ref()));
}

fn release(database: &IdbDatabase) {
    database.set_onversionchange(None);
    database.set_onclose(None);
    database.close();
}
