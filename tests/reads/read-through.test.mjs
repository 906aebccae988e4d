// What is read from the chain: how old it may be, that one request serves all, that many keys go together, that nobody is
// asked for what nobody waits for, and that nothing steps back.

import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { stringToHex } from "viem";
import { createWorld, REGISTRY, test } from "../e2e/fixture.mjs";
import { startAnvil } from "../support/anvil.mjs";
import { dropRequest, http, rpcError } from "../support/faults.mjs";
import { method } from "../support/gateway.mjs";

const isRead = method("eth_call");

/** A page with an open cache whose `read` asks the registry; `more` are options of `openCache`. */
async function createReader(t, more = {}, { gatewayOptions = {} } = {}) {
  const world = await createWorld(t);
  const options = world.options({ registry: REGISTRY, gateway: gatewayOptions, ...more });
  const page = await world.openPage();
  await page.evaluate((options) => uplink.start(options), options);
  const reads = () => world.gateway.log.filter(isRead);
  /** Somebody else writes: what the registry has from the next block on. */
  const write = async (key, value) => {
    const word = value === undefined ? "" : JSON.stringify(value);
    const [slot, content] = [key, word].map((text) => stringToHex(text, { size: 32 }));
    await world.chain.rpc("anvil_setStorageAt", [REGISTRY, slot, content]);
    await world.mine();
  };
  return { ...world, page, reads, write, readerOptions: options };
}

const read = (page, key, options) =>
  page.evaluate(
    async ({ key, options }) => {
      const { value, error } = await uplink.attempt(() => cache.read(key, options));
      if (error) return { code: error.code };
      return value && { value: value.value, source: value.source, stale: value.stale };
    },
    { key, options },
  );

test("a reading answers as long as maxAge says, and then the chain is asked again", async (t) => {
  const { page, reads, write } = await createReader(t, { maxAge: 60_000 });
  await write("a", 1);
  assert.deepEqual(await read(page, "a"), { value: 1, source: "chain", stale: undefined });
  await write("a", 2);
  assert.deepEqual(await read(page, "a"), { value: 1, source: "cache", stale: undefined });
  assert.equal(reads().length, 1);
  assert.equal((await read(page, "a", { maxAge: 0 })).value, 2);
  assert.equal((await read(page, "a")).value, 2);
  assert.equal((await read(page, "a", { source: "chain" })).source, "chain");
  assert.equal((await read(page, "a", { source: "chain", maxAge: 60_000 })).source, "cache");
  assert.equal(reads().length, 3);
});

test("that nothing is there is known for negativeMaxAge, and no longer than maxAge", async (t) => {
  const options = { maxAge: 60_000, negativeMaxAge: 60_000 };
  const { page, reads, write } = await createReader(t, options);
  assert.equal(await read(page, "a"), undefined);
  await write("a", 1);
  assert.equal(await read(page, "a"), undefined);
  assert.equal(reads().length, 1);
  assert.equal((await read(page, "a", { maxAge: 0 })).value, 1);
  const usual = await createReader(t);
  assert.equal(await read(usual.page, "a"), undefined);
  await usual.write("a", 1);
  assert.equal((await read(usual.page, "a")).value, 1, "by default it is asked every time");
});

test("what is a little too old is given at once, says so, and is renewed for whoever watches", async (t) => {
  const options = { maxAge: 200, staleWhileRevalidate: 60_000 };
  const { page, reads, write, gateway } = await createReader(t, options);
  await write("a", 1);
  await page.evaluate(() => {
    globalThis.seen = [];
    cache.watch({ key: "a" }, ({ items }) => seen.push([items[0]?.value, items[0]?.stale]));
  });
  await gateway.until(() => reads().length === 1, "the watcher reads");
  await page.waitForFunction(() => seen.some(([value]) => value === 1));
  await write("a", 2);
  await delay(250);
  const held = gateway.hold("reply", isRead);
  assert.deepEqual(await read(page, "a"), { value: 1, source: "cache", stale: true });
  assert.deepEqual(await read(page, "a"), { value: 1, source: "cache", stale: true });
  await held.whenHeld();
  assert.equal(held.held.length, 1, "one request renews it");
  held.release();
  await page.waitForFunction(() => seen.some(([value]) => value === 2));
});

