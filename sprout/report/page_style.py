"""The style sheet of the HTML report: light, dark (on screens alone) and print."""

STYLE = """
:root {
  --page: #f6f8f5; --surface: #ffffff; --ink: #16201a; --muted: #5a675f; --line: #dde4de;
  --accent: #1c7a4a; --l0: #9aa69f; --l1: #63b588; --l2: #1c7a4a; --l3: #d09a2d; --l4: #3f7fae;
  --l5: #8a63ad; --intensity: #35649c; --operational: #c8692a; --embodied: #ecbf7d;
  --ghost: #16201a24; --sure: #1c7a4a; --sure-bg: #e3f3e9; --unsure: #8a5a00;
  --unsure-bg: #fdf0d3;
  --plain-bg: #eceff0; --plain: #44535a;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #0f1411; --surface: #171e1a; --ink: #e7eee9; --muted: #9caba2;
    --line: #2a352f; --accent: #66cf98; --l0: #6f7c75; --l1: #4fae7c; --l2: #a5e8c3;
  --l3: #e0b45a;
    --l4: #6fb0dd; --l5: #b797d6; --intensity: #8db6ea; --operational: #e08a4b;
  --embodied: #8a6a3a;
    --ghost: #e7eee92e; --sure: #8fe0b3; --sure-bg: #173425; --unsure: #f0c674;
  --unsure-bg: #3a2d10;
    --plain-bg: #26302b; --plain: #b8c6be;
  }
}
* { box-sizing: border-box; }
html { color-scheme: light dark; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
header, main, footer { max-width: 1040px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 40px; padding-bottom: 8px; }
h1 { font-size: 30px; line-height: 1.2; margin: 2px 0 6px; letter-spacing: -0.01em; }
h2 { font-size: 20px; margin: 0 0 4px; }
h3 { font-size: 16px; margin: 24px 0 8px; }
p { margin: 0 0 12px; }
.eyebrow { margin: 0; color: var(--accent); font-weight: 650; letter-spacing: 0.02em; }
.quiet { color: var(--muted); }
.skip { position: absolute; left: -9999px; }
.skip:focus { left: 16px; top: 12px; background: var(--surface); padding: 8px 14px; z-index: 2; }
a { color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
nav ul { display: flex; flex-wrap: wrap; gap: 4px 18px; list-style: none; padding: 0;
  margin: 10px 0 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(290px, 1fr)); gap: 14px;
  margin: 18px 0; }
.tile { background: var(--surface); border: 1px solid var(--line); border-radius: 12px;
  padding: 14px 16px; }
.tile dt { color: var(--muted); font-size: 14px; }
.tile dd { margin: 0; }
.tile .big { font-size: 26px; font-weight: 650; line-height: 1.25; letter-spacing: -0.01em; }
.tile .more { font-size: 14px; color: var(--muted); }
section { background: var(--surface); border: 1px solid var(--line); border-radius: 12px;
  padding: 20px 22px; margin: 18px 0; }
.notes { border-left: 5px solid var(--unsure); }
.notes ul { margin: 6px 0 0; padding-left: 20px; }
figure { margin: 14px 0 0; }
figcaption { font-weight: 600; margin-bottom: 2px; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; padding: 0; margin: 0 0 4px;
  list-style: none;
  font-size: 14px; color: var(--muted); }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 3px;
  margin-right: 6px; }
.chart { display: block; width: 100%; height: auto; overflow: visible; }
.chart text { font-size: 12.5px; fill: var(--muted); font-variant-numeric: tabular-nums; }
.tick, .name { text-anchor: end; }
.chart .time { text-anchor: middle; }
.chart .name, .chart .value { fill: var(--ink); font-size: 14px; }
.grid { stroke: var(--line); stroke-width: 1; }
.axis { stroke: var(--muted); stroke-width: 1; opacity: 0.6; }
.line { fill: none; stroke: var(--intensity); stroke-width: 2; stroke-linejoin: round; }
.dot circle { fill: var(--intensity); }
.place { fill: transparent; }
.dot:hover .place { fill: var(--ghost); }
.chart rect:hover { filter: brightness(1.15) saturate(1.2); }
.l0 { fill: var(--l0); background: var(--l0); } .l1 { fill: var(--l1); background: var(--l1); }
.l2 { fill: var(--l2); background: var(--l2); } .l3 { fill: var(--l3); background: var(--l3); }
.l4 { fill: var(--l4); background: var(--l4); } .l5 { fill: var(--l5); background: var(--l5); }
.thread { fill: var(--surface); opacity: 0.8; } .over { pointer-events: none; }
.v0 { background-image: repeating-linear-gradient(45deg, transparent 0 3px, var(--surface) 3px 5px);
} .v1 { background-image: radial-gradient(var(--surface) 1.4px, transparent 1.6px);
  background-size: 5px 5px; }
.v2 { background-image: repeating-linear-gradient(transparent 0 3px, var(--surface) 3px 5px); }
.operational { fill: var(--operational); background: var(--operational); }
.embodied { fill: var(--embodied); background: var(--embodied); }
.ghost { fill: var(--ghost); background: var(--ghost); }
.saved { fill: var(--accent); }
.whisker { stroke: var(--ink); stroke-width: 1.6; fill: none; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.mark { display: inline-block; white-space: nowrap; font-size: 12.5px; line-height: 1.3;
  padding: 2px 8px;
  border-radius: 99px;
  margin: 2px 4px 2px 0; background: var(--plain-bg); color: var(--plain); }
.mark.sure { background: var(--sure-bg); color: var(--sure); }
.mark.unsure { background: var(--unsure-bg); color: var(--unsure); }
.scroll { overflow-x: auto; max-height: 70vh; }
table { border-collapse: collapse; width: 100%; font-size: 14.5px;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 4px 0; }
th, td { text-align: right; padding: 6px 8px; border-bottom: 1px solid var(--line);
  vertical-align: top;
  white-space: nowrap; }
th { color: var(--muted); font-weight: 600; }
th:first-child, td:first-child, .words td, .words th { text-align: left; }
.words td { white-space: normal; }
.mini { display: flex; width: 110px; height: 12px; border-radius: 3px; overflow: hidden;
  margin: 5px 0 0 auto; gap: 1px; }
.mini i { min-width: 2px; }
.words .mark:first-of-type { margin-left: 8px; }
tbody th { color: var(--ink); font-weight: 600; }
.numbers tbody th { min-width: 8rem; white-space: normal; }
.numbers tbody th, .words td { overflow-wrap: anywhere; }
details { margin: 8px 0 0; }
summary { cursor: pointer; color: var(--accent); font-size: 14.5px; width: fit-content; }
footer { color: var(--muted); font-size: 14px; padding-bottom: 48px; }
@media screen and (max-width: 700px) { figure { overflow-x: auto; } .chart { min-width: 620px; } }
@media print {
  :root { --page: #ffffff; }
  @page { margin: 14mm; }
  body { font-size: 11pt; }
  header, main, footer { max-width: none; padding: 0; }
  section, .tile { break-inside: avoid; border-color: #bbb; }
  .long { break-inside: auto; }
  h2, h3, figcaption, thead { break-after: avoid; }
  figure, tr { break-inside: avoid; }
  nav, .skip, details { display: none; }
  .scroll { overflow: visible; max-height: none; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
@media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth; } }
"""
