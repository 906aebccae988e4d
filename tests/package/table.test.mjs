// The packaging table: the packed tarball in each tool, as a dapp installs, builds and loads it.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { serve } from "../support/server.mjs";
import { createStand, runIn, serveBy } from "./stand.mjs";

const ROW_TIMEOUT_MS = 120_000;

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

row("Vite build", "vite", async () => {
  await runIn(project, "vite", "build", "--outDir", "dist/vite");
  return loads("dist/vite", "/");
});

row("dedicated worker, Vite build", "vite", () => loads("dist/vite", "/with-worker.html"));

row("service worker, Vite build", "vite", () => loads("dist/vite", "/with-service-worker.html"));

row("Vite dev server", "vite", async () => {
  const server = await serveBy(project, "vite", "--host", "127.0.0.1", "--port", "0");
  try {
    await stand.seesItsWrite(`${server.url}/`);
    await stand.seesItsWrite(`${server.url}/with-worker.html`);
  } finally {
    await server.stop();
  }
  return 2;
});

/** Serves a folder of the project at an origin of its own, and gives how many pages of it saw their write. */
async function loads(folder, ...paths) {
  const site = await serve({ routes: { "/": join(project, folder) } });
  try {
    for (const path of paths) await stand.seesItsWrite(site.url + path);
  } finally {
    await site.close();
  }
  return paths.length;
}

/** A row of the table: `work` gives how many pages loaded, if there are any. */
function row(name, tool, work) {
  test(name, { timeout: ROW_TIMEOUT_MS }, async () => {
    const startedAtMs = performance.now();
    const entry = { name, tool, version: await versionOf(tool), result: "failed" };
    rows.push(entry);
    try {
      const pages = await work();
      entry.result = pages === undefined ? "ok" : `${pages} ok`;
    } finally {
      entry.seconds = (performance.now() - startedAtMs) / 1000;
    }
  });
}

async function versionOf(tool) {
  const manifest = await readFile(join(project, "node_modules", tool, "package.json"), "utf8");
  return JSON.parse(manifest).version;
}

function printTable() {
  const line = (name, tool, version, seconds, pages) =>
    console.log(name.padEnd(40) + tool.padEnd(26) + version.padEnd(10) + seconds.padStart(8), pages);
  line("row", "tool", "version", "seconds", "page loads");
  for (const { name, tool, version, seconds, result } of rows) {
    line(name, tool, version, seconds.toFixed(1), result);
  }
}
