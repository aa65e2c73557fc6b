import { contentHashOf, type Item, keyOf, type Skipped } from "../item.ts";
import type { TextMapping } from "../job.ts";
import type { Privacy } from "../redaction/privacy.ts";
import type { SourceDocument } from "../store.ts";
import { Gathered, own, valueAt } from "./document-path.ts";
import { mappedThread, threadFields as mappedThreadFields } from "./message-mapping.ts";
import { plainText } from "./plain-text.ts";
import { presetFields, presetText } from "./presets.ts";
import { transcriptOf } from "./transcript.ts";

const textFields = ["text", "query", "message", "body", "content", "description", "transcript"];
const threadFields = ["messages", "conversation", "conversation_parts", "comments"];

/** Where text is looked for in a document when no mapping says so. */
export const DEFAULT_FIELDS = { subject: "subject", bodies: [...textFields, ...threadFields] } as const;

/**
 * The item of a document: its text found by the mapping, HTML turned into text, quoted replies and signatures left out,
 * well-formed, trimmed and cut to `maxChars`, its secrets masked. Never throws, whatever the document holds; time grows
 * linearly with its size.
 */
export function makeItem(
  document: SourceDocument,
  mapping: TextMapping,
  privacy: Privacy | null = null,
): Item | Skipped {
  const key = keyOf(document._id);
  const found = foundText(document, mapping);
  const text = found.text === null ? "" : withoutInvisible(found.text);
  if (text === "") return { key, reason: found.other ? "text is not a string" : "no text" };
  const kept = cutMiddle(text, mapping.maxChars, privacy);
  const truncated = kept.length < text.length;
  return privacy?.mask(key, kept, truncated) ?? { key, text: kept, contentHash: contentHashOf(kept), truncated };
}

/** @returns the top-level fields that {@link makeItem} looks at, to be projected; null for whole documents */
export function fieldsNeeded(mapping: TextMapping): string[] | null {
  const { text, preset, messages } = mapping;
  if (preset !== undefined) return [...presetFields(preset)];
  if (text === null && messages === undefined) return ["subject", ...textFields, ...threadFields];
  const paths = typeof text === "string" ? (isTemplate(text) ? placeholdersOf(text) : [text]) : (text ?? ["subject"]);
  const thread = messages === undefined ? [] : mappedThreadFields(messages);
  const fields = [...new Set([...paths.map((path) => path.split(".")[0]!), ...thread])];
  return fields.some((field) => field === "") ? null : fields;
}

/** `text` is null when there is none; `other` tells that something else stood where text should be. */
interface Found {
  readonly text: string | null;
  readonly other: boolean;
}

/** The text at a mapping, whole, or null. */
export function textFound(
  document: SourceDocument,
  mapping: Pick<TextMapping, "text" | "messages" | "preset">,
): string | null {
  return foundText(document, { maxChars: Number.POSITIVE_INFINITY, ...mapping }).text;
}

/** The first list of messages at one of the usual fields; null when there is none. */
export function usualThread(document: SourceDocument): readonly unknown[] | null {
  const lists = threadFields.map((field) => own(document, field));
  return lists.find((list): list is unknown[] => Array.isArray(list) && transcriptOf(list) !== "") ?? null;
}

function foundText(document: SourceDocument, { text, preset, messages }: TextMapping): Found {
  if (preset !== undefined) return { text: presetText(document, preset), other: false };
  if (messages === undefined) return text === null ? defaultText(document) : mappedText(document, text);
  const before = mappedText(document, text ?? "subject");
  const thread = mappedThread(document, messages);
  return { text: joined([before.text, thread].filter((part) => part !== null)), other: before.other };
}

function defaultText(document: SourceDocument): Found {
  const subject = textAt(document, "subject");
  const fields = textFields.map((field) => textAt(document, field));
  const body = fields.find((found) => found.text !== null)?.text ?? threadText(document);
  const parts = [subject.text, body].filter((part) => part !== null);
  return { text: joined(parts), other: [subject, ...fields].some((found) => found.other) };
}

