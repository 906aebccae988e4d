// A damaged segment costs what is damaged and nothing else, is told, and can be taken out until somebody discards it.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { createWallet } from "../support/wallet.mjs";
import { createWorld, REGISTRY, registryWrite, test } from "./fixture.mjs";

const TASKS = 40;
const VALUE_BYTES = 12_000;
/** So long that Chromium keeps it in a file of its own. */
const LONG_BYTES = 100_000;
/** Garbage from which on the log is cleaned. */
const CLEAN_AT_BYTES = 256 * 1024;

/** Flips the last byte of the segment that holds this text, behind the cache's back. Gives its key and its bytes. */
const damage = (page, text) =>
  page.evaluate(async (text) => {
    const [{ name }] = await indexedDB.databases();
    const database = await uplink.done(indexedDB.open(name));
    const log = database.transaction("log", "readwrite").objectStore("log");
    const keys = await uplink.done(log.getAllKeys());
    const segments = await uplink.done(log.getAll());
    const place = segments.findIndex((bytes) =>
      new TextDecoder("latin1").decode(bytes).includes(text),
    );
    const bytes = segments[place];
    bytes[bytes.length - 1] ^= 1;
    await uplink.done(log.put(bytes, keys[place]));
    database.close();
    return { key: keys[place], hex: uplink.hexOf(bytes) };
  }, text);

/** Opens the cache, and gives the damage that it tells of. */
const startDamaged = (page, options) =>
  page.evaluate(async (options) => {
    await uplink.start(options);
    const { promise, resolve } = Promise.withResolvers();
    cache.addEventListener("storage", ({ detail }) => resolve(detail));
    return promise;
  }, options);

/** What `exportDamaged` gives: segments by their numbers, as hex. */
const exported = (page) =>
  page.evaluate(async () => {
    const blob = await cache.exportDamaged();
    if (blob === undefined) return undefined;
    const bytes = new Uint8Array(await blob.arrayBuffer());
    let at = 0;
    const line = () => {
      const end = bytes.indexOf(10, at);
      const text = new TextDecoder().decode(bytes.subarray(at, end));
      at = end + 1;
      return JSON.parse(text);
    };
    const head = line();
    const segments = [];
    while (at < bytes.length) {
      const { segment, bytes: length } = line();
      segments.push({ key: segment, hex: uplink.hexOf(bytes.subarray(at, at + length)) });
      at += length + 1;
    }
    return { head, segments };
  });

/** Stores in the log what this package did not put there, by the name of what makes it. */
const putForeign = (page, kind) =>
  page.evaluate(async (kind) => {
    const make = {
      "a number": () => 1e11,
      "a bigint": () => 5n,
      null: () => null,
      "an object": () => ({ length: 1e11 }),
      text: () => "hello",
    };
    const [{ name }] = await indexedDB.databases();
    const database = await uplink.done(indexedDB.open(name));
    const log = database.transaction("log", "readwrite").objectStore("log");
    await uplink.done(log.add(make[kind]()));
    database.close();
  }, kind);

const HEAD = { file: "uplink-cache damaged", format: 1 };

test("a damaged segment is told, its neighbours live, cleaning sets it aside, and it can be taken out until it is discarded", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const browser = await world.openBrowser();
  const page = await browser.openPage();
  const [lost, ...signed] = await world.wallet.signMany(TASKS);
  await page.evaluate(
    async ({ options, lost, payloads, length }) => {
      await uplink.start(options);
      // In one commit, and so in one segment: the last of them will be damaged.
      const together = [payloads[0], lost].map((payload, i) =>
        cache.submit({ payload, key: `entry/${i}`, value: `the value ${i}` }),
      );
      await Promise.all(together);
      const others = payloads
        .slice(1)
        .map((payload, i) =>
          cache.submit({ payload, key: `entry/${i + 2}`, value: "x".repeat(length) }),
        );
      await Promise.all(others);
      await cache.close();
    },
    {
      options: world.options(),
      lost: lost.raw,
      payloads: signed.map(({ raw }) => raw),
      length: VALUE_BYTES,
    },
  );
  const segment = await damage(page, "the value 1");

  for (const visit of ["first", "second"]) {
    await page.reload();
    const told = await startDamaged(page, world.options());
    assert.deepEqual([told.problem, told.segment], ["damaged", segment.key], visit);
    const seen = await page.evaluate(() => ({
      tasks: cache.tasks().length,
      neighbour: cache.peek("entry/0")?.value,
      gone: cache.peek("entry/1"),
      damaged: cache.stats().damaged,
    }));
    const expected = { tasks: TASKS - 1, neighbour: "the value 0", gone: undefined, damaged: 1 };
    assert.deepEqual(seen, expected);
    assert.deepEqual(await exported(page), { head: HEAD, segments: [segment] });
    // While it is in the log it stays.
    await page.evaluate(() => cache.discardDamaged());
    assert.deepEqual(await exported(page), { head: HEAD, segments: [segment] });
  }

  world.gateway.up();
  // The nonce of what was lost is used past the cache.
  await world.chain.rpc("eth_sendRawTransaction", [lost.raw]);
  await world.mineToFinal(...signed.map(({ txId }) => txId));
  await page.evaluate(
    (limit) =>
      uplink.whenWatched({ prefix: "entry/" }, () => {
        const { tasks, log } = cache.stats();
        return tasks["backed-up"] + tasks.sent + tasks.included === 0 && log.bytes <= limit;
      }),
    CLEAN_AT_BYTES,
  );
  assert.deepEqual(await exported(page), { head: HEAD, segments: [segment] }, "it is set aside");
  const inLog = await page.evaluate(async (key) => {
    const [{ name }] = await indexedDB.databases();
    const database = await uplink.done(indexedDB.open(name));
    const log = database.transaction("log").objectStore("log");
    const found = await uplink.done(log.count(key));
    database.close();
    return found;
  }, segment.key);
  assert.equal(inLog, 0, "the log was cleaned behind it");

  await page.reload();
  await page.evaluate((options) => uplink.start(options), world.options());
  assert.equal(await page.evaluate(() => cache.stats().damaged), 1);
  assert.deepEqual(await exported(page), { head: HEAD, segments: [segment] });
  await page.evaluate(() => cache.discardDamaged());
  assert.equal(await page.evaluate(() => cache.stats().damaged), 0);
  assert.equal(await exported(page), undefined);
  await page.reload();
  await page.evaluate((options) => uplink.start(options), world.options());
  assert.equal(await exported(page), undefined);
});

