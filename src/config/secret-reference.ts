import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { messageOf, QuerymillError } from "../errors.ts";

const LARGEST_BYTES = 64 * 1_024;

/** Where a secret may be found. */
export interface SecretPlaces {
  /** Looks a variable of the environment or of .env up. */
  readonly variable: (name: string) => string | undefined;
  /** Relative paths are looked up here. */
  readonly folder: string;
}

/**
 * Reads a secret from the variable or the file that names it.
 * @param name of the setting without its ending: `url` for `urlVariable` and `urlFile`
 * @returns null when neither is named
 * @throws QuerymillError CONFIG_INVALID: both named, not set, not readable, or readable for others
 */
export async function readSecret(
  name: string,
  { variable, file }: { readonly variable: string | undefined; readonly file: string | undefined },
  places: SecretPlaces,
): Promise<string | null> {
  if (variable !== undefined && file !== undefined)
    throw refused(`${name}Variable and ${name}File name the same secret. Leave one out.`);
  if (variable !== undefined) {
    const value = places.variable(variable)?.trim();
    if (value) return value;
    throw refused(`${variable}, which ${name}Variable names, is not set. Set it in the environment or in .env.`);
  }
  return file === undefined ? null : await readSecretFile(`${name}File`, resolve(places.folder, file));
}

/** A file of another user (mounted by an orchestrator) may be readable for the group that let this user in. */
async function readSecretFile(name: string, path: string): Promise<string> {
  let text: string;
  try {
    const { mode, uid, size } = await stat(path);
    const own = uid === process.getuid?.();
    if (process.platform !== "win32" && (mode & (own ? 0o077 : 0o007)) !== 0)
      throw refused(
        `${name}: ${path} can be read by others (mode ${(mode & 0o777).toString(8)}), and it holds a secret. Do:  chmod 600 ${path}`,
      );
    if (size > LARGEST_BYTES) throw refused(`${name}: ${path} has ${size} bytes. Is it the right file?`);
    text = (await readFile(path, "utf8")).trim();
  } catch (error) {
    if (error instanceof QuerymillError) throw error;
    throw refused(`${name}: ${path} cannot be read: ${messageOf(error).replace(/, \w+ '.*'$/, "")}. Check the path.`);
  }
  if (text === "") throw refused(`${name}: ${path} is empty. Write the secret into it.`);
  return text;
}

function refused(message: string): QuerymillError {
  return new QuerymillError("CONFIG_INVALID", message);
}
