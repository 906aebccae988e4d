// The chain changes its mind: how deep, where to, and who is away meanwhile.

import { REVERTER } from "../e2e/fixture.mjs";
import { createWallet } from "../support/wallet.mjs";
import { runRows } from "./rows.mjs";

/** A contract that takes one call, and reverts every further one. */
const FIRST_COME = "0x0000000000000000000000000000000000005e93";
const FIRST_COME_CODE = "0x600054600c576001600055005b60006000fd";

const DEPTHS = [1, 2, 16, 64];

/** Deeper than any reorg here, so that depth and finality do not meet. */
const LATE = { finality: { confirmations: 100 } };
const TO_LATE = 100;

/** The task is in a block that is `depth` blocks deep, and the cache knows that. */
async function buried(scene, depth, fields) {
  const task = await scene.submit(fields);
  await scene.include(task);
  if (depth > 1) await scene.mine(depth - 1);
  await scene.untilHead(await scene.height());
  return task;
}

/** After a reorg took it back: its bytes are with the chain again, and nothing was lost of sight. */
async function sentAgain(scene, task) {
  await scene.untilReorg();
  await scene.untilPooled(task, 2);
  await scene.until(task, "sent");
  const { isVisible } = await scene.report(task);
  const after = await scene.settle(task, { depth: TO_LATE });
  return { ...after, wasVisible: isVisible };
}

const there_and_back = ["included", "sent", "included", "final"];
const comesBack = {
  status: "final",
  sends: 2,
  path: (path) => path.slice(-4).join() === there_and_back.join(),
  hidden: [],
  wasVisible: true,
};

const dropped = DEPTHS.map((depth) => ({
  name: `a reorg ${depth} deep drops the transaction: the same bytes are sent again, and it becomes final`,
  promises: [3, 7],
  gateway: LATE,
  async does(scene) {
    const task = await buried(scene, depth);
    const before = (await scene.report(task)).block;
    await scene.chain.rpc("anvil_reorg", [depth, []]);
    const after = await sentAgain(scene, task);
    return { ...after, isInAnotherBlock: after.block.hash !== before.hash };
  },
  comes: {
    ...comesBack,
    isInAnotherBlock: true,
    reorgs: ([reorg]) => reorg.from === 1,
  },
}));

const moved = DEPTHS.map((depth) => ({
  name: `a reorg ${depth} deep moves the transaction to another block: it becomes final there, and is not sent again`,
  promises: [3, 7],
  gateway: LATE,
  async does(scene) {
    const task = await buried(scene, depth);
    const before = (await scene.report(task)).block;
    await scene.chain.rpc("anvil_reorg", [depth, [[task.raw, depth - 1]]]);
    await scene.untilReorg();
    const { blockHash } = await scene.chain.rpc("eth_getTransactionByHash", [task.txId]);
    await scene.untilBlock(task, blockHash);
    await scene.mine(TO_LATE);
    await scene.until(task, "final");
    const after = await scene.report(task);
    return {
      ...after,
      isMoved: blockHash !== before.hash && after.block.hash === blockHash,
    };
  },
  comes: { status: "final", isMoved: true, hidden: [], path: (path) => !path.includes("failed") },
}));

