import { access } from "node:fs/promises";
import { join, relative } from "node:path";
import type { Command } from "commander";
import type { FleetStatus } from "../cluster/fleet-status.ts";
import type { InputSettings } from "../config/input.ts";
import { didYouMean } from "../config/nearest.ts";
import { findControl } from "../control/client.ts";
import type { ControlRecord } from "../control/place.ts";
import { QuerymillError } from "../errors.ts";
import { fileInvalid } from "../files/file-fault.ts";
import type { JobSettings } from "../job.ts";
import { findJobs, type JobStatus, readStatus, tenantJobs } from "../jobs/status.ts";
import type { ScheduleSnapshot } from "../scheduling/schedule.ts";
import { WHOLE_RANGE } from "../state/batch-file-manager.ts";
import type { StateIdentity } from "../state/identity.ts";
import { fleetWords, workerLines } from "./fleet-words.ts";
import { clock, count, duration, type Look, left, momentRange, money, printable, right, symbols } from "./format.ts";
import { addJobOptions, loadJob, tenantsHere } from "./job-command.ts";
import { lagWords } from "./lag-words.ts";
import { modelFlags } from "./model-flags.ts";
import { makeCommand } from "./options.ts";
import { asTyped } from "./program.ts";
import { timesLine } from "./schedule-words.ts";
import { openScreen } from "./screen.ts";

/** With more jobs than this only the named one is told in full. */
const MOST_IN_FULL = 3;

/** `querymill status`: what local state says, also while a run holds it. Changes nothing. */
export function statusCommand(): Command {
  const command = makeCommand(
    "status",
    "Says how every job in the batch directory stands, or one of them. Reads local state only and changes nothing.",
    "querymill status\nquerymill status --job support-inbox --json\nquerymill status --input tickets.csv",
  );
  return addJobOptions(command, ["workersAt"]).action(async (flags: Record<string, unknown>) => {
    process.exitCode = await status(flags);
  });
}

async function status(flags: Record<string, unknown>): Promise<number> {
  const tenants = flags.tenant === undefined ? await tenantsHere(flags) : [];
  if (tenants.length > 0) return await (await import("./status-tenants.ts")).tenantsStatus(flags);
  const { settings, files, output, jobFlags } = await loadJob(flags, false);
  const { batchDir } = settings;
  const isNamed =
    flags.job !== undefined || flags.input !== undefined || flags.demo === true || flags.tenant !== undefined;
  const named = isNamed ? settings.job : null;
  const found = (await findJobs(batchDir)).filter(
    ({ tenant }) => flags.tenant === undefined || tenant === settings.tenant,
  );
  const whole = found.filter(({ range }) => range === WHOLE_RANGE);
  const wanted = named === null ? whole : whole.filter(({ job }) => job === named);
  // What cannot be read is told before it is said that there is nothing.
  if (wanted.length === 0) await tenantJobs(batchDir, settings.tenant);
  const folder = relative(process.cwd(), batchDir) || ".";
  if (wanted.length === 0 && flags.input !== undefined && flags.job === undefined)
    throw await noJobOf(files.input!, jobFlags, folder);
  if (named !== null && wanted.length === 0) throw unknownJob(named, found, folder);
  const jobs: Told[] = [];
  for (const identity of wanted) {
    const job = await readStatus(batchDir, identity);
    const control = findControl(job.folder)?.record ?? null;
    const state = job.state === "idle" && control !== null ? "waiting" : job.state;
    const fleet = job.job === settings.job ? await fleetOf(settings) : null;
    jobs.push({ ...job, ...(await scheduled(settings, identity, Date.now())), state, control, fleet });
  }
  const screen = openScreen();
  if (output.json) screen.json({ event: "status", time: new Date().toISOString(), batchDir, jobs });
  else if (jobs.length === 0)
    screen.print([
      `No job has run with ${folder} yet. Start one:  ${asTyped("querymill run --help")}`,
      ...(await demoHint(batchDir)),
    ]);
  else {
    const nowMs = Date.now();
    const inFull = jobs.length <= MOST_IN_FULL ? jobs : [];
    screen.print(overview(jobs, nowMs, screen.look));
    for (const job of inFull) {
      const asked = await modelFlags({ ...flags, json: undefined }, job.model);
      const command = `${withJob(jobFlags, job.job)} ${asked}`.trimEnd();
      screen.printWhole(["", ...details(job, nowMs, command, withJob(jobFlags, job.job), screen.look)]);
    }
    if (inFull.length === 0) screen.print(["", `One in full:  ${asTyped("querymill status --job NAME")}`]);
  }
  return 0;
}

