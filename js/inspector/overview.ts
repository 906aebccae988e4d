// The cache as a whole: who sends, the chain's end, what the store holds, how the gateways fare.
import type { GatewayState } from "../../build/uplink_cache.js";
import { make, setAttribute, setText } from "./dom.js";
import { bytes, count, duration } from "./format.js";
import type { Model } from "./model.js";

const GATEWAY_WORDS: Readonly<Record<GatewayState, string>> = {
  unchecked: "not asked yet",
  checking: "being checked",
  up: "up",
  limited: "asks for patience",
  open: "rests after faults",
  wrong_chain: "another chain",
  syncing: "still syncing",
};
const FIGURES = ["Newest block", "Final up to", "Log", "Settled values", "This origin", "Requests"];
const MIB = 1_048_576;

export class Overview {
  readonly node: HTMLElement;
  readonly #figures = FIGURES.map(() => make("dd", {}, "–"));
  readonly #gateways = make("ul", { class: "gateways" });
  #shown = "";

  constructor() {
    const figures = make("dl", { class: "numbers" });
    for (const [i, name] of FIGURES.entries()) {
      figures.append(make("div", {}, make("dt", {}, name), this.#figures[i] ?? ""));
    }
    this.node = make("div", { class: "overview" }, figures, this.#gateways);
  }

  show({ stats, estimate }: Model): void {
    if (stats === undefined) return;
    const { log, values, head, finalHeight, requests, persisted } = stats;
    const { usage, quota } = estimate ?? {};
    const isLarge = quota !== undefined && usage !== undefined;
    const origin = isLarge ? `${share(usage, quota)} / ${bytes(quota)}` : "–";
    const texts = [
      head === undefined ? "–" : count(head.number),
      finalHeight === undefined ? "–" : count(finalHeight),
      `${bytes(log.bytes)} in ${count(log.segments)}`,
      bytes(values.bytes),
      origin,
      count(requests),
    ];
    for (const [i, text] of texts.entries()) {
      const node = this.#figures[i];
      if (node !== undefined) setText(node, text);
    }
    const kept = persisted
      ? "The browser keeps it."
      : "The browser may delete it when space is short.";
    const used = usage === undefined ? "" : `${bytes(usage)} used. ${kept}`;
    setAttribute(this.#figures[4] ?? this.node, "title", used);
    this.#showGateways(stats.gateways);
  }

  #showGateways(gateways: NonNullable<Model["stats"]>["gateways"]): void {
    const shown = JSON.stringify(gateways);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#gateways.replaceChildren(
      ...gateways.map(({ url, state, latencyMs, failures, head }) => {
        const facts = [
          GATEWAY_WORDS[state],
          latencyMs === undefined ? "" : duration(latencyMs),
          failures === 0 ? "" : `${count(failures)} ${failures === 1 ? "failure" : "failures"}`,
          head === undefined ? "" : `block ${count(head)}`,
        ];
        return make(
          "li",
          { "data-state": state },
          make(
            "p",
            {},
            make("span", { class: "url" }, url),
            make("span", { class: "fares" }, facts.filter(Boolean).join(" · ")),
          ),
        );
      }),
    );
  }
}

function share(usage: number, quota: number): string {
  if (usage < MIB && quota > 100 * MIB) return bytes(usage);
  return `${((100 * usage) / quota).toFixed(1)} %`;
}
