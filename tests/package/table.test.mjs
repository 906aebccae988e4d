// The packaging table: the packed tarball in each tool, as a dapp installs, builds and loads it.

import assert from "node:assert/strict";
import { copyFile, cp, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createStand, runIn, serveBy } from "../support/packed.mjs";
import { serve } from "../support/server.mjs";

const ROW_TIMEOUT_MS = 120_000;
const VITE = "vite/bin/vite.js";
const VITE_7 = ["--config", "vite-7.config.js", "--outDir", "dist/vite-7"];
const STRICT_CSP = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'";

let stand;
let project;
const rows = [];

before(async () => {
  stand = await createStand();
  project = await stand.install("tests/package/projects/bundlers");
});

after(async () => {
  await stand?.close();
  printTable();
});

for (const resolution of ["bundler", "nodenext"]) {
  row(`strict types, moduleResolution ${resolution}`, "typescript", async () => {
    const folder = await mkdtemp(join(project, "types-"));
    await copyFile(fileURLToPath(new URL("types.ts", import.meta.url)), join(folder, "types.ts"));
    const compilerOptions = {
      ...{ strict: true, exactOptionalPropertyTypes: true, noEmit: true, skipLibCheck: false },
      ...{ target: "es2022", lib: ["es2022", "dom"], types: [] },
      module: resolution === "bundler" ? "esnext" : "nodenext",
      moduleResolution: resolution,
    };
    const config = JSON.stringify({ compilerOptions, files: ["types.ts"] });
    await writeFile(join(folder, "tsconfig.json"), config);
    await runIn(project, "typescript/bin/tsc", "-p", folder);
  });
}

row("are the types wrong, esm-only", "@arethetypeswrong/cli", async () => {
  const args = ["uplink-cache.tgz", "--profile", "esm-only"];
  await runIn(project, "@arethetypeswrong/cli/dist/index.js", ...args);
});

row("publint, strict", "publint", async () => {
  const args = ["run", "node_modules/uplink-cache", "--strict"];
  assert.match(await runIn(project, "publint/src/cli.js", ...args), /All good!/);
});

row("no bundler, import map", "uplink-cache", async () => {
  const scripts = join(project, "node_modules/uplink-cache/dist");
  return load({ "/": project, "/uplink-cache/": scripts }, ["/plain.html"]);
});

row("Vite build", "vite", async () => {
  await runIn(project, VITE, "build", "--outDir", "dist/vite");
  return load({ "/": join(project, "dist/vite") }, ["/"]);
});

row("Vite build: dedicated worker", "vite", () =>
  load({ "/": join(project, "dist/vite") }, ["/with-worker.html"]),
);

row("Vite build: service worker", "vite", () =>
  load({ "/": join(project, "dist/vite") }, ["/with-service-worker.html"]),
);

row("Vite build: strict CSP", "vite", () => {
  const policy = `${STRICT_CSP} ${stand.gateway.url}`;
  const headers = { "content-security-policy": policy };
  return load({ "/": join(project, "dist/vite") }, ["/", "/with-worker.html"], headers);
});

row("Vite build: a CSP that forbids wasm", "vite", async () => {
  const policy = STRICT_CSP.replace(" 'wasm-unsafe-eval'", "");
  const headers = { "content-security-policy": `${policy} ${stand.gateway.url}` };
  for (const page of ["/", "/with-worker.html"]) {
    const { code, message, retryable } = await refusal({}, page, { headers });
    assert.deepEqual([code, retryable], ["wasm_unavailable", false]);
    assert.match(message, /CSP forbids it: add 'wasm-unsafe-eval' to script-src/);
  }
  return 2;
});

row("Vite build: a CSP that forbids the fetch", "vite", async () => {
  const policy = `${STRICT_CSP} ${stand.gateway.url}`.replace("connect-src 'self'", "connect-src");
  const headers = { "content-security-policy": policy };
  const { code, message } = await refusal({}, "/", { headers });
  assert.equal(code, "wasm_unavailable");
  assert.match(message, /uplink_cache_bg-.+\.wasm could not be fetched: .+ connect-src; .+`wasm`/);
  return 1;
});

row("Vite build: the module was moved", "vite", async () => {
  const notFound = (_, response) => response.writeHead(404).end();
  const page = (_, response) =>
    response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html>");
  const answers = { "answered 404": notFound, "is text/html": page };
  for (const [words, answer] of Object.entries(answers)) {
    const moved = { "/assets/uplink_cache_bg": answer };
    const { code, message, retryable } = await refusal(moved, "/");
    assert.deepEqual([code, retryable], ["wasm_unavailable", false]);
    assert.match(message, /http:.+uplink_cache_bg-.+\.wasm .+ openCache .+ option `wasm`/);
    assert.ok(message.includes(words), message);
  }
  return 2;
});

row("Vite 7 build", "vite-7", async () => {
  await runIn(project, "vite-7/bin/vite.js", "build", ...VITE_7);
  const pages = ["/", "/with-worker.html", "/with-service-worker.html"];
  return load({ "/": join(project, "dist/vite-7") }, pages);
});

