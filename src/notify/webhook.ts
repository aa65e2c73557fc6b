import { createHmac } from "node:crypto";
import type { HttpMessage } from "./channel.ts";
import type { Notification } from "./notification.ts";

/**
 * A signed request in the form of Standard Webhooks: HMAC-SHA-256 over `id.timestamp.body`, one signature for each
 * secret. The id stays the same over all attempts, the timestamp (s) is that of the attempt.
 */
export function webhookMessage(
  url: string,
  secrets: readonly Uint8Array[],
  notification: Notification,
  nowMs: number,
): HttpMessage {
  const body = JSON.stringify({
    type: `notification.${notification.state}`,
    timestamp: new Date(notification.atMs).toISOString(),
    data: notification,
  });
  const timestamp = String(Math.floor(nowMs / 1_000));
  const signed = `${notification.id}.${timestamp}.${body}`;
  const signatures = secrets.map((secret) => `v1,${createHmac("sha256", secret).update(signed).digest("base64")}`);
  const headers = {
    "content-type": "application/json",
    "webhook-id": notification.id,
    "webhook-timestamp": timestamp,
    "webhook-signature": signatures.join(" "),
  };
  return { url, headers, body };
}

/** @returns the bytes of a secret written `whsec_` and base64 (24 to 64 bytes, as Standard Webhooks has it), or null */
export function secretBytes(written: string): Uint8Array | null {
  const text = written.replace(/^whsec_/, "");
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text) || text.length % 4 !== 0) return null;
  const bytes = Buffer.from(text, "base64");
  return bytes.length >= 24 && bytes.length <= 64 ? bytes : null;
}
