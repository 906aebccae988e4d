// The gateway proxy that the other tests rely on tells the truth, and fails as it is told to.

import assert from "node:assert/strict";
import { jsonRpc, startAnvil } from "../support/anvil.mjs";
import * as faults from "../support/faults.mjs";
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
  const hold = gateway.hold("request", (call) => isSend(call.method));
  const sending = jsonRpc(gateway.url, "eth_sendRawTransaction", [first.raw]);
  await hold.whenHeld();
  assert.equal(await pooled(chain), 0);
  hold.release();
  assert.equal(await sending, first.txId);
  assert.equal(await pooled(chain), 1);

  const heal = gateway.dropReplies((call) => isSend(call.method));
  await assert.rejects(
    jsonRpc(gateway.url, "eth_sendRawTransaction", [second.raw]),
    /fetch failed/,
  );
  heal();
  assert.equal(await pooled(chain), 2);
  const [call] = gateway.sends(second.txId);
  assert.equal(call.reply.result, second.txId);
  assert.equal(call.delivered, false);
});

/** What a client sees of a call that meets the fault: the response, and the reply in it where there is one. */
async function meets(gateway, fault, call = { method: "eth_chainId" }) {
  const { heal, met } = gateway.fault(method(call.method), fault);
  const body = { jsonrpc: "2.0", id: 7, params: [], ...call };
  const response = await fetch(gateway.url, post(body)).catch((error) => ({ error }));
  const text = await response.text?.();
  heal();
  assert.equal(met.length, 1);
  assert.equal(met[0].fault, fault.name);
  let reply;
  try {
    reply = JSON.parse(text);
  } catch {
    // Not all that comes back is JSON: that is the point.
  }
  return {
    status: response.status,
    headers: response.headers,
    text,
    reply,
    isBroken: "error" in response,
  };
}

test("faults of the way: what the client sees, and how often the chain is asked", async (t) => {
  const { gateway, chain, wallet } = await createWorld(t);
  const send = async (fault) => {
    const { raw } = await wallet.sign({ text: "hi" });
    const before = await pooled(chain);
    const seen = await meets(gateway, fault, { method: "eth_sendRawTransaction", params: [raw] });
    return { ...seen, arrived: (await pooled(chain)) - before };
  };
  for (const [fault, arrived, isBroken] of [
    [faults.dropRequest, 0, true],
    [faults.dropReply, 1, true],
    [faults.latency(50), 1, false],
    [faults.duplicate, 1, false],
    [faults.http({ status: 503 }), 0, false],
    [faults.http({ status: 503, reaches: 1 }), 1, false],
    [faults.html({ reaches: 1 }), 1, false],
    [faults.rpcError({ code: -32000, message: "no", reaches: 1 }), 1, false],
    [faults.rpcError({ code: -32000, message: "no" }), 0, false],
  ]) {
    const seen = await send(fault);
    assert.deepEqual([seen.arrived, seen.isBroken], [arrived, isBroken], fault.name);
  }
  const again = await send(faults.duplicate);
  assert.equal(again.reply.error.message, "transaction already imported");
});

