// An indexer as dapps have them, but in this page, and with a lag that a visitor chooses: it knows the chain up to some
// blocks behind the head, and what it knows it gives as rows.

import { bornOf } from "./contract.js";

/**
 * Calls `onRows({ rows, seenAtBlock, head })` after each look, and `onLost()` after one that failed, while the page is seen.
 * Returns `look()` and `setLag(blocks)`, which looks at once.
 */
export function openIndexer({ board, everyMs, lag, onRows, onLost }) {
  let timer;
  let behind = lag;
  let turn = 0;

  async function look() {
    clearTimeout(timer);
    turn += 1;
    const own = turn;
    try {
      const head = Number(await board.client.getBlockNumber({ cacheTime: 0 }));
      const seenAtBlock = Math.max(0, head - behind);
      const rows = rowsOf(await board.eventsUntil(seenAtBlock));
      // An earlier look that was slow says nothing any more.
      if (own === turn) onRows({ rows, seenAtBlock, head });
    } catch {
      if (own === turn) onLost();
    }
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(look, everyMs);
  }

  document.addEventListener("visibilitychange", look);
  look();
  return {
    look,
    setLag(blocks) {
      behind = blocks;
      look();
    },
  };
}

/** Rows as a database would have them, newest first. */
function rowsOf(events) {
  const rows = new Map();
  for (const { eventName, args, transactionHash, blockNumber } of events) {
    const known = rows.get(args.id);
    switch (eventName) {
      case "Posted": {
        const { id, thread, text } = args;
        const block = Number(blockNumber);
        rows.set(id, { id, thread, text, ...bornOf(id), txId: transactionHash, block });
        break;
      }
      case "Edited":
        rows.set(args.id, { ...known, text: args.text, isEdited: true });
        break;
    }
  }
  return [...rows.values()].sort((a, b) => (a.id < b.id ? 1 : -1));
}
