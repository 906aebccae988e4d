// What the README shows of viem and ethers, run as it stands there.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "../e2e/fixture.mjs";
import { bundle } from "../support/bundle.mjs";
import { isSend } from "../support/gateway.mjs";
import { createAdaptersWorld } from "./world.mjs";

const README = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
const [, section] = /## With viem, ethers or wagmi\n(.*?)\n## /s.exec(README);
const samples = [...section.matchAll(/```ts\n(.*?)```/gs)].map(([, sample]) => sample);

/** A world that serves a sample as a module, and a page in which what the sample takes for granted is global. */
async function openSample(t, sample) {
  const code = await bundle(sample);
  const route = (_, response) =>
    response.writeHead(200, { "content-type": "text/javascript" }).end(code);
  const world = await createAdaptersWorld(t, { routes: { "/sample.js": route } });
  const { address, abi } = await world.deployRegistry();
  const page = await world.open();
  await page.evaluate(
    ({ address, abi }) => {
      const { KEY, account, foundry, url, viem, wallet } = adapters;
      const data = viem.encodeFunctionData({
        abi,
        functionName: "put",
        args: ["entry/42", "0x6869"],
      });
      const given = { account, address, abi, chain: foundry, data, privateKey: KEY, url };
      Object.assign(globalThis, given, { ethereum: wallet(url) });
    },
    { address, abi },
  );
  const isAccepted = (call) => isSend(call.method) && call.reply?.result !== undefined;
  async function run() {
    await page.evaluate(() => {
      globalThis.running = import("/sample.js");
      running.catch(() => {});
    });
    await world.gateway.until(
      (log) => log.some(isAccepted),
      "the sample's transaction is accepted",
    );
    await world.mineUntil(page.evaluate(() => running.then(() => {})));
    const read = { address, abi, functionName: "get", args: ["entry/42"] };
    return page.evaluate(async (read) => {
      const { foundry, url, viem } = adapters;
      const client = viem.createPublicClient({ chain: foundry, transport: viem.http(url) });
      return client.readContract(read);
    }, read);
  }
  return { world, run };
}

test("the README shows a sample for viem and one for ethers", () => {
  assert.equal(samples.length, 2);
});

for (const [at, sample] of samples.entries()) {
  test(`sample ${at + 1} of the README writes, and waits for its receipt`, async (t) => {
    const { world, run } = await openSample(t, sample);
    const [owner, value] = await run();
    assert.deepEqual({ owner, value }, { owner: world.wallet.address, value: "0x6869" });
    assert.equal(world.gateway.sends().length, 1);
  });
}
