import type { Notification } from "./notification.ts";
import { cut, cutEscaped } from "./plain-notification.ts";
import { headline, origin, toneOf } from "./wording.ts";

/** Of an embed, in characters; 6,000 in all. */
const MOST = { title: 256, description: 4_096, footer: 512 };
const COLOURS = { bad: 0xd92d20, warn: 0xf79009, good: 0x12b76a, plain: 0x2e90fa } as const;

/** What a webhook of Discord takes: one embed. Markup is escaped, and nobody can be mentioned. */
export function discordMessage(notification: Notification): object {
  const { details, actions, atMs } = notification;
  const fence = actions.length === 0 ? "" : `\n\`\`\`\n${actions.join("\n").replaceAll("`", "'")}\n\`\`\``;
  const text = escaped(details.join("\n"), MOST.description - Math.min(fence.length, 2_000));
  return {
    allowed_mentions: { parse: [] },
    embeds: [
      {
        title: escaped(headline(notification), MOST.title),
        description: text + fence,
        color: COLOURS[toneOf(notification)],
        footer: { text: cut(origin(notification), MOST.footer) },
        timestamp: new Date(atMs).toISOString(),
      },
    ],
  };
}

/**
 * Discord takes a backslash in front of any punctuation. What has no meaning there (`'`, a full stop that is not that of a
 * numbered list) stays as it is: previews on a phone show the backslashes.
 */
function escaped(text: string, max: number): string {
  return cutEscaped(text, max, (part) => part.replace(/[!#&()*+/:<>@[-`{-~-]|(?<=^\s*\d+)\./gm, "\\$&"));
}
