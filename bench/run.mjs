// Measures the package beside what a dapp could store its tasks with: `npm run bench`, or in a few minutes `npm run bench -- --quick`.
// Writes results/ and the tables of docs/performance.md.

import { setTimeout as delay } from "node:timers/promises";
import { build } from "../scripts/build.mjs";
import { main, say } from "../scripts/lib.mjs";
import { setup } from "../scripts/setup.mjs";
import { COLUMNS, HAND, OPENINGS, OWN, UNLIMITED, WORKLOADS } from "./workloads.mjs";

const FLAGS = ["--quick", "--only", "--settled"];
const SETTLING = { blockMs: 250, gateway: UNLIMITED };
const FOLLOWED_BLOCKS = 20;
const BLOCK_MS = 400;

await main(import.meta, async (args) => {
  const mode = args.includes("--quick") ? "quick" : "full";
  const given = (name) => args.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1);
  const only = given("--only");
  const settledCount = Number(given("--settled") ?? OPENINGS.settled[mode]);
  const unknown = args.filter((arg) => !FLAGS.includes(arg.split("=")[0]));
  if (unknown.length > 0) throw new Error(`no such option: ${unknown.join(", ")}`);
  await setup(["npm", "chromium", "bench"]);
  await build();
  const { createStand } = await import("./stand.mjs");
  const { checkSigning } = await import("./payloads.mjs");
  const { report } = await import("./report.mjs");
  await checkSigning();

  const samples = createSamples();
  const stand = await createStand({ columns: Object.keys(COLUMNS) });
  try {
    const isWanted = (name) => only === undefined || name.startsWith(only);
    const isIn = ({ figures }) => Object.values(figures).some(({ name }) => isWanted(name));
    for (const workload of WORKLOADS.filter(isIn)) {
      await runWorkload(stand, samples, workload, mode);
    }
    const more = { settled, following, cleaning, opening };
    for (const [name, work] of Object.entries(more)) {
      if (isWanted(name)) await work(stand, samples, mode, settledCount);
    }
    await report(samples.all(), {
      mode,
      browserVersion: stand.version(),
      isWhole: only === undefined,
    });
  } finally {
    await stand.close();
  }
  if (samples.failures() > 0) process.exitCode = 1;
});

/** The figures of all samples. One that fails is told, and has none. */
function createSamples() {
  const figures = new Map();
  let failures = 0;
  let isStopped = false;
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.once(signal, () => {
      isStopped = true;
    });
  }
  return {
    add(workload, column, unit, value, handOf = workload) {
      const name = `${workload}\n${column}`;
      if (!figures.has(name)) figures.set(name, { workload, column, unit, handOf, values: [] });
      figures.get(name).values.push(value);
    },
    async try(what, work) {
      try {
        return await work();
      } catch (error) {
        // The browser ends too: what is left would fail, and make a report of nothing.
        if (isStopped) throw error;
        failures += 1;
        console.error(`${what}: ${error.message}`);
        return undefined;
      }
    },
    all: () => [...figures.values()],
    failures: () => failures,
  };
}

/** Rounds of all columns, in another order each time. */
async function runWorkload(stand, samples, workload, mode) {
  const { figures, measure, options, chain, slow = [] } = workload;
  const names = Object.values(figures).map(({ name }) => name);
  for (let round = 0; round < workload.rounds[mode]; round++) {
    const isIn = (column) => !slow.includes(column) || round < workload.slowRounds[mode];
    for (const column of shuffled(workload.columns[mode].filter(isIn))) {
      const call = { column, measure, options, chain };
      const found = await samples.try(`${names[0]}, ${column}`, () => stand.sample(call));
      for (const [figure, { name, unit, handOf }] of Object.entries(figures)) {
        if (found?.[figure] !== undefined) samples.add(name, column, unit, found[figure], handOf);
      }
    }
  }
  for (const name of names) tell(samples, name);
}

