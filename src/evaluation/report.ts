import { createHash } from "node:crypto";
import { type Calibration, coverageAt } from "./calibration.ts";
import type { Comparison, DimensionComparison } from "./compare.ts";
import { type Estimate, type Evaluation, FEWEST_RANDOM, isTold } from "./evaluation.ts";
import { html, labelled, type Markup, trusted } from "./markup.ts";
import { comparisonBars, coverageChart, heatMap, intervalBar, reliabilityChart } from "./report-charts.ts";
import { decimal, dollars, milliseconds, percent, points, probability, whole } from "./report-figures.ts";
import { SCRIPT, STYLE } from "./report-style.ts";
import {
  confusedTable,
  contenderTable,
  coverageTable,
  differenceTable,
  differingTable,
  labelTable,
  reliabilityTable,
  SHOWN_ROWS,
} from "./report-tables.ts";
import type { DimensionScore } from "./score.ts";

export interface Report {
  readonly evaluation: Evaluation;
  readonly comparison: Comparison | null;
  /** Texts of customers by row id, for examples; empty when none may be shown. */
  readonly texts: ReadonlyMap<string, string>;
}

/** What the numbers of confidence are, by `confidenceKind`. */
const KINDS: Readonly<Record<string, string>> = {
  "self-rated": "The model rates itself: the numbers order rows; what they are worth is in this table.",
  offline: "The numbers are the offline classifier's, calibrated on the taxonomy's examples and not on these rows.",
  mixed: "The numbers are of several kinds: look at each endpoint by itself before you rely on them.",
};

/** @returns the rows whose texts the report shows */
export function exampleIds({ scores }: Evaluation, comparison: Comparison | null): string[] {
  const confused = scores.flatMap((score) => (score.choose === "one" ? score.confused : [])).flatMap(({ ids }) => ids);
  const differing = comparison?.dimensions.flatMap(({ differing: rows }) => rows.slice(0, SHOWN_ROWS)) ?? [];
  return [...new Set([...confused, ...differing.map(({ id }) => id)])];
}

