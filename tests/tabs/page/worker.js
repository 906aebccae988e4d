// A dedicated or shared worker with the package as the page has it: it runs the functions that its page sends it.

import "/page.js";

function serve(port) {
  port.onmessage = async ({ data: { id, source, argument } }) => {
    try {
      // biome-ignore lint/security/noGlobalEval: as page.evaluate does it in a page
      const run = globalThis.eval(`(${source})`);
      port.postMessage({ id, value: await run(argument) });
    } catch (error) {
      port.postMessage({ id, error: String(error) });
    }
  };
}

if ("onconnect" in globalThis) addEventListener("connect", ({ ports }) => serve(ports[0]));
else serve(globalThis);
