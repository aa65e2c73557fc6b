import type { RateLimits } from "../rate-limits.ts";
import { MINUTE_MS } from "./bucket.ts";
import type { FullPace, LeasedShare } from "./leased-share.ts";
import type { RateLimiter } from "./limiter.ts";

/** What processes that share an endpoint tell each other of it. */
export interface EndpointNews extends Pick<RateLimits, "requestsPerMinute" | "tokensPerMinute"> {
  /** How long nothing may go out, in ms from now. */
  readonly restMs: number;
  /** Calls were refused: fewer at once from now on. */
  readonly isRefused: boolean;
}

/** One endpoint of a run, as far as other processes use it too. */
export class SharedEndpoint {
  /** Called with what this one has learned. */
  onNews: (news: EndpointNews) => void = () => {};
  /** Called when it is used no more. */
  onLeave: () => void = () => {};
  readonly #limiter: RateLimiter;
  readonly #changed: (isRefused: boolean) => void;
  /** null: nobody else uses it. */
  #share: LeasedShare | null = null;
  #trouble: () => string | null = () => null;
  /** The limits that the others were told of last. */
  #told = "";

  /** @param changed called when a call may go out earlier, or fewer may be under way */
  constructor(limiter: RateLimiter, changed: (isRefused: boolean) => void) {
    this.#limiter = limiter;
    this.#changed = changed;
  }

  /** From now on calls go out by this share, which all runs of this process have together. @param trouble why it is not more */
  join(share: LeasedShare, trouble: () => string | null): void {
    this.#share = share;
    this.#trouble = trouble;
    this.#limiter.shareWith(share);
  }

  /** Whether other processes use it too. */
  get isLeased(): boolean {
    return this.#share !== null;
  }

  /** Its limits, as far as they are known. */
  get pace(): FullPace {
    return this.#limiter.pace;
  }

  /** Another share may have been leased. */
  wake(): void {
    this.#changed(false);
  }

  /** What another one has learned. */
  hear({ requestsPerMinute, tokensPerMinute, restMs, isRefused }: EndpointNews): void {
    this.#limiter.hear({ requestsPerMinute, tokensPerMinute }, restMs);
    this.#changed(isRefused);
  }

  /** Tells the others what they do not know yet; nothing while there are none. */
  tell(restMs: number, isRefused: boolean): void {
    if (this.#share === null) return;
    const { requests, tokens } = this.#limiter.ownPace;
    const limits = `${requests} ${tokens}`;
    if (!isRefused && limits === this.#told) return;
    this.#told = limits;
    const perMinute = (pace: number | null): number | null => (pace === null ? null : pace * MINUTE_MS);
    this.onNews({ requestsPerMinute: perMinute(requests), tokensPerMinute: perMinute(tokens), restMs, isRefused });
  }

  /** For the snapshot of the endpoint. @param nowMs monotonic */
  snapshot(nowMs: number): { readonly share?: { readonly now: number; readonly trouble: string | null } } {
    return this.#share === null ? {} : { share: { now: this.#share.shareAt(nowMs), trouble: this.#trouble() } };
  }
}
