import { createRxDatabase } from "rxdb/plugins/core";
import { getRxStorageDexie } from "rxdb/plugins/storage-dexie";
import { base64 } from "../records.js";

const text = (maxLength) => ({ type: "string", maxLength });
const number = { type: "number" };
const schema = {
  version: 0,
  primaryKey: "key",
  type: "object",
  properties: {
    key: text(64),
    status: text(16),
    payload: { type: "string" },
    value: { type: "object" },
    id: text(64),
    account: text(64),
    lane: text(64),
    nonce: number,
    attempts: number,
    createdAt: number,
    updatedAt: number,
    chainId: number,
    block: number,
    reason: text(32),
  },
  required: ["key", "status"],
  indexes: ["status"],
};
// A document is JSON.
const documentOf = ({ payload, ...record }) => ({ ...record, payload: base64(payload) });

export async function open({ name, durability, gatewayUrl, post }) {
  const storage = getRxStorageDexie({ chromeTransactionDurability: durability });
  const database = await createRxDatabase({ name, storage, multiInstance: true });
  const { tasks } = await database.addCollections({ tasks: { schema } });
  return {
    put: (record) => tasks.insert(documentOf(record)),
    async fill(records) {
      const { error } = await tasks.bulkInsert(records.map(documentOf));
      if (error.length > 0) throw new Error("RxDB did not take all");
    },
    read: (key) => tasks.findOne(key).exec(),
    page(prefix, limit) {
      const selector = { key: { $gte: prefix, $lt: `${prefix}\uffff` } };
      return tasks.find({ selector, sort: [{ key: "asc" }], limit }).exec();
    },
    async changeStatus(keys) {
      const found = [...(await tasks.findByIds(keys).exec()).values()];
      await tasks.bulkUpsert(found.map((each) => ({ ...each.toMutableJSON(), status: "failed" })));
    },
    countChanged: () => tasks.count({ selector: { status: "failed" } }).exec(),
    count: () => tasks.count().exec(),
    async send(record) {
      const document = await tasks.insert(documentOf(record));
      await post(gatewayUrl, record);
      await document.incrementalPatch({ status: "sent" });
    },
    close: () => database.close(),
  };
}
