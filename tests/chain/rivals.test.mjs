// Other transactions of the same nonce: another device's, our own that pays more or cancels, and who wins after a reorg.

import { dropReply, result, rpcError } from "../support/faults.mjs";
import { method } from "../support/gateway.mjs";
import { runRows } from "./rows.mjs";
import { ask } from "./scene.mjs";

/** A sent task that stays out of the chain is looked for after this. */
const LOOK_MS = 31_000;
const DEARER = { maxFeePerGas: 200_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n };

const bySender = method("eth_getTransactionBySenderAndNonce");
const count = method("eth_getTransactionCount");
const countAt = (isMatch) => (call) => count(call) && isMatch(call.params[1]);

const methodNotFound = rpcError({ code: -32601, message: "the method does not exist" });
const noOldState = rpcError({ code: -32000, message: "missing trie node" });

/** A transaction of the task's nonce that any pool prefers to the task's own. */
function dearer(scene, { nonce }, fields) {
  return scene.wallet.sign({ nonce, text: "from another device", ...DEARER, ...fields });
}

/** Another device replaces the task's transaction in the pool. */
async function outbid(scene, task, fields) {
  const rival = await dearer(scene, task, fields);
  await scene.chain.rpc("eth_sendRawTransaction", [rival.raw]);
  return rival;
}

/** Follows a task whose nonce another took until that is final: what was shown before, and how it ended. */
async function displaced(scene, task, rival) {
  await scene.mineUntil(task, "blocked", "failed");
  const before = await scene.report(task);
  await scene.mine(4);
  await scene.until(task, "failed");
  const after = await scene.report(task);
  const named = (report) => report.replacedBy === rival.txId;
  return {
    ...after,
    before: { reason: before.reason, isVisible: before.isVisible, namesRival: named(before) },
    namesRival: named(after),
  };
}

const replaced = {
  status: "failed",
  reason: "replaced",
  namesRival: true,
  isVisible: false,
  before: { reason: "replaced", isVisible: false, namesRival: true },
};

/** The rival is mined while no page is open; the next page finds it, so many blocks later. */
async function awayFor(scene, blocks) {
  const task = await scene.submit();
  await scene.until(task, "sent");
  await scene.closePage();
  const rival = await outbid(scene, task);
  await scene.mine(blocks);
  await scene.reopenPage();
  await scene.untilAsked(ask.send, 2);
  await scene.mineUntil(task, "failed");
  const { replacedBy, ...report } = await scene.report(task);
  return { ...report, replacedBy, namesRival: replacedBy === rival.txId };
}

