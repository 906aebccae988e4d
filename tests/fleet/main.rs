//! A fleet: many clients of one gateway, an outage of ten minutes, and what comes after. The core's own code and
//! defaults, in virtual time, seeded.
//!
//! `cargo test --profile simulation --test fleet` has 2,000 clients; `CLIENTS=n` as many as you like; `OUT=folder` keeps what was
//! measured, for `npm run simulate:fleet`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "tests stop at what should not be"
)]

#[allow(dead_code, reason = "the simulator uses the rest")]
#[path = "../simulation/disk.rs"]
mod disk;
#[allow(dead_code, reason = "the simulator uses the rest")]
#[path = "../simulation/payload.rs"]
mod payload;
#[allow(dead_code, reason = "the simulator uses the rest")]
#[path = "../simulation/post.rs"]
mod post;
mod report;
mod server;
mod world;

use report::Row;
use server::Refuses;
use std::path::Path;
use world::{Plan, Seeds};

#[test]
fn connections_are_refused() {
    check("refused", Refuses::Connection, Refuses::Limited);
}

#[test]
fn requests_hang() {
    check("silent", Refuses::Silently, Refuses::Silently);
}

#[test]
fn it_is_unavailable() {
    check("unavailable", Refuses::Unavailable, Refuses::Unavailable);
}

#[test]
fn it_says_when_to_come_back() {
    check("retry-after", Refuses::RetryAfter, Refuses::RetryAfter);
}

/// The bounds can fail: where all draw the same jitter, those who were told the same moment come back in the same one.
#[test]
fn without_jitter_there_is_a_herd() {
    let plan = Plan {
        clients: 2_000,
        seeds: Seeds::Same,
        outage: Refuses::RetryAfter,
        overload: Refuses::RetryAfter,
    };
    let breaches = Row::new(plan, &world::live(plan)).breaches();
    let is_herd = |breach: &String| breach.contains("in a second after it");
    assert!(breaches.iter().any(is_herd), "only {breaches:?}");
}

/// Lives through an outage in which the gateway turns everybody away so, and afterwards those so whom it has no room for.
fn check(name: &str, outage: Refuses, overload: Refuses) {
    let asked = std::env::var("CLIENTS").ok();
    let plan = Plan {
        clients: asked.map_or(2_000, |asked| asked.parse().expect("CLIENTS is a number")),
        seeds: Seeds::Own,
        outage,
        overload,
    };
    let outcome = world::live(plan);
    let row = Row::new(plan, &outcome);
    if let Ok(folder) = std::env::var("OUT") {
        let file = Path::new(&folder).join(format!("{name}.json"));
        std::fs::write(file, row.json(plan, &outcome)).expect("OUT is a folder");
    }
    let breaches = row.breaches();
    assert!(breaches.is_empty(), "{name}: {}", breaches.join("; "));
}
