// Following costs a bounded number of requests a block however many tasks wait, and none for polling while new blocks are
// pushed over a socket.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { connect, createServer as createTcpServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { close, listen } from "../support/server.mjs";
import { createWorld, test } from "./fixture.mjs";

const TASKS = 300;
const TASKS_IN_BLOCK = 100;
const IS_HEAD = (call) => call.method === "eth_getBlockByNumber" && call.params[0] === "latest";
/** What a gateway may be asked of tasks: all receipts of a block once, and one batch of looks. */
const MOST_OF_TASKS = 2;
const HEAD_METHODS = ["eth_getBlockByNumber", "eth_chainId"];

test("300 tasks in 3 blocks cost one request for receipts a block", async (t) => {
  const world = await createWorld(t);
  const costs = await followInBlocks(world, world.gateway.url);
  for (const { posts, methods } of costs) {
    assert.ok(posts <= MOST_OF_TASKS, `${posts} requests: ${methods}`);
    assert.deepEqual(methods, ["eth_getBlockReceipts"], "one question answers for all");
  }
  assert.equal(costs.length, TASKS / TASKS_IN_BLOCK);
});

test("where a gateway has no receipts of blocks, batches are asked", async (t) => {
  const world = await createWorld(t);
  const proxy = await startRefusing(world.gateway.url, { batches: false });
  world.onEnd(proxy.close);
  const costs = await followInBlocks(world, proxy.url);
  // 2 requests tell that there are none of blocks; the receipts of 100 tasks are 2 batches, of which one may be the
  // last block's; and one batch looks for what was sent.
  for (const { posts, methods } of costs) {
    assert.ok(posts <= 2 + 3 + 1, `${posts} requests: ${methods}`);
  }
  const asked = costs.map(({ methods }) => methods.includes("eth_getBlockReceipts"));
  assert.deepEqual(asked, [true, false, false], "what it does not have is remembered");
});

test("where a gateway has neither receipts of blocks nor batches, single receipts are asked", async (t) => {
  const world = await createWorld(t);
  const proxy = await startRefusing(world.gateway.url, { batches: true });
  world.onEnd(proxy.close);
  const [{ posts, methods }] = await followInBlocks(world, proxy.url, { tasks: 20 });
  // 2 requests tell that there are no receipts of blocks, and 1 + 2 + 4 + 4 refusals that a batch of 20, 10, 5 or 2 is too
  // many: up to 4 are under way when the first is refused. One may look for what was sent; and a round that was under way
  // when the block came asks for some of the 20 once more.
  assert.ok(posts <= 2 + 11 + 2 * 20 + 1, `${posts} requests: ${methods}`);
});

test("pushed heads take the place of polling; when the socket is cut polling is back, and the socket comes back", async (t) => {
  const world = await createWorld(t);
  const socket = await startTcpProxy(world.chain.port);
  world.onEnd(socket.close);
  const page = await world.openPage({ initScript: countLooksOverSockets });
  const { raw, txId } = await world.wallet.sign({ text: "waits for long" });
  const urls = [world.gateway.url, socket.url];
  // So that what is sent goes to the gateway, however slow the machine is.
  socket.cut();
  // By depth, so that each look is one request.
  const finality = { confirmations: 1_000 };
  await page.evaluate(
    async ({ options, raw }) => {
      await uplink.start(options);
      await cache.submit({ payload: raw });
    },
    { options: world.options({ gateway: { urls, finality } }), raw },
  );
  await world.untilAccepted(txId);
  socket.heal();

  let height = 0;
  // Whichever url fares better is looked at.
  const countHeads = async () =>
    world.gateway.log.filter(IS_HEAD).length + (await page.evaluate(() => looksOverSockets));
  async function mineAndSee() {
    height += 1;
    await world.mine(1);
    await page.evaluate(
      (height) => uplink.when(() => cache.stats().head?.number === height),
      height,
    );
  }
  async function countWhilePushed(blocks) {
    // The look that a subscription begins with may be under way: two blocks later it is not.
    await mineAndSee();
    await mineAndSee();
    const before = await countHeads();
    for (let i = 0; i < blocks; i += 1) {
      // Many times as long as `pollMs`: that nothing is asked meanwhile has no event.
      await delay(400);
      await mineAndSee();
    }
    return (await countHeads()) - before;
  }

  await socket.untilSubscribed(1);
  assert.equal(await countWhilePushed(5), 5, "one look for each pushed head");

  const cutAt = Date.now();
  socket.cut();
  await world.gateway.until(
    (log) => log.some((call) => IS_HEAD(call) && call.at >= cutAt && call.delivered),
    "the head is looked at",
  );
  await mineAndSee();
  await mineAndSee();

  socket.heal();
  await socket.untilSubscribed(2);
  assert.equal(await countWhilePushed(3), 3, "and again");
  assert.equal(await page.evaluate(() => cache.tasks()[0].status), "included");
});

