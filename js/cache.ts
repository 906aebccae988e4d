import type {
  DamageView,
  Engine,
  EntryView,
  ErrorView,
  Host,
  OpenOptions as ModuleOptions,
  NoticeKind,
  Source,
  Status,
  TaskView,
  TipView,
} from "../build/uplink_cache.js";
import { checkAfter, type SubmitAfter } from "./after.js";
import { BackgroundSync } from "./background-sync.js";
import * as check from "./check.js";
import { type Codec, decode, encode, json } from "./codec.js";
import { curves, curvesAtLast, fetchCurves, hasCurves } from "./curves.js";
import { fromModule, invalid, UplinkError } from "./error.js";
import type { CacheEventName, CacheEvents } from "./events.js";
import {
  checkGateway,
  finalityOptions,
  type Gateway,
  type Rpc,
  type RpcOptions,
  rpcOptions,
} from "./gateway.js";
import {
  type CountOptions,
  countQuery,
  type KeyQuery,
  type ListOptions,
  listQuery,
  type TagQuery,
  type Tags,
  tagList,
  tagsOf,
} from "./listing.js";
import { Live, type LiveSource, type Looked } from "./live.js";
import { areLocal } from "./local.js";
import { type Merged, type MergeOptions, mergeWith } from "./merge.js";
import { add, Meter, type Metrics } from "./metrics.js";
import { type Instance, load, type WasmSource } from "./module.js";
import { entryOf, Packed, type PackedEntries, pageOf, type TaskNews } from "./packed.js";
import { Peeks, type Touches } from "./peeks.js";
import { Persistence } from "./persistence.js";
import { exportSegments, exportTasks, type Imported, importTasks } from "./portable.js";
import {
  ChainReader,
  checkKeys,
  optionalAge,
  type ReadManyOptions,
  type ReadResult,
  Turn,
} from "./read-many.js";
import { type ChainTransaction, findSent, type Reconciled } from "./reconcile.js";
import type * as Recover from "./recover.js";
import {
  checkSigners,
  isHash,
  isRefusal,
  readSignature,
  type Signer,
  type Signers,
  signerOptions,
  signTask,
  wordsOf,
} from "./sign.js";
import { abortable, withTimeout } from "./signal.js";
import type { Stats } from "./stats.js";
import { Task, type TaskSource } from "./task.js";
import { UpdateFunctions, type Updates } from "./updates.js";

export interface OpenOptions<V> {
  /** One database per name, chain and account. */
  name: string;
  /** Another account's data is out of reach. Also the lane of tasks that name none. */
  account?: string | undefined;
  /** Where payloads go and the chain is read: `evm({ … })`. */
  gateway: Gateway;
  /** Who signs what `submit({ sign })` backs up, by name. The tab that sends asks its own. */
  signers?: Signers<V>;
  /**
   * Functions that make a key's value of the one below it, by the names that `submit({ update })` gives. A tab or worker
   * that sends needs those of all tasks: without its function a task is blocked as `update_failed`.
   */
  updates?: Updates<V>;
  /** How values are stored. Default: JSON. */
  codec?: Codec<V>;
  /** `strict` (the default): a commit counts once the disk has it. `relaxed`: once the operating system has it. */
  durability?: "strict" | "relaxed";
  /** Whether to ask the browser, once there is something to lose, to keep this origin's storage. Firefox asks the user. */
  persist?: boolean;
  /** Whether to have the app's service worker send what waits when no page does: see `uplink-cache/service-worker`. */
  backgroundSync?: boolean;
  /** What settled values may take in the store, in bytes: beyond that those of the oldest use are evicted. Default: 64 MiB. */
  cacheBytes?: number;
  /**
   * How old an answer of `read` may be that was read from the chain, in milliseconds; older, the chain is asked again.
   * Default: `pollMs` of the gateway, and 0 where the key is a transaction id. What this browser wrote itself has no age.
   */
  maxAge?: number;
  /** So much older it is given all the same, as `stale`, while the chain is asked in the background. Default: 0. */
  staleWhileRevalidate?: number;
  /** How long it counts that the chain has nothing under a key, in milliseconds, and no longer than `maxAge`. Default: 0. */
  negativeMaxAge?: number;
  /**
   * Whether the page's timeline gets a `performance.measure` of each task that is submitted here when it is backed up, sent,
   * in a block and final. Default: false.
   */
  userTiming?: boolean;
  /** Where the WebAssembly module comes from, if not from beside this one. */
  wasm?: WasmSource;
}

interface SubmitNames extends SubmitAfter {
  /** The same key with the same content gives the same task; with other content, `conflict`. */
  idempotencyKey?: string;
  /** Tasks of one lane are sent in the order of their nonces. Default: the signer's account, else the cache's. */
  lane?: string;
  /** What it says of itself: `list` and `count` find it by these, and entries show them. */
  tags?: Tags;
  /**
   * The name of one of the cache's `updates`, which makes the key's value of the one below it and of `value`. Such a task has
   * a key and a value. Its tags take the place of those below, where it has some.
   */
  update?: string;
}

/** A payload that is signed already. */
export interface SubmitPayload<V> extends SubmitNames {
  /** The signed raw transaction: bytes, or 0x-hex. At most 1 MiB. */
  payload: Uint8Array | string;
  /** What reads ask for, at most 1 KiB of UTF-8. Default: the transaction id. */
  key?: string | undefined;
  /** What reads get, at most 1 MiB encoded; with `update`, what that is called with. Default: the calldata. */
  value?: V;
  sign?: never;
}

/** A draft, which is signed once it is backed up. */
export interface SubmitDraft<V> extends SubmitNames {
  /** The name of the signer that makes the transaction. */
  sign: string;
  /** What reads ask for, at most 1 KiB of UTF-8. */
  key: string;
  /** What reads get, at most 1 MiB encoded; with `update`, what that is called with. */
  value: V;
  payload?: never;
}

/** Either of them with an `update`, whose `value` is what that is called with. */
export type SubmitUpdate = (
  | Omit<SubmitPayload<unknown>, "update" | "value">
  | Omit<SubmitDraft<unknown>, "update" | "value">
) & {
  update: string;
  // biome-ignore lint/suspicious/noExplicitAny: an update's argument is as typed as the dapp says
  value: any;
};

export type SubmitOptions<V> = SubmitPayload<V> | SubmitDraft<V> | SubmitUpdate;

/** The answer to a read. */
export type Entry<V> = Omit<EntryView, "value" | "isCalldata" | "tags"> & {
  /** What the submission said of itself, where it said something. */
  tags?: Tags;
} & (
    | { /** What the codec decoded. */ value: V; isCalldata: false }
    | { /** Calldata, as the chain has it. */ value: Uint8Array; isCalldata: true }
  );

export interface Page<V> {
  items: readonly Entry<V>[];
  /** Where the next page begins, if there is one. */
  cursor?: string;
}

