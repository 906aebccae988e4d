// An EIP-1193 provider with the backup in front of it: for ethers, wagmi, viem's `custom` and whatever else takes a provider.
import {
  Backup,
  type CacheSource,
  Chain,
  type InterceptOptions,
  intercept,
  isIntercepted,
  type RequestArguments,
  wrongUse,
} from "./intercept.js";

export type { CacheSource, InterceptOptions, TaskNames } from "./intercept.js";
export type { RawTransaction } from "./pending.js";
export { UplinkRpcError } from "./rpc-error.js";

/** What is needed of an EIP-1193 provider. */
export interface Eip1193Provider {
  // biome-ignore lint/suspicious/noExplicitAny: each library types its requests itself
  request(args: any): Promise<any>;
}

interface WithEvents {
  on?(event: "chainChanged", listener: () => void): unknown;
}

/**
 * The provider with the cache in front of it. `eth_sendRawTransaction` is backed up, and answers with the transaction id once
 * that is durable: the cache sends it. Receipts, transactions by hash and `pending` counts are the chain's, and while it has
 * none what the backup knows. All else is the provider's own: other methods, signing, events, flags.
 *
 * Rejects with `UplinkRpcError`, whose `data.code` is the cache's code, where the backup cannot take or give something.
 */
export function uplinkProvider<P extends Eip1193Provider>(
  provider: P,
  cache: CacheSource,
  options?: InterceptOptions,
): P {
  if (typeof provider?.request !== "function")
    throw wrongUse("a provider has the function request");
  const backup = new Backup(cache, options);
  const ask = async (args: RequestArguments) => provider.request(args);
  const chain = new Chain(ask);
  // Whoever wraps a wallet needs this for as long as the wallet's own object lives.
  (provider as WithEvents).on?.("chainChanged", () => chain.forget());
  const side = { backup, ask, chain };
  const request = (args: RequestArguments) =>
    isIntercepted(args?.method) ? intercept(side, args, undefined) : ask(args);
  // Not around the provider itself: one that is frozen must show its own `request`.
  return new Proxy({} as P, {
    get(_, name) {
      if (name === "request") return request;
      const value: unknown = Reflect.get(provider, name);
      return typeof value === "function" ? value.bind(provider) : value;
    },
    has: (_, name) => Reflect.has(provider, name),
    set: (_, name, value) => Reflect.set(provider, name, value),
    getPrototypeOf: () => Reflect.getPrototypeOf(provider),
  });
}
