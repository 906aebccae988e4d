import Dexie from "dexie";

export async function open({ name, durability, gatewayUrl, post }) {
  const database = new Dexie(name, { chromeTransactionDurability: durability });
  database.version(1).stores({ tasks: "key, status" });
  await database.open();
  const { tasks } = database;
  return {
    put: (record) => tasks.put(record),
    fill: (records) => tasks.bulkPut(records),
    read: (key) => tasks.get(key),
    page: (prefix, limit) => tasks.where("key").startsWith(prefix).limit(limit).toArray(),
    changeStatus: (keys) =>
      tasks.bulkUpdate(keys.map((key) => ({ key, changes: { status: "failed" } }))),
    countChanged: () => tasks.where("status").equals("failed").count(),
    count: () => tasks.count(),
    async send(record) {
      await tasks.put(record);
      await post(gatewayUrl, record);
      await tasks.update(record.key, { status: "sent" });
    },
    close: async () => database.close(),
  };
}