/** @internal */
export interface SignedTransaction {
  taskId: string;
  payload: Uint8Array;
  /** The account that signed it. */
  from: string;
}

export type WatchOptions = { key: string } | Omit<KeyQuery, "cursor"> | Omit<TagQuery, "cursor">;

/** What only asks is given up when the cache is closed; what writes is waited for. */
type Purpose = "asks" | "writes" | "leaves";

interface Pending {
  purpose: Purpose;
  answer: Promise<unknown>;
  touches: Touches;
  /** What is made of the answer when it comes: before anything that the module tells after it. */
  arrive(result: unknown): unknown;
  resolve(result: unknown): void;
  reject(error: UplinkError): void;
}

const LEFT =
  "the task left the backup, and nothing here says how it ended: ask the chain by its txId";
/** Garbage in the log, in bytes, from which on it is cleaned. */
const CLEAN_AT_BYTES = 256 * 1024;
const CACHE_BYTES = 64 * 1024 * 1024;
const OPEN_NAMES = [
  "name",
  "account",
  "gateway",
  "signers",
  "updates",
  "codec",
  "durability",
  "persist",
  "backgroundSync",
  "cacheBytes",
  "maxAge",
  "staleWhileRevalidate",
  "negativeMaxAge",
  "userTiming",
  "wasm",
];
const SUBMIT_NAMES = [
  "payload",
  "sign",
  "key",
  "value",
  "idempotencyKey",
  "lane",
  "tags",
  "update",
  "after",
  "afterStatus",
];
const WATCH_NAMES = ["prefix", "limit", "reverse", "tag", "order"];
const LIST_NAMES = [...WATCH_NAMES, "cursor"];
const SOURCES = ["backup", "cache", "chain"] as const satisfies readonly Exclude<Source, "any">[];
const STATUSES = [
  "backed-up",
  "blocked",
  "sent",
  "included",
  "final",
  "failed",
] as const satisfies readonly Status[];

/** Opens the cache of a name and an account; resolves when all that is backed up is known. */
// biome-ignore lint/suspicious/noExplicitAny: what JSON values are is the dapp's to say
export async function openCache<V = any>(options: OpenOptions<V>): Promise<Cache<V>> {
  return openDatabase(options, { mustExist: false });
}

/** @internal The same; what must exist is not created. */
export async function openDatabase<V>(
  options: OpenOptions<V>,
  { mustExist }: { mustExist: boolean },
): Promise<Cache<V>> {
  const cache = await connectDatabase(options, { mustExist });
  await cache.open();
  return cache;
}

/** @internal A cache that knows nothing yet of what is backed up: `open` has it read that. */
export async function connectDatabase<V>(
  options: OpenOptions<V>,
  { mustExist }: { mustExist: boolean },
): Promise<Cache<V>> {
  check.options(options, OPEN_NAMES, "openCache");
  const { codec = json, durability = "strict", wasm } = options;
  const { persist = false, backgroundSync = false } = options;
  const name = check.text(options.name, "name");
  if (name === "") throw invalid("name is not empty");
  const account = options.account === undefined ? "" : check.account(options.account);
  const gateway = checkGateway(options.gateway);
  const signers = checkSigners(options.signers ?? {});
  if (typeof codec?.encode !== "function" || typeof codec.decode !== "function") {
    throw invalid("codec has the functions encode and decode");
  }
  const updates = new UpdateFunctions(options.updates, codec);
  const most = Number.MAX_SAFE_INTEGER;
  const cacheBytes = check.integer(options.cacheBytes ?? CACHE_BYTES, 0, most, "cacheBytes");
  const strict = check.oneOf(durability, ["strict", "relaxed"], "durability") === "strict";
  const maxAge = optionalAge(options.maxAge, "maxAge");
  const staleWhileRevalidate = optionalAge(options.staleWhileRevalidate, "staleWhileRevalidate");
  const negativeMaxAge = optionalAge(options.negativeMaxAge, "negativeMaxAge");
  check.flag(persist, "persist");
  check.flag(backgroundSync, "backgroundSync");
  const meter = new Meter(check.flag(options.userTiming ?? false, "userTiming"));
  checkStorage();
  void wakeStorage();
  const module = await load(wasm);
  const database = databaseName(name, gateway.chainId, account);
  const cache = new Cache<V>(database, codec, gateway, signers, updates, meter);
  await cache.connect(module, {
    database,
    lane: account,
    urls: [...gateway.urls],
    chainId: gateway.chainId,
    ...finalityOptions(gateway.finality),
    quorum: gateway.quorum,
    perSecond: gateway.rateLimit.perSecond,
    burst: gateway.rateLimit.burst,
    maxInFlight: gateway.maxInFlight,
    pollMs: gateway.pollMs,
    timeoutMs: gateway.timeoutMs,
    hasReader: (gateway.read ?? gateway.readMany) !== undefined,
    ...(maxAge !== undefined && { maxAgeMs: maxAge }),
    staleWhileRevalidateMs: staleWhileRevalidate ?? 0,
    negativeMaxAgeMs: negativeMaxAge ?? 0,
    strict,
    mustExist,
    cleanAtBytes: CLEAN_AT_BYTES,
    cacheBytes,
    signers: signerOptions(signers),
    updates: updates.names,
    isJson: codec === json,
  });
  cache.care({ persist, backgroundSync, wasm });
  return cache;
}

function checkStorage(): void {
  let cause: unknown;
  try {
    if (globalThis.indexedDB) return;
  } catch (error) {
    // Some frames may not even ask.
    cause = error;
  }
  const message = cause ? "IndexedDB is refused here" : "there is no IndexedDB here";
  throw new UplinkError("storage_unavailable", message, { retryable: true, cause });
}

/** Has the browser open its files of this origin while the module is on its way: it does so at the first question. */
async function wakeStorage(): Promise<void> {
  try {
    await indexedDB.databases?.();
  } catch {
    // Who may not ask is told so when the database is opened.
  }
}

