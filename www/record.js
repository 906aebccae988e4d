// A record in IndexedDB. What localStorage holds is lost when the browser crashes within seconds; this is not.

const DATABASE = "guestbook";
const STORE = "records";

/** Opens the record of this name, which `make()` gives at the first time. */
export async function openRecord(name, make) {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  const database = await settled(opening, "success");

  /** Lets `change(record)` change the record in place. Resolves with the record once that is durable. */
  async function update(change) {
    const transaction = database.transaction(STORE, "readwrite", { durability: "strict" });
    const complete = settled(transaction, "complete");
    const store = transaction.objectStore(STORE);
    const record = (await settled(store.get(name), "success")) ?? make();
    change(record);
    store.put(record, name);
    await complete;
    return record;
  }

  return { update, read: () => update(() => {}) };
}

/** Resolves with a request's result at its event, and rejects with its error. */
function settled(request, event) {
  return new Promise((resolve, reject) => {
    request.addEventListener(event, () => resolve(request.result));
    for (const failure of ["error", "abort"]) {
      request.addEventListener(failure, () => reject(request.error));
    }
  });
}
