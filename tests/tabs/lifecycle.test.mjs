// What a browser does to tabs that nobody looks at, and what it may lack: frozen pages, the back/forward cache, news that never
// come, no BroadcastChannel, no Web Locks.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { createWorld, test } from "../e2e/fixture.mjs";
import { launchPlain, temporaryProfile } from "../support/browser.mjs";
import { isSend } from "../support/gateway.mjs";

const MAX_TAKEOVER_MS = 2_000;
const LATEST_READS = 20;
/** As many and as long as make the log be cleaned: its garbage is more than this. */
const SLEPT_TASKS = 48;
const VALUE_BYTES = 12_000;
const CLEAN_AT_BYTES = 256 * 1024;

let profile;
let plain;
before(async () => {
  profile = await temporaryProfile();
  plain = await launchPlain({ profile: profile.path });
});
after(async () => {
  await plain?.close();
  await profile?.remove();
});

/** Opens the cache in a page whose requests the gateway knows by this path. */
async function openTab(world, path, pageOptions) {
  const page = await world.openPage(pageOptions);
  const options = world.options({ gateway: { urls: [`${world.gateway.url}/${path}`] } });
  await page.evaluate((options) => uplink.start(options), options);
  return page;
}

/** Two tabs of a browser as people have it, the first of which leads. */
async function openLeaderAndHeir(t) {
  const world = await createWorld(t, { browser: plain });
  const first = await openTab(world, "first", { initScript: recordShows });
  await untilLeads(first);
  const second = await openTab(world, "second");
  return { world, first, second };
}

/** In the page, before all else: whether each `pageshow` brought the page back from the cache. */
function recordShows() {
  globalThis.restored = [];
  addEventListener("pageshow", ({ persisted }) => restored.push(persisted));
}

const untilLeads = (page) => page.evaluate(() => uplink.when(() => cache.stats().leader));
const leads = (page) => page.evaluate(() => cache.stats().leader);
const settled = (page) =>
  page.evaluate(() => Promise.all(cache.tasks().map((each) => each.settled)));
const statuses = async (page) => (await settled(page)).map(({ status }) => status);

/** The time of the page's next `leader` event, in milliseconds since the epoch: asked before what causes it. */
async function nextLead(page) {
  await page.evaluate(() => {
    globalThis.nextLead = new Promise((resolve) => {
      cache.addEventListener("leader", ({ detail }) => detail.leader && resolve(Date.now()));
    });
  });
  return () => page.evaluate(() => nextLead);
}

const keyOf = ({ txId }) => `entry/${txId}`;

function submit(page, signed) {
  return page.evaluate(
    async ({ raw, key }) => (await cache.submit({ payload: raw, key, value: { key } })).id,
    { raw: signed.raw, key: keyOf(signed) },
  );
}

/** Resolves once the page sees the transaction's entry with this status, or any. */
function untilSeen(page, signed, status) {
  return page.evaluate(
    async ({ key, status }) => {
      const isIt = (item) => item !== undefined && (status ?? item.status) === item.status;
      const [item] = await uplink.whenWatched({ key }, ([item]) => isIt(item));
      return item;
    },
    { key: keyOf(signed), status },
  );
}

const sendsOf = (world, path) => world.gateway.sends().filter((call) => call.path === `/${path}`);

/**
 * Chromium itself does not freeze a page in the middle of a transaction, since that would hold the others up for as long as
 * it sleeps; DevTools does. A transaction over all stores comes after all that were begun before.
 */
async function setLifecycle(page, state) {
  if (state === "frozen") {
    await page.evaluate(async () => {
      const [{ name }] = await indexedDB.databases();
      const database = await uplink.done(indexedDB.open(name));
      const barrier = database.transaction([...database.objectStoreNames], "readwrite");
      await uplink.done(barrier.objectStore("log").count());
      database.close();
    });
  }
  const devTools = await page.context().newCDPSession(page);
  await devTools.send("Page.setWebLifecycleState", { state });
  await devTools.detach();
}

test("a leader that is frozen hands over within two seconds, and catches up when it goes on", async (t) => {
  const { world, first, second } = await openLeaderAndHeir(t);
  const untilLed = await nextLead(second);
  const frozenAt = Date.now();
  await setLifecycle(first, "frozen");
  const takeoverMs = (await untilLed()) - frozenAt;
  t.diagnostic(`takeover after a freeze: ${takeoverMs} ms`);
  assert.ok(takeoverMs <= MAX_TAKEOVER_MS, `another tab led only after ${takeoverMs} ms`);

  const signed = await world.wallet.sign({ text: "hi" });
  await submit(second, signed);
  await world.mineToFinal(signed.txId);
  assert.deepEqual(await statuses(second), ["final"]);
  assert.equal(sendsOf(world, "first").length, 0);

  await setLifecycle(first, "active");
  await untilSeen(first, signed, "final");
  assert.equal(await leads(first), false);
  // It queued for the lock again.
  await Promise.all([untilLeads(first), second.close()]);
});

