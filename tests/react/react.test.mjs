// The hooks in React 19, in a page before a real chain: what is shown, when, and how often.
import assert from "node:assert/strict";
import { BLOCKS_TO_FINAL, REGISTRY, registryWrite, test } from "../e2e/fixture.mjs";
import { isSend } from "../support/gateway.mjs";
import { createReactWorld } from "./world.mjs";

const WRITES = 30;

test("a component submits, shows its value at once, and goes with it to final", async (t) => {
  const world = await createReactWorld(t);
  const page = await world.open();
  const held = world.gateway.hold("request", ({ method }) => isSend(method));
  const { raw, txId } = await world.wallet.sign({ text: "hi" });
  await page.evaluate((payload) => {
    const { Entry, Form, Health, React, Status, mount, uplinkReact } = faces;
    const h = React.createElement;
    const draft = { payload, key: "entry/1", value: "hi" };
    const parts = [h(Form, { draft }), h(Entry, { id: "entry/1" }), h(Status), h(Health)];
    mount(h(uplinkReact.UplinkProvider, { cache: open }, ...parts));
  }, raw);
  const shows = (id, text) => page.evaluate(([id, text]) => faces.shows(id, text), [id, text]);
  await shows("entry/1", "ready");
  await shows("status", "open usable idle unknown");
  await page.click("#send");
  await shows("entry/1", "ready hi backed-up");
  await shows("send", "backed-up");
  await shows("status", "open usable sending up");
  held.release();
  await world.untilAccepted(txId);
  await shows("entry/1", "ready hi sent");
  await shows("status", "open usable idle up");
  await world.mine();
  await shows("entry/1", "ready hi included");
  await shows("send", "included 1");
  await world.mine(BLOCKS_TO_FINAL);
  await shows("entry/1", "ready hi final");
  await page.evaluate(() => faces.shown(() => faces.textOf("send").startsWith("final ")));
  assert.equal(await page.evaluate(() => opened), 1, "StrictMode mounts twice, and opens once");
  const { leader, tasks, gateways, storage } = await page.evaluate(() => health);
  assert.deepEqual([leader, tasks.final, tasks["backed-up"]], [true, 1, 0]);
  assert.deepEqual(gateways, [{ url: new URL(world.gateway.url).href, state: "up", failures: 0 }]);
  assert.ok(storage.bytes > 0 && storage.trouble === undefined);
});

test("after a reload with the gateway down it is shown still", async (t) => {
  const world = await createReactWorld(t, { gatewayIsUp: false });
  const page = await world.open();
  const { raw } = await world.wallet.sign({ text: "hi" });
  const render = () =>
    page.evaluate(() => {
      const { Entry, List, React, Status, mount, uplinkReact } = faces;
      const h = React.createElement;
      const list = h(List, { id: "list", query: { prefix: "entry/" } });
      const parts = [h(Entry, { id: "entry/1" }), list, h(Status)];
      mount(h(uplinkReact.UplinkProvider, { cache: open }, ...parts));
    });
  await render();
  await page.evaluate(async (payload) => {
    await faces.shows("list", "ready");
    await cache.submit({ payload, key: "entry/1", value: "hi" });
    await faces.shows("entry/1", "ready hi backed-up");
  }, raw);
  await world.reload(page);
  await render();
  await page.evaluate(async () => {
    await faces.shows("entry/1", "ready hi backed-up");
    await faces.shows("list", "ready entry/1=hi");
    await faces.shows("status", "open usable waiting down");
  });
});

