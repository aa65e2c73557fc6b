/** Calls that are told of one by one. */
const SHOWN = 3;

/** What is in flight, since when, and how much of the slots' time was used. */
export class CallMeter<Call extends object = object> {
  readonly #slots: () => number;
  readonly #now: () => number;
  readonly #calls = new Map<Call, number>();
  #area = 0;
  /** What the area would be with a call in every slot. */
  #whole = 0;
  #atMs: number;

  /** @param slots how many calls may be in flight, now */
  constructor(slots: () => number, now: () => number) {
    this.#slots = slots;
    this.#now = now;
    this.#atMs = now();
  }

  get inFlight(): number {
    return this.#calls.size;
  }

  /** Age of the oldest call in flight, in ms; null when there is none. */
  get oldestMs(): number | null {
    const [oldest] = this.#calls.values();
    return oldest === undefined ? null : this.#now() - oldest;
  }

  /** The oldest first, at most three, with their ages in ms. */
  get oldest(): { readonly call: Call; readonly ms: number }[] {
    const now = this.#now();
    const oldest: { call: Call; ms: number }[] = [];
    for (const [call, sinceMs] of this.#calls) if (oldest.push({ call, ms: now - sinceMs }) === SHOWN) break;
    return oldest;
  }

  /** Mean share of the slots with a call in flight since the start, 0..1. */
  get utilization(): number {
    this.#measure();
    return this.#area / Math.max(1, this.#whole);
  }

  begin(call: Call): void {
    this.#measure();
    this.#calls.set(call, this.#atMs);
  }

  end(call: Call): void {
    this.#measure();
    this.#calls.delete(call);
  }

  #measure(): void {
    const now = this.#now();
    if (now === this.#atMs) return;
    this.#area += this.#calls.size * (now - this.#atMs);
    this.#whole += Math.max(this.#calls.size, this.#slots()) * (now - this.#atMs);
    this.#atMs = now;
  }
}
