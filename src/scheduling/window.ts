import type { RunWindow } from "./schedule.ts";
import { momentOf, wallOf } from "./zone.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 1_440 * MINUTE_MS;
/** Longer than any window is closed: one day in the week, and what is open on it. */
const LOOKED_DAYS = 9;

/** How a run window stands at a moment. */
export interface WindowState {
  readonly open: boolean;
  /** When that changes, epoch ms; a window without a gap is open for more than a week ahead. */
  readonly untilMs: number;
}

/**
 * @param nowMs epoch ms
 * @returns whether calls may go out. Where clocks are set, an edge is the first moment that shows it, or at which it was left out
 */
export function windowAt(window: RunWindow, nowMs: number): WindowState {
  const { fromMinute, toMinute, days, timezone } = window;
  const today = Math.floor(wallOf(nowMs, timezone) / DAY_MS) * DAY_MS;
  const overnight = toMinute <= fromMinute ? DAY_MS : 0;
  let openUntilMs: number | null = null;
  for (let day = -2; day <= LOOKED_DAYS; day += 1) {
    const midnight = today + day * DAY_MS;
    if (days !== null && !days.includes(new Date(midnight).getUTCDay())) continue;
    const fromMs = momentOf(midnight + fromMinute * MINUTE_MS, timezone);
    const toMs = momentOf(midnight + overnight + toMinute * MINUTE_MS, timezone);
    if (toMs <= nowMs || toMs <= fromMs) continue;
    if (openUntilMs === null && fromMs > nowMs) return { open: false, untilMs: fromMs };
    if (openUntilMs !== null && fromMs > openUntilMs) break;
    openUntilMs = Math.max(openUntilMs ?? 0, toMs);
  }
  return { open: true, untilMs: openUntilMs ?? nowMs };
}

/** @returns `22:00-06:00` */
export function windowLabel({ fromMinute, toMinute }: RunWindow): string {
  return `${minuteLabel(fromMinute)}-${minuteLabel(toMinute)}`;
}

function minuteLabel(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
}
