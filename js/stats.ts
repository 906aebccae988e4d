import type { Stats as ModuleStats } from "../build/uplink_cache.js";
import type { SyncState } from "./background-sync.js";

/** Numbers about the cache, and what the browser promised. */
export interface Stats extends ModuleStats {
  /** Whether the browser keeps this origin's storage when space is short, as far as it has said. */
  persisted: boolean | undefined;
  /** Whether this handle asked for that: once there is something to lose, with `persist`. */
  askedToPersist: boolean;
  /**
   * Whether the app's service worker is to send what waits: `off` without the option, `unavailable` where there is no
   * active service worker or the browser has no Background Sync, `registered` once the browser was told to wake it.
   */
  backgroundSync: SyncState;
}
