import { chmod, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { type Document, isAlias, isMap, parseDocument } from "yaml";
import { parseConfig } from "../config/file.ts";
import { severalProblems } from "../config/problems.ts";
import { messageOf, QuerymillError } from "../errors.ts";
import { codeOf } from "../state/files.ts";

/** @returns where the settings file is, whether it is there or not */
export function settingsPath(
  flags: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
): string {
  return resolve(cwd, (flags.config as string | undefined) ?? env.QUERYMILL_CONFIG ?? "querymill.yaml");
}

/**
 * Changes the settings file: comments and order stay, and whoever reads it sees the old or the new one, whole.
 * @param edit changes the document
 * @param check refuses what would not load; gets the new text
 * @throws QuerymillError CONFIG_INVALID when it has an error already, or would have one: nothing was written then
 */
export async function editSettings(
  path: string,
  edit: (document: Document) => void,
  check: (text: string) => Promise<void> = async () => {},
): Promise<void> {
  const before = await readOrNull(path);
  const document = parseDocument(before ?? "", { prettyErrors: false });
  const name = basename(path);
  const { problems } = parseConfig(before ?? "", name);
  if (problems.length > 0) throw severalProblems(problems);
  edit(document);
  const text = document.toString({ lineWidth: 0 });
  const after = parseConfig(text, name);
  if (after.problems.length > 0) throw severalProblems(after.problems);
  await check(text);
  if ((await readOrNull(path)) !== before)
    throw new QuerymillError(
      "CONFIG_INVALID",
      `${path} was changed by somebody else meanwhile, so nothing was written. Try again.`,
    );
  await writeWhole(path, text);
}

/** Adds a section, behind those that are there. @throws QuerymillError USAGE when there is one of that name */
export function addSection(document: Document, name: string, settings: Readonly<Record<string, unknown>>): void {
  if (document.contents === null) document.contents = document.createNode({}) as never;
  if (document.hasIn(["tenants", name]))
    throw new QuerymillError("USAGE", `Tenant ${name} is there already. Choose another name, or change its section.`);
  if (!isMap(document.getIn(["tenants"], true))) document.setIn(["tenants"], document.createNode({}));
  document.setIn(["tenants", name], document.createNode(settings));
}

/** @throws QuerymillError CONFIG_INVALID when the section is no map of its own */
export function setPaused(document: Document, name: string, paused: boolean): void {
  const section = document.getIn(["tenants", name], true);
  if (isAlias(section))
    throw new QuerymillError(
      "CONFIG_INVALID",
      `tenants.${name} repeats another section by an alias, and would pause that one too. Write its settings out.`,
    );
  if (!isMap(section)) document.setIn(["tenants", name], document.createNode({}));
  if (paused) document.setIn(["tenants", name, "paused"], true);
  else document.deleteIn(["tenants", name, "paused"]);
}

/** Takes a section away, and the group with the last one. */
export function removeSection(document: Document, name: string): void {
  document.deleteIn(["tenants", name]);
  const rest = document.getIn(["tenants"], true);
  if (isMap(rest) && rest.items.length === 0) document.deleteIn(["tenants"]);
}

async function writeWhole(path: string, text: string): Promise<void> {
  // A link stays one: what it leads to is replaced.
  const real = await realpath(path).catch(() => path);
  const mode = await stat(real).then(
    (found) => found.mode & 0o777,
    () => 0o600,
  );
  const temporary = join(dirname(real), `.${basename(real)}.${process.pid}.tmp`);
  try {
    await writeFile(temporary, text, { flag: "wx", mode, flush: true });
    await chmod(temporary, mode);
    await rename(temporary, real);
  } catch (error) {
    await rm(temporary, { force: true });
    throw new QuerymillError("CONFIG_INVALID", `${path} cannot be written: ${messageOf(error)}.`, { cause: error });
  }
}

/** @returns null when there is no such file */
async function readOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw new QuerymillError("CONFIG_INVALID", `${path} cannot be read: ${messageOf(error)}.`, { cause: error });
  }
}
