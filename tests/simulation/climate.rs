//! How bad a seed's days are: every world draws its own mixture of faults, so that each kind also comes alone.

use crate::gateway::BlockReceipts;
use uplink_cache::cache::Freshness;
use uplink_cache::gateway::endpoint::Limits;
use uplink_cache::gateway::evm::Finality;
use uplink_cache::memory::MAX_VALUES;

/// What a gateway is like, for as long as the world lasts.
#[derive(Debug, Default, Clone)]
pub(crate) struct Nature {
    pub(crate) is_dead: bool,
    pub(crate) is_on_wrong_chain: bool,
    /// It says that its head is final.
    pub(crate) runs_ahead: bool,
    /// It is so many blocks behind.
    pub(crate) lag: u64,
}

/// Chances are in thousandths.
#[derive(Debug, Clone)]
pub(crate) struct Climate {
    pub(crate) tabs: usize,
    pub(crate) accounts: u8,
    pub(crate) storm_ms: u64,
    pub(crate) actions: u32,
    pub(crate) keys: u32,
    pub(crate) has_reader: bool,
    pub(crate) poll_ms: u64,
    pub(crate) timeout_ms: u64,
    pub(crate) clean_at_bytes: u64,
    pub(crate) page_segments: usize,
    pub(crate) disk_ms: u64,
    pub(crate) net_ms: u64,
    pub(crate) block_ms: u64,
    pub(crate) start_height: u64,
    /// Blocks this deep under the head are final.
    pub(crate) final_depth: u64,
    pub(crate) finality: Finality,
    pub(crate) refuses_gaps: bool,
    /// Transactions are found by sender and nonce.
    pub(crate) knows_senders: bool,
    /// States of old blocks are gone.
    pub(crate) prunes: bool,
    pub(crate) large: u32,
    pub(crate) commit_aborts: u32,
    pub(crate) quota: u32,
    pub(crate) read_fails: u32,
    pub(crate) news_lost: u32,
    pub(crate) request_lost: u32,
    pub(crate) reply_lost: u32,
    pub(crate) slow: u32,
    pub(crate) refused: u32,
    pub(crate) mangled: u32,
    pub(crate) lag: u32,
    pub(crate) stale: u32,
    pub(crate) crash: u32,
    pub(crate) crash_all: u32,
    pub(crate) crash_amid: u32,
    pub(crate) close: u32,
    pub(crate) storage_lost: u32,
    pub(crate) freeze: u32,
    pub(crate) double: u32,
    pub(crate) odd_lane: u32,
    pub(crate) offline: u32,
    pub(crate) gateway_down: u32,
    pub(crate) wrong_chain: u32,
    pub(crate) no_funds: u32,
    pub(crate) pool_full: u32,
    pub(crate) pool_drop: u32,
    pub(crate) rival: u32,
    pub(crate) reorg: u32,
    pub(crate) unknown_tag: u32,
    /// How many of a hundred submissions are drafts.
    pub(crate) drafts: u8,
    pub(crate) bad_signer: u32,
    pub(crate) no_signers: u32,
    pub(crate) batch_limit: usize,
    pub(crate) block_receipts: BlockReceipts,
    pub(crate) partial: u32,
    pub(crate) hidden: u32,
    /// How many addresses are sockets.
    pub(crate) sockets: usize,
    pub(crate) socket_refused: u32,
    pub(crate) socket_closes: u32,
    /// A socket stays open, and nothing comes out of it any more.
    pub(crate) socket_deaf: u32,
    pub(crate) push_lost: u32,
    pub(crate) push_late: u32,
    pub(crate) push_doubled: u32,
    pub(crate) gateways: Vec<Nature>,
    pub(crate) quorum: usize,
    pub(crate) limits: Limits,
    pub(crate) one_down: u32,
    pub(crate) one_wrong: u32,
    pub(crate) one_syncs: u32,
    pub(crate) one_limits: u32,
    /// Somebody takes tasks out to a file, or in from one.
    pub(crate) portable: u32,
    /// A bit of the log turns while the browser is closed.
    pub(crate) rot: u32,
    /// Tabs hear of each other.
    pub(crate) hears_others: bool,
    /// A tab freezes, and its driver is told before.
    pub(crate) suspend: u32,
    /// What settled values may take.
    pub(crate) values_budget_bytes: u64,
    /// How many values a tab has at hand.
    pub(crate) values_at_hand: usize,
    /// Somebody wants to know what another tab just wrote.
    pub(crate) asks_for_more: u32,
    /// Gateways refuse in words that nobody knows.
    pub(crate) odd_words: bool,
    /// How long no gateway answers after the storm.
    pub(crate) outage_ms: u64,
    /// What the disk takes while the storm lasts, where that is little.
    pub(crate) disk_bytes: Option<u64>,
    /// The dapp opens with `durability: "relaxed"`.
    pub(crate) is_relaxed: bool,
    pub(crate) power: u32,
    /// Each tab's clock began when it opened.
    pub(crate) own_clocks: bool,
    pub(crate) clock_jumps: u32,
    pub(crate) clock_stands: u32,
    pub(crate) wall_jumps: u32,
    pub(crate) news_late: u32,
    pub(crate) news_doubled: u32,
    pub(crate) request_doubled: u32,
    pub(crate) answer_late: u32,
    pub(crate) signer_doubled: u32,
    pub(crate) commit_slow: u32,
    /// A bit turns anywhere in the log, and not only in a task's full record.
    pub(crate) rots_anywhere: bool,
    /// How many transactions a block takes.
    pub(crate) block_size: usize,
    /// Somebody reads who says how old the answer may be.
    pub(crate) readers: u32,
    pub(crate) freshness: Freshness,
    /// A submission comes after others.
    pub(crate) after: u32,
    /// A submission is an update.
    pub(crate) updates: u32,
    /// The log has an index.
    pub(crate) index_at_bytes: Option<u64>,
}

