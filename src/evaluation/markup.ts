/** Markup that is safe to put into a page as it is. Made by {@link html} only. */
export interface Markup {
  readonly markup: string;
}
/** What may stand in a template: text is escaped, markup is not; null and false are nothing. */
export type Content = string | number | Markup | null | false | readonly Content[];

/** Markup with everything that is put in escaped, in elements and in quoted attributes alike. */
export function html(parts: TemplateStringsArray, ...values: readonly Content[]): Markup {
  let markup = parts[0]!;
  for (const [at, value] of values.entries()) markup += written(value) + parts[at + 1]!;
  return { markup };
}

/** Constants of ours, such as style sheets, that are no text. */
export function trusted(markup: string): Markup {
  return { markup };
}

/** A text of others: one paragraph in its own reading direction, which it cannot carry further; controls made visible. */
export function quoted(text: string, most: number): Markup {
  const kept = text.length > most ? `${text.slice(0, most).toWellFormed()} …` : text;
  return html`<bdi dir="auto">${kept}</bdi>`;
}

/** A label, which may break behind its underscores. */
export function labelled(label: string): Markup {
  return { markup: label.split("_").map(escaped).join("_<wbr>") };
}

function written(value: Content): string {
  if (value === null || value === false) return "";
  if (typeof value === "string" || typeof value === "number") return escaped(String(value));
  if ("markup" in value) return value.markup;
  return value.map(written).join("");
}

function escaped(text: string): string {
  return text
    .toWellFormed()
    .replace(/[^\P{Cc}\t\n]|[\u202a-\u202e\u2066-\u2069]/gu, "\ufffd")
    .replace(/[&<>"'`]/g, (character) => `&#${character.codePointAt(0)};`);
}
