// viem's own actions through `uplinkTransport`, against a real chain.
import assert from "node:assert/strict";
import { test } from "../e2e/fixture.mjs";
import { isSend, method } from "../support/gateway.mjs";
import { createWallet } from "../support/wallet.mjs";
import { createAdaptersWorld } from "./world.mjs";

const TYPES = ["legacy", "eip2930", "eip1559", "eip7702"];

test("viem's actions work through the transport, and say what they say without it", async (t) => {
  const world = await createAdaptersWorld(t);
  const registry = await world.deployRegistry();
  const page = await world.open();
  const hash = await page.evaluate(async (registry) => {
    globalThis.client = adapters.viemClient(adapters.url);
    const args = ["entry/42", adapters.viem.stringToHex("hi")];
    return client.writeContract({ ...registry, functionName: "put", args });
  }, registry);
  const mined = page.evaluate((hash) => client.waitForTransactionReceipt({ hash }), hash);
  await world.untilAccepted(hash);
  await world.mine();
  const waited = await mined;
  assert.equal(waited.transactionHash, hash);
  assert.equal(waited.status, "success");

  const { through, plain } = await page.evaluate(
    async ({ hash, registry }) => {
      const { account, foundry, url, viem } = adapters;
      const plainClient = viem.createPublicClient({ chain: foundry, transport: viem.http(url) });
      const read = { ...registry, functionName: "get", args: ["entry/42"] };
      const looksOf = async (each) => ({
        balance: await each.getBalance(account),
        block: await each.getBlock(),
        read: await each.readContract(read),
        chainId: await each.getChainId(),
        pending: await each.getTransactionCount({ ...account, blockTag: "pending" }),
        latest: await each.getTransactionCount(account),
        transaction: await each.getTransaction({ hash }),
        receipt: await each.getTransactionReceipt({ hash }),
      });
      return { through: await looksOf(client), plain: await looksOf(plainClient) };
    },
    { hash, registry },
  );
  assert.deepEqual(through, plain);
  assert.deepEqual(through.read, [world.wallet.address, "0x6869"]);
  assert.equal(through.pending, 1);
  assert.equal(through.transaction.blockHash, through.receipt.blockHash);
  assert.equal(world.gateway.sends(hash).length, 1);
});

test("with the gateway down the hash comes at once and the backup answers; then the chain does", async (t) => {
  const world = await createAdaptersWorld(t);
  const page = await world.open();
  world.gateway.down();
  const signed = [];
  for (const type of TYPES)
    signed.push(await world.wallet.sign({ type, value: 3n, text: "entry" }));
  const raws = signed.map(({ raw }) => raw);
  const ids = signed.map(({ txId }) => txId);
  const offline = await page.evaluate(
    async ({ raws, ids }) => {
      globalThis.client = adapters.viemClient(adapters.url);
      const hashes = [];
      for (const serializedTransaction of raws) {
        hashes.push(await client.sendRawTransaction({ serializedTransaction }));
      }
      const ask = (method, params) => client.request({ method, params });
      return {
        hashes,
        tasks: cache.tasks().map(({ txId, status }) => ({ txId, status })),
        transactions: await Promise.all(ids.map((hash) => ask("eth_getTransactionByHash", [hash]))),
        receipts: await Promise.all(ids.map((hash) => ask("eth_getTransactionReceipt", [hash]))),
        count: await client.getTransactionCount({ ...adapters.account, blockTag: "pending" }),
        unknown: await adapters.attempt(() =>
          ask("eth_getTransactionByHash", [`0x${"9".repeat(64)}`]),
        ),
      };
    },
    { raws, ids },
  );
  assert.deepEqual(offline.hashes, ids);
  assert.deepEqual(
    offline.tasks,
    ids.map((txId) => ({ txId, status: "backed-up" })),
  );
  assert.deepEqual(offline.receipts, [null, null, null, null]);
  assert.equal(offline.count, TYPES.length);
  assert.equal(offline.unknown.error[0].name, "HttpRequestError");
  assert.equal(world.gateway.sends().length, 0);

  world.gateway.up();
  await page.evaluate(() => cache.flush());
  for (const [at, txId] of ids.entries()) {
    const pending = await world.chain.rpc("eth_getTransactionByHash", [txId]);
    const own = offline.transactions[at];
    // A pending transaction has no price yet: anvil guesses one, others say the most that it pays.
    const isPriced = (name) => name !== "gasPrice" || !("maxFeePerGas" in own);
    const shared = Object.keys(pending).filter((name) => name in own && isPriced(name));
    const pick = (from) => Object.fromEntries(shared.map((name) => [name, from[name]]));
    assert.deepEqual(pick(own), pick(pending), TYPES[at]);
    for (const name of ["from", "to", "nonce", "gas", "value", "input", "type", "r", "s", "v"]) {
      assert.ok(shared.includes(name), `${TYPES[at]}: ${name} was not compared`);
    }
  }
  await world.mine();
  const receipts = await page.evaluate(
    (ids) => Promise.all(ids.map((hash) => client.waitForTransactionReceipt({ hash }))),
    ids,
  );
  assert.deepEqual(
    receipts.map(({ transactionHash }) => transactionHash),
    ids,
  );
});

