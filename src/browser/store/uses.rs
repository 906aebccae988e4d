//! The `uses` store: when each settled value was last used and what it counts for, so that the oldest can be evicted; and
//! where the `tags` store lists it. Both change in the same commit as the values; the row of a number's key holds the
//! running total, so that nobody counts.

use super::super::connection::{LOG, TAGS, USES, USES_BY_TIME, VALUES};
use super::{Store, bytes, goes_beyond, put};
use crate::browser::env;
use crate::cache::{Evict, Oldest, RECORD_AGAIN_MS, Row};
use crate::error::{Error, ErrorCode};
use crate::log::{Clean, CommitFailure};
use crate::ordered::OrderedSet;
use crate::tags;
use indexed_db_futures::cursor::CursorDirection;
use indexed_db_futures::error::Error as IdbError;
use indexed_db_futures::internals::SystemRepr;
use indexed_db_futures::object_store::ObjectStore;
use indexed_db_futures::prelude::*;
use indexed_db_futures::transaction::{
    Transaction, TransactionDurability, TransactionMode, TransactionOptions,
};
use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::IdbTransaction;

/// The key of the row with the total.
const TOTAL: f64 = 0.0;
/// In a row: when the value was last used, wall-clock milliseconds since 1970. The row of the total has none.
const USED: &str = "u";
/// In a row: bytes.
const BYTES: &str = "b";
/// In a row, where the value has tags: its keys in the `tags` store.
const LISTED: &str = "t";

impl Store {
    /// What all settled values count for, and so many of those of the oldest use.
    ///
    /// # Errors
    /// `storage_failed`, or `storage_unavailable`.
    pub async fn oldest(&self, limit: usize) -> Result<Oldest, Error> {
        let database = self.connection.database().await?;
        let read = async {
            let transaction = database.transaction(USES).build()?;
            let uses = transaction.object_store(USES)?;
            let bytes_now = total(&uses).await?;
            let mut rows = Vec::new();
            // A limit of 0 is none to IndexedDB.
            if limit > 0 {
                let by_time = uses.index(USES_BY_TIME)?;
                let keys = by_time.get_all_keys::<JsValue>().with_limit(limit as u32);
                let keys = keys.primitive()?;
                let found = by_time.get_all::<JsValue>().with_limit(limit as u32);
                let found = found.primitive()?;
                let keys = keys.await?.collect::<Result<Vec<JsValue>, _>>()?;
                let found = found.await?.collect::<Result<Vec<JsValue>, _>>()?;
                for (key, row) in keys.iter().zip(&found) {
                    // Keys are written as UTF-8 and nothing else.
                    rows.extend(String::from_utf8(bytes(key)).ok().map(|key| Row {
                        key,
                        bytes: number(row, BYTES),
                        used: number(row, USED),
                    }));
                }
            }
            Ok(Oldest {
                bytes: bytes_now,
                rows,
            })
        };
        read.await.map_err(|error| self.failure(error, None))
    }

    /// Deletes settled values that were not used since, unless the log went on. What is left counts for so much.
    ///
    /// # Errors
    /// Nothing was deleted: the log went on, or IndexedDB aborted it.
    pub async fn evict(&self, evict: &Evict) -> Result<u64, CommitFailure> {
        match self.evict_as(evict, Account::Kept).await {
            Err(CommitFailure::Storage(error)) if error.code == ErrorCode::QuotaExceeded => {
                self.evict_as(evict, Account::Dropped).await
            }
            result => result,
        }
    }

    async fn evict_as(&self, evict: &Evict, account: Account) -> Result<u64, CommitFailure> {
        let database = self.connection.database().await;
        let database = database.map_err(CommitFailure::Storage)?;
        // What is deleted once more costs nothing: the disk need not have it.
        let options = TransactionOptions::new().with_durability(TransactionDurability::Relaxed);
        let transaction = database
            .transaction([LOG, VALUES, USES, TAGS])
            .with_mode(TransactionMode::Readwrite)
            .with_options(options)
            .build()
            .map_err(|error| self.commit_failure(error, None))?;
        let handle: IdbTransaction = transaction.as_sys().clone().into();
        match delete(&transaction, evict, account).await {
            Ok(Some(left)) => {
                let committed = transaction.commit().await;
                committed.map_err(|error| self.commit_failure(error, Some(&handle)))?;
                Ok(left)
            }
            Ok(None) => {
                // Nothing was deleted; that the abort itself fails changes nothing.
                let _ = transaction.abort().await;
                Err(CommitFailure::Behind)
            }
            Err(error) => Err(self.commit_failure(error, Some(&handle))),
        }
    }

