import { type Cache, connectDatabase, type Entry, type OpenOptions } from "./cache.js";
import * as check from "./check.js";

/** A cache that is being opened, and what can be read meanwhile. */
export interface Early<V> {
  /** As `openCache` resolves. */
  readonly cache: Promise<Cache<V>>;
  /**
   * As `read` of the cache, without options. A task of the key that is not settled answers as soon as it is found in the backup,
   * before the rest of that is known; any other answer waits for the cache. The first calls go before the rest is read.
   */
  read(key: string): Promise<Entry<V> | undefined>;
}

/**
 * As `openCache`, for a page that shows a key before all that is backed up is known: with ten thousand tasks in the backup that
 * takes a few times as long.
 */
// biome-ignore lint/suspicious/noExplicitAny: what JSON values are is the dapp's to say
export function openEarly<V = any>(options: OpenOptions<V>): Early<V> {
  const connected = connectDatabase(options, { mustExist: false });
  /** What goes before the rest of the backup is read. */
  const glances: Promise<unknown>[] = [];
  let opened: Cache<V> | undefined;
  const open = async () => {
    const cache = await connected;
    await Promise.all(glances);
    await cache.open();
    opened = cache;
    return cache;
  };
  const cache = open();
  // Whoever reads is told, too.
  cache.catch(() => undefined);
  const glance = async (key: string) => {
    const connection = await connected;
    // Where the backup cannot be read, the cache says why.
    return connection.glance(key).catch(() => undefined);
  };
  return {
    cache,
    async read(key) {
      check.text(key, "key");
      if (opened) return opened.read(key);
      const glanced = glance(key);
      glances.push(glanced);
      return (await glanced) ?? (await cache).read(key);
    },
  };
}
