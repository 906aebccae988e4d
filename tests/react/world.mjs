// The end-to-end tests' world, with React, TanStack Query, Svelte and Vue in its pages.
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { createWorld } from "../e2e/fixture.mjs";

const PAGE_FOLDER = fileURLToPath(new URL("page", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FACES = ["react", "query", "svelte", "vue"];

let libraries;

export async function createReactWorld(t, { routes = {}, ...options } = {}) {
  const own = { "/react/": PAGE_FOLDER, "/react/libraries.js": serveLibraries };
  const world = await createWorld(t, { routes: { ...own, ...routes }, ...options });

  /** A page with the libraries as `faces`, and `open` that opens a cache as the global `cache`, and counts as `opened`. */
  async function open(cacheOptions = world.options(), pageOptions = {}) {
    const page = await world.openPage(pageOptions);
    await load(page, cacheOptions);
    return page;
  }

  /** The same page anew. */
  async function reload(page, cacheOptions = world.options()) {
    await page.reload();
    await load(page, cacheOptions);
  }

  async function load(page, cacheOptions) {
    await page.evaluate(async (cacheOptions) => {
      await import("/react/faces.js");
      globalThis.opened = 0;
      globalThis.open = async () => {
        opened += 1;
        await uplink.start(cacheOptions);
        return cache;
      };
    }, cacheOptions);
  }

  return { ...world, open, reload };
}

/** One module for a page, of code that imports packages: React with its checks, as in development. */
export async function bundle(contents, { loader = "js" } = {}) {
  const faces = FACES.map((name) => [`uplink-cache/${name}`, `./dist/${name}.js`]);
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: ROOT, loader },
    // The page has loaded the core, which finds its module beside itself.
    alias: { ...Object.fromEntries(faces), "uplink-cache": "/dist/index.js" },
    external: ["/dist/index.js"],
    define: { "process.env.NODE_ENV": '"development"' },
    bundle: true,
    format: "esm",
    target: "es2022",
    write: false,
    logLevel: "error",
  });
  return outputFiles[0].text;
}

export function serveCode(code) {
  return async (_, response) =>
    response.writeHead(200, { "content-type": "text/javascript" }).end(await code);
}

async function serveLibraries(_, response) {
  libraries ??= bundle('export * from "./tests/react/page/libraries.js"');
  await serveCode(libraries)(_, response);
}
