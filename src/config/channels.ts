import { QuerymillError } from "../errors.ts";
import type { Channel, ChannelType } from "../notify/channel.ts";
import { PAGERDUTY_URL } from "../notify/pagerduty.ts";
import { secretBytes } from "../notify/webhook.ts";
import { secretsOfUri } from "../redact.ts";
import type { ChannelOptions } from "./notify-channels.ts";
import { severalProblems } from "./problems.ts";
import { readSecret, type SecretPlaces } from "./secret-reference.ts";
import type { ResolvedOptions } from "./sources.ts";

/** A channel of the settings: as it can be used, or why it cannot. A command that sends nothing does not mind. */
export type ChannelFound =
  | { readonly name: string; readonly type: ChannelType; readonly channel: Channel }
  | { readonly name: string; readonly type: ChannelType; readonly problem: string };

/** Where the notifications of a process can go. */
export interface ChannelsSettings {
  readonly found: readonly ChannelFound[];
  /** In lower case. */
  readonly allowPrivate: ReadonlySet<string>;
}

/** Looks the secrets of every channel up. What is wrong with one is kept with it. */
export async function resolveChannels({ get, name }: ResolvedOptions, places: SecretPlaces): Promise<ChannelsSettings> {
  const found = await Promise.all(
    Object.entries(get("notify.channels")).map(async ([channel, options]): Promise<ChannelFound> => {
      const place = { name: channel, type: options.type };
      try {
        return { ...place, channel: { name: channel, ...(await settingsOf(options, places)) } };
      } catch (error) {
        if (!(error instanceof QuerymillError)) throw error;
        return { ...place, problem: `${name("notify.channels", [channel])}: ${error.message}` };
      }
    }),
  );
  return { found, allowPrivate: new Set(get("notify.allowPrivate").map((host) => host.toLowerCase())) };
}

/** @throws QuerymillError CONFIG_INVALID when one cannot be used */
export function usableChannels({ found }: ChannelsSettings): Channel[] {
  const problems = found.flatMap((each) => ("problem" in each ? each.problem : []));
  if (problems.length > 0) throw severalProblems(problems);
  return found.flatMap((each) => ("channel" in each ? each.channel : []));
}

/** What may never appear in a log. */
export function channelSecrets({ found }: ChannelsSettings): string[] {
  return found.flatMap((each) => ("channel" in each ? each.channel.secrets : []));
}

async function settingsOf(options: ChannelOptions, places: SecretPlaces): Promise<Omit<Channel, "name">> {
  switch (options.type) {
    case "slack":
    case "discord":
    case "teams": {
      const url = webUrl(needed("url", await read("url", options, places)));
      return { settings: { type: options.type, url }, secrets: urlSecrets(url) };
    }
    case "webhook": {
      const secret = await read("url", options, places);
      if (secret !== null && options.url !== undefined) throw refused("url is given twice. Leave one out.");
      const url = webUrl(secret ?? options.url ?? needed("url", null));
      const old = await read("oldSecret", options, places);
      const written = [needed("secret", await read("secret", options, places)), ...(old === null ? [] : [old])];
      return {
        settings: { type: "webhook", url, secrets: written.map(signingBytes) },
        secrets: [
          ...written,
          ...written.map((text) => text.replace(/^whsec_/, "")),
          ...(secret === null ? [] : urlSecrets(url)),
        ],
      };
    }
    case "pagerduty": {
      const key = needed("key", await read("key", options, places));
      if (!/^[A-Za-z0-9_-]{8,64}$/.test(key))
        throw refused("the integration key holds characters that no such key has. Copy it again.");
      return { settings: { type: "pagerduty", url: webUrl(options.url ?? PAGERDUTY_URL), key }, secrets: [key] };
    }
    case "email": {
      const secret = await read("url", options, places);
      if (secret !== null && options.url !== undefined) throw refused("url is given twice. Leave one out.");
      const url = mailUrl(secret ?? options.url ?? needed("url", null));
      const { from, to } = options;
      return { settings: { type: "email", url, from, to: [to].flat() }, secrets: secretsOfUri(url) };
    }
  }
}

/** One secret of a channel, from wherever it says. */
function read(name: string, options: ChannelOptions, places: SecretPlaces): Promise<string | null> {
  const fields = options as Readonly<Record<string, unknown>>;
  const at = (ending: string) => fields[`${name}${ending}`] as string | undefined;
  return readSecret(name, { variable: at("Variable"), file: at("File") }, places);
}

function needed(name: string, value: string | null): string {
  if (value !== null) return value;
  throw refused(
    `it needs ${name}Variable, the name of a variable (environment or .env) that holds its ${name}, or ${name}File.`,
  );
}

function webUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) throw refused("its url is not an https address. Copy it again.");
  if (url.username !== "" || url.password !== "")
    throw refused("its url holds a user or a password, which is not supported. Leave them out.");
  return url.href;
}

function mailUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isMail = url !== null && /^smtps?:$/.test(url.protocol) && url.hostname !== "";
  if (isMail && url.search === "" && url.pathname.length <= 1) {
    try {
      decodeURIComponent(url.username + url.password);
      return url.href;
    } catch {
      // Said below.
    }
  }
  throw refused(
    "its url is not the address of a mail server: expected smtp://USER:PASSWORD@HOST:587 or smtps://…:465, with %40 for an @ in the password.",
  );
}

function signingBytes(written: string): Uint8Array {
  const bytes = secretBytes(written);
  if (bytes !== null) return bytes;
  throw refused("the signing secret is not whsec_ with 24 to 64 bytes in base64. Make one:  openssl rand -base64 32");
}

/** A log may show an address in parts. */
function urlSecrets(url: string): string[] {
  const { pathname, search } = new URL(url);
  const path = pathname + search;
  return [url, ...(path.length >= 12 ? [path, pathname] : [])];
}

function refused(message: string): QuerymillError {
  return new QuerymillError("CONFIG_INVALID", message);
}
