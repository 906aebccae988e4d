// A task's transaction is replaced, cancelled, or loses its nonce to another wallet; and finality itself is broken.

import assert from "node:assert/strict";
import { BLOCKS_TO_FINAL, createWorld, test } from "./fixture.mjs";

const FEE = 100_000_000_000n;

/** The same transaction for more, or another one of its nonce. */
function dearer(world, { nonce }, fields) {
  return world.wallet.sign({
    nonce,
    maxFeePerGas: 2n * FEE,
    maxPriorityFeePerGas: 1_000_000_000n,
    ...fields,
  });
}

/** A page with one sent task: `task` there. Its key is "entry/1", its value "mine". */
async function sentTask(t) {
  const world = await createWorld(t);
  const page = await world.openPage();
  const signed = await world.wallet.sign({ text: "mine" });
  await page.evaluate(
    async ({ options, payload }) => {
      await uplink.start(options);
      globalThis.task = await cache.submit({ payload, key: "entry/1", value: "mine" });
      await task.until("sent");
    },
    { options: world.options(), payload: signed.raw },
  );
  await world.untilAccepted(signed.txId);
  return { world, page, signed };
}

/** Until the chain accepts the transaction a second time. */
function untilSentAgain({ gateway }, { txId }) {
  const accepted = () => gateway.sends(txId).filter((call) => call.reply?.result);
  return gateway.until(() => accepted().length > 1, "it is sent again");
}

const describe = (page) => page.evaluate(() => uplink.describe(task));
const shown = (page) => page.evaluate(() => cache.peek("entry/1")?.value);

test("a replacement that pays more goes out at once, survives a reload, and the task is final by it", async (t) => {
  const { world, page, signed } = await sentTask(t);
  const faster = await dearer(world, signed, { text: "mine" });
  await page.evaluate((raw) => cache.replace(task.id, raw), faster.raw);
  await world.untilAccepted(faster.txId);
  assert.equal((await describe(page)).txId, faster.txId);
  assert.equal(await shown(page), "mine");
  await page.reload();
  await page.evaluate(async (options) => {
    await uplink.start(options);
    globalThis.task = cache.tasks()[0];
  }, world.options());
  assert.equal((await describe(page)).txId, faster.txId, "the newest transaction is in the log");
  await world.mine(1 + BLOCKS_TO_FINAL);
  const outcome = await page.evaluate(() => task.settled);
  assert.equal(outcome.status, "final");
  assert.equal(outcome.txId, faster.txId);
});

test("where the chain takes the first transaction all the same, the task is final by that", async (t) => {
  const { world, page, signed } = await sentTask(t);
  const faster = await dearer(world, signed, { text: "mine" });
  await world.chain.rpc("anvil_mine", ["0x1"]);
  // The replacement comes too late, and the page does not know it yet.
  const late = await page.evaluate(
    (raw) => uplink.attempt(() => cache.replace(task.id, raw)),
    faster.raw,
  );
  if (late.error) assert.equal(late.error.code, "already_sent");
  await world.mine(BLOCKS_TO_FINAL);
  const outcome = await page.evaluate(() => task.settled);
  assert.equal(outcome.status, "final");
  assert.equal(outcome.txId, signed.txId);
});

test("a sent task is cancelled by a transaction of its nonce: its value goes when that one is included", async (t) => {
  const { world, page, signed } = await sentTask(t);
  const without = await page.evaluate(() => uplink.attempt(() => cache.cancel(task.id)));
  assert.equal(without.error.code, "already_sent");
  const cancel = await dearer(world, signed, { text: "", to: world.wallet.address });
  await page.evaluate((payload) => cache.cancel(task.id, { payload }), cancel.raw);
  await world.untilAccepted(cancel.txId);
  assert.equal(await shown(page), "mine", "nothing is decided yet");
  await world.mine(1);
  const blocked = await page.evaluate(async () => {
    await uplink.when(() => task.status === "blocked");
    return { ...uplink.describe(task), replacedBy: task.replacedBy, shown: cache.peek("entry/1") };
  });
  assert.deepEqual(
    [blocked.reason, blocked.replacedBy, blocked.shown],
    ["cancelled", cancel.txId, undefined],
  );
  await world.mine(BLOCKS_TO_FINAL);
  const outcome = await page.evaluate(() => task.settled);
  assert.equal(outcome.status, "failed");
  assert.equal(outcome.reason, "cancelled");
  assert.equal(outcome.replacedBy, cancel.txId);
});

test("a rival from another wallet is found however long ago it was mined: the task fails as replaced, with its id", async (t) => {
  const { world, page, signed } = await sentTask(t);
  await page.evaluate(() => cache.close());
  const rival = await dearer(world, signed, { text: "another device" });
  await world.chain.rpc("eth_sendRawTransaction", [rival.raw]);
  await world.mine(40);
  await page.evaluate(async (options) => {
    await uplink.start(options);
    globalThis.task = cache.tasks()[0];
  }, world.options());
  const outcome = await page.evaluate(() => task.settled);
  assert.equal(outcome.status, "failed");
  assert.equal(outcome.reason, "replaced");
  assert.equal(outcome.replacedBy, rival.txId);
  assert.equal(await shown(page), undefined, "the value is withdrawn");
});

