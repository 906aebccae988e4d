// How far an entry is on its way to finality: four segments, and a sentence.

import { element } from "./dom.js";

const STEPS = ["Backed up", "Sent", "In a block", "Final"];

/** The segments: `node`, and `show(progress)` with what `progressOf` returned. */
export function progressBar() {
  const segments = STEPS.map((step) =>
    element("div", {}, element("span", { className: "fill" }), element("span", {}, step)),
  );
  const attributes = {
    className: "steps",
    role: "progressbar",
    "aria-label": "Progress to finality",
  };
  const node = element("div", attributes, ...segments);

  function show({ done, part = 0, isStuck = false, sentence }) {
    node.hidden = done === STEPS.length;
    for (const [index, segment] of segments.entries()) {
      segment.dataset.state =
        index < done ? "done" : index === done && !isStuck ? "active" : "ahead";
      segment.style.setProperty("--fill", index < done ? 1 : index === done ? part : 0);
    }
    node.setAttribute("aria-valuenow", Math.round((100 * (done + part)) / STEPS.length));
    node.setAttribute("aria-valuetext", sentence);
  }

  return { node, show };
}

/**
 * Of an entry as read: how many segments are `done`, which `part` of the next one, whether it `isStuck` there, and a
 * `sentence` for people.
 * `head` is the height of the chain as far as known.
 */
export function progressOf({ entry, task, head, isReachable, finalityDepth }) {
  const block = entry.block?.number;
  if (task === undefined || entry.status === "final") {
    const verb = entry.status === "final" ? "Final in" : "Read at";
    return { done: STEPS.length, sentence: `${verb} block ${block}.` };
  }
  switch (entry.status) {
    case "blocked":
      return {
        done: 1,
        isStuck: true,
        sentence: `Safe in this browser, but stuck: ${describeCause(task)}.`,
      };
    case "sent":
      return { done: 2, sentence: "The gateway has it. Waiting for a block." };
    case "included": {
      const above = Math.min(Math.max(0, (head ?? block) - block), finalityDepth);
      return {
        done: 3,
        // The chain's word makes it final, not our count.
        part: Math.min(above / finalityDepth, 0.97),
        sentence: `In block ${block}. ${above} of ${finalityDepth} blocks to finality.`,
      };
    }
    default:
      return {
        done: 1,
        sentence: isReachable
          ? "Safe in this browser. On its way to the gateway."
          : "Safe in this browser. It goes out when the connection is back.",
      };
  }
}

/** Whether nothing more will happen to a task. */
export function isSettled(task) {
  return task.status === "final" || task.status === "failed";
}

/** Why a task is blocked or failed, in the gateway's words where there are any. */
export function describeCause({ reason, cause }) {
  return cause || reason;
}
