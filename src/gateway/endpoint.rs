//! One gateway url: how it fares, and whether it may be asked now.
//!
//! It is asked which chain it is on and whether it is syncing before anything else, and again after an answer was lost:
//! what answers next may be another machine. The same two questions are the probe of a circuit that was open, so that no
//! transaction ever is.

use crate::names::named;
use crate::outbox::Backoff;

/// So many faults in a row, and the url rests.
pub const FAULTS_TO_OPEN: u32 = 4;
/// When a url on another chain, or one that is syncing, is asked again, in milliseconds.
pub const RECHECK_MS: u64 = 30_000;
/// How long others are asked when a url's head stands still, in milliseconds.
const STILL_MS: u64 = 30_000;
/// How long a url that showed an old head is asked last, in milliseconds: then it may have caught up.
const BEHIND_MS: u64 = 5_000;
/// The longest rest that a gateway's hint is followed for, in milliseconds.
pub const MAX_PAUSE_MS: u64 = 10 * 60_000;
/// What is waited on top of a gateway's hint is up to this part of it.
const SPREAD_PART: u64 = 4;
/// How far apart looks at the head are at least after a sign that it is short of room, and at the most, in milliseconds.
const MIN_SPACING_MS: u64 = 1_000;
const MAX_SPACING_MS: u64 = 15_000;
/// An answer makes that less by this part.
const EASES_BY: u64 = 8;
/// The latency that a url is taken to have before it is known, in milliseconds.
const ASSUMED_LATENCY_MS: u64 = 250;
/// After so long a bad latency is not held against it any more, in milliseconds.
const STALE_MS: u64 = 60_000;
/// In so long the share of errors is halved, in milliseconds.
const HALF_LIFE_MS: u64 = 10_000;

/// What one url is asked at the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests under way at a time.
    pub max_in_flight: usize,
    /// Requests a second, in the long run.
    pub per_second: u32,
    /// Requests at once, after a pause.
    pub burst: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_in_flight: 16,
            per_second: 200,
            burst: 400,
        }
    }
}

named! {
    /// What a url is good for at the moment.
    pub enum GatewayState {
        /// Not asked yet, or not since an answer was lost.
        Unchecked = "unchecked",
        /// It is being asked which chain it is on, and whether it is syncing.
        Checking = "checking",
        /// It is used.
        Up = "up",
        /// It asked for patience.
        Limited = "limited",
        /// It rests after faults.
        Open = "open",
        /// It is on another chain.
        WrongChain = "wrong_chain",
        /// It does not have the whole chain yet.
        Syncing = "syncing",
    }
}

/// What is asked of a url before it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Which chain it is on.
    Chain,
    /// Whether it is syncing.
    Syncing,
}

/// Why a url is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Faults in a row.
    Faults,
    /// It is on this other chain.
    WrongChain(u64),
    /// It is syncing.
    Syncing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Unchecked(Check),
    Checking(Check),
    Good,
    Out { until_ms: u64, why: Why },
}

/// Whether a url can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Now.
    Ready,
    /// Once this was asked of it.
    Unchecked(Check),
    /// Once its check is answered, or one of the requests under way.
    Soon,
    /// At this time, by its rate limit.
    At(u64),
    /// Not before this time.
    Out(u64),
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Endpoint {
    limits: Limits,
    standing: Standing,
    paused_until_ms: u64,
    rest: Backoff,
    faults: u32,
    failures: u64,
    in_flight: usize,
    /// In thousandths.
    tokens: u64,
    filled_ms: u64,
    /// Looks at the head are at least so far apart, in milliseconds: more after each sign that it is short of room, less
    /// after each answer.
    spacing_ms: u64,
    /// Moving average, and when it was last fed.
    latency: Option<(u64, u64)>,
    /// Moving share of faults in thousandths, and when it was last fed.
    errors: (u64, u64),
    head: Option<u64>,
    behind_until_ms: u64,
    /// What was last wrong with it.
    cause: String,
}

