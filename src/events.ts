import type { CallEnded } from "./call-ended.ts";
import type { Counters, JobTotals } from "./counters.ts";
import type { ErrorCode, FailureClass } from "./errors.ts";
import type { FleetSnapshot } from "./fleet.ts";
import type { GrownSnapshot, LeftAlone } from "./grown.ts";
import type { ItemKey } from "./item.ts";
import type { Lag } from "./lag.ts";
import type { NotificationMade } from "./notify/notification.ts";
import type { LimiterSnapshot, LimitReason } from "./rate-limits.ts";
import type { ClassificationRecord } from "./record.ts";
import type { ScheduleSnapshot } from "./scheduling/schedule.ts";

export type ExecutionStatus = "completed" | "completed_with_failures" | "stopped" | "failed";

/** Why an execution ended before everything was done. */
export type StopReason =
  | "signal"
  | "stop-requested"
  | "limit"
  | "budget"
  | "authentication"
  | "billing"
  | "config"
  | "daily-quota"
  | "run-breaker"
  | "disk"
  | "store"
  | "fenced";

export interface ExecutionEnd extends Counters, LeftAlone {
  executionId: string;
  job: string;
  status: ExecutionStatus;
  stopReason: StopReason | null;
  /** A sentence for people when `stopReason` is set. */
  message: string | null;
  durationMs: number;
  itemsPerSecond: number;
  /** Mean share of the slots that had a call in flight, 0..1. */
  slotUtilization: number;
  jobTotals: JobTotals;
  /** Labels counted in this execution, by dimension (`category`, `sentiment`, `urgency`, `language`). */
  labels: Record<string, Record<string, number>>;
  skippedReasons: Record<string, number>;
  deadLetterReasons: Record<string, number>;
  /** Places that were masked in the texts of classified items, by kind; empty without redaction. */
  redacted: Record<string, number>;
  /** Records of damaged local state that were set aside. */
  damaged: number;
  exitCode: number;
}

/**
 * Every event, `noun:verb`. Payloads are plain JSON: ids, counts, ms, USD; never a customer's text, never a key.
 * A listener that throws is logged and cannot stop an execution.
 */
