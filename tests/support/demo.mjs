// `npm start`, as a process of its own.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const START = fileURLToPath(new URL("../../scripts/start.mjs", import.meta.url));

/** Starts the demo, and waits until it says where it is. */
export async function startDemo(t) {
  const child = spawn(process.execPath, [START], {
    env: { ...process.env, PORT: "" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  t.after(async () => {
    child.kill("SIGTERM");
    await ended;
  });
  let output = "";
  child.stdout.setEncoding("utf8");
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    output += chunk;
    const [url, chain] = output.match(/http:\/\/127\.0\.0\.1:\d+/g) ?? [];
    if (chain !== undefined) {
      child.stdout.resume();
      return { process: child, ended, url, chain };
    }
  }
  assert.fail(`npm start ended early:\n${output}`);
}