test("all who read a key meanwhile share one request, which lives as long as one of them waits", async (t) => {
  const { page, reads, write, gateway } = await createReader(t);
  await write("a", 1);
  const held = gateway.hold("request", isRead);
  const answers = page.evaluate(async () => {
    globalThis.control = new AbortController();
    const { signal } = control;
    const given = Array.from({ length: 19 }, () => cache.read("a", { signal }));
    const codes = given.map((each) => each.catch((error) => error.code));
    const last = cache.read("a");
    return { codes: await Promise.all(codes), value: (await last).value };
  });
  await held.whenHeld();
  await page.evaluate(() => control.abort());
  held.release();
  const { codes, value } = await answers;
  assert.deepEqual(new Set(codes), new Set(["aborted"]));
  assert.equal(value, 1);
  assert.equal(reads().length, 1);
});

test("when the last of them gives up the request is broken off, and the dapp's function is told", async (t) => {
  const world = await createReader(t);
  const { page, gateway } = world;
  await page.evaluate(async (options) => {
    const { evm, openCache } = uplink;
    const read = async (_key, rpc, at) => {
      globalThis.readAt = at;
      globalThis.calls = [rpc("eth_call", [{ to: options.registry }, at.block])];
      await calls[0];
    };
    const gateway = evm({ ...options.gateway, read });
    globalThis.other = await openCache({ name: "other", gateway });
    globalThis.control = new AbortController();
    globalThis.answer = other.read("a", { signal: control.signal }).catch((error) => error.code);
    // Also what never came as far as the gateway.
    const early = new AbortController();
    const gone = other.readMany(["b", "c"], { signal: early.signal });
    early.abort();
    globalThis.early = gone.catch((error) => error.code);
  }, world.readerOptions);
  const held = gateway.hold("request", isRead);
  await held.whenHeld();
  const codes = await page.evaluate(async () => {
    control.abort(new Error("enough"));
    const call = await calls[0].catch((error) => error.code);
    return [await answer, await early, call, readAt.signal.aborted];
  });
  assert.deepEqual(codes, ["aborted", "aborted", "aborted", true]);
  const [call] = held.held;
  // The request is held here: only its client can end it.
  await gateway.untilIdle();
  held.release();
  await gateway.until(() => call.repliedAt !== undefined, "the chain has answered");
  assert.equal(call.delivered, false, "the connection was closed");
  assert.equal(world.reads().length, 1);
});

test("many keys give one answer each, in order, and leave as batches", async (t) => {
  const { page, reads, write, gateway } = await createReader(t, { maxAge: 60_000 });
  const keys = Array.from({ length: 120 }, (_, n) => `k${n}`);
  for (const n of [3, 60, 119]) await write(`k${n}`, n);
  const slot = (key) => stringToHex(key, { size: 32 });
  const isOf = (key) => (call) => isRead(call) && call.params[0].data === slot(key);
  const reverts = rpcError({ code: 3, message: "execution reverted" });
  gateway.fault(isOf("k7"), reverts);
  const asked = [...keys, "k3", "x".repeat(1025)];
  const results = await page.evaluate(async (asked) => {
    const results = await cache.readMany(asked);
    return results.map((each) => each && [each.key.slice(0, 4), each.value, each.error?.code]);
  }, asked);
  assert.equal(results.length, asked.length);
  const found = results.flatMap((each, at) => (each ? [[at, ...each]] : []));
  const none = undefined;
  assert.deepEqual(found, [
    [3, "k3", 3, none],
    [7, "k7", none, "gateway_error"],
    [60, "k60", 60, none],
    [119, "k119", 119, none],
    [120, "k3", 3, none],
    [121, "xxxx", none, "invalid_input"],
  ]);
  assert.equal(reads().length, 120, "each key is asked for once");
  assert.equal(new Set(reads().map((call) => call.params[1])).size, 1, "as of one block");
  assert.deepEqual(postSizes(reads()), [50, 50, 20]);
  const again = await page.evaluate(() => cache.readMany(["k119", "k3"]));
  assert.deepEqual(
    again.map(({ value, source }) => [value, source]),
    [
      [119, "cache"],
      [3, "cache"],
    ],
  );
  assert.deepEqual(await page.evaluate(() => cache.readMany([])), []);
});

