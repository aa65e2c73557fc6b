import { hostname } from "node:os";
import { relative } from "node:path";
import { type Command, Option } from "commander";
import type { FleetLeft } from "../cluster/fleet-removal.ts";
import { didYouMean } from "../config/nearest.ts";
import { QuerymillError } from "../errors.ts";
import { type CleanPlan, clean, planClean } from "../jobs/clean.ts";
import { findJobs, tenantJobs } from "../jobs/status.ts";
import { confirm } from "./confirm.ts";
import { count, left, symbols } from "./format.ts";
import { addJobOptions, loadJob } from "./job-command.ts";
import { makeCommand } from "./options.ts";
import { openScreen } from "./screen.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;

/** `querymill clean`: removes local state that no run needs. */
export function cleanCommand(): Command {
  const command = makeCommand(
    "clean",
    "Removes local state that no run needs any more, after showing it: archives of --fresh and damaged records that were set aside. Queries and results in the store stay.",
    `querymill clean --dry-run
querymill clean --job support-inbox --older-than 30 --yes`,
  );
  command.addOption(new Option("--older-than <days>", "only what is older; expired dead letters go too"));
  command.addOption(new Option("--cache", "the answers kept for equal texts too: those are asked again"));
  command.addOption(
    new Option(
      "--all",
      "the whole state of the job: ledger, dead letters and retry queues too, and what a fleet keeps beside the results",
    ),
  );
  command.addOption(new Option("--dry-run", "show what would go, and leave it"));
  command.addOption(new Option("--yes", "do it without asking"));
  return addJobOptions(command, ["workersAt"]).action(async (flags: Record<string, unknown>) => {
    process.exitCode = await cleanUp(flags);
  });
}

async function cleanUp({ olderThan, all, cache, dryRun, yes, ...flags }: Record<string, unknown>): Promise<number> {
  const days = olderThan === undefined ? null : daysOf(String(olderThan));
  const { settings, output } = await loadJob(flags, false);
  const { batchDir, job } = settings;
  const named =
    flags.job !== undefined || flags.input !== undefined || flags.demo === true || flags.tenant !== undefined;
  if (all === true && !named)
    throw refused("--all removes a job's ledger and dead letters: say whose with --job NAME.");
  if (all === true && days !== null) throw refused("--all and --older-than exclude each other: all is of any age.");
  const found = (await findJobs(batchDir)).filter(
    ({ tenant }) => flags.tenant === undefined || tenant === settings.tenant,
  );
  const beforeMs = days === null ? null : Date.now() - days * DAY_MS;
  const wanted = named ? found.filter((identity) => identity.job === job) : found;
  // What cannot be read is told before it is said that there is nothing.
  if (wanted.length === 0) await tenantJobs(batchDir, settings.tenant);
  const plans: CleanPlan[] = [];
  for (const identity of wanted)
    plans.push(await planClean(batchDir, identity, { beforeMs, all: all === true, cache: cache === true }));
  const { planFleetRemoval, refuseUnfinished, removeFleet } = await import("../cluster/fleet-removal.ts");
  const fleet = all === true ? await planFleetRemoval(settings) : null;
  if (fleet !== null) refuseUnfinished(fleet, settings);
  if (named && wanted.length === 0 && (fleet?.collections ?? []).length === 0) {
    const names = found.map((identity) => identity.job);
    throw refused(
      `No job ${job} has state in ${batchDir}.${didYouMean(job, names)} There are: ${names.join(", ") || "none"}.`,
    );
  }
  const full = plans.filter(({ paths, deadLetters }) => paths.length + deadLetters.length > 0);
  const screen = openScreen();
  const report = (removed: boolean): void =>
    screen.json({
      event: removed ? "clean:end" : "clean:preview",
      removed,
      jobs: full.map(summaryOf),
      ...(fleet === null ? {} : { fleet }),
    });
  const lines = [...full.flatMap(linesOf), ...(fleet === null ? [] : fleetLines(fleet))];
  const isNothing = full.length === 0 && fleet === null;
  if (!output.json) screen.print(isNothing ? ["Nothing to clean."] : lines);
  if (isNothing || dryRun === true) {
    if (output.json) report(false);
    else if (!isNothing) screen.print(["", "Nothing was removed."]);
    return 0;
  }
  if (yes !== true && !(await confirm("Remove this?", "Removing"))) {
    screen.print(["Nothing was removed."]);
    return 0;
  }
  if (fleet !== null) await removeFleet(settings, fleet);
  for (const plan of full) await clean(batchDir, plan, { pid: process.pid, host: hostname() });
  if (output.json) report(true);
  else
    screen.print([
      "",
      `${screen.look.style("green", symbols(screen.look.ascii).ok)} Removed. Queries and results in the store are untouched.`,
    ]);
  return 0;
}

function linesOf({ identity, paths, deadLetters }: CleanPlan): string[] {
  const rows = paths.map(
    ({ path, what, bytes }) => `  ${left(what, 26)} ${relative(process.cwd(), path)}   ${kilobytes(bytes)}`,
  );
  const dead = deadLetters.length === 0 ? [] : [`  ${left("expired dead letters", 26)} ${count(deadLetters.length)}`];
  return [identity.job, ...rows, ...dead];
}

function fleetLines({ collections, queue, trouble }: FleetLeft): string[] {
  return [
    ...collections.map(
      ({ name, documents }) => `  ${left("of the fleet", 26)} ${name}   ${count(documents)} documents`,
    ),
    ...(queue === null ? [] : [`  ${left("queue of ranges", 26)} ${queue}`]),
    ...(trouble === null ? [] : ["", `  Whether a fleet left something beside the results is not known: ${trouble}`]),
  ];
}

function summaryOf({ identity, paths, deadLetters }: CleanPlan): object {
  return { ...identity, paths, deadLetters: deadLetters.length };
}

function kilobytes(bytes: number): string {
  return `${count(Math.ceil(bytes / 1_024))} KB`;
}

function daysOf(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw refused(`--older-than: expected whole days from 0 to 99999; got "${text}".`);
  return Number(text);
}

function refused(message: string): QuerymillError {
  return new QuerymillError("USAGE", message);
}
