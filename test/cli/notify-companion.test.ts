import { pino } from "pino";
import { expect, it } from "vitest";
import { openNotifications } from "../../src/cli/notify-companion.ts";
import { QuerymillError } from "../../src/errors.ts";
import { Events } from "../../src/events.ts";
import { defaultRules } from "../../src/notify/rule-settings.ts";
import { makeRedactor } from "../../src/redact.ts";
import { makeJob } from "../support/job.ts";
import { startReceiver, withStatus } from "../support/receiver.ts";
import { makeSnapshot } from "./made-up-run.ts";

it("lets no key and no password out, whatever the words of a server repeat, and keeps what was not delivered", async () => {
  const { settings } = await makeJob("the embedded store");
  const receiver = await startReceiver(withStatus(503));
  const channel = { name: "team", settings: { type: "slack" as const, url: receiver.url }, secrets: [] };
  const open = () =>
    openNotifications({
      execution: { events: new Events(), snapshot: () => makeSnapshot({ endpoints: [], budget: null }) } as never,
      settings,
      service: {
        channels: { found: [{ name: "team", type: "slack", channel }], allowPrivate: new Set(["127.0.0.1"]) },
        notifyRules: { rules: defaultRules("UTC"), pacing: { quietHours: [], groupSeconds: 0, maxPerHour: 20 } },
      },
      logger: pino({ level: "silent" }),
      reload: null,
      jobFlags: "",
      again: "querymill run",
      redacted: makeRedactor(["k3y-of-the-run"]),
      note: () => {},
    });
  const first = (await open())!;
  const message = "Key k3y-of-the-run was refused at https://mill:pa55word@models.intern/v1.";
  first.failed!(new QuerymillError("MODEL_UNREACHABLE", message));
  await first.ended!();
  await receiver.seen(1);
  await first.close();

  receiver.answer = withStatus(200);
  const tried = receiver.received.length;
  const next = (await open())!;
  await receiver.seen(tried + 1);
  await next.close();
  const { body } = receiver.received.at(-1)!;
  expect(body).toContain("Key *** was refused at https://models.intern/v1.");
  for (const each of receiver.received) expect(each.body).not.toMatch(/k3y|pa55/);
});
