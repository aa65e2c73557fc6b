import type { Calibration } from "./calibration.ts";
import type { Interval } from "./intervals.ts";
import { type Content, html, type Markup } from "./markup.ts";
import { percent, whole } from "./report-figures.ts";
import type { OneScore } from "./score.ts";

/** Labels in the heat map: those with most mistakes. */
const HEAT_LABELS = 24;
const CELL = 23;
const CHARACTER = 6.2;
const LONGEST_NAME = 34;

const PLOT = { width: 460, height: 320, left: 44, right: 14, top: 12, bottom: 42 };

/** Confidence against accuracy, bin by bin; on the dashed line confidence means what it says. */
export function reliabilityChart({ bins, rows }: Calibration, id: string): Markup {
  const largest = Math.max(...bins.map((bin) => bin.rows));
  const dots = bins.map(
    (bin) =>
      html`<circle class="dot" cx="${x(bin.confidence)}" cy="${y(bin.accuracy)}" r="${(3 + 7 * Math.sqrt(bin.rows / largest)).toFixed(1)}" fill-opacity="0.55"><title>says ${percent(bin.confidence)}, is right ${percent(bin.accuracy)}, ${whole(bin.rows)} rows</title></circle>`,
  );
  const line = bins.map((bin) => `${x(bin.confidence)},${y(bin.accuracy)}`).join(" ");
  return plot(
    id,
    `Reliability: accuracy by confidence over ${whole(rows)} rows`,
    "The dashed diagonal is where confidence equals accuracy; points below it are overconfident. Larger points stand for more rows.",
    "confidence",
    "right",
    html`<line class="ideal" x1="${x(0)}" y1="${y(0)}" x2="${x(1)}" y2="${y(1)}"/><polyline class="line" points="${line}"/>${dots}`,
  );
}

/** Accuracy of what is left to the model when the least sure rows go to people. */
export function coverageChart({ coverage }: Calibration, id: string): Markup {
  const line = coverage.map((point) => `${x(point.coverage)},${y(point.accuracy)}`).join(" ");
  const last = coverage.at(-1)!;
  return plot(
    id,
    "Coverage against accuracy",
    "From the left, the surest rows only; at the right end all rows. The dashed line is the accuracy over all.",
    "share of rows that the model answers",
    "right",
    html`<line class="ideal" x1="${x(0)}" y1="${y(last.accuracy)}" x2="${x(1)}" y2="${y(last.accuracy)}"/><polyline class="line" points="${line}"/>${coverage.length === 1 && html`<circle class="dot" cx="${x(last.coverage)}" cy="${y(last.accuracy)}" r="4"/>`}`,
  );
}

/** Right labels in rows, answers in columns; the labels with most mistakes only. */
export function heatMap({ cells, labels }: OneScore, id: string): { chart: Markup; shown: number } {
  const mistakes = new Map<string, number>();
  const add = (label: string, count: number): void => {
    mistakes.set(label, (mistakes.get(label) ?? 0) + count);
  };
  for (const { gold, answer, count } of cells) {
    if (gold === answer) continue;
    add(gold, count);
    if (answer !== null) add(answer, count);
  }
  const chosen = labels
    .map(({ label }) => label)
    .toSorted((a, b) => (mistakes.get(b) ?? 0) - (mistakes.get(a) ?? 0))
    .slice(0, HEAT_LABELS);
  const names = labels.map(({ label }) => label).filter((label) => chosen.includes(label));
  const columns = [...names, ...(cells.some(({ answer }) => answer === null) ? [null] : [])];
  const supports = new Map(labels.map(({ label, support }) => [label, support]));
  const longest = Math.max(...names.map((name) => shortName(name).length), 9);
  const left = Math.ceil(longest * CHARACTER) + 14;
  const top = Math.ceil(longest * CHARACTER * 0.78) + 16;
  const width = left + columns.length * CELL + top;
  const height = top + names.length * CELL + 6;
  const [rowAt, columnAt] = [indexOf(names), indexOf(columns)];
  const drawn = cells.flatMap(({ gold, answer, count }) => {
    const [row, column] = [rowAt.get(gold), columnAt.get(answer)];
    if (row === undefined || column === undefined) return [];
    const share = count / (supports.get(gold) || 1);
    const [cx, cy] = [left + column * CELL, top + row * CELL];
    return html`<g><rect class="${gold === answer ? "right" : "wrong"}" x="${cx}" y="${cy}" width="${CELL - 1}" height="${CELL - 1}" fill-opacity="${(0.08 + 0.47 * Math.sqrt(share)).toFixed(2)}"/><text class="count" x="${cx + CELL / 2 - 0.5}" y="${cy + CELL / 2 + 4}">${count > 9999 ? "…" : count}</text><title>${gold} answered as ${answer ?? "nothing"}: ${whole(count)} of ${whole(supports.get(gold) ?? 0)} rows</title></g>`;
  });
  const heads = [
    ...names.map(
      (name, row) =>
        html`<text x="${left - 6}" y="${top + row * CELL + CELL / 2 + 4}" text-anchor="end">${shortName(name)}</text>`,
    ),
    ...columns.map((name, column) => {
      const [cx, cy] = [left + column * CELL + CELL / 2 + 3, top - 5];
      return html`<text x="${cx}" y="${cy}" transform="rotate(-50 ${cx} ${cy})">${name === null ? "no answer" : shortName(name)}</text>`;
    }),
    ...names.map(
      (_, row) =>
        html`<line class="grid" x1="${left}" x2="${left + columns.length * CELL}" y1="${top + row * CELL - 0.5}" y2="${top + row * CELL - 0.5}"/>`,
    ),
  ];
  return {
    chart: svg(
      id,
      width,
      height,
      "heat",
      "Confusion: right labels in rows, answers in columns",
      "Blue cells are right answers, orange ones mistakes; the stronger, the larger the share of the row. The tables give the same numbers.",
      [...heads, ...drawn],
    ),
    shown: names.length,
  };
}

