import { type Command, Option } from "commander";
import { refuseForAll } from "../config/tenants.ts";
import { QuerymillError } from "../errors.ts";
import { diagnose, type SampleText, sampleTexts } from "../jobs/doctor.ts";
import { type Finding, ok } from "../jobs/finding.ts";
import { worstExitCode } from "../tenants/exit-code.ts";
import { count, type Look, left, symbols, wrapped } from "./format.ts";
import { addJobOptions, type LoadedJob, loadJob, tenantsHere } from "./job-command.ts";
import { JOB_OPTIONS, makeCommand, READING_OPTIONS, RUN_OPTIONS } from "./options.ts";
import { commandsHere } from "./program.ts";
import { readInput } from "./read-input.ts";
import { reportError } from "./report-error.ts";
import { openScreen } from "./screen.ts";
import { visible } from "./visible.ts";

const NAME_WIDTH = 15;

/** `querymill doctor`: what would stop a run, or slow it down. Takes the options of `run`; changes nothing but the store of a file's job. */
export function doctorCommand(): Command {
  const command = makeCommand(
    "doctor",
    "Looks at everything a run needs and says what would stop it or slow it down. Changes nothing (the rows of --input are read in, as a run does) and spends nothing unless --call is given.",
    `querymill doctor --store mongodb://localhost/support --model openai/gpt-5-mini
querymill doctor --sample 5 --preset zendesk
querymill doctor --sample 5 --input tickets.csv`,
  );
  command.addOption(
    new Option("--call", "ask the model one small question, each endpoint its own (costs a fraction of a cent)"),
  );
  command.addOption(
    new Option("--sample <n>", "show what the model would see of n random documents: prints customer text"),
  );
  const own = new Set(JOB_OPTIONS);
  const shared = [
    ...READING_OPTIONS,
    "model",
    "baseUrl",
    "taxonomy",
    "redact",
    "filter",
    "budget.usd",
    "mode",
    "schedule",
    "timezone",
    "window",
  ] as const;
  return addJobOptions(
    command,
    RUN_OPTIONS.filter((key) => !own.has(key) && (shared as readonly string[]).includes(key)),
  ).action(async (flags: Record<string, unknown>) => {
    process.exitCode = await doctor(flags);
  });
}

/** With tenants and without `--tenant`: all of them. */
async function doctor(flags: Record<string, unknown>): Promise<number> {
  const names = flags.tenant === undefined ? await tenantsHere(flags) : [];
  if (names.length === 0) return await doctorOf(flags);
  refuseForAll(flags, names);
  const codes: number[] = [];
  for (const tenant of names) {
    if (flags.json !== true) process.stdout.write(`${codes.length > 0 ? "\n" : ""}${tenant}\n`);
    try {
      codes.push(await doctorOf({ ...flags, tenant }));
    } catch (error) {
      codes.push(reportError(error, { json: flags.json === true }));
    }
  }
  return worstExitCode(codes);
}

async function doctorOf({ call, sample, ...flags }: Record<string, unknown>): Promise<number> {
  const shown = sample === undefined ? 0 : sampleSize(String(sample));
  const { job, modelProblem } = await loadEither(flags);
  const { settings, output, notes } = await readInput(job);
  const screen = openScreen();
  const findings: Finding[] = [];
  const tell = (finding: Finding): void => {
    findings.push(finding);
    if (!output.json) screen.printWhole(findingLines({ ...finding, text: commandsHere(finding.text) }, screen.look));
  };
  for (const text of notes.slice(job.notes.length)) tell(ok("Input", text));
  for await (const finding of diagnose(settings, { call: call === true, modelProblem, now: Date.now })) tell(finding);
  const sampled = shown === 0 ? null : await sampleTexts(settings, shown);
  const texts = sampled?.texts ?? [];
  if (sampled?.shape) tell(sampled.shape);
  const problems = findings.filter(({ level }) => level === "bad").length;
  const warnings = findings.filter(({ level }) => level === "warn").length;
  if (output.json)
    screen.json({
      event: "doctor",
      time: new Date().toISOString(),
      ...(settings.tenant === "default" ? {} : { tenant: settings.tenant }),
      problems,
      warnings,
      findings,
      ...(shown === 0 ? {} : { texts }),
    });
  else {
    for (const text of texts) screen.printWhole(sampleLines(text, screen.look));
    const counts = [problems > 0 ? plural(problems, "problem") : "", warnings > 0 ? plural(warnings, "warning") : ""];
    const verdict = counts.filter((part) => part !== "").join(", ");
    screen.print([
      ...(texts.length > 0 ? [""] : []),
      `  ${verdict === "" ? "Nothing stands in the way of a run." : verdict}`,
    ]);
  }
  return problems > 0 ? 2 : 0;
}

function sampleLines({ key, message, chars, cut, skipped }: SampleText, look: Look): string[] {
  const { dot } = symbols(look.ascii);
  const bar = look.style("dim", look.ascii ? "|" : "│");
  if (message === null) return ["", `  ${visible(key)} ${dot} skipped: ${skipped}`];
  const size = `${count(chars)} characters${cut ? ", cut in the middle" : ""}`;
  return ["", `  ${visible(key)} ${dot} ${size}`, ...message.split("\n").map((line) => `  ${bar} ${visible(line)}`)];
}

/** A model that is missing is a finding, not the end. What else is wrong with the settings is thrown. */
async function loadEither(flags: Record<string, unknown>): Promise<{ job: LoadedJob; modelProblem: string | null }> {
  try {
    return { job: await loadJob(flags, true), modelProblem: null };
  } catch (error) {
    if (!(error instanceof QuerymillError)) throw error;
    return { job: await loadJob(flags, false), modelProblem: error.message };
  }
}

function findingLines({ name, level, text }: Finding, look: Look): string[] {
  const { warn, bad, ...signs } = symbols(look.ascii);
  const [symbol, format] = ({ ok: [signs.ok, "green"], warn: [warn, "yellow"], bad: [bad, "red"] } as const)[level];
  const width = process.stdout.isTTY ? look.columns - NAME_WIDTH - 4 : Number.POSITIVE_INFINITY;
  const [first = "", ...more] = text.split("\n").flatMap((line) => wrapped(line, width));
  const indent = " ".repeat(NAME_WIDTH + 4);
  return [
    `  ${look.style(format, left(symbol, look.ascii ? 3 : 2))}${left(name, NAME_WIDTH)}${first}`,
    ...more.map((line) => `${indent}${line}`.trimEnd()),
  ];
}

function sampleSize(text: string): number {
  const size = Number(text);
  if (Number.isInteger(size) && size >= 1 && size <= 100) return size;
  throw new QuerymillError("USAGE", `--sample: expected an integer from 1 to 100; got "${text}".`);
}

function plural(value: number, word: string): string {
  return `${value} ${word}${value === 1 ? "" : "s"}`;
}
