import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import { shown } from "./file.ts";
import { didYouMean } from "./nearest.ts";
import { yamlFault } from "./yaml-fault.ts";

/** More repetitions through anchors than this are taken for an attack. */
const MAX_ALIASES = 100;

/** A value in a file and where it stands. */
export interface Place {
  readonly node: Node | null;
  /** As messages name it: `urgency.labels[2].id`. */
  readonly path: string;
  /** Where it begins, in UTF-16 units. */
  readonly offset: number;
}

/** From 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Reads values of a YAML file and gathers what is wrong with them, so that all of it can be told at once. */
export interface YamlReader {
  /** null when the text is no YAML, which is reported. */
  readonly root: Place | null;
  problem(place: Place, text: string): void;
  /** @returns what was reported, in the order of the file: `file:line:column path: text` */
  problems(): string[];
  position(place: Place): Position;
  isMap(place: Place): boolean;
  isList(place: Place): boolean;
  /** Values by key; a key that is not known is reported with the nearest right one, and `null` counts as not given. */
  fields(place: Place, known: readonly string[]): ReadonlyMap<string, Place>;
  /** `at` is where the key stands. @returns null when it is no map, which is reported */
  entries(place: Place): readonly { readonly key: string; readonly at: Place; readonly value: Place }[] | null;
  /** @returns null when it is no list, which is reported */
  items(place: Place, expected: string): readonly Place[] | null;
  /** Text as written, trimmed, numbers included. @returns null when nothing is given, or no text, which is reported */
  text(place: Place | undefined): string | null;
  texts(place: Place | undefined): string[];
  flag(place: Place | undefined): boolean | null;
  /** Like `text`, without a report. */
  scalar(place: Place): string | null;
  /** @returns ` Did you mean X?`, or nothing */
  nearest(word: string, candidates: readonly string[]): string;
}

/** @param file its name in messages */
export function openYaml(text: string, file: string): YamlReader {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const found: { offset: number; line: string }[] = [];
  const report = (offset: number, line: string): void => {
    const { line: row, col } = lines.linePos(offset);
    found.push({ offset, line: `${file}:${row}:${col} ${line}` });
  };
  const problem = (place: Place, words: string): void =>
    report(place.offset, place.path === "" ? words : `${place.path}: ${words}`);

  const fault = yamlFault(document);
  if (fault !== null) report(fault.offset, fault.text);
  if (found.length === 0)
    try {
      document.toJS({ maxAliasCount: MAX_ALIASES });
    } catch {
      report(0, "repeats itself through too many aliases. Write the values out");
    }

  const placeOf = (value: unknown, path: string, fallback: number): Place => {
    const offset = isNode(value) ? (value.range?.[0] ?? fallback) : fallback;
    const node = isAlias(value) ? (value.resolve(document) ?? null) : value;
    return { node: isNode(node) ? node : null, path, offset };
  };
  const isNothing = ({ node }: Place): boolean => node === null || (isScalar(node) && node.value === null);
  const wrong = (place: Place, expected: string): null => {
    problem(place, `expected ${expected}; got ${isNothing(place) ? "nothing" : shownNode(place.node!)}`);
    return null;
  };
  const scalar = ({ node }: Place): string | null => {
    if (!isScalar(node) || node.value === null) return null;
    const written = typeof node.value === "string" ? node.value : (node.source ?? String(node.value));
    return written.trim() === "" ? null : written.trim();
  };
  const entries: YamlReader["entries"] = (place) => {
    if (!isMap(place.node)) return wrong(place, "a map of names and values");
    return place.node.items.map((pair) => {
      const keyPlace = placeOf(pair.key, place.path, place.offset);
      const key = scalar(keyPlace) ?? "";
      const path = place.path === "" ? key : `${place.path}.${key}`;
      return { key, at: { ...keyPlace, path }, value: placeOf(pair.value, path, keyPlace.offset) };
    });
  };
  const items: YamlReader["items"] = (place, expected) =>
    isSeq(place.node)
      ? place.node.items.map((item, index) => placeOf(item, `${place.path}[${index}]`, place.offset))
      : wrong(place, expected);
  const textOf = (place: Place | undefined): string | null => {
    if (place === undefined || place.node === null) return null;
    return scalar(place) ?? wrong(place, "a text");
  };

  return {
    root: found.length > 0 ? null : placeOf(document.contents, "", 0),
    problem,
    problems: () => found.toSorted((a, b) => a.offset - b.offset).map(({ line }) => line),
    position: ({ offset }) => {
      const { line, col } = lines.linePos(offset);
      return { line, column: col };
    },
    isMap: ({ node }) => isMap(node),
    isList: ({ node }) => isSeq(node),
    fields(place, known) {
      const fields = new Map<string, Place>();
      for (const { key, value } of entries(place) ?? []) {
        if (!known.includes(key))
          problem(value, `no such key.${didYouMean(key, known) || ` Known here: ${known.join(", ")}.`}`);
        else if (!isNothing(value)) fields.set(key, value);
      }
      return fields;
    },
    entries,
    items,
    text: textOf,
    texts: (place) =>
      place === undefined
        ? []
        : (items(place, "a list of texts") ?? []).flatMap((item) => scalar(item) ?? wrong(item, "a text") ?? []),
    flag: (place) => {
      if (place === undefined) return null;
      return isScalar(place.node) && typeof place.node.value === "boolean"
        ? place.node.value
        : wrong(place, "true or false");
    },
    scalar,
    nearest: didYouMean,
  };
}

function shownNode(node: Node): string {
  if (isMap(node)) return "a map";
  return isSeq(node) ? "a list" : shown(isScalar(node) ? node.value : undefined);
}