impl Endpoint {
    /// A url of which nothing is known.
    pub fn new(limits: Limits) -> Self {
        Endpoint {
            limits,
            standing: Standing::Unchecked(Check::Chain),
            paused_until_ms: 0,
            rest: Backoff::default(),
            faults: 0,
            failures: 0,
            in_flight: 0,
            tokens: u64::from(limits.burst) * 1_000,
            filled_ms: 0,
            spacing_ms: 0,
            latency: None,
            errors: (0, 0),
            head: None,
            behind_until_ms: 0,
            cause: String::new(),
        }
    }

    /// Whether it can be asked at this time.
    pub fn access(&self, now_ms: u64) -> Access {
        if self.paused_until_ms > now_ms {
            return Access::Out(self.paused_until_ms);
        }
        let check = match self.standing {
            Standing::Out { until_ms, .. } if until_ms > now_ms => return Access::Out(until_ms),
            Standing::Checking(_) => return Access::Soon,
            Standing::Out { .. } => Some(Check::Chain),
            Standing::Unchecked(check) => Some(check),
            Standing::Good => None,
        };
        if self.in_flight >= self.limits.max_in_flight {
            return Access::Soon;
        }
        let missing = 1_000_u64.saturating_sub(self.tokens_at(now_ms));
        if missing > 0 {
            return Access::At(now_ms + missing.div_ceil(u64::from(self.limits.per_second)));
        }
        check.map_or(Access::Ready, Access::Unchecked)
    }

    fn tokens_at(&self, now_ms: u64) -> u64 {
        let elapsed_ms = now_ms.saturating_sub(self.filled_ms);
        let filled = elapsed_ms.saturating_mul(u64::from(self.limits.per_second));
        let most = u64::from(self.limits.burst) * 1_000;
        self.tokens.saturating_add(filled).min(most)
    }

    /// A request goes there.
    pub fn ask(&mut self, now_ms: u64, check: Option<Check>) {
        self.tokens = self.tokens_at(now_ms).saturating_sub(1_000);
        self.filled_ms = now_ms;
        self.in_flight += 1;
        if let Some(check) = check {
            self.standing = Standing::Checking(check);
        }
    }

