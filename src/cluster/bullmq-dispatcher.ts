import { randomBytes } from "node:crypto";
import type { Job, Queue, Worker, WorkerOptions } from "bullmq";
import { QuerymillError } from "../errors.ts";
import { loadPeers } from "../observe/peer-package.ts";
import type { Dispatcher, FleetPlace, FreeRange, Handout } from "./ports.ts";
import { connectPostgres } from "./postgres-place.ts";
import { connectRedis, reconnectPauseMs } from "./redis-place.ts";
import { kindOf, placeOf, reasonOf, storeAway } from "./store-url.ts";

/** Of all keys in Redis, and the schema in PostgreSQL. */
const PREFIX = "querymill";
/** A job that its worker has not renewed for so long goes to another one, if the range was not offered anew before. In ms. */
const LOCK_MS = 30_000;
const RENEW_MS = 12_000;
const STALLED_MS = 30_000;
/** The lease in MongoDB says when a range is given up, never the queue. */
const EVERY_STALL = 1_000_000;
/** The longest a worker waits in the store for a job, in s. */
const BLOCK_S = 5;
const OPERATION_MS = 10_000;
/** How often it is looked whether the store has lost what was offered, and how often all is offered again, in ms. */
const LOOK_MS = 10_000;
const AGAIN_MS = 60_000;
/** A range that could not be worked on is brought again after so long, in ms. */
const BACK_MS = 1_000;

const NEVER = new AbortController().signal;

const WORK = {
  autorun: false,
  lockDuration: LOCK_MS,
  stalledInterval: STALLED_MS,
  maxStalledCount: EVERY_STALL,
  drainDelay: BLOCK_S,
} satisfies Partial<WorkerOptions>;

interface Parts {
  readonly queue: Queue;
  readonly worker: Worker;
}

/** A job in these hands, until its lock ends. */
interface Found {
  readonly job: Job;
  readonly id: string;
  readonly token: string;
}

/**
 * Hands out ranges by BullMQ, in Redis, Valkey or PostgreSQL: one queue for each job of each tenant, one job for each
 * range, nothing kept of those that are done. Whatever happens to the store, only time is lost: what is still free is
 * offered again.
 */
export class BullDispatcher implements Dispatcher {
  readonly #url: string;
  readonly #parts: Parts;
  readonly #offered = new Map<string, number>();
  readonly #held = new Map<string, string>();
  readonly #name = randomBytes(6).toString("hex");
  readonly #renewing: NodeJS.Timeout;
  #handouts = 0;
  #operations = 0;
  #lookedMs = performance.now();
  /** A question under way, or a job that came when nobody waited: the next asker's. Its lock is not renewed before. */
  #asking: Promise<Found | null> | null = null;
  #fault: unknown = null;
  #isWatching = false;

