//! What a run came to, set against what would be ideal, and the bounds that it must keep.

use crate::server::{BLOCK_MS, FINAL_DEPTH};
use crate::world::{BACK_MS, CALM_MS, Outcome, Plan, Second, WRITES_EVERY_MS};
use std::fmt::Write;

/// What a task costs at the least: which chain it is, whether it is syncing, the send, the look that shows its block,
/// its receipt, the final block, and the head above it.
const IDEAL_REQUESTS: f64 = 7.0;
/// What comes in while clients open is not looked at, in seconds.
const WARM_S: usize = 60;

/// A line of the table. Loads are parts of the capacity.
pub(crate) struct Row {
    capacity: u64,
    before: f64,
    before_peak: f64,
    /// Requests for each task that settled.
    before_requests: f64,
    /// In the outage's second half, when all have met it.
    outage: f64,
    outage_peak: f64,
    peak_1_s: f64,
    peak_10_s: f64,
    waiting: u64,
    /// From the gateway's return until all that waited has settled.
    settled_s: Option<f64>,
    ideal_s: f64,
    /// In that time, for each task that settled in it: what arrived, and what of it was served.
    offered: f64,
    served: f64,
}

impl Row {
    pub(crate) fn new(plan: Plan, outcome: &Outcome) -> Row {
        let capacity = plan.capacity() as f64;
        let (calm, back) = (second(CALM_MS), second(BACK_MS));
        let before = &outcome.seconds[WARM_S..calm];
        let outage = &outcome.seconds[calm.midpoint(back)..back];
        let after = &outcome.seconds[back..];
        let drain_s = outcome.settled_ms.map_or(after.len(), second);
        let drain = &after[..after.len().min(drain_s + 1)];
        let offered = |seconds: &[Second]| sum(seconds, |each| each.offered);
        let load = |seconds: &[Second]| offered(seconds) / seconds.len() as f64 / capacity;
        let peak = |seconds: &[Second], wide: usize| {
            let loads = seconds.windows(wide).map(load);
            loads.fold(0.0, f64::max)
        };
        let settled = |seconds: &[Second]| sum(seconds, |each| each.settled);
        // What users write meanwhile takes its part of the capacity; then a block, and those that make it final.
        let writes = plan.clients as f64 * 1_000.0 / WRITES_EVERY_MS as f64;
        let free = capacity - writes * IDEAL_REQUESTS;
        let blocks_s = ((1 + FINAL_DEPTH) * BLOCK_MS) as f64 / 1_000.0;
        Row {
            capacity: plan.capacity(),
            before: load(before),
            before_peak: peak(before, 1),
            before_requests: offered(before) / settled(before),
            outage: load(outage),
            outage_peak: peak(outage, 1),
            peak_1_s: peak(after, 1),
            peak_10_s: peak(after, 10),
            waiting: outcome.waiting,
            settled_s: outcome.settled_ms.map(|ms| ms as f64 / 1_000.0),
            ideal_s: outcome.waiting as f64 * IDEAL_REQUESTS / free + blocks_s,
            offered: offered(drain) / settled(drain),
            served: sum(drain, |each| each.served) / settled(drain),
        }
    }

    /// The bounds that it does not keep.
    pub(crate) fn breaches(&self) -> Vec<String> {
        let settled = self.settled_s.unwrap_or(f64::INFINITY);
        let bounds = [
            (
                "the load in a second before the outage",
                self.before_peak,
                0.4,
            ),
            (
                "requests for a task before the outage",
                self.before_requests,
                60.0,
            ),
            ("the load in a second of the outage", self.outage_peak, 1.0),
            ("the load in a second after it", self.peak_1_s, 2.5),
            ("the load in ten seconds after it", self.peak_10_s, 2.2),
            (
                "the time until all have settled, against the ideal",
                settled / self.ideal_s,
                4.0,
            ),
            (
                "requests for a task after it",
                self.offered,
                6.0 * IDEAL_REQUESTS,
            ),
        ];
        let broken = bounds.iter().filter(|(_, value, most)| value > most);
        let text =
            |(what, value, most): &(&str, f64, f64)| format!("{what}: {value:.2}, not {most}");
        broken.map(text).collect()
    }

    /// As JSON, with the course of things.
    pub(crate) fn json(&self, plan: Plan, outcome: &Outcome) -> String {
        let mut text = format!(
            r#"{{"clients":{},"capacity":{},"calmSeconds":{},"backSeconds":{}"#,
            plan.clients,
            self.capacity,
            second(CALM_MS),
            second(BACK_MS)
        );
        let numbers = [
            ("before", self.before),
            ("beforePeak", self.before_peak),
            ("beforeRequests", self.before_requests),
            ("outage", self.outage),
            ("outagePeak", self.outage_peak),
            ("peak1", self.peak_1_s),
            ("peak10", self.peak_10_s),
            ("waiting", self.waiting as f64),
            ("settledSeconds", self.settled_s.unwrap_or(f64::NAN)),
            ("idealSeconds", self.ideal_s),
            ("idealRequests", IDEAL_REQUESTS),
            ("offered", self.offered),
            ("served", self.served),
            ("blockSeconds", BLOCK_MS as f64 / 1_000.0),
            ("finalDepth", FINAL_DEPTH as f64),
            ("writesEverySeconds", WRITES_EVERY_MS as f64 / 1_000.0),
        ];
        for (name, number) in numbers.iter().filter(|(_, number)| number.is_finite()) {
            let _ = write!(text, r#","{name}":{number:.3}"#);
        }
        column(&mut text, outcome, "offeredBySecond", |each| each.offered);
        column(&mut text, outcome, "servedBySecond", |each| each.served);
        column(&mut text, outcome, "waitedBySecond", |each| each.waited);
        text.push('}');
        text
    }
}

fn column(text: &mut String, outcome: &Outcome, name: &str, of: fn(&Second) -> u64) {
    let numbers: Vec<String> = outcome
        .seconds
        .iter()
        .map(|each| of(each).to_string())
        .collect();
    let _ = write!(text, r#","{name}":[{}]"#, numbers.join(","));
}

fn second(ms: u64) -> usize {
    (ms / 1_000) as usize
}

fn sum(seconds: &[Second], column: fn(&Second) -> u64) -> f64 {
    seconds.iter().map(column).sum::<u64>() as f64
}
