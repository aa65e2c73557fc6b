/** Unprocessed items that were left alone, since they had not been quiet for long enough. */
export interface LeftAlone {
  /** No part of `read`. */
  waitingUntilQuiet: number;
}

/** What a run sees of conversations that grow. */
export interface GrownSnapshot {
  /** Unprocessed items that are left alone until they are quiet, and when the next one is (epoch ms). */
  quiet: { items: number; nextMs: number | null };
  /** Settled items of this execution whose texts had changed, and why none can be looked for; null when nobody looks. */
  growing: { found: number; trouble: string | null } | null;
}
