// The list of entries: this browser's own from the cache as they change, everybody else's as the chain gets them.

import { byId, setText } from "./dom.js";
import { entryCard } from "./entry-card.js";
import { authorOf, PREFIX } from "./registry.js";

const PAGE_SIZE = 50;
const CLOCK_MS = 20_000;

/**
 * Shows and keeps the list up to date.
 * Returns `discover(count)` to look for entries among the chain's newest keys, and what else the page asks of it.
 */
export function showEntries({ cache, registry, account, finalityDepth, onError }) {
  const list = byId("entries");
  const olderButton = byId("older");
  const cards = new Map();
  const unreadable = new Set();
  let fromChain = new Map();
  let watched = new Map();
  let limit = PAGE_SIZE;
  let keyCount = 0;
  let chain = { head: undefined, isReachable: true };
  let hasLooked = false;
  let stopWatching = watch();

  olderButton.addEventListener("click", () => {
    limit += PAGE_SIZE;
    stopWatching();
    stopWatching = watch();
    discover(keyCount);
  });
  setInterval(() => {
    for (const card of cards.values()) card.tick();
  }, CLOCK_MS);

  function watch() {
    return cache.watch({ prefix: PREFIX, limit, reverse: true }, (page) => {
      watched = new Map(page.items.map((entry) => [entry.key, entry]));
      render();
    });
  }

  function isOwn(key) {
    return authorOf(key) === account.address.toLowerCase();
  }

  function render() {
    const entries = [...new Map([...fromChain, ...watched]).values()]
      .filter((entry) => authorOf(entry.key) !== undefined)
      .sort((a, b) => (a.key < b.key ? 1 : -1))
      .slice(0, limit);
    const keys = new Set(entries.map((entry) => entry.key));
    for (const [key, card] of cards) {
      if (keys.has(key)) continue;
      card.item.remove();
      cards.delete(key);
    }
    for (const [index, entry] of entries.entries()) {
      const { item, update } = cardOf(entry.key);
      update({
        entry,
        task: entry.taskId === undefined ? undefined : cache.task(entry.taskId),
        ...chain,
      });
      if (list.children[index] !== item) list.insertBefore(item, list.children[index] ?? null);
    }
    showWhatIsMissing(entries.length);
    olderButton.hidden = keyCount <= limit;
  }

  function showWhatIsMissing(entryCount) {
    const note = byId("no-entries");
    note.hidden = hasLooked ? entryCount > 0 : chain.isReachable && entryCount > 0;
    if (hasLooked) setText(note, "Nobody has signed yet. Be the first.");
    else if (chain.isReachable) setText(note, "Reading the guestbook…");
    else setText(note, "What others signed is on the chain, which cannot be reached just now.");
  }

  function cardOf(key) {
    if (!cards.has(key)) {
      const card = entryCard(key, {
        own: isOwn(key),
        finalityDepth,
        askChain: (asked) => cache.read(asked, { source: "chain" }),
        retry: (taskId) =>
          cache.retry(taskId).catch((error) => onError("Could not try again", error)),
      });
      cards.set(key, card);
    }
    return cards.get(key);
  }

  /** Reads the entries that the chain has under its newest keys and this page has not. */
  async function discover(count) {
    keyCount = count;
    let keys;
    try {
      keys = await registry.keys(Math.max(0, count - limit), count);
    } catch {
      // The chain went out of reach since it gave the count. The next look tries again.
      return;
    }
    // A stranger's entry is read from the chain even while a task of ours would overwrite it: the task may fail.
    const isMissing = (key) =>
      authorOf(key) && !fromChain.has(key) && !(isOwn(key) && watched.has(key));
    const read = await Promise.all(keys.filter(isMissing).map(readOnce));
    // What a reorg took from the chain is not shown on.
    fromChain = new Map(
      [...fromChain.values(), ...read]
        .filter((entry) => entry !== undefined && keys.includes(entry.key))
        .map((entry) => [entry.key, entry]),
    );
    hasLooked = true;
    render();
  }

  /** The entry under a key; undefined where there is none, or none that can be read. */
  async function readOnce(key) {
    if (unreadable.has(key)) return undefined;
    try {
      return await cache.read(key, { source: "chain" });
    } catch (error) {
      if (!error.retryable) {
        unreadable.add(key);
        onError(`Could not read ${key}`, error);
      }
      return undefined;
    }
  }

  return {
    discover,
    /** How high the chain is, as far as known, and whether it can be reached. */
    showChain(state) {
      chain = { ...chain, ...state };
      render();
    },
    /** Brings an entry into view. */
    reveal(key) {
      cards.get(key)?.item.scrollIntoView({ block: "nearest" });
    },
    /** A stranger's entry, the newest, for those who want to overwrite one. */
    someoneElses() {
      return [...cards.keys()].sort().findLast((key) => !isOwn(key));
    },
  };
}
