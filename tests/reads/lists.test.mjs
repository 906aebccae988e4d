// Lists by key and by tag, paged by cursor while what they show goes on: real pages, a real chain.

import assert from "node:assert/strict";
import { createWorld, test } from "../e2e/fixture.mjs";

const POSTS = 48;
/** In the record, so that the log is soon worth to be cleaned. */
const TEXT_BYTES = 12_000;
const CLEAN_AT_BYTES = 256 * 1024;
const THREAD = ["thread", "7"];

/** Posts in turns to two threads, submitted one after another; keys run the other way than time. */
async function post(page, signed) {
  const submitted = signed.map(({ raw }, i) => ({
    raw,
    key: keyOf(i),
    tags: { thread: i % 2 === 0 ? "7" : "8", author: `${i % 3}` },
  }));
  await page.evaluate(
    async ({ submitted, length }) => {
      for (const { raw, key, tags } of submitted) {
        await cache.submit({ payload: raw, key, value: "x".repeat(length), tags });
      }
    },
    { submitted, length: TEXT_BYTES },
  );
}

const keyOf = (i) => `post/${String(POSTS - i).padStart(3, "0")}`;
const thread = Array.from({ length: POSTS / 2 }, (_, i) => keyOf(2 * i));

/** Keys of a page, and its cursor. */
function pageOf(page, query) {
  return page.evaluate(async (query) => {
    const { items, cursor } = await cache.list(query);
    return { keys: items.map(({ key }) => key), cursor };
  }, query);
}

async function allPages(page, query) {
  return rest(page, query, await pageOf(page, query));
}

/** What was on a page, and on all that come behind it. */
async function rest(page, query, { keys, cursor }) {
  const found = [...keys];
  for (let at = cursor; at !== undefined; ) {
    const next = await pageOf(page, { ...query, cursor: at });
    found.push(...next.keys);
    at = next.cursor;
  }
  return found;
}

/** Until all is settled, and most of it has left the log. */
function untilCleaned(page) {
  return page.evaluate(async (limit) => {
    await uplink.whenWatched({ prefix: "post/" }, () => {
      const { tasks, log } = cache.stats();
      return tasks["backed-up"] + tasks.sent + tasks.included === 0 && log.bytes <= limit;
    });
  }, CLEAN_AT_BYTES);
}

test("whoever pages through a thread gets each post once, while posts settle, are edited and leave the log", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const profile = await world.newProfile();
  const browser = await world.openBrowser({ profile });
  const [page, other] = [await browser.openPage(), await browser.openPage()];
  const signed = await world.wallet.signMany(POSTS + 2);
  const [edit, lost] = signed.splice(POSTS);
  await page.evaluate((options) => uplink.start(options), world.options());
  await other.evaluate((options) => uplink.start(options), world.options());
  await post(page, signed);
  const newest = { tag: THREAD, limit: 5 };
  const oldest = { ...newest, order: "oldest" };
  const [firstNewest, firstOldest] = [await pageOf(page, newest), await pageOf(other, oldest)];
  assert.deepEqual(firstNewest.keys, thread.toReversed().slice(0, 5));
  assert.deepEqual(firstOldest.keys, thread.slice(0, 5), "another tab sees the same");

  world.gateway.up();
  await world.mineToFinal(...signed.map(({ txId }) => txId));
  await Promise.all([untilCleaned(page), untilCleaned(other)]);
  const tasks = await page.evaluate(() => cache.stats().tasks.final);
  assert.ok(tasks < POSTS, "some left the log");
  // An edit of an old post stays in its place, whatever becomes of it; a new post does not disturb those who page.
  world.gateway.down();
  await page.evaluate(
    async ({ edit, lost, key }) => {
      const tags = { thread: "7" };
      await cache.submit({ payload: edit, key, value: "edited", tags });
      const task = await cache.submit({ payload: lost, key: "post/new", value: "new", tags });
      await cache.cancel(task.id);
    },
    { edit: edit.raw, lost: lost.raw, key: thread[10] },
  );
  await other.evaluate((key) => cache.read(key, { latest: true }), thread[10]);
  assert.deepEqual(await rest(page, newest, firstNewest), thread.toReversed());
  assert.deepEqual(await rest(other, oldest, firstOldest), thread);
  const shown = await page.evaluate(async (key) => {
    const { value, status, tags } = await cache.read(key);
    return { value, status, tags };
  }, thread[10]);
  assert.deepEqual(shown, { value: "edited", status: "backed-up", tags: { thread: "7" } });
  await browser.close();

  const again = await world.openBrowser({ profile });
  const reopened = await again.openPage();
  await reopened.evaluate((options) => uplink.start(options), world.options());
  assert.deepEqual(await allPages(reopened, newest), thread.toReversed());
  assert.deepEqual(await allPages(reopened, { ...oldest, limit: 7 }), thread);
  const byKey = await allPages(reopened, { prefix: "post/", limit: 9 });
  assert.deepEqual(
    byKey,
    Array.from({ length: POSTS }, (_, i) => keyOf(POSTS - 1 - i)),
  );
  const counts = await reopened.evaluate(async () => ({
    all: await cache.count(),
    thread: await cache.count({ tag: ["thread", "7"] }),
    author: await cache.count({ tag: ["author", "0"] }),
    none: await cache.count({ tag: ["thread", ""] }),
    prefix: await cache.count({ prefix: "post/00" }),
  }));
  // The post that was edited is author 2's, and the edit nobody's.
  assert.deepEqual(counts, {
    all: POSTS,
    thread: POSTS / 2,
    author: POSTS / 3,
    none: 0,
    prefix: 9,
  });
});