/** A share with its interval on a scale from 0 to 100 %. @param baseline a second share that is marked; null: none */
export function intervalBar(interval: Interval, baseline: number | null, id: string): Markup {
  return bars(id, "Accuracy with its 95 % interval", intervalWords(interval), [
    marker(interval, 16, "first"),
    baseline !== null &&
      html`<line class="cross" x1="${barAt(baseline)}" x2="${barAt(baseline)}" y1="8" y2="24"><title>always the most frequent label: ${percent(baseline)}</title></line>`,
  ]);
}

/** Two shares with their intervals on one scale. */
export function comparisonBars(first: Interval, second: Interval, id: string): Markup {
  const words = `A ${intervalWords(first)}; B ${intervalWords(second)}`;
  return bars(
    id,
    "Accuracy of A and B with 95 % intervals",
    words,
    [
      html`<text x="8" y="18">A</text><text x="8" y="42">B</text>`,
      marker(first, 14, "first"),
      marker(second, 38, "second"),
    ],
    24,
  );
}

const BAR = { width: 460, left: 26, right: 14 };

/** @param more height of further rows above the scale */
function bars(id: string, title: string, words: string, content: readonly Content[], more = 0): Markup {
  const line = 16 + more * 1.5;
  const ticks = [0, 0.25, 0.5, 0.75, 1].map(
    (tick) =>
      html`<line class="axis" x1="${barAt(tick)}" x2="${barAt(tick)}" y1="${line - 4}" y2="${line + 4}"/><text x="${barAt(tick)}" y="${line + 20}" text-anchor="middle">${percent(tick, 0)}</text>`,
  );
  const axis = html`<line class="axis" x1="${barAt(0)}" x2="${barAt(1)}" y1="${line}" y2="${line}"/>`;
  return svg(id, BAR.width, line + 28, "", title, words, [axis, ...ticks, ...content]);
}

function marker({ value, low, high }: Interval, at: number, side: "first" | "second"): Markup {
  return html`<line class="range ${side}" x1="${barAt(low)}" x2="${barAt(high)}" y1="${at}" y2="${at}"/><circle class="${side}" cx="${barAt(value)}" cy="${at}" r="5"/>`;
}

function barAt(share: number): string {
  return (BAR.left + share * (BAR.width - BAR.left - BAR.right)).toFixed(1);
}

function intervalWords({ value, low, high }: Interval): string {
  return `${percent(value)}, from ${percent(low)} to ${percent(high)}`;
}

function plot(id: string, title: string, words: string, across: string, up: string, inside: Markup): Markup {
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  const { width, height, left, top, bottom } = PLOT;
  return svg(id, width, height, "", title, words, [
    ...ticks.map(
      (tick) =>
        html`<line class="grid" x1="${x(0)}" x2="${x(1)}" y1="${y(tick)}" y2="${y(tick)}"/><text x="${left - 6}" y="${Number(y(tick)) + 4}" text-anchor="end">${percent(tick, 0)}</text><text x="${x(tick)}" y="${height - bottom + 16}" text-anchor="middle">${percent(tick, 0)}</text>`,
    ),
    html`<line class="axis" x1="${x(0)}" x2="${x(1)}" y1="${y(0)}" y2="${y(0)}"/>`,
    html`<text x="${x(0.5)}" y="${height - 8}" text-anchor="middle">${across}</text>`,
    html`<text x="${Number(x(0)) + 4}" y="${top + 10}">${up}</text>`,
    inside,
  ]);
}

function svg(
  id: string,
  width: number,
  height: number,
  kind: string,
  title: string,
  words: string,
  content: readonly Content[],
): Markup {
  return html`<svg class="${kind}" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="${id}-title ${id}-words"><title id="${id}-title">${title}</title><desc id="${id}-words">${words}</desc>${content}</svg>`;
}

function x(share: number): string {
  return (PLOT.left + share * (PLOT.width - PLOT.left - PLOT.right)).toFixed(1);
}

function y(share: number): string {
  return (PLOT.height - PLOT.bottom - share * (PLOT.height - PLOT.top - PLOT.bottom)).toFixed(1);
}

function indexOf<T>(names: readonly T[]): Map<T, number> {
  return new Map(names.map((name, at) => [name, at]));
}

function shortName(name: string): string {
  return name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name;
}
