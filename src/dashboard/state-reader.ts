import type { JobTotals } from "../counters.ts";
import type { ExecutionEnd } from "../events.ts";
import type { JobSettings } from "../job.ts";
import { type JobStatus, readStatus } from "../jobs/status.ts";
import { BatchFileManager, WHOLE_RANGE } from "../state/batch-file-manager.ts";
import type { Queues } from "./api.ts";
import { causesOf, perCall, priceAgain } from "./causes.ts";
import type { Look } from "./worker.ts";

/** What the local state of a job says. */
export interface Stored extends Queues {
  /** Read only while nobody works on the job: it takes the whole journal. */
  readonly status: JobStatus | null;
  readonly lastEnd: (ExecutionEnd & { readonly endedAt: string }) | null;
  readonly totals: JobTotals | null;
  /** The model that was asked last; null before the first run. */
  readonly model: string | null;
  readonly promptVersion: string | null;
}

const NOTHING_STORED: Stored = {
  retry: [],
  dead: [],
  status: null,
  lastEnd: null,
  totals: null,
  model: null,
  promptVersion: null,
};

/** A state is read again after this, in ms, and never so often that it takes more than half a percent of the time. */
const LEAST_MS = 1_000;
const REST = 200;

/** Reads queues and last end of a job from its folder, for all who look together, and seldom. */
export class StateReader {
  readonly #settings: JobSettings;
  readonly #steadyNow: () => number;
  #reading: Promise<Stored> | null = null;
  #last: Stored = NOTHING_STORED;
  #dueMs = 0;
  #readFor: string | null = null;

  constructor(settings: JobSettings, steadyNow: () => number) {
    this.#settings = settings;
    this.#steadyNow = steadyNow;
  }

  /** What was read last. */
  get last(): Stored {
    return this.#last;
  }

  /** @param look who works on the job now @throws QuerymillError STATE_NEWER, STATE_DAMAGED */
  async read(look: Look): Promise<Stored> {
    if (this.#reading !== null) return await this.#reading;
    const startMs = this.#steadyNow();
    const facts = factsOf(look);
    if (startMs < this.#dueMs || (facts !== null && facts === this.#readFor)) return this.#last;
    this.#reading = this.#readNow(look);
    try {
      this.#last = await this.#reading;
      this.#readFor = facts;
      return this.#last;
    } finally {
      this.#reading = null;
      const nowMs = this.#steadyNow();
      this.#dueMs = nowMs + Math.max(LEAST_MS, REST * (nowMs - startMs));
    }
  }

  /** The next one who asks gets what is there then. */
  forget(): void {
    this.#dueMs = 0;
    this.#readFor = null;
  }

  async #readNow({ from, snapshot }: Look): Promise<Stored> {
    const { batchDir } = this.#settings;
    const manager = new BatchFileManager(batchDir, { ...this.#settings, range: WHOLE_RANGE });
    const checkpoint = await manager.loadLatestCheckpoint();
    const status = from === "nobody" && checkpoint !== null ? await readStatus(batchDir, manager.identity) : null;
    if (status?.state === "unreadable") return { ...this.#last, status };
    await manager.retryQueue.open({ readOnly: true });
    await manager.deadLetters.open({ readOnly: true });
    try {
      const totals = snapshot?.jobTotals ?? status?.jobTotals ?? checkpoint?.state.totals ?? null;
      const price = priceAgain(perCall(totals));
      return {
        retry: causesOf(manager.retryQueue.list(), price),
        dead: causesOf(manager.deadLetters.list(), price),
        status,
        lastEnd: checkpoint?.lastEnd ?? null,
        totals,
        model: checkpoint === null ? null : checkpoint.fingerprint.model.replace(/\/$/, ""),
        promptVersion: checkpoint?.fingerprint.prompt ?? null,
      };
    } finally {
      await manager.close();
    }
  }
}

/** @returns what a process says of its queues and whether their price is known: while it is the same, they are; null when nobody can be asked */
function factsOf({ snapshot }: Look): string | null {
  if (snapshot?.jobTotals == null) return null;
  const { executionId, state, retryQueues, jobTotals } = snapshot;
  const isPriced = perCall(jobTotals) !== null;
  return JSON.stringify([executionId, state === "ended", retryQueues, jobTotals.deadLetters, isPriced]);
}
