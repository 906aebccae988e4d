// The plain import in a dedicated, a shared or a service worker: submits, reads, and waits for the chain.

import { evm, openCache } from "/dist/index.js";

async function work({ options: { gateway, ...options }, raw }) {
  const cache = await openCache({ ...options, gateway: evm(gateway) });
  const task = await cache.submit({
    payload: raw,
    key: "k",
    value: { from: self.constructor.name },
  });
  const { value, source } = await cache.read("k");
  const peeked = cache.peek("k").value;
  await task.until("sent");
  const { persisted, askedToPersist, backgroundSync } = cache.stats();
  await cache.close();
  return { value, source, peeked, persisted: typeof persisted, askedToPersist, backgroundSync };
}

const answer = ({ data, ports: [port] }) =>
  work(data).then(
    (result) => port.postMessage(result),
    (error) => port.postMessage({ error: `${error.code} ${error.message}` }),
  );

addEventListener("message", (event) => {
  const answered = answer(event);
  event.waitUntil?.(answered);
});
addEventListener("connect", ({ ports: [port] }) => {
  port.onmessage = answer;
});
