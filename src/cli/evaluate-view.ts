import { type Calibration, coverageAt } from "../evaluation/calibration.ts";
import type { LabelScore } from "../evaluation/confusion.ts";
import { type Evaluation, FEWEST_RANDOM, isTold } from "../evaluation/evaluation.ts";
import type { DimensionScore, ManyScore, OneScore } from "../evaluation/score.ts";
import {
  amount,
  bar,
  clip,
  count,
  type Look,
  latency,
  left,
  money,
  percent,
  printable,
  right,
  symbols,
  widthOf,
} from "./format.ts";

/** Labels and pairs of labels told; the report and `--json` have all. */
const SHOWN_LABELS = 12;
const SHOWN_PAIRS = 6;
const COVERAGES = [0.25, 0.5, 0.75, 1];
const WIDE = 76;

/** An evaluation as lines of a terminal: figures flow into lines of its width, names in tables are cut to fit. */
export function renderEvaluation(evaluation: Evaluation, look: Look): string[] {
  const { scores, model, data, taxonomyVersion, promptVersion } = evaluation;
  const parts = [look.style("bold", printable(data)), model, `taxonomy ${taxonomyVersion}`, `prompt ${promptVersion}`];
  return [
    ...flow(parts, look, ""),
    "",
    ...rowLines(evaluation, look),
    ...scores.flatMap((score) => ["", ...dimensionLines(score, evaluation, look)]),
    ...estimateLines(evaluation, look),
    "",
    ...costLines(evaluation, look),
  ];
}

/** One line for each dimension. */
export function renderHeadline({ scores }: Evaluation, look: Look): string[] {
  return scores.map((score) => headParts(score, look).join("  "));
}

/** Parts with three blanks between them, in as many lines as they need. */
export function flow(parts: readonly string[], look: Look, indent = "  "): string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const last = lines.at(-1);
    const joined = `${last}   ${part}`;
    if (last === undefined || widthOf(joined) > look.columns) lines.push(indent + part);
    else lines[lines.length - 1] = joined;
  }
  return lines;
}

/** 71.8 %; what is not known is a dash. */
export function share(value: number | null, look: Look): string {
  return value === null ? symbols(look.ascii).dash : percent(value, 1);
}

function intervalWords({ low, high }: { readonly low: number; readonly high: number }, look: Look): string {
  return `${(low * 100).toFixed(1)} ${symbols(look.ascii).dash} ${percent(high, 1)}`;
}

function rowLines({ rows, origin }: Evaluation, look: Look): string[] {
  const { warn } = symbols(look.ascii);
  const parts = [
    [rows.withoutText, "without text"],
    [rows.withoutLabel, origin === "file" ? "without label" : "without a model's answer"],
    [rows.unknownLabel, "with an unknown label"],
    [rows.notDrawn, "not in the sample"],
    [rows.failed, "failed (scored as wrong)"],
    [rows.pending, "not answered yet"],
  ] as const;
  const told = parts.filter(([value]) => value > 0).map(([value, words]) => ` + ${count(value)} ${words}`);
  const lines = [`  rows ${count(rows.read)} = ${count(rows.scored)} answered${told.join("")}`];
  if (rows.pending > 0)
    lines.push(
      look.style(
        "yellow",
        `  ${warn} ${count(rows.pending)} rows are in no score yet. The same command goes on with them.`,
      ),
    );
  return lines;
}

function dimensionLines(score: DimensionScore, { confidenceKind }: Evaluation, look: Look): string[] {
  const figures = score.choose === "one" ? oneFigures(score, look) : manyFigures(score, look);
  const unanswered = score.unanswered > 0 ? [`${count(score.unanswered)} without an answer`] : [];
  return [
    ...flow(headParts(score, look), look, ""),
    ...flow([...figures, ...unanswered], look),
    ...labelLines(score.labels, look),
    ...(score.choose === "one" ? pairLines(score, look) : []),
    ...(score.calibration === null ? [] : calibrationLines(score.calibration, confidenceKind, look)),
  ];
}

function headParts({ dimension, choose, accuracy, rows }: DimensionScore, look: Look): string[] {
  const name = choose === "one" ? "accuracy" : "all labels right";
  return [
    `${look.style("bold", left(dimension, 12))} ${name} ${look.style("bold", share(accuracy.value, look))}`,
    `(95 %: ${intervalWords(accuracy, look)}, ${count(rows)} rows)`,
  ];
}

function oneFigures({ macroF1, kappa, majority }: OneScore, look: Look): string[] {
  const agreed = kappa === null ? symbols(look.ascii).dash : kappa.toFixed(3);
  return [
    `macro-F1 ${share(macroF1, look)}`,
    `kappa ${agreed}`,
    `always ${printable(majority.label)}: ${share(majority.share, look)}`,
  ];
}

function manyFigures({ macroF1, microF1, jaccard }: ManyScore, look: Look): string[] {
  return [`macro-F1 ${share(macroF1, look)}`, `micro-F1 ${share(microF1, look)}`, `Jaccard ${jaccard.toFixed(3)}`];
}

