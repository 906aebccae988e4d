// What a real node says to `eth_sendRawTransaction`, case by case of the table of replies.

import { createWallet } from "../support/wallet.mjs";
import { runRows } from "./rows.mjs";
import { ask } from "./scene.mjs";

const PLENTY = "0x8ac7230489e80000";
const LOW_FEE = { maxFeePerGas: 2_000_000_000n, maxPriorityFeePerGas: 1n };

/** Another device of the same account: it sends without the cache. */
async function elsewhere(scene, fields) {
  const signed = await scene.wallet.sign({ text: "from another device", ...fields });
  await scene.chain.rpc("eth_sendRawTransaction", [signed.raw]);
  return signed;
}

/** What a task that is blocked says, how a person heals it, and what comes of the retry. */
async function blockedThenHealed(scene, task, heal) {
  await scene.until(task, "blocked");
  const blocked = await scene.report(task);
  await heal();
  await scene.retry(task);
  const after = await scene.settle(task);
  return { ...after, reason: blocked.reason, cause: blocked.cause, wasVisible: blocked.isVisible };
}

const rows = [
  {
    name: "a transaction that the pool has already is success",
    promises: [3],
    async does(scene) {
      const signed = await elsewhere(scene);
      return scene.settle(await scene.submit(signed));
    },
    comes: { status: "final", sends: 1, path: (path) => !path.includes("blocked") },
  },
  {
    name: "a transaction that a block has already is success",
    promises: [3, 6],
    async does(scene) {
      const signed = await elsewhere(scene);
      await scene.mine();
      const task = await scene.submit(signed);
      await scene.until(task, "included");
      return scene.settle(task);
    },
    comes: { status: "final", path: (path) => !path.includes("blocked") },
  },
  {
    name: "a transaction that is final already is success",
    promises: [3, 6],
    async does(scene) {
      const signed = await elsewhere(scene);
      await scene.mine(20);
      const task = await scene.submit(signed);
      await scene.until(task, "final");
      return scene.report(task);
    },
    comes: { status: "final", block: (block) => block.number === 1 },
  },
  {
    name: "a nonce gap is queued by the node, and lands once the gap is filled",
    promises: [10],
    async does(scene) {
      const task = await scene.submit({ nonce: 1 });
      await scene.until(task, "sent");
      await scene.mine(2);
      await scene.untilHead(2);
      const { status } = await scene.report(task);
      await elsewhere(scene, { nonce: 0 });
      return { waited: status, ...(await scene.settle(task)) };
    },
    comes: { waited: "sent", status: "final", sends: 1 },
  },
  {
    name: "tasks of one account go out in the order of their nonces, whatever the order of submission",
    promises: [10],
    async does(scene) {
      const hold = scene.proxy.hold("request", ask.chainId);
      const tasks = [];
      for (const nonce of [3, 1, 0, 2]) tasks.push(await scene.submit({ nonce }));
      hold.release();
      for (const task of tasks) await scene.untilPooled(task);
      const order = scene.proxy
        .sends()
        .map((call) => tasks.find((task) => task.raw === call.params[0]).nonce);
      await scene.mine();
      await scene.mine(4);
      for (const task of tasks) await scene.until(task, "final");
      return { order };
    },
    comes: { order: [0, 1, 2, 3] },
  },
  {
    name: "a weak replacement blocks the task as underpriced, and a retry works once the other is gone",
    promises: [10],
    async does(scene) {
      const other = await elsewhere(scene, { nonce: 0 });
      const task = await scene.submit({ nonce: 0 });
      return blockedThenHealed(scene, task, () =>
        scene.chain.rpc("anvil_dropTransaction", [other.txId]),
      );
    },
    comes: {
      status: "final",
      reason: "underpriced",
      cause: /replacement transaction underpriced/,
      wasVisible: true,
    },
  },
  {
    name: "an account without funds blocks the task, and a retry works once it has some",
    promises: [10],
    async does(scene) {
      await scene.chain.rpc("anvil_setBalance", [scene.wallet.address, "0x0"]);
      const task = await scene.submit();
      return blockedThenHealed(scene, task, () =>
        scene.chain.rpc("anvil_setBalance", [scene.wallet.address, PLENTY]),
      );
    },
    comes: {
      status: "final",
      reason: "insufficient_funds",
      cause: /Insufficient funds/,
      wasVisible: true,
    },
  },
  {
    name: "less gas than any transaction costs fails the task, and withdraws its value",
    promises: [5, 10],
    async does(scene) {
      const task = await scene.submit({ gas: 20_000n });
      await scene.until(task, "failed");
      return scene.report(task);
    },
    comes: {
      status: "failed",
      reason: "rejected",
      cause: /intrinsic gas too low/,
      isVisible: false,
      sends: 1,
    },
  },
  {
    name: "more gas than a block has blocks the task, and a retry works once blocks are larger",
    promises: [10],
    async does(scene) {
      const task = await scene.submit({ gas: 40_000_000n });
      return blockedThenHealed(scene, task, async () => {
        await scene.chain.rpc("evm_setBlockGasLimit", ["0x5f5e100"]);
        await scene.mine();
      });
    },
    comes: {
      status: "final",
      reason: "rejected",
      cause: /intrinsic gas too high/,
      wasVisible: true,
    },
  },
  {
    name: "a fee under the base fee blocks the task, and a retry works once that has fallen",
    promises: [10],
    async does(scene) {
      await setBaseFee(scene, 50_000_000_000n);
      const task = await scene.submit(LOW_FEE);
      return blockedThenHealed(scene, task, () => setBaseFee(scene, 1_000_000n));
    },
    comes: {
      status: "final",
      reason: "underpriced",
      cause: /less than block base fee/,
      wasVisible: true,
    },
  },
  {
    name: "a node on another chain blocks the task before anything is sent, and a retry works once it is back",
    promises: [2, 10],
    chainId: 5,
    async does(scene) {
      const task = await scene.submit();
      await scene.until(task, "blocked");
      const sentBefore = scene.sends(task).length;
      const blocked = await blockedThenHealed(scene, task, () =>
        scene.chain.rpc("anvil_setChainId", [31337]),
      );
      return { ...blocked, sentBefore };
    },
    comes: {
      status: "final",
      reason: "wrong_chain",
      cause: /chain 5/,
      wasVisible: true,
      sentBefore: 0,
      sends: 1,
    },
  },
  {
    name: "a node that changes to another chain after it was checked blocks the task, and a retry works once it is back",
    promises: [10],
    async does(scene) {
      await scene.settle(await scene.submit());
      await scene.chain.rpc("anvil_setChainId", [5]);
      const task = await scene.submit();
      return blockedThenHealed(scene, task, () => scene.chain.rpc("anvil_setChainId", [31337]));
    },
    comes: { status: "final", reason: "wrong_chain", wasVisible: true },
  },
  {
    name: "bytes that are no transaction are refused before anything is backed up or sent",
    promises: [2],
    async does(scene) {
      const { raw } = await scene.wallet.sign({ text: "cut off" });
      const { error } = await scene.page.evaluate(
        (payload) => uplink.attempt(() => cache.submit({ payload, key: "a", value: 1 })),
        raw.slice(0, -10),
      );
      const records = await scene.page.evaluate(() => cache.tasks().length);
      return { code: error.code, records, asked: scene.proxy.sends().length };
    },
    comes: { code: "invalid_input", records: 0, asked: 0 },
  },
  {
    name: "a transaction for another chain is refused before anything is backed up or sent",
    promises: [2],
    async does(scene) {
      const { raw } = await createWallet({ chainId: 5 }).sign({ text: "for another chain" });
      const { error } = await scene.page.evaluate(
        (payload) => uplink.attempt(() => cache.submit({ payload, key: "a", value: 1 })),
        raw,
      );
      const records = await scene.page.evaluate(() => cache.tasks().length);
      return { code: error.code, records, asked: scene.proxy.sends().length };
    },
    comes: { code: "wrong_chain", records: 0, asked: 0 },
  },
];

/** The base fee of the next blocks: one is mined, as nodes check against the newest one's. */
async function setBaseFee(scene, wei) {
  await scene.chain.rpc("anvil_setNextBlockBaseFeePerGas", [`0x${wei.toString(16)}`]);
  await scene.mine();
}

runRows(rows);
