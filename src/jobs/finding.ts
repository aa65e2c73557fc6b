import { QuerymillError } from "../errors.ts";

/** One thing that was looked at. */
export interface Finding {
  readonly name: string;
  /** `bad` would stop a run; `warn` makes it slower or less safe. */
  readonly level: "ok" | "warn" | "bad";
  readonly text: string;
}

export const ok = (name: string, text: string): Finding => ({ name, level: "ok", text });
export const warn = (name: string, text: string): Finding => ({ name, level: "warn", text });

/** @throws whatever is no trouble that was foreseen */
export function bad(name: string, error: unknown): Finding {
  if (typeof error === "string") return { name, level: "bad", text: error };
  if (error instanceof QuerymillError) return { name, level: "bad", text: error.message };
  throw error;
}
