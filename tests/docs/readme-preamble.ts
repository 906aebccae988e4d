// What the README's samples take for granted.
import type { Cache, Gateway, Provider } from "uplink-cache";
import type { Account, Chain } from "viem";

declare global {
  const evm: typeof import("uplink-cache").evm;
  const openCache: typeof import("uplink-cache").openCache;
  type Hex = `0x${string}`;
  const signed: Hex;
  const payload: Hex;
  const cache: Cache<{ text: string }>;
  const other: Cache<{ text: string }>;
  const gateway: Gateway;
  const url: string;
  const chain: Chain;
  const account: Account;
  const address: Hex;
  const registry: Hex;
  const abi: readonly [
    {
      name: "put";
      type: "function";
      stateMutability: "nonpayable";
      inputs: readonly [{ name: "key"; type: "string" }, { name: "value"; type: "bytes" }];
      outputs: readonly [];
    },
  ];
  const privateKey: Hex;
  const key: Hex;
  const id: import("vue").Ref<string>;
  const data: Hex;
  function render(key: string, value: unknown, source: string, status: string): void;
  function decodeMyContract(answer: unknown): Uint8Array | undefined;
  function callFor(key: string): { to: Hex; data: Hex };
  function encodePut(key: string, value: unknown): Hex;
  function privateKeyToAccount(key: Hex): import("viem/accounts").PrivateKeyAccount;
  interface Window {
    ethereum: Provider & import("ethers").Eip1193Provider;
  }
}
