// Clients of a page as a dapp makes them: of the global `cache`, or of another source of one. Everything is on `adapters`.
import * as libraries from "/adapters/libraries.js";

const { ethers, foundry, privateKeyToAccount, uplinkTransport, viem } = libraries;
/** The first of anvil's accounts. */
const KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const POLL_MS = 50;

const account = privateKeyToAccount(KEY);

/** A viem client that reads and writes. */
function viemClient(url, { source = cache, chain = foundry, ...options } = {}) {
  const transport = uplinkTransport(viem.http(url, { retryCount: 0 }), source, options);
  return viem
    .createWalletClient({ account, chain, transport, pollingInterval: POLL_MS })
    .extend(viem.publicActions);
}

/** A wallet's provider as a page is given one: events, flags, and all methods of a node that has unlocked accounts. */
function wallet(url) {
  const listeners = new Map();
  let id = 0;
  return {
    isWallet: true,
    asked: [],
    async request({ method, params = [] }) {
      this.asked.push(method);
      id += 1;
      const body = JSON.stringify({ jsonrpc: "2.0", id, method, params });
      const headers = { "content-type": "application/json" };
      const { result, error } = await (await fetch(url, { method: "POST", headers, body })).json();
      if (error) throw Object.assign(new Error(error.message), error);
      return result;
    },
    on(event, listener) {
      listeners.set(event, [...(listeners.get(event) ?? []), listener]);
      return this;
    },
    removeListener(event, listener) {
      listeners.set(
        event,
        (listeners.get(event) ?? []).filter((each) => each !== listener),
      );
      return this;
    },
    emit: (event, detail) => {
      for (const listener of listeners.get(event) ?? []) listener(detail);
    },
  };
}

/** Without ethers' own memory of answers, which gives two writes within a quarter of a second the same nonce. */
function ethersProvider(provider) {
  const options = { pollingInterval: POLL_MS, cacheTimeout: -1 };
  return new ethers.BrowserProvider(provider, undefined, options);
}

/** What an action comes to: `{ value }`, or `{ error }`: the chain of causes, each by its name, code and data. */
async function attempt(action) {
  try {
    return { value: await action() };
  } catch (error) {
    const causes = [];
    for (let each = error; each instanceof Error; each = each.cause) {
      const { name, code, message, data } = each;
      causes.push({ name, code, message, data: data && { ...data } });
    }
    return { error: causes };
  }
}

globalThis.adapters = {
  ...libraries,
  KEY,
  account,
  attempt,
  ethersProvider,
  viemClient,
  wallet,
};
