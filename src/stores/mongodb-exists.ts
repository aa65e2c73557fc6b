import type { Db } from "mongodb";
import { collectionMissing, nearestNames } from "./missing-collection.ts";

/** @throws QuerymillError COLLECTION_MISSING, with the nearest names and how many documents they have */
export async function checkExists(db: Db, wanted: string): Promise<void> {
  const all = await db.listCollections({}, { nameOnly: true, authorizedCollections: true }).toArray();
  const found = all.find(({ name }) => name === wanted);
  if (found) return;
  const names = all.map(({ name }) => name).filter((name) => !/^(system\.|querymill_leases$)/.test(name));
  const nearest = await Promise.all(
    nearestNames(wanted, names).map(async (name) => ({
      name,
      documents: await db
        .collection(name)
        .estimatedDocumentCount()
        .catch(() => null),
    })),
  );
  throw collectionMissing(wanted, db.databaseName, nearest);
}
