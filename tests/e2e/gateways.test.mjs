// Several gateways, each with moods of its own, in front of one real chain: who is asked, who is not, and what is believed.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { evm } from "../../dist/index.js";
import { close, listen } from "../support/server.mjs";
import { createWorld, test } from "./fixture.mjs";

const CORS = {
  "access-control-allow-origin": "*",
  "access-control-allow-headers": "content-type",
  "access-control-expose-headers": "retry-after",
};
const SEND = "eth_sendRawTransaction";
const CHECKS = ["eth_chainId", "eth_syncing"];
const MIB = 1024 * 1024;
/** What left the page before it heard an answer may arrive so long after that answer was given. */
const ON_THE_WAY_MS = 500;

/**
 * A gateway in front of `upstream`. `mood(call)` may give another answer: `{ status, headers, body }`, `{ result }` or
 * `{ error }` in place of the upstream's, `{ drop: true }` after the upstream had it, `{ refuse: true }` before,
 * `{ stream: bytes }` for a body without end. `taken` counts the bytes of such bodies that went out.
 */
async function startMoody(t, upstream, mood = () => undefined) {
  const moody = { log: [], mood, taken: 0 };
  const server = createServer(async (request, response) => {
    if (request.method === "OPTIONS") return void response.writeHead(204, CORS).end();
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const call = { ...JSON.parse(body), at: performance.now() };
    moody.log.push(call);
    const answer = moody.mood(call) ?? {};
    if (answer.refuse) return void response.destroy();
    if (answer.stream) return streamBody(moody, response, answer);
    const headers = { ...CORS, "content-type": "application/json", connection: "close" };
    const own = answer.result !== undefined || answer.error !== undefined;
    if (own) answer.body = JSON.stringify({ jsonrpc: "2.0", id: call.id, ...answer });
    if (answer.body !== undefined) {
      response.writeHead(answer.status ?? 200, { ...headers, ...answer.headers });
      return void response.end(answer.body);
    }
    const reply = await fetch(upstream, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    const text = await reply.text();
    if (answer.drop) return void response.destroy();
    response.writeHead(reply.status, headers);
    response.end(text);
  });
  moody.url = `http://127.0.0.1:${await listen(server)}`;
  moody.of = (method) => moody.log.filter((call) => call.method === method);
  t.after(() => close(server));
  return moody;
}

/** Writes until it has written so much or the client has gone. */
async function streamBody(moody, response, { stream, headers }) {
  response.writeHead(200, { ...CORS, "content-type": "application/json", ...headers });
  const chunk = Buffer.alloc(MIB, " ");
  let isOpen = true;
  const closed = once(response, "close").then(() => {
    isOpen = false;
  });
  for (let sent = 0; isOpen && sent < stream; sent += MIB) {
    moody.taken += MIB;
    if (!response.write(chunk)) await Promise.race([once(response, "drain"), closed]);
  }
  if (isOpen) response.end();
}

async function submit(page, options, payload) {
  return page.evaluate(
    async ({ options, payload }) => {
      await uplink.start(options);
      const task = await cache.submit({ payload, key: "entry/1", value: "hi" });
      return task.id;
    },
    { options, payload },
  );
}

const settled = (page) => page.evaluate(() => cache.tasks()[0].settled);
const gateways = (page) => page.evaluate(() => cache.stats().gateways);

/** A world with as many gateways as moods, asked in this order while nothing speaks against it. */
async function createMoody(t, moods, options = {}) {
  const world = await createWorld(t);
  const urls = [];
  for (const mood of moods) urls.push(await startMoody(t, world.chain.url, mood));
  const gateway = { urls: urls.map((each) => each.url), ...options };
  return { ...world, urls, moodyOptions: world.options({ gateway }), page: await world.openPage() };
}

/** Mines until the task is final, once the chain's pool has it. */
async function finish(world, page) {
  await page.evaluate(() => cache.tasks()[0].until("sent"));
  await world.mine(6);
  return settled(page);
}

test("a gateway that is down is passed over within one attempt, and rests", async (t) => {
  const world = await createMoody(t, [() => ({ refuse: true }), undefined]);
  const { page, urls } = world;
  const { raw, txId } = await world.wallet.sign({ text: "hi" });
  await submit(page, world.moodyOptions, raw);
  assert.equal((await finish(world, page)).txId, txId);
  assert.deepEqual(
    urls[1].of(SEND).map((call) => call.params),
    [[raw]],
  );
  assert.ok(
    urls[0].log.every((call) => call.method === "eth_chainId"),
    "what cannot be checked is sent nothing",
  );
  const [down, up] = await gateways(page);
  assert.equal(down.state, "open");
  assert.equal(down.url, `${urls[0].url}/`);
  assert.ok(down.failures >= 1);
  assert.equal(up.state, "up");
  assert.ok(up.latencyMs >= 0 && up.head >= 1);
});

test("when an answer to a send is lost, the same bytes go to the second gateway at once", async (t) => {
  const world = await createMoody(t, [(call) => call.method === SEND && { drop: true }, undefined]);
  const { page, urls } = world;
  const { raw, txId } = await world.wallet.sign({ text: "hi" });
  await submit(page, world.moodyOptions, raw);
  assert.equal((await finish(world, page)).txId, txId);
  const [first] = urls[0].of(SEND);
  const [second] = urls[1].of(SEND);
  assert.deepEqual([first.params, second.params], [[raw], [raw]]);
  assert.notEqual(first.id, second.id, "each request on the wire has a number of its own");
});

test("a refusal by the second is not final when the first may have taken it, nor can it be cancelled", async (t) => {
  const refuse = { error: { code: -32000, message: "intrinsic gas too low" } };
  const world = await createMoody(t, [
    (call) => call.method === SEND && { drop: true },
    (call) => call.method === SEND && refuse,
  ]);
  const { page } = world;
  const { raw, txId } = await world.wallet.sign({ text: "hi" });
  const id = await submit(page, world.moodyOptions, raw);
  const blocked = await page.evaluate(() =>
    uplink.when(() => cache.tasks()[0].status === "blocked" && uplink.describe(cache.tasks()[0])),
  );
  assert.equal(blocked.reason, "rejected");
  const cancelled = await page.evaluate((id) => uplink.attempt(() => cache.cancel(id)), id);
  assert.equal(cancelled.error.code, "already_sent");
  await world.mine(6);
  assert.equal((await settled(page)).txId, txId, "the chain has the last word");
});

test("429 with Retry-After: that gateway is left alone for so long, the other is asked at once", async (t) => {
  let isLimited = true;
  const limit = { status: 429, headers: { "retry-after": "2" }, body: "slow down" };
  const world = await createMoody(t, [
    (call) => (isLimited && call.method === SEND ? limit : undefined),
    undefined,
  ]);
  const { page, urls } = world;
  const { raw } = await world.wallet.sign({ text: "hi" });
  await submit(page, world.moodyOptions, raw);
  await page.evaluate(() => cache.tasks()[0].until("sent"));
  const [refused] = urls[0].of(SEND);
  assert.equal((await gateways(page))[0].state, "limited");
  isLimited = false;
  await world.mine(6);
  assert.equal((await settled(page)).status, "final");
  const until = refused.at + 2_000;
  const heard = refused.at + ON_THE_WAY_MS;
  const early = urls[0].log.filter((call) => call.at > heard && call.at < until);
  assert.deepEqual(early, []);
  assert.ok(urls[1].of(SEND)[0].at < until, "nobody waits for the first");
});

test("a JSON-RPC rate limit's hint of the only gateway is kept, and then it goes on", async (t) => {
  let count = 0;
  const error = { code: -32005, message: "limit", data: { rate: { backoff_seconds: 2 } } };
  const world = await createMoody(t, [
    (call) => (call.method === SEND && count++ === 0 ? { error } : undefined),
  ]);
  const { page, urls } = world;
  const { raw, txId } = await world.wallet.sign({ text: "hi" });
  await submit(page, world.moodyOptions, raw);
  assert.equal((await finish(world, page)).txId, txId);
  const refused = urls[0].of(SEND)[0];
  const next = urls[0].log.find((call) => call.at > refused.at + ON_THE_WAY_MS);
  assert.ok(next.at - refused.at >= 2_000, `${next.method} after ${next.at - refused.at} ms`);
});

for (const [name, headers] of [
  ["with", { "content-length": `${100 * MIB}` }],
  ["without", {}],
]) {
  test(`an answer of 100 MB ${name} a content length is cut off while it is read`, async (t) => {
    let streams = false;
    const world = await createMoody(t, [
      (call) => {
        if (call.method !== SEND) return undefined;
        streams = true;
        return { stream: 100 * MIB, headers };
      },
      // Where the first is slow to answer a check, the second would be asked first.
      () => (streams ? undefined : { refuse: true }),
    ]);
    const { page, urls } = world;
    const { raw, txId } = await world.wallet.sign({ text: "hi" });
    await submit(page, world.moodyOptions, raw);
    assert.equal((await finish(world, page)).txId, txId);
    assert.ok(urls[0].taken >= 16 * MIB && urls[0].taken <= 64 * MIB, `${urls[0].taken} bytes`);
    assert.equal(urls[1].of(SEND).length, 1);
  });
}

test("a gateway on another chain, and one that is syncing, are asked for nothing else", async (t) => {
  const progress = { startingBlock: "0x0", currentBlock: "0x1", highestBlock: "0x99" };
  const world = await createMoody(t, [
    (call) => call.method === "eth_chainId" && { result: "0x5" },
    (call) => call.method === "eth_syncing" && { result: progress },
    undefined,
  ]);
  const { page, urls } = world;
  const { raw, txId } = await world.wallet.sign({ text: "hi" });
  await submit(page, world.moodyOptions, raw);
  assert.equal((await finish(world, page)).txId, txId);
  const others = urls.slice(0, 2).flatMap((each) => each.log);
  assert.ok(others.length >= 3);
  assert.deepEqual(
    others.filter((call) => !CHECKS.includes(call.method)),
    [],
  );
  const states = (await gateways(page)).map((each) => each.state);
  assert.deepEqual(states, ["wrong_chain", "syncing", "up"]);
});

test("when all gateways are on another chain the task is blocked, and a retry asks them anew", async (t) => {
  let chainId = "0x5";
  const mood = (call) => call.method === "eth_chainId" && { result: chainId };
  const world = await createMoody(t, [mood, mood]);
  const { page, urls } = world;
  const { raw, txId } = await world.wallet.sign({ text: "hi" });
  await submit(page, world.moodyOptions, raw);
  const blocked = await page.evaluate(() =>
    uplink.when(() => cache.tasks()[0].status === "blocked" && uplink.describe(cache.tasks()[0])),
  );
  assert.equal(blocked.reason, "wrong_chain");
  assert.match(blocked.cause, /is on chain 5, not 31337/);
  const read = await page.evaluate(() => uplink.attempt(() => cache.read(`0x${"12".repeat(32)}`)));
  assert.ok(read.error, "nor is anything read from them");
  const asked = new Set(urls.flatMap((each) => each.log).map((call) => call.method));
  assert.deepEqual([...asked], ["eth_chainId"]);
  chainId = "0x7a69";
  await page.evaluate(() => cache.retry(cache.tasks()[0].id));
  assert.equal((await finish(world, page)).txId, txId);
});

test("quorum: a block is final only when so many gateways each say so", async (t) => {
  let isBehind = true;
  const mood = ({ method, params }) =>
    isBehind && method === "eth_getBlockByNumber" && params[0] === "finalized" && genesis;
  const world = await createMoody(t, [undefined, (call) => mood(call) || undefined], { quorum: 2 });
  const genesis = { result: await world.chain.rpc("eth_getBlockByNumber", ["0x0", false]) };
  const { page, urls } = world;
  const { raw, txId } = await world.wallet.sign({ text: "hi" });
  await submit(page, world.moodyOptions, raw);
  await page.evaluate(() => cache.tasks()[0].until("sent"));
  await world.mine(6);
  await page.evaluate(() => cache.tasks()[0].until("included"));
  const finals = () => urls[1].log.filter((call) => call.params[0] === "finalized").length;
  const before = finals();
  // So many looks later it would be final by the first gateway's word alone.
  while (finals() < before + 5) await page.evaluate(() => cache.read(`0x${"12".repeat(32)}`));
  assert.equal(await page.evaluate(() => cache.tasks()[0].status), "included");
  isBehind = false;
  const outcome = await settled(page);
  assert.deepEqual([outcome.status, outcome.txId], ["final", txId]);
});

test("a dapp's own call is given up by its signal or its time, and its request broken off", async (t) => {
  const world = await createMoody(t, [undefined]);
  const { page, urls } = world;
  let gone = 0;
  let allGone;
  const whenAllGone = new Promise((resolve) => {
    allGone = resolve;
  });
  const hold = await startMoody(t, world.chain.url);
  const server = createServer((request, response) => {
    if (request.method === "OPTIONS") return void response.writeHead(204, CORS).end();
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", async () => {
      const body = Buffer.concat(chunks).toString();
      // What `read` calls in one turn goes together.
      const calls = [JSON.parse(body)].flat().filter(({ method }) => method === "eth_call");
      if (calls.length > 0) {
        response.on("close", () => {
          gone += calls.length;
          if (gone === 2) allGone();
        });
        return;
      }
      const reply = await fetch(hold.url, { method: "POST", body });
      response.writeHead(200, { ...CORS, "content-type": "application/json" });
      response.end(await reply.text());
    });
  });
  const url = `http://127.0.0.1:${await listen(server)}`;
  t.after(() => close(server));
  const seen = await page.evaluate(
    async ({ options, url }) => {
      const { gateway, ...more } = options;
      const errors = [];
      const read = async (_key, rpc) => {
        const abort = new AbortController();
        const params = [{ to: `0x${"11".repeat(20)}` }, "latest"];
        const calls = [
          rpc("eth_call", params, { timeoutMs: 200 }),
          rpc("eth_call", params, { signal: abort.signal }),
          rpc("eth_call", params, { timeoutMs: -1 }),
        ];
        setTimeout(() => abort.abort(), 100);
        const results = await Promise.allSettled(calls);
        errors.push(...results.map(({ reason }) => reason?.code));
        return undefined;
      };
      const cache = await uplink.openCache({
        ...more,
        gateway: uplink.evm({ ...gateway, urls: [url], read }),
      });
      await cache.read("a key");
      const { gateways } = cache.stats();
      return { errors, gateways };
    },
    { options: world.moodyOptions, url },
  );
  assert.deepEqual(seen.errors, ["gateway_unreachable", "aborted", "invalid_input"]);
  assert.equal(seen.gateways[0].failures, 0, "what is given up is no fault of the gateway");
  await whenAllGone;
  assert.equal(urls[0].log.length, 0);
});

