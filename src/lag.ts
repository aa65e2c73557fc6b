/**
 * Age of the oldest unprocessed item: 0 ms when there is none, null while it is not known. `basis` is what tells its age: a
 * time in the document, the time in its ObjectId, or since when this process has known of it.
 */
export interface Lag {
  readonly ms: number | null;
  /** Epoch ms. */
  readonly sinceMs: number | null;
  readonly basis: "updated-at" | "object-id" | "first-seen" | null;
}
export const UNKNOWN_LAG: Lag = { ms: null, sinceMs: null, basis: null };

/** How old the lag that a file tells is at this moment. */
export function lagNow(lag: Lag, nowMs: number): Lag {
  if (lag.sinceMs === null) return lag.ms === 0 ? lag : UNKNOWN_LAG;
  return { ...lag, ms: Math.max(0, nowMs - lag.sinceMs) };
}
