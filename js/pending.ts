// A signed raw transaction as a node shows one that no block holds yet. The module has checked its bytes.

/** What a transaction says of itself, in the words of JSON-RPC: quantities and data as 0x-hex. */
export interface RawTransaction {
  /** The transaction id. */
  hash: `0x${string}`;
  /** `0x0` (legacy) to `0x4`. */
  type: `0x${string}`;
  nonce: `0x${string}`;
  gas: `0x${string}`;
  /** `null`: it creates a contract. */
  to: `0x${string}` | null;
  /** Wei. */
  value: `0x${string}`;
  /** The calldata. */
  input: `0x${string}`;
  /** In wei per gas; of a type that has two fees the most that it pays. */
  gasPrice: `0x${string}`;
  maxFeePerGas?: `0x${string}`;
  maxPriorityFeePerGas?: `0x${string}`;
  maxFeePerBlobGas?: `0x${string}`;
  /** Not of a legacy transaction that is valid on any chain. */
  chainId?: `0x${string}`;
  accessList?: { address: `0x${string}`; storageKeys: `0x${string}`[] }[];
  blobVersionedHashes?: `0x${string}`[];
  authorizationList?: Record<string, `0x${string}`>[];
  v: `0x${string}`;
  r: `0x${string}`;
  s: `0x${string}`;
  yParity?: `0x${string}`;
}

type Item = Uint8Array | Item[];

const CALL = ["gas", "to", "value", "input"];
const FEES = ["maxPriorityFeePerGas", "maxFeePerGas"];
const BLOBS = ["maxFeePerBlobGas", "blobVersionedHashes"];
const SIGNATURE = ["yParity", "r", "s"];
/** The fields of each type, in the order of its list. */
const FIELDS = [
  ["nonce", "gasPrice", ...CALL, "v", "r", "s"],
  ["chainId", "nonce", "gasPrice", ...CALL, "accessList", ...SIGNATURE],
  ["chainId", "nonce", ...FEES, ...CALL, "accessList", ...SIGNATURE],
  ["chainId", "nonce", ...FEES, ...CALL, "accessList", ...BLOBS, ...SIGNATURE],
  ["chainId", "nonce", ...FEES, ...CALL, "accessList", "authorizationList", ...SIGNATURE],
];
const AUTHORIZATION = ["chainId", "address", "nonce", ...SIGNATURE];
const FIRST_LIST = 0xc0;
/** A legacy signature's `v` is twice the chain's id and 35 or 36. */
const FIRST_V_OF_CHAIN = 35n;

/** What a signed raw transaction says of itself. */
export function decodeTransaction(hash: `0x${string}`, payload: Uint8Array): RawTransaction {
  const first = payload[0] ?? FIRST_LIST;
  const type = first < FIRST_LIST ? first : 0;
  const list = readList(payload, type === 0 ? 0 : 1);
  // With its blobs beside it, the transaction is the first of several lists.
  const items = Array.isArray(list[0]) ? list[0] : list;
  const names = FIELDS[type] ?? [];
  // biome-ignore lint/suspicious/noExplicitAny: the names are those of the table
  const fields: any = Object.fromEntries(
    names.map((name, at) => [name, show(name, items[at] ?? [])]),
  );
  if (type > 0) fields.v = fields.yParity;
  else if (BigInt(fields.v) >= FIRST_V_OF_CHAIN) {
    fields.chainId = quantity((BigInt(fields.v) - FIRST_V_OF_CHAIN) / 2n);
  }
  return { hash, type: quantity(type), gasPrice: fields.maxFeePerGas, ...fields };
}

/** The same as a node shows it while no block holds it. */
export function pendingTransaction(hash: `0x${string}`, payload: Uint8Array, from: string): object {
  const nowhere = { blockHash: null, blockNumber: null, transactionIndex: null };
  return { ...decodeTransaction(hash, payload), from, ...nowhere };
}

/** As a JSON-RPC quantity. */
export function quantity(value: number | bigint): `0x${string}` {
  return `0x${value.toString(16)}`;
}

function show(name: string, item: Item): unknown {
  switch (name) {
    case "to":
      return item.length === 0 ? null : data(item);
    case "input":
    case "address":
      return data(item);
    case "blobVersionedHashes":
      return listOf(item).map(data);
    case "accessList":
      return listOf(item).map((entry) => {
        const [address = [], keys = []] = listOf(entry);
        return { address: data(address), storageKeys: listOf(keys).map(data) };
      });
    case "authorizationList":
      return listOf(item).map((entry) => {
        const items = listOf(entry);
        return Object.fromEntries(
          AUTHORIZATION.map((name, at) => [name, show(name, items[at] ?? [])]),
        );
      });
    default:
      return quantity(BigInt(`${data(item)}`.padEnd(3, "0")));
  }
}

function listOf(item: Item): Item[] {
  return Array.isArray(item) ? item : [];
}

function data(item: Item): `0x${string}` {
  const bytes = Array.isArray(item) ? [] : [...item];
  return `0x${bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

function readList(bytes: Uint8Array, at: number): Item[] {
  const [item] = readItem(bytes, at);
  return listOf(item);
}

/** The item that begins there, and where the next one does. RLP, as the module found it to be. */
function readItem(bytes: Uint8Array, at: number): [Item, number] {
  const head = bytes[at] ?? 0;
  if (head < 0x80) return [bytes.subarray(at, at + 1), at + 1];
  const isList = head >= FIRST_LIST;
  const short = head - (isList ? FIRST_LIST : 0x80);
  const sizeBytes = Math.max(0, short - 55);
  const from = at + 1 + sizeBytes;
  const size = bytes.subarray(at + 1, from).reduce((sum, byte) => sum * 256 + byte, 0);
  const end = from + (sizeBytes === 0 ? short : size);
  if (!isList) return [bytes.subarray(from, end), end];
  const items: Item[] = [];
  for (let next = from; next < end; ) {
    const [item, after] = readItem(bytes, next);
    items.push(item);
    next = after;
  }
  return [items, end];
}