  private constructor(url: string, parts: Parts) {
    this.#url = url;
    this.#parts = parts;
    parts.queue.on("error", (error) => this.#broke(error));
    parts.worker.on("error", (error) => this.#broke(error));
    this.#renewing = setInterval(() => void this.#renew(), RENEW_MS);
    this.#renewing.unref();
  }

  /** @throws QuerymillError CONFIG_INVALID without the packages; STORE_UNREACHABLE, STORE_REFUSED */
  static async open(place: FleetPlace): Promise<BullDispatcher> {
    const url = place.workersAt;
    const parts = await (kindOf(url) === "Redis" ? redisParts : postgresParts)(url, `${place.tenant}.${place.job}`);
    return new BullDispatcher(url, parts);
  }

  /** Removes the queue of the job, whatever is in it. @throws QuerymillError STORE_UNREACHABLE, STORE_REFUSED */
  async remove(): Promise<void> {
    const { queue } = this.#parts;
    try {
      await this.#does(() => queue.obliterate({ force: true }));
    } catch (error) {
      throw storeAway(error, this.#url);
    }
  }

  get operations(): number {
    return this.#operations;
  }

  /** Ends quietly while the store is away: what is free then is offered later. */
  async offer(free: readonly FreeRange[]): Promise<void> {
    const nowMs = performance.now();
    const ranges = free.map(jobIdOf);
    // What is no longer free was taken; if it comes back, it is offered anew.
    const present = new Set(ranges);
    for (const id of this.#offered.keys()) if (!present.has(id)) this.#offered.delete(id);
    try {
      await this.#forgetLost(ranges, nowMs);
      const missing = ranges.filter((id) => nowMs - (this.#offered.get(id) ?? -AGAIN_MS) >= AGAIN_MS);
      if (missing.length === 0) return;
      const jobs = missing.map((jobId) => ({
        name: "range",
        data: {},
        opts: { jobId, removeOnComplete: true, removeOnFail: true },
      }));
      await this.#does(() => this.#parts.queue.addBulk(jobs), jobs.length);
      for (const id of missing) this.#offered.set(id, nowMs);
    } catch (error) {
      this.#broke(error);
    }
  }

  async next(waitMs: number, signal: AbortSignal): Promise<Handout | null> {
    const untilMs = performance.now() + waitMs;
    while (!signal.aborted) {
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) break;
      this.#asking ??= this.#ask().then((found) => {
        if (found === null) this.#asking = null;
        return found;
      });
      const found = await rested(leftMs, signal, this.#asking);
      if (found !== null) {
        this.#asking = null;
        return this.#handOut(found);
      }
      if (this.#fault !== null) throw this.#away();
    }
    return null;
  }

  async close(): Promise<void> {
    clearInterval(this.#renewing);
    const { queue, worker } = this.#parts;
    await rested(2_000, NEVER, this.#giveBackFound());
    await rested(2_000, NEVER, Promise.allSettled([worker.close(true), queue.close()]));
  }

  /** What came when nobody waited; what is still asked for then does not come any more. */
  async #giveBackFound(): Promise<void> {
    const found = this.#asking === null ? null : await rested(0, NEVER, this.#asking);
    if (found !== null) await this.#handOut(found).giveBack();
  }

  /** @returns null when there is none, and when the store is away */
  async #ask(): Promise<Found | null> {
    const { worker } = this.#parts;
    try {
      if (!this.#isWatching) {
        // Brings back what a worker that died had, and does so for all.
        this.#isWatching = true;
        void worker.startStalledCheckTimer();
      }
      this.#handouts += 1;
      const token = `${this.#name}:${this.#handouts}`;
      this.#operations += 2;
      const job = (await worker.getNextJob(token)) as Job | undefined;
      this.#fault = null;
      return job?.id === undefined ? null : { job, id: job.id, token };
    } catch (error) {
      this.#broke(error);
      return null;
    }
  }

  #handOut({ job, id, token }: Found): Handout {
    this.#held.set(id, token);
    const end = async (action: () => Promise<unknown>): Promise<void> => {
      this.#held.delete(id);
      // The queue may have forgotten it, or given it to another: the plan says who has it.
      await this.#does(action).catch((error: unknown) => this.#broke(error));
    };
    return {
      range: rangeOf(id),
      settle: () => end(() => job.moveToCompleted(null, token, false)),
      giveBack: () => end(() => job.moveToDelayed(Date.now() + BACK_MS, token)),
    };
  }

  async #renew(): Promise<void> {
    if (this.#held.size === 0) return;
    const { worker } = this.#parts;
    await this.#does(() => worker.extendJobLocks([...this.#held.keys()], [...this.#held.values()], LOCK_MS)).catch(
      (error: unknown) => this.#broke(error),
    );
  }

  /**
   * What was offered and does not wait in the store is offered anew: it was lost, or is in somebody's hands. A store that
   * evicts keys may have kept a part of it, beside which nothing of that name is added; what is locked stays.
   */
  async #forgetLost(ranges: readonly string[], nowMs: number): Promise<void> {
    if (nowMs - this.#lookedMs < LOOK_MS || this.#offered.size === 0) return;
    this.#lookedMs = nowMs;
    const { queue } = this.#parts;
    const there = new Set(await this.#does(() => queue.getRanges(["waiting", "delayed", "prioritized"], 0, -1)));
    const lost = ranges.filter((id) => this.#offered.has(id) && !there.has(id));
    await this.#does(() => Promise.all(lost.map((id) => queue.remove(id))), lost.length);
    for (const id of lost) this.#offered.delete(id);
  }

  async #does<T>(action: () => Promise<T>, operations = 1): Promise<T> {
    this.#operations += operations;
    const done = await rested(OPERATION_MS, NEVER, action());
    if (done === null) throw new Error(`no answer within ${OPERATION_MS / 1_000} s`);
    return done;
  }

  #broke(error: unknown): void {
    // A lock that was lost and a job that is gone are what a flush leaves.
    if (/Missing (lock|key)|not in the active state|Lock mismatch/i.test(String(error))) return;
    this.#fault = error;
    // It may come back empty.
    this.#lookedMs = Number.NEGATIVE_INFINITY;
  }

  #away(): QuerymillError {
    const [kind, place, reason] = [kindOf(this.#url), placeOf(this.#url), reasonOf(this.#fault, this.#url)];
    return new QuerymillError(
      "STORE_UNREACHABLE",
      `${kind} at ${place} hands out no ranges at the moment (${reason}). What is begun goes on; it is asked again by itself.`,
    );
  }
}

/** Another one whenever the range is free again: the job of a worker that died stays in its hands for a while. */
const jobIdOf = ({ name, attempts }: FreeRange): string => `${name}.${attempts}`;
const rangeOf = (jobId: string): string => jobId.split(".")[0]!;

async function redisParts(url: string, name: string): Promise<Parts> {
  // The packages, the login and the place are right, or it is said here, in words.
  const [{ Queue: Q, Worker: W }] = (await loadPeers("--workers-at redis://…", ["bullmq", "ioredis"])) as unknown as [
    typeof import("bullmq"),
  ];
  (await connectRedis(url)).disconnect();
  const retryStrategy = (tries: number): number => reconnectPauseMs(tries);
  const reconnectOnError = (error: Error): boolean => error.message.startsWith("READONLY");
  const lasting = { url, retryStrategy, reconnectOnError, maxRetriesPerRequest: null };
  const options = { prefix: PREFIX, skipVersionCheck: true };
  return {
    queue: new Q(name, { ...options, connection: { ...lasting, enableOfflineQueue: false } }),
    worker: new W(name, null, { ...options, ...WORK, connection: lasting }),
  };
}

async function postgresParts(url: string, name: string): Promise<Parts> {
  const [bull] = (await loadPeers("--workers-at postgres://…", ["bullmq", "pg"])) as unknown as [
    typeof import("bullmq"),
  ];
  await (await connectPostgres(url)).end();
  const { Queue: Q, Worker: W } = bull.withBackend(bull.createPostgresBackend);
  const connection = { connectionString: url, schema: PREFIX, migrate: true, max: 4 };
  const parts = { queue: new Q(name, { connection }), worker: new W(name, null, { ...WORK, connection }) };
  try {
    await Promise.all([parts.queue.waitUntilReady(), parts.worker.waitUntilReady()]);
  } catch (error) {
    await Promise.allSettled([parts.queue.close(), parts.worker.close(true)]);
    throw storeAway(error, url);
  }
  return parts as unknown as Parts;
}

/** Resolves with what is waited for, or with null after `ms` or when the signal fires. */
async function rested<T = never>(ms: number, signal: AbortSignal, done?: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  let end: () => void = () => {};
  const over = new Promise<null>((resolve) => {
    end = () => resolve(null);
    timer = setTimeout(end, ms);
    signal.addEventListener("abort", end, { once: true });
  });
  try {
    return await (done === undefined ? over : Promise.race([done, over]));
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
  }
}
