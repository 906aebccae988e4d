// The engine that ENGINE names (Chromium without it), as one browser for all tests of a file.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { createWorld } from "../e2e/fixture.mjs";
import { engines, startBrowser } from "../support/webdriver.mjs";

const PAGE_FOLDER = fileURLToPath(new URL("page", import.meta.url));

export const engine = process.env.ENGINE ?? "chromium";
assert.ok(engines.includes(engine), `no such engine: ${engine}; there are ${engines.join(", ")}`);

/** Starts the browser before the file's tests and ends it after them. Returns how to create a test's world. */
export function prepareBrowser() {
  let browser;
  before(async () => {
    browser = await startBrowser(engine);
  });
  after(() => browser?.close());
  return async (t) => {
    const world = await createWorld(t, { routes: { "/engines/": PAGE_FOLDER } });
    return { ...world, openPage: (path) => openPage(browser, world, path) };
  };
}

/** A tab of this test. Uncaught errors and panics in it, since it was last loaded, fail the test when it ends. */
async function openPage(browser, world, path = "/engines/") {
  const page = await browser.openPage(`${world.site.url}${path}`);
  const untilReady = () => page.evaluate(() => globalThis.ready);
  await untilReady();
  let isOpen = true;
  const close = async () => {
    if (!isOpen) return;
    isOpen = false;
    const failures = await page.evaluate(() => globalThis.failures);
    await page.close();
    assert.deepEqual(failures, [], "the page must not see an uncaught error or a panic");
  };
  world.onEnd(close);
  const reload = () => page.reload().then(untilReady);
  return { ...page, reload, close };
}
