import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { describe, expect, it } from "vitest";
import { discordMessage } from "../../src/notify/discord.ts";
import { mailOf } from "../../src/notify/mail.ts";
import type { Notification } from "../../src/notify/notification.ts";
import { pagerDutyMessage } from "../../src/notify/pagerduty.ts";
import { cut, cutEscaped, cutLines, oneLine, plainNotification } from "../../src/notify/plain-notification.ts";
import { slackMessage } from "../../src/notify/slack.ts";
import { teamsMessage } from "../../src/notify/teams.ts";
import { secretBytes, webhookMessage } from "../../src/notify/webhook.ts";
import { HOSTILE, notificationOf } from "./made-up-notification.ts";

const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const OLD_SECRET = `whsec_${Buffer.alloc(24, 9).toString("base64")}`;
const URL_PD = "https://events.pagerduty.com/v2/enqueue";

/** Every text of a message, wherever it stands. */
function textsOf(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsOf) : [];
}

/** Notifications with whatever texts a job, an endpoint or an error may bring. */
const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 600 }),
  fc.constant("&".repeat(5_000)),
  fc.constant('測"'.repeat(3_000)),
  fc.constant("😀*".repeat(3_000)),
);
const anyNotification: fc.Arbitrary<Notification> = fc
  .record({
    title: anyText,
    job: anyText,
    subject: anyText,
    details: fc.array(anyText, { maxLength: 40 }),
    actions: fc.array(anyText, { maxLength: 20 }),
    figures: fc.dictionary(fc.string(), fc.oneof(anyText, fc.integer(), fc.constant(null)), { maxKeys: 40 }),
    state: fc.constantFrom("problem", "recovered", "information"),
    severity: fc.constantFrom("info", "warning", "critical"),
  })
  .map((made) => plainNotification(notificationOf(made)));

describe("the signed webhook", () => {
  const secrets = [SECRET, OLD_SECRET].map((text) => secretBytes(text)!);
  const message = webhookMessage("https://hooks.test/in", secrets, notificationOf(), Date.now());

  it("is taken by the reference library with either secret while one replaces the other", () => {
    for (const secret of [SECRET, OLD_SECRET])
      expect(new Webhook(secret).verify(message.body, { ...message.headers })).toEqual({
        type: "notification.problem",
        timestamp: "2026-11-26T04:17:24.000Z",
        data: notificationOf(),
      });
    expect(message.headers["webhook-id"]).toBe("01JD-lag-1");
  });

  it("is refused by the reference library when body, id or secret is another, or it is old", () => {
    const check =
      (body: string, headers: Record<string, string>, secret = SECRET) =>
      () =>
        new Webhook(secret).verify(body, headers);
    expect(check(message.body.replace("312", "313"), { ...message.headers })).toThrow("No matching signature");
    expect(check(message.body, { ...message.headers, "webhook-id": "another" })).toThrow("No matching signature");
    const stranger = `whsec_${Buffer.alloc(32, 1).toString("base64")}`;
    expect(check(message.body, { ...message.headers }, stranger)).toThrow("No matching signature");
    const old = webhookMessage("https://hooks.test/in", secrets, notificationOf(), Date.now() - 6 * 60_000);
    expect(check(old.body, { ...old.headers })).toThrow("too old");
  });

  it.each([
    ["whsec_c2hvcnQ=", "too short"],
    [Buffer.alloc(65).toString("base64"), "too long"],
    ["whsec_not base64 at all, really not at all", "no base64"],
  ])("knows that %s is no secret: %s", (text) => {
    expect(secretBytes(text)).toBeNull();
  });
});

