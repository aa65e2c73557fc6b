import type { Calibration } from "./calibration.ts";
import type { Comparison, DimensionComparison } from "./compare.ts";
import type { LabelScore } from "./confusion.ts";
import { type Content, html, labelled, type Markup, quoted } from "./markup.ts";
import { decimal, percent, points, whole } from "./report-figures.ts";
import type { OneScore } from "./score.ts";

/** Longest text of an example, in UTF-16 units. */
const EXAMPLE = 300;
/** Rows of a comparison that are told. */
export const SHOWN_ROWS = 50;
const COVERAGES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];

/** A cell of a number, with its value for sorting. */
function number(text: string, value: number | null): Markup {
  return html`<td class="n" data-value="${value ?? -1}">${text}</td>`;
}

export function labelTable(labels: readonly LabelScore[]): Markup {
  const rows = labels
    .toSorted((a, b) => a.f1 - b.f1 || b.support - a.support)
    .map(
      ({ label, support, answered, precision, recall, f1 }) =>
        html`<tr><th scope="row">${labelled(label)}</th>${number(whole(support), support)}${number(whole(answered), answered)}${number(percent(precision), precision)}${number(percent(recall), recall)}<td class="n f1" data-value="${f1}" style="--part:${f1.toFixed(4)}">${percent(f1)}</td></tr>`,
    );
  return table(
    `${whole(labels.length)} labels, the worst first`,
    [["Label"], ["Rows", true], ["Answered", true], ["Precision", true], ["Recall", true], ["F1", true]],
    rows,
    "sortable",
  );
}

/** @param texts of rows by id; without them only ids are given */
export function confusedTable({ confused }: OneScore, texts: ReadonlyMap<string, string>): Markup {
  const rows = confused.map(
    ({ gold, answer, count, ids }) =>
      html`<tr><th scope="row" data-name="Right">${labelled(gold)}</th><td data-name="Answer">${labelled(answer ?? "")}</td><td class="n" data-name="Rows">${whole(count)}</td><td>${ids.map((id) => example(id, texts))}</td></tr>`,
  );
  return table(
    "Mistakes that were made most often",
    [["Right label"], ["Answer"], ["Rows", true], ["Examples"]],
    rows,
    "stack",
  );
}

export function reliabilityTable({ bins }: Calibration): Markup {
  const rows = bins.map(
    ({ from, to, rows: count, confidence, accuracy }) =>
      html`<tr><th scope="row">${decimal(from, 2)} – ${decimal(to, 2)}</th>${number(whole(count), count)}${number(percent(confidence), confidence)}${number(percent(accuracy), accuracy)}</tr>`,
  );
  return table("By confidence", [["Confidence"], ["Rows", true], ["Says", true], ["Is right", true]], rows);
}

export function coverageTable({ coverage }: Calibration): Markup {
  const shown = new Set(COVERAGES.map((wanted) => coverage.find((point) => point.coverage >= wanted - 1e-9)!));
  const rows = [...shown].map(
    (point) =>
      html`<tr><th scope="row" class="n">${percent(point.coverage)}</th>${number(percent(point.accuracy), point.accuracy)}${number(decimal(point.confidence, 2), point.confidence)}</tr>`,
  );
  return table(
    "By coverage",
    [
      ["Answered", true],
      ["Right", true],
      ["Confidence from", true],
    ],
    rows,
  );
}

export function contenderTable({ first, second }: Comparison, rowsOf: (side: Comparison["first"]) => Content): Markup {
  return table(
    "The two sides",
    [["Side"], ["Model"], ["Prompt"], ["Taxonomy"], ["Per 1,000", true], ["Latency p50", true]],
    [html`<tr><th scope="row">A</th>${rowsOf(first)}</tr>`, html`<tr><th scope="row">B</th>${rowsOf(second)}</tr>`],
  );
}

export function differenceTable({ labels }: DimensionComparison): Markup {
  const rows = labels
    .filter(({ first, second }) => first !== second)
    .map(
      ({ label, support, first, second }) =>
        html`<tr><th scope="row">${labelled(label)}</th>${number(whole(support), support)}${number(percent(first), first)}${number(percent(second), second)}${number(points(second - first), second - first)}</tr>`,
    );
  return table(
    "F1 by label, the largest differences first",
    [["Label"], ["Rows", true], ["A", true], ["B", true], ["B less A, points", true]],
    rows,
    "sortable",
  );
}

export function differingTable({ differing }: DimensionComparison, texts: ReadonlyMap<string, string>): Markup {
  const words = (labels: string | readonly string[] | null): string =>
    labels === null ? "no answer" : [labels].flat().join("; ") || "none";
  const rows = differing
    .slice(0, SHOWN_ROWS)
    .map(
      ({ id, gold, first, second, right }) =>
        html`<tr><td>${example(id, texts)}</td><td data-name="Right">${labelled(words(gold))}</td><td data-name="A">${labelled(words(first))}</td><td data-name="B">${labelled(words(second))}</td><td data-name="Who is right">${{ first: "A", second: "B", neither: "neither" }[right]}</td></tr>`,
    );
  const left = differing.length - rows.length;
  return table(
    left > 0
      ? `The first ${SHOWN_ROWS} of ${whole(differing.length)} rows that are answered differently`
      : "Rows that are answered differently",
    [["Row"], ["Right label"], ["A"], ["B"], ["Who is right"]],
    rows,
    "stack",
  );
}

function example(id: string, texts: ReadonlyMap<string, string>): Markup {
  const text = texts.get(id);
  if (text === undefined) return html`<div class="small">${id}</div>`;
  return html`<blockquote>${quoted(text, EXAMPLE)} <cite>${id}</cite></blockquote>`;
}

function table(
  caption: string,
  heads: readonly (readonly [name: string, number?: boolean])[],
  rows: readonly Content[],
  kind: "sortable" | "stack" | "plain" = "plain",
): Markup {
  const cells = heads.map(([name, numeric]) =>
    numeric ? html`<th scope="col" class="n">${name}</th>` : html`<th scope="col">${name}</th>`,
  );
  const start = { sortable: html`<table data-sortable>`, stack: html`<table class="stack">`, plain: html`<table>` }[
    kind
  ];
  return html`<div class="scroll">${start}<caption>${caption}</caption><thead><tr>${cells}</tr></thead><tbody>${rows}</tbody></table></div>`;
}
