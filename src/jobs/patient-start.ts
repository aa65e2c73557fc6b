import { setTimeout as delay } from "node:timers/promises";
import { messageOf, QuerymillError } from "../errors.ts";
import { backoffMs } from "../traffic/retry.ts";
import { Closers } from "./closers.ts";

export interface PatientStartOptions {
  /** False: the first failure is the last. */
  readonly patient: boolean;
  readonly signal: AbortSignal;
  /** Called before each wait. @param untilMs steady clock */
  readonly onWait: (reason: string, afterMs: number) => void;
  /** Called once, when it was open after a wait. */
  readonly onOpen: () => void;
}

const BACKOFF = { baseDelayMs: 1_000, maxDelayMs: 30_000 };
/** What a restart elsewhere can mend; wrong credentials and missing collections only a person can. */
const AWAY: readonly string[] = ["STORE_UNREACHABLE", "STORE_FAILED"];

/**
 * Opens what may be away for hours, again and again with growing, jittered delays of at most 30 s. Nothing that a failed
 * try opened stays open.
 * @throws what is no matter of time; RUN_STOPPED when the signal fired meanwhile
 */
export async function openPatiently<T>(
  open: (closers: Closers) => Promise<T>,
  closers: Closers,
  { patient, signal, onWait, onOpen }: PatientStartOptions,
): Promise<T> {
  for (let failures = 0; ; failures += 1) {
    const own = new Closers();
    try {
      const opened = await open(own);
      closers.add(() => own.closeAll());
      if (failures > 0) onOpen();
      return opened;
    } catch (error) {
      await own.closeAll();
      if (!patient || !isAway(error)) throw error;
      const afterMs = backoffMs(failures + 1, BACKOFF, Math.random) + 200;
      if (!signal.aborted) onWait(messageOf(error), afterMs);
      await delay(afterMs, undefined, { signal }).catch(() => {});
      if (signal.aborted)
        throw new QuerymillError("RUN_STOPPED", `Stopped before it could begin: ${messageOf(error)}`, { cause: error });
    }
  }
}

function isAway(error: unknown): boolean {
  if (!(error instanceof QuerymillError)) return false;
  // Without a cause the server did answer: it does not know the model.
  return AWAY.includes(error.code) || (error.code === "MODEL_UNREACHABLE" && error.cause !== undefined);
}