test("where a gateway takes no batches, smaller ones go, down to single calls", async (t) => {
  const { page, reads, write, gateway } = await createReader(t);
  await write("k5", 5);
  const isInBatch = (call) =>
    isRead(call) && gateway.log.filter((each) => each.post === call.post).length > 3;
  gateway.fault(isInBatch, http({ status: 413 }));
  const values = await page.evaluate(async () => {
    const keys = Array.from({ length: 20 }, (_, n) => `k${n}`);
    return (await cache.readMany(keys)).map((each) => each?.value ?? each?.error?.code);
  });
  assert.deepEqual(
    values.filter((each) => each !== undefined),
    [5],
  );
  assert.equal(values[5], 5);
  const answered = reads().filter((call) => call.fault === undefined);
  assert.equal(answered.length, 20);
  assert.ok(Math.max(...postSizes(answered)) > 1, "what is small enough still goes together");
});

test("a readMany of the gateway's gets all keys of a turn at once", async (t) => {
  const world = await createReader(t);
  const { page, write } = world;
  await write("b", "B");
  const seen = await page.evaluate(async (options) => {
    const calls = [];
    let short = false;
    const readMany = async (keys, rpc, at) => {
      calls.push([keys, at.block === `0x${at.number.toString(16)}`]);
      await rpc("eth_blockNumber");
      if (short) return [undefined];
      return keys.map((key) => (key === "b" ? new TextEncoder().encode('"B"') : undefined));
    };
    const gateway = uplink.evm({ ...options.gateway, readMany });
    const own = await uplink.openCache({ name: "multicall", gateway });
    const plain = (each) => each && (each.error?.code ?? each.value);
    const all = (await own.readMany(["a", "b", "c", "b"])).map(plain);
    const one = plain(await own.read("b", { source: "chain" }));
    short = true;
    const wrong = (await own.readMany(["a", "b"], { source: "chain" })).map(plain);
    return { calls, all, one, wrong };
  }, world.readerOptions);
  assert.deepEqual(seen.calls, [
    [["a", "b", "c"], true],
    [["b"], true],
    [["a", "b"], true],
  ]);
  assert.deepEqual(seen.all, [undefined, "B", undefined, "B"]);
  assert.equal(seen.one, "B");
  assert.deepEqual(seen.wrong, ["gateway_error", "gateway_error"]);
});

test("a function whose own call gets no answer makes a read gateway_unreachable, and one that throws gateway_error", async (t) => {
  const { page, gateway, readerOptions } = await createReader(t);
  gateway.fault(method("eth_gasPrice"), dropRequest);
  const codes = await page.evaluate(async (options) => {
    const read = async (key, rpc) => {
      if (key === "throws") throw new Error("a function's own");
      await rpc("eth_gasPrice");
    };
    const cache = await uplink.openCache({
      name: "unanswered",
      gateway: uplink.evm({ ...options.gateway, read }),
    });
    const codeOf = async (key) => (await uplink.attempt(() => cache.read(key))).error?.code;
    return [await codeOf("unanswered"), await codeOf("throws")];
  }, readerOptions);
  assert.deepEqual(codes, ["gateway_unreachable", "gateway_error"]);
});

test("what a lagging replica says, or does not know, takes nothing back", async (t) => {
  const { page, chain, gateway, write, onEnd, wallet, mine } = await createReader(t);
  const replica = await startAnvil({ slotsInEpoch: 2, forkUrl: chain.url });
  onEnd(replica.stop);
  await write("a", "new");
  const { raw, txId } = await wallet.sign({ text: "by id" });
  await chain.rpc("eth_sendRawTransaction", [raw]);
  await mine();
  const first = await read(page, "a");
  assert.equal(first.value, "new");
  const status = () =>
    page.evaluate(async (txId) => (await cache.read(txId, { source: "chain" }))?.status, txId);
  assert.equal(await status(), "included");
  const end = gateway.route(() => true, replica.url);
  assert.equal(await status(), "included", "null by hash means nothing while its block stands");
  const { code, ...later } = await read(page, "a", { maxAge: 0 });
  assert.equal(code, undefined);
  assert.deepEqual(later, { value: "new", source: "cache", stale: true });
  assert.equal(await page.evaluate(() => cache.peek("a")?.value), "new");
  end();
  await write("a", undefined);
  assert.equal(await read(page, "a", { maxAge: 0 }), undefined, "what the chain deletes is gone");
  assert.equal(await page.evaluate(() => cache.peek("a")), undefined);
});

