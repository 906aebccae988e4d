"use client";

import { useEffect, useState } from "react";
import { evm, openCache } from "uplink-cache";

/** Submits what the address says, reads that at once, and shows each thing as it comes. */
export function Dapp() {
  const [shown, setShown] = useState([]);
  useEffect(() => {
    const show = (what, content) => setShown((before) => [...before, { what, content }]);
    submit(JSON.parse(decodeURIComponent(location.hash.slice(1))), show).catch(
      ({ code, message, retryable }) => show("error", { code, message, retryable }),
    );
  }, []);
  return shown.map(({ what, content }) => (
    <output key={what} data-what={what}>
      {JSON.stringify(content)}
    </output>
  ));
}

async function submit({ gateway, payload }, show) {
  const cache = await openCache({
    name: "dapp",
    gateway: evm({ urls: [gateway], chainId: 31337, pollMs: 50 }),
  });
  const task = await cache.submit({ payload, key: "entry/1", value: { text: "hi" } });
  show("submitted", await cache.read("entry/1"));
  await task.until("included");
  show("included", cache.peek("entry/1"));
  show("settled", await task.settled);
}
