import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { QuerymillError } from "../errors.ts";
import type { Problem } from "./api.ts";

/** What a refusal looks like. */
export function problemOf(code: string, message: string): Problem {
  return { error: { code, message } };
}

/** Answers with a refusal. */
export function refuse(context: Context, status: ContentfulStatusCode, code: string, message: string): Response {
  return context.json(problemOf(code, message), status);
}

const STATUS: Readonly<Record<string, ContentfulStatusCode>> = {
  ITEM_NOT_FOUND: 404,
  NOT_RUNNING: 409,
  JOB_HELD: 409,
  CONTROL_UNREACHABLE: 503,
  STORE_UNREACHABLE: 503,
  STORE_FAILED: 503,
  STORE_REFUSED: 503,
};

/** Answers with what went wrong. @param onBug told of what was not thrown on purpose */
export function refuseError(context: Context, error: unknown, onBug: (error: unknown) => void): Response {
  if (error instanceof QuerymillError) return refuse(context, STATUS[error.code] ?? 400, error.code, error.message);
  onBug(error);
  return refuse(context, 500, "BUG", "This could not be told. The log of the process has the reason.");
}
