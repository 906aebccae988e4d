// Simulates many clients of one gateway through an outage: `npm run simulate:fleet`. Prints the table; with the usual
// number of clients it also writes docs/fleet.md and docs/fleet.svg. `CLIENTS=n` has fewer, and leaves docs/ alone.
// `npm run simulate:fleet -- draw` writes docs/ from what the last run measured, whatever its number of clients.
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { drawChart } from "./fleet-chart.mjs";
import { main, root, run } from "./lib.mjs";
import { setup } from "./setup.mjs";
import { countRust } from "./test.mjs";

const USUAL_CLIENTS = 100_000;

const SCENARIOS = [
  { name: "refused", title: "connections refused; overload: 429" },
  { name: "silent", title: "no answer; overload: no answer" },
  { name: "unavailable", title: "503; overload: 503" },
  { name: "retry-after", title: "429 with Retry-After; overload: the same" },
];

await main(import.meta, async ([what]) => {
  const folder = resolve(root, "target/fleet");
  if (what === "draw") return write(await readRuns(folder), resolve(root, "docs"));
  await setup(["rust"]);
  const clients = Number(process.env.CLIENTS ?? USUAL_CLIENTS);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const { passed, failed } = countRust(await simulate(clients, folder));
  const runs = await readRuns(folder);
  await write(runs, clients === USUAL_CLIENTS ? resolve(root, "docs") : folder);
  console.log(`\n${plainTable(runs)}\n`);
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
});

async function readRuns(folder) {
  const runs = [];
  for (const scenario of SCENARIOS) {
    const text = await readFile(join(folder, `${scenario.name}.json`), "utf8");
    runs.push({ ...scenario, ...JSON.parse(text) });
  }
  return runs;
}

async function write(runs, folder) {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "fleet.svg"), drawChart(runs));
  await writeFile(join(folder, "fleet.md"), describe(runs));
}

/** The output of the tests, also where some of them failed: then the table tells how far off they are. */
function simulate(clients, folder) {
  const args = [
    "test",
    "--locked",
    "--profile=simulation",
    "--test",
    "fleet",
    "--",
    "--test-threads=2",
  ];
  const env = { CLIENTS: String(clients), OUT: folder };
  return run("cargo", args, { env }).catch((error) => {
    if (countRust(error.output ?? "").failed === 0) throw error;
    return error.output;
  });
}

/** Rows of cells: what is measured, of each run, and the ideal. */
function cells(runs) {
  const [first] = runs;
  const times = (value) => `${value.toFixed(2)} ×`;
  const row = (what, value, ideal) => [what, ...runs.map(value), ideal];
  return [
    ["", ...runs.map((run) => run.name), "ideal"],
    row("load before the outage, mean", (run) => times(run.before), "–"),
    row("load before the outage, busiest second", (run) => times(run.beforePeak), "–"),
    row(
      "requests for a settled task, before",
      (run) => run.beforeRequests.toFixed(1),
      first.idealRequests.toFixed(0),
    ),
    row("load in the outage's second half, mean", (run) => times(run.outage), times(0)),
    row("tasks that wait when it is over", (run) => group(run.waiting), "–"),
    row("load after it, busiest second", (run) => times(run.peak1), times(1)),
    row("load after it, busiest ten seconds", (run) => times(run.peak10), times(1)),
    row(
      "seconds until all of them have settled",
      (run) => run.settledSeconds?.toFixed(0) ?? "never",
      first.idealSeconds.toFixed(0),
    ),
    row(
      "requests that arrived for a settled task, after",
      (run) => run.offered.toFixed(1),
      first.idealRequests.toFixed(0),
    ),
    row("of them served", (run) => run.served.toFixed(1), first.idealRequests.toFixed(0)),
  ];
}

function group(number) {
  return number.toLocaleString("en-US");
}

function plainTable(runs) {
  const rows = cells(runs);
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const pad = (cell, column) =>
    column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]);
  return rows.map((row) => row.map(pad).join("  ")).join("\n");
}

function markdownTable(runs) {
  const [head, ...rows] = cells(runs).map((row) => `| ${row.join(" | ")} |`);
  const rule = `| --- |${" ---: |".repeat(runs.length + 1)}`;
  return [head, rule, ...rows].join("\n");
}

function describe(runs) {
  const [first] = runs;
  const minutes = (seconds) => `${seconds / 60}`;
  return `# A fleet before one gateway

Written by \`npm run simulate:fleet\`: the core itself, as a browser drives it, ${group(first.clients)} times at once, in virtual
time. The same seed gives the same numbers on every machine.

![Load on the gateway, relative to its capacity, over time](fleet.svg)

${markdownTable(runs)}

Loads are relative to the gateway's capacity, requests that it turned away included.

## What happens

- The gateway serves ${group(first.capacity)} requests a second, each element of a batch counted, and lets requests wait for one second. Whom it has
  no room for it turns away as the column says. A way over the net takes 15 to 60 ms. A block comes every ${first.blockSeconds} s and takes all
  that waits; what is ${first.finalDepth} blocks below the head is final.
- Each client has an account, a log and a seed of its own, and the defaults of \`openCache\`: 250 ms between looks at the least, 15 s
  for an answer, finality by the tag \`finalized\`. Its user writes once in ${minutes(first.writesEverySeconds)} minutes on the average, before, in and after the outage.
- After ${minutes(first.calmSeconds)} minutes the gateway goes out for ${minutes(first.backSeconds - first.calmSeconds)} minutes. In that very second every user writes once more, so that all clients
  meet the outage at the same moment: the worst case for whatever waits by a clock. That crowd is the spike at the outage's begin.
- \`refused\`: connections are refused at once. \`silent\`: no answer comes. \`unavailable\`: 503. \`retry-after\`: 429, whose
  \`Retry-After\` names the same moment to everybody, the end of the outage; when it is overloaded, one second.
- A block names to each client its own transactions only. The core reads over those of others, which changes no request.

## What is ideal

- Requests: ${first.idealRequests} for a task: which chain it is, whether it is syncing, the send, the look that shows its block, its receipt, the final
  block, and the head above it. Who knew when its block comes and becomes final would need no more.
- Time: ${first.idealRequests} requests for each task that waits, at the capacity that new tasks leave (they cost ${first.idealRequests} each too), and
  ${1 + first.finalDepth} blocks until the last one is final. The ideal that is shown is that of the first column.
- Load: just the capacity, and none while the gateway is out.

## What keeps the herd away

Waits after faults double up to a minute, each drawn between half and the whole of its bound, so that clients that failed
together come back over half a minute. A probe that succeeds releases its own client alone. On top of a \`Retry-After\` up to a quarter of it is
waited. One answer does not make a client forget: it halves the next wait after a fault. And while a gateway is short of room
(it turned away, or had to rest), looks at the head are 1 to 15 s apart, and closer with each answer. What is left above the ideal are looks: a
client does not know the time between blocks before it has seen a few, and looks until it does.

Nobody looks at the head who waits for nothing: idle clients load the gateway with nothing. A gateway must be able to carry
its ordinary load with room to spare. Where it cannot, it stays overloaded after an outage: this table says nothing of that.

The bounds are checked at every \`npm test\` with 2,000 clients, and a run whose clients all draw the same jitter must break them.
`;
}
