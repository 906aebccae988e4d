// The same import in a page and in each kind of worker: what it does there, and what the engine gives it there.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { test } from "../e2e/fixture.mjs";
import { engine, prepareBrowser } from "./engine.mjs";

const KINDS = ["page", "dedicated", "shared", "service"];
/** Without these the package does not back up, or does not send. */
const NEEDED = ["secure context", "IndexedDB", "Web Locks", "BroadcastChannel"];

const newWorld = prepareBrowser();

for (const kind of KINDS) {
  const where = kind === "page" ? "page" : `${kind} worker`;

  test(`${engine}: in a ${where} a submit is seen at once, sent, settled, and read from the cache`, async (t) => {
    const world = await newWorld(t);
    const page = await world.openPage();
    const act = (name, argument) =>
      page.evaluate(({ kind, name, argument }) => contexts.call(kind, name, argument), {
        kind,
        name,
        argument,
      });
    const { raw, txId } = await world.wallet.sign({ text: where });
    await act("open", world.options());
    const { peeked, read } = await act("submit", { payload: raw, key: "entry/1", value: where });
    for (const entry of [peeked, read]) {
      assert.equal(entry.value, where);
      assert.equal(entry.source, "backup");
    }
    await world.mineToFinal(txId);
    assert.equal((await act("settled", "entry/1")).status, "final");
    const last = await act("read", "entry/1");
    assert.equal(last.value, where);
    assert.equal(last.source, "cache");
    assert.equal(last.status, "final");
    assert.equal(await act("leader"), true);
    await act("close");
    assert.equal(world.gateway.sends(txId).length, 1);
  });
}

test(`${engine}: what the package needs is there in every context`, async (t) => {
  const world = await newWorld(t);
  const page = await world.openPage();
  const seen = {};
  for (const kind of KINDS) {
    seen[kind] = await page.evaluate((kind) => contexts.call(kind, "features"), kind);
    for (const name of NEEDED) assert.equal(seen[kind][name], true, `${name} in ${kind}`);
  }
  const file = process.env.FEATURES;
  if (file === undefined) t.diagnostic(JSON.stringify(seen));
  else await writeFile(file, JSON.stringify(seen));
});
