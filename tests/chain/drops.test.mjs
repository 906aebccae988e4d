// Transactions that the node forgets, or says that it has forgotten.

import { result } from "../support/faults.mjs";
import { runRows } from "./rows.mjs";
import { ask } from "./scene.mjs";

/** A sent task that stays out of the chain is looked for after this. */
const LOOK_MS = 31_000;
const LOW_FEE = { maxFeePerGas: 2_000_000_000n, maxPriorityFeePerGas: 1n };

const never =
  (...statuses) =>
  (path) =>
    statuses.every((status) => !path.includes(status));
const settles = { status: "final", path: never("failed", "blocked"), hidden: [] };

const rows = [
  {
    name: "the node drops the transaction from its pool: it is looked for, and the same bytes are sent again",
    promises: [3, 10],
    clock: true,
    async does(scene) {
      const task = await scene.submit();
      await scene.until(task, "sent");
      await scene.chain.rpc("anvil_dropTransaction", [task.txId]);
      await scene.fastForward(LOOK_MS);
      await scene.untilPooled(task, 2);
      return scene.settle(task);
    },
    comes: { ...settles, sends: 2, looksBeforeSecondSend: 1 },
  },
  {
    name: "the node loses its whole pool: everything is sent again, in the order of its nonces",
    promises: [3, 10],
    clock: true,
    async does(scene) {
      const tasks = [await scene.submit(), await scene.submit(), await scene.submit()];
      for (const task of tasks) await scene.until(task, "sent");
      await scene.chain.rpc("anvil_dropAllTransactions");
      await scene.fastForward(LOOK_MS);
      for (const task of tasks) await scene.untilPooled(task, 2);
      const order = scene.proxy
        .sends()
        .map(({ txId }) => tasks.findIndex((task) => task.txId === txId));
      await scene.mine();
      for (const task of tasks) await scene.until(task, "included");
      await scene.mine(4);
      for (const task of tasks) await scene.until(task, "final");
      return { order };
    },
    comes: { order: [0, 1, 2, 0, 1, 2] },
  },
  {
    name: "a rising base fee purges the transaction: it is sent again, blocked as underpriced, and a retry works later",
    promises: [3, 10],
    clock: true,
    async does(scene) {
      const task = await scene.submit(LOW_FEE);
      await scene.until(task, "sent");
      await scene.chain.rpc("anvil_setNextBlockBaseFeePerGas", ["0xba43b7400"]);
      await scene.mine();
      await scene.fastForward(LOOK_MS);
      await scene.until(task, "blocked");
      const { reason, isVisible } = await scene.report(task);
      await scene.chain.rpc("anvil_setNextBlockBaseFeePerGas", ["0x7"]);
      await scene.mine();
      await scene.retry(task);
      return { ...(await scene.settle(task)), reason, wasVisible: isVisible };
    },
    comes: { status: "final", reason: "underpriced", wasVisible: true, sends: 3 },
  },
  {
    name: "a transaction that waits in the pool for an hour is looked for now and then, and never sent twice",
    promises: [3, 11],
    clock: true,
    async does(scene) {
      const task = await scene.submit();
      await scene.until(task, "sent");
      for (let minute = 0; minute < 60; minute++) {
        await scene.fastForward(60_000);
        await scene.idle();
      }
      return scene.settle(task);
    },
    comes: { ...settles, sends: 1, looks: (looks) => looks >= 3 && looks <= 12 },
  },
  {
    name: "the receipt is null at three looks, as behind a load balancer: that never means dropped",
    promises: [6, 9],
    prepare: (proxy) => void proxy.fault(ask.receipt, result(null), { times: 3 }),
    async does(scene) {
      const task = await scene.submit();
      await scene.until(task, "sent");
      for (let block = 1; block <= 4; block++) {
        await scene.mine();
        await scene.untilHead(block);
      }
      await scene.until(task, "included", "final");
      return scene.settle(task);
    },
    comes: { ...settles, sends: 1, block: (block) => block.number === 1 },
  },
  {
    name: "the receipt is null for a while, and a look by hash says that it is mined: the receipt is asked for again",
    promises: [6, 10],
    clock: true,
    async does(scene) {
      const lie = scene.proxy.fault(ask.receipt, result(null));
      const task = await scene.submit();
      await scene.until(task, "sent");
      for (let block = 1; block <= 6; block++) {
        await scene.mine();
        await scene.untilHead(block);
        await scene.idle();
      }
      const { status } = await scene.report(task);
      lie.heal();
      await scene.fastForward(LOOK_MS);
      await scene.until(task, "included", "final");
      return { ...(await scene.settle(task)), before: status };
    },
    comes: { ...settles, before: "sent", sends: 1 },
  },
  {
    name: "a look by hash finds nothing although the pool has it: the same bytes are sent again, and that is no harm",
    promises: [3, 6],
    clock: true,
    async does(scene) {
      const task = await scene.submit();
      await scene.until(task, "sent");
      scene.proxy.fault(ask.look, result(null), { times: 1 });
      await scene.fastForward(LOOK_MS);
      await scene.untilAsked(ask.send, 2);
      return scene.settle(task);
    },
    comes: { ...settles, sends: 2 },
  },
];

runRows(rows);
