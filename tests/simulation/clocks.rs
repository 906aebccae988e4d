//! Clocks: each tab's own, which never goes back but stands still or jumps while the machine sleeps; and the wall clock,
//! which somebody may set.

use crate::disk::TabRef;
use crate::mutants::Mutant;
use crate::world::World;

/// How far the wall clock is set, at the most: further than everything may take to come to rest.
const MOST_WALL_MS: i64 = 3 * 60 * 60 * 1_000;
/// How far a tab's clock jumps, at the most.
const MOST_JUMP_MS: i64 = 20 * 60 * 1_000;

impl World {
    /// What the tab's clock shows.
    pub(crate) fn tab_ms(&self, tab: usize) -> u64 {
        if self.mutant == Some(Mutant::WallClockTaken) {
            return self.wall_ms();
        }
        self.now_ms.saturating_add_signed(self.tabs[tab].ahead_ms)
    }

    /// What the wall clock shows.
    pub(crate) fn wall_ms(&self) -> u64 {
        if self.climate.wall_jumps == 0 {
            return self.now_ms;
        }
        (self.now_ms + MOST_WALL_MS as u64).saturating_add_signed(self.wall_ahead_ms)
    }

    /// How far the clock of a tab that opens now is ahead of the world's.
    pub(crate) fn first_ahead_ms(&mut self) -> i64 {
        if self.climate.own_clocks {
            self.rng.i64(0..1_000) - self.now_ms as i64
        } else {
            0
        }
    }

    /// The tab sleeps until then: its clock may stand still meanwhile.
    pub(crate) fn clock_sleeps(&mut self, at: TabRef, until_ms: u64) {
        if self.is_alive(at) && self.strikes("a clock stands still", self.climate.clock_stands) {
            let sleeps_ms = until_ms - self.now_ms;
            self.tabs[at.tab].ahead_ms -= sleeps_ms as i64;
        }
    }

    pub(crate) fn trouble_clocks(&mut self, tab: usize) {
        if self.strikes("a tab's clock jumps forward", self.climate.clock_jumps) {
            let jump_ms = self.rng.i64(1_000..MOST_JUMP_MS);
            self.tabs[tab].ahead_ms += jump_ms;
        }
        if self.strikes("the wall clock is set", self.climate.wall_jumps) {
            self.wall_ahead_ms = self.rng.i64(-MOST_WALL_MS..=MOST_WALL_MS);
        }
    }
}
