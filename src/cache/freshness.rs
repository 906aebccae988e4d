//! How old what is read may be. What was read from the chain ages; a settled write of this browser's own does not, unless
//! whoever reads wants the chain's own word.

use super::Cache;
use super::reading::Source;
use crate::log::Ask;
use crate::memory::{Known, Standing};

/// How old what was read from the chain may be, in milliseconds, where whoever reads says nothing else.
#[derive(Debug, Clone, Copy, Default)]
pub struct Freshness {
    /// So old it answers. Without it as long as `Config::poll_ms`, and where the key is a transaction's id, never.
    pub max_age_ms: Option<u64>,
    /// So much older it answers still, while the chain is asked in the background.
    pub stale_while_revalidate_ms: u64,
    /// So old the answer is that there is nothing.
    pub negative_max_age_ms: u64,
}

/// A key that somebody reads.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) ask: Ask,
    pub(super) key: String,
    pub(super) source: Source,
    /// How old the answer may be, if that was said.
    pub(super) max_age_ms: Option<u64>,
    /// Nobody waits for the answer any more.
    pub(super) is_over: bool,
    /// The gateway lagged behind what is settled: that answers, or what was submitted meanwhile.
    pub(super) wants_newest: bool,
    /// What answers was at hand when the store was asked what it has.
    pub(super) was_at_hand: bool,
    /// The chain is to be read as of a head that was looked up since then.
    pub(super) head_since_ms: u64,
}

impl Wanted {
    pub(super) fn new(ask: Ask, key: String, source: Source, max_age_ms: Option<u64>) -> Self {
        Wanted {
            ask,
            key,
            source,
            max_age_ms,
            is_over: false,
            wants_newest: false,
            was_at_hand: false,
            head_since_ms: 0,
        }
    }
}

/// Whether what is known is good enough for whoever reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// It answers.
    Fresh,
    /// It answers, and the chain is asked meanwhile.
    Stale,
    /// The chain is asked.
    Old,
}

impl Age {
    /// Of a settled write of this browser's own: nobody knows since when the chain may say otherwise.
    pub(super) fn of_settled(wanted: &Wanted) -> Age {
        match (wanted.max_age_ms, wanted.source) {
            (None, Source::Any | Source::Backup | Source::Cache) => Age::Fresh,
            (None, Source::Chain) | (Some(_), _) => Age::Old,
        }
    }
}

impl Cache {
    pub(super) fn age(&self, known: &Known, wanted: &Wanted) -> Age {
        match (known.standing, known.read_ms) {
            (Standing::Doubted | Standing::Left, _) => Age::Old,
            // Others may write there too, which updates of this browser's own do not tell.
            (Standing::Good, None) if self.is_chains_own(known) && wanted.source == Source::Any => {
                Age::Old
            }
            (Standing::Good, None) => Age::of_settled(wanted),
            (Standing::Good, Some(read_ms)) => self.age_of_reading(known, read_ms, wanted),
        }
    }

    /// Whether it is made of updates, of a value that the chain can be asked for.
    fn is_chains_own(&self, known: &Known) -> bool {
        self.config.has_reader && known.stacked.is_some()
    }

    fn age_of_reading(&self, known: &Known, read_ms: u64, wanted: &Wanted) -> Age {
        let usual = self.config.freshness;
        let (most_ms, more_ms) = match (wanted.max_age_ms, wanted.source) {
            (Some(max_age_ms), _) => (max_age_ms, 0),
            // Who wants to know what the chain says now.
            (None, Source::Chain) => (0, 0),
            (None, Source::Any | Source::Backup | Source::Cache) => {
                let poll_ms = if known.is_calldata {
                    0
                } else {
                    self.config.poll_ms
                };
                let max_age_ms = usual.max_age_ms.unwrap_or(poll_ms);
                (max_age_ms, usual.stale_while_revalidate_ms)
            }
        };
        let (most_ms, more_ms) = match known.value {
            Some(_) => (most_ms, more_ms),
            // An answer of nothing cannot say that it is old.
            None => (most_ms.min(usual.negative_max_age_ms), 0),
        };
        let age_ms = self.now_ms - read_ms;
        if age_ms < most_ms {
            Age::Fresh
        } else if age_ms < most_ms.saturating_add(more_ms) {
            Age::Stale
        } else {
            Age::Old
        }
    }
}
