// Starts a real local chain: the anvil binary from npm, on loopback, ended by its process id.

import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 5_000;
const BINARY_ARCH = { x64: "amd64", arm64: "arm64" };

/**
 * Starts anvil and resolves when it answers `eth_chainId`.
 *
 * Without `blockTime` (seconds) no block is mined until `anvil_mine` asks for one. With `forkUrl` it is a node that knows
 * another's chain up to the block that is its head now, and nothing that comes after: a replica that lags.
 */
export async function startAnvil({
  blockTime,
  slotsInEpoch = 4,
  port = 0,
  chainId = 31337,
  timestamp,
  forkUrl,
} = {}) {
  const args = ["--host", "127.0.0.1", "--chain-id", `${chainId}`];
  args.push("--slots-in-an-epoch", `${slotsInEpoch}`);
  args.push(...(blockTime === undefined ? ["--no-mining"] : ["--block-time", `${blockTime}`]));
  if (timestamp !== undefined) args.push("--timestamp", `${timestamp}`);
  if (forkUrl !== undefined) args.push("--fork-url", forkUrl, "--no-storage-caching");
  args.push("--port", `${port}`);

  const child = spawn(anvilBinary(), args, { stdio: ["ignore", "pipe", "pipe"] });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  const killAtExit = () => child.kill("SIGKILL");
  process.once("exit", killAtExit);
  exited.then(() => process.off("exit", killAtExit));

  async function stop() {
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    child.kill("SIGTERM");
    await exited;
    clearTimeout(timer);
  }

  try {
    const boundPort = await listeningPort(child);
    const url = `http://127.0.0.1:${boundPort}`;
    const rpc = (method, params = []) => jsonRpc(url, method, params);
    await rpc("eth_chainId");
    return { url, port: boundPort, pid: child.pid, rpc, stop };
  } catch (error) {
    if (child.pid !== undefined) await stop();
    throw error;
  }
}

/** One JSON-RPC request; an error reply is thrown with its `code` and `data`. */
export async function jsonRpc(url, method, params = []) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  const reply = await response.json();
  if (reply.error) {
    const { code, message, data } = reply.error;
    throw Object.assign(new Error(`${method}: ${message} (${code})`), { code, data });
  }
  return reply.result;
}

/** The path of the anvil binary itself, so that the process id held is the server's, not a launcher's. */
function anvilBinary() {
  const name = `@foundry-rs/anvil-${process.platform}-${BINARY_ARCH[process.arch]}`;
  const here = createRequire(import.meta.url);
  const fromLauncher = createRequire(here.resolve("@foundry-rs/anvil/package.json"));
  const folder = dirname(fromLauncher.resolve(`${name}/package.json`));
  return join(folder, "bin", process.platform === "win32" ? "anvil.exe" : "anvil");
}

/** anvil prints the port it bound, which is how port 0 gives a free one without a race. */
function listeningPort(child) {
  return new Promise((resolve, reject) => {
    let output = "";
    const fail = (why) => finish(reject, new Error(`anvil ${why}\n${output.slice(-2_000)}`));
    const timer = setTimeout(() => fail("did not start in time"), START_TIMEOUT_MS);
    const onExit = (code, signal) => fail(`ended at start (${signal ?? code})`);
    const onError = (error) => fail(`could not be started: ${error.message}`);
    const onOutput = (text) => {
      output += text;
      const match = /Listening on [^\s:]+:(\d+)/.exec(output);
      if (match) finish(resolve, Number(match[1]));
    };
    function finish(settle, result) {
      clearTimeout(timer);
      child.off("exit", onExit).off("error", onError);
      // anvil logs every request, and would block on a pipe that nobody reads.
      for (const stream of [child.stdout, child.stderr]) stream.off("data", onOutput).resume();
      settle(result);
    }
    child.once("exit", onExit).once("error", onError);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", onOutput);
    }
  });
}
