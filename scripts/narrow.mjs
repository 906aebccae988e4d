// The simulator over a copy of the core whose bounds are narrow: `npm run simulate:narrow`. What a page reaches after thousands
// of keys, a world of a few tasks reaches too: split segments, lists and rounds of several steps.
import { buildCopy, live, only } from "./copy.mjs";
import { main, say } from "./lib.mjs";
import { setup } from "./setup.mjs";

/** How many worlds, and from which on. */
const SEEDS = Number(process.env.SEEDS || 6_000);
const FIRST = Number(process.env.FIRST || 0);

/** Of each file, the constants that are bounds, and what they are here. */
const NARROW = {
  "src/follow.rs": { WINDOW: 12 },
  "src/index.rs": { MAX_NAMES: 40, MAX_EARLIER: 3 },
  "src/log.rs": { MAX_SEGMENT_BYTES: 4_000, MAX_COMMIT_BYTES: 8_000, SEGMENT_ROOM: 4_000 },
  "src/ordered.rs": { MAX_RUN: 4 },
  "src/outbox.rs": { MAX_BATCH: 3, MAX_BATCH_BYTES: 500 },
  "src/record.rs": { MAX_INLINE_BYTES: 256, MAX_LATER_INLINE_BYTES: 64 },
  "src/task.rs": { MAX_VERSIONS: 3 },
  "src/cache/calls.rs": { MAX_BATCH: 3, MAX_UNDER_WAY: 2 },
  "src/cache/cleaning.rs": { MAX_SEGMENTS: 8, STEP_TASKS: 2, STEP_SEGMENTS: 4 },
  "src/cache/evicting.rs": { MAX_ROWS: 2, MAX_USED: 2, SPARE_BYTES: 100 },
  "src/cache/listing.rs": { LOOK_UP: 2, SCAN_STEP: 2, COUNT_STEP: 3 },
  "src/cache/portable.rs": { MAX_AT_ONCE: 1, MAX_PART_BYTES: 500 },
  "src/cache/receipts.rs": {
    MAX_LOOK_BYTES: 2_000,
    MAX_BATCH: 3,
    MAX_RECEIPT_REQUESTS: 8,
    MAX_LOOK_REQUESTS: 4,
    RECEIPTS_PER_LOOK: 2,
    MAX_VERIFICATIONS: 4,
  },
  "src/cache/rivals.rs": { MAX_SEARCHES: 1, MAX_AGAIN: 1 },
  "src/cache/sending.rs": { MAX_IN_FLIGHT: 2 },
  "src/cache/signing.rs": { MAX_ASKED: 1 },
  "src/cache/shelves.rs": { MAX_BARE: 2, MAX_SCANS: 2, MAX_SCANNED_BYTES: 300 },
  "src/cache/tracking.rs": { MAX_WALK: 3, MAX_WALK_REQUESTS: 8, MAX_CHECKS: 1 },
  "src/cache/updates.rs": { MAX_PILES: 2, MAX_PILE_BYTES: 20 },
};

/** Worlds that failed once, each with what was wrong. */
const REGRESSIONS = {
  "what was read as of a block of ours that is found to be gone is not given as fresh": {
    seed: 6_964,
  },
  "no older value comes back while the log is folded anew for the first time": {
    climate: "forget",
    seed: 5_765,
  },
  "what is settled and was pushed out of memory is not read as nothing from a gateway that lags": {
    climate: "go-dark",
    seed: 546,
  },
  "nobody is refused for want of room while others could go than those that a failed step passed over":
    {
      climate: "fall-behind",
      seed: 136,
    },
  "a task that comes in again while its end is looked up is not told to be discarded": {
    climate: "go-dark",
    seed: 16_035,
  },
};

await main(import.meta, async () => {
  await setup(["rust"]);
  const simulator = await buildCopy("narrow", narrow);
  const counts = { passed: 0, failed: 0 };
  for (const [what, { climate = "", seed }] of Object.entries(REGRESSIONS)) {
    count(counts, what, 1, await live(simulator, { CLIMATE: climate }, 1, seed));
  }
  const what = `${SEEDS} seeds from ${FIRST} on`;
  count(counts, what, SEEDS, await live(simulator, {}, SEEDS, FIRST));
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
  if (counts.failed > 0) process.exitCode = 1;
});

/** All worlds were lived through, and nothing was found. */
function count(counts, what, wanted, { seeds, violation, output }) {
  const isHeld = violation === undefined && seeds === wanted;
  counts[isHeld ? "passed" : "failed"] += 1;
  say(`narrow: ${isHeld ? "held" : "FAILED"}: ${what}`);
  if (!isHeld) console.log(output);
}

/** Gives the bounds their narrow values. */
function narrow(sources) {
  for (const [file, bounds] of Object.entries(NARROW)) {
    for (const [name, value] of Object.entries(bounds)) {
      const source = sources.get(file);
      const pattern = new RegExp(`\\bconst ${name}: \\w+ = (?<spot>[^;]+);`, "dg");
      const { spot } = only(source, pattern, `${file}: ${name}`);
      sources.set(file, `${source.slice(0, spot[0])}${value}${source.slice(spot[1])}`);
    }
  }
}
