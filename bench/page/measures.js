// What is measured in a page, one function a workload. Each opens the column's store, makes what it needs, measures, checks that
// nothing is lost, and gives a number for each figure.

import {
  bodyOf,
  contentOf,
  fetchRecords,
  keyOf,
  post,
  prefixOfHundred,
  THREADS,
  threadOf,
} from "./records.js";

const FILL_STEP = 10_000;
const WARM_UP = 50;
const BLOCK = 25;
const PAGE_WARM_UP = 10;
const PEEKS_A_READ = 5;

/** One awaited put after another: the median of each, in ms. */
export async function awaited(column, { count, ...options }) {
  const store = await openStore(column, options);
  const records = await fetchRecords(0, WARM_UP + count, options);
  for (const record of records.splice(0, WARM_UP)) await store.put(record);
  settleDown();
  const times = [];
  for (const record of records) {
    const start = performance.now();
    await store.put(record);
    times.push(performance.now() - start);
  }
  await expectCount(store, WARM_UP + count);
  return { each: median(times) };
}

/** All puts called at once, each with a promise of its own: ms a record, until the last is acknowledged. */
export async function atOnce(column, { count, filled = 0, ...options }) {
  const store = await openStore(column, options);
  await fill(store, 0, filled, options);
  const records = await fetchRecords(filled, WARM_UP + count, options);
  await Promise.all(records.splice(0, WARM_UP).map(store.put));
  settleDown();
  const start = performance.now();
  await Promise.all(records.map(store.put));
  const each = (performance.now() - start) / count;
  await expectCount(store, filled + WARM_UP + count);
  return { each };
}

/**
 * Reads by random keys among those that were put, awaited: ms each; and without waiting where a store can, each key for the first
 * time, and then the same keys again. Pages of 50 of the hundred keys under a random prefix, where it has ranges: the median
 * of each, in ms.
 */
export async function reads(column, { count, pages, filled, ...options }) {
  const store = await openStore(column, options);
  await fill(store, 0, filled, options);
  settleDown();
  const numbers = shuffled(filled);
  const peekAll = () => {
    let at = 0;
    return readRandomly(store.peek, PEEKS_A_READ * count, () => numbers[at++]);
  };
  return {
    read: await readRandomly(store.read, count, () => randomBelow(filled)),
    peek: store.peek && (await peekAll()),
    again: store.peek && (await peekAll()),
    page: store.page && (await readPages(store, pages, filled)).page,
  };
}

function readPages(store, count, filled) {
  return timePages(count, () => {
    const from = randomBelow(filled / 100) * 100;
    return {
      read: () => store.page(prefixOfHundred(from), 50),
      numbers: Array.from({ length: 50 }, (_, at) => from + at),
    };
  });
}

/** Pages of the newest 50 records of a random thread, by a tag or an index: the median of each, in ms. */
export async function pagesByTag(column, { pages, filled, ...options }) {
  const store = await openStore(column, { ...options, threads: true });
  await fill(store, 0, filled, { ...options, threads: true });
  settleDown();
  return readThreads(store, pages, filled);
}

export function readThreads(store, count, filled) {
  return timePages(count, () => {
    const last = filled - THREADS + randomBelow(THREADS);
    return {
      read: () => store.pageOfThread(threadOf(last), 50),
      numbers: Array.from({ length: 50 }, (_, at) => last - at * THREADS),
    };
  });
}

/**
 * `choose` gives how a page is read, and the numbers of what must be on it: ms of a page, and of the same one right afterwards,
 * as a list that is kept up to date reads it.
 */
async function timePages(count, choose) {
  const times = { page: [], again: [] };
  for (let i = 0; i < PAGE_WARM_UP + count; i++) {
    const { read, numbers } = choose();
    for (const spent of Object.values(times)) {
      const start = performance.now();
      const items = await read();
      spent.push(performance.now() - start);
      const isRight = items.length === 50 && items.every((item, at) => isEntry(item, numbers[at]));
      if (!isRight) throw new Error(`the page that begins with ${keyOf(numbers[0])} is wrong`);
    }
  }
  const usual = (spent) => median(spent.slice(PAGE_WARM_UP));
  return { page: usual(times.page), again: usual(times.again) };
}