    /// A request there is not under way any more.
    pub fn ended(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// It did its part, after so long.
    pub fn answered(&mut self, now_ms: u64, took_ms: u64) {
        self.measure(now_ms, took_ms, 0);
        self.faults = 0;
        self.spacing_ms -= self.spacing_ms.div_ceil(EASES_BY);
        if self.standing == Standing::Good {
            self.rest.ease();
        }
    }

    fn measure(&mut self, now_ms: u64, took_ms: u64, errors: u64) {
        let before = self.latency.map_or(took_ms, |(latency, _)| latency);
        self.latency = Some(((before * 3 + took_ms) / 4, now_ms));
        self.errors = ((self.errors_at(now_ms) * 3 + errors) / 4, now_ms);
    }

    fn errors_at(&self, now_ms: u64) -> u64 {
        let (errors, at_ms) = self.errors;
        let halvings = now_ms.saturating_sub(at_ms) / HALF_LIFE_MS;
        errors.checked_shr(halvings.min(63) as u32).unwrap_or(0)
    }

    /// It did not do its part. `lost`: what answers next may be another machine.
    pub fn faulted(&mut self, at: Moment<'_>, took_ms: u64, lost: bool, cause: &str) {
        self.measure(at.now_ms, took_ms, 1_000);
        self.failures += 1;
        self.faults += 1;
        cause.clone_into(&mut self.cause);
        match self.standing {
            Standing::Good | Standing::Unchecked(_) if self.faults >= FAULTS_TO_OPEN => {
                self.open(at);
            }
            Standing::Good | Standing::Unchecked(_) if lost => self.doubt(),
            // The check tells.
            Standing::Checking(_) => {}
            Standing::Good | Standing::Unchecked(_) | Standing::Out { .. } => {}
        }
    }

    fn open(&mut self, at: Moment<'_>) {
        self.faults = 0;
        self.strain();
        self.standing = Standing::Out {
            until_ms: at.now_ms + self.rest.next_ms(at.rng, None),
            why: Why::Faults,
        };
    }

    /// Its check came to nothing: unless it asks for patience it rests, for what cannot even be checked is not asked
    /// for anything, so that more faults cannot come.
    pub fn check_failed(&mut self, at: Moment<'_>) {
        if let Standing::Checking(check) = self.standing {
            if self.paused_until_ms > at.now_ms {
                self.standing = Standing::Unchecked(check);
            } else {
                self.open(at);
            }
        }
    }

    /// It asks for patience.
    pub fn limited(&mut self, at: Moment<'_>, hint_ms: Option<u64>, cause: &str) {
        self.failures += 1;
        cause.clone_into(&mut self.cause);
        if self.paused_until_ms <= at.now_ms {
            self.strain();
        }
        let wait_ms = match hint_ms {
            // Whoever was told the same moment would else come back in it.
            Some(hint_ms) => {
                let hint_ms = hint_ms.min(MAX_PAUSE_MS);
                hint_ms + at.rng.u64(0..=hint_ms / SPREAD_PART)
            }
            None => self.rest.next_ms(at.rng, None),
        };
        self.paused_until_ms = self.paused_until_ms.max(at.now_ms + wait_ms);
    }

    /// It may be short of room, so that everybody who follows the chain should look less often.
    fn strain(&mut self) {
        self.spacing_ms = (2 * self.spacing_ms).clamp(MIN_SPACING_MS, MAX_SPACING_MS);
    }

    /// How far apart looks at the head are to be, in milliseconds.
    pub fn spacing_ms(&self) -> u64 {
        self.spacing_ms
    }

    /// It is to be checked before it is asked again.
    pub fn doubt(&mut self) {
        match self.standing {
            Standing::Good | Standing::Unchecked(_) => {
                self.standing = Standing::Unchecked(Check::Chain);
            }
            Standing::Checking(_) | Standing::Out { .. } => {}
        }
    }

    /// It said which chain it is on.
    pub fn is_on_chain(&mut self, now_ms: u64, chain_id: u64, ours: u64) {
        self.standing = if chain_id == ours {
            Standing::Unchecked(Check::Syncing)
        } else {
            self.cause = format!("the gateway is on chain {chain_id}, not {ours}");
            Standing::Out {
                until_ms: now_ms + RECHECK_MS,
                why: Why::WrongChain(chain_id),
            }
        };
    }

    /// It said whether it is syncing.
    pub fn is_syncing(&mut self, now_ms: u64, is_syncing: bool) {
        self.standing = if is_syncing {
            self.cause = "the gateway is syncing".into();
            Standing::Out {
                until_ms: now_ms + RECHECK_MS,
                why: Why::Syncing,
            }
        } else {
            Standing::Good
        };
    }

    /// It showed this head, when the newest that is followed was `followed`.
    pub fn showed_head(&mut self, now_ms: u64, number: u64, followed: u64) {
        self.head = Some(number);
        self.behind_until_ms = if number < followed {
            now_ms + BEHIND_MS
        } else {
            0
        };
    }

    /// It shows the same head for too long.
    pub fn stands_still(&mut self, now_ms: u64) {
        self.behind_until_ms = now_ms + STILL_MS;
    }

    /// How far it is to be trusted with questions about the chain's end, the lowest first. `tracks`: who never showed a
    /// head as new as the one that is followed comes after those who did.
    pub fn lag(&self, now_ms: u64, followed: u64, tracks: bool) -> u8 {
        let is_unknown = self.head.is_none_or(|head| head < followed);
        match self.behind_until_ms > now_ms {
            true => 2,
            false => u8::from(tracks && is_unknown),
        }
    }

    /// How well it fares: expected milliseconds, errors counted manifold. The lowest is the healthiest.
    pub fn score(&self, now_ms: u64) -> u64 {
        let latency = match self.latency {
            None => ASSUMED_LATENCY_MS,
            Some((latency, at_ms)) if now_ms.saturating_sub(at_ms) > STALE_MS => {
                latency.min(ASSUMED_LATENCY_MS)
            }
            Some((latency, _)) => latency,
        };
        (latency + 10).saturating_mul(1_000 + 9 * self.errors_at(now_ms))
    }

    /// Whether it was checked and is not out, nor wants to be left alone.
    pub fn is_good(&self, now_ms: u64) -> bool {
        self.standing == Standing::Good && self.paused_until_ms <= now_ms
    }

    /// Why it is not asked at this time, apart from its wish for patience.
    pub fn why_out(&self, now_ms: u64) -> Option<Why> {
        match self.standing {
            Standing::Out { until_ms, why } if until_ms > now_ms => Some(why),
            Standing::Out { .. }
            | Standing::Unchecked(_)
            | Standing::Checking(_)
            | Standing::Good => None,
        }
    }

    /// What was last wrong with it.
    pub fn cause(&self) -> &str {
        &self.cause
    }

    /// Somebody acts, or the network is back: no rest after faults or a bad check is waited for. A gateway's own wish
    /// for patience is.
    pub fn wake(&mut self) {
        self.rest.reset();
        self.spacing_ms = 0;
        if let Standing::Out { until_ms, .. } = &mut self.standing {
            *until_ms = 0;
        }
    }

    /// What a caller may want to know, its url apart.
    pub fn view(&self, now_ms: u64) -> View {
        let state = match self.standing {
            Standing::Out { why, .. } => match why {
                Why::Faults => GatewayState::Open,
                Why::WrongChain(_) => GatewayState::WrongChain,
                Why::Syncing => GatewayState::Syncing,
            },
            Standing::Good | Standing::Unchecked(_) | Standing::Checking(_)
                if self.paused_until_ms > now_ms =>
            {
                GatewayState::Limited
            }
            Standing::Good => GatewayState::Up,
            Standing::Unchecked(_) => GatewayState::Unchecked,
            Standing::Checking(_) => GatewayState::Checking,
        };
        View {
            state,
            latency_ms: self.latency.map(|(latency, _)| latency),
            failures: self.failures,
            head: self.head,
        }
    }
}

/// The time, and what draws the jitter.
pub struct Moment<'a> {
    /// In milliseconds.
    pub now_ms: u64,
    /// Draws the jitter.
    pub rng: &'a mut fastrand::Rng,
}

