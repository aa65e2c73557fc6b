import { type Command, Option } from "commander";
import type { LoadedSettings } from "../config/load.ts";
import { attributeOf } from "../config/option.ts";
import { type OptionKey, optionOf } from "../config/schema.ts";
import { QuerymillError } from "../errors.ts";
import { type Comparison, compareEvaluations } from "../evaluation/compare.ts";
import { evaluationJob, evaluationOf, openRows, putRows, textsOf } from "../evaluation/evaluate-file.ts";
import type { Evaluation } from "../evaluation/evaluation.ts";
import type { LabelledFile } from "../evaluation/labelled-file.ts";
import { looksSaved, readSavedEvaluation } from "../evaluation/saved-evaluation.ts";
import type { JobSettings } from "../job.ts";
import { type Findings, openFindings } from "./evaluate-output.ts";
import { loadSides } from "./evaluate-sides.ts";
import { addOptions, JOB_OPTIONS, makeCommand, retype } from "./options.ts";
import { shellWord } from "./program.ts";
import { supervise } from "./supervise.ts";

const RUN_KEYS: readonly OptionKey[] = [
  "model",
  "baseUrl",
  "taxonomy",
  "source.preset",
  "examples.file",
  "examples.textColumn",
  "examples.labelColumn",
  "examples.inPrompt",
  "redact",
  "concurrent",
  "limits.requestsPerMinute",
  "limits.tokensPerMinute",
  "retry.retries",
  "budget.usd",
  "wait",
  "batchDir",
  "config",
  "quiet",
  "logLevel",
  "logFile",
];
/** Which job `--reviewed` is about, beside what a labelled file takes too. */
const JOB_KEYS: readonly OptionKey[] = JOB_OPTIONS.filter((key) => key !== "json" && !RUN_KEYS.includes(key));

/** Flags of this command alone, each with its form for typing it again. */
const OWN: readonly (readonly [flag: string, help: string])[] = [
  ["--text-column <name>", "where the text is; default: text, query, message, …"],
  [
    "--label-column <dimension=name>",
    "where right labels are, once a dimension; default: columns named like one, or label",
  ],
  ["--id-column <name>", "what names a row; default: its number"],
  ["--map <old=new>", "a label of the file that the taxonomy calls otherwise; once a label"],
  ["--ignore-unknown", "leave rows out whose label the taxonomy does not have"],
  ["--sample <n>", "only n rows, drawn by their ids: the same ones each time"],
  ["--format <format>", "csv, jsonl or parquet; default: by the file's ending"],
  ["--encoding <name>", "of the file, such as windows-1252; default: recognised"],
  ["--delimiter <character>", "of CSV; default: recognised"],
  ["--against <model>", "a second model on the same rows, and the difference tested"],
  ["--against-config <file>", "the same with the settings of another querymill.yaml: another prompt or taxonomy"],
  ["--reviewed", "instead of a file: the job's records that people decided, against what the model said"],
  ["--output <file>", "save the result as JSON, to be compared later"],
  ["--report <file>", "write one HTML page with tables and charts"],
  ["--no-texts", "leave customers' texts out of the report"],
  ["--overwrite", "replace existing files"],
];

/** `querymill evaluate FILE`: how good the model is on rows whose right labels are known. */
export function evaluateCommand(): Command {
  const command = makeCommand(
    "evaluate",
    "Says how good the model is: classifies labelled rows and compares. Saved results can be compared: evaluate A.json B.json.",
    `querymill evaluate labelled.csv --label-column category=intent --model offline
querymill evaluate labelled.csv --model openai/gpt-5-mini --against openai/gpt-5-nano --report report.html
querymill evaluate --reviewed --store mongodb://localhost/support`,
  );
  command.argument("[files...]", "a labelled CSV, JSONL or Parquet file; or one or two saved results");
  command.configureHelp({ commandUsage: () => "querymill evaluate [options] [files...]" });
  for (const [flag, help] of OWN) command.addOption(repeatable(new Option(flag, help)));
  addOptions(command, [...RUN_KEYS, ...JOB_KEYS]);
  command.addOption(new Option("--demo", "with --reviewed: the job of querymill demo"));
  return addOptions(command, ["json"]).action(async (files: string[], flags: Record<string, unknown>) => {
    process.exitCode = await evaluate(files, flags);
  });
}

/** An option of which every mention counts. */
function repeatable(option: Option): Option {
  if (option.long !== "--label-column" && option.long !== "--map") return option;
  return option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value]);
}

