import { QuerymillError } from "../errors.ts";
import { scoreReviewed } from "../evaluation/evaluate-reviewed.ts";
import type { Estimate } from "../evaluation/evaluation.ts";
import { importReview, type ReviewImport } from "../evaluation/review-import.ts";
import type { JobSettings } from "../job.ts";
import { forgetCorrected } from "../jobs/answers-folder.ts";
import { openExistingStore } from "../jobs/existing-store.ts";
import { BatchFileManager } from "../state/batch-file-manager.ts";
import type { Store } from "../store.ts";
import { estimateLines } from "./evaluate-view.ts";
import { count, type Look, symbols } from "./format.ts";
import { loadJob } from "./job-command.ts";
import { retype } from "./options.ts";
import { asTyped } from "./program.ts";
import { openScreen } from "./screen.ts";

/** `import --reviewed FILE`: what people filled into a sheet becomes their decision, which no run overwrites. */
export async function importReviewed(
  path: string,
  { idColumn, encoding, delimiter, ...flags }: Record<string, unknown>,
): Promise<number> {
  if (idColumn !== undefined)
    throw new QuerymillError(
      "USAGE",
      "--id-column is for rows of queries: a review sheet names its records itself. Leave it out.",
    );
  const { settings, output, jobFlags } = await loadJob(flags, false);
  const store = await openExistingStore(settings);
  try {
    const target = store.target(settings.targetCollection);
    const { corrected, ...found } = await importReview(target, settings.taxonomy, {
      path,
      ...(typeof encoding === "string" ? { encoding } : {}),
      ...(typeof delimiter === "string" ? { delimiter: /^(tab|\\t)$/.test(delimiter) ? "\t" : delimiter } : {}),
    });
    await forgetCorrected(new BatchFileManager(settings.batchDir, settings), corrected, Date.now());
    const estimates = await estimatesOf(store, settings);
    const screen = openScreen();
    if (output.json) screen.json({ event: "review:import", time: new Date().toISOString(), ...found, estimates });
    else screen.printWhole(linesOf(found, estimates, `${jobFlags} ${retype(flags, ["taxonomy"])}`.trim(), screen.look));
    return found.statuses.changed + found.statuses.missing > 0 ? 3 : 0;
  } finally {
    await store.close();
  }
}

/** null when no record was decided by a person. */
async function estimatesOf(store: Store, settings: JobSettings): Promise<readonly Estimate[] | null> {
  try {
    return (await scoreReviewed(store, settings)).evaluation.estimates;
  } catch (error) {
    if (error instanceof QuerymillError && error.code === "USAGE") return null;
    throw error;
  }
}

function linesOf(
  { rows, notReviewed, statuses }: Omit<ReviewImport, "corrected">,
  estimates: readonly Estimate[] | null,
  jobFlags: string,
  look: Look,
): string[] {
  const { ok, warn, dot } = symbols(look.ascii);
  const { confirmed, corrected, unchanged, changed, missing } = statuses;
  const lines = [
    `${look.style("green", ok)} ${count(confirmed)} answers are confirmed and ${count(corrected)} corrected. No run overwrites them.`,
    `${dot} ${count(rows)} rows: ${count(unchanged)} were taken before as they are, ${count(notReviewed)} have neither verdict nor label and were not looked at.`,
  ];
  if (changed > 0)
    lines.push(
      `${look.style("yellow", warn)} ${count(changed)} conversations changed since the sheet was made and are left as they are: put them on a new sheet.`,
    );
  if (missing > 0)
    lines.push(
      `${look.style("yellow", warn)} ${count(missing)} rows name records that are not there. Is it the right target?`,
    );
  if (estimates !== null) {
    lines.push(...estimateLines({ estimates, origin: "reviewed" }, look));
    lines.push("", `  All figures:  ${asTyped(`querymill evaluate --reviewed ${jobFlags}`.trimEnd())}`);
  }
  return lines;
}
