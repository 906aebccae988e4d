// The main samples of the site, run as they stand there, in a page, against a real chain. What a reader would put in place of
// an example is put in: the gateway's address, the chain, a key that has funds.
import assert from "node:assert/strict";
import { readPages, samplesOf } from "../../docs/tools/pages.mjs";
import { createAdaptersWorld } from "../adapters/world.mjs";
import { test } from "../e2e/fixture.mjs";
import { bundle } from "../support/bundle.mjs";
import { createWallet } from "../support/wallet.mjs";

const pages = readPages();

/** The samples of a page with these names, one after the other, as one module that gives `exported`. */
function moduleOf(page, names, exported, url) {
  const { text } = pages.find(({ name }) => name === page);
  const samples = samplesOf(text);
  const code = names.map((name) => samples.find((sample) => sample.name === name).code);
  return [...code, `export { ${exported.join(", ")} };`]
    .join("\n")
    .replaceAll('"https://rpc.example.org"', JSON.stringify(url))
    .replaceAll("chainId: 1 ", "chainId: 31337 ")
    .replaceAll("mainnet", "foundry")
    .replaceAll("generatePrivateKey()", "adapters.KEY");
}

/** A world whose page runs samples: `run()` imports them, and the page's global `running` is the promise of that. */
async function openSamples(t, { page: name, names, exported }) {
  let code;
  const route = (_, response) =>
    response.writeHead(200, { "content-type": "text/javascript" }).end(code);
  const world = await createAdaptersWorld(t, { routes: { "/sample.js": route } });
  code = await bundle(moduleOf(name, names, exported, world.gateway.url));
  const page = await world.open();
  async function run() {
    await page.evaluate(() => {
      globalThis.running = import("/sample.js");
      running.catch(() => {});
    });
  }
  const settled = () => page.evaluate(async () => (await (await running).task.settled).status);
  return { world, page, run, settled };
}

async function storedValue(page, { address, abi }) {
  return page.evaluate(
    (read) => {
      const { foundry, url, viem } = adapters;
      const client = viem.createPublicClient({ chain: foundry, transport: viem.http(url) });
      return client.readContract(read);
    },
    { address, abi, functionName: "get", args: ["entry/42"] },
  );
}

test("getting started: opens, submits, reads, watches, and sees the end", async (t) => {
  const { world, page, run } = await openSamples(t, {
    page: "getting-started",
    names: ["open", "submit", "read", "watch", "outcome"],
    exported: ["cache", "items", "outcome"],
  });
  const registry = await world.deployRegistry();
  await page.evaluate(({ address, abi }) => {
    const { viem } = adapters;
    globalThis.registry = address;
    globalThis.shown = [];
    globalThis.render = (...entry) => shown.push(entry);
    globalThis.put = (key, text) =>
      viem.encodeFunctionData({
        abi,
        functionName: "put",
        args: [key, viem.stringToHex(text)],
      });
  }, registry);
  await run();
  const seen = await world.mineUntil(
    page.evaluate(async () => {
      const { items, outcome } = await running;
      return { first: items[0], outcome, shown };
    }),
  );
  assert.equal(seen.outcome.status, "final");
  assert.deepEqual(seen.first.value, { text: "hi" });
  assert.equal(seen.first.source, "backup");
  const [key, value, source] = seen.shown[0];
  assert.deepEqual([key, value, source], ["entry/42", { text: "hi" }, "backup"]);
  assert.equal((await storedValue(page, registry))[1], "0x6869");
});

test("a burner wallet: a draft is signed after its backup, and becomes final", async (t) => {
  const { world, page, run, settled } = await openSamples(t, {
    page: "burner-wallet",
    names: ["burner"],
    exported: ["cache", "task"],
  });
  const registry = await world.deployRegistry();
  await page.evaluate(({ address, abi }) => {
    Object.assign(globalThis, { registry: address, abi });
    globalThis.keyOfThisBrowser = async () => adapters.KEY;
  }, registry);
  await run();
  const atOnce = await page.evaluate(async () => (await running).cache.peek("entry/42"));
  assert.deepEqual(atOnce.value, { text: "hi" });
  assert.equal(await world.mineUntil(settled()), "final");
  const [, value] = await storedValue(page, registry);
  assert.equal(Buffer.from(value.slice(2), "hex").toString(), '{"text":"hi"}');
});