/// What some worlds are, drawn or on demand.
pub(crate) type Kind = fn(&mut Climate);

/// By their names.
const KINDS: [(&str, Kind); 6] = [
    ("crowd", Climate::crowd),
    ("hurry", Climate::hurry),
    ("fall-behind", Climate::fall_behind),
    ("crawl", Climate::crawl),
    ("go-dark", Climate::go_dark),
    ("forget", Climate::forget),
];

/// The kind of this name.
pub(crate) fn kind(name: &str) -> Option<Kind> {
    let known = KINDS.iter().find(|(known, _)| *known == name);
    known.map(|(_, kind)| *kind)
}

impl Climate {
    pub(crate) fn draw(rng: &mut fastrand::Rng) -> Self {
        // Drawn apart, so that what is drawn from `rng` stays what it was.
        let mut apart = drawn_apart(rng, 0x50c7);
        let apart = &mut apart;
        // Drawn apart once more, and seldom, so that most worlds are what they were: all those of `regressions`.
        let mut third = drawn_apart(rng, 0xf05c);
        let has_files = third.u8(..4) == 0;
        let rots = third.u8(..4) == 0;
        let has_outage = third.u8(..16) == 0;
        let outage_ms = third.u64(300_000..1_200_000);
        // And once more: half of the worlds stay what they were.
        let mut fourth = drawn_apart(rng, 0xdead);
        let is_harsh = fourth.bool();
        let mut harsh = |most| if is_harsh { some(&mut fourth, most) } else { 0 };
        // Those of `regressions` are not among the worlds that this one changes.
        let mut sixth = drawn_apart(rng, 0x65a7);
        let start_height = *pick(rng, &[1, 10, 100, 300]);
        let final_depth = rng.u64(2..=8);
        let finality = *pick(
            rng,
            &[
                Finality::Finalized,
                Finality::Finalized,
                Finality::Safe,
                Finality::Confirmations(final_depth + 1),
            ],
        );
        let (gateways, quorum) = gateways(rng);
        let drafts = *pick(apart, &[0, 0, 30, 60]);
        let mut climate = Climate {
            gateways,
            quorum,
            limits: *pick(
                rng,
                &[
                    Limits::default(),
                    Limits {
                        max_in_flight: 2,
                        per_second: 5,
                        burst: 5,
                    },
                ],
            ),
            one_down: some(rng, 150),
            one_wrong: some(rng, 80),
            one_syncs: some(rng, 80),
            one_limits: some(rng, 150),
            tabs: *pick(rng, &[1, 1, 1, 2, 2, 3]),
            accounts: *pick(rng, &[1, 1, 2]),
            storm_ms: rng.u64(5_000..150_000),
            actions: rng.u32(4..60),
            keys: rng.u32(2..10),
            has_reader: rng.bool(),
            poll_ms: *pick(rng, &[1_000, 2_000, 4_000]),
            timeout_ms: *pick(rng, &[4_000, 15_000]),
            clean_at_bytes: *pick(rng, &[60, 300, 1_000, 4_000, 1_000_000]),
            page_segments: *pick(rng, &[1, 3, 256]),
            disk_ms: *pick(rng, &[2, 20, 300]),
            net_ms: *pick(rng, &[20, 200, 3_000]),
            block_ms: *pick(rng, &[1_000, 2_000, 6_000, 12_000]),
            start_height,
            final_depth,
            finality,
            refuses_gaps: rng.u8(0..4) == 0,
            knows_senders: rng.bool(),
            prunes: rng.bool(),
            large: some(rng, 60),
            commit_aborts: some(rng, 120),
            quota: some(rng, 80),
            read_fails: some(rng, 60),
            news_lost: some(rng, 200),
            request_lost: some(rng, 200),
            reply_lost: some(rng, 200),
            slow: some(rng, 150),
            refused: some(rng, 200),
            mangled: some(rng, 150),
            lag: some(rng, 150),
            stale: some(rng, 150),
            crash: some(rng, 150),
            crash_all: some(rng, 60),
            crash_amid: some(rng, 10),
            close: some(rng, 100),
            storage_lost: some(rng, 40),
            freeze: some(rng, 100),
            double: some(rng, 400),
            odd_lane: some(rng, 300),
            offline: some(rng, 100),
            gateway_down: some(rng, 100),
            wrong_chain: some(rng, 40),
            no_funds: some(rng, 60),
            pool_full: some(rng, 60),
            pool_drop: some(rng, 150),
            rival: some(rng, 30),
            reorg: some(rng, 250),
            unknown_tag: some(rng, 60),
            drafts,
            bad_signer: some(apart, 400),
            no_signers: some(apart, 200),
            batch_limit: *pick(apart, &[100, 100, 100, 7, 1]),
            block_receipts: *pick(
                apart,
                &[
                    BlockReceipts::ByBoth,
                    BlockReceipts::ByBoth,
                    BlockReceipts::ByNumber,
                    BlockReceipts::No,
                ],
            ),
            partial: some(apart, 400),
            hidden: some(apart, 150),
            sockets: *pick(apart, &[0, 0, 1, 2]),
            socket_refused: some(apart, 400),
            socket_closes: some(apart, 80),
            socket_deaf: some(apart, 60),
            push_lost: some(apart, 200),
            push_late: some(apart, 300),
            push_doubled: some(apart, 300),
            portable: if has_files && (drafts == 0 || is_harsh) {
                250
            } else {
                0
            },
            rot: if rots { 60 } else { 0 },
            asks_for_more: 0,
            odd_words: false,
            outage_ms: if has_outage { outage_ms } else { 0 },
            hears_others: apart.u8(..4) > 0,
            suspend: some(apart, 150),
            values_budget_bytes: *pick(apart, &[u64::MAX, u64::MAX, 0, 300, 1_000]),
            values_at_hand: MAX_VALUES,
            disk_bytes: *pick(
                apart,
                &[None, None, None, Some(1_000), Some(4_000), Some(12_000)],
            ),
            is_relaxed: harsh(1) > 0,
            power: harsh(80),
            own_clocks: harsh(1) > 0,
            clock_jumps: harsh(60),
            clock_stands: harsh(700),
            wall_jumps: harsh(60),
            news_late: harsh(300),
            news_doubled: harsh(300),
            request_doubled: harsh(60),
            answer_late: harsh(1_000),
            signer_doubled: harsh(300),
            commit_slow: harsh(120),
            rots_anywhere: is_harsh && rots,
            block_size: 4,
            readers: 0,
            freshness: Freshness::default(),
            after: 0,
            updates: 0,
            index_at_bytes: None,
        };
        if third.u8(..12) == 0 {
            climate.crowd();
        }
        if sixth.u8(..8) == 0 {
            climate.read_much(&mut sixth);
        }
        let mut fifth = drawn_apart(rng, 0x4a57e);
        if fifth.u8(..80) == 0 {
            climate.hurry();
        }
        let mut sixth = drawn_apart(rng, 0xaf7e);
        if sixth.u8(..5) == 0 {
            climate.after = sixth.u32(100..700);
        }
        let mut seventh = drawn_apart(rng, 0x0b7d);
        // What the chain has under a key is its own word: there it is another matter what a key must show.
        if seventh.u8(..3) == 0 && !climate.has_reader {
            climate.updates = seventh.u32(200..900);
            climate.keys = *pick(&mut seventh, &[1, 2, climate.keys]);
        }
        // So that no world of `regressions` has one.
        let mut eighth = drawn_apart(rng, 32);
        if eighth.u8(..16) == 0 {
            climate.clean_at_bytes = climate.clean_at_bytes.max(1_000);
            climate.index_at_bytes = Some(*pick(&mut eighth, &[0, 12_000, 40_000]));
        }
        // So that no world of `regressions` is one.
        let mut ninth = drawn_apart(rng, 7);
        if ninth.u8(..64) == 0 {
            climate.fall_behind();
        }
        let mut tenth = drawn_apart(rng, 9);
        if tenth.u8(..64) == 0 {
            climate.crawl();
        }
        let mut eleventh = drawn_apart(rng, 0xda2c);
        if eleventh.u8(..64) == 0 {
            climate.go_dark();
        }
        let mut twelfth = drawn_apart(rng, 0x1f0);
        if twelfth.u8(..16) == 0 {
            climate.forget();
        }
        climate
    }

