import type { DeadRange } from "../fleet.ts";

const MOST_RANGES = 100;
/** When the store is back, workers say again within this that they are there, in ms. */
const HEARD_AGAIN_MS = 30_000;

/** What is remembered of a fleet between looks; of ranges also over restarts. */
export class FleetMemory {
  readonly #windowMs: number;
  readonly #dead: Map<string, DeadRange>;
  #awayMs: number | null = null;

  /** @param windowMs for which a dead range is told */
  constructor(windowMs: number, saved: readonly DeadRange[] = []) {
    this.#windowMs = windowMs;
    this.#dead = new Map(saved.map((one) => [one.range, one]));
  }

  /** @param dead as far as the run knows; what an earlier process saw is kept. @param away the store does not answer */
  look(dead: readonly DeadRange[], away: boolean, nowMs: number): void {
    if (away) this.#awayMs = nowMs;
    for (const one of dead) if (!this.#dead.has(one.range)) this.#dead.set(one.range, one);
    const recent = [...this.#dead].filter(([, { atMs }]) => nowMs - atMs < this.#windowMs);
    this.#dead.clear();
    for (const [range, one] of recent.slice(-MOST_RANGES)) this.#dead.set(range, one);
  }

  /** False while workers cannot say that they are there, and a little longer. */
  hears(nowMs: number): boolean {
    return this.#awayMs === null || nowMs - this.#awayMs >= HEARD_AGAIN_MS;
  }

  /** Those that died within the window. */
  get dead(): readonly DeadRange[] {
    return [...this.#dead.values()];
  }
}
