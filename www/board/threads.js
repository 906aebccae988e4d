// The threads, as tabs.

import { byId, element, setText } from "../dom.js";

const THREADS = { general: "General", ideas: "Ideas", trouble: "Trouble" };

/** Shows the tabs; `onChosen(thread)` is called for the first one, and whenever another is chosen. */
export function openThreads({ onChosen }) {
  const list = byId("threads");
  const tabs = Object.entries(THREADS).map(([thread, name]) => {
    const tab = element(
      "button",
      { type: "button", className: "pill", role: "tab", "aria-controls": "panel" },
      name,
    );
    tab.addEventListener("click", () => choose(thread));
    return [thread, tab];
  });
  list.append(...tabs.map(([, tab]) => tab));
  list.addEventListener("keydown", ({ key }) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (step === undefined) return;
    const at = tabs.findIndex(([thread]) => thread === chosen);
    const [thread, tab] = tabs.at((at + step) % tabs.length);
    choose(thread);
    tab.focus();
  });
  let chosen;
  const wanted = decodeURIComponent(location.hash.slice(1));
  choose(wanted in THREADS ? wanted : "general");

  function choose(thread) {
    chosen = thread;
    for (const [each, tab] of tabs) {
      tab.setAttribute("aria-selected", `${each === thread}`);
      tab.tabIndex = each === thread ? 0 : -1;
    }
    setText(byId("thread-name"), THREADS[thread]);
    history.replaceState(null, "", `#${thread}`);
    onChosen(thread);
  }

  return { chosen: () => chosen };
}
