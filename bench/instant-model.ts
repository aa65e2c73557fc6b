import { setTimeout as delay } from "node:timers/promises";
import type { JsonSchema, ModelProvider } from "../src/llm/provider.ts";

/** A model that answers every item alike. @param latencyMs how long it takes @default at once */
export function instantModel(latencyMs = 0): ModelProvider {
  let answer: string | null = null;
  const usage = { inputTokens: 900, cachedInputTokens: 600, cacheWriteTokens: 0, outputTokens: 60, reasoningTokens: 0 };
  return {
    provider: "openai-compatible",
    model: "bench-1",
    endpoint: "main",
    label: "bench-1",
    remote: true,
    confidenceKind: "self-rated",
    check: async () => {},
    close: async () => {},
    call: async ({ prompt }) => {
      if (latencyMs > 0) await delay(latencyMs);
      answer ??= JSON.stringify(instanceOf(prompt.schema));
      return { text: answer, finish: "stop", usage, model: "bench-1", latencyMs: 1, rate: null };
    },
  };
}

/** @returns something that fits a schema */
function instanceOf(schema: JsonSchema): unknown {
  const [choice] = (schema.enum ?? schema.anyOf ?? []) as unknown[];
  if (schema.anyOf !== undefined) return instanceOf(choice as JsonSchema);
  if (choice !== undefined) return choice;
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type === "object")
    return Object.fromEntries(
      Object.entries(schema.properties as Record<string, JsonSchema>).map(([name, inner]) => [name, instanceOf(inner)]),
    );
  return type === "array" ? [] : type === "number" ? 0.9 : type === "string" ? "a parcel is late" : null;
}
