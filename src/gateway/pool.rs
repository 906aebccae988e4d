//! Several gateways as one: which url a request goes to, when, and to which next when that one fails.
//!
//! A request is a job with a number of its own. Every time it goes out it has another number on the wire, so that a late
//! reply of the first url can never be taken for the reply of the second. Within one attempt each url is asked at most
//! once; whoever waits for the job hears of it when one has answered, or none is left.

use super::endpoint::{Access, Check, Endpoint, Limits, Moment, View, Why};
use super::{Blame, Refusal, Reply, Request, Verdict};
use crate::ordered::{OrderedMap, OrderedSet};
use crate::task::Reason;

/// How many urls there may be.
pub const MAX_URLS: usize = 16;
/// How many of the dapp's own requests may wait. The cache's are bounded by who makes them.
pub const MAX_WAITING_CALLS: usize = 256;

/// Who goes first when not all can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// The chain's end, and sends.
    First,
    /// Receipts.
    Second,
    /// What the dapp asks for.
    Last,
}

/// What a job needs of the url that it goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Its place among those that wait.
    pub rank: Rank,
    /// The answer depends on the newest blocks: better a url that is known to have them.
    pub tracks: bool,
    /// Only this url's own word counts.
    pub only: Option<usize>,
    /// How many numbers it takes on the wire: one for each element of a batch.
    pub ids: u64,
}

#[derive(Debug)]
struct Job {
    need: Need,
    /// A bit for each url that was asked in this attempt.
    tried: u32,
    /// A url before the last may have done what was asked.
    in_doubt: bool,
    refusal: Option<Refusal>,
}

/// What a number on the wire stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A url is checked.
    Check(Check),
    /// This job.
    Job(u64),
}

#[derive(Debug)]
struct Flight {
    url: usize,
    began_ms: u64,
    what: What,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask this url, under this number.
    Ask(u64, usize, What),
    /// Nobody can be asked: the job is over.
    Refuse(u64, Heard),
}

/// What came of a job.
#[derive(Debug, PartialEq, Eq)]
pub struct Heard {
    /// The url that answered last, if one was asked.
    pub url: Option<usize>,
    /// What it answered.
    pub reply: Result<Reply, Refusal>,
    /// Whether a url before that may have done what was asked.
    pub in_doubt: bool,
}

/// Whether tasks can be sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Gate {
    /// Yes.
    Open,
    /// Once it is known which chain the gateways are on.
    Unchecked,
    /// Not before this time.
    NotBefore(u64),
    /// All are on another chain.
    WrongChain(String),
}

enum Choice {
    Ask(usize, What),
    Wait,
    Refuse,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Pool {
    chain_id: u64,
    endpoints: Vec<Endpoint>,
    jobs: OrderedMap<u64, Job>,
    waiting: OrderedSet<(Rank, u64)>,
    flights: OrderedMap<u64, Flight>,
    last_wire: u64,
    /// Asked last: as long as it fares about as well as the best, it stays with it.
    current: usize,
    /// The height that is followed.
    followed: u64,
    /// Somebody wants to know whether a url can be used.
    is_called: bool,
}

impl Pool {
    /// So many urls, in the dapp's order of preference.
    pub fn new(urls: usize, limits: Limits, chain_id: u64) -> Self {
        Pool {
            chain_id,
            endpoints: (0..urls.min(MAX_URLS))
                .map(|_| Endpoint::new(limits))
                .collect(),
            jobs: OrderedMap::new(),
            waiting: OrderedSet::new(),
            flights: OrderedMap::new(),
            last_wire: 0,
            current: 0,
            followed: 0,
            is_called: false,
        }
    }

