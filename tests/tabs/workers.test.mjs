// Dedicated and shared workers open the same cache as pages do, by the same import, and take their part: they back up, read,
// lead, and take over from pages, as pages do from them.

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { createWorld, test } from "../e2e/fixture.mjs";

const KINDS = ["dedicated", "shared"];
const ROUTES = { "/tabs/": fileURLToPath(new URL("page", import.meta.url)) };

const createTabsWorld = (t, options) => createWorld(t, { routes: ROUTES, ...options });

/** A worker of the page's: `evaluate` is `page.evaluate` in it. Pages of a world share their shared worker. */
async function hire(page, kind) {
  await page.addScriptTag({ url: "/tabs/hire.js", type: "module" });
  await page.evaluate((kind) => hire(kind), kind);
  return {
    evaluate: (run, argument) =>
      page.evaluate(({ kind, source, argument }) => workers[kind].evaluate(source, argument), {
        kind,
        source: String(run),
        argument,
      }),
    terminate: () => page.evaluate((kind) => workers[kind].terminate(), kind),
  };
}

const start = (place, world) => place.evaluate((options) => uplink.start(options), world.options());
const untilLeads = (place) => place.evaluate(() => uplink.when(() => cache.stats().leader));
const leads = (place) => place.evaluate(() => cache.stats().leader);

const keyOf = ({ txId }) => `entry/${txId}`;

function submit(place, signed) {
  return place.evaluate(
    async ({ raw, key }) => (await cache.submit({ payload: raw, key, value: { key } })).id,
    { raw: signed.raw, key: keyOf(signed) },
  );
}

/** Resolves with the entry of the transaction, once this place sees it. */
function untilSeen(place, signed) {
  return place.evaluate(async (key) => {
    const [item] = await uplink.whenWatched({ key }, (items) => items.length > 0);
    return item;
  }, keyOf(signed));
}

const untilSettled = (place) =>
  place.evaluate(async () => {
    const outcomes = await Promise.all(cache.tasks().map((task) => task.settled));
    return outcomes.map(({ status }) => status);
  });

for (const kind of KINDS) {
  test(`a ${kind} worker opens the page's cache: what either backs up the other reads, and both see it settle`, async (t) => {
    const world = await createTabsWorld(t);
    const page = await world.openPage();
    const worker = await hire(page, kind);
    await Promise.all([start(page, world), start(worker, world)]);
    const signed = await world.wallet.signMany(2);
    for (const [writer, reader, transaction] of [
      [page, worker, signed[0]],
      [worker, page, signed[1]],
    ]) {
      const seen = untilSeen(reader, transaction);
      const id = await submit(writer, transaction);
      const { value, source, taskId } = await seen;
      assert.deepEqual(value, { key: keyOf(transaction) });
      assert.equal(source, "backup");
      assert.equal(taskId, id);
    }
    await world.mineToFinal(...signed.map(({ txId }) => txId));
    for (const place of [page, worker]) {
      assert.deepEqual(await untilSettled(place), ["final", "final"]);
      const entry = await place.evaluate((key) => cache.read(key), keyOf(signed[0]));
      assert.equal(entry.status, "final");
    }
    for (const { txId } of signed) assert.equal(world.gateway.sends(txId).length, 1);
  });

  test(`a ${kind} worker takes over from a page that is closed, and sends what it left`, async (t) => {
    const world = await createTabsWorld(t, { gatewayIsUp: false });
    const first = await world.openPage();
    await start(first, world);
    await untilLeads(first);
    const second = await world.openPage();
    const worker = await hire(second, kind);
    await start(worker, world);
    const signed = await world.wallet.sign({ text: "left" });
    await submit(first, signed);
    assert.equal(await leads(worker), false);

    world.gateway.up();
    await Promise.all([untilLeads(worker), first.close()]);
    await world.mineToFinal(signed.txId);
    assert.deepEqual(await untilSettled(worker), ["final"]);
  });

  test(`a ${kind} worker leads, and a page takes over when it ends`, async (t) => {
    const world = await createTabsWorld(t, { gatewayIsUp: false });
    const first = await world.openPage();
    const worker = await hire(first, kind);
    await start(worker, world);
    await untilLeads(worker);
    const second = await world.openPage();
    await start(second, world);
    const signed = await world.wallet.sign({ text: "left" });
    await submit(worker, signed);
    assert.equal(await leads(second), false);

    world.gateway.up();
    // A shared worker ends with the last page that has it.
    const end = kind === "shared" ? first.close() : worker.terminate();
    await Promise.all([untilLeads(second), end]);
    await world.mineToFinal(signed.txId);
    assert.deepEqual(await untilSettled(second), ["final"]);
  });
}

test("a shared worker that leads goes on while any page has it, and answers all of them", async (t) => {
  const world = await createTabsWorld(t);
  const first = await world.openPage();
  const worker = await hire(first, "shared");
  await start(worker, world);
  await untilLeads(worker);
  const second = await world.openPage();
  const same = await hire(second, "shared");
  assert.equal(await leads(same), true);
  await first.close();

  const signed = await world.wallet.sign({ text: "hi" });
  await submit(same, signed);
  await world.mineToFinal(signed.txId);
  assert.deepEqual(await untilSettled(same), ["final"]);
  assert.equal(await leads(same), true);
  assert.equal(world.gateway.sends(signed.txId).length, 1);
});
