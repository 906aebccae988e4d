// Fuzzes the parsers: `npm run fuzz`, or some of them: `npm run fuzz -- record replies`. SECONDS says how long each.
// `npm run fuzz -- record <file>` runs inputs once more. Each run begins with seeds (fuzz/examples/seeds.rs), what earlier
// runs grew out of them, and fuzz/regressions/.
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { main, root, run, say } from "./lib.mjs";
import { rustVersion, setup } from "./setup.mjs";

const SECONDS = Number(process.env.SECONDS ?? 300);
const HEX_DUMP_BYTES = 512;

/** The longest inputs, in bytes: what is longer tells nothing new, and costs time. */
const targets = { record: 8192, portable: 20_480, replies: 4096, transaction: 2048 };

// What cargo-fuzz passes too: LLVM's counters of edges and its notes of comparisons, without a sanitizer. So the stable
// toolchain's cargo is enough, and the crate allocates and overflows under its own checks.
const RUSTFLAGS = [
  "-Cpasses=sancov-module",
  "-Cllvm-args=-sanitizer-coverage-level=4",
  "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
  "-Cllvm-args=-sanitizer-coverage-pc-table",
  "-Cllvm-args=-sanitizer-coverage-trace-compares",
  "--cfg",
  "fuzzing",
].join(" ");

/** Real encodings of all that the targets read, written anew at each run. */
const SEEDS = "fuzz/target/seeds";

const CARGO = ["--locked", "--manifest-path", "fuzz/Cargo.toml", "--target-dir", "fuzz/target"];

await main(import.meta, async (words) => {
  if (!(SECONDS > 0)) throw new Error(`SECONDS is no number of seconds: ${process.env.SECONDS}`);
  await setup(["rust", "fuzz"]);
  const names = words.filter((word) => word in targets);
  const inputs = words.filter((word) => !(word in targets));
  const missing = inputs.filter((input) => !existsSync(resolve(root, input)));
  if (missing.length > 0) {
    throw new Error(
      `no such target or input: ${missing.join(", ")}; there are ${Object.keys(targets).join(", ")}`,
    );
  }
  const folder = await buildTargets();
  if (inputs.length > 0) return replay(folder, names, inputs);
  await fuzzAll(folder, names.length > 0 ? names : Object.keys(targets));
});

/** Builds the targets, and gives the folder that they are in. */
async function buildTargets() {
  const [, host] = /^host: (.*)$/m.exec(await rustVersion());
  say("fuzz: building the targets");
  // With a target of its own, the flags stay away from build scripts and macros.
  const what = ["--bins", "--example", "seeds"];
  const args = ["build", ...CARGO, "--release", ...what, "--target", host];
  await run("cargo", args, { env: { RUSTFLAGS } });
  return join("fuzz/target", host, "release");
}

async function replay(folder, [name, ...others], inputs) {
  if (!name || others.length > 0) throw new Error("name the one target that the inputs are for");
  await run(join(folder, name), inputs);
}

async function fuzzAll(folder, names) {
  rmSync(resolve(root, SEEDS), { recursive: true, force: true });
  await run(join(folder, "examples/seeds"), [SEEDS]);
  const waiting = [...names];
  const results = [];
  const lane = async () => {
    for (let name = waiting.shift(); name; name = waiting.shift()) {
      say(`fuzz: ${name} for ${SECONDS} s`);
      results.push(await fuzz(folder, name));
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, lane));
  report(results);
}

async function fuzz(folder, name) {
  const artifacts = `fuzz/artifacts/${name}/`;
  // What grows out of the seeds stays out of the repository, and is where the next run begins.
  const grown = `fuzz/target/corpus/${name}`;
  for (const path of [artifacts, grown]) mkdirSync(resolve(root, path), { recursive: true });
  const given = [join(SEEDS, name), `fuzz/regressions/${name}`];
  const flags = {
    max_total_time: SECONDS,
    max_len: targets[name],
    timeout: 10,
    rss_limit_mb: 1024,
    print_final_stats: 1,
    artifact_prefix: artifacts,
  };
  const args = Object.entries(flags).map(([flag, value]) => `-${flag}=${value}`);
  const inputs = [grown, ...given.filter((path) => existsSync(resolve(root, path)))];
  try {
    const output = await run(join(folder, name), [...args, ...inputs], { quiet: true });
    return { name, ...figuresOf(output) };
  } catch (error) {
    if (error.output === undefined) throw error;
    tellCrash(name, error.output);
    return { name };
  }
}

/** What libFuzzer tells at the end; none where it did not come to it. */
function figuresOf(output) {
  const done = /^#(\d+)\s+DONE\s+cov: (\d+) ft: \d+ corp: (\d+)\/(\S+) .*exec\/s: (\d+)/m.exec(
    output,
  );
  if (!done) return {};
  const [, executions, coverage, inputs, size, perSecond] = done;
  return { executions, perSecond, coverage, corpus: `${inputs} (${size})` };
}

function tellCrash(name, output) {
  const said = output.split("\n");
  const from = said.findIndex((line) => /panicked at|ERROR: libFuzzer/.test(line));
  console.error(`\n${name} failed:\n${said.slice(Math.max(from, 0)).slice(0, 12).join("\n")}`);
  const path = /Test unit written to (\S+)/.exec(output)?.[1];
  if (!path) return;
  const bytes = readFileSync(resolve(root, path));
  console.error(`\n${path}, ${bytes.length} bytes:`);
  for (let at = 0; at < Math.min(bytes.length, HEX_DUMP_BYTES); at += 16) {
    const row = bytes.subarray(at, Math.min(at + 16, HEX_DUMP_BYTES));
    const hex = row.toString("hex").replace(/../g, "$& ");
    const text = row.toString("latin1").replace(/[^ -~]/g, ".");
    console.error(`${at.toString(16).padStart(6, "0")}  ${hex.padEnd(48)} ${text}`);
  }
  if (bytes.length > HEX_DUMP_BYTES) console.error("…");
  console.error(`\nonce more: npm run fuzz -- ${name} ${path}`);
  console.error(`to keep it: move it to fuzz/regressions/${name}/, which every run begins with`);
}

function report(results) {
  const passed = results.filter(({ executions }) => executions > 0).length;
  const head = ["target", "executions", "a second", "coverage", "corpus"];
  const cells = results.map(({ name, executions, perSecond, coverage, corpus }) =>
    executions ? [name, executions, perSecond, coverage, corpus] : [name, "failed", "", "", ""],
  );
  console.log("");
  for (const [name, ...figures] of [head, ...cells]) {
    console.log(name.padEnd(12) + figures.map((figure) => figure.padStart(16)).join(""));
  }
  console.log(`${passed} passed, ${results.length - passed} failed`);
  if (passed < results.length) process.exitCode = 1;
}
