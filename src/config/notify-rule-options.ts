import { z } from "zod";
import { integer, shaped } from "./option.ts";

const group = z.record(z.string(), z.unknown());

/** When a notification is made, and when it is handed to the channels: part of the table in `schema.ts`. */
export const NOTIFY_RULE_OPTIONS = {
  // The members of both are checked by notify-rules.ts, which can name the rule and what was meant.
  "notify.rules": shaped<Readonly<Record<string, unknown>>>({
    help: "what is told, by the name of the rule: true, false or its settings (querymill notify rules shows them)",
    expected: "a group of rules such as {lag: {lagMinutes: 30}, finished: false}",
    schema: group,
    default: {},
  }),
  "notify.quietHours": shaped<unknown>({
    help: "when only what is critical is told; the rest waits for their end",
    expected:
      'a group such as {from: "22:00", to: "07:00", timezone: Europe/Berlin, days: [mon, tue]}, or a list of them',
    schema: z.union([group, z.array(group).min(1).max(10)]),
    default: null,
  }),
  "notify.groupSeconds": integer({
    help: "notifications within this are one message; what is critical does not wait for others",
    min: 0,
    max: 3_600,
    unit: "s",
    default: 30,
  }),
  "notify.maxPerHour": integer({
    help: "most messages to one channel in an hour; the rest is told together. Critical ones have as many of their own",
    min: 1,
    max: 1_000,
    unit: "messages",
    default: 20,
  }),
} as const;
