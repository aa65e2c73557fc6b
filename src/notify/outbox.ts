import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { messageOf } from "../errors.ts";
import type { FileSystem } from "../state/files.ts";
import type { StateIdentity } from "../state/identity.ts";
import type { Channel, Delivery, Send } from "./channel.ts";
import { Lane, type LaneOptions } from "./lane.ts";
import type { Notification, Outbox } from "./notification.ts";
import { OutboxFile, type Waiting } from "./outbox-file.ts";
import { plainNotification } from "./plain-notification.ts";

export interface OutboxOptions {
  /** The job's state folder. */
  readonly folder: string;
  readonly identity: StateIdentity;
  readonly channels: readonly Channel[];
  readonly send: Send;
  readonly logger: Logger;
  /** @default the machine's */
  readonly files?: FileSystem;
  /** Wall clock, epoch ms. @default the machine's */
  readonly now?: () => number;
  /** Uniform in [0, 1). @default Math.random */
  readonly random?: () => number;
  /** How a rest passes. @default a timer that keeps no process alive */
  readonly wait?: LaneOptions["wait"];
  /** How long {@link Outbox.close} goes on with what is due, in ms. @default 5,000 */
  readonly closeMs?: number;
  /** Most deliveries that wait. @default 10,000 */
  readonly most?: number;
}

const CLOSE_MS = 5_000;
const MOST_WAITING = 10_000;
/** How long the file may be held by an earlier run that is just ending, in ms, and how often that is looked at. */
const HELD = { mostMs: 15_000, everyMs: 200 };

/**
 * Opens the outbox of a job and goes on delivering what an earlier process left. Neither trouble with its file nor with a
 * channel is thrown: what cannot be kept on disk is delivered from memory, and the log says so.
 */
export async function openOutbox(options: OutboxOptions): Promise<Outbox> {
  const outbox = new DurableOutbox(options);
  if (!OutboxFile.isHeld(options.folder)) await outbox.opened;
  return outbox;
}