    /// Records that the values of these keys are used now, where there are any and the last recorded use is old.
    ///
    /// # Errors
    /// `storage_failed`, `quota_exceeded` or `storage_unavailable`: then it is as it was.
    pub async fn touch(&self, keys: &[String]) -> Result<(), Error> {
        let database = self.connection.database().await?;
        let write = async {
            let options = TransactionOptions::new().with_durability(TransactionDurability::Relaxed);
            let transaction = database
                .transaction(USES)
                .with_mode(TransactionMode::Readwrite)
                .with_options(options)
                .build()?;
            let uses = transaction.object_store(USES)?;
            let now_ms = env::wall_ms();
            for (key, row) in rows(&uses, keys.iter().map(String::as_str)).await? {
                if now_ms.abs_diff(row.used) > RECORD_AGAIN_MS {
                    put_row(
                        &uses,
                        key,
                        &Use {
                            used: now_ms,
                            ..row
                        },
                    )?;
                }
            }
            transaction.commit().await
        };
        write.await.map_err(|error| self.failure(error, None))
    }
}

/// Writes what a cleaning commit moves, deletes what it gives up, and keeps account of both.
pub(super) async fn move_values(
    transaction: &Transaction<'_>,
    clean: &Clean,
) -> Result<(), IdbError> {
    if clean.values.is_empty() && clean.evict.is_empty() {
        return Ok(());
    }
    let values = transaction.object_store(VALUES)?;
    let uses = transaction.object_store(USES)?;
    let tags = transaction.object_store(TAGS)?;
    let mut left = total(&uses).await?;
    let written = clean.values.iter().map(|(key, _)| key.as_str());
    let keys = written.chain(clean.evict.iter().map(String::as_str));
    for (_, row) in rows(&uses, keys).await? {
        left = left.saturating_sub(row.bytes);
        unlist(&tags, &row)?;
    }
    for key in &clean.evict {
        delete_value(&values, &uses, key)?;
    }
    let now_ms = env::wall_ms();
    for (key, segment) in &clean.values {
        let bytes = (key.len() + segment.len()) as u64;
        left += bytes;
        put(&values, key.as_bytes(), segment)?;
        let listed: Vec<JsValue> = tags::store_keys(segment)
            .iter()
            .map(|tag| Uint8Array::from(tag.as_slice()).into())
            .collect();
        for tag in &listed {
            let put = tags.put(key_of(key)).with_key(tag.clone());
            put.without_key_type().primitive()?;
        }
        let row = Use {
            used: now_ms,
            bytes,
            listed,
        };
        put_row(&uses, key, &row)?;
    }
    put_total(&uses, left)
}

/// Issues all requests of an eviction: what is left counts for so much; `None` where the log went on.
async fn delete(
    transaction: &Transaction<'_>,
    evict: &Evict,
    account: Account,
) -> Result<Option<u64>, IdbError> {
    let log = transaction.object_store(LOG)?;
    if goes_beyond(&log, evict.expected_last).await? {
        return Ok(None);
    }
    let values = transaction.object_store(VALUES)?;
    let uses = transaction.object_store(USES)?;
    let tags = transaction.object_store(TAGS)?;
    let mut left = total(&uses).await?;
    if account == Account::Kept {
        // Behind the newest also where the clock went back, or the same rows would be the oldest again.
        let now_ms = env::wall_ms().max(newest(&uses).await?);
        for (key, row) in rows(&uses, evict.touch.iter().map(String::as_str)).await? {
            put_row(
                &uses,
                key,
                &Use {
                    used: now_ms,
                    ..row
                },
            )?;
        }
    }
    let wanted = evict.delete.iter().map(|row| row.key.as_str());
    let known: OrderedSet<(String, u64)> = evict
        .delete
        .iter()
        .map(|row| (row.key.clone(), row.used))
        .collect();
    for (key, row) in rows(&uses, wanted).await? {
        if known.contains(&(key.to_owned(), row.used)) {
            left = left.saturating_sub(row.bytes);
            unlist(&tags, &row)?;
            delete_value(&values, &uses, key)?;
        }
    }
    match account {
        Account::Kept => put_total(&uses, left)?,
        Account::Dropped => {
            let total = JsValue::from(TOTAL);
            uses.delete::<JsValue, _>(total).primitive()?;
        }
    }
    Ok(Some(left))
}

