// The demo's chain: anvil with 2-second blocks, the contracts of both rooms, and what others wrote there, which is final already.

import { encodeFunctionData, stringToHex } from "viem";
import { startAnvil } from "../../tests/support/anvil.mjs";
import { postId } from "../../www/board/contract.js";
import { entryKey } from "../../www/registry.js";
import { compileContract } from "./contract.mjs";

const BLOCK_TIME_SECONDS = 2;
const SLOTS_IN_EPOCH = 4;
/** anvil's `finalized` block is two epochs behind its head. */
const FINALITY_DEPTH = 2 * SLOTS_IN_EPOCH;
const REORG_DEPTH = 2;
const BALANCE_WEI = `0x${(100n * 10n ** 18n).toString(16)}`;

const WELCOME = [
  {
    name: "Host",
    text: "Welcome! Pull the plug, reload, undo blocks, close the tab: what you sign here arrives all the same.",
    minutesAgo: 9,
  },
  {
    name: "Ada",
    text: "I signed this from another browser. Yours has just read it from the chain.",
    minutesAgo: 4,
  },
];

const POSTS = [
  {
    thread: "general",
    text: "This board reads the chain through an indexer that lags. Post something: it is in its place at once, and stays there.",
    minutesAgo: 12,
    likes: 3,
  },
  {
    thread: "general",
    text: "Like this one with the connection off. The heart fills now, the chain counts it later.",
    minutesAgo: 7,
    likes: 1,
  },
  {
    thread: "ideas",
    text: "What else should be readable before it is on the chain?",
    minutesAgo: 3,
    likes: 0,
  },
];

/**
 * Resolves with the running chain: `config` is what a page must know of it, `fund(address)` gives an account money,
 * `reorg()` undoes the newest blocks, `whenQuiet()` resolves while no reorg is under way, `stop()` ends the process.
 */
export async function startChain() {
  const anvil = await startAnvil({ blockTime: BLOCK_TIME_SECONDS, slotsInEpoch: SLOTS_IN_EPOCH });
  try {
    const registry = await deploy(anvil, "Registry");
    const board = await deploy(anvil, "Board");
    await putWelcomeEntries(anvil, registry);
    await putWelcomePosts(anvil, board);
    await anvil.rpc("anvil_mine", [`0x${(FINALITY_DEPTH + 1).toString(16)}`]);
    const genesis = await anvil.rpc("eth_getBlockByNumber", ["0x0", false]);
    const config = {
      chainId: Number(await anvil.rpc("eth_chainId")),
      chainName: genesis.hash.slice(2, 10),
      blockTimeSeconds: BLOCK_TIME_SECONDS,
      finalityDepth: FINALITY_DEPTH,
      registry,
      board,
    };
    return { url: anvil.url, config, stop: anvil.stop, ...faucetAndReorgs(anvil) };
  } catch (error) {
    await anvil.stop();
    throw error;
  }
}

function faucetAndReorgs(anvil) {
  const funded = new Set();
  let reorgs = Promise.resolve();

  async function fund(address) {
    await anvil.rpc("anvil_setBalance", [address, BALANCE_WEI]);
    funded.add(address);
  }

  async function undoBlocks() {
    await anvil.rpc("anvil_reorg", [REORG_DEPTH, []]);
    // The blocks took with them what was given to accounts meanwhile.
    for (const address of funded) await fund(address);
    return { depth: REORG_DEPTH };
  }

  return {
    fund,
    reorg() {
      const done = reorgs.then(undoBlocks);
      reorgs = done.catch(() => {});
      return done;
    },
    whenQuiet: () => reorgs,
  };
}

async function deploy(anvil, name) {
  const { abi, bytecode } = await compileContract(name);
  const [deployer] = await anvil.rpc("eth_accounts");
  const receipt = await transact(anvil, { from: deployer, data: bytecode });
  return { address: receipt.contractAddress, abi };
}

async function putWelcomeEntries(anvil, { address, abi }) {
  const accounts = await anvil.rpc("eth_accounts");
  for (const [index, { name, text, minutesAgo }] of WELCOME.entries()) {
    const from = accounts[index + 1];
    const at = Date.now() - minutesAgo * 60_000;
    const args = [entryKey(at, from), stringToHex(JSON.stringify({ text, name, at }))];
    const data = encodeFunctionData({ abi, functionName: "put", args });
    await transact(anvil, { from, to: address, data });
  }
}

async function putWelcomePosts(anvil, { address, abi }) {
  const accounts = await anvil.rpc("eth_accounts");
  const call = (from, functionName, args) =>
    transact(anvil, { from, to: address, data: encodeFunctionData({ abi, functionName, args }) });
  for (const [index, { thread, text, minutesAgo, likes }] of POSTS.entries()) {
    const from = accounts[index + 1];
    const id = postId(Date.now() - minutesAgo * 60_000, from);
    await call(from, "post", [id, thread, text]);
    for (const liker of accounts.slice(1, 1 + likes)) await call(liker, "like", [id]);
  }
}

/** Sends from one of anvil's own accounts, and mines at once instead of waiting for the next block. */
async function transact(anvil, transaction) {
  const hash = await anvil.rpc("eth_sendTransaction", [transaction]);
  await anvil.rpc("anvil_mine", ["0x1"]);
  const receipt = await anvil.rpc("eth_getTransactionReceipt", [hash]);
  if (receipt?.status !== "0x1") throw new Error(`a transaction of the demo's own failed: ${hash}`);
  return receipt;
}
