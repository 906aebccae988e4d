// Runs every test: `npm test`, or some stages: `npm test -- native browser`.
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { filesBelow, main, root, run, say } from "./lib.mjs";
import { setup } from "./setup.mjs";
import { wasmTestsInEveryMode } from "./wasm-tests.mjs";

/** In the order in which they run: what a stage needs, its commands, and how it counts. */
export const stages = {
  build: {
    needs: ["rust", "tools", "npm"],
    work: (env) => run("node", ["scripts/build.mjs"], { env }),
    count: () => ({ passed: 1, failed: 0 }),
  },
  lint: {
    needs: ["rust", "tools", "npm"],
    work: (env) => run("node", ["scripts/lint.mjs"], { env }),
    count: (output) => sum(output, /lint: (\d+) checks passed, (\d+) failed/g),
  },
  native: {
    needs: ["rust"],
    work: (env) => run("cargo", ["test", "--locked", "--lib"], { env }),
    count: countRust,
  },
  simulation: {
    needs: ["rust"],
    // Optimised: it lives through thousands of worlds. SEED, SEEDS and FIRST say which.
    work: (env) =>
      run(
        "cargo",
        ["test", "--locked", "--profile=simulation", "--test", "simulation", "--test", "fleet"],
        { env },
      ),
    count: countRust,
  },
  mutants: {
    needs: ["rust"],
    // Bugs are planted in a copy, and the simulator must find each.
    work: (env) => run("node", ["scripts/mutants.mjs"], { env }),
    count: (output) => sum(output, /^(\d+) passed, (\d+) failed$/gm),
  },
  narrow: {
    needs: ["rust"],
    // The simulator once more, over a copy whose bounds are narrow: SEEDS and FIRST say which worlds.
    work: (env) => run("node", ["scripts/narrow.mjs"], { env }),
    count: (output) => sum(output, /^(\d+) passed, (\d+) failed$/gm),
  },
  fuzz: {
    needs: ["rust", "fuzz"],
    // The seeds, and what comes of them in so little time: `npm run fuzz` goes on.
    work: (env) =>
      run("node", ["scripts/fuzz.mjs"], { env: { SECONDS: process.env.SECONDS ?? "15", ...env } }),
    count: (output) => sum(output, /^(\d+) passed, (\d+) failed$/gm),
  },
  browser: {
    needs: ["rust", "tools", "chromium"],
    work: (env) => wasmTestsInEveryMode("chromium", env, countRust),
    count: countRust,
  },
  package: {
    needs: ["npm", "chromium"],
    after: "build",
    // The packed tarball, and the packaging table: a real install, build and page in each tool, which take both cores.
    work: (env) => nodeTests("tests/package", env, { filesAtOnce: 1 }),
    count: countNode,
  },
  examples: {
    needs: ["npm", "chromium"],
    after: "build",
    work: (env) => run("node", ["scripts/examples.mjs"], { env }),
    count: (output) => sum(output, /^(\d+) passed, (\d+) failed$/gm),
  },
  e2e: {
    needs: ["npm", "chromium"],
    after: "build",
    work: (env) => nodeTests("tests/e2e", env),
    count: countNode,
  },
  chain: {
    needs: ["npm", "chromium"],
    after: "build",
    // The table of behaviours: a line for each row, with the promises that it checks.
    work: (env) => nodeTests("tests/chain", env),
    count: countNode,
  },
  reads: {
    needs: ["npm", "chromium"],
    after: "build",
    // What reads give: properties in Node, random lives in pages. RUNS, STEPS, ROUNDS and SEED say how many.
    work: (env) => nodeTests("tests/reads", env),
    count: countNode,
  },
  adapters: {
    needs: ["npm", "chromium"],
    after: "build",
    // viem's and ethers' own actions, through the transport and the provider.
    work: (env) => nodeTests("tests/adapters", env),
    count: countNode,
  },
  docs: {
    needs: ["npm", "chromium", "docs"],
    after: "build",
    // The site as it is built: its links, its samples (compiled, and the main ones run), what axe says of it.
    work: (env) => nodeTests("tests/docs", env),
    count: countNode,
  },
  inspector: {
    needs: ["npm", "chromium"],
    after: "build",
    // The element in a page of its own, and in the demo's.
    work: (env) => nodeTests("tests/inspector", env),
    count: countNode,
  },
  react: {
    needs: ["npm", "chromium"],
    after: "build",
    // React, TanStack Query, Svelte and Vue over one cache, in pages.
    work: (env) => nodeTests("tests/react", env),
    count: countNode,
  },
  tabs: {
    needs: ["npm", "chromium"],
    after: "build",
    // Processes that are killed: ROUNDS and SEED say how often and when. How fast others take over is told, so one at a time.
    work: (env) => nodeTests("tests/tabs", env, { filesAtOnce: 1 }),
    count: countNode,
  },
};

/** So much of what failed is shown again below the table: whoever has but the end of the output finds it there. */
const FAILURE_LINES = 60;

// Every process that a stage starts inherits this, however deep: what is left can be found and ended.
const MARK = `UPLINK_CACHE_TEST_RUN=${process.pid}-${Date.now()}`;

await main(import.meta, async (names) => {
  const unknown = names.filter((name) => !(name in stages));
  if (unknown.length > 0) {
    throw new Error(
      `no such stage: ${unknown.join(", ")}; there are ${Object.keys(stages).join(", ")}`,
    );
  }
  await testAll(chooseStages(names));
});

/**
 * Runs stages (a name and what it is, each), reports, and leaves no process and no file behind. `tell(env)` adds to the
 * report, before its last line.
 */