test("a relayer: the intent is backed up, the relayer is asked once, and its transaction is tracked", async (t) => {
  const { world, page, run, settled } = await openSamples(t, {
    page: "relayer",
    names: ["relayer"],
    exported: ["cache", "task"],
  });
  const registry = await world.deployRegistry();
  const relayer = createWallet({ index: 2 });
  const asked = [];
  await page.route("https://relayer.example.org/**", async (route) => {
    const request = route.request();
    if (request.method() === "OPTIONS") return route.fulfill({ headers: CORS });
    asked.push({ id: request.headers()["idempotency-key"], ...request.postDataJSON() });
    const { raw, txId } = await relayer.sign({ text: "relayed", gas: 100_000n });
    await world.chain.rpc("eth_sendRawTransaction", [raw]);
    return route.fulfill({ headers: CORS, json: { hash: txId } });
  });
  await page.evaluate(({ address }) => {
    globalThis.registry = address;
    globalThis.signIntent = async (key) => `intent of ${key}`;
  }, registry);
  await run();
  const id = await page.evaluate(async () => (await running).task.id);
  assert.equal(await world.mineUntil(settled()), "final");
  assert.deepEqual(asked, [{ id, key: "entry/42", intent: "intent of entry/42" }]);
  const entry = await page.evaluate(async () => (await running).cache.peek("entry/42"));
  assert.deepEqual(entry.value, { text: "hi" });
});

const CORS = {
  "access-control-allow-origin": "*",
  "access-control-allow-headers": "content-type, idempotency-key",
};

test("an offline form: what is written without a network is kept, and goes out once there is one", async (t) => {
  const { world, page, run } = await openSamples(t, {
    page: "offline-form",
    names: ["form"],
    exported: ["UplinkError"],
  });
  world.gateway.down();
  const [signed] = await world.wallet.signMany(1);
  await page.evaluate((raw) => {
    document.body.innerHTML =
      '<form><textarea name="text">hi</textarea><button>Post</button></form><p id="notice"></p>';
    globalThis.form = document.querySelector("form");
    globalThis.notice = document.getElementById("notice");
    globalThis.sign = async () => raw;
  }, signed.raw);
  await run();
  await page.evaluate(() => running);
  await page.getByRole("button", { name: "Post" }).click();
  await page.getByText("Kept").waitFor();
  const kept = await page.evaluate(async () => {
    const { items } = await cache.list({ prefix: "entry/" });
    return { text: form.elements.text.value, items };
  });
  assert.equal(kept.text, "");
  assert.deepEqual(
    kept.items.map(({ value, status }) => [value, status]),
    [[{ text: "hi" }, "backed-up"]],
  );
  world.gateway.up();
  await world.mineUntil(page.evaluate(() => cache.tasks()[0].settled.then(() => {})));
  const outcome = await page.evaluate(() => cache.tasks()[0]?.status ?? "gone from the backup");
  assert.match(outcome, /^(final|gone from the backup)$/);
});

test("a list with an indexer: an own write is there once, with its row and without one", async (t) => {
  const { world, page, run } = await openSamples(t, {
    page: "list-with-indexer",
    names: ["merge"],
    exported: ["items"],
  });
  const [indexed, fresh] = await world.wallet.signMany(2);
  await page.evaluate(
    async ([indexed, fresh]) => {
      await cache.submit({ payload: indexed.raw, key: "entry/1", value: { text: "one" } });
      await cache.submit({ payload: fresh.raw, key: "entry/2", value: { text: "two" } });
      globalThis.shown = [];
      globalThis.show = (...item) => shown.push(item);
      globalThis.fetchRows = async () => ({
        rows: [
          { key: "entry/0", txId: `0x${"0".repeat(64)}`, block: 1, text: "zero" },
          { key: "entry/1", txId: indexed.txId, block: 2, text: "one" },
        ],
        indexedTo: 2,
      });
    },
    [indexed, fresh].map(({ raw, txId }) => ({ raw, txId })),
  );
  await run();
  const shown = await page.evaluate(() => running.then(() => shown));
  assert.deepEqual(shown.sort(), [
    ["entry/0", "zero", false],
    ["entry/1", "one", true],
    ["entry/2", "two", true],
  ]);
});
