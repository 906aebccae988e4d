// What the core's sources say, read where they say it: the table of a task's transitions, error codes, reasons.
// tests in src/ hold these texts to what the core does.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { root } from "../../scripts/lib.mjs";

/**
 * The table of `State::next`, as the core's own test compares it: `{ events, rows }`, a row is `{ state, nexts }`. Its cells
 * are states, `gone`, or `·` where an event does not apply.
 */
export function transitions() {
  const [, table] = /const TABLE: &str = "\\\n(.*?)\n";/s.exec(source("src/task/state.rs"));
  const cells = (line) => line.split("|").map((cell) => cell.trim());
  const [head, ...lines] = table.split("\n").map(cells);
  const [, ...events] = head;
  return { events, rows: lines.map(([state, ...nexts]) => ({ state, nexts })) };
}

/** The public status of a state of that table. */
export function statusOf(state) {
  const [word] = state.replaceAll("*", "").split(" ");
  return { signing: "backed-up", displaced: "blocked" }[word] ?? word;
}

/** Which status leads to which other one: `{ from, to, events }`, in the table's order. */
export function statusChanges() {
  const { events, rows } = transitions();
  const changes = new Map();
  for (const { state, nexts } of rows) {
    nexts.forEach((next, column) => {
      const [from, to] = [statusOf(state), statusOf(next)];
      if (next === "·" || from === to) return;
      const name = `${from} → ${to}`;
      if (!changes.has(name)) changes.set(name, { from, to, events: new Set() });
      changes.get(name).events.add(events[column]);
    });
  }
  return [...changes.values()].map((change) => ({ ...change, events: [...change.events] }));
}

/** The error codes, `{ code, says, retryable }`: the core's, and the wrapper's own. */
export function errorCodes() {
  const text = source("src/error.rs");
  const [, retryable] = /fn retryable\(self\).*?match self \{(.*?)=> true/s.exec(text);
  const ofCore = named(text, "ErrorCode").map(({ variant, name, says }) => ({
    code: name,
    says,
    retryable: retryable.split(/[^\w:]+/).includes(`ErrorCode::${variant}`),
  }));
  const [, code, says] = / \* `(\w+)`: (.+)\n/.exec(source("js/error.ts"));
  return [...ofCore, { code, says, retryable: false }];
}

/** Why a task is blocked or failed, `{ reason, says }`. */
export function reasons() {
  return named(source("src/task/state.rs"), "Reason").map(({ name, says }) => ({
    reason: name,
    says,
  }));
}

/** The variants of an enum that `named!` makes, with the names that JavaScript sees. */
function named(text, enumName) {
  const [, body] = new RegExp(`pub enum ${enumName} \\{(.*?)\\n {4}\\}`, "s").exec(text);
  const variants = body.matchAll(/((?: *\/\/\/ .*\n)+) *(\w+) = "(\w+)",/g);
  return [...variants].map(([, doc, variant, name]) => ({
    variant,
    name,
    says: doc.replaceAll(/^ *\/\/\/ /gm, "").trim(),
  }));
}

function source(path) {
  return readFileSync(resolve(root, path), "utf8");
}
