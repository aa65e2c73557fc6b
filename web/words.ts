import type { ItemRow, LimitStep, Need } from "../src/dashboard/api.ts";

/** Outcomes as people read them; the order is that of the sum. */
export const OUTCOMES: Readonly<Record<ItemRow["outcome"], string>> = {
  classified: "classified",
  skipped: "skipped",
  retryQueued: "retry queued",
  deadLetter: "dead letter",
  pending: "pending",
};

/** Who can decide, in the order in which they are drawn. */
export const DECIDERS = ["model", "student", "cache", "offline", "person"] as const;

const REVIEW_REASONS: Readonly<Record<string, string>> = {
  "low-confidence": "low confidence",
  "label-repaired": "the label was put right",
  "text-truncated": "the text was cut",
};

/** A fixed reason such as `low-confidence` or `urgency-invalid` in words. */
export function reviewReason(reason: string): string {
  return REVIEW_REASONS[reason] ?? reason.replaceAll("-", " ");
}

/** A label or a name of a field as people read it: `very_negative` → `very negative`. */
export function plain(id: string): string {
  return id.replaceAll("_", " ");
}

/** The same at the begin of a line: `very_negative` → `Very negative`. */
export function capital(id: string): string {
  return id.charAt(0).toUpperCase() + plain(id.slice(1));
}

/** How sure an answer is: a number only where it means a share of right answers, else in words. */
export function sureness(confidence: number | null | undefined, kind: string | null): string {
  if (confidence === null || confidence === undefined) return "–";
  if (kind === "calibrated") return confidence.toFixed(2);
  if (confidence >= 0.9) return "sure";
  return confidence >= 0.7 ? "fairly sure" : confidence >= 0.5 ? "unsure" : "guess";
}

/** Longer explanation of {@link sureness}, for a title. */
export function surenessHelp(kind: string | null): string {
  if (kind === "calibrated") return "Calibrated: of 100 answers with 0.90, about 90 are right.";
  if (kind === "offline") return "The offline classifier's own measure, calibrated on examples only; so in words.";
  return "The model rates itself. That orders items and is no share of right answers; so in words.";
}

/** What a change of a limit is for, in a word for the curve's flag. */
export const LIMIT_REASONS: Readonly<Record<LimitStep["reason"], string>> = {
  "slow-start": "start",
  "clean-round": "clean round",
  "rate-limited": "rate limited",
  latency: "slower answers",
  ceiling: "ceiling",
};

/** What a state of a need is called for those who do not see its colour. */
export const NEED_LEVELS: Readonly<Record<Need["level"], string>> = {
  bad: "Problem",
  warn: "Warning",
  info: "For you",
};

/** A title for the tab of the browser: what can be seen when it is not in front. */
export function tabTitle(job: string, share: string | null, needs: number): string {
  return `${needs > 0 ? `(${needs}) ` : ""}${share === null ? "" : `${share} · `}${job} · Querymill`;
}
