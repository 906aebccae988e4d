// What submit acknowledged survives the death of the browser, and nothing is sent that is not backed up.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { appendFile, readdir, readFile, watch, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { randomNumbers, seedFromEnvironment } from "../support/random.mjs";
import { createWallet } from "../support/wallet.mjs";
import { createWorld, test } from "./fixture.mjs";

const KILLS = 20;
const SUBMITS_PER_LIFE = 6;
const MAX_DELAY_MS = 25;
const MAX_ROUNDS = 3;

test(
  "20 times SIGKILL right after a submit resolved: every acknowledged task is there and settles, and all that was ever sent was backed up",
  async (t) => {
    const seed = seedFromEnvironment();
    t.diagnostic(`SEED=${seed}`);
    const random = randomNumbers(seed);
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const wiped = await killAndRestart(t, random);
      if (wiped === undefined) return;
      // Chromium appends to a log of its own that the kill left half written, cannot read that the next time, and
      // deletes the origin's databases. Nothing in a page can prevent it; that it is told is checked here and below.
      t.diagnostic(`the browser deleted the database, and said so: ${wiped}`);
    }
    assert.fail(`the browser deleted the database in ${MAX_ROUNDS} rounds`);
  },
  { timeoutMs: 400_000 },
);

/** One browser profile through all its lives. Returns what the browser said if it deleted the database. */
async function killAndRestart(t, random) {
  const world = await createWorld(t);
  const profile = await world.newProfile();
  const options = world.options();
  const signed = [];
  const acknowledged = new Set();

  // Opens the profile with the gateway down, so that what is found was there before this life began.
  async function restart() {
    world.gateway.down();
    const browser = await world.openBrowser({ profile });
    const page = await browser.openPage();
    const { entries, wiped } = await page.evaluate(async (options) => {
      await uplink.start(options);
      const troubles = [];
      cache.addEventListener("storage", ({ detail }) => troubles.push(detail));
      const { items } = await cache.list({ prefix: "entry/", limit: 1_000 });
      await new Promise((resolve) => setTimeout(resolve));
      return {
        entries: items.map(({ key, value, txId }) => ({ key, value, txId })),
        wiped: troubles.find(({ problem }) => problem === "lost")?.message,
      };
    }, options);
    if (wiped !== undefined) return { wiped };
    const backedUp = new Set(entries.map(({ txId }) => txId));
    for (const txId of acknowledged)
      assert.ok(backedUp.has(txId), `${txId} was acknowledged and is lost`);
    for (const { txId } of world.gateway.sends()) {
      assert.ok(backedUp.has(txId), `${txId} was sent and is not backed up`);
    }
    for (const { key, value, txId } of entries) {
      const { nonce } = signed.find((each) => each.txId === txId);
      assert.deepEqual({ key, value }, { key: `entry/${nonce}`, value: { nonce } });
    }
    world.gateway.up();
    return { browser, page, missing: signed.filter(({ txId }) => !backedUp.has(txId)) };
  }

  for (let life = 0; life < KILLS; life++) {
    const { browser, page, missing, wiped } = await restart();
    if (wiped !== undefined) return wiped;
    const batch = missing;
    while (batch.length < SUBMITS_PER_LIFE) {
      const transaction = await world.wallet.sign({ text: `life ${life}` });
      signed.push(transaction);
      batch.push(transaction);
    }
    let acknowledgedOne;
    const firstAcknowledged = new Promise((resolve) => {
      acknowledgedOne = resolve;
    });
    await page.exposeFunction("acknowledge", (txId) => {
      acknowledged.add(txId);
      acknowledgedOne();
    });
    // Every other life awaits each submit; the others submit all at once, so that the kill meets a group commit.
    const submitting = page.evaluate(submitAll, { batch, isSequential: life % 2 === 0 });
    submitting.catch(() => "the page dies while it submits");
    await Promise.race([firstAcknowledged, submitting]);
    if (random() < 0.5) await world.mine(1 + Math.floor(random() * 8));
    await delay(random() * MAX_DELAY_MS);
    await browser.kill();
  }

  const { page, missing, wiped } = await restart();
  if (wiped !== undefined) return wiped;
  await page.evaluate(submitAll, { batch: missing, isSequential: true });
  await page.evaluate(() => cache.flush());
  await world.mine(20);
  const outcomes = await page.evaluate(() =>
    Promise.all(cache.tasks().map((task) => task.settled)),
  );
  assert.ok(outcomes.every(({ status }) => status === "final"));
  const entries = await page.evaluate(
    async () => (await cache.list({ prefix: "entry/", limit: 1_000 })).items,
  );
  assert.equal(entries.length, signed.length);
  assert.ok(entries.every(({ status, source }) => status === "final" && source === "cache"));
  const nonce = await world.chain.rpc("eth_getTransactionCount", [world.wallet.address, "latest"]);
  assert.equal(Number(nonce), signed.length);
  t.diagnostic(
    `${acknowledged.size} acknowledged of ${signed.length} submitted, ${world.gateway.sends().length} sends`,
  );
}

