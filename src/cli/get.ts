import { EJSON } from "bson";
import type { Command } from "commander";
import { QuerymillError } from "../errors.ts";
import { idOf } from "../item.ts";
import type { JobSettings } from "../job.ts";
import { openExistingStore } from "../jobs/existing-store.ts";
import { type FoundItem, findItem } from "../jobs/find-item.ts";
import { hasNumberedRows } from "../jobs/input.ts";
import { readsAsLast, recallReading } from "../jobs/recall.ts";
import { readingsOf } from "../results/id-readings.ts";
import type { QueueEntry } from "../state/retry-queue.ts";
import type { SourceDocument } from "../store.ts";
import { duration, type Look, latency, left, money, symbols } from "./format.ts";
import { addJobOptions, loadJob } from "./job-command.ts";
import { makeCommand, READING_OPTIONS } from "./options.ts";
import { asTyped, shellWord } from "./program.ts";
import { openScreen } from "./screen.ts";
import { visible } from "./visible.ts";

/** `querymill get ITEM`: one item with its text, its record and what failed. */
export function getCommand(): Command {
  const command = makeCommand(
    "get",
    "Shows one item: its text as the model sees it, its record, and why it waits or failed. Prints customer text.",
    `querymill get T-1042 --demo
querymill get '{"$oid":"64b000000000000000000000"}' --json
querymill get 17 --input tickets.csv`,
  );
  command.argument("<item>", "its id: text, a number, an ObjectId, a UUID, or canonical EJSON");
  command.configureHelp({ commandUsage: () => "querymill get [options] <item>" });
  return addJobOptions(command, ["redact", ...READING_OPTIONS.filter((key) => key !== "idColumn")]).action(
    async (item: string, flags: Record<string, unknown>) => {
      process.exitCode = await get(item, flags);
    },
  );
}

async function get(text: string, flags: Record<string, unknown>): Promise<number> {
  const { output, jobFlags, ...loaded } = await loadJob(flags, false);
  const settings = await recallReading(loaded.settings, loaded.files.input);
  const store = await openExistingStore(settings);
  try {
    const found = await findItem(settings, store, text);
    const { address, sourceAddress = address } = store;
    const from = sourceAddress === address ? "" : ` of ${sourceAddress}`;
    const place = `${settings.sourceCollection}${from} and ${settings.targetCollection} of ${address}`;
    if (found.length === 0)
      throw notFound(text, place, settings.storeUri.startsWith("sqlite:") && (await hasNumberedRows(store)));
    if (found.length > 1) throw ambiguous(text, found, jobFlags);
    const [item] = found as [FoundItem];
    const screen = openScreen();
    if (output.json) screen.printWhole([EJSON.stringify(plain(item), { relaxed: true })]);
    else screen.printWhole(show(item, settings, await readsAsLast(settings), Date.now(), screen.look));
    return 0;
  } finally {
    await store.close();
  }
}

function plain({ key, document, read, record, history, retry, deadLetter }: FoundItem): object {
  const text = read !== null && "text" in read ? read.text : null;
  const skipped = read !== null && "reason" in read ? read.reason : null;
  return { _id: idOf(key), key, text, skipped, document, record, history, retry, deadLetter };
}

function show(item: FoundItem, settings: JobSettings, asLast: boolean, nowMs: number, look: Look): string[] {
  const { document, read, record, history, marked, retry, deadLetter } = item;
  const { dot } = symbols(look.ascii);
  const states = [
    record === null ? "" : "classified",
    retry === null ? "" : `in the retry queue ${retry.queue}`,
    deadLetter === null ? "" : "dead letter",
    document === null ? "no longer in the source" : marked ? "marked" : "not marked",
  ].filter((state) => state !== "");
  const title = `${look.style("bold", visible(item.key))} ${dot} ${states.join(", ")}`;
  const lines = [title, "", ...textLines(read, asLast, look)];
  if (record !== null) lines.push("", `Record in ${settings.targetCollection}`, ...recordLines(record, look));
  for (const superseded of history) lines.push("", ...supersededLines(superseded, look));
  if (retry !== null) lines.push("", "Waits", ...entryLines(retry, nowMs, look));
  if (deadLetter !== null) lines.push("", "Failed", ...entryLines(deadLetter, nowMs, look));
  return lines;
}

function textLines(read: FoundItem["read"], asLast: boolean, look: Look): string[] {
  if (read === null) return ["Text", look.style("dim", "  the source has no such document")];
  if ("reason" in read) return ["Text", look.style("dim", `  nothing to classify: ${read.reason}`)];
  const cut = read.truncated ? ", cut in the middle" : "";
  const heading = asLast
    ? "Text as the model sees it"
    : "Text by these settings, which are not those of the last run (--preset, --redact, --text-column, source in querymill.yaml)";
  return [`${heading}${cut}`, ...quoted(read.text, look)];
}

