//! The `uses` store: when each settled value was last used and what it counts for, so that the oldest can be evicted; and
//! where the `tags` store lists it. Both change in the same commit as the values; the row of a number's key holds the
//! running total, so that nobody counts.

use super::super::connection::{LOG, TAGS, USES, USES_BY_TIME, VALUES};
use super::super::look::{self, Look, bytes, delete, key, put};
use super::{Behind, Store};
use crate::browser::env;
use crate::cache::{Evict, Oldest, RECORD_AGAIN_MS, Row};
use crate::error::{Error, ErrorCode};
use crate::log::{Clean, CommitFailure};
use crate::ordered::OrderedSet;
use crate::tags;
use indexed_db_futures::error::Error as IdbError;
use js_sys::{Array, Object, Reflect};
use wasm_bindgen::prelude::*;
use web_sys::{IdbObjectStore, IdbRequest};

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
            let look = Look::begin(&database, &[USES])?;
            let uses = look.store(USES)?;
            let account = Account::ask(&uses, [].into_iter())?;
            let (bytes_now, _) = account.answer(&look).await?;
            // A limit of 0 is none to IndexedDB.
            let found = if limit > 0 {
                look.by_index(&uses, USES_BY_TIME, limit).await?
            } else {
                Vec::new()
            };
            // Keys are written as UTF-8 and nothing else.
            let rows = found.into_iter().filter_map(|(key, row)| {
                let key = String::from_utf8(bytes(&key)).ok()?;
                let (bytes, used) = (number(&row, BYTES), number(&row, USED));
                Some(Row { key, bytes, used })
            });
            let rows = rows.collect();
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
        match self.evict_as(evict, AccountRow::Kept).await {
            Err(CommitFailure::Storage(error)) if error.code == ErrorCode::QuotaExceeded => {
                self.evict_as(evict, AccountRow::Dropped).await
            }
            result => result,
        }
    }

    async fn evict_as(&self, evict: &Evict, account: AccountRow) -> Result<u64, CommitFailure> {
        let database = self.connection.database().await;
        let database = database.map_err(CommitFailure::Storage)?;
        // Were it lost, and a later cleaning not, what comes back would be in no account, and in lists that it left.
        let look = Look::write(&database, &[LOG, VALUES, USES, TAGS], true)
            .map_err(|error| self.commit_failure(error, None))?;
        let handle = look.transaction();
        let failed = |error| self.commit_failure(error, Some(&handle));
        let given_up = give_up(&look, evict, account).await.map_err(failed)?;
        let left = given_up.ok_or(CommitFailure::Behind)?;
        look.commit().await.map_err(failed)?;
        Ok(left)
    }

    /// Records that the values of these keys are used now, where there are any and the last recorded use is old.
    ///
    /// # Errors
    /// `storage_failed`, `quota_exceeded` or `storage_unavailable`: then it is as it was.
    pub async fn touch(&self, keys: &[String]) -> Result<(), Error> {
        let database = self.connection.database().await?;
        let write = async {
            let look = Look::write(&database, &[USES], false)?;
            let uses = look.store(USES)?;
            let account = Account::ask(&uses, keys.iter().map(String::as_str))?;
            let (_, rows) = account.answer(&look).await?;
            let now_ms = env::wall_ms();
            for (key, row) in rows {
                if now_ms.abs_diff(row.used) > RECORD_AGAIN_MS {
                    let used = now_ms;
                    put_row(&uses, key, &Use { used, ..row })?;
                }
            }
            look.commit().await
        };
        write.await.map_err(|error| self.failure(error, None))
    }
}

/// What a cleaning commit has to know of the values that it moves or gives up.
pub(super) fn ask_of<'a>(look: &Look, clean: &'a Clean) -> Result<Option<Account<'a>>, IdbError> {
    if clean.values.is_empty() && clean.evict.is_empty() {
        return Ok(None);
    }
    let known = clean.known.iter().map(String::as_str);
    Account::ask(&look.store(USES)?, known).map(Some)
}

/// Writes what a cleaning commit moves, deletes what it gives up, and keeps account of both.
pub(super) fn move_values(
    look: &Look,
    clean: &Clean,
    (mut left, rows): (u64, Vec<(&str, Use)>),
) -> Result<(), IdbError> {
    let values = look.store(VALUES)?;
    let uses = look.store(USES)?;
    let tags = look.store(TAGS)?;
    for (_, row) in rows {
        left = left.saturating_sub(row.bytes);
        unlist(&tags, &row)?;
    }
    for key in &clean.evict {
        delete_value(&values, &uses, key)?;
    }
    let now_ms = env::wall_ms();
    for (name, segment) in &clean.values {
        let bytes = (name.len() + segment.len()) as u64;
        left += bytes;
        let name = key(name.as_bytes());
        put(&values, &name, &key(segment))?;
        let listed: Vec<JsValue> = tags::store_keys(segment)
            .iter()
            .map(|tag| key(tag))
            .collect();
        for tag in &listed {
            put(&tags, tag, &name)?;
        }
        let row = Use {
            used: now_ms,
            bytes,
            listed,
        };
        put(&uses, &name, &object(&row))?;
    }
    put_total(&uses, left)
}

