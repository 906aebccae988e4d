// What the backup has to say to JSON-RPC calls, beside the chain that a transport or provider asks.
import type { Cache, SubmitPayload } from "./cache.js";
import { failureOf } from "./opening.js";
import { decodeTransaction, pendingTransaction, quantity, type RawTransaction } from "./pending.js";
import {
  INVALID_PARAMS,
  isUplinkError,
  NOT_SUPPORTED,
  notOpen,
  REFUSED,
  rpcError,
  UplinkRpcError,
  WRONG_CHAIN,
} from "./rpc-error.js";
import type { Task } from "./task.js";

// biome-ignore lint/suspicious/noExplicitAny: the codec's values are the app's
type AnyCache = Cache<any>;

/**
 * An open cache, the promise of one, or a function that gives either: it is called when the cache is first needed, and again
 * after it failed.
 */
export type CacheSource = AnyCache | Promise<AnyCache> | (() => AnyCache | Promise<AnyCache>);

/** What a transaction is submitted as, beside its payload. */
// biome-ignore lint/suspicious/noExplicitAny: the codec's values are the app's
export type TaskNames = Omit<SubmitPayload<any>, "payload" | "sign">;

export interface InterceptOptions {
  /**
   * What reads of the cache get of a transaction: `submit`'s `key`, `value`, `tags` and so on. Nothing: its id and its
   * calldata. What throws here is not sent.
   */
  task?: (transaction: RawTransaction) => TaskNames | undefined;
}

export interface RequestArguments {
  method: string;
  params?: unknown;
}

export interface RequestOptions {
  signal?: AbortSignal | undefined;
}

/** Asks the wrapped transport or provider. */
export type Ask = (args: RequestArguments, options?: RequestOptions) => Promise<unknown>;

/** The statuses of tasks whose nonce is taken, as far as is known here. */
const UNSETTLED = ["backed-up", "blocked", "sent", "included"] as const;

/** The methods that the backup has something to say to. */
const METHODS = {
  eth_sendRawTransaction: send,
  eth_sendRawTransactionSync: refuse,
  eth_getTransactionReceipt: receipt,
  eth_getTransactionByHash: byHash,
  eth_getTransactionCount: count,
  eth_fillTransaction: fill,
};

/** Whether calls of this method are for `intercept`. */
export function isIntercepted(method: string): method is keyof typeof METHODS {
  return Object.hasOwn(METHODS, method);
}

/** Where a call goes. */
interface Side {
  backup: Backup;
  ask: Ask;
  /** The wrapped side's chain, where it could be asked. */
  chain: Chain;
}

/**
 * Answers one call of `isIntercepted`; all failures but the wrapped side's own are `UplinkRpcError`s. Whoever aborts the signal
 * is answered by viem, which made it.
 */
export async function intercept(
  side: Side,
  args: RequestArguments,
  options: RequestOptions | undefined,
): Promise<unknown> {
  return METHODS[args.method as keyof typeof METHODS](side, args, options);
}

async function send({ backup, chain }: Side, { params }: RequestArguments): Promise<unknown> {
  const [payload] = listOf(params);
  const cache = await backup.cache();
  // It is not waited for: what is to be backed up needs no network.
  void chain.ask();
  chain.compare(cache);
  return submit(backup, cache, payload);
}

/** It would send by itself, and wait for a block. */
async function refuse(): Promise<never> {
  const message = "what is backed up first is sent by eth_sendRawTransaction, not its Sync form";
  throw new UplinkRpcError(NOT_SUPPORTED, message, { code: "invalid_input" });
}

async function receipt({ backup, ask }: Side, args: RequestArguments, options?: RequestOptions) {
  const answer = await settle(ask(args, options));
  if ("value" in answer) return answer.value;
  const task = (await backup.find(listOf(args.params)[0]))?.task;
  // It is in no block that anybody here heard of: whoever waits goes on waiting.
  if (task !== undefined && task.status !== "included" && task.status !== "final") return null;
  throw answer.error;
}

async function byHash(side: Side, args: RequestArguments, options?: RequestOptions) {
  const asked = side.chain.ask();
  const answer = await settle(side.ask(args, options));
  if ("value" in answer && answer.value !== null && answer.value !== undefined) return answer.value;
  const [hash] = listOf(args.params);
  const found = await side.backup.find(hash);
  const isOpen = found?.task !== undefined && !isSettled(found.task);
  if (found !== undefined && isOpen) {
    await asked;
    side.chain.compare(await side.backup.cache());
    return pendingTransaction(found.hash, found.payload, found.from);
  }
  if ("error" in answer) throw answer.error;
  return null;
}

