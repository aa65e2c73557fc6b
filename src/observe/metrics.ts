import type { Attributes, BatchObservableCallback, Histogram, Meter, Observable } from "@opentelemetry/api";
import type { CallEnded } from "../call-ended.ts";
import type { EventMap, Events, RunSnapshot, StopReason } from "../events.ts";
import { GENAI_METRICS, metricAttributes, tokenAttributes } from "./genai-conventions.ts";
import { COUNTED, type CountedName, type MetricDefinition, OBSERVED, type ObservedName } from "./metric-table.ts";
import { readGauges, type Told } from "./read-gauges.ts";
import { Tally } from "./tally.ts";

/** What is watched: an execution. */
export interface Watched {
  readonly events: Events;
  snapshot(): RunSnapshot;
}

/** Names of models that answered, kept apart at most: a server may name another one each time. */
const MOST_MODELS = 50;

/** Reasons that somebody waits for. */
const STOPPING_ITSELF: readonly StopReason[] = [
  ...(["budget", "authentication", "billing", "config", "daily-quota", "run-breaker"] as const),
  ...(["disk", "store", "fenced"] as const),
];

/**
 * Feeds the instruments of a meter from an execution's events and snapshots.
 * @returns stops that; what was counted is told to the meter then
 */
export function observeMetrics(watched: Watched, meter: Meter): () => void {
  const { job, tenant } = watched.snapshot();
  const fixed = { "querymill.job": job, ...(tenant === "default" ? {} : { "querymill.tenant": tenant }) };
  const counted = new Counted(meter, fixed);
  const told: Told = { checkpointAtMs: null, lastSuccessMs: null, queues: new Set(["model"]) };
  const stopListening = listen(watched.events, counted, told);
  const stopLooking = look(watched, meter, fixed, told, () => counted.flush());
  return () => {
    stopListening();
    stopLooking();
    counted.flush();
  };
}

class Counted {
  readonly #tallies: { readonly [K in CountedName]?: Tally };
  readonly #itemDuration: Histogram;
  readonly #storeWrites: Histogram;
  readonly #callDuration: Histogram;
  readonly #callTokens: Histogram;
  readonly #fixed: Attributes;
  readonly #models = new Set<string>();
  readonly #byOutcome = new Map<string, Attributes>();
  readonly #byCall = new Map<string, CallLabels>();

