// What tests of the packed tarball stand on: one tarball, one chain, one browser, and projects made from committed manifests.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startAnvil } from "./anvil.mjs";
import { launch, temporaryProfile } from "./browser.mjs";
import { startGateway } from "./gateway.mjs";
import { createWallet } from "./wallet.mjs";

const execute = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const SLOTS_IN_EPOCH = 2;
const BLOCKS_TO_FINAL = 2 * SLOTS_IN_EPOCH;
const WAIT_MS = 30_000;
const ETHER_HEX = "0xde0b6b3a7640000";
const QUIET = { NEXT_TELEMETRY_DISABLED: "1", NO_COLOR: "1", CI: "1" };

/** Starts it. `close()` ends and removes everything, the last first. */
export async function createStand() {
  const steps = [];
  const onEnd = (step) => steps.push(step);
  async function close() {
    for (const step of steps.reverse()) await step();
  }
  try {
    const folder = await mkdtemp(join(tmpdir(), "uplink-cache-package-"));
    onEnd(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
    const tarball = await pack(folder);
    const chain = await startAnvil({ slotsInEpoch: SLOTS_IN_EPOCH });
    onEnd(chain.stop);
    const gateway = await startGateway({ upstream: chain.url });
    onEnd(gateway.close);
    const profile = await temporaryProfile();
    onEnd(profile.remove);
    const browser = await launch({ profile: profile.path });
    onEnd(browser.close);
    const world = { chain, gateway, context: browser.context, nextAccount: 0 };
    return {
      ...{ chain, gateway, tarball, context: browser.context, close, onEnd },
      install: (source) => install(source, folder, tarball),
      mine: (blocks = 1) => mine(world, blocks),
      fund: (address) => fund(world, address),
      fundedWallet: () => fundedWallet(world),
      sign: () => signTransaction(world),
      visit: (url, setup) => visit(world, url, setup),
      settle: (...txIds) => settle(world, txIds),
      seesItsWrite: (url) => seesItsWrite(world, url),
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Runs a program of an installed project, a path below node_modules, to its end, and gives what it printed. */
export async function runIn(project, program, ...args) {
  const options = { cwd: project, env: { ...process.env, ...QUIET } };
  const command = [join("node_modules", program), ...args];
  const { stdout } = await execute("node", command, options).catch((error) =>
    assert.fail(`${error.message}\n${error.stdout}`),
  );
  return stdout;
}

/** Starts such a program that serves, and resolves once it prints its address. */
export async function serveBy(project, program, ...args) {
  // It leads a process group, so that what it starts itself ends with it.
  const child = spawn("node", [join("node_modules", program), ...args], {
    cwd: project,
    env: { ...process.env, ...QUIET },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const exited = new Promise((done) => child.once("close", done));
  const kill = () => killGroup(child.pid);
  process.once("exit", kill);
  async function stop() {
    kill();
    await exited;
    process.off("exit", kill);
  }
  try {
    return { url: await addressIn(child, program), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function pack(folder) {
  const args = ["pack", "--ignore-scripts", "--json", "--pack-destination", folder];
  const { stdout } = await execute("npm", args, { cwd: root });
  return join(folder, /"filename": "(.+\.tgz)"/.exec(stdout)[1]);
}

/** A copy of a project, with exactly what its lock file says, and the tarball. */
async function install(source, folder, tarball) {
  const project = await mkdtemp(join(folder, "project-"));
  const isSource = (path) => !/[/\\](node_modules|dist)$/.test(path);
  await cp(resolve(root, source), project, { recursive: true, filter: isSource });
  await cp(tarball, join(project, "uplink-cache.tgz"));
  const args = ["ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"];
  await execute("npm", args, { cwd: project });
  return project;
}

/** An account for each who asks: what one leaves undone holds up no other. */
async function fundedWallet(world) {
  const wallet = createWallet({ index: world.nextAccount++ });
  await fund(world, wallet.address);
  return wallet;
}

function fund({ chain }, address) {
  return chain.rpc("anvil_setBalance", [address, ETHER_HEX]);
}

async function signTransaction(world) {
  const wallet = await fundedWallet(world);
  return wallet.sign({ text: "hi" });
}

/** A page of an address, whose hash tells it what it needs, if that is given. `close()` fails where the page had something to complain about. */
async function visit({ context, gateway }, url, setup) {
  const page = await context.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(`${error}`));
  page.on("console", (message) => {
    const { url } = message.location();
    // The browser asks for that one by itself.
    if (message.type() !== "error" || url.endsWith("/favicon.ico")) return;
    complaints.push(`${message.text()} ${url}`);
  });
  const hash =
    setup && `#${encodeURIComponent(JSON.stringify({ gateway: gateway.url, ...setup }))}`;
  await page.goto(url + (hash ?? ""));
  return {
    page,
    complaints,
    /** What the page shows of this, or of the error that came instead. */
    async shows(what) {
      const output = page.locator(`output[data-what=${what}], output[data-what=error]`).last();
      await output.waitFor({ timeout: WAIT_MS, state: "attached" }).catch((error) => {
        assert.fail(`the page shows no ${what}: ${complaints.join("; ") || error.message}`);
      });
      const content = JSON.parse(await output.textContent());
      return (await output.getAttribute("data-what")) === what ? content : { error: content };
    },
    async close() {
      await page.close();
      assert.deepEqual(complaints, [], "the page complains of nothing");
    },
  };
}

/** Mines once the chain has all these transactions, until they are final. */
async function settle(world, txIds) {
  for (const txId of txIds) await untilAccepted(world, txId);
  await mine(world, 1 + BLOCKS_TO_FINAL);
}

function mine({ chain }, blocks) {
  return chain.rpc("anvil_mine", [`0x${blocks.toString(16)}`]);
}

function untilAccepted({ gateway }, txId) {
  return gateway.until(
    () => gateway.sends(txId).some(({ reply }) => reply?.result === txId),
    `the chain accepts ${txId}`,
  );
}

/** The page at this address submits, reads that at once from the backup, and sees it included and final. */
async function seesItsWrite(world, url) {
  const { raw, txId } = await signTransaction(world);
  const visited = await visit(world, url, { payload: raw });
  const submitted = await visited.shows("submitted");
  assert.equal(submitted.error, undefined, JSON.stringify(submitted.error));
  assert.deepEqual([submitted.value, submitted.source], [{ text: "hi" }, "backup"]);
  await untilAccepted(world, txId);
  await mine(world, 1);
  const included = await visited.shows("included");
  assert.deepEqual([included.status, included.txId], ["included", txId]);
  await mine(world, BLOCKS_TO_FINAL);
  const settled = await visited.shows("settled");
  assert.deepEqual([settled.status, settled.txId], ["final", txId]);
  await visited.close();
}

function addressIn(child, program) {
  return new Promise((done, fail) => {
    let output = "";
    const take = (text) => {
      output += text;
      const match = /http:\/\/(?:127\.0\.0\.1|localhost):\d+/.exec(output);
      if (match) done(match[0]);
    };
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", take);
    child.once("error", fail);
    child.once("close", (code) => fail(new Error(`${program} ended (${code})\n${output}`)));
  });
}

function killGroup(pid) {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}
