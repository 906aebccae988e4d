// Makes the module: Rust compiled to WebAssembly, its JavaScript glue, and both made smaller.
import { readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { hashOf, root, run, say, whenChanged } from "./lib.mjs";
import { hasRustSource, rustVersion, toolsEnv, toolsFolder } from "./setup.mjs";

export const MODULE = "uplink_cache_bg.wasm";
export const GLUE_TYPES = "uplink_cache.d.ts";
export const GLUE = "glue.js";
const FACTORY_TYPES = `import type { Engine } from "./uplink_cache.js";
export interface Glue {
  readonly Engine: typeof Engine;
  __wbg_set_wasm(exports: unknown): void;
}
/** The glue of one instance of the module. */
export function createGlue(): Glue;
`;

/**
 * Without feature flags wasm-opt keeps to the features that are used. What it does for speed makes a module that is a
 * little longer, and no more to load once it is compressed: nor are alignment hints, which are made all the same, and
 * functions in the order of their names, beside what they resemble. Rust lays the stack at the start of the memory, so no pointer
 * is so small that adding to it would be seen to wrap.
 */
export const OPTIMISE = [
  "-O3",
  "--converge",
  "--low-memory-unused",
  "--one-caller-inline-max-function-size=0",
  "--dealign",
  "--reorder-functions-by-name",
];

/**
 * The standard library is compiled along, made small, and a panic is at once the trap that it ends in anyway: its message
 * could reach nobody. A fifth of what a page loads. Stable compilers take these flags only when told that they may.
 */
const SMALL_STD = {
  name: "small",
  args: ["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"],
  rustFlags: [
    "-Zunstable-options",
    "-Cpanic=immediate-abort",
    "-Zlocation-detail=none",
    "-Zfmt-debug=none",
  ],
  env: { RUSTC_BOOTSTRAP: "1" },
};
/** As the compiler brings it, and larger: where its source is not to be had, or with UPLINK_CACHE_STD=prebuilt. */
const PREBUILT_STD = { name: "prebuilt", args: [], rustFlags: [], env: {} };

/**
 * Browsers compile a function as a whole when it is first called, in haste, and better once it is hot. What is called from
 * one place only would be made part of its caller, so that everything ends in a few functions of tens of kilobytes: each
 * opening waits for those to be compiled, cold parts included, and they stay slow for a tenth of a second once they are hot.
 * What needs a frame of its own stays a function. Then three things that compilers do for speed and that add code here:
 * expressions moved ahead of branches, values kept in locals around loops, and loops rewritten around pointers.
 */
const LLVM = [
  "-inline-max-stacksize=64",
  "-enable-pre=false",
  "-enable-load-pre=false",
  "-disable-licm-promotion",
  "-disable-lsr",
];

/** Those that the compiler at hand knows: without one the module is larger, and as good. */
async function known(flags) {
  const isKnown = await Promise.all(
    flags.map(async (flag) => {
      const args = ["-Zunstable-options", flag, "--print", "cfg"];
      try {
        await run("rustc", args, { quiet: true, env: { RUSTC_BOOTSTRAP: "1" } });
        return true;
      } catch {
        say(`build: this compiler does not know ${flag}`);
        return false;
      }
    }),
  );
  return flags.filter((_, index) => isKnown[index]);
}

/** Which of them a module is built with here. */
export async function standardLibrary() {
  if (process.env.UPLINK_CACHE_STD === PREBUILT_STD.name) return PREBUILT_STD;
  return (await hasRustSource()) ? SMALL_STD : PREBUILT_STD;
}

/** Rust to a WebAssembly module and its JavaScript glue, in build/. */
export async function compile() {
  const sources = ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", ".cargo", "src"];
  const std = await standardLibrary();
  const hash = hashOf(
    [...sources, "scripts/compile.mjs"],
    JSON.stringify(std),
    await rustVersion(),
    await toolsFolder(),
  );
  const outputs = [`build/${MODULE}`, `build/${GLUE_TYPES}`, `build/${GLUE}`];
  return whenChanged({ name: "compile", hash, outputs }, async () => {
    say(`build: compiling the crate to WebAssembly, with the ${std.name} standard library`);
    const target = resolve(root, process.env.CARGO_TARGET_DIR || "target");
    const triple = "wasm32-unknown-unknown";
    // With the rlib beside it cargo would not optimise across crates.
    const args = [
      "rustc",
      "--release",
      "--locked",
      "--lib",
      "--crate-type",
      "cdylib",
      "--target",
      triple,
      ...std.args,
    ];
    const flags = await known([...std.rustFlags, ...LLVM.map((arg) => `-Cllvm-args=${arg}`)]);
    const rustFlags = [...(await withoutMachinePaths()), ...flags].join("\x1f");
    const env = { CARGO_ENCODED_RUSTFLAGS: rustFlags, CARGO_TARGET_DIR: target, ...std.env };
    await run("cargo", args, { env });
    say("build: making the JavaScript glue");
    const module = join(target, triple, "release/uplink_cache.wasm");
    const names = ["--out-dir", "build", "--out-name", "uplink_cache"];
    await run("wasm-bindgen", ["--target", "bundler", ...names, module], {
      env: await toolsEnv(),
    });
    await shortenNames();
    await makeFactory();
  });
}

/**
 * wasm-bindgen tells functions of one name apart by a hash, which nothing can compress, in the module and in the glue: a
 * number of the same length does as well.
 */
async function shortenNames() {
  const numbers = new Map();
  for (const name of ["uplink_cache_bg.js", MODULE]) {
    const path = resolve(root, "build", name);
    const text = await readFile(path, "latin1");
    const shortened = text.replaceAll(/(?<=__wbg_\w+_|__h)[0-9a-f]{16}(?!\w)/g, (hash) => {
      if (!numbers.has(hash)) numbers.set(hash, String(numbers.size).padStart(hash.length, "0"));
      return numbers.get(hash);
    });
    await writeFile(path, shortened, "latin1");
  }
}

/**
 * The glue keeps what belongs to an instance in variables of its module. After a trap there is another instance, which
 * must not share them: so the glue becomes a function, to be called for each.
 */
async function makeFactory() {
  const { transform } = await import("esbuild");
  const glue = await readFile(resolve(root, "build/uplink_cache_bg.js"), "utf8");
  const { code } = await transform(glue, { format: "esm", target: "es2022" });
  const [exports, names] = /^export \{([^}]*)\};\n$/m.exec(code);
  const body = code.replace(
    exports,
    `return {${names.replaceAll(/(\w+) as (\w+)/g, "$2: $1")}};\n`,
  );
  const factory = `export function createGlue() {\n${body}}\n`;
  await writeFile(resolve(root, "build", GLUE), factory);
  await writeFile(resolve(root, "build/glue.d.ts"), FACTORY_TYPES);
}

/**
 * Panic messages name source files: without the folders of the machine that built them. The standard library's are below the
 * compiler's own folder, where its source is installed.
 */
async function withoutMachinePaths() {
  const cargoHome = process.env.CARGO_HOME || join(homedir(), ".cargo");
  const sysroot = (await run("rustc", ["--print", "sysroot"], { quiet: true })).trim();
  const folders = { [cargoHome]: "cargo", [sysroot]: "rust", [root]: "." };
  return Object.entries(folders).map(([from, to]) => `--remap-path-prefix=${from}=${to}`);
}

/** The module made smaller. */
export async function optimise() {
  const hash = hashOf([`build/${MODULE}`, "package-lock.json", "scripts/compile.mjs"]);
  return whenChanged({ name: "optimise", hash, outputs: [`dist/${MODULE}`] }, async () => {
    say("build: optimising the module");
    const program = resolve(root, "node_modules/binaryen/bin/wasm-opt");
    await run("node", [
      program,
      ...OPTIMISE,
      "--strip-producers",
      `build/${MODULE}`,
      "-o",
      `dist/${MODULE}`,
    ]);
  });
}
