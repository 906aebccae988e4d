// The end-to-end tests' world, with viem and ethers in its pages, and the registry's contract on its chain.
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { compileContract } from "../../scripts/demo/contract.mjs";
import { createWorld } from "../e2e/fixture.mjs";
import { serveBundle } from "../support/bundle.mjs";
import { createWallet } from "../support/wallet.mjs";

const PAGE_FOLDER = fileURLToPath(new URL("page", import.meta.url));
const serveLibraries = serveBundle('export * from "./tests/adapters/page/libraries.js"');

const MINE_MS = 200;

export async function createAdaptersWorld(t, { routes = {}, ...options } = {}) {
  const own = { "/adapters/": PAGE_FOLDER, "/adapters/libraries.js": serveLibraries };
  const world = await createWorld(t, { routes: { ...own, ...routes }, ...options });

  /** A page with the libraries, and the cache open as the global `cache`; without options it is not opened. */
  async function open(cacheOptions = world.options()) {
    const page = await world.openPage();
    await load(page, cacheOptions);
    return page;
  }

  /** The same page anew. */
  async function reload(page, cacheOptions = world.options()) {
    await page.reload();
    await load(page, cacheOptions);
  }

  async function load(page, cacheOptions) {
    await page.evaluate(
      async ({ url, cacheOptions }) => {
        await import("/adapters/adapters.js");
        adapters.url = url;
        if (cacheOptions) await uplink.start(cacheOptions);
      },
      { url: world.gateway.url, cacheOptions },
    );
  }

  /**
   * Mines until that is so, and gives it. The first block that ethers sees when it begins to look is no news to it, and when it
   * begins it does not say.
   */
  async function mineUntil(done) {
    const isDone = done.then(() => true);
    do await world.mine();
    while (!(await Promise.race([isDone, delay(MINE_MS, false)])));
    return done;
  }

  /** Deploys the registry from another account than the pages'. */
  async function deployRegistry() {
    const { abi, bytecode } = await compileContract("Registry");
    const stranger = createWallet({ index: 1 });
    const { raw, txId } = await stranger.sign({ to: null, data: bytecode, gas: 3_000_000n });
    await world.chain.rpc("eth_sendRawTransaction", [raw]);
    await world.mine();
    const { contractAddress } = await world.chain.rpc("eth_getTransactionReceipt", [txId]);
    return { abi, address: contractAddress };
  }

  return { ...world, open, reload, mineUntil, deployRegistry };
}
