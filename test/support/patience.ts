import { setTimeout as delay } from "node:timers/promises";

/** How long a test waits for what must come, in ms: as good as for ever. How fast a machine is decides no test. */
export const PATIENCE_MS = 120_000;

/** For `vi.waitFor`, whose own default is a second. */
export const PATIENT = { timeout: PATIENCE_MS };

/** Waits until something is so. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const startedMs = performance.now();
  while (!(await isSo())) {
    if (performance.now() - startedMs > PATIENCE_MS)
      throw new Error(`it did not come about within ${PATIENCE_MS / 1_000} s`);
    await delay(20);
  }
}
