// The demo's web server: the page, the package, the way to the chain (which a visitor can cut), and the faults on offer.

import { fileURLToPath } from "node:url";
import { serve } from "../../tests/support/server.mjs";

const ROOT = new URL("../../", import.meta.url);

/** Serves the demo on `port` (0: a free one), in front of `chain`. `viem` maps file names to contents. */
export async function serveDemo({ chain, viem, port }) {
  const gateway = cuttableGateway(chain);
  return serve({
    port,
    routes: {
      "/": fileURLToPath(new URL("www", ROOT)),
      "/uplink-cache/": fileURLToPath(new URL("dist", ROOT)),
      "/vendor/": (_request, response, { file }) => sendModule(response, viem.get(file)),
      "/config.json": (_request, response) => sendJson(response, chain.config),
      "/rpc/": gateway.forward,
      "/connection/": gateway.connection,
      "/fund/": post(async (address) => {
        await chain.fund(address);
        return { address };
      }),
      "/reorg": post(chain.reorg),
    },
  });
}

/**
 * `/rpc/<session>` is the chain's JSON-RPC for one visitor; `PUT` and `DELETE` of `/connection/<session>` restore and cut it.
 * A cut connection is broken for real: its sockets are destroyed, those of requests under way too.
 */
function cuttableGateway(chain) {
  const cutSessions = new Set();
  const underWay = new Map();

  async function forward(request, response, { file: session }) {
    if (cutSessions.has(session)) return request.socket.destroy();
    const responses = underWay.get(session) ?? new Set();
    underWay.set(session, responses.add(response));
    try {
      const body = await readBody(request);
      await chain.whenQuiet();
      const answer = await fetch(chain.url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      });
      const text = await answer.text();
      response.writeHead(answer.status, { "content-type": "application/json" }).end(text);
    } catch {
      response.destroy();
    } finally {
      responses.delete(response);
      if (responses.size === 0) underWay.delete(session);
    }
  }

  function connection(request, response, { file: session }) {
    if (request.method === "DELETE") {
      cutSessions.add(session);
      for (const each of underWay.get(session) ?? []) each.destroy();
    } else if (request.method === "PUT") {
      cutSessions.delete(session);
    }
    sendJson(response, { connected: !cutSessions.has(session) });
  }

  return { forward, connection };
}

/** A handler of POST that answers what `action(file)` resolves with. */
function post(action) {
  return async (request, response, { file }) => {
    if (request.method !== "POST") return response.writeHead(405).end();
    sendJson(response, await action(file));
  };
}

function sendJson(response, value) {
  response.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(JSON.stringify(value));
}

function sendModule(response, contents) {
  if (contents === undefined) return response.writeHead(404).end();
  response.writeHead(200, { "content-type": "text/javascript; charset=utf-8" }).end(contents);
}

async function readBody(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}
