// Lives through the simulator's seeds: `npm run simulate`. SEEDS=n says how many, from FIRST=n on; SEED=n replays one with a
// trace; ALL=1 goes on behind a seed that fails; CLIMATE=name makes every world one of those that climate.rs names.
import { stripVTControlCharacters } from "node:util";
import { main, run } from "./lib.mjs";
import { setup } from "./setup.mjs";

const TEST = ["--locked", "--profile=simulation", "--test", "simulation"];

await main(import.meta, async () => {
  await setup(["rust"]);
  const args = ["test", ...TEST, "--", "--exact", "harness::seeds", "--nocapture"];
  const output = await run("cargo", args).catch((error) => {
    if (error.output === undefined) throw error;
    return error.output;
  });
  const { passed, failed } = countSeeds(stripVTControlCharacters(output));
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0 || passed === 0) process.exitCode = 1;
});

/** Seeds, not tests. What did not get to count them has failed as a whole. */
function countSeeds(output) {
  const counted = output.match(/^(\d+) seeds \((\d+) failed\), /m);
  if (counted === null) return { passed: 0, failed: 1 };
  const [all, failed] = [Number(counted[1]), Number(counted[2])];
  return { passed: all - failed, failed };
}
