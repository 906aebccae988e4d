// Two and eight tabs that all submit at once, to a real chain, while processes die at random moments: the renderer of the tab
// that leads, the tab that leads by its own close, the browser with everything. ROUNDS says how often (5), SEED repeats the
// moments, as far as processes can be repeated. The gateway is often in some trouble at that moment, so that deaths
// meet sends that are under way, and those that were lost.
//
// What is checked, and by what:
//
// - Lost: what a tab was told to be backed up (its `submit` resolved, and told Node so) is mined exactly once, by the
//   transactions of all blocks, with a receipt and with the account's nonces; and every tab that lives sees it final.
// - Doubled: a send that must not have been, by the log of the proxy between the tabs and the chain, in which every life of
//   a tab has a path of its own:
//   - a life sends only from its `leader` event to its end. What arrives after its process was killed was on the wire;
//   - a transaction that was sent before, by whichever life, is sent again only by a life that asked for it by hash
//     since and was told that no node knows it;
//   - nothing is sent once any tab was told that it is `sent`: the log of the cache has that, whoever leads.
// - Two leaders: the times from the `leader` event to the end of a life never overlap.
// - Stuck: within a bound every living tab sees all of its tasks settle, though nobody does anything but submit.
// - Takeover: from just before the kill, which the lock's release follows, to the next tab's `leader` event.
//
// A browser that is killed may find its own files damaged and delete the origin's databases (see crash.test.mjs): such a
// round says so, is counted, and starts over in a new profile.

import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { BLOCKS_TO_FINAL, createWorld, test } from "../e2e/fixture.mjs";
import { dropReply, dropRequest, latency } from "../support/faults.mjs";
import { isSend } from "../support/gateway.mjs";
import { randomNumbers, seedFromEnvironment } from "../support/random.mjs";
import { createCrowd } from "./crowd.mjs";
import { judge } from "./witness.mjs";

const ROUNDS = Number(process.env.ROUNDS ?? 5);
const SUBMITS_AT_ONCE = 6;
const MAX_DELAY_MS = 120;
const MAX_WIPED = 2;
const MAX_TAKEOVER_MS = 2_000;
const ROUND_TIMEOUT_MS = 90_000;
/** What the next few sends meet, or not. Of a client that dies, the latency ends and the chain gets the call. */
const TROUBLES = [
  undefined,
  latency(60),
  dropReply,
  { ...dropRequest, ...latency(60), name: "the request is lost after 60 ms" },
];
const BLOWS = ["killLeader", "closeLeader", "killBrowser"];

for (const tabs of [2, 8]) {
  test(
    `${tabs} tabs submit at once, and leaders and browsers die: nothing is lost or doubled, no tab is stuck, in ${ROUNDS} rounds`,
    (t) => allRounds(t, tabs),
    { timeoutMs: (ROUNDS + 1) * ROUND_TIMEOUT_MS },
  );
}

async function allRounds(t, tabs) {
  const seed = seedFromEnvironment();
  t.diagnostic(`SEED=${seed}`);
  const run = {
    random: randomNumbers(seed + tabs),
    takeovers: { killLeader: [], closeLeader: [] },
    scenes: [],
    rounds: 0,
    wiped: 0,
  };
  try {
    await liveThrough(t, tabs, run);
  } finally {
    tell(t, tabs, run);
  }
  for (const [blow, times] of Object.entries(run.takeovers)) {
    const most = Math.max(...times);
    assert.ok(most <= MAX_TAKEOVER_MS, `${blow}: another tab led only after ${most} ms`);
  }
}

async function liveThrough(t, tabs, run) {
  while (run.rounds < ROUNDS) {
    if (run.scenes.length === run.wiped) run.scenes.push(await createScene(t, tabs));
    const scene = run.scenes.at(-1);
    const message = await oneRound(scene, run);
    if (message === undefined) {
      await checkRound(scene);
      run.rounds += 1;
      if (run.rounds === ROUNDS) await checkLists(scene);
      continue;
    }
    t.diagnostic(`the browser deleted the database, and said so: ${message}`);
    run.wiped += 1;
    await scene.crowd.close();
    assert.ok(run.wiped <= MAX_WIPED, "the browser deleted the database in too many rounds");
  }
}

