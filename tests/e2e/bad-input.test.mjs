// Every bad input gets an UplinkError with its documented code, and leaves nothing behind.

import assert from "node:assert/strict";
import { serializeTransaction } from "viem";
import { createWallet } from "../support/wallet.mjs";
import { createWorld, test } from "./fixture.mjs";

const KIB = 1024;
const MIB = KIB * KIB;

const UNSIGNED = serializeTransaction({
  type: "eip1559",
  chainId: 31337,
  nonce: 0,
  to: "0x000000000000000000000000000000000000dEaD",
  gas: 21_000n,
  maxFeePerGas: 1n,
  maxPriorityFeePerGas: 1n,
});

/**
 * One row each: what it is, the code, and the action in the page. `arg` has `raw` (a good payload) and what `createArguments` adds.
 */
const CASES = [
  ["an empty hex payload", "invalid_input", () => cache.submit({ payload: "0x" })],
  ["an empty string as payload", "invalid_input", () => cache.submit({ payload: "" })],
  ["empty bytes as payload", "invalid_input", () => cache.submit({ payload: new Uint8Array() })],
  ["no payload", "invalid_input", () => cache.submit({ key: "entry/1", value: 1 })],
  ["no submission at all", "invalid_input", () => cache.submit()],
  [
    "a Map as value",
    "invalid_input",
    ({ raw }) => cache.submit({ payload: raw, value: new Map() }),
  ],
  [
    "a Set as value",
    "invalid_input",
    ({ raw }) => cache.submit({ payload: raw, value: new Set() }),
  ],
  [
    "bytes as JSON",
    "invalid_input",
    ({ raw }) => cache.submit({ payload: raw, value: new Uint8Array(2) }),
  ],
  ["NaN as value", "invalid_input", ({ raw }) => cache.submit({ payload: raw, value: Number.NaN })],
  ["a number as a task's name", "invalid_input", () => cache.task(5)],
  ["a signal that is none", "invalid_input", () => cache.read("entry", { signal: 5 })],
  ["null as submission", "invalid_input", () => cache.submit(null)],
  ["a payload that is a number", "invalid_input", () => cache.submit({ payload: 7 })],
  ["a payload that is an array", "invalid_input", () => cache.submit({ payload: [1, 2] })],
  [
    "a payload of odd length",
    "invalid_input",
    ({ raw }) => cache.submit({ payload: raw.slice(0, -1) }),
  ],
  ["a payload that is not hex", "invalid_input", () => cache.submit({ payload: "0xzz" })],
  ["a payload without 0x", "invalid_input", ({ raw }) => cache.submit({ payload: raw.slice(2) })],
  ["a payload with a space", "invalid_input", ({ raw }) => cache.submit({ payload: `${raw} ` })],
  ["an undecodable payload", "invalid_input", () => cache.submit({ payload: "0x1234" })],
  [
    "a truncated payload",
    "invalid_input",
    ({ raw }) => cache.submit({ payload: raw.slice(0, -2) }),
  ],
  [
    "a payload with a byte too many",
    "invalid_input",
    ({ raw }) => cache.submit({ payload: `${raw}00` }),
  ],
  [
    "an unknown envelope type",
    "invalid_input",
    ({ raw }) => cache.submit({ payload: `0x7f${raw.slice(4)}` }),
  ],
  [
    "an unsigned transaction",
    "invalid_input",
    ({ unsigned }) => cache.submit({ payload: unsigned }),
  ],
  [
    "random bytes",
    "invalid_input",
    () => cache.submit({ payload: crypto.getRandomValues(new Uint8Array(200)) }),
  ],
  [
    "a payload for another chain",
    "wrong_chain",
    ({ otherChain }) => cache.submit({ payload: otherChain }),
  ],
  [
    "a legacy payload for another chain",
    "wrong_chain",
    ({ otherChainLegacy }) => cache.submit({ payload: otherChainLegacy }),
  ],
  ["a payload over the limit", "too_large", ({ tooLarge }) => cache.submit({ payload: tooLarge })],
  [
    "a value over the limit",
    "too_large",
    ({ raw }) => cache.submit({ payload: raw, key: "k", value: "x".repeat(1024 * 1024) }),
  ],
  [
    "a BigInt value",
    "invalid_input",
    ({ raw }) => cache.submit({ payload: raw, key: "k", value: 1n }),
  ],
  [
    "a circular value",
    "invalid_input",
    ({ raw }) => {
      const value = {};
      value.self = value;
      return cache.submit({ payload: raw, key: "k", value });
    },
  ],
  [
    "undefined as value",
    "invalid_input",
    ({ raw }) => cache.submit({ payload: raw, key: "k", value: undefined }),
  ],
  [
    "a function as value",
    "invalid_input",
    ({ raw }) => cache.submit({ payload: raw, key: "k", value: () => 1 }),
  ],
  [
    "a symbol as value",
    "invalid_input",
    ({ raw }) => cache.submit({ payload: raw, key: "k", value: Symbol("s") }),
  ],
  [
    "a value whose toJSON throws",
    "invalid_input",
    ({ raw }) =>
      cache.submit({
        payload: raw,
        key: "k",
        value: {
          toJSON() {
            throw new Error("no");
          },
        },
      }),
  ],
  [
    "a key of 1,025 bytes",
    "invalid_input",
    ({ raw }) => cache.submit({ payload: raw, key: "x".repeat(1025), value: 1 }),
  ],
  [
    "a key of 513 two-byte letters",
    "invalid_input",
    ({ raw }) => cache.submit({ payload: raw, key: "é".repeat(513), value: 1 }),
  ],
  [
    "a key with a lone surrogate",
    "invalid_input",
    ({ raw }) => cache.submit({ payload: raw, key: "a\ud800b", value: 1 }),
  ],
  [
    "a key that is a number",
    "invalid_input",
    ({ raw }) => cache.submit({ payload: raw, key: 7, value: 1 }),
  ],
  [
    "a key that is null",
    "invalid_input",
    ({ raw }) => cache.submit({ payload: raw, key: null, value: 1 }),
  ],
  [
    "a lane that is no string",
    "invalid_input",
    ({ raw }) => cache.submit({ payload: raw, lane: 7 }),
  ],
  [
    "an idempotency key that is no string",
    "invalid_input",
    ({ raw }) => cache.submit({ payload: raw, idempotencyKey: 7 }),
  ],
  [
    "an unknown option of submit",
    "invalid_input",
    ({ raw }) => cache.submit({ payload: raw, keys: "k" }),
  ],
  ["an unknown option of read", "invalid_input", () => cache.read("k", { from: "cache" })],
  ["an unknown source", "invalid_input", () => cache.read("k", { source: "network" })],
  ["an unknown option of list", "invalid_input", () => cache.list({ prefixes: "k" })],
  ["a limit of 0", "invalid_input", () => cache.list({ limit: 0 })],
  ["a negative limit", "invalid_input", () => cache.list({ limit: -1 })],
  ["a limit that is a fraction", "invalid_input", () => cache.list({ limit: 1.5 })],
  ["a cursor that list never gave", "invalid_input", () => cache.list({ cursor: 7 })],
  ["a read of a key over the limit", "invalid_input", () => cache.read("x".repeat(1025))],
  ["a read of a lone surrogate", "invalid_input", () => cache.read("\udc00")],
  ["a read of no key", "invalid_input", () => cache.read()],
  ["an unknown option of watch", "invalid_input", () => cache.watch({ keys: "k" }, () => {})],
  ["an unknown status", "invalid_input", () => cache.tasks({ status: "lost" })],
  ["a retry of no known task", "not_found", () => cache.retry("0".repeat(32))],
  ["a cancel of no known task", "not_found", () => cache.cancel("0".repeat(32))],
  ["a discard of no known task", "not_found", () => cache.discard("0".repeat(32))],
  [
    "a second open with an unknown option",
    "invalid_input",
    ({ options }) => uplink.open({ ...options, nmae: "x" }),
  ],
  [
    "an open without a name",
    "invalid_input",
    ({ options }) => uplink.open({ ...options, name: undefined }),
  ],
  [
    "an open with an empty name",
    "invalid_input",
    ({ options }) => uplink.open({ ...options, name: "" }),
  ],
  ["an open without a gateway", "invalid_input", () => uplink.openCache({ name: "other" })],
  [
    "an open with a wrong account",
    "invalid_input",
    ({ options }) => uplink.open({ ...options, account: "0x12" }),
  ],
  [
    "an open with an unknown durability",
    "invalid_input",
    ({ options }) => uplink.open({ ...options, durability: "none" }),
  ],
  [
    "an open with less than no room for settled values",
    "invalid_input",
    ({ options }) => uplink.open({ ...options, cacheBytes: -1 }),
  ],
  [
    "a gateway with an unknown option",
    "invalid_input",
    ({ options }) => uplink.open({ ...options, gateway: { ...options.gateway, url: "x" } }),
  ],
  [
    "a gateway without URLs",
    "invalid_input",
    ({ options }) => uplink.open({ ...options, gateway: { ...options.gateway, urls: [] } }),
  ],
  [
    "a gateway whose URL is none",
    "invalid_input",
    ({ options }) =>
      uplink.open({ ...options, gateway: { ...options.gateway, urls: ["not a url"] } }),
  ],
  [
    "a gateway without a chain id",
    "invalid_input",
    ({ options }) =>
      uplink.open({ ...options, gateway: { ...options.gateway, chainId: undefined } }),
  ],
  [
    "an unknown finality",
    "invalid_input",
    ({ options }) => uplink.open({ ...options, gateway: { ...options.gateway, finality: "soon" } }),
  ],
  [
    "0 confirmations",
    "invalid_input",
    ({ options }) =>
      uplink.open({ ...options, gateway: { ...options.gateway, finality: { confirmations: 0 } } }),
  ],
];

