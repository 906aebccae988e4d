// What a page or a worker of this engine has: tried where it can be tried, not only looked for by name.

const PATIENCE_MS = 3000;

/** Answers by feature: true, false, or a word about what came instead. */
export async function features() {
  const answers = {};
  for (const [name, look] of Object.entries(looks)) answers[name] = await inTime(look);
  return answers;
}

const looks = {
  "secure context": () => isSecureContext,
  "module script": () => true, // this one
  "dynamic import": () => import("./nothing.js").then(() => true),
  IndexedDB: () => withDatabase(() => true),
  "IndexedDB durability": () =>
    withDatabase(
      (database) =>
        database.transaction("store", "readwrite", { durability: "strict" }).durability ===
        "strict",
    ),
  "Web Locks": () => navigator.locks?.request("probe", () => true) ?? false,
  BroadcastChannel: hearsBroadcast,
  "storage.persist()": async () => {
    if (navigator.storage?.persist === undefined) return false;
    return (await navigator.storage.persist()) ? "granted" : "refused";
  },
  "storage.estimate()": async () => (await navigator.storage?.estimate?.())?.quota > 0,
  Worker: () => typeof Worker === "function",
  SharedWorker: () => typeof SharedWorker === "function",
  "service worker": () => navigator.serviceWorker !== undefined,
  "Background Sync": () => typeof SyncManager === "function",
  "freeze event": () => "onfreeze" in (globalThis.document ?? {}),
};

async function inTime(look) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(() => resolve("no answer"), PATIENCE_MS);
  });
  const answer = Promise.resolve()
    .then(look)
    .catch((error) => error.name);
  const first = await Promise.race([answer, late]);
  clearTimeout(timer);
  return first;
}

async function withDatabase(work) {
  const request = indexedDB.open("features");
  request.onupgradeneeded = () => request.result.createObjectStore("store");
  const database = await new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  try {
    return work(database);
  } finally {
    database.close();
  }
}

function hearsBroadcast() {
  if (typeof BroadcastChannel !== "function") return false;
  const [from, to] = [new BroadcastChannel("features"), new BroadcastChannel("features")];
  return new Promise((resolve) => {
    to.onmessage = () => {
      from.close();
      to.close();
      resolve(true);
    };
    from.postMessage("hello");
  });
}
