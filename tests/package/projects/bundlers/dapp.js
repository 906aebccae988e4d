// A dapp of few lines, in a page or a worker: it submits, reads that at once, and tells each thing as it comes.

/** `uplink` is whichever entry of the package the context uses; `setup` has the gateway's address, a payload and more options. */
export async function live({ evm, openCache }, { gateway, payload, ...options }, tell) {
  try {
    const cache = await openCache({
      name: "dapp",
      gateway: evm({ urls: [gateway], chainId: 31337, pollMs: 50 }),
      ...options,
    });
    const task = await cache.submit({ payload, key: "entry/1", value: { text: "hi" } });
    tell("submitted", await cache.read("entry/1"));
    await task.until("included");
    tell("included", cache.peek("entry/1"));
    tell("settled", await task.settled);
    return cache;
  } catch ({ code, message, retryable }) {
    tell("error", { code, message, retryable });
  }
}