/** One page of HTML that needs nothing else: no network, no fonts, and no script but to sort tables. */
export function reportPage({ evaluation, comparison, texts }: Report): string {
  const { data, model, scores } = evaluation;
  const policy = `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${createHash("sha256").update(SCRIPT).digest("base64")}'`;
  const told = evaluation.estimates.filter(isTold);
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>How good is ${model} on ${data}?</title>
<style>${trusted(STYLE)}</style>
</head>
<body>
<main>
<header>
<h1>How good is ${model} on ${data}?</h1>
<p class="quiet">${evaluation.createdAt.slice(0, 16).replace("T", " ")} UTC · ${whole(evaluation.rows.scored)} rows answered · taxonomy ${evaluation.taxonomy} <span class="name">(${evaluation.taxonomyVersion})</span> · prompt <span class="name">${evaluation.promptVersion}</span></p>
${told.length > 0 ? told.map(estimated) : scores.map(lead)}
${evaluation.origin === "reviewed" && html`<p class="warn">The rows below were chosen for people to look at, most of them because the model was unsure: it does worse on them than on others.${told.length === 0 && ` How it does over all cannot be told: ${evaluation.estimates.length === 0 ? "no row that was" : `fewer than ${FEWEST_RANDOM} rows that were`} drawn at random ${evaluation.estimates.length === 0 ? "was" : "were"} looked at.`}</p>`}
${evaluation.rows.pending > 0 && html`<p class="warn">${whole(evaluation.rows.pending)} rows are not answered yet and are in no figure: the evaluation was stopped, or they wait for a retry.</p>`}
</header>
${comparison !== null && comparisonSection(comparison)}
${scores.map((score, at) => dimensionSection(score, evaluation, texts, at))}
${comparison?.dimensions.map((dimension, at) => detailSection(dimension, texts, at)) ?? null}
${costSection(evaluation)}
${settingsSection(evaluation)}
</main>
<script>${trusted(SCRIPT)}</script>
</body>
</html>
`;
  return page.markup;
}

function estimated({ dimension, accuracy, records, reviewed, random }: Estimate): Markup {
  return html`<p class="lead">In <b>${dimension}</b> it is right on about <strong>${percent(accuracy.value)}</strong> of all ${whole(records)} records (95 %: ${percent(accuracy.low)} to ${percent(accuracy.high)}), as ${whole(reviewed)} rows show that people looked at, ${whole(random)} of them drawn at random.</p>`;
}

function lead({ dimension, accuracy, rows, choose }: DimensionScore): Markup {
  const what = choose === "one" ? "right" : "right in every label";
  return html`<p class="lead">In <b>${dimension}</b> it is ${what} on <strong>${percent(accuracy.value)}</strong> of ${whole(rows)} rows. On more rows like these it would be between ${percent(accuracy.low)} and ${percent(accuracy.high)} (95 % interval).</p>`;
}

function dimensionSection(
  score: DimensionScore,
  { confidenceKind }: Evaluation,
  texts: ReadonlyMap<string, string>,
  at: number,
): Markup {
  const id = `d${at}`;
  const { dimension, accuracy, labels, calibration } = score;
  const baseline = score.choose === "one" ? score.majority.share : null;
  return html`<section aria-labelledby="${id}">
<h2 id="${id}">${dimension}</h2>
<figure>${intervalBar(accuracy, baseline, `${id}-accuracy`)}<figcaption>The point is the accuracy, the band its 95 % interval${baseline !== null && ", the stroke what always answering the most frequent label gives"}.</figcaption></figure>
${tiles(score)}
${score.unanswered > 0 && html`<p class="warn">${whole(score.unanswered)} rows have no answer and count as wrong.</p>`}
${calibration !== null && calibrationPart(calibration, confidenceKind, id)}
${score.choose === "one" && confusionPart(score, texts, id)}
<h3>Labels</h3>
${labelTable(labels)}
</section>`;
}

function tiles(score: DimensionScore): Markup {
  const { accuracy, macroF1, calibration } = score;
  const own: [string, string | Markup][] =
    score.choose === "one"
      ? [
          [decimal(score.kappa), "Cohen's kappa: 1 is perfect, 0 is chance"],
          [percent(score.majority.share), html`right by always answering ${labelled(score.majority.label)}`],
        ]
      : [
          [percent(score.microF1), "micro-F1 over all labels"],
          [decimal(score.jaccard), "mean Jaccard overlap of the lists"],
        ];
  const figures: [string, string | Markup][] = [
    [percent(accuracy.value), score.choose === "one" ? "accuracy" : "all labels of a row right"],
    [percent(macroF1), "macro-F1: the mean over labels"],
    ...own,
    ...(calibration === null
      ? []
      : ([[`${(calibration.ece * 100).toFixed(1)} points`, "calibration error (ECE)"]] as [string, string][])),
  ];
  return html`<ul class="tiles">${figures.map(([value, words]) => html`<li><b>${value}</b><span>${words}</span></li>`)}</ul>`;
}

function confusionPart(
  score: Extract<DimensionScore, { choose: "one" }>,
  texts: ReadonlyMap<string, string>,
  id: string,
): Markup {
  if (score.confused.length === 0) return html`<h3>Confusion</h3><p>No label was taken for another.</p>`;
  const { chart, shown } = heatMap(score, `${id}-heat`);
  const left = score.labels.length - shown;
  return html`<h3>Confusion</h3>
<figure><div class="scroll plot">${chart}</div>
<figcaption>Right labels in rows, answers in columns. Blue is right, orange a mistake; the stronger, the larger its share of the row.${left > 0 && ` ${whole(left)} labels with fewer mistakes are left out.`}</figcaption></figure>
<h3>Most confused</h3>
${confusedTable(score, texts)}`;
}

function calibrationPart(calibration: Calibration, kind: string | null, id: string): Markup {
  const { ece, brier, coverageArea, meanConfidence, rows } = calibration;
  const enough = coverageAt(calibration, 0.95);
  const gap = meanConfidence - calibration.coverage.at(-1)!.accuracy;
  const words =
    Math.abs(gap) < 0.02
      ? "about as sure as it should be"
      : gap > 0
        ? "surer than it should be"
        : "less sure than it could be";
  return html`<h3>Confidence</h3>
<p>Over ${whole(rows)} rows it says ${percent(meanConfidence)} on average and is ${words}. ${KINDS[kind ?? ""] ?? ""}</p>
<div class="pair"><figure>${reliabilityChart(calibration, `${id}-reliability`)}<figcaption>ECE ${(ece * 100).toFixed(1)} points over 15 bins; Brier score ${decimal(brier)}. Points below the dashed line are overconfident.</figcaption></figure>${reliabilityTable(calibration)}</div>
<h3>What can be left to the model</h3>
<p>${enough === null ? "At no confidence are 95 % of the answers right." : html`It is right on 95 % when only the surest <strong>${percent(enough.coverage)}</strong> of the rows are left to it (confidence from ${decimal(enough.confidence, 2)}) and people look at the others.`}</p>
<div class="pair"><figure>${coverageChart(calibration, `${id}-coverage`)}<figcaption>Accuracy over the surest rows. Area under the curve ${decimal(coverageArea)}: 1 is perfect.</figcaption></figure>${coverageTable(calibration)}</div>`;
}

function comparisonSection(comparison: Comparison): Markup {
  const side = ({ model, promptVersion, taxonomyVersion, cost }: Comparison["first"]): Markup =>
    html`<td>${model}</td><td>${promptVersion}</td><td>${taxonomyVersion}</td><td class="n">${dollars(cost.usdPerThousand)}</td><td class="n">${milliseconds(cost.latencyP50Ms)}</td>`;
  return html`<section aria-labelledby="compared">
<h2 id="compared">A against B</h2>
${contenderTable(comparison, side)}
${comparison.dimensions.map(differencePart)}
</section>`;
}

function differencePart({ dimension, rows, first, second, test }: DimensionComparison, at: number): Markup {
  const { onlyFirst, onlySecond, pValue, difference } = test;
  const winner = onlySecond > onlyFirst ? "B" : "A";
  const words =
    onlyFirst + onlySecond === 0
      ? "Both are right and wrong on the same rows."
      : pValue < 0.05
        ? `${winner} is better: a difference as large as this would be rare by chance.`
        : "No difference is shown: it may well be chance on so few rows.";
  return html`<h3>${dimension}</h3>
<p class="lead">${words}</p>
<figure>${comparisonBars(first, second, `c${at}-accuracy`)}<figcaption>Accuracy of both with its 95 % interval. The rows are the same, so the test below tells smaller differences apart than these intervals do.</figcaption></figure>
<p>On the same ${whole(rows)} rows A is right on ${percent(first.value)}, B on ${percent(second.value)}: <strong>${points(difference.value)} points</strong> (95 %: ${points(difference.low)} to ${points(difference.high)}). Only A is right on ${whole(onlyFirst)} rows, only B on ${whole(onlySecond)}; McNemar's exact test: p ${probability(pValue)}.</p>`;
}

