// The transport as viem's clients take it. Each expected error proves that the types are not `any`.
import type { Cache } from "uplink-cache";
import { uplinkTransport } from "uplink-cache/viem";
import { createPublicClient, createWalletClient, fallback, http, webSocket } from "viem";
import { mainnet } from "viem/chains";

export async function rightUses(cache: Cache<string>): Promise<void> {
  const transport = uplinkTransport(http("http://127.0.0.1:8545"), cache);
  const client = createPublicClient({ chain: mainnet, transport });
  const balance: bigint = await client.getBalance({ address: "0x" });
  const type: "http" = client.transport.type;
  console.log(balance, type, client.transport.url?.length);
  createWalletClient({ transport: uplinkTransport(webSocket("ws://127.0.0.1:8545"), cache) });
  const several = uplinkTransport(fallback([http(), http()]), Promise.resolve(cache), {
    task: ({ hash }) => ({ key: hash, value: "mine" }),
  });
  createPublicClient({ chain: mainnet, transport: several }).transport.transports[1].config.key
    .length;
}

export function wrongUses(cache: Cache<string>): void {
  // @ts-expect-error no transport
  uplinkTransport({}, cache);
  // @ts-expect-error no cache
  uplinkTransport(http());
  const client = createPublicClient({ chain: mainnet, transport: uplinkTransport(http(), cache) });
  // @ts-expect-error it is an http transport still
  const type: "fallback" = client.transport.type;
  console.log(type);
}
