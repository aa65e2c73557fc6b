import { setTimeout as delay } from "node:timers/promises";
import type { Dispatcher, Handout, RangeBook } from "./ports.ts";

/** Waits between two looks, in ms: the first, and the longest while there is nothing. */
const FIRST_MS = 100;
const LONGEST_MS = 1_000;
/** Free ranges that are looked at: workers choose among them at random, so that few meet at one. */
const CHOICE = 16;

/** Hands out ranges by looking into the plan: no other store than the job's own. */
export class PollingDispatcher implements Dispatcher {
  readonly operations = 0;
  readonly #book: RangeBook;
  /** Refused lately: another one is tried first. */
  #tried: string | null = null;

  constructor(book: RangeBook) {
    this.#book = book;
  }

  async offer(): Promise<void> {}

  async next(waitMs: number, signal: AbortSignal): Promise<Handout | null> {
    const untilMs = performance.now() + waitMs;
    for (let pauseMs = FIRST_MS; ; pauseMs = Math.min(LONGEST_MS, pauseMs * 2)) {
      if (signal.aborted) return null;
      const free = (await this.#book.free(CHOICE)).map(({ name }) => name);
      const others = free.filter((name) => name !== this.#tried);
      const choice = others.length > 0 ? others : free;
      if (choice.length > 0) {
        const range = choice[Math.floor(Math.random() * choice.length)]!;
        this.#tried = range;
        return { range, settle: async () => {}, giveBack: async () => {} };
      }
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) return null;
      await delay(Math.min(leftMs, pauseMs * (0.5 + Math.random())), undefined, { signal }).catch(() => {});
    }
  }

  async close(): Promise<void> {}
}
