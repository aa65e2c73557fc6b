import { setTimeout as delay } from "node:timers/promises";
import { storeAway } from "./store-url.ts";

/** A store that is just being started again is waited for so long, in ms. */
const PATIENCE_MS = 6_000;
const PAUSE_MS = 300;

/**
 * Connects for the first time. A store that refuses the login is told at once, one that is away after a while.
 * @throws QuerymillError STORE_UNREACHABLE, STORE_REFUSED
 */
export async function connectPatiently<T>(url: string, connect: () => Promise<T>): Promise<T> {
  const untilMs = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await connect();
    } catch (error) {
      const refused = storeAway(error, url);
      if (refused.code === "STORE_REFUSED" || performance.now() > untilMs) throw refused;
      await delay(PAUSE_MS);
    }
  }
}
