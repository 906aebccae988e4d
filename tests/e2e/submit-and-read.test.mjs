// Own writes are readable at once, by every kind of read, whatever their key and size, and survive a reload.

import assert from "node:assert/strict";
import { BLOCKS_TO_FINAL, createWorld, test } from "./fixture.mjs";

test("a submitted value is read, peeked, listed and watched from the backup before any block", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const { raw, txId } = await world.wallet.sign({ text: "calldata" });

  const seen = await page.evaluate(
    async ({ options, raw }) => {
      await uplink.start(options);
      const watched = uplink.whenWatched({ key: "entry/1" }, (items) => items.length > 0);
      const listed = uplink.whenWatched({ prefix: "entry/" }, (items) => items.length > 0);
      const before = await cache.list({ prefix: "entry/" });
      const task = await cache.submit({ payload: raw, key: "entry/1", value: { text: "hi" } });
      // peek comes first: it is synchronous, so nothing can have happened since submit resolved.
      return {
        peek: cache.peek("entry/1"),
        task: uplink.describe(task),
        before: before.items,
        read: await cache.read("entry/1"),
        fromBackup: await cache.read("entry/1", { source: "backup" }),
        list: (await cache.list({ prefix: "entry/" })).items,
        watched: await watched,
        listed: await listed,
      };
    },
    { options: world.options(), raw },
  );

  assert.equal(await world.chain.rpc("eth_blockNumber"), "0x0");
  assert.deepEqual(seen.before, []);
  assert.equal(seen.task.txId, txId);
  assert.equal(seen.task.key, "entry/1");
  const { peek, read, fromBackup } = seen;
  for (const entry of [peek, read, fromBackup, seen.list[0], seen.watched[0], seen.listed[0]]) {
    assert.equal(entry.key, "entry/1");
    assert.deepEqual(entry.value, { text: "hi" });
    assert.equal(entry.source, "backup");
    assert.equal(entry.txId, txId);
    assert.equal(entry.taskId, seen.task.id);
    assert.match(entry.status, /^(backed-up|sent)$/);
    assert.equal(entry.block, undefined);
  }
  for (const items of [seen.list, seen.watched, seen.listed]) assert.equal(items.length, 1);
});

test("without key and value a task is read by its transaction id and gives its calldata, for every envelope type", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const types = ["legacy", "eip2930", "eip1559", "eip7702"];
  const signed = [];
  for (const type of types) signed.push(await world.wallet.sign({ text: `a ${type} one`, type }));

  const seen = await page.evaluate(
    async ({ options, payloads }) => {
      await uplink.start(options);
      const tasks = [];
      // Half of them as bytes, half as hex: both are payloads.
      for (const [i, raw] of payloads.entries()) {
        tasks.push(await cache.submit({ payload: i % 2 ? uplink.bytesOf(raw) : raw }));
      }
      return tasks.map(({ txId, key }) => {
        const { value, source } = cache.peek(key);
        return {
          txId,
          key,
          source,
          isBytes: value instanceof Uint8Array,
          value: uplink.hexOf(value),
        };
      });
    },
    { options: world.options(), payloads: signed.map(({ raw }) => raw) },
  );
  assert.deepEqual(
    seen,
    signed.map(({ txId, data }) => ({
      txId,
      key: txId,
      source: "backup",
      isBytes: true,
      value: data,
    })),
  );

  await world.mineToFinal(...signed.map(({ txId }) => txId));
  const outcomes = await page.evaluate(() =>
    Promise.all(cache.tasks().map((task) => task.settled)),
  );
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    types.map(() => "final"),
  );
});

test("what was submitted is there after a reload, with the gateway down", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await world.openPage();
  const signed = await world.wallet.signMany(3);
  const submitted = await page.evaluate(
    async ({ options, payloads }) => {
      await uplink.start(options);
      const tasks = await Promise.all(
        payloads.map((payload, i) => cache.submit({ payload, key: `entry/${i}`, value: i })),
      );
      return tasks.map(({ id, txId, createdAt, size }) => ({ id, txId, createdAt, size }));
    },
    { options: world.options(), payloads: signed.map(({ raw }) => raw) },
  );

  await page.reload();
  const found = await page.evaluate(async (options) => {
    await uplink.start(options);
    const { items } = await cache.list({ prefix: "entry/" });
    return {
      entries: items.map(({ key, value, source, status }) => ({ key, value, source, status })),
      tasks: cache
        .tasks({ status: "backed-up" })
        .map(({ id, txId, createdAt, size }) => ({ id, txId, createdAt, size })),
      single: uplink.describe(cache.task(cache.tasks()[0].id)),
    };
  }, world.options());
  assert.deepEqual(
    found.entries,
    signed.map((_, i) => ({ key: `entry/${i}`, value: i, source: "backup", status: "backed-up" })),
  );
  assert.deepEqual(found.tasks, submitted);
  assert.equal(found.single.id, submitted[0].id);
  assert.deepEqual(
    submitted.map(({ txId }) => txId),
    signed.map(({ txId }) => txId),
  );
});

