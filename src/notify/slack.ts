import type { Notification } from "./notification.ts";
import { cutEscaped } from "./plain-notification.ts";
import { headline, origin, toneOf } from "./wording.ts";

/** Of Block Kit, in characters. */
const MOST = { header: 150, section: 3_000, fallback: 3_000 };
const SIGNS = { bad: "🔴", warn: "🟠", good: "🟢", plain: "🔵" } as const;

/**
 * What an incoming webhook of Slack takes. Texts are `plain_text`, which has no markup; `&`, `<` and `>` are escaped in
 * all of them, so that no `<!channel>` and no `<@U…>` can come about.
 */
export function slackMessage(notification: Notification): object {
  const { details, actions } = notification;
  const title = `${SIGNS[toneOf(notification)]} ${headline(notification)}`;
  const plain = (text: string, max: number) => ({ type: "plain_text", text: escaped(text, max), emoji: false });
  const section = (lines: readonly string[]) =>
    lines.length === 0 ? [] : [{ type: "section", text: plain(lines.join("\n"), MOST.section) }];
  const fence = actions.map((action) => action.replaceAll("`", "'")).join("\n");
  return {
    text: escaped(title, MOST.fallback),
    blocks: [
      { type: "header", text: plain(title, MOST.header) },
      ...section(details),
      ...(actions.length === 0
        ? []
        : [
            {
              type: "section",
              text: { type: "mrkdwn", text: `\`\`\`${escaped(fence, MOST.section - 6)}\`\`\``, verbatim: true },
            },
          ]),
      { type: "context", elements: [plain(origin(notification), MOST.section)] },
    ],
  };
}

function escaped(text: string, max: number): string {
  return cutEscaped(text, max, (part) => part.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;"));
}
