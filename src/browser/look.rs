//! A look into the database: by the browser's own calls, and with one wait for all requests that do not need each other's answers.
//! By way of futures, with closures for each request, a page of 50 rows took three times as long.

use super::append::{Committing, Ending, durability};
use indexed_db_futures::database::Database;
use indexed_db_futures::error::Error as IdbError;
use indexed_db_futures::internals::SystemRepr;
use js_sys::{Array, ArrayBuffer, Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    DomException, Event, IdbCursor, IdbCursorDirection, IdbCursorWithValue, IdbKeyRange,
    IdbObjectStore, IdbRequest, IdbTransaction,
};

/// A transaction, and what it finds. Its requests are answered in order.
pub(super) struct Look {
    transaction: IdbTransaction,
    /// It also writes, and is aborted unless it is committed.
    is_writing: bool,
}

/// A key, and the value if it is wanted.
pub(super) type Row = (Vec<u8>, Vec<u8>);

impl Look {
    pub(super) fn begin(database: &Database, stores: &[&str]) -> Result<Self, IdbError> {
        let names: Array = stores.iter().map(|name| JsValue::from(*name)).collect();
        let transaction = database.as_sys().transaction_with_str_sequence(&names);
        Ok(Look {
            transaction: transaction.map_err(idb_error)?,
            is_writing: false,
        })
    }

    /// One that also writes, all or nothing: nothing unless it is committed.
    pub(super) fn write(
        database: &Database,
        stores: &[&str],
        is_strict: bool,
    ) -> Result<Self, IdbError> {
        let names: Array = stores.iter().map(|name| JsValue::from(*name)).collect();
        let durability = durability(if is_strict { "strict" } else { "relaxed" });
        let database: &Committing = database.as_sys().unchecked_ref();
        let transaction = database.transaction(&names, &"readwrite".into(), &durability);
        Ok(Look {
            transaction: transaction.map_err(idb_error)?,
            is_writing: true,
        })
    }

    /// Its transaction, which says why it was aborted.
    pub(super) fn transaction(&self) -> IdbTransaction {
        self.transaction.clone()
    }

    /// Resolves once all is stored.
    pub(super) async fn commit(mut self) -> Result<(), IdbError> {
        self.is_writing = false;
        let ending: &Ending = self.transaction.unchecked_ref();
        ending.commit().map_err(idb_error)?;
        let told = Promise::new(&mut |resolve, reject| {
            self.transaction.set_oncomplete(Some(&resolve));
            self.transaction.set_onabort(Some(&reject));
        });
        let ended = JsFuture::from(told).await;
        ended.map(|_| ()).map_err(|_| {
            // There is none where the browser closed the database.
            let error = self.transaction.error();
            idb_error(error.map_or(JsValue::UNDEFINED, JsValue::from))
        })
    }

    pub(super) fn store(&self, name: &str) -> Result<IdbObjectStore, IdbError> {
        self.transaction.object_store(name).map_err(idb_error)
    }

    /// What these requests found, nothing included. It only reads: a row that the browser lost is one that is not there.
    pub(super) async fn values(
        &self,
        requests: &[IdbRequest],
    ) -> Result<Vec<Option<Vec<u8>>>, IdbError> {
        if let Some(last) = requests.last() {
            self.spared(last).await?;
        }
        let found = requests.iter().map(|request| {
            let value = result(request)?;
            Ok((!value.is_undefined()).then(|| bytes(&value)))
        });
        found.collect()
    }

    /// As `answered`, but a row that the browser lost fails nothing but the requests for it, which find nothing.
    async fn spared(&self, request: &IdbRequest) -> Result<(), IdbError> {
        thread_local! {
            static SPARE: Closure<dyn FnMut(Event)> = Closure::new(|event: Event| {
                let request: Option<IdbRequest> = event.target().map(JsCast::unchecked_into);
                if request.is_some_and(|request| is_lost(&request)) {
                    event.prevent_default();
                }
            });
        }
        SPARE.with(|spare| {
            let spare = spare.as_ref().unchecked_ref();
            self.transaction.set_onerror(Some(spare));
        });
        let answered = self.answered(request).await;
        if is_lost(request) { Ok(()) } else { answered }
    }