    /// All write the same key, much of it long, and what is settled moves at once: whoever is late meets what is newer.
    fn crowd(&mut self) {
        self.keys = 1;
        self.large = 300;
        self.clean_at_bytes = 60;
        self.index_at_bytes = None;
        self.asks_for_more = 300;
        self.odd_words = true;
    }

    /// Tabs have little at hand of what is settled.
    fn forget(&mut self) {
        self.values_at_hand = 1 + self.keys as usize / 3;
    }

    /// Many read what the chain has, and few write.
    fn read_much(&mut self, rng: &mut fastrand::Rng) {
        self.has_reader = true;
        self.readers = rng.u32(200..800);
        self.freshness = Freshness {
            max_age_ms: *pick(rng, &[None, Some(0), Some(3_000), Some(20_000)]),
            stale_while_revalidate_ms: *pick(rng, &[0, 0, 5_000, 30_000]),
            negative_max_age_ms: *pick(rng, &[0, 4_000, 20_000]),
        };
    }

    /// Tabs hear of nothing, and freeze, while what the others write settles and leaves the log.
    fn fall_behind(&mut self) {
        self.tabs = 2;
        self.hears_others = false;
        self.has_reader = false;
        self.readers = 0;
        self.freeze = 40;
        self.storm_ms = 150_000;
        self.actions = 100;
        self.keys = 10;
        self.poll_ms = 1_000;
        self.block_ms = 1_000;
        self.final_depth = 2;
        self.finality = Finality::Finalized;
        self.clean_at_bytes = 300;
        self.index_at_bytes = None;
        self.updates = 0;
    }