export interface EventMap {
  "execution:start": {
    executionId: string;
    job: string;
    mode: string;
    /** Unprocessed items found, capped by `--limit`; null when unknown. */
    total: number | null;
    store: string;
    source: string;
    target: string;
    model: string;
    taxonomyVersion: string;
    promptVersion: string;
    notes: readonly string[];
  };
  "execution:recover": {
    executionId: string;
    stored: number;
    fromBatchFiles: number;
    damaged: number;
    uncertainCalls: number;
  };
  "batch:planned": { executionId: string; batchId: string; items: number };
  "item:settled": {
    executionId: string;
    key: string;
    outcome: "classified" | "skipped" | "retryQueued" | "deadLetter";
    reason: string | null;
    attempts: number;
    latencyMs: number | null;
    costUsd: number | null;
    /** null for what is not classified. */
    decidedBy: ClassificationRecord["decidedBy"] | null;
    /** From its first slot until it was in the journal; null for what needed no slot. */
    durationMs: number | null;
  };
  /** Told only to those who ask for it by name: there is one for each call. */
  "call:ended": CallEnded;
  "call:failed": {
    executionId: string;
    endpoint: string;
    failure: FailureClass;
    message: string;
    attempt: number;
    nextInMs: number | null;
  };
  "endpoint:pause": { executionId: string; endpoint: string; reason: string; untilMs: number };
  "endpoint:resume": { executionId: string; endpoint: string };
  /** An endpoint takes no more calls, or takes them again: `out` when it refused us for good. */
  "endpoint:state": { executionId: string; endpoint: string; state: "in" | "draining" | "out"; reason: string | null };
  /** How many calls may be in flight at an endpoint, and why that changed. */
  "limit:change": { executionId: string; endpoint: string; from: number; to: number; reason: LimitReason };
  "sink:stored": { executionId: string; written: number; marked: number; changed: number; durationMs: number };
  /** Settled items whose texts changed lost their marks: they are classified again. */
  "items:grown": { executionId: string; items: number; foundBy: "change-stream" | "updated-at" | "sweep" };
  "checkpoint:saved": { executionId: string; settled: number; generation: number };
  /** `untilMs` null: until it is over, however long that takes. */
  "execution:wait": { executionId: string; reason: string; untilMs: number | null; items: number };
  /** The store answers again, after a wait for it was told. */
  "execution:resume": { executionId: string; waitedMs: number };
  /** No new calls are made until it is taken back; those in flight come home. */
  "execution:pause": { executionId: string; reason: string | null; by: string | null; holder: PauseHolder };
  "execution:unpause": { executionId: string; by: string | null; pausedMs: number };
  /** Something was changed of the run from outside: which verb, by whom, and the values of before and after. */
  "control:command": {
    executionId: string;
    verb: string;
    by: string | null;
    changes: Readonly<Record<string, { from: string | number | null; to: string | number | null }>>;
  };
  /** The process can be controlled from now on, at this address on this machine. */
  "control:ready": { job: string; pid: number; address: string; version: number };
  "notification:made": NotificationMade;
  /** Where metrics and health of this process are served. */
  "metrics:listening": { executionId: string; url: string };
  /** Where the dashboard of this process is; its link has a token more. */
  "dashboard:listening": { executionId: string; url: string };
  /** Others' changes of the source wake continuous mode, or no longer do: it polls then, and `reason` says why. */
  "source:watch": { executionId: string; watching: boolean; reason: string | null };
  /** Others changed the source, and so it is read before the next poll. `added`: unmarked documents; `changed`: marked ones. */
  "source:wake": { executionId: string; added: number; changed: number };
  "execution:drain": { executionId: string; inFlight: number; reason: StopReason };
  "execution:end": ExecutionEnd;
  /** A scheduled run begins; `timeMs` is its time, of which `delayMs` is the delay by jitter. `caughtUp`: for missed ones. */
  "schedule:run": { name: string; timeMs: number; delayMs: number; caughtUp: boolean };
  /** Times that passed without a run, at most 1,000: one was under way (`running`), or nobody was there (`down`). */
  "schedule:missed": { name: string; times: number; reason: "running" | "down"; firstMs: number; lastMs: number };
  /** A run could not begin, and its schedule goes on with its next time. */
  "schedule:failed": { name: string; timeMs: number; code: ErrorCode; message: string };
  /** Calls go out again, until then. That they stop is told by `execution:wait`. */
  "window:open": { executionId: string; untilMs: number };
  /** A tenant does not run; the others do. `nextTryMs` null: it is not tried again before it is resumed or the settings are read again. */
  "tenant:failed": { name: string; code: string; message: string; nextTryMs: number | null };
  /** A tenant that was paused, added or mended begins; or it was paused or taken out of the settings. */
  "tenant:state": { name: string; state: "begins" | "paused" | "removed" };
}

/** Who holds a run up: a person (or a program), or a window of hours. */
export type PauseHolder = "operator" | "window";

export interface EndpointSnapshot {
  name: string;
  /** `openai/gpt-5-mini` */
  model: string;
  /** `resting`: see `pauseReason`; `draining` and `out`: see `stateReason`. */
  state: "open" | "resting" | "draining" | "out";
  stateReason: string | null;
  fallback: number;
  weight: number;
  inFlight: number;
  /** Of all runs of this process that ask it, this one included, and how many these are; only while it is not alone. */
  shared?: { inFlight: number; parties: number };
  /** Calls that may be in flight now, and at most. */
  limit: number;
  ceiling: number;
  lastChange: { from: number; to: number; reason: LimitReason; atMs: number } | null;
  /** Calls that it answered in this execution. */
  answered: number;
  callsPerSecond: number;
  p50Ms: number | null;
  p95Ms: number | null;
  /** null for limits that nobody has told. */
  limits: LimiterSnapshot;
  /** Set while it rests: until when (epoch ms) and why. */
  pausedUntilMs: number | null;
  pauseReason: string | null;
  /** The part of it that this process may use now, 0..1, when others use it too, and why that is not more. */
  share?: { readonly now: number; readonly trouble: string | null };
}

/**
 * Everything the panel shows, at one moment. The same numbers as events and `status`. Points in time (epoch ms) are told by
 * the wall clock as it is set at `nowMs`, so that they can be subtracted from each other.
 */