describe("names with special characters", () => {
  const hostile = plainNotification(
    notificationOf({ title: HOSTILE, details: [HOSTILE], actions: [`x \`\`\` ${HOSTILE}`], job: HOSTILE.slice(0, 60) }),
  );

  it("stay inert in Slack: no mention, no link, no end of the command's block", () => {
    const texts = textsOf(slackMessage(hostile));
    expect(texts.filter((text) => /<|>|&(?!amp;|lt;|gt;)/.test(text))).toEqual([]);
    expect(texts.join("\n")).toContain("&lt;!channel&gt;");
    const fenced = texts.find((text) => text.startsWith("```"))!;
    expect(fenced.slice(3, -3)).not.toContain("`");
  });

  it("stay inert in Discord: whatever has a meaning is escaped, nobody can be mentioned", () => {
    const message = discordMessage(hostile) as {
      allowed_mentions: object;
      embeds: { title: string; description: string }[];
    };
    expect(message.allowed_mentions).toEqual({ parse: [] });
    const { title, description } = message.embeds[0]!;
    const outside = description.replace(/\n```\n[^`]*\n```$/, "");
    const meaningless = /["$%',.;=?]/g;
    for (const text of [title, outside])
      expect(text.replace(/\\[!-/:-@[-`{-~]/g, "").replace(meaningless, "")).not.toMatch(/[!-/:-@[-`{-~]/);
    const details = ["1. It's 12 % of 3.5; isn't it?", "20. x"];
    const plain = discordMessage(notificationOf({ details, actions: [] })) as typeof message;
    expect(plain.embeds[0]!.description).toBe("1\\. It's 12 % of 3.5; isn't it?\n20\\. x");
  });

  it("stay inert in Teams: text runs only, no tag, no function", () => {
    const texts = textsOf(teamsMessage(hostile)).filter((text) => !text.startsWith("http"));
    expect(texts.filter((text) => /<\/?\w|\{\{|\$\{/.test(text))).toEqual([]);
    expect(JSON.stringify(teamsMessage(hostile))).not.toContain('"TextBlock"');
  });

  it("stay inert in a mail: one line in every header, no markup in the HTML", () => {
    const mail = mailOf(
      "mill@example.org",
      ["ops@example.org"],
      plainNotification(notificationOf({ ...hostile, title: "a\r\nBcc: x@evil.test" })),
    );
    expect(mail.subject).not.toMatch(/[\r\n]/);
    expect(mailOf("mill@example.org", ["o@example.org"], hostile).html).not.toContain("<script");
  });
});

describe("the limits of each service", () => {
  it("are kept whatever the texts are, and what is cut is said", () => {
    fc.assert(
      fc.property(anyNotification, (notification) => {
        const slack = slackMessage(notification) as {
          text: string;
          blocks: { type: string; text?: { text: string } }[];
        };
        for (const { type, text } of slack.blocks)
          expect(text?.text.length ?? 0).toBeLessThanOrEqual(type === "header" ? 150 : 3_000);
        expect(slack.blocks.length).toBeLessThanOrEqual(50);
        const [embed] = (
          discordMessage(notification) as { embeds: { title: string; description: string; footer: { text: string } }[] }
        ).embeds;
        expect(embed!.title.length).toBeLessThanOrEqual(256);
        expect(embed!.description.length).toBeLessThanOrEqual(4_096);
        expect(textsOf(embed).join("").length).toBeLessThanOrEqual(6_000);
        expect(Buffer.byteLength(JSON.stringify(teamsMessage(notification)))).toBeLessThanOrEqual(28 * 1_024);
        const { body } = pagerDutyMessage(URL_PD, "k".repeat(32), notification);
        const { dedup_key = "", payload } = body as { dedup_key?: string; payload: { summary: string } };
        expect([payload.summary.length <= 1_024, dedup_key.length <= 255]).toEqual([true, true]);
        expect(Buffer.byteLength(JSON.stringify(body))).toBeLessThanOrEqual(512 * 1_024);
        const mail = mailOf("mill@example.org", ["ops@example.org"], notification);
        expect(mail.subject.length).toBeLessThanOrEqual(160);
        expect(/[\r\n]/.test(mail.subject + mail.messageId + mail.references)).toBe(false);
      }),
      { numRuns: 200 },
    );
  });

  it("are kept with as much of the longest characters as a notification can have", () => {
    const long = "測".repeat(1_000);
    const longest = { title: long, job: long, rule: long, executionId: long, details: Array(30).fill(long) };
    const message = teamsMessage(plainNotification(notificationOf({ ...longest, actions: Array(30).fill(long) })));
    expect(Buffer.byteLength(JSON.stringify(message))).toBeLessThanOrEqual(28 * 1_024);
  });

  it("cut between characters, and say so", () => {
    expect(cut("abcdefghijklmnop", 12)).toBe("abcde… (cut)");
    expect(cut("abc😀😀😀😀😀😀", 11)).toBe("abc… (cut)");
    expect(cutLines(["a", "b", "c", "d"], 3)).toEqual(["a", "b", "… and 2 more"]);
    expect(cutEscaped("a&&&&&&&&&&&&&&&&&", 30, (text) => text.replaceAll("&", "&amp;"))).toBe(
      "a&amp;&amp;&amp;&amp;… (cut)",
    );
    expect(oneLine("a\r\nb\u0000c\u202Ed\u2028e")).toBe("a b cd e");
  });
});

describe("PagerDuty", () => {
  it("closes with the recovery what the problem opened, for this job only", () => {
    const problem = pagerDutyMessage(URL_PD, "key", notificationOf({ severity: "critical" }));
    const recovered = pagerDutyMessage(URL_PD, "key", notificationOf({ state: "recovered", id: "2" }));
    const other = pagerDutyMessage(URL_PD, "key", notificationOf({ job: "another" }));
    expect(problem).toMatchObject({
      url: URL_PD,
      body: { event_action: "trigger", payload: { severity: "critical" } },
    });
    expect(recovered).toMatchObject({ body: { event_action: "resolve" } });
    const keyOf = ({ body }: { body: object }) => (body as { dedup_key: string }).dedup_key;
    expect(keyOf(recovered)).toBe(keyOf(problem));
    expect(keyOf(other)).not.toBe(keyOf(problem));
  });

  it("takes information as a change, which wakes nobody", () => {
    const { url, body } = pagerDutyMessage(URL_PD, "key", notificationOf({ state: "information" }));
    expect(url).toBe("https://events.pagerduty.com/v2/change/enqueue");
    expect(body).not.toHaveProperty("event_action");
  });
});