  constructor(meter: Meter, fixed: Attributes) {
    this.#fixed = fixed;
    const counters = Object.entries(COUNTED).filter(([, { kind }]) => kind === "counter");
    this.#tallies = Object.fromEntries(
      counters.map(([key, one]) => [key, new Tally(meter.createCounter(one.name, options(one)), one.labels, fixed)]),
    );
    for (const reason of STOPPING_ITSELF) this.#tallies.executions?.expect("stopped", reason);
    this.#itemDuration = histogram(meter, COUNTED.itemDuration);
    this.#storeWrites = histogram(meter, COUNTED.storeWrites);
    this.#callDuration = histogram(meter, GENAI_METRICS.duration);
    this.#callTokens = histogram(meter, GENAI_METRICS.tokens);
  }

  add(name: CountedName, amount: number, ...values: (string | null)[]): void {
    this.#tallies[name]?.add(amount, ...values);
  }

  item({ outcome, reason, decidedBy, durationMs }: EventMap["item:settled"]): void {
    this.add("items", 1, outcome, reason, decidedBy);
    if (durationMs === null) return;
    const known = this.#byOutcome.get(outcome);
    const attributes = known ?? { ...this.#fixed, outcome };
    if (known === undefined) this.#byOutcome.set(outcome, attributes);
    this.#itemDuration.record(durationMs / 1000, attributes);
  }

  call(call: CallEnded): void {
    const { endpoint, result, usage, costUsd, uncertainUsd, durationMs } = call;
    const model = `${call.provider}/${call.model}`;
    this.add("calls", 1, endpoint, model, result);
    if (call.repair) this.add("repairs", 1, endpoint, model);
    if (costUsd === null) this.add("unpriced", 1, endpoint, model);
    this.add("cost", costUsd ?? 0, endpoint, model);
    this.add("uncertainCost", uncertainUsd ?? 0, endpoint, model);
    const labels = this.#labelsOf(call);
    if (durationMs !== null) this.#callDuration.record(durationMs / 1000, labels.duration);
    if (usage === null) return;
    this.add("tokens", usage.inputTokens, endpoint, model, "input");
    this.add("tokens", usage.cachedInputTokens, endpoint, model, "cached_input");
    this.add("tokens", usage.cacheWriteTokens, endpoint, model, "cache_write");
    this.add("tokens", usage.outputTokens, endpoint, model, "output");
    this.add("tokens", usage.reasoningTokens, endpoint, model, "reasoning");
    this.#callTokens.record(usage.inputTokens, labels.input);
    this.#callTokens.record(usage.outputTokens, labels.output);
  }

  stored({ written, changed, durationMs }: EventMap["sink:stored"]): void {
    this.add("stored", written);
    this.add("changed", changed);
    this.#storeWrites.record(durationMs / 1000, this.#fixed);
  }

  flush(): void {
    for (const tally of Object.values(this.#tallies)) tally.flush();
  }

  /** The attributes of calls that are alike, made once. */
  #labelsOf(call: CallEnded): CallLabels {
    const responseModel = this.#boundedModel(call.responseModel);
    const key = `${call.endpoint}\u0000${call.result}\u0000${responseModel}`;
    const known = this.#byCall.get(key);
    if (known !== undefined) return known;
    const bounded = { ...call, responseModel };
    const { input, output } = tokenAttributes(bounded);
    const labels = {
      duration: { ...this.#fixed, ...metricAttributes(bounded) },
      input: { ...this.#fixed, ...input },
      output: { ...this.#fixed, ...output },
    };
    this.#byCall.set(key, labels);
    return labels;
  }

  #boundedModel(model: string | null): string | null {
    if (model === null || this.#models.has(model)) return model;
    if (this.#models.size >= MOST_MODELS) return "_OTHER";
    this.#models.add(model);
    return model;
  }
}

interface CallLabels {
  readonly duration: Attributes;
  readonly input: Attributes;
  readonly output: Attributes;
}

function listen(events: Events, counted: Counted, told: Told): () => void {
  const offs: (() => void)[] = [];
  const on = <K extends keyof EventMap>(name: K, listener: (payload: EventMap[K]) => void): void => {
    events.on(name, listener);
    offs.push(() => events.off(name, listener));
  };
  on("item:settled", (item) => {
    counted.item(item);
    if (item.outcome === "classified") told.lastSuccessMs = Date.now();
  });
  on("call:ended", (call) => counted.call(call));
  on("call:failed", ({ endpoint, failure }) => counted.add("retries", 1, endpoint, failure));
  on("endpoint:pause", ({ endpoint }) => counted.add("pauses", 1, endpoint));
  on("limit:change", ({ endpoint, reason }) => counted.add("limitChanges", 1, endpoint, reason));
  on("sink:stored", (stored) => counted.stored(stored));
  on("execution:resume", ({ waitedMs }) => {
    counted.add("storeWaits", 1);
    counted.add("storeWaitTime", waitedMs / 1000);
  });
  on("checkpoint:saved", () => {
    counted.add("checkpoints", 1);
    told.checkpointAtMs = Date.now();
  });
  on("execution:end", ({ status, stopReason }) => counted.add("executions", 1, status, stopReason));
  on("items:grown", ({ items, foundBy }) => counted.add("grown", items, foundBy));
  on("schedule:missed", ({ name, times, reason }) => counted.add("scheduleMissed", times, name, reason));
  return () => {
    for (const off of offs) off();
  };
}

/** Registers what is looked at. One snapshot serves all of it. */
function look(watched: Watched, meter: Meter, fixed: Attributes, told: Told, before: () => void): () => void {
  const gauges = new Map<ObservedName, Observable>();
  for (const [name, one] of Object.entries(OBSERVED))
    gauges.set(name as ObservedName, meter.createObservableGauge(one.name, options(one)));
  const callback: BatchObservableCallback = (result) => {
    // The sums are collected after the observables, in the same round.
    before();
    readGauges(watched.snapshot(), told, (name, value, attributes) => {
      result.observe(gauges.get(name)!, value, { ...fixed, ...attributes });
    });
  };
  const observables = [...gauges.values()];
  meter.addBatchObservableCallback(callback, observables);
  return () => meter.removeBatchObservableCallback(callback, observables);
}

function histogram(meter: Meter, one: MetricDefinition): Histogram {
  const advice = { explicitBucketBoundaries: [...(one.buckets ?? [])] };
  return meter.createHistogram(one.name, { ...options(one), advice });
}

const options = ({ help, unit }: MetricDefinition) => ({ description: help, unit });
