// The API reference, made from the declarations in dist/ of every entry in package.json's `exports`.
//
// TypeScript 7 has no API for this: TypeScript 5, pinned beside this file, reads the same declarations.
import { readFileSync } from "node:fs";
import { relative, resolve } from "node:path";
import ts from "typescript";
import { root } from "../../scripts/lib.mjs";
import { escapeHtml, highlight } from "./highlight.mjs";
import { codeBlock } from "./markdown.mjs";
import { THROWS } from "./throws.mjs";

const KINDS = ["Functions", "Classes", "Values", "Interfaces", "Types"];
const LONG_LINE = 100;

/**
 * The entries that have types, as `{ name, exports, further }`: `name` is what is imported, `further` the types of this
 * package that the exports are made of. An item is `{ name, kind, code, doc, members, throws }`.
 */
export function readApi() {
  const entries = entriesWithTypes();
  const program = ts.createProgram(Object.values(entries), {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2022.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"],
    types: [],
    strict: true,
    noEmit: true,
  });
  const errors = ts.getPreEmitDiagnostics(program).filter(({ file }) => isOurs(file));
  if (errors.length > 0) throw new Error(ts.flattenDiagnosticMessageText(errors[0].messageText));
  return Object.entries(entries).map(([name, path]) => readEntry(program, name, path, entries));
}

/** What is imported, and the file that declares it. */
export function entriesWithTypes() {
  const { name, exports } = JSON.parse(readFileSync(resolve(root, "package.json"), "utf8"));
  const typed = Object.entries(exports).filter(
    ([path, { types }]) => types !== undefined && !path.endsWith(".wasm"),
  );
  return Object.fromEntries(
    typed.map(([path, { types }]) => [name + path.slice(1), resolve(root, types)]),
  );
}

function isOurs(file) {
  return (
    file !== undefined && relative(resolve(root, "dist"), file.fileName).startsWith("..") === false
  );
}

function readEntry(program, name, path, entries) {
  const checker = program.getTypeChecker();
  const symbolsOf = (file) =>
    checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)));
  const resolved = (symbol) =>
    symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  const main = Object.values(entries)[0];
  const core = path === main ? [] : symbolsOf(main);
  const ofMain = core.map(({ name }) => name);
  const all = symbolsOf(path);
  // An entry that exports all of the main one besides shows what is its own.
  const isSuperset =
    ofMain.length > 0 && ofMain.every((each) => all.some((symbol) => symbol.name === each));
  const shown = isSuperset ? all.filter(({ name }) => !ofMain.includes(name)) : all;
  const exports = shown.map((symbol) => readItem(symbol.name, resolved(symbol)));
  const known = new Set([...all, ...core].map(resolved));
  // What the main entry's page has is not said again.
  for (const symbol of furtherTypes(checker, core.map(resolved), known)) known.add(symbol);
  const ids = new Set(shown.map(({ name }) => name));
  const further = furtherTypes(checker, shown.map(resolved), known).map((symbol) => {
    // An export may have the name of a type that it is made of, and so may another of these.
    let id = symbol.name;
    while (ids.has(id)) id = `further-${id}`;
    ids.add(id);
    return { ...readItem(symbol.name, symbol), id };
  });
  return { name, isSuperset, exports, further };
}

/** The types of this package that symbols are made of, and those of these, without the ones that are known. */
function furtherTypes(checker, symbols, known) {
  const found = [];
  const seen = new Set(known);
  function visit(node) {
    if (isHidden(node)) return;
    if (ts.isTypeReferenceNode(node) || ts.isExpressionWithTypeArguments(node)) {
      const name = node.typeName ?? node.expression;
      let symbol = checker.getSymbolAtLocation(name);
      if (symbol?.flags & ts.SymbolFlags.Alias) symbol = checker.getAliasedSymbol(symbol);
      const [declaration] = symbol?.declarations ?? [];
      const isType = declaration && !ts.isTypeParameterDeclaration(declaration);
      if (isType && isOurs(declaration.getSourceFile()) && !seen.has(symbol)) {
        seen.add(symbol);
        found.push(symbol);
        declaration.forEachChild(visit);
      }
    }
    node.forEachChild(visit);
  }
  for (const { declarations } of symbols) for (const each of declarations) each.forEachChild(visit);
  return found;
}

function isHidden(node) {
  return node.name !== undefined && ts.isPrivateIdentifier(node.name);
}

function readItem(name, symbol) {
  const declarations = symbol.declarations.filter((each) => !ts.isSourceFile(each));
  const [declaration] = declarations;
  const isMembered = ts.isClassDeclaration(declaration) || ts.isInterfaceDeclaration(declaration);
  return {
    name,
    id: name,
    kind: kindOf(declaration),
    code: isMembered ? headOf(declaration) : declarations.map(codeOf).join("\n"),
    doc: docOf(declaration),
    throws: THROWS[name] ?? [],
    members: isMembered ? membersOf(name, declaration) : [],
  };
}

function kindOf(declaration) {
  if (ts.isFunctionDeclaration(declaration)) return "Functions";
  if (ts.isClassDeclaration(declaration)) return "Classes";
  if (ts.isInterfaceDeclaration(declaration)) return "Interfaces";
  return ts.isTypeAliasDeclaration(declaration) ? "Types" : "Values";
}

