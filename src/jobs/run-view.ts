import { type Clocks, onWall } from "../clocks.ts";
import type { Events, ExecutionEnd, ExecutionStatus, RunSnapshot, StopReason } from "../events.ts";
import { type JobSettings, modelLabel, slotCeiling } from "../job.ts";
import { UNKNOWN_LAG } from "../lag.ts";
import type { Prompt } from "../llm/provider.ts";
import type { Pause, Paused } from "../pause.ts";
import type { Pipeline } from "../pipeline.ts";
import type { Recorder } from "../recorder.ts";
import { withoutPassword } from "../redact.ts";
import type { Sink } from "../sink.ts";
import type { SourceReader } from "../source-reader.ts";
import type { BatchFileManager } from "../state/batch-file-manager.ts";
import type { Gateway } from "../traffic/gateway.ts";
import { StoreWatch } from "../traffic/store-watch.ts";
import { spentOf } from "./budget.ts";
import type { Growing } from "./growing.ts";
import type { LeaseKeeper } from "./lease-keeper.ts";
import { NO_COUNTERS } from "./no-counters.ts";
import type { OpenJob } from "./open-job.ts";
import type { WindowKeeper } from "./window-keeper.ts";

interface Parts {
  readonly pipeline: Pipeline;
  readonly recorder: Recorder;
  readonly sink: Sink;
  readonly gateway: Gateway;
  readonly manager: BatchFileManager;
  readonly reader: Pick<SourceReader, "notQuiet">;
  readonly growing: Pick<Growing, "found" | "trouble"> | null;
  /** null: calls may go out at all hours. */
  readonly window: WindowKeeper | null;
  /** By the steady clock. */
  readonly startedMs: number;
  readonly lease: Pick<LeaseKeeper, "holdReason">;
}

/** Waits for a rate limit are the normal pace below this, in ms. */
const LONG_LIMIT_WAIT_MS = 5_000;
/** Kinds of failures that are shown at once. */
const SHOWN_ERRORS = 20;

/** What a person or a script sees of an execution: start event, snapshots, and how it ended. */
export class RunView {
  state: RunSnapshot["state"] = "starting";
  /** Told of everything that the execution asks of the store. */
  readonly storeWatch: StoreWatch;
  readonly #settings: JobSettings;
  readonly #executionId: string;
  readonly #prompt: Prompt;
  readonly #events: Events;
  readonly #clocks: Clocks;
  readonly #pause: Pause;
  /** As far as the settings know, until it is open. */
  #store: string;
  #model: string;
  #remote = true;
  #notes: readonly string[] = [];
  #total: number | null = null;
  #parts: Parts | null = null;
  #continuous: Pick<RunSnapshot, "lag" | "watch"> | null = null;
  /** What the start waits for; the end by the steady clock. */
  #startWait: { reason: string; untilMs: number; items: number } | null = null;
  #startedMs: number;
  readonly #errors = new Map<
    string,
    { message: string; failure: string; endpoint: string | null; count: number; lastMs: number }
  >();

  constructor(
    settings: JobSettings,
    executionId: string,
    prompt: Prompt,
    { events, clocks, pause }: { readonly events: Events; readonly clocks: Clocks; readonly pause: Pause },
  ) {
    this.#settings = settings;
    this.#store = withoutPassword(settings.storeUri);
    this.#model = [...new Set(settings.endpoints.map(({ model }) => modelLabel(model)))].join(", ");
    this.#pause = pause;
    this.#executionId = executionId;
    this.#prompt = prompt;
    this.#events = events;
    this.#clocks = clocks;
    this.#startedMs = clocks.steadyNow();
    this.storeWatch = new StoreWatch({
      storeMs: settings.mode === "batch" ? settings.deadlines.storeMs : null,
      now: clocks.steadyNow,
      onWait: (reason, untilMs) => this.#sayWait(reason, untilMs),
      onResume: (waitedMs) => events.emit("execution:resume", { executionId, waitedMs }),
    });
    events.on("call:failed", ({ message, failure, endpoint }) => this.#noteError(message, failure, endpoint));
  }

  opened({ store, endpoints, notes }: Pick<OpenJob, "store" | "endpoints" | "notes">): void {
    this.#store = store.address;
    // Several endpoints of one model are told apart by their names, not by their hosts.
    const models = endpoints.map(({ settings, provider }) =>
      endpoints.length === 1 ? provider.label : modelLabel(settings.model),
    );
    this.#model = [...new Set(models)].join(", ");
    this.#remote = endpoints.some(({ provider }) => provider.remote);
    this.#notes = notes;
  }

  /** The start waits for store or model. @param untilMs of the next try, steady clock */
  waitToStart(reason: string, untilMs: number): void {
    // Each reason once: the wait itself is shown as long as it lasts.
    if (this.#startWait?.reason !== reason) this.#sayWait(reason, null);
    this.#startWait = { reason, untilMs, items: 0 };
  }

  startsAfterWait(): void {
    this.#startWait = null;
    const waitedMs = this.#clocks.steadyNow() - this.#startedMs;
    this.#events.emit("execution:resume", { executionId: this.#executionId, waitedMs });
  }

  #sayWait(reason: string, untilMs: number | null): void {
    const told = untilMs === null ? null : onWall(this.#clocks, untilMs);
    this.#events.emit("execution:wait", { executionId: this.#executionId, reason, untilMs: told, items: 0 });
  }

  /** What is measured beside the pipeline of continuous mode. */
  beside(continuous: Pick<RunSnapshot, "lag" | "watch">): void {
    this.#continuous = continuous;
  }

  /** One more sentence for the user, at the start. */
  note(text: string): void {
    this.#notes = [...this.#notes, text];
  }

  /** Unprocessed items found, once counting is done. */
  count(total: number | null): void {
    this.#total = total;
  }

  running(parts: Parts): void {
    this.#parts = parts;
    this.#startedMs = parts.startedMs;
    this.state = "running";
    const { job, mode, sourceCollection, targetCollection } = this.#settings;
    this.#events.emit("execution:start", {
      executionId: this.#executionId,
      job,
      mode,
      total: this.#total,
      store: this.#store,
      source: sourceCollection,
      target: targetCollection,
      model: this.#model,
      taxonomyVersion: this.#prompt.taxonomy.version,
      promptVersion: this.#prompt.version,
      notes: this.#notes,
    });
  }

