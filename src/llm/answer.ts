import type { Classification, Dimension, Field, FieldValue, Taxonomy } from "../taxonomy.ts";
import { compileField } from "./field-value.ts";
import { findJsonObject, type JsonObject } from "./json-object.ts";
import { compileLabels, type FindLabel, normalised } from "./label-lookup.ts";
import { CONFIDENCE_DIMENSIONS } from "./prompt.ts";

/** Below this the category is reviewed by a person. */
const REVIEW_CONFIDENCE = 0.5;

const SUMMARY_CHARS = 500;
const ALTERNATIVES = 3;
/** These have a field of their own in the record; other dimensions, and lists, go to `labels`. */
const OWN_FIELDS: readonly string[] = ["category", "subcategory", "sentiment", "urgency"];
const NO_LABELS: Classification["labels"] = Object.freeze({});

export interface AnswerOptions {
  readonly confidenceKind: "self-rated" | "offline";
  /** True when no repair call may follow. */
  readonly last: boolean;
  /** What an earlier answer to the same item had right; it wins over this answer. */
  readonly draft?: Draft;
  /** True when the model was shown a text that had been cut. */
  readonly truncated: boolean;
}

/** The fields of an answer that were valid, kept while the rest is asked for again. Opaque. */
export interface Draft {
  readonly labels: ReadonlyMap<string, FoundLabels>;
  /** The object they came from, for language, summary, alternatives and confidence. */
  readonly object: JsonObject | null;
}

export type AnswerCheck =
  | { readonly status: "valid"; readonly classification: Classification }
  | {
      readonly status: "invalid";
      readonly failure: "malformed" | "label-unknown";
      /** For the model, one sentence each; label ids and field names, no customer text. */
      readonly problems: readonly string[];
      readonly draft: Draft;
    };

interface FoundLabels {
  readonly value: FieldValue | readonly string[];
  readonly repaired: boolean;
}
interface Question {
  readonly dimension: Dimension;
  readonly find: FindLabel;
}
/** A dimension or a free field, as far as it is read and required. */
interface Asked {
  readonly id: string;
  readonly required: boolean;
  readonly read: (value: unknown) => FoundLabels | InvalidField;
}
interface InvalidField {
  readonly problem: string;
  /** Of a list: the labels that were valid all the same. */
  readonly rest: FoundLabels | null;
}

const NOTHING: JsonObject = {};
const EMPTY_DRAFT: Draft = { labels: new Map(), object: null };

/**
 * Precompiles the check of answers against a taxonomy. The returned function is pure.
 *
 * With `last: false` anything wrong in a dimension makes the answer invalid, and what was right is in `draft` for the
 * repair call (a first answer that leaves an optional dimension out is right: null). With `last: true` an optional dimension that is wrong becomes null (a list keeps its valid labels) with
 * the review reason `<dimension>-invalid`; a required one makes the answer invalid, and never becomes `other`.
 * Language, summary, alternatives and confidence never make an answer invalid: they become `und`, null or empty.
 */
export function compileAnswer(taxonomy: Taxonomy): (text: string, options: AnswerOptions) => AnswerCheck {
  const questions = taxonomy.dimensions.map((dimension) => ({ dimension, find: compileLabels(dimension) }));
  const asked = [...questions.map(askedOf), ...(taxonomy.fields ?? []).map(askedField)];
  const ids = asked.map(({ id }) => id);
  const belongs = (object: JsonObject): boolean => ids.some((id) => Object.hasOwn(object, id));
  const assemble = compileAssembly(taxonomy, questions);

  return (text, options) => {
    const draft = options.draft ?? EMPTY_DRAFT;
    const found = findJsonObject(text, belongs);
    if (typeof found === "string" && !(options.last && draft.object !== null))
      return { status: "invalid", failure: "malformed", problems: [found], draft };
    const object = typeof found === "string" ? NOTHING : found;

    const labels = new Map<string, FoundLabels>(draft.labels);
    const invalid = new Map<string, InvalidField>();
    for (const { id, read } of asked) {
      if (labels.has(id)) continue;
      const value = Object.hasOwn(object, id) ? object[id] : draft.object === null ? null : undefined;
      const field = read(value);
      if ("problem" in field) invalid.set(id, field);
      else labels.set(id, field);
    }
    const stray = strayChild(taxonomy, labels);
    if (stray !== null) invalid.set(stray.id, { problem: stray.problem, rest: null });

    if (invalid.size > 0 && !options.last) return rejected(invalid, labels, draft.object ?? object);
    const reasons: string[] = [];
    for (const { id, required } of asked) {
      const field = invalid.get(id);
      if (field === undefined) continue;
      const label = labels.get(id);
      if (label !== undefined && required) reasons.push("subcategory-mismatch");
      else if (required && field.rest === null) return rejected(invalid, labels, draft.object ?? object);
      else {
        labels.set(id, field.rest ?? { value: null, repaired: false });
        reasons.push(`${id}-invalid`);
      }
    }
    return { status: "valid", classification: assemble(labels, object, options, reasons) };
  };
}

