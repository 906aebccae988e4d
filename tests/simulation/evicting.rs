//! Eviction: only settled values go, oldest use first, and nobody is refused for want of room while one could go.

use crate::disk::{Ask, TabRef};
use crate::model::{Held, broken};
use crate::mutants::Mutant;
use crate::users::Asked;
use crate::world::World;
use uplink_cache::cache::{Cache, Input, Row};
use uplink_cache::error::{Error, ErrorCode};
use uplink_cache::log::CommitFailure;

impl World {
    /// A tab that is alone, and had no trouble with its disk, knows what the settled values count for, and leaves no more of them than
    /// their budget but those of keys that the backup writes.
    pub(crate) fn is_within_budget(&self, cache: &Cache) -> bool {
        if self.climate.tabs > 1 || self.climate.read_fails > 0 || !cache.is_leading() {
            return true;
        }
        let is_kept = |key: &String| cache.backup().overlay().writes(key);
        cache.values_bytes() == self.disk.values_bytes
            && (self.disk.values_bytes <= self.climate.values_budget_bytes
                || self.disk.values.keys().all(is_kept))
    }

    /// Carries out what concerns eviction; false where the ask is something else.
    pub(crate) fn evicts(
        &mut self,
        from: TabRef,
        ask: &Ask,
    ) -> Result<bool, crate::model::Violation> {
        if let Ask::Load(_) | Ask::Get(..) | Ask::Scan(..) = ask {
            return Ok(false);
        }
        let fails = self.strikes("an eviction fails", self.climate.read_fails);
        let error = || Error::new(ErrorCode::StorageFailed, "AbortError");
        self.disk.now_ms = self.wall_ms();
        let input = match ask {
            Ask::Load(_) | Ask::Get(..) | Ask::Scan(..) => return Ok(false),
            Ask::Touch(keys) => {
                self.disk.touch(keys);
                return Ok(true);
            }
            Ask::Oldest(id, _) if fails => {
                self.tabs[from.tab].saw_nothing_to_evict = true;
                Input::Oldest(*id, Err(error()))
            }
            Ask::Oldest(id, limit) => {
                let mut oldest = self.disk.oldest(*limit);
                if self.mutant == Some(Mutant::NewestGoFirst) {
                    oldest.rows = self.disk.oldest(usize::MAX).rows;
                    oldest.rows.reverse();
                    oldest.rows.truncate(*limit);
                }
                if self.mutant == Some(Mutant::NothingToEvict) {
                    oldest.rows.clear();
                }
                let is_left = self.disk.values.keys().any(|key| !self.model.writes(key));
                self.tabs[from.tab].saw_nothing_to_evict |= *limit > 0 && !is_left;
                Input::Oldest(*id, Ok(oldest))
            }
            Ask::Evict(id, _) if fails => {
                self.tabs[from.tab].saw_nothing_to_evict = true;
                Input::Evicted(*id, Err(CommitFailure::Storage(error())))
            }
            Ask::Evict(id, evict) => {
                let mut evict = evict.clone();
                if self.mutant == Some(Mutant::TouchedGoToo) {
                    let rows = self.disk.oldest(usize::MAX).rows.into_iter();
                    let touched = rows.filter(|row| evict.touch.contains(&row.key));
                    evict.delete.extend(touched);
                    evict.touch.clear();
                }
                let is_flushed = self.mutant != Some(Mutant::EvictsRelaxed);
                self.write_begins(!is_flushed);
                let result = self.disk.evict(&evict);
                match &result {
                    Ok((gone, _)) => {
                        self.check_evicted(gone)?;
                        if is_flushed {
                            self.write_lasts();
                        }
                    }
                    Err(_) => self.write_failed(),
                }
                Input::Evicted(*id, result.map(|(_, bytes)| bytes))
            }
        };
        self.tell_from_disk(from, input);
        Ok(true)
    }

    /// No value that could go has an older use than one that went.
    fn check_evicted(&mut self, gone: &[Row]) -> Held {
        for row in gone {
            self.count("a settled value is evicted");
            self.forget_settled(&row.key)?;
        }
        let Some(newest) = gone.iter().map(|row| row.used).max() else {
            return Ok(());
        };
        let older = self
            .disk
            .uses
            .iter()
            .find(|(key, known)| known.used < newest && !self.model.writes(key));
        // A value that was stored meanwhile, when the clock had been set back, looks older than it is.
        if let Some((key, known)) = older.filter(|_| self.climate.wall_jumps == 0) {
            let used = known.used;
            return broken(
                5,
                format!(
                    "a value that was used at {newest} was evicted before {key}, used at {used}"
                ),
            );
        }
        Ok(())
    }

    /// The value of a key is gone: from now on it may be missing, and what is submitted again counts anew.
    pub(crate) fn forget_settled(&mut self, key: &str) -> Held {
        self.say(|_| format!("{key} is evicted"));
        self.model.evicted(key)?;
        for tab in &mut self.tabs {
            tab.shown.remove(key);
            for asked in tab.asks.values_mut() {
                if let Asked::Read(asked, _, _, newest) = asked
                    && asked == key
                {
                    *newest = None;
                }
                if let Asked::ReadAged(read) = asked
                    && read.key == key
                {
                    read.newest = None;
                }
            }
        }
        Ok(())
    }

    /// Who is told that there is no room may be so only once nothing was left that could have gone.
    pub(crate) fn check_room(&self, at: TabRef, error: &Error) -> Held {
        let is_full = error.code == ErrorCode::QuotaExceeded;
        if is_full && !self.tabs[at.tab].saw_nothing_to_evict {
            return broken(
                12,
                "a submission was refused for want of room, and a settled value could have gone",
            );
        }
        Ok(())
    }
}
