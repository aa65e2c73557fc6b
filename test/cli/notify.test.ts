import { pino } from "pino";
import { Webhook } from "standardwebhooks";
import { expect, it } from "vitest";
import { openOutbox } from "../../src/notify/outbox.ts";
import { writeRulesState } from "../../src/notify/rules-file.ts";
import { jobFolder } from "../../src/state/batch-file-manager.ts";
import { notificationOf } from "../notify/made-up-notification.ts";
import { makeCertificate, startReceiver, withStatus } from "../support/receiver.ts";
import { lastEvent, makeWorkspace } from "../support/workspace.ts";

const SIGNING = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;

it("tries each channel and says in one line each what became of it", async () => {
  const tls = makeCertificate();
  const works = await startReceiver(withStatus(200), tls);
  const gone = await startReceiver(withStatus(404, {}, "no_service"));
  const space = makeWorkspace();
  space.write(
    "querymill.yaml",
    `notify:
  channels:
    hook: {type: webhook, urlVariable: HOOK_URL, secretVariable: HOOK_SECRET}
    team: {type: slack, urlVariable: SLACK_URL}
    chat: {type: discord, urlVariable: DISCORD_URL}
    flow: {type: teams, urlVariable: TEAMS_URL}
    pager: {type: pagerduty, keyVariable: PD_KEY, url: "${works.url}/v2/enqueue"}
    inside: {type: slack, urlVariable: INSIDE_URL}
  allowPrivate: [localhost, 127.0.0.1]
`,
  );
  const env = {
    NODE_EXTRA_CA_CERTS: tls.path,
    HOOK_URL: `${works.url}/hook`,
    HOOK_SECRET: SIGNING,
    SLACK_URL: `${gone.url}/services/secret-path`,
    DISCORD_URL: `${works.url}/discord`,
    TEAMS_URL: `${works.url}/teams`,
    PD_KEY: "0123456789abcdef0123456789abcdef",
    INSIDE_URL: "https://169.254.169.254/x",
  };
  const { code, stdout } = await space.querymill(["notify", "test"], env);
  const lines = Object.fromEntries(
    stdout
      .trimEnd()
      .split("\n")
      .map((line) => [line.split(/\s+/)[1], line]),
  );
  for (const name of ["hook", "chat", "flow", "pager"]) expect(lines[name]).toContain("delivered");
  expect(lines.team).toMatch(/✖ team +slack +it answered 404: no_service\. Its webhook is gone or was never this one/);
  expect(lines.inside).toContain("link-local");
  expect(stdout).not.toContain("secret-path");
  expect(code).toBe(3);
  const signed = works.received.find(({ path }) => path === "/hook")!;
  expect(new Webhook(SIGNING).verify(signed.body, signed.headers as Record<string, string>)).toMatchObject({
    data: { rule: "test" },
  });
  expect(works.received.map(({ path }) => path).sort()).toEqual(["/discord", "/hook", "/teams", "/v2/change/enqueue"]);

  const one = await space.querymill(["notify", "test", "hook", "--json"], env);
  expect(one.code).toBe(0);
  expect(lastEvent(one.stdout)).toMatchObject({
    event: "notify:test",
    failed: 0,
    channels: [{ channel: "hook", delivered: true, reason: null }],
  });
});

it.each([
  [[], "", /There is no channel: notify\.channels is not in the settings/],
  [
    ["tem"],
    "notify: {channels: {team: {type: slack, urlVariable: X}}}",
    /There is no channel tem\. Did you mean team\?/,
  ],
])("test %j refuses what is not there", async (args, config, message) => {
  const space = makeWorkspace();
  space.write("querymill.yaml", config);
  const { code, stderr } = await space.querymill(["notify", "test", ...args]);
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
});

it("says which secret is missing, and sends to the others", async () => {
  const works = await startReceiver();
  const space = makeWorkspace();
  space.write(
    "querymill.yaml",
    `notify: {channels: {a: {type: slack, urlVariable: NOT_SET}, b: {type: slack, urlVariable: B}}, allowPrivate: ["127.0.0.1"]}`,
  );
  const { code, stdout } = await space.querymill(["notify", "test"], { B: works.url });
  expect(code).toBe(3);
  expect(stdout).toContain("NOT_SET, which urlVariable names, is not set. Set it in the environment or in .env.");
  expect(works.received).toHaveLength(1);
});

it("lists channels, what waits and what was given up, and changes nothing", async () => {
  const space = makeWorkspace();
  space.write("querymill.yaml", "job: inbox\nnotify: {channels: {team: {type: slack, urlVariable: SLACK_URL}}}");
  const identity = { tenant: "default", job: "inbox", range: "0" };
  const folder = jobFolder(space.path("batch_files"), identity);
  const outbox = await openOutbox({
    folder,
    identity,
    channels: [{ name: "team", settings: { type: "slack", url: "https://hooks.test" }, secrets: [] }],
    send: async (_channel, { id }) =>
      id === "lost"
        ? { kind: "refused", reason: "it answered 404", advice: "Check it." }
        : { kind: "later", reason: "it answered 503", afterMs: null },
    logger: pino({ level: "silent" }),
  });
  await outbox.put(notificationOf({ id: "lost", title: "The run has ended" }), ["team"]);
  await outbox.put(notificationOf({ id: "kept" }), ["team"]);
  await outbox.close();
  const lane = { held: [notificationOf({ id: "night" })], more: 2, sent: [] };
  await writeRulesState(folder, identity, { made: 3, lanes: { team: lane } } as never);
  const before = space.digest("batch_files");
  const { code, stdout } = await space.querymill(["notify", "list"], {
    SLACK_URL: "https://hooks.slack.com/services/x",
  });
  expect(code).toBe(0);
  expect(stdout).toMatch(/✔ team {2}slack {3}1 waiting {3}1 given up {3}3 held back for now/);
  expect(stdout).toContain("The oldest item waits for 12 minutes (tried once, last: it answered 503)");
  expect(stdout).toContain("The run has ended: it answered 404. Check it.");
  expect(space.digest("batch_files")).toBe(before);
  const withoutSecret = await space.querymill(["notify", "list", "--json"]);
  expect(withoutSecret.code).toBe(2);
  const json = lastEvent(withoutSecret.stdout);
  expect(json).toMatchObject({
    event: "notify:list",
    channels: [{ channel: "team", waiting: 1, givenUp: 1, held: 3 }],
    waiting: [{ id: "kept", channel: "team", state: "problem", subject: "lag", attempts: 1 }],
    givenUp: [{ id: "lost", channel: "team" }],
  });
});
