import type { BlockView, Reason, Status } from "../build/uplink_cache.js";
import * as check from "./check.js";
import { UplinkError } from "./error.js";
import type { TaskNews } from "./packed.js";
import { abortable } from "./signal.js";

/** How a task ended. */
export type Outcome =
  | { status: "final"; txId: `0x${string}`; block: BlockView }
  | {
      status: "failed";
      txId?: `0x${string}`;
      reason: Reason;
      cause: string;
      /** The transaction that took its nonce, where that is known. */
      replacedBy?: `0x${string}`;
    };

/** What can be waited for. */
export type Point = "sent" | "included" | "settled";

const POINTS: readonly Point[] = ["sent", "included", "settled"];

interface Waiter {
  point: Point;
  resolve(): void;
  reject(error: UplinkError): void;
}

/** What a task needs of its cache. */
export interface TaskSource {
  attempts(id: string): number | undefined;
  headNumber(): number | undefined;
}

/** One submission. Its properties are live: they say where it stands now. */
export class Task {
  #news: TaskNews;
  readonly #source: TaskSource;
  /** Made for the first who waits: for most tasks nobody does. */
  #waiters: Set<Waiter> | undefined;
  #ended: UplinkError | undefined;

  /** @internal */
  constructor(news: TaskNews, source: TaskSource) {
    this.#news = news;
    this.#source = source;
  }

  /** Its name, unique over all tabs: 32 hex digits. */
  get id(): string {
    return this.#news.id;
  }
  /** The transaction id, computed here before the first send. A draft has none until it is signed. */
  get txId(): `0x${string}` | undefined {
    return this.#news.view.txId;
  }
  /** What reads of its value ask for. */
  get key(): string {
    return this.#news.view.key;
  }
  get status(): Status {
    return this.#news.status;
  }
  /** Why it is blocked or failed. */
  get reason(): Reason | undefined {
    return this.#news.view.reason;
  }
  /** The gateway's words for that. */
  get cause(): string | undefined {
    return this.#news.view.cause;
  }
  /** The transaction that took its nonce, where that is known: a rival's, or the one that cancels it. */
  get replacedBy(): `0x${string}` | undefined {
    return this.#news.view.replacedBy;
  }
  /** The block that holds its transaction, or the one that took its nonce. */
  get block(): BlockView | undefined {
    return this.#news.view.block;
  }
  /** Whether the chain executed it without effect. Until that block is final, a reorg may still undo it. */
  get reverted(): boolean {
    return this.#news.view.reverted;
  }
  /** The transaction's nonce, once it has one. */
  get nonce(): number | undefined {
    return this.#news.view.nonce;
  }
  /** The name of its signer, where it was submitted without a signature. */
  get signer(): string | undefined {
    return this.#news.view.signer;
  }
  /** Tasks of one lane are sent in the order of their nonces. */
  get lane(): string {
    return this.#news.view.lane;
  }
  /** The update that makes the key's value of the one below it. */
  get update(): string | undefined {
    return this.#news.view.update;
  }
  /** The ids of the tasks that it waits for before it is sent. One that stopped it is off the list. */
  get after(): readonly string[] {
    return this.#news.view.after;
  }
  /** Bytes of payload and value. */
  get size(): number {
    return this.#news.view.size;
  }
  /** When it was submitted: milliseconds since 1970. */
  get createdAt(): number {
    return this.#news.view.createdAt;
  }
  /** How many sends of it this tab began. */
  get attempts(): number {
    return this.#source.attempts(this.id) ?? this.#news.view.attempts;
  }
  /** Blocks from its own to the newest that is known, both included. */
  get confirmations(): number | undefined {
    const head = this.#source.headNumber();
    const block = this.#news.view.block;
    return head === undefined || block === undefined
      ? undefined
      : Math.max(0, head - block.number + 1);
  }

  /**
   * How it ends. Rejects only when the cache is closed before; or, with `not_found`, where it settled and left the log while
   * this tab slept, and a later task has its key.
   */
  get settled(): Promise<Outcome> {
    const settled = this.until("settled").then(() => this.#outcome());
    // Who only looks at the status need not handle the closing of the cache.
    settled.catch(() => undefined);
    return settled;
  }

  /**
   * Waits until this point is reached or passed. A task that fails before it rejects with `failed`, unless `settled`
   * was waited for.
   */
  async until(point: Point, options?: { signal?: AbortSignal }): Promise<this> {
    check.oneOf(point, POINTS, "the point to wait for");
    const { signal } = check.options(options ?? {}, ["signal"], "until");
    let waiter: Waiter | undefined;
    const reached = new Promise<void>((resolve, reject) => {
      waiter = { point, resolve, reject };
      this.#waiters ??= new Set();
      this.#waiters.add(waiter);
      this.#tell();
    });
    try {
      await abortable(reached, signal);
    } finally {
      if (waiter) this.#waiters?.delete(waiter);
    }
    return this;
  }

  /** @internal */
  become(news: TaskNews): void {
    this.#news = news;
    this.#tell();
  }

  /** @internal The cache is closed: what is waited for will not be heard of. */
  end(error: UplinkError): void {
    this.#ended = error;
    this.#tell();
  }

  #tell(): void {
    if (this.#waiters === undefined) return;
    for (const waiter of this.#waiters) {
      if (isReached(this.status, waiter.point)) waiter.resolve();
      else if (this.status === "failed") waiter.reject(this.#failure());
      else if (this.#ended) waiter.reject(this.#ended);
    }
  }

  #failure(): UplinkError {
    return new UplinkError("failed", `the task failed: ${this.reason ?? ""}`, {
      cause: this.cause,
    });
  }

  #outcome(): Outcome {
    const { status, txId, block, reason, cause, replacedBy } = this.#news.view;
    if (status === "final" && txId && block) return { status, txId, block };
    const failure = { reason: reason ?? "rejected", cause: cause ?? "" } as const;
    return {
      status: "failed",
      ...(txId && { txId }),
      ...failure,
      ...(replacedBy && { replacedBy }),
    };
  }
}

function isReached(status: Status, point: Point): boolean {
  switch (point) {
    case "sent":
      return status === "sent" || status === "included" || status === "final";
    case "included":
      return status === "included" || status === "final";
    case "settled":
      return status === "final" || status === "failed";
  }
}
