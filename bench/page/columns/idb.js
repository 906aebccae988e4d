import { openDB } from "idb";

const STORE = "tasks";

export async function open({ name, durability, gatewayUrl, post }) {
  const database = await openDB(name, 1, {
    upgrade(fresh) {
      fresh.createObjectStore(STORE, { keyPath: "key" }).createIndex("status", "status");
    },
  });
  // The shortcut `database.put` cannot choose a durability.
  async function put(record) {
    const transaction = database.transaction(STORE, "readwrite", { durability });
    await Promise.all([transaction.store.put(record), transaction.done]);
  }
  return {
    put,
    async fill(records) {
      const transaction = database.transaction(STORE, "readwrite", { durability });
      await Promise.all([
        ...records.map((record) => transaction.store.put(record)),
        transaction.done,
      ]);
    },
    read: (key) => database.get(STORE, key),
    page: (prefix, limit) =>
      database.getAll(STORE, IDBKeyRange.bound(prefix, `${prefix}\uffff`), limit),
    async changeStatus(keys) {
      const transaction = database.transaction(STORE, "readwrite", { durability });
      const change = async (key) => {
        const record = await transaction.store.get(key);
        await transaction.store.put({ ...record, status: "failed" });
      };
      await Promise.all([...keys.map(change), transaction.done]);
    },
    countChanged: () => database.countFromIndex(STORE, "status", "failed"),
    count: () => database.count(STORE),
    async send(record) {
      await put(record);
      await post(gatewayUrl, record);
      await put({ ...record, status: "sent" });
    },
    close: async () => database.close(),
  };
}
