// One script for every kind of worker: it takes a port, and does what comes through it.

import { actions } from "./actions.js";

addEventListener("message", take); // dedicated and service workers
addEventListener("connect", ({ ports: [port] }) => {
  port.addEventListener("message", take);
  port.start();
});

function take(event) {
  const [port] = event.ports;
  let end;
  // A service worker lives while an event of it is at work.
  event.waitUntil?.(new Promise((resolve) => (end = resolve)));
  port.addEventListener("message", async ({ data: { name, argument } }) => {
    try {
      port.postMessage({ value: await actions[name](argument) });
    } catch (error) {
      port.postMessage({ error: `${error.stack ?? ""} ${error}` });
    }
    if (name === "close") end?.();
  });
  port.start();
}
