import type { LimitStep } from "../src/dashboard/api.ts";

/** A numbered mark on the curve of calls in flight: one change of a limit, or several alike in a row. */
export interface LimitFlag {
  readonly number: number;
  readonly atMs: number;
  /** Of the last of them; the same as `atMs` for a single one. */
  readonly lastMs: number;
  readonly endpoint: string;
  readonly from: number;
  readonly to: number;
  readonly reason: LimitStep["reason"];
  readonly words: string;
  readonly changes: number;
}

/** Changes alike that follow each other at an endpoint are one flag; the newest `most` are kept and numbered from 1. */
export function flagsOf(steps: readonly LimitStep[], most: number): LimitFlag[] {
  const flags: Omit<LimitFlag, "number">[] = [];
  const last = new Map<string, number>();
  for (const { atMs, endpoint, from, to, reason, words } of steps) {
    const at = last.get(endpoint);
    const before = at === undefined ? undefined : flags[at];
    const alike = before?.reason === reason && Math.sign(before.to - before.from) === Math.sign(to - from);
    if (at !== undefined && alike) flags[at] = { ...before, to, lastMs: atMs, changes: before.changes + 1 };
    else {
      last.set(endpoint, flags.length);
      flags.push({ atMs, lastMs: atMs, endpoint, from, to, reason, words, changes: 1 });
    }
  }
  return flags.slice(-most).map((flag, index) => ({ ...flag, number: index + 1 }));
}
