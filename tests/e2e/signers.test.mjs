// Drafts are backed up before their signature is asked for, by real viem accounts and by a wallet that sends by itself.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { bundleViem } from "../../scripts/demo/viem-bundle.mjs";
import { moduleOf } from "../support/bundle.mjs";
import { createWallet } from "../support/wallet.mjs";
import { createWorld, test } from "./fixture.mjs";

const viem = bundleViem();
const LOCAL = { kind: "local", index: 0 };

async function serveViem(_, response, { file }) {
  const contents = (await viem).get(file);
  response.writeHead(contents ? 200 : 404, { "content-type": "text/javascript" }).end(contents);
}

/** A world whose pages have signers. */
async function signersWorld(t, signers, routes = {}) {
  const world = await createWorld(t, { routes: { "/vendor/": serveViem, ...routes } });
  const wallet = { kind: "wallet", index: 1, url: world.chain.url };
  const options = (more = signers) => {
    const given = typeof more === "function" ? more(wallet) : more;
    return world.options({ signers: given ?? { post: LOCAL, wallet } });
  };

  async function prepare(page, more, moods = {}) {
    await page.addScriptTag({ type: "module", url: "/signers.js" });
    await page.evaluate(
      async ({ options, moods }) => {
        Object.assign(signers.moods, moods);
        await uplink.start(options);
      },
      { options: options(more), moods },
    );
    return page;
  }

  return {
    ...world,
    options,
    open: async (more, moods) => prepare(await world.openPage(), more, moods),
    openIn: async (browser, more, moods) => prepare(await browser.openPage(), more, moods),
    /** The account's transactions in the chain and the pool. */
    count: async (address) =>
      Number(await world.chain.rpc("eth_getTransactionCount", [address, "pending"])),
  };
}

const submit = (page, options) =>
  page.evaluate(async (options) => uplink.describe(await cache.submit(options)), options);

/** Resolves when the task is as `check` (a function of a described task, in source) says. */
const until = (page, id, check) =>
  page.evaluate(
    ({ id, check }) => {
      const holds = new Function("task", `return ${check}`);
      return uplink.when(() => {
        const task = uplink.describe(cache.task(id));
        return task && holds(task) && task;
      });
    },
    { id, check },
  );

const blocked = (page, id) => until(page, id, `task.status === "blocked"`);
const sent = (page, id) => until(page, id, `task.status === "sent"`);
const settled = (page, id) =>
  page.evaluate((id) => cache.task(id)?.settled ?? { status: "gone" }, id);
const log = (page) => page.evaluate(() => signers.log);
const attempt = (page, call, argument) =>
  page.evaluate(
    ({ call, argument }) =>
      uplink.attempt(() => new Function("argument", `return ${call}`)(argument)),
    { call, argument },
  );

test("a draft is durable, read and signed by viem's account, then sent and tracked", async (t) => {
  const world = await signersWorld(t);
  world.gateway.down();
  const page = await world.open();
  const task = await submit(page, { key: "entry/1", value: { text: "hi" }, sign: "post" });
  assert.equal(task.status, "backed-up");
  assert.equal(task.txId, undefined);
  assert.equal(task.signer, "post");
  assert.equal(task.lane, world.wallet.address.toLowerCase());
  const entry = await page.evaluate(() => cache.read("entry/1"));
  assert.deepEqual([entry.value, entry.source], [{ text: "hi" }, "backup"]);
  world.gateway.up();
  await page.evaluate(() => cache.flush());
  const { txId, nonce } = await sent(page, task.id);
  assert.equal(nonce, 0);
  assert.deepEqual(await log(page), [
    { name: "post", id: task.id, key: "entry/1", value: { text: "hi" }, nonce: 0 },
  ]);
  const waits = settled(page, task.id);
  await world.mineToFinal(txId);
  assert.equal((await waits).status, "final");
  assert.equal(world.gateway.sends().length, 1);
  const found = await world.chain.rpc("eth_getTransactionByHash", [txId]);
  assert.equal(found.from, world.wallet.address.toLowerCase());
});

