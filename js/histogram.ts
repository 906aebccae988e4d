// How long things took, in a kilobyte however many there were.

/** What is shorter counts as this. */
const LEAST_MS = 0.05;
/** Buckets for each doubling: what is given for one of them is off by 2^(1/16), that is 4.5 %, at the most. */
const IN_DOUBLING = 8;
const DOUBLINGS = 35;
/** What is longer counts as this: almost 20 days. */
const MOST_MS = LEAST_MS * 2 ** DOUBLINGS;

/** Durations in milliseconds; without any, all are 0. */
export interface Quantiles {
  /** How many were measured. */
  count: number;
  /** Half of them took no longer. Quantiles are within 4.5 % and 0.1 ms of what was measured. */
  p50: number;
  p90: number;
  p99: number;
  /** The longest, exactly. */
  max: number;
}

/** Durations, counted by their logarithms. */
export class Histogram {
  readonly #buckets = new Uint32Array(IN_DOUBLING * DOUBLINGS + 1);
  #count = 0;
  #max = 0;

  add(durationMs: number): void {
    const known = Math.min(Math.max(durationMs, 0), MOST_MS);
    const bucket = Math.floor(IN_DOUBLING * Math.log2(Math.max(known, LEAST_MS) / LEAST_MS));
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    this.#count += 1;
    this.#max = Math.max(this.#max, known);
  }

  quantiles(): Quantiles {
    const [p50, p90, p99] = [this.#at(0.5), this.#at(0.9), this.#at(0.99)];
    return { count: this.#count, p50, p90, p99, max: this.#max };
  }

  /** The shortest that so large a share of them took no longer than: the middle of its bucket. */
  #at(share: number): number {
    let left = Math.ceil(share * this.#count);
    if (left === 0) return 0;
    const bucket = this.#buckets.findIndex((count) => {
      left -= count;
      return left <= 0;
    });
    return Math.min(LEAST_MS * 2 ** ((bucket + 0.5) / IN_DOUBLING), this.#max);
  }
}
