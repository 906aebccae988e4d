// What nodes reply to `eth_sendRawTransaction`, and what comes of it.

import { rpcError } from "../support/faults.mjs";
import { runRows } from "./rows.mjs";
import { ask } from "./scene.mjs";

/** Replies of clients that do not run here: the proxy says them in place of anvil. `client: [[code, message], …]`. */
const REPLIES = {
  /** The chain has this very transaction: as good as accepted. */
  known: {
    hardhat: [
      [
        -32000,
        "Known transaction: 0x8bcb76539690cbed0f2731de04a56a4967f8d176257de9de312cfaa8e70192c8",
      ],
    ],
    geth: [[-32000, "already known"]],
    besu: [[-32000, "Known transaction"]],
    nethermind: [
      [-32010, "already known"],
      [-32010, "AlreadyKnown"],
    ],
    erigon: [[-32000, "existing txn with same hash"]],
  },
  /** The nonce is used: by this very transaction, whose receipt is found later. */
  nonceUsedByIt: {
    hardhat: [[-32000, "Transaction nonce too low. Expected nonce to be at least 1 but got 0."]],
    geth: [[-32000, "nonce too low: next nonce 1, tx nonce 0"]],
    besu: [[-32001, "Nonce too low"]],
    nethermind: [[-32010, "OldNonce, Current nonce: 1, nonce of rejected tx: 0"]],
  },
  /** Not now: it was not taken, and the same bytes are taken later. */
  later: {
    geth: [
      [-32000, "txpool is full"],
      [-32000, "nonce too high: tx nonce 5, gapped nonce 3"],
      [-32000, "in-flight transaction limit reached for delegated accounts"],
      [-32000, "gapped-nonce tx from delegated accounts"],
    ],
    reth: [
      [-32003, "txpool is full"],
      [-32000, "nonce too high"],
    ],
    besu: [[-32006, "Nonce too high"]],
    erigon: [[-32000, "pending sub-pool is full"]],
    infura: [[-32005, "project ID request rate exceeded"]],
    proxyd: [
      [-32016, "over rate limit"],
      [-32017, "sender is over rate limit"],
    ],
  },
  /** Nobody knows whether it was taken: it is looked for before it is sent again. */
  unknown: {
    geth: [[-32000, "header not found"]],
    besu: [
      [-32008, "Initial sync is still in progress"],
      [-32603, "Timeout expired"],
    ],
    nethermind: [[-32010, "node is syncing"]],
    proxyd: [
      [-32011, "no backends available for method"],
      [-32012, "backend is over capacity"],
      [-32013, "backend returned an invalid response"],
      [-32015, "gateway timeout"],
    ],
    any: [
      [-32603, "Internal error"],
      [-32005, "something that nobody has heard of"],
    ],
  },
  /** Somebody must act; the same bytes are taken after that. */
  insufficient_funds: {
    hardhat: [
      [
        -32000,
        "Sender doesn't have enough funds to send tx. The max upfront cost is: 2 and the sender's balance is: 0.",
      ],
    ],
    geth: [
      [-32000, "insufficient funds for gas * price + value: balance 0, tx cost 1, overshot 1"],
    ],
    reth: [[-32003, "insufficient funds for gas * price + value: have 0 want 1"]],
    besu: [[-32004, "Upfront cost exceeds account balance"]],
    nethermind: [[-32010, "InsufficientFunds, Account balance: 1, cumulative cost: 2"]],
  },
  underpriced: {
    hardhat: [
      [
        -32000,
        "Replacement transaction underpriced. A gasPrice/maxFeePerGas of at least 3300000000 is necessary to replace the existing transaction with nonce 0.",
      ],
    ],
    geth: [
      [-32000, "replacement transaction underpriced"],
      [-32000, "transaction underpriced: gas tip cap 1, minimum needed 1000000"],
    ],
    reth: [[-32000, "max fee per gas less than block base fee"]],
    besu: [[-32009, "Gas price below current base fee"]],
    nethermind: [[-32010, "FeeTooLow, MaxFeePerGas too low. MaxFeePerGas: 50, BaseFee: 100"]],
    erigon: [
      [-32000, "could not replace existing tx"],
      [-32000, "fee too low"],
    ],
  },
  rejected: {
    geth: [[-32000, "exceeds block gas limit"]],
    hardhat: [
      [-32000, "Transaction gas limit is 30000001 and exceeds block gas limit of 30000000"],
    ],
    besu: [
      [-32005, "Transaction gas limit exceeds block gas limit"],
      [-32005, "Transaction gas limit cap exceeded"],
    ],
  },
  wrong_chain: {
    hardhat: [
      [
        -32602,
        "Trying to send a raw transaction with an invalid chainId. The expected chainId is 31337",
      ],
      [-32602, "Trying to send an incompatible EIP-155 transaction, signed for another chain."],
    ],
    geth: [[-32000, "invalid sender: invalid chain id for signer: have 5 want 1"]],
    reth: [[-32000, "invalid chain ID"]],
    besu: [[-32000, "Wrong chainId"]],
  },
  /** Never: the same bytes break a rule that does not change. */
  never: {
    hardhat: [[-32000, "Transaction requires at least 21016 gas but got 20000"]],
    geth: [
      [-32000, "intrinsic gas too low: gas 20000, minimum needed 21016"],
      [-32000, "oversized data: transaction size 150110, limit 131072"],
    ],
    reth: [[-32602, "failed to decode signed transaction"]],
    besu: [[-32003, "Intrinsic gas exceeds gas limit"]],
    erigon: [[-32000, "RLPTooLong"]],
  },
};

