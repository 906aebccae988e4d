// `cache.merge` with the logs of the registry contract, by an indexer that lags, a replica that lags, and a chain that reorgs.
import assert from "node:assert/strict";
import { decodeEventLog, encodeFunctionData, hexToString, stringToHex } from "viem";
import { compileContract } from "../../scripts/demo/contract.mjs";
import { BLOCKS_TO_FINAL, test } from "../e2e/fixture.mjs";
import { jsonRpc, startAnvil } from "../support/anvil.mjs";
import { randomNumbers, seedFromEnvironment } from "../support/random.mjs";
import { createWallet } from "../support/wallet.mjs";
import { createReadsWorld, openReadsPage, start } from "./world.mjs";

const ROUNDS = Number(process.env.ROUNDS ?? 30);
const GAS = 300_000n;
/** Blocks that the indexer is behind the chain. */
const LAG = 3;

/** The registry on the world's chain, with a stranger who writes too, and an indexer of its logs. */
async function deployRegistry(world) {
  const { abi, bytecode } = await compileContract("Registry");
  const stranger = createWallet({ index: 1 });
  const { raw, txId } = await stranger.sign({ to: null, data: bytecode, gas: 3_000_000n });
  await world.chain.rpc("eth_sendRawTransaction", [raw]);
  // Deeper than any reorg of these tests goes.
  await world.mine(1 + BLOCKS_TO_FINAL);
  const { contractAddress } = await world.chain.rpc("eth_getTransactionReceipt", [txId]);
  const put = (key, value) => ({
    to: contractAddress,
    gas: GAS,
    data: encodeFunctionData({
      abi,
      functionName: "put",
      args: [key, stringToHex(JSON.stringify(value))],
    }),
  });
  return {
    put,
    async putByStranger(key, value) {
      const signed = await stranger.sign(put(key, value));
      await world.chain.rpc("eth_sendRawTransaction", [signed.raw]);
    },
    /** The rows of what a node knows up to a height: of each key the last that was put. */
    async rows(url, lag = 0) {
      const seen = Math.max(0, Number(await jsonRpc(url, "eth_blockNumber")) - lag);
      const toBlock = `0x${seen.toString(16)}`;
      const filter = { address: contractAddress, fromBlock: "0x0", toBlock };
      const rows = new Map();
      for (const log of await jsonRpc(url, "eth_getLogs", [filter])) {
        const { key, value } = decodeEventLog({ abi, data: log.data, topics: log.topics }).args;
        const [txId, block] = [log.transactionHash, Number(log.blockNumber)];
        rows.set(key, { key, value: JSON.parse(hexToString(value)), txId, block });
      }
      return { rows: [...rows.values()], seen };
    },
  };
}

/** What the merge shows of each key: the value, and where it is from. */
function merge(page, { rows, seen }, more = {}) {
  return page.evaluate(
    async ({ rows, seen, more }) => {
      const merged = await cache.merge(rows, {
        by: ({ key, txId, block }) => ({
          key,
          txId,
          ...(more.tellsBlocks && { block }),
          sort: key,
        }),
        query: { prefix: "entry/" },
        seenAtBlock: seen,
      });
      return merged.map(({ row, entry, from }) => ({
        key: (entry ?? row).key,
        value: (entry ?? row).value,
        from,
      }));
    },
    { rows, seen, more },
  );
}

test(
  "own writes are in the list from their submission on, once, whoever is behind and by how much",
  async (t) => {
    const seed = seedFromEnvironment();
    t.diagnostic(`SEED=${seed} ROUNDS=${ROUNDS}`);
    const next = randomNumbers(seed);
    const world = await createReadsWorld(t);
    const registry = await deployRegistry(world);
    const options = world.options();
    const page = await openReadsPage(world, options);
    let replica;
    let endRoute = () => {};
    world.onEnd(() => replica?.stop());

    /** A node that knows the chain as it is now, and nothing after: the load balancer's other one from now on. */
    async function renewReplica() {
      const fresh = await startAnvil({ forkUrl: world.chain.url });
      endRoute();
      await replica?.stop();
      replica = fresh;
      endRoute = world.gateway.route(({ path }) => path === "/replica", replica.url);
    }

    const own = new Map();
    const froms = {};
    async function check(what) {
      const sources = {
        "the node itself": await registry.rows(`${world.gateway.url}/logs`),
        "an indexer behind": await registry.rows(`${world.gateway.url}/logs`, LAG),
        "a replica behind": await registry.rows(`${world.gateway.url}/replica`),
      };
      for (const [name, source] of Object.entries(sources)) {
        const merged = await merge(page, source, { tellsBlocks: next() < 0.5 });
        const keys = merged.map(({ key }) => key);
        assert.equal(new Set(keys).size, keys.length, `${what}, ${name}: a key twice`);
        assert.deepEqual(keys, keys.toSorted(), `${what}, ${name}: not in the order of the keys`);
        const shown = new Map(merged.map(({ key, value }) => [key, value]));
        for (const [key, value] of own) {
          assert.equal(shown.get(key), value, `${what}, ${name}: ${key}`);
        }
        for (const { key, value } of source.rows) {
          if (!own.has(key)) assert.equal(shown.get(key), value, `${what}, ${name}: ${key}`);
        }
        assert.equal(
          shown.size,
          new Set([...own.keys(), ...source.rows.map(({ key }) => key)]).size,
        );
        for (const { from } of merged) froms[from] = (froms[from] ?? 0) + 1;
      }
    }

    await renewReplica();
    for (let round = 0; round < ROUNDS; round += 1) {
      const at = next();
      if (at < 0.5) {
        // A new key or an edit of an old one, which shows at once.
        const key = `entry/${String(Math.floor(next() * 12)).padStart(2, "0")}`;
        const signed = await world.wallet.sign(registry.put(key, round));
        await page.evaluate(
          ({ raw, key, value }) => cache.submit({ payload: raw, key, value }).then(() => {}),
          { raw: signed.raw, key, value: round },
        );
        own.set(key, round);
        if (next() < 0.5) await world.untilAccepted(signed.txId);
      } else if (at < 0.6) {
        await registry.putByStranger(`entry/x${Math.floor(next() * 4)}`, round);
      } else if (at < 0.85) {
        await world.mine(1);
      } else if (at < 0.92) {
        await world.chain
          .rpc("anvil_reorg", [1 + Math.floor(next() * 2), []])
          .catch(() => undefined);
      } else if (at < 0.96) {
        await renewReplica();
      } else {
        await page.reload();
        await start(page, options);
      }
      await check(`round ${round}`);
    }

    // Once all is final and indexed, nothing but rows is needed.
    const unsettled = () =>
      page.evaluate(() =>
        cache
          .tasks()
          .filter(({ status }) => status !== "final")
          .map((task) => JSON.stringify(uplink.describe(task))),
      );
    // What a reorg dropped from the pool, and was in no block, is looked for after 30 seconds.
    for (let attempt = 0; (await unsettled()).length > 0; attempt += 1) {
      assert.ok(attempt < 900, `the tasks do not settle: ${await unsettled()}`);
      await world.mine(1);
      await page.waitForTimeout(100);
    }
    await check("at the end");
    const last = await merge(page, await registry.rows(world.chain.url));
    assert.deepEqual(
      last.filter(({ from }) => from === "entry"),
      [],
    );
    t.diagnostic(`items by where they came from: ${JSON.stringify(froms)}`);
    for (const from of ["row", "entry", "both"])
      assert.ok(froms[from] > 0, `none came from ${from}`);
  },
  { timeoutMs: 240_000 },
);