test("values of any size up to the limit come back byte for byte, before and after a reload", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const cases = [
    { key: "no calldata", data: "0x", length: 3 },
    { key: "empty value", data: "0x01", length: 0 },
    { key: "at the segment's edge", data: "0x02", length: 60_000 },
    { key: "900 KB value", data: "0x03", length: 900_000 },
    { key: "100 KB calldata", data: `0x${"5a".repeat(100_000)}`, length: 1 },
  ];
  for (const each of cases) Object.assign(each, await world.wallet.sign({ data: each.data }));
  const options = world.options({ codec: "bytes" });

  const check = async ({ cases }) => {
    const read = [];
    for (const { key, length, txId } of cases) {
      const { value, source } = await cache.read(key);
      const task = cache.tasks().find((each) => each.txId === txId);
      const isRight =
        value.length === length && value.every((byte, i) => byte === (i * 7 + length) % 256);
      read.push({
        key,
        source,
        isBytes: value instanceof Uint8Array,
        isRight,
        hasTask: task !== undefined,
      });
    }
    return read;
  };
  const expected = cases.map(({ key }) => ({
    key,
    source: "backup",
    isBytes: true,
    isRight: true,
    hasTask: true,
  }));

  await page.evaluate(
    async ({ options, cases }) => {
      await uplink.start(options);
      for (const { key, raw, length } of cases) {
        const value = Uint8Array.from({ length }, (_, i) => (i * 7 + length) % 256);
        await cache.submit({ payload: raw, key, value });
      }
    },
    { options, cases },
  );
  assert.deepEqual(await page.evaluate(check, { cases }), expected);

  await page.reload();
  await page.evaluate((options) => uplink.start(options), options);
  assert.deepEqual(await page.evaluate(check, { cases }), expected);

  // The gateway got exactly what was signed, the large one too.
  await world.mineToFinal(...cases.map(({ txId }) => txId));
  for (const { raw, txId } of cases) {
    for (const call of world.gateway.sends(txId)) assert.equal(call.params[0], raw);
  }
  await page.evaluate(() => Promise.all(cache.tasks().map((task) => task.settled)));
  const settled = expected.map((each) => ({ ...each, source: "cache", hasTask: true }));
  const found = await page.evaluate(check, { cases });
  assert.deepEqual(
    found.map((each) => ({ ...each, hasTask: true })),
    settled,
  );
});

test("every string of at most 1,024 bytes is a key", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await world.openPage();
  const keys = [
    "",
    "\u0000",
    "a\u0000b",
    "👩‍👩‍👧‍👦/🦀",
    "__proto__",
    "constructor",
    "toString",
    "שלום/עולם",
    "e\u0301",
    "\u00e9",
    "\ufeff",
    " ",
    "x".repeat(1024),
    "é".repeat(512),
  ];
  const signed = await world.wallet.signMany(keys.length);
  const submissions = keys.map((key, i) => ({ key, payload: signed[i].raw, value: i }));

  const check = async (keys) => {
    const read = [];
    for (const key of keys) {
      const entry = await cache.read(key);
      const { items } = await cache.list({ prefix: key });
      read.push({
        key: entry.key,
        value: entry.value,
        peeked: cache.peek(key).value,
        isListed: items.some((item) => item.key === key && item.value === entry.value),
        areAllPrefixed: items.every((item) => item.key.startsWith(key)),
      });
    }
    return { read, total: (await cache.list({})).items.length };
  };
  await page.evaluate(
    async ({ options, submissions }) => {
      await uplink.start(options);
      for (const submission of submissions) await cache.submit(submission);
    },
    { options: world.options(), submissions },
  );
  const expected = {
    read: keys.map((key, i) => ({
      key,
      value: i,
      peeked: i,
      isListed: true,
      areAllPrefixed: true,
    })),
    total: keys.length,
  };
  assert.deepEqual(await page.evaluate(check, keys), expected);

  await page.reload();
  await page.evaluate((options) => uplink.start(options), world.options());
  assert.deepEqual(await page.evaluate(check, keys), expected);
});

