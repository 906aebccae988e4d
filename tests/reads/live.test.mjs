// `watch` and `live` are exact: no state is lost, none comes twice, at most one call a frame, whoever looks at the page.
import assert from "node:assert/strict";
import { REVERTER, test } from "../e2e/fixture.mjs";
import { launchPlain, temporaryProfile } from "../support/browser.mjs";
import { method } from "../support/gateway.mjs";
import { createReadsWorld, openReadsPage } from "./world.mjs";

/** Writes close together. */
const PAIRS = 60;
const HIDDEN_WRITES = 6;
/** As many and as long as make the log be cleaned. */
const SLEPT_TASKS = 48;
const SLEPT_BYTES = 12_000;
const CLEAN_AT_BYTES = 256 * 1024;

/** A browser as people have it: what is behind another tab is hidden, and can be frozen. */
async function plainBrowser(t) {
  const profile = await temporaryProfile();
  const plain = await launchPlain({ profile: profile.path });
  t.after(async () => {
    await plain.close();
    await profile.remove();
  });
  return plain;
}

const rawsOf = async (world, count) =>
  (await world.wallet.signMany(count)).map((signed) => signed.raw);

test("every watcher and snapshot sees each state once, in order, where there is time to see it", async (t) => {
  const world = await createReadsWorld(t, { gatewayIsUp: false });
  const page = await openReadsPage(world, world.options());
  const count = 20;
  const seen = await page.evaluate(
    async (payloads) => {
      const queries = [
        { key: "entry/1" },
        { prefix: "entry/" },
        { prefix: "entry/", limit: 1, reverse: true },
      ];
      const watchers = queries.map(closely.watchClosely);
      const consumers = queries.map((query) => closely.consume(cache.live(query)));
      const other = closely.watchClosely({ prefix: "other/" });
      await closely.until(() => watchers.every(({ calls }) => calls.length === 1));
      for (const [i, payload] of payloads.entries()) {
        await cache.submit({ payload, key: "entry/1", value: i });
        const isShown = (shown) => shown?.items[0]?.value === i;
        await closely.until(() => watchers.every(({ last }) => isShown(last())));
        await closely.until(() => consumers.every(({ shown }) => isShown(shown())));
      }
      return {
        values: watchers.map(({ values }) => values()),
        renders: consumers.map(({ renders }) => renders()),
        faults: [...watchers, ...consumers, other].flatMap(({ faults }) => faults),
        others: other.calls.length,
      };
    },
    await rawsOf(world, count),
  );
  const states = [[], ...Array.from({ length: count }, (_, i) => [i])];
  assert.deepEqual(seen.values, [states, states, states]);
  // One more, for "nothing is there", where `peek` could not tell.
  assert.deepEqual(seen.renders, [count + 1, count + 1, count + 1]);
  assert.deepEqual(seen.faults, []);
  assert.equal(seen.others, 1, "what does not concern a watcher does not call it");
});

test("a burst is told once a frame at most, and ends with what is", async (t) => {
  const world = await createReadsWorld(t, { gatewayIsUp: false });
  const page = await openReadsPage(world, world.options());
  const count = 200;
  const seen = await page.evaluate(
    async (payloads) => {
      const queries = [
        { key: "entry/3" },
        { prefix: "entry/", limit: 1_000 },
        { prefix: "entry/1", limit: 3, reverse: true },
      ];
      const watchers = queries.map(closely.watchClosely);
      const consumers = queries.map((query) => closely.consume(cache.live(query)));
      let acknowledged = 0;
      await Promise.all(
        payloads.map(async (payload, i) => {
          await new Promise((resolve) => setTimeout(resolve, i));
          const task = await cache.submit({ payload, key: `entry/${i % 20}`, value: i });
          acknowledged += 1;
          // Some are taken back: what was there before is there again.
          if (i % 3 === 0) await cache.cancel(task.id).catch(() => undefined);
        }),
      );
      await closely.wait(500);
      const now = [];
      for (const { key, ...query } of queries) {
        const items = key === undefined ? (await cache.list(query)).items : [await cache.read(key)];
        now.push(JSON.stringify(items));
      }
      return {
        acknowledged,
        now,
        last: watchers.map(({ last }) => JSON.stringify(last().items)),
        shown: consumers.map(({ shown }) => JSON.stringify(shown().items)),
        calls: watchers.map(({ calls }) => calls.length),
        faults: [...watchers, ...consumers].flatMap(({ faults }) => faults),
      };
    },
    await rawsOf(world, count),
  );
  assert.equal(seen.acknowledged, count);
  assert.deepEqual(seen.last, seen.now);
  assert.deepEqual(seen.shown, seen.now);
  assert.deepEqual(seen.faults, []);
  t.diagnostic(`calls of the watchers for ${count} submissions: ${seen.calls.join(", ")}`);
  assert.ok(seen.calls[1] > 1 && seen.calls[1] < count);
});

