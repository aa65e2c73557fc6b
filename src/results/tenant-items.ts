import { matches } from "../filter.ts";
import type { JobSettings } from "../job.ts";
import type { SourceDocument } from "../store.ts";

/**
 * Whether a document of the source is one that these settings may show. Tenants that share a source are told apart by their
 * filters: what another one is about is not there for this one.
 */
export function isOfTenant(
  { tenant, filter }: Pick<JobSettings, "tenant" | "filter">,
  document: SourceDocument,
): boolean {
  return tenant === "default" || filter === null || matches(filter, document);
}
