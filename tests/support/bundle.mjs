// Code that imports packages, as one module for a page that has the core from /dist/.
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { BESIDE } from "../../scripts/entries.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const ENTRIES = Object.keys(BESIDE).map((name) => [`uplink-cache/${name}`, `./dist/${name}.js`]);

/** The module's text. Packages check what they can, as in development. */
export async function bundle(contents, { loader = "ts" } = {}) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: ROOT, loader },
    // The page has loaded the core, which finds its module beside itself.
    alias: { ...Object.fromEntries(ENTRIES), "uplink-cache": "/dist/index.js" },
    external: ["/dist/index.js"],
    define: { "process.env.NODE_ENV": '"development"' },
    bundle: true,
    format: "esm",
    jsx: "automatic",
    target: "es2022",
    write: false,
    logLevel: "error",
  });
  return outputFiles[0].text;
}

/** A module of the wrapper by itself, in this process. */
export async function moduleOf(path) {
  const options = { entryPoints: [path], absWorkingDir: ROOT, bundle: true, format: "esm" };
  const { outputFiles } = await build({ ...options, write: false, logLevel: "error" });
  const code = Buffer.from(outputFiles[0].text).toString("base64");
  return import(`data:text/javascript;base64,${code}`);
}

/** A route that answers with a script: its text, or the promise of it. */
export function serveCode(code) {
  return async (_, response) =>
    response.writeHead(200, { "content-type": "text/javascript" }).end(await code);
}

/** The same for a module that is bundled once, when it is first asked for. */
export function serveBundle(contents) {
  let bundled;
  return (request, response) => {
    bundled ??= bundle(contents);
    return serveCode(bundled)(request, response);
  };
}
