import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { messageOf, QuerymillError } from "../errors.ts";

/**
 * Loads packages that a user installs only for what needs them, from beside Querymill or from the folder that it was started
 * in.
 * @param what needs them, for the message
 * @throws QuerymillError CONFIG_INVALID naming all that are missing, and how to install them
 */
export async function loadPeers<T extends readonly string[]>(
  what: string,
  names: T,
): Promise<{ readonly [K in keyof T]: unknown }> {
  const loaded = await Promise.all(names.map(load));
  const missing = names.filter((_, at) => loaded[at] === null);
  if (missing.length > 0) {
    const are = missing.length === 1 ? "the package" : "the packages";
    throw new QuerymillError(
      "CONFIG_INVALID",
      `${what} needs ${are} ${list(missing)}, not installed here. Install what it needs where you start Querymill:  npm i ${names.join(" ")}`,
    );
  }
  return loaded as { readonly [K in keyof T]: unknown };
}

async function load(name: string): Promise<unknown> {
  try {
    return await import(name);
  } catch (error) {
    if (!isMissing(error, name)) throw broken(name, error);
  }
  let file: string;
  try {
    file = createRequire(join(process.cwd(), "package.json")).resolve(name);
  } catch {
    return null;
  }
  try {
    return await import(pathToFileURL(file).href);
  } catch (error) {
    throw broken(name, error);
  }
}

function isMissing(error: unknown, name: string): boolean {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === "ERR_MODULE_NOT_FOUND" && message.includes(`'${name}'`);
}

function broken(name: string, error: unknown): QuerymillError {
  return new QuerymillError("CONFIG_INVALID", `The package ${name} cannot be loaded: ${messageOf(error)}`, {
    cause: error,
  });
}

const list = (names: readonly string[]): string =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
