// The end-to-end tests' world, with React, TanStack Query, Svelte and Vue in its pages.
import { fileURLToPath } from "node:url";
import { createWorld } from "../e2e/fixture.mjs";
import { serveBundle } from "../support/bundle.mjs";

const PAGE_FOLDER = fileURLToPath(new URL("page", import.meta.url));
const serveLibraries = serveBundle('export * from "./tests/react/page/libraries.js"');

export async function createReactWorld(t, { routes = {}, ...options } = {}) {
  const own = { "/react/": PAGE_FOLDER, "/react/libraries.js": serveLibraries };
  const world = await createWorld(t, { routes: { ...own, ...routes }, ...options });

  /** A page with the libraries as `faces`, and `open` that opens a cache as the global `cache`, and counts as `opened`. */
  async function open(cacheOptions = world.options(), pageOptions = {}) {
    const page = await world.openPage(pageOptions);
    await load(page, cacheOptions);
    return page;
  }

  /** The same page anew. */
  async function reload(page, cacheOptions = world.options()) {
    await page.reload();
    await load(page, cacheOptions);
  }

  async function load(page, cacheOptions) {
    await page.evaluate(async (cacheOptions) => {
      await import("/react/faces.js");
      globalThis.opened = 0;
      globalThis.open = async () => {
        opened += 1;
        await uplink.start(cacheOptions);
        return cache;
      };
    }, cacheOptions);
  }

  return { ...world, open, reload };
}
