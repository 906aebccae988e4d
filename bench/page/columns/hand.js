// What a dapp can write by hand: one object store, keyed by what reads ask for, with one index on the status.

const STORE = "tasks";

/** Opens the database; `put` is the caller's to add. */
export async function openByHand({ name, durability, threads = false }) {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => {
    const store = request.result.createObjectStore(STORE, { keyPath: "key" });
    store.createIndex("status", "status");
    if (threads) store.createIndex("thread", "thread");
  };
  const database = await result(request);
  const read = (work) => result(work(database.transaction(STORE).objectStore(STORE)));

  /** Runs `work` on the store in one commit, and resolves once that is complete. */
  function commit(work) {
    return new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, "readwrite", { durability });
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
      work(transaction.objectStore(STORE));
      // Where requests are still to come from others' callbacks, the transaction ends by itself.
    });
  }

  function putAll(records) {
    return new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, "readwrite", { durability });
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
      const store = transaction.objectStore(STORE);
      for (const record of records) store.put(record);
      transaction.commit();
    });
  }

  return {
    commit,
    putAll,
    fill: putAll,
    read: (key) => read((store) => store.get(key)),
    page: (prefix, limit) =>
      read((store) => store.getAll(IDBKeyRange.bound(prefix, `${prefix}\uffff`), limit)),
    /** The newest of the thread, as keys are in the order of their records. */
    pageOfThread: async (thread, limit) => {
      const query = { query: IDBKeyRange.only(thread), count: limit, direction: "prev" };
      const found = await read((store) => store.index("thread").getAllRecords(query));
      return found.map(({ value }) => value);
    },
    count: () => read((store) => store.count()),
    countChanged: () => read((store) => store.index("status").count("failed")),
    close: async () => database.close(),
  };
}

/** Reads the record, changes it and writes it back. */
export function changeIn(store, key) {
  const request = store.get(key);
  request.onsuccess = () => store.put({ ...request.result, status: "failed" });
}

/** Backs up, sends, and notes that it was sent. */
export async function sendByHand(store, record, { gatewayUrl, post }) {
  await store.put(record);
  await post(gatewayUrl, record);
  await store.put({ ...record, status: "sent" });
}

function result(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
