import type { Slope } from "./slope.ts";
import type { Verdict } from "./verdict.ts";

export interface SoakReport {
  readonly minutes: number;
  readonly seed: string;
  readonly perSecond: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly verdicts: readonly Verdict[];
  readonly modelCalls: number;
  /** Of the process that was not restarted, without its first minutes; MB an hour. null when the soak was too short. */
  readonly liveHeap: Slope | null;
  readonly rss: Slope | null;
  /** How much of the live heap is compiled code. */
  readonly code: Slope | null;
  readonly liveHeapMb: { readonly first: number; readonly last: number };
  readonly lag: { readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number };
  /** Seconds from the end of the faults until everything was settled. */
  readonly settledAfterS: number;
  /** Waiting retries that were due and not worked when everything else was settled. */
  readonly retriesLeft: number;
  readonly notifications: {
    readonly made: Readonly<Record<string, number>>;
    readonly arrived: Readonly<Record<string, number>>;
    /** Made and never arrived. */
    readonly lost: number;
    /** Arrived more often than once, with the same id. */
    readonly again: number;
    readonly refusedMeanwhile: number;
  };
  readonly badEnds: readonly string[];
}

/** Most that the live heap may grow, in MB an hour: the whole interval has to lie below, where there are enough minutes. */
const MOST_MB_AN_HOUR = 2;
const ENOUGH_MINUTES = 20;

/** @returns whether every promise was kept */
export function isSound({ verdicts, badEnds, retriesLeft, notifications, liveHeap }: SoakReport): boolean {
  const broken = verdicts.reduce(
    (sum, { lost, doubled, wrong, missingInHistory, paidAfterAcknowledgement }) =>
      sum + lost + doubled + wrong + missingInHistory + paidAfterAcknowledgement,
    0,
  );
  const most = liveHeap === null ? 0 : liveHeap.points < ENOUGH_MINUTES ? liveHeap.low : liveHeap.high;
  const grows = most > MOST_MB_AN_HOUR;
  return broken + badEnds.length + retriesLeft + notifications.lost === 0 && !grows;
}

export function reportLines(report: SoakReport): string[] {
  const { minutes, perSecond, seed, faults, verdicts, lag, notifications, liveHeapMb } = report;
  const counts = (by: Readonly<Record<string, number>>): string =>
    Object.entries(by)
      .map(([name, count]) => `${count} ${name}`)
      .join(", ") || "none";
  const slope = (found: Slope | null): string =>
    found === null
      ? "too short to tell"
      : `${found.perHour.toFixed(2)} MB/h (95 %: ${found.low.toFixed(2)} to ${found.high.toFixed(2)}, ${found.points} minutes)`;
  return [
    `${minutes} minutes, ${perSecond} conversations a second for each job, seed ${seed}, ${report.modelCalls} model calls`,
    `faults: ${counts(faults)}`,
    ...verdicts.flatMap((v) => [
      `${v.job}: ${v.conversations} conversations, ${v.grown} grew, ${v.touched} touched elsewhere, ${v.restarts} restarts`,
      `  lost ${v.lost}, doubled ${v.doubled}, wrong ${v.wrong}; classified ${v.classified}, skipped ${v.skipped}, dead letters ${v.deadLetters} (not refused: ${counts(v.buried)})`,
      `  superseded records kept ${v.superseded}, missing ${v.missingInHistory}; paid again ${v.paidAgain}, after an acknowledgement ${v.paidAfterAcknowledgement}`,
      ...v.examples.map((example) => `  ${example}`),
    ]),
    `memory of the process that was not restarted: live heap ${liveHeapMb.first.toFixed(1)} → ${liveHeapMb.last.toFixed(1)} MB, ${slope(report.liveHeap)}; of which compiled code ${slope(report.code)}; resident ${slope(report.rss)}`,
    `lag: half below ${lag.p50Ms.toFixed(0)} ms, 99 % below ${lag.p99Ms.toFixed(0)} ms, most ${lag.maxMs.toFixed(0)} ms; all settled ${report.settledAfterS.toFixed(1)} s after the last fault, due retries left ${report.retriesLeft}`,
    `notifications made: ${counts(notifications.made)}; arrived: ${counts(notifications.arrived)}; lost ${notifications.lost}, again with the same id ${notifications.again}, refused by the receiver while it was down ${notifications.refusedMeanwhile}`,
    ...report.badEnds.map((end) => `not expected: ${end}`),
  ];
}
