import type { Notification } from "./notification.ts";

const ELLIPSIS = "… (cut)";
const MOST = { title: 200, details: 12, detail: 300, actions: 6, action: 240, figures: 24, figure: 80, name: 120 };

/** A text of at most `max` UTF-16 units; what is cut off is said. No surrogate pair is torn. */
export function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  const kept = text.slice(0, max - ELLIPSIS.length);
  return (/[\uD800-\uDBFF]$/.test(kept) ? kept.slice(0, -1) : kept) + ELLIPSIS;
}

/** A text of at most `max` UTF-16 units once it is escaped, which makes at most six of one; never cut inside of those. */
export function cutEscaped(text: string, max: number, escaped: (text: string) => string): string {
  let whole = escaped(text);
  for (let size = Math.min(text.length - 1, max); whole.length > max; size -= Math.ceil((whole.length - max) / 6))
    whole = escaped(cut(text, size));
  return whole;
}

/** At most `max` lines; how many more there were is the last one. */
export function cutLines(lines: readonly string[], max: number): string[] {
  if (lines.length <= max) return [...lines];
  const kept = lines.slice(0, max - 1);
  return [...kept, `… and ${lines.length - kept.length} more`];
}

/** One line without control characters, and without those that turn the direction of writing or cannot be seen. */
export function oneLine(text: string): string {
  return text
    .toWellFormed()
    .replace(/[\p{Cc}\u2028\u2029]+/gu, " ")
    .replace(/[\u200B-\u200F\u202A-\u202E\u2060-\u2069\uFEFF\uFFF9-\uFFFB]/g, "")
    .trim();
}

/** The same notification within the bounds of what is kept and sent (about 7,000 characters), each text one line. */
export function plainNotification(notification: Notification): Notification {
  const { details, actions, figures, title } = notification;
  const name = (text: string): string => cut(oneLine(text), MOST.name);
  const figure = (value: number | string | null) =>
    typeof value === "string" ? cut(oneLine(value), MOST.figure) : value;
  return {
    ...notification,
    id: name(notification.id),
    rule: name(notification.rule),
    subject: name(notification.subject),
    job: name(notification.job),
    executionId: notification.executionId === null ? null : name(notification.executionId),
    title: cut(oneLine(title), MOST.title),
    details: cutLines(details, MOST.details).map((line) => cut(oneLine(line), MOST.detail)),
    actions: cutLines(actions, MOST.actions).map((line) => cut(oneLine(line), MOST.action)),
    figures: Object.fromEntries(
      Object.entries(figures)
        .slice(0, MOST.figures)
        .map(([key, value]) => [cut(oneLine(key), MOST.figure), figure(value)]),
    ),
  };
}
