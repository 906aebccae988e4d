// Runs the browser tests in every engine that is installed: `npm run test:engines`, or in some: `npm run test:engines -- webkit`.
// `npm run setup -- firefox webkit` installs those that the other scripts have no need of.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { main } from "./lib.mjs";
import { startScreen } from "./screen.mjs";
import { hasEngine, setup, toolsEnv } from "./setup.mjs";
import { countNode, countRust, nodeTests, stages, testAll } from "./test.mjs";
import { modes, wasmTests } from "./wasm-tests.mjs";

const engines = Object.keys(hasEngine);

await main(import.meta, async (names) => {
  const unknown = names.filter((name) => !engines.includes(name));
  if (unknown.length > 0) {
    throw new Error(`no such engine: ${unknown.join(", ")}; there are ${engines.join(", ")}`);
  }
  const wanted = names.length > 0 ? names : engines;
  if (wanted.includes("chromium")) await setup(["chromium"]);
  const installed = wanted.filter((engine) => hasEngine[engine]());
  const missing = wanted.filter((engine) => !installed.includes(engine));
  if (installed.length === 0 || missing.some((engine) => names.includes(engine))) {
    throw new Error(`not installed: ${missing.join(", ")} (${howToInstall(missing)})`);
  }
  const screen = installed.includes("webkit") ? await startScreen() : undefined;
  try {
    const chosen = installed.flatMap((engine) => stagesOf(engine, screen?.env));
    await testAll([["build", stages.build], ...chosen], (env) => {
      printFeatures(installed, env);
      if (missing.length === 0) return;
      console.log(`\nnot installed, so not run: ${missing.join(", ")} (${howToInstall(missing)})`);
    });
  } finally {
    await screen?.stop();
  }
});

function howToInstall(missing) {
  return `npm run setup -- ${missing.join(" ")}`;
}

/** The tests of IndexedDB in each context, and those of the package in pages and workers. */
function stagesOf(engine, screenEnv) {
  const more = engine === "webkit" ? screenEnv : {};
  const store = modes.map((mode) => [
    `${engine}: store, ${mode}`,
    {
      needs: ["rust", "tools"],
      work: (env) => wasmTests(engine, mode, { ...env, ...more }),
      count: countRust,
    },
  ]);
  const whole = {
    needs: ["npm"],
    after: "build",
    work: async (env) => {
      const told = { ENGINE: engine, FEATURES: featuresFile(engine, env) };
      const tools = await toolsEnv();
      return nodeTests("tests/engines", { ...env, ...tools, ...more, ...told }, { filesAtOnce: 1 });
    },
    count: countNode,
  };
  return [...store, [`${engine}: the package`, whole]];
}

function featuresFile(engine, env) {
  return join(env.TMPDIR, `features-${engine}.json`);
}

/** A row for each feature, a column for each engine: one answer where all contexts agree, else those of each answer. */
function printFeatures(installed, env) {
  const tried = installed.filter((engine) => existsSync(featuresFile(engine, env)));
  if (tried.length === 0) return;
  const seen = tried.map((engine) => JSON.parse(readFileSync(featuresFile(engine, env), "utf8")));
  // Drivers keep no order of an object.
  const names = Object.keys(Object.values(seen[0])[0]).sort();
  const rows = names.map((name) => [name, ...seen.map((contexts) => answerOf(contexts, name))]);
  console.log("");
  for (const row of [["feature", ...tried], ...rows]) {
    console.log(
      row
        .map((cell) => cell.padEnd(46))
        .join("")
        .trimEnd(),
    );
  }
}

function answerOf(contexts, name) {
  const kindsBy = new Map();
  for (const [kind, features] of Object.entries(contexts)) {
    const answer = { true: "yes", false: "no" }[features[name]] ?? features[name];
    kindsBy.set(answer, [...(kindsBy.get(answer) ?? []), kind]);
  }
  if (kindsBy.size === 1) return [...kindsBy.keys()][0];
  return [...kindsBy].map(([answer, kinds]) => `${answer}: ${kinds.join(" ")}`).join(", ");
}