/** What was typed, apart from settings of the job. */
interface Wanted {
  readonly files: readonly string[];
  readonly flags: Record<string, unknown>;
  readonly findings: Findings;
}

async function evaluate(files: readonly string[], typed: Record<string, unknown>): Promise<number> {
  const { reviewed, demo, output, report, texts, overwrite, ...flags } = typed;
  if (reviewed === true) {
    if (files.length > 0)
      throw refused("--reviewed and a file exclude each other: it looks at records. Leave one out.");
    refuseForReviewed(flags);
  } else refuseForFile(files, { demo, ...flags });
  const findings = await openFindings({
    output: pathOf(output),
    report: pathOf(report),
    texts: texts !== false,
    overwrite: overwrite === true,
    json: flags.json === true,
    quiet: flags.quiet === true,
  });
  const wanted: Wanted = { files, flags, findings };
  if (reviewed === true) {
    const { evaluateReviewed } = await import("../evaluation/evaluate-reviewed.ts");
    const { loadJob } = await import("./job-command.ts");
    const { recallReading } = await import("../jobs/recall.ts");
    const { settings } = await loadJob(demo === true ? { ...flags, demo } : flags, false);
    const found = await evaluateReviewed(await recallReading(settings));
    return await findings.tell({
      evaluation: found.evaluation,
      against: null,
      comparison: null,
      textsOf: found.textsOf,
    });
  }
  const saved = await Promise.all(files.map(isSaved));
  if (saved.some(Boolean) || files.length === 2) return await tellSaved(wanted);
  return await evaluateFile(wanted);
}

async function tellSaved({ files, findings }: Wanted): Promise<number> {
  const evaluations: Evaluation[] = [];
  for (const file of files) evaluations.push(await readSavedEvaluation(file));
  const [evaluation, against = null] = evaluations as [Evaluation, Evaluation?];
  const comparison = against === null ? null : compareEvaluations(evaluation, against);
  return await findings.tell({ evaluation, against, comparison, textsOf: async () => new Map() });
}

async function evaluateFile({ files, flags, findings }: Wanted): Promise<number> {
  const [path] = files as [string];
  const settingsFlags = withoutOwn(flags);
  if (flags.preset !== undefined && flags.textColumn !== undefined)
    throw refused("--preset and --text-column exclude each other: a preset knows where its texts are. Leave one out.");
  const [loaded, second] = await loadSides(flags, settingsFlags);
  const opened = await openBoth(path, flags, loaded, second);
  const jobs: JobSettings[] = [];
  for (const { settings, file } of opened) jobs.push(await evaluationJob(settings.settings, file, path));
  if (jobs[1] !== undefined && jobs[0]!.job === jobs[1].job) {
    for (const { file } of opened) await file.close();
    throw refused(
      "Both sides would ask the same model the same questions about the same rows. Name another model, or settings with another taxonomy.",
    );
  }
  const again = `querymill evaluate ${shellWord(path)} ${retypeAll(flags)}`.trimEnd();
  try {
    const results: { evaluation: Evaluation; job: JobSettings }[] = [];
    let worst = 0;
    for (const [at, { settings, file }] of opened.entries()) {
      const job = jobs[at]!;
      const notes = [...settings.notes, ...file.notes];
      const code = (await putRows(job, file)) === 0 ? 0 : await runJob(job, { ...settings, notes }, again);
      if (code === 1 || code === 2) return code;
      results.push({ evaluation: await evaluationOf(job, file, path), job });
      worst = Math.max(worst, code);
      if (code > 3) break;
    }
    const [main, other] = results as [(typeof results)[0], (typeof results)[0]?];
    if (main.evaluation.answers.length === 0) return worst;
    const comparable = other !== undefined && other.evaluation.answers.length > 0;
    const comparison: Comparison | null = comparable ? compareEvaluations(main.evaluation, other.evaluation) : null;
    const against = other?.evaluation ?? null;
    await findings.tell({
      evaluation: main.evaluation,
      against,
      comparison,
      textsOf: (ids) => textsOf(main.job, ids),
    });
    return worst;
  } finally {
    for (const { file } of opened) await file.close();
  }
}

/** Both sides see the same rows; what is wrong in the file for either is told before anything is spent. */
async function openBoth(path: string, flags: Record<string, unknown>, ...sides: (LoadedSettings | null)[]) {
  const opened: { settings: LoadedSettings; file: LabelledFile }[] = [];
  for (const settings of sides) {
    if (settings === null) continue;
    opened.push({ settings, file: await openRows(settings.settings, fileOptions(path, flags)) });
  }
  return opened;
}

