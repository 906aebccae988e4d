// Tasks that come after others: held until those are far enough, stopped with the cause when one of them fails, never lost.

import assert from "node:assert/strict";
import { bundleViem } from "../../scripts/demo/viem-bundle.mjs";
import { BLOCKS_TO_FINAL, createWorld, REVERTER, test } from "../e2e/fixture.mjs";
import { createWallet } from "../support/wallet.mjs";

/** Longer than a task that could go out takes to do so here. */
const A_WHILE_MS = 400;

/** A post, and a reply of another account that comes after it. */
async function thread(t, { post = { text: "post" }, ...after } = {}) {
  const world = await createWorld(t);
  const page = await world.openPage();
  const other = createWallet({ index: 1 });
  const signed = {
    post: await world.wallet.sign(post),
    reply: await other.sign({ text: "reply" }),
  };
  const options = world.options();
  const ids = await page.evaluate(
    async ({ options, signed, after }) => {
      await uplink.start(options);
      const post = await cache.submit({ payload: signed.post.raw, key: "post", value: "post" });
      const reply = { payload: signed.reply.raw, key: "reply", value: "reply", lane: "other" };
      const { id } = await cache.submit({ ...reply, after: [post.id], ...after });
      return { post: post.id, reply: id };
    },
    { options, signed, after },
  );
  return { world, page, other, signed, ids, options };
}

const task = (page, id) => page.evaluate((id) => uplink.describe(cache.task(id)), id);
const until = (page, id, status) =>
  page.evaluate(
    ({ id, status }) =>
      uplink.when(() => cache.task(id)?.status === status && uplink.describe(cache.task(id))),
    { id, status },
  );
const sendsOf = ({ world, signed }, name) => world.gateway.sends(signed[name].txId).length;
const aWhile = () => new Promise((resolve) => setTimeout(resolve, A_WHILE_MS));
const reload = async ({ page, options }) => {
  await page.reload();
  await page.evaluate((options) => uplink.start(options), options);
};

test("a reply is sent once the post is in a block, also where the page was reloaded meanwhile", async (t) => {
  const scene = await thread(t);
  const { world, page, ids, signed } = scene;
  await world.untilAccepted(signed.post.txId);
  await reload(scene);
  await aWhile();
  const waiting = await task(page, ids.reply);
  assert.deepEqual([waiting.status, waiting.after], ["backed-up", [ids.post]]);
  assert.equal(sendsOf(scene, "reply"), 0);
  assert.equal(await page.evaluate(() => cache.peek("reply").value), "reply", "it is read at once");
  await world.mine(1);
  await world.untilAccepted(signed.reply.txId);
  const [post, reply] = await Promise.all([task(page, ids.post), until(page, ids.reply, "sent")]);
  assert.equal(post.status, "included");
  assert.equal(reply.status, "sent");
  const outcome = page.evaluate((id) => cache.task(id).settled, ids.reply);
  await world.mine(1 + BLOCKS_TO_FINAL);
  assert.equal((await outcome).status, "final");
});

test("how far the post must be is the app's to say", async (t) => {
  const sent = await thread(t, { afterStatus: "sent" });
  await sent.world.untilAccepted(sent.signed.reply.txId);
  const order = sent.world.gateway.sends().map((call) => call.txId);
  assert.deepEqual(order, [sent.signed.post.txId, sent.signed.reply.txId]);

  const final = await thread(t, { afterStatus: "final" });
  await final.world.untilAccepted(final.signed.post.txId);
  await final.world.mine(1);
  await until(final.page, final.ids.post, "included");
  await aWhile();
  assert.equal(sendsOf(final, "reply"), 0, "included is not enough");
  await final.world.mine(BLOCKS_TO_FINAL);
  await final.world.untilAccepted(final.signed.reply.txId);
});

test("a post that reverts stops the reply with the cause; both survive, and a retry sends it all the same", async (t) => {
  const post = { text: "post", to: REVERTER, gas: 100_000n };
  const scene = await thread(t, { post });
  const { world, page, ids, signed } = scene;
  await world.untilAccepted(signed.post.txId);
  await world.mine(1);
  await until(page, ids.post, "included");
  await aWhile();
  assert.equal(sendsOf(scene, "reply"), 0, "what is reverted is not there");
  await world.mine(BLOCKS_TO_FINAL);
  const blocked = await until(page, ids.reply, "blocked");
  assert.equal(blocked.reason, "dependency_failed");
  assert.equal(blocked.cause, `task ${ids.post} failed: reverted`);
  assert.deepEqual(blocked.after, []);
  await page.evaluate((id) => cache.discard(id), ids.post);
  await reload(scene);
  assert.equal((await task(page, ids.reply)).status, "blocked");
  assert.equal(await page.evaluate(() => cache.peek("reply").value), "reply", "it is not lost");
  assert.equal(sendsOf(scene, "reply"), 0);
  await page.evaluate((id) => cache.retry(id), ids.reply);
  await world.untilAccepted(signed.reply.txId);
});

