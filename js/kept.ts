// Entries that are handed out more than once: decoded once, frozen, and the same object for as long as nothing changed.
import type { EntryView } from "../build/uplink_cache.js";
import type { Entry } from "./cache.js";
import { isBytes } from "./check.js";

/** What the module said of an entry, and what was made of it. */
export interface Kept<V> {
  readonly view: EntryView;
  readonly entry: Entry<V>;
}

/** What was kept before, if the module still says the same; else what `make` makes of it, frozen. */
export function keep<V>(
  view: EntryView,
  before: Kept<V> | undefined,
  make: (view: EntryView) => Entry<V>,
): Kept<V> {
  if (before !== undefined && isSameView(view, before.view)) return before;
  return { view, entry: freeze(make(view)) };
}

/** Whether a reader would see no difference: a reading is the same whether it was just made or is remembered. */
function isSameView(view: EntryView, other: EntryView): boolean {
  const sourceOf = ({ source }: EntryView) => (source === "chain" ? "cache" : source);
  const { source: _, ...rest } = view;
  const { source: __, ...otherRest } = other;
  return sourceOf(view) === sourceOf(other) && isSame(rest, otherRest);
}

/** Whether two pieces of plain data, with bytes in them, are equal. */
export function isSame(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (isBytes(one) && isBytes(other)) return areSameBytes(one, other);
  if (!isObject(one) || !isObject(other)) return false;
  const names = Object.keys(one);
  if (names.length !== Object.keys(other).length) return false;
  return names.every((name) => Object.hasOwn(other, name) && isSame(one[name], other[name]));
}

function areSameBytes(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  for (let at = 0; at < one.length; at += 1) if (one[at] !== other[at]) return false;
  return true;
}

/** Freezes plain objects and lists, however deep, and leaves alone what a codec made of its own: bytes, dates, classes. */
function freeze<T extends object>(value: T): T {
  // Not by calls within calls: JSON may be nested deeper than the stack is.
  const open: unknown[] = [value];
  while (open.length > 0) {
    const next = open.pop();
    if (!isObject(next) || !isPlain(next) || Object.isFrozen(next)) continue;
    Object.freeze(next);
    for (const name of Object.keys(next)) open.push(next[name]);
  }
  return value;
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === Array.prototype || prototype === null;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