function fileOptions(path: string, flags: Record<string, unknown>) {
  const { textColumn, idColumn, labelColumn, map, ignoreUnknown, sample, format, encoding, delimiter } = flags;
  if (format !== undefined && format !== "csv" && format !== "jsonl" && format !== "parquet")
    throw refused(`--format: expected csv, jsonl or parquet; got "${String(format)}".`);
  const size = sample === undefined ? null : Number(sample);
  if (size !== null && (!Number.isInteger(size) || size < 1))
    throw refused(`--sample: expected how many rows, an integer from 1; got "${String(sample)}".`);
  return {
    path,
    ...(format === undefined ? {} : { format: format as "csv" | "jsonl" | "parquet" }),
    ...(encoding === undefined ? {} : { encoding: String(encoding) }),
    ...(delimiter === undefined ? {} : { delimiter: /^(tab|\\t)$/.test(String(delimiter)) ? "\t" : String(delimiter) }),
    textColumn: textColumn === undefined ? null : String(textColumn),
    idColumn: idColumn === undefined ? null : String(idColumn),
    labelColumns: (labelColumn ?? []) as string[],
    mappings: (map ?? []) as string[],
    ignoreUnknown: ignoreUnknown === true,
    sample: size,
  };
}

async function runJob(job: JobSettings, { output, notes }: LoadedSettings, again: string): Promise<number> {
  const { prepareExecution } = await import("../jobs/wiring.ts");
  const store = job.storeUri.slice("sqlite:".length);
  return await supervise(await prepareExecution(job), {
    settings: job,
    output,
    notes,
    jobFlags: `${job.tenant === "default" ? "" : `--tenant ${job.tenant} `}--job ${job.job} --batch-dir ${shellWord(job.batchDir)} --store ${shellWord(store)} --source-collection ${job.sourceCollection} --target-collection ${job.targetCollection}`,
    again,
    summary: false,
  });
}

async function isSaved(path: string): Promise<boolean> {
  if (path === "-") return false;
  const { open } = await import("node:fs/promises");
  const file = await open(path).catch(() => null);
  if (file === null) return false;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(200), 0, 200, 0);
    return looksSaved(buffer.toString("utf8", 0, bytesRead));
  } catch {
    return false;
  } finally {
    await file.close();
  }
}

function refuseForFile(files: readonly string[], flags: Record<string, unknown>): void {
  if (files.length === 0)
    throw refused(
      "evaluate needs a labelled file: querymill evaluate labelled.csv. Or --reviewed for what people corrected.",
    );
  if (files.length > 2)
    throw refused(`evaluate takes one labelled file, or two saved results; got ${files.length} files.`);
  const ofJob = JOB_KEYS.map((key) => optionOf(key).flag!.split(" ")[0]!);
  for (const flag of [...ofJob, "--demo"])
    if (flags[attributeOf(flag)] !== undefined)
      throw refused(
        `${flag} is for --reviewed: the rows of a file have a store of their own in the batch directory. Leave it out.`,
      );
}

function refuseForReviewed(flags: Record<string, unknown>): void {
  for (const key of [
    "textColumn",
    "labelColumn",
    "idColumn",
    "map",
    "ignoreUnknown",
    "sample",
    "against",
    "againstConfig",
    "model",
    "examples",
  ])
    if (flags[key] !== undefined)
      throw refused(
        `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} is for a labelled file: --reviewed compares records that are there and asks no model. Leave it out.`,
      );
}

const OWN_KEYS = [
  "textColumn",
  "labelColumn",
  "idColumn",
  "map",
  "ignoreUnknown",
  "sample",
  "format",
  "encoding",
  "delimiter",
  "against",
  "againstConfig",
] as const;

function withoutOwn(flags: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(flags).filter(([key]) => !(OWN_KEYS as readonly string[]).includes(key)));
}

function retypeAll(flags: Record<string, unknown>): string {
  const own = OWN_KEYS.flatMap((key) => {
    const flag = `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    const value = flags[key];
    if (value === undefined) return [];
    return value === true ? [flag] : [value].flat().map((word) => `${flag} ${shellWord(String(word))}`);
  });
  return [...own, retype(flags, RUN_KEYS)].join(" ").trim();
}

function pathOf(value: unknown): string | null {
  return value === undefined ? null : String(value);
}

function refused(message: string): QuerymillError {
  return new QuerymillError("USAGE", message);
}
