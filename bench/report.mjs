// Writes what a run found: results/latest.json, charts, and the tables of docs/performance.md. Prints the bars.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { judge } from "./bars.mjs";
import { barChart, shown } from "./charts.mjs";
import { summarise } from "./results.mjs";
import { COLUMNS, OWN } from "./workloads.mjs";

const RESULTS = new URL("results/", import.meta.url);
const DOCS = new URL("../docs/performance.md", import.meta.url);

/** The workloads that have a chart, and its file. */
const CHARTS = {
  "one awaited submit, strict": "awaited-submit",
  "10,000 submits at once": "submits-at-once",
  "read of an unsettled task, awaited": "read",
  "a page of 50 out of 10,000": "page",
  "10,000 status changes": "status-changes",
  "open with 10,000 unsettled tasks, to the first read": "opening",
  "submit to sent": "sent",
};

/** A run of a part of the workloads is only printed. */
export async function report(figures, { mode, browserVersion, isWhole }) {
  const results = summarise(figures);
  const bars = judge(results);
  if (isWhole) {
    await mkdir(RESULTS, { recursive: true });
    await write("latest.json", `${JSON.stringify(results, undefined, 2)}\n`);
    const machine = machineOf(mode, browserVersion);
    await write("machine.json", `${JSON.stringify(machine, undefined, 2)}\n`);
    for (const [workload, file] of Object.entries(CHARTS))
      await writeChart(results, workload, file);
    await writeTables(results, bars, machine);
  }
  console.log(`\n${table(results)}\n`);
  for (const bar of bars) console.log(barLine(bar));
  const met = bars.filter(({ isMet }) => isMet).length;
  console.log(`${met} bars met, ${bars.length - met} missed`);
}

function machineOf(mode, browserVersion) {
  const [{ model }] = cpus();
  return {
    run: mode,
    date: new Date().toISOString().slice(0, 10),
    browser: `Chromium ${browserVersion}, headless, profile on disk`,
    cores: cpus().length,
    processor: model.trim(),
    memoryGib: Math.round(totalmem() / 2 ** 30),
    system: process.platform,
  };
}

function write(file, text) {
  return writeFile(new URL(file, RESULTS), text);
}

async function writeChart(results, workload, file) {
  const found = results.filter((result) => result.workload === workload);
  if (found.length === 0) return;
  const bars = found.map(({ column, median }) => ({
    label: COLUMNS[column].title,
    value: median,
    isOwn: column === OWN,
  }));
  await write(`${file}.svg`, barChart({ title: workload, unit: found[0].unit, bars }));
}

/** Puts the tables between their markers in the document. */
async function writeTables(results, bars, machine) {
  const parts = { machine: machineText(machine), results: table(results), bars: barsTable(bars) };
  let text = await readFile(DOCS, "utf8");
  for (const [name, part] of Object.entries(parts)) {
    const [begin, end] = [`<!-- ${name}: made by npm run bench -->`, `<!-- end of ${name} -->`];
    const [before, rest] = text.split(begin);
    const after = rest?.split(end)[1];
    if (after === undefined) throw new Error(`docs/performance.md has no place for ${name}`);
    text = `${before}${begin}\n\n${part}\n\n${end}${after}`;
  }
  await writeFile(DOCS, text);
}

function machineText({ run, date, browser, cores, processor, memoryGib, system }) {
  return `${browser}; ${cores} cores (${processor}), ${memoryGib} GiB, ${system}; the ${run} run of ${date}.`;
}

function table(results) {
  const workloads = [...new Set(results.map(({ workload }) => workload))];
  const lines = [
    "| workload | column | median | least to most | to hand |",
    "| --- | --- | --- | --- | --- |",
  ];
  for (const workload of workloads) {
    const found = results.filter((result) => result.workload === workload);
    for (const [i, result] of found.toSorted((a, b) => a.median - b.median).entries()) {
      const { column, median, min, max, unit, ratioToHand } = result;
      const name = column === OWN ? `**${COLUMNS[column].title}**` : COLUMNS[column].title;
      const ratio = ratioToHand === null ? "–" : `${shown(ratioToHand)} ×`;
      const cells = [
        i === 0 ? workload : "",
        name,
        `${shown(median)} ${unit}`.trim(),
        `${shown(min)} to ${shown(max)}`,
        ratio,
      ];
      lines.push(`| ${cells.join(" | ")} |`);
    }
  }
  return lines.join("\n");
}

function barsTable(bars) {
  const rows = bars.map(({ text, limit, ratio, isMet }) => {
    return `| ${text} | ${limit} | ${shown(ratio)} | ${isMet ? "met" : "**missed**"} |`;
  });
  return ["| bar | limit | ratio | |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

function barLine({ text, limit, ratio, isMet }) {
  return `bar: ${text}, ${limit}: ${isMet ? "met" : "missed"} (${shown(ratio)})`;
}
