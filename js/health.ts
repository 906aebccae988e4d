// How a cache fares, in the few numbers that a user interface shows: the same object while they are the same.
import type { GatewayView, Status } from "../build/uplink_cache.js";
import type { Cache } from "./cache.js";
import type { CacheEventName, CacheEvents } from "./events.js";
import { isSame } from "./kept.js";
import { areLocal } from "./local.js";

// biome-ignore lint/suspicious/noExplicitAny: the codec's values are the app's
type AnyCache = Cache<any>;

/** Some of it has no event: a gateway's circuit breaker, say. */
const LOOK_MS = 1_000;
const EVENTS = ["status", "leader", "storage", "head"] as const satisfies readonly CacheEventName[];

export interface Health {
  /** Whether this tab is the one that sends. */
  leader: boolean;
  /**
   * Whether all is sent (`idle`), something is about to be (`sending`), or waits, as no network, no gateway or no Web Lock is to
   * be had. A tab that does not lead sees the network alone: what gateways do to the one that sends it is not told.
   */
  sending: "idle" | "sending" | "waiting";
  /** How many tasks of the backup have each status. */
  tasks: Record<Status, number>;
  /** As this tab found them: `unknown` before it asked one, as one that does not lead seldom does. */
  gateway: "up" | "unknown" | "down";
  gateways: Pick<GatewayView, "url" | "state" | "failures">[];
  storage: {
    /** What log and settled values take. */
    bytes: number;
    /** Whether the browser keeps it when space is short, as far as it has said. */
    persisted: boolean | undefined;
    /** The last `storage` event, since somebody looks: `quota_exceeded` is the code of one. */
    trouble: CacheEvents["storage"] | undefined;
  };
}

/** For `useSyncExternalStore`. */
export function healthOf(cache: AnyCache) {
  let trouble: CacheEvents["storage"] | undefined;
  let shown: Health | undefined;
  const look = (): Health | undefined => {
    const now = read(cache, trouble);
    if (!isSame(now, shown)) shown = now;
    return shown;
  };
  const subscribe = (listener: () => void): (() => void) => {
    const again = () => {
      const before = shown;
      if (look() !== before) listener();
    };
    const onEvent = (event: CustomEvent<CacheEvents[CacheEventName]>) => {
      if (event.type === "storage") trouble = event.detail as CacheEvents["storage"];
      again();
    };
    for (const name of EVENTS) cache.addEventListener(name, onEvent);
    const timer = setInterval(again, LOOK_MS);
    return () => {
      clearInterval(timer);
      for (const name of EVENTS) cache.removeEventListener(name, onEvent);
    };
  };
  return { subscribe, getSnapshot: () => shown ?? look() };
}

/** Nothing of a cache that is closed. */
function read(cache: AnyCache, trouble: CacheEvents["storage"] | undefined): Health | undefined {
  let stats: ReturnType<AnyCache["stats"]>;
  try {
    stats = cache.stats();
  } catch {
    return undefined;
  }
  const { leader, tasks, values, log, persisted } = stats;
  const gateways = stats.gateways.map(({ url, state, failures }) => ({ url, state, failures }));
  const gateway = gatewayOf(gateways);
  const { navigator } = globalThis;
  const isOffline = navigator?.onLine === false && !areLocal(gateways.map(({ url }) => url));
  const canSend = navigator?.locks !== undefined && gateway !== "down" && !isOffline;
  const some = canSend ? "sending" : "waiting";
  const sending = tasks["backed-up"] === 0 ? "idle" : some;
  const storage = { bytes: log.bytes + values.bytes, persisted, trouble };
  return { leader, sending, tasks, gateway, gateways, storage };
}

function gatewayOf(gateways: Health["gateways"]): Health["gateway"] {
  const isAny = (...states: GatewayView["state"][]) =>
    gateways.some(({ state }) => states.includes(state));
  if (isAny("up", "limited")) return "up";
  return isAny("unchecked", "checking") ? "unknown" : "down";
}
