import { QuerymillError } from "../errors.ts";
import { MODEL_PROVIDERS } from "../llm/providers.ts";
import { loadJob } from "./job-command.ts";
import { shellWord } from "./program.ts";

/**
 * Flags that a command about a job needs beside those that were typed so that a model is chosen.
 * @param ranWith what the job asked last, as in its fingerprint: `openai/NAME at HOST`; null when unknown
 * @returns nothing when flags, environment or file choose one
 */
export async function modelFlags(flags: Readonly<Record<string, unknown>>, ranWith: string | null): Promise<string> {
  try {
    await loadJob({ ...flags }, true);
    return "";
  } catch (error) {
    if (!(error instanceof QuerymillError)) throw error;
    return error.code === "MODEL_NOT_CHOSEN" ? flagsOf(ranWith) : "";
  }
}

/**
 * The path behind the host is not remembered: where it is not the provider's own, `URL` stands for the whole. Without a
 * host it was a model of several endpoints, whose addresses are in the file.
 */
function flagsOf(ranWith: string | null): string {
  const [, provider, name, host] = /^((?:@ai-sdk\/)?[^/]+)\/([^,]*?)(?: at (\S+))?$/.exec(ranWith ?? "") ?? [];
  if (provider === "offline") return "--model offline";
  if (provider === undefined || name === undefined) return "--model PROVIDER/NAME";
  const own = MODEL_PROVIDERS[provider]?.baseUrl ?? null;
  const isNamed = Object.hasOwn(MODEL_PROVIDERS, provider) || provider.startsWith("@ai-sdk/");
  const model = `--model ${shellWord(isNamed ? `${provider}/${name}` : name)}`;
  const known = host === undefined || (own !== null && new URL(own).host === host);
  return known ? model : `--base-url URL ${model}`;
}
