// Sends whose answer is lost or means nothing: nobody knows whether they arrived.

import {
  dropReply,
  dropRequest,
  duplicate,
  empty,
  garbage,
  html,
  http,
  latency,
  result,
  rpcError,
  truncated,
  wrongId,
} from "../support/faults.mjs";
import { runRows } from "./rows.mjs";
import { ask } from "./scene.mjs";

const TIMEOUT_MS = 300;
const LONGER_THAN_TIMEOUT_MS = 500;
const ARRIVED = { reaches: 1 };

const never =
  (...statuses) =>
  (path) =>
    statuses.every((status) => !path.includes(status));
const settles = { status: "final", path: never("failed", "blocked") };

/** The send arrived, and nobody said so: it is found by its hash, and not sent again. */
const arrived = [
  dropReply,
  http({ status: 500, ...ARRIVED }),
  http({ status: 502, ...ARRIVED }),
  http({ status: 503, ...ARRIVED }),
  http({ status: 504, ...ARRIVED }),
  http({ status: 429, cors: false, ...ARRIVED }),
  html(ARRIVED),
  garbage(ARRIVED),
  empty(ARRIVED),
  truncated,
  wrongId,
  result(null),
  rpcError({ code: -32603, message: "Internal error", status: 500, ...ARRIVED }),
].map((fault) => ({
  name: `the send arrives, but what comes back is: ${fault.name}. It is found by its hash, and not sent twice`,
  promises: [3, 6],
  does: (scene) => sendMeets(scene, fault),
  comes: { ...settles, sends: 1, looks: (looks) => looks >= 1 },
}));

/** The send did not arrive, and nobody said so: it is looked for, and the same bytes are sent again. */
const lost = [
  dropRequest,
  http({ status: 500 }),
  http({ status: 502 }),
  http({ status: 503 }),
  http({ status: 429, cors: false }),
  http({ status: 403, cors: false }),
  html(),
  garbage(),
  empty(),
].map((fault) => ({
  name: `the send does not arrive, and what comes back is: ${fault.name}. It is looked for, then sent again`,
  promises: [3, 6, 10],
  does: (scene) => sendMeets(scene, fault),
  comes: { ...settles, sends: 2, looksBeforeSecondSend: (looks) => looks >= 1 },
}));

async function sendMeets(scene, fault) {
  scene.proxy.fault(ask.send, fault, { times: 1 });
  return scene.settle(await scene.submit());
}

const late = [
  {
    name: "the send arrives after its timeout, and again meanwhile: the second is no harm",
    promises: [3, 6],
    gateway: { timeoutMs: TIMEOUT_MS },
    async does(scene) {
      scene.proxy.fault(ask.send, latency(LONGER_THAN_TIMEOUT_MS), { times: 1 });
      return scene.settle(await scene.submit());
    },
    comes: { ...settles, looks: (looks) => looks >= 1 },
  },
  {
    name: "the send arrives, and its reply comes after the timeout: it is found by its hash, and not sent twice",
    promises: [3, 6],
    gateway: { timeoutMs: TIMEOUT_MS },
    async does(scene) {
      const hold = scene.proxy.hold("reply", ask.send);
      const task = await scene.submit();
      await scene.until(task, "sent");
      hold.release();
      return scene.settle(task);
    },
    comes: { ...settles, sends: 1 },
  },
  {
    name: "the send is delivered twice, and the second reply is an error: it is success",
    promises: [3],
    async does(scene) {
      const { met } = scene.proxy.fault(ask.send, duplicate, { times: 1 });
      const report = await scene.settle(await scene.submit());
      return { ...report, said: met[0].reply.error.message };
    },
    comes: { ...settles, sends: 1, said: "transaction already imported" },
  },
  {
    name: "every request is delivered twice",
    promises: [3, 10],
    async does(scene) {
      scene.proxy.fault(ask.anything, duplicate);
      return scene.settle(await scene.submit());
    },
    comes: { ...settles, sends: 1 },
  },
  {
    name: "every answer comes late, but in time",
    promises: [6, 10],
    async does(scene) {
      scene.proxy.fault(ask.anything, latency(100));
      return scene.settle(await scene.submit());
    },
    comes: { ...settles, sends: 1 },
  },
  {
    name: "the reply to the send is lost, and by the time of the look it is in a block: it is not sent twice",
    promises: [3, 6],
    async does(scene) {
      const lost = scene.proxy.fault(ask.send, dropReply, { times: 1 });
      const task = await scene.submit();
      await lost.whenMet();
      await scene.proxy.until(() => scene.sends(task)[0].reply, "the chain has answered");
      await scene.mine();
      await scene.until(task, "included");
      return scene.settle(task);
    },
    comes: { ...settles, sends: 1 },
  },
  {
    name: "the network is gone for ten questions in a row, and the task settles when it is back",
    promises: [3, 6, 10],
    clock: true,
    async does(scene) {
      const outage = scene.proxy.fault(ask.anything, dropRequest);
      const task = await scene.submit();
      for (let i = 1; i <= 10; i++) {
        await outage.whenMet(i);
        await scene.idle();
        if (i === 10) outage.heal();
        await scene.fastForward(60_000);
      }
      return scene.settle(task);
    },
    comes: settles,
  },
];

runRows([...arrived, ...lost, ...late]);
