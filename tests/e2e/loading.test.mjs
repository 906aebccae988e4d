// Loading the module: as early as the page wants, and once.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createWorld, test } from "./fixture.mjs";

const MODULE = "/dist/uplink_cache_bg.wasm";
const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>uplink-cache, its module preloaded</title>
    <link rel="icon" href="data:," />
    <link rel="preload" as="fetch" type="application/wasm" crossorigin href="${MODULE}" />
    <script type="module" src="/page.js"></script>
  </head>
  <body></body>
</html>`;

test("a module that the page preloads is there before the cache is opened, and is fetched once", async (t) => {
  const module = await readFile(new URL(`../..${MODULE}`, import.meta.url));
  let fetched = 0;
  const routes = {
    "/early/": (_, response) => response.setHeader("content-type", "text/html").end(PAGE),
    [MODULE]: (_, response) => {
      fetched += 1;
      response.setHeader("content-type", "application/wasm").end(module);
    },
  };
  const world = await createWorld(t, { routes });
  const page = await world.openPage({ path: "/early/" });
  await page.waitForFunction(
    (path) => performance.getEntriesByType("resource").some(({ name }) => name.endsWith(path)),
    MODULE,
  );
  assert.equal(fetched, 1);

  const { raw } = await world.wallet.sign({ text: "early" });
  const status = await page.evaluate(
    async ({ options, raw }) => {
      await uplink.start(options);
      return (await cache.submit({ payload: raw })).status;
    },
    { options: world.options(), raw },
  );
  assert.match(status, /^(backed-up|sent)$/);
  assert.equal(fetched, 1);
});