async function createArguments(world) {
  const good = await world.wallet.sign({ text: "hi" });
  const other = createWallet({ chainId: 1 });
  return {
    options: world.options({ name: "other" }),
    raw: good.raw,
    unsigned: UNSIGNED,
    otherChain: (await other.sign({ text: "hi" })).raw,
    otherChainLegacy: (await other.sign({ text: "hi", type: "legacy" })).raw,
    tooLarge: (await world.wallet.sign({ data: `0x${"ab".repeat(MIB)}` })).raw,
  };
}

test("bad input to an open cache gets its code, and nothing is stored, readable or sent", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const argument = await createArguments(world);
  await page.evaluate((options) => uplink.start(options), world.options());
  await page.evaluate(async (argument) => {
    globalThis.argument = argument;
    globalThis.recordsBefore = await uplink.countRecords();
  }, argument);

  for (const [name, code, action] of CASES) {
    await t.test(`${name}: ${code}`, async () => {
      const seen =
        await page.evaluate(`uplink.attempt(() => (${action})(argument)).then(async ({ error, value }) => ({
        error,
        isAccepted: error === undefined,
        value: String(value),
        tasks: cache.tasks().length,
        items: (await cache.list({})).items.length,
        newRecords: (await uplink.countRecords()) - recordsBefore,
      }))`);
      assert.equal(seen.isAccepted, false, `it was accepted, and gave ${seen.value}`);
      assert.equal(seen.error.isUplinkError, true, `${seen.error.name}: ${seen.error.message}`);
      assert.equal(seen.error.code, code, seen.error.message);
      assert.equal(seen.error.retryable, false);
      assert.ok(seen.error.message.length > 10, "the message says what is wrong");
      assert.equal(seen.tasks, 0);
      assert.equal(seen.items, 0);
      assert.equal(seen.newRecords, 0);
    });
  }

  // The same cache still works: the good payload, and then a send as the end of all that could have been sent.
  await page.evaluate((raw) => cache.submit({ payload: raw }), argument.raw);
  await world.gateway.until(() => world.gateway.sends().length > 0, "the good payload is sent");
  assert.deepEqual(
    world.gateway.sends().map((call) => call.params[0]),
    [argument.raw],
  );
});

