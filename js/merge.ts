// The dapp's rows of an indexer, and the entries that it has not caught up with: one list, nothing twice, nothing missing.

import type { Entry, Page } from "./cache.js";
import * as check from "./check.js";
import { invalid } from "./error.js";
import type { KeyQuery, ListOptions, TagQuery } from "./listing.js";

/** What rows are in the order of: all of one kind. Text is compared as keys are, by its UTF-8 bytes. */
export type SortValue = string | number | bigint;

/** What a row says of itself. */
export interface RowPlace {
  /** The key that a task which wrote it was submitted under. Where it has one, it is this that tells rows apart. */
  key?: string | undefined;
  /** The transaction that wrote it last. */
  txId?: string | undefined;
  /** That transaction's block. */
  block?: number | bigint | undefined;
  /** Where it belongs among the others. */
  sort?: SortValue | undefined;
}

export interface MergeRowsOptions<R, V> {
  /** What a row says of itself. */
  by(row: R): RowPlace;
  /**
   * Up to which block the reader of the rows has read, itself included. Without it: to before the highest block that a row
   * names; where none does, an entry is missing for as long as no row has its transaction or key.
   */
  seenAtBlock?: number | bigint;
  /** Which end of the rows is the first. What has no `sort` and no row yet goes to the newest end. Default: the newest. */
  order?: "newest" | "oldest";
  /** Where an entry belongs among rows that have a `sort`. Default: its key. */
  sortOf?(entry: Entry<V>): SortValue;
  /** Whether the reader has further rows behind the last: what belongs there waits for them. */
  more?: boolean;
}

export interface MergeOptions<R, V> extends MergeRowsOptions<R, V> {
  /** Which entries, as `list` takes it. Without a `limit` all of them. Also says the `order`, unless that is given. */
  query: Omit<KeyQuery, "cursor"> | Omit<TagQuery, "cursor">;
}

/**
 * One of the list. Where it has an `entry`, that is what holds now, and a `row` beside it is the same write or an older one.
 * A row that is newer than the entry comes without it.
 */
export type Merged<R, V> =
  | { from: "row"; row: R; entry?: undefined }
  | { from: "entry"; row?: undefined; entry: Entry<V> }
  | { from: "both"; row: R; entry: Entry<V> };

const ROW_OPTIONS = ["by", "seenAtBlock", "order", "sortOf", "more"];
const LARGEST_PAGE = 1_000;

/** @internal `mergeRows` with what a query lists, page by page. */
export async function mergeWith<R, V>(
  list: (query: ListOptions) => Promise<Page<V>>,
  rows: readonly R[],
  options: MergeOptions<R, V>,
): Promise<Merged<R, V>[]> {
  const { query, ...rest } = check.options(options, [...ROW_OPTIONS, "query"], "merge");
  if (typeof query !== "object" || query === null) throw invalid("merge takes a query");
  if ("cursor" in query) throw invalid("the query of merge has no cursor: it lists from its start");
  const { limit, ...asked } = query;
  const most = Number.MAX_SAFE_INTEGER;
  let left = check.integer(limit ?? most, 1, most, "limit");
  const entries: Entry<V>[] = [];
  let cursor: string | undefined;
  do {
    const size = Math.min(left, LARGEST_PAGE);
    const page = await list({ ...asked, limit: size, ...(cursor !== undefined && { cursor }) });
    entries.push(...page.items);
    left -= page.items.length;
    cursor = left > 0 ? page.cursor : undefined;
  } while (cursor !== undefined);
  return mergeRows(rows, entries, { order: orderOf(query), ...rest });
}

/** Which end of a query's list is the first. */
function orderOf({ tag, order, reverse }: ListOptions): "newest" | "oldest" {
  if (tag !== undefined) return order ?? "newest";
  return reverse ? "newest" : "oldest";
}

/**
 * Puts rows together with entries, as `list` gives them. It leaves the rows in their order, or brings all into that of
 * `sort`; of several rows with one key (or, without keys, one transaction) it keeps the newest. An entry that is not final
 * is there in any case, beside the row of its key or its transaction, or alone. A final one is needed until the reader has
 * seen its block; after that the rows say what holds: the row of its transaction, a later one of its key, or none.
 */
export function mergeRows<R, V>(
  rows: readonly R[],
  entries: readonly Entry<V>[],
  options: MergeRowsOptions<R, V>,
): Merged<R, V>[] {
  const checked = checkOptions(options);
  if (!Array.isArray(rows)) throw invalid("rows is a list");
  const places = rows.map((row, at) => readPlace(options.by(row), at));
  const seen = seenBy(places, checked.seenAtBlock);
  const found = new Map<string, number>();
  for (const [at, place] of places.entries()) {
    const name = nameOf(place);
    if (name === undefined) continue;
    const other = found.get(name);
    if (other === undefined || isNewer(place, places[other], checked.order)) found.set(name, at);
  }
  const beside = new Map<number, Entry<V>>();
  const missing: Entry<V>[] = [];
  const keys = new Set<string>();
  for (const entry of entries) {
    if (keys.has(entry.key)) continue;
    keys.add(entry.key);
    const at = found.get(nameOf(entry) ?? "") ?? found.get(nameOf({ txId: entry.txId }) ?? "");
    if (at === undefined) {
      if (!seen(entry)) missing.push(entry);
    } else if (!isBehind(entry, places[at], checked.seenAtBlock)) beside.set(at, entry);
  }
  const kept = rows.flatMap((row, at): Placed<R, V>[] => {
    const name = nameOf(places[at]);
    if (name !== undefined && found.get(name) !== at) return [];
    const entry = beside.get(at);
    const item: Merged<R, V> = entry ? { from: "both", row, entry } : { from: "row", row };
    return [{ item, sort: places[at]?.sort }];
  });
  const isSorted = options.sortOf !== undefined || places.some(({ sort }) => sort !== undefined);
  const sortOf = options.sortOf ?? ((entry: Entry<V>) => entry.key);
  const added = missing.map((entry): Placed<R, V> => {
    const sort = isSorted ? sortOf(entry) : undefined;
    return { item: { from: "entry", entry }, sort };
  });
  return inOrder(kept, added, { ...checked, isSorted });
}

