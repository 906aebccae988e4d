// `mergeRows` against what an obvious model says: chains of random writes, an indexer that lags, tasks at every status.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mergeRows, UplinkError } from "../../dist/index.js";

const RUNS = { numRuns: Number(process.env.RUNS ?? 2_000) };
const KEYS = ["a", "b", "c", "d"];

/** A chain: blocks of writes, ours or others'; what of it is final, what the indexer has read; our unsent writes. */
const worlds = fc
  .record({
    blocks: fc.array(
      fc.array(fc.record({ key: fc.constantFrom(...KEYS), own: fc.boolean() }), { maxLength: 3 }),
      { maxLength: 8 },
    ),
    unsent: fc.uniqueArray(fc.constantFrom(...KEYS)),
    finalPart: fc.double({ min: 0, max: 1, noNaN: true }),
    seenPart: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ blocks, unsent, finalPart, seenPart }) => {
    const top = blocks.length;
    const writes = blocks.flatMap((block, i) =>
      block.map(({ key, own }, index) => ({ key, own, block: i + 1, index })),
    );
    for (const [n, write] of writes.entries()) Object.assign(write, { n, txId: txIdOf(n) });
    const pending = unsent.map((key, i) => ({
      key,
      own: true,
      n: writes.length + i,
      txId: txIdOf(writes.length + i),
    }));
    const heightAt = (part) => Math.round(part * top);
    return { writes, pending, finalHeight: heightAt(finalPart), seen: heightAt(seenPart), top };
  });

const txIdOf = (n) => `0x${n.toString(16).padStart(64, "0")}`;

/** What the indexer knows when it has read to this height: of each key the last write. */
function rowsAt({ writes }, height) {
  const rows = new Map();
  for (const write of writes) if (write.block <= height) rows.set(write.key, write);
  return [...rows.values()];
}

function entryOf({ key, txId, block, n }, finalHeight) {
  const executed = block !== undefined && { block: { number: block, hash: txIdOf(block) } };
  const status = block === undefined ? "sent" : block <= finalHeight ? "final" : "included";
  return { key, value: n, isCalldata: false, source: "backup", status, txId, ...executed };
}

/** What `list` gives: of each key our write that is not settled yet, or else the last that the chain executed. */
function entriesOf({ writes, pending, finalHeight }) {
  const entries = new Map();
  for (const write of [...writes, ...pending]) if (write.own) entries.set(write.key, write);
  return [...entries.values()].map((write) => entryOf(write, finalHeight));
}

/** The write that an item shows. */
const shownBy = ({ row, entry }) => entry?.txId ?? row.txId;

/** What is known of a row varies: with these it can be told exactly which of two writes is the newer. */
const KNOWN = {
  "transaction and block": { by: ({ key, txId, block }) => ({ key, txId, block }) },
  "transaction, and how far the reader is": { by: ({ key, txId }) => ({ key, txId }), seen: true },
  "block alone": { by: ({ key, block }) => ({ key, block }) },
  "all of it": { by: ({ key, txId, block }) => ({ key, txId, block: BigInt(block) }), seen: true },
};

for (const [name, { by, seen }] of Object.entries(KNOWN)) {
  test(`each key shows our write until it is final, then the newest, once, whatever the lag: with ${name}`, () => {
    fc.assert(
      fc.property(worlds, (world) => {
        const rows = rowsAt(world, world.seen);
        const entries = entriesOf(world);
        const options = { by, ...(seen && { seenAtBlock: world.seen }) };
        const merged = mergeRows(rows, entries, options);

        const expected = new Map(rows.map(({ key, n, txId }) => [key, { n, txId }]));
        for (const { key, value: n, txId, status } of entries) {
          const isNewest = n >= (expected.get(key)?.n ?? -1);
          if (isNewest || status !== "final") expected.set(key, { n, txId });
        }
        const shown = merged.map((item) => [(item.row ?? item.entry).key, shownBy(item)]);
        assert.equal(new Set(shown.map(([key]) => key)).size, shown.length, "no key twice");
        assert.deepEqual(
          Object.fromEntries(shown),
          Object.fromEntries([...expected].map(([key, { txId }]) => [key, txId])),
        );
        for (const item of merged) {
          const parts = [item.row && "row", item.entry && "entry"].filter(Boolean);
          assert.equal(item.from, parts.length === 2 ? "both" : parts[0]);
        }
      }),
      RUNS,
    );
  });
}

