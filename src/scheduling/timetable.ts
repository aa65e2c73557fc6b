import { shortHash } from "../job.ts";
import { CronTimes } from "./cron.ts";
import type { ScheduleSettings, ScheduleSnapshot } from "./schedule.ts";

/** What a schedule remembers of its past. */
interface Row {
  readonly schedule: ScheduleSettings;
  readonly times: CronTimes;
  /** Times up to here are settled: they ran, or were missed. */
  settledMs: number;
  /** The last time that ran. */
  ranMs: number;
  shown: { readonly fromMs: number; readonly nextMs: readonly number[] } | null;
}

/** A time of a schedule. */
export interface Due {
  readonly schedule: ScheduleSettings;
  readonly timeMs: number;
  /** `timeMs` and its delay. */
  readonly startMs: number;
}

/** Times that have passed. */
export interface Passed {
  /** At most 1,000. */
  readonly times: number;
  readonly firstMs: number;
  readonly lastMs: number;
}

const COUNTED = 1_000;
const SHOWN = 5;
/** A clock that is set back further than this was wrong before: what it settled holds no longer, in ms. */
const BELIEVED_MS = 2 * 3_600_000;

/** The times of several schedules, and which of them are settled. Asks no clock. */
export class Timetable {
  readonly #rows: readonly Row[];
  readonly #seed: string;

  /**
   * @param seed delays by jitter are drawn from it
   * @param nowMs times up to now are settled
   */
  constructor(schedules: readonly ScheduleSettings[], seed: string, nowMs: number) {
    this.#seed = seed;
    this.#rows = schedules.map((schedule) => ({
      schedule,
      times: new CronTimes(schedule.cron, schedule.timezone),
      settledMs: nowMs,
      ranMs: Number.NEGATIVE_INFINITY,
      shown: null,
    }));
  }

  settledMs(name: string): number {
    return this.#row(name).settledMs;
  }

  /** Times up to `ms` are settled. @param ran the last of them ran */
  settle(name: string, ms: number, ran: boolean): void {
    const row = this.#row(name);
    row.settledMs = ms;
    if (ran) row.ranMs = ms;
  }

  /**
   * A clock that is set back brings times again that were missed, and none that ran.
   * @returns whether anything changed
   */
  lookAtClock(nowMs: number): boolean {
    let changed = false;
    for (const row of this.#rows) {
      if (row.ranMs > nowMs + BELIEVED_MS) row.ranMs = nowMs;
      const settledMs = Math.min(row.settledMs, Math.max(row.ranMs, nowMs));
      changed ||= settledMs !== row.settledMs;
      row.settledMs = settledMs;
    }
    return changed;
  }

  /** The time that begins first; of those that begin together, that of the schedule that was named first. */
  next(): Due | null {
    let first: Due | null = null;
    for (const { schedule, times, settledMs } of this.#rows) {
      const timeMs = times.after(settledMs);
      if (timeMs === null) continue;
      const startMs = timeMs + this.#delayMs(schedule, timeMs);
      if (first === null || startMs < first.startMs) first = { schedule, timeMs, startMs };
    }
    return first;
  }

  /** @returns the times of a schedule that are not settled and should have begun by now; null when there are none */
  passed(name: string, nowMs: number): Passed | null {
    const { schedule, times, settledMs } = this.#row(name);
    const hasBegun = (ms: number | null): ms is number => ms !== null && ms + this.#delayMs(schedule, ms) <= nowMs;
    const first = times.after(settledMs);
    if (!hasBegun(first)) return null;
    let lastMs = first;
    for (let count = 1; count < COUNTED; count += 1) {
      const ms = times.after(lastMs);
      if (!hasBegun(ms)) return { times: count, firstMs: first, lastMs };
      lastMs = ms;
    }
    // Of very many the last ones are not looked for.
    return { times: COUNTED, firstMs: first, lastMs: Math.max(lastMs, nowMs - schedule.jitterSeconds * 1_000) };
  }

  /** When the next runs begin. */
  snapshot(nowMs: number): readonly ScheduleSnapshot[] {
    return this.#rows.map((row) => {
      const { name, cron, timezone } = row.schedule;
      const isStale =
        row.shown === null || nowMs < row.shown.fromMs || nowMs >= (row.shown.nextMs[0] ?? Number.POSITIVE_INFINITY);
      if (isStale) row.shown = { fromMs: nowMs, nextMs: this.#starts(row, nowMs) };
      return { name, cron, timezone, nextMs: row.shown!.nextMs };
    });
  }

  #starts({ schedule, times }: Row, nowMs: number): number[] {
    // The delay of a time that has passed may not be over.
    const passed = schedule.jitterSeconds === 0 ? 0 : 1;
    const found = times.next(SHOWN + passed, nowMs - schedule.jitterSeconds * 1_000);
    return found
      .map((timeMs) => timeMs + this.#delayMs(schedule, timeMs))
      .filter((startMs) => startMs > nowMs)
      .slice(0, SHOWN);
  }

  /** The same for one time whenever it is asked, and another one for another job. */
  #delayMs({ name, jitterSeconds }: ScheduleSettings, timeMs: number): number {
    if (jitterSeconds === 0) return 0;
    const drawn = Number.parseInt(shortHash([this.#seed, name, timeMs]), 16) / 0x1_0000_0000;
    return Math.floor(drawn * (jitterSeconds * 1_000 + 1));
  }

  #row(name: string): Row {
    return this.#rows.find(({ schedule }) => schedule.name === name)!;
  }
}
