// Bar charts as SVG, on a logarithmic scale: what is a tenth of something is an inch shorter, however fast both are.

const WIDTH = 760;
const LEFT = 300;
const RIGHT = 110;
const ROW = 26;
const TOP = 54;
const OWN_COLOR = "#c2410c";
const OTHER_COLOR = "#64748b";

/** A chart of `bars`: `{ label, value, isOwn }`. */
export function barChart({ title, unit, bars }) {
  const sorted = bars.toSorted((a, b) => a.value - b.value);
  const values = sorted.map(({ value }) => value);
  const from = 10 ** Math.floor(Math.log10(Math.min(...values)) - 0.001);
  const to = 10 ** Math.ceil(Math.log10(Math.max(...values)) + 0.001);
  const xOf = (value) =>
    LEFT + ((WIDTH - LEFT - RIGHT) * Math.log(value / from)) / Math.log(to / from);
  const bottom = TOP + ROW * sorted.length;
  const height = bottom + 30;

  const ticks = powersOfTen(from, to).flatMap((value) => [
    `<line x1="${fixed(xOf(value))}" y1="${TOP - 8}" x2="${fixed(xOf(value))}" y2="${bottom}" stroke="#e2e8f0"/>`,
    text(xOf(value), bottom + 18, shown(value), { anchor: "middle", color: "#475569" }),
  ]);
  const rows = sorted.flatMap(({ label, value, isOwn }, i) => {
    const y = TOP + ROW * i;
    const color = isOwn ? OWN_COLOR : OTHER_COLOR;
    return [
      text(LEFT - 10, y + 14, label, { anchor: "end", isBold: isOwn }),
      `<rect x="${LEFT}" y="${y}" width="${fixed(xOf(value) - LEFT)}" height="${ROW - 8}" fill="${color}"/>`,
      text(xOf(value) + 8, y + 14, `${shown(value)} ${unit}`, { isBold: isOwn }),
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="13">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    text(16, 26, `${title} (${unit}, logarithmic: shorter is faster)`, { isBold: true }),
    ...ticks,
    ...rows,
    "</svg>",
    "",
  ].join("\n");
}

/** A figure in three digits, without an exponent. */
export function shown(value) {
  if (value >= 100) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(value >= 1 ? 3 : 2)));
}

function powersOfTen(from, to) {
  const count = Math.round(Math.log10(to / from)) + 1;
  return Array.from({ length: count }, (_, i) => from * 10 ** i);
}

function text(x, y, content, { anchor = "start", color = "#0f172a", isBold = false } = {}) {
  const weight = isBold ? ' font-weight="600"' : "";
  return `<text x="${fixed(x)}" y="${y}" text-anchor="${anchor}" fill="${color}"${weight}>${escaped(content)}</text>`;
}

function escaped(content) {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

function fixed(number) {
  return number.toFixed(1);
}
