// Little room: settled values go, oldest use first; what is not settled stays, and whoever finds no room is told.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createWorld, test } from "./fixture.mjs";

const TASKS = 48;
const VALUE_BYTES = 12_000;
/** Opening a database takes some room too. */
const SPARE_BYTES = 150_000;
/** More than that, and less than what values of 80,000 bytes leave at once. */
const LARGE_BYTES = 300_000;
const HOUR_MS = 60 * 60 * 1_000;

const keyOf = (i) => `entry/${String(i).padStart(3, "0")}`;
/** Random, because Chromium counts what a value takes after compression. */
const randomText = (length) => randomBytes(length / 2).toString("hex");

test("over its budget the cache evicts what was not used for longest, and reads fall through", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  await settle(world, page, Array(TASKS).fill(VALUE_BYTES));
  await untilMoved(page);
  await page.waitForFunction(() => cache.stats().values.bytes > 0);
  const all = await page.evaluate(() => cache.stats().values.bytes);
  const moved = await page.evaluate(() => cache.list({ prefix: "entry/", limit: 1_000 }));
  assert.equal(moved.items.length, TASKS);
  await page.reload();
  await page.evaluate(age, 2 * HOUR_MS);
  await page.evaluate((options) => uplink.start(options), world.options());
  await page.evaluate((key) => cache.read(key), keyOf(0));
  await page.evaluate(untilFresh, { key: keyOf(0), ageMs: HOUR_MS });

  const cacheBytes = Math.floor(all / 2);
  await page.reload();
  await page.evaluate((options) => uplink.start(options), world.options({ cacheBytes }));
  await page.waitForFunction((most) => {
    const { bytes } = cache.stats().values;
    return bytes > 0 && bytes <= most;
  }, cacheBytes);
  const seen = await page.evaluate(
    async (keys) => {
      const entries = [];
      for (const key of keys) entries.push((await cache.read(key))?.status);
      const { items } = await cache.list({ prefix: "entry/", limit: 1_000 });
      return { entries, listed: items.length, bytes: cache.stats().values.bytes };
    },
    [keyOf(0), keyOf(1), keyOf(2)],
  );
  assert.deepEqual(seen.entries, ["final", undefined, undefined], "what was read stays");
  assert.ok(seen.bytes > cacheBytes - 2 * VALUE_BYTES, `${seen.bytes}: no more than needed went`);
  assert.ok(seen.listed > 1 && seen.listed < TASKS, `${seen.listed} are left`);
});

test("where only settled values fill the disk a submission makes room for itself", async (t) => {
  // Chromium keeps values from 64 KiB on in files of their own: their room is there again at once.
  const sizes = [...Array(30).fill(VALUE_BYTES), ...Array(8).fill(80_000)];
  const { world, page, signed, usage } = await reopen(t, sizes, { isMoved: true });
  const quota = await limitQuota(world, page, usage + SPARE_BYTES);
  await page.evaluate((options) => uplink.start(options), world.options());
  const value = randomText(LARGE_BYTES);
  const key = await page.evaluate(async (task) => (await cache.submit(task)).key, {
    payload: signed.raw,
    key: "new",
    value,
  });
  assert.equal(key, "new");
  const found = await page.evaluate(
    async (keys) => {
      const entries = await Promise.all(keys.map((key) => cache.read(key, { source: "cache" })));
      return entries.filter((entry) => entry !== undefined).length;
    },
    sizes.map((_, i) => keyOf(i)),
  );
  assert.ok(found < sizes.length, `${found} are left`);
  await quota.lift();
  await world.mineToFinal(signed.txId);
  const read = await page.evaluate(async () => {
    const task = cache.tasks().find((each) => each.key === "new");
    await task.settled;
    return (await cache.read("new")).value;
  });
  assert.equal(read, value);
});

test("settled values that did not leave the log yet give way too", async (t) => {
  const sizes = Array(8).fill(80_000);
  const { world, page, signed, usage } = await reopen(t, sizes);
  const quota = await limitQuota(world, page, usage + SPARE_BYTES);
  await page.evaluate(async (options) => {
    await uplink.start(options);
    await uplink.when(() => cache.stats().leader);
  }, world.options());
  const seen = await page.evaluate(
    async (task) => {
      const before = cache.tasks({ status: "final" }).length;
      await cache.submit(task);
      return { before, after: cache.tasks({ status: "final" }).length };
    },
    { payload: signed.raw, key: "new", value: randomText(LARGE_BYTES) },
  );
  assert.deepEqual(seen, { before: sizes.length, after: 0 });
  await quota.lift();
  await world.mineToFinal(signed.txId);
  await page.evaluate(() => cache.tasks().find((task) => task.key === "new").settled);
});

