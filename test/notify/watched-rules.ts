import type { ExecutionEnd, RunSnapshot } from "../../src/events.ts";
import type { Mode } from "../../src/job.ts";
import { UNKNOWN_LAG } from "../../src/lag.ts";
import type { Notification } from "../../src/notify/notification.ts";
import type { Outgoing, PacedChannel } from "../../src/notify/pacer.ts";
import { defaultRules, type PacingSettings, type RuleName, type Rules } from "../../src/notify/rule-settings.ts";
import { NotificationRules, type RulesState } from "../../src/notify/rules.ts";
import { COUNTERS, makeEnd, makeSnapshot } from "../cli/made-up-run.ts";

/** Monday, 2 March 2026, 08:00 UTC. */
export const MONDAY_MS = Date.UTC(2026, 2, 2, 8);
export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;

export const CHAT: PacedChannel = { name: "chat", grouped: true };
export const PAGER: PacedChannel = { name: "pager", grouped: false };
const AT_ONCE: PacingSettings = { quietHours: [], groupSeconds: 0, maxPerHour: 1_000 };

/** What a test says of a snapshot; of the lag it is enough to say how long. */
type MadeUp = Omit<Partial<RunSnapshot>, "lag"> & { lag?: { ms: number | null } };

export interface WatchedOptions {
  readonly mode?: Mode;
  readonly rules?: { readonly [K in RuleName]?: Partial<NonNullable<Rules[K]>> | null };
  readonly pacing?: Partial<PacingSettings>;
  readonly channels?: readonly PacedChannel[];
  readonly atMs?: number;
  readonly saved?: RulesState | null;
}

/** The rules in front of a run that a test makes up, with a clock that it sets. */
export class WatchedRules {
  nowMs: number;
  rules: NotificationRules;
  readonly sent: Outgoing[] = [];
  /** What every snapshot says from now on. */
  snapshot: MadeUp = {};
  readonly #options: WatchedOptions;

  constructor(options: WatchedOptions = {}) {
    this.#options = options;
    this.nowMs = options.atMs ?? MONDAY_MS;
    this.rules = this.#open(options.saved ?? null);
  }

  /** All that arrived, whatever the channel. */
  get notifications(): Notification[] {
    return this.sent.map(({ notification }) => notification);
  }

  /** `problem lag`, in the order of arrival; takes them away. */
  taken(): string[] {
    return this.sent.splice(0).map(({ notification: { state, subject } }) => `${state} ${subject}`);
  }

  /** Lets time pass, and looks every `everyMs`. */
  pass(ms: number, everyMs = MINUTE_MS): this {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; ) {
      this.nowMs = Math.min(endMs, this.nowMs + everyMs);
      this.look();
    }
    return this;
  }

  look(changes: MadeUp = {}): this {
    Object.assign(this.snapshot, changes);
    const snapshot = makeSnapshot({
      endpoints: [],
      budget: null,
      labels: {},
      errors: [],
      waiting: null,
      deadLetterReasons: {},
      counters: { ...COUNTERS, inFlight: 0, pending: 0 },
      ...this.snapshot,
      lag: { ...UNKNOWN_LAG, ...this.snapshot.lag },
      nowMs: this.nowMs,
    });
    this.sent.push(...this.rules.look(snapshot, this.nowMs));
    return this;
  }

  settle(outcome: "classified" | "skipped" | "retryQueued" | "deadLetter", times = 1): this {
    const item = { executionId: "e1", key: '"q1"', outcome, reason: null, attempts: 1, latencyMs: 5, costUsd: 0.5 };
    for (let at = 0; at < times; at++) this.rules.event("item:settled", item, this.nowMs);
    return this;
  }

  event(name: string, payload: object = {}): this {
    this.rules.event(name, { executionId: "e1", ...payload }, this.nowMs);
    return this;
  }

  end(changes: Partial<ExecutionEnd> = {}): this {
    return this.event("execution:end", makeEnd(changes));
  }

  /** The process ends. */
  close(): this {
    this.sent.push(...this.rules.end(this.nowMs));
    return this;
  }

  /** Another process takes over from what was saved. */
  restart(): this {
    const state = JSON.parse(JSON.stringify(this.rules.saved(this.nowMs))) as RulesState;
    this.rules = this.#open(state);
    return this;
  }

  #open(saved: RulesState | null): NotificationRules {
    const { mode = "continuous", rules = {}, pacing, channels = [PAGER] } = this.#options;
    const all = Object.entries(defaultRules("UTC")).map(([name, defaults]) => {
      const said = rules[name as RuleName];
      return [name, said === null ? null : { ...defaults, ...said }];
    });
    return new NotificationRules(
      { rules: Object.fromEntries(all) as Rules, pacing: { ...AT_ONCE, ...pacing } },
      { job: "inbox", mode, jobFlags: "--job inbox", again: "querymill run --job inbox", channels },
      saved,
    );
  }
}

/** Every rule off but these. */
export function only(...names: RuleName[]): Required<WatchedOptions>["rules"] {
  const all = Object.keys(defaultRules("UTC")) as RuleName[];
  return Object.fromEntries(all.filter((name) => !names.includes(name)).map((name) => [name, null]));
}
