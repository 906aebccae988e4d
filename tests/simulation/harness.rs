//! Runs seeds on two threads, each world on one; a failing seed says how to replay it.

use crate::climate::{self, Kind};
use crate::model::Violation;
use crate::mutants::{self, Mutant};
use crate::world;
use std::collections::BTreeMap;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const THREADS: u64 = 2;

/// What many seeds came to.
#[derive(Default)]
struct Tally {
    seeds: u64,
    steps: u64,
    faults: BTreeMap<&'static str, u64>,
    failed: BTreeMap<u64, Violation>,
}

/// What a world is beside its seed.
#[derive(Clone, Copy, Default)]
pub(crate) struct Variant {
    pub(crate) kind: Option<Kind>,
    pub(crate) mutant: Option<Mutant>,
}

/// One seed: the violation that it found. A panic of the core is one too.
pub(crate) fn check(seed: u64, variant: Variant) -> Option<Violation> {
    outcome(seed, variant, false).violation
}

fn outcome(seed: u64, variant: Variant, trace: bool) -> world::Outcome {
    let Variant { kind, mutant } = variant;
    let live = || world::run(seed, kind, mutant, trace);
    catch_unwind(AssertUnwindSafe(live)).unwrap_or_else(|_| world::Outcome {
        violation: Some(Violation {
            promise: 0,
            what: "a panic".into(),
        }),
        steps: 0,
        faults: BTreeMap::new(),
    })
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn seeds() {
    let mutant = std::env::var("MUTANT").ok();
    let mutant = mutant.map(|name| mutants::named(&name).expect("a mutant of this name"));
    let kind = std::env::var("CLIMATE")
        .ok()
        .filter(|name| !name.is_empty());
    let kind = kind.map(|name| climate::kind(&name).expect("a climate of this name"));
    let variant = Variant { kind, mutant };
    if let Some(seed) = variable("SEED") {
        let found = outcome(seed, variant, true).violation;
        writeln!(
            std::io::stderr(),
            "1 seeds ({} failed), traced",
            found.iter().count()
        )
        .unwrap();
        if let Some(Violation { promise, what }) = found {
            panic!("seed {seed} breaks promise {promise}: {what}");
        }
        return;
    }
    let usual = if cfg!(debug_assertions) { 300 } else { 20_000 };
    let count = variable("SEEDS").unwrap_or(usual);
    let first = variable("FIRST").unwrap_or(0);
    let began = Instant::now();
    let tally = run(first, first + count, variant);
    let seconds = began.elapsed().as_secs_f64();
    // Past the test harness's capture: this is what the run is for.
    let mut out = std::io::stderr();
    writeln!(
        out,
        "{} seeds ({} failed), {} steps in {seconds:.1} s: {:.0} seeds/s",
        tally.seeds,
        tally.failed.len(),
        tally.steps,
        tally.seeds as f64 / seconds
    )
    .unwrap();
    for (kind, count) in &tally.faults {
        writeln!(out, "{count:>10}  {kind}").unwrap();
    }
    for (seed, Violation { promise, what }) in tally.failed.iter().take(50) {
        writeln!(out, "seed {seed} breaks promise {promise}: {what}").unwrap();
    }
    if let Some((seed, _)) = tally.failed.first_key_value() {
        let failed = tally.failed.len();
        panic!("{failed} failed; replay the first: SEED={seed} npm run simulate");
    }
}

fn run(first: u64, end: u64, variant: Variant) -> Tally {
    let next = AtomicU64::new(first);
    let tally = Mutex::new(Tally::default());
    // `ALL=1` goes on behind a failing seed.
    let goes_on = variable("ALL").is_some();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let outcome = outcome(seed, variant, false);
                    let mut tally = tally.lock().unwrap();
                    tally.seeds += 1;
                    tally.steps += outcome.steps;
                    for (kind, count) in outcome.faults {
                        *tally.faults.entry(kind).or_default() += count;
                    }
                    if let Some(violation) = outcome.violation {
                        tally.failed.insert(seed, violation);
                        if !goes_on {
                            next.store(end, Ordering::Relaxed);
                            return;
                        }
                    }
                }
            });
        }
    });
    tally.into_inner().unwrap()
}
