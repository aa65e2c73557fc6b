import type { Usage } from "../record.ts";

/** Before anything is known: more tokens than most texts have. */
const FIRST_TOKENS_PER_CHAR = 1 / 3;
const FIRST_OUTPUT_TOKENS = 200;
/** Weight of the newest call once some dozens are known. */
const WEIGHT = 1 / 32;

/** How many tokens a call will use, learned from what calls have used. One per endpoint: models count differently. */
export class TokenEstimate {
  #calls = 0;
  #chars = 0;
  #inputTokens = 0;
  #outputTokens = 0;

  /** @param chars of the whole request: instructions, schema and text, in UTF-16 units @returns input and output, whole */
  estimate(chars: number): number {
    if (this.#chars === 0) return Math.ceil(chars * FIRST_TOKENS_PER_CHAR + FIRST_OUTPUT_TOKENS);
    return Math.ceil((chars * this.#inputTokens) / this.#chars + this.#outputTokens);
  }

  learn(chars: number, { inputTokens, outputTokens }: Pick<Usage, "inputTokens" | "outputTokens">): void {
    if (chars <= 0) return;
    this.#calls += 1;
    // The mean of the first calls, then smoothed.
    const weight = Math.max(WEIGHT, 1 / this.#calls);
    this.#chars += weight * (chars - this.#chars);
    this.#inputTokens += weight * (inputTokens - this.#inputTokens);
    this.#outputTokens += weight * (outputTokens - this.#outputTokens);
  }
}
