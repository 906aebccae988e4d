// What the backup refuses, as viem's and ethers' callers get it: a number of JSON-RPC or EIP-1193, and the cache's own code.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "../e2e/fixture.mjs";
import { createWallet } from "../support/wallet.mjs";
import { createAdaptersWorld } from "./world.mjs";

/** In the page: what viem's and a provider's caller are told of the same call. */
async function tell(calls) {
  const { attempt, uplinkProvider, viemClient, wallet, url } = adapters;
  const client = viemClient(url);
  const provider = uplinkProvider(wallet(url), cache);
  const told = [];
  for (const call of calls) {
    const viem = await attempt(() => client.request(call));
    const plain = await attempt(() => provider.request(call));
    const own = viem.error?.find(({ name }) => name === "UplinkRpcError");
    const [{ name, code, data }] = plain.error ?? [{}];
    told.push({
      viem: viem.error?.[0].name,
      own: own && { code: own.code, data: own.data },
      plain: { name, code, data },
    });
  }
  return told;
}

const refusal = (viem, code, data) => ({
  viem,
  own: { code, data: { retryable: false, ...data } },
  plain: { name: "UplinkRpcError", code, data: { retryable: false, ...data } },
});

test("bad payloads are invalid parameters, and nothing is sent", async (t) => {
  const world = await createAdaptersWorld(t);
  const page = await world.open();
  const elsewhere = createWallet({ chainId: 1 });
  const { raw } = await elsewhere.sign({ text: "another chain's" });
  const send = (...params) => ({ method: "eth_sendRawTransaction", params });
  const large = `0x02${"00".repeat(1024 * 1024)}`;
  const told = await page.evaluate(tell, [
    send("0x1234"),
    send("hello"),
    send(),
    send(raw),
    send(large),
    { method: "eth_sendRawTransactionSync", params: ["0x02"] },
  ]);
  const invalid = refusal("InvalidParamsRpcError", -32602, { code: "invalid_input" });
  assert.deepEqual(told, [
    invalid,
    invalid,
    invalid,
    refusal("InvalidParamsRpcError", -32602, { code: "wrong_chain" }),
    refusal("InvalidParamsRpcError", -32602, { code: "too_large" }),
    refusal("MethodNotSupportedRpcError", -32004, { code: "invalid_input" }),
  ]);
  assert.equal(world.gateway.sends().length, 0);
  assert.equal(await page.evaluate(() => cache.tasks().length), 0);
});

test("where there is no room it says so, and the same call succeeds once there is", async (t) => {
  const world = await createAdaptersWorld(t, { gatewayIsUp: false });
  const page = await world.open();
  const { raw, txId } = await world.wallet.sign({
    // Random, because Chromium counts what is left after compression.
    data: `0x${randomBytes(200_000).toString("hex")}`,
  });
  const devTools = await page.context().newCDPSession(page);
  const origin = world.site.url;
  await devTools.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 100_000 });
  const [told] = await page.evaluate(tell, [{ method: "eth_sendRawTransaction", params: [raw] }]);
  const data = { code: "quota_exceeded", retryable: true };
  assert.deepEqual(told, refusal("ResourceUnavailableRpcError", -32002, data));
  await devTools.send("Storage.overrideQuotaForOrigin", { origin });
  const hash = await page.evaluate((serializedTransaction) => {
    globalThis.client = adapters.viemClient(adapters.url);
    return client.sendRawTransaction({ serializedTransaction });
  }, raw);
  assert.equal(hash, txId);
  // Its bytes are kept beside the log: they are read from there after a reload.
  await world.reload(page);
  const found = await page.evaluate(async (hash) => {
    const { input, from } = await adapters.viemClient(adapters.url).getTransaction({ hash });
    return { length: input.length, from: from.toLowerCase() };
  }, txId);
  assert.deepEqual(found, { length: 400_002, from: world.wallet.address.toLowerCase() });
});

test("calls wait for a cache that is not open yet; what the chain knows does not", async (t) => {
  const world = await createAdaptersWorld(t);
  const page = await world.open(null);
  const { raw, txId } = await world.wallet.sign({ text: "early" });
  const seen = await page.evaluate(
    async ({ options, raw }) => {
      const { promise, resolve } = Promise.withResolvers();
      const client = adapters.viemClient(adapters.url, { source: promise });
      const block = await client.getBlockNumber();
      const order = [];
      const sent = client.sendRawTransaction({ serializedTransaction: raw }).then((hash) => {
        order.push("sent");
        return hash;
      });
      const controller = new AbortController();
      const aborted = adapters.attempt(() =>
        client.request(
          { method: "eth_getTransactionByHash", params: [`0x${"1".repeat(64)}`] },
          { signal: controller.signal },
        ),
      );
      controller.abort();
      const { error } = await aborted;
      await client.getBlockNumber();
      order.push("opened");
      await uplink.start(options);
      resolve(cache);
      return { block: Number(block), hash: await sent, order, aborted: error[0].name };
    },
    { options: world.options(), raw },
  );
  assert.deepEqual(seen, {
    block: 0,
    hash: txId,
    order: ["opened", "sent"],
    aborted: "AbortError",
  });
  await world.untilAccepted(txId);
});

