// The chart: on a logarithmic axis how long tasks took from their submission, a lane for each point of their way.
import type { Quantiles } from "../histogram.js";
import { draw, make, setAttribute, setText } from "./dom.js";
import { count, duration, STATUS_WORDS } from "./format.js";
import type { Model, Times } from "./model.js";

const FIRST_MS = 1;
const LAST_MS = 3_600_000;
const TICKS = [
  [1, "1 ms"],
  [10, "10 ms"],
  [100, "0.1 s"],
  [1_000, "1 s"],
  [10_000, "10 s"],
  [60_000, "1 min"],
  [600_000, "10 min"],
  [3_600_000, ""],
] as const;
const LANES = [
  ["backed-up", "backupMs"],
  ["sent", "sentMs"],
  ["included", "includedMs"],
  ["final", "finalMs"],
] as const;
/** In the middle of a lane, in pixels from its top, and how far dots stand off it, so that equal ones are seen. */
const MIDDLE = 16;
const OFFSETS = [0, -4, 4, -2, 2, -6, 6];

interface Lane {
  name: keyof Times;
  times: (typeof LANES)[number][1];
  svg: SVGElement;
  range: SVGElement;
  median: SVGElement;
  dots: SVGElement[];
  words: HTMLElement;
  shown: string;
}

export class Chart {
  readonly node: HTMLElement;
  readonly #lanes: Lane[];

  constructor() {
    this.#lanes = LANES.map(([name, times]) => {
      const svg = draw("svg", { class: "lane", role: "img", "aria-label": "" });
      for (const [ms] of TICKS) {
        svg.append(draw("line", { class: "grid", x1: at(ms), x2: at(ms), y1: "0", y2: "100%" }));
      }
      const range = draw("line", { class: "range", y1: `${MIDDLE}`, y2: `${MIDDLE}` });
      const median = draw("line", { class: "median", y1: "4", y2: `${2 * MIDDLE - 4}` });
      svg.append(range, median);
      setAttribute(svg, "data-status", name);
      const words = make("span", { class: "figures" });
      return { name, times, svg, range, median, dots: [], words, shown: "" };
    });
    const axis = draw("svg", { class: "axis", "aria-hidden": "true" });
    for (const [i, [ms, words]] of TICKS.entries()) {
      const label = draw("text", { x: at(ms), y: "12", "text-anchor": "middle" });
      setAttribute(label, "class", i % 2 === 0 ? "major" : "minor");
      label.textContent = words;
      axis.append(label);
    }
    this.node = make(
      "div",
      { class: "chart" },
      ...this.#lanes.flatMap(({ name, svg, words }) => [
        make("span", { class: "lane-name", "data-status": name }, STATUS_WORDS[name]),
        words,
        svg,
      ]),
      axis,
    );
  }

  show({ metrics, times }: Model): void {
    for (const lane of this.#lanes) {
      const quantiles = metrics?.[lane.times];
      const recent = times[lane.name];
      const shown = JSON.stringify([quantiles, recent]);
      if (shown === lane.shown || quantiles === undefined) continue;
      lane.shown = shown;
      showRange(lane, quantiles);
      showDots(lane, recent);
    }
  }
}

function showRange(lane: Lane, { count: many, p50, p90, p99, max }: Quantiles): void {
  const isThere = many > 0 ? "visible" : "hidden";
  for (const line of [lane.range, lane.median]) setAttribute(line, "visibility", isThere);
  setAttribute(lane.range, "x1", at(p50));
  setAttribute(lane.range, "x2", at(p99));
  for (const name of ["x1", "x2"]) setAttribute(lane.median, name, at(p50));
  const words = many > 0 ? `${duration(p50)} · ${duration(p99)}` : "–";
  setText(lane.words, words);
  const tasks = `${count(many)} ${many === 1 ? "task" : "tasks"}`;
  const all = `half within ${duration(p50)}, nine of ten within ${duration(p90)}, at most ${duration(max)}`;
  setAttribute(
    lane.svg,
    "aria-label",
    `${STATUS_WORDS[lane.name]}: ${many > 0 ? `${tasks}, ${all}` : "nothing yet"}`,
  );
  setAttribute(lane.words, "title", many > 0 ? `${tasks}: ${all}` : undefined);
}

function showDots(lane: Lane, recent: readonly number[]): void {
  while (lane.dots.length > recent.length) lane.dots.pop()?.remove();
  while (lane.dots.length < recent.length) {
    const offset = OFFSETS[lane.dots.length % OFFSETS.length] ?? 0;
    const dot = draw("circle", { class: "dot", r: "3", cy: `${MIDDLE + offset}` });
    lane.dots.push(dot);
    lane.svg.append(dot);
  }
  for (const [i, ms] of recent.entries()) {
    const dot = lane.dots[i];
    if (dot !== undefined) setAttribute(dot, "cx", at(ms));
  }
}

/** Where on the axis, with room for a dot at both ends. */
function at(ms: number): string {
  const known = Math.min(Math.max(ms, FIRST_MS), LAST_MS);
  const share = Math.log(known / FIRST_MS) / Math.log(LAST_MS / FIRST_MS);
  return `${(1.5 + 97 * share).toFixed(2)}%`;
}
