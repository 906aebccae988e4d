// A task is followed to finality through the chain's own changes of mind, and reads say where a value stands.

import assert from "node:assert/strict";
import {
  BLOCKS_TO_FINAL,
  createWorld,
  REGISTRY,
  REVERTER,
  registryWrite,
  test,
} from "./fixture.mjs";

test("a final value is read from the cache, without the gateway, also after a reload; a fresh profile reads it from the chain", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const plain = await world.wallet.sign({ text: "as calldata" });
  const stored = await world.wallet.sign(registryWrite("entry/1", { text: "hi" }));
  const options = world.options({ registry: REGISTRY });

  await page.evaluate(
    async ({ options, payloads }) => {
      await uplink.start(options);
      await cache.submit({ payload: payloads[0] });
      await cache.submit({ payload: payloads[1], key: "entry/1", value: { text: "hi" } });
      globalThis.settled = Promise.all(cache.tasks().map((task) => task.settled));
    },
    { options, payloads: [plain.raw, stored.raw] },
  );
  await world.untilAccepted(plain.txId);
  await world.untilAccepted(stored.txId);
  await world.mine(1);
  const included = await page.evaluate(async () => {
    const [first] = cache.tasks();
    await first.until("included");
    return { entry: cache.peek("entry/1"), task: uplink.describe(first) };
  });
  assert.equal(included.entry.source, "backup");
  const { hash, number } = await world.chain.rpc("eth_getBlockByNumber", ["0x1", false]);
  assert.deepEqual(included.task.block, { number: Number(number), hash });
  assert.equal(included.task.reverted, false);

  await world.mine(BLOCKS_TO_FINAL);
  const outcomes = await page.evaluate(() => settled);
  for (const [i, { txId }] of [plain, stored].entries()) {
    assert.equal(outcomes[i].status, "final");
    assert.equal(outcomes[i].txId, txId);
    assert.equal(outcomes[i].block.hash, hash);
  }

  world.gateway.down();
  const expected = [
    { source: "cache", status: "final", value: "as calldata", block: hash },
    { source: "cache", status: "final", value: '{"text":"hi"}', block: hash },
  ];
  const readBoth = async (txId) => {
    const entries = [await cache.read(txId), await cache.read("entry/1")];
    return entries.map(({ source, status, value, block }) => ({
      source,
      status,
      value: value instanceof Uint8Array ? new TextDecoder().decode(value) : JSON.stringify(value),
      block: block?.hash,
    }));
  };
  assert.deepEqual(await page.evaluate(readBoth, plain.txId), expected);
  await page.reload();
  await page.evaluate((options) => uplink.start(options), options);
  assert.deepEqual(await page.evaluate(readBoth, plain.txId), expected);

  world.gateway.up();
  const fresh = await (await world.openBrowser()).openPage();
  await fresh.evaluate((options) => uplink.start(options), options);
  const fromChain = await fresh.evaluate(readBoth, plain.txId);
  assert.deepEqual(
    fromChain.map(({ source, value }) => ({ source, value })),
    expected.map(({ value }) => ({ source: "chain", value })),
  );
  assert.equal(await fresh.evaluate(() => cache.read("entry/unknown")), undefined);
});

test("a reverted transaction withdraws its value at once, where watchers hear it, and fails once its block is final", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const first = await world.wallet.sign({ text: "ok" });
  const bad = await world.wallet.sign({ text: "revert me", to: REVERTER, gas: 100_000n });
  await page.evaluate(
    async ({ options, payloads }) => {
      await uplink.start(options);
      globalThis.pages = uplink.collect({ prefix: "entry/" });
      await cache.submit({ payload: payloads[0], key: "entry/a", value: "before" });
      await cache.submit({ payload: payloads[1], key: "entry/a", value: "reverted" });
      globalThis.task = await cache.task(cache.tasks()[1].id);
    },
    { options: world.options(), payloads: [first.raw, bad.raw] },
  );
  await world.untilAccepted(first.txId);
  await world.untilAccepted(bad.txId);
  assert.equal((await page.evaluate(() => cache.peek("entry/a"))).value, "reverted");
  await page.evaluate(() => pages.until(([item]) => item?.value === "reverted"));

  await world.mine(1);
  const included = await page.evaluate(async () => {
    await task.until("included");
    await pages.until(([item]) => item?.value === "before");
    return { ...uplink.describe(task), value: cache.peek("entry/a").value };
  });
  assert.equal(included.status, "included");
  assert.equal(included.reverted, true);
  assert.equal(included.value, "before", "reads show what was there before");

  await world.mine(BLOCKS_TO_FINAL);
  const settled = await page.evaluate(async () => ({
    outcome: await task.settled,
    pages,
    peek: cache.peek("entry/a"),
  }));
  assert.equal(settled.outcome.status, "failed");
  assert.equal(settled.outcome.reason, "reverted");
  assert.equal(settled.peek.value, "before");
  const values = settled.pages.map(([item]) => item?.value);
  assert.equal(values.at(-1), "before");
});