test("a cache that fails to open or is closed is told; a function that gives one is asked again", async (t) => {
  const world = await createAdaptersWorld(t);
  const page = await world.open();
  const { raw, txId } = await world.wallet.sign({ text: "entry" });
  const seen = await page.evaluate(
    async ({ raw, txId, options }) => {
      const { attempt, url, viemClient } = adapters;
      const send = (client) => client.sendRawTransaction({ serializedTransaction: raw });
      const codesOf = async (client) => {
        const told = [];
        for (const action of [
          () => send(client),
          () => client.getTransaction({ hash: txId }),
          () => client.getTransactionCount({ ...adapters.account, blockTag: "pending" }),
        ]) {
          const { error = [] } = await attempt(action);
          const own = error.find(({ name }) => name === "UplinkRpcError");
          told.push(own && `${own.code} ${own.data.code}`);
        }
        return told;
      };
      const failing = uplink.open({ ...options, gateway: { ...options.gateway, chainId: 0 } });
      failing.catch(() => {});
      const failed = await codesOf(viemClient(url, { source: failing }));
      await cache.close();
      const closed = await codesOf(viemClient(url));
      let calls = 0;
      const source = () => {
        calls += 1;
        if (calls === 1) throw new Error("not yet");
        return uplink.open(options);
      };
      const client = viemClient(url, { source });
      const first = await attempt(() => send(client));
      const own = first.error.find(({ name }) => name === "UplinkRpcError");
      const hashes = [await send(client), await send(client)];
      return { failed, closed, first: { code: own.code, message: own.message }, hashes, calls };
    },
    { raw, txId, options: world.options() },
  );
  assert.deepEqual(seen, {
    failed: Array(3).fill("4900 invalid_input"),
    closed: Array(3).fill("4900 closed"),
    first: { code: 4900, message: "the cache could not be opened: Error: not yet" },
    hashes: [txId, txId],
    calls: 2,
  });
});

test("what is beside a cache of another chain is told so, and nothing of the backup is shown there", async (t) => {
  const world = await createAdaptersWorld(t);
  const page = await world.open();
  const { raw, txId } = await world.wallet.sign({ text: "entry" });
  const seen = await page.evaluate(
    async ({ raw, txId }) => {
      const { attempt, foundry, uplinkProvider, url, viemClient, wallet } = adapters;
      const own = ({ error = [] }) => {
        const found = error.find(({ name }) => name === "UplinkRpcError");
        return found && { code: found.code, message: found.message };
      };
      await cache.submit({ payload: raw });
      // Only the client says so.
      const client = viemClient(url, { chain: { ...foundry, id: 10 } });
      const sent = await attempt(() => client.sendRawTransaction({ serializedTransaction: raw }));
      // A wallet that is on another chain, and comes back.
      const injected = wallet(url);
      let chainId = "0xa";
      const { request } = injected;
      injected.request = (args) =>
        args.method === "eth_chainId"
          ? Promise.resolve(chainId)
          : args.method.startsWith("eth_getTransaction")
            ? Promise.resolve(args.method.endsWith("Count") ? "0x0" : null)
            : request.call(injected, args);
      const provider = uplinkProvider(injected, cache);
      const ask = (method, ...params) => attempt(() => provider.request({ method, params }));
      const away = [
        own(await ask("eth_getTransactionByHash", txId)),
        own(await ask("eth_getTransactionCount", adapters.account.address, "pending")),
      ];
      chainId = "0x7a69";
      injected.emit("chainChanged", chainId);
      const back = await ask("eth_getTransactionByHash", txId);
      const count = await ask("eth_getTransactionCount", adapters.account.address, "pending");
      return { sent: own(sent), away, back: back.value?.hash, count: count.value };
    },
    { raw, txId },
  );
  const message = "the cache is for chain 31337, what it is beside is on chain 10";
  const told = { code: 4901, message };
  assert.deepEqual(seen, { sent: told, away: [told, told], back: txId, count: "0x1" });
});

test("what is no transport, provider or cache is refused at once", async (t) => {
  const world = await createAdaptersWorld(t);
  const page = await world.open();
  const names = await page.evaluate(async () => {
    const { attempt, uplinkProvider, uplinkTransport, viem } = adapters;
    const uses = [
      () => uplinkProvider({}, cache),
      () => uplinkProvider(undefined, cache),
      () => uplinkProvider(adapters.wallet(""), undefined),
      () => uplinkTransport(viem.http()({ chain: adapters.foundry }), cache),
      () => uplinkTransport(viem.http(), "guestbook"),
      () => uplinkTransport(viem.http(), cache, { task: "entry" }),
    ];
    const told = [];
    for (const use of uses) told.push((await attempt(use)).error[0].name);
    return told;
  });
  assert.deepEqual(names, Array(6).fill("UplinkRpcError"));
});

