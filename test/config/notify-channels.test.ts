import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { type ChannelsSettings, channelSecrets, usableChannels } from "../../src/config/channels.ts";
import { loadSettings } from "../../src/config/load.ts";

const folder = mkdtempSync(join(tmpdir(), "querymill-channels-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SLACK = "https://hooks.slack.com/services/T000/B000/abcdefghijklmnop";
const SIGNING = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;

function file(name: string, text: string, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

async function load(notify: string, env: Record<string, string> = {}): Promise<ChannelsSettings> {
  file("querymill.yaml", `notify:\n  channels:\n${notify}`);
  const { service } = await loadSettings({ flags: {}, env, cwd: folder, needsModel: false });
  return service.channels!;
}

/** The message of whatever is wrong, at whatever time it is found. */
async function problemOf(notify: string, env: Record<string, string> = {}): Promise<string> {
  try {
    usableChannels(await load(notify, env));
    return "nothing";
  } catch (error) {
    return (error as Error).message;
  }
}

it("reads every type, its secrets from variables, .env and files, and tells all of them to the redactor", async () => {
  file(".env", `SLACK_URL=${SLACK}\n`);
  file("old-secret", `${Buffer.alloc(24, 9).toString("base64")}\n`);
  file("discord-url", "https://discord.com/api/webhooks/1/very-secret-token\n");
  const channels = await load(
    `    team: {type: slack, urlVariable: SLACK_URL}
    chat: {type: discord, urlFile: discord-url}
    flow: {type: teams, urlVariable: TEAMS_URL}
    oncall: {type: pagerduty, keyVariable: PD_KEY}
    mail: {type: email, urlVariable: SMTP_URL, from: mill@example.org, to: [ops@example.org]}
    lead: {type: email, url: "smtp://mail.intern:25", from: mill@example.org, to: lead@example.org}
    hook: {type: webhook, url: "https://alerts.intern/in", secretVariable: HOOK, oldSecretFile: old-secret}
  allowPrivate: [Alerts.intern, 10.0.0.5]
`,
    {
      TEAMS_URL: "https://prod.logic.azure.com/x?sig=topsecret",
      PD_KEY: "0123456789abcdef0123456789abcdef",
      SMTP_URL: "smtp://u:p%40ss@mail.example.org",
      HOOK: SIGNING,
    },
  );
  const used = usableChannels(channels);
  expect(used.map(({ name, settings }) => `${name} ${settings.type}`)).toEqual([
    ...["team slack", "chat discord", "flow teams", "oncall pagerduty", "mail email", "lead email", "hook webhook"],
  ]);
  expect(used.find(({ name }) => name === "lead")!.settings).toMatchObject({ to: ["lead@example.org"] });
  expect(used.find(({ name }) => name === "hook")!.settings).toMatchObject({
    secrets: [Buffer.alloc(32, 7), Buffer.alloc(24, 9)],
  });
  expect([...channels.allowPrivate]).toEqual(["alerts.intern", "10.0.0.5"]);
  const secrets = channelSecrets(channels);
  for (const secret of [
    SLACK,
    "/api/webhooks/1/very-secret-token",
    "/x?sig=topsecret",
    "p@ss",
    "p%40ss",
    SIGNING,
    "0123456789abcdef0123456789abcdef",
  ])
    expect(secrets).toContain(secret);
  expect(secrets.some((secret) => secret.includes("alerts.intern"))).toBe(false);
});

it.each([
  ["a: {type: slak, urlVariable: X}", /notify\.channels\.a\.type: There is no type "slak"\. Did you mean slack\?/],
  ["a: {type: webhook, url: '127.0.0.1:9911', secretVariable: S}", /a\.url: It begins with https:\/\/ or http:\/\//],
  ["a: 5", /notify\.channels\.a: expected channels by name, such as /],
  ["a: {urlVariable: X}", /It is one of webhook, slack, discord, teams, pagerduty, email/],
  ["a: {type: slack, urlVarable: X}", /slack has no urlVarable\. Did you mean urlVariable\?/],
  ["a: {type: slack, channel: x}", /slack has no channel\. It has: type, urlVariable, urlFile/],
  [`a: {type: slack, url: "${SLACK}"}`, /url would be a secret in a file: put it in a variable .* urlVariable/],
  [`a: {type: slack, urlVariable: "${SLACK}"}`, /what is secret goes there, not here/],
  ["a: {type: pagerduty, key: 0123456789abcdef}", /key would be a secret in a file: .* keyVariable/],
  ["a: {type: pagerduty, routingKey: 0123456789abcdef}", /routingKey would be a secret in a file: .* keyVariable/],
  ['a: {type: email, url: "smtp://u:geheim@h", from: a@b.de, to: c@d.de}', /put it in a variable .* urlVariable/],
  [
    "a: {type: email, url: 'smtp://h', from: 'a@b.de\\r\\nBcc: x', to: c@d.de}",
    /notify\.channels\.a\.from: .* one mail address/,
  ],
  [
    "a: {type: email, url: 'smtp://h', from: a@b.de, to: ['c@d.de, e@f.de']}",
    /notify\.channels\.a\.to.* list of up to 20/,
  ],
  ["'a b': {type: slack, urlVariable: X}", /A name has letters, digits/],
  [
    "a: {type: slack, urlVariable: NOT_SET}",
    /querymill\.yaml:3:8 notify\.channels\.a: NOT_SET, which urlVariable names, is not set/,
  ],
  ["a: {type: slack}", /it needs urlVariable, the name of a variable/],
  ["a: {type: webhook, url: 'https://h.example'}", /it needs secretVariable/],
  ["a: {type: slack, urlVariable: S, urlFile: f}", /name the same secret\. Leave one out/],
  ["a: {type: webhook, url: 'https://h.example', secretVariable: SHORT}", /openssl rand -base64 32/],
  ["a: {type: slack, urlVariable: SHORT}", /its url is not an https address/],
  ["a: {type: email, urlVariable: SHORT, from: a@b.de, to: c@d.de}", /not the address of a mail server/],
  ["a: {type: slack, urlFile: nowhere}", /urlFile: .*nowhere cannot be read: ENOENT/],
])("refuses %s and says what to do", async (channel, message) => {
  const text = await problemOf(`    ${channel}\n`, { SHORT: "shortsecret", S: SLACK });
  expect(text).toMatch(message);
  for (const secret of ["abcdefghijklmnop", "shortsecret", "0123456789abcdef", "geheim"])
    expect(text).not.toContain(secret);
});

it("refuses a file with a secret that others may read", async () => {
  const path = file("open-url", SLACK, 0o644);
  expect(await problemOf("    a: {type: slack, urlFile: open-url}\n")).toContain(
    `can be read by others (mode 644), and it holds a secret. Do:  chmod 600 ${path}`,
  );
  chmodSync(path, 0o400);
  expect(await problemOf("    a: {type: slack, urlFile: open-url}\n")).toBe("nothing");
});

it("lets commands that send nothing work without the secrets", async () => {
  const { found } = await load("    a: {type: slack, urlVariable: NOT_SET}\n");
  expect(found).toMatchObject([{ name: "a", type: "slack", problem: expect.any(String) }]);
});