test("StrictMode and remounts leave one listener of a key, however many read it, and none after the unmount", async (t) => {
  const world = await createReactWorld(t);
  const page = await world.open();
  const seen = await page.evaluate(async () => {
    const { Entry, React, countListeners, mount, shows, uplinkReact } = faces;
    const { createElement: h } = React;
    const counted = countListeners(await open());
    const entries = (count) =>
      Array.from({ length: count }, (_, i) => h(Entry, { key: i, id: `e${i}`, name: "entry/1" }));
    const tree = (count) => h(uplinkReact.UplinkProvider, { cache }, entries(count));
    const root = mount(tree(3));
    await shows("e2", "ready");
    const mounted = { listening: await counted.until(3), lives: counted.lives };
    root.render(tree(1));
    const fewer = await counted.until(1);
    for (let i = 0; i < 10; i += 1) root.render(tree(1 + (i % 2)));
    root.render(tree(1));
    await shows("e0", "ready");
    const moved = { listening: await counted.until(1), lives: counted.lives };
    root.unmount();
    return { mounted, fewer, moved, unmounted: await counted.until(0) };
  });
  const one = { listening: 1, lives: 1 };
  assert.deepEqual(seen, {
    mounted: { listening: 3, lives: 1 },
    fewer: 1,
    moved: one,
    unmounted: 0,
  });
});

test("two roots with one source share a cache, and one goes on without the other", async (t) => {
  const world = await createReactWorld(t);
  const page = await world.open();
  const [one, other] = await world.wallet.signMany(2);
  const seen = await page.evaluate(
    async ([one, other]) => {
      const { Entry, React, mount, shows, uplinkReact } = faces;
      const { createElement: h } = React;
      const tree = (id) =>
        h(uplinkReact.UplinkProvider, { cache: open }, h(Entry, { id, name: "entry/1" }));
      const first = mount(tree("first"));
      mount(tree("second"));
      await Promise.all([shows("first", "ready"), shows("second", "ready")]);
      await cache.submit({ payload: one, key: "entry/1", value: "both" });
      const isShown = (id) => faces.shown(() => faces.textOf(id)?.startsWith("ready both"));
      await Promise.all([isShown("first"), isShown("second")]);
      first.unmount();
      await cache.submit({ payload: other, key: "entry/1", value: "one" });
      await faces.shown(() => faces.textOf("second").startsWith("ready one"));
      return { opened, first: faces.textOf("first") ?? "gone" };
    },
    [one.raw, other.raw],
  );
  assert.deepEqual(seen, { opened: 1, first: "gone" });
});

test("in no commit do two components show different values of a key, also while a transition renders", async (t) => {
  const world = await createReactWorld(t, { gatewayIsUp: false });
  const page = await world.open(world.options({ durability: "relaxed" }));
  const payloads = (await world.wallet.signMany(WRITES)).map(({ raw }) => raw);
  const seen = await page.evaluate(async (payloads) => {
    const { React, Readers, mount, shown, uplinkReact } = faces;
    const { createElement: h, startTransition } = React;
    const commits = [];
    const onCommit = (texts) => commits.push(texts);
    await open();
    const turn = await new Promise((onTurn) => {
      const readers = h(Readers, { onCommit, onTurn });
      mount(h(uplinkReact.UplinkProvider, { cache }, readers), { isStrict: false });
    });
    for (const [i, payload] of payloads.entries()) {
      startTransition(turn);
      await cache.submit({ payload, key: "entry/1", value: i });
    }
    const readers = document.getElementById("readers");
    const isLast = (each) => each.textContent === `${payloads.length - 1}`;
    await shown(() => [...readers.children].every(isLast));
    await shown(() => readers.title === `${payloads.length}`);
    return {
      count: commits.length,
      values: new Set(commits.flat()).size,
      torn: commits.filter((texts) => new Set(texts).size > 1),
    };
  }, payloads);
  assert.deepEqual(seen.torn, []);
  assert.ok(seen.count > 2 && seen.values > 2, JSON.stringify(seen));
  t.diagnostic(`${seen.count} commits, ${seen.values} values`);
});

