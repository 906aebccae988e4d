// A loopback HTTP server for pages: folders by path prefix, and handlers (a gateway proxy, for one).

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize, sep } from "node:path";

const MIME_TYPES = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".mjs": "text/javascript; charset=utf-8",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
  ".woff2": "font/woff2",
};

/**
 * Serves `routes`: a path prefix to a folder, or to a handler `(request, response) => void`.
 * The longest prefix wins, so `{ "/": "www", "/dist/": "dist", "/rpc": gateway.handle }` works.
 * Every answer has `headers`.
 */
export async function serve({ routes, headers = {}, port = 0 }) {
  const prefixes = Object.keys(routes).sort((a, b) => b.length - a.length);
  const server = createServer((request, response) => {
    response.setHeaders(new Headers(headers));
    const path = pathOf(request);
    const prefix = path === undefined ? undefined : prefixes.find((each) => path.startsWith(each));
    if (prefix === undefined) return end(response, 404);
    const route = routes[prefix];
    const answer = typeof route === "function" ? route : serveFile;
    Promise.resolve(
      answer(request, response, { folder: route, file: path.slice(prefix.length) }),
    ).catch((error) => end(response, 500, String(error)));
  });
  const boundPort = await listen(server, port);
  return { url: `http://127.0.0.1:${boundPort}`, port: boundPort, close: () => close(server) };
}

/** Binds loopback only; resolves with the port. */
export function listen(server, port = 0) {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => {
      server.off("error", reject);
      resolve(server.address().port);
    });
  });
}

/** Closes a server and the connections that are still open. */
export function close(server) {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

async function serveFile(request, response, { folder, file }) {
  if (request.method !== "GET" && request.method !== "HEAD") return end(response, 405);
  const relative = normalize(file === "" || file.endsWith("/") ? `${file}index.html` : file);
  if (relative.startsWith(`..${sep}`) || relative.startsWith(sep) || relative === "..") {
    return end(response, 404);
  }
  const path = join(folder, relative);
  const info = await stat(path).catch(() => undefined);
  if (!info?.isFile()) return end(response, 404);
  response.writeHead(200, {
    "content-type": MIME_TYPES[extname(path)] ?? "application/octet-stream",
    "content-length": info.size,
    // A rebuilt package must be seen at the next reload; "no-store" would keep pages out of the back/forward cache.
    "cache-control": "no-cache",
  });
  if (request.method === "HEAD") return response.end();
  createReadStream(path)
    .on("error", () => response.destroy())
    .pipe(response);
}

function pathOf(request) {
  try {
    return decodeURIComponent(new URL(request.url, "http://127.0.0.1").pathname);
  } catch {
    return undefined;
  }
}

function end(response, status, text = `${status}`) {
  if (response.headersSent) return response.destroy();
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(text);
}
