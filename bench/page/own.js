// What only this package can be asked: settled values, following a chain, and how it cleans its log.

import {
  expectCount,
  fill,
  median,
  openStore,
  readRandomly,
  readThreads,
  settleDown,
  shuffled,
} from "./measures.js";
import { fetchRecords, keyOf, THREADS } from "./records.js";

const LOOK_MS = 20;
const SETTLE_STEP = 10_000;
/** What the package leaves in its log until there is more, and some. */
const RESIDUE_BYTES = 600_000;
const QUIET_MS = 300;

/** Calls between JavaScript and WebAssembly, in both directions, of one submit after another, and of each of many at once. */
export async function crossings(column, { count, ...options }) {
  const calls = countCalls();
  const store = await openStore(column, options);
  const records = await fetchRecords(0, 2 * count, options);
  const first = calls();
  for (const record of records.slice(0, count)) await store.put(record);
  const second = calls();
  await Promise.all(records.slice(count).map(store.put));
  return { alone: (second - first) / count, among: (calls() - second) / count };
}

/** Counts them for modules that are made from now on. */
function countCalls() {
  let calls = 0;
  const counted = (functions) =>
    Object.fromEntries(
      Object.entries(functions).map(([name, it]) => {
        if (typeof it !== "function") return [name, it];
        const call = (...args) => {
          calls += 1;
          return it(...args);
        };
        return [name, call];
      }),
    );
  const { instantiate } = WebAssembly;
  WebAssembly.instantiate = async (module, imports) => {
    const within = Object.entries(imports).map(([name, all]) => [name, counted(all)]);
    const { exports } = await instantiate(module, Object.fromEntries(within));
    return { exports: counted(exports) };
  };
  return () => calls;
}

/** Has the chain settle records, and leaves once they are in the store of settled values. */
export async function settle(column, { filled, ...options }) {
  const store = await openStore(column, options);
  for (let at = 0; at < filled; at += SETTLE_STEP) {
    await fill(store, at, Math.min(SETTLE_STEP, filled - at), options);
    await until(() => isSettled(store));
  }
  await pause(QUIET_MS);
  const inLog = await store.count();
  await store.close();
  return { inLog };
}

/**
 * Pages of the newest 50 records of a random thread, by a tag, of which a chain settled every one but the newest 25: the median of
 * each, in ms.
 */
export async function pagesHalfSettled(column, { pages, filled, deadUrl, ...options }) {
  const threads = { ...options, threads: true };
  const store = await openStore(column, threads);
  const settledCount = filled - 25 * THREADS;
  await fill(store, 0, settledCount, threads);
  await until(() => isSettled(store));
  await store.close();
  const again = await openStore(column, { ...threads, gatewayUrl: deadUrl });
  await fill(again, settledCount, filled - settledCount, threads);
  settleDown();
  return readThreads(again, pages, filled);
}

/** Whether all that was put is settled, and in the store of settled values. */
function isSettled(store) {
  const { tasks, log } = store.cache.stats();
  const unsettled = tasks["backed-up"] + tasks.blocked + tasks.sent + tasks.included;
  return unsettled === 0 && log.bytes < RESIDUE_BYTES;
}

/** Settled values, each read for the first time since the page was opened, and then again: ms each. */
export async function readSettled(column, { count, filled, ...options }) {
  const store = await openStore(column, options);
  // The newest may still be in the log.
  const numbers = shuffled(filled / 2).slice(0, 2 * count);
  const readAll = () => {
    let at = 0;
    const next = () => numbers[at++];
    return readRandomly((key) => store.read(key), count, next);
  };
  return { cold: await readAll(), warm: await readAll() };
}

