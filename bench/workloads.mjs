// The benchmark's table: what is measured, of whom, how often. The measures themselves are in page/.

/** Who is measured. `durability` is what the column can choose: both, or the one that it has. */
export const COLUMNS = {
  "uplink-cache": { title: "uplink-cache", durability: "both" },
  "hand-grouped": {
    title: "IndexedDB by hand, one commit for all that is queued",
    durability: "both",
  },
  "hand-single": { title: "IndexedDB by hand, a commit a record", durability: "both" },
  idb: { title: "idb", durability: "both", package: "idb" },
  dexie: { title: "Dexie", durability: "both", package: "dexie" },
  localforage: { title: "localForage", durability: "relaxed", package: "localforage" },
  pouchdb: { title: "PouchDB", durability: "relaxed", package: "pouchdb-browser" },
  rxdb: { title: "RxDB (Dexie storage)", durability: "both", package: "rxdb" },
  tanstack: {
    title: "TanStack offline transactions",
    durability: "relaxed",
    package: "@tanstack/offline-transactions",
  },
  workbox: { title: "Workbox's queue", durability: "relaxed", package: "workbox-background-sync" },
};

/** Whom each figure is compared with: the limit of what can be done by hand. */
export const HAND = "hand-grouped";
export const OWN = "uplink-cache";

const all = Object.keys(COLUMNS);
const choosing = all.filter((column) => COLUMNS[column].durability === "both");
const byKey = all.filter((column) => column !== "workbox");
const ranged = byKey.filter((column) => column !== "tanstack");
const fast = ["uplink-cache", "hand-grouped"];
const quickColumns = ["uplink-cache", "hand-grouped", "idb", "dexie"];

const ms = (name, more) => ({ name, unit: "ms", ...more });
const READ = "read of an unsettled task, awaited";
const BY_TAG = "a page of 50 by tag out of 10,000, newest first";
/** Where the chain is to settle as fast as it can. */
export const UNLIMITED = { pollMs: 50, rateLimit: { perSecond: 100_000, burst: 100_000 } };

/**
 * `figures`: what a measure gives, and the name of the workload that it is in the results; `handOf` there names the workload whose
 * hand-written figure is the one to compare with. `columns` run in every round, those among `slow` in the first `slowRounds`.
 * The full run and the quick one have columns and rounds of their own.
 */
export const WORKLOADS = [
  {
    figures: { each: ms("one awaited submit, strict") },
    measure: "awaited",
    options: { count: 200, durability: "strict" },
    columns: { full: choosing, quick: choosing },
    rounds: { full: 7, quick: 5 },
  },
  {
    figures: { each: ms("one awaited submit, relaxed") },
    measure: "awaited",
    options: { count: 200, durability: "relaxed" },
    columns: { full: all, quick: all },
    rounds: { full: 7, quick: 3 },
  },
  {
    figures: {
      alone: { name: "calls across the boundary, an awaited submit", unit: "calls" },
      among: { name: "calls across the boundary, a submit among 1,000", unit: "calls" },
    },
    measure: "crossings",
    options: { count: 1_000 },
    columns: { full: [OWN], quick: [OWN] },
    rounds: { full: 1, quick: 1 },
  },
  {
    figures: { each: ms("1,000 submits at once") },
    measure: "atOnce",
    options: { count: 1_000 },
    columns: { full: all, quick: all },
    rounds: { full: 3, quick: 2 },
  },
  {
    figures: { each: ms("10,000 submits at once") },
    measure: "atOnce",
    options: { count: 10_000 },
    columns: { full: all, quick: quickColumns },
    slow: all.filter((column) => !fast.includes(column)),
    rounds: { full: 7, quick: 3 },
    slowRounds: { full: 2, quick: 1 },
  },
  ...[1_000, 10_000, 98_000].map((filled) => ({
    figures: {
      each: ms(`1,000 submits at once, on top of ${filled.toLocaleString("en")} unsettled`),
    },
    measure: "atOnce",
    options: { count: 1_000, filled },
    columns: { full: [OWN], quick: [OWN] },
    rounds: { full: 3, quick: 2 },
  })),
  {
    figures: {
      read: ms(READ),
      peek: ms("read of an unsettled task, peek", { handOf: READ }),
      again: ms("read of an unsettled task, peek again", { handOf: READ }),
      page: ms("a page of 50 out of 10,000"),
    },
    measure: "reads",
    options: { count: 1_000, pages: 100, filled: 10_000 },
    columns: { full: byKey, quick: quickColumns },
    slow: ["localforage", "pouchdb", "hand-single"],
    rounds: { full: 3, quick: 3 },
    slowRounds: { full: 1, quick: 1 },
  },
  {
    figures: { page: ms("a page of 50 out of 100,000") },
    measure: "reads",
    options: { count: 100, pages: 100, filled: 100_000 },
    columns: { full: quickColumns, quick: [] },
    rounds: { full: 2, quick: 0 },
  },
  {
    figures: { page: ms(BY_TAG), again: ms(`${BY_TAG}, again`) },
    measure: "pagesByTag",
    options: { pages: 100, filled: 10_000 },
    columns: { full: [OWN, "hand-grouped"], quick: [OWN, "hand-grouped"] },
    rounds: { full: 3, quick: 3 },
  },
  {
    figures: {
      page: ms(`${BY_TAG}, half of it settled`, { handOf: BY_TAG }),
      again: ms(`${BY_TAG}, half of it settled, again`, { handOf: BY_TAG }),
    },
    measure: "pagesHalfSettled",
    options: { pages: 100, filled: 10_000, gateway: UNLIMITED },
    chain: { blockMs: 250 },
    columns: { full: [OWN], quick: [OWN] },
    rounds: { full: 3, quick: 1 },
  },
  {
    figures: { each: ms("10,000 status changes") },
    measure: "changeStatus",
    options: { count: 10_000 },
    columns: { full: ranged, quick: quickColumns },
    slow: ["hand-single", "localforage", "pouchdb", "rxdb"],
    rounds: { full: 3, quick: 2 },
    slowRounds: { full: 1, quick: 1 },
  },
  {
    figures: { each: ms("submit to sent") },
    measure: "send",
    options: { count: 100 },
    chain: {},
    columns: { full: all, quick: all },
    rounds: { full: 3, quick: 1 },
  },
];

/** Databases that are made once, and then opened in a browser that was just started. */
export const OPENINGS = {
  columns: {
    full: { 1: all, 1000: all, 10000: all, 100000: quickColumns },
    quick: { 1: quickColumns, 1000: quickColumns, 10000: quickColumns },
  },
  rounds: { full: 5, quick: 3 },
  /** How many settled values, unless `--settled=` says so: a million takes some ten minutes to settle. */
  settled: { full: 100_000, quick: 10_000 },
};
