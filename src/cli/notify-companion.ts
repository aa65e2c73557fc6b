import { setTimeout as sleep } from "node:timers/promises";
import { usableChannels } from "../config/channels.ts";
import type { Notification } from "../notify/notification.ts";
import { withoutPassword } from "../redact.ts";
import { jobFolder, WHOLE_RANGE } from "../state/batch-file-manager.ts";
import type { Companion, Host } from "./companion.ts";

/** Kinds of channels that people read: what belongs together is one message there. */
const READ_BY_PEOPLE: ReadonlySet<string> = new Set(["slack", "discord", "teams", "email"]);

/** The end of a run is shown after this, in ms, also when an earlier process still holds the outbox or a disk hangs. */
const ENDED_MS = 2_000;

/**
 * Notifications of a run: rules that look at it, and the outbox that delivers what they tell. null without channels.
 * @throws QuerymillError CONFIG_INVALID when a channel cannot be used
 */
export async function openNotifications({
  execution,
  settings,
  service,
  logger,
  jobFlags,
  again,
  redacted,
}: Host): Promise<Companion | null> {
  const { channels: found, notifyRules } = service;
  if (found === undefined || notifyRules === undefined) return null;
  const channels = usableChannels(found);
  const [{ openOutbox }, { makeSend }, { watchRules }] = await Promise.all([
    import("../notify/outbox.ts"),
    import("../notify/send.ts"),
    import("../notify/rules-watch.ts"),
  ]);
  const identity = { tenant: settings.tenant, job: settings.job, range: WHOLE_RANGE };
  const folder = jobFolder(settings.batchDir, identity);
  const send = makeSend({ network: { allowPrivate: found.allowPrivate }, now: Date.now });
  const outbox = await openOutbox({ folder, identity, channels, send, logger });
  const watch = await watchRules({
    execution,
    settings: notifyRules,
    context: {
      job: settings.job,
      mode: settings.mode,
      jobFlags,
      again,
      channels: channels.map(({ name, settings: { type } }) => ({ name, grouped: READ_BY_PEOPLE.has(type) })),
    },
    folder,
    identity,
    deliver: ({ notification, channels: names }) => outbox.put(withoutSecrets(notification, redacted), names),
    onTrouble: (error) => logger.error({ err: error }, "notifications have trouble; the run goes on"),
  });
  return {
    failed: watch.failed,
    ended: async () => {
      const told = new AbortController();
      const late = sleep(ENDED_MS, undefined, { signal: told.signal }).catch(() => {});
      await Promise.race([watch.close(), late]);
      told.abort();
    },
    close: async () => {
      await watch.close();
      await outbox.close();
    },
  };
}

/** The words of a notification can be those of a model server or a store, which may repeat what they were sent. */
function withoutSecrets(notification: Notification, redacted: Host["redacted"]): Notification {
  const clean = (text: string): string => withoutPassword(redacted(text));
  const { title, details, actions, figures } = notification;
  const cleanFigures = Object.entries(figures).map(([name, value]) => [
    name,
    typeof value === "string" ? clean(value) : value,
  ]);
  return {
    ...notification,
    title: clean(title),
    details: details.map(clean),
    actions: actions.map(clean),
    figures: Object.fromEntries(cleanFigures),
  };
}
