// What a page loads does not grow unnoticed. What takes the room: `npm run size`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMIT_BYTES, measure } from "../../scripts/size.mjs";

test("a page loads no more than the limit", () => {
  const { brotli } = measure().total;
  assert.ok(brotli <= LIMIT_BYTES, `${brotli} bytes, brotli; the limit is ${LIMIT_BYTES}`);
});
