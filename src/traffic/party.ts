import type { EndpointSettings } from "../job.ts";
import type { RateLimits } from "../rate-limits.ts";
import type { Availability } from "./availability.ts";
import type { ConcurrencyOptions, LimitChange } from "./concurrency.ts";
import type { Grant, Sharer } from "./fair-share.ts";
import type { Reservation } from "./limiter.ts";

/** One run's part in an upstream. */
export interface Party extends Sharer {
  /** What this run says of it. */
  readonly bounds: PartyBounds;
  /** Tokens of the call that it would make next; null: it has none to make, or may make none. */
  readonly wanted: number | null;
  /** Its calls go well: what fails for others is not this place. */
  readonly isWell: boolean;
  /** Of its own calls; a limit that is not known makes all rest. */
  readonly availability: Pick<Availability, "isOpen" | "isProbing" | "throttled" | "othersAnswered">;
  /** Its turn has come: it takes a call now, or says that it {@link wanted} none. */
  onTurn(): void;
  /** It did neither: it wants none until it says so again. */
  passTurn(): void;
  /** More calls may go out at once, or fewer. */
  onLimit(change: LimitChange): void;
  /** A known limit makes calls wait, and does no longer. @param untilMs by the clock of `now` */
  onPace(reason: string, untilMs: number): void;
  onPaceEnd(): void;
}

export interface PartyBounds {
  readonly limits: RateLimits;
  /** `max`: its own calls at once. */
  readonly concurrency: ConcurrencyOptions;
  /** Most calls of all at once; null: as many as each may make. */
  readonly mostOfAll: number | null;
}

/** One call on its way, as it was counted. */
export interface Passage {
  readonly sentMs: number;
  readonly reservation: Reservation;
  /** null: nobody shared it. */
  readonly grant: Grant<Party> | null;
  /** Counts how often somebody came to one who was alone. */
  readonly era: number;
}

export function boundsOf(
  { limits, concurrent = null }: Pick<EndpointSettings, "limits"> & Partial<Pick<EndpointSettings, "concurrent">>,
  concurrency: ConcurrencyOptions,
): PartyBounds {
  return { limits, concurrency, mostOfAll: concurrent };
}

/** Of all that share a place, at least one. @param together their calls at once; null: as many as they may make together */
export function concurrencyOfAll(all: readonly PartyBounds[], together: number | null): ConcurrencyOptions {
  const most = together ?? all.reduce((sum, { concurrency }) => sum + concurrency.max, 0);
  return {
    start: Math.max(...all.map(({ concurrency }) => concurrency.start)),
    max: Math.min(most, ...all.map(({ mostOfAll }) => mostOfAll ?? Number.POSITIVE_INFINITY)),
    mode: all.some(({ concurrency }) => concurrency.mode === "auto") ? "auto" : "fixed",
  };
}
