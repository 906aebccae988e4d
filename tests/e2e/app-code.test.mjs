// The app's own functions do what they should not: what is theirs fails with its code, and all else goes on.

import assert from "node:assert/strict";
import { createWorld, REGISTRY, registryWrite, test } from "./fixture.mjs";

/** README, "Limits". */
const KEYS_AT_HAND = 1_000;

test("an update that throws what has no words blocks its task, here and after a reload, and nothing else", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const { raw } = await world.wallet.sign({ text: "checked" });
  const open = async (options) => {
    globalThis.updateFunctions = {
      check: () => {
        throw Object.create(null);
      },
    };
    await uplink.start(options);
  };
  const options = world.options({ updates: ["check"] });
  const look = async () => {
    const blocked = () => cache.tasks().find(({ status }) => status === "blocked");
    const { reason, cause } = await uplink.when(blocked);
    return { reason, cause, read: (await cache.read("other"))?.value };
  };
  await page.evaluate(open, options);
  await page.evaluate(
    (payload) => cache.submit({ payload, key: "entry", value: 1, update: "check" }),
    raw,
  );
  const expected = {
    reason: "update_failed",
    cause: 'the update "check" threw: what was thrown has no words',
  };
  assert.deepEqual(await page.evaluate(look), { ...expected, read: undefined });
  await page.reload();
  await page.evaluate(open, options);
  assert.deepEqual(await page.evaluate(look), { ...expected, read: undefined });
});

test("a value that the codec cannot decode is told to who lists and watches it, and to nobody else", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await world.openPage();
  const raws = await world.wallet.signMany(2);
  const seen = await page.evaluate(
    async ({ options, payloads }) => {
      const { evm, openCache, json } = await import("/dist/index.js");
      const gateway = evm(options.gateway);
      const open = (codec) => openCache({ ...options, gateway, codec });
      globalThis.cache = await open(json);
      await cache.submit({ payload: payloads[0], key: "entry/old", value: "old" });
      await cache.submit({ payload: payloads[1], key: "other", value: "new" });
      await cache.close();
      const decode = (stored) => {
        const value = json.decode(stored);
        if (value === "old") throw new Error("a format of before");
        return value;
      };
      globalThis.cache = await open({ encode: json.encode, decode });
      globalThis.reported = [];
      globalThis.reportError = (error) => reported.push(error.code);
      const iterate = async (query) => {
        for await (const page of cache.live(query)) return page.items.map(({ value }) => value);
      };
      const told = (promise) => promise.then(undefined, ({ code, message }) => [code, message]);
      return {
        live: await told(iterate({ prefix: "entry/" })),
        list: await told(cache.list({ prefix: "entry/" })),
        other: await iterate({ key: "other" }),
        reported,
      };
    },
    { options: world.options(), payloads: raws.map(({ raw }) => raw) },
  );
  const failure = ["invalid_input", 'the codec cannot decode the value of "entry/old"'];
  assert.deepEqual(seen, {
    live: failure,
    list: failure,
    other: ["new"],
    reported: ["invalid_input"],
  });
});

test("a draft whose value cannot be decoded never reaches its wallet, and says so", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const seen = await page.evaluate(async (options) => {
    const { evm, openCache, json } = await import("/dist/index.js");
    let asked = 0;
    const wallet = { sends: true, address: options.account, sign: () => (asked += 1) };
    const decode = () => {
      throw new Error("a format of before");
    };
    globalThis.cache = await openCache({
      ...options,
      gateway: evm(options.gateway),
      codec: { encode: json.encode, decode },
      signers: { wallet },
    });
    const task = await cache.submit({ sign: "wallet", key: "entry", value: 1 });
    await uplink.when(() => task.status === "blocked");
    return { reason: task.reason, asked };
  }, world.options());
  assert.deepEqual(seen, { reason: "signer_failed", asked: 0 });
});

test("flush() waits for no read of the app's that hangs", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const { raw, txId } = await world.wallet.sign({ text: "sent" });
  await page.evaluate(
    async ({ options, raw }) => {
      const { evm, openCache } = await import("/dist/index.js");
      const { promise: asked, resolve } = Promise.withResolvers();
      const read = () => {
        resolve();
        return new Promise(() => {});
      };
      globalThis.cache = await openCache({
        ...options,
        gateway: evm({ ...options.gateway, read }),
      });
      cache.read("entry").catch(() => undefined);
      await asked;
      await cache.submit({ payload: raw });
      await cache.flush();
    },
    { options: world.options(), raw },
  );
  await world.untilAccepted(txId);
});

