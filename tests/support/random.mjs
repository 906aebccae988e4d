// Random numbers that a seed repeats.

/** mulberry32: numbers in [0, 1). */
export function randomNumbers(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The seed that the environment gives, or a new one. */
export function seedFromEnvironment() {
  return Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32));
}
