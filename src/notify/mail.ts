import { createHash } from "node:crypto";
import type { Notification } from "./notification.ts";
import { cut, oneLine } from "./plain-notification.ts";
import { headline, origin, toneOf } from "./wording.ts";

/** A subject longer than this is cut by most mail programs anyway. */
const LONGEST_SUBJECT = 160;
const COLOURS = { bad: "#d92d20", warn: "#b54708", good: "#067647", plain: "#175cd3" } as const;

/** A mail as nodemailer takes it. */
export interface Mail {
  readonly from: { readonly name: string; readonly address: string };
  readonly to: readonly { readonly name: string; readonly address: string }[];
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  readonly messageId: string;
  readonly references: string;
  readonly date: Date;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * One mail, as text and as simple HTML. The message id is that of the notification, the same in each attempt; a problem
 * and its recovery stand in one thread. No header holds a line end.
 */
export function mailOf(from: string, to: readonly string[], notification: Notification): Mail {
  const { details, actions, job, subject, id, atMs } = notification;
  const domain = from.slice(from.lastIndexOf("@") + 1);
  const digest = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 32);
  const title = headline(notification);
  return {
    from: { name: "Querymill", address: from },
    to: to.map((address) => ({ name: "", address })),
    subject: cut(oneLine(`[${job}] ${title}`), LONGEST_SUBJECT),
    text: [
      title,
      "",
      ...details,
      ...(actions.length === 0 ? [] : ["", ...actions]),
      "",
      "-- ",
      origin(notification),
    ].join("\n"),
    html: [
      '<div style="font: 14px/1.5 sans-serif; max-width: 44em">',
      `<h1 style="font-size: 18px; color: ${COLOURS[toneOf(notification)]}">${escaped(title)}</h1>`,
      ...details.map((line) => `<p style="margin: 0.4em 0">${escaped(line)}</p>`),
      ...(actions.length === 0
        ? []
        : [
            `<pre style="padding: 8px; background: #f2f4f7; white-space: pre-wrap">${escaped(actions.join("\n"))}</pre>`,
          ]),
      `<p style="color: #667085; font-size: 12px">${escaped(origin(notification))}</p>`,
      "</div>",
    ].join("\n"),
    messageId: `<${digest(id)}@${domain}>`,
    references: `<${digest(`${job} ${subject}`)}@${domain}>`,
    date: new Date(atMs),
    headers: { "Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All" },
  };
}

function escaped(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (sign) => entities[sign]!);
}
