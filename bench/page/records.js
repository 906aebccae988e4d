// What every column stores: a payload of a good KiB, a small value, and the dozen fields that keep a task.

const PREFIX = "entry/";
const KEY_DIGITS = 7;

/** Keys in the order of their numbers, so that a prefix of digits is a range. */
export function keyOf(i) {
  return `${PREFIX}${String(i).padStart(KEY_DIGITS, "0")}`;
}

/** What a hundred keys have in common. */
export function prefixOfHundred(i) {
  return keyOf(i).slice(0, -2);
}

/** How many threads there are, which the records go to in turns. */
export const THREADS = 100;

export function threadOf(i) {
  return String(i % THREADS);
}

export function contentOf(i) {
  return { text: `what the user wrote, number ${i}`, at: 1_700_000_000_000 + i };
}

/** The records of the numbers from `first` on, their payloads signed by the server of this page. */
export async function fetchRecords(
  first,
  count,
  { account, chainId, calldataBytes, lanes = 1, threads = false },
) {
  const query = new URLSearchParams({ first, count, ...(calldataBytes && { calldataBytes }) });
  const answer = await fetch(`/payloads?${query}`);
  const all = new DataView(await answer.arrayBuffer());
  const records = [];
  for (let at = 0, i = first; at < all.byteLength; i++) {
    const length = all.getUint16(at);
    // A copy: a view would take the whole buffer along into the store.
    const payload = new Uint8Array(all.buffer.slice(at + 2, at + 2 + length));
    const lane = lanes === 1 ? account : `${account}/${i % lanes}`;
    const record = recordOf(i, payload, { account, chainId, lane });
    records.push(threads ? { ...record, thread: threadOf(i) } : record);
    at += 2 + length;
  }
  return records;
}

function recordOf(i, payload, { account, chainId, lane }) {
  return {
    key: keyOf(i),
    value: contentOf(i),
    payload,
    id: i.toString(16).padStart(32, "0"),
    status: "backed-up",
    account,
    lane,
    chainId,
    nonce: i,
    attempts: 0,
    createdAt: 1_700_000_000_000 + i,
    updatedAt: 1_700_000_000_000 + i,
    block: 0,
    reason: "",
  };
}

export function base64(bytes) {
  return btoa(String.fromCharCode(...bytes));
}

export function bytesOf(text) {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

/** The body of a request that sends the payload, as every column without a sender of its own posts it. */
export function bodyOf({ payload }) {
  let hex = "0x";
  for (const byte of payload) hex += byte.toString(16).padStart(2, "0");
  return JSON.stringify({
    jsonrpc: "2.0",
    id: 1,
    method: "eth_sendRawTransaction",
    params: [hex],
  });
}

export async function post(url, record) {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(url, { method: "POST", headers, body: bodyOf(record) });
  const { error } = await answer.json();
  if (error) throw new Error(error.message);
}
