// Errors, each with its code, until somebody dismisses them.

import { UplinkError } from "uplink-cache";
import { byId, element } from "./dom.js";

const MOST_AT_ONCE = 3;

/** Shows an error where everybody sees it; `title` says what was being done. */
export function showError(title, error) {
  const code = error instanceof UplinkError ? error.code : error.name;
  show({ kind: "error", title, code, text: error.message });
}

export function showNotice(title, text) {
  show({ kind: "notice", title, text });
}

/** Says why this page cannot go on, and offers the one thing that helps. */
export function showLost(title, { code, message }) {
  const reload = element("button", { type: "button" }, "Load the page anew");
  reload.addEventListener("click", () => location.reload());
  show({ kind: "error", title, code, text: message, action: reload });
}

function show({ kind, title, code, text, action }) {
  const dismiss = element(
    "button",
    { type: "button", className: "dismiss", "aria-label": "Dismiss" },
    "×",
  );
  const notice = element(
    "div",
    { className: `notice ${kind}`, role: kind === "error" ? "alert" : "status" },
    element(
      "p",
      {},
      element("strong", {}, title),
      ...(code ? [" ", element("code", {}, code)] : []),
    ),
    element("p", {}, text),
    ...(action ? [action] : []),
    dismiss,
  );
  dismiss.addEventListener("click", () => notice.remove());
  const notices = byId("notices");
  notices.prepend(notice);
  while (notices.children.length > MOST_AT_ONCE) notices.lastElementChild.remove();
}