export async function testAll(chosen, tell = () => {}) {
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => endLeftOver("SIGTERM"));
  const temporary = await mkdtemp(join(tmpdir(), "uplink-cache-test-"));
  const [markName, markValue] = MARK.split("=");
  const env = { TMPDIR: temporary, [markName]: markValue };
  try {
    const results = await runStages(chosen, env);
    tell(env);
    report(results);
  } finally {
    endLeftOver("SIGKILL");
    await rm(temporary, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The named stages and those they come after; all without names. */
function chooseStages(names) {
  const wanted = new Set(names.flatMap((name) => [name, stages[name].after]));
  return Object.entries(stages).filter(([name]) => names.length === 0 || wanted.has(name));
}

async function runStages(chosen, env) {
  const missing = await setUp(new Set(chosen.flatMap(([, stage]) => stage.needs)));
  const results = {};
  for (const [name, stage] of chosen) {
    const lacks = stage.needs.filter((part) => missing.has(part));
    if (results[stage.after]?.failed > 0) lacks.push(stage.after);
    say(`test: ${name}${lacks.length > 0 ? ` cannot run without ${lacks.join(", ")}` : ""}`);
    results[name] = lacks.length > 0 ? notRun() : await runStage(stage, env);
  }
  return results;
}

/** Sets up part by part, and gives the parts that failed: the stages without need of them still run. */
async function setUp(parts) {
  const missing = new Set();
  for (const part of parts) {
    await setup([part]).catch((error) => {
      console.error(error.message);
      missing.add(part);
    });
  }
  return missing;
}

async function runStage({ work, count }, env) {
  const startedAtMs = performance.now();
  const result = await work(env).then(
    (output) => count(stripVTControlCharacters(output)),
    (error) => failedResult(error, count),
  );
  endLeftOver("SIGKILL");
  const empty = result.passed + result.failed === 0;
  if (empty) console.error("no test ran");
  return {
    passed: result.passed,
    failed: empty ? 1 : result.failed,
    seconds: (performance.now() - startedAtMs) / 1000,
    failure: result.failure,
  };
}

function failedResult(error, count) {
  console.error(error.message);
  const output = stripVTControlCharacters(error.output ?? "");
  const counted = count(output);
  // A process that failed without a failed test has failed as a whole: nothing it counted is trusted.
  return {
    ...(counted.failed > 0 ? counted : notRun()),
    failure: failureIn(output) || error.message,
  };
}

/** What an output says of what failed, below its tool's own heading, or its end: the report shows it once more. */
function failureIn(output) {
  const [, told] =
    output.match(/^✖ failing tests:$(.*)/ms) ??
    output.match(/^failures:$(.*?)^test result: /ms) ??
    [];
  const lines = (told ?? output).trim().split("\n");
  return (told ? lines.slice(0, FAILURE_LINES) : lines.slice(-FAILURE_LINES)).join("\n");
}

function notRun() {
  return { passed: 0, failed: 1, seconds: 0 };
}

export async function nodeTests(folder, env, { filesAtOnce = 2 } = {}) {
  const files = filesBelow(resolve(root, folder)).filter((file) => file.endsWith(".test.mjs"));
  if (files.length === 0) throw new Error(`no tests in ${folder}`);
  // Few files at a time: each starts a browser and chains of its own, and waits more than it works.
  const flags = ["--test", "--test-reporter=spec", `--test-concurrency=${filesAtOnce}`];
  return run("node", [...flags, ...files.map((file) => relative(root, file))], { env });
}

// A test that was skipped proves nothing: it counts as failed.

export function countRust(output) {
  return sum(
    stripVTControlCharacters(output),
    /^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/gm,
  );
}

export function countNode(output) {
  const of = (word) => sum(output, new RegExp(`^ℹ ${word} (\\d+)$`, "gm")).passed;
  const failed = ["fail", "cancelled", "skipped", "todo"].reduce((all, word) => all + of(word), 0);
  return { passed: of("pass"), failed };
}

/** Adds up the first group of every match as passed, the others as failed. */
function sum(output, pattern) {
  const total = { passed: 0, failed: 0 };
  for (const [, passed, ...failed] of output.matchAll(pattern)) {
    total.passed += Number(passed);
    for (const number of failed) total.failed += Number(number);
  }
  return total;
}

function report(results) {
  const rows = Object.entries(results);
  const all = (key) => rows.reduce((total, [, result]) => total + result[key], 0);
  const width = 2 + Math.max(...rows.map(([name]) => name.length), 8);
  console.log(
    `\n${"stage".padEnd(width)}${"passed".padStart(8)}${"failed".padStart(8)}${"seconds".padStart(9)}`,
  );
  for (const [name, { passed, failed, seconds }] of rows) {
    const cells = [
      String(passed).padStart(8),
      String(failed).padStart(8),
      seconds.toFixed(1).padStart(9),
    ];
    console.log(name.padEnd(width) + cells.join(""));
  }
  for (const [name, { failed, failure }] of rows) {
    if (failed > 0 && failure) console.log(`\nfailed in ${name}:\n${failure}\n`);
  }
  console.log(`${all("passed")} passed, ${all("failed")} failed`);
  if (all("failed") > 0) process.exitCode = 1;
}

/**
 * Ends the processes of this run that are still there, such as the browser of a driver that was
 * killed: it is nobody's child any more. Only Linux shows another process's environment.
 */
function endLeftOver(signal) {
  if (process.platform !== "linux") return;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
      if (environment.includes(MARK)) process.kill(Number(pid), signal);
    } catch {
      // it has ended meanwhile, or is another user's
    }
  }
}
