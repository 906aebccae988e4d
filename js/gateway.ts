import type { BlockView, OpenOptions } from "../build/uplink_cache.js";
import * as check from "./check.js";
import { invalid } from "./error.js";

/** How long to wait for a call. */
export interface RpcOptions {
  /** Aborted: the request is broken off, and the call rejects with `aborted`. */
  signal?: AbortSignal;
  /** So long for the whole call, over all urls, in milliseconds: then it rejects with `gateway_unreachable`. */
  timeoutMs?: number;
}

/**
 * Calls a JSON-RPC method of a gateway, and the next where one fails: for reading, then, not for what must happen once.
 * Rejects with `gateway_error`, `gateway_unreachable`, or `limit_exceeded` where 256 calls wait already.
 */
export type Rpc = (
  method: string,
  params?: readonly unknown[],
  options?: RpcOptions,
  // biome-ignore lint/suspicious/noExplicitAny: what a method answers is the chain's to say
) => Promise<any>;

/** The block as of which to read: pass `block` where a method takes a block. */
export interface ReadAt extends BlockView {
  /** The height as a JSON-RPC quantity. */
  block: `0x${string}`;
  /** Aborted when nobody waits for what is read any more. What `rpc` has under way then is broken off by itself. */
  signal: AbortSignal;
}

/** Reads a key from the chain: bytes as the codec encodes them, or `undefined` where there is nothing. */
export type ReadKey = (key: string, rpc: Rpc, at: ReadAt) => Promise<Uint8Array | undefined>;

/** The same for several keys, such as by a multicall: what each has, in their order. */
export type ReadKeys = (
  keys: readonly string[],
  rpc: Rpc,
  at: ReadAt,
) => Promise<readonly (Uint8Array | undefined)[]>;

export interface EvmOptions {
  /**
   * JSON-RPC endpoints, 1 to 16: http, https, ws or wss. The healthiest is asked, the next one where it fails. Over a ws
   * endpoint new blocks are pushed, which takes the place of looking for them.
   */
  urls: readonly string[];
  /** How many of the urls must each say that a block is final. Default 1. */
  quorum?: number;
  /** What each url is asked at the most: `perSecond` in the long run, `burst` at once. Default 200 and twice `perSecond`. */
  rateLimit?: { perSecond?: number; burst?: number };
  /** How many requests to each url are under way at a time. Default 16. */
  maxInFlight?: number;
  /** The chain that payloads are signed for. */
  chainId: number;
  /** When a block counts as final: by the chain's tag (the default is `finalized`), or by depth. */
  finality?: "finalized" | "safe" | { confirmations: number };
  /**
   * How often the newest block is looked at while something waits, at the most, in milliseconds. Default 250. How often it
   * is in fact follows the pace at which blocks come: up to every 15 seconds where they are slow.
   */
  pollMs?: number;
  /** When one request to one url is given up, its body included, in milliseconds. Default 15000. */
  timeoutMs?: number;
  /** Reads keys that are no transaction ids. What it calls in one turn goes as one JSON-RPC batch. */
  read?: ReadKey;
  /** Reads several at once; without `read`, also one. */
  readMany?: ReadKeys;
}

type Finality = NonNullable<EvmOptions["finality"]>;

/** A gateway as `openCache` takes it. */
export interface Gateway {
  readonly family: "evm";
  readonly urls: readonly string[];
  readonly chainId: number;
  readonly finality: Finality;
  readonly quorum: number;
  readonly rateLimit: { readonly perSecond: number; readonly burst: number };
  readonly maxInFlight: number;
  readonly pollMs: number;
  readonly timeoutMs: number;
  readonly read: ReadKey | undefined;
  readonly readMany: ReadKeys | undefined;
}

const PROTOCOLS = ["http:", "https:", "ws:", "wss:"];
const NAMES = [
  "urls",
  "chainId",
  "finality",
  "quorum",
  "rateLimit",
  "maxInFlight",
  "pollMs",
  "timeoutMs",
  "read",
  "readMany",
];
const MAX_URLS = 16;