test("who asked for the next nonce twice before sending hears of it at the second: nothing is lost in silence", async (t) => {
  const world = await createAdaptersWorld(t);
  const page = await world.open();
  const nonce = 0;
  const fee = 2_000_000_000n;
  const priced = (text, times) => ({
    text,
    nonce,
    maxFeePerGas: (fee * times) / 100n,
    maxPriorityFeePerGas: (fee * times) / 100n,
  });
  const [first, same, little, enough] = await Promise.all(
    [
      priced("first", 100n),
      priced("same", 100n),
      priced("little", 109n),
      priced("enough", 111n),
    ].map((transaction) => world.wallet.sign(transaction)),
  );
  const stranger = await createWallet({ index: 1 }).sign(priced("another account's", 100n));
  const send = ({ raw }) => ({ method: "eth_sendRawTransaction", params: [raw] });
  // At once, as by Promise.all of a dapp: neither is backed up when the other is looked at.
  const seen = await page.evaluate(async ([first, same, little, enough, stranger]) => {
    const { attempt, uplinkProvider, wallet, url } = adapters;
    const provider = uplinkProvider(wallet(url), cache);
    const tell = async (call) => {
      const { value, error } = await attempt(() => provider.request(call));
      return value ?? error[0];
    };
    const together = await Promise.all([first, same].map(tell));
    const taken = together.findIndex((each) => typeof each === "string");
    const told = [];
    for (const call of [[first, same][taken], little, stranger, enough]) {
      told.push(await tell(call));
    }
    return { together, told };
  }, [first, same, little, enough, stranger].map(send));
  const isTaken = (each) => typeof each === "string";
  const [taken, ...more] = seen.together.filter(isTaken);
  assert.deepEqual(more, [], "only one of the two is taken");
  assert.ok([first.txId, same.txId].includes(taken));
  const [again, underbid, other, outbid] = seen.told;
  assert.deepEqual([again, other, outbid], [taken, stranger.txId, enough.txId]);
  for (const refused of [underbid, seen.together.find((each) => !isTaken(each))]) {
    const { name, code, data, message } = refused;
    assert.deepEqual([name, code, data.code], ["UplinkRpcError", -32000, "conflict"]);
    assert.match(message, /replacement transaction underpriced/);
  }
  assert.equal(await page.evaluate(() => cache.tasks().length), 3);
});

test("where the curves cannot be loaded what is sent is backed up all the same, and the same again answers the same", async (t) => {
  const world = await createAdaptersWorld(t);
  const page = await world.open();
  const [first, faster] = await Promise.all(
    [2_000_000_000n, 4_000_000_000n].map((fee) =>
      world.wallet.sign({ text: "one", nonce: 0, maxFeePerGas: fee, maxPriorityFeePerGas: fee }),
    ),
  );
  await page.route("**/*recover*", (route) => route.abort());
  const send = async (raws) => {
    const provider = adapters.uplinkProvider(adapters.wallet(adapters.url), cache);
    const hashes = [];
    for (const raw of raws) {
      hashes.push(await provider.request({ method: "eth_sendRawTransaction", params: [raw] }));
    }
    return hashes;
  };
  assert.deepEqual(await page.evaluate(send, [first.raw]), [first.txId]);
  await page.unroute("**/*recover*");
  // A module that could not be loaded stays so for as long as its page lives.
  await world.reload(page);
  const again = await page.evaluate(send, [faster.raw, first.raw]);
  assert.deepEqual(again, [faster.txId, first.txId]);
});

test("a transport follows its wallet to another chain, and a function's cache is asked for again once it is closed", async (t) => {
  const world = await createAdaptersWorld(t);
  const page = await world.open();
  const { raw, txId } = await world.wallet.sign({ text: "here" });
  const seen = await page.evaluate(
    async ({ raw, options }) => {
      const { attempt, uplinkTransport, viem, wallet, url, account } = adapters;
      const plain = wallet(url);
      let chainId;
      const provider = {
        request: (call) =>
          call.method === "eth_chainId" && chainId ? chainId : plain.request(call),
      };
      let opened = 0;
      const source = async () => {
        opened += 1;
        if (opened > 1) globalThis.cache = await uplink.open(options);
        return cache;
      };
      const client = viem.createPublicClient({
        transport: uplinkTransport(viem.custom(provider), source),
      });
      const count = { method: "eth_getTransactionCount", params: [account.address, "pending"] };
      await client.request({ method: "eth_sendRawTransaction", params: [raw] });
      const here = await client.request(count);
      chainId = "0xa";
      const away = await attempt(() => client.request(count));
      chainId = undefined;
      await cache.close();
      return [
        here,
        away.error?.find(({ name }) => name === "UplinkRpcError")?.code,
        await client.request(count),
        opened,
      ];
    },
    { raw, options: world.options() },
  );
  assert.deepEqual(seen, ["0x1", 4901, "0x1", 2]);
  await world.untilAccepted(txId);
});
