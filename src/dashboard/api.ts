import type { JobTotals } from "../counters.ts";
import type { ExecutionEnd, RunSnapshot } from "../events.ts";
import type { RangeCounts, RangeState, WorkerReport } from "../fleet.ts";
import type { Share } from "../job.ts";
import type { LimitReason } from "../rate-limits.ts";
import type { ScheduleSnapshot } from "../scheduling/schedule.ts";

/**
 * What the page and the server say to each other: JSON under `/api/v1`, types only. Names and units are those of events and
 * snapshots: points in time are epoch ms, money is USD, `null` is "not known" and never 0. What is refused is a
 * {@link Problem} with a status of 400 or more.
 *
 * | method and path | answer |
 * |---|---|
 * | `POST /session` `{token}` | 204 and the cookie |
 * | `GET /session` | {@link Seat} |
 * | `GET /tenants` | {@link TenantsOverview}; only where several tenants are served, and for those who may see all |
 * | `GET /me` | {@link Me} |
 * | `GET /live` | server-sent events: `overview` ({@link Overview}), `sample` ({@link Sample}), `limit` ({@link LimitStep}), `event` ({@link LoggedEvent}) |
 * | `GET /overview` | {@link Overview} |
 * | `GET /history` | {@link History} |
 * | `GET /queues` | {@link Queues} |
 * | `GET /items?q=&order=&after=&limit=` | {@link ItemPage} |
 * | `GET /items/:key` | {@link ItemDetail}; `:key` is the item's key, URL-encoded, or its id as it is typed |
 * | `GET /review?after=&limit=` | {@link ItemPage}, least certain first |
 * | `GET /items/:key/similar` | {@link SimilarItem}[] |
 * | `POST /corrections` {@link CorrectionRequest} | {@link CorrectionDone} |
 * | `POST /corrections/undo` {@link UndoRequest} | {@link CorrectionDone} |
 * | `GET /insights?days=` | {@link Insights} |
 * | `GET /runs` | {@link Runs} |
 * | `GET /runs/compare?a=&b=` | {@link RunComparison} |
 * | `GET /events?name=&after=&limit=` | {@link EventPage} |
 * | `GET /events/export?name=&level=&format=csv\|jsonl` | a file: time, level, event, text; newest first |
 * | `GET /notifications` | {@link SentNotification}[] |
 * | `GET /notifications/export?format=csv\|jsonl` | a file: one row for each channel of each notification |
 * | `GET /export?q=&format=csv\|jsonl` | a file |
 * | `GET /fleet` | {@link FleetDetail} |
 * | `POST /control/:verb` | {@link Done}; verbs and bodies as those of `querymill control` |
 *
 * Where several tenants are served, all but `session` and `tenants` is below `/api/v1/t/NAME`, and the page of each is
 * `/t/NAME/`. For a token of one tenant, all others and the whole are not there (404).
 *
 * Every request but `GET` needs the header `x-querymill: 1` and a cookie with the role `operator`.
 */
export const API = "/api/v1";

export interface Problem {
  readonly error: { readonly code: string; readonly message: string };
}

export type Role = "operator" | "reader";

export interface Me {
  readonly role: Role;
  readonly version: string;
  readonly job: string;
  readonly tenant: string;
  /** Several machines work on it. */
  readonly fleet: boolean;
  readonly store: string;
  readonly source: string;
  readonly target: string;
  readonly model: string | null;
  readonly taxonomyVersion: string;
  readonly promptVersion: string;
  /** In the order of the taxonomy. `field`: its place in the record, such as `category` or `labels.topic`. */
  readonly dimensions: readonly {
    readonly id: string;
    readonly field: string;
    readonly many: boolean;
    readonly required: boolean;
    readonly labels: readonly { readonly id: string; readonly description: string }[];
  }[];
  /** The command that starts a run of this job, without options of the run itself. */
  readonly runCommand: string;
  /** IANA name of the zone whose clock tells the times. */
  readonly timezone: string;
}

