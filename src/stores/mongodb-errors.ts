import { MongoBulkWriteError, MongoError, MongoServerError, MongoServerSelectionError } from "mongodb";
import { messageOf, QuerymillError } from "../errors.ts";

/** Runs an operation on the store; what the driver throws becomes a QuerymillError without credentials. */
export type StoreErrors = <T>(operation: () => Promise<T>) => Promise<T>;

const authenticationCodes = new Set([18, 8000]);
const unauthorized = 13;
/** One document cannot be changed as asked: validation rule, path through a value, 16 MB. Sending it again is in vain. */
const documentCodes = new Set<unknown>([121, 28, 10334, 17419, 17420]);

/**
 * @returns a wrapper that turns refused rights into STORE_REFUSED and the driver's other errors into STORE_FAILED: the
 * outcome of a write is then unknown and sending it again is right
 */
export function storeErrors(uri: string): StoreErrors {
  return async (operation) => {
    try {
      return await operation();
    } catch (error) {
      // Anything but the driver's errors is a mistake in the program, which sending again would only repeat.
      throw error instanceof MongoError ? operationFailed(error, uri) : error;
    }
  };
}

/** True when the user may not do what was tried. */
export function isRefused(error: unknown): boolean {
  return error instanceof MongoServerError && (error.code === unauthorized || error.code === 8000);
}

/** The error to show when the driver cannot read the URI. */
export function notConnectionString(error: unknown, uri: string): QuerymillError {
  return new QuerymillError(
    "USAGE",
    `The store's URI is not a MongoDB connection string (${withoutCredentials(reasonOf(error), uri)}). Write it as mongodb://HOST:PORT.`,
    { cause: withoutCredentialsIn(error, uri) },
  );
}

/** The error to show when no usable connection came about. */
export function connectFailed(error: unknown, uri: string, waitedMs: number): QuerymillError {
  const hosts = hostsOf(uri);
  const reason = withoutCredentials(reasonOf(error), uri);
  const options = { cause: withoutCredentialsIn(error, uri) };
  if (isAuthentication(error) || isRefused(error))
    return new QuerymillError(
      "STORE_REFUSED",
      `MongoDB at ${hosts} refused access (${reason}). Check user, password and authSource of the store's URI, and the user's rights.`,
      options,
    );
  return new QuerymillError(
    "STORE_UNREACHABLE",
    `MongoDB at ${hosts} did not answer within ${waitedMs.toLocaleString("en-US")} ms (${reason}). Check that it runs and that host and port are right.`,
    options,
  );
}

/** @returns the `host:port` list of a connection string, without user and password */
export function hostsOf(uri: string): string {
  const rest = uri.replace(/^[a-z+]+:\/\//, "");
  // An unescaped "/" or "@" in a password would end it early: everything up to the last "@" before options is left out.
  const [beforeOptions = ""] = rest.split("?");
  return beforeOptions.slice(beforeOptions.lastIndexOf("@") + 1).split("/")[0]!;
}

/** @returns the text with user and password of the URI replaced by `***`, written plainly or percent-encoded */
function withoutCredentials(text: string, uri: string): string {
  const rest = uri.replace(/^[a-z+]+:\/\//, "").split("?")[0]!;
  const end = rest.lastIndexOf("@");
  if (end < 0) return text;
  const login = rest.slice(0, end);
  const colon = login.indexOf(":");
  // The user's name is no secret, and what is very short would tear ordinary words apart.
  const password = colon < 0 ? "" : login.slice(colon + 1);
  return [
    ...(colon < 0 ? [] : [login]),
    ...[password, decoded(password)].filter((secret) => secret.length >= 4),
  ].reduce((clean, secret) => clean.replaceAll(secret, "***"), text);
}

function operationFailed(error: unknown, uri: string): QuerymillError {
  const hosts = hostsOf(uri);
  const reason = withoutCredentials(reasonOf(error), uri);
  const options = { cause: withoutCredentialsIn(error, uri) };
  if (isRefused(error) || isAuthentication(error))
    return new QuerymillError(
      "STORE_REFUSED",
      `MongoDB at ${hosts} refused the operation (${reason}). Give the user of the store's URI the right to it.`,
      options,
    );
  if (error instanceof MongoServerError && documentCodes.has(error.code))
    return new QuerymillError(
      "STORE_REFUSED",
      `MongoDB at ${hosts} refused to change a document (${reason}). Look at the collection's validation rules and at the document's size.`,
      options,
    );
  return new QuerymillError("STORE_FAILED", `MongoDB at ${hosts} failed: ${reason}.`, options);
}

/** The driver's own words where they hold no document; of a server's error only its name, since messages can quote values. */
function reasonOf(error: unknown): string {
  if (error instanceof MongoServerSelectionError) {
    const first = [...(error.reason?.servers.values() ?? [])].find((server) => server.error)?.error;
    if (first) return reasonOf(first);
  }
  const unconfirmed = error instanceof MongoBulkWriteError ? error.result.getWriteConcernError() : undefined;
  if (unconfirmed) return `no majority confirmed the write in time (code ${unconfirmed.code})`;
  // A bulk that met trouble on the way has the driver's words and no code.
  if (error instanceof MongoServerError && error.code !== undefined) return error.codeName ?? `code ${error.code}`;
  return messageOf(error).split("\n")[0]!.replace(/\.$/, "");
}

function isAuthentication(error: unknown): boolean {
  if (error instanceof MongoServerSelectionError)
    return [...(error.reason?.servers.values() ?? [])].some((server) => isAuthentication(server.error));
  return error instanceof MongoServerError && authenticationCodes.has(Number(error.code));
}

/** A copy to hang on as cause: the driver's error may quote the URI and, for writes, documents. */
function withoutCredentialsIn(error: unknown, uri: string): Error {
  const copy = new Error(withoutCredentials(reasonOf(error), uri));
  copy.name = error instanceof Error ? error.name : "Error";
  copy.stack = `${copy.name}: ${copy.message}`;
  return Object.assign(copy, { code: (error as { code?: unknown } | null)?.code });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