test("faults of the answer: status, headers, and text are as told", async (t) => {
  const { gateway } = await createWorld(t);
  const check = async (fault, expected) => {
    const { status, text, reply, headers } = await meets(gateway, fault);
    const seen = {
      status,
      text,
      reply,
      cors: headers.get("access-control-allow-origin"),
      retryAfter: headers.get("retry-after"),
      exposed: headers.get("access-control-expose-headers"),
    };
    for (const [key, value] of Object.entries(expected)) {
      assert.deepEqual(seen[key], value, `${fault.name}: ${key}`);
    }
  };
  await check(faults.http({ status: 502 }), { status: 502, cors: "*" });
  await check(faults.http({ status: 429, cors: false }), { status: 429, cors: null });
  const told = { status: 429, retryAfter: "7" };
  await check(faults.http(told), { ...told, cors: "*", exposed: "retry-after" });
  await check(faults.http({ ...told, isExposed: false }), { ...told, cors: "*", exposed: null });
  await check(faults.html(), { status: 200, reply: undefined });
  await check(faults.garbage(), { status: 200, reply: undefined });
  await check(faults.empty(), { status: 200, text: "" });
  await check(faults.truncated, { status: 200, reply: undefined });
  await check(faults.wrongId, { reply: { jsonrpc: "2.0", id: 1_000_007, result: "0x7a69" } });
  const error = { code: -32005, message: "slow down", data: { rate: { backoff_seconds: 3 } } };
  await check(faults.rpcError({ ...error, status: 429 }), {
    status: 429,
    cors: "*",
    reply: { jsonrpc: "2.0", id: 7, error },
  });
  await check(faults.result(null), { reply: { jsonrpc: "2.0", id: 7, result: null } });
  const next = faults.result((chainId) => `${chainId}0`);
  await check(next, { reply: { jsonrpc: "2.0", id: 7, result: "0x7a690" } });
  const syncing = await meets(gateway, faults.syncing, { method: "eth_syncing" });
  assert.equal(syncing.reply.result.highestBlock, "0x1000");
});

test("a huge body is sent as long as the client takes it", async (t) => {
  const { gateway } = await createWorld(t);
  for (const announced of [true, false]) {
    const whole = faults.hugeBody({ bytes: 1_000_000, announced });
    assert.equal((await meets(gateway, whole)).text.length, 1_000_000);
    assert.equal(whole.taken(), 1_000_000);

    const endless = faults.hugeBody({ bytes: 1_000_000_000, announced });
    const { heal } = gateway.fault(method("eth_chainId"), endless);
    const response = await fetch(gateway.url, post({ id: 1, method: "eth_chainId" }));
    await response.body.cancel();
    heal();
    await gateway.untilIdle();
    assert.ok(endless.taken() < 100_000_000, `${endless.taken()} bytes`);
  }
});

test("of a batch only the calls that match meet a fault that edits; a fault lasts as often as told", async (t) => {
  const { gateway } = await createWorld(t);
  const batch = ["eth_blockNumber", "eth_chainId", "eth_blockNumber"].map((method, id) => ({
    jsonrpc: "2.0",
    id,
    method,
    params: [],
  }));
  const ask = async () => {
    const replies = await (await fetch(gateway.url, post(batch))).json();
    return replies.map(({ id, result, error }) => [id, result ?? error.message]);
  };
  const refusal = faults.rpcError({ code: -32000, message: "no" });
  gateway.fault(method("eth_chainId"), refusal, { times: 1 });
  assert.deepEqual(await ask(), [
    [0, "0x0"],
    [1, "no"],
    [2, "0x0"],
  ]);
  assert.deepEqual(await ask(), [
    [0, "0x0"],
    [1, "0x7a69"],
    [2, "0x0"],
  ]);
});

test("a routed call is answered by another node: one that lags knows nothing newer, and no receipt", async (t) => {
  const { gateway, chain, wallet, mine, onEnd } = await createWorld(t);
  const replica = await startAnvil({ forkUrl: chain.url });
  onEnd(replica.stop);
  const { raw, txId } = await wallet.sign({ text: "hi" });
  await chain.rpc("eth_sendRawTransaction", [raw]);
  await mine(3);
  const end = gateway.route(() => true, replica.url);
  assert.equal(await jsonRpc(gateway.url, "eth_blockNumber"), "0x0");
  assert.equal(await jsonRpc(gateway.url, "eth_getTransactionReceipt", [txId]), null);
  end();
  assert.equal(await jsonRpc(gateway.url, "eth_blockNumber"), "0x3");
  assert.equal(
    (await jsonRpc(gateway.url, "eth_getTransactionReceipt", [txId])).blockNumber,
    "0x1",
  );
});

async function pooled(chain) {
  const { pending, queued } = await chain.rpc("txpool_status");
  return Number(pending) + Number(queued);
}

function post(body) {
  return {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  };
}
