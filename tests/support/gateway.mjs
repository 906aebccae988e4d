// A JSON-RPC reverse proxy in front of a chain: the witness of what reached the gateway and what it
// answered, and the place where tests make it fail.

import { createServer } from "node:http";
import { isHex, keccak256 } from "viem";
import { close, listen } from "./server.mjs";

const WAIT_TIMEOUT_MS = 30_000;
const CORS_HEADERS = {
  "access-control-allow-origin": "*",
  "access-control-allow-methods": "GET, POST",
  "access-control-allow-headers": "content-type",
};

/**
 * Starts a proxy for `upstream` (a JSON-RPC URL) that is up, and records every call.
 *
 * `log` holds one entry per JSON-RPC call, in the order in which the calls arrived (those of a batch one by one):
 * `{ sequence, post, at, method, params, txId?, reply?, repliedAt?, delivered }`. Times are milliseconds since the epoch;
 * the calls of one batch have one `post`; `reply` is what the upstream said, also where the client never got it; `delivered` whether it was handed to the client.
 */
export async function startGateway({ upstream, port = 0 }) {
  const log = [];
  const rules = new Set();
  const listeners = new Set();
  let isDown = false;
  let refused = 0;
  let posts = 0;

  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  server.on("connection", (socket) => {
    if (!isDown) return;
    refused += 1;
    socket.destroy();
  });
  const boundPort = await listen(server, port);

  async function handle(request, response) {
    if (request.method === "OPTIONS") return void response.writeHead(204, CORS_HEADERS).end();
    const body = await readBody(request);
    const calls = record(body);
    await applyRules("request", calls);
    const answer = await forward(upstream, body);
    recordReply(calls, answer.text);
    await applyRules("reply", calls);
    if (isDown || response.destroyed || calls.some((call) => call.dropReply)) {
      return void response.destroy();
    }
    for (const call of calls) call.delivered = true;
    response.writeHead(answer.status, {
      ...CORS_HEADERS,
      "content-type": answer.contentType,
      // Browsers silently repeat a request whose kept-alive connection breaks; a fresh one each time keeps the log true.
      connection: "close",
    });
    response.end(answer.text);
  }

  function record(body) {
    const requests = [parse(body)].flat().filter((each) => typeof each?.method === "string");
    posts += 1;
    const calls = requests.map(({ id, method, params = [] }, i) => ({
      sequence: log.length + i,
      post: posts,
      at: Date.now(),
      id,
      method,
      params,
      ...(isSend(method) && isHex(params[0]) && { txId: keccak256(params[0]) }),
      delivered: false,
    }));
    log.push(...calls);
    notify();
    return calls;
  }

  function recordReply(calls, text) {
    const replies = [parse(text)].flat();
    for (const call of calls) {
      call.reply = replies.find((reply) => reply?.id === call.id);
      call.repliedAt = Date.now();
    }
    notify();
  }

  async function applyRules(stage, calls) {
    for (const rule of [...rules]) {
      const matching = rule.stage === stage ? calls.filter(rule.matches) : [];
      if (matching.length > 0) await rule.apply(matching);
    }
  }

  function notify() {
    for (const listener of [...listeners]) listener();
  }

  function addRule(stage, matches, apply) {
    const rule = { stage, matches, apply };
    rules.add(rule);
    return () => rules.delete(rule);
  }

  /** Holds the calls that match, before the upstream (`"request"`) or before the client (`"reply"`) sees them. */
  function hold(stage, matches) {
    let release;
    const released = new Promise((resolve) => {
      release = resolve;
    });
    const held = [];
    const remove = addRule(stage, matches, (calls) => {
      held.push(...calls);
      notify();
      return released;
    });
    return {
      held,
      whenHeld: () => until(() => held.length > 0, "a call is held"),
      release() {
        remove();
        release();
      },
    };
  }

  /** The upstream gets the calls that match, and the client a broken connection. Returns how to end it. */
  function dropReplies(matches) {
    return addRule("reply", matches, (calls) => {
      for (const call of calls) call.dropReply = true;
    });
  }

  /** Resolves with the first true result of `check(log)`, which is asked again at every change of the log. */
  function until(check, what = "the gateway log", { timeoutMs = WAIT_TIMEOUT_MS } = {}) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        listeners.delete(look);
        const methods = log.map((call) => call.method).join(" ");
        reject(
          new Error(`waited ${timeoutMs} ms in vain until ${what}; the gateway saw: ${methods}`),
        );
      }, timeoutMs);
      function look() {
        const result = check(log);
        if (!result) return;
        clearTimeout(timer);
        listeners.delete(look);
        resolve(result);
      }
      listeners.add(look);
      look();
    });
  }

  return {
    url: `http://127.0.0.1:${boundPort}`,
    port: boundPort,
    log,
    hold,
    dropReplies,
    until,
    /** The calls that carried this transaction, or any transaction. */
    sends: (txId) =>
      log.filter((call) => isSend(call.method) && (txId === undefined || call.txId === txId)),
    /** How many connections were broken because the gateway was down. */
    refused: () => refused,
    /** Breaks every connection, open or new, until `up`. The port stays ours. */
    down() {
      isDown = true;
      server.closeAllConnections();
    },
    up() {
      isDown = false;
    },
    close() {
      for (const rule of rules) rules.delete(rule);
      return close(server);
    },
  };
}

/** A rule's test for calls by method. */
export function method(...names) {
  return (call) => names.includes(call.method);
}

export const isSend = (name) => name.startsWith("eth_sendRawTransaction");

async function forward(upstream, body) {
  const answer = await fetch(upstream, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  return {
    status: answer.status,
    contentType: answer.headers.get("content-type") ?? "application/json",
    text: await answer.text(),
  };
}

async function readBody(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
