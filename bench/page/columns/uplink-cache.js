// This package, by its public API alone.

import { evm, openCache, openEarly as openEarlyCache } from "uplink-cache";

const optionsOf = ({ name, durability, gatewayUrl, account, chainId, gateway, cache: more }) => ({
  name,
  account,
  durability,
  gateway: evm({ urls: [gatewayUrl], chainId, ...gateway }),
  ...more,
});

export const open = async (options) => storeOf(await openCache(optionsOf(options)));

export function openEarly(options) {
  const early = openEarlyCache(optionsOf(options));
  return { store: early.cache.then(storeOf), read: (key) => early.read(key) };
}

function storeOf(cache) {
  let ids = [];
  const put = ({ key, value, payload, lane, thread }) =>
    cache.submit({ payload, key, value, lane, ...(thread && { tags: { thread } }) });
  return {
    cache,
    put,
    async fill(records) {
      const tasks = await Promise.all(records.map(put));
      ids = ids.concat(tasks.map(({ id }) => id));
    },
    read: (key) => cache.read(key),
    peek: (key) => cache.peek(key),
    page: async (prefix, limit) => (await cache.list({ prefix, limit })).items,
    pageOfThread: async (thread, limit) =>
      (await cache.list({ tag: ["thread", thread], order: "newest", limit })).items,
    /** No gateway has seen them: each is ended by the app's own word, which is a record in the log like any other. */
    async changeStatus() {
      await Promise.all(ids.map((id) => cache.cancel(id)));
    },
    countChanged: async () => cache.stats().tasks.failed,
    count: async () => cache.tasks().length,
    async send(record) {
      const task = await put(record);
      await task.until("sent");
    },
    close: () => cache.close(),
  };
}
