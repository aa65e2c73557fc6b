import type { Filter } from "../filter.ts";

/** What happens at the start with times that passed while nobody ran: nothing, or one run for all of them. */
export type CatchUp = "none" | "once";

/** When runs begin, and what is different in them. */
export interface ScheduleSettings {
  /** Unique in the job. @default "main" for the one of --schedule */
  readonly name: string;
  /** Five fields, or six with seconds first; or a nickname such as `@daily`. */
  readonly cron: string;
  /** IANA name; its clock is the one that `cron` means. */
  readonly timezone: string;
  /** Each time begins later by a delay of its own, from 0 to so many seconds. */
  readonly jitterSeconds: number;
  readonly catchUp: CatchUp;
  /** Settings of the job that its runs have instead; what is not there stays. */
  readonly changes: {
    readonly limit?: number;
    readonly concurrent?: number | "auto";
    readonly filter?: Filter;
    readonly reclassify?: "changed" | "stale";
    readonly budget?: { readonly usd: number; readonly per: "run" | "day" | "month" | "job" };
  };
}

/** When calls may go out, every day or on some. */
export interface RunWindow {
  /** Minutes since midnight, 0 to 1,439. */
  readonly fromMinute: number;
  /** Minutes since midnight, 1 to 1,440; not after `fromMinute`: on the next day. */
  readonly toMinute: number;
  /** Weekdays on which it opens, 0 is Sunday; null for all. */
  readonly days: readonly number[] | null;
  /** IANA name. */
  readonly timezone: string;
}

/** A schedule as the outside sees it. */
export interface ScheduleSnapshot {
  readonly name: string;
  readonly cron: string;
  readonly timezone: string;
  /** When its next runs begin, epoch ms, ascending; at most five. */
  readonly nextMs: readonly number[];
}