/** Of an account's pending transactions: the lowest that neither the chain has counted nor a task of the backup holds. */
async function count(side: Side, args: RequestArguments, options?: RequestOptions) {
  const [address, block] = listOf(args.params);
  if (block !== "pending") return side.ask(args, options);
  const asked = side.chain.ask();
  const answer = await settle(side.ask(args, options));
  const cache = await side.backup.cache();
  await asked;
  side.chain.compare(cache);
  const least = "value" in answer ? Number(answer.value) : 0;
  const held = await side.backup.nonces(`${address}`.toLowerCase(), least);
  if ("error" in answer && held.size === 0) throw answer.error;
  let next = "value" in answer ? least : Math.min(...held);
  while (held.has(next)) next += 1;
  return quantity(next);
}

/** A node fills in the nonce that it would count: not one that a task holds. */
async function fill(side: Side, args: RequestArguments, options?: RequestOptions) {
  const [request, ...rest] = listOf(args.params);
  const { from, nonce } = (request ?? {}) as { from?: unknown; nonce?: unknown };
  const isOpen = typeof from === "string" && (nonce === undefined || nonce === null);
  if (!isOpen || !(await side.backup.holdsNonces())) return side.ask(args, options);
  const pending = { method: "eth_getTransactionCount", params: [from, "pending"] };
  const counted = { ...(request as object), nonce: await count(side, pending, options) };
  return side.ask({ ...args, params: [counted, ...rest] }, options);
}

async function submit(backup: Backup, cache: AnyCache, payload: unknown) {
  let hash: `0x${string}` | undefined;
  try {
    const identified = cache.identify(payload);
    hash = identified.txId;
    if (hash === undefined) {
      await cache.submit({ payload: identified.payload });
      return hash;
    }
    const transaction = decodeTransaction(hash, identified.payload);
    const names = backup.options.task?.(transaction);
    const isKnown = (await cache.signed(hash).catch(() => undefined)) !== undefined;
    const giveBack = isKnown
      ? () => {}
      : await backup.reserve(cache, transaction, identified.payload);
    try {
      await cache.submit({ ...names, payload: identified.payload });
    } finally {
      giveBack();
    }
  } catch (error) {
    const isConflict = isUplinkError(error) && error.code === "conflict";
    // Backed up it is, under names that the app gave it by a call of its own, or as another version of a task.
    if (isConflict && hash !== undefined && (await cache.signed(hash)) !== undefined) return hash;
    throw rpcError(error);
  }
  return hash;
}

/** As a node's pool has it: who takes another one's nonce pays a tenth more, in both fees. */
function outbids(transaction: RawTransaction, other: RawTransaction): boolean {
  const isMore = (own: string, others: string) => 10n * BigInt(own) >= 11n * BigInt(others);
  const tip = ({ maxPriorityFeePerGas, gasPrice }: RawTransaction) =>
    maxPriorityFeePerGas ?? gasPrice;
  return isMore(transaction.gasPrice, other.gasPrice) && isMore(tip(transaction), tip(other));
}

/** The app's cache, which may not be open yet. */
export class Backup {
  readonly options: InterceptOptions;
  readonly #source: CacheSource;
  #opening: Promise<AnyCache> | undefined;
  /** By account and nonce, what is being backed up. */
  readonly #reserved = new Map<string, Set<RawTransaction>>();
  /** Who signed a task's transactions: all of them the same account. */
  readonly #senders = new WeakMap<Task, Promise<string | undefined>>();

  constructor(source: CacheSource, options: InterceptOptions = {}) {
    const isSource =
      typeof source === "function" || (typeof source === "object" && source !== null);
    if (!isSource) throw wrongUse("the second argument is a cache, or the promise of one");
    if (options.task !== undefined && typeof options.task !== "function") {
      throw wrongUse("task is a function");
    }
    this.options = options;
    this.#source = source;
  }

