import type { EndpointSettings } from "./job.ts";
import type { Prompt } from "./llm/provider.ts";
import type { Settled } from "./store.ts";

/** What an answer was made with that is another one now. `prompt` only where the taxonomy is the same. */
export type StaleReason = "taxonomy" | "prompt" | "model";

/** @returns why the present settings would ask again for an answered item; empty when they would ask the very same */
export function staleReasons(
  { taxonomyVersion, promptVersion, model, requestedModel }: Settled,
  prompt: Prompt,
  endpoints: readonly EndpointSettings[],
): StaleReason[] {
  const reasons: StaleReason[] = [];
  if (taxonomyVersion !== prompt.taxonomy.version) reasons.push("taxonomy");
  else if (promptVersion !== prompt.version) reasons.push("prompt");
  const asked = requestedModel ?? model;
  if (asked === null || !endpoints.some((endpoint) => answersAs(endpoint, asked))) reasons.push("model");
  return reasons;
}

/**
 * @param answered the name a server answered under
 * @returns whether it is the model that was asked for, or a dated version of it: `gpt-5-mini-2025-08-07` for
 * `gpt-5-mini`, but not for `gpt-5`
 */
export function isSameModel(answered: string, asked: string): boolean {
  if (answered === asked) return true;
  if (!answered.startsWith(asked)) return false;
  return /^[-@:](?:latest|\d{3,4}|\d{8}|\d{4}-\d{2}-\d{2})$/.test(answered.slice(asked.length));
}

function answersAs({ model }: EndpointSettings, asked: string): boolean {
  return model.provider === "offline" ? asked.startsWith("offline") : isSameModel(asked, model.name);
}
