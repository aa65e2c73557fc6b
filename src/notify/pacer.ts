import { shortHash } from "../job.ts";
import type { Notification } from "./notification.ts";
import { isQuiet } from "./quiet-hours.ts";
import type { PacingSettings, Severity } from "./rule-settings.ts";
import { counted } from "./words.ts";

/** A channel as pacing sees it. */
export interface PacedChannel {
  readonly name: string;
  /** False where each notification goes by itself, at once: to programs, and to what keeps incidents apart by their subject. */
  readonly grouped: boolean;
}

/** One notification on its way to these channels. */
export interface Outgoing {
  readonly notification: Notification;
  readonly channels: readonly string[];
}

/** What waits for a channel and what went there in the last hour. */
export interface LaneState {
  held: Notification[];
  /** Counted, and not kept. */
  more: number;
  readonly sent: { readonly atMs: number; readonly critical: boolean }[];
}

const HOUR_MS = 3_600_000;
/** What was held for longer is delivered in quiet hours too: nobody runs at their end, it seems. */
const LONGEST_HELD_MS = 24 * HOUR_MS;
/** Kept for one channel; what ended, what is critical and what is kept apart has more room. Behind that it is counted only. */
const MOST_HELD = 200;
const MOST_HELD_AT_ALL = 500;
const LISTED = 20;
const MOST_ACTIONS = 5;

/**
 * Hands notifications to channels: waits for others that belong into the same message, for the end of quiet hours, and
 * for room under the hourly limit. What is critical waits for none of them, except that several at once are one message.
 */
export class Pacer {
  readonly #pacing: PacingSettings;
  readonly #channels: readonly PacedChannel[];
  readonly #lanes: Map<string, LaneState>;

  constructor(
    pacing: PacingSettings,
    channels: readonly PacedChannel[],
    saved: Readonly<Record<string, LaneState>> = {},
  ) {
    this.#pacing = pacing;
    this.#channels = channels;
    this.#lanes = new Map(channels.map(({ name }) => [name, lane(saved[name])]));
  }

  /** @param names null: every channel */
  add(notification: Notification, names: readonly string[] | null): void {
    const isKept = notification.state === "recovered" || isCritical(notification);
    for (const { name, grouped } of this.#channels) {
      if (names !== null && !names.includes(name)) continue;
      const lane = this.#lanes.get(name)!;
      if (lane.held.length < (isKept || !grouped ? MOST_HELD_AT_ALL : MOST_HELD)) lane.held.push(notification);
      else lane.more += 1;
    }
  }

