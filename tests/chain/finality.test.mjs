// When a block counts as final: by the chain's word, by depth, and by depth where the chain has no word for it.

import { result, rpcError } from "../support/faults.mjs";
import { runRows } from "./rows.mjs";
import { ask } from "./scene.mjs";

const SLOTS = 2;

/** The ways in which nodes say that they do not resolve the tag. */
const UNRESOLVED = [
  result(null),
  rpcError({ code: -32000, message: "finalized block not found" }),
  rpcError({ code: -32001, message: "Requested resource not found" }),
  rpcError({ code: -32603, message: "Internal error" }),
  rpcError({ code: -39001, message: "Unknown block" }),
];

/** Where the tag has no answer, these many blocks stand in for it. */
const FALLBACKS = { finalized: 64, safe: 32 };

/** Final with exactly so many blocks, the transaction's own included, and not with one less. */
async function finalAt(scene, confirmations) {
  const task = await scene.submit();
  await scene.include(task);
  if (confirmations > 2) await scene.mine(confirmations - 2);
  await scene.untilHead(confirmations - 1);
  await scene.untilAsked(ask.head, scene.asked(ask.head).length + 3);
  const { status } = await scene.report(task);
  await scene.mine(1);
  await scene.until(task, "final");
  return { oneBlockBefore: status, ...(await scene.report(task)) };
}

const comes = { oneBlockBefore: "included", status: "final" };

const unresolved = UNRESOLVED.flatMap((fault) =>
  Object.entries(FALLBACKS).map(([finality, blocks]) => ({
    name: `asked for ${finality}, the node gives ${fault.name}: ${blocks} blocks stand in for it`,
    promises: [10],
    gateway: { finality },
    prepare: (proxy) => void proxy.fault(ask.final, fault),
    does: (scene) => finalAt(scene, blocks),
    comes,
  })),
);

const rows = [
  ...[2, 12, 100].map((confirmations) => ({
    name: `with ${confirmations} confirmations it is final at that depth, and not before`,
    promises: [7, 10],
    gateway: { finality: { confirmations } },
    does: (scene) => finalAt(scene, confirmations),
    comes,
  })),
  {
    name: "with the tag finalized it is final when the node says so, and not before",
    promises: [7, 10],
    does: (scene) => finalAt(scene, 1 + 2 * SLOTS),
    comes,
  },
  {
    name: "with the tag safe it is final when the node says so, and not before",
    promises: [7, 10],
    gateway: { finality: "safe" },
    does: (scene) => finalAt(scene, 1 + SLOTS),
    comes,
  },
  {
    name: "the tag fails once in a while: the node's word counts when it comes",
    promises: [10],
    async does(scene) {
      let count = 0;
      scene.proxy.fault((call) => ask.final(call) && count++ % 2 === 0, UNRESOLVED[3]);
      return scene.settle(await scene.submit());
    },
    comes: { status: "final" },
  },
  {
    name: "the final block is of another branch than the head: it makes nothing final",
    promises: [7, 9],
    async does(scene) {
      const task = await scene.submit();
      await scene.include(task);
      const lie = scene.proxy.fault(
        ask.final,
        result((block) => ({ ...block, number: "0x2", hash: `0x${"ab".repeat(32)}` })),
      );
      await scene.mine(2);
      await scene.untilHead(3);
      await lie.whenMet(lie.met.length + 3);
      const { status } = await scene.report(task);
      lie.heal();
      return { during: status, ...(await scene.settle(task)) };
    },
    comes: { during: "included", status: "final" },
  },
];

runRows([...rows, ...unresolved]);
