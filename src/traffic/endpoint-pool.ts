import type { ModelSettings } from "../job.ts";
import type { Endpoint } from "./endpoint.ts";
import { Upstream } from "./upstream.ts";

/**
 * The places that the runs of one process ask, so that those that name the same share what its provider grants: its
 * limits, its calls at once, its refusals. The same are endpoints with one provider, base URL, key, settings and model:
 * providers count by key, and within it by model. Names, weights and limits do not make a difference: of limits that
 * differ the strictest holds for all. A place is forgotten with the last run that asks it.
 *
 * A pool of a number of calls is for runs that are parts of one, side by side and one after the other: so many calls are
 * theirs at once at each place, and places are kept, so that a part begins with what those before it found out.
 */
export class EndpointPool {
  readonly #upstreams = new Map<string, Upstream>();
  #calls: number | null;

  /** @param calls at once of all parts of one run, integer >= 1; null: the runs are of their own */
  constructor(calls: number | null = null) {
    this.#calls = calls;
  }

  /** Places that are asked now. */
  get size(): number {
    return this.#upstreams.size;
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
    let upstream = this.#upstreams.get(place);
    if (upstream === undefined) {
      const forget = (): unknown => this.#upstreams.delete(place);
      upstream = new Upstream(now, this.#calls === null ? { onEmpty: forget } : { together: this.#calls });
      this.#upstreams.set(place, upstream);
    }
    return upstream;
  }

  /** The endpoint has another key, or was told other things besides: its next calls count where that one's do. */
  move(endpoint: Endpoint, model: ModelSettings, now: () => number): void {
    endpoint.moveTo(this.upstreamOf(model, now));
  }
}

function placeOf({ provider, name, baseUrl, apiKey, settings = {} }: ModelSettings): string {
  return JSON.stringify([provider, name, baseUrl, apiKey, Object.entries(settings).sort()]);
}
