import type { Counters, JobTotals } from "../counters.ts";
import type { ExecutionEnd, RunSnapshot } from "../events.ts";
import { NO_COUNTERS } from "../jobs/no-counters.ts";
import type { RangeWork } from "./ports.ts";

/** What an execution says of itself, under way or at its end. */
type Done = Pick<ExecutionEnd, "labels" | "skippedReasons" | "deadLetterReasons"> & {
  readonly counters: Counters;
  readonly jobTotals: JobTotals | null;
  readonly redacted?: ExecutionEnd["redacted"];
};

const OUTCOMES = ["classified", "skipped", "retryQueued", "deadLetters"] as const;
const MONEY = ["costUsd", "uncertainUsd", "savedUsd"] as const;

/** @returns the sum; USD null when either is not known */
export function addCounters(a: Readonly<Counters>, b: Readonly<Counters>): Counters {
  const sum = { ...a };
  for (const name of Object.keys(NO_COUNTERS) as (keyof Counters)[])
    if (!isMoney(name)) sum[name] = (a[name] ?? 0) + (b[name] ?? 0);
  for (const name of MONEY) {
    const [x, y] = [a[name], b[name]];
    sum[name] = x === null || y === null ? null : x + y;
  }
  return sum;
}

export function settledOf({ read, inFlight }: Counters): number {
  return read - inFlight;
}

/** USD, as far as it is known; what may have been billed counts as billed. */
export function costOf({ costUsd, uncertainUsd }: Counters): number {
  return (costUsd ?? 0) + (uncertainUsd ?? 0);
}

/**
 * What was done of a range in one folder. Items and money are those of the folder's journal over all executions; what
 * else is counted, of those that could say it.
 * @param before of the executions on this folder before this one
 */
export function workOf(
  executionId: string,
  { counters, jobTotals, labels, skippedReasons, deadLetterReasons, redacted = {} }: Done,
  before: RangeWork | null,
  ended: boolean,
): RangeWork {
  const all = addCounters(before?.counters ?? NO_COUNTERS, counters);
  if (jobTotals !== null) {
    for (const name of OUTCOMES) all[name] = jobTotals[name];
    for (const name of ["modelCalls", "costUsd", "uncertainUsd"] as const) all[name] = jobTotals[name] as never;
  }
  all.inFlight = ended ? 0 : counters.inFlight;
  all.pending = ended ? 0 : counters.pending;
  all.read = OUTCOMES.reduce((sum, name) => sum + all[name], all.inFlight);
  return {
    executionIds: [...new Set([...(before?.executionIds ?? []), executionId])],
    ended,
    counters: all,
    labels: addLabels(before?.labels ?? {}, labels),
    skippedReasons: addCounts(before?.skippedReasons ?? {}, skippedReasons),
    deadLetterReasons: addCounts(before?.deadLetterReasons ?? {}, deadLetterReasons),
    redacted: addCounts(before?.redacted ?? {}, redacted),
  };
}

export function workUnderWay(executionId: string, snapshot: RunSnapshot, before: RangeWork | null): RangeWork {
  return workOf(executionId, snapshot, before, false);
}

/**
 * What somebody did who did not come back to say it.
 * @param settled what the source knows of its items; null where it knows nothing
 * @param retryQueued its items that wait for another try
 */
export function recounted(
  work: RangeWork,
  settled: Readonly<Record<"classified" | "skipped" | "deadLetter", number>> | null,
  retryQueued: number,
): RangeWork {
  const { classified, skipped, deadLetter } = settled ?? { ...work.counters, deadLetter: work.counters.deadLetters };
  const items = { classified, skipped, deadLetters: deadLetter, retryQueued, inFlight: 0, pending: 0 };
  const read = classified + skipped + deadLetter + retryQueued;
  return { ...work, ended: true, counters: { ...work.counters, ...items, read } };
}

/** @returns all that was done of a range; null when nothing was */
export function sumOf(works: readonly RangeWork[]): RangeWork | null {
  return works.reduce<RangeWork | null>(
    (sum, work) =>
      sum === null
        ? work
        : {
            executionIds: [...sum.executionIds, ...work.executionIds],
            ended: sum.ended && work.ended,
            counters: addCounters(sum.counters, work.counters),
            labels: addLabels(sum.labels, work.labels),
            skippedReasons: addCounts(sum.skippedReasons, work.skippedReasons),
            deadLetterReasons: addCounts(sum.deadLetterReasons, work.deadLetterReasons),
            redacted: addCounts(sum.redacted, work.redacted),
          },
    null,
  );
}

const isMoney = (name: string): name is (typeof MONEY)[number] => (MONEY as readonly string[]).includes(name);

function addCounts(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Record<string, number> {
  const sum = { ...a };
  for (const [name, count] of Object.entries(b)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}

function addLabels(a: ExecutionEnd["labels"], b: ExecutionEnd["labels"]): ExecutionEnd["labels"] {
  const sum = { ...a };
  for (const [dimension, labels] of Object.entries(b)) sum[dimension] = addCounts(sum[dimension] ?? {}, labels);
  return sum;
}
