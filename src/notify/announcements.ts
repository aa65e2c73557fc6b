import type { EventMap, ExecutionEnd, RunSnapshot } from "../events.ts";
import type { Mode } from "../job.ts";
import type { Notification } from "./notification.ts";
import { minutesOf, wallTime } from "./quiet-hours.ts";
import type { RuleName, Rules, Severity } from "./rule-settings.ts";
import { counted, dollars, lasting, momentOf, percent } from "./words.ts";

/** Something that is told and does not last. */
export interface Announcement extends Pick<Notification, "subject" | "title" | "details" | "actions" | "figures"> {
  readonly rule: RuleName;
  readonly severity: Severity;
}

/** What is remembered over restarts. */
export interface AnnouncementState {
  budget: { readonly period: string; readonly toldShare: number } | null;
  /** The day whose summary was told last, or that began with the first look. */
  day: {
    date: string;
    fromMs: number;
    classified: number;
    skipped: number;
    deadLetters: number;
    costUsd: number;
  } | null;
  /** When a subject was told last, and what was left out since. */
  readonly told: Record<string, { atMs: number; leftOut: number }>;
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** Below this share of the budget a message is for information only. */
const WARN_FROM = 0.8;

/** Ends, days, budgets and missed times: what is told once and has no recovery. */
export class Announcements {
  readonly #rules: Rules;
  readonly #mode: Mode;
  readonly #jobFlags: string;
  readonly #state: AnnouncementState;

  constructor(
    rules: Rules,
    { mode, jobFlags }: { readonly mode: Mode; readonly jobFlags: string },
    saved?: AnnouncementState,
  ) {
    this.#rules = rules;
    this.#mode = mode;
    this.#jobFlags = jobFlags;
    this.#state = saved === undefined ? { budget: null, day: null, told: {} } : structuredClone(saved);
  }

  /** One item more for the summary of the day. */
  settled({ outcome, costUsd }: EventMap["item:settled"]): void {
    const { day } = this.#state;
    if (day === null) return;
    if (outcome === "classified") day.classified += 1;
    if (outcome === "skipped") day.skipped += 1;
    if (outcome === "deadLetter") day.deadLetters += 1;
    day.costUsd += costUsd ?? 0;
  }

  /** Items that workers of the run settled. */
  settledElsewhere(
    settled: Pick<NonNullable<AnnouncementState["day"]>, "classified" | "skipped" | "deadLetters" | "costUsd">,
  ): void {
    const { day } = this.#state;
    if (day === null) return;
    for (const name of ["classified", "skipped", "deadLetters", "costUsd"] as const) day[name] += settled[name];
  }

