// A trap in the module ends the handle and all that waits for it, and nothing else: the log, the other tabs, and the same
// page once it opens again.

import assert from "node:assert/strict";
import { withTrapIn, withTrapInClosuresAfterPeek } from "../support/broken-module.mjs";
import { createWorld, test } from "./fixture.mjs";

const BROKEN = "/broken/module.wasm";

/** A world whose site also has this module. */
async function createWorldWith(t, module, { contentType = "application/wasm", ...options } = {}) {
  const serveModule = (_, response) =>
    response.writeHead(200, { "content-type": contentType }).end(module);
  return createWorld(t, { routes: { "/broken/": serveModule }, ...options });
}

const traps = [
  {
    name: "a trap inside of a call",
    make: () => withTrapIn("engine_peek"),
    // `peek` itself says so.
    peeked: { error: "internal" },
  },
  {
    name: "a trap inside of what the browser calls",
    make: withTrapInClosuresAfterPeek,
    peeked: { value: undefined },
  },
];

for (const { name, make, peeked } of traps) {
  test(`${name} rejects all that waits with \`internal\`; another tab leads, the same page opens again, nothing acknowledged is lost`, async (t) => {
    const world = await createWorldWith(t, await make());
    // No request is answered: sends, a read of the chain and `flush` wait.
    const hold = world.gateway.hold("request", () => true);
    const page = await world.openPage();
    await page.evaluate((options) => uplink.start(options), world.options({ wasm: BROKEN }));
    await page.evaluate(() => uplink.when(() => cache.stats().leader));
    const other = await world.openPage();
    await other.evaluate((options) => uplink.start(options), world.options());
    const signed = await world.wallet.signMany(3);
    const raws = signed.map(({ raw }) => raw);
    await page.evaluate(async ([first, second]) => {
      globalThis.task = await cache.submit({ payload: first, key: "entry/0", value: 0 });
      await cache.submit({ payload: second, key: "entry/1", value: 1 });
    }, raws);
    await hold.whenHeld();

    const seen = await page.evaluate(trip, raws[2]);
    assert.deepEqual(seen.peeked, peeked);
    assert.deepEqual(seen.waiting, {
      submit: "internal",
      read: "internal",
      until: "internal",
      settled: "internal",
      flush: "internal",
      list: "internal",
    });
    assert.equal(seen.storage.problem, "closed");
    assert.equal(seen.storage.code, "internal");
    assert.deepEqual(seen.later, { stats: "internal", submit: "internal", read: "internal" });

    await other.evaluate(() => uplink.when(() => cache.stats().leader));
    // The same page, with the module as it is shipped.
    const found = await page.evaluate(async (options) => {
      await uplink.start(options);
      const { items } = await cache.list({ prefix: "entry/" });
      return items.map(({ key, value, source }) => ({ key, value, source }));
    }, world.options());
    const acknowledged = found.filter(({ key }) => key !== "entry/2");
    assert.deepEqual(acknowledged, [
      { key: "entry/0", value: 0, source: "backup" },
      { key: "entry/1", value: 1, source: "backup" },
    ]);
    hold.release();
    await world.mineToFinal(signed[0].txId, signed[1].txId);
    const outcomes = await page.evaluate(
      (ids) => Promise.all(ids.map((id) => cache.tasks().find(({ txId }) => txId === id).settled)),
      [signed[0].txId, signed[1].txId],
    );
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ["final", "final"],
    );
    // Nothing of the dead one is in the way: not its connection, not its lock.
    await other.evaluate(() => cache.close());
    await page.evaluate(() => uplink.when(() => cache.stats().leader));
    await page.evaluate(() => cache.destroy());
    assert.deepEqual(await page.evaluate(() => indexedDB.databases()), []);
  });
}

/** In the page: has all kinds of calls wait, trips the trap, and tells what became of them. */
async function trip(payload) {
  const codeOf = (promise) =>
    promise.then(
      () => "resolved",
      (error) => (error instanceof uplink.UplinkError ? error.code : String(error)),
    );
  const storage = new Promise((resolve) => {
    cache.addEventListener("storage", ({ detail }) => resolve(detail));
  });
  const calls = {
    read: codeOf(cache.read("elsewhere", { source: "chain" })),
    until: codeOf(task.until("sent")),
    settled: codeOf(task.settled),
    flush: codeOf(cache.flush()),
    list: codeOf(cache.list({ prefix: "none/" })),
    // Last, so that its commit is still under way.
    submit: codeOf(cache.submit({ payload, key: "entry/2", value: 2 })),
  };
  let peeked;
  try {
    peeked = { value: cache.peek("entry/0") };
  } catch (error) {
    peeked = { error: error.code };
  }
  const waiting = {};
  for (const [name, code] of Object.entries(calls)) waiting[name] = await code;
  return {
    peeked,
    waiting,
    storage: await storage,
    later: {
      stats: await codeOf((async () => cache.stats())()),
      submit: await codeOf(cache.submit({ payload })),
      read: await codeOf(cache.read("entry/0")),
    },
  };
}

