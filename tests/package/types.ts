// The public face as a strict project uses it. Each expected error proves that the types refuse
// a mistake, and that none of them is `any`.
import {
  bytes,
  type Cache,
  evm,
  type Live,
  localSigner,
  type Merged,
  type Metrics,
  mergeRows,
  openCache,
  type Provider,
  type SignFunction,
  UplinkError,
  walletSigner,
} from "uplink-cache";
import { UplinkInspector } from "uplink-cache/inspector";
import { type Eip1193Provider, type UplinkRpcError, uplinkProvider } from "uplink-cache/provider";
import { backgroundSync, type SyncTarget } from "uplink-cache/service-worker";
import wasm from "uplink-cache/uplink_cache_bg.wasm";

interface Entry {
  text: string;
}

export async function rightUses(signed: Uint8Array): Promise<void> {
  const cache = await openCache({
    name: "guestbook",
    account: "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
    gateway: evm({
      urls: ["http://127.0.0.1:8545"],
      chainId: 31337,
      finality: { confirmations: 12 },
      pollMs: 500,
      timeoutMs: 10_000,
      read: async (key, rpc, at) => {
        const block: string = at.block;
        const answer = await rpc("eth_call", [{ data: key }, block]);
        return typeof answer === "string" ? new TextEncoder().encode(answer) : undefined;
      },
      readMany: async (keys, rpc, at) => {
        const answers: string[] = await rpc("multicall", [keys, at.block], { signal: at.signal });
        return answers.map((answer) => new TextEncoder().encode(answer));
      },
    }),
    durability: "relaxed",
    maxAge: 5_000,
    staleWhileRevalidate: 60_000,
    negativeMaxAge: 1_000,
    userTiming: true,
  });
  const metrics: Metrics = cache.metrics();
  const longestMs: number = metrics.includedMs.max;
  console.log(longestMs, metrics.failed.reverted ?? 0, metrics.errors.conflict, metrics.gateways);
  const value: Entry = { text: "hi" };
  const task = await cache.submit({ payload: signed, key: "entry/42", value });
  const same = await cache.submit({ payload: "0x02", idempotencyKey: "once", lane: "first" });

  const id: string = task.id;
  const txId: string | undefined = same.txId;
  if (task.status === "included") console.log(id, txId, task.block?.number, task.block?.hash);
  await task.until("included", { signal: AbortSignal.timeout(1000) });
  const outcome = await task.settled;
  if (outcome.status === "final") console.log(outcome.block.number, outcome.txId);
  else console.log(outcome.reason, outcome.cause);

  const entry = await cache.read("entry/42", { source: "chain" });
  console.log(entry?.value, entry?.source, entry?.status, cache.peek("entry/42")?.value);
  const stale: boolean = entry?.stale === true;
  const recent = await cache.read("entry/42", { maxAge: 0, signal: AbortSignal.timeout(1000) });
  for (const each of await cache.readMany(["entry/1", "entry/2"], { maxAge: 1_000 })) {
    if (each === undefined) continue;
    if ("error" in each) console.log(each.key, each.error.code, stale, recent?.value);
    else console.log(each.key, each.value);
  }
  const page = await cache.list({ prefix: "entry/", limit: 50, reverse: true });
  const next = page.cursor === undefined ? undefined : await cache.list({ cursor: page.cursor });
  const stop: () => void = cache.watch({ prefix: "entry/" }, ({ items }) =>
    console.log(items.length),
  );
  cache.watch({ key: "entry/42" }, ({ items }) => console.log(items[0]?.key, next?.items));
  cache.watch({ prefix: "" }, (now, before) => console.log(now.items.length, before?.items));
  stop();

  for (const failed of cache.tasks({ status: "failed" })) await cache.discard(failed.id);
  await cache.retry(id);
  await cache.cancel(id);
  cache.task(id)?.attempts.toFixed();
  await cache.flush();
  console.log(cache.stats().leader, cache.stats().tasks["backed-up"], cache.stats().values.bytes);
  cache.addEventListener("reorg", (event) => console.log(event.detail));
  await cache.close();
  await cache.destroy();
}

