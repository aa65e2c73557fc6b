import type { Insights } from "../dashboard/api.ts";
import type { JobSettings } from "../job.ts";
import { wallOf } from "../scheduling/zone.ts";
import type { RecordSearch, Store, TimelineBucket } from "../store.ts";
import { type LabelChange, sentencesOf } from "./insight-sentences.ts";
import { fieldOfDimension } from "./query-fields.ts";
import { dayBefore } from "./query-time.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** So few days are shown by the hour. */
const BY_HOUR = 2;
/** Counting goes on with the next request after so long. */
const COUNT_MS = 4_000;
/** How long an answer holds, in ms; stretches of the past hold longer, since people and later runs change them little. */
const FRESH_MS = 15_000;
const PAST_FRESH_MS = HOUR_MS;
/** A record may be written so long after it was classified. */
const LATE_MS = 10 * MINUTE_MS;
const MOST_KEPT = 4_000;
/** A stretch that takes too long is counted in so many parts. */
const PARTS = 8;

interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
}
interface Counted {
  readonly bucket: TimelineBucket;
  readonly complete: boolean;
}

export interface InsightsClocks {
  readonly timezone: string;
  readonly now: () => number;
  readonly steadyNow: () => number;
}

/** What customers write about, by day, against the period before; by when items were classified. */
export class InsightsView {
  readonly #clocks: InsightsClocks;
  readonly #dimensions: readonly { readonly id: string; readonly field: string }[];
  readonly #answers = new Map<number, { readonly atMs: number; readonly insights: Promise<Insights> }>();
  readonly #kept = new Map<string, { readonly atMs: number; readonly bucket: TimelineBucket }>();
  /** Stretches that took too long at once. */
  readonly #parted = new Map<string, readonly Stretch[]>();

  constructor({ taxonomy }: Pick<JobSettings, "taxonomy">, clocks: InsightsClocks) {
    const own = taxonomy.dimensions.map(({ id }) => ({ id, field: fieldOfDimension(id) }));
    const language = own.some(({ id }) => id === "language") ? [] : [{ id: "language", field: "language" }];
    this.#dimensions = [...own, ...language];
    this.#clocks = clocks;
  }

  /** @param days 1 to 92, today among them; the same answer for all who ask within 15 s */
  async of(store: Store, collection: string, days: number): Promise<Insights> {
    const nowMs = this.#clocks.steadyNow();
    const known = this.#answers.get(days);
    if (known !== undefined && nowMs - known.atMs < FRESH_MS) return await known.insights;
    const insights = this.#count(store.target(collection).search, days);
    this.#answers.set(days, { atMs: nowMs, insights });
    // What is not all of it is counted on at the next look.
    insights.then(
      ({ complete }) => complete || this.#answers.delete(days),
      () => this.#answers.delete(days),
    );
    return await insights;
  }