    /// The gateway answers late, few questions at a time and none of them together, while many wait and the chain runs on.
    fn crawl(&mut self) {
        self.tabs = 1;
        self.accounts = 1;
        self.storm_ms = 150_000;
        self.actions = 150;
        self.keys = 10;
        self.has_reader = false;
        self.readers = 0;
        self.poll_ms = 1_000;
        self.net_ms = 3_000;
        self.block_ms = 1_000;
        self.final_depth = 2;
        self.finality = Finality::Finalized;
        self.batch_limit = 1;
        self.pool_drop = 500;
        self.sockets = 0;
        self.limits = Limits {
            max_in_flight: 2,
            per_second: 5,
            burst: 5,
        };
    }

    /// The power fails again and again, while what was written under relaxed durability settles and leaves the log.
    fn go_dark(&mut self) {
        self.is_relaxed = true;
        self.power = 300;
        self.rot = 0;
        self.rots_anywhere = false;
        self.actions = 150;
        self.poll_ms = 1_000;
        self.block_ms = 1_000;
        self.final_depth = 2;
        self.finality = Finality::Finalized;
        if self.index_at_bytes.is_none() {
            self.clean_at_bytes = 300;
        }
    }

    /// One tab writes so fast that a slow disk has no pause, and what is written soon settles.
    fn hurry(&mut self) {
        self.tabs = 1;
        self.storm_ms = 30_000;
        self.actions = 600;
        self.disk_ms = 300;
        self.net_ms = 20;
        self.poll_ms = 1_000;
        self.block_ms = 1_000;
        self.block_size = 60;
        self.final_depth = 2;
        self.finality = Finality::Finalized;
        self.limits = Limits::default();
        self.clean_at_bytes = 300;
        self.page_segments = 256;
        self.disk_bytes = None;
    }
}