class DurableOutbox implements Outbox {
  /** Resolves when the file is open, or known not to be usable. */
  readonly opened: Promise<void>;
  readonly #options: OutboxOptions;
  readonly #now: () => number;
  readonly #lanes = new Map<string, Lane>();
  /** All that waits, oldest first. */
  readonly #waiting = new Map<string, Waiting>();
  /** What is in no file. */
  readonly #unsaved = new Map<string, Notification>();
  readonly #closing = new AbortController();
  #file: OutboxFile | null = null;
  #lastPutMs = 0;
  #dropped = 0;
  /** True while the file takes nothing, so that this is said once. */
  #unwritable = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    const { channels, logger, random = Math.random, wait } = options;
    for (const channel of channels)
      this.#lanes.set(
        channel.name,
        new Lane({
          name: channel.name,
          logger,
          now: this.#now,
          random,
          ...(wait === undefined ? {} : { wait }),
          attempt: (waiting, signal) => this.#attempt(channel, waiting, signal),
          delivered: (waiting) => this.#settled(waiting),
          failed: (waiting) => this.#failed(waiting),
          gaveUp: (waiting) => this.#gaveUp(waiting),
        }),
      );
    this.opened = this.#open();
  }

  async put(notification: Notification, channels: readonly string[]): Promise<void> {
    const { logger } = this.#options;
    try {
      await this.opened;
      const known = [...new Set(channels)].filter((name) => this.#lanes.has(name));
      const unknown = channels.filter((name) => !this.#lanes.has(name));
      if (unknown.length > 0) logger.error({ channels: unknown, rule: notification.rule }, "there is no such channel");
      if (this.#closing.signal.aborted) logger.error({ rule: notification.rule }, "a notification came after the end");
      else if (known.length > 0) await this.#take(plainNotification(notification), known);
    } catch (error) {
      logger.error({ err: error, rule: notification.rule }, "a notification is lost");
    }
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    await this.opened;
    const { closeMs = CLOSE_MS, logger } = this.#options;
    await Promise.all([...this.#lanes.values()].map((lane) => lane.close(closeMs)));
    const left = this.#waiting.size - this.#unsaved.size;
    if (left > 0) logger.warn({ left }, "notifications wait for the next run, which delivers them");
    if (this.#unsaved.size > 0)
      logger.error({ lost: this.#unsaved.size }, "notifications are lost: their file took none");
    await this.#file?.close().catch((error: unknown) => logger.warn({ err: error }, "the outbox did not close"));
  }

  async #open(): Promise<void> {
    const { folder, identity, logger, files } = this.#options;
    try {
      for (let passedMs = 0; OutboxFile.isHeld(folder) && passedMs < HELD.mostMs; passedMs += HELD.everyMs)
        // It keeps the process alive: a run that has ended meanwhile has nothing else that would.
        await sleep(HELD.everyMs, undefined, { signal: this.#closing.signal });
      this.#file = await OutboxFile.open(folder, identity, new Date(this.#now()).toISOString(), files);
    } catch (error) {
      if (!this.#closing.signal.aborted)
        logger.error({ reason: messageOf(error) }, "notifications are kept in memory only");
      return;
    }
    for (const waiting of this.#file.waiting()) {
      this.#lastPutMs = Math.max(this.#lastPutMs, waiting.putMs);
      this.#waiting.set(waiting.key, waiting);
      const lane = this.#lanes.get(waiting.channel);
      if (lane !== undefined) lane.add(waiting);
      else {
        const trouble = `there is no channel ${waiting.channel} any more`;
        logger.error({ channel: waiting.channel, notification: waiting.key, reason: trouble }, "notification given up");
        await this.#gaveUp({ ...waiting, trouble });
      }
    }
  }

  async #take(notification: Notification, channels: readonly string[]): Promise<void> {
    const taken = channels.map((channel): Waiting => {
      this.#lastPutMs = Math.max(this.#now(), this.#lastPutMs + 1);
      const informational = notification.state === "information";
      const place = { key: `${channel}/${notification.id}`, channel, putMs: this.#lastPutMs };
      return { ...place, attempts: 0, informational, trouble: "" };
    });
    for (const waiting of taken) this.#unsaved.set(waiting.key, notification);
    if (await this.#written((file) => file.save(taken, notification)))
      for (const { key } of taken) this.#unsaved.delete(key);
    for (const waiting of taken) {
      this.#waiting.set(waiting.key, waiting);
      this.#lanes.get(waiting.channel)!.add(waiting);
    }
    await this.#makeRoom();
  }

  /** The oldest information goes first; only when there is none the oldest of all. */
  async #makeRoom(): Promise<void> {
    const { most = MOST_WAITING, logger } = this.#options;
    const gone: string[] = [];
    while (this.#waiting.size > most) {
      const all = [...this.#waiting.values()];
      const waiting = all.find(({ informational }) => informational) ?? all[0]!;
      this.#lanes.get(waiting.channel)?.forget(waiting.key);
      this.#waiting.delete(waiting.key);
      this.#unsaved.delete(waiting.key);
      gone.push(waiting.key);
    }
    if (gone.length === 0) return;
    // Said at the first, and then now and then.
    if (this.#dropped % 1_000 === 0)
      logger.error(
        { most, dropped: this.#dropped + gone.length },
        "too many notifications wait: the oldest are dropped",
      );
    this.#dropped += gone.length;
    await this.#written((file) => file.remove(gone));
  }

  async #attempt(channel: Channel, { key }: Waiting, signal: AbortSignal): Promise<Delivery> {
    try {
      const notification = await this.#read(key);
      if (notification === null) return { kind: "refused", reason: "its record is damaged", advice: "" };
      return await this.#options.send(channel, notification, signal);
    } catch (error) {
      return { kind: "later", reason: messageOf(error), afterMs: null };
    }
  }

  async #settled(waiting: Waiting): Promise<void> {
    const { key } = waiting;
    this.#waiting.delete(key);
    if (this.#unsaved.delete(key)) return;
    const notification = await this.#read(key).catch(() => null);
    await this.#written((file) =>
      notification === null ? file.remove([key]) : file.deliver(waiting, notification, this.#now()),
    );
  }

  async #failed(waiting: Waiting): Promise<void> {
    this.#waiting.set(waiting.key, waiting);
    const notification = await this.#read(waiting.key).catch(() => null);
    if (notification !== null && (await this.#written((file) => file.save([waiting], notification))))
      this.#unsaved.delete(waiting.key);
  }

  async #gaveUp(waiting: Waiting): Promise<void> {
    const notification = await this.#read(waiting.key).catch(() => undefined);
    this.#waiting.delete(waiting.key);
    this.#unsaved.delete(waiting.key);
    // What cannot be read now stays in the file, for the next process.
    if (notification === undefined) return;
    if (notification !== null) await this.#written((file) => file.giveUp(waiting, notification, this.#now()));
    else await this.#written((file) => file.remove([waiting.key]));
  }

  /** @returns null when it is damaged @throws while the disk gives nothing */
  async #read(key: string): Promise<Notification | null> {
    return this.#unsaved.get(key) ?? (await this.#file?.read(key)) ?? null;
  }

  /** @returns whether it is in the file; false is said in the log, once until it works again */
  async #written(write: (file: OutboxFile) => Promise<void>): Promise<boolean> {
    if (this.#file === null) return false;
    try {
      await write(this.#file);
      this.#unwritable = false;
      return true;
    } catch (error) {
      if (!this.#unwritable)
        this.#options.logger.error({ reason: messageOf(error) }, "notifications are kept in memory only");
      this.#unwritable = true;
      return false;
    }
  }
}
