import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { givenUpBecause, restMs } from "./attempts.ts";
import type { Delivery } from "./channel.ts";
import type { Waiting } from "./outbox-file.ts";

export interface LaneOptions {
  readonly name: string;
  readonly logger: Logger;
  readonly now: () => number;
  readonly random: () => number;
  /** @default a timer that keeps no process alive */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Makes one attempt. Never throws. */
  readonly attempt: (waiting: Waiting, signal: AbortSignal) => Promise<Delivery>;
  /** What became of one is written down. Never throws. */
  readonly delivered: (waiting: Waiting) => Promise<void>;
  readonly failed: (waiting: Waiting) => Promise<void>;
  readonly gaveUp: (waiting: Waiting) => Promise<void>;
}

/**
 * Delivers to one channel, one after the other in the order they came, and rests with growing waits while it fails. What
 * it was given stays its first until it is delivered or given up.
 */
export class Lane {
  readonly #options: LaneOptions;
  readonly #waiting = new Map<string, Waiting>();
  readonly #abort = new AbortController();
  readonly #stop = new AbortController();
  #failures = 0;
  #work: Promise<void> | null = null;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  add(waiting: Waiting): void {
    this.#waiting.set(waiting.key, waiting);
    if (this.#stop.signal.aborted) return;
    this.#work ??= this.#deliver();
  }

  /** Of what was dropped for want of room. */
  forget(key: string): void {
    this.#waiting.delete(key);
  }

  /** Goes on with what is due, starts no new rest, and ends soon after `withinMs`. What is left stays where it is. */
  async close(withinMs: number): Promise<void> {
    this.#stop.abort();
    const timer = setTimeout(() => this.#abort.abort(), withinMs);
    await this.#work;
    clearTimeout(timer);
  }

  async #deliver(): Promise<void> {
    const { attempt, delivered, logger, name } = this.#options;
    for (;;) {
      const [first] = this.#waiting.values();
      if (first === undefined || this.#abort.signal.aborted) {
        // Here and not later: what is added from now on starts anew.
        this.#work = null;
        return;
      }
      const delivery = await attempt(first, this.#abort.signal);
      if (delivery.kind === "later") {
        // Our own end is no failure of the channel.
        if (this.#abort.signal.aborted) return;
        await this.#failed(first, delivery.reason);
        if (this.#stop.signal.aborted) return;
        await this.#rest(delivery.afterMs, delivery.reason);
        continue;
      }
      if (delivery.kind === "refused") await this.#giveUp(first, `${delivery.reason}. ${delivery.advice}`.trim());
      else {
        this.#waiting.delete(first.key);
        await delivered(first);
        if (this.#failures > 0) logger.info({ channel: name }, "the channel takes notifications again");
      }
      this.#failures = 0;
    }
  }

  /** Counts the attempt; gives up what was tried too often, and with it whatever is too old by now. */
  async #failed(first: Waiting, reason: string): Promise<void> {
    this.#failures += 1;
    const tried = { ...first, attempts: first.attempts + 1, trouble: reason };
    if (this.#waiting.has(first.key)) {
      this.#waiting.set(first.key, tried);
      await this.#options.failed(tried);
    }
    for (const each of [...this.#waiting.values()]) {
      const limit = givenUpBecause(each.attempts, this.#options.now() - each.putMs);
      if (limit !== null) await this.#giveUp({ ...each, trouble: reason }, `${reason}, for ${limit}`);
    }
  }

  async #giveUp(waiting: Waiting, reason: string): Promise<void> {
    const { gaveUp, logger, name } = this.#options;
    this.#waiting.delete(waiting.key);
    logger.error(
      { channel: name, notification: waiting.key, attempts: waiting.attempts, reason },
      "notification given up",
    );
    await gaveUp({ ...waiting, trouble: reason });
  }

  async #rest(askedMs: number | null, reason: string): Promise<void> {
    const { random, logger, name, wait = restQuietly } = this.#options;
    const ms = restMs(this.#failures, askedMs, random);
    const told = { channel: name, reason, waiting: this.#waiting.size, nextInMs: Math.round(ms) };
    // A channel that is away for hours says so once.
    if (this.#failures === 1) logger.warn(told, "the channel does not take notifications; they wait");
    else logger.debug(told, "the channel still does not take notifications");
    await wait(ms, this.#stop.signal).catch(() => {});
    if (this.#stop.signal.aborted) this.#abort.abort();
  }
}

function restQuietly(ms: number, signal: AbortSignal): Promise<void> {
  return sleep(ms, undefined, { signal, ref: false });
}
