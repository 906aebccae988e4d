// Puts `contexts` on the page: the page itself and the kinds of workers, each as one function that calls an action in it.

import { actions } from "./actions.js";

const SCRIPT = "/engines/worker.js";
const started = new Map();

const starters = {
  page: () => (name, argument) => actions[name](argument),
  dedicated: () => {
    const worker = new Worker(SCRIPT, { type: "module" });
    return overPort((port) => worker.postMessage(null, [port]), worker);
  },
  shared: () => {
    const worker = new SharedWorker(SCRIPT, { type: "module" });
    return overPort((port) => worker.port.postMessage(null, [port]), worker);
  },
  async service() {
    await navigator.serviceWorker.register(SCRIPT, { type: "module" });
    const { active } = await navigator.serviceWorker.ready;
    return overPort((port) => active.postMessage(null, [port]), active);
  },
};

/** An action in a context, which is started when it is first used. */
async function call(kind, name, argument) {
  if (!started.has(kind)) started.set(kind, starters[kind]());
  const action = await started.get(kind);
  return action(name, argument);
}

function overPort(hand, worker) {
  const { port1: port, port2 } = new MessageChannel();
  const broken = new Promise((_, reject) => {
    worker.addEventListener("error", (event) => reject(new Error(event.message || "no script")));
  });
  hand(port2);
  port.start();
  return async (name, argument) => {
    const answer = new Promise((resolve) => {
      port.addEventListener("message", ({ data }) => resolve(data), { once: true });
    });
    port.postMessage({ name, argument });
    const { value, error } = await Promise.race([answer, broken]);
    if (error !== undefined) throw new Error(error);
    return value;
  };
}

globalThis.contexts = { call };
globalThis.isReady();