  async #count(search: RecordSearch, days: number): Promise<Insights> {
    const { now, steadyNow, timezone } = this.#clocks;
    const nowMs = now();
    const bucketMs = days <= BY_HOUR ? HOUR_MS : DAY_MS;
    const present = stretchesOf(nowMs, days - 1, nowMs, bucketMs, timezone);
    const fromMs = present[0]!.fromMs;
    const beforeFromMs = dayBefore(nowMs, 2 * days - 1, timezone);
    // As long as the present period has lasted so far, by whole hours.
    const lasted = Math.floor((nowMs - fromMs) / HOUR_MS) * HOUR_MS;
    const beforeToMs = Math.min(fromMs, beforeFromMs + Math.max(lasted, HOUR_MS));
    const before = stretchesOf(nowMs, 2 * days - 1, beforeToMs, DAY_MS, timezone);
    const deadline = steadyNow() + COUNT_MS;
    const counted = new Map<Stretch, Counted>();
    for (const stretch of [...present].reverse().concat([...before].reverse()))
      counted.set(stretch, await this.#countStretch(search, stretch, nowMs, deadline));
    const of = (stretches: readonly Stretch[]): TimelineBucket[] => stretches.map((one) => counted.get(one)!.bucket);
    const [nowBuckets, beforeBuckets] = [of(present), of(before)];
    const totals = { now: sum(nowBuckets, ({ total }) => total), before: sum(beforeBuckets, ({ total }) => total) };
    const dimensions = this.#dimensions.map(({ id, field }) => ({
      id,
      labels: labelsOf(field, nowBuckets, beforeBuckets),
    }));
    const changes = dimensions.flatMap(({ id, labels }) =>
      labels.map(
        (label): LabelChange => ({ dimension: id, label: label.id, count: label.count, before: label.before }),
      ),
    );
    const complete = [...counted.values()].every((one) => one.complete);
    const since = new Date(wallOf(fromMs, timezone)).toISOString().slice(0, 10);
    return {
      fromMs,
      toMs: nowMs,
      days,
      bucketMs,
      total: totals.now,
      totalBefore: totals.before,
      dimensions,
      // Of what was counted in part nothing is said.
      sentences: complete ? sentencesOf(changes, totals, since) : [],
      complete,
    };
  }

  async #countStretch(search: RecordSearch, stretch: Stretch, nowMs: number, deadline: number): Promise<Counted> {
    const fields = this.#dimensions.map(({ field }) => field);
    const parts = this.#parted.get(nameOf(stretch)) ?? [stretch];
    const buckets: TimelineBucket[] = [];
    for (const part of parts) {
      const { steadyNow } = this.#clocks;
      const known = this.#kept.get(nameOf(part));
      if (known !== undefined && steadyNow() - known.atMs < PAST_FRESH_MS) {
        buckets.push(known.bucket);
        continue;
      }
      const leftMs = deadline - steadyNow();
      if (leftMs <= 0) continue;
      const [bucket] = await search.timeline(fields, [part.fromMs, part.toMs], leftMs);
      if (bucket) {
        buckets.push(bucket);
        if (part.toMs < nowMs - LATE_MS) this.#keep(part, bucket);
      } else if (leftMs > COUNT_MS / 2) this.#part(stretch, parts, part);
    }
    return { bucket: merged(fields, buckets), complete: buckets.length === parts.length };
  }

  #keep(part: Stretch, bucket: TimelineBucket): void {
    this.#kept.delete(nameOf(part));
    this.#kept.set(nameOf(part), { atMs: this.#clocks.steadyNow(), bucket });
    for (const name of this.#kept.keys()) {
      if (this.#kept.size <= MOST_KEPT) break;
      this.#kept.delete(name);
    }
  }

  #part(stretch: Stretch, parts: readonly Stretch[], slow: Stretch): void {
    const length = Math.ceil((slow.toMs - slow.fromMs) / PARTS);
    if (length < MINUTE_MS) return;
    const smaller = Array.from({ length: PARTS }, (_, at) => ({
      fromMs: slow.fromMs + at * length,
      toMs: Math.min(slow.toMs, slow.fromMs + (at + 1) * length),
    }));
    if (this.#parted.size > MOST_KEPT) this.#parted.clear();
    this.#parted.set(
      nameOf(stretch),
      parts.flatMap((part) => (part === slow ? smaller : [part])),
    );
  }
}

/** From the beginning of the day so many days before until `endMs`, each a day of the zone or an hour. */
function stretchesOf(nowMs: number, daysBefore: number, endMs: number, bucketMs: number, zone: string): Stretch[] {
  const stretches: Stretch[] = [];
  for (let day = daysBefore; day >= 0; day--) {
    const [dayFrom, dayTo] = [dayBefore(nowMs, day, zone), Math.min(endMs, dayBefore(nowMs, day - 1, zone))];
    // Days of 23 and 25 hours are one stretch each.
    const step = bucketMs === DAY_MS ? 2 * DAY_MS : bucketMs;
    for (let fromMs = dayFrom; fromMs < dayTo; fromMs += step)
      stretches.push({ fromMs, toMs: Math.min(dayTo, fromMs + step) });
  }
  return stretches;
}

function labelsOf(field: string, now: readonly TimelineBucket[], before: readonly TimelineBucket[]) {
  const names = new Set([...now, ...before].flatMap(({ labels }) => Object.keys(labels[field] ?? {})));
  const countOf = (bucket: TimelineBucket, name: string): number => bucket.labels[field]?.[name] ?? 0;
  return [...names]
    .map((id) => ({
      id,
      count: sum(now, (bucket) => countOf(bucket, id)),
      before: sum(before, (bucket) => countOf(bucket, id)),
      counts: now.map((bucket) => countOf(bucket, id)),
    }))
    .sort((a, b) => b.count - a.count || b.before - a.before || (a.id < b.id ? -1 : 1));
}

function merged(fields: readonly string[], buckets: readonly TimelineBucket[]): TimelineBucket {
  const labels: Record<string, Record<string, number>> = Object.fromEntries(fields.map((field) => [field, {}]));
  for (const bucket of buckets)
    for (const [field, counts] of Object.entries(bucket.labels))
      for (const [label, count] of Object.entries(counts)) {
        const of = labels[field]!;
        of[label] = (Object.hasOwn(of, label) ? of[label]! : 0) + count;
      }
  return { total: sum(buckets, ({ total }) => total), labels };
}

function sum<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((total, value) => total + of(value), 0);
}

function nameOf({ fromMs, toMs }: Stretch): string {
  return `${fromMs}-${toMs}`;
}