function membersOf(owner, declaration) {
  const byName = new Map();
  for (const member of declaration.members.filter((member) => !isHidden(member))) {
    const name = member.name?.getText() ?? "constructor";
    const known = byName.get(name);
    if (known !== undefined) known.code += `\n${codeOf(member)}`;
    else {
      const throws = THROWS[`${owner}.${name}`] ?? [];
      byName.set(name, { name, code: codeOf(member), doc: docOf(member), throws });
    }
  }
  return [...byName.values()];
}

/** A class or interface without its members. */
function headOf(declaration) {
  const text = withoutComments(declaration);
  return `${text
    .slice(0, text.indexOf("{"))
    .replace(/^export (declare )?/, "")
    .trim()}`;
}

function codeOf(declaration) {
  const whole = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
  return broken(withoutComments(whole).replace(/^export (declare )?/, ""));
}

function withoutComments(node) {
  const printer = ts.createPrinter({ removeComments: true });
  return printer.printNode(ts.EmitHint.Unspecified, node, node.getSourceFile()).trim();
}

/** A signature that is too long for a line: each parameter, or each member of a union, on its own. */
function broken(code) {
  if (code.includes("\n") || code.length <= LONG_LINE) return code;
  if (/^type \w+(<.*>)? = /.test(code)) return code.replaceAll(" | ", "\n  | ");
  const open = code.indexOf("(");
  const close = code.lastIndexOf("):");
  if (open < 0 || close < open) return code;
  const parameters = splitOutside(code.slice(open + 1, close));
  return `${code.slice(0, open + 1)}\n  ${parameters.join(",\n  ")},\n${code.slice(close)}`;
}

/** Splits at commas that stand in no brackets. */
function splitOutside(text) {
  const parts = [""];
  let depth = 0;
  for (const [at, letter] of [...text].entries()) {
    if ("([{<".includes(letter)) depth += 1;
    if (")]}".includes(letter) || (letter === ">" && text[at - 1] !== "=")) depth -= 1;
    if (letter === "," && depth === 0) parts.push("");
    else parts[parts.length - 1] += letter;
  }
  return parts.map((part) => part.trim());
}

function docOf(declaration) {
  const whole = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
  const texts = ts.getJSDocCommentsAndTags(whole).filter(ts.isJSDoc);
  return texts.map(({ comment }) => ts.getTextOfJSDocComment(comment) ?? "").join("\n");
}

/** What the page of an entry is called, in the site. */
export function pageOfEntry(name) {
  const [, path = "core"] = name.split("/");
  return `api/${path}`;
}

/** The anchor of an export or of its member. */
export const anchorOf = (name, member) => (member === undefined ? name : `${name}.${member}`);

/**
 * The pages of the reference. `render(markdown)` gives the HTML of doc comments, `linkOf(word, page)` where a word of a
 * signature leads from there.
 */
export function apiPages(api, { render, linkOf }) {
  return api.map((entry, order) => {
    const page = pageOfEntry(entry.name);
    const headings = [];
    const parts = KINDS.map((kind) => [kind, entry.exports.filter((item) => item.kind === kind)]);
    const sections = [...parts, ["Further types", entry.further]].filter(
      ([, items]) => items.length,
    );
    const html = sections.map(([title, items]) => {
      const id = title.toLowerCase().replace(" ", "-");
      headings.push({ level: 2, id, title });
      const shown = items.map((item) => {
        headings.push({ level: 3, id: anchorOf(item.id), title: item.name });
        return itemHtml(item, { render, linkOf: (word) => linkOf(word, page) });
      });
      return `<h2 id="${id}">${title}</h2>\n${shown.join("\n")}`;
    });
    const also = entry.isSuperset ? "<p>It also exports all of <code>uplink-cache</code>.</p>" : "";
    const first = codeBlock(highlight(importOf(entry), "ts"), "ts");
    return {
      name: page,
      title: entry.name,
      group: "Reference",
      order: 1 + order / 100,
      lead: `Every export of ${entry.name}, from its types.`,
      html: first + also + html.join("\n"),
      headings,
    };
  });
}

function importOf({ name, exports }) {
  const values = exports.filter(({ kind }) => ["Functions", "Classes", "Values"].includes(kind));
  const names = values.map((item) => item.name).join(", ");
  return `import { ${names} } from "${name}";`;
}

function itemHtml({ name, id: own, code, doc, members, throws }, { render, linkOf }) {
  const inner = members.map((member) => {
    const id = anchorOf(own, member.name);
    return `<section class="member" id="${id}"><h4><a class="anchor" href="#${id}" aria-label="Link to: ${id}">#</a><code>${escapeHtml(member.name)}</code></h4>${signature(member.code, linkOf, true)}${render(member.doc)}${throwsHtml(member.throws, render)}</section>`;
  });
  return `<section class="item"><h3 id="${anchorOf(own)}"><a class="anchor" href="#${anchorOf(own)}" aria-label="Link to: ${name}">#</a><code>${name}</code></h3>${signature(code, linkOf, false)}${render(doc)}${throwsHtml(throws, render)}${inner.join("\n")}</section>`;
}

function signature(code, linkOf, isMember) {
  // A member alone is no statement: it is coloured inside a class, which is then taken off.
  const [before, behind] = isMember ? ["class C {\n", "\n}"] : ["", ""];
  const html = highlight(before + code + behind, "ts", linkOf);
  const bare = isMember ? html.slice(html.indexOf("\n") + 1, html.lastIndexOf("\n")) : html;
  return codeBlock(bare, "ts");
}

function throwsHtml(codes, render) {
  if (codes.length === 0) return "";
  return `<div class="throws">${render(`Throws or rejects with ${codes.map((code) => `\`${code}\``).join(", ")}.`)}</div>`;
}
