import type { EntryView } from "../build/uplink_cache.js";
import type { Entry } from "./cache.js";
import { type Kept, keep } from "./kept.js";

/** How many keys are remembered, and how many bytes of encoded values: half of it in each of two generations. */
const MOST_KEYS = 20_000;
const MOST_BYTES = 32 * 1024 * 1024;
/** What a slot has in place of the round in which it was filled, once its key may have changed. */
const DOUBTED = -1;

/** What a call may change that `peek` gives: one key, any, or none that the module does not tell of by itself. */
export type Touches = { readonly key: string } | "any" | "none";

interface Slot<V> {
  kept: Kept<V> | undefined;
  round: number;
}

/**
 * What the module last said of each key, so that rendering does not ask again: that takes 6 µs, a look here less than 0.1.
 * A key is in doubt once anything may have changed it: then the module is asked, and what it says the same of keeps its
 * object. While a read of the key is under way, or anything that may change any key, nothing is trusted.
 */
export class Peeks<V> {
  readonly #ask: (key: string) => EntryView | undefined;
  readonly #make: (view: EntryView) => Entry<V>;
  #young = new Map<string, Slot<V>>();
  #old = new Map<string, Slot<V>>();
  #youngBytes = 0;
  #round = 0;
  readonly #underWay = new Map<string, number>();
  #anyUnderWay = 0;

  constructor(ask: (key: string) => EntryView | undefined, make: (view: EntryView) => Entry<V>) {
    this.#ask = ask;
    this.#make = make;
  }

  /** The entry of a key. With `isTelling` the module is in the middle of telling what changed, and is asked. */
  get(key: string, isTelling: boolean): Entry<V> | undefined {
    const young = this.#young.get(key);
    const slot = young ?? this.#old.get(key);
    const isTrusted = !isTelling && this.#anyUnderWay === 0;
    if (slot?.round === this.#round && isTrusted) {
      if (young === undefined) this.#put(key, slot);
      return slot.kept?.entry;
    }
    const view = this.#ask(key);
    const kept = view && keep(view, slot?.kept, this.#make);
    this.#put(key, { kept, round: this.#underWay.has(key) ? DOUBTED : this.#round });
    return kept?.entry;
  }

  /** Something may have changed this key. */
  doubt(key: string): void {
    for (const generation of [this.#young, this.#old]) {
      const slot = generation.get(key);
      if (slot !== undefined) slot.round = DOUBTED;
    }
  }

  /** Something may have changed any key. */
  doubtAll(): void {
    this.#round += 1;
  }

  /** A call began. */
  begin(touches: Touches): void {
    if (touches === "none") return;
    if (touches === "any") {
      this.#anyUnderWay += 1;
      return;
    }
    const { key } = touches;
    this.#underWay.set(key, (this.#underWay.get(key) ?? 0) + 1);
    this.doubt(key);
  }

  /** It was answered, or given up. */
  end(touches: Touches): void {
    if (touches === "none") return;
    if (touches === "any") {
      this.#anyUnderWay -= 1;
      this.doubtAll();
      return;
    }
    const { key } = touches;
    const left = (this.#underWay.get(key) ?? 0) - 1;
    if (left > 0) this.#underWay.set(key, left);
    else this.#underWay.delete(key);
    this.doubt(key);
  }

  #put(key: string, slot: Slot<V>): void {
    const bytesOf = (each: Slot<V> | undefined) => each?.kept?.view.value.length ?? 0;
    const bytes = bytesOf(slot);
    if (bytes > MOST_BYTES / 2) return;
    this.#youngBytes += bytes - bytesOf(this.#young.get(key));
    if (this.#young.size >= MOST_KEYS / 2 || this.#youngBytes > MOST_BYTES / 2) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngBytes = bytes;
    }
    this.#young.set(key, slot);
  }
}
