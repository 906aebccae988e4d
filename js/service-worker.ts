// The package for an app's service worker: one file, because a service worker must not load a part later.
import { databaseName, type OpenOptions, openDatabase } from "./cache.js";
import * as check from "./check.js";
import { invalid, UplinkError } from "./error.js";
import { checkGateway } from "./gateway.js";

export * from "./index.js";

/** Which cache a sync event is for. */
export interface SyncTarget {
  name: string;
  chainId: number;
  /** Empty for the cache without an account. */
  account: string;
}

/** How to open a cache in the service worker: as in the page. The account comes from the event. */
export type SyncOptions<V> = Omit<OpenOptions<V>, "account" | "persist" | "backgroundSync"> & {
  /** When one event's work is given up, in milliseconds: the browser tries again later. Default 120000. */
  giveUpAfterMs?: number;
};

/** What this file needs of a service worker's global, which TypeScript keeps apart from a page's. */
interface SyncEvent extends Event {
  readonly tag: string;
  waitUntil(work: Promise<unknown>): void;
}

/** Chromium ends an event's work after three minutes. */
const GIVE_UP_AFTER_MS = 120_000;

/**
 * Sends what waits when the browser says that there is a network, after the last page has closed. Call it while the
 * service worker starts. `options` may be a function, for several caches: it gives `undefined` for those that are not its own.
 */
// biome-ignore lint/suspicious/noExplicitAny: what JSON values are is the dapp's to say
export function backgroundSync<V = any>(
  options:
    | SyncOptions<V>
    | ((target: SyncTarget) => SyncOptions<V> | undefined | Promise<SyncOptions<V> | undefined>),
): void {
  const find =
    typeof options === "function"
      ? options
      : ({ name, chainId }: SyncTarget) =>
          name === options.name && chainId === options.gateway.chainId ? options : undefined;
  if (typeof options !== "function") {
    check.text(options?.name, "name");
    checkGateway(options.gateway);
  }
  globalThis.addEventListener("sync", (event) => {
    const { tag } = event as SyncEvent;
    const target = readTag(tag);
    if (target === undefined) return;
    (event as SyncEvent).waitUntil(
      (async () => {
        const found = await find(target);
        if (found) await sendWaiting(target, found);
      })(),
    );
  });
}

/**
 * Resolves when nothing waits any more, whether it was sent here or by a page that leads; rejects where something does, so
 * that the browser tries again. A page that leads now may be gone in a moment: the event may come while it is being closed.
 */
async function sendWaiting<V>(target: SyncTarget, options: SyncOptions<V>): Promise<void> {
  const { giveUpAfterMs = GIVE_UP_AFTER_MS, ...open } = options;
  const database = databaseName(target.name, target.chainId, target.account);
  // Opening would create what `destroy` deleted.
  const databases = await indexedDB.databases();
  if (!databases.some(({ name }) => name === database)) return;
  if (open.name !== target.name || open.gateway?.chainId !== target.chainId) {
    throw invalid("the options are another cache's");
  }
  const account = target.account === "" ? {} : { account: target.account };
  const cache = await openDatabase<V>({ ...open, ...account }, { mustExist: true });
  try {
    await cache.flush({ signal: AbortSignal.timeout(giveUpAfterMs) });
  } catch (error) {
    throw new UplinkError("gateway_unreachable", "not all that waits could be sent", {
      cause: error,
      retryable: true,
    });
  } finally {
    await cache.close();
  }
}

/** The cache whose database has this name; nothing where it is no name of ours. */
function readTag(tag: string): SyncTarget | undefined {
  const [prefix, name, chain = "", account, ...more] = tag.split("/");
  if (prefix !== "uplink-cache" || !name || account === undefined || more.length > 0) return;
  const chainId = Number(chain);
  if (!Number.isSafeInteger(chainId) || String(chainId) !== chain) return;
  try {
    return { name: decodeURIComponent(name), chainId, account: decodeURIComponent(account) };
  } catch {
    return undefined;
  }
}