interface Row {
  id: string;
  text: string;
  hash: string;
  block: bigint;
}

export async function listsOfRows(cache: Cache<Entry>, rows: Row[]): Promise<void> {
  const live: Live<Entry> = cache.live({ prefix: "entry/", limit: 10 });
  const { subscribe, getSnapshot } = live;
  subscribe(() => console.log(getSnapshot()?.items.length))();
  for await (const { items, cursor } of live) console.log(items.length, cursor?.length);

  const by = ({ id, hash, block }: Row) => ({ key: id, txId: hash, block, sort: id });
  const query = { prefix: "entry/", reverse: true };
  const merged: Merged<Row, Entry>[] = await cache.merge(rows, { by, query, seenAtBlock: 12n });
  for (const { from, row, entry } of merged) {
    if (from === "row") console.log(row.text, entry satisfies undefined);
    else if (entry.isCalldata) console.log(entry.value.length);
    else console.log(entry.value.text, row?.text);
  }
  const { items } = await cache.list(query);
  const options = { by, order: "oldest", sortOf: ({ key }: { key: string }) => key } as const;
  console.log(mergeRows(rows, items, { ...options, more: true }).length);
  // @ts-expect-error no query
  await cache.merge(rows, { by });
  // @ts-expect-error by takes another row
  mergeRows([1], items, { by });
  // @ts-expect-error a query of neither
  cache.live({ keys: "a" });
}

export async function otherCodecs(signed: Uint8Array): Promise<void> {
  const gateway = evm({ urls: ["http://127.0.0.1:8545"], chainId: 1, finality: "safe" });
  const raw = await openCache({ name: "raw", gateway, codec: bytes });
  await raw.submit({ payload: signed, key: "k", value: new Uint8Array(1) });
  const own = await openCache({
    name: "own",
    gateway,
    codec: {
      encode: (value: Entry) => new TextEncoder().encode(value.text),
      decode: (data: Uint8Array): Entry => ({ text: new TextDecoder().decode(data) }),
    },
  });
  const first = await own.submit({ payload: signed, key: "k", value: { text: "hi" } });
  const later = await own.submit({ payload: "0x02", after: [first.id], afterStatus: "final" });
  console.log(later.after.join());
  // @ts-expect-error there is no such point to wait for
  await own.submit({ payload: "0x02", after: [first.id], afterStatus: "settled" });
  // @ts-expect-error a value of another type than the codec's
  await own.submit({ payload: signed, key: "k", value: 1 });
}

export async function signing(provider: Provider): Promise<void> {
  const gateway = evm({ urls: ["http://127.0.0.1:8545"], chainId: 1 });
  const address = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
  const transaction = ({ value }: { value: Entry }) => ({
    to: address,
    data: value.text,
    value: 1n,
  });
  const account = { address, signTransaction: async () => "0x02" };
  const plain: SignFunction<Entry> = async ({ key, value }, { nonce, signal, rpc, chainId }) => {
    console.log(key, value.text, nonce?.toFixed(), signal.aborted, chainId.toFixed());
    return { txId: await rpc("eth_sendTransaction", [{ data: value.text }]) };
  };
  const cache = await openCache<Entry>({
    name: "drafts",
    gateway,
    signers: {
      plain,
      own: { sign: () => new Uint8Array(1), sends: false, address, nonces: "cache" },
      local: localSigner({ account, transaction }),
      wallet: walletSigner({ provider, address, transaction }),
    },
  });
  const task = await cache.submit({ key: "k", value: { text: "hi" }, sign: "local" });
  const reconciled = await cache.reconcile(task.id, { txId: "0x" });
  if (reconciled.result === "unknown") console.log(reconciled.cause, task.signer);
  // @ts-expect-error a draft without a key
  await cache.submit({ value: { text: "hi" }, sign: "local" });
  // @ts-expect-error a draft without a value
  await cache.submit({ key: "k", sign: "local" });
  // @ts-expect-error a payload and a signer
  await cache.submit({ payload: "0x", key: "k", value: { text: "hi" }, sign: "local" });
}

interface Wallet extends Eip1193Provider {
  isWallet: boolean;
}

