// The gateway proxy that the other tests rely on tells the truth, and fails as it is told to.

import assert from "node:assert/strict";
import { jsonRpc } from "../support/anvil.mjs";
import { isSend, method } from "../support/gateway.mjs";
import { createWorld, test } from "./fixture.mjs";

test("the gateway log has every call with its reply, in order, those of a batch one by one", async (t) => {
  const { gateway, wallet } = await createWorld(t);
  const { raw, txId } = await wallet.sign({ text: "hi" });
  await jsonRpc(gateway.url, "eth_chainId");
  await assert.rejects(jsonRpc(gateway.url, "eth_sendRawTransaction", ["0x1234"]), /decode/);
  const batch = [
    { jsonrpc: "2.0", id: 7, method: "eth_sendRawTransaction", params: [raw] },
    { jsonrpc: "2.0", id: 8, method: "eth_blockNumber" },
  ];
  const replies = await (await fetch(gateway.url, post(batch))).json();
  assert.deepEqual(
    replies.map(({ id, result }) => [id, result]),
    [
      [7, txId],
      [8, "0x0"],
    ],
  );
  const seen = gateway.log.map(({ sequence, method, reply, delivered }) => [
    sequence,
    method,
    reply.result ?? reply.error.code,
    delivered,
  ]);
  assert.deepEqual(seen, [
    [0, "eth_chainId", "0x7a69", true],
    [1, "eth_sendRawTransaction", -32602, true],
    [2, "eth_sendRawTransaction", txId, true],
    [3, "eth_blockNumber", "0x0", true],
  ]);
  assert.deepEqual(
    gateway.sends(txId).map((call) => call.params),
    [[raw]],
  );
  for (const call of gateway.log) assert.ok(call.at <= call.repliedAt);
});

test("a gateway that is down breaks open and new connections, and is up again on the same port", async (t) => {
  const { gateway } = await createWorld(t);
  const hold = gateway.hold("request", method("eth_chainId"));
  const open = assert.rejects(jsonRpc(gateway.url, "eth_chainId"), /fetch failed/);
  await hold.whenHeld();
  gateway.down();
  await open;
  await assert.rejects(jsonRpc(gateway.url, "eth_blockNumber"), /fetch failed/);
  assert.equal(gateway.refused(), 1);
  gateway.up();
  hold.release();
  assert.equal(await jsonRpc(gateway.url, "eth_blockNumber"), "0x0");
  assert.deepEqual(
    gateway.log.map(({ method, delivered }) => [method, delivered]),
    [
      ["eth_chainId", false],
      ["eth_blockNumber", true],
    ],
  );
});

test("a held request reaches the chain when it is released; a dropped reply leaves the chain changed", async (t) => {
  const { gateway, chain, wallet } = await createWorld(t);
  const [first, second] = await wallet.signMany(2);
  const pooled = async () => Number((await chain.rpc("txpool_status")).pending);

  const hold = gateway.hold("request", (call) => isSend(call.method));
  const sending = jsonRpc(gateway.url, "eth_sendRawTransaction", [first.raw]);
  await hold.whenHeld();
  assert.equal(await pooled(), 0);
  hold.release();
  assert.equal(await sending, first.txId);
  assert.equal(await pooled(), 1);

  const heal = gateway.dropReplies((call) => isSend(call.method));
  await assert.rejects(
    jsonRpc(gateway.url, "eth_sendRawTransaction", [second.raw]),
    /fetch failed/,
  );
  heal();
  assert.equal(await pooled(), 2);
  const [call] = gateway.sends(second.txId);
  assert.equal(call.reply.result, second.txId);
  assert.equal(call.delivered, false);
});

function post(body) {
  return {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  };
}
