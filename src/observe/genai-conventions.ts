/**
 * The GenAI semantic conventions of OpenTelemetry, as far as they are used here. They are not stable yet: everything that
 * is named by them is in this file.
 * https://opentelemetry.io/docs/specs/semconv/gen-ai/
 */
import type { CallEnded } from "../call-ended.ts";
import type { MetricDefinition } from "./metric-table.ts";

type Attributes = Record<string, string | number | string[]>;

const OPERATION = "chat";

const OF_METRICS = [
  "gen_ai.operation.name",
  "gen_ai.provider.name",
  "gen_ai.request.model",
  "gen_ai.response.model",
  "endpoint",
];

/** Buckets as the conventions advise. */
export const GENAI_METRICS = {
  duration: {
    name: "gen_ai.client.operation.duration",
    kind: "histogram",
    unit: "s",
    help: "Duration of a model call",
    labels: [...OF_METRICS, "error.type"],
    buckets: [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92],
  },
  tokens: {
    name: "gen_ai.client.token.usage",
    kind: "histogram",
    unit: "{token}",
    help: "Tokens of a model call",
    labels: [...OF_METRICS, "gen_ai.token.type"],
    buckets: Array.from({ length: 14 }, (_, power) => 4 ** power),
  },
} as const satisfies Record<string, MetricDefinition>;

/** Names of providers by the conventions, where they differ from ours. */
const PROVIDERS: Readonly<Record<string, string>> = {
  google: "gcp.gemini",
  "google-vertex": "gcp.vertex_ai",
  mistral: "mistral_ai",
  xai: "x_ai",
  azure: "azure.ai.openai",
  "amazon-bedrock": "aws.bedrock",
};

/** @returns attributes of both metrics, without `gen_ai.token.type` */
export function metricAttributes(call: CallEnded): Attributes {
  return { ...identity(call), ...answeredBy(call), ...errorType(call) };
}

/** @returns attributes of the two kinds of tokens */
export function tokenAttributes(call: CallEnded): { readonly input: Attributes; readonly output: Attributes } {
  const both = { ...identity(call), ...answeredBy(call) };
  return { input: { ...both, "gen_ai.token.type": "input" }, output: { ...both, "gen_ai.token.type": "output" } };
}

export function callSpanName({ model }: Pick<CallEnded, "model">): string {
  return `${OPERATION} ${model}`;
}

/** @returns attributes of a call's span: nothing of what was asked or answered */
export function callSpanAttributes(call: CallEnded): Attributes {
  const { usage, finish } = call;
  return {
    ...metricAttributes(call),
    "gen_ai.output.type": "json",
    ...(finish === null
      ? {}
      : { "gen_ai.response.finish_reasons": [finish === "content" ? "content_filter" : finish] }),
    ...(usage === null
      ? {}
      : {
          "gen_ai.usage.input_tokens": usage.inputTokens,
          "gen_ai.usage.output_tokens": usage.outputTokens,
          "gen_ai.usage.cache_read.input_tokens": usage.cachedInputTokens,
          "gen_ai.usage.cache_creation.input_tokens": usage.cacheWriteTokens,
          "gen_ai.usage.reasoning.output_tokens": usage.reasoningTokens,
        }),
  };
}

/** @returns what went wrong with a call, in one word; null when it was answered */
export function errorOf({ result }: Pick<CallEnded, "result">): string | null {
  return result === "answered" ? null : result;
}

function identity({ provider, model, endpoint }: CallEnded): Attributes {
  return {
    "gen_ai.operation.name": OPERATION,
    "gen_ai.provider.name": PROVIDERS[provider.replace(/^@ai-sdk\//, "")] ?? provider,
    "gen_ai.request.model": model,
    endpoint,
  };
}

function answeredBy({ responseModel }: CallEnded): Attributes {
  return responseModel === null ? {} : { "gen_ai.response.model": responseModel };
}

function errorType(call: CallEnded): Attributes {
  const error = errorOf(call);
  return error === null ? {} : { "error.type": error };
}