interface Checked {
  seenAtBlock: number | undefined;
  order: "newest" | "oldest";
  more: boolean;
}

interface Placed<R, V> {
  item: Merged<R, V>;
  sort: SortValue | undefined;
}

interface Place {
  key?: string | undefined;
  txId?: string | undefined;
  block?: number | undefined;
  sort?: SortValue | undefined;
}

function checkOptions<R, V>(options: MergeRowsOptions<R, V>): Checked {
  const { by, seenAtBlock, order, sortOf, more } = check.options(options, ROW_OPTIONS, "merge");
  if (typeof by !== "function") throw invalid("by is a function");
  if (sortOf !== undefined && typeof sortOf !== "function") throw invalid("sortOf is a function");
  return {
    seenAtBlock: heightOf(seenAtBlock, "seenAtBlock"),
    order: check.oneOf(order ?? "newest", ["newest", "oldest"], "order"),
    more: check.flag(more ?? false, "more"),
  };
}

function readPlace(place: RowPlace, at: number): Place {
  if (typeof place !== "object" || place === null)
    throw invalid(`by gives no object for row ${at}`);
  const { key, txId, block, sort } = place;
  return {
    key: check.optionalText(key, `the key of row ${at}`),
    txId: check.optionalText(txId, `the txId of row ${at}`),
    block: heightOf(block, `the block of row ${at}`),
    sort,
  };
}

function heightOf(value: number | bigint | undefined, what: string): number | undefined {
  if (value === undefined) return undefined;
  const number = typeof value === "bigint" ? Number(value) : value;
  return check.integer(number, 0, Number.MAX_SAFE_INTEGER, what);
}

/** What tells it from others: its key; without one its transaction. */
function nameOf(place: { key?: string | undefined; txId?: string | undefined } | undefined) {
  if (place?.key !== undefined) return `key ${place.key}`;
  return place?.txId === undefined ? undefined : `tx ${place.txId.toLowerCase()}`;
}

/** Whether a row that comes later in the list is newer than the other of the same name. */
function isNewer(later: Place, other: Place | undefined, order: Checked["order"]): boolean {
  if (later.block !== undefined && other?.block !== undefined && later.block !== other.block) {
    return later.block > other.block;
  }
  return order === "oldest";
}

/** Whether the reader knows all that became of an entry without a row. A block that is not final may not be the reader's. */
function seenBy(places: readonly Place[], seenAtBlock: number | undefined) {
  let before = -1;
  for (const { block } of places) before = Math.max(before, (block ?? 0) - 1);
  const through = seenAtBlock ?? before;
  return ({ status, block }: { status: string; block?: { number: number } | undefined }) =>
    status === "final" && block !== undefined && block.number <= through;
}

/**
 * Whether another write than the entry's is in the row of its key, and a newer one. What is not final yet holds, as it does
 * for `read`: the reader may be on a branch of the chain that is given up.
 */
function isBehind<V>(
  { status, block, txId }: Entry<V>,
  row: Place | undefined,
  seenAtBlock: number | undefined,
): boolean {
  if (status !== "final" || block === undefined || row === undefined) return false;
  if (row.txId !== undefined && row.txId.toLowerCase() === txId?.toLowerCase()) return false;
  const known = row.block ?? seenAtBlock;
  return known === undefined || known >= block.number;
}

function inOrder<R, V>(
  kept: readonly Placed<R, V>[],
  added: readonly Placed<R, V>[],
  { order, more, isSorted }: Checked & { isSorted: boolean },
): Merged<R, V>[] {
  const all = order === "newest" ? [...added, ...kept] : [...kept, ...added];
  const direction = order === "newest" ? -1 : 1;
  if (isSorted) {
    const first = typeof all[0]?.sort;
    for (const { sort } of all) checkSort(sort, first);
    all.sort((one, other) => direction * compare(one.sort, other.sort));
  }
  const items = all.map(({ item }) => item);
  let end = items.length;
  while (more && kept.length > 0 && items[end - 1]?.from === "entry") end -= 1;
  return items.slice(0, end);
}

function checkSort(sort: SortValue | undefined, first: string): void {
  const isText = typeof sort === "string";
  const isNumber = typeof sort === "bigint" || (typeof sort === "number" && !Number.isNaN(sort));
  if ((isText && first === "string") || (isNumber && first !== "string")) return;
  throw invalid("sort is text for all rows and entries, or a number for all");
}

function compare(one: SortValue | undefined, other: SortValue | undefined): number {
  if (one === undefined || other === undefined || one === other) return 0;
  if (typeof one === "string" && typeof other === "string") return compareText(one, other);
  if (one < other) return -1;
  return one > other ? 1 : 0;
}

/** By UTF-8 bytes, which is by code points: the halves of a pair stand for larger ones than any single unit. */
function compareText(one: string, other: string): number {
  const length = Math.min(one.length, other.length);
  for (let at = 0; at < length; at += 1) {
    const [unit, otherUnit] = [one.charCodeAt(at), other.charCodeAt(at)];
    if (unit !== otherUnit) return rank(unit) - rank(otherUnit);
  }
  return one.length - other.length;
}

function rank(unit: number): number {
  const isHalf = unit >= 0xd800 && unit <= 0xdfff;
  return isHalf ? unit + 0x10000 : unit;
}