/** Who asks, and what is to be seen. */
export interface Seat {
  readonly role: Role;
  /** Tenants that may be seen, where several are served; null: there is one job, without a name in its paths. */
  readonly tenants: readonly string[] | null;
  /** The one of the token; null: all. */
  readonly tenant: string | null;
}

/** How a tenant is doing, in a row. Numbers are null when they are not known. */
export interface TenantRow {
  readonly name: string;
  readonly state: RunSnapshot["state"] | "failed" | "removed" | "idle";
  readonly level: Level;
  /** In a sentence: health, or why it does not run. */
  readonly title: string;
  readonly detail: string;
  /** Whether its views can be opened: false while its settings cannot be used. */
  readonly open: boolean;
  /** Of the present run, else of all. */
  readonly done: number | null;
  readonly left: number | null;
  readonly itemsPerSecond: number | null;
  /** USD of this month (UTC). */
  readonly monthUsd: number | null;
  readonly budget: { readonly usd: number; readonly spentUsd: number } | null;
  readonly workers: number | null;
  /** What needs somebody: how much, and the first of it. */
  readonly needs: { readonly count: number; readonly level: Need["level"]; readonly title: string } | null;
  readonly share: Share | null;
}

/** An endpoint that several tenants ask. */
export interface SharedEndpoint {
  readonly endpoint: string;
  readonly model: string;
  readonly limit: number;
  readonly tenants: readonly {
    readonly name: string;
    readonly weight: number;
    readonly inFlight: number;
    readonly callsPerSecond: number;
  }[];
}

export interface TenantsOverview {
  readonly nowMs: number;
  /** In the order of the settings. */
  readonly tenants: readonly TenantRow[];
  readonly shared: readonly SharedEndpoint[];
}

/** The ranges of a fleet as its plan stands: dead ones first, then those that are held. */
export interface FleetDetail {
  /** null: the job is worked off by one process. */
  readonly workers: readonly WorkerReport[] | null;
  readonly counts: RangeCounts | null;
  /** At most 100, those that are dead or held. */
  readonly ranges: readonly {
    readonly name: string;
    readonly number: number;
    readonly state: RangeState;
    /** About how many it had when it was cut. */
    readonly items: number;
    readonly done: number;
    /** Who has it, or had it last. */
    readonly worker: string | null;
    readonly takenAtMs: number | null;
    readonly attempts: number;
    readonly crashes: number;
    readonly reason: string | null;
  }[];
  /** False when there are more ranges. */
  readonly complete: boolean;
  /** A worker that says nothing for so long is shown no more. */
  readonly silentMs: number;
}

export type Level = "ok" | "warn" | "bad" | "idle";

/** Something that a person should look at: a sentence, a number, a cause, and what can be done. */
export interface Need {
  /** Stable, such as `dead-letters:content` or `endpoint:eu`. */
  readonly id: string;
  readonly level: "warn" | "bad" | "info";
  readonly title: string;
  readonly detail: string;
  readonly count: number | null;
  readonly actions: readonly NeedAction[];
}

export type NeedAction =
  | { readonly kind: "open"; readonly label: string; readonly to: string }
  | {
      readonly kind: "control";
      /** With its price where it has one: `Retry 214 · about $0.31`. */
      readonly label: string;
      readonly verb: string;
      readonly body: Readonly<Record<string, unknown>>;
      /** What is asked before it is done. */
      readonly confirm: string;
    };

/** One thing that waits, with its reason and its end. */
export interface Waiting {
  readonly what: string;
  /** Of the item that waits; absent where there are several, or none. */
  readonly key?: string;
  readonly reason: string;
  readonly items: number | null;
  /** Since when, or null. */
  readonly sinceMs: number | null;
  /** When it wakes or is given up; null: until it is over. */
  readonly untilMs: number | null;
}