test("a post that is cancelled before it was sent stops the reply, and the reply can be cancelled too", async (t) => {
  const world = await createWorld(t, { gatewayIsUp: false });
  const page = await world.openPage();
  const signed = [await world.wallet.sign({ text: "1" }), await world.wallet.sign({ text: "2" })];
  const tasks = await page.evaluate(
    async ({ options, signed }) => {
      await uplink.start(options);
      const first = await cache.submit({ payload: signed[0].raw });
      const second = await cache.submit({ payload: signed[1].raw, after: [first.id] });
      await cache.cancel(first.id);
      await uplink.when(() => second.status === "blocked");
      const blocked = uplink.describe(second);
      await cache.cancel(second.id);
      return { first: first.id, blocked, outcome: await second.settled };
    },
    { options: world.options(), signed },
  );
  assert.equal(tasks.blocked.cause, `task ${tasks.first} failed: cancelled`);
  assert.deepEqual([tasks.outcome.status, tasks.outcome.reason], ["failed", "cancelled"]);
});

test("a draft's signer is not asked before its time", async (t) => {
  const viem = bundleViem();
  const serveViem = async (_, response, { file }) => {
    const contents = (await viem).get(file);
    response.writeHead(contents ? 200 : 404, { "content-type": "text/javascript" }).end(contents);
  };
  const world = await createWorld(t, { routes: { "/vendor/": serveViem } });
  const page = await world.openPage();
  await page.addScriptTag({ type: "module", url: "/signers.js" });
  const post = await world.wallet.sign({ text: "post" });
  const id = await page.evaluate(
    async ({ options, raw }) => {
      await uplink.start(options);
      const post = await cache.submit({ payload: raw });
      const after = [post.id];
      const reply = await cache.submit({ sign: "pen", key: "reply", value: 1, after });
      return reply.id;
    },
    { options: world.options({ signers: { pen: { kind: "local", index: 1 } } }), raw: post.raw },
  );
  await world.untilAccepted(post.txId);
  await aWhile();
  assert.deepEqual(await page.evaluate(() => signers.log), []);
  await world.mine(1);
  await until(page, id, "sent");
  assert.equal((await page.evaluate(() => signers.log)).length, 1);
});

test("a reorg that takes the post back holds what comes after it, although the other one that it waited for is there", async (t) => {
  const { world, page, ids, signed } = await thread(t);
  const [second, late] = await Promise.all(
    [2, 3].map((index) => createWallet({ index }).sign({ text: `account ${index}` })),
  );
  await world.untilAccepted(signed.post.txId);
  await world.mine(1);
  await until(page, ids.post, "included");
  const more = await page.evaluate(
    async ({ second, late, post }) => {
      const { id } = await cache.submit({ payload: second.raw, lane: "second" });
      const after = [post, id];
      const task = await cache.submit({ payload: late.raw, lane: "late", after });
      return { second: id, late: task.id };
    },
    { second, late, post: ids.post },
  );
  await world.untilAccepted(second.txId);
  world.gateway.down();
  await world.chain.rpc("anvil_reorg", [1, []]);
  await world.mine(1);
  world.gateway.up();
  await until(page, more.second, "included");
  await until(page, ids.post, "sent");
  await aWhile();
  assert.equal((await task(page, more.late)).status, "backed-up");
  assert.equal(world.gateway.sends(late.txId).length, 0);
  const accepted = () => world.gateway.sends(signed.post.txId).filter((call) => call.reply?.result);
  await world.gateway.until(() => accepted().length > 1, "the post is sent again");
  await world.mine(1);
  await world.untilAccepted(late.txId);
});

test("what waits is taken out to a file, and waits in another browser too", async (t) => {
  const scene = await thread(t);
  const { world, page, ids, signed, options } = scene;
  await world.untilAccepted(signed.post.txId);
  const file = await page.evaluate(async () => {
    const blob = await cache.exportBackup();
    await cache.close();
    return uplink.hexOf(new Uint8Array(await blob.arrayBuffer()));
  });
  const there = await (await world.openBrowser()).openPage();
  const imported = await there.evaluate(
    async ({ options, file }) => {
      await uplink.start(options);
      return cache.importBackup(new Blob([uplink.bytesOf(file)]));
    },
    { options, file },
  );
  assert.equal(imported.imported, 2);
  await until(there, ids.post, "sent");
  await aWhile();
  assert.deepEqual((await task(there, ids.reply)).after, [ids.post]);
  assert.equal(sendsOf(scene, "reply"), 0);
  await world.mine(1);
  await world.untilAccepted(signed.reply.txId);
});

test("what is final already is not waited for, and a wrong list is refused", async (t) => {
  const { world, page, other, ids, signed } = await thread(t);
  await world.untilAccepted(signed.post.txId);
  const settled = page.evaluate((id) => cache.task(id).settled, ids.post);
  await world.mine(1 + BLOCKS_TO_FINAL);
  await settled;
  const { raw } = await other.sign({ text: "more" });
  const found = await page.evaluate(
    async ({ raw, post }) => {
      const attempt = async (after) => {
        const { error } = await uplink.attempt(() => cache.submit({ payload: raw, ...after }));
        return error?.code;
      };
      const id = "0".repeat(32);
      const refused = {
        unknown: await attempt({ after: [id] }),
        odd: await attempt({ after: ["\u0000"] }),
        number: await attempt({ after: [7] }),
        text: await attempt({ after: post }),
        many: await attempt({ after: Array(9).fill(post) }),
        status: await attempt({ after: [post], afterStatus: "blocked" }),
      };
      const task = await cache.submit({ payload: raw, lane: "other", after: [post] });
      return { refused, after: task.after };
    },
    { raw, post: ids.post },
  );
  assert.deepEqual(found.refused, {
    unknown: "not_found",
    odd: "invalid_input",
    number: "invalid_input",
    text: "invalid_input",
    many: "invalid_input",
    status: "invalid_input",
  });
  assert.deepEqual(found.after, []);
});
