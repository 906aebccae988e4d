// What the scripts share: running commands, telling what happens, skipping what is done already.
// Node's own modules alone, since setup runs before node_modules exists.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { delimiter, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");

const startedAtMs = performance.now();
const HANG_UP_MS = 2000;
const children = new Set();
let stopping = false;

/** One line a step, with the seconds since the start. */
export function say(text) {
  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(1);
  console.log(`[${seconds.padStart(6)} s] ${text}`);
}

/**
 * Runs a command in the repository's root and gives its output, which is shown as it comes unless
 * `quiet`. Rejects with that output when the command fails.
 */
export function run(command, args, { env = {}, cwd = root, quiet = false } = {}) {
  if (stopping) return Promise.reject(new Error("stopped"));
  return new Promise((done, fail) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    children.add(child);
    let output = "";
    const take = (stream) => (chunk) => {
      output += chunk;
      if (!quiet) stream.write(chunk);
    };
    child.stdout.setEncoding("utf8").on("data", take(process.stdout));
    child.stderr.setEncoding("utf8").on("data", take(process.stderr));
    child.on("error", (error) => {
      children.delete(child);
      fail(error.code === "ENOENT" ? new Error(`${command} is not installed`) : error);
    });
    child.on("exit", () => setTimeout(() => hangUp(child), HANG_UP_MS).unref());
    child.on("close", (code, signal) => {
      children.delete(child);
      if (code === 0) return done(output);
      const how = signal ? `was ended by ${signal}` : `failed with exit code ${code}`;
      const shown = quiet ? `\n${output}` : "";
      fail(Object.assign(new Error(`${command} ${args[0] ?? ""} ${how}${shown}`), { output }));
    });
  });
}

/** A process that the command left behind may hold its output open, for ever. */
function hangUp(child) {
  child.stdout.destroy();
  child.stderr.destroy();
}

/** Ends the running commands; each `run` then rejects, so that its caller cleans up. */
export function stopCommands() {
  stopping = true;
  for (const child of children) child.kill("SIGTERM");
}

/** Runs `work` when the file of `meta` was started directly, and turns its error into an exit code. */
export async function main(meta, work) {
  if (!process.argv[1] || realpathSync(process.argv[1]) !== fileURLToPath(meta.url)) return;
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, stopCommands);
  try {
    await work(process.argv.slice(2));
  } catch (error) {
    console.error(`\n${error.message}`);
    process.exitCode = 1;
  }
}

/** The path of a program, looked for as a shell does. */
export function which(program) {
  return (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, program))
    .find((path) => existsSync(path));
}

/** The files below a path, or the path itself when it is a file; none when it does not exist. */
export function filesBelow(path) {
  if (!existsSync(path)) return [];
  if (statSync(path).isFile()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((name) => filesBelow(join(path, name)));
}

/** A hash over files (names and contents, relative to the root) and further strings. */
export function hashOf(paths, ...strings) {
  const hash = createHash("sha256");
  for (const file of paths.flatMap((path) => filesBelow(resolve(root, path)))) {
    hash
      .update(`${relative(root, file)}\0`)
      .update(readFileSync(file))
      .update("\0");
  }
  for (const string of strings) hash.update(`${string}\0`);
  return hash.digest("hex").slice(0, 16);
}

/**
 * Does `work` unless its inputs (the hash) are those of the last time and its outputs are there.
 * The stamp is written last: work that was cut off is done again.
 */
export async function whenChanged({ name, hash, outputs }, work) {
  const stamp = resolve(root, "build/stamps", name);
  const fresh = existsSync(stamp) && readFileSync(stamp, "utf8") === hash;
  if (fresh && outputs.every((path) => existsSync(resolve(root, path)))) return false;
  await work();
  await mkdir(dirname(stamp), { recursive: true });
  await writeFile(stamp, hash);
  return true;
}
