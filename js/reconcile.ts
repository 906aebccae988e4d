// Finding what a wallet sent and did not get to say: by sender, nonce and what the transaction does.
import type { Rpc } from "./gateway.js";
import type { Effect } from "./sign.js";

/** What came of looking for a transaction that a wallet may have sent. */
export type Reconciled =
  | { /** It is there, and tracked from now on. */ result: "found"; txId: `0x${string}` }
  | { /** The account sent nothing of the kind: `retry` is safe. */ result: "absent" }
  | { /** It cannot be said. */ result: "unknown"; cause: string };

/** What is known of the transaction. */
export interface Wanted {
  address: string;
  /** Its nonce, where the wallet was given one. */
  nonce: number | undefined;
  /** Its nonce is this one or a later one. */
  nonceFrom: number | undefined;
  /** What it does, where the signer says so. */
  effect: Effect | undefined;
}

/** A transaction, as a gateway shows it. */
export interface ChainTransaction {
  hash: `0x${string}`;
  from: string;
  to: string | null;
  nonce: `0x${string}`;
  input: string;
  value: `0x${string}`;
}

/** How many of an account's transactions are looked at. */
const MAX_NONCES = 256;

/** Looks for it. `take` says whether a transaction that fits is the one: another task may have it. */
export async function findSent(
  rpc: Rpc,
  wanted: Wanted,
  take: (found: ChainTransaction) => Promise<boolean>,
): Promise<Reconciled> {
  const { address, effect } = wanted;
  const first = wanted.nonce ?? wanted.nonceFrom;
  if (first === undefined) return unknown("it is not known how many transactions the account had");
  const count = async (at: string) => Number(await rpc("eth_getTransactionCount", [address, at]));
  const pending = Math.max(await count("latest"), await count("pending"));
  const end = wanted.nonce === undefined ? pending : Math.min(pending, first + 1);
  if (end - first > MAX_NONCES) return unknown(`the account had ${end - first} since`);
  if (end > first && effect === undefined) {
    return unknown("the account had others since, and the signer has no request to compare with");
  }
  let unread = 0;
  for (let nonce = first; nonce < end; nonce += 1) {
    const found = await bySender(rpc, address, nonce);
    if (found === undefined) unread += 1;
    else if (effect && hasEffect(found, effect) && (await take(found))) {
      return { result: "found", txId: found.hash };
    }
  }
  return unread === 0
    ? { result: "absent" }
    : unknown(`the gateway does not show ${unread} of the account's transactions yet`);
}

function unknown(cause: string): Reconciled {
  return { result: "unknown", cause };
}

/** Whether a transaction does this. */
export function hasEffect(found: ChainTransaction, effect: Effect): boolean {
  const lower = (text: string | null | undefined) => (text ?? "").toLowerCase();
  return (
    lower(found.to) === lower(effect.to) &&
    lower(found.input) === lower(effect.data ?? "0x") &&
    BigInt(found.value) === (effect.value ?? 0n)
  );
}

/** The account's transaction of this nonce; nothing where the gateway does not show it. */
async function bySender(
  rpc: Rpc,
  address: string,
  nonce: number,
): Promise<ChainTransaction | undefined> {
  const isIt = (found: ChainTransaction | null) =>
    found?.from.toLowerCase() === address && Number(found.nonce) === nonce;
  const hex = `0x${nonce.toString(16)}`;
  // Few gateways have the method; those without are searched.
  const direct = await rpc("eth_getTransactionBySenderAndNonce", [address, hex]).catch(ifRefused);
  if (direct && isIt(direct)) return direct;
  const number = await blockOf(rpc, address, nonce).catch(ifRefused);
  if (number === undefined) return undefined;
  const block = await rpc("eth_getBlockByNumber", [`0x${number.toString(16)}`, true]);
  return block?.transactions.find(isIt);
}

/** The gateway has not the method, or not the state of so old a block. */
function ifRefused(error: { code?: string }): undefined {
  if (error.code !== "gateway_error") throw error;
}

/** The block that holds the account's transaction of this nonce: the first as of which it is counted. */
async function blockOf(rpc: Rpc, address: string, nonce: number): Promise<number | undefined> {
  const isCounted = async (number: number) => {
    const at = `0x${number.toString(16)}`;
    return Number(await rpc("eth_getTransactionCount", [address, at])) > nonce;
  };
  let after = Number(await rpc("eth_blockNumber"));
  if (!(await isCounted(after))) return undefined;
  // Backwards in steps that double, since it is young; then by halves.
  let before = after - 1;
  for (let step = 1; before >= 0 && (await isCounted(before)); step *= 2) {
    after = before;
    before = Math.max(-1, before - step);
  }
  while (after - before > 1) {
    const middle = Math.floor((after + before) / 2);
    if (await isCounted(middle)) after = middle;
    else before = middle;
  }
  return after;
}
