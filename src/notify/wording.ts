import type { Notification } from "./notification.ts";

/** How a notification looks, whatever shows it: `bad` is red, `warn` amber, `good` green, `plain` blue. */
export type Tone = "bad" | "warn" | "good" | "plain";

export function toneOf({ state, severity }: Notification): Tone {
  if (state === "recovered") return "good";
  return severity === "critical" ? "bad" : severity === "warning" ? "warn" : "plain";
}

/** The title with what it is in front: `Critical: …`, `Recovered: …`; what only informs stands for itself. */
export function headline(notification: Notification): string {
  const words = { bad: "Critical: ", warn: "Warning: ", good: "Recovered: ", plain: "" } as const;
  return words[toneOf(notification)] + notification.title;
}

/** Where it comes from: `job inbox · rule lag · 2026-11-26 04:17:24 UTC · execution 01J…`. */
export function origin({ job, rule, atMs, executionId }: Notification): string {
  const at = new Date(atMs).toISOString().replace("T", " ").replace(/\..*/, " UTC");
  return [`job ${job}`, `rule ${rule}`, at, ...(executionId === null ? [] : [`execution ${executionId}`])].join(" · ");
}
