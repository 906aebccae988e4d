// What becomes of an open cache when its database is closed, deleted, blocked or taken over under it: it is opened again,
// or says why it cannot go on, and never hangs.

import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { launchPlain } from "../support/browser.mjs";
import { createWorld, test } from "./fixture.mjs";

/** As many and as long as take two commits, the second a long one. */
const COMMITTED_TASKS = 200;
const VALUE_BYTES = 15_000;

/** The events of `cache` so far, gathered on the page. */
async function openGathering(page, options) {
  await page.evaluate(async (options) => {
    await uplink.start(options);
    globalThis.troubles = [];
    cache.addEventListener("storage", ({ detail }) => troubles.push(detail));
  }, options);
}

const untilClosed = (page) =>
  page.evaluate(() =>
    uplink.when(() => troubles.find(({ problem }) => problem === "closed") ?? false),
  );

test("a connection that the browser closes is opened again: nothing is lost, and new tasks are backed up and sent", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const [first, second] = await world.wallet.signMany(2);
  await openGathering(page, world.options());
  await page.evaluate((raw) => cache.submit({ payload: raw, key: "entry/0", value: 0 }), first.raw);
  await page.evaluate(() => {
    globalThis.opens = 0;
    const { open } = IDBFactory.prototype;
    IDBFactory.prototype.open = function (...args) {
      globalThis.opens += 1;
      return open.apply(this, args);
    };
  });
  await forceClose(page.context());
  const seen = await page.evaluate(async (raw) => {
    // A commit that was under way, or begins before the browser has said so, may fail: then it says so, and may be repeated.
    const submit = () => cache.submit({ payload: raw, key: "entry/1", value: 1 });
    let attempt = await uplink.attempt(submit);
    while (attempt.error?.retryable) attempt = await uplink.attempt(submit);
    const { items } = await cache.list({ prefix: "entry/" });
    return { error: attempt.error, keys: items.map(({ key }) => key), opens };
  }, second.raw);
  assert.deepEqual(seen, { error: undefined, keys: ["entry/0", "entry/1"], opens: 1 });
  await world.mineToFinal(first.txId, second.txId);
  const outcomes = await page.evaluate(() =>
    Promise.all(cache.tasks().map(({ settled }) => settled)),
  );
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ["final", "final"],
  );
});

/** Chromium's own page on its databases has a button for it. */
async function forceClose(context) {
  const internals = await context.newPage();
  await internals.goto("chrome://indexeddb-internals/");
  const button = internals.locator(".force-close").first();
  await button.waitFor({ state: "attached" });
  await button.evaluate((element) => element.click());
  await internals.locator(".connection-count", { hasText: /^0$/ }).first().waitFor();
  await internals.close();
}

test("a database that is deleted under an open handle ends it with a code, what waits is told, and none is left behind", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await world.openPage();
  const { raw } = await world.wallet.sign({ text: "hi" });
  await openGathering(page, world.options());
  await page.evaluate(async (raw) => {
    const task = await cache.submit({ payload: raw, key: "entry/0", value: 0 });
    globalThis.waiting = Promise.all([
      uplink.attempt(() => task.until("sent")),
      uplink.attempt(() => task.settled),
      uplink.attempt(() => cache.flush()),
    ]);
  }, raw);
  await clearDatabases(page, world.site.url);
  // Whoever uses it next finds out, if the browser did not tell.
  await page.evaluate(() => uplink.attempt(() => cache.read("entry/0", { latest: true })));
  const closed = await untilClosed(page);
  assert.equal(closed.code, "storage_unavailable");
  const waited = await page.evaluate(() => waiting);
  assert.deepEqual(
    waited.map(({ error }) => error?.code),
    ["storage_unavailable", "storage_unavailable", "storage_unavailable"],
  );
  const after = await page.evaluate(async () => ({
    read: (await uplink.attempt(() => cache.read("entry/0"))).error?.code,
    databases: await indexedDB.databases(),
  }));
  assert.deepEqual(after, { read: "storage_unavailable", databases: [] });
});

/** As the user's "clear site data" does. */
async function clearDatabases(page, origin) {
  const devTools = await page.context().newCDPSession(page);
  await devTools.send("Storage.clearDataForOrigin", { origin, storageTypes: "indexeddb" });
}

