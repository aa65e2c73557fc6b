import type { ModelSettings } from "../job.ts";
import { MINUTE_MS } from "./bucket.ts";
import type { Endpoint } from "./endpoint.ts";
import { Upstream } from "./upstream.ts";

/**
 * The places that the runs of one process ask, so that those that name the same share what its provider grants: its
 * limits, its calls at once, its refusals. The same are endpoints with one provider, base URL, key, settings and model:
 * providers count by key, and within it by model. Names, weights and limits do not make a difference: of limits that
 * differ the strictest holds for all. A place that nobody asks is kept for a minute, or a day where one of them named a limit
 * of a day: whoever asks it next begins with what is left of its limits. Other processes know that by themselves.
 *
 * A pool of a number of calls is for runs that are parts of one, side by side and one after the other: so many calls are
 * theirs at once at each place, and places are kept, so that a part begins with what those before it found out.
 */
export class EndpointPool {
  readonly #upstreams = new Map<string, Upstream>();
  /** Until when places are kept that nobody asks, by the clock of the runs, in ms. */
  readonly #keptUntilMs = new Map<string, number>();
  #calls: number | null;

  /** @param calls at once of all parts of one run, integer >= 1; null: the runs are of their own */
  constructor(calls: number | null = null) {
    this.#calls = calls;
  }

  /** Places that are asked now. */
  get size(): number {
    return [...this.#upstreams.values()].filter(({ parties }) => parties > 0).length;
  }

  /** Other calls at once of all parts, from now on. */
  bound(calls: number): void {
    if (calls === this.#calls) return;
    this.#calls = calls;
    for (const upstream of this.#upstreams.values()) upstream.bound(calls);
  }

  /**
   * The place of a model, for an endpoint that is about to be made.
   * @param now a clock that is never set, in ms, the same for all runs of the process
   */
  upstreamOf(model: ModelSettings, now: () => number): Upstream {
    const place = placeOf(model);
    const nowMs = now();
    for (const [kept, untilMs] of this.#keptUntilMs) if (untilMs <= nowMs) this.#forget(kept);
    const found = this.#upstreams.get(place);
    if (found !== undefined) {
      const untilMs = this.#keptUntilMs.get(place);
      if (untilMs !== undefined) this.#keptUntilMs.set(place, Math.max(untilMs, nowMs + MINUTE_MS));
      return found;
    }
    const onEmpty = (): void => {
      const { shared, memoryMs } = opened;
      if (shared.isLeased) this.#forget(place);
      else this.#keptUntilMs.set(place, now() + memoryMs);
    };
    const opened = new Upstream(now, this.#calls === null ? { onEmpty } : { together: this.#calls });
    this.#upstreams.set(place, opened);
    return opened;
  }

  #forget(place: string): void {
    this.#keptUntilMs.delete(place);
    // Asked again meanwhile.
    if (this.#upstreams.get(place)?.parties === 0) this.#upstreams.delete(place);
  }

  /** The endpoint has another key, or was told other things besides: its next calls count where that one's do. */
  move(endpoint: Endpoint, model: ModelSettings, now: () => number): void {
    endpoint.moveTo(this.upstreamOf(model, now));
  }
}

function placeOf({ provider, name, baseUrl, apiKey, settings = {} }: ModelSettings): string {
  return JSON.stringify([provider, name, baseUrl, apiKey, Object.entries(settings).sort()]);
}