test("what others put into the log is told as damaged, and nothing else is harmed", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await world.openPage();
  const kinds = ["a number", "a bigint", "null", "an object", "text"];
  const signed = await world.wallet.signMany(kinds.length + 1);
  const submit = ({ raw }, key) =>
    page.evaluate(({ raw, key }) => cache.submit({ payload: raw, key, value: key }), { raw, key });
  await page.evaluate((options) => uplink.start(options), world.options());
  await submit(signed[0], "none");
  for (const [i, kind] of kinds.entries()) {
    await page.evaluate(() => cache.close());
    await putForeign(page, kind);
    assert.equal((await startDamaged(page, world.options())).problem, "damaged", kind);
    await submit(signed[i + 1], kind);
    const seen = await page.evaluate(() => ({
      keys: cache.tasks().map(({ key }) => key),
      damaged: cache.stats().damaged,
    }));
    assert.deepEqual(seen, { keys: ["none", ...kinds.slice(0, i + 1)], damaged: i + 1 });
  }
});

/** Deletes the files in which Chromium keeps values of 64 KiB and more. */
async function loseLongValues(profile) {
  let count = 0;
  for (const name of await readdir(profile, { recursive: true })) {
    const path = join(profile, name);
    if (!name.includes(".indexeddb.blob") || !(await stat(path)).isFile()) continue;
    await rm(path);
    count += 1;
  }
  return count;
}

test("a payload whose file the browser lost blocks its task as payload_lost, and the others are sent", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const profile = await world.newProfile();
  let browser = await world.openBrowser({ profile });
  let page = await browser.openPage();
  const long = await world.wallet.sign({
    data: `0x${randomBytes(LONG_BYTES).toString("hex")}`,
    gas: 5_000_000n,
  });
  const other = await createWallet({ chainId: 31337, index: 1 }).sign({ text: "hi" });
  await page.evaluate(
    async ({ options, payloads }) => {
      await uplink.start(options);
      await cache.submit({ payload: payloads[0], key: "long", value: 0 });
      await cache.submit({ payload: payloads[1], key: "other", value: 1 });
    },
    { options: world.options(), payloads: [long.raw, other.raw] },
  );
  await browser.close();
  assert.ok((await loseLongValues(profile)) > 0);
  world.gateway.up();
  browser = await world.openBrowser({ profile });
  page = await browser.openPage();
  const reason = await page.evaluate(async (options) => {
    await uplink.start(options);
    return uplink.when(() => cache.tasks().find(({ key }) => key === "long")?.reason);
  }, world.options());
  assert.equal(reason, "payload_lost");
  await world.untilAccepted(other.txId);
});