test("a write in the middle of a look is not lost, even if nothing comes after it", async (t) => {
  const world = await createReadsWorld(t, { gatewayIsUp: false });
  const page = await openReadsPage(world, world.options({ durability: "relaxed" }));
  const payloads = await rawsOf(world, 2 * PAIRS);
  const faults = await page.evaluate(async (payloads) => {
    const watcher = closely.watchClosely({ prefix: "entry/" });
    await closely.until(() => watcher.calls.length === 1);
    const submit = (i) => cache.submit({ payload: payloads[i], key: "entry/1", value: i });
    for (let i = 0; i < payloads.length; i += 2) {
      // The first has begun a look when the second comes, at this moment of it or that.
      const first = submit(i);
      const end = performance.now() + (i % 16) / 4;
      while (performance.now() < end) await closely.nextTurn();
      await Promise.all([first, submit(i + 1)]);
      await closely.until(
        () => watcher.last().items[0]?.value === i + 1,
        `${i + 1} is shown`,
        5_000,
      );
    }
    return watcher.faults;
  }, payloads);
  assert.deepEqual(faults, []);
});

test("a failure shows the value of before, and the previous page tells what was shown", async (t) => {
  const world = await createReadsWorld(t);
  const page = await openReadsPage(world, world.options());
  const good = await world.wallet.sign({ text: "ok" });
  const bad = await world.wallet.sign({ text: "no", to: REVERTER, gas: 100_000n });
  await page.evaluate(
    async ([good, bad]) => {
      globalThis.told = [];
      globalThis.watcher = closely.watchClosely({ prefix: "entry/" });
      cache.watch({ key: "entry/1" }, (page, previous) => told.push({ page, previous }));
      await cache.submit({ payload: good, key: "entry/1", value: "before" });
      await cache.submit({ payload: bad, key: "entry/1", value: "never" });
    },
    [good.raw, bad.raw],
  );
  await world.untilAccepted(good.txId);
  await world.untilAccepted(bad.txId);
  await page.evaluate(() => closely.until(() => told.at(-1)?.page.items[0]?.value === "never"));
  await world.mine(1);
  const { turn, faults } = await page.evaluate(async () => {
    await closely.until(() => told.at(-1)?.page.items[0]?.value === "before");
    await closely.until(() => watcher.last().items[0]?.value === "before");
    const shownIn = (page) => page?.items[0]?.value;
    const turns = told.map(({ page, previous }) => [shownIn(previous), shownIn(page)]);
    return {
      turn: turns.find(([, value], i) => i > 1 && value === "before" && turns[i][0] === "never"),
      faults: watcher.faults,
    };
  });
  assert.deepEqual(turn, ["never", "before"]);
  assert.deepEqual(faults, []);
});

test("a reader that waits for the gateway is not what holds up a write", async (t) => {
  const world = await createReadsWorld(t);
  const options = world.options({ registry: "0x0000000000000000000000000000000000005e91" });
  const page = await openReadsPage(world, options);
  const held = world.gateway.hold("reply", method("eth_call"));
  await page.evaluate(() => {
    globalThis.watcher = closely.watchClosely({ key: "entry/1" });
  });
  await held.whenHeld();
  const { raw } = await world.wallet.sign({ text: "mine" });
  const seen = await page.evaluate(async (payload) => {
    const before = watcher.calls.length;
    await cache.submit({ payload, key: "entry/1", value: "mine" });
    await closely.until(() => watcher.last()?.items[0]?.value === "mine", "it is shown", 5_000);
    return { before, faults: watcher.faults };
  }, raw);
  held.release();
  assert.deepEqual(seen, { before: 0, faults: [] });
});

