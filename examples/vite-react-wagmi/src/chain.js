// What wagmi would be given anyway, and the cache in front of its transport.
import { evm, openCache } from "uplink-cache";
import { uplinkTransport } from "uplink-cache/viem";
import { hexToString, http } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { foundry } from "viem/chains";
import { createConfig } from "wagmi";
import { keyOfThisBrowser } from "./key.js";

const rpcUrl = import.meta.env.VITE_RPC_URL;

export const account = privateKeyToAccount(await keyOfThisBrowser(generatePrivateKey));

export const cache = await openCache({
  name: "wagmi-notes",
  account: account.address,
  gateway: evm({ urls: [rpcUrl], chainId: foundry.id }),
});

/** What reads of the cache get of a transaction. */
const task = ({ hash, input }) => ({
  key: `note/${hash}`,
  value: { text: hexToString(input) },
  tags: { kind: "note" },
});

export const config = createConfig({
  chains: [foundry],
  transports: { [foundry.id]: uplinkTransport(http(rpcUrl), cache, { task }) },
});