test("another tab reads as of no older block, where its gateway catches up", async (t) => {
  const world = await createReader(t);
  const { page, gateway, chain, write, onEnd, openPage, readerOptions, wallet } = world;
  const replica = await startAnvil({ slotsInEpoch: 2, forkUrl: chain.url });
  onEnd(replica.stop);
  const end = gateway.route((call) => call.path === "/second", replica.url);
  await write("a", "new");
  // The tab that leads follows the chain for a task, and tells the others.
  const { raw } = await wallet.sign({ text: "hi" });
  await page.evaluate((payload) => cache.submit({ payload, key: "b", value: 1 }), raw);
  const second = await openPage();
  const { gateway: options, ...rest } = readerOptions;
  const urls = [`${gateway.url}/second`];
  await second.evaluate((given) => uplink.start(given), { ...rest, gateway: { ...options, urls } });
  await world.mine();
  await second.evaluate(() =>
    uplink.when(() => cache.stats().tip?.head.number >= 2 || cache.stats().head?.number >= 2),
  );
  const reading = read(second, "a", { maxAge: 0 });
  await gateway.until((log) => log.some((call) => call.path === "/second" && call.reply), "asked");
  await delay(300);
  end();
  assert.equal((await reading).value, "new");
});

test("a settled write has no age; who asks for the chain's word gets it, and it stays from then on", async (t) => {
  const { page, reads, write, wallet, mineToFinal, gateway } = await createReader(t);
  const { raw, txId } = await wallet.sign({ text: "hi" });
  await page.evaluate(async (payload) => {
    globalThis.task = await cache.submit({ payload, key: "a", value: "mine" });
  }, raw);
  await mineToFinal(txId);
  await page.evaluate(() => task.settled);
  await write("a", "theirs");
  assert.deepEqual(await read(page, "a"), { value: "mine", source: "cache", stale: undefined });
  assert.equal(reads().length, 0);
  gateway.down();
  assert.deepEqual(await read(page, "a", { maxAge: 1_000 }), {
    value: "mine",
    source: "cache",
    stale: true,
  });
  gateway.up();
  const aged = { maxAge: 60_000 };
  await page.waitForFunction(
    async (aged) => (await cache.read("a", aged)).value === "theirs",
    aged,
  );
  assert.equal((await read(page, "a")).value, "theirs");
  assert.equal(await page.evaluate(() => cache.peek("a").value), "theirs");
});

test("bad input is refused before anything is asked", async (t) => {
  const { page, reads } = await createReader(t);
  const codes = await page.evaluate(async () => {
    const calls = {
      negative: () => cache.read("a", { maxAge: -1 }),
      half: () => cache.read("a", { maxAge: 1.5 }),
      text: () => cache.readMany(["a"], { maxAge: "1" }),
      infinite: () => cache.read("a", { maxAge: Number.POSITIVE_INFINITY }),
      unknown: () => cache.readMany(["a"], { latest: true }),
      noList: () => cache.readMany("a"),
      tooMany: () => cache.readMany(Array.from({ length: 1001 }, (_, n) => `${n}`)),
      number: () => cache.readMany(["a", 1]),
      surrogate: () => cache.readMany(["\ud800"]),
      opened: () => uplink.openCache({ name: "x", maxAge: -1, gateway: {} }),
      noFunction: async () => uplink.evm({ urls: ["http://127.0.0.1:1"], chainId: 1, readMany: 1 }),
    };
    const codes = {};
    for (const [name, call] of Object.entries(calls)) {
      codes[name] = (await uplink.attempt(call)).error?.code;
    }
    return codes;
  });
  assert.deepEqual(
    new Set(Object.values(codes)),
    new Set(["invalid_input"]),
    JSON.stringify(codes),
  );
  assert.equal(reads().length, 0);
});

/** How many calls each HTTP request carried. */
function postSizes(calls) {
  const sizes = new Map();
  for (const { post } of calls) sizes.set(post, (sizes.get(post) ?? 0) + 1);
  return [...sizes.values()];
}
