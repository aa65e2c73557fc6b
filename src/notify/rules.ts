import type { EventMap, ExecutionEnd, RunSnapshot, StopReason } from "../events.ts";
import type { DeadRange } from "../fleet.ts";
import { type Mode, shortHash } from "../job.ts";
import { type Announcement, type AnnouncementState, Announcements } from "./announcements.ts";
import { allDown, conditions, labelMix, type Sight } from "./conditions.ts";
import { fleetConditions, goneWorkers, whyBack } from "./fleet-conditions.ts";
import { FleetMemory } from "./fleet-memory.ts";
import { type LabelHour, LabelHours } from "./label-hours.ts";
import { type MinuteCount, MinuteCounts } from "./minute-counts.ts";
import type { Notification } from "./notification.ts";
import { type LaneState, type Outgoing, type PacedChannel, Pacer } from "./pacer.ts";
import { type Finding, type ProblemState, Problems, type Told } from "./problems.ts";
import type { NotifyRulesSettings, RuleName } from "./rule-settings.ts";
import { SettledElsewhere } from "./settled-elsewhere.ts";
import { counted } from "./words.ts";

/** What the rules know of the job that they look at. */
export interface RulesContext {
  readonly job: string;
  readonly mode: Mode;
  /** Flags that lead a command to the same job, without secrets; may be empty. */
  readonly jobFlags: string;
  /** The command that goes on. */
  readonly again: string;
  readonly channels: readonly PacedChannel[];
}

/** Everything that the rules remember, as plain JSON of bounded size. */
export interface RulesState {
  readonly format: 1;
  /** Number of the last notification. */
  readonly made: number;
  readonly problems: Readonly<Record<string, ProblemState>>;
  readonly announcements: AnnouncementState;
  readonly minutes: readonly MinuteCount[];
  readonly labels: readonly LabelHour[];
  /** An older version has none. */
  readonly deadRanges?: readonly DeadRange[];
  readonly lanes: Readonly<Record<string, LaneState>>;
}

/** Reasons for which a run stops itself, so that somebody has to do something, in the words of a title. */
const STOPPED_ITSELF: Readonly<Partial<Record<StopReason, string>>> = {
  authentication: "the key was refused",
  billing: "the account cannot pay",
  budget: "the budget is spent",
  config: "an endpoint refuses what it is asked",
  "daily-quota": "the day's quota is used up",
  disk: "the disk takes nothing more",
  fenced: "another process has taken the job over",
  "run-breaker": "too many items failed",
  store: "the store was away for too long",
};
/** A run that has gone on for this long is over what stopped the one before, in ms. */
const GONE_ON_MS = 10 * 60_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/**
 * Decides what is told of a run, and when. A calculation: what happened and what time it is come in, notifications go
 * out. Told of every event, and asked to look every few seconds; {@link RulesState} takes it over a restart.
 */
export class NotificationRules {
  readonly #settings: NotifyRulesSettings;
  readonly #context: RulesContext;
  readonly #problems: Problems;
  readonly #announcements: Announcements;
  readonly #counts: MinuteCounts;
  readonly #labels: LabelHours;
  readonly #fleet: FleetMemory;
  readonly #elsewhere = new SettledElsewhere();
  readonly #pacer: Pacer;
  #made: number;
  #executionId: string | null = null;
  #startedMs: number | null = null;
  #settledMs: number | null = null;
  /** The run has stopped because the next call would not fit. */
  #isBudgetSpent = false;
  #mixedHour: number | null = null;
  #isFirstLook = true;

  /** @param saved null for the first time */
  constructor(settings: NotifyRulesSettings, context: RulesContext, saved: RulesState | null = null) {
    const { rules, pacing } = settings;
    this.#settings = settings;
    this.#context = context;
    this.#made = saved?.made ?? 0;
    this.#problems = new Problems(saved?.problems);
    this.#announcements = new Announcements(rules, { ...context, jobFlags: this.#jobFlags }, saved?.announcements);
    const windows = [rules["error-share"]?.windowMinutes ?? 0, rules["dead-letters"]?.windowMinutes ?? 0];
    this.#counts = new MinuteCounts(Math.max(1, ...windows), saved?.minutes);
    this.#labels = new LabelHours(rules["label-mix"]?.hours ?? 0, saved?.labels);
    this.#fleet = new FleetMemory((rules["range-dead"]?.windowMinutes ?? 0) * MINUTE_MS, saved?.deadRanges);
    this.#pacer = new Pacer(pacing, context.channels, saved?.lanes);
  }