function askedOf(question: Question): Asked {
  const { id, required } = question.dimension;
  return { id, required, read: (value) => readField(question, value) };
}

function askedField(field: Field): Asked {
  const read = compileField(field);
  return {
    id: field.id,
    required: field.required,
    read(value) {
      const found = read(value);
      return "problem" in found ? { problem: found.problem, rest: null } : { value: found.value, repaired: false };
    },
  };
}

function rejected(
  invalid: ReadonlyMap<string, InvalidField>,
  labels: Map<string, FoundLabels>,
  object: JsonObject,
): AnswerCheck {
  for (const id of invalid.keys()) labels.delete(id);
  const problems = [...invalid.values()].map(({ problem }) => problem);
  return { status: "invalid", failure: "label-unknown", problems, draft: { labels, object } };
}

function readField({ dimension, find }: Question, value: unknown): FoundLabels | InvalidField {
  const { id, required, choose } = dimension;
  if (!required && isNothing(value, find)) return { value: null, repaired: false };
  if (choose === "many") return readList(dimension, find, value);
  if (typeof value !== "string")
    return { problem: `${id} is ${kindOf(value)}, expected one label${required ? "" : " or null"}`, rest: null };
  const found = find(value);
  return found === null
    ? { problem: unknownLabel(id, value), rest: null }
    : { value: found.id, repaired: found.repaired };
}

function readList(dimension: Dimension, find: Question["find"], value: unknown): FoundLabels | InvalidField {
  const { id, required, labels } = dimension;
  const answers = typeof value === "string" ? [value] : value;
  if (!Array.isArray(answers)) return { problem: `${id} is ${kindOf(value)}, expected a list of labels`, rest: null };
  const chosen = new Set<string>();
  let repaired = false;
  let problem: string | null = null;
  for (const answer of answers.slice(0, labels.length * 2)) {
    const found = typeof answer === "string" ? find(answer) : null;
    if (found === null)
      problem ??= typeof answer === "string" ? unknownLabel(id, answer) : `${id} holds ${kindOf(answer)}`;
    else {
      chosen.add(found.id);
      repaired ||= found.repaired;
    }
  }
  const field = { value: [...chosen], repaired };
  if (problem !== null) return { problem, rest: chosen.size > 0 ? field : null };
  return required && chosen.size === 0 ? { problem: `${id} is empty, expected at least one label`, rest: null } : field;
}

/** A subcategory that belongs to another category than the one answered. */
function strayChild(
  taxonomy: Taxonomy,
  labels: ReadonlyMap<string, FoundLabels>,
): { id: string; problem: string } | null {
  const child = labels.get("subcategory")?.value;
  const category = labels.get("category")?.value;
  if (typeof child !== "string" || typeof category !== "string") return null;
  const dimension = taxonomy.dimensions.find(({ id }) => id === "subcategory");
  const parent = dimension?.labels.find(({ id }) => id === child)?.parent;
  if (parent === undefined || parent === category) return null;
  return { id: "subcategory", problem: `subcategory ${child} belongs to category ${parent}, not to ${category}` };
}

/** An optional dimension answered by null, or by a word for nothing that is no label. */
function isNothing(value: unknown, find: Question["find"]): boolean {
  if (value === null) return true;
  if (typeof value !== "string") return false;
  return ["", "null", "none", "na", "notapplicable"].includes(normalised(value)) && find(value) === null;
}