test("what looks at signatures is away when a draft is signed: it is asked for again, and the draft is sent", async (t) => {
  const file = new URL("../../dist/recover.js", import.meta.url);
  let asked = 0;
  const serveCurves = async (_, response) => {
    asked += 1;
    if (asked <= 2) return response.writeHead(503).end();
    response.writeHead(200, { "content-type": "text/javascript" }).end(await readFile(file));
  };
  const world = await signersWorld(t, undefined, { "/dist/recover.js": serveCurves });
  const page = await world.open();
  const task = await submit(page, { key: "entry/1", value: { text: "hi" }, sign: "post" });
  await sent(page, task.id);
  assert.equal(asked, 3);
});

test("a wallet that sends by itself gives an id, which is tracked; nothing is sent here", async (t) => {
  const world = await signersWorld(t);
  const page = await world.open();
  const task = await submit(page, { key: "entry/1", value: 1, sign: "wallet" });
  const { txId } = await sent(page, task.id);
  assert.deepEqual((await log(page)).at(-1), { name: "wallet", txId });
  const waits = settled(page, task.id);
  await world.mine(6);
  const outcome = await waits;
  assert.deepEqual([outcome.status, outcome.txId], ["final", txId]);
  assert.equal(world.gateway.sends().length, 0);
});

test("a signer that rejects or throws blocks the task with its words, and retry asks again", async (t) => {
  const world = await signersWorld(t);
  const page = await world.open(undefined, { post: ["reject", "throw"], wallet: ["reject"] });
  const task = await submit(page, { key: "entry/1", value: 1, sign: "post" });
  for (const words of ["the user rejected", "the signer is broken"]) {
    const { reason, cause, txId } = await blocked(page, task.id);
    assert.deepEqual([reason, cause, txId], ["signer_failed", words, undefined]);
    await page.evaluate((id) => cache.retry(id), task.id);
  }
  const waits = settled(page, task.id);
  const { txId } = await sent(page, task.id);
  const asked = (await log(page)).map(({ nonce }) => nonce);
  assert.deepEqual(asked, [0, 0, 0], "what a rejected signature had is given again");
  await world.mineToFinal(txId);
  assert.equal((await waits).status, "final");
  // A wallet's clear no is a clear no.
  const other = await submit(page, { key: "entry/2", value: 2, sign: "wallet" });
  const { reason, cause } = await blocked(page, other.id);
  assert.deepEqual([reason, cause], ["signer_failed", "the user rejected"]);
  await page.evaluate((id) => cache.cancel(id), other.id);
  assert.equal((await settled(page, other.id)).status, "failed");
});

test("a signer that never answers is given up, and told so; what a wallet did then is not known", async (t) => {
  const world = await signersWorld(t, (wallet) => ({
    post: { ...LOCAL, timeoutMs: 300 },
    wallet: { ...wallet, timeoutMs: 300 },
  }));
  const page = await world.open(undefined, { post: ["hang"], wallet: ["hang"] });
  const own = await submit(page, { key: "entry/1", value: 1, sign: "post" });
  const wallets = await submit(page, { key: "entry/2", value: 2, sign: "wallet" });
  assert.equal((await blocked(page, own.id)).reason, "signer_failed");
  assert.equal((await blocked(page, wallets.id)).reason, "unknown");
  assert.ok(
    (await log(page)).some(({ aborted }) => aborted),
    "the signal was aborted",
  );
  const refused = await attempt(page, "cache.cancel(argument)", wallets.id);
  assert.equal(refused.error.code, "already_sent");
  const absent = await page.evaluate((id) => cache.reconcile(id), wallets.id);
  assert.deepEqual(absent, { result: "absent" });
  for (const { id } of [own, wallets]) {
    await page.evaluate((id) => cache.retry(id), id);
    await sent(page, id);
  }
});

test("a kill while viem's account is asked: it is asked again, with the same nonce", async (t) => {
  const world = await signersWorld(t);
  const profile = await world.newProfile();
  const first = await world.openBrowser({ profile });
  const page = await world.openIn(first, undefined, { post: ["hang"] });
  const { id } = await submit(page, { key: "entry/1", value: 1, sign: "post" });
  await page.evaluate(
    () =>
      new Promise((resolve) => {
        const look = () => (signers.log.length > 0 ? resolve() : setTimeout(look, 5));
        look();
      }),
  );
  assert.deepEqual(
    (await log(page)).map(({ nonce }) => nonce),
    [0],
  );
  await first.kill();
  const again = await world.openIn(await world.openBrowser({ profile }));
  const { txId, nonce } = await sent(again, id);
  assert.equal(nonce, 0);
  assert.equal((await log(again)).length, 1);
  await world.mineToFinal(txId);
  assert.equal(world.gateway.sends().length, 1);
});

