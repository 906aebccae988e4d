// One post: who, what, who likes it, where it came from, and how far it is on its way to the chain.

import { announce, element, setText } from "../dom.js";
import { accountColours, shortHex, timeAgo } from "../format.js";
import { progressBar, progressOf } from "../progress.js";
import { bornOf, POST } from "./contract.js";

const ORIGINS = {
  row: "from the indexer",
  entry: "merged in",
  both: "in both",
};

/** A list item for the post under `key`: `item`, `update(…)` with the merged item, `showLikes(…)`, and `tick()`. */
export function postCard(key, { isOwn, finalityDepth, edit, like, retry }) {
  const { at, author } = bornOf(key.slice(POST.length));
  const time = element("time", { dateTime: new Date(at).toISOString() });
  const badge = element("span", { className: "badge" });
  const header = cardHead({ author, isOwn, time, badge });
  const text = element("p", { className: "text" });
  const bar = progressBar();
  const detail = element("span", { className: "detail" });
  const again = element("button", { type: "button", className: "quiet" }, "Try again");
  const heart = element("button", { type: "button", className: "quiet like" });
  const editor = isOwn ? textEditor({ text, edit }) : undefined;
  const actions = [heart, ...(editor ? [editor.open] : [])];
  const footer = element(
    "footer",
    {},
    detail,
    again,
    element("span", { className: "acts" }, ...actions),
  );
  const article = element(
    "article",
    {},
    header,
    text,
    ...(editor ? [editor.form] : []),
    bar.node,
    footer,
  );
  const item = element("li", { className: "entry post" }, article);
  let taskId;
  let counted = { likes: 0, liked: false };
  again.addEventListener("click", () => retry(taskId));
  heart.addEventListener("click", like);
  showLikes();
  tick();

  function update({ from, row, entry, task, head, isReachable }) {
    taskId = task?.id;
    const value = { ...row, ...entry?.value };
    setText(text, value.text ?? "");
    setText(badge, ORIGINS[from]);
    item.dataset.from = from;
    const isNews = item.dataset.status !== undefined && item.dataset.status !== entry?.status;
    item.dataset.status = entry?.status ?? "indexed";
    const isPending = task !== undefined && entry.status !== "final";
    const progress = isPending
      ? progressOf({ entry, task, head, isReachable, finalityDepth })
      : { done: 4, sentence: sentenceOf({ from, row, entry, isEdited: value.isEdited }) };
    bar.show(progress);
    setText(detail, progress.sentence);
    again.hidden = entry?.status !== "blocked";
    if (isOwn && isNews) announce(`Your post “${value.text.slice(0, 40)}”: ${progress.sentence}`);
  }

  /** The entry that says how many like it, and whether oneself does; from the backup while the chain does not count that. */
  function showLikes(entry) {
    counted = entry?.value ?? counted;
    const { likes, liked } = counted;
    setText(heart, `${liked ? "♥" : "♡"} ${likes}`);
    heart.dataset.pending = entry?.source === "backup";
    heart.setAttribute("aria-pressed", `${liked}`);
    heart.setAttribute("aria-label", `Like this post, ${likes} so far`);
    heart.disabled = liked;
  }

  function tick() {
    setText(time, timeAgo(at));
  }

  return { item, update, showLikes, tick };
}

function cardHead({ author, isOwn, time, badge }) {
  const avatar = element("span", { className: "avatar", "aria-hidden": "true" });
  avatar.style.background = accountColours(author);
  setText(avatar, author.slice(2, 3).toUpperCase());
  const name = element("code", { className: "name", title: author }, shortHex(author));
  const you = isOwn ? [element("span", { className: "you" }, "you")] : [];
  const meta = element("span", { className: "meta" }, time);
  const who = element("div", { className: "who" }, element("span", {}, name, ...you), meta);
  return element("header", {}, avatar, who, badge);
}

/** Changes the text of one's own post in its place. */
function textEditor({ text, edit }) {
  const area = element("textarea", {
    rows: 2,
    maxLength: 280,
    required: true,
    "aria-label": "New text",
  });
  const save = element("button", { type: "submit", className: "primary" }, "Save");
  const leave = element("button", { type: "button", className: "quiet" }, "Leave it");
  const form = element(
    "form",
    { className: "edit", hidden: true },
    area,
    element("p", {}, save, " ", leave),
  );
  const open = element("button", { type: "button", className: "quiet" }, "Edit");

  function show(isOpen) {
    form.hidden = !isOpen;
    text.hidden = isOpen;
    open.hidden = isOpen;
  }
  open.addEventListener("click", () => {
    area.value = text.textContent;
    show(true);
    area.focus();
  });
  leave.addEventListener("click", () => show(false));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const words = area.value.trim();
    if (words === "") return;
    if (words !== text.textContent) edit(words);
    show(false);
    open.focus();
  });
  return { form, open };
}

function sentenceOf({ from, row, entry, isEdited }) {
  const edited = isEdited ? "Edited. " : "";
  if (from === "entry")
    return `${edited}Final in block ${entry.block.number}. The indexer does not know it yet.`;
  return `${edited}The indexer has it from block ${row.block}.`;
}
