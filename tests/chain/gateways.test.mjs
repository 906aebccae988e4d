// Several gateways before one chain, some of which are bad: who is asked, what is believed, and what the user sees of it.

import {
  dropReply,
  dropRequest,
  garbage,
  html,
  http,
  hugeBody,
  result,
  rpcError,
  syncing,
  truncated,
  wrongId,
} from "../support/faults.mjs";
import { runRows } from "./rows.mjs";
import { ask } from "./scene.mjs";

const TOLD_MS = 2_000;
const ON_THE_WAY_MS = 200;
const HUGE_BYTES = 100_000_000;
/** What is read of an answer, and what buffers on the way hold although nobody reads. */
const TAKEN_BYTES = 16 * 1024 * 1024 + 16 * 1024 * 1024;

const never =
  (...statuses) =>
  (path) =>
    statuses.every((status) => !path.includes(status));
const settles = { status: "final", path: never("failed", "blocked"), hidden: [] };
const isCheck = (call) => ask.chainId(call) || call.method === "eth_syncing";

/** The first gateway meets this fault on every send; the second is good. */
const failovers = [
  { fault: dropRequest, first: 1 },
  { fault: dropReply, first: 1 },
  { fault: http({ status: 503 }), first: 1 },
  { fault: http({ status: 429 }), first: 1 },
  { fault: http({ status: 429, cors: false }), first: 1 },
  { fault: html(), first: 1 },
  { fault: garbage(), first: 1 },
  { fault: truncated, first: 1 },
  { fault: wrongId, first: 1 },
  { fault: rpcError({ code: -32005, message: "project ID request rate exceeded" }), first: 1 },
].map(({ fault, first }) => ({
  name: `the first of two gateways gives a send: ${fault.name}. The second gets the same bytes in the same attempt`,
  promises: [3, 6, 10],
  gateways: 2,
  async does(scene) {
    const [one, two] = scene.proxies;
    one.fault(ask.send, fault);
    const task = await scene.submit();
    await two.until(() => two.sends(task.txId).length > 0, "the second has it");
    const { attempts } = await scene.describe(task);
    const report = await scene.settle(task);
    const bytes = [one, two].map((proxy) => proxy.sends(task.txId).length);
    return { ...report, attempts, bytes };
  },
  comes: { ...settles, attempts: 1, bytes: [first, 1] },
}));

