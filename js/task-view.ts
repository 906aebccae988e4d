// What a task's handle says, as plain data that is replaced when something changed.
import type { Cache } from "./cache.js";
import type { CacheEventName, CacheEvents } from "./events.js";
import { isSame } from "./kept.js";
import type { Task } from "./task.js";

// biome-ignore lint/suspicious/noExplicitAny: the codec's values are the app's
type AnyCache = Cache<any>;

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
  "createdAt",
  "attempts",
  "confirmations",
] as const satisfies readonly (keyof Task)[];

/** A task as it stood when this was made: the fields of `Task`. */
export type TaskView = Readonly<Pick<Task, (typeof FIELDS)[number]>>;

/** For `useSyncExternalStore`: the task of this name, while the backup has it or somebody looks. */
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
    const onEvent = (event: CustomEvent<CacheEvents[CacheEventName]>) => {
      const told = "task" in event.detail ? event.detail.task : undefined;
      if (told?.id === id) task = told;
      if (told === undefined || told.id === id) listener();
    };
    // Confirmations grow with the chain.
    for (const name of ["status", "head"] as const) cache.addEventListener(name, onEvent);
    return () => {
      for (const name of ["status", "head"] as const) cache.removeEventListener(name, onEvent);
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
