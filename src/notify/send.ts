import { messageOf } from "../errors.ts";
import { makeRedactor } from "../redact.ts";
import type { ChannelSettings, Delivery, HttpMessage, Send } from "./channel.ts";
import { discordMessage } from "./discord.ts";
import { type Network, RefusedHost } from "./guarded-network.ts";
import { mailOf } from "./mail.ts";
import type { Notification } from "./notification.ts";
import { pagerDutyMessage } from "./pagerduty.ts";
import { cut, oneLine, plainNotification } from "./plain-notification.ts";
import { post } from "./post.ts";
import { sendMail } from "./send-mail.ts";
import { slackMessage } from "./slack.ts";
import { teamsMessage } from "./teams.ts";
import { mailVerdict, verdictOf } from "./verdict.ts";
import { webhookMessage } from "./webhook.ts";

/** From resolving the name to the last byte, in ms. Mail servers greet strangers slowly on purpose. */
const DEADLINE_MS = { http: 5_000, mail: 20_000 };
const LONGEST_REASON = 240;

export interface SendOptions {
  readonly network: Network;
  /** Wall clock, epoch ms. */
  readonly now: () => number;
}

/** Makes what attempts one delivery. Everything that can go wrong is in its answer. */
export function makeSend({ network, now }: SendOptions): Send {
  return async (channel, notification, signal) => {
    const { settings, secrets } = channel;
    const deadlineMs = settings.type === "email" ? DEADLINE_MS.mail : DEADLINE_MS.http;
    const deadline = AbortSignal.timeout(deadlineMs);
    try {
      const delivery = await attempt(settings, plainNotification(notification), AbortSignal.any([signal, deadline]));
      return withoutSecrets(delivery, secrets);
    } catch (error) {
      if (error instanceof RefusedHost) return { kind: "refused", reason: error.message, advice: error.advice };
      const reason = deadline.aborted
        ? `it did not answer within ${deadlineMs / 1_000} s`
        : signal.aborted
          ? "it was given no more time"
          : cut(oneLine(inWords(rootOf(error))), LONGEST_REASON);
      return withoutSecrets({ kind: "later", reason, afterMs: null }, secrets);
    }
  };

  async function attempt(
    settings: ChannelSettings,
    notification: Notification,
    signal: AbortSignal,
  ): Promise<Delivery> {
    if (settings.type !== "email") {
      const { status, headers, body } = await post(httpMessage(settings, notification, now()), network, signal);
      const header = (name: string): string | null => [headers[name] ?? null].flat()[0] ?? null;
      const answer = { status, body, retryAfter: header("retry-after"), location: header("location") };
      return verdictOf(answer, settings.type, now());
    }
    try {
      await sendMail(settings.url, mailOf(settings.from, settings.to, notification), network, signal);
      return { kind: "delivered" };
    } catch (error) {
      if (error instanceof RefusedHost || signal.aborted) throw error;
      const { responseCode = null } = error as { responseCode?: number };
      return mailVerdict(responseCode, messageOf(error));
    }
  }
}

/** The request for a channel, as its service takes it. */
function httpMessage(
  settings: Exclude<ChannelSettings, { type: "email" }>,
  notification: Notification,
  nowMs: number,
): HttpMessage {
  const { url, type } = settings;
  if (type === "webhook") return webhookMessage(url, settings.secrets, notification, nowMs);
  if (type === "pagerduty") {
    const { body, ...place } = pagerDutyMessage(url, settings.key, notification);
    return json(place.url, body);
  }
  const make = { slack: slackMessage, discord: discordMessage, teams: teamsMessage }[type];
  return json(url, make(notification));
}

function json(url: string, body: object): HttpMessage {
  return { url, headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}

/** A receiver may repeat what it was sent. */
function withoutSecrets(delivery: Delivery, secrets: readonly string[]): Delivery {
  return delivery.kind === "delivered" ? delivery : { ...delivery, reason: makeRedactor(secrets)(delivery.reason) };
}

/** Connecting to several addresses fails with an error each, and a client wraps what the socket says. */
function rootOf(error: unknown): unknown {
  if (error instanceof AggregateError && error.errors.length > 0) return rootOf(error.errors[0]);
  return error instanceof Error && error.cause instanceof Error ? rootOf(error.cause) : error;
}

/** What usually stands behind a code of the socket, with the code. */
const CODES: Readonly<Record<string, string>> = {
  ENOTFOUND: "no such host is known here",
  EAI_AGAIN: "the name could not be looked up",
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "it closed the connection",
  UND_ERR_SOCKET: "it closed the connection",
  EHOSTUNREACH: "this machine has no way there",
  ENETUNREACH: "this machine has no way there",
};

function inWords(error: unknown): string {
  const message = messageOf(error);
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return Object.hasOwn(CODES, code) ? `${CODES[code]} (${message})` : message;
}
