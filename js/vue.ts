// Vue refs of a cache's live queries. They end with the scope that made them.
import { type MaybeRefOrGetter, type ShallowRef, shallowRef, toRaw, toValue, watch } from "vue";
import type { Cache, Entry, Page, WatchOptions } from "./cache.js";
import { type CacheOrPromise, followPages, type ListQuery } from "./following.js";

export type { CacheOrPromise, ListQuery } from "./following.js";

/** A cache as it is typed in a deep `ref`: without what is private of it. */
type Unwrapped<V> = Pick<Cache<V>, "live">;

/** A cache, its promise, or nothing yet; a ref or a getter of it where it may be exchanged. */
export type CacheInput<V> = MaybeRefOrGetter<CacheOrPromise<V> | Unwrapped<V> | undefined>;

/** What a key's value is: nothing while it is not known, and where nothing is there. */
export function useRead<V>(
  cache: CacheInput<V>,
  key: MaybeRefOrGetter<string>,
): Readonly<ShallowRef<Entry<V> | undefined>> {
  return followed(
    cache,
    () => ({ key: toValue(key) }),
    (page) => page.items[0],
  );
}

/** What a list is: nothing while it is not known. */
export function useList<V>(
  cache: CacheInput<V>,
  query: MaybeRefOrGetter<ListQuery>,
): Readonly<ShallowRef<Page<V> | undefined>> {
  return followed(
    cache,
    () => plain(toValue(query)),
    (page) => page,
  );
}

/** All of a query, its tag too, is read here: so Vue knows what it depends on. */
function plain(query: ListQuery): ListQuery {
  return query.tag === undefined ? { ...query } : { ...query, tag: [query.tag[0], query.tag[1]] };
}

function followed<V, T>(
  cache: CacheInput<V>,
  query: () => WatchOptions,
  pick: (page: Page<V>) => T | undefined,
): Readonly<ShallowRef<T | undefined>> {
  const shown = shallowRef<T | undefined>();
  watch(
    // Not the proxy that a plain `ref` makes of a cache.
    () => [toRaw(toValue(cache)) as CacheOrPromise<V> | undefined, query()] as const,
    ([given, asked], _, onCleanup) => {
      shown.value = undefined;
      if (given === undefined) return;
      onCleanup(
        followPages(given, asked, (page) => {
          shown.value = pick(page);
        }),
      );
    },
    { immediate: true, flush: "sync" },
  );
  return shown;
}
