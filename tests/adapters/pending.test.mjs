// What a raw transaction says of itself, beside what viem reads in it: transactions of all types, by chance.
import assert from "node:assert/strict";
import { test } from "node:test";
import { build } from "esbuild";
import fc from "fast-check";
import { keccak256, parseTransaction, serializeTransaction, toBytes, toHex } from "viem";
import { seedFromEnvironment } from "../support/random.mjs";

const RUNS = Number(process.env.RUNS ?? 500);
const BLOB_BYTES = 131_072;

const { outputFiles } = await build({
  entryPoints: ["js/pending.ts"],
  bundle: true,
  format: "esm",
  write: false,
});
const source = Buffer.from(outputFiles[0].text).toString("base64");
const { decodeTransaction } = await import(`data:text/javascript;base64,${source}`);

const bytes = (least, most = least) =>
  fc.uint8Array({ minLength: least, maxLength: most }).map((each) => toHex(each));
const address = bytes(20);
const word = fc.bigInt(1n, 2n ** 256n - 1n).map((each) => toHex(each, { size: 32 }));
const wei = fc.oneof(fc.constant(0n), fc.bigInt(0n, 2n ** 100n));
const accessList = fc.array(
  fc.record({ address, storageKeys: fc.array(bytes(32), { maxLength: 3 }) }),
  { maxLength: 3 },
);
const common = {
  nonce: fc.nat(),
  gas: fc.bigInt(1n, 2n ** 63n),
  to: address,
  value: wei,
  data: fc.oneof(bytes(0, 70), bytes(200, 70_000)),
};
const typed = { ...common, chainId: fc.integer({ min: 1 }), accessList };
// viem checks that a tip is within its bound.
const fees = fc
  .tuple(wei, wei)
  .map(([tip, rest]) => ({ maxPriorityFeePerGas: tip, maxFeePerGas: tip + rest }));
const withFees = (fields) =>
  fc.tuple(fc.record(fields), fees).map((each) => Object.assign(...each));
const authorization = fc.record({
  chainId: fc.nat(),
  address,
  nonce: fc.nat(),
  yParity: fc.nat({ max: 1 }),
  r: word,
  s: word,
});
const KINDS = {
  legacy: fc.record({ ...common, chainId: fc.integer({ min: 1, max: 2 ** 40 }), gasPrice: wei }),
  "legacy before EIP-155": fc.record({ ...common, gasPrice: wei }),
  eip2930: fc.record({ ...typed, gasPrice: wei }),
  eip1559: withFees(typed),
  eip4844: withFees({
    ...typed,
    maxFeePerBlobGas: wei,
    blobVersionedHashes: fc.array(
      bytes(31).map((each) => `0x01${each.slice(2)}`),
      {
        minLength: 1,
        maxLength: 3,
      },
    ),
  }),
  eip7702: withFees({
    ...typed,
    authorizationList: fc.array(authorization, { minLength: 1, maxLength: 2 }),
  }),
};

/** In viem's words: numbers as bigints, and what is zero or empty left out, as it leaves it out. */
function told(raw) {
  const hash = keccak256(raw);
  const { type, hash: own, input, gasPrice, v, ...fields } = decodeTransaction(hash, toBytes(raw));
  assert.equal(own, hash);
  const isLegacy = type === "0x0";
  const price = isLegacy || type === "0x1" ? { gasPrice } : {};
  return inNumbers({ ...fields, ...price, data: input, ...(isLegacy && { v }) });
}

function inNumbers(fields) {
  const TEXTS = ["to", "data", "address", "r", "s"];
  const numbers = ([name, value]) => {
    if (Array.isArray(value))
      return [name, value.map((each) => (typeof each === "object" ? inNumbers(each) : each))];
    if (value === undefined || value === null) return [name, undefined];
    if (name === "r" || name === "s") return [name, BigInt(value)];
    return [name, TEXTS.includes(name) ? value.toLowerCase() : BigInt(value)];
  };
  const isSaid = ([, value]) =>
    value !== undefined &&
    value !== 0n &&
    value !== "0x" &&
    !(Array.isArray(value) && value.length === 0);
  return Object.fromEntries(Object.entries(fields).map(numbers).filter(isSaid));
}

for (const [kind, transactions] of Object.entries(KINDS)) {
  test(`a transaction of kind ${kind} is read as viem reads it`, () => {
    const type = kind.startsWith("legacy") ? "legacy" : kind;
    const seed = seedFromEnvironment();
    const signatures = fc.record({ r: word, s: word, yParity: fc.nat({ max: 1 }) });
    const check = fc.property(transactions, signatures, (transaction, { yParity, ...rest }) => {
      const signature = { ...rest, yParity, v: BigInt(27 + yParity) };
      const raw = serializeTransaction({ ...transaction, type }, signature);
      const { type: _, ...expected } = parseTransaction(raw);
      if (type === "legacy") delete expected.yParity;
      else delete expected.v;
      for (const each of expected.authorizationList ?? []) delete each.v;
      assert.deepEqual(told(raw), inNumbers(expected));
    });
    fc.assert(check, { seed, numRuns: RUNS });
  });
}

test("a contract's creation has no recipient", () => {
  const signature = { r: toHex(1n, { size: 32 }), s: toHex(1n, { size: 32 }), yParity: 0, v: 27n };
  const raw = serializeTransaction({ chainId: 1, type: "eip1559", data: "0x60" }, signature);
  assert.equal(decodeTransaction(keccak256(raw), toBytes(raw)).to, null);
});

test("with its blobs beside it a transaction is read as without them", () => {
  const transaction = {
    ...{ chainId: 1, type: "eip4844", nonce: 7, gas: 21_000n, maxFeePerGas: 9n },
    ...{ to: `0x${"11".repeat(20)}`, maxFeePerBlobGas: 3n },
    blobVersionedHashes: [`0x01${"22".repeat(31)}`],
  };
  const [blob, commitment, proof] = [BLOB_BYTES, 48, 48].map((size) => toHex(0x5an, { size }));
  const signature = { r: toHex(5n, { size: 32 }), s: toHex(6n, { size: 32 }), yParity: 1, v: 28n };
  const plain = serializeTransaction(transaction, signature);
  const sidecars = [{ blob, commitment, proof }];
  const wrapped = serializeTransaction({ ...transaction, sidecars }, signature);
  assert.ok(wrapped.length > 2 * BLOB_BYTES && plain.length < 1_000);
  const hash = keccak256(plain);
  const read = (raw) => decodeTransaction(hash, toBytes(raw));
  assert.deepEqual(read(wrapped), read(plain));
  assert.equal(read(plain).nonce, "0x7");
});
