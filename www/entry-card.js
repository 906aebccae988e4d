// One entry: who, what, where it was read from, and how far it is on its way to the chain.

import { announce, element, setText } from "./dom.js";
import { accountColours, milliseconds, shortHex, timeAgo } from "./format.js";
import { progressBar, progressOf } from "./progress.js";
import { authorOf } from "./registry.js";

const SOURCES = {
  backup: "from the backup",
  cache: "from chain, kept here",
  chain: "from chain",
};
const UNREADABLE = { name: "Somebody", text: "(This entry cannot be shown.)", at: 0 };

/**
 * A list item for the entry under `key`: `item`, `update(…)` with the entry as read, and `tick()` for its clock.
 * `askChain(key)` reads the entry from the chain, `retry(taskId)` tries a blocked task again.
 */
export function entryCard(key, { own, finalityDepth, askChain, retry }) {
  const head = cardHead(key, own);
  const text = element("p", { className: "text" });
  const bar = progressBar();
  const detail = element("span", { className: "detail" });
  const action = element("button", { type: "button", className: "quiet" });
  const answer = element("span", { className: "answer", role: "status" });
  const footer = element("footer", {}, detail, action, answer);
  const article = element("article", {}, head.node, text, bar.node, footer);
  const item = element("li", { className: "entry" }, article);
  let act;
  action.addEventListener("click", () => act());

  /** `task` is the one that brings the entry to the chain, if the backup has it. */
  function update({ entry, task, ...chain }) {
    const value = isEntryValue(entry.value) ? entry.value : UNREADABLE;
    head.show(value, entry.source);
    setText(text, value.text);

    const progress = progressOf({ entry, task, finalityDepth, ...chain });
    bar.show(progress);
    setText(detail, progress.sentence);
    const isNews = item.dataset.status !== undefined && item.dataset.status !== entry.status;
    if (own && isNews) announce(`Your entry “${value.text.slice(0, 40)}”: ${progress.sentence}`);
    item.dataset.status = entry.status;
    item.dataset.source = entry.source;

    const isBlocked = entry.status === "blocked";
    act = isBlocked ? () => retry(task.id) : ask;
    setText(action, isBlocked ? "Try again" : "Ask the chain");
    action.hidden = !isBlocked && !bar.node.hidden;
  }

  async function ask() {
    action.disabled = true;
    const startedAt = performance.now();
    try {
      const entry = await askChain(key);
      const isSame = entry?.value?.text === text.textContent;
      const says = isSame ? "says the same" : "says something else";
      const took = milliseconds(performance.now() - startedAt);
      setText(answer, `It ${says}, at block ${entry?.block?.number}, in ${took}.`);
    } catch (error) {
      setText(answer, `No answer: ${error.code ?? error.message}.`);
    }
    action.disabled = false;
  }

  return { item, update, tick: head.tick };
}

function cardHead(key, own) {
  const author = authorOf(key);
  const avatar = element("span", { className: "avatar", "aria-hidden": "true" });
  avatar.style.background = accountColours(author);
  const name = element("strong", { className: "name" });
  const you = own ? [element("span", { className: "you" }, "you")] : [];
  const address = element("code", { title: author }, shortHex(author));
  const between = element("span", { className: "between" }, " · ");
  const time = element("time");
  const badge = element("span", { className: "badge" });
  const meta = element("span", { className: "meta" }, address, between, time);
  const who = element("div", { className: "who" }, element("span", {}, name, ...you), meta);

  function tick() {
    setText(time, timeAgo(Date.parse(time.dateTime)));
  }

  function show(value, source) {
    setText(name, value.name);
    setText(avatar, value.name.slice(0, 1).toUpperCase());
    time.dateTime = new Date(value.at).toISOString();
    tick();
    setText(badge, SOURCES[source]);
  }

  return { node: element("header", {}, avatar, who, badge), show, tick };
}

/** Anybody can write to the chain: what comes from there is looked at before it is shown. */
function isEntryValue(value) {
  return (
    typeof value === "object" &&
    value !== null &&
    typeof value.text === "string" &&
    typeof value.name === "string" &&
    Number.isFinite(value.at) &&
    Math.abs(value.at) < 8.64e15
  );
}