test("a final write stays merged in until the reader has seen its block, and a replica that steps back gets it again", async (t) => {
  const world = await createReadsWorld(t);
  const registry = await deployRegistry(world);
  const page = await openReadsPage(world, world.options());
  const before = await registry.rows(world.chain.url);
  const signed = await world.wallet.sign(registry.put("entry/1", "mine"));
  await page.evaluate(
    async ({ raw }) => {
      globalThis.task = await cache.submit({ payload: raw, key: "entry/1", value: "mine" });
    },
    { raw: signed.raw },
  );
  await world.mineToFinal(signed.txId);
  await page.evaluate(() => task.settled);
  const after = await registry.rows(world.chain.url);
  const fromOf = async (source) => (await merge(page, source)).map(({ from }) => from);
  const block = after.rows[0].block;
  assert.deepEqual(await fromOf(before), ["entry"]);
  assert.deepEqual(await fromOf({ rows: [], seen: block - 1 }), ["entry"]);
  assert.deepEqual(await fromOf(after), ["both"]);
  assert.deepEqual(await fromOf({ rows: [], seen: block }), [], "it is on another page, or gone");
  assert.deepEqual(await fromOf(before), ["entry"], "the replica that is behind answers again");
});

test("a write that the chain refused gives way to the row of whoever was first", async (t) => {
  const world = await createReadsWorld(t);
  const registry = await deployRegistry(world);
  const page = await openReadsPage(world, world.options());
  await registry.putByStranger("entry/1", "theirs");
  const signed = await world.wallet.sign(registry.put("entry/1", "mine"));
  await page.evaluate(
    async ({ raw }) => {
      globalThis.task = await cache.submit({ payload: raw, key: "entry/1", value: "mine" });
    },
    { raw: signed.raw },
  );
  await world.untilAccepted(signed.txId);
  const early = await merge(page, await registry.rows(world.chain.url));
  assert.deepEqual(early, [{ key: "entry/1", value: "mine", from: "entry" }]);
  await world.mine(1);
  await page.evaluate(() => closely.until(() => task.reverted));
  const late = await merge(page, await registry.rows(world.chain.url));
  assert.deepEqual(late, [{ key: "entry/1", value: "theirs", from: "row" }]);
});

test("merge goes through all pages of its query, or as many entries as its limit says", async (t) => {
  const world = await createReadsWorld(t, { gatewayIsUp: false });
  const page = await openReadsPage(world, world.options({ durability: "relaxed" }));
  const count = 1_100;
  const payloads = (await world.wallet.signMany(count)).map(({ raw }) => raw);
  const seen = await page.evaluate(async (payloads) => {
    const key = (i) => `entry/${String(i).padStart(4, "0")}`;
    await Promise.all(
      payloads.map((payload, i) => cache.submit({ payload, key: key(i), value: i })),
    );
    const by = () => ({});
    const valuesOf = async (query) =>
      (await cache.merge([], { by, query })).map(({ entry }) => entry.value);
    return {
      all: await valuesOf({ prefix: "entry/" }),
      reversed: await valuesOf({ prefix: "entry/", reverse: true }),
      some: await valuesOf({ prefix: "entry/", limit: 1_050 }),
      few: await valuesOf({ prefix: "entry/", limit: 2 }),
    };
  }, payloads);
  const all = Array.from({ length: count }, (_, i) => i);
  assert.deepEqual(seen.all, all);
  assert.deepEqual(seen.reversed, all.toReversed());
  assert.deepEqual(seen.some, all.slice(0, 1_050));
  assert.deepEqual(seen.few, [0, 1]);
});
