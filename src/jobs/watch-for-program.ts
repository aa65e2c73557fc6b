import type { ServiceSettings } from "../config/service.ts";
import { type JobSettings, jobFlagOf } from "../job.ts";
import type { Notification } from "../notify/notification.ts";
import type { RulesWatch } from "../notify/rules-watch.ts";
import { jobFolder, WHOLE_RANGE } from "../state/batch-file-manager.ts";
import type { Execution } from "./execution.ts";

/** Has the rules tell a program what they find in its run; null when it does not listen. */
export async function watchForProgram(
  execution: Execution,
  settings: JobSettings,
  { notifyRules }: ServiceSettings,
  onNotification: ((notification: Notification) => void | Promise<void>) | undefined,
): Promise<RulesWatch | null> {
  if (onNotification === undefined || notifyRules === undefined) return null;
  const { watchRules } = await import("../notify/rules-watch.ts");
  const { tenant, job, mode, batchDir } = settings;
  const identity = { tenant, job, range: WHOLE_RANGE };
  const jobFlags = jobFlagOf(settings);
  return await watchRules({
    execution,
    settings: notifyRules,
    context: {
      job,
      mode,
      jobFlags,
      again: `querymill run ${jobFlags}`,
      channels: [{ name: "program", grouped: false }],
    },
    folder: jobFolder(batchDir, identity),
    identity,
    // Nobody waits for it, and what it throws is its own, as with any listener.
    deliver: ({ notification }) => {
      Promise.resolve(onNotification(notification)).catch(() => {});
    },
    onTrouble: () => {},
  });
}
