// What lists and counts are asked for, and the tags of submissions: checked here, before they cross over.
import * as check from "./check.js";
import { invalid } from "./error.js";

/** What a submission says of itself: up to 8 tags, each with a name of 1 to 64 and a value of 0 to 256 bytes of UTF-8. */
export type Tags = Readonly<Record<string, string>>;

interface Paging {
  /** At most so many entries, 1 to 1000. Default 50. */
  limit?: number;
  /** The cursor of the page before: of the same list, or it rejects with `invalid_input`. */
  cursor?: string | undefined;
}

/** Entries by key: in the order of the keys' UTF-8 bytes. */
export interface KeyQuery extends Paging {
  /** Only keys that begin with this. */
  prefix?: string;
  /** From the last key to the first. */
  reverse?: boolean;
  tag?: never;
  order?: never;
}

/** Entries by tag: in the order in which their keys were first written, which an edit does not change. */
export interface TagQuery extends Paging {
  /** Only entries that have a tag of this name and value. */
  tag: readonly [name: string, value: string];
  /** What was written first comes last (`newest`, the default) or first (`oldest`). */
  order?: "newest" | "oldest";
  prefix?: never;
  reverse?: never;
}

export type ListOptions = KeyQuery | TagQuery;

/** What is counted: keys that begin with something, or entries with a tag. */
export type CountOptions = Pick<KeyQuery, "prefix" | "tag"> | Pick<TagQuery, "tag" | "prefix">;

const ORDERS = ["newest", "oldest"] as const;
const MOST_TAGS = 8;

/** A list as the module is asked for it: a prefix; or a tag's name, with its value beside it. */
export interface ModuleQuery {
  name: string;
  value: string | undefined;
  backwards: boolean;
}

export function listQuery(options: ListOptions, names: readonly string[], what: string) {
  const { tag, order, prefix, reverse, limit = 50, cursor } = check.options(options, names, what);
  check.optionalText(cursor, "cursor");
  check.integer(limit, 1, 1000, "limit");
  if (tag === undefined) {
    if (order !== undefined) throw invalid("order is for a list by tag: a list by key has reverse");
    if (reverse !== undefined) check.flag(reverse, "reverse");
    const name = check.bounded(
      prefix === undefined ? "" : prefix,
      0,
      check.MAX_KEY_BYTES,
      "prefix",
    );
    return { name, value: undefined, backwards: reverse ?? false, limit, cursor };
  }
  if (prefix !== undefined || reverse !== undefined) {
    throw invalid("a list is by tag and order, or by prefix and reverse");
  }
  const [name, value] = checkTag(tag);
  const backwards = check.oneOf(order ?? "newest", ORDERS, "order") === "newest";
  return { name, value, backwards, limit, cursor };
}

export function countQuery(options: CountOptions): Omit<ModuleQuery, "backwards"> {
  return listQuery(options as ListOptions, ["prefix", "tag"], "count");
}

/** Names and values in turns, or nothing. */
export function tagList(tags: Tags | undefined): string[] | undefined {
  if (tags === undefined) return undefined;
  if (typeof tags !== "object" || tags === null || Array.isArray(tags)) {
    throw invalid("tags is an object of names and strings");
  }
  const entries = Object.entries(tags);
  if (entries.length > MOST_TAGS) throw invalid(`a task has at most ${MOST_TAGS} tags`);
  return entries.flatMap(checkTag);
}

/** As entries show them. */
export function tagsOf(pairs: [string, string][] | undefined): { tags?: Tags } {
  return pairs === undefined ? {} : { tags: Object.fromEntries(pairs) };
}

function checkTag(tag: readonly string[]): [string, string] {
  if (!Array.isArray(tag) || tag.length !== 2) throw invalid("a tag is a name and a value");
  return [
    check.bounded(tag[0], 1, 64, "a tag's name"),
    check.bounded(tag[1], 0, 256, "a tag's value"),
  ];
}
