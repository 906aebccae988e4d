import type { BlockView, DamageView, ReorgView, Status } from "../build/uplink_cache.js";
import type { ErrorCode } from "./error.js";
import type { Task } from "./task.js";

/** The events of a cache, by their names, with their details. */
export interface CacheEvents {
  /** A task is new here (without `from`), went on from a status, or got another transaction (`from` is its status). */
  status: { task: Task; from?: Status };
  /** @internal The app discarded a failed task, in this tab or another. */
  discarded: { id: string };
  /** Blocks left the canonical chain, from the lowest to the highest height. Only the tab that leads is told: it follows them. */
  reorg: ReorgView;
  /**
   * Storage is in trouble: a commit failed and is tried again, something stored is damaged and set aside, the browser
   * found the whole database damaged and deleted it before this handle was opened, or the handle is dead; or (`unreadable`)
   * something beside the log is not what the log knows of it.
   */
  storage:
    | { problem: "commit" | "closed" | "unreadable"; code: ErrorCode; message: string }
    | { problem: "lost"; message: string }
    | ({ problem: "damaged" } & DamageView);
  /** Whether this tab is the one that sends. With `problem`: it cannot, as the browser gives no Web Locks here. */
  leader: { leader: boolean; problem?: "no_locks" };
  /** The chain's newest block or its final height moved. */
  head: { head: BlockView; finalHeight?: number };
}

export type CacheEventName = keyof CacheEvents;