test("a look that fails is told, and tried again", async (t) => {
  const world = await createReadsWorld(t, { gatewayIsUp: false });
  const page = await openReadsPage(world, world.options());
  const [first] = await rawsOf(world, 1);
  const seen = await page.evaluate(
    async ([first]) => {
      const reported = [];
      addEventListener("error", (event) => {
        event.preventDefault();
        reported.push(event.error?.code);
      });
      await cache.submit({ payload: first, key: "entry/1", value: 1 });
      const { transaction } = IDBDatabase.prototype;
      let isBroken = true;
      IDBDatabase.prototype.transaction = function (stores, mode, ...more) {
        if (isBroken && mode !== "readwrite" && [stores].flat().includes("values")) {
          throw new DOMException("broken by the test", "UnknownError");
        }
        return transaction.call(this, stores, mode, ...more);
      };
      // The first look of a prefix asks the store whether it holds anything.
      const watcher = closely.watchClosely({ prefix: "entry/" });
      await closely.until(() => reported.length > 0, "the failure is reported");
      const during = watcher.calls.length;
      isBroken = false;
      await closely.until(() => watcher.last()?.items.length === 1, "it is shown after all");
      return { reported: reported[0], during, faults: watcher.faults };
    },
    [first],
  );
  assert.deepEqual(seen, { reported: "storage_failed", during: 0, faults: [] });
});

test("listeners: twice the same, one that throws, one that ends itself, and none after its end", async (t) => {
  const world = await createReadsWorld(t, { gatewayIsUp: false });
  const page = await openReadsPage(world, world.options());
  const seen = await page.evaluate(
    async (payloads) => {
      let reported = 0;
      addEventListener("error", (event) => {
        event.preventDefault();
        reported += 1;
      });
      const live = cache.live({ prefix: "entry/" });
      const counts = { twice: 0, once: 0, thrown: 0, kept: 0 };
      const twice = () => {
        counts.twice += 1;
      };
      const stops = [live.subscribe(twice), live.subscribe(twice)];
      live.subscribe(() => {
        counts.thrown += 1;
        throw new Error("the listener's own");
      });
      const stopOnce = live.subscribe(() => {
        counts.once += 1;
        stopOnce();
      });
      live.subscribe(() => {
        counts.kept += 1;
      });
      const write = async (i) => {
        await cache.submit({ payload: payloads[i], key: "entry/1", value: i });
        await closely.until(() => live.getSnapshot()?.items[0]?.value === i);
      };
      await closely.until(() => live.getSnapshot() !== undefined);
      await write(0);
      stops[0]();
      stops[0]();
      await write(1);
      stops[1]();
      await write(2);
      const firstKnown = cache.live({ key: "entry/1" }).getSnapshot().items[0].value;
      const unknown = cache.live({ prefix: "entry/" }).getSnapshot();
      return { counts, reported, firstKnown, isUnknown: unknown === undefined };
    },
    await rawsOf(world, 3),
  );
  // "Nothing is there" is the first of four states.
  assert.deepEqual(seen.counts, { twice: 5, once: 1, thrown: 4, kept: 4 });
  assert.equal(seen.reported, 4);
  assert.equal(seen.firstKnown, 2);
  assert.equal(seen.isUnknown, true);
});