for (const [mood, result] of [
  ["hang-after", "found"],
  ["hang", "absent"],
]) {
  test(`a kill while a wallet is asked (${mood}): the task is blocked as unknown, and reconcile says ${result}`, async (t) => {
    const world = await signersWorld(t);
    const { address } = createWallet({ index: 1 });
    const profile = await world.newProfile();
    const first = await world.openBrowser({ profile });
    const page = await world.openIn(first, undefined, { wallet: [mood] });
    const { id } = await submit(page, { key: "entry/1", value: "x", sign: "wallet" });
    const entries = mood === "hang" ? 1 : 2;
    await page.evaluate(
      (entries) =>
        new Promise((resolve) => {
          const look = () => (signers.log.length >= entries ? resolve() : setTimeout(look, 5));
          look();
        }),
      entries,
    );
    await first.kill();
    const again = await world.openIn(await world.openBrowser({ profile }));
    const task = await blocked(again, id);
    assert.equal(task.reason, "unknown");
    assert.match(task.cause, /may have sent it/);
    assert.deepEqual(await log(again), [], "the wallet is not asked again");
    const reconciled = await again.evaluate((id) => cache.reconcile(id), id);
    assert.equal(reconciled.result, result);
    if (result === "absent") await again.evaluate((id) => cache.retry(id), id);
    const { txId } = await sent(again, id);
    if (result === "found") assert.equal(txId, reconciled.txId);
    const waits = settled(again, id);
    await world.mine(6);
    assert.equal((await waits).status, "final");
    assert.equal(await world.count(address), 1, "it was sent once");
  });
}

test("reconcile finds a mined transaction among others, takes one that the app names, and says what it cannot know", async (t) => {
  const world = await signersWorld(t);
  const lost = { wallet: ["lose", "lose", "lose"] };
  const page = await world.open(
    (wallet) => ({ wallet, silent: { ...wallet, index: 2, noRequest: true } }),
    lost,
  );
  const tasks = [];
  for (const value of ["a", "b"]) {
    const { id } = await submit(page, { key: `entry/${value}`, value, sign: "wallet" });
    const { reason, cause } = await blocked(page, id);
    assert.deepEqual([reason, cause], ["unknown", "the connection was lost"]);
    tasks.push(id);
  }
  await world.mine(3);
  const found = await page.evaluate((id) => cache.reconcile(id), tasks[1]);
  assert.equal(found.result, "found");
  const ids = (await log(page)).flatMap(({ txId }) => txId ?? []);
  assert.equal(found.txId, ids[1], "the second one's");
  const nobodys = `0x${"12".repeat(32)}`;
  const named = (txId) =>
    page.evaluate(({ id, txId }) => cache.reconcile(id, { txId }), { id: tasks[0], txId });
  assert.equal((await named(nobodys)).result, "unknown");
  const taken = await attempt(page, `cache.reconcile(argument.id, { txId: argument.txId })`, {
    id: tasks[0],
    txId: ids[1],
  });
  assert.equal(taken.error.code, "conflict");
  assert.equal((await named(ids[0])).result, "found");
  await world.mine(6);
  for (const id of tasks) {
    const outcome = await settled(page, id);
    assert.ok(outcome.status === "final" || outcome.status === "gone");
  }
  await page.evaluate(() => {
    signers.moods.silent = ["lose"];
  });
  const { id } = await submit(page, { key: "entry/c", value: "c", sign: "silent" });
  await blocked(page, id);
  const unknown = await page.evaluate((id) => cache.reconcile(id), id);
  assert.equal(unknown.result, "unknown");
  assert.match(unknown.cause, /request/);
});