test("whoever waits for a receipt while the gateway is away goes on waiting, and a reloaded page waits on", async (t) => {
  const world = await createAdaptersWorld(t, { gatewayIsUp: false });
  const page = await world.open();
  const { raw, txId } = await world.wallet.sign({ text: "entry" });
  await page.evaluate(async (serializedTransaction) => {
    globalThis.client = adapters.viemClient(adapters.url);
    await client.sendRawTransaction({ serializedTransaction });
  }, raw);
  await world.reload(page);
  await page.evaluate((hash) => {
    globalThis.client = adapters.viemClient(adapters.url);
    globalThis.waiting = client.waitForTransactionReceipt({ hash });
    waiting.catch(() => {});
  }, txId);
  world.gateway.up();
  await world.untilAccepted(txId);
  // It is waited for, with the transaction of the backup or the pool, before there is a block.
  const asks = () => world.gateway.log.filter(method("eth_getTransactionReceipt")).length;
  await world.gateway.until(() => asks() > 0, "the receipt is asked for");
  await world.reload(page);
  await page.evaluate((hash) => {
    globalThis.client = adapters.viemClient(adapters.url);
    globalThis.waiting = client.waitForTransactionReceipt({ hash });
    waiting.catch(() => {});
  }, txId);
  await world.mine();
  const receipt = await page.evaluate(() => waiting);
  assert.equal(receipt.transactionHash, txId);
  assert.equal(receipt.status, "success");
  assert.equal(world.gateway.sends(txId).length, 1);
});

test("several writes in a row get nonces in a row while the chain has seen none of them", async (t) => {
  const world = await createAdaptersWorld(t);
  const registry = await world.deployRegistry();
  const page = await world.open();
  const held = world.gateway.hold("request", ({ method }) => isSend(method));
  const hashes = await page.evaluate(async (registry) => {
    globalThis.client = adapters.viemClient(adapters.url);
    const hashes = [];
    for (const key of ["a", "b", "c", "d", "e"]) {
      const args = [key, "0x01"];
      hashes.push(await client.writeContract({ ...registry, functionName: "put", args }));
    }
    return hashes;
  }, registry);
  const seen = await page.evaluate(
    async (hashes) => ({
      nonces: await Promise.all(
        hashes.map(async (hash) => (await client.getTransaction({ hash })).nonce),
      ),
      pending: await client.getTransactionCount({ ...adapters.account, blockTag: "pending" }),
      latest: await client.getTransactionCount(adapters.account),
      other: await client.getTransactionCount({
        address: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        blockTag: "pending",
      }),
    }),
    hashes,
  );
  assert.deepEqual(seen, { nonces: [0, 1, 2, 3, 4], pending: 5, latest: 0, other: 1 });
  held.release();
  for (const hash of hashes) await world.untilAccepted(hash);
  await world.mine();
  const receipts = await page.evaluate(
    (hashes) => Promise.all(hashes.map((hash) => client.waitForTransactionReceipt({ hash }))),
    hashes,
  );
  assert.deepEqual(
    receipts.map(({ status }) => status),
    hashes.map(() => "success"),
  );
});

test("drafts that the cache signs and writes of viem's share the account's nonces", async (t) => {
  const world = await createAdaptersWorld(t);
  const page = await world.open(null);
  const held = world.gateway.hold("request", ({ method }) => isSend(method));
  const options = world.options();
  const nonces = await page.evaluate(async ({ gateway, ...options }) => {
    const { account } = adapters;
    const transaction = () => ({ to: account.address, value: 1n });
    const signers = { post: uplink.localSigner({ account, transaction }) };
    globalThis.cache = await uplink.openCache({
      ...options,
      gateway: uplink.evm(gateway),
      signers,
    });
    globalThis.client = adapters.viemClient(adapters.url);
    const nonces = [];
    async function draft(key) {
      const task = await cache.submit({ sign: "post", key, value: 1 });
      await uplink.when(() => task.txId !== undefined);
      nonces.push(task.nonce);
    }
    async function write() {
      const hash = await client.sendTransaction({ to: account.address, value: 1n });
      nonces.push((await client.getTransaction({ hash })).nonce);
    }
    await draft("a");
    await write();
    await draft("b");
    await write();
    return nonces;
  }, options);
  assert.deepEqual(nonces, [0, 1, 2, 3]);
  held.release();
  const txIds = await page.evaluate(() => cache.tasks().map(({ txId }) => txId));
  await world.mineToFinal(...txIds);
  const ends = await page.evaluate(() => Promise.all(cache.tasks().map((task) => task.settled)));
  assert.deepEqual(
    ends.map(({ status }) => status),
    Array(4).fill("final"),
  );
});

