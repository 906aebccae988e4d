// Questions of sending and tracking whose answer is lost or means nothing: they are asked again.

import {
  dropReply,
  garbage,
  html,
  http,
  rpcError,
  truncated,
  wrongId,
} from "../support/faults.mjs";
import { runRows } from "./rows.mjs";
import { ask } from "./scene.mjs";

const QUESTIONS = {
  "which chain it is": ask.chainId,
  "for the newest block": ask.head,
  "for the final block": ask.final,
  "for a receipt": ask.receipt,
  "for a transaction whose send was lost": ask.look,
};

const FAULTS = [
  dropReply,
  http({ status: 503 }),
  http({ status: 429, cors: false }),
  html(),
  garbage(),
  truncated,
  wrongId,
  rpcError({ code: -32603, message: "Internal error", status: 500 }),
];

const rows = Object.entries(QUESTIONS).flatMap(([what, matches]) =>
  FAULTS.map((fault) => {
    let met;
    return {
      name: `asked ${what}, the gateway gives: ${fault.name}. It is asked again`,
      promises: [6, 10],
      prepare(proxy) {
        if (matches === ask.look) proxy.fault(ask.send, dropReply, { times: 1 });
        ({ met } = proxy.fault(matches, fault, { times: 1 }));
      },
      async does(scene) {
        const report = await scene.settle(await scene.submit());
        return { ...report, met: met.length };
      },
      comes: {
        status: "final",
        path: (path) => !path.includes("failed") && !path.includes("blocked"),
        sends: 1,
        met: 1,
      },
    };
  }),
);

runRows(rows);