/** The status of every record changed, called at once, durable: ms a record. */
export async function changeStatus(column, { count, ...options }) {
  const store = await openStore(column, options);
  await fill(store, 0, count, options);
  const keys = Array.from({ length: count }, (_, i) => keyOf(i));
  settleDown();
  const start = performance.now();
  await store.changeStatus(keys);
  const each = (performance.now() - start) / count;
  const changed = await store.countChanged();
  if (changed !== count) throw new Error(`${changed} of ${count} records were changed`);
  return { each };
}

/** Puts records to be opened later, and leaves. */
export async function prepare(column, { filled, ...options }) {
  const store = await openStore(column, options);
  await fill(store, 0, filled, options);
  await expectCount(store, filled);
  await store.close();
  return {};
}

/**
 * Opens what `prepare` left: ms until the store is open, and until a first read is answered, where a column can answer it before
 * all is open.
 */
export async function reopen(column, { filled, ...options }) {
  const number = randomBelow(filled);
  const start = performance.now();
  const opening = (column.openEarly ?? openWhole(column))(optionsOf(options));
  let open;
  const opened = opening.store.then((store) => {
    open = performance.now() - start;
    return store;
  });
  const item = await opening.read(keyOf(number));
  const firstRead = performance.now() - start;
  const store = await opened;
  if (!isEntry(item, number) && item?.metadata?.key !== keyOf(number)) {
    throw new Error(`entry ${number} was not read after opening`);
  }
  await expectCount(store, filled);
  return { open, firstRead };
}

const openWhole = (column) => (options) => {
  const store = column.open(options);
  return { store, read: async (key) => (await store).read(key) };
};

/** From the put to the answer of a gateway that answers at once, and its note: the median, in ms. */
export async function send(column, { count, ...options }) {
  const store = await openStore(column, { ...options, sends: true });
  const records = await fetchRecords(0, WARM_UP / 2 + count, options);
  for (const record of records.splice(0, WARM_UP / 2)) await store.send(record);
  settleDown();
  const times = [];
  for (const record of records) {
    const start = performance.now();
    await store.send(record);
    times.push(performance.now() - start);
  }
  return { each: median(times) };
}

export async function openStore(column, options) {
  const store = await column.open(optionsOf(options));
  globalThis.store = store;
  return store;
}

/** Puts records by the store's best way for many. */
export async function fill(store, first, count, options) {
  for (let at = first; at < first + count; at += FILL_STEP) {
    const step = Math.min(FILL_STEP, first + count - at);
    await store.fill(await fetchRecords(at, step, options));
  }
}

export async function expectCount(store, expected) {
  const count = await store.count();
  if (count !== expected) throw new Error(`${count} of ${expected} records are there`);
}

/** Times blocks of reads, as a single one may be below the clock's resolution: the median block's ms a read. */
export async function readRandomly(readOne, count, nextNumber) {
  const times = [];
  for (let at = 0; at < WARM_UP * 2 + count; at += BLOCK) {
    const numbers = Array.from({ length: BLOCK }, nextNumber);
    const keys = numbers.map(keyOf);
    const items = [];
    const start = performance.now();
    for (const key of keys) {
      const item = readOne(key);
      items.push(typeof item?.then === "function" ? await item : item);
    }
    times.push((performance.now() - start) / BLOCK);
    if (!items.every((item, i) => isEntry(item, numbers[i]))) throw new Error("a read is wrong");
  }
  return median(times.slice((WARM_UP * 2) / BLOCK));
}

export function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1
    ? sorted[Math.floor(middle)]
    : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function settleDown() {
  globalThis.gc?.();
}

function optionsOf(options) {
  return { ...options, post, bodyOf };
}

function isEntry(item, number) {
  return item?.key === keyOf(number) && item.value.text === contentOf(number).text;
}

export function shuffled(count) {
  const numbers = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = randomBelow(i + 1);
    [numbers[i], numbers[j]] = [numbers[j], numbers[i]];
  }
  return numbers;
}

function randomBelow(limit) {
  return Math.floor(Math.random() * limit);
}
