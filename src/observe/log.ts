import { type FileHandle, open } from "node:fs/promises";
import type { Logger } from "pino";
import { messageOf, QuerymillError } from "../errors.ts";
import type { Events } from "../events.ts";
import { makeRedactor } from "../redact.ts";

export interface LogOptions {
  readonly level: "debug" | "info" | "warn" | "error" | "silent";
  /** Absolute path to append to (0600); null to hand each line to `write`. */
  readonly file: string | null;
  /** Takes one line with its line end. */
  readonly write: (line: string) => void;
  /** Keys and passwords that must never appear. */
  readonly secrets: readonly string[];
}

export interface Log {
  readonly logger: Logger;
  /** More that must never appear, from now on. */
  hide(secrets: readonly string[]): void;
  /** The text as a line of the log would have it. */
  redacted(text: string): string;
  /** Resolves when everything is written. */
  close(): Promise<void>;
}

/**
 * Opens the log: pino's JSON lines, times in UTC. Every line passes the redactor as its very last stage, so that no
 * caller, error or cause can carry a key or a password out.
 * @throws QuerymillError USAGE when the file cannot be opened
 */
export async function openLog({ level, file, write, secrets }: LogOptions): Promise<Log> {
  const { pino, stdTimeFunctions } = await import("pino");
  const hidden = new Set(secrets);
  let redact = makeRedactor(secrets);
  const handle = file === null ? null : await openFile(file);
  const sink = handle ? appendTo(handle, file!, write) : { write, end: () => Promise.resolve() };
  const logger = pino(
    { level, timestamp: stdTimeFunctions.isoTime, base: { pid: process.pid } },
    { write: (line: string) => sink.write(redact(line)) },
  );
  const hide = (more: readonly string[]): void => {
    for (const secret of more) hidden.add(secret);
    redact = makeRedactor([...hidden]);
  };
  return { logger, hide, redacted: (text) => redact(text), close: sink.end };
}

/**
 * Writes what happens to a log: ids, counts and reasons, as the events carry them. What the run waits for is an error where
 * something is away that it needs, so that it is seen at any level; the next poll is told in debug only.
 * @param isTold true while the same is told elsewhere, so that a line is not written twice
 */
export function logEvents(events: Events, logger: Logger, isTold: () => boolean = () => false): void {
  const at =
    (level: "debug" | "info" | "warn" | "error") =>
    (fields: object, message: string): void => {
      if (!isTold()) logger[level](fields, message);
    };
  const [debug, info, warn, error] = [at("debug"), at("info"), at("warn"), at("error")];
  events
    .on("execution:start", ({ notes, ...start }) => {
      info(start, "execution started");
      for (const note of notes) info({ executionId: start.executionId }, note);
    })
    .on("execution:recover", (recover) => info(recover, "recovered local state"))
    .on("call:failed", ({ message, ...call }) => debug(call, message))
    .on("endpoint:pause", ({ untilMs, ...pause }) =>
      warn({ ...pause, until: new Date(untilMs).toISOString() }, "endpoint rests"),
    )
    .on("endpoint:state", (state) => warn(state, "endpoint changed its state"))
    .on("limit:change", (change) => debug(change, "calls at once changed"))
    .on("endpoint:resume", (resume) => info(resume, "endpoint is asked again"))
    .on("execution:wait", ({ untilMs, ...wait }) => {
      const told = { ...wait, until: untilMs === null ? null : new Date(untilMs).toISOString() };
      if (wait.reason === "next poll") debug(told, "execution waits");
      else if (untilMs === null || wait.reason.startsWith("the store")) error(told, "execution waits");
      else info(told, "execution waits");
    })
    .on("source:watch", ({ watching, ...watch }) =>
      info(watch, watching ? "the source is watched" : "the source is only polled"),
    )
    .on("items:grown", (grown) => info(grown, "texts changed: classified again"))
    .on("source:wake", (wake) => debug(wake, "woken by changes of the source"))
    .on("schedule:run", (run) => info(run, "a scheduled run begins"))
    .on("schedule:missed", (missed) => warn(missed, "scheduled times were missed"))
    .on("schedule:failed", ({ message, ...failed }) => warn(failed, message))
    .on("window:open", (window) => info(window, "the run window is open"))
    .on("execution:resume", (resume) => info(resume, "the store answers again"))
    .on("execution:pause", (pause) => info(pause, "paused"))
    .on("execution:unpause", (unpause) => info(unpause, "goes on after a pause"))
    .on("control:command", (command) => info(command, "told what to do"))
    .on("notification:made", (made) => info(made, "a notification was made"))
    .on("execution:drain", (drain) => info(drain, "draining"))
    .on("execution:end", ({ labels: _labels, jobTotals: _totals, ...end }) => info(end, "execution ended"))
    .onListenerError((name, err) => logger.error({ event: name, err }, "a listener failed"));
}

async function openFile(file: string): Promise<FileHandle> {
  try {
    return await open(file, "a", 0o600);
  } catch (error) {
    const message = `--log-file: ${file} cannot be written: ${messageOf(error)}. Choose a path in a folder that exists and is yours.`;
    throw new QuerymillError("USAGE", message, { cause: error });
  }
}

/** A log that can no longer be written (disk full) goes to `fallback`: it must not stop a run. */
function appendTo(handle: FileHandle, file: string, fallback: (line: string) => void) {
  const stream = handle.createWriteStream();
  let broken = false;
  stream.on("error", (error) => {
    broken = true;
    fallback(`${JSON.stringify({ level: 50, msg: `${file} cannot be written any more: ${messageOf(error)}` })}\n`);
  });
  return {
    write: (line: string): void => {
      if (broken) fallback(line);
      else stream.write(line);
    },
    end: (): Promise<void> =>
      broken ? Promise.resolve() : new Promise((resolve) => stream.once("error", () => resolve()).end(() => resolve())),
  };
}
