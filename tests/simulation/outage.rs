//! A long outage: in some worlds no gateway answers for a while when the storm is over. Meanwhile the gateways are asked now
//! and then, not again and again; and soon after they are back, somebody asks.

use crate::model::{Held, broken};
use crate::world::World;
use uplink_cache::task::State;

/// A rest of a gateway may end just before the wait of who was refused because of it begins: each is a minute at the most.
const LONGEST_WAIT_MS: u64 = 130_000;

/// What happens in an outage.
#[derive(Default)]
pub(crate) struct Outage {
    until_ms: u64,
    requests: u64,
    /// How often tabs wanted to be woken.
    wakes: u64,
    /// Somebody asked since the gateways are back.
    is_over: bool,
}

impl Outage {
    fn lasts(&self, now_ms: u64) -> bool {
        now_ms < self.until_ms
    }
}

impl World {
    /// Faults have stopped, but for this one.
    pub(crate) fn begin_outage(&mut self) {
        let length_ms = self.climate.outage_ms;
        self.outage.until_ms = self.now_ms + length_ms;
        self.down_until_ms = self.outage.until_ms;
        self.outage.is_over = length_ms == 0;
        if length_ms > 0 {
            self.count("a long outage");
        }
    }

    /// When everything can be reached.
    pub(crate) fn calm_since_ms(&self) -> u64 {
        self.climate.storm_ms.max(self.outage.until_ms)
    }

    pub(crate) fn asked_in_outage(&mut self) -> Held {
        if !self.outage.lasts(self.now_ms) {
            self.outage.is_over |= self.is_quiet;
            return Ok(());
        }
        self.outage.requests += 1;
        self.calm_requests = 0;
        let urls = self.climate.gateways.len() as u64;
        // One tab asks: each url until it rests, then to see whether it is back, more seldom each time, and at once where
        // somebody retries a task.
        let rests = self.climate.outage_ms / 30_000;
        let most = urls * (60 + rests + 5 * self.model.facts.len() as u64);
        let requests = self.outage.requests;
        if requests > most {
            return broken(
                11,
                format!("{requests} requests in an outage, at most {most} were due"),
            );
        }
        Ok(())
    }

    pub(crate) fn woken_in_outage(&mut self) -> Held {
        self.outage.wakes += u64::from(self.outage.lasts(self.now_ms));
        // Several times a second, all the time.
        let most = 1_000 + self.climate.outage_ms / 100;
        if self.outage.wakes > most {
            return broken(11, format!("more than {most} wakes in an outage"));
        }
        Ok(())
    }

    /// What waits for the chain waits no longer than for the longest backoff.
    pub(crate) fn check_outage_over(&self) -> Held {
        let waits = |state: &State| matches!(state, State::Sent | State::Included(_));
        let is_over = self.outage.is_over || !self.is_quiet;
        if is_over || self.now_ms < self.outage.until_ms + LONGEST_WAIT_MS {
            return Ok(());
        }
        let mut open = self.model.facts.values().filter(|fact| fact.is_open());
        if open.any(|fact| waits(&fact.state)) {
            return broken(
                11,
                format!("the gateways are back, and nobody asks for {LONGEST_WAIT_MS} ms"),
            );
        }
        Ok(())
    }
}
