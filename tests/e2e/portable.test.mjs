// Tasks go to a file and into another browser, exactly as bytes; and what is in a file is trusted in nothing.

import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { privateKeyToAccount } from "viem/accounts";
import { createWorld, test } from "./fixture.mjs";

const LARGE = 40_000;

/** The file that the page exports, as bytes. */
async function exported(page) {
  const base64 = await page.evaluate(async () => {
    const blob = await cache.exportBackup();
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const codes = Array.from(bytes, (byte) => String.fromCharCode(byte));
    return { type: blob.type, text: btoa(codes.join("")) };
  });
  assert.equal(base64.type, "application/octet-stream");
  return Buffer.from(base64.text, "base64");
}

/** What importing these bytes comes to, as `uplink.attempt` tells it. */
function imported(page, bytes) {
  return page.evaluate((text) => {
    const bytes = Uint8Array.from(atob(text), (code) => code.charCodeAt(0));
    return uplink.attempt(() => cache.importBackup(new Blob([bytes])));
  }, bytes.toString("base64"));
}

const NOTHING = {
  imported: 0,
  known: 0,
  refused: [],
  refusedCount: 0,
  damaged: 0,
  complete: true,
};
const start = (page, options) => page.evaluate((options) => uplink.start(options), options);
const tasks = (page) => page.evaluate(() => cache.tasks().map((task) => uplink.describe(task)));

/** A page with tasks of all kinds: small, large, blocked, failed, and a draft. */
async function fullPage(world, browser) {
  const page = await browser.openPage();
  await start(page, world.options());
  const poor = privateKeyToAccount(`0x${"77".repeat(32)}`);
  const blocked = await poor.signTransaction({
    chainId: 31337,
    nonce: 0,
    gas: 21_000n,
    maxFeePerGas: 100_000_000_000n,
    maxPriorityFeePerGas: 1n,
    to: poor.address,
    type: "eip1559",
  });
  await page.evaluate(async (payload) => {
    const task = await cache.submit({ payload, key: "poor", value: 0, lane: "poor" });
    await uplink.when(() => task.status === "blocked");
  }, blocked);
  world.gateway.down();
  const small = await world.wallet.sign({ text: "small" });
  const large = await world.wallet.sign({ text: "l".repeat(LARGE) });
  const again = await world.wallet.sign({ text: "again" });
  const failed = await world.wallet.sign({ text: "failed" });
  await page.evaluate(
    async ({ small, large, again, failed, length }) => {
      await cache.submit({
        payload: small.raw,
        key: "same",
        value: "first",
        idempotencyKey: "one",
      });
      await cache.submit({ payload: large.raw, key: "large", value: "v".repeat(length) });
      await cache.submit({ payload: again.raw, key: "same", value: "second" });
      const task = await cache.submit({ payload: failed.raw, key: "failed", value: 0 });
      await cache.cancel(task.id);
      await cache.submit({ sign: "nobody", key: "draft", value: "d", lane: "drafts" });
    },
    { small, large, again, failed, length: LARGE },
  );
  return { page, small, large, again, failed };
}

