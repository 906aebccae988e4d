// The README's sample for React as it stands there, in a page. Only the gateway's address is put in.
import { readFile } from "node:fs/promises";
import { samplesOf } from "../../docs/tools/pages.mjs";
import { test } from "../e2e/fixture.mjs";
import { bundle } from "../support/bundle.mjs";
import { createReactWorld } from "./world.mjs";

test("the README's sample shows a note at once, and that it waits where no gateway can be reached", async (t) => {
  let code;
  const route = (_, response) =>
    response.writeHead(200, { "content-type": "text/javascript" }).end(code);
  const world = await createReactWorld(t, {
    gatewayIsUp: false,
    routes: { "/sample.js": route },
  });
  const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const sample = samplesOf(readme).find((each) => each.code.includes("uplink-cache/react"));
  const own = sample.code
    .replace("https://rpc.example.org", world.gateway.url)
    .replace("chainId: 1 ", "chainId: 31337 ");
  // The same React renders it.
  const renderer =
    'export { createElement } from "react"; export { createRoot } from "react-dom/client";';
  code = await bundle(`${own}\n${renderer}`, { loader: "tsx" });
  const page = await world.open();
  const { raw } = await world.wallet.sign({ text: "hi" });
  await page.evaluate(async (payload) => {
    globalThis.payload = payload;
    const { App, createElement, createRoot } = await import("/sample.js");
    const container = document.body.appendChild(document.createElement("main"));
    createRoot(container).render(createElement(App));
    const isShown = (text) => faces.shown(() => container.textContent.includes(text));
    await isShown("Nobody wrote this yet. 0 answers");
    container.querySelector("button").click();
    await isShown("hi 0 answers");
    await isShown("Saved. It is sent once a gateway can be reached.");
  }, raw);
});
