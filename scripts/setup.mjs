// Installs what the other scripts need and is missing: `npm run setup`, or `setup([parts])`.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { copyFile, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { hashOf, main, root, run, say, which } from "./lib.mjs";

const WASM_TARGET = "wasm32-unknown-unknown";
const TOOLS = ["wasm-bindgen", "wasm-bindgen-test-runner", "wasm-pack"];
const GECKODRIVER_VERSION = "0.37.1";
const DAY_MS = 86_400_000;

// rustup would answer a missing target by updating the whole toolchain. Only the target is wanted.
const KEEP_TOOLCHAIN = { RUSTUP_AUTO_INSTALL: "0" };

const installers = { rust, tools, npm, chromium, firefox, webkit, fuzz, bench, docs };
export const parts = Object.keys(installers);
/** The further engines are for `npm run test:engines` alone; fuzzing and the benchmark take what they need: nobody gets them unasked. */
const usual = ["rust", "tools", "npm", "chromium"];

/** Installs the given parts, the usual ones unless told otherwise. */
export async function setup(wanted = usual) {
  for (const part of wanted) await installers[part]();
}

/** The environment in which our tools and the browsers' drivers are found. */
export async function toolsEnv() {
  return { PATH: [await toolsFolder(), geckodriverFolder(), process.env.PATH].join(delimiter) };
}

/** The folder of the built tools: another lock file, source or compiler gets another folder. */
export async function toolsFolder() {
  const inputs = ["tools/Cargo.toml", "tools/Cargo.lock", "tools/src"];
  return join(cacheFolder(), `tools-${hashOf(inputs, await rustVersion())}`);
}

function geckodriverFolder() {
  return join(cacheFolder(), `geckodriver-${GECKODRIVER_VERSION}`, "bin");
}

/** Whether an engine is on this machine, with what drives it. */
export const hasEngine = {
  chromium: () =>
    Boolean(process.env.CHROMIUM || which("chromium")) &&
    Boolean(process.env.CHROMEDRIVER || which("chromedriver")),
  firefox: () => Boolean(which("firefox-esr")) && hasGeckodriver(),
  // WebKit draws on a screen: Xvfb is one that nobody sees.
  webkit: () => Boolean(which("WebKitWebDriver") && which("Xvfb")),
};

function hasGeckodriver() {
  return Boolean(which("geckodriver")) || existsSync(join(geckodriverFolder(), "geckodriver"));
}

function cacheFolder() {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  return resolve(process.env.UPLINK_CACHE_TOOLS || join(cache, "uplink-cache"));
}

let rustVersionOnce;
/** What rustc says about itself, asked once. */
export function rustVersion() {
  rustVersionOnce ??= run("rustc", ["-vV"], { quiet: true, env: KEEP_TOOLCHAIN });
  return rustVersionOnce;
}

async function rust() {
  if (!which("cargo")) throw new Error("Rust is missing: install the stable toolchain with rustup");
  if (!which("cc")) await aptInstall("a C compiler and linker", ["gcc", "libc6-dev"]);
  const env = KEEP_TOOLCHAIN;
  const sysroot = (await run("rustc", ["--print", "sysroot"], { quiet: true, env })).trim();
  if (!existsSync(join(sysroot, "lib/rustlib", WASM_TARGET))) {
    say(`rust: adding the target ${WASM_TARGET}`);
    await run("rustup", ["target", "add", WASM_TARGET], { env });
  }
  // Files, not `which`: rustup's proxies stand in PATH for components that are not installed.
  const files = { rustfmt: "bin/rustfmt", clippy: "bin/cargo-clippy" };
  const missing = Object.keys(files).filter((name) => !existsSync(join(sysroot, files[name])));
  if (missing.length > 0) {
    say(`rust: adding ${missing.join(" and ")}`);
    await run("rustup", ["component", "add", ...missing], { env });
  }
  if (!(await hasRustSource())) {
    say("rust: adding rust-src");
    // The module is larger without it, and works as well.
    await run("rustup", ["component", "add", "rust-src"], { env }).catch((error) => {
      console.error(error.message);
    });
  }
}

/** Whether the standard library's source is here, so that it can be compiled along. */
export async function hasRustSource() {
  const env = KEEP_TOOLCHAIN;
  const sysroot = (await run("rustc", ["--print", "sysroot"], { quiet: true, env })).trim();
  return existsSync(join(sysroot, "lib/rustlib/src/rust/library/Cargo.lock"));
}

