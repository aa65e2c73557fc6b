import type { GrowingSettings, Reclassify } from "../job.ts";
import type { ResolvedOptions } from "./sources.ts";

const HOUR_MS = 3_600_000;

/** @returns null when conversations that grow are nothing special */
export function growingSettings(options: ResolvedOptions): GrowingSettings | null {
  const { get } = options;
  const hours = get("source.sweepEvery");
  const growing = {
    updatedAt: get("source.updatedAt"),
    quietForMs: get("source.quietFor") * 1_000,
    // A flag that says so once is as good in a process that goes on.
    again: isStanding(options) || (get("reclassify") === "changed" && get("mode") !== "batch"),
    sweepEveryMs: hours === null ? null : hours * HOUR_MS,
  };
  return growing.again || growing.quietForMs > 0 ? growing : null;
}

/** @returns what this one run classifies again before anything else: what a flag says, never what stands in the file */
export function reclassifyOnce({ get, origin }: ResolvedOptions): Reclassify | null {
  return origin("reclassify") === "file" ? null : get("reclassify");
}

/** What cannot stand in the file, or has no effect there. */
export function growingConflicts(options: ResolvedOptions): string[] {
  const { get, name, origin } = options;
  const problems: string[] = [];
  if (origin("reclassify") === "file" && get("reclassify") !== "changed")
    problems.push(
      `${name("reclassify")}: ${get("reclassify")} cannot stand in the file, since every run would ask again. Say changed there, or use --reclassify ${get("reclassify")} for one run.`,
    );
  if (get("source.sweepEvery") !== null && !isStanding(options) && get("reclassify") === null)
    problems.push(
      `${name("source.sweepEvery")} compares settled items with their records, and nothing is classified again. Add reclassify: changed, or leave it out.`,
    );
  if (get("source.updatedAt") !== null && growingSettings(options) === null && get("reclassify") === null)
    problems.push(
      `${name("source.updatedAt")} says when documents change, and nothing asks. Add source.quietFor or reclassify: changed, or leave it out.`,
    );
  return problems;
}

function isStanding({ fileValue }: ResolvedOptions): boolean {
  return fileValue("reclassify") === "changed";
}