/// What becomes of the row of the total. Where there is no room at all an eviction can only delete.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Account {
    Kept,
    Dropped,
}

/// What is known of a value.
struct Use {
    used: u64,
    bytes: u64,
    listed: Vec<JsValue>,
}

/// The rows of these keys, as far as there are any.
async fn rows<'a>(
    uses: &ObjectStore<'_>,
    keys: impl Iterator<Item = &'a str>,
) -> Result<Vec<(&'a str, Use)>, IdbError> {
    let mut requests = Vec::new();
    for key in keys {
        let get = uses.get::<JsValue, JsValue, _>(key_of(key));
        requests.push((key, get.primitive()?));
    }
    let mut found = Vec::with_capacity(requests.len());
    for (key, request) in requests {
        found.extend(request.await?.map(|row| {
            let used = number(&row, USED);
            let bytes = number(&row, BYTES);
            let listed = Reflect::get(&row, &LISTED.into()).ok();
            let listed = listed
                .filter(Array::is_array)
                .map(|listed| Array::from(&listed));
            let listed = listed.map_or(Vec::new(), |listed| listed.to_vec());
            let row = Use {
                used,
                bytes,
                listed,
            };
            (key, row)
        }));
    }
    Ok(found)
}

async fn total(uses: &ObjectStore<'_>) -> Result<u64, IdbError> {
    let row = uses.get::<JsValue, JsValue, _>(JsValue::from(TOTAL));
    if let Some(row) = row.primitive()?.await? {
        return Ok(number(&row, BYTES));
    }
    // There is nothing yet, or an eviction had no room to say what is left.
    let mut bytes = 0;
    for row in uses.get_all::<JsValue>().primitive()?.await? {
        bytes += number(&row?, BYTES);
    }
    Ok(bytes)
}

/// The newest use of all.
async fn newest(uses: &ObjectStore<'_>) -> Result<u64, IdbError> {
    let by_time = uses.index(USES_BY_TIME)?;
    let cursor = by_time.open_cursor().with_direction(CursorDirection::Prev);
    let Some(mut cursor) = cursor.await? else {
        return Ok(0);
    };
    let row = cursor.next_record::<JsValue>().await?;
    Ok(row.map_or(0, |row| number(&row, USED)))
}

fn delete_value(
    values: &ObjectStore<'_>,
    uses: &ObjectStore<'_>,
    key: &str,
) -> Result<(), IdbError> {
    for store in [values, uses] {
        store.delete::<JsValue, _>(key_of(key)).primitive()?;
    }
    Ok(())
}

/// The value leaves the lists.
fn unlist(tags: &ObjectStore<'_>, row: &Use) -> Result<(), IdbError> {
    for tag in &row.listed {
        tags.delete::<JsValue, _>(tag.clone()).primitive()?;
    }
    Ok(())
}

fn put_row(uses: &ObjectStore<'_>, key: &str, row: &Use) -> Result<(), IdbError> {
    let object = object(&[(USED, row.used), (BYTES, row.bytes)]);
    if !row.listed.is_empty() {
        let listed: Array = row.listed.iter().collect();
        // A new object takes every field.
        let _ = Reflect::set(&object, &LISTED.into(), &listed);
    }
    let put = uses.put(object).with_key(key_of(key)).without_key_type();
    put.primitive()?;
    Ok(())
}

fn put_total(uses: &ObjectStore<'_>, bytes: u64) -> Result<(), IdbError> {
    let row = object(&[(BYTES, bytes)]);
    let put = uses.put(row).with_key(JsValue::from(TOTAL));
    put.without_key_type().primitive()?;
    Ok(())
}

fn key_of(key: &str) -> JsValue {
    JsValue::from(Uint8Array::from(key.as_bytes()))
}

fn object(fields: &[(&str, u64)]) -> JsValue {
    let object = Object::new();
    for (name, value) in fields {
        // A new object takes every field.
        let _ = Reflect::set(&object, &(*name).into(), &(*value as f64).into());
    }
    object.into()
}

fn number(row: &JsValue, name: &str) -> u64 {
    let field = Reflect::get(row, &name.into()).ok();
    field.and_then(|field| field.as_f64()).unwrap_or(0.0) as u64
}
