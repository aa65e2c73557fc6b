import type { SourcePreset } from "../job.ts";
import type { SourceDocument } from "../store.ts";
import { own } from "./document-path.ts";
import { hasQuoteElements } from "./html-text.ts";
import { plainText } from "./plain-text.ts";
import { isPrivate, joined, type Message, type Speaker, speakerNamed, speakerOf, timeOf } from "./transcript.ts";

/** How the documents of one help desk look. */
interface Shape {
  /** Completes `expected …` in an error. */
  readonly expected: string;
  /** Top-level fields that are read. */
  readonly fields: readonly string[];
  /** Whether a document has what this help desk's documents have. */
  fits(document: unknown): boolean;
  subject(document: unknown): unknown;
  messages(document: unknown): Message[];
}

/** Where one kind of message keeps its text. With both, the HTML is read when it shows what is quoted. */
interface TextFields {
  readonly plain: readonly string[];
  readonly html: readonly string[];
}

const zendeskText: TextFields = { plain: ["plain_body", "body"], html: ["html_body"] };
const freshdeskText: TextFields = { plain: ["body_text"], html: ["body", "body_html"] };
const mailText: TextFields = {
  plain: ["text", "body_text", "text_body", "textBody", "plain", "body_plain"],
  html: ["body", "html", "body_html", "html_body", "htmlBody", "content"],
};
const ticketDescription: TextFields = { plain: ["description_text", "description"], html: ["description_html"] };
const freshdeskDescription: TextFields = { plain: ["description_text"], html: ["description", "description_html"] };

const zendesk: Shape = {
  expected:
    "tickets with a description, or with comments[] that have body, html_body or plain_body, public and author_id",
  fields: [
    ...["ticket", "subject", "raw_subject", "description", "created_at", "via", "comments"],
    ...["requester_id", "requester", "assignee_id", "email_cc_ids"],
  ],
  fits(document) {
    const ticket = ticketOf(document);
    const comments = listIn(document, ticket, "comments");
    if (comments.length > 0)
      return comments.some(
        (one) => hasAny(one, ["public", "author_id", "html_body", "plain_body"]) && hasText(one, zendeskText),
      );
    if (hasAny(ticket, ["conversations", "notes", "description_text", "conversation_parts"])) return false;
    return typeof own(ticket, "description") === "string" && hasAny(ticket, ["requester_id", "via", "raw_subject"]);
  },
  subject: (document) => own(ticketOf(document), "subject") ?? own(ticketOf(document), "raw_subject"),
  messages(document) {
    const ticket = ticketOf(document);
    const requester = idOfPerson(ticket, "requester");
    const copied = new Set(listOf(own(ticket, "email_cc_ids")).map(String));
    const comments = listIn(document, ticket, "comments")
      .filter((comment) => !isPrivate(comment))
      .map((comment): Message => {
        const author = idOfPerson(comment, "author");
        return {
          text: textIn(comment, zendeskText),
          speaker: speakerOf(comment) ?? zendeskSpeaker(author, requester, copied),
          atMs: timeOf(own(comment, "created_at")),
        };
      });
    // The description is the first comment once more.
    return comments.some(({ text }) => text !== "") ? comments : [described(ticket, ticketDescription)];
  },
};

const intercom: Shape = {
  expected: "conversations with source.body and conversation_parts (a list, or {conversation_parts: []})",
  fields: ["source", "conversation_message", "conversation_parts", "title", "created_at"],
  fits(document) {
    const parts = own(document, "conversation_parts");
    const opening = own(document, "source") ?? own(document, "conversation_message");
    return (
      Array.isArray(parts) ||
      Array.isArray(own(parts, "conversation_parts")) ||
      typeof own(opening, "body") === "string"
    );
  },
  subject: (document) => {
    const subject = own(own(document, "source") ?? own(document, "conversation_message"), "subject");
    return typeof subject === "string" && subject !== "" ? subject : own(document, "title");
  },
  messages(document) {
    const opening = own(document, "source") ?? own(document, "conversation_message");
    const began = timeOf(own(document, "created_at"));
    const parts = listOf(own(document, "conversation_parts"), "conversation_parts").filter((part) => !isPrivate(part));
    const later = parts.map((part) => intercomMessage(part, timeOf(own(part, "created_at"))));
    const times = later.flatMap(({ atMs }) => (atMs === null ? [] : [atMs]));
    const first = intercomMessage(
      opening,
      times.reduce((earliest, atMs) => Math.min(earliest, atMs), began ?? times[0] ?? 0),
    );
    return [first, ...later];
  },
};

