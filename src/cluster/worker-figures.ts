import type { ExecutionEnd, RunSnapshot } from "../events.ts";
import type { WorkerReport } from "../fleet.ts";
import type { Wanted } from "./share-slots.ts";

type Figures = Pick<WorkerReport, "inFlight" | "limit" | "itemsPerSecond" | "settled" | "modelCalls" | "costUsd">;

/** What a worker has done over all its ranges, and does now. */
export class WorkerFigures {
  #settled = 0;
  #modelCalls = 0;
  #costUsd: number | null = 0;

  /** Of the ranges that have ended. */
  get settled(): number {
    return this.#settled;
  }

  /** A range has ended. */
  count({ read, inFlight, modelCalls, costUsd }: ExecutionEnd): void {
    this.#settled += read - inFlight;
    this.#modelCalls += modelCalls;
    this.#costUsd = this.#costUsd === null || costUsd === null ? null : this.#costUsd + costUsd;
  }

  /** @param underWay its ranges @param arePlacesShared whether the limit of one of them is that of all */
  with(
    underWay: readonly RunSnapshot[],
    { calls, most }: Pick<Wanted, "calls" | "most">,
    arePlacesShared: boolean,
  ): Figures {
    const sum = (of: (one: RunSnapshot) => number): number => underWay.reduce((total, one) => total + of(one), 0);
    const limits = underWay.map(({ slots }) => slots.limit);
    const limit = arePlacesShared ? Math.max(0, ...limits) : sum(({ slots }) => slots.limit);
    const cost = underWay.map(({ counters }) => counters.costUsd);
    return {
      inFlight: sum(({ slots }) => slots.busy),
      limit: calls === "auto" ? Math.min(most, limit) : calls,
      itemsPerSecond: sum(({ itemsPerSecond }) => itemsPerSecond),
      settled: this.#settled + sum(({ counters }) => counters.read - counters.inFlight),
      modelCalls: this.#modelCalls + sum(({ counters }) => counters.modelCalls),
      costUsd:
        this.#costUsd === null || cost.includes(null) ? null : this.#costUsd + sum((one) => one.counters.costUsd!),
    };
  }
}
