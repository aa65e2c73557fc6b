import type { Notification } from "./notification.ts";

/** Where one channel delivers to, its secrets looked up already. */
export type ChannelSettings =
  /** `secrets`: the bytes to sign with, the newest first; two while one replaces the other. */
  | { readonly type: "webhook"; readonly url: string; readonly secrets: readonly Uint8Array[] }
  | { readonly type: "slack" | "discord" | "teams"; readonly url: string }
  /** `key`: the integration's routing key. */
  | { readonly type: "pagerduty"; readonly url: string; readonly key: string }
  /** `url`: `smtp://` or `smtps://`, with user and password where the server wants them. */
  | { readonly type: "email"; readonly url: string; readonly from: string; readonly to: readonly string[] };

export type ChannelType = ChannelSettings["type"];

export interface Channel {
  readonly name: string;
  readonly settings: ChannelSettings;
  /** What may never be shown or logged. */
  readonly secrets: readonly string[];
}

/** What became of one attempt. `reason` is for people and names neither secret nor address of a secret kind. */
export type Delivery =
  | { readonly kind: "delivered" }
  /** `afterMs`: what the receiver asked to wait; null when it did not say. */
  | { readonly kind: "later"; readonly reason: string; readonly afterMs: number | null }
  /** Trying again would change nothing. */
  | { readonly kind: "refused"; readonly reason: string; readonly advice: string };

/** Makes one attempt. Never throws; ends soon after the signal. */
export type Send = (channel: Channel, notification: Notification, signal: AbortSignal) => Promise<Delivery>;

/** A request as one of the services takes it. */
export interface HttpMessage {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}