test("no own write is missing at any height of the indexer, and none comes back once its row is there", () => {
  fc.assert(
    fc.property(worlds, (world) => {
      const entries = entriesOf(world);
      for (let height = 0; height <= world.top; height += 1) {
        const rows = rowsAt(world, height);
        const by = ({ key, txId }) => ({ key, txId });
        const merged = mergeRows(rows, entries, { by, seenAtBlock: height });
        const keys = merged.map(({ row, entry }) => (row ?? entry).key);
        for (const { key } of entries) assert.ok(keys.includes(key), `${key} at ${height}`);
        const alone = merged.filter(({ from }) => from === "entry");
        for (const { entry } of alone) assert.ok(!(entry.block?.number <= height), entry.key);
      }
    }),
    RUNS,
  );
});

/** Each write is a row of its own, told apart by its transaction alone: a feed. */
function feedOf({ writes, pending, finalHeight, seen }) {
  const own = [...writes, ...pending].filter(({ own }) => own);
  const entries = own.map((write) => entryOf({ ...write, key: write.txId }, finalHeight));
  return { rows: writes.filter(({ block }) => block <= seen), entries };
}

test("a feed has every indexed write and every own one that is not, once, and rows stay in their order", () => {
  fc.assert(
    fc.property(worlds, fc.constantFrom("newest", "oldest"), fc.nat(2), (world, order, known) => {
      const { rows, entries } = feedOf(world);
      if (order === "newest") rows.reverse();
      if (order === "newest") entries.reverse();
      const by = ({ txId, block }) => ({
        txId: txId.toUpperCase().replace("0X", "0x"),
        ...(known > 0 && { block }),
      });
      const options = { by, order, ...(known > 1 && { seenAtBlock: world.seen }) };
      const merged = mergeRows(rows, entries, options);
      const indexed = new Set(rows.map(({ txId }) => txId));
      const added = entries.filter(({ txId }) => !indexed.has(txId));
      const ids = (list) => list.map(({ txId }) => txId);
      const whole = order === "newest" ? [...added, ...rows] : [...rows, ...added];
      assert.deepEqual(merged.map(shownBy), ids(whole));
      const both = merged.filter(({ from }) => from === "both").map(shownBy);
      const ownAndIndexed = ids(entries).filter((txId) => indexed.has(txId));
      assert.deepEqual(both.sort(), ownAndIndexed.sort());
    }),
    RUNS,
  );
});

test("with sort each is in its place, and pages of rows put end to end miss nothing and repeat nothing", () => {
  fc.assert(
    fc.property(
      worlds,
      fc.constantFrom("newest", "oldest"),
      fc.constantFrom(Number, BigInt, (n) => String(n).padStart(4, "0")),
      fc.nat(),
      (world, order, sortFrom, cut) => {
        const { rows, entries } = feedOf(world);
        const direction = order === "newest" ? -1 : 1;
        rows.sort((one, other) => direction * (one.n - other.n));
        const options = {
          by: ({ txId, n }) => ({ txId, sort: sortFrom(n) }),
          sortOf: ({ value }) => sortFrom(value),
          order,
          seenAtBlock: world.seen,
        };
        const all = mergeRows(rows, entries, options);
        const numbers = all.map(({ row, entry }) => row?.n ?? entry.value);
        assert.deepEqual(
          numbers,
          numbers.toSorted((one, other) => direction * (one - other)),
        );
        const count = cut % (rows.length + 1);
        if (count === 0) return;
        const page = mergeRows(rows.slice(0, count), entries, { ...options, more: true });
        const last = all.findIndex(({ row }) => row === rows[count - 1]);
        assert.deepEqual(page, all.slice(0, last + 1));
      },
    ),
    RUNS,
  );
});

test("of rows with one key the newest stays, in its own place", () => {
  fc.assert(
    fc.property(
      worlds,
      fc.constantFrom("newest", "oldest"),
      fc.boolean(),
      (world, order, named) => {
        const rows = order === "newest" ? world.writes.toReversed() : world.writes;
        const by = ({ key, block }) => ({ key, ...(named && { block }) });
        const merged = mergeRows(rows, [], { by, order });
        const newest = rowsAt(world, world.top);
        assert.deepEqual(
          merged.map(({ row }) => row),
          rows.filter((row) => newest.includes(row)),
        );
      },
    ),
    RUNS,
  );
});

test("rows that say nothing of themselves are left alone", () => {
  const rows = [{}, {}, { text: "x" }];
  const entry = entryOf({ key: "a", txId: txIdOf(1), n: 1 }, 0);
  const merged = mergeRows(rows, [entry], { by: () => ({}) });
  assert.deepEqual(merged, [
    { from: "entry", entry },
    ...rows.map((row) => ({ from: "row", row })),
  ]);
});

test("what one transaction wrote under several keys is not taken for one", () => {
  const txId = txIdOf(7);
  const rows = ["a", "b", "c"].map((key) => ({ key, txId, block: 3 }));
  const entry = entryOf({ key: "b", txId, block: 3, n: 1 }, 0);
  const merged = mergeRows(rows, [entry], { by: (row) => row });
  assert.deepEqual(
    merged.map(({ from }) => from),
    ["row", "both", "row"],
  );
});

