// The page's side of worker.js: `hire` starts or joins a worker, `workers` are those that were hired, by their kind.

const SCRIPT = "/tabs/worker.js";

globalThis.workers = {};

globalThis.hire = (kind) => {
  const waiting = new Map();
  const worker =
    kind === "shared"
      ? new SharedWorker(SCRIPT, { type: "module" })
      : new Worker(SCRIPT, { type: "module" });
  const port = worker.port ?? worker;
  port.onmessage = ({ data: { id, value, error } }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(value);
    else reject(new Error(error));
  };
  const failed = new Promise((_, reject) => {
    worker.onerror = ({ message }) => reject(new Error(`the ${kind} worker failed: ${message}`));
  });
  failed.catch(() => undefined);
  workers[kind] = {
    /** Runs a function, given by its source, in the worker. */
    evaluate(source, argument) {
      const answer = new Promise((resolve, reject) => {
        const id = crypto.randomUUID();
        waiting.set(id, { resolve, reject });
        port.postMessage({ id, source, argument });
      });
      return Promise.race([answer, failed]);
    },
    terminate: () => worker.terminate(),
  };
};