test("values that come as text and as bytes are each their key's, alone and in one page", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await world.openPage();
  const values = [
    "short",
    "l".repeat(5000),
    undefined,
    { "\ud83d\ude00": ["ü", "\u2028", null] },
    "m".repeat(6000),
    "",
    undefined,
    7,
  ];
  const signed = await world.wallet.signMany(values.length);
  const seen = await page.evaluate(
    async ({ options, values, payloads }) => {
      await uplink.start(options);
      const keyOf = (i) => `e\ud83d\ude00/${i}`;
      for (const [i, value] of values.entries()) {
        const submission = { payload: payloads[i], key: keyOf(i), tags: { ü: `${i % 2}` } };
        await cache.submit(value === undefined ? submission : { ...submission, value });
      }
      const shown = (entry) =>
        entry && [entry.isCalldata ? uplink.hexOf(entry.value) : entry.value, entry.tags.ü];
      const { items } = await cache.list({ prefix: "e" });
      const keys = items.map(({ key }) => key);
      return {
        areInOrder: keys.every((key, i) => key === keyOf(i)),
        list: items.map(shown),
        peeked: keys.map((key) => shown(cache.peek(key))),
        many: (await cache.readMany(keys)).map(shown),
        read: await Promise.all(keys.map(async (key) => shown(await cache.read(key)))),
      };
    },
    { options: world.options(), values, payloads: signed.map(({ raw }) => raw) },
  );
  const calldataOf = (i) => seen.list[i][0];
  for (const i of [2, 6]) assert.match(calldataOf(i), /^0x/);
  const expected = values.map((value, i) => [value ?? calldataOf(i), `${i % 2}`]);
  for (const how of ["list", "peeked", "many", "read"]) {
    assert.deepEqual(seen[how], expected, how);
  }
  assert.ok(seen.areInOrder);
});

test("what a dapp reads is decoded as JSON in UTF-8 is, a byte order mark and broken letters included", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const seen = await page.evaluate(async ({ gateway, ...options }) => {
    const answers = {
      marked: [0xef, 0xbb, 0xbf, 0x22, 0x78, 0x22],
      broken: [0x22, 0xff, 0x22],
      none: [0x7b],
    };
    const read = async (key) => Uint8Array.from(answers[key]);
    globalThis.cache = await uplink.openCache({
      ...options,
      gateway: uplink.evm({ ...gateway, read }),
    });
    return {
      marked: (await cache.read("marked")).value,
      broken: (await cache.read("broken")).value,
      none: await uplink.attempt(() => cache.read("none")),
    };
  }, world.options());
  assert.deepEqual([seen.marked, seen.broken], ["x", "\ufffd"]);
  assert.equal(seen.none.error.code, "invalid_input");
});

test("a list goes through all keys of a prefix in order, in both directions, by cursor", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await world.openPage();
  const keys = ["a/1", "b/03", "b/01", "b/02", "b/10", "b0", "b", "c/1"];
  const signed = await world.wallet.signMany(keys.length);
  const walks = await page.evaluate(
    async ({ options, keys, payloads }) => {
      await uplink.start(options);
      await Promise.all(
        keys.map((key, i) => cache.submit({ payload: payloads[i], key, value: key })),
      );
      const walk = async (query) => {
        const pages = [];
        let cursor;
        do {
          const page = await cache.list({ ...query, cursor });
          pages.push(page.items.map((item) => item.key));
          cursor = page.cursor;
        } while (cursor !== undefined && pages.length < 10);
        return pages.filter((page) => page.length > 0);
      };
      return {
        forward: await walk({ prefix: "b/", limit: 3 }),
        backward: await walk({ prefix: "b/", limit: 3, reverse: true }),
        all: await walk({}),
        none: await walk({ prefix: "z" }),
      };
    },
    { options: world.options(), keys, payloads: signed.map(({ raw }) => raw) },
  );
  assert.deepEqual(walks, {
    forward: [["b/01", "b/02", "b/03"], ["b/10"]],
    backward: [["b/10", "b/03", "b/02"], ["b/01"]],
    all: [["a/1", "b", "b/01", "b/02", "b/03", "b/10", "b0", "c/1"]],
    none: [],
  });
});

