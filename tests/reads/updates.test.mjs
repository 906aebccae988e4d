// Optimistic updates: values that the dapp's functions make of those below, in real pages on a real chain.

import assert from "node:assert/strict";
import { REGISTRY, REVERTER, registryWrite, test } from "../e2e/fixture.mjs";
import { createReadsWorld } from "./world.mjs";

const ALL = ["like", "edit", "double", "throws", "forgets", "waits", "reads", "stats", "large"];
/** In the record, so that the log is soon worth to be cleaned. */
const TEXT_BYTES = 12_000;
const POSTS = 30;

async function openPage(world, options) {
  const page = await world.openPage();
  await start(page, options);
  return page;
}

const start = (page, options) =>
  page.evaluate(async (options) => {
    await import("/reads/updates.js");
    await uplink.start(options);
  }, options);

async function reload(page, options) {
  await page.reload();
  await start(page, options);
}

/** Submits, and gives the task's id. */
const submit = (page, { raw }, options) =>
  page.evaluate(
    async ({ raw, options }) => (await cache.submit({ payload: raw, key: "post", ...options })).id,
    { raw, options },
  );
const like = (page, signed, who, more) =>
  submit(page, signed, { update: "like", value: who, ...more });

/** What a key shows: peeked, read and listed, which must be the same. */
const shown = (page, key = "post") =>
  page.evaluate(async (key) => {
    const read = await cache.read(key);
    const peeked = cache.peek(key);
    const { items } = await cache.list({ prefix: key });
    const listed = items.find((item) => item.key === key);
    const short = (entry) => entry && { value: entry.value, status: entry.status };
    return { read: short(read), peeked: short(peeked), listed: short(listed) };
  }, key);

async function assertShown(page, value, status, key) {
  const entry = value === undefined ? undefined : { value, status };
  assert.deepEqual(await shown(page, key), { read: entry, peeked: entry, listed: entry });
}

const task = (page, id) => page.evaluate((id) => uplink.describe(cache.task(id)), id);
const until = (page, id, status) =>
  page.evaluate(
    ({ id, status }) =>
      uplink.when(() => cache.task(id)?.status === status && uplink.describe(cache.task(id))),
    { id, status },
  );

test("likes stack over what is below, and are made anew where a lower one fails", async (t) => {
  const world = await createReadsWorld(t);
  const options = world.options({ updates: ALL });
  const page = await openPage(world, options);
  const signed = [
    await world.wallet.sign(),
    await world.wallet.sign(),
    await world.wallet.sign({ to: REVERTER, gas: 50_000n }),
    await world.wallet.sign(),
  ];
  await submit(page, signed[0], { value: { text: "hi" } });
  await like(page, signed[1], "ann");
  const failing = await like(page, signed[2], "bob");
  await like(page, signed[3], "eve");
  const before = await shown(page);
  assert.deepEqual(before.read.value, { text: "hi", likes: ["ann", "bob", "eve"] });
  assert.deepEqual(before.peeked.value, before.read.value);
  assert.deepEqual(before.listed.value, before.read.value);
  assert.equal((await task(page, failing)).update, "like");

  await reload(page, options);
  await page.evaluate(() => {
    globalThis.told = [];
    cache.watch({ key: "post" }, ({ items }, previous) => {
      told.push([items[0]?.value.likes, previous?.items[0]?.value.likes]);
    });
  });
  assert.deepEqual((await shown(page)).peeked.value, before.read.value, "after a reload, too");
  await world.mineToFinal(...signed.map(({ txId }) => txId));
  await until(page, failing, "failed");
  await page.evaluate(() => uplink.when(() => cache.stats().tasks.final === 3));
  await assertShown(page, { text: "hi", likes: ["ann", "eve"] }, "final");
  const told = await page.evaluate(() => told);
  const rolledBack = told.find(([now, then]) => then?.length === 3 && now?.length === 2);
  assert.deepEqual(rolledBack, [
    ["ann", "eve"],
    ["ann", "bob", "eve"],
  ]);
});

test("a page of posts does not call the functions again and again", async (t) => {
  const world = await createReadsWorld(t, { gatewayIsUp: false });
  const page = await openPage(world, world.options({ updates: ALL }));
  const signed = await world.wallet.signMany(20);
  for (const [i, each] of signed.entries()) await like(page, each, `who ${i}`);
  const calls = await page.evaluate(async () => {
    for (let turn = 0; turn < 10; turn += 1) {
      await cache.list();
      await cache.read("post");
    }
    return updateCalls.count;
  });
  assert.ok(calls <= 2 * signed.length, `${calls} calls for ${signed.length} updates`);
});

