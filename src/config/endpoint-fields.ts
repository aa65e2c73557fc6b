import type { RateLimits } from "../rate-limits.ts";
import { decimal, integer, type OptionDefinition, text } from "./option.ts";

/** One of `endpoints` as it was written, checked value by value. What is left out has the default of the table. */
export interface EndpointOptions {
  readonly name?: string;
  readonly model?: string;
  readonly baseUrl?: string;
  readonly keyVariable?: string;
  readonly weight?: number;
  readonly concurrent?: number;
  readonly limits?: Partial<RateLimits>;
  readonly fallback?: number;
}

/** The settings of each endpoint, by their place in it. */
export const ENDPOINT_FIELDS = {
  name: text({
    help: "in reports and records, unique; default: the provider, or the host of baseUrl",
    expected: "letters, digits, . _ - (at most 40, the first one a letter or digit)",
    pattern: /^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$/,
    default: null,
  }),
  model: text({
    help: "which model answers; default: that of --model",
    expected: "PROVIDER/NAME or offline",
    default: null,
  }),
  baseUrl: baseUrl({
    help: "of any server that speaks OpenAI's protocol, or that of the provider in model; default: the provider's own",
  }),
  keyVariable: {
    ...text({
      help: "the variable (environment or .env) that holds the key; default: as for --model",
      expected: "the name of a variable in capital letters, such as OPENAI_KEY_EU",
      pattern: /^[A-Z_][A-Z0-9_]{0,99}$/,
      default: null,
    }),
    secret: true,
    live: true,
  },
  weight: decimal({
    live: true,
    help: "its share, relative to the weights of the others",
    above: 0,
    max: 1_000_000,
    unit: "share",
    default: 1,
  }),
  concurrent: integer({
    live: true,
    help: "most calls at once here; default: as many as the run has",
    min: 1,
    max: 10_000,
    unit: "calls",
    default: null,
  }),
  "limits.requestsPerMinute": limit("calls per minute that the provider grants"),
  "limits.tokensPerMinute": limit("tokens per minute that the provider grants, in and out"),
  "limits.requestsPerDay": limit("calls in 24 hours that the provider grants"),
  "limits.tokensPerDay": limit("tokens in 24 hours that the provider grants, in and out"),
  fallback: integer({
    help: "answers only while no endpoint with a smaller number can",
    min: 0,
    max: 9,
    unit: "",
    default: 0,
  }),
} as const;

/** One limit of a provider. @param help its unit first: `calls per minute …` */
export function limit(help: string, flag?: string): OptionDefinition<number | null> {
  const place = flag === undefined ? { help, live: true } : { help, flag, live: true };
  return integer({ ...place, min: 1, max: 1_000_000_000_000, unit: help.split(" ")[0]!, default: null });
}

export function baseUrl(place: { flag?: string; help: string }): OptionDefinition<string | null> {
  return text({
    ...place,
    expected: "an http or https URL without a password, such as http://127.0.0.1:8000/v1",
    pattern: /^https?:\/\/[^\s@#]+$/,
    default: null,
  });
}
