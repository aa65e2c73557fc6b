import { access } from "node:fs/promises";
import { QuerymillError } from "../errors.ts";
import type { JobSettings } from "../job.ts";
import type { Store } from "../store.ts";
import { openStore } from "./wiring.ts";

/**
 * Opens a store to look at it. An embedded file that is not there is not made.
 * @throws QuerymillError STORE_UNREACHABLE, STORE_REFUSED
 */
export async function openExistingStore(settings: Pick<JobSettings, "storeUri" | "db" | "deadlines">): Promise<Store> {
  const { storeUri } = settings;
  if (storeUri.startsWith("sqlite:")) {
    const path = storeUri.slice("sqlite:".length);
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
