// Loading the WebAssembly module, when the first cache is opened, and again after it died.
import { createGlue } from "../build/glue.js";
import type { Engine, Host } from "../build/uplink_cache.js";
import { UplinkError } from "./error.js";
import { Guard } from "./guard.js";
import * as unavailable from "./unavailable.js";

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
    if (error instanceof UplinkError) throw error;
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
  const compiling = compiledFrom(source);
  // Made while the module is on its way; a failure of that is told below.
  compiling.catch(() => undefined);
  const glue = createGlue();
  const guard = new Guard<Host>();
  const imports = { [IMPORTS]: guard.imports(glue) };
  const { exports } = await link(await compiling, imports);
  const guarded = guard.exports(exports);
  glue.__wbg_set_wasm(guarded);
  guarded.__wbindgen_start?.();
  return { Engine: glue.Engine, guard };
}

async function compiledFrom(source: WasmSource | undefined): Promise<WebAssembly.Module> {
  if (compiled === undefined || compiled.source !== source) {
    compiled = { source, module: await compile(source) };
  }
  return compiled.module;
}

async function link(
  module: WebAssembly.Module,
  imports: WebAssembly.Imports,
): Promise<WebAssembly.Instance> {
  try {
    return await WebAssembly.instantiate(module, imports);
  } catch (error) {
    const isOther = error instanceof WebAssembly.LinkError || error instanceof TypeError;
    throw isOther ? unavailable.notOurs(error) : error;
  }
}

async function compile(source: WasmSource | undefined): Promise<WebAssembly.Module> {
  if (typeof WebAssembly === "undefined") throw unavailable.notSupported();
  if (source instanceof WebAssembly.Module) return source;
  const given =
    source instanceof ArrayBuffer || ArrayBuffer.isView(source)
      ? (source as BufferSource)
      : await ask(source as Parameters<typeof ask>[0]);
  try {
    return await (given instanceof Response
      ? WebAssembly.compileStreaming(given)
      : WebAssembly.compile(given));
  } catch (error) {
    throw await unavailable.notCompiled(error);
  }
}

/** The answer to be compiled as it comes, or its bytes. */
async function ask(
  source: string | URL | Request | Response | undefined,
): Promise<Response | ArrayBuffer> {
  const response = source instanceof Response ? source : await fetchFrom(source ?? besideUs());
  if (!response.ok) throw unavailable.notThere(response);
  // Browsers refuse to compile what streams in with another type; a server may not know this one.
  if (response.headers.get("content-type") === "application/wasm") return response;
  const bytes = await response.arrayBuffer().catch((error) => {
    throw unavailable.notFetched(response.url, error);
  });
  if (!unavailable.isModule(bytes)) throw unavailable.notThere(response);
  return bytes;
}

async function fetchFrom(address: string | URL | Request): Promise<Response> {
  try {
    return await fetch(address);
  } catch (error) {
    const url = address instanceof Request ? address.url : String(address);
    throw unavailable.notFetched(url, error);
  }
}

/** Bundlers look for this expression. */
function besideUs(): URL {
  try {
    return new URL("uplink_cache_bg.wasm", import.meta.url);
  } catch (error) {
    throw unavailable.noAddress(error);
  }
}
