// Each example as a user has it: a note is written in Chromium, against a real chain, and seen to settle.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runIn } from "../support/packed.mjs";
import { serve } from "../support/server.mjs";

const WAIT_MS = 30_000;
const TEXT = "hello, chain";

export const EXAMPLES = {
  plain,
  "vite-react-wagmi": viteReactWagmi,
  "injected-wallet": injectedWallet,
};

async function plain(stand) {
  const project = await stand.install("examples/plain");
  const { url } = stand.gateway;
  const config = `export const rpcUrl = "${url}";\nexport const chainId = 31337;\n`;
  await writeFile(join(project, "config.js"), config);
  await onPage(stand, project, async (page) => {
    await writesByItsOwnKey(stand, page);
    await page.reload();
    await noteIs(page, "final");
  });
}

async function viteReactWagmi(stand) {
  const folder = await buildByVite(stand, "examples/vite-react-wagmi");
  await onPage(stand, folder, async (page) => {
    await writesByItsOwnKey(stand, page);
    await page.getByText(/in block \d+/).waitFor({ timeout: WAIT_MS });
    await page.reload();
    await noteIs(page, "final");
  });
}

/** The wallet of this one is ours: it signs with a real key, once its user has changed their mind. */
async function injectedWallet(stand) {
  const folder = await buildByVite(stand, "examples/injected-wallet");
  const wallet = await stand.fundedWallet();
  await onPage(stand, folder, async (page) => {
    let isWilling = false;
    await page.exposeFunction("askWallet", (request) =>
      answerOf(wallet, stand.chain, isWilling, request),
    );
    await page.addInitScript(injectWallet);
    await page.reload();
    await page.getByRole("button", { name: "Connect" }).click();
    await write(page);
    await noteIs(page, "blocked");
    isWilling = true;
    await page.getByRole("button", { name: "Ask again" }).click();
    await settles(stand, page);
  });
}

/** The page has a key of its own, that needs some ether. */
async function writesByItsOwnKey(stand, page) {
  await page.getByText(/^0x[0-9a-fA-F]{40}$/).waitFor({ timeout: WAIT_MS });
  await stand.fund(await page.locator("#address").textContent());
  await write(page);
  await settles(stand, page);
}

async function write(page) {
  await page.getByRole("textbox", { name: "Note" }).fill(TEXT);
  await page.getByRole("button", { name: "Write" }).click();
}

/** No block comes by itself: the note is seen before there is one. */
async function settles(stand, page) {
  await noteIs(page, "sent");
  await stand.mine();
  await noteIs(page, "included");
  await stand.settle();
  await noteIs(page, "final");
}

async function noteIs(page, status) {
  const note = page.locator(`li[data-status=${status}]`, { hasText: TEXT });
  await note.waitFor({ timeout: WAIT_MS }).catch(async () => {
    assert.fail(`no note is ${status}: ${await page.locator("body").innerHTML()}`);
  });
}

/** In the page: an EIP-1193 provider whose answers come from outside. */
function injectWallet() {
  window.ethereum = {
    on() {},
    async request(request) {
      const { result, error } = await window.askWallet(request);
      if (error !== undefined) throw Object.assign(new Error(error.message), error);
      return result;
    },
  };
}

async function answerOf(wallet, chain, isWilling, { method, params = [] }) {
  switch (method) {
    case "eth_requestAccounts":
      return { result: [wallet.address] };
    case "wallet_switchEthereumChain":
      return { result: null };
    case "eth_sendTransaction": {
      if (!isWilling) return { error: { code: 4001, message: "the user rejected it" } };
      const [{ to, data }] = params;
      const { raw } = await wallet.sign({ to, data });
      return { result: await chain.rpc("eth_sendRawTransaction", [raw]) };
    }
    default:
      return { result: await chain.rpc(method, params) };
  }
}

async function buildByVite(stand, source) {
  const project = await stand.install(source);
  await writeFile(join(project, ".env.local"), `VITE_RPC_URL=${stand.gateway.url}\n`);
  await runIn(project, "vite/bin/vite.js", "build");
  return join(project, "dist");
}

/** Serves a folder and gives its page to `work`; the page has to have nothing to complain about. */
async function onPage(stand, folder, work) {
  const site = await serve({ routes: { "/": folder } });
  try {
    const visited = await stand.visit(site.url);
    await work(visited.page);
    await visited.close();
  } finally {
    await site.close();
  }
}