test("a database that was deleted while its tab was frozen, and made anew by another: that one is not taken for it", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const browser = await launchPlain({ profile: await world.newProfile() });
  world.onEnd(browser.close);
  const openPage = async () => {
    const page = await browser.context.newPage();
    await page.goto(world.site.url);
    return page;
  };
  const [frozen, other] = [await openPage(), await openPage()];
  const [old, ...signed] = await world.wallet.signMany(3);
  const submit = (page, { raw }, key) =>
    page.evaluate(({ raw, key }) => cache.submit({ payload: raw, key, value: key }), { raw, key });
  await openGathering(frozen, world.options());
  await submit(frozen, old, "old");
  const devTools = await frozen.context().newCDPSession(frozen);
  await devTools.send("Page.setWebLifecycleState", { state: "frozen" });
  await clearDatabases(other, world.site.url);
  await openGathering(other, world.options());
  for (const [i, each] of signed.entries()) await submit(other, each, `new/${i}`);
  await devTools.send("Page.setWebLifecycleState", { state: "active" });
  const closed = await untilClosed(frozen);
  assert.equal(closed.code, "storage_unavailable");
  const seen = await frozen.evaluate(async (options) => {
    await uplink.start(options);
    return cache.tasks().map(({ key }) => key);
  }, world.options());
  assert.deepEqual(seen, ["new/0", "new/1"]);
});

test("destroy() leaves nothing behind: other tabs' handles of it end with a code, other accounts' go on", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const [page, other] = [await world.openPage(), await world.openPage()];
  const { raw } = await world.wallet.sign({ text: "hi" });
  const neighbour = world.options({ account: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8" });
  await openGathering(page, world.options());
  await openGathering(other, world.options());
  await other.evaluate(async (options) => {
    globalThis.neighbour = await uplink.open(options);
  }, neighbour);
  await other.evaluate((raw) => cache.submit({ payload: raw, key: "entry/0", value: 0 }), raw);
  await page.evaluate(() => cache.destroy());
  const closed = await untilClosed(other);
  assert.equal(closed.code, "storage_unavailable");
  const left = await other.evaluate(async () => ({
    names: (await indexedDB.databases()).map(({ name }) => name),
    neighbour: neighbour.tasks().length,
    submit: (await uplink.attempt(() => cache.submit({ payload: "0x", key: "a" }))).error?.code,
    locks: (await navigator.locks.query()).held.map(({ name }) => name),
  }));
  assert.equal(left.names.length, 1);
  assert.match(left.names[0], /70997970/i);
  assert.deepEqual(left.locks, left.names);
  assert.equal(left.neighbour, 0);
  assert.equal(left.submit, "storage_unavailable");
});

test("destroy() that another tab holds up says so in time, and is done once that tab lets go", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const [page, other] = [await world.openPage(), await world.openPage()];
  await openGathering(page, world.options());
  await other.evaluate(async () => {
    const [{ name }] = await indexedDB.databases();
    // Not one of ours: it does not listen to what the others need.
    globalThis.held = await uplink.done(indexedDB.open(name));
  });
  const { error } = await page.evaluate(() => uplink.attempt(() => cache.destroy()));
  assert.equal(error?.code, "storage_unavailable");
  assert.equal(error.retryable, true);
  const names = await other.evaluate(async () => {
    held.close();
    // What is opened now comes after the deletion, and finds nothing.
    const request = indexedDB.open("a clock");
    await uplink.done(request);
    request.result.close();
    const left = await indexedDB.databases();
    return left.map(({ name }) => name);
  });
  assert.deepEqual(names, ["a clock"]);
});

test("a newer version of the package in another tab: the older is told to close, says so, and does not open again", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const [page, newer] = [await world.openPage(), await world.openPage()];
  const { raw } = await world.wallet.sign({ text: "hi" });
  await openGathering(page, world.options());
  await page.evaluate((raw) => cache.submit({ payload: raw, key: "entry/0", value: 0 }), raw);
  const segments = await newer.evaluate(async () => {
    const [{ name }] = await indexedDB.databases();
    const database = await uplink.done(indexedDB.open(name, 1_000));
    const segments = database.transaction("log").objectStore("log");
    return uplink.done(segments.count());
  });
  assert.ok(segments > 0, "the log is untouched");
  const closed = await untilClosed(page);
  assert.equal(closed.code, "newer_format");
  const after = await page.evaluate(
    async (options) => ({
      read: (await uplink.attempt(() => cache.read("entry/0"))).error?.code,
      open: (await uplink.attempt(() => uplink.open(options))).error?.code,
    }),
    world.options(),
  );
  assert.deepEqual(after, { read: "newer_format", open: "newer_format" });
});