  /** Takes any event of an execution; one that no rule looks at changes nothing. */
  event(name: string, payload: unknown, nowMs: number): void {
    if (name === "item:settled") this.#settled(payload as EventMap["item:settled"], nowMs);
    else if (name === "execution:start") {
      this.#executionId = (payload as EventMap["execution:start"]).executionId;
      this.#startedMs = nowMs;
      this.#settledMs = nowMs;
      this.#elsewhere.begin();
    } else if (name === "execution:end") this.#ended(payload as ExecutionEnd, nowMs);
    else if (name === "schedule:missed") {
      this.#announce(this.#announcements.missed(payload as EventMap["schedule:missed"], nowMs), nowMs);
    } else if (name === "schedule:failed") {
      const { code, message } = payload as { code: string; message: string };
      this.failed(code, message, nowMs);
    }
  }

  /** A run could not start, or broke off without an end. @param message for people, without secrets and customer text */
  failed(code: string, message: string, nowMs: number): void {
    const reason = code.toLowerCase().replaceAll("_", "-");
    const title = `The run ${this.#startedMs === null ? "could not begin" : "broke off"}: ${reason.replaceAll("-", " ")}`;
    this.#stopped({ reason, title, details: [message], figures: {} }, nowMs);
  }

  /** @returns what is to go out now */
  look(snapshot: RunSnapshot, nowMs: number): Outgoing[] {
    if (this.#isFirstLook) this.#endSwitchedOff(nowMs);
    this.#countElsewhere(snapshot, nowMs);
    this.#labels.look(snapshot.executionId, snapshot.labels, nowMs);
    const sight: Sight = {
      rules: this.#settings.rules,
      snapshot,
      nowMs,
      counts: this.#counts,
      settledMs: this.#settledMs,
      jobFlags: this.#jobFlags,
    };
    const found = [...conditions(sight), ...fleetConditions(sight, this.#fleet), ...this.#mix(sight)];
    for (const finding of found) this.#step(finding, nowMs);
    this.#endGoneEndpoints(snapshot, nowMs);
    this.#endGoneWorkers(snapshot, nowMs);
    if (this.#hasGoneOn(snapshot, nowMs)) this.#goesOn(nowMs);
    this.#announce(this.#announcements.look(snapshot, this.#isBudgetSpent, nowMs), nowMs);
    this.#isBudgetSpent = false;
    return this.#pacer.release(nowMs);
  }

  /** The process ends. @returns what is to go out before it does; the rest is in {@link saved} */
  end(nowMs: number): Outgoing[] {
    return this.#pacer.release(nowMs, this.#context.mode === "batch" ? "for-good" : "soon");
  }

  saved(nowMs: number): RulesState {
    return {
      format: 1,
      made: this.#made,
      problems: this.#problems.saved(nowMs),
      announcements: this.#announcements.saved(),
      minutes: this.#counts.saved(),
      labels: this.#labels.saved(),
      deadRanges: this.#fleet.dead,
      lanes: this.#pacer.saved(),
    };
  }

  get #jobFlags(): string {
    return this.#context.jobFlags === "" ? "" : ` ${this.#context.jobFlags}`;
  }

  #settled(settled: EventMap["item:settled"], nowMs: number): void {
    this.#settledMs = nowMs;
    this.#announcements.settled(settled);
    this.#elsewhere.own(settled.outcome, settled.costUsd);
    if (settled.outcome !== "skipped") this.#counts.add(settled.outcome, nowMs);
  }

  #countElsewhere(snapshot: RunSnapshot, nowMs: number): void {
    const settled = this.#elsewhere.look(snapshot);
    if (settled === null) return;
    this.#settledMs = nowMs;
    this.#announcements.settledElsewhere(settled);
    this.#counts.add("classified", nowMs, settled.classified);
    this.#counts.add("retryQueued", nowMs, settled.retryQueued);
    this.#counts.add("deadLetter", nowMs, settled.deadLetters);
  }

  #ended(end: ExecutionEnd, nowMs: number): void {
    this.#executionId = end.executionId;
    const { stopReason, message } = end;
    this.#isBudgetSpent = stopReason === "budget";
    const why = stopReason === null ? undefined : STOPPED_ITSELF[stopReason];
    if (stopReason !== null && why !== undefined) {
      const { read, classified, deadLetters, costUsd } = end;
      const title = `The run stopped itself: ${why}`;
      const details = [
        ...(message === null ? [] : [message]),
        `${counted(classified, "item")} classified before. What was classified is stored; what was not asked yet waits.`,
      ];
      this.#stopped({ reason: stopReason, title, details, figures: { read, classified, deadLetters, costUsd } }, nowMs);
    } else if (end.status.startsWith("completed")) this.#goesOn(nowMs);
    this.#announce(this.#announcements.ended(end, nowMs), nowMs);
    this.#startedMs = null;
  }