/** Values that the chain settled, read by key. */
async function settled(stand, samples, mode) {
  const filled = 10_000;
  const origin = "settled-values";
  await settleIn(stand, samples, origin, filled);
  const names = { cold: "read of a settled value, cold", warm: "read of a settled value, warm" };
  for (let round = 0; round < (mode === "full" ? 5 : 3); round++) {
    const call = { column: OWN, measure: "readSettled", origin, keep: true };
    // Fewer than the package keeps in memory.
    const options = { count: 500, filled };
    const figures = await samples.try("settled", () => stand.sample({ ...call, options }));
    if (!figures) continue;
    const handOf = "read of an unsettled task, awaited";
    for (const [figure, name] of Object.entries(names)) {
      samples.add(name, OWN, "ms", figures[figure], handOf);
    }
  }
  for (const name of Object.values(names)) tell(samples, name);
}

function settleIn(stand, samples, origin, filled) {
  const { blockMs, gateway } = SETTLING;
  // Payloads of many are small: what is settled has none any more.
  const options = { filled, gateway, cache: { cacheBytes: 2 ** 31 }, calldataBytes: 64, lanes: 8 };
  const call = { column: OWN, measure: "settle", chain: { blockMs }, options };
  return samples.try(`settling ${filled}`, () => stand.sample({ ...call, origin, keep: true }));
}

/** 10,000 tasks that wait for a block: what blocks without them cost, then the block that has them all. */
async function following(stand, samples, mode) {
  const count = 10_000;
  const names = {
    block: "following 10,000 waiting tasks, CPU of a block",
    included: "10,000 tasks included by one block",
  };
  for (let round = 0; round < (mode === "full" ? 3 : 1); round++) {
    await samples.try("following", () =>
      stand.withChain(async ({ chain, page, call }) => {
        const options = { count, gateway: SETTLING.gateway };
        await call({ column: OWN, measure: "send10k", options });
        const cpuMs = await startCpuClock(page);
        for (let i = 0; i < FOLLOWED_BLOCKS; i++) {
          chain.mine({ isEmpty: true });
          await delay(BLOCK_MS);
        }
        samples.add(names.block, OWN, "ms", (await cpuMs()) / FOLLOWED_BLOCKS);
        const { each } = await call({ column: OWN, measure: "include", options });
        samples.add(names.included, OWN, "ms", each);
      }),
    );
  }
  for (const name of Object.values(names)) tell(samples, name);
}

/** Gives what the page's main thread has worked since. */
async function startCpuClock(page) {
  const devTools = await page.context().newCDPSession(page);
  await devTools.send("Performance.enable", { timeDomain: "threadTicks" });
  const total = async () => {
    const { metrics } = await devTools.send("Performance.getMetrics");
    return 1000 * metrics.find(({ name }) => name === "TaskDuration").value;
  };
  const before = await total();
  return async () => (await total()) - before;
}

/** Submits while the log is cleaned: at a pace, and as fast as they are acknowledged. */
async function cleaning(stand, samples, mode) {
  const names = {
    median: ["submit while tasks settle, median", "ms"],
    p99: ["submit while tasks settle, 99th percentile", "ms"],
    longest: ["submit while tasks settle, longest that no cleaning held up", "ms"],
    heldUpMedian: ["submit held up by a cleaning, median", "ms"],
    heldUp: ["submit held up by a cleaning, longest", "ms"],
    cleanings: ["cleanings of the log, at a pace", ""],
    over: ["log beyond twice what is live, at a pace, most", "KiB"],
  };
  const hasty = { over: ["log beyond twice what is live, without a pause, most", "KiB"] };
  for (let round = 0; round < (mode === "full" ? 3 : 1); round++) {
    for (const [pauseMs, count, figureNames] of [
      [10, 1_500, names],
      [0, 3_000, hasty],
    ]) {
      const { blockMs, gateway } = SETTLING;
      const options = { count, pauseMs, gateway };
      const call = { column: OWN, measure: "clean", chain: { blockMs }, options };
      const figures = await samples.try("cleaning", () => stand.sample(call));
      if (!figures) continue;
      for (const [figure, [name, unit]] of Object.entries(figureNames)) {
        if (Number.isFinite(figures[figure])) samples.add(name, OWN, unit, figures[figure]);
      }
    }
  }
  for (const [name] of [...Object.values(names), ...Object.values(hasty)]) tell(samples, name);
}