test("with `suspense` the fallback stays until the answer is known, and nothing loops", async (t) => {
  const world = await createReactWorld(t);
  const page = await world.open();
  const { raw } = await world.wallet.sign({ text: "hi" });
  const seen = await page.evaluate(async (payload) => {
    const { Entry, List, Opened, React, mount, shown, shows, textOf, uplinkReact } = faces;
    const { createElement: h, Suspense } = React;
    const states = [];
    const onRender = ({ state }) => states.push(state);
    const entry = h(Entry, { id: "entry/1", suspense: true, onRender });
    const list = h(List, { id: "list", query: { prefix: "entry/" }, suspense: true });
    const tree = h(Suspense, { fallback: h("b", { id: "wait" }) }, entry, list, h(Opened));
    mount(h(uplinkReact.UplinkProvider, { cache: open }, tree));
    await shown(() => textOf("wait") !== undefined);
    const before = textOf("entry/1") ?? "nothing";
    await shows("entry/1", "ready");
    await shows("list", "ready");
    await cache.submit({ payload, key: "entry/1", value: "hi" });
    await shown(() => textOf("entry/1").startsWith("ready hi"));
    await shows("list", "ready entry/1=hi");
    await shows("opened", "chain 31337");
    const fallback = textOf("wait") ?? "gone";
    return { before, fallback, states: [...new Set(states)], many: states.length > 30, opened };
  }, raw);
  const expected = {
    before: "nothing",
    fallback: "gone",
    states: ["ready"],
    many: false,
    opened: 1,
  };
  assert.deepEqual(seen, expected);
});

test("a cache that cannot be opened: returned, or thrown to the boundary, until a retry opens it", async (t) => {
  const world = await createReactWorld(t);
  const page = await world.open();
  const seen = await page.evaluate(async () => {
    const { Again, Boundary, Entry, React, Status, mount, shows, uplinkReact } = faces;
    const { createElement: h, Suspense } = React;
    let tries = 0;
    const flaky = () => {
      tries += 1;
      return tries === 1 ? uplink.openCache({ name: "", gateway: uplink.evm({}) }) : open();
    };
    const suspending = h(
      Suspense,
      { fallback: "…" },
      h(Entry, { id: "thrown", name: "k", suspense: true }),
    );
    const parts = [
      h(Entry, { id: "returned", name: "k" }),
      h(Status),
      h(Boundary, { fallback: Again }, suspending),
    ];
    const root = mount(h(uplinkReact.UplinkProvider, { cache: flaky }, ...parts));
    await shows("returned", "failed invalid_input");
    await shows("status", "failed invalid_input");
    await shows("again", "invalid_input");
    document.getElementById("again").click();
    await shows("thrown", "ready");
    await shows("returned", "ready");
    return { tries, caught: new Set(root.caught).size };
  });
  assert.deepEqual(seen, { tries: 2, caught: 1 });
});

test("wrong use is thrown: no provider, no cache, a key or query that there cannot be", async (t) => {
  const world = await createReactWorld(t);
  const page = await world.open();
  const messages = await page.evaluate(async () => {
    const { Boundary, Entry, ErrorName, List, React, mount, shown, uplinkReact } = faces;
    const { createElement: h } = React;
    await open();
    const inside = (child) => h(uplinkReact.UplinkProvider, { cache }, child);
    const wrong = [
      h(Entry, { id: "none" }),
      h(uplinkReact.UplinkProvider, { cache: { name: "options" } }),
      h(uplinkReact.UplinkProvider, {}),
      inside(h(Entry, { id: "number", name: 7 })),
      inside(h(Entry, { id: "number", name: null })),
      inside(h(List, { id: "list", query: { limit: 0 } })),
    ];
    const found = [];
    for (const element of wrong) {
      const { container } = mount(h(Boundary, { fallback: ErrorName }, element));
      found.push(await shown(() => container.querySelector(".error")?.textContent));
    }
    return found;
  });
  const invalid = "invalid_input";
  assert.deepEqual(messages, ["Error", "TypeError", "TypeError", invalid, invalid, invalid]);
});

