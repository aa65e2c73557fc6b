import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { join } from "node:path";
import { QuerymillError } from "../errors.ts";
import type { BatchFileManager } from "../state/batch-file-manager.ts";
import { replaceFile } from "../state/files.ts";
import type { Lease } from "../store.ts";

/** The lease lasts so long without being renewed, and is renewed three times in it. */
const LEASE_MS = 30_000;

/** Whose lease it is to be. */
export interface LeaseRun {
  readonly job: string;
  readonly executionId: string;
  /** Only this part of the target; null: all of it. @default null */
  readonly range?: string | null;
  /** All of it, to share it out. @default false */
  readonly fleet?: boolean;
  /** @default 30_000 */
  readonly leaseMs?: number;
}

type OneLease = Pick<Lease, "acquire" | "renew" | "release">;

/** Holds the right to write a target, or a range of it: takes it, renews it, says when it is late or lost. */
export class LeaseKeeper {
  readonly fence: number;
  /** Identity of the state folder. */
  readonly ownerId: string;
  readonly #lease: OneLease;
  readonly #target: string;
  readonly #ttlMs: number;
  readonly #timer: NodeJS.Timeout;
  #renewedMs = performance.now();
  #renewing = false;
  #lost: QuerymillError | null = null;
  #onLost: (error: QuerymillError) => void = () => {};

  private constructor(lease: OneLease, target: string, ownerId: string, fence: number, ttlMs: number) {
    this.#lease = lease;
    this.#target = target;
    this.ownerId = ownerId;
    this.fence = fence;
    this.#ttlMs = ttlMs;
    this.#timer = setInterval(() => void this.#renew(), ttlMs / 3);
    this.#timer.unref();
  }

  /**
   * @throws QuerymillError TARGET_TAKEN when another job writes this target, JOB_HELD when another process holds this job
   */
  static async take(
    whole: Lease,
    target: string,
    manager: BatchFileManager,
    { job, executionId, range = null, fleet = false, leaseMs = LEASE_MS }: LeaseRun,
  ): Promise<LeaseKeeper> {
    const ownerId = await readOwnerId(manager);
    const lease = range === null ? whole : whole.ofRange!(range);
    const own = { job, ownerId, host: hostname(), pid: process.pid, executionId };
    const result = await lease.acquire(target, fleet ? { ...own, fleet } : own, leaseMs);
    if (result.status === "held") return new LeaseKeeper(lease, target, ownerId, result.fence, leaseMs);
    const { holder } = result;
    if (result.status === "other-job") {
      throw new QuerymillError(
        "TARGET_TAKEN",
        `${target} is written by job ${holder.job}, and two jobs on one target would overwrite each other. Choose another with --target-collection, or go on with that job: --job ${holder.job}.`,
      );
    }
    throw new QuerymillError(
      "JOB_HELD",
      `${range === null ? `Job ${job}` : `Range ${range} of job ${job}`} is held by process ${holder.pid} on ${holder.host} (execution ${holder.executionId}) until ${Math.ceil(result.expiresInMs / 1000)} s from now unless it renews. Stop it there, or wait.`,
    );
  }

  /** Why no call may go out now: the lease could run out before an answer is stored. */
  holdReason(): string | null {
    return performance.now() - this.#renewedMs > this.#ttlMs / 2 ? "the store has not confirmed the lease" : null;
  }

  /**
   * Before a write that carries no fence of its own: a process that slept past its lease must not write over its successor.
   * Asks the store only when the last renewal is late.
   * @throws QuerymillError FENCED; STORE_FAILED while the store is away
   */
  async confirm(): Promise<void> {
    if (this.#lost === null && this.holdReason() !== null) await this.#ask();
    if (this.#lost !== null) throw this.#lost;
  }

  /** Called once, when another process has taken over. */
  onLost(handler: (error: QuerymillError) => void): void {
    this.#onLost = handler;
    if (this.#lost !== null) handler(this.#lost);
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#lost === null) await this.#lease.release(this.#target, this.ownerId, this.fence);
  }

  async #renew(): Promise<void> {
    if (this.#renewing || this.#lost !== null) return;
    this.#renewing = true;
    try {
      await this.#ask();
    } catch {
      // The store is away: the next renewal tells; until then holdReason keeps calls back.
    } finally {
      this.#renewing = false;
    }
  }

  async #ask(): Promise<void> {
    // Counted from the question: a process can be stopped between the store's yes and reading it.
    const askedMs = performance.now();
    const held = await this.#lease.renew(this.#target, this.ownerId, this.fence, this.#ttlMs);
    if (held) this.#renewedMs = Math.max(this.#renewedMs, askedMs);
    if (held || this.#lost !== null) return;
    this.#lost = new QuerymillError(
      "FENCED",
      `Another process has taken over ${this.#target} while this one was stopped. This one writes nothing more.`,
    );
    this.#onLost(this.#lost);
  }
}

/** Identity of the state folder: whoever holds its lock may take over the lease of a process that died on it. */
async function readOwnerId(manager: BatchFileManager): Promise<string> {
  const path = join(manager.folder, "owner-id");
  const known = (await manager.files.read(path))?.toString().trim();
  if (known !== undefined && known.length > 0) return known;
  const ownerId = randomUUID();
  await replaceFile(manager.files, path, ownerId);
  return ownerId;
}
