// ethers' own actions, a wallet's, and viem's `custom`, through `uplinkProvider`.
import assert from "node:assert/strict";
import { test } from "../e2e/fixture.mjs";
import { isSend } from "../support/gateway.mjs";
import { createAdaptersWorld } from "./world.mjs";

test("ethers' actions work through the provider, and say what they say without it", async (t) => {
  const world = await createAdaptersWorld(t);
  const registry = await world.deployRegistry();
  const page = await world.open();
  const hash = await page.evaluate(async ({ address, abi }) => {
    const { KEY, ethers, ethersProvider, uplinkProvider, url, wallet } = adapters;
    globalThis.provider = ethersProvider(uplinkProvider(wallet(url), cache));
    globalThis.contract = new ethers.Contract(address, abi, new ethers.Wallet(KEY, provider));
    globalThis.sent = await contract.put("entry/42", "0x6869");
    globalThis.waiting = sent.wait();
    return sent.hash;
  }, registry);
  assert.equal(await page.evaluate(() => cache.tasks()[0].txId), hash);
  await world.untilAccepted(hash);
  const told = page.evaluate(async () => {
    const { hash, status } = await waiting;
    return { hash, status };
  });
  const receipt = await world.mineUntil(told);
  assert.deepEqual(receipt, { hash, status: 1 });
  const { through, plain } = await page.evaluate(async (hash) => {
    const { account, ethers, url } = adapters;
    const looksOf = async (each) => ({
      balance: await each.getBalance(account.address),
      block: (await each.getBlock("latest")).hash,
      pending: await each.getTransactionCount(account.address, "pending"),
      latest: await each.getTransactionCount(account.address),
      transaction: (await each.getTransaction(hash)).toJSON(),
      receipt: (await each.getTransactionReceipt(hash)).toJSON(),
      read: [...(await contract.connect(each).get("entry/42"))],
    });
    const plainProvider = new ethers.JsonRpcProvider(url);
    const seen = { through: await looksOf(provider), plain: await looksOf(plainProvider) };
    plainProvider.destroy();
    return seen;
  }, hash);
  assert.deepEqual(through, plain);
  assert.deepEqual(through.read, [world.wallet.address, "0x6869"]);
  assert.equal(through.pending, 1);
  assert.equal(world.gateway.sends(hash).length, 1);
});

test("ethers counts what the backup holds, shows it while it is pending, and waits for it", async (t) => {
  const world = await createAdaptersWorld(t);
  const page = await world.open();
  const held = world.gateway.hold("request", ({ method }) => isSend(method));
  const seen = await page.evaluate(async () => {
    const { KEY, ethers, ethersProvider, uplinkProvider, url, wallet } = adapters;
    globalThis.provider = ethersProvider(uplinkProvider(wallet(url), cache));
    const signer = new ethers.Wallet(KEY, provider);
    globalThis.sent = [];
    for (const value of [1n, 2n, 3n]) {
      sent.push(await signer.sendTransaction({ to: signer.address, value }));
    }
    const shown = await Promise.all(sent.map(({ hash }) => provider.getTransaction(hash)));
    // What ethers signed, and what the backup says of it.
    const differ = sent.filter((each, at) => {
      const { _type, gasPrice, ...signed } = each.toJSON();
      const { _type: _, gasPrice: __, ...told } = shown[at].toJSON();
      return JSON.stringify(signed) !== JSON.stringify(told);
    });
    return {
      nonces: shown.map(({ nonce }) => nonce),
      values: shown.map(({ value }) => value),
      blocks: shown.map(({ blockNumber }) => blockNumber),
      differ: differ.map((each) => each.toJSON()),
      receipts: await Promise.all(sent.map(({ hash }) => provider.getTransactionReceipt(hash))),
      count: await provider.getTransactionCount(signer.address, "pending"),
    };
  });
  assert.deepEqual(seen, {
    nonces: [0, 1, 2],
    values: [1n, 2n, 3n],
    blocks: [null, null, null],
    differ: [],
    receipts: [null, null, null],
    count: 3,
  });
  const hashes = await page.evaluate(async () => {
    globalThis.waiting = Promise.all(sent.map((each) => each.wait()));
    return sent.map(({ hash }) => hash);
  });
  held.release();
  for (const hash of hashes) await world.untilAccepted(hash);
  const waited = page.evaluate(async () => (await waiting).map(({ status }) => status));
  const statuses = await world.mineUntil(waited);
  assert.deepEqual(statuses, [1, 1, 1]);
});