test("tasks of all kinds go into another browser, are looked for and sent as the same bytes, and settle there", async (t) => {
  const world = await createWorld(t);
  const first = await world.openBrowser();
  const { page, small, large, again } = await fullPage(world, first);
  const before = await tasks(page);
  const file = await exported(page);
  await first.close();

  const other = await (await world.openBrowser()).openPage();
  await start(other, world.options());
  assert.deepEqual(await imported(other, file), { value: { ...NOTHING, imported: 6 } });
  const after = await tasks(other);
  const short = ({ id, txId, key, nonce, lane, size }) => ({ id, txId, key, nonce, lane, size });
  assert.deepEqual(after.map(short), before.map(short), "the same tasks, in the same order");
  const states = after.map(({ key, status, reason }) => [key, status, reason]);
  assert.deepEqual(states, [
    ["poor", "blocked", "insufficient_funds"],
    ["same", "backed-up", undefined],
    ["large", "backed-up", undefined],
    ["same", "backed-up", undefined],
    ["failed", "failed", "cancelled"],
    ["draft", "blocked", "unknown"],
  ]);
  const seen = await other.evaluate(async () => ({
    newest: cache.peek("same").value,
    large: (await cache.read("large")).value.length,
    failed: cache.peek("failed"),
  }));
  assert.deepEqual(seen, { newest: "second", large: LARGE, failed: undefined });
  assert.deepEqual(await imported(other, file), { value: { ...NOTHING, known: 6 } }, "once each");

  // Durable, and so also there after a reload.
  await other.reload();
  await start(other, world.options());
  assert.deepEqual((await tasks(other)).map(short), before.map(short));

  const mark = world.gateway.log.length;
  world.gateway.up();
  await other.evaluate(() => cache.flush());
  await world.mineToFinal(small.txId, large.txId, again.txId);
  const outcomes = await other.evaluate(() => {
    const open = cache.tasks().filter(({ status }) => status !== "failed" && status !== "blocked");
    return Promise.all(open.map(({ settled }) => settled));
  });
  assert.ok(outcomes.every(({ status }) => status === "final"));
  const calls = world.gateway.log.slice(mark);
  for (const { txId, raw } of [small, large, again]) {
    const sends = world.gateway.sends(txId);
    assert.deepEqual(new Set(sends.map(({ params }) => params[0])), new Set([raw]));
    const place = (method, holds) =>
      calls.findIndex((call) => call.method === method && holds(call));
    const looked = place("eth_getTransactionByHash", ({ params }) => params[0] === txId);
    const sent = place("eth_sendRawTransaction", (call) => call.txId === txId);
    assert.ok(looked >= 0 && looked < sent, "the chain is asked before it is sent");
  }
  const largeValue = await other.evaluate(async () => (await cache.read("large")).value.length);
  assert.equal(largeValue, LARGE);
  // Whoever looked for what the other browser's signer may have sent asks this one's.
  await other.evaluate(async () => {
    const draft = cache.tasks().find(({ key }) => key === "draft");
    await cache.retry(draft.id);
    await uplink.when(() => draft.reason === "unknown_signer");
  });
  // What is final has nothing to lose; what failed and what is blocked is still in the file.
  const later = await exported(other);
  assert.ok(later.length < LARGE);
});

test("two browsers with the same tasks at once do no harm: each is on the chain once, and settles in both", async (t) => {
  const world = await createWorld(t);
  const first = await world.openBrowser();
  const { page, small, large, again } = await fullPage(world, first);
  const other = await (await world.openBrowser()).openPage();
  await start(other, world.options());
  const { value } = await imported(other, await exported(page));
  assert.equal(value.imported, 6);
  world.gateway.up();
  await Promise.all([page, other].map((page) => page.evaluate(() => cache.flush())));
  await world.mineToFinal(small.txId, large.txId, again.txId);
  for (const each of [page, other]) {
    const outcomes = await each.evaluate(() => {
      const keys = new Set(["same", "large"]);
      const own = cache.tasks().filter(({ key }) => keys.has(key));
      return Promise.all(own.map(({ settled }) => settled));
    });
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ["final", "final", "final"],
    );
  }
  const count = await world.chain.rpc("eth_getTransactionCount", [world.wallet.address, "latest"]);
  assert.equal(Number(count), 3);
});

test("two tabs that import one file at once have each task once; an export has what other tabs were told", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const first = await world.openBrowser();
  const [page, tab] = [await first.openPage(), await first.openPage()];
  const signed = await world.wallet.signMany(20);
  await start(page, world.options());
  await start(tab, world.options());
  await page.evaluate(
    async (payloads) => {
      await Promise.all(
        payloads.map((payload, i) => cache.submit({ payload, key: `entry/${i}`, value: i })),
      );
    },
    signed.map(({ raw }) => raw),
  );
  // The other tab's file, whether it heard the news or not.
  const file = await exported(tab);
  const second = await world.openBrowser();
  const others = [await second.openPage(), await second.openPage()];
  for (const each of others) await start(each, world.options());
  const reports = await Promise.all(others.map((each) => imported(each, file)));
  const sum = (name) => reports.reduce((sum, { value }) => sum + value[name], 0);
  assert.deepEqual([sum("imported"), sum("known"), sum("refusedCount")], [20, 20, 0]);
  for (const each of others) assert.equal((await tasks(each)).length, 20);
});

/** Where the frames of a file are: their kinds, and their bytes. */
function frames(file) {
  const found = [];
  for (let at = 0; at < file.length; ) {
    const end = at + 10 + file.readUInt32LE(at + 2);
    found.push({ kind: file[at + 1], at, end });
    at = end;
  }
  return found;
}

