import { own } from "./document-path.ts";
import { plainText } from "./plain-text.ts";

/** Who says something in a conversation. */
export type Speaker = "Customer" | "Agent";

/** A message of a conversation, private notes already left out. */
export interface Message {
  /** As a person wrote it, without tags, quoted replies and signature. */
  readonly text: string;
  /** null when that is not known. */
  readonly speaker: Speaker | null;
  /** Epoch ms; null when that is not known. */
  readonly atMs: number | null;
}

const customerRoles = new Set(
  "customer user client contact lead visitor requester end-user end_user enduser human guest buyer".split(" "),
);
const agentRoles = new Set(
  "agent assistant admin support operator staff team teammate employee representative rep bot advisor".split(" "),
);
const roleFields = ["role", "author", "sender", "from", "author_type", "sender_type", "speaker"];
const textFields = ["text", "body", "content", "message"];
/** Unix times below are in seconds: 1973 in ms, the year 5138 in s. */
const largestSeconds = 1e11;

/**
 * One text of a conversation's messages in their order, each marked `Customer:` or `Agent:` where the role is known.
 * Private notes and messages without text are left out. Names of people are not taken over.
 * @returns empty when no message has text
 */
export function transcriptOf(messages: readonly unknown[]): string {
  return joined(
    messages
      .filter((message) => !isPrivate(message))
      .map((message) => ({ text: textOfMessage(message), speaker: speakerOf(message), atMs: null })),
  );
}

/** As {@link transcriptOf}, of messages that were read already; in the order of their times when all have one. */
export function joined(messages: readonly Message[]): string {
  const said = messages.filter(({ text }) => text !== "");
  const ordered = said.every(({ atMs }) => atMs !== null) ? said.toSorted((a, b) => a.atMs! - b.atMs!) : said;
  return ordered.map(({ speaker, text }) => (speaker === null ? text : `${speaker}: ${text}`)).join("\n");
}

/** The text of a message in one of the usual fields. */
export function textOfMessage(message: unknown): string {
  if (typeof message === "string") return plainText(message);
  for (const field of textFields) {
    const text = textOfContent(own(message, field));
    if (text !== "") return text;
  }
  return "";
}

/** A text, or the content of a chat message in parts: `{type: "text", text: "…"}`. */
export function textOfContent(value: unknown): string {
  const parts = Array.isArray(value) ? value.map((part) => own(part, "text")) : [value];
  return parts
    .map((part) => (typeof part === "string" ? plainText(part) : ""))
    .filter((part) => part !== "")
    .join("\n");
}

/** Whether a message carries one of the usual signs of an internal note. */
export function isPrivate(message: unknown): boolean {
  if (own(message, "public") === false) return true;
  if (own(message, "private") === true || own(message, "internal") === true) return true;
  return ["part_type", "type"].some((field) => {
    const value = own(message, field);
    return value === "note" || value === "internal" || value === "internal_note" || value === "note_and_reopen";
  });
}

/** Who speaks, by the usual fields. */
export function speakerOf(message: unknown): Speaker | null {
  for (const field of roleFields) {
    const found = speakerNamed(own(message, field));
    if (found !== null) return found;
  }
  const incoming = own(message, "incoming");
  return typeof incoming === "boolean" ? (incoming ? "Customer" : "Agent") : null;
}

/** @param value a role such as `end-user`, or a person with a `type` or `role` */
export function speakerNamed(value: unknown): Speaker | null {
  for (const role of [value, own(value, "type"), own(value, "role")]) {
    if (typeof role !== "string" || role.length > 40) continue;
    const name = role.toLowerCase();
    if (customerRoles.has(name)) return "Customer";
    if (agentRoles.has(name)) return "Agent";
  }
  return null;
}

/** Epoch ms of a date, an ISO text, or a Unix time in seconds or ms; null for anything else. */
export function timeOf(value: unknown): number | null {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.getTime();
  const isNumber = typeof value === "number" || (value as { _bsontype?: string } | null)?._bsontype === "Long";
  const isDigits = typeof value === "string" && /^\d{9,16}$/.test(value);
  const number = isNumber || isDigits ? Number(String(value)) : Number.NaN;
  if (Number.isFinite(number)) return Math.abs(number) < largestSeconds ? number * 1_000 : number;
  const time = typeof value === "string" && value.length <= 80 ? Date.parse(value) : Number.NaN;
  return Number.isNaN(time) ? null : time;
}
