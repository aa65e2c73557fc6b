import { access, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { messageOf, QuerymillError } from "../errors.ts";

/**
 * Looks whether a file may be written, before any work is done for it.
 * @throws QuerymillError USAGE: it exists, its folder does not, it is `-`
 */
export async function refuseUnwritableFile(flag: string, path: string, overwrite: boolean): Promise<void> {
  if (path === "-") throw refused(`${flag} takes a file, not stdout.`);
  if (!(await exists(dirname(resolve(path)))))
    throw refused(`${flag} ${path}: there is no such folder. Make it, or name another file.`);
  if (!overwrite && (await exists(path)))
    throw refused(`${path} exists already and is not replaced unasked. Add --overwrite, or name another file.`);
}

/** A reader sees the whole file or none. Readable by this user only: it may hold texts of customers. */
export async function writeWholeFile(path: string, text: string): Promise<void> {
  const temporary = join(dirname(resolve(path)), `.${basename(path)}.${process.pid}.tmp`);
  try {
    await writeFile(temporary, text, { flag: "wx", mode: 0o600 });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw refused(`${path} cannot be written: ${messageOf(error)}. Name another file.`);
  }
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

function refused(message: string): QuerymillError {
  return new QuerymillError("USAGE", message);
}