    /// What each of these requests for many found.
    pub(super) async fn lists(&self, requests: &[IdbRequest]) -> Result<Vec<Vec<u8>>, IdbError> {
        if let Some(last) = requests.last() {
            self.answered(last).await?;
        }
        let mut all = Vec::new();
        for request in requests {
            all.extend(array(request)?.iter().map(|value| bytes(&value)));
        }
        Ok(all)
    }

    /// The first keys of the range.
    pub(super) async fn keys(
        &self,
        store: &IdbObjectStore,
        range: &IdbKeyRange,
        limit: usize,
    ) -> Result<Vec<JsValue>, IdbError> {
        let keys = store.get_all_keys_with_key_and_limit(range, limit as u32);
        let keys = keys.map_err(idb_error)?;
        self.answered(&keys).await?;
        Ok(array(&keys)?.to_vec())
    }

    /// The first rows of the range.
    pub(super) async fn forwards(
        &self,
        store: &IdbObjectStore,
        range: &IdbKeyRange,
        limit: usize,
        with_values: bool,
    ) -> Result<Vec<Row>, IdbError> {
        let keys = store.get_all_keys_with_key_and_limit(range, limit as u32);
        let keys = keys.map_err(idb_error)?;
        if !with_values {
            self.answered(&keys).await?;
            return Ok(bare(&array(&keys)?));
        }
        let values = store.get_all_with_key_and_limit(range, limit as u32);
        let values = values.map_err(idb_error)?;
        self.spared(&values).await?;
        let keys = array(&keys)?;
        if is_lost(&values) {
            // One of them.
            return self.rows(store, bare(&keys)).await;
        }
        let values = array(&values)?;
        let rows = keys.iter().zip(values.iter());
        Ok(rows
            .map(|(key, value)| (bytes(&key), bytes(&value)))
            .collect())
    }

    /// The last rows of the range, the last of them first.
    pub(super) async fn backwards(
        &self,
        store: &IdbObjectStore,
        range: &IdbKeyRange,
        limit: usize,
        with_values: bool,
    ) -> Result<Vec<Row>, IdbError> {
        if let Some(rows) = self.walk(store, range, limit, with_values).await? {
            return Ok(rows);
        }
        // A cursor does not get past what is lost: of the keys alone nothing is.
        let keys = self.walk(store, range, limit, false).await?;
        self.rows(store, keys.unwrap_or_default()).await
    }

    /// Nothing where the cursor meets a value that is lost.
    async fn walk(
        &self,
        store: &IdbObjectStore,
        range: &IdbKeyRange,
        limit: usize,
        with_values: bool,
    ) -> Result<Option<Vec<Row>>, IdbError> {
        let direction = IdbCursorDirection::Prev;
        let request = if with_values {
            store.open_cursor_with_range_and_direction(range, direction)
        } else {
            store.open_key_cursor_with_range_and_direction(range, direction)
        };
        let request = request.map_err(idb_error)?;
        let mut rows = Vec::new();
        while rows.len() < limit {
            self.spared(&request).await?;
            if is_lost(&request) {
                return Ok(None);
            }
            let found = result(&request)?;
            if found.is_null() {
                break;
            }
            let value = match found.dyn_ref::<IdbCursorWithValue>() {
                Some(cursor) => bytes(&cursor.value().map_err(idb_error)?),
                None => Vec::new(),
            };
            let cursor: IdbCursor = found.unchecked_into();
            rows.push((bytes(&cursor.key().map_err(idb_error)?), value));
            if rows.len() < limit {
                cursor.continue_().map_err(idb_error)?;
            }
        }
        Ok(Some(rows))
    }

    /// These rows with their values, each asked for by itself: of one that is lost there is nothing.
    async fn rows(&self, store: &IdbObjectStore, rows: Vec<Row>) -> Result<Vec<Row>, IdbError> {
        let requests = rows.iter().map(|(key, _)| get(store, key));
        let requests = requests.collect::<Result<Vec<_>, _>>()?;
        let values = self.values(&requests).await?.into_iter();
        let rows = rows.into_iter().zip(values);
        Ok(rows
            .map(|((key, _), value)| (key, value.unwrap_or_default()))
            .collect())
    }

