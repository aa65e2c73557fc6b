import type { TextMapping } from "../job.ts";
import type { DocumentForm } from "./documents.ts";
import { fileInvalid } from "./file-fault.ts";

/** Names of fields in which text is looked for when nobody says where it is, best first. */
export interface DefaultFields {
  readonly subject: string;
  readonly bodies: readonly string[];
}

/** Columns named in a refusal. */
const NAMED = 30;

/**
 * Where the text of a file's rows is, as a mapping of their documents.
 * @param names the columns, or the fields of the first rows where each row has its own
 * @throws QuerymillError FILE_INVALID naming the columns, when the wanted one is not there or none looks like text
 */
export function textMapping(
  shown: string,
  names: readonly string[],
  { fields }: DocumentForm,
  wanted: { readonly column: string | null; readonly mapping: TextMapping; readonly defaults: DefaultFields },
): TextMapping {
  const { column, mapping, defaults } = wanted;
  const fieldOf = (name: string): string => fields?.get(name)?.join(".") ?? name;
  if (column !== null) {
    const { preset: _preset, messages: _messages, ...rest } = mapping;
    const found = columnNamed(names, column);
    if (found !== null) return { ...rest, text: fieldOf(found) };
    // A path into the rows' own objects is found in each row, or not.
    const [first = "", ...inside] = column.split(".");
    const outer = fields === null && inside.length > 0 ? columnNamed(names, first) : null;
    if (outer !== null) return { ...rest, text: [outer, ...inside].join(".") };
    throw noColumn(shown, column, names);
  }
  if (mapping.text !== null || mapping.preset !== undefined || mapping.messages !== undefined) return mapping;
  const subject = columnNamed(names, defaults.subject);
  const bodies = defaults.bodies.flatMap((name) => columnNamed(names, name) ?? []);
  if (subject === null && bodies.length === 0)
    throw fileInvalid(
      shown,
      `no column of it is known to hold the text`,
      `Name it with --text-column. It has: ${listed(names)}.`,
    );
  const same = [subject ?? defaults.subject, ...bodies].every((name) => fieldOf(name) === name.toLowerCase());
  if (same) return mapping;
  return { ...mapping, text: [...(subject === null ? [] : [subject]), ...bodies.slice(0, 1)].map(fieldOf) };
}

/** The column of this name, or else the only one that differs in capitals and blanks only. */
export function columnNamed(names: readonly string[], wanted: string): string | null {
  if (names.includes(wanted)) return wanted;
  const alike = names.filter((name) => name.trim().toLowerCase() === wanted.trim().toLowerCase());
  return alike.length === 1 ? alike[0]! : null;
}

/** @returns the refusal of a column that is not there, with those that are */
export function noColumn(shown: string, wanted: string, names: readonly string[]): Error {
  return fileInvalid(shown, `it has no column "${wanted}"`, `It has: ${listed(names)}.`);
}

function listed(names: readonly string[]): string {
  const left = names.length - NAMED;
  return `${names.slice(0, NAMED).join(", ")}${left > 0 ? ` and ${left} more` : ""}`;
}