test("evm refuses bad options when it is called or when the cache is opened, never later", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  for (const bad of [
    { urls: [7], chainId: 1 },
    { urls: ["http://127.0.0.1:1"], chainId: "1" },
    { urls: "x", chainId: 1 },
  ]) {
    const seen = await page.evaluate(
      (bad) => uplink.attempt(() => uplink.openCache({ name: "x", gateway: uplink.evm(bad) })),
      bad,
    );
    assert.equal(seen.error?.code, "invalid_input", JSON.stringify(bad));
  }
});

test("every method of a closed cache says closed, and closing twice is fine", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await world.openPage();
  const { raw } = await world.wallet.sign({ text: "hi" });
  const seen = await page.evaluate(
    async ({ options, raw }) => {
      await uplink.start(options);
      const task = await cache.submit({ payload: raw, key: "k", value: 1 });
      const pending = uplink.attempt(() => task.settled);
      await cache.close();
      const again = await uplink.attempt(() => cache.close());
      const actions = {
        submit: () => cache.submit({ payload: raw }),
        read: () => cache.read("k"),
        peek: () => cache.peek("k"),
        list: () => cache.list({}),
        watch: () => cache.watch({ key: "k" }, () => {}),
        tasks: () => cache.tasks(),
        task: () => cache.task(task.id),
        retry: () => cache.retry(task.id),
        cancel: () => cache.cancel(task.id),
        discard: () => cache.discard(task.id),
        flush: () => cache.flush(),
        stats: () => cache.stats(),
      };
      const codes = {};
      for (const [name, action] of Object.entries(actions)) {
        codes[name] = (await uplink.attempt(action)).error?.code;
      }
      return { codes, again: again.error, pending: (await pending).error?.code };
    },
    { options: world.options(), raw },
  );
  assert.deepEqual(
    seen.codes,
    Object.fromEntries(Object.keys(seen.codes).map((name) => [name, "closed"])),
  );
  assert.equal(seen.again, undefined);
  assert.equal(seen.pending, "closed", "who waits for a task hears that the cache was closed");
  const kept = await page.evaluate(async (options) => {
    await uplink.start(options);
    return cache.peek("k")?.value;
  }, world.options());
  assert.equal(kept, 1, "what was backed up is there when it is opened again");
});

