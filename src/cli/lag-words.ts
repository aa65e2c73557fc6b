import type { Lag } from "../lag.ts";
import { duration, momentRange } from "./format.ts";

const BASIS = {
  "updated-at": "by its time of change",
  "object-id": "by the time in its id",
  "first-seen": "since it was first seen",
} as const;

/** How far a run is behind: `12 min`, `oldest from 14:03:11`, and what tells its age. */
export function lagWords({ ms, sinceMs, basis }: Lag, nowMs: number, dash: string): string[] {
  if (ms === 0 && sinceMs === null) return ["none", "everything is done"];
  if (ms === null || sinceMs === null || basis === null) return ["?", "not known now"];
  return [duration(ms), `oldest from ${momentRange(sinceMs, sinceMs, nowMs, dash)}`, BASIS[basis]];
}

/** What an idle run of continuous mode waits for. */
export function waitWords(reason: string, watching: boolean): string {
  return watching && reason === "next poll" ? "next poll, or a change of the source" : reason;
}
