import { type Clocks, systemClocks } from "../clocks.ts";
import { didYouMean } from "../config/nearest.ts";
import { QuerymillError } from "../errors.ts";
import { Events, type PauseHolder } from "../events.ts";
import type { ItemKey } from "../item.ts";
import { type EndpointSettings, type JobSettings, slotCeiling } from "../job.ts";
import { Pause } from "../pause.ts";
import type { Pipeline } from "../pipeline.ts";
import type { Recorder } from "../recorder.ts";
import type { BatchFileManager } from "../state/batch-file-manager.ts";
import type { Endpoint } from "../traffic/endpoint.ts";
import type { Gateway } from "../traffic/gateway.ts";
import type { Adapters } from "./adapters.ts";
import type { Closers } from "./closers.ts";
import type { PauseOptions } from "./execution.ts";
import { type BudgetPer, checkBudget, checkConcurrency, checkEndpoints, type LiveChanges } from "./live-changes.ts";
import { concurrencyOf, mostCalls, type OpenEndpoint } from "./open-gateway.ts";
import { refuseUnpricedBudget } from "./open-job.ts";
import { type Requeued, type RetrySelection, requeue } from "./requeue.ts";

/** What can only be told what to do once it is there. */
export interface Controlled {
  readonly pipeline: Pipeline;
  readonly recorder: Recorder;
  readonly manager: BatchFileManager;
  readonly active: Set<ItemKey>;
}

/** The part of an execution that is told what to do while it runs. Verbs that come early hold from the start. */
export abstract class ControlledExecution {
  readonly events = new Events();
  protected readonly executionId: string;
  /** A copy of its own that is changed in place: whoever reads it later reads what holds then. */
  protected readonly settings: JobSettings;
  protected readonly adapters: Adapters;
  protected readonly clocks: Clocks;
  protected readonly paused: Pause;
  #budgetPer: BudgetPer;
  #pricingOf: Adapters["pricingOf"];
  #gateway: Gateway | null = null;
  #opened: readonly OpenEndpoint[] = [];
  #connections = new Map<string, number>();
  #closers: Closers | null = null;
  #running: Controlled | null = null;