  snapshot(): RunSnapshot {
    const { tenant, job, mode, sourceCollection, targetCollection, deadlines } = this.#settings;
    const parts = this.#parts;
    const nowMs = this.#clocks.now();
    // What was measured by the steady clock is told by the wall clock as it is set now, so that all of it agrees.
    const aheadMs = nowMs - this.#clocks.steadyNow();
    const told = (steadyMs: number | null): number | null => (steadyMs === null ? null : steadyMs + aheadMs);
    const startedAtMs = this.#startedMs + aheadMs;
    const recorder = parts?.recorder;
    const pipeline = parts?.pipeline;
    const counters = recorder?.counters(pipeline?.pending ?? 0) ?? NO_COUNTERS;
    const seconds = Math.max(0.001, (nowMs - startedAtMs - this.#pause.totalMs) / 1000);
    const paused = this.#pause.current;
    const held = parts?.lease.holdReason() ?? null;
    const forStore =
      this.storeWatch.waiting ?? this.#startWait ?? (held === null ? null : { reason: held, untilMs: null, items: 0 });
    const waiting = forStore
      ? { ...forStore, untilMs: told(forStore.untilMs) }
      : (parts?.window?.waiting ?? pipeline?.waiting ?? this.#waitingForLimit(aheadMs));
    const backoff = pipeline?.backoff ?? { count: 0, nextAtMs: null, reason: null };
    return {
      tenant,
      job,
      executionId: this.#executionId,
      mode,
      state: this.#stateWhile(paused, waiting !== null),
      startedAtMs,
      nowMs,
      store: this.#store,
      source: sourceCollection,
      target: targetCollection,
      model: this.#model,
      taxonomyVersion: this.#prompt.taxonomy.version,
      promptVersion: this.#prompt.version,
      total: this.#total,
      counters,
      itemsPerSecond: recorder?.rate(Math.max(this.#startedMs, this.#pause.endedMs ?? 0)) ?? 0,
      itemsPerSecondMean: (counters.read - counters.inFlight) / seconds,
      slots: {
        limit: parts?.gateway.capacity ?? slotCeiling(this.#settings),
        ceiling: slotCeiling(this.#settings),
        busy: pipeline?.calls.inFlight ?? 0,
        utilization: pipeline?.calls.utilization ?? 0,
        automatic: this.#settings.concurrent === "auto",
      },
      endpoints: this.#endpoints(aheadMs),
      backoff: { ...backoff, nextAtMs: told(backoff.nextAtMs) },
      retryQueues: parts ? queuesOf(parts.manager) : [],
      skippedReasons: { ...recorder?.skippedReasons },
      deadLetterReasons: { ...recorder?.deadLetterReasons },
      labels: structuredClone(recorder?.labels ?? {}),
      errors: [...this.#errors.values()].map((error) => ({ ...error, lastMs: error.lastMs + aheadMs })),
      waiting,
      quiet: parts?.reader.notQuiet ?? { items: 0, nextMs: null },
      growing: parts?.growing ? { found: parts.growing.found, trouble: parts.growing.trouble } : null,
      paused: paused && { ...paused, sinceMs: told(paused.sinceMs)! },
      oldestInFlightMs: pipeline?.calls.oldestMs ?? null,
      oldestCalls: (pipeline?.calls.oldest ?? []).map(({ call, ms }) => ({
        key: call.item.key,
        attempt: call.attempts,
        ageMs: ms,
      })),
      attemptTimeoutMs: deadlines.attemptMs,
      budget: this.#budget(),
      jobTotals: recorder === undefined ? null : { ...recorder.totals },
      journal: { records: recorder?.appliedSeq ?? 0, unstored: parts?.sink.unstored ?? 0 },
      held,
      lag: this.#continuous?.lag ?? UNKNOWN_LAG,
      watch: this.#continuous?.watch ?? null,
      schedules: [],
    };
  }

  /** A closed run window is waited for; paused is what somebody said. */
  #stateWhile(paused: Paused | null, isWaiting: boolean): RunSnapshot["state"] {
    if (this.state !== "running") return this.state;
    if (paused !== null && !(paused.holder === "window" && isWaiting)) return "paused";
    return isWaiting ? "waiting" : "running";
  }

  /** @param aheadMs what the wall clock is ahead of the steady one */
  #endpoints(aheadMs: number): RunSnapshot["endpoints"] {
    if (this.#parts === null || !this.#remote) return [];
    return this.#parts.gateway.endpoints.map((endpoint) => {
      const { pausedUntilMs, lastChange, ...rest } = endpoint.snapshot();
      return {
        ...rest,
        pausedUntilMs: pausedUntilMs === null ? null : pausedUntilMs + aheadMs,
        lastChange: lastChange === null ? null : { ...lastChange, atMs: lastChange.atMs + aheadMs },
      };
    });
  }

  /** Nothing goes out because every endpoint was told to take nothing, or has used up a limit for some time. */
  #waitingForLimit(aheadMs: number): RunSnapshot["waiting"] {
    const gateway = this.#parts?.gateway;
    if (gateway === undefined) return null;
    if (gateway.capacity === 0) return { reason: "every endpoint is draining or out", untilMs: null, items: 0 };
    const wait = gateway.limitWait;
    if (wait === null || wait.untilMs - this.#clocks.steadyNow() < LONG_LIMIT_WAIT_MS) return null;
    return { reason: `the rate limit of ${wait.endpoint}`, untilMs: wait.untilMs + aheadMs, items: 0 };
  }

  /** The counts of an execution that is over, and its exit code by the contract. */
  end(damaged: number, stopReason: StopReason | null, message: string | null): ExecutionEnd {
    const { pipeline, recorder, reader, startedMs } = this.#parts!;
    this.state = "ended";
    const counters = recorder.counters(0);
    const durationMs = this.#clocks.steadyNow() - startedMs;
    const failures = counters.retryQueued + counters.deadLetters + damaged > 0;
    const { status, exitCode } = verdict(stopReason, failures, this.#settings.mode === "batch");
    return {
      executionId: this.#executionId,
      job: this.#settings.job,
      status,
      ...counters,
      durationMs,
      itemsPerSecond: round((counters.read - counters.inFlight) / Math.max(0.001, durationMs / 1000), 1),
      slotUtilization: round(pipeline.calls.utilization, 4),
      jobTotals: { ...recorder.totals },
      stopReason,
      message,
      labels: recorder.labels,
      skippedReasons: recorder.skippedReasons,
      deadLetterReasons: recorder.deadLetterReasons,
      redacted: recorder.redacted,
      waitingUntilQuiet: reader.notQuiet.items,
      damaged,
      exitCode,
    };
  }

  #budget(): RunSnapshot["budget"] {
    const { budget } = this.#settings;
    const recorder = this.#parts?.recorder;
    if (budget === null || recorder === undefined) return null;
    const spentUsd = spentOf(this.#settings, recorder, this.#clocks.now());
    return { usd: budget.usd, per: budget.per, spentUsd };
  }

  #noteError(message: string, failure: string, endpoint: string): void {
    const name = `${failure} ${message}`;
    const before = this.#errors.get(name);
    this.#errors.delete(name);
    this.#errors.set(name, {
      message,
      failure,
      endpoint,
      count: (before?.count ?? 0) + 1,
      lastMs: this.#clocks.steadyNow(),
    });
    if (this.#errors.size > SHOWN_ERRORS) this.#errors.delete(this.#errors.keys().next().value!);
  }
}

const RESUMABLE: ReadonlySet<StopReason> = new Set([
  "budget",
  "authentication",
  "billing",
  "config",
  "daily-quota",
  "run-breaker",
  "disk",
  "store",
  "fenced",
]);

/** Status and exit code by what stopped an execution and whether items failed in it. */
function verdict(
  stopReason: StopReason | null,
  failures: boolean,
  isBatch: boolean,
): { status: ExecutionStatus; exitCode: number } {
  if (stopReason !== null && RESUMABLE.has(stopReason)) return { status: "stopped", exitCode: 4 };
  if (stopReason === "signal" && isBatch) return { status: "stopped", exitCode: 130 };
  const exitCode = failures ? 3 : 0;
  if (stopReason === "signal" || stopReason === "stop-requested")
    return { status: "stopped", exitCode: stopReason === "signal" ? 0 : exitCode };
  return { status: failures ? "completed_with_failures" : "completed", exitCode };
}

function queuesOf(manager: BatchFileManager): RunSnapshot["retryQueues"] {
  const queues = new Map<string, { queue: string; count: number; nextDueMs: number | null }>();
  for (const { queue, dueMs } of manager.retryQueue.list()) {
    const entry = queues.get(queue) ?? { queue, count: 0, nextDueMs: dueMs };
    entry.count += 1;
    queues.set(queue, entry);
  }
  return [...queues.values()];
}

const round = (value: number, digits: number): number => Number(value.toFixed(digits));