export async function beforeAWallet(wallet: Wallet, cache: Cache<Entry>): Promise<void> {
  const wrapped: Wallet = uplinkProvider(wallet, cache);
  uplinkProvider(wallet, Promise.resolve(cache));
  uplinkProvider(
    wallet,
    () => openCache<Entry>({ name: "late", gateway: evm({ urls: [], chainId: 1 }) }),
    {
      task: ({ hash, to, input }) =>
        to === null ? undefined : { key: `entry/${hash}`, value: input, tags: { to } },
    },
  );
  const chainId: number = cache.chainId;
  const error = await wrapped
    .request({ method: "eth_chainId" })
    .catch((error: UplinkRpcError) => error);
  if (error.data.code === "quota_exceeded") console.log(error.code.toFixed(), chainId);
  // @ts-expect-error no provider
  uplinkProvider({}, cache);
  // @ts-expect-error no cache
  uplinkProvider(wallet, {});
  // @ts-expect-error an unknown option
  uplinkProvider(wallet, cache, { key: "entry" });
  // @ts-expect-error the payload is the transaction's own
  uplinkProvider(wallet, cache, { task: () => ({ payload: "0x02" }) });
}

export function inspecting(cache: Cache<Entry>): void {
  const inspector = document.createElement("uplink-inspector");
  inspector.cache = cache;
  inspector.cache = undefined;
  const isOne: boolean = inspector instanceof UplinkInspector;
  console.log(isOne, inspector.isConnected);
  // @ts-expect-error no cache
  inspector.cache = { name: "guestbook" };
}

export async function outlivingThePage(): Promise<void> {
  const gateway = evm({ urls: ["http://127.0.0.1:8545"], chainId: 1 });
  const cache = await openCache({ name: "s", gateway, persist: true, backgroundSync: true });
  const { persisted, askedToPersist, backgroundSync: state } = cache.stats();
  console.log(persisted === undefined, askedToPersist, state === "registered");
  backgroundSync({ name: "s", gateway });
  backgroundSync(async ({ name, account }: SyncTarget) =>
    account === "" ? undefined : { name, gateway, giveUpAfterMs: 1000 },
  );
  // @ts-expect-error the account comes from the event
  backgroundSync({ name: "s", gateway, account: "0x" });
  // @ts-expect-error no such state
  if (state === "sent") return;
}

export async function whereTheModuleIs(): Promise<void> {
  const gateway = evm({ urls: ["http://127.0.0.1:8545"], chainId: 1 });
  await openCache({ name: "moved", gateway, wasm: new URL(wasm, import.meta.url) });
  // @ts-expect-error the address of a file
  await openCache({ name: "moved", gateway, wasm: wasm.exports });
}

export function errors(error: unknown): boolean {
  if (!(error instanceof UplinkError)) return false;
  if (error.code === "wasm_unavailable") return error.retryable;
  // @ts-expect-error no such code
  if (error.code === "no_such_code") return false;
  return error.code === "quota_exceeded" || error.retryable;
}

export async function wrongUses(signed: Uint8Array): Promise<void> {
  // @ts-expect-error a gateway without its chain
  const gateway = evm({ urls: ["http://127.0.0.1:8545"] });
  // @ts-expect-error an unknown option
  const cache = await openCache({ name: "wrong", gateway, durable: true });
  // @ts-expect-error an unknown finality
  evm({ urls: [], chainId: 1, finality: "latest" });
  // @ts-expect-error no payload
  await cache.submit({ key: "k", value: 1 });
  // @ts-expect-error an unknown option
  await cache.submit({ payload: signed, priority: 1 });
  // @ts-expect-error an unknown status
  cache.tasks({ status: "pending" });
  const task = await cache.submit({ payload: signed });
  // @ts-expect-error an unknown status
  if (task.status === "pending") return;
  // @ts-expect-error not one of the points to wait for
  await task.until("mined");
  // @ts-expect-error the status is read only
  task.status = "final";
  // @ts-expect-error an unknown source
  await cache.read("k", { source: "network" });
  // @ts-expect-error an unknown event
  cache.addEventListener("block", () => undefined);
}