const STORAGES = [
  [
    "is absent",
    "Object.defineProperty(globalThis, 'indexedDB', { value: undefined, configurable: true })",
    "storage_unavailable",
  ],
  [
    "is null",
    "Object.defineProperty(globalThis, 'indexedDB', { value: null, configurable: true })",
    "storage_unavailable",
  ],
  [
    "was deleted",
    "delete globalThis.indexedDB; delete Window.prototype.indexedDB",
    "storage_unavailable",
  ],
  [
    "throws at open",
    "IDBFactory.prototype.open = () => { throw new DOMException('denied', 'SecurityError') }",
    "storage_unavailable",
  ],
  [
    "refuses to open",
    `{
      const open = IDBFactory.prototype.open;
      // A version that cannot be opened makes the request itself fail, asynchronously.
      IDBFactory.prototype.open = function (name) {
        const request = open.call(this, name, 1);
        request.addEventListener("upgradeneeded", (event) => {
          event.stopImmediatePropagation();
          request.transaction.abort();
        });
        return request;
      };
    }`,
    "storage_unavailable",
  ],
];

for (const [what, initScript, code] of STORAGES) {
  test(`openCache rejects with ${code} when IndexedDB ${what}, and works once it is back`, async (t) => {
    const world = await createWorld(t);
    const browser = await world.openBrowser();
    const broken = await browser.openPage({ initScript });
    const { error } = await broken.evaluate(
      (options) => uplink.attempt(() => uplink.start(options)),
      world.options(),
    );
    assert.equal(error?.code, code);
    assert.equal(error.isUplinkError, true);
    const page = await browser.openPage();
    const again = await page.evaluate(
      (options) => uplink.attempt(() => uplink.start(options)),
      world.options(),
    );
    assert.equal(again.error, undefined);
  });
}

test("a database of a newer format is refused with newer_format, and left as it is", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await world.openPage();
  const { raw } = await world.wallet.sign({ text: "hi" });
  const seen = await page.evaluate(
    async ({ options, raw }) => {
      await uplink.start(options);
      await cache.submit({ payload: raw, key: "k", value: 1 });
      await cache.close();
      const [{ name, version }] = await indexedDB.databases();
      const newer = await uplink.done(indexedDB.open(name, version + 1));
      newer.close();
      const records = await uplink.countRecords();
      const { error } = await uplink.attempt(() => uplink.start(options));
      const [after] = await indexedDB.databases();
      return { error, records, recordsAfter: await uplink.countRecords(), version, after };
    },
    { options: world.options(), raw },
  );
  assert.equal(seen.error?.code, "newer_format");
  assert.equal(seen.error.retryable, false);
  assert.equal(seen.recordsAfter, seen.records);
  assert.equal(seen.after.version, seen.version + 1);
});

test("a module that cannot be loaded rejects openCache, and the next try succeeds", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  await page.route("**/*.wasm", (route) => route.abort(), { times: 1 });
  const first = await page.evaluate(
    (options) => uplink.attempt(() => uplink.start(options)),
    world.options(),
  );
  assert.equal(first.error?.isUplinkError, true);
  assert.deepEqual([first.error.code, first.error.retryable], ["wasm_unavailable", true]);
  const second = await page.evaluate(
    (options) => uplink.attempt(() => uplink.start(options)),
    world.options(),
  );
  assert.equal(second.error, undefined);
});