const rivals = [
  {
    name: "another device outbids the transaction: the task is blocked with its id, and fails as replaced once that is final",
    promises: [5, 10],
    clock: true,
    async does(scene) {
      const task = await scene.submit();
      await scene.until(task, "sent");
      const rival = await outbid(scene, task);
      await scene.mine();
      await scene.untilHead(1);
      await scene.fastForward(LOOK_MS);
      return displaced(scene, task, rival);
    },
    comes: replaced,
  },
  {
    name: "the nonce was used by another device before the task is sent: it fails as replaced, with that one's id",
    promises: [5, 10],
    async does(scene) {
      const rival = await outbid(scene, { nonce: 0 });
      await scene.mine();
      return displaced(scene, await scene.submit({ nonce: 0 }), rival);
    },
    comes: replaced,
  },
  ...[1, 40, 200].map((blocks) => ({
    name: `a rival was mined while no page was open, ${blocks} blocks deep now: it is found`,
    promises: [5, 10],
    gateway: { finality: { confirmations: 1 } },
    does: (scene) => awayFor(scene, blocks),
    comes: { status: "failed", reason: "replaced", namesRival: true, isVisible: false },
  })),
  {
    name: "the node cannot say whose transaction used a nonce: the block is found by halves, and the rival in it",
    promises: [5, 10],
    gateway: { finality: { confirmations: 1 } },
    prepare: (proxy) => void proxy.fault(bySender, methodNotFound),
    does: (scene) => awayFor(scene, 50),
    comes: { status: "failed", reason: "replaced", namesRival: true, isVisible: false },
  },
  {
    name: "the node has no old states either: the task fails as replaced without an id, once a final block says so",
    promises: [5, 10],
    gateway: { finality: { confirmations: 1 } },
    prepare(proxy) {
      proxy.fault(bySender, methodNotFound);
      proxy.fault(
        countAt((block) => block !== "latest" && Number(block) < 45),
        noOldState,
      );
    },
    does: (scene) => awayFor(scene, 50),
    comes: { status: "failed", reason: "replaced", replacedBy: undefined, isVisible: false },
  },
  {
    name: "a lagging replica says that the nonce is free: nothing is decided, and the rival is found later",
    promises: [6, 9, 10],
    clock: true,
    async does(scene) {
      const lie = scene.proxy.fault(count, result("0x0"));
      const task = await scene.submit();
      await scene.until(task, "sent");
      const rival = await outbid(scene, task);
      await scene.mine();
      await scene.untilHead(1);
      await scene.fastForward(LOOK_MS);
      await lie.whenMet();
      await scene.idle();
      const { status, isVisible } = await scene.report(task);
      lie.heal();
      await scene.fastForward(3 * LOOK_MS);
      return { ...(await displaced(scene, task, rival)), meanwhile: [status, isVisible] };
    },
    comes: { status: "failed", reason: "replaced", namesRival: true, meanwhile: ["sent", true] },
  },
  {
    name: "another device sends a transaction that does just the same: the value stays, and the task is final by that one",
    promises: [5, 7],
    clock: true,
    async does(scene) {
      const task = await scene.submit({ text: "the same" });
      await scene.until(task, "sent");
      const same = await outbid(scene, task, { text: "the same" });
      await scene.mine();
      await scene.untilHead(1);
      await scene.fastForward(LOOK_MS);
      await scene.mineUntil(task, "included");
      await scene.mine(4);
      await scene.until(task, "final");
      const report = await scene.report(task);
      return { ...report, isBySame: report.txId === same.txId };
    },
    comes: { status: "final", isVisible: true, hidden: [], isBySame: true },
  },
  {
    name: "a reorg lets a rival win: the task is blocked with its id, and fails as replaced once that is final",
    promises: [5, 7, 10],
    async does(scene) {
      const task = await scene.submit();
      await scene.include(task);
      const rival = await dearer(scene, task);
      await scene.chain.rpc("anvil_reorg", [1, [[rival.raw, 0]]]);
      await scene.untilReorg();
      return displaced(scene, task, rival);
    },
    comes: replaced,
  },
  {
    name: "a reorg lets the rival lose: the task comes back with its value, and is final by its own transaction",
    promises: [3, 7],
    gateway: { finality: { confirmations: 50 } },
    async does(scene) {
      await outbid(scene, { nonce: 0 });
      await scene.mine();
      const task = await scene.submit({ nonce: 0 });
      await scene.mineUntil(task, "blocked");
      const { isVisible } = await scene.report(task);
      await scene.chain.rpc("anvil_reorg", [await scene.height(), []]);
      await scene.untilPooled(task);
      await scene.until(task, "sent");
      const back = await scene.report(task);
      return { seen: [isVisible, back.isVisible], ...(await scene.settle(task, { depth: 50 })) };
    },
    comes: { seen: [false, true], status: "final" },
  },
];

