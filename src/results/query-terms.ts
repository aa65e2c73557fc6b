import { QuerymillError } from "../errors.ts";

/** One part of a query as it was typed: `-category:billing,refund`, `cost>0.01`, `"charged twice"`. */
export interface QueryTerm {
  readonly not: boolean;
  /** null: words. */
  readonly field: string | null;
  readonly operator: ":" | "<" | "<=" | ">" | ">=";
  readonly values: readonly QueryValue[];
  /** As it was typed, for messages. */
  readonly typed: string;
}

export interface QueryValue {
  readonly text: string;
  /** It stood in quotes, and is taken as it is. */
  readonly quoted: boolean;
}

/** Names of the record's own fields, and what they are called here. */
const SAME_AS: Readonly<Record<string, string>> = {
  decidedBy: "by",
  execution: "run",
  executionId: "run",
  needsReview: "review",
  costUsd: "cost",
};
const LONGEST = 2_000;
const MOST_TERMS = 40;
/** `confidence:<0.6` is written too. */
const FIELD = /^([A-Za-z][\w.-]*)(?::?(<=|>=|<|>)|:)/;
/** A value that needs no quotes. */
const BARE = /^[^\s",\\<>:=-][^\s",\\]*$/;

/** Takes a query apart. @throws QuerymillError USAGE */
export function readTerms(text: string): QueryTerm[] {
  if (text.length > LONGEST)
    throw wrong(`The query is ${text.length.toLocaleString("en-US")} characters long; ${LONGEST} are the most.`);
  const terms: QueryTerm[] = [];
  let rest = text.trimStart();
  while (rest !== "") {
    const { term, length } = readTerm(rest);
    terms.push(term);
    rest = rest.slice(length).trimStart();
  }
  if (terms.length > MOST_TERMS) throw wrong(`The query has ${terms.length} parts; ${MOST_TERMS} are the most.`);
  return terms;
}

/** The same query, written in one way. */
export function textOfTerms(terms: readonly QueryTerm[]): string {
  return terms
    .map(({ not, field, operator, values }) => {
      const listed = values.map(field === null ? (value) => quoted(value.text) : textOfValue).join(",");
      return `${not ? "-" : ""}${field === null ? "" : field + operator}${listed}`;
    })
    .join(" ");
}

export function wrong(message: string): QuerymillError {
  return new QuerymillError("USAGE", message);
}

function readTerm(text: string): { term: QueryTerm; length: number } {
  const not = text.startsWith("-") && text.length > 1 && !/^-\s/.test(text);
  const from = not ? 1 : 0;
  const [head = "", named = null, operator = ":"] = FIELD.exec(text.slice(from)) ?? [];
  const field = named === null ? null : (SAME_AS[named] ?? named);
  let at = from + head.length;
  const values: QueryValue[] = [];
  for (;;) {
    const { value, length } = readValue(text.slice(at), field !== null);
    at += length;
    if (value !== null) values.push(value);
    if (field === null || text[at] !== ",") break;
    at += 1;
  }
  const typed = text.slice(0, at);
  if (values.length === 0) throw wrong(`"${typed}" has no value. Write ${field ?? "category"}${operator}VALUE.`);
  return { term: { not, field, operator: operator as QueryTerm["operator"], values, typed }, length: at };
}

/** @param listed a comma ends it */
function readValue(text: string, listed: boolean): { value: QueryValue | null; length: number } {
  if (text.startsWith('"')) {
    const [whole, inner] = /^"((?:[^"\\]|\\.)*)"/s.exec(text) ?? [];
    if (whole === undefined) throw wrong(`A quote is open: ${text.slice(0, 40)}. Close it with ".`);
    const value = inner!.replaceAll(/\\(.)/gs, "$1");
    if (value.trim() === "") throw wrong('There is nothing between the quotes of "".');
    return { value: { text: value, quoted: true }, length: whole.length };
  }
  const [bare = ""] = (listed ? /^[^\s,]+/ : /^\S+/).exec(text) ?? [];
  return { value: bare === "" ? null : { text: bare, quoted: false }, length: bare.length };
}

function textOfValue({ text, quoted: inQuotes }: QueryValue): string {
  return !inQuotes && BARE.test(text) ? text : quoted(text);
}

function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
}
