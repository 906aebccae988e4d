//! Settled values in the order of a list: by key, or by tag over the `tags` store, in which the newest comes first. What is
//! read in a store's own order comes in one piece; only the other way round it goes row by row.

use super::super::connection::{TAGS, VALUES};
use super::super::look::{self, Look, Row};
use super::Store;
use crate::cache::{Found, Query, Scan};
use crate::error::Error;
use crate::overlay::Interval;
use crate::tags::{self, Shelf};
use indexed_db_futures::error::Error as IdbError;
use web_sys::IdbKeyRange;

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
                    let Some(range) = key_range(interval)? else {
                        return Ok(Vec::new());
                    };
                    let look = Look::begin(&database, &[VALUES])?;
                    by_key(&look, &range, scan, interval.reverse).await
                }
                Query::Tagged(shelf) => {
                    let look = Look::begin(&database, &[TAGS, VALUES])?;
                    by_tag(&look, shelf, scan).await
                }
            }
        };
        read.await.map_err(|error| self.failure(error, None))
    }
}

async fn by_key(
    look: &Look,
    range: &IdbKeyRange,
    scan: &Scan,
    is_backwards: bool,
) -> Result<Vec<Found>, IdbError> {
    let values = look.store(VALUES)?;
    let rows = if is_backwards {
        look.backwards(&values, range, scan.limit, scan.with_values)
            .await?
    } else {
        look.forwards(&values, range, scan.limit, scan.with_values)
            .await?
    };
    let found = rows.into_iter().filter_map(|(key, bytes)| {
        // Keys are written as UTF-8 and nothing else.
        let key = String::from_utf8(key).ok()?;
        let born = None;
        Some(Found { key, born, bytes })
    });
    Ok(found.collect())
}

async fn by_tag(look: &Look, shelf: &Shelf, scan: &Scan) -> Result<Vec<Found>, IdbError> {
    let tags = look.store(TAGS)?;
    let range = shelf_range(shelf)?;
    let rows: Vec<Row> = if shelf.newest {
        look.forwards(&tags, &range, scan.limit, true).await?
    } else {
        look.backwards(&tags, &range, scan.limit, true).await?
    };
    let mut requests = Vec::new();
    if scan.with_values {
        let values = look.store(VALUES)?;
        for (_, key) in &rows {
            requests.push(look::get(&values, key)?);
        }
    }
    let mut values = look.values(&requests).await?.into_iter();
    let found = rows.into_iter().filter_map(|(tag, key)| {
        let bytes = values.next().flatten().unwrap_or_default();
        Some(Found {
            key: String::from_utf8(key).ok()?,
            born: tags::born_of(&tag),
            bytes,
        })
    });
    Ok(found.collect())
}

/// The interval in the order of bytes; `None` where it is empty.
fn key_range(interval: &Interval) -> Result<Option<IdbKeyRange>, IdbError> {
    let prefix = interval.prefix.as_bytes();
    let after = interval.after.as_deref().map(str::as_bytes);
    let end = prefix_end(prefix);
    let (lower, is_behind, upper) = match (after, interval.reverse) {
        (Some(after), false) if after >= prefix => (after, true, end.as_deref()),
        (Some(after), true) if end.as_deref().is_none_or(|end| after < end) => {
            (prefix, false, Some(after))
        }
        (Some(_) | None, _) => (prefix, false, end.as_deref()),
    };
    // Numbers stand before all bytes; what stands in for IndexedDB in tests of a dapp takes no bytes that are empty.
    let is_all = lower.is_empty() && !is_behind;
    let first = if is_all { 0.into() } else { look::key(lower) };
    match upper {
        Some(upper) if lower >= upper => Ok(None),
        Some(upper) => look::between((&first, is_behind), (&look::key(upper), true)).map(Some),
        None => look::from(&first, is_behind).map(Some),
    }
}

/// The first byte string behind all that begin with the prefix. UTF-8 has no byte 255, so that the last can be raised.
fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    *end.last_mut()? += 1;
    Some(end)
}

/// All of a tag beyond a place: in the store's order the newest comes first.
fn shelf_range(shelf: &Shelf) -> Result<IdbKeyRange, IdbError> {
    let prefix = tags::store_prefix(&shelf.tag);
    let end = |byte: u8| {
        let mut end = prefix.clone();
        end.extend([byte; tags::ORDER_BYTES]);
        look::key(&end)
    };
    let after = shelf.after;
    let after = after.map(|after| look::key(&tags::store_key(&shelf.tag, after)));
    let (first, last) = (end(0), end(u8::MAX));
    match after {
        Some(after) if shelf.newest => look::between((&after, true), (&last, false)),
        Some(after) => look::between((&first, false), (&after, true)),
        None => look::between((&first, false), (&last, false)),
    }
}