test("a live key that only the chain has is shown once the gateway is back, though nothing else happens", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const stored = await world.wallet.sign(registryWrite("entry/1", { text: "hi" }));
  await world.chain.rpc("eth_sendRawTransaction", [stored.raw]);
  await world.mine(1);
  world.gateway.down();
  await page.evaluate((options) => uplink.start(options), world.options({ registry: REGISTRY }));
  const told = await page.evaluate(async () => {
    globalThis.pages = [];
    globalThis.found = new Promise((isFound) => {
      cache.watch({ key: "entry/1" }, ({ items }) => {
        pages.push(items.map(({ value }) => value));
        isFound();
      });
    });
    // It waits for the same question.
    const { error } = await uplink.attempt(() => cache.read("entry/1"));
    return {
      code: error.code,
      snapshot: cache.live({ key: "entry/1" }).getSnapshot() ?? "unknown",
    };
  });
  assert.deepEqual(told, { code: "gateway_unreachable", snapshot: "unknown" });
  world.gateway.up();
  const pages = await page.evaluate(() => found.then(() => pages));
  assert.deepEqual(pages, [[{ text: "hi" }]], "never that nothing is there");
});

test("without a gateway what was read stays shown, and what was withdrawn does not", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const stored = await world.wallet.sign(registryWrite("chain", { text: "hi" }));
  const [own] = await world.wallet.signMany(1);
  await world.chain.rpc("eth_sendRawTransaction", [stored.raw]);
  await world.mine(1);
  const options = world.options({ registry: REGISTRY, maxAge: 0 });
  await page.evaluate((options) => uplink.start(options), options);
  await page.evaluate(async (others) => {
    globalThis.live = cache.live({ key: "chain" });
    globalThis.written = uplink.collect({ key: "own" });
    await written.until((items) => items.length === 0);
    // One page, and nobody listens any more.
    for await (const { items } of live) if (items.length > 0) break;
    // As many as memory holds: the key is not at hand any more.
    const keys = Array.from({ length: others }, (_, at) => `other/${at}`);
    await cache.readMany(keys);
  }, KEYS_AT_HAND);
  world.gateway.down();
  const shown = await page.evaluate(async (payload) => {
    const next = live[Symbol.asyncIterator]().next();
    const { error } = await uplink.attempt(() => cache.read("chain"));
    const { value } = await next;
    const task = await cache.submit({ payload, key: "own", value: 1 });
    await written.until(([entry]) => entry?.value === 1);
    await cache.cancel(task.id);
    await written.until((items) => items.length === 0);
    return { code: error.code, values: value.items.map(({ value }) => value) };
  }, own.raw);
  assert.deepEqual(shown, { code: "gateway_unreachable", values: [{ text: "hi" }] });
});

test("a value that cannot be decoded calls no watcher again, and the next one that can does", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await world.openPage();
  const raws = await world.wallet.signMany(3);
  const seen = await page.evaluate(
    async ({ options, payloads }) => {
      const { evm, json, openCache } = await import("/dist/index.js");
      const { promise: reported, resolve } = Promise.withResolvers();
      globalThis.reportError = ({ code }) => resolve(code);
      const decode = (stored) => {
        const value = json.decode(stored);
        if (value === "new format") throw new Error("a format of later");
        return value;
      };
      const codec = { encode: json.encode, decode };
      globalThis.cache = await openCache({ ...options, gateway: evm(options.gateway), codec });
      const submit = (at, value) => cache.submit({ payload: payloads[at], key: `e/${at}`, value });
      await submit(0, 0);
      const pages = uplink.collect({ prefix: "e/" });
      await pages.until((items) => items.length === 1);
      const bad = await submit(1, "new format");
      const code = await reported;
      await cache.cancel(bad.id);
      await submit(2, 2);
      await pages.until((items) => items.length === 2);
      return { code, values: pages.map((items) => items.map(({ value }) => value).join()) };
    },
    { options: world.options(), payloads: raws.map(({ raw }) => raw) },
  );
  assert.deepEqual(seen, { code: "invalid_input", values: ["0", "0,2"] });
});

test("a page that is refused IndexedDB, or has none, is told so with the code", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await world.openPage();
  const seen = await page.evaluate(async (options) => {
    const failureWith = async (get) => {
      Object.defineProperty(globalThis, "indexedDB", { configurable: true, get });
      const { error } = await uplink.attempt(() => uplink.open(options));
      return [error.code, error.retryable, error.message];
    };
    const refuse = () => {
      throw new DOMException("denied for this document", "SecurityError");
    };
    return [await failureWith(refuse), await failureWith(() => undefined)];
  }, world.options());
  assert.deepEqual(seen, [
    ["storage_unavailable", true, "IndexedDB is refused here"],
    ["storage_unavailable", true, "there is no IndexedDB here"],
  ]);
});

test("a listener that captures can be removed", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await world.openPage();
  const [one] = await world.wallet.signMany(1);
  await page.evaluate((options) => uplink.start(options), world.options());
  const heard = await page.evaluate(async (payload) => {
    const heard = [];
    const [first, second] = [1, 2].map((name) => () => heard.push(name));
    for (const listener of [first, second]) {
      cache.addEventListener("status", listener, { capture: true });
    }
    cache.removeEventListener("status", first, { capture: true });
    await cache.submit({ payload });
    return heard;
  }, one.raw);
  assert.deepEqual(heard, [2]);
});

