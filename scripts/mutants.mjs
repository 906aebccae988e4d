// Plants bugs, one at a time, and has the simulator find each of them: `npm run simulate:mutants`, or some by their names.
// The core's are woven into a copy of it, all at once, each behind a switch; those of the driver and the disk have theirs in
// tests/simulation/mutants.rs.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { planted } from "../tests/simulation/planted.mjs";
import { buildCopy, live, only } from "./copy.mjs";
import { main, root, say } from "./lib.mjs";
import { setup } from "./setup.mjs";

/** How many seeds a bug may take: as many as `npm test` lives through, unless SEEDS says. */
const MOST_SEEDS = Number(process.env.SEEDS || 20_000);
/** A bug that takes more should say where it is known to be found. */
const MANY_SEEDS = 1_000;
/** How many the copy must pass with no bug switched on. */
const CONTROL_SEEDS = 300;

/**
 * What drives a tab calls these. Bugs are there only while it is inside one: the simulator's own model, which reads the log by
 * the same code, stays whole.
 */
const ENTRANCES = {
  handle_input: "src/cache.rs",
  poll_timeout: "src/cache.rs",
  peek: "src/cache/reading.rs",
  read_at_once: "src/cache/reading.rs",
  look: "src/cache/glance.rs",
};

const SWITCH = `
use std::cell::Cell;
use std::sync::LazyLock;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

static ON: LazyLock<Option<usize>> = LazyLock::new(|| std::env::var("PLANTED").ok()?.parse().ok());

/// Whether this bug is switched on, here.
pub(crate) fn is(number: usize) -> bool {
    *ON == Some(number) && DEPTH.get() > 0
}

/// While it lives, a tab is at work.
pub(crate) struct Inside;

impl Inside {
    pub(crate) fn new() -> Self {
        DEPTH.set(DEPTH.get() + 1);
        Inside
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}
`;

await main(import.meta, async (names) => {
  const { passed, failed } = await findAll(names);
  console.log(`${passed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
});

/** Finds the named bugs, or all. Each counts, and so does the copy in which none is switched on. */
async function findAll(names) {
  await setup(["rust"]);
  const bugs = [
    ...driverBugs(),
    ...planted.map((bug, number) => ({ ...bug, env: { PLANTED: `${number}` } })),
  ];
  const unknown = names.filter((name) => !bugs.some((bug) => bug.name === name));
  if (unknown.length > 0) throw new Error(`no such bug: ${unknown.join(", ")}`);
  const chosen = bugs.filter((bug) => names.length === 0 || names.includes(bug.name));
  const simulator = await buildCopy("mutants", weave);
  say(`mutants: ${chosen.length} bugs, each until a seed finds it`);
  const results = { passed: 0, failed: 0 };
  row("bug", "seed", "promise", "what it breaks");
  const control = await live(simulator, {}, CONTROL_SEEDS);
  const isSound = control.violation === undefined && control.seeds === CONTROL_SEEDS;
  tell(results, isSound, {
    name: "(none)",
    seed: "",
    promise: "",
    breaks: isSound ? `${CONTROL_SEEDS} seeds find nothing.` : "Found something.",
    what: control.violation?.what ?? (isSound ? "nothing" : control.output),
  });
  for (const bug of chosen) {
    const { violation, output } = await find(simulator, bug);
    const isFound = violation !== undefined && bug.promises.includes(violation.promise);
    const what = violation?.what ?? `NOT FOUND in ${MOST_SEEDS} seeds\n${output}`;
    tell(results, isFound, { ...bug, seed: "-", promise: "-", ...violation, what });
    // Such a search takes as long as many bugs that are known.
    if (isFound && violation.seed > MANY_SEEDS && violation.seed !== bug.known?.seed) {
      row("", "", "", `to be found at once: known: { seed: ${violation.seed} }`);
    }
  }
  return results;
}

/** The world that is known to find a bug, and else each from the first. */
async function find(simulator, { env, known, promises }) {
  if (known) {
    const only = { ...env, CLIMATE: known.climate ?? "" };
    const found = await live(simulator, only, 1, known.seed);
    if (promises.includes(found.violation?.promise)) return found;
  }
  return await live(simulator, env, MOST_SEEDS);
}

/** What came of one bug: its row, and what showed it. */
function tell(results, isPassed, { name, seed, promise, promises, breaks, what }) {
  results[isPassed ? "passed" : "failed"] += 1;
  row(name, seed, promise, breaks);
  if (isPassed) row("", "", "", `found: ${what.slice(0, 120)}`);
  else console.log(`FAILED, expected promise ${promises ?? "none"}: ${what}`);
}

function row(name, seed, promise, text) {
  const cells = [name.padEnd(24), `${seed}`.padStart(5), `${promise}`.padStart(7)];
  console.log(`${cells.join("  ")}  ${text}`);
}

/** Those of the driver and the disk: as mutants.rs names them, and its table's promises. */
function driverBugs() {
  const source = readFileSync(join(root, "tests/simulation/mutants.rs"), "utf8");
  const body = source.match(/enum Mutant \{([^}]*)\}/)?.[1] ?? "";
  const bugs = [...body.matchAll(/((?: *\/\/\/ .*\n)+) *(\w+),/g)].map(([, comment, name]) => {
    const breaks = comment.replaceAll(/\s*\/\/\/ /g, " ").trim();
    const row = source.match(
      new RegExp(`\\(Mutant::${name}, &\\[([\\d, ]+)\\]\\),(?: // known: (?:(\\S+) )?(\\d+))?`),
    );
    if (!row) throw new Error(`mutants.rs says of ${name} no promise`);
    const [, promises, climate, seed] = row;
    const known = seed && { climate, seed: Number(seed) };
    return {
      name,
      breaks,
      promises: promises.split(",").map(Number),
      env: { MUTANT: name },
      known,
    };
  });
  if (bugs.length === 0) throw new Error("mutants.rs has another form than it had");
  return bugs;
}

