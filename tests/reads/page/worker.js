// What a page does in live.test.mjs, in a worker: it watches and iterates while values are written.
import { evm, openCache } from "/dist/index.js";
import { until, watchClosely } from "/reads/closely.js";

async function work({ options: { gateway, ...options }, payloads }) {
  globalThis.cache = await openCache({ ...options, gateway: evm(gateway) });
  const watcher = watchClosely({ prefix: "entry/" });
  const iterated = [];
  const iterating = (async () => {
    for await (const { items } of cache.live({ key: "entry/1" })) {
      iterated.push(items.map(({ value }) => value));
    }
  })();
  await until(() => watcher.calls.length === 1 && iterated.length === 1);
  for (const [i, payload] of payloads.entries()) {
    await cache.submit({ payload, key: "entry/1", value: i });
    await until(() => watcher.last().items[0]?.value === i && iterated.at(-1)[0] === i);
  }
  await cache.close();
  await iterating;
  return { values: watcher.values(), iterated, faults: watcher.faults };
}

const answer = ({ data, ports: [port] }) =>
  work(data).then(
    (result) => port.postMessage(result),
    (error) => port.postMessage({ error: `${error.code} ${error.message}` }),
  );

addEventListener("message", answer);
addEventListener("connect", ({ ports: [port] }) => {
  port.onmessage = answer;
});
