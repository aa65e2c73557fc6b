import type { Events } from "../events.ts";
import type { NotificationMade } from "../notify/notification.ts";
import { type OutboxContent, readOutbox } from "../notify/outbox-file.ts";
import type { StateIdentity } from "../state/identity.ts";
import type { SentNotification } from "./api.ts";
import { titleOf } from "./event-words.ts";
import { sentence } from "./words.ts";

type Made = NotificationMade & { readonly atMs: number };
/** Words of a notification: its event has none. */
type Words = Pick<SentNotification, "title" | "severity">;
type Channel = SentNotification["channels"][number];

/** Of what is in the outbox no more it is known that it was delivered, and not when. */
const MOST_MADE = 100;

/**
 * Notifications with what became of each. The outbox keeps what waits, and the last hundred deliveries; of those of this
 * process more is known.
 */
export class SentNotifications {
  readonly #made: Made[] = [];
  readonly #words = new Map<string, Words>();
  readonly #jobFolder: string;
  readonly #identity: StateIdentity;

  constructor(jobFolder: string, identity: StateIdentity) {
    this.#jobFolder = jobFolder;
    this.#identity = identity;
  }

  /** @param now epoch ms */
  hear(events: Events, now: () => number): void {
    events.on("notification:made", (made) => {
      this.#made.push({ ...made, atMs: now() });
      if (this.#made.length > MOST_MADE) this.#words.delete(this.#made.shift()!.id);
      // What is told has been written down, and is still there unless it was delivered at once.
      this.list().catch(() => {});
    });
  }

  /** Newest first. @throws QuerymillError STATE_NEWER, STATE_DAMAGED */
  async list(): Promise<SentNotification[]> {
    const outbox = await readOutbox(this.#jobFolder, this.#identity);
    for (const { id, title, severity } of [...outbox.waiting, ...outbox.givenUp, ...outbox.delivered])
      if (this.#made.some((made) => made.id === id)) this.#words.set(id, { title, severity });
    return sentOf(this.#made, this.#words, outbox);
  }
}

/** Puts together what was made here and what an outbox holds. */
function sentOf(made: readonly Made[], words: ReadonlyMap<string, Words>, outbox: OutboxContent): SentNotification[] {
  const found = new Map<string, Omit<SentNotification, "channels"> & { readonly channels: Map<string, Channel> }>();
  for (const { id, rule, subject, state, atMs, channels } of made) {
    const { title, severity } = words.get(id) ?? {
      title: sentence(titleOf(subject, state)),
      severity: state === "problem" ? "warning" : "info",
    };
    const delivered = channels.map((name): [string, Channel] => [
      name,
      { name, state: "delivered", atMs: null, reason: null },
    ]);
    found.set(id, { id, rule, state, severity, atMs, title, channels: new Map(delivered) });
  }
  const put = (shown: OutboxContent["waiting"][number], channel: Channel): void => {
    const { id, rule, state, severity, title, putMs: atMs } = shown;
    const known = found.get(id) ?? { id, rule, state, severity, atMs, title, channels: new Map<string, Channel>() };
    known.channels.set(channel.name, channel);
    found.set(id, known);
  };
  for (const one of outbox.waiting)
    put(one, { name: one.channel, state: "waiting", atMs: one.putMs, reason: one.trouble || null });
  for (const one of outbox.delivered)
    put(one, { name: one.channel, state: "delivered", atMs: one.deliveredMs, reason: null });
  for (const one of outbox.givenUp)
    put(one, { name: one.channel, state: "given-up", atMs: one.givenUpMs, reason: one.trouble || null });
  return [...found.values()]
    .sort((a, b) => b.atMs - a.atMs)
    .map(({ channels, ...one }) => ({ ...one, channels: [...channels.values()] }));
}
