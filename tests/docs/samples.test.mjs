// Every sample of the pages and of the README is compiled, strictly, against the types of the package as it is built.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { readPages, samplesOf } from "../../docs/tools/pages.mjs";

const execute = promisify(execFile);
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TSC = join(ROOT, "node_modules/typescript/bin/tsc");
const COMPILED = ["ts", "tsx", "js"];
const CONFIG = {
  compilerOptions: {
    target: "es2022",
    lib: ["es2022", "dom", "dom.iterable"],
    module: "esnext",
    moduleResolution: "bundler",
    jsx: "react-jsx",
    types: [],
    noEmit: true,
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: true,
    isolatedModules: true,
    moduleDetection: "force",
  },
  include: ["."],
};

/** Compiles samples as modules, each by itself, with what their page takes for granted as globals. */
async function compile(samples, preamble) {
  const folder = await mkdtemp(join(tmpdir(), "uplink-cache-samples-"));
  try {
    await mkdir(join(folder, "node_modules"));
    await symlink(ROOT, join(folder, "node_modules/uplink-cache"));
    for (const name of ["viem", "ethers", "react", "@types", "@tanstack", "svelte", "vue"]) {
      await symlink(resolve(ROOT, "node_modules", name), join(folder, "node_modules", name));
    }
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify(CONFIG));
    await writeFile(join(folder, "preamble.ts"), `${preamble}\nexport {};\n`);
    for (const [at, { language, code }] of samples.entries()) {
      await writeFile(join(folder, `sample${at}.${language === "tsx" ? "tsx" : "ts"}`), code);
    }
    await execute("node", [TSC, "-p", folder], { cwd: folder }).catch(({ stdout }) => {
      throw new Error(stdout);
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const compiled = (text) => samplesOf(text).filter(({ language }) => COMPILED.includes(language));

for (const { source, text, preamble } of readPages()) {
  const samples = compiled(text);
  if (samples.length === 0) continue;
  test(`the ${samples.length} samples of ${source} compile`, () => compile(samples, preamble));
}

test("the samples of the README compile", async () => {
  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  const preamble = await readFile(new URL("readme-preamble.ts", import.meta.url), "utf8");
  const samples = compiled(readme);
  assert.ok(samples.length >= 9, `${samples.length} samples`);
  await compile(samples, preamble);
});

test("a sample that is wrong does not compile", async () => {
  const wrong = [
    'import { openCache } from "uplink-cache"; await openCache({ nmae: "x" });',
    'cache.peek("x").value;',
  ];
  for (const code of wrong) {
    await assert.rejects(
      compile(
        [{ language: "ts", code }],
        'import type { Cache } from "uplink-cache"; declare global { const cache: Cache<string> }',
      ),
      /sample0\.ts.*error TS/s,
    );
  }
});