test("reconcile searches the blocks of a gateway that does not find by sender and nonce", async (t) => {
  const world = await createWorld(t);
  const { findSent } = await moduleOf("js/reconcile.ts");
  const methods = [];
  const rpc = async (method, params) => {
    methods.push(method);
    if (method !== "eth_getTransactionBySenderAndNonce") return world.chain.rpc(method, params);
    throw Object.assign(new Error("the method does not exist"), { code: "gateway_error" });
  };
  const sent = [];
  for (const data of ["0x01", "0x02", "0x03"]) {
    const { raw, txId } = await world.wallet.sign({ data });
    await world.chain.rpc("eth_sendRawTransaction", [raw]);
    await world.mine(40);
    sent.push(txId);
  }
  const { raw } = await world.wallet.sign({ data: "0x04" });
  await world.chain.rpc("eth_sendRawTransaction", [raw]);
  const address = world.wallet.address.toLowerCase();
  const look = (data, nonceFrom = 0) => {
    const effect = { to: "0x000000000000000000000000000000000000dead", data };
    return findSent(rpc, { address, nonce: undefined, nonceFrom, effect }, async () => true);
  };
  assert.deepEqual(await look("0x02"), { result: "found", txId: sent[1] });
  assert.ok(methods.length < 60, `${methods.length} requests`);
  const pooled = await look("0x05");
  assert.equal(pooled.result, "unknown", "what is in the pool cannot be seen");
  await world.mine(1);
  assert.deepEqual(await look("0x05"), { result: "absent" });
  assert.deepEqual(await look("0x01", 1), { result: "absent" }, "it was there before");
});

test("two tabs and 20 drafts: 20 nonces in a row", async (t) => {
  const world = await signersWorld(t);
  const pages = [await world.open(), await world.open()];
  await Promise.all(
    pages.map((page, tab) =>
      page.evaluate(
        (tab) =>
          Promise.all(
            Array.from({ length: 10 }, (_, i) =>
              cache.submit({ key: `entry/${tab}/${i}`, value: i, sign: "post" }),
            ),
          ),
        tab,
      ),
    ),
  );
  const nonces = await pages[0].evaluate(() =>
    uplink.when(() => {
      const tasks = cache.tasks();
      const isSent = tasks.length === 20 && tasks.every(({ status }) => status === "sent");
      return isSent && tasks.map(({ nonce }) => nonce);
    }),
  );
  const row = Array.from({ length: 20 }, (_, i) => i);
  assert.deepEqual(
    nonces.toSorted((a, b) => a - b),
    row,
  );
  const sends = world.gateway.sends().length;
  assert.equal(sends, 20);
  await world.mine(6);
  assert.equal(
    Number(await world.chain.rpc("eth_getTransactionCount", [world.wallet.address, "latest"])),
    20,
  );
});

test("an account that was used elsewhere: the next nonce is the chain's", async (t) => {
  const world = await signersWorld(t);
  const page = await world.open();
  const one = await submit(page, { key: "entry/1", value: 1, sign: "post" });
  const { txId } = await sent(page, one.id);
  const waits = settled(page, one.id);
  await world.mineToFinal(txId);
  await waits;
  const elsewhere = createWallet();
  await elsewhere.sign({ text: "as the first" });
  const { raw } = await elsewhere.sign({ text: "elsewhere" });
  await world.chain.rpc("eth_sendRawTransaction", [raw]);
  const two = await submit(page, { key: "entry/2", value: 2, sign: "post" });
  const second = await sent(page, two.id);
  assert.equal(second.nonce, 2);
  await world.mineToFinal(second.txId);
});

test("of fees viem's account is asked to sign what the transaction says, and for the rest what the gateway says", async () => {
  const { localSigner } = await moduleOf("js/signers.ts");
  const answers = {
    eth_getBlockByNumber: { baseFeePerGas: "0xa" },
    eth_maxPriorityFeePerGas: "0x5",
    eth_gasPrice: "0x7",
  };
  const offered = async (fees, replies = answers) => {
    const signTransaction = async (fields) => fields;
    const account = { address: createWallet().address, signTransaction };
    const signer = localSigner({ account, transaction: () => ({ gas: 1n, ...fees }) });
    const rpc = async (method) => replies[method];
    const { signal } = new AbortController();
    const signed = await signer.sign({}, { nonce: 0, signal, chainId: 1, rpc });
    const { type, maxFeePerGas: cap, maxPriorityFeePerGas: tip, gasPrice } = signed;
    return [type, cap, tip, gasPrice];
  };
  const rows = [
    [{}, ["eip1559", 25n, 5n, undefined]],
    [{ maxPriorityFeePerGas: 90n }, ["eip1559", 110n, 90n, undefined]],
    [{ maxFeePerGas: 50n }, ["eip1559", 50n, 5n, undefined]],
    [{ maxFeePerGas: 3n }, ["eip1559", 3n, 3n, undefined]],
    [{ maxFeePerGas: 50n, maxPriorityFeePerGas: 1n }, ["eip1559", 50n, 1n, undefined]],
    [{ gasPrice: 9n }, ["legacy", undefined, undefined, 9n]],
  ];
  for (const [fees, expected] of rows) assert.deepEqual(await offered(fees), expected);
  const before = { ...answers, eth_getBlockByNumber: {} };
  for (const [fees, price] of [
    [{ maxPriorityFeePerGas: 90n }, 7n],
    [{ maxFeePerGas: 3n }, 3n],
  ]) {
    assert.deepEqual(await offered(fees, before), ["legacy", undefined, undefined, price]);
  }
});

