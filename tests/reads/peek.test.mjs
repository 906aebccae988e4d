// `peek` remembers what the module said: the same object while nothing changed, never an old one, and fast.
import assert from "node:assert/strict";
import { BLOCKS_TO_FINAL, REGISTRY, REVERTER, registryWrite, test } from "../e2e/fixture.mjs";
import { dropReply, dropRequest, latency } from "../support/faults.mjs";
import { randomNumbers, seedFromEnvironment } from "../support/random.mjs";
import { createReadsWorld, openReadsPage, start } from "./world.mjs";

const STEPS = Number(process.env.STEPS ?? 300);
const KEYS = Array.from({ length: 10 }, (_, i) => `entry/${i}`);
/** As long as make the log be cleaned now and then, and as one that is a blob of its own. */
const LONG = 12_000;
const BLOB = 80_000;
const MOST_OF_A_GET = 1 / 100;

test("peek gives the same frozen object while nothing changed, whatever else is asked", async (t) => {
  const world = await createReadsWorld(t);
  const page = await openReadsPage(world, world.options({ registry: REGISTRY }));
  const [one, other] = await world.wallet.signMany(2);
  const seen = await page.evaluate(
    async ([one, other]) => {
      const task = await cache.submit({ payload: one, key: "a", value: { list: [{ x: 1 }] } });
      await task.until("sent");
      const first = cache.peek("a");
      const nothing = cache.peek("b");
      await cache.list({ prefix: "" });
      await cache.read("a");
      await cache.read("c");
      await cache.submit({ payload: other, key: "b", value: 2 });
      const isSame = cache.peek("a") === first;
      const parts = [first, first.value, first.value.list, first.value.list[0]];
      const read = await cache.read("a");
      const inListener = new Promise((resolve) => {
        cache.addEventListener("status", ({ detail }) => {
          if (detail.task === task) resolve(cache.peek("a").status === task.status);
        });
      });
      globalThis.rest = { first, inListener };
      return {
        isSame,
        areFrozen: parts.every(Object.isFrozen),
        nothing,
        other: cache.peek("b").value,
        isOwn: read !== cache.peek("a") && !Object.isFrozen(read),
      };
    },
    [one.raw, other.raw],
  );
  assert.deepEqual(seen, {
    isSame: true,
    areFrozen: true,
    nothing: undefined,
    other: 2,
    isOwn: true,
  });
  for (const { txId } of [one, other]) await world.untilAccepted(txId);
  await world.mine(1);
  const after = await page.evaluate(async () => {
    const { first, inListener } = rest;
    await Promise.all(cache.tasks().map((each) => each.until("included")));
    const [second, unheard] = [cache.peek("a"), cache.peek("b")];
    return {
      status: second.status,
      isOther: second !== first,
      inListener: await inListener,
      unheard: unheard.status,
    };
  });
  assert.deepEqual(after, {
    status: "included",
    isOther: true,
    inListener: true,
    unheard: "included",
  });
});