test("a rival that does just the same keeps the value: the task is final by the rival's transaction", async (t) => {
  const { world, page, signed } = await sentTask(t);
  await page.evaluate(() => cache.close());
  const same = await dearer(world, signed, { text: "mine" });
  await world.chain.rpc("eth_sendRawTransaction", [same.raw]);
  await world.mine(1 + BLOCKS_TO_FINAL);
  await page.evaluate(async (options) => {
    await uplink.start(options);
    globalThis.task = cache.tasks()[0];
  }, world.options());
  const outcome = await page.evaluate(() => task.settled);
  assert.equal(outcome.status, "final");
  assert.equal(outcome.txId, same.txId);
  assert.equal(await shown(page), "mine");
});

test("a reorg that lets the rival lose brings the task back: its own transaction is final in the end", async (t) => {
  const { world, page, signed } = await sentTask(t);
  await page.evaluate(() => cache.close());
  const rival = await dearer(world, signed, { text: "another device" });
  await world.chain.rpc("eth_sendRawTransaction", [rival.raw]);
  await world.mine(1);
  await page.evaluate(async (options) => {
    await uplink.start(options);
    globalThis.task = cache.tasks()[0];
    await uplink.when(() => task.replacedBy !== undefined);
  }, world.options());
  assert.equal(await shown(page), undefined);
  await world.chain.rpc("anvil_reorg", [1, []]);
  await untilSentAgain(world, signed);
  await page.evaluate(() => uplink.when(() => task.status === "sent"));
  assert.equal(await shown(page), "mine");
  await world.mine(1 + BLOCKS_TO_FINAL);
  const outcome = await page.evaluate(() => task.settled);
  assert.deepEqual([outcome.status, outcome.txId], ["final", signed.txId]);
});

test("what no gateway would take as a replacement, or is somebody else's, is refused before it is sent", async (t) => {
  const { world, page, signed } = await sentTask(t);
  const nonce = signed.nonce;
  const { createWallet } = await import("../support/wallet.mjs");
  const stranger = createWallet({ index: 3 });
  const cases = {
    "another nonce": await dearer(world, { nonce: nonce + 1 }, { text: "mine" }),
    "a lower fee": await world.wallet.sign({ nonce, text: "mine", maxFeePerGas: FEE / 2n }),
    "a lower priority fee": await world.wallet.sign({
      nonce,
      text: "mine",
      maxFeePerGas: 2n * FEE,
    }),
    "another effect": await dearer(world, signed, { text: "not mine" }),
    "another sender": await stranger.sign({
      nonce,
      text: "mine",
      maxFeePerGas: 2n * FEE,
      maxPriorityFeePerGas: 1_000_000_000n,
    }),
    "another chain": await dearer(world, signed, { text: "mine", chainId: 1 }),
  };
  const before = world.gateway.sends().length;
  for (const [name, { raw, txId }] of Object.entries(cases)) {
    const { error } = await page.evaluate(
      (raw) => uplink.attempt(() => cache.replace(task.id, raw)),
      raw,
    );
    const expected = name === "another chain" ? "wrong_chain" : "invalid_input";
    assert.equal(error?.code, expected, name);
    assert.equal(world.gateway.sends(txId).length, 0, name);
  }
  const { error } = await page.evaluate(() => uplink.attempt(() => cache.replace(task.id, "0x02")));
  assert.equal(error.code, "invalid_input");
  const gone = await page.evaluate(
    (raw) => uplink.attempt(() => cache.replace("0".repeat(32), raw)),
    signed.raw,
  );
  assert.equal(gone.error.code, "not_found");
  assert.equal(world.gateway.sends().length, before);
  assert.equal((await describe(page)).status, "sent");
});

test("a reorg past finality is told, and what was final is sent again", async (t) => {
  const { world, page, signed } = await sentTask(t);
  await world.mine(1 + BLOCKS_TO_FINAL);
  await page.evaluate(async () => {
    globalThis.reorgs = [];
    cache.addEventListener("reorg", ({ detail }) => reorgs.push(detail));
    await task.settled;
  });
  await world.chain.rpc("anvil_reorg", [1 + BLOCKS_TO_FINAL, []]);
  // Something must wait for the chain to be looked at.
  const other = await world.wallet.sign({ text: "other", nonce: 1 });
  await page.evaluate((payload) => cache.submit({ payload }), other.raw);
  await untilSentAgain(world, signed);
  const seen = await page.evaluate(async () => {
    await uplink.when(() => task.status === "sent");
    return { reorgs, value: cache.peek("entry/1")?.value };
  });
  assert.equal(seen.value, "mine");
  assert.ok(
    seen.reorgs.some(({ pastFinal }) => pastFinal),
    JSON.stringify(seen.reorgs),
  );
  await world.untilAccepted(other.txId);
  await world.mine(1 + BLOCKS_TO_FINAL);
  await page.evaluate(() => uplink.when(() => task.status === "final"));
});
