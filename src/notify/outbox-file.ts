import { hostname } from "node:os";
import { join } from "node:path";
import { type FileSystem, nodeFileSystem } from "../state/files.ts";
import type { StateIdentity } from "../state/identity.ts";
import { currentOwner, OwnerLock } from "../state/owner.ts";
import { type QueueEntry, RetryQueue } from "../state/retry-queue.ts";
import type { Notification } from "./notification.ts";

/** One notification on its way to one channel, as it is kept in memory. */
export interface Waiting {
  /** Unique over channels and notifications. */
  readonly key: string;
  readonly channel: string;
  /** When it was put (epoch ms), never the same twice: the order of delivery. */
  readonly putMs: number;
  /** Attempts behind it. */
  readonly attempts: number;
  readonly informational: boolean;
  /** What the last attempt met; empty before the first. */
  readonly trouble: string;
}

/** A delivery as `notify list` shows it. */
type Shown = Waiting & Pick<Notification, "id" | "rule" | "subject" | "state" | "severity" | "title">;

/** What `notify list` shows of an outbox. */
export interface OutboxContent {
  readonly waiting: readonly Shown[];
  readonly givenUp: readonly (Shown & { readonly givenUpMs: number })[];
  /** The last hundred. */
  readonly delivered: readonly (Shown & { readonly deliveredMs: number })[];
}

/** No channel can be called that. */
const GIVEN_UP = "given up";
const DELIVERED = "was delivered";
/** Of each. */
const MOST_KEPT = 100;

interface Payload {
  readonly notification: Notification;
  readonly channel: string;
  readonly putMs: number;
}

/**
 * What is to be delivered, durable in a framed log `notify/notify.queue` of the job's folder, held by a lock of its own: an
 * ended run may still be delivering when the next one starts. It uses the plain file system and not the run's, whose
 * reserve for a full disk is for answers that were paid.
 */
export class OutboxFile {
  readonly #queue: RetryQueue;
  readonly #lock: OwnerLock;
  #broken = false;

  private constructor(queue: RetryQueue, lock: OwnerLock) {
    this.#queue = queue;
    this.#lock = lock;
  }

  /** @throws QuerymillError JOB_HELD (nothing was waited for), STATE_NEWER, STATE_DAMAGED, STATE_UNWRITABLE */
  static async open(
    jobFolder: string,
    identity: StateIdentity,
    startedAt: string,
    files = nodeFileSystem,
  ): Promise<OutboxFile> {
    const folder = folderOf(jobFolder);
    await files.makeFolder(folder);
    const owner = { pid: process.pid, host: hostname(), executionId: "", since: startedAt };
    const lock = OwnerLock.take(folder, owner, identity.job);
    const queue = queueIn(folder, identity, files);
    try {
      await queue.open();
    } catch (error) {
      lock.release();
      throw error;
    }
    return new OutboxFile(queue, lock);
  }

  /** @returns whether another process holds it now; costs no waiting */
  static isHeld(jobFolder: string): boolean {
    return currentOwner(folderOf(jobFolder)) !== null;
  }

  /** In the order of delivery. */
  waiting(): Waiting[] {
    return this.#queue.list().filter(isWaiting).map(waitingOf);
  }

  /** @returns null when it is not there or damaged @throws QuerymillError STATE_UNWRITABLE while the disk gives nothing */
  async read(key: string): Promise<Notification | null> {
    if (this.#broken) await this.#write(async () => {});
    return ((await this.#queue.read(key))?.payload as Payload | undefined)?.notification ?? null;
  }

  /** Durable when it returns. @throws QuerymillError STATE_UNWRITABLE */
  async save(waiting: readonly Waiting[], notification: Notification): Promise<void> {
    await this.#write(() => this.#queue.add(waiting.map((each) => entryOf(each, notification))));
  }

  /** Durable when it returns. @throws QuerymillError STATE_UNWRITABLE */
  async remove(keys: readonly string[]): Promise<void> {
    await this.#write(() => this.#queue.remove(keys));
  }

  /** Keeps it among the last 100 that were given up. @throws QuerymillError STATE_UNWRITABLE */
  async giveUp(waiting: Waiting, notification: Notification, nowMs: number): Promise<void> {
    await this.#keep(GIVEN_UP, waiting, notification, nowMs);
  }

  /** Keeps it among the last 100 that were delivered. @throws QuerymillError STATE_UNWRITABLE */
  async deliver(waiting: Waiting, notification: Notification, nowMs: number): Promise<void> {
    await this.#keep(DELIVERED, waiting, notification, nowMs);
  }

  async close(): Promise<void> {
    await this.#queue.close();
    this.#lock.release();
  }

  async #keep(queue: string, waiting: Waiting, notification: Notification, nowMs: number): Promise<void> {
    await this.#write(() => this.#queue.add([{ ...entryOf(waiting, notification), queue, dueMs: nowMs }]));
    const old = this.#queue.list({ queue }).slice(0, -MOST_KEPT);
    if (old.length > 0) await this.#write(() => this.#queue.remove(old.map(({ key }) => key)));
  }

  /** A queue that met a full disk takes nothing more until it is read again. */
  async #write(write: () => Promise<void>): Promise<void> {
    try {
      if (this.#broken) await this.#queue.open();
      await write();
      this.#broken = false;
    } catch (error) {
      this.#broken = true;
      throw error;
    }
  }
}

/** Works while a run holds it, and changes nothing. @throws QuerymillError STATE_NEWER, STATE_DAMAGED */
export async function readOutbox(jobFolder: string, identity: StateIdentity): Promise<OutboxContent> {
  const queue = queueIn(folderOf(jobFolder), identity, nodeFileSystem);
  await queue.open({ readOnly: true });
  const content = {
    waiting: [] as OutboxContent["waiting"][number][],
    givenUp: [] as OutboxContent["givenUp"][number][],
    delivered: [] as OutboxContent["delivered"][number][],
  };
  for (const entry of queue.list()) {
    const { notification, channel, putMs } = ((await queue.read(entry.key))?.payload ?? {}) as Partial<Payload>;
    if (notification === undefined || channel === undefined || putMs === undefined) continue;
    const { id, rule, subject, state, severity, title } = notification;
    const shown = { ...waitingOf(entry), channel, putMs, id, rule, subject, state, severity, title };
    if (isWaiting(entry)) content.waiting.push(shown);
    else if (entry.queue === GIVEN_UP) content.givenUp.push({ ...shown, givenUpMs: entry.dueMs });
    else content.delivered.push({ ...shown, deliveredMs: entry.dueMs });
  }
  return content;
}

function folderOf(jobFolder: string): string {
  return join(jobFolder, "notify");
}

function queueIn(folder: string, identity: StateIdentity, files: FileSystem): RetryQueue {
  return new RetryQueue(files, folder, "notify", identity);
}

function isWaiting({ queue }: { readonly queue: string }): boolean {
  return queue !== GIVEN_UP && queue !== DELIVERED;
}

function waitingOf({ key, queue, dueMs, round, failure, message }: Omit<QueueEntry, "payload">): Waiting {
  const informational = failure === "information";
  return { key, channel: queue, putMs: dueMs, attempts: round, informational, trouble: message };
}

function entryOf({ key, channel, putMs, attempts, trouble }: Waiting, notification: Notification): QueueEntry {
  const payload: Payload = { notification, channel, putMs };
  const { state } = notification;
  const place = { key, queue: channel, dueMs: putMs, round: attempts };
  return { ...place, failure: state, message: trouble, alike: 0, contentHash: null, payload };
}
