import { didYouMean } from "../config/nearest.ts";
import type { ItemKey } from "../item.ts";
import { ALL_RECORDS, type ConditionValue, type RecordCondition, type RecordSelection } from "../selection.ts";
import type { Taxonomy } from "../taxonomy.ts";
import { readingsOf } from "./id-readings.ts";
import { fitsOutcome, OUTCOMES, type QueryField, type QueryOutcome, queryFields } from "./query-fields.ts";
import { type QueryTerm, type QueryValue, readTerms, textOfTerms, wrong } from "./query-terms.ts";
import { momentIn, TIMES } from "./query-time.ts";

/** A checked query: the one of the page, the command line and the API. */
export interface ResultQuery {
  readonly outcome: QueryOutcome;
  /** What the records meet. Of items in a queue: what their entries meet, whose message stands where a summary would. */
  readonly selection: RecordSelection;
  /** Written in one way: read again it is the same query. Empty for everything that is classified. */
  readonly text: string;
}

export interface QueryContext {
  readonly taxonomy: Taxonomy;
  /** Epoch ms: what `7d` counts back from. */
  readonly nowMs: number;
  /** IANA name of the zone that days are meant in. */
  readonly timezone: string;
}

/**
 * Reads a query such as `category:refund,billing -by:person confidence<0.6 since:7d "charged twice"`. All parts have to
 * hold; of several values one is enough; `-` in front means the others.
 * @throws QuerymillError USAGE naming the part, what is allowed and the nearest name
 */
export function parseQuery(text: string, context: QueryContext): ResultQuery {
  const fields = queryFields(context.taxonomy);
  const terms = readTerms(text);
  const read = terms.map((term) => ({ term, field: term.field === null ? null : fieldNamed(term, fields) }));
  const said = read.filter(({ field }) => field?.kind === "outcome").map(({ term }) => outcomeIn(term));
  if (said.length > 1) throw wrong("outcome is said twice. An item has one only: leave one out.");
  const [outcome = "classified"] = said;
  for (const { term } of read) if (!fitsOutcome(term.field, outcome)) throw wrong(unfit(term, outcome));
  let selection = ALL_RECORDS;
  for (const { term, field } of read) selection = narrowed(selection, term, field, context);
  const shown = read.filter(({ field }) => field?.kind !== "outcome" || outcome !== "classified");
  return { outcome, selection, text: textOfTerms(shown.map(({ term, field }) => canonical(term, field))) };
}

/** @returns a query that means these values of a field, written so that it can be read again */
export function queryFor(field: string, ...values: readonly string[]): string {
  const listed = values.map((text) => ({ text, quoted: false }));
  return textOfTerms([{ not: false, field, operator: ":", values: listed, typed: "" }]);
}

function narrowed(
  selection: RecordSelection,
  term: QueryTerm,
  field: QueryField | null,
  { nowMs, timezone }: QueryContext,
): RecordSelection {
  if (field === null) return withCondition(selection, contains(term));
  switch (field.kind) {
    case "outcome":
      return selection;
    case "id":
      return { ...selection, keys: keysIn(term, selection.keys) };
    case "time":
      return withTime(selection, term, nowMs, timezone);
    default:
      return withCondition(selection, conditionOf(term, field));
  }
}

function withCondition(selection: RecordSelection, condition: RecordCondition): RecordSelection {
  return { ...selection, conditions: [...selection.conditions, condition] };
}

function contains({ not, values }: QueryTerm): RecordCondition {
  return { field: "summary", is: "contains", values: values.map(({ text }) => text), not };
}

function conditionOf(
  term: QueryTerm,
  field: Exclude<QueryField, { kind: "id" | "time" | "outcome" }>,
): RecordCondition {
  const { not, operator, values, typed } = term;
  if (operator !== ":" && field.kind === "label" && field.ordered) return labelsBy(term, field);
  if (operator !== ":" && field.kind !== "number")
    throw wrong(`"${typed}": ${term.field} is no number, so it is compared with : only.`);
  if (field.kind === "text") return textCondition(term, field.path);
  if (operator !== ":" && values.length > 1)
    throw wrong(`"${typed}": ${operator} compares with one number. Write two parts for a range.`);
  const is = operator === ":" ? "in" : operator;
  return { field: field.path, is, values: values.map((value) => valueIn(value, term, field)), not };
}

/** Labels stand in the order of the taxonomy: `urgency>=high`. */
function labelsBy(term: QueryTerm, field: QueryField & { kind: "label" }): RecordCondition {
  const { not, operator, values, typed } = term;
  const [value] = values;
  if (values.length > 1 || isNone(value!)) throw wrong(`"${typed}": ${operator} compares with one label.`);
  const at = field.labels.indexOf(String(valueIn({ ...value!, quoted: false }, term, field)));
  const meant = field.labels.filter((_, place) =>
    operator === "<" ? place < at : operator === "<=" ? place <= at : operator === ">" ? place > at : place >= at,
  );
  return { field: field.path, is: "in", values: meant, not };
}