impl Moment<'_> {
    /// The same once more.
    pub fn again(&mut self) -> Moment<'_> {
        Moment {
            now_ms: self.now_ms,
            rng: self.rng,
        }
    }
}

/// How a url fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// What it is good for at the moment.
    pub state: GatewayState,
    /// Moving average of how long it takes to answer, in milliseconds.
    pub latency_ms: Option<u64>,
    /// Requests that it did not answer as it should.
    pub failures: u64,
    /// The newest block that it last showed.
    pub head: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(limits: Limits) -> Endpoint {
        let mut endpoint = Endpoint::new(limits);
        endpoint.is_on_chain(0, 1, 1);
        endpoint.is_syncing(0, false);
        endpoint
    }

    fn fault(endpoint: &mut Endpoint, now_ms: u64, lost: bool) {
        let rng = &mut fastrand::Rng::with_seed(now_ms);
        endpoint.faulted(Moment { now_ms, rng }, 10, lost, "broken");
    }

    #[test]
    fn it_is_checked_before_it_is_used_and_after_it_was_lost() {
        let mut endpoint = Endpoint::new(Limits::default());
        assert_eq!(endpoint.access(0), Access::Unchecked(Check::Chain));
        endpoint.ask(0, Some(Check::Chain));
        assert_eq!(endpoint.access(0), Access::Soon);
        endpoint.is_on_chain(0, 1, 1);
        assert_eq!(endpoint.access(0), Access::Unchecked(Check::Syncing));
        endpoint.is_syncing(0, false);
        assert_eq!(endpoint.access(0), Access::Ready);
        fault(&mut endpoint, 0, false);
        assert_eq!(endpoint.access(0), Access::Ready, "it answered, badly");
        fault(&mut endpoint, 0, true);
        assert_eq!(endpoint.access(0), Access::Unchecked(Check::Chain));
    }

    #[test]
    fn another_chain_or_syncing_is_out_and_checked_again_later() {
        let mut endpoint = good(Limits::default());
        endpoint.is_on_chain(0, 5, 1);
        assert_eq!(endpoint.why_out(0), Some(Why::WrongChain(5)));
        assert_eq!(endpoint.access(0), Access::Out(RECHECK_MS));
        assert_eq!(endpoint.access(RECHECK_MS), Access::Unchecked(Check::Chain));
        endpoint.is_syncing(0, true);
        assert_eq!(endpoint.view(0).state, GatewayState::Syncing);
        endpoint.wake();
        assert_eq!(endpoint.access(0), Access::Unchecked(Check::Chain));
    }

    #[test]
    fn faults_in_a_row_open_the_circuit_and_the_probe_is_a_check() {
        let mut endpoint = good(Limits::default());
        for _ in 1..FAULTS_TO_OPEN {
            fault(&mut endpoint, 0, false);
            assert_eq!(endpoint.access(0), Access::Ready);
        }
        endpoint.answered(0, 10);
        for _ in 1..FAULTS_TO_OPEN {
            fault(&mut endpoint, 0, false);
        }
        assert_eq!(endpoint.access(0), Access::Ready, "an answer begins anew");
        fault(&mut endpoint, 0, false);
        let Access::Out(first_ms) = endpoint.access(0) else {
            panic!("it is not out");
        };
        assert!(first_ms > 0);
        assert_eq!(endpoint.access(first_ms), Access::Unchecked(Check::Chain));
        endpoint.ask(first_ms, Some(Check::Chain));
        assert_eq!(endpoint.access(first_ms), Access::Soon, "one probe");
        fault(&mut endpoint, first_ms, true);
        assert_eq!(endpoint.access(first_ms), Access::Soon, "the check tells");
        let rng = &mut fastrand::Rng::with_seed(1);
        let now_ms = first_ms;
        endpoint.check_failed(Moment { now_ms, rng });
        let Access::Out(second_ms) = endpoint.access(first_ms) else {
            panic!("it is not out");
        };
        assert!(second_ms > first_ms, "a failed probe opens it at once");
    }

    #[test]
    fn a_wish_for_patience_is_kept_to_its_end_whatever_else_happens() {
        let mut endpoint = good(Limits::default());
        let rng = &mut fastrand::Rng::with_seed(1);
        endpoint.limited(Moment { now_ms: 0, rng }, Some(5_000), "slow down");
        let rng = &mut fastrand::Rng::with_seed(1);
        endpoint.limited(Moment { now_ms: 10, rng }, Some(100), "slow down");
        endpoint.wake();
        endpoint.answered(20, 10);
        let Access::Out(until_ms) = endpoint.access(4_999) else {
            panic!("it was asked for patience");
        };
        assert!((5_000..=6_250).contains(&until_ms), "{until_ms}");
        assert_eq!(endpoint.view(until_ms - 1).state, GatewayState::Limited);
        assert_eq!(endpoint.access(until_ms), Access::Ready);
    }

    #[test]
    fn those_who_were_told_the_same_moment_do_not_all_come_back_in_it() {
        let mut comes: Vec<u64> = Vec::new();
        for seed in 0..1_000 {
            let mut endpoint = good(Limits::default());
            let rng = &mut fastrand::Rng::with_seed(seed);
            endpoint.limited(Moment { now_ms: 0, rng }, Some(120_000), "slow down");
            let Access::Out(until_ms) = endpoint.access(0) else {
                panic!("it was asked for patience");
            };
            comes.push(until_ms);
        }
        comes.sort_unstable();
        assert!((120_000..=150_000).contains(&comes[0]));
        assert!((120_000..=150_000).contains(&comes[999]));
        let most = comes.windows(70).map(|some| some[69] - some[0]).min();
        assert!(most > Some(1_000), "70 of 1,000 come within a second");
    }

    #[test]
    fn looks_are_further_apart_while_it_is_short_of_room_and_closer_with_every_answer() {
        let mut endpoint = good(Limits::default());
        assert_eq!(endpoint.spacing_ms(), 0);
        let mut now_ms = 0;
        for least_ms in [1_000, 2_000, 4_000, 8_000, 15_000, 15_000] {
            let rng = &mut fastrand::Rng::with_seed(now_ms);
            endpoint.limited(Moment { now_ms, rng }, None, "slow down");
            let rng = &mut fastrand::Rng::with_seed(now_ms);
            endpoint.limited(Moment { now_ms, rng }, None, "slow down");
            assert_eq!(endpoint.spacing_ms(), least_ms, "two at once count as one");
            now_ms += 100_000;
        }
        endpoint.answered(now_ms, 10);
        assert_eq!(endpoint.spacing_ms(), 13_125);
        (0..40).for_each(|_| endpoint.answered(now_ms, 10));
        assert!(endpoint.spacing_ms() < 250, "{}", endpoint.spacing_ms());
        (0..FAULTS_TO_OPEN).for_each(|_| fault(&mut endpoint, now_ms, false));
        assert!(endpoint.spacing_ms() >= 1_000, "it rests");
        endpoint.wake();
        assert_eq!(endpoint.spacing_ms(), 0, "somebody acts");
    }

    #[test]
    fn the_bucket_and_the_requests_under_way_are_bounded() {
        let mut endpoint = good(Limits {
            max_in_flight: 3,
            per_second: 4,
            burst: 2,
        });
        endpoint.ask(0, None);
        endpoint.ask(0, None);
        assert_eq!(endpoint.access(0), Access::At(250));
        assert_eq!(endpoint.access(100), Access::At(250));
        assert_eq!(endpoint.access(250), Access::Ready);
        endpoint.ask(250, None);
        assert_eq!(endpoint.access(9_000), Access::Soon);
        endpoint.ended();
        assert_eq!(endpoint.access(9_000), Access::Ready);
        assert_eq!(endpoint.tokens_at(9_000), 2_000, "no more than the burst");
    }

    #[test]
    fn errors_and_latency_make_the_score_and_are_forgotten_in_time() {
        let (mut fast, mut slow) = (good(Limits::default()), good(Limits::default()));
        fast.answered(0, 20);
        slow.answered(0, 900);
        assert!(fast.score(0) < slow.score(0));
        fault(&mut fast, 1, false);
        fault(&mut fast, 1, false);
        let at_once = fast.score(1);
        assert!(at_once > fast.score(HALF_LIFE_MS * 12), "errors fade");
        assert!(slow.score(0) > slow.score(STALE_MS + 1), "so does slowness");
    }

    #[test]
    fn who_is_behind_comes_last_until_it_may_have_caught_up() {
        let mut endpoint = good(Limits::default());
        assert_eq!(endpoint.lag(0, 10, true), 1, "never seen");
        assert_eq!(endpoint.lag(0, 10, false), 0);
        endpoint.showed_head(0, 10, 10);
        assert_eq!(endpoint.lag(0, 10, true), 0);
        endpoint.stands_still(0);
        assert_eq!(endpoint.lag(STILL_MS - 1, 10, true), 2, "it stands still");
        assert_eq!(endpoint.lag(STILL_MS, 10, true), 0);
        endpoint.showed_head(0, 8, 10);
        assert_eq!(endpoint.lag(0, 10, false), 2);
        assert_eq!(endpoint.lag(BEHIND_MS, 10, false), 0);
        endpoint.showed_head(BEHIND_MS, 11, 10);
        assert_eq!(endpoint.lag(BEHIND_MS, 11, true), 0);
    }
}
