// The board's contract: how posts, edits and likes are put there, and read from there.

import {
  createPublicClient,
  decodeFunctionResult,
  encodeFunctionData,
  http,
  parseEventLogs,
  stringToBytes,
} from "viem";

export const POST = "post/";
/** How many like a post, by the chain and one's own likes over that. */
export const LIKES = "likes/";

/** Sorts by time, and names the author. */
export function postId(at, address) {
  return `${String(at).padStart(14, "0")}-${address.toLowerCase()}`;
}

/** When a post was written, and by whom, as its id says. */
export function bornOf(id) {
  const [at, author] = id.split("-");
  return { at: Number(at), author };
}

export function openBoard({ address, abi }, url) {
  const client = createPublicClient({ transport: http(url, { retryCount: 0, timeout: 5_000 }) });
  const call = (functionName, args) => ({
    to: address,
    data: encodeFunctionData({ abi, functionName, args }),
  });

  return {
    client,
    post: ({ id, thread, text }) => call("post", [id, thread, text]),
    edit: (id, text) => call("edit", [id, text]),
    like: (id) => call("like", [id]),

    /** For `evm({ read })`: how many like a post, and whether `who` does. Posts themselves come from the indexer. */
    likesReader: (who) => async (key, rpc, at) => {
      if (!key.startsWith(LIKES)) return undefined;
      const request = call("likesOf", [key.slice(LIKES.length), who]);
      const data = await rpc("eth_call", [request, at.block]);
      const [likes, liked] = decodeFunctionResult({ abi, functionName: "likesOf", data });
      return stringToBytes(JSON.stringify({ likes: Number(likes), liked }));
    },

    /** What happened up to a block, oldest first. */
    async eventsUntil(block) {
      const logs = await client.getLogs({ address, fromBlock: 0n, toBlock: BigInt(block) });
      return parseEventLogs({ abi, logs });
    },
  };
}
