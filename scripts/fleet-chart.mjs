// The chart of docs/fleet.md: the load on the gateway over time, a panel for each run, as an SVG without script or font.

const WIDTH = 960;
const LEFT = 84;
const RIGHT = 20;
const TOP = 92;
const PANEL = 118;
const GAP = 44;
const BOTTOM = 62;
/** Loads are means of so many seconds. */
const SPAN_S = 10;
const MINUTE_S = 60;

const STYLE = `
  svg { --ink: #1f2328; --soft: #59636e; --grid: #d8dee4; --band: #f0e6d2; --load: #0b5cad; --served: #8fc0ee; --mark: #a4262c; --page: #ffffff; }
  @media (prefers-color-scheme: dark) {
    svg { --ink: #e6edf3; --soft: #9aa4af; --grid: #30363d; --band: #33291a; --load: #79b8ff; --served: #1f4f82; --mark: #ff8f8a; --page: #0d1117; }
  }
  text { font: 13px system-ui, sans-serif; fill: var(--ink); }
  .title { font-size: 17px; font-weight: 600; }
  .panel { font-weight: 600; }
  .soft { fill: var(--soft); }
  .end { text-anchor: end; }
  .middle { text-anchor: middle; }
  .grid { stroke: var(--grid); }
  .capacity { stroke: var(--ink); stroke-dasharray: 5 4; }
  .band { fill: var(--band); }
  .served { fill: var(--served); }
  .load { fill: none; stroke: var(--load); stroke-width: 1.8; stroke-linejoin: round; }
  .mark { stroke: var(--mark); stroke-width: 1.8; }
  .mark-text { fill: var(--mark); }`;

/** The chart of runs, which have all the same times. */
export function drawChart(runs) {
  const [{ clients, calmSeconds, backSeconds }] = runs;
  const endS = Math.max(...runs.map((run) => run.offeredBySecond.length));
  const loads = runs.map((run) => means(run.offeredBySecond, run.capacity));
  const most = Math.ceil(Math.max(...loads.flat()) * 2) / 2;
  const height = TOP + runs.length * (PANEL + GAP) - GAP + BOTTOM;
  const x = (second) => LEFT + (second / endS) * (WIDTH - LEFT - RIGHT);
  const frame = { x, endS, most, calmSeconds, backSeconds };
  const panels = runs.map((run, index) =>
    drawPanel(run, loads[index], { ...frame, top: TOP + index * (PANEL + GAP) }),
  );
  const title = `Load on one gateway of ${clients.toLocaleString("en-US")} clients, through an outage of ${(backSeconds - calmSeconds) / MINUTE_S} minutes`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title">
<title id="title">${title}</title>
<style>${STYLE}
</style>
<rect width="${WIDTH}" height="${height}" fill="var(--page)"/>
<text class="title" x="${LEFT}" y="28">${title}</text>
${legend()}
<text class="soft middle" transform="translate(24 ${(TOP + height - BOTTOM) / 2}) rotate(-90)">load, in multiples of the gateway’s capacity</text>
${panels.join("\n")}
${timeAxis(frame, height - BOTTOM)}
</svg>
`;
}

function means(numbers, capacity) {
  const spans = [];
  for (let at = 0; at + SPAN_S <= numbers.length; at += SPAN_S) {
    const sum = numbers.slice(at, at + SPAN_S).reduce((total, number) => total + number, 0);
    spans.push(sum / SPAN_S / capacity);
  }
  return spans;
}

function legend() {
  const y = 53;
  return `<line class="load" x1="${LEFT}" y1="${y - 4}" x2="${LEFT + 26}" y2="${y - 4}"/>
<text x="${LEFT + 34}" y="${y}">requests that arrive (means of ${SPAN_S} s)</text>
<rect class="served" x="${LEFT + 290}" y="${y - 11}" width="26" height="13"/>
<text x="${LEFT + 324}" y="${y}">of them served</text>
<line class="capacity" x1="${LEFT + 445}" y1="${y - 4}" x2="${LEFT + 471}" y2="${y - 4}"/>
<text x="${LEFT + 479}" y="${y}">the gateway’s capacity</text>
<rect class="band" x="${LEFT + 650}" y="${y - 11}" width="26" height="13"/>
<text x="${LEFT + 684}" y="${y}">outage</text>`;
}

function drawPanel(run, load, { x, endS, most, calmSeconds, backSeconds, top }) {
  const bottom = top + PANEL;
  const y = (value) => bottom - (value / most) * PANEL;
  const served = means(run.servedBySecond, run.capacity);
  const steps = (values) =>
    values.map((value, index) => `${x((index + 0.5) * SPAN_S).toFixed(1)},${y(value).toFixed(1)}`);
  const lines = [];
  for (let value = 0; value <= most; value += most > 2 ? 1 : 0.5) {
    const kind = value === 1 ? "capacity" : "grid";
    lines.push(
      `<line class="${kind}" x1="${LEFT}" y1="${y(value)}" x2="${WIDTH - RIGHT}" y2="${y(value)}"/>`,
      `<text class="soft end" x="${LEFT - 8}" y="${y(value) + 4.5}">${value} ×</text>`,
    );
  }
  const ends = `${x((served.length - 0.5) * SPAN_S).toFixed(1)},${bottom}`;
  const area = `${x(SPAN_S / 2).toFixed(1)},${bottom} ${steps(served).join(" ")} ${ends}`;
  const settledS = run.settledSeconds;
  const at = x(Math.min(backSeconds + (settledS ?? endS), endS));
  const mark =
    settledS === undefined
      ? ""
      : `<line class="mark" x1="${at}" y1="${top}" x2="${at}" y2="${bottom}"/>
<text class="mark-text" x="${at + 6}" y="${top + 12}">all settled:</text>
<text class="mark-text" x="${at + 6}" y="${top + 28}">${settledS.toFixed(0)} s</text>
<text class="soft" x="${at + 6}" y="${top + 44}">ideal: ${run.idealSeconds.toFixed(0)} s</text>`;
  return `<text class="panel" x="${LEFT}" y="${top - 9}">${run.title}</text>
<rect class="band" x="${x(calmSeconds)}" y="${top}" width="${x(backSeconds) - x(calmSeconds)}" height="${PANEL}"/>
<polygon class="served" points="${area}"/>
${lines.join("\n")}
<polyline class="load" points="${steps(load).join(" ")}"/>
${mark}`;
}

function timeAxis({ x, endS, backSeconds }, bottom) {
  const ticks = [];
  const first = -Math.floor(backSeconds / MINUTE_S);
  for (let minute = first; backSeconds + minute * MINUTE_S <= endS; minute += 1) {
    const at = x(backSeconds + minute * MINUTE_S);
    ticks.push(`<line class="grid" x1="${at}" y1="${bottom}" x2="${at}" y2="${bottom + 5}"/>`);
    if (minute % 5 === 0) {
      ticks.push(
        `<text class="soft middle" x="${at}" y="${bottom + 21}">${String(minute).replace("-", "−")}</text>`,
      );
    }
  }
  return `${ticks.join("\n")}
<text class="soft middle" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${bottom + 44}">minutes since the gateway is back</text>`;
}