test("a newer version of the package opens while a commit is under way: what was stored is told so, and nothing else is stored", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await world.openPage();
  const signed = await world.wallet.signMany(COMMITTED_TASKS);
  await openGathering(page, world.options());
  const stored = await page.evaluate(
    async ({ payloads, length }) => {
      const [{ name }] = await indexedDB.databases();
      // The first commit has one task. It asks while the second is under way, which has all others.
      const { promise: opened, resolve } = Promise.withResolvers();
      const { add } = IDBObjectStore.prototype;
      let adds = 0;
      IDBObjectStore.prototype.add = function (...args) {
        adds += 1;
        if (adds === 2) resolve(uplink.done(indexedDB.open(name, 1_000)));
        return add.apply(this, args);
      };
      const submit = (payload, i) =>
        cache.submit({ payload, key: `key ${i}.`, value: "v".repeat(length) });
      globalThis.attempts = Promise.all(
        payloads.map((payload, i) => uplink.attempt(() => submit(payload, i))),
      );
      const database = await opened;
      const segments = await uplink.done(database.transaction("log").objectStore("log").getAll());
      const text = segments.map((bytes) => new TextDecoder("latin1").decode(bytes)).join();
      return payloads.map((_, i) => text.includes(`key ${i}.`));
    },
    { payloads: signed.map(({ raw }) => raw), length: VALUE_BYTES },
  );
  const errors = await page.evaluate(async () => (await attempts).map(({ error }) => error?.code));
  assert.deepEqual(
    errors,
    stored.map((isStored) => (isStored ? undefined : "newer_format")),
  );
  assert.equal((await untilClosed(page)).code, "newer_format");
});

test("an older version of the database that another tab does not let go: opening says so in time", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const [page, older] = [await world.openPage(), await world.openPage()];
  await openGathering(page, world.options());
  const name = await page.evaluate(async () => {
    const [{ name }] = await indexedDB.databases();
    await cache.destroy();
    return name;
  });
  await older.evaluate(async (name) => {
    // An upgrade that does not end keeps everybody else waiting.
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => {
      const store = request.result.createObjectStore("log", { autoIncrement: true });
      const spin = () => {
        store.count().onsuccess = spin;
      };
      spin();
    };
  }, name);
  await page.clock.install();
  const opening = page.evaluate(
    (options) => uplink.attempt(() => uplink.open(options)),
    world.options(),
  );
  await page.clock.fastForward(31_000);
  const { error } = await opening;
  assert.equal(error?.code, "storage_unavailable");
  assert.equal(error.retryable, true);
});

test("a commit of others that does not end: opening says so in time, and succeeds once it has ended", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const [page, other] = [await world.openPage({ clock: true }), await world.openPage()];
  await page.evaluate(async (options) => {
    await uplink.start(options);
    await cache.close();
  }, world.options());
  await other.evaluate(async () => {
    const [{ name }] = await indexedDB.databases();
    const database = await uplink.done(indexedDB.open(name));
    const log = database.transaction("log", "readwrite").objectStore("log");
    let isHeld = true;
    globalThis.letGo = () => {
      isHeld = false;
    };
    const { promise, resolve } = Promise.withResolvers();
    const spin = () => {
      if (isHeld) log.count().onsuccess = spin;
      resolve();
    };
    log.count().onsuccess = spin;
    await promise;
  });
  const opening = page.evaluate(async (options) => {
    const { transaction } = IDBDatabase.prototype;
    const { promise, resolve } = Promise.withResolvers();
    globalThis.isReading = promise;
    IDBDatabase.prototype.transaction = function (...args) {
      resolve();
      return transaction.apply(this, args);
    };
    return uplink.attempt(() => uplink.open(options));
  }, world.options());
  await page.evaluate(() => isReading);
  await page.clock.fastForward(31_000);
  const { error } = await opening;
  assert.deepEqual([error?.code, error?.retryable], ["storage_unavailable", true]);
  await other.evaluate(() => letGo());
  await page.evaluate((options) => uplink.start(options), world.options());
});

