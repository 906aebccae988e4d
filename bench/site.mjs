// The pages of the benchmark: each column's code in a bundle of its own, payloads signed when they are asked for, and headers
// that give a page a fine clock. Every name under localhost leads here, so that each sample has an origin of its own.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { close, listen } from "../tests/support/server.mjs";
import { signMany } from "./payloads.mjs";

const HEADERS = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cache-control": "no-cache",
};
const PAGE = `<!doctype html>
<html lang="en"><head><meta charset="utf-8" /><title>bench</title><link rel="icon" href="data:," />
<script type="module" src="/page.js"></script></head></html>`;
const DIST = ["index.js", "recover.js", "uplink_cache_bg.wasm"];
const BATCH = 10_000;

/** `urlOf(origin)` is the page's address under that name. */
export async function startSite({ columns }) {
  const files = new Map([["/", { type: "text/html; charset=utf-8", body: PAGE }]]);
  for (const file of DIST) files.set(`/dist/${file}`, await packageFile(file));
  for (const [path, body] of await bundles(columns)) {
    files.set(path, { type: "text/javascript; charset=utf-8", body });
  }
  const signed = new Map();

  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, "http://localhost");
    if (pathname === "/payloads") return sendPayloads(searchParams, response);
    const file = files.get(pathname);
    if (file === undefined) return response.writeHead(404, HEADERS).end();
    response.writeHead(200, { ...HEADERS, "content-type": file.type }).end(file.body);
  });

  function sendPayloads(query, response) {
    const numbers = ["first", "count", "calldataBytes"].map((name) => query.get(name));
    const [first, count, calldataBytes] = numbers.map((text) => (text ? Number(text) : undefined));
    response.writeHead(200, { ...HEADERS, "content-type": "application/octet-stream" });
    for (let at = first; at < first + count; ) {
      const batchAt = at - (at % BATCH);
      const end = Math.min(first + count, batchAt + BATCH);
      const batch = batchOf(batchAt, calldataBytes).slice(at - batchAt, end - batchAt);
      response.write(Buffer.concat(batch.flatMap((payload) => [lengthOf(payload), payload])));
      at = end;
    }
    response.end();
  }

  /** Kept: the same payloads are asked for again and again. */
  function batchOf(first, calldataBytes) {
    const name = `${first} ${calldataBytes}`;
    if (!signed.has(name)) signed.set(name, signMany(first, BATCH, calldataBytes));
    return signed.get(name);
  }

  const port = await listen(server);
  return {
    urlOf: (origin) => `http://${origin}.localhost:${port}/`,
    port,
    close: () => close(server),
  };
}

async function packageFile(file) {
  const type = file.endsWith(".wasm") ? "application/wasm" : "text/javascript; charset=utf-8";
  return { type, body: await readFile(new URL(`../dist/${file}`, import.meta.url)) };
}

/** The page's script, and the columns' as they would be shipped. The package is left as it is built. */
async function bundles(columns) {
  const { outputFiles } = await build({
    absWorkingDir: fileURLToPath(new URL(".", import.meta.url)),
    entryPoints: ["page/page.js", ...columns.map((column) => `page/columns/${column}.js`)],
    outbase: "page",
    outdir: "/",
    write: false,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    define: { "process.env.NODE_ENV": '"production"', global: "globalThis" },
    external: ["/columns/*", "/dist/*"],
    plugins: [
      {
        name: "package",
        setup: ({ onResolve }) =>
          onResolve({ filter: /^uplink-cache$/ }, () => ({
            path: "/dist/index.js",
            external: true,
          })),
      },
    ],
    logLevel: "warning",
  });
  return outputFiles.map(({ path, text }) => [path, text]);
}

function lengthOf(payload) {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(payload.length);
  return length;
}
