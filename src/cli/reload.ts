import { isDeepStrictEqual } from "node:util";
import type { Logger } from "pino";
import type { LoadedSettings, OutputSettings } from "../config/load.ts";
import { OPTION_KEYS, type OptionKey, optionOf } from "../config/schema.ts";
import { obey, type Reloaded } from "../control/commands.ts";
import type { Change } from "../control/protocol.ts";
import { messageOf } from "../errors.ts";
import type { EndpointSettings } from "../job.ts";
import type { Execution } from "../jobs/execution.ts";
import type { LiveChanges } from "../jobs/live-changes.ts";
import { withoutPassword } from "../redact.ts";

export interface ReloadOptions {
  /** As the run was started with them. */
  readonly loaded: LoadedSettings;
  /** Reads them again, from the same flags. @throws QuerymillError when something is wrong with them */
  readonly load: () => Promise<LoadedSettings>;
  readonly execution: Execution;
  readonly setLogLevel: (level: OutputSettings["logLevel"]) => void;
  /** Keys that are new: the log hides them from now on, before they are used. */
  readonly hide: (settings: LoadedSettings["settings"]) => void;
}

/** The part of the job's settings that a live option is in. `endpoints` has those of each endpoint besides. */
const PART: Readonly<Partial<Record<OptionKey, keyof LiveChanges | "logLevel">>> = {
  concurrent: "concurrent",
  concurrentMax: "concurrentMax",
  interval: "intervalSeconds",
  "retry.retries": "retry",
  "retry.baseDelayMs": "retry",
  "retry.maxDelayMs": "retry",
  "retry.rounds": "retry",
  "limits.requestsPerMinute": "endpoints",
  "limits.tokensPerMinute": "endpoints",
  "limits.requestsPerDay": "endpoints",
  "limits.tokensPerDay": "endpoints",
  endpoints: "endpoints",
  balance: "balance",
  "hedge.afterMs": "hedge",
  "budget.usd": "budget",
  "budget.per": "budget",
  prices: "prices",
  logLevel: "logLevel",
};

/** @returns where a reload puts an option; undefined for those that only a restart takes */
export function partOf(key: OptionKey): string | undefined {
  return PART[key];
}

/** What decides whether results are comparable: another value would mix them. */
const COMPARABLE: readonly OptionKey[] = [
  "model",
  "baseUrl",
  "taxonomy",
  "redact",
  "source.text",
  "source.messages",
  "source.preset",
  "source.maxChars",
  "mark.processed",
  "mark.processedAt",
  "mark.processedBy",
  "mark.in",
  "maxOutputTokens",
];
const RESTART = "is decided when the run starts. Restart it: nothing is lost";
const MIXED = "would mix results that cannot be compared. Restart it with --accept-changes when that is meant";

/** Told when the settings begin to be read again, and when that is over, whatever came of it. */
export interface ReloadWatcher {
  begins(): void;
  ends(): void;
}

/** Takes what may be changed of the settings while a run goes on. Two reloads at once are one after the other. */
export class Reloader {
  readonly #options: ReloadOptions;
  readonly #known: Map<OptionKey, unknown>;
  #endpoints: readonly EndpointSettings[];
  #share: LoadedSettings["settings"]["share"];
  #turn: Promise<unknown> = Promise.resolve();
  readonly #watchers: ReloadWatcher[] = [];

  constructor(options: ReloadOptions) {
    const { get, settings } = options.loaded;
    this.#options = options;
    this.#known = new Map(OPTION_KEYS.map((key) => [key, get(key)]));
    this.#endpoints = settings.endpoints;
    this.#share = settings.share;
  }

  /** @throws QuerymillError when the settings have an error, or cannot work together: nothing is taken then */
  reload(): Promise<Reloaded> {
    const done = this.#turn.then(() => this.#reload());
    this.#turn = done.catch(() => {});
    return done;
  }

  watch(watcher: ReloadWatcher): void {
    this.#watchers.push(watcher);
  }

