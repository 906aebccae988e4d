// Workers: the plain import in each kind, and the app's service worker that sends what waits after the last page closed.

import assert from "node:assert/strict";
import { createWorld, test } from "./fixture.mjs";

/** Mostly within a second; on a busy machine Chromium sometimes puts an event off, for minutes. */
const CHROMIUM_WAKES_WITHIN_MS = 15_000;

/** A world with one browser, in which every page has the app's service worker. */
async function createWorldWithWorker(t, { worker = {}, ...more } = {}) {
  const world = await createWorld(t, more);
  const browser = await world.openBrowser();
  const { name, gateway } = world.options();
  const options = JSON.stringify({ name, gateway, ...worker });
  async function openPage() {
    const page = await browser.openPage();
    await page.evaluate(async (options) => {
      const url = `/service-worker.js?options=${encodeURIComponent(options)}`;
      await navigator.serviceWorker.register(url, { type: "module" });
      await navigator.serviceWorker.ready;
    }, options);
    return page;
  }
  return {
    ...world,
    context: browser.context,
    openPage,
    openOther: () => browser.openPage(),
    tag: `uplink-cache/${name}/31337/${world.wallet.address.toLowerCase()}`,
  };
}

/** Has Chromium dispatch a sync event, as it does by itself when the network is there. */
async function dispatchSync(world, page, tag) {
  const session = await world.context.newCDPSession(page);
  const registered = new Promise((resolve) => {
    session.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
      const mine = registrations.find(({ scopeURL }) => scopeURL.startsWith(world.site.url));
      if (mine) resolve(mine.registrationId);
    });
  });
  await session.send("ServiceWorker.enable");
  const registrationId = await registered;
  const origin = world.site.url;
  const event = { origin, registrationId, tag, lastChance: false };
  await session.send("ServiceWorker.dispatchSyncEvent", event);
  await session.detach();
}

/** What became of the sync events of a tag, once there is one and it is done. */
async function outcomesOf(page, tag) {
  for (;;) {
    const outcomes = await page.evaluate(async (tag) => {
      const { active } = await navigator.serviceWorker.ready;
      const { port1, port2 } = new MessageChannel();
      active.postMessage({ tag }, [port2]);
      return new Promise((resolve) => {
        port1.onmessage = ({ data }) => resolve(data);
      });
    }, tag);
    if (outcomes.length > 0) return outcomes;
  }
}

/** Submits one task that stays unsent, because the gateway is down. */
async function submitUnsent(world, page) {
  const { raw, txId } = await world.wallet.sign({});
  const options = world.options({ backgroundSync: true });
  await page.evaluate(
    async ({ options, raw }) => {
      await uplink.start(options);
      await cache.submit({ payload: raw, key: "entry/1", value: { text: "hi" } });
    },
    { options, raw },
  );
  return txId;
}

async function settleIn(world, page, txId) {
  await page.evaluate((options) => uplink.start(options), world.options());
  await world.mineToFinal(txId);
  const { status, entry } = await page.evaluate(async () => {
    const { status } = await cache.tasks()[0].settled;
    return { status, entry: await cache.read("entry/1") };
  });
  assert.equal(status, "final");
  assert.deepEqual(entry.value, { text: "hi" });
  assert.equal(world.gateway.sends(txId).length, 1);
}

test("the last page closes with an unsent task: the browser wakes the service worker, which sends it; a page that comes back sees it settle", async (t) => {
  const world = await createWorldWithWorker(t, { gatewayIsUp: false });
  const page = await world.openPage();
  // Keeps the browser open; it has nothing of the cache.
  const other = await world.openOther();
  const txId = await submitUnsent(world, page);
  await page.close();
  world.gateway.up();
  const isAccepted = () => world.gateway.sends(txId).some(({ reply }) => reply?.result === txId);
  const bound = { timeoutMs: CHROMIUM_WAKES_WITHIN_MS };
  const wokeItself = await world.gateway.until(isAccepted, "the browser wakes it", bound).then(
    () => true,
    () => false,
  );
  t.diagnostic(wokeItself ? "Chromium woke it by itself" : "Chromium put the event off");
  if (!wokeItself) {
    // It knows of it all the same; when it fires is its own affair.
    const tags = await other.evaluate(async () =>
      (await navigator.serviceWorker.ready).sync.getTags(),
    );
    assert.deepEqual(tags, [world.tag]);
    await dispatchSync(world, other, world.tag);
    await world.untilAccepted(txId);
  }
  await settleIn(world, await world.openPage(), txId);
});

test("a page that goes offline has the browser told; without any page the event sends what waits", async (t) => {
  const world = await createWorldWithWorker(t, { gatewayIsUp: false });
  const page = await world.openPage();
  const other = await world.openOther();
  const txId = await submitUnsent(world, page);
  assert.equal(await page.evaluate(() => cache.stats().backgroundSync), "idle");
  await world.context.setOffline(true);
  await page.waitForFunction(() => cache.stats().backgroundSync === "registered");
  await page.close();
  await world.context.setOffline(false);
  world.gateway.up();
  await dispatchSync(world, other, world.tag);
  await world.untilAccepted(txId);
  // The browser may have tried before, without the network that the module is loaded over.
  assert.equal((await outcomesOf(other, world.tag)).at(-1), "done");
  await settleIn(world, await world.openPage(), txId);
});

