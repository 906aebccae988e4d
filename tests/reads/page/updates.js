// The updates of a dapp, as the tests open it: JSON values, and functions with the habits of bad days.

const calls = { count: 0 };

globalThis.updateCalls = calls;
globalThis.updateFunctions = {
  /** Each like names who likes. */
  like(previous, who) {
    calls.count += 1;
    return { ...previous, likes: [...(previous?.likes ?? []), who] };
  },
  edit: (previous, text) => ({ ...previous, text }),
  double: (previous) => ({ ...previous, likes: [...previous.likes, ...previous.likes] }),
  throws() {
    throw new Error("I do not like it");
  },
  forgets() {},
  waits: async (previous) => previous,
  reads: (previous) => ({ ...previous, seen: cache.peek("other") }),
  stats: (previous) => ({ ...previous, seen: cache.stats() }),
  large: () => "x".repeat(1024 * 1024),
};
