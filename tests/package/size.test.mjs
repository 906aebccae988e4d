// What a page loads does not grow unnoticed. What takes the room: `npm run size`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { limit, measure } from "../../scripts/size.mjs";

test("a page loads no more than the limit", async () => {
  const { brotli } = measure().total;
  const most = await limit();
  assert.ok(brotli <= most, `${brotli} bytes, brotli; the limit is ${most}`);
});
