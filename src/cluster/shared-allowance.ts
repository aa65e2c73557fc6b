import type { EndpointSettings, JobSettings } from "../job.ts";
import type { SharedEndpoint } from "../traffic/shared-endpoint.ts";

/** The money of a budget that a whole fleet spends, given out in small leases. */
export interface SharedBudget {
  /**
   * How much of what was leased is not spent, in USD, and whether there may be more.
   * @param spentUsd what this run has spent since it joined; never less than before
   */
  left(run: string, spentUsd: number): { readonly usd: number; readonly mayGrow: boolean };
  /** Asks for more than is left, for calls that cost about so much. Comes back at once; see `onChange`. */
  wants(usd: number): void;
}

/** Limits of the whole fleet, given out in small leases so that few questions are asked. */
export interface SharedAllowance {
  /** From now on the calls of this endpoint go out by leases only, until it is closed. */
  join(endpoint: SharedEndpoint, settings: EndpointSettings): void;
  /**
   * The budget that all runs of the job in this process spend from.
   * @param run who asks @param onChange more may be spent now
   */
  budget(budget: NonNullable<JobSettings["budget"]>, run: string, onChange: () => void): SharedBudget;
  close(): Promise<void>;
}