export interface RunSnapshot extends GrownSnapshot {
  /** `default` where there are no tenants. */
  tenant: string;
  job: string;
  executionId: string;
  mode: string;
  state: "starting" | "recovering" | "running" | "waiting" | "paused" | "draining" | "ended";
  startedAtMs: number;
  nowMs: number;
  store: string;
  source: string;
  target: string;
  model: string;
  taxonomyVersion: string;
  promptVersion: string;
  /** Items to settle in this execution; null when unknown. */
  total: number | null;
  counters: Counters;
  /** Over the last 30 s. */
  itemsPerSecond: number;
  itemsPerSecondMean: number;
  /** `limit` is what the endpoints take now, at most `ceiling`; `automatic`: it is found out. */
  slots: { limit: number; ceiling: number; busy: number; utilization: number; automatic: boolean };
  endpoints: readonly EndpointSnapshot[];
  /** Items between two attempts: how many, when the first wakes (epoch ms), why. */
  backoff: { count: number; nextAtMs: number | null; reason: string | null };
  retryQueues: readonly { queue: string; count: number; nextDueMs: number | null }[];
  skippedReasons: Record<string, number>;
  deadLetterReasons: Record<string, number>;
  labels: Record<string, Record<string, number>>;
  /** Grouped by message, newest last, at most 20. */
  errors: readonly { message: string; failure: string; endpoint: string | null; count: number; lastMs: number }[];
  /** What the whole execution waits for, if it does. */
  waiting: { reason: string; untilMs: number | null; items: number } | null;
  /** Set while no new calls are made on purpose. */
  paused: { reason: string | null; by: string | null; holder: PauseHolder; sinceMs: number } | null;
  oldestInFlightMs: number | null;
  /** The calls that are in flight the longest, oldest first, at most three; not told by an older version. */
  oldestCalls?: readonly { key: ItemKey; attempt: number; ageMs: number }[];
  /** When the oldest call is given up, in ms of age. */
  attemptTimeoutMs: number;
  budget: { usd: number; per: "run" | "day" | "month" | "job"; spentUsd: number } | null;
  /** Over all executions of the job; null before it is open. */
  jobTotals: JobTotals | null;
  /** Records in the journal so far, and outcomes among them that the store does not have yet. */
  journal: { records: number; unstored: number };
  /** Why no call may go out now though an endpoint would take it, such as a lease that is not confirmed; null when it may. */
  held: string | null;
  lag: Lag;
  /** What wakes continuous mode beside its poll; null: nothing does, or could. */
  watch: { watching: boolean; reason: string | null } | null;
  /** When scheduled runs begin; empty in other modes. */
  schedules: readonly ScheduleSnapshot[];
  /** Only of a job that is worked off by several processes. */
  fleet?: FleetSnapshot;
}

type Listener<T> = (payload: T) => void;

/** What is told so often that only those hear of it who ask for it by name. */
const BY_NAME_ONLY: ReadonlySet<keyof EventMap> = new Set(["call:ended"]);

/** A typed emitter; `emit` never throws. */
export class Events {
  readonly #listeners = new Map<keyof EventMap, Set<Listener<never>>>();
  readonly #any = new Set<(name: keyof EventMap, payload: EventMap[keyof EventMap]) => void>();
  readonly #others = new Set<Events>();
  #onError: (name: string, error: unknown) => void = () => {};

  on<K extends keyof EventMap>(name: K, listener: Listener<EventMap[K]>): this {
    const set = this.#listeners.get(name) ?? new Set();
    set.add(listener as Listener<never>);
    this.#listeners.set(name, set);
    return this;
  }

  off<K extends keyof EventMap>(name: K, listener: Listener<EventMap[K]>): this {
    this.#listeners.get(name)?.delete(listener as Listener<never>);
    return this;
  }

  /** Every event goes to another emitter too, as far as somebody listens there. */
  pipeTo(other: Events): this {
    this.#others.add(other);
    return this;
  }

  /** Every event, with its name; without those that are told by name only, such as `call:ended`. */
  onAny(listener: (name: keyof EventMap, payload: EventMap[keyof EventMap]) => void): this {
    this.#any.add(listener);
    return this;
  }

  /** Where a listener's own errors go. */
  onListenerError(handler: (name: string, error: unknown) => void): this {
    this.#onError = handler;
    return this;
  }

  /** True when somebody listens: lets a hot path skip building a payload. */
  wants(name: keyof EventMap): boolean {
    if (this.#any.size > 0 && !BY_NAME_ONLY.has(name)) return true;
    if ((this.#listeners.get(name)?.size ?? 0) > 0) return true;
    for (const other of this.#others) if (other.wants(name)) return true;
    return false;
  }

  emit<K extends keyof EventMap>(name: K, payload: EventMap[K]): void {
    for (const listener of this.#listeners.get(name) ?? [])
      this.#safely(name, () => (listener as Listener<EventMap[K]>)(payload));
    if (!BY_NAME_ONLY.has(name)) for (const listener of this.#any) this.#safely(name, () => listener(name, payload));
    for (const other of this.#others) other.emit(name, payload);
  }

  #safely(name: string, call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#onError(name, error);
    }
  }
}
