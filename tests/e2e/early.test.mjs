// Reading one key before all that is backed up is known.

import assert from "node:assert/strict";
import { createWorld, test } from "./fixture.mjs";

const TASKS = 400;
const VALUE_BYTES = 6_000;
/** Of the index, as segments have them: the kind is the byte behind the frame's marker. */
const PAGE_KIND = 8;
const KIND_AT = 13;
const KEYS = ["entry/5", "entry/7", "entry/9", `entry/${TASKS - 1}`, "entry/none"];

/** A backup of some 2.4 MB, of which one key was written twice, one write cancelled, and one withdrawn for an older one. */
async function fill(world) {
  const page = await world.openPage();
  const signed = await world.wallet.signMany(TASKS + 2);
  await page.evaluate(
    async ({ options, raws, length }) => {
      await uplink.start(options);
      const entries = raws.slice(0, -2);
      const value = (text) => ({ text, padding: "x".repeat(length) });
      const submit = (raw, key, text) =>
        cache.submit({ payload: raw, key, value: value(text), tags: { thread: "7" } });
      const tasks = await Promise.all(entries.map((raw, i) => submit(raw, `entry/${i}`, `${i}`)));
      await submit(raws.at(-2), "entry/5", "5, edited");
      const again = await submit(raws.at(-1), "entry/9", "9, edited");
      await Promise.all([tasks[7], again].map(({ id }) => cache.cancel(id)));
      await cache.close();
    },
    { options: world.options(), raws: signed.map(({ raw }) => raw), length: VALUE_BYTES },
  );
  return page;
}

/** Opens early, reads all at once: what each gets, what the whole cache says afterwards, and what was there first. */
const readEarly = (page, options) =>
  page.evaluate(
    async ({ options, keys }) => {
      const early = uplink.openEarly(options);
      const order = [];
      const opened = early.cache.then((cache) => {
        order.push("cache");
        return cache;
      });
      const reads = keys.map(async (key) => {
        const entry = await early.read(key);
        order.push(key);
        return entry;
      });
      const [read, whole] = [await Promise.all(reads), await opened];
      globalThis.cache = whole;
      const later = await Promise.all(keys.map((key) => early.read(key)));
      const known = await Promise.all(keys.map((key) => whole.read(key)));
      return { read, later, known, order, logBytes: whole.stats().log.bytes };
    },
    { options, keys: KEYS },
  );

function checkEntries({ read, later, known }) {
  assert.deepEqual(read, known);
  assert.deepEqual(later, known);
  const texts = known.map((entry) => entry?.value.text);
  assert.deepEqual(texts, ["5, edited", undefined, "9", `${TASKS - 1}`, undefined]);
  for (const entry of known.filter(Boolean)) {
    assert.deepEqual([entry.source, entry.status], ["backup", "backed-up"]);
    assert.deepEqual(entry.tags, { thread: "7" });
  }
}

test("keys with a task that is not settled are read before the cache is open, and all others after it", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await fill(world);
  await page.reload();
  const found = await readEarly(page, world.options());
  checkEntries(found);
  const opened = found.order.indexOf("cache");
  assert.deepEqual(found.order.slice(0, opened).toSorted(), ["entry/399", "entry/5", "entry/9"]);
  assert.ok(found.logBytes > TASKS * VALUE_BYTES);

  // What was submitted since is read as well, the log's end is not the page any more.
  const next = await world.wallet.sign({ text: "some" });
  await page.evaluate(
    (raw) => cache.submit({ payload: raw, key: "entry/none", value: { text: "some" } }),
    next.raw,
  );
  await page.reload();
  const { read, order } = await readEarly(page, world.options());
  assert.equal(read.at(-1).value.text, "some");
  assert.ok(order.indexOf("entry/none") < order.indexOf("cache"));
});

test("where a page of the index is damaged, what is read early is the same", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await fill(world);
  const damaged = await page.evaluate(
    async ([kind, at]) => {
      const [{ name }] = await indexedDB.databases();
      const database = await uplink.done(indexedDB.open(name));
      const log = database.transaction("log", "readwrite").objectStore("log");
      const keys = await uplink.done(log.getAllKeys());
      const segments = await uplink.done(log.getAll());
      const pages = keys.filter((_, i) => segments[i][at] === kind);
      for (const key of pages) {
        const bytes = segments[keys.indexOf(key)];
        bytes[bytes.length - 1] ^= 1;
        await uplink.done(log.put(bytes, key));
      }
      database.close();
      return pages.length;
    },
    [PAGE_KIND, KIND_AT],
  );
  assert.ok(damaged > 0, "the log has an index");
  await page.reload();
  const found = await readEarly(page, world.options());
  checkEntries(found);
  assert.equal(found.order[0], "cache", "nothing tells where a key is");
});

test("a cache that cannot be opened says so to whoever reads, and to whoever waits for it", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage({
    initScript: () => Object.defineProperty(globalThis, "indexedDB", { value: undefined }),
  });
  const codes = await page.evaluate(async (options) => {
    const early = uplink.openEarly(options);
    const code = (promise) => promise.catch((error) => error.code);
    return Promise.all([early.read("entry/1"), early.read(7), early.cache].map(code));
  }, world.options());
  assert.deepEqual(codes, ["storage_unavailable", "invalid_input", "storage_unavailable"]);
});
