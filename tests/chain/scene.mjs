// One chain, the proxy before it, and a page with an open cache that is watched from its first moment: what a row acts on.

import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { BLOCKS_TO_FINAL, createWorld } from "../e2e/fixture.mjs";
import { startAnvil } from "../support/anvil.mjs";
import { isSend, method, startGateway } from "../support/gateway.mjs";
import { createWallet } from "../support/wallet.mjs";

/** How long a row waits for anything, in milliseconds: what comes later comes too late. */
const PATIENCE_MS = 20_000;
/** For how many blocks it waits at the most, where they are mined one by one. */
const PATIENCE_BLOCKS = 20;
const POLL_MS = 25;
/** Many times as long as the looks at the head are apart. */
const QUIET_MS = 500;
const RICH = "0x8ac7230489e80000";

/** Requests by what they ask, for faults. */
export const ask = {
  send: (call) => isSend(call.method),
  chainId: method("eth_chainId"),
  head: tagged("latest"),
  final: (call) => tagged("finalized")(call) || tagged("safe")(call),
  receipt: method("eth_getTransactionReceipt"),
  look: method("eth_getTransactionByHash"),
  anything: () => true,
};

/** A part of the calls that match, drawn the same way in every run. */
export function atRandom(matches, share) {
  let state = 1;
  return (call) => {
    if (!matches(call)) return false;
    state = (state * 48_271) % 0x7fffffff;
    return state / 0x7fffffff < share;
  };
}

function tagged(tag) {
  return (call) => call.method === "eth_getBlockByNumber" && call.params[0] === tag;
}

/**
 * Starts the chain, the proxies before it and the page, and opens the cache.
 *
 * `gateways`: how many proxies, the first of which is `proxy`; `gateway`: options of `evm`, `open` further ones of
 * `openCache`; `clock` gives the page a clock that `fastForward` turns; `replica` starts a node that knows the chain as it
 * is at the beginning, and nothing later; `prepare(proxy, chain)` comes before the page.
 */
export async function createScene(
  t,
  { browser, chainId, gateways = 1, gateway, open, clock = false, replica = false, prepare },
) {
  const { gateway: proxy, ...world } = await createWorld(t, { browser, anvilChainId: chainId });
  const { chain, onEnd } = world;
  const proxies = [proxy];
  while (proxies.length < gateways) {
    const another = await startGateway({ upstream: chain.url });
    onEnd(another.close);
    proxies.push(another);
  }
  const scene = { ...world, proxy, proxies };
  if (replica) {
    scene.replica = await startAnvil({ slotsInEpoch: 2, forkUrl: chain.url });
    onEnd(scene.replica.stop);
  }
  await prepare?.(proxy, chain);
  const urls = proxies.map(({ url }) => url);
  const options = world.options({ gateway: { urls, pollMs: POLL_MS, ...gateway }, ...open });
  scene.openWatchedPage = () => watchedPage(world, { options, clock });
  return new Scene({ ...scene, options, page: await scene.openWatchedPage() });
}

/** A page whose cache is open, and that writes down what tasks go through. */
async function watchedPage(world, { options, clock }) {
  const page = await world.openPage({ clock });
  await page.evaluate(async (options) => {
    const seen = new Map();
    const note = (id) => {
      if (!seen.has(id)) seen.set(id, { path: [], hidden: [], submitted: undefined });
      return seen.get(id);
    };
    globalThis.reorgs = [];
    globalThis.note = note;
    globalThis.look = () => {
      for (const task of cache.tasks()) {
        note(task.id).last = task;
        const { path, hidden, submitted } = note(task.id);
        if (path.at(-1) !== task.status) path.push(task.status);
        const isThere = submitted === undefined || cache.peek(task.key)?.value === submitted;
        const mayHide = task.status === "failed" || task.reverted || task.replacedBy;
        if (!isThere && !mayHide) hidden.push(task.status);
      }
    };
    // A cleaning takes a final task out of the backup at a moment of its own: then it is as it was last seen. No other may go.
    globalThis.taskOf = (id) => {
      const { last } = note(id);
      return cache.task(id) ?? (last?.status === "final" ? last : undefined);
    };
    await uplink.start(options);
    cache.addEventListener("reorg", ({ detail }) => reorgs.push(detail));
    for (const type of ["status", "reorg", "head"]) cache.addEventListener(type, look);
  }, options);
  return page;
}

class Scene {
  #submitted = [];
  #everSubmitted = new Map();
  #entries = 0;

  constructor(parts) {
    Object.assign(this, parts);
  }

  /** The same scene for the next row, with an account of its own. */
  async withAccount(index) {
    this.wallet = createWallet({ index });
    this.#submitted = [];
    await this.chain.rpc("anvil_setBalance", [this.wallet.address, RICH]);
    return this;
  }