test("a name that is not registered blocks clearly, and is asked once a tab has it", async (t) => {
  const world = await signersWorld(t);
  const profile = await world.newProfile();
  const browser = await world.openBrowser({ profile });
  const page = await world.openIn(browser, {});
  const { id } = await submit(page, { key: "entry/1", value: 1, sign: "post" });
  const { reason, cause } = await blocked(page, id);
  assert.equal(reason, "unknown_signer");
  assert.match(cause, /"post"/);
  await page.evaluate(() => cache.close());
  const again = await world.openIn(browser);
  const { txId } = await sent(again, id);
  await world.mineToFinal(txId);
});

test("bytes of another account, of another chain or of nobody are never sent", async (t) => {
  const world = await signersWorld(t, {
    stranger: { ...LOCAL, signAs: 3 },
    elsewhere: { ...LOCAL, index: 4, chainId: 1 },
    broken: { kind: "bare", answer: "0x1234" },
    hash: { kind: "bare", answer: `0x${"ab".repeat(32)}` },
    nothing: { kind: "bare" },
  });
  const page = await world.open();
  for (const [sign, reason, words] of [
    ["stranger", "signer_failed", /account 0x[0-9a-f]{40} signed/],
    ["elsewhere", "signer_failed", /signed for chain 1, not 31337/],
    // A plain function may have sent something before it gave this.
    ["broken", "unknown", /no signed transaction/],
    ["hash", "unknown", /\{ txId \}/],
    ["nothing", "unknown", /signed bytes/],
  ]) {
    const { id } = await submit(page, { key: `entry/${sign}`, value: 1, sign });
    const task = await blocked(page, id);
    assert.equal(task.reason, reason, sign);
    assert.match(task.cause, words);
  }
  assert.equal(world.gateway.sends().length, 0);
});

test("what is no draft, and what is no signer, is refused with a reason", async (t) => {
  const world = await signersWorld(t);
  const page = await world.open();
  for (const [call, words] of [
    [`cache.submit({ key: "k", value: 1 })`, /one of the two/],
    [`cache.submit({ key: "k", value: 1, sign: "post", payload: "0x12" })`, /one of the two/],
    [`cache.submit({ value: 1, sign: "post" })`, /a key/],
    [`cache.submit({ key: "k", sign: "post" })`, /a value/],
    [`cache.submit({ key: "k", value: 1, sign: 7 })`, /sign is a string/],
    [`uplink.openCache({ ...argument, signers: { post: 7 } })`, /takes an object/],
    [`uplink.openCache({ ...argument, signers: { post: {} } })`, /function sign/],
    [
      `uplink.openCache({ ...argument, signers: { post: { sign() {}, nonces: "cache" } } })`,
      /no address/,
    ],
    [`uplink.openCache({ ...argument, signers: { post: { sign() {}, adress: "0x" } } })`, /adress/],
    [
      `uplink.openCache({ ...argument, signers: { post: { sign() {}, timeoutMs: 0 } } })`,
      /timeoutMs/,
    ],
  ]) {
    const { gateway: _, ...options } = world.options({});
    const argument = { ...options, signers: undefined };
    const run = call.replace(
      "...argument",
      `...argument, gateway: uplink.evm(${JSON.stringify(world.options({}).gateway)})`,
    );
    const { error } = await attempt(page, run, argument);
    assert.equal(error?.code, "invalid_input", call);
    assert.match(error.message, words);
  }
});
