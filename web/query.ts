/** One part of a filter: `category:billing,refund`, `-decidedBy:person`, `urgency:>=high`, `"words"`. */
export interface Term {
  readonly negated: boolean;
  /** Null for words. */
  readonly field: string | null;
  /** Of a field; empty: is one of the values. */
  readonly comparison: "" | "<" | "<=" | ">" | ">=";
  readonly values: readonly string[];
}

const FIELD = /^([A-Za-z][\w.-]*)(?::(?=[^<>])|:?(<=|>=|<|>)|:$)(.*)$/s;

/** Takes a query apart. Anything that is no field is words, so nothing is lost. */
export function termsOf(query: string): Term[] {
  return partsOf(query).map((part) => {
    const negated = part.startsWith("-") && part.length > 1;
    const body = negated ? part.slice(1) : part;
    const named = FIELD.exec(body);
    if (named === null) return { negated, field: null, comparison: "", values: [bare(body)] };
    const [, field, comparison = "", rest] = named;
    return {
      negated,
      field: field!,
      comparison: comparison as Term["comparison"],
      values: splitOutsideQuotes(rest!, ",").map(bare),
    };
  });
}

/** Puts a query together again. */
export function queryOf(terms: readonly Term[]): string {
  return terms.map(wordOf).join(" ");
}

/** One term as it is typed. */
export function wordOf({ negated, field, comparison, values }: Term): string {
  const sign = negated ? "-" : "";
  return field === null
    ? sign + quoted(values[0] ?? "")
    : `${sign}${field}:${comparison}${values.map(quoted).join(",")}`;
}

/** A query for one field and value: `category:billing_payment`. */
export function only(field: string, ...values: string[]): string {
  return wordOf({ negated: false, field, comparison: "", values });
}

/** Several queries as one; all of them have to be met. */
export function both(...queries: readonly string[]): string {
  return queries.filter((query) => query !== "").join(" ");
}

/** Whether the query asks for exactly this value among those of a field. */
export function has(query: string, field: string, value: string): boolean {
  return termsOf(query).some((term) => isPlain(term, field) && term.values.includes(value));
}

/** Adds a value to those of a field, or takes it out; an empty field goes. */
export function toggled(query: string, field: string, value: string): string {
  const terms = termsOf(query);
  const at = terms.findIndex((term) => isPlain(term, field));
  if (at < 0) return queryOf([...terms, { negated: false, field, comparison: "", values: [value] }]);
  const { values } = terms[at]!;
  const left = values.includes(value) ? values.filter((one) => one !== value) : [...values, value];
  return queryOf(
    terms.flatMap((term, index) => (index !== at ? [term] : left.length === 0 ? [] : [{ ...term, values: left }])),
  );
}

/** The query without its term number `at`. */
export function without(query: string, at: number): string {
  return queryOf(termsOf(query).filter((_, index) => index !== at));
}

function isPlain(term: Term, field: string): boolean {
  return term.field === field && !term.negated && term.comparison === "";
}

function quoted(value: string): string {
  return /[\s,"]|^-|^$|^[A-Za-z][\w.-]*[:<>]/.test(value) ? `"${value.replaceAll(/["\\]/g, "\\$&")}"` : value;
}

function bare(value: string): string {
  if (!value.startsWith('"')) return value;
  const inside = value.length > 1 && value.endsWith('"') ? value.slice(1, -1) : value.slice(1);
  return inside.replaceAll(/\\(["\\])/g, "$1");
}

function partsOf(query: string): string[] {
  return splitOutsideQuotes(query.replaceAll(/\s/g, " "), " ").filter((part) => part !== "");
}

function splitOutsideQuotes(text: string, separator: string): string[] {
  const parts = [""];
  let inQuotes = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (inQuotes && character === "\\") {
      parts[parts.length - 1] += character + (text[++at] ?? "");
      continue;
    }
    if (character === '"') inQuotes = !inQuotes;
    if (character === separator && !inQuotes) parts.push("");
    else parts[parts.length - 1] += character;
  }
  return parts;
}
