import { appendFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";
import { expect } from "vitest";
import type { Notification } from "../../src/notify/notification.ts";
import type { CliEvent } from "../support/cli.ts";
import { startMailServer, textOf } from "../support/mail-server.ts";
import { startReceiver } from "../support/receiver.ts";

const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
/** Where the table of what arrived is written to; nowhere when it is not said. */
const TABLE = process.env.QUERYMILL_NOTIFY_TABLE;

/** Where the notifications of real runs arrive: a receiver of signed webhooks and a mail box. */
export interface Witness {
  /** For `querymill.yaml`, and the variables that it names. */
  readonly notify: {
    readonly channels: {
      readonly here: { readonly type: "webhook"; readonly url: string; readonly secretVariable: string };
      readonly post: { readonly type: "email"; readonly url: string; readonly from: string; readonly to: string };
    };
    readonly allowPrivate: readonly string[];
  };
  readonly env: { readonly HOOK: string };
  /** All that arrived by webhook, each with a signature that holds. */
  all(): Notification[];
  /** Resolves when so many more have come since it was checked last. */
  more(count: number): Promise<void>;
  /** Checks what arrived by webhook since then, such as `problem lag`, and notes it for the table. */
  sees(happened: string, expected: readonly string[]): void;
  /** Checks that a run said of exactly what arrived that it was made. */
  agreesWith(events: readonly CliEvent[]): void;
  /** Checks that mails had each title, nothing came twice, and nobody's text or secret was in anything. */
  isDone(secrets: RegExp): void;
}

export async function startWitness(): Promise<Witness> {
  const receiver = await startReceiver();
  const mail = await startMailServer({ hideSTARTTLS: true });
  const library = new Webhook(SECRET);
  const all = (): Notification[] =>
    receiver.received.map(({ body, headers }) => {
      const { data } = library.verify(body, headers as Record<string, string>) as { data: Notification };
      expect(headers["webhook-id"]).toBe(data.id);
      return data;
    });
  let taken = 0;
  let checked = 0;
  const fresh = (): Notification[] => {
    const since = all().slice(taken);
    taken += since.length;
    return since;
  };
  const words = ({ state, subject }: Notification): string => `${state} ${subject}`;
  return {
    notify: {
      channels: {
        here: { type: "webhook", url: receiver.url, secretVariable: "HOOK" },
        post: { type: "email", url: `smtp://127.0.0.1:${mail.port}`, from: "mill@example.org", to: "ops@example.org" },
      },
      allowPrivate: ["127.0.0.1"],
    },
    env: { HOOK: SECRET },
    all,
    more: (count) => receiver.seen(taken + count),
    sees: (happened, expected) => {
      const since = fresh();
      expect(since.map(words).sort(), happened).toEqual(expected.toSorted());
      if (TABLE === undefined) return;
      for (const { rule, state, severity, title } of since)
        appendFileSync(TABLE, `| \`${rule}\` | ${happened} | ${state}, ${severity}: ${title} |\n`);
    },
    agreesWith: (events) => {
      const made = events.filter(({ event, channels }) => event === "notification:made" && has(channels, "here"));
      const arrived = all().slice(checked);
      checked += arrived.length;
      expect(made.map(({ id, rule, subject, state }) => ({ id, rule, subject, state }))).toEqual(
        arrived.map(({ id, rule, subject, state }) => ({ id, rule, subject, state })),
      );
    },
    isDone: (secrets) => {
      const texts = mail.letters.map(textOf);
      for (const { title } of all()) expect(texts.join("\n")).toContain(title);
      expect(new Set(all().map(({ id }) => id)).size).toBe(all().length);
      for (const text of [...texts, ...receiver.received.map(({ body }) => body)]) expect(text).not.toMatch(secrets);
    },
  };
}

function has(list: unknown, value: string): boolean {
  return Array.isArray(list) && list.includes(value);
}
