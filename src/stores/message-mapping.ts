import type { MessagesMapping } from "../job.ts";
import type { SourceDocument } from "../store.ts";
import { valueAt } from "./document-path.ts";
import {
  isPrivate,
  joined,
  type Message,
  type Speaker,
  speakerNamed,
  speakerOf,
  textOfContent,
  textOfMessage,
  timeOf,
} from "./transcript.ts";

const internalWords = new Set(["true", "yes", "1", "private", "internal", "note", "internal_note"]);

/** The transcript of a thread that lies as the user said; null when it has no text or is none. */
export function mappedThread(document: SourceDocument, mapping: MessagesMapping): string | null {
  return joined(mappedMessages(document, mapping)) || null;
}

/** The messages of such a thread. */
export function mappedMessages(document: SourceDocument, mapping: MessagesMapping): Message[] {
  const list = valueAt(document, mapping.path);
  if (!Array.isArray(list)) return [];
  const customers = mapping.customer?.map((one) => customerValue(document, one));
  return list
    .filter((message) => !isHidden(message, mapping.private))
    .map((message) => ({
      text: mappedText(message, mapping.text),
      speaker: mappedSpeaker(message, mapping.role, customers),
      atMs: mapping.time === undefined ? null : timeOf(valueAt(message, mapping.time)),
    }));
}

/** @returns the top-level fields that the mapping needs */
export function threadFields({ path, customer = [] }: MessagesMapping): string[] {
  const named = customer.flatMap((one) => pathIn(one) ?? []);
  return [path, ...named].map((one) => one.split(".")[0]!);
}

function mappedText(message: unknown, path: MessagesMapping["text"]): string {
  if (path === undefined) return textOfMessage(message);
  const paths = typeof path === "string" ? [path] : path;
  return paths.map((one) => textOfContent(valueAt(message, one))).find((text) => text !== "") ?? "";
}

function mappedSpeaker(
  message: unknown,
  path: string | undefined,
  customers: readonly string[] | undefined,
): Speaker | null {
  if (path === undefined) return speakerOf(message);
  const value = valueAt(message, path);
  if (value === undefined || value === null) return null;
  if (customers === undefined) return speakerNamed(value);
  return customers.includes(String(value).toLowerCase()) ? "Customer" : "Agent";
}

function isHidden(message: unknown, path: string | undefined): boolean {
  if (path === undefined) return isPrivate(message);
  const value = valueAt(message, path.replace(/^!/, ""));
  if (path.startsWith("!")) return value === false || value === 0 || value === "false";
  return value === true || value === 1 || (typeof value === "string" && internalWords.has(value.toLowerCase()));
}

function customerValue(document: SourceDocument, given: string): string {
  const path = pathIn(given);
  const value = path === null ? given : valueAt(document, path);
  return value === undefined || value === null ? "" : String(value).toLowerCase();
}

/** `{requester_id}` means the value there. */
function pathIn(given: string): string | null {
  return /^\{([^{}]+)\}$/.exec(given)?.[1] ?? null;
}
