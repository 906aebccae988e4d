// TanStack Query over a cache: its queries show what the cache knows, and are kept up to date.
import assert from "node:assert/strict";
import { BLOCKS_TO_FINAL, REGISTRY, test } from "../e2e/fixture.mjs";
import { createReactWorld } from "./world.mjs";

/** Opens the cache and renders its queries; `bound` ends the binding. */
function renderQueries() {
  const { Queried, QueriedList, QueryClient, QueryClientProvider, React, mount } = faces;
  const h = React.createElement;
  globalThis.counted = faces.countListeners(cache);
  globalThis.client = new QueryClient();
  globalThis.stopBinding = faces.uplinkQuery.bindQueries(client, cache);
  const parts = [h(Queried, { id: "entry/1", cache }), h(QueriedList, { id: "list", cache })];
  globalThis.root = mount(h(QueryClientProvider, { client }, ...parts));
}

test("a query shows what is written at once, and follows it to final", async (t) => {
  const world = await createReactWorld(t);
  const page = await world.open();
  await page.evaluate(() => open());
  await page.evaluate(renderQueries);
  const { raw, txId } = await world.wallet.sign({ text: "hi" });
  const shows = (id, text) => page.evaluate(([id, text]) => faces.shows(id, text), [id, text]);
  await shows("entry/1", "success null");
  await shows("list", "success");
  await page.evaluate((payload) => cache.submit({ payload, key: "entry/1", value: "hi" }), raw);
  await shows("list", "success entry/1=hi");
  await world.untilAccepted(txId);
  await shows("entry/1", "success hi sent");
  await world.mine();
  await shows("entry/1", "success hi included");
  await world.mine(BLOCKS_TO_FINAL);
  await shows("entry/1", "success hi final");
  const left = await page.evaluate(async () => {
    const { listening } = counted;
    root.unmount();
    return { listening, after: await counted.until(0) };
  });
  assert.deepEqual(left, { listening: 2, after: 0 });
});

test("what changed while nobody observed a query is shown when somebody does again", async (t) => {
  const world = await createReactWorld(t, { gatewayIsUp: false });
  const page = await world.open();
  const [one, other, last] = await world.wallet.signMany(3);
  await page.evaluate(() => open());
  await page.evaluate(renderQueries);
  const seen = await page.evaluate(
    async ([one, other, last]) => {
      const { Queried, QueryClientProvider, React, mount, shows, textOf } = faces;
      const submit = (payload, value) => cache.submit({ payload, key: "entry/1", value });
      await shows("entry/1", "success null");
      await submit(one, "one");
      await shows("entry/1", "success one backed-up");
      root.unmount();
      await counted.until(0);
      await submit(other, "other");
      const h = React.createElement;
      const again = h(Queried, { id: "again", name: "entry/1", cache });
      mount(h(QueryClientProvider, { client }, again));
      await shows("again", "success other backed-up");
      stopBinding();
      const after = await counted.until(0);
      await submit(last, "last");
      return { after, unbound: textOf("again") };
    },
    [one.raw, other.raw, last.raw],
  );
  assert.deepEqual(seen, { after: 0, unbound: "success other backed-up" });
});

test("an answer of the chain that was under way does not hide what was written meanwhile", async (t) => {
  const world = await createReactWorld(t);
  const page = await world.open(world.options({ registry: REGISTRY }));
  const reads = world.gateway.hold("reply", ({ method }) => method === "eth_call");
  const { raw } = await world.wallet.sign({ text: "hi" });
  await page.evaluate(() => open());
  await page.evaluate(renderQueries);
  await reads.whenHeld();
  await page.evaluate(async (payload) => {
    await cache.submit({ payload, key: "entry/1", value: "mine" });
    await faces.shown(() => /^success mine/.test(faces.textOf("entry/1")));
  }, raw);
  reads.release();
  const answered = await page.evaluate(async () => {
    const { queryKey } = faces.uplinkQuery.uplinkQueryOptions(cache, "entry/1");
    await faces.idle(client, queryKey);
    return client.getQueryData(queryKey).value;
  });
  assert.equal(answered, "mine");
});