test("a leader that is frozen while it sends: the next looks first, and nothing that the sleeper hears later counts", async (t) => {
  const { world, first, second } = await openLeaderAndHeir(t);
  const signed = await world.wallet.sign({ text: "hi" });
  const hold = world.gateway.hold(
    "request",
    (call) => isSend(call.method) && call.path === "/first",
  );
  await submit(first, signed);
  await hold.whenHeld();
  await setLifecycle(first, "frozen");
  await world.untilAccepted(signed.txId);
  const [send] = sendsOf(world, "second");
  const looks = world.gateway.log.filter(
    ({ method, params, path, sequence }) =>
      method === "eth_getTransactionByHash" &&
      params[0] === signed.txId &&
      path === "/second" &&
      sequence < send.sequence,
  );
  assert.ok(looks.length > 0, "the chain was asked before the second send");
  assert.ok(looks.every(({ reply }) => reply.result === null));

  // The chain has it already, and tells the sleeper that it is known: for one that leads, news.
  hold.release();
  await setLifecycle(first, "active");
  await world.mineToFinal(signed.txId);
  await untilSeen(first, signed, "final");
  for (const page of [first, second]) assert.deepEqual(await statuses(page), ["final"]);
  assert.equal(sendsOf(world, "first").length, 1);
  assert.equal(sendsOf(world, "second").length, 1);
});

test("a tab that sleeps while the log is cleaned behind it knows all when it wakes", async (t) => {
  const { world, first, second } = await openLeaderAndHeir(t);
  const [early, late, ...slept] = await world.wallet.signMany(2 + SLEPT_TASKS);
  await submit(first, early);
  await first.evaluate((count) => {
    globalThis.outcome = cache.tasks()[0].settled;
    const isFinal = ({ status }) => status === "final";
    const areFinal = (items) => items.filter(isFinal).length === count;
    globalThis.allFinal = uplink.whenWatched({ prefix: "entry/", limit: 100 }, areFinal);
  }, 2 + SLEPT_TASKS);
  // From here on it has nothing to write.
  await first.evaluate(() =>
    cache
      .tasks()[0]
      .until("sent")
      .then(() => undefined),
  );
  await setLifecycle(first, "frozen");

  const submitAll = async ({ entries, length }) => {
    const value = "x".repeat(length);
    await Promise.all(entries.map(({ raw, key }) => cache.submit({ payload: raw, key, value })));
  };
  await submit(second, late);
  const entries = slept.map((signed) => ({ raw: signed.raw, key: keyOf(signed) }));
  await second.evaluate(submitAll, { entries, length: VALUE_BYTES });
  await world.mineToFinal(early.txId, late.txId, ...slept.map(({ txId }) => txId));
  const cleaned = await second.evaluate((limit) => {
    const isCleaned = () => cache.stats().log.bytes <= limit;
    return uplink.whenWatched({ prefix: "entry/" }, isCleaned).then(() => cache.stats().log);
  }, CLEAN_AT_BYTES);
  assert.ok(cleaned.bytes < SLEPT_TASKS * VALUE_BYTES);
  const next = await world.wallet.sign({ text: "next" });
  await submit(second, next);

  await setLifecycle(first, "active");
  const { source } = await untilSeen(first, next);
  assert.equal(source, "backup");
  const { status } = await first.evaluate(() => outcome);
  assert.equal(status, "final");
  await first.evaluate(() => allFinal.then(() => undefined));
  const { items } = await first.evaluate(() => cache.list({ prefix: "entry/", limit: 1_000 }));
  const final = items.filter((item) => item.status === "final");
  assert.equal(final.length, 2 + SLEPT_TASKS);
});

test("a leader that goes into the back/forward cache hands over, and catches up when the person comes back", async (t) => {
  const { world, first, second } = await openLeaderAndHeir(t);
  const untilLed = await nextLead(second);
  const leftAt = Date.now();
  await first.goto(`${world.site.url}/elsewhere`);
  const takeoverMs = (await untilLed()) - leftAt;
  t.diagnostic(`takeover after a page was left: ${takeoverMs} ms`);
  assert.ok(takeoverMs <= MAX_TAKEOVER_MS, `another tab led only after ${takeoverMs} ms`);
  const signed = await world.wallet.sign({ text: "hi" });
  await submit(second, signed);
  await world.mineToFinal(signed.txId);
  assert.deepEqual(await statuses(second), ["final"]);

  await first.goBack({ waitUntil: "commit" });
  assert.deepEqual(await first.evaluate(() => restored), [false, true], "it is the same page");
  await untilSeen(first, signed, "final");
  assert.equal(await leads(first), false);
  // It writes as before.
  const next = await world.wallet.sign({ text: "again" });
  const seen = untilSeen(second, next);
  await submit(first, next);
  await seen;
  await world.mineToFinal(next.txId);
  assert.deepEqual(await statuses(first), ["final", "final"]);
  assert.equal(sendsOf(world, "first").length, 0);
});

