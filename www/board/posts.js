// The list of a thread: rows of the indexer, merged with the tasks that it does not know of yet.

import { byId, setText } from "../dom.js";
import { bornOf, LIKES, POST } from "./contract.js";
import { postCard } from "./post-card.js";

const PAGE_SIZE = 50;
const CLOCK_MS = 20_000;

/** Shows and keeps the list up to date. What it returns takes the thread to show, and what the indexer gives. */
export function showPosts({ cache, account, finalityDepth, everyMs, edit, like, onError }) {
  const list = byId("posts");
  const olderButton = byId("older");
  const cards = new Map();
  let thread;
  let limit = PAGE_SIZE;
  let indexed = { rows: [], seenAtBlock: 0, head: undefined };
  let isReachable = true;
  let hasRows = false;
  let turn = 0;
  let stopWatching = () => {};

  olderButton.addEventListener("click", () => {
    limit += PAGE_SIZE;
    merge();
  });
  setInterval(() => {
    for (const card of cards.values()) card.tick();
  }, CLOCK_MS);
  // Likes of ours, before the chain counts them.
  cache.watch({ prefix: LIKES }, () => showLikes());

  function show(chosen) {
    thread = chosen;
    limit = PAGE_SIZE;
    stopWatching();
    stopWatching = cache.watch({ tag: ["thread", thread], order: "newest" }, merge);
  }

  /** One list of what the indexer knows and what it does not: nothing twice, nothing missing, in the order of ids. */
  async function merge() {
    turn += 1;
    const own = turn;
    const rows = indexed.rows.filter((row) => row.thread === thread);
    try {
      const merged = await cache.merge(rows, {
        by: ({ id, txId, block }) => ({ key: `${POST}${id}`, txId, block, sort: `${POST}${id}` }),
        query: { tag: ["thread", thread], order: "newest" },
        seenAtBlock: indexed.seenAtBlock,
      });
      if (own === turn) render(merged);
    } catch (error) {
      if (error.code !== "closed") onError("Could not merge the list", error);
    }
  }

  function render(merged) {
    const shown = merged.slice(0, limit);
    const keys = new Set(shown.map(keyOf));
    for (const [key, card] of cards) {
      if (keys.has(key)) continue;
      card.item.remove();
      cards.delete(key);
    }
    for (const [index, item] of shown.entries()) {
      const card = cardOf(keyOf(item));
      const { entry } = item;
      const task = entry?.taskId === undefined ? undefined : cache.task(entry.taskId);
      card.update({ ...item, task, head: indexed.head, isReachable });
      if (list.children[index] !== card.item) {
        list.insertBefore(card.item, list.children[index] ?? null);
      }
    }
    olderButton.hidden = merged.length <= limit;
    setText(byId("from-rows"), `${merged.filter(({ row }) => row).length}`);
    setText(byId("from-backup"), `${merged.filter(({ from }) => from === "entry").length}`);
    const note = byId("no-posts");
    note.hidden = merged.length > 0;
    if (hasRows) setText(note, "Nobody has posted in this thread yet.");
    else
      setText(note, isReachable ? "Reading the board…" : "The chain cannot be reached just now.");
    showLikes();
  }

  function cardOf(key) {
    if (!cards.has(key)) {
      const { author } = bornOf(key.slice(POST.length));
      const card = postCard(key, {
        isOwn: author === account.address.toLowerCase(),
        finalityDepth,
        edit: (text) =>
          edit({ key, thread }, text).catch((error) => onError("Could not edit", error)),
        like: () => like(key).catch((error) => onError("Could not like", error)),
        retry: (taskId) =>
          cache.retry(taskId).catch((error) => onError("Could not try again", error)),
      });
      cards.set(key, card);
    }
    return cards.get(key);
  }

  /** What the chain counts, for the whole page in one question, with one's own likes over that. */
  async function showLikes() {
    const shown = [...cards].map(([key, card]) => ({ card, id: key.slice(POST.length) }));
    if (shown.length === 0) return;
    try {
      const counted = await cache.readMany(
        shown.map(({ id }) => `${LIKES}${id}`),
        { maxAge: everyMs },
      );
      for (const [at, { card }] of shown.entries()) {
        // What could not be read leaves the count at what was shown.
        card.showLikes(counted[at]);
      }
    } catch (error) {
      if (error.code !== "closed") onError("Could not read the likes", error);
    }
  }

  return {
    show,
    showRows(newest) {
      indexed = newest;
      isReachable = true;
      hasRows = true;
      merge();
    },
    showLost() {
      isReachable = false;
      merge();
    },
    /** Likes the newest post, so many times. */
    async likeNewest(times) {
      const newest = [...cards.keys()].sort().at(-1);
      if (newest === undefined) return;
      for (let i = 0; i < times; i++) await like(newest);
    },
  };
}

function keyOf({ row, entry }) {
  return entry?.key ?? `${POST}${row.id}`;
}