  ended(end: ExecutionEnd, nowMs: number): Announcement[] {
    const rule = this.#rules.finished;
    const isEnd = end.status.startsWith("completed") || end.stopReason === "limit";
    const isEmpty = this.#mode === "scheduled" && end.read === 0;
    if (rule === null || this.#isDaily || !isEnd || isEmpty) return [];
    const failed = end.retryQueued + end.deadLetters;
    const said: Announcement = {
      rule: "finished",
      subject: "finished",
      severity: rule.severity,
      title: `Finished: ${counted(end.classified, "item")} classified${failed > 0 ? `, ${number(failed)} failed` : ""}`,
      details: [
        `Of ${counted(end.read, "item")}: ${number(end.classified)} classified, ${number(end.skipped)} skipped, ${number(end.retryQueued)} to be tried again, ${counted(end.deadLetters, "dead letter")}.`,
        `It took ${lasting(end.durationMs)} and cost ${end.costUsd === null ? "an unknown sum" : dollars(end.costUsd)}.`,
      ],
      actions: failed > 0 ? [`querymill status${this.#jobFlags}`] : [],
      figures: {
        read: end.read,
        classified: end.classified,
        skipped: end.skipped,
        retryQueued: end.retryQueued,
        deadLetters: end.deadLetters,
        costUsd: end.costUsd,
        durationMs: end.durationMs,
      },
    };
    return this.#coolDown(said, rule.cooldownMinutes, nowMs);
  }

  missed({ name, times, reason, firstMs, lastMs }: EventMap["schedule:missed"], nowMs: number): Announcement[] {
    const rule = this.#rules["missed-schedule"];
    if (rule === null) return [];
    const why = reason === "running" ? "A run was still under way" : "No process was there";
    const said: Announcement = {
      rule: "missed-schedule",
      subject: `missed-schedule:${name}`,
      severity: rule.severity,
      title: `${counted(times, "time")} of the schedule ${name} passed without a run`,
      details: [`${why}: ${momentOf(firstMs)}${times > 1 ? ` to ${momentOf(lastMs)}` : ""}.`],
      actions: [`querymill status${this.#jobFlags}`],
      figures: { missed: times, schedule: name, reason, firstMs, lastMs },
    };
    return this.#coolDown(said, rule.cooldownMinutes, nowMs);
  }

  /** @param isSpent the run stopped because the next call would not fit, so the budget counts as spent */
  look(snapshot: RunSnapshot, isSpent: boolean, nowMs: number): Announcement[] {
    const { budget, executionId } = snapshot;
    const share = budget === null ? 0 : isSpent ? 1 : budget.spentUsd / budget.usd;
    const spent = budget === null ? [] : this.#spent(budget, share, executionId, nowMs);
    return [...spent, ...this.#dayEnded(nowMs)];
  }

  saved(): AnnouncementState {
    return structuredClone(this.#state);
  }

  get #isDaily(): boolean {
    return this.#rules.finished?.daily ?? this.#mode === "continuous";
  }

  /** Tells the highest share that was passed, once in the budget's period. @param share spent, 1 is all of it */
  #spent(
    budget: NonNullable<RunSnapshot["budget"]>,
    share: number,
    executionId: string,
    nowMs: number,
  ): Announcement[] {
    const rule = this.#rules.budget;
    if (rule === null) return [];
    const period = `${budget.per} ${budget.usd} ${periodOf(budget.per, executionId, nowMs)}`;
    if (this.#state.budget?.period !== period) this.#state.budget = { period, toldShare: 0 };
    const passed = Math.max(0, ...rule.shares.filter((limit) => share >= limit - 1e-9));
    if (passed <= this.#state.budget.toldShare) return [];
    this.#state.budget = { period, toldShare: passed };
    const perTime = budget.per === "day" || budget.per === "month";
    return [
      {
        rule: "budget",
        subject: `budget:${Math.round(passed * 100)}`,
        severity: passed < WARN_FROM ? "info" : rule.severity,
        title: `${percent(passed)} of the budget is spent`,
        details: [
          `${dollars(budget.spentUsd)} of ${dollars(budget.usd)} per ${budget.per}.`,
          ...(passed >= 1
            ? [`Nothing more is asked until it is raised${perTime ? `, or the next ${budget.per} begins` : ""}.`]
            : []),
        ],
        actions: [`querymill status${this.#jobFlags}`],
        figures: { spentUsd: budget.spentUsd, budgetUsd: budget.usd, share: passed, per: budget.per },
      },
    ];
  }

  #dayEnded(nowMs: number): Announcement[] {
    const rule = this.#rules.finished;
    if (rule === null || !this.#isDaily) return [];
    const date = dueDay(nowMs, rule);
    const { day } = this.#state;
    if (day !== null && date <= day.date) return [];
    this.#state.day = { date, fromMs: nowMs, classified: 0, skipped: 0, deadLetters: 0, costUsd: 0 };
    if (day === null) return [];
    const { classified, skipped, deadLetters, costUsd, fromMs } = day;
    return [
      {
        rule: "finished",
        subject: "finished:day",
        severity: rule.severity,
        title: `Summary of the day: ${counted(classified, "item")} classified${deadLetters > 0 ? `, ${counted(deadLetters, "dead letter")}` : ""}`,
        details: [
          `Since ${momentOf(fromMs)}: ${number(classified)} classified, ${number(skipped)} skipped, ${counted(deadLetters, "dead letter")}; ${dollars(costUsd)} spent.`,
        ],
        actions: [],
        figures: { classified, skipped, deadLetters, costUsd, fromMs },
      },
    ];
  }

  #coolDown(said: Announcement, cooldownMinutes: number, nowMs: number): Announcement[] {
    const before = this.#state.told[said.subject];
    if (before !== undefined && nowMs >= before.atMs && nowMs - before.atMs < cooldownMinutes * MINUTE_MS) {
      before.leftOut += 1;
      return [];
    }
    const leftOut = before?.leftOut ?? 0;
    this.#state.told[said.subject] = { atMs: nowMs, leftOut: 0 };
    if (leftOut === 0) return [said];
    const since = `${counted(leftOut, "time")} more since the last message.`;
    return [{ ...said, details: [...said.details, since] }];
  }
}

function number(count: number): string {
  return count.toLocaleString("en-US");
}

/** What a budget covers now, in UTC as it is counted. */
function periodOf(per: string, executionId: string, nowMs: number): string {
  const now = new Date(nowMs).toISOString();
  return per === "run" ? executionId : per === "day" ? now.slice(0, 10) : per === "month" ? now.slice(0, 7) : "";
}

/** The date of the last time that a daily summary was due. */
function dueDay(nowMs: number, { dailyAt, timezone }: { readonly dailyAt: string; readonly timezone: string }): string {
  const now = wallTime(nowMs, timezone);
  return now.minutes >= minutesOf(dailyAt) ? now.date : wallTime(nowMs - DAY_MS, timezone).date;
}