/** What all checked rounds came to: the numbers of the one that failed are its error's. */
function tell(t, tabs, { scenes, takeovers, rounds, wiped }) {
  const sum = (name) => scenes.reduce((all, scene) => all + scene[name], 0);
  t.diagnostic(
    `${tabs} tabs, ${rounds} rounds: acknowledged ${sum("acknowledged")}, lost ${sum("lost")}, doubled ${sum("doubled")}`,
  );
  t.diagnostic(
    `${sum("sends")} sends, ${sum("repeated")} of them again after a look, ${sum("late")} on the wire when their tab died; ${wiped} rounds wiped`,
  );
  for (const [blow, times] of Object.entries(takeovers)) {
    times.sort((a, b) => a - b);
    const [least, median, most] = [times[0], times[times.length >> 1], times.at(-1)];
    t.diagnostic(`takeover after ${blow}: min ${least}, median ${median}, max ${most} ms`);
  }
}

async function createScene(t, tabs) {
  const world = await createWorld(t);
  const crowd = await createCrowd(world, tabs);
  await crowd.open();
  const counts = { acknowledged: 0, lost: 0, doubled: 0, sends: 0, repeated: 0, late: 0 };
  return { world, crowd, mined: new Map(), head: 0, ...counts };
}

/** All kinds of death once, in a random order. Returns what the browser said if it deleted the database. */
async function oneRound({ world, crowd }, { random, takeovers }) {
  for (const blow of shuffled(BLOWS, random)) {
    const trouble = TROUBLES[Math.floor(random() * TROUBLES.length)];
    if (trouble) world.gateway.fault((call) => isSend(call.method), trouble, { times: 2 });
    await crowd.submitAtOnce(SUBMITS_AT_ONCE, random);
    await delay(random() * MAX_DELAY_MS);
    const takeoverMs = await crowd[blow]();
    if (crowd.wiped() !== undefined) return crowd.wiped();
    takeovers[blow]?.push(takeoverMs);
    if (random() < 0.5) await world.mine(1 + Math.floor(random() * 4));
  }
  await crowd.allSubmitted();
  return undefined;
}

/** Lets all settle, and asks the tabs, the chain and the witness. */
async function checkRound(scene) {
  const { world, crowd } = scene;
  const ids = crowd.tabs.flatMap((tab) => tab.signed.map(({ txId }) => txId));
  for (const txId of ids) assert.ok(crowd.acknowledged.has(txId), `${txId} was submitted`);
  const keys = ids.filter((txId) => !scene.mined.has(txId)).map((txId) => `entry/${txId}`);
  await crowd.askAll(seeAll, { keys, statuses: ["sent", "included", "final"] });
  await world.mine(1 + BLOCKS_TO_FINAL);
  await crowd.askAll(seeAll, { keys, statuses: ["final"] });

  await countMined(scene);
  const lost = ids.filter((txId) => scene.mined.get(txId) !== 1);
  const { doubled, rivals, ...counts } = judge({ log: world.gateway.log, ...crowd });
  Object.assign(scene, counts, {
    acknowledged: ids.length,
    lost: lost.length,
    doubled: doubled.length,
  });
  assert.deepEqual(lost, [], "each acknowledged task is mined exactly once");
  assert.deepEqual(doubled, [], "no send that must not have been");
  assert.deepEqual(rivals, [], "no two tabs led at the same time");
  for (const { wallet, signed } of crowd.tabs) {
    const nonce = await world.chain.rpc("eth_getTransactionCount", [wallet.address, "latest"]);
    assert.equal(Number(nonce), signed.length);
  }
}

/** In the page: every key has one of these statuses, or gets it. */
async function seeAll({ keys, statuses }) {
  for (const key of keys) {
    await uplink.whenWatched({ key }, ([item]) => statuses.includes(item?.status));
  }
}

/** In the page: how many entries there are of this status, whatever the log still holds. */
async function countEntries(status) {
  let count = 0;
  let cursor;
  do {
    const page = await cache.list({ prefix: "entry/", limit: 1_000, cursor });
    count += page.items.filter((item) => item.status === status).length;
    cursor = page.cursor;
  } while (cursor !== undefined);
  return count;
}

async function checkLists({ crowd, acknowledged }) {
  const counts = await crowd.askAll(countEntries, "final");
  for (const count of counts)
    assert.equal(count, acknowledged, "every tab lists all that ever settled");
}

/** Counts how often each transaction is in a block, with success: in the blocks that came since the last time. */
async function countMined(scene) {
  const { chain } = scene.world;
  const head = Number(await chain.rpc("eth_blockNumber"));
  while (scene.head < head) {
    scene.head += 1;
    const receipts = await chain.rpc("eth_getBlockReceipts", [`0x${scene.head.toString(16)}`]);
    for (const { transactionHash, status } of receipts) {
      if (status !== "0x1") continue;
      scene.mined.set(transactionHash, (scene.mined.get(transactionHash) ?? 0) + 1);
    }
  }
}

function shuffled(items, random) {
  const order = items.map((item) => ({ item, rank: random() }));
  return order.sort((a, b) => a.rank - b.rank).map(({ item }) => item);
}