  constructor(settings: JobSettings, adapters: Adapters, executionId: string, clocks = systemClocks) {
    this.executionId = executionId;
    this.settings = { ...settings };
    this.#budgetPer = settings.budget?.per ?? "job";
    this.#pricingOf = adapters.pricingOf;
    this.adapters = { ...adapters, pricingOf: (endpoint) => this.#pricingOf(endpoint) };
    this.clocks = clocks;
    this.paused = new Pause(clocks.steadyNow);
  }

  pause(reason: string | null = null, { by = null, holder = "operator" }: PauseOptions = {}): void {
    if (this.paused.begin(holder, reason, by))
      this.events.emit("execution:pause", { executionId: this.executionId, reason, by, holder });
    this.#running?.pipeline.wake();
  }

  resume({ by = null, holder = "operator" }: { by?: string | null; holder?: PauseHolder } = {}): void {
    const { sinceMs } = this.paused;
    if (sinceMs === null || !this.paused.end(holder) || this.paused.sinceMs !== null) return;
    const pausedMs = this.paused.endedMs! - sinceMs;
    this.events.emit("execution:unpause", { executionId: this.executionId, by, pausedMs });
    this.#running?.pipeline.unpaused(sinceMs);
  }

  get budgetPer(): BudgetPer {
    return this.#budgetPer;
  }

  async setConcurrency(calls: number | "auto"): Promise<void> {
    checkConcurrency(calls);
    await this.change({ concurrent: calls });
  }

  async setBudget(usd: number | null): Promise<void> {
    checkBudget(usd);
    await this.change({ budget: usd === null ? null : { usd, per: this.budgetPer } });
  }

  async requeue(selection: RetrySelection = {}): Promise<Requeued> {
    if (this.#running === null)
      throw new QuerymillError("USAGE", "There is nothing to requeue yet: wait for execution:start.");
    const { pipeline, recorder, manager, active } = this.#running;
    const made = await requeue(manager, recorder, selection, { nowMs: this.clocks.now(), active });
    pipeline.feed.requeued();
    return made;
  }

  /** All of it or, when something of it is refused, nothing. */
  async change(changes: LiveChanges): Promise<void> {
    const next: JobSettings = { ...this.settings, ...changes };
    checkEndpoints(this.settings.endpoints, next.endpoints);
    const pricingOf = changes.prices === undefined ? this.#pricingOf : await this.adapters.pricingWith(changes.prices);
    if (changes.budget !== undefined || changes.prices !== undefined) refuseUnpricedBudget(next, pricingOf);
    const reopened = await this.#reopen(next);
    this.#pricingOf = pricingOf;
    Object.assign(this.settings, changes);
    this.#budgetPer = changes.budget?.per ?? this.#budgetPer;
    for (const replace of reopened) replace();
    this.#gateway?.retune({ ceiling: slotCeiling(next), balance: next.balance });
    for (const settings of next.endpoints)
      this.#gateway
        ?.find(settings.name)
        ?.retune({ settings, concurrency: concurrencyOf(settings, next), share: next.share });
    this.#running?.pipeline.wake();
  }

  drainEndpoint(name: string): void {
    this.#endpoint(name).drain("told to drain");
  }

  resumeEndpoint(name: string): void {
    this.#endpoint(name).resume();
  }

  /** From now on endpoints can be told what to do. */
  protected openedGateway(gateway: Gateway, opened: readonly OpenEndpoint[], closers: Closers): void {
    this.#gateway = gateway;
    this.#opened = opened;
    this.#closers = closers;
    for (const { settings } of opened) this.#connections.set(settings.name, mostCalls(settings, this.settings));
  }

  /** From now on everything can be told what to do. */
  protected controls(running: Controlled): void {
    this.#running = running;
  }

  /**
   * Opens what has another key, or too few connections for what is wanted.
   * @returns what puts them in the place of those before
   */
  async #reopen(next: JobSettings): Promise<(() => void)[]> {
    const replacements: (() => void)[] = [];
    for (const { settings: first, provider } of this.#opened) {
      const settings = next.endpoints.find(({ name }) => name === first.name)!;
      const wanted = mostCalls(settings, next);
      const had = this.#connections.get(first.name)!;
      if (!provider.remote || (wanted <= had && sameLogin(settings, this.#known(first.name)))) continue;
      const connections = Math.max(wanted, had);
      const opened = await this.adapters.openProvider(settings, connections);
      replacements.push(() => {
        provider.replace(opened);
        this.#connections.set(first.name, connections);
        const endpoint = this.#gateway?.find(first.name);
        if (endpoint === undefined) return;
        this.adapters.pool?.move(endpoint, settings.model, this.clocks.steadyNow);
        // A key that is refused puts its endpoint out: with another one it may try again.
        if (!sameLogin(settings, first)) endpoint.resume();
      });
      this.#closers?.add(() => opened.close());
    }
    return replacements;
  }

  #known(name: string): EndpointSettings {
    return this.settings.endpoints.find((one) => one.name === name)!;
  }

  #endpoint(name: string): Endpoint {
    const endpoint = this.#gateway?.find(name);
    if (endpoint !== undefined) return endpoint;
    const names = this.settings.endpoints.map((one) => one.name);
    const why = names.includes(name)
      ? this.#gateway === null
        ? "It is not open yet: wait for execution:start."
        : "It works on this machine and makes no calls that could be held back."
      : `This run has ${names.join(", ")}.${didYouMean(name, names)}`;
    throw new QuerymillError("USAGE", `There is no endpoint ${name}. ${why}`);
  }
}

function sameLogin({ model: a }: EndpointSettings, { model: b }: EndpointSettings): boolean {
  return a.apiKey === b.apiKey && JSON.stringify(a.settings ?? {}) === JSON.stringify(b.settings ?? {});
}