const own = [
  {
    name: "a replacement goes out at once, and the task is final by it",
    promises: [3, 10],
    async does(scene) {
      const task = await scene.submit({ text: "mine" });
      await scene.until(task, "sent");
      const faster = await dearer(scene, task, { text: "mine" });
      await scene.replace(task, faster);
      await scene.untilPooled(faster);
      await scene.mine();
      await scene.until(task, "included");
      await scene.mine(4);
      await scene.until(task, "final");
      const report = await scene.report(task);
      return { ...report, isByReplacement: report.txId === faster.txId };
    },
    comes: { status: "final", isByReplacement: true, hidden: [] },
  },
  {
    name: "the reply to a replacement is lost: it is found by its hash, and the task is final by it",
    promises: [3, 6],
    async does(scene) {
      const task = await scene.submit({ text: "mine" });
      await scene.until(task, "sent");
      const faster = await dearer(scene, task, { text: "mine" });
      scene.proxy.fault(ask.send, dropReply, { times: 1 });
      await scene.replace(task, faster);
      await scene.untilAsked((call) => ask.look(call) && call.params[0] === faster.txId, 1);
      await scene.idle();
      await scene.mine();
      await scene.until(task, "included");
      await scene.mine(4);
      await scene.until(task, "final");
      const report = await scene.report(task);
      const sent = scene.sends(faster).length;
      return { ...report, isByReplacement: report.txId === faster.txId, sent };
    },
    comes: { status: "final", isByReplacement: true, sent: 1, hidden: [] },
  },
  {
    name: "a block has the first transaction although a replacement is out: the task is final by the first",
    promises: [3, 10],
    async does(scene) {
      const task = await scene.submit({ text: "mine" });
      await scene.until(task, "sent");
      const faster = await dearer(scene, task, { text: "mine" });
      const hold = scene.proxy.hold("request", (call) => call.txId === faster.txId);
      await scene.replace(task, faster);
      await hold.whenHeld();
      await scene.mine();
      hold.release();
      await scene.until(task, "included");
      await scene.mine(4);
      await scene.until(task, "final");
      const report = await scene.report(task);
      return { ...report, isByFirst: report.txId === task.txId };
    },
    comes: { status: "final", isByFirst: true, hidden: [] },
  },
  {
    name: "a cancelling transaction takes the nonce: the value goes, and the task fails as cancelled once that is final",
    promises: [5, 10],
    async does(scene) {
      const task = await scene.submit();
      await scene.until(task, "sent");
      const cancel = await dearer(scene, task, { text: "", to: scene.wallet.address });
      await scene.cancel(task, cancel);
      await scene.untilPooled(cancel);
      const { isVisible } = await scene.report(task);
      await scene.mine();
      return { undecided: isVisible, ...(await displaced(scene, task, cancel)) };
    },
    comes: {
      undecided: true,
      status: "failed",
      reason: "cancelled",
      namesRival: true,
      isVisible: false,
      before: { reason: "cancelled", isVisible: false, namesRival: true },
    },
  },
  {
    name: "a reorg undoes a cancellation and takes the first transaction: the task is final by that, and visible again",
    promises: [5, 7],
    gateway: { finality: { confirmations: 50 } },
    async does(scene) {
      const task = await scene.submit();
      await scene.until(task, "sent");
      const cancel = await dearer(scene, task, { text: "", to: scene.wallet.address });
      await scene.cancel(task, cancel);
      await scene.untilPooled(cancel);
      await scene.mine();
      await scene.until(task, "blocked");
      await scene.chain.rpc("anvil_reorg", [1, [[task.raw, 0]]]);
      await scene.until(task, "included");
      await scene.mine(50);
      await scene.until(task, "final");
      const report = await scene.report(task);
      return { ...report, isByFirst: report.txId === task.txId };
    },
    comes: { status: "final", isByFirst: true, isVisible: true },
  },
];

/** What was final leaves the chain, which must not be: it is told, and the task is followed again. */
const violations = [1, 10].map((above) => ({
  name: `a reorg takes away a block that was final, ${above} blocks below the final one: told as such, and sent again`,
  promises: [7, 9, 10],
  async does(scene) {
    await scene.mine();
    const task = await scene.submit();
    await scene.settle(task, { depth: 4 + above });
    await scene.chain.rpc("anvil_reorg", [(await scene.height()) - 1, []]);
    // Something must wait for the chain to be looked at.
    const other = await scene.submit();
    await scene.until(task, "sent");
    const { isVisible, reorgs } = await scene.report(task);
    await scene.untilPooled(task, 2);
    await scene.untilPooled(other);
    await scene.mine();
    await scene.mine(4);
    await scene.until(task, "final");
    await scene.until(other, "final");
    return {
      ...(await scene.report(task)),
      isTold: reorgs.some(({ pastFinal }) => pastFinal),
      wasVisible: isVisible,
    };
  },
  comes: {
    status: "final",
    isTold: true,
    wasVisible: true,
    path: (path) => path.slice(-4).join() === "final,sent,included,final",
  },
}));

runRows([...rivals, ...own, ...violations]);
