import { setup, show } from "./page.js";

await navigator.serviceWorker.register("./service-worker.js", { type: "module" });
const { active } = await navigator.serviceWorker.ready;
const { port1, port2 } = new MessageChannel();
port1.addEventListener("message", ({ data: [what, content] }) => show(what, content));
port1.start();
active.postMessage(setup, [port2]);
