// A cache's reads and lists as TanStack Query's queries, for whichever of its frameworks. Nothing of it is imported.
import type { Cache, Entry, Page, WatchOptions } from "./cache.js";
import type { UplinkError } from "./error.js";
import type { ListQuery } from "./following.js";
import { failureOf } from "./opening.js";
import type { ReadManyOptions } from "./read-many.js";

export type { ListQuery } from "./following.js";

/**
 * The second part is the cache's database, of one name, chain and account: another account's never answers, also where the
 * client's answers outlive the page. The third is what is watched, the fourth how it is read, where that is said.
 */
export type UplinkQueryKey = readonly [
  "uplink-cache",
  string,
  WatchOptions,
  ...([] | [QueryReadOptions]),
];

/** Options for `useQuery`, `fetchQuery` and the like. Spread them to add your own. */
export interface UplinkQueryOptions<T> {
  queryKey: UplinkQueryKey;
  queryFn: (context: { signal: AbortSignal }) => Promise<T>;
  initialData: () => T | undefined;
  /** The cache answers without a network. */
  networkMode: "always";
  retry: (failureCount: number, error: Error) => boolean;
}

export type QueryReadOptions = Omit<ReadManyOptions, "signal"> & { latest?: boolean };

interface Query {
  readonly queryKey: readonly unknown[];
  readonly queryHash: string;
  getObserversCount(): number;
}

/** What is needed of TanStack Query's client. */
export interface QueryClientLike {
  getQueryCache(): {
    subscribe(listener: (event: { type: string; query: Query }) => void): () => void;
    getAll(): Query[];
  };
  setQueryData(queryKey: readonly unknown[], data: unknown): unknown;
}

const NAME = "uplink-cache";
const MOST_RETRIES = 3;

/** A key's value, `null` where nothing is there: what the backup knows at once, the rest by `cache.read` with these options. */
export function uplinkQueryOptions<V>(
  cache: Cache<V>,
  key: string,
  options: QueryReadOptions = {},
): UplinkQueryOptions<Entry<V> | null> {
  return {
    ...commonOptions(cache, { key }, options),
    queryFn: async ({ signal }) => (await cache.read(key, { ...options, signal })) ?? null,
    // What is known here is not what one source says.
    initialData: () => (options.source === undefined ? peek(cache, key) : undefined),
  };
}

/** A page of a list. */
export function uplinkListOptions<V>(
  cache: Cache<V>,
  query: ListQuery = {},
): UplinkQueryOptions<Page<V>> {
  return {
    ...commonOptions(cache, query),
    queryFn: () => cache.list(query),
    initialData: () => undefined,
  };
}

/**
 * Keeps the client's queries of this cache up to date while somebody observes them, but for those that read one `source`.
 * Returns what ends it.
 */
export function bindQueries<V>(client: QueryClientLike, cache: Cache<V>): () => void {
  const stops = new Map<string, () => void>();
  const look = (query: Query) => {
    const [name, database, watched, options] = query.queryKey as UplinkQueryKey;
    if (name !== NAME || database !== cache.database || options?.source !== undefined) return;
    const isObserved = query.getObserversCount() > 0;
    const stop = stops.get(query.queryHash);
    // A cache that is closed has no news.
    if (isObserved && stop === undefined && failureOf(cache) === undefined) {
      const live = cache.live(watched);
      const show = () => setPage(client, query.queryKey, watched, live.getSnapshot());
      // Noted first: what is shown is an event of the query, which looks again.
      stops.set(query.queryHash, live.subscribe(show));
      // It may have changed while nobody observed it.
      show();
    } else if (!isObserved && stop !== undefined) {
      stop();
      stops.delete(query.queryHash);
    }
  };
  const queries = client.getQueryCache();
  const stopListening = queries.subscribe(({ query }) => look(query));
  for (const query of queries.getAll()) look(query);
  return () => {
    stopListening();
    for (const stop of stops.values()) stop();
    stops.clear();
  };
}

function setPage<V>(
  client: QueryClientLike,
  queryKey: readonly unknown[],
  watched: WatchOptions,
  page: Page<V> | undefined,
): void {
  if (page === undefined) return;
  client.setQueryData(queryKey, "key" in watched ? (page.items[0] ?? null) : page);
}

function commonOptions<V>(cache: Cache<V>, watched: WatchOptions, options: QueryReadOptions = {}) {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const reading = given.length === 0 ? ([] as const) : ([Object.fromEntries(given)] as const);
  return {
    queryKey: [NAME, cache.database, watched, ...reading],
    networkMode: "always",
    retry: (failureCount: number, error: Error) =>
      failureCount < MOST_RETRIES && (error as UplinkError).retryable === true,
  } as const;
}

/** Nothing where it cannot be said: reading tells why. */
function peek<V>(cache: Cache<V>, key: string): Entry<V> | undefined {
  try {
    return cache.peek(key);
  } catch {
    return undefined;
  }
}