    /// How many urls there are.
    pub fn len(&self) -> usize {
        self.endpoints.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// How each url fares.
    pub fn views(&self, now_ms: u64) -> impl Iterator<Item = View> {
        self.endpoints
            .iter()
            .map(move |endpoint| endpoint.view(now_ms))
    }

    /// Takes a job, unless too many of the dapp's wait already.
    pub fn submit(&mut self, job: u64, need: Need) -> bool {
        let calls = self.waiting.range((Rank::Last, 0)..);
        if need.rank == Rank::Last && calls.count() >= MAX_WAITING_CALLS {
            return false;
        }
        let new = Job {
            need,
            tried: 0,
            in_doubt: false,
            refusal: None,
        };
        self.jobs.insert(job, new);
        self.waiting.insert((need.rank, job));
        true
    }

    /// Nobody waits for the job any more. Returns its number on the wire, if it is under way.
    pub fn drop_job(&mut self, job: u64) -> Option<u64> {
        let gone = self.jobs.remove(&job)?;
        self.waiting.remove(&(gone.need.rank, job));
        let mut flights = self.flights.iter();
        let (wire, _) = flights.find(|(_, flight)| flight.what == What::Job(job))?;
        let wire = *wire;
        self.land(wire);
        Some(wire)
    }

    /// The jobs that wait for a url.
    pub fn waiting(&self) -> impl Iterator<Item = u64> {
        self.waiting.iter().map(|(_, job)| *job)
    }

    /// What can go now: to be called again until there is nothing.
    pub fn next(&mut self, now_ms: u64) -> Option<Step> {
        let mut choices = self.waiting.iter().filter_map(|(rank, id)| {
            let choice = self.choose(self.jobs.get(id)?, *id, now_ms);
            Some(((*rank, *id), choice))
        });
        let next = choices.find(|(_, choice)| !matches!(choice, Choice::Wait));
        drop(choices);
        match next {
            Some((place, Choice::Ask(url, what))) => {
                if let What::Job(_) = what {
                    self.waiting.remove(&place);
                    self.current = url;
                }
                Some(self.ask(now_ms, url, what))
            }
            Some(((_, id), Choice::Wait | Choice::Refuse)) => {
                let heard = self.give_up(id, now_ms)?;
                Some(Step::Refuse(id, heard))
            }
            None => self.next_check(now_ms),
        }
    }

    /// The check that somebody called for.
    fn next_check(&mut self, now_ms: u64) -> Option<Step> {
        self.is_called &= !self.endpoints.iter().any(|each| each.is_good(now_ms));
        let (url, check) = self.unchecked(now_ms).filter(|_| self.is_called)?;
        self.is_called = false;
        Some(self.ask(now_ms, url, What::Check(check)))
    }

    fn ask(&mut self, now_ms: u64, url: usize, what: What) -> Step {
        let (check, ids) = match what {
            What::Check(check) => (Some(check), 1),
            What::Job(job) => (None, self.jobs.get(&job).map_or(1, |job| job.need.ids)),
        };
        self.endpoints[url].ask(now_ms, check);
        let wire = self.last_wire + 1;
        self.last_wire += ids;
        let flight = Flight {
            url,
            began_ms: now_ms,
            what,
        };
        self.flights.insert(wire, flight);
        Step::Ask(wire, url, what)
    }

    /// The healthiest url that is to be checked, unless a check is under way.
    fn unchecked(&self, now_ms: u64) -> Option<(usize, Check)> {
        let is_check = |flight: &Flight| matches!(flight.what, What::Check(_));
        if self.flights.values().any(is_check) {
            return None;
        }
        let urls = self.endpoints.iter().enumerate();
        let open = urls.filter_map(|(url, endpoint)| match endpoint.access(now_ms) {
            Access::Unchecked(check) => Some((endpoint.score(now_ms), url, check)),
            Access::Ready | Access::Soon | Access::At(_) | Access::Out(_) => None,
        });
        open.min_by_key(|(score, url, _)| (*score, *url))
            .map(|(_, url, check)| (url, check))
    }

    fn choose(&self, job: &Job, id: u64, now_ms: u64) -> Choice {
        let (mut ready, mut unchecked, mut waits) = (None, None, None);
        for (url, endpoint) in self.endpoints.iter().enumerate() {
            if job.tried & 1 << url != 0 || job.need.only.is_some_and(|only| only != url) {
                continue;
            }
            let lag = endpoint.lag(now_ms, self.followed, job.need.tracks);
            let score = endpoint.score(now_ms);
            // Else two urls that fare alike would take turns, each with a head of its own.
            let score = if url == self.current {
                score / 10 * 7
            } else {
                score
            };
            let place = (lag, score, url);
            match endpoint.access(now_ms) {
                Access::Ready => keep_least(&mut ready, (place, None)),
                Access::Unchecked(check) => keep_least(&mut unchecked, (place, Some(check))),
                Access::Soon | Access::At(_) => keep_least(&mut waits, (place, None)),
                Access::Out(_) => {}
            }
        }
        match (ready, unchecked) {
            // Better than what is there, as far as is known: then it is to be known.
            (ready, Some((place, Some(check)))) if ready.is_none_or(|(best, _)| place < best) => {
                Choice::Ask(place.2, What::Check(check))
            }
            (Some(((lag, ..), _)), _)
                if waits.is_some_and(|((waiting, ..), _)| waiting + 1 < lag) =>
            {
                Choice::Wait
            }
            (Some((place, _)), _) => Choice::Ask(place.2, What::Job(id)),
            (None, _) if waits.is_some() => Choice::Wait,
            (None, _) => Choice::Refuse,
        }
    }

    /// Ends a job that no url is left for.
    fn give_up(&mut self, id: u64, now_ms: u64) -> Option<Heard> {
        let job = self.jobs.remove(&id)?;
        self.waiting.remove(&(job.need.rank, id));
        let url = (job.tried != 0).then(|| job.tried.ilog2() as usize);
        let mut refusal = job.refusal.unwrap_or_else(|| self.refusal(now_ms));
        refusal.retry_after_ms = self.rest_ms(now_ms);
        Some(Heard {
            url,
            reply: Err(refusal),
            in_doubt: job.in_doubt,
        })
    }

    /// Why nobody can be asked.
    fn refusal(&self, now_ms: u64) -> Refusal {
        let verdict = match self.gate(now_ms) {
            Gate::WrongChain(_) => Verdict::Blocked(Reason::WrongChain),
            Gate::Open | Gate::Unchecked | Gate::NotBefore(_) => Verdict::Later,
        };
        let mut causes = self.endpoints.iter().map(Endpoint::cause);
        let cause = causes.find(|cause| !cause.is_empty());
        Refusal {
            verdict,
            cause: cause.unwrap_or("no gateway can be asked").into(),
            retry_after_ms: None,
            blame: Blame::Gateway,
        }
    }

    /// How long until a url can be asked, where none can.
    fn rest_ms(&self, now_ms: u64) -> Option<u64> {
        let mut earliest = None;
        for endpoint in &self.endpoints {
            match endpoint.access(now_ms) {
                Access::Out(until_ms) => {
                    earliest = Some(earliest.map_or(until_ms, |known: u64| known.min(until_ms)));
                }
                Access::Ready | Access::Unchecked(_) | Access::Soon | Access::At(_) => return None,
            }
        }
        earliest.map(|until_ms| until_ms - now_ms)
    }

    /// What this number on the wire stands for, if its answer is still waited for.
    pub fn what(&self, wire: u64) -> Option<What> {
        self.flights.get(&wire).map(|flight| flight.what)
    }

    fn land(&mut self, wire: u64) -> Option<Flight> {
        let flight = self.flights.remove(&wire)?;
        self.endpoints[flight.url].ended();
        Some(flight)
    }

    /// The answer to a request. Returns the job and what came of it, unless another url is asked for it.
    pub fn answered(
        &mut self,
        wire: u64,
        mut at: Moment<'_>,
        reply: Result<Reply, Refusal>,
        lost: bool,
    ) -> Option<(u64, Heard)> {
        let flight = self.land(wire)?;
        let now_ms = at.now_ms;
        let took_ms = now_ms - flight.began_ms;
        let endpoint = &mut self.endpoints[flight.url];
        match reply.as_ref().map_err(|refusal| (refusal, refusal.blame)) {
            Ok(_) | Err((_, Blame::Request | Blame::Elsewhere)) => {
                endpoint.answered(now_ms, took_ms);
            }
            Err((_, Blame::Chain)) => endpoint.doubt(),
            Err((refusal, Blame::Gateway)) => {
                endpoint.faulted(at.again(), took_ms, lost, &refusal.cause);
            }
            Err((refusal, Blame::Limited)) => {
                endpoint.limited(at.again(), refusal.retry_after_ms, &refusal.cause);
            }
        }
        match flight.what {
            What::Check(_) => {
                if reply.is_err() {
                    endpoint.check_failed(at);
                }
                self.checked(flight.url, now_ms, reply);
                None
            }
            What::Job(id) => self.heard(id, flight.url, now_ms, reply),
        }
    }

    fn checked(&mut self, url: usize, now_ms: u64, reply: Result<Reply, Refusal>) {
        let ours = self.chain_id;
        match reply {
            Ok(Reply::ChainId(chain_id)) => {
                self.endpoints[url].is_on_chain(now_ms, chain_id, ours);
                // Then whether it is syncing; of one on another chain nobody wants to know more unless he calls again.
                self.is_called |= chain_id == ours;
            }
            Ok(Reply::Syncing(is_syncing)) => {
                self.endpoints[url].is_syncing(now_ms, is_syncing);
            }
            Ok(_) => {}
            Err(refusal) => {
                // The jobs that waited for it go to another, or are told why not.
                for job in self.waiting.iter().map(|(_, job)| job) {
                    if let Some(job) = self.jobs.get_mut(job) {
                        job.tried |= 1 << url;
                        job.refusal.get_or_insert_with(|| Refusal {
                            // Nothing of the job's was sent.
                            verdict: Verdict::Later,
                            ..refusal.clone()
                        });
                    }
                }
            }
        }
    }

    fn heard(
        &mut self,
        id: u64,
        url: usize,
        now_ms: u64,
        reply: Result<Reply, Refusal>,
    ) -> Option<(u64, Heard)> {
        let job = self.jobs.get_mut(&id)?;
        let refusal = match reply {
            Err(refusal) if refusal.blame != Blame::Request => refusal,
            Ok(_) | Err(_) => {
                let job = self.jobs.remove(&id)?;
                let heard = Heard {
                    url: Some(url),
                    reply,
                    in_doubt: job.in_doubt,
                };
                return Some((id, heard));
            }
        };
        job.in_doubt |= refusal.verdict == Verdict::Unknown;
        job.tried |= 1 << url;
        job.refusal = Some(refusal);
        self.waiting.insert((job.need.rank, id));
        match self.choose(self.jobs.get(&id)?, id, now_ms) {
            Choice::Ask(..) | Choice::Wait => None,
            Choice::Refuse => Some((id, self.give_up(id, now_ms)?)),
        }
    }

    /// Whether a task can be sent.
    pub fn gate(&self, now_ms: u64) -> Gate {
        let mut not_before_ms = u64::MAX;
        let mut is_unchecked = false;
        let mut is_wrong = !self.endpoints.is_empty();
        for endpoint in &self.endpoints {
            match endpoint.access(now_ms) {
                Access::Out(until_ms) => not_before_ms = not_before_ms.min(until_ms),
                Access::Ready | Access::Unchecked(_) | Access::Soon | Access::At(_) => {
                    if endpoint.is_good(now_ms) {
                        return Gate::Open;
                    }
                    is_unchecked = true;
                }
            }
            is_wrong &= matches!(endpoint.why_out(now_ms), Some(Why::WrongChain(_)));
        }
        match self.endpoints.first() {
            Some(first) if is_wrong => Gate::WrongChain(first.cause().into()),
            Some(_) if is_unchecked => Gate::Unchecked,
            Some(_) | None => Gate::NotBefore(not_before_ms),
        }
    }

    /// Somebody wants to send: urls are checked although no job waits.
    pub fn call(&mut self) {
        self.is_called = true;
    }

    /// When something that waits can go by itself.
    pub fn next_due_ms(&self, now_ms: u64) -> Option<u64> {
        if self.waiting.is_empty() && !self.is_called {
            return None;
        }
        let accesses = self.endpoints.iter().map(|each| each.access(now_ms));
        accesses
            .filter_map(|access| match access {
                Access::At(at_ms) => Some(at_ms),
                Access::Ready | Access::Unchecked(_) | Access::Soon | Access::Out(_) => None,
            })
            .min()
    }

    /// How far apart looks at the head are to be, in milliseconds.
    pub fn spacing_ms(&self) -> u64 {
        self.endpoints
            .get(self.current)
            .map_or(0, Endpoint::spacing_ms)
    }

    /// The height that is followed.
    pub fn follow(&mut self, number: u64) {
        self.followed = number;
    }

    /// This url showed this head.
    pub fn saw_head(&mut self, url: usize, number: u64, now_ms: u64) {
        if let Some(endpoint) = self.endpoints.get_mut(url) {
            endpoint.showed_head(now_ms, number, self.followed);
        }
    }

    /// This url shows the same head for longer than blocks take: others are asked for a while.
    pub fn stands_still(&mut self, url: usize, now_ms: u64) {
        if let Some(endpoint) = self.endpoints.get_mut(url) {
            endpoint.stands_still(now_ms);
        }
    }

    /// Somebody acts, or the network is back: what rests is tried at once.
    pub fn wake(&mut self) {
        for endpoint in &mut self.endpoints {
            endpoint.wake();
        }
    }

    /// What was told of the urls' chains was acted on: who wants to send next has them checked anew.
    pub fn recheck_chains(&mut self, now_ms: u64) {
        for endpoint in &mut self.endpoints {
            if let Some(Why::WrongChain(_)) = endpoint.why_out(now_ms) {
                endpoint.wake();
            }
        }
    }
}

/// A url's place in a choice, and what is to be asked of it first.
type Candidate = ((u8, u64, usize), Option<Check>);

fn keep_least(best: &mut Option<Candidate>, candidate: Candidate) {
    if best.is_none_or(|(place, _)| candidate.0 < place) {
        *best = Some(candidate);
    }
}

impl Check {
    /// The question.
    pub fn request(self) -> Request {
        match self {
            Check::Chain => Request::ChainId,
            Check::Syncing => Request::Syncing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::endpoint::{FAULTS_TO_OPEN, GatewayState, RECHECK_MS};

    const ANY: Need = Need {
        ids: 1,
        rank: Rank::First,
        tracks: false,
        only: None,
    };
    const OURS: u64 = 7;

    /// A pool, and a driver that answers what it asks.
    struct World {
        pool: Pool,
        rng: fastrand::Rng,
        now_ms: u64,
        last_job: u64,
    }

    fn world(urls: usize) -> World {
        with(urls, Limits::default())
    }

    fn with(urls: usize, limits: Limits) -> World {
        World {
            pool: Pool::new(urls, limits, OURS),
            rng: fastrand::Rng::with_seed(1),
            now_ms: 0,
            last_job: 0,
        }
    }

    fn refusal(blame: Blame, verdict: Verdict) -> Result<Reply, Refusal> {
        Err(Refusal {
            verdict,
            cause: "no".into(),
            retry_after_ms: None,
            blame,
        })
    }

    fn lost() -> Result<Reply, Refusal> {
        refusal(Blame::Gateway, Verdict::Unknown)
    }

    fn limited(retry_after_ms: u64) -> Result<Reply, Refusal> {
        let mut reply = refusal(Blame::Limited, Verdict::Later);
        if let Err(refusal) = &mut reply {
            refusal.retry_after_ms = Some(retry_after_ms);
        }
        reply
    }

    impl World {
        fn job(&mut self, need: Need) -> u64 {
            self.last_job += 1;
            assert!(self.pool.submit(self.last_job, need));
            self.last_job
        }

        fn answer(&mut self, wire: u64, reply: Result<Reply, Refusal>) -> Option<(u64, Heard)> {
            let at = Moment {
                now_ms: self.now_ms,
                rng: &mut self.rng,
            };
            let is_lost = reply == lost();
            self.pool.answered(wire, at, reply, is_lost)
        }

        /// Answers checks as they should be, until something else comes.
        fn next(&mut self) -> Option<Step> {
            loop {
                match self.pool.next(self.now_ms)? {
                    Step::Ask(wire, _, What::Check(Check::Chain)) => {
                        assert_eq!(self.answer(wire, Ok(Reply::ChainId(OURS))), None);
                    }
                    Step::Ask(wire, _, What::Check(Check::Syncing)) => {
                        assert_eq!(self.answer(wire, Ok(Reply::Syncing(false))), None);
                    }
                    step @ (Step::Ask(..) | Step::Refuse(..)) => return Some(step),
                }
            }
        }

        /// The number on the wire and the url of the next job that goes out.
        fn asked(&mut self) -> (u64, usize) {
            match self.next() {
                Some(Step::Ask(wire, url, What::Job(_))) => (wire, url),
                step => panic!("{step:?}"),
            }
        }

        fn check(&mut self, url: usize, reply: Result<Reply, Refusal>) {
            match self.pool.next(self.now_ms) {
                Some(Step::Ask(wire, known, What::Check(_))) if known == url => {
                    assert_eq!(self.answer(wire, reply), None);
                }
                step => panic!("{step:?}"),
            }
        }

        fn states(&self) -> Vec<GatewayState> {
            self.pool
                .views(self.now_ms)
                .map(|view| view.state)
                .collect()
        }
    }

    #[test]
    fn one_attempt_asks_each_url_once_under_a_number_of_its_own() {
        let mut world = world(3);
        let job = world.job(ANY);
        let mut seen = Vec::new();
        for _ in 0..2 {
            let (wire, url) = world.asked();
            seen.push((wire, url));
            assert_eq!(world.answer(wire, lost()), None, "another is asked first");
        }
        let (wire, url) = world.asked();
        seen.push((wire, url));
        let (done, heard) = world.answer(wire, lost()).unwrap();
        assert_eq!((done, heard.in_doubt), (job, true));
        assert_eq!(heard.reply.unwrap_err().verdict, Verdict::Unknown);
        let mut urls: Vec<usize> = seen.iter().map(|(_, url)| *url).collect();
        urls.sort_unstable();
        assert_eq!(urls, [0, 1, 2]);
        assert!(seen.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(world.answer(seen[0].0, lost()), None, "a late reply");
    }

    #[test]
    fn what_an_earlier_url_may_have_taken_is_told_with_the_last_answer() {
        for (first, in_doubt) in [
            (lost(), true),
            (refusal(Blame::Elsewhere, Verdict::Later), false),
            (limited(100), false),
        ] {
            let mut world = world(2);
            world.job(ANY);
            let (wire, _) = world.asked();
            assert_eq!(world.answer(wire, first), None);
            let (wire, _) = world.asked();
            let (_, heard) = world
                .answer(wire, refusal(Blame::Request, Verdict::Never))
                .unwrap();
            assert_eq!(heard.in_doubt, in_doubt);
            assert_eq!(heard.reply.unwrap_err().verdict, Verdict::Never);
        }
    }

    #[test]
    fn an_answer_about_the_request_is_the_answer() {
        let mut world = world(2);
        world.job(ANY);
        let (wire, _) = world.asked();
        let reply = refusal(Blame::Request, Verdict::Error);
        let (_, heard) = world.answer(wire, reply.clone()).unwrap();
        assert_eq!(heard.reply, reply);
        assert_eq!(world.states()[0], GatewayState::Up);
    }

    #[test]
    fn a_url_that_asks_for_patience_is_left_alone_and_others_are_asked() {
        let mut world = world(2);
        world.job(ANY);
        let (wire, first) = world.asked();
        assert_eq!(world.answer(wire, limited(5_000)), None);
        let (wire, second) = world.asked();
        assert_ne!(first, second);
        let (_, heard) = world.answer(wire, limited(9_000)).unwrap();
        let refusal = heard.reply.unwrap_err();
        let first_ms = refusal.retry_after_ms.unwrap();
        assert!((5_000..=6_250).contains(&first_ms), "{first_ms}");
        assert_eq!(world.pool.gate(0), Gate::NotBefore(first_ms));
        let job = world.job(ANY);
        match world.next() {
            Some(Step::Refuse(refused, heard)) => {
                assert_eq!((refused, heard.url, heard.in_doubt), (job, None, false));
                assert_eq!(heard.reply.unwrap_err().verdict, Verdict::Later);
            }
            step => panic!("{step:?}"),
        }
        world.now_ms = first_ms;
        world.job(ANY);
        assert_eq!(world.asked().1, first);
    }

    #[test]
    fn a_job_is_told_why_when_no_url_can_be_checked() {
        let mut world = world(2);
        let job = world.job(ANY);
        world.check(0, lost());
        world.check(1, lost());
        match world.next() {
            Some(Step::Refuse(refused, heard)) => {
                assert_eq!((refused, heard.in_doubt), (job, false), "nothing was sent");
                assert_eq!(heard.reply.unwrap_err().verdict, Verdict::Later);
            }
            step => panic!("{step:?}"),
        }
        assert_eq!(world.states(), [GatewayState::Open; 2]);
    }

    #[test]
    fn a_url_on_another_chain_or_syncing_is_not_used_and_all_on_another_are_told() {
        let mut world = world(3);
        world.pool.call();
        world.check(0, Ok(Reply::ChainId(1)));
        assert_eq!(world.pool.gate(0), Gate::Unchecked);
        world.pool.call();
        world.check(1, Ok(Reply::ChainId(OURS)));
        world.check(1, Ok(Reply::Syncing(true)));
        world.job(ANY);
        assert_eq!(world.asked().1, 2);
        assert_eq!(world.pool.gate(0), Gate::Open);
        let mut world = with(1, Limits::default());
        world.pool.call();
        world.check(0, Ok(Reply::ChainId(1)));
        match world.pool.gate(0) {
            Gate::WrongChain(cause) => assert_eq!(cause, "the gateway is on chain 1, not 7"),
            gate @ (Gate::Open | Gate::Unchecked | Gate::NotBefore(_)) => panic!("{gate:?}"),
        }
        world.job(ANY);
        match world.next() {
            Some(Step::Refuse(_, heard)) => {
                let verdict = Verdict::Blocked(Reason::WrongChain);
                assert_eq!(heard.reply.unwrap_err().verdict, verdict);
            }
            step => panic!("{step:?}"),
        }
        world.pool.recheck_chains(0);
        assert_eq!(world.pool.gate(0), Gate::Unchecked, "at once for who acts");
        world.now_ms = RECHECK_MS;
        world.job(ANY);
        assert_eq!(world.asked().1, 0, "by itself later");
    }

    #[test]
    fn after_a_loss_the_chain_is_checked_again_and_a_good_url_does_not_wait_for_that() {
        let mut world = world(2);
        world.job(ANY);
        let (wire, first) = world.asked();
        assert_eq!(world.answer(wire, lost()), None);
        let (wire, second) = world.asked();
        assert!(world.answer(wire, Ok(Reply::Accepted)).is_some());
        assert_eq!(world.states()[first], GatewayState::Unchecked);
        world.job(ANY);
        assert_eq!(world.asked().1, second, "the one that answered");
    }

    #[test]
    fn faults_in_a_row_open_a_url_for_all_jobs() {
        let mut world = world(1);
        for _ in 0..FAULTS_TO_OPEN {
            world.job(ANY);
            let (wire, _) = world.asked();
            let reply = refusal(Blame::Gateway, Verdict::Error);
            assert!(world.answer(wire, reply).is_some());
        }
        world.job(ANY);
        assert!(matches!(world.next(), Some(Step::Refuse(..))));
        world.pool.wake();
        world.job(ANY);
        assert!(matches!(
            world.pool.next(0),
            Some(Step::Ask(_, 0, What::Check(Check::Chain)))
        ));
        assert_eq!(world.pool.next(0), None, "one probe");
    }

    #[test]
    fn who_waits_goes_by_rank_then_by_age_and_the_dapps_are_bounded() {
        let limits = Limits {
            max_in_flight: 1,
            ..Limits::default()
        };
        let mut world = with(1, limits);
        world.job(ANY);
        let (mut wire, _) = world.asked();
        let of = |rank| Need { rank, ..ANY };
        let last = world.job(of(Rank::Last));
        let second = world.job(of(Rank::Second));
        let first = world.job(of(Rank::First));
        let later = world.job(of(Rank::First));
        for expected in [first, later, second, last] {
            assert_eq!(world.next(), None);
            assert!(world.answer(wire, Ok(Reply::Accepted)).is_some());
            match world.next() {
                Some(Step::Ask(next, 0, What::Job(job))) => {
                    assert_eq!(job, expected);
                    wire = next;
                }
                step => panic!("{step:?}"),
            }
        }
        for _ in 0..MAX_WAITING_CALLS {
            world.job(of(Rank::Last));
        }
        assert!(!world.pool.submit(0, of(Rank::Last)));
        world.job(of(Rank::First));
    }

    #[test]
    fn the_rate_limit_says_when_to_come_back() {
        let limits = Limits {
            max_in_flight: 9,
            per_second: 10,
            burst: 3,
        };
        let mut world = with(1, limits);
        world.job(ANY);
        world.job(ANY);
        world.asked();
        assert_eq!(world.next(), None, "two checks and a job were the burst");
        assert_eq!(world.pool.next_due_ms(0), Some(100));
        world.now_ms = 100;
        world.asked();
        assert_eq!(world.pool.next_due_ms(100), None);
    }

    #[test]
    fn the_healthiest_is_asked_and_who_is_behind_is_not_asked_about_the_end() {
        let mut world = world(2);
        let tracks = Need {
            tracks: true,
            ..ANY
        };
        world.job(ANY);
        let (wire, url) = world.asked();
        assert_eq!(url, 0, "in the dapp's order while nothing is known");
        world.now_ms += 4_000;
        world.answer(wire, Ok(Reply::Accepted));
        world.job(ANY);
        let (wire, url) = world.asked();
        assert_eq!(url, 1, "slow enough to try another");
        world.answer(wire, Ok(Reply::Accepted));
        world.pool.follow(10);
        world.pool.saw_head(0, 10, world.now_ms);
        world.pool.saw_head(1, 9, world.now_ms);
        world.job(tracks);
        let (wire, url) = world.asked();
        assert_eq!(url, 0, "a null receipt of a replica that lags says nothing");
        world.answer(wire, Ok(Reply::Receipt(None)));
        world.pool.saw_head(1, 10, world.now_ms);
        world.job(tracks);
        assert_eq!(world.asked().1, 1, "it caught up");
    }

    #[test]
    fn only_one_urls_word_is_not_replaced_by_anothers() {
        let mut world = world(2);
        let only = Need {
            only: Some(1),
            ..ANY
        };
        world.job(only);
        let (wire, url) = world.asked();
        assert_eq!(url, 1);
        assert!(world.answer(wire, lost()).is_some());
    }

    #[test]
    fn a_job_that_nobody_waits_for_frees_its_place() {
        let limits = Limits {
            max_in_flight: 1,
            ..Limits::default()
        };
        let mut world = with(1, limits);
        let job = world.job(ANY);
        let (wire, _) = world.asked();
        assert_eq!(world.pool.drop_job(job), Some(wire));
        assert_eq!(world.answer(wire, lost()), None);
        world.job(ANY);
        world.asked();
        assert_eq!(world.states(), [GatewayState::Up], "it was no fault");
    }
}
