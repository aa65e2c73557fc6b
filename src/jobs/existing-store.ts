import { access } from "node:fs/promises";
import { QuerymillError } from "../errors.ts";
import type { Store } from "../store.ts";
import { openStore, type StorePlaces } from "./wiring.ts";

/**
 * Opens the stores of a job to look at them. An embedded file that is not there is not made.
 * @throws QuerymillError STORE_UNREACHABLE, STORE_REFUSED
 */
export async function openExistingStore(settings: StorePlaces): Promise<Store> {
  const { storeUri, sourceStore } = settings;
  for (const uri of sourceStore === undefined ? [storeUri] : [sourceStore.storeUri, storeUri]) {
    if (!uri.startsWith("sqlite:")) continue;
    const path = uri.slice("sqlite:".length);
    const there = await access(path).then(
      () => true,
      () => false,
    );
    if (!there)
      throw new QuerymillError(
        "STORE_UNREACHABLE",
        `There is no store at ${path}: nothing was put there yet. Name yours with --store mongodb://HOST/DB or a file; querymill demo makes one with sample queries.`,
      );
  }
  return await openStore(settings);
}

/** As {@link openExistingStore}, the target's side alone. */
export async function openExistingTarget({ storeUri, db, deadlines }: StorePlaces): Promise<Store> {
  return await openExistingStore({ storeUri, db, deadlines });
}