/** The file with a frame's body changed, and its checksum made right again. */
function forged(file, { at, end }, change) {
  const bytes = Buffer.from(file);
  change(bytes.subarray(at + 10, end));
  const crc = crc32(bytes.subarray(at + 10, end), crc32(bytes.subarray(at, at + 6)));
  bytes.writeUInt32LE(crc, at + 6);
  return bytes;
}

test("bad files are refused with a code, and what is damaged in one costs no other task", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const browser = await world.openBrowser();
  const page = await browser.openPage();
  const signed = await world.wallet.signMany(3);
  await start(page, world.options());
  await page.evaluate(
    async (payloads) => {
      for (const payload of payloads) await cache.submit({ payload });
    },
    signed.map(({ raw }) => raw),
  );
  const file = await exported(page);
  const parts = frames(file);
  assert.deepEqual(
    parts.map(({ kind }) => kind),
    [32, 32, 3, 3, 3, 34],
  );
  const [head, copy, one, two] = parts;
  const other = await (await world.openBrowser()).openPage();
  await start(other, world.options());
  const codeOf = async (bytes) => {
    const { error } = await imported(other, bytes);
    assert.ok(error?.isUplinkError);
    return error.code;
  };
  assert.equal(await codeOf(Buffer.alloc(0)), "invalid_input");
  assert.equal(await codeOf(Buffer.from("a text")), "invalid_input");
  assert.equal(await codeOf(file.subarray(copy.at + 5)), "invalid_input", "both heads are gone");
  const version = Buffer.from("uplink-cache backup").length + 1;
  const newer = forged(file, head, (body) => {
    body[version] = 2;
  });
  assert.equal(await codeOf(newer), "newer_format");
  const notABlob = await other.evaluate(() => uplink.attempt(() => cache.importBackup("text")));
  assert.equal(notABlob.error.code, "invalid_input");
  const huge = await other.evaluate(() => {
    const piece = new Blob([new Uint8Array(1024 * 1024).fill(0xa5)]);
    const file = new Blob(Array(500).fill(piece));
    return uplink.attempt(() => cache.importBackup(file));
  });
  assert.equal(huge.error.code, "invalid_input");
  assert.deepEqual(await tasks(other), [], "nothing came in");

  const wallet = { account: `0x${"ab".repeat(20)}` };
  const options = [
    ["wrong_chain", world.options({ name: "chain", gateway: { chainId: 1 } })],
    ["invalid_input", world.options({ name: "account", ...wallet })],
  ];
  for (const [code, option] of options) {
    const foreign = await browser.openPage();
    await start(foreign, option);
    assert.equal(await codeOf(await exported(foreign)), code);
  }

  // The payload is not what its id says: only that task is refused.
  const lying = forged(file, one, (body) => {
    body[body.length - 3] ^= 1;
  });
  const { value: lied } = await imported(other, lying.subarray(0, two.at));
  assert.deepEqual([lied.imported, lied.refusedCount, lied.complete], [0, 1, false]);
  assert.equal(lied.refused[0].code, "invalid_input");
  const flipped = Buffer.from(file);
  flipped[two.at + 30] ^= 4;
  const { value: damaged } = await imported(other, flipped);
  assert.deepEqual(damaged, { ...NOTHING, imported: 2, damaged: 1, complete: false });
  const { value: cut } = await imported(other, file.subarray(0, file.length - 20));
  const torn = { ...NOTHING, imported: 1, known: 1, damaged: 1, complete: false };
  assert.deepEqual(cut, torn, "the second came in, and the third is cut off");
  assert.deepEqual(await imported(other, file), { value: { ...NOTHING, known: 3 } });
});

test("a known task with other content is a conflict, and stays as it is", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await (await world.openBrowser()).openPage();
  const other = await (await world.openBrowser()).openPage();
  const { raw, txId } = await world.wallet.sign({ text: "hi" });
  for (const [each, value] of [
    [page, "here"],
    [other, "there"],
  ]) {
    await start(each, world.options());
    await each.evaluate(({ raw, value }) => cache.submit({ payload: raw, key: "key", value }), {
      raw,
      value,
    });
  }
  const { value } = await imported(other, await exported(page));
  assert.equal(value.refused[0].code, "conflict");
  const left = await other.evaluate(() => [cache.peek("key").value, cache.peek("key").txId]);
  assert.deepEqual(left, ["there", txId]);
});
