import { QuerymillError } from "../errors.ts";

/** Whose state a file is: stands in every path and every header. */
export interface StateIdentity {
  readonly tenant: string;
  readonly job: string;
  readonly range: string;
}

/** Every state file's format; a newer one is refused. */
export const STATE_FORMAT = 1;

/**
 * @param found what a file says of itself
 * @throws QuerymillError STATE_NEWER (written by a newer version), STATE_DAMAGED (another job's file)
 */
export function refuseForeign(
  path: string,
  found: StateIdentity & { readonly format: number },
  identity: StateIdentity,
): void {
  if (found.format > STATE_FORMAT) {
    throw new QuerymillError(
      "STATE_NEWER",
      `${path} was written by a newer Querymill (format ${found.format}, this one reads ${STATE_FORMAT}). Run that version, or start over with --fresh.`,
    );
  }
  if (found.tenant !== identity.tenant || found.job !== identity.job || found.range !== identity.range) {
    throw new QuerymillError(
      "STATE_DAMAGED",
      `${path} belongs to job ${found.job} of tenant ${found.tenant}, not to ${identity.job} of ${identity.tenant}. Put the file back where it came from.`,
    );
  }
}
