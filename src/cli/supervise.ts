import { relative } from "node:path";
import { channelSecrets } from "../config/channels.ts";
import type { OutputSettings } from "../config/load.ts";
import type { ServiceSettings } from "../config/service.ts";
import { QuerymillError } from "../errors.ts";
import type { ExecutionEnd } from "../events.ts";
import type { JobSettings } from "../job.ts";
import type { Execution } from "../jobs/execution.ts";
import { secretSettings } from "../llm/providers.ts";
import { logEvents, openLog } from "../observe/log.ts";
import { secretsOfUri } from "../redact.ts";
import { jobFolder, WHOLE_RANGE } from "../state/batch-file-manager.ts";
import type { Companion, StayingDashboard } from "./companion.ts";
import { openCompanions } from "./companions.ts";
import { chooseOutput, type Output, openOutput } from "./output.ts";
import type { Written } from "./output-file.ts";
import { asTyped } from "./program.ts";
import { Reloader, type ReloadOptions, reloadBySignal } from "./reload.ts";
import { reportError } from "./report-error.ts";
import { exitCodeOf, type StopSignal, watchSignals } from "./signals.ts";

export interface SuperviseOptions {
  readonly settings: JobSettings;
  readonly output: OutputSettings;
  /** What lives beside the run. @default nothing */
  readonly service?: ServiceSettings;
  /** The settings as they were read, and how they are read again for what can be changed under way. @default they are not */
  readonly reread?: Pick<ReloadOptions, "loaded" | "load">;
  readonly notes: readonly string[];
  /** Flags that lead another command to the same job, such as `--job x`. */
  readonly jobFlags: string;
  /** Flags with which a retry asks the same model; none where the settings choose it anyway. @default none */
  readonly modelFlags?: string;
  /** The command that goes on, without secrets. */
  readonly again: string;
  /** Commands to try next, beside those that the end itself suggests. */
  readonly afterwards?: readonly { readonly command: string; readonly does: string }[];
  /** Takes the dashboard over at the end of the run. @default it is closed then */
  readonly stays?: (dashboard: StayingDashboard) => void;
  /** Counts the records of which the model was unsure; told in the summary. @default not told */
  readonly needsReview?: () => Promise<number>;
  /** Writes what is to be written once the run has ended, and says where it is. @default nothing */
  readonly write?: (end: ExecutionEnd) => Promise<Written>;
  /** Where it is shown. @default stdout */
  readonly stream?: NodeJS.WriteStream;
  /** Finds out something for the user while the run is under way. @default nothing */
  readonly later?: (() => Promise<string | null>) | null;
  /** Print the summary also where there is no terminal. @default false */
  readonly summaryAlways?: boolean;
  /** False for a run that is only a part of what a command does: it says more at its own end. @default true */
  readonly summary?: boolean;
}

/** What of the settings lives beside a command that is no `run`: whoever watches a job does not expect these. */
export function besideOf({ control, dashboard }: ServiceSettings): ServiceSettings {
  return { control: control === true, ...(dashboard === undefined ? {} : { dashboard }) };
}

/**
 * Runs an execution in front of a person or a supervisor: shows it, logs it, turns signals and a closed stdout into a
 * clean end.
 * @returns the exit code
 */
