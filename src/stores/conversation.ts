import type { TextMapping } from "../job.ts";
import type { SourceDocument } from "../store.ts";
import { own, valueAt } from "./document-path.ts";
import { textFound, usualThread } from "./mapping.ts";
import { mappedMessages } from "./message-mapping.ts";
import { presetMessages } from "./presets.ts";
import { isPrivate, type Message, speakerOf, textOfMessage, timeOf } from "./transcript.ts";

/** One thing that was said. */
export interface Said {
  /** `Customer`, `Agent`, `Subject`, or empty when it is not known. */
  readonly who: string;
  /** Epoch ms. */
  readonly atMs: number | null;
  readonly text: string;
}

const timeFields = ["created_at", "createdAt", "at", "time", "timestamp", "date", "sent_at"];

/**
 * A document's conversation as messages, found where `makeItem` finds its text: uncut, unmasked, without private notes.
 * What is one text is one message.
 */
export function conversationOf(document: SourceDocument, mapping: TextMapping): Said[] {
  const { preset, messages, text } = mapping;
  if (preset !== undefined) {
    const read = presetMessages(document, preset);
    return said(read.subject, read.messages);
  }
  if (messages !== undefined)
    return said(textFound(document, { text: text ?? "subject" }), mappedMessages(document, messages));
  const list = text === null ? usualThread(document) : typeof text === "string" ? valueAt(document, text) : null;
  const isThread = Array.isArray(list) && list.some((one) => typeof one === "object" && one !== null);
  const whole = textFound(document, { text });
  if (!isThread) return whole === null ? [] : [{ who: "", atMs: null, text: whole }];
  const thread = list.filter((message) => !isPrivate(message)).map(usualMessage);
  const before = text === null ? textFound(document, { text: "subject" }) : null;
  // A body beside the thread is what is read then.
  const isRead = text !== null || thread.some((message) => message.text !== "" && whole?.includes(message.text));
  return isRead ? said(before, thread) : [{ who: "", atMs: null, text: whole ?? "" }];
}

function usualMessage(message: unknown): Message {
  const times = timeFields.map((field) => timeOf(own(message, field)));
  return {
    text: textOfMessage(message),
    speaker: speakerOf(message),
    atMs: times.find((time) => time !== null) ?? null,
  };
}

function said(subject: string | null, messages: readonly Message[]): Said[] {
  const first = subject === null || subject === "" ? [] : [{ who: "Subject", atMs: null, text: subject }];
  const shown = messages.filter(({ text }) => text !== "");
  return [...first, ...shown.map(({ speaker, atMs, text }) => ({ who: speaker ?? "", atMs, text }))];
}
