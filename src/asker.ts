import type { Classifier, Step, Task } from "./classify.ts";
import type { Clocks } from "./clocks.ts";
import { ModelError } from "./errors.ts";
import type { Events, StopReason } from "./events.ts";
import type { Mode } from "./job.ts";
import type { Outcome } from "./outcome.ts";
import type { Journal } from "./state/journal.ts";
import type { Budget } from "./traffic/budget.ts";
import { CallMeter } from "./traffic/call-meter.ts";
import type { Endpoint, Permit } from "./traffic/endpoint.ts";
import type { Gateway } from "./traffic/gateway.ts";

export interface AskerOptions extends Clocks {
  readonly mode: Mode;
  readonly executionId: string;
  readonly deadlines: { readonly itemMs: number };
  readonly budget: Budget;
  readonly classifier: Classifier;
  readonly gateway: Gateway;
  readonly journal: Journal;
  readonly events: Events;
  /** Why no call may go out just now (the store's lease is late, …), or null. Asked before each call and on {@link Asker.wake}. */
  readonly holdReason: () => string | null;
  /** Fires when no more calls may go out. */
  readonly stopping: AbortSignal;
  /** Fires when those in flight are cut off. */
  readonly aborting: AbortSignal;
  /** Ends the run: the trouble is not this item's. */
  readonly stop: (reason: StopReason, message: string) => void;
}

/** What became of an item in its slot. */
export type Asked =
  | { readonly next: "settle"; readonly outcome: Outcome; readonly latencyMs: number | null }
  /** Its next attempt is not before `afterMs`. */
  | { readonly next: "wait"; readonly afterMs: number; readonly reason: string }
  /** The run stops before it has an outcome: a later run reads it again. */
  | { readonly next: "go-back" };

type Failure = Exclude<Step, { next: "settle" }>;

const GO_BACK: Asked = { next: "go-back" };
/** Batch mode does not sit out a limit that lets nothing go for longer than this, in ms. */
const LONGEST_LIMIT_WAIT_MS = 600_000;

/** Asks the models about one item until it has an outcome, and draws from each failure what it means for item, endpoint and run. */
export class Asker {
  readonly #options: AskerOptions;
  /** What is in flight, and how well the slots are used. */
  readonly calls: CallMeter<Task>;
  #wakers: (() => void)[] = [];

  constructor(options: AskerOptions) {
    this.#options = options;
    this.calls = new CallMeter<Task>(() => options.gateway.capacity, options.steadyNow);
  }

  /** @throws bugs; QuerymillError when the journal cannot be written */
  async ask(task: Task): Promise<Asked> {
    for (;;) {
      const asked = this.#permit(task);
      const permit = asked instanceof Promise ? await asked : asked;
      if (permit === null) return GO_BACK;
      try {
        // It may have begun while an endpoint was waited for.
        if (asked instanceof Promise && this.#options.holdReason() !== null) {
          permit.cancel();
          continue;
        }
        const step = await this.#call(task, permit);
        if (step === null) return GO_BACK;
        if (step.next === "settle") return { next: "settle", outcome: step.outcome, latencyMs: step.latencyMs };
        const afterMs = this.#afterFailure(task, permit.endpoint, step);
        this.#sayFailed(task, permit.endpoint, step, afterMs);
        if (afterMs !== null) return { next: "wait", afterMs, reason: step.message };
      } finally {
        this.#options.budget.settle();
      }
    }
  }

  /** Lets those look again that wait for the budget or the store. */
  wake(): void {
    const wakers = this.#wakers;
    this.#wakers = [];
    for (const wake of wakers) wake();
  }

  /**
   * Why waiting on is of no use: a model that does not answer, or a limit that lets nothing go for long.
   * @param triedMs how long it could be tried, without a pause, in ms
   */
  stuck(triedMs: number): { readonly reason: StopReason; readonly message: string } | null {
    const { gateway, deadlines, steadyNow } = this.#options;
    if (Math.min(gateway.troubleMs, triedMs) > deadlines.itemMs) {
      const reasons = gateway.endpoints.map((endpoint) => {
        const { name, pauseReason, stateReason } = endpoint.snapshot();
        return `${name}: ${stateReason ?? pauseReason ?? "every call fails"}`;
      });
      const message = `Nothing was answered for ${minutes(deadlines.itemMs)}. ${reasons.join("; ")}`;
      return { reason: "run-breaker", message };
    }
    const { limitWait } = gateway;
    const waitMs = limitWait === null ? 0 : limitWait.untilMs - steadyNow();
    if (limitWait === null || waitMs <= LONGEST_LIMIT_WAIT_MS) return null;
    const message = `The quota of ${limitWait.endpoint} is used up. It can go on in ${minutes(waitMs)}.`;
    return { reason: "daily-quota", message };
  }

