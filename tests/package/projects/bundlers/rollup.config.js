import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { nodeResolve } from "@rollup/plugin-node-resolve";

export default {
  input: "main.js",
  output: { dir: "dist/rollup" },
  plugins: [nodeResolve(), moduleBeside()],
};

/** Rollup leaves `new URL("uplink_cache_bg.wasm", import.meta.url)` as it is: the file has to stand beside the script. */
function moduleBeside() {
  return {
    name: "module-beside",
    async generateBundle() {
      const url = import.meta.resolve("uplink-cache/uplink_cache_bg.wasm");
      const source = await readFile(fileURLToPath(url));
      this.emitFile({ type: "asset", fileName: "uplink_cache_bg.wasm", source });
    },
  };
}