function threadText(document: SourceDocument): string | null {
  for (const field of threadFields) {
    const value = own(document, field);
    const text = Array.isArray(value) ? transcriptOf(value) : typeof value === "string" ? textOf(value) : null;
    if (text) return text;
  }
  return null;
}

function mappedText(document: SourceDocument, wanted: string | readonly string[]): Found {
  if (typeof wanted === "string" && isTemplate(wanted)) return filledIn(document, wanted);
  const found = (typeof wanted === "string" ? [wanted] : wanted).map((path) => textAt(document, path));
  const parts = found.map((one) => one.text).filter((part) => part !== null);
  return { text: joined(parts), other: found.some((one) => one.other) };
}

function filledIn(document: SourceDocument, template: string): Found {
  const found = new Map<string, Found>();
  for (const path of placeholdersOf(template)) {
    const value = valueAt(document, path);
    const plain = typeof value === "number" || typeof value === "boolean";
    found.set(path, plain ? { text: String(value), other: false } : textAt(document, path));
  }
  const other = [...found.values()].some((one) => one.other);
  if ([...found.values()].every((one) => one.text === null)) return { text: null, other };
  return { text: template.replace(/\{([^{}]+)\}/g, (_, path: string) => found.get(path.trim())?.text ?? ""), other };
}

function isTemplate(text: string): boolean {
  return text.includes("{");
}

function placeholdersOf(template: string): string[] {
  return [...template.matchAll(/\{([^{}]+)\}/g)].map((match) => match[1]!.trim());
}

/** Text at a dotted path. A path through a list without an index joins what all its elements have; a list of messages becomes a transcript. */
function textAt(document: SourceDocument, path: string): Found {
  const value = valueAt(document, path);
  if (typeof value === "string") return { text: textOf(value), other: false };
  if (Array.isArray(value) && value.some((one) => typeof one === "object" && one !== null)) {
    const text = transcriptOf(value) || null;
    return { text, other: text === null };
  }
  if (value instanceof Gathered) {
    const parts = value.values
      .map((one) => (typeof one === "string" ? textOf(one) : null))
      .filter((one) => one !== null);
    return { text: joined(parts), other: parts.length === 0 && value.values.some((one) => one !== null) };
  }
  return { text: null, other: value !== undefined && value !== null };
}

function textOf(value: string): string | null {
  return plainText(value) || null;
}

function joined(parts: readonly string[]): string | null {
  return parts.length === 0 ? null : parts.join("\n\n");
}

/** Well-formed and trimmed, without NUL, byte order marks and other control characters; empty when nothing visible is left. */
function withoutInvisible(text: string): string {
  const clean = text
    .toWellFormed()
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f\ufeff]/g, "")
    .trim();
  return /[^\s\p{Cf}\p{Cc}]/u.test(clean) ? clean : "";
}

/** Keeps start and end, with a line between that says how much is missing; never longer than `maxChars`. */
function cutMiddle(text: string, maxChars: number, privacy: Privacy | null): string {
  if (text.length <= maxChars) return text;
  const room = maxChars - markerOf(text.length).length;
  if (room < 2) return text.slice(0, borderAt(text, maxChars)).trimEnd();
  const headEnd = borderAt(text, Math.ceil(room * 0.6));
  const tailStart = borderAt(text, text.length - (room - headEnd) + 1);
  // Half of a secret would not be known for one.
  const [to, from] = privacy?.around(text, headEnd, tailStart) ?? [headEnd, tailStart];
  return text.slice(0, to) + markerOf(from - to) + text.slice(from);
}

function markerOf(characters: number): string {
  return `\n[… ${characters.toLocaleString("en-US")} characters left out …]\n`;
}

/** @returns `at`, or one less where that would part a surrogate pair */
function borderAt(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return at > 0 && code >= 0xdc00 && code <= 0xdfff ? at - 1 : at;
}
