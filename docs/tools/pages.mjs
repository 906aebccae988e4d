// The pages of docs/pages/: Markdown with front matter, from which the navigation comes. A page that is not there is not in it.
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { root } from "../../scripts/lib.mjs";

/** The groups of the navigation, in their order. A page without one is only linked to. */
export const GROUPS = ["Start", "Guides", "Libraries", "Reference", "Project"];

const FOLDER = "docs/pages";

/**
 * All pages, in the order of the navigation: `{ name, title, group, order, lead, preamble, source, text }`. `source` is the
 * file, from the root, that the text stands in: links in it start there.
 */
export function readPages() {
  const names = readdirSync(resolve(root, FOLDER)).filter((name) => name.endsWith(".md"));
  return names.map((name) => readPage(join(FOLDER, name))).sort(byPlace);
}

function readPage(path) {
  const [, front, text] = /^---\n(.*?)\n---\n(.*)$/s.exec(
    readFileSync(resolve(root, path), "utf8"),
  );
  const { title, group, order, lead, from, preamble } = readFront(front, path);
  if (group !== undefined && !GROUPS.includes(group)) throw new Error(`${path}: no group ${group}`);
  const name = path.slice(FOLDER.length + 1, -".md".length);
  const page = { name, title, group, order: Number(order), lead, preamble: preamble ?? "" };
  if (from === undefined) return { ...page, source: path, text };
  // A text that stands elsewhere in the repository, under its own heading.
  const whole = readFileSync(resolve(root, from), "utf8");
  return { ...page, source: from, text: `${text}\n${whole.replace(/^# .*\n/, "")}` };
}

/** `key: value` lines; a value of `|` is the indented lines that follow. */
function readFront(front, path) {
  const values = {};
  let block;
  for (const line of front.split("\n")) {
    const [, key, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (block !== undefined && (line === "" || line.startsWith("  "))) {
      values[block] += `${line.slice(2)}\n`;
    } else if (key === undefined) {
      throw new Error(`${path}: this is no front matter: ${line}`);
    } else {
      block = value === "|" ? key : undefined;
      values[key] = value === "|" ? "" : value;
    }
  }
  return values;
}

function byPlace(a, b) {
  const place = ({ group }) => (group === undefined ? GROUPS.length : GROUPS.indexOf(group));
  return place(a) - place(b) || a.order - b.order;
}

/** A section of the README by its heading, without that. */
export function readmeSection(heading) {
  const text = readFileSync(resolve(root, "README.md"), "utf8");
  const at = text.indexOf(`\n## ${heading}\n`);
  if (at < 0) throw new Error(`the README has no section "${heading}"`);
  const begin = at + `\n## ${heading}\n`.length;
  const end = text.indexOf("\n## ", begin);
  return text.slice(begin, end < 0 ? undefined : end);
}

/** Every sample of a text, as it stands in it: `{ language, name, code }`. */
export function samplesOf(text) {
  const fences = text.matchAll(/^```(\w+)(?: (\S+))?\n(.*?)^```$/gms);
  return [...fences].map(([, language, name, code]) => ({ language, name, code }));
}
