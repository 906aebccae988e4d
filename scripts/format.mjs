// Formats every source in place: `npm run format`.
import { main, run, say } from "./lib.mjs";
import { setup } from "./setup.mjs";

await main(import.meta, async () => {
  await setup(["rust", "npm"]);
  say("format: Rust");
  await run("cargo", ["fmt"]);
  await run("cargo", ["fmt", "--manifest-path", "tools/Cargo.toml"]);
  await run("cargo", ["fmt", "--manifest-path", "fuzz/Cargo.toml"]);
  say("format: TypeScript, JavaScript, CSS and JSON");
  await run("node_modules/.bin/biome", ["check", "--write"]);
});
