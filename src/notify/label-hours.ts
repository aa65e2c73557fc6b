import type { LabelCounts } from "./label-shift.ts";

/** Labels counted in one hour, by dimension. */
export interface LabelHour {
  /** Hours since the epoch. */
  readonly hour: number;
  readonly labels: Record<string, Record<string, number>>;
}

const HOUR_MS = 3_600_000;
const WEEK_HOURS = 168;
/** More labels of one dimension than this are counted together, so that the state stays small. */
const MOST_LABELS = 100;
const OTHERS = "(others)";

/** What was classified as what, by the hour, over a little more than a week. */
export class LabelHours {
  readonly #keptHours: number;
  #hours: LabelHour[];
  /** What the present execution had counted when it was last looked at. */
  #base: { executionId: string; labels: Readonly<Record<string, LabelCounts>> } = { executionId: "", labels: {} };

  /** @param spanHours that are compared */
  constructor(spanHours: number, saved: readonly LabelHour[] = []) {
    this.#keptHours = WEEK_HOURS + spanHours + 1;
    this.#hours = structuredClone(saved) as LabelHour[];
  }

  /** @param labels counted by the execution so far */
  look(executionId: string, labels: Readonly<Record<string, LabelCounts>>, nowMs: number): void {
    const base = this.#base.executionId === executionId ? this.#base.labels : {};
    for (const [dimension, counts] of Object.entries(labels))
      for (const [label, count] of Object.entries(counts)) {
        const more = count - (base[dimension]?.[label] ?? 0);
        if (more > 0) this.#add(dimension, label, more, nowMs);
      }
    this.#base = { executionId, labels: structuredClone(labels) };
  }

  /**
   * Counts of the last whole hours and of the same hours a week before. An hour without items on either side (nobody ran,
   * or this is the first week) is left out of both, so that like is compared with like.
   */
  spans(dimension: string, spanHours: number, nowMs: number): { before: LabelCounts; now: LabelCounts } {
    const counts = new Map(this.#hours.map(({ hour, labels }) => [hour, labels[dimension]]));
    const to = Math.floor(nowMs / HOUR_MS);
    const [before, now]: [Record<string, number>, Record<string, number>] = [{}, {}];
    for (let hour = to - spanHours; hour < to; hour++) {
      const [then, lately] = [counts.get(hour - WEEK_HOURS), counts.get(hour)];
      if (then === undefined || lately === undefined) continue;
      addTo(before, then);
      addTo(now, lately);
    }
    return { before, now };
  }

  dimensions(): string[] {
    return [...new Set(this.#hours.flatMap(({ labels }) => Object.keys(labels)))];
  }

  saved(): readonly LabelHour[] {
    return structuredClone(this.#hours);
  }

  #add(dimension: string, label: string, count: number, nowMs: number): void {
    const hour = Math.floor(nowMs / HOUR_MS);
    let last = this.#hours.at(-1);
    if (last === undefined || last.hour < hour) {
      last = { hour, labels: {} };
      this.#hours.push(last);
      this.#hours = this.#hours.filter((one) => one.hour > hour - this.#keptHours);
    }
    const counts = last.labels[dimension] ?? {};
    last.labels[dimension] = counts;
    const name = Object.hasOwn(counts, label) || Object.keys(counts).length < MOST_LABELS ? label : OTHERS;
    counts[name] = (counts[name] ?? 0) + count;
  }
}

function addTo(sum: Record<string, number>, counts: LabelCounts): void {
  for (const [label, count] of Object.entries(counts)) sum[label] = (sum[label] ?? 0) + count;
}
