import { readFileSync } from "node:fs";
import { QuerymillError } from "../errors.ts";

/** Names of variables whose value may be in a file instead: keys, passwords, and addresses with one. */
const SECRET = /(?:KEY|SECRET|TOKEN|PASSWORD|URI|URL|STORE)$/;
const FILE = "_FILE";
/** Longer is no key, but a file that was named by mistake. */
const MAX_BYTES = 64 * 1024;

/**
 * Variables that may be given as `NAME_FILE`, the path of a file with the value, as container engines, Kubernetes and
 * systemd hand secrets over: nothing of it is in the environment, and a new key is a new file. Blanks around the value
 * are not part of it.
 * @param variables looks a variable up
 * @returns the same, with files
 */
export function withSecretFiles(variables: (name: string) => string | undefined): typeof variables {
  const read = new Map<string, string>();
  return (name) => {
    const path = SECRET.test(name) ? variables(name + FILE) : undefined;
    const own = variables(name);
    if (path === undefined) return own;
    if (own !== undefined)
      throw refused(`${name} and ${name}${FILE} are both set, and only one can be meant. Leave one out.`);
    if (!read.has(name)) read.set(name, readSecret(name + FILE, path));
    return read.get(name);
  };
}

/** @returns whether a variable names the file of a secret rather than being one */
export function isSecretFile(variable: string): boolean {
  return variable.endsWith(FILE) && SECRET.test(variable.slice(0, -FILE.length));
}

/** The path is never shown: it may be the key itself, by mistake. */
function readSecret(variable: string, path: string): string {
  let value: string;
  try {
    value = readFileSync(path, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const why =
      code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG"
        ? "there is none"
        : code === "EACCES"
          ? "this user may not read it"
          : code === "EISDIR"
            ? "it is a folder"
            : String(code);
    throw refused(
      `The file that ${variable} names cannot be read: ${why}. It takes the path of a file, not the value.`,
    );
  }
  if (value.length > MAX_BYTES) throw refused(`The file that ${variable} names is longer than a secret. Name another.`);
  if (value.trim() === "") throw refused(`The file that ${variable} names is empty. Write the value into it.`);
  return value.trim();
}

function refused(message: string): QuerymillError {
  return new QuerymillError("CONFIG_INVALID", message);
}
