// Puts the built package on `uplink` for page.evaluate, with what a page can do better than Node: functions that cannot
// cross over (codecs, `read`), handles made plain, and waiting on the package's own events.

import * as uplinkCache from "/dist/index.js";

const { bytes, evm, openCache, UplinkError } = uplinkCache;
if (location.search === "?offline") navigator.serviceWorker.register("/offline.js");

const EVENTS = ["status", "reorg", "storage", "leader", "head"];
const CODECS = { bytes };

/** `openCache` with options that are plain data: `signers` as signers.js describes them, `gateway` are the options of `evm`, `registry` an address to read keys from, `updates` names of functions on `updateFunctions`. */
const open = async (options) => openCache(optionsOf(options));
/** The same of `openEarly`. */
const openEarly = (options) => uplinkCache.openEarly(optionsOf(options));

function optionsOf({ gateway, registry, codec, signers, updates, ...options }) {
  const read = registry && ((key, rpc, at) => readRegistry(registry, key, rpc, at));
  return {
    ...options,
    gateway: evm({ ...gateway, ...(read && { read }) }),
    ...(signers && { signers: globalThis.signers.make(signers, uplinkCache) }),
    ...(updates && {
      updates: Object.fromEntries(updates.map((name) => [name, globalThis.updateFunctions[name]])),
    }),
    ...(codec && { codec: CODECS[codec] }),
  };
}

/** Opens `options` as the global `cache`. */
async function start(options) {
  globalThis.cache = await open(options);
}

/** The registry is called with the key as one zero-padded word, and answers with one word of zero-padded JSON text. */
async function readRegistry(address, key, rpc, at) {
  const data = hexOf(new TextEncoder().encode(key)).padEnd(66, "0");
  const word = await rpc("eth_call", [{ to: address, data }, at.block]);
  const text = bytesOf(word).filter((byte) => byte !== 0);
  return text.length === 0 ? undefined : text;
}

/** A task handle as plain data. */
function describe(task) {
  if (task === undefined) return undefined;
  const { id, txId, key, status, reason, cause, block, reverted, attempts, size, createdAt } = task;
  const { nonce, lane, signer, after, update } = task;
  return {
    id,
    txId,
    key,
    status,
    reason,
    cause: cause && String(cause),
    block,
    reverted,
    attempts,
    size,
    createdAt,
    nonce,
    lane,
    signer,
    after,
    update,
  };
}

/** What an action comes to: `{ value }`, or `{ error }` with what callers may rely on. */
async function attempt(action) {
  try {
    return { value: await action() };
  } catch (error) {
    const { name, message, code, retryable } = error;
    return {
      error: { name, message, code, retryable, isUplinkError: error instanceof UplinkError },
    };
  }
}

/** Resolves with the first truthy result of `check`, asked now and after every event of `cache`. */
function when(check) {
  return new Promise((resolve) => {
    const look = () => {
      const result = check();
      if (!result) return;
      for (const type of EVENTS) cache.removeEventListener(type, look);
      resolve(result);
    };
    for (const type of EVENTS) cache.addEventListener(type, look);
    look();
  });
}

/** Resolves with the first items that a watcher of `selector` gets and `check` accepts. */
function whenWatched(selector, check) {
  return new Promise((resolve) => {
    const stop = cache.watch(selector, ({ items }) => {
      if (!check(items)) return;
      queueMicrotask(() => stop());
      resolve(items);
    });
  });
}

/**
 * Collects every page that a watcher of `selector` gets, each item in short. `pages.until(check)` waits for the watcher's
 * newest page to pass `check`: a watcher is called once a frame, each in its own, so another one may know earlier.
 */
function collect(selector) {
  const waiting = new Set();
  const pages = Object.assign([], {
    until: (check) =>
      new Promise((resolve) => {
        const look = () => {
          if (pages.length === 0 || !check(pages.at(-1))) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
  });
  cache.watch(selector, ({ items }) => {
    pages.push(items.map(({ key, value, source, status }) => ({ key, value, source, status })));
    for (const look of waiting) look();
  });
  return pages;
}

/** How many records the origin's databases hold: what "nothing stored" is checked by. */
async function countRecords() {
  let total = 0;
  for (const { name } of await indexedDB.databases()) {
    const database = await done(indexedDB.open(name));
    for (const store of database.objectStoreNames) {
      total += await done(database.transaction(store).objectStore(store).count());
    }
    database.close();
  }
  return total;
}

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function hexOf(array) {
  return `0x${Array.from(array, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

function bytesOf(hex) {
  return Uint8Array.from(hex.slice(2).match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

globalThis.uplink = {
  ...uplinkCache,
  attempt,
  bytesOf,
  collect,
  countRecords,
  describe,
  done,
  hexOf,
  open,
  openEarly,
  start,
  when,
  whenWatched,
};
