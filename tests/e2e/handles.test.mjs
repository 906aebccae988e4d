// What a task's handle says crosses the boundary packed, in an order that two languages must agree on: here is every property with
// what the chain and the test know, in the tab that was told and in one that looked.

import assert from "node:assert/strict";
import { BLOCKS_TO_FINAL, createWorld, REVERTER, test } from "./fixture.mjs";

const FEE = 100_000_000_000n;
/** Characters of one, two, three and four bytes: JavaScript counts them otherwise than Rust. */
const KEY = "entry/é/漢/🎈";

test("every property of a task is what was submitted and what the chain says, told or looked up", async (t) => {
  const world = await createWorld(t);
  const [page, other] = [await world.openPage(), await world.openPage()];
  for (const each of [page, other]) await each.evaluate(openWithSigner, world.options());
  const before = Date.now();
  const mine = await world.wallet.sign({ text: "mine" });
  const bad = await world.wallet.sign({ text: "x", to: REVERTER, gas: 100_000n });
  const ids = await page.evaluate(submitThree, { key: KEY, payloads: [mine.raw, bad.raw] });
  const after = Date.now();
  await world.untilAccepted(bad.txId);
  const cancel = await world.wallet.sign({
    nonce: mine.nonce,
    text: "",
    to: world.wallet.address,
    maxFeePerGas: 2n * FEE,
    maxPriorityFeePerGas: 1_000_000_000n,
  });
  await page.evaluate(([id, payload]) => cache.cancel(id, { payload }), [ids[0], cancel.raw]);
  await world.untilAccepted(cancel.txId);
  await world.mine(1);
  const { hash } = await world.chain.rpc("eth_getBlockByNumber", ["0x1", false]);
  const bytes = (raw) => raw.length / 2 - 1;
  const common = {
    reason: undefined,
    cause: undefined,
    replacedBy: undefined,
    block: { number: 1, hash },
    reverted: false,
    signer: undefined,
    update: undefined,
    lane: world.wallet.address.toLowerCase(),
    after: [],
    confirmations: 1,
  };
  const cancelled = {
    ...common,
    id: ids[0],
    txId: mine.txId,
    key: KEY,
    status: "blocked",
    reason: "cancelled",
    replacedBy: cancel.txId,
    nonce: mine.nonce,
    size: bytes(cancel.raw) + 1,
  };
  const reverted = {
    ...common,
    id: ids[1],
    txId: bad.txId,
    key: bad.txId,
    status: "included",
    reverted: true,
    nonce: bad.nonce,
    size: bytes(bad.raw),
  };
  const draft = {
    ...common,
    id: ids[2],
    txId: undefined,
    key: "draft",
    status: "backed-up",
    block: undefined,
    nonce: undefined,
    signer: "post",
    update: "add",
    lane: "own lane",
    after: [ids[0]],
    size: 1,
    confirmations: undefined,
  };
  const seen = await compare([page, other], ids, [cancelled, reverted, draft], [before, after]);

  await world.mine(BLOCKS_TO_FINAL);
  const final = { status: "failed", block: undefined, confirmations: undefined };
  const failed = [
    { ...cancelled, ...final, cause: "a transaction of the same nonce cancelled it" },
    { ...reverted, ...final, reason: "reverted", cause: "the transaction was reverted" },
    {
      ...draft,
      status: "blocked",
      reason: "dependency_failed",
      cause: `task ${ids[0]} failed: cancelled`,
      after: [],
    },
  ];
  seen.push(...(await compare([page, other], ids, failed, [before, after])));
  const names = await page.evaluate(namesOfProperties, ids[0]);
  for (const name of names) {
    const isGiven = seen.some((task) => ![undefined, false, 0, ""].includes(task[name]));
    assert.ok(isGiven, `no task of this test has ${name}`);
  }
});

/** What each tab's handles say, once it says so of the status and the head. */
async function compare(pages, ids, expected, [before, after]) {
  const seen = [];
  for (const [tab, page] of pages.entries()) {
    const wanted = expected.map(({ status, confirmations }) => ({ status, confirmations }));
    const tasks = await page.evaluate(describeOnce, { ids, wanted });
    for (const [i, { createdAt, attempts, ...task }] of tasks.entries()) {
      assert.deepEqual(task, expected[i], `task ${i} in tab ${tab}`);
      assert.ok(createdAt >= before && createdAt <= after, `created at ${createdAt}`);
      // The leader counts what it began to send, until it is settled.
      const isSent = tab === 0 && task.signer === undefined && task.status !== "failed";
      assert.ok(isSent ? attempts >= 1 : attempts === 0, `${attempts} attempts in tab ${tab}`);
      seen.push({ ...task, createdAt, attempts });
    }
  }
  return seen;
}

// In the page.

async function openWithSigner({ gateway, ...options }) {
  const { evm, openCache } = uplink;
  const signers = { post: { sign: () => new Promise(() => {}) } };
  const updates = { add: (previous, argument) => (previous ?? 0) + argument };
  globalThis.cache = await openCache({ ...options, gateway: evm(gateway), signers, updates });
}

async function submitThree({ key, payloads }) {
  const first = await cache.submit({ payload: payloads[0], key, value: 1 });
  const second = await cache.submit({ payload: payloads[1] });
  const more = { update: "add", lane: "own lane", after: [first.id] };
  const third = await cache.submit({ sign: "post", key: "draft", value: 2, ...more });
  return [first.id, second.id, third.id];
}

function describeOnce({ ids, wanted }) {
  const handles = ids.map((id) => cache.task(id));
  const names = Object.entries(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(handles[0])));
  const properties = names.filter(([name, { get }]) => get && name !== "settled");
  return uplink.when(() => {
    const tasks = ids.map((id) => cache.task(id));
    const isThere = wanted.every(
      ({ status, confirmations }, i) =>
        tasks[i]?.status === status && tasks[i].confirmations === confirmations,
    );
    if (!isThere) return undefined;
    return tasks.map((task) => Object.fromEntries(properties.map(([name]) => [name, task[name]])));
  });
}

function namesOfProperties(id) {
  const prototype = Object.getPrototypeOf(cache.task(id));
  const all = Object.entries(Object.getOwnPropertyDescriptors(prototype));
  return all.flatMap(([name, { get }]) => (get && name !== "settled" ? [name] : []));
}
