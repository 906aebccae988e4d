// Loading the WebAssembly module, when the first cache is opened, and again after it died.
import { createGlue } from "../build/glue.js";
import type { Engine, Host } from "../build/uplink_cache.js";
import { UplinkError } from "./error.js";
import { Guard } from "./guard.js";

/** Where the module comes from, for bundlers that do not understand `new URL(…, import.meta.url)`. */
export type WasmSource = string | URL | Request | Response | BufferSource | WebAssembly.Module;

/** @internal The module, instantiated: all caches of the page use it until it dies. */
export interface Instance {
  readonly Engine: typeof Engine;
  readonly guard: Guard<Host>;
}

const IMPORTS = "./uplink_cache_bg.js";

let loading: Promise<Instance> | undefined;
/** What was compiled last: a module that died is not compiled anew. */
let compiled: { source: WasmSource | undefined; module: WebAssembly.Module } | undefined;

/** @internal Loads the module. A failure is not kept, nor is a dead one: the next call tries again. */
export async function load(source: WasmSource | undefined): Promise<Instance> {
  loading ??= instantiate(source);
  const attempt = loading;
  const forget = () => {
    if (loading === attempt) loading = undefined;
  };
  try {
    const instance = await attempt;
    if (instance.guard.death === undefined) return instance;
  } catch (error) {
    forget();
    throw new UplinkError("internal", "the WebAssembly module could not be loaded", {
      cause: error,
      retryable: true,
    });
  }
  forget();
  return load(source);
}

/** Each instance has glue of its own: what still refers to a dead one must not touch the memory of the next. */
async function instantiate(source: WasmSource | undefined): Promise<Instance> {
  if (compiled === undefined || compiled.source !== source) {
    compiled = { source, module: await compile(source) };
  }
  const glue = createGlue();
  const guard = new Guard<Host>();
  const imports = { [IMPORTS]: guard.imports(glue) };
  const { exports } = await WebAssembly.instantiate(compiled.module, imports);
  const guarded = guard.exports(exports);
  glue.__wbg_set_wasm(guarded);
  guarded.__wbindgen_start?.();
  return { Engine: glue.Engine, guard };
}

async function compile(source: WasmSource | undefined): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return source;
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) {
    return WebAssembly.compile(source as BufferSource);
  }
  const response =
    source instanceof Response
      ? source
      : await fetch((source as RequestInfo) ?? new URL("uplink_cache_bg.wasm", import.meta.url));
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}: ${response.url}`);
  // Browsers refuse to compile what streams in with another type; a server may not know this one.
  return response.headers.get("content-type") === "application/wasm"
    ? WebAssembly.compileStreaming(response)
    : WebAssembly.compile(await response.arrayBuffer());
}