const taken = {
  status: "final",
  path: (path) => !path.includes("failed") && !path.includes("blocked"),
};

/** The first send meets a reply of this kind: what is done then, and what comes. */
const KINDS = {
  known: {
    promises: [3],
    what: "is success",
    reaches: 1,
    does: (scene, task) => scene.settle(task),
    comes: { ...taken, sends: 1 },
  },
  nonceUsedByIt: {
    promises: [6],
    what: "is success once its own receipt is found",
    reaches: 1,
    async does(scene, task) {
      await scene.untilAsked((call) => ask.receipt(call) && call.params[0] === task.txId, 1);
      await scene.mine();
      await scene.until(task, "included");
      return scene.settle(task);
    },
    comes: { ...taken, sends: 1 },
  },
  later: {
    promises: [3, 10],
    what: "is sent again by itself",
    reaches: 0,
    does: (scene, task) => scene.settle(task),
    comes: { ...taken, sends: 2 },
  },
  unknown: {
    promises: [3, 6, 10],
    what: "is looked for, then sent again",
    reaches: 0,
    does: (scene, task) => scene.settle(task),
    comes: { ...taken, sends: 2, looksBeforeSecondSend: (looks) => looks >= 1 },
  },
  ...Object.fromEntries(
    ["insufficient_funds", "underpriced", "rejected", "wrong_chain"].map((reason) => [
      reason,
      {
        promises: [3, 10],
        what: `blocks the task as ${reason} with its cause, and a retry works`,
        reaches: 0,
        async does(scene, task, message) {
          await scene.until(task, "blocked");
          const blocked = await scene.report(task);
          await scene.retry(task);
          const after = await scene.settle(task);
          const { reason, isVisible, sends } = blocked;
          return {
            ...after,
            blocked: { reason, isVisible, sends, saysWhy: blocked.cause.includes(message) },
          };
        },
        comes: {
          status: "final",
          sends: 2,
          blocked: { reason, isVisible: true, sends: 1, saysWhy: true },
        },
      },
    ]),
  ),
  never: {
    promises: [5, 10],
    what: "fails the task with its cause, and withdraws the value",
    reaches: 0,
    async does(scene, task, message) {
      await scene.until(task, "failed");
      const failed = await scene.report(task);
      return { ...failed, saysWhy: failed.cause.includes(message) };
    },
    comes: { status: "failed", reason: "rejected", saysWhy: true, isVisible: false, sends: 1 },
  },
};

const rows = Object.entries(REPLIES).flatMap(([kind, clients]) =>
  Object.entries(clients).flatMap(([client, replies]) =>
    replies.map(([code, message]) => rowOf(KINDS[kind], client, code, message)),
  ),
);

function rowOf({ promises, what, reaches, does, comes }, client, code, message) {
  const short = message.length > 60 ? `${message.slice(0, 59)}…` : message;
  return {
    name: `a send that ${client} answers with ${code} "${short}" ${what}`,
    promises,
    async does(scene) {
      scene.proxy.fault(ask.send, rpcError({ code, message, reaches }), { times: 1 });
      const task = await scene.submit();
      return does(scene, task, message);
    },
    comes,
  };
}

runRows(rows, { isShared: true });
