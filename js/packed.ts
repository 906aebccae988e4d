// What the module tells of tasks and entries comes packed in one text, which src/browser/packed.rs and the views' `pack` write. Here
// it is taken apart, in the same order.
import type { BlockView, EntryView, Reason, Status, TaskView } from "../build/uplink_cache.js";

const ID_LENGTH = 32;
const HASH_LENGTH = 66;
/** What a character of a number holds: more follow from `MORE` on. */
const MORE = 64;
/** Characters of a length that is known only behind what it measures. */
const LENGTH_DIGITS = 4;
const KINDS = ["accepted", "status", "discarded", "changed"] as const;

/** What is told of a task: what is looked at of each at once, the rest once somebody looks at it. */
export interface TaskNews {
  readonly id: string;
  readonly status: Status;
  readonly reason: Reason | undefined;
  readonly attempts: number;
  readonly createdAt: number;
  readonly view: TaskView;
}

/** A text of entries, and those of their values that are none, in the same order. */
export type PackedEntries = string | [string, ...Uint8Array[]];

/** Something that happened. */
export type Happening =
  | { kind: "accepted"; ask: number; id: string }
  | { kind: "status"; news: TaskNews; from: Status | undefined }
  | { kind: "discarded"; id: string }
  | { kind: "changed"; key: string };

/** Takes values out in the order in which they were put in. */
export class Packed {
  readonly #text: string;
  #at: number;

  constructor(text: string, at = 0) {
    this.#text = text;
    this.#at = at;
  }

  /** What happened next, if anything. */
  next(): Happening | undefined {
    if (this.#at >= this.#text.length) return undefined;
    const kind = KINDS[this.#number()];
    switch (kind) {
      case "accepted":
        return { kind, ask: this.#number(), id: this.#take(ID_LENGTH) };
      case "status":
        return { kind, ...this.#status() };
      case "discarded":
        return { kind, id: this.#take(ID_LENGTH) };
      case "changed":
        return { kind, key: this.#string() };
      case undefined:
        return undefined;
    }
  }

  task(): TaskView {
    return {
      id: this.#take(ID_LENGTH),
      txId: this.#optionalHash(),
      key: this.#string(),
      status: this.#string() as Status,
      reason: this.#optionalString() as TaskView["reason"],
      cause: this.#optionalString(),
      replacedBy: this.#optionalHash(),
      block: this.#optionalBlock(),
      reverted: this.#flag(),
      nonce: this.#optionalNumber(),
      nonceFrom: this.#optionalNumber(),
      signer: this.#optionalString(),
      lane: this.#string(),
      update: this.#optionalString(),
      after: this.#ids(),
      attempts: this.#number(),
      size: this.#number(),
      createdAt: this.#number(),
      confirmations: this.#optionalNumber(),
    };
  }

  tasks(): TaskView[] {
    return Array.from({ length: this.#number() }, () => this.task());
  }

  /** `bytes` gives the next value that is no text. */
  entry(bytes: () => Uint8Array): EntryView {
    return {
      key: this.#string(),
      isCalldata: this.#flag(),
      source: this.#string() as EntryView["source"],
      status: this.#string() as Status,
      txId: this.#optionalHash(),
      block: this.#optionalBlock(),
      taskId: this.#flag() ? this.#take(ID_LENGTH) : undefined,
      stale: this.#flag() || undefined,
      tags: this.#tags(),
      value: this.#flag() ? this.#string() : bytes(),
    } as EntryView;
  }

  page(bytes: () => Uint8Array): { items: EntryView[]; cursor: string | undefined } {
    const items: EntryView[] = [];
    for (let left = this.#number(); left > 0; left -= 1) items.push(this.entry(bytes));
    return { items, cursor: this.#optionalString() };
  }

  #status(): { news: TaskNews; from: Status | undefined } {
    const from = this.#optionalString() as Status | undefined;
    const id = this.#take(ID_LENGTH);
    const status = this.#string() as Status;
    const reason = this.#optionalString() as Reason | undefined;
    const attempts = this.#number();
    const createdAt = this.#number();
    const length = this.#length();
    const news = new PackedTask(id, status, reason, attempts, createdAt, this.#text, this.#at);
    this.#at += length;
    return { news, from };
  }

  #number(): number {
    let digit = this.#text.charCodeAt(this.#at++);
    if (digit < MORE) return digit;
    let number = digit - MORE;
    for (let scale = MORE; digit >= MORE; scale *= MORE) {
      digit = this.#text.charCodeAt(this.#at++);
      number += (digit % MORE) * scale;
    }
    return number;
  }

  #length(): number {
    let length = 0;
    for (let digit = LENGTH_DIGITS - 1; digit >= 0; digit -= 1) {
      length = length * MORE + this.#text.charCodeAt(this.#at + digit);
    }
    this.#at += LENGTH_DIGITS;
    return length;
  }

  #flag(): boolean {
    return this.#number() === 1;
  }

  #take(length: number): string {
    const from = this.#at;
    this.#at += length;
    return this.#text.substring(from, this.#at);
  }

  #string(): string {
    return this.#take(this.#number());
  }

  #ids(): string[] {
    return Array.from({ length: this.#number() }, () => this.#take(ID_LENGTH));
  }

  #tags(): [string, string][] | undefined {
    const length = this.#number();
    if (length === 0) return undefined;
    return Array.from({ length }, () => [this.#string(), this.#string()]);
  }

  #optionalString(): string | undefined {
    return this.#flag() ? this.#string() : undefined;
  }

  #optionalHash(): `0x${string}` | undefined {
    return this.#flag() ? (this.#take(HASH_LENGTH) as `0x${string}`) : undefined;
  }

  #optionalNumber(): number | undefined {
    return this.#flag() ? this.#number() : undefined;
  }

  #optionalBlock(): BlockView | undefined {
    if (!this.#flag()) return undefined;
    return { number: this.#number(), hash: this.#take(HASH_LENGTH) as `0x${string}` };
  }
}

/** The entry that was handed over, if one was. */
export function entryOf(packed: PackedEntries | undefined): EntryView | undefined {
  if (!packed) return undefined;
  return unpack(packed, (text, bytes) => text.entry(bytes));
}

/** The page that was. */
export function pageOf(packed: PackedEntries): { items: EntryView[]; cursor: string | undefined } {
  return unpack(packed, (text, bytes) => text.page(bytes));
}

function unpack<T>(packed: PackedEntries, take: (text: Packed, bytes: () => Uint8Array) => T): T {
  const [text, ...values] = typeof packed === "string" ? [packed] : packed;
  let at = 0;
  return take(new Packed(text), () => values[at++] as Uint8Array);
}

/** A task that is unpacked when it is looked at, which is never for most. */
class PackedTask implements TaskNews {
  readonly id: string;
  readonly status: Status;
  readonly reason: Reason | undefined;
  readonly attempts: number;
  readonly createdAt: number;
  #text: string;
  readonly #at: number;
  #view: TaskView | undefined;

  constructor(
    id: string,
    status: Status,
    reason: Reason | undefined,
    attempts: number,
    createdAt: number,
    text: string,
    at: number,
  ) {
    this.id = id;
    this.status = status;
    this.reason = reason;
    this.attempts = attempts;
    this.createdAt = createdAt;
    this.#text = text;
    this.#at = at;
  }

  get view(): TaskView {
    if (this.#view === undefined) {
      this.#view = new Packed(this.#text, this.#at).task();
      this.#text = "";
    }
    return this.#view;
  }
}