test(
  `what is remembered is what the module says, in a long random life of two tabs`,
  async (t) => {
    const seed = seedFromEnvironment();
    t.diagnostic(`SEED=${seed} STEPS=${STEPS}`);
    const next = randomNumbers(seed);
    const pick = (list) => list[Math.floor(next() * list.length)];
    const world = await createReadsWorld(t);
    const options = world.options({ registry: REGISTRY });
    const tabs = [await openReadsPage(world, options), await openReadsPage(world, options)];
    const total = { comparisons: 0, entries: 0 };
    const kinds = new Set();
    for (const tab of tabs) await lookClosely(tab);

    const value = () => {
      const at = next();
      const length = at < 0.05 ? BLOB : at < 0.3 ? LONG : 3;
      return String.fromCharCode(97 + Math.floor(next() * 26)).repeat(length);
    };
    const inTab = (work, argument) => pick(tabs).evaluate(work, argument);
    const submit = async ({ raw }) => {
      const submission = { payload: raw, key: pick(KEYS), value: value() };
      await inTab((submission) => cache.submit(submission).then(() => {}), submission);
    };
    let cancellations = 0;
    const steps = {
      async submit() {
        const isBad = next() < 0.2;
        const to = isBad ? { to: REVERTER, gas: 100_000n } : registryWrite(pick(KEYS), "x");
        await submit(await world.wallet.sign(to));
      },
      mine: () => world.mine(1 + Math.floor(next() * 2)),
      async reorg() {
        const height = Number(await world.chain.rpc("eth_blockNumber"));
        const depth = 1 + Math.floor(next() * (BLOCKS_TO_FINAL - 1));
        if (height > depth) await world.chain.rpc("anvil_reorg", [depth, []]);
      },
      read: () =>
        inTab(({ key, source }) => uplink.attempt(() => cache.read(key, source && { source })), {
          key: pick(KEYS),
          source: pick([undefined, "backup", "cache", "chain", "chain"]),
        }),
      list: () => inTab((query) => cache.list(query), { prefix: "entry/", limit: pick([2, 50]) }),
      fault: () => {
        world.gateway.fault(() => true, pick([dropReply, dropRequest, latency(300)]), { times: 2 });
      },
      discard: () =>
        inTab(() =>
          uplink.attempt(async () => {
            for (const { id } of cache.tasks({ status: "failed" })) await cache.discard(id);
          }),
        ),
      async cancel() {
        const cancelled = await inTab(async () => {
          const nonces = [];
          // The newest: what is cancelled is written anew, and more than that would grow with every time.
          for (const task of cache.tasks({ status: "backed-up" }).slice(-3)) {
            const { error } = await uplink.attempt(() => cache.cancel(task.id));
            if (error === undefined) nonces.push(task.nonce);
          }
          return nonces;
        });
        // Nothing behind them is mined without theirs. Another text each time: a tab that has not heard of the cancellation
        // would take the same bytes for the same task.
        for (const nonce of cancelled) {
          cancellations += 1;
          await submit(await world.wallet.sign({ nonce, text: `x ${cancellations}` }));
        }
      },
      async reload() {
        const tab = pick(tabs);
        await leave(tab);
        await tab.reload();
        await start(tab, options);
        await lookClosely(tab);
      },
    };
    const often = ["submit", "submit", "submit", "mine", "mine", "read", "read", "list"];
    const names = [...often, ...often, ...often, "reorg", "fault", "discard", "cancel", "reload"];
    const done = {};
    for (let step = 0; step < STEPS; step += 1) {
      const name = pick(names);
      done[name] = (done[name] ?? 0) + 1;
      await steps[name]();
    }
    // Faults may have kept the gateway shut: in the end something settles.
    for (let left = 600; left > 0 && !(await tabs[0].evaluate(showsFinal, KEYS)); left -= 1) {
      await world.mine(1);
      await tabs[0].evaluate(() => closely.wait(100));
    }
    for (const tab of tabs) await leave(tab);
    t.diagnostic(`steps: ${JSON.stringify(done)}; compared: ${JSON.stringify(total)}`);
    t.diagnostic(`kinds of entries: ${[...kinds].sort().join(", ")}`);
    for (const kind of ["backup, ", "cache, final"]) {
      assert.ok(
        [...kinds].some((each) => each.startsWith(kind)),
        `none was ${kind}`,
      );
    }
    assert.ok(total.comparisons >= STEPS / 20, `${total.comparisons} comparisons are too few`);
    assert.ok(total.entries > total.comparisons, `${total.entries} entries were compared`);

    function lookClosely(tab) {
      const inListeners = tab === tabs[0];
      return tab.evaluate(
        ({ keys, inListeners }) => {
          globalThis.peeks = closely.peekClosely(keys, { inListeners });
          const queries = [{ key: keys[0] }, { prefix: "entry/" }, { prefix: "entry/", limit: 3 }];
          globalThis.looking = [
            ...queries.map(closely.watchClosely),
            ...queries.map((query) => closely.consume(cache.live(query))),
          ];
        },
        { keys: KEYS, inListeners },
      );
    }

    async function leave(tab) {
      const { faults, comparisons, entries, seen } = await tab.evaluate(() => {
        peeks.compare();
        peeks.stop();
        const faults = [peeks, ...looking].flatMap(({ faults }) => faults);
        for (const { stop } of looking) stop();
        return { faults: faults.map((fault) => fault.slice(0, 600)), ...peeks.counts() };
      });
      assert.deepEqual(faults, []);
      total.comparisons += comparisons;
      total.entries += entries;
      for (const kind of seen) kinds.add(kind);
    }
  },
  { timeoutMs: 300_000 },
);

/** In a page: whether a key shows what is settled. */
function showsFinal(keys) {
  return keys.some((key) => cache.peek(key)?.status === "final");
}

test("a peek takes less than a hundredth of a hand-written get, in one interleaved run", async (t) => {
  const world = await createReadsWorld(t, { gatewayIsUp: false });
  const page = await openReadsPage(world, world.options({ durability: "relaxed" }));
  const signed = await world.wallet.signMany(200);
  const medians = await page.evaluate(
    async (payloads) => {
      const value = { text: "x".repeat(900) };
      const key = (i) => `entry/${i % payloads.length}`;
      const request = indexedDB.open("by hand", 1);
      request.onupgradeneeded = () => request.result.createObjectStore("tasks", { keyPath: "key" });
      const database = await uplink.done(request);
      const tasks = (mode) => database.transaction("tasks", mode).objectStore("tasks");
      for (const [i, payload] of payloads.entries()) {
        await cache.submit({ payload, key: key(i), value });
        await uplink.done(tasks("readwrite").put({ key: key(i), value }));
      }
      const times = { peek: [], first: [], get: [] };
      let wrong = 0;
      const isRight = (entry) => entry?.value.text.length === 900;
      // What is measured is a look at what is rendered again and again; `first` is one that the module answers.
      for (let block = 0; block < 60; block += 1) {
        const start = performance.now();
        for (let i = 0; i < 5_000; i += 1) wrong += isRight(cache.peek(key(i))) ? 0 : 1;
        const peeked = performance.now();
        for (let i = 0; i < 10; i += 1) {
          wrong += isRight(await uplink.done(tasks("readonly").get(key(block + i)))) ? 0 : 1;
        }
        times.peek.push((peeked - start) / 5_000);
        times.get.push((performance.now() - peeked) / 10);
        await cache.list({ limit: 1 });
        const doubted = performance.now();
        for (let i = 0; i < payloads.length; i += 1) wrong += isRight(cache.peek(key(i))) ? 0 : 1;
        times.first.push((performance.now() - doubted) / payloads.length);
      }
      database.close();
      const median = (list) => list.toSorted((one, other) => one - other)[list.length / 2];
      const [peek, first, get] = [times.peek, times.first, times.get].map(median);
      return { peek, first, get, wrong };
    },
    signed.map(({ raw }) => raw),
  );
  const { peek, first, get, wrong } = medians;
  const us = (ms) => `${(1_000 * ms).toFixed(2)} µs`;
  t.diagnostic(
    `peek ${us(peek)}, asked anew ${us(first)}, get by hand ${us(get)}: ${(peek / get).toFixed(5)}`,
  );
  assert.equal(wrong, 0);
  assert.ok(peek < get * MOST_OF_A_GET);
});
