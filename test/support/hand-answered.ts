import { type FailureClass, ModelError } from "../../src/errors.ts";
import type { ModelProvider, ModelReply, ModelRequest } from "../../src/llm/provider.ts";
import { NO_LIMITS, type RateHeaders, type RateLimits } from "../../src/rate-limits.ts";
import type { ConcurrencyOptions } from "../../src/traffic/concurrency.ts";
import { Endpoint } from "../../src/traffic/endpoint.ts";
import type { EndpointOptions } from "../../src/traffic/endpoint-options.ts";

export const REPLY: ModelReply = { text: "{}", finish: "stop", usage: null, model: "m", latencyMs: 1, rate: null };
export const REQUEST = {} as ModelRequest;

export interface HandOptions extends Pick<EndpointOptions, "upstream" | "share"> {
  readonly name?: string;
  readonly weight?: number;
  readonly fallback?: number;
  readonly limits?: RateLimits;
  readonly concurrency?: ConcurrencyOptions;
  /** Most calls of all that share it. */
  readonly concurrent?: number;
  /** @default Date.now, so that fake timers move it */
  readonly now?: () => number;
  readonly random?: () => number;
  readonly onPause?: (reason: string, untilMs: number) => void;
  readonly onResume?: () => void;
  readonly onLimit?: EndpointOptions["onLimit"];
  /** USD of any call. @default null, unknown */
  readonly cost?: number | null;
  readonly cachedIsUncounted?: boolean;
  /** Whether the free look finds it. */
  readonly isThere?: () => boolean;
}

/** An endpoint whose calls are answered by hand, in any order. A call that is cut off fails as a provider's does. */
export function handAnswered(options: HandOptions = {}) {
  const { name = "main", weight = 1, fallback = 0, limits = NO_LIMITS, now = Date.now, random = () => 0 } = options;
  const waiting: { settle: (outcome: ModelReply | Error) => void }[] = [];
  const provider: ModelProvider = {
    provider: "p",
    model: "m",
    endpoint: name,
    label: "p/m",
    remote: true,
    confidenceKind: "self-rated",
    cachedIsUncounted: options.cachedIsUncounted ?? false,
    check: async () => {
      if (options.isThere?.() === false) throw new Error("away");
    },
    close: async () => {},
    call: (_request, signal) =>
      new Promise((resolve, reject) => {
        const call = {
          settle: (outcome: ModelReply | Error) => {
            waiting.splice(waiting.indexOf(call), 1);
            if (outcome instanceof Error) reject(outcome);
            else resolve(outcome);
          },
        };
        waiting.push(call);
        signal.addEventListener("abort", () => call.settle(new ModelError("unknown-outcome", "cut off")), {
          once: true,
        });
      }),
  };
  const endpoint = new Endpoint({
    provider,
    settings: { weight, fallback, limits, concurrent: options.concurrent ?? null },
    ...(options.upstream === undefined ? {} : { upstream: options.upstream }),
    share: options.share,
    concurrency: options.concurrency ?? { start: 8, max: 1_000, mode: "fixed" },
    costOf: () => options.cost ?? null,
    now,
    random,
    onPause: options.onPause ?? (() => {}),
    onResume: options.onResume ?? (() => {}),
    onLimit: options.onLimit ?? (() => {}),
    onState: () => {},
  });
  return {
    endpoint,
    /** Calls that are not answered. */
    out: waiting,
    reply: (changes: Partial<ModelReply> = {}, at = 0) => waiting[at]?.settle({ ...REPLY, ...changes }),
    fail: (failure: FailureClass, retryAfterMs: number | null = null, at = 0, rate: RateHeaders | null = null) =>
      waiting[at]?.settle(new ModelError(failure, failure, { retryAfterMs, rate })),
  };
}