test("without a network queries are answered, not paused, and a second cache's are its own", async (t) => {
  const world = await createReactWorld(t, { gatewayIsUp: false });
  const page = await world.open();
  const other = world.options({ account: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8" });
  const { raw } = await world.wallet.sign({ text: "hi" });
  await page.evaluate(() => open());
  await page.context().setOffline(true);
  const seen = await page.evaluate(
    async ({ payload, other }) => {
      const { uplinkListOptions, uplinkQueryOptions } = faces.uplinkQuery;
      const client = new faces.QueryClient();
      const second = await uplink.open(other);
      await cache.submit({ payload, key: "entry/1", value: "hi" });
      const read = async (of, key) => (await client.fetchQuery(uplinkQueryOptions(of, key)))?.value;
      const list = await client.fetchQuery(uplinkListOptions(cache, { prefix: "entry/" }));
      return {
        online: navigator.onLine,
        values: [await read(cache, "entry/1"), (await read(second, "entry/1")) ?? "nothing"],
        keys: list.items.map(({ key }) => key),
        initial: uplinkQueryOptions(cache, "entry/1").initialData().value,
      };
    },
    { payload: raw, other },
  );
  const values = ["hi", "nothing"];
  assert.deepEqual(seen, { online: false, values, keys: ["entry/1"], initial: "hi" });
});

test("answers that outlive the page are of their account alone", async (t) => {
  const world = await createReactWorld(t, { gatewayIsUp: false });
  const page = await world.open();
  const other = world.options({ account: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8" });
  const { raw } = await world.wallet.sign({ text: "hi" });
  const kept = await page.evaluate(async (payload) => {
    await open();
    await cache.submit({ payload, key: "entry/1", value: "mine" });
    const client = new faces.QueryClient();
    await client.fetchQuery(faces.uplinkQuery.uplinkQueryOptions(cache, "entry/1"));
    return JSON.stringify(faces.dehydrate(client));
  }, raw);
  await world.reload(page, other);
  const seen = await page.evaluate(
    async ({ kept, own }) => {
      const client = new faces.QueryClient();
      faces.hydrate(client, JSON.parse(kept));
      const first = await uplink.open(own);
      const dataOf = (cache) =>
        client.getQueryData(faces.uplinkQuery.uplinkQueryOptions(cache, "entry/1").queryKey);
      return { other: dataOf(await open()) ?? "nothing", own: dataOf(first).value };
    },
    { kept, own: world.options() },
  );
  assert.deepEqual(seen, { other: "nothing", own: "mine" });
});

test("what is read of one source is a query of its own, which nothing else is shown in", async (t) => {
  const world = await createReactWorld(t, { gatewayIsUp: false });
  const page = await world.open();
  const { raw } = await world.wallet.sign({ text: "hi" });
  const seen = await page.evaluate(async (payload) => {
    const { Queried, QueryClientProvider, React, mount, shows, textOf } = faces;
    const h = React.createElement;
    await open();
    const client = new faces.QueryClient();
    faces.uplinkQuery.bindQueries(client, cache);
    const cached = h(Queried, { id: "cached", name: "k", cache, options: { source: "cache" } });
    const any = h(Queried, { id: "any", name: "k", cache });
    mount(h(QueryClientProvider, { client }, cached, any));
    await shows("cached", "success null");
    await cache.submit({ payload, key: "k", value: "mine" });
    await shows("any", "success mine backed-up");
    return textOf("cached");
  }, raw);
  assert.equal(seen, "success null");
});

test("a query of a closed cache fails by itself", async (t) => {
  const world = await createReactWorld(t, { gatewayIsUp: false });
  const page = await world.open();
  await page.evaluate(async () => {
    const { Queried, QueryClientProvider, React, mount, shows } = faces;
    const h = React.createElement;
    await open();
    await cache.close();
    const client = new faces.QueryClient();
    faces.uplinkQuery.bindQueries(client, cache);
    mount(h(QueryClientProvider, { client }, h(Queried, { id: "k", cache })));
    await shows("k", "error closed");
  });
});

test("an error that may pass is tried again, another is not", async (t) => {
  const world = await createReactWorld(t);
  const page = await world.open();
  const retries = await page.evaluate(async () => {
    await open();
    const { retry } = faces.uplinkQuery.uplinkQueryOptions(cache, "k");
    const wrong = new uplink.UplinkError("invalid_input", "no");
    const down = new uplink.UplinkError("gateway_unreachable", "no", { retryable: true });
    return [retry(0, wrong), retry(0, down), retry(2, down), retry(3, down)];
  });
  assert.deepEqual(retries, [false, true, true, false]);
});
