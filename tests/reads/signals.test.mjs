// Signals that live as long as the page: nothing of a call stays at them once it was answered.
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { moduleOf } from "../support/bundle.mjs";

const AT = { number: 1, hash: "0x01" };

/** Reads a key by a function that hands this signal on to its call, which `answer` answers. */
async function read(signal, answer) {
  const { ChainReader } = await moduleOf("js/read-many.ts");
  const calls = [];
  const call = (method, _, options) => {
    calls.push(options.signal);
    return answer(method, options.signal);
  };
  const readings = withResolvers();
  const gateway = { read: (key, rpc) => rpc(key, [], { signal }) };
  const reader = new ChainReader(gateway, call, (...given) => readings.resolve(given));
  reader.read(1, "eth_call", AT);
  return { reader, calls, given: readings.promise };
}

function withResolvers() {
  let resolve;
  const promise = new Promise((take) => {
    resolve = take;
  });
  return { promise, resolve };
}

for (const [how, answer] of [
  ["answered", async () => Uint8Array.of(7)],
  ["refused", () => Promise.reject(new Error("no"))],
]) {
  test(`a call that was ${how} leaves nothing at the signal that it was given`, async () => {
    const { signal } = new AbortController();
    const { given } = await read(signal, answer);
    await given;
    assert.equal(getEventListeners(signal, "abort").length, 0);
  });
}

test("a call is aborted by the signal that it was given, and by the end of its reading", async () => {
  const waits = (_, signal) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  const own = new AbortController();
  const first = await read(own.signal, waits);
  own.abort(new Error("mine"));
  assert.equal((await first.given)[2], "mine");
  const second = await read(new AbortController().signal, waits);
  second.reader.stop(1);
  assert.ok(second.calls[0].aborted);
});
