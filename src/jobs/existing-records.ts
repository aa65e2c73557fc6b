import type { JobSettings } from "../job.ts";
import type { Target } from "../store.ts";

/** Whether the target has records of what is to be read, so that some may only lack their marks. */
export async function hasRecords(target: Target, { range = null }: Pick<JobSettings, "range">): Promise<boolean> {
  if (range !== null && target.hasWithin !== undefined) return await target.hasWithin(range);
  return (await target.count()) > 0;
}
