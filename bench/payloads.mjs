// The payloads of every workload: real signed transactions of one account with rising nonces, 1 KiB of calldata each.
//
// They are signed by plain arithmetic with one secret number for all, which takes microseconds where a signer takes a
// millisecond. That gives the key away to whoever sees two of them: it is a test key, and nothing hangs on it.

import { createHash } from "node:crypto";
import { Point } from "@noble/secp256k1";
import { hexToBytes, keccak256, recoverTransactionAddress } from "viem";
import { privateKeyToAddress } from "viem/accounts";

export const CHAIN_ID = 31_337;
const CALLDATA_BYTES = 1_024;
const KEY = BigInt(`0x${"5e".repeat(32)}`);
const SECRET = BigInt(`0x${"7a".repeat(32)}`);
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const RECIPIENT = Buffer.from("dead".padStart(40, "0"), "hex");
const COMMON = Point.BASE.multiply(SECRET).toAffine();
const R = COMMON.x % ORDER;
const INVERSE = invert(SECRET);

export const ACCOUNT = privateKeyToAddress(`0x${KEY.toString(16)}`);

/** The signed transactions of the nonces from `first` on. */
export function signMany(first, count, calldataBytes = CALLDATA_BYTES) {
  return Array.from({ length: count }, (_, i) => sign(first + i, calldataBytes));
}

/** Throws unless what `sign` makes is a transaction that the account signed. */
export async function checkSigning() {
  for (const payload of signMany(0, 3)) {
    const serializedTransaction = `0x${payload.toString("hex")}`;
    const signer = await recoverTransactionAddress({ serializedTransaction });
    if (signer !== ACCOUNT) throw new Error(`a payload is signed by ${signer}, not ${ACCOUNT}`);
  }
}

function sign(nonce, calldataBytes) {
  const fields = [
    quantity(CHAIN_ID),
    quantity(nonce),
    quantity(1),
    quantity(100_000_000_000),
    quantity(100_000),
    RECIPIENT,
    Buffer.alloc(0),
    calldata(nonce, calldataBytes),
  ].map(rlpBytes);
  fields.push(Buffer.from([0xc0]));
  const digest = BigInt(keccak256(typed(fields)));
  let s = (INVERSE * (digest + R * KEY)) % ORDER;
  let parity = Number(COMMON.y & 1n);
  if (s > ORDER / 2n) {
    s = ORDER - s;
    parity ^= 1;
  }
  return typed([...fields, ...[quantity(parity), big(R), big(s)].map(rlpBytes)]);
}

/** What no store can compress: as calldata of a dapp is, once it is packed. */
function calldata(nonce, length) {
  return createHash("shake256", { outputLength: length }).update(`calldata ${nonce}`).digest();
}

function typed(fields) {
  const body = Buffer.concat(fields);
  return Buffer.concat([Buffer.from([2]), rlpHead(body.length, 0xc0), body]);
}

function rlpBytes(bytes) {
  if (bytes.length === 1 && bytes[0] < 0x80) return bytes;
  return Buffer.concat([rlpHead(bytes.length, 0x80), bytes]);
}

function rlpHead(length, offset) {
  if (length < 56) return Buffer.from([offset + length]);
  const size = quantity(length);
  return Buffer.from([offset + 55 + size.length, ...size]);
}

function quantity(number) {
  return number === 0 ? Buffer.alloc(0) : big(BigInt(number));
}

function big(number) {
  const hex = number.toString(16);
  return Buffer.from(hexToBytes(`0x${hex.length % 2 === 1 ? "0" : ""}${hex}`));
}

/** By Fermat's little theorem: the order is a prime. */
function invert(number) {
  let [result, base] = [1n, number];
  for (let exponent = ORDER - 2n; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * base) % ORDER;
    base = (base * base) % ORDER;
  }
  return result;
}
