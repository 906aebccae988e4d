// Checks of what callers pass: parse at the edge, with an error that says what is wrong.
import { invalid, UplinkError } from "./error.js";

/** The module's limits. What is far over them must not be copied into its memory first. */
export const MAX_PAYLOAD_BYTES = 1024 * 1024;
export const MAX_KEY_BYTES = 1024;
export const MAX_VALUE_BYTES = 1024 * 1024;
/** What one read of the chain may give. */
export const MAX_READ_BYTES = 16 * 1024 * 1024;
/** Longer than any name, key or prefix may be, in UTF-16 units. */
const MAX_TEXT_UNITS = 64 * 1024;

/** An object with no other names than these. */
export function options<T extends object>(value: T, names: readonly string[], what: string): T {
  if (typeof value !== "object" || value === null) throw invalid(`${what} takes an object`);
  for (const name of Object.keys(value)) {
    if (!names.includes(name)) throw invalid(`${what} has no option "${name}"`);
  }
  return value;
}

/** An account of an Ethereum-like chain. */
export function account(value: unknown): string {
  if (typeof value !== "string" || !/^0x[0-9a-f]{40}$/i.test(value)) {
    throw invalid("account is 0x and 40 hex digits");
  }
  return value.toLowerCase();
}

/** A string without lone surrogates: those would not survive the way to the database. */
export function text(value: unknown, what: string): string {
  if (typeof value !== "string") throw invalid(`${what} is a string`);
  if (value.length > MAX_TEXT_UNITS) throw invalid(`${what} is too long: ${value.length} units`);
  if (/\p{Surrogate}/u.test(value)) throw invalid(`${what} has a lone surrogate`);
  return value;
}

/** The same, of so many bytes of UTF-8. */
export function bounded(value: unknown, least: number, most: number, what: string): string {
  const { length } = new TextEncoder().encode(text(value, what));
  if (length >= least && length <= most) return value as string;
  throw invalid(`${what} has ${least} to ${most} bytes, this one has ${length}`);
}

export function optionalText(value: unknown, what: string): string | undefined {
  return value === undefined ? undefined : text(value, what);
}

export function integer(value: unknown, least: number, most: number, what: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most) {
    throw invalid(`${what} is a whole number from ${least} to ${most}`);
  }
  return value as number;
}

export function oneOf<T extends string>(value: unknown, names: readonly T[], what: string): T {
  const found = names.find((name) => name === value);
  if (found === undefined) throw invalid(`${what} is one of ${names.join(", ")}`);
  return found;
}

export function flag(value: unknown, what: string): boolean {
  if (typeof value !== "boolean") throw invalid(`${what} is true or false`);
  return value;
}

/** As JSON: not a bigint, and nothing that holds itself. */
export function json(value: unknown, what: string): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    throw invalid(`${what} is no JSON`, error);
  }
}

export function size(bytes: number, most: number, what: string): void {
  if (bytes <= most) return;
  throw new UplinkError("too_large", `${what} has ${bytes} bytes, at most ${most} are taken`);
}

/** Whether it is a Uint8Array, of whatever realm: a frame has classes of its own, and so have environments for tests. */
export function isBytes(value: unknown): value is Uint8Array {
  if (value instanceof Uint8Array) return true;
  return (
    ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === "[object Uint8Array]"
  );
}

/** Bytes, or 0x and an even number of hex digits. */
export function payload(value: unknown): Uint8Array {
  if (isBytes(value)) {
    size(value.length, MAX_PAYLOAD_BYTES, "the payload");
    return value;
  }
  if (typeof value !== "string") throw invalid("the payload is a Uint8Array or a 0x-hex string");
  size(Math.ceil(value.length / 2 - 1), MAX_PAYLOAD_BYTES, "the payload");
  if (!/^0x([0-9a-f]{2})*$/i.test(value)) {
    throw invalid("the payload is no 0x-hex string with an even number of digits");
  }
  const bytes = new Uint8Array(value.length / 2 - 1);
  for (let at = 0; at < bytes.length; at += 1) {
    bytes[at] = Number.parseInt(value.slice(2 * at + 2, 2 * at + 4), 16);
  }
  return bytes;
}
