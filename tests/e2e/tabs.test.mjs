// All tabs of an origin share one backup and have one sender.

import assert from "node:assert/strict";
import { dropRequest } from "../support/faults.mjs";
import { isSend } from "../support/gateway.mjs";
import { createWorld, test } from "./fixture.mjs";

async function openTabs(world, count) {
  const pages = [];
  for (let i = 0; i < count; i++) {
    const page = await world.openPage();
    await page.evaluate((options) => uplink.start(options), world.options());
    pages.push(page);
  }
  return pages;
}

const leaders = async (pages) => {
  const flags = await Promise.all(pages.map((page) => page.evaluate(() => cache.stats().leader)));
  return pages.filter((_, i) => flags[i] === true);
};

/** Where one waits until another opens it. */
function createGate() {
  const gate = {};
  gate.reached = new Promise((resolve) => {
    gate.reach = resolve;
  });
  gate.opened = new Promise((resolve) => {
    gate.open = resolve;
  });
  return gate;
}

test("a write in one tab is seen in the other from the backup, and is sent once, whichever tab leads", async (t) => {
  const world = await createWorld(t);
  const pages = await openTabs(world, 2);
  const signed = await world.wallet.signMany(2);
  for (const [i, { raw, txId }] of signed.entries()) {
    const [writer, reader] = i === 0 ? pages : pages.toReversed();
    const key = `entry/${i}`;
    const watched = reader.evaluate(
      (key) => uplink.whenWatched({ key }, (items) => items.length > 0),
      key,
    );
    const id = await writer.evaluate(
      async ({ key, raw }) => (await cache.submit({ payload: raw, key, value: { key } })).id,
      { key, raw },
    );
    const [item] = await watched;
    assert.deepEqual(item.value, { key });
    assert.equal(item.source, "backup");
    assert.equal(item.txId, txId);
    assert.equal(item.taskId, id);
    const other = await reader.evaluate((id) => uplink.describe(cache.task(id)), id);
    assert.equal(other.txId, txId);
  }
  await world.mineToFinal(...signed.map(({ txId }) => txId));
  for (const page of pages) {
    const outcomes = await page.evaluate(() =>
      Promise.all(cache.tasks().map((task) => task.settled)),
    );
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ["final", "final"],
    );
  }
  for (const { txId } of signed) assert.equal(world.gateway.sends(txId).length, 1);
});

test("writes from two tabs at once are all in both, and each is sent once", async (t) => {
  const world = await createWorld(t);
  const pages = await openTabs(world, 2);
  const signed = await world.wallet.signMany(60);
  await Promise.all(
    pages.map((page, tab) =>
      page.evaluate(
        (mine) =>
          Promise.all(
            mine.map(({ raw, nonce }) =>
              cache.submit({ payload: raw, key: `entry/${nonce}`, value: nonce }),
            ),
          ),
        signed.filter(({ nonce }) => nonce % 2 === tab),
      ),
    ),
  );
  for (const page of pages) {
    const items = await page.evaluate(() =>
      uplink.whenWatched({ prefix: "entry/", limit: 100 }, (items) => items.length === 60),
    );
    assert.ok(items.every(({ key, value }) => key === `entry/${value}`));
  }
  await world.mineToFinal(...signed.map(({ txId }) => txId));
  for (const page of pages) {
    const outcomes = await page.evaluate(() =>
      Promise.all(cache.tasks().map((task) => task.settled)),
    );
    assert.ok(outcomes.every(({ status }) => status === "final"));
  }
  for (const { txId } of signed) assert.equal(world.gateway.sends(txId).length, 1);
});

test("exactly one tab leads, and closing it hands over to another that sends what is left, once", async (t) => {
  const world = await createWorld(t);
  const pages = await openTabs(world, 3);
  await Promise.any(
    pages.map((page) => page.evaluate(() => uplink.when(() => cache.stats().leader))),
  );
  const [first, ...others] = await leaders(pages);
  assert.equal(others.length, 0);

  const followers = pages.filter((page) => page !== first);
  const signed = await world.wallet.signMany(2);
  // The gateway holds the first send back, so that the leader dies with it in flight and the second unsent.
  const hold = world.gateway.hold("request", (call) => call.txId === signed[0].txId);
  await followers[0].evaluate(
    (payloads) =>
      Promise.all(
        payloads.map((payload, i) => cache.submit({ payload, key: `entry/${i}`, value: i })),
      ),
    signed.map(({ raw }) => raw),
  );
  await hold.whenHeld();
  await first.close();
  hold.release();
  await Promise.any(
    followers.map((page) => page.evaluate(() => uplink.when(() => cache.stats().leader))),
  );
  assert.equal((await leaders(followers)).length, 1);

  await world.mineToFinal(...signed.map(({ txId }) => txId));
  for (const page of followers) {
    const outcomes = await page.evaluate(() =>
      Promise.all(cache.tasks().map((task) => task.settled)),
    );
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ["final", "final"],
    );
  }
  assert.equal(world.gateway.sends(signed[1].txId).length, 1);
  for (const call of world.gateway.sends(signed[0].txId))
    assert.equal(call.params[0], signed[0].raw);
});

