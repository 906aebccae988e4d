//! The core's second driver: native, seeded, in virtual time, and on its worst days.
//!
//! `cargo test --profile simulation --test simulation` runs 20,000 seeds; `SEEDS=n` as many as you like, from `FIRST=n` on;
//! `SEED=n` replays one with a trace; `CLIMATE=name` makes every world one of a kind. What must hold is checked after every step, by the promises' numbers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests stop at what should not be"
)]

mod alone;
mod behind;
mod chain;
mod climate;
mod clocks;
mod cost;
mod dependents;
mod disk;
mod evicting;
mod files;
mod finality;
mod gaps;
mod gateway;
mod glances;
mod growth;
mod harness;
mod lead;
mod line;
mod lists;
mod lost;
mod model;
mod mutants;
mod network;
mod odd_gateways;
mod odd_stores;
mod outage;
mod payload;
mod portable;
mod post;
mod power;

mod readers;
mod regressions;
mod rot;
mod signers;
mod sockets;
mod tabs;
mod telling;
mod updates;
mod users;
mod world;
