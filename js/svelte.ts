// Svelte stores of a cache's live queries. Svelte asks no more of a store than `subscribe`: nothing of it is imported.
import type { Entry, Page } from "./cache.js";
import { type CacheOrPromise, followPages, type ListQuery } from "./following.js";

export type { CacheOrPromise, ListQuery } from "./following.js";

/** What Svelte calls a readable store. */
export interface Readable<T> {
  subscribe(run: (value: T) => void): () => void;
}

/** What a key's value is: nothing while it is not known, and where nothing is there. */
export function readStore<V>(
  cache: CacheOrPromise<V>,
  key: string,
): Readable<Entry<V> | undefined> {
  return store<Entry<V> | undefined>((show) =>
    followPages(cache, { key }, (page) => show(page.items[0])),
  );
}

/** What a list is: nothing while it is not known. */
export function listStore<V>(
  cache: CacheOrPromise<V>,
  query: ListQuery,
): Readable<Page<V> | undefined> {
  return store((show) => followPages(cache, query, show));
}

/** Follows while it has subscribers, once for all of them. */
function store<T>(follow: (show: (value: T) => void) => () => void): Readable<T | undefined> {
  const runs = new Set<(value: T | undefined) => void>();
  let value: T | undefined;
  let stop = () => {};
  return {
    subscribe(run) {
      if (runs.size === 0) {
        stop = follow((next) => {
          value = next;
          for (const each of [...runs]) {
            // An earlier one may have ended it, and one that throws holds nobody up.
            if (runs.has(each)) attempt(each, value);
          }
        });
      }
      // The same function may subscribe twice.
      const own = (next: T | undefined) => run(next);
      runs.add(own);
      run(value);
      return () => {
        if (!runs.delete(own) || runs.size > 0) return;
        stop();
        value = undefined;
      };
    },
  };
}

function attempt<T>(run: (value: T) => void, value: T): void {
  try {
    run(value);
  } catch (error) {
    reportError(error);
  }
}