/** Opens what `settle` left, or an empty database: ms until it is open, and until a value is read. */
export async function reopenSettled(column, { filled, ...options }) {
  const start = performance.now();
  const store = await openStore(column, options);
  const open = performance.now() - start;
  if (filled === 0) return { open };
  // The newest may still be in the log.
  const number = Math.floor((Math.random() * filled) / 2);
  const entry = await store.read(keyOf(number));
  const firstRead = performance.now() - start;
  if (entry?.status !== "final" || entry.source !== "cache") {
    throw new Error(`entry ${number} is ${entry?.status} of ${entry?.source}`);
  }
  return { open, firstRead };
}

/** Opens the same database by the browser's own call, and reads no more than the keys of its log: ms. */
export async function openBare(_, { name, account }) {
  const start = performance.now();
  const opening = indexedDB.open(`uplink-cache/${name}/31337/${account.toLowerCase()}`);
  await new Promise((resolve, reject) => {
    opening.onsuccess = resolve;
    opening.onerror = () => reject(opening.error);
    // None is made where it is not.
    opening.onupgradeneeded = () => opening.transaction.abort();
  });
  const { result: database } = opening;
  const look = database.transaction("log").objectStore("log").getAllKeys();
  await new Promise((resolve, reject) => {
    look.onsuccess = resolve;
    look.onerror = () => reject(look.error);
  });
  const open = performance.now() - start;
  database.close();
  return { open };
}

/** Has the chain take records, which then wait for a block. */
export async function send10k(column, { count, ...options }) {
  const store = await openStore(column, options);
  await fill(store, 0, count, options);
  await until(() => store.cache.stats().tasks.sent === count);
  return {};
}

/** After `send10k`: a block takes them all. Ms a task until the last is included and that is durable. */
export async function include(_, { count, gatewayUrl }) {
  const { store } = globalThis;
  const included = new Promise((resolve) => {
    let seen = 0;
    store.cache.addEventListener("status", () => {
      seen += 1;
      if (seen === count) resolve();
    });
  });
  settleDown();
  const start = performance.now();
  await mine(gatewayUrl);
  await included;
  const each = (performance.now() - start) / count;
  const { tasks } = store.cache.stats();
  if (tasks.included + tasks.final !== count) throw new Error("not all are included");
  return { each };
}

/**
 * Puts one after another, with a short pause between them, while the chain settles what was put, so that the log is cleaned
 * meanwhile. A cleaning is seen by the log's bytes: a put during which they fell was held up by one. `over` is what the log had
 * beyond twice of what is live, at the most, in KiB.
 */
export async function clean(column, { count, pauseMs, ...options }) {
  const store = await openStore(column, options);
  const records = await fetchRecords(0, count, options);
  const usual = [];
  const heldUp = [];
  let cleanings = 0;
  let over = 0;
  let before = store.cache.stats().log;
  const look = () => {
    const { log } = store.cache.stats();
    const isCleaned = log.bytes < before.bytes;
    cleanings += isCleaned ? 1 : 0;
    over = Math.max(over, log.bytes - 2 * log.liveBytes);
    before = log;
    return isCleaned;
  };
  for (const record of records) {
    const start = performance.now();
    await store.put(record);
    const time = performance.now() - start;
    (look() ? heldUp : usual).push(time);
    if (pauseMs > 0) await pause(2 * pauseMs * Math.random());
    look();
  }
  const sorted = usual.toSorted((a, b) => a - b);
  return {
    median: median(usual),
    p99: sorted[Math.floor(0.99 * sorted.length)],
    longest: sorted.at(-1),
    heldUp: Math.max(...heldUp),
    heldUpMedian: median(heldUp),
    cleanings,
    over: over / 1024,
  };
}

/** Opens what is there, and collects garbage: then the page's process is looked at. */
export async function hold(column, { filled, ...options }) {
  const store = await openStore(column, options);
  await expectCount(store, filled);
  settleDown();
  await pause(QUIET_MS);
  settleDown();
  return {};
}

async function mine(url) {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "bench_mine", params: [] });
  await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function until(check) {
  while (!check()) await pause(LOOK_MS);
}
