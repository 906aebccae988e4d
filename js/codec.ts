import { isBytes } from "./check.js";
import { invalid } from "./error.js";

/** Turns values into the bytes that are stored, and back. */
export interface Codec<V> {
  encode(value: V): Uint8Array;
  decode(bytes: Uint8Array): V;
}

/** Values that are bytes already. */
export const bytes: Codec<Uint8Array> = {
  encode(value) {
    if (!isBytes(value)) throw invalid("the value is no Uint8Array");
    return value;
  },
  decode: (stored) => stored,
};

/** Any JSON value, as JSON in UTF-8. */
// biome-ignore lint/suspicious/noExplicitAny: what JSON.parse gives is as typed as the dapp says
export const json: Codec<any> = {
  encode(value) {
    return encoder().encode(textOf(value));
  },
  decode: (stored) => JSON.parse(decoder().decode(stored)),
};

function textOf(value: unknown): string {
  // JSON would take these for null and for objects without what they hold.
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    throw invalid("JSON has no bytes: the codec for them is `bytes`");
  }
  if (value instanceof Map || value instanceof Set) throw invalid("JSON has no Map and no Set");
  if (typeof value === "number" && !Number.isFinite(value)) throw invalid(`JSON has no ${value}`);
  const text = JSON.stringify(value);
  if (text === undefined) throw invalid(`JSON has no ${typeof value}`);
  return text;
}

// Made once, and not at import: to make one takes longer than to use it.
let textEncoder: TextEncoder | undefined;
let textDecoder: TextDecoder | undefined;

function encoder(): TextEncoder {
  textEncoder ??= new TextEncoder();
  return textEncoder;
}

function decoder(): TextDecoder {
  textDecoder ??= new TextDecoder();
  return textDecoder;
}

/** Encodes by a codec that may be the dapp's own. JSON stays text: the module makes bytes of it in less time. */
export function encode<V>(codec: Codec<V>, value: V): Uint8Array | string {
  let encoded: unknown;
  try {
    if (codec === json) return textOf(value);
    encoded = codec.encode(value);
  } catch (error) {
    throw invalid("the codec cannot encode the value", error);
  }
  if (!isBytes(encoded)) throw invalid("the codec's encode gives no Uint8Array");
  return encoded;
}

/** Decodes by a codec that may be the dapp's own. Text is JSON. */
export function decode<V>(codec: Codec<V>, key: string, stored: Uint8Array | string): V {
  try {
    return typeof stored === "string" ? JSON.parse(stored) : codec.decode(stored);
  } catch (error) {
    throw invalid(`the codec cannot decode the value of ${JSON.stringify(key)}`, error);
  }
}