for (const [reason, fields] of [
  ["repriced", { text: "entry" }],
  ["cancelled", {}],
]) {
  test(`viem sees that a transaction was ${reason}, and the chain's word stands in the end`, async (t) => {
    const world = await createAdaptersWorld(t);
    const page = await world.open();
    // Another client of the same account, whose transaction pays more and reaches the pool first.
    const first = await world.wallet.sign({ text: "entry" });
    const more = { maxFeePerGas: 200_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n };
    const to = reason === "cancelled" ? { to: world.wallet.address } : {};
    const second = await world.wallet.sign({ ...fields, ...to, ...more, nonce: first.nonce });
    const held = world.gateway.hold("request", ({ method }) => isSend(method));
    await page.evaluate(
      async ({ raw, txId }) => {
        globalThis.client = adapters.viemClient(adapters.url);
        await client.sendRawTransaction({ serializedTransaction: raw });
        globalThis.replaced = undefined;
        const onReplaced = ({ reason, transaction }) => {
          globalThis.replaced = { reason, hash: transaction.hash };
        };
        globalThis.waiting = client.waitForTransactionReceipt({ hash: txId, onReplaced });
        waiting.catch(() => {});
      },
      { raw: first.raw, txId: first.txId },
    );
    const asksByHash = (call) => call.method === "eth_getTransactionByHash" && call.path === "/";
    await world.gateway.until((log) => log.some(asksByHash), "viem looks at the transaction");
    await world.chain.rpc("eth_sendRawTransaction", [second.raw]);
    await world.mine();
    held.release();
    const receipt = await page.evaluate(() => waiting);
    assert.equal(receipt.transactionHash, second.txId);
    assert.deepEqual(await page.evaluate(() => replaced), { reason, hash: second.txId });
    await world.mine(10);
    const settled = await page.evaluate(async (txId) => {
      const [task] = cache.tasks();
      await task.settled;
      const { attempt } = adapters;
      return {
        task: task.status,
        found: await attempt(() => client.getTransaction({ hash: txId })),
      };
    }, first.txId);
    assert.equal(settled.found.error[0].name, "TransactionNotFoundError");
    // The same call from elsewhere keeps the task's value; another took its nonce.
    assert.equal(settled.task, reason === "repriced" ? "final" : "failed");
  });
}

test("a speed-up that is sent as any other transaction takes the place of the first", async (t) => {
  const world = await createAdaptersWorld(t);
  const page = await world.open();
  const first = await world.wallet.sign({ text: "entry" });
  const more = { maxFeePerGas: 200_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n };
  const second = await world.wallet.sign({ text: "entry", ...more, nonce: first.nonce });
  const send = (raw) =>
    page.evaluate((raw) => client.sendRawTransaction({ serializedTransaction: raw }), raw);
  await page.evaluate(() => {
    globalThis.client = adapters.viemClient(adapters.url);
  });
  assert.equal(await send(first.raw), first.txId);
  await world.untilAccepted(first.txId);
  const waited = page.evaluate((hash) => client.waitForTransactionReceipt({ hash }), first.txId);
  assert.equal(await send(second.raw), second.txId);
  await world.untilAccepted(second.txId);
  await world.mine();
  assert.equal((await waited).transactionHash, second.txId);
});