function detailSection(compared: DimensionComparison, texts: ReadonlyMap<string, string>, at: number): Markup | false {
  const { dimension, differing, labels } = compared;
  if (differing.length === 0) return false;
  return html`<section aria-labelledby="c${at}">
<h2 id="c${at}">Where A and B differ in ${dimension}</h2>
${labels.some((label) => label.first !== label.second) && differenceTable(compared)}
<h3>Rows</h3>${differingTable(compared, texts)}
</section>`;
}

function costSection({ cost }: Evaluation): Markup {
  const { usage } = cost;
  const figures: [string, string][] = [
    [dollars(cost.usdPerThousand), "per 1,000 answers"],
    [dollars(cost.usd), `for ${whole(cost.answered)} answers, retries included`],
    [milliseconds(cost.latencyP50Ms), "half of the answers came within (p50)"],
    [milliseconds(cost.latencyP95Ms), "95 % of the answers came within (p95)"],
    [whole(usage.inputTokens), `tokens in, ${whole(usage.cachedInputTokens)} of them cached`],
    [whole(usage.outputTokens), `tokens out, ${whole(usage.reasoningTokens)} of them reasoning`],
  ];
  return html`<section aria-labelledby="cost"><h2 id="cost">Cost and latency</h2><ul class="tiles">${figures.map(([value, words]) => html`<li><b>${value}</b><span>${words}</span></li>`)}</ul></section>`;
}

function settingsSection(evaluation: Evaluation): Markup {
  const { rows, origin } = evaluation;
  const facts: [string, string][] = [
    ["Data", `${evaluation.data} (${evaluation.dataVersion})`],
    ["Evaluated", evaluation.createdAt],
    ["Model", evaluation.model],
    ["Taxonomy", `${evaluation.taxonomy}, version ${evaluation.taxonomyVersion}`],
    ["Prompt", evaluation.promptVersion],
    ["Confidence", evaluation.confidenceKind ?? "none"],
    [origin === "file" ? "Rows in the file" : "Records decided by people", whole(rows.read)],
    ["Answered", whole(rows.scored)],
    ["Failed, counted as wrong", whole(rows.failed)],
    ["Not answered yet", whole(rows.pending)],
    ["Without text", whole(rows.withoutText)],
    [origin === "file" ? "Without a label" : "Without a model's answer", whole(rows.withoutLabel)],
    ["With a label that the taxonomy lacks", whole(rows.unknownLabel)],
    ["Not in the sample", whole(rows.notDrawn)],
  ];
  return html`<section aria-labelledby="settings"><h2 id="settings">Settings</h2><dl>${facts.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl><p class="small">Made by Querymill. Wilson intervals; macro-F1 over the labels that occur; ECE over 15 bins; Brier score of the answer given; exact McNemar test.</p></section>`;
}
