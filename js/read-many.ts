// What the dapp's own functions read from the chain. Readings that begin in one turn go to its `readMany` together, and the
// calls that its functions make in one turn go to the gateway as one batch.
import type { BlockView } from "../build/uplink_cache.js";
import type { Entry } from "./cache.js";
import * as check from "./check.js";
import { invalid, type UplinkError } from "./error.js";
import type { Gateway, ReadAt, Rpc, RpcOptions } from "./gateway.js";
import { either } from "./signal.js";

/** How many keys `readMany` takes. */
export const MAX_KEYS = 1000;

export interface ReadManyOptions {
  /** Only there: see `read`. */
  source?: "backup" | "cache" | "chain";
  /** No answer that is older, in milliseconds: see `read`. */
  maxAge?: number;
  /** Aborted: the whole call rejects with `aborted`, and what nobody else waits for is broken off. */
  signal?: AbortSignal;
}

/** What `readMany` gives for a key: what `read` would give, or why it would reject. */
export type ReadResult<V> = Entry<V> | undefined | { key: string; error: UplinkError };

/** The keys of a `readMany`, checked. */
export function checkKeys(keys: readonly string[]): string[] {
  if (!Array.isArray(keys) || keys.length > MAX_KEYS) {
    throw invalid(`readMany takes a list of at most ${MAX_KEYS} keys`);
  }
  return keys.map((key) => check.text(key, "key"));
}

/** How old an answer may be, if that is said. */
export function optionalAge(value: unknown, name: string): number | undefined {
  if (value === undefined) return undefined;
  return check.integer(value, 0, Number.MAX_SAFE_INTEGER, name);
}

/** Calls the gateway, in a batch with what else is called in this turn. */
export type CallTogether = (
  method: string,
  params: readonly unknown[],
  options: RpcOptions,
) => Promise<unknown>;

/** Takes what was read, or why it was not. */
export type Answer = (
  id: number,
  value: Uint8Array | undefined,
  failure: string | undefined,
  /** Whether it failed because the gateway did not answer. */
  isUnanswered: boolean,
) => void;

interface Reading {
  id: number;
  key: string;
  at: BlockView;
  control: AbortController;
}

/** See the head of this file. */
export class ChainReader {
  readonly #gateway: Gateway;
  readonly #call: CallTogether;
  readonly #answer: Answer;
  readonly #underWay = new Map<number, AbortController>();
  #begun: Reading[] = [];

  constructor(gateway: Gateway, call: CallTogether, answer: Answer) {
    this.#gateway = gateway;
    this.#call = call;
    this.#answer = answer;
  }

  read(id: number, key: string, at: BlockView): void {
    const control = new AbortController();
    this.#underWay.set(id, control);
    const reading = { id, key, at, control };
    if (this.#gateway.readMany === undefined) {
      void this.#readOne(reading);
      return;
    }
    this.#begun.push(reading);
    if (this.#begun.length === 1) queueMicrotask(() => this.#readBegun());
  }

  /** Nobody waits for it any more. */
  stop(id: number): void {
    this.#underWay.get(id)?.abort();
    this.#underWay.delete(id);
  }

  stopAll(): void {
    for (const id of [...this.#underWay.keys()]) this.stop(id);
  }

  #readBegun(): void {
    const byBlock = new Map<string, Reading[]>();
    for (const reading of this.#begun) {
      const others = byBlock.get(reading.at.hash);
      if (others) others.push(reading);
      else byBlock.set(reading.at.hash, [reading]);
    }
    this.#begun = [];
    for (const readings of byBlock.values()) {
      const [first] = readings;
      if (first && readings.length === 1 && this.#gateway.read) void this.#readOne(first);
      else void this.#readTogether(readings);
    }
  }

  async #readOne({ id, key, at, control }: Reading): Promise<void> {
    try {
      const value = await this.#gateway.read?.(key, this.#rpc(control.signal), readAt(at, control));
      this.#give(id, value);
    } catch (error) {
      this.#fail(id, error);
    }
  }

  async #readTogether(readings: readonly Reading[]): Promise<void> {
    const control = new AbortController();
    let waiting = readings.length;
    for (const { control: own } of readings) {
      own.signal.addEventListener("abort", () => {
        waiting -= 1;
        if (waiting === 0) control.abort();
      });
    }
    try {
      const keys = readings.map(({ key }) => key);
      const [first] = readings;
      if (first === undefined) return;
      const at = readAt(first.at, control);
      const values = await this.#gateway.readMany?.(keys, this.#rpc(control.signal), at);
      if (!Array.isArray(values) || values.length !== keys.length) {
        throw invalid("the gateway's readMany function gives one value for each key, in order");
      }
      for (const [index, { id }] of readings.entries()) {
        try {
          this.#give(id, values[index]);
        } catch (error) {
          this.#fail(id, error);
        }
      }
    } catch (error) {
      for (const { id } of readings) this.#fail(id, error);
    }
  }

  #rpc(signal: AbortSignal): Rpc {
    return async (method, params = [], options = {}) => {
      const both = either(signal, options.signal);
      try {
        return await this.#call(method, params, { ...options, signal: both.signal });
      } finally {
        both.letGo();
      }
    };
  }

  #give(id: number, value: unknown): void {
    if (value !== undefined && !check.isBytes(value)) {
      throw invalid("what the gateway's functions read is a Uint8Array or undefined");
    }
    if (value !== undefined) check.size(value.length, check.MAX_READ_BYTES, "what was read");
    if (this.#underWay.delete(id)) this.#answer(id, value, undefined, false);
  }

  #fail(id: number, error: unknown): void {
    if (!this.#underWay.delete(id)) return;
    const message = error instanceof Error ? error.message : String(error);
    const isUnanswered = (error as UplinkError | null)?.code === "gateway_unreachable";
    this.#answer(id, undefined, message, isUnanswered);
  }
}

function readAt(at: BlockView, { signal }: AbortController): ReadAt {
  return { ...at, block: `0x${at.number.toString(16)}`, signal };
}

interface Call {
  ask: number;
  method: string;
  params: string;
}

/** Collects the calls of one turn. */
export class Turn {
  readonly #send: (asks: Float64Array, methods: string[], params: string[]) => void;
  #calls: Call[] = [];

  constructor(send: (asks: Float64Array, methods: string[], params: string[]) => void) {
    this.#send = send;
  }

  add(call: Call): void {
    this.#calls.push(call);
    if (this.#calls.length === 1) queueMicrotask(() => this.#end());
  }

  /** Whether it did not go yet; then it does not go at all. */
  drop(ask: number): boolean {
    const before = this.#calls.length;
    this.#calls = this.#calls.filter((call) => call.ask !== ask);
    return this.#calls.length < before;
  }

  #end(): void {
    const calls = this.#calls;
    this.#calls = [];
    if (calls.length === 0) return;
    const asks = Float64Array.from(calls, ({ ask }) => ask);
    const methods = calls.map(({ method }) => method);
    this.#send(
      asks,
      methods,
      calls.map(({ params }) => params),
    );
  }
}