async function submitAll({ batch, isSequential }) {
  const submitted = [];
  for (const { raw, nonce } of batch) {
    const submission = cache.submit({ payload: raw, key: `entry/${nonce}`, value: { nonce } });
    submitted.push(submission.then((task) => globalThis.acknowledge?.(task.txId)));
    if (isSequential) await submission;
  }
  await Promise.all(submitted);
}

test("nothing is sent while the commit that holds its task is open", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const { raw, txId } = await world.wallet.sign({ text: "hi" });
  const otherWallet = createWallet({ index: 1 });
  const clock = await otherWallet.sign({ text: "clock" });

  const whileOpen = await page.evaluate(
    async ({ options, otherOptions, raw, clock }) => {
      await uplink.start(options);
      const [{ name }] = await indexedDB.databases();
      const database = await uplink.done(indexedDB.open(name));
      // A writer that does not end keeps every later commit on these stores waiting.
      const commit = database.transaction([...database.objectStoreNames], "readwrite");
      const store = commit.objectStore(database.objectStoreNames[0]);
      let isHeld = true;
      const spin = () => {
        if (isHeld) store.count().onsuccess = spin;
      };
      spin();
      let isAcknowledged = false;
      globalThis.submitted = cache
        .submit({ payload: raw, key: "entry/1", value: "hi" })
        .then(() => {
          isAcknowledged = true;
        });
      globalThis.endCommit = () => {
        isHeld = false;
      };
      // A whole submit and send of another cache is the clock that says how long to look.
      const other = await uplink.open(otherOptions);
      const task = await other.submit({ payload: clock });
      await task.until("sent");
      return { isAcknowledged };
    },
    {
      options: world.options(),
      otherOptions: world.options({ name: "other", account: otherWallet.address }),
      raw,
      clock: clock.raw,
    },
  );
  assert.equal(whileOpen.isAcknowledged, false);
  assert.equal(world.gateway.sends(clock.txId).length, 1);
  assert.equal(world.gateway.sends(txId).length, 0);

  await page.evaluate(() => {
    endCommit();
    return submitted;
  });
  await world.untilAccepted(txId);
});

test("a commit that aborts rejects the submit with storage_failed, and nothing is readable or sent", async (t) => {
  const world = await createWorld(t);
  const page = await world.openPage();
  const [lost, kept] = await world.wallet.signMany(2);
  const seen = await page.evaluate(
    async ({ options, lost, kept }) => {
      await uplink.start(options);
      let storageEvents = 0;
      cache.addEventListener("storage", () => {
        storageEvents += 1;
      });
      // Every request of the write is made, and then its commit is aborted.
      const { commit } = IDBTransaction.prototype;
      IDBTransaction.prototype.commit = IDBTransaction.prototype.abort;
      const failed = await uplink.attempt(() =>
        cache.submit({ payload: lost, key: "entry/1", value: 1 }),
      );
      IDBTransaction.prototype.commit = commit;
      const during = { peek: cache.peek("entry/1"), tasks: cache.tasks().length, storageEvents };
      const task = await cache.submit({ payload: kept, key: "entry/2", value: 2 });
      return { failed, during, next: task.status };
    },
    { options: world.options(), lost: lost.raw, kept: kept.raw },
  );
  assert.equal(seen.failed.error?.code, "storage_failed");
  assert.equal(seen.failed.error.isUplinkError, true);
  assert.equal(seen.during.peek, undefined);
  assert.equal(seen.during.tasks, 0);
  assert.ok(seen.during.storageEvents > 0, "a storage failure is loud");
  assert.equal(seen.next, "backed-up");
  await world.untilAccepted(kept.txId).catch(() => assert.fail("a later task must still be sent"));
  assert.equal(world.gateway.sends(lost.txId).length, 0);
});