row("Vite dev server", "vite", () =>
  duringDev(async (url) => {
    await stand.seesItsWrite(`${url}/`);
    await stand.seesItsWrite(`${url}/with-worker.html`);
    return 2;
  }),
);

row("Vite dev server: modules edited", "vite", () => duringDev(goesOnWhileEdited));

row("webpack build", "webpack", async () => {
  await runIn(project, "webpack-cli/bin/cli.js");
  return loadScript("dist/webpack");
});

row("esbuild, option wasm", "esbuild", async () => {
  const flags = ["--bundle", "--format=esm", "--loader:.wasm=file", "--outdir=dist/esbuild"];
  await runIn(project, "esbuild/bin/esbuild", "main=with-wasm-option.js", ...flags);
  return loadScript("dist/esbuild");
});

row("Rollup, module beside the script", "rollup", async () => {
  await runIn(project, "rollup/dist/bin/rollup", "--config");
  return loadScript("dist/rollup");
});

row("Next.js app router, build and start", "next", async () => {
  project = await stand.install("tests/package/projects/next");
  const next = "next/dist/bin/next";
  await runIn(project, next, "build");
  const server = await serveBy(project, next, "start", "--hostname", "127.0.0.1", "--port", "0");
  try {
    await stand.seesItsWrite(`${server.url}/`);
    const html = await (await fetch(server.url)).text();
    assert.match(html, /<p id="server">storage_unavailable<\/p>/);
  } finally {
    await server.stop();
  }
  return 1;
});

/** An edit of what draws, and then one of what opens the cache: the page is not loaded anew, and sends nothing twice. */
async function goesOnWhileEdited(url) {
  const first = await stand.sign();
  const second = await stand.sign();
  const visited = await stand.visit(`${url}/hot.html`, { payload: first.raw, later: second.raw });
  assert.equal((await visited.shows("submitted")).source, "backup");
  await edit("hot-title.js");
  const afterTitle = await visited.shows("edited-title");
  assert.deepEqual([afterTitle.title, afterTitle.entry.value], ["after", { title: "before" }]);
  await edit("hot-cache.js");
  const { entry, ...afterCache } = await visited.shows("edited-cache");
  assert.deepEqual(entry.value, { title: "before" });
  assert.deepEqual(afterCache, {
    ...{ edition: "after", isOther: true, leaders: 1 },
    seen: { value: {}, source: "backup" },
  });
  await stand.settle(first.txId, second.txId);
  assert.equal((await visited.shows("settled")).status, "final");
  assert.equal((await visited.shows("settled-later")).status, "final");
  for (const { txId } of [first, second]) assert.equal(stand.gateway.sends(txId).length, 1);
  await visited.close();
  return 1;
}

async function edit(file) {
  const path = join(project, file);
  await writeFile(path, (await readFile(path, "utf8")).replace('"before"', '"after"'));
}

/** Serves routes at an origin of its own, and gives how many pages of it saw their write. */
async function load(routes, paths, headers) {
  const site = await serve({ routes, headers });
  try {
    for (const path of paths) await stand.seesItsWrite(site.url + path);
  } finally {
    await site.close();
  }
  return paths.length;
}

/** What the cache is refused with on a page of Vite's build, served with something wrong. */
async function refusal(wrongRoutes, path, { headers } = {}) {
  const site = await serve({
    routes: { "/": join(project, "dist/vite"), ...wrongRoutes },
    headers,
  });
  try {
    const { raw } = await stand.sign();
    const visited = await stand.visit(site.url + path, { payload: raw });
    const { error } = await visited.shows("submitted");
    await visited.page.close();
    return error;
  } finally {
    await site.close();
  }
}

/** Loads the page of a bundler that makes scripts alone. */
async function loadScript(folder) {
  await cp(join(project, "index.html"), join(project, folder, "index.html"));
  return load({ "/": join(project, folder) }, ["/"]);
}

async function duringDev(work) {
  const server = await serveBy(project, VITE, "--host", "127.0.0.1", "--port", "0");
  try {
    return await work(server.url);
  } finally {
    await server.stop();
  }
}

/** A row of the table: `work` gives how many pages loaded, if there are any. */
function row(name, tool, work) {
  test(name, { timeout: ROW_TIMEOUT_MS }, async () => {
    const startedAtMs = performance.now();
    const entry = { name, tool, result: "failed" };
    rows.push(entry);
    try {
      const pages = await work();
      entry.result = pages === undefined ? "ok" : `${pages} ok`;
      const manifest = await readFile(join(project, "node_modules", tool, "package.json"), "utf8");
      entry.version = JSON.parse(manifest).version;
    } finally {
      entry.seconds = (performance.now() - startedAtMs) / 1000;
    }
  });
}

function printTable() {
  const line = (name, tool, seconds, pages) =>
    console.log(name.padEnd(42) + tool.padEnd(30) + seconds.padStart(8).padEnd(10) + pages);
  line("row", "tool", "seconds", "page loads");
  for (const { name, tool, version = "", seconds, result } of rows) {
    line(name, `${tool} ${version}`, seconds.toFixed(1), result);
  }
}