/** A gateway that `evm` made, which may have been changed since. */
export function checkGateway(gateway: Gateway): Gateway {
  const names = [...NAMES, "family"];
  const { family, read, readMany, ...options } = check.options(gateway, names, "gateway");
  if (family !== "evm") throw invalid("gateway is what evm({ … }) gives");
  return evm({ ...options, ...(read && { read }), ...(readMany && { readMany }) });
}

/** An Ethereum-like chain by JSON-RPC. */
export function evm(options: EvmOptions): Gateway {
  const {
    urls,
    chainId,
    finality = "finalized",
    quorum = 1,
    rateLimit = {},
    maxInFlight = 16,
    pollMs = 250,
    timeoutMs = 15_000,
    read,
    readMany,
  } = check.options(options, NAMES, "evm");
  if (!Array.isArray(urls) || urls.length === 0 || urls.length > MAX_URLS)
    throw invalid(`urls is a list of 1 to ${MAX_URLS} addresses`);
  if (read !== undefined && typeof read !== "function") throw invalid("read is a function");
  if (readMany !== undefined && typeof readMany !== "function")
    throw invalid("readMany is a function");
  return {
    family: "evm",
    urls: addresses(urls),
    chainId: check.integer(chainId, 1, Number.MAX_SAFE_INTEGER, "chainId"),
    finality: checkFinality(finality),
    quorum: check.integer(quorum, 1, urls.length, `quorum of ${urls.length} urls`),
    rateLimit: rateLimitOption(rateLimit),
    maxInFlight: check.integer(maxInFlight, 1, 1_000, "maxInFlight"),
    pollMs: check.integer(pollMs, 10, 3_600_000, "pollMs"),
    timeoutMs: check.integer(timeoutMs, 100, 600_000, "timeoutMs"),
    read,
    readMany,
  };
}

function addresses(urls: readonly unknown[]): string[] {
  const known = urls.map(address);
  for (const [at, url] of known.entries()) {
    if (known.indexOf(url) !== at) throw invalid(`urls has ${url} twice`);
  }
  return known;
}

function rateLimitOption(option: { perSecond?: number; burst?: number }) {
  const { perSecond = 200, burst = 2 * perSecond } = check.options(
    option,
    ["perSecond", "burst"],
    "rateLimit",
  );
  return {
    perSecond: check.integer(perSecond, 1, 100_000, "rateLimit.perSecond"),
    burst: check.integer(burst, 1, 1_000_000, "rateLimit.burst"),
  };
}

/** The options of a call: checked. */
export function rpcOptions(options: RpcOptions): RpcOptions {
  const { signal, timeoutMs } = check.options(options, ["signal", "timeoutMs"], "rpc");
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalid("signal is an AbortSignal");
  }
  if (timeoutMs !== undefined) check.integer(timeoutMs, 1, 600_000, "timeoutMs");
  return options;
}

function address(value: unknown): string {
  const url = parse(check.text(value, "an address"));
  if (url === undefined || !PROTOCOLS.includes(url.protocol)) {
    throw invalid(`${JSON.stringify(value)} is no http, https, ws or wss address`);
  }
  if (url.username !== "" || url.password !== "") {
    throw invalid("an address has no user or password: browsers do not take it");
  }
  return url.href;
}

/** A whole address, or a path on the page's own server. */
function parse(value: string): URL | undefined {
  try {
    return value.startsWith("/") ? new URL(value, globalThis.location?.href) : new URL(value);
  } catch {
    return undefined;
  }
}

/** @internal The same for the module. */
export function finalityOptions(finality: Finality): Pick<OpenOptions, "finality" | "depth"> {
  return typeof finality === "string"
    ? { finality, depth: 0 }
    : { finality: "confirmations", depth: finality.confirmations };
}

function checkFinality(finality: unknown): Finality {
  if (typeof finality === "object" && finality !== null) {
    const { confirmations } = check.options(
      finality as { confirmations?: unknown },
      ["confirmations"],
      "finality",
    );
    return { confirmations: check.integer(confirmations, 1, 1_000_000, "confirmations") };
  }
  return check.oneOf(finality, ["finalized", "safe"] as const, "finality");
}
