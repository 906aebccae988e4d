// A copy of the core and its simulator that is changed before it is built.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { filesBelow, root, run, say } from "./lib.mjs";

const COPIED = ["Cargo.toml", "Cargo.lock", "src", "tests/simulation"];
/**
 * Builds the copy of this name: `change` gets its sources, a map from path to text. Gives the simulator's path. What did not change
 * is not touched, so that it is not built again.
 */
export async function buildCopy(name, change) {
  const began = performance.now();
  const folder = resolve(root, "target", name);
  const copy = join(folder, "crate");
  const files = COPIED.flatMap((path) => filesBelow(join(root, path)));
  const sources = new Map(files.map((path) => [relative(root, path), readFileSync(path, "utf8")]));
  change(sources);
  write(copy, sources);
  const args = ["test", "--locked", "--profile=simulation", "--test", "simulation", "--no-run"];
  // Of its own: to cargo every copy is the same crate.
  const env = { CARGO_TARGET_DIR: join(folder, "target") };
  const output = await run("cargo", [...args, "--message-format=json-render-diagnostics"], {
    cwd: copy,
    env,
    quiet: true,
  }).catch((error) => {
    // Cargo's own messages are for this script alone.
    const said = (error.output ?? error.message)
      .split("\n")
      .filter((line) => !line.startsWith("{"));
    throw new Error(`the copy cannot be built\n${said.join("\n")}`);
  });
  const messages = output.split("\n").filter((line) => line.startsWith("{"));
  const built = messages.map((line) => JSON.parse(line));
  const simulator = built.find(
    ({ executable, target }) => executable && target.name === "simulation",
  );
  say(`${name}: built in ${((performance.now() - began) / 1000).toFixed(0)} s`);
  return simulator.executable;
}

function write(copy, sources) {
  for (const path of COPIED.flatMap((path) => filesBelow(join(copy, path)))) {
    if (!sources.has(relative(copy, path))) rmSync(path);
  }
  for (const [name, text] of sources) {
    const path = join(copy, name);
    if (existsSync(path) && readFileSync(path, "utf8") === text) continue;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}

/** Lives through so many seeds, until one finds something. */
export async function live(simulator, env, seeds, first = 0) {
  const args = ["--exact", "harness::seeds", "--nocapture"];
  const all = { CLIMATE: "", ...env, FIRST: `${first}`, SEEDS: `${seeds}`, SEED: "", ALL: "" };
  const output = await run(simulator, args, { env: all, quiet: true }).catch((error) => {
    if (error.output === undefined) throw error;
    return error.output;
  });
  const found = output.match(/^seed (\d+) breaks promise (\d+): (.*)$/m);
  return {
    seeds: Number(output.match(/^(\d+) seeds /m)?.[1]),
    violation:
      found === null
        ? undefined
        : { seed: Number(found[1]), promise: Number(found[2]), what: found[3] },
    output,
  };
}

/** The one match of a pattern; anything else says that the list of changes is not true any more. */
export function only(text, pattern, name) {
  const matches = [...text.matchAll(pattern)];
  if (matches.length !== 1) {
    throw new Error(`${name}: what it changes is there ${matches.length} times, not once`);
  }
  const [match] = matches;
  const spot = match.indices?.groups?.spot;
  return { start: match.index, end: match.index + match[0].length, spot };
}
