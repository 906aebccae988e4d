// What `metrics()` counts is what happened; its quantiles are those of what was measured; the page's timeline gets what it may hold.

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import fc from "fast-check";
import { createWorld, REVERTER, test } from "./fixture.mjs";

const HISTOGRAM = fileURLToPath(new URL("../../js/histogram.ts", import.meta.url));
const RELATIVE_ERROR = 2 ** (1 / 16) - 1;
const ABSOLUTE_ERROR_MS = 0.1;
const MOST_MS = 0.05 * 2 ** 35;
const NAMES = ["uplink:backup", "uplink:send", "uplink:inclusion", "uplink:finality"];

test("the figures are what happened: three tasks settle, one fails, one is blocked, one call is refused; a reload starts anew", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  await page.evaluate((options) => uplink.start(options), world.options({ userTiming: true }));
  const good = await world.wallet.signMany(3);
  const bad = await world.wallet.sign({ text: "x", to: REVERTER, gas: 100_000n });
  const poor = await world.wallet.sign({ text: "poor", value: 10n ** 24n });
  const raws = [...good, bad, poor].map(({ raw }) => raw);
  const ids = await page.evaluate(submitAll, raws);
  const refusal = await page.evaluate(
    (payload) => uplink.attempt(() => cache.submit({ payload, key: "k", value: "another" })),
    good[0].raw,
  );
  assert.equal(refusal.error.code, "conflict");
  await page.evaluate((id) => uplink.when(() => cache.task(id).status === "blocked"), ids.at(-1));
  await world.mineToFinal(...[...good, bad].map(({ txId }) => txId));
  await page.evaluate(untilSettled, ids.slice(0, 4));

  const seen = await page.evaluate(() => cache.metrics());
  const { sinceMs, gateways, backupMs, sentMs, includedMs, finalMs, attempts, ...counts } = seen;
  assert.deepEqual(counts, {
    submitted: 6,
    backedUp: 5,
    sent: 4,
    included: 4,
    final: 3,
    failed: { reverted: 1 },
    blocked: { insufficient_funds: 1 },
    reorgs: 0,
    errors: { conflict: 1 },
    commitFailures: {},
  });
  assert.ok(attempts >= 5, `${attempts} attempts of 5 tasks`);
  for (const [times, count] of [
    [backupMs, 5],
    [sentMs, 4],
    [includedMs, 4],
    [finalMs, 3],
  ]) {
    const { p50, p90, p99, max } = times;
    assert.equal(times.count, count);
    const isInOrder = 0 < p50 && p50 <= p90 && p90 <= p99 && p99 <= max && max <= sinceMs;
    assert.ok(isInOrder, JSON.stringify([times, sinceMs]));
  }
  assert.ok(backupMs.max <= sentMs.max && sentMs.max <= includedMs.max);
  assert.deepEqual(
    gateways.map(({ url, state, failures }) => ({ url, state, failures })),
    [{ url: `${world.gateway.url}/`, state: "up", failures: 0 }],
  );
  await checkTimeline(page, { backupMs, sentMs, includedMs, finalMs }, ids, good[0].txId);

  await page.reload();
  await page.evaluate((options) => uplink.start(options), world.options());
  const anew = await page.evaluate(() => cache.metrics());
  const { submitted, backedUp, sent, included, final, failed, blocked } = anew;
  assert.deepEqual([submitted, backedUp, sent, included, final], [0, 0, 0, 0, 0]);
  assert.deepEqual([failed, anew.errors], [{}, {}]);
  // What waited for the chain's word is told again, as this tab leads anew.
  assert.ok((blocked.insufficient_funds ?? 0) <= 1 && anew.sinceMs < sinceMs);
  assert.deepEqual(anew.sentMs, { count: 0, p50: 0, p90: 0, p99: 0, max: 0 });
});

test("what another tab submitted counts from its createdAt, and never below 0, also where this clock is behind", async (t) => {
  const world = await createWorld(t);
  const [page, other] = [await world.openPage(), await world.openPage()];
  await page.evaluate((options) => uplink.start(options), world.options());
  await other.evaluate(
    (options) => {
      const now = Date.now;
      Date.now = () => now() - 3_600_000;
      return uplink.start(options);
    },
    world.options({ userTiming: true }),
  );
  const { raw, txId } = await world.wallet.sign({ text: "theirs" });
  const [id] = await page.evaluate(submitAll, [raw]);
  await world.mineToFinal(txId);
  for (const each of [page, other]) await each.evaluate(untilSettled, [id]);
  const metrics = await other.evaluate(() => cache.metrics());
  assert.deepEqual([metrics.submitted, metrics.backedUp, metrics.attempts], [0, 0, 0]);
  assert.deepEqual([metrics.sent, metrics.included, metrics.final], [1, 1, 1]);
  for (const { count, p50, max } of [metrics.sentMs, metrics.includedMs, metrics.finalMs]) {
    assert.equal(count, 1);
    assert.ok(p50 >= 0 && max >= p50 && max <= metrics.sinceMs, `${p50} to ${max} ms`);
  }
  const entries = await other.evaluate(() => performance.getEntriesByType("measure").length);
  assert.equal(entries, 0, "it did not begin on this page's timeline");
});

