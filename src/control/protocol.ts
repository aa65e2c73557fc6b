import { z } from "zod";
import type { RunSnapshot } from "../events.ts";

/** What the address `/v1/…` means; a change that an older client does not understand gets another number. */
export const CONTROL_VERSION = 1;

/** Largest body of a request. */
export const MOST_BODY_BYTES = 16 * 1_024;
/** Who asks, for the log and the panel; what it says is not checked, since only this user can connect. */
export const BY_HEADER = "x-querymill-by";

const reason = z.string().min(1).max(200);
const name = z.string().min(1).max(100);

/** The verbs, each with what its body may hold. */
export const VERBS = {
  pause: z.strictObject({ reason: reason.optional() }),
  resume: z.strictObject({}),
  /** Calls in flight come home, then the process ends with exit code 0 (3 when items failed). */
  drain: z.strictObject({}),
  /** `now` cuts the calls in flight: their answers may be paid again. */
  stop: z.strictObject({ now: z.boolean().optional() }),
  set: z.strictObject({
    concurrency: z.union([z.number(), z.literal("auto")]).optional(),
    /** USD; null: no budget. */
    budget: z.number().nullable().optional(),
  }),
  "endpoint-drain": z.strictObject({ name }),
  "endpoint-resume": z.strictObject({ name }),
  requeue: z.strictObject({ queue: name.optional(), failure: name.optional() }),
  /** Reads the settings again, and takes what can be changed under way. */
  reload: z.strictObject({}),
} as const;

export type Verb = keyof typeof VERBS;
export type Body<V extends Verb> = z.infer<(typeof VERBS)[V]>;

/** A value before and after. */
export interface Change {
  readonly from: string | number | null;
  readonly to: string | number | null;
}

/** What a verb did. The same shape in `--json`, with `event` and `time` before it. */
export interface Done {
  readonly verb: Verb;
  readonly job: string;
  readonly pid: number;
  readonly executionId: string;
  /** State of the run. */
  readonly state: Change;
  /** Everything else that is another now, by name; empty when nothing is. */
  readonly changes: Readonly<Record<string, Change>>;
  /** Of `requeue`. */
  readonly requeued?: { readonly deadLetters: number; readonly waiting: number };
  /** Of `reload`: settings that stay as they were until the next start, and why. */
  readonly refused?: readonly { readonly setting: string; readonly reason: string }[];
}

/** Answer to `GET /v1/status`. */
export interface Status {
  readonly job: string;
  readonly pid: number;
  readonly host: string;
  /** ISO time of the start of the process's work. */
  readonly since: string;
  readonly version: number;
  readonly snapshot: RunSnapshot;
}

/** What a refusal looks like, with a status of 4xx or 5xx. */
export interface Refusal {
  readonly error: { readonly code: string; readonly message: string };
}