  async #reload(): Promise<Reloaded> {
    for (const watcher of this.#watchers) watcher.begins();
    try {
      return await this.#take();
    } finally {
      for (const watcher of this.#watchers) watcher.ends();
    }
  }

  async #take(): Promise<Reloaded> {
    const { loaded, load, execution, setLogLevel, hide } = this.#options;
    const next = await load();
    const changed = OPTION_KEYS.filter((key) => !isDeepStrictEqual(this.#known.get(key), next.get(key)));
    const refused = changed
      .filter((key) => !optionOf(key).live)
      .map((setting): Reloaded["refused"][number] => ({
        setting,
        reason: COMPARABLE.includes(setting) ? MIXED : RESTART,
      }));
    if (!changed.includes("taxonomy") && next.settings.taxonomy.version !== loaded.settings.taxonomy.version)
      refused.push({ setting: "taxonomy", reason: `${MIXED}` });
    const live = changed.filter((key) => optionOf(key).live);
    const taken: Record<string, Change> = {};
    const changes: Record<string, unknown> = {};
    for (const key of live) {
      const part = PART[key]!;
      if (part !== "endpoints") taken[key] = { from: shown(this.#known.get(key)), to: shown(next.get(key)) };
      if (part !== "endpoints" && part !== "logLevel") changes[part] = next.settings[part];
    }
    const endpoints = this.#nextEndpoints(next.settings.endpoints, taken, refused);
    if (!isDeepStrictEqual(endpoints, this.#endpoints)) changes.endpoints = endpoints;
    const { share } = next.settings;
    if (share !== undefined && !isDeepStrictEqual(share, this.#share)) {
      changes.share = share;
      for (const name of ["weight", "floor", "ceiling"] as const)
        if (share[name] !== this.#share?.[name]) taken[name] = { from: this.#share?.[name] ?? null, to: share[name] };
    }
    if (Object.keys(changes).length > 0) {
      hide(next.settings);
      await execution.change(changes as LiveChanges);
    }
    if (live.includes("logLevel")) setLogLevel(next.output.logLevel);
    for (const key of live) this.#known.set(key, next.get(key));
    this.#endpoints = endpoints;
    this.#share = share;
    return { taken, refused };
  }

  /** Each as it was, with other limits, shares and keys; one that became another stays whole as it was. */
  #nextEndpoints(
    next: readonly EndpointSettings[],
    taken: Record<string, Change>,
    refused: { setting: string; reason: string }[],
  ): readonly EndpointSettings[] {
    const identities = (list: readonly EndpointSettings[]): unknown => list.map(identityOf);
    if (!isDeepStrictEqual(identities(this.#endpoints), identities(next))) {
      if (!refused.some(({ setting }) => setting === "model" || setting === "baseUrl"))
        refused.push({ setting: "endpoints", reason: RESTART });
      return this.#endpoints;
    }
    for (const [at, before] of this.#endpoints.entries()) {
      const after = next[at]!;
      const say = (name: string, from: Change["from"], to: Change["to"]): void => {
        if (from !== to) taken[`${before.name} ${name}`] = { from, to };
      };
      say("weight", before.weight, after.weight);
      say("concurrent", before.concurrent, after.concurrent);
      for (const name of Object.keys(after.limits) as (keyof EndpointSettings["limits"])[])
        say(name, before.limits[name], after.limits[name]);
      if (!isDeepStrictEqual(loginOf(before), loginOf(after))) say("key", "the one before", "another one");
    }
    return next;
  }
}

/** Reads the settings again because of SIGHUP, and says what came of it. Never throws. */
export async function reloadBySignal(
  execution: Execution,
  reload: () => Promise<Reloaded>,
  logger: Logger,
  note: (text: string) => void,
): Promise<void> {
  try {
    const { changes, refused = [] } = await obey("reload", {}, "SIGHUP", { execution, reload });
    const nothing = Object.keys(changes).length + refused.length === 0;
    if (nothing) note("SIGHUP: the settings were read again, and nothing is another one.");
    for (const { setting, reason } of refused) note(`SIGHUP: ${setting} stays as it was: it ${reason}.`);
    for (const one of refused) logger.warn(one, "a setting stays as it was");
  } catch (error) {
    note(`SIGHUP: the settings were not taken, and everything stays as it was: ${messageOf(error)}`);
    logger.error({ reason: messageOf(error) }, "the settings were not taken");
  }
}

function identityOf({ name, fallback, model: { provider, name: called, baseUrl } }: EndpointSettings): unknown {
  return { name, fallback, provider, called, baseUrl };
}

function loginOf({ model: { apiKey, settings = {} } }: EndpointSettings): unknown {
  return { apiKey, settings };
}

function shown(value: unknown): Change["from"] {
  if (value === null || typeof value === "number") return value;
  return typeof value === "string" ? withoutPassword(value) : JSON.stringify(value).slice(0, 200);
}
