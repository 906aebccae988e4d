// Code in colours, made when the site is built: TypeScript's own parser says what each word is.
import ts from "typescript";

const PARSED = new Set(["ts", "js", "tsx", "jsx"]);
const LITERALS = new Map([
  [ts.SyntaxKind.StringLiteral, "string"],
  [ts.SyntaxKind.NoSubstitutionTemplateLiteral, "string"],
  [ts.SyntaxKind.TemplateHead, "string"],
  [ts.SyntaxKind.TemplateMiddle, "string"],
  [ts.SyntaxKind.TemplateTail, "string"],
  [ts.SyntaxKind.NumericLiteral, "number"],
  [ts.SyntaxKind.BigIntLiteral, "number"],
  [ts.SyntaxKind.RegularExpressionLiteral, "string"],
]);

/** The HTML of code. `linkOf(word)` gives where an identifier leads, or nothing. */
export function highlight(code, language, linkOf = () => undefined) {
  if (!PARSED.has(language)) return escapeHtml(code);
  const kind = language.endsWith("x") ? ts.ScriptKind.TSX : ts.ScriptKind.TS;
  const file = ts.createSourceFile(`code.${language}`, code, ts.ScriptTarget.Latest, true, kind);
  let html = "";
  for (const token of tokensOf(file)) {
    const text = token.getText(file);
    html += trivia(code.slice(token.getFullStart(), token.getStart(file)));
    html += colour(token, text, linkOf);
  }
  return html;
}

export function escapeHtml(text) {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

/** The tokens of a tree, in their order. Comments belong to the token behind them. */
function* tokensOf(node) {
  const isComment = ({ kind }) =>
    kind >= ts.SyntaxKind.FirstJSDocNode && kind <= ts.SyntaxKind.LastJSDocNode;
  const children = node.getChildren().filter((child) => !isComment(child));
  if (children.length === 0) {
    if (node.kind !== ts.SyntaxKind.SyntaxList) yield node;
    return;
  }
  for (const child of children) yield* tokensOf(child);
}

function colour(token, text, linkOf) {
  const { kind, parent } = token;
  const html = escapeHtml(text);
  if (kind === ts.SyntaxKind.Identifier) {
    const isOwnName = parent.name === token && !ts.isPropertyAccessExpression(parent);
    const link = isOwnName ? undefined : linkOf(text);
    if (link !== undefined) return `<a href="${link}">${html}</a>`;
    const isCalled = ts.isCallExpression(parent?.parent ?? parent) || ts.isCallExpression(parent);
    return isCalled && nameOfCall(token) ? `<span class="c-call">${html}</span>` : html;
  }
  if (LITERALS.has(kind)) return `<span class="c-${LITERALS.get(kind)}">${html}</span>`;
  const isKeyword = kind >= ts.SyntaxKind.FirstKeyword && kind <= ts.SyntaxKind.LastKeyword;
  return isKeyword ? `<span class="c-keyword">${html}</span>` : html;
}

/** Whether it is the name of what is called: `name(…)` or `it.name(…)`. */
function nameOfCall(token) {
  const { parent } = token;
  const isMember = ts.isPropertyAccessExpression(parent) && parent.name === token;
  const called = isMember ? parent : token;
  const { parent: call } = called;
  return (ts.isCallExpression(call) || ts.isNewExpression(call)) && call.expression === called;
}

function trivia(text) {
  const comments = /\/\/[^\n]*|\/\*.*?\*\//gs;
  return escapeHtml(text).replaceAll(
    comments,
    (comment) => `<span class="c-comment">${comment}</span>`,
  );
}
