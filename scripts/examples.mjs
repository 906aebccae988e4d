// Packs the package, and installs, builds and loads each example with it: `npm run examples`, or some: `npm run examples -- plain`.

import { build } from "./build.mjs";
import { main, say } from "./lib.mjs";
import { setup } from "./setup.mjs";

await main(import.meta, async (names) => {
  await setup(["npm", "chromium"]);
  await build();
  // These need the npm packages.
  const { createStand } = await import("../tests/support/packed.mjs");
  const { EXAMPLES } = await import("../tests/examples/smoke.mjs");
  const unknown = names.filter((name) => !(name in EXAMPLES));
  if (unknown.length > 0) throw new Error(`no such example: ${unknown.join(", ")}`);
  const chosen = names.length > 0 ? names : Object.keys(EXAMPLES);
  const stand = await createStand();
  let failed = 0;
  try {
    for (const name of chosen) {
      say(`examples: ${name}`);
      await EXAMPLES[name](stand).catch((error) => {
        failed += 1;
        console.error(`${name}: ${error.stack}`);
      });
    }
  } finally {
    await stand.close();
  }
  console.log(`${chosen.length - failed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
});