test("a value of an unsettled task whose file the browser lost is told, and costs a list nothing else", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const profile = await world.newProfile();
  let browser = await world.openBrowser({ profile });
  let page = await browser.openPage();
  const signed = await world.wallet.signMany(3);
  await page.evaluate(
    async ({ options, payloads, length }) => {
      await uplink.start(options);
      const random = () => btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(99))));
      for (const [i, payload] of payloads.entries()) {
        let value = "";
        while (i === 1 && value.length < length) value += random();
        await cache.submit({ payload, key: `k/${i}`, value, tags: { all: "one" } });
      }
    },
    { options: world.options(), payloads: signed.map(({ raw }) => raw), length: LONG_BYTES },
  );
  await browser.close();
  assert.ok((await loseLongValues(profile)) > 0);
  browser = await world.openBrowser({ profile });
  page = await browser.openPage();
  const seen = await page.evaluate(async (options) => {
    await uplink.start(options);
    const problems = [];
    cache.addEventListener("storage", ({ detail }) => problems.push(detail));
    const lists = [{ prefix: "k/" }, { tag: ["all", "one"], order: "oldest" }];
    const pages = await Promise.all(lists.map((query) => cache.list(query)));
    return {
      pages: pages.map(({ items }) => items.map(({ key }) => key)),
      code: await cache.read("k/1").catch(({ code }) => code),
      task: cache.tasks().find(({ key }) => key === "k/1").status,
      problems: [...new Set(problems.map(({ problem, code }) => `${problem} ${code}`))],
    };
  }, world.options());
  const keys = ["k/0", "k/2"];
  assert.deepEqual(seen, {
    pages: [keys, keys],
    code: "storage_failed",
    task: "backed-up",
    problems: ["unreadable storage_failed"],
  });
});

test("a settled value whose file the browser lost is in no list, and all others are", async (t) => {
  const world = await createWorld(t);
  const profile = await world.newProfile();
  let browser = await world.openBrowser({ profile });
  let page = await browser.openPage();
  const signed = await world.wallet.signMany(TASKS);
  await page.evaluate(
    async ({ options, payloads, long, length }) => {
      await uplink.start(options);
      const random = () => btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(99))));
      for (const [i, payload] of payloads.entries()) {
        const size = i === 1 ? long : length;
        let value = "";
        while (value.length < size) value += random();
        const key = `k/${i}`;
        await cache.submit({ payload, key, value, tags: { all: "one" } });
      }
    },
    {
      options: world.options(),
      payloads: signed.map(({ raw }) => raw),
      long: LONG_BYTES,
      length: VALUE_BYTES,
    },
  );
  await world.mineToFinal(...signed.map(({ txId }) => txId));
  await page.evaluate(() => uplink.whenWatched({ prefix: "k/" }, () => cache.tasks().length === 0));
  await browser.close();
  assert.ok((await loseLongValues(profile)) > 0);
  browser = await world.openBrowser({ profile });
  page = await browser.openPage();
  const seen = await page.evaluate(async (options) => {
    await uplink.start(options);
    const queries = [
      { prefix: "k/" },
      { tag: ["all", "one"] },
      { tag: ["all", "one"], order: "oldest" },
    ];
    const lists = [...queries, { prefix: "k/", reverse: true }].map((query) => cache.list(query));
    const pages = await Promise.all(lists);
    return {
      lengths: pages.map(({ items }) => items.length),
      hasLost: pages.some(({ items }) => items.some(({ key }) => key === "k/1")),
      lost: await cache.read("k/1"),
      other: (await cache.read("k/2")).source,
    };
  }, world.options());
  const lengths = Array(4).fill(TASKS - 1);
  assert.deepEqual(seen, { lengths, hasLost: false, lost: undefined, other: "cache" });
});

test("a settled value with a bit that turned is told, rejects a read, and is read from the chain where that can be", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const first = await world.wallet.sign(registryWrite("a", "kept"));
  const others = await world.wallet.signMany(TASKS);
  await page.evaluate(
    async ({ options, payloads, length }) => {
      await uplink.start(options);
      for (const [i, payload] of payloads.entries()) {
        const value = i === 0 ? "kept" : `${i}`.repeat(length);
        await cache.submit({ payload, key: i === 0 ? "a" : `k/${i}`, value });
      }
    },
    {
      options: world.options(),
      payloads: [first, ...others].map(({ raw }) => raw),
      length: VALUE_BYTES / 2,
    },
  );
  await world.mineToFinal(first.txId, ...others.map(({ txId }) => txId));
  await page.evaluate(() => uplink.whenWatched({ prefix: "" }, () => cache.tasks().length === 0));
  await page.evaluate(async () => {
    await cache.close();
    const [{ name }] = await indexedDB.databases();
    const database = await uplink.done(indexedDB.open(name));
    const values = database.transaction("values", "readwrite").objectStore("values");
    const key = new TextEncoder().encode("a");
    const bytes = await uplink.done(values.get(key));
    bytes[bytes.length - 1] ^= 1;
    await uplink.done(values.put(bytes, key));
    database.close();
  });
  const read = (options) =>
    page.evaluate(async (options) => {
      await uplink.start(options);
      const told = [];
      cache.addEventListener("storage", ({ detail }) => told.push(detail.problem));
      const { error, value } = await uplink.attempt(() => cache.read("a"));
      await cache.close();
      return { code: error?.code, value: value?.value, told };
    }, options);
  assert.deepEqual(await read(world.options()), {
    code: "storage_failed",
    value: undefined,
    told: ["unreadable"],
  });
  assert.deepEqual(await read(world.options({ registry: REGISTRY })), {
    code: undefined,
    value: "kept",
    told: ["unreadable"],
  });
});