test("a lock that somebody takes by force: that tab stops leading at once, and leads again when it gets the lock back", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  await openGathering(page, world.options());
  await page.evaluate(() => uplink.when(() => cache.stats().leader));
  await page.evaluate(async () => {
    const [{ name }] = (await navigator.locks.query()).held;
    globalThis.stolen = new Promise((release) => {
      globalThis.giveBack = release;
    });
    void navigator.locks.request(name, { steal: true }, () => stolen);
    await uplink.when(() => !cache.stats().leader);
  });
  const { raw, txId } = await world.wallet.sign({ text: "hi" });
  await page.evaluate((raw) => cache.submit({ payload: raw, key: "entry/0", value: 0 }), raw);
  await page.evaluate(() => cache.read("entry/0", { latest: true }));
  assert.equal(world.gateway.sends(txId).length, 0, "it does not send while it does not lead");
  await page.evaluate(() => giveBack());
  await world.untilAccepted(txId);
  assert.equal(await page.evaluate(() => cache.stats().leader), true);
});

for (const [how, deny] of Object.entries({
  rejects: () => Promise.reject(new DOMException("denied", "SecurityError")),
  throws: () => {
    throw new DOMException("denied", "InvalidStateError");
  },
}))
  test(`a lock that the browser denies (it ${how}) is told as locks that it does not have, and asked for again`, async (t) => {
    const world = await createWorld(t);
    const page = await world.openPage({ clock: true });
    const { raw, txId } = await world.wallet.sign({ text: "hi" });
    const said = await page.evaluate(
      async ({ options, raw, deny }) => {
        globalThis.allowed = LockManager.prototype.request;
        LockManager.prototype.request = new Function(`return (${deny})()`);
        await uplink.start(options);
        const told = new Promise((resolve) => {
          cache.addEventListener("leader", ({ detail }) => resolve(detail));
        });
        await cache.submit({ payload: raw, key: "entry/0", value: 0 });
        const { error } = await uplink.attempt(() => cache.flush());
        return { told: await told, code: error?.code };
      },
      { options: world.options(), raw, deny: String(deny) },
    );
    assert.deepEqual(said, { told: { leader: false, problem: "no_locks" }, code: "cannot_send" });
    await page.evaluate(() => {
      LockManager.prototype.request = allowed;
    });
    await page.clock.fastForward(31_000);
    await world.untilAccepted(txId);
    assert.equal(await page.evaluate(() => cache.stats().leader), true);
  });

test("where storage is disabled, opening says storage_unavailable", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const profile = await world.newProfile();
  await mkdir(join(profile, "Default"), { recursive: true });
  const blocked = { profile: { default_content_setting_values: { cookies: 2 } } };
  await writeFile(join(profile, "Default", "Preferences"), JSON.stringify(blocked));
  const browser = await world.openBrowser({ profile });
  const page = await browser.openPage();
  const { error } = await page.evaluate(
    (options) => uplink.attempt(() => uplink.open(options)),
    world.options(),
  );
  assert.equal(error?.code, "storage_unavailable");
  assert.equal(error.isUplinkError, true);
});

test("in a private window all works, and nothing of it is there in the next", async (t) => {
  const world = await createWorld(t);
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    chromiumSandbox: false,
    args: ["--disable-gpu"],
  });
  world.onEnd(() => browser.close());
  const { raw, txId } = await world.wallet.sign({ text: "hi" });
  const openPrivate = async () => {
    const page = await (await browser.newContext()).newPage();
    await page.goto(world.site.url);
    await page.evaluate((options) => uplink.start(options), world.options());
    return page;
  };
  const page = await openPrivate();
  await page.evaluate((raw) => cache.submit({ payload: raw, key: "entry/0", value: 0 }), raw);
  await page.reload();
  const found = await page.evaluate(async (options) => {
    await uplink.start(options);
    return cache.peek("entry/0").value;
  }, world.options());
  assert.equal(found, 0);
  await world.mineToFinal(txId);
  const outcome = await page.evaluate(() => cache.tasks()[0].settled);
  assert.equal(outcome.status, "final");
  await page.context().close();
  const next = await openPrivate();
  assert.equal(await next.evaluate(() => cache.tasks().length), 0);
});
