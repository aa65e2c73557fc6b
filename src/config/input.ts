import { realpath } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { shortHash } from "../job.ts";
import type { OptionKey } from "./schema.ts";
import type { ResolvedOptions } from "./sources.ts";
import { type StoreUri, storeAt } from "./store-uri.ts";

/** A file whose rows are the items of a job. */
export interface InputSettings {
  /** Absolute, or `-` for stdin. */
  readonly path: string;
  /** As it was given, for messages. */
  readonly shown: string;
  readonly idColumn: string | null;
  readonly textColumn: string | null;
  readonly encoding: string | null;
  readonly delimiter: string | null;
}

/** Where the rows of {@link InputSettings} go with what came of them. */
export interface OutputFileSettings {
  /** Absolute, or `-` for stdout. */
  readonly path: string;
  readonly overwrite: boolean;
}

/** The files of a job; both null for a job between two collections. */
export interface FileSettings {
  readonly input: InputSettings | null;
  readonly output: OutputFileSettings | null;
}

/** What says how `--input` is read, and means nothing without it. */
const ABOUT_INPUT: readonly OptionKey[] = ["output", "idColumn", "textColumn", "encoding", "delimiter"];
/** What says where a store has its items, and a file's job has in a database of its own. */
const ABOUT_STORE: readonly OptionKey[] = [
  ...(["store", "db", "sourceCollection", "targetCollection"] as const),
  ...(["source.uri", "source.db", "target.uri", "target.db", "mark.in"] as const),
];

/** @param pathOf resolves a path where its option was said */
export function fileSettings(options: ResolvedOptions, pathOf: (key: OptionKey, path: string) => string): FileSettings {
  const { get } = options;
  const at = (key: "input" | "output", path: string): string => (path === "-" ? "-" : pathOf(key, path));
  const [input, output, delimiter] = [get("input"), get("output"), get("delimiter")];
  return {
    input:
      input === null
        ? null
        : {
            path: at("input", input),
            shown: input,
            idColumn: get("idColumn"),
            textColumn: get("textColumn"),
            encoding: get("encoding"),
            delimiter: delimiter === "tab" || delimiter === "\\t" ? "\t" : delimiter,
          },
    output: output === null ? null : { path: at("output", output), overwrite: get("overwrite") },
  };
}

/** What cannot go together with a file, or not without one. */
export function fileConflicts({ get, name, origin, atLeast }: ResolvedOptions): string[] {
  const said = (key: OptionKey): boolean => origin(key) !== "default";
  if (get("input") === null) {
    const alone = ABOUT_INPUT.filter((key) => origin(key) === "flag");
    return alone.map((key) =>
      key === "output"
        ? `${name(key)} of a run writes the rows of --input with what came of them, and there is no --input. The records of a store: querymill export --output FILE.`
        : `${name(key)} is about --input, and there is none. Add --input FILE, or leave it out.`,
    );
  }
  const problems = ABOUT_STORE.filter((key) => said(key) && atLeast(key, "input")).map(
    (key) =>
      `${name(key)} and ${name("input")} exclude each other: a file has a database of its own in the batch directory. Leave one out; to classify its rows in a store of yours, bring them there first: querymill import FILE --store URI.`,
  );
  if (get("mode") !== "batch")
    problems.push(
      `${name("mode")} ${get("mode")} and ${name("input")} exclude each other: a file is read once, from start to end. Leave the mode out and run again when rows were appended.`,
    );
  if (get("textColumn") !== null && get("source.text") !== null && atLeast("source.text", "textColumn"))
    problems.push(`${name("textColumn")} and ${name("source.text")} both say where the text is. Leave one out.`);
  return problems;
}

/** The name of a file's job: its own name, and a hash that tells files of one name apart. Links lead to the same job. */
export async function inputJob({ path }: InputSettings): Promise<string> {
  if (path === "-") return inputJobName("stdin", "stdin");
  const real = await realpath(path).catch(() => resolve(path));
  return inputJobName(basename(real).replace(/\.[a-z0-9]{1,8}$/i, ""), real);
}

/** @param identity what makes it another job than one of the same name */
export function inputJobName(name: string, identity: string): string {
  const slug = name.replace(/[^A-Za-z0-9]+/g, "-").replace(/^-+|-+$/g, "");
  return `${slug.slice(0, 40) || "file"}-${shortHash(identity)}`;
}

/** Where the job of a file keeps its rows and records. */
export function inputStore(batchDir: string, job: string): StoreUri {
  return storeAt(join(batchDir, `${job}.sqlite`));
}
