import { type Document, isAlias, isMap, isPair, isScalar, type Pair, stringify, visit, type YAMLMap } from "yaml";
import { QuerymillError } from "../errors.ts";

/** A change of the sections of `tenants`. */
export interface SectionEdit {
  /** Changes the document. @throws QuerymillError for what cannot be changed */
  apply(document: Document): void;
  /**
   * The same in the text, where nothing else of it moves.
   * @param document as it was read
   * @returns null where that is not simple: the document is then written out
   */
  inText(text: string, document: Document): string | null;
}

/** A section behind those that are there. */
export function addSection(name: string, settings: Readonly<Record<string, unknown>>): SectionEdit {
  return {
    apply: (document) => {
      if (document.contents === null) document.contents = document.createNode({}) as never;
      if (document.hasIn(["tenants", name]))
        throw new QuerymillError(
          "USAGE",
          `Tenant ${name} is there already. Choose another name, or change its section.`,
        );
      if (!isMap(document.getIn(["tenants"], true))) document.setIn(["tenants"], document.createNode({}));
      document.setIn(["tenants", name], document.createNode(settings));
    },
    inText: (text, document) => {
      const written = stringify({ [name]: settings }, { lineWidth: 0 });
      const whole = text === "" || text.endsWith("\n") ? text : `${text}\n`;
      if (document.get("tenants") === undefined) return `${whole}tenants:\n${indented(written, "  ")}`;
      const sections = blockMap(document.getIn(["tenants"], true));
      const last = sections?.items.at(-1);
      if (sections === null || last === undefined) return null;
      const at = endOf(last, whole);
      return whole.slice(0, at) + indented(written, indentAt(whole, startOf(last))) + whole.slice(at);
    },
  };
}

/** `paused: true` in a section, or not. */
export function setPaused(name: string, paused: boolean): SectionEdit {
  return {
    apply: (document) => {
      const section = document.getIn(["tenants", name], true);
      if (isAlias(section)) throw pausesOthers(`tenants.${name} repeats another section by an alias`);
      if (isMap(section) && section.anchor !== undefined && isRepeated(document, section.anchor))
        throw pausesOthers(`tenants.${name} is repeated elsewhere by the alias *${section.anchor}`);
      if (!isMap(section)) document.setIn(["tenants", name], document.createNode({}));
      if (paused) document.setIn(["tenants", name, "paused"], true);
      else document.deleteIn(["tenants", name, "paused"]);
    },
    inText: (text, document) => {
      const found = document.getIn(["tenants", name], true);
      if (isMap(found) && found.flow === true) return pausedInBraces(text, found, paused);
      const section = blockMap(found);
      const [first] = section?.items ?? [];
      if (section === null || first === undefined) return null;
      const known = section.items.find((pair) => keyOf(pair) === "paused");
      if (known !== undefined) return withoutLines(text, startOf(known), endOf(known, text), paused);
      if (!paused) return text;
      const at = endOf(section.items.at(-1)!, text);
      const whole = text.endsWith("\n") ? text : `${text}\n`;
      return `${whole.slice(0, at)}${indentAt(text, startOf(first))}paused: true\n${whole.slice(at)}`;
    },
  };
}

/** A section less, with the comment above it; the group goes with the last one. */
export function removeSection(name: string): SectionEdit {
  return {
    apply: (document) => {
      document.deleteIn(["tenants", name]);
      const rest = document.getIn(["tenants"], true);
      if (isMap(rest) && rest.items.length === 0) document.deleteIn(["tenants"]);
    },
    inText: (text, document) => {
      const sections = blockMap(document.getIn(["tenants"], true));
      const section = sections?.items.find((pair) => keyOf(pair) === name);
      if (sections === null || section === undefined) return null;
      if (sections.items.length === 1) {
        const group = blockMap(document.contents)?.items.find((pair) => keyOf(pair) === "tenants");
        return group === undefined ? null : withoutLines(text, startOf(group), endOf(section, text), false);
      }
      return withoutLines(text, startOf(section), endOf(section, text), false);
    },
  };
}

function pausesOthers(why: string): QuerymillError {
  return new QuerymillError("CONFIG_INVALID", `${why}, and would pause that too. Write the settings of each out.`);
}

function isRepeated(document: Document, anchor: string): boolean {
  let found = false;
  visit(document, {
    Alias: (_, { source }) => {
      found ||= source === anchor;
    },
  });
  return found;
}

/** Only what is written line by line can be changed by its lines. */
function blockMap(node: unknown): YAMLMap | null {
  return isMap(node) && node.flow !== true ? node : null;
}

/** `{ a: b }` with or without `paused: true`. */
function pausedInBraces(text: string, { range }: YAMLMap, paused: boolean): string | null {
  if (range == null) return null;
  const [start, end] = range;
  const inside = text.slice(start + 1, end - 1);
  const rest = inside.replace(/,?\s*\bpaused: *(true|false)\s*$/, "").trim();
  const said = paused ? [rest, "paused: true"].filter((part) => part !== "").join(", ") : rest;
  return `${text.slice(0, start)}${said === "" ? "{}" : `{ ${said} }`}${text.slice(end)}`;
}

function keyOf(pair: unknown): string | null {
  return isPair(pair) && isScalar(pair.key) ? String(pair.key.value) : null;
}

function startOf({ key }: Pair): number {
  return (key as { range: [number, number, number] }).range[0];
}

/** Behind the line on which a pair ends. */
function endOf({ key, value }: Pair, text: string): number {
  const node = (value ?? key) as { range?: [number, number, number] | null };
  const end = node.range?.[1] ?? startOf({ key } as Pair);
  if (end > 0 && text[end - 1] === "\n") return end;
  const line = text.indexOf("\n", end);
  return line === -1 ? text.length : line + 1;
}

/** @param keep the lines stay as they are */
function withoutLines(text: string, start: number, end: number, keep: boolean): string {
  if (keep) return text;
  let from = text.lastIndexOf("\n", start - 1) + 1;
  const indent = text.slice(from, start);
  for (;;) {
    const before = text.lastIndexOf("\n", from - 2) + 1;
    if (from === 0 || !text.slice(before, from).startsWith(`${indent}#`)) break;
    from = before;
  }
  return text.slice(0, from) + text.slice(end);
}

function indentAt(text: string, offset: number): string {
  return text.slice(text.lastIndexOf("\n", offset - 1) + 1, offset);
}

function indented(lines: string, indent: string): string {
  return lines.replace(/^(?=.)/gm, indent);
}
