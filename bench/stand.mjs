// What a run stands on: the site, a browser with a profile on disk, and samples of one page and one origin each.

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { launch, rendererPids, temporaryProfile } from "../tests/support/browser.mjs";
import { deadUrl, startChain } from "./chain.mjs";
import { ACCOUNT, CHAIN_ID } from "./payloads.mjs";
import { startSite } from "./site.mjs";

const ARGS = ["--js-flags=--expose-gc"];
/** What has no bound of its own in a browser that others slow down. */
const SAMPLE_TIMEOUT_MS = 300_000;

/** Everything is ended by `close`. */
export async function createStand({ columns }) {
  const profile = await temporaryProfile();
  const site = await startSite({ columns });
  const gatewayUrl = await deadUrl();
  let browser = await launch({ profile: profile.path, args: ARGS });
  let origins = 0;

  async function openPage(origin) {
    const page = await browser.context.newPage();
    await page.goto(site.urlOf(origin));
    return page;
  }

  /** Runs `call` of the page (`sample`, unless told otherwise) there. */
  async function callIn(page, { column, measure, options, call = "sample" }) {
    const base = {
      name: "bench",
      durability: "strict",
      gatewayUrl,
      deadUrl: gatewayUrl,
      account: ACCOUNT,
      chainId: CHAIN_ID,
    };
    const argument = { call, column, measure, options: { ...base, ...options } };
    const work = page.evaluate(({ call, ...rest }) => globalThis[call](rest), argument);
    let timer;
    const late = new Promise((_, reject) => {
      const fail = () => reject(new Error(`not done in ${SAMPLE_TIMEOUT_MS / 1000} s`));
      timer = setTimeout(fail, SAMPLE_TIMEOUT_MS);
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * A sample in a page of its own. Without `origin` it gets a fresh one, which is emptied afterwards. With `chain` (the options
   * of one) a chain runs meanwhile, which is the gateway.
   */
  async function sample({ origin = `sample-${origins++}`, keep = false, chain, ...call }) {
    const running = chain && (await startChain(chain));
    const options = { ...call.options, ...(running && { gatewayUrl: running.url }) };
    const page = await openPage(origin);
    try {
      return await callIn(page, { ...call, options });
    } finally {
      if (!keep) await clear(page);
      await page.close();
      await running?.close();
    }
  }

  /** A chain, and an open page that uses it, for what takes several calls. */
  async function withChain(work) {
    const chain = await startChain();
    const page = await openPage(`sample-${origins++}`);
    const call = (what) =>
      callIn(page, { ...what, options: { ...what.options, gatewayUrl: chain.url } });
    try {
      return await work({ chain, page, call });
    } finally {
      await clear(page);
      await page.close();
      await chain.close();
    }
  }

  /** What the process of an open page has of its own, in KiB. Linux tells. */
  async function memoryKib({ origin, ...call }) {
    const page = await openPage(origin);
    try {
      await callIn(page, { ...call, measure: "hold" });
      const [pid] = await rendererPids(browser.context, [page]);
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)[1]);
    } finally {
      await page.close();
    }
  }

  /** The store is left before it is removed: it could not be removed while it is open. */
  async function clear(page) {
    const origin = new URL(page.url()).origin;
    await page.goto("about:blank");
    const devTools = await browser.context.newCDPSession(page);
    await devTools.send("Storage.clearDataForOrigin", { origin, storageTypes: "all" });
  }

  return {
    sample,
    withChain,
    memoryKib,
    version: () => browser.context.browser().version(),
    /** The browser started anew on the same profile, and its storage service woken. */
    async restart() {
      await browser.close();
      browser = await launch({ profile: profile.path, args: ARGS });
      await sample({ column: "hand-single", measure: "prepare", options: { filled: 10 } });
    },
    /** The bytes of an origin's databases on disk. */
    diskBytes(origin) {
      const folder = join(profile.path, "Default/IndexedDB");
      const names = readdirSync(folder).filter((name) =>
        name.startsWith(`http_${origin}.localhost_`),
      );
      return names.reduce((total, name) => total + bytesBelow(join(folder, name)), 0);
    },
    async close() {
      await browser.close();
      await profile.remove();
      await site.close();
    },
  };
}

function bytesBelow(path) {
  const info = statSync(path);
  if (!info.isDirectory()) return info.size;
  return readdirSync(path).reduce((total, name) => total + bytesBelow(join(path, name)), 0);
}
