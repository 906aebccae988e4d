// Gateways that say "slow down", in all the ways in which they say it.

import { html, http, rpcError } from "../support/faults.mjs";
import { runRows } from "./rows.mjs";
import { ask, atRandom } from "./scene.mjs";

const TOLD_MS = 1_000;
const TOLD_SECONDS = "1";
/** The longest first wait after a fault, without a hint. */
const FIRST_WAIT_MS = 500;

const limited = { code: -32005, message: "daily request count exceeded, request rate limited" };
const backoff = { data: { rate: { backoff_seconds: 1 } } };
const never =
  (...statuses) =>
  (path) =>
    statuses.every((status) => !path.includes(status));
const settles = { status: "final", path: never("failed", "blocked"), sends: 2 };

const sends = [
  {
    fault: http({ status: 429, retryAfter: TOLD_SECONDS }),
    what: "a send gets 429 with a Retry-After that can be read: it is sent again, not before that",
    waitMs: (ms) => ms >= TOLD_MS,
  },
  {
    fault: http({ status: 503, retryAfter: TOLD_SECONDS }),
    what: "a send gets 503 with a Retry-After that can be read: it is looked for and sent again, not before that",
    waitMs: (ms) => ms >= TOLD_MS,
  },
  {
    fault: http({ status: 429, retryAfter: "60", isExposed: false }),
    what: "a send gets 429 with a Retry-After that browsers hide: it waits as long as without",
    waitMs: (ms) => ms >= FIRST_WAIT_MS / 2 && ms < 10 * FIRST_WAIT_MS,
  },
  {
    fault: http({ status: 429, retryAfter: "soon" }),
    what: "a send gets 429 with a Retry-After that is no number: it waits as long as without",
    waitMs: (ms) => ms >= FIRST_WAIT_MS / 2 && ms < 10 * FIRST_WAIT_MS,
  },
  {
    fault: http({ status: 429, cors: false, retryAfter: TOLD_SECONDS }),
    what: "a send gets 429 without CORS headers, a bare TypeError: it is looked for, then sent again",
    looksBeforeSecondSend: (looks) => looks >= 1,
  },
  {
    fault: rpcError({ ...limited, ...backoff }),
    what: "a send gets -32005 with data.rate.backoff_seconds: it is sent again, not before that",
    waitMs: (ms) => ms >= TOLD_MS,
  },
  {
    fault: rpcError({ ...limited, ...backoff, status: 429 }),
    what: "a send gets 429 with -32005 and data.rate.backoff_seconds: it is sent again, not before that",
    waitMs: (ms) => ms >= TOLD_MS,
  },
  {
    fault: rpcError(limited),
    what: "a send gets -32005 without a hint: it is sent again",
    waitMs: (ms) => ms >= FIRST_WAIT_MS / 2,
  },
  {
    fault: rpcError({ ...limited, message: "limit exceeded", status: 429 }),
    what: "a send gets 429 with -32005 without a hint: it is sent again",
    waitMs: (ms) => ms >= FIRST_WAIT_MS / 2,
  },
].map(({ fault, what, ...comes }) => ({
  name: what,
  promises: [6, 10, 11],
  async does(scene) {
    const { met } = scene.proxy.fault(ask.send, fault, { times: 1 });
    const task = await scene.submit();
    const report = await scene.settle(task);
    return { ...report, met: met.length, waitMs: waitAfterFirst(scene.sends(task)) };
  },
  comes: { ...settles, met: 1, ...comes },
}));

/** From the reply to the first call until the second. */
function waitAfterFirst([first, second]) {
  return second.at - (first.repliedAt ?? first.at);
}

const others = [
  {
    name: "the head's poll gets 429 with a Retry-After: the head is not asked for before that",
    promises: [10, 11],
    async does(scene) {
      const task = await scene.submit();
      await scene.until(task, "sent");
      const { met } = scene.proxy.fault(ask.head, http({ status: 429, retryAfter: TOLD_SECONDS }), {
        times: 1,
      });
      const report = await scene.settle(task);
      const heads = scene.asked(ask.head);
      const waitMs = waitAfterFirst(heads.slice(heads.indexOf(met[0])));
      return { ...report, waitMs };
    },
    comes: { ...settles, sends: 1, waitMs: (ms) => ms >= TOLD_MS },
  },
  {
    name: "one answer of four is a 429, at random: everything settles all the same",
    promises: [6, 10],
    async does(scene) {
      scene.proxy.fault(atRandom(ask.anything, 0.25), http({ status: 429 }));
      const task = await scene.submit();
      await scene.until(task, "sent");
      await scene.mineUntil(task, "final");
      return scene.report(task);
    },
    comes: { status: "final", path: never("failed", "blocked") },
  },
  {
    name: "a gateway that refuses for a minute is asked ever less often, and everything settles after",
    promises: [10, 11],
    clock: true,
    async does(scene) {
      const outage = scene.proxy.fault(ask.anything, html());
      const task = await scene.submit();
      await outage.whenMet();
      // A minute in steps of a second: at each, what is due goes out.
      for (let second = 0; second < 60; second++) {
        await scene.fastForward(1_000);
        await scene.idle();
      }
      const asked = outage.met.length;
      outage.heal();
      await scene.fastForward(60_000);
      return { asked, ...(await scene.settle(task)) };
    },
    comes: { asked: (asked) => asked >= 4 && asked <= 20, status: "final" },
  },
];

runRows([...sends, ...others]);
