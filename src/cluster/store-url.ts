import { messageOf, QuerymillError } from "../errors.ts";

/** Where a queue store is, for messages: without user, password and parameters. */
export function placeOf(url: string): string {
  const { protocol, host, pathname } = parsed(url);
  return `${protocol}//${host}${pathname === "/" ? "" : pathname}`;
}

/** `Redis` or `PostgreSQL`, by the scheme. @throws QuerymillError CONFIG_INVALID when it is neither */
export function kindOf(url: string): "Redis" | "PostgreSQL" {
  const { protocol } = parsed(url);
  if (protocol === "redis:" || protocol === "rediss:") return "Redis";
  if (protocol === "postgres:" || protocol === "postgresql:") return "PostgreSQL";
  throw new QuerymillError(
    "CONFIG_INVALID",
    `--workers-at takes redis://HOST:PORT, rediss://HOST:PORT, postgres://HOST:PORT/DATABASE or mongodb; this begins with ${protocol}`,
  );
}

/** The message of an error, without what is secret in the URL. */
export function reasonOf(error: unknown, url: string): string {
  let text = messageOf(error instanceof AggregateError ? (error.errors[0] ?? error) : error);
  const { username, password } = parsed(url);
  for (const secret of [url, decoded(password), password, decoded(username), username])
    if (secret.length > 0) text = text.replaceAll(secret, "***");
  return text.split("\n")[0] ?? "";
}

const REFUSED = /WRONGPASS|NOAUTH|NOPERM|password authentication|SCRAM|28P01|28000|permission denied|does not exist/i;

/** The error to show when a queue store cannot be used at the start. */
export function storeAway(error: unknown, url: string): QuerymillError {
  const [kind, place, reason] = [kindOf(url), placeOf(url), reasonOf(error, url)];
  if (REFUSED.test(reason))
    return new QuerymillError(
      "STORE_REFUSED",
      `${kind} at ${place} refused access (${reason}). Check user, password and database of --workers-at, and the user's rights.`,
    );
  return new QuerymillError(
    "STORE_UNREACHABLE",
    `${kind} at ${place} does not answer (${reason}). Check that it runs and that host and port of --workers-at are right.`,
  );
}

function parsed(url: string): URL {
  try {
    return new URL(url);
  } catch {
    // The text may hold a password, so it is not repeated.
    throw new QuerymillError("CONFIG_INVALID", "--workers-at is not a URL. Write it as redis://HOST:PORT or mongodb.");
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
