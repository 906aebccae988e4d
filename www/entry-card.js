// One entry: who, what, and how far it is on its way to the chain.

import { announce, element, setText } from "./dom.js";
import { accountColours, milliseconds, shortHex, timeAgo } from "./format.js";
import { authorOf } from "./registry.js";

const STEPS = ["Backed up", "Sent", "In a block", "Final"];
const SOURCES = {
  backup: "from the backup",
  cache: "from chain, kept here",
  chain: "from chain",
};

/** A list item for the entry under `key`. `askChain(key)` reads it from the chain, `retry(taskId)` tries a blocked task again. */
export function entryCard(key, { own, finalityDepth, askChain, retry }) {
  const avatar = element("span", { className: "avatar", "aria-hidden": "true" });
  const name = element("strong", { className: "name" });
  const time = element("time");
  const badge = element("span", { className: "badge" });
  const text = element("p", { className: "text" });
  const segments = STEPS.map((step) =>
    element("li", {}, element("span", { className: "fill" }), element("span", {}, step)),
  );
  const steps = element(
    "ol",
    { className: "steps", role: "progressbar", "aria-label": "Progress to finality" },
    ...segments,
  );
  const detail = element("span", { className: "detail" });
  const action = element("button", { type: "button", className: "quiet", hidden: true });
  const answer = element("span", { className: "answer", role: "status" });
  const author = authorOf(key);
  avatar.style.background = accountColours(author);

  const item = element(
    "li",
    { className: "entry" },
    element(
      "article",
      {},
      element(
        "header",
        {},
        avatar,
        element(
          "div",
          { className: "who" },
          element("span", {}, name, ...(own ? [element("span", { className: "you" }, "you")] : [])),
          element(
            "span",
            { className: "meta" },
            element("code", {}, shortHex(author)),
            element("span", { className: "between" }, " · "),
            time,
          ),
        ),
        badge,
      ),
      text,
      steps,
      element("footer", {}, detail, action, answer),
    ),
  );

  let act;
  action.addEventListener("click", () => act());

  async function ask() {
    action.disabled = true;
    setText(answer, "Asking…");
    const startedAt = performance.now();
    try {
      const entry = await askChain(key);
      const took = milliseconds(performance.now() - startedAt);
      const isSame = entry !== undefined && entry.value?.text === text.textContent;
      setText(
        answer,
        isSame ? `The chain says the same, in ${took}.` : "The chain says something else.",
      );
    } catch (error) {
      setText(answer, `No answer: ${error.code ?? error.message}`);
    }
    action.disabled = false;
  }

  /** Shows the entry as read, with the task that is bringing it to the chain, if there is one. */
  function update({ entry, task, head, isReachable }) {
    const { value, source, status } = entry;
    const shown = isEntryValue(value)
      ? value
      : { name: "Somebody", text: "(This entry cannot be shown.)", at: 0 };
    setText(name, shown.name);
    setText(avatar, shown.name.slice(0, 1).toUpperCase());
    setText(text, shown.text);
    time.dateTime = new Date(shown.at).toISOString();
    setText(time, timeAgo(shown.at));
    setText(badge, SOURCES[source]);
    badge.title = `This text was read ${SOURCES[source]}.`;
    item.dataset.source = source;

    const progress = progressOf({ entry, task, head, isReachable, finalityDepth });
    if (item.dataset.status !== status && own && item.dataset.status !== undefined) {
      announce(`Your entry “${shown.text.slice(0, 40)}”: ${progress.detail}`);
    }
    item.dataset.status = status;
    steps.hidden = progress.fills === undefined;
    for (const [index, segment] of segments.entries()) {
      const fill = progress.fills?.[index] ?? 1;
      segment.style.setProperty("--fill", fill);
      segment.dataset.state = fill === 1 ? "done" : index === progress.active ? "active" : "ahead";
    }
    steps.setAttribute("aria-valuenow", progress.percent);
    steps.setAttribute("aria-valuetext", progress.detail);
    setText(detail, progress.detail);

    act = status === "blocked" ? () => retry(task.id) : ask;
    setText(action, status === "blocked" ? "Try again" : "Ask the chain");
    action.hidden = status !== "blocked" && status !== "final";
  }

  return { item, update, tick: () => setText(time, timeAgo(Date.parse(time.dateTime))) };
}

/** What the four segments show, which of them is being waited for, and the sentence that says so. */
function progressOf({ entry, task, head, isReachable, finalityDepth }) {
  switch (entry.status) {
    case "backed-up": {
      const next = isReachable ? "Being sent." : "It goes out when the connection is back.";
      return {
        fills: [1, 0, 0, 0],
        active: 1,
        percent: 10,
        detail: `Safe in this browser. ${next}`,
      };
    }
    case "blocked":
      return {
        fills: [1, 0, 0, 0],
        active: 1,
        percent: 10,
        detail: `Safe in this browser, but stuck: ${describeCause(task)}`,
      };
    case "sent":
      return {
        fills: [1, 1, 0, 0],
        active: 2,
        percent: 30,
        detail: "The gateway has it. Waiting for a block.",
      };
    case "included": {
      const block = entry.block?.number ?? task?.block?.number;
      const above = block === undefined || head === undefined ? 0 : Math.max(0, head - block);
      const part = Math.min(above / finalityDepth, 0.99);
      const count = Math.min(above, finalityDepth);
      return {
        fills: [1, 1, 1, part],
        active: 3,
        percent: Math.round(50 + 50 * part),
        detail: `In block ${block}. ${count} of ${finalityDepth} blocks to finality.`,
      };
    }
    default: {
      const block = entry.block?.number;
      return { percent: 100, detail: block === undefined ? "Final." : `Final in block ${block}.` };
    }
  }
}

/** Why a task is blocked or failed, in the words that the gateway used where it used any. */
export function describeCause(task) {
  const cause = task?.cause;
  const words = typeof cause === "object" && cause !== null ? (cause.message ?? cause.code) : cause;
  return words ?? task?.reason ?? "no cause given";
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
