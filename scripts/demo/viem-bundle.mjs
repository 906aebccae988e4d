// viem as two browser modules, bundled in memory at start: no CDN, and no bundle that can get old.

import { build } from "esbuild";

/** A map from a file's name (`viem.js`, `viem/accounts.js` and shared chunks) to its contents. */
export async function bundleViem() {
  const { outputFiles } = await build({
    absWorkingDir: import.meta.dirname,
    entryPoints: { viem: "viem", "viem/accounts": "viem/accounts" },
    outdir: "/",
    bundle: true,
    splitting: true,
    format: "esm",
    target: "es2022",
    minify: true,
    write: false,
    logLevel: "error",
  });
  return new Map(outputFiles.map(({ path, contents }) => [path.slice(1), contents]));
}