/** The demo keeps its state apart, so that it is never among yours. */
async function demoHint(batchDir: string): Promise<string[]> {
  const demo = await findJobs(join(batchDir, "demo"));
  return demo.length === 0 ? [] : [`The demo has run:  ${asTyped("querymill status --demo")}`];
}

/** What status says of the schedules of a job: the next five times of each, and of all together. */
interface Scheduled {
  readonly schedules: readonly ScheduleSnapshot[];
  /** ISO times. */
  readonly nextTimes: readonly string[];
}

/** What is said of a job. */
interface Told extends Omit<JobStatus, "state">, Scheduled {
  /** `waiting`: a process answers for the job that has yet to begin its next run. */
  readonly state: JobStatus["state"] | "waiting";
  /** How the process that runs it is reached. */
  readonly control: ControlRecord | null;
  /** Who works on it with others, by what the store says; null where it is one process's. */
  readonly fleet: FleetStatus | null;
}

async function fleetOf(settings: JobSettings): Promise<FleetStatus | null> {
  if ((settings.workersAt ?? null) === null) return null;
  const { fleetStatus } = await import("../cluster/fleet-status.ts");
  return await fleetStatus(settings);
}

async function scheduled(settings: JobSettings, identity: StateIdentity, nowMs: number): Promise<Scheduled> {
  const { scheduledTimes } = await import("../jobs/scheduled-times.ts");
  const schedules = await scheduledTimes(settings, identity, nowMs).catch((error: unknown) => {
    // What is wrong with the state is said of the job.
    if (error instanceof QuerymillError) return [];
    throw error;
  });
  const all = schedules.flatMap(({ nextMs }) => nextMs).sort((a, b) => a - b);
  return { schedules, nextTimes: all.slice(0, 5).map((ms) => new Date(ms).toISOString()) };
}

/** @param input the file of which there is no job */
async function noJobOf({ path, shown }: InputSettings, jobFlags: string, folder: string): Promise<QuerymillError> {
  if (path === "-")
    return new QuerymillError(
      "USAGE",
      "--input -: what comes through a pipe has no name to find its job by. Name the job with --job; querymill status lists all.",
    );
  const there = await access(path).then(
    () => true,
    () => false,
  );
  if (!there)
    return fileInvalid(shown, "there is no such file", `Check the path; no job of it is in ${folder} either.`);
  return new QuerymillError(
    "USAGE",
    `${shown} was not run with ${folder} yet. Run it:  ${asTyped(`querymill run ${jobFlags} --model offline`)}  Other state: --batch-dir PATH.`,
  );
}

function unknownJob(name: string, found: readonly { readonly job: string }[], folder: string): QuerymillError {
  const names = [...new Set(found.map(({ job }) => job))];
  const there = names.length === 0 ? `${folder} holds no job yet.` : `There are: ${names.join(", ")}.`;
  return new QuerymillError(
    "USAGE",
    `No job ${name} has run with ${folder}.${didYouMean(name, names)} ${there} Other state: --batch-dir PATH.`,
  );
}

const FORMATS = { running: "green", waiting: "green", idle: "dim", unclean: "red", unreadable: "red" } as const;

