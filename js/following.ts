// A query followed from one callback, before its cache is open too.
import type { Cache, Page, WatchOptions } from "./cache.js";
import { failureOf } from "./opening.js";

/** What `cache.watch` takes for a list. */
export type ListQuery = Exclude<WatchOptions, { key: string }>;

/** An open cache, or the promise of one. */
export type CacheOrPromise<V> = Cache<V> | Promise<Cache<V>>;

/** Shows the page as soon as it is known and after each change. Nothing where the cache cannot be opened, or is closed. Returns what ends it. */
export function followPages<V>(
  cache: CacheOrPromise<V>,
  query: WatchOptions,
  show: (page: Page<V>) => void,
): () => void {
  let stop = () => {};
  let isStopped = false;
  const begin = (opened: Cache<V>) => {
    // A cache that is closed has no news.
    if (isStopped || failureOf(opened) !== undefined) return;
    const live = opened.live(query);
    let shown: Page<V> | undefined;
    const look = () => {
      const page = live.getSnapshot();
      if (page === undefined || page === shown) return;
      shown = page;
      show(page);
    };
    stop = live.subscribe(look);
    look();
  };
  if ("then" in cache) {
    // Whoever opened it is told why it failed.
    cache.then(begin, () => undefined);
  } else begin(cache);
  return () => {
    isStopped = true;
    stop();
  };
}
