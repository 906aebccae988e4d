// The inspector's looks, for a constructed style sheet: a page whose policy forbids inline styles takes it.

export const CSS = `
:host {
  --paper: light-dark(#fbfaf7, #14161b);
  --card: light-dark(#ffffff, #1b1e25);
  --sunken: light-dark(#f1efe8, #22262f);
  --line: light-dark(#e2ddd0, #2f343f);
  --edge: light-dark(#8d8a80, #6b7282);
  --ink: light-dark(#1e2430, #e9eaee);
  --soft: light-dark(#5a6170, #a6acba);
  --accent: light-dark(#2f5bd7, #8fadff);
  --backed-up: light-dark(#8a5a00, #f0b95a);
  --sent: light-dark(#2f5bd7, #8fadff);
  --included: light-dark(#6a45c4, #b79cff);
  --final: light-dark(#1b7350, #5fcf9d);
  --failed: light-dark(#b3302f, #ff8f88);
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", Arial, sans-serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  color-scheme: light dark;
  container-type: inline-size;
  display: block;
}
:host([hidden]), [hidden] { display: none !important; }
*, *::before { box-sizing: border-box; }
.inspector {
  display: grid;
  gap: 0.9rem;
  padding: 1rem;
  border: 1px solid var(--line);
  border-radius: 14px;
  background: var(--paper);
  color: var(--ink);
  font: 0.9rem / 1.45 var(--sans);
  font-variant-numeric: tabular-nums;
  text-align: start;
}
h2, h3, h4, p, dl, dd, ol, ul { margin: 0; padding: 0; }
ol, ul { list-style: none; }
h2 { font: 650 1.02rem / 1.3 var(--sans); letter-spacing: -0.01em; }
h3, h4 { color: var(--soft); font: 600 0.78rem / 1.3 var(--sans); }
h4 { margin-bottom: 0.45rem; }
.unseen {
  position: absolute;
  width: 1px;
  height: 1px;
  overflow: hidden;
  clip-path: inset(50%);
  white-space: nowrap;
}
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }

/* What is pressed */
button, input { color: inherit; font: inherit; }
button {
  padding: 0.3rem 0.7rem;
  border: 1px solid var(--line);
  border-radius: 8px;
  background: var(--card);
  font-size: 0.84rem;
  font-weight: 600;
  cursor: pointer;
}
button:hover { border-color: var(--edge); }
button[aria-disabled] { opacity: 0.5; cursor: not-allowed; }
button[aria-disabled]:hover { border-color: var(--line); }
input {
  padding: 0.34rem 0.7rem;
  border: 1px solid var(--edge);
  border-radius: 8px;
  background: var(--card);
}
::placeholder { color: var(--soft); opacity: 1; }

/* The head */
header { display: flex; flex-wrap: wrap; gap: 0.4rem 0.7rem; align-items: center; }
.role, .chain { color: var(--soft); font-size: 0.82rem; }
.role {
  display: inline-flex;
  gap: 0.4rem;
  align-items: center;
  padding: 0.08rem 0.6rem;
  border-radius: 99px;
  background: var(--sunken);
}
.role::before { width: 0.45rem; height: 0.45rem; border-radius: 50%; background: var(--soft); content: ""; }
.role[data-kind="leader"]::before { background: var(--final); }
.role[data-kind="closed"]::before { background: var(--failed); }
.export { margin-inline-start: auto; }
.trouble {
  padding: 0.55rem 0.8rem;
  border: 1px solid color-mix(in oklab, var(--failed) 45%, var(--card));
  border-radius: 9px;
  background: color-mix(in oklab, var(--failed) 7%, var(--card));
  overflow-wrap: anywhere;
}

/* The cache, and the chart */
.top { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1.25fr); gap: 0.9rem; }
.card {
  display: flex;
  flex-direction: column;
  gap: 0.7rem;
  padding: 0.85rem 1rem;
  border: 1px solid var(--line);
  border-radius: 11px;
  background: var(--card);
}
.waiting :is(.top, .filters, .export, table) { display: none; }
.overview { display: flex; flex: 1; flex-direction: column; gap: 0.8rem; justify-content: space-between; }
.numbers { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 0.7rem 0.8rem; }
dt { color: var(--soft); font-size: 0.76rem; }
.numbers dd { font-weight: 620; overflow-wrap: anywhere; }
.gateways { display: grid; gap: 0.35rem; padding-top: 0.65rem; border-top: 1px solid var(--line); font-size: 0.82rem; }
.gateways li { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 0 0.6rem; align-items: baseline; }
.gateways p { display: flex; flex-wrap: wrap; gap: 0 0.6rem; }
.gateways li::before { width: 0.5rem; height: 0.5rem; border-radius: 50%; background: var(--backed-up); content: ""; }
.gateways [data-state="up"]::before { background: var(--final); }
.gateways :is([data-state="open"], [data-state="wrong_chain"])::before { background: var(--failed); }
.url { min-width: 0; overflow-wrap: anywhere; }
.fares { color: var(--soft); }
.chart { display: grid; grid-auto-flow: row dense; grid-template-columns: auto minmax(0, 1fr) auto; gap: 0 0.7rem; align-items: center; font-size: 0.8rem; }
.lane-name::before, .state::before, .states button::before {
  display: inline-block;
  width: 0.5rem;
  height: 0.5rem;
  margin-inline-end: 0.42rem;
  border-radius: 50%;
  background: var(--tone, var(--soft));
  content: "";
}
[data-status="backed-up"] { --tone: var(--backed-up); }
[data-status="sent"] { --tone: var(--sent); }
[data-status="included"] { --tone: var(--included); }
[data-status="final"] { --tone: var(--final); }
:is([data-status="failed"], [data-status="blocked"]) { --tone: var(--failed); }
.figures { grid-column: 3; min-width: 8.4em; color: var(--soft); text-align: end; white-space: nowrap; }
svg { display: block; width: 100%; }
.lane { height: 32px; }
.lane, .axis { grid-column: 2; }
.axis { height: 17px; margin-top: 0.15rem; overflow: visible; }
h3:has(.legend) { display: flex; flex-wrap: wrap; justify-content: space-between; }
.legend { font-weight: 400; }
.axis text { fill: var(--soft); font-size: 11px; }
.grid { stroke: var(--line); }
.range { stroke: var(--tone); stroke-linecap: round; stroke-opacity: 0.22; stroke-width: 14; }
.median { stroke: var(--tone); stroke-linecap: round; stroke-width: 3; }
.dot { fill: var(--tone); fill-opacity: 0.5; }

/* The filter, and the tasks */
.filters { display: flex; flex-wrap: wrap; gap: 0.6rem; align-items: center; }
.states { display: flex; flex-wrap: wrap; gap: 0.35rem; }
.states button { padding: 0.22rem 0.65rem; border-radius: 99px; font-weight: 500; }
.states [data-status="all"]::before { display: none; }
.states button[aria-pressed="true"] { border-color: var(--ink); background: var(--ink); color: var(--paper); }
.many { margin-inline-start: 0.4rem; color: var(--soft); }
[aria-pressed="true"] .many { color: inherit; }
input[type="search"] { flex: 1 1 11rem; min-width: 0; margin-inline-start: auto; }
.tasks { display: grid; gap: 0.6rem; }
table { width: 100%; border-collapse: collapse; }
thead th { padding: 0 0.6rem 0.35rem; color: var(--soft); font-size: 0.76rem; font-weight: 500; text-align: start; }
tbody th, td { padding: 0; border-top: 1px solid var(--line); font-weight: inherit; text-align: start; }
td:not(:first-child) { padding-inline: 0.6rem; }
:is(.Tries, .Size, .Age) { width: 1%; text-align: end; white-space: nowrap; }
td:is(.Tries, .Size, .Age) { color: var(--soft); }
.State { width: 1%; white-space: nowrap; }
tbody tr:not(.details):hover { background: color-mix(in oklab, var(--accent) 5%, transparent); }
tr[data-open], tr[data-open] + tr.details { background: var(--card); }
.words { display: flex; flex-wrap: wrap; gap: 0 0.7rem; align-items: baseline; min-width: 0; }
.name {
  display: grid;
  grid-template-columns: auto minmax(0, 1fr);
  gap: 0 0.7rem;
  align-items: baseline;
  width: 100%;
  padding: 0.42rem 0.6rem;
  border: 0;
  border-radius: 6px;
  background: none;
  font-size: 0.88rem;
  font-weight: 500;
  text-align: start;
}
.name:focus-visible { outline-offset: -2px; }
.name::before { width: 0.42rem; height: 0.42rem; border: solid var(--soft); border-width: 0 2px 2px 0; content: ""; rotate: -45deg; translate: 0 -0.08rem; }
.name[aria-expanded="true"]::before { rotate: 45deg; }
.key, .hash, dd, .note, .cause { unicode-bidi: isolate; overflow-wrap: anywhere; }
.key { flex: 0 1 auto; min-width: 0; }
.hash { color: var(--soft); font: 0.92em var(--mono); }
.state { color: var(--tone, inherit); font-size: 0.86rem; font-weight: 600; }
.empty { padding: 1.6rem 0; color: var(--soft); text-align: center; }
.pager { display: flex; gap: 0.5rem; align-items: center; }
.place { margin-inline-end: auto; color: var(--soft); font-size: 0.82rem; }

/* One task */
.details td { border-top: 0; }
.details-box { display: grid; gap: 0.9rem; padding: 0.3rem 0.6rem 1rem 1.6rem; }
.columns { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1.65fr); gap: 1rem 2rem; }
.cause { padding: 0.45rem 0.7rem; border-radius: 8px; background: color-mix(in oklab, var(--failed) 9%, transparent); color: var(--failed); font-size: 0.86rem; }
.facts { display: grid; gap: 0.28rem; font-size: 0.82rem; }
.facts div { display: grid; grid-template-columns: 8.5rem minmax(0, 1fr); gap: 0.6rem; }
.facts dt { font-size: inherit; }
.facts dd { font-family: var(--mono); font-size: 0.92em; }
.story li {
  position: relative;
  display: grid;
  grid-template-columns: 5rem minmax(0, 1fr);
  gap: 0 0.7rem;
  padding: 0 0 0.65rem 1.1rem;
  font-size: 0.84rem;
}
.story li::before { position: absolute; top: 0.32rem; left: 0; width: 0.6rem; height: 0.6rem; border-radius: 50%; background: var(--tone, var(--edge)); content: ""; }
.story li:not(:last-child)::after { position: absolute; top: 1.05rem; bottom: -0.2rem; left: 0.25rem; width: 2px; border-radius: 1px; background: var(--line); content: ""; }
.story .when { color: var(--soft); white-space: nowrap; }
.story .what { font-weight: 600; }
.story .note { grid-column: 2; color: var(--soft); font-size: 0.94em; }
.act-row { display: flex; flex-wrap: wrap; gap: 0.5rem 0.9rem; align-items: center; }
.acts { display: flex; gap: 0.4rem; }
.discard:not([aria-disabled]), .cancel:not([aria-disabled]) { color: var(--failed); }
.message { min-width: 0; color: var(--soft); font-size: 0.84rem; overflow-wrap: anywhere; }
.message[data-error] { color: var(--failed); }

@container (max-width: 46rem) {
  .top, .columns { grid-template-columns: minmax(0, 1fr); }
}
@container (max-width: 30rem) {
  .inspector { padding: 0.75rem; }
  .card { padding: 0.75rem; }
  .numbers { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .minor, :is(.Tries, .Size) { display: none; }
  .chart { grid-template-columns: minmax(0, 1fr) auto; }
  .lane, .axis { grid-column: 1 / -1; }
  .figures { grid-column: 2; }
  .name, thead th, td:not(:first-child) { padding-inline: 0.35rem; }
  .details-box { padding-inline: 0.35rem; }
  .facts div { grid-template-columns: minmax(0, 1fr); gap: 0; }
}
@media (prefers-reduced-motion: no-preference) {
  .name::before { transition: rotate 0.15s; }
  button, tbody tr { transition: background 0.15s, border-color 0.15s; }
  .dot { transition: cx 0.3s ease-out; }
}
`;
