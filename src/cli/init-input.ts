import { basename, extname, resolve } from "node:path";
import type { SourcePreset } from "../job.ts";
import { type FileLook, lookAtFile, rowTextByPreset, rowTextShown } from "../jobs/store-looks.ts";
import type { StoreAnswer } from "./init-file.ts";
import { BACK, type Back, type Questions } from "./init-questions.ts";
import { oneLine, showTexts } from "./init-text.ts";

type InputAnswer = Extract<StoreAnswer, { readonly kind: "file" }>;

const SAMPLE = 3;

/** Asks for a file of rows: reads its beginning, and shows what a model would see of it. */
export async function askInput(ask: Questions, cwd: string): Promise<InputAnswer | Back> {
  for (;;) {
    const input = await ask.line("File with the queries: CSV, JSONL or Parquet (empty: back)", "");
    if (input === BACK) return BACK;
    const found = await ask.attempt("Reading its first rows", () => lookAtFile(resolve(cwd, input), SAMPLE));
    if (found === null) continue;
    ask.say(`${found.description}. Columns: ${found.columns.slice(0, 20).join(", ")}`);
    const preset = await askPreset(ask, found);
    if (preset === BACK) continue;
    const textColumn = preset === null ? await askColumn(ask, found) : null;
    if (textColumn === BACK) continue;
    const name = `${basename(input, extname(input))}-classified${extname(input) === ".jsonl" ? ".jsonl" : ".csv"}`;
    const output = await ask.line("File for the rows with their classification (empty: back)", name);
    if (output === BACK) continue;
    if (resolve(cwd, output) === resolve(cwd, input)) ask.warn("That is the file with the queries. Name another one.");
    else return { kind: "file", input, output, textColumn, preset };
  }
}

/** @returns null when no preset fits, or a column is to be read instead */
async function askPreset(ask: Questions, { rows, preset }: FileLook): Promise<SourcePreset | null | Back> {
  if (preset === null) return null;
  showTexts(
    ask,
    rows.map((row) => rowTextByPreset(row, preset)),
  );
  const answer = await ask.choose(`These rows look like ${preset}. Read them so?`, [
    { value: "preset", label: `yes, by the preset ${preset}`, hint: "whole conversations, without private notes" },
    { value: "column", label: "no, a column has the text" },
  ]);
  return answer === BACK ? BACK : answer === "preset" ? preset : null;
}

async function askColumn(ask: Questions, { columns, rows }: FileLook): Promise<string | null | Back> {
  let column: string | null = null;
  for (;;) {
    const texts = rows.map((row) => rowTextShown(row, column));
    const none = texts.every((text) => text === null);
    if (!none) {
      showTexts(ask, texts);
      const answer: string | Back = await ask.choose("Is that the text?", [
        { value: "yes", label: "yes", hint: column ?? "found by the columns' names" },
        { value: "column", label: "pick the column" },
      ]);
      if (answer === BACK) return BACK;
      if (answer === "yes") return column;
    } else ask.warn("No text was found there.");
    const choices = columns.map((name) => ({
      value: name,
      label: `${name}  ${oneLine(cellShown(rows[0]?.[name]))}`,
    }));
    const picked = await ask.choose("Which column holds the text?", choices);
    if (picked === BACK) return BACK;
    column = picked;
  }
}

/** A list by its length, an object by its fields: nothing of what is in them. */
function cellShown(value: unknown): string {
  if (Array.isArray(value)) return `(a list of ${value.length})`;
  if (typeof value !== "object" || value === null) return String(value ?? "");
  if (value instanceof Date) return value.toISOString();
  return `(an object: ${Object.keys(value).slice(0, 5).join(", ")})`;
}
