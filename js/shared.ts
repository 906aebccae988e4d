// Live queries that all who ask the same of a cache share: they show the same in every render, and look once.
import type { Cache, Page, WatchOptions } from "./cache.js";
import type { UplinkError } from "./error.js";
import type { Live } from "./live.js";
import { failureOf } from "./opening.js";

// biome-ignore lint/suspicious/noExplicitAny: the codec's values are the app's
type AnyCache = Cache<any>;
// biome-ignore lint/suspicious/noExplicitAny: the codec's values are the app's
type AnyPage = Page<any>;

/** How long what a render asked for is kept before it is mounted: what suspends is rendered again, and must find it. */
const HOLD_MS = 5_000;

const caches = new WeakMap<AnyCache, Map<string, Shared>>();

/** The page now, nothing while it is not known, or why there is none that is up to date. Throws where the query itself is wrong. */
export function pageOf(cache: AnyCache, query: string): AnyPage | Error | undefined {
  try {
    const shared = sharedOf(cache, query);
    return shared.failure ?? shared.getSnapshot();
  } catch (error) {
    if ((error as UplinkError).code === "invalid_input") throw error;
    return error as Error;
  }
}

/** What was shown before it failed. */
export function lastPageOf(cache: AnyCache, query: string): AnyPage | undefined {
  return caches.get(cache)?.get(query)?.getSnapshot();
}

/** Calls back after each change of it. */
export function follow(cache: AnyCache, query: string, listener: () => void): () => void {
  // A cache that is closed has no news.
  return failureOf(cache) === undefined ? sharedOf(cache, query).subscribe(listener) : () => {};
}

/** Settled once the page is known, with nothing: the same promise for as long as it is not. */
export function untilKnown(cache: AnyCache, query: string): Promise<void> {
  return sharedOf(cache, query).known;
}

function sharedOf(cache: AnyCache, query: string): Shared {
  const queries = caches.get(cache) ?? new Map<string, Shared>();
  caches.set(cache, queries);
  const found = queries.get(query);
  if (found !== undefined) return found;
  const live = cache.live(JSON.parse(query) as WatchOptions);
  const shared = new Shared(live, () => {
    if (queries.get(query) === shared) queries.delete(query);
  });
  queries.set(query, shared);
  return shared;
}

class Shared {
  readonly #live: Live<unknown>;
  readonly #drop: () => void;
  /** Who listens, and whoever rendered it and may listen soon. */
  #users = 1;
  readonly known: Promise<void>;

  constructor(live: Live<unknown>, drop: () => void) {
    this.#live = live;
    this.#drop = drop;
    const pages = live[Symbol.asyncIterator]();
    this.known = pages.next().then(({ done }) => {
      if (done) throw live.failure;
    });
    const release = () =>
      setTimeout(() => {
        void pages.return?.();
        this.#leave();
      }, HOLD_MS);
    this.known.then(release, release);
  }

  readonly getSnapshot = (): AnyPage | undefined => this.#live.getSnapshot();

  get failure(): Error | undefined {
    return this.#live.failure;
  }

  subscribe(listener: () => void): () => void {
    const stop = this.#live.subscribe(listener);
    this.#users += 1;
    let isStopped = false;
    return () => {
      if (isStopped) return;
      isStopped = true;
      stop();
      // Not at once: StrictMode, and whoever moves a component, listens again in the same turn.
      setTimeout(() => this.#leave());
    };
  }

  #leave(): void {
    this.#users -= 1;
    if (this.#users === 0) this.#drop();
  }
}
