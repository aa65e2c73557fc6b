/** Failures among fewer settled items than this say nothing yet. */
const MINIMUM = 20;

/** Stops an execution whose items mostly fail: a wrong prompt or a broken model costs money with every further call. */
export class RunBreaker {
  readonly #share: number;
  readonly #window: number;
  #failed: boolean[] = [];

  /** @param options `share` of failures (0..1] among the last `window` settled items that opens it */
  constructor(options: { readonly share: number; readonly window: number }) {
    this.#share = options.share;
    this.#window = options.window;
  }

  /** Items it looks back on now. */
  get seen(): number {
    return this.#failed.length;
  }

  /** @returns true when the execution should stop */
  record(succeeded: boolean): boolean {
    this.#failed.push(!succeeded);
    if (this.#failed.length > this.#window) this.#failed.shift();
    const failures = this.#failed.filter(Boolean).length;
    return this.#failed.length >= Math.min(MINIMUM, this.#window) && failures >= this.#share * this.#failed.length;
  }

  reset(): void {
    this.#failed = [];
  }
}
