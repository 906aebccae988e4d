// The element in its page: upgraded early or late, given another cache, taken out, and with more tasks than anyone can look at.

import assert from "node:assert/strict";
import { test } from "../e2e/fixture.mjs";
import { createInspectorWorld, row, show } from "./world.mjs";

const MANY = 10_000;
/** Rows of tasks that may be in the page at once. */
const WINDOW = 50;

test(
  "of 10,000 tasks 50 are rows in the page, also while they come; the others are reached by keys and by filters, and no frame looks twice",
  async (t) => {
    const world = await createInspectorWorld(t, { gatewayIsUp: false });
    const page = await world.open(world.options());
    await page.evaluate(countRowsAndLooks);
    await page.evaluate(submitDrafts, MANY);
    await page.getByText("1–50 of 10,000").waitFor();
    const { mostRows, nodes, looks, frames } = await page.evaluate(() => {
      const { shadowRoot } = document.querySelector("uplink-inspector");
      return { ...counted, nodes: shadowRoot.querySelectorAll("*").length };
    });
    assert.equal(mostRows, WINDOW);
    assert.ok(nodes < 1_500, `${nodes} nodes`);
    assert.ok(looks <= frames + 2, `${looks} looks in ${frames} frames`);

    const first = page.locator("uplink-inspector tbody .key").first();
    await page.locator("uplink-inspector tbody button").first().press("PageDown");
    await page.getByText("51–100 of 10,000").waitFor();
    const key = await first.textContent();
    assert.equal(await page.evaluate(focusedKey), key);
    await page.keyboard.press("PageUp");
    await page.getByText("1–50 of 10,000").waitFor();
    await page.locator("uplink-inspector input").fill("draft/7777");
    await page.getByText("1–1 of 1").waitFor();
    await row(page, "draft/7777").getByRole("button").press("Enter");
    await page.locator("uplink-inspector tr.details").getByText("never asked").waitFor();
    await page.locator("uplink-inspector input").fill("");
    await page.getByText("of 10,000").waitFor();
    assert.ok((await page.locator("uplink-inspector tbody tr").count()) <= WINDOW + 1);
  },
  { timeoutMs: 120_000 },
);

test("an open task keeps its place while others come before it, and leaves only when it is closed", async (t) => {
  const world = await createInspectorWorld(t, { gatewayIsUp: false });
  const page = await world.open(world.options());
  await world.submit(page, { key: "mine", text: "mine" });
  await row(page, "mine").getByRole("button").press("Enter");
  await page.evaluate(submitDrafts, 120);
  await page.locator("uplink-inspector .place", { hasText: "of 121" }).waitFor();
  await page.locator("uplink-inspector tr.details").waitFor();
  assert.equal(await page.locator("uplink-inspector tbody .key").first().textContent(), "mine");
  assert.equal(await page.evaluate(focusedKey), "mine");
  await page.keyboard.press("Escape");
  await page.locator("uplink-inspector tr.details").waitFor({ state: "detached" });
  assert.equal(await page.evaluate(focusedKey), "mine");
});

test("another cache takes the place of the first, which is listened to no more; out of the page nothing is", async (t) => {
  const world = await createInspectorWorld(t, { gatewayIsUp: false });
  const page = await world.open();
  await page.evaluate(noteListenersAndTimers);
  await show(page, world.options());
  await world.submit(page, { key: "first", text: "first" });
  await row(page, "first").waitFor();
  await page.locator("uplink-inspector circle").waitFor();
  await page.evaluate(
    (options) => {
      globalThis.firstCache = cache;
      return uplink.start(options);
    },
    world.options({ name: "second" }),
  );
  await world.submit(page, { key: "second", text: "second" });
  const before = await page.evaluate(() => noted.open());
  assert.ok(before.listeners > 0 && before.timers > 0, JSON.stringify(before));
  await page.evaluate(() => {
    document.querySelector("uplink-inspector").cache = cache;
  });
  await row(page, "second").waitFor();
  await row(page, "first").waitFor({ state: "detached" });
  const dots = page.locator("uplink-inspector circle");
  assert.equal(await dots.count(), 0, "the times of the first cache are gone");
  assert.deepEqual(await page.evaluate(() => noted.open()), before, "one cache's worth");

  await page.evaluate(() => {
    globalThis.removed = document.querySelector("uplink-inspector");
    removed.remove();
  });
  assert.deepEqual(await page.evaluate(() => noted.open()), { listeners: 0, timers: 0, frames: 0 });
  await page.evaluate(() => document.querySelector("main").append(removed));
  await row(page, "second").waitFor();
  await page.evaluate(() => {
    removed.cache = null;
  });
  await page.getByText("No cache yet").waitFor();
  assert.deepEqual((await page.evaluate(() => noted.open())).listeners, 0);
});