    /// The first key and the last, which are numbers.
    pub(super) async fn ends(
        &self,
        store: &IdbObjectStore,
    ) -> Result<Option<(u64, u64)>, IdbError> {
        let first = end(store, IdbCursorDirection::Next)?;
        let last = end(store, IdbCursorDirection::Prev)?;
        let last = key_of(self.answer(&last).await?)?;
        let first = key_of(result(&first)?)?;
        Ok(first.zip(last))
    }

    /// All rows from the one key of each pair to the other, which are numbers.
    pub(super) async fn intervals(
        &self,
        store: &IdbObjectStore,
        intervals: &[(u64, u64)],
    ) -> Result<Vec<(u64, Vec<u8>)>, IdbError> {
        let mut requests = Vec::with_capacity(2 * intervals.len());
        for (first, last) in intervals {
            let (first, last) = (JsValue::from(*first as f64), JsValue::from(*last as f64));
            let range = between((&first, false), (&last, false))?;
            requests.push(store.get_all_keys_with_key(&range).map_err(idb_error)?);
            requests.push(all(store, &range)?);
        }
        if let Some(last) = requests.last() {
            self.answered(last).await?;
        }
        let mut rows = Vec::new();
        for [keys, values] in requests.as_chunks().0 {
            let (keys, values) = (array(keys)?, array(values)?);
            for at in 0..values.length() {
                let key = keys.get(at).as_f64().unwrap_or_default();
                rows.push((key as u64, bytes(&values.get(at))));
            }
        }
        Ok(rows)
    }

    /// The first rows in the order of an index: keys and values.
    pub(super) async fn by_index(
        &self,
        store: &IdbObjectStore,
        index: &str,
        limit: usize,
    ) -> Result<Vec<(JsValue, JsValue)>, IdbError> {
        let index = store.index(index).map_err(idb_error)?;
        let all = JsValue::UNDEFINED;
        let keys = index.get_all_keys_with_key_and_limit(&all, limit as u32);
        let keys = keys.map_err(idb_error)?;
        let rows = index.get_all_with_key_and_limit(&all, limit as u32);
        let rows = rows.map_err(idb_error)?;
        self.answered(&rows).await?;
        Ok(array(&keys)?.iter().zip(array(&rows)?.iter()).collect())
    }

    /// The last row in the order of an index.
    pub(super) async fn last_by_index(
        &self,
        store: &IdbObjectStore,
        index: &str,
    ) -> Result<Option<JsValue>, IdbError> {
        let index = store.index(index).map_err(idb_error)?;
        let direction = IdbCursorDirection::Prev;
        let request = index.open_cursor_with_range_and_direction(&JsValue::UNDEFINED, direction);
        let cursor = self.answer(&request.map_err(idb_error)?).await?;
        let Ok(cursor) = cursor.dyn_into::<IdbCursorWithValue>() else {
            return Ok(None);
        };
        cursor.value().map(Some).map_err(idb_error)
    }

    /// Waits for this request, and gives what it found.
    pub(super) async fn answer(&self, request: &IdbRequest) -> Result<JsValue, IdbError> {
        self.answered(request).await?;
        result(request)
    }

    /// Waits for this request, and so for all before it: it must be the last that was made.
    async fn answered(&self, request: &IdbRequest) -> Result<(), IdbError> {
        let told = Promise::new(&mut |resolve, reject| {
            request.set_onsuccess(Some(&resolve));
            request.set_onerror(Some(&reject));
        });
        match JsFuture::from(told).await {
            Ok(_) => Ok(()),
            // Where an earlier one failed this one was only aborted: the transaction tells of the first.
            Err(_) => Err(match (self.transaction.error(), request.error()) {
                (Some(error), _) | (None, Ok(Some(error))) => error.into(),
                (None, Ok(None)) => IdbError::Unknown(JsValue::UNDEFINED.into()),
                (None, Err(error)) => idb_error(error),
            }),
        }
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        if self.is_writing {
            // It may have ended by itself.
            let _ = self.transaction.abort();
        }
    }
}