test("an iterator gives each page that its reader is in time for and always the last, and ends with the cache", async (t) => {
  const world = await createReadsWorld(t, { gatewayIsUp: false });
  const page = await openReadsPage(world, world.options());
  const seen = await page.evaluate(
    async (payloads) => {
      const live = cache.live({ key: "entry/1" });
      const values = { fast: [], slow: [], broken: [] };
      const reader = async (name, each) => {
        for await (const { items } of live) {
          values[name].push(items[0]?.value);
          if ((await each(items[0]?.value)) === false) break;
        }
        return name;
      };
      const ends = [
        reader("fast", () => undefined),
        reader("slow", () => closely.wait(150)),
        reader("broken", (value) => value !== 2),
      ];
      const iterator = live[Symbol.asyncIterator]();
      await iterator.next();
      for (const [i, payload] of payloads.entries()) {
        await cache.submit({ payload, key: "entry/1", value: i });
        await closely.until(() => values.fast.includes(i));
      }
      await closely.until(() => values.slow.at(-1) === payloads.length - 1);
      await iterator.next();
      // Nothing more comes: who waits is let go by `return`.
      const waiting = iterator.next();
      await iterator.return();
      const afterReturn = [(await waiting).done, (await iterator.next()).done];
      await cache.close();
      return {
        values,
        ends: await Promise.all(ends),
        afterReturn,
        late: await uplink.attempt(() => live[Symbol.asyncIterator]().next()),
      };
    },
    await rawsOf(world, 8),
  );
  const all = [undefined, 0, 1, 2, 3, 4, 5, 6, 7];
  assert.deepEqual(seen.values.fast, all);
  assert.deepEqual(seen.values.broken, all.slice(0, 4));
  assert.equal(seen.values.slow.at(-1), 7);
  assert.ok(seen.values.slow.length < all.length, "a slow reader does not see all");
  assert.equal(new Set(seen.values.slow).size, seen.values.slow.length);
  assert.deepEqual(seen.ends, ["fast", "slow", "broken"]);
  assert.deepEqual(seen.afterReturn, [true, true]);
  assert.deepEqual(seen.late, { value: { done: true, value: undefined } });
});

test("a hidden page hears of its own writes and of other tabs' without a frame, also one hidden in the middle", async (t) => {
  const world = await createReadsWorld(t, { gatewayIsUp: false, browser: await plainBrowser(t) });
  const first = await openReadsPage(world, world.options());
  await first.bringToFront();
  const payloads = await rawsOf(world, HIDDEN_WRITES + 2);
  await first.evaluate(async (payload) => {
    globalThis.watcher = closely.watchClosely({ prefix: "entry/" });
    await closely.until(() => watcher.calls.length === 1);
    await cache.submit({ payload, key: "entry/0", value: 0 });
  }, payloads[0]);
  const second = await openReadsPage(world, world.options());
  await second.bringToFront();
  await first.evaluate(() => closely.until(() => document.visibilityState === "hidden"));
  const hidden = await first.evaluate(
    async (payloads) => {
      const before = closely.drawnFrames();
      const start = performance.now();
      const shown = (count) => closely.until(() => watcher.last().items.length === count);
      await shown(1);
      for (const [i, payload] of payloads.entries()) {
        await cache.submit({ payload, key: `entry/${i + 1}`, value: i + 1 });
        await shown(i + 2);
      }
      const durationMs = performance.now() - start;
      return { frames: closely.drawnFrames() - before, durationMs };
    },
    payloads.slice(1, -1),
  );
  assert.equal(hidden.frames, 0);
  t.diagnostic(
    `${HIDDEN_WRITES} writes shown in a hidden page: ${Math.round(hidden.durationMs)} ms`,
  );
  // By timers, of which a hidden page has one a second, each would take a second.
  assert.ok(hidden.durationMs < 500 * HIDDEN_WRITES);
  await second.evaluate(
    (payload) => cache.submit({ payload, key: "entry/9", value: 9 }),
    payloads.at(-1),
  );
  const heard = await first.evaluate(async () => {
    await closely.until(() => watcher.values().at(-1).includes(9));
    return { values: watcher.values().at(-1), faults: watcher.faults };
  });
  assert.deepEqual(heard, { values: [0, 1, 2, 3, 4, 5, 6, 9], faults: [] });
});

