// A JSON-RPC reverse proxy in front of a chain: the witness of what reached the gateway and what it
// answered, and the place where tests make it fail (see faults.mjs).

import { createServer } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { isHex, keccak256 } from "viem";
import { CORS_HEADERS, dropReply, send } from "./faults.mjs";
import { close, listen } from "./server.mjs";

const WAIT_TIMEOUT_MS = 30_000;

/**
 * Starts a proxy for `upstream` (a JSON-RPC URL) that is up, and records every call.
 *
 * `log` holds one entry per JSON-RPC call, in the order in which the calls arrived (those of a batch one by one):
 * `{ sequence, post, path, at, method, params, txId?, fault?, reply?, told?, repliedAt?, delivered }`. Times are
 * milliseconds since the epoch; the calls of one batch have one `post`; `path` is that of the URL, any of which leads to
 * the upstream, so that clients can be told apart; `fault` is the name of the fault that it met; `reply` what the upstream
 * said, also where the client never got it; `told` what the client was told instead; `delivered` whether it was handed to
 * the client.
 */
export async function startGateway({ upstream, port = 0 }) {
  const log = [];
  const rules = new Set();
  const faults = new Set();
  const routes = [];
  const listeners = new Set();
  let isDown = false;
  let refused = 0;
  let underWay = 0;
  let posts = 0;

  const server = createServer((request, response) => {
    underWay += 1;
    response.once("close", () => {
      underWay -= 1;
      notify();
    });
    handle(request, response).catch(() => response.destroy());
  });
  server.on("connection", (socket) => {
    if (!isDown) return;
    refused += 1;
    socket.destroy();
  });
  const boundPort = await listen(server, port);

  async function handle(request, response) {
    if (request.method === "OPTIONS") return send(response, 204, CORS_HEADERS);
    const text = await readBody(request);
    const body = parse(text);
    const calls = record(body, request.url);
    const { fault, met } = meet(calls);
    await applyRules("request", calls);
    if (fault.delayMs) await delayUnlessClosed(fault.delayMs, response);
    const answer = await ask({ text, body, calls, met }, fault);
    await applyRules("reply", calls);
    if (isDown || response.destroyed) return void response.destroy();
    const isWhole = fault.answer === undefined || fault.edit !== undefined;
    for (const call of calls) call.delivered = isWhole;
    if (fault.answer) return fault.answer(response, answer);
    send(
      response,
      answer.status,
      { ...CORS_HEADERS, "content-type": answer.contentType },
      answer.text,
    );
  }

  /** The first fault that one of the calls meets, and the calls that meet it: an HTTP request meets one. */
  function meet(calls) {
    for (const each of [...faults]) {
      const met = calls.filter(each.matches);
      if (met.length === 0) continue;
      each.met.push(...met);
      each.times -= 1;
      if (each.times <= 0) faults.delete(each);
      for (const call of met) call.fault = each.fault.name;
      notify();
      return { fault: each.fault, met };
    }
    return { fault: {}, met: [] };
  }

  /** Asks the chain as often as the fault lets the calls reach it, and gives what the client is to be told. */
  async function ask({ text, body, calls, met }, { reaches = 1, edit }) {
    // Of a batch, the calls that do not meet the fault are answered by the chain all the same.
    const isPart = edit !== undefined && met.length < calls.length;
    const passed = reaches === 0 ? calls.filter((call) => isPart && !met.includes(call)) : calls;
    const isBatch = Array.isArray(body);
    const asked = isBatch ? JSON.stringify(body.filter((_, i) => passed.includes(calls[i]))) : text;
    let answer = { status: 200, contentType: "application/json", text: isBatch ? "[]" : "null" };
    if (passed.length > 0 || calls.length === 0) {
      const url = routes.find((route) => passed.some(route.matches))?.url ?? upstream;
      for (let i = 0; i < Math.max(1, reaches); i++) answer = await forward(url, asked);
    }
    recordReply(passed, answer.text);
    if (edit === undefined) return answer;
    for (const call of met) call.told = edit(call.reply, call);
    const told = calls.map((call) => call.told ?? call.reply);
    return { ...answer, text: JSON.stringify(isBatch ? told : told[0]) };
  }

  function record(body, path) {
    const requests = [body].flat().filter((each) => typeof each?.method === "string");
    posts += 1;
    const calls = requests.map(({ id, method, params = [] }, i) => ({
      sequence: log.length + i,
      post: posts,
      path,
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

  /**
   * The calls that match meet this fault (see faults.mjs), in `times` HTTP requests at the most. Of several faults the
   * one that was set first is met. `met` are the calls that did, `heal` ends it.
   */
  function fault(matches, fault, { times = Number.POSITIVE_INFINITY } = {}) {
    const entry = { matches, fault, times, met: [] };
    faults.add(entry);
    return {
      met: entry.met,
      whenMet: (count = 1) => until(() => entry.met.length >= count, `a call meets ${fault.name}`),
      heal: () => void faults.delete(entry),
    };
  }

  /** The calls that match are answered by another node, as behind a load balancer. Returns how to end it. */
  function route(matches, url) {
    const entry = { matches, url };
    routes.unshift(entry);
    return () => void routes.splice(routes.indexOf(entry), 1);
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
    fault,
    route,
    /** The upstream gets the calls that match, and the client a broken connection. Returns how to end it. */
    dropReplies: (matches) => fault(matches, dropReply).heal,
    until,
    untilIdle: () => until(() => underWay === 0, "every request is answered"),
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
      rules.clear();
      faults.clear();
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

/** Waits, but not for a client that is gone. */
async function delayUnlessClosed(delayMs, response) {
  const closed = new AbortController();
  response.once("close", () => closed.abort());
  await delay(delayMs, undefined, { signal: closed.signal }).catch(() => undefined);
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