  /** One call. @returns null when it was cut off */
  async #call(task: Task, permit: Permit): Promise<Step | null> {
    const { journal, classifier, aborting } = this.#options;
    try {
      if (permit.endpoint.provider.remote) journal.note({ kind: "start", key: task.item.key });
    } catch (error) {
      permit.cancel();
      throw error;
    }
    this.calls.begin(task);
    try {
      return await classifier.step(task, permit, aborting);
    } catch (error) {
      if (error instanceof ModelError) return null;
      throw error;
    } finally {
      this.calls.end(task);
    }
  }

  /**
   * What a failed call means for the endpoint, the run and the item's next attempt.
   * @returns ms to wait without a slot; null: at once, or as soon as an endpoint may be called
   */
  #afterFailure(task: Task, endpoint: Endpoint, step: Failure): number | null {
    const { gateway, mode, deadlines, stop } = this.#options;
    if (step.next === "again") return null;
    if (step.next === "retry") {
      task.avoid.add(endpoint);
      if (gateway.hasOther(task.avoid)) return null;
      task.avoid.clear();
      return step.afterMs;
    }
    const others = gateway.endpoints.filter((other) => other !== endpoint);
    if (step.reason === "daily-quota") {
      const isAlone = !others.some(({ canServe }) => canServe);
      if (isAlone && mode !== "continuous") stop(step.reason, step.message);
      else endpoint.rest(deadlines.itemMs, step.message, !isAlone);
    } else if (!others.some(({ state }) => state === "in")) stop(step.reason, step.message);
    else endpoint.retire(step.message);
    return null;
  }

  /** The right to make one call, and what it costs reserved. @returns null when the item has to go back instead */
  #permit(task: Task): Promise<Permit | null> | Permit | null {
    const { gateway, classifier, budget, holdReason, stopping } = this.#options;
    if (stopping.aborted) return null;
    if (budget.isLimited || holdReason() !== null) return this.#rested(task, this.#permitInTurn(task));
    budget.reserve();
    const asked = gateway.acquire(classifier.wishOf(task), stopping);
    if (asked === null) budget.settle();
    return asked instanceof Promise ? this.#rested(task, this.#orSettle(asked)) : asked;
  }

  async #permitInTurn(task: Task): Promise<Permit | null> {
    const { gateway, classifier, budget, holdReason, stopping, stop } = this.#options;
    while (!stopping.aborted) {
      const reserved = holdReason() === null ? budget.reserve() : "wait";
      if (reserved === "spent") stop("budget", "The budget is spent.");
      if (reserved === "wait") await new Promise<void>((resolve) => this.#wakers.push(resolve));
      if (reserved !== "go") continue;
      return await this.#orSettle(gateway.acquire(classifier.wishOf(task), stopping));
    }
    return null;
  }

  /** What was reserved is given back when there is no call. */
  async #orSettle(asked: Promise<Permit | null> | Permit | null): Promise<Permit | null> {
    const permit = await asked;
    if (permit === null) this.#options.budget.settle();
    return permit;
  }

  /** Waiting for an endpoint, the budget or the end of a pause is not the item's time. */
  async #rested(task: Task, asked: Promise<Permit | null>): Promise<Permit | null> {
    const sinceMs = this.#options.steadyNow();
    const permit = await asked;
    task.restedMs += this.#options.steadyNow() - sinceMs;
    return permit;
  }

  #sayFailed(task: Task, endpoint: Endpoint, step: Failure, afterMs: number | null): void {
    const { events, executionId } = this.#options;
    if (!events.wants("call:failed")) return;
    events.emit("call:failed", {
      executionId,
      endpoint: endpoint.name,
      failure: step.failure,
      message: step.message,
      attempt: task.attempts,
      nextInMs: afterMs === null ? null : Math.round(afterMs),
    });
  }
}

const minutes = (ms: number): string => `${Math.round(ms / 60_000)} min`;
