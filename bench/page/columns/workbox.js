// Workbox's queue as a page can use it: the store of requests that its background sync replays.

import { QueueStore, StorableRequest } from "workbox-background-sync";

export async function open({ name, gatewayUrl, bodyOf }) {
  const store = new QueueStore(name);
  async function put(record) {
    const request = new Request(gatewayUrl, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: bodyOf(record),
    });
    const requestData = (await StorableRequest.fromRequest(request)).toObject();
    await store.pushEntry({ requestData, timestamp: Date.now(), metadata: { key: record.key } });
  }
  return {
    put,
    fill: (records) => Promise.all(records.map(put)),
    // It knows no keys: all there is is to read them all.
    read: async (key) => (await store.getAll()).find(({ metadata }) => metadata.key === key),
    count: () => store.size(),
    async send(record) {
      await put(record);
      const { requestData } = await store.shiftEntry();
      const answer = await fetch(new StorableRequest(requestData).toRequest());
      await answer.json();
    },
    close: async () => undefined,
  };
}