  #stopped(
    { reason, figures, ...words }: Pick<Finding, "title" | "details" | "figures"> & { readonly reason: string },
    nowMs: number,
  ): void {
    const actions = [this.#context.again, `querymill status${this.#jobFlags}`];
    const finding = { ...words, rule: "stopped", subject: `stopped:${reason}`, holds: true, actions } as const;
    this.#step({ ...finding, figures: { ...figures, reason }, recovered: "" }, nowMs);
  }

  #hasGoneOn(snapshot: RunSnapshot, nowMs: number): boolean {
    const isWell = (snapshot.state === "running" || snapshot.state === "waiting") && !allDown(snapshot);
    return isWell && this.#startedMs !== null && nowMs - this.#startedMs >= GONE_ON_MS;
  }

  #goesOn(nowMs: number): void {
    const why = (subject: string): string => {
      const [, reason = ""] = subject.split(":");
      return `The run goes on; it had stopped: ${STOPPED_ITSELF[reason as StopReason] ?? reason.replaceAll("-", " ")}`;
    };
    this.#tell(
      this.#problems.endWhere((_, rule) => rule === "stopped", why, nowMs),
      nowMs,
    );
  }

  /** Once an hour: only whole hours are compared. */
  #mix(sight: Sight): Finding[] {
    const hour = Math.floor(sight.nowMs / HOUR_MS);
    if (hour === this.#mixedHour) return [];
    this.#mixedHour = hour;
    return labelMix(this.#labels, sight);
  }

  #endSwitchedOff(nowMs: number): void {
    this.#isFirstLook = false;
    const gone = (_: string, rule: string): boolean => (this.#settings.rules[rule as RuleName] ?? null) === null;
    const why = (subject: string): string => `${subject} is not looked at any more: its rule was switched off`;
    this.#tell(this.#problems.endWhere(gone, why, nowMs), nowMs);
  }

  #endGoneEndpoints({ endpoints }: RunSnapshot, nowMs: number): void {
    if (endpoints.length === 0) return;
    const subjects = new Set(endpoints.map(({ name }) => `endpoint-down:${name}`));
    const gone = (subject: string, rule: string): boolean => rule === "endpoint-down" && !subjects.has(subject);
    const why = (subject: string): string => `Endpoint ${subject.split(":")[1]} is not asked any more`;
    this.#tell(this.#problems.endWhere(gone, why, nowMs), nowMs);
  }

  #endGoneWorkers(snapshot: RunSnapshot, nowMs: number): void {
    const { fleet } = snapshot;
    const gone = goneWorkers(snapshot, this.#fleet, nowMs);
    // A run that goes on without workers has nothing that one of them could hold.
    if (gone === null && (fleet !== undefined || !this.#hasGoneOn(snapshot, nowMs))) return;
    const nameOf = (subject: string): string => subject.slice("worker-gone:".length);
    const isBack = (subject: string, rule: string): boolean => rule === "worker-gone" && !gone?.has(nameOf(subject));
    const why = (subject: string): string => whyBack(nameOf(subject), fleet);
    this.#tell(this.#problems.endWhere(isBack, why, nowMs), nowMs);
    const { cooldownMinutes = 0 } = this.#settings.rules["worker-gone"] ?? {};
    this.#problems.forgetEnded("worker-gone", nowMs - cooldownMinutes * MINUTE_MS);
  }

  #step(finding: Finding, nowMs: number): void {
    const basics = this.#settings.rules[finding.rule];
    const told = basics === null ? null : this.#problems.step(finding, basics, nowMs);
    if (told !== null) this.#tell([told], nowMs);
  }

  #announce(announcements: readonly Announcement[], nowMs: number): void {
    for (const announcement of announcements) {
      const channels = this.#settings.rules[announcement.rule]?.channels ?? null;
      this.#add({ ...announcement, state: "information" }, channels, nowMs);
    }
  }

  #tell(told: readonly Told[], nowMs: number): void {
    for (const { channels, ...one } of told) this.#add(one, channels, nowMs);
  }

  #add(
    one: Omit<Notification, "id" | "job" | "executionId" | "atMs">,
    channels: readonly string[] | null,
    nowMs: number,
  ): void {
    this.#made += 1;
    const { job } = this.#context;
    const notification = {
      id: `${shortHash(job)}-${nowMs.toString(36)}-${this.#made.toString(36)}`,
      job,
      executionId: this.#executionId,
      atMs: nowMs,
      ...one,
    };
    this.#pacer.add(notification, channels);
  }
}