test("without the option the timeline gets nothing, with it 1,000 entries of a name at the most", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await world.openPage();
  const raws = (await world.wallet.signMany(1_001)).map(({ raw }) => raw);
  const count = () => performance.getEntriesByName("uplink:backup").length;
  await page.evaluate((options) => uplink.start(options), world.options());
  await page.evaluate(submitAll, raws.slice(0, 1));
  assert.equal(await page.evaluate(count), 0);
  await page.evaluate(() => cache.close());
  await page.evaluate((options) => uplink.start(options), world.options({ userTiming: true }));
  await page.evaluate(submitAll, raws.slice(0, 1_000));
  assert.equal(await page.evaluate(count), 1_000);
  await page.evaluate(submitAll, raws.slice(1_000));
  assert.equal(await page.evaluate(count), 1);
  const wrong = await page.evaluate(
    (options) => uplink.attempt(() => uplink.open(options)),
    world.options({ userTiming: "yes" }),
  );
  assert.equal(wrong.error.code, "invalid_input");
});

test("quantiles are within 4.5 % of what was measured, however much it was", async () => {
  const { Histogram } = await importHistogram();
  const ms = fc.oneof(
    fc.double({ min: 0, max: 10, noNaN: true }),
    fc.double({ min: 0, max: 100_000, noNaN: true }),
    fc.double({ min: 0, max: MOST_MS, noNaN: true }),
  );
  fc.assert(
    fc.property(fc.array(ms, { minLength: 1, maxLength: 300 }), (durations) => {
      const histogram = new Histogram();
      for (const each of durations) histogram.add(each);
      const sorted = durations.toSorted((a, b) => a - b);
      const exact = (share) => sorted[Math.ceil(share * sorted.length) - 1];
      const { count, p50, p90, p99, max } = histogram.quantiles();
      assert.deepEqual([count, max], [durations.length, sorted.at(-1)]);
      for (const [given, share] of [
        [p50, 0.5],
        [p90, 0.9],
        [p99, 0.99],
      ]) {
        const most = exact(share) * RELATIVE_ERROR * (1 + 1e-9) + ABSOLUTE_ERROR_MS;
        assert.ok(Math.abs(given - exact(share)) <= most, `${given} for ${exact(share)}`);
      }
    }),
    { numRuns: 500 },
  );
  const odd = new Histogram();
  for (const each of [-5, 0, MOST_MS * 1_000, Number.POSITIVE_INFINITY]) odd.add(each);
  const { count, max, p50 } = odd.quantiles();
  assert.ok(count === 4 && max === MOST_MS && p50 >= 0 && p50 <= 0.2, `${p50}, ${max}`);
});

/** Each name has an entry for each task that came so far, as long as `metrics` says. */
async function checkTimeline(page, times, ids, firstTxId) {
  const entries = await page.evaluate(() =>
    performance
      .getEntriesByType("measure")
      .map(({ name, startTime, duration, detail }) => ({ name, startTime, duration, detail })),
  );
  const longest = [times.backupMs, times.sentMs, times.includedMs, times.finalMs];
  for (const [i, name] of NAMES.entries()) {
    const named = entries.filter((entry) => entry.name === name);
    assert.equal(named.length, longest[i].count, name);
    assert.ok(Math.abs(Math.max(...named.map(({ duration }) => duration)) - longest[i].max) < 0.01);
    for (const { detail, startTime } of named) {
      assert.ok(ids.includes(detail.id) && startTime > 0, name);
    }
  }
  const { detail } = entries.find(({ name, detail: { id } }) => name === NAMES[3] && id === ids[0]);
  assert.deepEqual(detail, { id: ids[0], key: firstTxId, txId: firstTxId });
  assert.equal(entries.length, 16, "and there are no others");
}

/** Runs in the page. */
async function submitAll(raws) {
  const tasks = await Promise.all(raws.map((payload) => cache.submit({ payload })));
  return tasks.map(({ id }) => id);
}

/** Runs in the page: the cache's own events tell it, not only the handles. */
function untilSettled(ids) {
  const isSettled = (id) => ["final", "failed"].includes(cache.task(id)?.status ?? "backed-up");
  return uplink.when(() => ids.every(isSettled));
}

async function importHistogram() {
  const { outputFiles } = await build({ entryPoints: [HISTOGRAM], format: "esm", write: false });
  const text = Buffer.from(outputFiles[0].contents).toString("base64");
  return import(`data:text/javascript;base64,${text}`);
}