function quoted(text: string, look: Look): string[] {
  const bar = look.style("dim", look.ascii ? "|" : "│");
  return text.split("\n").map((line) => `  ${bar} ${visible(line)}`);
}

/** Every field, nested ones by their path, so that nothing a record holds is hidden. */
function recordLines(record: SourceDocument, look: Look): string[] {
  const rows = Object.entries(record).flatMap(([name, value]) => (name === "_id" ? [] : rowsOf(name, value)));
  const width = Math.max(0, ...rows.map(([name]) => name.length)) + 2;
  return rows.map(([name, text]) => `  ${look.style("dim", left(visible(name), width))}${visible(text)}`);
}

const REASONS: Readonly<Record<string, string>> = {
  changed: "its text changed",
  stale: "taxonomy, prompt or model changed",
  all: "all were asked again",
};

function supersededLines({ record, reason, supersededAt, supersededBy }: SourceDocument, look: Look): string[] {
  const when = supersededAt instanceof Date ? ` on ${supersededAt.toISOString()}` : "";
  const why = REASONS[String(reason)] ?? String(reason);
  return [
    `Replaced${when} by execution ${visible(String(supersededBy))}: ${visible(why)}`,
    ...recordLines(record as SourceDocument, look),
  ];
}

function rowsOf(name: string, value: unknown): [string, string][] {
  if (name === "costUsd") return [[name, money(value as number | null)]];
  if (name === "latencyMs" && typeof value === "number") return [[name, latency(value, "-")]];
  if (value instanceof Date) return [[name, value.toISOString()]];
  if (Array.isArray(value)) return [[name, value.length === 0 ? "–" : value.map(wordOf).join("; ")]];
  if (typeof value === "object" && value !== null && !("_bsontype" in value))
    return Object.entries(value).flatMap(([inner, part]) => rowsOf(`${name}.${inner}`, part));
  return [[name, value === null ? "–" : wordOf(value)]];
}

function wordOf(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  const { label, p } = value as { label?: unknown; p?: unknown };
  return typeof label === "string" && typeof p === "number" ? `${label} ${p}` : EJSON.stringify(value);
}

function entryLines(entry: QueueEntry, nowMs: number, look: Look): string[] {
  const { attempts, executionId, rawAnswer } = (entry.payload ?? {}) as Record<string, unknown>;
  const dueIn = entry.dueMs - nowMs;
  const row = (name: string, text: unknown): string => `  ${look.style("dim", left(name, 12))}${visible(String(text))}`;
  const lines = [
    row("cause", entry.failure),
    row("message", entry.message),
    row("has to", TO_DO[entry.queue] ?? entry.queue),
  ];
  if (entry.round > 0) lines.push(row("due", dueIn <= 0 ? "now" : `in ${duration(dueIn)}, round ${entry.round}`));
  else lines.push(row("since", new Date(entry.dueMs).toISOString()));
  if (attempts !== undefined) lines.push(row("attempts", attempts));
  if (executionId !== undefined) lines.push(row("execution", executionId));
  if (typeof rawAnswer === "string") lines.push("  Raw answer", ...quoted(rawAnswer, look).map((line) => `  ${line}`));
  return lines;
}

const TO_DO: Readonly<Record<string, string>> = {
  model: "be asked again",
  store: "be stored again; the answer is kept",
  mark: "be marked again; the answer is kept",
};

const NUMBERED =
  "\n  The rows of this file are told apart by their number: an id is the file's fingerprint and the row, such as 1a2b3c4d-17, in the column item of the result file. With --id-column NAME a run takes the ids of a column instead.";

function notFound(text: string, place: string, numbered: boolean): QuerymillError {
  const tried = readingsOf(text).map(({ as, key }) => `  as ${as}: ${visible(key)}`);
  return new QuerymillError(
    "ITEM_NOT_FOUND",
    `There is no item ${visible(text)} in ${place}, and none waits or failed. Tried:\n${tried.join("\n")}${numbered ? NUMBERED : ""}\n  Another kind of id: canonical EJSON in quotes, such as '{"$date":"2026-01-31T00:00:00Z"}'.`,
  );
}

function ambiguous(text: string, found: readonly FoundItem[], jobFlags: string): QuerymillError {
  const list = found.map(({ key }) => `  ${asTyped(`querymill get ${shellWord(visible(key))} ${jobFlags}`).trimEnd()}`);
  return new QuerymillError(
    "USAGE",
    `${visible(text)} fits ${found.length} items, and none is guessed. Name the one you mean:\n${list.join("\n")}`,
  );
}
