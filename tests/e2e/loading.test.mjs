// Loading the module: as early as the page wants, and once.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createWorld, test } from "./fixture.mjs";

const MODULE = "/dist/uplink_cache_bg.wasm";
const CURVES = "/dist/recover.js";
const DEARER = { maxFeePerGas: 200_000_000_000n, maxPriorityFeePerGas: 2n };
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

/** A world whose server has `recover.js` for as long as `isThere`, and a page with a task that no gateway takes. */
async function openWithCurves(t, server) {
  const curves = await readFile(new URL(`../..${CURVES}`, import.meta.url));
  const routes = {
    [CURVES]: (_, response) => {
      if (!server.isThere) return response.writeHead(404).end();
      response.setHeader("content-type", "text/javascript").end(curves);
    },
  };
  const world = await createWorld(t, { routes, gatewayIsUp: false });
  const page = await world.openPage();
  const first = await world.wallet.sign({ text: "first" });
  const again = await world.wallet.sign({ text: "first", ...DEARER, nonce: first.nonce });
  const id = await page.evaluate(
    async ({ options, payload }) => {
      await uplink.start(options);
      return (await cache.submit({ payload })).id;
    },
    { options: world.options(), payload: first.raw },
  );
  const replace = ({ closes = false } = {}) =>
    page.evaluate(
      ({ id, payload, closes }) => {
        const replacing = cache.replace(id, payload);
        if (closes) cache.close();
        return replacing.then(
          () => "replaced",
          ({ code, retryable }) => ({ code, retryable }),
        );
      },
      { id, payload: again.raw, closes },
    );
  return { page, replace };
}

test("what looks at signatures is fetched with the first task: it may be gone from the server later", async (t) => {
  const server = { isThere: true };
  const { page, replace } = await openWithCurves(t, server);
  await page.waitForFunction(
    (path) => performance.getEntriesByType("resource").some(({ name }) => name.endsWith(path)),
    CURVES,
  );
  server.isThere = false;
  // It was begun before the cache is closed.
  assert.equal(await replace({ closes: true }), "replaced");
});

test("where what looks at signatures cannot be fetched, a replacement is not to blame", async (t) => {
  const server = { isThere: false };
  const { replace } = await openWithCurves(t, server);
  assert.deepEqual(await replace(), { code: "wasm_unavailable", retryable: true });
  server.isThere = true;
  assert.equal(await replace(), "replaced");
});
