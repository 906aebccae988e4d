// Why the WebAssembly module cannot be had, and what whoever builds or serves the page can do.
import { UplinkError } from "./error.js";

/** The smallest module there is: where this one is refused they all are. */
const EMPTY_MODULE = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
const MAGIC = EMPTY_MODULE.subarray(0, 4);
const CURE =
  "if a bundler moved uplink_cache_bg.wasm, give openCache its address as the option `wasm`";

/** @internal Nothing is there, or something else: an error page, or the page that an app answers everything with. */
export function notThere({ ok, status, url, headers }: Response): UplinkError {
  const what = ok ? `is ${headers.get("content-type")}` : `answered ${status}`;
  return failed(`${url} ${what}; ${CURE}`, undefined, status >= 500);
}

/** @internal It was not fetched at all. */
export function notFetched(address: string, cause: unknown): UplinkError {
  if (address.startsWith("file:")) {
    const why = `${address} is a file, which is not fetched here: give openCache its bytes as the option \`wasm\``;
    return failed(why, cause);
  }
  const where = `${address} could not be fetched: offline, or the page's CSP lacks it in connect-src`;
  return failed(`${where}; ${CURE}`, cause, true);
}

/** @internal The script does not know where it is itself, so neither where the module is. */
export function noAddress(cause: unknown): UplinkError {
  return failed(`a script of this format does not know its address; ${CURE}`, cause);
}

/** @internal It was compiled, and wants other imports than these scripts have. */
export function notOurs(cause: unknown): UplinkError {
  return failed(`it is of another version of uplink-cache; ${CURE}`, cause);
}

/** @internal It was there, and was not compiled. */
export async function notCompiled(cause: unknown): Promise<UplinkError> {
  const isAllowed = await WebAssembly.compile(EMPTY_MODULE).then(
    () => true,
    () => false,
  );
  const why = isAllowed
    ? "it is damaged"
    : "the page's CSP forbids it: add 'wasm-unsafe-eval' to script-src";
  return failed(why, cause, isAllowed);
}

/** @internal Some browsers have a mode without it. */
export function notSupported(): UplinkError {
  return failed("this browser has none");
}

/** @internal */
export function isModule(bytes: ArrayBuffer): boolean {
  const start = new Uint8Array(bytes, 0, Math.min(MAGIC.length, bytes.byteLength));
  return MAGIC.every((byte, i) => byte === start[i]);
}

function failed(why: string, cause?: unknown, retryable = false): UplinkError {
  const message = `the WebAssembly module could not be loaded: ${why}`;
  return new UplinkError("wasm_unavailable", message, { cause, retryable });
}