/// Whether the request failed because the browser has its row's place, and not its bytes: Chromium keeps long values in files of
/// their own.
fn is_lost(request: &IdbRequest) -> bool {
    let error = request.error().ok().flatten();
    error.is_some_and(|error| ["NotReadableError", "DataError"].contains(&&*error.name()))
}

/// Rows of which the values are not wanted.
fn bare(keys: &Array) -> Vec<Row> {
    keys.iter().map(|key| (bytes(&key), Vec::new())).collect()
}

/// All keys from this one on, or behind it.
pub(super) fn from(first: &JsValue, is_behind: bool) -> Result<IdbKeyRange, IdbError> {
    IdbKeyRange::lower_bound_with_open(first, is_behind).map_err(idb_error)
}

/// All keys up to this one.
pub(super) fn up_to(last: &JsValue) -> Result<IdbKeyRange, IdbError> {
    IdbKeyRange::upper_bound(last).map_err(idb_error)
}

/// The keys between these: each is itself left out where its flag says so.
pub(super) fn between(
    (first, is_behind): (&JsValue, bool),
    (last, is_before): (&JsValue, bool),
) -> Result<IdbKeyRange, IdbError> {
    let range =
        IdbKeyRange::bound_with_lower_open_and_upper_open(first, last, is_behind, is_before);
    range.map_err(idb_error)
}

/// A key of a store, but for the log's.
pub(super) fn key(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

pub(super) fn get(store: &IdbObjectStore, bytes: &[u8]) -> Result<IdbRequest, IdbError> {
    get_at(store, &key(bytes))
}

pub(super) fn get_at(store: &IdbObjectStore, key: &JsValue) -> Result<IdbRequest, IdbError> {
    store.get(key).map_err(idb_error)
}

pub(super) fn everything(store: &IdbObjectStore) -> Result<IdbRequest, IdbError> {
    store.get_all().map_err(idb_error)
}

/// What a request that is answered found.
pub(super) fn result(request: &IdbRequest) -> Result<JsValue, IdbError> {
    request.result().map_err(idb_error)
}

/// The key at this end of a store.
fn end(store: &IdbObjectStore, direction: IdbCursorDirection) -> Result<IdbRequest, IdbError> {
    let request = store.open_key_cursor_with_range_and_direction(&JsValue::UNDEFINED, direction);
    request.map_err(idb_error)
}

/// A number, of a cursor if there is any.
fn key_of(cursor: JsValue) -> Result<Option<u64>, IdbError> {
    if cursor.is_null() {
        return Ok(None);
    }
    let key = cursor.unchecked_into::<IdbCursor>().key();
    let key = key.map_err(idb_error)?.as_f64();
    Ok(key.map(|key| key as u64))
}

/// Nobody waits for this one: where it fails the transaction does.
pub(super) fn put(store: &IdbObjectStore, key: &JsValue, value: &JsValue) -> Result<(), IdbError> {
    store.put_with_key(value, key).map_err(idb_error)?;
    Ok(())
}

/// The same of a key, or a range of them.
pub(super) fn delete(store: &IdbObjectStore, key: &JsValue) -> Result<(), IdbError> {
    store.delete(key).map_err(idb_error)?;
    Ok(())
}

pub(super) fn all(store: &IdbObjectStore, range: &IdbKeyRange) -> Result<IdbRequest, IdbError> {
    store.get_all_with_key(range).map_err(idb_error)
}

/// Values come back as `Uint8Array`, of which another would be a copy, and in environments for tests as that of another
/// realm; keys as `ArrayBuffer`. Anything else is not ours, and holds nothing: of a number there would be made an array so
/// long.
pub(super) fn bytes(value: &JsValue) -> Vec<u8> {
    match value.dyn_ref::<Uint8Array>() {
        Some(array) => array.to_vec(),
        None if ArrayBuffer::is_view(value) || value.is_instance_of::<ArrayBuffer>() => {
            Uint8Array::new(value).to_vec()
        }
        None => Vec::new(),
    }
}

pub(super) fn idb_error(error: JsValue) -> IdbError {
    match error.dyn_into::<DomException>() {
        Ok(exception) => exception.into(),
        Err(error) => IdbError::Unknown(error.into()),
    }
}

fn array(request: &IdbRequest) -> Result<Array, IdbError> {
    Ok(result(request)?.unchecked_into())
}