test("where something cannot be sent the event fails, so that the browser tries again", async (t) => {
  const world = await createWorldWithWorker(t, {
    gatewayIsUp: false,
    worker: { giveUpAfterMs: 500 },
  });
  const page = await world.openPage();
  const other = await world.openOther();
  const txId = await submitUnsent(world, page);
  await page.close();
  await dispatchSync(world, other, world.tag);
  const outcomes = await outcomesOf(other, world.tag);
  assert.ok(outcomes.every((outcome) => outcome === "gateway_unreachable"));
  world.gateway.up();
  await dispatchSync(world, other, world.tag);
  await world.untilAccepted(txId);
  await settleIn(world, await world.openPage(), txId);
});

test("after destroy() an event leaves no database; tags of others are left alone", async (t) => {
  const world = await createWorldWithWorker(t);
  const page = await world.openPage();
  const options = world.options({ backgroundSync: true });
  await page.evaluate((options) => uplink.start(options), options);
  await page.evaluate(() => cache.destroy());
  const foreign = [
    "guestbook",
    "uplink-cache/other/31337/",
    "uplink-cache/%/31337/",
    "uplink-cache/a/1/b/c",
  ];
  for (const tag of [world.tag, ...foreign]) await dispatchSync(world, page, tag);
  assert.deepEqual(await outcomesOf(page, world.tag), ["done"]);
  for (const tag of foreign.filter((tag) => !tag.includes("other"))) {
    assert.deepEqual(await outcomesOf(page, tag), ["left alone"], tag);
  }
  assert.deepEqual(await outcomesOf(page, "uplink-cache/other/31337/"), ["done"]);
  assert.deepEqual(await page.evaluate(() => indexedDB.databases()), []);
});

test("while a page leads, the event waits for it to send, and sends nothing itself", async (t) => {
  const world = await createWorldWithWorker(t);
  const page = await world.openPage();
  const hold = world.gateway.hold("request", ({ method }) => method.startsWith("eth_sendRaw"));
  const txId = await submitUnsent(world, page);
  await hold.whenHeld();
  await dispatchSync(world, page, world.tag);
  hold.release();
  assert.deepEqual(await outcomesOf(page, world.tag), ["done"]);
  await page.evaluate(() => cache.close());
  await settleIn(world, page, txId);
});

test("without a service worker the option does nothing, and stats() says so", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const state = async (options) => {
    await page.evaluate((options) => uplink.start(options), options);
    const { backgroundSync } = await page.evaluate(() => cache.stats());
    await page.evaluate(() => cache.close());
    return backgroundSync;
  };
  assert.equal(await state(world.options({ backgroundSync: true })), "unavailable");
  assert.equal(await state(world.options()), "off");
});

const kinds = {
  "a dedicated worker": () => new Worker("/worker.js", { type: "module" }),
  "a shared worker": () => new SharedWorker("/worker.js", { type: "module" }).port,
  "a service worker": async () => {
    const options = { type: "module", scope: "/none/" };
    const registration = await navigator.serviceWorker.register("/worker.js", options);
    const worker = registration.installing ?? registration.waiting ?? registration.active;
    await new Promise((resolve) => {
      const look = () => worker.state === "activated" && resolve();
      worker.addEventListener("statechange", look);
      look();
    });
    return worker;
  },
};
const scopes = {
  "a dedicated worker": "DedicatedWorkerGlobalScope",
  "a shared worker": "SharedWorkerGlobalScope",
  "a service worker": "ServiceWorkerGlobalScope",
};

for (const [kind, make] of Object.entries(kinds)) {
  test(`the plain import opens, submits, reads and sends in ${kind}`, async (t) => {
    const world = await createWorld(t);
    const page = await world.openPage();
    const { raw, txId } = await world.wallet.sign({});
    const options = world.options({ persist: true, backgroundSync: true });
    const result = await page.evaluate(
      async ({ make, options, raw }) => {
        // biome-ignore lint/security/noGlobalEval: a function does not cross over as one
        const worker = await eval(make)();
        const { port1, port2 } = new MessageChannel();
        worker.postMessage({ options, raw }, [port2]);
        return new Promise((resolve) => {
          port1.onmessage = ({ data }) => resolve(data);
        });
      },
      { make: String(make), options, raw },
    );
    const value = { from: scopes[kind] };
    assert.deepEqual(result, {
      value,
      source: "backup",
      peeked: value,
      // Workers can look at it and not ask for it.
      persisted: "boolean",
      askedToPersist: false,
      backgroundSync: "unavailable",
    });
    assert.equal(world.gateway.sends(txId).length, 1);
  });
}
