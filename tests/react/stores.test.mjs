// Svelte's stores and Vue's refs over a cache, with the libraries' own functions.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { test } from "../e2e/fixture.mjs";
import { createReactWorld } from "./world.mjs";

test("a Svelte store follows a key and a list while somebody subscribes", async (t) => {
  const world = await createReactWorld(t, { gatewayIsUp: false });
  const page = await world.open();
  const [one, other] = await world.wallet.signMany(2);
  const seen = await page.evaluate(
    async ([one, other]) => {
      const { countListeners, svelte, uplinkSvelte } = faces;
      const counted = countListeners(await open());
      const opening = Promise.resolve(cache);
      const entry = uplinkSvelte.readStore(opening, "entry/1");
      const list = uplinkSvelte.listStore(opening, { prefix: "entry/" });
      const both = svelte.derived(
        [entry, list],
        ([entry, list]) => list && [entry?.value ?? "nothing", list.items.length].join(" "),
      );
      const shown = [];
      const waiting = new Set();
      const stop = both.subscribe((text) => {
        if (shown.length === 0 || text !== shown.at(-1)) shown.push(text);
        for (const look of waiting) look();
      });
      const until = (text) =>
        new Promise((resolve) => {
          const look = () => shown.at(-1) === text && resolve();
          waiting.add(look);
          look();
        });
      await until("nothing 0");
      await cache.submit({ payload: one, key: "entry/1", value: "hi" });
      await until("hi 1");
      const value = svelte.get(entry).value;
      stop();
      await cache.submit({ payload: other, key: "entry/1", value: "new" });
      // Of an open cache what `peek` knows is there at once.
      const fresh = svelte.get(uplinkSvelte.readStore(cache, "entry/1")).value;
      const last = svelte.get(entry) ?? "unknown before its promise";
      const { lives } = counted;
      return {
        shown: [shown[0] ?? "unknown", shown.at(-1)],
        value,
        fresh,
        last,
        lives,
        after: await counted.until(0),
      };
    },
    [one.raw, other.raw],
  );
  assert.deepEqual(seen, {
    shown: ["unknown", "hi 1"],
    value: "hi",
    fresh: "new",
    last: "unknown before its promise",
    lives: 3,
    after: 0,
  });
});