test("options that cannot be are refused with what is wrong", () => {
  const url = "https://rpc.example.org";
  for (const [options, message] of [
    [{ urls: [] }, /1 to 16 addresses/],
    [{ urls: Array.from({ length: 17 }, (_, i) => `${url}/${i}`) }, /1 to 16 addresses/],
    [{ urls: ["rpc.example.org"] }, /no http, https, ws or wss address/],
    [{ urls: ["ftp://rpc.example.org"] }, /no http, https, ws or wss address/],
    [{ urls: ["https://"] }, /no http, https, ws or wss address/],
    [{ urls: [7] }, /an address is a string/],
    [{ urls: ["https://me:secret@rpc.example.org"] }, /no user or password/],
    [{ urls: [url, `${url}/`] }, /twice/],
    [{ urls: [url], quorum: 2 }, /quorum of 1 urls is a whole number from 1 to 1/],
    [{ urls: [url], quorum: 0 }, /quorum/],
    [{ urls: [url], maxInFlight: 0 }, /maxInFlight/],
    [{ urls: [url], timeoutMs: 1 }, /timeoutMs/],
    [{ urls: [url], rateLimit: 5 }, /rateLimit takes an object/],
    [{ urls: [url], rateLimit: { perSecond: 0 } }, /rateLimit.perSecond/],
    [{ urls: [url], rateLimit: { perMinute: 1 } }, /no option "perMinute"/],
  ]) {
    const check = (error) => error.code === "invalid_input" && message.test(error.message);
    assert.throws(() => evm({ chainId: 1, ...options }), check, JSON.stringify(options));
  }
  const gateway = evm({ urls: [url], chainId: 1, rateLimit: { perSecond: 5 } });
  assert.deepEqual(gateway.rateLimit, { perSecond: 5, burst: 10 });
});
