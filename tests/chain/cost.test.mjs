// What following the chain costs: nothing where nothing waits, and no more for many tasks than for one.

import { runRows } from "./rows.mjs";
import { ask } from "./scene.mjs";

const BLOCKS = 5;

const rows = [
  {
    name: "a cache with no task asks nothing, for ten minutes",
    promises: [11],
    clock: true,
    async does(scene) {
      await minutes(scene, 10);
      return { asked: scene.proxy.log.length };
    },
    comes: { asked: 0 },
  },
  {
    name: "a cache whose tasks are all settled asks nothing, for ten minutes",
    promises: [11],
    clock: true,
    async does(scene) {
      await scene.settle(await scene.submit());
      await scene.idle();
      const before = scene.proxy.log.length;
      await minutes(scene, 10);
      return { asked: scene.proxy.log.length - before };
    },
    comes: { asked: 0 },
  },
  {
    name: "a cache whose only task is blocked before it was sent asks nothing, for ten minutes",
    promises: [11],
    clock: true,
    chainId: 5,
    async does(scene) {
      const task = await scene.submit();
      await scene.until(task, "blocked");
      await scene.idle();
      const before = scene.proxy.log.length;
      await minutes(scene, 10);
      return { asked: scene.proxy.log.length - before };
    },
    comes: { asked: 0 },
  },
  {
    name: "a block costs no more with 40 waiting tasks than with one",
    promises: [11],
    async does(scene) {
      const tasks = [await scene.submit({ nonce: 1 })];
      await scene.until(tasks[0], "sent");
      // A sent task's receipt is asked for at the first head that is seen.
      await scene.untilHead(0);
      await scene.idle();
      const one = await costOfBlocks(scene);
      // All behind a gap in the nonces, so that they wait.
      for (let nonce = 2; nonce <= 40; nonce++) tasks.push(await scene.submit({ nonce }));
      for (const task of tasks) await scene.until(task, "sent");
      const many = await costOfBlocks(scene);
      return { one, many };
    },
    comes: { one: 0, many: 0 },
  },
];

/** Minutes on the page's clock, second by second, with time to answer what is asked. */
async function minutes(scene, count) {
  for (let i = 0; i < count * 6; i++) {
    await scene.fastForward(10_000);
    await scene.idle();
  }
}

/** Requests that are no look at the newest or final block, while blocks come one by one. */
async function costOfBlocks(scene) {
  const isExtra = (call) => !ask.head(call) && !ask.final(call);
  const before = scene.asked(isExtra).length;
  for (let i = 0; i < BLOCKS; i++) {
    await scene.mine();
    await scene.untilHead(await scene.height());
  }
  await scene.idle();
  return scene.asked(isExtra).length - before;
}

runRows(rows);
