import { access, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { settingsSchema } from "../config/json-schema.ts";
import { loadSettings } from "../config/load.ts";
import { messageOf, QuerymillError } from "../errors.ts";
import { codeOf } from "../state/files.ts";
import { type InitAnswers, renderSettings } from "./init-file.ts";
import { asTyped, shellWord } from "./program.ts";
import { schemaText } from "./schema.ts";

/** What is written at the end, all of it or nothing. */
export interface Files {
  /** Texts by absolute path, in the order of writing. */
  readonly texts: ReadonlyMap<string, string>;
  /** The last of them: the settings. */
  readonly config: string;
}

const SCHEMA = "querymill.schema.json";
/** Where an installed package has the schema. */
const PACKAGED = `node_modules/querymill/dist/${SCHEMA}`;

/**
 * The files of the answers.
 * @param config absolute path of the settings
 * @param more files that the settings name, by absolute path
 */
export async function prepareFiles(
  answers: InitAnswers,
  config: string,
  more: ReadonlyMap<string, string>,
): Promise<Files> {
  const folder = dirname(config);
  const packaged = await exists(join(folder, PACKAGED));
  const texts = new Map(more);
  if (!packaged) texts.set(join(folder, SCHEMA), schemaText(settingsSchema()));
  texts.set(config, renderSettings(answers, `./${packaged ? PACKAGED : SCHEMA}`));
  return { texts, config };
}

/**
 * Writes all of the files or none, the settings last: they are loaded as a run would load them before they are in place.
 * @throws QuerymillError STATE_UNWRITABLE, and what loading the settings throws
 */
export async function writeFiles({ texts, config }: Files, cwd: string): Promise<void> {
  const made: string[] = [];
  try {
    for (const [path, text] of texts) {
      const temporary = `${path}.${process.pid}.tmp`;
      const isNew = !(await exists(path));
      await writeFile(temporary, text, { flag: "wx" });
      made.push(temporary);
      // What the settings name has to be there when they are loaded.
      if (path === config)
        await loadSettings({ flags: { config: temporary }, env: process.env, cwd, needsModel: false });
      await rename(temporary, path);
      if (isNew) made.push(path);
    }
  } catch (error) {
    for (const path of made) await rm(path, { force: true });
    if (error instanceof QuerymillError) throw error;
    throw new QuerymillError(
      "STATE_UNWRITABLE",
      `${relative(cwd, config)} cannot be written: ${codeOf(error) ?? messageOf(error)}. Check who may write in ${dirname(config)}.`,
      { cause: error },
    );
  }
}

/** What to type after the file is there. */
export function nextSteps(config: string, cwd: string): string[] {
  const name = relative(cwd, config);
  const flag = name === "querymill.yaml" ? "" : ` --config ${shellWord(name)}`;
  return [
    `Next:  ${asTyped(`querymill doctor${flag}`)}   what works, what is missing; changes nothing`,
    `       ${asTyped(`querymill run --dry-run${flag}`)}   how many, how much, for nothing`,
  ];
}

export async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
