//! Damaged segments: set aside when the log is cleaned, so that what can be saved of them by other means is not lost.

use super::connection::{ASIDE, LOG};
use super::look::{self, Look};
use super::store::{Store, number};
use crate::error::Error;
use indexed_db_futures::error::Error as IdbError;
use wasm_bindgen::prelude::*;
use web_sys::IdbObjectStore;

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
            let look = Look::begin(&database, &[ASIDE])?;
            let keys = keys(&look, &look.store(ASIDE)?).await?;
            let keys = keys.iter().filter_map(JsValue::as_f64);
            Ok(keys.map(|key| key as u64).collect())
        };
        read.await.map_err(|error| self.failure(error, None))
    }

    /// The bytes of a segment, as they are in the log, or set aside.
    ///
    /// # Errors
    /// `storage_failed`, or `storage_unavailable`.
    pub async fn segment(&self, key: u64) -> Result<Option<Vec<u8>>, Error> {
        let database = self.database().await?;
        let read = async {
            let look = Look::begin(&database, &[LOG, ASIDE])?;
            let requests = [LOG, ASIDE].map(|name| look::get_at(&look.store(name)?, &number(key)));
            let requests = requests.into_iter().collect::<Result<Vec<_>, _>>()?;
            let found = look.values(&requests).await?;
            Ok(found.into_iter().flatten().next())
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
            let look = Look::write(&database, &[ASIDE], true)?;
            look.store(ASIDE)?.clear().map_err(look::idb_error)?;
            look.commit().await
        };
        clear.await.map_err(|error| self.failure(error, None))
    }
}

/// Part of a cleaning commit: these segments go from the log to `aside`.
pub(super) async fn set_aside(look: &Look, segments: &[u64]) -> Result<(), IdbError> {
    if segments.is_empty() {
        return Ok(());
    }
    let (log, aside) = (look.store(LOG)?, look.store(ASIDE)?);
    for key in segments {
        let key = number(*key);
        let segment = look.answer(&look::get_at(&log, &key)?).await?;
        if !segment.is_undefined() {
            look::put(&aside, &key, &segment)?;
        }
    }
    let keys = keys(look, &aside).await?;
    let surplus = keys.len().saturating_sub(MAX_ASIDE);
    if let Some(last) = surplus.checked_sub(1).and_then(|place| keys.get(place)) {
        let oldest = look::up_to(last)?;
        look::delete(&aside, &oldest)?;
    }
    Ok(())
}

/// All keys of it.
async fn keys(look: &Look, store: &IdbObjectStore) -> Result<Vec<JsValue>, IdbError> {
    let all = look::from(&number(0), false)?;
    look.keys(store, &all, u32::MAX as usize).await
}
