// The benchmark's table: what is measured, of whom, how often. The measures themselves are in page/.

/** Who is measured. `durability` is what the column can choose: both, or the one that it has. */
export const COLUMNS = {
  "uplink-cache": { title: "uplink-cache", durability: "both" },
  "hand-grouped": { title: "IndexedDB by hand, one commit for all that is queued", durability: "both" },
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

const awaited = { measure: "awaited", figure: "each", unit: "ms" };
const atOnce = { measure: "atOnce", figure: "each", unit: "ms" };
const reading = { figure: "each", unit: "ms", options: { count: 1_000, filled: 10_000 } };
const paging = { measure: "page", figure: "each", unit: "ms", options: { count: 100 } };

/**
 * `columns` of a workload run in every round, `slow` ones in `slowRounds`. Rounds and columns have a number for the full run and
 * one for the quick one. `handOf` names the workload whose hand-written figure is the one to compare with.
 */
export const WORKLOADS = [
  {
    name: "one awaited submit, strict",
    ...awaited,
    options: { count: 200, durability: "strict" },
    columns: { full: choosing, quick: choosing },
    rounds: { full: 7, quick: 5 },
  },
  {
    name: "one awaited submit, relaxed",
    ...awaited,
    options: { count: 200, durability: "relaxed" },
    columns: { full: all, quick: all },
    rounds: { full: 7, quick: 3 },
  },
  {
    name: "1,000 submits at once",
    ...atOnce,
    options: { count: 1_000 },
    columns: { full: all, quick: all },
    rounds: { full: 5, quick: 2 },
  },
  {
    name: "10,000 submits at once",
    ...atOnce,
    options: { count: 10_000 },
    columns: { full: all, quick: ["uplink-cache", "hand-grouped", "idb", "dexie"] },
    slow: all.filter((column) => !fast.includes(column)),
    rounds: { full: 7, quick: 3 },
    slowRounds: { full: 3, quick: 1 },
  },
  ...[
    [1_000, "1,000"],
    [10_000, "10,000"],
    [98_000, "98,000"],
  ].map(([filled, text]) => ({
    name: `1,000 submits at once, on top of ${text} unsettled`,
    ...atOnce,
    options: { count: 1_000, filled },
    columns: { full: fast, quick: ["uplink-cache"] },
    rounds: { full: 5, quick: 2 },
  })),
  {
    name: "read of an unsettled task, awaited",
    measure: "read",
    ...reading,
    columns: { full: byKey, quick: byKey.filter((column) => column !== "localforage" && column !== "pouchdb") },
    rounds: { full: 5, quick: 3 },
  },
  {
    name: "read of an unsettled task, peek",
    measure: "peek",
    ...reading,
    options: { count: 5_000, filled: 10_000 },
    columns: { full: ["uplink-cache", "tanstack"], quick: ["uplink-cache"] },
    rounds: { full: 5, quick: 3 },
    handOf: "read of an unsettled task, awaited",
  },
  {
    name: "a page of 50 out of 10,000",
    ...paging,
    options: { count: 100, filled: 10_000 },
    columns: { full: ranged, quick: ["uplink-cache", "hand-grouped", "idb", "dexie"] },
    slow: ["localforage", "pouchdb"],
    rounds: { full: 5, quick: 3 },
    slowRounds: { full: 1, quick: 1 },
  },
  {
    name: "a page of 50 out of 100,000",
    ...paging,
    options: { count: 100, filled: 100_000 },
    columns: { full: ["uplink-cache", "hand-grouped", "idb", "dexie"], quick: [] },
    rounds: { full: 2, quick: 0 },
  },
  {
    name: "10,000 status changes",
    measure: "changeStatus",
    figure: "each",
    unit: "ms",
    options: { count: 10_000 },
    columns: { full: ranged, quick: ["uplink-cache", "hand-grouped", "idb", "dexie"] },
    slow: ["hand-single", "localforage", "pouchdb", "rxdb"],
    rounds: { full: 5, quick: 2 },
    slowRounds: { full: 1, quick: 1 },
  },
  {
    name: "submit to sent",
    measure: "send",
    figure: "each",
    unit: "ms",
    options: { count: 100 },
    chain: {},
    columns: { full: all, quick: all },
    rounds: { full: 3, quick: 1 },
  },
];

/** Databases that are made once, and then opened in a browser that was just started. */
export const OPENINGS = {
  sizes: { full: [1_000, 10_000, 100_000], quick: [1_000, 10_000] },
  columns: {
    1000: all,
    10000: all,
    100000: ["uplink-cache", "hand-grouped", "idb", "dexie"],
  },
  quickColumns: ["uplink-cache", "hand-grouped", "idb", "dexie"],
  rounds: { full: 7, quick: 3 },
  settled: { full: 1_000_000, quick: 20_000 },
};
