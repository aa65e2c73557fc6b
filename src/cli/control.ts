import { setTimeout as delay } from "node:timers/promises";
import { type Command, Option } from "commander";
import { didYouMean } from "../config/nearest.ts";
import { type ControlClient, findControl } from "../control/client.ts";
import type { Body, Done, Verb } from "../control/protocol.ts";
import { QuerymillError } from "../errors.ts";
import { findJobs, readStatus } from "../jobs/status.ts";
import { jobFolder, WHOLE_RANGE } from "../state/batch-file-manager.ts";
import { currentOwner } from "../state/owner.ts";
import { doneLines, endedLine, statusLines } from "./control-view.ts";
import { addJobOptions, type LoadedJob, loadJob } from "./job-command.ts";
import { makeCommand } from "./options.ts";
import { openScreen } from "./screen.ts";

type Flags = Record<string, unknown>;

/** How often is looked whether a process has ended, in ms. */
const LOOK_MS = 200;

/** `querymill control`: tells a run under way what to do. */
export function controlCommand(): Command {
  const command = makeCommand(
    "control",
    "Tells a run under way what to do, over a socket that only its user can open. Which run: by the same flags as status.",
    `querymill control status
querymill control pause --reason "credit is checked" --job support-inbox
querymill control set concurrency=20 budget=50
querymill control drain --wait`,
  );
  command.configureHelp({ commandUsage: () => "querymill control <command> [options]" });
  command.helpCommand(false);
  const commands = [
    simple("status", "How the run stands now.", async (flags) => await showStatus(flags)),
    simple("pause", "No new calls; those in flight come home and are stored.", pause, [
      new Option("--reason <text>", "why, for whoever looks at the run"),
    ]),
    simple("resume", "Goes on after a pause.", (flags) => tell(flags, "resume", {})),
    simple("drain", "Finishes what is in flight, then ends with exit code 0.", drain, [
      new Option("--wait", "until the process has ended"),
    ]),
    simple("stop", "The same as drain; --now cuts the calls in flight, whose answers may be paid again.", stop, [
      new Option("--now", "do not wait for calls in flight"),
    ]),
    simple("requeue", "Dead letters and waiting retries are tried again now.", requeue, [
      new Option("--queue <name>", "only what has to be done again there: model, store or mark"),
      new Option("--failure <class>", "only what failed with this class, such as label-unknown"),
    ]),
    simple(
      "reload",
      "Reads querymill.yaml and .env again, as SIGHUP does, and takes what can be changed under way.",
      (flags) => tell(flags, "reload", {}),
    ),
    setCommand(),
    endpointCommand(),
  ];
  for (const inner of commands) command.addCommand(inner);
  return command;
}

function simple(
  name: string,
  description: string,
  act: (flags: Flags) => Promise<number>,
  options: readonly Option[] = [],
): Command {
  const command = makeControlCommand(name, description, `querymill control ${name}`, "[options]");
  for (const option of options) command.addOption(option);
  return addJobOptions(command).action(async (flags: Flags) => {
    process.exitCode = await act(flags);
  });
}

function setCommand(): Command {
  const command = makeControlCommand(
    "set",
    "Other bounds from now on, until the run ends: concurrency=N (or auto), budget=USD (or none).",
    "querymill control set concurrency=20\nquerymill control set concurrency=auto budget=50 --job support-inbox",
    "<name=value...> [options]",
  );
  command.argument("<name=value...>", "concurrency=N or auto, budget=USD or none");
  return addJobOptions(command).action(async (words: string[], flags: Flags) => {
    process.exitCode = await tell(flags, "set", settingsOf(words));
  });
}

function endpointCommand(): Command {
  const command = makeControlCommand(
    "endpoint",
    "An endpoint takes no new calls (drain), or takes them again (resume).",
    "querymill control endpoint drain eu\nquerymill control endpoint resume eu",
    "<drain|resume> <name> [options]",
  );
  command.argument("<drain|resume>", "what it is to do").argument("<name>", "as control status shows it");
  return addJobOptions(command).action(async (what: string, name: string, flags: Flags) => {
    if (what !== "drain" && what !== "resume")
      throw new QuerymillError(
        "USAGE",
        `control endpoint ${what}: expected drain or resume.${didYouMean(what, ["drain", "resume"])}`,
      );
    process.exitCode = await tell(flags, `endpoint-${what}`, { name });
  });
}

function makeControlCommand(name: string, description: string, example: string, usage: string): Command {
  const command = makeCommand(name, description, example);
  command.configureHelp({ commandUsage: () => `querymill control ${name} ${usage}` });
  return command;
}

