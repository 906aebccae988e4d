// What every end-to-end test stands on: its own chain, gateway, page server and browser, all gone when it ends.

import assert from "node:assert/strict";
import { test as nodeTest } from "node:test";
import { fileURLToPath } from "node:url";
import { stringToHex } from "viem";
import { startAnvil } from "../support/anvil.mjs";
import { launch, temporaryProfile } from "../support/browser.mjs";
import { startGateway } from "../support/gateway.mjs";
import { serve } from "../support/server.mjs";
import { createWallet } from "../support/wallet.mjs";

const PAGE_FOLDER = fileURLToPath(new URL("page", import.meta.url));
const DIST_FOLDER = fileURLToPath(new URL("../../dist", import.meta.url));
const SLOTS_IN_EPOCH = 2;
const CHAIN_ID = 31337;
const TEST_TIMEOUT_MS = 60_000;

/** Blocks on top of a transaction's own until anvil calls it finalized. */
export const BLOCKS_TO_FINAL = 2 * SLOTS_IN_EPOCH;

/** Stores one word by another: 64 bytes of calldata write it, 32 bytes read it. */
const REGISTRY_CODE = "0x602036116013576000355460005260206000f35b6020356000355500";
const REVERTING_CODE = "0x60006000fd";
export const REGISTRY = "0x0000000000000000000000000000000000005e91";
export const REVERTER = "0x0000000000000000000000000000000000005e92";

/** node:test's `test`, with a bound: what waits in vain for an event fails instead of hanging. */
export function test(name, run, { timeoutMs = TEST_TIMEOUT_MS } = {}) {
  return nodeTest(name, { timeout: timeoutMs }, run);
}

/**
 * Starts what a test needs. Everything is ended when the test is, in reverse order, whether it passed or not.
 *
 * `options(more)` are the options of `openCache` for this world; `openPage()` a page of one browser that has a profile of its own;
 * `openBrowser({ profile })` another browser, `newProfile()` a folder for it. A `browser` that is given serves for the pages:
 * each world's site has a port, and so an origin and a database, of its own.
 */
export async function createWorld(
  t,
  { gatewayIsUp = true, anvilChainId = CHAIN_ID, routes = {}, browser: sharedBrowser } = {},
) {
  const onEnd = cleanUpAfter(t);
  const chain = await startAnvil({ slotsInEpoch: SLOTS_IN_EPOCH, chainId: anvilChainId });
  onEnd(chain.stop);
  await chain.rpc("anvil_setCode", [REGISTRY, REGISTRY_CODE]);
  await chain.rpc("anvil_setCode", [REVERTER, REVERTING_CODE]);
  const gateway = await startGateway({ upstream: chain.url });
  onEnd(gateway.close);
  if (!gatewayIsUp) gateway.down();
  const site = await serve({ routes: { "/": PAGE_FOLDER, "/dist/": DIST_FOLDER, ...routes } });
  onEnd(site.close);
  const wallet = createWallet({ chainId: CHAIN_ID });

  async function newProfile() {
    const profile = await temporaryProfile();
    onEnd(profile.remove);
    return profile.path;
  }

  async function openBrowser({ profile } = {}) {
    const browser = await launch({ profile: profile ?? (await newProfile()) });
    onEnd(browser.close);
    return { ...browser, openPage: (pageOptions) => openPage(browser.context, pageOptions) };
  }

  async function openPage(context, { path = "/", initScript, clock = false } = {}) {
    const page = await context.newPage();
    if (sharedBrowser) onEnd(() => page.close());
    const failures = watchForFailures(page);
    onEnd(() =>
      assert.deepEqual(failures, [], "the page must not see an uncaught error or a panic"),
    );
    if (initScript !== undefined) await page.addInitScript(initScript);
    if (clock) await page.clock.install();
    await page.goto(`${site.url}${path}`);
    return page;
  }

  let ownBrowser;
  return {
    chain,
    gateway,
    site,
    wallet,
    onEnd,
    newProfile,
    openBrowser,
    async openPage(pageOptions) {
      if (sharedBrowser) return openPage(sharedBrowser.context, pageOptions);
      ownBrowser ??= openBrowser();
      return (await ownBrowser).openPage(pageOptions);
    },
    options: ({ gateway: gatewayOptions, ...more } = {}) => ({
      name: "test",
      account: wallet.address,
      gateway: { urls: [gateway.url], chainId: CHAIN_ID, pollMs: 50, ...gatewayOptions },
      ...more,
    }),
    mine: (blocks = 1) => chain.rpc("anvil_mine", [`0x${blocks.toString(16)}`]),
    /** Mines once the chain has all these transactions in its pool, until they are final. */
    async mineToFinal(...txIds) {
      for (const txId of txIds) await untilAccepted(gateway, txId);
      await chain.rpc("anvil_mine", [`0x${(1 + BLOCKS_TO_FINAL).toString(16)}`]);
    },
    untilAccepted: (txId) => untilAccepted(gateway, txId),
  };
}

/** A transaction that makes the registry answer `value` (JSON of at most 32 bytes) for `key`. */
export function registryWrite(key, value) {
  const word = (text) => stringToHex(text, { size: 32 }).slice(2);
  return { to: REGISTRY, gas: 100_000n, data: `0x${word(key)}${word(JSON.stringify(value))}` };
}

/** Runs the registered steps when the test ends, the last one first, all of them even when one fails. */
function cleanUpAfter(t) {
  const steps = [];
  t.after(async () => {
    const errors = [];
    for (const step of steps.reverse()) {
      await Promise.resolve()
        .then(step)
        .catch((error) => errors.push(error));
    }
    if (errors.length > 0) throw errors[0];
  });
  return (step) => steps.push(step);
}

/** Uncaught errors, unhandled rejections and panics of the module. */
function watchForFailures(page) {
  const failures = [];
  page.on("pageerror", (error) => failures.push(`${error.name}: ${error.message}`));
  page.on("console", (message) => {
    if (message.text().includes("panicked")) failures.push(message.text());
  });
  return failures;
}

function untilAccepted(gateway, txId) {
  return gateway.until(
    () => gateway.sends(txId).some((call) => call.reply?.result === txId),
    `the chain accepts ${txId}`,
  );
}
