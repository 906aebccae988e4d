// Little room: settled values go, oldest use first; what is not settled stays, and whoever finds no room is told.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createWorld, test } from "./fixture.mjs";

const TASKS = 48;
const VALUE_BYTES = 12_000;
/** Garbage from which on the log is cleaned. */
const CLEAN_AT_BYTES = 256 * 1024;
const HOUR_MS = 60 * 60 * 1_000;

const keyOf = (i) => `entry/${String(i).padStart(3, "0")}`;
/** Random, because Chromium counts what a value takes after compression. */
const randomText = (length) => randomBytes(length / 2).toString("hex");

test("over its budget the cache evicts what was not used for longest, and reads fall through", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  await settle(world, page);
  const all = await page.evaluate(() => cache.stats().values.bytes);
  const moved = await page.evaluate(() => cache.list({ prefix: "entry/", limit: 1_000 }));
  assert.equal(moved.items.length, TASKS);
  await page.reload();
  await page.evaluate(age, 2 * HOUR_MS);
  await page.evaluate((options) => uplink.start(options), world.options());
  await page.evaluate((key) => cache.read(key), keyOf(0));
  await page.waitForFunction(isFresh, { key: keyOf(0), ageMs: HOUR_MS });

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
  const world = await createWorld(t);
  const page = await world.openPage();
  await settle(world, page);
  const quota = await limitQuota(world, page, 30_000);
  const [signed] = await world.wallet.signMany(1);
  const seen = await page.evaluate(
    async ({ payload, value }) => {
      const before = cache.stats().values.bytes;
      const task = await cache.submit({ payload, key: "new", value });
      return { before, after: cache.stats().values.bytes, key: task.key };
    },
    { payload: signed.raw, value: randomText(60_000) },
  );
  assert.equal(seen.key, "new");
  assert.ok(seen.after < seen.before, `${seen.before} became ${seen.after}`);
  await quota.lift();
  await world.mineToFinal(signed.txId);
  await page.evaluate(() => cache.task(cache.tasks().at(-1).id).until("settled"));
});

test("where nothing can be evicted a submission fails, and what was there before is sent and settles", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await world.openPage();
  const [first, second, third] = await world.wallet.signMany(3);
  await page.evaluate((options) => uplink.start(options), world.options());
  const submit = (signed, key, value) =>
    page.evaluate(
      async (options) => {
        const { error } = await uplink.attempt(() => cache.submit(options));
        return error && { code: error.code, retryable: error.retryable };
      },
      { payload: signed.raw, key, value },
    );
  assert.equal(await submit(first, "first", randomText(100_000)), undefined);
  const quota = await limitQuota(world, page, 150_000);
  const refused = await submit(second, "second", randomText(400_000));
  assert.deepEqual(refused, { code: "quota_exceeded", retryable: true });
  const kept = await page.evaluate(async () => {
    const { value } = await cache.read("first");
    return { keys: cache.tasks().map((task) => task.key), length: value.length };
  });
  assert.deepEqual(kept, { keys: ["first"], length: 100_000 });

  world.gateway.up();
  await world.mineToFinal(first.txId);
  await page.evaluate(() => cache.tasks()[0].until("settled"));

  await quota.lift();
  assert.equal(await submit(second, "second", randomText(400_000)), undefined);
  assert.equal(await submit(third, "third", "small"), undefined);
  await world.mineToFinal(second.txId, third.txId);
  await page.evaluate(() => Promise.all(cache.tasks().map((task) => task.until("settled"))));
});

/** Opens the cache and submits tasks until their values are in the `values` store. */
async function settle(world, page) {
  const signed = await world.wallet.signMany(TASKS);
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
        value: randomText(VALUE_BYTES),
      })),
    },
  );
  await world.mineToFinal(...signed.map(({ txId }) => txId));
  await page.waitForFunction((limit) => {
    const { tasks, log, values } = cache.stats();
    const open = tasks["backed-up"] + tasks.sent + tasks.included;
    return open === 0 && log.bytes <= limit && values.bytes > 0;
  }, CLEAN_AT_BYTES);
}

/** Leaves the origin so many bytes besides what it uses. */
async function limitQuota(world, page, spareBytes) {
  const devTools = await page.context().newCDPSession(page);
  const origin = world.site.url;
  const usage = await page.evaluate(async () => (await navigator.storage.estimate()).usage);
  const quotaSize = usage + spareBytes;
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

/** In the page: whether the last recorded use of the key is younger than so. */
async function isFresh({ key, ageMs }) {
  const { name } = (await indexedDB.databases())[0];
  const database = await uplink.done(indexedDB.open(name));
  const uses = database.transaction("uses").objectStore("uses");
  const row = await uplink.done(uses.get(new TextEncoder().encode(key)));
  database.close();
  return row.u > Date.now() - ageMs;
}
