/** One answer with how sure it was. */
export interface Sure {
  /** 0..1 */
  readonly confidence: number;
  readonly correct: boolean;
}

/** Answers whose confidence lies in one of the bins. */
export interface ReliabilityBin {
  /** Above this (the first bin: from 0 on) … */
  readonly from: number;
  /** … up to this. */
  readonly to: number;
  readonly rows: number;
  /** Mean confidence. */
  readonly confidence: number;
  readonly accuracy: number;
}

/** What is left to the model when it only answers what it is surest of. */
export interface CoveragePoint {
  /** Share of rows that are answered, 0..1. */
  readonly coverage: number;
  /** Accuracy among them. */
  readonly accuracy: number;
  /** Answers at least as sure as this are taken. */
  readonly confidence: number;
}

/** Whether confidence means what it says. */
export interface Calibration {
  /** Rows with a confidence. */
  readonly rows: number;
  readonly meanConfidence: number;
  /** Expected calibration error, 0..1: mean distance of confidence and accuracy over 15 equal bins, weighted by rows (Naeini 2015, Guo 2017). */
  readonly ece: number;
  /** Mean square of confidence less right (1) or wrong (0), 0..1; of the answer that was given (Brier 1950). */
  readonly brier: number;
  /** Bins that hold rows, in order. */
  readonly bins: readonly ReliabilityBin[];
  /** At most 101 points by rising coverage; accuracy over all is the last. */
  readonly coverage: readonly CoveragePoint[];
  /** Mean accuracy over all coverages, 0..1: the area under that curve (1 - AURC of Geifman and El-Yaniv 2017). */
  readonly coverageArea: number;
}

const BINS = 15;
const POINTS = 100;

/** @returns null without rows */
export function calibrate(rows: readonly Sure[]): Calibration | null {
  if (rows.length === 0) return null;
  const bins = binsOf(rows);
  const { accuracies, sorted } = accuracyByCoverage(rows);
  return {
    rows: rows.length,
    meanConfidence: mean(rows.map(({ confidence }) => confidence)),
    ece: bins.reduce((sum, bin) => sum + (bin.rows / rows.length) * Math.abs(bin.accuracy - bin.confidence), 0),
    brier: mean(rows.map(({ confidence, correct }) => (confidence - (correct ? 1 : 0)) ** 2)),
    bins,
    coverage: pointsOf(accuracies, sorted),
    coverageArea: mean(accuracies),
  };
}

/**
 * The largest share of rows that can be left to the model with at least this accuracy, and above which confidence.
 * @returns null when no share reaches it
 */
export function coverageAt({ coverage }: Calibration, accuracy: number): CoveragePoint | null {
  return coverage.findLast((point) => point.accuracy >= accuracy) ?? null;
}

function binsOf(rows: readonly Sure[]): ReliabilityBin[] {
  const sums = Array.from({ length: BINS }, () => ({ rows: 0, confidence: 0, correct: 0 }));
  for (const { confidence, correct } of rows) {
    const sum = sums[Math.min(BINS - 1, Math.max(0, Math.ceil(confidence * BINS - 1e-9) - 1))]!;
    sum.rows += 1;
    sum.confidence += confidence;
    sum.correct += correct ? 1 : 0;
  }
  return sums.flatMap(({ rows: count, confidence, correct }, at) =>
    count === 0
      ? []
      : {
          from: at / BINS,
          to: (at + 1) / BINS,
          rows: count,
          confidence: confidence / count,
          accuracy: correct / count,
        },
  );
}

/** Accuracy of the k surest rows, for each k. Rows that are equally sure share their mistakes evenly: the order of the file decides nothing. */
function accuracyByCoverage(rows: readonly Sure[]): { accuracies: number[]; sorted: Sure[] } {
  const sorted = rows.toSorted((a, b) => b.confidence - a.confidence);
  const accuracies: number[] = [];
  let before = 0;
  for (let at = 0; at < sorted.length; ) {
    let end = at;
    let correct = 0;
    while (end < sorted.length && sorted[end]!.confidence === sorted[at]!.confidence)
      correct += sorted[end++]!.correct ? 1 : 0;
    for (let k = at + 1; k <= end; k++) accuracies.push((before + (correct * (k - at)) / (end - at)) / k);
    before += correct;
    at = end;
  }
  return { accuracies, sorted };
}

/** Thinned to at most 101 points; only where a threshold can really be set: behind rows that are equally sure. */
function pointsOf(accuracies: readonly number[], sorted: readonly Sure[]): CoveragePoint[] {
  const points: CoveragePoint[] = [];
  const step = sorted.length / POINTS;
  let next = 0;
  for (const [at, { confidence }] of sorted.entries()) {
    const last = at === sorted.length - 1;
    if (!last && (sorted[at + 1]!.confidence === confidence || at + 1 < next)) continue;
    points.push({ coverage: (at + 1) / sorted.length, accuracy: accuracies[at]!, confidence });
    next = at + 1 + step;
  }
  return points;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