test("a submit before the cache is open waits for it, and says where it cannot be opened", async (t) => {
  const world = await createReactWorld(t);
  const page = await world.open();
  const { raw } = await world.wallet.sign({ text: "early" });
  const seen = await page.evaluate(async (payload) => {
    const { React, Submitter, mount, uplinkReact } = faces;
    const h = React.createElement;
    const submitTo = (cache) =>
      new Promise((onSubmit) => {
        mount(h(uplinkReact.UplinkProvider, { cache }, h(Submitter, { onSubmit })));
      });
    let give;
    const later = new Promise((resolve) => {
      give = resolve;
    });
    const broken = () =>
      Promise.reject(Object.assign(new Error("no"), { code: "storage_unavailable" }));
    const submitLater = await submitTo(later);
    const submitBroken = await submitTo(broken);
    let isDone = false;
    const submitted = submitLater({ payload, key: "entry/1", value: "early" });
    submitted.then(() => {
      isDone = true;
    });
    const failed = await submitBroken({ payload }).catch(({ code }) => code);
    const before = isDone;
    give(open());
    const { status, key } = await submitted;
    return {
      before,
      failed,
      key,
      isBackedUp: status !== undefined,
      peeked: cache.peek("entry/1").value,
    };
  }, raw);
  const expected = { before: false, failed: "storage_unavailable", key: "entry/1" };
  assert.deepEqual(seen, { ...expected, isBackedUp: true, peeked: "early" });
});

