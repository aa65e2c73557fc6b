import type { EndpointSettings, Share } from "../job.ts";
import type { ModelProvider } from "../llm/provider.ts";
import type { Usage } from "../record.ts";
import type { ConcurrencyOptions, LimitChange } from "./concurrency.ts";
import type { Upstream } from "./upstream.ts";

export interface EndpointOptions {
  readonly provider: ModelProvider;
  readonly settings: Pick<EndpointSettings, "weight" | "fallback" | "limits"> &
    Partial<Pick<EndpointSettings, "concurrent">>;
  readonly concurrency: ConcurrencyOptions;
  /** Where it asks, when others may ask there too. @default a place of its own */
  readonly upstream?: Upstream;
  /** What it is due there. @default an equal share */
  readonly share?: Share | undefined;
  /** USD of a usage for the model that answered; null when unknown. */
  readonly costOf: (usage: Usage, model: string) => number | null;
  /** A clock that is never set, in ms. */
  readonly now: () => number;
  readonly random: () => number;
  /** `untilMs` by the clock of `now`. */
  readonly onPause: (reason: string, untilMs: number) => void;
  readonly onResume: () => void;
  readonly onLimit: (change: LimitChange) => void;
  /** It takes calls no longer, or again. @param reason null: again */
  readonly onState: (state: EndpointState, reason: string | null) => void;
}

/** `out`: it refused us for good (key, credit, unknown model), until it is taken {@link Endpoint.resume back}. */
export type EndpointState = "in" | "draining" | "out";
