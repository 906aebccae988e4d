// The log does not grow for ever: what is settled moves out of it, and nothing is lost on the way.

import assert from "node:assert/strict";
import { createWorld, test } from "./fixture.mjs";

const TASKS = 48;
const VALUE_BYTES = 12_000;
/** Garbage from which on the log is cleaned. */
const CLEAN_AT_BYTES = 256 * 1024;

test("settled values move out of the log into the values store, and reads do not notice", async (t) => {
  const world = await createWorld(t);
  const profile = await world.newProfile();
  const browser = await world.openBrowser({ profile });
  const page = await browser.openPage();
  const signed = await world.wallet.signMany(TASKS);
  const before = await page.evaluate(
    async ({ options, payloads, length }) => {
      await uplink.start(options);
      const submitted = payloads.map((payload, i) => {
        const value = String.fromCharCode(97 + (i % 26)).repeat(length);
        // The last one is large enough for the blobs store.
        const large = i === payloads.length - 1 ? value.repeat(4) : value;
        return cache.submit({ payload, key: `entry/${String(i).padStart(3, "0")}`, value: large });
      });
      await Promise.all(submitted);
      await cache.flush();
      return cache.stats().log.bytes;
    },
    { options: world.options(), payloads: signed.map(({ raw }) => raw), length: VALUE_BYTES },
  );
  assert.ok(before > 2 * CLEAN_AT_BYTES, `${before} bytes are more than what is cleaned at`);
  await world.mineToFinal(...signed.map(({ txId }) => txId));
  const after = await page.evaluate(async (limit) => {
    await uplink.whenWatched({ prefix: "entry/" }, () => {
      const { tasks, log } = cache.stats();
      return tasks["backed-up"] + tasks.sent + tasks.included === 0 && log.bytes <= limit;
    });
    return { stats: cache.stats(), seen: await readAll() };

    async function readAll() {
      const { items } = await cache.list({ prefix: "entry/", limit: 1_000 });
      return items.map(({ key, value, source, status, txId }) => ({
        key,
        size: value.length,
        first: value[0],
        source,
        status,
        txId,
      }));
    }
  }, CLEAN_AT_BYTES);
  const expected = signed.map(({ txId }, i) => ({
    key: `entry/${String(i).padStart(3, "0")}`,
    size: i === TASKS - 1 ? 4 * VALUE_BYTES : VALUE_BYTES,
    first: String.fromCharCode(97 + (i % 26)),
    source: "cache",
    status: "final",
    txId,
  }));
  assert.deepEqual(after.seen, expected);
  assert.ok(after.stats.tasks.final < TASKS, "some left the backup");
  await browser.close();

  world.gateway.down();
  const again = await world.openBrowser({ profile });
  const reopened = await again.openPage();
  const found = await reopened.evaluate(
    async ({ options, keys }) => {
      await uplink.start(options);
      const entries = [];
      for (const key of keys) {
        const { value, source, status, txId } = await cache.read(key);
        entries.push({ key, size: value.length, first: value[0], source, status, txId });
      }
      const peeked = cache.peek(keys[0]);
      const { items, cursor } = await cache.list({ prefix: "entry/", reverse: true, limit: 5 });
      return { entries, peeked: peeked?.source, last: items.map(({ key }) => key), cursor };
    },
    { options: world.options(), keys: expected.map(({ key }) => key) },
  );
  assert.deepEqual(found.entries, expected);
  assert.equal(found.peeked, "cache", "what was read once is at hand");
  const backwards = expected.map(({ key }) => key).reverse();
  assert.deepEqual(found.last, backwards.slice(0, 5));
  assert.equal(typeof found.cursor, "string", "others follow");
});

test("cleaning keeps what is not settled and what failed, and a tab that was behind catches up", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const browser = await world.openBrowser();
  const [page, other] = [await browser.openPage(), await browser.openPage()];
  const [cancelled, ...signed] = await world.wallet.signMany(TASKS + 1);
  await page.evaluate((options) => uplink.start(options), world.options());
  await other.evaluate((options) => uplink.start(options), world.options());
  const cancelledId = await page.evaluate(async (payload) => {
    const task = await cache.submit({ payload, key: "cancelled", value: "no" });
    await cache.cancel(task.id);
    return task.id;
  }, cancelled.raw);
  world.gateway.up();
  await page.evaluate(
    async ({ payloads, length }) => {
      const submitted = payloads.map((payload, i) =>
        cache.submit({ payload, key: `entry/${i}`, value: "x".repeat(length) }),
      );
      await Promise.all(submitted);
    },
    { payloads: signed.map(({ raw }) => raw), length: VALUE_BYTES },
  );
  // The cancelled one's nonce must be used for the others to be mined: it goes past the cache.
  await world.chain.rpc("eth_sendRawTransaction", [cancelled.raw]);
  await world.mineToFinal(...signed.map(({ txId }) => txId));
  for (const tab of [page, other]) {
    const seen = await tab.evaluate(
      async ({ limit, id }) => {
        await uplink.whenWatched({ prefix: "entry/" }, () => {
          const { tasks, log } = cache.stats();
          return tasks["backed-up"] + tasks.sent + tasks.included === 0 && log.bytes <= limit;
        });
        const { items } = await cache.list({ prefix: "entry/", limit: 1_000 });
        return {
          statuses: [...new Set(items.map(({ status }) => status))],
          count: items.length,
          kept: cache.task(id)?.status,
        };
      },
      { limit: CLEAN_AT_BYTES, id: cancelledId },
    );
    assert.deepEqual([seen.statuses, seen.count], [["final"], TASKS]);
    assert.equal(seen.kept, "failed", "a failed task stays until it is discarded");
  }
});
