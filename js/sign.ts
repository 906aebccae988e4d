import type { SignerOption, TaskView } from "../build/uplink_cache.js";
import * as check from "./check.js";
import { invalid, UplinkError } from "./error.js";
import type { Rpc } from "./gateway.js";

/** A task as its signer sees it. */
export interface SignTask<V> {
  /** The task's name. */
  id: string;
  /** What reads ask for. */
  key: string;
  /** What reads get; of an update, what that is called with. */
  value: V;
  /** The name of its update, where it is one. */
  update?: string;
  /** Tasks of one lane are sent in the order of their nonces. */
  lane: string;
  /** When it was submitted: milliseconds since 1970. */
  createdAt: number;
}

/** What a signer is told beside the task. */
export interface SignContext {
  /** The nonce that the transaction must have, where the cache draws them. */
  nonce: number | undefined;
  /** Aborted when nobody waits any more: on timeout, when the task is cancelled, when another tab took over, on close. */
  signal: AbortSignal;
  /** The chain to sign for. */
  chainId: number;
  /** Calls a JSON-RPC method of the gateway. */
  rpc: Rpc;
}

/** The signed raw transaction, as bytes or 0x-hex; or the id of the one that the signer sent by itself. */
export type Signature = Uint8Array | string | { txId: string };

/** Makes a transaction of a task. */
export type SignFunction<V> = (
  task: SignTask<V>,
  context: SignContext,
) => Signature | Promise<Signature>;

/** What a transaction does. */
export interface Effect {
  /** Its recipient: none where it creates a contract. */
  to?: string | null;
  /** Its calldata, 0x-hex. */
  data?: string;
  /** The wei that it moves. */
  value?: bigint;
}

/** A signer, and what the cache may rely on. */
export interface Signer<V> {
  sign: SignFunction<V>;
  /** The account that it signs for: bytes that another one signed are refused. */
  address?: string;
  /** Who draws the nonces. Default: `cache` where the address is known and the signer only signs, else `signer`. */
  nonces?: "cache" | "signer";
  /**
   * Whether it may send the transaction by itself. Default: true. One that only signs is asked again after a crash; one
   * that may have sent is not, its task is `blocked` as `unknown`.
   */
  sends?: boolean;
  /** How long it may take to answer, in milliseconds. Default 300000. */
  timeoutMs?: number;
  /** What the transaction for a task does: so `reconcile` finds it again. */
  request?(task: SignTask<V>): Effect | Promise<Effect>;
}

/** Signers by the names that `submit({ sign })` calls them. */
export type Signers<V> = Record<string, SignFunction<V> | Signer<V>>;

const NAMES = ["sign", "address", "nonces", "sends", "timeoutMs", "request"];
const TIMEOUT_MS = 300_000;
const MAX_TIMEOUT_MS = 86_400_000;
/** How deep an error is looked into for the one that caused it. */
const MAX_CAUSES = 8;
/**
 * Codes of EIP-1193, EIP-1474 and JSON-RPC by which a wallet says that it sent nothing: rejected by the user, not
 * authorized, not supported, transaction rejected, invalid request, no such method, invalid parameters, no JSON.
 */
const REFUSALS = [4001, 4100, 4200, -32003, -32600, -32601, -32602, -32700];

/** A signer gave up before it sent anything. */
export class Refusal extends Error {}

/** Signers as the app registered them, checked. */
export function checkSigners<V>(signers: Signers<V>): Map<string, Signer<V>> {
  if (typeof signers !== "object" || signers === null) throw invalid("signers is an object");
  const checked = new Map<string, Signer<V>>();
  for (const [name, given] of Object.entries(signers)) {
    checked.set(check.text(name, "a signer's name"), checkSigner(name, given));
  }
  return checked;
}

function checkSigner<V>(name: string, given: SignFunction<V> | Signer<V>): Signer<V> {
  const what = `the signer ${JSON.stringify(name)}`;
  const signer = typeof given === "function" ? { sign: given } : check.options(given, NAMES, what);
  const { address, nonces, sends, request } = signer;
  if (typeof signer.sign !== "function") throw invalid(`${what} has the function sign`);
  if (request !== undefined && typeof request !== "function") {
    throw invalid(`request of ${what} is a function`);
  }
  if (address !== undefined) check.account(address);
  if (sends !== undefined && typeof sends !== "boolean") {
    throw invalid(`sends of ${what} is true or false`);
  }
  if (nonces !== undefined) check.oneOf(nonces, ["cache", "signer"], "nonces");
  if (nonces === "cache" && address === undefined) {
    throw invalid(`${what} has no address, so that its nonces cannot be drawn here`);
  }
  if (signer.timeoutMs !== undefined) {
    check.integer(signer.timeoutMs, 1, MAX_TIMEOUT_MS, `timeoutMs of ${what}`);
  }
  return signer;
}

/** What the module must know of the signers. */
export function signerOptions<V>(signers: Map<string, Signer<V>>): SignerOption[] {
  return Array.from(signers, ([name, { address, nonces, sends = true, timeoutMs }]) => ({
    name,
    ...(address !== undefined && { address: address.toLowerCase() }),
    nonces: nonces ?? (address !== undefined && !sends ? "cache" : "signer"),
    sends,
    timeoutMs: timeoutMs ?? TIMEOUT_MS,
  }));
}

/** The task that a signer is asked to sign. */
export function signTask<V>(view: TaskView, value: V): SignTask<V> {
  const { id, key, lane, createdAt, update } = view;
  return { id, key, value, lane, createdAt, ...(update !== undefined && { update }) };
}

/** What a signer answered: bytes, or the id of a transaction. */
export function readSignature(answer: unknown): Uint8Array | { txId: string } {
  if (check.isBytes(answer)) return check.payload(answer);
  if (typeof answer === "string") {
    if (isHash(answer)) throw invalid("the signer gave a hash: what is sent is given as { txId }");
    return check.payload(answer);
  }
  const txId = (answer as { txId?: unknown } | null | undefined)?.txId;
  if (typeof txId !== "string" || !isHash(txId)) {
    throw invalid("a signer gives signed bytes, 0x-hex, or { txId }");
  }
  return { txId };
}

export function isHash(text: string): boolean {
  return /^0x[0-9a-f]{64}$/i.test(text);
}

/** Whether an error says that nothing was sent. */
export function isRefusal(error: unknown): boolean {
  let cause = error;
  for (let depth = 0; depth < MAX_CAUSES; depth += 1) {
    if (typeof cause !== "object" || cause === null) return false;
    if (cause instanceof Refusal) return true;
    const { code } = cause as { code?: unknown };
    if (typeof code === "number" && REFUSALS.includes(code)) return true;
    cause = (cause as { cause?: unknown }).cause;
  }
  return false;
}

/** An error in a few words: whatever was thrown, this throws nothing. */
export function wordsOf(error: unknown): string {
  try {
    if (typeof error === "object" && error !== null) {
      const { shortMessage, message } = error as { shortMessage?: unknown; message?: unknown };
      for (const words of [shortMessage, message]) {
        if (typeof words === "string" && words !== "") return words;
      }
    }
    return error instanceof UplinkError ? error.code : String(error) || "the signer failed";
  } catch {
    return "what was thrown has no words";
  }
}