test("a full disk rejects the submit with quota_exceeded, and what was there stays", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await world.openPage();
  const signed = await world.wallet.signMany(2);
  const devTools = await page.context().newCDPSession(page);
  const origin = world.site.url;
  await devTools.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 200_000 });
  // Random, because Chromium counts what a value takes after compression.
  const value = randomBytes(250_000).toString("hex");
  const large = { payload: signed[1].raw, key: "entry/2", value };
  const seen = await page.evaluate(
    async ({ options, small, large }) => {
      await uplink.start(options);
      await cache.submit({ payload: small, key: "entry/1", value: "kept" });
      const { error } = await uplink.attempt(() => cache.submit(large));
      return { error, keys: cache.tasks().map((task) => task.key), peek: cache.peek("entry/2") };
    },
    { options: world.options(), small: signed[0].raw, large },
  );
  assert.equal(seen.error?.code, "quota_exceeded");
  assert.equal(seen.error.isUplinkError, true);
  assert.deepEqual(seen.keys, ["entry/1"]);
  assert.equal(seen.peek, undefined);

  await devTools.send("Storage.overrideQuotaForOrigin", { origin });
  await page.evaluate((large) => cache.submit(large), large);
  await page.reload();
  await page.evaluate((options) => uplink.start(options), world.options());
  const keys = await page.evaluate(() => cache.tasks().map((task) => task.key));
  assert.deepEqual(keys, ["entry/1", "entry/2"]);
});

test("a database that the browser found damaged and deleted is told, and the cache goes on", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const profile = await world.newProfile();
  const browser = await world.openBrowser({ profile });
  const page = await browser.openPage();
  const [lost, kept] = await world.wallet.signMany(2);
  await page.evaluate(
    async ({ options, raw }) => {
      await uplink.start(options);
      await cache.submit({ payload: raw, key: "entry/1", value: "lost" });
    },
    { options: world.options(), raw: lost.raw },
  );
  await browser.close();
  await damageDatabases(profile);

  const again = await world.openBrowser({ profile });
  const reopened = await again.openPage();
  const seen = await reopened.evaluate(
    async ({ options, raw }) => {
      await uplink.start(options);
      const trouble = await new Promise((resolve) => {
        cache.addEventListener("storage", ({ detail }) => resolve(detail));
      });
      await cache.submit({ payload: raw, key: "entry/2", value: "kept" });
      const { items } = await cache.list();
      return { trouble, keys: items.map(({ key }) => key) };
    },
    { options: world.options(), raw: kept.raw },
  );
  assert.equal(seen.trouble.problem, "lost");
  assert.match(seen.trouble.message, /corrupt/);
  assert.deepEqual(seen.keys, ["entry/2"]);
});

/** Turns bits in the middle of every log of the browser's own databases. */
async function damageDatabases(profile) {
  const logs = await databaseLogs(profile);
  assert.ok(logs.length > 0, "there is a log to damage");
  for (const path of logs) {
    const bytes = await readFile(path);
    bytes.fill(0x55, bytes.length >> 1, (bytes.length >> 1) + 64);
    await writeFile(path, bytes);
  }
}

test("a log of the browser's own that a kill left half written is replaced before the browser finds it damaged", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const profile = await world.newProfile();
  const options = world.options();
  const signed = await world.wallet.signMany(3);
  const keys = [];

  // One visit: what is there, one more submit, and death.
  async function visit({ raw, nonce }) {
    const browser = await world.openBrowser({ profile });
    const page = await browser.openPage();
    const found = await page.evaluate(
      async ({ options, raw, key }) => {
        await uplink.start(options);
        const { items } = await cache.list();
        await cache.submit({ payload: raw, key, value: key });
        return items.map(({ key }) => key);
      },
      { options, raw, key: `entry/${nonce}` },
    );
    assert.deepEqual(found, keys);
    keys.push(`entry/${nonce}`);
    return browser;
  }

  await (await visit(signed[0])).kill();
  const torn = await tearDatabases(profile);
  const second = await visit(signed[1]);
  await untilReplaced(profile, torn);
  await second.kill();
  await (await visit(signed[2])).close();
});

/** Half a record at the end of every log of the browser's own, as a write that was cut short leaves it. */
async function tearDatabases(profile) {
  const logs = await databaseLogs(profile);
  assert.ok(logs.length > 0, "there is a log to tear");
  const record = Buffer.alloc(500);
  record.writeUInt16LE(3_000, 4); // the length that it claims
  record[6] = 1; // a whole record
  for (const path of logs) await appendFile(path, record);
  return logs;
}

/** Resolves when the browser has deleted all these files. */
async function untilReplaced(profile, paths) {
  const isThere = async () => (await databaseLogs(profile)).some((path) => paths.includes(path));
  const changes = watch(join(profile, "Default", "IndexedDB"), { recursive: true });
  if (!(await isThere())) return;
  for await (const _ of changes) if (!(await isThere())) return;
}

async function databaseLogs(profile) {
  const folder = join(profile, "Default", "IndexedDB");
  const names = await readdir(folder, { recursive: true });
  return names.filter((name) => name.endsWith(".log")).map((name) => join(folder, name));
}