  async cache(): Promise<AnyCache> {
    const source = this.#source;
    this.#opening ??= (async () => (typeof source === "function" ? source() : source))();
    const opening = this.#opening;
    try {
      const cache = await opening;
      // It may have broken, or been closed, since: a function gives another.
      const isOver = typeof source === "function" && failureOf(cache) !== undefined;
      if (!isOver) return cache;
      if (this.#opening === opening) this.#opening = undefined;
      this.#opening ??= (async () => source())();
      return await this.#opening;
    } catch (error) {
      if (this.#opening === opening) this.#opening = undefined;
      throw notOpen(error);
    }
  }

  /** A transaction of the backup. */
  async find(hash: unknown) {
    const cache = await this.cache();
    if (typeof hash !== "string") return undefined;
    try {
      const found = await cache.signed(hash);
      if (found === undefined) return undefined;
      const txId = hash.toLowerCase() as `0x${string}`;
      return { hash: txId, ...found, task: cache.task(found.taskId) };
    } catch (error) {
      throw rpcError(error);
    }
  }

  /**
   * The nonce is this transaction's while it is being backed up. One that is held already takes a higher fee, as in a node's
   * pool: whoever asked for the next nonce twice, before the first was sent, hears of it here, and not when it is too late.
   */
  async reserve(
    cache: AnyCache,
    transaction: RawTransaction,
    payload: Uint8Array,
  ): Promise<() => void> {
    const nonce = Number(transaction.nonce);
    // The curves may not be had, offline or after a new deployment: that is no reason not to back up.
    const from = await cache.sender(payload).catch(() => undefined);
    if (from === undefined) return () => {};
    const others = this.#holding(cache, nonce).filter((task) => task.nonce === nonce);
    const signed = await Promise.all(
      others.map(({ txId }) => (txId === undefined ? undefined : cache.signed(txId))),
    );
    const place = `${from}/${nonce}`;
    const rivals = [...(this.#reserved.get(place) ?? [])];
    for (const [at, found] of signed.entries()) {
      const hash = others[at]?.txId as `0x${string}` | undefined;
      if (hash !== undefined && found !== undefined && found.from === from) {
        rivals.push(decodeTransaction(hash, found.payload));
      }
    }
    const isOutbid = (rival: RawTransaction) =>
      rival.hash !== transaction.hash && !outbids(transaction, rival);
    if (rivals.some(isOutbid)) {
      const message = `replacement transaction underpriced: a task here holds nonce ${nonce} of ${from}`;
      throw new UplinkRpcError(REFUSED, message, { code: "conflict" });
    }
    const reserved = this.#reserved.get(place) ?? new Set();
    this.#reserved.set(place, reserved.add(transaction));
    return () => {
      reserved.delete(transaction);
      if (reserved.size === 0) this.#reserved.delete(place);
    };
  }

  /** Whether any task holds a nonce, of whatever account. */
  async holdsNonces(): Promise<boolean> {
    return this.#holding(await this.cache(), 0).length > 0;
  }

  /** The nonces from `least` on that tasks of this account hold. */
  async nonces(address: string, least: number): Promise<Set<number>> {
    const cache = await this.cache();
    const held = this.#holding(cache, least);
    try {
      const senders = await Promise.all(held.map((task) => this.#sender(cache, task)));
      const own = held.filter((_, at) => senders[at] === address);
      return new Set(own.map(({ nonce }) => nonce as number));
    } catch (error) {
      throw rpcError(error);
    }
  }

  #holding(cache: AnyCache, least: number): Task[] {
    try {
      const open = UNSETTLED.flatMap((status) => cache.tasks({ status }));
      return open.filter(({ nonce }) => nonce !== undefined && nonce >= least);
    } catch (error) {
      throw rpcError(error);
    }
  }

  /** Where only a wallet has the bytes, or a signer was just asked, the lane names the account. */
  async #sender(cache: AnyCache, task: Task): Promise<string | undefined> {
    if (task.txId === undefined) return task.lane;
    let sender = this.#senders.get(task);
    if (sender === undefined) {
      sender = cache.signed(task.txId).then((signed) => signed?.from);
      this.#senders.set(task, sender);
      sender.catch(() => this.#senders.delete(task));
    }
    return (await sender) ?? task.lane;
  }
}

/** The chain that the wrapped side is on: asked once, until `forget`. */
export class Chain {
  readonly #ask: Ask;
  #asking: Promise<void> | undefined;
  #id: number | undefined;

  /** `id`: what is known of it already. */
  constructor(ask: Ask, id?: number) {
    this.#ask = ask;
    this.#id = id;
  }

  /** Where it cannot be asked now, it is not known: never rejects. */
  ask(): Promise<void> {
    if (this.#asking !== undefined) return this.#asking;
    const asking = settle(this.#ask({ method: "eth_chainId" })).then((answer) => {
      // It may have been forgotten meanwhile.
      if (this.#asking !== asking) return;
      if ("value" in answer) this.#id = Number(answer.value);
      else this.#asking = undefined;
    });
    this.#asking = asking;
    return asking;
  }

  /** It may be another one now. */
  forget(): void {
    this.#asking = undefined;
    this.#id = undefined;
  }

  /** What a chain does not know is not answered from the backup of another. */
  compare({ chainId }: AnyCache): void {
    if (this.#id === undefined || this.#id === chainId) return;
    const message = `the cache is for chain ${chainId}, what it is beside is on chain ${this.#id}`;
    throw new UplinkRpcError(WRONG_CHAIN, message, { code: "wrong_chain" });
  }
}

export function wrongUse(message: string): UplinkRpcError {
  return new UplinkRpcError(INVALID_PARAMS, message, { code: "invalid_input" });
}

function isSettled({ status }: Task): boolean {
  return status === "final" || status === "failed";
}

function listOf(params: unknown): readonly unknown[] {
  return Array.isArray(params) ? params : [];
}

async function settle(asked: Promise<unknown>): Promise<{ value: unknown } | { error: unknown }> {
  try {
    return { value: await asked };
  } catch (error) {
    return { error };
  }
}