test("tags of any characters are found again, and nothing else is", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await world.openPage();
  const values = ["", "\0", "\0\0", "a", "A", "\u{1f600}", "é", "e\u0301", "x".repeat(256)];
  const names = ["n", "\0", "__proto__", "\u{1f600}", "constructor", "n".repeat(64)];
  const signed = await world.wallet.signMany(values.length + 1);
  const seen = await page.evaluate(
    async ({ options, values, names, payloads }) => {
      await uplink.start(options);
      for (const [i, value] of values.entries()) {
        await cache.submit({ payload: payloads[i], key: `${i}`, value: i, tags: { n: value } });
      }
      const tags = Object.fromEntries(names.map((name) => [name, `of ${name}`]));
      const last = payloads[values.length];
      await cache.submit({ payload: last, key: "all", value: 0, tags });
      const keys = async (tag) => (await cache.list({ tag })).items.map(({ key }) => key);
      const [{ tags: found }] = (await cache.list({ tag: ["__proto__", "of __proto__"] })).items;
      return {
        byValue: await Promise.all(values.map((value) => keys(["n", value]))),
        byName: await Promise.all(names.map((name) => keys([name, `of ${name}`]))),
        tags: Object.entries(found),
        untagged: await keys(["m", ""]),
      };
    },
    { options: world.options(), values, names, payloads: signed.map(({ raw }) => raw) },
  );
  assert.deepEqual(
    seen.byValue,
    values.map((_, i) => [`${i}`]),
  );
  assert.deepEqual(
    seen.byName,
    names.map(() => ["all"]),
  );
  const expected = names.map((name) => [name, `of ${name}`]);
  assert.deepEqual(seen.tags.toSorted(), expected.toSorted());
  assert.deepEqual(seen.untagged, []);
});

