//! Settled values in the order of a list: by key, or by tag over the `tags` store, in which the newest comes first. What is
//! read in a store's own order comes in one piece; only the other way round it goes row by row.

use super::super::connection::{TAGS, VALUES};
use super::{Store, bytes, key_range};
use crate::cache::{Found, Query, Scan};
use crate::error::Error;
use crate::tags::{self, Shelf};
use indexed_db_futures::KeyRange;
use indexed_db_futures::cursor::CursorDirection;
use indexed_db_futures::error::Error as IdbError;
use indexed_db_futures::object_store::ObjectStore;
use indexed_db_futures::prelude::*;
use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;

/// A key of a store, and the value if it is wanted.
type Row = (Vec<u8>, Vec<u8>);

impl Store {
    /// The first settled values of a list.
    ///
    /// # Errors
    /// `storage_failed`, or `storage_unavailable`.
    pub async fn scan(&self, scan: &Scan) -> Result<Vec<Found>, Error> {
        let database = self.connection.database().await?;
        let read = async {
            match &scan.query {
                Query::Keys(interval) => {
                    let Some(range) = key_range(interval) else {
                        return Ok(Vec::new());
                    };
                    let transaction = database.transaction(VALUES).build()?;
                    let values = transaction.object_store(VALUES)?;
                    let rows = if interval.reverse {
                        backwards(&values, range, scan.limit).await?
                    } else {
                        forwards(&values, range, scan.limit, scan.with_values).await?
                    };
                    let found = rows.into_iter().filter_map(|(key, bytes)| {
                        // Keys are written as UTF-8 and nothing else.
                        let key = String::from_utf8(key).ok()?;
                        let born = None;
                        Some(Found { key, born, bytes })
                    });
                    Ok(found.collect())
                }
                Query::Tagged(shelf) => {
                    let transaction = database.transaction([TAGS, VALUES]).build()?;
                    let tags = transaction.object_store(TAGS)?;
                    let range = shelf_range(shelf);
                    let rows = if shelf.newest {
                        forwards(&tags, range, scan.limit, true).await?
                    } else {
                        backwards(&tags, range, scan.limit).await?
                    };
                    let values = transaction.object_store(VALUES)?;
                    found_by_tag(&values, rows, scan.with_values).await
                }
            }
        };
        read.await.map_err(|error| self.failure(error, None))
    }
}

/// The values of these rows of the `tags` store.
async fn found_by_tag(
    values: &ObjectStore<'_>,
    rows: Vec<Row>,
    with_values: bool,
) -> Result<Vec<Found>, IdbError> {
    let mut requests = Vec::with_capacity(rows.len());
    for (tag, key) in rows {
        let request = if with_values {
            let key = JsValue::from(Uint8Array::from(key.as_slice()));
            Some(values.get::<JsValue, JsValue, _>(key).primitive()?)
        } else {
            None
        };
        requests.push((tag, key, request));
    }
    let mut found = Vec::with_capacity(requests.len());
    for (tag, key, request) in requests {
        let value = match request {
            Some(request) => request.await?.map(|value| bytes(&value)),
            None => None,
        };
        found.extend(String::from_utf8(key).ok().map(|key| Found {
            key,
            born: tags::born_of(&tag),
            bytes: value.unwrap_or_default(),
        }));
    }
    Ok(found)
}

async fn forwards(
    store: &ObjectStore<'_>,
    range: KeyRange<JsValue>,
    limit: usize,
    with_values: bool,
) -> Result<Vec<Row>, IdbError> {
    let keys = store
        .get_all_keys::<JsValue>()
        .with_query::<JsValue, _>(range.clone());
    let keys = keys.with_limit(limit as u32).primitive()?;
    let values = if with_values {
        let values = store.get_all::<JsValue>().with_query::<JsValue, _>(range);
        Some(values.with_limit(limit as u32).primitive()?)
    } else {
        None
    };
    let mut rows = Vec::new();
    for key in keys.await? {
        rows.push((bytes(&key?), Vec::new()));
    }
    if let Some(values) = values {
        for (row, value) in rows.iter_mut().zip(values.await?) {
            row.1 = bytes(&value?);
        }
    }
    Ok(rows)
}

async fn backwards(
    store: &ObjectStore<'_>,
    range: KeyRange<JsValue>,
    limit: usize,
) -> Result<Vec<Row>, IdbError> {
    let cursor = store
        .open_cursor()
        .with_query::<JsValue, _>(range)
        .with_direction(CursorDirection::Prev);
    let mut rows = Vec::new();
    let Some(mut cursor) = cursor.await? else {
        return Ok(rows);
    };
    while rows.len() < limit
        && let Some(value) = cursor.next_record::<JsValue>().await?
    {
        let key = cursor.key::<JsValue>()?.unwrap_or_default();
        rows.push((bytes(&key), bytes(&value)));
    }
    Ok(rows)
}

/// All of a tag beyond a place: in the store's order the newest comes first.
fn shelf_range(shelf: &Shelf) -> KeyRange<JsValue> {
    let prefix = tags::store_prefix(&shelf.tag);
    let end = |byte: u8| {
        let mut end = prefix.clone();
        end.extend([byte; tags::ORDER_BYTES]);
        end
    };
    let after = shelf.after.map(|after| tags::store_key(&shelf.tag, after));
    let key = |bytes: Vec<u8>| JsValue::from(Uint8Array::from(bytes.as_slice()));
    let (first, last) = (end(0), end(u8::MAX));
    match after {
        Some(after) if shelf.newest => KeyRange::Bound(key(after), true, key(last), false),
        Some(after) => KeyRange::Bound(key(first), false, key(after), true),
        None => KeyRange::Bound(key(first), false, key(last), false),
    }
}
