import type { Notification } from "../../src/notify/notification.ts";

/** A notification as a rule makes it. */
export function notificationOf(changes: Partial<Notification> = {}): Notification {
  return {
    id: "01JD-lag-1",
    rule: "lag",
    subject: "lag",
    state: "problem",
    severity: "warning",
    job: "inbox",
    executionId: "ex-1",
    atMs: Date.UTC(2026, 10, 26, 4, 17, 24),
    title: "The oldest item waits for 12 minutes",
    details: ["Allowed are 5 minutes.", "312 items wait."],
    actions: ["querymill status --job inbox"],
    figures: { lagMs: 720_000, items: 312, endpoint: null },
    ...changes,
  };
}

/** Texts that each service would take for more than they are. */
export const HOSTILE =
  "<!channel> <@U123> @everyone @here **bold** _it_ `code` ~~s~~ ||x|| [a](https://evil.test) # h\n> q <at>Bob</at> {{DATE(2026)}} & <script>alert(1)</script> \u202Egnp.exe";
