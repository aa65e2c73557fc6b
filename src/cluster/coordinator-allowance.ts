import type { EndpointSettings, JobSettings } from "../job.ts";
import type { SharedEndpoint } from "../traffic/shared-endpoint.ts";
import type { FleetAllowance } from "./fleet-allowance.ts";
import { openAllowance } from "./open-allowance.ts";
import type { SharedAllowance } from "./shared-allowance.ts";

/**
 * The limits of a fleet for the one that shares the work out: its own few calls go by leases too. Its budget is counted
 * whole, since what workers have spent is counted for the job.
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

  /**
   * Tells the fleet what the job has spent, also before there was a fleet.
   * @returns true when nothing of the budget is left to lease
   */
  async spent(budget: JobSettings["budget"], usd: number): Promise<boolean> {
    return budget !== null && (await this.#opened?.raise(budget, usd)) === true;
  }

  async close(): Promise<void> {
    await this.#opened?.close();
    this.#opened = null;
  }
}
