// Checks every source, warnings denied: `npm run lint`. All checks run, even after one failed.
import { build } from "./build.mjs";
import { main, run, say } from "./lib.mjs";
import { setup } from "./setup.mjs";

const WASM = ["--target", "wasm32-unknown-unknown", "--lib", "--test", "browser"];
const DENY = ["--", "-D", "warnings"];
const COLORS = process.stdout.isTTY ? "--colors=force" : "--colors=off";

const checks = {
  rustfmt: () => run("cargo", ["fmt", "--check"]),
  "rustfmt of tools/": () =>
    run("cargo", ["fmt", "--check", "--manifest-path", "tools/Cargo.toml"]),
  "rustfmt of fuzz/": () => run("cargo", ["fmt", "--check", "--manifest-path", "fuzz/Cargo.toml"]),
  biome: () => run("node_modules/.bin/biome", ["ci", COLORS]),
  "clippy, native": () => run("cargo", ["clippy", "--locked", "--all-targets", ...DENY]),
  "clippy, wasm": () => run("cargo", ["clippy", "--locked", ...WASM, ...DENY]),
  async typescript() {
    await build(); // the wrapper imports the types of the built module
    await run("node_modules/.bin/tsc", ["-p", "tsconfig.json"]);
  },
};

await main(import.meta, async () => {
  await setup(["rust", "tools", "npm"]);
  const failed = [];
  for (const [name, check] of Object.entries(checks)) {
    say(`lint: ${name}`);
    await check().catch((error) => {
      console.error(error.message);
      failed.push(name);
    });
  }
  const passed = Object.keys(checks).length - failed.length;
  const which = failed.length > 0 ? `: ${failed.join("; ")}` : "";
  say(`lint: ${passed} checks passed, ${failed.length} failed${which}`);
  if (failed.length > 0) process.exitCode = 1;
});