/** An open cache. */
export class Cache<V> {
  readonly #database: string;
  readonly #codec: Codec<V>;
  readonly #gateway: Gateway;
  readonly #signers: Map<string, Signer<V>>;
  readonly #updates: UpdateFunctions<V>;
  readonly #meter: Meter;
  /** Signers that are asked, by the question's number. */
  readonly #signing = new Map<number, AbortController>();
  readonly #reader: ChainReader;
  /** What the reading functions call in this turn. */
  readonly #turn = new Turn((...calls) => {
    if (!this.#ended) this.#engine?.callMany(...calls);
  });
  readonly #events = new EventTarget();
  /** Names that had a listener at any time: an event that nobody hears is not made. */
  readonly #listened = new Set<string>();
  readonly #pending = new Map<number, Pending>();
  readonly #tasks = new Map<string, Task>();
  /** Settled ones, while the app holds them: where finality is broken they go on. */
  readonly #settled = new Map<string, WeakRef<Task>>();
  readonly #forget = new FinalizationRegistry<string>((id) => {
    // There may be a newer one by now.
    if (this.#settled.get(id)?.deref() === undefined) this.#settled.delete(id);
  });
  /** Queries that somebody listens to. */
  readonly #lives = new Set<Live<V>>();
  readonly #peeks = new Peeks<V>(
    (key) => this.#viewNow(key),
    (view) => this.#entry(view),
  );
  #engine: Engine | undefined;
  #ended: UplinkError | undefined;
  #closing: Promise<void> | undefined;
  #asks = 0;
  #head: TipView | undefined;
  #opened: Pick<Pending, "resolve" | "reject"> | undefined;
  /** What was found damaged while the cache opens. */
  #damagedEarly: DamageView[] | undefined = [];
  #module: Instance | undefined;
  #wasm: WasmSource | undefined;
  #persistence: Persistence | undefined;
  #backgroundSync: BackgroundSync | undefined;
  #stopListening = () => {};
  #letGo = () => {};

  /** @internal */
  constructor(
    database: string,
    codec: Codec<V>,
    gateway: Gateway,
    signers: Map<string, Signer<V>>,
    updates: UpdateFunctions<V>,
    meter: Meter,
  ) {
    this.#signers = signers;
    this.#updates = updates;
    this.#meter = meter;
    this.#database = database;
    this.#codec = codec;
    this.#gateway = gateway;
    this.#reader = new ChainReader(
      gateway,
      (method, params, options) => this.#call(method, params, options, true),
      (id, value, ...failed) => {
        if (!this.#ended) this.#engine?.chainRead(id, value, ...failed);
      },
    );
  }

  /** @internal */
  async connect(module: Instance, options: ModuleOptions): Promise<void> {
    const host: Host = {
      done: (ask, error, result) => this.#done(ask, error, result),
      notice: (kind, detail) => this.#notice(kind, detail),
      happened: (packed) => this.#happened(packed),
      sign: (id, ...question) => void this.#sign(id, ...question),
      stopSigning: (id) => this.#stopSigning(id),
      recover: (id, ...signing) => void this.#recover(id, signing),
      readChain: (id, key, at) => this.#reader.read(id, key, at),
      stopReading: (id) => this.#reader.stop(id),
      update: (...call) => this.#updates.apply(...call),
    };
    const { guard } = module;
    this.#module = module;
    this.#stopListening = guard.onDeath((error) => this.#died(error));
    const { relay, letGo } = guard.host(host);
    this.#letGo = letGo;
    try {
      this.#engine = await guard.orDeath(module.Engine.open(JSON.stringify(options), relay));
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /** @internal Reads what is backed up. */
  async open(): Promise<void> {
    const engine = this.#alive();
    try {
      await new Promise<unknown>((resolve, reject) => {
        this.#opened = { resolve, reject };
        engine.start();
      });
    } catch (error) {
      throw this.#failed(error);
    }
    const early = this.#damagedEarly ?? [];
    this.#damagedEarly = undefined;
    // Once whoever opens the cache could add a listener.
    setTimeout(() => {
      for (const detail of early) this.#dispatch("storage", { problem: "damaged", ...detail });
    });
    const stopFollowing = followBrowser(engine, this.#gateway.urls);
    const stopWatching = this.#stopListening;
    this.#stopListening = () => {
      stopFollowing();
      stopWatching();
    };
    const message = engine.damage();
    if (message !== undefined) {
      // Once whoever opens the cache could add a listener.
      setTimeout(() => this.#dispatch("storage", { problem: "lost", message }));
    }
    if (!engine.canLead()) setTimeout(() => this.#leads(false));
    const { tasks } = this.stats();
    const isEmpty = STATUSES.every((status) => isSettled(status) || tasks[status] === 0);
    if (!isEmpty) this.#persistence?.ask();
    if (!isEmpty || this.#signers.size > 0) fetchCurves();
  }

  #failed(error: unknown): UplinkError {
    const failure = fromModule(error);
    this.#end(failure);
    return failure;
  }

  /** @internal What the backup says of a key that is not settled, before it was read, if that can be told. */
  async glance(key: string): Promise<Entry<V> | undefined> {
    const engine = this.#alive();
    const { guard } = this.#module as Instance;
    try {
      const view = entryOf((await guard.orDeath(engine.glance(key))) as PackedEntries | undefined);
      return view && this.#entry(view);
    } catch (error) {
      throw fromModule(error);
    }
  }

  /** @internal Begins what looks after the backup beside the engine. */
  care(options: { persist: boolean; backgroundSync: boolean; wasm: WasmSource | undefined }): void {
    this.#wasm = options.wasm;
    this.#persistence = new Persistence(options.persist);
    if (options.backgroundSync) {
      this.#backgroundSync = new BackgroundSync(
        this.#database,
        () => !this.#ended && this.stats().tasks["backed-up"] > 0,
      );
    }
  }

  /**
   * Backs up a payload, or a draft to be signed, to be sent and tracked. Resolves only once the backup is durable: from then on nothing but
   * the app's own word removes it before it is settled.
   */
  async submit(options: SubmitOptions<V>): Promise<Task> {
    const startMs = performance.now();
    this.#alive();
    check.options(options, SUBMIT_NAMES, "submit");
    const { sign } = options;
    if ((options.payload === undefined) === (sign === undefined)) {
      throw invalid("submit takes a payload, or the name of a signer as sign: one of the two");
    }
    const key = check.optionalText(options.key, "key");
    if (sign !== undefined && (check.text(sign, "sign") === "" || key === undefined)) {
      throw invalid("what is to be signed has a signer's name and a key");
    }
    if (sign !== undefined && options.value === undefined) {
      throw invalid("what is to be signed has a value");
    }
    const payload = sign === undefined ? check.payload(options.payload) : new Uint8Array();
    const idempotencyKey = check.optionalText(options.idempotencyKey, "idempotencyKey");
    const lane = check.optionalText(options.lane, "lane");
    const after = checkAfter(options, (id) => this.#settled.get(id)?.deref()?.status === "final");
    const tags = tagList(options.tags);
    const update = this.#updates.named(options.update);
    if (update !== undefined && (key === undefined || options.value === undefined)) {
      throw invalid("an update has a key and a value");
    }
    const value = "value" in options ? encode(this.#codec, options.value as V) : undefined;
    if (value !== undefined) check.size(value.length, check.MAX_VALUE_BYTES, "the value");
    const [bytes, words] = typeof value === "string" ? [undefined, value] : [value, undefined];
    this.#meter.submitted += 1;
    const task = await this.#ask<Task>(
      (engine, ask) =>
        engine.submit(
          ask,
          payload,
          sign,
          key,
          bytes,
          words,
          idempotencyKey,
          lane,
          tags,
          update,
          ...after,
        ),
      "none",
      "writes",
      // Not later: where a slow tab hears all at once, the next news may be that it settled and left the backup.
      (id) => this.#accepted(id as string, startMs),
    );
    this.#persistence?.ask();
    this.#backgroundSync?.look();
    fetchCurves();
    return task;
  }

  /**
   * Reads a key: the tasks first, then settled values, then the chain. With `source` only there. With `latest` what
   * other tabs were told is backed up is seen for certain: the log's end is looked at first. With `maxAge` nothing answers
   * but what is not settled yet, and what the chain said within so many milliseconds: an answer that is older all the same,
   * for want of a gateway, is `stale`. Rejects with `gateway_unreachable` only where nothing is known here. All who read a
   * key meanwhile share one request, which ends when the `signal` of each is aborted; for who comes late, with a `maxAge` that
   * it is too old for, there is another.
   */
  async read(
    key: string,
    options?: ReadManyOptions & { latest?: boolean },
  ): Promise<Entry<V> | undefined> {
    const engine = this.#alive();
    check.text(key, "key");
    if (options === undefined) {
      const view = entryOf(engine.readAtOnce(key));
      if (view) return this.#entry(view);
    }
    const names = ["source", "latest", "maxAge", "signal"];
    const { source, latest = false, signal, ...more } = check.options(options ?? {}, names, "read");
    const maxAge = optionalAge(more.maxAge, "maxAge");
    check.flag(latest, "latest");
    const from = source === undefined ? "any" : check.oneOf(source, SOURCES, "source");
    if (latest)
      await abortable(
        this.#ask<void>((engine, ask) => engine.sync(ask), "none"),
        signal,
      );
    const packed = await this.#waitFor<PackedEntries | undefined>(
      (engine, ask) => engine.read(Float64Array.of(ask), [key], from, maxAge),
      { signal },
      { key },
    );
    const view = entryOf(packed);
    return view && this.#entry(view);
  }

  /**
   * Reads up to 1,000 keys as `read` does, and gives one answer for each, in their order: the entry, `undefined`, or
   * `{ key, error }` where `read` would reject. What is to be read from the chain goes together: to the gateway's `readMany`,
   * or what its `read` calls as JSON-RPC batches.
   */
  async readMany(keys: readonly string[], options?: ReadManyOptions): Promise<ReadResult<V>[]> {
    const engine = this.#alive();
    const known = checkKeys(keys);
    const names = ["source", "maxAge", "signal"];
    const { source, signal, ...more } = check.options(options ?? {}, names, "readMany");
    const maxAge = optionalAge(more.maxAge, "maxAge");
    const from = source === undefined ? "any" : check.oneOf(source, SOURCES, "source");
    const asks: number[] = [];
    const results = known.map(async (key) => {
      try {
        const push = (_: unknown, ask: number) => void asks.push(ask);
        const packed = await this.#ask<PackedEntries | undefined>(push, { key });
        const view = entryOf(packed);
        return view && this.#entry(view);
      } catch (error) {
        if (this.#ended || this.#closing) throw error;
        return { key, error: fromModule(error) };
      }
    });
    engine.read(Float64Array.from(asks), known, from, maxAge);
    try {
      return await abortable(Promise.all(results), signal);
    } catch (error) {
      for (const ask of asks) this.#abandon(ask);
      throw error;
    }
  }

  /**
   * What `read` would give now without waiting: tasks whose value is in memory, and what was read before. The same frozen
   * object while nothing changed: the JSON of its value is frozen too.
   */
  peek(key: string): Entry<V> | undefined {
    if (this.#ended) throw this.#ended;
    this.#updates.checkIdle();
    return this.#peeks.get(key, this.#module?.guard.isEntered ?? false);
  }

  /**
   * Lists tasks over settled values, by key or by tag. What only the chain knows is not in it. An entry keeps its place
   * while its task settles, fails or is followed by another of the same key: whoever pages by cursor gets none twice, and
   * misses none that was there all the time.
   */
  async list(options?: ListOptions): Promise<Page<V>> {
    this.#alive();
    const { items, cursor } = await this.#listViews(listQuery(options ?? {}, LIST_NAMES, "list"));
    const entries = items.map((view) => this.#entry(view));
    return cursor === undefined ? { items: entries } : { items: entries, cursor };
  }

  /** How many entries `list` gives on all its pages. */
  async count(options?: CountOptions): Promise<number> {
    this.#alive();
    const { name, value } = countQuery(options ?? {});
    return this.#ask<number>((engine, ask) => engine.count(ask, name, value));
  }

  /**
   * Calls back with the page now, and again after each change of it, once a frame at the most, with the page that it was
   * told before: where a task failed, that one shows it still. Pages are frozen; entries that did not change are the same
   * objects in the next. Returns what ends it.
   */
  watch(
    query: WatchOptions,
    listener: (page: Page<V>, previous: Page<V> | undefined) => void,
  ): () => void {
    const live = new Live<V>(this.#source(query, "watch"));
    if (typeof listener !== "function") throw invalid("watch takes a function");
    let previous: Page<V> | undefined;
    return live.subscribe(() => {
      const before = previous;
      previous = live.getSnapshot();
      // It is told of failures, too.
      if (previous && previous !== before) listener(previous, before);
    });
  }

  /**
   * A query that is kept up to date while somebody listens, for React's `useSyncExternalStore` (`subscribe`, `getSnapshot`)
   * and for `for await`. Of a `{ key }` the first snapshot is what `peek` knows.
   */
  live(query: WatchOptions): Live<V> {
    const source = this.#source(query, "live");
    return new Live<V>(source, "key" in query ? this.#viewNow(query.key) : undefined);
  }

  /**
   * The dapp's rows of an indexer, a subgraph, `eth_getLogs` or a REST list, with what they lack so far: the entries of
   * `query` that the reader has not caught up with, each in its place and none twice. See `mergeRows`, which does it.
   */
  merge<R>(rows: readonly R[], options: MergeOptions<R, V>): Promise<Merged<R, V>[]> {
    return mergeWith((query) => this.list(query), rows, options);
  }

  /** The tasks of a status, or all that the backup has, oldest first. */
  tasks(options?: { status?: Status }): Task[] {
    const engine = this.#alive();
    const { status } = check.options(options ?? {}, ["status"], "tasks");
    if (status !== undefined) check.oneOf(status, STATUSES, "status");
    return new Packed(engine.tasks(status)).tasks().map((view) => this.#handle(newsOf(view)));
  }

  /** The task of this name, while the backup has it. */
  task(id: string): Task | undefined {
    const view = this.#view(check.text(id, "id"));
    return view && this.#handle(newsOf(view));
  }

  /** The chain that its tasks are for. */
  get chainId(): number {
    return this.#gateway.chainId;
  }

  /** @internal The name of its database: one of all caches of this name, chain and account. */
  get database(): string {
    return this.#database;
  }

  /** @internal A transaction of the backup by its id, and who signed it. */
  async signed(txId: string): Promise<SignedTransaction | undefined> {
    try {
      const found: Uint8Array | undefined = await this.#orDeath(this.#alive().transaction(txId));
      if (found === undefined) return undefined;
      const taskId = Array.from(found.slice(0, 16), (byte) =>
        byte.toString(16).padStart(2, "0"),
      ).join("");
      const payload = found.subarray(16);
      const from = await this.sender(payload);
      return from === undefined ? undefined : { taskId, payload, from };
    } catch (error) {
      throw fromModule(error);
    }
  }

  /** @internal The account that signed a transaction; none where its signature is nobody's. */
  async sender(payload: Uint8Array): Promise<string | undefined> {
    const signing = this.#alive().signing(payload);
    if (signing === undefined) return undefined;
    const { recover } = await curves();
    const key = recover(signing.slice(0, 32), signing.slice(32, 96), signing[96] ?? 0);
    return key && this.#alive().accountOf(key);
  }

  /** @internal A payload as bytes, and its transaction id; none where it is no signed transaction. */
  identify(payload: unknown): { payload: Uint8Array; txId: `0x${string}` | undefined } {
    const bytes = check.payload(payload);
    const txId = this.#alive().transactionId(bytes) as `0x${string}` | undefined;
    return { payload: bytes, txId };
  }

  /** Tries a blocked task again. */
  async retry(id: string): Promise<void> {
    await this.#act(id, "retry");
  }

  /**
   * Speeds a task up: sends this transaction in place of its own. It has the same sender, nonce and effect, and pays more;
   * anything else rejects with `invalid_input`. Whichever of them the chain takes, the task is included.
   */
  async replace(id: string, payload: Uint8Array | string): Promise<void> {
    await this.#replace(id, payload, "replacement");
  }

  /**
   * Ends a task that was never sent: it fails as `cancelled`. Where the chain may have it, that takes a `payload`: a
   * transaction of the same sender and nonce that pays more. If the chain takes that one, the task fails as `cancelled`;
   * if it takes the task's own, it is included all the same. Without `payload` it then rejects with `already_sent`.
   */
  async cancel(id: string, options?: { payload: Uint8Array | string }): Promise<void> {
    const given: { payload?: Uint8Array | string } = options ?? {};
    const { payload } = check.options(given, ["payload"], "cancel");
    if (payload === undefined) await this.#act(id, "cancel");
    else await this.#replace(id, payload, "cancellation");
  }

  /**
   * Looks for what a wallet may have sent for a task that is blocked as `unknown`. With the transaction's id, where the
   * app knows it; else by sender, nonce and what the transaction does, by the signer's `address` and `request`. Found: it
   * is tracked. Absent: `retry` is safe. Otherwise the task stays as it is, and the answer says why.
   */
  async reconcile(
    id: string,
    options?: { txId?: string; signal?: AbortSignal },
  ): Promise<Reconciled> {
    const view = this.#view(check.text(id, "id"));
    const { txId, signal } = check.options(options ?? {}, ["txId", "signal"], "reconcile");
    if (view === undefined) throw new UplinkError("not_found", `there is no task ${id}`);
    if (txId !== undefined && !isHash(check.text(txId, "txId"))) {
      throw invalid("txId is 0x and 64 hex digits");
    }
    if (view.status !== "blocked" || view.signer === undefined || view.txId !== undefined) {
      throw new UplinkError("already_sent", `task ${id} is ${view.status}: nothing is to be found`);
    }
    // Each of its questions ends with the signal, and nothing begins after it.
    if (signal?.aborted) return abortable(new Promise<never>(() => {}), signal);
    const rpc: Rpc = (method, params = []) => this.#call(method, params, signal ? { signal } : {});
    const search = txId === undefined ? this.#findSent(view, rpc) : this.#takeSent(view, txId, rpc);
    return abortable(search, signal);
  }

  /** Forgets a failed task. */
  async discard(id: string): Promise<void> {
    await this.#act(id, "discard");
  }

  /**
   * Sends what waits for a backoff now, and resolves when no task is `backed-up` any more. Rejects with `cannot_send` where
   * the browser gives no Web Locks and something waits.
   */
  async flush(options?: { signal?: AbortSignal }): Promise<void> {
    const engine = this.#alive();
    const { signal } = check.options(options ?? {}, ["signal"], "flush");
    engine.tryNow();
    let stop = () => {};
    const flushed = new Promise<void>((resolve, reject) => {
      const look = () => {
        if (this.#ended) return reject(this.#ended);
        if ([...this.#pending.values()].some(({ purpose }) => purpose !== "asks")) return;
        try {
          if (this.stats().tasks["backed-up"] === 0) resolve();
          else if (!engine.canLead()) reject(cannotSend());
        } catch (error) {
          reject(error);
        }
      };
      const events = ["status", "storage", "leader", "idle"];
      for (const event of events) this.#listen(event, look);
      stop = () => {
        for (const event of events) this.#events.removeEventListener(event, look);
      };
      look();
    });
    try {
      await abortable(flushed, signal);
    } finally {
      stop();
    }
  }

  /**
   * All tasks that are not final, failed ones too, as a file: to keep, or for `importBackup` in another browser. It holds
   * what was durable in any tab when this was called.
   */
  async exportBackup(): Promise<Blob> {
    this.#alive();
    return exportTasks((call) => this.#ask(call, "none"));
  }

  /**
   * Takes in the tasks of a file that `exportBackup` made, and resolves once they are durable here. What is known here is
   * left as it is. The chain is asked by transaction id before anything is sent. Rejects with `invalid_input`,
   * `wrong_chain` or `newer_format` where the whole file is refused; and where a commit fails: then the same call again
   * does the rest.
   */
  async importBackup(file: Blob): Promise<Imported> {
    this.#alive();
    if (!(file instanceof Blob)) throw invalid("importBackup takes a Blob");
    return importTasks((call) => this.#ask(call, "none", "writes"), file);
  }

  /** What a `storage` event of `damaged` segments told, byte by byte, as a file; nothing where none is damaged. */
  async exportDamaged(): Promise<Blob | undefined> {
    try {
      return await this.#orDeath(exportSegments(this.#alive()));
    } catch (error) {
      throw fromModule(error);
    }
  }

  /** Forgets the damaged segments that were set aside. Those that are in the log still stay until it is cleaned. */
  async discardDamaged(): Promise<void> {
    try {
      await this.#orDeath(this.#alive().discardDamaged());
    } catch (error) {
      throw fromModule(error);
    }
  }

  /** Numbers: tasks by status, the log, the leader, the chain's end; and what the browser promised. */
  stats(): Stats {
    return {
      ...this.#alive().stats(),
      persisted: this.#persistence?.isPersisted,
      askedToPersist: this.#persistence?.wasAsked ?? false,
      backgroundSync: this.#backgroundSync?.state ?? "off",
    };
  }

  /** Numbers about what this tab saw since it opened the cache: how many tasks came how far, and how long that took. */
  metrics(): Metrics {
    return this.#meter.metrics(this.#alive().stats().gateways);
  }

  /**
   * Closes the handle once all submissions, and what else is to be written, are answered. Nothing new is taken from here on:
   * what is called now, and what only asks, rejects with `closed`. Another tab goes on, or the next that opens.
   */
  async close(): Promise<void> {
    if (this.#ended) return;
    this.#updates.checkIdle();
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    // From the next turn on it is known that this closes, and new calls are refused.
    await undefined;
    for (const live of this.#lives) live.end(isClosed());
    const writes: Promise<unknown>[] = [];
    for (const [ask, { purpose, answer }] of [...this.#pending]) {
      if (purpose === "asks") this.#abandon(ask, isClosed());
      else writes.push(answer);
    }
    await Promise.allSettled(writes);
    // It may have ended meanwhile.
    if (this.#ended) return;
    const leave = (engine: Engine, ask: number) => engine.leave(ask);
    await this.#ask<void>(leave, "none", "leaves").catch(() => undefined);
    this.#end(isClosed());
  }

  /** Closes the handle and deletes the database with all that it holds. */
  async destroy(): Promise<void> {
    await this.close();
    try {
      // Not the module of this handle: it may be dead.
      const { Engine, guard } = await load(this.#wasm);
      await guard.orDeath(Engine.destroy(this.#database));
    } catch (error) {
      throw fromModule(error);
    }
  }

  addEventListener<N extends CacheEventName>(
    name: N,
    listener: (event: CustomEvent<CacheEvents[N]>) => void,
    options?: AddEventListenerOptions,
  ): void {
    this.#listen(name, listener as EventListener, options);
  }

  removeEventListener<N extends CacheEventName>(
    name: N,
    listener: (event: CustomEvent<CacheEvents[N]>) => void,
    options?: EventListenerOptions,
  ): void {
    this.#events.removeEventListener(name, listener as EventListener, options);
  }

  #alive(): Engine {
    if (this.#ended) throw this.#ended;
    this.#updates.checkIdle();
    if (!this.#engine) throw new UplinkError("internal", "the cache is not open");
    return this.#engine;
  }

  /** Calls the module, which answers by this number. */
  #ask<T>(
    call: (engine: Engine, ask: number) => void,
    touches: Touches = "any",
    purpose: Purpose = "asks",
    arrive: Pending["arrive"] = (result) => result,
  ): Promise<T> {
    const engine = this.#alive();
    if (this.#closing && purpose !== "leaves") throw isClosed();
    this.#asks += 1;
    const ask = this.#asks;
    const pending = { touches, purpose, arrive } as Pending;
    pending.answer = new Promise((resolve, reject) => {
      pending.resolve = resolve;
      pending.reject = (error) => {
        add(this.#meter.errors, error.code);
        reject(error);
      };
    });
    this.#pending.set(ask, pending);
    this.#peeks.begin(touches);
    try {
      call(engine, ask);
    } catch (error) {
      this.#take(ask);
      pending.reject(fromModule(error));
    }
    return pending.answer as Promise<T>;
  }

  /** What the module knows of a task. */
  #view(id: string): TaskView | undefined {
    const packed = this.#alive().task(id);
    return packed === undefined ? undefined : new Packed(packed).task();
  }

  #viewNow(key: string): EntryView | undefined {
    return entryOf(this.#alive().peek(check.text(key, "key")));
  }

  async #readView(key: string, from: Source): Promise<EntryView | undefined> {
    const packed = await this.#ask<PackedEntries | undefined>(
      (engine, ask) => engine.read(Float64Array.of(ask), [key], from, undefined),
      { key },
    );
    return entryOf(packed);
  }

  async #listViews(query: ReturnType<typeof listQuery>): Promise<Looked> {
    const { name, value, backwards, limit, cursor } = query;
    const packed = await this.#ask<PackedEntries>((engine, ask) =>
      engine.list(ask, name, value, backwards, cursor, limit),
    );
    return pageOf(packed);
  }

  /** What the module itself promises: it would never keep it after its death. */
  #orDeath<T>(promise: Promise<T>): Promise<T> {
    return this.#module?.guard.orDeath(promise) ?? promise;
  }

  readonly #rpc: Rpc = (method, params = [], options = {}) => this.#call(method, params, options);

  async #takeSent(view: TaskView, txId: string, rpc: Rpc): Promise<Reconciled> {
    const found: ChainTransaction | null = await rpc("eth_getTransactionByHash", [txId]);
    const unknown = (cause: string) => ({ result: "unknown", cause }) as const;
    if (found?.hash?.toLowerCase() !== txId.toLowerCase()) {
      return unknown("the gateway does not know this transaction");
    }
    const address = this.#signers.get(view.signer ?? "")?.address?.toLowerCase();
    if (address !== undefined && found.from.toLowerCase() !== address) {
      return unknown(`this transaction is account ${found.from}'s, the signer's is ${address}`);
    }
    const adopt = (engine: Engine, ask: number) => engine.adopt(ask, view.id, found.hash);
    await this.#ask<string>(adopt, "any", "writes");
    return { result: "found", txId: found.hash };
  }

  async #findSent(view: TaskView, rpc: Rpc): Promise<Reconciled> {
    const { id, signer: name = "", nonceFrom } = view;
    const signer = this.#signers.get(name);
    const unknown = (cause: string) => ({ result: "unknown", cause }) as const;
    if (view.reason !== "unknown") throw invalid(`task ${id} is not blocked as unknown`);
    if (signer === undefined) return unknown(`no signer "${name}" is registered in this tab`);
    if (signer.address === undefined) return unknown(`the signer "${name}" has no address`);
    const value = this.peek(view.key);
    const entry = value?.taskId === id ? value : await this.read(view.key);
    // What a read gives of an update is not what its signer was given.
    const isOwn = entry?.taskId === id && !entry.isCalldata && view.update === undefined;
    const own = isOwn ? entry.value : undefined;
    const effect = own === undefined ? undefined : await signer.request?.(signTask(view, own));
    const address = signer.address.toLowerCase();
    const wanted = { address, nonce: view.nonce, nonceFrom, effect };
    const reconciled = await findSent(rpc, wanted, async ({ hash }) => {
      try {
        await this.#ask<string>((engine, ask) => engine.adopt(ask, id, hash), "any", "writes");
        return true;
      } catch (error) {
        // Another task has it.
        if ((error as UplinkError).code === "conflict") return false;
        throw error;
      }
    });
    if (reconciled.result === "absent") await this.#act(id, "not-sent");
    return reconciled;
  }

  async #act(id: string, action: "retry" | "cancel" | "discard" | "not-sent"): Promise<void> {
    check.text(id, "id");
    await this.#ask<string>((engine, ask) => engine.act(ask, id, action), "none", "writes");
  }

  async #replace(
    id: string,
    payload: Uint8Array | string,
    role: "replacement" | "cancellation",
  ): Promise<void> {
    check.text(id, "id");
    const bytes = check.payload(payload);
    this.#alive();
    // Else at once: what was begun before the cache is closed is done.
    if (!hasCurves()) await curves();
    const replace = (engine: Engine, ask: number) => engine.replace(ask, id, bytes, role);
    await this.#ask<string>(replace, "any", "writes");
  }

  /** A call that waits for nothing any more. */
  #take(ask: number): Pending | undefined {
    const pending = this.#pending.get(ask);
    if (pending !== undefined) this.#peeks.end(pending.touches);
    this.#pending.delete(ask);
    return pending;
  }

  #done(ask: number, error: ErrorView | undefined, result: unknown): void {
    const pending = this.#take(ask);
    if (error === undefined) pending?.resolve(pending.arrive(result));
    else pending?.reject(fromModule(error));
    if (pending?.purpose !== "asks" || this.#pending.size === 0) this.#idle();
  }

  #idle(): void {
    if (this.#listened.has("idle")) this.#events.dispatchEvent(new Event("idle"));
  }

  #happened(text: string): void {
    const packed = new Packed(text);
    let happening = packed.next();
    // Where the app's own code closes the cache, it hears nothing more.
    while (happening !== undefined && !this.#ended) {
      switch (happening.kind) {
        case "accepted":
          this.#done(happening.ask, undefined, happening.id);
          break;
        case "status":
          this.#status(happening.news, happening.from);
          break;
        case "discarded":
          this.#discarded(happening.id);
          break;
        case "changed":
          this.#changed(happening.key);
          break;
      }
      happening = packed.next();
    }
  }

  #discarded(id: string): void {
    this.#tasks.get(id)?.end(new UplinkError("not_found", LEFT));
    this.#tasks.delete(id);
    this.#settled.delete(id);
    this.#meter.forget(id);
    this.#dispatch("discarded", { id });
  }

  #changed(key: string): void {
    this.#peeks.doubt(key);
    for (const live of this.#lives) if (live.concerns(key)) live.changed();
  }

  // biome-ignore lint/suspicious/noExplicitAny: the detail's type follows from the kind
  #notice(kind: NoticeKind, detail: any): void {
    switch (kind) {
      case "opened":
        this.#opened?.resolve(undefined);
        break;
      case "broken":
        this.#broken(detail);
        break;
      case "confirmed":
        // The same value as of a later block: nobody needs to look again, but for whoever peeks.
        this.#peeks.doubt(detail);
        break;
      case "refolded":
        this.#peeks.doubtAll();
        for (const live of this.#lives) live.changed();
        break;
      case "reorg":
        this.#meter.reorgs += 1;
        this.#dispatch("reorg", detail);
        break;
      case "head":
        this.#head = detail;
        this.#dispatch("head", detail);
        break;
      case "damaged":
        if (this.#damagedEarly) this.#damagedEarly.push(detail);
        else this.#dispatch("storage", { problem: "damaged", ...detail });
        break;
      case "trouble":
        add(this.#meter.commitFailures, detail.code);
        this.#dispatch("storage", { problem: "commit", ...detail });
        break;
      case "unreadable":
        this.#dispatch("storage", { problem: "unreadable", ...detail });
        break;
      case "leader":
        this.#leads(detail);
        break;
    }
  }

  #leads(leader: boolean): void {
    const canLead = this.#engine?.canLead();
    this.#dispatch("leader", { leader, ...(!canLead && { problem: "no_locks" }) });
  }

  #listen(name: string, listener: EventListener, options?: AddEventListenerOptions): void {
    this.#listened.add(name);
    this.#events.addEventListener(name, listener, options);
  }

  #dispatch<N extends CacheEventName>(name: N, detail: CacheEvents[N]): void {
    if (!this.#listened.has(name)) return;
    this.#events.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #broken(view: ErrorView): void {
    const error = fromModule(view);
    this.#opened?.reject(error);
    this.#end(error);
    this.#dispatch("storage", { problem: "closed", code: error.code, message: error.message });
  }

  /** A trap in the module. It may come in the middle of a call: the app is told after it. */
  #died(error: UplinkError): void {
    this.#opened?.reject(error);
    this.#end(error);
    const { code, message } = error;
    queueMicrotask(() => this.#dispatch("storage", { problem: "closed", code, message }));
  }

  #end(error: UplinkError): void {
    if (this.#ended) return;
    this.#ended = error;
    this.#stopListening();
    this.#backgroundSync?.stop();
    // A dead module has given up what it held, and is not called again.
    if (this.#module?.guard.death === undefined) this.#engine?.close();
    for (const control of this.#signing.values()) control.abort();
    this.#reader.stopAll();
    for (const live of this.#lives) live.end(error);
    for (const pending of this.#pending.values()) pending.reject(error);
    for (const task of this.#tasks.values()) task.end(error);
    this.#pending.clear();
    this.#lives.clear();
    this.#tasks.clear();
    // Nothing of the module leads here any more: what it still holds of this cache goes with it.
    this.#letGo();
    this.#engine = undefined;
    this.#idle();
  }

  #status(news: TaskNews, from: Status | undefined): void {
    const known = this.#known(news.id);
    const task = known ?? new Task(news, this.#taskSource);
    known?.become(news);
    this.#keep(news, task);
    this.#meter.status(news, from);
    this.#dispatch("status", from === undefined ? { task } : { task, from });
  }

  /** The task that a submission is. The news of it came first, with all that is known: to ask again would double what crosses over. */
  #accepted(id: string, startMs: number): Task | Promise<never> {
    const task = this.#known(id) ?? this.task(id);
    if (task !== undefined) this.#meter.accepted(task, startMs);
    return task ?? Promise.reject(new UplinkError("internal", "the task is gone"));
  }

  #handle(news: TaskNews): Task {
    const known = this.#known(news.id);
    if (known) return known;
    const task = new Task(news, this.#taskSource);
    this.#keep(news, task);
    return task;
  }

  #known(id: string): Task | undefined {
    return this.#tasks.get(id) ?? this.#settled.get(id)?.deref();
  }

  readonly #taskSource: TaskSource = {
    attempts: (id) =>
      this.#ended || this.#updates.isRunning ? undefined : this.#view(id)?.attempts,
    headNumber: () => this.#head?.head.number,
  };

  #keep({ id, status }: TaskNews, task: Task): void {
    if (status !== "final" && status !== "failed") {
      this.#tasks.set(id, task);
      return;
    }
    this.#tasks.delete(id);
    if (this.#settled.get(id)?.deref() === task) return;
    this.#settled.set(id, new WeakRef(task));
    this.#forget.register(task, id);
  }

  #entry(view: EntryView): Entry<V> {
    const { key, value, isCalldata, source, status, txId, block, taskId, stale, tags } = view;
    const shown = isCalldata ? value : decode(this.#codec, key, value);
    const rest = { txId, block, taskId, stale, ...tagsOf(tags) };
    return { key, source, status, ...rest, value: shown, isCalldata } as Entry<V>;
  }

  /** What a live query needs of this cache. */
  #source(query: WatchOptions, what: string): LiveSource<V> {
    this.#alive();
    const common = {
      make: (view: EntryView) => this.#entry(view),
      attach: (live: Live<V>) => {
        this.#alive();
        this.#lives.add(live);
      },
      detach: (live: Live<V>) => void this.#lives.delete(live),
    };
    check.options(query, ["key", ...WATCH_NAMES], what);
    if ("key" in query) {
      if (Object.keys(query).length > 1) throw invalid(`${what} a key or a list`);
      const key = check.bounded(query.key, 0, check.MAX_KEY_BYTES, "key");
      return { ...common, concerns: (changed) => changed === key, look: () => this.#lookAt(key) };
    }
    // Read now: the app may go on with its object, or change it where it is a framework's.
    const own = listQuery(query, WATCH_NAMES, what);
    return {
      ...common,
      // What has a tag its key does not tell.
      concerns: (changed) => own.value !== undefined || changed.startsWith(own.name),
      look: () => this.#listViews(own),
    };
  }

  async #lookAt(key: string): Promise<Looked> {
    try {
      const view = await this.#readView(key, "any");
      return { items: view ? [view] : [] };
    } catch (error) {
      const missing = error as UplinkError;
      // What only the chain could answer is not known while it cannot be reached.
      if (missing.code === "gateway_unreachable" || missing.code === "gateway_error")
        return { items: [], missing };
      throw error;
    }
  }

  async #sign(
    id: number,
    name: string,
    packed: string,
    value: Uint8Array,
    nonce: number | undefined,
  ): Promise<void> {
    const control = new AbortController();
    this.#signing.set(id, control);
    let answer: ReturnType<typeof readSignature> | undefined;
    let failure: unknown;
    let wasAsked = false;
    try {
      const task = new Packed(packed).task();
      const signer = this.#signers.get(name);
      const { signal } = control;
      const { chainId } = this.#gateway;
      const seen = signTask(task, decode(this.#codec, task.key, value));
      wasAsked = true;
      answer = readSignature(await signer?.sign(seen, { nonce, signal, chainId, rpc: this.#rpc }));
    } catch (error) {
      failure = error;
    }
    this.#signing.delete(id);
    // A signer that could not ask the chain any more did not fail: who leads next asks it again.
    const isCutOff = answer === undefined && this.#closing !== undefined;
    const engine = this.#ended || isCutOff ? undefined : this.#engine;
    if (check.isBytes(answer)) engine?.signed(id, answer);
    else if (answer !== undefined) engine?.broadcast(id, answer.txId);
    else if (!wasAsked || isRefusal(failure)) engine?.refused(id, wordsOf(failure));
    else engine?.failed(id, wordsOf(failure));
  }

  #stopSigning(id: number): void {
    this.#signing.get(id)?.abort();
    this.#signing.delete(id);
  }

  async #call(
    method: string,
    params: readonly unknown[],
    options: RpcOptions,
    together = false,
  ): Promise<unknown> {
    check.text(method, "method");
    const words = check.json(params, "params");
    const reply = await this.#waitFor<string>(
      (engine, ask) => {
        if (together) this.#turn.add({ ask, method, params: words });
        else engine.call(ask, method, words);
      },
      rpcOptions(options),
      "none",
    );
    return JSON.parse(reply).result;
  }

  /** The answer to a call, which is given up where its signal is aborted, or after so long. */
  async #waitFor<T>(
    begin: (engine: Engine, ask: number) => void,
    { signal, timeoutMs }: RpcOptions | { signal: AbortSignal | undefined; timeoutMs?: number },
    touches: Touches,
  ): Promise<T> {
    let asked = 0;
    const answer = this.#ask<T>((engine, ask) => {
      asked = ask;
      begin(engine, ask);
    }, touches);
    try {
      return await abortable(withTimeout(answer, timeoutMs), signal);
    } catch (error) {
      this.#abandon(asked);
      throw error;
    }
  }

  /** A call that nobody waits for any more: its request is broken off. */
  #abandon(ask: number, error?: UplinkError): void {
    const pending = this.#pending.get(ask);
    if (pending === undefined) return;
    if (!this.#turn.drop(ask)) this.#engine?.abandon(ask);
    if (error) pending.reject(error);
    this.#done(ask, undefined, undefined);
  }

  async #recover(id: number, signing: Parameters<typeof Recover.recover>): Promise<void> {
    let key: Uint8Array | undefined;
    try {
      const { recover } = await curvesAtLast();
      key = recover(...signing);
    } catch (error) {
      // What depends on it says so in its own words.
      reportError(error);
    }
    if (!this.#ended) this.#engine?.recovered(id, key);
  }
}

function isClosed(): UplinkError {
  return new UplinkError("closed", "the cache is closed");
}

function cannotSend(): UplinkError {
  const message =
    "the browser gives no Web Locks here: what is backed up is sent where it does, in a secure context";
  return new UplinkError("cannot_send", message);
}

function newsOf(view: TaskView): TaskNews {
  const { id, status, reason, attempts, createdAt } = view;
  return { id, status, reason, attempts, createdAt, view };
}

function isSettled(status: Status): boolean {
  return status === "final" || status === "failed";
}

/** The name of the database, its lock and its channel; and the tag of its background sync. */
export function databaseName(name: string, chainId: number, account: string): string {
  const parts = [name, chainId, account].map(encodeURIComponent);
  return ["uplink-cache", ...parts].join("/");
}

/**
 * Tells the engine when the page is left, frozen, hidden and seen, and when the network comes and goes. A gateway on this machine is
 * reached without a network: then only its coming is told, to try at once. A page that the browser keeps for later, or freezes, gives
 * the lock up: it could not answer for what it sends.
 */
function followBrowser(engine: Engine, urls: readonly string[]): () => void {
  const isLocal = areLocal(urls);
  const listeners = {
    online: () => engine.online(true),
    offline: () => engine.online(isLocal),
    // Not only where it is kept for later: a lock that a page of WebKit still holds when it is reloaded was seen to stay held.
    pagehide: () => {
      engine.leave();
      engine.suspend();
    },
    pageshow: () => engine.resume(),
  };
  for (const [name, listener] of Object.entries(listeners)) {
    globalThis.addEventListener?.(name, listener);
  }
  if (globalThis.navigator?.onLine === false) listeners.offline();
  // A worker has no document: it counts as seen.
  const { document } = globalThis;
  const lives = {
    visibilitychange: () => engine.visible(document.visibilityState !== "hidden"),
    freeze: () => engine.suspend(),
    resume: () => engine.resume(),
  };
  for (const [name, listener] of Object.entries(lives)) {
    document?.addEventListener(name, listener);
  }
  if (document !== undefined) lives.visibilitychange();
  return () => {
    for (const [name, listener] of Object.entries(lives)) {
      document?.removeEventListener(name, listener);
    }
    for (const [name, listener] of Object.entries(listeners)) {
      globalThis.removeEventListener?.(name, listener);
    }
  };
}
