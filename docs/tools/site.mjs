// The whole site: pages of docs/pages/ and the reference, into docs/site/.
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { root } from "../../scripts/lib.mjs";
import { anchorOf, apiPages, pageOfEntry, readApi } from "./api.mjs";
import { CURES } from "./cures.mjs";
import { guaranteesTable, plantedCount } from "./guarantees.mjs";
import { escapeHtml } from "./highlight.mjs";
import { lifeFigure, lifeTable } from "./life.mjs";
import { renderMarkdown } from "./markdown.mjs";
import { readmeSection, readPages } from "./pages.mjs";
import { errorCodes, reasons } from "./table.mjs";
import { renderPage } from "./template.mjs";
import { THROWS } from "./throws.mjs";

const SITE = "docs/site";
const ASSETS = ["style.css", "site.js", "icon.svg"];
/** A page of settings for search: each heading with where it is. */
const INDEX = "assets/index.json";

/** Writes the site, and gives the names of its pages. */
export function writeSite() {
  const folder = resolve(root, SITE);
  rmSync(folder, { recursive: true, force: true });
  const images = new Set();
  const pages = allPages(images);
  for (const page of pages) write(`${page.name}.html`, renderPage(page, pages));
  for (const name of ASSETS) write(`assets/${name}`, readFileSync(join(here(), "assets", name)));
  for (const image of images) {
    mkdirSync(join(folder, "images"), { recursive: true });
    copyFileSync(resolve(root, image), join(folder, "images", basename(image)));
  }
  write(INDEX, JSON.stringify(searchIndex(pages)));
  return pages.map(({ name }) => name);
}

function here() {
  return resolve(root, "docs/tools");
}

function write(path, content) {
  const whole = resolve(root, SITE, path);
  mkdirSync(dirname(whole), { recursive: true });
  writeFileSync(whole, content);
}

function allPages(images) {
  const api = readApi();
  checkThrows(api);
  const written = readPages();
  const words = wordsOf(api);
  const render = (page, text) => {
    const base = "../".repeat(page.name.split("/").length - 1);
    const linkOf = (word) => (words.has(word) ? base + words.get(word) : undefined);
    return renderMarkdown(text, {
      linkOf: (href) => resolveLink(href, page, written),
      codeLinkOf: (code) => linkOf(wordOf(code)),
      wordLinkOf: linkOf,
      imageOf(src, alt) {
        const image = relative(root, resolve(root, dirname(page.source), src));
        images.add(image);
        return `<img src="${base}images/${basename(image)}" alt="${escapeHtml(alt)}" loading="lazy">`;
      },
      blocks: blocks(),
    });
  };
  const pages = written.map((page) => ({ ...page, ...render(page, page.text) }));
  const reference = apiPages(api, {
    render: (text) => render({ name: "api/x", source: "docs/pages/x.md" }, text).html,
    linkOf: (word) => (words.has(word) ? `../${words.get(word)}` : undefined),
  });
  return [...pages, ...reference].sort((a, b) => (a.order ?? 0) - (b.order ?? 0));
}

/** What a line `{{name}}` of a page stands for. */
function blocks() {
  return {
    life: () => ({ html: lifeFigure() }),
    lifeTable: () => ({ markdown: lifeTable() }),
    guarantees: () => ({ markdown: guaranteesTable() }),
    planted: () => ({ markdown: `${plantedCount()} bugs are planted, one at a time.` }),
    errors: () => ({ markdown: errorsMarkdown() }),
    reasons: () => ({ markdown: reasonsMarkdown() }),
    readme: (heading) => ({ markdown: readmeSection(heading) }),
  };
}

function errorsMarkdown() {
  const codes = errorCodes();
  sameNames(
    Object.keys(CURES),
    codes.map(({ code }) => code),
    "cures of error codes",
  );
  return codes
    .map(({ code, says, retryable }) => {
      const again = retryable ? "The same call may succeed later (`retryable`)." : "";
      return `### \`${code}\` {#${code}}\n\n${says} ${again}\n\n**What to do.** ${CURES[code]}\n`;
    })
    .join("\n");
}

function reasonsMarkdown() {
  const rows = reasons().map(
    ({ reason, says }) => `| \`${reason}\` | ${says.replaceAll("\n", " ")} |`,
  );
  return ["| reason | |", "| --- | --- |", ...rows].join("\n");
}

/** Names that code leads to: exports of every entry, members of the cache, error codes. */
function wordsOf(api) {
  const words = new Map();
  for (const entry of api) {
    const page = `${pageOfEntry(entry.name)}.html`;
    for (const item of [...entry.exports, ...entry.further]) {
      if (!words.has(item.name)) words.set(item.name, `${page}#${anchorOf(item.id)}`);
      for (const member of item.name === "Cache" ? item.members : []) {
        const name = `cache.${member.name}`;
        words.set(name, `${page}#${anchorOf(item.id, member.name)}`);
      }
    }
  }
  for (const { code } of errorCodes()) words.set(code, `errors.html#${code}`);
  return words;
}

/** `cache.read(key)` is `cache.read`, `submit({ … })` is `cache.submit`, any other word itself. */
function wordOf(code) {
  const [, name, call] = /^((?:cache\.)?\w+)(\(.*\))?$/s.exec(code) ?? [];
  const isMember = call !== undefined && !name.startsWith("cache.");
  const ofCache = ["submit", "read", "readMany", "peek", "list", "watch", "live", "flush"];
  return isMember && ofCache.includes(name) ? `cache.${name}` : (name ?? code);
}

/** Links of a text lead from its own file to another one of the repository that is a page, or out. */
function resolveLink(href, page, pages) {
  if (/^https?:/.test(href) || href.startsWith("#")) return href;
  const [path, anchor] = href.split("#");
  const base = "../".repeat(page.name.split("/").length - 1);
  const file = relative(root, resolve(root, dirname(page.source), path));
  const target = pages.find(
    ({ source, name }) => source === file || `docs/pages/${name}.md` === file,
  );
  const isReference = /^docs\/pages\/api\/[\w-]+\.md$/.test(file);
  if (target === undefined && !isReference)
    throw new Error(`${page.source}: ${href} leads nowhere`);
  const name = target?.name ?? file.slice("docs/pages/".length, -".md".length);
  return `${base}${name}.html${anchor === undefined ? "" : `#${anchor}`}`;
}

function checkThrows(api) {
  const names = api.flatMap(({ exports, further }) =>
    [...exports, ...further].flatMap((item) => [
      item.name,
      ...item.members.map((member) => `${item.name}.${member.name}`),
    ]),
  );
  const unknown = Object.keys(THROWS).filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new Error(`no such exports: ${unknown}`);
  const codes = errorCodes().map(({ code }) => code);
  const wrong = Object.values(THROWS)
    .flat()
    .filter((code) => !codes.includes(code));
  if (wrong.length > 0) throw new Error(`no such error codes: ${wrong}`);
}

function sameNames(actual, expected, what) {
  const missing = expected.filter((name) => !actual.includes(name));
  const more = actual.filter((name) => !expected.includes(name));
  if (missing.length + more.length > 0) {
    throw new Error(
      `${what}: missing ${missing.join(", ") || "-"}; unknown ${more.join(", ") || "-"}`,
    );
  }
}

function searchIndex(pages) {
  return pages.flatMap(({ name, title, headings }) => [
    { title, page: title, href: `${name}.html` },
    ...headings
      .filter(({ level }) => level > 1)
      .map((heading) => ({
        title: heading.title,
        page: title,
        href: `${name}.html#${heading.id}`,
      })),
  ]);
}
