// What the package is to reach, as ratios within one run.

import { HAND, OWN } from "./workloads.mjs";

const SINGLE = "hand-single";
const MOST = "at most";
const LEAST = "at least";
const LOG_BOUND_KIB = 256;

const AT_ONCE = "10,000 submits at once";
const READ = "read of an unsettled task, awaited";
const PAGE = "a page of 50 out of 10,000";
const CHANGES = "10,000 status changes";
const onTopOf = (count) => `1,000 submits at once, on top of ${count} unsettled`;
const opened = (what) => `open with ${what}`;
const firstRead = (count) => `open with ${count} unsettled tasks, to the first read`;
const own = (workload) => [workload, OWN];

/**
 * Each bar: what it says, the figure over another (a workload and a column each, or a number), and the limit of that ratio. A bar whose
 * figures the run does not have is left out.
 */
const BARS = [
  [
    "one awaited submit (strict) over a single put by hand",
    own("one awaited submit, strict"),
    ["one awaited submit, strict", SINGLE],
    MOST,
    1.25,
  ],
  [
    "one awaited submit (relaxed) over a single put by hand",
    own("one awaited submit, relaxed"),
    ["one awaited submit, relaxed", SINGLE],
    MOST,
    1.25,
  ],
  [
    "10,000 at once: hand-written grouped commits over ours",
    [AT_ONCE, HAND],
    own(AT_ONCE),
    LEAST,
    4,
  ],
  ["10,000 at once: idb over ours", [AT_ONCE, "idb"], own(AT_ONCE), LEAST, 25],
  ["10,000 at once: Dexie over ours", [AT_ONCE, "dexie"], own(AT_ONCE), LEAST, 25],
  ["peek over a get by hand", own("read of an unsettled task, peek"), [READ, HAND], MOST, 1 / 100],
  [
    "peek again over a get by hand",
    own("read of an unsettled task, peek again"),
    [READ, HAND],
    MOST,
    1 / 100,
  ],
  ["awaited read over a get by hand", own(READ), [READ, HAND], MOST, 1 / 15],
  ["a page of 50 of 10,000: by hand over ours", [PAGE, HAND], own(PAGE), LEAST, 4],
  ["10,000 status changes: by hand over ours", [CHANGES, HAND], own(CHANGES), LEAST, 20],
  [
    "opening 10,000 unsettled to the first read, over Dexie",
    own(firstRead("10,000")),
    [firstRead("10,000"), "dexie"],
    MOST,
    1,
  ],
  [
    "opening 100,000 unsettled to the first read, over Dexie",
    own(firstRead("100,000")),
    [firstRead("100,000"), "dexie"],
    MOST,
    3,
  ],
  [
    "opening many settled values over an empty database",
    own(/^open with [\d,]*[1-9][\d,]* settled values$/),
    own(opened("0 settled values")),
    MOST,
    1.5,
  ],
  [
    "a submit on top of 98,000 unsettled over one on top of 1,000",
    own(onTopOf("98,000")),
    own(onTopOf("1,000")),
    MOST,
    1.5,
  ],
  [
    "the longest submit held up by a cleaning, over the usual 99th percentile",
    own("submit held up by a cleaning, longest"),
    own("submit while tasks settle, 99th percentile"),
    MOST,
    1.5,
  ],
  [
    "the log beyond twice what is live, over the 256 KiB of its documented bound, at a pace",
    own("log beyond twice what is live, at a pace, most"),
    LOG_BOUND_KIB,
    MOST,
    1.25,
  ],
  [
    "the same where submits leave no pause",
    own("log beyond twice what is live, without a pause, most"),
    LOG_BOUND_KIB,
    MOST,
    1.25,
  ],
];

/** `{ text, limit, ratio, isMet }` for each bar that the results can judge. */
export function judge(results) {
  return BARS.flatMap(([text, over, under, kind, limit]) => {
    const figure = medianOf(results, over);
    const base = medianOf(results, under);
    if (figure === undefined || base === undefined) return [];
    const ratio = figure / base;
    const isMet = kind === MOST ? ratio <= limit : ratio >= limit;
    const shown = limit < 1 ? `1/${Math.round(1 / limit)}` : `${limit}`;
    return [{ text, limit: `${kind} ${shown}`, ratio, isMet }];
  });
}

function medianOf(results, side) {
  if (typeof side === "number") return side;
  const [workload, column] = side;
  const isIt = (result) => result.column === column && matches(workload, result.workload);
  return results.find(isIt)?.median;
}

function matches(pattern, name) {
  return pattern instanceof RegExp ? pattern.test(name) : pattern === name;
}
