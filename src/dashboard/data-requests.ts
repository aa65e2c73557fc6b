import type { Context, Env } from "hono";
import { QuerymillError } from "../errors.ts";
import type { CorrectionRequest, Level, Problem, UndoRequest } from "./api.ts";

const LEVELS: readonly Level[] = ["ok", "warn", "bad", "idle"];
const LARGEST_BODY = 64 * 1024;
const STATUS: Readonly<Record<string, 400 | 404 | 409 | 503>> = {
  ITEM_NOT_FOUND: 404,
  JOB_HELD: 409,
  STORE_UNREACHABLE: 503,
  STORE_REFUSED: 503,
  STORE_FAILED: 503,
  COLLECTION_MISSING: 503,
  STATE_UNWRITABLE: 503,
  STATE_DAMAGED: 503,
  STATE_NEWER: 503,
};

/** Answers, or says in words why not. What is a bug goes on to the app's own handler. */
export async function answering<E extends Env>(
  context: Context<E>,
  answer: () => Promise<Response>,
): Promise<Response> {
  try {
    return await answer();
  } catch (error) {
    if (!(error instanceof QuerymillError)) throw error;
    const problem: Problem = { error: { code: error.code, message: error.message } };
    return context.json(problem, STATUS[error.code] ?? 400);
  }
}

export function refused(message: string): QuerymillError {
  return new QuerymillError("USAGE", message);
}

/** A whole number of a query string. @throws QuerymillError USAGE */
export function numberIn(name: string, text: string | undefined, fallback: number, from: number, to: number): number {
  if (text === undefined || text === "") return fallback;
  const number = Number(text);
  if (Number.isInteger(number) && number >= from && number <= to) return number;
  throw refused(`${name} is a whole number from ${from} to ${to}; got "${text.slice(0, 40)}".`);
}

/** @returns null when none is asked for @throws QuerymillError USAGE for what is none */
export function levelIn(text: string | undefined): Level | null {
  if (text === undefined || text === "") return null;
  const level = LEVELS.find((one) => one === text);
  if (level === undefined) throw refused(`level is one of ${LEVELS.join(", ")}; got "${text.slice(0, 40)}".`);
  return level;
}

/** @throws QuerymillError USAGE for what is no JSON object, or too large */
export async function bodyIn<E extends Env>(context: Context<E>): Promise<Readonly<Record<string, unknown>>> {
  if (Number(context.req.header("content-length") ?? 0) > LARGEST_BODY) throw tooLarge();
  const text = await context.req.text();
  if (text.length > LARGEST_BODY) throw tooLarge();
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === "object" && body !== null && !Array.isArray(body)) return body as Record<string, unknown>;
  } catch {
    // It is no JSON.
  }
  throw refused("The body is not a JSON object.");
}

/** @throws QuerymillError USAGE */
export function correctionIn(body: Readonly<Record<string, unknown>>): CorrectionRequest {
  const { fields, contentHash = null } = body;
  const { key } = undoIn(body);
  if (typeof fields !== "object" || fields === null || Array.isArray(fields))
    throw refused("fields is an object of what is right, by field; empty when the model was right.");
  for (const [field, value] of Object.entries(fields))
    if (value !== null && typeof value !== "string" && !isTexts(value))
      throw refused(`fields.${field} is a label, a list of labels, or null.`);
  if (contentHash !== null && typeof contentHash !== "string") throw refused("contentHash is a text or null.");
  return { key, fields: { ...fields } as CorrectionRequest["fields"], contentHash };
}

/** @throws QuerymillError USAGE */
export function undoIn({ key }: Readonly<Record<string, unknown>>): UndoRequest {
  if (typeof key === "string" && key !== "") return { key };
  throw refused("key is the key of an item.");
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}

function tooLarge(): QuerymillError {
  return refused("The body is larger than 64 KiB.");
}
