// A page's frame: header, navigation, contents, and what stands before and behind it.
import { escapeHtml } from "./highlight.mjs";
import { GROUPS } from "./pages.mjs";

const MARK = `<svg class="mark" viewBox="0 0 32 32" aria-hidden="true"><rect x="3" y="19" width="26" height="9" rx="3"/><path d="M16 16 V4 M10 9 L16 3.5 L22 9"/><circle cx="8.5" cy="23.5" r="1.6"/></svg>`;
// Before anything is drawn: who chose a theme sees no other one first.
const THEME = `try{const t=localStorage.getItem("uplink-cache-docs-theme");if(t)document.documentElement.dataset.theme=t}catch{}`;
const LEVELS_IN_CONTENTS = [2, 3];

/** The HTML of a page: `page` is `{ name, title, lead, html, headings }`, `pages` all of them. */
export function renderPage(page, pages) {
  const base = "../".repeat(page.name.split("/").length - 1);
  const isHome = page.name === "index";
  const contents = isHome ? "" : contentsOf(page.headings);
  const lead = page.lead === undefined ? "" : `<p class="lead">${escapeHtml(page.lead)}</p>`;
  const head = isHome ? "" : `<h1>${escapeHtml(page.title)}</h1>\n${lead}`;
  const title = isHome ? "uplink-cache" : `${page.title} · uplink-cache`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<meta name="description" content="${escapeHtml(page.lead ?? page.title)}">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="${base}assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="${base}assets/style.css">
<script>${THEME}</script>
<script src="${base}assets/site.js" defer></script>
</head>
<body data-base="${base}"${isHome ? ' class="home"' : ""}>
<a class="skip" href="#content">Skip to the content</a>
<header class="top">
<a class="brand" href="${base}index.html">${MARK}<span>uplink-cache</span></a>
<div class="tools" id="tools"></div>
</header>
<div class="frame${contents === "" ? "" : " with-contents"}">
<nav class="pages" aria-label="Pages">
<details class="menu"><summary>All pages</summary>${navigation(page, pages, base)}</details>
<div class="side">${navigation(page, pages, base)}</div>
</nav>
<main id="content" tabindex="-1">
<article>
${head}
${page.html}
</article>
${isHome ? "" : neighbours(page, pages, base)}
</main>
${contents}
</div>
<footer class="foot"><p>uplink-cache is MIT or Apache-2.0, as you like. Made from the repository by <code>npm run docs</code>.</p></footer>
</body>
</html>
`;
}

function navigation(current, pages, base) {
  const groups = GROUPS.map((group) => [group, pages.filter((page) => page.group === group)]);
  return groups
    .filter(([, members]) => members.length > 0)
    .map(([group, members]) => {
      const items = members.map((page) => {
        const here = page.name === current.name ? ' aria-current="page"' : "";
        return `<li><a href="${base}${page.name}.html"${here}>${escapeHtml(page.title)}</a></li>`;
      });
      return `<p class="group">${group}</p><ul>${items.join("")}</ul>`;
    })
    .join("");
}

function contentsOf(headings) {
  const shown = headings.filter(({ level }) => LEVELS_IN_CONTENTS.includes(level));
  if (shown.length < 2) return "";
  const items = shown.map(
    ({ level, id, title }) =>
      `<li class="level-${level}"><a href="#${id}">${escapeHtml(title)}</a></li>`,
  );
  return `<aside class="contents" aria-label="On this page"><p class="group">On this page</p><ul>${items.join("")}</ul></aside>`;
}

function neighbours(current, pages, base) {
  const inOrder = pages.filter(({ group }) => group !== undefined);
  const at = inOrder.findIndex(({ name }) => name === current.name);
  if (at < 0) return "";
  const link = (page, kind, says) =>
    page === undefined
      ? "<span></span>"
      : `<a class="${kind}" href="${base}${page.name}.html"><small>${says}</small>${escapeHtml(page.title)}</a>`;
  const [before, behind] = [inOrder[at - 1], inOrder[at + 1]];
  return `<nav class="neighbours" aria-label="Before and behind">${link(before, "before", "Before")}${link(behind, "behind", "Next")}</nav>`;
}
