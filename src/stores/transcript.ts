import { plainText } from "./plain-text.ts";

const customerRoles = new Set(
  "customer user client contact lead visitor requester end-user end_user enduser human guest buyer".split(" "),
);
const agentRoles = new Set(
  "agent assistant admin support operator staff team teammate employee representative rep bot advisor".split(" "),
);
const roleFields = ["role", "author", "sender", "from", "author_type", "sender_type", "speaker"];
const textFields = ["text", "body", "content", "message"];

/**
 * One text of a conversation's messages in their order, each marked `Customer:` or `Agent:` where the role is known.
 * Private notes and messages without text are left out. Names of people are not taken over.
 * @returns empty when no message has text
 */
export function transcriptOf(messages: readonly unknown[]): string {
  const lines: string[] = [];
  for (const message of messages) {
    if (isPrivate(message)) continue;
    const text = textOf(message);
    if (text === "") continue;
    const speaker = speakerOf(message);
    lines.push(speaker === null ? text : `${speaker}: ${text}`);
  }
  return lines.join("\n");
}

function textOf(message: unknown): string {
  if (typeof message === "string") return plainText(message);
  for (const field of textFields) {
    const value = own(message, field);
    // A list is the content of a chat message in parts: {type: "text", text: "…"}.
    const parts = Array.isArray(value) ? value.map((part) => own(part, "text")) : [value];
    const text = parts.map((part) => (typeof part === "string" ? plainText(part) : "")).filter((part) => part !== "");
    if (text.length > 0) return text.join("\n");
  }
  return "";
}

function isPrivate(message: unknown): boolean {
  if (own(message, "public") === false) return true;
  if (own(message, "private") === true || own(message, "internal") === true) return true;
  return ["part_type", "type"].some((field) => {
    const value = own(message, field);
    return value === "note" || value === "internal" || value === "internal_note";
  });
}

function speakerOf(message: unknown): "Customer" | "Agent" | null {
  for (const field of roleFields) {
    const value = own(message, field);
    for (const role of [value, own(value, "type"), own(value, "role")]) {
      if (typeof role !== "string" || role.length > 40) continue;
      const name = role.toLowerCase();
      if (customerRoles.has(name)) return "Customer";
      if (agentRoles.has(name)) return "Agent";
    }
  }
  const incoming = own(message, "incoming");
  return typeof incoming === "boolean" ? (incoming ? "Customer" : "Agent") : null;
}

/** A property of a document that is its own; undefined for anything else. */
export function own(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