function compileAssembly(taxonomy: Taxonomy, questions: readonly Question[]) {
  const single = new Set(questions.filter(({ dimension }) => dimension.choose === "one").map((q) => q.dimension.id));
  const own = questions.map((q) => q.dimension.id).filter((id) => !OWN_FIELDS.includes(id) || !single.has(id));
  const confidences = CONFIDENCE_DIMENSIONS.filter((id) => questions.some(({ dimension }) => dimension.id === id));
  const category = questions.find(({ dimension }) => dimension.id === "category");
  const languages = new Map<string, string>();
  const free = (taxonomy.fields ?? []).map(({ id }) => id);
  const found = (labels: ReadonlyMap<string, FoundLabels>, id: string) => labels.get(id)?.value ?? null;

  return (
    labels: ReadonlyMap<string, FoundLabels>,
    answer: JsonObject,
    options: AnswerOptions,
    reasons: string[],
  ): Classification => {
    const object = options.draft?.object ?? answer;
    const one = (id: string): string | null => {
      const value = single.has(id) ? labels.get(id)?.value : null;
      return typeof value === "string" ? value : null;
    };
    const confidence: Record<string, number | null> = {};
    for (const id of confidences) {
      const source = options.draft?.labels.has(id) ? object : answer;
      confidence[id] = probability(source[`confidence_${id}`]);
    }
    for (const { repaired } of labels.values())
      if (repaired) {
        reasons.unshift("label-repaired");
        break;
      }
    const sure = confidence.category;
    if (typeof sure === "number" && sure < REVIEW_CONFIDENCE) reasons.unshift("low-confidence");
    if (options.truncated) reasons.push("text-truncated");
    return {
      category: one("category"),
      subcategory: one("subcategory"),
      sentiment: one("sentiment"),
      urgency: one("urgency"),
      language: languageOf(object.language, languages),
      summary: taxonomy.summary ? summaryOf(object.summary) : null,
      labels:
        own.length === 0
          ? NO_LABELS
          : (Object.fromEntries(own.map((id) => [id, found(labels, id)])) as Classification["labels"]),
      ...(free.length === 0
        ? {}
        : { fields: Object.fromEntries(free.map((id) => [id, found(labels, id)])) as Record<string, FieldValue> }),
      alternatives: taxonomy.alternatives ? alternativesOf(object.alternatives, category, one("category")) : [],
      confidence,
      confidenceKind: options.confidenceKind,
      needsReview: reasons.length > 0,
      reviewReasons: reasons,
    };
  };
}

/** Known spellings are remembered, because canonical case takes longer than the rest of the check. */
function languageOf(value: unknown, known: Map<string, string>): string {
  if (typeof value !== "string" || value.length > 35) return "und";
  const seen = known.get(value);
  if (seen !== undefined) return seen;
  const tag = canonicalTag(value.trim().replaceAll("_", "-"));
  if (known.size < 1_000) known.set(value, tag);
  return tag;
}

function canonicalTag(tag: string): string {
  if (!/^[a-z]{2,3}(-[a-z]{4})?(-([a-z]{2}|\d{3}))?$/i.test(tag)) return "und";
  try {
    return Intl.getCanonicalLocales(tag)[0] ?? "und";
  } catch {
    return "und";
  }
}

function summaryOf(value: unknown): string | null {
  if (typeof value !== "string") return null;
  if (value.length <= SUMMARY_CHARS && /^[!-~]+(?: [!-~]+)*$/.test(value)) return value;
  const clean = value
    .slice(0, SUMMARY_CHARS * 4)
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s\u202a-\u202e\u2066-\u2069]+/gu, " ")
    .slice(0, SUMMARY_CHARS + 1)
    .trim();
  const short = clean.length > SUMMARY_CHARS ? clean.slice(0, SUMMARY_CHARS).replace(/[\ud800-\udbff]$/, "") : clean;
  return short === "" ? null : short.toWellFormed();
}

function alternativesOf(
  value: unknown,
  category: Question | undefined,
  chosen: string | null,
): Classification["alternatives"] {
  if (!Array.isArray(value) || value.length === 0 || category === undefined) return [];
  const found = new Map<string, number>();
  for (const entry of value.slice(0, 10)) {
    if (typeof entry !== "object" || entry === null) continue;
    const { label, p } = entry as { label?: unknown; p?: unknown };
    const known = typeof label === "string" ? category.find(label, false) : null;
    const likely = probability(p);
    if (known !== null && known.id !== chosen && likely !== null && !found.has(known.id)) found.set(known.id, likely);
  }
  return [...found]
    .map(([label, p]) => ({ label, p }))
    .sort((a, b) => b.p - a.p)
    .slice(0, ALTERNATIVES);
}

/** Anything but a number from 0 to 1 says nothing: it is not bent into range. */
function probability(value: unknown): number | null {
  return typeof value === "number" && value >= 0 && value <= 1 ? value : null;
}

/** The wrong answer is quoted for the model only as far as it looks like a label. */
function unknownLabel(id: string, answer: string): string {
  return /^[\w -]{1,60}$/.test(answer) ? `${id} "${answer}" is not a listed label` : `${id} is not a listed label`;
}

function kindOf(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  return Array.isArray(value) ? "a list" : typeof value === "object" ? "an object" : `a ${typeof value}`;
}
