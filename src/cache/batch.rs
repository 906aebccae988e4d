//! How much a gateway takes at a time: less after each refusal, down to single requests.

use crate::gateway::Verdict;

/// How many questions a batch has, `MOST` at first.
pub(super) struct BatchSize<const MOST: usize> {
    pub(super) now: usize,
    most: usize,
}

impl<const MOST: usize> Default for BatchSize<MOST> {
    fn default() -> Self {
        BatchSize {
            now: MOST,
            most: MOST,
        }
    }
}

impl<const MOST: usize> BatchSize<MOST> {
    pub(super) fn answered(&mut self) {
        self.now = (self.now * 2).min(self.most);
    }

    /// Whether it is worth a wait: what is too much is not, for less of it is asked for at once.
    pub(super) fn failed(&mut self, verdict: Verdict) -> bool {
        let was_single = self.now == 1;
        match verdict {
            Verdict::Unsupported => {
                self.most = (self.now / 2).max(1);
                self.now = self.most;
                was_single
            }
            // Perhaps the answer was too long to arrive.
            Verdict::Unknown => {
                self.now = (self.now / 2).max(1);
                true
            }
            Verdict::Later
            | Verdict::NonceUsed
            | Verdict::Blocked(_)
            | Verdict::Never
            | Verdict::Error => true,
        }
    }

    /// How many requests so many questions are, at the most.
    pub(super) fn requests(&self, questions: usize, most: usize) -> usize {
        questions.div_ceil(self.now).min(most)
    }
}