test("a trap in the middle of a commit: nothing of that commit is stored", async (t) => {
  const world = await createWorldWith(t, await withTrapIn("engine_peek"), { gatewayIsUp: false });
  const page = await world.openPage();
  await page.evaluate((options) => uplink.start(options), world.options({ wasm: BROKEN }));
  const signed = await world.wallet.signMany(2);
  const result = await page.evaluate(
    async ([first, second]) => {
      await cache.submit({ payload: first, key: "entry/0", value: 0 });
      const { add } = IDBObjectStore.prototype;
      // The module has issued the write, and not yet the end of the commit.
      IDBObjectStore.prototype.add = function (...args) {
        const request = add.apply(this, args);
        IDBObjectStore.prototype.add = add;
        try {
          cache.peek("entry/0");
        } catch {}
        return request;
      };
      const { error } = await uplink.attempt(() =>
        cache.submit({ payload: second, key: "entry/1", value: 1 }),
      );
      return error.code;
    },
    signed.map(({ raw }) => raw),
  );
  assert.equal(result, "internal");
  const keys = await page.evaluate(async (options) => {
    await uplink.start(options);
    return (await cache.list()).items.map(({ key }) => key);
  }, world.options());
  assert.deepEqual(keys, ["entry/0"]);
});

test("a module that traps while it opens, or is none, rejects the opening; the next with a good one succeeds", async (t) => {
  const world = await createWorldWith(t, await withTrapIn("engine_open"));
  const page = await world.openPage();
  const code = (wasm) =>
    page.evaluate(
      async (options) => (await uplink.attempt(() => uplink.start(options))).error?.code,
      world.options({ wasm }),
    );
  assert.equal(await code(BROKEN), "internal");
  assert.equal(await code("/nowhere.wasm"), "wasm_unavailable");
  assert.equal(await code("/page.js"), "wasm_unavailable");
  assert.equal(await code(), undefined);
});

test("a handle dies with the module that it shares with another, and its own events say so", async (t) => {
  const world = await createWorldWith(t, await withTrapIn("engine_peek"));
  const page = await world.openPage();
  const problems = await page.evaluate(
    async (options) => {
      const caches = [await uplink.open(options), await uplink.open({ ...options, name: "other" })];
      const told = caches.map(
        (cache) =>
          new Promise((resolve) => {
            cache.addEventListener("storage", ({ detail }) => resolve(detail.code));
          }),
      );
      await uplink.attempt(() => caches[0].peek("k"));
      const codes = await Promise.all(told);
      const later = await Promise.all(caches.map((cache) => uplink.attempt(() => cache.read("k"))));
      // A dead handle closes quietly, and may still delete its database.
      await caches[0].close();
      for (const cache of caches) await cache.destroy();
      return {
        codes,
        later: later.map(({ error }) => error?.code),
        left: await indexedDB.databases(),
      };
    },
    world.options({ wasm: BROKEN }),
  );
  assert.deepEqual(problems, {
    codes: ["internal", "internal"],
    later: ["internal", "internal"],
    left: [],
  });
});

test("the module is taken from a server that does not know its type, from bytes, and compiled", async (t) => {
  const world = await createWorld(t, {
    routes: {
      "/untyped/": (_, response) =>
        fetch(`${world.site.url}/dist/uplink_cache_bg.wasm`)
          .then((answer) => answer.arrayBuffer())
          .then((bytes) => response.writeHead(200).end(Buffer.from(bytes))),
    },
  });
  const sources = {
    untyped: () => "/untyped/module.wasm",
    url: () => new URL("/dist/uplink_cache_bg.wasm", location.href),
    request: () => new Request("/dist/uplink_cache_bg.wasm"),
    response: () => fetch("/dist/uplink_cache_bg.wasm"),
    bytes: () => fetch("/dist/uplink_cache_bg.wasm").then((answer) => answer.arrayBuffer()),
    module: () => WebAssembly.compileStreaming(fetch("/dist/uplink_cache_bg.wasm")),
  };
  for (const [name, source] of Object.entries(sources)) {
    const page = await world.openPage();
    const stats = await page.evaluate(
      async ({ options, source }) => {
        // biome-ignore lint/security/noGlobalEval: a function does not cross over as one
        await uplink.start({ ...options, wasm: await eval(source)() });
        return cache.stats().tasks.final;
      },
      { options: world.options(), source: String(source) },
    );
    assert.equal(stats, 0, name);
    await page.close();
  }
});

test("what is far too large is refused before the module sees it, and the handle lives on", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  await page.evaluate((options) => uplink.start(options), world.options({ codec: "bytes" }));
  const { raw } = await world.wallet.sign({});
  const codes = await page.evaluate(async (raw) => {
    const code = async (submit) => (await uplink.attempt(() => cache.submit(submit))).error?.code;
    const large = new Uint8Array(50 * 1024 * 1024);
    const larger = new Uint8Array(3 * 1024 ** 3);
    const text = "a".repeat(200 * 1024 * 1024);
    return {
      payload: await code({ payload: large }),
      largerPayload: await code({ payload: larger }),
      hexPayload: await code({ payload: `0x${text}` }),
      value: await code({ payload: raw, key: "k", value: large }),
      largerValue: await code({ payload: raw, key: "k", value: larger }),
      key: await code({ payload: raw, key: text, value: large.subarray(0, 1) }),
      lane: await code({ payload: raw, lane: text }),
      right: await code({ payload: raw, key: "k", value: large.subarray(0, 1) }),
      read: (await uplink.attempt(() => cache.read(text))).error?.code,
      peek: (await uplink.attempt(() => cache.peek(text))).error?.code,
    };
  }, raw);
  assert.deepEqual(codes, {
    payload: "too_large",
    largerPayload: "too_large",
    hexPayload: "too_large",
    value: "too_large",
    largerValue: "too_large",
    key: "invalid_input",
    lane: "invalid_input",
    right: undefined,
    read: "invalid_input",
    peek: "invalid_input",
  });
});
