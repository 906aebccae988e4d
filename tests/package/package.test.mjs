// The package as a dapp gets it: packed, installed offline into an empty project, and used there.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { SCRIPTS } from "../../scripts/entries.mjs";
import { createWallet } from "../support/wallet.mjs";

const execute = promisify(execFile);
const here = fileURLToPath(new URL(".", import.meta.url));
const root = resolve(here, "../..");
const tsc = join(root, "node_modules/typescript/bin/tsc");

let project;
let installed;

before(async () => {
  project = await mkdtemp(join(tmpdir(), "uplink-cache-package-"));
  installed = join(project, "node_modules/uplink-cache");
  const pack = ["pack", "--ignore-scripts", "--json", "--pack-destination", project];
  const { stdout } = await execute("npm", pack, { cwd: root });
  const tarball = /"filename": "(.+\.tgz)"/.exec(stdout)[1];
  const manifest = { name: "dapp", version: "1.0.0", private: true, type: "module" };
  await writeFile(join(project, "package.json"), JSON.stringify(manifest));
  const install = ["install", "--offline", "--no-audit", "--no-fund", `./${tarball}`];
  await execute("npm", install, { cwd: project });
});

after(() => rm(project, { recursive: true, force: true }));

test("the package holds what a dapp needs and nothing else", () => {
  const declarations = readdirSync(join(root, "js"))
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `dist/${name.replace(/\.ts$/, ".d.ts")}`);
  const others = ["CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "README.md", "package.json"];
  const scripts = SCRIPTS.map((name) => `dist/${name}`);
  const built = [...scripts, "dist/uplink_cache.d.ts", "dist/uplink_cache_bg.wasm"].concat(
    "dist/uplink_cache_bg.wasm.d.ts",
  );
  assert.deepEqual(filesOf(installed), [...others, ...declarations, ...built].sort());
  const { dependencies } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
  assert.equal(dependencies, undefined);
});

test("no file tells where it was built", () => {
  const paths = [
    root,
    `${homedir()}/`,
    tmpdir(),
    "/.cargo/",
    "/.rustup/",
    "file://",
    "sourceMappingURL",
  ];
  for (const file of filesOf(installed)) {
    const bytes = readFileSync(join(installed, file));
    const found = paths.filter((path) => bytes.includes(path));
    assert.deepEqual(found, [], file);
  }
});

test("the module is found beside the wrapper, and is exported", async () => {
  const wrapper = await readFile(join(installed, "dist/index.js"), "utf8");
  assert.match(wrapper, /new URL\("uplink_cache_bg\.wasm",\s*import\.meta\.url\)/);
  const script = `
    import { readFile } from "node:fs/promises";
    const url = new URL(import.meta.resolve("uplink-cache/uplink_cache_bg.wasm"));
    console.log((await WebAssembly.compile(await readFile(url))) instanceof WebAssembly.Module);`;
  assert.equal(await runModule(script), "true\n");
});