test("a reorg takes an included task back to sent with its value visible, resends the same bytes by itself, and it becomes final", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const { raw, txId } = await world.wallet.sign({ text: "hi" });
  await page.evaluate(
    async ({ options, raw }) => {
      await uplink.start(options);
      globalThis.reorgs = [];
      globalThis.statuses = [];
      globalThis.isEverMissing = false;
      const look = () => {
        if (cache.peek("entry/1")?.value !== "hi") globalThis.isEverMissing = true;
      };
      globalThis.task = await cache.submit({ payload: raw, key: "entry/1", value: "hi" });
      globalThis.pages = uplink.collect({ key: "entry/1" });
      cache.addEventListener("reorg", ({ detail }) => reorgs.push(detail));
      for (const type of ["status", "reorg", "head"]) cache.addEventListener(type, look);
      cache.addEventListener("status", () => {
        if (statuses.at(-1) !== task.status) statuses.push(task.status);
      });
    },
    { options: world.options(), raw },
  );
  await world.untilAccepted(txId);
  await world.mine(1);
  await world.mine(2);
  const before = await page.evaluate(async () => uplink.describe(await task.until("included")));
  assert.equal(before.block.number, 1);

  await world.chain.rpc("anvil_reorg", [3, []]);
  assert.equal(await world.chain.rpc("eth_getTransactionByHash", [txId]), null);
  await world.gateway.until(
    () => world.gateway.sends(txId).length >= 2,
    "the same bytes are sent again",
  );
  await page.evaluate(() => uplink.when(() => reorgs.length > 0 && task.status === "sent"));
  await world.gateway.until(
    () => world.gateway.sends(txId).filter((call) => call.reply?.result === txId).length >= 2,
    "the chain takes it again",
  );
  await world.mine(1);
  const again = await page.evaluate(async () => uplink.describe(await task.until("included")));
  assert.equal(again.block.number, 4);
  await world.mine(BLOCKS_TO_FINAL);
  const after = await page.evaluate(async () => ({
    outcome: await task.settled,
    reorgs: reorgs.length,
    statuses,
    isEverMissing,
    pages,
  }));
  assert.equal(after.outcome.status, "final");
  assert.equal(after.outcome.block.number, 4);
  assert.ok(after.reorgs >= 1);
  const order = ["included", "sent", "included", "final"];
  assert.deepEqual(after.statuses.slice(-4), order);
  assert.equal(after.isEverMissing, false);
  assert.ok(after.pages.every(([item]) => item?.value === "hi"));
  for (const call of world.gateway.sends()) assert.equal(call.params[0], raw);
});

test("a reorg that moves a transaction to another block changes the block and nothing else", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const { raw, txId } = await world.wallet.sign({ text: "hi" });
  await page.evaluate(
    async ({ options, raw }) => {
      await uplink.start(options);
      globalThis.task = await cache.submit({ payload: raw, key: "entry/1", value: "hi" });
    },
    { options: world.options(), raw },
  );
  await world.untilAccepted(txId);
  await world.mine(1);
  const first = await page.evaluate(async () => (await task.until("included")).block);
  await world.chain.rpc("anvil_reorg", [1, [[raw, 0]]]);
  const { blockHash } = await world.chain.rpc("eth_getTransactionByHash", [txId]);
  assert.notEqual(blockHash, first.hash);
  await page.evaluate((hash) => uplink.when(() => task.block?.hash === hash), blockHash);
  await world.mine(BLOCKS_TO_FINAL);
  const outcome = await page.evaluate(() => task.settled);
  assert.equal(outcome.status, "final");
  assert.equal(outcome.block.hash, blockHash);
});

test("a reorg undoes a revert: the value comes back when the transaction succeeds in its new block", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const { raw, txId } = await world.wallet.sign({ text: "hi", to: REVERTER, gas: 100_000n });
  await page.evaluate(
    async ({ options, raw }) => {
      await uplink.start(options);
      globalThis.task = await cache.submit({ payload: raw, key: "entry/1", value: "hi" });
    },
    { options: world.options(), raw },
  );
  await world.untilAccepted(txId);
  await world.mine(1);
  const reverted = await page.evaluate(async () => {
    await task.until("included");
    return { reverted: task.reverted, peek: cache.peek("entry/1") };
  });
  assert.deepEqual(reverted, { reverted: true, peek: undefined });

  await world.chain.rpc("anvil_reorg", [1, []]);
  await world.chain.rpc("anvil_setCode", [REVERTER, "0x"]);
  await page.evaluate(() =>
    uplink.whenWatched({ key: "entry/1" }, ([item]) => item?.value === "hi"),
  );
  await world.gateway.until(
    () => world.gateway.sends(txId).filter((call) => call.reply?.result === txId).length >= 2,
    "the chain takes it again",
  );
  await world.mine(1 + BLOCKS_TO_FINAL);
  const after = await page.evaluate(async () => ({
    outcome: await task.settled,
    entry: cache.peek("entry/1"),
  }));
  assert.equal(after.outcome.status, "final");
  assert.equal(after.entry?.value, "hi");
});

test("finality by a number of confirmations settles at that depth and not before", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const { raw, txId } = await world.wallet.sign({ text: "hi" });
  await page.evaluate(
    async ({ options, raw }) => {
      await uplink.start(options);
      globalThis.task = await cache.submit({ payload: raw, key: "entry/1", value: "hi" });
    },
    { options: world.options({ gateway: { finality: { confirmations: 3 } } }), raw },
  );
  await world.untilAccepted(txId);
  for (const confirmations of [1, 2]) {
    await world.mine(1);
    const status = await page.evaluate(async (confirmations) => {
      await uplink.when(() => task.confirmations === confirmations);
      return task.status;
    }, confirmations);
    assert.equal(status, "included");
  }
  await world.mine(1);
  assert.equal((await page.evaluate(() => task.settled)).status, "final");
});