export interface Overview {
  readonly nowMs: number;
  /** Who works on the job: this process, another one of this machine, or nobody. */
  readonly from: "this-process" | "other-process" | "nobody";
  /** Why the other process could not be asked, or the state not be read. */
  readonly trouble: string | null;
  readonly health: { readonly level: Level; readonly title: string; readonly detail: string };
  /** The present execution; null when nobody works on the job. */
  readonly run: RunSnapshot | null;
  readonly lastEnd: ExecutionEnd | null;
  /** `read = classified + skipped + retryQueued + deadLetters + inFlight` of `run`, else of `lastEnd`, checked at `checkedAtMs`. */
  readonly sum: { readonly holds: boolean; readonly checkedAtMs: number } | null;
  /** Classified items of the execution by who decided. */
  readonly decidedBy: Readonly<Record<string, number>>;
  readonly totals: JobTotals | null;
  readonly forecast: {
    readonly finish: { readonly fromMs: number; readonly toMs: number } | null;
    readonly cost: { readonly fromUsd: number; readonly toUsd: number } | null;
    /** Why there is none, or what bounds the run. */
    readonly note: string | null;
  };
  /** USD by kind of token, of this execution; parts that have no known price are null. */
  readonly spend: readonly { readonly what: string; readonly tokens: number | null; readonly usd: number | null }[];
  readonly needs: readonly Need[];
  /** Longest first. */
  readonly waiting: readonly Waiting[];
  /** Unread records of the review list, at most 1,000; null while it is not known. */
  readonly toReview: number | null;
  readonly viewers: number;
}

/** One second of a run. */
export interface Sample {
  readonly atMs: number;
  readonly itemsPerSecond: number;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly inFlight: number;
  readonly limit: number;
  readonly settled: number;
  readonly costUsd: number | null;
}

export interface LimitStep {
  readonly atMs: number;
  readonly endpoint: string;
  readonly from: number;
  readonly to: number;
  readonly reason: LimitReason;
  /** In words. */
  readonly words: string;
}

export interface History {
  /** Oldest first; older ones are further apart. */
  readonly samples: readonly Sample[];
  readonly limits: readonly LimitStep[];
}

/** What failed for one cause. */
export interface Cause {
  readonly queue: string;
  readonly failure: string;
  readonly count: number;
  /** Epoch ms: the first and the last of them (dead letters), or when the first and the last are due. */
  readonly firstMs: number;
  readonly lastMs: number;
  /** One message of them. */
  readonly message: string;
  /** What a person can do, in a sentence. */
  readonly advice: string;
  /** USD for another try of all of them; null when it is not known. */
  readonly estimateUsd: number | null;
  readonly sample: readonly {
    readonly key: string;
    readonly id: string;
    readonly message: string;
    readonly atMs: number;
  }[];
}

export interface Queues {
  readonly retry: readonly Cause[];
  readonly dead: readonly Cause[];
}

/** A row of a list. */
export interface ItemRow {
  readonly key: string;
  /** As people type it. */
  readonly id: string;
  readonly outcome: "classified" | "skipped" | "retryQueued" | "deadLetter" | "pending";
  readonly labels: Readonly<Record<string, string | readonly string[] | null>>;
  readonly confidence: Readonly<Record<string, number>>;
  readonly confidenceKind: string | null;
  readonly summary: string | null;
  readonly decidedBy: string | null;
  readonly needsReview: boolean;
  readonly reviewReasons: readonly string[];
  readonly executionId: string | null;
  readonly atMs: number | null;
  readonly costUsd: number | null;
}

export interface ItemPage {
  readonly items: readonly ItemRow[];
  /** Opaque; null at the end. */
  readonly next: string | null;
  /** How many there are; `atLeast` when counting was broken off. null when it was not counted. */
  readonly count: { readonly items: number; readonly atLeast: boolean } | null;
  /** The query as it was understood, and the command that lists the same. */
  readonly query: string;
  readonly command: string;
  /** What is other than was asked for, such as an order that has no index yet; null: nothing. */
  readonly note: string | null;
}

