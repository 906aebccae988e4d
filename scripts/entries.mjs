// What of js/ becomes a file of its own in dist/, and what each loads along.

/** The core's wrapper, and beside it what it loads only when it is needed. */
export const CORE = ["index", "recover"];
/** A service worker must not load a part later: it gets all in one file. */
export const WORKER = "service-worker";
/**
 * What a page loads beside the core, and only if it imports it: nothing of the core is in it, as the app hands the cache
 * over. Entries of one group are bundled together, and what they share is one more file; `external` stays an import.
 */
export const GROUPS = [
  { entries: ["provider", "viem"], shared: "intercept", external: ["viem"] },
  { entries: ["inspector"], external: [] },
  { entries: ["react"], external: ["react"] },
  { entries: ["query"], external: [] },
  { entries: ["svelte"], external: [] },
  { entries: ["vue"], external: ["vue"] },
];

const filesOf = ({ entries, shared }) =>
  [...entries, shared].filter((name) => name !== undefined).map((name) => `${name}.js`);

/** Each entry beside the core, with the files that it is. */
export const BESIDE = Object.fromEntries(
  GROUPS.flatMap((group) =>
    group.entries.map((name) => [name, filesOf({ ...group, entries: [name] })]),
  ),
);
/** Every script in dist/. */
export const SCRIPTS = [...CORE, WORKER]
  .map((name) => `${name}.js`)
  .concat(GROUPS.flatMap(filesOf));
