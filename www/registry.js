// The guestbook's contract: how an entry is put there, found there, and read from there.

import {
  createPublicClient,
  decodeFunctionResult,
  encodeFunctionData,
  hexToBytes,
  http,
  stringToHex,
} from "viem";

export const PREFIX = "entry/";
const KEY = /^entry\/\d{14}-(0x[0-9a-f]{40})$/;

/** Sorts by time, and names the author. */
export function entryKey(at, address) {
  return `${PREFIX}${String(at).padStart(14, "0")}-${address.toLowerCase()}`;
}

/** The author whom a key names, in lower case; undefined for a key that is no entry's. */
export function authorOf(key) {
  return KEY.exec(key)?.[1];
}

export function openRegistry({ address, abi }, url) {
  const client = createPublicClient({ transport: http(url, { retryCount: 0, timeout: 5_000 }) });
  const ask = (functionName, args) => client.readContract({ address, abi, functionName, args });

  return {
    client,

    /** The call that puts a value, as the cache's codec would write it, under a key. */
    putCall(key, value) {
      const args = [key, stringToHex(JSON.stringify(value))];
      return { to: address, data: encodeFunctionData({ abi, functionName: "put", args }) };
    },

    /** For `evm({ read })`: the bytes under a key as of a block. An entry that its author did not put is none. */
    async read(key, rpc, at) {
      const data = encodeFunctionData({ abi, functionName: "get", args: [key] });
      const result = await rpc("eth_call", [{ to: address, data }, at.block]);
      const [owner, value] = decodeFunctionResult({ abi, functionName: "get", data: result });
      return owner.toLowerCase() === authorOf(key) ? hexToBytes(value) : undefined;
    },

    /** How many keys the chain's newest block has. */
    async count() {
      return Number(await ask("count", []));
    },

    /** The keys from number `start` to before `end`, oldest first. */
    keys(start, end) {
      return ask("page", [BigInt(start), BigInt(end - start)]);
    },
  };
}
