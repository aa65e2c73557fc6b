import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { expect, it, onTestFinished } from "vitest";
import { openNotifications } from "../../src/cli/notify-companion.ts";
import { QuerymillError } from "../../src/errors.ts";
import { Events } from "../../src/events.ts";
import { defaultRules } from "../../src/notify/rule-settings.ts";
import { makeRedactor } from "../../src/redact.ts";
import { jobFolder, WHOLE_RANGE } from "../../src/state/batch-file-manager.ts";
import { runFlags, startCli } from "../support/cli.ts";
import { makeJob } from "../support/job.ts";
import { startReceiver, withStatus } from "../support/receiver.ts";
import { makeSnapshot } from "./made-up-run.ts";

const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;

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
      watchReload: () => {},
      jobFlags: "",
      again: "querymill run",
      redacted: makeRedactor(["k3y-of-the-run"]),
      warn: () => {},
      note: () => {},
      handOver: () => {},
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

it("shows its end while an earlier process still delivers, and tells it all the same", async () => {
  const job = await makeJob("the embedded store");
  await job.seed(1);
  const settings = { ...job.settings, job: "support" };
  const identity = { tenant: settings.tenant, job: "support", range: WHOLE_RANGE };
  const [busy, receiver] = [await startReceiver(() => {}), await startReceiver()];
  const script = fileURLToPath(new URL("../notify/outbox-process.ts", import.meta.url));
  const args = [script, jobFolder(settings.batchDir, identity), busy.url, SECRET, "1", "1"];
  const earlier = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
  onTestFinished(() => void earlier.kill("SIGKILL"));
  await busy.seen(1);

  const hook = { type: "webhook", url: receiver.url, secretVariable: "HOOK" };
  const config = { notify: { channels: { hook }, allowPrivate: ["127.0.0.1"] } };
  await writeFile(join(settings.batchDir, "querymill.yaml"), JSON.stringify(config));
  const cli = startCli(runFlags(settings), { cwd: settings.batchDir, env: { HOOK: SECRET } });
  await cli.seen("execution:end");
  expect(receiver.received).toEqual([]);
  earlier.kill("SIGKILL");
  expect(await cli.ended).toMatchObject({ code: 0, stderr: "", end: { classified: 1 } });
  expect(cli.events.at(-1)!.event).toBe("execution:end");
  // What the earlier one did not deliver is delivered by whoever comes next.
  const rules = receiver.received.map(({ body }) => (JSON.parse(body) as { data: { rule: string } }).data.rule);
  expect(rules.sort()).toEqual(["finished", "lag"]);
});
