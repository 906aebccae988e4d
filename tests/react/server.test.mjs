// The hooks rendered on a server, and taken over by a page.
import assert from "node:assert/strict";
import { createElement as h, Suspense } from "react";
import { renderToString } from "react-dom/server";
import { test } from "../e2e/fixture.mjs";
import { Page } from "./page/parts.js";
import { createReactWorld } from "./world.mjs";

const refuse = () => assert.fail("a server opens no cache");
const tree = h(Page, { cache: refuse });
const suspending = h(
  Suspense,
  { fallback: h("b", null, "wait") },
  h(Page, { cache: refuse, suspense: true }),
);

/** What Chromium says of each request to a gateway that is down. */
const NO_ANSWER = /^Failed to load resource/;

/** A world whose `/server/` is a page that has `html`, and what React said on its console. */
async function openRendered(t, html) {
  const body = `<!doctype html><script type="module" src="/page.js"></script><main>${html}</main>`;
  const route = (_, response) => response.writeHead(200, { "content-type": "text/html" }).end(body);
  const world = await createReactWorld(t, { routes: { "/server/": route }, gatewayIsUp: false });
  const page = await world.open(world.options(), { path: "/server/" });
  const said = [];
  page.on("console", (message) => {
    const isWord = ["error", "warning"].includes(message.type()) && !NO_ANSWER.test(message.text());
    if (isWord) said.push(message.text());
  });
  return { world, page, said };
}

test("a server renders that the cache is being opened, and opens nothing", () => {
  const html = renderToString(tree);
  const shown = '<p id="Status">opening</p><p id="Entry">pending</p><p id="List">pending</p>';
  assert.equal(html, shown);
});

for (const isOpenBefore of [false, true]) {
  const when = isOpenBefore ? "that has an open cache with values" : "that opens its cache";
  test(`a page ${when} takes the server's rendering over as it is`, async (t) => {
    const { world, page, said } = await openRendered(t, renderToString(tree));
    const { raw } = await world.wallet.sign({ text: "hi" });
    const seen = await page.evaluate(
      async ({ payload, isOpenBefore }) => {
        const { Page, React, hydrateRoot, shows } = faces;
        const submit = () => cache.submit({ payload, key: "entry/1", value: "hi" });
        if (isOpenBefore) {
          await open();
          await submit();
        }
        const recovered = [];
        const before = [...document.querySelectorAll("p")];
        const page = React.createElement(Page, { cache: isOpenBefore ? cache : open });
        hydrateRoot(
          document.querySelector("main"),
          React.createElement(React.StrictMode, null, page),
          { onRecoverableError: (error) => recovered.push(error.message) },
        );
        if (!isOpenBefore) {
          await shows("List", "ready");
          await submit();
        }
        await shows("Entry", "ready hi backed-up");
        await shows("List", "ready entry/1=hi");
        const after = [...document.querySelectorAll("p")];
        return { recovered, isTakenOver: before.every((each, at) => each === after[at]), opened };
      },
      { payload: raw, isOpenBefore },
    );
    assert.deepEqual(seen, { recovered: [], isTakenOver: true, opened: 1 });
    assert.deepEqual(said, []);
  });
}

test("with `suspense` a server renders the fallback, and the page the rest", async (t) => {
  const html = renderToString(suspending);
  assert.match(html, /<b>wait<\/b>/);
  assert.doesNotMatch(html, /<p/);
  const { page } = await openRendered(t, html);
  const recovered = await page.evaluate(async () => {
    const { Page, React, hydrateRoot, shows } = faces;
    const { createElement: h, Suspense } = React;
    const recovered = [];
    const page = h(Page, { cache: open, suspense: true });
    hydrateRoot(
      document.querySelector("main"),
      h(Suspense, { fallback: h("b", null, "wait") }, page),
      { onRecoverableError: (error) => recovered.push(error.message) },
    );
    await shows("Entry", "ready");
    return recovered.length;
  });
  assert.equal(recovered, 1, "React tells that the page did what the server could not");
});
