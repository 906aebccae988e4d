// Nothing is lost, sent twice or called failed while the network, the gateway or the gateway's answers are bad.

import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { isSend, method } from "../support/gateway.mjs";
import { createWorld, test } from "./fixture.mjs";

test("a task submitted offline survives a reload and is sent exactly once when the network is back", async (t) => {
  const world = await createWorld(t);
  const browser = await world.openBrowser();
  // The service worker keeps the page itself loadable offline, as a dapp's would.
  const page = await browser.openPage({ path: "/?offline" });
  await page.evaluate(() => navigator.serviceWorker.ready);
  const { raw, txId } = await world.wallet.sign({ text: "written offline" });

  await browser.context.setOffline(true);
  await page.evaluate(
    async ({ options, raw }) => {
      await uplink.start(options);
      await cache.submit({ payload: raw, key: "entry/1", value: "written offline" });
    },
    { options: world.options(), raw },
  );
  await page.reload();
  const reloaded = await page.evaluate(async (options) => {
    await uplink.start(options);
    const { value, source, status } = cache.peek("entry/1");
    return { value, source, status, online: navigator.onLine };
  }, world.options());
  assert.deepEqual(reloaded, {
    value: "written offline",
    source: "backup",
    status: "backed-up",
    online: false,
  });
  assert.equal(world.gateway.sends().length, 0);

  await browser.context.setOffline(false);
  await world.mineToFinal(txId);
  const outcome = await page.evaluate(() => cache.tasks()[0].settled);
  assert.equal(outcome.status, "final");
  assert.equal(outcome.txId, txId);
  assert.deepEqual(
    world.gateway.sends().map((call) => call.txId),
    [txId],
  );
});

test("with the gateway down at the start and for 10 seconds nothing is lost, and everything settles after", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await world.openPage();
  const signed = await world.wallet.signMany(5);
  const keys = signed.map((_, i) => `entry/${i}`);
  await page.evaluate(
    async ({ options, keys, payloads }) => {
      await uplink.start(options);
      await Promise.all(
        keys.map((key, i) => cache.submit({ payload: payloads[i], key, value: i })),
      );
    },
    { options: world.options(), keys, payloads: signed.map(({ raw }) => raw) },
  );

  // The outage itself: this is how long it lasts, not a wait for something to happen.
  await delay(10_000);
  const during = await page.evaluate(async (keys) => {
    const entries = await Promise.all(keys.map((key) => cache.read(key)));
    const unknown = await uplink.attempt(() => cache.read("entry/unknown"));
    return {
      statuses: cache.tasks().map((task) => task.status),
      values: entries.map((entry) => entry.value),
      unknown,
    };
  }, keys);
  assert.deepEqual(
    during.statuses,
    keys.map(() => "backed-up"),
  );
  assert.deepEqual(
    during.values,
    keys.map((_, i) => i),
  );
  assert.equal(world.gateway.log.length, 0);
  assert.ok(world.gateway.refused() >= 2, "it went on trying");
  assert.ok(
    world.gateway.refused() <= 100,
    `it backed off, but tried ${world.gateway.refused()} times`,
  );

  world.gateway.up();
  await world.mineToFinal(...signed.map(({ txId }) => txId));
  const outcomes = await page.evaluate(() =>
    Promise.all(cache.tasks().map((task) => task.settled)),
  );
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    keys.map(() => "final"),
  );
});

test("a send whose reply is lost is never failed, goes out as the same bytes only, and settles", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const { raw, txId } = await world.wallet.sign({ text: "reply lost" });
  const heal = world.gateway.dropReplies((call) => isSend(call.method));
  await page.evaluate(
    async ({ options, raw }) => {
      await uplink.start(options);
      globalThis.statuses = [];
      cache.addEventListener("status", () => statuses.push(cache.tasks()[0]?.status));
      await cache.submit({ payload: raw, key: "entry/1", value: "hi" });
    },
    { options: world.options(), raw },
  );
  await world.untilAccepted(txId);
  heal();
  await page.evaluate(() => cache.tasks()[0].until("sent"));
  await world.mine(10);
  const outcome = await page.evaluate(() => cache.tasks()[0].settled);
  assert.equal(outcome.status, "final");
  const statuses = await page.evaluate(() => statuses);
  assert.ok(!statuses.includes("failed"), `${statuses}`);
  for (const call of world.gateway.sends()) assert.equal(call.params[0], raw);
});

