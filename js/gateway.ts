import type { BlockView, FinalityOption } from "../build/uplink_cache.js";
import * as check from "./check.js";
import { invalid } from "./error.js";

/** Calls a JSON-RPC method of the gateway. Rejects with `gateway_error` or `gateway_unreachable`. */
// biome-ignore lint/suspicious/noExplicitAny: what a method answers is the chain's to say
export type Rpc = (method: string, params?: readonly unknown[]) => Promise<any>;

/** The block as of which to read: pass `block` where a method takes a block. */
export interface ReadAt extends BlockView {
  /** The height as a JSON-RPC quantity. */
  block: `0x${string}`;
}

/** Reads a key from the chain: bytes as the codec encodes them, or `undefined` where there is nothing. */
export type ReadKey = (key: string, rpc: Rpc, at: ReadAt) => Promise<Uint8Array | undefined>;

export interface EvmOptions {
  /**
   * JSON-RPC endpoints: http, https, ws or wss. After a lost answer the next one is asked. Over a ws endpoint new blocks
   * are pushed, which takes the place of looking for them.
   */
  urls: readonly string[];
  /** The chain that payloads are signed for. */
  chainId: number;
  /** When a block counts as final: by the chain's tag (the default is `finalized`), or by depth. */
  finality?: "finalized" | "safe" | { confirmations: number };
  /**
   * How often the newest block is looked at while something waits, at the most, in milliseconds. Default 250. How often it
   * is in fact follows the pace at which blocks come: up to every 15 seconds where they are slow.
   */
  pollMs?: number;
  /** When a request is given up, in milliseconds. Default 15000. */
  timeoutMs?: number;
  /** Reads keys that are no transaction ids. */
  read?: ReadKey;
}

/** A gateway as `openCache` takes it. */
export interface Gateway {
  readonly family: "evm";
  readonly urls: readonly string[];
  readonly chainId: number;
  readonly finality: FinalityOption;
  readonly pollMs: number;
  readonly timeoutMs: number;
  readonly read: ReadKey | undefined;
}

const PROTOCOLS = ["http:", "https:", "ws:", "wss:"];
const NAMES = ["urls", "chainId", "finality", "pollMs", "timeoutMs", "read"];

/** A gateway that `evm` made, which may have been changed since. */
export function checkGateway(gateway: Gateway): Gateway {
  const { family, read, ...options } = check.options(gateway, [...NAMES, "family"], "gateway");
  if (family !== "evm") throw invalid("gateway is what evm({ … }) gives");
  return evm(read === undefined ? options : { ...options, read });
}

/** An Ethereum-like chain by JSON-RPC. */
export function evm(options: EvmOptions): Gateway {
  const {
    urls,
    chainId,
    finality = "finalized",
    pollMs = 250,
    timeoutMs = 15_000,
    read,
  } = check.options(options, NAMES, "evm");
  if (!Array.isArray(urls) || urls.length === 0)
    throw invalid("urls is a list of at least one address");
  if (read !== undefined && typeof read !== "function") throw invalid("read is a function");
  return {
    family: "evm",
    urls: urls.map(address),
    chainId: check.integer(chainId, 1, Number.MAX_SAFE_INTEGER, "chainId"),
    finality: finalityOption(finality),
    pollMs: check.integer(pollMs, 10, 3_600_000, "pollMs"),
    timeoutMs: check.integer(timeoutMs, 100, 600_000, "timeoutMs"),
    read,
  };
}

function address(value: unknown): string {
  const url = parse(check.text(value, "an address"));
  if (url === undefined || !PROTOCOLS.includes(url.protocol)) {
    throw invalid(`${JSON.stringify(value)} is no http, https, ws or wss address`);
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

function finalityOption(finality: unknown): FinalityOption {
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
