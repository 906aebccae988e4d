//! How far the log outgrows what lives: a tab that is alone, leads, and has no trouble with its disk cleans the log
//! between two commits where there is no pause.

use crate::disk::{Pending, TabRef};
use crate::model::{Held, broken};
use crate::world::World;
use uplink_cache::cache::Cache;
use uplink_cache::log::Clean;

/// So many commits may go before a cleaning that is due: one has its turn before each, others come while the log is looked at.
const MOST_COMMITS: u32 = 6;
/// In a pause a cleaning goes in steps of so many tasks.
const MOST_TASKS: usize = 16;

impl World {
    /// A commit of this tab is stored.
    pub(crate) fn check_growth(&mut self, pending: &Pending) -> Held {
        let at = pending.from;
        if self.climate.tabs > 1 || !self.is_alive(at) {
            return Ok(());
        }
        let tab = &self.tabs[at.tab];
        let Some(cache) = tab.cache.as_ref().filter(|cache| cache.is_leading()) else {
            self.cannot_clean(at);
            return Ok(());
        };
        if let Some(clean) = &pending.commit.clean {
            self.check_step(cache, clean)?;
        }
        let tab = &mut self.tabs[at.tab];
        let Some(cache) = &tab.cache else {
            return Ok(());
        };
        let live = cache.backup().live_bytes();
        let garbage = cache.log().bytes().saturating_sub(live);
        let is_due = garbage > self.climate.clean_at_bytes.max(live).saturating_mul(2);
        if !is_due || pending.commit.clean.is_some() {
            tab.overdue = 0;
            return Ok(());
        }
        tab.overdue += 1;
        if tab.overdue == 2 {
            self.count("(the log outgrows what lives)");
        }
        if self.tabs[at.tab].overdue > MOST_COMMITS {
            let message =
                format!("the log has {garbage} bytes of garbage, {live} live, and is not cleaned");
            return broken(11, message);
        }
        Ok(())
    }

    /// A commit that cleans in a pause is short, for whoever submits meanwhile waits for it. What is in one segment goes at once, with
    /// a submission that was ignored all that is older, and more where there is no room.
    fn check_step(&self, cache: &Cache, clean: &Clean) -> Held {
        let is_in_a_pause = cache.log().queue_bytes() == 0;
        let has_room = self.climate.quota == 0 && self.climate.disk_bytes.is_none();
        if !is_in_a_pause || !has_room || cache.backup().last_ignored().is_some() {
            return Ok(());
        }
        let tasks: Vec<_> = cache.backup().homes_through(clean.delete_through).collect();
        let is_one_segment = tasks.iter().all(|(home, _)| *home == tasks[0].0);
        let bytes = tasks.iter().map(|(_, id)| cache.backup().bytes_of(*id));
        let bytes: u64 = bytes.sum();
        let most = self.climate.clean_at_bytes / 8;
        if !is_one_segment && (tasks.len() > MOST_TASKS || bytes > most) {
            let message = format!(
                "one step of a cleaning has {} tasks of {bytes} bytes",
                tasks.len()
            );
            return broken(11, message);
        }
        Ok(())
    }

    /// Where nothing is unsettled the tab that leads leaves little in the log.
    pub(crate) fn is_tidy(&self, cache: &Cache) -> bool {
        let live = cache.backup().live_bytes();
        let garbage = cache.log().bytes().saturating_sub(live);
        let most = (self.climate.clean_at_bytes / 8).max(64).max(live);
        let is_resting = cache.is_leading() && cache.backup().unsettled() == 0;
        !is_resting || garbage <= most
    }

    /// What this tab asked the disk for failed, or it looks at the log's end.
    pub(crate) fn cannot_clean(&mut self, at: TabRef) {
        self.tabs[at.tab].overdue = 0;
    }
}
