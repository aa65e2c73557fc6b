import type { Notification } from "./notification.ts";
import { headline, origin, toneOf } from "./wording.ts";

const COLOURS = { bad: "attention", warn: "warning", good: "good", plain: "accent" } as const;

/**
 * What the workflow "Post to a channel when a webhook request is received" takes: one adaptive card, which may have 28 KB. All
 * texts are text runs, which know no markdown; a mention would need an entity of its own, and there is none.
 */
export function teamsMessage(notification: Notification): object {
  const lines = (texts: readonly string[], run: object) =>
    texts.map((text) => ({ type: "RichTextBlock", inlines: [{ type: "TextRun", text: inert(text), ...run }] }));
  return {
    type: "message",
    attachments: [
      {
        contentType: "application/vnd.microsoft.card.adaptive",
        contentUrl: null,
        content: {
          $schema: "http://adaptivecards.io/schemas/adaptive-card.json",
          type: "AdaptiveCard",
          version: "1.4",
          fallbackText: inert(headline(notification)),
          msteams: { width: "Full" },
          body: [
            ...lines([headline(notification)], {
              size: "large",
              weight: "bolder",
              color: COLOURS[toneOf(notification)],
            }),
            ...lines(notification.details, {}),
            ...lines(notification.actions, { fontType: "monospace" }),
            ...lines([origin(notification)], { isSubtle: true, size: "small" }),
          ],
        },
      },
    ],
  };
}

/** Cards replace `{{DATE(…)}}` and `${…}`, and workflows tags such as `<at>`. */
function inert(text: string): string {
  return text
    .replaceAll("{{", "{ {")
    .replaceAll("${", "$ {")
    .replace(/<(?=\/?\w)/g, "< ");
}
