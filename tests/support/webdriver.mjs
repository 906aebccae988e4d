// A browser of any engine, by the driver that its makers ship: the few commands of W3C WebDriver that tests need, on fetch.

import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { close, listen } from "./server.mjs";

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 10_000;
const SCRIPT_TIMEOUT_MS = 50_000;
const LOOK_MS = 50;

/** How each engine's driver is started, and what it is told of its browser. */
const ENGINES = {
  chromium: {
    driver: (port) => [process.env.CHROMEDRIVER ?? "chromedriver", [`--port=${port}`]],
    capabilities: {
      "goog:chromeOptions": {
        binary: process.env.CHROMIUM ?? "/usr/bin/chromium",
        args: ["--headless=new", "--no-sandbox", "--disable-gpu"],
      },
    },
  },
  firefox: {
    // Port 0 for what would else be everybody's 9222.
    driver: (port) => ["geckodriver", [`--port=${port}`, "--websocket-port=0"]],
    capabilities: { "moz:firefoxOptions": { args: ["-headless"] } },
  },
  webkit: {
    driver: (port) => ["WebKitWebDriver", [`--port=${port}`, "--host=127.0.0.1"]],
    capabilities: {},
  },
};
export const engines = Object.keys(ENGINES);

/**
 * Starts a browser with a profile of its own that ends with it. `openPage(url)` opens a tab; `close()` ends browser and driver.
 *
 * The driver takes one command at a time: what a page shall wait for while another acts, it must be told to begin first.
 */
export async function startBrowser(engine) {
  const { driver, capabilities } = ENGINES[engine];
  const port = await freePort();
  const child = startDriver(...driver(port));
  const send = async (method, path, body) =>
    command(`http://127.0.0.1:${port}${path}`, method, body);
  try {
    await untilReady(send, child);
    const { sessionId } = await send("POST", "/session", {
      capabilities: { alwaysMatch: capabilities },
    });
    const inSession = (method, path, body) => send(method, `/session/${sessionId}${path}`, body);
    await inSession("POST", "/timeouts", { script: SCRIPT_TIMEOUT_MS });
    const firstWindow = await inSession("GET", "/window");
    return {
      openPage: pages(inSession, firstWindow),
      async close() {
        await inSession("DELETE", "").catch(() => undefined);
        await child.stop();
      },
    };
  } catch (error) {
    await child.stop();
    throw Object.assign(error, { message: `${error.message}\n${child.output()}` });
  }
}

/** What opens tabs in a session, from its first window, which stays. Each is switched to before each of its commands. */
function pages(inSession, firstWindow) {
  let last = Promise.resolve();
  const inTurn = (work) => {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
  };

  return async function openPage(url) {
    const { handle } = await inTurn(async () => {
      await inSession("POST", "/window", { handle: firstWindow });
      return inSession("POST", "/window/new", { type: "tab" });
    });
    const inPage = (method, path, body) =>
      inTurn(async () => {
        await inSession("POST", "/window", { handle });
        return inSession(method, path, body);
      });
    await inPage("POST", "/url", { url });
    return {
      goto: (to) => inPage("POST", "/url", { url: to }),
      reload: () => inPage("POST", "/refresh", {}),
      close: () => inPage("DELETE", "/window"),
      /**
       * Calls a function in the page, and gives what it returns or resolves with. What shall last is kept on `window`: in
       * Firefox each script has a `globalThis` of its own.
       */
      async evaluate(work, argument) {
        const body = { script: callOf(work), args: argument === undefined ? [] : [argument] };
        const { value, error } = await inPage("POST", "/execute/async", body);
        if (error !== undefined) throw new Error(`in the page: ${error}`);
        return value;
      },
    };
  };
}

/** The body of an asynchronous script: its last argument takes the answer. */
function callOf(work) {
  return `
    const done = arguments[arguments.length - 1];
    const argument = arguments.length > 1 ? arguments[0] : undefined;
    Promise.resolve()
      .then(() => (${work})(argument))
      .then((value) => done({ value }), (error) => done({ error: String(error?.stack ?? error) + " " + error }));
  `;
}

async function command(url, method, body) {
  const answer = await fetch(url, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });
  const { value } = await answer.json();
  if (answer.ok) return value;
  throw new Error(`${method} ${new URL(url).pathname}: ${value.error}: ${value.message}`);
}

/** The driver leads a process group, which the browser is in unless it leaves it: what is left of it can be ended. */
function startDriver(program, args) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], detached: true });
  let output = "";
  let failure;
  const ended = new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve(`${program} ended (${signal ?? code})`));
    child.once("error", (error) => resolve(`${program} could not be started: ${error.message}`));
  });
  ended.then((why) => {
    failure = why;
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      output = (output + text).slice(-4_000);
    });
  }
  const killAtExit = () => killGroup(child.pid);
  process.once("exit", killAtExit);
  return {
    output: () => output,
    failure: () => failure,
    async stop() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
      await ended;
      clearTimeout(timer);
      process.off("exit", killAtExit);
      killGroup(child.pid);
    },
  };
}

function killGroup(pid) {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

/** A driver says nothing that all have in common when it listens: it is asked. */
async function untilReady(send, child) {
  const until = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < until) {
    if (child.failure() !== undefined) throw new Error(child.failure());
    const status = await send("GET", "/status").catch(() => undefined);
    if (status?.ready) return;
    await delay(LOOK_MS);
  }
  throw new Error("the driver was not ready in time");
}

async function freePort() {
  const server = createServer();
  const port = await listen(server);
  await close(server);
  return port;
}