export interface ItemDetail {
  readonly row: ItemRow;
  /** Null when the source has it no more. */
  readonly conversation:
    | readonly { readonly who: string; readonly atMs: number | null; readonly text: string }[]
    | null;
  /** The text as the model saw it, when it is another one (masked, cut). */
  readonly asked: string | null;
  /** The whole record, EJSON relaxed. */
  readonly record: Readonly<Record<string, unknown>> | null;
  /** What it replaced, oldest first. */
  readonly history: readonly Readonly<Record<string, unknown>>[];
  readonly attempts: readonly {
    readonly atMs: number;
    readonly what: string;
    readonly detail: string | null;
    readonly level: Level;
    readonly tookMs: number | null;
  }[];
  readonly cost: readonly { readonly what: string; readonly tokens: number; readonly usd: number | null }[];
}

export interface SimilarItem {
  readonly key: string;
  readonly id: string;
  readonly text: string;
  readonly label: string;
  readonly decidedBy: string;
  /** 0..1 */
  readonly likeness: number;
}

export interface CorrectionRequest {
  readonly key: string;
  /** By field of the record; fields that are not named were right. */
  readonly fields: Readonly<Record<string, string | readonly string[] | null>>;
  readonly contentHash: string | null;
}

export interface UndoRequest {
  readonly key: string;
}

export interface CorrectionDone {
  readonly key: string;
  readonly status: "confirmed" | "corrected" | "unchanged" | "changed" | "missing" | "undone";
  readonly row: ItemRow | null;
}

export interface Insights {
  readonly fromMs: number;
  readonly toMs: number;
  readonly days: number;
  /** Length of one bucket, ms; `series[].counts` has one number for each. */
  readonly bucketMs: number;
  readonly total: number;
  readonly totalBefore: number;
  readonly dimensions: readonly {
    readonly id: string;
    readonly labels: readonly {
      readonly id: string;
      readonly count: number;
      readonly before: number;
      readonly counts: readonly number[];
    }[];
  }[];
  /** What changed most, in sentences, with the query that leads to the items. */
  readonly sentences: readonly { readonly text: string; readonly query: string }[];
  /** False when the store could not count all of it in time. */
  readonly complete: boolean;
}

export interface Runs {
  /** Newest first, at most 200. */
  readonly executions: readonly (ExecutionEnd & {
    readonly startedAtMs: number;
    readonly endedAtMs: number;
    readonly mode: string;
  })[];
  readonly schedules: readonly ScheduleSnapshot[];
}

export interface RunComparison {
  readonly a: string;
  readonly b: string;
  /** Items that both classified. */
  readonly both: number;
  readonly dimensions: readonly { readonly id: string; readonly agree: number; readonly compared: number }[];
  readonly cost: { readonly a: number | null; readonly b: number | null };
  readonly changed: readonly {
    readonly key: string;
    readonly id: string;
    readonly dimension: string;
    readonly a: string;
    readonly b: string;
  }[];
  /** False when only a part was compared. */
  readonly complete: boolean;
}

export interface LoggedEvent {
  /** Ascending. */
  readonly seq: number;
  readonly atMs: number;
  readonly name: string;
  readonly level: Level;
  /** In words, without customer text. */
  readonly text: string;
}

export interface EventPage {
  readonly events: readonly LoggedEvent[];
  readonly names: readonly string[];
}

export interface SentNotification {
  readonly id: string;
  readonly rule: string;
  readonly state: "problem" | "recovered" | "information";
  readonly severity: "info" | "warning" | "critical";
  readonly atMs: number;
  readonly title: string;
  readonly channels: readonly {
    readonly name: string;
    readonly state: "waiting" | "delivered" | "given-up";
    readonly atMs: number | null;
    readonly reason: string | null;
  }[];
}

/** What a verb of control did. */
export interface Done {
  readonly verb: string;
  readonly state: { readonly from: string; readonly to: string };
  readonly changes: Readonly<
    Record<string, { readonly from: string | number | null; readonly to: string | number | null }>
  >;
  readonly requeued?: { readonly deadLetters: number; readonly waiting: number };
}
