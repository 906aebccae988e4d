//! New heads that are pushed to a tab, and what becomes of them: lost, late, twice; and sockets that close, or go deaf.

use crate::disk::TabRef;
use crate::model::Held;
use crate::mutants::Mutant;
use crate::world::{Event, World};
use uplink_cache::cache::{Input, Push};

/// A socket that a tab has subscribed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Socket {
    /// Which of all that were ever asked for: what an earlier one says is not heard.
    number: u64,
    is_open: bool,
    /// It closed without a word: nothing comes any more.
    is_deaf: bool,
}

impl World {
    pub(crate) fn subscribe(&mut self, at: TabRef) {
        self.subscriptions += 1;
        let number = self.subscriptions;
        let is_down = !self.tabs[at.tab].is_online || self.now_ms < self.down_until_ms;
        let opens =
            !is_down && !self.strikes("a socket does not open", self.climate.socket_refused);
        self.tabs[at.tab].socket = Some(Socket {
            number,
            is_open: false,
            is_deaf: false,
        });
        let delay_ms = self.rng.u64(1..=self.climate.net_ms);
        let push = if opens { Push::Subscribed } else { Push::Ended };
        self.after(delay_ms, Event::Push(at, number, push));
    }

    /// Something comes out of a socket.
    pub(crate) fn push(&mut self, at: TabRef, number: u64, push: Push) -> Held {
        let socket = &mut self.tabs[at.tab].socket;
        let Some(socket) = socket.as_mut().filter(|socket| socket.number == number) else {
            return Ok(());
        };
        match push {
            Push::Subscribed => socket.is_open = true,
            Push::Head(_) if socket.is_deaf => return Ok(()),
            Push::Head(_) | Push::Ended => {}
        }
        self.input(at, Input::Pushed(push))
    }

    /// The chain has a new head.
    pub(crate) fn push_head(&mut self) {
        let head = Push::Head(self.chain.head());
        for tab in 0..self.tabs.len() {
            let is_online = self.tabs[tab].is_online && self.now_ms >= self.down_until_ms;
            let Some(socket) = self.tabs[tab].socket.filter(|socket| socket.is_open) else {
                continue;
            };
            if !is_online || self.strikes("a pushed head is lost", self.climate.push_lost) {
                continue;
            }
            let at = self.at_tab(tab);
            let mut delay_ms = self.rng.u64(1..=self.climate.net_ms);
            if self.strikes("a pushed head is late", self.climate.push_late) {
                delay_ms = self.rng.u64(1..=30_000);
            }
            self.after(delay_ms, Event::Push(at, socket.number, head));
            if self.strikes("a pushed head comes twice", self.climate.push_doubled) {
                self.after(delay_ms * 2, Event::Push(at, socket.number, head));
            }
        }
    }

    pub(crate) fn trouble_socket(&mut self, tab: usize) {
        let at = self.at_tab(tab);
        let Some(socket) = self.tabs[tab].socket.filter(|socket| socket.is_open) else {
            return;
        };
        if self.strikes("a socket closes", self.climate.socket_closes) {
            self.after(0, Event::Push(at, socket.number, Push::Ended));
        }
        let goes_deaf = self.strikes("a socket goes deaf", self.climate.socket_deaf);
        let socket = self.tabs[tab].socket.as_mut().filter(|_| goes_deaf);
        if let Some(socket) = socket {
            socket.is_deaf = true;
        }
    }

    /// A bug that relies on sockets shows where they say nothing.
    pub(crate) fn silence_sockets(&mut self) {
        if self.mutant == Some(Mutant::PushesReplaceWakes) {
            for socket in self.tabs.iter_mut().filter_map(|tab| tab.socket.as_mut()) {
                socket.is_deaf = true;
            }
        }
    }
}