/** @throws QuerymillError USAGE */
function settingsOf(words: readonly string[]): Body<"set"> {
  const settings: { concurrency?: number | "auto"; budget?: number | null } = {};
  for (const word of words) {
    const [name = "", value = ""] = word.split(/=(.*)/s);
    const number = /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
    if (name === "concurrency")
      settings.concurrency = value === "auto" ? value : checked(number, word, "a number of calls such as 20, or auto");
    else if (name === "budget")
      settings.budget = value === "none" ? null : checked(number, word, "USD such as 50, or none");
    else
      throw new QuerymillError(
        "USAGE",
        `control set ${word}: there is no ${name || "setting without a name"}.${didYouMean(name, ["concurrency", "budget"])} There are concurrency=N and budget=USD; what the file says is taken with querymill control reload.`,
      );
  }
  return settings;
}

function checked(value: number, word: string, expected: string): number {
  if (!Number.isNaN(value)) return value;
  throw new QuerymillError("USAGE", `control set ${word}: expected ${expected}.`);
}

function pause({ reason, ...flags }: Flags): Promise<number> {
  return tell(flags, "pause", reason === undefined ? {} : { reason: String(reason) });
}

function requeue({ queue, failure, ...flags }: Flags): Promise<number> {
  return tell(flags, "requeue", {
    ...(queue === undefined ? {} : { queue: String(queue) }),
    ...(failure === undefined ? {} : { failure: String(failure) }),
  });
}

function stop({ now, ...flags }: Flags): Promise<number> {
  return tell(flags, "stop", now === true ? { now: true } : {});
}

async function drain({ wait, ...flags }: Flags): Promise<number> {
  const found = await find(flags);
  const { executionId } = await tellFound(found, "drain", {});
  if (wait !== true) return 0;
  const { loaded, client } = found;
  while (client.isThere()) await delay(LOOK_MS);
  const { settings, output } = loaded;
  const status = await readStatus(settings.batchDir, { ...settings, range: WHOLE_RANGE });
  // A process that waits for its first scheduled time has run nothing: the last end is that of an earlier one.
  const lastEnd = status.lastEnd?.executionId === executionId ? status.lastEnd : null;
  const screen = openScreen();
  if (output.json)
    screen.json({ event: "control:ended", time: new Date().toISOString(), job: settings.job, end: lastEnd });
  else screen.print([endedLine(lastEnd, screen.look)]);
  return 0;
}

async function showStatus(flags: Flags): Promise<number> {
  const { loaded, client } = await find(flags);
  const status = await client.status();
  const screen = openScreen();
  if (loaded.output.json) screen.json({ event: "control:status", time: new Date().toISOString(), ...status });
  else screen.print(statusLines(status, loaded.jobFlags, screen.look));
  return 0;
}

async function tell<V extends Verb>(flags: Flags, verb: V, body: Body<V>): Promise<number> {
  await tellFound(await find(flags), verb, body);
  return 0;
}

async function tellFound<V extends Verb>({ loaded, client }: Found, verb: V, body: Body<V>): Promise<Done> {
  const done = await client.tell(verb, body);
  const screen = openScreen();
  if (loaded.output.json) screen.json({ event: "control:done", time: new Date().toISOString(), ...done });
  else screen.print(doneLines(done, screen.look));
  return done;
}

interface Found {
  readonly loaded: LoadedJob;
  readonly client: ControlClient;
}

/** The run that the flags mean. Without any, and with one process only, that one. @throws QuerymillError NOT_RUNNING */
async function find(flags: Flags): Promise<Found> {
  const loaded = await loadJob(flags, false);
  const { settings, jobFlags } = loaded;
  const folder = jobFolder(settings.batchDir, { ...settings, range: WHOLE_RANGE });
  const client = findControl(folder);
  if (client !== null) return { loaded, client };
  const holder = currentOwner(folder);
  if (holder !== null)
    throw new QuerymillError(
      "CONTROL_UNREACHABLE",
      `Process ${holder.pid} on ${holder.host} runs job ${settings.job}, but has no control socket: it is just starting or ending, or was started with --no-control. kill -TERM ${holder.pid} drains it.`,
    );
  const running = (await findJobs(settings.batchDir)).filter(
    (one) => one.tenant === settings.tenant && findControl(jobFolder(settings.batchDir, one)) !== null,
  );
  const others = running.map(({ job }) => job);
  const [only] = others;
  const isNamed =
    flags.job !== undefined || flags.tenant !== undefined || flags.input !== undefined || flags.demo === true;
  if (!isNamed && only !== undefined && others.length === 1) return await find({ ...flags, job: only });
  const near = isNamed ? didYouMean(settings.job, others) : "";
  const there =
    others.length === 0 ? "" : ` Running with ${settings.batchDir}: ${others.join(", ")}; name one with --job.${near}`;
  throw new QuerymillError(
    "NOT_RUNNING",
    `No process runs job ${settings.job}, so there is nothing to control.${there} Start it:  querymill run ${jobFlags}`.trimEnd(),
  );
}