function overview(jobs: readonly Told[], nowMs: number, look: Look): string[] {
  const { dash, bad } = symbols(look.ascii);
  const rows = jobs.map((job) => ({
    job,
    cells: [
      job.job,
      job.state === "unclean" ? `${bad} unclean` : job.state,
      job.jobTotals === null ? "" : `${count(settledOf(job.jobTotals))} settled`,
      job.jobTotals?.retryQueued ? `${count(job.jobTotals.retryQueued)} retry` : "",
      job.jobTotals?.deadLetters ? `${count(job.jobTotals.deadLetters)} dead` : "",
      job.jobTotals === null ? "" : money(job.jobTotals.costUsd),
      lastSeen(job, nowMs, dash),
    ],
  }));
  const widths = [0, 1, 2, 3, 4, 5].map((at) => Math.max(...rows.map(({ cells }) => cells[at]!.length)));
  return rows.map(({ job, cells: [name = "", state = "", ...more] }) => {
    const format = FORMATS[job.state];
    const seen = more.pop()!;
    const parts = [left(name, widths[0]!), look.style(format, left(state, widths[1]!))];
    const figures = more.flatMap((cell, at) => (widths[at + 2] === 0 ? [] : right(cell, widths[at + 2]!)));
    return [...parts, ...figures, seen].join("   ").trimEnd();
  });
}

/** @param flags for a run of the job @param jobFlags for a command about it */
function details(job: Told, nowMs: number, flags: string, jobFlags: string, look: Look): string[] {
  if (job.state === "unreadable") return [`${look.style("red", symbols(look.ascii).bad)} ${job.problem}`];
  const { dash } = symbols(look.ascii);
  const at = (ms: number): string => momentRange(ms, ms, nowMs, dash);
  const lines = job.state === "unclean" ? [...uncleanLines(job, flags, look), ""] : [];
  const row = (name: string, text: string): void => {
    lines.push(`  ${left(name, 14)}${text}`);
  };
  const { jobTotals: totals, owner, checkpoint, lastEnd } = job;
  lines.push(look.style("bold", job.job));
  if (totals !== null) {
    row(
      "in all",
      `${count(totals.classified)} classified   ${count(totals.skipped)} skipped   ${count(totals.retryQueued)} retry queued   ${count(totals.deadLetters)} dead letters`,
    );
    const uncertain = totals.uncertainUsd ? `   ${money(totals.uncertainUsd)} uncertain` : "";
    row(
      "cost",
      `${totals.costUsd === null ? "unknown: calls without a known price" : money(totals.costUsd)}   ${count(totals.modelCalls)} calls${uncertain}`,
    );
  }
  if (job.model !== null) row("model", job.model === "offline/" ? "offline" : printable(job.model));
  row(
    "held by",
    owner !== null
      ? `process ${owner.pid} on host ${printable(owner.host)}, execution ${owner.executionId}, since ${at(Date.parse(owner.since))}`
      : job.control !== null
        ? `process ${job.control.pid} on host ${printable(job.control.host)}, which waits to begin a run, since ${at(Date.parse(job.control.since))}`
        : "nobody",
  );
  if (job.control !== null)
    row("control", `process ${job.control.pid} answers:  ${asTyped(`querymill control status ${jobFlags}`)}`);
  for (const [name, text] of fleetRows(job.fleet, nowMs)) row(name, text);
  if (job.lag !== null) row("lag", lagWords(job.lag, nowMs, dash).join("   "));
  if (checkpoint !== null) row("checkpoint", `saved at ${clock(Date.parse(checkpoint.savedAt))}`);
  if (job.journaled > 0 && (job.state === "idle" || job.state === "waiting"))
    row("journal", `${count(job.journaled)} outcomes wait to be stored; the next run does that first, for nothing`);
  for (const { queue, count: items, nextDueMs } of job.retryQueues)
    row(
      "retry queue",
      `${queue}: ${count(items)}, first due ${nextDueMs <= nowMs ? "now" : `${at(nextDueMs)}, in ${duration(nextDueMs - nowMs)}`}`,
    );
  for (const { failure, count: items, lastMs } of job.deadLetters)
    row("dead letters", `${failure}: ${count(items)}, last ${at(lastMs)}`);
  if (job.cacheBytes > 0)
    row("cache", `${count(Math.ceil(job.cacheBytes / 1_024))} KB of answers for equal texts (querymill clean --cache)`);
  if (lastEnd !== null)
    row(
      "last end",
      `${at(Date.parse(lastEnd.endedAt))}, ${lastEnd.status.replaceAll("_", " ")}${lastEnd.stopReason ? ` (${lastEnd.stopReason})` : ""}: ${count(lastEnd.read)} read in ${duration(lastEnd.durationMs)}, exit ${lastEnd.exitCode}`,
    );
  for (const schedule of job.schedules)
    row(
      "next times",
      `${timesLine(schedule, nowMs, 200)}   (${schedule.name}: ${schedule.cron}, ${zoneWords(schedule.timezone)})`,
    );
  row("state", relative(process.cwd(), job.folder));
  lines.push(...nextLines(job, flags, look));
  return lines;
}

