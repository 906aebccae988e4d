// The page of one sample: it loads a column, and runs what the benchmark asks for.

import * as measures from "./measures.js";
import * as own from "./own.js";

const all = { ...measures, ...own };

/** Runs a measure on a column, and gives its figures. */
globalThis.sample = async ({ column, measure, options }) => {
  if (!globalThis.crossOriginIsolated) throw new Error("the clock of this page is coarse");
  // Loaded before anything is timed.
  const loaded = await import(`/columns/${column}.js`);
  return all[measure](loaded, options);
};

/** From the import of a column's code to its first read of what a page before put there, in ms. */
globalThis.importAndRead = async ({ column, options }) => {
  const start = performance.now();
  const loaded = await import(`/columns/${column}.js`);
  await measures.reopen(loaded, options);
  return { firstRead: performance.now() - start };
};