test("a Vue ref follows a key, another key and another cache, until its scope ends", async (t) => {
  const world = await createReactWorld(t, { gatewayIsUp: false });
  const page = await world.open();
  const other = world.options({ account: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8" });
  const [one, two, three] = await world.wallet.signMany(3);
  const seen = await page.evaluate(
    async ({ payloads: [one, two, three], other }) => {
      const { countListeners, uplinkVue, vue } = faces;
      const counted = countListeners(await open());
      const second = await uplink.open(other);
      const scope = vue.effectScope();
      const { entry, list, key, given } = scope.run(() => {
        // A deep ref, as people make them.
        const given = vue.ref();
        const key = vue.ref("entry/1");
        const query = vue.reactive({ prefix: "entry/", limit: 10 });
        return {
          entry: uplinkVue.useRead(given, key),
          list: uplinkVue.useList(given, query),
          key,
          given,
        };
      });
      const until = (check) =>
        new Promise((resolve) => {
          const stop = vue.watch(
            () => check(entry.value, list.value),
            (isSo) => isSo && queueMicrotask(() => resolve(stop())),
            { immediate: true, flush: "sync" },
          );
        });
      const none = [entry.value, list.value].every((value) => value === undefined);
      given.value = Promise.resolve(cache);
      await until((_, list) => list?.items.length === 0);
      await cache.submit({ payload: one, key: "entry/1", value: "one" });
      await until((entry, list) => entry?.value === "one" && list?.items.length === 1);
      await cache.submit({ payload: two, key: "entry/2", value: "two" });
      given.value = cache;
      key.value = "entry/2";
      const atOnce = entry.value?.value;
      await until((entry, list) => entry?.value === "two" && list?.items.length === 2);
      const { listening } = counted;
      given.value = second;
      const elsewhere = entry.value?.value ?? "nothing";
      await until((_, list) => list?.items.length === 0);
      given.value = cache;
      await until((entry) => entry?.value === "two");
      scope.stop();
      const after = await counted.until(0);
      await cache.submit({ payload: three, key: "entry/2", value: "three" });
      return { none, atOnce, listening, elsewhere, after, last: entry.value.value };
    },
    { payloads: [one.raw, two.raw, three.raw], other },
  );
  assert.deepEqual(seen, {
    none: true,
    atOnce: "two",
    listening: 2,
    elsewhere: "nothing",
    after: 0,
    last: "two",
  });
});

test("a list by tag takes what frameworks make of a query, and follows it", async (t) => {
  const world = await createReactWorld(t, { gatewayIsUp: false });
  const page = await world.open();
  const [one, other] = await world.wallet.signMany(2);
  const seen = await page.evaluate(
    async ([one, other]) => {
      const { uplinkQuery, uplinkSvelte, uplinkVue, vue } = faces;
      await open();
      await cache.submit({ payload: one, key: "one", value: 1, tags: { topic: "a" } });
      await cache.submit({ payload: other, key: "other", value: 2, tags: { topic: "b" } });
      const query = { tag: ["topic", "a"] };
      const keys = (list) => list?.items.map(({ key }) => key).join();
      // As Svelte's `$state` does: every part of it is a Proxy.
      const proxy = new Proxy({ tag: new Proxy(query.tag, {}) }, {});
      const stored = new Promise((resolve) => {
        uplinkSvelte.listStore(cache, proxy).subscribe((list) => list && resolve(keys(list)));
      });
      const client = new faces.QueryClient();
      const options = uplinkQuery.uplinkListOptions(cache, vue.reactive({ tag: ["topic", "a"] }));
      const queried = client.fetchQuery(options);
      const asked = vue.reactive({ tag: ["topic", "a"] });
      const scope = vue.effectScope();
      const lists = scope.run(() => [
        uplinkVue.useList(cache, vue.ref({ tag: ["topic", "a"] })),
        uplinkVue.useList(cache, asked),
      ]);
      const until = (text) =>
        new Promise((resolve) => {
          vue.watch(
            () => lists.map(({ value }) => keys(value)).join(";"),
            (shown) => shown === text && resolve(shown),
            { immediate: true, flush: "sync" },
          );
        });
      const first = await until("one;one");
      asked.tag[1] = "b";
      const shown = [await stored, keys(await queried), first, await until("one;other")];
      scope.stop();
      return shown;
    },
    [one.raw, other.raw],
  );
  assert.deepEqual(seen, ["one", "one", "one;one", "one;other"]);
});

test("of a cache that is closed stores and refs have nothing, and do not throw", async (t) => {
  const world = await createReactWorld(t, { gatewayIsUp: false });
  const page = await world.open();
  const seen = await page.evaluate(async () => {
    const { svelte, uplinkSvelte, uplinkVue, vue } = faces;
    await open();
    await cache.close();
    const scope = vue.effectScope();
    const entry = scope.run(() => uplinkVue.useRead(cache, "k"));
    const store = uplinkSvelte.listStore(Promise.resolve(cache), {});
    const shown = [svelte.get(uplinkSvelte.readStore(cache, "k")), svelte.get(store), entry.value];
    scope.stop();
    return shown.map((value) => value ?? "nothing");
  });
  assert.deepEqual(seen, ["nothing", "nothing", "nothing"]);
});

test("the entries' types take what frameworks make of a cache", async () => {
  const program = fileURLToPath(new URL("../../node_modules/typescript/bin/tsc", import.meta.url));
  const file = fileURLToPath(new URL("types.ts", import.meta.url));
  const options = ["--module", "nodenext", "--target", "es2022", "--strict", "--skipLibCheck"];
  const args = [program, "--ignoreConfig", "--noEmit", ...options, file];
  const { stdout } = await promisify(execFile)(process.execPath, args).catch((error) => error);
  assert.equal(stdout, "");
});
