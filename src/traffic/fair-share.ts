import type { Share } from "../job.ts";

export const EQUAL_SHARE: Share = { weight: 1, floor: null, ceiling: null };

/** Who shares, as it is now. */
export interface Sharer {
  readonly share: Share;
  /** Its calls in flight here. */
  readonly inFlight: number;
}

/** A party that would make a call now. */
export interface Contender<P> {
  readonly party: P;
  /** Of the call, as estimated; > 0. */
  readonly tokens: number;
}

/** One call that was let go, as it was counted. */
export interface Grant<P> {
  readonly party: P;
  readonly tokens: number;
  /** The number of the free time in which it went out, 0 while it was alone; null: somebody else wanted to go. */
  readonly free: number | null;
}

interface Account {
  /** Tokens it has coming; below 0: it is ahead. */
  deficit: number;
  /** Tokens of its calls in flight that went out while nobody else wanted to. */
  standing: number;
  /** Counts the times that {@link standing} was counted against it. */
  frees: number;
}

/**
 * Whose call goes out next where several share an endpoint: deficit round robin by tokens ("Efficient Fair Queueing Using
 * Deficit Round Robin", Shreedhar and Varghese, 1996) with quanta so small that each round serves the one that is due
 * soonest.
 *
 * - Each call costs its tokens, as estimated when it goes out and as used when it is back. While several want to go,
 *   each gets in proportion to its weight, whatever the sizes of its calls.
 * - Who does not want to go gives its share to the others, and saves up nothing.
 * - What one took while nobody else wanted to go is counted against it only as far as it is still in flight when somebody
 *   does: one that arrives gets the next calls, until both have their parts.
 * - One below its floor goes first, and owes the others at most one call for that. One at its ceiling waits.
 *
 * A calculation: no clock, and no order but the one in which contenders are given, which decides between equals.
 */
export class FairShare<P extends Sharer> {
  readonly #accounts = new Map<P, Account>();

  /** Who goes next; null when all are at their ceilings, or there is none. */
  next(contenders: readonly Contender<P>[]): Contender<P> | null {
    let best: Contender<P> | null = null;
    let bestFirst = false;
    let bestRounds = 0;
    for (const contender of contenders) {
      if (isFull(contender.party)) continue;
      const first = isBelowFloor(contender.party);
      const rounds = this.#roundsOf(contender);
      if (best !== null && bestFirst && !first) continue;
      if (best !== null && bestFirst === first && rounds >= bestRounds) continue;
      [best, bestFirst, bestRounds] = [contender, first, rounds];
    }
    return best;
  }

  /**
   * A call goes out. End it with {@link settle} or {@link cancel}.
   * @param contenders all that want to go now; whether `taker` is among them does not matter
   */
  take(taker: Contender<P>, contenders: readonly Contender<P>[]): Grant<P> {
    const { party, tokens } = taker;
    const own = this.#accountOf(party);
    const rivals = contenders.filter((other) => other.party !== party && !isFull(other.party));
    if (rivals.length === 0) {
      own.deficit = 0;
      own.standing += tokens;
      return { party, tokens, free: own.frees };
    }
    for (const rival of rivals) charge(this.#accountOf(rival.party));
    charge(own);
    const first = isBelowFloor(party);
    const rounds = first ? 0 : this.#roundsOf(taker);
    for (const rival of rivals) {
      const account = this.#accountOf(rival.party);
      // Nobody has more coming than its next call.
      account.deficit = Math.max(
        account.deficit,
        Math.min(rival.tokens, account.deficit + rounds * rival.party.share.weight),
      );
    }
    const after = own.deficit + rounds * party.share.weight - tokens;
    own.deficit = first ? Math.max(after, Math.min(own.deficit, -tokens)) : after;
    return { party, tokens, free: null };
  }

  /** The call is back. @param used tokens; null: unknown, the estimate stands */
  settle(grant: Grant<P>, used: number | null): void {
    const account = this.#accounts.get(grant.party);
    if (account === undefined) return;
    if (grant.free === account.frees) account.standing = Math.max(0, account.standing - grant.tokens);
    else account.deficit += grant.tokens - (used ?? grant.tokens);
  }

  /** The call was not made. */
  cancel(grant: Grant<P>): void {
    this.settle(grant, 0);
  }

  /** It was alone, with calls of so many tokens in flight: they count as if nobody else had wanted to go. */
  wasAlone(party: P, tokens: number): void {
    this.#accounts.set(party, { deficit: 0, standing: tokens, frees: 0 });
  }

  /** It wants to make no call now: what it has coming is lost. */
  idle(party: P): void {
    const account = this.#accounts.get(party);
    if (account !== undefined && account.deficit > 0) account.deficit = 0;
  }

  leave(party: P): void {
    this.#accounts.delete(party);
  }

  /** How many more rounds until it can pay for its call. */
  #roundsOf({ party, tokens }: Contender<P>): number {
    const { deficit, standing } = this.#accountOf(party);
    return Math.max(0, (tokens + standing - deficit) / party.share.weight);
  }

  #accountOf(party: P): Account {
    let account = this.#accounts.get(party);
    if (account === undefined) {
      account = { deficit: 0, standing: 0, frees: 0 };
      this.#accounts.set(party, account);
    }
    return account;
  }
}

/** Somebody else wants to go: what is still in flight counts from now on. */
function charge(account: Account): void {
  if (account.standing === 0) return;
  account.deficit -= account.standing;
  account.standing = 0;
  account.frees += 1;
}

function isFull({ share: { ceiling }, inFlight }: Sharer): boolean {
  return ceiling !== null && inFlight >= ceiling;
}

function isBelowFloor({ share: { floor }, inFlight }: Sharer): boolean {
  return floor !== null && inFlight < floor;
}
