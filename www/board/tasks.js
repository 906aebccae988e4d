// What the board submits: a post, an edit of one's own, a like. Each is a key, a value, and the call that does it on chain.

import { LIKES, POST, postId } from "./contract.js";

/** For `openCache`: what a like makes of what the chain counts, until the chain counts it itself. */
export const updates = {
  like: (counted = { likes: 0, liked: false }) =>
    counted.liked ? counted : { likes: counted.likes + 1, liked: true },
};

/** A post is a value of its own, listed by its thread. */
export function post({ thread, text, author }) {
  const at = Date.now();
  return { key: `${POST}${postId(at, author)}`, value: { text, thread }, tags: { thread } };
}

/** An edit writes one's own post anew, whose place in the list that does not change. */
export function edit({ key, thread }, text) {
  return { key, value: { text, thread, isEdited: true }, tags: { thread } };
}

/** A like stands over what the chain counts: where it fails, that is shown again. */
export function like(key) {
  return { key: `${LIKES}${key.slice(POST.length)}`, update: "like", value: true };
}

/** For `localSigner`: the transaction of a task. Its gas is not asked of the chain, which may be out of reach. */
export function transactionOf(board, task) {
  const call = callOf(board, task);
  return { ...call, gas: 250_000n + 1_000n * BigInt((call.data.length - 2) / 2) };
}

function callOf(board, { key, value }) {
  if (key.startsWith(LIKES)) return board.like(key.slice(LIKES.length));
  const id = key.slice(POST.length);
  return value.isEdited ? board.edit(id, value.text) : board.post({ id, ...value });
}
