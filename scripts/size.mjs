// What a page loads, and what in the module takes the room: `npm run size`. Fails above the limit.
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "./build.mjs";
import { MODULE, OPTIMISE, standardLibrary } from "./compile.mjs";
import { BESIDE, SCRIPTS } from "./entries.mjs";
import { main, root, run } from "./lib.mjs";
import { functionsOf } from "./module.mjs";

/**
 * What a page may load, brotli. The aim is 40 KB and the bar 60; this is what has been reached, so that growth is noticed.
 * Whoever makes it smaller lowers it.
 */
const LIMIT_BYTES = { small: 243_600, prebuilt: 256_000 };
const MOST_ROWS = 40;

/** The limit, with the standard library that is at hand. */
export async function limit() {
  return LIMIT_BYTES[(await standardLibrary()).name];
}

/** The bytes that a page loads, each as it is and as a server sends it. */
export function measure() {
  const wasm = sizesOf(readFileSync(resolve(root, "dist", MODULE)));
  const js = sizesOf(readFileSync(resolve(root, "dist/index.js")));
  return { wasm, js, total: sumOf([wasm, js]) };
}

function sumOf(sizes) {
  const sum = (way) => sizes.reduce((all, each) => all + each[way], 0);
  return { raw: sum("raw"), gzip: sum("gzip"), brotli: sum("brotli") };
}

function sizesOf(bytes) {
  return {
    raw: bytes.length,
    gzip: gzipSync(bytes, { level: 9 }).length,
    brotli: brotliCompressSync(bytes).length,
  };
}

await main(import.meta, async () => {
  await build();
  const sizes = measure();
  const script = (name) => readFileSync(resolve(root, "dist", name));
  const others = SCRIPTS.filter((name) => name !== "index.js");
  const beside = Object.entries(BESIDE).map(([entry, names]) => [
    `uplink-cache/${entry}`,
    sumOf(names.map((name) => sizesOf(script(name)))),
  ]);
  printSizes({ [MODULE]: sizes.wasm, "index.js": sizes.js, "a page": sizes.total });
  printSizes(Object.fromEntries(others.map((name) => [name, sizesOf(script(name))])));
  printSizes(Object.fromEntries(beside));
  await printWhatTakesTheRoom();
  await mkdir(resolve(root, "bench/results"), { recursive: true });
  await writeFile(resolve(root, "bench/results/size.json"), `${JSON.stringify(sizes, null, 2)}\n`);
  const { brotli } = sizes.total;
  const most = await limit();
  const verdict = `a page loads ${brotli} bytes (brotli); the limit is ${most}`;
  if (brotli > most) throw new Error(verdict);
  console.log(`\n${verdict}`);
});

function printSizes(rows) {
  const cells = (values) => values.map((value) => String(value).padStart(10)).join("");
  console.log(`\n${"".padEnd(24)}${cells(["raw", "gzip", "brotli"])}`);
  for (const [name, { raw, gzip, brotli }] of Object.entries(rows)) {
    console.log(name.padEnd(24) + cells([raw, gzip, brotli]));
  }
}

/** Of a module that is optimised as the package's is, but keeps the names of its functions. */
async function printWhatTakesTheRoom() {
  const named = resolve(root, "build/named.wasm");
  const program = resolve(root, "node_modules/binaryen/bin/wasm-opt");
  await run("node", [program, ...OPTIMISE, "-g", `build/${MODULE}`, "-o", named]);
  const functions = functionsOf(readFileSync(named));
  printGroups("by crate", functions, ({ name }) => crateOf(name));
  const own = functions.filter(({ name }) => crateOf(name) === "uplink_cache");
  printGroups("by module of this crate", own, ({ name }) => moduleOf(name));
  printGroups("by function", functions, ({ name }) => name.replaceAll(/\[[0-9a-f]+\]/g, ""));
}

function printGroups(title, functions, groupOf) {
  const groups = new Map();
  for (const entry of functions) {
    const group = groupOf(entry);
    const { bytes, count } = groups.get(group) ?? { bytes: 0, count: 0 };
    groups.set(group, { bytes: bytes + entry.bytes, count: count + 1 });
  }
  const all = functions.reduce((sum, { bytes }) => sum + bytes, 0);
  console.log(`\n${title}: ${all} bytes of code, raw; functions`);
  const largest = [...groups].sort((one, other) => other[1].bytes - one[1].bytes);
  for (const [group, { bytes, count }] of largest.slice(0, MOST_ROWS)) {
    const share = `${((100 * bytes) / all).toFixed(1)} %`.padStart(7);
    console.log(`${String(bytes).padStart(8)}${share}${String(count).padStart(6)}  ${group}`);
  }
}

/** The crate that a name begins with: that of the type for its methods, the standard one's for its generics. */
function crateOf(name) {
  return /^[<&(]*([a-z_0-9]+)(?:\[[0-9a-f]+\])?::/.exec(name)?.[1] ?? "(glue, primitives)";
}

function moduleOf(name) {
  const path = /uplink_cache(?:\[[0-9a-f]+\])?((?:::[a-z_]+)+)/.exec(name)?.[1] ?? "";
  return path.split("::").slice(1, 3).join("::");
}
