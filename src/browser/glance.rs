//! A glance at one key: in one transaction, before the log is read.

use super::connection::LOG;
use super::look::Look;
use crate::cache::{Entry, Glance, Step};
use indexed_db_futures::database::Database;
use indexed_db_futures::error::Error as IdbError;

pub(super) async fn glance(database: &Database, key: &str) -> Result<Option<Entry>, IdbError> {
    let look = Look::begin(database, &[LOG])?;
    let log = look.store(LOG)?;
    let Some(ends) = look.ends(&log).await? else {
        return Ok(None);
    };
    let (mut glance, mut step) = Glance::begin(key, ends);
    loop {
        match step {
            Step::Done(entry) => return Ok(entry),
            Step::Read(intervals) => step = glance.look(look.intervals(&log, &intervals).await?),
        }
    }
}
