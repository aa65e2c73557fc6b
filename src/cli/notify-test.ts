import { randomUUID } from "node:crypto";
import type { Command } from "commander";
import type { ChannelFound, ChannelsSettings } from "../config/channels.ts";
import { didYouMean } from "../config/nearest.ts";
import { QuerymillError } from "../errors.ts";
import type { Delivery } from "../notify/channel.ts";
import type { Notification } from "../notify/notification.ts";
import { makeSend } from "../notify/send.ts";
import { type Look, left, printable, symbols } from "./format.ts";
import { addJobOptions, loadJob } from "./job-command.ts";
import { makeCommand } from "./options.ts";
import { openScreen } from "./screen.ts";

interface Tested {
  readonly channel: string;
  readonly type: ChannelFound["type"];
  readonly delivered: boolean;
  /** null when it was delivered. */
  readonly reason: string | null;
  /** What to do; null when that is clear or nothing is wrong. */
  readonly advice: string | null;
  readonly durationMs: number;
}

/** `querymill notify test [CHANNEL]`: one notification to each channel, now and without an outbox. */
export function notifyTestCommand(): Command {
  const command = makeCommand(
    "test",
    "Sends a test notification to each channel, or to one, and says what became of it.",
    "querymill notify test\nquerymill notify test oncall --json",
  );
  command.configureHelp({ commandUsage: () => "querymill notify test [options] [channel]" });
  command.argument("[channel]", "its name in querymill.yaml");
  return addJobOptions(command).action(async (channel: string | undefined, flags: Record<string, unknown>) => {
    process.exitCode = await test(channel ?? null, flags);
  });
}

async function test(wanted: string | null, flags: Record<string, unknown>): Promise<number> {
  const { service, settings, output } = await loadJob(flags, false);
  const channels = wantedChannels(service.channels, wanted);
  const send = makeSend({ network: { allowPrivate: service.channels!.allowPrivate }, now: Date.now });
  const screen = openScreen();
  const width = Math.max(...channels.map(({ name }) => name.length));
  const tested = await Promise.all(
    channels.map(async (found): Promise<Tested> => {
      const startedAt = performance.now();
      const delivery: Delivery =
        "problem" in found
          ? { kind: "refused", reason: found.problem, advice: "" }
          : await send(found.channel, testNotification(settings.job), new AbortController().signal);
      const result = resultOf(found, delivery, Math.round(performance.now() - startedAt));
      if (!output.json) screen.printWhole([lineOf(result, width, screen.look)]);
      return result;
    }),
  );
  const failed = tested.filter(({ delivered }) => !delivered).length;
  if (output.json) screen.json({ event: "notify:test", time: new Date().toISOString(), failed, channels: tested });
  return failed > 0 ? 3 : 0;
}

/** @throws QuerymillError USAGE, CONFIG_INVALID when there is none */
export function wantedChannels(settings: ChannelsSettings | undefined, wanted: string | null): readonly ChannelFound[] {
  const found = settings?.found ?? [];
  if (found.length === 0)
    throw new QuerymillError(
      "CONFIG_INVALID",
      "There is no channel: notify.channels is not in the settings. Add one to querymill.yaml, such as  notify: {channels: {team: {type: slack, urlVariable: SLACK_URL}}}",
    );
  if (wanted === null) return found;
  const names = found.map(({ name }) => name);
  const chosen = found.filter(({ name }) => name === wanted);
  if (chosen.length === 0)
    throw new QuerymillError(
      "USAGE",
      `There is no channel ${wanted}.${didYouMean(wanted, names)} There are: ${names.join(", ")}.`,
    );
  return chosen;
}

function testNotification(job: string): Notification {
  return {
    id: `test-${randomUUID()}`,
    rule: "test",
    subject: "test",
    state: "information",
    severity: "info",
    job,
    executionId: null,
    atMs: Date.now(),
    title: "This is a test of Querymill's notifications",
    details: ["It was sent by querymill notify test. If you can read it, this channel works."],
    actions: [],
    figures: {},
  };
}

function resultOf({ name, type }: ChannelFound, delivery: Delivery, durationMs: number): Tested {
  const base = { channel: name, type, durationMs };
  if (delivery.kind === "delivered") return { ...base, delivered: true, reason: null, advice: null };
  const advice =
    delivery.kind === "refused"
      ? delivery.advice
      : "Check the address, and that this machine reaches it; a run would try again by itself.";
  return { ...base, delivered: false, reason: delivery.reason, advice: advice === "" ? null : advice };
}

function lineOf({ channel, type, delivered, reason, advice, durationMs }: Tested, width: number, look: Look): string {
  const { ok, bad, dot } = symbols(look.ascii);
  const start = `${left(channel, width)}  ${left(type, 9)} `;
  if (delivered) return `${look.style("green", ok)} ${start} delivered ${dot} ${durationMs} ms`;
  const text = [reason, advice].filter((part) => part !== null).join(reason!.endsWith(".") ? " " : ". ");
  return `${look.style("red", bad)} ${start} ${printable(text)}`;
}