function fleetRows(fleet: FleetStatus | null, nowMs: number): [string, string][] {
  if (fleet === null) return [];
  if ("problem" in fleet) return [["workers", `unknown: ${fleet.problem}`]];
  return [
    ["workers", fleetWords(fleet).join("   ")],
    ...workerLines(fleet, nowMs).map((line): [string, string] => ["", line]),
  ];
}

/** What a plain run would say too, with both ways on. */
function uncleanLines(
  { job, jobTotals, checkpoint, journaled, callsUnderWay, ...rest }: Told,
  flags: string,
  look: Look,
): string[] {
  const { bad } = symbols(look.ascii);
  const { costUsd = null, modelCalls = 0 } = jobTotals ?? {};
  const perCall = costUsd !== null && modelCalls > 0 ? costUsd / modelCalls : null;
  const cost = perCall === null ? "" : `, about ${money(perCall * callsUnderWay)}`;
  const when = checkpoint === null ? "" : `, last seen at ${clock(Date.parse(checkpoint.savedAt))}`;
  const stored = jobTotals === null ? 0 : settledOf(jobTotals) - jobTotals.retryQueued - journaled;
  return [
    `${look.style("red", bad)} ${job} did not end cleanly: execution ${rest.executionId ?? "?"}${when}.`,
    `  ${count(Math.max(0, stored))} outcomes are stored, ${count(journaled)} are in the journal and will be stored without asking again.`,
    `  ${count(callsUnderWay)} calls were under way and may be paid twice${cost}.`,
    "",
    `  Go on where it was:   ${look.style("cyan", asTyped(`querymill run ${flags} --recover`))}`,
    `  Start over:           ${look.style("cyan", asTyped(`querymill run ${flags} --fresh`))}    (keeps ledger, dead letters)`,
  ];
}

/** Times are shown by the clock of this machine: where the schedule's is another one, that is said. */
function zoneWords(timezone: string): string {
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return timezone === own ? timezone : `by the clock of ${timezone}; shown by that of ${own}`;
}

function nextLines({ deadLetters, state }: Told, flags: string, { style }: Look): string[] {
  const [first] = deadLetters;
  if (first === undefined || state === "unclean") return [];
  const command = asTyped(`querymill retry --error ${first.failure} --dry-run ${flags}`);
  return ["", `  ${style("cyan", command)}  ${style("dim", "what they would cost")}`];
}

function lastSeen({ state, checkpoint, lastEnd, nextTimes }: Told, nowMs: number, dash: string): string {
  const at = (time: string): string => momentRange(Date.parse(time), Date.parse(time), nowMs, dash);
  if (state === "unreadable") return "see below, or --job";
  if (nextTimes[0] !== undefined) return `next ${at(nextTimes[0])}`;
  if (state === "idle" && lastEnd !== null) return `ended ${at(lastEnd.endedAt)}`;
  return checkpoint === null ? "" : `seen ${at(checkpoint.savedAt)}`;
}

function settledOf(totals: NonNullable<JobStatus["jobTotals"]>): number {
  return totals.classified + totals.skipped + totals.retryQueued + totals.deadLetters;
}

function withJob(flags: string, job: string): string {
  return /(^| )--(job|input|demo|tenant)( |$)/.test(flags) ? flags : `--job ${job} ${flags}`.trimEnd();
}
