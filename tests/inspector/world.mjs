// The end-to-end tests' world, with a page that has an inspector in it, under a policy that forbids inline styles and eval.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { createWorld } from "../e2e/fixture.mjs";

const PAGE_FOLDER = fileURLToPath(new URL("page", import.meta.url));
const AXE = new URL("../../node_modules/axe-core/axe.min.js", import.meta.url);

export async function createInspectorWorld(t, { routes = {}, ...options } = {}) {
  const world = await createWorld(t, {
    routes: { "/inspector/": PAGE_FOLDER, ...routes },
    ...options,
  });

  /** A page with the element; with options the cache is open as `cache`, and the element has it. */
  async function open(cacheOptions) {
    const page = await world.openPage({ path: "/inspector/" });
    await page.setViewportSize({ width: 1200, height: 900 });
    await page.emulateMedia({ reducedMotion: "reduce" });
    world.onEnd(async () => {
      const violations = page.isClosed() ? [] : await page.evaluate("inspectorPage.violations");
      assert.deepEqual(violations, [], "the page's policy is kept");
    });
    if (cacheOptions !== undefined) await show(page, cacheOptions);
    return page;
  }

  /** Signs, submits, and gives the task's id. */
  async function submit(page, { key, value = {}, after, ...transaction }) {
    const { raw, txId } = await world.wallet.sign(transaction);
    const id = await page.evaluate(
      async ({ payload, ...options }) => (await cache.submit({ payload, ...options })).id,
      { payload: raw, key, value, ...(after && { after }) },
    );
    return { id, txId };
  }

  return { ...world, open, submit };
}

/** Opens the cache, and gives it to the element. */
export function show(page, options) {
  return page.evaluate(async (options) => {
    await import("/dist/inspector.js");
    await uplink.start(options);
    document.querySelector("uplink-inspector").cache = cache;
  }, options);
}

/** The row of a task, by its key; with words, once its state says so. */
export function row(page, key, words) {
  const rows = page.locator("uplink-inspector tbody tr:not(.details)");
  const named = rows.filter({ has: page.locator(".key").getByText(key, { exact: true }) });
  if (words === undefined) return named;
  return named.filter({ has: page.locator(".state").getByText(words, { exact: true }) });
}

/** What axe finds wrong, in light and dark, wide and narrow. */
export async function assertAccessible(page, what) {
  await page.evaluate(await readFile(AXE, "utf8"));
  await page.emulateMedia({ reducedMotion: "reduce" });
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [1200, 360]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      const { violations, passes } = await page.evaluate("axe.run()");
      const found = violations.map(({ id, nodes }) => [id, nodes.map(({ target }) => target)]);
      assert.deepEqual(found, [], `${what}, ${colorScheme}, ${width} px wide`);
      const contrast = passes.find(({ id }) => id === "color-contrast");
      const isInside = ({ target }) => target[0][0] === "uplink-inspector";
      assert.ok(contrast?.nodes.some(isInside), "axe looked into the element");
    }
  }
}