test("the latest of several writes to one key is what reads get, and the one before when it is cancelled", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await world.openPage();
  const [first, second] = await world.wallet.signMany(2);
  const seen = await page.evaluate(
    async ({ options, payloads }) => {
      await uplink.start(options);
      const pages = uplink.collect({ key: "name" });
      await cache.submit({ payload: payloads[0], key: "name", value: "first" });
      const task = await cache.submit({ payload: payloads[1], key: "name", value: "second" });
      const latest = cache.peek("name").value;
      // A watcher is called once a frame: what lasts for less is never shown to it.
      await pages.until(([item]) => item?.value === "second");
      await cache.cancel(task.id);
      await pages.until(([item]) => item?.value === "first");
      const outcome = await task.settled;
      const failed = cache.tasks({ status: "failed" }).map(({ id }) => id === task.id);
      await cache.discard(task.id);
      return {
        latest,
        before: cache.peek("name").value,
        outcome,
        failed,
        isGone: cache.task(task.id) === undefined,
        values: pages.map(([item]) => item?.value),
      };
    },
    { options: world.options(), payloads: [first.raw, second.raw] },
  );
  assert.equal(seen.latest, "second");
  assert.equal(seen.before, "first");
  assert.equal(seen.outcome.status, "failed");
  assert.equal(seen.outcome.reason, "cancelled");
  assert.deepEqual(seen.failed, [true]);
  assert.equal(seen.isGone, true);
  assert.equal(seen.values.at(-1), "first");
});

test("the same idempotency key gives the same task for the same content, and a conflict for other content", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await world.openPage();
  const [one, other] = await world.wallet.signMany(2);
  const submission = { payload: one.raw, key: "entry/1", value: "one", idempotencyKey: "draft-1" };
  const others = [
    { ...submission, payload: other.raw },
    { ...submission, value: "another" },
    { ...submission, key: "entry/2" },
  ];
  const submitAll = async ({ options, submission, others }) => {
    await uplink.start(options);
    const [first, second] = await Promise.all([cache.submit(submission), cache.submit(submission)]);
    const third = await cache.submit(submission);
    const conflicts = [];
    for (const each of others) conflicts.push(await uplink.attempt(() => cache.submit(each)));
    return {
      ids: [first.id, second.id, third.id],
      codes: conflicts.map(({ error }) => error?.code),
      tasks: cache.tasks().length,
      items: (await cache.list({})).items.length,
    };
  };
  const argument = { options: world.options(), submission, others };
  const before = await page.evaluate(submitAll, argument);
  await page.reload();
  const after = await page.evaluate(submitAll, argument);
  for (const seen of [before, after]) {
    assert.deepEqual(seen.ids, Array(3).fill(before.ids[0]));
    assert.deepEqual(seen.codes, ["conflict", "conflict", "conflict"]);
    assert.equal(seen.tasks, 1);
    assert.equal(seen.items, 1);
  }
});

test("1,000 submissions at once are each acknowledged, in order, and reach the chain in order", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const signed = await world.wallet.signMany(1_000);
  const ids = await page.evaluate(
    async ({ options, payloads }) => {
      await uplink.start(options);
      const tasks = await Promise.all(
        payloads.map((payload, i) => cache.submit({ payload, key: `entry/${i}`, value: i })),
      );
      return tasks.map(({ txId }) => txId);
    },
    { options: world.options(), payloads: signed.map(({ raw }) => raw) },
  );
  assert.deepEqual(
    ids,
    signed.map(({ txId }) => txId),
  );
  await page.evaluate(() => cache.flush());
  await world.mineToFinal(ids.at(-1));
  const outcomes = await page.evaluate(() =>
    Promise.all(cache.tasks().map((task) => task.settled)),
  );
  assert.ok(outcomes.every(({ status }) => status === "final"));
  const sent = world.gateway.sends().map(({ txId }) => txId);
  assert.deepEqual(sent, ids);
  assert.equal(Number(await world.chain.rpc("eth_blockNumber")), 1 + BLOCKS_TO_FINAL);
});