async function tools() {
  const folder = await toolsFolder();
  const areThere = () => TOOLS.every((tool) => existsSync(join(folder, tool)));
  if (areThere()) return;
  say(`tools: building wasm-bindgen and wasm-pack into ${folder}, once: minutes`);
  await buildInto(folder, areThere, async (target, finished) => {
    const args = ["build", "--release", "--locked", "--manifest-path", "tools/Cargo.toml"];
    await run("cargo", [...args, "--target-dir", target]);
    for (const tool of TOOLS) await copyFile(join(target, "release", tool), join(finished, tool));
  });
}

/**
 * Fills a folder of the cache at once. Another run may build the same at the same time: each in a folder of its own, the
 * first rename wins.
 */
async function buildInto(folder, isThere, work) {
  await removeAbandoned(resolve(folder, ".."));
  const temporary = `${folder}.${process.pid}.tmp`;
  const finished = join(temporary, "finished");
  try {
    await mkdir(finished, { recursive: true });
    await work(join(temporary, "target"), finished);
    await rename(finished, folder).catch((error) => {
      if (!isThere()) throw error;
    });
  } finally {
    await rm(temporary, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Removes what builds that were killed have left in the cache. */
async function removeAbandoned(cache) {
  if (!existsSync(cache)) return;
  for (const name of readdirSync(cache).filter((name) => name.endsWith(".tmp"))) {
    const path = join(cache, name);
    const ageMs = Date.now() - statSync(path).mtimeMs;
    if (ageMs > DAY_MS) await rm(path, { recursive: true, force: true });
  }
}

async function npm() {
  await installPackages("", []);
}

/** What the benchmark measures the package against. Optional peers of theirs are not for browsers. */
async function bench() {
  await installPackages("bench/", ["--omit=peer"]);
}

/** What makes the documentation site. */
async function docs() {
  await installPackages("docs/tools/", []);
}

async function installPackages(folder, flags) {
  const stamp = resolve(root, folder, "node_modules/.lock-hash");
  const hash = hashOf([`${folder}package-lock.json`]);
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === hash) return;
  say(`npm: installing the packages of ${folder}package-lock.json`);
  // The packages carry their binaries; their install scripts would only download them once more.
  // Not `npm ci`: npm 11's insists on an entry for every platform's optional packages, and the lock
  // file has none for those that its registry did not have.
  const args = ["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", ...flags];
  await run("npm", args, { cwd: resolve(root, folder) });
  await writeFile(stamp, hash);
}

async function chromium() {
  if (hasEngine.chromium()) return;
  await aptInstall("Chromium and its driver", ["chromium", "chromium-driver"]);
}

async function firefox() {
  if (!which("firefox-esr")) await aptInstall("Firefox", ["firefox-esr"]);
  if (hasGeckodriver()) return;
  await rust();
  const folder = resolve(geckodriverFolder(), "..");
  say(`firefox: building its driver into ${folder}, once: minutes`);
  await buildInto(folder, hasGeckodriver, async (target, finished) => {
    // Unoptimised: it takes a third of the time to build, and is hardly ever at work.
    const args = [
      "install",
      "geckodriver",
      "--version",
      GECKODRIVER_VERSION,
      "--locked",
      "--debug",
    ];
    const env = { CARGO_TARGET_DIR: target, CARGO_PROFILE_DEV_DEBUG: "false" };
    await run("cargo", [...args, "--root", finished], { env });
  });
}

async function webkit() {
  if (hasEngine.webkit()) return;
  await aptInstall("WebKit, its driver and a screen", ["webkit2gtk-driver", "xvfb"]);
}

async function fuzz() {
  // libFuzzer comes as its sources, in a crate.
  if (!which("c++")) await aptInstall("a C++ compiler", ["g++"]);
}

async function aptInstall(what, packages) {
  if (process.getuid?.() !== 0 || !which("apt-get")) {
    throw new Error(`${what} missing: install ${packages.join(" and ")} (Debian: apt-get install)`);
  }
  say(`apt: installing ${packages.join(" and ")}`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  await run("apt-get", ["update", "-qq"], { env });
  await run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], { env });
}

await main(import.meta, async (wanted) => {
  const unknown = wanted.filter((part) => !parts.includes(part));
  if (unknown.length > 0)
    throw new Error(`no such part: ${unknown.join(", ")}; there are ${parts.join(", ")}`);
  await setup(wanted.length > 0 ? wanted : usual);
  say("set up");
});
