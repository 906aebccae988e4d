// A handle that is closed takes nothing more, holds nobody up, and gives back what it held.

import assert from "node:assert/strict";
import { createWorld, test } from "./fixture.mjs";

const KIB = 1024;
const TASKS = 60;
const OPENINGS = 8;

/** Before the page's own code: the module's memory becomes known as the global `memory`. */
function watchMemory() {
  const note = (result) => {
    globalThis.memory = (result.instance ?? result).exports.memory;
    return result;
  };
  const { instantiate, instantiateStreaming } = WebAssembly;
  WebAssembly.instantiate = async (...args) => note(await instantiate(...args));
  WebAssembly.instantiateStreaming = async (...args) => note(await instantiateStreaming(...args));
}

test("opened and closed again and again, a cache is collected and its memory used anew", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await world.openPage({ initScript: watchMemory });
  const payloads = [];
  for (let at = 0; at < TASKS; at += 1) {
    payloads.push((await world.wallet.sign({ data: `0x${"ab".repeat(16 * KIB)}` })).raw);
  }
  await page.evaluate(
    async ({ options, payloads }) => {
      await uplink.start(options);
      await Promise.all(payloads.map((payload) => cache.submit({ payload })));
      await cache.close();
      globalThis.handles = [];
    },
    { options: world.options(), payloads },
  );
  const reopen = async ({ options, times }) => {
    for (let time = 0; time < times; time += 1) {
      const each = await uplink.open(options);
      handles.push(new WeakRef(each));
      await each.close();
    }
    return memory.buffer.byteLength;
  };
  const options = world.options();
  const before = await page.evaluate(reopen, { options, times: 2 });
  const after = await page.evaluate(reopen, { options, times: OPENINGS });
  const held = TASKS * 32 * KIB;
  assert.ok(after - before < held, `${OPENINGS} openings took ${after - before} bytes more`);
  await page.evaluate(() => {
    globalThis.cache = undefined;
  });
  const devTools = await page.context().newCDPSession(page);
  const isLeft = () => page.evaluate(() => handles.filter((each) => each.deref()).length);
  // Requests of the last one may be on their way.
  let left = await isLeft();
  for (let time = 0; left > 1 && time < 50; time += 1) {
    await devTools.send("HeapProfiler.collectGarbage");
    left = await isLeft();
  }
  assert.ok(left <= 1, `${left} of ${OPENINGS + 2} handles are left`);
});

test("closing waits for no read and no call, and says so to who waits", async (t) => {
  const world = await createWorld(t);
  const [page, other] = [await world.openPage(), await world.openPage()];
  const seen = await page.evaluate(async (options) => {
    const { promise: asked, resolve } = Promise.withResolvers();
    const { gateway, ...more } = options;
    const { evm, openCache } = await import("/dist/index.js");
    const read = (_key, _rpc, { signal }) => {
      resolve(signal);
      return new Promise(() => {});
    };
    globalThis.cache = await openCache({ ...more, gateway: evm({ ...gateway, read }) });
    const reading = uplink.attempt(() => cache.read("entry"));
    const many = cache.readMany(["entry"]).then(
      () => "answered",
      (error) => error.code,
    );
    const live = cache.live({ key: "entry" });
    const ended = (async () => {
      for await (const _ of live);
      return "ended";
    })();
    const signal = await asked;
    const closing = cache.close();
    const late = uplink.attempt(() => cache.submit({ payload: "0x01" }));
    await Promise.all([closing, cache.close()]);
    const [first, second] = [await reading, await late];
    return [first.error.code, await many, await ended, second.error.code, signal.aborted];
  }, world.options());
  assert.deepEqual(seen, ["closed", "closed", "ended", "closed", true]);
  // The lead is free.
  await other.evaluate((options) => uplink.start(options), world.options());
  const { raw, txId } = await world.wallet.sign({ text: "by the other" });
  await other.evaluate((payload) => cache.submit({ payload }), raw);
  await world.untilAccepted(txId);
});

test("what is submitted before close() is stored, what is submitted after it is not", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await world.openPage();
  const payloads = [];
  for (let at = 0; at < 40; at += 1) {
    payloads.push((await world.wallet.sign({ text: `entry ${at}` })).raw);
  }
  const { told, stored } = await page.evaluate(
    async ({ options, payloads }) => {
      await uplink.start(options);
      const half = payloads.length / 2;
      const submit = (payload) => uplink.attempt(() => cache.submit({ payload, key: payload }));
      const early = payloads.slice(0, half).map(submit);
      const closing = cache.close();
      const late = payloads.slice(half).map(submit);
      const told = await Promise.all([...early, ...late]);
      await closing;
      await uplink.start(options);
      const keys = cache.tasks().map(({ key }) => key);
      return {
        told: told.map(({ error }) => error?.code ?? "stored"),
        stored: payloads.map((payload) => (keys.includes(payload) ? "stored" : "closed")),
      };
    },
    { options: world.options(), payloads },
  );
  assert.deepEqual(told, stored);
  assert.equal(told.filter((code) => code === "closed").length, payloads.length / 2);
});

test("one name on two chains is two caches: neither shows, signs or sends what is the other's", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await world.openPage();
  const { raw } = await world.wallet.sign({ text: "for the first" });
  const seen = await page.evaluate(
    async ({ options, raw }) => {
      await uplink.start(options);
      await cache.submit({ payload: raw, key: "entry", value: 1 });
      const there = options.gateway.chainId;
      const other = await uplink.open({ ...options, gateway: { ...options.gateway, chainId: 5 } });
      const elsewhere = [other.tasks().length, other.peek("entry")?.value];
      await other.destroy();
      return { here: [cache.tasks().length, cache.peek("entry").value], elsewhere, there };
    },
    { options: world.options(), raw },
  );
  assert.deepEqual(seen.here, [1, 1]);
  assert.deepEqual(seen.elsewhere, [0, undefined]);
});
