import type { EndpointSettings, JobSettings } from "../job.ts";
import type { SharedEndpoint } from "../traffic/shared-endpoint.ts";
import type { FleetAllowance } from "./fleet-allowance.ts";
import { openAllowance } from "./open-allowance.ts";
import type { SharedAllowance, SharedBudget, Spender } from "./shared-allowance.ts";

/** Nothing that is asked costs anything. */
const UNLIMITED: SharedBudget = {
  left: () => ({ usd: Number.POSITIVE_INFINITY, mayGrow: false }),
  wants: () => {},
  end: () => {},
  leave: () => {},
};

/**
 * The limits and the budget of a fleet for the one that shares the work out: its own few calls go by leases too. Opened
 * when it holds the job.
 */
export class CoordinatorAllowance implements SharedAllowance {
  #opened: FleetAllowance | null = null;

  /** @throws QuerymillError CONFIG_INVALID, STORE_UNREACHABLE, STORE_REFUSED */
  async open(settings: JobSettings): Promise<void> {
    this.#opened ??= await openAllowance(settings);
  }

  join(endpoint: SharedEndpoint, settings: EndpointSettings): void {
    this.#opened?.join(endpoint, settings);
  }

  budget(budget: NonNullable<JobSettings["budget"]>, spender: Spender): SharedBudget {
    return this.#opened?.budget(budget, spender) ?? UNLIMITED;
  }

  /**
   * Tells the fleet what the job has spent, also before there was a fleet.
   * @param spentUsd USD of the budget's period that this time is in, epoch ms @param callUsd about what a call costs
   * @returns true when no more calls can be paid of the budget
   */
  async spent(budget: JobSettings["budget"], spentUsd: (atMs: number) => number, callUsd: number): Promise<boolean> {
    return budget !== null && (await this.#opened?.raise(budget, spentUsd, callUsd)) === true;
  }

  async close(): Promise<void> {
    await this.#opened?.close();
    this.#opened = null;
  }
}
