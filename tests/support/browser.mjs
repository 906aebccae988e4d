// Chromium with a profile on disk, driven by playwright-core, whose process can be killed like a crash would.

import { spawn } from "node:child_process";
import { mkdtemp, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";
const PLAIN_ARGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"].concat([
  "--password-store=basic",
  "--remote-debugging-port=0",
]);

/**
 * Starts Chromium on `profile` (a folder; see `temporaryProfile`).
 *
 * `pid` is the browser process. `kill()` ends it and all its children by SIGKILL, at once; `close()` ends it in order.
 */
export async function launch({ profile, headless = true, args = [], ...options }) {
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: EXECUTABLE,
    chromiumSandbox: false,
    headless,
    args: ["--disable-gpu", ...args],
    ...options,
  });
  const closed = new Promise((resolve) => context.once("close", resolve));
  const pid = await browserPid(profile);
  killAtExit(pid, closed);

  return {
    context,
    pid,
    async kill() {
      killGroup(pid);
      await closed;
    },
    async close() {
      await context.close().catch(() => killGroup(pid));
      await closed;
    },
  };
}

/**
 * Chromium without what playwright sets for tests: tabs behind another are hidden, and can be frozen, and the back/forward
 * cache is on. Otherwise every page counts as seen and in use.
 */
export async function launchPlain({ profile }) {
  const child = spawn(EXECUTABLE, [...PLAIN_ARGS, `--user-data-dir=${profile}`], {
    stdio: ["ignore", "ignore", "pipe"],
    detached: true,
  });
  const closed = new Promise((resolve) => child.once("exit", resolve));
  killAtExit(child.pid, closed);
  try {
    const url = await devToolsUrl(child);
    const browser = await chromium.connectOverCDP(url, { noDefaults: true });
    const close = async () => {
      const devTools = await browser.newBrowserCDPSession();
      await devTools.send("Browser.close").catch(() => killGroup(child.pid));
      await closed;
    };
    return { context: browser.contexts()[0], pid: child.pid, close };
  } catch (error) {
    killGroup(child.pid);
    throw error;
  }
}

/** Chromium prints the address that it bound. */
async function devToolsUrl(child) {
  let output = "";
  for await (const text of child.stderr.setEncoding("utf8")) {
    output += text;
    const [, url] = /DevTools listening on (ws:\S+)/.exec(output) ?? [];
    if (url !== undefined) return url;
  }
  throw new Error(`Chromium ended at start\n${output.slice(-2_000)}`);
}

function killAtExit(pid, closed) {
  const kill = () => killGroup(pid);
  process.once("exit", kill);
  closed.then(() => process.off("exit", kill));
}

/**
 * The process ids of the renderers of these pages, in their order. A trace names the process of every event, which is the one
 * place where the DevTools protocol tells it.
 */
export async function rendererPids(context, pages) {
  const devTools = await context.browser().newBrowserCDPSession();
  const pids = new Map();
  devTools.on("Tracing.dataCollected", ({ value }) => {
    for (const { name, pid } of value) pids.set(name, pid);
  });
  const complete = new Promise((resolve) => devTools.once("Tracing.tracingComplete", resolve));
  const traceConfig = { includedCategories: ["blink.user_timing"], excludedCategories: ["*"] };
  await devTools.send("Tracing.start", { transferMode: "ReportEvents", traceConfig });
  const mark = (page, i) => page.evaluate((name) => void performance.mark(name), `page ${i}`);
  await Promise.all(pages.map(mark));
  await devTools.send("Tracing.end");
  await complete;
  await devTools.detach();
  return pages.map((_, i) => pids.get(`page ${i}`));
}

/** A fresh profile folder, and how to remove it. */
export async function temporaryProfile() {
  const path = await mkdtemp(join(tmpdir(), "uplink-cache-profile-"));
  return {
    path,
    remove: () => rm(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }),
  };
}

/** Chromium names its process in the lock of the profile: `SingletonLock -> host-pid`. */
async function browserPid(profile) {
  const lock = await readlink(join(profile, "SingletonLock"));
  return Number(lock.slice(lock.lastIndexOf("-") + 1));
}

/** playwright starts the browser as the leader of a process group, which its renderers and helpers are in. */
function killGroup(pid) {
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}
