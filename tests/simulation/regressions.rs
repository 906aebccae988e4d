//! Seeds that once failed, by what they found.

use crate::harness;

#[track_caller]
fn check(seed: u64) {
    if let Some(violation) = harness::check(seed, None) {
        panic!(
            "seed {seed} breaks promise {}: {}",
            violation.promise, violation.what
        );
    }
}

#[test]
fn the_first_seed() {
    check(0);
}
