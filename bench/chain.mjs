// A gateway that is never the bottleneck: a loopback HTTP server that speaks JSON-RPC, takes every transaction at once, and
// mines a block when it is told to. Its blocks are final as they come.

import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { hexToBytes, keccak256 } from "viem";
import { CORS_HEADERS } from "../tests/support/faults.mjs";
import { close, listen } from "../tests/support/server.mjs";
import { CHAIN_ID } from "./payloads.mjs";

const JSON_HEADERS = { ...CORS_HEADERS, "content-type": "application/json" };

/** A block comes every `blockMs`, where that is given, and whenever a page calls `bench_mine`: it takes all that wait. `mine`
 * can leave them waiting. */
export async function startChain({ blockMs } = {}) {
  const pool = new Set();
  const blockOf = new Map();
  const blocks = [block(0, [])];
  const head = () => blocks.at(-1);

  const methods = {
    eth_chainId: () => quantity(CHAIN_ID),
    eth_syncing: () => false,
    eth_getBlockByNumber: ([name]) => (name.startsWith("0x") ? blocks[Number(name)] : head()),
    eth_sendRawTransaction([raw]) {
      const hash = keccak256(hexToBytes(raw));
      if (!blockOf.has(hash)) pool.add(hash);
      return hash;
    },
    eth_getTransactionReceipt: ([hash]) => receipt(hash),
    eth_getBlockReceipts: ([name]) =>
      blocks
        .find(({ hash, number }) => hash === name || number === name)
        ?.transactions.map((hash) => receipt(hash)),
    eth_getTransactionByHash: ([hash]) =>
      pool.has(hash) || blockOf.has(hash) ? { hash, value: "0x0", input: "0x" } : null,
    eth_getTransactionCount: () => quantity(pool.size + blockOf.size),
    bench_mine: () => mine(),
  };

  function mine({ isEmpty = false } = {}) {
    const transactions = isEmpty ? [] : [...pool];
    for (const hash of transactions) pool.delete(hash);
    for (const [index, hash] of transactions.entries()) {
      blockOf.set(hash, { number: blocks.length, index });
    }
    blocks.push(block(blocks.length, transactions, head().hash));
  }

  function receipt(transactionHash) {
    const at = blockOf.get(transactionHash);
    if (at === undefined) return null;
    const { number: blockNumber, hash: blockHash } = blocks[at.number];
    const transactionIndex = quantity(at.index);
    return { transactionHash, blockNumber, blockHash, transactionIndex, status: "0x1" };
  }

  function answer({ id, method, params = [] }) {
    const result = methods[method]?.(params);
    if (methods[method] !== undefined) return { jsonrpc: "2.0", id, result: result ?? null };
    const error = { code: -32601, message: `method not found: ${method}` };
    return { jsonrpc: "2.0", id, error };
  }

  const server = createServer(async (request, response) => {
    if (request.method === "OPTIONS") {
      return response.writeHead(204, { ...CORS_HEADERS, "access-control-max-age": "600" }).end();
    }
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    const reply = Array.isArray(body) ? body.map(answer) : answer(body);
    response.writeHead(200, JSON_HEADERS).end(JSON.stringify(reply));
  });
  const port = await listen(server);
  const timer = blockMs === undefined ? undefined : setInterval(() => mine(), blockMs);

  return {
    url: `http://127.0.0.1:${port}`,
    mine,
    close() {
      clearInterval(timer);
      return close(server);
    },
  };
}

/** The address of a gateway that refuses every connection. */
export async function deadUrl() {
  const server = createServer();
  const port = await listen(server);
  await close(server);
  return `http://127.0.0.1:${port}`;
}

function block(number, transactions, parentHash = `0x${"00".repeat(32)}`) {
  const hash = `0x${createHash("sha256").update(`block ${number}`).digest("hex")}`;
  return { number: quantity(number), hash, parentHash, transactions };
}

function quantity(number) {
  return `0x${number.toString(16)}`;
}
