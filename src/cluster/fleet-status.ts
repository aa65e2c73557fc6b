import { messageOf, QuerymillError } from "../errors.ts";
import type { FleetSnapshot } from "../fleet.ts";
import type { JobSettings } from "../job.ts";
import { openStore } from "../jobs/wiring.ts";
import { lookAt } from "./fleet-look.ts";

/** How a fleet stands, by what it keeps in the store; or why that cannot be told. */
export type FleetStatus = FleetSnapshot | { readonly problem: string };

/** Looks without changing anything, whether or not anybody works. @returns null for a job that one process works off */
export async function fleetStatus(settings: JobSettings): Promise<FleetStatus | null> {
  if ((settings.workersAt ?? null) === null) return null;
  try {
    const store = await openStore({ ...settings, readOnly: true });
    try {
      const fleet = store.fleet?.(settings.targetCollection);
      return fleet === undefined ? null : (await lookAt(fleet)).fleet;
    } finally {
      await store.close();
    }
  } catch (error) {
    if (!(error instanceof QuerymillError)) throw error;
    return { problem: messageOf(error) };
  }
}
