import { access, chmod, constants, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { type Alias, type Document, isPair, parseDocument, visit } from "yaml";
import { parseConfig } from "../config/file.ts";
import { severalProblems } from "../config/problems.ts";
import { messageOf, QuerymillError } from "../errors.ts";
import { codeOf } from "../state/files.ts";
import { exclusively } from "../state/owner.ts";
import type { SectionEdit } from "./section-edits.ts";

/**
 * Changes the settings file: all else in it stays as it is written, whoever reads it sees the old or the new one, whole, and
 * what other commands write at the same time is not lost.
 * @param check refuses what would not load; gets the new text
 * @throws QuerymillError CONFIG_INVALID when it has an error already, or would have one, or cannot be written;
 * STATE_UNWRITABLE when others do not come to an end: nothing was written then
 */
export async function editSettings(
  path: string,
  edit: SectionEdit,
  check: (text: string) => Promise<void> = async () => {},
): Promise<void> {
  const real = await writablePath(path);
  await exclusively(join(dirname(real), `.${basename(real)}.lock`), path, async () => {
    const { before, text } = await readEdited(path, edit);
    await check(text);
    // An editor takes no lock.
    if ((await readOrNull(path)) !== before)
      throw new QuerymillError(
        "CONFIG_INVALID",
        `${path} was changed by somebody else meanwhile, so nothing was written. Try again.`,
      );
    await writeWhole(real, text).catch((error: unknown) => {
      throw unwritable(path, error);
    });
  });
}

/** Looks whether {@link editSettings} could do that now; changes nothing. @throws QuerymillError CONFIG_INVALID, as it would */
export async function tryEdit(path: string, edit: SectionEdit): Promise<void> {
  await writablePath(path);
  await readEdited(path, edit);
}

/** @returns where the file is: a link stays one, what it leads to is replaced @throws QuerymillError CONFIG_INVALID */
async function writablePath(path: string): Promise<string> {
  const real = await realpath(path).catch(() => path);
  await access(dirname(real), constants.W_OK | constants.X_OK).catch((error: unknown) => {
    throw unwritable(path, error);
  });
  return real;
}

/** The text as it is, null when there is none, and as it is to be. @throws QuerymillError CONFIG_INVALID when either has an error */
async function readEdited(path: string, edit: SectionEdit): Promise<{ before: string | null; text: string }> {
  const before = await readOrNull(path);
  const name = basename(path);
  const { problems } = parseConfig(before ?? "", name);
  if (problems.length > 0) throw severalProblems(problems);
  const text = edited(before ?? "", edit);
  const after = parseConfig(text, name);
  if (after.problems.length > 0) throw severalProblems(after.problems);
  return { before, text };
}

/** The text where only what is meant is another; the document written out where that says something else. */
function edited(before: string, edit: SectionEdit): string {
  const document = parse(before);
  const repeated = aliasesOf(document);
  edit.apply(document);
  refuseLost(aliasesOf(document), repeated);
  const text = edit.inText(before, parse(before));
  const isSame = text !== null && isDeepStrictEqual(parse(text).toJS(), document.toJS());
  return isSame ? text : document.toString({ lineWidth: 0 });
}

/** Aliases of a document by what they repeat. */
function aliasesOf(document: Document): Map<Alias, { readonly at: string; readonly node: unknown }> {
  const found = new Map<Alias, { at: string; node: unknown }>();
  visit(document, {
    Alias: (_key, alias, path) => {
      const at = path.flatMap((one) => (isPair(one) ? String(one.key) : [])).join(".");
      found.set(alias, { at, node: alias.resolve(document) });
    },
  });
  return found;
}

/** @throws QuerymillError CONFIG_INVALID when an alias repeats nothing any more, or something else */
function refuseLost(after: ReturnType<typeof aliasesOf>, before: ReturnType<typeof aliasesOf>): void {
  for (const [alias, { at, node }] of after)
    if (before.get(alias)?.node !== node)
      throw new QuerymillError(
        "CONFIG_INVALID",
        `${at} is an alias (*${alias.source}) of what would go. Write its settings out there first, then try again.`,
      );
}

function parse(text: string): Document {
  return parseDocument(text, { prettyErrors: false });
}

async function writeWhole(path: string, text: string): Promise<void> {
  const mode = await stat(path).then(
    (found) => found.mode & 0o777,
    () => 0o600,
  );
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  try {
    await writeFile(temporary, text, { flag: "wx", mode, flush: true });
    await chmod(temporary, mode);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

function unwritable(path: string, cause: unknown): QuerymillError {
  return new QuerymillError("CONFIG_INVALID", `${path} cannot be written: ${messageOf(cause)}.`, { cause });
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
