// `npm start`: builds the package, starts a chain, deploys the registry, serves the demo, and ends it all on Ctrl-C.
// PORT chooses the page's port; without it a free one is taken.

import { build } from "./build.mjs";
import { say, stopCommands } from "./lib.mjs";

let demo;
let isStopping = false;
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, stop);

try {
  const port = parsePort(process.env.PORT);
  await build();
  demo = await startDemo(port);
  if (isStopping) await demo.stop();
} catch (error) {
  // A command that was stopped rejects, which is what Ctrl-C asked for.
  if (!isStopping) {
    console.error(`\n${error.message}`);
    process.exitCode = 1;
  }
}

async function startDemo(port) {
  // These need the npm packages, which `build` installs where they are missing.
  const { startChain } = await import("./demo/chain.mjs");
  const { serveDemo } = await import("./demo/server.mjs");
  const { bundleViem } = await import("./demo/viem-bundle.mjs");

  say("demo: starting anvil, deploying the contracts");
  const viem = await bundleViem();
  const chain = await startChain();
  let server;
  try {
    server = await serveDemo({ chain, viem, port });
  } catch (error) {
    await chain.stop();
    if (error.code === "EADDRINUSE") {
      throw new Error(`port ${port} is taken: choose another with PORT, or none for a free one`);
    }
    throw error;
  }
  const { blockTimeSeconds, finalityDepth } = chain.config;
  console.log(`
  The guestbook is open:  ${server.url}
  Its chain is anvil at   ${chain.url}, a block every ${blockTimeSeconds} s, final ${finalityDepth} blocks later

  Ctrl-C ends both.
`);
  return {
    async stop() {
      await server.close();
      await chain.stop();
    },
  };
}

async function stop() {
  if (isStopping) return;
  isStopping = true;
  say("stopping");
  stopCommands();
  await demo?.stop();
}

function parsePort(text) {
  if (text === undefined || text === "") return 0;
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new Error(`PORT must be a whole number from 0 to 65535, not "${text}"`);
}