test("the cache may be set before the element is defined, or before it is in the page; what another tab does is seen", async (t) => {
  const world = await createInspectorWorld(t, { gatewayIsUp: false });
  const page = await world.open();
  await page.evaluate(async (options) => {
    await uplink.start(options);
    document.querySelector("uplink-inspector").cache = cache;
    const { UplinkInspector } = await import("/dist/inspector.js");
    if (!(document.querySelector("uplink-inspector") instanceof UplinkInspector)) throw new Error();
  }, world.options());
  await page.getByText("No tasks in the backup.").waitFor();
  const other = await world.open();
  await other.evaluate(async (options) => {
    await import("/dist/inspector.js");
    await uplink.start(options);
    const inspector = document.createElement("uplink-inspector");
    inspector.cache = cache;
    document.querySelector("uplink-inspector").replaceWith(inspector);
  }, world.options());
  const { id } = await world.submit(page, { key: "shared", text: "shared" });
  for (const each of [page, other]) await row(each, "shared", "Backed up").waitFor();
  await page.evaluate((id) => cache.cancel(id), id);
  await row(other, "shared", "Failed").waitFor();
  await page.evaluate((id) => cache.discard(id), id);
  for (const each of [page, other]) await row(each, "shared").waitFor({ state: "detached" });
});

test("its colours are those of the user's scheme, or of the one that the page gives it", async (t) => {
  const world = await createInspectorWorld(t, { gatewayIsUp: false });
  const page = await world.open(world.options());
  const paper = () =>
    page.evaluate(() => {
      const { shadowRoot } = document.querySelector("uplink-inspector");
      return getComputedStyle(shadowRoot.querySelector(".inspector")).backgroundColor;
    });
  const light = await paper();
  await page.emulateMedia({ colorScheme: "dark" });
  const dark = await paper();
  assert.notEqual(dark, light);
  await page.evaluate(() => {
    document.querySelector("uplink-inspector").style.colorScheme = "light";
  });
  assert.equal(await paper(), light);
});

/** Runs in the page: from now on the most rows that were in it at once, and how often the cache was looked at, by frames. */
function countRowsAndLooks() {
  const { shadowRoot } = document.querySelector("uplink-inspector");
  const body = shadowRoot.querySelector("tbody");
  globalThis.counted = { mostRows: 0, looks: 0, frames: 0 };
  const note = () => {
    counted.mostRows = Math.max(counted.mostRows, body.children.length);
  };
  new MutationObserver(note).observe(body, { childList: true });
  const metrics = cache.metrics.bind(cache);
  cache.metrics = () => {
    counted.looks += 1;
    return metrics();
  };
  requestAnimationFrame(function next() {
    counted.frames += 1;
    requestAnimationFrame(next);
  });
}

/** Runs in the page: drafts that nobody signs, which cost no signature to make. */
async function submitDrafts(many) {
  const drafts = Array.from({ length: many }, (_, i) => ({
    sign: "never asked",
    key: `draft/${i}`,
  }));
  await Promise.all(drafts.map((draft) => cache.submit({ ...draft, value: 0 })));
}

/** Runs in the page: keeps count of the listeners on caches and of the timers and frames that are asked for from now on. */
function noteListenersAndTimers() {
  const timers = new Set();
  const frames = new Set();
  const signals = [];
  globalThis.noted = {
    open: () => ({
      listeners: signals.filter((signal) => !signal.aborted).length,
      timers: timers.size,
      frames: frames.size,
    }),
  };
  const { Cache } = uplink;
  const add = Cache.prototype.addEventListener;
  Cache.prototype.addEventListener = function (name, listener, options) {
    signals.push(options.signal);
    return add.call(this, name, listener, options);
  };
  const { setInterval, clearInterval, requestAnimationFrame, cancelAnimationFrame } = globalThis;
  globalThis.setInterval = (...timer) => {
    const id = setInterval(...timer);
    timers.add(id);
    return id;
  };
  globalThis.clearInterval = (id) => {
    timers.delete(id);
    clearInterval(id);
  };
  globalThis.requestAnimationFrame = (callback) => {
    const id = requestAnimationFrame((time) => {
      frames.delete(id);
      callback(time);
    });
    frames.add(id);
    return id;
  };
  globalThis.cancelAnimationFrame = (id) => {
    frames.delete(id);
    cancelAnimationFrame(id);
  };
}

/** Runs in the page. */
function focusedKey() {
  const { activeElement } = document.querySelector("uplink-inspector").shadowRoot;
  return activeElement?.querySelector(".key")?.textContent;
}
