// Several nodes behind one address, some of which lag: what is known never steps back.

import { REGISTRY, registryWrite } from "../e2e/fixture.mjs";
import { startAnvil } from "../support/anvil.mjs";
import { runRows } from "./rows.mjs";
import { ask, atRandom } from "./scene.mjs";

const never =
  (...statuses) =>
  (path) =>
    statuses.every((status) => !path.includes(status));
const inOrder = (path) => path.join() === "backed-up,sent,included,final";

/** A node that knows the chain as it is now, and nothing later. */
async function replicaOf(scene) {
  const replica = await startAnvil({ slotsInEpoch: 2, forkUrl: scene.chain.url });
  scene.onEnd(replica.stop);
  return replica;
}

const rows = [
  {
    name: "half of the answers are a lagging replica's: the task goes on as with one node",
    promises: [6, 9],
    async does(scene) {
      const replica = await replicaOf(scene);
      scene.proxy.route(
        atRandom((call) => !ask.send(call), 0.5),
        replica.url,
      );
      const task = await scene.submit();
      await scene.until(task, "sent");
      // Where the replica answers for every receipt, the look by hash finds it, 30 seconds after the send.
      const isLookedFor = (log) => log.some((call) => call.method === "eth_getTransactionByHash");
      await scene.mineUntil(task, "final").catch(async () => {
        await scene.proxy.until(isLookedFor, "it is looked for", { timeoutMs: 60_000 });
        await scene.mineUntil(task, "final");
      });
      return scene.report(task);
    },
    comes: { status: "final", path: never("failed", "blocked"), hidden: [], reorgs: [] },
  },
  {
    name: "the head goes back to a lagging replica's: the block is not taken for orphaned, and no reorg is told",
    promises: [7, 9],
    async does(scene) {
      await scene.mine(3);
      const replica = await replicaOf(scene);
      const task = await scene.submit();
      await scene.include(task);
      const end = scene.proxy.route(() => true, replica.url);
      await scene.untilAsked(ask.head, scene.asked(ask.head).length + 5);
      const { status, reorgs } = await scene.report(task);
      end();
      return { ...(await scene.settle(task)), during: status, toldReorgs: reorgs.length };
    },
    comes: { during: "included", toldReorgs: 0, status: "final", path: inOrder, reorgs: [] },
  },
  {
    name: "receipts come from a lagging replica: null means nothing, and the next heads tell",
    promises: [6, 9],
    async does(scene) {
      const replica = await replicaOf(scene);
      const task = await scene.submit();
      await scene.until(task, "sent");
      const end = scene.proxy.route(ask.receipt, replica.url);
      await scene.mine();
      await scene.untilAsked(ask.receipt, 1);
      end();
      await scene.mine();
      await scene.until(task, "included");
      return scene.settle(task);
    },
    comes: { status: "final", path: inOrder, sends: 1 },
  },
  {
    name: "the final block is a lagging replica's: nothing is final too early, nor never",
    promises: [9, 10],
    async does(scene) {
      const replica = await replicaOf(scene);
      const task = await scene.submit();
      await scene.include(task);
      const end = scene.proxy.route(ask.final, replica.url);
      await scene.mine(10);
      await scene.untilHead(11);
      await scene.untilAsked(ask.final, scene.asked(ask.final).length + 3);
      const { status } = await scene.report(task);
      end();
      await scene.until(task, "final");
      return { ...(await scene.report(task)), during: status };
    },
    comes: { during: "included", status: "final", path: inOrder },
  },
  {
    name: "a value that is final is not replaced by what a lagging replica reads",
    promises: [9],
    open: { registry: REGISTRY },
    async does(scene) {
      await scene.chain.rpc("eth_sendRawTransaction", [await olderWrite(scene)]);
      await scene.mine();
      const replica = await replicaOf(scene);
      const submission = { key: "entry/1", value: "new" };
      const task = await scene.submit(registryWrite("entry/1", "new"), submission);
      await scene.settle(task);
      scene.proxy.route(() => true, replica.url);
      return scene.page.evaluate(async () => {
        const first = await cache.read("entry/1");
        const fromChain = await uplink.attempt(() => cache.read("entry/1", { source: "chain" }));
        const after = await cache.read("entry/1");
        return {
          first: first.value,
          fromChain: fromChain.value?.value ?? fromChain.error.code,
          after: [after.value, after.status, cache.peek("entry/1").value],
        };
      });
    },
    comes: {
      first: "new",
      fromChain: (value) => value === "new" || value.startsWith("gateway_"),
      after: ["new", "final", "new"],
    },
  },
  {
    name: "a task that is final stays final, whatever a lagging replica says",
    promises: [9],
    async does(scene) {
      const replica = await replicaOf(scene);
      const task = await scene.submit();
      await scene.settle(task);
      scene.proxy.route(() => true, replica.url);
      // Another task makes the cache look at the chain again, which is the replica's now.
      const other = await scene.submit();
      await scene.untilAsked(ask.head, scene.asked(ask.head).length + 3);
      const { status, block, isVisible } = await scene.report(task);
      return { status, number: block.number, isVisible, other: (await scene.report(other)).status };
    },
    comes: { status: "final", number: 1, isVisible: true, other: (status) => status !== "failed" },
  },
];

/** What the registry held before: the same key with another value. */
async function olderWrite(scene) {
  const { raw } = await scene.wallet.sign(registryWrite("entry/1", "old"));
  return raw;
}

runRows(rows);
