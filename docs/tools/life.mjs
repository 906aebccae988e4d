// The diagram of a task's life. Which arrows there are says the core's table; where they run is said here, and the two must
// name the same arrows: else there is no site.
import { escapeHtml } from "./highlight.mjs";
import { statusChanges } from "./table.mjs";

const [WIDTH, HEIGHT] = [960, 470];
const BOX = { width: 124, height: 48 };

/** The middle of each box. */
const PLACES = {
  "backed-up": { x: 112, y: 230, says: "durable here" },
  blocked: { x: 385, y: 62, says: "somebody must act" },
  sent: { x: 385, y: 230, says: "a gateway has it" },
  included: { x: 640, y: 230, says: "in a block" },
  final: { x: 882, y: 230, says: "settled" },
  failed: { x: 385, y: 410, says: "settled" },
  gone: { x: 640, y: 410, says: "forgotten" },
};

/** How an arrow runs, what it is called, and where that stands; `end` is the label's side that is held. */
const ARROWS = {
  "backed-up → sent": { path: "M174 230 H317", label: ["accepted", 246, 222] },
  "sent → included": { path: "M447 230 H572", label: ["in a block", 510, 222] },
  "included → final": { path: "M702 230 H814", label: ["block final", 758, 222] },
  "backed-up → included": {
    path: "M150 206 C240 120 530 120 602 201",
    label: ["in a block", 262, 146],
  },
  "backed-up → blocked": { path: "M120 206 C140 110 230 70 317 66", label: ["stopped", 205, 82] },
  "blocked → backed-up": { path: "M323 50 C200 46 102 96 96 200", label: ["retry", 152, 66] },
  "blocked → sent": { path: "M405 86 V200", label: ["has it", 412, 118, "start"] },
  "sent → blocked": { path: "M367 206 V92", label: ["stopped", 360, 190, "end"] },
  "blocked → included": {
    path: "M447 74 C540 84 620 130 636 200",
    label: ["in a block", 604, 118],
  },
  "included → blocked": { path: "M664 206 C660 90 560 50 453 50", label: ["rival", 640, 84] },
  "included → sent": { path: "M594 254 C560 284 470 284 432 259", label: ["reorg", 512, 270] },
  "final → sent": {
    path: "M870 254 C830 336 500 336 414 259",
    label: ["reorg past finality", 740, 316],
  },
  "backed-up → failed": {
    path: "M130 254 C150 350 230 396 317 404",
    label: ["cancelled", 172, 346],
  },
  "sent → failed": { path: "M385 254 V380", label: ["refused for good", 378, 344, "end"] },
  "included → failed": {
    path: "M650 254 C650 340 560 380 453 400",
    label: ["reverted, final", 566, 384, "start"],
  },
  "blocked → failed": {
    path: "M323 40 H60 Q22 40 22 78 V372 Q22 418 68 418 H317",
    label: ["cancelled, or its nonce is taken", 60, 436, "start"],
  },
  "failed → gone": { path: "M447 416 H572", label: ["discard", 510, 434] },
};

/** What each event of the table is, in a sentence. */
const EVENTS = {
  sign: "its signer is asked",
  signed: "its signer made the transaction",
  "speed up": "`replace` adds a transaction that pays more",
  displace: "`cancel` with a payload",
  broadcast: "its wallet sent it by itself",
  "not sent": "its wallet did not send it, as was found out",
  start: "the first send begins",
  accept: "a gateway has it",
  block: "a gateway or signer refuses it, and somebody can mend that",
  "block*": "the same, and the chain may have it all the same",
  retry: "`retry`",
  "retry*": "`retry`, though a wallet may have sent it",
  include: "a block holds it",
  rival: "a block holds another transaction of its nonce",
  outrun: "another transaction took its nonce for good, and nobody knows which",
  reorg: "the block that held it left the chain",
  finalize: "the block that holds it, or its rival, is final",
  reject: "a gateway refuses it for good, and no other can have it",
  cancel: "`cancel`, before it was sent",
  discard: "`discard`",
  "dependency failed": "a task that it was to come after failed",
  "dependency final": "a task that it was to come after is final",
};

/** The figure: an SVG, and below it the same as a table for whoever reads that better. */
export function lifeFigure() {
  const changes = statusChanges();
  const names = changes.map(({ from, to }) => `${from} → ${to}`);
  compare(names, Object.keys(ARROWS), "the diagram's arrows are not those of the table");
  const arrows = changes.map(arrow).join("\n");
  return `<figure class="life">
<div class="scroll" tabindex="0" role="group" aria-label="Diagram">
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="life-title">
<title id="life-title">A task's life: the six statuses, and what leads from one to another. The table below says the same.</title>
<defs>
<marker id="tip" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0 L10 5 L0 10 z"/></marker>
</defs>
<path class="begin" d="M112 290 V262" marker-end="url(#tip)"/>
<text class="begin-text" x="112" y="308" text-anchor="middle">submit</text>
${arrows}
${Object.entries(PLACES).map(box).join("\n")}
</svg>
</div>
<figcaption>A task's life. Made from the table of transitions in <code>src/task/state.rs</code>.</figcaption>
</figure>`;
}

/** Each arrow in words, as Markdown. */
export function lifeTable() {
  const used = statusChanges().flatMap(({ events }) => events);
  const unknown = used.filter((event) => !(event in EVENTS));
  if (unknown.length > 0) throw new Error(`nobody says what these events are: ${unknown}`);
  const rows = statusChanges().map(
    ({ from, to, events }) =>
      `| \`${from}\` | ${to === "gone" ? "gone" : `\`${to}\``} | ${events.map((event) => EVENTS[event]).join("; ")} |`,
  );
  return ["| from | to | when |", "| --- | --- | --- |", ...rows].join("\n");
}

function arrow({ from, to, events }) {
  const { path, label } = ARROWS[`${from} → ${to}`];
  const [text, x, y, anchor = "middle"] = label;
  const names = `data-from="${from}" data-to="${to}" data-events="${escapeHtml(events.join(", "))}"`;
  return `<g class="arrow to-${to}" ${names}><path d="${path}" marker-end="url(#tip)"/><text x="${x}" y="${y}" text-anchor="${anchor}">${text}</text></g>`;
}

function box([name, { x, y, says }]) {
  const [left, top] = [x - BOX.width / 2, y - BOX.height / 2];
  return `<g class="state is-${name}"><rect x="${left}" y="${top}" width="${BOX.width}" height="${BOX.height}" rx="12"/><text class="name" x="${x}" y="${y - 2}" text-anchor="middle">${name}</text><text class="says" x="${x}" y="${y + 15}" text-anchor="middle">${says}</text></g>`;
}

function compare(actual, expected, what) {
  const missing = expected.filter((name) => !actual.includes(name));
  const more = actual.filter((name) => !expected.includes(name));
  if (missing.length + more.length === 0) return;
  throw new Error(`${what}: not there ${missing.join(", ") || "-"}; new ${more.join(", ") || "-"}`);
}
