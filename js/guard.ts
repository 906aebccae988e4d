// A trap leaves the module's memory in the middle of a change, and whoever waits for it waiting for ever. Every way in is
// guarded: the first that fails ends the instance and all that stands on it.
import { UplinkError } from "./error.js";

// biome-ignore lint/suspicious/noExplicitAny: the glue's functions, whatever they take and give
type Call = (...args: any[]) => any;

/** What an instance holds of the browser, and must give up when it dies. */
interface Held {
  abort?(): void;
  close?(): void;
}

/**
 * Imports that make what must be given up, by the names that wasm-bindgen gives them: databases, transactions, channels,
 * sockets and abort controllers. The lock is given up by the promise that its callback returns.
 */
const MAKERS = /^__wbg_(new|result|transaction)_/;
const LOCK_REQUEST = /^__wbg_request_/;
/** What the browser or the garbage collector calls: there is nobody whom it could be told. */
const UNATTENDED =
  /^(wasm_bindgen\w*_convert__closures|__wbindgen_destroy_closure|__wbindgen_free|__wbg_.*_free$)/;
const FEWEST_TO_PRUNE = 64;

/** Watches over one instance of the module. */
export class Guard<Host extends object> {
  /** Why it is dead. */
  death: UplinkError | undefined;
  readonly #users = new Set<(error: UplinkError) => void>();
  #held: WeakRef<Held>[] = [];
  #pruneAt = FEWEST_TO_PRUNE;
  #depth = 0;

  /** Whether a call into the instance is under way: then it is telling what came of it, and has not told all yet. */
  get isEntered(): boolean {
    return this.#depth > 0;
  }

  /** The same promise, which rejects when the instance dies. Nothing of it is held once it is settled. */
  orDeath<T>(promise: Promise<T>): Promise<T> {
    if (this.death) return Promise.reject(this.death);
    return new Promise((resolve, reject) => {
      const stop = this.onDeath(reject);
      promise.finally(stop).then(resolve, reject);
    });
  }

  /** Calls this when the instance dies, unless the function that it returns was called before. */
  onDeath(listener: (error: UplinkError) => void): () => void {
    this.#users.add(listener);
    return () => this.#users.delete(listener);
  }

  /** The instance's functions. One that fails, or does not leave by returning, ends the instance. */
  exports(exports: WebAssembly.Exports): Record<string, Call> {
    const guarded = Object.entries(exports).map(([name, value]) => [
      name,
      typeof value === "function" ? this.#entry(value as Call, UNATTENDED.test(name)) : value,
    ]);
    return Object.fromEntries(guarded);
  }

  /** What the module calls of the glue, with an eye on what it comes to hold. */
  imports(glue: object): WebAssembly.ModuleImports {
    const watched = Object.entries(glue).map(([name, value]) => {
      if (MAKERS.test(name)) return [name, this.#maker(value)];
      if (LOCK_REQUEST.test(name)) return [name, this.#lockRequest(value)];
      return [name, value];
    });
    return Object.fromEntries(watched);
  }

  /**
   * What the module calls of the wrapper, until the wrapper lets go: what the module holds is not collected with what it leads
   * to. The app's own code, called from there, may have ended the instance.
   */
  host(host: Host): { relay: Host; letGo(): void } {
    let calls: Record<string, Call> | undefined = { ...(host as Record<string, Call>) };
    const relay = Object.keys(host).map((name) => [
      name,
      (...args: unknown[]) => {
        const result = calls?.[name]?.(...args);
        if (this.death) throw this.death;
        return result;
      },
    ]);
    const letGo = () => {
      calls = undefined;
    };
    return { relay: Object.fromEntries(relay), letGo };
  }

  #entry(call: Call, isUnattended: boolean): Call {
    return (...args) => {
      if (this.death === undefined) {
        this.#depth += 1;
        try {
          const result = call(...args);
          if (this.death === undefined) return result;
        } catch (error) {
          this.#end(error);
        } finally {
          this.#depth -= 1;
        }
      }
      // The glue looks for a failure in the result; an empty one has none. Frames of the module are unwound, though.
      if (isUnattended && this.#depth === 0) return [];
      throw this.death;
    };
  }

  #end(cause: unknown): void {
    if (this.death !== undefined) return;
    const message = `the WebAssembly module failed (${String(cause)}): open the cache again`;
    const death = new UplinkError("internal", message, { cause });
    this.death = death;
    const held = this.#held.splice(0).map((reference) => reference.deref());
    // First what is half done: a commit that goes on with what was written so far would lose the rest.
    for (const each of held) attempt(() => each?.abort?.());
    for (const each of held) attempt(() => each?.close?.());
    const users = [...this.#users];
    this.#users.clear();
    for (const listener of users) listener(death);
  }

  #maker(make: Call): Call {
    return (...args) => {
      const made = make(...args);
      if (typeof made?.abort === "function" || typeof made?.close === "function") this.#hold(made);
      return made;
    };
  }

  #hold(made: Held): void {
    this.#held.push(new WeakRef(made));
    if (this.#held.length < this.#pruneAt) return;
    this.#held = this.#held.filter((reference) => reference.deref() !== undefined);
    this.#pruneAt = Math.max(FEWEST_TO_PRUNE, 2 * this.#held.length);
  }

  /** A lock is held until the promise of its callback settles: that of a dead instance never would. */
  #lockRequest(request: Call): Call {
    return (...args) => {
      const granted = args.at(-1);
      if (typeof granted !== "function") return request(...args);
      const held = (...lock: unknown[]) =>
        this.orDeath(Promise.resolve(granted(...lock))).catch(() => undefined);
      return request(...args.slice(0, -1), held);
    };
  }
}

function attempt(act: () => void): void {
  try {
    act();
  } catch {
    // It has ended already.
  }
}