test("both versions of a task that was sped up are there by their hashes, and hold one nonce", async (t) => {
  const world = await createAdaptersWorld(t, { gatewayIsUp: false });
  const page = await world.open();
  const first = await world.wallet.sign({ text: "entry" });
  const more = { maxFeePerGas: 200_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n };
  const second = await world.wallet.sign({ text: "entry", ...more, nonce: first.nonce });
  const seen = await page.evaluate(
    async ({ first, second }) => {
      globalThis.client = adapters.viemClient(adapters.url);
      await client.sendRawTransaction({ serializedTransaction: first.raw });
      await cache.replace(cache.tasks()[0].id, second.raw);
      const both = [first.txId, second.txId].map((hash) => client.getTransaction({ hash }));
      const fees = (await Promise.all(both)).map(({ maxFeePerGas }) => maxFeePerGas);
      const again = await client.sendRawTransaction({ serializedTransaction: second.raw });
      const blockTag = "pending";
      const count = await client.getTransactionCount({ ...adapters.account, blockTag });
      return { fees, again, count, tasks: cache.tasks().length };
    },
    { first, second },
  );
  const fees = [100_000_000_000n, more.maxFeePerGas];
  assert.deepEqual(seen, { fees, again: second.txId, count: 1, tasks: 1 });
});

test("the same payload again gives the same hash, also where the app named it by itself", async (t) => {
  const world = await createAdaptersWorld(t);
  const page = await world.open();
  const named = await world.wallet.sign({ text: "named" });
  const plain = await world.wallet.sign({ text: "plain" });
  const hashes = await page.evaluate(
    async ({ named, plain }) => {
      const client = adapters.viemClient(adapters.url);
      await cache.submit({ payload: named, key: "entry/1", value: "mine" });
      const send = (serializedTransaction) => client.sendRawTransaction({ serializedTransaction });
      return [
        await send(named),
        await send(plain),
        ...(await Promise.all([send(plain), send(plain)])),
      ];
    },
    { named: named.raw, plain: plain.raw },
  );
  assert.deepEqual(hashes, [named.txId, plain.txId, plain.txId, plain.txId]);
  const tasks = await page.evaluate(() => cache.tasks().map(({ key }) => key));
  assert.deepEqual(tasks, ["entry/1", plain.txId]);
  await world.untilAccepted(plain.txId);
  assert.equal(world.gateway.sends(named.txId).length, 1);
  assert.equal(world.gateway.sends(plain.txId).length, 1);
});

test("with `task` a write has a key and a value of the app's, which reads show at once", async (t) => {
  const world = await createAdaptersWorld(t, { gatewayIsUp: false });
  const page = await world.open();
  const { raw, txId } = await world.wallet.sign({ text: "hi" });
  const other = await world.wallet.sign({ text: "nothing of ours" });
  const seen = await page.evaluate(
    async ({ raw, other }) => {
      const { attempt, viem, viemClient } = adapters;
      const task = ({ input, hash, nonce }) => {
        const text = viem.hexToString(input);
        if (text !== "hi") return undefined;
        return { key: `entry/${Number(nonce)}`, value: { text, hash }, tags: { room: "one" } };
      };
      const client = viemClient(adapters.url, { task });
      await client.sendRawTransaction({ serializedTransaction: raw });
      await client.sendRawTransaction({ serializedTransaction: other });
      const throwing = viemClient(adapters.url, {
        task: () => {
          throw new Error("not today");
        },
      });
      const failed = await attempt(() =>
        throwing.request({ method: "eth_sendRawTransaction", params: [raw] }),
      );
      return {
        entry: cache.peek("entry/0"),
        tagged: await cache.count({ tag: ["room", "one"] }),
        keys: cache.tasks().map(({ key }) => key),
        failed,
      };
    },
    { raw, other: other.raw },
  );
  assert.deepEqual(seen.entry.value, { text: "hi", hash: txId });
  assert.equal(seen.entry.status, "backed-up");
  assert.equal(seen.tagged, 1);
  assert.deepEqual(seen.keys, ["entry/0", other.txId]);
  const { code, message } = seen.failed.error.find(({ name }) => name === "UplinkRpcError");
  assert.deepEqual({ code, message }, { code: -32603, message: "Error: not today" });
});

test("one account's count has nothing of another's, whose tasks are in the same lane", async (t) => {
  const world = await createAdaptersWorld(t, { gatewayIsUp: false });
  const { account: _, ...options } = world.options();
  const page = await world.open(options);
  const stranger = createWallet({ index: 1 });
  const raws = [];
  for (const nonce of [0, 1, 2]) raws.push((await stranger.sign({ text: `${nonce}` })).raw);
  raws.push((await world.wallet.sign({ text: "own" })).raw);
  const counts = await page.evaluate(
    async ({ raws, addresses }) => {
      const client = adapters.viemClient(adapters.url);
      for (const raw of raws) await client.sendRawTransaction({ serializedTransaction: raw });
      return Promise.all(
        addresses.map((address) => client.getTransactionCount({ address, blockTag: "pending" })),
      );
    },
    { raws, addresses: [stranger.address, world.wallet.address] },
  );
  assert.deepEqual(counts, [3, 1]);
});
