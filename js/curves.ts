// Elliptic curves are a part of the package of their own. It is fetched as soon as it may be needed: later the network may
// be away, or a new version of the app in the place of this one.
import { UplinkError } from "./error.js";
import type * as Recover from "./recover.js";

/** How long after a failure the part is asked for again, in milliseconds. */
const AGAIN_MS = [1_000, 4_000, 15_000];

let isHere = false;
let coming: Promise<typeof Recover> | undefined;

/** @internal Fetches the part ahead. */
export function fetchCurves(): void {
  if (coming === undefined) load().catch(() => undefined);
}

/** @internal Whether nobody needs to wait for the part. */
export function hasCurves(): boolean {
  return isHere;
}

/** @internal The part, where it can be had. */
export async function curves(): Promise<typeof Recover> {
  try {
    return await load();
  } catch (cause) {
    const message = "recover.js, a part of the package, could not be fetched: offline, or gone";
    throw new UplinkError("wasm_unavailable", message, { cause, retryable: true });
  }
}

/** @internal The same, asked for again for a while. */
export async function curvesAtLast(): Promise<typeof Recover> {
  for (const ms of AGAIN_MS) {
    try {
      return await load();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, ms));
    }
  }
  return curves();
}

function load(): Promise<typeof Recover> {
  coming ??= fetched();
  return coming;
}

async function fetched(): Promise<typeof Recover> {
  try {
    const part = await import("./recover.js");
    isHere = true;
    return part;
  } catch (error) {
    coming = undefined;
    throw error;
  }
}
