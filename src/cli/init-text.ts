import type { JobSettings } from "../job.ts";
import { sampleDocuments, textFields, textShown } from "../jobs/store-looks.ts";
import type { SourceDocument } from "../store.ts";
import { clip } from "./format.ts";
import { BACK, type Back, type Questions } from "./init-questions.ts";

const SAMPLE = 3;
const LINES = 8;
const WIDTH = 90;

type Text = JobSettings["mapping"]["text"];

/** Shows what a model would see of some queries, and lets other fields be picked. */
export async function askText(ask: Questions, settings: JobSettings): Promise<Text | Back> {
  const documents = await ask.attempt("Drawing some queries", () => sampleDocuments(settings, SAMPLE));
  if (documents === null) return BACK;
  if (documents.length === 0) {
    ask.warn(`${settings.sourceCollection} has no unprocessed documents to show. The usual fields are taken.`);
    return null;
  }
  let text: Text = null;
  for (;;) {
    const texts = documents.map((document) => textShown(document, text, settings.mapping.maxChars));
    showTexts(ask, texts);
    const none = texts.every((shown) => shown === null);
    const answer = await ask.choose(none ? "No text was found." : "Is that the text?", [
      ...(none ? [] : [{ value: "yes", label: "yes", hint: text === null ? "the usual fields" : String(text) }]),
      { value: "fields", label: "pick the fields" },
    ]);
    if (answer === BACK) return BACK;
    if (answer === "yes") return text;
    text = (await askFields(ask, documents, text)) ?? text;
  }
}

/** Shows texts as a model would see them; null: there is none. */
export function showTexts(ask: Questions, texts: readonly (string | null)[]): void {
  ask.note(texts.map(preview).join("\n\n"), "What the model would see of some queries");
}

/** @returns null when none was picked */
async function askFields(ask: Questions, documents: readonly SourceDocument[], before: Text): Promise<Text> {
  const fields = textFields(documents);
  if (fields.length === 0) {
    ask.warn("No field of these documents holds a text.");
    return null;
  }
  const choices = fields.map(({ path, example }) => ({ value: path, label: `${path}  ${oneLine(example)}` }));
  const picked = await ask.several(
    "Which fields? (blank marks, return takes; none: back)",
    choices,
    Array.isArray(before) ? before : [],
  );
  if (picked === BACK) return null;
  return picked.length === 1 ? picked[0]! : picked;
}

function preview(text: string | null, at: number): string {
  if (text === null) return `${at + 1}  (no text: it would be skipped)`;
  const lines = text.split("\n");
  const shown = [
    ...lines.slice(0, LINES).map((line) => clip(line, WIDTH, false)),
    ...(lines.length > LINES ? ["…"] : []),
  ];
  return shown.map((line, row) => `${row === 0 ? at + 1 : " "}  ${line}`).join("\n");
}

/** The beginning of a text on one line. */
export function oneLine(text: string): string {
  return clip(text.replace(/\s+/g, " ").trim(), 50, false);
}
