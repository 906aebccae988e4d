// What the inspector knows of one cache: its tasks, and what it saw of each. Bounded, and told at most once a frame.
import type { Status } from "../../build/uplink_cache.js";
import type { Cache } from "../cache.js";
import type { UplinkError } from "../error.js";
import type { CacheEvents } from "../events.js";
import type { Metrics } from "../metrics.js";
import type { Stats } from "../stats.js";
import type { Task } from "../task.js";
import { STATUSES } from "./format.js";

/** What the inspector calls of a cache. */
// biome-ignore lint/suspicious/noExplicitAny: whatever its values are
export type Inspected = Cache<any>;

/** A change of a task that was seen. */
export interface Step {
  readonly atMs: number;
  readonly status: Status;
  readonly note: string;
}

/** How long tasks took until each of the chart's points, the newest last. */
export type Times = Readonly<Record<"backed-up" | "sent" | "included" | "final", number[]>>;

const MOST_STEPS = 24;
const MOST_STORIES = 10_000;
const MOST_TIMES = 60;
const TICK_MS = 1_000;
/** How often the quota is looked at, in ticks. */
const ESTIMATE_TICKS = 5;

export class Model {
  readonly cache: Inspected;
  readonly times: Times = { "backed-up": [], sent: [], included: [], final: [] };
  stats: Stats | undefined;
  metrics: Metrics | undefined;
  estimate: StorageEstimate | undefined;
  /** Why the cache answers no more. */
  ended: UplinkError | undefined;
  readonly #tasks = new Map<string, Task>();
  readonly #stories = new Map<string, Step[]>();
  readonly #changed: () => void;
  readonly #control = new AbortController();
  #sorted: Task[] | undefined;
  #isStale = false;
  #ticks = 0;

  /** Calls back when there may be something new to show. */
  constructor(cache: Inspected, changed: () => void) {
    this.cache = cache;
    this.#changed = changed;
    const { signal } = this.#control;
    cache.addEventListener("status", ({ detail }) => this.#status(detail), { signal });
    for (const name of ["reorg", "storage", "leader", "head"] as const) {
      cache.addEventListener(name, changed, { signal });
    }
    const timer = setInterval(() => this.#tick(), TICK_MS);
    signal.addEventListener("abort", () => clearInterval(timer));
    this.#load();
    this.#tick();
  }

  /** Listens no more. */
  stop(): void {
    this.#control.abort();
  }

  /** Looks again, before something is shown. */
  look(): void {
    try {
      this.stats = this.cache.stats();
      this.metrics = this.cache.metrics();
      const counts = this.counts();
      const { tasks } = this.stats;
      // What another tab discarded, or what left the backup, is not told: the figures differ.
      if (this.#isStale && STATUSES.some((status) => counts[status] !== tasks[status])) {
        this.#isStale = false;
        this.#load();
      }
    } catch (error) {
      this.ended = error as UplinkError;
    }
  }

  /** Newest first. */
  get tasks(): readonly Task[] {
    this.#sorted ??= [...this.#tasks.values()]
      .reverse()
      .sort((one, other) => other.createdAt - one.createdAt);
    return this.#sorted;
  }

  counts(): Record<Status, number> {
    const counts = { "backed-up": 0, blocked: 0, sent: 0, included: 0, final: 0, failed: 0 };
    for (const task of this.#tasks.values()) counts[task.status] += 1;
    return counts;
  }

  /** What was seen of a task, in order. */
  storyOf(id: string): readonly Step[] {
    return this.#stories.get(id) ?? [];
  }

  forget(id: string): void {
    this.#tasks.delete(id);
    this.#stories.delete(id);
    this.#sorted = undefined;
    this.#changed();
  }

  #status({ task, from }: CacheEvents["status"]): void {
    const { id, status } = task;
    if (!this.#tasks.has(id)) this.#sorted = undefined;
    this.#tasks.set(id, task);
    const story = this.#stories.get(id) ?? [];
    const atMs = Date.now();
    story.push({ atMs, status, note: noteOf(task, from) });
    if (story.length > MOST_STEPS) story.splice(1, 1);
    this.#stories.set(id, story);
    const [oldest] = this.#stories.keys();
    if (this.#stories.size > MOST_STORIES && oldest !== undefined) this.#stories.delete(oldest);
    if (status !== from && status in this.times) {
      const times = this.times[status as keyof Times];
      times.push(Math.max(0, atMs - task.createdAt));
      if (times.length > MOST_TIMES) times.shift();
    }
    this.#changed();
  }

  #load(): void {
    try {
      const tasks = this.cache.tasks();
      this.#tasks.clear();
      for (const task of tasks) this.#tasks.set(task.id, task);
      this.#sorted = undefined;
    } catch (error) {
      this.ended = error as UplinkError;
    }
  }

  #tick(): void {
    this.#isStale = true;
    if (this.#ticks % ESTIMATE_TICKS === 0) void this.#estimate();
    this.#ticks += 1;
    this.#changed();
  }

  async #estimate(): Promise<void> {
    try {
      this.estimate = await navigator.storage.estimate();
    } catch {
      // The browser does not tell, as in a page that is no secure context.
      this.estimate = undefined;
    }
  }
}

function noteOf(task: Task, from: Status | undefined): string {
  const { status, reason, cause, block, txId } = task;
  if (status === from) return `another transaction: ${txId ?? ""}`;
  if (status === "blocked" || status === "failed")
    return [reason, cause].filter(Boolean).join(": ");
  if (block === undefined) return "";
  return `block ${block.number}${task.reverted ? ", reverted" : ""}`;
}