const freshdesk: Shape = {
  expected:
    "tickets with description_text or description, and conversations[] that have body_text or body, incoming and private",
  fields: [
    ...["ticket", "helpdesk_ticket", "subject", "description", "description_text", "description_html", "created_at"],
    ...["conversations", "notes", "requester_id"],
  ],
  fits(document) {
    const ticket = ticketOf(document);
    const replies = freshdeskReplies(document, ticket);
    if (replies.length > 0)
      return replies.some((one) => hasAny(one, ["incoming", "private"]) && hasText(one, freshdeskText));
    return (
      typeof own(ticket, "description_text") === "string" ||
      (hasAny(ticket, ["conversations"]) && hasText(ticket, freshdeskDescription))
    );
  },
  subject: (document) => own(ticketOf(document), "subject"),
  messages(document) {
    const ticket = ticketOf(document);
    const requester = idOfPerson(ticket, "requester");
    const replies = freshdeskReplies(document, ticket)
      .filter((reply) => !isPrivate(reply))
      .map((reply): Message => {
        const author = idOfPerson(reply, "user");
        const byId = author === null || requester === null ? null : author === requester ? "Customer" : "Agent";
        const text = textIn(reply, freshdeskText);
        return { text, speaker: speakerOf(reply) ?? byId, atMs: timeOf(own(reply, "created_at")) };
      });
    const first = described(ticket, freshdeskDescription);
    const earliest = replies.reduce(
      (least, { atMs }) => Math.min(least, atMs ?? least),
      first.atMs ?? Number.POSITIVE_INFINITY,
    );
    return [{ ...first, atMs: Number.isFinite(earliest) ? earliest : null }, ...replies];
  },
};

const mail: Shape = {
  expected: "mail threads with messages[] that have body, html or text, and is_inbound or a sender",
  fields: ["conversation", "subject", "messages"],
  fits(document) {
    const messages = mailMessages(document);
    return messages.some(
      (one) =>
        hasText(one, mailText) &&
        hasAny(one, ["is_inbound", "recipients", "direction", "from", "to", "is_draft"]) &&
        speakerNamed(own(one, "role")) === null,
    );
  },
  subject: (document) =>
    own(document, "subject") ??
    own(own(document, "conversation"), "subject") ??
    own(mailMessages(document)[0], "subject"),
  messages: (document) =>
    mailMessages(document)
      .filter((message) => !isDraft(message) && !isPrivate(message))
      .map((message) => ({
        text: textIn(message, mailText) || textIn(own(message, "body"), mailText),
        speaker: mailSpeaker(message),
        atMs:
          ["created_at", "date", "sent_at", "received_at", "timestamp", "internalDate"]
            .map((field) => timeOf(own(message, field)))
            .find((time) => time !== null) ?? null,
      })),
};

const shapes: Readonly<Record<SourcePreset, Shape>> = { zendesk, intercom, freshdesk, mail };

/** The subject and the conversation of a document as the preset reads it; null when neither has text. */
export function presetText(document: SourceDocument, preset: SourcePreset): string | null {
  const { subject, messages } = presetMessages(document, preset);
  return [subject, joined(messages)].filter((part) => part !== "").join("\n\n") || null;
}

/** The subject (empty when there is none) and the messages of a document as the preset reads it. */
export function presetMessages(
  document: SourceDocument,
  preset: SourcePreset,
): { readonly subject: string; readonly messages: readonly Message[] } {
  const { subject, messages } = shapes[preset];
  const title = subject(document);
  return { subject: typeof title === "string" ? plainText(title) : "", messages: messages(document) };
}

/** @returns the top-level fields that a preset reads */
export function presetFields(preset: SourcePreset): readonly string[] {
  return shapes[preset].fields;
}

/** @returns what a preset's documents look like, completing `expected …` */
export function presetExpects(preset: SourcePreset): string {
  return shapes[preset].expected;
}

