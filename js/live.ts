// What a query gives, kept up to date: a snapshot that is replaced only when something changed, for whoever subscribed.
import type { EntryView } from "../build/uplink_cache.js";
import type { Entry, Page } from "./cache.js";
import type { UplinkError } from "./error.js";
import { nextFrame } from "./frame.js";
import { type Kept, keep } from "./kept.js";

const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 30_000;
/** How long a look keeps others waiting. */
const SLOW_LOOK_MS = 50;

/** @internal What a query gives now. */
export interface Looked {
  items: EntryView[];
  cursor?: string | undefined;
  /** Why it could not be asked now: it is looked again. */
  missing?: UplinkError;
}

/** @internal What it needs of its cache. */
export interface LiveSource<V> {
  /** Whether a change of this key may change what the query gives. */
  concerns(key: string): boolean;
  look(): Promise<Looked>;
  make(view: EntryView): Entry<V>;
  /** Tells it of changes from now on. */
  attach(live: Live<V>): void;
  detach(live: Live<V>): void;
}

interface Reader {
  isStopped: boolean;
  /** Lets it go on, where it waits for a page. */
  wake(): void;
}

/**
 * A query that is kept up to date while somebody listens. `subscribe` and `getSnapshot` are what React's
 * `useSyncExternalStore` takes; `for await` gives every page that a reader is in time for, and always the last.
 */
export class Live<V> {
  readonly #source: LiveSource<V>;
  readonly #listeners = new Set<() => void>();
  /** Iterators, woken by each look and by the end. */
  readonly #readers = new Set<Reader>();
  #kept: Kept<V>[] = [];
  #page: Page<V> | undefined;
  #ended: UplinkError | undefined;
  /** What it found cannot be shown: a value that the codec cannot decode. */
  #failure: UplinkError | undefined;
  /** Looks again, where something could not be asked. */
  #retry: ReturnType<typeof setTimeout> | undefined;
  #isStale = false;
  #isLooking = false;
  /** It was looked in this frame. */
  #isHeld = false;
  /** It was looked since somebody listens. */
  #isCurrent = false;
  #retryMs = FIRST_RETRY_MS;

  /** @internal */
  constructor(source: LiveSource<V>, first?: EntryView) {
    this.#source = source;
    try {
      if (first !== undefined) this.#replace({ items: [first] });
    } catch (error) {
      this.#failure = error as UplinkError;
    }
  }

