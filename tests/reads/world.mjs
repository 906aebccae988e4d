// The end-to-end tests' world, with a page that looks closely at what reads give.
import { fileURLToPath } from "node:url";
import { createWorld } from "../e2e/fixture.mjs";

const PAGE_FOLDER = fileURLToPath(new URL("page", import.meta.url));

export function createReadsWorld(t, { routes = {}, ...options } = {}) {
  return createWorld(t, { routes: { "/reads/": PAGE_FOLDER, ...routes }, ...options });
}

/** A page with the cache open, and what looks closely on `closely`. */
export async function openReadsPage(world, options, pageOptions) {
  const page = await world.openPage(pageOptions);
  await start(page, options);
  return page;
}

/** Opens the cache in a page that was loaded. */
export function start(page, options) {
  return page.evaluate(async (options) => {
    globalThis.closely = await import("/reads/closely.js");
    await uplink.start(options);
  }, options);
}
