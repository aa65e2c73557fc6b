import { parseStoreUri } from "../config/store-uri.ts";
import type { JobSettings } from "../job.ts";

type Places = Pick<
  JobSettings,
  | "tenant"
  | "job"
  | "storeUri"
  | "db"
  | "sourceStore"
  | "sourceCollection"
  | "targetCollection"
  | "mark"
  | "markIn"
  | "filter"
>;

/**
 * What keeps two tenants from running beside each other: they would write over each other, read each other's results, or
 * never see what the other has marked.
 * @returns one sentence each
 */
export function tenantConflicts(all: readonly Places[]): string[] {
  return all.flatMap((one, at) => all.slice(0, at).flatMap((other) => conflictOf(other, one) ?? []));
}

function conflictOf(a: Places, b: Places): string | null {
  const where = `tenants.${b.tenant}`;
  if (targetOf(a) === targetOf(b))
    return `${where}: its target is that of tenant ${a.tenant}, ${b.targetCollection}: they would write over each other. Give it a targetCollection, a db or a store of its own.`;
  for (const [reader, writer] of [
    [a, b],
    [b, a],
  ] as const)
    if (sourceOf(reader) === targetOf(writer))
      return `${where}: the source of tenant ${reader.tenant} is the target of tenant ${writer.tenant}, ${writer.targetCollection}: results would be read as queries. Choose another collection for one of them.`;
  if (a.job === b.job)
    return `${where}: its job is called ${b.job}, as that of tenant ${a.tenant}. Marks and records name the job: leave job out, or choose another name.`;
  const isMarked = a.markIn !== "target" && b.markIn !== "target" && a.mark.processed === b.mark.processed;
  if (isMarked && sourceOf(a) === sourceOf(b) && (a.filter === null || b.filter === null))
    return `${where}: it reads ${b.sourceCollection} and marks it with ${b.mark.processed}, as tenant ${a.tenant} does: each would pass over what the other has done. Give both a filter, one of them mark.processed with another name, or mark: target.`;
  return null;
}

function targetOf({ storeUri, db, targetCollection }: Places): string {
  return placeOf(storeUri, db, targetCollection);
}

function sourceOf({ storeUri, db, sourceStore, sourceCollection }: Places): string {
  return placeOf(sourceStore?.storeUri ?? storeUri, sourceStore?.db ?? db, sourceCollection);
}

/** Equal for two ways to write the same place. */
function placeOf(uri: string, db: string, collection: string): string {
  const identity = parseStoreUri(uri, "/")?.identity ?? uri;
  return JSON.stringify(uri.startsWith("sqlite:") ? [identity, collection] : [identity, db, collection]);
}
