// TanStack's offline transactions: an outbox of mutations over collections in memory. What is in the outbox is durable once its storage
// adapter says so, which the adapter here, its own of IndexedDB, tells us.

import { createCollection } from "@tanstack/db";
import { IndexedDBAdapter, startOfflineExecutor } from "@tanstack/offline-transactions";
import { base64, bytesOf } from "../records.js";

// Its outbox is JSON.
const itemOf = ({ payload, ...record }) => ({ ...record, payload: base64(payload) });
const recordOf = ({ payload, ...item }) => ({ ...item, payload: bytesOf(payload) });

export async function open({ name, gatewayUrl, post, sends = false }) {
  const sync = ({ markReady }) => markReady();
  const collection = createCollection({ id: "tasks", getKey: ({ key }) => key, sync: { sync } });
  collection.startSyncImmediate();
  const stored = new Map();
  const adapter = new IndexedDBAdapter(name, "transactions");
  const storage = {
    get: (key) => adapter.get(key),
    delete: (key) => adapter.delete(key),
    keys: () => adapter.keys(),
    clear: () => adapter.clear(),
    async set(key, value) {
      await adapter.set(key, value);
      stored.get(key)?.();
      stored.delete(key);
    },
  };
  const executor = startOfflineExecutor({
    collections: { tasks: collection },
    storage,
    mutationFns: {
      send: ({ transaction }) =>
        Promise.all(
          transaction.mutations.map(({ modified }) => post(gatewayUrl, recordOf(modified))),
        ),
    },
    onlineDetector: {
      subscribe: () => () => undefined,
      notifyOnline: () => undefined,
      isOnline: () => sends,
      dispose: () => undefined,
    },
  });
  await executor.waitForInit();
  if (!executor.isOfflineEnabled) throw new Error("TanStack's executor does not lead");

  function begin(record) {
    const transaction = executor.createOfflineTransaction({
      mutationFnName: "send",
      autoCommit: false,
    });
    const isStored = new Promise((resolve) => stored.set(`tx:${transaction.id}`, resolve));
    transaction.mutate(() => collection.insert(itemOf(record)));
    const isSent = transaction.commit();
    return { isStored, isSent };
  }

  const put = (record) => begin(record).isStored;
  return {
    put,
    fill: (records) => Promise.all(records.map(put)),
    read: async (key) => collection.get(key),
    peek: (key) => collection.get(key),
    count: async () => (await adapter.keys()).length,
    send: (record) => begin(record).isSent,
    close: async () => executor.dispose(),
  };
}
