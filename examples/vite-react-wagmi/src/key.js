const STORE = "keys";

/** The private key of this browser, made at the first visit. IndexedDB keeps it as durably as the cache keeps the tasks. */
export async function keyOfThisBrowser(create) {
  const opening = indexedDB.open("key-of-this-browser");
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  const database = await done(opening);
  const store = database
    .transaction(STORE, "readwrite", { durability: "strict" })
    .objectStore(STORE);
  const key = (await done(store.get("burner"))) ?? create();
  store.put(key, "burner");
  await new Promise((resolve, reject) => {
    store.transaction.oncomplete = resolve;
    store.transaction.onabort = () => reject(store.transaction.error);
  });
  database.close();
  return key;
}

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