  /**
   * Calls back after each change of the snapshot, once a frame at the most. Returns what ends it. A listener that throws
   * is reported, and holds nobody up.
   */
  readonly subscribe = (listener: () => void): (() => void) => {
    // The same function may subscribe twice.
    const own = () => listener();
    if (this.#listeners.size === 0) {
      this.#source.attach(this);
      this.#isCurrent = false;
      this.changed();
    }
    this.#listeners.add(own);
    return () => {
      if (this.#listeners.delete(own) && this.#listeners.size === 0) this.#source.detach(this);
    };
  };

  /**
   * The page, frozen: the same object while nothing changed, and in the next one the same objects for entries that did not.
   * `undefined` until it is known: what only the chain could answer, not before a gateway does. While nobody listens it stays
   * as it is.
   */
  readonly getSnapshot = (): Page<V> | undefined => this.#page;

  /**
   * Each page from now on; a slow reader gets the newest. Ends when the cache is closed, and throws where that broke, or where
   * the codec cannot decode a value.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Page<V>> {
    const reader: Reader = { isStopped: false, wake: () => {} };
    const pages = this.#pages(reader);
    const iterator: AsyncIterableIterator<Page<V>> = {
      next: () => pages.next(),
      return: async () => {
        reader.isStopped = true;
        // Whoever waits for a page gets none any more.
        reader.wake();
        await pages.return();
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  async *#pages(reader: Reader): AsyncGenerator<Page<V>, void, undefined> {
    let last: Page<V> | undefined;
    let stop: () => void;
    try {
      stop = this.subscribe(() => {});
    } catch (error) {
      if ((error as UplinkError).code === "closed") return;
      throw error;
    }
    this.#readers.add(reader);
    try {
      while (!reader.isStopped) {
        const page = this.#page;
        if (this.#isCurrent && page !== undefined && page !== last) {
          last = page;
          yield page;
        } else if (this.failure) {
          if (this.failure.code === "closed") return;
          throw this.failure;
        } else {
          await new Promise<void>((resolve) => {
            reader.wake = resolve;
          });
        }
      }
    } finally {
      this.#readers.delete(reader);
      stop();
    }
  }

  /** @internal Why there is no page, or none that is up to date, and will be none before something changes. */
  get failure(): UplinkError | undefined {
    return this.#ended ?? this.#failure;
  }

  /** @internal */
  concerns(key: string): boolean {
    return this.#source.concerns(key);
  }

  /** @internal Something may have changed. */
  changed(): void {
    this.#isStale = true;
    // Once the module has told all that changed together.
    queueMicrotask(() => void this.#run());
  }

  /** @internal The cache is closed: nothing changes any more. */
  end(error: UplinkError): void {
    this.#ended = error;
    this.#listeners.clear();
    for (const { wake } of this.#readers) wake();
  }

  /** One look at a time, and one a frame: changes meanwhile make one more. */
  async #run(): Promise<void> {
    const isDue = this.#isStale && this.#listeners.size > 0 && !this.#ended;
    if (!isDue || this.#isLooking || this.#isHeld) return;
    this.#isLooking = true;
    this.#isStale = false;
    const again = () => {
      this.#isHeld = false;
      void this.#run();
    };
    this.#isHeld = true;
    try {
      const found = await this.#look();
      this.#isLooking = false;
      if (found === undefined) return again();
      nextFrame(again);
      clearTimeout(this.#retry);
      if (found.missing === undefined) this.#retryMs = FIRST_RETRY_MS;
      else this.#retry = setTimeout(() => this.changed(), this.#laterMs());
      if (this.#listeners.size > 0) this.#show(found);
    } catch (error) {
      this.#isLooking = false;
      this.#failed(error as UplinkError, again);
    }
  }

  /** Nothing where it takes long, as it waits for the gateway, and something changed meanwhile, or nobody listens any more. */
  async #look(): Promise<Looked | undefined> {
    const looking = this.#source.look();
    let timer: ReturnType<typeof setInterval> | undefined;
    const overtaken = new Promise<undefined>((resolve) => {
      const isOver = () => this.#isStale || this.#listeners.size === 0;
      timer = setInterval(() => isOver() && resolve(undefined), SLOW_LOOK_MS);
    });
    try {
      return await Promise.race([looking, overtaken]);
    } finally {
      clearInterval(timer);
      looking.catch(() => undefined);
    }
  }

  /** What was shown stays. Where it may pass, it is looked again: what changed must not be lost for it. */
  #failed(error: UplinkError, again: () => void): void {
    if (this.#ended) return;
    reportError(error);
    setTimeout(again, this.#laterMs());
    if (error.retryable === true) {
      this.#isStale = true;
      return;
    }
    this.#failure = error;
    this.#tell();
  }

  #laterMs(): number {
    const ms = this.#retryMs;
    this.#retryMs = Math.min(2 * ms, LAST_RETRY_MS);
    return ms;
  }

  #show(found: Looked): void {
    const isNew = (found.missing === undefined || this.#showsTask()) && this.#replace(found);
    const hadFailed = this.#failure !== undefined;
    this.#failure = undefined;
    this.#isCurrent = true;
    if (isNew || hadFailed) this.#tell();
    else for (const { wake } of this.#readers) wake();
  }

  /** Whether a task is shown that is not final. What is not there any more was withdrawn: it does not stay where nothing can be asked. */
  #showsTask(): boolean {
    return this.#kept.some(({ view }) => view.source === "backup" && view.status !== "final");
  }

  #tell(): void {
    for (const { wake } of this.#readers) wake();
    for (const listener of [...this.#listeners]) {
      // An earlier one may have ended it.
      if (!this.#listeners.has(listener)) continue;
      try {
        listener();
      } catch (error) {
        reportError(error);
      }
    }
  }

  /** Makes this the page, unless it is the same as what there is. */
  #replace({ items, cursor }: Looked): boolean {
    const known = new Map(this.#kept.map((kept) => [kept.view.key, kept]));
    const kept = items.map((view) =>
      keep(view, known.get(view.key), (each) => this.#source.make(each)),
    );
    const isSamePage =
      this.#page !== undefined &&
      cursor === this.#page.cursor &&
      kept.length === this.#kept.length &&
      kept.every((each, at) => each === this.#kept[at]);
    if (isSamePage) return false;
    this.#kept = kept;
    const page: Page<V> = { items: kept.map(({ entry }) => entry) };
    if (cursor !== undefined) page.cursor = cursor;
    Object.freeze(page.items);
    this.#page = Object.freeze(page);
    return true;
  }
}
