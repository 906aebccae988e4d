// Loading the WebAssembly module, once, when the first cache is opened.
import init from "../build/uplink_cache.js";
import { UplinkError } from "./error.js";

/** Where the module comes from, for bundlers that do not understand `new URL(…, import.meta.url)`. */
export type WasmSource = string | URL | Request | Response | BufferSource | WebAssembly.Module;

let loading: Promise<unknown> | undefined;

/** Loads the module. A failure is not kept: the next call tries again. */
export async function load(source: WasmSource | undefined): Promise<void> {
  loading ??= init(source === undefined ? undefined : { module_or_path: source });
  const attempt = loading;
  try {
    await attempt;
  } catch (error) {
    if (loading === attempt) loading = undefined;
    throw new UplinkError("internal", "the WebAssembly module could not be loaded", {
      cause: error,
      retryable: true,
    });
  }
}