test("what ethers sends with the gateway down is durable, and a new page waits for it", async (t) => {
  const world = await createAdaptersWorld(t);
  const page = await world.open();
  const { raw, txId } = await world.wallet.sign({ text: "entry" });
  await page.evaluate(async () => {
    const { ethersProvider, uplinkProvider, url, wallet } = adapters;
    globalThis.provider = ethersProvider(uplinkProvider(wallet(url), cache));
    // ethers asks for the chain before anything else.
    await provider.getNetwork();
  });
  world.gateway.down();
  const answer = await page.evaluate((raw) => provider.send("eth_sendRawTransaction", [raw]), raw);
  assert.equal(answer, txId);
  assert.equal(await page.evaluate(() => cache.tasks()[0].status), "backed-up");
  world.gateway.up();
  await world.reload(page);
  await page.evaluate(async (hash) => {
    const { ethersProvider, uplinkProvider, url, wallet } = adapters;
    globalThis.provider = ethersProvider(uplinkProvider(wallet(url), cache));
    globalThis.waiting = provider.waitForTransaction(hash);
  }, txId);
  await world.untilAccepted(txId);
  const found = page.evaluate(async () => (await waiting).hash);
  assert.equal(await world.mineUntil(found), txId);
});

test("what a wallet does itself is the wallet's: its accounts, its sending, its events and flags", async (t) => {
  const world = await createAdaptersWorld(t);
  const page = await world.open();
  const seen = await page.evaluate(async () => {
    const { ethersProvider, uplinkProvider, url, wallet } = adapters;
    const injected = Object.freeze(wallet(url));
    const wrapped = uplinkProvider(injected, cache);
    const heard = [];
    const listener = (accounts) => heard.push(accounts);
    wrapped.on("accountsChanged", listener);
    injected.emit("accountsChanged", ["0x1"]);
    wrapped.removeListener("accountsChanged", listener);
    injected.emit("accountsChanged", ["0x2"]);
    const signer = await ethersProvider(wrapped).getSigner();
    const hash = await signer.sendUncheckedTransaction({ to: signer.address, value: 1n });
    return {
      heard,
      hash,
      isWallet: wrapped.isWallet,
      has: "removeListener" in wrapped,
      address: signer.address,
      asked: injected.asked.filter((method) => method.startsWith("eth_send")),
      tasks: cache.tasks().length,
      unknown: (await adapters.attempt(() => wrapped.request({ method: "wallet_fly" }))).error[0]
        .code,
    };
  });
  const { hash, ...rest } = seen;
  assert.match(hash, /^0x[0-9a-f]{64}$/);
  assert.deepEqual(rest, {
    heard: [["0x1"]],
    isWallet: true,
    has: true,
    address: world.wallet.address,
    asked: ["eth_sendTransaction"],
    tasks: 0,
    unknown: -32601,
  });
});

test("viem's `custom` takes the provider", async (t) => {
  const world = await createAdaptersWorld(t);
  const page = await world.open();
  const { raw, txId } = await world.wallet.sign({ text: "entry" });
  await page.evaluate(async (serializedTransaction) => {
    const { foundry, uplinkProvider, url, viem, wallet } = adapters;
    globalThis.client = viem.createPublicClient({
      chain: foundry,
      transport: viem.custom(uplinkProvider(wallet(url), cache)),
      pollingInterval: 50,
    });
    const hash = await client.sendRawTransaction({ serializedTransaction });
    globalThis.waiting = client.waitForTransactionReceipt({ hash });
  }, raw);
  await world.untilAccepted(txId);
  await world.mine();
  assert.equal(await page.evaluate(async () => (await waiting).transactionHash), txId);
});