/** The labels that go worst, among those that rows have. */
function labelLines(labels: readonly LabelScore[], look: Look): string[] {
  const present = labels.filter(({ support }) => support > 0);
  const worst = present.toSorted((a, b) => a.f1 - b.f1 || b.support - a.support).slice(0, SHOWN_LABELS);
  if (worst.length === 0) return [];
  const width = nameWidth(
    worst.map(({ label }) => label),
    look,
    44,
  );
  const bars = look.columns >= WIDE;
  const rest = present.length - worst.length;
  const title = rest > 0 ? `Labels, worst first (${count(rest)} better ones left out)` : "Labels, worst first";
  return [
    "",
    `  ${title}`,
    look.style(
      "dim",
      `    ${left("", width)} ${right("rows", 7)} ${right("precision", 9)} ${right("recall", 8)} ${right("F1", 8)}`,
    ),
    ...worst.map(({ label, support, precision, recall, f1 }) => {
      const cells = [right(count(support), 7), right(share(precision, look), 9), right(share(recall, look), 8)];
      const drawn = bars ? `  ${bar(f1, 12, look.ascii)}` : "";
      return `    ${left(clip(printable(label), width, look.ascii), width)} ${cells.join(" ")} ${right(share(f1, look), 8)}${drawn}`;
    }),
  ];
}

function pairLines({ confused }: OneScore, look: Look): string[] {
  const shown = confused.slice(0, SHOWN_PAIRS);
  if (shown.length === 0) return [];
  const { to } = symbols(look.ascii);
  return [
    "",
    "  Most confused: right label, answer, rows, examples by id",
    ...shown.map(({ gold, answer, count: rows, ids }) => {
      const line = `    ${right(count(rows), 5)}  ${printable(gold)} ${to} ${printable(answer ?? "")}   `;
      return line + look.style("dim", printable(ids.join(", ")));
    }),
  ];
}

function calibrationLines(calibration: Calibration, kind: string | null, look: Look): string[] {
  const { meanConfidence, ece, brier, coverageArea, coverage } = calibration;
  const said = kind === null || kind === "calibrated" ? "" : ` (${kind})`;
  const figures = [
    `Confidence${said}: says ${share(meanConfidence, look)} on average`,
    `ECE ${(ece * 100).toFixed(1)} points`,
    `Brier ${brier.toFixed(3)}`,
    `area ${coverageArea.toFixed(3)}`,
  ];
  const shown = new Set(COVERAGES.map((wanted) => coverage.find((point) => point.coverage >= wanted - 1e-9)!));
  const enough = coverageAt(calibration, 0.95);
  return [
    "",
    ...flow(figures, look),
    ...[...shown].map(
      (point) =>
        `    surest ${right(share(point.coverage, look), 7)}   ${right(share(point.accuracy, look), 7)} right   confidence ${atLeast(look)} ${point.confidence.toFixed(2)}`,
    ),
    ...(enough === null || enough.coverage === 1
      ? []
      : flow(
          [
            `95 % right when only the surest ${share(enough.coverage, look)} are taken`,
            `(confidence ${atLeast(look)} ${enough.confidence.toFixed(2)})`,
          ],
          look,
          "    ",
        )),
  ];
}

/** What chosen rows say of all records. */
export function estimateLines({ estimates, origin }: Pick<Evaluation, "estimates" | "origin">, look: Look): string[] {
  const { warn } = symbols(look.ascii);
  if (origin === "file") return [];
  if (estimates.length === 0)
    return [
      "",
      look.style(
        "yellow",
        `  ${warn} These rows were chosen, and none that was drawn at random was looked at: this is no estimate for all records.`,
      ),
    ];
  const told = estimates.filter(isTold);
  if (told.length === 0) {
    const random = Math.max(...estimates.map((estimate) => estimate.random));
    return [
      "",
      ...flow(
        [
          `${warn} No estimate for all records: ${count(random)} of the rows that were looked at ${random === 1 ? "was" : "were"} drawn at random, and it takes ${FEWEST_RANDOM}.`,
          `A quarter of a sheet is drawn at random: export --review ${FEWEST_RANDOM * 4} or more.`,
        ],
        look,
      ).map((line) => look.style("yellow", line)),
    ];
  }
  return [
    "",
    "  Over all records, each part of the last sheet counted by what it stands for:",
    ...told.map(
      ({ dimension, accuracy, records, reviewed, random }) =>
        `    ${left(dimension, 12)} ${look.style("bold", share(accuracy.value, look))} right  (95 %: ${intervalWords(accuracy, look)}; ${count(records)} records, ${count(reviewed)} looked at, ${count(random)} of them at random)`,
    ),
  ];
}

function costLines({ cost }: Evaluation, look: Look): string[] {
  const { dash } = symbols(look.ascii);
  const tokens = cost.usage.inputTokens + cost.usage.outputTokens;
  const parts = [
    `Cost ${money(cost.usd)}, ${money(cost.usdPerThousand)} per 1,000`,
    `${amount(tokens)} tokens`,
    `latency ${latency(cost.latencyP50Ms, dash)} (p50), ${latency(cost.latencyP95Ms, dash)} (p95)`,
  ];
  return flow(parts, look);
}

function atLeast({ ascii }: Look): string {
  return ascii ? ">=" : "≥";
}

function nameWidth(names: readonly string[], look: Look, taken: number): number {
  const longest = Math.max(...names.map((name) => printable(name).length));
  return Math.max(8, Math.min(longest, look.columns - taken));
}
