import { QuerymillError } from "../errors.ts";
import { makeRedactor } from "../redact.ts";
import { symbols } from "./format.ts";
import { commandsHere } from "./program.ts";
import { lookOf, plainAscii } from "./terminal.ts";

export interface ErrorReport {
  /** Also write `{"event":"error",…}` to stdout. */
  readonly json: boolean;
  /** What must not be printed, known when the settings were. */
  readonly secrets?: readonly string[];
}

/**
 * Tells people what went wrong, on stderr.
 * @returns the exit code: 2 for what Querymill refused, 1 for a bug, which is shown with its stack
 */
export function reportError(error: unknown, { json, secrets = [] }: ErrorReport): 1 | 2 {
  const redact = makeRedactor(secrets);
  const expected = error instanceof QuerymillError;
  const plain = error instanceof Error ? error.message : String(error);
  const message = redact(expected ? commandsHere(plain) : plain);
  const look = lookOf(process.stderr, process.env);
  const { bad } = symbols(look.ascii);
  const text = expected ? message : bugText(message, redact(stackOf(error)));
  if (json) {
    const code = expected ? error.code : "BUG";
    process.stdout.write(`${JSON.stringify({ event: "error", time: new Date().toISOString(), code, message })}\n`);
  }
  process.stderr.write(`${look.style("red", bad)} ${look.ascii ? plainAscii(text) : text}\n`);
  return expected ? 2 : 1;
}

function bugText(message: string, stack: string): string {
  return `This is a bug in Querymill: ${message}

${stack}

  Report it with these lines, the command you typed and the output of querymill --version.
  Answers that were journaled are kept: the same command with --recover goes on from them.`;
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const frames = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  const cause = error.cause instanceof Error ? [`  caused by ${error.cause.name}: ${error.cause.message}`] : [];
  return [...frames.map((frame) => `  ${frame.trim()}`), ...cause].join("\n");
}
