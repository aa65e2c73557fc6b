import type { EndpointSettings, JobSettings } from "../job.ts";
import type { SharedEndpoint } from "../traffic/shared-endpoint.ts";

/** One run's way to the money of a budget that a whole fleet spends, given out in small leases. */
export interface SharedBudget {
  /** How much of what was leased is not spent, in USD, and whether there may be more. */
  left(): { readonly usd: number; readonly mayGrow: boolean };
  /** Asks for more than is left, for calls that cost about so much. Comes back at once; see `onChange`. */
  wants(usd: number): void;
  /** Not one more call of this run can be paid: when the process leaves, the fleet knows that the budget is spent. */
  end(): void;
  /** The run is over: what it has spent by now counts. */
  leave(): void;
}

export interface Spender {
  /** What the run has spent so far, in USD; what it had spent when it joined is counted elsewhere. */
  readonly spentUsd: () => number;
  /** More may be spent now. */
  readonly onChange: () => void;
}

/** Limits of the whole fleet, given out in small leases so that few questions are asked. */
export interface SharedAllowance {
  /** From now on the calls of this endpoint go out by leases only, until it is closed. */
  join(endpoint: SharedEndpoint, settings: EndpointSettings): void;
  /** The budget that all runs of the job in this process spend from, for one of them. */
  budget(budget: NonNullable<JobSettings["budget"]>, spender: Spender): SharedBudget;
  close(): Promise<void>;
}