test("with another account's cache everything is that account's, and nothing of the first is shown", async (t) => {
  const world = await createReactWorld(t, { gatewayIsUp: false });
  const page = await world.open();
  const other = world.options({ account: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8" });
  const { raw } = await world.wallet.sign({ text: "hi" });
  const seen = await page.evaluate(
    async ({ payload, other }) => {
      const { Entry, List, React, mount, shows, uplinkReact } = faces;
      const { createElement: h } = React;
      const first = await open();
      const second = await uplink.open(other);
      const counted = faces.countListeners(first);
      const shown = [];
      const onRender = ({ entry }) => shown.push(entry?.value);
      const list = h(List, { id: "list", query: { prefix: "entry/" } });
      const tree = (cache) =>
        h(uplinkReact.UplinkProvider, { cache }, h(Entry, { id: "entry/1", onRender }), list);
      const root = mount(tree(first));
      await shows("list", "ready");
      await first.submit({ payload, key: "entry/1", value: "mine" });
      await shows("entry/1", "ready mine backed-up");
      await shows("list", "ready entry/1=mine");
      shown.length = 0;
      root.render(tree(second));
      await shows("entry/1", "ready");
      await shows("list", "ready");
      const leaked = shown.filter((value) => value !== undefined);
      await counted.until(0);
      root.render(tree(first));
      await shows("entry/1", "ready mine backed-up");
      return { leaked, tasks: second.tasks().length };
    },
    { payload: raw, other },
  );
  assert.deepEqual(seen, { leaked: [], tasks: 0 });
});

test("hot reloading: the module opens anew, closes the old cache, and the page goes on", async (t) => {
  const world = await createReactWorld(t, { gatewayIsUp: false });
  const page = await world.open();
  const [one, other] = await world.wallet.signMany(2);
  const seen = await page.evaluate(
    async ([one, other]) => {
      const { Entry, React, Status, mount, shows, uplinkReact } = faces;
      const { createElement: h } = React;
      // What a bundler does when the module changed that opens the cache: its code runs anew, and the tree is rendered with that.
      const load = () => {
        const opening = open();
        const dispose = () => opening.then((old) => old.close());
        const tree = h(
          uplinkReact.UplinkProvider,
          { cache: opening },
          h(Entry, { id: "entry/1" }),
          h(Status),
        );
        return { tree, dispose };
      };
      let module = load();
      const root = mount(module.tree);
      await shows("status", "open usable idle unknown");
      await cache.submit({ payload: one, key: "entry/1", value: "kept" });
      await shows("entry/1", "ready kept backed-up");
      for (let i = 0; i < 3; i += 1) {
        const old = module;
        module = load();
        root.render(module.tree);
        await old.dispose();
      }
      await shows("entry/1", "ready kept backed-up");
      await cache.submit({ payload: other, key: "entry/1", value: "new" });
      await shows("entry/1", "ready new backed-up");
      return { opened, caught: root.caught.length };
    },
    [one.raw, other.raw],
  );
  assert.deepEqual(seen, { opened: 4, caught: 0 });
});

test("a cache that breaks, or is closed, is told, and what was shown stays", async (t) => {
  const world = await createReactWorld(t, { gatewayIsUp: false });
  const page = await world.open();
  const { raw } = await world.wallet.sign({ text: "hi" });
  const seen = await page.evaluate(async (payload) => {
    const { Entry, React, Status, mount, shown, shows, textOf, uplinkReact } = faces;
    const { createElement: h } = React;
    mount(h(uplinkReact.UplinkProvider, { cache: open }, h(Entry, { id: "entry/1" }), h(Status)));
    await shows("entry/1", "ready");
    await cache.submit({ payload, key: "entry/1", value: "hi" });
    await shows("entry/1", "ready hi backed-up");
    const [{ name }] = (await indexedDB.databases()).filter(({ name }) => name.includes("test"));
    indexedDB.deleteDatabase(name);
    await shown(() => textOf("status").startsWith("failed"));
    const broken = [textOf("entry/1"), textOf("status")];
    const second = await uplink.open({
      name: "closed",
      gateway: { urls: ["http://127.0.0.1:9"], chainId: 1 },
    });
    mount(
      h(
        uplinkReact.UplinkProvider,
        { cache: second },
        h(Status, { id: "second" }),
        h(Entry, { id: "k" }),
      ),
    );
    await shows("k", "ready");
    await second.close();
    await shows("second", "failed usable closed");
    mount(h(uplinkReact.UplinkProvider, { cache: second }, h(Entry, { id: "late" })));
    await shows("late", "failed closed");
    return broken;
  }, raw);
  const failed = "storage_unavailable";
  assert.deepEqual(seen, [`failed hi backed-up ${failed}`, `failed ${failed}`]);
});

test("while no gateway can be reached a key that only the chain has is pending, not empty", async (t) => {
  const world = await createReactWorld(t);
  const stored = await world.wallet.sign(registryWrite("entry/1", "hi"));
  await world.chain.rpc("eth_sendRawTransaction", [stored.raw]);
  await world.mine();
  world.gateway.down();
  const page = await world.open(world.options({ registry: REGISTRY }));
  const before = await page.evaluate(async () => {
    const { Entry, Queried, QueryClientProvider, React, mount, shown, uplinkReact } = faces;
    const { createElement: h } = React;
    await open();
    globalThis.states = new Set();
    const onRender = ({ state, entry }) => states.add(`${state} ${entry?.value}`);
    const entry = h(Entry, { id: "entry/1", onRender });
    mount(h(uplinkReact.UplinkProvider, { cache }, entry));
    const client = new faces.QueryClient({ defaultOptions: { queries: { retryDelay: 1 } } });
    faces.uplinkQuery.bindQueries(client, cache);
    const query = h(Queried, { id: "query", name: "entry/1", cache });
    mount(h(QueryClientProvider, { client }, query));
    await shown(() => faces.textOf("query") === "error gateway_unreachable");
    return [...states];
  });
  assert.deepEqual(before, ["pending undefined"]);
  world.gateway.up();
  const after = await page.evaluate(async () => {
    await faces.shown(() => /^ready hi/.test(faces.textOf("entry/1")));
    await faces.shown(() => /^success hi/.test(faces.textOf("query")));
    return [...states];
  });
  assert.deepEqual(after, ["pending undefined", "ready hi"]);
});

test("a value that cannot be decoded fails its hooks, with what was shown before, until it can be", async (t) => {
  const world = await createReactWorld(t, { gatewayIsUp: false });
  const page = await world.open();
  const raws = (await world.wallet.signMany(3)).map(({ raw }) => raw);
  await page.evaluate(
    async ({ raws: [old, bad, good], options }) => {
      const { Entry, List, React, mount, shows, uplinkReact } = faces;
      const { createElement: h } = React;
      const { evm, json } = uplink;
      // The page must not see the error that is reported as uncaught.
      globalThis.reportError = () => {};
      const decode = (stored) => {
        const value = json.decode(stored);
        if (value === "bad") throw new Error("a format of later");
        return value;
      };
      const codec = { encode: json.encode, decode };
      const gateway = evm(options.gateway);
      globalThis.cache = await uplink.openCache({ ...options, gateway, codec });
      const submit = (payload, value) => cache.submit({ payload, key: "entry/1", value });
      const list = (id) => h(List, { id, query: { prefix: "entry/" } });
      const provide = (...parts) => h(uplinkReact.UplinkProvider, { cache }, ...parts);
      await submit(old, "old");
      mount(provide(h(Entry, { id: "first", name: "entry/1" }), list("list")));
      await shows("first", "ready old backed-up");
      await shows("list", "ready entry/1=old");
      const wrong = await submit(bad, "bad");
      await shows("first", "failed old backed-up invalid_input");
      await shows("list", "failed entry/1=old");
      mount(provide(h(Entry, { id: "second", name: "entry/1" })));
      await shows("second", "failed old backed-up invalid_input");
      await cache.cancel(wrong.id);
      await shows("first", "ready old backed-up");
      await shows("list", "ready entry/1=old");
      await submit(good, "good");
      await shows("second", "ready good backed-up");
    },
    { raws, options: world.options() },
  );
});

test("a task that is discarded, here or in another tab, is shown no more", async (t) => {
  const world = await createReactWorld(t, { gatewayIsUp: false });
  const [page, other] = [await world.open(), await world.open()];
  const raws = (await world.wallet.signMany(2)).map(({ raw }) => raw);
  await other.evaluate(() => open());
  const seen = await page.evaluate(async (raws) => {
    const { React, Followed, mount, shows, uplinkReact } = faces;
    const { createElement: h } = React;
    await open();
    const tasks = [];
    for (const payload of raws)
      tasks.push(await cache.submit({ payload, lane: "own", value: 1, key: "k" }));
    const show = ({ id }) => h(Followed, { key: id, id });
    mount(h(uplinkReact.UplinkProvider, { cache }, tasks.map(show)));
    const [{ id }, { id: later }] = tasks;
    await cache.cancel(later);
    await cache.cancel(id);
    await shows(id, `failed own ${tasks[0].size}`);
    await cache.discard(id);
    await shows(id, "nothing");
    return { later, text: faces.textOf(later) };
  }, raws);
  assert.match(seen.text, /^failed own /);
  await other.evaluate(async (id) => {
    await uplink.when(() => cache.task(id)?.status === "failed");
    await cache.discard(id);
  }, seen.later);
  await page.evaluate((id) => faces.shows(id, "nothing"), seen.later);
});

test("without a network what is written is told to wait, though the gateway was up", async (t) => {
  const world = await createReactWorld(t);
  const url = "http://gateway.test/";
  const page = await world.open(world.options({ gateway: { urls: [url] } }));
  // On another machine, as far as the page can tell.
  await page.route(url, async (route) => {
    const headers = { "content-type": "application/json" };
    const body = route.request().postData();
    const response = await fetch(world.gateway.url, { method: "POST", headers, body });
    const shared = { ...headers, "access-control-allow-origin": "*" };
    await route.fulfill({ headers: shared, body: await response.text() });
  });
  const [one, other] = await world.wallet.signMany(2);
  const shows = (text) => page.evaluate((text) => faces.shows("status", text), text);
  const submit = (payload) => page.evaluate((payload) => cache.submit({ payload }), payload);
  await page.evaluate(async () => {
    const { React, Status, mount, uplinkReact } = faces;
    const h = React.createElement;
    await open();
    mount(h(uplinkReact.UplinkProvider, { cache }, h(Status)));
  });
  await submit(one.raw);
  await shows("open usable idle up");
  await page.context().setOffline(true);
  await submit(other.raw);
  await shows("open usable waiting up");
  await page.context().setOffline(false);
  await world.untilAccepted(other.txId);
  await shows("open usable idle up");
});
