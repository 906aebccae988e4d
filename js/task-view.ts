// What a task's handle says, as plain data that is replaced when something changed.
import type { Cache } from "./cache.js";
import type { CacheEventName, CacheEvents } from "./events.js";
import { isSame } from "./kept.js";
import type { Task } from "./task.js";

// biome-ignore lint/suspicious/noExplicitAny: the codec's values are the app's
type AnyCache = Cache<any>;

const EVENTS = ["status", "head", "discarded"] as const satisfies readonly CacheEventName[];
const FIELDS = [
  "id",
  "txId",
  "key",
  "status",
  "reason",
  "cause",
  "replacedBy",
  "block",
  "reverted",
  "nonce",
  "signer",
  "lane",
  "update",
  "after",
  "size",
  "createdAt",
  "attempts",
  "confirmations",
] as const satisfies readonly (keyof Task)[];

/** A task as it stood when this was made: the fields of `Task`. */
export type TaskView = Readonly<Pick<Task, (typeof FIELDS)[number]>>;

/** For `useSyncExternalStore`: the task of this name, until it is discarded; one that became final also after it left the backup. */
export function taskView(cache: AnyCache, id: string) {
  let task: Task | undefined;
  let shown: TaskView | undefined;
  const getSnapshot = (): TaskView | undefined => {
    task ??= find(cache, id);
    if (task === undefined) return undefined;
    const handle = task;
    const now = Object.fromEntries(FIELDS.map((name) => [name, handle[name]]));
    if (!isSame(now, shown)) shown = Object.freeze(now) as unknown as TaskView;
    return shown;
  };
  const subscribe = (listener: () => void): (() => void) => {
    const onEvent = ({ type, detail }: CustomEvent<CacheEvents[CacheEventName]>) => {
      const told = "task" in detail ? detail.task : undefined;
      if (told?.id === id) task = told;
      if (type === "discarded" && "id" in detail && detail.id === id) task = undefined;
      // Confirmations grow with the chain.
      if (told === undefined || told.id === id) listener();
    };
    for (const name of EVENTS) cache.addEventListener(name, onEvent);
    return () => {
      for (const name of EVENTS) cache.removeEventListener(name, onEvent);
    };
  };
  return { subscribe, getSnapshot };
}

function find(cache: AnyCache, id: string): Task | undefined {
  try {
    return cache.task(id);
  } catch {
    // It is closed: nothing is known of what was not known before.
    return undefined;
  }
}
