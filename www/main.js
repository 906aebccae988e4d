// The guestbook: opens the cache, and connects the page's parts to it.

import { evm, openCache } from "uplink-cache";
import { openAccount } from "./account.js";
import { showBackup } from "./backup-panel.js";
import { watchChain } from "./chain-watch.js";
import { openComposer } from "./composer.js";
import { offerCopies } from "./copies.js";
import { byId, setText } from "./dom.js";
import { showEntries } from "./entries.js";
import { shortHex } from "./format.js";
import { openConnection } from "./gateway.js";
import { guestOfPage } from "./guest.js";
import { offerInspector } from "./inspector.js";
import { showError, showLost, showNotice } from "./notices.js";
import { describeCause, isSettled } from "./progress.js";
import { entryKey, openRegistry } from "./registry.js";
import { offerTrouble } from "./trouble.js";

addEventListener("unhandledrejection", ({ reason }) => showError("Something went wrong", reason));

const NARROW = "(max-width: 56rem)";

// On a small screen the panels are above the entries, and closed they are not in the way.
for (const panel of document.querySelectorAll("aside details")) {
  panel.open = !matchMedia(NARROW).matches;
}

const guest = guestOfPage();
const config = await (await fetch("/config.json")).json();
// Every run of the demo has a new chain, whose backup and nonces are not those of the last one.
const name = `guestbook-${config.chainName}`;
const connection = await openConnection(guest);
const registry = openRegistry(config.registry, connection.url);
const account = await openAccount({ name: `${name}/${guest}`, chainId: config.chainId });
await fetch(`/fund/${account.address}`, { method: "POST" });

const cache = await openCache({
  name,
  account: account.address,
  gateway: evm({ urls: [connection.url], chainId: config.chainId, read: registry.read }),
});

const backup = showBackup({ cache, onError: showError });
offerInspector({ cache, onError: showError });
offerCopies({ cache, tell: backup.tell, onError: showError });
const entries = showEntries({
  cache,
  registry,
  account,
  finalityDepth: config.finalityDepth,
  onError: showError,
});
const composer = openComposer({
  account,
  storageName: `guestbook/name/${guest}`,
  sign,
  onError: showError,
});
const lookAtChain = watchChain({
  registry,
  everyMs: config.blockTimeSeconds * 1_000,
  onLook({ head, count }) {
    showChain("on", `Block ${head}`);
    entries.showChain({ head, isReachable: true });
    entries.discover(count);
  },
  onLost() {
    entries.showChain({ isReachable: false });
    showChain("off", connection.isConnected ? "The chain does not answer" : "Connection cut");
  },
});
offerTrouble({
  cache,
  connection,
  sign,
  someoneElses: entries.someoneElses,
  onError: showError,
  onConnection(isConnected) {
    backup.tell(isConnected ? "the connection is back" : "the connection is cut");
    lookAtChain();
    // The browser was online all the time, so that nothing but this tells the cache to try again now.
    if (isConnected) cache.flush().catch(() => {});
  },
});

for (const task of cache.tasks()) if (isSettled(task)) account.settle(task);
account.forgetLost(cache.tasks());
syncAccount();

cache.addEventListener("status", ({ detail: { task } }) => {
  if (isSettled(task)) settled(task);
});

cache.addEventListener("storage", ({ detail: { problem, code, message } }) => {
  if (problem === "closed") showLost("This tab’s backup is closed", { code, message });
});

/** Signs an entry and submits it. Resolves when it is durable, with how long that took. */
async function sign({ text, key, at = Date.now() }) {
  const entry = key ?? entryKey(at, account.address);
  const value = { text, name: composer.authorName(), at };
  let durationMs;
  const task = await account.signAndSubmit(registry.putCall(entry, value), async (payload) => {
    const startedAt = performance.now();
    const submitted = await cache.submit({ payload, key: entry, value });
    durationMs = performance.now() - startedAt;
    return submitted;
  });
  entries.reveal(entry);
  return { task, durationMs };
}

async function settled(task) {
  await account.settle(task);
  if (task.status === "failed") {
    showNotice(
      "An entry did not make it",
      `${shortHex(task.txId)}: ${describeCause(task)}. What was there before is shown again. The task stays in the backup until you discard it.`,
    );
  }
  syncAccount();
}

/** Fees and nonces from the chain, when it can be reached; what is remembered does otherwise. */
function syncAccount() {
  account.syncWith(registry.client).catch(() => {});
}

function showChain(state, text) {
  byId("chain").dataset.state = state;
  setText(byId("chain-text"), text);
}
