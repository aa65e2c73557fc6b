import { type ControlClient, findControl } from "../control/client.ts";
import { messageOf } from "../errors.ts";
import { findJobs, tenantJobs } from "../jobs/status.ts";
import { jobFolder } from "../state/batch-file-manager.ts";

/** Who was told of a pause. */
export interface Told {
  /** null: no process runs it, nor could take it up; with a `problem`, nobody knows whether one does. */
  readonly pid: number | null;
  /** It changed something there. */
  readonly took: boolean;
  /** Why it did not take it; null when it did. */
  readonly problem: string | null;
}

/**
 * Tells the process that runs a tenant that it is paused, or goes on. A process with several tenants reads its settings
 * again, and so takes up one that it had not begun; one with this tenant alone is told itself.
 */
export async function tellRunning(batchDir: string, tenant: string, paused: boolean): Promise<Told> {
  let pid: number | null = null;
  try {
    const folders = (await tenantJobs(batchDir, tenant)).map((identity) => jobFolder(batchDir, identity));
    const own = folders.map((folder) => findControl(folder)).find((client) => client !== null) ?? null;
    const asked = own === null ? (paused ? [] : await others(batchDir)) : [own];
    for (const client of asked) {
      pid = client.record.pid;
      const { changes } = await client.tell("reload", {});
      if (changes[`tenants.${tenant}.paused`] !== undefined || changes[`tenants.${tenant}`] !== undefined)
        return { pid, took: true, problem: null };
      if (client !== own) continue;
      const done = paused
        ? await client.tell("pause", { reason: "paused in the settings" })
        : await client.tell("resume", {});
      return { pid, took: Object.keys(done.changes).length > 0, problem: null };
    }
    return { pid: null, took: false, problem: null };
  } catch (error) {
    return { pid, took: false, problem: messageOf(error) };
  }
}

/** One way to each process that runs other tenants. */
async function others(batchDir: string): Promise<ControlClient[]> {
  const byPid = new Map<number, ControlClient>();
  for (const identity of await findJobs(batchDir)) {
    if (identity.tenant === "default") continue;
    const client = findControl(jobFolder(batchDir, identity));
    if (client !== null && !byPid.has(client.record.pid)) byPid.set(client.record.pid, client);
  }
  return [...byPid.values()];
}