/** Databases made once, and opened in a browser that was just started. */
async function opening(stand, samples, mode, settledCount) {
  const fixtures = openings(mode, settledCount);
  for (const { origin, column, filled, isSettled } of fixtures) {
    say(`bench: making ${origin}`);
    if (isSettled && filled > 0) await settleIn(stand, samples, origin, filled);
    else {
      const call = { column, measure: "prepare", options: { filled }, origin, keep: true };
      await samples.try(`making ${origin}`, () => stand.sample(call));
    }
  }
  await stand.restart();
  for (const { origin, column, filled, isSettled } of fixtures) {
    if (filled !== 10_000 || isSettled) continue;
    samples.add("disk bytes per task", column, "bytes", stand.diskBytes(origin) / filled);
  }
  for (let round = 0; round < OPENINGS.rounds[mode]; round++) {
    if (round > 0) await stand.restart();
    for (const fixture of shuffled(fixtures)) await openOnce(stand, samples, fixture);
  }
  for (let round = 0; round < OPENINGS.rounds[mode]; round++) {
    // What the browser has open is open at once.
    await stand.restart();
    for (const fixture of fixtures) if (fixture.isSettled) await openBare(stand, samples, fixture);
  }
  await memory(stand, samples, fixtures);
  for (const name of new Set(samples.all().map(({ workload }) => workload))) {
    if (/^(open|import|disk|memory)/.test(name)) tell(samples, name);
  }
}

function openings(mode, settledCount) {
  const unsettled = Object.entries(OPENINGS.columns[mode]).flatMap(([filled, columns]) =>
    columns.map((column) => ({
      origin: `open-${filled}-${column}`,
      column,
      filled: Number(filled),
    })),
  );
  const empty = { origin: "open-0", column: OWN, filled: 0, isSettled: true };
  return [...unsettled, empty, { ...empty, origin: "open-settled", filled: settledCount }];
}

async function openOnce(stand, samples, { origin, column, filled, isSettled }) {
  const measure = isSettled ? "reopenSettled" : "reopen";
  const cache = isSettled ? { cache: { cacheBytes: 2 ** 31 } } : {};
  const isImport = filled === 1;
  const call = { column, measure, origin, keep: true, options: { filled, ...cache } };
  const figures = await samples.try(`opening ${origin}`, () =>
    stand.sample({ ...call, ...(isImport && { call: "importAndRead" }) }),
  );
  if (!figures) return;
  if (isImport) return samples.add("import to first read", column, "ms", figures.firstRead);
  const what = contentOf({ filled, isSettled });
  samples.add(`open with ${what}`, column, "ms", figures.open);
  if (figures.firstRead === undefined) return;
  samples.add(`open with ${what}, to the first read`, column, "ms", figures.firstRead);
}

/** What of an opening is the browser's: the same database, opened without the package. */
async function openBare(stand, samples, { origin, filled, isSettled }) {
  const call = { column: OWN, measure: "openBare", origin, keep: true };
  const figures = await samples.try(`opening ${origin} by hand`, () =>
    stand.sample({ ...call, options: { filled } }),
  );
  if (figures)
    samples.add(`open with ${contentOf({ filled, isSettled })}`, HAND, "ms", figures.open);
}

function contentOf({ filled, isSettled }) {
  return `${filled.toLocaleString("en")} ${isSettled ? "settled values" : "unsettled tasks"}`;
}

/** What 10,000 unsettled tasks take in the process of an open page, beside one task. */
async function memory(stand, samples, fixtures) {
  const many = fixtures.filter(({ filled, isSettled }) => filled === 10_000 && !isSettled);
  for (const { origin, column, filled } of many) {
    await samples.try(`memory, ${column}`, async () => {
      const holding = (from, count) =>
        stand.memoryKib({ origin: from, column, options: { filled: count } });
      const one = await holding(`open-1-${column}`, 1);
      const all = await holding(origin, filled);
      samples.add("memory per task", column, "bytes", ((all - one) * 1024) / filled);
    });
  }
}

function tell(samples, name) {
  const found = samples.all().filter(({ workload }) => workload === name);
  const cells = found.map(({ column, values, unit }) => {
    const sorted = values.toSorted((a, b) => a - b);
    return `${column} ${sorted[Math.floor(sorted.length / 2)].toPrecision(3)} ${unit}`;
  });
  if (cells.length > 0) say(`bench: ${name}: ${cells.join(", ")}`);
}

function shuffled(list) {
  const left = [...list];
  const order = [];
  while (left.length > 0) {
    order.push(...left.splice(Math.floor(Math.random() * left.length), 1));
  }
  return order;
}
