// What can go wrong between a client and a gateway, as data for `gateway.fault`.
//
// A fault is `{ name, reaches, delayMs, edit, answer }`, each but the name optional:
// `reaches`  how often the chain gets the call: 0, 1 (the default) or 2 times;
// `delayMs`  how long the call is kept before the chain gets it;
// `edit`     `(reply, call) => reply`: what the client is told in place of the chain's JSON-RPC reply;
// `answer`   `(response, { status, text }) => …`: ends the HTTP response in another way than with that text.
// Where a call does not reach the chain, `edit` gets no reply, and `text` is that of the edited replies.

export const CORS_HEADERS = {
  "access-control-allow-origin": "*",
  "access-control-allow-methods": "GET, POST",
  "access-control-allow-headers": "content-type",
};

const JSON_HEADERS = { ...CORS_HEADERS, "content-type": "application/json" };
const CHUNK = Buffer.alloc(64 * 1024, "x");

/** The gateway is slow. */
export const latency = (delayMs) => ({ name: `${delayMs} ms of latency`, delayMs });

/** The request is lost on its way: the chain never sees it, the client gets a broken connection. */
export const dropRequest = { name: "the request is lost", reaches: 0, answer: destroy };

/** The reply is lost on its way: the chain has seen the request. */
export const dropReply = { name: "the reply is lost", answer: destroy };

/** A network that repeats: the chain gets the same request twice, and the client the second reply. */
export const duplicate = { name: "the request is delivered twice", reaches: 2 };

/**
 * An HTTP response of a proxy in front of the node. `cors` says whether a browser may read it, `retryAfter` is a
 * header's value, which browsers show to the page only where it `isExposed`.
 */
export function http({
  status,
  text = `${status}`,
  contentType = "text/plain",
  cors = true,
  retryAfter,
  isExposed = true,
  reaches = 0,
}) {
  const headers = {
    ...(cors && CORS_HEADERS),
    "content-type": contentType,
    ...(retryAfter !== undefined && { "retry-after": retryAfter }),
    ...(retryAfter !== undefined &&
      isExposed && { "access-control-expose-headers": "retry-after" }),
  };
  const name = `HTTP ${status}${cors ? "" : " without CORS headers"}${reaches > 0 ? " although it arrived" : ""}`;
  return { name, reaches, answer: (response) => send(response, status, headers, text) };
}

/** A page for people where a reply should be. */
export const html = ({ reaches = 0 } = {}) => ({
  ...http({ status: 200, text: "<!doctype html><h1>Welcome</h1>", contentType: "text/html" }),
  name: "an HTML page with status 200",
  reaches,
});

/** Bytes that mean nothing, called JSON. */
export const garbage = ({ reaches = 0 } = {}) => ({
  ...http({ status: 200, text: "\u0000\u0001}{", contentType: "application/json" }),
  name: "garbage with status 200",
  reaches,
});

/** Nothing at all. */
export const empty = ({ reaches = 0 } = {}) => ({
  ...http({ status: 200, text: "", contentType: "application/json" }),
  name: "an empty body with status 200",
  reaches,
});

/** The reply breaks off in the middle, and its length is as announced. */
export const truncated = {
  name: "truncated JSON",
  answer: (response, { status, text }) =>
    send(response, status, JSON_HEADERS, text.slice(0, text.length / 2)),
};

/** The reply to another request. */
export const wrongId = {
  name: "a reply with another id",
  edit: (reply) => ({ ...reply, id: reply.id + 1_000_000 }),
};

/** A JSON-RPC error in place of the node's reply. */
export function rpcError({ code, message, data, status = 200, reaches = 0 }) {
  return {
    name: `error ${code} ${message}`,
    reaches,
    edit: (_, call) => ({
      jsonrpc: "2.0",
      id: call.id,
      error: { code, message, ...(data && { data }) },
    }),
    answer: (response, { text }) => send(response, status, JSON_HEADERS, text),
  };
}

/** A lie: this result in place of the node's, or what a function makes of the node's. */
export function result(value) {
  const lie = typeof value === "function" ? value : () => value;
  return {
    name: `the result ${JSON.stringify(value)}`,
    edit: (reply, call) => ({ jsonrpc: "2.0", id: call.id, result: lie(reply?.result, call) }),
  };
}

/** A node that catches up with its network, to whoever asks `eth_syncing`. */
export const syncing = result({
  startingBlock: "0x0",
  currentBlock: "0x1",
  highestBlock: "0x1000",
});

/**
 * A body of `bytes` bytes with status 200. `taken()` says how many of them have left for the client: a client that
 * hangs up, or stops reading, takes no more than buffers hold.
 */
export function hugeBody({ bytes, announced = false }) {
  let taken = 0;
  async function answer(response) {
    const length = announced && { "content-length": bytes };
    response.writeHead(200, { ...JSON_HEADERS, ...length, connection: "close" });
    response.on("error", () => {});
    const closed = new Promise((resolve) => response.once("close", resolve));
    while (taken < bytes && !response.destroyed) {
      const chunk = CHUNK.subarray(0, Math.min(CHUNK.length, bytes - taken));
      taken += chunk.length;
      if (!response.write(chunk)) {
        await Promise.race([closed, new Promise((resolve) => response.once("drain", resolve))]);
      }
    }
    response.end();
    await closed;
  }
  const how = announced ? "an announced" : "an unannounced";
  return { name: `${how} body of ${bytes} bytes`, reaches: 0, answer, taken: () => taken };
}

/** Ends the response. A fresh connection each time: browsers silently repeat a request whose kept-alive one breaks. */
export function send(response, status, headers, text) {
  response.writeHead(status, { ...headers, connection: "close" });
  response.end(text);
}

function destroy(response) {
  response.destroy();
}
