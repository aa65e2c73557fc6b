import type { RuleBasics, RuleName, Severity } from "./rule-settings.ts";
import { lasting } from "./words.ts";

/** What a rule found when it looked. */
export interface Finding {
  readonly rule: RuleName;
  /** Groups a problem and its recovery. */
  readonly subject: string;
  /** Whether it is wrong now; null when that cannot be told, and then nothing changes. */
  readonly holds: boolean | null;
  readonly title: string;
  readonly details: readonly string[];
  readonly actions: readonly string[];
  readonly figures: Readonly<Record<string, number | string | null>>;
  /** One line for when it has ended. */
  readonly recovered: string;
}

/** What is to be told of a subject. */
export interface Told extends Omit<Finding, "holds" | "recovered"> {
  readonly state: "problem" | "recovered";
  readonly severity: Severity;
  readonly channels: readonly string[] | null;
}

/** What is remembered of one subject between looks, and over restarts. */
export interface ProblemState {
  readonly rule: string;
  /** Since when it has been wrong without a break; null while it is not. */
  sinceMs: number | null;
  /** Set while a told problem has not ended. */
  open: { readonly sinceMs: number; readonly severity: Severity; readonly channels: readonly string[] | null } | null;
  /** When its last problem was told. */
  toldMs: number | null;
}

const MINUTE_MS = 60_000;
/** Subjects with a cool-down longer than this are not remembered for it once they have ended, in ms. */
const LONGEST_MEMORY_MS = 8 * 24 * 60 * MINUTE_MS;

/**
 * Problems by their subject: pending (wrong, but not for long enough, or within the cool-down) → open (told) → ended
 * (recovery told). Only what was told has a recovery, and it has exactly one.
 */
export class Problems {
  readonly #problems: Map<string, ProblemState>;

  constructor(saved: Readonly<Record<string, ProblemState>> = {}) {
    this.#problems = new Map(Object.entries(structuredClone(saved)));
  }

  step(finding: Finding, basics: RuleBasics, nowMs: number): Told | null {
    const { rule, subject, holds } = finding;
    if (holds === null) return null;
    const problem = this.#problems.get(subject) ?? { rule, sinceMs: null, open: null, toldMs: null };
    // A clock that was set back must not make a wait longer than it is.
    if (problem.toldMs !== null) problem.toldMs = Math.min(problem.toldMs, nowMs);
    if (!holds) {
      problem.sinceMs = null;
      return problem.open === null ? null : this.#end(finding, problem, nowMs);
    }
    problem.sinceMs = Math.min(problem.sinceMs ?? nowMs, nowMs);
    this.#problems.set(subject, problem);
    const isLong = nowMs - problem.sinceMs >= basics.forMinutes * MINUTE_MS;
    const isCool = problem.toldMs === null || nowMs - problem.toldMs >= basics.cooldownMinutes * MINUTE_MS;
    if (problem.open !== null || !isLong || !isCool) return null;
    problem.open = { sinceMs: problem.sinceMs, severity: basics.severity, channels: basics.channels };
    problem.toldMs = nowMs;
    return { ...wordsOf(finding), state: "problem", severity: basics.severity, channels: basics.channels };
  }

  /** Ends what is open and is not looked at any more. @param why one line by subject */
  endWhere(gone: (subject: string, rule: string) => boolean, why: (subject: string) => string, nowMs: number): Told[] {
    return [...this.#problems].flatMap(([subject, problem]) => {
      if (!gone(subject, problem.rule)) return [];
      problem.sinceMs = null;
      if (problem.open === null) return [];
      const silent = { title: "", details: [], actions: [], figures: {} };
      return [
        this.#end(
          { ...silent, rule: problem.rule as RuleName, subject, holds: false, recovered: why(subject) },
          problem,
          nowMs,
        ),
      ];
    });
  }

  /** Forgets what has ended, of a rule whose subjects seldom come back. @param sinceMs one that was told since then is kept */
  forgetEnded(rule: RuleName, sinceMs: number): void {
    for (const [subject, problem] of this.#problems)
      if (problem.rule === rule && problem.open === null && problem.sinceMs === null && (problem.toldMs ?? 0) < sinceMs)
        this.#problems.delete(subject);
  }

  isOpen(rule: RuleName): boolean {
    return [...this.#problems.values()].some((problem) => problem.rule === rule && problem.open !== null);
  }

  saved(nowMs: number): Record<string, ProblemState> {
    const kept = [...this.#problems].filter(
      ([, { sinceMs, open, toldMs }]) =>
        sinceMs !== null || open !== null || (toldMs !== null && nowMs - toldMs < LONGEST_MEMORY_MS),
    );
    return structuredClone(Object.fromEntries(kept));
  }

  #end(finding: Finding, problem: ProblemState, nowMs: number): Told {
    const { sinceMs, severity, channels } = problem.open!;
    problem.open = null;
    const { rule, subject, figures, recovered } = finding;
    const lastedMs = Math.max(0, nowMs - sinceMs);
    return {
      rule,
      subject,
      state: "recovered",
      severity,
      channels,
      title: recovered,
      details: [`It lasted ${lasting(lastedMs)}.`],
      actions: [],
      figures: { ...figures, lastedMs },
    };
  }
}

function wordsOf({ rule, subject, title, details, actions, figures }: Finding): Omit<Finding, "holds" | "recovered"> {
  return { rule, subject, title, details, actions, figures };
}