/** In the page, before all else: no message of the tab's arrives anywhere, and none arrives here. */
function swallowNews() {
  BroadcastChannel.prototype.postMessage = () => {};
  Object.defineProperty(BroadcastChannel.prototype, "onmessage", { set() {} });
}

/** In the page, before all else: what the tab posts, and what comes. */
function recordNews() {
  globalThis.posted = [];
  globalThis.heard = [];
  globalThis.BroadcastChannel = class extends BroadcastChannel {
    constructor(name) {
      super(name);
      this.addEventListener("message", ({ data }) => heard.push(data));
    }
    postMessage(message) {
      posted.push(message);
      super.postMessage(message);
    }
  };
}

test("a tab that is alone says so once and no more; to one that joins it tells what there is, and from then on each write", async (t) => {
  const world = await createWorld(t);
  const first = await openTab(world, "first", { initScript: recordNews });
  await untilLeads(first);
  const [early, late, ...more] = await world.wallet.signMany(4);
  for (const signed of [early, late]) await submit(first, signed);
  await world.untilAccepted(late.txId);
  assert.deepEqual(await first.evaluate(() => posted), [["hello"]]);

  const second = await openTab(world, "second", { initScript: recordNews });
  await untilSeen(second, late);
  // The one that joined tells the other, too: it was answered.
  for (const [writer, reader, signed] of [
    [second, first, more[0]],
    [first, second, more[1]],
  ]) {
    const seen = untilSeen(reader, signed);
    await submit(writer, signed);
    await seen;
  }
  const [told] = await second.evaluate(() => heard);
  assert.ok(Number.isInteger(told[0]), `it was told how far the log goes, not ${told}`);
  assert.deepEqual(await first.evaluate(() => heard[0]), ["hello"]);
  // News of a later write, by each.
  const isLater = (key) => posted.at(-1)[0] > key;
  for (const page of [first, second]) await page.waitForFunction(isLater, told[0]);
});

const withoutNews = [
  { name: "all of whose news are swallowed", initScript: swallowNews },
  {
    name: "that has no BroadcastChannel",
    initScript: () => {
      delete globalThis.BroadcastChannel;
    },
  },
];

for (const { name, initScript } of withoutNews) {
  test(`a tab ${name} sees what others write, they see what it writes, and all settles`, async (t) => {
    const world = await createWorld(t);
    const leader = await openTab(world, "leader");
    await untilLeads(leader);
    const deaf = await openTab(world, "deaf", { initScript });
    const signed = await world.wallet.signMany(2);
    for (const [writer, reader, transaction] of [
      [leader, deaf, signed[0]],
      [deaf, leader, signed[1]],
    ]) {
      const seen = untilSeen(reader, transaction);
      await submit(writer, transaction);
      assert.deepEqual((await seen).value, { key: keyOf(transaction) });
    }
    await world.mineToFinal(...signed.map(({ txId }) => txId));
    for (const page of [leader, deaf]) assert.deepEqual(await statuses(page), ["final", "final"]);
    for (const { txId } of signed) assert.equal(world.gateway.sends(txId).length, 1);

    const untilLed = await nextLead(deaf);
    await leader.close();
    await untilLed();
  });
}

test("a read with latest: true sees what another tab was told is backed up, though all news are swallowed", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const writer = await openTab(world, "writer");
  const reader = await openTab(world, "reader", { initScript: swallowNews });
  for (const signed of await world.wallet.signMany(LATEST_READS)) {
    await submit(writer, signed);
    const key = keyOf(signed);
    const entry = await reader.evaluate((key) => cache.read(key, { latest: true }), key);
    assert.deepEqual(entry?.value, { key });
    assert.equal(entry.source, "backup");
  }
});

test("without Web Locks a tab backs up and reads and says that it cannot send; a tab that has them sends for it", async (t) => {
  const world = await createWorld(t);
  const lockless = await world.openPage({
    initScript: () => Object.defineProperty(Navigator.prototype, "locks", { value: undefined }),
  });
  const signed = await world.wallet.sign({ text: "hi" });
  const said = await lockless.evaluate(
    async ({ options, raw }) => {
      await uplink.start(options);
      const told = new Promise((resolve) => {
        cache.addEventListener("leader", ({ detail }) => resolve(detail));
      });
      await cache.submit({ payload: raw, key: "entry/1", value: "hi" });
      const { error } = await uplink.attempt(() => cache.flush());
      const { value, source, status } = await cache.read("entry/1");
      return { told: await told, code: error?.code, entry: { value, source, status } };
    },
    { options: world.options(), raw: signed.raw },
  );
  assert.deepEqual(said, {
    told: { leader: false, problem: "no_locks" },
    code: "cannot_send",
    entry: { value: "hi", source: "backup", status: "backed-up" },
  });
  assert.equal(world.gateway.sends().length, 0);

  await openTab(world, "other");
  await world.mineToFinal(signed.txId);
  assert.deepEqual(await statuses(lockless), ["final"]);
  assert.equal(world.gateway.sends().length, 1);
});
