import localforage from "localforage";

export async function open({ name, gatewayUrl, post }) {
  const store = localforage.createInstance({ name, driver: localforage.INDEXEDDB });
  await store.ready();
  const put = (record) => store.setItem(record.key, record);
  const change = async (key, status) => put({ ...(await store.getItem(key)), status });
  return {
    put,
    // It has no bulk path.
    fill: (records) => Promise.all(records.map(put)),
    read: (key) => store.getItem(key),
    // It has no ranges: the keys are listed, and the page's items read.
    async page(prefix, limit) {
      const keys = (await store.keys()).filter((key) => key.startsWith(prefix)).slice(0, limit);
      return Promise.all(keys.map((key) => store.getItem(key)));
    },
    changeStatus: (keys) => Promise.all(keys.map((key) => change(key, "failed"))),
    async countChanged() {
      let changed = 0;
      await store.iterate(({ status }) => {
        if (status === "failed") changed += 1;
      });
      return changed;
    },
    count: () => store.length(),
    async send(record) {
      await put(record);
      await post(gatewayUrl, record);
      await change(record.key, "sent");
    },
    close: async () => undefined,
  };
}
