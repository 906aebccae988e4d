// What this browser holds for the chain: the tasks, the log they are in, who sends, and what happened lately.

import { byId, element, setText } from "./dom.js";
import { byteSize, shortHex } from "./format.js";
import { describeCause, isSettled } from "./progress.js";

const MOST_TASKS = 12;
const MOST_EVENTS = 8;
const STATUS_WORDS = {
  "backed-up": "backed up",
  blocked: "blocked",
  sent: "sent",
  included: "in a block",
  final: "final",
  failed: "failed",
};
const clock = new Intl.DateTimeFormat("en", { timeStyle: "medium", hour12: false });

/** Keeps the panel up to date. Returns `tell(text, kind)`, which adds a line to "What happened". */
export function showBackup({ cache, onError }) {
  let isDue = false;
  /** The database is gone, or a newer page's: there is nothing more to show. */
  let isOver = false;

  cache.addEventListener("status", ({ detail: { task } }) => {
    tell(`${shortHex(task.txId)} ${wordsOf(task)}`, task.reverted ? "failed" : task.status);
  });
  cache.addEventListener("reorg", ({ detail: { from, to } }) =>
    tell(`${from === to ? `block ${to}` : `blocks ${from} to ${to}`} left the chain`, "blocked"),
  );
  cache.addEventListener("storage", ({ detail }) => {
    if (detail.problem === "closed") {
      isOver = true;
      setText(byId("role"), "closed");
      byId("role").dataset.leader = false;
    }
    tell(`storage: ${detail.message ?? detail.problem}`, "failed");
  });
  cache.addEventListener("leader", refresh);
  cache.addEventListener("head", refresh);
  refresh();

  function refresh() {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      if (!isOver) render();
    });
  }

  function render() {
    const stats = cache.stats();
    const tasks = cache.tasks().sort((a, b) => b.createdAt - a.createdAt);
    const unsettled = tasks.filter((task) => !isSettled(task));
    setText(byId("role"), stats.leader ? "this tab sends" : "another tab sends");
    byId("role").dataset.leader = stats.leader;
    setText(byId("unsettled"), `${unsettled.length}`);
    setText(byId("log"), byteSize(stats.log.bytes));
    setText(byId("segments"), `${stats.log.segments}`);
    setText(byId("head"), stats.head === undefined ? "–" : `${stats.head.number}`);
    byId("no-tasks").hidden = tasks.length > 0;
    byId("tasks").replaceChildren(...tasks.slice(0, MOST_TASKS).map(taskRow));
  }

  function taskRow(task) {
    const row = element(
      "tr",
      {},
      element(
        "td",
        {},
        element("code", { title: `${task.key}\n${task.txId}` }, shortHex(task.txId)),
      ),
      element("td", {}, chip(task)),
      element("td", {}, isSettled(task) ? "" : `${task.attempts}`),
      element("td", {}, `${task.size}`),
      element("td", {}, ...actions(task)),
    );
    row.dataset.status = task.status;
    return row;
  }

  function actions(task) {
    switch (task.status) {
      case "failed":
        return [button("Discard", () => cache.discard(task.id))];
      case "blocked":
        return [button("Retry", () => cache.retry(task.id))];
      default:
        return [];
    }
  }

  function button(label, act) {
    const made = element("button", { type: "button", className: "quiet" }, label);
    made.addEventListener("click", async () => {
      try {
        await act();
      } catch (error) {
        onError(`${label} failed`, error);
      }
      refresh();
    });
    return made;
  }

  /** Adds a line to "What happened", the newest on top. */
  function tell(text, kind = "plain") {
    const events = byId("events");
    const line = element(
      "li",
      {},
      element("time", {}, clock.format(Date.now())),
      " ",
      element("span", {}, text),
    );
    line.dataset.kind = kind;
    events.prepend(line);
    while (events.children.length > MOST_EVENTS) events.lastElementChild.remove();
    refresh();
  }

  return { tell };
}

function chip(task) {
  const made = element("span", { className: "chip" }, wordsOf(task));
  made.dataset.status = task.reverted ? "failed" : task.status;
  if (task.status === "failed" || task.status === "blocked") made.title = describeCause(task);
  return made;
}

function wordsOf(task) {
  return task.status === "included" && task.reverted ? "reverted" : STATUS_WORDS[task.status];
}
