//! New heads that a gateway pushes over a socket: while they come, polling is rare; when they stop, it is back at once.

use super::pace::{Haste, MAX_GAP_MS};
use super::sending::Uplink;
use super::{Cache, Output};
use crate::outbox::Backoff;
use crate::task::Block;

/// How often the head is looked at while heads are pushed, in milliseconds: what is pushed may get lost.
const SAFETY_MS: u64 = 30_000;
/// After so many intervals without a pushed head the chain is looked at.
const SILENT_INTERVALS: u64 = 4;
/// But not before this time, in milliseconds: a chain may make a pause.
const MIN_SILENCE_MS: u64 = 15_000;
/// When a subscription that is not answered is given up, in milliseconds.
const MAX_ASKING_MS: u64 = 30_000;
/// So many heads that were found and not pushed end a subscription.
const MAX_UNHEARD: u8 = 2;

/// What a socket tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Push {
    /// To `Output::Subscribe`: heads will be pushed.
    Subscribed,
    /// A new head.
    Head(Block),
    /// The socket closed, could not be opened, or does not know subscriptions.
    Ended,
}

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Heads {
    state: State,
    backoff: Backoff,
    /// Which socket comes next.
    next: usize,
    /// Looks that found a head which was not pushed, since the last that was.
    unheard: u8,
    /// The newest that was pushed, and when.
    newest: Option<(Block, u64)>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Off,
    NotBefore(u64),
    AskedAt(u64),
    Live,
}

impl Heads {
    /// Whether heads come by themselves.
    fn are_heard(&self) -> bool {
        self.state == State::Live && self.unheard == 0
    }
}

impl Cache {
    /// Subscribes while something waits, and ends it.
    pub(super) fn pump_heads(&mut self) {
        let is_wanted = self.config.sockets > 0 && self.is_online && self.tracks();
        match self.heads.state {
            State::Off if is_wanted => self.subscribe(),
            State::NotBefore(due_ms) if is_wanted && due_ms <= self.now_ms => self.subscribe(),
            State::AskedAt(since_ms) if since_ms + MAX_ASKING_MS <= self.now_ms => {
                self.lost_heads()
            }
            State::AskedAt(_) | State::Live if !is_wanted => {
                self.heads.state = State::Off;
                self.outputs.push_back(Output::Unsubscribe);
            }
            State::Off | State::NotBefore(_) | State::AskedAt(_) | State::Live => {}
        }
    }

    fn subscribe(&mut self) {
        let heads = &mut self.heads;
        heads.state = State::AskedAt(self.now_ms);
        heads.unheard = 0;
        heads.newest = None;
        let socket = heads.next;
        heads.next = (socket + 1) % self.config.sockets;
        self.outputs.push_back(Output::Subscribe(socket));
    }

    pub(super) fn next_heads_ms(&self) -> Option<u64> {
        match self.heads.state {
            State::NotBefore(due_ms) => Some(due_ms).filter(|_| self.is_online && self.tracks()),
            State::AskedAt(since_ms) => Some(since_ms + MAX_ASKING_MS),
            State::Off | State::Live => None,
        }
    }

    pub(super) fn pushed(&mut self, push: Push) {
        match (push, self.heads.state) {
            (Push::Subscribed, State::AskedAt(_)) => {
                self.heads.state = State::Live;
                // What came before the subscription is not pushed.
                self.look_now();
            }
            (Push::Head(block), State::Live) => {
                self.heads.backoff.reset();
                self.heads.unheard = 0;
                self.heads.newest = Some((block, self.now_ms));
                if self.follow.is_canonical(&block) != Some(true) {
                    self.look_now();
                }
            }
            (Push::Ended, State::AskedAt(_) | State::Live) => self.lost_heads(),
            // Late: that subscription was ended here.
            (Push::Subscribed | Push::Head(_) | Push::Ended, _) => {}
        }
    }

    /// A look found a new head: one that nobody pushed makes the subscription doubtful.
    pub(super) fn found_head(&mut self, head: Block) {
        let pushed = self.heads.newest.map(|(block, _)| block.number);
        if self.heads.state != State::Live || pushed >= Some(head.number) {
            return;
        }
        self.heads.unheard = self.heads.unheard.saturating_add(1);
        if self.heads.unheard >= MAX_UNHEARD {
            self.lost_heads();
        }
    }

    fn lost_heads(&mut self) {
        let wait_ms = self.heads.backoff.next_ms(&mut self.rng, None);
        self.heads.state = State::NotBefore(self.now_ms + wait_ms);
        self.outputs.push_back(Output::Unsubscribe);
        self.look_now();
    }

    /// The network is back: nothing waits for a backoff.
    pub(super) fn wake_heads(&mut self) {
        self.heads.backoff.reset();
        if let State::NotBefore(_) = self.heads.state {
            self.heads.state = State::Off;
        }
    }

    /// When to look at the head again, now that it was looked at.
    pub(super) fn next_look_ms(&self) -> u64 {
        let least_ms = self.config.poll_ms.max(self.pool.spacing_ms());
        if let Some(since_ms) = self.unseen_since_ms() {
            // Whoever was asked lags behind what was pushed: asked again soon, and ever less often.
            let gap_ms = ((self.now_ms - since_ms) / 4).clamp(least_ms, MAX_GAP_MS.max(least_ms));
            return self.now_ms + gap_ms;
        }
        if !self.heads.are_heard() {
            return self.pace.next_ms(self.now_ms, least_ms, self.haste());
        }
        let silence_ms = self.pace.interval_ms().unwrap_or(SAFETY_MS) * SILENT_INTERVALS;
        let silence_ms = silence_ms.clamp(MIN_SILENCE_MS, SAFETY_MS);
        self.now_ms + silence_ms.max(least_ms)
    }

    fn haste(&self) -> Haste {
        let is_awaited = |uplink: &Uplink| !uplink.awaited.is_empty() || uplink.spots.is_empty();
        if !self.is_visible {
            Haste::Hidden
        } else if self.uplink.as_ref().is_none_or(is_awaited) {
            Haste::Awaited
        } else {
            Haste::Settling
        }
    }

    /// When the newest head was pushed, while no look has found it.
    fn unseen_since_ms(&self) -> Option<u64> {
        let (block, pushed_ms) = self
            .heads
            .newest
            .filter(|_| self.heads.state == State::Live)?;
        let head = self.follow.head();
        let is_seen = match self.follow.is_canonical(&block) {
            Some(is_canonical) => is_canonical,
            None => head.is_some_and(|head| block.number < head.number),
        };
        (!is_seen).then_some(pushed_ms)
    }
}
