import { join } from "node:path";
import type { Item, ItemKey } from "../item.ts";
import { shortHash } from "../job.ts";
import { BatchFiles } from "./batch-file.ts";
import { type Checkpoint, Checkpoints } from "./checkpoint.ts";
import { type FileSystem, nodeFileSystem, openStateFolder } from "./files.ts";
import { GuardedFiles } from "./guarded-files.ts";
import type { StateIdentity } from "./identity.ts";
import { type QueueEntry, RetryQueue } from "./retry-queue.ts";

/** The range of a job that is not cut into several. */
export const WHOLE_RANGE = "0";

/** @returns the folder of one job's range: `<batchDir>/<tenant>/<job>-<hash>/<range>` */
export function jobFolder(batchDir: string, { tenant, job, range }: StateIdentity): string {
  const slug =
    job
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, "-")
      .slice(0, 40) || "job";
  return join(batchDir, tenant, `${slug}-${shortHash(job)}`, range);
}

/**
 * The local state of one job: batch files, checkpoints, retry queues and dead letters. The pipeline works on these very
 * parts. Call {@link open} first and {@link close} last; the journal beside them has its own class.
 */
export class BatchFileManager {
  readonly folder: string;
  readonly identity: StateIdentity;
  readonly files: GuardedFiles;
  readonly batches: BatchFiles;
  readonly checkpoints: Checkpoints;
  readonly retryQueue: RetryQueue;
  readonly deadLetters: RetryQueue;

  /**
   * @param batchDir where all jobs keep their state
   * @param identity `tenant` and `range` (its name, or what has one) default to `default` and `0`
   */
  constructor(
    batchDir: string,
    { job, tenant = "default", range }: { job: string; tenant?: string; range?: string | { name: string } | null },
    files: FileSystem = nodeFileSystem,
  ) {
    this.identity = { tenant, job, range: (typeof range === "object" ? range?.name : range) ?? WHOLE_RANGE };
    this.folder = jobFolder(batchDir, this.identity);
    this.files = new GuardedFiles(files, this.folder);
    this.batches = new BatchFiles(this.files, join(this.folder, "batches"), this.identity);
    this.checkpoints = new Checkpoints(this.files, this.folder);
    this.retryQueue = new RetryQueue(this.files, this.folder, "retry", this.identity);
    this.deadLetters = new RetryQueue(this.files, this.folder, "dead-letters", this.identity);
  }

  get journalFolder(): string {
    return join(this.folder, "journal");
  }

  /**
   * Makes the folder ready and reads the queues.
   * @returns how many damaged queue records were passed over
   * @throws QuerymillError STATE_UNWRITABLE
   */
  async open(): Promise<{ damaged: number }> {
    await openStateFolder(this.files, this.folder);
    const opened = [await this.retryQueue.open(), await this.deadLetters.open()];
    return { damaged: opened.reduce((sum, { damaged }) => sum + damaged, 0) };
  }

  /** Writes a batch file; not synced, since the source can rebuild it. */
  saveBatch(batchId: string, items: readonly Item[]): Promise<void> {
    return this.batches.save(batchId, items);
  }

  /** Durable when it returns. */
  saveCheckpoint(checkpoint: Checkpoint): Promise<void> {
    return this.checkpoints.save(checkpoint);
  }

  /** The newest whole checkpoint, or null. */
  async loadLatestCheckpoint(): Promise<Checkpoint | null> {
    return (await this.checkpoints.load(this.identity)).checkpoint;
  }

  /** Adds or replaces entries; durable when it returns. @param queue any name */
  addToRetryQueue(queue: string, entries: readonly Omit<QueueEntry, "queue">[]): Promise<void> {
    return this.retryQueue.add(entries.map((entry) => ({ ...entry, queue })));
  }

  /** Entries of a queue that are due at `dueMs` (all, when not given), in the order they come due. */
  getRetryQueueItems(queue: string, dueMs?: number): Omit<QueueEntry, "payload">[] {
    return this.retryQueue.list(dueMs === undefined ? { queue } : { queue, dueMs });
  }

  /** Durable when it returns. */
  async removeFromRetryQueue(queue: string, keys: readonly ItemKey[]): Promise<void> {
    await this.retryQueue.remove(keys.filter((key) => this.retryQueue.get(key)?.queue === queue));
  }

  async close(): Promise<void> {
    await this.retryQueue.close();
    await this.deadLetters.close();
  }
}
