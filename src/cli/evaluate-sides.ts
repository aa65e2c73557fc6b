import { type LoadedSettings, loadSettings } from "../config/load.ts";
import { QuerymillError } from "../errors.ts";
import { MODEL_PROVIDERS } from "../llm/providers.ts";

type Flags = Record<string, unknown>;

/**
 * Settings of the model that is evaluated, and of the one it is compared with; null without one. Flags are for both,
 * but examples that teach the offline classifier are not for a model that it is compared with, nor the other way round.
 * @param typed flags of `evaluate`, all of them
 * @param flags those of a run
 */
export async function loadSides(typed: Flags, flags: Flags): Promise<[LoadedSettings, LoadedSettings | null]> {
  const { against, againstConfig } = typed;
  if (against !== undefined && againstConfig !== undefined)
    throw new QuerymillError(
      "USAGE",
      "--against and --against-config exclude each other: both name the other side. Leave one out.",
    );
  if (againstConfig !== undefined) {
    const { model: _model, baseUrl: _url, taxonomy: _taxonomy, ...rest } = flags;
    return [await load(flags), await load({ ...withoutExamples(rest), config: againstConfig })];
  }
  if (against === undefined) return [await load(flags), null];
  const other = otherFlags(String(against), flags);
  const mixed = isOffline(flags) !== isOffline(other);
  return [await load(mixed ? ownExamples(flags) : flags), await load(mixed ? ownExamples(other) : other)];
}

/** The base URL goes along with a model that names no provider of its own. */
function otherFlags(model: string, flags: Flags): Flags {
  const { baseUrl, ...rest } = flags;
  const elsewhere = model === "offline" || Object.hasOwn(MODEL_PROVIDERS, model.split("/")[0]!);
  return elsewhere || baseUrl === undefined ? { ...rest, model } : { ...rest, baseUrl, model };
}

/** Of one side where only the other, or only this one, is the offline classifier. */
function ownExamples(flags: Flags): Flags {
  if (!isOffline(flags)) return flags.examplesInPrompt === undefined ? withoutExamples(flags) : flags;
  const { examplesInPrompt: _shown, ...rest } = flags;
  return rest;
}

function withoutExamples(flags: Flags): Flags {
  return Object.fromEntries(Object.entries(flags).filter(([name]) => !name.startsWith("examples")));
}

function isOffline({ model }: Flags): boolean {
  return model === "offline";
}

async function load(flags: Flags): Promise<LoadedSettings> {
  return await loadSettings({ flags, env: process.env, cwd: process.cwd() });
}