export async function supervise(execution: Execution, options: SuperviseOptions): Promise<number> {
  const { settings, output } = options;
  const channels = options.service?.channels;
  const secrets = [
    ...secretsOf(settings),
    ...(channels === undefined ? [] : channelSecrets(channels)),
    ...tokensOf(options.service),
  ];
  const stream = options.stream ?? process.stdout;
  const terminal = stream.isTTY === true;
  const kind = chooseOutput(output, terminal, process.env.TERM ?? "");
  let shown: Output | null = null;
  const log = await openLog({
    level: output.logLevel ?? defaultLevel(output),
    file: output.logFile,
    write: (line) => {
      if (!(process.stderr.isTTY && shown?.log(line))) process.stderr.write(line);
    },
    secrets,
  });
  // Lines tell what happens in words: the log is for what only it has, unless somebody asked for more of it.
  const isInWords = (): boolean =>
    kind === "lines" && output.logFile === null && log.logger.level === defaultLevel(output);
  logEvents(execution.events, log.logger, isInWords);
  shown = openOutput(kind, execution, stream, {
    taxonomy: settings.taxonomy,
    state: relative(process.cwd(), jobFolder(settings.batchDir, { ...settings, range: WHOLE_RANGE })),
    budget: settings.budget,
    toneByWordLists: settings.model.provider === "offline" && settings.examples === null,
    jobFlags: options.jobFlags,
    modelFlags: options.modelFlags ?? "",
    again: asTyped(options.again),
    afterwards: options.afterwards ?? [],
    drainMs: settings.deadlines.drainMs,
    summaryAlways: options.summaryAlways ?? false,
    summary: options.summary ?? true,
    json: output.json,
  });
  const note = (text: string): void => shown?.note(text);
  const found = noteLater(execution, options.later ?? null, note);
  const reloader =
    options.reread === undefined
      ? null
      : new Reloader({
          ...options.reread,
          execution,
          setLogLevel: (level) => {
            log.logger.level = level ?? defaultLevel(output);
          },
          hide: (read) => log.hide(secretsOf(read)),
        });
  const reload = reloader && (() => reloader.reload());
  const pipe = watchPipes(() => execution.stop("signal"));
  const signals = watchSignals({
    drain: (signal) => {
      log.logger.info({ signal }, "draining after a signal");
      shown?.stopping("drain");
      execution.stop("signal");
    },
    abort: () => {
      shown?.stopping("abort");
      execution.abort();
    },
    exit: (code) => process.exit(code),
    now: () => performance.now(),
    reload: reload === null || hasTerminal() ? null : () => void reloadBySignal(execution, reload, log.logger, note),
  });
  let isTold = false;
  execution.events.on("control:command", ({ verb }) => {
    isTold ||= verb === "drain" || verb === "stop";
  });
  let companions: Companion | null = null;
  try {
    for (const note of options.notes) shown.note(note);
    if (options.service !== undefined)
      companions = await openCompanions({
        execution,
        settings,
        service: options.service,
        logger: log.logger,
        reload,
        jobFlags: options.jobFlags,
        again: options.again,
        redacted: log.redacted,
        watchReload: (watcher) => reloader?.watch(watcher),
        warn: ({ fields, message }, text) => {
          if (!isInWords()) log.logger.warn(fields, message);
          note(text);
        },
        note,
        ...(options.stays === undefined ? {} : { stays: options.stays }),
        handOver: (text) => {
          if (kind === "live") note(text);
          else process.stderr.write(`${text}\n`);
        },
      });
    const end = await execution.run();
    const written = (await options.write?.(end)) ?? { notes: [], failed: false };
    for (const note of written.notes) shown.note(note);
    const code = written.failed && (end.exitCode === 0 || end.exitCode === 3) ? 4 : end.exitCode;
    const exitCode = finalExitCode(code, settings.mode, end.stopReason, signals.received(), pipe.broken());
    if (settings.filter && end.read === 0 && exitCode === 0) shown.note("No unprocessed item fits the filter.");
    const needsReview = (await options.needsReview?.()) ?? null;
    found.tooLate();
    await companions?.ended?.();
    shown.end({ ...end, exitCode }, needsReview);
    return exitCode;
  } catch (error) {
    companions?.failed?.(error);
    await companions?.ended?.();
    shown.close();
    const signal = signals.received();
    const stopped = error instanceof QuerymillError && error.code === "RUN_STOPPED";
    if (stopped && isTold) return 0;
    if (stopped && signal !== null) return settings.mode === "batch" ? exitCodeOf(signal) : 0;
    return reportError(error, { json: output.json, secrets });
  } finally {
    await companions?.close();
    signals.dispose();
    shown.close();
    await log.close();
  }
}

export function defaultLevel({ quiet, json, logFile }: OutputSettings): "error" | "info" | "warn" {
  return quiet ? "error" : json && logFile !== null ? "info" : "warn";
}

/** A terminal that is closed sends SIGHUP too, and then nobody is there to see what goes on. */
export function hasTerminal(): boolean {
  return [process.stdin, process.stdout, process.stderr].some(({ isTTY }) => isTTY === true);
}

/** Notes what is found out beside the run, as long as it is under way. Nobody waits for it. */
export function noteLater(
  { events }: Execution,
  find: (() => Promise<string | null>) | null,
  note: (text: string) => void,
): { readonly tooLate: () => void } {
  let late = false;
  if (find !== null)
    events.on("execution:start", () => {
      const noted = find().then((text) => {
        if (text !== null && !late) note(text);
      });
      // A hint less, and nothing else.
      noted.catch(() => {});
    });
  return {
    tooLate: () => {
      late = true;
    },
  };
}

/** In batch mode a run that a signal ended says so; an endless mode was meant to end that way. */
export function finalExitCode(
  exitCode: number,
  mode: JobSettings["mode"],
  stopReason: string | null,
  signal: StopSignal | null,
  pipeBroken: boolean,
): number {
  if (stopReason !== "signal" || mode !== "batch") return exitCode;
  if (signal !== null) return exitCodeOf(signal);
  return pipeBroken ? exitCodeOf("SIGPIPE") : exitCode;
}

/** When nobody reads any more (`| head`, a closed terminal) output is dropped and `onBroken` called once. */
export function watchPipes(onBroken: () => void): { readonly broken: () => boolean } {
  let broken = false;
  process.stdout.on("error", () => {
    if (!broken) onBroken();
    broken = true;
  });
  process.stderr.on("error", () => {});
  return { broken: () => broken };
}

/** Tokens of the settings: they must appear nowhere. */
export function tokensOf({ dashboard }: ServiceSettings = {}): string[] {
  return [dashboard?.token, dashboard?.readerToken].flatMap((token) => token?.value ?? []);
}

/** What of the job's settings must appear nowhere. */
export function secretsOf({ storeUri, sourceStore, workersAt, endpoints }: JobSettings): string[] {
  const ofModels = endpoints.flatMap(({ model: { provider, apiKey, settings } }) => [
    ...(apiKey === null ? [] : [apiKey]),
    ...secretSettings(provider, settings),
  ]);
  const uris = [
    storeUri,
    ...(sourceStore === undefined ? [] : [sourceStore.storeUri]),
    ...(workersAt ? [workersAt] : []),
  ];
  return [...uris.flatMap(secretsOfUri), ...ofModels];
}
