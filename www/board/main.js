// The board: opens the cache with a signer for its three kinds of tasks, and connects the page's parts to it.

import { evm, localSigner, openCache } from "uplink-cache";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { offerConnection, offerReorg, onClick } from "../controls.js";
import { byId, setText } from "../dom.js";
import { openConnection } from "../gateway.js";
import { guestOfPage } from "../guest.js";
import { offerInspector } from "../inspector.js";
import { showError, showLost, showNotice } from "../notices.js";
import { describeCause, isSettled } from "../progress.js";
import { openRecord } from "../record.js";
import { openComposer } from "./composer.js";
import { openBoard } from "./contract.js";
import { openIndexer } from "./indexer.js";
import { showPosts } from "./posts.js";
import { edit, like, post, transactionOf, updates } from "./tasks.js";
import { openThreads } from "./threads.js";

addEventListener("unhandledrejection", ({ reason }) => showError("Something went wrong", reason));

const FIRST_LAG = 6;
const SIGNER = "burner";
const UNDONE =
  "Other blocks stand in their place, without what was in them. Posts that were there go out again, and stay where they are in the list.";

const guest = guestOfPage();
const config = await (await fetch("/config.json")).json();
// Every run of the demo has a new chain, whose backup is not that of the last one.
const name = `board-${config.chainName}`;
const connection = await openConnection(guest);
const board = openBoard(config.board, connection.url);
const { privateKey } = await (
  await openRecord(`${name}/${guest}`, () => ({ privateKey: generatePrivateKey() }))
).read();
const account = privateKeyToAccount(privateKey);
await fetch(`/fund/${account.address}`, { method: "POST" });

const cache = await openCache({
  name,
  account: account.address,
  gateway: evm({
    urls: [connection.url],
    chainId: config.chainId,
    read: board.likesReader(account.address),
  }),
  updates,
  signers: {
    [SIGNER]: localSigner({ account, transaction: (task) => transactionOf(board, task) }),
  },
});
offerInspector({ cache, onError: showError });
const submit = (task) => cache.submit({ sign: SIGNER, ...task });

const posts = showPosts({
  cache,
  account,
  finalityDepth: config.finalityDepth,
  everyMs: config.blockTimeSeconds * 1_000,
  edit: (key, text) => submit(edit(key, text)),
  like: (key) => submit(like(key)),
  onError: showError,
});
const threads = openThreads({ onChosen: posts.show });
openComposer({
  account,
  send: (text) => submit(post({ thread: threads.chosen(), text, author: account.address })),
  onError: showError,
});
const indexer = openIndexer({
  board,
  everyMs: config.blockTimeSeconds * 1_000,
  lag: FIRST_LAG,
  onRows({ rows, seenAtBlock, head }) {
    setText(byId("seen"), `${seenAtBlock}`);
    setText(byId("head"), `${head}`);
    showChain("on", `Block ${head}`);
    posts.showRows({ rows, seenAtBlock, head });
  },
  onLost() {
    posts.showLost();
    showChain("off", connection.isConnected ? "The chain does not answer" : "Connection cut");
  },
});
openLag();
offerConnection({
  connection,
  onError: showError,
  onConnection(isConnected) {
    indexer.look();
    // The browser was online all the time, so that nothing but this tells the cache to try again now.
    if (isConnected) cache.flush().catch(() => {});
  },
});
offerReorg({ what: UNDONE, onError: showError });
onClick("like-twice", "Could not like", {
  act: () => posts.likeNewest(2),
  onError: showError,
});

cache.addEventListener("status", ({ detail: { task } }) => {
  if (task.status !== "failed" && task.status !== "blocked") return;
  const verb = isSettled(task) ? "did not make it" : "is stuck";
  showNotice(
    `A task ${verb}`,
    `${task.key}: ${describeCause(task)}. What was there before is shown again. Nothing is lost: the task stays in the backup.`,
  );
});
cache.addEventListener("storage", ({ detail: { problem, code, message } }) => {
  if (problem === "closed") showLost("This tab’s backup is closed", { code, message });
});

function openLag() {
  const lag = byId("lag");
  const show = () => setText(byId("lag-now"), lag.value);
  lag.value = `${FIRST_LAG}`;
  show();
  lag.addEventListener("input", () => {
    show();
    indexer.setLag(Number(lag.value));
  });
}

function showChain(state, text) {
  byId("chain").dataset.state = state;
  setText(byId("chain-text"), text);
}
