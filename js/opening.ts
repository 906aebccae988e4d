// A cache that is open, being opened or lost, as a user interface sees it: one for all who were given the same source.
import type { Cache } from "./cache.js";
import type { CacheSource } from "./intercept.js";

// biome-ignore lint/suspicious/noExplicitAny: the codec's values are the app's
type AnyCache = Cache<any>;

export type OpeningState =
  | { state: "opening"; cache?: undefined; error?: undefined }
  | { state: "open"; cache: AnyCache; error?: undefined }
  /** Without `cache` it could not be opened, with it the cache broke. */
  | { state: "failed"; cache?: AnyCache; error: Error };

export const OPENING: OpeningState = { state: "opening" };

/** By what the app hands over: whatever is mounted twice, in several roots or anew, opens once. */
const openings = new WeakMap<object, Opening>();

export function openingOf(source: CacheSource): Opening {
  const isSource =
    typeof source === "function" ||
    (typeof source === "object" && source !== null && ("then" in source || "submit" in source));
  if (!isSource) {
    throw new TypeError(
      "cache is what openCache gives: a cache or its promise, or a function of either",
    );
  }
  let opening = openings.get(source);
  if (opening === undefined) {
    opening = new Opening(source);
    openings.set(source, opening);
  }
  return opening;
}

export class Opening {
  readonly #source: CacheSource;
  readonly #listeners = new Set<() => void>();
  #state = OPENING;
  #opened: Promise<AnyCache> | undefined;
  /** Calls the app's function again, if it gave one and that failed, or the cache broke. */
  readonly retry: (() => void) | undefined;

  constructor(source: CacheSource) {
    this.#source = source;
    if (typeof source === "function") this.retry = () => this.#again();
    // An open cache needs no turn to wait for: what it knows is shown in the first render.
    if (typeof source === "object" && "submit" in source) this.#opened = this.#follow(source);
  }

  /** Begins to open where nobody has yet. */
  readonly subscribe = (listener: () => void): (() => void) => {
    const own = () => listener();
    this.#listeners.add(own);
    void this.cache();
    return () => void this.#listeners.delete(own);
  };

  readonly getSnapshot = (): OpeningState => this.#state;

  /** The cache, once it is open: always the same promise, until `retry`. Settled only after the state tells it. */
  cache(): Promise<AnyCache> {
    this.#opened ??= this.#open();
    // Who only looks at the state need not handle it.
    this.#opened.catch(() => undefined);
    return this.#opened;
  }

  #again(): void {
    const { state, cache } = this.#state;
    if (state === "opening" || (state === "open" && failureOf(cache) === undefined)) return;
    this.#opened = undefined;
    this.#become(OPENING);
    void this.cache();
  }

  async #open(): Promise<AnyCache> {
    const source = this.#source;
    let cache: AnyCache;
    try {
      cache = await (typeof source === "function" ? source() : source);
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error), { cause: error });
      this.#become({ state: "failed", error: failure });
      throw failure;
    }
    return this.#follow(cache);
  }

  #follow(cache: AnyCache): Promise<AnyCache> {
    const error = failureOf(cache);
    if (error !== undefined) return this.#lost(cache, error);
    this.#become({ state: "open", cache });
    cache.addEventListener("storage", ({ detail }) => {
      const broken = detail.problem === "closed" ? failureOf(cache) : undefined;
      if (broken !== undefined && this.#state.cache === cache) {
        this.#opened = this.#lost(cache, broken);
      }
    });
    return Promise.resolve(cache);
  }

  #lost(cache: AnyCache, error: Error): Promise<never> {
    this.#become({ state: "failed", cache, error });
    const rejected = Promise.reject(error);
    // Who only looks at the state need not handle it.
    rejected.catch(() => undefined);
    return rejected;
  }

  #become(state: OpeningState): void {
    this.#state = state;
    for (const listener of [...this.#listeners]) listener();
  }
}

/** Why a cache is closed or broken; nothing while it is neither. */
export function failureOf(cache: AnyCache): Error | undefined {
  try {
    cache.stats();
    return undefined;
  } catch (error) {
    return error as Error;
  }
}
