import { signal } from "@preact/signals";
import { API, type Problem } from "../src/dashboard/api.ts";
import { tenantHere } from "./tenant.ts";

/** What the server refused, in its own words. */
class Refused extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Where what this page shows is asked for. */
const BASE = tenantHere === null ? API : `${API}/t/${tenantHere}`;
/** What is not of one tenant. */
const OF_ALL: ReadonlySet<string> = new Set(["/session", "/tenants"]);

export const addressOf = (path: string): string => (OF_ALL.has(path) ? API : BASE) + path;

/** Whether the server knows us: null until it was asked. */
export const signedIn = signal<boolean | null>(null);

/** @throws what the server refused, in its words, or that it does not answer */
export async function get<T>(path: string, stop?: AbortSignal): Promise<T> {
  return (await answerOf(path, { signal: stop ?? null })).json() as Promise<T>;
}

/** @returns why something that is never read to its end is refused; null when it is not, or nobody answers */
export async function refusalOf(path: string): Promise<string | null> {
  const stop = new AbortController();
  try {
    await answerOf(path, { signal: stop.signal });
    return null;
  } catch (error) {
    return error instanceof Refused && error.status > 0 ? error.message : null;
  } finally {
    stop.abort();
  }
}

/** @returns null for an answer without a body */
export async function post<T>(path: string, body: unknown): Promise<T> {
  const headers = { "content-type": "application/json", "x-querymill": "1" };
  const answer = await answerOf(path, { method: "POST", headers, body: JSON.stringify(body) });
  return (answer.status === 204 ? null : await answer.json()) as T;
}

async function answerOf(path: string, init: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(addressOf(path), { ...init, credentials: "same-origin", cache: "no-store" });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refused(0, "UNREACHABLE", "The server does not answer. Is querymill dashboard still running?");
  }
  if (answer.ok) return answer;
  // A token that is refused is told where it was typed.
  if (answer.status === 401 && init.method !== "POST") signedIn.value = false;
  const problem = (await answer.json().catch(() => null)) as Problem | null;
  const { code, message } = problem?.error ?? { code: "HTTP", message: `The server answered with ${answer.status}.` };
  throw new Refused(answer.status, code, message);
}

/** The code of what the server refused; null for anything else. */
export function codeOf(error: unknown): string | null {
  return error instanceof Refused ? error.code : null;
}

/** What to say of anything that was thrown. */
export function sayError(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A path with its parameters; those without a value are left out. */
export function withQuery(path: string, query: Readonly<Record<string, string | number | null>>): string {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== "");
  return given.length === 0
    ? path
    : `${path}?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}

/** The address of a file; see `src/dashboard/api.ts`. */
export function exportUrl(path: string, query: Readonly<Record<string, string>>, format: "csv" | "jsonl"): string {
  return addressOf(withQuery(path, { ...query, format }));
}
