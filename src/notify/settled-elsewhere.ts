import type { RunSnapshot } from "../events.ts";

const OUTCOMES = ["classified", "skipped", "retryQueued", "deadLetters"] as const;
type Settled = Record<(typeof OUTCOMES)[number] | "costUsd", number>;

const none = (): Settled => ({ classified: 0, skipped: 0, retryQueued: 0, deadLetters: 0, costUsd: 0 });

/** What workers settled between two looks, which is no event of the run: what its counters say beyond its own events. */
export class SettledElsewhere {
  #executionId: string | null = null;
  /** By events of this execution. */
  #own = none();
  /** The most that was seen: while a range is counted it is in neither place for a moment. */
  #most: Settled | null = null;

  /** An item that the run settled itself. */
  own(outcome: "classified" | "skipped" | "retryQueued" | "deadLetter", costUsd: number | null): void {
    this.#own[outcome === "deadLetter" ? "deadLetters" : outcome] += 1;
    this.#own.costUsd += costUsd ?? 0;
  }

  /** An execution begins. */
  begin(): void {
    this.#own = none();
    this.#most = null;
  }

  /** @returns what is new since the look before; null when nothing is, and at the first look: that may be of long ago */
  look({ executionId, fleet, counters }: RunSnapshot): Settled | null {
    if (fleet === undefined) return null;
    if (executionId !== this.#executionId) this.#most = null;
    this.#executionId = executionId;
    const before = this.#most;
    const [now, fresh] = [none(), none()];
    for (const name of [...OUTCOMES, "costUsd"] as const) {
      now[name] = Math.max(before?.[name] ?? 0, (counters[name] ?? 0) - this.#own[name]);
      fresh[name] = before === null ? 0 : now[name] - before[name];
    }
    this.#most = now;
    return OUTCOMES.some((name) => fresh[name] > 0) ? fresh : null;
  }
}
