//! Catching up with the log. News of other tabs may be lost, late, or never come where there is no channel, and a tab may
//! sleep for an hour: so the log's end is looked at now and then, and at once where somebody asks.

use super::{Cache, Done};
use crate::error::Error;
use crate::log::Ask;
use crate::record::Record;
use crate::task::Event;

/// How often a tab that hears of the others looks all the same, in milliseconds: seen, or not.
const GLANCE_MS: (u64, u64) = (5_000, 30_000);
/// And one that does not hear of them.
const DEAF_GLANCE_MS: (u64, u64) = (500, 5_000);

/// Who waits to know the log's end, and when it was looked at.
#[derive(Debug, Default)]
pub(super) struct LogEnd {
    /// They wait for a look that begins after they asked.
    waiting: Vec<Ask>,
    /// They wait for the look under way.
    looking: Vec<Ask>,
    looked_ms: u64,
}

impl LogEnd {
    pub(super) fn begin_look(&mut self) {
        self.looking.append(&mut self.waiting);
    }

    /// The log's end was read; or what was just appended here is its end.
    pub(super) fn looked(&mut self, now_ms: u64) {
        self.looked_ms = now_ms;
    }
}

impl Cache {
    /// Looks at the log's end. `ask` is answered when all is folded that was in the log when this was asked.
    pub(super) fn sync(&mut self, ask: Option<Ask>) {
        match (self.alive(), ask) {
            (Ok(()), _) => {
                self.must_load = true;
                self.log_end.waiting.extend(ask);
            }
            (Err(error), Some(ask)) => self.done(ask, Err(error)),
            (Err(_), None) => {}
        }
    }

    /// The log is folded up to its end.
    pub(super) fn synced(&mut self) {
        for ask in std::mem::take(&mut self.log_end.looking) {
            self.done(ask, Ok(Done::Synced));
        }
    }

    /// The log's end cannot be read.
    pub(super) fn sync_failed(&mut self, error: &Error) {
        let mut asks = std::mem::take(&mut self.log_end.looking);
        asks.append(&mut self.log_end.waiting);
        for ask in asks {
            self.done(ask, Err(error.clone()));
        }
    }

    /// When the log's end is looked at unasked. A hidden tab that waits for nothing looks once it is seen again.
    pub(super) fn next_glance_ms(&self) -> Option<u64> {
        let waits = self.uplink.is_some() || self.known_backup().unsettled() > 0;
        let is_idle = self.is_loading || !self.is_open;
        if is_idle || !(self.is_visible || waits) {
            return None;
        }
        let (seen_ms, hidden_ms) = if self.config.hears_others {
            GLANCE_MS
        } else {
            DEAF_GLANCE_MS
        };
        let interval_ms = if self.is_visible { seen_ms } else { hidden_ms };
        Some(self.log_end.looked_ms + interval_ms)
    }

    pub(super) fn is_glance_due(&self) -> bool {
        self.next_glance_ms().is_some_and(|due| due <= self.now_ms)
    }

    /// This tab does not lead any more: what it made of the gateways' answers and did not write yet is the next leader's to
    /// find out, who may know better by the time that this tab wakes.
    pub(super) fn drop_verdicts(&mut self) {
        self.log.retain_queued(|record| match record {
            Record::Event(_, event) => match event {
                Event::SignStarted { .. }
                | Event::SendStarted
                | Event::Accepted
                | Event::Blocked { .. }
                | Event::Included(_)
                | Event::Displaced(_)
                | Event::Outrun { .. }
                | Event::Reorged(_)
                | Event::Finalized(_)
                | Event::Rejected { .. }
                | Event::DependencyFailed { .. }
                | Event::DependencyFinal(_) => false,
                // What a signer gave is nowhere else.
                Event::Added(..)
                | Event::Broadcast(_)
                | Event::NotSent
                | Event::Retried { .. }
                | Event::Cancelled
                | Event::Discarded => true,
            },
            Record::Submitted(_)
            | Record::Snapshot(_)
            | Record::Imported(_)
            | Record::Cleaned(..)
            | Record::Settled(_)
            | Record::Closed
            | Record::Index(_) => true,
        });
    }
}
