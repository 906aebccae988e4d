// From a submit to final, over a reload, and between tabs, in the engine that ENGINE names.

import assert from "node:assert/strict";
import { test } from "../e2e/fixture.mjs";
import { engine, prepareBrowser } from "./engine.mjs";

const newWorld = prepareBrowser();

test(`${engine}: what is submitted is seen at once, outlives a reload, settles, and is read from the cache`, async (t) => {
  const world = await newWorld(t);
  const { raw, txId } = await world.wallet.sign({ text: "hi" });
  world.gateway.down();
  const page = await world.openPage();
  await page.evaluate((options) => uplink.start(options), world.options());
  const seen = await page.evaluate(async (payload) => {
    await cache.submit({ payload, key: "entry/1", value: { text: "hi" } });
    window.isFirstVisit = true;
    return { peeked: cache.peek("entry/1"), read: await cache.read("entry/1") };
  }, raw);
  for (const entry of [seen.peeked, seen.read]) {
    assert.deepEqual(entry.value, { text: "hi" });
    assert.equal(entry.source, "backup");
    assert.equal(entry.status, "backed-up");
  }

  assert.equal(await page.evaluate(() => window.isFirstVisit), true);
  await page.reload();
  assert.equal(await page.evaluate(() => window.isFirstVisit ?? false), false);
  await page.evaluate((options) => uplink.start(options), world.options());
  const kept = await page.evaluate(() => cache.read("entry/1"));
  assert.deepEqual(kept.value, { text: "hi" });
  assert.equal(kept.source, "backup");
  assert.equal(world.gateway.sends().length, 0, "nothing was sent before");

  world.gateway.up();
  await world.mineToFinal(txId);
  const { outcome, last } = await page.evaluate(async () => {
    const [task] = cache.tasks();
    return { outcome: await task.settled, last: await cache.read("entry/1") };
  });
  assert.equal(outcome.status, "final");
  assert.equal(outcome.txId, txId);
  assert.deepEqual(last.value, { text: "hi" });
  assert.equal(last.source, "cache");
  assert.equal(last.status, "final");
  assert.equal(world.gateway.sends(txId).length, 1);
});

test(`${engine}: two tabs see each other's writes, one leads, and the other goes on when that one is closed`, async (t) => {
  const world = await newWorld(t);
  const tabs = [await world.openPage(), await world.openPage()];
  for (const tab of tabs) await tab.evaluate((options) => uplink.start(options), world.options());
  await tabs[0].evaluate(() => uplink.when(() => cache.stats().leader));
  assert.equal(await tabs[1].evaluate(() => cache.stats().leader), false);

  const [first, second] = await world.wallet.signMany(2);
  await tabs[0].evaluate(() => {
    window.heard = uplink.whenWatched({ key: "entry/0" }, (items) => items.length > 0);
  });
  await tabs[1].evaluate(async (payload) => {
    await cache.submit({ payload, key: "entry/0", value: 0 });
  }, first.raw);
  const [heard] = await tabs[0].evaluate(() => window.heard);
  assert.equal(heard.value, 0);
  assert.equal(heard.source, "backup");
  await world.untilAccepted(first.txId);

  await tabs[0].close();
  await tabs[1].evaluate(() => uplink.when(() => cache.stats().leader));
  await tabs[1].evaluate(async (payload) => {
    await cache.submit({ payload, key: "entry/1", value: 1 });
  }, second.raw);
  await world.mineToFinal(first.txId, second.txId);
  const outcomes = await tabs[1].evaluate(() =>
    Promise.all(cache.tasks().map((task) => task.settled)),
  );
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ["final", "final"],
  );
  for (const { txId } of [first, second]) assert.equal(world.gateway.sends(txId).length, 1);
});
