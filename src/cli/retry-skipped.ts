import type { SkippedItems } from "../jobs/skipped.ts";
import { confirm } from "./confirm.ts";
import { count, symbols } from "./format.ts";
import type { LoadedJob } from "./job-command.ts";
import { asTyped } from "./program.ts";
import { openScreen } from "./screen.ts";

/**
 * `querymill retry --skipped`: skipped items that have a text now are unmarked, and the next run reads them.
 * @returns the exit code, 0
 */
export async function retrySkipped(
  { settings, output, jobFlags }: LoadedJob,
  { dryRun, yes }: { readonly dryRun: boolean; readonly yes: boolean },
): Promise<number> {
  const { chooseAdapters } = await import("../jobs/wiring.ts");
  const { countSkipped, reopenSkipped } = await import("../jobs/skipped.ts");
  const adapters = await chooseAdapters(settings);
  const found = await countSkipped(settings, adapters);
  const screen = openScreen();
  const { job } = settings;
  const say = (lines: readonly string[]): void => {
    if (!output.json) screen.printWhole(lines);
  };
  say(foundLines(found, job));
  if (found.readable === 0 || dryRun) {
    if (output.json) screen.json({ event: "retry:preview", job, ...found });
    else if (found.readable > 0)
      say(["", `Nothing was done. To do it:  ${asTyped(`querymill retry --skipped ${jobFlags}`).trimEnd()} --yes`]);
    return 0;
  }
  if (!yes && !(await confirm(`Let the next run read ${count(found.readable)} items again?`, "A retry"))) {
    say(["Nothing was done."]);
    return 0;
  }
  const done = await reopenSkipped(settings, adapters);
  if (output.json) screen.json({ event: "retry:end", job, ...done });
  const ok = screen.look.style("green", symbols(screen.look.ascii).ok);
  say([
    "",
    `${ok} ${count(done.readable)} items are unmarked: the next run reads them.  ${asTyped(`querymill run ${jobFlags}${done.settingsChanged ? " --accept-changes" : ""}`.replaceAll("  ", " "))}`,
  ]);
  return 0;
}

function foundLines({ skipped, readable, reasons }: SkippedItems, job: string): string[] {
  if (skipped === 0) return [`No item of ${job} is marked as skipped.`];
  const again = Object.entries(reasons).map(([reason, items]) => `${reason} ${count(items)}`);
  return [
    `${count(skipped)} items of ${job} were skipped; ${count(readable)} of them have a text now.`,
    ...(again.length === 0
      ? []
      : [`The others stay as they are, since they would be skipped again: ${again.join(", ")}.`]),
    ...(readable > 0 || reasons["no text"] === undefined
      ? []
      : ["Say where their text is with source.text in querymill.yaml, then try again."]),
  ];
}