test("with a socket alone everything goes over it: sends, batches, block receipts and heads", async (t) => {
  const world = await createWorld(t);
  const socket = await startTcpProxy(world.chain.port);
  world.onEnd(socket.close);
  const page = await world.openPage();
  const signed = await world.wallet.signMany(60);
  const options = world.options({ gateway: { urls: [socket.url] } });
  await page.evaluate(
    async ({ options, payloads }) => {
      await uplink.start(options);
      await Promise.all(payloads.map((payload) => cache.submit({ payload })));
      await cache.flush();
    },
    { options, payloads: signed.map(({ raw }) => raw) },
  );
  // A new visit has 60 tasks to ask for in batches.
  await page.reload();
  await page.evaluate((options) => uplink.start(options), options);
  await world.mine(1);
  await page.evaluate(() => uplink.when(() => cache.stats().tasks.included === 60));
  // The socket dies in the middle of it.
  socket.cut();
  socket.heal();
  await world.mine(6);
  const outcomes = await page.evaluate(async () => {
    await uplink.when(() => cache.stats().tasks.included === 0);
    return cache.stats().tasks;
  });
  assert.equal(outcomes.failed, 0);
  assert.equal(outcomes.blocked, 0);
  assert.equal(world.gateway.log.length, 0, "nothing went by http");
});

/** Submits tasks over `url` and mines them over blocks: what was asked of tasks in the time of each block that holds some. */
async function followInBlocks(world, url, { tasks = TASKS } = {}) {
  const { gateway, chain } = world;
  const page = await world.openPage();
  const signed = await world.wallet.signMany(tasks);
  await page.evaluate(
    async ({ options, payloads }) => {
      await uplink.start(options);
      await Promise.all(payloads.map((payload) => cache.submit({ payload })));
      await cache.flush();
    },
    {
      options: world.options({ gateway: { urls: [url] } }),
      payloads: signed.map(({ raw }) => raw),
    },
  );
  const gas = Number((await chain.rpc("eth_getTransactionByHash", [signed.at(-1).txId])).gas);
  await chain.rpc("evm_setBlockGasLimit", [`0x${(gas * TASKS_IN_BLOCK).toString(16)}`]);
  const costs = [];
  let mined = 0;
  while (mined < tasks) {
    const from = gateway.log.length;
    await world.mine(1);
    mined += (await chain.rpc("eth_getBlockByNumber", ["latest", false])).transactions.length;
    await page.evaluate(
      (mined) =>
        uplink.when(() => {
          const { included, final } = cache.stats().tasks;
          return included + final === mined;
        }),
      mined,
    );
    costs.push(costOf(gateway.log.slice(from)));
  }
  return costs;
}

function costOf(calls) {
  const ofTasks = calls.filter((call) => !HEAD_METHODS.includes(call.method));
  return {
    posts: new Set(ofTasks.map((call) => call.post)).size,
    methods: [...new Set(ofTasks.map((call) => call.method))],
  };
}

/** A gateway in front of another, which has no receipts of blocks, and perhaps no batches. */
async function startRefusing(upstream, { batches }) {
  const cors = {
    "access-control-allow-origin": "*",
    "access-control-allow-headers": "content-type",
    "content-type": "application/json",
  };
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    response.writeHead(200, cors);
    // Also what is refused is seen by the witness behind.
    const answer = await fetch(upstream, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: request.method === "OPTIONS" ? "{}" : body,
    });
    const text = await answer.text();
    if (request.method === "OPTIONS") return response.end();
    const call = JSON.parse(body);
    if (batches && Array.isArray(call)) {
      const error = { code: -32600, message: "batch requests are not supported" };
      return response.end(JSON.stringify({ jsonrpc: "2.0", id: null, error }));
    }
    if (call.method === "eth_getBlockReceipts") {
      const error = { code: -32601, message: "the method does not exist/is not available" };
      return response.end(JSON.stringify({ jsonrpc: "2.0", id: call.id, error }));
    }
    response.end(text);
  });
  const port = await listen(server);
  return { url: `http://127.0.0.1:${port}`, close: () => close(server) };
}

/** In a page, before its own scripts. */
function countLooksOverSockets() {
  const { send } = WebSocket.prototype;
  globalThis.looksOverSockets = 0;
  WebSocket.prototype.send = function (text) {
    if (/"eth_getBlockByNumber","params":\["latest"/.test(text)) globalThis.looksOverSockets += 1;
    send.call(this, text);
  };
}

/** A TCP proxy on loopback for a WebSocket, which can be cut, and hears what the chain answers to a subscription. */
async function startTcpProxy(upstreamPort) {
  const pairs = new Set();
  const listeners = new Set();
  let isCut = false;
  let subscriptions = 0;
  const server = createTcpServer((client) => {
    if (isCut) return void client.destroy();
    const upstream = connect(upstreamPort, "127.0.0.1");
    const pair = [client, upstream];
    pairs.add(pair);
    for (const [one, other] of [pair, [upstream, client]]) {
      one.on("error", () => {});
      one.on("close", () => {
        other.destroy();
        pairs.delete(pair);
      });
      one.pipe(other);
    }
    upstream.on("data", (chunk) => {
      // The name of a subscription has 32 hex digits; nothing else that is answered here does.
      if (/"result":"0x[0-9a-f]{32}"/.test(chunk.toString("latin1"))) subscriptions += 1;
      for (const listener of [...listeners]) listener();
    });
  });
  const port = await listen(server);
  function cut() {
    isCut = true;
    for (const [client] of pairs) client.destroy();
  }
  return {
    url: `ws://127.0.0.1:${port}`,
    cut,
    heal() {
      isCut = false;
    },
    untilSubscribed(count) {
      return new Promise((resolve) => {
        const look = () => {
          if (subscriptions < count) return;
          listeners.delete(look);
          resolve();
        };
        listeners.add(look);
        look();
      });
    },
    close() {
      cut();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
