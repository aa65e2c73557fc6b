import type { Db, Document } from "mongodb";
import { QuerymillError } from "../errors.ts";

/**
 * Whether the connected user may do something to a collection (`createIndex`, `update`, …), as the server lists its
 * rights. Asks only, does nothing.
 * @returns null when the server does not say
 */
export async function mayDo(db: Db, collection: string, action: string): Promise<boolean | null> {
  const answer = await db.command({ connectionStatus: 1, showPrivileges: true }).catch(() => null);
  const { authenticatedUsers, authenticatedUserPrivileges } = (answer?.authInfo ?? {}) as Document;
  if (!Array.isArray(authenticatedUsers)) return null;
  // Nobody logged in and yet connected: the server asks nobody for rights.
  if (authenticatedUsers.length === 0) return true;
  if (!Array.isArray(authenticatedUserPrivileges)) return null;
  return authenticatedUserPrivileges.some(
    ({ resource, actions }) => actions.includes(action) && covers(resource, db.databaseName, collection),
  );
}

function covers(resource: Document, db: string, collection: string): boolean {
  if (resource.anyResource === true) return true;
  return (
    (resource.db === db || resource.db === "") && (resource.collection === collection || resource.collection === "")
  );
}

/** @param why completing `because …` */
export function notMarkable(collection: string, why: string): QuerymillError {
  return new QuerymillError(
    "SOURCE_NOT_MARKABLE",
    `${collection} cannot be marked, because ${why}. Querymill marks each settled document there: grant update on it, or leave it as it is and keep the marks beside the results with --mark target.`,
  );
}
