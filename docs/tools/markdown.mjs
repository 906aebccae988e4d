// Markdown to HTML: headings with anchors, code in colours, tables that scroll, links between pages.
import MarkdownIt from "markdown-it";
import { escapeHtml, highlight } from "./highlight.mjs";

/**
 * Renders one text: `{ html, headings }`. `linkOf(href)` gives what a link leads to, `codeLinkOf(code)` where inline code
 * does, `wordLinkOf(word)` where a word of a sample does, `imageOf(src, alt)` an image's HTML. A line `{{name argument}}` is
 * what `blocks[name](argument)` gives: `{ markdown }` or `{ html }`.
 */
export function renderMarkdown(text, { linkOf, codeLinkOf, wordLinkOf, imageOf, blocks }) {
  const headings = [];
  const inserted = [];
  const md = new MarkdownIt({ html: true, linkify: false, typographer: false });
  const { rules } = md.renderer;

  rules.heading_open = (tokens, at) => {
    const { tag } = tokens[at];
    const { children, content } = tokens[at + 1];
    const [, own] = / \{#([\w-]+)\}$/.exec(content) ?? [];
    if (own !== undefined)
      children.at(-1).content = children.at(-1).content.replace(/ \{#.*\}$/, "");
    const title = children.map((child) => child.content).join("");
    const id = unused(own ?? slug(title), headings);
    headings.push({ level: Number(tag.slice(1)), id, title });
    return `<${tag} id="${id}"><a class="anchor" href="#${id}" aria-label="Link to: ${escapeHtml(title)}">#</a>`;
  };
  rules.fence = (tokens, at) => {
    const { info, content } = tokens[at];
    const [language = ""] = info.split(" ");
    return codeBlock(highlight(content.trimEnd(), language, wordLinkOf), language);
  };
  rules.code_block = (tokens, at) => codeBlock(escapeHtml(tokens[at].content.trimEnd()), "");
  rules.code_inline = (tokens, at) => {
    const { content } = tokens[at];
    const html = `<code>${escapeHtml(content)}</code>`;
    const isInLink = tokens
      .slice(0, at)
      .filter(({ type }) => type.startsWith("link_"))
      .at(-1);
    const link = isInLink?.type === "link_open" ? undefined : codeLinkOf(content);
    return link === undefined ? html : `<a class="code-link" href="${link}">${html}</a>`;
  };
  rules.link_open = (tokens, at, options, _env, self) => {
    tokens[at].attrSet("href", linkOf(tokens[at].attrGet("href")));
    return self.renderToken(tokens, at, options);
  };
  rules.image = (tokens, at) => imageOf(tokens[at].attrGet("src"), tokens[at].content);
  rules.table_open = () =>
    '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>\n';
  rules.table_close = () => "</table></div>\n";
  // A head without words says nothing to anybody.
  rules.th_open = (tokens, at, options, _env, self) => {
    if (tokens[at + 1].content === "") tokens[at].tag = "td";
    return self.renderToken(tokens, at, options);
  };
  rules.th_close = (tokens, at) => (tokens[at - 1].content === "" ? "</td>" : "</th>");

  const filled = text.replaceAll(/^\{\{(\w+)(?: (.*))?\}\}$/gm, (line, name, argument) => {
    if (!(name in blocks)) throw new Error(`no such block: ${line}`);
    const { markdown, html } = blocks[name](argument);
    if (markdown !== undefined) return markdown;
    inserted.push(html);
    return `\n<!--block ${inserted.length - 1}-->\n`;
  });
  const html = md.render(filled).replaceAll(/<!--block (\d+)-->/g, (_, at) => inserted[at]);
  return { html, headings };
}

/** A block of code that is HTML already. */
export function codeBlock(html, language) {
  const name = language === "" ? "Code" : `Code, ${language}`;
  return `<div class="code"><pre tabindex="0" role="group" aria-label="${name}"><code>${html}</code></pre></div>\n`;
}

/** What a heading's anchor is called, as GitHub calls it. */
export function slug(title) {
  return title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}

function unused(id, headings) {
  const taken = (candidate) => headings.some((heading) => heading.id === candidate);
  let candidate = id;
  for (let count = 1; taken(candidate); count += 1) candidate = `${id}-${count}`;
  return candidate;
}
