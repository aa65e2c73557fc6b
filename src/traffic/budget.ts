/** What may be spent now. */
export interface Left {
  readonly usd: number;
  /** There may be more, as others give back what they do not need. @default false */
  readonly mayGrow?: boolean;
  /** Asks for more, for calls of about so much. Comes back at once. */
  readonly more?: (usd: number) => void;
  /** Told when not one more call can be paid. */
  readonly spent?: () => void;
}

/**
 * Lets calls go out as long as the budget lasts. A call under way counts with what calls cost on average, so that many
 * slots together do not spend what none of them would spend alone.
 */
export class Budget {
  readonly #left: () => Left | null;
  readonly #perCall: () => number;
  #underWay = 0;

  /**
   * @param left what is not spent; null while there is no budget
   * @param perCall USD one call costs on average; a guess before the first one
   */
  constructor(left: () => Left | null, perCall: () => number) {
    this.#left = left;
    this.#perCall = perCall;
  }

  /** False while nothing limits what is spent: {@link reserve} then always says `go`. */
  get isLimited(): boolean {
    return this.#left() !== null;
  }

  /**
   * Reserves one call; give it back with {@link settle} once its cost is counted.
   * @returns `go`; `wait` when the rest may be used up by what is under way; `spent` when not one more can be paid
   */
  reserve(): "go" | "wait" | "spent" {
    const left = this.#left();
    if (left === null) {
      this.#underWay += 1;
      return "go";
    }
    const perCall = this.#perCall();
    const { usd, mayGrow = false, more, spent } = left;
    const wanted = perCall * (this.#underWay + 1);
    if (mayGrow && usd < 2 * wanted) more?.(wanted);
    if (usd <= 0 || usd < perCall) {
      if (mayGrow) return "wait";
      spent?.();
      return "spent";
    }
    if (this.#underWay > 0 && usd < wanted) return "wait";
    this.#underWay += 1;
    return "go";
  }

  settle(): void {
    this.#underWay -= 1;
  }
}
