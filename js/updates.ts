// Optimistic updates: the dapp's functions that make a key's value of the one below it.
import * as check from "./check.js";
import { type Codec, decode, encode } from "./codec.js";
import { invalid } from "./error.js";
import { wordsOf } from "./sign.js";

/**
 * Makes the value that a key shows of the one below, `undefined` where there is none, and of what the task was submitted with
 * as its `value`. It is called again and again, in every tab: it must give the same for the same, do nothing else, and call
 * nothing of the cache. What it throws, the task is blocked by as `update_failed`. Calldata comes as a `Uint8Array`.
 */
// biome-ignore lint/suspicious/noExplicitAny: what an update is called with is as typed as the dapp says
export type Update<V> = (previous: V | undefined, argument: any) => V;

/** The dapp's updates, by name. */
export type Updates<V> = Readonly<Record<string, Update<V>>>;

const MAX_NAME_BYTES = 64;

/** The updates of an open cache. */
export class UpdateFunctions<V> {
  readonly #functions: ReadonlyMap<string, Update<V>>;
  readonly #codec: Codec<V>;
  #running: string | undefined;

  constructor(updates: Updates<V> | undefined, codec: Codec<V>) {
    this.#codec = codec;
    if (updates !== undefined && (typeof updates !== "object" || updates === null)) {
      throw invalid("updates is an object of functions");
    }
    this.#functions = new Map(Object.entries(updates ?? {}));
    for (const [name, update] of this.#functions) {
      checkName(name);
      if (typeof update !== "function") throw invalid(`the update "${name}" is no function`);
    }
  }

  get names(): string[] {
    return [...this.#functions.keys()];
  }

  /** The update that a submission names. */
  named(value: unknown): string | undefined {
    if (value === undefined) return undefined;
    const name = checkName(value);
    if (!this.#functions.has(name)) throw invalid(`no update "${name}" is registered`);
    return name;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** The module is in the middle of a call while one runs. */
  checkIdle(): void {
    if (this.#running === undefined) return;
    throw invalid(`the update "${this.#running}" is running: it can call nothing of the cache`);
  }

  /** What the function makes, encoded; or why it makes nothing. */
  apply(
    name: string,
    previous: Uint8Array | undefined,
    isCalldata: boolean,
    argument: Uint8Array,
  ): Uint8Array | string {
    const before = this.#running;
    this.#running = name;
    try {
      return this.#make(name, previous, isCalldata, argument);
    } catch (error) {
      return `the update "${name}" threw: ${wordsOf(error)}`;
    } finally {
      this.#running = before;
    }
  }

  #make(
    name: string,
    previous: Uint8Array | undefined,
    isCalldata: boolean,
    argument: Uint8Array,
  ): Uint8Array | string {
    const read = (bytes: Uint8Array) => decode(this.#codec, name, bytes);
    const below = previous === undefined || isCalldata ? previous : read(previous);
    const made: unknown = this.#functions.get(name)?.(below as V | undefined, read(argument));
    if (made === undefined) return `the update "${name}" gave undefined`;
    if (isThenable(made)) {
      made.then(undefined, () => undefined);
      return `the update "${name}" gave a promise, and nobody waits for it`;
    }
    const encoded = encode(this.#codec, made as V);
    const bytes = typeof encoded === "string" ? new TextEncoder().encode(encoded) : encoded;
    check.size(bytes.length, check.MAX_VALUE_BYTES, "what it made");
    return bytes;
  }
}

function checkName(value: unknown): string {
  const name = check.text(value, "update");
  const length = new TextEncoder().encode(name).length;
  if (length < 1 || length > MAX_NAME_BYTES) {
    throw invalid(`an update's name has 1 to ${MAX_NAME_BYTES} bytes`);
  }
  return name;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null)?.then === "function";
}
