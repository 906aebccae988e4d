// What this tab saw of tasks since it opened the cache: how many came how far, and how long that took.
import type { ErrorCode, GatewayView, Reason, Status, TaskView } from "../build/uplink_cache.js";
import { Histogram, type Quantiles } from "./histogram.js";
import type { TaskNews } from "./packed.js";

/** What this tab saw since it opened the cache: another tab has figures of its own, and a reload begins anew. */
export interface Metrics {
  /** How long ago that was. */
  sinceMs: number;
  /** Calls of `submit` here that were handed on to be backed up. */
  submitted: number;
  /** Those that resolved. */
  backedUp: number;
  /** Tasks, of any tab, that came so far or further while this tab looked: each counts once until it settles. */
  sent: number;
  included: number;
  final: number;
  /** How often a task failed, by its reason. */
  failed: { [reason in Reason]?: number };
  /** How often a task was blocked, by its reason. */
  blocked: { [reason in Reason]?: number };
  /** Sends that this tab began, as of the last news of each task. A task that fails by its first send is not in it. */
  attempts: number;
  /** How often blocks left the chain. */
  reorgs: number;
  /** Calls of this handle that were answered with an error, by its code. */
  errors: { [code in ErrorCode]?: number };
  /** Commits that failed and are tried again, by code. */
  commitFailures: { [code in ErrorCode]?: number };
  /** How long it took from `submit` until it resolved. */
  backupMs: Quantiles;
  /**
   * And until a gateway had the task; until a block had it; until that block was final. Of a task that another tab or an
   * earlier visit submitted, it is counted from its `createdAt`, by the wall clock, and never below 0.
   */
  sentMs: Quantiles;
  includedMs: Quantiles;
  finalMs: Quantiles;
  /** How each gateway url fares, as in `stats()`: its failures, and how long it takes to answer. */
  gateways: GatewayView[];
}

/** A task that is not settled. */
interface Trace {
  /** When it was submitted, by this page's monotonic clock. */
  startMs?: number;
  isOwn?: true;
  level: number;
  attempts: number;
}

type Named = Pick<TaskView, "id" | "key" | "txId">;
type Tally = { [name: string]: number };

/** How far a task is. */
const LEVELS = { "backed-up": 0, blocked: 0, sent: 1, included: 2, final: 3, failed: 0 } as const;
const MEASURES = ["uplink:backup", "uplink:send", "uplink:inclusion", "uplink:finality"] as const;
/** Entries of one name on the page's timeline: then they are cleared, and it begins anew. */
const MOST_ENTRIES = 1000;

/** All caches of a page share its timeline. */
const entries: Tally = {};

/** @internal Takes down what happens. */
export class Meter {
  submitted = 0;
  reorgs = 0;
  readonly errors: Tally = {};
  readonly commitFailures: Tally = {};
  readonly #hasUserTiming: boolean;
  readonly #openedMs = performance.now();
  readonly #traces = new Map<string, Trace>();
  readonly #times = [new Histogram(), new Histogram(), new Histogram(), new Histogram()] as const;
  readonly #failed: Tally = {};
  readonly #blocked: Tally = {};
  #attempts = 0;

  constructor(hasUserTiming: boolean) {
    this.#hasUserTiming = hasUserTiming;
  }

  /** A submission is durable. The first news of its task came before. */
  accepted(task: Named, startMs: number): void {
    const trace = this.#traces.get(task.id);
    if (trace !== undefined && trace.startMs === undefined) {
      trace.startMs = startMs;
      trace.isOwn = true;
    }
    this.#reached(0, { view: task }, { startMs, isOwn: true });
  }

  status(news: TaskNews, from: Status | undefined): void {
    const { id, status } = news;
    const trace = this.#traces.get(id) ?? { level: LEVELS[from ?? "backed-up"], attempts: 0 };
    this.#traces.set(id, trace);
    if (status === "backed-up" || status === from) return;
    const { attempts, reason = "unknown", createdAt } = news;
    this.#attempts += Math.max(0, attempts - trace.attempts);
    trace.attempts = attempts;
    trace.startMs ??= performance.now() - Math.max(0, Date.now() - createdAt);
    while (trace.level < LEVELS[status]) {
      trace.level += 1;
      this.#reached(trace.level, news, trace);
    }
    if (status === "blocked") add(this.#blocked, reason);
    if (status === "failed") add(this.#failed, reason);
    if (status === "final" || status === "failed") this.forget(id);
  }

  forget(id: string): void {
    this.#traces.delete(id);
  }

  metrics(gateways: GatewayView[]): Metrics {
    const [backupMs, sentMs, includedMs, finalMs] = this.#times;
    const times = {
      backupMs: backupMs.quantiles(),
      sentMs: sentMs.quantiles(),
      includedMs: includedMs.quantiles(),
      finalMs: finalMs.quantiles(),
    };
    return {
      sinceMs: performance.now() - this.#openedMs,
      submitted: this.submitted,
      backedUp: times.backupMs.count,
      sent: times.sentMs.count,
      included: times.includedMs.count,
      final: times.finalMs.count,
      failed: { ...this.#failed },
      blocked: { ...this.#blocked },
      attempts: this.#attempts,
      reorgs: this.reorgs,
      errors: { ...this.errors },
      commitFailures: { ...this.commitFailures },
      ...times,
      gateways,
    };
  }

  #reached(level: number, of: { view: Named }, { startMs = 0, isOwn }: Partial<Trace>): void {
    const end = performance.now();
    this.#times[level]?.add(end - startMs);
    const name = MEASURES[level];
    // What another tab or an earlier visit submitted has no beginning on this page's timeline.
    if (!this.#hasUserTiming || !isOwn || name === undefined) return;
    if (entries[name] === MOST_ENTRIES) {
      performance.clearMeasures(name);
      entries[name] = 0;
    }
    add(entries, name);
    const { id, key, txId } = of.view;
    performance.measure(name, { start: startMs, end, detail: { id, key, txId } });
  }
}

/** @internal Counts one more of a name. */
export function add(tally: Tally, name: string): void {
  tally[name] = (tally[name] ?? 0) + 1;
}
