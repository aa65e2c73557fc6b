import { QuerymillError } from "../errors.ts";
import { type Fingerprint, type JobSettings, shortHash } from "../job.ts";

/** @returns what all processes of a fleet have to agree on, so that it does not matter who answers an item */
export function questionOf(settings: JobSettings, fingerprint: Fingerprint): Readonly<Record<string, string>> {
  const { filter, db, sourceStore, sourceCollection } = settings;
  return {
    ...fingerprint,
    source: `${sourceStore?.db ?? db}.${sourceCollection}`,
    filter: filter === null ? "none" : shortHash(filter),
  };
}

/** @throws QuerymillError FINGERPRINT_CHANGED naming what differs */
export function refuseOtherQuestion(
  job: string,
  plan: Readonly<Record<string, string>>,
  own: Readonly<Record<string, string>>,
): void {
  const lines = [...new Set([...Object.keys(plan), ...Object.keys(own)])]
    .filter((name) => plan[name] !== own[name])
    .map((name) => `  ${name}: ${plan[name] ?? "none"} there, ${own[name] ?? "none"} here`);
  if (lines.length === 0) return;
  throw new QuerymillError(
    "FINGERPRINT_CHANGED",
    [
      `This worker was started with other settings than the run of job ${job}, so its results would not be comparable:`,
      ...lines,
      "",
      "  Start it with the same querymill.yaml and taxonomy as the run.",
    ].join("\n"),
  );
}
