import { statfs } from "node:fs/promises";
import type { EventMap } from "../events.ts";
import { type HealthFacts, isAtWork, liveness, readiness, type Verdict } from "./health.ts";
import type { Watched } from "./metrics.ts";

/** What a probe is answered, as JSON. */
export interface Health extends Verdict {
  readonly status: "ok" | "hung" | "ready" | "not ready";
  readonly job: string;
  readonly executionId: string;
  readonly state: string;
}

/** A look at the disk that takes longer tells nothing, in ms. */
const DISK_MS = 1_000;
/** Signs of life. */
const SIGNS: readonly (keyof EventMap)[] = [
  ...(["execution:start", "item:settled", "call:ended", "call:failed", "sink:stored", "checkpoint:saved"] as const),
  ...(["execution:wait", "execution:resume", "execution:pause", "execution:unpause"] as const),
  ...(["endpoint:pause", "endpoint:resume", "endpoint:state"] as const),
];

/** Knows when something last happened in an execution, and tells probes the truth about it. */
export class HealthWatch {
  readonly #watched: Watched;
  readonly #deadlines: HealthFacts["deadlines"];
  readonly #folder: string;
  readonly #steadyNow: () => number;
  #lastMs: number;

  /** @param folder of the local state */
  constructor(watched: Watched, deadlines: HealthFacts["deadlines"], folder: string, steadyNow: () => number) {
    this.#watched = watched;
    this.#deadlines = deadlines;
    this.#folder = folder;
    this.#steadyNow = steadyNow;
    this.#lastMs = steadyNow();
    const sign = (): void => {
      this.#lastMs = this.#steadyNow();
    };
    for (const name of SIGNS) watched.events.on(name, sign);
  }

  /** Whether a restart would help. */
  live(): Health {
    const facts = this.#facts();
    const verdict = liveness(facts);
    return { ...verdict, status: verdict.ok ? "ok" : "hung", ...identity(facts) };
  }

  /** Whether it can work now. */
  async ready(): Promise<Health> {
    const free = await freeBytes(this.#folder);
    const facts = this.#facts();
    const verdict = readiness(facts, free);
    return { ...verdict, status: verdict.ok ? "ready" : "not ready", ...identity(facts) };
  }

  #facts(): HealthFacts {
    const snapshot = this.#watched.snapshot();
    const nowMs = this.#steadyNow();
    // The time in which there was something to wait for is no silence, also when its end is no event.
    if (!isAtWork(snapshot)) this.#lastMs = nowMs;
    return { snapshot, quietMs: nowMs - this.#lastMs, deadlines: this.#deadlines };
  }
}

/** @returns null where it cannot be told: no folder yet, or a disk that does not answer */
export async function freeBytes(folder: string): Promise<number | null> {
  const { promise: late, resolve } = Promise.withResolvers<null>();
  const timer = setTimeout(() => resolve(null), DISK_MS);
  try {
    const found = statfs(folder).then(
      ({ bavail, bsize }) => bavail * bsize,
      () => null,
    );
    return await Promise.race([found, late]);
  } finally {
    clearTimeout(timer);
  }
}

const identity = ({ snapshot: { job, executionId, state } }: HealthFacts) => ({ job, executionId, state });