/** @returns whether a whole document is one of this help desk */
export function fitsPreset(document: SourceDocument, preset: SourcePreset): boolean {
  return shapes[preset].fits(document);
}

function zendeskSpeaker(author: string | null, requester: string | null, copied: ReadonlySet<string>): Speaker | null {
  // -1 is Zendesk itself.
  if (author === null || requester === null || author === "-1") return null;
  return author === requester || copied.has(author) ? "Customer" : "Agent";
}

function intercomMessage(part: unknown, atMs: number | null): Message {
  const body = own(part, "body");
  return { text: typeof body === "string" ? plainText(body) : "", speaker: speakerNamed(own(part, "author")), atMs };
}

function mailSpeaker(message: unknown): Speaker | null {
  for (const field of ["is_inbound", "inbound", "incoming"]) {
    const value = own(message, field);
    if (typeof value === "boolean") return value ? "Customer" : "Agent";
  }
  const direction = own(message, "direction");
  if (direction === "inbound" || direction === "incoming" || direction === "received") return "Customer";
  if (direction === "outbound" || direction === "outgoing" || direction === "sent") return "Agent";
  return speakerOf(message);
}

function isDraft(message: unknown): boolean {
  const mode = own(message, "draft_mode");
  return (
    own(message, "is_draft") === true ||
    own(message, "draft") === true ||
    (typeof mode === "string" && mode !== "") ||
    own(message, "type") === "draft" ||
    own(message, "status") === "draft"
  );
}

/** The description of a ticket: what the customer wrote first. */
function described(ticket: unknown, fields: TextFields): Message {
  return { text: textIn(ticket, fields), speaker: "Customer", atMs: timeOf(own(ticket, "created_at")) };
}

/** A ticket stands alone, or as `ticket` beside what was joined to it. */
function ticketOf(document: unknown): unknown {
  for (const name of ["ticket", "helpdesk_ticket"]) {
    const inner = own(document, name);
    if (typeof inner === "object" && inner !== null && !Array.isArray(inner)) return inner;
  }
  return document;
}

function freshdeskReplies(document: unknown, ticket: unknown): readonly unknown[] {
  const conversations = listIn(document, ticket, "conversations");
  return conversations.length > 0 ? conversations : listIn(document, ticket, "notes");
}

function mailMessages(document: unknown): readonly unknown[] {
  const messages = listOf(own(document, "messages"), "_results");
  return messages.length > 0 ? messages : listOf(own(own(document, "conversation"), "messages"), "_results");
}

/** A list inside the ticket, or beside it where it was joined. */
function listIn(document: unknown, ticket: unknown, name: string): readonly unknown[] {
  const inside = listOf(own(ticket, name), name);
  return inside.length > 0 || ticket === document ? inside : listOf(own(document, name), name);
}

/** A list, or the list in the answer of an API: `{comments: [], count: 0}`. */
function listOf(value: unknown, name = ""): readonly unknown[] {
  if (Array.isArray(value)) return value;
  const inner = own(value, name);
  return Array.isArray(inner) ? inner : [];
}

function textIn(holder: unknown, { plain, html }: TextFields): string {
  const text = firstText(holder, plain);
  const marked = firstText(holder, html);
  return plainText(marked !== "" && (text === "" || hasQuoteElements(marked)) ? marked : text);
}

function firstText(holder: unknown, fields: readonly string[]): string {
  for (const field of fields) {
    const value = own(holder, field);
    if (typeof value === "string" && value.trim() !== "") return value;
  }
  return "";
}

function hasText(holder: unknown, { plain, html }: TextFields): boolean {
  return (
    [...plain, ...html].some((field) => typeof own(holder, field) === "string") ||
    typeof own(holder, "body") === "object"
  );
}

function hasAny(holder: unknown, names: readonly string[]): boolean {
  return names.some((name) => own(holder, name) !== undefined);
}

/** An id as text, of `author_id` or of `author: {id}`. */
function idOfPerson(holder: unknown, name: string): string | null {
  const id = own(holder, `${name}_id`) ?? own(own(holder, name), "id");
  return id === undefined || id === null || (typeof id === "object" && !("_bsontype" in id)) ? null : String(id);
}
