import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { LanguageModelV4 } from "@ai-sdk/provider";
import { QuerymillError } from "../errors.ts";

/** What a package of the AI SDK is told. Keys never come from its own look at the environment. */
export interface SdkSettings extends Readonly<Record<string, unknown>> {
  readonly fetch: typeof globalThis.fetch;
}

/** Makes the models of one provider. */
export type SdkFactory = (settings: SdkSettings) => SdkProvider;

interface SdkProvider {
  languageModel(name: string): LanguageModelV4;
  chat?(name: string): LanguageModelV4;
}

/** Of @ai-sdk/provider: what a model here must speak. Version 3 has the same shapes at this level. */
const VERSIONS: readonly string[] = ["v4", "v3"];
/** Packages that come with Querymill. */
const INSTALLED: Readonly<Record<string, () => Promise<Readonly<Record<string, unknown>>>>> = {
  "@ai-sdk/anthropic": () => import("@ai-sdk/anthropic"),
  "@ai-sdk/google": () => import("@ai-sdk/google"),
};
/** Major versions of packages that speak it, as far as known. */
const MAJOR: Readonly<Record<string, number>> = {
  "@ai-sdk/amazon-bedrock": 5,
  "@ai-sdk/azure": 4,
  "@ai-sdk/cohere": 4,
  "@ai-sdk/google-vertex": 5,
  "@ai-sdk/groq": 4,
  "@ai-sdk/mistral": 4,
};

/**
 * Loads a provider's package, from beside Querymill or from the folder that it was started in.
 * @throws QuerymillError CONFIG_INVALID when it is not installed (with what to install), or is not of this kind
 */
export async function loadSdkPackage(name: string): Promise<SdkFactory> {
  const exported = await importPackage(name);
  const factory = factoryOf(exported, name);
  if (factory === null)
    throw new QuerymillError(
      "CONFIG_INVALID",
      `The package ${name} makes no models: it exports no function whose name begins with "create". Choose a provider of the AI SDK.`,
    );
  return factory;
}

/**
 * @param api `chat` where the package's usual kind of model is another one
 * @throws QuerymillError CONFIG_INVALID when the settings do not do, or the package's version is another
 */
export function makeSdkModel(
  factory: SdkFactory,
  { name, packageName, settings }: { name: string; packageName: string; settings: SdkSettings },
): LanguageModelV4 {
  const model = made(() => {
    const provider = factory(settings);
    // The Responses API stores what it is asked: chat completions do not.
    return packageName === "@ai-sdk/azure" && provider.chat ? provider.chat(name) : provider.languageModel(name);
  }, packageName);
  if (VERSIONS.includes(model.specificationVersion)) return model;
  throw new QuerymillError(
    "CONFIG_INVALID",
    `The package ${packageName} is of a version that Querymill does not speak (${model.specificationVersion}). Install the right one:  npm i ${toInstall(packageName)}`,
  );
}

function made(make: () => LanguageModelV4, packageName: string): LanguageModelV4 {
  try {
    return make();
  } catch (error) {
    throw new QuerymillError("CONFIG_INVALID", `${packageName} refuses its settings: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

async function importPackage(name: string): Promise<Readonly<Record<string, unknown>>> {
  const installed = INSTALLED[name];
  if (installed !== undefined) return await installed();
  const entry = (await entryFrom(import.meta.dirname, name)) ?? (await entryFrom(process.cwd(), name));
  if (entry === null)
    throw new QuerymillError(
      "CONFIG_INVALID",
      `This provider needs the package ${name}, which is not installed. Install it where you start Querymill:  npm i ${toInstall(name)}`,
    );
  try {
    return (await import(pathToFileURL(entry).href)) as Record<string, unknown>;
  } catch (error) {
    throw new QuerymillError("CONFIG_INVALID", `The package ${name} cannot be loaded: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** @returns the file that `import` takes, as seen from a folder; null when the package is not there */
async function entryFrom(folder: string, name: string): Promise<string | null> {
  try {
    const file = createRequire(join(folder, "package.json")).resolve(`${name}/package.json`);
    const { exports, main } = JSON.parse(await readFile(file, "utf8"));
    const root = exports?.["."];
    const entry: unknown = root?.import?.default ?? root?.import ?? root?.default ?? main ?? "index.js";
    return typeof entry === "string" ? join(dirname(file), entry) : null;
  } catch {
    return null;
  }
}

function factoryOf(exported: Readonly<Record<string, unknown>>, name: string): SdkFactory | null {
  const wanted = `create${name.replace(/^@ai-sdk\//, "").replaceAll("-", "")}`;
  const names = Object.keys(exported).filter((key) => /^create[A-Z]/.test(key) && typeof exported[key] === "function");
  const found = names.find((key) => key.toLowerCase() === wanted) ?? names[0];
  return found === undefined ? null : (exported[found] as SdkFactory);
}

/** @returns what `npm i` is to be given */
function toInstall(name: string): string {
  const major = MAJOR[name];
  return major === undefined ? name : `${name}@${major}`;
}