test("what updates made settles, leaves the log once, and is the base of those that come later", async (t) => {
  const world = await createReadsWorld(t);
  const options = world.options({ updates: ALL });
  const [page, other] = [await openPage(world, options), await openPage(world, options)];
  const signed = await world.wallet.signMany(POSTS + 3);
  await submit(page, signed[0], { value: { text: "hi" }, tags: { thread: "7" } });
  await like(page, signed[1], "ann");
  await like(page, signed[2], "bob");
  for (const [i, each] of signed.slice(3).entries()) {
    await submit(page, each, { key: `long/${i}`, value: "x".repeat(TEXT_BYTES) });
  }
  await world.mineToFinal(...signed.map(({ txId }) => txId));
  const hasLeft = async () => {
    while (cache.tasks().some(({ key }) => key === "post")) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  await page.evaluate(hasLeft);
  await other.evaluate(hasLeft);
  const settled = { text: "hi", likes: ["ann", "bob"] };
  for (const each of [page, other]) await assertShown(each, settled, "final");

  const late = await world.wallet.sign();
  world.gateway.down();
  await like(page, late, "eve");
  const stacked = { text: "hi", likes: ["ann", "bob", "eve"] };
  const seen = await page.evaluate(async () => {
    const { value, status, tags } = await cache.read("post");
    const { items } = await cache.list({ tag: ["thread", "7"] });
    return { value, status, tags, listed: items.map((item) => item.value) };
  });
  assert.deepEqual(seen.value, stacked);
  assert.deepEqual(seen.tags, { thread: "7" }, "a like says nothing of itself");
  assert.deepEqual(seen.listed, [stacked]);
  await other.evaluate(() => cache.read("post", { latest: true }));
  assert.deepEqual((await shown(other)).peeked.value, stacked, "another tab makes the same");
  await reload(other, options);
  assert.deepEqual((await shown(other)).read.value, stacked);
});

test("a function that makes nothing stops its task with the cause, and the others are shown", async (t) => {
  const world = await createReadsWorld(t);
  const page = await openPage(world, world.options({ updates: ALL }));
  const causes = {
    throws: /the update "throws" threw: I do not like it/,
    forgets: /gave undefined/,
    waits: /gave a promise/,
    reads: /can call nothing of the cache/,
    stats: /can call nothing of the cache/,
    large: /at most 1048576/,
    double: /threw: /,
  };
  const names = Object.keys(causes);
  const signed = await world.wallet.signMany(names.length + 1);
  const ids = [];
  for (const [i, name] of names.entries()) {
    ids.push(await submit(page, signed[i], { update: name, value: i }));
  }
  for (const [i, name] of names.entries()) {
    const blocked = await until(page, ids[i], "blocked");
    assert.equal(blocked.reason, "update_failed", name);
    assert.match(blocked.cause, causes[name]);
    assert.equal(world.gateway.sends(signed[i].txId).length, 0, name);
  }
  assert.equal(await page.evaluate(() => cache.peek("post")), undefined);
  await page.evaluate(async (ids) => {
    for (const id of ids) await cache.cancel(id);
  }, ids);
  assert.equal((await task(page, ids[0])).reason, "cancelled");
});

test("what an upgraded dapp has no function for waits, and is sent once it is there again", async (t) => {
  const world = await createReadsWorld(t, { gatewayIsUp: false });
  const page = await openPage(world, world.options({ updates: ["like", "edit"] }));
  const [first, second] = await world.wallet.signMany(2);
  const post = await submit(page, first, { value: { text: "hi" } });
  const id = await like(page, second, "ann", { after: [post] });
  await page.close();

  const upgraded = await openPage(world, world.options({ updates: ["edit"] }));
  assert.deepEqual((await shown(upgraded)).read.value, { text: "hi" });
  world.gateway.up();
  await world.untilAccepted(first.txId);
  await world.mine(1);
  const there = await until(upgraded, id, "blocked");
  assert.equal(there.reason, "update_failed");
  assert.match(there.cause, /no update "like" is registered/);
  assert.deepEqual((await shown(upgraded)).read.value, { text: "hi" }, "readers see what is below");
  const refused = await upgraded.evaluate(
    (raw) =>
      uplink.attempt(() =>
        cache.submit({ payload: raw, key: "post", update: "like", value: "eve" }),
      ),
    (await world.wallet.sign()).raw,
  );
  assert.equal(refused.error.code, "invalid_input");
  await upgraded.close();

  const again = await openPage(world, world.options({ updates: ["like"] }));
  assert.deepEqual((await shown(again)).read.value.text, "hi");
  assert.equal(world.gateway.sends(second.txId).length, 0);
  await again.evaluate((id) => cache.retry(id), id);
  await world.untilAccepted(second.txId);
  assert.deepEqual((await shown(again)).read.value, { text: "hi", likes: ["ann"] });
});

test("over what the chain has, an update is applied until a reading holds it", async (t) => {
  const world = await createReadsWorld(t);
  const registry = REGISTRY;
  const page = await openPage(world, world.options({ updates: ALL, registry }));
  const [write, failing] = [
    await world.wallet.sign(registryWrite("post", { likes: ["x"] })),
    await world.wallet.sign(registryWrite("post", { likes: ["x", "y"] })),
  ];
  await page.evaluate((raw) => cache.submit({ payload: raw }), write.raw);
  await world.mineToFinal(write.txId);
  await page.evaluate(() => uplink.when(() => cache.stats().tasks.final === 1));
  await like(page, failing, "y");
  const before = await page.evaluate(() => cache.read("post"));
  assert.deepEqual(before.value, { likes: ["x", "y"] });
  await world.mineToFinal(failing.txId);
  await page.evaluate(() => uplink.when(() => cache.stats().tasks.final === 2));
  const after = await page.evaluate(() => cache.read("post", { maxAge: 0 }));
  assert.deepEqual(after.value, { likes: ["x", "y"] }, "it counts once");
});

test("bad input is refused", async (t) => {
  const world = await createReadsWorld(t, { gatewayIsUp: false });
  const page = await openPage(world, world.options({ updates: ["like"] }));
  const { raw } = await world.wallet.sign();
  const cases = [
    { update: "like", value: 1 },
    { update: "like", key: "post" },
    { update: "", key: "post", value: 1 },
    { update: "l".repeat(65), key: "post", value: 1 },
    { update: 7, key: "post", value: 1 },
    { update: "unknown", key: "post", value: 1 },
    { update: "constructor", key: "post", value: 1 },
  ];
  for (const options of cases) {
    const { error } = await page.evaluate(
      ({ raw, options }) => uplink.attempt(() => cache.submit({ payload: raw, ...options })),
      { raw, options },
    );
    assert.equal(error?.code, "invalid_input", JSON.stringify(options));
  }
  const opened = await page.evaluate(async () => {
    const { evm, openCache } = uplink;
    const gateway = evm({ urls: ["http://127.0.0.1:1"], chainId: 1 });
    const open = (updates) =>
      uplink.attempt(() => openCache({ name: "other", gateway, updates: updates }));
    const found = await Promise.all([open({ a: 1 }), open(7), open({ "": () => 1 })]);
    return found.map(({ error }) => error?.code);
  });
  assert.deepEqual(opened, ["invalid_input", "invalid_input", "invalid_input"]);
  assert.equal(await page.evaluate(() => cache.tasks().length), 0);
});

test("the same idempotency key with another update, or another value, is a conflict", async (t) => {
  const world = await createReadsWorld(t, { gatewayIsUp: false });
  const page = await openPage(world, world.options({ updates: ALL }));
  const { raw } = await world.wallet.sign();
  const found = await page.evaluate(async (raw) => {
    const common = { payload: raw, key: "post", idempotencyKey: "once" };
    const submit = (more) =>
      uplink.attempt(async () => (await cache.submit({ ...common, ...more })).id);
    const first = await submit({ update: "like", value: "ann" });
    const same = await submit({ update: "like", value: "ann" });
    const others = [
      await submit({ update: "edit", value: "ann" }),
      await submit({ update: "like", value: "bob" }),
      await submit({ value: "ann" }),
    ];
    return { isSame: same.value === first.value, codes: others.map(({ error }) => error?.code) };
  }, raw);
  assert.deepEqual(found, { isSame: true, codes: ["conflict", "conflict", "conflict"] });
});
