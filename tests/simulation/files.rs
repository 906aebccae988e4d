//! The browser's own files under the disk. A browser that is killed in the middle of a write leaves half a record, the
//! next one appends behind it, and the one after that finds the file damaged and deletes the database: Chromium does.

use crate::disk::{Fate, Pending, TabRef};
use crate::model::{Held, broken};
use crate::mutants::Mutant;
use crate::world::{Event, World};
use uplink_cache::record::{self, Record};

/// What state the file is in that is appended to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Files {
    #[default]
    Whole,
    /// Half a record is at its end, or behind it others: the next start but one finds it.
    Torn,
    /// A leader of this start has asked for new files.
    Renewing,
}

impl World {
    /// The browser is killed, with all its tabs.
    pub(crate) fn kill_browser(&mut self) -> Held {
        let is_led = self
            .tabs
            .iter()
            .any(|tab| tab.cache.as_ref().is_some_and(|cache| cache.is_leading()));
        if self.files == Files::Torn && is_led {
            return broken(
                1,
                "the browser will find its file damaged, and delete the database",
            );
        }
        // A write that is cut off right behind an orderly end leaves no trace: against that there is no help.
        if !self.disk.queue.is_empty() && !self.ends_closed() {
            *self.faults.entry("a write is cut off").or_default() += 1;
            self.files = Files::Torn;
            // Of what is cut off, no orderly end is left.
            let last = |pending: &&mut Pending| {
                let segment = pending.commit.segments.last();
                segment.is_some_and(|segment| ends_closed(segment))
            };
            for pending in self.disk.queue.iter_mut().filter(last) {
                pending.fate = Fate::Vanished;
            }
        } else if self.files == Files::Renewing {
            self.files = Files::Torn;
        }
        for tab in 0..self.tabs.len() {
            self.crash_tab(tab)?;
        }
        Ok(())
    }

    pub(crate) fn renew(&mut self, at: TabRef) {
        if self.mutant != Some(Mutant::RenewLost) && self.files == Files::Torn {
            self.files = Files::Renewing;
        }
        let delay_ms = self.rng.u64(50..500);
        self.after(delay_ms, Event::Renewed(at));
    }

    pub(crate) fn renewed(&mut self) {
        if self.files == Files::Renewing {
            *self.faults.entry("(files were renewed)").or_default() += 1;
            self.files = Files::Whole;
        }
    }

    pub(crate) fn ends_closed(&self) -> bool {
        let last = self.disk.log.last_key_value();
        last.is_none_or(|(_, segment)| ends_closed(segment))
    }
}

fn ends_closed(segment: &[u8]) -> bool {
    let contents = record::read(segment).unwrap();
    let last = contents.records.last();
    last.is_none_or(|(_, record)| *record == Record::Closed)
}
