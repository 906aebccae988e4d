// Signers that come with the package: they ask nothing of a library but its account or provider.
import * as check from "./check.js";
import { invalid, UplinkError } from "./error.js";
import type { Rpc } from "./gateway.js";
import { type Effect, Refusal, type SignContext, type Signer, type SignTask } from "./sign.js";

/** What fees a transaction offers, in wei per gas. */
export type Fees = { maxFeePerGas: bigint; maxPriorityFeePerGas: bigint } | { gasPrice: bigint };

/** A transaction to be signed. What is missing is asked of the gateway: a tip that is asked is no more than a cap that is given. */
export interface TransactionRequest extends Effect {
  /** The most gas that it may use. */
  gas?: bigint;
  maxFeePerGas?: bigint;
  maxPriorityFeePerGas?: bigint;
  gasPrice?: bigint;
}

/** Says what the transaction for a task is. */
export type MakeTransaction<V> = (
  task: SignTask<V>,
) => TransactionRequest | Promise<TransactionRequest>;

/** What `localSigner` needs of an account: viem's `privateKeyToAccount` gives one. */
export interface LocalAccount {
  address: string;
  // biome-ignore lint/suspicious/noExplicitAny: each library types its transactions itself
  signTransaction(transaction: any): Promise<string>;
}

export interface LocalSignerOptions<V> {
  account: LocalAccount;
  transaction: MakeTransaction<V>;
  /** What fees to offer, where the transaction does not say. Default: twice the base fee, and the gateway's tip. */
  fees?: (rpc: Rpc) => Fees | Promise<Fees>;
  timeoutMs?: number;
}

/** What `walletSigner` needs of an EIP-1193 provider. */
export interface Provider {
  request(args: { method: string; params?: readonly unknown[] }): Promise<unknown>;
}

export interface WalletSignerOptions<V> {
  provider: Provider;
  /** The wallet's account. */
  address: string;
  transaction: MakeTransaction<V>;
  timeoutMs?: number;
}

const FIRST_WAIT_MS = 500;
const MAX_WAIT_MS = 30_000;
const USUAL_TIP = 1_500_000_000n;

/** Signs by an account whose key is in this page. The cache draws the nonces, and sends. */
export function localSigner<V>(options: LocalSignerOptions<V>): Signer<V> {
  const names = ["account", "transaction", "fees", "timeoutMs"];
  const {
    account,
    transaction,
    fees = usualFees,
    timeoutMs,
  } = check.options(options, names, "localSigner");
  if (typeof account?.signTransaction !== "function") {
    throw invalid("account has an address and the function signTransaction");
  }
  if (typeof transaction !== "function") throw invalid("transaction is a function");
  const address = check.account(account.address);
  return {
    address,
    sends: false,
    nonces: "cache",
    ...(timeoutMs !== undefined && { timeoutMs }),
    async sign(task, { nonce, signal, chainId, rpc: once }) {
      const rpc = persistent(once, signal);
      const { to, data, value, ...rest } = await transaction(task);
      const { gasPrice, maxFeePerGas: cap, maxPriorityFeePerGas: tip } = rest;
      const isSaid = gasPrice !== undefined || (cap !== undefined && tip !== undefined);
      const offered = isSaid ? rest : { ...rest, ...offer(cap, tip, await fees(rpc)) };
      const effect = { to: to ?? undefined, data, value };
      const gas = offered.gas ?? (await estimate(rpc, address, effect));
      const type = offered.gasPrice === undefined ? "eip1559" : "legacy";
      return account.signTransaction({ type, chainId, nonce, ...effect, ...offered, gas });
    },
    request: transaction,
  };
}