test("where nothing can be evicted a submission fails, and what was there before is sent and settles", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await world.openPage();
  const [first, second, third] = await world.wallet.signMany(3);
  // Chromium's files hold what is written up to ten times before it compacts them: room for that is left.
  const quota = await limitQuota(world, page, 800_000);
  await page.evaluate((options) => uplink.start(options), world.options());
  const submit = (signed, key, value) =>
    page.evaluate(
      async (options) => {
        const { error } = await uplink.attempt(() => cache.submit(options));
        return error && { code: error.code, retryable: error.retryable };
      },
      { payload: signed.raw, key, value },
    );
  assert.equal(await submit(first, "first", randomText(20_000)), undefined);
  const refused = await submit(second, "second", randomText(1_000_000));
  assert.deepEqual(refused, { code: "quota_exceeded", retryable: true });
  const kept = await page.evaluate(async () => {
    const { value } = await cache.read("first");
    return { keys: cache.tasks().map((task) => task.key), length: value.length };
  });
  assert.deepEqual(kept, { keys: ["first"], length: 20_000 });

  // Chromium may have begun to write what it refuses, and counts that until it cleans its files: then not even a status fits.
  await limitQuota(world, page, 8_000_000);
  world.gateway.up();
  await world.mineToFinal(first.txId);
  await page.evaluate(() => cache.tasks()[0].until("settled"));

  await quota.lift();
  assert.equal(await submit(second, "second", randomText(1_000_000)), undefined);
  assert.equal(await submit(third, "third", "small"), undefined);
  await world.mineToFinal(second.txId, third.txId);
  await page.evaluate(() => Promise.all(cache.tasks().map((task) => task.until("settled"))));
});

/** Opens the cache and submits tasks with values of these sizes, until they are final. */
async function settle(world, page, sizes) {
  const signed = await world.wallet.signMany(sizes.length);
  await page.evaluate(
    async ({ options, tasks }) => {
      await uplink.start(options);
      await Promise.all(tasks.map((task) => cache.submit(task)));
    },
    {
      options: world.options(),
      tasks: signed.map(({ raw }, i) => ({
        payload: raw,
        key: keyOf(i),
        value: randomText(sizes[i]),
      })),
    },
  );
  await world.mineToFinal(...signed.map(({ txId }) => txId));
  await page.waitForFunction(() => {
    const { tasks } = cache.stats();
    return tasks["backed-up"] + tasks.sent + tasks.included === 0;
  });
}

/** Until all that is final left the log. */
function untilMoved(page) {
  return page.waitForFunction(() => cache.stats().tasks.final === 0);
}

/** Another visit, after one that settled values of these sizes: the cache is not open yet. */
async function reopen(t, sizes, { isMoved = false } = {}) {
  const world = await createWorld(t);
  const profile = await world.newProfile();
  const browser = await world.openBrowser({ profile });
  const page = await browser.openPage();
  await settle(world, page, sizes);
  if (isMoved) await untilMoved(page);
  // In order: else the next visit would begin with 5 MB, for Chromium's sake.
  await page.evaluate(() => cache.close());
  await browser.close();
  const usage = await usageAfterStart(world, profile);
  const [signed] = await world.wallet.signMany(1);
  const again = await world.openBrowser({ profile });
  return { world, page: await again.openPage(), signed, usage };
}

/** What the database takes once Chromium was started and cleaned its files: what it counted before may be twice that. */
async function usageAfterStart(world, profile) {
  const browser = await world.openBrowser({ profile });
  const page = await browser.openPage();
  await page.evaluate(async () => {
    const [{ name }] = await indexedDB.databases();
    (await uplink.done(indexedDB.open(name))).close();
  });
  const devTools = await page.context().newCDPSession(page);
  const { usage } = await devTools.send("Storage.getUsageAndQuota", { origin: world.site.url });
  await browser.close();
  return usage;
}

/** Before the cache is opened: Chromium remembers for a while how much room a database had. */
async function limitQuota(world, page, quotaSize) {
  const devTools = await page.context().newCDPSession(page);
  const origin = world.site.url;
  await devTools.send("Storage.overrideQuotaForOrigin", { origin, quotaSize });
  return { lift: () => devTools.send("Storage.overrideQuotaForOrigin", { origin }) };
}

/** In the page, while the cache is closed: all recorded uses are so much older. */
async function age(ageMs) {
  const { name } = (await indexedDB.databases())[0];
  const database = await uplink.done(indexedDB.open(name));
  const uses = database.transaction("uses", "readwrite").objectStore("uses");
  for (const key of await uplink.done(uses.getAllKeys())) {
    const row = await uplink.done(uses.get(key));
    if ("u" in row) await uplink.done(uses.put({ ...row, u: row.u - ageMs }, key));
  }
  database.close();
}

/** In the page: until the last recorded use of the key is younger than so. What is recorded in the background has no event. */
async function untilFresh({ key, ageMs }) {
  const { name } = (await indexedDB.databases())[0];
  const database = await uplink.done(indexedDB.open(name));
  for (;;) {
    const uses = database.transaction("uses").objectStore("uses");
    const row = await uplink.done(uses.get(new TextEncoder().encode(key)));
    if (row.u > Date.now() - ageMs) break;
    await new Promise(requestAnimationFrame);
  }
  database.close();
}