/// Issues all requests of an eviction: what is left counts for so much; `None` where the log went on.
async fn give_up(look: &Look, evict: &Evict, account: AccountRow) -> Result<Option<u64>, IdbError> {
    let behind = Behind::ask(look, evict.expected_last)?;
    let uses = look.store(USES)?;
    let is_kept = account == AccountRow::Kept;
    let touched: &[String] = if is_kept { &evict.touch } else { &[] };
    let deleted = evict.delete.iter().map(|row| row.key.as_str());
    let keys = deleted.chain(touched.iter().map(String::as_str));
    let account = Account::ask(&uses, keys)?;
    let (mut left, rows) = account.answer(look).await?;
    if behind.answer()? {
        return Ok(None);
    }
    // Behind the newest also where the clock went back, or the same rows would be the oldest again.
    let used = if touched.is_empty() {
        0
    } else {
        env::wall_ms().max(newest(look, &uses).await?)
    };
    let values = look.store(VALUES)?;
    let tags = look.store(TAGS)?;
    let known: OrderedSet<(&str, u64)> = evict
        .delete
        .iter()
        .map(|row| (row.key.as_str(), row.used))
        .collect();
    let touched: OrderedSet<&str> = touched.iter().map(String::as_str).collect();
    for (key, row) in rows {
        if touched.contains(key) {
            put_row(&uses, key, &Use { used, ..row })?;
        } else if known.contains(&(key, row.used)) {
            left = left.saturating_sub(row.bytes);
            unlist(&tags, &row)?;
            delete_value(&values, &uses, key)?;
        }
    }
    if is_kept {
        put_total(&uses, left)?;
    } else {
        delete(&uses, &JsValue::from(TOTAL))?;
    }
    Ok(Some(left))
}

/// What becomes of the row of the total. Where there is no room at all an eviction can only delete.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AccountRow {
    Kept,
    Dropped,
}

/// What is known of a value.
pub(super) struct Use {
    used: u64,
    bytes: u64,
    listed: Vec<JsValue>,
}

/// What is asked of the store before it is written: the total, and the rows of some keys.
pub(super) struct Account<'a> {
    total: IdbRequest,
    rows: Vec<(&'a str, IdbRequest)>,
}

impl<'a> Account<'a> {
    fn ask(uses: &IdbObjectStore, keys: impl Iterator<Item = &'a str>) -> Result<Self, IdbError> {
        let rows = keys.map(|key| Ok((key, look::get(uses, key.as_bytes())?)));
        let rows = rows.collect::<Result<_, IdbError>>()?;
        let total = look::get_at(uses, &JsValue::from(TOTAL))?;
        Ok(Account { total, rows })
    }

    /// The total, and the rows as far as there are any.
    pub(super) async fn answer(self, look: &Look) -> Result<(u64, Vec<(&'a str, Use)>), IdbError> {
        let total = look.answer(&self.total).await?;
        let mut rows = Vec::with_capacity(self.rows.len());
        for (key, request) in self.rows {
            let row = look::result(&request)?;
            if !row.is_undefined() {
                rows.push((key, use_of(&row)));
            }
        }
        if !total.is_undefined() {
            return Ok((number(&total, BYTES), rows));
        }
        // There is nothing yet, or an eviction had no room to say what is left.
        let all = look.answer(&look::everything(&look.store(USES)?)?).await?;
        let bytes = Array::from(&all)
            .iter()
            .map(|row| number(&row, BYTES))
            .sum();
        Ok((bytes, rows))
    }
}

fn use_of(row: &JsValue) -> Use {
    let listed = Reflect::get(row, &LISTED.into()).ok();
    let listed = listed.filter(Array::is_array);
    Use {
        used: number(row, USED),
        bytes: number(row, BYTES),
        listed: listed.map_or(Vec::new(), |listed| Array::from(&listed).to_vec()),
    }
}

/// The newest use of all.
async fn newest(look: &Look, uses: &IdbObjectStore) -> Result<u64, IdbError> {
    let last = look.last_by_index(uses, USES_BY_TIME).await?;
    Ok(last.map_or(0, |row| number(&row, USED)))
}

fn delete_value(
    values: &IdbObjectStore,
    uses: &IdbObjectStore,
    name: &str,
) -> Result<(), IdbError> {
    let name = key(name.as_bytes());
    delete(values, &name)?;
    delete(uses, &name)
}

/// The value leaves the lists.
fn unlist(tags: &IdbObjectStore, row: &Use) -> Result<(), IdbError> {
    row.listed.iter().try_for_each(|tag| delete(tags, tag))
}

fn put_row(uses: &IdbObjectStore, name: &str, row: &Use) -> Result<(), IdbError> {
    put(uses, &key(name.as_bytes()), &object(row))
}

fn put_total(uses: &IdbObjectStore, bytes: u64) -> Result<(), IdbError> {
    let row = Object::new();
    set(&row, BYTES, &(bytes as f64).into());
    put(uses, &JsValue::from(TOTAL), &row)
}

fn object(row: &Use) -> JsValue {
    let object = Object::new();
    set(&object, USED, &(row.used as f64).into());
    set(&object, BYTES, &(row.bytes as f64).into());
    if !row.listed.is_empty() {
        let listed: Array = row.listed.iter().collect();
        set(&object, LISTED, &listed);
    }
    object.into()
}

fn set(object: &Object, name: &str, value: &JsValue) {
    // A new object takes every field.
    let _ = Reflect::set(object, &name.into(), value);
}

fn number(row: &JsValue, name: &str) -> u64 {
    let field = Reflect::get(row, &name.into()).ok();
    field.and_then(|field| field.as_f64()).unwrap_or(0.0) as u64
}
