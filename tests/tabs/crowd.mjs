// Tabs of one origin in one browser that can be killed, one by one or all at once, and opened again. Every tab between two
// deaths is a life with a gateway address of its own, so that the gateway's log says who asked.

import { rendererPids } from "../support/browser.mjs";
import { createWallet } from "../support/wallet.mjs";

const WAIT_TIMEOUT_MS = 60_000;

/**
 * `count` tabs on one profile, none of which is open yet.
 *
 * `lives` holds one entry per life, in order: `{ tab, path, leads?, goneFrom?, goneBy? }`: when its `leader` event came, and
 * between when and when it ended, in milliseconds since the epoch. `acknowledged` are the transactions whose submit resolved
 * in a tab, `toldSent` when a tab was first told that a transaction is sent.
 */
export async function createCrowd(world, count) {
  const profile = await world.newProfile();
  const lives = [];
  const acknowledged = new Set();
  const toldSent = new Map();
  const listeners = new Set();
  let browser;
  let wiped;

  const tabs = Array.from({ length: count }, (_, number) => ({
    number,
    wallet: createWallet({ index: number }),
    /** Signed for this tab, in the order of their nonces. */
    signed: [],
    life: undefined,
    submitting: undefined,
  }));

  async function openTab(tab) {
    const page = await browser.openPage();
    const name = `/tab-${tab.number}/life-${lives.length}`;
    const life = { tab, page, path: name };
    lives.push(life);
    tab.life = life;
    await page.exposeFunction("report", (news) => hear(life, news));
    const options = world.options({ gateway: { urls: [`${world.gateway.url}${name}`] } });
    await page.evaluate(startTab, options);
    tab.submitting = submit(tab, { isSequential: false });
  }

  function hear(life, { leads, lost, acknowledged: txIds = [], sent = [] }) {
    if (leads !== undefined) life.leads = leads;
    wiped ??= lost;
    for (const txId of txIds) acknowledged.add(txId);
    for (const { txId, at } of sent) {
      toldSent.set(txId, Math.min(at, toldSent.get(txId) ?? Number.POSITIVE_INFINITY));
    }
    for (const listener of [...listeners]) listener();
  }

  /** Submits what of the tab's was never acknowledged, also what an earlier life tried. */
  async function submit(tab, { isSequential }) {
    const { life, signed, wallet } = tab;
    const batch = signed.filter(({ txId }) => !acknowledged.has(txId));
    const submitted = life.page.evaluate(submitAll, { batch, lane: wallet.address, isSequential });
    await submitted.catch((error) => {
      if (isAlive(life)) throw error;
    });
  }

  const isAlive = (life) => life.goneFrom === undefined;
  const leader = () => lives.find((life) => isAlive(life) && life.leads !== undefined);

  /** Resolves with what `check` finds, asked again whenever a tab reports. */
  function until(check, what) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        listeners.delete(look);
        reject(new Error(`waited ${WAIT_TIMEOUT_MS} ms in vain until ${what}`));
      }, WAIT_TIMEOUT_MS);
      function look() {
        const result = check();
        if (!result) return;
        clearTimeout(timer);
        listeners.delete(look);
        resolve(result);
      }
      listeners.add(look);
      look();
    });
  }

  const untilLed = () => until(leader, "a tab leads");

  /** Ends the leader's life in some way; resolves with how long it took until another led. */
  async function loseLeader(end) {
    const life = await untilLed();
    await end(life);
    life.goneBy = Date.now();
    const next = await untilLed();
    await life.tab.submitting;
    await openTab(life.tab);
    return next.leads - life.goneFrom;
  }

  return {
    tabs,
    lives,
    acknowledged,
    toldSent,
    /** What the browser said if it deleted the database. */
    wiped: () => wiped,
    until,
    /** Starts the browser and opens all tabs in it at once. */
    async open() {
      browser = await world.openBrowser({ profile });
      await Promise.all(tabs.map(openTab));
    },
    /** All tabs submit `each` new transactions at once; resolves when the first of these is acknowledged. */
    async submitAtOnce(each, random) {
      for (const tab of tabs) {
        await tab.submitting;
        tab.signed.push(...(await tab.wallet.signMany(each, `tab ${tab.number}`)));
      }
      const before = acknowledged.size;
      for (const tab of tabs) tab.submitting = submit(tab, { isSequential: random() < 0.5 });
      await until(() => acknowledged.size > before, "a submit is acknowledged");
    },
    /** SIGKILL of the renderer of the tab that leads. */
    killLeader: () =>
      loseLeader(async (life) => {
        const [pid] = await rendererPids(browser.context, [life.page]);
        const crashed = life.page.waitForEvent("crash");
        life.goneFrom = Date.now();
        process.kill(pid, "SIGKILL");
        await crashed;
      }),
    /** A person closes the tab that leads. */
    closeLeader: () =>
      loseLeader(async (life) => {
        life.goneFrom = Date.now();
        await life.page.close();
      }),
    /** SIGKILL of the browser with all its processes, and a start on what that leaves. */
    async killBrowser() {
      const killed = lives.filter(isAlive);
      for (const life of killed) life.goneFrom = Date.now();
      await browser.kill();
      for (const life of killed) life.goneBy = Date.now();
      for (const { tab } of killed) await tab.submitting;
      await this.open();
    },
    allSubmitted: () => Promise.all(tabs.map((tab) => tab.submitting)),
    /** Asks every tab, in its page; rejects with the tasks as they are when one does not answer. */
    askAll: (question, argument) => Promise.all(tabs.map((tab) => ask(tab, question, argument))),
    close: () => browser.close(),
  };
}

async function ask({ number, life }, question, argument) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(reject, WAIT_TIMEOUT_MS, new Error(`tab ${number} is stuck`));
  });
  try {
    return await Promise.race([life.page.evaluate(question, argument), late]);
  } catch (error) {
    const tasks = await life.page.evaluate(() => {
      const open = cache.tasks().filter(({ status }) => status !== "final");
      return { tasks: open.map(uplink.describe), stats: cache.stats() };
    });
    throw new Error(`${error.message}: ${JSON.stringify(tasks, undefined, 1)}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** In the page: opens the cache, and reports what happens to it, each news with the time of its event. */
async function startTab(options) {
  await uplink.start(options);
  const leads = () => report({ leads: Date.now() });
  cache.addEventListener("leader", ({ detail }) => detail.leader && leads());
  // The lock may have been granted before anyone could listen.
  if (cache.stats().leader) leads();
  cache.addEventListener("storage", ({ detail }) => {
    if (detail.problem === "lost") report({ lost: detail.message });
  });
  let sent = [];
  const tell = () => {
    report({ sent });
    sent = [];
  };
  cache.addEventListener("status", ({ detail }) => {
    if (detail.task.status !== "sent") return;
    if (sent.length === 0) queueMicrotask(tell);
    sent.push({ txId: detail.task.txId, at: Date.now() });
  });
  // What the browser says of a database that it deleted comes in a task of its own.
  await new Promise((resolve) => setTimeout(resolve));
}

/** In the page: submits one by one or all at once, and reports each that is acknowledged. */
async function submitAll({ batch, lane, isSequential }) {
  const submitted = [];
  for (const { raw, txId } of batch) {
    const submission = cache.submit({ payload: raw, key: `entry/${txId}`, value: txId, lane });
    submitted.push(submission.then((task) => report({ acknowledged: [task.txId] })));
    if (isSequential) await submission;
  }
  await Promise.all(submitted);
}