/// What is drawn from this one leaves the other as it was.
fn drawn_apart(rng: &fastrand::Rng, salt: u64) -> fastrand::Rng {
    fastrand::Rng::with_seed(rng.get_seed() ^ salt)
}

/// As many are as they should be as the quorum needs; of those that are not, fewer lie than it takes.
fn gateways(rng: &mut fastrand::Rng) -> (Vec<Nature>, usize) {
    let count = *pick(rng, &[1, 1, 2, 3, 4]);
    let quorum = rng.usize(1..=count.min(3));
    let mut natures = vec![Nature::default(); count];
    for nature in &mut natures {
        if rng.u8(..6) == 0 {
            nature.lag = rng.u64(1..=3);
        }
    }
    let mut liars = 0;
    for _ in 0..rng.usize(0..=count - quorum) {
        let nature = &mut natures[rng.usize(..count)];
        match rng.u8(..3) {
            0 => nature.is_dead = true,
            1 => nature.is_on_wrong_chain = true,
            _ if liars + 1 < quorum && !nature.runs_ahead => {
                nature.runs_ahead = true;
                liars += 1;
            }
            _ => {}
        }
    }
    (natures, quorum)
}

pub(crate) fn pick<'a, T>(rng: &mut fastrand::Rng, choices: &'a [T]) -> &'a T {
    &choices[rng.usize(..choices.len())]
}

/// Half of the worlds know a fault at all; those that do, by a chance of their own.
fn some(rng: &mut fastrand::Rng, most: u32) -> u32 {
    if rng.bool() { rng.u32(1..=most) } else { 0 }
}