test("reconcile() asks nothing once its signal is aborted, and is broken off by it", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const nonces = ({ method }) => method === "eth_getTransactionCount";
  await page.evaluate(async (options) => {
    const { evm, openCache } = await import("/dist/index.js");
    globalThis.requests = 0;
    const wallet = {
      sends: true,
      address: options.account,
      sign: () => Promise.reject(new Error("the wallet is gone")),
      request: () => {
        requests += 1;
        return {};
      },
    };
    const gateway = evm(options.gateway);
    globalThis.cache = await openCache({ ...options, gateway, signers: { wallet } });
    globalThis.task = await cache.submit({ sign: "wallet", key: "entry", value: 1 });
    await uplink.when(() => task.status === "blocked");
  }, world.options());
  const before = world.gateway.log.filter(nonces).length;
  const aborted = await page.evaluate(() =>
    uplink.attempt(() => cache.reconcile(task.id, { signal: AbortSignal.abort() })),
  );
  assert.equal(aborted.error.code, "aborted");
  const held = world.gateway.hold("request", nonces);
  await page.evaluate(() => {
    globalThis.control = new AbortController();
    const { signal } = control;
    globalThis.later = uplink.attempt(() => cache.reconcile(task.id, { signal }));
  });
  await held.whenHeld();
  const asked = world.gateway.log.filter(nonces).length;
  const end = await page.evaluate(async () => {
    control.abort();
    const { error } = await later;
    return { code: error.code, reason: task.reason, requests };
  });
  held.release();
  assert.deepEqual(end, { code: "aborted", reason: "unknown", requests: 1 });
  assert.equal(asked, before + 1, "the first asked nothing");
  const found = await page.evaluate(() => cache.reconcile(task.id));
  assert.equal(found.result, "absent");
});

test("what a page adds to every object, enumerable, is in nobody's way", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const { raw } = await world.wallet.sign({ text: "hi" });
  const seen = await page.evaluate(
    async ({ options, payload }) => {
      Object.prototype.color = "red";
      await uplink.start(options);
      await cache.submit({ payload, key: "entry", value: { text: "hi" }, tags: { of: "one" } });
      const { items } = await cache.list({ tag: ["of", "one"] });
      return items.map(({ key, value, tags }) => [key, Object.keys(value), Object.keys(tags)]);
    },
    { options: world.options(), payload: raw },
  );
  assert.deepEqual(seen, [["entry", ["text"], ["of"]]]);
});

test("bytes of another realm are bytes: of a payload, a codec, a reading", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const { raw, txId } = await world.wallet.sign({ text: "hi" });
  const seen = await page.evaluate(
    async ({ options, hex }) => {
      const { evm, openCache } = await import("/dist/index.js");
      const frame = document.body.appendChild(document.createElement("iframe"));
      const { Uint8Array: Bytes } = frame.contentWindow;
      const codec = { encode: (value) => Bytes.of(value), decode: ([value]) => value };
      const gateway = evm({ ...options.gateway, read: async () => Bytes.of(8) });
      globalThis.cache = await openCache({ ...options, gateway, codec });
      const payload = Bytes.from(hex.slice(2).match(/../g), (pair) => Number.parseInt(pair, 16));
      const task = await cache.submit({ payload, key: "entry", value: 7 });
      const { value } = await cache.read("entry");
      return [task.txId, value, (await cache.read("other")).value];
    },
    { options: world.options(), hex: raw },
  );
  assert.deepEqual(seen, [txId, 7, 8]);
});

test("a watcher that stops while the app's read hangs leaves no timer", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  await page.evaluate(async (options) => {
    const { evm, openCache } = await import("/dist/index.js");
    globalThis.running = new Set();
    const { setInterval: begin, clearInterval: end } = globalThis;
    globalThis.setInterval = (...args) => {
      const id = begin(...args);
      running.add(id);
      return id;
    };
    globalThis.clearInterval = (id) => {
      running.delete(id);
      end(id);
    };
    const asked = new Promise((resolve) => {
      const read = () => {
        resolve();
        return new Promise(() => {});
      };
      globalThis.opening = openCache({ ...options, gateway: evm({ ...options.gateway, read }) });
    });
    globalThis.cache = await opening;
    const before = running.size;
    const stop = cache.watch({ key: "theirs" }, () => {});
    await asked;
    globalThis.counts = [before, running.size];
    stop();
  }, world.options());
  const [before, during] = await page.evaluate(() => counts);
  assert.equal(during, before + 1);
  await page.waitForFunction((most) => running.size <= most, before);
});
