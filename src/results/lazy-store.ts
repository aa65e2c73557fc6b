import { QuerymillError } from "../errors.ts";
import { openExistingStore } from "../jobs/existing-store.ts";
import type { StorePlaces } from "../jobs/wiring.ts";
import type { Store } from "../store.ts";

/** A connection that is made when it is first needed, shared by all who look, and tried again after it could not be made. */
export class LazyStore {
  readonly #settings: StorePlaces;
  #opening: Promise<Store> | null = null;
  #closed = false;

  constructor(settings: StorePlaces) {
    this.#settings = settings;
  }

  /** @throws QuerymillError STORE_UNREACHABLE, STORE_REFUSED */
  readonly get = async (): Promise<Store> => {
    if (this.#closed) throw new QuerymillError("STORE_FAILED", "The store is closed: this process ends.");
    if (this.#opening === null) {
      const opening = openToLook(this.#settings);
      this.#opening = opening;
      opening.catch(() => {
        if (this.#opening === opening) this.#opening = null;
      });
    }
    return await this.#opening;
  };

  async close(): Promise<void> {
    this.#closed = true;
    await (await this.#opening?.catch(() => null))?.close();
  }
}

/** An embedded file that may not be written is read as it is. */
async function openToLook(settings: StorePlaces): Promise<Store> {
  try {
    return await openExistingStore(settings);
  } catch (error) {
    const isFile = settings.storeUri.startsWith("sqlite:");
    if (!isFile || !(error instanceof QuerymillError) || error.code !== "STORE_REFUSED") throw error;
    return await openExistingStore({ ...settings, readOnly: true });
  }
}