const others = [
  {
    name: "a rollback takes the transaction's block off the chain: it is sent again with the next block",
    promises: [3, 7],
    gateway: LATE,
    async does(scene) {
      const task = await buried(scene, 2);
      await scene.chain.rpc("anvil_rollback", [2]);
      await scene.mine(1);
      return sentAgain(scene, task);
    },
    comes: comesBack,
  },
  {
    name: "two reorgs, one after the other: the transaction comes back from both",
    promises: [3, 7],
    gateway: LATE,
    async does(scene) {
      const task = await buried(scene, 2);
      await scene.chain.rpc("anvil_reorg", [2, []]);
      await scene.untilPooled(task, 2);
      await scene.until(task, "sent");
      await scene.include(task);
      await scene.chain.rpc("anvil_reorg", [3, []]);
      await scene.untilPooled(task, 3);
      await scene.until(task, "sent");
      return scene.settle(task, { depth: TO_LATE });
    },
    comes: { status: "final", sends: 3, hidden: [] },
  },
  {
    name: "a reorg drops three transactions of one account: all are sent again, in the order of their nonces",
    promises: [3, 7],
    gateway: LATE,
    async does(scene) {
      const tasks = [await scene.submit(), await scene.submit(), await scene.submit()];
      for (const task of tasks) await scene.until(task, "sent");
      await scene.mine();
      for (const task of tasks) await scene.until(task, "included");
      await scene.chain.rpc("anvil_reorg", [1, []]);
      for (const task of tasks) await scene.untilPooled(task, 2);
      const order = scene.proxy
        .sends()
        .map(({ txId }) => tasks.findIndex((task) => task.txId === txId));
      for (const task of tasks) await scene.until(task, "sent");
      await scene.mine();
      for (const task of tasks) await scene.until(task, "included");
      await scene.mine(TO_LATE);
      for (const task of tasks) await scene.until(task, "final");
      return { order };
    },
    comes: { order: [0, 1, 2, 0, 1, 2] },
  },
  {
    name: "a reorg while no page is open: the next one finds out, sends the same bytes again, and it becomes final",
    promises: [1, 3, 7],
    gateway: LATE,
    async does(scene) {
      const task = await buried(scene, 3);
      await scene.closePage();
      await scene.chain.rpc("anvil_reorg", [3, []]);
      await scene.reopenPage();
      await scene.untilPooled(task, 2);
      await scene.until(task, "sent");
      const { isVisible } = await scene.report(task);
      return { ...(await scene.settle(task, { depth: TO_LATE })), wasVisible: isVisible };
    },
    comes: { status: "final", sends: 2, wasVisible: true },
  },
  {
    name: "a reorg while no page is open, and more blocks than are remembered: the next page finds out all the same",
    promises: [1, 3, 7],
    gateway: { finality: { confirmations: 400 } },
    async does(scene) {
      const task = await buried(scene, 3);
      await scene.closePage();
      await scene.chain.rpc("anvil_reorg", [3, []]);
      await scene.mine(300);
      await scene.reopenPage();
      await scene.untilPooled(task, 2);
      await scene.until(task, "sent");
      return scene.settle(task, { depth: 400 });
    },
    comes: { status: "final", sends: 2 },
  },
  {
    name: "a reorg turns success into a revert: the value is withdrawn, and the task fails once that is final",
    promises: [5, 7],
    gateway: LATE,
    prepare: (_, chain) => chain.rpc("anvil_setCode", [FIRST_COME, FIRST_COME_CODE]),
    async does(scene) {
      const call = { to: FIRST_COME, gas: 100_000n };
      const task = await buried(scene, 1, call);
      const before = await scene.report(task);
      const first = await createWallet({ index: 1 }).sign(call);
      const block = [first.raw, task.raw].map((raw) => [raw, 0]);
      await scene.chain.rpc("anvil_reorg", [1, block]);
      await scene.untilReverted(task);
      const between = await scene.report(task);
      await scene.mine(TO_LATE);
      await scene.until(task, "failed");
      const after = await scene.report(task);
      return {
        states: [before, between, after].map(({ status, reverted }) => [status, reverted]),
        isVisible: [before, between, after].map(({ isVisible }) => isVisible),
        reason: after.reason,
      };
    },
    comes: {
      states: [
        ["included", false],
        ["included", true],
        ["failed", true],
      ],
      isVisible: [true, false, false],
      reason: "reverted",
    },
  },
  {
    name: "a reorg undoes a revert: the value comes back",
    promises: [7],
    gateway: LATE,
    async does(scene) {
      const task = await buried(scene, 1, { to: REVERTER, gas: 100_000n });
      const { reverted, isVisible } = await scene.report(task);
      await scene.chain.rpc("anvil_reorg", [1, []]);
      await scene.chain.rpc("anvil_setCode", [REVERTER, "0x"]);
      await scene.untilPooled(task, 2);
      await scene.until(task, "sent");
      return {
        before: [reverted, isVisible],
        ...(await scene.settle(task, { depth: TO_LATE })),
      };
    },
    comes: { before: [true, false], status: "final", isVisible: true },
  },
  {
    name: "a reorg of blocks without our transactions changes nothing, and is told",
    promises: [7],
    gateway: LATE,
    async does(scene) {
      const task = await buried(scene, 5);
      await scene.chain.rpc("anvil_reorg", [3, []]);
      await scene.untilReorg();
      await scene.mine(TO_LATE);
      await scene.until(task, "final");
      return scene.report(task);
    },
    comes: {
      status: "final",
      sends: 1,
      path: (path) => path.join() === "backed-up,sent,included,final",
    },
  },
];

runRows([...dropped, ...moved, ...others]);