test("what is no tag, no list, or another list's cursor is refused, and nothing is stored", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await world.openPage();
  const [first, second, third] = await world.wallet.signMany(3);
  const codes = await page.evaluate(
    async ({ options, payloads }) => {
      await uplink.start(options);
      for (const [i, payload] of payloads.slice(1).entries()) {
        await cache.submit({ payload, key: `k/${i}`, value: i, tags: { thread: "7" } });
      }
      const submit = (tags) => () =>
        cache.submit({ payload: payloads[0], key: "k", value: 0, tags });
      const list = (query) => () => cache.list(query);
      const cursorOf = async (query) => (await cache.list({ ...query, limit: 1 })).cursor;
      const byTag = await cursorOf({ tag: ["thread", "7"] });
      const byKey = await cursorOf({ prefix: "k/" });
      const nine = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`${i}`, ""]));
      const actions = {
        nine: submit(nine),
        "no name": submit({ "": "x" }),
        "a long name": submit({ [`${"n".repeat(63)}é`]: "x" }),
        "a long value": submit({ n: "v".repeat(257) }),
        "a number": submit({ n: 7 }),
        "half a surrogate pair": submit({ n: "\ud800" }),
        "a name of half a pair": submit({ "\udc00": "" }),
        "a list of tags": submit([["n", "v"]]),
        "a text": submit("n"),
        "a limit of 0": list({ tag: ["thread", "7"], limit: 0 }),
        "a limit of a million": list({ tag: ["thread", "7"], limit: 1_000_000 }),
        "a tag of three": list({ tag: ["a", "b", "c"] }),
        "a tag of nothing": list({ tag: [] }),
        "a tag without a name": list({ tag: ["", "b"] }),
        "a tag and a prefix": list({ tag: ["a", "b"], prefix: "k/" }),
        "a tag and reverse": list({ tag: ["a", "b"], reverse: true }),
        "an order of keys": list({ prefix: "k/", order: "oldest" }),
        "no order": list({ tag: ["a", "b"], order: "sideways" }),
        "another tag's cursor": list({ tag: ["thread", "8"], cursor: byTag }),
        "the other order's cursor": list({ tag: ["thread", "7"], order: "oldest", cursor: byTag }),
        "a prefix's cursor": list({ tag: ["thread", "7"], cursor: byKey }),
        "a tag's cursor": list({ prefix: "k/", cursor: byTag }),
        "another prefix's cursor": list({ prefix: "k", cursor: byKey }),
        "a cursor of the other direction": list({ prefix: "k/", reverse: true, cursor: byKey }),
        "an invented cursor": list({ prefix: "k/", cursor: "k/0" }),
        "an empty cursor": list({ prefix: "k/", cursor: "" }),
        "half a cursor": list({ tag: ["thread", "7"], cursor: byTag.slice(0, 9) }),
        "a cursor with an emoji": list({
          tag: ["thread", "7"],
          cursor: "t\u{1f600}\u{1f600}\u{1f600}",
        }),
        "a count of both": () => cache.count({ tag: ["a", "b"], prefix: "k" }),
        "a count by order": () => cache.count({ tag: ["a", "b"], order: "newest" }),
      };
      const codes = {};
      for (const [name, action] of Object.entries(actions)) {
        codes[name] = (await uplink.attempt(action)).error?.code;
      }
      const whole = (await cache.list({ tag: ["thread", "7"], cursor: byTag })).items.length;
      return { codes, stored: cache.tasks().length, whole };
    },
    { options: world.options(), payloads: [first, second, third].map(({ raw }) => raw) },
  );
  for (const [name, code] of Object.entries(codes.codes)) {
    assert.equal(code, "invalid_input", name);
  }
  assert.deepEqual([codes.stored, codes.whole], [2, 1]);
});

test("a database without lists is upgraded while another tab holds the old version, and what is new is listed", async (t) => {
  const world = await createWorld(t);
  const browser = await world.openBrowser();
  const [page, older] = [await browser.openPage(), await browser.openPage()];
  const signed = await world.wallet.signMany(POSTS + 1);
  await page.evaluate((options) => uplink.start(options), world.options());
  await post(page, signed.slice(0, POSTS));
  await world.mineToFinal(...signed.slice(0, POSTS).map(({ txId }) => txId));
  await untilCleaned(page);
  const name = await page.evaluate(async () => {
    const [{ name }] = await indexedDB.databases();
    await cache.close();
    return name;
  });
  // The same stores as version 2 had them, held open as its package does it: closed when a newer one asks for it.
  await older.evaluate(async (name) => {
    const now = await uplink.done(indexedDB.open(name));
    const rows = {};
    for (const store of ["log", "values", "blobs", "aside", "uses"]) {
      const records = now.transaction(store).objectStore(store);
      const keys = await uplink.done(records.getAllKeys());
      const values = await uplink.done(records.getAll());
      rows[store] = keys.map((key, i) => [key, values[i]]);
    }
    now.close();
    await uplink.done(indexedDB.deleteDatabase(name));
    const request = indexedDB.open(name, 2);
    request.onupgradeneeded = () => {
      const options = { log: { autoIncrement: true } };
      for (const store of Object.keys(rows)) {
        const records = request.result.createObjectStore(store, options[store]);
        if (store === "uses") records.createIndex("u", "u");
        for (const [key, { t: _, ...row }] of store === "uses" ? rows[store] : []) {
          records.put(row, key);
        }
        for (const [key, value] of store === "uses" ? [] : rows[store]) records.put(value, key);
      }
    };
    const old = await uplink.done(request);
    old.onversionchange = () => old.close();
  }, name);
  const seen = await page.evaluate(
    async ({ options, raw, key }) => {
      await uplink.start(options);
      const settled = (await cache.list({ prefix: "post/", limit: 1_000 })).items.length;
      await cache.submit({ payload: raw, key, value: "edited", tags: { thread: "7" } });
      const { items } = await cache.list({ tag: ["thread", "7"] });
      const [{ version }] = await indexedDB.databases();
      return { settled, version, edited: items.some((item) => item.value === "edited") };
    },
    { options: world.options(), raw: signed[POSTS].raw, key: keyOf(0) },
  );
  assert.deepEqual(seen, { settled: POSTS, version: 3, edited: true });
});
