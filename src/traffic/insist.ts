import { setTimeout as delay } from "node:timers/promises";
import { QuerymillError } from "../errors.ts";
import { backoffMs } from "./retry.ts";
import type { StoreWatch } from "./store-watch.ts";

/** A store that is away for longer, in ms, is not back in a moment. */
const LONG_MS = 600_000;

/**
 * Repeats an action of a store until it is confirmed: for what can be done twice without harm. Only a store that is
 * away (STORE_FAILED, STORE_UNREACHABLE) is asked again, with growing, jittered delays of at most 5 s; after 10 minutes of
 * at most 30 s.
 * @param watch is told of it from the first try to the last, and says how long the store may be away
 * @throws the last error when the store was away for longer, or any other error at once; AbortError when `signal` fired
 */
export async function insist<T>(action: () => Promise<T>, watch: StoreWatch, signal: AbortSignal): Promise<T> {
  const startedMs = performance.now();
  const wait = watch.begin();
  try {
    for (let failures = 1; ; failures += 1) {
      try {
        return await action();
      } catch (error) {
        const away =
          error instanceof QuerymillError && (error.code === "STORE_FAILED" || error.code === "STORE_UNREACHABLE");
        const waitedMs = performance.now() - startedMs;
        if (!away || (watch.storeMs !== null && waitedMs > watch.storeMs)) throw error;
        watch.failed(wait, error);
        const maxDelayMs = waitedMs > LONG_MS ? 30_000 : 5_000;
        await delay(20 + backoffMs(failures, { baseDelayMs: 200, maxDelayMs }, Math.random), undefined, {
          signal,
        });
      }
    }
  } finally {
    watch.end(wait);
  }
}