test("a final entry without a row stays until its block is seen; one that is only included stays in any case", () => {
  const final = entryOf({ key: "a", txId: txIdOf(1), block: 100, n: 1 }, 100);
  const included = entryOf({ key: "b", txId: txIdOf(2), block: 100, n: 2 }, 99);
  const kept = (rows, more) =>
    mergeRows(rows, [final, included], { by: (row) => row, ...more })
      .filter(({ from }) => from === "entry")
      .map(({ entry }) => entry.key);
  assert.deepEqual(kept([], {}), ["a", "b"]);
  assert.deepEqual(kept([], { seenAtBlock: 99 }), ["a", "b"]);
  assert.deepEqual(kept([], { seenAtBlock: 100n }), ["b"]);
  assert.deepEqual(kept([{ block: 100 }], {}), ["a", "b"], "its other rows may still come");
  assert.deepEqual(kept([{ block: 101 }], {}), ["b"]);
  assert.deepEqual(kept([{ block: 101 }], { seenAtBlock: 99 }), ["a", "b"], "the reader's word");
});

test("where nothing tells which is newer, a final entry gives way to the row of its key", () => {
  const rows = [{ key: "a" }, { key: "b" }];
  const final = entryOf({ key: "a", txId: txIdOf(1), block: 1, n: 1 }, 1);
  const included = entryOf({ key: "b", txId: txIdOf(2), block: 2, n: 2 }, 1);
  const merged = mergeRows(rows, [final, included], { by: (row) => row });
  assert.deepEqual(
    merged.map(({ from }) => from),
    ["row", "both"],
  );
});

test("text is in the order of keys: that of their UTF-8 bytes", () => {
  const units = ["", "a", "z", "é", "\ud7ff", "\ue000", "\uffff", "😀", "\u{10ffff}"];
  const text = fc.string({ unit: fc.constantFrom(...units), maxLength: 4 });
  fc.assert(
    fc.property(fc.uniqueArray(text, { maxLength: 12 }), fc.nat(), (keys, at) => {
      const isEntry = (key) => keys.indexOf(key) % 2 === at % 2;
      const rows = keys.filter((key) => !isEntry(key)).map((key) => ({ key, sort: key }));
      const entries = keys.filter(isEntry).map((key, n) => entryOf({ key, txId: txIdOf(n), n }, 0));
      const merged = mergeRows(rows, entries, { by: (row) => row, order: "oldest", sortOf });
      const bytes = (key) => Buffer.from(key);
      assert.deepEqual(
        merged.map(({ row, entry }) => (row ?? entry).key),
        keys.toSorted((one, other) => Buffer.compare(bytes(one), bytes(other))),
      );
    }),
    RUNS,
  );
  function sortOf({ key }) {
    return key;
  }
});

test("bad input is refused by name", () => {
  const entry = entryOf({ key: "a", txId: txIdOf(1), n: 1 }, 0);
  const by = () => ({});
  const cases = [
    ["no options", [[], [], undefined]],
    ["no by", [[], [], {}]],
    ["an unknown option", [[], [], { by, seen: 1 }]],
    ["by that gives nothing", [[1], [], { by: () => undefined }]],
    ["a key that is no string", [[1], [], { by: () => ({ key: 1 }) }]],
    ["a transaction id that is no string", [[1], [], { by: () => ({ txId: 1n }) }]],
    ["a block that is text", [[1], [], { by: () => ({ block: "0x1" }) }]],
    ["a block below 0", [[1], [], { by: () => ({ block: -1 }) }]],
    ["a seenAtBlock that is a fraction", [[], [], { by, seenAtBlock: 1.5 }]],
    ["an unknown order", [[], [], { by, order: "up" }]],
    ["more that is no flag", [[], [], { by, more: 1 }]],
    ["a sortOf that is no function", [[], [], { by, sortOf: "key" }]],
    ["sort for one row alone", [[1, 2], [], { by: (n) => (n > 1 ? { sort: n } : {}) }]],
    ["sort of two kinds", [[1, "a"], [], { by: (sort) => ({ sort }) }]],
    ["sort that is NaN", [[1], [], { by: () => ({ sort: Number.NaN }) }]],
    ["sort that is an object", [[1], [], { by: () => ({ sort: new Date() }) }]],
    ["numbers, and entries by their keys", [[1], [entry], { by: (sort) => ({ sort }) }]],
  ];
  for (const [name, args] of cases) {
    assert.throws(
      () => mergeRows(...args),
      (error) => error instanceof UplinkError && error.code === "invalid_input",
      name,
    );
  }
});
