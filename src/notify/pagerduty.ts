import { createHash } from "node:crypto";
import type { Notification } from "./notification.ts";
import { cut } from "./plain-notification.ts";

/** Of the Events API v2, in characters. */
const MOST = { summary: 1_024, dedupKey: 255 };

/** Where events of an account in the US go; EU: `https://events.eu.pagerduty.com/v2/enqueue`. */
export const PAGERDUTY_URL = "https://events.pagerduty.com/v2/enqueue";

/**
 * What PagerDuty takes, and where. A problem triggers an alert and its recovery resolves it; both carry the job and the
 * subject as deduplication key. Information is a change event, which wakes nobody.
 */
export function pagerDutyMessage(url: string, key: string, notification: Notification): { url: string; body: object } {
  const { state, title, severity, job, rule, details, actions, figures, atMs, executionId, id } = notification;
  const summary = cut(title, MOST.summary);
  const timestamp = new Date(atMs).toISOString();
  const custom_details = { rule, details, actions, figures, executionId, notification: id };
  const source = `querymill ${job}`;
  if (state === "information")
    return {
      url: url.replace(/\/enqueue$/, "/change/enqueue"),
      body: { routing_key: key, payload: { summary, timestamp, source, custom_details } },
    };
  return {
    url,
    body: {
      routing_key: key,
      event_action: state === "recovered" ? "resolve" : "trigger",
      dedup_key: dedupKey(notification),
      payload: { summary, severity, source, timestamp, component: job, group: job, class: rule, custom_details },
    },
  };
}

/** The job is part of it: two jobs with one integration must not close each other's alerts. */
function dedupKey({ job, subject }: Notification): string {
  const key = `querymill:${job}:${subject}`;
  return key.length <= MOST.dedupKey ? key : `querymill:${createHash("sha256").update(key).digest("hex")}`;
}
