/** Style of the report. It follows the system's theme; paper is always light. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --bg: light-dark(#f6f7f9, #0b0d10);
  --surface: light-dark(#ffffff, #121519);
  --surface-2: light-dark(#f3f5f8, #191d23);
  --border: light-dark(#e3e7ed, #242a32);
  --border-strong: light-dark(#cbd2dc, #39414d);
  --text: light-dark(#12161c, #eceff4);
  --text-2: light-dark(#4a5361, #b0b8c4);
  --text-3: light-dark(#5c6674, #98a2b0);
  --accent: light-dark(#3a49d6, #98a4ff);
  --accent-soft: light-dark(#eceefe, #1d2145);
  --warn: light-dark(#8a5300, #f0b450);
  --warn-soft: light-dark(#fdf2dc, #2e2410);
  --right: light-dark(#0068b0, #58a9ea);
  --wrong: light-dark(#d55e00, #f2894c);
  --second: light-dark(#c65300, #f2894c);
  --bar: light-dark(#c3d9ee, #23435f);
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--text); font: 14px/1.5 Inter, system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; font-variant-numeric: tabular-nums; }
main { max-width: 1080px; margin: 0 auto; padding: 28px 20px 56px; }
header { margin-bottom: 20px; }
h1 { font-size: 24px; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 36px 0 10px; padding-top: 14px; border-top: 1px solid var(--border-strong); overflow-wrap: anywhere; }
h3 { font-size: 14px; margin: 22px 0 6px; }
p { margin: 6px 0; max-width: 78ch; }
header p { max-width: none; }
.lead { font-size: 16px; margin: 12px 0; }
.lead strong { white-space: nowrap; }
.quiet { color: var(--text-2); }
.small { font-size: 12px; color: var(--text-3); }
.warn { background: var(--warn-soft); color: var(--warn); padding: 6px 10px; border-radius: 6px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 10px; margin: 14px 0; padding: 0; list-style: none; }
.tiles li { background: var(--surface); border: 1px solid var(--border); border-radius: 8px; padding: 10px 12px; }
.tiles b { display: block; font-size: 20px; line-height: 1.3; font-weight: 600; overflow-wrap: anywhere; }
.tiles span { display: block; font-size: 12px; color: var(--text-2); }
.pair { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); gap: 20px; align-items: start; }
figure { margin: 0; min-width: 0; }
figcaption { font-size: 12px; color: var(--text-2); margin-top: 4px; max-width: 78ch; }
.scroll { overflow-x: auto; border: 1px solid var(--border); border-radius: 8px; background: var(--surface); }
.scroll.plot { padding: 10px; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
caption { text-align: left; font-size: 12px; color: var(--text-2); padding: 8px 10px; }
th, td { padding: 5px 10px; text-align: left; border-top: 1px solid var(--border); vertical-align: top; }
thead th { border-top: 0; color: var(--text-2); font-weight: 600; font-size: 12px; background: var(--surface-2); vertical-align: bottom; }
tbody th { font-weight: 500; }
tbody th, td { overflow-wrap: break-word; }
.name { white-space: nowrap; }
th.n, td.n { text-align: right; white-space: nowrap; }
thead button { all: unset; cursor: pointer; }
thead button:hover { color: var(--accent); }
thead button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 2px; }
thead [aria-sort="ascending"] button::after { content: " ↑"; }
thead [aria-sort="descending"] button::after { content: " ↓"; }
td.f1 { min-width: 130px; background: linear-gradient(var(--bar), var(--bar)) no-repeat left 6px center / calc((100% - 12px) * var(--part)) 70%; }
blockquote { margin: 3px 0; padding: 2px 0 2px 10px; border-left: 2px solid var(--border-strong); overflow-wrap: anywhere; }
blockquote cite { font-style: normal; font-size: 12px; color: var(--text-3); }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 4px 18px; margin: 8px 0; }
dt { color: var(--text-2); }
dd { margin: 0; overflow-wrap: anywhere; }
svg { display: block; max-width: 100%; height: auto; font: 11px Inter, system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
.scroll svg.heat { max-width: none; }
.pair svg { width: 100%; }
svg text { fill: var(--text-2); }
svg .count { fill: var(--text); text-anchor: middle; }
svg .grid { stroke: var(--border); }
svg .axis { stroke: var(--border-strong); }
svg .ideal { stroke: var(--text-3); stroke-dasharray: 4 4; }
svg .line { fill: none; stroke: var(--right); stroke-width: 2; }
svg .dot { fill: var(--right); }
svg .right { fill: var(--right); }
svg .wrong { fill: var(--wrong); }
svg .first { fill: var(--right); }
svg .second { fill: var(--second); }
svg .range { stroke: var(--right); stroke-width: 6; stroke-linecap: round; opacity: .35; }
svg .range.second { stroke: var(--second); }
svg .cross { stroke: var(--text-2); }
@media (max-width: 720px) {
  main { padding: 16px 12px 40px; }
  h1 { font-size: 20px; }
  .pair { grid-template-columns: minmax(0, 1fr); }
  th, td { padding: 5px 7px; }
  dl { grid-template-columns: minmax(0, 1fr); gap: 0; }
  dd { margin-bottom: 6px; }
  .stack thead { display: none; }
  .stack tr { display: block; border-top: 1px solid var(--border); padding: 6px 0; }
  .stack th, .stack td { display: block; border: 0; padding: 2px 10px; text-align: left; white-space: normal; }
  .stack [data-name]::before { content: attr(data-name) ": "; color: var(--text-2); font-weight: 400; }
}
@page { size: A4; margin: 14mm; }
@media print {
  :root { color-scheme: light; }
  body { background: #fff; font-size: 10pt; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  main { max-width: none; padding: 0; }
  h2, h3, thead, caption { break-after: avoid; }
  thead { display: table-header-group; break-inside: avoid; }
  tr, figure, .tiles li, blockquote { break-inside: avoid; }
  .scroll { overflow: visible; border-radius: 0; }
  .scroll svg.heat { max-width: 100%; }
  table { font-size: 8.5pt; }
  th, td { padding: 3px 6px; }
}
`;

/** Sorts tables by a click on a heading. Without it the page is the same, in the order that it has. */
export const SCRIPT = `
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const numeric = head.classList.contains("n");
      const now = head.getAttribute("aria-sort");
      const up = now === null ? !numeric : now === "descending";
      const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const order = numeric ? Number(value(a)) - Number(value(b)) : value(a).localeCompare(value(b));
        return up ? order : -order;
      });
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      table.tBodies[0].append(...rows);
    });
  });
}
`;