test("a tab that hears at once that its submission is backed up, and that it was discarded, gets the task all the same", async (t) => {
  const gates = { before: createGate(), after: createGate() };
  const hold = async (_request, response, { file }) => {
    gates[file].reach();
    await gates[file].opened;
    response.end();
  };
  const world = await createWorld(t, { gatewayIsUp: false, routes: { "/gate/": hold } });
  const [slow, other] = await openTabs(world, 2);
  const [below, own] = await world.wallet.signMany(2);
  const submitted = slow.evaluate(async (payload) => {
    const standStillAt = (gate) => {
      const request = new XMLHttpRequest();
      request.open("GET", `/gate/${gate}`, false);
      request.send();
    };
    standStillAt("before");
    const submitted = cache.submit({ payload, key: "own", value: 1 });
    // The commit is on its way after a few turns of the microtask queue, and no event is heard meanwhile.
    for (let turn = 0; turn < 1_000; turn += 1) await undefined;
    standStillAt("after");
    const task = await submitted;
    return { key: task.key, outcome: await task.settled };
  }, own.raw);
  await gates.before.reached;
  // The slow tab has to load this one before it can take in its own.
  await other.evaluate((payload) => cache.submit({ payload, key: "below", value: 0 }), below.raw);
  gates.before.open();
  await gates.after.reached;
  await other.evaluate(async () => {
    let entry;
    while (entry === undefined) {
      entry = await cache.read("own", { latest: true }).catch(() => undefined);
    }
    await cache.cancel(entry.taskId);
    await cache.discard(entry.taskId);
  });
  gates.after.open();
  assert.deepEqual(await submitted, {
    key: "own",
    outcome: {
      status: "failed",
      txId: own.txId,
      reason: "cancelled",
      cause: "cancelled before it was sent",
    },
  });
});

test("caches of other names and other accounts see nothing of each other", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await world.openPage();
  const { raw } = await world.wallet.sign({ text: "mine" });
  const others = [
    world.options({ name: "other" }),
    world.options({ account: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8" }),
  ];
  const seen = await page.evaluate(
    async ({ options, others, raw }) => {
      await uplink.start(options);
      await cache.submit({ payload: raw, key: "entry/1", value: "mine" });
      const found = [];
      for (const each of others) {
        const other = await uplink.open(each);
        found.push({ tasks: other.tasks().length, items: (await other.list({})).items.length });
        await other.destroy();
      }
      return { found, kept: cache.peek("entry/1").value };
    },
    { options: world.options(), others, raw },
  );
  assert.deepEqual(seen, {
    found: [
      { tasks: 0, items: 0 },
      { tasks: 0, items: 0 },
    ],
    kept: "mine",
  });
});

test("flush() in a tab that does not lead tries at once, whatever the one that leads waits for", async (t) => {
  const world = await createWorld(t);
  // Its longer timers never ring, as if it waited for an hour: it does not try again by itself.
  const leader = await world.openPage({
    initScript: `{
      const own = globalThis.setTimeout;
      globalThis.setTimeout = (ring, ms, ...all) => own(ring, ms >= 50 ? 3_600_000 : ms, ...all);
    }`,
  });
  await leader.evaluate((options) => uplink.start(options), world.options());
  const [follower] = await openTabs(world, 1);
  const lost = world.gateway.fault((call) => isSend(call.method), dropRequest);
  const { raw, txId } = await world.wallet.sign({ text: "hi" });
  await follower.evaluate(async (raw) => {
    await cache.submit({ payload: raw, key: "entry/1", value: "hi" });
  }, raw);
  await leader.waitForFunction(() => cache.stats().gateways[0].failures > 0);
  lost.heal();
  assert.equal(await leader.evaluate(() => cache.peek("entry/1").status), "backed-up");
  await follower.evaluate(() => cache.flush());
  assert.equal((await world.chain.rpc("eth_getTransactionByHash", [txId])).hash, txId);
});
