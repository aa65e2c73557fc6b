import { QuerymillError } from "../errors.ts";
import type { KnownProvider } from "../llm/providers.ts";

/** Providers that need no base URL, by their names. */
export type KnownProviders = Readonly<Record<string, KnownProvider>>;

export interface ModelChoice {
  /** `--model`, or null. */
  readonly model: string | null;
  /** `--base-url`, or null. */
  readonly baseUrl: string | null;
  /** Looks a variable of the environment up. */
  readonly variable: (name: string) => string | undefined;
  readonly providers: KnownProviders;
  /** The variable that holds the key, when one was named for this server: no other is looked at. */
  readonly keyVariable?: string;
  /** False when QUERYMILL_API_KEY could be for several hosts: it is sent to none then. @default true */
  readonly ownKey?: boolean;
  /** How messages name the two. @default --model and --base-url */
  readonly words?: { readonly model: string; readonly baseUrl: string };
}

/** The variable whose key is for whatever host is asked. */
export const OWN_KEY = "QUERYMILL_API_KEY";

/** @returns `PROVIDER/NAME` in its two parts; the provider is empty when none is named. `@ai-sdk/x/NAME` names a package */
export function splitModel(model: string): { provider: string; name: string } {
  const slash = model.indexOf("/", model.startsWith("@ai-sdk/") ? "@ai-sdk/".length : 0);
  return { provider: model.slice(0, Math.max(0, slash)), name: model.slice(slash + 1) };
}

/**
 * The provider of a name: of the table, or any package of the AI SDK, whose key is then taken to be in the variable
 * that such packages use. A package of the table is its provider.
 * @returns null when there is none
 */
export function findProvider(name: string, providers: KnownProviders): { name: string; known: KnownProvider } | null {
  if (Object.hasOwn(providers, name)) return { name, known: providers[name]! };
  if (!/^@ai-sdk\/[a-z0-9][a-z0-9-]*$/.test(name)) return null;
  for (const [own, known] of Object.entries(providers)) if (known.package === name) return { name: own, known };
  const keyVariable = `${name.slice("@ai-sdk/".length).replaceAll("-", "_").toUpperCase()}_API_KEY`;
  return { name, known: { baseUrl: null, keyVariable, package: name } };
}

/** @returns whether a host is the provider's own, so that its key may go there */
export function isOwnHost(host: string, { baseUrl, hosts = [] }: KnownProvider): boolean {
  if (baseUrl !== null) return new URL(baseUrl).host === host;
  return hosts.some((end) => host.endsWith(end));
}

/**
 * The key for a server. A provider's key is never taken for another host.
 * @param url of the server; null: the provider's own, wherever its package finds it
 * @param usual the provider whose host this is, or null
 * @returns null when there is none
 */
export function keyFor(url: URL | null, usual: KnownProvider | null, choice: ModelChoice): string | null {
  const { variable, keyVariable, ownKey = true } = choice;
  if (keyVariable === undefined) {
    const own = ownKey ? keyIn(OWN_KEY, variable) : null;
    if (own !== null || usual === null) return own;
    for (const name of keyVariables(usual)) {
      const key = keyIn(name, variable);
      if (key !== null) return key;
    }
    return null;
  }
  if (url !== null) refuseForeignKey(keyVariable, url, choice.providers);
  const key = keyIn(keyVariable, variable);
  if (key === null)
    throw refused(`${keyVariable}, which keyVariable names, is not set. Set it in the environment or in .env.`);
  return key;
}

/**
 * What a provider's package is told besides, from variables.
 * @param elsewhere true when a base URL says where it is
 */
export function settingsFor(
  model: string,
  known: KnownProvider,
  { variable }: ModelChoice,
  elsewhere: boolean,
): Readonly<Record<string, string>> {
  const settings: Record<string, string> = {};
  for (const [name, { variables, required = false }] of Object.entries(known.settings ?? {})) {
    const value = variables.map((each) => variable(each)?.trim()).find((each) => each !== undefined && each !== "");
    if (value !== undefined) settings[name] = value;
    else if (required && !elsewhere)
      throw refused(
        `${model} needs ${variables.join(" or ")}, which is not set. Set it in the environment or in .env.`,
      );
  }
  return settings;
}

/** @returns whether the settings log in without a key */
export function isLoggedIn({ insteadOfKey }: KnownProvider, settings: Readonly<Record<string, string>>): boolean {
  return insteadOfKey?.every((name) => Object.hasOwn(settings, name)) ?? false;
}

export function keyMissing(model: string, known: KnownProvider, { ownKey = true, words }: ModelChoice): QuerymillError {
  const names = keyVariables(known);
  const usual = names.join(" nor ");
  const other = (known.insteadOfKey ?? []).flatMap((name) => known.settings?.[name]?.variables[0] ?? []);
  const instead = other.length === 0 ? "" : `, or ${other.join(" and ")} instead,`;
  const missing = ownKey
    ? `neither ${usual} nor ${OWN_KEY} is set. Set one${instead}`
    : `${names.join(" or ")} is not set (${OWN_KEY} is not used for several hosts). Set it${instead}`;
  const how =
    words === undefined ? `:  ${names[0]}=… querymill run --model ${model}` : ", or say with keyVariable where it is.";
  return refused(`${model} needs a key, and ${missing} in the environment or in .env${how}`);
}

function keyVariables({ keyVariable, otherKeyVariables = [] }: KnownProvider): string[] {
  return keyVariable === null ? [] : [keyVariable, ...otherKeyVariables];
}

function refuseForeignKey(keyVariable: string, url: URL, providers: KnownProviders): void {
  const owners = Object.entries(providers).filter(([, known]) => keyVariables(known).includes(keyVariable));
  const [owner] = owners;
  if (owner === undefined || owners.some(([, known]) => isOwnHost(url.host, known))) return;
  const [name, { baseUrl }] = owner;
  const whose = baseUrl === null ? name : new URL(baseUrl).host;
  throw refused(
    `${keyVariable} holds a key for ${whose}, and a provider's key is never sent to another host, here ${url.host}. Put this server's key in a variable of its own.`,
  );
}

/** @returns null when the variable is not set */
function keyIn(name: string, variable: ModelChoice["variable"]): string | null {
  const value = variable(name)?.trim();
  if (!value) return null;
  if (!/^[\x21-\x7e]+$/.test(value))
    throw refused(`${name} holds blanks or characters that no key has, so no server would take it. Set it again.`);
  return value;
}

function refused(message: string): QuerymillError {
  return new QuerymillError("CONFIG_INVALID", message);
}
