// Makes the package in dist/: `npm run build`, or `build()`. Steps whose inputs are the same are skipped.
import { readdirSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { compile, GLUE, GLUE_TYPES, MODULE, optimise } from "./compile.mjs";
import { CORE, GROUPS, SCRIPTS, WORKER } from "./entries.mjs";
import { hashOf, main, root, run, say, whenChanged } from "./lib.mjs";
import { setup } from "./setup.mjs";

/** What a bundler's loader of files makes of an import of the module. */
const TYPES_OF_MODULE = "declare const address: string;\nexport default address;\n";
const SCRIPTS_OF_BUILD = ["scripts/build.mjs", "scripts/entries.mjs"];

/** Sets up what the build needs, and builds what has changed. */
export async function build() {
  await setup(["rust", "tools", "npm"]);
  await mkdir(resolve(root, "dist"), { recursive: true });
  const done = [await compile(), await optimise(), await wrap(), await declare()];
  say(done.includes(true) ? "dist/ is built" : "dist/ is up to date");
}

/** The wrapper and the glue as one ES module, and beside it what it loads only when it is needed. */
async function wrap() {
  const hash = hashOf(["js", `build/${GLUE}`, "package-lock.json", ...SCRIPTS_OF_BUILD]);
  const outputs = SCRIPTS.map((name) => `dist/${name}`);
  return whenChanged({ name: "wrap", hash, outputs }, async () => {
    say("build: bundling the wrapper");
    const { build: bundle } = await import("esbuild");
    const options = {
      absWorkingDir: root,
      outdir: "dist",
      bundle: true,
      format: "esm",
      target: "es2022",
      minify: true,
      legalComments: "eof",
      logLevel: "warning",
    };
    const sources = (names) => names.map((name) => `js/${name}.ts`);
    await bundle({ ...options, entryPoints: sources(CORE), splitting: true });
    await bundle({ ...options, entryPoints: sources([WORKER]) });
    for (const { entries, shared, external } of GROUPS) {
      const chunk = shared === undefined ? {} : { splitting: true, chunkNames: shared };
      await bundle({ ...options, entryPoints: sources(entries), external, ...chunk });
    }
  });
}

/** Checks the wrapper's types and writes the declarations, those of the glue beside them. */
async function declare() {
  const inputs = ["js", `build/${GLUE_TYPES}`, "tsconfig.json", "tsconfig.build.json"];
  const hash = hashOf([...inputs, "package-lock.json", ...SCRIPTS_OF_BUILD]);
  return whenChanged({ name: "declare", hash, outputs: ["dist/index.d.ts"] }, async () => {
    say("build: checking types, writing declarations");
    const emitted = resolve(root, "build/types");
    await rm(emitted, { recursive: true, force: true });
    await run("node", [
      resolve(root, "node_modules/typescript/bin/tsc"),
      "-p",
      "tsconfig.build.json",
    ]);
    await removeDeclarations();
    // Parts of an entry are in a folder of their own, and no declaration names them.
    for (const name of readdirSync(emitted).filter((name) => name.endsWith(".d.ts"))) {
      const text = await readFile(join(emitted, name), "utf8");
      const moved = text.replaceAll('"../build/uplink_cache.js"', '"./uplink_cache.js"');
      await writeFile(resolve(root, "dist", name), moved);
    }
    // `Symbol.dispose` is no word of the ES2022 that dapps may compile for, and none of ours either.
    const glueTypes = await readFile(resolve(root, "build", GLUE_TYPES), "utf8");
    const plain = glueTypes.replaceAll(/^ *\[Symbol\.dispose\]\(\): void;\n/gm, "");
    await writeFile(resolve(root, "dist", GLUE_TYPES), plain);
    await writeFile(resolve(root, "dist", `${MODULE}.d.ts`), TYPES_OF_MODULE);
  });
}

async function removeDeclarations() {
  const dist = resolve(root, "dist");
  for (const name of readdirSync(dist)) {
    if (name.endsWith(".d.ts")) await rm(join(dist, name));
  }
}

await main(import.meta, async () => {
  await build();
});