/** Has an EIP-1193 wallet sign and send. The wallet draws the nonces, and `reconcile` finds what it sent. */
export function walletSigner<V>(options: WalletSignerOptions<V>): Signer<V> {
  const names = ["provider", "address", "transaction", "timeoutMs"];
  const { provider, transaction, timeoutMs } = check.options(options, names, "walletSigner");
  if (typeof provider?.request !== "function") {
    throw invalid("provider has the function request");
  }
  if (typeof transaction !== "function") throw invalid("transaction is a function");
  const address = check.account(options.address);
  return {
    address,
    sends: true,
    nonces: "signer",
    ...(timeoutMs !== undefined && { timeoutMs }),
    async sign(task, context) {
      const parameters = await beforeSending(() => walletParameters(task, context));
      const txId = await provider.request({
        method: "eth_sendTransaction",
        params: [parameters],
      });
      return { txId: txId as string };
    },
    request: transaction,
  };

  async function walletParameters(task: SignTask<V>, { signal, chainId }: SignContext) {
    const { to, ...numbers } = await transaction(task);
    const current = await provider.request({ method: "eth_chainId" });
    if (BigInt(current as string) !== BigInt(chainId)) {
      throw new Refusal(`the wallet is on chain ${BigInt(current as string)}, not ${chainId}`);
    }
    signal.throwIfAborted();
    return { from: address, ...(to && { to }), ...inHex(numbers) };
  }
}

/** What fails before the wallet is asked to send says that nothing was sent. */
async function beforeSending<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function inHex(fields: object): Record<string, unknown> {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  const hex = (value: unknown) => (typeof value === "bigint" ? `0x${value.toString(16)}` : value);
  return Object.fromEntries(given.map(([name, value]) => [name, hex(value)]));
}

async function estimate(rpc: Rpc, from: string, effect: object): Promise<bigint> {
  const gas = BigInt(await rpc("eth_estimateGas", [{ from, ...inHex(effect) }]));
  // What it costs may grow a little until it is executed.
  return gas + gas / 5n;
}

/** What a transaction offers that says no more than a cap or a tip: the rest as asked, with the same room over the tip. */
function offer(cap: bigint | undefined, tip: bigint | undefined, asked: Fees) {
  const least = (fee: bigint) => (cap !== undefined && cap < fee ? cap : fee);
  if ("gasPrice" in asked) {
    // A chain without a base fee knows neither.
    const none = { maxFeePerGas: undefined, maxPriorityFeePerGas: undefined };
    return { ...none, gasPrice: least(asked.gasPrice) };
  }
  const { maxFeePerGas, maxPriorityFeePerGas } = asked;
  if (cap !== undefined) return { maxPriorityFeePerGas: least(maxPriorityFeePerGas) };
  return tip === undefined ? asked : { maxFeePerGas: maxFeePerGas - maxPriorityFeePerGas + tip };
}

async function usualFees(rpc: Rpc): Promise<Fees> {
  const { baseFeePerGas } = await rpc("eth_getBlockByNumber", ["latest", false]);
  if (baseFeePerGas === undefined) return { gasPrice: BigInt(await rpc("eth_gasPrice")) };
  const tip = await rpc("eth_maxPriorityFeePerGas").then(BigInt, (error: UplinkError) => {
    // Not every gateway has the method.
    if (error.code === "gateway_error") return USUAL_TIP;
    throw error;
  });
  return { maxFeePerGas: 2n * BigInt(baseFeePerGas) + tip, maxPriorityFeePerGas: tip };
}

/** Asks again while the gateway cannot be reached, until the signal is aborted. */
function persistent(rpc: Rpc, signal: AbortSignal): Rpc {
  return async (method, params) => {
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(2 * waitMs, MAX_WAIT_MS)) {
      try {
        return await rpc(method, params);
      } catch (error) {
        const isLost = error instanceof UplinkError && error.code === "gateway_unreachable";
        if (!isLost || signal.aborted) throw error;
        await pause(waitMs, signal);
      }
    }
  };
}

function pause(waitMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, waitMs);
    signal.addEventListener("abort", end);
  });
}
