// What the board submits: a post, an edit of one's own, a like. Each is a key, a value, and the call that does it on chain.

import { LIKES, POST, postId } from "./contract.js";

/** A post is a value of its own, listed by its thread. */
export function post({ thread, text, author }) {
  const at = Date.now();
  return { key: `${POST}${postId(at, author)}`, value: { text, thread }, tags: { thread } };
}

/** An edit changes what a post says, whatever else that holds by then. */
export function edit({ key, thread }, text) {
  return { key, update: "edit", value: { text }, tags: { thread } };
}

/** A like adds one to what the chain counts, and is taken away again should it fail. */
export function like(key) {
  return { key: `${LIKES}${key.slice(POST.length)}`, update: "like", value: 1 };
}

/** For `openCache`: how a value comes of the one before. */
export const updates = {
  edit: (previous, { text }) => ({ ...previous, text, isEdited: true }),
  like: (previous) => ({ likes: (previous?.likes ?? 0) + 1, liked: true }),
};

/** For `localSigner`: the transaction of a task. Its gas is not asked of the chain, which may be out of reach. */
export function transactionOf(board, task) {
  const call = callOf(board, task);
  return { ...call, gas: 250_000n + 1_000n * BigInt((call.data.length - 2) / 2) };
}

function callOf(board, { key, value, update }) {
  if (key.startsWith(LIKES)) return board.like(key.slice(LIKES.length));
  const id = key.slice(POST.length);
  return update === "edit" ? board.edit(id, value.text) : board.post({ id, ...value });
}