/** Plants every bug in the sources. */
function weave(sources) {
  const numbered = planted.map((bug, number) => ({ ...bug, number }));
  const files = groups(numbered, (bug) => bug.file);
  for (const [file, bugs] of files) {
    if (!sources.has(file)) throw new Error(`there is no ${file} to plant ${bugs[0].name} in`);
    sources.set(file, plant(sources.get(file), bugs));
  }
  for (const [name, file] of Object.entries(ENTRANCES)) {
    sources.set(file, enter(sources.get(file), name));
  }
  sources.set("src/planted.rs", SWITCH);
  sources.set("src/lib.rs", `${sources.get("src/lib.rs")}\nmod planted;\n`);
}

function groups(items, keyOf) {
  const found = new Map();
  for (const item of items) found.set(keyOf(item), [...(found.get(keyOf(item)) ?? []), item]);
  return found;
}

function enter(source, name) {
  const { end } = only(source, new RegExp(`^ {4}pub fn ${name}\\([^{]*\\{`, "gm"), name);
  return `${source.slice(0, end)} let _inside = crate::planted::Inside::new();${source.slice(end)}`;
}

/** The source with these bugs in it. */
function plant(source, bugs) {
  const places = bugs.map((bug) => ({ bug, ...place(source, bug) }));
  const spots = groups(places, ({ start, end }) => `${start} ${end}`);
  const last = [...spots.values()].sort(([one], [other]) => other.start - one.start);
  let woven = source;
  let until = source.length;
  for (const spot of last) {
    const [{ start, end, bug }] = spot;
    if (end > until) throw new Error(`${bug.name} overlaps another bug`);
    until = start;
    const whole = source.slice(start, end);
    const cases = spot.map(
      ({ bug: { number, to } }) => `if crate::planted::is(${number}) { ${to} }`,
    );
    const choice = `${cases.join(" else ")} else { ${whole} }`;
    const isStatement = whole.endsWith(";");
    woven = `${woven.slice(0, start)}${isStatement ? choice : `(${choice})`}${woven.slice(end)}`;
  }
  return woven;
}

/** Where in the source the bug takes the place of something. */
function place(source, { name, fn, from }) {
  const [before, marked, after] = from.includes("«") ? from.split(/[«»]/) : ["", from, ""];
  const pattern = [before, `(?<spot>${loose(marked)})`, after];
  const text = `${loose(before)}${pattern[1]}${loose(after)}`;
  // A file's tests come last.
  const shipped = source.split("\n#[cfg(test)]")[0];
  const within = fn === undefined ? { start: 0, end: shipped.length } : body(shipped, fn, name);
  const part = source.slice(within.start, within.end);
  const { spot } = only(part, new RegExp(text, "dg"), name);
  return { start: within.start + spot[0], end: within.start + spot[1] };
}

/** A function's text: up to the brace under its beginning. */
function body(source, fn, name) {
  const { start, end } = only(source, new RegExp(`^ *[a-z() ]*\\bfn ${fn}\\b`, "gm"), name);
  const indent = source.slice(start).match(/^ */)[0];
  const close = source.indexOf(`\n${indent}}\n`, end);
  return { start, end: close };
}

/** A pattern that finds the text whatever its spaces and line ends. */
function loose(text) {
  const words = text.trim().split(/\s+/);
  const quoted = words.map((word) => word.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const space = (is) => (is ? "\\s+" : "");
  return `${space(/^\s+\S/.test(text))}${quoted.join("\\s+")}${space(/\S\s+$/.test(text))}`;
}