  /** Signs a transaction and submits it, with a value of its own, in the lane of its account. */
  async submit(fields = {}, options = {}) {
    this.#entries += 1;
    const value = `${this.wallet.address} ${this.#entries}`;
    const signed = fields.raw ? fields : await this.wallet.sign({ text: value, ...fields });
    const submission = {
      payload: signed.raw,
      key: `entry/${value}`,
      value,
      lane: this.wallet.address,
    };
    const submittedAt = Date.now();
    const id = await this.page.evaluate(
      async (submission) => {
        const task = await cache.submit(submission);
        note(task.id).submitted = submission.value;
        look();
        return task.id;
      },
      { ...submission, ...options },
    );
    const task = { ...signed, id, key: submission.key, value, submittedAt };
    this.#submitted.push(task);
    this.#everSubmitted.set(task.raw, task.submittedAt);
    return task;
  }

  /** Waits until the task has one of these statuses. */
  until(task, ...statuses) {
    return this.#within(
      this.page.evaluate(
        ({ id, statuses }) => uplink.when(() => statuses.includes(taskOf(id)?.status)),
        { id: task.id, statuses },
      ),
      `the task is ${statuses.join(" or ")}`,
      task,
    );
  }

  /** Waits until the task is in this block. */
  untilBlock(task, hash) {
    return this.#within(
      this.page.evaluate(({ id, hash }) => uplink.when(() => taskOf(id)?.block?.hash === hash), {
        id: task.id,
        hash,
      }),
      `it is in block ${hash}`,
      task,
    );
  }

  /** Waits until the task is in a block without effect. */
  untilReverted(task) {
    return this.#within(
      this.page.evaluate((id) => uplink.when(() => taskOf(id)?.reverted), task.id),
      "it is reverted",
      task,
    );
  }

  /** The user leaves. */
  async closePage() {
    await this.page.evaluate(() => cache.close());
    await this.page.close();
  }

  /** The user is back. */
  async reopenPage() {
    this.page = await this.openWatchedPage();
    for (const { id, value } of this.#submitted) {
      await this.page.evaluate(
        ({ id, value }) => {
          note(id).submitted = value;
          look();
        },
        { id, value },
      );
    }
  }

  /** Waits until the cache knows a head that is this high. */
  async untilHead(number) {
    await this.#within(
      this.page.evaluate(
        (number) => uplink.when(() => cache.stats().head?.number >= number),
        number,
      ),
      `the head is ${number}`,
    );
  }

  /** Mines block by block, each of which the cache sees, until the task has one of these statuses. */
  async mineUntil(task, ...statuses) {
    for (let i = 0; i < PATIENCE_BLOCKS; i++) {
      await this.mine();
      const number = await this.height();
      const seen = this.page.evaluate(
        ({ id, number, statuses }) => {
          const isReached = () => statuses.includes(taskOf(id).status);
          return uplink.when(() => cache.stats().head?.number >= number || isReached());
        },
        { id: task.id, number, statuses },
      );
      await this.#within(seen, `the head is ${number}, or the task is ${statuses}`, task);
      await this.idle();
      if (statuses.includes((await this.describe(task)).status)) return;
    }
    throw await this.#tellLate(`the task is ${statuses}`, task);
  }

  /** Waits until the cache has told of a reorg. */
  untilReorg() {
    return this.#within(
      this.page.evaluate(() => uplink.when(() => reorgs.length > 0)),
      "a reorg is told",
    );
  }

  /** Waits until the proxy has seen so many calls of a kind. */
  untilAsked(matches, count, what = "it is asked") {
    return this.proxy.until(() => this.asked(matches).length >= count, what, {
      timeoutMs: PATIENCE_MS,
    });
  }

  asked(matches) {
    return this.proxy.log.filter(matches);
  }

  sends(task) {
    return this.proxy.sends(task.txId);
  }

  /** The chain has taken it into its pool so many times. */
  untilPooled(task, times = 1) {
    const taken = (call) => call.reply?.result === task.txId;
    return this.proxy.until(
      () => this.sends(task).filter(taken).length >= times,
      `the chain has taken it ${times} times`,
      { timeoutMs: PATIENCE_MS },
    );
  }

  mine(blocks = 1) {
    return this.chain.rpc("anvil_mine", [`0x${blocks.toString(16)}`]);
  }

  async height() {
    return Number(await this.chain.rpc("eth_blockNumber"));
  }

  /** Mines one block, and waits until the cache has the task in it. */
  async include(task) {
    await this.until(task, "sent");
    await this.mine();
    await this.until(task, "included");
  }

  /** Mines what it takes until the task is settled, and says how. `depth`: blocks on top of its own. */
  async settle(task, { depth = BLOCKS_TO_FINAL } = {}) {
    await this.until(task, "sent", "included", "final", "failed");
    if ((await this.describe(task)).status === "sent") await this.include(task);
    await this.mine(depth);
    await this.until(task, "final", "failed");
    return this.report(task);
  }

  retry(task) {
    return this.page.evaluate((id) => cache.retry(id), task.id);
  }

  /** Speeds the task up with this transaction, signed by `wallet.sign`. */
  async replace(task, { raw }) {
    this.#everSubmitted.set(raw, Date.now());
    await this.page.evaluate(({ id, raw }) => cache.replace(id, raw), { id: task.id, raw });
  }

  /** Cancels the task by this transaction. */
  async cancel(task, { raw }) {
    this.#everSubmitted.set(raw, Date.now());
    await this.page.evaluate(({ id, payload }) => cache.cancel(id, { payload }), {
      id: task.id,
      payload: raw,
    });
  }

  describe(task) {
    return this.page.evaluate((id) => uplink.describe(taskOf(id)), task.id);
  }

  /** Turns the page's clock on. */
  fastForward(milliseconds) {
    return this.page.clock.fastForward(milliseconds);
  }

  /** Waits until every request that the proxies have seen is answered, and the answers lead to none. */
  async idle() {
    const asked = () => this.asked(() => true).length;
    for (let before = -1; before !== asked(); ) {
      before = asked();
      // What the page is about to ask comes before its answer to this.
      await this.page.evaluate(() => fetch("/"));
      for (const proxy of this.proxies) await proxy.untilIdle();
    }
  }

  /** Waits until a while passes without such a call. */
  async untilQuiet(matches) {
    for (let before = -1; before !== this.asked(matches).length; await delay(QUIET_MS)) {
      before = this.asked(matches).length;
    }
  }

  /** Where the task stands, what it went through, and what the gateway saw of it. */
  async report(task) {
    const seen = await this.page.evaluate((id) => {
      look();
      const { path, hidden, submitted } = note(id);
      const { txId, key, status, reason, cause, replacedBy, block, reverted } = taskOf(id);
      const isVisible = submitted !== undefined && cache.peek(key)?.value === submitted;
      return {
        txId,
        replacedBy,
        status,
        reason,
        cause,
        block,
        reverted,
        path,
        hidden,
        isVisible,
        reorgs,
      };
    }, task.id);
    const sends = this.sends(task);
    const looks = this.asked(ask.look).filter((call) => call.params[0] === task.txId);
    const isBeforeSecond = (call) => sends.length > 1 && call.sequence < sends[1].sequence;
    return {
      ...seen,
      sends: sends.length,
      looks: looks.length,
      looksBeforeSecondSend: looks.filter(isBeforeSecond).length,
    };
  }

  /**
   * What holds whatever the row does: nothing is sent but what was submitted, byte by byte, and not before (promises 2 and
   * 3); a value is only out of sight where its transaction failed or reverted (4 and 7).
   */
  async checkAlways() {
    for (const call of this.proxies.flatMap((proxy) => proxy.sends())) {
      const submittedAt = this.#everSubmitted.get(call.params[0]);
      assert.ok(submittedAt !== undefined, "promise 3: only the bytes that were submitted");
      assert.ok(call.at >= submittedAt, "promise 2: nothing is sent before it is submitted");
    }
    for (const task of this.#submitted) {
      const { hidden, path } = await this.report(task);
      const what = `promise 4: the value is visible until it fails; it went ${path.join(", ")}`;
      assert.deepEqual(hidden, [], what);
    }
  }

  /** The promise's result, or an error that says what was waited for and what was there instead. */
  async #within(promise, what, task) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => this.#tellLate(what, task).then(reject), PATIENCE_MS);
    });
    promise.catch(() => undefined);
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #tellLate(what, task) {
    const report = task && (await this.report(task).catch(String));
    const stats = await this.page.evaluate(() => cache.stats()).catch(String);
    const calls = this.proxy.log.map(({ method, params, fault = "", reply, told = reply }) => {
      const said = JSON.stringify(told?.result ?? told?.error);
      return `${method} ${JSON.stringify(params).slice(0, 80)} ${fault} -> ${said?.slice(0, 80)}`;
    });
    const news = calls.filter((call, i) => !calls.slice(Math.max(0, i - 4), i).includes(call));
    return new Error(
      `waited in vain until ${what}: ${JSON.stringify(report)}\n${JSON.stringify(stats)}\n${news.slice(-40).join("\n")}`,
    );
  }
}
