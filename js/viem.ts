// A viem transport with the backup in front of another.
import { createTransport, type Transport } from "viem";
import {
  Backup,
  type CacheSource,
  Chain,
  type InterceptOptions,
  intercept,
  isIntercepted,
  type RequestArguments,
  type RequestOptions,
  wrongUse,
} from "./intercept.js";

export type { CacheSource, InterceptOptions, TaskNames } from "./intercept.js";
export type { RawTransaction } from "./pending.js";
export { UplinkRpcError } from "./rpc-error.js";

/**
 * The transport with the cache in front of it: `uplinkTransport(http(), cache)`. `eth_sendRawTransaction`, and so viem's
 * `sendTransaction` and `writeContract` of a local account, is backed up, and answers with the transaction id once that is
 * durable: the cache sends it. Receipts, transactions by hash and `pending` counts are the chain's, and while it has none what
 * the backup knows. All else is the transport's own. Wrap a `fallback` as a whole: what is inside one could go around the backup.
 *
 * Rejects with viem's errors, whose cause is an `UplinkRpcError`, where the backup cannot take or give something.
 */
export function uplinkTransport<T extends Transport>(
  transport: T,
  cache: CacheSource,
  options?: InterceptOptions,
): T {
  if (typeof transport !== "function")
    throw wrongUse("a transport is what http() and the like give");
  const backup = new Backup(cache, options);
  const wrap: Transport = (parameters) => {
    const wrapped = transport(parameters);
    const ask = (args: RequestArguments, options?: RequestOptions) =>
      wrapped.request(args as Parameters<typeof wrapped.request>[0], options);
    const side = { backup, ask, chain: new Chain(ask, parameters.chain?.id) };
    const { name, key, type } = wrapped.config;
    // A wallet may have switched since: an address stays what it is.
    const mayHaveSwitched = type !== "http" && type !== "webSocket";
    // It makes viem's errors of ours; the wrapped one has tried again already.
    const own = createTransport({
      ...{ name, key, type, retryCount: 0 },
      request: ((args: RequestArguments, options?: RequestOptions) => {
        if (mayHaveSwitched) side.chain.forget();
        return intercept(side, args, options);
      }) as typeof wrapped.request,
    });
    const request = ((args: RequestArguments, options?: RequestOptions) =>
      isIntercepted(args.method)
        ? own.request(args as Parameters<typeof own.request>[0], options)
        : ask(args, options)) as typeof wrapped.request;
    return { ...wrapped, config: { ...wrapped.config, request }, request };
  };
  return wrap as T;
}