test("a send that the gateway holds back longer than the timeout is unknown, and settles", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const { raw, txId } = await world.wallet.sign({ text: "slow" });
  const hold = world.gateway.hold("request", (call) => isSend(call.method));
  await page.evaluate(
    async ({ options, raw }) => {
      await uplink.start(options);
      await cache.submit({ payload: raw, key: "entry/1", value: "hi" });
    },
    { options: world.options({ gateway: { timeoutMs: 300 } }), raw },
  );
  await hold.whenHeld();
  // Attempts end by the timeout alone, as no reply comes.
  await world.gateway.until(() => hold.held.length >= 2, "it is sent again");
  assert.equal(await page.evaluate(() => cache.peek("entry/1").status), "backed-up");
  hold.release();
  await world.mineToFinal(txId);
  assert.equal((await page.evaluate(() => cache.tasks()[0].settled)).status, "final");
  for (const call of world.gateway.sends()) assert.equal(call.params[0], raw);
});

test("the chain id is asked before the first send, and on another chain the task is blocked and nothing sent until retried", async (t) => {
  const world = await createWorld(t, { anvilChainId: 5 });
  const page = await world.openPage();
  const { raw, txId } = await world.wallet.sign({ text: "hi" });
  const blocked = await page.evaluate(
    async ({ options, raw }) => {
      await uplink.start(options);
      await cache.submit({ payload: raw, key: "entry/1", value: "hi" });
      await cache.flush();
      await uplink.when(() => cache.tasks()[0].status === "blocked");
      return { task: uplink.describe(cache.tasks()[0]), entry: cache.peek("entry/1") };
    },
    { options: world.options(), raw },
  );
  assert.equal(blocked.task.reason, "wrong_chain");
  assert.equal(blocked.entry.value, "hi");
  assert.equal(blocked.entry.status, "blocked");
  assert.equal(world.gateway.sends().length, 0);
  assert.ok(world.gateway.log.some(method("eth_chainId")));

  await world.chain.rpc("anvil_setChainId", [31337]);
  await page.evaluate(() => cache.retry(cache.tasks()[0].id));
  await world.mineToFinal(txId);
  assert.equal((await page.evaluate(() => cache.tasks()[0].settled)).status, "final");
  assert.equal(world.gateway.sends(txId).length, 1);
});

test("an account without funds blocks the task with its cause, and a retry works once it is funded", async (t) => {
  const world = await createWorld(t);
  await world.chain.rpc("anvil_setBalance", [world.wallet.address, "0x0"]);
  const page = await world.openPage();
  const { raw, txId } = await world.wallet.sign({ text: "hi" });
  const task = await page.evaluate(
    async ({ options, raw }) => {
      await uplink.start(options);
      await cache.submit({ payload: raw, key: "entry/1", value: "hi" });
      await uplink.when(() => cache.tasks()[0].status === "blocked");
      return uplink.describe(cache.tasks()[0]);
    },
    { options: world.options(), raw },
  );
  assert.equal(task.reason, "insufficient_funds");
  assert.match(task.cause, /insufficient funds/i);

  await world.chain.rpc("anvil_setBalance", [world.wallet.address, "0xde0b6b3a7640000"]);
  await page.evaluate(() => cache.retry(cache.tasks()[0].id));
  await world.mineToFinal(txId);
  assert.equal((await page.evaluate(() => cache.tasks()[0].settled)).status, "final");
});

test("a transaction that the gateway refuses for good fails with its cause, and its value is withdrawn", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const { raw } = await world.wallet.sign({ text: "too little gas", gas: 20_000n });
  const seen = await page.evaluate(
    async ({ options, raw }) => {
      await uplink.start(options);
      const task = await cache.submit({ payload: raw, key: "entry/1", value: "hi" });
      const outcome = await task.settled;
      const included = await uplink.attempt(() => task.until("included"));
      const settled = await task.until("settled");
      return {
        outcome,
        cause: String(outcome.cause?.message ?? outcome.cause),
        code: included.error?.code,
        isSame: settled.id === task.id,
        peek: cache.peek("entry/1"),
        kept: cache.tasks({ status: "failed" }).length,
      };
    },
    { options: world.options(), raw },
  );
  assert.equal(seen.outcome.status, "failed");
  assert.equal(seen.outcome.reason, "rejected");
  assert.match(seen.cause, /gas/);
  assert.equal(seen.code, "failed");
  assert.equal(seen.isSame, true);
  assert.equal(seen.peek, undefined);
  assert.equal(seen.kept, 1, "a failed task stays until the app discards it");
});

test("concurrent reads of one key share one request to the gateway", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const { txId, raw, data } = await world.wallet.sign({ text: "on chain" });
  await world.chain.rpc("eth_sendRawTransaction", [raw]);
  await world.mine();
  await page.evaluate((options) => uplink.start(options), world.options());
  const entries = await page.evaluate(
    (txId) =>
      Promise.all(
        Array.from({ length: 20 }, async () => {
          const { value, source } = await cache.read(txId);
          return { value: uplink.hexOf(value), source };
        }),
      ),
    txId,
  );
  assert.deepEqual(entries, Array(20).fill({ value: data, source: "chain" }));
  const asked = world.gateway.log.filter((call) => call.params?.[0] === txId);
  assert.ok(asked.length <= 2, `asked by hash ${asked.length} times`);
});