const others = [
  {
    name: "the first may have taken it, and the second refuses it for good: it is not failed, and ends as the chain says",
    promises: [6],
    gateways: 2,
    async does(scene) {
      const [one, two] = scene.proxies;
      one.fault(ask.send, dropReply);
      two.fault(ask.send, rpcError({ code: -32000, message: "intrinsic gas too low" }));
      const task = await scene.submit();
      await scene.until(task, "blocked", "sent");
      await scene.mine();
      await scene.until(task, "included");
      return scene.settle(task);
    },
    comes: { status: "final", path: never("failed"), hidden: [] },
  },
  {
    name: "the first gateway is down from the start: the second is asked for everything",
    promises: [10],
    gateways: 2,
    prepare: (one) => one.down(),
    does: async (scene) => scene.settle(await scene.submit()),
    comes: settles,
  },
  {
    name: "the first gateway goes down in the middle: the second goes on",
    promises: [9, 10],
    gateways: 2,
    async does(scene) {
      const [one] = scene.proxies;
      const task = await scene.submit();
      await scene.include(task);
      one.down();
      return scene.settle(task);
    },
    comes: settles,
  },
  {
    name: "a gateway that is down for a minute is tried ever less often",
    promises: [11],
    gateways: 2,
    clock: true,
    async does(scene) {
      const [one] = scene.proxies;
      const task = await scene.submit({ nonce: 1 });
      await scene.until(task, "sent");
      const before = one.log.length;
      one.fault(ask.anything, dropRequest);
      for (let second = 0; second < 60; second++) {
        await scene.mine();
        await scene.fastForward(1_000);
        await scene.idle();
      }
      return { tries: one.log.length - before, status: (await scene.report(task)).status };
    },
    comes: { tries: (tries) => tries >= 1 && tries <= 20, status: "sent" },
  },
  {
    name: "the first gateway asks for patience by Retry-After: it is left alone for so long, the second is not",
    promises: [10, 11],
    gateways: 2,
    async does(scene) {
      const [one] = scene.proxies;
      const limit = http({ status: 429, retryAfter: `${TOLD_MS / 1_000}` });
      const { met } = one.fault(ask.send, limit, { times: 1 });
      const report = await scene.settle(await scene.submit());
      await scene.settle(await scene.submit());
      // What left the page before it heard of the limit is not held against it.
      const after = one.log.map((call) => call.at - met[0].at).filter((ms) => ms > ON_THE_WAY_MS);
      return { ...report, waitMs: Math.min(...after) };
    },
    comes: { ...settles, waitMs: (ms) => ms >= TOLD_MS },
  },
  {
    name: "the first gateway is on another chain: it is asked for nothing else",
    promises: [2, 10],
    gateways: 2,
    prepare: (one) => void one.fault(ask.chainId, result("0x5")),
    async does(scene) {
      const [one] = scene.proxies;
      const report = await scene.settle(await scene.submit());
      return { ...report, asked: one.log.filter((call) => !isCheck(call)).length };
    },
    comes: { ...settles, asked: 0 },
  },
  {
    name: "the first gateway is syncing: it is asked for nothing else",
    promises: [9, 10],
    gateways: 2,
    prepare: (one) => void one.fault((call) => call.method === "eth_syncing", syncing),
    async does(scene) {
      const [one] = scene.proxies;
      const report = await scene.settle(await scene.submit());
      return { ...report, asked: one.log.filter((call) => !isCheck(call)).length };
    },
    comes: { ...settles, asked: 0 },
  },
  {
    name: "the only gateway is syncing: the task waits, and goes on once it has caught up",
    promises: [6, 10],
    clock: true,
    prepare(proxy) {
      proxy.fault((call) => call.method === "eth_syncing", syncing, { times: 1 });
    },
    async does(scene) {
      const task = await scene.submit();
      await scene.untilAsked((call) => call.method === "eth_syncing", 1);
      await scene.idle();
      const { status, sends } = await scene.report(task);
      await scene.fastForward(31_000);
      return { waited: [status, sends], ...(await scene.settle(task)) };
    },
    comes: { ...settles, waited: ["backed-up", 0] },
  },
  {
    name: "a node is back from another chain: after a retry blocks are followed at once",
    promises: [10],
    async does(scene) {
      const waiting = await scene.submit({ nonce: 0 });
      await scene.until(waiting, "sent");
      await scene.chain.rpc("anvil_setChainId", [5]);
      const task = await scene.submit({ nonce: 1 });
      await scene.until(task, "blocked");
      // The first one waits for blocks: that it is looked for them is refused meanwhile.
      await scene.untilQuiet(ask.head);
      await scene.chain.rpc("anvil_setChainId", [31337]);
      await scene.retry(task);
      return scene.settle(task);
    },
    comes: { status: "final" },
  },
  {
    name: "one of two gateways lags for good: heads come from the other, and nothing steps back",
    promises: [7, 9],
    gateways: 2,
    replica: true,
    async does(scene) {
      const [, two] = scene.proxies;
      two.route(() => true, scene.replica.url);
      const task = await scene.submit();
      return scene.settle(task);
    },
    comes: { ...settles, reorgs: [] },
  },
  {
    name: "quorum of two: nothing is final while one gateway does not say so, and it is once both do",
    promises: [7, 9],
    gateways: 2,
    gateway: { quorum: 2 },
    async does(scene) {
      const [, two] = scene.proxies;
      const lie = two.fault(
        ask.final,
        result((block) => ({ ...block, number: "0x0", hash: ZERO })),
      );
      const task = await scene.submit();
      await scene.include(task);
      await scene.mine(4);
      await scene.untilHead(5);
      await lie.whenMet(3);
      const { status } = await scene.report(task);
      lie.heal();
      await scene.until(task, "final");
      return { ...(await scene.report(task)), alone: status };
    },
    comes: { ...settles, alone: "included" },
  },
  ...[true, false].map((announced) => ({
    name: `an answer of 100 MB, ${announced ? "announced" : "not announced"}, is cut off, and the send is looked for`,
    promises: [6, 11],
    async does(scene) {
      const huge = hugeBody({ bytes: HUGE_BYTES, announced });
      scene.proxy.fault(ask.send, huge, { times: 1 });
      const report = await scene.settle(await scene.submit());
      return { ...report, taken: huge.taken() };
    },
    comes: { ...settles, sends: 2, taken: (bytes) => bytes < TAKEN_BYTES },
  })),
];

const ZERO = `0x${"00".repeat(32)}`;

runRows([...failovers, ...others]);