function textCondition({ not, values, typed }: QueryTerm, path: string): RecordCondition {
  const beginnings = values.filter(({ text, quoted }) => !quoted && text.endsWith("*"));
  if (beginnings.length === 0)
    return { field: path, is: "in", values: values.map((value) => (isNone(value) ? null : value.text)), not };
  if (beginnings.length < values.length)
    throw wrong(`"${typed}": a value with * stands alone, or beside others with *.`);
  return { field: path, is: "begins", values: beginnings.map(({ text }) => text.slice(0, -1)), not };
}

function valueIn(
  value: QueryValue,
  { typed, field: name, operator }: QueryTerm,
  field: Exclude<QueryField, { kind: "id" | "time" | "outcome" | "text" }>,
): ConditionValue {
  if (isNone(value) && operator === ":" && field.kind !== "choice") return null;
  if (field.kind === "number") {
    const number = Number(value.text);
    if (value.text.trim() !== "" && Number.isFinite(number)) return number;
    throw wrong(`"${typed}": ${value.text} is no number. Write ${name}<0.6 or ${name}>0.6.`);
  }
  // Labels of an earlier taxonomy are still in records.
  if (field.kind === "label" && value.quoted) return value.text;
  const allowed = field.kind === "label" ? field.labels : Object.keys(field.options);
  const found = allowed.find((one) => one.toLowerCase() === value.text.toLowerCase());
  if (found !== undefined) return field.kind === "label" ? found : field.options[found]!;
  const old =
    field.kind === "label" ? ` One of an earlier taxonomy is written in quotes: ${name}:"${value.text}".` : "";
  throw wrong(
    `"${typed}": ${name} has no ${value.text}.${didYouMean(value.text, allowed)} There are: ${listed(allowed)}${field.kind === "label" ? ", none" : ""}.${old}`,
  );
}

function keysIn({ not, operator, values, typed }: QueryTerm, before: readonly ItemKey[] | null): ItemKey[] {
  if (not || operator !== ":") throw wrong(`"${typed}": items are named as id:T-1042, and cannot be excluded.`);
  const keys = values.flatMap(({ text }) => readingsOf(text).map(({ key }) => key));
  return before === null ? [...new Set(keys)] : before.filter((key) => keys.includes(key));
}

function withTime(selection: RecordSelection, term: QueryTerm, nowMs: number, timezone: string): RecordSelection {
  const { field: name, not, operator, values, typed } = term;
  const end = name === "until";
  const [value] = values;
  const ms = not || operator !== ":" || values.length > 1 ? null : momentIn(value!.text, end, nowMs, timezone);
  if (ms === null) throw wrong(`"${typed}" is no time. Write ${name}: and ${TIMES}.`);
  if ((end ? selection.toMs : selection.fromMs) !== null)
    throw wrong(`"${typed}": ${name} is said twice. Leave one out.`);
  return end ? { ...selection, toMs: ms } : { ...selection, fromMs: ms };
}

function fieldNamed({ field, typed, operator }: QueryTerm, fields: ReadonlyMap<string, QueryField>): QueryField {
  const found = fields.get(field!);
  if (found !== undefined) return found;
  const names = [...fields.keys()];
  const words = operator === ":" ? ` Words to look for stand in quotes: "${typed.replaceAll('"', "")}".` : "";
  throw wrong(
    `"${typed}": there is no field ${field}.${didYouMean(field!, names)} Fields: ${listed(names.filter((name) => !name.includes(".")))}.${words}`,
  );
}

function outcomeIn({ values, not, operator, typed }: QueryTerm): QueryOutcome {
  const [value] = values;
  const found = OUTCOMES.find((outcome) => outcome === outcomeNamed(value!.text));
  if (found !== undefined && values.length === 1 && !not && operator === ":") return found;
  throw wrong(
    `"${typed}": one outcome is asked for at a time.${didYouMean(value!.text, OUTCOMES)} There are: ${listed(OUTCOMES)}.`,
  );
}

function unfit({ field, typed }: QueryTerm, outcome: QueryOutcome): string {
  if (outcome === "classified")
    return `"${typed}": only items that failed have ${field === "queue" ? "a queue" : "a failure"}. Add outcome:dead or outcome:retry.`;
  const what = field === null ? "words are looked for in summaries, which" : `${field} is something that`;
  return `"${typed}": ${what} only classified items have. Leave it out, or leave outcome:${outcome} out.`;
}

function canonical(term: QueryTerm, field: QueryField | null): QueryTerm {
  if (field === null || (field.kind !== "label" && field.kind !== "choice" && field.kind !== "outcome")) return term;
  const values = term.values.map((value) =>
    value.quoted && field.kind === "label" ? value : { text: spelled(value.text, field), quoted: false },
  );
  return { ...term, values };
}

function spelled(text: string, field: QueryField): string {
  return field.kind === "outcome" ? outcomeNamed(text) : text.toLowerCase();
}

/** Outcomes as events name them are understood too. */
function outcomeNamed(text: string): string {
  const name = text.toLowerCase();
  return name === "retryqueued" ? "retry" : name === "deadletter" ? "dead" : name;
}

function isNone({ text, quoted }: QueryValue): boolean {
  return !quoted && text.toLowerCase() === "none";
}

function listed(names: readonly string[]): string {
  return names.join(", ");
}