test("what became of the backup while a tab slept, and its log was cleaned, is shown when it wakes", async (t) => {
  const world = await createReadsWorld(t, { browser: await plainBrowser(t) });
  const first = await openReadsPage(world, world.options());
  const second = await openReadsPage(world, world.options());
  const [before, after, ...others] = await world.wallet.signMany(2 + SLEPT_TASKS);
  const next = await world.wallet.sign({ text: "next" });
  await first.evaluate(async (payload) => {
    const task = await cache.submit({ payload, key: "entry/a", value: "before" });
    const queries = [{ key: "entry/b" }, { prefix: "entry/", limit: 2 }];
    globalThis.watchers = queries.map(closely.watchClosely);
    globalThis.consumers = queries.map((query) => closely.consume(cache.live(query)));
    globalThis.early = [cache.peek("entry/a").value, cache.peek("entry/b")];
    await task.until("sent");
  }, before.raw);
  const devTools = await first.context().newCDPSession(first);
  await devTools.send("Page.setWebLifecycleState", { state: "frozen" });

  await second.evaluate(
    async ({ after, others, length }) => {
      await cache.submit({ payload: after, key: "entry/a", value: "after" });
      const value = "x".repeat(length);
      await Promise.all(
        others.map((payload, i) => cache.submit({ payload, key: `other/${i}`, value })),
      );
    },
    { after: after.raw, others: others.map(({ raw }) => raw), length: SLEPT_BYTES },
  );
  await world.mineToFinal(before.txId, after.txId, ...others.map(({ txId }) => txId));
  await second.evaluate(
    (most) => closely.until(() => cache.stats().log.bytes <= most, "the log is cleaned"),
    CLEAN_AT_BYTES,
  );
  world.gateway.down();
  await second.evaluate(async (payload) => {
    await cache.submit({ payload, key: "entry/b", value: "next" });
  }, next.raw);

  await devTools.send("Page.setWebLifecycleState", { state: "active" });
  const seen = await first.evaluate(async () => {
    const valuesOf = (page) => page?.items.map(({ value }) => value).join();
    const shown = () => [
      ...watchers.map(({ last }) => valuesOf(last())),
      ...consumers.map(({ shown }) => valuesOf(shown())),
      `${cache.peek("entry/a")?.value},${cache.peek("entry/b")?.value}`,
    ];
    const whole = ["next", "after,next", "next", "after,next", "after,next"];
    await closely.until(() => shown().join(";") === whole.join(";"), "all show what is");
    return { early, faults: [...watchers, ...consumers].flatMap(({ faults }) => faults) };
  });
  assert.deepEqual(seen, { early: ["before", undefined], faults: [] });
});

for (const kind of ["Worker", "SharedWorker"]) {
  test(`a ${kind} watches and iterates as a page does`, async (t) => {
    const world = await createReadsWorld(t, { gatewayIsUp: false });
    const page = await world.openPage();
    const seen = await page.evaluate(
      ({ kind, data }) => {
        const worker = new globalThis[kind]("/reads/worker.js", { type: "module" });
        const { port1, port2 } = new MessageChannel();
        (worker.port ?? worker).postMessage(data, [port2]);
        return new Promise((resolve, reject) => {
          worker.onerror = (event) => reject(new Error(event.message));
          port1.onmessage = ({ data }) => resolve(data);
        });
      },
      { kind, data: { options: world.options(), payloads: await rawsOf(world, 5) } },
    );
    const states = [[], [0], [1], [2], [3], [4]];
    assert.deepEqual(seen, { values: states, iterated: states, faults: [] });
  });
}

test("bad input is refused at once", async (t) => {
  const world = await createReadsWorld(t, { gatewayIsUp: false });
  const page = await openReadsPage(world, world.options());
  const codes = await page.evaluate(async () => {
    const nothing = () => {};
    const queries = [
      undefined,
      "entry/",
      { key: 1 },
      { key: "a", prefix: "a" },
      { keys: "a" },
      { prefix: 1 },
      { limit: 0 },
      { limit: 1_000_000 },
      { reverse: 1 },
      { cursor: "a" },
      { key: "ä".repeat(513) },
      { prefix: "x".repeat(1_025) },
      { prefix: null },
      { tag: ["", "a"] },
      { tag: ["x".repeat(65), "a"] },
      { tag: ["a", "ä".repeat(129)] },
      { tag: ["a"] },
    ];
    const attempts = queries.flatMap((query) => [
      () => cache.watch(query, nothing),
      () => cache.live(query),
    ]);
    attempts.push(
      () => cache.watch({ key: "a" }),
      () => cache.merge([], { by: nothing }),
      () => cache.merge([], { query: {} }),
      () => cache.merge([], { by: nothing, query: { limit: 0 } }),
      () => cache.merge([], { by: nothing, query: { cursor: "a" } }),
      () => cache.merge([], { by: nothing, query: { prefixes: "a" } }),
      () => cache.merge([{}], { by: nothing, query: {} }),
      () => cache.merge(undefined, { by: nothing, query: {} }),
    );
    const codes = [];
    for (const each of attempts) codes.push((await uplink.attempt(each)).error?.code);
    return codes;
  });
  assert.deepEqual(new Set(codes), new Set(["invalid_input"]));
  assert.equal(codes.length, 42);
});
