/**
 * Lets calls go out as long as the budget lasts. A call under way counts with what calls cost on average, so that many
 * slots together do not spend what none of them would spend alone.
 */
export class Budget {
  readonly #left: () => number | null;
  readonly #perCall: () => number;
  #underWay = 0;

  /**
   * @param left USD that are not spent; null while there is no budget
   * @param perCall USD one call costs on average; a guess before the first one
   */
  constructor(left: () => number | null, perCall: () => number) {
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
    if (left <= 0 || left < perCall) return "spent";
    if (this.#underWay > 0 && left < perCall * (this.#underWay + 1)) return "wait";
    this.#underWay += 1;
    return "go";
  }

  settle(): void {
    this.#underWay -= 1;
  }
}
