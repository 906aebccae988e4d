import { setup, show } from "./page.js";

const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
worker.addEventListener("message", ({ data: [what, content] }) => show(what, content));
worker.postMessage(setup);
