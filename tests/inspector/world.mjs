// The end-to-end tests' world, with a page that has an inspector in it, under a policy that forbids inline styles and eval.
import { fileURLToPath } from "node:url";
import { createWorld } from "../e2e/fixture.mjs";

const PAGE_FOLDER = fileURLToPath(new URL("page", import.meta.url));
const AXE_FOLDER = fileURLToPath(new URL("../../node_modules/axe-core", import.meta.url));

export async function createInspectorWorld(t, { routes = {}, ...options } = {}) {
  const own = { "/inspector/": PAGE_FOLDER, "/axe/": AXE_FOLDER };
  const world = await createWorld(t, { routes: { ...own, ...routes }, ...options });

  /** A page with the element, and with options the cache open as `cache`, which the element is given. */
  async function open(cacheOptions, { width = 1200, height = 900, colorScheme = "light" } = {}) {
    const page = await world.openPage({ path: "/inspector/" });
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme });
    await page.evaluate(() => import("/dist/inspector.js"));
    if (cacheOptions !== undefined) await start(page, cacheOptions);
    return page;
  }

  return { ...world, open };
}

export function start(page, options) {
  return page.evaluate(async (options) => {
    await uplink.start(options);
    document.querySelector("uplink-inspector").cache = cache;
  }, options);
}