  /**
   * What is to go out now.
   * @param closing `soon`: the process ends and another one will go on, so groups do not wait; `for-good`: nobody may
   * run at the end of quiet hours, so nothing waits
   */
  release(nowMs: number, closing: "soon" | "for-good" | null = null): Outgoing[] {
    const quiet = closing !== "for-good" && isQuiet(this.#pacing.quietHours, nowMs);
    const messages: { notification: Notification; channel: string }[] = [];
    for (const { name, grouped } of this.#channels) {
      const lane = this.#lanes.get(name)!;
      forgetSent(lane, nowMs);
      for (const critical of [true, false]) {
        const able = lane.held.filter(
          (one) => isCritical(one) === critical && (critical || !quiet || nowMs - one.atMs >= LONGEST_HELD_MS),
        );
        if (able.length === 0 || (closing === null && grouped && !this.#isRipe(lane, able, critical, nowMs))) continue;
        const room = closing === "for-good" ? able.length : this.#room(lane, critical);
        const taken = grouped && room > 0 ? able : able.slice(0, room);
        if (taken.length === 0) continue;
        lane.held = lane.held.filter((one) => !taken.includes(one));
        const made = grouped ? [together(taken, lane.more, nowMs)] : [...taken, ...leftOut(taken, lane.more, nowMs)];
        lane.more = 0;
        for (const notification of made) {
          lane.sent.push({ atMs: nowMs, critical });
          messages.push({ notification, channel: name });
        }
      }
    }
    return merged(messages);
  }

  /** True while something waits. */
  get holds(): boolean {
    return [...this.#lanes.values()].some(({ held, more }) => held.length + more > 0);
  }

  saved(): Record<string, LaneState> {
    return structuredClone(Object.fromEntries(this.#lanes));
  }

  /** The first critical one goes at once and opens the wait for those behind it; others wait for company. */
  #isRipe({ sent }: LaneState, able: readonly Notification[], critical: boolean, nowMs: number): boolean {
    const groupMs = this.#pacing.groupSeconds * 1_000;
    const fromMs = critical ? sent.findLast((one) => one.critical)?.atMs : able[0]!.atMs;
    return fromMs === undefined || nowMs - fromMs >= groupMs || nowMs < fromMs;
  }

  #room({ sent }: LaneState, critical: boolean): number {
    const count = critical ? sent.filter((one) => one.critical).length : sent.length;
    return Math.max(0, this.#pacing.maxPerHour - count);
  }
}

function lane(saved: LaneState | undefined): LaneState {
  return saved === undefined ? { held: [], more: 0, sent: [] } : structuredClone(saved);
}

function forgetSent({ sent }: LaneState, nowMs: number): void {
  while (sent.length > 0 && (nowMs - sent[0]!.atMs >= HOUR_MS || sent[0]!.atMs > nowMs)) sent.shift();
}

function isCritical({ severity }: Notification): boolean {
  return severity === "critical";
}

/** Several notifications as one, with a list; one alone stays as it is. */
function together(list: readonly Notification[], more: number, nowMs: number): Notification {
  const last = list.at(-1)!;
  if (list.length === 1 && more === 0) return last;
  const all = list.length + more;
  const count = (state: Notification["state"]): number => list.filter((one) => one.state === state).length;
  const [problems, recovered] = [count("problem"), count("recovered")];
  const parts = [
    ...(problems > 0 ? [counted(problems, "problem")] : []),
    ...(recovered > 0 ? [`${counted(recovered, "problem")} over`] : []),
    ...(count("information") > 0 ? [`${count("information")} for information`] : []),
    ...(more > 0 ? [`${more.toLocaleString("en-US")} more`] : []),
  ];
  const said = parts.join(", ");
  const rules = new Set(list.map(({ rule }) => rule));
  const unlisted = all - Math.min(LISTED, list.length);
  return {
    id: shortHash(`${list.map(({ id }) => id).join()} ${more}`),
    rule: rules.size === 1 ? last.rule : "several",
    subject: `several:${list[0]!.id}`,
    state: problems > 0 ? "problem" : recovered > 0 ? "recovered" : "information",
    severity: worst(list.map(({ severity }) => severity)),
    job: last.job,
    executionId: last.executionId,
    atMs: nowMs,
    title: recovered === all ? counted(all, "problem") : more > 0 ? `${counted(all, "notification")}: ${said}` : said,
    details: [
      ...list.slice(0, LISTED).map(({ state, title }) => `${LEAD[state]}${title}`),
      ...(unlisted > 0 ? [`and ${unlisted.toLocaleString("en-US")} more`] : []),
    ],
    actions: [...new Set(list.flatMap(({ actions }) => actions))].slice(0, MOST_ACTIONS),
    figures: { notifications: all, problems, recovered },
  };
}

/** Says how many were counted only, where each would have come by itself. */
function leftOut(list: readonly Notification[], more: number, nowMs: number): Notification[] {
  if (more === 0) return [];
  const all = together(list, more, nowMs);
  const title = `and ${more.toLocaleString("en-US")} more that were not kept`;
  return [
    {
      ...all,
      state: "information",
      severity: "info",
      title,
      details: [],
      actions: [],
      figures: { notifications: more },
    },
  ];
}

const LEAD: Readonly<Record<Notification["state"], string>> = {
  problem: "Problem: ",
  recovered: "Recovered: ",
  information: "",
};

const BY_WEIGHT: readonly Severity[] = ["critical", "warning", "info"];

function worst(severities: readonly Severity[]): Severity {
  return BY_WEIGHT.find((severity) => severities.includes(severity))!;
}

/** The same message to several channels is handed on once. */
function merged(messages: readonly { notification: Notification; channel: string }[]): Outgoing[] {
  const byId = new Map<string, { notification: Notification; channels: string[] }>();
  for (const { notification, channel } of messages) {
    const same = byId.get(notification.id);
    if (same === undefined) byId.set(notification.id, { notification, channels: [channel] });
    else same.channels.push(channel);
  }
  return [...byId.values()];
}
