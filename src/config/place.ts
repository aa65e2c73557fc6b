import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { QuerymillError } from "../errors.ts";
import { mergeVariables, type Variables } from "./sources.ts";

const LARGEST_FILE_BYTES = 1024 * 1024;

/** @returns where the settings file is, whether it is there or not */
export async function configPath({
  flags,
  env,
  cwd,
}: {
  readonly flags: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}): Promise<string> {
  return placeOf(flags, mergeVariables(env, await readIfThere(resolve(cwd, ".env"))), cwd).path;
}

/** `named`: as a flag or a variable says; undefined: nobody did. */
export function placeOf(
  flags: Readonly<Record<string, unknown>>,
  variables: Variables,
  cwd: string,
): { readonly named: string | undefined; readonly path: string } {
  const named = (flags.config as string | undefined) ?? variables("QUERYMILL_CONFIG");
  return { named, path: resolve(cwd, named ?? "querymill.yaml") };
}

/** @returns null when there is no such file */
export async function readIfThere(path: string): Promise<string | null> {
  try {
    const { size } = await stat(path);
    if (size > LARGEST_FILE_BYTES)
      throw new QuerymillError(
        "CONFIG_INVALID",
        `${path} has ${size} bytes, more than a settings file may (1 MB). Is it the right one?`,
      );
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof QuerymillError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    const why = code === "EACCES" ? "this user may not read it" : code === "EISDIR" ? "it is a folder" : String(code);
    throw new QuerymillError("CONFIG_INVALID", `${path} cannot be read: ${why}.`, { cause: error });
  }
}
