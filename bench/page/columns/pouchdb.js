import PouchDB from "pouchdb-browser";
import { base64 } from "../records.js";

// A document is JSON: the payload goes in as base64, which costs less than an attachment of its own.
const documentOf = ({ payload, ...record }) => ({
  ...record,
  _id: record.key,
  payload: base64(payload),
});

export async function open({ name, gatewayUrl, post }) {
  const database = new PouchDB(name, { adapter: "idb", auto_compaction: true });
  await database.info();
  const put = (record) => database.put(documentOf(record));
  const all = async (keys) =>
    (await database.allDocs({ keys, include_docs: true })).rows.map(({ doc }) => doc);
  return {
    put,
    fill: (records) => database.bulkDocs(records.map(documentOf)),
    read: (key) => database.get(key),
    async page(prefix, limit) {
      const range = { startkey: prefix, endkey: `${prefix}\uffff`, limit, include_docs: true };
      return (await database.allDocs(range)).rows.map(({ doc }) => doc);
    },
    async changeStatus(keys) {
      const changed = (await all(keys)).map((document) => ({ ...document, status: "failed" }));
      await database.bulkDocs(changed);
    },
    async countChanged() {
      const { rows } = await database.allDocs({ include_docs: true });
      return rows.filter(({ doc }) => doc.status === "failed").length;
    },
    count: async () => (await database.info()).doc_count,
    async send(record) {
      const { rev } = await put(record);
      await post(gatewayUrl, record);
      await database.put({ ...documentOf(record), _rev: rev, status: "sent" });
    },
    close: () => database.close(),
  };
}
