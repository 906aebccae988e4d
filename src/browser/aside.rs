//! Damaged segments: set aside when the log is cleaned, so that what can be saved of them by other means is not lost.

use super::connection::{ASIDE, LOG};
use super::store::{self, Store};
use crate::error::Error;
use indexed_db_futures::KeyRange;
use indexed_db_futures::error::Error as IdbError;
use indexed_db_futures::object_store::ObjectStore;
use indexed_db_futures::prelude::*;
use indexed_db_futures::transaction::{Transaction, TransactionMode};
use wasm_bindgen::prelude::*;

/// How many damaged segments are kept beside the log: the newest.
const MAX_ASIDE: usize = 1_000;

impl Store {
    /// The keys of the segments that are set aside, in order.
    ///
    /// # Errors
    /// `storage_failed`, or `storage_unavailable`.
    pub async fn aside(&self) -> Result<Vec<u64>, Error> {
        let database = self.database().await?;
        let read = async {
            let transaction = database.transaction(ASIDE).build()?;
            keys(&transaction.object_store(ASIDE)?).await
        };
        read.await.map_err(|error| self.failure(error, None))
    }

    /// The bytes of a segment, as they are in the log, or set aside.
    ///
    /// # Errors
    /// `storage_failed`, or `storage_unavailable`.
    pub async fn segment(&self, key: u64) -> Result<Option<JsValue>, Error> {
        let database = self.database().await?;
        let read = async {
            let transaction = database.transaction([LOG, ASIDE]).build()?;
            let log = get(&transaction.object_store(LOG)?, key).await?;
            match log {
                Some(bytes) => Ok(Some(bytes)),
                None => get(&transaction.object_store(ASIDE)?, key).await,
            }
        };
        read.await.map_err(|error| self.failure(error, None))
    }

    /// Forgets what is set aside.
    ///
    /// # Errors
    /// `storage_failed`, or `storage_unavailable`.
    pub async fn discard_aside(&self) -> Result<(), Error> {
        let database = self.database().await?;
        let clear = async {
            let transaction = database
                .transaction(ASIDE)
                .with_mode(TransactionMode::Readwrite)
                .build()?;
            transaction.object_store(ASIDE)?.clear()?;
            transaction.commit().await
        };
        clear.await.map_err(|error| self.failure(error, None))
    }
}

/// Part of a cleaning commit: these segments go from the log to `aside`.
pub(super) async fn set_aside(
    transaction: &Transaction<'_>,
    segments: &[u64],
) -> Result<(), IdbError> {
    if segments.is_empty() {
        return Ok(());
    }
    let (log, aside) = (
        transaction.object_store(LOG)?,
        transaction.object_store(ASIDE)?,
    );
    for key in segments {
        if let Some(bytes) = get(&log, *key).await? {
            aside
                .put(bytes)
                .with_key(store::number(*key))
                .without_key_type()
                .primitive()?;
        }
    }
    let keys = keys(&aside).await?;
    let surplus = keys.len().saturating_sub(MAX_ASIDE);
    if let Some(last) = surplus.checked_sub(1).and_then(|place| keys.get(place)) {
        let oldest = KeyRange::UpperBound(store::number(*last), false);
        aside.delete::<JsValue, _>(oldest).primitive()?;
    }
    Ok(())
}

async fn keys(store: &ObjectStore<'_>) -> Result<Vec<u64>, IdbError> {
    let keys = store.get_all_keys::<f64>().primitive()?.await?;
    keys.map(|key| key.map(|key| key as u64)).collect()
}

async fn get(store: &ObjectStore<'_>, key: u64) -> Result<Option<JsValue>, IdbError> {
    let get = store.get::<JsValue, JsValue, _>(store::number(key));
    get.primitive()?.await
}