test("the service worker's entry is one file: there it must not load a part later", async () => {
  const entry = await readFile(join(installed, "dist/service-worker.js"), "utf8");
  assert.doesNotMatch(entry, /\bimport\s*\(|\bimport\s*["'{*]|\bfrom\s*["']/);
  assert.match(entry, /new URL\("uplink_cache_bg\.wasm",\s*import\.meta\.url\)/);
  assert.match(entry, /noble-secp256k1 - MIT License \(c\) 2019 Paul Miller/);
  const script = `
    const plain = Object.keys(await import("uplink-cache"));
    const worker = await import("uplink-cache/service-worker");
    console.log(plain.every((name) => name in worker), typeof worker.backgroundSync);`;
  assert.equal(await runModule(script), "true function\n");
});

test("the curves that are bundled stand beside the wrapper, under their own licence", async () => {
  const wrapper = await readFile(join(installed, "dist/index.js"), "utf8");
  assert.match(wrapper, /import\("\.\/recover\.js"\)/);
  const curves = await readFile(join(installed, "dist/recover.js"), "utf8");
  assert.match(curves, /noble-secp256k1 - MIT License \(c\) 2019 Paul Miller/);
  // What viem says of the first of anvil's accounts and the EIP-1559 transaction of the parser's test.
  const script = `
    const { recover } = await import("./node_modules/uplink-cache/dist/recover.js");
    const bytes = (hex) => Uint8Array.from(hex.match(/../g), (pair) => Number.parseInt(pair, 16));
    const hash = bytes("0fca79296c820e0ab68bbe6326a481a04bf8a6c0d367f240420db92a2115e52d");
    const r = "c6e736e4cda3a6fc84c25312f0ffdf3204519e4223bfee7142666442c37303a5";
    const s = "42a015067b6b52d9ffdf3b42733a6731412cbc1f31d48c8b1dc812f232459f1f";
    const key = recover(hash, bytes(r + s), 0);
    console.log(Array.from(key, (byte) => byte.toString(16).padStart(2, "0")).join(""));
    console.log(recover(hash, new Uint8Array(64), 0));`;
  const key =
    "8318535b54105d4a7aae60c08fc45f9687181b4fdfc625bd1a753fa7397fed75" +
    "3547f11ca8696646f2f3acb08e31016afac23e630c5d11f59f61fef57b0d2aa5";
  assert.equal(await runModule(script), `${key}\nundefined\n`);
});

test("in Node, where a dapp's own tests run: over fake-indexeddb, with the module's bytes", async () => {
  const stand = import.meta.resolve("fake-indexeddb/auto");
  const [first, second] = await createWallet().signMany(2);
  // As jsdom does: what is stored comes back as bytes of another realm.
  const script = `
    const { runInNewContext } = await import("node:vm");
    const Bytes = runInNewContext("Uint8Array");
    const clone = structuredClone;
    globalThis.structuredClone = (value, options) =>
      value instanceof Uint8Array ? new Bytes(value) : clone(value, options);
    await import(${JSON.stringify(stand)});
    const { readFile } = await import("node:fs/promises");
    const { evm, openCache } = await import("uplink-cache");
    const gateway = evm({ urls: ["http://127.0.0.1:1"], chainId: 31337 });
    const options = { name: "test", gateway };
    const { code, message } = await openCache(options).catch((error) => error);
    console.log(code, message.includes("its bytes as the option"));
    const address = new URL(import.meta.resolve("uplink-cache/uplink_cache_bg.wasm"));
    options.wasm = await readFile(address);
    const cache = await openCache(options);
    await cache.submit({ payload: "${first.raw}", key: "a", value: 1, tags: { of: "one" } });
    await cache.close();
    const again = await openCache(options);
    await again.submit({ payload: "${second.raw}", key: "b", value: 2, tags: { of: "one" } });
    const lists = [{ prefix: "" }, { prefix: "", reverse: true }, { tag: ["of", "one"] }];
    const pages = await Promise.all(lists.map((query) => again.list(query)));
    console.log(JSON.stringify(pages.map(({ items }) => items.map(({ value }) => value))));
    console.log((await again.read("a")).status, await again.read("none"), again.peek("b").value);
    // Where Node has no Web Locks.
    if (!globalThis.navigator?.locks) console.log((await again.flush().catch((error) => error)).code);
    else console.log("cannot_send");
    await again.destroy();
    console.log((await indexedDB.databases()).length);`;
  const said = [
    "wasm_unavailable true",
    "[[1,2],[2,1],[2,1]]",
    "backed-up undefined 2",
    "cannot_send",
    "0",
  ];
  assert.equal(await runModule(script), `${said.join("\n")}\n`);
});

test("importing it on a server runs nothing", async () => {
  const script = `
    const refuse = (name) => () => { throw new Error(name + " was called at import"); };
    globalThis.fetch = refuse("fetch");
    for (const name of Object.getOwnPropertyNames(WebAssembly)) WebAssembly[name] = refuse(name);
    const before = Object.getOwnPropertyNames(globalThis);
    const { openCache, evm, bytes, UplinkError } = await import("uplink-cache");
    const added = Object.getOwnPropertyNames(globalThis).filter((name) => !before.includes(name));
    console.log(JSON.stringify([typeof openCache, typeof evm, typeof bytes, typeof UplinkError, added]));`;
  assert.equal(await runModule(script), '["function","function","object","function",[]]\n');
});

test("opening a cache on a server is refused with a code", async () => {
  const script = `
    import { evm, openCache, UplinkError } from "uplink-cache";
    const gateway = evm({ urls: ["http://127.0.0.1:1"], chainId: 1 });
    const error = await openCache({ name: "server", gateway }).catch((error) => error);
    console.log(error instanceof UplinkError, error.code);`;
  assert.equal(await runModule(script), "true storage_unavailable\n");
});

test("the provider's entry works without viem, on a server too, and opens nothing before it is needed", async () => {
  const script = `
    const { uplinkProvider, UplinkRpcError } = await import("uplink-cache/provider");
    const provider = { request: async ({ method }) => method === "eth_chainId" ? "0x1" : null };
    let opened = 0;
    const open = () => { opened += 1; throw new Error("no IndexedDB"); };
    const wrapped = uplinkProvider(provider, open);
    const chainId = await wrapped.request({ method: "eth_chainId" });
    const before = opened;
    const sent = wrapped.request({ method: "eth_sendRawTransaction", params: ["0x02"] });
    const error = await sent.catch((error) => error);
    console.log(chainId, before, error instanceof UplinkRpcError, error.code, opened);
    console.log((await import("uplink-cache/viem").catch((error) => error)).code);`;
  assert.equal(await runModule(script), "0x1 0 true 4900 1\nERR_MODULE_NOT_FOUND\n");
});

test("the inspector's entry is imported on a server: there it defines nothing, and says what it would", async () => {
  const script = `
    const before = Object.getOwnPropertyNames(globalThis);
    const { UplinkInspector } = await import("uplink-cache/inspector");
    const added = Object.getOwnPropertyNames(globalThis).filter((name) => !before.includes(name));
    console.log(typeof UplinkInspector, JSON.stringify(added));`;
  assert.equal(await runModule(script), "function []\n");
  const { sideEffects } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
  assert.ok(
    sideEffects.includes("./dist/inspector.js"),
    "a bundler keeps an import for its effect",
  );
});

test("the entries beside the core have nothing of it in them", async () => {
  const expected = {
    provider: ["./intercept.js"],
    intercept: [],
    viem: ["./intercept.js", "viem"],
    inspector: [],
    react: ["react"],
    query: [],
    svelte: [],
    vue: ["vue"],
  };
  for (const [name, from] of Object.entries(expected)) {
    const entry = await readFile(join(installed, `dist/${name}.js`), "utf8");
    const imports = [...entry.matchAll(/from\s*"([^"]+)"/g)].map(([, from]) => from);
    assert.deepEqual(imports.toSorted(), from, name);
    assert.doesNotMatch(entry, /\bimport\s*\(|\.wasm|WebAssembly/, name);
  }
});

test("viem's clients take the transport, by its types, and the transport's own stay", async () => {
  await symlink(join(root, "node_modules/viem"), join(project, "node_modules/viem"), "junction");
  // viem's own declarations are not ours to check.
  await typeCheck("viem-types.ts", "bundler", { skipLibCheck: true });
});

async function typeCheck(file, resolution, options) {
  const folder = await mkdtemp(join(project, "types-"));
  await cp(join(here, file), join(folder, file));
  const compilerOptions = {
    ...{ strict: true, exactOptionalPropertyTypes: true, noEmit: true },
    ...{ target: "es2022", lib: ["es2022", "dom"], types: [] },
    module: resolution === "bundler" ? "esnext" : "nodenext",
    moduleResolution: resolution,
    ...options,
  };
  const config = { compilerOptions, files: [file] };
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify(config));
  await execute("node", [tsc, "-p", folder]).catch(({ stdout }) => assert.fail(stdout));
}

function filesOf(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

async function runModule(script) {
  const args = ["--input-type=module", "--eval", script];
  return (await execute("node", args, { cwd: project })).stdout;
}
